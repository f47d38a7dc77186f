/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-transport.h"

/**
 * SECTION:lsobs-transport
 * @title: LsobsTransport
 * @short_description: takes batches away
 *
 * The last stage of the pipe. #LsobsClient sends batches to the service by HTTP,
 * #LsobsMemoryTransport keeps them for the tests of a program; another
 * target is another implementation.
 *
 * The exporter calls a transport in its flush thread only (or in the context
 * that the program gave), with that context as the thread's default, and has
 * several batches under way at a time. What becomes of a batch that fails is told
 * by the error's code:
 *
 * - %LSOBS_ERROR_TOO_LARGE, %LSOBS_ERROR_REJECTED and %LSOBS_ERROR_CONFLICT: the
 *   batch is halved, and the halves are sent again, until the one record stands
 *   alone that is to blame. Alone, it is lost; with a conflict it counts as
 *   delivered; when it is too large, it is tried once more without its payloads;
 * - %LSOBS_ERROR_UNAUTHORIZED, %LSOBS_ERROR_QUOTA and %LSOBS_ERROR_NOT_FOUND: the batch
 *   is lost, and sending pauses, for a minute at first, then for longer, up to ten;
 * - %LSOBS_ERROR_LIMITED: the batch is kept, and sending pauses in the same way, but
 *   never beyond the end of the hour;
 * - %LSOBS_ERROR_REFUSED: the batch is lost;
 * - %LSOBS_ERROR_BLOCKED: the batch is halved. A record that is refused alone is kept; it
 *   is lost when it is refused again right after another batch was delivered;
 * - anything else, such as %LSOBS_ERROR_UNAVAILABLE, %LSOBS_ERROR_UNREACHABLE,
 *   %LSOBS_ERROR_REDIRECTED or %LSOBS_ERROR_FOREIGN: the batch is kept, and sent again
 *   from time to time, see #LsobsExporter. A transport makes its own retries before,
 *   except for a batch with lsobs_batch_is_probe().
 */

G_DEFINE_INTERFACE (LsobsTransport, lsobs_transport, G_TYPE_OBJECT)

static void
lsobs_transport_default_init (LsobsTransportInterface *iface)
{
}

/**
 * lsobs_transport_send_async:
 * @self: a transport
 * @batch: what to send
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the batch is sent or has failed
 * @user_data: data for @callback
 *
 * Sends a batch. @callback runs in the thread-default main context of the caller.
 *
 * Since: 0.1
 */
void
lsobs_transport_send_async (LsobsTransport *self,
                            LsobsBatch *batch,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_return_if_fail (LSOBS_IS_TRANSPORT (self));
  g_return_if_fail (batch != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  LSOBS_TRANSPORT_GET_IFACE (self)->send_async (self, batch, cancellable, callback, user_data);
}

/**
 * lsobs_transport_send_finish:
 * @self: a transport
 * @result: what the callback was given
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_transport_send_async() began. Fails with a code of
 * %LSOBS_ERROR, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if the whole batch was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_transport_send_finish (LsobsTransport *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LSOBS_IS_TRANSPORT (self), FALSE);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), FALSE);

  return LSOBS_TRANSPORT_GET_IFACE (self)->send_finish (self, result, error);
}

/**
 * lsobs_transport_get_max_records:
 * @self: a transport
 *
 * Gets how many records a batch may hold at present.
 *
 * Returns: a number of records, or 0 for no limit beside the config's
 *
 * Since: 0.1
 */
guint
lsobs_transport_get_max_records (LsobsTransport *self)
{
  LsobsTransportInterface *iface;

  g_return_val_if_fail (LSOBS_IS_TRANSPORT (self), 0);

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  return iface->get_max_records != NULL ? iface->get_max_records (self) : 0;
}

/**
 * lsobs_transport_get_max_bytes:
 * @self: a transport
 *
 * Gets how many bytes a batch may hold at present.
 *
 * Returns: a number of bytes, or 0 for no limit beside the config's
 *
 * Since: 0.1
 */
gsize
lsobs_transport_get_max_bytes (LsobsTransport *self)
{
  LsobsTransportInterface *iface;

  g_return_val_if_fail (LSOBS_IS_TRANSPORT (self), 0);

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  return iface->get_max_bytes != NULL ? iface->get_max_bytes (self) : 0;
}

/**
 * lsobs_transport_close:
 * @self: a transport
 *
 * Lets go of connections. The transport may be used again after.
 *
 * Since: 0.1
 */
void
lsobs_transport_close (LsobsTransport *self)
{
  LsobsTransportInterface *iface;

  g_return_if_fail (LSOBS_IS_TRANSPORT (self));

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  if (iface->close != NULL)
    iface->close (self);
}

/**
 * lsobs_transport_hurry:
 * @self: a transport
 * @deadline: when all sending ends, by g_get_monotonic_time()
 *
 * Tells that a shutdown has begun: what waits to be tried again should be tried
 * before @deadline, since it is lost then.
 *
 * Since: 0.1
 */
void
lsobs_transport_hurry (LsobsTransport *self, gint64 deadline)
{
  LsobsTransportInterface *iface;

  g_return_if_fail (LSOBS_IS_TRANSPORT (self));

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  if (iface->hurry != NULL)
    iface->hurry (self, deadline);
}

/**
 * lsobs_transport_lost:
 * @self: a transport
 * @batch: what is lost
 * @reason: why
 *
 * Tells that the records of @batch will not be sent any more. Each lost record is
 * told once, unless it went for want of room in the queue, or was lost before it was made
 * part of a batch: one that a shutdown finds waiting. Of the latter, as many as
 * there is time for are made into batches and told if
 * #LsobsConfig:failed-traces-dir is set.
 *
 * If #LsobsConfig:failed-traces-dir is set, an update that was sent as a whole run, because
 * the start of the run was lost, is an update again here; @batch is then a copy of the batch
 * that was sent.
 *
 * A transport that keeps them somewhere must not block here.
 *
 * Since: 0.1
 */
void
lsobs_transport_lost (LsobsTransport *self, LsobsBatch *batch, LsobsDropReason reason)
{
  LsobsTransportInterface *iface;

  g_return_if_fail (LSOBS_IS_TRANSPORT (self));
  g_return_if_fail (batch != NULL);

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  if (iface->lost != NULL)
    iface->lost (self, batch, reason);
}

/**
 * lsobs_transport_settle:
 * @self: a transport
 * @deadline: how long to wait at the most, by g_get_monotonic_time()
 *
 * Waits until what lsobs_transport_lost() has begun so far is done. May be called from
 * any thread. It is called at the end of each flush and each shutdown, which fail with
 * %LSOBS_FLUSH_ERROR_TIMEOUT when this returns %FALSE: in the thread that waits, or, for
 * an asynchronous flush, in one of GLib's. With a @deadline that has passed it must not
 * block.
 *
 * Returns: %TRUE if it is done
 *
 * Since: 0.1
 */
gboolean
lsobs_transport_settle (LsobsTransport *self, gint64 deadline)
{
  LsobsTransportInterface *iface;

  g_return_val_if_fail (LSOBS_IS_TRANSPORT (self), FALSE);

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  return iface->settle != NULL ? iface->settle (self, deadline) : TRUE;
}

/**
 * lsobs_transport_takes_feedback:
 * @self: a transport
 *
 * Gets whether feedback may be in one batch with runs at present. Otherwise each piece
 * of it is given to the transport in a batch of its own.
 *
 * Returns: %TRUE if it may
 *
 * Since: 0.1
 */
gboolean
lsobs_transport_takes_feedback (LsobsTransport *self)
{
  LsobsTransportInterface *iface;

  g_return_val_if_fail (LSOBS_IS_TRANSPORT (self), TRUE);

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  return iface->takes_feedback != NULL ? iface->takes_feedback (self) : TRUE;
}
