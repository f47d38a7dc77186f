/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n.h>

#include "tools/service/language.h"
#include "tools/service/worker.h"
#include "tools/store/removal.h"
#include "tools/store/time-text.h"

/* The largest number of requests, and of bytes, in one transaction. */
#define MAX_GROUP       64
#define MAX_GROUP_BYTES (16 * 1024 * 1024)

/* Data that was written is synced to the disk this many µs after the last request. If that fails,
 * it is tried again after twice the time, up to the longest one. */
#define SYNC_DELAY     (2 * G_USEC_PER_SEC)
#define MAX_SYNC_DELAY (60 * G_USEC_PER_SEC)

/* How often the sync is tried when the service ends. */
#define MAX_LAST_SYNCS 5

/* How often the limits of size and of age are looked at, in µs, while requests come. */
#define SIZE_PAUSE (1 * G_USEC_PER_SEC)
#define AGE_PAUSE  (G_GINT64_CONSTANT (600) * G_USEC_PER_SEC)

typedef struct
{
  Worker *worker;     /* (unowned) */
  GThread *thread;    /* (owned) */
  GAsyncQueue *queue; /* (owned) (element-type Request) */
  Store *store;       /* (owned) (nullable) */
} WorkerThread;

struct _Worker
{
  GMainContext *context; /* (owned) where requests are answered */
  WorkerLimits limits;
  WorkerThread bodies;
  WorkerThread writes;
  WorkerThread reads;

  /* of the context of the answers */
  WorkerWrittenFunc written; /* (nullable) */
  gpointer written_data;
  gint has_written_func; /* (atomic) whether there is one */
  gint is_telling;       /* (atomic) whether it is about to be called */

  /* of the thread that writes */
  gboolean is_synced;
  gint64 sync_delay;        /* until it is brought to the disk, in µs */
  gboolean sync_has_failed; /* since the last success; the log has said so */
  gint64 size_time;         /* when the size was looked at */
  gint64 age_time;
};

/* In place of a request, ends a thread. */
static Request end_mark;

/* --- answers --- */

static gboolean
deliver_cb (gpointer data)
{
  Request *request = data;

  request->done (request, request->done_data);
  return G_SOURCE_REMOVE;
}

static void
deliver (Worker *self, Request *request)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, deliver_cb, request, NULL);
  g_source_attach (source, self->context);
}

/* @error: (transfer full) (nullable) */
static void
finish (Worker *self, Request *request, GError *error)
{
  if (error != NULL)
    request_fail_error (request, error);
  g_clear_error (&error);
  deliver (self, request);
}

static gboolean
tell_written_cb (gpointer data)
{
  Worker *self = data;

  g_atomic_int_set (&self->is_telling, 0);
  if (self->written != NULL)
    self->written (self->written_data);
  return G_SOURCE_REMOVE;
}

/* Called by the thread that writes, after a commit. */
static void
tell_written (Worker *self)
{
  g_autoptr (GSource) source = NULL;

  if (g_atomic_int_get (&self->has_written_func) == 0 ||
      !g_atomic_int_compare_and_exchange (&self->is_telling, 0, 1))
    return;
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, tell_written_cb, self, NULL);
  g_source_attach (source, self->context);
}

void
worker_set_written_func (Worker *self, WorkerWrittenFunc func, gpointer data)
{
  self->written = func;
  self->written_data = data;
  g_atomic_int_set (&self->has_written_func, func != NULL);
}

/* --- limits --- */

static void
tell_removed (const RemovalCount *count, const char *reason)
{
  if (count->n_traces > 0)
    /* TRANSLATORS: the first two are numbers, %s is one of the two reasons */
    g_message (_ ("Traces deleted: %u, with %u runs, as %s"), count->n_traces, count->n_runs,
               reason);
}

static void
tell_failed (GError *error)
{
  /* TRANSLATORS: %s: why */
  g_warning (_ ("Old traces cannot be deleted: %s"), error->message);
  g_error_free (error);
}

/* Deletes what is too old, and what is too much. What it says is for the log. */
static void
apply_limits (Worker *self)
{
  gint64 now = g_get_monotonic_time ();
  RemovalCount old = { 0 };
  RemovalCount large = { 0 };
  GError *error = NULL;

  language_speak_own ();
  if (self->limits.max_age > 0 && (self->age_time == 0 || now - self->age_time > AGE_PAUSE))
    {
      self->age_time = now;
      if (!removal_delete_older (self->writes.store, g_get_real_time () - self->limits.max_age,
                                 &old, &error))
        tell_failed (g_steal_pointer (&error));
      tell_removed (&old, _ ("they are older than the limit (--max-age)"));
    }
  if (self->limits.max_bytes > 0 && (self->size_time == 0 || now - self->size_time > SIZE_PAUSE))
    {
      self->size_time = now;
      if (!removal_shrink (self->writes.store, self->limits.max_bytes, &large, &error))
        tell_failed (g_steal_pointer (&error));
      tell_removed (&large, _ ("the database is larger than the limit (--max-size)"));
    }
  language_speak_english ();
}

/* Returns: the µs until the oldest trace is too old, or -1 if there is no trace */
static gint64
get_time_left (Worker *self)
{
  gint64 received;
  gint64 left;

  if (self->limits.max_age <= 0 || !removal_find_next (self->writes.store, &received, NULL) ||
      received == TIME_NONE)
    return -1;
  /* A trace that is exactly as old as the limit stays. So this waits one ms more. */
  left = received + self->limits.max_age - g_get_real_time () + 1000;
  return MAX (left, 0);
}

/* --- the disk --- */

/* Something was written that is not yet on the disk. */
static void
mark_written (Worker *self)
{
  self->is_synced = FALSE;
  self->sync_delay = SYNC_DELAY;
}

/* Brings what was written to the disk; if that fails, the log says so once, and it is due again later. */
static void
sync_store (Worker *self)
{
  g_autoptr (GError) error = NULL;

  self->is_synced = store_sync (self->writes.store, &error);
  if (!self->is_synced && !self->sync_has_failed)
    {
      language_speak_own ();
      /* TRANSLATORS: %s: why */
      g_warning (
          _ ("What was received last may be lost in a power cut until the disk has it, which "
             "is tried again: %s"),
          error->message);
      language_speak_english ();
    }
  self->sync_has_failed = !self->is_synced;
  self->sync_delay = MIN (2 * self->sync_delay, MAX_SYNC_DELAY);
}

/* --- writing --- */

/* Whether the error is about the database, so that nothing of the transaction counts. */
static gboolean
is_fatal (const GError *error)
{
  return error->domain == STORE_ERROR && error->code != STORE_ERROR_INVALID &&
         error->code != STORE_ERROR_NOT_FOUND && error->code != STORE_ERROR_EXISTS;
}

/* Returns: FALSE with @error if that is about the database; another error is in the answer then */
static gboolean
write_one (Store *store, Request *request, GError **error)
{
  g_autoptr (GError) problem = NULL;
  gboolean done;

  request_reset (request);
  if (!store_begin_part (store, error))
    return FALSE;
  done = request->route->handle (request, store, &problem);
  if (!done && is_fatal (problem))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (!done)
    request_fail_error (request, problem);
  return store_end_part (store, done, error);
}

/* Returns: FALSE with an error, and nothing written */
static gboolean
write_together (Store *store, GPtrArray *group, GError **error)
{
  if (!store_begin (store, error))
    return FALSE;
  for (guint i = 0; i < group->len; i++)
    if (!write_one (store, g_ptr_array_index (group, i), error))
      {
        store_rollback (store);
        return FALSE;
      }
  return store_commit (store, error);
}

static void
write_group (Worker *self, GPtrArray *group)
{
  GError *error = NULL;
  gboolean done;

  if (group->len == 0)
    return;
  done = write_together (self->writes.store, group, &error);
  mark_written (self);
  for (guint i = 0; i < group->len; i++)
    {
      Request *request = g_ptr_array_index (group, i);
      g_autoptr (GPtrArray) alone = g_ptr_array_new ();

      /* If one request does not fit into the database, a smaller one may fit. */
      if (!done && group->len > 1)
        {
          g_clear_error (&error);
          g_ptr_array_add (alone, request);
          write_together (self->writes.store, alone, &error);
        }
      finish (self, request, g_steal_pointer (&error));
    }
  tell_written (self);
  g_ptr_array_set_size (group, 0);
}

/* Takes what waits, in order, up to the limits of a group.
 * @request: the first one
 * Returns: (nullable): the request after the group, which does not belong into one */
static Request *
take_group (WorkerThread *from, GPtrArray *group, Request *request)
{
  gsize n_bytes = 0;

  while (request != NULL && request != &end_mark && (request->route->flags & ROUTE_ALONE) == 0)
    {
      n_bytes += request->body != NULL ? g_bytes_get_size (request->body) : 0;
      g_ptr_array_add (group, request);
      if (group->len == MAX_GROUP || n_bytes >= MAX_GROUP_BYTES)
        return NULL;
      request = g_async_queue_try_pop (from->queue);
    }
  return request;
}

/* Waits for a request. Meanwhile, what was written is brought to the disk, and what gets too old is deleted;
 * there is one time to wake up for each, and none if there is nothing to do. */
static Request *
wait_for_request (Worker *self)
{
  gboolean is_stuck = FALSE;

  for (;;)
    {
      gint64 left = self->is_synced ? get_time_left (self) : self->sync_delay;
      Request *request;

      /* A deletion that has failed just now is not tried again at once. */
      if (left == 0 && is_stuck)
        left = AGE_PAUSE;
      request = left < 0 ? g_async_queue_pop (self->writes.queue)
                         : g_async_queue_timeout_pop (self->writes.queue, (guint64) left);
      if (request != NULL)
        return request;
      if (!self->is_synced)
        {
          sync_store (self);
          /* The deletion of traces that are too old does not wait for a disk that fails. */
          if (!self->is_synced)
            apply_limits (self);
          continue;
        }
      self->age_time = 0;
      apply_limits (self);
      is_stuck = get_time_left (self) == 0;
      mark_written (self);
    }
}

static gpointer
write_thread (gpointer data)
{
  Worker *self = data;
  g_autoptr (GPtrArray) group = g_ptr_array_new ();

  language_speak_english ();
  apply_limits (self);
  for (;;)
    {
      Request *request = wait_for_request (self);

      request = take_group (&self->writes, group, request);
      write_group (self, group);
      if (request == &end_mark)
        break;
      if (request != NULL)
        {
          GError *error = NULL;

          request->route->handle (request, self->writes.store, &error);
          mark_written (self);
          finish (self, request, error);
          tell_written (self);
        }
      apply_limits (self);
    }
  for (guint i = 0; i < MAX_LAST_SYNCS && !self->is_synced; i++)
    sync_store (self);
  return NULL;
}

/* --- reading --- */

static gpointer
read_thread (gpointer data)
{
  Worker *self = data;
  Request *request;

  language_speak_english ();
  while ((request = g_async_queue_pop (self->reads.queue)) != &end_mark)
    {
      GError *error = NULL;

      request->route->handle (request, self->reads.store, &error);
      finish (self, request, error);
    }
  return NULL;
}

static void
push_to_store (Worker *self, Request *request)
{
  gboolean writes = (request->route->flags & (ROUTE_WRITES | ROUTE_ALONE)) != 0;

  g_async_queue_push (writes ? self->writes.queue : self->reads.queue, request);
}

static gpointer
body_thread (gpointer data)
{
  Worker *self = data;
  Request *request;

  language_speak_english ();
  while ((request = g_async_queue_pop (self->bodies.queue)) != &end_mark)
    if (request->route->prepare (request))
      push_to_store (self, request);
    else
      deliver (self, request);
  return NULL;
}

void
worker_push (Worker *self, Request *request)
{
  if (request->route->prepare != NULL)
    g_async_queue_push (self->bodies.queue, request);
  else
    push_to_store (self, request);
}

/* --- life --- */

static void
start_thread (Worker *self, WorkerThread *thread, const char *name, GThreadFunc func)
{
  thread->queue = g_async_queue_new ();
  thread->thread = g_thread_new (name, func, self);
}

static void
stop_thread (WorkerThread *thread)
{
  if (thread->thread != NULL)
    {
      g_async_queue_push (thread->queue, &end_mark);
      g_thread_join (thread->thread);
      g_async_queue_unref (thread->queue);
    }
  g_clear_pointer (&thread->store, store_close);
}

Worker *
worker_new (const char *path, const WorkerLimits *limits, GArray *own_changes, GError **error)
{
  g_autoptr (Worker) self = g_new0 (Worker, 1);

  self->context = g_main_context_ref_thread_default ();
  self->limits = *limits;
  self->is_synced = TRUE;
  /* The store that writes is opened first, because it makes the file. */
  self->writes.store = store_open (path, DATABASE_READ_WRITE, error);
  if (self->writes.store == NULL)
    return NULL;
  if (own_changes != NULL)
    store_note_changes (self->writes.store, own_changes);
  self->reads.store = store_open (path, DATABASE_READ_ONLY, error);
  if (self->reads.store == NULL)
    return NULL;
  start_thread (self, &self->reads, "lsobs-read", read_thread);
  start_thread (self, &self->writes, "lsobs-write", write_thread);
  start_thread (self, &self->bodies, "lsobs-body", body_thread);
  return g_steal_pointer (&self);
}

void
worker_free (Worker *self)
{
  /* In the order in which a request passes them. */
  stop_thread (&self->bodies);
  stop_thread (&self->writes);
  stop_thread (&self->reads);
  /* A call of the function for what was written may be under way. */
  while (g_atomic_int_get (&self->is_telling) != 0)
    g_main_context_iteration (self->context, TRUE);
  g_main_context_unref (self->context);
  g_free (self);
}
