/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-observer.h"

#include "tests/lib/test-utils.h"

/* Where a config gets its settings when the program says nothing. */

#define SECRET    "lsv2_pt_5ec4e7"
#define LOCAL     "http://127.0.0.1:9"
#define WORKSPACE "11111111-2222-4333-8444-555555555555"

static const char *const prefixes[] = { "LANGSMITH_", "LANGCHAIN_" };

/* An environment that says nothing, and a home where there is nothing. */
static TestEnv *
new_environment (void)
{
  TestEnv *env = test_env_new ();

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    test_env_unset_prefix (env, prefixes[i]);
  test_env_set (env, "HOSTED_LANGSERVE_PROJECT_NAME", NULL);
  return env;
}

static LsobsConfig *
read_environment (void)
{
  g_autoptr (GError) error = NULL;
  LsobsConfig *config = lsobs_config_new_from_environment (&error);

  g_assert_no_error (error);
  g_assert_true (LSOBS_IS_CONFIG (config));
  return config;
}

static void
assert_bad_with (const char *variable)
{
  const char *value = g_getenv (variable);
  g_autofree char *prefix = g_strconcat (variable, ": ", NULL);
  g_autofree char *words = g_strconcat (variable, " must be ", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (lsobs_config_new_from_environment (&error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  if (!g_str_has_prefix (error->message, prefix) && !g_str_has_prefix (error->message, words))
    g_error ("\"%s\" does not name %s", error->message, variable);
  /* A number may be shown, but nothing that could be a secret. */
  if (g_ascii_isalpha (*value) || strlen (value) > 25)
    g_assert_null (strstr (error->message + strlen (prefix), value));
  g_assert_null (strstr (error->message, SECRET));
  for (const char *at = error->message; *at != '\0'; at++)
    g_assert_false (g_ascii_iscntrl (*at));
  g_assert_null (lsobs_config_new_from_environment (NULL));
}

/* While tracing is on, which any value that makes no sense is an error for. */
static void
assert_bad (const char *variable)
{
  g_autofree char *before = g_strdup (g_getenv ("LANGSMITH_TRACING"));

  if (strstr (variable, "_TRACING") == NULL || strstr (variable, "_TRACING_") != NULL)
    g_setenv ("LANGSMITH_TRACING", "true", TRUE);
  assert_bad_with (variable);
  if (before == NULL)
    g_unsetenv ("LANGSMITH_TRACING");
  else
    g_setenv ("LANGSMITH_TRACING", before, TRUE);
}

/* What a property is, as text. */
static char *
dup_contents (LsobsConfig *config, const char *property)
{
  g_auto (GValue) value = G_VALUE_INIT;

  if (strcmp (property, "api-key") == 0)
    return _lsobs_trim_dup (config->values.api_key);
  g_object_get_property (G_OBJECT (config), property, &value);
  if (G_VALUE_HOLDS_ENUM (&value))
    {
      GEnumClass *klass = g_type_class_peek (G_VALUE_TYPE (&value));

      return g_strdup (g_enum_get_value (klass, g_value_get_enum (&value))->value_nick);
    }
  return G_VALUE_HOLDS_STRING (&value) ? g_value_dup_string (&value)
                                       : g_strdup_value_contents (&value);
}

static void
assert_contents (LsobsConfig *config, const char *property, const char *expected)
{
  g_autofree char *contents = dup_contents (config, property);

  if (g_strcmp0 (contents, expected) != 0)
    g_error ("%s is %s, not %s", property, contents, expected);
}

/* --- each variable --- */

typedef struct
{
  const char *name;
  const char *value;
  const char *property;
  const char *expected;
  const char *initial;
} VariableRow;

static const VariableRow variable_rows[] = {
  { "ENDPOINT", LOCAL "/api/", "api-url", LOCAL "/api/", "https://api.smith.langchain.com" },
  { "API_KEY", SECRET, "api-key", SECRET, NULL },
  { "PROJECT", "helpdesk", "project-name", "helpdesk", "default" },
  { "SESSION", "helpdesk", "project-name", "helpdesk", "default" },
  { "HOSTED_LANGSERVE_PROJECT_NAME", "helpdesk", "project-name", "helpdesk", "default" },
  { "WORKSPACE_ID", WORKSPACE, "workspace-id", WORKSPACE, NULL },
  { "CA_FILE", "/etc/ssl/own-ca.pem", "ca-file", "/etc/ssl/own-ca.pem", NULL },
  { "ALLOW_PLAIN_HTTP", "true", "allow-plain-http", "TRUE", "FALSE" },
  { "TRACING", "true", "tracing-enabled", "TRUE", "FALSE" },
  { "TRACING_V2", "true", "tracing-enabled", "TRUE", "FALSE" },
  { "TRACING_SAMPLING_RATE", " 0.25 ", "sampling-rate", "0.250000", "1.000000" },
  { "HIDE_INPUTS", "true", "hide-inputs", "TRUE", "FALSE" },
  { "HIDE_OUTPUTS", "true", "hide-outputs", "TRUE", "FALSE" },
  { "HIDE_METADATA", "true", "hide-metadata", "TRUE", "FALSE" },
  { "DISABLE_RUN_COMPRESSION", "true", "compression", "none", "auto" },
  { "RUN_COMPRESSION_LEVEL", "7", "compression-level", "7", "1" },
  { "BATCH_INGEST_SIZE_LIMIT", "25", "max-batch-size", "25", "50" },
  { "TRACING_QUEUE_MAX_SIZE", "10000", "queue-capacity", "10000", "1000" },
  { "MAX_INGEST_MEMORY_BYTES", " 1073741824\n", "max-queue-bytes", "1073741824", "67108864" },
  { "FAILED_TRACES_DIR", "/var/tmp/traces", "failed-traces-dir", "/var/tmp/traces", NULL },
  { "FAILED_TRACES_MAX_MB", "3", "failed-traces-max-bytes", "3145728", "104857600" },
  { "EXIT_TIMEOUT_MS", "0", "exit-timeout", "0", "3000" },
  { "REVISION_ID", "v1.2-3-gabcdef", "revision-id", "v1.2-3-gabcdef", NULL },
};

/* By either name; the newer one goes first; white space is nothing; and nothing is
 * remembered. */
static void
test_variable (gconstpointer data)
{
  const VariableRow *row = data;
  g_autoptr (TestEnv) env = new_environment ();
  g_autofree char *newer = g_strconcat (prefixes[0], row->name, NULL);
  g_autofree char *older = g_strconcat (prefixes[1], row->name, NULL);
  g_autofree char *double_quoted = g_strconcat (" \"", row->value, "\"\n", NULL);
  g_autofree char *single_quoted = g_strconcat ("'", row->value, "'", NULL);
  const struct
  {
    const char *newer;
    const char *older;
    const char *expected;
  } steps[] = {
    { NULL, NULL, row->initial },
    { row->value, NULL, row->expected },
    { NULL, row->value, row->expected },
    { row->value, "\x01 garbage that is not read", row->expected },
    { "", row->value, row->expected },
    { " \t\r\n", row->value, row->expected },
    { "", " ", row->initial },
    { NULL, NULL, row->initial },
    { double_quoted, NULL, row->expected },
    { NULL, single_quoted, row->expected },
    { "\"\"", row->value, row->expected },
    { " '' ", "\" \"", row->initial },
  };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (LsobsConfig) config = NULL;

      test_env_set (env, newer, steps[i].newer);
      test_env_set (env, older, steps[i].older);
      config = read_environment ();
      assert_contents (config, row->property, steps[i].expected);
    }
}

/* All that is not named by a variable is as it is by itself, but for tracing. */
static void
test_empty (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsConfig) fresh = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree GParamSpec **pspecs = NULL;
  guint n;

  test_env_set (env, "LANGSMITH_NOBODY_KNOWS", "7");
  test_env_set (env, "LSOBS_API_KEY", SECRET);
  test_env_set (env, "API_KEY", SECRET);
  test_env_set (env, "PROJECT", "wrong");
  test_env_set (env, "LANGSMITH_API_URL", "wrong");
  config = read_environment ();
  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (config), &n);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *expected = dup_contents (fresh, pspecs[i]->name);

      if (strcmp (pspecs[i]->name, "tracing-enabled") != 0)
        assert_contents (config, pspecs[i]->name, expected);
    }
  g_assert_false (lsobs_config_get_tracing_enabled (config));
  g_assert_false (lsobs_config_has_api_key (config));

  /* No key, and none is wanted. */
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  lsobs_config_set_tracing_enabled (config, TRUE);
  g_assert_null (lsobs_observer_new (config, &error));
  g_assert_nonnull (strstr (error->message, "LANGSMITH_API_KEY"));
}

/* --- whether anything is traced --- */

typedef struct
{
  const char *name;
  const char *values[4]; /* (nullable) of the four variables in their order */
  int expected;          /* or of which one it says, from 4 on, that it is bad */
} TracingRow;

static const char *const tracing_variables[] = { "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2",
                                                 "LANGSMITH_TRACING", "LANGCHAIN_TRACING" };

#define BAD(i) (4 + (i))

static const TracingRow tracing_rows[] = {
  { "none", { NULL, NULL, NULL, NULL }, FALSE },
  { "white", { " ", "", "\t\n", " \r" }, FALSE },
  { "first", { "true", NULL, NULL, NULL }, TRUE },
  { "second", { NULL, "true", NULL, NULL }, TRUE },
  { "third", { NULL, NULL, "true", NULL }, TRUE },
  { "fourth", { NULL, NULL, NULL, "true" }, TRUE },
  { "first-says-no", { "false", "true", "true", "true" }, FALSE },
  { "second-says-no", { NULL, "false", "true", "true" }, FALSE },
  { "third-says-no", { NULL, NULL, "false", "true" }, FALSE },
  { "first-says-yes", { "true", "false", "false", "false" }, TRUE },
  { "second-says-yes", { " ", "true", "false", "false" }, TRUE },
  { "third-says-yes", { "", "", "true", "false" }, TRUE },
  { "garbage-behind", { "true", "maybe", "maybe", "maybe" }, TRUE },
  { "garbage-behind-no", { NULL, "0", "maybe", "maybe" }, FALSE },
  { "upper-case", { "TRUE", NULL, NULL, NULL }, TRUE },
  { "one", { "1", NULL, NULL, NULL }, TRUE },
  { "yes", { "Yes", NULL, NULL, NULL }, TRUE },
  { "on", { " on\n", NULL, NULL, NULL }, TRUE },
  { "y", { "y", NULL, NULL, NULL }, TRUE },
  { "t", { "T", NULL, NULL, NULL }, TRUE },
  { "enabled", { NULL, NULL, "Enabled", NULL }, TRUE },
  { "enable", { "enable", NULL, NULL, NULL }, TRUE },
  { "double-quotes", { NULL, NULL, "\"true\"", NULL }, TRUE },
  { "single-quotes", { NULL, NULL, " 'true' ", NULL }, TRUE },
  { "n", { "n", NULL, "true", NULL }, FALSE },
  { "f", { "F", NULL, "true", NULL }, FALSE },
  { "disabled", { "disabled", NULL, "true", NULL }, FALSE },
  { "disable", { "DISABLE", NULL, "true", NULL }, FALSE },
  { "quoted-false", { "\"false\"", NULL, "true", NULL }, FALSE },
  { "empty-quotes", { "\"\"", "''", "true", NULL }, TRUE },
  { "bad-two-pairs", { NULL, NULL, "\"'true'\"", NULL }, BAD (2) },
  { "zero", { "0", NULL, "true", NULL }, FALSE },
  { "no", { "NO", NULL, "true", NULL }, FALSE },
  { "off", { "Off ", NULL, "true", NULL }, FALSE },
  { "bad-first", { "maybe", "true", "true", "true" }, BAD (0) },
  { "bad-second", { NULL, "2", NULL, NULL }, BAD (1) },
  { "bad-third", { NULL, NULL, "true false", NULL }, BAD (2) },
  { "bad-fourth", { NULL, NULL, NULL, SECRET }, BAD (3) },
};

static void
test_tracing (gconstpointer data)
{
  const TracingRow *row = data;
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (LsobsConfig) config = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (tracing_variables); i++)
    test_env_set (env, tracing_variables[i], row->values[i]);
  if (row->expected >= BAD (0))
    {
      assert_bad (tracing_variables[row->expected - BAD (0)]);
      return;
    }
  config = read_environment ();
  g_assert_cmpint (lsobs_config_get_tracing_enabled (config), ==, row->expected);
}

/* --- which project --- */

static void
test_project (void)
{
  /* from the weakest to the strongest */
  static const char *const variables[] = {
    "LANGCHAIN_SESSION",
    "LANGSMITH_SESSION",
    "LANGCHAIN_PROJECT",
    "LANGSMITH_PROJECT",
    "LANGCHAIN_HOSTED_LANGSERVE_PROJECT_NAME",
    "LANGSMITH_HOSTED_LANGSERVE_PROJECT_NAME",
    "HOSTED_LANGSERVE_PROJECT_NAME",
  };
  g_autoptr (TestEnv) env = new_environment ();

  for (guint i = 0; i < G_N_ELEMENTS (variables); i++)
    {
      g_autoptr (LsobsConfig) config = NULL;

      test_env_set (env, variables[i], variables[i]);
      config = read_environment ();
      g_assert_cmpstr (lsobs_config_get_project_name (config), ==, variables[i]);
    }
  for (guint i = G_N_ELEMENTS (variables); i > 0; i--)
    {
      g_autoptr (LsobsConfig) config = read_environment ();

      g_assert_cmpstr (lsobs_config_get_project_name (config), ==, variables[i - 1]);
      test_env_set (env, variables[i - 1], "\xff");
      assert_bad (variables[i - 1]);
      test_env_set (env, variables[i - 1], " ");
    }
}

/* --- what makes no sense --- */

/* With each of the two prefixes; a value per variable or several. */
typedef struct
{
  const char *path;
  const char *name;
  const char *value;
} BadRow;

static const BadRow bad_rows[] = {
  { "rate-word", "TRACING_SAMPLING_RATE", "half" },
  { "rate-rest", "TRACING_SAMPLING_RATE", "0.5x" },
  { "rate-comma", "TRACING_SAMPLING_RATE", "0,5" },
  { "rate-large", "TRACING_SAMPLING_RATE", "7" },
  { "rate-percent", "TRACING_SAMPLING_RATE", "101%" },
  { "rate-percent-alone", "TRACING_SAMPLING_RATE", "%" },
  { "rate-two-percent", "TRACING_SAMPLING_RATE", "5%%" },
  { "rate-negative", "TRACING_SAMPLING_RATE", "-1" },
  { "rate-nan", "TRACING_SAMPLING_RATE", "nan" },
  { "rate-infinite", "TRACING_SAMPLING_RATE", "inf" },
  { "rate-key", "TRACING_SAMPLING_RATE", SECRET },
  { "endpoint-word", "ENDPOINT", "traces" },
  { "endpoint-key", "ENDPOINT", SECRET },
  { "endpoint-password", "ENDPOINT", "https://user:" SECRET "@traces.example.com" },
  { "endpoint-query", "ENDPOINT", "https://traces.example.com/?x-api-key=" SECRET },
  { "endpoint-ftp", "ENDPOINT", "ftp://traces.example.com" },
  { "endpoint-plain", "ENDPOINT", "http://traces.example.com" },
  { "key-header", "API_KEY", SECRET "\r\nX-Evil: 1" },
  { "key-two", "API_KEY", SECRET " " SECRET },
  { "workspace-word", "WORKSPACE_ID", "seven" },
  { "workspace-key", "WORKSPACE_ID", SECRET },
  { "project-bytes", "PROJECT", "\xff" },
  { "session-bytes", "SESSION", "a\x80" },
  { "tracing-word", "TRACING", "perhaps" },
  { "plain-http-word", "ALLOW_PLAIN_HTTP", "maybe" },
  { "hide-inputs-word", "HIDE_INPUTS", "maybe" },
  { "hide-outputs-number", "HIDE_OUTPUTS", "2" },
  { "hide-metadata-key", "HIDE_METADATA", SECRET },
  { "compression-word", "DISABLE_RUN_COMPRESSION", "gzip" },
  { "level-zero", "RUN_COMPRESSION_LEVEL", "0" },
  { "level-large", "RUN_COMPRESSION_LEVEL", "23" },
  { "level-word", "RUN_COMPRESSION_LEVEL", "fast" },
  { "level-fraction", "RUN_COMPRESSION_LEVEL", "1.5" },
  { "batch-zero", "BATCH_INGEST_SIZE_LIMIT", "0" },
  { "batch-negative", "BATCH_INGEST_SIZE_LIMIT", "-1" },
  { "batch-large", "BATCH_INGEST_SIZE_LIMIT", "10001" },
  { "batch-rest", "BATCH_INGEST_SIZE_LIMIT", "100 runs" },
  { "batch-overflow", "BATCH_INGEST_SIZE_LIMIT", "99999999999999999999999999" },
  { "queue-zero", "TRACING_QUEUE_MAX_SIZE", "0" },
  { "queue-hexadecimal", "TRACING_QUEUE_MAX_SIZE", "0x10" },
  { "queue-key", "TRACING_QUEUE_MAX_SIZE", SECRET },
  { "memory-small", "MAX_INGEST_MEMORY_BYTES", "1" },
  { "memory-unit", "MAX_INGEST_MEMORY_BYTES", "1G" },
  { "memory-large", "MAX_INGEST_MEMORY_BYTES", "9223372036854775807" },
  { "failed-zero", "FAILED_TRACES_MAX_MB", "0" },
  { "failed-negative", "FAILED_TRACES_MAX_MB", "-5" },
  { "failed-overflow", "FAILED_TRACES_MAX_MB", "9223372036854775807" },
  { "failed-word", "FAILED_TRACES_MAX_MB", "lots" },
  { "revision-bytes", "REVISION_ID", "\xc3\x28" },
};

static void
test_bad (gconstpointer data)
{
  const BadRow *row = data;

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autoptr (TestEnv) env = new_environment ();
      g_autofree char *variable = g_strconcat (prefixes[i], row->name, NULL);

      test_env_set (env, "LANGSMITH_API_KEY", SECRET);
      if (i > 0)
        test_env_set (env, "LANGSMITH_API_KEY", NULL);
      test_env_set (env, variable, row->value);
      assert_bad (variable);
    }
}

/* --- what makes no sense while tracing is off --- */

/* It is no error until the program turns tracing on, unless the program sets the value itself. */
static void
test_bad_without_tracing (gconstpointer data)
{
  const BadRow *row = data;
  g_autoptr (TestEnv) env = new_environment ();
  g_autofree char *variable = g_strconcat (prefixes[0], row->name, NULL);
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  test_env_set (env, "LANGSMITH_API_KEY", SECRET);
  test_env_set (env, variable, row->value);
  config = read_environment ();
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  g_assert_true (lsobs_config_validate (config, &error));
  g_assert_no_error (error);

  lsobs_config_set_api_key (config, strcmp (row->name, "API_KEY") == 0 ? NULL : SECRET);
  lsobs_config_set_tracing_enabled (config, TRUE);
  g_clear_object (&observer);
  observer = lsobs_observer_new (config, &error);
  g_assert_null (observer);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

static void
test_bad_is_replaced (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  test_env_set (env, "LANGSMITH_API_KEY", SECRET " " SECRET);
  test_env_set (env, "LANGSMITH_HIDE_INPUTS", "perhaps");
  test_env_set (env, "LANGSMITH_TRACING_SAMPLING_RATE", "half");
  test_env_set (env, "LANGSMITH_BATCH_INGEST_SIZE_LIMIT", "many");
  test_env_set (env, "LANGSMITH_WORKSPACE_ID", "seven");
  test_env_set (env, "LANGSMITH_DISABLE_RUN_COMPRESSION", "gzip");
  config = read_environment ();
  lsobs_config_set_tracing_enabled (config, TRUE);
  lsobs_config_set_api_key (config, SECRET);
  /* The values that they have already count as set, too. */
  lsobs_config_set_hide_inputs (config, lsobs_config_get_hide_inputs (config));
  lsobs_config_set_sampling_rate (config, lsobs_config_get_sampling_rate (config));
  lsobs_config_set_max_batch_size (config, lsobs_config_get_max_batch_size (config));
  lsobs_config_set_workspace_id (config, NULL);
  g_assert_false (lsobs_config_validate (config, &error));
  g_assert_true (g_str_has_prefix (error->message, "LANGSMITH_DISABLE_RUN_COMPRESSION"));
  g_clear_error (&error);
  lsobs_config_set_compression (config, LSOBS_COMPRESSION_AUTO);
  g_assert_true (lsobs_config_validate (config, &error));
  g_assert_no_error (error);
}

static void
test_bad_lists (void)
{
  static const char *const values[] = { "nonsense", "[]7", "{\"" SECRET "\":\"x\"}" };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (TestEnv) env = new_environment ();
      g_autoptr (LsobsConfig) config = NULL;
      g_autoptr (GError) error = NULL;

      test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", values[i]);
      config = read_environment ();
      lsobs_config_set_api_key (config, SECRET);
      g_assert_true (lsobs_config_validate (config, &error));
      lsobs_config_set_tracing_enabled (config, TRUE);
      g_assert_false (lsobs_config_validate (config, &error));
      g_assert_true (g_str_has_prefix (error->message, "LANGSMITH_RUNS_ENDPOINTS"));
    }
}

/* --- other values in quotes --- */

static void
test_quotes (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autofree char *dir = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "profiles.json", NULL);
  g_autofree char *quoted = g_strconcat ("\"", path, "\"", NULL);
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsConfig) profile = NULL;

  test_env_set (env, "LANGSMITH_PROJECT", "\"my project\"");
  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", "'{\"https://a.example.com\":\"" SECRET "\"}'");
  test_env_set (env, "LANGSMITH_TRACING_SAMPLING_RATE", " '25 %'");
  config = read_environment ();
  assert_contents (config, "sampling-rate", "0.250000");
  g_assert_cmpstr (lsobs_config_get_project_name (config), ==, "my project");
  g_assert_cmpuint (lsobs_config_get_n_replicas (config), ==, 1);

  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", NULL);
  g_assert_true (g_file_set_contents (path,
                                      "{\"profiles\":{\"home\":{\"api_url\":"
                                      "\"https://home.example.com\",\"api_key\":\"lsv2_home\"}}}",
                                      -1, NULL));
  test_env_set (env, "LANGSMITH_CONFIG_FILE", quoted);
  test_env_set (env, "LANGSMITH_PROFILE", "'home'");
  profile = read_environment ();
  assert_contents (profile, "api-url", "https://home.example.com");
  assert_contents (profile, "api-key", "lsv2_home");
  g_remove (path);
  g_rmdir (dir);
}

/* --- the mode of tracing --- */

typedef struct
{
  const char *name;
  const char *variables[6]; /* names and values, by turns */
  const char *told_of;      /* (nullable) the variable in the log */
} ModeRow;

static const ModeRow mode_rows[] = {
  { "none", { NULL }, NULL },
  { "langsmith", { "LANGSMITH_TRACING_MODE", "langsmith" }, NULL },
  { "langsmith-quoted", { "LANGSMITH_TRACING_MODE", " \"LangSmith\"\n" }, NULL },
  { "white", { "LANGSMITH_TRACING_MODE", " \t" }, NULL },
  { "quotes", { "LANGSMITH_TRACING_MODE", "''" }, NULL },
  { "otel", { "LANGSMITH_TRACING_MODE", "otel" }, "LANGSMITH_TRACING_MODE" },
  { "hybrid", { "LANGSMITH_TRACING_MODE", "HYBRID" }, "LANGSMITH_TRACING_MODE" },
  { "word", { "LANGSMITH_TRACING_MODE", SECRET }, "LANGSMITH_TRACING_MODE" },
  { "older", { "LANGCHAIN_TRACING_MODE", "otel" }, "LANGCHAIN_TRACING_MODE" },
  { "first", { "LANGSMITH_TRACING_MODE", "langsmith", "LANGCHAIN_TRACING_MODE", "otel" }, NULL },
  { "enabled", { "LANGSMITH_OTEL_ENABLED", "true" }, "LANGSMITH_OTEL_ENABLED" },
  { "enabled-older", { "LANGCHAIN_OTEL_ENABLED", "true" }, "LANGCHAIN_OTEL_ENABLED" },
  { "enabled-bare", { "OTEL_ENABLED", "true" }, "OTEL_ENABLED" },
  { "only", { "LANGCHAIN_OTEL_ONLY", "1" }, "LANGCHAIN_OTEL_ONLY" },
  { "disabled", { "LANGSMITH_OTEL_ENABLED", "false", "OTEL_ENABLED", "perhaps" }, NULL },
  { "mode-decides", { "LANGSMITH_TRACING_MODE", "langsmith", "OTEL_ENABLED", "true" }, NULL },
  { "off",
    { "LANGSMITH_TRACING_MODE", "otel", "LANGSMITH_TRACING", "false", "LANGCHAIN_TRACING", "true" },
    NULL },
};

/* In a process of its own, which says it once however many configs are made. */
static void
test_mode (gconstpointer data)
{
  const ModeRow *row = data;
  const char *words = "runs are sent to LangSmith as usual";
  g_autoptr (TestEnv) env = NULL;

  if (!g_test_subprocess ())
    {
      g_autofree char *line = NULL;

      g_test_trap_subprocess (NULL, 0, 0);
      g_test_trap_assert_passed ();
      g_test_trap_assert_stderr_unmatched ("*" SECRET "*");
      line = g_strconcat ("*", row->told_of, "*", words, "*", NULL);
      if (row->told_of != NULL)
        g_test_trap_assert_stderr (line);
      g_clear_pointer (&line, g_free);
      line = g_strconcat ("*", words, "*", row->told_of != NULL ? words : "", "*", NULL);
      g_test_trap_assert_stderr_unmatched (line);
      return;
    }
  env = new_environment ();
  test_env_set (env, "OTEL_ENABLED", NULL);
  test_env_set (env, "LANGSMITH_TRACING", "true");
  for (guint i = 0; i + 1 < G_N_ELEMENTS (row->variables) && row->variables[i] != NULL; i += 2)
    test_env_set (env, row->variables[i], row->variables[i + 1]);
  for (guint i = 0; i < 3; i++)
    g_object_unref (read_environment ());
}

/* --- plain http --- */

/* The error has both ways to allow it, and the one for users works for every way to give an address. */
static void
test_plain_http (void)
{
  const char *url = "http://traces.example.com:1984";
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (LsobsConfig) one = NULL;
  g_autoptr (LsobsConfig) several = NULL;
  g_autoptr (GError) error = NULL;

  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_ENDPOINT", url);
  g_assert_null (lsobs_config_new_from_environment (&error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_nonnull (strstr (error->message, "LANGSMITH_ENDPOINT"));
  g_assert_nonnull (strstr (error->message, "allow-plain-http"));
  g_assert_nonnull (strstr (error->message, "LANGSMITH_ALLOW_PLAIN_HTTP=true"));
  test_env_set (env, "LANGSMITH_ALLOW_PLAIN_HTTP", "false");
  assert_bad ("LANGSMITH_ENDPOINT");

  test_env_set (env, "LANGSMITH_ALLOW_PLAIN_HTTP", "true");
  one = read_environment ();
  g_assert_cmpstr (lsobs_config_get_api_url (one), ==, url);
  test_env_set (env, "LANGSMITH_ENDPOINT", NULL);
  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", "{\"http://traces.example.com\":\"" SECRET "\"}");
  several = read_environment ();
  g_assert_cmpuint (lsobs_config_get_n_replicas (several), ==, 1);
}

/* --- profiles --- */

#define PROFILES \
 "{\"current_profile\":\"work\",\"profiles\":{" \
 "\"work\":{\"api_url\":\"https://work.example.com\",\"api_key\":\"lsv2_work\"," \
 "\"workspace_id\":\"" WORKSPACE "\"}," \
 "\"home\":{\"api_url\":\"https://home.example.com\",\"api_key\":\"lsv2_home\"}," \
 "\"bad\":{\"api_url\":\"" SECRET "\",\"api_key\":\"" SECRET " x\"}}}"

static void
assert_profile (const char *url, const char *key, const char *workspace)
{
  g_autoptr (LsobsConfig) config = read_environment ();

  assert_contents (config, "api-url", url != NULL ? url : "https://api.smith.langchain.com");
  assert_contents (config, "api-key", key);
  assert_contents (config, "workspace-id", workspace);
}

static void
test_profile (void)
{
  const char *other_workspace = "99999999-2222-4333-8444-555555555555";
  g_autoptr (TestEnv) env = new_environment ();
  g_autofree char *dir = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "profiles.json", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, PROFILES, -1, NULL));
  assert_profile (NULL, NULL, NULL);
  test_env_set (env, "LANGSMITH_CONFIG_FILE", path);
  assert_profile ("https://work.example.com", "lsv2_work", WORKSPACE);
  test_env_set (env, "LANGSMITH_PROFILE", "home");
  assert_profile ("https://home.example.com", "lsv2_home", NULL);
  test_env_set (env, "LANGSMITH_PROFILE", " ");
  assert_profile ("https://work.example.com", "lsv2_work", WORKSPACE);
  test_env_set (env, "LANGSMITH_PROFILE", "gone");
  assert_profile (NULL, NULL, NULL);

  /* These two have no older name. */
  test_env_set (env, "LANGSMITH_PROFILE", NULL);
  test_env_set (env, "LANGCHAIN_PROFILE", "home");
  assert_profile ("https://work.example.com", "lsv2_work", WORKSPACE);

  /* Each variable goes first by itself: a key of the environment leaves the rest. */
  test_env_set (env, "LANGCHAIN_API_KEY", SECRET);
  assert_profile ("https://work.example.com", SECRET, WORKSPACE);
  test_env_set (env, "LANGSMITH_WORKSPACE_ID", other_workspace);
  assert_profile ("https://work.example.com", SECRET, other_workspace);
  test_env_set (env, "LANGSMITH_ENDPOINT", "https://api.smith.langchain.com");
  assert_profile (NULL, SECRET, other_workspace);
  test_env_set (env, "LANGCHAIN_API_KEY", " ");
  assert_profile (NULL, "lsv2_work", other_workspace);

  /* What is not used is not judged. */
  test_env_set (env, "LANGSMITH_PROFILE", "bad");
  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_API_KEY", "lsv2_good");
  assert_profile (NULL, "lsv2_good", other_workspace);
  test_env_set (env, "LANGSMITH_ENDPOINT", NULL);
  g_assert_null (lsobs_config_new_from_environment (&error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_true (g_str_has_prefix (error->message, "api_url in "));
  g_assert_null (strstr (error->message, SECRET));

  g_remove (path);
  assert_profile (NULL, "lsv2_good", other_workspace);
  g_rmdir (dir);
}

/* --- all together --- */

static void
test_all (void)
{
  g_autoptr (TestEnv) env = new_environment ();
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (variable_rows); i++)
    {
      g_autofree char *variable = g_strconcat (prefixes[i % 2], variable_rows[i].name, NULL);

      test_env_set (env, variable, variable_rows[i].value);
    }
  test_env_set (env, "LANGSMITH_FAILED_TRACES_DIR", g_get_tmp_dir ());
  config = read_environment ();
  g_assert_true (lsobs_config_get_tracing_enabled (config));
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
}

#define ADD_ROWS(prefix, rows, member, func) TEST_ADD_ROWS (prefix, rows, member, func)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/environment/plain-http", test_plain_http);
  g_test_add_func ("/environment/empty", test_empty);
  ADD_ROWS ("/environment/variable/", variable_rows, name, test_variable);
  ADD_ROWS ("/environment/tracing/", tracing_rows, name, test_tracing);
  g_test_add_func ("/environment/project", test_project);
  ADD_ROWS ("/environment/bad/", bad_rows, path, test_bad);
  for (gsize i = 0; i < G_N_ELEMENTS (bad_rows); i++)
    if (strcmp (bad_rows[i].name, "TRACING") != 0)
      {
        g_autofree char *path = g_strconcat ("/environment/off/", bad_rows[i].path, NULL);

        g_test_add_data_func (path, &bad_rows[i], test_bad_without_tracing);
      }
  g_test_add_func ("/environment/off/replaced", test_bad_is_replaced);
  g_test_add_func ("/environment/off/lists", test_bad_lists);
  g_test_add_func ("/environment/quotes", test_quotes);
  ADD_ROWS ("/environment/mode/", mode_rows, name, test_mode);
  g_test_add_func ("/environment/profile", test_profile);
  g_test_add_func ("/environment/all", test_all);

  return g_test_run ();
}
