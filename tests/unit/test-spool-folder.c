/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The folder of a spool: its ledger, its limits, its locks, and processes that die. */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include <glib/gstdio.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/spool/lsobs-spool-folder-private.h"

#include "tests/lib/failed-traces-helpers.h"

#define TAG   "0a1b2c3d"
#define OTHER "ffffffff"

#define HOUR (3600 * (gint64) G_USEC_PER_SEC)
#define DAY  (24 * HOUR)

/* 2026-06-01 */
#define NOW (G_GINT64_CONSTANT (1780272000) * G_USEC_PER_SEC)

/* The clocks of a machine, in µs. */
static gint64 wall_time;
static gint64 boot_time;

static gint64
get_wall_time (void)
{
  return wall_time;
}

static gint64
get_boot_time (void)
{
  return boot_time;
}

/* Time passes. */
static void
pass (gint64 time)
{
  wall_time += time;
  boot_time += time;
}

static LsobsClockSource system_clocks;

typedef struct
{
  char *base; /* (owned) a directory of one's own */
  char *path; /* (owned) in it, and not there yet */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->base = failed_traces_make_dir ();
  fixture->path = g_build_filename (fixture->base, "state", "spool", NULL);
}

static void
set_up_clock (Fixture *fixture, gconstpointer data)
{
  set_up (fixture, data);
  wall_time = NOW;
  boot_time = HOUR;
  _lsobs_clock_source = (LsobsClockSource){ get_wall_time, get_boot_time };
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  failed_traces_remove_dir (fixture->base);
  g_free (fixture->base);
  g_free (fixture->path);
}

static void
tear_down_clock (Fixture *fixture, gconstpointer data)
{
  _lsobs_clock_source = system_clocks;
  tear_down (fixture, data);
}

/* @limits: 0 is none */
static LsobsSpoolFolder *
new_folder (Fixture *fixture, LsobsSpoolLimits limits)
{
  limits.is_private = TRUE;
  if (limits.max_bytes == 0)
    limits.max_bytes = G_MAXINT64;
  if (limits.max_files == 0)
    limits.max_files = G_MAXUINT64;
  if (limits.max_age == 0)
    limits.max_age = G_MAXINT64;
  return _lsobs_spool_folder_new (fixture->path, &limits);
}

static LsobsFailedTrace *
new_trace (gsize n_bytes)
{
  g_autoptr (GBytes) body = g_bytes_new_take (g_strnfill (n_bytes, 'x'), n_bytes);

  return _lsobs_failed_trace_new ("runs/batch", "application/json", NULL, body);
}

/* Returns: 0 or errno */
static int
add (LsobsSpoolFolder *folder, const char *tag, gsize n_bytes)
{
  g_autoptr (LsobsFailedTrace) trace = new_trace (n_bytes);

  return _lsobs_spool_folder_add (folder, trace, tag, 7);
}

static gsize
get_size (gsize n_bytes)
{
  g_autoptr (LsobsFailedTrace) trace = new_trace (n_bytes);

  return _lsobs_failed_trace_measure (trace);
}

static GPtrArray *
list (LsobsSpoolFolder *folder, const char *tag)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  g_assert_cmpint (_lsobs_spool_folder_list (folder, tag, NULL, names), ==, 0);
  return names;
}

static guint
count_files (Fixture *fixture)
{
  g_autoptr (GPtrArray) names = failed_traces_list (fixture->path);

  return names->len;
}

static void
assert_mode (const char *path, guint mode)
{
  GStatBuf info;

  g_assert_cmpint (g_lstat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, mode);
}

/* Files are for this user alone, in the order in which they were added, and are told apart by the
 * tag. */
static void
test_files (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autofree char *state = g_build_filename (fixture->path, ".lsobs", NULL);
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GPtrArray) all = NULL;
  gint64 last = 0;

  for (guint i = 0; i < 50; i++)
    g_assert_cmpint (add (folder, i % 2 == 0 ? TAG : OTHER, i + 1), ==, 0);
  assert_mode (fixture->path, 0700);
  assert_mode (state, 0700);
  names = list (folder, TAG);
  g_assert_cmpuint (names->len, ==, 25);
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autofree char *path = g_build_filename (fixture->path, name, NULL);
      g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
      g_autoptr (LsobsFailedTrace) trace = NULL;
      gint64 time;
      guint n_records;

      g_assert_true (_lsobs_failed_trace_parse_name (name, TAG, &time, &n_records));
      g_assert_cmpint (time, >, last);
      g_assert_cmpuint (n_records, ==, 7);
      last = time;
      assert_mode (path, 0600);
      g_assert_cmpint (_lsobs_spool_folder_read (folder, name, 100000, &text), ==, 0);
      trace = _lsobs_failed_trace_parse (text.data, text.len, NULL);
      g_assert_cmpuint (g_bytes_get_size (trace->body), ==, 2 * i + 1);
      g_assert_cmpint (_lsobs_spool_folder_remove (folder, name), ==, 0);
      g_assert_cmpint (_lsobs_spool_folder_remove (folder, name), ==, ENOENT);
    }
  all = list (folder, NULL);
  g_assert_cmpuint (all->len, ==, 25);
}

/* A directory that others can write to is not used, and stays as it is. */
static void
assert_not_used (LsobsSpoolFolder *folder, const char *path)
{
  static const guint modes[] = { 0777, 0770, 0702, 01755, 01777 };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_assert_cmpint (g_chmod (path, (int) modes[i]), ==, 0);
      g_assert_cmpint (add (folder, TAG, 10), ==, EPERM);
      assert_mode (path, modes[i]);
    }
  g_assert_cmpint (g_chmod (path, 0700), ==, 0);
  /* nor is that of another user */
  if (geteuid () == 0)
    {
      g_assert_cmpint (chown (path, 1, 1), ==, 0);
      g_assert_cmpint (add (folder, TAG, 10), ==, EPERM);
      g_assert_cmpint (chown (path, 0, 0), ==, 0);
    }
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
}

static void
test_open_folder (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autofree char *state = g_build_filename (fixture->path, ".lsobs", NULL);

  g_assert_cmpint (g_mkdir_with_parents (fixture->path, 0700), ==, 0);
  assert_not_used (folder, fixture->path);
  assert_not_used (folder, state);
}

static void
test_names (void)
{
  static const char *const bad[] = {
    "trace_1.000000_0a1b2c3d.json",
    "trace_1.000000_0a1b2c3d00000000.json",
    "trace_1.000000_0a1b2c3d00000000.x.json",
    "trace_1.000000_0a1b2c3d0000000g.1.json",
    "trace_x.000000_0a1b2c3d00000000.1.json",
    "trace_1.9000000_0a1b2c3d00000000.1.json",
    "trace_99999999999999999.000000_0a1b2c3d00000000.1.json",
    "trace_1.000000_0a1b2c3d00000000.99999999999.json",
    "trace_1.000000_0a1b2c3d00000000.1.json.bak",
  };
  g_autofree char *name = _lsobs_failed_trace_make_name (1772357415250000, TAG, 42);
  gint64 time;
  guint n_records;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (_lsobs_failed_trace_parse_name (bad[i], NULL, &time, &n_records));
  g_assert_true (_lsobs_failed_trace_parse_name (name, TAG, &time, &n_records));
  g_assert_cmpint (time, ==, 1772357415250000);
  g_assert_cmpuint (n_records, ==, 42);
  g_assert_false (_lsobs_failed_trace_parse_name (name, OTHER, &time, &n_records));
}

/* --- limits --- */

static void
test_limits (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gsize size = get_size (1000);
  g_autoptr (LsobsSpoolFolder) bytes =
      new_folder (fixture, (LsobsSpoolLimits){ .max_bytes = 3 * size });
  g_autoptr (LsobsSpoolFolder) files = new_folder (fixture, (LsobsSpoolLimits){ .max_files = 4 });
  g_autoptr (GPtrArray) names = NULL;

  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (add (bytes, TAG, 1000), ==, 0);
  g_assert_cmpint (add (bytes, TAG, 1), ==, EDQUOT);
  g_assert_cmpint (add (files, TAG, 1000), ==, 0);
  g_assert_cmpint (add (files, TAG, 1), ==, EDQUOT);
  g_assert_cmpuint (count_files (fixture), ==, 4);
  names = list (bytes, TAG);
  g_assert_cmpint (_lsobs_spool_folder_remove (bytes, g_ptr_array_index (names, 0)), ==, 0);
  g_assert_cmpint (add (files, TAG, 1), ==, 0);
  /* somebody else makes room, which a full folder is read for */
  for (guint i = 1; i < 4; i++)
    failed_traces_remove (fixture->path, g_ptr_array_index (names, i));
  g_assert_cmpint (add (bytes, TAG, 1000), ==, 0);
  g_assert_cmpint (add (bytes, TAG, 1000), ==, 0);
  g_assert_cmpint (add (bytes, TAG, 1000), ==, EDQUOT);
}

/* What is too old goes when something is added, or listed. */
static void
test_age (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char old[] = "trace_1780272000.000000_" TAG "00000000.5.json";
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ .max_age = HOUR });
  g_autoptr (GPtrArray) names = NULL;

  g_assert_cmpint (add (folder, OTHER, 10), ==, 0);
  pass (HOUR + 1);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (folder->n_expired, ==, 7);
  folder->n_expired = 0;
  failed_traces_write (fixture->path, old, "{}");
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (folder->n_expired, ==, 5);
  g_assert_cmpuint (count_files (fixture), ==, 2);
  failed_traces_write (fixture->path, old, "{}");
  /* these are of nobody that is known */
  failed_traces_write (fixture->path, "trace_1780272000.000000_" TAG ".json", "{}");
  names = list (folder, TAG);
  g_assert_cmpuint (names->len, ==, 2);
  g_assert_cmpuint (folder->n_expired, ==, 10);
  g_assert_cmpuint (count_files (fixture), ==, 3);
}

/* What is being sent does not expire meanwhile. */
static void
test_age_locked (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ .max_age = HOUR });
  g_autoptr (GPtrArray) names = NULL;
  LsobsFileLock lock = LSOBS_FILE_LOCK_INIT;

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  names = list (folder, TAG);
  g_assert_cmpint (_lsobs_spool_folder_lock_file (folder, g_ptr_array_index (names, 0), &lock), ==,
                   0);
  pass (HOUR + 2);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (folder->n_expired, ==, 7);
  g_assert_cmpuint (count_files (fixture), ==, 2);
  _lsobs_file_lock_release (&lock);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (folder->n_expired, ==, 14);
  g_assert_cmpuint (count_files (fixture), ==, 2);
}

/* A file that may only be read is locked, too. */
static void
test_lock_read_only (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *path = NULL;
  LsobsFileLock first = LSOBS_FILE_LOCK_INIT;
  LsobsFileLock second = LSOBS_FILE_LOCK_INIT;

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  names = list (folder, TAG);
  path = g_build_filename (fixture->path, g_ptr_array_index (names, 0), NULL);
  g_assert_cmpint (g_chmod (path, 0400), ==, 0);
  g_assert_cmpint (_lsobs_spool_folder_lock_file (folder, names->pdata[0], &first), ==, 0);
  g_assert_cmpint (_lsobs_spool_folder_lock_file (folder, names->pdata[0], &second), ==,
                   EWOULDBLOCK);
  _lsobs_file_lock_release (&first);
}

/* A folder that may only be read keeps its files, and says so. */
static void
test_read_only (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autoptr (GPtrArray) names = NULL;

  if (geteuid () == 0)
    {
      g_test_skip ("the superuser may write everywhere");
      return;
    }
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  names = list (folder, TAG);
  g_assert_cmpint (g_chmod (fixture->path, 0500), ==, 0);
  g_assert_cmpint (_lsobs_spool_folder_remove (folder, names->pdata[0]), ==, EACCES);
  g_assert_cmpint (add (folder, TAG, 10), ==, EACCES);
  g_assert_cmpint (g_chmod (fixture->path, 0700), ==, 0);
  g_assert_cmpint (_lsobs_spool_folder_remove (folder, names->pdata[0]), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 1);
}

/* A machine without a clock that runs on begins in 1970, and its files do not become too old when it
 * gets the time. */
static void
test_no_clock (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ .max_age = DAY });
  g_autoptr (GPtrArray) names = NULL;

  for (guint i = 0; i < 3; i++)
    {
      wall_time = 0;
      boot_time = 0;
      pass (HOUR);
      g_assert_cmpint (add (folder, TAG, 10), ==, 0);
    }
  wall_time = NOW;
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 4);
  pass (DAY);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (folder->n_expired, ==, 0);
  /* From here on, the time is known. */
  pass (1);
  names = list (folder, TAG);
  g_assert_cmpuint (names->len, ==, 1);
  g_assert_cmpuint (folder->n_expired, ==, 4 * 7);
}

/* A clock that jumps ahead, in one boot or from one to the next, makes nothing too old, also if the
 * ledger is lost. */
static void
test_jump (Fixture *fixture, gconstpointer data)
{
  gint64 boot = GPOINTER_TO_INT (data) ? 0 : boot_time;
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ .max_age = DAY });
  g_autofree char *ledger = g_build_filename (fixture->path, ".lsobs", "ledger", NULL);

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  wall_time += 100 * DAY;
  boot_time = boot;
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 2);
  /* and back: what was added meanwhile stays */
  wall_time -= 100 * DAY;
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  pass (2 * HOUR);
  g_assert_cmpint (g_unlink (ledger), ==, 0);
  wall_time += 100 * DAY;
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 4);
  pass (DAY + 1);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 1);
}

/* A machine that is off at night ages its files. */
static void
test_boots (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder =
      new_folder (fixture, (LsobsSpoolLimits){ .max_age = 7 * DAY });

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  for (guint i = 0; i < 8; i++)
    {
      g_autoptr (GPtrArray) names = list (folder, TAG);

      g_assert_cmpuint (names->len, ==, i < 7 ? 1 : 0);
      pass (HOUR);
      wall_time += DAY - HOUR + 1;
      boot_time = HOUR;
    }
}

/* Files keep their order, whatever the clock says, and whichever process adds them. */
static void
test_order (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const gint64 times[] = { NOW, NOW - DAY, 0, NOW + DAY, 5, NOW };
  g_autoptr (GPtrArray) names = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      g_autoptr (LsobsSpoolFolder) folder =
          new_folder (fixture, (LsobsSpoolLimits){ .max_age = DAY });

      wall_time = times[i];
      g_assert_cmpint (add (folder, TAG, i + 1), ==, 0);
      if (names == NULL)
        {
          names = list (folder, TAG);
        }
      else
        {
          g_autoptr (GPtrArray) now = list (folder, TAG);

          g_assert_cmpuint (now->len, ==, i + 1);
          for (guint k = 0; k < i; k++)
            g_assert_cmpstr (g_ptr_array_index (now, k), ==, g_ptr_array_index (names, k));
          g_ptr_array_add (names, g_strdup (g_ptr_array_index (now, i)));
        }
      /* by the number of its digits, too */
      g_assert_cmpint (_lsobs_spool_folder_compare ("trace_5.000000_" TAG "00000000.1.json",
                                                    g_ptr_array_index (names, 0), TRUE),
                       <, 0);
    }
}

/* A ledger that is nonsense is made anew. */
static void
test_nonsense (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ .max_age = DAY });
  g_autofree char *path = g_build_filename (fixture->path, ".lsobs", "ledger", NULL);
  LsobsSpoolLedger ledger;

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  for (gsize at = 2 * sizeof (guint64); at < sizeof ledger; at += sizeof (gint64))
    for (guint i = 0; i < 3; i++)
      {
        const gint64 values[] = { G_MAXINT64, G_MININT64, -1 };
        g_autofree char *text = NULL;
        int fd = g_open (path, O_RDWR, 0);
        guint n_files = count_files (fixture);

        g_assert_cmpint (pwrite (fd, &values[i], sizeof values[i], (off_t) at), ==,
                         sizeof values[i]);
        close (fd);
        failed_traces_write (fixture->path, "trace_99.000000_" OTHER "00000000.1.json", "");
        g_assert_cmpint (add (folder, TAG, 10), ==, 0);
        g_assert_cmpuint (count_files (fixture), ==, n_files + 1 + (n_files == 1));
        g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
        memcpy (&ledger, text, sizeof ledger);
        g_assert_cmpuint (ledger.n_files, ==, n_files + 1 + (n_files == 1));
        g_assert_cmpint (ledger.last_time, <, NOW + HOUR);
        g_assert_cmpint (ledger.trusted_from, <=, NOW);
      }
}

/* A file that was young when it was added becomes old without any change of the folder. */
static void
test_ageing (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ .max_age = 2 });
  g_autoptr (LsobsSpoolFolder) patient =
      new_folder (fixture, (LsobsSpoolLimits){ .max_age = HOUR });
  g_autoptr (GPtrArray) names = NULL;

  g_assert_cmpint (add (patient, TAG, 10), ==, 0);
  names = list (patient, TAG);
  g_assert_cmpuint (names->len, ==, 1);
  g_ptr_array_set_size (names, 0);
  g_assert_cmpint (_lsobs_spool_folder_list (folder, TAG, NULL, names), ==, 0);
  g_assert_cmpuint (names->len, ==, 0);
  g_assert_cmpuint (folder->n_expired, ==, 7);
}

/* The folder is not read for each file. What stands in the ledger counts, until the folder has
 * changed. */
static void
test_ledger (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ .max_files = 3 });
  g_autofree char *ledger = g_build_filename (fixture->path, ".lsobs", "ledger", NULL);
  guint64 values[6]; /* as in lsobs-spool-folder.c */
  int fd;

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  fd = g_open (ledger, O_RDWR, 0);
  g_assert_cmpint (pread (fd, values, sizeof values, 0), ==, sizeof values);
  g_assert_cmpuint (values[1], ==, 0);
  g_assert_cmpuint (values[2], ==, 1);
  g_assert_cmpuint (values[3], ==, get_size (10));
  values[2] = 3;
  g_assert_cmpint (pwrite (fd, values, sizeof values, 0), ==, sizeof values);
  folder->measured_at = g_get_monotonic_time ();
  g_assert_cmpint (add (folder, TAG, 10), ==, EDQUOT);
  /* as after the death of a process inside a step */
  values[1] = 1;
  g_assert_cmpint (pwrite (fd, values, sizeof values, 0), ==, sizeof values);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  /* and as after a power cut */
  g_assert_cmpint (ftruncate (fd, 20), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), ==, EDQUOT);
  close (fd);
}

/* --- several processes --- */

typedef struct
{
  Fixture *fixture; /* (unowned) */
  guint n_added;
} Adder;

static gpointer
add_until_full (gpointer data)
{
  Adder *adder = data;
  g_autoptr (LsobsSpoolFolder) folder =
      new_folder (adder->fixture, (LsobsSpoolLimits){ .max_files = 60 });

  while (add (folder, TAG, 100) == 0)
    adder->n_added++;
  return NULL;
}

/* Two processes, and two threads in each, never add more than the limit, and reach it. */
static void
test_exact (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Adder adders[2] = { { fixture, 0 }, { fixture, 0 } };
  pid_t children[2];
  GThread *threads[2];

  for (guint i = 0; i < 2; i++)
    {
      children[i] = fork ();
      if (children[i] == 0)
        {
          add_until_full (&adders[i]);
          _exit (0);
        }
    }
  for (guint i = 0; i < 2; i++)
    threads[i] = g_thread_new ("adder", add_until_full, &adders[i]);
  for (guint i = 0; i < 2; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < 2; i++)
    g_assert_cmpint (waitpid (children[i], NULL, 0), ==, children[i]);
  g_assert_cmpuint (count_files (fixture), ==, 60);
}

/* Killed at any moment, a process leaves whole files, and nothing that counts. */
static void
test_killed (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n_rounds = 60;
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autofree char *state = g_build_filename (fixture->path, ".lsobs", NULL);
  g_autofree char *ledger = g_build_filename (state, "ledger", NULL);
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *text = NULL;
  guint64 n_bytes = 0;

  for (guint i = 0; i < n_rounds; i++)
    {
      int told[2];
      char byte;
      pid_t child;

      g_assert_cmpint (pipe (told), ==, 0);
      child = fork ();
      if (child == 0)
        {
          for (guint k = 0;; k++)
            if (add (folder, TAG, 1 + k * 37 % 20000) == 0)
              (void) !write (told[1], "x", 1);
        }
      close (told[1]);
      /* It goes on meanwhile, wherever it is. */
      for (int k = g_test_rand_int_range (1, 20); k > 0; k--)
        g_assert_cmpint (read (told[0], &byte, 1), ==, 1);
      kill (child, SIGKILL);
      close (told[0]);
      g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
    }
  /* as if all of them had been left long ago */
  names = list (folder, NULL);
  g_assert_cmpuint (names->len, >=, n_rounds);
  for (guint i = 0; i < names->len; i++)
    {
      g_auto (LsobsBuffer) contents = LSOBS_BUFFER_INIT;
      g_autoptr (LsobsFailedTrace) trace = NULL;

      g_assert_cmpint (_lsobs_spool_folder_read (folder, g_ptr_array_index (names, i), 1000000,
                                                 &contents),
                       ==, 0);
      n_bytes += contents.len;
      trace = _lsobs_failed_trace_parse (contents.data, contents.len, NULL);
      g_assert_nonnull (trace);
    }
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  n_bytes += get_size (10);
  g_assert_true (g_file_get_contents (ledger, &text, NULL, NULL));
  g_assert_cmpuint (((guint64 *) (void *) text)[2], ==, names->len + 1);
  g_assert_cmpuint (((guint64 *) (void *) text)[3], ==, n_bytes);
}

static void
set_age (const char *path, time_t seconds)
{
  time_t then = time (NULL) - seconds;
  struct utimbuf times = { then, then };

  g_assert_cmpint (g_utime (path, &times), ==, 0);
}

/* An unfinished file goes when its writer has died, and stays while it is locked. */
static void
test_litter (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char dead[] = "trace_1.000000_0a1b2c3d00000000.1.json";
  static const char alive[] = "trace_2.000000_0a1b2c3d00000000.1.json";
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autofree char *state = g_build_filename (fixture->path, ".lsobs", NULL);
  g_autofree char *dead_path = g_build_filename (state, dead, NULL);
  g_autofree char *alive_path = g_build_filename (state, alive, NULL);
  LsobsFileLock lock = LSOBS_FILE_LOCK_INIT;
  int dir;

  g_assert_cmpint (g_mkdir_with_parents (state, 0700), ==, 0);
  failed_traces_write (state, dead, "{");
  dir = g_open (state, O_RDONLY | O_DIRECTORY, 0);
  g_assert_true (_lsobs_file_lock_acquire (&lock, dir, alive, LSOBS_FILE_LOCK_FRESH));
  close (dir);
  set_age (dead_path, 100);
  set_age (alive_path, 100);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_false (g_file_test (dead_path, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (alive_path, G_FILE_TEST_EXISTS));
  _lsobs_file_lock_release (&lock);
}

/* A lock is that of one process, and ends with it, even if a child lives on. */
static void
test_lock (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  LsobsFileLock first = LSOBS_FILE_LOCK_INIT;
  LsobsFileLock second = LSOBS_FILE_LOCK_INIT;
  int ready[2];
  int leave[2];
  char byte;
  pid_t parent;

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpint (pipe (ready), ==, 0);
  g_assert_cmpint (pipe (leave), ==, 0);
  parent = fork ();
  if (parent == 0)
    {
      if (_lsobs_spool_folder_lock (folder, "drain", &first) != 0 || fork () < 0)
        _exit (1);
      /* Both the process with the lock and its child get here. */
      (void) !write (ready[1], "x", 1);
      close (leave[1]);
      (void) !read (leave[0], &byte, 1);
      _exit (0);
    }
  close (leave[0]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  g_assert_cmpint (_lsobs_spool_folder_lock (folder, "drain", &second), ==, EWOULDBLOCK);
  kill (parent, SIGKILL);
  g_assert_cmpint (waitpid (parent, NULL, 0), ==, parent);
  g_assert_cmpint (_lsobs_spool_folder_lock (folder, "drain", &second), ==, 0);
  g_assert_cmpint (_lsobs_spool_folder_lock (folder, "drain", &first), ==, EWOULDBLOCK);
  _lsobs_file_lock_release (&second);
  g_assert_cmpint (_lsobs_spool_folder_lock (folder, "drain", &first), ==, 0);
  _lsobs_file_lock_release (&first);
  close (leave[1]);
  close (ready[0]);
  close (ready[1]);
}

/* A lock that is never released is not waited for without end: what is added is lost then, and what
 * was sent is removed all the same. */
static void
test_lock_held (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autoptr (GPtrArray) names = NULL;
  LsobsFileLock lock = LSOBS_FILE_LOCK_INIT;

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  names = list (folder, TAG);
  g_assert_cmpint (_lsobs_spool_folder_lock (folder, "ledger", &lock), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), ==, ETIMEDOUT);
  g_assert_cmpint (_lsobs_spool_folder_remove (folder, g_ptr_array_index (names, 0)), ==, 0);
  _lsobs_file_lock_release (&lock);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 1);
}

/* --- links, and disks that do not want --- */

static void
test_links (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autofree char *parent = g_path_get_dirname (fixture->path);
  g_autofree char *target = g_build_filename (fixture->base, "elsewhere", NULL);
  g_autofree char *state = g_build_filename (fixture->path, ".lsobs", NULL);
  g_autofree char *ledger = g_build_filename (state, "ledger", NULL);
  g_autofree char *link =
      g_build_filename (fixture->path, "trace_1.000000_" TAG "00000000.1.json", NULL);
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  /* the folder */
  g_assert_cmpint (g_mkdir (parent, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (target, 0700), ==, 0);
  g_assert_cmpint (symlink (target, fixture->path), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), !=, 0);
  g_assert_cmpint (g_unlink (fixture->path), ==, 0);
  /* the subfolder */
  g_assert_cmpint (g_mkdir (fixture->path, 0700), ==, 0);
  g_assert_cmpint (symlink (target, state), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), !=, 0);
  g_assert_cmpint (g_unlink (state), ==, 0);
  /* the ledger */
  g_assert_cmpint (g_mkdir (state, 0700), ==, 0);
  failed_traces_write (target, "ledger", "precious");
  {
    g_autofree char *precious = g_build_filename (target, "ledger", NULL);

    g_assert_cmpint (symlink (precious, ledger), ==, 0);
    g_assert_cmpint (add (folder, TAG, 10), !=, 0);
    failed_traces_assert_size (precious, 8);
    /* a file */
    g_assert_cmpint (symlink (precious, link), ==, 0);
    g_assert_cmpint (_lsobs_spool_folder_read (folder, strrchr (link, '/') + 1, 100, &text), !=, 0);
  }
  g_assert_cmpuint (failed_traces_count_entries (target), ==, 1);
}

/* Lists files, and removes one, while no file can grow, as on a full disk.
 * Returns: 0 or errno */
static int
remove_on_full_disk (LsobsSpoolFolder *folder, const char *name)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  struct rlimit before;
  struct rlimit limit;
  int problem;

  fflush (NULL);
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  limit = before;
  limit.rlim_cur = 0;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  problem = _lsobs_spool_folder_list (folder, TAG, NULL, names);
  if (problem == 0)
    problem = _lsobs_spool_folder_remove (folder, name);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  signal (SIGXFSZ, SIG_DFL);
  g_assert_cmpuint (names->len, >=, 1);
  return problem;
}

/* A disk that is full, so that the ledger cannot be written, gets room again. */
static void
test_full_remove (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder =
      new_folder (fixture, (LsobsSpoolLimits){ .max_files = 2, .max_age = HOUR });
  g_autoptr (GPtrArray) names = NULL;

  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  names = list (folder, TAG);
  for (guint i = 0; i < names->len; i++)
    g_assert_cmpint (remove_on_full_disk (folder, g_ptr_array_index (names, i)), ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 0);
  /* The ledger is made true. */
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), ==, 0);
  g_assert_cmpint (add (folder, TAG, 10), ==, EDQUOT);
}

/* A folder without a ledger file is not read for each file that is removed. */
static void
test_remove_others (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const LsobsSpoolLimits limits = { G_MAXINT64, G_MAXUINT64, G_MAXINT64, FALSE };
  g_autoptr (LsobsSpoolFolder) adder = _lsobs_spool_folder_new (fixture->path, &limits);
  g_autoptr (LsobsSpoolFolder) remover = _lsobs_spool_folder_new (fixture->path, &limits);
  g_autoptr (GPtrArray) names = NULL;

  for (guint i = 0; i < 5; i++)
    g_assert_cmpint (add (adder, NULL, 10), ==, 0);
  names = list (remover, NULL);
  g_assert_cmpuint (names->len, ==, 5);
  for (guint i = 0; i < names->len; i++)
    g_assert_cmpint (_lsobs_spool_folder_remove (remover, g_ptr_array_index (names, i)), ==, 0);
  g_assert_cmpint (remover->measured_at, ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 0);
}

static void
test_full (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ 0 });
  g_autofree char *state = g_build_filename (fixture->path, ".lsobs", NULL);
  struct rlimit before;
  struct rlimit limit;
  int problem;

  /* For the kernel, a file that may not grow is a disk that is full. Nothing is told meanwhile: it
   * may be a file that this is written to. */
  fflush (NULL);
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  limit = before;
  limit.rlim_cur = 10000;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  problem = add (folder, TAG, 20000);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  signal (SIGXFSZ, SIG_DFL);
  g_assert_cmpint (problem, ==, EFBIG);
  g_assert_cmpuint (count_files (fixture), ==, 0);
  /* the ledger alone */
  g_assert_cmpuint (failed_traces_count_entries (state), ==, 1);
  g_assert_cmpint (add (folder, TAG, 20000), ==, 0);
}

static void
test_vanished (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsSpoolFolder) folder = new_folder (fixture, (LsobsSpoolLimits){ .max_files = 2 });
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  g_assert_cmpint (_lsobs_spool_folder_list (folder, TAG, NULL, names), ==, ENOENT);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_cmpint (add (folder, TAG, 10), ==, 0);
      g_assert_cmpint (add (folder, TAG, 10), ==, 0);
      failed_traces_remove_dir (fixture->base);
    }
}

#define ADD(path, test) g_test_add (path, Fixture, NULL, set_up, test, tear_down)
#define ADD_CLOCK(path, data, test) \
 g_test_add (path, Fixture, data, set_up_clock, test, tear_down_clock)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  system_clocks = _lsobs_clock_source;

  g_test_add_func ("/spool-folder/names", test_names);
  ADD ("/spool-folder/files", test_files);
  ADD ("/spool-folder/open", test_open_folder);
  ADD ("/spool-folder/limits", test_limits);
  ADD_CLOCK ("/spool-folder/age", NULL, test_age);
  ADD_CLOCK ("/spool-folder/age/locked", NULL, test_age_locked);
  ADD_CLOCK ("/spool-folder/clock/none", NULL, test_no_clock);
  ADD_CLOCK ("/spool-folder/clock/jump", GINT_TO_POINTER (FALSE), test_jump);
  ADD_CLOCK ("/spool-folder/clock/jump/boot", GINT_TO_POINTER (TRUE), test_jump);
  ADD_CLOCK ("/spool-folder/clock/boots", NULL, test_boots);
  ADD_CLOCK ("/spool-folder/clock/order", NULL, test_order);
  ADD_CLOCK ("/spool-folder/nonsense", NULL, test_nonsense);
  ADD ("/spool-folder/ageing", test_ageing);
  ADD ("/spool-folder/ledger", test_ledger);
  ADD ("/spool-folder/exact", test_exact);
  ADD ("/spool-folder/killed", test_killed);
  ADD ("/spool-folder/litter", test_litter);
  ADD ("/spool-folder/lock", test_lock);
  ADD ("/spool-folder/lock/held", test_lock_held);
  ADD ("/spool-folder/lock/read-only", test_lock_read_only);
  ADD ("/spool-folder/read-only", test_read_only);
  ADD ("/spool-folder/links", test_links);
  ADD ("/spool-folder/full", test_full);
  ADD ("/spool-folder/full/remove", test_full_remove);
  ADD ("/spool-folder/remove-others", test_remove_others);
  ADD ("/spool-folder/vanished", test_vanished);

  return g_test_run ();
}
