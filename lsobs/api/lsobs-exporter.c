/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/api/lsobs-exporter-private.h"
#include "lsobs/core/lsobs-exit-watch-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/pipeline/lsobs-dispatcher-list-private.h"
#include "lsobs/core/lsobs-signal-watch-private.h"

/**
 * SECTION:lsobs-exporter
 * @title: LsobsExporter
 * @short_description: queues records and sends them in batches
 *
 * Sends the runs of an #LsobsObserver. An exporter has a bounded queue of records. A thread takes
 * batches of records from the queue, and an #LsobsTransport sends them. Most programs use only the
 * observer. A program that reports runs by their ids, as #LsobsRunEvent, uses the exporter.
 *
 * When the queue is full, a new record drops the oldest one. The program is not blocked, and gets
 * no error. lsobs_exporter_dup_stats() counts each record, and whether it was delivered or lost.
 *
 * While the service is away, the exporter keeps each batch whose attempts are used up. The state is
 * %LSOBS_STATE_PAUSED. To find out whether the service is back, the exporter sends one batch at a
 * time as a probe: after one second, then after two, and so on, up to one minute. Half of each
 * delay is random. lsobs_exporter_flush() sends a probe at once, and fails with the error of the
 * probe if that fails. A shutdown makes one last attempt. Kept records still count as queued: when
 * the queue is full, its oldest record is dropped. After the first attempt, a record does not
 * change: the end of its run is sent as an update. A probe is alternately a batch that was tried
 * before and one that was not, so that a batch that always fails does not delay the others. If a
 * batch fails three times while other batches succeed, the exporter sends its halves separately,
 * until only the record that fails is left; that record is lost. If the service is on another
 * machine, a change of the network can start the next probe earlier.
 *
 * If there is a spool, see #LsobsConfig:spool-dir, it gets the records that wait too long for the
 * service, the records that a full queue or a shutdown would lose, and the records that are refused
 * for a temporary reason. The exporter sends the spool when it is made, and when the service is
 * back.
 *
 * The same applies while the process has no file descriptor or no thread left. The exporter needs
 * them only from the first record on, tries again with later records, and keeps the records that
 * fit in the queue. Records that are still in the queue at the shutdown are lost, and counted by
 * %LSOBS_DROP_REASON_SHUTDOWN.
 *
 * With lsobs_config_add_replica(), an exporter sends to several services or projects. Each of them
 * has its own queue, thread and counters, so that none waits for another.
 *
 * All functions can be called from any thread.
 *
 * The last unref does not wait: lsobs still sends the records in the queue for
 * #LsobsConfig:shutdown-timeout. At the end of the program, it does so for at most
 * #LsobsConfig:exit-timeout. lsobs_exporter_shutdown() waits, and tells what was lost.
 *
 * A child process of fork() starts with an empty queue. It counts the records in the queue of its
 * parent as lost by %LSOBS_DROP_REASON_FORK; the parent sends them. No thread holds a lock of lsobs
 * during a fork. But other threads of the program can hold locks of GLib at that moment. The child
 * may then be unable to send; its calls still return within their timeouts.
 */

struct _LsobsExporter
{
  GObject parent_instance;

  LsobsExporterValues values;  /* its transport is the first destination's once initialised */
  LsobsSettings *settings;     /* (owned) the first destination's */
  LsobsCounters *counters;     /* (owned) for what concerns no single destination */
  GPtrArray *destinations;     /* (owned) (element-type LsobsDestination) at least one */
  LsobsNotifier *notifier;     /* (owned) (nullable) set once, before the first record */
  LsobsLineage *lineage;       /* (owned) of its observer; set once, before the first record */
  LsobsDispatcher *dispatcher; /* (owned) (atomic) of the process that used it last */
  int n_holders;               /* (atomic) see _lsobs_exporter_hold() */
  guint renewed_in;            /* (atomic) the epoch of the last child that renewed it, or 0 */
};

static GParamSpec *props[LSOBS_EXPORTER_N_PROPS] = { NULL };

static void lsobs_exporter_initable_init (GInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsExporter,
                               lsobs_exporter,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE,
                                                      lsobs_exporter_initable_init))

/* Makes the common properties.
 * @specs: (out caller-allocates): room for LSOBS_EXPORTER_N_PROPS of them
 * @transport_access: whether the transport can be read, too */
void
_lsobs_exporter_values_install (GParamSpec **specs, GParamFlags transport_access)
{
  const GParamFlags flags = G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  specs[LSOBS_EXPORTER_PROP_CONFIG] =
      g_param_spec_object ("config", "", "", LSOBS_TYPE_CONFIG, G_PARAM_WRITABLE | flags);
  specs[LSOBS_EXPORTER_PROP_TRANSPORT] =
      g_param_spec_object ("transport", "", "", LSOBS_TYPE_TRANSPORT, transport_access | flags);
  specs[LSOBS_EXPORTER_PROP_MAIN_CONTEXT] =
      g_param_spec_boxed ("main-context", "", "", G_TYPE_MAIN_CONTEXT, G_PARAM_READWRITE | flags);
}

/* Returns: %FALSE if @prop_id is not a common property */
gboolean
_lsobs_exporter_values_set (LsobsExporterValues *self, guint prop_id, const GValue *value)
{
  switch (prop_id)
    {
    case LSOBS_EXPORTER_PROP_CONFIG:
      self->config = g_value_dup_object (value);
      return TRUE;
    case LSOBS_EXPORTER_PROP_TRANSPORT:
      self->transport = g_value_dup_object (value);
      return TRUE;
    case LSOBS_EXPORTER_PROP_MAIN_CONTEXT:
      self->context = g_value_dup_boxed (value);
      return TRUE;
    default:
      return FALSE;
    }
}

void
_lsobs_exporter_values_clear (LsobsExporterValues *self)
{
  g_clear_object (&self->config);
  g_clear_object (&self->transport);
  g_clear_pointer (&self->context, g_main_context_unref);
}

static LsobsDispatcher *
new_dispatcher (LsobsExporter *self)
{
  LsobsDispatcher *dispatcher;

  _lsobs_signal_watch_renew ();
  /* With tracing off, nothing ever runs in the context: do not keep it. */
  dispatcher =
      _lsobs_dispatcher_new (self->destinations, self->counters,
                             self->settings->values.tracing_enabled ? self->values.context : NULL,
                             self->notifier);
  _lsobs_dispatcher_list_add (dispatcher);
  return dispatcher;
}

/* Prepares the objects that a child process keeps after a fork(). Runs in one thread, before
 * another thread uses the new dispatcher. */
static void
renew (LsobsExporter *self)
{
  for (guint i = 0; i < self->destinations->len; i++)
    _lsobs_destination_write_off_fork (g_ptr_array_index (self->destinations, i));
  if (self->notifier != NULL)
    _lsobs_notifier_renew (self->notifier);
  if (self->settings->redact_hook != NULL)
    _lsobs_redact_hook_renew (self->settings->redact_hook);
}

/* Returns: (transfer full) (element-type LsobsDispatcher): its own, and those that its observer has
 *   replaced and that may still send */
static GPtrArray *
dup_dispatchers (LsobsExporter *self)
{
  return _lsobs_lineage_dup_dispatchers (self->lineage, _lsobs_exporter_get_dispatcher (self));
}

/* Ends an exporter whose last reference goes. */
static void
end (LsobsExporter *self)
{
  _lsobs_dispatcher_end (_lsobs_exporter_get_dispatcher (self),
                         self->settings->values.shutdown_timeout);
}

/* Ends all that an observer has used, one after the other. */
void
_lsobs_exporter_end_lineage (LsobsExporter *self)
{
  g_autoptr (GPtrArray) dispatchers = dup_dispatchers (self);

  for (guint i = 0; i < dispatchers->len; i++)
    _lsobs_dispatcher_end (g_ptr_array_index (dispatchers, i),
                           _lsobs_dispatcher_get_shutdown_timeout (
                               g_ptr_array_index (dispatchers, i)));
}

LsobsLineage *
_lsobs_exporter_peek_lineage (LsobsExporter *self)
{
  return self->lineage;
}

/* Becomes the successor of another exporter. Must be called before the first record. */
void
_lsobs_exporter_join_lineage (LsobsExporter *self, LsobsLineage *lineage)
{
  _lsobs_lineage_unref (self->lineage);
  self->lineage = _lsobs_lineage_ref (lineage);
}

/* A reference that costs less than one of GObject's: all holders of an exporter share one of those,
 * which the first holder adds, and the last one drops. The caller has a reference, or is a holder, or
 * knows that another one stays meanwhile.
 *
 * The reference is added before the number becomes 1, and dropped after it has become 0: as long as there
 * are holders, there is a reference, in a forked child, too. There, holders in threads that do not exist
 * stay, as their references would.
 * Returns: @self, for _lsobs_exporter_release() */
LsobsExporter *
_lsobs_exporter_hold (LsobsExporter *self)
{
  int n = g_atomic_int_get (&self->n_holders);

  while (G_LIKELY (n > 0))
    {
      if (G_LIKELY (g_atomic_int_compare_and_exchange (&self->n_holders, n, n + 1)))
        return self;
      n = g_atomic_int_get (&self->n_holders);
    }
  g_object_ref (self);
  /* Another thread may have become the first holder meanwhile. */
  if (g_atomic_int_add (&self->n_holders, 1) > 0)
    g_object_unref (self);
  return self;
}

void
_lsobs_exporter_release (LsobsExporter *self)
{
  if (g_atomic_int_dec_and_test (&self->n_holders))
    g_object_unref (self);
}

LsobsSettings *
_lsobs_exporter_peek_settings (LsobsExporter *self)
{
  return self->settings;
}

/* Returns: (transfer none) (element-type LsobsDestination) */
GPtrArray *
_lsobs_exporter_peek_destinations (LsobsExporter *self)
{
  return self->destinations;
}

LsobsCounters *
_lsobs_exporter_peek_counters (LsobsExporter *self)
{
  return self->counters;
}

/* @old: the dispatcher of a parent process
 * Returns: (transfer none): that of this process */
static LsobsDispatcher *
renew_dispatcher (LsobsExporter *self, LsobsDispatcher *old)
{
  LsobsDispatcher *dispatcher;
  guint epoch = _lsobs_fork_epoch ();
  guint renewed_in;

  /* The parent's dispatcher is never freed: threads that do not exist here may hold its locks.
   * One thread renews the exporter, the others wait for it. */
  renewed_in = (guint) g_atomic_int_get (&self->renewed_in);
  if (renewed_in != epoch &&
      g_atomic_int_compare_and_exchange ((int *) &self->renewed_in, (int) renewed_in, (int) epoch))
    {
      renew (self);
      dispatcher = new_dispatcher (self);
      if (_lsobs_dispatcher_is_shut_down (old))
        _lsobs_dispatcher_stop (dispatcher, 0);
      g_atomic_pointer_set (&self->dispatcher, dispatcher);
      return dispatcher;
    }
  while (_lsobs_dispatcher_is_forked (dispatcher = g_atomic_pointer_get (&self->dispatcher)))
    g_thread_yield ();
  return dispatcher;
}

/* Returns: (transfer none): the dispatcher of this process; a forked child makes its own with
 *   the first call */
LsobsDispatcher *
_lsobs_exporter_get_dispatcher (LsobsExporter *self)
{
  LsobsDispatcher *dispatcher = g_atomic_pointer_get (&self->dispatcher);

  if (G_UNLIKELY (_lsobs_dispatcher_is_forked (dispatcher)))
    return renew_dispatcher (self, dispatcher);
  return dispatcher;
}

/* Must be called before the first record. */
void
_lsobs_exporter_set_notifier (LsobsExporter *self, LsobsNotifier *notifier)
{
  g_assert (self->notifier == NULL);

  self->notifier = _lsobs_notifier_ref (notifier);
  _lsobs_dispatcher_set_notifier (_lsobs_exporter_get_dispatcher (self), notifier);
}

/**
 * lsobs_exporter_enqueue:
 * @self: an exporter
 * @event: the start or the update of a run
 * @error: return location for a #GError, or %NULL
 *
 * Puts the start or the update of a run, which is identified by its id, into the queue. The
 * exporter finds the trace of the run by the id of its parent, if it knows the parent; otherwise,
 * call lsobs_run_event_set_trace() first. An update of a run that was never started is sent as a
 * complete run.
 *
 * Fails with %LSOBS_ERROR_INVALID_RUN if an id is not a UUID, if the path of the run breaks the
 * rules of the protocol, or if the run has started already.
 *
 * Returns: %TRUE if the event is accepted
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_enqueue (LsobsExporter *self, LsobsRunEvent *event, GError **error)
{
  g_autoptr (LsobsExporter) reference = NULL;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (self->dispatcher != NULL, FALSE);
  g_return_val_if_fail (event != NULL, FALSE);

  /* A sampler may drop the last other reference. */
  reference = g_object_ref (self);
  return _lsobs_dispatcher_import_event (_lsobs_exporter_get_dispatcher (self), event, error);
}

/**
 * lsobs_exporter_add_feedback:
 * @self: an exporter
 * @feedback: the feedback; the exporter copies it
 * @error: return location for a #GError, or %NULL
 *
 * Puts feedback to a run into the queue. The exporter does not need to know the run. If the
 * exporter has not delivered the start of the run yet, it sends the feedback after the start.
 *
 * Fails with %LSOBS_ERROR_INVALID_FEEDBACK if the service would refuse it: an id is not a UUID; the
 * key is empty or longer than 180 characters; the score is not a finite number; the value is an
 * array; the correction is neither an object nor a string; or the config is not as
 * lsobs_feedback_set_config() requires.
 *
 * Returns: %TRUE if the feedback is accepted, or if the sampler has left its trace out
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_add_feedback (LsobsExporter *self, LsobsFeedback *feedback, GError **error)
{
  g_autoptr (LsobsExporter) reference = NULL;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (self->dispatcher != NULL, FALSE);
  g_return_val_if_fail (feedback != NULL, FALSE);

  /* As for an event. */
  reference = g_object_ref (self);
  return _lsobs_dispatcher_import_feedback (_lsobs_exporter_get_dispatcher (self), feedback,
                                            G_OBJECT (self), error);
}

/**
 * lsobs_exporter_flush:
 * @self: an exporter
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @stats: (out caller-allocates) (optional): return location for the numbers of records; it is
 *   always set
 * @error: return location for a #GError, or %NULL
 *
 * Sends the records that are in the queue, and waits until each of them is delivered or lost. If
 * the queue is empty, it returns immediately. With replicas, all of them are flushed at the same
 * time, within one @timeout; @stats has the sums, and the error is the worst one.
 *
 * Fails with %LSOBS_FLUSH_ERROR_TIMEOUT if not all records are delivered within @timeout: none of
 * them is lost, and lsobs continues to send them. Fails with %LSOBS_FLUSH_ERROR_PERMANENT if
 * records were tried and lost, or if sending is paused. If it is paused because the service is
 * away, the flush sends one batch as a probe, and continues if the probe is delivered. With
 * #LsobsConfig:failed-traces-dir, the files of lost batches exist before this function returns; if
 * they cannot be written within @timeout, it fails with %LSOBS_FLUSH_ERROR_TIMEOUT. Records that
 * were dropped because the queue was full are in @stats, but cause no error. Fails with
 * %LSOBS_FLUSH_ERROR_SPOOLED if no record is lost, but some records are in #LsobsConfig:spool-dir,
 * and are sent later. Fails with %LSOBS_FLUSH_ERROR_WOULD_DEADLOCK, and does nothing, in a
 * redaction function, in a function of the transport, and in each thread of lsobs: call
 * lsobs_exporter_flush_async() there.
 *
 * Needs no main loop. If #LsobsExporter:main-context is set, this function runs that context while
 * it waits, if this thread ran it last, or if no thread has run it yet. Only the thread that made
 * the exporter runs the global default main context. In all other threads, this function only
 * waits.
 *
 * Returns: %TRUE if all records were delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_flush (LsobsExporter *self, gint64 timeout, LsobsFlushStats *stats, GError **error)
{
  g_autoptr (LsobsExporter) reference = NULL;
  g_autoptr (GPtrArray) dispatchers = NULL;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (self->dispatcher != NULL, FALSE);

  /* A function of the program that runs meanwhile may drop the last other reference. */
  reference = g_object_ref (self);
  dispatchers = dup_dispatchers (self);
  return _lsobs_dispatcher_flush (dispatchers, timeout, stats, error);
}

/**
 * lsobs_exporter_flush_async:
 * @self: an exporter
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the flush ends
 * @user_data: data for @callback
 *
 * Does what lsobs_exporter_flush() does, but does not block. @callback runs in the thread-default
 * main context of the caller. A cancellation ends the wait, but not the sending.
 *
 * Since: 0.1
 */
void
lsobs_exporter_flush_async (LsobsExporter *self,
                            gint64 timeout,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  g_autoptr (GPtrArray) dispatchers = NULL;

  g_return_if_fail (LSOBS_IS_EXPORTER (self));
  g_return_if_fail (self->dispatcher != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_exporter_flush_async);
  dispatchers = dup_dispatchers (self);
  _lsobs_dispatcher_flush_task (dispatchers, timeout, task);
}

/**
 * lsobs_exporter_flush_finish:
 * @self: an exporter
 * @result: the result that @callback of lsobs_exporter_flush_async() was called with
 * @stats: (out caller-allocates) (optional): return location for the numbers of records
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_exporter_flush_async(). Fails as lsobs_exporter_flush() does, or with
 * %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if all records were delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_flush_finish (LsobsExporter *self,
                             GAsyncResult *result,
                             LsobsFlushStats *stats,
                             GError **error)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_exporter_flush_async), FALSE);

  if (stats != NULL)
    *stats = *_lsobs_dispatcher_peek_task_stats (G_TASK (result));
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * lsobs_exporter_shutdown:
 * @self: an exporter
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @stats: (out caller-allocates) (optional): return location for the numbers of records
 * @error: return location for a #GError, or %NULL
 *
 * Sends the records that are in the queue, waits for them, and ends the thread. A batch whose next
 * attempt would be after the end of @timeout is tried once more, at half of the remaining time.
 * While the service is away, one batch is tried; if it is delivered, the rest is sent. Records that
 * are not delivered within @timeout are lost, and counted by %LSOBS_DROP_REASON_SHUTDOWN. So are
 * records that the program adds later, and a record that is in a redaction function at the end of
 * @timeout. With #LsobsConfig:failed-traces-dir, the last quarter of @timeout, at most 1000
 * milliseconds, is reserved for writing files. The files exist before this function returns;
 * otherwise it fails with %LSOBS_FLUSH_ERROR_TIMEOUT. A second call only waits for the first
 * shutdown.
 *
 * Fails with %LSOBS_FLUSH_ERROR_PERMANENT or %LSOBS_FLUSH_ERROR_TIMEOUT if some records were lost.
 * Fails with %LSOBS_FLUSH_ERROR_WOULD_DEADLOCK, and does nothing, where lsobs_exporter_flush()
 * does: call lsobs_exporter_shutdown_async() there.
 *
 * Returns: %TRUE if all records were delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_shutdown (LsobsExporter *self,
                         gint64 timeout,
                         LsobsFlushStats *stats,
                         GError **error)
{
  g_autoptr (LsobsExporter) reference = NULL;
  g_autoptr (GPtrArray) dispatchers = NULL;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (self->dispatcher != NULL, FALSE);

  /* As in a flush. */
  reference = g_object_ref (self);
  dispatchers = dup_dispatchers (self);
  return _lsobs_dispatcher_shut_down (dispatchers, timeout, stats, error);
}

typedef struct
{
  LsobsExporter *exporter; /* (unowned): the task of the caller has it */
  gint64 timeout;
  LsobsFlushStats stats;
  gboolean returned;  /* the task of the caller has returned */
  GSource *cancelled; /* (owned) (nullable) of that task */
} ShutdownData;

static void
shutdown_data_free (gpointer user_data)
{
  ShutdownData *data = user_data;

  g_clear_pointer (&data->cancelled, g_source_unref);
  g_free (data);
}

/* A GTaskThreadFunc; with tracing off it is called directly, as it does not block then. The thread does
 * what a thread of the program may do: no fork waits for it. */
static void
shutdown_in_thread (GTask *task,
                    gpointer source_object,
                    gpointer task_data,
                    GCancellable *cancellable)
{
  ShutdownData *data = task_data;
  GError *error = NULL;
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  gboolean done = lsobs_exporter_shutdown (data->exporter, data->timeout, &data->stats, &error);

  _lsobs_fork_guard_close (guard);
  if (done)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* Called in the context of the task. The wait of its caller ends. */
static gboolean
shutdown_cancelled_cb (GCancellable *cancellable G_GNUC_UNUSED, gpointer user_data)
{
  ShutdownData *data = g_task_get_task_data (G_TASK (user_data));

  if (!data->returned)
    g_task_return_error_if_cancelled (G_TASK (user_data));
  data->returned = TRUE;
  return G_SOURCE_REMOVE;
}

/* Called in the context of the task, when the thread has ended. */
static void
shut_down_cb (GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  ShutdownData *data = g_task_get_task_data (task);
  GError *error = NULL;

  if (data->cancelled != NULL)
    g_source_destroy (data->cancelled);
  if (data->returned)
    return;
  data->returned = TRUE;
  data->stats = ((ShutdownData *) g_task_get_task_data (G_TASK (result)))->stats;
  if (g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* Whether a shutdown must wait: without tracing, only for exporters that the observer has
 * replaced. */
static gboolean
may_block (LsobsExporter *self)
{
  g_autoptr (GPtrArray) dispatchers = dup_dispatchers (self);

  return self->settings->values.tracing_enabled || dispatchers->len > 1;
}

/* Runs the shutdown in a thread, which continues after a cancellation. */
static void
start_shutdown (GTask *task)
{
  ShutdownData *data = g_task_get_task_data (task);
  ShutdownData *part = g_new0 (ShutdownData, 1);
  GCancellable *cancellable = g_task_get_cancellable (task);
  g_autoptr (GTask) thread_task = NULL;

  part->timeout = data->timeout;
  part->exporter = data->exporter;
  thread_task = g_task_new (NULL, NULL, shut_down_cb, g_object_ref (task));
  g_task_set_task_data (thread_task, part, shutdown_data_free);
  if (cancellable != NULL)
    {
      data->cancelled = g_cancellable_source_new (cancellable);
      g_task_attach_source (task, data->cancelled, G_SOURCE_FUNC (shutdown_cancelled_cb));
    }
  _lsobs_fork_guard_run_task (thread_task, shutdown_in_thread);
}

/**
 * lsobs_exporter_shutdown_async:
 * @self: an exporter
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the shutdown ends
 * @user_data: data for @callback
 *
 * Does what lsobs_exporter_shutdown() does, but does not block. @callback runs in the
 * thread-default main context of the caller. A cancellation ends the wait, but not the shutdown.
 *
 * Since: 0.1
 */
void
lsobs_exporter_shutdown_async (LsobsExporter *self,
                               gint64 timeout,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  ShutdownData *data;

  g_return_if_fail (LSOBS_IS_EXPORTER (self));
  g_return_if_fail (self->dispatcher != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_exporter_shutdown_async);
  data = g_new0 (ShutdownData, 1);
  data->exporter = self;
  data->timeout = timeout;
  g_task_set_task_data (task, data, shutdown_data_free);
  if (may_block (self))
    start_shutdown (task);
  else
    shutdown_in_thread (task, self, data, cancellable);
}

/**
 * lsobs_exporter_shutdown_finish:
 * @self: an exporter
 * @result: the result that @callback of lsobs_exporter_shutdown_async() was called with
 * @stats: (out caller-allocates) (optional): return location for the numbers of records
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_exporter_shutdown_async(). Fails as lsobs_exporter_shutdown() does, or with
 * %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if all records were delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_exporter_shutdown_finish (LsobsExporter *self,
                                GAsyncResult *result,
                                LsobsFlushStats *stats,
                                GError **error)
{
  g_autoptr (GError) local_error = NULL;
  gboolean done;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_exporter_shutdown_async), FALSE);

  done = g_task_propagate_boolean (G_TASK (result), &local_error);
  if (stats != NULL)
    {
      memset (stats, 0, sizeof *stats);
      /* After a cancellation the thread may still write the stats. */
      if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        *stats = ((ShutdownData *) g_task_get_task_data (G_TASK (result)))->stats;
    }
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return done;
}

static gboolean
lsobs_exporter_init_destinations (GInitable *initable, GCancellable *cancellable, GError **error)
{
  LsobsExporter *self = LSOBS_EXPORTER (initable);
  LsobsDestination *first;

  g_return_val_if_fail (LSOBS_IS_CONFIG (self->values.config), FALSE);

  self->destinations =
      _lsobs_destinations_new (self->values.config, self->values.transport, self->counters, error);
  if (self->destinations == NULL)
    return FALSE;
  first = g_ptr_array_index (self->destinations, 0);
  self->settings = _lsobs_settings_ref (first->settings);
  g_set_object (&self->values.transport, first->transport);
  g_clear_object (&self->values.config);
  self->lineage = _lsobs_lineage_new (self->settings->values.tracing_enabled);
  self->dispatcher = new_dispatcher (self);
  /* The spool may have waited for this process to start. */
  if (self->settings->values.spool_dir != NULL && self->settings->values.tracing_enabled)
    {
      _lsobs_exit_watch ();
      _lsobs_dispatcher_wake (self->dispatcher, LSOBS_WAKEUP_NOW);
    }
  return TRUE;
}

static void
lsobs_exporter_dispose (GObject *object)
{
  LsobsExporter *self = LSOBS_EXPORTER (object);

  if (self->dispatcher != NULL)
    end (self);

  G_OBJECT_CLASS (lsobs_exporter_parent_class)->dispose (object);
}

static void
lsobs_exporter_finalize (GObject *object)
{
  LsobsExporter *self = LSOBS_EXPORTER (object);

  /* The list takes references: it must forget the dispatcher first. */
  if (self->dispatcher != NULL)
    _lsobs_dispatcher_list_remove (self->dispatcher);
  g_clear_pointer (&self->dispatcher, _lsobs_dispatcher_unref);
  g_clear_pointer (&self->lineage, _lsobs_lineage_unref);
  g_clear_pointer (&self->destinations, g_ptr_array_unref);
  g_clear_pointer (&self->notifier, _lsobs_notifier_unref);
  g_clear_pointer (&self->settings, _lsobs_settings_unref);
  _lsobs_counters_unref (self->counters);
  _lsobs_exporter_values_clear (&self->values);

  G_OBJECT_CLASS (lsobs_exporter_parent_class)->finalize (object);
}

static void
lsobs_exporter_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LsobsExporter *self = LSOBS_EXPORTER (object);

  switch (prop_id)
    {
    case LSOBS_EXPORTER_PROP_TRANSPORT:
      g_value_set_object (value, self->values.transport);
      break;
    case LSOBS_EXPORTER_PROP_MAIN_CONTEXT:
      g_value_set_boxed (value, self->values.context);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_exporter_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  if (!_lsobs_exporter_values_set (&LSOBS_EXPORTER (object)->values, prop_id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
lsobs_exporter_initable_init (GInitableIface *iface)
{
  iface->init = lsobs_exporter_init_destinations;
}

static void
lsobs_exporter_class_init (LsobsExporterClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = lsobs_exporter_dispose;
  object_class->finalize = lsobs_exporter_finalize;
  object_class->get_property = lsobs_exporter_get_property;
  object_class->set_property = lsobs_exporter_set_property;

  /**
   * LsobsExporter:config:
   *
   * The settings. The exporter copies them.
   *
   * Since: 0.1
   */

  /**
   * LsobsExporter:transport:
   *
   * The #LsobsTransport that sends the batches. With %NULL, the default, an #LsobsClient for each
   * replica sends them, and the property has the one of the first replica. If the program sets a
   * transport, runs go only there, and the replicas of the config are ignored.
   *
   * Since: 0.1
   */

  /**
   * LsobsExporter:main-context:
   *
   * The main context that sends, for programs that want no other thread. With %NULL, the default,
   * lsobs starts a thread with the first record. If it is not the global default main context, the
   * thread that runs it must push it with g_main_context_push_thread_default(), as GIO requires. At
   * the end of the program, lsobs runs it as it runs #LsobsObserver:main-context.
   *
   * Since: 0.1
   */
  _lsobs_exporter_values_install (props, G_PARAM_READWRITE);
  g_object_class_install_properties (object_class, G_N_ELEMENTS (props), props);
}

static void
lsobs_exporter_init (LsobsExporter *self)
{
  self->counters = _lsobs_counters_new ();
}

/**
 * lsobs_exporter_new:
 * @config: the settings; the exporter copies them
 * @transport: (nullable): the transport that sends the batches, or %NULL to send by HTTP to the
 *   service of @config
 * @error: return location for a #GError, or %NULL
 *
 * Creates an exporter. It starts no thread until the first record. Fails with
 * %LSOBS_ERROR_INVALID_CONFIG if a setting is not valid.
 *
 * Returns: (transfer full): a new exporter, or %NULL if it fails
 *
 * Since: 0.1
 */
LsobsExporter *
lsobs_exporter_new (LsobsConfig *config, LsobsTransport *transport, GError **error)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (config), NULL);
  g_return_val_if_fail (transport == NULL || LSOBS_IS_TRANSPORT (transport), NULL);

  return g_initable_new (LSOBS_TYPE_EXPORTER, NULL, error, "config", config, "transport", transport,
                         NULL);
}

/**
 * lsobs_exporter_dup_stats:
 * @self: an exporter
 *
 * Gets the current values of all counters. With replicas, these are the sums of all replicas: a
 * record is counted once for each replica. The counters of exporters that
 * lsobs_observer_reconfigure() has replaced with this one are included.
 *
 * Returns: (transfer full): a snapshot of the counters
 *
 * Since: 0.1
 */
LsobsStats *
lsobs_exporter_dup_stats (LsobsExporter *self)
{
  LsobsDispatcher *dispatcher;
  LsobsStats *stats;

  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), NULL);
  g_return_val_if_fail (self->dispatcher != NULL, NULL);

  dispatcher = _lsobs_exporter_get_dispatcher (self);
  stats = _lsobs_dispatcher_dup_stats (dispatcher);
  _lsobs_lineage_add_stats (self->lineage, dispatcher, stats);
  return stats;
}

/**
 * lsobs_exporter_get_n_replicas:
 * @self: an exporter
 *
 * Gets how many services or projects runs are sent to; see lsobs_config_add_replica().
 *
 * Returns: the number of replicas, at least 1
 *
 * Since: 0.1
 */
guint
lsobs_exporter_get_n_replicas (LsobsExporter *self)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), 1);
  g_return_val_if_fail (self->dispatcher != NULL, 1);

  return self->destinations->len;
}

/**
 * lsobs_exporter_dup_replica_stats:
 * @self: an exporter
 * @index: the index of the replica, from 0, in the order in which the replicas were added
 *
 * Gets the current counters of one replica. If there are several replicas, counters that belong to
 * no replica, such as %LSOBS_COUNTER_UNSAMPLED, are only in lsobs_exporter_dup_stats().
 *
 * Returns: (transfer full): a snapshot of the counters
 *
 * Since: 0.1
 */
LsobsStats *
lsobs_exporter_dup_replica_stats (LsobsExporter *self, guint index)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), NULL);
  g_return_val_if_fail (self->dispatcher != NULL, NULL);
  g_return_val_if_fail (index < self->destinations->len, NULL);

  return _lsobs_dispatcher_dup_destination_stats (_lsobs_exporter_get_dispatcher (self), index);
}

/**
 * lsobs_exporter_get_state:
 * @self: an exporter
 *
 * Gets the state of delivery.
 *
 * Returns: the state; with replicas, the worst of their states
 *
 * Since: 0.1
 */
LsobsState
lsobs_exporter_get_state (LsobsExporter *self)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), LSOBS_STATE_OK);
  g_return_val_if_fail (self->dispatcher != NULL, LSOBS_STATE_OK);

  return _lsobs_dispatcher_get_state (_lsobs_exporter_get_dispatcher (self));
}

/**
 * lsobs_exporter_get_replica_state:
 * @self: an exporter
 * @index: the index of the replica, from 0, in the order in which the replicas were added
 *
 * Gets the state of delivery to one replica.
 *
 * Returns: the state
 *
 * Since: 0.1
 */
LsobsState
lsobs_exporter_get_replica_state (LsobsExporter *self, guint index)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), LSOBS_STATE_OK);
  g_return_val_if_fail (self->dispatcher != NULL, LSOBS_STATE_OK);
  g_return_val_if_fail (index < self->destinations->len, LSOBS_STATE_OK);

  return _lsobs_dispatcher_get_destination_state (_lsobs_exporter_get_dispatcher (self), index);
}

/**
 * lsobs_exporter_get_transport:
 * @self: an exporter
 *
 * Gets the transport that sends the batches; with replicas, that of the first one.
 *
 * Returns: (transfer none): the transport
 *
 * Since: 0.1
 */
LsobsTransport *
lsobs_exporter_get_transport (LsobsExporter *self)
{
  g_return_val_if_fail (LSOBS_IS_EXPORTER (self), NULL);

  return self->values.transport;
}
