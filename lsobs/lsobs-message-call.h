/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

#include <lsobs/lsobs-observer.h>

G_BEGIN_DECLS

LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_trace_message (LsobsObserver *self,
                                        SoupMessage *message,
                                        GBytes *body,
                                        LsobsRun *parent);
LSOBS_AVAILABLE_IN_0_1
GInputStream *lsobs_message_wrap_response (SoupMessage *message, GInputStream *stream);
LSOBS_AVAILABLE_IN_0_1
void lsobs_message_take_response (SoupMessage *message, GBytes *bytes);
LSOBS_AVAILABLE_IN_0_1
void lsobs_message_take_error (SoupMessage *message, const GError *error);

LSOBS_AVAILABLE_IN_0_1
GInputStream *lsobs_session_send (SoupSession *session,
                                  SoupMessage *message,
                                  GCancellable *cancellable,
                                  GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_session_send_async (SoupSession *session,
                               SoupMessage *message,
                               int io_priority,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
GInputStream *lsobs_session_send_finish (GAsyncResult *result, GError **error);
LSOBS_AVAILABLE_IN_0_1
GBytes *lsobs_session_send_and_read (SoupSession *session,
                                     SoupMessage *message,
                                     GCancellable *cancellable,
                                     GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_session_send_and_read_async (SoupSession *session,
                                        SoupMessage *message,
                                        int io_priority,
                                        GCancellable *cancellable,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
GBytes *lsobs_session_send_and_read_finish (GAsyncResult *result, GError **error);

G_END_DECLS
