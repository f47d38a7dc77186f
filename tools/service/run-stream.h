/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers that are runs as lines of JSON. They are sent in pieces, and the memory does not grow with the number of
 * runs. The next piece is read when the client has taken the last one: a slow client does not delay others. */

#pragma once

#include <libsoup/soup.h>

#include "tools/service/worker.h"

G_BEGIN_DECLS

typedef struct _RunStreams RunStreams;

/* @worker: lasts as long. It runs in the thread-default context of this thread. */
RunStreams *run_streams_new (Worker *worker);
/* Waits until the worker has answered it. */
void run_streams_free (RunStreams *self);

/* Sends the runs as the body of an answer whose status and headers are set, and which is paused. A run that is
 * deleted meanwhile is left out. After an error of the store the connection is closed before the end of the
 * body, so that the client knows that it is not whole.
 * @ids: (element-type LsobsId) */
void run_streams_add (RunStreams *self, SoupServerMessage *message, GArray *ids);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RunStreams, run_streams_free)

G_END_DECLS
