/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/transport/lsobs-transport-private.h"

/**
 * SECTION:lsobs-transport
 * @title: LsobsTransport
 * @short_description: takes batches away
 *
 * The last stage of the pipeline. #LsobsClient sends batches to the service by HTTP, and
 * #LsobsMemoryTransport keeps them for the tests of a program. A program can write a transport
 * of its own: the example `jsonl-transport.c` writes each record as a line of a file.
 *
 * # Threads
 *
 * The exporter calls a transport in its flush thread, or in the thread that runs the context
 * which the program gave, with this context as the thread-default one. Calls never overlap,
 * but for lsobs_transport_drain(), which may come from any thread at any time. Up to
 * #LsobsConfig:max-in-flight batches are under way at a time.
 *
 * # Completion
 *
 * A batch completes when the callback of lsobs_transport_send_async() runs. A transport may
 * complete a batch before its lsobs_transport_send_async() returns, for example because it has
 * written the batch to a file; the exporter sends the next batch later then, from the main
 * context. A batch that completes after its lsobs_transport_send_async() has returned may have
 * the exporter call lsobs_transport_send_async() for other batches, and any of the other
 * functions, from inside the callback. So a transport completes a batch as the last step: it
 * holds no lock, and its own state is in order. #GTask does both. Each batch must complete
 * exactly once.
 *
 * # Batches
 *
 * A batch and the text of its records never change. A transport may keep them for as long as it
 * holds a reference, and may use them in any thread.
 *
 * # Errors
 *
 * The code of the error that a batch fails with decides what the exporter does:
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
 * @batch: what to send
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the batch is sent or has failed
 * @user_data: data for @callback
 *
 * Sends a batch. @callback runs in the thread-default main context of the caller.
 *
 * The exporter calls this in its context, from the main loop or from inside the @callback
 * of an earlier batch; never from inside another lsobs_transport_send_async(). An implementation may call
 * @callback before it returns. When @cancellable is cancelled, it calls @callback soon: at a
 * shutdown, the exporter waits for it for only a moment.
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
 * The exporter calls this from inside the callback, in its context.
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
 * Gets how many records a batch may hold at present. #LsobsConfig:max-batch-size limits
 * batches, too.
 *
 * The exporter calls this in its context, before each batch. A batch that was made
 * earlier and is too large by now is halved.
 *
 * Returns: a number of records, or 0 for no limit of the transport's own
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
 * Gets how large a batch may be at present, as lsobs_batch_get_n_bytes() counts: the JSON text
 * of the records and the data of their attachments. A transport that adds much to that returns
 * less than it takes. #LsobsConfig:max-batch-bytes limits batches, too.
 *
 * Only for an #LsobsClient, both limits count the body of the HTTP request before its
 * compression.
 *
 * The exporter calls this in its context, before each batch. A batch that was made
 * earlier and is too large by now is halved.
 *
 * Returns: a number of bytes, or 0 for no limit of the transport's own
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
 * Closes connections and files. The transport may be used again after.
 *
 * The exporter calls this in its context, once, at the end of its shutdown. Batches that did not
 * complete in time may still be under way.
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
 * @deadline: when all sending ends, by g_get_monotonic_time()
 *
 * Says that a shutdown has begun: all batches that do not complete before @deadline are lost.
 * A transport that waits before it tries a batch again should try it before @deadline.
 *
 * The exporter calls this in its context, at most once.
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
 * @batch: what is lost
 * @reason: why
 *
 * Says that the exporter does not send the records of @batch any more. Each lost record is
 * reported once, unless the queue had no room for it, or it was lost before it became part of
 * a batch: one that a shutdown finds waiting. Of the latter, as many as there is time for
 * are made into batches and reported if #LsobsConfig:failed-traces-dir or #LsobsConfig:spool-dir is
 * set. An #LsobsClient is not told of what goes to the spool.
 *
 * If #LsobsConfig:failed-traces-dir is set, an update that was sent as a whole run, because
 * the start of the run was lost, is an update again here; @batch is then a copy of the batch
 * that was sent.
 *
 * The exporter calls this in its context. An implementation must not block: it begins to keep
 * the records somewhere, and lsobs_transport_drain() waits until that is done. It must not
 * complete other batches from here.
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
 * @deadline: how long to wait, by g_get_monotonic_time()
 *
 * Waits until all work that lsobs_transport_batch_lost() has begun so far is done, or until
 * @deadline.
 *
 * Called from any thread, by several at a time: at the end of each flush and each
 * shutdown, in the thread that waits for it, or, for an asynchronous flush, in one of lsobs.
 * These fail with %LSOBS_FLUSH_ERROR_TIMEOUT when this returns %FALSE. With a @deadline
 * that has passed it must not block.
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
 * Gets whether feedback may be in one batch with runs at present. Otherwise, each piece
 * of feedback comes in a batch of its own.
 *
 * The exporter calls this in its context.
 *
 * Returns: %TRUE if it may, and for a transport that does not say
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
