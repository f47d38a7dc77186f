/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "lsobs forward": what another service gets, and that it gets it once. */

#include "config.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <lsobs/lsobs.h>

#include "tests/lib/test-server.h"
#include "tests/lib/test-utils.h"
#include "tests/tools/serve-helpers.h"
#include "tools/store/attachment.h"
#include "tools/store/feedback.h"

#define N_RUNS 350

static Store *
open_to_write (const char *path)
{
  g_autoptr (GError) error = NULL;
  Store *store = store_open (path, DATABASE_READ_WRITE, &error);

  g_assert_no_error (error);
  return store;
}

/* The source of the tests, which is not the database of the fixture: that is where things go. (transfer full) */
static char *
dup_source (ServeFixture *fixture)
{
  return g_build_filename (fixture->folder, "source.db", NULL);
}

static void
fill (ServeFixture *fixture)
{
  static const char feedback_json[] =
      "{\"id\":\"" TEST_OTHER "\",\"run_id\":\"" TEST_ROOT
      "\",\"key\":\"helpful\",\"score\":0.5,\"session_id\":\"" TEST_LEAF "\"}";
  g_autofree char *path = dup_source (fixture);
  g_autoptr (Store) store = open_to_write (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (Feedback) feedback =
      feedback_new_from_json (NULL, feedback_json, strlen (feedback_json), &error);
  LsobsId id;

  g_assert_no_error (error);
  test_apply (store, CHANGE_CREATE,
              "{'id':'" TEST_ROOT "','trace_id':'" TEST_ROOT
              "','dotted_order':'20260301T093015250000Z" TEST_ROOT
              "','name':'root','session_name':'own','run_type':'chain',"
              "'start_time':'2026-03-01T09:30:15.25Z',"
              "'inputs':{'n':1234567890123456789,'odd':'\\ud800'},'tags':['t'],"
              "'extra':{'metadata':{'m':1},'runtime':{'sdk':'other'}}}");
  test_apply (store, CHANGE_CREATE,
              "{'id':'" TEST_CHILD "','trace_id':'" TEST_ROOT "','parent_run_id':'" TEST_ROOT
              "','dotted_order':'20260301T093015250000Z" TEST_ROOT
              ".20260301T093016000000Z" TEST_CHILD "','name':'child','run_type':'llm',"
              "'session_name':'own','outputs':{'x':1.50},'error':'boom',"
              "'end_time':'2026-03-01T09:30:17Z','events':[{'name':'new_token','time':"
              "'2026-03-01T09:30:16.5Z'}],'serialized':{'a':[]}}");
  test_parse_id (TEST_ROOT, &id);
  store_begin (store, &error);
  attachment_write (store, &id, "notes", "text/plain", "data", 4, &error);
  g_assert_no_error (error);
  feedback_write (store, feedback, &error);
  g_assert_no_error (error);
  store_commit (store, &error);
  g_assert_no_error (error);
}

/* Many roots. */
static void
fill_many (ServeFixture *fixture)
{
  g_autofree char *path = dup_source (fixture);
  g_autoptr (Store) store = open_to_write (path);
  g_autoptr (GError) error = NULL;

  store_begin (store, &error);
  for (guint i = 1; i <= N_RUNS; i++)
    {
      g_autofree char *json = g_strdup_printf (
          "{\"id\":\"01900000-0000-7000-8000-%012u\",\"name\":\"run %u\",\"run_type\":\"tool\","
          "\"start_time\":\"2026-03-01T09:30:15Z\",\"end_time\":\"2026-03-01T09:30:16Z\"}",
          i, i);
      g_autoptr (Change) change =
          change_new_from_json (CHANGE_CREATE, NULL, json, strlen (json), &error);

      g_assert_no_error (error);
      run_apply (store, change, &error);
      g_assert_no_error (error);
    }
  store_commit (store, &error);
  g_assert_no_error (error);
}

/* (transfer full) */
static char *
make_words (ServeFixture *fixture, const char *url, const char *words)
{
  g_autofree char *source = dup_source (fixture);

  return g_strdup_printf ("forward --database='%s' --endpoint='%s' %s", source, url, words);
}

static int
forward (ServeFixture *fixture, const char *url, const char *words, char **output, char **errors)
{
  g_autofree char *line = make_words (fixture, url, words);

  return serve_run (fixture, line, output, errors);
}

static void
assert_said (ServeFixture *fixture, const char *url, const char *words, const char *wanted)
{
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;
  int code = forward (fixture, url, words, &output, &errors);

  g_assert_cmpstr (errors, ==, "");
  g_assert_cmpstr (output, ==, wanted);
  g_assert_cmpint (code, ==, 0);
}

static gint64
count_runs (ServeFixture *fixture)
{
  g_autoptr (Store) store = serve_open_store (fixture);

  return test_query_int (store, "SELECT count(*) FROM runs");
}

/* Another "lsobs serve" has the same afterwards, gets nothing twice, and what has changed. */
static void
test_to_service (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const tables[] = {
    "SELECT r.id, trace_id, parent_id, p.name, status, run_type, r.name, start_time, end_time,"
    " first_token_time, tags, dotted_order, r.created"
    " FROM @.runs AS r JOIN @.projects AS p ON p.seq = r.project",
    "SELECT id, error, inputs, outputs, extra, events, serialized"
    " FROM @.runs AS r JOIN @.payloads AS p ON p.seq = r.seq",
    "SELECT run_id, name, type, data FROM @.attachments",
    "SELECT id, run_id, key, score, created, modified FROM @.feedback",
  };
  g_autofree char *path = dup_source (fixture);
  g_autofree char *attach = g_strdup_printf ("ATTACH '%s' AS other", path);
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = NULL;

  fill (fixture);
  serve_start (fixture, NULL, NULL);
  g_setenv ("LANGSMITH_API_KEY", fixture->token, TRUE);
  assert_said (fixture, fixture->url, "--dry-run",
               "Would be sent: 2 runs, 1 attachment, 1 feedback; sent earlier: 0\n");
  g_assert_cmpint (count_runs (fixture), ==, 0);
  assert_said (fixture, fixture->url, "",
               "Sent: 2 runs, 1 attachment, 1 feedback; sent earlier: 0; refused: 0\n");
  assert_said (fixture, fixture->url, "",
               "Sent: 0 runs, 0 attachments, 0 feedback; sent earlier: 2; refused: 0\n");
  assert_said (fixture, fixture->url, "--into=another --dry-run --project=own",
               "Would be sent: 2 runs, 1 attachment, 1 feedback; sent earlier: 0\n");
  {
    g_autoptr (Store) source = open_to_write (path);

    test_apply (source, CHANGE_UPDATE,
                "{'id':'" TEST_ROOT "','end_time':'2026-03-01T09:30:18Z','outputs':{'end':1}}");
  }
  assert_said (fixture, fixture->url, "",
               "Sent: 1 run, 0 attachments, 0 feedback; sent earlier: 1; refused: 0\n");
  store = open_to_write (fixture->database);
  database_execute (store_get_database (store), attach, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    {
      g_autoptr (GString) own = g_string_new (tables[i]);
      g_autoptr (GString) other = g_string_new (tables[i]);
      g_autofree char *sql = NULL;
      g_autofree char *all = NULL;

      g_string_replace (own, "@", "main", 0);
      g_string_replace (other, "@", "other", 0);
      sql = g_strdup_printf ("SELECT count(*) FROM (%s EXCEPT %s)", other->str, own->str);
      all = g_strdup_printf ("SELECT count(*) FROM (%s)", own->str);
      g_assert_cmpint (test_query_int (store, sql), ==, 0);
      g_assert_cmpint (test_query_int (store, all), ==, i < 2 ? 2 : 1);
    }
}

/* The database of a service is not sent to that service. */
static void
test_same_store (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *words = NULL;
  g_autofree char *errors = NULL;
  g_autoptr (GString) url = NULL;

  serve_start (fixture, NULL, NULL);
  url = g_string_new (fixture->url);
  g_string_replace (url, "127.0.0.1", "localhost", 0);
  words = g_strdup_printf ("forward --database='%s' --endpoint='%s'", fixture->database, url->str);
  g_assert_cmpint (serve_run (fixture, words, NULL, &errors), ==, 1);
  g_assert_nonnull (strstr (errors, "is the service of the database"));
}

/* Whatever leads to the service, and to the database.
 * @data: the host in the address */
static void
test_same_store_by_name (ServeFixture *fixture, gconstpointer data)
{
  g_autofree char *link = g_build_filename (fixture->folder, "link.db", NULL);
  g_autofree char *words = NULL;
  g_autofree char *errors = NULL;
  g_autoptr (GString) url = NULL;

  serve_start (fixture, NULL, NULL);
  g_assert_cmpint (symlink (fixture->database, link), ==, 0);
  g_setenv ("LANGSMITH_API_KEY", fixture->token, TRUE);
  url = g_string_new (fixture->url);
  g_string_replace (url, "127.0.0.1", data, 0);
  words = g_strdup_printf ("forward --database='%s' --endpoint='%s'", link, url->str);
  g_assert_cmpint (serve_run (fixture, words, NULL, &errors), ==, 1);
  g_assert_nonnull (strstr (errors, "is the service of the database"));
}

/* The service that "lsobs run" starts is known, too. */
static void
test_same_store_in_run (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
  g_autofree char *words = g_strdup_printf ("run --database='%s' -- '%s' forward --database='%s'",
                                            fixture->database, program, fixture->database);
  g_autofree char *errors = NULL;

  g_assert_cmpint (serve_run (fixture, words, NULL, &errors), ==, 1);
  g_assert_nonnull (strstr (errors, "is the service of the database"));
}

/* Another database beside it is another place. */
static void
test_other_store (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fill (fixture);
  serve_start (fixture, NULL, NULL);
  g_setenv ("LANGSMITH_API_KEY", fixture->token, TRUE);
  serve_stop (fixture, SIGTERM);
  serve_start (fixture, NULL, NULL);
  assert_said (fixture, fixture->url, "",
               "Sent: 2 runs, 1 attachment, 1 feedback; sent earlier: 0; refused: 0\n");
}

#define LARGE "what is too large for the service"

/* A service that takes one attachment at a time, and none with that text.
 * @data: (nullable): anything: it takes all */
static gboolean
take_little (TestRequest *request, TestAnswer *answer, gpointer data)
{
  g_autoptr (GString) body = g_string_new_len (g_bytes_get_data (request->body, NULL),
                                               (gssize) g_bytes_get_size (request->body));
  guint n = 0;

  if (g_atomic_int_get ((gint *) data) != 0)
    return FALSE;
  for (gsize i = 0; i + strlen (LARGE) <= body->len; i++)
    n += g_str_has_prefix (body->str + i, "name=\"attachment.") ? 1 : 0;
  if (n < 2 && memmem (body->str, body->len, LARGE, strlen (LARGE)) == NULL)
    return FALSE;
  answer->status = 413;
  return TRUE;
}

/* A run that is too large with its attachments goes without them, and each of them alone; one that is too large
 * itself is told, and tried again the next time. */
static void
test_too_large (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const names[] = { "second", "large" };
  g_autoptr (TestServer) server = test_server_new ();
  g_autofree char *path = dup_source (fixture);
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;
  gint takes_all = 0;
  LsobsId id;

  fill (fixture);
  test_parse_id (TEST_ROOT, &id);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (Store) store = open_to_write (path);

      store_begin (store, &error);
      attachment_write (store, &id, names[i], "text/plain", i == 0 ? "little" : LARGE,
                        i == 0 ? 6 : strlen (LARGE), &error);
      g_assert_no_error (error);
      store_commit (store, &error);
    }
  g_setenv ("LANGSMITH_API_KEY", "key", TRUE);
  test_server_set_handler (server, take_little, &takes_all);
  g_assert_cmpint (forward (fixture, test_server_get_url (server), "", &output, &errors), ==, 1);
  g_assert_cmpstr (output, ==,
                   "Sent: 2 runs, 2 attachments, 1 feedback; sent earlier: 0; refused: 1\n");
  g_assert_nonnull (strstr (errors, TEST_ROOT " (root) was not taken: the attachment “large”: "));
  g_atomic_int_set (&takes_all, 1);
  assert_said (fixture, test_server_get_url (server), "",
               "Sent: 1 run, 1 attachment, 0 feedback; sent earlier: 1; refused: 0\n");
  assert_said (fixture, test_server_get_url (server), "",
               "Sent: 0 runs, 0 attachments, 0 feedback; sent earlier: 2; refused: 0\n");
}

/* A profile that is named goes before the variables. */
static void
test_profile (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autofree char *folder = g_build_filename (fixture->folder, ".langsmith", NULL);
  g_autofree char *file = g_build_filename (folder, "config.json", NULL);
  g_autofree char *source = dup_source (fixture);
  g_autofree char *text =
      g_strdup_printf ("{\"profiles\":{\"work\":{\"api_url\":\"%s\",\"api_key\":\"key-of-work\"}}}",
                       test_server_get_url (server));
  g_autofree char *words = g_strdup_printf ("forward --database='%s' --profile=work", source);
  g_autofree char *wrong = g_strdup_printf ("forward --database='%s' --profile=home", source);
  g_autofree char *errors = NULL;
  g_autofree char *none = NULL;
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (GError) error = NULL;

  /* What says where to send is that of the profile, and what is hidden is that of the variables. */
  g_setenv ("LANGSMITH_HIDE_INPUTS", "true", TRUE);
  fill (fixture);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_file_set_contents_full (file, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
  g_assert_no_error (error);
  g_setenv ("HOME", fixture->folder, TRUE);
  g_setenv ("LANGSMITH_API_KEY", "another-key", TRUE);
  g_setenv ("LANGSMITH_ENDPOINT", "http://127.0.0.1:1", TRUE);
  g_assert_cmpint (serve_run (fixture, words, NULL, &errors), ==, 0);
  g_assert_cmpstr (errors, ==, "");
  requests = test_server_dup_ingest (server);
  g_assert_cmpuint (requests->len, >, 0);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, "key-of-work");
      g_assert_null (memmem (g_bytes_get_data (request->body, NULL),
                             g_bytes_get_size (request->body), "1234567890123456789", 19));
    }
  g_assert_cmpint (serve_run (fixture, wrong, NULL, &none), ==, 1);
  g_assert_nonnull (strstr (none, "There is no profile “home” "));
  /* The file that a variable names. */
  g_setenv ("HOME", "/dev/null", TRUE);
  g_setenv ("LANGSMITH_CONFIG_FILE", file, TRUE);
  g_clear_pointer (&errors, g_free);
  g_assert_cmpint (serve_run (fixture, words, NULL, &errors), ==, 0);
  g_assert_cmpstr (errors, ==, "");
  g_unsetenv ("LANGSMITH_CONFIG_FILE");
  g_unsetenv ("LANGSMITH_HIDE_INPUTS");
  g_unsetenv ("LANGSMITH_ENDPOINT");
}

typedef struct
{
  TestServer *server;
  guint n; /* so many are wanted */
} Requests;

static gboolean
have_come (gpointer data)
{
  const Requests *requests = data;
  g_autoptr (GPtrArray) all = test_server_dup_ingest (requests->server);

  return all->len >= requests->n;
}

/* Starts a forward, and waits until the service has got so many requests. (transfer full) */
static GSubprocess *
start (ServeFixture *fixture, TestServer *server, const char *more, guint n_requests)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
  g_autofree char *words = make_words (fixture, test_server_get_url (server), more);
  g_autofree char *line = g_strdup_printf ("exec '%s' %s", program, words);
  const char *argv[] = { "/bin/sh", "-c", line, NULL };
  g_autoptr (GError) error = NULL;
  Requests requests = { server, n_requests };
  GSubprocess *process;

  process =
      g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE,
                         &error);
  g_assert_no_error (error);
  g_assert_true (test_wait_until (have_come, &requests, TEST_TIMEOUT_MS));
  return process;
}

#define TEST_RATE 500

/* Requests keep the distance that the rate wants. */
static void
test_rate (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (GPtrArray) requests = NULL;
  g_autofree char *output = NULL;
  gint64 first = 0;
  gint64 n_runs = 0;

  fill_many (fixture);
  g_setenv ("LANGSMITH_API_KEY", "key", TRUE);
  g_assert_cmpint (forward (fixture, test_server_get_url (server),
                            "--rate=" G_STRINGIFY (TEST_RATE), &output, NULL),
                   ==, 0);
  requests = test_server_dup_ingest (server);
  g_assert_cmpuint (requests->len, ==, 4);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      /* The first one may have been on its way for a while. */
      if (i == 1)
        first = request->time - n_runs * G_USEC_PER_SEC / TEST_RATE;
      if (i > 1)
        g_assert_cmpint (request->time - first, >=, (n_runs * G_USEC_PER_SEC / TEST_RATE) / 2);
      n_runs += test_request_get_n_ops (request);
    }
  g_assert_cmpint (n_runs, ==, N_RUNS);
  g_assert_cmpint (forward (fixture, test_server_get_url (server), "--rate=-1", NULL, NULL), ==, 2);
  g_assert_cmpint (forward (fixture, test_server_get_url (server), "--rate=nan", NULL, NULL), ==,
                   2);
}

/* A signal ends a wait for the rate, too: this one would take minutes. */
static void
test_rate_stopped (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  fill_many (fixture);
  g_setenv ("LANGSMITH_API_KEY", "key", TRUE);
  process = start (fixture, server, "--rate=0.5", 1);
  g_subprocess_send_signal (process, SIGTERM);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, &errors, NULL);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 128 + SIGTERM);
  g_assert_nonnull (strstr (errors, "the same command again"));
}

/* A run that the service refuses is told, and the others go; next time it is tried again. */
static void
test_refused (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  fill (fixture);
  g_setenv ("LANGSMITH_API_KEY", "secret-key-of-the-test", TRUE);
  /* both runs together, then the first one alone */
  test_server_push (server, "/runs", (TestAnswer){ .status = 422, .repeat = 2 });
  g_assert_cmpint (forward (fixture, test_server_get_url (server), "", &output, &errors), ==, 1);
  g_assert_cmpstr (output, ==,
                   "Sent: 1 run, 0 attachments, 0 feedback; sent earlier: 0; refused: 1\n");
  g_assert_nonnull (strstr (errors, TEST_ROOT " (root) was not taken: "));
  g_assert_null (strstr (errors, "secret-key"));
  assert_said (fixture, test_server_get_url (server), "",
               "Sent: 1 run, 1 attachment, 1 feedback; sent earlier: 1; refused: 0\n");
}

/* A service that takes nothing ends it, with a word on how to go on. */
static void
test_unauthorized (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autofree char *errors = NULL;

  fill (fixture);
  g_setenv ("LANGSMITH_API_KEY", "secret-key-of-the-test", TRUE);
  test_server_push (server, "/runs", (TestAnswer){ .status = 401, .repeat = -1 });
  g_assert_cmpint (forward (fixture, test_server_get_url (server), "", NULL, &errors), ==, 1);
  g_assert_nonnull (strstr (errors, "Correct the key, and run the command again"));
  g_assert_null (strstr (errors, "the same command"));
  g_assert_null (strstr (errors, "secret-key"));
}

/* Starts a forward that is in the middle: the service has answered one request, and hangs at the next one.
 * (transfer full) */
static GSubprocess *
start_middle (ServeFixture *fixture, TestServer *server)
{
  test_server_push (server, "/runs", (TestAnswer){ .status = 202 });
  test_server_push (server, "/runs", (TestAnswer){ .mode = TEST_ANSWER_HANG });
  return start (fixture, server, "", 2);
}

/* Killed, or stopped, in the middle, it goes on: nothing is missing, and only the request without an answer is
 * sent again.
 * @data: the signal */
static void
test_interrupted (ServeFixture *fixture, gconstpointer data)
{
  int number = GPOINTER_TO_INT (data);
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;
  g_autofree char *busy = NULL;
  g_autofree char *wanted = NULL;

  fill_many (fixture);
  g_setenv ("LANGSMITH_API_KEY", "key", TRUE);
  process = start_middle (fixture, server);
  /* A second one does not send the same. */
  g_assert_cmpint (forward (fixture, test_server_get_url (server), "", NULL, &busy), ==, 1);
  g_assert_nonnull (strstr (busy, "wait until it ends"));
  g_subprocess_send_signal (process, number);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, &errors, NULL);
  if (number == SIGKILL)
    g_assert_true (g_subprocess_get_if_signaled (process));
  else
    {
      g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 128 + number);
      g_assert_nonnull (strstr (errors, "the same command again"));
      g_assert_true (g_str_has_prefix (output, "Sent: 100 runs"));
    }
  test_server_release_hanging (server);
  wanted =
      g_strdup_printf ("Sent: %u runs, 0 attachments, 0 feedback; sent earlier: 100; refused: 0\n",
                       N_RUNS - 100);
  assert_said (fixture, test_server_get_url (server), "", wanted);
}

/* What a program has left in a folder of lost traces. */
static void
test_spool (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autofree char *folder = g_build_filename (fixture->folder, "lost", NULL);
  g_autofree char *words = g_strdup_printf ("--spool='%s'", folder);
  g_autofree char *errors = NULL;

  g_setenv ("LANGSMITH_API_KEY", "key", TRUE);
  {
    g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "p");
    g_autoptr (LsobsExporter) exporter = NULL;
    g_autoptr (LsobsRunEvent) event =
        lsobs_run_event_new_start (TEST_ROOT, NULL, "lost", LSOBS_RUN_TYPE_TOOL, NULL);

    lsobs_config_set_api_url (config, test_server_get_url (server));
    lsobs_config_set_failed_traces_dir (config, folder);
    test_server_push (server, "/runs", (TestAnswer){ .status = 422 });
    exporter = lsobs_exporter_new (config, NULL, NULL);
    g_assert_true (lsobs_exporter_enqueue (exporter, event, NULL));
    lsobs_exporter_shutdown (exporter, TEST_TIMEOUT_MS, NULL, NULL);
  }
  assert_said (fixture, test_server_get_url (server), words,
               "Files sent, and removed: 1; not taken, and kept: 0\n");
  g_assert_cmpint (forward (fixture, "http://127.0.0.1:1", "--spool=/x --again", NULL, &errors), ==,
                   2);
}

/* Returns: (transfer full) (nullable): the path of a file in a folder */
static char *
find_file (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = NULL;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, "trace_"))
      return g_build_filename (folder, name, NULL);
  return NULL;
}

/* Makes files in the spool of a project: a service that hangs makes one, the others are copies. */
static void
spool_runs (TestServer *server, const char *folder, const char *project, guint n_files)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  gsize len;

  test_server_hold (server);
  while ((path = find_file (folder)) == NULL)
    {
      g_autoptr (LsobsConfig) config = lsobs_config_new ("key", project);
      g_autoptr (LsobsExporter) exporter = NULL;
      g_autoptr (LsobsRunEvent) event =
          lsobs_run_event_new_start (TEST_ROOT, NULL, "spooled", LSOBS_RUN_TYPE_TOOL, NULL);

      lsobs_config_set_api_url (config, test_server_get_url (server));
      lsobs_config_set_spool_dir (config, folder);
      exporter = lsobs_exporter_new (config, NULL, NULL);
      g_assert_true (lsobs_exporter_enqueue (exporter, event, NULL));
      lsobs_exporter_shutdown (exporter, 400, NULL, NULL);
    }
  test_server_release (server);
  g_file_get_contents (path, &text, &len, &error);
  g_assert_no_error (error);
  for (guint i = 1; i < n_files; i++)
    {
      g_autofree char *copy = g_strdup_printf ("%s/trace_%u.json", folder, i);

      g_file_set_contents (copy, text, (gssize) len, &error);
      g_assert_no_error (error);
    }
}

/* The files of others stay, and the command says how to send them. */
static void
test_spool_of_other (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autofree char *folder = g_build_filename (fixture->folder, "spool", NULL);
  g_autofree char *words = g_strdup_printf ("--spool='%s'", folder);
  const char *url = test_server_get_url (server);
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  g_setenv ("LANGSMITH_API_KEY", "key", TRUE);
  g_setenv ("LANGSMITH_PROJECT", "mine", TRUE);
  spool_runs (server, folder, "other", 2);
  g_assert_cmpint (forward (fixture, url, words, &output, &errors), ==, 1);
  g_assert_cmpstr (output, ==, "Files sent, and removed: 0; not taken, and kept: 2\n");
  g_assert_nonnull (strstr (errors, "2 files in "));
  g_assert_nonnull (strstr (errors, "were written for another address, workspace, project or key"));
  g_assert_nonnull (strstr (errors, "LANGSMITH_PROJECT"));
  g_setenv ("LANGSMITH_PROJECT", "other", TRUE);
  assert_said (fixture, url, words, "Files sent, and removed: 2; not taken, and kept: 0\n");
  g_unsetenv ("LANGSMITH_PROJECT");
}

/* If the service takes nothing, all files are counted, not only the one that was tried. */
static void
test_spool_refused (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autofree char *folder = g_build_filename (fixture->folder, "spool", NULL);
  g_autofree char *words = g_strdup_printf ("--spool='%s'", folder);
  const char *url = test_server_get_url (server);
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  g_setenv ("LANGSMITH_API_KEY", "key", TRUE);
  spool_runs (server, folder, "default", 3);
  test_server_push (server, "/runs", (TestAnswer){ .status = 401, .repeat = -1 });
  g_assert_cmpint (forward (fixture, url, words, &output, &errors), ==, 1);
  g_assert_cmpstr (output, ==, "Files sent, and removed: 0; not taken, and kept: 3\n");
  g_assert_nonnull (strstr (errors, "Correct the key, and run the command again"));
}

#define ADD(path, data, func) \
 g_test_add (path, ServeFixture, data, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/forward/to-service", NULL, test_to_service);
  ADD ("/forward/same-store", NULL, test_same_store);
  ADD ("/forward/same-store/any", "0.0.0.0", test_same_store_by_name);
  ADD ("/forward/same-store/mapped", "[::ffff:127.0.0.1]", test_same_store_by_name);
  ADD ("/forward/same-store/run", NULL, test_same_store_in_run);
  ADD ("/forward/other-store", NULL, test_other_store);
  ADD ("/forward/too-large", NULL, test_too_large);
  ADD ("/forward/profile", NULL, test_profile);
  ADD ("/forward/rate", NULL, test_rate);
  ADD ("/forward/rate-stopped", NULL, test_rate_stopped);
  ADD ("/forward/refused", NULL, test_refused);
  ADD ("/forward/unauthorized", NULL, test_unauthorized);
  ADD ("/forward/killed", GINT_TO_POINTER (SIGKILL), test_interrupted);
  ADD ("/forward/stopped", GINT_TO_POINTER (SIGINT), test_interrupted);
  ADD ("/forward/spool", NULL, test_spool);
  ADD ("/forward/spool/other", NULL, test_spool_of_other);
  ADD ("/forward/spool/refused", NULL, test_spool_refused);
  return g_test_run ();
}
