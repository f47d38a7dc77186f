/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/test-server.h"
#include "tests/lib/test-utils.h"

/* The settings that are text. */

#define SECRET "lsv2_pt_5ec4e7"
#define REMOTE "https://traces.example.com"
#define LOCAL  "http://127.0.0.1:9"

static void
assert_message (const GError *error, const char *words)
{
  g_autofree char *message = NULL;

  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  message = g_ascii_strdown (error->message, -1);
  if (strstr (error->message, words) == NULL && strstr (message, words) == NULL)
    g_error ("\"%s\" does not name the %s", error->message, words);
  g_assert_null (strstr (error->message, SECRET));
  for (const char *at = error->message; *at != '\0'; at++)
    g_assert_false (g_ascii_iscntrl (*at));
}

static void
assert_invalid (LsobsConfig *config, const char *words)
{
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (lsobs_config_validate (config, &error));
  assert_message (error, words);
  g_clear_error (&error);
  g_assert_null (lsobs_observer_new (config, &error));
  assert_message (error, words);
  g_clear_error (&error);
  g_assert_null (lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error));
  assert_message (error, words);
  g_assert_cmpuint (lsobs_memory_transport_get_n_batches (transport), ==, 0);
}

static void
assert_valid (LsobsConfig *config)
{
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_validate (config, &error);
  g_assert_no_error (error);
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  g_assert_nonnull (observer);
}

/* A value, and what is wrong with it; NULL: nothing. */
typedef struct
{
  const char *path;
  const char *value;
  const char *words;
} TextRow;

static const TextRow url_rows[] = {
  { "empty", "", "api url" },
  { "none", NULL, "api url" },
  { "white", " \t\n", "api url" },
  { "quotes", "\"\"", "api url" },
  { "slashes", "///", "api url" },
  { "word", "localhost", "api url" },
  { "no-scheme", "api.smith.langchain.com", "api url" },
  { "no-scheme-port", "localhost:1984", "api url" },
  { "relative", "//traces.example.com", "api url" },
  { "key", SECRET, "api url" },
  { "ftp", "ftp://traces.example.com", "api url" },
  { "file", "file:///etc/passwd", "api url" },
  { "javascript", "javascript:alert(1)", "api url" },
  { "no-host", "https://", "api url" },
  { "no-host-port", "https://:443", "api url" },
  { "no-slashes", "https:traces.example.com", "api url" },
  { "space", "https://traces.example.com/a b", "api url" },
  { "space-host", "https://traces example.com", "api url" },
  { "crlf", "https://traces.example.com/\r\nX-Evil: 1", "api url" },
  { "tab", "https://traces.example.com/a\tb", "api url" },
  { "control", "https://traces.example.com/\x01", "api url" },
  { "del", "https://traces.example.com/\x7f", "api url" },
  { "not-utf8", "https://traces.example.com/\xff", "api url" },
  { "user", "https://" SECRET "@traces.example.com", "api url" },
  { "user-password", "https://user:" SECRET "@traces.example.com", "api url" },
  { "empty-user", "https://@traces.example.com", "api url" },
  { "query", "https://traces.example.com/?key=" SECRET, "api url" },
  { "empty-query", "https://traces.example.com/?", "api url" },
  { "fragment", "https://traces.example.com/#runs", "api url" },
  { "bad-port", "https://traces.example.com:99999", "api url" },
  { "word-port", "https://traces.example.com:https", "api url" },
  { "plain", "http://traces.example.com", "api url" },
  { "plain-upper", "HTTP://traces.example.com", "api url" },
  { "plain-like-loopback", "http://127.0.0.1.example.com", "api url" },
  { "plain-like-localhost", "http://localhost.example.com", "api url" },
  { "plain-private", "http://192.168.1.2", "api url" },
  { "plain-any", "http://0.0.0.0", "api url" },
  { "https", REMOTE, NULL },
  { "https-upper", "HTTPS://traces.example.com", NULL },
  { "https-port", "https://traces.example.com:8443", NULL },
  { "https-path", "https://traces.example.com/langsmith/api/v1", NULL },
  { "https-address", "https://[2001:db8::1]:8443/api", NULL },
  { "localhost", "http://localhost:1984", NULL },
  { "localhost-upper", "http://LocalHost:1984/api", NULL },
  { "loopback", "http://127.0.0.1:1984", NULL },
  { "loopback-other", "http://127.1.2.3:1984", NULL },
  { "loopback-v6", "http://[::1]:1984", NULL },
  { "trailing-slashes", REMOTE "/api///", NULL },
  { "around", " \t" REMOTE "/ \n", NULL },
  { "double-quotes", "\"" REMOTE "\"", NULL },
  { "single-quotes", " '" REMOTE "/' ", NULL },
  { "one-quote", "\"" REMOTE, "api url" },
};

static void
check_text (const TextRow *row, void (*set) (LsobsConfig *config, const char *value))
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (SECRET, NULL);

  set (config, row->value);
  if (row->words != NULL)
    assert_invalid (config, row->words);
  else
    assert_valid (config);
}

static void
test_url (gconstpointer data)
{
  check_text (data, lsobs_config_set_api_url);
}

static void
test_url_allowed (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (SECRET, NULL);

  lsobs_config_set_api_url (config, "http://traces.example.com");
  lsobs_config_set_allow_plain_http (config, TRUE);
  assert_valid (config);
  lsobs_config_set_api_url (config, "ftp://traces.example.com");
  assert_invalid (config, "api url");
}

static const TextRow key_rows[] = {
  { "line-break", "lsv2_pt\n_5ec4e7", "api key" },
  { "header", "lsv2_pt_5ec4e7\r\nX-Evil: 1", "api key" },
  { "carriage-return", "lsv2_pt\r_5ec4e7", "api key" },
  { "space", "lsv2 pt", "api key" },
  { "tab", "lsv2\tpt", "api key" },
  { "one", "lsv2\x01pt", "api key" },
  { "vertical-tab", "lsv2\vpt", "api key" },
  { "del", "lsv2\x7fpt", "api key" },
  { "umlaut", "lsv2\xc3\xa4pt", "api key" },
  { "not-utf8", "lsv2\xffpt", "api key" },
  { "nbsp", "lsv2_pt\xc2\xa0", "api key" },
  { "plain", SECRET, NULL },
  { "punctuation", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", NULL },
};

static void
test_key (gconstpointer data)
{
  check_text (data, lsobs_config_set_api_key);
}

static const TextRow workspace_rows[] = {
  { "word", "workspace", "workspace" },
  { "key", SECRET, "workspace" },
  { "short", "11111111-2222-4333-8444-55555555555", "workspace" },
  { "long", "11111111-2222-4333-8444-5555555555555", "workspace" },
  { "no-dashes", "11111111222243338444555555555555", "workspace" },
  { "braces", "{11111111-2222-4333-8444-555555555555}", "workspace" },
  { "not-hex", "11111111-2222-4333-8444-55555555555g", "workspace" },
  { "shifted", "1111111-12222-4333-8444-555555555555", "workspace" },
  { "header", "11111111-2222-4333-8444-555555555555\r\nX: 1", "workspace" },
  { "uuid", "11111111-2222-4333-8444-555555555555", NULL },
  { "upper", "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE", NULL },
  { "around", " \"11111111-2222-4333-8444-555555555555\"\n", NULL },
  { "empty", "", NULL },
  { "none", NULL, NULL },
};

static void
test_workspace (gconstpointer data)
{
  check_text (data, lsobs_config_set_workspace_id);
}

static const TextRow regex_rows[] = {
  { "open-group", "(", "regex" },
  { "open-class", "[a-", "regex" },
  { "nothing-to-repeat", "*", "regex" },
  { "bad-escape", "\\", "regex" },
  { "bad-reference", "(a)\\2", "regex" },
  { "not-utf8", "\xff", "regex" },
  { "fine", "sk-[A-Za-z0-9]+", NULL },
  { "empty", "", NULL },
  { "none", NULL, NULL },
};

static void
test_regex (gconstpointer data)
{
  check_text (data, lsobs_config_set_redact_regex);
}

static const TextRow revision_rows[] = {
  { "not-utf8", "\xff", "revision" },
  { "commit", "0f1e2d3c", NULL },
  { "empty", "", NULL },
  { "none", NULL, NULL },
};

static const TextRow project_rows[] = {
  { "not-utf8", "\xff", "project" },
  { "cut-off", "caf\xc3", "project" },
  { "umlaut", "caf\xc3\xa9 \xe2\x98\x95", NULL },
  { "quotes", "\"my\" project", NULL },
  { "empty", "", NULL },
  { "none", NULL, NULL },
};

static void
test_project (gconstpointer data)
{
  check_text (data, lsobs_config_set_project_name);
}

static void
test_revision (gconstpointer data)
{
  check_text (data, lsobs_config_set_revision_id);
}

/* The first thing that is wrong is told, not the last one. */
static void
test_no_place_for_error (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("a b", NULL);

  lsobs_config_set_redact_regex (config, "(");
  lsobs_config_set_api_url (config, "");
  g_assert_false (lsobs_config_validate (config, NULL));
  g_assert_null (lsobs_observer_new (config, NULL));
}

/* What is tolerated is not sent as it was written. */

static TestRequest *
send_one (TestServer *server, const char *url_format, const char *key, const char *workspace_id)
{
  g_autofree char *url = NULL;
  g_autoptr (LsobsConfig) config = lsobs_config_new (key, NULL);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) parts = g_strsplit (url_format, "URL", 2);

  url = g_strconcat (parts[0], test_server_get_url (server), parts[1], NULL);
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_api_url (config, url);
  lsobs_config_set_workspace_id (config, workspace_id);
  lsobs_config_set_ingest_mode (config, LSOBS_INGEST_MODE_MULTIPART);
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  requests = test_server_dup_ingest (server);
  g_assert_cmpuint (requests->len, ==, 1);
  return test_request_ref (requests->pdata[0]);
}

static void
test_tolerated (void)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (TestRequest) request = send_one (server, " \"URL/prefix///\" \n", " '" SECRET "'\n",
                                              "\t11111111-2222-4333-8444-555555555555 ");

  g_assert_cmpstr (request->path, ==, "/prefix/runs/multipart");
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, SECRET);
  g_assert_cmpstr (test_request_get_header (request, "X-Tenant-Id"), ==,
                   "11111111-2222-4333-8444-555555555555");
}

static void
test_no_key_no_header (void)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (TestRequest) request = send_one (server, "URL", NULL, NULL);

  g_assert_cmpstr (request->path, ==, "/runs/multipart");
  g_assert_null (test_request_get_header (request, "x-api-key"));
  g_assert_null (test_request_get_header (request, "X-Tenant-Id"));
}

/* A missing key */

typedef struct
{
  const char *path;
  const char *url;
  const char *key;
  gboolean missing;
} KeyRow;

static const KeyRow missing_rows[] = {
  { "remote", REMOTE, NULL, TRUE },
  { "remote-empty", REMOTE, "", TRUE },
  { "remote-white", REMOTE, " \t\n", TRUE },
  { "remote-quotes", REMOTE, "''", TRUE },
  { "remote-like-loopback", "https://localhost.example.com", NULL, TRUE },
  { "remote-key", REMOTE, SECRET, FALSE },
  { "loopback", LOCAL, NULL, FALSE },
  { "loopback-v6", "http://[::1]:9", NULL, FALSE },
  { "localhost", "https://localhost:9/api", "", FALSE },
};

static void
test_missing_key (gconstpointer data)
{
  const KeyRow *row = data;
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsConfig) config = lsobs_config_new (row->key, NULL);
  g_autoptr (LsobsObserver) tested = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_api_url (config, row->url);
  g_assert_true (lsobs_config_validate (config, NULL));
  if (row->missing)
    {
      g_assert_null (lsobs_observer_new (config, &error));
      assert_message (error, "api key");
      g_assert_nonnull (strstr (error->message, "LANGSMITH_API_KEY"));
      g_clear_error (&error);
    }
  else
    {
      assert_valid (config);
    }
  tested = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  g_assert_no_error (error);
  g_assert_nonnull (tested);
}

#define ADD_ROWS(prefix, rows, func) TEST_ADD_ROWS (prefix, rows, path, func)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS ("/config-values/url/", url_rows, test_url);
  g_test_add_func ("/config-values/url/allowed", test_url_allowed);
  ADD_ROWS ("/config-values/key/", key_rows, test_key);
  ADD_ROWS ("/config-values/workspace/", workspace_rows, test_workspace);
  ADD_ROWS ("/config-values/regex/", regex_rows, test_regex);
  ADD_ROWS ("/config-values/project/", project_rows, test_project);
  ADD_ROWS ("/config-values/revision/", revision_rows, test_revision);
  g_test_add_func ("/config-values/no-place-for-error", test_no_place_for_error);
  g_test_add_func ("/config-values/tolerated", test_tolerated);
  g_test_add_func ("/config-values/no-key-no-header", test_no_key_no_header);
  ADD_ROWS ("/config-values/missing-key/", missing_rows, test_missing_key);

  return g_test_run ();
}
