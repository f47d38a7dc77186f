/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service says it can do: asked in the background, believed within bounds, never waited for. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

#define WORKSPACE "7f1d5a3e-0c52-4b8e-9f57-1f6f7a0e2b11"

/* What nobody would take for the defaults. */
#define SMALL_INFO \
 "{\"version\":\"0.12.1\",\"batch_ingest_config\":{\"size_limit\":7,\"size_limit_bytes\":65536}}"
#define OLD_INFO \
 "{\"version\":\"0.2.1\",\"batch_ingest_config\":{\"use_multipart_endpoint\":false}}"

static LsobsTransport *
get_transport (TestFixture *fixture)
{
  return lsobs_exporter_get_transport (fixture->exporter);
}

static gboolean
knows_small_info (gpointer data)
{
  return lsobs_transport_get_max_records (get_transport (data)) == 7;
}

static gboolean
uses_batch (gpointer data)
{
  return lsobs_client_get_ingest_mode (LSOBS_CLIENT (get_transport (data))) ==
         LSOBS_INGEST_MODE_BATCH;
}

/* (transfer full): the lookups, in the order of arrival */
static GPtrArray *
dup_lookups (TestServer *server)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (server);
  GPtrArray *lookups = g_ptr_array_new_with_free_func ((GDestroyNotify) test_request_unref);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      if (test_request_is_info (request))
        g_ptr_array_add (lookups, test_request_ref (request));
    }

  return lookups;
}

static guint
count_lookups (TestServer *server)
{
  g_autoptr (GPtrArray) lookups = dup_lookups (server);

  return lookups->len;
}

static gboolean
was_asked (TestServer *server, gpointer data G_GNUC_UNUSED)
{
  return count_lookups (server) > 0;
}

static void
send_one (TestFixture *fixture)
{
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);
}

/* A lookup is given up after five seconds. What takes less has not waited for the answer. */
#define LOOKUP_MS 5000

/* On a busy machine anything may take long once, but not again and again. */
#define N_TRIALS 5

/* Sends something, and waits until @predicate tells that the answer has come. */
static void
learn (TestFixture *fixture, gboolean (*predicate) (gpointer data))
{
  send_one (fixture);
  g_assert_true (test_wait_until (predicate, fixture, TEST_TIMEOUT_MS));
}

/* --- the lookup -------------------------------------------------------------------------- */

static void
test_request (TestFixture *fixture, gconstpointer data)
{
  g_autofree char *url =
      g_strconcat (test_server_get_url (fixture->server), (const char *) data, NULL);
  g_autofree char *path = NULL;
  g_autoptr (GPtrArray) lookups = NULL;
  TestRequest *lookup;

  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_workspace_id (fixture->config, WORKSPACE);
  test_server_set_info (fixture->server, SMALL_INFO);
  test_fixture_start (fixture);
  g_assert_cmpuint (count_lookups (fixture->server), ==, 0);
  learn (fixture, knows_small_info);
  for (guint i = 0; i < 5; i++)
    send_one (fixture);

  lookups = dup_lookups (fixture->server);
  g_assert_cmpuint (lookups->len, ==, 1);
  lookup = g_ptr_array_index (lookups, 0);
  path = g_strconcat (strcmp (data, "/") == 0 ? "" : data, "/info", NULL);
  g_assert_cmpstr (lookup->method, ==, "GET");
  g_assert_cmpstr (lookup->path, ==, path);
  g_assert_cmpstr (test_request_get_header (lookup, "x-api-key"), ==, TEST_KEY);
  g_assert_cmpstr (test_request_get_header (lookup, "X-Tenant-Id"), ==, WORKSPACE);
  g_assert_cmpstr (test_request_get_header (lookup, "Accept"), ==, "application/json");
  g_assert_true (g_str_has_prefix (test_request_get_header (lookup, "User-Agent"), "lsobs/"));
  g_assert_null (test_request_get_header (lookup, "Content-Type"));
  g_assert_cmpuint (g_bytes_get_size (lookup->raw_body), ==, 0);

  /* it is no batch, and no attempt at one */
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 6);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_RETRIES), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_BATCHES), ==, 6);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

/* Who sends nothing asks nothing. */
static void
test_unused (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  test_fixture_stop (fixture);
  g_assert_cmpuint (count_lookups (fixture->server), ==, 0);
}

/* While the service wants to be left alone, it is not asked either. */
static void
test_paused (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  test_server_push (fixture->server, "/info", (TestAnswer){ .status = 401 });
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 401 });
  test_emit (fixture->exporter, "run");
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_true (test_server_wait (fixture->server, was_asked, NULL, TEST_TIMEOUT_MS));
  test_emit (fixture->exporter, "run");
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (count_lookups (fixture->server), ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
}

/* A lookup waits for so long until a connection has nothing else to do. */
#define PATIENCE_MS 500

/* Sends runs to a service that is started anew. Returns: how many ms the first one took */
static gint64
send_with_lookup (TestFixture *fixture)
{
  gint64 start = g_get_monotonic_time ();
  gint64 elapsed;

  test_fixture_start (fixture);
  send_one (fixture);
  elapsed = test_get_elapsed_ms (start);
  g_assert_true (test_wait_until (knows_small_info, fixture, TEST_TIMEOUT_MS));
  for (guint i = 0; i < 5; i++)
    send_one (fixture);
  return elapsed;
}

/* It takes no connection of its own, if that of an upload has nothing else to do. */
static void
test_connection (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_trials = 1;
  guint n_connections = 0;

  test_server_set_info (fixture->server, SMALL_INFO);
  while (send_with_lookup (fixture) >= PATIENCE_MS)
    {
      g_assert_cmpuint (++n_trials, <=, N_TRIALS);
      test_fixture_stop (fixture);
      g_clear_object (&fixture->exporter);
      n_connections = test_server_count_connections (fixture->server);
    }
  g_assert_cmpuint (count_lookups (fixture->server), ==, n_trials);
  g_assert_cmpuint (test_server_count_connections (fixture->server), ==, n_connections + 1);
}

/* A service that wants to be left alone is asked when it may be sent to again. */
static void
test_after_pause (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) requests = NULL;

  test_server_set_info (fixture->server, SMALL_INFO);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 503, .headers = "Retry-After: 1" });
  test_fixture_start (fixture);
  learn (fixture, knows_small_info);
  requests = test_server_dup_requests (fixture->server);
  g_assert_cmpuint (requests->len, ==, 3);
  g_assert_false (test_request_is_info (g_ptr_array_index (requests, 0)));
  g_assert_false (test_request_is_info (g_ptr_array_index (requests, 1)));
  g_assert_true (test_request_is_info (g_ptr_array_index (requests, 2)));
}

/* --- answers that are of no use ------------------------------------------------------------ */

static const TestAnswer useless[] = {
  { .status = 404, .body = "{\"detail\":\"Not Found\"}" },
  { .status = 200,
    .headers = "Content-Type: text/html",
    .body = "<html><body>It works!</body></html>" },
  { .status = 200, .body = "{}" },
  { .status = 200, .body = "[]" },
  { .status = 200, .body = "null" },
  { .status = 200, .body = "\xff\xfe\xfd" },
  { .status = 200, .body_length = 10 * 1000 * 1000 },
  { .status = 200,
    .body = "{\"version\":[],\"instance_flags\":7,\"batch_ingest_config\":\"all\"}" },
  { .status = 200,
    .body = "{\"batch_ingest_config\":{\"size_limit\":-7,\"size_limit_bytes\":-65536}}" },
  { .status = 200,
    .body = "{\"batch_ingest_config\":{\"size_limit\":\"7\",\"size_limit_bytes\":true}}" },
  /* what is right in it, it may not say with that status */
  { .status = 202, .body = SMALL_INFO },
  { .status = 203, .body = SMALL_INFO },
  { .status = 206, .body = SMALL_INFO },
  { .status = 401, .body = SMALL_INFO },
  { .status = 429, .headers = "Retry-After: 3600", .body = SMALL_INFO },
  { .status = 500, .body = SMALL_INFO },
  { .status = 503, .headers = "Retry-After: 3600", .body = SMALL_INFO },
  { .status = 200, .headers = "Content-Encoding: gzip", .body = "\x1f\x8b\x08" },
  { .mode = TEST_ANSWER_RESET },
  { .mode = TEST_ANSWER_EARLY_CLOSE, .status = 200, .body = SMALL_INFO },
  { .mode = TEST_ANSWER_HANG },
  { .mode = TEST_ANSWER_SLOW_BODY, .status = 200, .body = SMALL_INFO, .delay_ms = 200 },
};

/* Sends eleven runs to a service that is started anew. Returns: how many ms that took */
static gint64
send_eleven (TestFixture *fixture, const TestAnswer *answer)
{
  gint64 start;
  gint64 elapsed;

  test_server_clear (fixture->server);
  test_server_push (fixture->server, "/info", *answer);
  test_fixture_start (fixture);
  start = g_get_monotonic_time ();
  send_one (fixture);
  elapsed = test_get_elapsed_ms (start);
  g_assert_true (test_server_wait (fixture->server, was_asked, NULL, TEST_TIMEOUT_MS));
  start = g_get_monotonic_time ();
  for (guint i = 0; i < 10; i++)
    send_one (fixture);

  return elapsed + test_get_elapsed_ms (start);
}

/* libsoup repeats a lookup once whose connection ends without an answer, if uploads have used it: the
 * service may have closed it before. */
static void
assert_asked_once (TestServer *server, const TestAnswer *answer)
{
  gboolean may_repeat =
      answer->mode == TEST_ANSWER_RESET || answer->mode == TEST_ANSWER_EARLY_CLOSE;

  g_assert_cmpuint (count_lookups (server), >=, 1);
  g_assert_cmpuint (count_lookups (server), <=, may_repeat ? 2 : 1);
}

/* Nothing of it is noticed by what is sent: not even by the only slot that there is. */
static void
test_useless (TestFixture *fixture, gconstpointer data)
{
  guint n_trials = 1;

  lsobs_config_set_max_in_flight (fixture->config, 1);
  while (send_eleven (fixture, data) >= LOOKUP_MS)
    {
      g_assert_cmpuint (++n_trials, <=, N_TRIALS);
      test_fixture_stop (fixture);
      g_clear_object (&fixture->exporter);
    }

  assert_asked_once (fixture->server, data);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/multipart"), ==, 11);
  g_assert_cmpuint (test_server_count_connections (fixture->server), <=, 3);
  g_assert_cmpuint (lsobs_transport_get_max_records (get_transport (fixture)), ==, 100);
  g_assert_cmpuint (lsobs_transport_get_max_bytes (get_transport (fixture)), ==, 20 * 1024 * 1024);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

static void
test_redirect (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) thief = test_server_new ();
  g_autofree char *header = g_strconcat ("Location: ", test_server_get_url (thief), "/info", NULL);

  test_server_set_info (thief, SMALL_INFO);
  test_server_push (fixture->server, "/info", (TestAnswer){ .status = 307, .headers = header });
  test_fixture_start (fixture);
  send_one (fixture);
  g_assert_true (test_server_wait (fixture->server, was_asked, NULL, TEST_TIMEOUT_MS));
  send_one (fixture);
  test_fixture_stop (fixture);
  g_assert_cmpuint (count_lookups (thief), ==, 0);
  g_assert_cmpuint (lsobs_transport_get_max_records (get_transport (fixture)), ==, 100);
}

static void
test_key_echo (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_push (fixture->server, "/info",
                    (TestAnswer){ .status = 401, .body = "{\"detail\":\"bad key " TEST_KEY "\"}" });
  test_fixture_start (fixture);
  send_one (fixture);
  g_assert_true (test_log_wait ("does not say what it can do"));
  g_assert_false (test_log_contains (TEST_KEY));
}

/* --- limits -------------------------------------------------------------------------------- */

/* @data: whether it is the shutdown that sends everything */
/* Some may have arrived before the flush, which counts only what it waits for. */
static void
assert_all_arrive (TestFixture *fixture, guint64 n)
{
  g_autoptr (GError) error = NULL;

  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, n);
}

static void
test_max_records (TestFixture *fixture, gconstpointer data)
{
  gboolean by_shutdown = GPOINTER_TO_INT (data);

  test_server_set_info (fixture->server, SMALL_INFO);
  test_fixture_start (fixture);
  learn (fixture, knows_small_info);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 100);
  test_server_release (fixture->server);
  if (by_shutdown)
    g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  else
    assert_all_arrive (fixture, 101);

  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 101);
  /* 100 are 14 times 7 and 2 more */
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1 + 15);
  for (guint i = 0; i < 16; i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);

      g_assert_cmpuint (test_request_get_n_ops (request), <=, 7);
    }
}

static void
test_max_bytes (TestFixture *fixture, gconstpointer data)
{
  gboolean by_shutdown = GPOINTER_TO_INT (data);
  gsize most = 0;

  test_server_set_info (fixture->server, "{\"batch_ingest_config\":{\"size_limit\":7,"
                                         "\"size_limit_bytes\":70000}}");
  test_fixture_start (fixture);
  learn (fixture, knows_small_info);
  for (guint i = 0; i < 40; i++)
    test_emit_large (fixture->exporter, "run", 500 * (i + 1));
  if (by_shutdown)
    g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  else
    assert_all_arrive (fixture, 41);

  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 41);
  for (guint i = 0; i < test_server_count_requests (fixture->server, NULL); i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);
      gsize size = g_bytes_get_size (request->body);

      g_assert_cmpuint (size, <=, 70000);
      most = MAX (most, size);
    }
  /* as much as may be */
  g_assert_cmpuint (most, >, 50000);
}

/* What the program wants is the narrower limit. */
static void
test_own_limits (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_batch_size (fixture->config, 3);
  test_server_set_info (fixture->server, SMALL_INFO);
  test_fixture_start (fixture);
  learn (fixture, knows_small_info);
  test_emit_many (fixture->exporter, 30);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  for (guint i = 0; i < test_server_count_requests (fixture->server, NULL); i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);

      g_assert_cmpuint (test_request_get_n_ops (request), <=, 3);
    }
}

/* A service that does not say takes a hundred. */
static void
test_default_limit (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_batch_size (fixture->config, 10000);
  test_server_push (fixture->server, "/info", (TestAnswer){ .status = 404, .repeat = -1 });
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 250);
  test_assert_flush (fixture->exporter, 250);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
}

/* A record that is larger than a request may be now is cut, not lost. */
static void
test_too_large (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) request = NULL;

  test_server_set_info (fixture->server, SMALL_INFO);
  test_fixture_start (fixture);
  learn (fixture, knows_small_info);
  test_emit_large (fixture->exporter, "large", 90000);
  test_assert_flush (fixture->exporter, 1);
  request = test_get_request (fixture->server, 1);
  g_assert_true (test_bytes_contain (request->body, "__truncated__"));
  g_assert_cmpuint (g_bytes_get_size (request->body), <=, 65536);
}

/* Batches that were made before the answer came, and wait, are cut as well: no request that is begun
 * later is too large. */
static void
test_narrowed (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_in_flight (fixture->config, 1);
  lsobs_config_set_max_batch_size (fixture->config, 50);
  test_server_set_info (fixture->server, SMALL_INFO);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .status = 413 });
  test_emit_many (fixture->exporter, 50);
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_until (knows_small_info, fixture, TEST_TIMEOUT_MS));
  test_server_release_hanging (fixture->server);
  assert_all_arrive (fixture, 50);

  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 50);
  for (guint i = 1; i < test_server_count_requests (fixture->server, NULL); i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);

      g_assert_cmpuint (test_request_get_n_ops (request), <=, 7);
    }
}

/* --- modes --------------------------------------------------------------------------------- */

/* A service that wants no multipart gets none from then on. */
static void
test_no_multipart (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_before;

  test_server_set_info (fixture->server, OLD_INFO);
  test_fixture_start (fixture);
  learn (fixture, uses_batch);
  n_before = test_server_count_requests (fixture->server, "/runs/multipart");
  for (guint i = 0; i < 3; i++)
    send_one (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/multipart"), ==, n_before);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/batch"), ==, 4 - n_before);
}

/* ... unless the program insists. */
static void
test_insist (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_MULTIPART);
  test_server_set_info (
      fixture->server,
      "{\"batch_ingest_config\":{\"use_multipart_endpoint\":false,\"size_limit\":7}}");
  test_fixture_start (fixture);
  learn (fixture, knows_small_info);
  send_one (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/multipart"), ==, 2);
}

/* Single runs are still one at a time, whatever the service says. */
static void
test_runs (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_RUNS);
  test_server_set_info (fixture->server, SMALL_INFO);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 10);
  test_assert_flush (fixture->exporter, 10);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs"), ==, 10);
  g_assert_cmpuint (lsobs_transport_get_max_records (get_transport (fixture)), ==, 1);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Returns: how many ms the end took while the lookup was under way */
static gint64
stop_with_lookup (TestFixture *fixture, const TestAnswer *answer)
{
  gint64 start;

  test_server_clear (fixture->server);
  test_server_push (fixture->server, "/info", *answer);
  test_fixture_start (fixture);
  send_one (fixture);
  g_assert_true (test_server_wait (fixture->server, was_asked, NULL, TEST_TIMEOUT_MS));
  start = g_get_monotonic_time ();
  test_fixture_stop (fixture);

  return test_get_elapsed_ms (start);
}

/* A lookup without an answer does not hold up the end. */
static void
test_shutdown (TestFixture *fixture, gconstpointer data)
{
  guint n_trials = 1;

  lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
  while (stop_with_lookup (fixture, data) >= LOOKUP_MS)
    {
      g_assert_cmpuint (++n_trials, <=, N_TRIALS);
      g_clear_object (&fixture->exporter);
    }
}

/* In a context of the program's: what is under way ends in its time. */
static void
test_context (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GMainContext) context = data != NULL ? g_main_context_new () : NULL;

  test_server_push (fixture->server, "/info", (TestAnswer){ .mode = TEST_ANSWER_HANG });
  test_fixture_start_in (fixture, context != NULL ? context : g_main_context_default ());
  for (guint i = 0; i < 3; i++)
    send_one (fixture);
  /* The context runs while something is sent. */
  while (count_lookups (fixture->server) == 0)
    send_one (fixture);
  g_assert_cmpuint (count_lookups (fixture->server), ==, 1);
  test_fixture_stop (fixture);
  /* nothing of ours is left in it */
  if (context != NULL)
    g_assert_false (g_main_context_pending (context));
  test_assert_dies (g_steal_pointer (&fixture->exporter));
}

static void
test_context_answer (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_set_info (fixture->server, SMALL_INFO);
  test_fixture_start_in (fixture, g_main_context_default ());
  learn (fixture, knows_small_info);
  test_emit_many (fixture->exporter, 30);
  test_assert_flush (fixture->exporter, 30);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 6);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  static const TestAnswer hang = { .mode = TEST_ANSWER_HANG };
  static const TestAnswer slow = {
    .mode = TEST_ANSWER_SLOW_BODY, .status = 200, .body_length = 10000, .delay_ms = 20
  };
  static const TestAnswer late = { .status = 200, .body = SMALL_INFO, .delay_ms = 2 * LOOKUP_MS };

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/client/info/request/top", "/", test_request);
  ADD ("/client/info/request/path", "/api/v1", test_request);
  ADD ("/client/info/unused", NULL, test_unused);
  ADD ("/client/info/paused", NULL, test_paused);
  ADD ("/client/info/connection", NULL, test_connection);
  ADD ("/client/info/after-pause", NULL, test_after_pause);
  for (guint i = 0; i < G_N_ELEMENTS (useless); i++)
    {
      g_autofree char *path = g_strdup_printf ("/client/info/useless/%u", i);

      ADD (path, &useless[i], test_useless);
    }
  ADD ("/client/info/redirect", NULL, test_redirect);
  ADD ("/client/info/key-echo", NULL, test_key_echo);
  ADD ("/client/info/max-records/flush", GINT_TO_POINTER (FALSE), test_max_records);
  ADD ("/client/info/max-records/shutdown", GINT_TO_POINTER (TRUE), test_max_records);
  ADD ("/client/info/max-bytes/flush", GINT_TO_POINTER (FALSE), test_max_bytes);
  ADD ("/client/info/max-bytes/shutdown", GINT_TO_POINTER (TRUE), test_max_bytes);
  ADD ("/client/info/own-limits", NULL, test_own_limits);
  ADD ("/client/info/default-limit", NULL, test_default_limit);
  ADD ("/client/info/too-large", NULL, test_too_large);
  ADD ("/client/info/narrowed", NULL, test_narrowed);
  ADD ("/client/info/no-multipart", NULL, test_no_multipart);
  ADD ("/client/info/insist", NULL, test_insist);
  ADD ("/client/info/runs", NULL, test_runs);
  ADD ("/client/info/shutdown/hang", &hang, test_shutdown);
  ADD ("/client/info/shutdown/slow", &slow, test_shutdown);
  ADD ("/client/info/shutdown/late", &late, test_shutdown);
  ADD ("/client/info/context/own", "own", test_context);
  ADD ("/client/info/context/default", NULL, test_context);
  ADD ("/client/info/context/answer", NULL, test_context_answer);

  return g_test_run ();
}
