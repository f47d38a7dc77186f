/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the checks of "lsobs doctor" find: one finding is one line for people, or one object of JSON. No
 * secret that is known, or has the form of one, is in either. */

#pragma once

#include <stdio.h>

#include <json-glib/json-glib.h>

#include "tools/terminal/screen.h"

G_BEGIN_DECLS

typedef enum
{
  FINDING_OK,
  FINDING_WARNING,
  FINDING_FAILURE
} FindingLevel;

/* What a finding is about, in the order in which they are printed. */
typedef enum
{
  FINDING_VARIABLES,
  FINDING_TRACING,
  FINDING_PROFILE,
  FINDING_KEY,
  FINDING_ENDPOINT,
  FINDING_TLS,
  FINDING_PROXY,
  FINDING_CLOCK,
  FINDING_SERVICE,
  FINDING_ACCESS,
  FINDING_WRITING,
  FINDING_PROJECT,
  FINDING_LIMITS,
  FINDING_SPOOL,
  FINDING_FAILED_TRACES,
  FINDING_STORE,
  FINDING_SERVE,
  FINDING_N_TOPICS
} FindingTopic;

typedef struct _Report Report;

Report *report_new (void);
void report_free (Report *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Report, report_free)

/* @secret is replaced wherever it is in a text. */
void report_hide (Report *self, const char *secret);

/* Adds what was found.
 * @advice: (nullable): what to change, as a sentence without a full stop
 * @text: what was found, without a full stop
 * Returns: (transfer none): members for the finding in JSON, which are added to it */
JsonObject *report_add (Report *self,
                        FindingTopic topic,
                        FindingLevel level,
                        const char *text,
                        const char *advice);
/* Whether there is a finding about it. */
gboolean report_has (Report *self, FindingTopic topic);
gboolean report_has_failure (Report *self, FindingTopic topic);
FindingLevel report_get_worst (Report *self);

/* Prints, by topic, what was added since the last call. */
void report_print (Report *self, const Screen *screen, FILE *file);
/* Prints how many problems there are. */
void report_print_end (Report *self, const Screen *screen, FILE *file);
/* Prints all findings as one JSON object. */
void report_print_json (Report *self, FILE *file);

G_END_DECLS
