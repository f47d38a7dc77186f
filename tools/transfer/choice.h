/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which runs a command takes: those of whole traces, or all. They are found step by step, so that
 * memory does not grow with their number. */

#pragma once

#include <glib.h>

#include "tools/store/store.h"

G_BEGIN_DECLS

/* The options of a command that chooses: the same as those of "lsobs list". */
typedef struct
{
  int limit; /* traces, or 0 for all */
  char *project;
  char *words;
  char *filter;
  char *since;
  gboolean only_errors;
} ChoiceOptions;

extern ChoiceOptions choice_options;
/* NULL-terminated; they set choice_options. */
extern const GOptionEntry choice_entries[];

typedef struct _Choice Choice;

/* @traces: (nullable) (element-type LsobsId): of these traces alone
 * Returns: (transfer full) (nullable): NULL with STORE_ERROR_INVALID if an option has a wrong value */
Choice *choice_new (Store *store, const ChoiceOptions *options, GArray *traces, GError **error);
void choice_free (Choice *self);

/* Finds the next run. Runs that come meanwhile may be left out.
 * @done: (out): TRUE at the end */
gboolean choice_next (Choice *self, LsobsId *id, gboolean *done, GError **error);

/* Whether these are all runs of the store. */
gboolean choice_is_all (Choice *self);
/* Returns: the seq of the only project, or 0 for any */
gint64 choice_get_project (Choice *self);
/* @n: (out): how many runs there are to come, or -1 if that is not known */
gboolean choice_count (Choice *self, gint64 *n, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Choice, choice_free)

G_END_DECLS
