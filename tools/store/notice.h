/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changes other than those of runs, for the pages that are open: deleted traces and projects, and
 * feedback. Each has a number of the same sequence as the changes of runs. Old notices are
 * forgotten. */

#pragma once

#include "tools/store/store.h"

G_BEGIN_DECLS

/* A reader that is this many changes behind may miss a notice. */
#define NOTICE_WINDOW 5000

typedef enum
{
  NOTICE_TRACE_REMOVED = 1,   /* its id is that of a trace */
  NOTICE_PROJECT_REMOVED = 2, /* ... of a project: it, or all of its traces */
  NOTICE_FEEDBACK = 3         /* ... of a run, whose feedback is another one */
} NoticeKind;

typedef struct
{
  gint64 change;
  NoticeKind kind;
  LsobsId id;
} Notice;

/* In a transaction. */
gboolean notice_write (Store *store, NoticeKind kind, const LsobsId *id, GError **error);

/* Returns: (transfer full) (nullable) (element-type Notice): after change @after, up to @until */
GArray *notice_list (Store *store, gint64 after, gint64 until, guint limit, GError **error);

G_END_DECLS
