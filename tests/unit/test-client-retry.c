/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is sent again, when, and how often. */

#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-config-private.h"

#include "tests/lib/test-helpers.h"

/* The delays of a policy that waits as little as it may. */
#define AT_ONCE_MS 5000

/* What is sent is counted: no probe comes by itself. */
static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  fixture->config->first_probe = TEST_NEVER_MS;
}

static void
assert_same_bodies (TestServer *server)
{
  g_autoptr (TestRequest) first = test_get_request (server, 0);

  for (guint i = 1; i < test_server_count_requests (server, NULL); i++)
    {
      g_autoptr (TestRequest) request = test_get_request (server, i);

      g_assert_true (g_bytes_equal (request->raw_body, first->raw_body));
    }
}

/* --- statuses ------------------------------------------------------------------------------ */

typedef struct
{
  guint status;
  const char *headers;
} Answer;

/* Twice no, then yes. */
static void
test_then_accepted (TestFixture *fixture, gconstpointer data)
{
  const Answer *answer = data;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){
                        .status = answer->status, .headers = answer->headers, .repeat = 2 });
  test_emit_many (fixture->exporter, 3);
  test_assert_flush (fixture->exporter, 3);

  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 3);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_RETRIES), ==, 2);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_BATCHES), ==, 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_log_count (), ==, 0);
  assert_same_bodies (fixture->server);
}

static void
test_for_ever (TestFixture *fixture, gconstpointer data)
{
  guint max_attempts = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;

  lsobs_config_set_max_attempts (fixture->config, max_attempts);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 503, .body = "too busy", .repeat = -1 });
  test_emit_many (fixture->exporter, 4);
  error = test_flush_in_vain (fixture->exporter, 4);

  g_assert_nonnull (g_strstr_len (error->message, -1, "503"));
  g_assert_nonnull (g_strstr_len (error->message, -1, "too busy"));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, max_attempts);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 4);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  assert_same_bodies (fixture->server);
}

/* Another attempt could not change these. */
static void
test_at_once (TestFixture *fixture, gconstpointer data)
{
  guint status = GPOINTER_TO_UINT (data);
  g_autofree char *number = g_strdup_printf ("%u", status);
  g_autoptr (GError) error = NULL;

  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_RUNS);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){
                        .status = status, .body = "{\"error\":\"no good\"}", .repeat = -1 });
  test_emit (fixture->exporter, "run");
  error = test_flush_with_loss (fixture->exporter, 1);

  g_assert_nonnull (g_strstr_len (error->message, -1, number));
  g_assert_nonnull (g_strstr_len (error->message, -1, "no good"));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
}

static void
test_backoff (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();

  lsobs_config_set_retry_delay (fixture->config, 100);
  lsobs_config_set_max_attempts (fixture->config, 3);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 500, .repeat = 2 });
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);

  /* 100 ms and 200 ms, and chance takes away half of it at the most */
  g_assert_cmpint (test_get_elapsed_ms (start), >=, 150);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 300 + test_get_slack_ms ());
}

/* --- Retry-After --------------------------------------------------------------------------- */

/* Returns the time between the first two requests, in ms. */
static gint64
get_gap (TestServer *server)
{
  g_autoptr (TestRequest) first = test_get_request (server, 0);
  g_autoptr (TestRequest) second = test_get_request (server, 1);

  return (second->time - first->time) / 1000;
}

static void
test_retry_after_seconds (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 429, .headers = "Retry-After: 1" });
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);

  g_assert_cmpint (get_gap (fixture->server), >=, 999);
  g_assert_cmpint (get_gap (fixture->server), <=, 1000 + test_get_slack_ms ());
}

static void
test_retry_after_date (TestFixture *fixture, gconstpointer data)
{
  gint64 seconds = GPOINTER_TO_INT (data);
  gint64 clock_offset = g_get_real_time () - g_get_monotonic_time ();
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) then = g_date_time_add_seconds (now, (double) seconds);
  g_autoptr (TestRequest) second = NULL;
  g_autofree char *date = g_date_time_format (then, "%a, %d %b %Y %H:%M:%S GMT");
  g_autofree char *header = g_strconcat ("Retry-After: ", date, NULL);

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 429, .headers = header });
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);

  /* not before the date, which has whole seconds */
  second = test_get_request (fixture->server, 1);
  g_assert_cmpint (second->time + clock_offset, >=,
                   g_date_time_to_unix (then) * G_USEC_PER_SEC - 1000);
  g_assert_cmpint (get_gap (fixture->server), <=, MAX (seconds, 0) * 1000 + test_get_slack_ms ());
}

/* What makes no sense is as good as no header. */
static void
test_retry_after_garbage (TestFixture *fixture, gconstpointer data)
{
  g_autofree char *header = g_strconcat ("Retry-After: ", (const char *) data, NULL);

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 429, .headers = header });
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpint (get_gap (fixture->server), <=, test_get_slack_ms ());
}

/* The wait is capped, or the batch would be given up at once as one that cannot be sent in time. */
static void
test_retry_after_absurd (TestFixture *fixture, gconstpointer data)
{
  g_autofree char *header = g_strconcat ("Retry-After: ", (const char *) data, NULL);
  g_autoptr (GError) error = NULL;
  gint64 start;

  lsobs_config_set_max_batch_size (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 429, .headers = header, .repeat = -1 });
  test_emit (fixture->exporter, "run");
  g_assert_true (test_log_wait ("Attempt 1 failed, the next one comes in 60000 ms"));

  g_assert_false (lsobs_exporter_flush (fixture->exporter, 20, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);

  /* and nobody has to wait for it */
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 100, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 100 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), <=, 2);
}

/* One batch was told to wait: so do all others. */
static void
test_shared_wait (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) first = NULL;

  lsobs_config_set_max_batch_size (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 429, .headers = "Retry-After: 1" });
  test_emit (fixture->exporter, "first");
  g_assert_true (test_log_wait ("Attempt 1 failed"));

  test_emit_many (fixture->exporter, 5);
  test_assert_flush (fixture->exporter, 6);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 7);
  first = test_get_request (fixture->server, 0);
  for (guint i = 1; i < 7; i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);

      g_assert_cmpint (request->time - first->time, >=, 999000);
    }
}

/* The wait outlives the attempt that was told to, also where there is but one: probes wait as well. */
static void
test_shared_wait_after_failure (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 429, .headers = "Retry-After: 1" });
  test_emit (fixture->exporter, "first");
  error = test_flush_in_vain (fixture->exporter, 1);
  test_emit (fixture->exporter, "second");
  test_assert_flush (fixture->exporter, 2);

  g_assert_cmpint (get_gap (fixture->server), >=, 999);
}

/* --- no answer ----------------------------------------------------------------------------- */

static void
test_hang (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  lsobs_config_set_request_timeout (fixture->config, 100);
  lsobs_config_set_max_attempts (fixture->config, 2);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_emit_many (fixture->exporter, 2);
  error = test_flush_in_vain (fixture->exporter, 2);

  g_assert_cmpint (test_get_elapsed_ms (start), >=, 200);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 200 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 2);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 2);
}

static void
test_hang_once (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_request_timeout (fixture->config, 2000);
  lsobs_config_set_max_attempts (fixture->config, 100);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG });
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_RETRIES), >=, 1);
}

static void
test_refused (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GError) error = NULL;

  socket = test_refusing_socket_new (&url);
  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_max_attempts (fixture->config, 3);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "run");
  error = test_flush_in_vain (fixture->exporter, 1);

  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_REQUESTS), ==, 3);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_RETRIES), ==, 2);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_BYTES_SENT), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 1);
  g_assert_cmpuint (test_log_count (), ==, 1);
}

/* Who takes the connection, and never says a word of TLS: that is given up long before the request would
 * be. */
static void
test_mute (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();
  g_autofree char *plain = NULL;
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GError) error = NULL;

  /* Nothing of TLS is loaded before this is asked. */
  if (test_is_instrumented ())
    {
      g_test_skip ("LeakSanitizer crashes on what the TLS library maps");
      return;
    }
  if (!g_tls_backend_supports_tls (g_tls_backend_get_default ()))
    {
      g_test_skip ("there is no TLS");
      return;
    }
  socket = test_refusing_socket_new (&plain);
  g_socket_listen (socket, &error);
  g_assert_no_error (error);
  url = g_strconcat ("https", plain + strlen ("http"), NULL);
  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "run");
  error = test_flush_in_vain (fixture->exporter, 1);

  g_assert_nonnull (strstr (error->message, "connect"));
  g_assert_cmpint (test_get_elapsed_ms (start), >=, 5000);
  g_assert_cmpint (test_get_elapsed_ms (start), <=, 5000 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_BYTES_SENT), ==, 0);
}

static void
test_reset (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_attempts (fixture->config, 4);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "before");
  test_assert_flush (fixture->exporter, 1);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_RESET, .repeat = 2 });
  test_emit (fixture->exporter, "run");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 4);
}

static void
test_reset_for_ever (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  lsobs_config_set_max_attempts (fixture->config, 3);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_RESET, .repeat = -1 });
  test_emit (fixture->exporter, "run");
  error = test_flush_in_vain (fixture->exporter, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 1);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, set_up, test, test_fixture_tear_down)

static void
add_statuses (void)
{
  static const Answer answers[] = {
    { 408, NULL },
    { 425, NULL },
    { 429, NULL },
    { 499, NULL },
    { 500, NULL },
    { 502, NULL },
    { 503, NULL },
    { 504, NULL },
    { 599, NULL },
    { 429, "Retry-After: 0" },
    { 503, "Retry-After: 0" },
  };
  static const guint refusals[] = {
    400, 402, 405, 406, 410, 411, 415, 418, 422, 431, 451, 501, 505,
  };

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_autofree char *path =
          g_strdup_printf ("/client/retry/then-accepted/%u%s", answers[i].status,
                           answers[i].headers != NULL ? "-retry-after" : "");

      ADD (path, &answers[i], test_then_accepted);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strdup_printf ("/client/retry/at-once/%u", refusals[i]);

      ADD (path, GUINT_TO_POINTER (refusals[i]), test_at_once);
    }
}

int
main (int argc, char **argv)
{
  static const char *const garbage[] = {
    "soon", "-5", "1.5", "0x10", "1 second", "Xyz, 99 Foo 2026 99:99:99 GMT", "",
  };

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  add_statuses ();
  ADD ("/client/retry/for-ever/1", GUINT_TO_POINTER (1), test_for_ever);
  ADD ("/client/retry/for-ever/5", GUINT_TO_POINTER (5), test_for_ever);
  ADD ("/client/retry/backoff", NULL, test_backoff);
  ADD ("/client/retry-after/seconds", NULL, test_retry_after_seconds);
  ADD ("/client/retry-after/date", GINT_TO_POINTER (2), test_retry_after_date);
  ADD ("/client/retry-after/past-date", GINT_TO_POINTER (-100000), test_retry_after_date);
  for (guint i = 0; i < G_N_ELEMENTS (garbage); i++)
    {
      g_autofree char *path = g_strdup_printf ("/client/retry-after/garbage/%u", i);

      ADD (path, garbage[i], test_retry_after_garbage);
    }
  ADD ("/client/retry-after/absurd", "86400", test_retry_after_absurd);
  ADD ("/client/retry-after/overflow", "99999999999999999999999", test_retry_after_absurd);
  ADD ("/client/retry-after/absurd-date", "Fri, 31 Dec 9998 23:59:59 GMT", test_retry_after_absurd);
  ADD ("/client/retry-after/shared", NULL, test_shared_wait);
  ADD ("/client/retry-after/shared-after-failure", NULL, test_shared_wait_after_failure);
  ADD ("/client/no-answer/hang", NULL, test_hang);
  ADD ("/client/no-answer/hang-once", NULL, test_hang_once);
  ADD ("/client/no-answer/refused", NULL, test_refused);
  ADD ("/client/no-answer/mute", NULL, test_mute);
  ADD ("/client/no-answer/reset", NULL, test_reset);
  ADD ("/client/no-answer/reset-for-ever", NULL, test_reset_for_ever);

  return g_test_run ();
}
