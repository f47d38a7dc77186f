/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <locale.h>
#include <string.h>

#include "tests/lib/test-server.h"
#include "tests/lib/test-utils.h"

/* Each misbehaviour of the test server once, seen by a plain client. */

#define R            "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define EXAMPLE_TYPE "multipart/form-data; boundary=lsobs-7f3a9c51d2e84b06"

#define RUN(name) \
 "{\"id\":\"" R "\",\"trace_id\":\"" R "\",\"dotted_order\":\"20260301T093015250000Z" R "\"," \
 "\"name\":\"" name "\",\"run_type\":\"chain\",\"session_name\":\"helpdesk\"," \
 "\"start_time\":\"2026-03-01T09:30:15.250000Z\"}"

typedef struct
{
  TestServer *server;   /* (owned) */
  SoupSession *session; /* (owned) */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->server = test_server_new ();
  fixture->session = soup_session_new_with_options ("user-agent", "lsobs/0.1.0", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  soup_session_abort (fixture->session);
  test_drain_context ();
  g_assert_finalize_object (fixture->session);
  test_server_free (fixture->server);
}

static SoupMessage *
make_message (Fixture *fixture, const char *method, const char *path)
{
  g_autofree char *url = g_strconcat (test_server_get_url (fixture->server), path, NULL);
  SoupMessage *msg = soup_message_new (method, url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (msg);

  soup_message_headers_append (headers, "x-api-key", "lsv2_pt_EXAMPLE");
  soup_message_headers_append (headers, "Accept", "application/json");
  soup_message_add_flags (msg, SOUP_MESSAGE_NO_REDIRECT);

  return msg;
}

/* (transfer full): a POST of one run */
static SoupMessage *
make_post (Fixture *fixture, const char *body)
{
  SoupMessage *msg = make_message (fixture, "POST", "/runs");
  g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));

  soup_message_set_request_body_from_bytes (msg, "application/json", bytes);

  return msg;
}

/* Sends and reads the whole answer. Returns (transfer full) (nullable). */
static GBytes *
exchange (Fixture *fixture, SoupMessage *msg, GError **error)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;

  soup_session_send_and_read_async (fixture->session, msg, G_PRIORITY_DEFAULT, NULL, test_result_cb,
                                    &result);

  return soup_session_send_and_read_finish (fixture->session, test_result_wait (&result), error);
}

static guint
post (Fixture *fixture, const char *body)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, body);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = exchange (fixture, msg, &error);

  g_assert_no_error (error);
  g_assert_nonnull (answer);

  return soup_message_get_status (msg);
}

static void
assert_body (GBytes *bytes, const char *text)
{
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), text, strlen (text));
}

static void
test_default (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_autoptr (SoupMessage) info = make_message (fixture, "GET", "/info");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = exchange (fixture, msg, &error);
  g_autoptr (GBytes) info_answer = exchange (fixture, info, &error);
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (WireTree) tree = NULL;
  TestRequest *request;

  g_assert_cmpuint (soup_message_get_status (msg), ==, 202);
  assert_body (answer, "{}");
  g_assert_cmpuint (soup_message_get_status (info), ==, 200);
  node = wire_json_parse (g_bytes_get_data (info_answer, NULL), g_bytes_get_size (info_answer),
                          &error);
  g_assert_no_error (error);

  g_assert_true (test_server_wait_requests (fixture->server, 1, 0));
  g_assert_true (test_server_wait_ops (fixture->server, 1, 0));
  g_assert_false (test_server_wait_ops (fixture->server, 2, 0));
  g_assert_cmpuint (test_server_count_connections (fixture->server), ==, 1);
  requests = test_server_dup_requests (fixture->server);
  g_assert_cmpuint (requests->len, ==, 2);
  request = g_ptr_array_index (requests, 0);
  g_assert_cmpstr (request->method, ==, "POST");
  g_assert_cmpstr (request->path, ==, "/runs");
  g_assert_cmpstr (test_request_get_header (request, "X-API-KEY"), ==, "lsv2_pt_EXAMPLE");
  assert_body (request->raw_body, RUN ("agent"));
  g_assert_cmpuint (test_request_get_status (request), ==, 202);

  test_server_assert_conformant (fixture->server);
  tree = test_server_build_tree (fixture->server);
  g_assert_nonnull (wire_tree_find (tree, "agent"));

  test_server_clear (fixture->server);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/"), ==, 0);
}

static void
test_script (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;

  test_server_push (fixture->server, "/elsewhere", (TestAnswer){ .status = 500, .repeat = -1 });
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503, .repeat = 2 });
  test_server_push (fixture->server, "/runs",
                    (TestAnswer){ .status = 307,
                                  .headers =
                                      "Retry-After: 7\nLocation: /x\nContent-Type: text/html",
                                  .body = "<html>" });

  g_assert_cmpuint (post (fixture, RUN ("agent")), ==, 503);
  g_assert_cmpuint (post (fixture, RUN ("agent")), ==, 503);
  answer = exchange (fixture, msg, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soup_message_get_status (msg), ==, 307);
  g_assert_cmpstr (soup_message_headers_get_one (soup_message_get_response_headers (msg),
                                                 "Retry-After"),
                   ==, "7");
  g_assert_cmpstr (soup_message_headers_get_one (soup_message_get_response_headers (msg),
                                                 "Content-Type"),
                   ==, "text/html");
  assert_body (answer, "<html>");
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 0);
  g_assert_cmpuint (post (fixture, RUN ("agent")), ==, 202);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 1);
  test_server_assert_conformant (fixture->server);
}

static void
test_big_body (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;

  test_server_push (fixture->server, NULL, (TestAnswer){ .body_length = 10 * 1024 * 1024 });
  answer = exchange (fixture, msg, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (answer), ==, 10 * 1024 * 1024);
}

static void
test_delay (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 start = g_get_monotonic_time ();

  test_server_push (fixture->server, NULL, (TestAnswer){ .delay_ms = 30 });
  g_assert_cmpuint (post (fixture, RUN ("agent")), ==, 202);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 30000);
}

static gboolean
has_come (gpointer data)
{
  return test_server_count_requests (data, NULL) > 0;
}

static void
test_hang (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GPtrArray) requests = NULL;

  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .status = 201 });
  soup_session_send_and_read_async (fixture->session, msg, G_PRIORITY_DEFAULT, NULL, test_result_cb,
                                    &result);
  g_assert_true (test_wait_until (has_come, fixture->server, TEST_TIMEOUT_MS));

  requests = test_server_dup_requests (fixture->server);
  g_assert_cmpuint (test_request_get_status (g_ptr_array_index (requests, 0)), ==, 0);
  g_assert_null (result.result);

  test_server_release_hanging (fixture->server);
  answer = soup_session_send_and_read_finish (fixture->session, test_result_wait (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soup_message_get_status (msg), ==, 201);
}

/* The server must be able to go while a request hangs. */
static void
test_hang_for_ever (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;

  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  soup_session_send_and_read_async (fixture->session, msg, G_PRIORITY_DEFAULT, NULL, test_result_cb,
                                    &result);
  g_assert_true (test_wait_until (has_come, fixture->server, TEST_TIMEOUT_MS));
  test_server_free (fixture->server);

  answer = soup_session_send_and_read_finish (fixture->session, test_result_wait (&result), &error);
  g_assert_null (answer);
  g_assert_nonnull (error);
  fixture->server = test_server_new ();
}

static void
test_reset (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;
  g_autoptr (GPtrArray) requests = NULL;

  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_RESET });
  answer = exchange (fixture, msg, &error);
  g_assert_null (answer);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);

  requests = test_server_dup_requests (fixture->server);
  g_assert_false (test_request_is_accepted (g_ptr_array_index (requests, 0)));
  g_assert_cmpuint (post (fixture, RUN ("agent")), ==, 202);
  g_assert_cmpuint (test_server_count_connections (fixture->server), ==, 2);
  test_server_assert_conformant (fixture->server);
}

static void
test_slow_body (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;
  gint64 start = g_get_monotonic_time ();

  test_server_push (fixture->server, NULL,
                    (TestAnswer){
                        .mode = TEST_ANSWER_SLOW_BODY, .body = "0123456789", .delay_ms = 3 });
  answer = exchange (fixture, msg, &error);
  g_assert_no_error (error);
  assert_body (answer, "0123456789");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 30000);
}

static void
test_early_close (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;

  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .mode = TEST_ANSWER_EARLY_CLOSE, .body = "0123456789" });
  answer = exchange (fixture, msg, &error);
  g_assert_cmpuint (soup_message_get_status (msg), ==, 202);
  /* libsoup 3.2 gives the half body without an error, later ones give the error */
  g_assert_true (answer == NULL || g_bytes_get_size (answer) == 5);

  /* sending it again is no duplicate after such an answer */
  g_assert_cmpuint (post (fixture, RUN ("agent")), ==, 202);
  test_server_assert_conformant (fixture->server);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 1);
}

static void
test_hold (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) msg = make_post (fixture, RUN ("agent"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;

  test_server_hold (fixture->server);
  soup_session_send_and_read_async (fixture->session, msg, G_PRIORITY_DEFAULT, NULL, test_result_cb,
                                    &result);
  g_assert_true (test_wait_until (has_come, fixture->server, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 0);
  g_assert_null (result.result);

  test_server_release (fixture->server);
  answer = soup_session_send_and_read_finish (fixture->session, test_result_wait (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soup_message_get_status (msg), ==, 202);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 1);
}

static gboolean
refuse_bad_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  WireOp *op = request->wire != NULL ? wire_request_find (request->wire, "post", data) : NULL;

  if (op == NULL || strcmp (json_object_get_string_member (op->run, "name"), "bad") != 0)
    return FALSE;
  answer->status = 400;
  answer->body = "{\"error\":\"bad run\"}";

  return TRUE;
}

static void
test_handler (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_set_handler (fixture->server, refuse_bad_cb, (gpointer) R);
  g_assert_cmpuint (post (fixture, RUN ("bad")), ==, 400);
  g_assert_cmpuint (post (fixture, RUN ("good")), ==, 202);
}

static void
test_gzip (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) body = test_data_load ("example-c-multipart.bin");
  g_autoptr (GConverter) zip =
      G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1));
  g_autoptr (SoupMessage) msg = make_message (fixture, "POST", "/runs/multipart");
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) zipped = NULL;
  g_autoptr (GBytes) answer = NULL;
  guint8 buffer[8192];
  gsize n_read, n_written;
  TestRequest *request;

  g_assert_cmpint (g_converter_convert (zip, g_bytes_get_data (body, NULL), g_bytes_get_size (body),
                                        buffer, sizeof buffer, G_CONVERTER_INPUT_AT_END, &n_read,
                                        &n_written, &error),
                   ==, G_CONVERTER_FINISHED);
  zipped = g_bytes_new (buffer, n_written);
  soup_message_headers_append (soup_message_get_request_headers (msg), "Content-Encoding", "gzip");
  soup_message_headers_append (soup_message_get_request_headers (msg), "X-Pre-Compressed-Size",
                               "2196");
  soup_message_set_request_body_from_bytes (msg, EXAMPLE_TYPE, zipped);
  answer = exchange (fixture, msg, &error);
  g_assert_no_error (error);

  requests = test_server_dup_ingest (fixture->server);
  request = g_ptr_array_index (requests, 0);
  g_assert_true (g_bytes_equal (request->raw_body, zipped));
  g_assert_true (g_bytes_equal (request->body, body));
  g_assert_cmpuint (test_request_get_n_ops (request), ==, 3);
  test_server_assert_conformant (fixture->server);
}

/* --- what is not conformant ---------------------------------------------------------------- */

typedef enum
{
  WITHOUT_KEY,
  OTHER_AGENT,
  WITHOUT_ACCEPT,
  KEY_IN_BODY,
  BROKEN_BODY,
  BROKEN_RUN,
  SENT_TWICE,
  SENT_AGAIN_CHANGED,
  BAD_GZIP,
  UNKNOWN_ENCODING
} Offence;

static void
test_offence (Fixture *fixture, gconstpointer data)
{
  Offence offence = (Offence) GPOINTER_TO_UINT (data);
  const char *body = offence == KEY_IN_BODY   ? RUN ("lsv2_pt_EXAMPLE")
                     : offence == BROKEN_BODY ? "{"
                     : offence == BROKEN_RUN  ? "{}"
                                              : RUN ("agent");
  g_autoptr (SoupMessage) msg = make_post (fixture, body);
  SoupMessageHeaders *headers = soup_message_get_request_headers (msg);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;

  if (offence == WITHOUT_KEY)
    soup_message_headers_remove (headers, "x-api-key");
  else if (offence == OTHER_AGENT)
    soup_session_set_user_agent (fixture->session, "curl/8");
  else if (offence == WITHOUT_ACCEPT)
    soup_message_headers_remove (headers, "Accept");
  else if (offence == BAD_GZIP || offence == UNKNOWN_ENCODING)
    soup_message_headers_append (headers, "Content-Encoding", offence == BAD_GZIP ? "gzip" : "br");
  else if (offence == SENT_AGAIN_CHANGED)
    test_server_push (fixture->server, NULL, (TestAnswer){ .status = 500 });

  answer = exchange (fixture, msg, &error);
  g_assert_no_error (error);
  if (offence == SENT_TWICE || offence == SENT_AGAIN_CHANGED)
    post (fixture, offence == SENT_TWICE ? RUN ("agent") : RUN ("other"));

  g_assert_false (test_server_check_conformant (fixture->server, &error));
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
}

/* --- the helpers --------------------------------------------------------------------------- */

static void
test_env (void)
{
  g_autoptr (TestEnv) outer = test_env_new ();

  test_env_set (outer, "TESTSERVER_A", "1");
  {
    g_autoptr (TestEnv) inner = test_env_new ();

    test_env_set (inner, "TESTSERVER_A", "2");
    test_env_set (inner, "TESTSERVER_B", "3");
    test_env_unset_prefix (inner, "TESTSERVER_");
    g_assert_null (g_getenv ("TESTSERVER_A"));
    g_assert_null (g_getenv ("TESTSERVER_B"));
  }
  g_assert_cmpstr (g_getenv ("TESTSERVER_A"), ==, "1");
  g_assert_null (g_getenv ("TESTSERVER_B"));
}

static gboolean
never (gpointer data)
{
  ++*(guint *) data;

  return FALSE;
}

static void
test_wait_deadline (void)
{
  guint n_asked = 0;

  g_assert_false (test_wait_until (never, &n_asked, 20));
  g_assert_cmpuint (n_asked, >, 1);
}

/* Connections that clients have closed leave no descriptor open. */
static void
test_ended (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  guint n_before = test_count_descriptors (NULL);

  for (guint i = 0; i < 50; i++)
    {
      g_assert_cmpuint (post (fixture, RUN ("agent")), ==, 202);
      soup_session_abort (fixture->session);
    }
  g_assert_cmpuint (test_count_descriptors (NULL), <, n_before + 20);
}

static void
add (const char *path, void (*test) (Fixture *, gconstpointer), guint data)
{
  g_test_add (path, Fixture, GUINT_TO_POINTER (data), set_up, test, tear_down);
}

int
main (int argc, char *argv[])
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);

  add ("/test-server/default", test_default, 0);
  add ("/test-server/script", test_script, 0);
  add ("/test-server/big-body", test_big_body, 0);
  add ("/test-server/delay", test_delay, 0);
  add ("/test-server/hang", test_hang, 0);
  add ("/test-server/hang-for-ever", test_hang_for_ever, 0);
  add ("/test-server/reset", test_reset, 0);
  add ("/test-server/slow-body", test_slow_body, 0);
  add ("/test-server/early-close", test_early_close, 0);
  add ("/test-server/hold", test_hold, 0);
  add ("/test-server/handler", test_handler, 0);
  add ("/test-server/ended", test_ended, 0);
  add ("/test-server/gzip", test_gzip, 0);
  add ("/test-server/offence/without-key", test_offence, WITHOUT_KEY);
  add ("/test-server/offence/other-agent", test_offence, OTHER_AGENT);
  add ("/test-server/offence/without-accept", test_offence, WITHOUT_ACCEPT);
  add ("/test-server/offence/key-in-body", test_offence, KEY_IN_BODY);
  add ("/test-server/offence/broken-body", test_offence, BROKEN_BODY);
  add ("/test-server/offence/broken-run", test_offence, BROKEN_RUN);
  add ("/test-server/offence/sent-twice", test_offence, SENT_TWICE);
  add ("/test-server/offence/sent-again-changed", test_offence, SENT_AGAIN_CHANGED);
  add ("/test-server/offence/bad-gzip", test_offence, BAD_GZIP);
  add ("/test-server/offence/unknown-encoding", test_offence, UNKNOWN_ENCODING);

  g_test_add_func ("/test-utils/env", test_env);
  g_test_add_func ("/test-utils/deadline", test_wait_deadline);

  return g_test_run ();
}
