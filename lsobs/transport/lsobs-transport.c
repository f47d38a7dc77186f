/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/transport/lsobs-transport-private.h"

/**
 * SECTION:lsobs-transport
 * @title: LsobsTransport
 * @short_description: sends batches
 *
 * A transport sends the batches of an exporter. #LsobsClient sends them to the service by HTTP, and
 * #LsobsMemoryTransport keeps them in memory for tests. A program can implement its own transport:
 * the example `jsonl-transport.c` writes each record as a line of a file.
 *
 * # Threads
 *
 * The exporter calls a transport in its thread, or in the thread that runs
 * #LsobsExporter:main-context, with this context as the thread-default main context. It never makes
 * two calls at the same time, except lsobs_transport_drain(), which any thread can call at any
 * time. At most #LsobsConfig:max-in-flight batches are sent at the same time.
 *
 * # Completion
 *
 * A batch completes when the callback of lsobs_transport_send_async() runs. Each batch must
 * complete exactly once. A transport may complete a batch before its lsobs_transport_send_async()
 * returns, for example because it has written the batch to a file; the exporter then sends the next
 * batch later, from the main context. If a batch completes later, the exporter may call
 * lsobs_transport_send_async() for other batches, and all other functions, inside the callback. So
 * complete a batch as the last step, without a lock, when the state of the transport is consistent.
 * #GTask does this.
 *
 * # Batches
 *
 * A batch and the text of its records are immutable. A transport can hold references to them, and
 * can use them in any thread.
 *
 * # Errors
 *
 * If a batch fails, the code of the error decides what the exporter does:
 *
 * - %LSOBS_ERROR_TOO_LARGE, %LSOBS_ERROR_REJECTED and %LSOBS_ERROR_CONFLICT: the batch is halved,
 *   and the halves are sent again, until only the record that fails is left. That record is lost.
 *   With a conflict, it counts as delivered. If it is too large, it is tried once more without its
 *   payloads;
 * - %LSOBS_ERROR_UNAUTHORIZED, %LSOBS_ERROR_QUOTA and %LSOBS_ERROR_NOT_FOUND: the batch is lost,
 *   and sending is paused, for one minute at first, then for longer, up to ten minutes;
 * - %LSOBS_ERROR_LIMITED: the batch is kept, and sending is paused in the same way, but not beyond
 *   the end of the hour;
 * - %LSOBS_ERROR_REFUSED: the batch is lost;
 * - %LSOBS_ERROR_BLOCKED: the batch is halved. A single record that is refused is kept. It is lost
 *   if it is refused again right after another batch was delivered;
 * - any other code, such as %LSOBS_ERROR_UNAVAILABLE, %LSOBS_ERROR_UNREACHABLE,
 *   %LSOBS_ERROR_REDIRECTED or %LSOBS_ERROR_FOREIGN: the batch is kept, and sent again later, see
 *   #LsobsExporter. Before it fails, a transport makes its own retries, except for a batch with
 *   lsobs_batch_is_probe().
 */

G_DEFINE_INTERFACE (LsobsTransport, lsobs_transport, G_TYPE_OBJECT)

static void
lsobs_transport_default_init (LsobsTransportInterface *iface)
{
}

/* --- what only transports of lsobs do --- */

static char *
default_dup_problem (LsobsTransport *self G_GNUC_UNUSED)
{
  return NULL;
}

static gboolean
default_claim (LsobsTransport *self, LsobsCounters *counters)
{
  return TRUE;
}

static void
default_set_waker (LsobsTransport *self, GSource *waker)
{
}

/* The address of a transport of the program is not known here. */
static gboolean
default_is_remote (LsobsTransport *self)
{
  return FALSE;
}

static gint64
default_get_not_before (LsobsTransport *self)
{
  return 0;
}

static gsize
default_measure_record (LsobsEncoded *encoded)
{
  return _lsobs_encoded_get_size (encoded);
}

static gsize
default_measure_records (GPtrArray *records)
{
  gsize size = 0;

  for (guint i = 0; i < records->len; i++)
    size += _lsobs_encoded_get_size (g_ptr_array_index (records, i));
  return size;
}

static gsize
default_measure_end (void)
{
  return 0;
}

static gboolean
default_is_known (LsobsTransport *self)
{
  return TRUE;
}

static void
default_await_known (LsobsTransport *self)
{
}

static gboolean
default_needs_project_id (LsobsTransport *self)
{
  return FALSE;
}

static gboolean
default_peek_project_id (LsobsTransport *self, const char *name, LsobsId *id)
{
  return FALSE;
}

static LsobsProjectIdState
default_ask_project_id (LsobsTransport *self, const char *name)
{
  return LSOBS_PROJECT_ID_UNTOLD;
}

static void
default_ask_again (LsobsTransport *self, guint min_failures)
{
}

static guint
default_take_news (LsobsTransport *self, gboolean *answered, GError **error)
{
  *answered = FALSE;
  return 0;
}

static gboolean
default_uses_descriptors (LsobsTransport *self G_GNUC_UNUSED)
{
  return FALSE;
}

static gboolean
default_may_move (LsobsTransport *self G_GNUC_UNUSED)
{
  return FALSE;
}

static void
default_leave (LsobsTransport *self G_GNUC_UNUSED)
{
}

static gboolean
default_is_quiet (LsobsTransport *self G_GNUC_UNUSED, gboolean gives_up G_GNUC_UNUSED)
{
  return TRUE;
}

static gboolean
default_may_spool (LsobsTransport *self G_GNUC_UNUSED)
{
  return FALSE;
}

static gboolean
default_await_spool (LsobsTransport *self G_GNUC_UNUSED, gint64 deadline G_GNUC_UNUSED)
{
  return TRUE;
}

static gboolean
default_spool (LsobsTransport *self G_GNUC_UNUSED,
               LsobsBatch *batch G_GNUC_UNUSED,
               LsobsSpooledFunc func G_GNUC_UNUSED,
               gpointer data G_GNUC_UNUSED)
{
  return FALSE;
}

static gboolean
default_begin_drain (LsobsTransport *self G_GNUC_UNUSED,
                     LsobsDrainedFunc func G_GNUC_UNUSED,
                     gpointer data G_GNUC_UNUSED)
{
  return FALSE;
}

static void
default_end_drain (LsobsTransport *self G_GNUC_UNUSED, gint64 deadline G_GNUC_UNUSED)
{
}

static const LsobsTransportVTable default_vtable = {
  .claim = default_claim,
  .dup_problem = default_dup_problem,
  .set_waker = default_set_waker,
  .uses_descriptors = default_uses_descriptors,
  .may_move = default_may_move,
  .leave = default_leave,
  .is_quiet = default_is_quiet,
  .is_remote = default_is_remote,
  .get_not_before = default_get_not_before,
  .measure_record = default_measure_record,
  .measure_records = default_measure_records,
  .measure_end = default_measure_end,
  .is_known = default_is_known,
  .await_known = default_await_known,
  .needs_project_id = default_needs_project_id,
  .peek_project_id = default_peek_project_id,
  .ask_project_id = default_ask_project_id,
  .ask_again = default_ask_again,
  .take_news = default_take_news,
  .may_spool = default_may_spool,
  .await_spool = default_await_spool,
  .spool = default_spool,
  .begin_drain = default_begin_drain,
  .end_drain = default_end_drain,
};

/* clang-format off */
static G_DEFINE_QUARK (lsobs-transport-vtable, vtable)

/* Called once, when the class is made.
 * @type: a final type that implements #LsobsTransport
 * @vtable: static; has every function */
void
_lsobs_transport_set_vtable (GType type, const LsobsTransportVTable *vtable)
/* clang-format on */
{
  g_type_set_qdata (type, vtable_quark (), (gpointer) vtable);
}

/* Called from any thread.
 * Returns: (transfer none): never %NULL */
const LsobsTransportVTable *
_lsobs_transport_peek_vtable (LsobsTransport *self)
{
  const LsobsTransportVTable *vtable = g_type_get_qdata (G_OBJECT_TYPE (self), vtable_quark ());

  return vtable != NULL ? vtable : &default_vtable;
}

/* --- the interface --- */

/**
 * lsobs_transport_send_async:
 * @self: a transport
 * @batch: the batch to send
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the batch was sent, or has failed
 * @user_data: data for @callback
 *
 * Sends a batch. @callback runs in the thread-default main context of the caller.
 *
 * The exporter calls this function in its context, from the main loop or inside the @callback of an
 * earlier batch, but never inside another lsobs_transport_send_async(). An implementation may call
 * @callback before it returns. If @cancellable is cancelled, it must call @callback soon: in a
 * shutdown, the exporter waits for it only for a moment.
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
 * @result: the result that @callback of lsobs_transport_send_async() was called with
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_transport_send_async(). Fails with a code of %LSOBS_ERROR, or with
 * %G_IO_ERROR_CANCELLED.
 *
 * The exporter calls this function inside the callback, in its context.
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
 * Gets the maximum number of records in a batch at the moment. #LsobsConfig:max-batch-size also
 * limits batches.
 *
 * The exporter calls this function in its context, before each batch. If a batch was made earlier
 * and is too large, it is halved.
 *
 * Returns: the number of records, or 0 if the transport has no limit
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
 * Gets the maximum size of a batch at the moment, as returned by lsobs_batch_get_n_bytes(): the
 * JSON text of the records and the data of their attachments. A transport that adds much data
 * returns less than it can send. #LsobsConfig:max-batch-bytes also limits batches.
 *
 * For an #LsobsClient, both limits apply to the body of the HTTP request before compression.
 *
 * The exporter calls this function in its context, before each batch. If a batch was made earlier
 * and is too large, it is halved.
 *
 * Returns: the number of bytes, or 0 if the transport has no limit
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
 * Closes connections and files. The transport can be used again afterwards.
 *
 * The exporter calls this function in its context, once, at the end of its shutdown. Batches that
 * did not complete before the timeout may not have completed then.
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
 * lsobs_transport_set_deadline:
 * @self: a transport
 * @deadline: the end of all sending, in µs, as of g_get_monotonic_time()
 *
 * Reports that a shutdown has started: all batches that do not complete before @deadline are lost.
 * If a transport delays the next attempt for a batch, it should make the attempt before @deadline.
 *
 * The exporter calls this function in its context, at most once.
 *
 * Since: 0.1
 */
void
lsobs_transport_set_deadline (LsobsTransport *self, gint64 deadline)
{
  LsobsTransportInterface *iface;

  g_return_if_fail (LSOBS_IS_TRANSPORT (self));

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  if (iface->set_deadline != NULL)
    iface->set_deadline (self, deadline);
}

/**
 * lsobs_transport_batch_lost:
 * @self: a transport
 * @batch: the batch that is lost
 * @reason: why it is lost
 *
 * Reports that the exporter does not send the records of @batch again. Each lost record is reported
 * once, except if the queue was full, or if the record was lost before it was in a batch, as in a
 * shutdown. If #LsobsConfig:failed-traces-dir or #LsobsConfig:spool-dir is set, a shutdown makes
 * batches of such records and reports them, as long as there is time. Records that go to the spool
 * are not reported to an #LsobsClient.
 *
 * An update is sent as a complete run if the start of the run was lost. If
 * #LsobsConfig:failed-traces-dir is set, the record is an update again here; @batch is then a copy
 * of the batch that was sent.
 *
 * The exporter calls this function in its context. An implementation must not block: it starts to
 * store the records, and lsobs_transport_drain() waits for that. It must not complete other batches
 * in this function.
 *
 * Since: 0.1
 */
void
lsobs_transport_batch_lost (LsobsTransport *self, LsobsBatch *batch, LsobsDropReason reason)
{
  LsobsTransportInterface *iface;

  g_return_if_fail (LSOBS_IS_TRANSPORT (self));
  g_return_if_fail (batch != NULL);

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  if (iface->batch_lost != NULL)
    iface->batch_lost (self, batch, reason);
}

/**
 * lsobs_transport_drain:
 * @self: a transport
 * @deadline: the end of the wait, in µs, as of g_get_monotonic_time()
 *
 * Waits until all work that lsobs_transport_batch_lost() has started is done, or until @deadline.
 *
 * Any thread can call this function, several at the same time. It is called at the end of each
 * flush and each shutdown, in the thread that waits or, for an asynchronous flush, in a thread of
 * lsobs. If it returns %FALSE, the flush or shutdown fails with %LSOBS_FLUSH_ERROR_TIMEOUT. It must
 * not block if @deadline has passed.
 *
 * Returns: %TRUE if all work is done
 *
 * Since: 0.1
 */
gboolean
lsobs_transport_drain (LsobsTransport *self, gint64 deadline)
{
  LsobsTransportInterface *iface;

  g_return_val_if_fail (LSOBS_IS_TRANSPORT (self), FALSE);

  iface = LSOBS_TRANSPORT_GET_IFACE (self);
  return iface->drain != NULL ? iface->drain (self, deadline) : TRUE;
}

/**
 * lsobs_transport_takes_feedback:
 * @self: a transport
 *
 * Checks whether a batch can contain both feedback and runs at the moment. Otherwise, the exporter
 * sends each feedback in its own batch.
 *
 * The exporter calls this function in its context.
 *
 * Returns: %TRUE if it can, or if the transport does not implement the function
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
