/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/lib/replica-helpers.h"

/* One place in trouble, and the others that must not notice. */

/* What a flush may wait for a place that does not answer. */
#define FLUSH_MS 300

/* The same where the others have to get everything within that time. */
#define PATIENT_FLUSH_MS 5000

typedef enum
{
  TROUBLE_HANG,    /* accepts, and never answers */
  TROUBLE_REFUSED, /* nobody listens */
  TROUBLE_UNAUTHORIZED,
  TROUBLE_RESET,
  TROUBLE_UNAVAILABLE,
  TROUBLE_ASKS_TO_WAIT, /* 503 with Retry-After */
  TROUBLE_REJECTS,      /* 422 for all */
} Trouble;

typedef struct
{
  const char *name;
  Trouble trouble;
  guint server;     /* which one has it */
  LsobsState state; /* what comes of it */
} TroubleRow;

#define ROWS(name, trouble, state) \
 { name "/first", trouble, 0, state }, \
 { \
  name "/last", trouble, 2, state \
 }

static const TroubleRow rows[] = {
  ROWS ("hang", TROUBLE_HANG, LSOBS_STATE_OK),
  ROWS ("refused", TROUBLE_REFUSED, LSOBS_STATE_PAUSED),
  ROWS ("unauthorized", TROUBLE_UNAUTHORIZED, LSOBS_STATE_PAUSED),
  ROWS ("reset", TROUBLE_RESET, LSOBS_STATE_PAUSED),
  ROWS ("unavailable", TROUBLE_UNAVAILABLE, LSOBS_STATE_PAUSED),
  ROWS ("asks-to-wait", TROUBLE_ASKS_TO_WAIT, LSOBS_STATE_OK),
  ROWS ("rejects", TROUBLE_REJECTS, LSOBS_STATE_OK),
};

static void
make_trouble (TestServer *server, Trouble trouble)
{
  switch (trouble)
    {
    case TROUBLE_HANG:
      test_server_push (server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
      break;
    case TROUBLE_UNAUTHORIZED:
      test_server_push (server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
      break;
    case TROUBLE_RESET:
      test_server_push (server, NULL, (TestAnswer){ .mode = TEST_ANSWER_RESET, .repeat = -1 });
      break;
    case TROUBLE_UNAVAILABLE:
      test_server_push (server, NULL, (TestAnswer){ .status = 503, .repeat = -1 });
      break;
    case TROUBLE_ASKS_TO_WAIT:
      test_server_push (server, NULL,
                        (TestAnswer){ .status = 503, .headers = "Retry-After: 60", .repeat = -1 });
      break;
    case TROUBLE_REJECTS:
      test_server_push (server, NULL, (TestAnswer){ .status = 422, .repeat = -1 });
      break;
    case TROUBLE_REFUSED:
    default:
      break;
    }
}

/* Whether a place that is tried in vain still has its records when a flush gives up. */
static gboolean
keeps_trying (Trouble trouble)
{
  return trouble == TROUBLE_HANG || trouble == TROUBLE_ASKS_TO_WAIT;
}

/* Whether a place that was tried in vain still has its records after that. */
static gboolean
is_kept (Trouble trouble)
{
  return trouble == TROUBLE_REFUSED || trouble == TROUBLE_RESET || trouble == TROUBLE_UNAVAILABLE;
}

/* Waits for it: they need not be done with a flush that gives up. */
static void
assert_others_have (Replicas *replicas, guint troubled, guint n_ops)
{
  for (guint i = 0; i < REPLICA_MAX; i++)
    if (i != troubled)
      {
        g_assert_true (replicas_wait (replicas, i, LSOBS_COUNTER_DELIVERED, n_ops));
        g_assert_cmpuint (test_server_count_ops (replicas->servers[i]), ==, n_ops);
        g_assert_cmpuint (replicas_get (replicas, i, LSOBS_COUNTER_DELIVERED), ==, n_ops);
        g_assert_cmpint (lsobs_exporter_get_replica_state (replicas->exporter, i), ==,
                         LSOBS_STATE_OK);
      }
}

static void
test_trouble (Replicas *replicas, gconstpointer data)
{
  const TroubleRow *row = data;
  g_autoptr (GSocket) refusing = NULL;
  g_autofree char *refusing_url = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;
  gint64 began;

  lsobs_config_set_max_attempts (replicas->config, 2);
  lsobs_config_set_request_timeout (replicas->config, TEST_TIMEOUT_MS);
  for (guint i = 0; i < REPLICA_MAX; i++)
    if (i == row->server && row->trouble == TROUBLE_REFUSED)
      {
        refusing = test_refusing_socket_new (&refusing_url);
        lsobs_config_add_replica (replicas->config, refusing_url, replicas_get_key (i), NULL, NULL,
                                  LSOBS_REPLICA_ROLE_AUTO);
      }
    else
      {
        replicas_add (replicas, i, NULL, LSOBS_REPLICA_ROLE_AUTO);
      }
  make_trouble (replicas->servers[row->server], row->trouble);
  replicas_start (replicas);
  lsobs_run_unref (replicas_record_tree (replicas, "agent"));

  began = g_get_monotonic_time ();
  g_assert_false (
      lsobs_exporter_flush (replicas->exporter,
                            keeps_trying (row->trouble) ? PATIENT_FLUSH_MS : TEST_TIMEOUT_MS,
                            &stats, &error));
  g_assert_cmpuint (stats.runs_flushed, ==, 10);
  if (keeps_trying (row->trouble))
    {
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
      g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 5);
      g_assert_cmpint (test_get_elapsed_ms (began), <, PATIENT_FLUSH_MS + test_get_slack_ms ());
    }
  else
    {
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
      g_assert_cmpuint (stats.runs_failed, ==, is_kept (row->trouble) ? 0 : 5);
      g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, is_kept (row->trouble) ? 5 : 0);
      /* The message names the place. */
      g_assert_nonnull (strstr (error->message, row->server == 0 ? "replica 1 at 127.0.0.1:"
                                                                 : "replica 3 at 127.0.0.1:"));
    }
  assert_others_have (replicas, row->server, 5);
  g_assert_cmpint (lsobs_exporter_get_replica_state (replicas->exporter, row->server), ==,
                   row->state);
  g_assert_cmpint (lsobs_observer_get_state (replicas->observer), ==, row->state);
  if (row->state != LSOBS_STATE_OK)
    g_assert_true (test_log_contains (row->server == 0 ? "replica 1 at 127.0.0.1:"
                                                       : "replica 3 at 127.0.0.1:"));

  /* Again, now that the one is known to be in trouble. */
  lsobs_run_unref (replicas_record_tree (replicas, "agent"));
  lsobs_exporter_flush (replicas->exporter, FLUSH_MS, NULL, NULL);
  assert_others_have (replicas, row->server, 10);

  g_clear_error (&error);
  began = g_get_monotonic_time ();
  lsobs_exporter_shutdown (replicas->exporter, FLUSH_MS, &stats, &error);
  g_assert_cmpint (test_get_elapsed_ms (began), <, FLUSH_MS + test_get_slack_ms ());
  g_assert_cmpuint (test_get_counter (replicas->exporter, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (test_get_counter (replicas->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (replicas_get (replicas, row->server, LSOBS_COUNTER_ENQUEUED), ==, 10);
  g_assert_cmpuint (replicas_get (replicas, row->server, LSOBS_COUNTER_DELIVERED), ==, 0);
  g_assert_cmpuint (test_get_total_dropped (replicas->exporter), ==, 10);
}

/* All of them hang: the end takes one deadline, not one for each. */
static void
test_all_hang (Replicas *replicas, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;
  gint64 began;

  replicas_add_all (replicas);
  for (guint i = 0; i < REPLICA_MAX; i++)
    make_trouble (replicas->servers[i], TROUBLE_HANG);
  replicas_start_in (replicas, data != NULL ? g_main_context_default () : NULL);
  replicas_record (replicas, "run", 5);
  began = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_flush (replicas->exporter, FLUSH_MS, &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 15);
  g_clear_error (&error);
  g_assert_false (lsobs_observer_shutdown (replicas->observer, FLUSH_MS, &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpint (test_get_elapsed_ms (began), <, 2 * FLUSH_MS + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (replicas->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 15);
}

/* What waits for a place that hangs is bounded, and only there. */
static void
test_eviction (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFlushStats stats;

  lsobs_config_set_queue_capacity (replicas->config, 10);
  lsobs_config_set_max_batch_size (replicas->config, 5);
  lsobs_config_set_max_in_flight (replicas->config, 1);
  replicas_add_all (replicas);
  make_trouble (replicas->servers[1], TROUBLE_HANG);
  replicas_start (replicas);
  for (guint i = 1; i <= 20; i++)
    {
      test_emit_many (replicas->exporter, 5);
      g_assert_true (replicas_wait (replicas, 0, LSOBS_COUNTER_DELIVERED, 5 * i));
      g_assert_true (replicas_wait (replicas, 2, LSOBS_COUNTER_DELIVERED, 5 * i));
    }
  g_assert_cmpuint (replicas_get (replicas, 1, LSOBS_COUNTER_ENQUEUED), ==, 100);
  g_assert_cmpuint (replicas_get (replicas, 1, LSOBS_COUNTER_QUEUED), ==, 10);
  g_assert_cmpuint (replicas_get (replicas, 1, LSOBS_COUNTER_IN_FLIGHT), ==, 5);
  g_assert_cmpuint (replicas_get_dropped (replicas, 1, LSOBS_DROP_REASON_QUEUE_FULL), ==, 85);
  g_assert_cmpuint (test_get_total_dropped (replicas->exporter), ==, 85);
  lsobs_exporter_flush (replicas->exporter, 0, &stats, NULL);
  g_assert_cmpuint (stats.dropped_events, ==, 85);
  test_server_clear (replicas->servers[1]);
}

/* A place that is slow is waited for, and gets it all. */
static void
test_slow (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  replicas_add_all (replicas);
  test_server_hold (replicas->servers[0]);
  replicas_start (replicas);
  lsobs_run_unref (replicas_record_tree (replicas, "agent"));
  g_assert_false (lsobs_exporter_flush (replicas->exporter, FLUSH_MS, NULL, NULL));
  assert_others_have (replicas, 0, 5);
  test_server_release (replicas->servers[0]);
  g_assert_true (lsobs_exporter_flush (replicas->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_server_count_ops (replicas->servers[0]), ==, 5);
}

/* One that is older than the others is spoken to in another way, and the log says which. */
static void
test_fall_back (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  replicas_add_all (replicas);
  test_server_push (replicas->servers[1], "/runs/multipart",
                    (TestAnswer){ .status = 404, .repeat = -1 });
  replicas_start (replicas);
  lsobs_run_unref (replicas_record_tree (replicas, "agent"));
  test_assert_flush (replicas->exporter, 15);
  for (guint i = 0; i < REPLICA_MAX; i++)
    g_assert_cmpuint (test_server_count_requests (replicas->servers[i], "/runs/batch"), ==, i == 1);
  g_assert_true (test_log_contains ("replica 2 at 127.0.0.1:"));
  g_assert_false (test_log_contains ("replica 1 at "));
}

/* (transfer full): the only file in a directory, decoded */
static GBytes *
read_lost_body (const char *dir)
{
  g_autoptr (GDir) files = g_dir_open (dir, 0, NULL);
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) node = NULL;
  guchar *body;
  gsize len;

  g_assert_nonnull (files);
  path = g_build_filename (dir, g_dir_read_name (files), NULL);
  g_assert_null (g_dir_read_name (files));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  for (guint i = 0; i < REPLICA_MAX; i++)
    g_assert_null (strstr (text, replicas_get_key (i)));
  node = run_json (text);
  body =
      g_base64_decode (json_object_get_string_member (json_node_get_object (node), "body_base64"),
                       &len);
  g_unlink (path);
  return g_bytes_new_take (body, len);
}

/* What one of them does not get is kept for that one: the ids are those that it wants. */
static void
test_kept (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *dir = g_dir_make_tmp ("lsobs-replicas-XXXXXX", NULL);
  g_autofree char *first_dir = g_build_filename (dir, "replica-1", NULL);
  g_autofree char *second_dir = g_build_filename (dir, "replica-2", NULL);
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (WireTree) third = NULL;
  g_autofree char *id = NULL;

  lsobs_config_set_failed_traces_dir (replicas->config, dir);
  lsobs_config_set_compression (replicas->config, LSOBS_COMPRESSION_NONE);
  lsobs_config_set_max_attempts (replicas->config, 1);
  replicas_add (replicas, 0, NULL, LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 1, "other", LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 2, "other", LSOBS_REPLICA_ROLE_AUTO);
  make_trouble (replicas->servers[1], TROUBLE_UNAVAILABLE);
  replicas_start (replicas);
  root = replicas_record_tree (replicas, "agent");
  g_assert_false (lsobs_exporter_shutdown (replicas->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  assert_others_have (replicas, 1, 5);

  g_assert_false (g_file_test (first_dir, G_FILE_TEST_EXISTS));
  body = read_lost_body (second_dir);
  id = lsobs_run_dup_id (root);
  g_assert_false (test_bytes_contain (body, id));
  third = test_server_build_tree (replicas->servers[2]);
  g_assert_true (test_bytes_contain (body, wire_tree_get_root (third)->id));
  g_assert_cmpint (g_rmdir (second_dir), ==, 0);
  g_assert_cmpint (g_rmdir (dir), ==, 0);
}

/* --- asynchronous --- */

static void
test_flush_async (Replicas *replicas, gconstpointer data)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  replicas_add_all (replicas);
  replicas_start_in (replicas, data != NULL ? g_main_context_default () : NULL);
  replicas_record (replicas, "run", 4);
  lsobs_exporter_flush_async (replicas->exporter, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_true (
      lsobs_exporter_flush_finish (replicas->exporter, test_result_wait (&result), &stats, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (stats.runs_flushed, ==, 12);
  g_assert_cmpuint (stats.batches_sent, ==, 3);

  /* Nothing to do anywhere. */
  test_result_clear (&result);
  lsobs_exporter_flush_async (replicas->exporter, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  g_assert_true (
      lsobs_exporter_flush_finish (replicas->exporter, test_result_wait (&result), &stats, &error));
  g_assert_cmpuint (stats.runs_flushed, ==, 0);

  /* One of them does not answer: the time is over, or the caller has enough. */
  make_trouble (replicas->servers[1], TROUBLE_HANG);
  replicas_record (replicas, "run", 4);
  test_result_clear (&result);
  lsobs_exporter_flush_async (replicas->exporter, PATIENT_FLUSH_MS, NULL, test_result_cb, &result);
  g_assert_false (
      lsobs_exporter_flush_finish (replicas->exporter, test_result_wait (&result), &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (stats.runs_flushed, ==, 8);
  g_clear_error (&error);
  test_result_clear (&result);
  lsobs_exporter_flush_async (replicas->exporter, -1, cancellable, test_result_cb, &result);
  g_cancellable_cancel (cancellable);
  g_assert_false (
      lsobs_exporter_flush_finish (replicas->exporter, test_result_wait (&result), &stats, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_shutdown_async (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  replicas_add_all (replicas);
  make_trouble (replicas->servers[2], TROUBLE_HANG);
  replicas_start (replicas);
  replicas_record (replicas, "run", 4);
  lsobs_exporter_shutdown_async (replicas->exporter, PATIENT_FLUSH_MS, NULL, test_result_cb,
                                 &result);
  g_assert_false (lsobs_exporter_shutdown_finish (replicas->exporter, test_result_wait (&result),
                                                  &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (stats.runs_flushed, ==, 8);
  test_emit (replicas->exporter, "late");
  g_assert_cmpuint (test_get_dropped (replicas->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 4 + 3);
}

/* --- what an observer tells --- */

typedef struct
{
  guint64 n_delivered;
  guint64 n_lost;
  guint n_states;
  LsobsState state;
} News;

static void
batch_finished_cb (LsobsObserver *observer G_GNUC_UNUSED,
                   guint64 n_delivered,
                   guint64 n_lost,
                   gpointer user_data)
{
  News *news = user_data;

  news->n_delivered += n_delivered;
  news->n_lost += n_lost;
}

static void
state_cb (LsobsObserver *observer, GParamSpec *pspec G_GNUC_UNUSED, gpointer user_data)
{
  News *news = user_data;

  news->n_states++;
  news->state = lsobs_observer_get_state (observer);
}

static gboolean
has_all_news (gpointer user_data)
{
  News *news = user_data;

  return news->n_delivered + news->n_lost == 15;
}

static void
test_news (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  News news = { 0, 0, 0, LSOBS_STATE_OK };

  replicas_add_all (replicas);
  make_trouble (replicas->servers[1], TROUBLE_UNAUTHORIZED);
  replicas_start (replicas);
  g_signal_connect (replicas->observer, "batch-finished", G_CALLBACK (batch_finished_cb), &news);
  g_signal_connect (replicas->observer, "notify::state", G_CALLBACK (state_cb), &news);
  replicas_record (replicas, "run", 5);
  lsobs_exporter_flush (replicas->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_true (test_wait_until (has_all_news, &news, TEST_TIMEOUT_MS));
  g_assert_cmpuint (news.n_delivered, ==, 10);
  g_assert_cmpuint (news.n_lost, ==, 5);
  /* That the others are well is no news: the worst one counts. */
  g_assert_cmpuint (news.n_states, ==, 1);
  g_assert_cmpint (news.state, ==, LSOBS_STATE_PAUSED);
}

/* --- where it happens --- */

static void
test_main_context (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  replicas_add_all (replicas);
  make_trouble (replicas->servers[0], TROUBLE_HANG);
  replicas_start_in (replicas, g_main_context_default ());
  lsobs_run_unref (replicas_record_tree (replicas, "agent"));
  g_assert_false (lsobs_exporter_flush (replicas->exporter, FLUSH_MS, NULL, NULL));
  assert_others_have (replicas, 0, 5);
}

/* --- many threads --- */

#define N_THREADS 4
#define N_TREES   25

static gpointer
record_trees (gpointer user_data)
{
  Replicas *replicas = user_data;

  for (guint i = 0; i < N_TREES; i++)
    lsobs_run_unref (replicas_record_tree (replicas, "agent"));
  return NULL;
}

static void
test_threads (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  GThread *threads[N_THREADS];
  g_autoptr (GError) error = NULL;
  g_autofree char *first_text = NULL;

  lsobs_config_set_flush_interval (replicas->config, 1);
  replicas_add_all (replicas);
  replicas_start (replicas);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("producer", record_trees, replicas);
  while (test_get_counter (replicas->exporter, LSOBS_COUNTER_DELIVERED) < 200)
    {
      lsobs_exporter_flush (replicas->exporter, 10, NULL, NULL);
      replicas_assert_books (replicas);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  lsobs_exporter_flush (replicas->exporter, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_autoptr (WireTree) tree = test_server_build_tree (replicas->servers[i]);
      g_autofree char *text =
          wire_tree_to_string (tree, WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_DURATIONS |
                                         WIRE_TREE_ERRORS);

      wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, N_THREADS * N_TREES * 5);
      if (first_text == NULL)
        first_text = g_steal_pointer (&text);
      else
        g_assert_cmpstr (text, ==, first_text);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, func, data) \
 g_test_add ("/replicas-trouble/" path, Replicas, data, replicas_set_up, func, replicas_tear_down)
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/replicas-trouble/one/", rows[i].name, NULL);

      g_test_add (path, Replicas, &rows[i], replicas_set_up, test_trouble, replicas_tear_down);
    }
  ADD ("all-hang", test_all_hang, NULL);
  ADD ("all-hang/main-context", test_all_hang, "");
  ADD ("eviction", test_eviction, NULL);
  ADD ("slow", test_slow, NULL);
  ADD ("fall-back", test_fall_back, NULL);
  ADD ("kept", test_kept, NULL);
  ADD ("flush-async", test_flush_async, NULL);
  ADD ("flush-async/main-context", test_flush_async, "");
  ADD ("shutdown-async", test_shutdown_async, NULL);
  ADD ("news", test_news, NULL);
  ADD ("main-context", test_main_context, NULL);
  ADD ("threads", test_threads, NULL);

  return g_test_run ();
}
