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
 * @get_max_records: gets how many records a batch may hold, see
 *   lsobs_transport_get_max_records(); optional
 * @get_max_bytes: gets how large a batch may be, see lsobs_transport_get_max_bytes();
 *   optional
 * @close: closes connections and files, see lsobs_transport_close(); optional
 * @set_deadline: sets the end of all sending, see lsobs_transport_set_deadline(); optional
 * @batch_lost: hears that a batch is lost, see lsobs_transport_batch_lost(); optional
 * @drain: waits for the work that @batch_lost has begun, see lsobs_transport_drain();
 *   optional
 * @takes_feedback: whether feedback may be in one batch with runs, see
 *   lsobs_transport_takes_feedback(); optional
 *
 * The functions of an #LsobsTransport. The exporter calls all of them but @drain in its
 * flush thread, or in the thread that runs the context which the program gave; never two at
 * a time. They cannot flush or shut down the exporter but asynchronously, see
 * %LSOBS_FLUSH_ERROR_WOULD_DEADLOCK; nor can, without a limit of time, a source of the
 * transport in such a context before it has answered a batch.
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
  void (*set_deadline) (LsobsTransport *self, gint64 deadline);
  void (*batch_lost) (LsobsTransport *self, LsobsBatch *batch, LsobsDropReason reason);
  gboolean (*drain) (LsobsTransport *self, gint64 deadline);
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
void lsobs_transport_set_deadline (LsobsTransport *self, gint64 deadline);
LSOBS_AVAILABLE_IN_0_1
void lsobs_transport_batch_lost (LsobsTransport *self, LsobsBatch *batch, LsobsDropReason reason);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_transport_drain (LsobsTransport *self, gint64 deadline);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_transport_takes_feedback (LsobsTransport *self);

G_END_DECLS
