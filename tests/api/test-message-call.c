/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The calls of models by libsoup. The program gets the same bytes and errors as without lsobs,
 * whatever way it reads, and each call becomes one run. */

#include "config.h"

#include <string.h>

#include "tests/lib/run-helpers.h"

#define PATH "/v1/chat/completions"
#define REQUEST \
 "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," \
 "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define N_PIECES 300

/* The answer of the service. Written before a request, read by the server's thread. */
typedef struct
{
  GBytes *body; /* (owned) */
  guint status;
  const char *headers;
  TestAnswerMode mode;
  guint delay_ms;
  guint n_redirects; /* before the answer */
  guint n_refusals;  /* for want of a password, after that */
} Service;

typedef struct
{
  LsobsConfig *config;          /* (owned) */
  LsobsMemoryTransport *memory; /* (owned) */
  LsobsObserver *observer;      /* (owned) (nullable) */
  LsobsExporter *exporter;      /* (owned) */
  TestServer *server;           /* (owned) */
  SoupSession *session;         /* (owned) */
  Service service;
  gboolean http2;
} Fixture;

/* How a test reads. */
typedef GBytes *(*ReadFunc) (Fixture *fixture, SoupMessage *message, GError **error);

typedef struct
{
  const char *name;
  ReadFunc read;
} Way;

typedef struct
{
  const Way *way;
  gboolean gzip;
  gboolean http2;
} Case;

static gboolean
answer_cb (TestRequest *request G_GNUC_UNUSED, TestAnswer *answer, gpointer data)
{
  Service *service = data;

  answer->mode = service->mode;
  answer->status = service->status;
  answer->headers = service->headers;
  answer->delay_ms = service->delay_ms;
  answer->body = g_bytes_get_data (service->body, &answer->body_length);
  if (service->n_redirects > 0)
    {
      service->n_redirects--;
      answer->status = 307;
      answer->headers = "Location: " PATH;
    }
  else if (service->n_refusals > 0)
    {
      service->n_refusals--;
      answer->status = 401;
      answer->headers = "WWW-Authenticate: Basic realm=\"models\"\nx-request-id: refused";
    }
  return TRUE;
}

static void
set_up_server (Fixture *fixture, gboolean http2)
{
  fixture->http2 = http2;
  fixture->server = http2 ? test_new_tls_server () : test_server_new ();
  fixture->service.status = 200;
  test_server_set_handler (fixture->server, answer_cb, &fixture->service);
  fixture->session = soup_session_new ();
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GError) error = NULL;

  fixture->config = lsobs_config_new (NULL, TEST_PROJECT);
  lsobs_config_set_flush_interval (fixture->config, TEST_NEVER_MS);
  lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
  fixture->memory = lsobs_memory_transport_new ();
  fixture->observer = lsobs_observer_new_with_transport (fixture->config,
                                                         LSOBS_TRANSPORT (fixture->memory), &error);
  g_assert_no_error (error);
  fixture->exporter = g_object_ref (lsobs_observer_get_exporter (fixture->observer));
  set_up_server (fixture, c != NULL && c->http2);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  soup_session_abort (fixture->session);
  g_clear_object (&fixture->session);
  test_server_free (fixture->server);
  g_clear_pointer (&fixture->service.body, g_bytes_unref);
  test_drain_context ();
  test_assert_books (fixture->exporter);
  test_shut_down (fixture->exporter, TEST_TIMEOUT_MS);
  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->exporter);
  g_object_unref (fixture->memory);
  g_object_unref (fixture->config);
}

/* --- the answer --- */

/* Returns: (transfer full): a stream of many pieces, with its end mark unless @is_cut */
static GBytes *
make_body (gboolean is_cut)
{
  GString *text = g_string_new (NULL);
  gsize len;

  for (guint i = 0; i < N_PIECES; i++)
    g_string_append_printf (
        text, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%u \"}}]}\n\n", i);
  if (!is_cut)
    g_string_append (text,
                     "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
                     "\n\ndata: [DONE]\n\n");
  len = text->len;
  return g_bytes_new_take (g_string_free (text, FALSE), len);
}

static GBytes *
compress (GBytes *bytes)
{
  g_autoptr (GZlibCompressor) compressor =
      g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1);
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) stream =
      g_converter_output_stream_new (memory, G_CONVERTER (compressor));

  g_assert_true (g_output_stream_write_all (stream, g_bytes_get_data (bytes, NULL),
                                            g_bytes_get_size (bytes), NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (stream, NULL, NULL));
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

static gboolean
accept_cb (SoupMessage *message G_GNUC_UNUSED,
           GTlsCertificate *certificate G_GNUC_UNUSED,
           GTlsCertificateFlags errors G_GNUC_UNUSED,
           gpointer data G_GNUC_UNUSED)
{
  return TRUE;
}

/* libsoup closes the body when it is sent: to send the message again, a program sets it again. */
static void
set_body (SoupMessage *message)
{
  g_autoptr (GBytes) body = g_bytes_new_static (REQUEST, strlen (REQUEST));

  soup_message_set_request_body_from_bytes (message, "application/json", body);
}

static SoupMessage *
new_message (const char *base)
{
  g_autofree char *url = g_strconcat (base, PATH "?key=telltale", NULL);
  SoupMessage *message = soup_message_new ("POST", url);

  set_body (message);
  g_signal_connect (message, "accept-certificate", G_CALLBACK (accept_cb), NULL);
  return message;
}

/* Returns: (transfer none) */
static LsobsRun *
trace (Fixture *fixture, SoupMessage *message)
{
  g_autoptr (GBytes) body = g_bytes_new_static (REQUEST, strlen (REQUEST));

  return lsobs_observer_trace_message (fixture->observer, message, body, NULL);
}

/* Returns: (transfer full): all bytes of the stream, read in pieces of an odd size */
static GBytes *
read_all (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  g_autoptr (GByteArray) array = g_byte_array_new ();
  guint8 buffer[777];
  gssize n;

  while ((n = g_input_stream_read (stream, buffer, sizeof buffer, cancellable, error)) > 0)
    g_byte_array_append (array, buffer, (guint) n);
  return n == 0 ? g_byte_array_free_to_bytes (g_steal_pointer (&array)) : NULL;
}

/* --- ways to read --- */

static GBytes *
read_stream (Fixture *fixture, SoupMessage *message, GError **error)
{
  g_autoptr (GInputStream) stream = lsobs_session_send (fixture->session, message, NULL, error);

  return stream != NULL ? read_all (stream, NULL, error) : NULL;
}

static GBytes *
read_wrapped (Fixture *fixture, SoupMessage *message, GError **error)
{
  g_autoptr (GInputStream) base = soup_session_send (fixture->session, message, NULL, error);
  g_autoptr (GInputStream) stream =
      base != NULL ? lsobs_message_wrap_response (message, base) : NULL;

  return stream != NULL ? read_all (stream, NULL, error) : NULL;
}

static GInputStream *
send_async (Fixture *fixture, SoupMessage *message, GError **error)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;

  lsobs_session_send_async (fixture->session, message, G_PRIORITY_DEFAULT, NULL, test_result_cb,
                            &result);
  return lsobs_session_send_finish (test_result_wait (&result), error);
}

static GBytes *
read_async (Fixture *fixture, SoupMessage *message, GError **error)
{
  g_autoptr (GInputStream) stream = send_async (fixture, message, error);
  g_autoptr (GByteArray) array = g_byte_array_new ();
  g_auto (TestResult) closed = TEST_RESULT_INIT;
  guint8 buffer[777];
  gssize n = -1;

  while (stream != NULL)
    {
      g_auto (TestResult) result = TEST_RESULT_INIT;

      g_input_stream_read_async (stream, buffer, sizeof buffer, G_PRIORITY_DEFAULT, NULL,
                                 test_result_cb, &result);
      n = g_input_stream_read_finish (stream, test_result_wait (&result), error);
      if (n <= 0)
        break;
      g_byte_array_append (array, buffer, (guint) n);
    }
  if (n != 0)
    return NULL;
  g_input_stream_close_async (stream, G_PRIORITY_DEFAULT, NULL, test_result_cb, &closed);
  if (!g_input_stream_close_finish (stream, test_result_wait (&closed), error))
    return NULL;
  return g_byte_array_free_to_bytes (g_steal_pointer (&array));
}

static gboolean
ready_cb (GObject *stream G_GNUC_UNUSED, gpointer is_ready)
{
  *(gboolean *) is_ready = TRUE;
  return G_SOURCE_REMOVE;
}

static void
wait_readable (GPollableInputStream *stream)
{
  gboolean is_ready = FALSE;
  g_autoptr (GSource) source = g_pollable_input_stream_create_source (stream, NULL);

  g_source_set_callback (source, G_SOURCE_FUNC (ready_cb), &is_ready, NULL);
  g_source_attach (source, NULL);
  while (!is_ready)
    g_main_context_iteration (NULL, TRUE);
}

static GBytes *
read_polled (Fixture *fixture, SoupMessage *message, GError **error)
{
  g_autoptr (GInputStream) stream = send_async (fixture, message, error);
  GPollableInputStream *pollable;
  g_autoptr (GByteArray) array = g_byte_array_new ();
  guint8 buffer[777];
  gssize n;

  if (stream == NULL)
    return NULL;
  pollable = G_POLLABLE_INPUT_STREAM (stream);
  g_assert_true (g_pollable_input_stream_can_poll (pollable));
  for (;;)
    {
      g_autoptr (GError) own_error = NULL;

      n = g_pollable_input_stream_read_nonblocking (pollable, buffer, sizeof buffer, NULL,
                                                    &own_error);
      if (n > 0)
        g_byte_array_append (array, buffer, (guint) n);
      else if (g_error_matches (own_error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        wait_readable (pollable);
      else
        break;
    }
  g_assert_cmpint (n, ==, 0);
  return g_byte_array_free_to_bytes (g_steal_pointer (&array));
}

static GBytes *
read_lines (Fixture *fixture, SoupMessage *message, GError **error)
{
  g_autoptr (GInputStream) stream = lsobs_session_send (fixture->session, message, NULL, error);
  g_autoptr (GDataInputStream) lines = NULL;
  g_autoptr (GByteArray) array = g_byte_array_new ();
  char *line;
  gsize len;

  if (stream == NULL)
    return NULL;
  lines = g_data_input_stream_new (stream);
  while ((line = g_data_input_stream_read_line (lines, &len, NULL, error)) != NULL)
    {
      g_byte_array_append (array, (guint8 *) line, (guint) len);
      g_byte_array_append (array, (const guint8 *) "\n", 1);
      g_free (line);
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&array));
}

static GBytes *
read_whole (Fixture *fixture, SoupMessage *message, GError **error)
{
  return lsobs_session_send_and_read (fixture->session, message, NULL, error);
}

static GBytes *
read_whole_async (Fixture *fixture, SoupMessage *message, GError **error)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;

  lsobs_session_send_and_read_async (fixture->session, message, G_PRIORITY_DEFAULT, NULL,
                                     test_result_cb, &result);
  return lsobs_session_send_and_read_finish (test_result_wait (&result), error);
}

static GBytes *
read_taken (Fixture *fixture, SoupMessage *message, GError **error)
{
  GBytes *bytes = soup_session_send_and_read (fixture->session, message, NULL, error);

  lsobs_message_take_response (message, bytes);
  return bytes;
}

static const Way ways[] = {
  { "stream", read_stream }, { "wrapped", read_wrapped },
  { "async", read_async },   { "polled", read_polled },
  { "lines", read_lines },   { "whole", read_whole },
  { "taken", read_taken },   { "whole-async", read_whole_async },
};

/* --- what came --- */

/* Returns: (transfer full): the runs that were sent */
static GPtrArray *
flush (Fixture *fixture)
{
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  return lsobs_memory_transport_dup_events (fixture->memory);
}

/* Returns: (transfer full): the joined text of the outputs; NULL if there is none */
static char *
dup_content (LsobsRunEvent *event)
{
  JsonNode *outputs = lsobs_run_event_get_outputs (event);
  g_autoptr (JsonNode) found =
      outputs != NULL ? json_path_query ("$.choices[0].message.content", outputs, NULL) : NULL;
  JsonArray *array = found != NULL ? json_node_get_array (found) : NULL;

  return array != NULL && json_array_get_length (array) > 0
             ? g_strdup (json_array_get_string_element (array, 0))
             : NULL;
}

static void
assert_content (LsobsRunEvent *event)
{
  g_autoptr (GString) right = g_string_new (NULL);
  g_autofree char *content = dup_content (event);

  for (guint i = 0; i < N_PIECES; i++)
    g_string_append_printf (right, "%u ", i);
  g_assert_cmpstr (content, ==, right->str);
}

/* Returns: (transfer full): all metadata and parameters of a run */
static char *
dup_extra (LsobsRunEvent *event)
{
  return json_to_string (lsobs_run_event_get_extra (event), FALSE);
}

/* Neither what is in the query of the address nor a password is in the run. */
static void
assert_no_secret (LsobsRunEvent *event)
{
  g_autofree char *extra = dup_extra (event);
  g_autofree char *inputs = json_to_string (lsobs_run_event_get_inputs (event), FALSE);
  g_autofree char *outputs = json_to_string (lsobs_run_event_get_outputs (event), FALSE);

  g_assert_null (strstr (extra, "telltale"));
  g_assert_null (strstr (inputs, "telltale"));
  g_assert_null (strstr (outputs, "telltale"));
}

static void
assert_request_id (LsobsRunEvent *event, const char *id)
{
  g_autofree char *extra = dup_extra (event);
  g_autofree char *member = g_strdup_printf ("\"request_id\":\"%s\"", id);

  g_assert_nonnull (strstr (extra, member));
}

static void
assert_one_failed (Fixture *fixture, const char *error)
{
  g_autoptr (GPtrArray) events = flush (fixture);

  g_assert_cmpuint (events->len, ==, 1);
  g_assert_cmpstr (lsobs_run_event_get_error_text (g_ptr_array_index (events, 0)), ==, error);
}

/* --- tests --- */

static void
test_way (Fixture *fixture, gconstpointer data)
{
  const Case *c = data;
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GBytes) right = make_body (FALSE);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;

  fixture->service.body = c->gzip ? compress (right) : g_bytes_ref (right);
  fixture->service.headers =
      c->gzip ? "Content-Encoding: gzip\nx-request-id: req-7" : "x-request-id: req-7";
  trace (fixture, message);
  bytes = c->way->read (fixture, message, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (bytes, right));
  g_assert_cmpint (soup_message_get_http_version (message), ==,
                   c->http2 ? SOUP_HTTP_2_0 : SOUP_HTTP_1_1);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 1);
  g_assert_null (lsobs_run_event_get_error_text (g_ptr_array_index (events, 0)));
  assert_content (g_ptr_array_index (events, 0));
  assert_no_secret (g_ptr_array_index (events, 0));
  assert_request_id (g_ptr_array_index (events, 0), "req-7");
}

/* A long answer, which comes slowly where the server can do that. */
static void
set_up_slow (Fixture *fixture, gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GBytes) body = make_body (FALSE);

  set_up (fixture, data);
  if (!c->http2)
    fixture->service.mode = TEST_ANSWER_SLOW_BODY;
  fixture->service.body = c->gzip ? compress (body) : g_bytes_ref (body);
  if (c->gzip)
    fixture->service.headers = "Content-Encoding: gzip";
}

/* Returns: (transfer full): a stream of which some has been read */
static GInputStream *
read_some (Fixture *fixture, SoupMessage *message, GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  GInputStream *stream;
  guint8 buffer[100];

  trace (fixture, message);
  stream = lsobs_session_send (fixture->session, message, cancellable, &error);
  g_assert_no_error (error);
  g_assert_true (
      g_input_stream_read_all (stream, buffer, sizeof buffer, NULL, cancellable, &error));
  return stream;
}

static void
test_cancelled (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GInputStream) stream = read_some (fixture, message, cancellable);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_autofree char *content = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  bytes = read_all (stream, cancellable, &error);
  g_assert_null (bytes);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 1);
  g_assert_cmpstr (lsobs_run_event_get_error_text (g_ptr_array_index (events, 0)), ==, "Cancelled");
  content = dup_content (g_ptr_array_index (events, 0));
  g_assert_true (g_str_has_prefix (content, "0 "));
}

/* The program cancels, and does not read any more. */
static void
test_cancelled_closed (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GInputStream *stream = read_some (fixture, message, cancellable);

  g_cancellable_cancel (cancellable);
  g_object_unref (stream);
  assert_one_failed (fixture, "Cancelled");
}

/* The program polls, cancels, and drops the stream: GIO does not even ask the stream then. */
static void
test_cancelled_polling (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GInputStream *stream = read_some (fixture, message, NULL);
  g_autoptr (GError) error = NULL;
  guint8 buffer[1];

  g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (stream), buffer, sizeof buffer,
                                            cancellable, NULL);
  g_cancellable_cancel (cancellable);
  g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (stream), buffer, sizeof buffer,
                                            cancellable, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_object_unref (stream);
  assert_one_failed (fixture, "Cancelled");
}

static void
test_closed (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GInputStream) stream = read_some (fixture, message, NULL);

  g_input_stream_close (stream, NULL, NULL);
  assert_one_failed (fixture, "Incomplete answer");
}

/* A stream that is dropped half read. */
static void
test_dropped (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  GInputStream *stream = read_some (fixture, message, NULL);

  g_object_unref (stream);
  assert_one_failed (fixture, "Incomplete answer");
}

static void
test_skipped (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GPtrArray) events = NULL;
  gssize n;

  fixture->service.body = make_body (FALSE);
  trace (fixture, message);
  stream = lsobs_session_send (fixture->session, message, NULL, NULL);
  do
    n = g_input_stream_skip (stream, 1000, NULL, NULL);
  while (n > 0);
  g_assert_cmpint (n, ==, 0);
  events = flush (fixture);
  assert_content (g_ptr_array_index (events, 0));
}

static gboolean
has_request (gpointer server)
{
  return test_server_wait_requests (server, 1, 0);
}

/* Where libsoup reads the whole answer, it is the one to be cancelled. */
static void
test_cancelled_whole (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  fixture->service.mode = TEST_ANSWER_HANG;
  fixture->service.body = make_body (FALSE);
  trace (fixture, message);
  lsobs_session_send_and_read_async (fixture->session, message, G_PRIORITY_DEFAULT, cancellable,
                                     test_result_cb, &result);
  g_assert_true (test_wait_until (has_request, fixture->server, TEST_TIMEOUT_MS));
  g_cancellable_cancel (cancellable);
  bytes = lsobs_session_send_and_read_finish (test_result_wait (&result), &error);
  g_assert_null (bytes);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_one_failed (fixture, "Cancelled");
}

/* The connection breaks in the middle. What libsoup says of that, and whether it says it at all,
 * is what the program gets. */
static void
test_closed_early (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) plain = new_message (test_server_get_url (fixture->server));
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GBytes) right = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) right_error = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) events = NULL;

  fixture->service.mode = TEST_ANSWER_EARLY_CLOSE;
  fixture->service.body = make_body (FALSE);
  right = read_stream (fixture, plain, &right_error);
  trace (fixture, message);
  bytes = read_stream (fixture, message, &error);
  g_assert_cmpstr (error != NULL ? error->message : NULL, ==,
                   right_error != NULL ? right_error->message : NULL);
  if (right != NULL)
    g_assert_true (g_bytes_equal (bytes, right));
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 1);
  g_assert_cmpstr (lsobs_run_event_get_error_text (g_ptr_array_index (events, 0)), ==,
                   error != NULL ? error->message : "Incomplete answer");
}

/* The service ends the stream without its mark. */
static void
test_cut (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GBytes) bytes = NULL;

  fixture->service.body = make_body (TRUE);
  trace (fixture, message);
  bytes = read_stream (fixture, message, NULL);
  g_assert_true (g_bytes_equal (bytes, fixture->service.body));
  assert_one_failed (fixture, "Incomplete answer");
}

static void
test_status (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char text[] = "{\"error\":{\"message\":\"Slow down\"}}";
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GBytes) bytes = NULL;

  fixture->service.body = g_bytes_new_static (text, strlen (text));
  fixture->service.status = 429;
  trace (fixture, message);
  bytes = read_whole (fixture, message, NULL);
  g_assert_true (g_bytes_equal (bytes, fixture->service.body));
  assert_one_failed (fixture, "HTTP 429: Slow down");
}

/* An answer that is an error, and whose body nobody reads: the run ends when the status came, with the
 * words of the service. */
static void
test_refused_unread (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GPtrArray) events = NULL;
  LsobsRunEvent *event;
  gint64 later;

  fixture->service.body = make_body (TRUE);
  fixture->service.status = 429;
  message = new_message (test_server_get_url (fixture->server));
  trace (fixture, message);
  stream = lsobs_session_send (fixture->session, message, NULL, NULL);
  g_assert_nonnull (stream);
  later = g_get_real_time ();
  /* The clock goes on. */
  while (g_get_real_time () < later + 20000)
    g_thread_yield ();
  g_clear_object (&stream);
  g_clear_object (&message);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 1);
  event = events->pdata[0];
  g_assert_cmpstr (lsobs_run_event_get_error_text (event), ==, "HTTP 429: Too Many Requests");
  g_assert_cmpint (lsobs_run_event_get_end_time (event), <=, later);
}

/* libsoup's own functions show lsobs nothing. */
static void
test_not_handed_over (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GPtrArray) events = NULL;
  const char *error;

  fixture->service.body = make_body (FALSE);
  trace (fixture, message);
  bytes = soup_session_send_and_read (fixture->session, message, NULL, NULL);
  g_assert_nonnull (bytes);
  g_clear_object (&message);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 1);
  error = lsobs_run_event_get_error_text (events->pdata[0]);
  g_assert_nonnull (strstr (error, "lsobs_session_send()"));
}

static void
test_refused (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  g_autoptr (SoupMessage) message = new_message (url);
  g_autoptr (GError) error = NULL;

  trace (fixture, message);
  g_assert_null (lsobs_session_send (fixture->session, message, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  assert_one_failed (fixture, error->message);
}

/* A message that is sent again makes a second run, also if there is no connection. */
static void
test_refused_again (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  g_autoptr (SoupMessage) message = new_message (url);
  g_autoptr (GPtrArray) events = NULL;

  trace (fixture, message);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (lsobs_session_send (fixture->session, message, NULL, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
    }
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 2);
}

typedef struct
{
  GMainLoop *loop;
  SoupMessage *message;
} ResultCall;

static void
result_cb (GObject *session, GAsyncResult *result, gpointer user_data)
{
  ResultCall *call = user_data;
  SoupMessage *message = soup_session_get_async_result_message (SOUP_SESSION (session), result);
  g_autoptr (GInputStream) stream = lsobs_session_send_finish (result, NULL);

  /* It may be unknown, but nothing else. */
  g_assert_true (message == NULL || message == call->message);
  g_main_loop_quit (call->loop);
}

/* The result looks like one of libsoup: what libsoup takes from it is no other memory. */
static void
test_result_message (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  ResultCall call = { loop, message };

  fixture->service.body = make_body (FALSE);
  trace (fixture, message);
  lsobs_session_send_async (fixture->session, message, G_PRIORITY_DEFAULT, NULL, result_cb, &call);
  g_main_loop_run (loop);
}

/* A redirect is the same run. A message that is sent again makes a second one. */
static void
test_again (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GPtrArray) events = NULL;

  fixture->service.body = make_body (FALSE);
  fixture->service.n_redirects = 1;
  trace (fixture, message);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes = NULL;

      set_body (message);
      bytes = read_stream (fixture, message, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (bytes, fixture->service.body));
      events = flush (fixture);
      g_assert_cmpuint (events->len, ==, i + 1);
      assert_content (g_ptr_array_index (events, i));
      g_clear_pointer (&events, g_ptr_array_unref);
    }
}

static char *
project_cb (gboolean *is_left_out G_GNUC_UNUSED, gpointer user_data)
{
  return g_strdup (user_data);
}

/* A message is sent again wherever that is; its run goes where the first one went. */
static void
test_again_in_project (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GPtrArray) events = NULL;

  fixture->service.body = make_body (FALSE);
  lsobs_run_set_root_context_func (project_cb, (gpointer) "first", NULL);
  trace (fixture, message);
  lsobs_run_set_root_context_func (project_cb, (gpointer) "later", NULL);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes = NULL;

      set_body (message);
      bytes = read_stream (fixture, message, &error);
      g_assert_no_error (error);
    }
  lsobs_run_set_root_context_func (NULL, NULL, NULL);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 2);
  for (guint i = 0; i < 2; i++)
    g_assert_cmpstr (lsobs_run_event_get_project_name (g_ptr_array_index (events, i)), ==, "first");
}

static gboolean
authenticate_cb (SoupMessage *message G_GNUC_UNUSED,
                 SoupAuth *auth,
                 gboolean is_retrying G_GNUC_UNUSED,
                 gpointer data G_GNUC_UNUSED)
{
  soup_auth_authenticate (auth, "someone", "telltale");
  return TRUE;
}

/* libsoup sends the message again by itself, with a password: that is the same run, with the
 * answer that counts. */
static void
test_restarted (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;

  g_signal_connect (message, "authenticate", G_CALLBACK (authenticate_cb), NULL);
  fixture->service.body = make_body (FALSE);
  fixture->service.headers = "x-request-id: answered";
  fixture->service.n_refusals = 1;
  trace (fixture, message);
  bytes = read_whole (fixture, message, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (bytes, fixture->service.body));
  g_assert_true (test_server_wait_requests (fixture->server, 2, 0));
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 1);
  assert_content (g_ptr_array_index (events, 0));
  assert_no_secret (g_ptr_array_index (events, 0));
  assert_request_id (g_ptr_array_index (events, 0), "answered");
}

/* A stream that outlives the observer. */
static void
test_without_observer (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GPtrArray) events = NULL;

  fixture->service.body = make_body (FALSE);
  trace (fixture, message);
  stream = lsobs_session_send (fixture->session, message, NULL, NULL);
  g_clear_object (&fixture->observer);
  bytes = read_all (stream, NULL, NULL);
  g_assert_true (g_bytes_equal (bytes, fixture->service.body));
}

/* A stream that outlives the message. */
static void
test_without_message (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GBytes) body = make_body (FALSE);
  g_autoptr (GInputStream) base = g_memory_input_stream_new_from_bytes (body);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GPtrArray) events = NULL;

  trace (fixture, message);
  stream = lsobs_message_wrap_response (message, base);
  g_assert_false (g_pollable_input_stream_can_poll (G_POLLABLE_INPUT_STREAM (stream)) !=
                  g_pollable_input_stream_can_poll (G_POLLABLE_INPUT_STREAM (base)));
  g_clear_object (&message);
  bytes = read_all (stream, NULL, NULL);
  g_assert_true (g_bytes_equal (bytes, body));
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 1);
  g_assert_null (lsobs_run_event_get_error_text (g_ptr_array_index (events, 0)));
  assert_content (g_ptr_array_index (events, 0));
}

/* A program that shows an answer twice has one run with one answer. */
static void
test_shown_twice (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GInputStream) again = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GPtrArray) events = NULL;

  fixture->service.body = make_body (FALSE);
  trace (fixture, message);
  stream = lsobs_session_send (fixture->session, message, NULL, NULL);
  again = lsobs_message_wrap_response (message, stream);
  g_assert_true (again == stream);
  lsobs_message_take_response (message, fixture->service.body);
  bytes = read_all (again, NULL, NULL);
  g_assert_true (g_bytes_equal (bytes, fixture->service.body));
  lsobs_message_take_response (message, bytes);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 1);
  assert_content (g_ptr_array_index (events, 0));
}

/* A message that is freed before it was sent. */
static void
test_never_sent (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  SoupMessage *message = new_message (test_server_get_url (fixture->server));

  trace (fixture, message);
  g_object_unref (message);
  assert_one_failed (fixture, "Incomplete answer");
}

static void
test_untraced (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SoupMessage) message = new_message (test_server_get_url (fixture->server));
  g_autoptr (GInputStream) base = g_memory_input_stream_new ();
  g_autoptr (GInputStream) stream = lsobs_message_wrap_response (message, base);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GPtrArray) events = NULL;

  g_assert_true (stream == base);
  fixture->service.body = make_body (FALSE);
  bytes = read_whole (fixture, message, NULL);
  g_assert_true (g_bytes_equal (bytes, fixture->service.body));
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 0);
}

static void
test_parent (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) parent =
      lsobs_observer_start_run (fixture->observer, "parent", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autofree char *id = lsobs_run_dup_id (parent);
  g_autofree char *nested = NULL;
  SoupMessage *message = new_message (test_server_get_url (fixture->server));

  lsobs_run_push_thread_default (parent);
  nested = lsobs_run_dup_parent_id (trace (fixture, message));
  lsobs_run_pop_thread_default (parent);
  g_assert_cmpstr (nested, ==, id);
  lsobs_run_end (parent, NULL);
  g_object_unref (message);
}

static void
add_ways (void)
{
  static Case cases[G_N_ELEMENTS (ways) * 4];

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Case *c = &cases[i];
      g_autofree char *path = NULL;

      *c = (Case){ .way = &ways[i / 4], .gzip = i % 2 == 1, .http2 = i / 2 % 2 == 1 };
      path = g_strdup_printf ("/message-call/way/%s/%s/%s", c->way->name,
                              c->http2 ? "http2" : "http1", c->gzip ? "gzip" : "plain");
      g_test_add (path, Fixture, c, set_up, test_way, tear_down);
    }
}

static void
add (const char *path, void (*func) (Fixture *fixture, gconstpointer data))
{
  g_test_add (path, Fixture, NULL, set_up, func, tear_down);
}

/* Adds a test that does not read to the end: over each version of HTTP, compressed or not. */
static void
add_slow (const char *name, void (*func) (Fixture *fixture, gconstpointer data))
{
  static const Case cases[] = {
    { .http2 = FALSE, .gzip = FALSE },
    { .http2 = FALSE, .gzip = TRUE },
    { .http2 = TRUE, .gzip = FALSE },
    { .http2 = TRUE, .gzip = TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path =
          g_strdup_printf ("/message-call/%s/%s/%s", name, cases[i].http2 ? "http2" : "http1",
                           cases[i].gzip ? "gzip" : "plain");

      g_test_add (path, Fixture, &cases[i], set_up_slow, func, tear_down);
    }
}

int
main (int argc, char **argv)
{
  /* The server of libsoup speaks HTTP/2 if it is asked for. */
  g_setenv ("SOUP_SERVER_HTTP2", "1", TRUE);
  g_test_init (&argc, &argv, NULL);
  add_ways ();
  add_slow ("cancelled", test_cancelled);
  add_slow ("cancelled-closed", test_cancelled_closed);
  add_slow ("cancelled-polling", test_cancelled_polling);
  add_slow ("closed", test_closed);
  add_slow ("dropped", test_dropped);
  add ("/message-call/cancelled-whole", test_cancelled_whole);
  add ("/message-call/closed-early", test_closed_early);
  add ("/message-call/restarted", test_restarted);
  add ("/message-call/skipped", test_skipped);
  add ("/message-call/cut", test_cut);
  add ("/message-call/status", test_status);
  add ("/message-call/refused", test_refused);
  add ("/message-call/refused-unread", test_refused_unread);
  add ("/message-call/not-handed-over", test_not_handed_over);
  add ("/message-call/refused-again", test_refused_again);
  add ("/message-call/result-message", test_result_message);
  add ("/message-call/again", test_again);
  add ("/message-call/again-in-project", test_again_in_project);
  add ("/message-call/without-observer", test_without_observer);
  add ("/message-call/without-message", test_without_message);
  add ("/message-call/shown-twice", test_shown_twice);
  add ("/message-call/never-sent", test_never_sent);
  add ("/message-call/untraced", test_untraced);
  add ("/message-call/parent", test_parent);
  return g_test_run ();
}
