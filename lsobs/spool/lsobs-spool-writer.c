/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/spool/lsobs-spool-folder-private.h"
#include "lsobs/spool/lsobs-spool-owner-private.h"
#include "lsobs/spool/lsobs-spool-writer-private.h"
#include "lsobs/text/lsobs-compressor-private.h"

/* How many bytes of bodies may wait for the disk. A single larger body may wait, too. */
#define MAX_WAITING (64 * 1024 * 1024)

/* While no more bytes than this wait, files are compressed with SMALL_LEVEL. */
#define MAX_IN_TIME (4 * 1024 * 1024)
#define SMALL_LEVEL 9

/* The shortest time between two messages in the log, in µs: the log belongs to the application. A
 * problem that lasts is logged once. */
#define LOG_INTERVAL (60 * G_USEC_PER_SEC)

/* The time between two tries to start the thread, in µs. */
#define RETRY_INTERVAL (100 * 1000)

struct _LsobsSpoolWriter
{
  gatomicrefcount ref_count;
  guint epoch;             /* the process that it belongs to */
  LsobsCounters *counters; /* (owned) */
  LsobsSettings *settings; /* (owned) (nullable) of a spool */
  LsobsSpoolOwner *owner;  /* (owned) (nullable) of what a spool gets */
  LsobsSpoolWriter *rest;  /* (owned) (nullable) gets what cannot be written to the spool */

  GMutex lock; /* guards the fields down to n_refused */
  GCond cond;
  GQueue queue;     /* of QueuedTrace (owned) */
  guint64 n_taken;  /* traces so far */
  guint64 n_done;   /* traces that are written, or failed */
  gsize n_bytes;    /* of the bodies in queue */
  gboolean running; /* the thread runs */
  guint n_refused;  /* records that the queue had no room for, since the last message */

  /* All fields below belong to the thread. */
  GThread *thread;          /* (unowned) */
  gint64 logged_at;         /* since the boot, µs: of the last message in the log, or 0 */
  gboolean told;            /* the problem is in the log, and no file was written since */
  LsobsSpoolFolder *folder; /* (owned) */
  LsobsCompressor *small;   /* (owned) (nullable) used while the disk keeps up */
  LsobsCompressor *fast;    /* (owned) (nullable) used otherwise */
};

typedef struct
{
  LsobsFailedTrace *trace; /* (owned) */
  guint n_records;
  LsobsSpoolWriterFunc func; /* (nullable) */
  gpointer data;
} QueuedTrace;

static void
queued_trace_free (gpointer user_data)
{
  QueuedTrace *queued = user_data;

  g_clear_pointer (&queued->trace, _lsobs_failed_trace_free);
  g_free (queued);
}

static LsobsSpoolWriter *
new_with (const char *path, const LsobsSpoolLimits *limits, LsobsCounters *counters)
{
  LsobsSpoolWriter *self = g_new0 (LsobsSpoolWriter, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  self->folder = _lsobs_spool_folder_new (path, limits);
  self->counters = _lsobs_counters_ref (counters);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->queue);
  return self;
}

/* For lost batches. */
LsobsSpoolWriter *
_lsobs_spool_writer_new (const char *path, gint64 max_bytes, LsobsCounters *counters)
{
  const LsobsSpoolLimits limits = {
    .max_bytes = (guint64) max_bytes,
    .max_files = G_MAXUINT64,
    .max_age = G_MAXINT64,
  };

  return new_with (path, &limits, counters);
}

static LsobsSpoolWriter *
writer_ref (LsobsSpoolWriter *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* @settings: with a spool
 * @rest: (nullable): for lost batches: gets what the spool cannot take */
LsobsSpoolWriter *
_lsobs_spool_writer_new_for_spool (LsobsSettings *settings,
                                   LsobsCounters *counters,
                                   LsobsSpoolWriter *rest)
{
  const LsobsSpoolLimits limits = _lsobs_spool_limits_get (settings);
  LsobsSpoolWriter *self = new_with (settings->values.spool_dir, &limits, counters);

  self->settings = _lsobs_settings_ref (settings);
  self->owner = _lsobs_spool_owner_new (settings);
  if (rest != NULL)
    self->rest = writer_ref (rest);
  return self;
}

void
_lsobs_spool_writer_unref (LsobsSpoolWriter *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_queue_clear_full (&self->queue, queued_trace_free);
  _lsobs_counters_unref (self->counters);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_clear_pointer (&self->small, _lsobs_compressor_free);
  g_clear_pointer (&self->fast, _lsobs_compressor_free);
  g_clear_pointer (&self->owner, _lsobs_spool_owner_free);
  g_clear_pointer (&self->rest, _lsobs_spool_writer_unref);
  g_clear_pointer (&self->settings, _lsobs_settings_unref);
  _lsobs_spool_folder_free (self->folder);
  g_free (self);
}

/* Whether it belongs to the parent of this forked child. Then it must not be used, nor unreffed. */
gboolean
_lsobs_spool_writer_is_forked (LsobsSpoolWriter *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

/* --- the disk: in the thread --- */

/* A file that is sent later is always compressed. The sender of the file checks what the service
 * accepts.
 * @trace: (inout)
 * @in_time: the disk keeps up */
static void
compress (LsobsSpoolWriter *self, LsobsFailedTrace *trace, gboolean in_time)
{
  const LsobsCompression kind = _lsobs_compression_is_built_in (LSOBS_COMPRESSION_ZSTD)
                                    ? LSOBS_COMPRESSION_ZSTD
                                    : LSOBS_COMPRESSION_GZIP;
  int level = (int) self->settings->values.compression_level;
  LsobsCompressor **compressor = in_time ? &self->small : &self->fast;
  GBytes *compressed;

  if (*compressor == NULL)
    *compressor = _lsobs_compressor_new (kind, in_time ? MAX (level, SMALL_LEVEL) : level);
  if (!_lsobs_compressor_run (*compressor, trace->body, &compressed) || compressed == NULL)
    return;
  g_bytes_unref (trace->body);
  trace->body = compressed;
  trace->encoding = g_strdup (_lsobs_compression_get_name (kind));
}

/* Returns: 0, or the errno of what went wrong */
static int
store (LsobsSpoolWriter *self, QueuedTrace *queued, gboolean in_time)
{
  LsobsForkGuard *guard;
  char mark[LSOBS_MARK_LEN + 1];
  g_autofree char *tag = NULL;
  int problem;

  g_assert (self->thread == g_thread_self ());
  if (self->owner != NULL)
    {
      _lsobs_spool_owner_make_mark (self->owner, mark);
      tag = g_strconcat (_lsobs_spool_owner_peek_tag (self->owner), mark, NULL);
      queued->trace->owner = _lsobs_spool_owner_dup_text (self->owner);
      if (queued->trace->encoding == NULL)
        compress (self, queued->trace, in_time);
    }
  guard = _lsobs_fork_guard_open ();
  problem = _lsobs_spool_folder_add (self->folder, queued->trace, tag, queued->n_records);
  _lsobs_fork_guard_close (guard);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_SPOOL_DROPPED,
                       (gssize) self->folder->n_expired);
  self->folder->n_expired = 0;
  return problem;
}

/* --- the thread --- */

static const char *
explain (int problem)
{
  /* TRANSLATORS: “it” is a directory. */
  return problem == ETIMEDOUT ? _ ("another process has locked it") : g_strerror (problem);
}

/* @problem: errno; EDQUOT: the directory is full */
static void
log_problem (LsobsSpoolWriter *self, int problem)
{
  gint64 now = _lsobs_clock_source.get_boot_time ();

  g_assert (self->thread == g_thread_self ());
  if (self->told || (self->logged_at != 0 && now - self->logged_at < LOG_INTERVAL))
    return;
  self->told = TRUE;
  self->logged_at = now;
  if (problem == EDQUOT && self->owner != NULL)
    /* TRANSLATORS: the text is a directory. */
    g_message (
        _ ("Traces are lost: the spool in %s has reached a limit; raise it, or find out why the service accepts nothing"),
        self->folder->path);
  else if (self->owner != NULL)
    /* TRANSLATORS: the first text is a directory, the second what the system says of it. */
    g_message (_ ("Traces are lost: the spool in %s cannot be written: %s"), self->folder->path,
               explain (problem));
  else if (problem == EDQUOT)
    /* TRANSLATORS: the text is a directory. */
    g_message (_ ("Lost traces are no longer kept: the files in %s have reached their size limit"),
               self->folder->path);
  else
    /* TRANSLATORS: the first text is a directory, the second what the system says of it. */
    g_message (_ ("Lost traces cannot be kept in %s: %s"), self->folder->path, explain (problem));
}

/* The spool does not take the trace, which is lost then. Called without the lock. */
static void
pass_on (LsobsSpoolWriter *self, QueuedTrace *queued)
{
  LsobsFailedTrace *trace = g_steal_pointer (&queued->trace);

  if (self->rest == NULL)
    {
      _lsobs_failed_trace_free (trace);
      return;
    }
  /* Any replay may send it. */
  g_clear_pointer (&trace->owner, g_free);
  _lsobs_spool_writer_push (self->rest, trace, queued->n_records, NULL, NULL);
}

static void
write_queued (LsobsSpoolWriter *self, QueuedTrace *queued, gboolean in_time)
{
  int problem = store (self, queued, in_time);

  if (problem != 0)
    pass_on (self, queued);
  if (problem == 0 && self->owner == NULL)
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_DUMPED, queued->n_records);
  /* This comes before the log, because a log writer may wait for it. */
  if (queued->func != NULL)
    queued->func (queued->data, problem == 0);
  if (problem != 0)
    log_problem (self, problem);
  else
    self->told = FALSE;
  queued_trace_free (queued);
}

static gpointer
thread_main (gpointer user_data)
{
  LsobsSpoolWriter *self = user_data;
  LsobsForkGuard guard;
  QueuedTrace *queued;

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  self->thread = g_thread_self ();
  while ((queued = g_queue_pop_head (&self->queue)) != NULL)
    {
      guint n_refused = self->n_refused;
      gboolean in_time = self->n_bytes < MAX_IN_TIME;

      self->n_bytes -= g_bytes_get_size (queued->trace->body);
      self->n_refused = 0;
      _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
      if (n_refused > 0)
        log_problem (self, ENOBUFS);
      write_queued (self, queued, in_time);
      _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
      self->n_done++;
      g_cond_broadcast (&self->cond);
    }
  self->running = FALSE;
  g_cond_broadcast (&self->cond);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  _lsobs_spool_writer_unref (self);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* If the thread cannot be started, the next trace or wait tries again.
 * @error: (out): set then, for log_no_thread() without the lock */
static void
ensure_thread_unlocked (LsobsSpoolWriter *self, GError **error)
{
  GThread *thread;

  if (self->running)
    return;
  writer_ref (self);
  thread = _lsobs_fork_guard_start_thread ("lsobs-writer", thread_main, self, error);
  self->running = thread != NULL;
  if (thread != NULL)
    g_thread_unref (thread);
  else
    _lsobs_spool_writer_unref (self);
}

/* Called without the lock: a log writer may trace.
 * @error: (nullable) */
static void
log_no_thread (const GError *error)
{
  _lsobs_lock_check_none ();
  if (error != NULL)
    g_debug ("No thread to keep lost traces: %s", error->message);
}

/* Returns at once.
 * @trace: (transfer full)
 * @func: (nullable): called with @data when the file is there, or cannot be written */
void
_lsobs_spool_writer_push (LsobsSpoolWriter *self,
                          LsobsFailedTrace *trace,
                          guint n_records,
                          LsobsSpoolWriterFunc func,
                          gpointer data)
{
  gsize size = g_bytes_get_size (trace->body);
  g_autoptr (GError) error = NULL;
  QueuedTrace *queued = g_new0 (QueuedTrace, 1);
  gboolean refused;

  queued->trace = trace;
  queued->n_records = n_records;
  queued->func = func;
  queued->data = data;
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  refused = self->queue.length > 0 && (size > MAX_WAITING || self->n_bytes > MAX_WAITING - size);
  if (refused)
    {
      self->n_refused += n_records;
    }
  else
    {
      self->n_bytes += size;
      self->n_taken++;
      g_queue_push_tail (&self->queue, queued);
    }
  ensure_thread_unlocked (self, &error);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  if (refused)
    {
      pass_on (self, queued);
      if (func != NULL)
        func (data, FALSE);
      queued_trace_free (queued);
    }
  log_no_thread (error);
}

/* Whether less than half of the bytes that may wait for the disk are waiting. */
gboolean
_lsobs_spool_writer_has_room (LsobsSpoolWriter *self)
{
  gboolean has_room;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  has_room = self->n_bytes < MAX_WAITING / 2;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  return has_room;
}

/* Waits for the thread, or tries to start it.
 * @error: (out): as of ensure_thread_unlocked() */
static void
wait_for_thread_unlocked (LsobsSpoolWriter *self, gint64 deadline, GError **error)
{
  if (self->queue.length > 0)
    ensure_thread_unlocked (self, *error == NULL ? error : NULL);
  g_cond_wait_until (&self->cond, &self->lock,
                     self->running ? deadline
                                   : MIN (deadline, g_get_monotonic_time () + RETRY_INTERVAL));
}

/* Waits until _lsobs_spool_writer_has_room(). The thread is started if there is no room without it.
 * @deadline: monotonic, µs; 0 does not wait
 * Returns: FALSE at the deadline */
gboolean
_lsobs_spool_writer_wait_room (LsobsSpoolWriter *self, gint64 deadline)
{
  g_autoptr (GError) error = NULL;
  gboolean has_room;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  if (self->n_bytes >= MAX_WAITING / 2)
    ensure_thread_unlocked (self, &error);
  while (self->n_bytes >= MAX_WAITING / 2 && g_get_monotonic_time () < deadline)
    wait_for_thread_unlocked (self, deadline, &error);
  has_room = self->n_bytes < MAX_WAITING / 2;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  log_no_thread (error);
  return has_room;
}

/* Waits also for the end of a thread without traces, which comes at once: the thread does not
 * outlive its user. */
static gboolean
is_waiting_for_unlocked (LsobsSpoolWriter *self, guint64 n_traces)
{
  return self->n_done < n_traces || (self->running && self->queue.length == 0);
}

/* Waits until all traces taken so far are written, or have failed. Traces taken later do not
 * prolong the wait.
 * @deadline: monotonic, µs
 * Returns: FALSE at the deadline */
gboolean
_lsobs_spool_writer_wait (LsobsSpoolWriter *self, gint64 deadline)
{
  g_autoptr (GError) error = NULL;
  gboolean done;
  guint64 n_traces;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  n_traces = self->n_taken;
  while (is_waiting_for_unlocked (self, n_traces) && g_get_monotonic_time () < deadline)
    wait_for_thread_unlocked (self, deadline, &error);
  done = self->n_done >= n_traces;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_SPOOL_WRITER);
  log_no_thread (error);
  return done;
}
