/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-memory-transport.h"

/**
 * SECTION:lsobs-memory-transport
 * @title: LsobsMemoryTransport
 * @short_description: keeps batches in memory, for tests
 *
 * With this transport, a program can test its own tracing without a server. Create the observer
 * with lsobs_observer_new_with_transport(), run the code, flush, and check the events of
 * lsobs_memory_transport_dup_events(). The events have the data that would leave the process, after
 * redaction and cuts.
 *
 * The transport can also fail, to test how the program handles that.
 *
 * All functions can be called from any thread.
 */

struct _LsobsMemoryTransport
{
  GObject parent_instance;

  GMutex lock;         /* guards all below */
  GPtrArray *batches;  /* (owned) (element-type LsobsBatch) */
  guint n_failures;    /* how many of the next batches fail with error */
  GError *error;       /* (owned) (nullable) */
  char *rejected_name; /* (owned) (nullable) */
  guint delay;         /* ms */
};

static void lsobs_memory_transport_transport_init (LsobsTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsMemoryTransport,
                               lsobs_memory_transport,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      lsobs_memory_transport_transport_init))

static void
lsobs_memory_transport_finalize (GObject *object)
{
  LsobsMemoryTransport *self = LSOBS_MEMORY_TRANSPORT (object);

  g_ptr_array_unref (self->batches);
  g_clear_error (&self->error);
  g_free (self->rejected_name);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (lsobs_memory_transport_parent_class)->finalize (object);
}

static gboolean
has_run (LsobsBatch *batch, const char *name)
{
  for (guint i = 0; i < lsobs_batch_get_n_records (batch); i++)
    {
      g_autoptr (LsobsRunEvent) event = lsobs_batch_dup_event (batch, i);

      if (g_strcmp0 (lsobs_run_event_get_name (event), name) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Returns: (transfer full) (nullable): why the batch fails */
static GError *
accept_batch (LsobsMemoryTransport *self, LsobsBatch *batch)
{
  GError *error = NULL;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  if (self->n_failures > 0)
    {
      self->n_failures--;
      error = g_error_copy (self->error);
    }
  else if (self->rejected_name != NULL && has_run (batch, self->rejected_name))
    {
      error = g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_REJECTED, _ ("Rejected on command"));
    }
  else
    {
      g_ptr_array_add (self->batches, lsobs_batch_ref (batch));
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  return error;
}

/* Called in the context of the task. */
static gboolean
decide_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  GError *error;

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  if (g_task_return_error_if_cancelled (task))
    return G_SOURCE_REMOVE;
  error = accept_batch (g_task_get_source_object (task), g_task_get_task_data (task));
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

static void
lsobs_memory_transport_send_async (LsobsTransport *transport,
                                   LsobsBatch *batch,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  LsobsMemoryTransport *self = LSOBS_MEMORY_TRANSPORT (transport);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GSource) source = NULL;
  guint delay;

  g_task_set_source_tag (task, lsobs_memory_transport_send_async);
  /* A cancellation after the batch was accepted has no effect. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, lsobs_batch_ref (batch), (GDestroyNotify) lsobs_batch_unref);

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  delay = self->delay;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  source = g_timeout_source_new (delay);
  g_source_set_static_name (source, "[lsobs] memory transport");
  if (cancellable != NULL)
    {
      g_autoptr (GSource) child = g_cancellable_source_new (cancellable);

      g_source_set_callback (child, G_SOURCE_FUNC (cancelled_cb), NULL, NULL);
      g_source_add_child_source (source, child);
    }
  g_task_attach_source (task, source, decide_cb);
}

static gboolean
lsobs_memory_transport_send_finish (LsobsTransport *transport, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, transport), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_memory_transport_send_async),
                        FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
lsobs_memory_transport_transport_init (LsobsTransportInterface *iface)
{
  iface->send_async = lsobs_memory_transport_send_async;
  iface->send_finish = lsobs_memory_transport_send_finish;
}

static void
lsobs_memory_transport_class_init (LsobsMemoryTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lsobs_memory_transport_finalize;
}

static void
lsobs_memory_transport_init (LsobsMemoryTransport *self)
{
  g_mutex_init (&self->lock);
  self->batches = g_ptr_array_new_with_free_func ((GDestroyNotify) lsobs_batch_unref);
}

/**
 * lsobs_memory_transport_new:
 *
 * Creates a transport that accepts all batches.
 *
 * Returns: (transfer full): a new transport
 *
 * Since: 0.1
 */
LsobsMemoryTransport *
lsobs_memory_transport_new (void)
{
  return g_object_new (LSOBS_TYPE_MEMORY_TRANSPORT, NULL);
}

/**
 * lsobs_memory_transport_dup_events:
 * @self: a transport
 *
 * Gets all records that the transport has accepted, in the order in which they arrived.
 *
 * Returns: (transfer container) (element-type LsobsRunEvent): the events; the array owns them
 *
 * Since: 0.1
 */
GPtrArray *
lsobs_memory_transport_dup_events (LsobsMemoryTransport *self)
{
  GPtrArray *events;

  g_return_val_if_fail (LSOBS_IS_MEMORY_TRANSPORT (self), NULL);

  events = g_ptr_array_new_with_free_func ((GDestroyNotify) lsobs_run_event_unref);
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  for (guint i = 0; i < self->batches->len; i++)
    {
      LsobsBatch *batch = g_ptr_array_index (self->batches, i);

      for (guint j = 0; j < lsobs_batch_get_n_records (batch); j++)
        g_ptr_array_add (events, lsobs_batch_dup_event (batch, j));
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  return events;
}

/**
 * lsobs_memory_transport_get_n_batches:
 * @self: a transport
 *
 * Gets how many batches the transport has accepted.
 *
 * Returns: the number of batches
 *
 * Since: 0.1
 */
guint
lsobs_memory_transport_get_n_batches (LsobsMemoryTransport *self)
{
  guint n;

  g_return_val_if_fail (LSOBS_IS_MEMORY_TRANSPORT (self), 0);

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  n = self->batches->len;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  return n;
}

/**
 * lsobs_memory_transport_fail_next:
 * @self: a transport
 * @n_batches: how many batches fail
 * @error: the error that they fail with, of the domain %LSOBS_ERROR
 *
 * Makes the next batches fail. The halves of a batch that is halved count separately.
 *
 * Since: 0.1
 */
void
lsobs_memory_transport_fail_next (LsobsMemoryTransport *self, guint n_batches, const GError *error)
{
  g_return_if_fail (LSOBS_IS_MEMORY_TRANSPORT (self));
  g_return_if_fail (error != NULL);

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  self->n_failures = n_batches;
  g_clear_error (&self->error);
  self->error = g_error_copy (error);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
}

/**
 * lsobs_memory_transport_reject_run:
 * @self: a transport
 * @run_name: (nullable): the name of a run, or %NULL for none
 *
 * Makes each batch fail that contains a run of this name, as if the service rejects this run.
 *
 * Since: 0.1
 */
void
lsobs_memory_transport_reject_run (LsobsMemoryTransport *self, const char *run_name)
{
  g_return_if_fail (LSOBS_IS_MEMORY_TRANSPORT (self));

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  g_free (self->rejected_name);
  self->rejected_name = g_strdup (run_name);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
}

/**
 * lsobs_memory_transport_set_delay:
 * @self: a transport
 * @delay: the delay, in milliseconds
 *
 * Sets how long the transport takes for each batch.
 *
 * Since: 0.1
 */
void
lsobs_memory_transport_set_delay (LsobsMemoryTransport *self, guint delay)
{
  g_return_if_fail (LSOBS_IS_MEMORY_TRANSPORT (self));

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  self->delay = delay;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
}

/**
 * lsobs_memory_transport_clear:
 * @self: a transport
 *
 * Removes all events that the transport has accepted.
 *
 * Since: 0.1
 */
void
lsobs_memory_transport_clear (LsobsMemoryTransport *self)
{
  g_return_if_fail (LSOBS_IS_MEMORY_TRANSPORT (self));

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
  g_ptr_array_set_size (self->batches, 0);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_MEMORY_TRANSPORT);
}
