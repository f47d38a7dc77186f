/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "lsobs doctor": each thing that it checks, right and wrong; that it prints no key; and what it exits with. */

#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "lsobs/config/lsobs-config-private.h"

#include "tests/lib/test-helpers.h"
#include "tests/lib/test-proxy-server.h"
#include "tests/tools/serve-helpers.h"
#include "tools/doctor/disk.h"
#include "tools/doctor/variables.h"

#define KEY         "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789"
#define SERVICE_KEY "lsv2_sk_0123456789abcdef0123456789abcdef_0123456789"

typedef struct
{
  ServeFixture base;
  TestServer *server; /* (owned) */
} DoctorFixture;

static void
set_up (DoctorFixture *fixture, gconstpointer data)
{
  serve_fixture_set_up (&fixture->base, data);
  fixture->server = test_server_new ();
}

static void
tear_down (DoctorFixture *fixture, gconstpointer data)
{
  test_server_free (fixture->server);
  serve_fixture_tear_down (&fixture->base, data);
}

/* --- running it --- */

/* Replaces @D by the folder of the test, @S by the address of its server, and @P by the port.
 * Returns: (transfer full) */
static char *
expand (DoctorFixture *fixture, const char *text)
{
  g_autoptr (GString) out = g_string_new (text);
  g_autofree char *port = g_strdup_printf ("%u", test_server_get_port (fixture->server));

  g_string_replace (out, "@D", fixture->base.folder, 0);
  g_string_replace (out, "@S", test_server_get_url (fixture->server), 0);
  g_string_replace (out, "@P", port, 0);
  return g_strdup (out->str);
}

/* Runs it with variables, one in a line, and returns its exit code.
 * @output, @errors: (out) (transfer full) (optional) */
static int
run (DoctorFixture *fixture, const char *variables, const char *words, char **output, char **errors)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
  g_autofree char *whole = g_strdup_printf ("exec '%s' doctor --database='%s' %s", program,
                                            fixture->base.database, words);
  g_autofree char *command = expand (fixture, whole);
  g_autofree char *expanded = expand (fixture, variables);
  g_auto (GStrv) lines = g_strsplit (expanded, "\n", -1);
  g_autofree char *state = g_build_filename (fixture->base.folder, "state", NULL);
  const char *argv[] = { "/bin/sh", "-c", command, NULL };
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_setenv (launcher, "HOME", fixture->base.folder, TRUE);
  g_subprocess_launcher_setenv (launcher, "XDG_STATE_HOME", state, TRUE);
  for (char **line = lines; *line != NULL; line++)
    if (**line != '\0')
      {
        g_auto (GStrv) parts = g_strsplit (*line, "=", 2);
        g_autofree char *value = g_strcompress (parts[1]);

        g_subprocess_launcher_setenv (launcher, parts[0], value, TRUE);
      }
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, output, errors, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  return g_subprocess_get_exit_status (process);
}

/* The same as JSON. */
static JsonNode *
run_json (DoctorFixture *fixture, const char *variables, const char *words)
{
  g_autofree char *all = g_strconcat ("--json ", words, NULL);
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;
  int code = run (fixture, variables, all, &output, &errors);
  JsonNode *node = json_from_string (output, &error);
  const char *result;

  g_assert_no_error (error);
  g_assert_cmpstr (errors, ==, "");
  result = json_object_get_string_member (json_node_get_object (node), "result");
  g_assert_cmpint (code, ==, strcmp (result, "failure") == 0 ? 1 : 0);
  return node;
}

/* Finds a finding with that result and text; there is one. Returns: (transfer none) */
static JsonObject *
find (JsonNode *report, const char *check, const char *result, const char *text)
{
  JsonArray *checks = json_object_get_array_member (json_node_get_object (report), "checks");
  g_autofree char *all = json_to_string (report, TRUE);

  for (guint i = 0; i < json_array_get_length (checks); i++)
    {
      JsonObject *finding = json_array_get_object_element (checks, i);

      if (strcmp (json_object_get_string_member (finding, "check"), check) == 0 &&
          strcmp (json_object_get_string_member (finding, "result"), result) == 0 &&
          (text == NULL || strstr (json_object_get_string_member (finding, "text"), text) != NULL))
        return finding;
    }
  g_error ("no finding “%s” of %s with “%s” in %s", result, check, text, all);
}

static void
assert_none (JsonNode *report, const char *check)
{
  JsonArray *checks = json_object_get_array_member (json_node_get_object (report), "checks");

  for (guint i = 0; i < json_array_get_length (checks); i++)
    g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (checks, i),
                                                    "check"),
                     !=, check);
}

/* --- without a request --- */

typedef struct
{
  const char *name;
  const char *variables;
  const char *check;
  const char *result;
  const char *text;
  const char *advice; /* (nullable): a part of it */
} SettingRow;

#define GOOD "LANGSMITH_TRACING=true\nLANGSMITH_API_KEY=" KEY "\n"

static const SettingRow setting_rows[] = {
  { "variables/none", "", "variables", "ok", "No variable is set", NULL },
  { "variables/two", GOOD, "variables", "ok", "2 are set", NULL },
  { "variables/typo", "LANGSMITH_API_KY=x", "variables", "warning", "LANGSMITH_API_KY is set",
    "Set LANGSMITH_API_KEY" },
  { "variables/typo-of-prefix", "LANGSMIHT_TRACING=x", "variables", "warning", "LANGSMIHT_TRACING",
    "LANGSMITH_TRACING " },
  { "variables/case", "langsmith_endpoint=x", "variables", "warning", "langsmith_endpoint",
    "LANGSMITH_ENDPOINT" },
  { "variables/of-others", "LANGCHAIN_CALLBACKS_BACKGROUND=true\nLANGSMITH_TEST_SUITE=x",
    "variables", "ok", "No variable is set", NULL },
  { "variables/pair", "LANGSMITH_PROJECT=a\nLANGCHAIN_PROJECT=b", "variables", "warning",
    "LANGSMITH_PROJECT and LANGCHAIN_PROJECT differ", "Unset LANGCHAIN_PROJECT" },
  { "variables/pair-of-switches", "LANGCHAIN_TRACING_V2=no\nLANGSMITH_TRACING=true", "variables",
    "warning", "LANGCHAIN_TRACING_V2 and LANGSMITH_TRACING differ", "Unset LANGSMITH_TRACING" },
  { "variables/pair-that-agrees", "LANGCHAIN_TRACING_V2=1\nLANGSMITH_TRACING=true", "variables",
    "ok", "2 are set", NULL },
  { "variables/number", GOOD "LANGSMITH_TRACING_QUEUE_MAX_SIZE=many", "variables", "failure",
    "LANGSMITH_TRACING_QUEUE_MAX_SIZE must be a whole number",
    "Correct LANGSMITH_TRACING_QUEUE_MAX_SIZE" },
  { "variables/switch-while-off", "LANGSMITH_HIDE_INPUTS=maybe", "variables", "failure",
    "LANGSMITH_HIDE_INPUTS", NULL },
  { "tracing/on", GOOD, "tracing", "ok", "LANGSMITH_TRACING says so", NULL },
  { "tracing/unset", "", "tracing", "warning", "LANGSMITH_TRACING is not set", "lsobs run" },
  { "tracing/off", "LANGCHAIN_TRACING_V2=false", "tracing", "warning",
    "LANGCHAIN_TRACING_V2 says so", "LANGCHAIN_TRACING_V2=true" },
  { "tracing/word", "LANGSMITH_TRACING=ture", "tracing", "failure", "must be true or false",
    "Correct LANGSMITH_TRACING" },
  { "tracing/share", GOOD "LANGSMITH_TRACING_SAMPLING_RATE=25%", "tracing", "ok", "0.25", NULL },
  { "tracing/none", GOOD "LANGSMITH_TRACING_SAMPLING_RATE=0", "tracing", "warning", "share of 0",
    "Unset it" },
  { "tracing/bad-share", GOOD "LANGSMITH_TRACING_SAMPLING_RATE=2", "tracing", "failure",
    "between 0 and 1", NULL },
  { "key/personal", GOOD, "key", "ok", "LANGSMITH_API_KEY has a personal key", NULL },
  { "key/service", "LANGCHAIN_API_KEY=" SERVICE_KEY, "key", "ok",
    "LANGCHAIN_API_KEY has a service key", NULL },
  { "key/missing", "LANGSMITH_TRACING=true", "key", "failure", "No API key", "LANGSMITH_API_KEY" },
  { "key/missing-while-off", "", "key", "warning", "No API key", "LANGSMITH_API_KEY" },
  { "key/not-needed", "LANGSMITH_ENDPOINT=@S", "key", "ok", "There is none", NULL },
  { "key/white-space", "LANGSMITH_API_KEY=" KEY "\\n", "key", "warning", "white space",
    "Set LANGSMITH_API_KEY" },
  { "key/quotes", "LANGSMITH_API_KEY='" KEY "'", "key", "warning", "quotes", NULL },
  { "key/short", "LANGSMITH_API_KEY=lsv2_pt_0123456789", "key", "warning", "shorter", "lost" },
  { "key/other", "LANGSMITH_API_KEY=0123456789abcdef", "key", "warning", "without the form",
    "lsv2_" },
  { "key/other-here", "LANGSMITH_API_KEY=0123456789abcdef\nLANGSMITH_ENDPOINT=@S", "key", "ok",
    "without the form", NULL },
  { "key/placeholder", "LANGSMITH_API_KEY=<your-api-key>", "key", "failure", "an example",
    "https://smith.langchain.com" },
  { "key/of-serve", "LANGSMITH_API_KEY=lsobs_0123456789abcdef", "key", "warning", "lsobs serve",
    "LANGSMITH_ENDPOINT" },
  { "endpoint/us", GOOD, "endpoint", "ok", "region US", NULL },
  { "endpoint/eu", GOOD "LANGSMITH_ENDPOINT=https://eu.api.smith.langchain.com", "endpoint", "ok",
    "region EU", NULL },
  { "endpoint/own", GOOD "LANGSMITH_ENDPOINT=https://example.org/api", "endpoint", "ok",
    "https://example.org/api", NULL },
  { "endpoint/here", "LANGSMITH_ENDPOINT=@S", "endpoint", "ok", "on this machine", NULL },
  { "endpoint/page", GOOD "LANGSMITH_ENDPOINT=https://eu.smith.langchain.com", "endpoint",
    "failure", "pages", "LANGSMITH_ENDPOINT=https://eu.api.smith.langchain.com" },
  { "endpoint/path", GOOD "LANGSMITH_ENDPOINT=https://example.org/api/runs", "endpoint", "warning",
    "clients add", NULL },
  { "endpoint/scheme", GOOD "LANGSMITH_ENDPOINT=example.org", "endpoint", "failure",
    "Invalid API URL", "Correct LANGSMITH_ENDPOINT" },
  { "endpoint/plain", GOOD "LANGSMITH_ENDPOINT=http://example.org", "endpoint", "failure",
    "plain http", NULL },
  { "endpoint/plain-allowed",
    GOOD "LANGSMITH_ENDPOINT=http://example.org\nLANGSMITH_ALLOW_PLAIN_HTTP=1", "endpoint",
    "warning", "not encrypted", "Use https" },
  { "endpoint/places",
    "LANGSMITH_TRACING=1\nLANGSMITH_RUNS_ENDPOINTS={\"https://a.example\":\"" KEY "\"}", "endpoint",
    "ok", "1 replica in LANGSMITH_RUNS_ENDPOINTS", NULL },
  { "endpoint/bad-place",
    "LANGSMITH_TRACING=1\nLANGSMITH_RUNS_ENDPOINTS={\"https://a.example\":\"" KEY "\",\"b\":\"c\"}",
    "endpoint", "warning", "entry 2 is ignored", NULL },
  { "endpoint/both",
    GOOD "LANGSMITH_ENDPOINT=https://a.example\n"
         "LANGSMITH_RUNS_ENDPOINTS={\"https://a.example\":\"" KEY "\"}",
    "variables", "failure", "Only one of", "Correct" },
  { "tls/no-backend", GOOD "GIO_MODULE_DIR=@D/none", "tls", "failure", "no TLS",
    "glib-networking" },
  { "profile/none", "", "profile", "ok", "There is no file", NULL },
  { "profile/no-file", "LANGSMITH_CONFIG_FILE=@D/none.json", "profile", "failure", "none.json",
    "LANGSMITH_CONFIG_FILE" },
  { "profile/no-profiles", "LANGSMITH_PROFILE=work", "profile", "failure", "There is no file",
    "LANGSMITH_PROFILE" },
  { "serve/none", "", "serve", "ok", "It does not run", NULL },
  { "store/none", "", "store", "ok", "is made by", NULL },
  { "spool/none", "", "spool", "ok", "There is no spool", NULL },
  { "spool/of-each", GOOD "LANGSMITH_SPOOL=1", "spool", "ok", "@D/state/PROGRAM/lsobs", NULL },
  { "spool/no-folder", GOOD "LANGSMITH_SPOOL_DIR=/dev/null", "spool", "failure", "not a folder",
    "Set LANGSMITH_SPOOL_DIR" },
  { "failed-traces/none", "", "failed-traces", "ok", "are not kept", NULL },
};

static void
test_setting (DoctorFixture *fixture, gconstpointer data)
{
  const SettingRow *row = data;
  g_autofree char *text = expand (fixture, row->text);
  g_autoptr (JsonNode) report = run_json (fixture, row->variables, "--offline");
  JsonObject *finding = find (report, row->check, row->result, text);
  const char *advice = json_object_get_string_member_with_default (finding, "advice", NULL);

  if (row->advice != NULL)
    g_assert_nonnull (strstr (advice, row->advice));
  else if (strcmp (row->result, "ok") == 0)
    g_assert_null (advice);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 0);
}

/* Each variable that the library reads is known, in the same order; and the doctor knows no other one. */
static void
test_names (void)
{
  guint n;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n);
  guint n_groups;
  const VariableGroup *groups = variables_get_groups (&n_groups);
  guint n_found = 0;

  for (guint i = 0; i < n; i++)
    {
      guint j = 0;

      if (settings[i].variables[0] == NULL)
        continue;
      while (j < n_groups && strcmp (groups[j].setting, settings[i].name) != 0)
        j++;
      if (j == n_groups)
        g_error ("the variables of %s are not known", settings[i].name);
      for (guint k = 0; settings[i].variables[k] != NULL || groups[j].names[k] != NULL; k++)
        g_assert_cmpstr (settings[i].variables[k], ==, groups[j].names[k]);
      n_found++;
    }
  /* places, two of profiles, and three of OpenTelemetry are no settings */
  g_assert_cmpuint (n_found + 6, ==, n_groups);
  g_assert_cmpstr (variables_guess ("LANGSMITH_API_KEY"), ==, NULL);
  g_assert_cmpstr (variables_guess ("LANGSMITH_AIP_KEY"), ==, "LANGSMITH_API_KEY");
  g_assert_cmpstr (variables_guess ("LANGSMITH_TENANT_ID"), ==, NULL);
  g_assert_cmpstr (variables_guess ("LANG"), ==, NULL);
}

/* --- files --- */

static void
put (DoctorFixture *fixture, const char *name, const char *text, guint mode)
{
  g_autofree char *path = g_build_filename (fixture->base.folder, name, NULL);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (chmod (path, mode), ==, 0);
}

/* A file that may be there. */
static void
remove_file (DoctorFixture *fixture, const char *name)
{
  g_autofree char *path = g_build_filename (fixture->base.folder, name, NULL);

  g_unlink (path);
}

#define PROFILES \
 "{\"current_profile\":\"work\",\"profiles\":{\"work\":{\"api_url\":\"https://eu.example/api\"," \
 "\"api_key\":\"" KEY "\"},\"bad\":{\"api_url\":\"ftp://x\"}}}"

static void
test_profile (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) whole = NULL;
  g_autoptr (JsonNode) overridden = NULL;
  g_autoptr (JsonNode) readable = NULL;
  g_autoptr (JsonNode) missing = NULL;
  g_autoptr (JsonNode) bad = NULL;
  g_autoptr (JsonNode) broken = NULL;
  JsonObject *finding;

  put (fixture, ".langsmith/config.json", PROFILES, 0600);
  whole = run_json (fixture, "LANGSMITH_TRACING=1", "--offline");
  finding = find (whole, "profile", "ok", "“work” of");
  g_assert_true (g_str_has_suffix (json_object_get_string_member (finding, "text"),
                                   "gives the key, the address"));
  find (whole, "key", "ok", "The profile gives it");
  find (whole, "endpoint", "ok", "https://eu.example/api");
  overridden = run_json (fixture, GOOD "LANGSMITH_ENDPOINT=https://a.example", "--offline");
  find (overridden, "profile", "ok", "sets nothing");
  find (overridden, "endpoint", "ok", "https://a.example");
  missing = run_json (fixture, GOOD "LANGSMITH_PROFILE=home", "--offline");
  finding = find (missing, "profile", "failure", "does not have the profile");
  g_assert_nonnull (strstr (json_object_get_string_member (finding, "advice"), "“home”"));
  bad = run_json (fixture, GOOD "LANGSMITH_PROFILE=bad", "--offline");
  find (bad, "profile", "failure", "api_url in");

  put (fixture, ".langsmith/config.json", PROFILES, 0644);
  readable = run_json (fixture, GOOD, "--offline");
  finding = find (readable, "profile", "warning", "mode 0644");
  g_assert_nonnull (strstr (json_object_get_string_member (finding, "advice"), "chmod 600 "));
  put (fixture, ".langsmith/config.json", "{", 0600);
  broken = run_json (fixture, GOOD, "--offline");
  find (broken, "profile", "failure", "not JSON");
}

/* The key of a command is that of the requests. */
static void
test_command (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) good = NULL;
  g_autoptr (JsonNode) failing = NULL;
  g_autoptr (TestRequest) request = NULL;

  put (fixture, ".langsmith/config.json",
       "{\"profiles\":{\"default\":{\"api_key_cmd\":\"echo " KEY "\"},"
       "\"bad\":{\"api_key_cmd\":\"false\"}}}",
       0600);
  test_server_push (fixture->server, "/sessions",
                    (TestAnswer){ .status = 200, .body = "[]", .repeat = -1 });
  good = run_json (fixture, "LANGSMITH_TRACING=1\nLANGSMITH_ENDPOINT=@S", "");
  find (good, "access", "ok", "takes the key");
  request = test_get_request (fixture->server, 0);
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, KEY);
  failing =
      run_json (fixture, "LANGSMITH_TRACING=1\nLANGSMITH_ENDPOINT=@S\nLANGSMITH_PROFILE=bad", "");
  find (failing, "access", "failure", "the profile bad");
  find (failing, "service", "ok", NULL);
}

#define FOLDERS GOOD "LANGSMITH_SPOOL_DIR=@D/spool\nLANGSMITH_FAILED_TRACES_DIR=@D/failed"

static void
test_folders (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *spool = g_build_filename (fixture->base.folder, "spool", NULL);
  g_autofree char *file = NULL;
  g_autoptr (JsonNode) absent = run_json (fixture, FOLDERS, "--offline");
  g_autoptr (JsonNode) full = NULL;
  g_autoptr (JsonNode) open = NULL;
  g_autoptr (JsonNode) large = NULL;
  JsonObject *finding = find (absent, "spool", "ok", "is made when it is needed");

  g_assert_cmpint (json_object_get_int_member (finding, "free_bytes"), >, 0);
  find (absent, "failed-traces", "ok", "is made when it is needed");

  put (fixture, "spool/trace_1.json", "12345", 0600);
  put (fixture, "spool/trace_2.json", "12345", 0600);
  put (fixture, "spool/other.json", "12345", 0600);
  put (fixture, "failed/replica-1/trace_1.json", "12345", 0600);
  full = run_json (fixture, FOLDERS, "--offline");
  finding = find (full, "spool", "ok", "2 batches");
  g_assert_cmpint (json_object_get_int_member (finding, "batches"), ==, 2);
  g_assert_cmpint (json_object_get_int_member (finding, "bytes"), ==, 10);
  finding = find (full, "failed-traces", "warning", "1 batch");
  g_assert_nonnull (strstr (json_object_get_string_member (finding, "advice"), "lsobs forward"));

  g_assert_cmpint (chmod (spool, 0777), ==, 0);
  open = run_json (fixture, FOLDERS, "--offline");
  finding = find (open, "spool", "failure", "Other users can write");
  g_assert_nonnull (strstr (json_object_get_string_member (finding, "advice"), "chmod 700 "));
  g_assert_cmpint (chmod (spool, 0700), ==, 0);

  put (fixture, "spool/trace_3.json", "", 0600);
  file = g_build_filename (spool, "trace_3.json", NULL);
  g_assert_cmpint (truncate (file, 900 * 1024), ==, 0);
  large = run_json (fixture, FOLDERS "\nLANGSMITH_SPOOL_MAX_MB=1", "--offline");
  find (large, "spool", "warning", "3 batches");
}

/* A folder that the user may not write to. */
static void
test_read_only (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *folder = g_build_filename (fixture->base.folder, "closed", NULL);
  g_autoptr (JsonNode) report = NULL;

  g_assert_cmpint (g_mkdir (folder, 0500), ==, 0);
  if (access (folder, W_OK) == 0)
    {
      g_test_skip ("root may write everywhere");
      return;
    }
  report = run_json (fixture, GOOD "LANGSMITH_SPOOL_DIR=@D/closed/spool", "--offline");
  find (report, "spool", "failure", "cannot be written to");
}

static void
test_store (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (JsonNode) open = NULL;
  g_autoptr (JsonNode) damaged = NULL;
  g_autoptr (JsonNode) ended = NULL;

  serve_start (&fixture->base, NULL, NULL);
  report = run_json (fixture, "", "--offline");
  g_assert_cmpstr (json_object_get_string_member (find (report, "serve", "ok", "It runs at"),
                                                  "url"),
                   ==, fixture->base.url);
  find (report, "store", "ok", "traces.db has ");
  serve_stop (&fixture->base, SIGTERM);
  ended = run_json (fixture, "", "--offline");
  find (ended, "serve", "ok", "It does not run");
  g_assert_cmpint (chmod (fixture->base.database, 0644), ==, 0);
  open = run_json (fixture, "", "--offline");
  find (open, "store", "warning", "mode 0644");
  remove_file (fixture, "data/traces.db-wal");
  remove_file (fixture, "data/traces.db-shm");
  put (fixture, "data/traces.db", "this is no database, and it is long enough to be read as one",
       0600);
  damaged = run_json (fixture, "", "--offline");
  find (damaged, "store", "failure", "traces.db");
}

/* A folder in place of the database: the advice does not close the folder. */
static void
test_folder_for_store (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) report = NULL;
  JsonObject *finding;

  g_assert_cmpint (g_mkdir_with_parents (fixture->base.database, 0755), ==, 0);
  report = run_json (fixture, "", "--offline");
  finding = find (report, "store", "failure", "not a file of this user");
  g_assert_null (strstr (json_object_get_string_member (finding, "advice"), "chmod"));
}

/* The free bytes of every disk, as the system says. */
static guint64 room = 0;

/* Takes the place of the function of the system in this program. */
int
statvfs (const char *path G_GNUC_UNUSED, struct statvfs *info)
{
  memset (info, 0, sizeof *info);
  info->f_frsize = 1024;
  info->f_bavail = room / 1024;
  return 0;
}

/* Returns: (transfer full): what is said of the database and the folders if so many MiB are free */
static JsonNode *
check_disk (DoctorFixture *fixture, guint mib, LsobsConfig *config)
{
  g_autofree char *path = g_build_filename (fixture->base.folder, "report", NULL);
  g_autofree char *text = NULL;
  g_autoptr (Report) report = report_new ();
  g_autoptr (GError) error = NULL;
  FILE *file = fopen (path, "w");
  JsonNode *node;

  g_assert_nonnull (file);
  room = (guint64) mib << 20;
  disk_check_folders (report, config);
  disk_check_store (report, fixture->base.database);
  report_print_json (report, file);
  g_assert_cmpint (fclose (file), ==, 0);
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  node = json_from_string (text, &error);
  g_assert_no_error (error);
  return node;
}

/* A disk that is nearly full: of the database, of a spool, and also if the file has another fault. */
static void
test_full_disk (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    guint mib;
    const char *result;
    const char *text;
  } rows[] = {
    { 256, "ok", " are free" },
    { 255, "warning", " are free on the disk of" },
    { 16, "warning", " are free on the disk of" },
    { 15, "failure", " are free on the disk of" },
    { 0, "failure", " are free on the disk of" },
  };
  static const char *const topics[] = { "store", "spool", "failed-traces" };
  g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "p");
  g_autofree char *spool = g_build_filename (fixture->base.folder, "spool", NULL);
  g_autofree char *failed = g_build_filename (fixture->base.folder, "failed", NULL);
  g_autoptr (JsonNode) open = NULL;

  lsobs_config_set_spool_dir (config, spool);
  lsobs_config_set_failed_traces_dir (config, failed);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (JsonNode) report = check_disk (fixture, rows[i].mib, config);

      for (guint j = 0; j < G_N_ELEMENTS (topics); j++)
        {
          JsonObject *finding = find (report, topics[j], rows[i].result, rows[i].text);

          g_assert_cmpint (json_object_get_int_member (finding, "free_bytes"), ==,
                           (gint64) rows[i].mib << 20);
          if (i > 0)
            g_assert_nonnull (strstr (json_object_get_string_member (finding, "advice"),
                                      "choose another folder"));
        }
    }
  {
    g_autoptr (Store) store = store_open (fixture->base.database, DATABASE_READ_WRITE, NULL);

    g_assert_nonnull (store);
  }
  g_assert_cmpint (chmod (fixture->base.database, 0644), ==, 0);
  open = check_disk (fixture, 1, config);
  find (open, "store", "warning", "mode 0644");
  find (open, "store", "failure", " are free on the disk of");
}

/* --- answers --- */

#define HERE "LANGSMITH_TRACING=true\nLANGSMITH_ENDPOINT=@S\nLANGSMITH_API_KEY=" KEY "\n"
#define PAGE "<html>Sign in</html>"

typedef struct
{
  const char *name;
  TestAnswer info; /* without a status: what the server says by itself */
  TestAnswer sessions;
  TestAnswer batch;
  const char *check;
  const char *result;
  const char *text;
  const char *advice; /* (nullable) */
} AnswerRow;

#define LIST \
 { \
  .status = 200, .body = "[]" \
 }

static const AnswerRow answer_rows[] = {
  { "service/good", { 0 }, LIST, { 0 }, "service", "ok", "version 0.12.1", NULL },
  { "service/no-version",
    { .status = 200, .body = "{}" },
    LIST,
    { 0 },
    "service",
    "ok",
    "does not say its version",
    NULL },
  { "service/old",
    { .status = 404, .body = "{\"detail\":\"Not Found\"}" },
    LIST,
    { 0 },
    "service",
    "warning",
    "an old version",
    NULL },
  { "service/portal",
    { .status = 200, .headers = "Content-Type: text/html", .body = PAGE },
    { .status = 200, .body = PAGE },
    { .status = 200, .body = PAGE },
    "service",
    "failure",
    "not the service's",
    NULL },
  { "service/no-json",
    { .status = 200, .body = "hello" },
    LIST,
    { 0 },
    "service",
    "failure",
    "not the service's",
    NULL },
  { "service/redirect",
    { .status = 302, .headers = "Location: https://elsewhere.example/" },
    LIST,
    { 0 },
    "service",
    "failure",
    "redirect",
    NULL },
  { "service/failing",
    { .status = 503 },
    { .status = 503 },
    { .status = 503 },
    "service",
    "failure",
    "HTTP 503",
    "Wait" },
  { "service/busy",
    { .status = 429, .headers = "Retry-After: 3600" },
    LIST,
    { 0 },
    "service",
    "warning",
    "HTTP 429",
    "Wait a minute" },
  { "service/hangs",
    { .mode = TEST_ANSWER_HANG },
    LIST,
    { 0 },
    "service",
    "failure",
    "cannot be reached",
    "lsobs serve" },
  { "clock/good", { 0 }, LIST, { 0 }, "clock", "ok", "agrees", NULL },
  { "clock/ahead",
    { .status = 200, .headers = "Date: Mon, 05 Jan 2015 10:00:00 GMT", .body = "{}" },
    LIST,
    { 0 },
    "clock",
    "failure",
    "ahead",
    "timedatectl" },
  { "clock/behind",
    { .status = 200, .headers = "Date: Mon, 05 Jan 2099 10:00:00 GMT", .body = "{}" },
    LIST,
    { 0 },
    "clock",
    "failure",
    "behind",
    "timedatectl" },
  { "access/good", { 0 }, LIST, { 0 }, "access", "ok", "takes the key", NULL },
  { "access/wrong-key",
    { 0 },
    { .status = 401, .body = "{\"detail\":\"Invalid token\"}" },
    { .status = 401, .body = "{\"detail\":\"Invalid token\"}" },
    "access",
    "failure",
    "refused the API key",
    "LANGSMITH_API_KEY" },
  { "access/forbidden",
    { 0 },
    { .status = 403, .body = "{\"error\":\"Forbidden\"}" },
    { .status = 403, .body = "{\"error\":\"Forbidden\"}" },
    "access",
    "failure",
    "HTTP 403",
    "LANGSMITH_API_KEY" },
  { "access/may-not-list",
    { 0 },
    { .status = 403, .body = "{\"error\":\"Forbidden\"}" },
    { 0 },
    "access",
    "warning",
    "HTTP 403",
    "may not list" },
  { "access/no-workspace",
    { 0 },
    { .status = 403, .body = "{\"error\":\"org_scoped_key_requires_workspace\"}" },
    { .status = 403, .body = "{\"error\":\"org_scoped_key_requires_workspace\"}" },
    "access",
    "failure",
    "LANGSMITH_WORKSPACE_ID",
    NULL },
  { "access/firewall",
    { 0 },
    { .status = 403, .headers = "Content-Type: text/html", .body = PAGE },
    { .status = 403, .headers = "Content-Type: text/html", .body = PAGE },
    "access",
    "failure",
    "firewall",
    NULL },
  { "writing/good", { 0 }, LIST, { 0 }, "writing", "ok", "can be sent", NULL },
  { "writing/empty-refused",
    { 0 },
    LIST,
    { .status = 422, .body = "{\"detail\":\"empty\"}" },
    "writing",
    "ok",
    "can be sent",
    NULL },
  { "writing/forbidden",
    { 0 },
    LIST,
    { .status = 403, .body = "{\"error\":\"Forbidden\"}" },
    "writing",
    "failure",
    "HTTP 403",
    "role" },
  { "writing/quota",
    { 0 },
    LIST,
    { .status = 429, .body = "{\"detail\":\"Monthly unique traces usage limit exceeded\"}" },
    "writing",
    "warning",
    "used up",
    "Raise the limit" },
  { "writing/failing", { 0 }, LIST, { .status = 500 }, "writing", "failure", "HTTP 500", "Wait" },
  { "project/new", { 0 }, LIST, { 0 }, "project", "ok", "“default” is not there", NULL },
  { "project/there",
    { 0 },
    { .status = 200, .body = "[{\"id\":\"" TEST_ROOT "\",\"name\":\"default\"}]" },
    { 0 },
    "project",
    "ok",
    "“default” is there",
    NULL },
  { "limits",
    { .status = 200,
      .body = "{\"batch_ingest_config\":{\"size_limit\":7,\"size_limit_bytes\":65536}}" },
    LIST,
    { 0 },
    "limits",
    "ok",
    "7 runs and 64.0",
    NULL },
  { "tls/not-used", { 0 }, LIST, { 0 }, "tls", "ok", "not https", NULL },
  { "proxy/none", { 0 }, LIST, { 0 }, "proxy", "ok", "No proxy", NULL },
};

static void
push (DoctorFixture *fixture, const char *path, const TestAnswer *answer)
{
  if (answer->status != 0 || answer->mode != TEST_ANSWER_WHOLE)
    test_server_push (fixture->server, path, *answer);
}

static void
test_answer (DoctorFixture *fixture, gconstpointer data)
{
  const AnswerRow *row = data;
  g_autoptr (JsonNode) report = NULL;
  JsonObject *finding;
  const char *advice;

  push (fixture, "/info", &row->info);
  push (fixture, "/sessions", &row->sessions);
  push (fixture, "/runs/batch", &row->batch);
  report = run_json (fixture, HERE, row->info.mode == TEST_ANSWER_HANG ? "--timeout=1" : "");
  finding = find (report, row->check, row->result, row->text);
  advice = json_object_get_string_member_with_default (finding, "advice", NULL);
  if (row->advice != NULL)
    g_assert_nonnull (strstr (advice, row->advice));
  else
    g_assert_null (advice);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 0);
}

/* Nothing that a program would need is missing: nothing but "ok". */
static void
test_good (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (TestRequest) request = NULL;

  test_server_push (fixture->server, "/sessions", (TestAnswer) LIST);
  report = run_json (fixture, HERE "LANGSMITH_PROJECT=a b", "");
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (report), "result"), ==,
                   "ok");
  request = test_get_request (fixture->server, 0);
  g_assert_cmpstr (request->path, ==, "/sessions?limit=1&name=a%20b");
  g_assert_cmpstr (test_request_get_header (request, "x-api-key"), ==, KEY);
}

static void
test_refused (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) report = NULL;

  test_server_close_port (fixture->server);
  report = run_json (fixture, HERE, "");
  find (report, "service", "failure", "cannot be reached");
  assert_none (report, "access");
  assert_none (report, "writing");
}

/* Each of several places is asked. */
static void
test_places (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestServer) other = test_server_new ();
  g_autofree char *variables =
      g_strdup_printf ("LANGSMITH_TRACING=1\nLANGSMITH_RUNS_ENDPOINTS={\"@S\":\"" KEY
                       "\",\"%s\":\"" SERVICE_KEY "\"}",
                       test_server_get_url (other));
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (JsonNode) refused = NULL;
  JsonObject *finding;

  test_server_push (fixture->server, "/sessions", (TestAnswer) LIST);
  test_server_push (other, "/sessions", (TestAnswer){ .status = 401, .body = "{}" });
  report = run_json (fixture, variables, "");
  find (report, "access", "ok", test_server_get_url (fixture->server));
  finding = find (report, "access", "warning", test_server_get_url (other));
  g_assert_cmpstr (json_object_get_string_member (finding, "api_url"), ==,
                   test_server_get_url (other));
  /* A key that is refused is in the list, not in a variable of its own. */
  test_server_push (fixture->server, "/sessions", (TestAnswer){ .status = 401, .body = "{}" });
  test_server_push (fixture->server, "/runs/batch", (TestAnswer){ .status = 401, .body = "{}" });
  refused = run_json (fixture, variables, "");
  finding = find (refused, "access", "failure", test_server_get_url (fixture->server));
  g_assert_nonnull (
      strstr (json_object_get_string_member (finding, "advice"), "LANGSMITH_RUNS_ENDPOINTS"));
}

static void
test_serve (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *variables = NULL;
  g_autofree char *wrong = NULL;
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (JsonNode) refused = NULL;
  JsonObject *finding;

  serve_start (&fixture->base, NULL, NULL);
  variables = g_strdup_printf ("LANGSMITH_TRACING=1\nLANGSMITH_ENDPOINT=%s\nLANGSMITH_API_KEY=%s",
                               fixture->base.url, fixture->base.token);
  report = run_json (fixture, variables, "");
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (report), "result"), ==,
                   "ok");
  find (report, "writing", "ok", NULL);
  wrong = g_strdup_printf ("LANGSMITH_TRACING=1\nLANGSMITH_ENDPOINT=%s\nLANGSMITH_API_KEY=" KEY,
                           fixture->base.url);
  refused = run_json (fixture, wrong, "");
  finding = find (refused, "access", "failure", "(HTTP 401: The token is missing or wrong");
  g_assert_null (strchr (json_object_get_string_member (finding, "text"), '{'));
  g_assert_nonnull (strstr (json_object_get_string_member (finding, "advice"), "/lsobs/token"));
  /* The other requests have failed in the same way, and it is said once. */
  assert_none (refused, "service");
  assert_none (refused, "writing");
}

/* A service that fails is one finding, whatever it is asked. */
static void
test_failing (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const TestAnswer answer = { .status = 503 };
  g_autoptr (JsonNode) report = NULL;

  push (fixture, "/info", &answer);
  push (fixture, "/sessions", &answer);
  push (fixture, "/runs/batch", &answer);
  report = run_json (fixture, HERE, "");
  find (report, "service", "failure", "HTTP 503");
  assert_none (report, "access");
  assert_none (report, "writing");
}

/* --- TLS and proxies --- */

static void
test_certificate (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *authority = test_find_certificate ("authority.pem");
  g_autofree char *trusting = g_strconcat (HERE "LANGSMITH_CA_FILE=", authority, NULL);
  g_autoptr (JsonNode) refused = NULL;
  g_autoptr (JsonNode) trusted = NULL;
  g_autoptr (JsonNode) missing = NULL;

  if (!g_tls_backend_supports_tls (g_tls_backend_get_default ()))
    {
      g_test_skip ("glib-networking is not here");
      return;
    }
  test_server_free (fixture->server);
  fixture->server = test_new_tls_server ();
  refused = run_json (fixture, HERE, "");
  find (refused, "tls", "failure", "LANGSMITH_CA_FILE");
  find (refused, "service", "failure", "cannot be reached");
  test_server_push (fixture->server, "/sessions", (TestAnswer) LIST);
  trusted = run_json (fixture, trusting, "");
  find (trusted, "tls", "ok", "LANGSMITH_CA_FILE");
  find (trusted, "service", "ok", NULL);
  missing = run_json (fixture, HERE "LANGSMITH_CA_FILE=@D/none.pem", "");
  find (missing, "service", "failure", "none.pem");
}

#define ELSEWHERE \
 "LANGSMITH_TRACING=true\nLANGSMITH_ENDPOINT=http://service.example\nLANGSMITH_ALLOW_PLAIN_HTTP=1\n" \
 "LANGSMITH_API_KEY=" KEY "\n"

static void
test_proxy (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestProxy) proxy = test_proxy_new (test_server_get_port (fixture->server));
  g_autofree char *variables =
      g_strdup_printf (ELSEWHERE "http_proxy=socks5://somebody:hunter2hunter2@127.0.0.1:%u",
                       test_proxy_get_port (proxy));
  g_autoptr (JsonNode) report = NULL;
  g_autoptr (JsonNode) unusable = NULL;
  g_autoptr (JsonNode) refused = NULL;
  g_autoptr (JsonNode) exempt = NULL;
  JsonObject *finding;
  g_autofree char *all = NULL;

  test_server_push (fixture->server, "/sessions", (TestAnswer) LIST);
  report = run_json (fixture, variables, "");
  finding = find (report, "proxy", "ok", "http_proxy says so");
  g_assert_nonnull (
      strstr (json_object_get_string_member (finding, "text"), "socks5://127.0.0.1:"));
  find (report, "service", "ok", NULL);
  all = json_to_string (report, FALSE);
  g_assert_null (strstr (all, "hunter2"));
  g_assert_null (strstr (all, "somebody"));

  exempt = run_json (fixture, HERE "http_proxy=http://proxy.example", "");
  find (exempt, "proxy", "ok", "No proxy");
  unusable = run_json (fixture, ELSEWHERE "http_proxy=gopher://proxy.example", "");
  find (unusable, "proxy", "failure", "http_proxy is not valid");

  test_server_close_port (fixture->server);
  refused = run_json (fixture, ELSEWHERE "http_proxy=http://127.0.0.1:@P", "");
  finding = find (refused, "proxy", "failure", "cannot be reached");
  g_assert_nonnull (strstr (json_object_get_string_member (finding, "advice"), "no_proxy"));
}

/* --- secrets --- */

/* A key that was written into any variable, alone or as a part of what belongs there, is never printed. */
static void
test_secrets (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const forms[] = { KEY, "https://" KEY ".example/api", "/tmp/" KEY "/x",
                                       "{\"https://a.example\":\"" KEY "\"}",
                                       "http://u:" KEY "@127.0.0.1:1" };
  static const char *const others[] = { "http_proxy", "https_proxy",   "all_proxy",
                                        "no_proxy",   "SSL_CERT_FILE", "LANGSMITH_API_KY" };
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  guint n;
  const VariableGroup *groups = variables_get_groups (&n);

  for (guint i = 0; i < n; i++)
    for (const char *const *name = groups[i].names; *name != NULL; name++)
      g_ptr_array_add (names, (gpointer) *name);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    g_ptr_array_add (names, (gpointer) others[i]);
  for (guint f = 0; f < G_N_ELEMENTS (forms); f++)
    {
      const char *value = forms[f];
      g_autoptr (GString) variables = g_string_new (NULL);

      /* all at once, and then each group with a program that would otherwise work */
      for (guint i = 0; i < names->len; i++)
        g_string_append_printf (variables, "%s=%s\n", (char *) g_ptr_array_index (names, i), value);
      for (guint i = 0; i <= n; i++)
        {
          g_autofree char *output = NULL;
          g_autofree char *errors = NULL;
          g_autoptr (GString) some = g_string_new (i == 0 ? variables->str : GOOD);

          for (const char *const *name = groups[MAX (i, 1) - 1].names; i > 0 && *name != NULL;
               name++)
            g_string_append_printf (some, "%s=%s\n", *name, value);
          run (fixture, some->str, i % 2 == 0 ? "--offline" : "--offline --json", &output, &errors);
          if (strstr (output, "0123456789abcdef") != NULL || strstr (errors, "0123456789") != NULL)
            g_error ("a key is in: %s%s", output, errors);
          g_assert_cmpstr (errors, ==, "");
        }
    }
}

/* Nor is it if it has no form that is known, and the service sends it back. */
static void
test_echo (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  test_server_push (fixture->server, "/info",
                    (TestAnswer){ .status = 200, .body = "{\"version\":\"0.1 hunter2hunter2\"}" });
  test_server_push (fixture->server, "/sessions",
                    (TestAnswer){ .status = 401,
                                  .body = "{\"detail\":\"no hunter2hunter2 \\u001b[31m\"}" });
  run (fixture,
       "LANGSMITH_TRACING=1\nLANGSMITH_ENDPOINT=@S\nLANGSMITH_API_KEY= \"hunter2hunter2\" ", "",
       &output, &errors);
  g_assert_nonnull (strstr (output, "[REDACTED]"));
  g_assert_null (strstr (output, "hunter2"));
  g_assert_null (strchr (output, '\033'));
}

/* --- the terminal --- */

static void
assert_width (const char *output, glong columns)
{
  g_auto (GStrv) lines = g_strsplit (output, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    if (g_utf8_strlen (*line, -1) > columns)
      g_error ("wider than %ld columns: %s", columns, *line);
}

static void
test_terminal (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const int widths[] = { 40, 60, 80, 120 };

  for (guint i = 0; i < G_N_ELEMENTS (widths); i++)
    {
      g_autofree char *variables =
          g_strdup_printf ("COLUMNS=%d\nLANGSMITH_TRACING=ture\nLANGSMITH_API_KEY=<your-key>\n"
                           "LANGSMITH_API_KY=x\nLANGSMITH_ENDPOINT=https://smith.langchain.com",
                           widths[i]);
      g_autofree char *output = NULL;

      g_assert_cmpint (run (fixture, variables, "--offline", &output, NULL), ==, 1);
      assert_width (output, widths[i]);
      g_assert_nonnull (strstr (output, "✗ failure "));
      g_assert_nonnull (strstr (output, "! warning "));
      g_assert_nonnull (strstr (output, "✓ ok "));
      g_assert_nonnull (strstr (output, "→ "));
      g_assert_nonnull (strstr (output, "\n3 failures, 1 warning\n"));
      g_assert_null (strchr (output, '\033'));
    }
}

static void
test_codes (DoctorFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *help = NULL;
  g_autofree char *fine = NULL;
  g_autofree char *warned = NULL;

  g_assert_cmpint (run (fixture, GOOD, "--offline", &fine, NULL), ==, 0);
  g_assert_true (g_str_has_suffix (fine, "\nAll is fine\n"));
  g_assert_cmpint (run (fixture, "LANGSMITH_API_KEY=" KEY, "--offline", &warned, NULL), ==, 0);
  g_assert_true (g_str_has_suffix (warned, "\n1 warning\n"));
  g_assert_cmpint (run (fixture, "LANGSMITH_TRACING=true", "--offline", NULL, NULL), ==, 1);
  g_assert_cmpint (run (fixture, "", "--offline", NULL, NULL), ==, 0);
  g_assert_cmpint (run (fixture, "", "--nonsense", NULL, NULL), ==, 2);
  g_assert_cmpint (run (fixture, "", "word", NULL, NULL), ==, 2);
  g_assert_cmpint (run (fixture, "", "--timeout=0", NULL, NULL), ==, 2);
  g_assert_cmpint (run (fixture, "", "--help", &help, NULL), ==, 0);
  g_assert_nonnull (strstr (help, "--offline"));
}

#define ADD(path, func) g_test_add (path, DoctorFixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/doctor/names", test_names);
  TEST_ADD_FIXTURE_ROWS ("/doctor/setting/", setting_rows, name, DoctorFixture, set_up,
                         test_setting, tear_down);
  ADD ("/doctor/profile", test_profile);
  ADD ("/doctor/command", test_command);
  ADD ("/doctor/folders", test_folders);
  ADD ("/doctor/read-only", test_read_only);
  ADD ("/doctor/store", test_store);
  ADD ("/doctor/folder-for-store", test_folder_for_store);
  ADD ("/doctor/full-disk", test_full_disk);
  TEST_ADD_FIXTURE_ROWS ("/doctor/answer/", answer_rows, name, DoctorFixture, set_up, test_answer,
                         tear_down);
  ADD ("/doctor/good", test_good);
  ADD ("/doctor/refused", test_refused);
  ADD ("/doctor/places", test_places);
  ADD ("/doctor/serve", test_serve);
  ADD ("/doctor/failing", test_failing);
  ADD ("/doctor/certificate", test_certificate);
  ADD ("/doctor/proxy", test_proxy);
  ADD ("/doctor/secrets", test_secrets);
  ADD ("/doctor/echo", test_echo);
  ADD ("/doctor/terminal", test_terminal);
  ADD ("/doctor/codes", test_codes);
  return g_test_run ();
}
