/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-batch.h>
#include <lsobs/lsobs-stats.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_TRANSPORT (lsobs_transport_get_type ())

/**
 * LsobsTransport:
 *
 * Takes batches away.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_INTERFACE (LsobsTransport, lsobs_transport, LSOBS, TRANSPORT, GObject)

/**
 * LsobsTransportInterface:
 * @parent_iface: the parent interface
 * @send_async: sends a batch, see lsobs_transport_send_async()
 * @send_finish: ends sending, see lsobs_transport_send_finish()
 * @get_max_records: how many records a batch may hold at present, or 0 for no
 *   limit of its own; optional
 * @get_max_bytes: how many bytes a batch may hold at present, or 0 for no limit
 *   of its own; optional
 * @close: lets go of connections; optional
 * @hurry: hears that all sending ends soon, see lsobs_transport_hurry(); optional
 * @lost: hears of a batch that is lost, see lsobs_transport_lost(); optional
 * @settle: waits for what @lost has begun, see lsobs_transport_settle(); optional
 * @takes_feedback: whether feedback may be in one batch with runs at present; without
 *   it: yes; optional
 *
 * The functions of an #LsobsTransport. All of them but @settle are called in the
 * flush thread, one at a time.
 *
 * Since: 0.1
 */
struct _LsobsTransportInterface
{
  GTypeInterface parent_iface;

  void (*send_async) (LsobsTransport *self,
                      LsobsBatch *batch,
                      GCancellable *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer user_data);
  gboolean (*send_finish) (LsobsTransport *self, GAsyncResult *result, GError **error);
  guint (*get_max_records) (LsobsTransport *self);
  gsize (*get_max_bytes) (LsobsTransport *self);
  void (*close) (LsobsTransport *self);
  void (*hurry) (LsobsTransport *self, gint64 deadline);
  void (*lost) (LsobsTransport *self, LsobsBatch *batch, LsobsDropReason reason);
  gboolean (*settle) (LsobsTransport *self, gint64 deadline);
  gboolean (*takes_feedback) (LsobsTransport *self);

  /*< private >*/
  gpointer padding[4];
};

LSOBS_AVAILABLE_IN_0_1
void lsobs_transport_send_async (LsobsTransport *self,
                                 LsobsBatch *batch,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_transport_send_finish (LsobsTransport *self, GAsyncResult *result, GError **error);
LSOBS_AVAILABLE_IN_0_1
guint lsobs_transport_get_max_records (LsobsTransport *self);
LSOBS_AVAILABLE_IN_0_1
gsize lsobs_transport_get_max_bytes (LsobsTransport *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_transport_close (LsobsTransport *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_transport_hurry (LsobsTransport *self, gint64 deadline);
LSOBS_AVAILABLE_IN_0_1
void lsobs_transport_lost (LsobsTransport *self, LsobsBatch *batch, LsobsDropReason reason);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_transport_settle (LsobsTransport *self, gint64 deadline);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_transport_takes_feedback (LsobsTransport *self);

G_END_DECLS
