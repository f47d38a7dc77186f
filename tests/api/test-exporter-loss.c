/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is refused, what becomes of the rest, and who hears of it. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

#define UNHEARD ((LsobsState) -1)

/* --- one bad run --------------------------------------------------------------------------- */

typedef struct
{
  guint status;
  LsobsIngestMode mode;
} Refusal;

/* Called in the server's thread. */
static gboolean
refuse_bad_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  const Refusal *refusal = data;

  if (!test_bytes_contain (request->body, "\"bad\""))
    return FALSE;
  answer->status = refusal->status;
  answer->body = "{\"error\":\"unprocessable\"}";

  return TRUE;
}

/* It dies alone. */
static void
test_bad_run (TestFixture *fixture, gconstpointer data)
{
  const Refusal *refusal = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  lsobs_config_set_ingest_mode (fixture->config, refusal->mode);
  test_fixture_start_in (fixture, context);
  test_server_set_handler (fixture->server, refuse_bad_cb, (gpointer) refusal);
  test_emit_many (fixture->exporter, 4);
  test_emit (fixture->exporter, "bad");
  test_emit_many (fixture->exporter, 5);

  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_nonnull (strstr (error->message, "unprocessable"));
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, 1);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 0);
  g_assert_cmpuint (stats.runs_flushed, ==, 9);
  g_assert_cmpuint (stats.runs_failed, ==, 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 1);

  tree = test_server_build_tree (fixture->server);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 9);
  g_assert_null (wire_tree_find (tree, "bad"));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), <=, 19);
  /* the service is well */
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
}

static void
test_all_bad (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 422, .repeat = -1 });
  test_emit_many (fixture->exporter, 8);
  error = test_flush_with_loss (fixture->exporter, 8);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 15);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 8);
}

/* --- 413 ----------------------------------------------------------------------------------- */

static gboolean
refuse_many_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (test_request_get_n_ops (request) <= GPOINTER_TO_UINT (data))
    return FALSE;
  answer->status = 413;

  return TRUE;
}

static gboolean
refuse_large_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (g_bytes_get_size (request->body) <= GPOINTER_TO_UINT (data))
    return FALSE;
  answer->status = 413;

  return TRUE;
}

static void
test_halved (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, refuse_many_cb, GUINT_TO_POINTER (3));
  test_emit_many (fixture->exporter, 20);
  test_assert_flush (fixture->exporter, 20);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 20);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 0);
}

/* Too large even alone: the payload goes, the run arrives. */
static void
test_cut_for_server (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;
  WireRun *run;

  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, refuse_large_cb, GUINT_TO_POINTER (5000));
  test_emit (fixture->exporter, "small");
  test_emit_large (fixture->exporter, "large", 20000);
  test_emit (fixture->exporter, "small");
  test_assert_flush (fixture->exporter, 3);

  tree = test_server_build_tree (fixture->server);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 3);
  run = wire_tree_find (tree, "large");
  g_assert_nonnull (run);
  g_assert_true (json_node_get_boolean (wire_run_get (run, "inputs.__truncated__")));
  g_assert_cmpint (json_node_get_int (wire_run_get (run, "inputs.bytes")), >, 20000);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
}

static void
test_too_large (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 413, .repeat = -1 });
  test_emit_large (fixture->exporter, "large", 20000);
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_TOO_LARGE), ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
}

/* What is not a payload can be too large, too. */
static void
test_large_rest (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *large = g_strnfill (90000, 'x');
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_max_batch_bytes (fixture->config, 65536);
  test_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, large, LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_set_metadata_string (run, "large", large);
  lsobs_run_add_tag (run, large);
  lsobs_run_add_event (run, large, NULL);
  lsobs_run_fail_with_message (run, large);
  /* As one record or as two: a name of this size is worth a request at once. */
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_TOO_LARGE), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), >=, 1);
}

/* Our own limit is kept without asking the service. */
static void
test_max_batch_bytes (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) requests = NULL;

  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  lsobs_config_set_max_batch_bytes (fixture->config, 65536);
  test_fixture_start (fixture);
  for (guint i = 0; i < 10; i++)
    test_emit_large (fixture->exporter, "third", 20000);
  test_emit_large (fixture->exporter, "larger", 90000);
  test_emit (fixture->exporter, "small");
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));

  requests = test_server_dup_ingest (fixture->server);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      g_assert_cmpuint (g_bytes_get_size (request->raw_body), <=, 65536);
    }
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 12);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
}

/* --- who hears of it ----------------------------------------------------------------------- */

typedef struct
{
  LsobsState state; /* at the last notification */
  guint n_calls;
  guint64 n_delivered;
  guint64 n_lost;
  GThread *thread;
} News;

static void
state_cb (LsobsObserver *observer, GParamSpec *pspec G_GNUC_UNUSED, gpointer user_data)
{
  News *news = user_data;

  g_object_get (observer, "state", &news->state, NULL);
  news->n_calls++;
  news->thread = g_thread_self ();
}

static void
batch_cb (LsobsObserver *observer G_GNUC_UNUSED,
          guint64 n_delivered,
          guint64 n_lost,
          gpointer user_data)
{
  News *news = user_data;

  news->n_delivered += n_delivered;
  news->n_lost += n_lost;
  g_assert_true (g_main_context_is_owner (g_main_context_default ()));
}

static void
listen_to (TestFixture *fixture, News *news)
{
  g_signal_connect (fixture->observer, "notify::state", G_CALLBACK (state_cb), news);
  g_signal_connect (fixture->observer, "batch-finished", G_CALLBACK (batch_cb), news);
}

static gboolean
has_news (gpointer data)
{
  return ((News *) data)->n_calls > 0;
}

static void
assert_paused (TestFixture *fixture, News *news)
{
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;
  gint64 start;

  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  /* nobody is told behind the back of the context that the observer was made in */
  g_assert_cmpuint (news->n_calls, ==, 0);
  g_assert_true (test_wait_until (has_news, news, TEST_TIMEOUT_MS));
  g_assert_cmpint (news->state, ==, LSOBS_STATE_PAUSED);
  g_assert_cmpuint (news->n_calls, ==, 1);
  g_assert_true (news->thread == g_thread_self ());

  /* what comes now is kept, and a flush does not wait for the end of the pause */
  test_emit_many (fixture->exporter, 3);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 3);
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, 0);
  g_assert_cmpuint (stats.runs_flushed, ==, 0);
  g_assert_cmpuint (stats.runs_failed, ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 3);
  test_assert_books (fixture->exporter);
  g_assert_cmpuint (test_log_count (), ==, 1);
  test_drain_context ();
  g_assert_cmpuint (news->n_calls, ==, 1);

  /* and so does the shutdown */
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 3);
}

typedef struct
{
  TestAnswer answer;
  LsobsDropReason reason;
} Pause;

static void
test_pause (TestFixture *fixture, gconstpointer data)
{
  const Pause *pause = data;
  News news = { UNHEARD, 0, 0, 0, NULL };
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  listen_to (fixture, &news);
  test_server_push (fixture->server, NULL, pause->answer);
  test_emit_many (fixture->exporter, 4);
  error = test_flush_with_loss (fixture->exporter, 4);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 0);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, pause->reason), ==, 4);
  assert_paused (fixture, &news);
  g_assert_cmpuint (news.n_delivered, ==, 0);
  g_assert_cmpuint (news.n_lost, ==, 4);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
}

/* Several batches hear the bad news together: one line all the same. */
static void
test_pause_in_flight (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint64 n_lost;

  lsobs_config_set_max_batch_size (fixture->config, 1);
  lsobs_config_set_max_in_flight (fixture->config, 4);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  test_emit_many (fixture->exporter, 10);
  g_assert_true (test_server_wait_requests (fixture->server, 4, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));

  n_lost = test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_UNAUTHORIZED);
  g_assert_cmpuint (n_lost, <=, 4);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, n_lost);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 4);
  g_assert_cmpuint (test_log_count (), ==, 1);
}

/* What was lost before is told in its own time. */
static gboolean
has_good_news (gpointer data)
{
  return ((News *) data)->n_delivered > 0;
}

static void
test_recovery (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  News news = { UNHEARD, 0, 0, 0, NULL };

  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  listen_to (fixture, &news);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 405, .repeat = 2 });

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      test_emit_many (fixture->exporter, 2);
      error = test_flush_with_loss (fixture->exporter, 2);
      g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_DEGRADED);
      g_assert_true (test_wait_until (has_news, &news, TEST_TIMEOUT_MS));
      test_drain_context ();
      g_assert_cmpint (news.state, ==, LSOBS_STATE_DEGRADED);
      g_assert_cmpuint (news.n_calls, ==, 1);
      g_assert_cmpuint (test_log_count (), ==, 1);
    }

  test_emit_many (fixture->exporter, 3);
  test_assert_flush (fixture->exporter, 3);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_true (test_wait_until (has_good_news, &news, TEST_TIMEOUT_MS));
  g_assert_cmpint (news.state, ==, LSOBS_STATE_OK);
  g_assert_cmpuint (news.n_delivered, ==, 3);
  g_assert_cmpuint (news.n_lost, ==, 4);
  g_assert_cmpuint (test_log_count (), <=, 2);
}

/* A service that comes and goes does not fill the log. */
static void
test_flapping (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  for (guint i = 0; i < 20; i++)
    {
      test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503 });
      /* Two of them: what fails each time when others succeed is taken for the culprit. */
      test_server_push (fixture->server, NULL, (TestAnswer){ .status = 202, .repeat = 2 });
    }
  for (guint i = 0; i < 40; i++)
    {
      test_emit (fixture->exporter, "run");
      lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
    }
  g_assert_true (test_flush_at_last (fixture->exporter));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 40);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpuint (test_log_count (), <=, 2);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  static const Refusal bad_multipart = { 422, LSOBS_INGEST_MODE_MULTIPART };
  static const Refusal bad_batch = { 400, LSOBS_INGEST_MODE_BATCH };
  static const Refusal bad_runs = { 422, LSOBS_INGEST_MODE_RUNS };
  static const Pause unauthorized = {
    { .status = 401, .body = "{\"error\":\"Invalid token\"}", .repeat = -1 },
    LSOBS_DROP_REASON_UNAUTHORIZED
  };
  static const Pause forbidden = {
    { .status = 403, .body = "{\"error\":\"org_scoped_key_requires_workspace\"}", .repeat = -1 },
    LSOBS_DROP_REASON_UNAUTHORIZED
  };
  /* clang-format off */
  static const Pause quota = {
    { .status = 429, .body = "{\"detail\":\"Monthly unique traces usage limit exceeded\"}", .repeat = -1 },
    LSOBS_DROP_REASON_QUOTA
  };
  /* clang-format on */

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/exporter/bad-run/multipart", &bad_multipart, test_bad_run);
  ADD ("/exporter/bad-run/batch", &bad_batch, test_bad_run);
  ADD ("/exporter/bad-run/runs", &bad_runs, test_bad_run);
  ADD ("/exporter/bad-run/all", NULL, test_all_bad);
  ADD ("/exporter/too-large/halved", NULL, test_halved);
  ADD ("/exporter/too-large/cut", NULL, test_cut_for_server);
  ADD ("/exporter/too-large/lost", NULL, test_too_large);
  ADD ("/exporter/too-large/rest", NULL, test_large_rest);
  ADD ("/exporter/max-batch-bytes/multipart", GINT_TO_POINTER (LSOBS_INGEST_MODE_MULTIPART),
       test_max_batch_bytes);
  ADD ("/exporter/max-batch-bytes/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH),
       test_max_batch_bytes);
  ADD ("/exporter/pause/unauthorized", &unauthorized, test_pause);
  ADD ("/exporter/pause/forbidden", &forbidden, test_pause);
  ADD ("/exporter/pause/quota", &quota, test_pause);
  ADD ("/exporter/pause/in-flight", NULL, test_pause_in_flight);
  ADD ("/exporter/degraded/recovery", NULL, test_recovery);
  ADD ("/exporter/degraded/flapping", NULL, test_flapping);

  return g_test_run ();
}
