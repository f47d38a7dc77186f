/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The times of runs while the wall clock is set, and while the machine is suspended. The clocks are
 * those of the test: they stand still unless the test moves them. */

#include "config.h"

#include <string.h>
#include <time.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "tests/lib/test-helpers.h"

#define SECOND ((gint64) G_USEC_PER_SEC)
#define HOUR   (3600 * SECOND)

/* 2026-03-01T09:30:15Z */
#define MORNING G_GINT64_CONSTANT (1772357415000000)

/* A UUID without a time. */
#define R "0d4b5c8e-3a6f-4f1e-9b7d-2c8a1e5f6071"

static LsobsClockSource real_source;
static gint64 wall_time;
static gint64 boot_time;
static gint64 read_time;   /* how long each reading of a clock takes */
static gint64 read_growth; /* and how many times as long the next one */

static void
spend_read_time (void)
{
  wall_time += read_time;
  boot_time += read_time;
  read_time *= read_growth;
}

static gint64
get_wall_time (void)
{
  spend_read_time ();
  return wall_time;
}

static gint64
get_boot_time (void)
{
  spend_read_time ();
  return boot_time;
}

/* The machine works, or is suspended. */
static void
advance (gint64 time)
{
  wall_time += time;
  boot_time += time;
}

static void
set_wall_clock (gint64 change)
{
  wall_time += change;
}

typedef struct
{
  LsobsConfig *config;          /* (owned) */
  LsobsMemoryTransport *memory; /* (owned) */
  LsobsObserver *observer;      /* (owned) */
  LsobsExporter *exporter;      /* (unowned) */
  GPtrArray *events;            /* (owned) (nullable) what was sent */
  char *r;                      /* (owned) the id of a root, without a time */
  char *a;                      /* (owned) of a child */
  char *b;                      /* (owned) of a child */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  /* After the last test, on either clock. */
  wall_time = MAX (wall_time, MORNING) + HOUR;
  boot_time += HOUR;
  read_time = 0;
  read_growth = 1;
  _lsobs_clock_source =
      (LsobsClockSource){ .get_wall_time = get_wall_time, .get_boot_time = get_boot_time };

  fixture->r = g_uuid_string_random ();
  fixture->a = g_uuid_string_random ();
  fixture->b = g_uuid_string_random ();
  fixture->config = lsobs_config_new (NULL, TEST_PROJECT);
  lsobs_config_set_flush_interval (fixture->config, TEST_NEVER_MS);
  lsobs_config_set_trust_incoming_headers (fixture->config, TRUE);
  fixture->memory = lsobs_memory_transport_new ();
  fixture->observer = lsobs_observer_new_with_transport (fixture->config,
                                                         LSOBS_TRANSPORT (fixture->memory), &error);
  g_assert_no_error (error);
  fixture->exporter = lsobs_observer_get_exporter (fixture->observer);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_drain_context ();
  test_assert_books (fixture->exporter);
  g_clear_pointer (&fixture->events, g_ptr_array_unref);
  test_shut_down (lsobs_observer_get_exporter (fixture->observer), TEST_TIMEOUT_MS);
  g_assert_finalize_object (fixture->observer);
  test_assert_finalizes (fixture->memory);
  g_object_unref (fixture->config);
  g_free (fixture->r);
  g_free (fixture->a);
  g_free (fixture->b);
  _lsobs_clock_source = real_source;
}

static LsobsRun *
start_root (Fixture *fixture, const char *name)
{
  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

static void
flush (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  g_clear_pointer (&fixture->events, g_ptr_array_unref);
  fixture->events = lsobs_memory_transport_dup_events (fixture->memory);
}

/* Flushes, once.
 * Returns: (transfer none): the last event that was sent of the run */
static LsobsRunEvent *
get_sent (Fixture *fixture, const char *name)
{
  if (fixture->events == NULL)
    flush (fixture);
  for (guint i = fixture->events->len; i > 0; i--)
    {
      LsobsRunEvent *event = g_ptr_array_index (fixture->events, i - 1);

      if (g_strcmp0 (lsobs_run_event_get_name (event), name) == 0)
        return event;
    }
  g_assert_not_reached ();
}

static gint64
get_start (Fixture *fixture, const char *name)
{
  return lsobs_run_event_get_start_time (get_sent (fixture, name));
}

static gint64
get_end (Fixture *fixture, const char *name)
{
  return lsobs_run_event_get_end_time (get_sent (fixture, name));
}

static gint64
get_duration (Fixture *fixture, const char *name)
{
  return get_end (fixture, name) - get_start (fixture, name);
}

/* Stamps of the same moment differ by some µs. */
static void
assert_near (gint64 time, gint64 expected)
{
  g_assert_cmpint (time, >=, expected - SECOND / 1000);
  g_assert_cmpint (time, <=, expected + SECOND / 1000);
}

static void
assert_inside (Fixture *fixture, const char *child, const char *parent)
{
  g_assert_cmpint (get_start (fixture, child), >=, get_start (fixture, parent));
  g_assert_cmpint (get_end (fixture, child), >=, get_start (fixture, child));
  g_assert_cmpint (get_end (fixture, child), <=, get_end (fixture, parent));
}

/* --- runs with handles --------------------------------------------------------------------- */

static void
run_child (LsobsRun *parent, const char *name, gint64 duration)
{
  g_autoptr (LsobsRun) child = lsobs_run_start_child (parent, name, LSOBS_RUN_TYPE_TOOL, NULL);

  advance (duration);
  lsobs_run_end (child, NULL);
}

/* Returns: when the first event of the run has happened */
static gint64
get_event_time (Fixture *fixture, const char *name)
{
  JsonArray *events = json_node_get_array (lsobs_run_event_get_events (get_sent (fixture, name)));
  const char *text =
      json_object_get_string_member (json_array_get_object_element (events, 0), "time");
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (text, NULL);

  g_assert_nonnull (time);
  return g_date_time_to_unix (time) * SECOND + g_date_time_get_microsecond (time);
}

static void
feed (LsobsModelCall *call, const char *text)
{
  lsobs_model_call_feed (call, (const guint8 *) text, strlen (text));
}

/* The call of a model has the time of its request, of its first token and of its end mark, whatever
 * happens to the wall clock. */
static void
test_model_call (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsModelCall) call =
      lsobs_model_call_new (fixture->observer, NULL, "https://api.openai.com/v1/chat/completions",
                            NULL);

  advance (2 * SECOND);
  feed (call, "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n");
  set_wall_clock (-HOUR);
  advance (SECOND);
  feed (call, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n");
  advance (SECOND);
  feed (call, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"y\"}}]}\n\n");
  feed (call, "data: [DONE]\n\n");
  advance (SECOND);
  lsobs_model_call_finish (call, 200);
  assert_near (get_duration (fixture, "chat"), 4 * SECOND);
  assert_near (get_event_time (fixture, "chat") - get_start (fixture, "chat"), 3 * SECOND);
}

static void
test_set_back (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  gint64 start = wall_time;

  advance (SECOND);
  run_child (root, "a", SECOND);
  set_wall_clock (-8 * SECOND);
  run_child (root, "b", SECOND);
  run_child (root, "c", SECOND);
  lsobs_run_end (root, NULL);

  assert_near (get_start (fixture, "root"), start);
  g_assert_cmpint (get_start (fixture, "a"), <, get_start (fixture, "b"));
  g_assert_cmpint (get_start (fixture, "b"), <, get_start (fixture, "c"));
  assert_inside (fixture, "a", "root");
  assert_inside (fixture, "b", "root");
  assert_inside (fixture, "c", "root");
  assert_near (get_duration (fixture, "root"), 4 * SECOND);
  assert_near (get_duration (fixture, "b"), SECOND);
  assert_near (get_start (fixture, "b"), get_end (fixture, "a"));
}

/* A device without a battery learns the time after the trace began. */
static void
test_set_forward (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  g_autoptr (LsobsRun) later = NULL;
  gint64 start = wall_time;

  advance (SECOND);
  set_wall_clock (24 * 365 * HOUR);
  run_child (root, "a", SECOND);
  lsobs_run_end (root, NULL);
  later = start_root (fixture, "later");
  lsobs_run_end (later, NULL);

  assert_inside (fixture, "a", "root");
  assert_near (get_duration (fixture, "root"), 2 * SECOND);
  assert_near (get_start (fixture, "later"), start + 24 * 365 * HOUR + 2 * SECOND);
}

static void
test_suspend (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");

  run_child (root, "a", HOUR);
  run_child (root, "b", 20000);
  lsobs_run_end (root, NULL);

  assert_near (get_duration (fixture, "a"), HOUR);
  assert_near (get_duration (fixture, "root"), HOUR + 20000);
  assert_inside (fixture, "a", "root");
  assert_inside (fixture, "b", "root");
}

/* A suspended machine sets its wall clock by the clock of the hardware, which is wrong. */
static void
test_suspend_and_set (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");

  advance (HOUR);
  set_wall_clock (-2 * HOUR);
  run_child (root, "a", SECOND);
  lsobs_run_end (root, NULL);

  assert_near (get_duration (fixture, "root"), HOUR + SECOND);
  assert_inside (fixture, "a", "root");
}

/* The clocks stand still: many runs begin and end in the same µs. */
static void
test_same_moment (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  g_autoptr (LsobsRun) next = NULL;
  gint64 last = lsobs_run_get_start_time (root);

  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("run-%u", i);

      run_child (root, name, 0);
    }
  lsobs_run_end (root, NULL);
  next = start_root (fixture, "next");
  lsobs_run_end (next, NULL);

  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("run-%u", i);

      g_assert_cmpint (get_start (fixture, name), >, last);
      last = get_start (fixture, name);
      assert_inside (fixture, name, "root");
    }
  g_assert_cmpint (get_start (fixture, "next"), >, last);
}

/* The processor is taken away while the clocks are read. That does not look like a clock that was
 * set: traces are in order. */
static void
test_slow_reads (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 last = 0;

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (LsobsRun) root = NULL;

      read_time = i % 3 == 1 ? 30000 : 1;
      root = start_root (fixture, "root");
      g_assert_cmpint (lsobs_run_get_start_time (root), >, last);
      last = lsobs_run_get_start_time (root);
      lsobs_run_end (root, NULL);
    }
}

/* All readings are slow, each slower than the one before: the first one is used. */
static void
test_slower_reads (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (LsobsRun) next = NULL;

  set_wall_clock (HOUR);
  read_time = 100;
  read_growth = 3;
  root = start_root (fixture, "root");
  g_assert_cmpint (read_time, >, 3 * SECOND / 10);
  read_time = 0;
  next = start_root (fixture, "next");
  g_assert_cmpint (lsobs_run_get_start_time (next), >, lsobs_run_get_start_time (root));
  assert_near (lsobs_run_get_start_time (next), wall_time);
  lsobs_run_end (root, NULL);
  lsobs_run_end (next, NULL);
}

/* A trace that is not sent is timed, too, as its path goes to other processes. */
static void
test_tracing_off (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, TEST_PROJECT);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_tracing_enabled (config, FALSE);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (fixture->memory), &error);
  g_assert_no_error (error);
  root = lsobs_observer_start_run (observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
  assert_near (lsobs_run_get_start_time (root), wall_time);
  set_wall_clock (-8 * SECOND);
  advance (SECOND);
  child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  assert_near (lsobs_run_get_start_time (child), lsobs_run_get_start_time (root) + SECOND);
}

/* --- threads ------------------------------------------------------------------------------- */

static gpointer
run_child_cb (gpointer parent)
{
  run_child (parent, "thread", SECOND);
  return NULL;
}

static void
test_threads (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");

  advance (SECOND);
  set_wall_clock (-HOUR);
  g_thread_join (g_thread_new ("child", run_child_cb, root));
  lsobs_run_end (root, NULL);

  assert_near (get_start (fixture, "thread") - get_start (fixture, "root"), SECOND);
  assert_inside (fixture, "thread", "root");
}

/* --- traces of other processes ------------------------------------------------------------- */

static LsobsRun *
start_remote (Fixture *fixture, GHashTable *headers, const char *name)
{
  LsobsRun *run = lsobs_observer_start_run_from_headers (fixture->observer, headers, name,
                                                         LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autofree char *path = lsobs_run_dup_dotted_order (run);

  g_assert_nonnull (strchr (path, '.'));
  return run;
}

static void
run_remote (Fixture *fixture, GHashTable *headers, const char *name)
{
  g_autoptr (LsobsRun) run = start_remote (fixture, headers, name);

  run_child (run, "inner", SECOND);
  lsobs_run_end (run, NULL);
}

/* The clock of the other machine is five seconds ahead. */
static void
test_remote_ahead (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (GHashTable) headers = NULL;

  set_wall_clock (5 * SECOND);
  root = start_root (fixture, "root");
  headers = lsobs_run_to_headers (root);
  set_wall_clock (-5 * SECOND);
  run_remote (fixture, headers, "a");
  run_remote (fixture, headers, "b");
  advance (20 * SECOND);
  run_remote (fixture, headers, "c");
  lsobs_run_end (root, NULL);

  assert_near (get_duration (fixture, "a"), SECOND);
  assert_near (get_duration (fixture, "b"), SECOND);
  g_assert_cmpint (get_start (fixture, "a"), >=, get_start (fixture, "root"));
  g_assert_cmpint (get_start (fixture, "b"), >=, get_end (fixture, "a"));
  assert_near (get_start (fixture, "c") - get_start (fixture, "b"), 21 * SECOND);
  assert_inside (fixture, "inner", "c");
}

/* The wall clock of this machine is set between two runs below the same remote parent. */
static void
test_remote_set_back (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  g_autoptr (GHashTable) headers = lsobs_run_to_headers (root);

  advance (60 * SECOND);
  run_remote (fixture, headers, "a");
  set_wall_clock (-8 * SECOND);
  run_remote (fixture, headers, "b");
  lsobs_run_end (root, NULL);

  g_assert_cmpint (get_start (fixture, "b"), >=, get_end (fixture, "a"));
  assert_inside (fixture, "a", "root");
  assert_inside (fixture, "b", "root");
}

/* A header from a hostile or broken program. */
static void
test_remote_far_ahead (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GHashTable) headers = g_hash_table_new (g_str_hash, g_str_equal);

  g_hash_table_insert (headers, (char *) "langsmith-trace", (char *) "99991231T235959999999Z" R);
  run_remote (fixture, headers, "a");
  run_remote (fixture, headers, "b");

  g_assert_cmpint (get_start (fixture, "a"), <=, get_end (fixture, "a"));
  g_assert_cmpint (get_start (fixture, "b"), <=, get_end (fixture, "b"));
}

/* --- runs by id ---------------------------------------------------------------------------- */

static void
enqueue (Fixture *fixture, LsobsRunEvent *event)
{
  g_autoptr (GError) error = NULL;

  lsobs_exporter_enqueue (fixture->exporter, event, &error);
  g_assert_no_error (error);
}

/* @start_time: 0 for now */
static void
report_start (Fixture *fixture, const char *id, const char *parent_id, gint64 start_time)
{
  g_autoptr (LsobsRunEvent) event =
      lsobs_run_event_new_start (id, parent_id, id, LSOBS_RUN_TYPE_CHAIN, NULL);

  if (start_time != 0)
    lsobs_run_event_set_start_time (event, start_time);
  enqueue (fixture, event);
}

/* @end_time: 0 for now */
static void
report_end (Fixture *fixture, const char *id, gint64 end_time)
{
  g_autoptr (LsobsRunEvent) event = lsobs_run_event_new_update (id, NULL, NULL);

  if (end_time != 0)
    lsobs_run_event_set_end_time (event, end_time);
  enqueue (fixture, event);
}

static void
test_events_set_back (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  report_start (fixture, fixture->r, NULL, 0);
  advance (SECOND);
  report_start (fixture, fixture->a, fixture->r, 0);
  advance (HOUR);
  report_end (fixture, fixture->a, 0);
  set_wall_clock (-2 * HOUR);
  report_start (fixture, fixture->b, fixture->r, 0);
  advance (SECOND);
  report_end (fixture, fixture->b, 0);
  report_end (fixture, fixture->r, 0);

  assert_near (get_duration (fixture, fixture->a), HOUR);
  assert_near (get_duration (fixture, fixture->b), SECOND);
  assert_near (get_duration (fixture, fixture->r), HOUR + 2 * SECOND);
  g_assert_cmpint (get_start (fixture, fixture->b), >=, get_end (fixture, fixture->a));
  assert_inside (fixture, fixture->a, fixture->r);
  assert_inside (fixture, fixture->b, fixture->r);
}

/* The program gives the start times, by the wall clock, and leaves the ends to lsobs. */
static void
test_events_with_starts (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  report_start (fixture, fixture->r, NULL, wall_time);
  report_start (fixture, fixture->a, fixture->r, wall_time);
  advance (10 * SECOND);
  set_wall_clock (-HOUR);
  report_end (fixture, fixture->a, 0);
  report_end (fixture, fixture->r, 0);

  assert_near (get_duration (fixture, fixture->a), 10 * SECOND);
  assert_inside (fixture, fixture->a, fixture->r);
}

/* A replayed trace of yesterday has the times that the program gives, all of them. */
static void
test_events_replayed (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 yesterday = wall_time - 24 * HOUR;

  report_start (fixture, fixture->r, NULL, yesterday);
  report_start (fixture, fixture->a, fixture->r, yesterday + SECOND);
  report_end (fixture, fixture->a, yesterday + 2 * SECOND);
  report_end (fixture, fixture->r, yesterday + 3 * SECOND);

  g_assert_cmpint (get_start (fixture, fixture->r), ==, yesterday);
  g_assert_cmpint (get_start (fixture, fixture->a), ==, yesterday + SECOND);
  g_assert_cmpint (get_end (fixture, fixture->a), ==, yesterday + 2 * SECOND);
  g_assert_cmpint (get_end (fixture, fixture->r), ==, yesterday + 3 * SECOND);
}

/* The program gives times far in the future. */
static void
test_events_far_ahead (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  report_start (fixture, fixture->r, NULL, G_MAXINT64);
  advance (HOUR);
  report_start (fixture, fixture->a, fixture->r, 0);
  report_end (fixture, fixture->a, 0);
  report_end (fixture, fixture->r, 0);
  assert_inside (fixture, fixture->a, fixture->r);
}

/* --- the clocks ---------------------------------------------------------------------------- */

/* The stamps of this process are ahead of a clock that belongs to another machine. */
static void
test_other_boot (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  g_autoptr (LsobsRun) other = NULL;

  boot_time -= 2 * SECOND;
  run_child (root, "a", SECOND);
  lsobs_run_end (root, NULL);
  other = start_root (fixture, "other");
  advance (SECOND);
  lsobs_run_end (other, NULL);

  assert_near (get_duration (fixture, "a"), SECOND);
  g_assert_cmpint (get_start (fixture, "a"), >=, get_start (fixture, "root"));
  assert_near (get_duration (fixture, "other"), SECOND);
  assert_near (get_end (fixture, "other"), wall_time);
}

#ifdef CLOCK_BOOTTIME
static gint64
read_boot_clock (void)
{
  struct timespec now;

  g_assert_cmpint (clock_gettime (CLOCK_BOOTTIME, &now), ==, 0);
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* Without a test, it is the clock that goes on during suspend. */
static void
test_boot_clock (void)
{
  gint64 before = read_boot_clock ();
  gint64 time = _lsobs_clock_source.get_boot_time ();

  g_assert_cmpint (time, >=, before);
  g_assert_cmpint (time, <=, read_boot_clock ());
}
#endif

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char *argv[])
{
  real_source = _lsobs_clock_source;
  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);
  test_log_install ();

  ADD ("/clock/set-back", test_set_back);
  ADD ("/clock/set-forward", test_set_forward);
  ADD ("/clock/suspend", test_suspend);
  ADD ("/clock/suspend-and-set", test_suspend_and_set);
  ADD ("/clock/same-moment", test_same_moment);
  ADD ("/clock/slow-reads", test_slow_reads);
  ADD ("/clock/slower-reads", test_slower_reads);
  ADD ("/clock/tracing-off", test_tracing_off);
  ADD ("/clock/threads", test_threads);
  ADD ("/clock/remote/ahead", test_remote_ahead);
  ADD ("/clock/model-call", test_model_call);
  ADD ("/clock/remote/set-back", test_remote_set_back);
  ADD ("/clock/remote/far-ahead", test_remote_far_ahead);
  ADD ("/clock/events/set-back", test_events_set_back);
  ADD ("/clock/events/starts", test_events_with_starts);
  ADD ("/clock/events/replayed", test_events_replayed);
  ADD ("/clock/events/far-ahead", test_events_far_ahead);
  ADD ("/clock/other-boot", test_other_boot);
#ifdef CLOCK_BOOTTIME
  g_test_add_func ("/clock/boot-clock", test_boot_clock);
#endif
  return g_test_run ();
}
