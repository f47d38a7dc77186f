/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Feedback does not arrive before the run that it is about, whatever way both go. */

#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/feedback-helpers.h"

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"

/* The create of its run is under way: the feedback waits for it. */
static void
test_after_create (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (LsobsRun) other = NULL;
  g_autoptr (TestRequest) last = NULL;
  guint n_before = test_server_count_requests (fixture->server, NULL);

  test_server_hold (fixture->server);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL));
  g_assert_true (test_server_wait_requests (fixture->server, n_before + 1, TEST_TIMEOUT_MS));
  feedback_add_to_run (run, "key");
  feedback_add (fixture, lsobs_feedback_new (L, R, "of somebody else"));
  other = feedback_start_run (fixture, "other");
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL));
  g_assert_true (test_server_wait_requests (fixture->server, n_before + 2, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, n_before + 3);
  last = test_get_request (fixture->server, n_before + 2);
  g_assert_cmpuint (last->wire->feedback->len, ==, 1);
  feedback_assert_member (g_ptr_array_index (last->wire->feedback, 0), "key", "\"key\"");
  feedback_find (fixture, "of somebody else");
}

/* The same for a run that is reported by its id. */
static void
test_after_create_by_id (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) event =
      lsobs_run_event_new_start (R, NULL, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (TestRequest) last = NULL;
  guint n_before = test_server_count_requests (fixture->server, NULL);

  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, event, NULL));
  test_server_hold (fixture->server);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL));
  g_assert_true (test_server_wait_requests (fixture->server, n_before + 1, TEST_TIMEOUT_MS));
  feedback_add (fixture, lsobs_feedback_new (R, R, "key"));
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL));
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, n_before + 2);
  last = test_get_request (fixture->server, n_before + 1);
  g_assert_cmpuint (last->wire->feedback->len, ==, 1);
}

/* Attempts until the create is taken. */
#define N_CREATES 5

typedef struct
{
  guint status;    /* for what has both in one request */
  guint n_creates; /* that have come alone */
} Apart;

/* Called in the server's thread: takes a create at last, and feedback only after that. */
static gboolean
take_apart_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  Apart *apart = data;
  gboolean has_create = test_bytes_contain (request->body, "\"run_type\"");
  gboolean has_feedback = test_bytes_contain (request->body, "\"feedback_source\"");

  if (has_create && has_feedback)
    answer->status = apart->status;
  else if (has_create && ++apart->n_creates < N_CREATES)
    answer->status = 503;
  else if (has_feedback && apart->n_creates < N_CREATES)
    answer->status = strcmp (request->path, "/feedback") == 0 ? 404 : 422;
  else
    return FALSE;
  return TRUE;
}

/* Both were in one request, which is not taken: the feedback follows its create all the same. */
static void
test_apart (RunFixture *fixture, gconstpointer data)
{
  Apart apart = { GPOINTER_TO_UINT (data), 0 };
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");

  test_server_set_handler (fixture->server, take_apart_cb, &apart);
  feedback_add_to_run (run, "one");
  feedback_add_to_run (run, "two");
  run_fixture_flush (fixture);
  feedback_find (fixture, "one");
  feedback_find (fixture, "two");
  run_fixture_find (fixture, "run");
  test_server_set_handler (fixture->server, NULL, NULL);
}

/* Called in the server's thread. */
static gboolean
hang_apart_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  gboolean has_create = test_bytes_contain (request->body, "\"run_type\"");

  if (has_create && test_bytes_contain (request->body, "\"feedback_source\""))
    answer->status = 413;
  else if (has_create)
    answer->mode = TEST_ANSWER_HANG;
  else
    g_atomic_int_inc ((int *) data);
  return TRUE;
}

/* At the end, what waits for its create is lost with it, and kept where that is wanted. */
static void
test_apart_at_end (RunFixture *fixture, gconstpointer data)
{
  g_autofree char *dir = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  int n_feedback = 0;
  guint n_before;
  g_autoptr (LsobsRun) run = NULL;

  run_fixture_set_up (fixture, NULL);
  test_server_set_info (fixture->server, "{\"version\":\"0.8.10\"}");
  if (data != NULL)
    lsobs_config_set_failed_traces_dir (fixture->config, dir);
  run_fixture_start (fixture);
  lsobs_run_unref (feedback_start_run (fixture, "first"));
  run_fixture_flush (fixture);
  feedback_wait_for_info (fixture);
  n_before = test_server_count_requests (fixture->server, NULL);
  test_server_set_handler (fixture->server, hang_apart_cb, &n_feedback);
  run = feedback_start_run (fixture, "run");
  feedback_add_to_run (run, "one");
  feedback_add_to_run (run, "two");
  lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
  g_assert_true (test_server_wait_requests (fixture->server, n_before + 2, TEST_TIMEOUT_MS));
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 4000, NULL, NULL));
  g_assert_cmpint (g_atomic_int_get (&n_feedback), ==, 0);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_SHUTDOWN), ==, 3);
  test_assert_books (fixture->exporter);
  if (data != NULL)
    g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DUMPED, 3));
  failed_traces_remove_dir (dir);
}

/* What a service that takes little at a time, and fails often, has taken. */
typedef struct
{
  guint n_requests;
  GHashTable *runs; /* (owned) (element-type utf8) by id */
  guint n_early;    /* feedback on runs that it did not know */
} Moody;

/* Called in the server's thread. */
static gboolean
moody_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  Moody *moody = data;
  WireRequest *wire = request->wire;

  if (wire == NULL)
    return FALSE;
  moody->n_requests++;
  if (wire->ops->len + wire->feedback->len > 2 && moody->n_requests % 2 == 0)
    answer->status = moody->n_requests % 4 == 0 ? 413 : 400;
  else if (moody->n_requests % 5 == 0)
    answer->status = 503;
  if (answer->status != 0 && answer->status != 202)
    return TRUE;
  for (guint i = 0; i < wire->ops->len; i++)
    g_hash_table_add (moody->runs, g_strdup (((WireOp *) g_ptr_array_index (wire->ops, i))->id));
  for (guint i = 0; i < wire->feedback->len; i++)
    {
      JsonObject *feedback = g_ptr_array_index (wire->feedback, i);

      if (!g_hash_table_contains (moody->runs, json_object_get_string_member (feedback, "run_id")))
        moody->n_early++;
    }
  /* so that answers overtake each other */
  answer->delay_ms = moody->n_requests % 3;
  return TRUE;
}

static void
test_moody (RunFixture *fixture, gconstpointer data)
{
  Moody moody = { 0, g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL), 0 };
  const guint n = 60;

  feedback_set_up_known (fixture, data);
  if (data != NULL)
    test_server_push (fixture->server, "/runs/multipart",
                      (TestAnswer){ .status = 404, .repeat = -1 });
  test_server_set_handler (fixture->server, moody_cb, &moody);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");

      feedback_add_to_run (run, "one");
      if (i % 2 == 0)
        lsobs_run_end (run, NULL);
      feedback_add_to_run (run, "two");
      if (i % 7 == 0)
        lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
      lsobs_run_end (run, NULL);
    }
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, 2 * n);
  g_assert_cmpuint (wire_tree_get_n_runs (fixture->tree), ==, n + 1);
  g_assert_cmpuint (moody.n_early, ==, 0);
  test_server_set_handler (fixture->server, NULL, NULL);
  g_hash_table_unref (moody.runs);
}

#define ADD(path, data, set_up, func) \
 g_test_add (path, RunFixture, data, set_up, func, run_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/feedback/order/after-create", NULL, feedback_set_up_known, test_after_create);
  ADD ("/feedback/order/after-create-by-id", NULL, feedback_set_up_known, test_after_create_by_id);
  ADD ("/feedback/order/apart/404", GUINT_TO_POINTER (404), feedback_set_up_known, test_apart);
  ADD ("/feedback/order/apart/413", GUINT_TO_POINTER (413), feedback_set_up_known, test_apart);
  ADD ("/feedback/order/apart/400", GUINT_TO_POINTER (400), feedback_set_up_known, test_apart);
  ADD ("/feedback/order/apart/409", GUINT_TO_POINTER (409), feedback_set_up_known, test_apart);
  ADD ("/feedback/order/moody/multipart", NULL, NULL, test_moody);
  ADD ("/feedback/order/moody/batch", GINT_TO_POINTER (TRUE), NULL, test_moody);
  ADD ("/feedback/order/apart/end", NULL, NULL, test_apart_at_end);
  ADD ("/feedback/order/apart/end-kept", GINT_TO_POINTER (TRUE), NULL, test_apart_at_end);

  return g_test_run ();
}
