/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers that are not the service's: of firewalls, portals, proxies, and of other servers at the same
 * address. Nothing counts as delivered by them, and no more is lost than one record that cannot get
 * through. */

#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/lsobs-error.h"

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/run-helpers.h"
#include "tests/lib/test-helpers.h"

#define HTML      "Content-Type: text/html; charset=utf-8"
#define PAGE      "<!DOCTYPE html><html><head><title>Access denied</title></head></html>"
#define BAD       "../../etc/passwd"
#define N_RUNS    6
#define N_IN_WALL 40
#define PER_BATCH 10

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_NONE);
  lsobs_config_set_max_attempts (fixture->config, 2);
  fixture->config->first_probe = TEST_NEVER_MS;
  /* Otherwise it is known at once that the service is there. */
  test_server_set_info (fixture->server, PAGE);
  fixture->is_free = TRUE;
}

static void
come_back (TestFixture *fixture)
{
  test_server_clear (fixture->server);
}

static void
assert_delivered (TestFixture *fixture, guint n)
{
  g_autoptr (WireTree) tree = test_server_build_tree (fixture->server);

  test_assert_books (fixture->exporter);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, n);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, n);
}

/* --- a firewall that does not like one of the payloads --------------------------------------- */

/* Called in the server's thread. */
static gboolean
wall_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (!test_bytes_contain (request->body, BAD))
    return FALSE;
  answer->status = data != NULL ? GPOINTER_TO_UINT (data) : 403;
  answer->headers = HTML;
  answer->body = PAGE;

  return TRUE;
}

static void
emit (TestFixture *fixture, guint n, guint bad)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *name = g_strdup_printf ("run-%u", i);

      test_emit (fixture->exporter, i == bad ? BAD : name);
    }
}

/* Emits several batches, and flushes before the first one is answered: what is lost before the flush
 * is no part of it. One run is lost. */
static void
emit_and_lose (TestFixture *fixture, guint bad)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  LsobsFlushStats stats;

  test_server_park (fixture->server);
  emit (fixture, N_IN_WALL, bad);
  lsobs_exporter_flush_async (fixture->exporter, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);
  test_server_unpark (fixture->server);
  g_assert_false (
      lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_cmpuint (stats.runs_failed, ==, 1);
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, 1);
}

/* One is lost, the rest arrives, and nothing pauses. */
static void
test_wall (TestFixture *fixture, gconstpointer data)
{
  guint bad = GPOINTER_TO_UINT (data);

  lsobs_config_set_max_batch_size (fixture->config, PER_BATCH);
  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, wall_cb, NULL);
  emit_and_lose (fixture, bad);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 1);
  assert_delivered (fixture, N_IN_WALL - 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_log_count (), ==, 0);
  /* four batches, the halves of one of them, and once more the one to blame */
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), <=, 4 + 2 * 4 + 1);
}

/* Whatever the page says, if it is one. */
static void
test_wall_status (TestFixture *fixture, gconstpointer data)
{
  lsobs_config_set_max_batch_size (fixture->config, PER_BATCH);
  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, wall_cb, (gpointer) data);
  emit_and_lose (fixture, 15);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
  assert_delivered (fixture, N_IN_WALL - 1);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

static gboolean
is_bad_lost (gpointer data)
{
  TestFixture *fixture = data;

  test_emit (fixture->exporter, "other");
  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  test_assert_books (fixture->exporter);
  return test_get_total_dropped (fixture->exporter) == 2;
}

/* Two of them, side by side, in the first batch of all: nothing is known of the service then. */
static void
test_wall_first (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint64 n_enqueued;

  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, wall_cb, (gpointer) data);
  emit (fixture, 4, 2);
  test_emit (fixture->exporter, BAD);
  emit (fixture, 4, 4);
  if (GPOINTER_TO_UINT (data) != 404)
    {
      error = test_flush_in_vain (fixture->exporter, 9);
      g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
    }
  /* With a 404, single runs are tried at last. When one gets through, the pause is over. */
  else
    g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_nonnull (strstr (error->message, "Access denied"));

  g_assert_true (test_wait_until (is_bad_lost, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_flush_at_last (fixture->exporter));
  n_enqueued = test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 2);
  assert_delivered (fixture, (guint) n_enqueued - 2);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
}

static gboolean
flush_delivers_good (gpointer data)
{
  TestFixture *fixture = data;

  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  return test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED) == PER_BATCH - 1;
}

/* The service has said what it can do: that is proof enough to look for the one to blame, though not
 * to lose it. */
static void
test_wall_info (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_set_info (fixture->server, NULL);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, wall_cb, NULL);
  emit (fixture, PER_BATCH, 3);
  /* /info is asked after the first request has its answer. */
  g_assert_true (test_wait_until (flush_delivers_good, fixture, TEST_TIMEOUT_MS));
  test_assert_books (fixture->exporter);
}

/* Nothing beside it has shown that it is to blame: it is kept. */
static void
test_wall_alone (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, wall_cb, NULL);
  test_emit (fixture->exporter, "good");
  test_assert_flush (fixture->exporter, 1);
  test_emit (fixture->exporter, BAD);
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (GError) error = test_flush_in_vain (fixture->exporter, 1);

      g_assert_nonnull (strstr (error->message, "irewall"));
    }
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 1);
}

/* Now it does not like anything: after a few requests that is known, and nothing is lost. */
static void
test_wall_closes (TestFixture *fixture, gconstpointer data)
{
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "good");
  test_assert_flush (fixture->exporter, 1);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = GPOINTER_TO_UINT (data),
                                  .headers = HTML,
                                  .body = PAGE,
                                  .repeat = -1 });
  emit (fixture, 50, 50);
  g_error_free (test_flush_in_vain (fixture->exporter, 50));
  /* down to one record, and one beside it; several may be under way at once */
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), <=, 1 + 4 * 8);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  for (guint i = 0; i < 10; i++)
    g_error_free (test_flush_in_vain (fixture->exporter, 50));
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);

  come_back (fixture);
  test_assert_flush (fixture->exporter, 50);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 51);
}

/* Sends one more beside those that are held. */
static gboolean
are_bad_lost (gpointer data)
{
  TestFixture *fixture = data;

  test_emit (fixture->exporter, "other");
  lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  test_assert_books (fixture->exporter);
  return test_get_total_dropped (fixture->exporter) >= 6;
}

typedef struct
{
  const char *path;
  gboolean has_info;
  gboolean was_away;
  guint max_in_flight;
} Dense;

static const Dense dense[] = {
  { "info", TRUE, FALSE, 4 },
  { "info/away", TRUE, TRUE, 4 },
  { "info/away-serial", TRUE, TRUE, 1 },
  { "no-info", FALSE, FALSE, 4 },
  { "no-info/away", FALSE, TRUE, 4 },
  { "no-info/away-serial", FALSE, TRUE, 1 },
};

/* Each batch has one of them, and the service may not be known to be there. */
static void
test_wall_dense (TestFixture *fixture, gconstpointer data)
{
  const Dense *row = data;
  guint64 n_enqueued;

  if (row->has_info)
    test_server_set_info (fixture->server, NULL);
  lsobs_config_set_max_batch_size (fixture->config, 5);
  lsobs_config_set_max_in_flight (fixture->config, row->max_in_flight);
  test_fixture_start (fixture);
  if (row->was_away)
    test_server_push (fixture->server, NULL,
                      (TestAnswer){ .mode = TEST_ANSWER_RESET, .repeat = -1 });
  else
    test_server_set_handler (fixture->server, wall_cb, NULL);
  for (guint i = 0; i < 6; i++)
    emit (fixture, 5, 4);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  /* Requests of the failed flush may still be under way: the wall is there at once. */
  if (row->was_away)
    test_server_switch (fixture->server, wall_cb, NULL);
  g_assert_true (test_wait_until (are_bad_lost, fixture, TEST_TIMEOUT_MS));
  g_assert_true (test_flush_at_last (fixture->exporter));
  n_enqueued = test_get_counter (fixture->exporter, LSOBS_COUNTER_ENQUEUED);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 6);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 6);
  assert_delivered (fixture, (guint) n_enqueued - 6);
}

/* The request may be refused for how it is packed: it is sent as it is before anybody is blamed, and
 * nothing pauses. */
static void
test_wall_packed (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  lsobs_config_set_max_batch_size (fixture->config, PER_BATCH);
  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, wall_cb, GUINT_TO_POINTER (400));
  emit_and_lose (fixture, 15);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
  assert_delivered (fixture, N_IN_WALL - 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

static gboolean
is_paused (gpointer data)
{
  return lsobs_observer_get_state (((TestFixture *) data)->observer) == LSOBS_STATE_PAUSED;
}

/* Nobody flushes, and nothing else is sent that could show who is to blame: the state tells of it, and
 * what waits is sent again. */
static void
test_wall_idle (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->config->first_probe = 20;
  lsobs_config_set_flush_interval (fixture->config, 1);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "good");
  test_assert_flush (fixture->exporter, 1);
  test_server_set_handler (fixture->server, wall_cb, NULL);
  test_emit (fixture->exporter, BAD);
  g_assert_true (test_wait_until (is_paused, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  test_server_set_handler (fixture->server, NULL, NULL);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 2));
}

/* --- what is always held ------------------------------------------------------------------- */

typedef struct
{
  const char *path;
  TestAnswer answer;
  guint n_requests;
  const char *words;
  gboolean first; /* the service was not met before */
} Held;

static const Held held[] = {
  { "200-page", { .status = 200, .headers = HTML, .body = PAGE, .repeat = -1 }, 1, "portal" },
  { "202-page", { .status = 202, .body = "\xef\xbb\xbf <html>", .repeat = -1 }, 1, "portal" },
  { "302",
    { .status = 302, .headers = "Location: http://10.0.0.1/login", .repeat = -1 },
    1,
    "portal" },
  { "307", { .status = 307, .headers = "Location: /login", .repeat = -1 }, 1, "portal" },
  { "407", { .status = 407, .headers = HTML, .body = PAGE, .repeat = -1 }, 1, "proxy" },
  { "407-json", { .status = 407, .body = "{}", .repeat = -1 }, 1, "proxy" },
  { "511", { .status = 511, .headers = HTML, .body = PAGE, .repeat = -1 }, 1, "portal" },
  /* multipart, batch, single runs */
  { "404-page", { .status = 404, .headers = HTML, .body = PAGE, .repeat = -1 }, 3, "/api", TRUE },
};

/* Also where the service has just been met: one batch, one request, kept whole. */
static void
test_held (TestFixture *fixture, gconstpointer data)
{
  const Held *row = data;
  guint n_before = row->first ? 0 : 1;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  if (!row->first)
    test_emit (fixture->exporter, "before");
  test_assert_flush (fixture->exporter, n_before);
  come_back (fixture);
  test_server_push (fixture->server, "/runs", row->answer);
  emit (fixture, N_RUNS, N_RUNS);
  error = test_flush_in_vain (fixture->exporter, N_RUNS);
  g_assert_nonnull (strstr (error->message, row->words));
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, row->n_requests);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, n_before);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  g_assert_cmpuint (test_log_count (), <=, 3);

  come_back (fixture);
  test_assert_flush (fixture->exporter, N_RUNS);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==,
                    N_RUNS + n_before);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, N_RUNS);
}

typedef struct
{
  guint status;
  int n; /* (atomic) */
} Filter;

/* Called in the server's thread. */
static gboolean
filter_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  Filter *filter = data;

  if (!wall_cb (request, answer, GUINT_TO_POINTER (filter->status)))
    return FALSE;
  g_atomic_int_inc (&filter->n);

  return TRUE;
}

static gboolean
has_nothing_in_flight (gpointer data)
{
  return test_get_counter (((TestFixture *) data)->exporter, LSOBS_COUNTER_IN_FLIGHT) == 0;
}

static gboolean
was_filtered_again (gpointer data)
{
  return g_atomic_int_get ((int *) data) >= 3;
}

/* It is about one payload, while others get through: it is held as well, however often, and the rest
 * does not wait for it. */
static void
test_held_one (TestFixture *fixture, gconstpointer data)
{
  Filter filter = { .status = GPOINTER_TO_UINT (data) };
  guint n = 1;

  lsobs_config_set_flush_interval (fixture->config, 1);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "good");
  test_assert_flush (fixture->exporter, 1);
  test_server_set_handler (fixture->server, filter_cb, &filter);
  test_emit (fixture->exporter, BAD);
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  for (guint i = 0; i < 8; i++)
    {
      test_emit (fixture->exporter, "other");
      g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
      g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, ++n));
    }
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpint (g_atomic_int_get (&filter.n), >=, 8);
  /* Where nobody flushes, it has its own time. */
  g_assert_true (test_wait_until (has_nothing_in_flight, fixture, TEST_TIMEOUT_MS));
  filter.n = 0;
  for (guint i = 0; i < 8; i++)
    {
      test_emit (fixture->exporter, "other");
      g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, ++n));
    }
  g_assert_cmpint (g_atomic_int_get (&filter.n), ==, 0);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 1);
  g_assert_cmpuint (test_log_count (), <=, 2);

  test_server_set_handler (fixture->server, NULL, NULL);
  test_assert_flush (fixture->exporter, 1);
  assert_delivered (fixture, n + 1);
}

/* ... and it goes out by itself as soon as it can. */
static void
test_held_one_alarm (TestFixture *fixture, gconstpointer data)
{
  Filter filter = { .status = GPOINTER_TO_UINT (data) };

  fixture->config->first_probe = 20;
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "good");
  test_assert_flush (fixture->exporter, 1);
  test_server_set_handler (fixture->server, filter_cb, &filter);
  test_emit (fixture->exporter, BAD);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  test_emit (fixture->exporter, "other");
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_atomic_int_set (&filter.n, 0);
  g_assert_true (test_wait_until (was_filtered_again, &filter.n, TEST_TIMEOUT_MS));
  test_server_set_handler (fixture->server, NULL, NULL);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 3));
  assert_delivered (fixture, 3);
}

/* A portal answers for the service for a while. */
static void
test_portal (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->config->first_probe = 20;
  lsobs_config_set_max_batch_size (fixture->config, 5);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 200, .headers = HTML, .body = PAGE, .repeat = 7 });
  emit (fixture, 20, 20);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 20));
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  /* None of the seven requests counted: each record was taken by the service itself. */
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 7 + 4);
  assert_delivered (fixture, 20);
}

/* --- what is not foreign ------------------------------------------------------------------- */

static const TestAnswer taken[] = {
  { .status = 200, .body = "", .headers = HTML, .repeat = -1 },
  { .status = 202, .body = "", .repeat = -1 },
  { .status = 204, .repeat = -1 },
  { .status = 202, .body = "ok", .headers = "Content-Type: text/plain", .repeat = -1 },
  { .status = 202, .body = "{\"message\":\"Runs ba", .repeat = -1 },
  { .status = 202,
    .mode = TEST_ANSWER_EARLY_CLOSE,
    .body = "{\"message\":\"Runs\"}",
    .repeat = -1 },
  { .status = 202, .body = "{}", .headers = HTML, .repeat = -1 },
};

static void
test_taken (TestFixture *fixture, gconstpointer data)
{
  const TestAnswer *answer = data;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, *answer);
  emit (fixture, N_RUNS, N_RUNS);
  test_assert_flush (fixture->exporter, N_RUNS);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1);
}

static const TestAnswer keys[] = {
  { .status = 403, .body = "{\"error\":\"Forbidden\"}", .repeat = -1 },
  { .status = 403, .body = "{\"error\":\"Forbidden\"}", .headers = HTML, .repeat = -1 },
  { .status = 403, .body = "Forbidden", .headers = "Content-Type: text/plain", .repeat = -1 },
  { .status = 403, .body = "", .repeat = -1 },
  { .status = 401, .body = "{\"detail\":\"Invalid token\"}", .repeat = -1 },
};

/* That is the key, as it always was. */
static void
test_key (TestFixture *fixture, gconstpointer data)
{
  const TestAnswer *answer = data;
  g_autoptr (GError) error = NULL;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, *answer);
  emit (fixture, N_RUNS, N_RUNS);
  error = test_flush_with_loss (fixture->exporter, N_RUNS);
  g_assert_nonnull (strstr (error->message, "API key"));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_UNAUTHORIZED), ==,
                    N_RUNS);
}

/* Called in the server's thread. */
static gboolean
refuse_many_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (test_request_get_n_ops (request) <= GPOINTER_TO_UINT (data))
    return FALSE;
  answer->status = 413;
  answer->headers = HTML;
  answer->body = "<html><title>413 Request Entity Too Large</title>";

  return TRUE;
}

/* A web server in front of the service may have a limit of its own. */
static void
test_too_large (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, refuse_many_cb, GUINT_TO_POINTER (3));
  emit (fixture, 20, 20);
  test_assert_flush (fixture->exporter, 20);
  assert_delivered (fixture, 20);
}

/* It may not know the newest endpoint, either. */
static void
test_fall_back (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_server_push (fixture->server, "/runs/multipart",
                    (TestAnswer){ .status = 404, .headers = HTML, .body = PAGE, .repeat = -1 });
  emit (fixture, N_RUNS, N_RUNS);
  test_assert_flush (fixture->exporter, N_RUNS);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/batch"), ==, 1);
  assert_delivered (fixture, N_RUNS);
}

/* A service of an older version takes its place: it lacks the endpoint that was used before. */
static void
test_fall_back_later (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "before");
  test_assert_flush (fixture->exporter, 1);
  test_server_push (fixture->server, "/runs/multipart",
                    (TestAnswer){ .status = 404, .headers = HTML, .body = PAGE, .repeat = -1 });
  emit (fixture, N_RUNS, N_RUNS);
  g_assert_true (test_flush_at_last (fixture->exporter));
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/batch"), >, 0);
  assert_delivered (fixture, N_RUNS + 1);
}

/* A firewall says of one run that there is no such page: the endpoint is not given up for that, so
 * that attachments of other runs go on arriving. */
static void
test_wall_endpoint (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_max_batch_size (fixture->config, PER_BATCH);
  lsobs_config_set_max_in_flight (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, wall_cb, GUINT_TO_POINTER (404));
  emit_and_lose (fixture, 15);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/batch"), ==, 0);
  assert_delivered (fixture, N_IN_WALL - 1);
}

/* Of feedback and updates, a page that is not there says nothing about the run. */
static void
test_update_not_found (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_RUNS);
  test_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  test_assert_flush (fixture->exporter, 1);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 404, .headers = HTML, .body = PAGE, .repeat = -1 });
  lsobs_run_end (run, NULL);
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  lsobs_run_add_feedback (run, "score", 1, NULL, &error);
  g_assert_no_error (error);
  g_error_free (test_flush_in_vain (fixture->exporter, 2));
  test_server_clear (fixture->server);
  test_assert_flush (fixture->exporter, 2);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
}

/* --- replay -------------------------------------------------------------------------------- */

typedef struct
{
  const char *path;
  TestAnswer answers[3];
  guint n_delivered;
  guint n_failed; /* more than that were not looked at */
  gboolean ends;
} Replay;

#define WALL \
 { \
  .status = 403, .headers = HTML, .body = PAGE \
 }

static const Replay replays[] = {
  /* nothing is known of the service */
  { "wall", { WALL, WALL, WALL }, 0, 1, TRUE },
  { "portal", { { .status = 200, .headers = HTML, .body = PAGE }, { 0 }, { 0 } }, 0, 1, TRUE },
  { "proxy", { { 0 }, { .status = 407 }, { 0 } }, 1, 1, TRUE },
  { "redirect", { { 0 }, { .status = 302, .headers = "Location: /" }, { 0 } }, 1, 1, TRUE },
  /* one that something in between does not like, and then all of them */
  { "wall-one", { { 0 }, WALL, { 0 } }, 2, 1, FALSE },
  { "wall-closes", { { 0 }, WALL, WALL }, 1, 2, TRUE },
};

static void
test_replay (TestFixture *fixture, gconstpointer data)
{
  const Replay *row = data;
  g_autofree char *dir = failed_traces_make_dir ();
  g_autoptr (LsobsClient) client = NULL;
  g_autoptr (GPtrArray) names = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  guint n_delivered;
  guint n_failed;

  lsobs_config_set_failed_traces_dir (fixture->config, dir);
  lsobs_config_set_max_batch_size (fixture->config, 1);
  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_MULTIPART);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  emit (fixture, 3, 3);
  g_assert_false (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DUMPED, 3));

  come_back (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (row->answers); i++)
    test_server_push (fixture->server, NULL, row->answers[i]);
  client = lsobs_client_new (fixture->config, &error);
  g_assert_no_error (error);
  lsobs_client_replay_async (client, NULL, NULL, test_result_cb, &result);
  g_assert_true (lsobs_client_replay_finish (client, test_result_wait (&result), &n_delivered,
                                             &n_failed, &error) == !row->ends);
  if (row->ends)
    g_assert_true (g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_FOREIGN) ||
                   g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_REDIRECTED));
  g_assert_cmpuint (n_delivered, ==, row->n_delivered);
  g_assert_cmpuint (n_failed, ==, row->n_failed);
  names = failed_traces_list (dir);
  g_assert_cmpuint (names->len, ==, 3 - row->n_delivered);
  failed_traces_remove_dir (dir);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, set_up, test, test_fixture_tear_down)

static void
add_rows (void)
{
  static const guint places[] = { 10, 14, 19, 29, 35 };
  static const guint pages[] = { 200, 302, 407 };
  static const guint statuses[] = { 400, 401, 403, 404, 405, 406, 413, 414, 418, 422, 451 };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *path = g_strdup_printf ("/foreign/wall/%u", places[i]);

      ADD (path, GUINT_TO_POINTER (places[i]), test_wall);
    }
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      g_autofree char *path = g_strdup_printf ("/foreign/wall/status/%u", statuses[i]);

      ADD (path, GUINT_TO_POINTER (statuses[i]), test_wall_status);
    }
  for (guint i = 0; i < G_N_ELEMENTS (dense); i++)
    {
      g_autofree char *path = g_strconcat ("/foreign/wall/dense/", dense[i].path, NULL);

      ADD (path, &dense[i], test_wall_dense);
    }
  ADD ("/foreign/wall/packed", NULL, test_wall_packed);
  ADD ("/foreign/wall/idle", NULL, test_wall_idle);
  for (guint i = 0; i < G_N_ELEMENTS (pages); i++)
    {
      g_autofree char *path = g_strdup_printf ("/foreign/held/one/%u", pages[i]);
      g_autofree char *alarm_path = g_strdup_printf ("/foreign/held/one/%u/alarm", pages[i]);

      ADD (path, GUINT_TO_POINTER (pages[i]), test_held_one);
      ADD (alarm_path, GUINT_TO_POINTER (pages[i]), test_held_one_alarm);
    }
  for (guint i = 0; i < G_N_ELEMENTS (held); i++)
    {
      g_autofree char *path = g_strconcat ("/foreign/held/", held[i].path, NULL);

      ADD (path, &held[i], test_held);
    }
  for (guint i = 0; i < G_N_ELEMENTS (taken); i++)
    {
      g_autofree char *path = g_strdup_printf ("/foreign/taken/%u", i);

      ADD (path, &taken[i], test_taken);
    }
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *path = g_strdup_printf ("/foreign/key/%u", i);

      ADD (path, &keys[i], test_key);
    }
  for (guint i = 0; i < G_N_ELEMENTS (replays); i++)
    {
      g_autofree char *path = g_strconcat ("/foreign/replay/", replays[i].path, NULL);

      ADD (path, &replays[i], test_replay);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  add_rows ();
  ADD ("/foreign/wall/first", GUINT_TO_POINTER (403), test_wall_first);
  ADD ("/foreign/wall/first/404", GUINT_TO_POINTER (404), test_wall_first);
  ADD ("/foreign/wall/info", NULL, test_wall_info);
  ADD ("/foreign/wall/alone", NULL, test_wall_alone);
  ADD ("/foreign/wall/closes", GUINT_TO_POINTER (403), test_wall_closes);
  ADD ("/foreign/wall/closes/404", GUINT_TO_POINTER (404), test_wall_closes);
  ADD ("/foreign/wall/endpoint", NULL, test_wall_endpoint);
  ADD ("/foreign/portal", NULL, test_portal);
  ADD ("/foreign/too-large", NULL, test_too_large);
  ADD ("/foreign/fall-back", NULL, test_fall_back);
  ADD ("/foreign/fall-back/later", NULL, test_fall_back_later);
  ADD ("/foreign/update-not-found", NULL, test_update_not_found);

  return g_test_run ();
}
