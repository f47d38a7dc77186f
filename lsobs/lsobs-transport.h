/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-batch.h>
#include <lsobs/lsobs-stats.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_TRANSPORT (lsobs_transport_get_type ())

/**
 * LsobsTransport:
 *
 * Sends batches.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_INTERFACE (LsobsTransport, lsobs_transport, LSOBS, TRANSPORT, GObject)

/**
 * LsobsTransportInterface:
 * @parent_iface: the parent interface
 * @send_async: sends a batch, see lsobs_transport_send_async()
 * @send_finish: finishes @send_async, see lsobs_transport_send_finish()
 * @get_max_records: gets the maximum number of records in a batch, see
 *   lsobs_transport_get_max_records(); optional
 * @get_max_bytes: gets the maximum size of a batch, in bytes, see lsobs_transport_get_max_bytes();
 *   optional
 * @close: closes connections and files, see lsobs_transport_close(); optional
 * @set_deadline: sets the time at which all sending ends, see lsobs_transport_set_deadline();
 *   optional
 * @batch_lost: is called when a batch is lost, see lsobs_transport_batch_lost(); optional
 * @drain: waits for the work that @batch_lost has started, see lsobs_transport_drain(); optional
 * @takes_feedback: whether a batch can contain both feedback and runs, see
 *   lsobs_transport_takes_feedback(); optional
 *
 * The functions of an #LsobsTransport. The exporter calls all of them but @drain in its thread, or
 * in the thread that runs the main context of the program, and never two at the same time. In these
 * functions, call only the asynchronous functions to flush or shut down the exporter, see
 * %LSOBS_FLUSH_ERROR_WOULD_DEADLOCK. The same applies, for calls without a timeout, to a source of
 * the transport in such a context, while a batch has no answer yet.
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
