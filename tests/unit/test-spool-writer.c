/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where failed traces are written: the directory, its budget, and a disk that does not want. */

#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <glib/gstdio.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/spool/lsobs-spool-writer-private.h"

#include "tests/lib/failed-traces-helpers.h"

#define TYPE "multipart/form-data; boundary=lsobs-7f3a9c51d2e84b06"

typedef struct
{
  char *base;              /* (owned) a directory of one's own */
  char *path;              /* (owned) in it, and not there yet */
  LsobsCounters *counters; /* (owned) */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->base = failed_traces_make_dir ();
  fixture->path = g_build_filename (fixture->base, "lost", "traces", NULL);
  fixture->counters = _lsobs_counters_new ();
  test_log_clear ();
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  failed_traces_remove_dir (fixture->base);
  g_free (fixture->base);
  g_free (fixture->path);
  _lsobs_counters_unref (fixture->counters);
}

static LsobsFailedTrace *
new_request (gsize n_bytes)
{
  g_autoptr (GBytes) body = g_bytes_new_take (g_strnfill (n_bytes, 'x'), n_bytes);

  return _lsobs_failed_trace_new ("runs/multipart", TYPE, NULL, body);
}

static gint64
get_deadline (void)
{
  return g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
}

static gsize
get_written (Fixture *fixture)
{
  return _lsobs_counters_get (fixture->counters, LSOBS_COUNTER_DUMPED);
}

/* Takes some requests of so many bytes, and waits. */
static void
take (LsobsSpoolWriter *writer, guint n, gsize n_bytes)
{
  for (guint i = 0; i < n; i++)
    _lsobs_spool_writer_push (writer, new_request (n_bytes), 3, NULL, NULL);
  g_assert_true (_lsobs_spool_writer_wait (writer, get_deadline ()));
}

static guint
get_mode (const char *path)
{
  GStatBuf info;

  g_assert_cmpint (g_lstat (path, &info), ==, 0);
  return info.st_mode & 07777;
}

/* Only for the user, whatever the umask is. */
static void
test_files (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1000000, fixture->counters);
  g_autofree char *parent = g_path_get_dirname (fixture->path);
  g_autoptr (GPtrArray) names = NULL;
  mode_t umask_before = umask (0);

  g_assert_true (_lsobs_spool_writer_wait (writer, 0));
  g_assert_false (g_file_test (parent, G_FILE_TEST_EXISTS));
  take (writer, 5, 100);
  umask (umask_before);

  g_assert_cmpuint (get_mode (parent), ==, 0700);
  g_assert_cmpuint (get_mode (fixture->path), ==, 0700);
  names = failed_traces_list (fixture->path);
  g_assert_cmpuint (names->len, ==, 5);
  g_assert_cmpuint (failed_traces_count_entries (fixture->path), ==, 5);
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autofree char *path = g_build_filename (fixture->path, name, NULL);
      g_autoptr (FailedTraceFile) file = failed_trace_file_load (fixture->path, name);

      g_assert_true (
          g_regex_match_simple ("^trace_[0-9]{10}\\.[0-9]{6}_[0-9a-f]{8}\\.json$", name, 0, 0));
      g_assert_cmpuint (get_mode (path), ==, 0600);
      g_assert_cmpuint (g_bytes_get_size (file->body), ==, 100);
      g_assert_cmpstr (file->endpoint, ==, "runs/multipart");
      g_assert_cmpstr (file->content_type, ==, TYPE);
    }
  g_assert_cmpuint (get_written (fixture), ==, 15);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

/* A directory that is there already stays as it is. */
static void
test_existing (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->base, 1000000, fixture->counters);

  g_assert_cmpint (g_chmod (fixture->base, 0755), ==, 0);
  take (writer, 1, 100);
  g_assert_cmpuint (get_mode (fixture->base), ==, 0755);
  g_assert_cmpuint (get_written (fixture), ==, 3);
}

/* The thread goes when it has nothing to do, and comes back. */
static void
test_again (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1000000, fixture->counters);

  for (guint i = 1; i <= 20; i++)
    {
      take (writer, 1, 10);
      g_assert_cmpuint (get_written (fixture), ==, 3 * i);
    }
}

static gboolean
has_written_20 (gpointer data)
{
  return get_written (data) == 20;
}

/* The last reference may go while it is at work. */
static void
test_early_free (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsSpoolWriter *writer = _lsobs_spool_writer_new (fixture->path, 10000000, fixture->counters);

  for (guint i = 0; i < 20; i++)
    _lsobs_spool_writer_push (writer, new_request (100000), 1, NULL, NULL);
  _lsobs_spool_writer_unref (writer);
  g_assert_true (test_wait_until (has_written_20, fixture, TEST_TIMEOUT_MS));
}

/* --- the budget ---------------------------------------------------------------------------- */

static void
test_budget (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsFailedTrace) one = new_request (3000);
  gsize size = _lsobs_failed_trace_measure (one);
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 3 * (gint64) size, fixture->counters);
  g_autoptr (GPtrArray) names = NULL;

  take (writer, 2, 3000);
  take (writer, 1, 3000);
  g_assert_cmpuint (get_written (fixture), ==, 9);
  g_assert_cmpuint (test_log_count (), ==, 0);
  take (writer, 20, 3000);
  take (writer, 1, 1);
  g_assert_cmpuint (get_written (fixture), ==, 9);
  g_assert_cmpuint (failed_traces_count_entries (fixture->path), ==, 3);
  /* said once */
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_true (test_log_contains ("have reached their size limit"));

  /* there is room again when somebody has taken one away */
  names = failed_traces_list (fixture->path);
  failed_traces_remove (fixture->path, g_ptr_array_index (names, 0));
  take (writer, 2, 3000);
  g_assert_cmpuint (get_written (fixture), ==, 12);
  g_assert_cmpuint (failed_traces_count_entries (fixture->path), ==, 3);
}

static void
test_budget_of_one (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsFailedTrace) one = new_request (3000);
  gint64 size = (gint64) _lsobs_failed_trace_measure (one);
  g_autoptr (LsobsSpoolWriter) small =
      _lsobs_spool_writer_new (fixture->path, size - 1, fixture->counters);
  g_autoptr (LsobsSpoolWriter) fitting =
      _lsobs_spool_writer_new (fixture->path, size, fixture->counters);

  take (small, 1, 3000);
  g_assert_cmpuint (get_written (fixture), ==, 0);
  take (fitting, 1, 3000);
  g_assert_cmpuint (get_written (fixture), ==, 3);
}

/* Files that somebody else has put there count, if they look like ours; links do not, wherever they
 * lead to. */
static void
test_budget_of_others (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->base, 10000, fixture->counters);
  g_autofree char *other = g_build_filename (fixture->base, "notes.txt", NULL);
  g_autofree char *link = g_build_filename (fixture->base, "trace_1.000000_00000000.json", NULL);
  g_autofree char *folder = g_build_filename (fixture->base, "trace_2.000000_00000000.json", NULL);
  g_autofree char *unfinished =
      g_build_filename (fixture->base, ".trace_3.000000_00000000.json", NULL);
  g_autofree char *large = g_strnfill (1000000, 'x');
  g_autoptr (GError) error = NULL;

  g_file_set_contents (other, large, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (symlink (other, link), ==, 0);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  take (writer, 1, 100);
  g_assert_cmpuint (get_written (fixture), ==, 3);

  g_file_set_contents (unfinished, large, 9000, &error);
  g_assert_no_error (error);
  take (writer, 1, 3000);
  g_assert_cmpuint (get_written (fixture), ==, 3);
  g_assert_cmpuint (test_log_count (), ==, 1);
  /* nothing of it was touched */
  g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  g_assert_true (g_file_test (folder, G_FILE_TEST_IS_DIR));
  failed_traces_assert_size (other, 1000000);
  failed_traces_assert_size (unfinished, 9000);
}

static void
set_age (const char *path, time_t seconds)
{
  time_t then = time (NULL) - seconds;
  struct utimbuf times = { then, then };

  g_assert_cmpint (g_utime (path, &times), ==, 0);
}

/* What a program has left half written takes no room for ever. */
static void
test_unfinished (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *name;
    time_t age; /* s */
    gboolean stays;
  } files[] = {
    { ".trace_1.000000_00000000.json", 100000, FALSE },
    { ".trace_2.000000_00000000.json", 10, TRUE },
    { ".trace_3.000000_00000000.json", -100000, TRUE },
    { ".trace_4.000000_00000000.txt", 100000, TRUE },
    { "trace_5.000000_00000000.json", 100000, TRUE },
    { ".notes", 100000, TRUE },
  };
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->base, 20000, fixture->counters);
  g_autofree char *large = g_strnfill (15000, 'x');
  g_autofree char *link = g_build_filename (fixture->base, ".trace_6.000000_00000000.json", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (fixture->base, files[i].name, NULL);

      failed_traces_write (fixture->base, files[i].name, i == 0 ? large : "x");
      set_age (path, files[i].age);
    }
  g_assert_cmpint (symlink (".notes", link), ==, 0);
  take (writer, 1, 6000);
  g_assert_cmpuint (get_written (fixture), ==, 3);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (fixture->base, files[i].name, NULL);

      g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS) == files[i].stays);
    }
  g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
}

/* --- a disk that does not want ------------------------------------------------------------- */

static void
test_no_directory (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *parent = g_path_get_dirname (fixture->path);
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1000000, fixture->counters);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (parent, "a file", -1, &error);
  g_assert_no_error (error);
  take (writer, 10, 100);
  take (writer, 10, 100);
  g_assert_cmpuint (get_written (fixture), ==, 0);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_true (test_log_contains (fixture->path));
  failed_traces_assert_size (parent, 6);
}

/* Somebody takes it away in between. */
static void
test_vanished (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1000000, fixture->counters);

  take (writer, 2, 100);
  failed_traces_remove_dir (fixture->path);
  take (writer, 2, 100);
  g_assert_cmpuint (get_written (fixture), ==, 12);
  g_assert_cmpuint (failed_traces_count_entries (fixture->path), ==, 2);
}

/* The disk is full in the middle of a file: nothing of it stays, and nobody is ended by a signal. */
static void
test_full (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1000000, fixture->counters);
  struct rlimit before;
  struct rlimit limit;

  /* For the kernel, a file that may not grow is a disk that is full. Nothing is told meanwhile: it may be
   * a file that this is written to. */
  fflush (NULL);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  limit = before;
  limit.rlim_cur = 100000;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  for (guint i = 0; i < 3; i++)
    _lsobs_spool_writer_push (writer, new_request (200000), 3, NULL, NULL);
  _lsobs_spool_writer_push (writer, new_request (100), 3, NULL, NULL);
  g_assert_true (_lsobs_spool_writer_wait (writer, get_deadline ()));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  g_assert_cmpuint (get_written (fixture), ==, 3);
  g_assert_cmpuint (failed_traces_count_entries (fixture->path), ==, 1);
  g_assert_cmpuint (test_log_count (), ==, 1);
}

static LsobsClockSource real_clock;
static gint64 clock_change;

static gint64
get_changed_wall_time (void)
{
  return real_clock.get_wall_time () + clock_change;
}

static gint64
get_changed_boot_time (void)
{
  return real_clock.get_boot_time () + clock_change;
}

/* A disk that is full for hours is told of once. It is told of again after it has worked, but not more
 * often than once in a minute. */
static void
test_told_once (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    gboolean works;
    gint64 minutes; /* since the step before */
    guint n_told;   /* so far */
  } steps[] = {
    { FALSE, 0, 1 }, { FALSE, 2, 1 }, { FALSE, 90, 1 }, { TRUE, 0, 1 },
    { FALSE, 0, 2 }, { FALSE, 2, 2 }, { TRUE, 0, 2 },   { FALSE, 0, 3 },
    { TRUE, 0, 3 },  { FALSE, 0, 3 }, { FALSE, 2, 4 },  { FALSE, 2, 4 },
  };
  g_autofree char *parent = g_path_get_dirname (fixture->path);
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1000000, fixture->counters);

  real_clock = _lsobs_clock_source;
  clock_change = 0;
  _lsobs_clock_source.get_wall_time = get_changed_wall_time;
  _lsobs_clock_source.get_boot_time = get_changed_boot_time;
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      gsize n_before = get_written (fixture);

      failed_traces_remove_dir (fixture->path);
      g_rmdir (parent);
      g_unlink (parent);
      if (!steps[i].works)
        g_assert_true (g_file_set_contents (parent, "a file", -1, NULL));
      clock_change += steps[i].minutes * 60 * G_USEC_PER_SEC;
      take (writer, 2, 100);
      g_assert_cmpuint (get_written (fixture) - n_before, ==, steps[i].works ? 6 : 0);
      g_assert_cmpuint (test_log_count (), ==, steps[i].n_told);
    }
  _lsobs_clock_source = real_clock;
}

static void
test_dangling_link (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *parent = g_path_get_dirname (fixture->path);
  g_autofree char *target = g_build_filename (fixture->base, "elsewhere", NULL);
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (parent, 1000000, fixture->counters);

  g_assert_cmpint (symlink (target, parent), ==, 0);
  take (writer, 3, 100);
  g_assert_cmpuint (get_written (fixture), ==, 0);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_false (g_file_test (target, G_FILE_TEST_EXISTS));
}

static void
test_read_only (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->base, 1000000, fixture->counters);

  if (geteuid () == 0)
    {
      g_test_skip ("the superuser may write everywhere");
      return;
    }
  g_assert_cmpint (g_chmod (fixture->base, 0500), ==, 0);
  take (writer, 3, 100);
  g_assert_cmpint (g_chmod (fixture->base, 0700), ==, 0);
  g_assert_cmpuint (get_written (fixture), ==, 0);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_cmpuint (failed_traces_count_entries (fixture->base), ==, 0);
}

/* --- who waits ----------------------------------------------------------------------------- */

/* A pipe in place of the directory keeps nobody waiting; and a deadline is one. */
static void
test_deadline (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1000000000, fixture->counters);
  gint64 start;

  for (guint i = 0; i < 30; i++)
    _lsobs_spool_writer_push (writer, new_request (1000000), 1, NULL, NULL);
  start = g_get_monotonic_time ();
  _lsobs_spool_writer_wait (writer, start + 1000);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 1 + test_get_slack_ms ());
  g_assert_true (_lsobs_spool_writer_wait (writer, get_deadline ()));
  g_assert_cmpuint (get_written (fixture), ==, 30);
}

static void
test_pipe (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *parent = g_path_get_dirname (fixture->path);
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (parent, 1000000, fixture->counters);

  g_assert_cmpint (mkfifo (parent, 0600), ==, 0);
  take (writer, 1, 100);
  g_assert_cmpuint (get_written (fixture), ==, 0);
  g_assert_cmpuint (test_log_count (), ==, 1);
}

typedef struct
{
  GMutex gate;
  int n_logged; /* (atomic) */
  int n_freed;  /* (atomic) bodies */
} Bounds;

/* Called in the thread that writes, which gets no further while the gate is closed. */
static void
wait_at_gate (const char *domain G_GNUC_UNUSED,
              GLogLevelFlags level G_GNUC_UNUSED,
              const char *message G_GNUC_UNUSED,
              gpointer data)
{
  Bounds *bounds = data;

  g_atomic_int_inc (&bounds->n_logged);
  g_mutex_lock (&bounds->gate);
  g_mutex_unlock (&bounds->gate);
}

static gboolean
has_logged (gpointer data)
{
  return g_atomic_int_get (&((Bounds *) data)->n_logged) > 0;
}

static void
count_freed (gpointer data)
{
  g_atomic_int_inc (&((Bounds *) data)->n_freed);
}

/* What is in hand is bounded: what the disk cannot take in time is lost, and said. A single large one
 * is taken. */
static void
test_bounded (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const gsize size = 20 * 1024 * 1024;
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1, fixture->counters);
  g_autofree char *text = g_strnfill (size, 'x');
  Bounds bounds = { .n_logged = 0 };
  guint handler;

  g_mutex_init (&bounds.gate);
  g_mutex_lock (&bounds.gate);
  handler = g_log_set_handler ("Lsobs", G_LOG_LEVEL_MESSAGE, wait_at_gate, &bounds);
  /* each shares the bytes of the first; none fits the budget, so that the disk is left alone */
  for (guint i = 0; i < 1000; i++)
    {
      g_autoptr (GBytes) body = g_bytes_new_with_free_func (text, size, count_freed, &bounds);

      _lsobs_spool_writer_push (writer,
                                _lsobs_failed_trace_new ("runs/multipart", TYPE, NULL, body), 1,
                                NULL, NULL);
      if (i == 0)
        g_assert_true (test_wait_until (has_logged, &bounds, TEST_TIMEOUT_MS));
    }
  /* the first has left, and there is room for three */
  g_assert_cmpint (g_atomic_int_get (&bounds.n_freed), ==, 1000 - 3);
  g_assert_false (_lsobs_spool_writer_wait_room (writer, g_get_monotonic_time () + 1000));
  g_mutex_unlock (&bounds.gate);
  g_assert_true (_lsobs_spool_writer_wait_room (writer, get_deadline ()));
  g_assert_true (_lsobs_spool_writer_wait (writer, get_deadline ()));
  g_assert_cmpint (g_atomic_int_get (&bounds.n_freed), ==, 1000);
  g_assert_cmpuint (get_written (fixture), ==, 0);
  g_assert_cmpint (g_atomic_int_get (&bounds.n_logged), ==, 1);
  g_log_remove_handler ("Lsobs", handler);
  g_mutex_clear (&bounds.gate);
}

static gboolean
has_room_now (gpointer data)
{
  return _lsobs_spool_writer_wait_room (data, 0);
}

/* Who asks for room without waiting gets it, too, when there could be no thread at first. */
static void
test_no_thread (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const gsize size = 40 * 1024 * 1024;
  g_autoptr (LsobsSpoolWriter) writer =
      _lsobs_spool_writer_new (fixture->path, 1, fixture->counters);
  GBytes *body = g_bytes_new_take (g_strnfill (size, 'x'), size);

  if (!test_forbid_threads (TRUE))
    {
      g_bytes_unref (body);
      g_test_skip ("this C library does not tell how");
      return;
    }
  _lsobs_spool_writer_push (writer, _lsobs_failed_trace_new ("runs/multipart", TYPE, NULL, body), 1,
                            NULL, NULL);
  g_bytes_unref (body);
  g_assert_false (has_room_now (writer));
  test_forbid_threads (FALSE);
  g_assert_true (test_wait_until (has_room_now, writer, TEST_TIMEOUT_MS));
  g_assert_true (_lsobs_spool_writer_wait (writer, get_deadline ()));
}

#define ADD(path, test) g_test_add (path, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/failed-traces/files", test_files);
  ADD ("/failed-traces/existing", test_existing);
  ADD ("/failed-traces/again", test_again);
  ADD ("/failed-traces/early-free", test_early_free);
  ADD ("/failed-traces/budget/some", test_budget);
  ADD ("/failed-traces/budget/one", test_budget_of_one);
  ADD ("/failed-traces/budget/others", test_budget_of_others);
  ADD ("/failed-traces/no-directory", test_no_directory);
  ADD ("/failed-traces/budget/unfinished", test_unfinished);
  ADD ("/failed-traces/vanished", test_vanished);
  ADD ("/failed-traces/full", test_full);
  ADD ("/failed-traces/told-once", test_told_once);
  ADD ("/failed-traces/dangling-link", test_dangling_link);
  ADD ("/failed-traces/read-only", test_read_only);
  ADD ("/failed-traces/pipe", test_pipe);
  ADD ("/failed-traces/deadline", test_deadline);
  ADD ("/failed-traces/bounded", test_bounded);
  ADD ("/failed-traces/no-thread", test_no_thread);

  return g_test_run ();
}
