/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service does not take now waits in the spool, and arrives once. */

#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/once-service.h"

#define WORKSPACE "11111111-2222-4333-8444-555555555555"

typedef struct
{
  TestFixture base;
  char *parent;         /* (owned) */
  char *dir;            /* (owned) in it, and not there yet */
  OnceService *service; /* (owned) what the server is */
  int n_asked;          /* (atomic) */
} Fixture;

static guint
count_known (Fixture *fixture)
{
  return once_service_count (fixture->service);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  test_fixture_set_up (&fixture->base, data);
  fixture->parent = failed_traces_make_dir ();
  fixture->dir = g_build_filename (fixture->parent, "spool", NULL);
  fixture->service = once_service_new ();
  test_server_set_handler (fixture->base.server, once_service_answer_cb, fixture->service);
  lsobs_config_set_spool_dir (fixture->base.config, fixture->dir);
  lsobs_config_set_spool_delay (fixture->base.config, 0);
  lsobs_config_set_max_attempts (fixture->base.config, 2);
  lsobs_config_set_flush_interval (fixture->base.config, 10);
  lsobs_config_set_workspace_id (fixture->base.config, WORKSPACE);
  fixture->base.is_free = TRUE;
}

/* Nothing in the spool tells the key. */
static void
assert_no_key (const char *dir)
{
  g_autoptr (GPtrArray) names = failed_traces_list (dir);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, g_ptr_array_index (names, i), NULL);
      g_autofree char *text = NULL;

      /* It may be sent meanwhile. */
      if (g_file_get_contents (path, &text, NULL, NULL))
        g_assert_null (strstr (text, TEST_KEY));
    }
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_fixture_tear_down (&fixture->base, data);
  g_assert_false (test_log_contains (TEST_KEY));
  assert_no_key (fixture->dir);
  failed_traces_remove_dir (fixture->parent);
  g_free (fixture->parent);
  g_free (fixture->dir);
  once_service_free (fixture->service);
}

static guint64
get (Fixture *fixture, LsobsCounter counter)
{
  return test_get_counter (fixture->base.exporter, counter);
}

static guint
count_files (Fixture *fixture)
{
  g_autoptr (GPtrArray) names = failed_traces_list (fixture->dir);

  return names->len;
}

static gboolean
is_empty (gpointer data)
{
  return count_files (data) == 0;
}

/* Ends the observer when so many records are in the spool. */
static void
stop_spooled (Fixture *fixture, guint n_records)
{
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED, n_records));
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOLED), ==, n_records);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 0);
  test_assert_books (fixture->base.exporter);
  test_fixture_stop (&fixture->base);
}

/* Puts so many runs into one file of the spool, also on a busy machine.
 * @bad: (nullable): the name of one more, in the middle */
static void
fill_one (Fixture *fixture, guint n_runs, const char *bad)
{
  guint n_records = n_runs + (bad != NULL ? 1 : 0);
  gint64 interval = lsobs_config_get_flush_interval (fixture->base.config);
  gint64 size = lsobs_config_get_max_batch_size (fixture->base.config);

  test_server_close_port (fixture->base.server);
  lsobs_config_set_flush_interval (fixture->base.config, TEST_NEVER_MS);
  lsobs_config_set_max_batch_size (fixture->base.config, n_records);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, n_runs / 2);
  if (bad != NULL)
    test_emit (fixture->base.exporter, bad);
  test_emit_many (fixture->base.exporter, n_runs - n_runs / 2);
  stop_spooled (fixture, n_records);
  lsobs_config_set_flush_interval (fixture->base.config, interval);
  lsobs_config_set_max_batch_size (fixture->base.config, size);
}

/* Fills the spool with so many files, each with so many runs, beside so many other files. */
static void
fill_more (Fixture *fixture, guint n_files, guint n_runs, guint n_others)
{
  for (guint i = 0; i < n_files; i++)
    fill_one (fixture, n_runs, NULL);
  g_assert_cmpuint (count_files (fixture), ==, n_others + n_files);
  test_server_open_port (fixture->base.server);
}

static void
fill (Fixture *fixture, guint n_files, guint n_runs)
{
  fill_more (fixture, n_files, n_runs, 0);
}

typedef struct
{
  guint n_delivered;
  guint n_failed;
} Counts;

/* Returns: (transfer full) (nullable) the error */
static GError *
drain (Fixture *fixture, Counts *counts)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  GError *error = NULL;
  gboolean done;

  lsobs_exporter_drain_spool_async (fixture->base.exporter, NULL, test_result_cb, &result);
  done = lsobs_exporter_drain_spool_finish (fixture->base.exporter, test_result_wait (&result),
                                            &counts->n_delivered, &counts->n_failed, &error);
  g_assert_true (done == (error == NULL));
  return error;
}

/* --- there and back --- */

/* What a shutdown leaves, the next start sends. */
static void
test_shutdown (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFlushStats stats;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_spool_delay (fixture->base.config, 86400000);
  test_server_close_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 30);
  g_assert_false (lsobs_observer_shutdown (fixture->base.observer, 3000, &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_SPOOLED);
  g_assert_cmpuint (stats.runs_spooled, ==, 30);
  g_assert_cmpuint (stats.runs_failed, ==, 0);
  stop_spooled (fixture, 30);
  test_server_open_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, 30));
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, 30);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_ENQUEUED), ==, 0);
}

/* Traces two runs.
 * @project: (nullable)
 * @name: of the root */
static void
trace_in_project (Fixture *fixture, const char *project, const char *name)
{
  g_autoptr (LsobsRun) root =
      lsobs_observer_start_run_in_project (fixture->base.observer, project, name,
                                           LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autofree char *child_name = g_strconcat (name, "-child", NULL);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (root, child_name, LSOBS_RUN_TYPE_TOOL, NULL);

  lsobs_run_end (child, NULL);
  lsobs_run_end (root, NULL);
}

/* The root of this name and its child are in the project. */
static void
assert_project (WireTree *tree, const char *name, const char *project)
{
  g_autofree char *child_name = g_strconcat (name, "-child", NULL);
  WireRun *root = wire_tree_find (tree, name);
  WireRun *child = wire_tree_find (tree, child_name);

  g_assert_nonnull (root);
  g_assert_nonnull (child);
  g_assert_cmpstr (wire_run_get_string (root, "session_name"), ==, project);
  g_assert_cmpstr (wire_run_get_string (child, "session_name"), ==, project);
}

/* Traces of several projects wait in the spool. Who has the project of the config sends them, each to
 * its own; a program with one of the other projects in its config does not. */
static void
test_projects (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;
  LsobsFlushStats stats;

  /* Each run is one record. */
  lsobs_config_set_flush_interval (fixture->base.config, 86400000);
  test_server_close_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  trace_in_project (fixture, "billing", "bill");
  trace_in_project (fixture, "support", "help");
  trace_in_project (fixture, NULL, "own");
  g_assert_false (lsobs_observer_shutdown (fixture->base.observer, 3000, &stats, NULL));
  g_assert_cmpuint (stats.runs_spooled, ==, 6);
  stop_spooled (fixture, 6);
  test_server_open_port (fixture->base.server);

  lsobs_config_set_flush_interval (fixture->base.config, 10);
  lsobs_config_set_project_name (fixture->base.config, "billing");
  test_fixture_start (&fixture->base);
  trace_in_project (fixture, NULL, "other");
  g_assert_true (test_flush_at_last (fixture->base.exporter));
  g_assert_null (drain (fixture, &(Counts){ 0 }));
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_DRAINED), ==, 0);
  test_fixture_stop (&fixture->base);

  lsobs_config_set_project_name (fixture->base.config, TEST_PROJECT);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, 6));
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  tree = test_server_build_tree (fixture->base.server);
  assert_project (tree, "bill", "billing");
  assert_project (tree, "help", "support");
  assert_project (tree, "own", TEST_PROJECT);
  assert_project (tree, "other", "billing");
}

static gboolean
has_spooled_some (gpointer data)
{
  return get (data, LSOBS_COUNTER_SPOOLED) >= 20;
}

/* The service goes and comes back while the program runs. */
static void
test_outage (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_emitted = 0;

  test_server_close_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  while (!has_spooled_some (fixture))
    {
      test_emit_many (fixture->base.exporter, 5);
      n_emitted += 5;
      g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_REQUESTS, 1));
      g_main_context_iteration (NULL, FALSE);
      g_thread_yield ();
      g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 0);
      while (get (fixture, LSOBS_COUNTER_QUEUED) > 100 && !has_spooled_some (fixture))
        g_thread_yield ();
    }
  test_server_open_port (fixture->base.server);
  g_assert_true (test_flush_at_last (fixture->base.exporter) ||
                 get (fixture, LSOBS_COUNTER_SPOOLED) > 0);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED,
                                    get (fixture, LSOBS_COUNTER_SPOOLED)));
  g_assert_cmpuint (count_known (fixture), ==, n_emitted);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_DELIVERED) + get (fixture, LSOBS_COUNTER_DRAINED),
                    ==, n_emitted);
}

/* A queue that would overflow does not. */
static void
test_full_queue (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n = 300;

  lsobs_config_set_queue_capacity (fixture->base.config, 40);
  lsobs_config_set_max_batch_size (fixture->base.config, 5);
  lsobs_config_set_spool_delay (fixture->base.config, 86400000);
  test_server_close_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  for (guint i = 0; i < n; i++)
    {
      test_emit (fixture->base.exporter, "run");
      while (get (fixture, LSOBS_COUNTER_QUEUED) > 35)
        g_thread_yield ();
    }
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 0);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED, n - 50));
  test_server_open_port (fixture->base.server);
  lsobs_observer_shutdown (fixture->base.observer, TEST_TIMEOUT_MS, NULL, NULL);
  test_fixture_stop (&fixture->base);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, n);
}

/* A run whose start went to the spool gets its end, whether that goes there or not. */
static void
test_end (Fixture *fixture, gconstpointer data)
{
  gboolean online = GPOINTER_TO_INT (data);
  g_autoptr (JsonNode) outputs = test_new_payload ("answer");
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (WireTree) tree = NULL;
  WireRun *found;

  lsobs_config_set_queue_capacity (fixture->base.config, 2);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  test_server_set_handler (fixture->base.server, NULL, NULL);
  test_fixture_start (&fixture->base);
  run = lsobs_observer_start_run (fixture->base.observer, "agent", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED, 1));
  if (online)
    test_server_switch (fixture->base.server, once_service_answer_cb, fixture->service);
  lsobs_run_end (run, outputs);
  g_clear_pointer (&run, lsobs_run_unref);
  lsobs_observer_shutdown (fixture->base.observer, 3000, NULL, NULL);
  test_fixture_stop (&fixture->base);
  if (!online)
    test_server_switch (fixture->base.server, once_service_answer_cb, fixture->service);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  tree = test_server_build_tree (fixture->base.server);
  found = wire_tree_find (tree, "agent");
  g_assert_nonnull (found);
  g_assert_cmpstr (wire_run_get_string (found, "outputs.text"), ==, "answer");
  g_assert_cmpuint (count_known (fixture), ==, 1);
  fixture->base.is_free = TRUE;
}

/* The start was refused for good, and is not in the spool: the end there is the whole run. If the
 * service knows the run all the same, it gets its end. */
static void
test_end_alone (Fixture *fixture, gconstpointer data)
{
  const gboolean known = GPOINTER_TO_INT (data);
  g_autofree char *id = NULL;
  g_autoptr (JsonNode) outputs = test_new_payload ("answer");
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (WireTree) tree = NULL;
  WireRun *found;

  test_server_set_handler (fixture->base.server, NULL, NULL);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 422 });
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  test_fixture_start (&fixture->base);
  run = lsobs_observer_start_run (fixture->base.observer, "agent", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  id = lsobs_run_dup_id (run);
  if (known)
    once_service_add (fixture->service, id);
  lsobs_run_end (run, outputs);
  g_clear_pointer (&run, lsobs_run_unref);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED, 1));
  test_fixture_stop (&fixture->base);
  test_server_switch (fixture->base.server, once_service_answer_cb, fixture->service);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, 1));
  g_assert_cmpuint (count_known (fixture), ==, 1);
  g_assert_cmpuint (once_service_count_ended (fixture->service), ==, 1);
  tree = test_server_build_tree (fixture->base.server);
  found = wire_tree_find (tree, "agent");
  g_assert_nonnull (found);
  if (!known)
    g_assert_cmpuint (found->n_posts, ==, 1);
  g_assert_cmpstr (wire_run_get_string (found, "outputs.text"), ==, "answer");
}

/* --- who sends it --- */

static void
change_key (LsobsConfig *config)
{
  lsobs_config_set_api_key (config, "lsv2_pt_another");
}

static void
change_project (LsobsConfig *config)
{
  lsobs_config_set_project_name (config, "another");
}

static void
change_workspace (LsobsConfig *config)
{
  lsobs_config_set_workspace_id (config, "99999999-2222-4333-8444-555555555555");
}

static void
change_address (LsobsConfig *config)
{
  g_autofree char *url = g_strconcat (lsobs_config_get_api_url (config), "/api", NULL);

  lsobs_config_set_api_url (config, url);
}

static void
test_others (Fixture *fixture, gconstpointer data)
{
  void (*change) (LsobsConfig * config) = (void (*) (LsobsConfig *)) data;
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  Counts counts;

  fill (fixture, 1, 5);
  config = g_steal_pointer (&fixture->base.config);
  fixture->base.config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  lsobs_config_set_api_url (fixture->base.config, lsobs_config_get_api_url (config));
  lsobs_config_set_workspace_id (fixture->base.config, WORKSPACE);
  lsobs_config_set_spool_dir (fixture->base.config, fixture->dir);
  change (fixture->base.config);
  test_fixture_start (&fixture->base);
  error = drain (fixture, &counts);
  g_assert_no_error (error);
  g_assert_cmpuint (counts.n_delivered, ==, 0);
  g_assert_cmpuint (counts.n_failed, ==, 0);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, "/"), ==, 0);
  g_assert_cmpuint (count_files (fixture), ==, 1);
  test_fixture_stop (&fixture->base);

  /* with the old ones again */
  g_object_unref (fixture->base.config);
  fixture->base.config = g_steal_pointer (&config);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, 5);
}

/* Puts an empty file into the spool.
 * @like: the name of another one
 * @time: when it was added, in s
 * @mark: (nullable): of another key */
static void
add_empty (Fixture *fixture, const char *like, guint time, const char *mark)
{
  /* as in lsobs-failed-trace.c */
  const char *tag = strrchr (like, '_') + 1;
  g_autofree char *name = g_strdup_printf ("trace_%u.000000_%.8s%.2s000000.1.json", time, tag,
                                           mark != NULL ? mark : tag + 8);

  failed_traces_write (fixture->dir, name, "");
}

/* Files of another key are not read; others are, as they may have been added without a key. */
static void
test_marks (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;
  const char *own;
  Counts counts;

  fill (fixture, 1, 5);
  names = failed_traces_list (fixture->dir);
  own = g_ptr_array_index (names, 0);
  add_empty (fixture, own, 1, NULL);
  add_empty (fixture, own, 2, "00");
  add_empty (fixture, own, 3, strrchr (own, '_')[9] == 'a' ? "ba" : "aa");
  test_fixture_start (&fixture->base);
  error = drain (fixture, &counts);
  g_assert_no_error (error);
  g_assert_cmpuint (counts.n_failed, ==, 2);
  g_assert_cmpuint (count_known (fixture), ==, 5);
  g_assert_cmpuint (count_files (fixture), ==, 3);
}

/* There may be more files than a drain has in memory: it gets to the last one. */
static void
test_many (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n_before = 10001;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;
  Counts counts;

  fill (fixture, 1, 5);
  names = failed_traces_list (fixture->dir);
  for (guint i = 0; i < n_before; i++)
    add_empty (fixture, g_ptr_array_index (names, 0), i + 1, NULL);
  test_fixture_start (&fixture->base);
  error = drain (fixture, &counts);
  g_assert_no_error (error);
  g_assert_cmpuint (counts.n_failed, ==, n_before);
  g_assert_cmpuint (count_known (fixture), ==, 5);
}

/* Another process drains the spool, and does not end: who waits for that may cancel it. */
static void
test_cancel (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *lock = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  gint64 start;
  int fd;

  fill (fixture, 1, 5);
  names = failed_traces_list (fixture->dir);
  lock = g_strdup_printf ("drain-%.8s", strrchr (g_ptr_array_index (names, 0), '_') + 1);
  path = g_build_filename (fixture->dir, ".lsobs", lock, NULL);
  fd = g_open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  test_fixture_start (&fixture->base);
  lsobs_exporter_drain_spool_async (fixture->base.exporter, cancellable, test_result_cb, &result);
  /* the thread that looks, and the timer of the next look */
  for (guint i = 0; i < 3; i++)
    g_main_context_iteration (NULL, TRUE);
  start = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_false (lsobs_exporter_drain_spool_finish (fixture->base.exporter,
                                                     test_result_wait (&result), NULL, NULL,
                                                     &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());
  g_assert_cmpuint (count_files (fixture), ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, 0);
  close (fd);
}

/* --- what the service says --- */

/* The service has some of the runs: the others are sent, and none twice. */
static void
test_conflict (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *path = NULL;
  g_autofree char *copy = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gsize len;

  fill (fixture, 1, 16);
  names = failed_traces_list (fixture->dir);
  path = g_build_filename (fixture->dir, g_ptr_array_index (names, 0), NULL);
  g_file_get_contents (path, &text, &len, &error);
  g_assert_no_error (error);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, 16);
  test_fixture_stop (&fixture->base);

  /* as if it had been sent, and the process had died before it was removed, and the service had
   * lost every third */
  once_service_forget_all (fixture->service);
  {
    g_autoptr (WireTree) tree = test_server_build_tree (fixture->base.server);
    g_autoptr (GPtrArray) runs = wire_tree_dup_runs (tree);

    for (guint i = 0; i < runs->len; i++)
      if (i % 3 != 0)
        once_service_add (fixture->service, ((WireRun *) g_ptr_array_index (runs, i))->id);
  }
  g_file_set_contents (path, text, (gssize) len, &error);
  g_assert_no_error (error);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, 16));
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, 16);
  g_assert_cmpuint (once_service_count_ended (fixture->service), ==, 16);
}

static gboolean
refuse_bad (TestRequest *request, TestAnswer *answer, gpointer data)
{
  return test_refuse_bad_cb (request, answer, GUINT_TO_POINTER (422)) ||
         once_service_answer_cb (request, answer, data);
}

/* One record is refused for good: it alone is lost. */
static void
test_bad (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_close_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 7);
  test_emit (fixture->base.exporter, "bad");
  test_emit_many (fixture->base.exporter, 7);
  stop_spooled (fixture, 15);
  test_server_open_port (fixture->base.server);
  test_server_switch (fixture->base.server, refuse_bad, fixture->service);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, 14));
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_DRAINED), ==, 14);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOL_DROPPED), ==, 1);
  g_assert_cmpuint (count_known (fixture), ==, 14);
}

static gboolean
refuse_many (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (request->wire == NULL || request->wire->ops->len <= 3)
    return once_service_answer_cb (request, answer, data);
  answer->status = 413;
  return TRUE;
}

/* The service takes less at a time than before. */
static void
test_too_large (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fill (fixture, 1, 20);
  test_server_switch (fixture->base.server, refuse_many, fixture->service);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, 20));
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, 20);
}

/* A file on which the service fails each time does not hold up the others. */
static gboolean
fail_bad (TestRequest *request, TestAnswer *answer, gpointer data)
{
  return test_refuse_bad_cb (request, answer, GUINT_TO_POINTER (500)) ||
         once_service_answer_cb (request, answer, data);
}

static gboolean
reset_bad (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (!test_refuse_bad_cb (request, answer, GUINT_TO_POINTER (500)))
    return once_service_answer_cb (request, answer, data);
  answer->mode = TEST_ANSWER_RESET;
  return TRUE;
}

/* Two of them are next to each other. */
static void
test_failing (Fixture *fixture, gconstpointer data)
{
  gboolean resets = GPOINTER_TO_INT (data);
  int code = resets ? LSOBS_ERROR_UNREACHABLE : LSOBS_ERROR_UNAVAILABLE;
  g_autoptr (GError) error = NULL;
  Counts counts;

  fill_one (fixture, 0, "bad");
  fill_one (fixture, 0, "bad");
  fill_more (fixture, 3, 4, 2);
  test_server_switch (fixture->base.server, resets ? reset_bad : fail_bad, fixture->service);
  test_fixture_start (&fixture->base);
  error = drain (fixture, &counts);
  g_assert_error (error, LSOBS_ERROR, code);
  g_assert_cmpuint (count_known (fixture), ==, 12);
  g_assert_cmpuint (count_files (fixture), ==, 2);
}

/* A file that is delivered, and put into the spool again. */
typedef struct
{
  Fixture *fixture; /* (unowned) */
  char *path;       /* (owned) */
  char *text;       /* (owned) */
  gsize len;
} GoodFile;

/* Shows, by another file, that the service is well, until the bad record is given up. */
static gboolean
is_isolated (gpointer data)
{
  GoodFile *good = data;

  if (is_empty (good->fixture))
    return TRUE;
  if (!g_file_test (good->path, G_FILE_TEST_EXISTS))
    g_assert_true (g_file_set_contents (good->path, good->text, (gssize) good->len, NULL));
  return get (good->fixture, LSOBS_COUNTER_SPOOL_DROPPED) > 0;
}

/* Of a file on which the service fails again and again, and on no other, only the bad record is
 * lost. */
static void
test_isolated (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) names = NULL;
  GoodFile good = { .fixture = fixture };
  Counts counts;
  g_autoptr (GError) error = NULL;

  fill_one (fixture, 14, "bad");
  fill_more (fixture, 1, 1, 1);
  names = failed_traces_list (fixture->dir);
  good.path = g_build_filename (fixture->dir, g_ptr_array_index (names, 1), NULL);
  g_assert_true (g_file_get_contents (good.path, &good.text, &good.len, NULL));
  test_server_switch (fixture->base.server, fail_bad, fixture->service);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_isolated, &good, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOL_DROPPED, 1));
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOL_DROPPED), ==, 1);
  /* It may be there once more. */
  error = drain (fixture, &counts);
  g_assert_no_error (error);
  g_assert_true (is_empty (fixture));
  g_assert_cmpuint (count_known (fixture), ==, 15);
  g_free (good.path);
  g_free (good.text);
}

/* Is busy at the first request. */
static gboolean
busy_once (TestRequest *request, TestAnswer *answer, gpointer data)
{
  Fixture *fixture = data;

  if (request->wire == NULL || g_atomic_int_add (&fixture->n_asked, 1) > 0)
    return once_service_answer_cb (request, answer, fixture->service);
  answer->status = 429;
  answer->headers = "Retry-After: 4";
  return TRUE;
}

/* The next drain waits as long as the service wants. */
static void
test_busy (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start;

  fill (fixture, 1, 4);
  test_server_switch (fixture->base.server, busy_once, fixture);
  start = g_get_monotonic_time ();
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpint (test_get_elapsed_ms (start), >=, 4000);
  g_assert_cmpuint (count_known (fixture), ==, 4);
}

/* The key is refused for now. */
static void
test_unauthorized (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  test_server_set_handler (fixture->base.server, NULL, NULL);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 5);
  g_assert_false (lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_cmpuint (stats.runs_failed, ==, 0);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED, 5));
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 0);
  test_fixture_stop (&fixture->base);
  test_server_switch (fixture->base.server, once_service_answer_cb, fixture->service);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, 5);
}

/* What the service refuses for good does not get better, and does not go there. */
static void
test_rejected (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_switch (fixture->base.server, refuse_bad, fixture->service);
  test_fixture_start (&fixture->base);
  test_emit (fixture->base.exporter, "bad");
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  g_assert_cmpuint (count_files (fixture), ==, 0);
  g_assert_cmpuint (test_get_dropped (fixture->base.exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
}

/* --- on request --- */

static void
test_drain (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  Counts counts;
  guint n_files;

  fill (fixture, 3, 4);
  n_files = count_files (fixture);
  test_server_hold (fixture->base.server);
  test_fixture_start (&fixture->base);
  /* its own drain, which is under way */
  g_assert_true (test_server_wait_requests (fixture->base.server, 1, TEST_TIMEOUT_MS));
  test_server_release (fixture->base.server);
  error = drain (fixture, &counts);
  g_assert_no_error (error);
  g_assert_cmpuint (counts.n_failed, ==, 0);
  g_assert_cmpuint (counts.n_delivered, <, n_files);
  g_assert_cmpuint (count_files (fixture), ==, 0);
  g_assert_cmpuint (count_known (fixture), ==, 12);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, n_files);
}

static void
test_purge (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  guint n_removed = 0;
  guint n_files;

  fill (fixture, 3, 4);
  n_files = count_files (fixture);
  /* A key that is not theirs does not matter. */
  lsobs_config_set_api_key (fixture->base.config, "lsv2_pt_another");
  test_fixture_start (&fixture->base);
  failed_traces_write (fixture->dir, "trace_1.000000_00000000.json", "{}");
  lsobs_exporter_purge_spool_async (fixture->base.exporter, NULL, test_result_cb, &result);
  g_assert_true (lsobs_exporter_purge_spool_finish (fixture->base.exporter,
                                                    test_result_wait (&result), &n_removed,
                                                    &error));
  g_assert_no_error (error);
  g_assert_cmpuint (n_removed, ==, n_files);
  g_assert_cmpuint (count_files (fixture), ==, 1);
  g_assert_cmpuint (count_known (fixture), ==, 0);
}

/* Another process uses the folder: a fork does not wait until a purge has its turn. If it did, the purge
 * would have given up before the folder is free. */
static void
test_purge_fork (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autofree char *path = g_build_filename (fixture->dir, ".lsobs", "ledger", NULL);
  g_autoptr (GError) error = NULL;
  pid_t child;
  int fd;

  fill (fixture, 1, 1);
  fd = g_open (path, O_RDWR | O_CLOEXEC, 0);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  test_fixture_start (&fixture->base);
  lsobs_exporter_purge_spool_async (fixture->base.exporter, NULL, test_result_cb, &result);
  child = fork ();
  if (child == 0)
    _exit (0);
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
  close (fd);
  g_assert_true (lsobs_exporter_purge_spool_finish (fixture->base.exporter,
                                                    test_result_wait (&result), NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (fixture), ==, 0);
}

static void
test_none (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  Counts counts;

  lsobs_config_set_spool_dir (fixture->base.config, NULL);
  test_fixture_start (&fixture->base);
  error = drain (fixture, &counts);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_clear_error (&error);
  lsobs_exporter_purge_spool_async (fixture->base.exporter, NULL, test_result_cb, &result);
  g_assert_false (lsobs_exporter_purge_spool_finish (fixture->base.exporter,
                                                     test_result_wait (&result), NULL, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

/* --- deadlines, contexts, replicas --- */

static gboolean
has_all_thirty (gpointer data)
{
  return get (data, LSOBS_COUNTER_DELIVERED) + get (data, LSOBS_COUNTER_DRAINED) == 30;
}

/* A drain that hangs does not hold up the end. */
static void
test_hanging (Fixture *fixture, gconstpointer data)
{
  gboolean in_context = GPOINTER_TO_INT (data);
  gint64 start;

  fill (fixture, 1, 4);
  test_server_set_handler (fixture->base.server, NULL, NULL);
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_fixture_start_in (&fixture->base, in_context ? g_main_context_default () : NULL);
  while (test_server_count_requests (fixture->base.server, NULL) == 0)
    g_main_context_iteration (NULL, FALSE);
  start = g_get_monotonic_time ();
  g_assert_true (lsobs_observer_shutdown (fixture->base.observer, 100, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 100 + test_get_slack_ms ());
  test_fixture_stop (&fixture->base);
  g_assert_cmpuint (count_files (fixture), ==, 1);
}

static gboolean
is_ok (gpointer data)
{
  return lsobs_exporter_get_state (((Fixture *) data)->base.exporter) == LSOBS_STATE_OK;
}

/* Everything waits in the spool, and nothing in memory, with which the service could be probed: the
 * spool does that. In a thread of lsobs, or in a context of the program. */
static void
test_idle (Fixture *fixture, gconstpointer data)
{
  gboolean in_context = GPOINTER_TO_INT (data);

  test_server_close_port (fixture->base.server);
  test_fixture_start_in (&fixture->base, in_context ? g_main_context_default () : NULL);
  test_emit_many (fixture->base.exporter, 30);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_SPOOLED, 30));
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpint (lsobs_exporter_get_state (fixture->base.exporter), ==, LSOBS_STATE_PAUSED);
  test_server_open_port (fixture->base.server);
  g_assert_true (test_wait_until (has_all_thirty, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_until (is_ok, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, 30);
}

/* Replicas share the spool, and each sends what is its own. */
static void
test_replicas (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *url = lsobs_config_get_api_url (fixture->base.config);

  lsobs_config_add_replica (fixture->base.config, url, TEST_KEY, "first", NULL,
                            LSOBS_REPLICA_ROLE_AUTO);
  lsobs_config_add_replica (fixture->base.config, url, TEST_KEY, "second", NULL,
                            LSOBS_REPLICA_ROLE_AUTO);
  test_server_close_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 10);
  stop_spooled (fixture, 20);
  test_server_open_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DRAINED, 20));
  g_assert_cmpuint (count_known (fixture), ==, 20);
}

/* --- disks --- */

/* A spool that cannot be written loses and counts, says so once, and holds up nobody. */
static void
test_disk (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFlushStats stats;
  gint64 start;

  g_assert_true (g_file_set_contents (fixture->dir, "a file", -1, NULL));
  test_server_close_port (fixture->base.server);
  /* All are lost by the shutdown, and none before. */
  lsobs_config_set_flush_interval (fixture->base.config, TEST_NEVER_MS);
  lsobs_config_set_max_batch_size (fixture->base.config, 200);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 120);
  start = g_get_monotonic_time ();
  lsobs_observer_shutdown (fixture->base.observer, 300, &stats, NULL);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 300 + test_get_slack_ms ());
  g_assert_cmpuint (stats.runs_failed, ==, 120);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 120);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOLED), ==, 0);
  g_assert_true (test_log_wait ("cannot be written"));
  g_assert_cmpint (g_unlink (fixture->dir), ==, 0);
}

static void
count_lost_cb (LsobsObserver *observer G_GNUC_UNUSED,
               guint64 n_delivered,
               guint64 n_lost,
               gpointer data)
{
  guint64 *sum = data;

  g_assert_cmpuint (n_delivered, ==, 0);
  *sum += n_lost;
}

static gboolean
is_twenty (gpointer data)
{
  return *(guint64 *) data == 20;
}

/* What it cannot take is kept where lost traces are, and the program is told of it. */
static void
test_disk_rest (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *lost = g_build_filename (fixture->parent, "lost", NULL);
  guint64 n_lost = 0;
  gulong handler;

  g_assert_true (g_file_set_contents (fixture->dir, "a file", -1, NULL));
  lsobs_config_set_failed_traces_dir (fixture->base.config, lost);
  test_server_close_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  handler = g_signal_connect (fixture->base.observer, "batch-finished", G_CALLBACK (count_lost_cb),
                              &n_lost);
  test_emit_many (fixture->base.exporter, 20);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED, 20));
  g_assert_true (test_wait_until (is_twenty, &n_lost, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 20);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOLED), ==, 0);
  g_signal_handler_disconnect (fixture->base.observer, handler);
  test_assert_books (fixture->base.exporter);
  g_assert_cmpint (g_unlink (fixture->dir), ==, 0);
}

/* Accepts a file, and puts a directory in its place. */
static gboolean
accept_and_replace (TestRequest *request, TestAnswer *answer, gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (GPtrArray) names = NULL;

  if (!once_service_answer_cb (request, answer, fixture->service))
    return FALSE;
  names = failed_traces_list (fixture->dir);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (fixture->dir, g_ptr_array_index (names, i), NULL);

      if (g_unlink (path) == 0)
        g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
    }
  return TRUE;
}

/* What cannot be removed does not count as drained: it would count again. */
static void
test_stays (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  Counts counts;

  fill (fixture, 1, 4);
  names = failed_traces_list (fixture->dir);
  path = g_build_filename (fixture->dir, g_ptr_array_index (names, 0), NULL);
  test_server_switch (fixture->base.server, accept_and_replace, fixture);
  test_fixture_start (&fixture->base);
  g_assert_true (test_server_wait_requests (fixture->base.server, 1, TEST_TIMEOUT_MS));
  /* waits for the end of the other */
  error = drain (fixture, &counts);
  g_assert_cmpuint (counts.n_delivered, ==, 0);
  g_assert_cmpuint (count_known (fixture), ==, 4);
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_DRAINED), ==, 0);
  test_fixture_stop (&fixture->base);
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

/* The folder vanishes, and is made again. */
static void
test_vanished (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fill (fixture, 1, 5);
  failed_traces_remove_dir (fixture->dir);
  fill (fixture, 1, 6);
  test_fixture_start (&fixture->base);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_known (fixture), ==, 6);
}

static void
test_limit (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_spool_max_files (fixture->base.config, 1);
  /* full batches only, also on a busy machine */
  lsobs_config_set_flush_interval (fixture->base.config, TEST_NEVER_MS);
  lsobs_config_set_max_batch_size (fixture->base.config, 10);
  test_server_close_port (fixture->base.server);
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 30);
  g_assert_true (test_wait_dropped (fixture->base.exporter, LSOBS_DROP_REASON_QUEUE_FULL, 20));
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOLED), ==, 10);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 20);
  g_assert_cmpuint (count_files (fixture), ==, 1);
  g_assert_true (test_log_wait ("has reached a limit"));
}

/* A folder with very many files, of which the ledger does not know yet, takes more. */
static void
test_crowded (Fixture *fixture, gconstpointer data)
{
  const gboolean is_spool = GPOINTER_TO_INT (data);
  gint64 start;
  int dir;

  g_assert_cmpint (g_mkdir (fixture->dir, 0700), ==, 0);
  dir = g_open (fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  for (guint i = 0; i < 100000; i++)
    {
      g_autofree char *name = g_strdup_printf ("trace_%u.000000_00000000.json", i);
      int fd = openat (dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

      g_assert_cmpint (fd, >=, 0);
      close (fd);
    }
  lsobs_config_set_spool_dir (fixture->base.config, is_spool ? fixture->dir : NULL);
  lsobs_config_set_failed_traces_dir (fixture->base.config, is_spool ? NULL : fixture->dir);
  lsobs_config_set_spool_max_files (fixture->base.config, 1000000);
  if (is_spool)
    test_server_close_port (fixture->base.server);
  test_server_set_handler (fixture->base.server, NULL, NULL);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 100);
  g_assert_true (test_wait_counter (fixture->base.exporter,
                                    is_spool ? LSOBS_COUNTER_SPOOLED : LSOBS_COUNTER_DUMPED, 100));
  test_fixture_stop (&fixture->base);
  /* nor is the end late */
  test_fixture_start (&fixture->base);
  test_emit_many (fixture->base.exporter, 30);
  start = g_get_monotonic_time ();
  lsobs_observer_shutdown (fixture->base.observer, 1500, NULL, NULL);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 1500 + test_get_slack_ms ());
  g_assert_cmpuint (get (fixture, LSOBS_COUNTER_SPOOLED) +
                        test_get_total_dropped (fixture->base.exporter),
                    ==, 30);
  test_assert_books (fixture->base.exporter);
  for (guint i = 0; i < 100000; i++)
    {
      g_autofree char *name = g_strdup_printf ("trace_%u.000000_00000000.json", i);

      unlinkat (dir, name, 0);
    }
  close (dir);
}

/* --- where it is --- */

static void
test_default (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *dir = NULL;

  if (!g_test_subprocess ())
    {
      g_setenv ("XDG_STATE_HOME", fixture->parent, TRUE);
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
      g_test_trap_assert_passed ();
      g_unsetenv ("XDG_STATE_HOME");
      dir = g_build_filename (fixture->parent, "org.example.Spool", "lsobs", NULL);
      g_assert_true (g_file_test (dir, G_FILE_TEST_IS_DIR));
      return;
    }
  {
    g_autoptr (GApplication) application =
        g_application_new ("org.example.Spool", G_APPLICATION_DEFAULT_FLAGS);

    g_application_set_default (application);
    lsobs_config_set_spool_dir (fixture->base.config, NULL);
    lsobs_config_set_spool_enabled (fixture->base.config, TRUE);
    g_free (fixture->dir);
    fixture->dir = g_build_filename (g_get_user_state_dir (), "org.example.Spool", "lsobs", NULL);
    fill (fixture, 1, 5);
    g_application_set_default (NULL);
  }
}

#define ADD(path, test)            ADD_WITH (path, NULL, test)
#define ADD_WITH(path, data, test) g_test_add (path, Fixture, data, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/spool/shutdown", test_shutdown);
  ADD ("/spool/projects", test_projects);
  ADD ("/spool/outage", test_outage);
  ADD ("/spool/full-queue", test_full_queue);
  ADD_WITH ("/spool/end/spooled", GINT_TO_POINTER (FALSE), test_end);
  ADD_WITH ("/spool/end/sent", GINT_TO_POINTER (TRUE), test_end);
  ADD_WITH ("/spool/end/alone", GINT_TO_POINTER (FALSE), test_end_alone);
  ADD_WITH ("/spool/end/known", GINT_TO_POINTER (TRUE), test_end_alone);
  ADD_WITH ("/spool/others/key", change_key, test_others);
  ADD_WITH ("/spool/others/project", change_project, test_others);
  ADD_WITH ("/spool/others/workspace", change_workspace, test_others);
  ADD_WITH ("/spool/others/address", change_address, test_others);
  ADD ("/spool/marks", test_marks);
  ADD ("/spool/many", test_many);
  ADD ("/spool/cancel", test_cancel);
  ADD ("/spool/conflict", test_conflict);
  ADD ("/spool/bad", test_bad);
  ADD ("/spool/too-large", test_too_large);
  ADD_WITH ("/spool/failing/answers", GINT_TO_POINTER (FALSE), test_failing);
  ADD_WITH ("/spool/failing/resets", GINT_TO_POINTER (TRUE), test_failing);
  ADD ("/spool/isolated", test_isolated);
  ADD ("/spool/busy", test_busy);
  ADD ("/spool/unauthorized", test_unauthorized);
  ADD ("/spool/rejected", test_rejected);
  ADD ("/spool/drain", test_drain);
  ADD ("/spool/purge", test_purge);
  ADD ("/spool/purge-fork", test_purge_fork);
  ADD ("/spool/none", test_none);
  ADD_WITH ("/spool/hanging/thread", GINT_TO_POINTER (FALSE), test_hanging);
  ADD_WITH ("/spool/hanging/context", GINT_TO_POINTER (TRUE), test_hanging);
  ADD_WITH ("/spool/idle/thread", GINT_TO_POINTER (FALSE), test_idle);
  ADD_WITH ("/spool/idle/context", GINT_TO_POINTER (TRUE), test_idle);
  ADD ("/spool/replicas", test_replicas);
  ADD ("/spool/disk/lost", test_disk);
  ADD ("/spool/disk/rest", test_disk_rest);
  ADD ("/spool/stays", test_stays);
  ADD ("/spool/vanished", test_vanished);
  ADD ("/spool/limit", test_limit);
  ADD ("/spool/default", test_default);
  ADD_WITH ("/spool/crowded/spool", GINT_TO_POINTER (TRUE), test_crowded);
  ADD_WITH ("/spool/crowded/failed-traces", GINT_TO_POINTER (FALSE), test_crowded);

  return g_test_run ();
}
