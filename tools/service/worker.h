/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The threads between the service and its store: one reads bodies, one writes, one reads the store. So a
 * long list holds up no client that sends. Requests that wait together are written in one transaction, and
 * are answered when it is committed. A thread without a request sleeps until one comes. */

#pragma once

#include "tools/service/request.h"

G_BEGIN_DECLS

typedef struct _Worker Worker;

typedef struct
{
  gint64 max_bytes; /* of the database; 0: no limit */
  gint64 max_age;   /* µs since a trace was received; 0: no limit */
} WorkerLimits;

/* Answers go to the thread-default context of this thread. */
/* @own_changes: (nullable): see store_note_changes (); it is in use until the worker is freed */
Worker *worker_new (const char *path,
                    const WorkerLimits *limits,
                    GArray *own_changes,
                    GError **error);
/* Waits until all requests are answered. */
void worker_free (Worker *self);
/* @request: (transfer full): with its route; request->done is called when it has its answer */
void worker_push (Worker *self, Request *request);

typedef void (*WorkerWrittenFunc) (gpointer data);
/* Has a function called after what is written, in the context of the answers; several writes may lead to one
 * call.
 * @func: (nullable): NULL: no longer */
void worker_set_written_func (Worker *self, WorkerWrittenFunc func, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Worker, worker_free)

G_END_DECLS
