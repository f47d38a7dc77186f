/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The conversations of a project: the traces whose roots have the same thread in their metadata. */

#pragma once

#include "tools/store/run.h"

G_BEGIN_DECLS

typedef struct
{
  char *name;        /* (owned) */
  gint64 first_time; /* µs: the start of its first trace */
  gint64 last_time;  /* ... and of its last one */
  gint64 n_traces;
  gint64 n_errors; /* traces whose root has failed */
  RunUsage usage;
  char *input;  /* (owned) (nullable) a line of the first trace */
  char *output; /* (owned) (nullable) a line of the last one */
} Thread;

/* Returns: (transfer full) (nullable) (element-type Thread): the thread with the newest trace first
 * @project: its seq
 * @begin: (nullable): where the page begins, as @cursor has said
 * @cursor: (out) (transfer full) (nullable): NULL if this is the last page */
GPtrArray *thread_list (Store *store,
                        gint64 project,
                        guint limit,
                        const char *begin,
                        char **cursor,
                        GError **error);

/* Returns: (transfer full) (nullable) (element-type Run): the roots of a thread, the oldest first, whole. A page
 *   ends when its texts have @max_bytes.
 * @begin, @cursor: as above */
GPtrArray *thread_load (Store *store,
                        gint64 project,
                        const char *name,
                        guint limit,
                        gsize max_bytes,
                        const char *begin,
                        char **cursor,
                        GError **error);

G_END_DECLS
