/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* One message there and back, bounded in time and in what is read, whatever the
 * server does. */
typedef struct
{
  gint64 timeout;   /* ms, for all of it */
  gint64 tail;      /* ms, for what is left of a good answer when its head is there */
  gsize max_answer; /* bytes: what comes after is not read */
} LsobsExchangeLimits;

void _lsobs_exchange_async (SoupSession *session,
                            SoupMessage *message,
                            const char *type,
                            GBytes *body,
                            const LsobsExchangeLimits *limits,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data);
gboolean _lsobs_exchange_was_resent (GAsyncResult *result);
char *_lsobs_exchange_finish (GAsyncResult *result, gsize *len, GError **error);

G_END_DECLS
