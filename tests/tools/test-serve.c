/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What "lsobs serve" takes from clients, and keeps. */

#include "config.h"

#include <signal.h>
#include <string.h>

#include <glib/gstdio.h>

#include <lsobs/lsobs.h>

#include "lsobs/text/lsobs-compressor-private.h"

#include "tests/lib/test-utils.h"
#include "tests/lib/wire-capture.h"
#include "tests/lib/zstd-helpers.h"
#include "tests/tools/serve-helpers.h"
#include "tools/store/attachment.h"
#include "tools/store/feedback.h"
#include "tools/store/project.h"
#include "tools/store/run-query.h"

static gint64
count (ServeFixture *fixture, const char *sql)
{
  g_autoptr (Store) store = serve_open_store (fixture);

  return test_query_int (store, sql);
}

/* --- clients ------------------------------------------------------------------------------- */

/* The client of this library sends a trace with an attachment and feedback. */
static void
test_client (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (JsonNode) inputs = json_from_string ("{\"q\":\"weather\"}", NULL);
  g_autoptr (JsonNode) outputs = json_from_string ("{\"a\":\"rain\"}", NULL);
  g_autoptr (GBytes) file = g_bytes_new_static ("\0\r\n--x", 6);
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = NULL;
  g_autoptr (Run) run = NULL;
  g_autoptr (GPtrArray) files = NULL;
  g_autoptr (GBytes) loaded = NULL;
  g_autofree char *id = NULL;
  LsobsId parsed;

  serve_start (fixture, NULL, NULL);
  config = lsobs_config_new (fixture->token, "from lsobs");
  lsobs_config_set_api_url (config, fixture->url);
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  root = lsobs_observer_start_run (observer, "agent", LSOBS_RUN_TYPE_CHAIN, inputs);
  child = lsobs_run_start_child (root, "model", LSOBS_RUN_TYPE_LLM, inputs);
  lsobs_run_set_usage (child, 3, 4, 7);
  lsobs_run_end (child, outputs);
  lsobs_run_add_attachment (root, "file", "application/x-test", file, &error);
  g_assert_no_error (error);
  lsobs_run_add_feedback (root, "good", 0.5, NULL, &error);
  g_assert_no_error (error);
  id = lsobs_run_dup_id (root);
  lsobs_run_end (root, outputs);
  lsobs_exporter_flush (lsobs_observer_get_exporter (observer), TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);

  store = serve_open_store (fixture);
  run = test_load (store, id);
  g_assert_cmpstr (run->name, ==, "agent");
  g_assert_cmpstr (run->inputs, ==, "{\"q\":\"weather\"}");
  g_assert_cmpstr (run->outputs, ==, "{\"a\":\"rain\"}");
  g_assert_cmpint (run->status, ==, RUN_SUCCESS);
  g_assert_cmpint (run->tree_usage.total_tokens, ==, 7);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM runs"), ==, 2);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM feedback WHERE score = 0.5"), ==,
                   1);
  g_assert_cmpint (test_query_int (store,
                                   "SELECT count(*) FROM projects WHERE name = 'from lsobs'"),
                   ==, 1);
  test_parse_id (id, &parsed);
  files = attachment_list (store, &parsed, &error);
  g_assert_cmpuint (files->len, ==, 1);
  loaded = attachment_load (store, &parsed, "file", NULL, &error);
  g_assert_true (g_bytes_equal (loaded, file));
}

/* The bodies that official clients have sent are accepted, and all of their runs are there. */
static void
test_captures (ServeFixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) raws = wire_capture_load_raw (data);
  g_autoptr (GPtrArray) parsed = wire_capture_load (data);
  g_autoptr (Store) store = NULL;

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < raws->len; i++)
    {
      const WireRaw *raw = g_ptr_array_index (raws, i);
      g_autofree char *answer = NULL;
      guint status =
          serve_send (fixture, raw->method, raw->path, raw->content_type, NULL, raw->body, &answer);

      if (status < 200 || status > 299 || strstr (answer, "refused") != NULL)
        g_error ("request %u: %u %s", i, status, answer);
    }
  store = serve_open_store (fixture);
  for (guint i = 0; i < parsed->len; i++)
    {
      WireRequest *request = g_ptr_array_index (parsed, i);

      for (guint j = 0; j < request->ops->len; j++)
        {
          WireOp *op = g_ptr_array_index (request->ops, j);
          g_autoptr (Run) run = test_load (store, op->id);
          g_autoptr (GPtrArray) files = attachment_list (store, &run->id, NULL);

          if (json_object_has_member (op->run, "name"))
            g_assert_cmpstr (run->name, ==, json_object_get_string_member (op->run, "name"));
          if (json_object_has_member (op->run, "end_time") &&
              !json_object_get_null_member (op->run, "end_time"))
            g_assert_cmpint (run->end_time, >=, run->start_time);
          if (json_object_has_member (op->run, "outputs") &&
              !json_object_get_null_member (op->run, "outputs"))
            g_assert_nonnull (run->outputs);
          g_assert_cmpuint (files->len, >=, op->attachments->len);
        }
    }
}

/* As it came over the wire, byte by byte. */
static void
test_raw_capture (ServeFixture *fixture, gconstpointer data)
{
  g_autofree char *name = g_strconcat ("captures/", data, ".multipart.raw", NULL);
  g_autoptr (GBytes) bytes = test_data_load (name);
  const char *text = g_bytes_get_data (bytes, NULL);
  const char *end = memmem (text, g_bytes_get_size (bytes), "\r\n", 2);
  g_autofree char *boundary = NULL;
  g_autofree char *type = NULL;
  g_autofree char *answer = NULL;

  /* The file may begin with the head of the request. */
  if (g_str_has_prefix (text, "POST "))
    {
      const char *body = memmem (text, g_bytes_get_size (bytes), "\r\n\r\n", 4);
      g_autoptr (GBytes) rest = NULL;

      g_assert_nonnull (body);
      rest = g_bytes_new_from_bytes (bytes, (gsize) (body + 4 - text),
                                     g_bytes_get_size (bytes) - (gsize) (body + 4 - text));
      g_bytes_unref (bytes);
      bytes = g_steal_pointer (&rest);
      text = g_bytes_get_data (bytes, NULL);
      end = memmem (text, g_bytes_get_size (bytes), "\r\n", 2);
    }
  boundary = g_strndup (text + 2, (gsize) (end - text) - 2);
  type = g_strconcat ("multipart/form-data; boundary=", boundary, NULL);
  serve_start (fixture, NULL, NULL);
  g_assert_cmpuint (serve_send (fixture, "POST", "/runs/multipart", type, NULL, bytes, &answer), ==,
                    202);
  g_assert_null (strstr (answer, "refused"));
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), >, 1);
}

/* --- bodies -------------------------------------------------------------------------------- */

#define RUN_1 "01900000-0000-7000-8000-000000000001"
#define RUN_2 "01900000-0000-7000-8000-000000000002"
#define RUN_3 "01900000-0000-7000-8000-000000000003"

/* Compressed bodies are taken, whether that is said or not. */
static void
test_compression (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const LsobsCompression kinds[] = { LSOBS_COMPRESSION_GZIP, LSOBS_COMPRESSION_ZSTD };

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < 2 * G_N_ELEMENTS (kinds); i++)
    {
      LsobsCompression kind = kinds[i / 2];
      g_autofree char *filler = g_strnfill (5000, 'x');
      g_autofree char *text =
          g_strdup_printf ("{\"post\":[{\"id\":\"01900000-0000-7000-8000-%012u\","
                           "\"inputs\":{\"t\":\"%s\"}}]}",
                           i + 1, filler);
      g_autoptr (GBytes) body = g_bytes_new (text, strlen (text));
      g_autoptr (GBytes) compressed = NULL;
      LsobsCompressor *compressor;

      if (!_lsobs_compression_is_built_in (kind))
        continue;
      compressor = _lsobs_compressor_new (kind, 1);
      g_assert_true (_lsobs_compressor_run (compressor, body, &compressed));
      _lsobs_compressor_free (compressor);
      g_assert_cmpuint (serve_send (fixture, "POST", "/runs/batch", "application/json",
                                    i % 2 == 0 ? _lsobs_compression_get_name (kind) : NULL,
                                    compressed, NULL),
                        ==, 202);
    }
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM payloads WHERE length(inputs) > 5000"), ==,
                   _lsobs_compression_is_built_in (LSOBS_COMPRESSION_ZSTD) ? 4 : 2);
}

/* One bad run is left out, and named; the others are kept. */
static void
test_bad_run (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const bad[] = { "{'id':'x'}",
                                     "7",
                                     "{'id':'" RUN_2 "','start_time':'never'}",
                                     "{'id':'" RUN_2 "','name':'a\\x'}",
                                     "{'id':'" RUN_2 "',,}",
                                     "" };

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *body =
          g_strdup_printf ("{'post':[{'id':'" RUN_1 "','name':'] , }'},%s],'patch':[{'id':'" RUN_3
                           "'}]}",
                           bad[i]);
      g_autoptr (JsonNode) node = serve_ask (fixture, "POST", "/runs/batch", body, 202);
      JsonArray *refused = json_object_get_array_member (json_node_get_object (node), "refused");

      g_assert_cmpuint (json_array_get_length (refused), ==, 1);
      g_assert_true (g_str_has_prefix (json_array_get_string_element (refused, 0), "post[1]: "));
    }
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, 2);
  json_node_unref (serve_ask (fixture, "POST", "/runs/batch", "{'post':[{'id':'x'}]}", 422));
  json_node_unref (serve_ask (fixture, "POST", "/runs/batch", "{'post':[]}", 202));
  json_node_unref (serve_ask (fixture, "POST", "/runs/batch", "{}", 400));
  json_node_unref (serve_ask (fixture, "POST", "/runs/batch", "{'post':[{", 400));
  json_node_unref (serve_ask (fixture, "POST", "/runs", "{'id':7}", 422));
}

static guint
send_parts (ServeFixture *fixture, const char *text, char **answer)
{
  g_autoptr (GString) body = g_string_new (text);

  g_string_replace (body, "\n", "\r\n", 0);
  g_string_replace (body, "'", "\"", 0);

  {
    g_autoptr (GBytes) bytes = g_bytes_new (body->str, body->len);

    return serve_send (fixture, "POST", "/runs/multipart", "multipart/form-data; boundary=\"b-1\"",
                       NULL, bytes, answer);
  }
}

static void
test_multipart (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char text[] =
      "--b-1\nContent-Disposition: form-data; name='patch." RUN_1 ".outputs'\n\n{'o':1}\n"
      "--b-1\nContent-Disposition: form-data; name='post." RUN_1 "'\n\n{'id':'" RUN_1
      "','name':'n'}\n"
      "--b-1\nContent-Disposition: form-data; name='post." RUN_1 ".error'\n\n'boom'\n"
      "--b-1\nContent-Disposition: form-data; name='post." RUN_2 "'\n\n{'id':'" RUN_3 "'}\n"
      "--b-1\nContent-Disposition: form-data; name='post." RUN_2 ".inputs'\n\n{'lost':1}\n"
      "--b-1\nContent-Disposition: form-data; name='attachment." RUN_1 ".a.b'\n"
      "Content-Type: text/plain; length=11\n\nx\n--b-1\ny\n"
      "--b-1\nContent-Disposition: form-data; name='feedback." RUN_3 "'\n\n"
      "{'key':'good','run_id':'" RUN_1 "','score':1}\n"
      "--b-1\nContent-Disposition: form-data\n\nx\n"
      "--b-1--\n";
  g_autofree char *answer = NULL;
  g_autoptr (Store) store = NULL;
  g_autoptr (Run) run = NULL;
  g_autoptr (GBytes) file = NULL;
  g_autofree char *type = NULL;

  serve_start (fixture, NULL, NULL);
  g_assert_cmpuint (send_parts (fixture, text, &answer), ==, 202);
  g_assert_nonnull (strstr (answer, "\"refused\":[\"post." RUN_2 ": "));
  store = serve_open_store (fixture);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM runs"), ==, 1);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM feedback"), ==, 1);
  run = test_load (store, RUN_1);
  g_assert_cmpstr (run->outputs, ==, "{\"o\":1}");
  g_assert_cmpstr (run->error, ==, "boom");
  file = attachment_load (store, &run->id, "a.b", &type, NULL);
  g_assert_cmpmem (g_bytes_get_data (file, NULL), g_bytes_get_size (file), "x\r\n--b-1\r\ny", 11);
  g_assert_cmpstr (type, ==, "text/plain");
  g_free (answer);
  answer = NULL;
  g_assert_cmpuint (send_parts (fixture,
                                "--b-1\nContent-Disposition: form-data; name='post.x'\n\n{",
                                &answer),
                    ==, 400);
}

/* All that the Python client needs to know before it sends anything. */
static void
test_info (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const names[] = { "use_multipart_endpoint",  "size_limit",
                                       "size_limit_bytes",        "scale_up_qsize_trigger",
                                       "scale_up_nthreads_limit", "scale_down_nempty_trigger" };
  g_autoptr (JsonNode) node = NULL;
  JsonObject *batch;

  serve_start (fixture, NULL, NULL);
  node = serve_ask (fixture, "GET", "/api/v1/info", NULL, 200);
  batch = json_object_get_object_member (json_node_get_object (node), "batch_ingest_config");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_true (json_object_has_member (batch, names[i]));
  g_assert_true (
      json_object_get_boolean_member (json_object_get_object_member (json_node_get_object (node),
                                                                     "instance_flags"),
                                      "ch_query_enabled"));
}

/* --- reliability --------------------------------------------------------------------------- */

#define N_REQUESTS 1000

typedef struct
{
  ServeFixture *fixture;
  GPtrArray *accepted; /* (owned) (element-type utf8): ids that were answered by 2xx */
  guint n_answered;
} Load;

typedef struct
{
  Load *load; /* (unowned) */
  char *id;   /* (owned) */
  SoupMessage *message;
} LoadRequest;

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  LoadRequest *request = data;
  g_autoptr (GBytes) bytes =
      soup_session_send_and_read_finish (SOUP_SESSION (source), result, NULL);

  request->load->n_answered++;
  if (bytes != NULL && soup_message_get_status (request->message) == 202)
    g_ptr_array_add (request->load->accepted, g_steal_pointer (&request->id));
  g_object_unref (request->message);
  g_free (request->id);
  g_free (request);
}

static void
start_request (Load *load, guint number)
{
  LoadRequest *request = g_new0 (LoadRequest, 1);
  g_autofree char *uri = g_strconcat (load->fixture->url, "/runs", NULL);
  g_autofree char *filler = g_strnfill (700, 'x');
  g_autofree char *text = NULL;
  g_autoptr (GBytes) body = NULL;

  request->load = load;
  request->id = g_strdup_printf ("01900000-0000-7000-8000-%012u", number);
  request->message = soup_message_new ("POST", uri);
  text = g_strdup_printf ("{\"id\":\"%s\",\"inputs\":{\"t\":\"%s\"}}", request->id, filler);
  body = g_bytes_new (text, strlen (text));
  soup_message_headers_replace (soup_message_get_request_headers (request->message), "x-api-key",
                                load->fixture->token);
  soup_message_set_request_body_from_bytes (request->message, "application/json", body);
  soup_session_send_and_read_async (load->fixture->session, request->message, G_PRIORITY_DEFAULT,
                                    NULL, answered_cb, request);
}

static gboolean
half_is_accepted (gpointer data)
{
  return ((Load *) data)->accepted->len >= N_REQUESTS / 2;
}

static gboolean
all_is_answered (gpointer data)
{
  return ((Load *) data)->n_answered == N_REQUESTS;
}

static void
assert_all_there (ServeFixture *fixture, GPtrArray *ids)
{
  g_autoptr (Store) store = serve_open_store (fixture);

  for (guint i = 0; i < ids->len; i++)
    run_free (test_load (store, g_ptr_array_index (ids, i)));
}

static void
post_run (ServeFixture *fixture, guint number)
{
  g_autofree char *json =
      g_strdup_printf ("{'id':'01900000-0000-7000-8000-%012u','name':'run','run_type':'tool'}",
                       number);

  json_node_unref (serve_ask (fixture, "POST", "/runs", json, 202));
}

/* Another process that has written to the database, and closes it, takes nothing of it away. */
static void
test_other_process (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *words =
      g_strdup_printf ("delete --older-than=0s --json --database='%s'", fixture->database);
  g_autofree char *log = g_strconcat (fixture->database, "-wal", NULL);

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 3; i++)
    {
      g_autofree char *output = NULL;

      post_run (fixture, i);
      g_assert_cmpint (serve_run (fixture, words, &output, NULL), ==, 0);
      g_assert_cmpstr (output, ==, "{\"traces\":1,\"runs\":1}\n");
      g_assert_true (g_file_test (log, G_FILE_TEST_EXISTS));
    }
  post_run (fixture, 4);
  serve_stop (fixture, SIGKILL);
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, 1);
}

/* Nothing is taken for a file that is not there. */
static void
test_moved (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char json[] = "{'id':'" TEST_LEAF "','name':'run'}";
  g_autofree char *other = g_strconcat (fixture->database, ".old", NULL);
  g_autoptr (JsonNode) refused = NULL;

  serve_start (fixture, NULL, NULL);
  post_run (fixture, 1);
  g_assert_cmpint (g_rename (fixture->database, other), ==, 0);
  refused = serve_ask (fixture, "POST", "/runs", json, 500);
  g_assert_nonnull (
      strstr (json_object_get_string_member (json_node_get_object (refused), "detail"),
              "moved or removed"));
  g_assert_cmpint (g_rename (other, fixture->database), ==, 0);
  post_run (fixture, 2);
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, 2);
}

#define N_SENDERS 8
#define N_SENT    200

typedef struct
{
  ServeFixture *fixture;
  guint first;
  gint n_taken; /* (atomic) 202 */
} Sender;

/* Sends runs one after another until the service is gone. */
static gpointer
send_until_end (gpointer data)
{
  Sender *sender = data;
  g_autoptr (SoupSession) session =
      soup_session_new_with_options ("timeout", TEST_TIMEOUT_MS / 1000, NULL);
  g_autofree char *uri = g_strconcat (sender->fixture->url, "/runs", NULL);

  for (guint i = 0;; i++)
    {
      g_autofree char *json =
          g_strdup_printf ("{\"id\":\"01900000-0000-7000-8000-%012u\",\"name\":\"run\"}",
                           sender->first + i);
      g_autoptr (SoupMessage) message = soup_message_new ("POST", uri);
      g_autoptr (GBytes) body = g_bytes_new (json, strlen (json));
      g_autoptr (GBytes) answer = NULL;

      soup_message_headers_replace (soup_message_get_request_headers (message), "x-api-key",
                                    sender->fixture->token);
      soup_message_set_request_body_from_bytes (message, "application/json", body);
      answer = soup_session_send_and_read (session, message, NULL, NULL);
      if (answer == NULL || soup_message_get_status (message) != 202)
        return NULL;
      g_atomic_int_inc (&sender->n_taken);
    }
}

/* @senders: N_SENDERS */
static gint
sum_taken (const Sender *senders)
{
  gint n = 0;

  for (guint i = 0; i < N_SENDERS; i++)
    n += g_atomic_int_get (&senders[i].n_taken);
  return n;
}

static gboolean
have_taken (gpointer senders)
{
  return sum_taken (senders) >= N_SENT;
}

/* A service that is ended while clients send answers all that it has written, and warns of nothing. */
static void
test_ended (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (fixture->folder, "errors", NULL);
  g_autofree char *errors = NULL;
  Sender senders[N_SENDERS];
  GThread *threads[N_SENDERS];

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < N_SENDERS; i++)
    {
      senders[i] = (Sender){ fixture, (i + 1) * 1000000, 0 };
      threads[i] = g_thread_new ("sender", send_until_end, &senders[i]);
    }
  g_assert_true (test_wait_until (have_taken, senders, TEST_TIMEOUT_MS));
  g_subprocess_send_signal (fixture->process, SIGTERM);
  for (guint i = 0; i < N_SENDERS; i++)
    g_thread_join (threads[i]);
  g_subprocess_wait (fixture->process, NULL, NULL);
  g_assert_true (g_subprocess_get_successful (fixture->process));
  serve_stop (fixture, SIGKILL);
  g_assert_true (g_file_get_contents (path, &errors, NULL, NULL));
  g_assert_cmpstr (errors, ==, "");
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, sum_taken (senders));
}

/* The service is killed in the middle of 1000 requests: what it has answered is there. */
static void
test_killed (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Load load = { fixture, g_ptr_array_new_with_free_func (g_free), 0 };

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= N_REQUESTS; i++)
    start_request (&load, i);
  g_assert_true (test_wait_until (half_is_accepted, &load, TEST_TIMEOUT_MS));
  serve_stop (fixture, SIGKILL);
  g_assert_true (test_wait_until (all_is_answered, &load, TEST_TIMEOUT_MS));
  g_assert_cmpuint (load.accepted->len, <, N_REQUESTS);
  /* The lock of the one that was killed is free. */
  serve_start (fixture, NULL, NULL);
  assert_all_there (fixture, load.accepted);
  g_test_message ("%u requests were accepted", load.accepted->len);
  g_ptr_array_unref (load.accepted);
}

/* A disk that is full is said to be, and loses nothing that was accepted. */
static void
test_full (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) accepted = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *filler = g_strnfill (50000, 'x');
  guint n_full = 0;

  /* No file of the service can be larger than 2 MiB. */
  serve_start (fixture, "trap '' XFSZ; ulimit -f $((2 * 1024 * 1024 / 512));", NULL);
  for (guint i = 1; i <= 200 && n_full < 3; i++)
    {
      g_autofree char *id = g_strdup_printf ("01900000-0000-7000-8000-%012u", i);
      g_autofree char *text =
          g_strdup_printf ("{\"id\":\"%s\",\"inputs\":{\"t\":\"%s\"}}", id, filler);
      g_autoptr (GBytes) body = g_bytes_new (text, strlen (text));
      g_autofree char *answer = NULL;
      guint status = serve_send (fixture, "POST", "/runs", "application/json", NULL, body, &answer);

      if (status == 202)
        g_ptr_array_add (accepted, g_steal_pointer (&id));
      else
        g_assert_cmpuint (status, ==, 507);
      n_full += status == 507 ? 1 : 0;
    }
  g_assert_cmpuint (n_full, ==, 3);
  g_assert_cmpuint (accepted->len, >, 5);
  json_node_unref (serve_ask (fixture, "POST", "/runs/query", "{}", 200));
  serve_stop (fixture, SIGTERM);
  /* With room again, what was refused is taken when the client sends it again. */
  serve_start (fixture, NULL, NULL);
  assert_all_there (fixture, accepted);
  for (guint i = 0; i < n_full; i++)
    {
      g_autofree char *json =
          g_strdup_printf ("{'id':'01900000-0000-7000-8000-%012u','inputs':{'t':'%s'}}",
                           accepted->len + i + 1, filler);

      json_node_unref (serve_ask (fixture, "POST", "/runs", json, 202));
    }
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, accepted->len + n_full);
  json_node_unref (serve_ask (fixture, "POST", "/runs", "{'id':'" TEST_ROOT "'}", 202));
}

static gboolean
is_told (gpointer data)
{
  ServeFixture *fixture = data;
  g_autofree char *path = g_build_filename (fixture->folder, "errors", NULL);
  g_autofree char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) && strstr (text, "Traces deleted: ") != NULL;
}

/* The oldest traces are deleted when there is too much, which the log says. */
static void
test_retention (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *filler = g_strnfill (100000, 'x');
  g_autoptr (Store) store = NULL;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 30; i++)
    {
      g_autofree char *json =
          g_strdup_printf ("{'id':'01900000-0000-7000-8000-%012u','inputs':{'t':'%s'}}", i, filler);

      json_node_unref (serve_ask (fixture, "POST", "/runs", json, 202));
    }
  serve_stop (fixture, SIGTERM);
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, 30);
  serve_start (fixture, NULL, "--max-size=1M");
  g_assert_true (test_wait_until (is_told, fixture, TEST_TIMEOUT_MS));
  store = serve_open_store (fixture);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM runs"), <, 12);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM runs"), >, 2);
  run_free (test_load (store, "01900000-0000-7000-8000-000000000030"));
}

/* What gets too old is deleted while no request comes. */
static void
test_idle_retention (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  serve_start (fixture, NULL, "--max-age=1s");
  json_node_unref (serve_ask (fixture, "POST", "/runs", "{'id':'" RUN_1 "'}", 202));
  g_assert_true (test_wait_until (is_told, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, 0);
}

static gboolean
is_warned (gpointer data)
{
  ServeFixture *fixture = data;
  g_autofree char *path = g_build_filename (fixture->folder, "errors", NULL);
  g_autofree char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) && strstr (text, "power cut") != NULL;
}

#define MARK "a text that is found in the file itself"

static gboolean
is_in_file (gpointer data)
{
  ServeFixture *fixture = data;
  g_autofree char *text = NULL;
  gsize len;

  return g_file_get_contents (fixture->database, &text, &len, NULL) &&
         memmem (text, len, MARK, strlen (MARK)) != NULL;
}

/* What could not be brought to the disk is brought there as soon as that works, while no request comes. */
static void
test_disk_later (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  Store *reader;
  Store *writer;

  /* It warns. */
  serve_start (fixture, "unset G_DEBUG;", NULL);
  writer = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_assert_no_error (error);
  g_assert_true (store_sync (writer, NULL));
  reader = serve_open_store (fixture);
  g_assert_true (database_execute (store_get_database (reader), "BEGIN", NULL));
  g_assert_cmpint (test_query_int (reader, "SELECT count(*) FROM runs"), ==, 0);
  json_node_unref (
      serve_ask (fixture, "POST", "/runs", "{'id':'" RUN_1 "','inputs':{'t':'" MARK "'}}", 202));
  g_assert_true (store_begin (writer, &error));
  g_assert_true (test_wait_until (is_warned, fixture, TEST_TIMEOUT_MS));
  g_assert_false (is_in_file (fixture));
  store_rollback (writer);
  store_close (reader);
  g_assert_true (test_wait_until (is_in_file, fixture, TEST_TIMEOUT_MS));
  store_close (writer);
}

static void
assert_fails (ServeFixture *fixture, int code, const char *words, const char *text)
{
  g_autofree char *errors = NULL;

  g_assert_cmpint (serve_run (fixture, words, NULL, &errors), ==, code);
  if (strstr (errors, text) == NULL)
    g_error ("lsobs %s: %s", words, errors);
}

/* What keeps it from starting is said in clear words. */
static void
test_troubles (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *other = g_build_filename (fixture->folder, "other.db", NULL);
  g_autofree char *same = g_strdup_printf ("serve --port=0 --database='%s'", fixture->database);
  g_autofree char *token = g_build_filename (fixture->folder, "state", "lsobs", "token", NULL);
  g_autofree char *port = NULL;
  g_autofree char *fresh = g_strdup_printf ("serve --port=0 --database='%s'", other);
  g_autoptr (GError) error = NULL;
  Store *store;

  serve_start (fixture, NULL, NULL);
  assert_fails (fixture, 1, same, fixture->url);
  port =
      g_strdup_printf ("serve --port=%s --database='%s'", strrchr (fixture->url, ':') + 1, other);
  assert_fails (fixture, 1, port, "is in use");
  serve_stop (fixture, SIGTERM);

  store = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_assert_no_error (error);
  database_execute (store_get_database (store), "PRAGMA user_version=99", NULL);
  store_close (store);
  assert_fails (fixture, 1, same, "newer version of lsobs");
  assert_fails (fixture, 1, "serve --port=0 --database=/proc/nothing/x.db", "/proc/nothing/x.db");
  g_assert_true (g_file_set_contents_full (token, "other users can read this", -1,
                                           G_FILE_SET_CONTENTS_NONE, 0644, NULL));
  assert_fails (fixture, 1, fresh, "other users can read it");
  assert_fails (fixture, 2, "serve --token=short", "16 to 256");
  assert_fails (fixture, 2, "serve --port=70000", "65535");
  assert_fails (fixture, 2, "serve --max-size=1X", "1X");
  assert_fails (fixture, 2, "serve --max-age=soon", "soon");
  assert_fails (fixture, 2, "serve --max-age=7", "“7” is not a time");
  assert_fails (fixture, 2, "serve --max-age=00", "“00” is not a time");
  assert_fails (fixture, 2, "serve more", "more");
  assert_fails (fixture, 2, "serve --unknown", "--unknown");
  assert_fails (fixture, 2, "unknown", "There is no command “unknown”\nlsobs: “lsobs --help”");
  assert_fails (fixture, 2, "", "Usage");
}

static void
test_help (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const words[] = { "--help", "help", "serve --help", "help serve",
                                       "delete --help" };
  g_autofree char *version = NULL;
  g_autofree char *none = NULL;

  /* Before the first trace, there is no database. */
  g_assert_cmpint (serve_run (fixture, "list", NULL, &none), ==, 1);
  g_assert_nonnull (strstr (none, "There are no traces yet"));
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autofree char *output = NULL;

      g_assert_cmpint (serve_run (fixture, words[i], &output, NULL), ==, 0);
      g_assert_nonnull (strstr (output, "Usage:"));
    }
  g_assert_cmpint (serve_run (fixture, "--version", &version, NULL), ==, 0);
  g_assert_cmpstr (version, ==, "lsobs " PACKAGE_VERSION "\n");
}

static gboolean
is_opened (gpointer data)
{
  return g_file_test (data, G_FILE_TEST_EXISTS);
}

static void
put_file (ServeFixture *fixture, const char *name, int mode, const char *text)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GString) content = g_string_new (text);
  g_autoptr (GError) error = NULL;

  g_string_replace (content, "@D", fixture->folder, 0);
  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_file_set_contents_full (path, content->str, -1, G_FILE_SET_CONTENTS_NONE, mode, &error);
  g_assert_no_error (error);
}

/* The browser of the user gets an address that leads to the page, without a word about the token. */
static void
test_open (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *opened = g_build_filename (fixture->folder, "opened", NULL);
  g_autofree char *shell = g_strdup_printf ("export XDG_CONFIG_HOME='%s/config';", fixture->folder);
  g_autofree char *address = NULL;
  g_autofree char *expected = NULL;
  g_autofree char *again = NULL;
  g_autofree char *config = NULL;
  g_autofree char *output = NULL;
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (SoupCookieJar) jar = soup_cookie_jar_new ();
  g_autoptr (GBytes) page = NULL;
  g_autoptr (GError) error = NULL;

  put_file (fixture, "browser", 0700,
            "#!/bin/sh\nprintf %s \"$*\" > '@D/opened.new' && mv '@D/opened.new' '@D/opened'\n");
  put_file (fixture, "share/applications/browser.desktop", 0600,
            "[Desktop Entry]\nType=Application\nName=Browser\nExec=@D/browser %u\n"
            "MimeType=x-scheme-handler/http;\n");
  put_file (fixture, "config/mimeapps.list", 0600,
            "[Default Applications]\nx-scheme-handler/http=browser.desktop\n");
  serve_start (fixture, shell, "--open");
  g_assert_true (test_wait_until (is_opened, opened, TEST_TIMEOUT_MS));
  g_assert_true (g_file_get_contents (opened, &address, NULL, NULL));
  expected = g_strdup_printf ("%s/?token=%s", fixture->url, fixture->token);
  g_assert_cmpstr (address, ==, expected);

  /* The page of a service that runs is opened again. */
  g_assert_cmpint (g_unlink (opened), ==, 0);
  again = g_strdup_printf ("serve --open --json --database='%s'", fixture->database);
  config = g_build_filename (fixture->folder, "config", NULL);
  g_setenv ("XDG_CONFIG_HOME", config, TRUE);
  g_assert_cmpint (serve_run (fixture, again, &output, NULL), ==, 0);
  g_unsetenv ("XDG_CONFIG_HOME");
  g_assert_nonnull (strstr (output, fixture->url));
  g_assert_true (test_wait_until (is_opened, opened, TEST_TIMEOUT_MS));
  g_clear_pointer (&address, g_free);
  g_assert_true (g_file_get_contents (opened, &address, NULL, NULL));
  g_assert_cmpstr (address, ==, expected);

  /* As a browser does: it follows to the address without the token, with a cookie. */
  soup_session_add_feature (fixture->session, SOUP_SESSION_FEATURE (jar));
  message = soup_message_new ("GET", address);
  soup_message_headers_replace (soup_message_get_request_headers (message), "Accept", "text/html");
  page = soup_session_send_and_read (fixture->session, message, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soup_message_get_status (message), ==, 200);
  g_assert_null (g_uri_get_query (soup_message_get_uri (message)));
  g_assert_nonnull (memmem (g_bytes_get_data (page, NULL), g_bytes_get_size (page),
                            "<!doctype html>", strlen ("<!doctype html>")));
}

static gboolean
has_errors (gpointer data)
{
  g_autofree char *text = NULL;

  return g_file_get_contents (data, &text, NULL, NULL) && strchr (text, '\n') != NULL;
}

/* Without a browser, the user is told which address to open. */
static void
test_no_browser (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (fixture->folder, "errors", NULL);
  g_autofree char *shell =
      g_strdup_printf ("export XDG_CONFIG_HOME='%s' XDG_CONFIG_DIRS='%s' XDG_DATA_DIRS='%s';",
                       fixture->folder, fixture->folder, fixture->folder);
  g_autofree char *text = NULL;

  serve_start (fixture, shell, "--open");
  g_assert_true (test_wait_until (has_errors, path, TEST_TIMEOUT_MS));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "Cannot open a browser"));
  g_assert_nonnull (strstr (text, fixture->url));
  g_assert_null (strstr (text, fixture->token));
}

/* The command delete, beside a service that runs. */
static void
test_delete (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *one = NULL;
  g_autofree char *wrong = NULL;
  g_autofree char *again = NULL;
  g_autofree char *project = NULL;
  g_autofree char *old = NULL;
  g_autofree char *bare = NULL;
  g_autofree char *output = NULL;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 3; i++)
    {
      g_autofree char *json =
          g_strdup_printf ("{'id':'01900000-0000-7000-8000-%012u','session_name':'p%u'}", i, i);

      json_node_unref (serve_ask (fixture, "POST", "/runs", json, 202));
    }
  one = g_strdup_printf ("delete --database='%s' " RUN_1, fixture->database);
  project = g_strdup_printf ("delete --json --database='%s' --project=p2", fixture->database);
  old = g_strdup_printf ("delete --database='%s' --older-than=0s", fixture->database);
  g_assert_cmpint (serve_run (fixture, one, NULL, NULL), ==, 0);
  assert_fails (fixture, 1, one, RUN_1);
  g_assert_cmpint (serve_run (fixture, project, &output, NULL), ==, 0);
  g_assert_cmpstr (output, ==, "{\"traces\":1,\"runs\":1}\n");
  assert_fails (fixture, 1, project, "p2");
  /* A number without a unit deletes nothing. */
  bare = g_strdup_printf ("delete --database='%s' --older-than=0", fixture->database);
  assert_fails (fixture, 2, bare, "“0” is not a time");
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, 1);
  g_assert_cmpint (serve_run (fixture, old, NULL, NULL), ==, 0);
  g_assert_cmpint (count (fixture, "SELECT count(*) FROM runs"), ==, 0);
  again = g_strdup_printf ("delete --database='%s'", fixture->database);
  assert_fails (fixture, 2, again, "--project");
  wrong = g_strdup_printf ("delete x --database='%s'", fixture->database);
  assert_fails (fixture, 1, wrong, "“x” is not the id");
}

#define ADD(path, data, func) \
 g_test_add (path, ServeFixture, data, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/serve/client", NULL, test_client);
  ADD ("/serve/captures/js-batch", "js-a-batch-json", test_captures);
  ADD ("/serve/captures/js-merged", "js-a-runtree-merged-multipart", test_captures);
  ADD ("/serve/captures/js-slow", "js-a-runtree-slow-create-then-patch", test_captures);
  ADD ("/serve/captures/js-attachments", "js-c-attachments", test_captures);
  ADD ("/serve/captures/js-distributed", "js-f-distributed", test_captures);
  ADD ("/serve/captures/py-merged", "py-a-runtree-merged-multipart", test_captures);
  ADD ("/serve/captures/py-slow", "py-a-runtree-slow-zstd", test_captures);
  ADD ("/serve/captures/py-single", "py-a-single-post-patch", test_captures);
  ADD ("/serve/captures/py-distributed", "py-f-distributed", test_captures);
  ADD ("/serve/captures/js-raw", "js-a-runtree", test_raw_capture);
  ADD ("/serve/captures/py-raw", "py-a-runtree", test_raw_capture);
  ADD ("/serve/compression", NULL, test_compression);
  ADD ("/serve/bad-run", NULL, test_bad_run);
  ADD ("/serve/multipart", NULL, test_multipart);
  ADD ("/serve/info", NULL, test_info);
  ADD ("/serve/other-process", NULL, test_other_process);
  ADD ("/serve/moved", NULL, test_moved);
  ADD ("/serve/ended", NULL, test_ended);
  ADD ("/serve/killed", NULL, test_killed);
  ADD ("/serve/full", NULL, test_full);
  ADD ("/serve/retention", NULL, test_retention);
  ADD ("/serve/idle-retention", NULL, test_idle_retention);
  ADD ("/serve/disk-later", NULL, test_disk_later);
  ADD ("/serve/troubles", NULL, test_troubles);
  ADD ("/serve/help", NULL, test_help);
  ADD ("/serve/open", NULL, test_open);
  ADD ("/serve/no-browser", NULL, test_no_browser);
  ADD ("/serve/delete", NULL, test_delete);
  return g_test_run ();
}
