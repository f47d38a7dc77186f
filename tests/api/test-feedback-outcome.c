/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include <lsobs/lsobs.h>

#include "tests/lib/feedback-helpers.h"
#include "tests/lib/fork-helpers.h"
#include "tests/lib/test-helpers.h"

/* Which way feedback goes, and what becomes of it when it is not wanted. */

#define R     "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L     "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define OTHER "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"

/* The service is too old for feedback among runs. */
static void
set_up (RunFixture *fixture, gconstpointer data)
{
  feedback_set_up_with_info (fixture, "{\"version\":\"0.8.9\"}");
}

/* --- which way it goes --- */

static guint
count_feedback_requests (RunFixture *fixture)
{
  return test_server_count_requests (fixture->server, "/feedback");
}

static void
test_alone (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autofree char *trace_id = lsobs_run_dup_trace_id (run);
  g_autoptr (TestRequest) first = NULL;
  g_autoptr (TestRequest) second = NULL;

  feedback_add_to_run (run, "first");
  feedback_add_to_run (run, "second");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 2);
  feedback_assert_member (feedback_find (fixture, "first"), "score", "1");
  g_assert_cmpstr (json_object_get_string_member (feedback_find (fixture, "second"), "run_id"), ==,
                   id);
  g_assert_cmpstr (json_object_get_string_member (feedback_find (fixture, "second"), "trace_id"),
                   ==, trace_id);
  /* After the run, though four requests may be under way at once. */
  first = test_get_request (fixture->server, 0);
  second = test_get_request (fixture->server, 1);
  g_assert_cmpstr (first->path, ==, "/runs/multipart");
  g_assert_cmpstr (second->path, ==, "/feedback");
  g_assert_cmpstr (test_request_get_header (second, "Content-Type"), ==, "application/json");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 3);
}

static void
test_together (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (TestRequest) request = NULL;
  guint n_before = test_server_count_requests (fixture->server, NULL);

  feedback_add_to_run (run, "first");
  feedback_add_to_run (run, "second");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, n_before + 1);
  request = test_get_request (fixture->server, n_before);
  g_assert_cmpuint (request->wire->ops->len, ==, 1);
  g_assert_cmpuint (request->wire->feedback->len, ==, 2);
  feedback_find (fixture, "first");
  feedback_find (fixture, "second");
}

/* What is not to make the trace be kept longer has to be told the endpoint. */
static void
test_retention (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  LsobsFeedback *feedback = lsobs_run_new_feedback (run, "key");

  lsobs_feedback_set_extend_retention (feedback, FALSE);
  feedback_add (fixture, feedback);
  feedback_add_to_run (run, "other");
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 1);
  feedback_assert_member (feedback_find (fixture, "key"), "extend_trace_retention", "false");
  feedback_assert_member (feedback_find (fixture, "other"), "extend_trace_retention", NULL);
}

static void
test_mode (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  run_fixture_start (fixture);
  run = feedback_start_run (fixture, "run");
  feedback_add_to_run (run, "key");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 1);
  feedback_find (fixture, "key");
  run_fixture_find (fixture, "run");
}

/* The endpoint for both goes away while they are on their way. */
static void
test_fall_back (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) first = feedback_start_run (fixture, "one");
  g_autoptr (LsobsRun) second = feedback_start_run (fixture, "two");

  feedback_add_to_run (first, "first");
  feedback_add_to_run (second, "second");
  test_server_push (fixture->server, "/runs/multipart",
                    (TestAnswer){ .status = 404, .repeat = -1 });
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 2);
  feedback_find (fixture, "first");
  feedback_find (fixture, "second");
  run_fixture_find (fixture, "one");
  run_fixture_find (fixture, "two");
}

/* --- what becomes of it --- */

static void
test_status (RunFixture *fixture, gconstpointer data)
{
  const guint status = GPOINTER_TO_UINT (data);
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (LsobsRun) next = NULL;
  g_autoptr (GError) error = NULL;

  feedback_add_to_run (run, "bad");
  lsobs_run_end (run, NULL);
  test_server_push (fixture->server, "/feedback", (TestAnswer){ .status = status, .repeat = -1 });
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 1);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_REJECTED), ==, 1);
  /* It says nothing of the service. */
  g_assert_cmpint (lsobs_exporter_get_state (fixture->exporter), ==, LSOBS_STATE_OK);
  next = feedback_start_run (fixture, "next");
  run_fixture_flush (fixture);
  run_fixture_find (fixture, "run");
  run_fixture_find (fixture, "next");
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/batch"), ==, 0);
}

static void
test_conflict (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  feedback_add (fixture, lsobs_feedback_new (L, R, "key"));
  test_server_push (fixture->server, "/feedback", (TestAnswer){ .status = 409 });
  run_fixture_flush (fixture);
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 1);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 1);
}

static void
test_retried (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");
  g_autoptr (TestRequest) request = NULL;

  lsobs_feedback_set_score (feedback, 1.0 / 3);
  feedback_add (fixture, feedback);
  test_server_push (fixture->server, "/feedback", (TestAnswer){ .status = 503 });
  run_fixture_flush (fixture);
  request = test_get_request (fixture->server, 1);
  g_assert_true (test_bytes_contain (request->body, "\"score\":0.3333,"));
  g_assert_cmpuint (count_feedback_requests (fixture), ==, 2);
  feedback_find (fixture, "key");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_RETRIES), ==, 1);
}

static void
test_too_large (RunFixture *fixture, gconstpointer data)
{
  const guint n_refusals = GPOINTER_TO_UINT (data);
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");
  g_autofree char *text = g_strnfill (5000, 'x');
  g_autoptr (JsonNode) value = test_new_payload (text);

  lsobs_feedback_set_value (feedback, value);
  lsobs_feedback_set_comment (feedback, text);
  feedback_add (fixture, feedback);
  test_server_push (fixture->server, "/feedback",
                    (TestAnswer){ .status = 413, .repeat = (int) n_refusals });
  if (n_refusals == 2)
    {
      g_autoptr (GError) error = test_flush_with_loss (fixture->exporter, 1);

      g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_TOO_LARGE), ==, 1);
      return;
    }
  run_fixture_flush (fixture);
  feedback_assert_member (feedback_find (fixture, "key"), "value",
                          "{\"__truncated__\":true,\"bytes\":5011}");
  g_assert_cmpuint (strlen (
                        json_object_get_string_member (feedback_find (fixture, "key"), "comment")),
                    ==, 1000);
}

/* One that the service does not like, among others in one request. */
static gboolean
refuse_bad_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  answer->status = test_bytes_contain (request->body, "\"key\":\"bad\"") ? 422 : 202;
  return TRUE;
}

static void
test_dies_alone (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (GError) error = NULL;

  test_server_set_handler (fixture->server, refuse_bad_cb, NULL);
  for (guint i = 0; i < 10; i++)
    {
      g_autofree char *key = i == 4 ? g_strdup ("bad") : g_strdup_printf ("good-%u", i);

      feedback_add_to_run (run, key);
    }
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_REJECTED), ==, 1);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, 9);
  run_fixture_find (fixture, "run");
}

/* It takes its place in the queue as anything does, and goes as anything does. */
static void
test_queue_full (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;
  guint64 n_bytes;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_queue_capacity (fixture->config, 3);
  lsobs_config_set_max_batch_size (fixture->config, 50);
  run_fixture_start (fixture);
  test_server_hold (fixture->server);
  feedback_add (fixture, lsobs_feedback_new (L, R, "first"));
  n_bytes = run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES);
  {
    LsobsFeedback *feedback = lsobs_feedback_new (L, R, "second");
    g_autofree char *text = g_strnfill (5000, 'x');

    lsobs_feedback_set_comment (feedback, text);
    feedback_add (fixture, feedback);
  }
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES), >=, 2 * n_bytes + 5000);
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, 2);
}

/* --- what is kept in a file --- */

/* The only file in @dir, which goes: (transfer full) where the request was to go, and what it was. */
static char *
take_kept (const char *dir_path, GBytes **body)
{
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, NULL);
  g_autofree char *path = g_build_filename (dir_path, g_dir_read_name (dir), NULL);
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;
  guchar *data;
  gsize len;

  g_assert_null (g_dir_read_name (dir));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  node = run_json (text);
  object = json_node_get_object (node);
  data = g_base64_decode (json_object_get_string_member (object, "body_base64"), &len);
  *body = g_bytes_new_take (data, len);
  g_unlink (path);
  g_rmdir (dir_path);
  return g_strdup (json_object_get_string_member (object, "endpoint"));
}

static void
test_kept (RunFixture *fixture, gconstpointer data)
{
  const gboolean together = GPOINTER_TO_INT (data);
  g_autofree char *dir = g_dir_make_tmp ("lsobs-feedback-XXXXXX", NULL);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autofree char *endpoint = NULL;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_failed_traces_dir (fixture->config, dir);
  lsobs_config_set_max_attempts (fixture->config, 1);
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_NONE);
  test_server_set_info (fixture->server,
                        together ? "{\"version\":\"0.8.10\"}" : "{\"version\":\"0.8.9\"}");
  run_fixture_start (fixture);
  run = feedback_start_run (fixture, "run");
  run_fixture_flush (fixture);
  if (together)
    feedback_wait_for_info (fixture);
  feedback_add_to_run (run, "key");
  if (together)
    lsobs_run_end (run, NULL);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503, .repeat = -1 });
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  endpoint = take_kept (dir, &body);
  g_assert_cmpstr (endpoint, ==, together ? "runs/multipart" : "feedback");
  g_assert_true (test_bytes_contain (body, "\"key\":\"key\""));
  g_assert_true (g_str_has_prefix (g_bytes_get_data (body, NULL), together ? "--" : "{\"id\":"));
}

/* --- several places and processes --- */

static void
test_replicas (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (TestServer) second = test_server_new ();
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (LsobsRun) run = NULL;
  LsobsFeedback *feedback;
  JsonObject *here;
  JsonObject *there;

  run_fixture_set_up (fixture, data);
  lsobs_config_add_replica (fixture->config, test_server_get_url (fixture->server), RUN_API_KEY,
                            NULL, NULL, LSOBS_REPLICA_ROLE_PRIMARY);
  lsobs_config_add_replica (fixture->config, test_server_get_url (second), RUN_API_KEY, "other",
                            NULL, LSOBS_REPLICA_ROLE_SECONDARY);
  run_fixture_start (fixture);
  run = feedback_start_run (fixture, "run");
  feedback = lsobs_run_new_feedback (run, "key");
  lsobs_feedback_set_project_id (feedback, OTHER);
  feedback_add (fixture, feedback);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  test_server_assert_conformant (second);
  tree = test_server_build_tree (second);
  here = feedback_find (fixture, "key");
  g_assert_cmpuint (wire_tree_get_n_feedback (tree), ==, 1);
  there = g_ptr_array_index (wire_tree_get_feedback (tree), 0);
  g_assert_cmpstr (json_object_get_string_member (here, "run_id"), ==,
                   run_fixture_find (fixture, "run")->id);
  g_assert_cmpstr (json_object_get_string_member (there, "run_id"), ==,
                   wire_tree_find (tree, "run")->id);
  g_assert_cmpstr (json_object_get_string_member (here, "run_id"), !=,
                   json_object_get_string_member (there, "run_id"));
  g_assert_cmpstr (json_object_get_string_member (here, "id"), !=,
                   json_object_get_string_member (there, "id"));
  /* Remade, not made anew: the milliseconds stay. */
  g_assert_cmpint (strncmp (json_object_get_string_member (here, "id"),
                            json_object_get_string_member (there, "id"), 14),
                   ==, 0);
  g_assert_cmpstr (json_object_get_string_member (here, "trace_id"), ==,
                   run_fixture_find (fixture, "run")->trace_id);
  g_assert_cmpstr (json_object_get_string_member (there, "trace_id"), ==,
                   wire_tree_find (tree, "run")->trace_id);
  feedback_assert_member (here, "session_id", "\"" OTHER "\"");
  feedback_assert_member (there, "session_id", NULL);
}

static void
child_adds (RunFixture *fixture, gpointer data)
{
  /* The run is the parent's, but anybody may say what they think of it. */
  child_assert (lsobs_run_add_feedback (data, "child", 1, NULL, NULL));
  fork_child_flush (fixture);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED) == 1);
}

static void
test_fork (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  const char *id;

  if (fork_skip ())
    return;
  run = feedback_start_run (fixture, "run");
  feedback_add_to_run (run, "parent");
  fork_run (child_adds, fixture, run);
  run_fixture_flush (fixture);
  id = run_fixture_find (fixture, "run")->id;
  g_assert_cmpstr (json_object_get_string_member (feedback_find (fixture, "child"), "run_id"), ==,
                   id);
  g_assert_cmpstr (json_object_get_string_member (feedback_find (fixture, "parent"), "run_id"), ==,
                   id);
}

#define N_THREADS 4
#define N_EACH    50

static gpointer
add_many (gpointer data)
{
  for (guint i = 0; i < N_EACH; i++)
    feedback_add_to_run (data, "key");
  return NULL;
}

static void
test_threads (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("feedback", add_many, run);
  lsobs_run_end (run, NULL);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, N_THREADS * N_EACH);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, set_up, func) \
 g_test_add (path, RunFixture, data, set_up, func, run_fixture_tear_down)
  ADD ("/feedback/way/alone", NULL, set_up, test_alone);
  ADD ("/feedback/way/together", NULL, feedback_set_up_known, test_together);
  ADD ("/feedback/way/retention", NULL, feedback_set_up_known, test_retention);
  ADD ("/feedback/way/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH), NULL, test_mode);
  ADD ("/feedback/way/runs", GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS), NULL, test_mode);
  ADD ("/feedback/way/fall-back", NULL, feedback_set_up_known, test_fall_back);
  ADD ("/feedback/fate/400", GUINT_TO_POINTER (400), set_up, test_status);
  ADD ("/feedback/fate/404", GUINT_TO_POINTER (404), set_up, test_status);
  ADD ("/feedback/fate/422", GUINT_TO_POINTER (422), set_up, test_status);
  ADD ("/feedback/fate/409", NULL, set_up, test_conflict);
  ADD ("/feedback/fate/503", NULL, set_up, test_retried);
  ADD ("/feedback/fate/413", GUINT_TO_POINTER (1), set_up, test_too_large);
  ADD ("/feedback/fate/413-again", GUINT_TO_POINTER (2), set_up, test_too_large);
  ADD ("/feedback/fate/dies-alone", NULL, feedback_set_up_known, test_dies_alone);
  ADD ("/feedback/fate/kept-alone", GINT_TO_POINTER (FALSE), NULL, test_kept);
  ADD ("/feedback/fate/kept-together", GINT_TO_POINTER (TRUE), NULL, test_kept);
  ADD ("/feedback/queue/bytes", NULL, NULL, test_queue_full);
  ADD ("/feedback/replicas", NULL, NULL, test_replicas);
  ADD ("/feedback/threads", NULL, feedback_set_up_known, test_threads);
  ADD ("/feedback/fork", NULL, set_up, test_fork);

  return g_test_run ();
}
