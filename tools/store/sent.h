/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Marks what was sent on to other services, so that nothing is sent twice. A mark belongs to a run,
 * or to feedback, and to one target. It is deleted together with the run. */

#pragma once

#include "tools/store/store.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 change; /* of the run when it was sent; of feedback, when it was modified */
  gint64 time;   /* µs: when it was read to be sent */
  gint64 digest; /* of what was sent */
} SentMark;

/* Finds the number of a target, and makes it if it is not there. In a transaction.
 * @name: says where things are sent; it has no key in it */
gboolean sent_ensure_target (Store *store, const char *name, gint64 *target, GError **error);
/* @found: (out): FALSE if it was not sent there */
gboolean sent_load (Store *store,
                    gint64 target,
                    const LsobsId *id,
                    SentMark *mark,
                    gboolean *found,
                    GError **error);
/* In a transaction. */
gboolean sent_write (Store *store,
                     gint64 target,
                     const LsobsId *id,
                     const SentMark *mark,
                     GError **error);
/* Removes the marks of a run and of its feedback. In a transaction, before the feedback is removed. */
gboolean sent_delete_run (Store *store, const LsobsId *run_id, GError **error);

G_END_DECLS
