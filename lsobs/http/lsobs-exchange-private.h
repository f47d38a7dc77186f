/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* Limits of one exchange: a message and its answer. They hold whatever the server does. An exchange
 * is used only in the context that sends, the thread-default one of its beginning. */
typedef struct
{
  gint64 timeout;   /* ms: of the whole exchange */
  gint64 tail;      /* ms: of a successful answer after its head */
  gsize max_answer; /* bytes: the rest is not read */
} LsobsExchangeLimits;

void _lsobs_exchange_async (SoupSession *session,
                            SoupMessage *message,
                            const char *type,
                            GBytes *body,
                            const LsobsExchangeLimits *limits,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data);
void _lsobs_exchange_refuse (const char *problem,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data);
gboolean _lsobs_exchange_was_resent (GAsyncResult *result);
char *_lsobs_exchange_finish (GAsyncResult *result, gsize *len, GError **error);

G_END_DECLS
