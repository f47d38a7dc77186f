/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/lib/fork-helpers.h"

/* The current run: who finds which parent, in threads, tasks, steps of the main loop and forked
 * children. */

#define N_STEPS 3

static LsobsRun *
start (LsobsObserver *observer, const char *name)
{
  return lsobs_observer_start_nested_run (observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

/* @parent: (nullable): or a root */
static void
assert_below (LsobsRun *run, LsobsRun *parent)
{
  g_autofree char *found = lsobs_run_dup_parent_id (run);
  g_autofree char *expected = parent != NULL ? lsobs_run_dup_id (parent) : NULL;

  g_assert_cmpstr (found, ==, expected);
}

/* What is started here and now is below @parent. */
static void
assert_nests (LsobsObserver *observer, LsobsRun *parent)
{
  g_autoptr (LsobsRun) run = start (observer, "probe");

  assert_below (run, parent);
  lsobs_run_end (run, NULL);
}

static LsobsObserver *
new_observer (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "other");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();

  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  return lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);
}

/* --- one thread --- */

static void
test_stack (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) outer = start (fixture->observer, "outer");
  g_autoptr (LsobsRun) inner = NULL;
  g_autoptr (LsobsRun) kept = NULL;

  /* To start is not to push. */
  g_assert_null (lsobs_run_get_thread_default ());
  g_assert_null (lsobs_run_ref_thread_default ());
  assert_below (outer, NULL);
  assert_nests (fixture->observer, NULL);

  lsobs_run_push_thread_default (outer);
  inner = start (fixture->observer, "inner");
  assert_below (inner, outer);
  g_assert_true (lsobs_run_get_thread_default () == outer);
  lsobs_run_push_thread_default (inner);
  lsobs_run_push_thread_default (inner);
  assert_nests (fixture->observer, inner);
  lsobs_run_pop_thread_default (inner);
  kept = lsobs_run_ref_thread_default ();
  g_assert_true (kept == inner);
  lsobs_run_pop_thread_default (inner);
  lsobs_run_pop_thread_default (outer);
  lsobs_run_end (outer, NULL);
  g_assert_null (lsobs_run_get_thread_default ());
  lsobs_run_end (inner, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpstr (run_fixture_find (fixture, "inner")->parent_id, ==,
                   run_fixture_find (fixture, "outer")->id);
}

static void
test_pusher (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture->observer, "run");

  {
    g_autoptr (LsobsRunPusher) pusher = lsobs_run_pusher_new (run);

    assert_nests (fixture->observer, run);
    {
      g_autoptr (LsobsRunPusher) none = lsobs_run_pusher_new (NULL);

      g_assert_null (lsobs_run_get_thread_default ());
      g_assert_null (lsobs_run_ref_thread_default ());
      assert_nests (fixture->observer, NULL);
    }
    assert_nests (fixture->observer, run);
  }
  assert_nests (fixture->observer, NULL);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
}

/* The stack holds its own references. */
static void
test_reference (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *run = start (fixture->observer, "run");
  g_autoptr (LsobsRunPusher) pusher = lsobs_run_pusher_new (run);

  lsobs_run_unref (run);
  g_assert_cmpstr (lsobs_run_get_name (lsobs_run_get_thread_default ()), ==, "run");
  lsobs_run_end (lsobs_run_get_thread_default (), NULL);
  run_fixture_flush (fixture);
}

static void
test_forms (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) parent = start (fixture->observer, "parent");
  g_autoptr (LsobsRunPusher) pusher = lsobs_run_pusher_new (parent);
  g_autoptr (GBytes) bytes = run_bytes ("{\"a\":1}");
  g_autoptr (JsonNode) node = run_json ("[2]");
  g_autoptr (LsobsRun) by_bytes =
      lsobs_observer_start_nested_run_bytes (fixture->observer, "bytes", LSOBS_RUN_TYPE_TOOL,
                                             bytes);
  g_autoptr (LsobsRun) by_kind =
      lsobs_observer_start_nested_run_of_kind (fixture->observer, "kind", "agent", node);

  lsobs_run_end (by_bytes, NULL);
  lsobs_run_end (by_kind, NULL);
  run_fixture_finish (fixture, parent);
  run_assert_member (run_fixture_find (fixture, "bytes"), "inputs", "{\"a\":1}");
  run_assert_member (run_fixture_find (fixture, "bytes"), "run_type", "\"tool\"");
  run_assert_member (run_fixture_find (fixture, "kind"), "inputs", "{\"value\":[2]}");
  run_assert_member (run_fixture_find (fixture, "kind"), "extra.metadata.ls_run_kind", "\"agent\"");
  assert_below (by_bytes, parent);
  assert_below (by_kind, parent);
}

/* Each observer finds its own, wherever it lies. */
static void
test_observers (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsObserver) other = new_observer ();
  g_autoptr (LsobsRun) run = start (fixture->observer, "run");
  g_autoptr (LsobsRun) foreign = NULL;
  g_autoptr (LsobsRun) inner = NULL;

  lsobs_run_push_thread_default (run);
  foreign = start (other, "foreign");
  assert_below (foreign, NULL);
  lsobs_run_push_thread_default (foreign);
  g_assert_true (lsobs_run_get_thread_default () == foreign);
  inner = start (fixture->observer, "inner");
  assert_below (inner, run);
  lsobs_run_push_thread_default (inner);
  assert_nests (other, foreign);
  assert_nests (fixture->observer, inner);
  lsobs_run_pop_thread_default (inner);
  lsobs_run_pop_thread_default (foreign);
  lsobs_run_pop_thread_default (run);
  lsobs_run_end (inner, NULL);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
}

/* Its run stays where it is, and is nobody else's. */
static void
test_observer_gone (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsObserver *gone = new_observer ();
  LsobsExporter *exporter = lsobs_observer_get_exporter (gone);
  LsobsRun *run = start (gone, "left");

  g_object_add_weak_pointer (G_OBJECT (exporter), (gpointer *) &exporter);
  lsobs_run_push_thread_default (run);
  lsobs_run_unref (run);
  g_object_unref (gone);
  g_assert_nonnull (exporter);
  g_assert_true (lsobs_run_get_thread_default () == run);
  assert_nests (fixture->observer, NULL);
  lsobs_run_pop_thread_default (run);
  g_assert_null (exporter);
  run_fixture_flush (fixture);
}

/* @data: whether tracing is on, and the sampler keeps nothing */
static void
test_left_out (gconstpointer data)
{
  gboolean tracing = GPOINTER_TO_INT (data);
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "none");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (GPtrArray) events = NULL;

  lsobs_config_set_tracing_enabled (config, tracing);
  lsobs_config_set_sampling_rate (config, tracing ? 0 : 1);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);
  run = start (observer, "run");
  lsobs_run_push_thread_default (run);
  child = start (observer, "child");
  assert_below (child, run);
  g_assert_false (lsobs_run_is_sampled (child));
  lsobs_run_pop_thread_default (run);
  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 0);
}

/* --- pops and ends in another order --- */

/* Each pop takes off what it belongs to, and nothing else. */
static void
test_pop_order (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) outer = start (fixture->observer, "outer");
  g_autoptr (LsobsRun) middle = start (fixture->observer, "middle");
  g_autoptr (LsobsRun) inner = start (fixture->observer, "inner");
  LsobsRunPusher *first = lsobs_run_pusher_new (outer);
  LsobsRunPusher *second = lsobs_run_pusher_new (middle);
  LsobsRunPusher *third;

  lsobs_run_push_thread_default (inner);
  third = lsobs_run_pusher_new (outer);
  lsobs_run_pusher_free (second);
  assert_nests (fixture->observer, outer);
  /* That of its last push. */
  lsobs_run_pop_thread_default (outer);
  assert_nests (fixture->observer, inner);
  /* The entry is off already, which is no harm. */
  lsobs_run_pusher_free (third);
  assert_nests (fixture->observer, inner);
  lsobs_run_pusher_free (first);
  assert_nests (fixture->observer, inner);
  lsobs_run_pop_thread_default (inner);
  g_assert_null (lsobs_run_get_thread_default ());
  assert_nests (fixture->observer, NULL);
  lsobs_run_end (inner, NULL);
  lsobs_run_end (middle, NULL);
  lsobs_run_end (outer, NULL);
  run_fixture_flush (fixture);
}

/* @data: whether the runs are sampled
 *
 * An ended run is no parent: the nearest one is that goes on, or none. */
static void
test_ended (gconstpointer data)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "ended");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) outer = NULL;
  g_autoptr (LsobsRun) middle = NULL;
  g_autoptr (LsobsRun) inner = NULL;
  g_autoptr (LsobsRun) child = NULL;

  lsobs_config_set_sampling_rate (config, GPOINTER_TO_INT (data) ? 1 : 0);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);
  outer = start (observer, "outer");
  middle = lsobs_run_start_child (outer, "middle", LSOBS_RUN_TYPE_CHAIN, NULL);
  inner = lsobs_run_start_child (middle, "inner", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_push_thread_default (outer);
  lsobs_run_push_thread_default (middle);
  lsobs_run_push_thread_default (inner);
  lsobs_run_end (middle, NULL);
  assert_nests (observer, inner);
  lsobs_run_fail_with_message (inner, "so it is");
  g_assert_true (lsobs_run_get_thread_default () == outer);
  assert_nests (observer, outer);
  /* By hand, it still is. */
  child = lsobs_run_start_child (inner, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  assert_below (child, inner);
  lsobs_run_end (outer, NULL);
  g_assert_null (lsobs_run_get_thread_default ());
  g_assert_null (lsobs_run_ref_thread_default ());
  assert_nests (observer, NULL);
  lsobs_run_pop_thread_default (outer);
  lsobs_run_pop_thread_default (inner);
  lsobs_run_pop_thread_default (middle);
  lsobs_run_end (child, NULL);
}

/* What hides the runs of its thread hides them also when those above it have ended. */
static void
test_ended_above_none (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) outer = start (fixture->observer, "outer");
  g_autoptr (LsobsRun) inner = start (fixture->observer, "inner");
  g_autoptr (LsobsRunPusher) first = lsobs_run_pusher_new (outer);
  g_autoptr (LsobsRunPusher) none = lsobs_run_pusher_new (NULL);
  g_autoptr (LsobsRunPusher) second = lsobs_run_pusher_new (inner);

  lsobs_run_end (inner, NULL);
  assert_nests (fixture->observer, NULL);
  lsobs_run_end (outer, NULL);
  run_fixture_flush (fixture);
}

static gpointer
pop_elsewhere (gpointer run)
{
  lsobs_run_pop_thread_default (run);
  return NULL;
}

static void
test_mistakes (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) outer = start (fixture->observer, "outer");
  g_autoptr (LsobsRun) inner = start (fixture->observer, "inner");

  lsobs_run_push_thread_default (inner);
  g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*entry != NULL*");
  lsobs_run_pop_thread_default (outer);
  g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*entry != NULL*");
  g_thread_join (g_thread_new ("pop", pop_elsewhere, inner));
  g_test_assert_expected_messages ();
  g_assert_true (lsobs_run_get_thread_default () == inner);
  lsobs_run_pop_thread_default (inner);
  lsobs_run_end (outer, NULL);
  lsobs_run_end (inner, NULL);
  run_fixture_flush (fixture);
}

/* --- wrap --- */

typedef struct
{
  LsobsObserver *observer;
  gboolean ends;
  gboolean fails;
} Work;

static void
do_work (LsobsRun *run, gpointer user_data, GError **error)
{
  const Work *work = user_data;
  g_autoptr (JsonNode) outputs = run_json ("{\"done\":true}");

  g_assert_true (lsobs_run_get_thread_default () == run);
  assert_nests (work->observer, run);
  if (work->ends)
    lsobs_run_end (run, outputs);
  if (work->fails)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "too busy");
}

static const Work works[] = {
  { NULL, FALSE, FALSE },
  { NULL, TRUE, FALSE },
  { NULL, FALSE, TRUE },
  { NULL, TRUE, TRUE },
};

static void
test_wrap (RunFixture *fixture, gconstpointer data)
{
  Work work = *(const Work *) data;
  g_autoptr (LsobsRun) run = start (fixture->observer, "run");
  g_autoptr (LsobsRun) again = start (fixture->observer, "again");
  g_autoptr (GError) error = NULL;
  WireRun *sent;

  work.observer = fixture->observer;
  if (lsobs_run_wrap (run, do_work, &work, &error))
    g_assert_no_error (error);
  else
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_true ((error != NULL) == work.fails);
  g_assert_null (lsobs_run_get_thread_default ());
  /* Nobody has to want the error. */
  g_assert_true (lsobs_run_wrap (again, do_work, &work, NULL) == !work.fails);

  run_fixture_flush (fixture);
  sent = run_fixture_find (fixture, "run");
  run_assert_member (sent, "outputs", work.ends ? "{\"done\":true}" : NULL);
  run_assert_member (sent, "error", work.fails && !work.ends ? "\"too busy\"" : NULL);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 0);
}

/* @data: what the program does with the run after its end, which is told, as it may be that its work
 * only began in the function */
typedef enum
{
  GO_ON_ENDING,
  GO_ON_NOTING,
  GO_ON_BELOW
} GoingOn;

static void
test_wrap_early (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = start (fixture->observer, "hasty");
  g_autoptr (LsobsRun) child = NULL;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
      g_test_trap_assert_passed ();
      lsobs_run_end (run, NULL);
      run_fixture_flush (fixture);
      return;
    }
  g_assert_true (lsobs_run_wrap (run, do_work, &(Work){ fixture->observer, FALSE, FALSE }, NULL));
  g_test_expect_message ("Lsobs", G_LOG_LEVEL_MESSAGE, "*hasty*goes on after its end*wrap*");
  /* Once. */
  for (guint i = 0; i < 2; i++)
    switch ((GoingOn) GPOINTER_TO_INT (data))
      {
      case GO_ON_ENDING:
        lsobs_run_end (run, NULL);
        break;
      case GO_ON_NOTING:
        lsobs_run_add_tag (run, "late");
        break;
      case GO_ON_BELOW:
        g_clear_pointer (&child, lsobs_run_unref);
        child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
        lsobs_run_end (child, NULL);
        break;
      default:
        g_assert_not_reached ();
      }
  g_test_assert_expected_messages ();
  run_fixture_flush (fixture);
}

/* --- threads --- */

typedef struct
{
  LsobsObserver *observer;
  RunBarrier *barrier;
} ThreadData;

static gpointer
nest_in_thread (gpointer user_data)
{
  ThreadData *data = user_data;
  g_autoptr (LsobsRun) run = NULL;

  /* That of the thread that has made this one is not ours. */
  g_assert_null (lsobs_run_get_thread_default ());
  run = start (data->observer, "root");
  assert_below (run, NULL);
  lsobs_run_push_thread_default (run);
  run_barrier_wait (data->barrier);
  assert_nests (data->observer, run);
  lsobs_run_pop_thread_default (run);
  lsobs_run_end (run, NULL);
  return NULL;
}

static void
test_threads (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture->observer, "main");
  g_autoptr (LsobsRunPusher) pusher = lsobs_run_pusher_new (run);
  RunBarrier barriers[1];
  ThreadData thread_data = { fixture->observer, barriers };
  GThread *threads[4];

  run_barrier_init (barriers, G_N_ELEMENTS (threads));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("nest", nest_in_thread, &thread_data);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  run_barrier_clear (barriers);
  assert_nests (fixture->observer, run);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
}

static gpointer
free_elsewhere (gpointer pusher)
{
  lsobs_run_pusher_free (pusher);
  return NULL;
}

/* Freed in another thread, a pusher pops in that which it was made in. */
static void
test_free_elsewhere (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) outer = start (fixture->observer, "outer");
  g_autoptr (LsobsRun) inner = start (fixture->observer, "inner");

  lsobs_run_push_thread_default (outer);
  for (guint i = 0; i < 2; i++)
    {
      LsobsRunPusher *pusher = lsobs_run_pusher_new (inner);

      if (i == 1)
        lsobs_run_push_thread_default (outer);
      g_thread_join (g_thread_new ("free", free_elsewhere, pusher));
      assert_nests (fixture->observer, outer);
      g_assert_true (lsobs_run_get_thread_default () == outer);
    }
  lsobs_run_pop_thread_default (outer);
  lsobs_run_pop_thread_default (outer);
  g_assert_null (lsobs_run_get_thread_default ());
  lsobs_run_end (inner, NULL);
  lsobs_run_end (outer, NULL);
  run_fixture_flush (fixture);
}

#define N_PUSHES 2000

/* Frees each pusher of @queue, until there is one of no run. */
static gpointer
free_all (gpointer queue)
{
  LsobsRunPusher *pusher;

  while ((pusher = g_async_queue_pop (queue)) != queue)
    lsobs_run_pusher_free (pusher);
  return NULL;
}

/* One thread pushes, asks and pops while another one frees its pushers. */
static void
test_free_at_once (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture->observer, "run");
  g_autoptr (GAsyncQueue) queue = g_async_queue_new ();
  GThread *thread = g_thread_new ("free", free_all, queue);

  for (guint i = 0; i < N_PUSHES; i++)
    {
      LsobsRun *current;

      g_async_queue_push (queue, lsobs_run_pusher_new (run));
      lsobs_run_push_thread_default (run);
      current = lsobs_run_get_thread_default ();
      g_assert_true (current == run);
      lsobs_run_pop_thread_default (run);
    }
  g_async_queue_push (queue, queue);
  g_thread_join (thread);
  g_assert_null (lsobs_run_get_thread_default ());
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
}

static gpointer
push_and_end (gpointer run)
{
  return lsobs_run_pusher_new (run);
}

/* A pusher may outlive the thread that has pushed it, whose stack is gone by then. */
static void
test_free_after_thread (void)
{
  LsobsObserver *observer = new_observer ();
  LsobsExporter *exporter = lsobs_observer_get_exporter (observer);
  LsobsRun *run = start (observer, "run");
  LsobsRunPusher *pusher = g_thread_join (g_thread_new ("push", push_and_end, run));

  g_object_add_weak_pointer (G_OBJECT (exporter), (gpointer *) &exporter);
  lsobs_run_unref (run);
  g_object_unref (observer);
  g_assert_null (exporter);
  g_assert_null (lsobs_run_get_thread_default ());
  lsobs_run_pusher_free (pusher);
}

/* Takes the last reference to everything with it. */
static gpointer
leave_pushed (gpointer user_data)
{
  g_autoptr (LsobsObserver) observer = user_data;
  g_autoptr (LsobsRun) outer = start (observer, "outer");
  g_autoptr (LsobsRun) inner = start (observer, "inner");

  lsobs_run_push_thread_default (outer);
  lsobs_run_push_thread_default (inner);
  lsobs_run_set_metadata_string (inner, "left", "open");
  return NULL;
}

static void
test_thread_end (void)
{
  LsobsObserver *observer = new_observer ();
  LsobsExporter *exporter = lsobs_observer_get_exporter (observer);

  g_object_add_weak_pointer (G_OBJECT (exporter), (gpointer *) &exporter);
  g_thread_join (g_thread_new ("leave", leave_pushed, observer));
  g_assert_null (exporter);
}

/* --- tasks --- */

/* Called in a worker thread. */
static void
nest_in_task (GTask *task,
              gpointer source_object,
              gpointer task_data G_GNUC_UNUSED,
              GCancellable *cancellable G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunPusher) pusher = lsobs_run_pusher_new (lsobs_task_get_run (task));

  g_task_return_pointer (task, start (source_object, "in-task"), (GDestroyNotify) lsobs_run_unref);
}

/* @data: whether the task has a run */
static void
test_task_thread (RunFixture *fixture, gconstpointer data)
{
  gboolean has_run = GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) run = start (fixture->observer, "run");
  g_autoptr (LsobsRunPusher) pusher = lsobs_run_pusher_new (run);
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GTask) task = g_task_new (fixture->observer, NULL, test_result_cb, &result);
  g_autoptr (LsobsRun) child = NULL;

  g_assert_null (lsobs_task_get_run (task));
  if (has_run)
    lsobs_task_set_run (task, lsobs_run_get_thread_default ());
  g_task_run_in_thread (task, nest_in_task);
  child = g_task_propagate_pointer (G_TASK (test_result_wait (&result)), NULL);
  assert_below (child, has_run ? run : NULL);
  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
}

/* It is the task's own, until there is another one, or the task is gone. */
static void
test_task_reference (void)
{
  LsobsObserver *observer = new_observer ();
  LsobsExporter *exporter = lsobs_observer_get_exporter (observer);
  GTask *task = g_task_new (NULL, NULL, NULL, NULL);

  g_object_add_weak_pointer (G_OBJECT (exporter), (gpointer *) &exporter);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (LsobsRun) run = start (observer, "run");

      lsobs_task_set_run (task, run);
      g_assert_true (lsobs_task_get_run (task) == run);
    }
  lsobs_task_set_run (task, NULL);
  g_assert_null (lsobs_task_get_run (task));
  {
    g_autoptr (LsobsRun) run = start (observer, "run");

    lsobs_task_set_run (task, run);
  }
  g_object_unref (observer);
  g_assert_nonnull (exporter);
  g_assert_finalize_object (task);
  g_assert_null (exporter);
}

/* One of several asynchronous functions that take turns in the main loop. */
typedef struct
{
  LsobsObserver *observer;
  guint n_steps;
} Flow;

/* Called in the main loop. */
static gboolean
step_cb (gpointer user_data)
{
  GTask *task = user_data;
  Flow *flow = g_task_get_task_data (task);
  LsobsRun *run = lsobs_task_get_run (task);

  /* Nothing of another one's is left. */
  g_assert_null (lsobs_run_get_thread_default ());
  lsobs_run_push_thread_default (run);
  assert_nests (flow->observer, run);
  lsobs_run_pop_thread_default (run);
  if (++flow->n_steps < N_STEPS)
    return G_SOURCE_CONTINUE;
  lsobs_run_end (run, NULL);
  g_task_return_boolean (task, TRUE);
  return G_SOURCE_REMOVE;
}

static void
flow_async (LsobsObserver *observer, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (observer, NULL, callback, user_data);
  g_autoptr (LsobsRun) run = start (observer, "flow");
  g_autoptr (GSource) source = g_idle_source_new ();
  Flow *flow = g_new0 (Flow, 1);

  flow->observer = observer;
  g_task_set_task_data (task, flow, g_free);
  lsobs_task_set_run (task, run);
  g_task_attach_source (task, source, step_cb);
}

static void
test_flows (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TestResult results[3] = { TEST_RESULT_INIT, TEST_RESULT_INIT, TEST_RESULT_INIT };
  g_autoptr (LsobsRun) run = start (fixture->observer, "run");

  {
    g_autoptr (LsobsRunPusher) pusher = lsobs_run_pusher_new (run);

    for (guint i = 0; i < G_N_ELEMENTS (results); i++)
      flow_async (fixture->observer, test_result_cb, &results[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      GTask *task = G_TASK (test_result_wait (&results[i]));

      assert_below (lsobs_task_get_run (task), run);
      g_assert_true (g_task_propagate_boolean (task, NULL));
      test_result_clear (&results[i]);
    }
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
}

/* --- forks --- */

static void
child_nests (RunFixture *fixture, gpointer run)
{
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autoptr (LsobsRun) nested = start (fixture->observer, "nested");
  g_autofree char *parent_id = lsobs_run_dup_parent_id (nested);

  child_assert (lsobs_run_get_thread_default () == run);
  child_assert (g_strcmp0 (parent_id, id) == 0);
  lsobs_run_push_thread_default (nested);
  lsobs_run_pop_thread_default (nested);
  lsobs_run_pop_thread_default (run);
  child_assert (lsobs_run_get_thread_default () == NULL);
  lsobs_run_end (nested, NULL);
  fork_child_flush (fixture);
}

static void
test_fork (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture->observer, "run");
  g_autoptr (LsobsRunPusher) pusher = NULL;

  if (fork_skip ())
    return;
  pusher = lsobs_run_pusher_new (run);
  fork_run (child_nests, fixture, run);
  assert_nests (fixture->observer, run);
  run_fixture_finish (fixture, run);
  g_assert_cmpstr (run_fixture_find (fixture, "nested")->parent_id, ==,
                   run_fixture_find (fixture, "run")->id);
}

static void
add (const char *path, gconstpointer data, void (*test_func) (RunFixture *, gconstpointer))
{
  g_test_add (path, RunFixture, data, run_fixture_set_up_started, test_func, run_fixture_tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("How runs find their parent: the current run of threads and tasks.");

  add ("/run-context/stack", NULL, test_stack);
  add ("/run-context/pusher", NULL, test_pusher);
  add ("/run-context/reference", NULL, test_reference);
  add ("/run-context/forms", NULL, test_forms);
  add ("/run-context/observers", NULL, test_observers);
  add ("/run-context/observer-gone", NULL, test_observer_gone);
  g_test_add_data_func ("/run-context/unsampled", GINT_TO_POINTER (TRUE), test_left_out);
  g_test_add_data_func ("/run-context/tracing-off", GINT_TO_POINTER (FALSE), test_left_out);
  add ("/run-context/pop-order", NULL, test_pop_order);
  g_test_add_data_func ("/run-context/ended/sampled", GINT_TO_POINTER (TRUE), test_ended);
  g_test_add_data_func ("/run-context/ended/unsampled", GINT_TO_POINTER (FALSE), test_ended);
  add ("/run-context/ended/above-none", NULL, test_ended_above_none);
  add ("/run-context/mistakes", NULL, test_mistakes);
  add ("/run-context/wrap/nothing", &works[0], test_wrap);
  add ("/run-context/wrap/ended", &works[1], test_wrap);
  add ("/run-context/wrap/failed", &works[2], test_wrap);
  add ("/run-context/wrap/ended-and-failed", &works[3], test_wrap);
  add ("/run-context/wrap/early-end", GINT_TO_POINTER (GO_ON_ENDING), test_wrap_early);
  add ("/run-context/wrap/early-note", GINT_TO_POINTER (GO_ON_NOTING), test_wrap_early);
  add ("/run-context/wrap/early-child", GINT_TO_POINTER (GO_ON_BELOW), test_wrap_early);
  add ("/run-context/threads", NULL, test_threads);
  add ("/run-context/threads/free-elsewhere", NULL, test_free_elsewhere);
  add ("/run-context/threads/free-at-once", NULL, test_free_at_once);
  g_test_add_func ("/run-context/threads/free-after-thread", test_free_after_thread);
  g_test_add_func ("/run-context/thread-end", test_thread_end);
  add ("/run-context/task/thread", GINT_TO_POINTER (TRUE), test_task_thread);
  add ("/run-context/task/none", GINT_TO_POINTER (FALSE), test_task_thread);
  g_test_add_func ("/run-context/task/reference", test_task_reference);
  add ("/run-context/task/flows", NULL, test_flows);
  add ("/run-context/fork", NULL, test_fork);
  return g_test_run ();
}
