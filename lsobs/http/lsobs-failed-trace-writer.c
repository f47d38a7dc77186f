/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/http/lsobs-failed-trace-writer-private.h"

/* How many bytes of bodies may wait for the disk. A single larger body may wait, too. */
#define MAX_WAITING (64 * 1024 * 1024)

/* The shortest time between two messages in the log, in µs: the log belongs to the application. */
#define LOG_INTERVAL (60 * G_USEC_PER_SEC)

/* The time between two tries to start the thread, in µs. */
#define RETRY_INTERVAL (100 * 1000)

/* How long a measurement of the directory holds, in µs: other processes write into it, too. */
#define MEASURE_INTERVAL (10 * G_USEC_PER_SEC)

/* An unfinished file that has not changed for so many seconds was abandoned. */
#define MAX_UNFINISHED_AGE 3600

struct _LsobsFailedTraceWriter
{
  gatomicrefcount ref_count;
  guint epoch;             /* the process that it belongs to */
  char *path;              /* (owned) of the directory */
  guint64 max_bytes;       /* of all files in it */
  LsobsCounters *counters; /* (owned) */

  GMutex lock; /* guards the fields down to n_refused */
  GCond cond;
  GQueue queue;     /* of QueuedTrace (owned) */
  guint64 n_taken;  /* traces so far */
  guint64 n_done;   /* traces that are written, or failed */
  gsize n_bytes;    /* of the bodies in queue */
  gboolean running; /* the thread runs */
  guint n_refused;  /* records that the queue had no room for, since the last message */

  /* All fields below belong to the thread. */
  GThread *thread;    /* (unowned) */
  gint64 logged_at;   /* monotonic, µs: of the last message in the log, or 0 */
  guint64 n_stored;   /* bytes of all files in the directory, as far as known */
  gint64 measured_at; /* monotonic, µs: when the directory was measured, or 0 */
  gint64 changed_at;  /* ns: of the directory, after the last own change */
};

typedef struct
{
  LsobsFailedTrace *trace; /* (owned) */
  guint n_records;
} QueuedTrace;

static void
queued_trace_free (gpointer user_data)
{
  QueuedTrace *queued = user_data;

  _lsobs_failed_trace_free (queued->trace);
  g_free (queued);
}

LsobsFailedTraceWriter *
_lsobs_failed_trace_writer_new (const char *path, gint64 max_bytes, LsobsCounters *counters)
{
  LsobsFailedTraceWriter *self = g_new0 (LsobsFailedTraceWriter, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  self->path = g_strdup (path);
  self->max_bytes = (guint64) max_bytes;
  self->counters = _lsobs_counters_ref (counters);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->queue);
  return self;
}

static LsobsFailedTraceWriter *
writer_ref (LsobsFailedTraceWriter *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_failed_trace_writer_unref (LsobsFailedTraceWriter *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_queue_clear_full (&self->queue, queued_trace_free);
  _lsobs_counters_unref (self->counters);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self->path);
  g_free (self);
}

/* Whether it belongs to the parent of this forked child. Then it must not be used, nor unreffed. */
gboolean
_lsobs_failed_trace_writer_is_forked (LsobsFailedTraceWriter *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

/* --- the disk: in the thread, with the fork guard open --- */

/* Whether it is the name of a file that is being written. */
static gboolean
is_unfinished_name (const char *name)
{
  return name[0] == '.' && _lsobs_failed_trace_is_name (name + 1);
}

/* Removes an unfinished file that a process has left behind when it died.
 * Returns: whether the file was removed */
static gboolean
remove_if_stale (int dir, const char *name, const struct stat *info)
{
  gint64 age = g_get_real_time () / G_USEC_PER_SEC - (gint64) info->st_mtime;

  return age > MAX_UNFINISHED_AGE && unlinkat (dir, name, 0) == 0;
}

/* Measures all files of failed traces, with the unfinished ones.
 * @n_bytes: (out) */
static gboolean
measure_directory (int dir, guint64 *n_bytes)
{
  int fd = openat (dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;

  *n_bytes = 0;
  if (entries == NULL)
    {
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  while ((entry = readdir (entries)) != NULL)
    {
      gboolean unfinished = is_unfinished_name (entry->d_name);
      struct stat info;

      if ((unfinished || _lsobs_failed_trace_is_name (entry->d_name)) &&
          fstatat (dir, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (info.st_mode) &&
          !(unfinished && remove_if_stale (dir, entry->d_name, &info)))
        *n_bytes += (guint64) info.st_size;
    }
  closedir (entries);
  return TRUE;
}

/* Writes to an unfinished file and renames it, so that other programs see whole files only. An
 * existing file or link of the same name is not followed. */
static gboolean
write_file (int dir, LsobsFailedTrace *trace)
{
  g_autofree char *name = _lsobs_failed_trace_make_name (g_get_real_time ());
  g_autofree char *unfinished = g_strconcat (".", name, NULL);
  int fd = openat (dir, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  gboolean done;
  int saved_errno;

  if (fd < 0)
    return FALSE;
  done = _lsobs_failed_trace_write (trace, fd) && fdatasync (fd) == 0;
  saved_errno = errno;
  if (close (fd) != 0 && done)
    {
      saved_errno = errno;
      done = FALSE;
    }
  if (done && renameat (dir, unfinished, dir, name) != 0)
    {
      saved_errno = errno;
      done = FALSE;
    }
  if (!done)
    unlinkat (dir, unfinished, 0);
  errno = saved_errno;
  return done;
}

/* Returns: when a file was last added or removed, or 0 */
static gint64
get_changed_at (int dir)
{
  struct stat info;

  if (fstat (dir, &info) != 0)
    return 0;
  return (gint64) info.st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000) + info.st_mtim.tv_nsec;
}

/* Whether a file of @size bytes fits into the directory, as far as known. */
static gboolean
fits (LsobsFailedTraceWriter *self, gsize size)
{
  return self->n_stored <= self->max_bytes && size <= self->max_bytes - self->n_stored;
}

/* Whether there is room for a file of @size bytes. The directory is not read for each file: it may
 * hold very many.
 * Returns: 0, or the errno of what went wrong */
static int
check_room (LsobsFailedTraceWriter *self, int dir, gsize size)
{
  gint64 now = g_get_monotonic_time ();

  if (self->measured_at == 0 || now - self->measured_at >= MEASURE_INTERVAL ||
      get_changed_at (dir) != self->changed_at || !fits (self, size))
    {
      if (!measure_directory (dir, &self->n_stored))
        return errno;
      self->measured_at = now;
    }
  return fits (self, size) ? 0 : EDQUOT;
}

/* Returns: 0, or the errno of what went wrong */
static int
store (LsobsFailedTraceWriter *self, LsobsFailedTrace *trace)
{
  gsize size = _lsobs_failed_trace_measure (trace);
  int problem;
  int dir;

  g_assert (self->thread == g_thread_self ());
  if (g_mkdir_with_parents (self->path, 0700) != 0)
    return errno;
  dir = open (self->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return errno;
  problem = check_room (self, dir, size);
  if (problem == 0 && !write_file (dir, trace))
    problem = errno;
  if (problem == 0)
    self->n_stored += size;
  self->changed_at = get_changed_at (dir);
  close (dir);
  return problem;
}

/* --- the thread --- */

/* @problem: errno; EDQUOT: the directory is full */
static void
log_problem (LsobsFailedTraceWriter *self, int problem)
{
  gint64 now = g_get_monotonic_time ();

  g_assert (self->thread == g_thread_self ());
  if (self->logged_at != 0 && now - self->logged_at < LOG_INTERVAL)
    return;
  self->logged_at = now;
  if (problem == EDQUOT)
    /* TRANSLATORS: the text is a directory. */
    g_message (
        _ ("Lost traces are not kept any longer: the files in %s are as large as they may become"),
        self->path);
  else
    /* TRANSLATORS: the first text is a directory, the second what the system says of it. */
    g_message (_ ("Lost traces cannot be kept in %s: %s"), self->path, g_strerror (problem));
}

static void
write_queued (LsobsFailedTraceWriter *self, QueuedTrace *queued)
{
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  int problem = store (self, queued->trace);

  _lsobs_fork_guard_close (guard);
  if (problem == 0)
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_DUMPED, queued->n_records);
  else
    log_problem (self, problem);
  queued_trace_free (queued);
}

static gpointer
thread_main (gpointer user_data)
{
  LsobsFailedTraceWriter *self = user_data;
  LsobsForkGuard guard;
  QueuedTrace *queued;

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FAILED_TRACES);
  self->thread = g_thread_self ();
  while ((queued = g_queue_pop_head (&self->queue)) != NULL)
    {
      guint n_refused = self->n_refused;

      self->n_bytes -= g_bytes_get_size (queued->trace->body);
      self->n_refused = 0;
      _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FAILED_TRACES);
      if (n_refused > 0)
        log_problem (self, ENOBUFS);
      write_queued (self, queued);
      _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FAILED_TRACES);
      self->n_done++;
      g_cond_broadcast (&self->cond);
    }
  self->running = FALSE;
  g_cond_broadcast (&self->cond);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FAILED_TRACES);
  _lsobs_failed_trace_writer_unref (self);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* If the thread cannot be started, the next trace or wait tries again.
 * @error: (out): set then, for log_no_thread() without the lock */
static void
ensure_thread_unlocked (LsobsFailedTraceWriter *self, GError **error)
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
    _lsobs_failed_trace_writer_unref (self);
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
 * @request: (transfer full) */
void
_lsobs_failed_trace_writer_push (LsobsFailedTraceWriter *self,
                                 LsobsFailedTrace *trace,
                                 guint n_records)
{
  gsize size = g_bytes_get_size (trace->body);
  g_autoptr (GError) error = NULL;
  QueuedTrace *queued = g_new0 (QueuedTrace, 1);

  queued->trace = trace;
  queued->n_records = n_records;
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FAILED_TRACES);
  if (self->queue.length > 0 && (size > MAX_WAITING || self->n_bytes > MAX_WAITING - size))
    {
      self->n_refused += n_records;
      queued_trace_free (queued);
    }
  else
    {
      self->n_bytes += size;
      self->n_taken++;
      g_queue_push_tail (&self->queue, queued);
    }
  ensure_thread_unlocked (self, &error);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FAILED_TRACES);
  log_no_thread (error);
}

/* Waits also for the end of a thread without traces, which comes at once: the thread does not
 * outlive its user. */
static gboolean
is_waiting_for_unlocked (LsobsFailedTraceWriter *self, guint64 n_traces)
{
  return self->n_done < n_traces || (self->running && self->queue.length == 0);
}

/* Waits until all traces taken so far are written, or have failed. Traces taken later do not
 * prolong the wait.
 * @deadline: monotonic, µs
 * Returns: FALSE at the deadline */
gboolean
_lsobs_failed_trace_writer_wait (LsobsFailedTraceWriter *self, gint64 deadline)
{
  g_autoptr (GError) error = NULL;
  gboolean done;
  guint64 n_traces;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FAILED_TRACES);
  n_traces = self->n_taken;
  while (is_waiting_for_unlocked (self, n_traces) && g_get_monotonic_time () < deadline)
    {
      if (self->queue.length > 0)
        ensure_thread_unlocked (self, error == NULL ? &error : NULL);
      g_cond_wait_until (&self->cond, &self->lock,
                         self->running ? deadline
                                       : MIN (deadline, g_get_monotonic_time () + RETRY_INTERVAL));
    }
  done = self->n_done >= n_traces;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FAILED_TRACES);
  log_no_thread (error);
  return done;
}
