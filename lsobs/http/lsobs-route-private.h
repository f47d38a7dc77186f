/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/http/lsobs-exchange-private.h"

G_BEGIN_DECLS

/* The way to a service: its address and key, the certificates to trust, the proxy, and the
 * connections. Used only in the context that sends. */
typedef struct _LsobsRoute LsobsRoute;

LsobsRoute *_lsobs_route_new (LsobsSettings *settings);
LsobsRoute *_lsobs_route_ref (LsobsRoute *self);
void _lsobs_route_unref (LsobsRoute *self);
void _lsobs_route_set_waker (LsobsRoute *self, GSource *waker);
void _lsobs_route_enter (LsobsRoute *self);
void _lsobs_route_leave (LsobsRoute *self);
void _lsobs_route_close (LsobsRoute *self);
gboolean _lsobs_route_is_quiet (LsobsRoute *self, gboolean gives_up);
gboolean _lsobs_route_has_idle (LsobsRoute *self);

SoupMessage *_lsobs_route_new_message (LsobsRoute *self, const char *method, const char *path);
void _lsobs_route_exchange_async (LsobsRoute *self,
                                  SoupMessage *message,
                                  const char *type,
                                  GBytes *body,
                                  const LsobsExchangeLimits *limits,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);
GError *_lsobs_route_make_error (LsobsRoute *self, SoupMessage *message, const GError *problem);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRoute, _lsobs_route_unref)

G_END_DECLS
