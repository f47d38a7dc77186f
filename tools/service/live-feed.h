/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The page that is open is told what changes: GET /page-data/live answers with server-sent events that go on.
 *
 *   GET /page-data/live[?change=N]
 *     N: the change that the page knows, as its lists say; or the Last-Event-ID of a browser that connects
 *     again. Without either, from now on. Each event has as data {change, …}; its id is that number.
 *
 *   hello     {change}: first
 *   runs      {change, runs: [{id, trace, parent, project, root}]}: these are new, or others, 500 at most
 *   feedback  {change, runs: [{id, trace, project}]}: these have other feedback
 *   removed   {change, traces: [id], projects: [id]}: these traces, and all traces of these projects, are gone
 *   reload    {change}: so much has changed that the page should read its lists again
 *
 * Events come 100 ms after each other at the earliest, and at once if there was none before. What this process
 * writes is told when it is committed; what another one writes is seen within a second. A comment every 15 s
 * shows that the connection lasts. There are LIVE_FEED_MAX listeners at most; one gets the next events when it
 * has read the last ones, so that a slow one needs no memory, and one that reads nothing for a minute is cut
 * off. Without a listener nothing happens here: no timer, and no message from the thread that writes. */

#pragma once

#include <libsoup/soup.h>

#include "tools/service/worker.h"

G_BEGIN_DECLS

#define LIVE_FEED_MAX 32

typedef struct _LiveFeed LiveFeed;

/* @worker: lasts as long. It runs in the thread-default context of this thread. */
LiveFeed *live_feed_new (Worker *worker);
/* Waits until the worker has answered it. */
void live_feed_free (LiveFeed *self);

/* Answers a request by events.
 * @change: the last one that the listener knows, or -1
 * Returns: FALSE if there are too many listeners */
gboolean live_feed_add (LiveFeed *self, SoupServerMessage *message, gint64 change);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LiveFeed, live_feed_free)

G_END_DECLS
