/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The variables of the environment that settings come from: which are set, and which of them the library
 * understands. The library reads them; what is known here are their names. */

#pragma once

#include <lsobs/lsobs.h>

#include "tools/doctor/finding.h"

G_BEGIN_DECLS

#define VARIABLES_MAX_NAMES 8

/* The variables of one setting, in the order in which they are read: the first one that is set counts. */
typedef struct
{
  const char *setting; /* the property of LsobsConfig, or another word */
  FindingTopic topic;
  const char *names[VARIABLES_MAX_NAMES]; /* NULL-terminated */
} VariableGroup;

/* Returns: (transfer none): all that the library reads */
const VariableGroup *variables_get_groups (guint *n);

/* Returns: (transfer none) (nullable): the variable of a setting that counts
 * @value: (out) (optional) (transfer none): as it is set */
const char *variables_find (const char *setting, const char **value);
/* Returns: (transfer full) (nullable): the value without white space and quotes around it */
char *variables_dup (const char *setting);

/* Returns: (transfer none) (nullable): the variable that is likely meant by a name that none has */
const char *variables_guess (const char *name);

/* Adds what is wrong with names and values, and reads the settings. Changes the environment meanwhile: to be
 * called before there is a second thread. Tracing is on in the result.
 * @was_on: (out): whether tracing is on in the environment
 * Returns: (transfer full) (nullable): NULL if the place that traces go to cannot be known; then a
 *   failure is added */
LsobsConfig *variables_check (Report *report, gboolean *was_on);

/* Sets the log of the library aside, while a function is called.
 * @messages: (element-type utf8): gets what is logged */
void variables_begin_log (GPtrArray *messages);
void variables_end_log (void);

G_END_DECLS
