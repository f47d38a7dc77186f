/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/feedback-helpers.h"
#include "tests/lib/fork-helpers.h"
#include "tests/lib/replica-helpers.h"

/* What feedback waits for before it leaves: what the service can do, and the id of its project. */

#define R       "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L       "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define PROJECT "7f1d5a3e-0c52-4b8e-9f57-1f6f7a0e2b11"
#define OTHER   "8a2e6b4f-1d63-4c9f-8a68-2a7a8b1f3c22"

#define N_PIECES 200

/* How long feedback waits for the answer of /info, in µs. */
#define INFO_TIMEOUT (5 * G_USEC_PER_SEC)

#define NEEDY_INFO \
 "{\"version\":\"0.18.0\",\"instance_flags\":{\"ch_query_enabled\":false,\"sdb_query_enabled\":true}}"

static gboolean
has_left (gpointer data)
{
  return run_fixture_get (data, LSOBS_COUNTER_QUEUED) == 0;
}

/* What is in the queue is on its way, or waits for something else. */
static void
start_sending (RunFixture *fixture)
{
  lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
  g_assert_true (test_wait_until (has_left, fixture, TEST_TIMEOUT_MS));
}

static void
add_by_id (RunFixture *fixture, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *key = g_strdup_printf ("key-%u", i);

      feedback_add (fixture, lsobs_feedback_new (L, R, key));
    }
}

/* --- what the service can do --- */

/* @data: the runs are of another program */
static void
test_first (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");

  test_server_hold (fixture->server);
  if (data != NULL)
    add_by_id (fixture, N_PIECES);
  for (guint i = 0; i < N_PIECES && data == NULL; i++)
    feedback_add_to_run (run, "key");
  lsobs_run_end (run, NULL);
  start_sending (fixture);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, N_PIECES);
  g_test_message ("%u requests", test_server_count_requests (fixture->server, NULL));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), <=, 6);
  run_fixture_find (fixture, "run");
}

/* Nothing but feedback: it asks by itself. */
static void
test_only_feedback (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  add_by_id (fixture, N_PIECES);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, N_PIECES);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 4);
}

/* The answer is late: runs do not wait for it. */
static void
test_runs_go_on (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  test_server_push (fixture->server, "/info",
                    (TestAnswer){ .mode = TEST_ANSWER_HANG,
                                  .status = 200,
                                  .body = "{\"version\":\"0.12.1\"}",
                                  .repeat = -1 });
  add_by_id (fixture, N_PIECES);
  for (guint i = 0; i < 300; i++)
    {
      g_clear_pointer (&run, lsobs_run_unref);
      run = feedback_start_run (fixture, "run");
      lsobs_run_end (run, NULL);
    }
  start_sending (fixture);
  g_assert_true (test_server_wait_ops (fixture->server, 300, TEST_TIMEOUT_MS));
  test_server_release_hanging (fixture->server);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, N_PIECES);
}

/* A service that does not say what it can do gets feedback as any service takes it. */
static void
test_no_info (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_push (fixture->server, "/info", (TestAnswer){ .status = 404, .repeat = -1 });
  add_by_id (fixture, 10);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, 10);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/feedback"), ==, 10);
}

/* At the end, nothing waits for the answer until it is too late. */
static void
test_shutdown (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/info",
                    (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  add_by_id (fixture, 3);
  lsobs_exporter_shutdown (fixture->exporter, 4000, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 3);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/feedback"), ==, 3);
}

/* What waits is bounded as the queue is, and what has no room is counted. */
static void
test_bounded (RunFixture *fixture, gconstpointer data)
{
  gint64 began = g_get_monotonic_time ();
  guint64 n_in_flight;
  guint64 n_dropped;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_queue_capacity (fixture->config, 5);
  run_fixture_start (fixture);
  test_server_push (fixture->server, "/info",
                    (TestAnswer){ .mode = TEST_ANSWER_HANG,
                                  .status = 200,
                                  .body = "{\"version\":\"0.12.1\"}",
                                  .repeat = -1 });
  for (guint i = 0; i < 4; i++)
    {
      add_by_id (fixture, 5);
      start_sending (fixture);
      test_assert_books (fixture->exporter);
    }
  n_dropped = run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_QUEUE_FULL);
  n_in_flight = run_fixture_get (fixture, LSOBS_COUNTER_IN_FLIGHT);
  /* On a busy machine, feedback may leave without the answer before all of it is there. */
  if (g_get_monotonic_time () - began < INFO_TIMEOUT)
    {
      g_assert_cmpuint (n_dropped, ==, 15);
      g_assert_cmpuint (n_in_flight, ==, 5);
    }
  g_assert_cmpuint (n_dropped, <=, 15);
  test_server_release_hanging (fixture->server);
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  test_assert_books (fixture->exporter);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 20 - n_dropped);
}

/* --- the id of the project --- */

typedef struct
{
  const char *id;    /* of every project */
  guint n_absences;  /* so many times there is no such project */
  guint n_statuses;  /* so many times ... */
  guint status;      /* ... the answer is this */
  const char *words; /* (nullable) and says so */
  gboolean hangs;    /* there is no answer */
  guint n_hangs;     /* so many times it is late */
  gboolean resets;   /* the connection breaks */
  guint n_lookups;   /* (atomic) */
  GMutex lock;       /* guards all below */
  GPtrArray *asked;  /* (owned) (element-type utf8) the paths */
  char *body;        /* (owned) (nullable) */
} Projects;

/* Called in the server's thread. */
static gboolean
answer_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  Projects *projects = data;
  guint n;

  if (!g_str_has_prefix (request->path, "/sessions"))
    return FALSE;
  n = (guint) g_atomic_int_add ((int *) &projects->n_lookups, 1);
  g_mutex_lock (&projects->lock);
  g_ptr_array_add (projects->asked, g_strdup (request->path));
  g_mutex_unlock (&projects->lock);
  g_free (projects->body);
  projects->body = n < projects->n_absences ? g_strdup ("[]")
                                            : g_strdup_printf ("[{\"id\":\"%s\"}]", projects->id);
  answer->mode = projects->hangs || n < projects->n_hangs ? TEST_ANSWER_HANG : TEST_ANSWER_WHOLE;
  if (projects->resets)
    answer->mode = TEST_ANSWER_RESET;
  answer->status = n < projects->n_statuses ? projects->status : 200;
  answer->body = n < projects->n_statuses ? projects->words : projects->body;
  return TRUE;
}

static void
projects_init (Projects *projects, TestServer *server)
{
  projects->id = PROJECT;
  g_mutex_init (&projects->lock);
  projects->asked = g_ptr_array_new_with_free_func (g_free);
  test_server_set_handler (server, answer_cb, projects);
}

static void
projects_clear (Projects *projects, TestServer *server)
{
  test_server_set_handler (server, NULL, NULL);
  g_ptr_array_unref (projects->asked);
  g_free (projects->body);
  g_mutex_clear (&projects->lock);
}

static guint
count_lookups (Projects *projects)
{
  return (guint) g_atomic_int_get ((int *) &projects->n_lookups);
}

static void
set_up_needy (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  feedback_set_up_with_info (fixture, NEEDY_INFO);
}

static void
assert_session (RunFixture *fixture, const char *key, const char *id)
{
  g_autofree char *expected = id != NULL ? g_strdup_printf ("\"%s\"", id) : NULL;

  feedback_assert_member (feedback_find (fixture, key), "session_id", expected);
}

static void
test_session (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (TestRequest) first = NULL;
  g_autoptr (TestRequest) second = NULL;
  Projects projects = { 0 };

  projects_init (&projects, fixture->server);
  feedback_add_to_run (run, "first");
  feedback_add_to_run (run, "second");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  assert_session (fixture, "first", PROJECT);
  assert_session (fixture, "second", PROJECT);
  /* The run went ahead, and what makes the project with it. */
  first = test_get_request (fixture->server, 0);
  g_assert_cmpstr (first->path, ==, "/runs/multipart");
  g_assert_cmpuint (first->wire->feedback->len, ==, 0);
  second = test_get_request (fixture->server, 1);
  g_assert_cmpstr (second->method, ==, "GET");
  g_assert_cmpstr (second->path, ==, "/sessions?limit=1&name=" RUN_PROJECT);
  g_assert_cmpstr (test_request_get_header (second, "x-api-key"), ==, RUN_API_KEY);
  /* It is remembered. */
  feedback_add_to_run (run, "third");
  feedback_add (fixture, lsobs_feedback_new (L, R, "of somebody else"));
  run_fixture_flush (fixture);
  assert_session (fixture, "third", PROJECT);
  assert_session (fixture, "of somebody else", PROJECT);
  g_assert_cmpuint (count_lookups (&projects), ==, 1);
  /* All of it goes in batches. */
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/feedback"), ==, 0);
  projects_clear (&projects, fixture->server);
}

static void
test_session_name (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) one =
      lsobs_run_event_new_start (R, NULL, "one", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRunEvent) two =
      lsobs_run_event_new_start (L, NULL, "two", LSOBS_RUN_TYPE_CHAIN, NULL);
  Projects projects = { 0 };

  projects_init (&projects, fixture->server);
  lsobs_run_event_set_project_name (one, "a/b&c=d \xc3\xbc");
  lsobs_run_event_set_project_name (two, "other");
  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, one, NULL));
  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, two, NULL));
  feedback_add (fixture, lsobs_feedback_new (R, R, "one"));
  feedback_add (fixture, lsobs_feedback_new (L, L, "two"));
  feedback_add (fixture, lsobs_feedback_new (R, R, "one again"));
  run_fixture_flush (fixture);
  assert_session (fixture, "one again", PROJECT);
  assert_session (fixture, "two", PROJECT);
  g_mutex_lock (&projects.lock);
  g_assert_cmpuint (projects.asked->len, ==, 2);
  g_assert_cmpstr (projects.asked->pdata[0], ==, "/sessions?limit=1&name=a%2Fb%26c%3Dd%20%C3%BC");
  g_assert_cmpstr (projects.asked->pdata[1], ==, "/sessions?limit=1&name=other");
  g_mutex_unlock (&projects.lock);
  projects_clear (&projects, fixture->server);
}

/* Who says where the run is need not be told. */
static void
test_session_given (RunFixture *fixture, gconstpointer data)
{
  const gboolean addressed = data != NULL;
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");
  Projects projects = { 0 };

  run_fixture_set_up (fixture, NULL);
  test_server_set_info (fixture->server, NEEDY_INFO);
  if (addressed)
    {
      lsobs_config_set_project_name (fixture->config, NULL);
      lsobs_config_set_agent_id (fixture->config, "support");
      lsobs_config_set_agent_environment (fixture->config, "local");
    }
  run_fixture_start (fixture);
  projects_init (&projects, fixture->server);
  if (!addressed)
    lsobs_feedback_set_project_id (feedback, OTHER);
  feedback_add (fixture, feedback);
  run_fixture_flush (fixture);
  assert_session (fixture, "key", addressed ? NULL : OTHER);
  feedback_assert_member (feedback_find (fixture, "key"), "address",
                          addressed ? "\"lrn:agents/support/environments/local\"" : NULL);
  g_assert_cmpuint (count_lookups (&projects), ==, 0);
  projects_clear (&projects, fixture->server);
}

/* Other services find the project themselves. */
static void
test_session_not_needed (RunFixture *fixture, gconstpointer data)
{
  Projects projects = { 0 };

  feedback_set_up_with_info (fixture, data);
  projects_init (&projects, fixture->server);
  add_by_id (fixture, 1);
  run_fixture_flush (fixture);
  assert_session (fixture, "key-0", NULL);
  g_assert_cmpuint (count_lookups (&projects), ==, 0);
  projects_clear (&projects, fixture->server);
}

/* The project is made by what is still on its way through the service. */
static void
test_session_late (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Projects projects = { .n_absences = 3 };

  projects_init (&projects, fixture->server);
  add_by_id (fixture, 2);
  run_fixture_flush (fixture);
  assert_session (fixture, "key-1", PROJECT);
  g_assert_cmpuint (count_lookups (&projects), ==, 4);
  projects_clear (&projects, fixture->server);
}

/* A service that is not well is asked until it is. */
static void
test_session_trouble (RunFixture *fixture, gconstpointer data)
{
  Projects projects = { .n_statuses = 8, .status = GPOINTER_TO_UINT (data), .words = "<html>" };

  projects_init (&projects, fixture->server);
  add_by_id (fixture, 2);
  g_assert_true (test_flush_at_last (fixture->exporter));
  run_fixture_flush (fixture);
  assert_session (fixture, "key-1", PROJECT);
  g_assert_cmpuint (count_lookups (&projects), ==, 9);
  projects_clear (&projects, fixture->server);
}

static gboolean
is_delivered (gpointer data)
{
  return run_fixture_get (data, LSOBS_COUNTER_DELIVERED) == 2;
}

/* The service has gone away, and only feedback is left that needs an answer first: that is found out as
 * with a batch. A flush asks once, and fails with what it has met with. */
static void
test_session_away (RunFixture *fixture, gconstpointer data)
{
  Projects away = { .n_statuses = G_MAXUINT,
                    .status = GPOINTER_TO_UINT (data),
                    .words = "<title>gone</title>",
                    .resets = data == NULL };
  Projects back = { 0 };
  guint n_lookups = 0;

  test_log_clear ();
  projects_init (&away, fixture->server);
  add_by_id (fixture, 2);
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (GError) error = test_flush_in_vain (fixture->exporter, 2);

      g_assert_nonnull (strstr (error->message, data != NULL ? "gone" : "cannot be reached"));
      g_assert_cmpint (lsobs_exporter_get_state (fixture->exporter), ==, LSOBS_STATE_PAUSED);
      g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED), ==, 2);
      g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
      test_assert_books (fixture->exporter);
      /* One may have been asked because its time had come. */
      if (i > 0)
        g_assert_cmpuint (count_lookups (&away), <=, n_lookups + 2);
      n_lookups = count_lookups (&away);
    }
  g_assert_cmpuint (test_log_count (), ==, 1);
  projects_clear (&away, fixture->server);

  projects_init (&back, fixture->server);
  g_assert_true (test_wait_until (is_delivered, fixture, TEST_TIMEOUT_MS));
  run_fixture_flush (fixture);
  assert_session (fixture, "key-1", PROJECT);
  g_assert_cmpint (lsobs_exporter_get_state (fixture->exporter), ==, LSOBS_STATE_OK);
  projects_clear (&back, fixture->server);
}

/* More projects are waited for at once than are remembered; each is asked for once. */
static void
test_session_many (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const guint n = 150;
  Projects projects = { 0 };

  projects_init (&projects, fixture->server);
  test_server_hold (fixture->server);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *id = g_strdup_printf ("019ca8bb-f152-7a10-8c3e-5b7d2f90%04x", i + 1);
      g_autofree char *name = g_strdup_printf ("project-%u", i);
      g_autoptr (LsobsRunEvent) run =
          lsobs_run_event_new_start (id, NULL, "run", LSOBS_RUN_TYPE_CHAIN, NULL);

      lsobs_run_event_set_project_name (run, name);
      g_assert_true (lsobs_exporter_enqueue (fixture->exporter, run, NULL));
      feedback_add (fixture, lsobs_feedback_new (id, id, name));
    }
  lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  run_fixture_flush (fixture);
  assert_session (fixture, "project-0", PROJECT);
  assert_session (fixture, "project-149", PROJECT);
  g_assert_cmpuint (wire_tree_get_n_feedback (fixture->tree), ==, n);
  g_assert_cmpuint (count_lookups (&projects), ==, n);
  projects_clear (&projects, fixture->server);
}

/* In a list of projects, one whose name is not text is another one. */
static void
test_session_odd_name (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Projects projects = { .n_statuses = 1,
                        .status = 200,
                        .words = "[{\"id\":\"" OTHER "\",\"name\":7},"
                                 "{\"id\":\"" OTHER "\",\"name\":{\"a\":1}},"
                                 "{\"id\":\"" PROJECT "\",\"name\":\"" RUN_PROJECT "\"}]" };

  projects_init (&projects, fixture->server);
  add_by_id (fixture, 1);
  run_fixture_flush (fixture);
  assert_session (fixture, "key-0", PROJECT);
  g_assert_cmpuint (count_lookups (&projects), ==, 1);
  projects_clear (&projects, fixture->server);
}

typedef struct
{
  const char *path;
  guint n_absences;
  guint status; /* or 0 */
  guint n_lookups;
} RefusedRow;

static const RefusedRow refused_rows[] = {
  { "absent", 1000, 0, 6 },
  { "forbidden", 0, 403, 1 },
  { "no-endpoint", 0, 404, 1 },
};

/* There is no such project: only feedback is lost for it, and it is said why. */
static void
test_session_refused (RunFixture *fixture, gconstpointer data)
{
  const RefusedRow *row = data;
  g_autoptr (LsobsRun) run = feedback_start_run (fixture, "run");
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) error_again = NULL;
  Projects projects = { .n_absences = row->n_absences,
                        .n_statuses = row->status != 0 ? 1000 : 0,
                        .status = row->status,
                        .words = "{\"detail\":\"no\"}" };

  projects_init (&projects, fixture->server);
  feedback_add_to_run (run, "key");
  lsobs_run_end (run, NULL);
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_nonnull (strstr (error->message, "lsobs_feedback_set_project_id()"));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), ==, 1);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_REJECTED), ==, 1);
  g_assert_cmpuint (count_lookups (&projects), ==, row->n_lookups);
  g_assert_cmpint (lsobs_exporter_get_state (fixture->exporter), ==, LSOBS_STATE_OK);
  /* For a while, that is believed. */
  feedback_add_to_run (run, "again");
  error_again = test_flush_with_loss (fixture->exporter, 1);
  g_assert_cmpuint (count_lookups (&projects), ==, row->n_lookups);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_REJECTED), ==, 2);
  projects_clear (&projects, fixture->server);
}

static gboolean
has_only_pieces (gpointer data)
{
  return run_fixture_get (data, LSOBS_COUNTER_QUEUED) == 0 &&
         run_fixture_get (data, LSOBS_COUNTER_IN_FLIGHT) == N_PIECES;
}

static gboolean
was_asked (TestServer *server G_GNUC_UNUSED, gpointer data)
{
  return count_lookups (data) > 0;
}

/* Runs do not wait for the answer, and the end does not either. */
static void
test_session_hangs (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  Projects projects = { .hangs = TRUE };

  projects_init (&projects, fixture->server);
  add_by_id (fixture, N_PIECES);
  start_sending (fixture);
  g_assert_true (test_server_wait (fixture->server, was_asked, &projects, TEST_TIMEOUT_MS));
  for (guint i = 0; i < 300; i++)
    {
      g_clear_pointer (&run, lsobs_run_unref);
      run = feedback_start_run (fixture, "run");
      lsobs_run_end (run, NULL);
    }
  start_sending (fixture);
  g_assert_true (test_wait_until (has_only_pieces, fixture, TEST_TIMEOUT_MS));
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 500, NULL, NULL));
  test_assert_books (fixture->exporter);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED), >=, 300);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_SHUTDOWN), ==, N_PIECES);
  projects_clear (&projects, fixture->server);
}

/* The sending happens in a context of the program, which stops running it while the lookups are
 * still open. */
static void
test_session_in_context (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Projects projects = { .hangs = TRUE };
  g_autoptr (GError) error = NULL;

  g_main_context_push_thread_default (context);
  test_server_set_info (fixture->server, NEEDY_INFO);
  fixture->observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", fixture->config,
                                      "main-context", context, NULL);
  g_assert_no_error (error);
  fixture->exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));
  projects_init (&projects, fixture->server);
  add_by_id (fixture, 3);
  lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
  while (count_lookups (&projects) == 0)
    g_main_context_iteration (context, FALSE);
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 50, NULL, NULL));
  test_assert_books (fixture->exporter);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_SHUTDOWN), ==, 3);
  g_clear_object (&fixture->observer);
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
  projects_clear (&projects, fixture->server);
}

static void
child_adds (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  child_assert (
      lsobs_exporter_add_feedback (fixture->exporter, lsobs_feedback_new (L, R, "child"), NULL));
  fork_child_flush (fixture);
  child_assert (run_fixture_get (fixture, LSOBS_COUNTER_DELIVERED) == 1);
}

/* A child of a process whose lookup is open asks for itself; what waited is the parent's. */
static void
test_session_fork (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Projects projects = { .n_hangs = 1 };

  if (fork_skip ())
    return;
  projects_init (&projects, fixture->server);
  feedback_add (fixture, lsobs_feedback_new (L, R, "parent"));
  start_sending (fixture);
  g_assert_true (test_server_wait (fixture->server, was_asked, &projects, TEST_TIMEOUT_MS));
  fork_run (child_adds, fixture, NULL);
  test_server_release_hanging (fixture->server);
  run_fixture_flush (fixture);
  assert_session (fixture, "child", PROJECT);
  assert_session (fixture, "parent", PROJECT);
  projects_clear (&projects, fixture->server);
}

/* Each place has projects of its own. */
static void
test_session_replicas (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  Projects projects[2] = { { 0 }, { 0 } };
  LsobsFeedback *feedback = lsobs_feedback_new (L, R, "key");

  for (guint i = 0; i < 2; i++)
    {
      projects_init (&projects[i], replicas->servers[i]);
      test_server_set_info (replicas->servers[i], NEEDY_INFO);
    }
  projects[1].id = OTHER;
  replicas_add (replicas, 0, NULL, LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 1, "other", LSOBS_REPLICA_ROLE_AUTO);
  replicas_start (replicas);
  /* The program names the project of the first place alone. */
  lsobs_feedback_set_project_id (feedback, PROJECT);
  g_assert_true (lsobs_observer_add_feedback (replicas->observer, feedback, NULL));
  lsobs_feedback_unref (feedback);
  test_assert_flush (replicas->exporter, 2);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (WireTree) tree = test_server_build_tree (replicas->servers[i]);

      feedback_assert_member (g_ptr_array_index (wire_tree_get_feedback (tree), 0), "session_id",
                              i == 0 ? "\"" PROJECT "\"" : "\"" OTHER "\"");
      g_assert_cmpuint (count_lookups (&projects[i]), ==, i);
      projects_clear (&projects[i], replicas->servers[i]);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, data, set_up, func) \
 g_test_add ("/feedback-way/" path, RunFixture, data, set_up, func, run_fixture_tear_down)
  ADD ("feedback-first", NULL, run_fixture_set_up_started, test_first);
  ADD ("feedback-first/by-id", GINT_TO_POINTER (TRUE), run_fixture_set_up_started, test_first);
  ADD ("only-feedback", NULL, run_fixture_set_up_started, test_only_feedback);
  ADD ("runs-go-on", NULL, run_fixture_set_up_started, test_runs_go_on);
  ADD ("no-info", NULL, run_fixture_set_up_started, test_no_info);
  ADD ("shutdown", NULL, run_fixture_set_up_started, test_shutdown);
  ADD ("bounded", NULL, NULL, test_bounded);
  ADD ("feedback-session", NULL, set_up_needy, test_session);
  ADD ("feedback-session/name", NULL, set_up_needy, test_session_name);
  ADD ("feedback-session/given", NULL, NULL, test_session_given);
  ADD ("feedback-session/address", GINT_TO_POINTER (TRUE), NULL, test_session_given);
  ADD (
      "feedback-session/both-query",
      "{\"version\":\"0.18.0\",\"instance_flags\":{\"ch_query_enabled\":true,\"sdb_query_enabled\":"
      "true}}",
      NULL, test_session_not_needed);
  ADD ("feedback-session/no-flags", "{\"version\":\"0.18.0\"}", NULL, test_session_not_needed);
  ADD ("feedback-session/late", NULL, set_up_needy, test_session_late);
  ADD ("feedback-session/503", GUINT_TO_POINTER (503), set_up_needy, test_session_trouble);
  ADD ("feedback-session/html-200", GUINT_TO_POINTER (200), set_up_needy, test_session_trouble);
  ADD ("feedback-session/html-403", GUINT_TO_POINTER (403), set_up_needy, test_session_trouble);
  ADD ("feedback-session/away/reset", NULL, set_up_needy, test_session_away);
  ADD ("feedback-session/away/503", GUINT_TO_POINTER (503), set_up_needy, test_session_away);
  ADD ("feedback-session/away/407", GUINT_TO_POINTER (407), set_up_needy, test_session_away);
  for (guint i = 0; i < G_N_ELEMENTS (refused_rows); i++)
    {
      g_autofree char *path =
          g_strconcat ("/feedback-way/feedback-session/refused/", refused_rows[i].path, NULL);

      g_test_add (path, RunFixture, &refused_rows[i], set_up_needy, test_session_refused,
                  run_fixture_tear_down);
    }
  ADD ("feedback-session/many", NULL, set_up_needy, test_session_many);
  ADD ("feedback-session/odd-name", NULL, set_up_needy, test_session_odd_name);
  ADD ("feedback-session/hangs", NULL, set_up_needy, test_session_hangs);
  ADD ("feedback-session/in-context", NULL, run_fixture_set_up, test_session_in_context);
  ADD ("feedback-session/fork", NULL, set_up_needy, test_session_fork);
  g_test_add ("/feedback-way/feedback-session/replicas", Replicas, NULL, replicas_set_up,
              test_session_replicas, replicas_tear_down);

  return g_test_run ();
}
