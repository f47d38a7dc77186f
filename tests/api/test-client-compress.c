/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests that are compressed: when, with what, and what happens when the service does not like it. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"
#include "tests/lib/zstd-helpers.h"

#ifdef HAVE_ZSTD
# define HAS_ZSTD TRUE
# define BEST     LSOBS_COMPRESSION_ZSTD
#else
# define HAS_ZSTD FALSE
# define BEST     LSOBS_COMPRESSION_GZIP
#endif

/* The limit tells that the answer has come. */
#define INFO(zstd, gzip) \
 "{\"version\":\"0.12.1\",\"batch_ingest_config\":{\"size_limit\":77}," \
 "\"instance_flags\":{\"zstd_compression_enabled\":" zstd ",\"gzip_body_enabled\":" gzip "}}"

#define LARGE 5000

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  if (HAS_ZSTD)
    test_server_set_decoder (fixture->server, "zstd", test_unzstd);
}

static LsobsClient *
get_client (TestFixture *fixture)
{
  return LSOBS_CLIENT (lsobs_exporter_get_transport (fixture->exporter));
}

static gboolean
knows_info (gpointer data)
{
  return lsobs_transport_get_max_records (LSOBS_TRANSPORT (get_client (data))) == 77;
}

static void
send_large (TestFixture *fixture)
{
  test_emit_large (fixture->exporter, "large", LARGE);
  test_assert_flush (fixture->exporter, 1);
}

/* Starts, sends a small run, and waits until the service has said what it takes. */
static void
learn (TestFixture *fixture, const char *info)
{
  test_server_set_info (fixture->server, info);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "small");
  test_assert_flush (fixture->exporter, 1);
  g_assert_true (test_wait_until (knows_info, fixture, TEST_TIMEOUT_MS));
}

static const char *
get_name (LsobsCompression kind)
{
  switch (kind)
    {
    case LSOBS_COMPRESSION_GZIP:
      return "gzip";
    case LSOBS_COMPRESSION_ZSTD:
      return "zstd";
    case LSOBS_COMPRESSION_AUTO:
    case LSOBS_COMPRESSION_NONE:
    default:
      return NULL;
    }
}

/* The request is compressed with @kind, with all that belongs to that. */
static void
assert_request (TestFixture *fixture, guint index, LsobsCompression kind)
{
  g_autoptr (TestRequest) request = test_get_request (fixture->server, index);
  const char *payload = test_request_get_header (request, "X-Pre-Compressed-Size");
  g_autofree char *length =
      g_strdup_printf ("%" G_GSIZE_FORMAT, g_bytes_get_size (request->raw_body));
  gsize n_bytes = 0;

  g_assert_cmpstr (test_request_get_header (request, "Content-Encoding"), ==, get_name (kind));
  g_assert_cmpstr (test_request_get_header (request, "Content-Length"), ==, length);
  g_assert_null (test_request_get_header (request, "Transfer-Encoding"));
  g_assert_no_error (request->wire_error);
  g_assert_nonnull (request->wire);
  if (kind == LSOBS_COMPRESSION_NONE)
    {
      g_assert_null (payload);
      g_assert_true (g_bytes_equal (request->raw_body, request->body));
      return;
    }

  g_assert_cmpuint (g_bytes_get_size (request->raw_body), <, g_bytes_get_size (request->body));
  if (request->wire->endpoint == WIRE_ENDPOINT_MULTIPART)
    {
      g_autoptr (GPtrArray) parts =
          wire_multipart_parse (test_request_get_header (request, "Content-Type"), request->body,
                                WIRE_STRICT, NULL);

      for (guint i = 0; i < parts->len; i++)
        n_bytes += g_bytes_get_size (((WirePart *) g_ptr_array_index (parts, i))->payload);
    }
  else
    {
      n_bytes = g_bytes_get_size (request->body);
    }
  g_assert_nonnull (payload);
  g_assert_cmpuint (g_ascii_strtoull (payload, NULL, 10), ==, n_bytes);
}

/* --- what is used -------------------------------------------------------------------------- */

static const struct
{
  const char *name;
  const char *info;
  LsobsCompression config;
  LsobsIngestMode mode;
  LsobsCompression expected;
} offers[] = {
  { "both", INFO ("true", "true"), LSOBS_COMPRESSION_AUTO, LSOBS_INGEST_MODE_AUTO, BEST },
  { "zstd", INFO ("true", "false"), LSOBS_COMPRESSION_AUTO, LSOBS_INGEST_MODE_MULTIPART,
    HAS_ZSTD ? LSOBS_COMPRESSION_ZSTD : LSOBS_COMPRESSION_NONE },
  { "gzip", INFO ("false", "true"), LSOBS_COMPRESSION_AUTO, LSOBS_INGEST_MODE_AUTO,
    LSOBS_COMPRESSION_GZIP },
  { "nothing", INFO ("false", "false"), LSOBS_COMPRESSION_AUTO, LSOBS_INGEST_MODE_AUTO,
    LSOBS_COMPRESSION_NONE },
  { "nonsense", INFO ("1", "\"true\""), LSOBS_COMPRESSION_AUTO, LSOBS_INGEST_MODE_AUTO,
    LSOBS_COMPRESSION_NONE },
  { "forbidden", INFO ("true", "true"), LSOBS_COMPRESSION_NONE, LSOBS_INGEST_MODE_AUTO,
    LSOBS_COMPRESSION_NONE },
  { "forced-gzip", INFO ("true", "true"), LSOBS_COMPRESSION_GZIP, LSOBS_INGEST_MODE_AUTO,
    LSOBS_COMPRESSION_GZIP },
  { "batch", INFO ("true", "true"), LSOBS_COMPRESSION_AUTO, LSOBS_INGEST_MODE_BATCH,
    LSOBS_COMPRESSION_NONE },
};

static void
test_offer (TestFixture *fixture, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);

  lsobs_config_set_compression (fixture->config, offers[i].config);
  lsobs_config_set_ingest_mode (fixture->config, offers[i].mode);
  learn (fixture, offers[i].info);
  g_assert_cmpint (lsobs_client_get_compression (get_client (fixture)), ==, offers[i].expected);
  for (guint j = 1; j < 4; j++)
    {
      send_large (fixture);
      assert_request (fixture, j, offers[i].expected);
    }
  g_assert_cmpuint (test_log_count (), ==, 0);
}

/* Single runs are small enough as they are, unless it is asked for. */
static void
test_runs (TestFixture *fixture, gconstpointer data)
{
  LsobsCompression kind = (LsobsCompression) GPOINTER_TO_INT (data);

  lsobs_config_set_ingest_mode (fixture->config, LSOBS_INGEST_MODE_RUNS);
  lsobs_config_set_compression (fixture->config, kind);
  test_fixture_start (fixture);
  send_large (fixture);
  assert_request (fixture, 0, kind == LSOBS_COMPRESSION_AUTO ? LSOBS_COMPRESSION_NONE : kind);
}

/* As long as the service has not said what it takes, nothing is compressed. */
static void
test_before_answer (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_push (fixture->server, "/info", (TestAnswer){ .mode = TEST_ANSWER_HANG });
  test_fixture_start (fixture);
  for (guint i = 0; i < 3; i++)
    {
      send_large (fixture);
      assert_request (fixture, i, LSOBS_COMPRESSION_NONE);
    }
  g_assert_cmpint (lsobs_client_get_compression (get_client (fixture)), ==, LSOBS_COMPRESSION_NONE);
}

/* What is forced is not waited for. */
static void
test_forced (TestFixture *fixture, gconstpointer data)
{
  LsobsCompression kind = (LsobsCompression) GPOINTER_TO_INT (data);

  lsobs_config_set_compression (fixture->config, kind);
  if (kind == LSOBS_COMPRESSION_ZSTD && !HAS_ZSTD)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (lsobs_client_new (fixture->config, &error));
      g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
      g_assert_nonnull (strstr (error->message, "zstd"));
      g_clear_error (&error);
      g_assert_null (lsobs_observer_new (fixture->config, &error));
      g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
      return;
    }
  test_server_push (fixture->server, "/info", (TestAnswer){ .mode = TEST_ANSWER_HANG });
  test_fixture_start (fixture);
  g_assert_cmpint (lsobs_client_get_compression (get_client (fixture)), ==, kind);
  for (guint i = 0; i < 3; i++)
    {
      send_large (fixture);
      assert_request (fixture, i, kind);
    }
}

/* A batch of many, and one that is too small to be worth it. */
static void
test_sizes (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) small = NULL;

  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  test_fixture_start (fixture);
  test_emit_many (fixture->exporter, 50);
  test_assert_flush (fixture->exporter, 50);
  assert_request (fixture, 0, LSOBS_COMPRESSION_GZIP);

  test_emit (fixture->exporter, "small");
  test_assert_flush (fixture->exporter, 1);
  small = test_get_request (fixture->server, 1);
  g_assert_cmpuint (g_bytes_get_size (small->body), <, 1024);
  assert_request (fixture, 1, LSOBS_COMPRESSION_NONE);
}

/* Limits are about what is inside. */
static void
test_limit (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  lsobs_config_set_max_batch_bytes (fixture->config, 65536);
  test_fixture_start (fixture);
  for (guint i = 0; i < 20; i++)
    test_emit_large (fixture->exporter, "large", 10000);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  for (guint i = 0; i < test_server_count_requests (fixture->server, NULL); i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);

      g_assert_cmpuint (g_bytes_get_size (request->body), <=, 65536);
      g_assert_cmpuint (g_bytes_get_size (request->raw_body), <, 10000);
    }
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 20);
}

static void
test_bytes_sent (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) request = NULL;

  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  test_fixture_start (fixture);
  send_large (fixture);
  request = test_get_request (fixture->server, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_BYTES_SENT), ==,
                    g_bytes_get_size (request->raw_body));
}

/* The level makes a difference where there is one. */
static gsize
measure (LsobsCompression kind, gint64 level)
{
  TestFixture fixture = { NULL };
  g_autoptr (TestRequest) request = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (JsonNode) inputs = NULL;
  g_autoptr (LsobsRun) run = NULL;
  gsize size;

  set_up (&fixture, NULL);
  lsobs_config_set_compression (fixture.config, kind);
  lsobs_config_set_compression_level (fixture.config, level);
  test_fixture_start (&fixture);
  while (text->len < 90000)
    g_string_append_printf (text, "%d %c ", g_rand_int_range (rand, 0, 3000),
                            (char) g_rand_int_range (rand, 'a', 'z'));
  inputs = test_new_payload (text->str);
  run = lsobs_observer_start_run (fixture.observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
  lsobs_run_end (run, NULL);
  g_assert_true (lsobs_exporter_flush (fixture.exporter, TEST_TIMEOUT_MS, NULL, NULL));
  request = test_get_request (fixture.server, 0);
  size = g_bytes_get_size (request->raw_body);
  g_clear_pointer (&run, lsobs_run_unref);
  test_fixture_tear_down (&fixture, NULL);

  return size;
}

static void
test_level (gconstpointer data)
{
  LsobsCompression kind = (LsobsCompression) GPOINTER_TO_INT (data);

  if (kind == LSOBS_COMPRESSION_ZSTD && !HAS_ZSTD)
    g_test_skip ("lsobs was built without it");
  else
    g_assert_cmpuint (measure (kind, 19), <, measure (kind, 1));
}

/* --- attempts ------------------------------------------------------------------------------ */

/* Compressed once: the same bytes each time. */
static void
test_retry (TestFixture *fixture, gconstpointer data)
{
  LsobsCompression kind = (LsobsCompression) GPOINTER_TO_INT (data);
  g_autoptr (TestRequest) first = NULL;

  if (kind == LSOBS_COMPRESSION_ZSTD && !HAS_ZSTD)
    {
      g_test_skip ("lsobs was built without it");
      return;
    }
  lsobs_config_set_compression (fixture->config, kind);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503, .repeat = 2 });
  send_large (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  first = test_get_request (fixture->server, 0);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TestRequest) request = test_get_request (fixture->server, i);

      assert_request (fixture, i, kind);
      g_assert_true (g_bytes_equal (request->raw_body, first->raw_body));
      g_assert_cmpstr (test_request_get_header (request, "Content-Type"), ==,
                       test_request_get_header (first, "Content-Type"));
    }
}

/* Called in the server's thread. */
static gboolean
refuse_packed_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  if (test_request_get_header (request, "Content-Encoding") == NULL)
    return FALSE;
  answer->status = GPOINTER_TO_UINT (data);
  return TRUE;
}

/* Refused once: sent once more as it is, and nothing is compressed any more. */
static void
test_refused (TestFixture *fixture, gconstpointer data)
{
  test_server_set_handler (fixture->server, refuse_packed_cb, (gpointer) data);
  learn (fixture, INFO ("true", "true"));
  send_large (fixture);
  g_assert_cmpint (lsobs_client_get_compression (get_client (fixture)), ==, LSOBS_COMPRESSION_NONE);
  send_large (fixture);
  test_emit_many (fixture->exporter, 20);
  test_assert_flush (fixture->exporter, 20);

  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 5);
  assert_request (fixture, 1, BEST);
  for (guint i = 2; i < 5; i++)
    assert_request (fixture, i, LSOBS_COMPRESSION_NONE);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  /* it is said once */
  g_assert_cmpuint (test_log_count (), ==, 1);
}

/* Even where it is forced, and at the last attempt: better sent as it is than lost. */
static void
test_refused_forced (TestFixture *fixture, gconstpointer data)
{
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  lsobs_config_set_max_attempts (fixture->config, 1);
  test_server_set_handler (fixture->server, refuse_packed_cb, (gpointer) data);
  test_fixture_start (fixture);
  send_large (fixture);
  send_large (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 3);
  g_assert_cmpint (lsobs_client_get_compression (get_client (fixture)), ==, LSOBS_COMPRESSION_NONE);
}

/* Several that are under way find it out together, and each is sent once more. */
static void
test_refused_in_flight (TestFixture *fixture, gconstpointer data)
{
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  lsobs_config_set_max_batch_size (fixture->config, 10);
  test_server_set_handler (fixture->server, refuse_packed_cb, (gpointer) data);
  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, 100);
  g_assert_true (test_server_wait_requests (fixture->server, 4, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 100);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  /* one line, whoever was first */
  g_assert_cmpuint (test_log_count (), ==, 1);
}

/* A service that answers so whatever it gets: no more than one attempt more. */
static void
test_never (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = GPOINTER_TO_UINT (data), .repeat = 2 });
  test_emit_large (fixture->exporter, "large", LARGE);
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
  assert_request (fixture, 0, LSOBS_COMPRESSION_GZIP);
  assert_request (fixture, 1, LSOBS_COMPRESSION_NONE);

  /* with 400 it may have been the run */
  send_large (fixture);
  assert_request (fixture, 2,
                  GPOINTER_TO_UINT (data) == 400 ? LSOBS_COMPRESSION_GZIP : LSOBS_COMPRESSION_NONE);
}

/* One bad run does not put an end to it, and costs no request more than it does without, but the last. */
static void
test_bad_run (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_GZIP);
  test_fixture_start (fixture);
  test_server_set_handler (fixture->server, test_refuse_bad_cb, GUINT_TO_POINTER (400));
  send_large (fixture);
  for (guint i = 0; i < 8; i++)
    test_emit_large (fixture->exporter, i == 5 ? "bad" : "good", LARGE);
  error = test_flush_with_loss (fixture->exporter, 1);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 8);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 1 + 7 + 1);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_REJECTED), ==, 1);
  g_assert_cmpint (lsobs_client_get_compression (get_client (fixture)), ==, LSOBS_COMPRESSION_GZIP);
  send_large (fixture);
  assert_request (fixture, 9, LSOBS_COMPRESSION_GZIP);
}

/* Feedback that has a request of its own is no run, and only forced to be compressed. */
static void
test_feedback (TestFixture *fixture, gconstpointer data)
{
  LsobsCompression kind = (LsobsCompression) GPOINTER_TO_INT (data);
  g_autofree char *comment = g_strnfill (LARGE, 'x');
  g_autoptr (TestRequest) request = NULL;
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_compression (fixture->config, kind);
  /* too old for feedback beside runs */
  learn (fixture, "{\"version\":\"0.8.9\",\"batch_ingest_config\":{\"size_limit\":77},"
                  "\"instance_flags\":{\"gzip_body_enabled\":true}}");
  run = lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  test_assert_flush (fixture->exporter, 1);
  lsobs_run_add_feedback (run, "helpful", 1.0, comment, NULL);
  test_assert_flush (fixture->exporter, 1);
  request = test_get_request (fixture->server, 2);
  g_assert_cmpstr (request->path, ==, "/feedback");
  g_assert_cmpstr (test_request_get_header (request, "Content-Encoding"), ==, get_name (kind));
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  gpointer gzip = GINT_TO_POINTER (LSOBS_COMPRESSION_GZIP);
  gpointer zstd = GINT_TO_POINTER (LSOBS_COMPRESSION_ZSTD);

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    {
      g_autofree char *path = g_strconcat ("/client/compress/offer/", offers[i].name, NULL);

      ADD (path, GUINT_TO_POINTER (i), test_offer);
    }
  ADD ("/client/compress/runs/auto", GINT_TO_POINTER (LSOBS_COMPRESSION_AUTO), test_runs);
  ADD ("/client/compress/runs/gzip", gzip, test_runs);
  ADD ("/client/compress/before-answer", NULL, test_before_answer);
  ADD ("/client/compress/forced/gzip", gzip, test_forced);
  ADD ("/client/compress/forced/zstd", zstd, test_forced);
  ADD ("/client/compress/sizes", NULL, test_sizes);
  ADD ("/client/compress/limit", NULL, test_limit);
  ADD ("/client/compress/bytes-sent", NULL, test_bytes_sent);
  g_test_add_data_func ("/client/compress/level/gzip", gzip, test_level);
  g_test_add_data_func ("/client/compress/level/zstd", zstd, test_level);
  ADD ("/client/compress/retry/gzip", gzip, test_retry);
  ADD ("/client/compress/retry/zstd", zstd, test_retry);
  ADD ("/client/compress/refused/415", GUINT_TO_POINTER (415), test_refused);
  ADD ("/client/compress/refused/400", GUINT_TO_POINTER (400), test_refused);
  ADD ("/client/compress/refused-forced/415", GUINT_TO_POINTER (415), test_refused_forced);
  ADD ("/client/compress/refused-forced/400", GUINT_TO_POINTER (400), test_refused_forced);
  ADD ("/client/compress/refused-in-flight/415", GUINT_TO_POINTER (415), test_refused_in_flight);
  ADD ("/client/compress/refused-in-flight/400", GUINT_TO_POINTER (400), test_refused_in_flight);
  ADD ("/client/compress/never/415", GUINT_TO_POINTER (415), test_never);
  ADD ("/client/compress/never/400", GUINT_TO_POINTER (400), test_never);
  ADD ("/client/compress/bad-run", NULL, test_bad_run);
  ADD ("/client/compress/feedback/auto", GINT_TO_POINTER (LSOBS_COMPRESSION_AUTO), test_feedback);
  ADD ("/client/compress/feedback/gzip", gzip, test_feedback);

  return g_test_run ();
}
