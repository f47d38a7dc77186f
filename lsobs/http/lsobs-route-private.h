/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-exchange-private.h"
#include "lsobs/http/lsobs-service-private.h"

G_BEGIN_DECLS

/* The way to a service: whom it is trusted by, and which proxy leads to it. */

void _lsobs_route_update (LsobsRoute *self, SoupSession *session);
void _lsobs_route_open (LsobsRoute *self, LsobsSettings *settings, SoupSession *session);
void _lsobs_route_leave_parent (LsobsRoute *self);
void _lsobs_route_clear (LsobsRoute *self);

void _lsobs_route_exchange_async (LsobsService *service,
                                  SoupMessage *message,
                                  const char *type,
                                  GBytes *body,
                                  const LsobsExchangeLimits *limits,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);
gboolean _lsobs_route_exchange_was_resent (GAsyncResult *result);
char *_lsobs_route_exchange_finish (GAsyncResult *result, gsize *len, GError **error);
GError *_lsobs_route_make_error (LsobsService *service,
                                 SoupMessage *message,
                                 const GError *problem);

G_END_DECLS
