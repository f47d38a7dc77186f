/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ids, stamps and dotted orders: rows of values and what they must be, so the file is long. */

#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-run-info-private.h"

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define T "019ca8bb-f72e-7c32-ae50-7d9f41b2c3e6"

/* 2026-03-01T09:30:15.250Z, when R began */
#define R_TIME G_GINT64_CONSTANT (1772357415250000)

#define R_SEGMENT "20260301T093015250000Z" R
#define L_SEGMENT "20260301T093015262000Z" L
#define T_SEGMENT "20260301T093016750000Z" T

static char *
write_id (const LsobsId *id)
{
  char text[LSOBS_UUID_LEN + 1] = "";

  _lsobs_id_write (id, text);
  return g_strdup (text);
}

static void
assert_stamp (gint64 time_us, const char *expected)
{
  const LsobsSegment segment = { .start_time = time_us };
  char text[LSOBS_SEGMENT_LEN + 2];

  memset (text, '#', sizeof text);
  _lsobs_segment_write (&segment, text);
  g_assert_cmpint (text[LSOBS_SEGMENT_LEN], ==, '#');
  text[LSOBS_STAMP_LEN] = '\0';
  g_assert_cmpstr (text, ==, expected);
}

static void
assert_iso (gint64 time_us, const char *expected)
{
  char text[LSOBS_ISO_LEN + 2];

  memset (text, '#', sizeof text);
  _lsobs_time_write_iso (time_us, text);
  g_assert_cmpint (text[LSOBS_ISO_LEN], ==, '#');
  text[LSOBS_ISO_LEN] = '\0';
  g_assert_cmpstr (text, ==, expected);
}

/* Ids */

static void
test_version_7 (void)
{
  guint8 ones[16];
  guint8 zeros[16] = { 0 };

  memset (ones, 0xff, sizeof ones);
  for (guint i = 0; i < 1000; i++)
    {
      LsobsId id;
      gint64 time_ms = 0;

      _lsobs_id_make (&id, R_TIME + 999);
      g_assert_cmpint (id.bytes[6] >> 4, ==, 7);
      g_assert_cmpint (id.bytes[8] >> 6, ==, 2);
      g_assert_true (_lsobs_id_get_time (&id, &time_ms));
      g_assert_cmpint (time_ms, ==, R_TIME / 1000);
      for (guint j = 0; j < 16; j++)
        {
          ones[j] &= id.bytes[j];
          zeros[j] |= id.bytes[j];
        }
    }
  /* What stays the same are the time, the version and the variant; any other bit
   * is sometimes set and sometimes not. */
  for (guint j = 6; j < 16; j++)
    {
      guint8 fixed = j == 6 ? 0xf0 : j == 8 ? 0xc0 : 0;

      g_assert_cmphex (zeros[j] ^ ones[j], ==, (guint8) ~fixed);
    }
}

static void
test_time_vector (void)
{
  LsobsId id;
  g_autofree char *text = NULL;
  gint64 time_ms = 0;

  _lsobs_id_make (&id, R_TIME);
  memset (id.bytes + 9, 0, 7);
  id.bytes[8] &= 0xc0;
  id.bytes[7] = 0;
  id.bytes[6] &= 0xf0;
  text = write_id (&id);
  g_assert_cmpstr (text, ==, "019ca8bb-f152-7000-8000-000000000000");

  g_assert_true (_lsobs_id_parse (&id, R));
  g_assert_true (_lsobs_id_get_time (&id, &time_ms));
  g_assert_cmpint (time_ms, ==, 1772357415250);
}

static void
test_no_time (void)
{
  LsobsId id;
  gint64 time_ms = 42;

  g_assert_true (_lsobs_id_parse (&id, "11111111-2222-4333-8444-555555555555"));
  g_assert_false (_lsobs_id_get_time (&id, &time_ms));
  g_assert_cmpint (time_ms, ==, 42);
}

static void
test_round_trip (void)
{
  for (guint i = 0; i < 10000; i++)
    {
      LsobsId id, again;
      g_autofree char *text = NULL;
      g_autofree char *upper = NULL;

      _lsobs_id_make (&id, R_TIME + i * 1000);
      text = write_id (&id);
      g_assert_true (g_uuid_string_is_valid (text));
      g_assert_true (_lsobs_id_parse (&again, text));
      g_assert_true (_lsobs_id_equal (&id, &again));
      upper = g_ascii_strup (text, -1);
      g_assert_true (_lsobs_id_parse (&again, upper));
      g_assert_true (_lsobs_id_equal (&id, &again));
      again.bytes[i % 16] ^= 1;
      g_assert_false (_lsobs_id_equal (&id, &again));
    }
}

static const char *const bad_ids[] = {
  "",
  "0",
  "019ca8bb",
  "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c",
  "019ca8bbf1527a108c3e5b7d2f90a1c4",
  "019ca8bb_f152-7a10-8c3e-5b7d2f90a1c4",
  "019ca8bbf-152-7a10-8c3e-5b7d2f90a1c4",
  "{19ca8bb-f152-7a10-8c3e-5b7d2f90a1c4",
  "g19ca8bb-f152-7a10-8c3e-5b7d2f90a1c4",
  "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c-",
  " 19ca8bb-f152-7a10-8c3e-5b7d2f90a1c4",
  "019ca8bb-f152-7a10-8c3e-5b7d2f90a1\xc3\xa4",
};

static void
test_parse_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_ids); i++)
    {
      /* Exactly as long as it is: nothing behind it is looked at. */
      g_autofree char *copy = g_strdup (bad_ids[i]);
      LsobsId id;

      g_assert_false (_lsobs_id_parse (&id, copy));
    }
}

static guint
id_hash (gconstpointer key)
{
  guint hash;

  memcpy (&hash, ((const LsobsId *) key)->bytes + 11, sizeof hash);
  return hash;
}

static gboolean
id_equal (gconstpointer a, gconstpointer b)
{
  return _lsobs_id_equal (a, b);
}

#define N_UNIQUE  1000000
#define N_THREADS 4

static gpointer
make_ids (gpointer data)
{
  LsobsId *ids = data;

  for (guint i = 0; i < N_UNIQUE / N_THREADS; i++)
    _lsobs_id_make (&ids[i], R_TIME);
  return NULL;
}

/* All in the same millisecond, from several threads. */
static void
test_unique (void)
{
  g_autofree LsobsId *ids = g_new (LsobsId, N_UNIQUE);
  g_autoptr (GHashTable) seen = g_hash_table_new (id_hash, id_equal);
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("ids", make_ids, ids + i * (N_UNIQUE / N_THREADS));
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < N_UNIQUE; i++)
    g_assert_true (g_hash_table_add (seen, &ids[i]));
}

static void
test_token (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < 10000; i++)
    {
      char token[LSOBS_TOKEN_LEN + 2];

      memset (token, '#', sizeof token);
      _lsobs_id_make_token (token);
      g_assert_cmpuint (strlen (token), ==, LSOBS_TOKEN_LEN);
      g_assert_cmpuint (strspn (token, "0123456789abcdef"), ==, LSOBS_TOKEN_LEN);
      g_assert_cmpint (token[LSOBS_TOKEN_LEN + 1], ==, '#');
      g_assert_true (g_hash_table_add (seen, g_strdup (token)));
    }
}

/* Times */

typedef struct
{
  const char *stamp;
  gint64 time_us;
  const char *iso;
} TimeRow;

static const TimeRow time_rows[] = {
  { "20260301T093015250000Z", R_TIME, "2026-03-01T09:30:15.250000Z" },
  { "20261231T235959000000Z", G_GINT64_CONSTANT (1798761599000000), "2026-12-31T23:59:59.000000Z" },
  { "20260102T030405000007Z", G_GINT64_CONSTANT (1767323045000007), "2026-01-02T03:04:05.000007Z" },
  { "19700101T000000000000Z", 0, "1970-01-01T00:00:00.000000Z" },
  { "20000229T235959999999Z", G_GINT64_CONSTANT (951868799999999), "2000-02-29T23:59:59.999999Z" },
  { "20000301T000000000000Z", G_GINT64_CONSTANT (951868800000000), "2000-03-01T00:00:00.000000Z" },
  { "20240229T120000000000Z", G_GINT64_CONSTANT (1709208000000000), "2024-02-29T12:00:00.000000Z" },
  { "21000228T235959000000Z", G_GINT64_CONSTANT (4107542399000000), "2100-02-28T23:59:59.000000Z" },
  { "21000301T000000000000Z", G_GINT64_CONSTANT (4107542400000000), "2100-03-01T00:00:00.000000Z" },
  { "99991231T235959999999Z", G_GINT64_CONSTANT (253402300799999999),
    "9999-12-31T23:59:59.999999Z" },
};

static void
test_time (gconstpointer data)
{
  const TimeRow *row = data;
  g_autofree char *text = g_strconcat (row->stamp, R, NULL);
  LsobsSegment segment;
  gint64 time_us = -1;

  assert_stamp (row->time_us, row->stamp);
  assert_iso (row->time_us, row->iso);
  g_assert_true (_lsobs_segment_parse (&segment, text));
  g_assert_cmpint (segment.start_time, ==, row->time_us);
  g_assert_true (_lsobs_time_parse_iso (row->iso, &time_us));
  g_assert_cmpint (ABS (time_us - row->time_us), <=, 1);
}

/* What no run has; the form stays. */
static void
test_time_out_of_range (void)
{
  assert_stamp (-1, "19700101T000000000000Z");
  assert_stamp (G_MININT64, "19700101T000000000000Z");
  assert_stamp (G_MAXINT64, "99991231T235959999999Z");
  assert_iso (G_MAXINT64, "9999-12-31T23:59:59.999999Z");
}

static void
check_against_glib (gint64 seconds, guint usec)
{
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (seconds);
  g_autofree char *date_time = g_date_time_format (date, "%Y%m%dT%H%M%S");
  g_autofree char *iso_time = g_date_time_format (date, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *stamp = g_strdup_printf ("%s%06uZ", date_time, usec);
  g_autofree char *iso = g_strdup_printf ("%s.%06uZ", iso_time, usec);
  gint64 time_us = seconds * G_USEC_PER_SEC + usec;
  char text[LSOBS_SEGMENT_LEN + 1] = "";
  LsobsSegment segment, again;

  assert_stamp (time_us, stamp);
  assert_iso (time_us, iso);
  segment.start_time = time_us;
  _lsobs_id_make (&segment.id, time_us);
  _lsobs_segment_write (&segment, text);
  g_assert_true (_lsobs_segment_parse (&again, text));
  g_assert_cmpint (again.start_time, ==, time_us);
  g_assert_true (_lsobs_id_equal (&again.id, &segment.id));
}

/* Around each end of a month, through four hundred years and more. */
static void
test_time_ends (void)
{
  for (int year = 1970; year < 2420; year++)
    for (int month = 1; month <= 12; month++)
      {
        g_autoptr (GDateTime) date = g_date_time_new_utc (year, month, 1, 0, 0, 0);
        gint64 seconds = g_date_time_to_unix (date);

        check_against_glib (seconds, 0);
        if (seconds > 0)
          check_against_glib (seconds - 1, 999999);
      }
}

static void
test_time_random (void)
{
  for (guint i = 0; i < 20000; i++)
    {
      double upto = i % 2 == 0 ? 4102444800.0 : 253402300799.0;

      check_against_glib ((gint64) g_test_rand_double_range (0, upto),
                          (guint) g_test_rand_int_range (0, 1000000));
    }
}

static const char *const bad_isos[] = {
  "",
  "2026-03-01T09:30:15Z",
  "2026-03-01T09:30:15.25Z",
  "2026-03-01T09:30:15.250000",
  "2026-03-01T09:30:15.250000+00:00",
  "2026-13-01T09:30:15.250000Z",
  "2026-02-29T09:30:15.250000Z",
  "2026-03-01T24:30:15.250000Z",
  "2026-03-01T09:30:15.25000xZ",
  "2026-03-01T09:30:15,250000Z",
  "2026-03-01T09:30:15.2500000Z",
};

static void
test_iso_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_isos); i++)
    {
      gint64 time_us;

      g_assert_false (_lsobs_time_parse_iso (bad_isos[i], &time_us));
    }
}

#define N_STAMPS 200000

static gpointer
take_stamps (gpointer data)
{
  gint64 *stamps = data;

  for (guint i = 0; i < N_STAMPS; i++)
    stamps[i] = _lsobs_clock_stamp ();
  return NULL;
}

static int
compare_stamps (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a;
  gint64 y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

/* In each thread they rise, and no two in the process are the same. */
static void
test_clock (void)
{
  g_autofree gint64 *stamps = g_new (gint64, N_THREADS * N_STAMPS);
  GThread *threads[N_THREADS];
  gint64 before = g_get_real_time ();

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("stamps", take_stamps, stamps + i * N_STAMPS);
  for (guint i = 0; i < N_THREADS; i++)
    {
      g_thread_join (threads[i]);
      for (guint j = 1; j < N_STAMPS; j++)
        g_assert_cmpint (stamps[i * N_STAMPS + j], >, stamps[i * N_STAMPS + j - 1]);
    }
  qsort (stamps, N_THREADS * N_STAMPS, sizeof *stamps, compare_stamps);
  for (guint i = 1; i < N_THREADS * N_STAMPS; i++)
    g_assert_cmpint (stamps[i], >, stamps[i - 1]);
  g_assert_cmpint (stamps[0], >=, before);
}

/* Runs */

static void
test_run_info (void)
{
  g_autoptr (LsobsRunInfo) parent =
      _lsobs_run_info_new (NULL, "parent", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  for (guint i = 0; i < 1000; i++)
    {
      g_autoptr (LsobsRunInfo) info =
          _lsobs_run_info_new (parent, "child", LSOBS_RUN_TYPE_TOOL, FALSE, 0);
      g_autofree char *path = g_malloc0 (_lsobs_run_info_get_path_len (info) + 1);
      g_autofree char *id = write_id (&info->segment.id);
      g_autofree char *parent_id = write_id (&parent->segment.id);
      g_autofree char *trace_id = write_id (_lsobs_run_info_get_trace_id (info));
      g_autoptr (GError) error = NULL;
      gint64 time_ms;

      _lsobs_run_info_write_path (info, NULL, path);
      g_assert_true (_lsobs_id_get_time (&info->segment.id, &time_ms));
      g_assert_cmpint (time_ms, ==, info->segment.start_time / 1000);
      g_assert_cmpint (info->segment.start_time, >, parent->segment.start_time);
      _lsobs_dotted_order_check (path, id, trace_id, parent_id, &error);
      g_assert_no_error (error);

      /* As deep as it gets. */
      if (i % 10 == 0)
        {
          _lsobs_run_info_unref (parent);
          parent = _lsobs_run_info_ref (info);
        }
    }
}

/* The id of a run that is not sent has the time when it began, no matter when it is asked for. */
static void
test_run_lazy (void)
{
  /* Many stamps may have been taken in the last µs. */
  gint64 lead = MAX (_lsobs_clock_boot_stamp () - _lsobs_clock_source.get_boot_time (), 0);
  gint64 before = g_get_real_time ();
  g_autoptr (LsobsRunInfo) root = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, TRUE, 0);
  gint64 after = g_get_real_time ();
  g_autoptr (LsobsRunInfo) child = _lsobs_run_info_new (root, "b", LSOBS_RUN_TYPE_CHAIN, TRUE, 0);
  g_autoptr (LsobsRunInfo) leaf = _lsobs_run_info_new (child, "c", LSOBS_RUN_TYPE_CHAIN, TRUE, 0);
  g_autofree char *path = g_malloc0 (_lsobs_run_info_get_path_len (leaf) + 1);
  g_autofree char *path_again = g_malloc0 (_lsobs_run_info_get_path_len (leaf) + 1);
  g_autofree char *trace_id = NULL;
  g_autofree char *parent_id = NULL;
  g_autofree char *id = NULL;
  g_autoptr (GError) error = NULL;
  gint64 start_time;
  gint64 time_ms;

  g_usleep (20000);
  _lsobs_run_info_write_path (leaf, NULL, path);
  start_time = _lsobs_run_info_peek_segment (root)->start_time;
  /* Both clocks are read a moment apart. */
  g_assert_cmpint (start_time, >=, before - 5000);
  g_assert_cmpint (start_time, <=, after + lead + 5000);
  g_assert_true (_lsobs_id_get_time (_lsobs_run_info_get_trace_id (leaf), &time_ms));
  g_assert_cmpint (time_ms, ==, start_time / 1000);
  g_assert_cmpint (_lsobs_run_info_peek_segment (child)->start_time, >, start_time);
  g_assert_cmpint (_lsobs_run_info_peek_segment (leaf)->start_time, >,
                   _lsobs_run_info_peek_segment (child)->start_time);
  g_assert_cmpint (_lsobs_run_info_get_now (leaf), >=, start_time + 20000 - lead);
  id = write_id (&_lsobs_run_info_peek_segment (leaf)->id);
  parent_id = write_id (&_lsobs_run_info_peek_segment (child)->id);
  trace_id = write_id (_lsobs_run_info_get_trace_id (leaf));
  _lsobs_dotted_order_check (path, id, trace_id, parent_id, &error);
  g_assert_no_error (error);
  _lsobs_run_info_write_path (leaf, NULL, path_again);
  g_assert_cmpstr (path_again, ==, path);
}

static gpointer
dup_segment_thread (gpointer user_data)
{
  LsobsRunInfo **infos = user_data;
  LsobsSegment *segments = g_new (LsobsSegment, N_STAMPS);

  for (guint i = 0; i < N_STAMPS; i++)
    segments[i] = *_lsobs_run_info_peek_segment (infos[i]);
  return segments;
}

/* Whichever thread asks first: all of them get the same. */
static void
test_run_lazy_threads (void)
{
  g_autofree LsobsRunInfo **infos = g_new (LsobsRunInfo *, N_STAMPS);
  GThread *threads[N_THREADS];
  LsobsSegment *segments[N_THREADS];

  for (guint i = 0; i < N_STAMPS; i++)
    infos[i] = _lsobs_run_info_new (NULL, "a", LSOBS_RUN_TYPE_CHAIN, TRUE, 0);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("segments", dup_segment_thread, infos);
  for (guint i = 0; i < N_THREADS; i++)
    segments[i] = g_thread_join (threads[i]);
  for (guint i = 0; i < N_STAMPS; i++)
    {
      for (guint j = 1; j < N_THREADS; j++)
        {
          g_assert_true (_lsobs_id_equal (&segments[j][i].id, &segments[0][i].id));
          g_assert_cmpint (segments[j][i].start_time, ==, segments[0][i].start_time);
        }
      _lsobs_run_info_unref (infos[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_free (segments[i]);
}

/* The clock was set back after the parent began. */
static void
test_clock_set_back (void)
{
  g_autoptr (LsobsRunInfo) parent =
      _lsobs_run_info_new (NULL, "parent", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_autoptr (LsobsRunInfo) child = NULL;
  gint64 time_ms;

  parent->segment.start_time += 3600 * (gint64) G_USEC_PER_SEC;
  child = _lsobs_run_info_new (parent, "child", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_assert_cmpint (child->segment.start_time, >=, parent->segment.start_time);
  g_assert_true (_lsobs_id_get_time (&child->segment.id, &time_ms));
  g_assert_cmpint (time_ms, ==, child->segment.start_time / 1000);
}

/* A trace that another process has begun may lie in a project of its own. */
static void
test_run_project (void)
{
  g_autoptr (LsobsTarget) target = _lsobs_target_new_project ("helpdesk");
  g_autoptr (LsobsRunInfo) parent =
      _lsobs_run_info_new (NULL, "parent", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_autoptr (LsobsRunInfo) child = NULL;
  g_autoptr (LsobsRunInfo) grandchild = NULL;
  g_autoptr (LsobsRunInfo) other =
      _lsobs_run_info_new (NULL, "other", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  _lsobs_run_info_set_target (parent, target);
  child = _lsobs_run_info_new (parent, "child", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_clear_pointer (&parent, _lsobs_run_info_unref);
  grandchild = _lsobs_run_info_new (child, "grandchild", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  g_clear_pointer (&child, _lsobs_run_info_unref);
  g_assert_cmpstr (grandchild->target->name, ==, "helpdesk");
  g_assert_null (other->target);
}

/* A path and who says to lie there. */
typedef struct
{
  const char *path;
  const char *order;
  const char *id;
  const char *trace_id;
  const char *parent_id;
  gboolean valid;
} OrderRow;

#define OTHER "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"

static const OrderRow order_rows[] = {
  { "root", R_SEGMENT, R, R, NULL, TRUE },
  { "child", R_SEGMENT "." L_SEGMENT, L, R, R, TRUE },
  { "grandchild", R_SEGMENT "." L_SEGMENT "." T_SEGMENT, T, R, L, TRUE },
  { "d1-two-segments", R_SEGMENT "." L_SEGMENT, L, R, NULL, FALSE },
  { "d1-three-segments", R_SEGMENT "." L_SEGMENT "." T_SEGMENT, T, R, NULL, FALSE },
  { "d2-one-segment", L_SEGMENT, L, L, R, FALSE },
  { "d3-root-other-trace", R_SEGMENT, R, L, NULL, FALSE },
  { "d3-child-other-trace", R_SEGMENT "." L_SEGMENT, L, L, R, FALSE },
  { "d3-upper-trace", R_SEGMENT, R, "019CA8BB-F152-7A10-8C3E-5B7D2F90A1C4", NULL, FALSE },
  { "d3-short-trace", R_SEGMENT, R, "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c", NULL, FALSE },
  { "d3-long-trace", R_SEGMENT, R, R "0", NULL, FALSE },
  { "d3-no-trace", R_SEGMENT, R, "", NULL, FALSE },
  { "d4-other-id", R_SEGMENT "." L_SEGMENT, T, R, R, FALSE },
  { "d4-root-other-id", R_SEGMENT, L, R, NULL, FALSE },
  { "d4-parent-again", R_SEGMENT "." L_SEGMENT, R, R, R, FALSE },
  { "d5-other-parent", R_SEGMENT "." L_SEGMENT, L, R, OTHER, FALSE },
  { "d5-grandparent", R_SEGMENT "." L_SEGMENT "." T_SEGMENT, T, R, R, FALSE },
  { "d5-itself", R_SEGMENT "." L_SEGMENT, L, R, L, FALSE },
  { "d6-equal", R_SEGMENT ".20260301T093015250000Z" L, L, R, R, TRUE },
  { "d6-earlier", R_SEGMENT ".20260301T093015249999Z" L, L, R, R, FALSE },
  { "d6-earlier-day", R_SEGMENT ".20260228T235959999999Z" L, L, R, R, FALSE },
  { "d6-earlier-deep", R_SEGMENT "." L_SEGMENT ".20260301T093015261999Z" T, T, R, L, FALSE },
  { "d7-three-digits", "20251223T041955111Z" R, R, R, NULL, FALSE },
  { "d7-nine-digits", "20251208T144553541735000Z" R, R, R, NULL, FALSE },
  { "d7-no-digits", "20260301T093015Z" R, R, R, NULL, FALSE },
  { "d7-dot", "20260301T093015.25000Z" R, R, R, NULL, FALSE },
  { "d7-shifted", "20260301T0930152500000" R, R, R, NULL, FALSE },
  { "form-empty", "", R, R, NULL, FALSE },
  { "form-dot", ".", R, R, NULL, FALSE },
  { "form-trailing-dot", R_SEGMENT ".", R, R, NULL, FALSE },
  { "form-other-separator", R_SEGMENT "/" L_SEGMENT, L, R, R, FALSE },
  { "form-space", R_SEGMENT " ", R, R, NULL, FALSE },
  { "form-no-id", "20260301T093015250000Z", R, R, NULL, FALSE },
  { "form-bad-id", "20260301T093015250000Z019ca8bb-f152-7a10-8c3e-5b7d2f90a1cx", R, R, NULL,
    FALSE },
  { "form-month", "20261301T093015250000Z" R, R, R, NULL, FALSE },
  { "form-day", "20260230T093015250000Z" R, R, R, NULL, FALSE },
  { "form-hour", "20260301T243015250000Z" R, R, R, NULL, FALSE },
  { "form-second", "20260301T093060250000Z" R, R, R, NULL, FALSE },
  { "form-year", "00000301T093015250000Z" R, R, R, NULL, FALSE },
  { "form-local", "20260301T093015250000+" R, R, R, NULL, FALSE },
  { "form-bytes",
    "2026030\xff"
    "T093015250000Z" R,
    R, R, NULL, FALSE },
};

static void
test_order (gconstpointer data)
{
  const OrderRow *row = data;
  g_autoptr (GError) error = NULL;
  gboolean valid =
      _lsobs_dotted_order_check (row->order, row->id, row->trace_id, row->parent_id, &error);

  if (row->valid)
    g_assert_no_error (error);
  else
    g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
  g_assert_cmpint (valid, ==, row->valid);
  g_assert_cmpint (_lsobs_dotted_order_check (row->order, row->id, row->trace_id, row->parent_id,
                                              NULL),
                   ==, valid);
}

static void
test_order_depth (void)
{
  g_autoptr (GString) order = g_string_new (R_SEGMENT);
  g_autoptr (GArray) segments = NULL;
  g_autoptr (GArray) too_deep = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 1; i < 1024; i++)
    g_string_append (order, "." L_SEGMENT);
  segments = _lsobs_dotted_order_parse (order->str, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (segments->len, ==, 1024);
  g_string_append (order, "." L_SEGMENT);
  too_deep = _lsobs_dotted_order_parse (order->str, &error);
  g_assert_null (too_deep);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
}

/* Replicas */

typedef struct
{
  const char *name;
  const char *id;
  const char *project;
  const char *remapped;
} RemapRow;

static const RemapRow remap_rows[] = {
  { "ascii", "01a203be-ab20-7037-b2f4-e7e77f1765d6", "projA",
    "01a203be-ab20-7a5c-869e-74ebe792ba15" },
  { "word", "01a203be-ab20-7037-b2f4-e7e77f1765d6", "demo",
    "01a203be-ab20-70a1-bf37-460693fa0669" },
  { "spaces", "01a203be-ab20-7037-b2f4-e7e77f1765d6", "project with space",
    "01a203be-ab20-7c83-aaa1-f44857399382" },
  { "utf-8", "01a203be-ab20-7037-b2f4-e7e77f1765d6", "日本",
    "01a203be-ab20-7762-ad46-1038e76b4fec" },
  { "empty", "01a203be-ab20-7037-b2f4-e7e77f1765d6", "", "01a203be-ab20-7d43-8116-2d84f1cdbc09" },
  { "upper-case", "01A203BE-AB20-7037-B2F4-E7E77F1765D6", "projA",
    "01a203be-ab20-7a5c-869e-74ebe792ba15" },
  /* The hash of this one is d63408ad3e36ba0a57504ef268f84aad. */
  { "version-4", "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "projA",
    "4ef268f8-4aad-7634-88ad-3e36ba0a5750" },
  { "zeros", "00000000-0000-0000-0000-000000000000", "demo",
    "3fa39ff2-f0a3-7ccb-bcab-0e075b118fe6" },
  { "ones", "ffffffff-ffff-ffff-ffff-ffffffffffff", "projA",
    "eaf2517e-225f-730a-a01a-32f0ddaa267d" },
};

static void
test_remap (gconstpointer data)
{
  const RemapRow *row = data;
  LsobsId id;
  g_autofree char *remapped = NULL;

  g_assert_true (_lsobs_id_parse (&id, row->id));
  _lsobs_id_remap (&id, row->project);
  remapped = write_id (&id);
  g_assert_cmpstr (remapped, ==, row->remapped);
}

/* On the heap, it is no other method. */
static void
test_remap_long (void)
{
  g_autofree char *project = g_strnfill (300, 'p');
  g_autofree char *remapped = NULL;
  LsobsId id;

  g_assert_true (_lsobs_id_parse (&id, "1b4e28ba-2fa1-41d2-883f-0016d3cca427"));
  _lsobs_id_remap (&id, project);
  remapped = write_id (&id);
  g_assert_cmpstr (remapped, ==, "a46cb176-1b99-7fc0-b31a-0e67b176a3be");
}

static void
test_remap_path (void)
{
  g_autofree char *path = g_strdup (R_SEGMENT "." L_SEGMENT "." T_SEGMENT);
  g_autoptr (GString) expected = g_string_new (NULL);
  static const char *const ids[] = { R, L, T };
  static const char *const stamps[] = { "20260301T093015250000Z", "20260301T093015262000Z",
                                        "20260301T093016750000Z" };

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autofree char *remapped = NULL;
      LsobsId id;

      g_assert_true (_lsobs_id_parse (&id, ids[i]));
      _lsobs_id_remap (&id, "other");
      remapped = write_id (&id);
      g_string_append_printf (expected, "%s%s%s", i > 0 ? "." : "", stamps[i], remapped);
    }
  _lsobs_dotted_order_remap (path, strlen (path), "other");
  g_assert_cmpstr (path, ==, expected->str);
}

/* Long chains */

#define CHAIN_LEN 3000

/* (transfer full): the last run of a chain, each a child of the one before */
static LsobsRunInfo *
make_chain (guint len)
{
  LsobsRunInfo *info = _lsobs_run_info_new (NULL, "root", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);

  for (guint i = 1; i < len; i++)
    {
      g_autoptr (LsobsRunInfo) parent = info;

      info = _lsobs_run_info_new (parent, "run", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
    }
  return info;
}

static char *
dup_mapped_path (LsobsRunInfo *info, const char *project)
{
  char *path = g_malloc0 (_lsobs_run_info_get_path_len (info) + 1);

  _lsobs_run_info_write_path (info, project, path);
  return path;
}

/* (transfer full): the path, made of what the runs are */
static char *
make_path (LsobsRunInfo *info, const char *project)
{
  gsize len = _lsobs_run_info_get_path_len (info);
  char *path = g_malloc0 (len + 1);

  for (LsobsRunInfo *at = info; at != NULL; at = at->parent)
    {
      char *text = path + (at->depth - 1) * (LSOBS_SEGMENT_LEN + 1);

      _lsobs_segment_write (&at->segment, text);
      if (at->parent != NULL)
        text[-1] = '.';
    }
  if (project != NULL)
    _lsobs_dotted_order_remap (path, len, project);
  return path;
}

static const char *const chain_projects[] = { NULL, "one", "another", "" };

static void
test_chain_path (void)
{
  g_autoptr (LsobsRunInfo) last = make_chain (CHAIN_LEN);
  LsobsRunInfo *middle = last;

  while (middle->depth > CHAIN_LEN / 2)
    middle = middle->parent;
  for (guint i = 0; i < G_N_ELEMENTS (chain_projects); i++)
    {
      g_autofree char *path = dup_mapped_path (last, chain_projects[i]);
      g_autofree char *expected = make_path (last, chain_projects[i]);
      g_autofree char *middle_path = dup_mapped_path (middle, chain_projects[i]);

      g_assert_cmpstr (path, ==, expected);
      g_assert_true (g_str_has_prefix (path, middle_path));
    }
}

/* What a run is called is written once, and not once for each path that it is in: what
 * changes below is not looked at any more. */
static void
test_chain_once (void)
{
  g_autoptr (LsobsRunInfo) last = make_chain (3);

  for (guint i = 0; i < G_N_ELEMENTS (chain_projects); i++)
    {
      g_autofree char *first = dup_mapped_path (last, chain_projects[i]);
      g_autoptr (LsobsRunInfo) child = NULL;
      g_autofree char *path = NULL;

      last->parent->segment.start_time += 1;
      child = _lsobs_run_info_new (last, "child", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
      path = dup_mapped_path (child, chain_projects[i]);
      last->parent->segment.start_time -= 1;
      g_assert_true (g_str_has_prefix (path, first));
    }
}

/* Nobody climbs to the root to find out which trace it is. */
static void
test_chain_trace (void)
{
  g_autoptr (LsobsRunInfo) last = make_chain (CHAIN_LEN);
  LsobsRunInfo *parent = g_steal_pointer (&last->parent);
  LsobsRunInfo *root = parent;
  const LsobsId *trace_id = _lsobs_run_info_get_trace_id (last);

  last->parent = parent;
  while (root->parent != NULL)
    root = root->parent;
  g_assert_true (trace_id == &root->segment.id);
}

static gpointer
write_paths (gpointer user_data)
{
  LsobsRunInfo *last = user_data;

  for (LsobsRunInfo *info = last; info != NULL; info = info->parent)
    for (guint i = 0; i < G_N_ELEMENTS (chain_projects); i++)
      g_free (dup_mapped_path (info, chain_projects[i]));
  return dup_mapped_path (last, "one");
}

/* Several threads write the paths of one chain, to several places. */
static void
test_chain_threads (void)
{
  g_autoptr (LsobsRunInfo) last = make_chain (200);
  g_autofree char *expected = make_path (last, "one");
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("paths", write_paths, last);
  for (guint i = 0; i < N_THREADS; i++)
    {
      g_autofree char *path = g_thread_join (threads[i]);

      g_assert_cmpstr (path, ==, expected);
    }
}

/* Whether no text of the run is there twice. */
static gboolean
has_single_texts (LsobsRunInfo *info)
{
  for (const LsobsSegmentText *text = info->texts; text != NULL; text = text->next)
    for (const LsobsSegmentText *other = text->next; other != NULL; other = other->next)
      if (text->mapped == other->mapped && (!text->mapped || strcmp (text->seed, other->seed) == 0))
        return FALSE;
  return TRUE;
}

#define N_RACES 20

typedef struct
{
  LsobsRunInfo *chains[N_RACES];
  gint n_waiting[N_RACES]; /* (atomic) */
  char *project;           /* a long name: it takes a while to make an id fit for it */
} Races;

static gpointer
race (gpointer user_data)
{
  Races *races = user_data;

  for (guint i = 0; i < N_RACES; i++)
    {
      g_autofree char *path = NULL;
      g_autofree char *expected = make_path (races->chains[i], races->project);

      g_atomic_int_inc (&races->n_waiting[i]);
      while (g_atomic_int_get (&races->n_waiting[i]) < 2)
        g_thread_yield ();
      path = dup_mapped_path (races->chains[i], races->project);
      g_assert_cmpstr (path, ==, expected);
    }
  return NULL;
}

/* Two threads write the first path of a chain at once: one text of each run is kept. */
static void
test_chain_two_threads (void)
{
  g_autofree Races *races = g_new0 (Races, 1);
  GThread *thread;

  races->project = g_strnfill (50000, 'p');
  for (guint i = 0; i < N_RACES; i++)
    races->chains[i] = make_chain (20);
  thread = g_thread_new ("race", race, races);
  race (races);
  g_thread_join (thread);
  for (guint i = 0; i < N_RACES; i++)
    {
      for (LsobsRunInfo *info = races->chains[i]; info != NULL; info = info->parent)
        g_assert_true (has_single_texts (info));
      _lsobs_run_info_unref (races->chains[i]);
    }
  g_free (races->project);
}

/* A forked child writes what its parent has written, and what it has not, and the parent goes
 * on as if there was no child. */
static void
test_chain_fork (void)
{
  g_autoptr (LsobsRunInfo) last = make_chain (20);
  g_autofree char *plain = make_path (last, NULL);
  g_autofree char *mapped = make_path (last, "one");
  g_autofree char *before = dup_mapped_path (last, NULL);
  g_autofree char *after = NULL;
  int status = 0;
  pid_t pid;

  fflush (NULL);
  pid = fork ();
  g_assert_cmpint (pid, !=, -1);
  if (pid == 0)
    {
      g_autoptr (LsobsRunInfo) child =
          _lsobs_run_info_new (last, "child", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
      g_autofree char *child_plain = dup_mapped_path (child, NULL);
      g_autofree char *child_mapped = dup_mapped_path (child, "one");

      _exit (g_str_has_prefix (child_plain, plain) && g_str_has_prefix (child_mapped, mapped) &&
                     has_single_texts (last)
                 ? 0
                 : 1);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpstr (before, ==, plain);
  g_assert_true (last->parent->texts != NULL && last->parent->texts->next == NULL);
  after = dup_mapped_path (last, "one");
  g_assert_cmpstr (after, ==, mapped);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/id/version-7", test_version_7);
  g_test_add_func ("/id/time-vector", test_time_vector);
  g_test_add_func ("/id/no-time", test_no_time);
  g_test_add_func ("/id/round-trip", test_round_trip);
  g_test_add_func ("/id/parse-bad", test_parse_bad);
  g_test_add_func ("/id/unique", test_unique);
  g_test_add_func ("/id/token", test_token);
  for (guint i = 0; i < G_N_ELEMENTS (time_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/id/time/", time_rows[i].stamp, NULL);

      g_test_add_data_func (path, &time_rows[i], test_time);
    }
  g_test_add_func ("/id/time/out-of-range", test_time_out_of_range);
  g_test_add_func ("/id/time/ends", test_time_ends);
  g_test_add_func ("/id/time/random", test_time_random);
  g_test_add_func ("/id/time/iso-bad", test_iso_bad);
  g_test_add_func ("/id/clock", test_clock);
  g_test_add_func ("/id/run-info", test_run_info);
  g_test_add_func ("/id/run-lazy", test_run_lazy);
  g_test_add_func ("/id/run-lazy-threads", test_run_lazy_threads);
  g_test_add_func ("/id/run-project", test_run_project);
  g_test_add_func ("/id/clock-set-back", test_clock_set_back);
  for (guint i = 0; i < G_N_ELEMENTS (order_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/id/dotted-order/", order_rows[i].path, NULL);

      g_test_add_data_func (path, &order_rows[i], test_order);
    }
  g_test_add_func ("/id/dotted-order/depth", test_order_depth);
  for (guint i = 0; i < G_N_ELEMENTS (remap_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/id/remap/", remap_rows[i].name, NULL);

      g_test_add_data_func (path, &remap_rows[i], test_remap);
    }
  g_test_add_func ("/id/remap/long-project", test_remap_long);
  g_test_add_func ("/id/remap/path", test_remap_path);
  g_test_add_func ("/id/chain/path", test_chain_path);
  g_test_add_func ("/id/chain/once", test_chain_once);
  g_test_add_func ("/id/chain/trace", test_chain_trace);
  g_test_add_func ("/id/chain/threads", test_chain_threads);
  g_test_add_func ("/id/chain/two-threads", test_chain_two_threads);
  g_test_add_func ("/id/chain/fork", test_chain_fork);

  return g_test_run ();
}
