/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <string.h>

#include "tests/lib/graph-helpers.h"

/* Which threads and main contexts an observer uses, and when it leaves them alone. */

#define INTERVAL_MS 20
#define N_BATCHES   20

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
}

/* @context: (nullable): where all of the sending happens, or NULL for a thread */
static void
start_in_context (RunFixture *fixture, GMainContext *context)
{
  g_autoptr (GError) error = NULL;

  fixture->observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", fixture->config,
                                      "main-context", context, NULL);
  g_assert_no_error (error);
  fixture->exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));
}

static void
record (RunFixture *fixture, const char *name)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);

  lsobs_run_end (run, NULL);
}

/* --- threads, as the kernel sees them --- */

static gboolean
is_flush_thread (const char *tid)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%s/comm", tid);
  g_autofree char *name = NULL;

  return g_file_get_contents (path, &name, NULL, NULL) && g_str_has_prefix (name, "lsobs-flush");
}

/* The number of flush threads; @tid gets one of them. */
static guint
count_flush_threads (char **tid)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  const char *entry;
  guint n = 0;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    if (is_flush_thread (entry))
      {
        n++;
        if (tid != NULL)
          {
            g_free (*tid);
            *tid = g_strdup (entry);
          }
      }
  return n;
}

static gboolean
skip_without_proc (void)
{
  if (g_file_test ("/proc/self/task", G_FILE_TEST_IS_DIR))
    return FALSE;
  g_test_skip ("No /proc/self/task here");
  return TRUE;
}

static gboolean
has_one_thread (gpointer user_data G_GNUC_UNUSED)
{
  return count_flush_threads (NULL) == 1;
}

static gboolean
has_no_thread (gpointer user_data G_GNUC_UNUSED)
{
  return count_flush_threads (NULL) == 0;
}

static void
test_lazy_thread (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (skip_without_proc ())
    return;
  run_fixture_start (fixture);
  run_fixture_flush (fixture);
  lsobs_stats_unref (lsobs_observer_dup_stats (fixture->observer));
  g_assert_cmpuint (count_flush_threads (NULL), ==, 0);
  record (fixture, "run");
  g_assert_true (test_wait_until (has_one_thread, NULL, TEST_TIMEOUT_MS));
  record (fixture, "run");
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_flush_threads (NULL), ==, 1);
  lsobs_observer_shutdown (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_true (test_wait_until (has_no_thread, NULL, TEST_TIMEOUT_MS));
  record (fixture, "late");
  g_assert_cmpuint (count_flush_threads (NULL), ==, 0);
}

static void
test_unsampled_thread (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (skip_without_proc ())
    return;
  lsobs_config_set_sampling_rate (fixture->config, 0.0);
  run_fixture_start (fixture);
  record (fixture, "run");
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_flush_threads (NULL), ==, 0);
}

static void
test_no_thread (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (skip_without_proc ())
    return;
  start_in_context (fixture, g_main_context_default ());
  record (fixture, "run");
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_flush_threads (NULL), ==, 0);
}

/* How often a thread has gone to sleep so far. */
static guint64
count_sleeps (const char *tid)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%s/status", tid);
  g_autofree char *status = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &status, NULL, NULL));
  line = strstr (status, "\nvoluntary_ctxt_switches:");
  return line != NULL ? g_ascii_strtoull (strchr (line, ':') + 1, NULL, 10) : 0;
}

/* Something else to do, for many flush intervals. */
static void
work_elsewhere (void)
{
  gint64 end = g_get_monotonic_time () + 10 * INTERVAL_MS * 1000;
  g_autoptr (LsobsConfig) config = lsobs_config_new (RUN_API_KEY, RUN_PROJECT);
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();

  while (g_get_monotonic_time () < end)
    {
      g_autoptr (LsobsObserver) observer =
          g_initable_new (LSOBS_TYPE_OBSERVER, NULL, NULL, "config", config, "transport", transport,
                          "main-context", g_main_context_default (), NULL);
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (observer, "other", LSOBS_RUN_TYPE_CHAIN, NULL);

      lsobs_run_end (run, NULL);
      lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL);
      lsobs_memory_transport_clear (transport);
    }
}

/* Idle means asleep. What a pipeline leaves to do may still go on at first. */
static void
test_idle (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *tid = NULL;
  guint n_tries = 0;
  guint64 before;
  guint64 after;

  if (skip_without_proc ())
    return;
  lsobs_config_set_flush_interval (fixture->config, INTERVAL_MS);
  run_fixture_start (fixture);
  record (fixture, "run");
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_flush_threads (&tid), ==, 1);
  do
    {
      before = count_sleeps (tid);
      work_elsewhere ();
      after = count_sleeps (tid);
    }
  while (after != before && ++n_tries < 20);
  g_assert_cmpuint (after, ==, before);
}

/* --- signals --- */

typedef struct
{
  GMutex lock;
  GCond cond;
  RunFixture *fixture;
  GMainContext *context; /* (owned) */
  gboolean ready;        /* guarded by lock, as are the others */
  gboolean run_now;
  gboolean stop;
  guint n_signals;
  guint n_notifications;
  guint64 n_delivered;
  guint64 n_lost;
  GThread *thread;
  GThread *wrong_thread; /* (nullable) */
} Listener;

static void
listener_note (Listener *listener)
{
  if (g_thread_self () != listener->thread)
    listener->wrong_thread = g_thread_self ();
  g_cond_broadcast (&listener->cond);
}

static void
batch_finished_cb (LsobsObserver *observer G_GNUC_UNUSED,
                   guint64 n_delivered,
                   guint64 n_lost,
                   gpointer user_data)
{
  Listener *listener = user_data;

  g_mutex_lock (&listener->lock);
  listener->n_signals++;
  listener->n_delivered += n_delivered;
  listener->n_lost += n_lost;
  listener_note (listener);
  g_mutex_unlock (&listener->lock);
}

static void
notify_state_cb (GObject *object G_GNUC_UNUSED, GParamSpec *pspec G_GNUC_UNUSED, gpointer user_data)
{
  Listener *listener = user_data;

  g_mutex_lock (&listener->lock);
  listener->n_notifications++;
  listener_note (listener);
  g_mutex_unlock (&listener->lock);
}

static void
listen (Listener *listener)
{
  g_signal_connect (listener->fixture->observer, "batch-finished", G_CALLBACK (batch_finished_cb),
                    listener);
  g_signal_connect (listener->fixture->observer, "notify::state", G_CALLBACK (notify_state_cb),
                    listener);
}

/* Makes the observer, waits for the word to go, and then runs its context. */
static gpointer
listener_thread (gpointer user_data)
{
  Listener *listener = user_data;

  g_main_context_push_thread_default (listener->context);
  run_fixture_start (listener->fixture);
  listen (listener);
  g_mutex_lock (&listener->lock);
  listener->thread = g_thread_self ();
  listener->ready = TRUE;
  g_cond_broadcast (&listener->cond);
  while (!listener->run_now)
    g_cond_wait (&listener->cond, &listener->lock);
  while (!listener->stop)
    {
      g_mutex_unlock (&listener->lock);
      g_main_context_iteration (listener->context, TRUE);
      g_mutex_lock (&listener->lock);
    }
  g_mutex_unlock (&listener->lock);
  g_main_context_pop_thread_default (listener->context);
  return NULL;
}

static GThread *
listener_start (Listener *listener, RunFixture *fixture)
{
  GThread *thread;

  memset (listener, 0, sizeof *listener);
  g_mutex_init (&listener->lock);
  g_cond_init (&listener->cond);
  listener->fixture = fixture;
  listener->context = g_main_context_new ();
  thread = g_thread_new ("listener", listener_thread, listener);
  g_mutex_lock (&listener->lock);
  while (!listener->ready)
    g_cond_wait (&listener->cond, &listener->lock);
  g_mutex_unlock (&listener->lock);
  return thread;
}

/* Lets the context run until so many records were told of. */
static gboolean
listener_wait (Listener *listener, guint64 n_records)
{
  gint64 deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
  gboolean in_time = TRUE;

  g_mutex_lock (&listener->lock);
  listener->run_now = TRUE;
  g_cond_broadcast (&listener->cond);
  while (listener->n_delivered + listener->n_lost < n_records && in_time)
    in_time = g_cond_wait_until (&listener->cond, &listener->lock, deadline);
  g_mutex_unlock (&listener->lock);
  return in_time;
}

static void
listener_stop (Listener *listener, GThread *thread)
{
  g_mutex_lock (&listener->lock);
  listener->run_now = TRUE;
  listener->stop = TRUE;
  g_cond_broadcast (&listener->cond);
  g_mutex_unlock (&listener->lock);
  g_main_context_wakeup (listener->context);
  g_thread_join (thread);
  g_signal_handlers_disconnect_by_data (listener->fixture->observer, listener);
  g_main_context_unref (listener->context);
  g_mutex_clear (&listener->lock);
  g_cond_clear (&listener->cond);
}

static void
test_signal_context (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  GThread *thread = listener_start (&listener, fixture);

  record (fixture, "run");
  run_fixture_flush (fixture);
  test_drain_context ();
  g_assert_cmpuint (listener.n_signals, ==, 0);
  g_assert_true (listener_wait (&listener, 1));
  record (fixture, "run");
  run_fixture_flush (fixture);
  g_assert_true (listener_wait (&listener, 2));
  listener_stop (&listener, thread);
  g_assert_null (listener.wrong_thread);
  g_assert_cmpuint (listener.n_lost, ==, 0);
  g_assert_cmpuint (listener.n_notifications, ==, 0);
}

/* News for a context that does not run are added up. */
static void
test_signal_backlog (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  GThread *thread = listener_start (&listener, fixture);

  for (guint i = 0; i < N_BATCHES; i++)
    {
      record (fixture, "run");
      run_fixture_flush (fixture);
    }
  g_assert_true (listener_wait (&listener, N_BATCHES));
  listener_stop (&listener, thread);
  g_assert_cmpuint (listener.n_delivered, ==, N_BATCHES);
  g_assert_cmpuint (listener.n_signals, <=, 2);
  g_assert_null (listener.wrong_thread);
}

static gboolean
has_news (gpointer user_data)
{
  Listener *listener = user_data;

  return listener->n_delivered + listener->n_lost >= 1;
}

/* Changes of state only, each told once. */
static void
test_state (RunFixture *fixture, gconstpointer data)
{
  Listener listener = { .fixture = fixture, .thread = g_thread_self () };

  g_mutex_init (&listener.lock);
  g_cond_init (&listener.cond);
  lsobs_config_set_max_attempts (fixture->config, 1);
  start_in_context (fixture, data != NULL ? g_main_context_default () : NULL);
  listen (&listener);

  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 405 });
  record (fixture, "lost");
  g_assert_false (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (test_wait_until (has_news, &listener, TEST_TIMEOUT_MS));
  g_assert_cmpuint (listener.n_notifications, ==, 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_DEGRADED);
  g_assert_cmpuint (listener.n_lost, ==, 1);

  for (guint i = 0; i < 2; i++)
    {
      listener.n_delivered = listener.n_lost = 0;
      record (fixture, "run");
      run_fixture_flush (fixture);
      g_assert_true (test_wait_until (has_news, &listener, TEST_TIMEOUT_MS));
      g_assert_cmpuint (listener.n_notifications, ==, 2);
      g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
    }
  g_assert_null (listener.wrong_thread);
  g_signal_handlers_disconnect_by_data (fixture->observer, &listener);
  g_mutex_clear (&listener.lock);
  g_cond_clear (&listener.cond);
}

/* --- a handler that ends everything --- */

static void
end_observer_cb (LsobsObserver *observer,
                 guint64 n_delivered G_GNUC_UNUSED,
                 guint64 n_lost G_GNUC_UNUSED,
                 gpointer user_data)
{
  RunFixture *fixture = user_data;

  lsobs_observer_shutdown (observer, TEST_TIMEOUT_MS, NULL, NULL);
  g_clear_object (&fixture->observer);
}

static gboolean
observer_is_gone (gpointer user_data)
{
  return ((RunFixture *) user_data)->observer == NULL;
}

static void
test_end_in_handler (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) open = NULL;

  start_in_context (fixture, data != NULL ? g_main_context_default () : NULL);
  g_signal_connect (fixture->observer, "batch-finished", G_CALLBACK (end_observer_cb), fixture);
  record (fixture, "run");
  run_fixture_flush (fixture);
  if (fixture->observer != NULL)
    open = lsobs_observer_start_run (fixture->observer, "open", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (test_wait_until (observer_is_gone, fixture, TEST_TIMEOUT_MS));
  run_fixture_flush (fixture);
  run_fixture_find (fixture, "run");
}

/* --- the program's context --- */

static void
record_tree (RunFixture *fixture)
{
  g_autoptr (LsobsInvocation) turn =
      lsobs_observer_begin_invocation (fixture->observer, "turn", NULL);

  for (guint i = 0; i < 60; i++)
    {
      graph_start (turn, "agent", "{\"in\":1}");
      graph_call (turn, "agent", "calc", "1", "[2]");
      graph_result (turn, "agent", "calc", "1", "3");
      if (i % 7 == 0)
        graph_error (turn, "agent", "broken");
      else
        graph_end (turn, "agent", "{\"out\":4}", -1);
      if (i % 20 == 0)
        run_fixture_flush (fixture);
    }
  lsobs_invocation_end (turn, NULL);
  run_fixture_flush (fixture);
}

/* Thread or context, the service sees the same. */
static void
test_same_tree (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const WireTreeTextFlags flags = WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_ERRORS;
  g_autofree char *in_thread = NULL;
  g_autofree char *in_context = NULL;

  run_fixture_start (fixture);
  record_tree (fixture);
  in_thread = wire_tree_to_string (fixture->tree, flags);
  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->exporter);
  test_server_clear (fixture->server);
  start_in_context (fixture, g_main_context_default ());
  record_tree (fixture);
  in_context = wire_tree_to_string (fixture->tree, flags);
  g_assert_cmpstr (in_thread, ==, in_context);
}

static gboolean
is_delivered (gpointer user_data)
{
  return run_fixture_get (user_data, LSOBS_COUNTER_DELIVERED) == 2;
}

/* The loop alone is enough: by interval, and by a full batch. */
static void
test_loop (RunFixture *fixture, gconstpointer data)
{
  if (data != NULL)
    lsobs_config_set_max_batch_size (fixture->config, 2);
  else
    lsobs_config_set_flush_interval (fixture->config, 1);
  start_in_context (fixture, g_main_context_default ());
  record (fixture, "first");
  record (fixture, "second");
  g_assert_true (test_wait_until (is_delivered, fixture, TEST_TIMEOUT_MS));
}

static gpointer
flush_thread (gpointer user_data)
{
  RunFixture *fixture = user_data;

  return GINT_TO_POINTER (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
}

/* Another thread flushes; where nobody runs the context, it does so itself. */
static void
test_flush_from_thread (RunFixture *fixture, gconstpointer data)
{
  gboolean run_context = data != NULL;
  g_autoptr (GMainContext) context = g_main_context_new ();
  GThread *thread;

  start_in_context (fixture, run_context ? g_main_context_default () : context);
  record (fixture, "first");
  record (fixture, "second");
  thread = g_thread_new ("flush", flush_thread, fixture);
  if (run_context)
    g_assert_true (test_wait_until (is_delivered, fixture, TEST_TIMEOUT_MS));
  g_assert_true (GPOINTER_TO_INT (g_thread_join (thread)));
  g_assert_true (is_delivered (fixture));
}

static void
add (const char *path, gconstpointer data, void (*test_func) (RunFixture *, gconstpointer))
{
  g_test_add (path, RunFixture, data, set_up, test_func, run_fixture_tear_down);
}

int
main (int argc, char **argv)
{
  const gconstpointer yes = GINT_TO_POINTER (TRUE);

  g_test_init (&argc, &argv, NULL);
  g_test_summary (
      "An observer has the threads it needs, and speaks in the context it was made in.");

  add ("/observer-context/thread/lazy", NULL, test_lazy_thread);
  add ("/observer-context/thread/unsampled", NULL, test_unsampled_thread);
  add ("/observer-context/thread/none", NULL, test_no_thread);
  add ("/observer-context/thread/idle", NULL, test_idle);
  add ("/observer-context/signal/context", NULL, test_signal_context);
  add ("/observer-context/signal/backlog", NULL, test_signal_backlog);
  add ("/observer-context/state/thread", NULL, test_state);
  add ("/observer-context/state/main-context", yes, test_state);
  add ("/observer-context/end-in-handler/thread", NULL, test_end_in_handler);
  add ("/observer-context/end-in-handler/main-context", yes, test_end_in_handler);
  add ("/observer-context/same-tree", NULL, test_same_tree);
  add ("/observer-context/loop/interval", NULL, test_loop);
  add ("/observer-context/loop/batch", yes, test_loop);
  add ("/observer-context/flush-from-thread/idle-context", NULL, test_flush_from_thread);
  add ("/observer-context/flush-from-thread/running-context", yes, test_flush_from_thread);
  return g_test_run ();
}
