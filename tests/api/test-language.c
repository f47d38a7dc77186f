/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <libintl.h>
#include <locale.h>
#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/graph-helpers.h"
#include "tests/lib/test-helpers.h"

/* What people read is in their language, and what is sent is not. Run alone, this is about English;
 * test-locale.sh runs it once for each translation. */

/* Where the translations are, and which of them it has to be. */
#define DIRECTORY_VARIABLE "LSOBS_TEST_TRANSLATIONS"
#define LANGUAGE_VARIABLE  "LSOBS_TEST_LANGUAGE"

#define DOMAIN "lsobs"

static const char *check_translation (const char *english, const char *translation)
    G_GNUC_FORMAT (2);

static const char *
check_translation (const char *english, const char *translation)
{
  g_assert_true (g_utf8_validate (translation, -1, NULL));
  if (g_getenv (LANGUAGE_VARIABLE) != NULL)
    g_assert_cmpstr (translation, !=, english);
  else
    g_assert_cmpstr (translation, ==, english);
  return translation;
}

/* What the person is to read in place of @english. */
static const char *translate (const char *english) G_GNUC_FORMAT (1);

static const char *
translate (const char *english)
{
  return check_translation (english, g_dgettext (DOMAIN, english));
}

static void
assert_error (const GError *error, int code, const char *message)
{
  g_assert_error (error, LSOBS_ERROR, code);
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_language (void)
{
  const char *language = g_getenv (LANGUAGE_VARIABLE);
  g_autofree char *line = NULL;

  /* the head of a translation says what it is */
  if (language == NULL)
    {
      g_assert_cmpstr (g_dgettext (DOMAIN, ""), ==, "");
      return;
    }
  line = g_strdup_printf ("Language: %s\n", language);
  g_assert_nonnull (strstr (g_dgettext (DOMAIN, ""), line));
}

static void
test_config (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;

  lsobs_config_set_api_url (config, "");
  g_assert_false (lsobs_config_validate (config, &error));
  expected = g_strdup_printf (translate ("Invalid API URL: %s"), translate ("it is empty"));
  assert_error (error, LSOBS_ERROR_INVALID_CONFIG, expected);
}

static void
test_number (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;

  lsobs_config_set_sampling_rate (config, 1.5);
  g_assert_false (lsobs_config_validate (config, &error));
  expected =
      g_strdup_printf (translate ("Invalid sampling rate: %s is not between 0 and 1"), "1.5");
  assert_error (error, LSOBS_ERROR_INVALID_CONFIG, expected);
}

static void
test_environment (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;

  g_setenv ("LANGSMITH_TRACING", "perhaps", TRUE);
  g_assert_null (lsobs_config_new_from_environment (&error));
  g_unsetenv ("LANGSMITH_TRACING");
  expected = g_strdup_printf (translate ("%s must be true or false"), "LANGSMITH_TRACING");
  assert_error (error, LSOBS_ERROR_INVALID_CONFIG, expected);
}

/* A variable with a comma in it is as wrong in a country that writes its numbers so. */
static void
test_environment_number (void)
{
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;

  /* Without tracing, the value does not matter. */
  g_setenv ("LANGSMITH_TRACING", "true", TRUE);
  g_setenv ("LANGSMITH_TRACING_SAMPLING_RATE", "0,25", TRUE);
  g_assert_null (lsobs_config_new_from_environment (&error));
  expected = g_strdup_printf (translate ("%s must be a number between 0 and 1"),
                              "LANGSMITH_TRACING_SAMPLING_RATE");
  assert_error (error, LSOBS_ERROR_INVALID_CONFIG, expected);
  g_clear_error (&error);

  g_setenv ("LANGSMITH_TRACING_SAMPLING_RATE", "0.25", TRUE);
  config = lsobs_config_new_from_environment (&error);
  g_unsetenv ("LANGSMITH_TRACING_SAMPLING_RATE");
  g_unsetenv ("LANGSMITH_TRACING");
  g_assert_no_error (error);
  g_assert_cmpfloat (lsobs_config_get_sampling_rate (config), ==, 0.25);
}

/* The line in the log for an entry of a list that makes no sense. */
static void
test_entry (void)
{
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;

  g_setenv ("LANGSMITH_RUNS_ENDPOINTS",
            "[{\"api_url\":7},{\"api_url\":\"https://a.example.com\",\"api_key\":\"key\"}]", TRUE);
  test_log_clear ();
  config = lsobs_config_new_from_environment (&error);
  g_unsetenv ("LANGSMITH_RUNS_ENDPOINTS");
  g_assert_no_error (error);
  expected = g_strdup_printf (translate ("%s: entry %u is ignored: %s"), "LANGSMITH_RUNS_ENDPOINTS",
                              1u, translate ("its api_url is not a string"));
  g_assert_true (test_log_contains (expected));
}

static gboolean
has_request (TestServer *server, gpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (server);

  return requests->len > 0;
}

static void
test_plural (TestFixture *fixture, gconstpointer data)
{
  static const char singular[] = "Flushing took longer than %" PRId64 " ms; "
                                 "%" PRIu64 " record is still to be sent: %s";
  static const char plural[] = "Flushing took longer than %" PRId64 " ms; "
                               "%" PRIu64 " records are still to be sent: %s";
  guint n = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;

  test_fixture_start (fixture);
  test_server_hold (fixture->server);
  test_emit_many (fixture->exporter, n);
  /* The second flush asks while the service does not answer. */
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL));
  g_assert_true (test_server_wait (fixture->server, has_request, NULL, TEST_TIMEOUT_MS));
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 0, NULL, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  expected =
      g_strdup_printf (check_translation (n == 1 ? singular : plural,
                                          g_dngettext (DOMAIN, singular, plural, n)),
                       (gint64) 0, (guint64) n, translate ("The service has not answered yet"));
  g_assert_cmpstr (error->message, ==, expected);
  test_server_release (fixture->server);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, n));
}

/* What the service says stays as it is. */
static void
test_status (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *reason = NULL;
  g_autofree char *paused = NULL;

  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 401, .body = "Who are you?", .repeat = -1 });
  test_emit (fixture->exporter, "run");
  error = test_flush_with_loss (fixture->exporter, 1);

  reason =
      g_strdup_printf (g_dgettext (DOMAIN, "%s (HTTP %u: %s)"),
                       translate ("The service refused the API key; check the key, its region and "
                                  "its workspace"),
                       401u, "Who are you?");
  paused = g_strdup_printf (translate ("Sending traces is paused: %s"), reason);
  g_assert_nonnull (strstr (error->message, reason));
  g_assert_true (test_log_contains (paused));
}

static void
test_refused (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  g_autoptr (GError) error = NULL;
  g_autofree char *pattern = g_strdup_printf (
      translate ("The service cannot be reached: %s; check the network and the API URL"), "\n");
  g_auto (GStrv) parts = g_strsplit (pattern, "\n", 2);

  /* the rest is GLib's, whose translations may be there or not */
  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "run");
  error = test_flush_in_vain (fixture->exporter, 1);
  g_assert_nonnull (strstr (error->message, parts[0]));
  g_assert_true (g_str_has_suffix (error->message, parts[1]));
}

static void
test_unanswered (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;

  /* long enough to be connected */
  lsobs_config_set_request_timeout (fixture->config, 3000);
  lsobs_config_set_max_attempts (fixture->config, 1);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_emit (fixture->exporter, "run");
  error = test_flush_in_vain (fixture->exporter, 1);
  expected =
      g_strdup_printf (translate (
                           "The service cannot be reached: %s; check the network and the API URL"),
                       translate ("there is no answer in time"));
  g_assert_nonnull (strstr (error->message, expected));
}

/* --- what is sent -------------------------------------------------------------------------- */

/* An event of a transport that keeps them, by the name of the run. */
static LsobsRunEvent *
dup_event (LsobsMemoryTransport *transport, const char *name)
{
  g_autoptr (GPtrArray) events = lsobs_memory_transport_dup_events (transport);
  guint i = 0;

  while (g_strcmp0 (lsobs_run_event_get_name (g_ptr_array_index (events, i)), name) != 0)
    g_assert_cmpuint (++i, <, events->len);
  return lsobs_run_event_ref (g_ptr_array_index (events, i));
}

/* All errors that are lsobs' own. They are for everybody who looks at the project. */
static void
test_sent_errors (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, NULL);
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsInvocation) invocation = NULL;
  g_autoptr (LsobsRunEvent) node = NULL;
  g_autoptr (LsobsRunEvent) tool = NULL;

  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);
  invocation = lsobs_observer_begin_invocation (observer, "graph", NULL);
  graph_start (invocation, "forgotten", NULL);
  graph_call (invocation, "forgotten", "silent", "1", NULL);
  lsobs_invocation_end (invocation, NULL);
  test_assert_flush (lsobs_observer_get_exporter (observer), 3);

  node = dup_event (transport, "forgotten");
  tool = dup_event (transport, "silent");
  g_assert_cmpstr (lsobs_run_event_get_error_text (node), ==, "The node was never ended");
  g_assert_cmpstr (lsobs_run_event_get_error_text (tool), ==, "The tool never answered");
}

/* A point is a point, be it in the program's JSON or in what lsobs puts there. */
static void
test_sent_numbers (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const expected[] = {
    "0.1",
    "-2.5e-07",
    "1.0",
    "12345678.9",
    "\"total_cost\":0.25",
    "\"score\":0.75",
    "\"ls_tracing_sample_rate\":0.999",
  };
  g_autoptr (JsonNode) numbers = run_json ("[0.1, -2.5e-07, 1.0, 12345678.9]");
  g_autoptr (LsobsUsage) usage = lsobs_usage_new ();
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (GString) all = g_string_new (NULL);

  g_assert_true (lsobs_usage_set_total_cost (usage, 0.25, NULL));
  lsobs_config_set_sampling_rate (fixture->config, 0.999);
  test_fixture_start (fixture);
  /* one in a thousand traces is not sent, which not all of ten are */
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, numbers);

      lsobs_run_set_usage_metadata (run, usage);
      lsobs_run_end (run, numbers);
      g_assert_true (!lsobs_run_is_sampled (run) ||
                     lsobs_run_add_feedback (run, "correct", 0.75, NULL, NULL));
    }
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));

  requests = test_server_dup_ingest (fixture->server);
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);
      gsize size;
      const char *body = g_bytes_get_data (request->body, &size);

      g_string_append_len (all, body, (gssize) size);
    }
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_nonnull (strstr (all->str, expected[i]));
}

int
main (int argc, char **argv)
{
  const char *directory = g_getenv (DIRECTORY_VARIABLE);

  if (setlocale (LC_ALL, "") == NULL)
    g_error ("The locale of the environment is not there");
  if (directory != NULL)
    bindtextdomain (DOMAIN, directory);
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, data, test) \
 g_test_add ("/language/" path, TestFixture, data, test_fixture_set_up, test, \
             test_fixture_tear_down)

  g_test_add_func ("/language/which", test_language);
  g_test_add_func ("/language/config", test_config);
  g_test_add_func ("/language/config/number", test_number);
  g_test_add_func ("/language/environment", test_environment);
  g_test_add_func ("/language/environment/number", test_environment_number);
  g_test_add_func ("/language/environment/entry", test_entry);
  ADD ("flush/one", GUINT_TO_POINTER (1), test_plural);
  ADD ("flush/two", GUINT_TO_POINTER (2), test_plural);
  ADD ("transport/status", NULL, test_status);
  ADD ("transport/refused", NULL, test_refused);
  ADD ("transport/unanswered", NULL, test_unanswered);
  g_test_add_func ("/language/sent/errors", test_sent_errors);
  ADD ("sent/numbers", NULL, test_sent_numbers);

  return g_test_run ();
}
