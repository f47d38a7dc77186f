/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/test-server.h"
#include "tests/lib/test-utils.h"

#define SECRET "lsv2_pt_5ec4e7"

/* The defaults of a new config, and the ranges of its numbers. */
typedef struct
{
  const char *name;
  void (*set) (LsobsConfig *config, gint64 value);
  gint64 (*get) (LsobsConfig *config);
  gint64 initial;
  gint64 min;
  gint64 max;
} NumberRow;

#define NUMBER(name, id, initial, min, max) \
 { \
  name, lsobs_config_set_##id, lsobs_config_get_##id, initial, min, max \
 }

static const NumberRow number_rows[] = {
  NUMBER ("flush-interval", flush_interval, 2000, 1, 86400000),
  NUMBER ("max-batch-size", max_batch_size, 50, 1, 10000),
  NUMBER ("max-batch-bytes", max_batch_bytes, 20 * 1024 * 1024, 65536, 104857600),
  NUMBER ("queue-capacity", queue_capacity, 1000, 1, 10000000),
  NUMBER ("max-queue-bytes", max_queue_bytes, 64 * 1024 * 1024, 4096, 1024 * 1024 * 1024),
  NUMBER ("max-string-bytes", max_string_bytes, 100000, 1, 1073741824),
  NUMBER ("max-in-flight", max_in_flight, 4, 1, 64),
  NUMBER ("max-attempts", max_attempts, 5, 1, 100),
  NUMBER ("retry-delay", retry_delay, 500, 1, 60000),
  NUMBER ("request-timeout", request_timeout, 30000, 10, 3600000),
  NUMBER ("shutdown-timeout", shutdown_timeout, 3000, 0, 3600000),
  NUMBER ("exit-timeout", exit_timeout, 3000, 0, 3600000),
  NUMBER ("compression-level", compression_level, 1, 1, 22),
  NUMBER ("failed-traces-max-bytes", failed_traces_max_bytes, 100 * 1024 * 1024, 1, G_MAXINT64 / 2),
};

typedef struct
{
  const char *name;
  void (*set) (LsobsConfig *config, const char *value);
  const char *(*get) (LsobsConfig *config);
  const char *initial;
} StringRow;

static const StringRow string_rows[] = {
  { "api-url", lsobs_config_set_api_url, lsobs_config_get_api_url,
    "https://api.smith.langchain.com" },
  { "project-name", lsobs_config_set_project_name, lsobs_config_get_project_name, "default" },
  { "agent-id", lsobs_config_set_agent_id, lsobs_config_get_agent_id, NULL },
  { "agent-environment", lsobs_config_set_agent_environment, lsobs_config_get_agent_environment,
    NULL },
  { "workspace-id", lsobs_config_set_workspace_id, lsobs_config_get_workspace_id, NULL },
  { "failed-traces-dir", lsobs_config_set_failed_traces_dir, lsobs_config_get_failed_traces_dir,
    NULL },
  { "ca-file", lsobs_config_set_ca_file, lsobs_config_get_ca_file, NULL },
  { "revision-id", lsobs_config_set_revision_id, lsobs_config_get_revision_id, NULL },
  { "redact-regex", lsobs_config_set_redact_regex, lsobs_config_get_redact_regex, NULL },
};

static LsobsConfig *
new_config (void)
{
  return lsobs_config_new (SECRET, NULL);
}

/* A message in which names of settings are words. */
static char *
in_words (const char *message)
{
  return g_strdelimit (g_ascii_strdown (message, -1), "-_", ' ');
}

static void
assert_message (const GError *error, const char *setting)
{
  g_autofree char *words = in_words (error->message);

  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  if (strstr (words, setting) == NULL)
    g_error ("\"%s\" does not name the %s", error->message, setting);
  g_assert_null (strstr (error->message, SECRET));
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

/* No object is made, of any kind. */
static void
assert_no_observer (LsobsConfig *config, const char *setting)
{
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (lsobs_observer_new (config, &error));
  assert_message (error, setting);
  g_clear_error (&error);

  g_assert_null (lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error));
  assert_message (error, setting);
  g_clear_error (&error);

  g_assert_null (lsobs_exporter_new (config, LSOBS_TRANSPORT (transport), &error));
  assert_message (error, setting);
  g_clear_error (&error);

  g_assert_null (lsobs_client_new (config, &error));
  assert_message (error, setting);
  g_assert_cmpuint (lsobs_memory_transport_get_n_batches (transport), ==, 0);
  g_assert_null (lsobs_observer_new (config, NULL));
}

static void
assert_invalid (LsobsConfig *config, const char *setting)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lsobs_config_validate (config, &error));
  assert_message (error, setting);
  g_assert_false (lsobs_config_validate (config, NULL));
  assert_no_observer (config, setting);
}

static void
assert_valid (LsobsConfig *config)
{
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_validate (config, &error);
  g_assert_no_error (error);
  g_assert_true (lsobs_config_validate (config, NULL));
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  g_assert_true (LSOBS_IS_OBSERVER (observer));
}

/* Defaults */

static void
test_default_number (gconstpointer data)
{
  const NumberRow *row = data;
  g_autoptr (LsobsConfig) config = g_object_new (LSOBS_TYPE_CONFIG, NULL);
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (config), row->name);

  g_assert_cmpint (row->get (config), ==, row->initial);
  g_assert_cmpint (g_value_get_int64 (g_param_spec_get_default_value (pspec)), ==, row->initial);
}

static void
test_default_string (gconstpointer data)
{
  const StringRow *row = data;
  g_autoptr (LsobsConfig) config = g_object_new (LSOBS_TYPE_CONFIG, NULL);
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (config), row->name);

  g_assert_cmpstr (row->get (config), ==, row->initial);
  g_assert_cmpstr (g_value_get_string (g_param_spec_get_default_value (pspec)), ==, row->initial);
}

static void
test_default_others (void)
{
  g_autoptr (LsobsConfig) config = g_object_new (LSOBS_TYPE_CONFIG, NULL);

  g_assert_cmpfloat (lsobs_config_get_sampling_rate (config), ==, 1.0);
  g_assert_null (lsobs_config_get_sampler (config));
  g_assert_cmpint (lsobs_config_get_ingest_mode (config), ==, LSOBS_INGEST_MODE_AUTO);
  g_assert_false (lsobs_config_get_allow_plain_http (config));
  g_assert_false (lsobs_config_has_api_key (config));
  g_assert_true (lsobs_config_validate (config, NULL));
}

static void
test_new (void)
{
  g_autoptr (LsobsConfig) full = lsobs_config_new (SECRET, "my project");
  g_autoptr (LsobsConfig) empty = lsobs_config_new (NULL, NULL);

  g_assert_true (lsobs_config_has_api_key (full));
  g_assert_cmpstr (lsobs_config_get_project_name (full), ==, "my project");
  g_assert_false (lsobs_config_has_api_key (empty));
  g_assert_cmpstr (lsobs_config_get_project_name (empty), ==, "default");
}

/* Properties: each is set by both ways, and told of when it changes */

static void
count_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  (*(guint *) user_data)++;
}

static guint *
count_notify (LsobsConfig *config, const char *name, guint *n)
{
  g_autofree char *signal = g_strconcat ("notify::", name, NULL);

  *n = 0;
  g_signal_connect (config, signal, G_CALLBACK (count_cb), n);
  return n;
}

static void
test_property_number (gconstpointer data)
{
  const NumberRow *row = data;
  g_autoptr (LsobsConfig) config = new_config ();
  guint n;
  gint64 value;

  row->set (config, row->max);
  count_notify (config, row->name, &n);
  g_object_set (config, row->name, row->min, NULL);
  g_assert_cmpint (row->get (config), ==, row->min);
  g_assert_cmpuint (n, ==, 1);
  row->set (config, row->min);
  g_object_set (config, row->name, row->min, NULL);
  g_assert_cmpuint (n, ==, 1);
  row->set (config, row->max);
  g_object_get (config, row->name, &value, NULL);
  g_assert_cmpint (value, ==, row->max);
  g_assert_cmpuint (n, ==, 2);

  /* Judged later, so that the program gets an error and no warning. */
  g_object_set (config, row->name, G_MININT64, NULL);
  g_assert_cmpint (row->get (config), ==, G_MININT64);
}

static void
test_property_string (gconstpointer data)
{
  const StringRow *row = data;
  g_autoptr (LsobsConfig) config = new_config ();
  g_autofree char *value = NULL;
  char buffer[] = "first";
  guint n;

  count_notify (config, row->name, &n);
  row->set (config, buffer);
  buffer[0] = '?';
  g_assert_cmpstr (row->get (config), ==, "first");
  g_assert_cmpuint (n, ==, 1);
  row->set (config, "first");
  row->set (config, row->get (config));
  g_object_set (config, row->name, "first", NULL);
  g_assert_cmpuint (n, ==, 1);
  g_object_set (config, row->name, "second", NULL);
  g_object_get (config, row->name, &value, NULL);
  g_assert_cmpstr (value, ==, "second");
  g_assert_cmpuint (n, ==, 2);
  row->set (config, NULL);
  g_assert_null (row->get (config));
  g_assert_cmpuint (n, ==, 3);
}

static void
test_property_rate (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  double rate;
  guint n;

  count_notify (config, "sampling-rate", &n);
  g_object_set (config, "sampling-rate", 0.25, NULL);
  g_assert_cmpfloat (lsobs_config_get_sampling_rate (config), ==, 0.25);
  lsobs_config_set_sampling_rate (config, 0.25);
  g_assert_cmpuint (n, ==, 1);
  lsobs_config_set_sampling_rate (config, 0.0);
  g_object_get (config, "sampling-rate", &rate, NULL);
  g_assert_cmpfloat (rate, ==, 0.0);
  g_assert_cmpuint (n, ==, 2);
}

static void
test_property_mode (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  LsobsIngestMode mode;
  guint n;

  count_notify (config, "ingest-mode", &n);
  g_object_set (config, "ingest-mode", LSOBS_INGEST_MODE_BATCH, NULL);
  g_assert_cmpint (lsobs_config_get_ingest_mode (config), ==, LSOBS_INGEST_MODE_BATCH);
  lsobs_config_set_ingest_mode (config, LSOBS_INGEST_MODE_BATCH);
  g_assert_cmpuint (n, ==, 1);
  lsobs_config_set_ingest_mode (config, LSOBS_INGEST_MODE_RUNS);
  g_object_get (config, "ingest-mode", &mode, NULL);
  g_assert_cmpint (mode, ==, LSOBS_INGEST_MODE_RUNS);
  g_assert_cmpuint (n, ==, 2);
}

typedef struct
{
  const char *name;
  void (*set) (LsobsConfig *config, gboolean value);
  gboolean (*get) (LsobsConfig *config);
  gboolean initial;
} SwitchRow;

static const SwitchRow switch_rows[] = {
  { "allow-plain-http", lsobs_config_set_allow_plain_http, lsobs_config_get_allow_plain_http,
    FALSE },
  { "tracing-enabled", lsobs_config_set_tracing_enabled, lsobs_config_get_tracing_enabled, TRUE },
  { "trust-incoming-headers", lsobs_config_set_trust_incoming_headers,
    lsobs_config_get_trust_incoming_headers, FALSE },
};

static void
test_property_switch (gconstpointer data)
{
  const SwitchRow *row = data;
  g_autoptr (LsobsConfig) config = new_config ();
  gboolean value;
  guint n;

  g_assert_cmpint (row->get (config), ==, row->initial);
  row->set (config, FALSE);
  count_notify (config, row->name, &n);
  g_object_set (config, row->name, TRUE, NULL);
  g_assert_true (row->get (config));
  /* Any true value is the same one. */
  row->set (config, 2);
  g_assert_cmpuint (n, ==, 1);
  row->set (config, FALSE);
  g_object_get (config, row->name, &value, NULL);
  g_assert_false (value);
  g_assert_cmpuint (n, ==, 2);
}

static void
test_property_compression (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  LsobsCompression compression;
  guint n;

  g_assert_cmpint (lsobs_config_get_compression (config), ==, LSOBS_COMPRESSION_AUTO);
  count_notify (config, "compression", &n);
  g_object_set (config, "compression", LSOBS_COMPRESSION_GZIP, NULL);
  g_assert_cmpint (lsobs_config_get_compression (config), ==, LSOBS_COMPRESSION_GZIP);
  lsobs_config_set_compression (config, LSOBS_COMPRESSION_GZIP);
  g_assert_cmpuint (n, ==, 1);
  lsobs_config_set_compression (config, LSOBS_COMPRESSION_NONE);
  g_object_get (config, "compression", &compression, NULL);
  g_assert_cmpint (compression, ==, LSOBS_COMPRESSION_NONE);
  g_assert_cmpuint (n, ==, 2);
}

static void
test_property_sampler (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  LsobsSampler *sampler = LSOBS_SAMPLER (lsobs_probability_sampler_new (0.5));
  g_autoptr (LsobsSampler) got = NULL;
  guint n;

  count_notify (config, "sampler", &n);
  g_object_set (config, "sampler", sampler, NULL);
  lsobs_config_set_sampler (config, sampler);
  g_assert_true (lsobs_config_get_sampler (config) == sampler);
  g_object_get (config, "sampler", &got, NULL);
  g_assert_true (got == sampler);
  g_clear_object (&got);
  g_assert_cmpuint (n, ==, 1);
  lsobs_config_set_sampler (config, NULL);
  g_assert_null (lsobs_config_get_sampler (config));
  g_assert_cmpuint (n, ==, 2);
  g_assert_finalize_object (G_OBJECT (sampler));
}

static void
test_property_key (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (config), "api-key");

  g_assert_cmpint (pspec->flags & G_PARAM_READABLE, ==, 0);
  g_assert_cmpint (pspec->flags & G_PARAM_WRITABLE, !=, 0);

  g_object_set (config, "api-key", SECRET, NULL);
  g_assert_true (lsobs_config_has_api_key (config));
  lsobs_config_set_api_key (config, SECRET);
  g_assert_true (lsobs_config_has_api_key (config));
  lsobs_config_set_api_key (config, "");
  g_assert_false (lsobs_config_has_api_key (config));
  lsobs_config_set_api_key (config, NULL);
  g_assert_false (lsobs_config_has_api_key (config));
}

static void
test_key_unreadable (void)
{
  g_autoptr (LsobsConfig) config = new_config ();
  g_autofree GParamSpec **specs = NULL;
  guint n;

  if (g_test_subprocess ())
    {
      g_autofree char *value = NULL;

      g_object_get (config, "api-key", &value, NULL);
      g_print ("value: %s\n", value);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*api-key*not readable*");
  g_test_trap_assert_stdout_unmatched ("*" SECRET "*");

  /* And it is in no other property. */
  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (config), &n);
  for (guint i = 0; i < n; i++)
    {
      g_auto (GValue) read = G_VALUE_INIT;
      g_autofree char *text = NULL;

      if ((specs[i]->flags & G_PARAM_READABLE) == 0)
        continue;
      g_object_get_property (G_OBJECT (config), specs[i]->name, &read);
      text = g_strdup_value_contents (&read);
      g_assert_null (strstr (text, SECRET));
    }
}

/* Numbers */

typedef struct
{
  const NumberRow *row;
  gint64 value;
  gboolean valid;
} NumberCase;

#define CASES_PER_NUMBER 9

static NumberCase number_cases[G_N_ELEMENTS (number_rows) * CASES_PER_NUMBER];
static guint n_number_cases;

static void
test_number (gconstpointer data)
{
  const NumberCase *test = data;
  g_autoptr (LsobsConfig) config = new_config ();
  g_autofree char *setting = in_words (test->row->name);

  test->row->set (config, test->value);
  if (test->valid)
    assert_valid (config);
  else
    assert_invalid (config, setting);
}

static void
add_number_case (const NumberRow *row, const char *name, gint64 value, gboolean valid)
{
  g_autofree char *path = g_strdup_printf ("/config/number/%s/%s", row->name, name);
  NumberCase *test = &number_cases[n_number_cases++];

  g_assert_cmpuint (n_number_cases, <=, G_N_ELEMENTS (number_cases));
  *test = (NumberCase){ row, value, valid };
  g_test_add_data_func (path, test, test_number);
}

static void
add_number_cases (const NumberRow *row)
{
  add_number_case (row, "least", G_MININT64, FALSE);
  add_number_case (row, "negative", -1, FALSE);
  add_number_case (row, "zero", 0, row->min == 0);
  add_number_case (row, "too-small", row->min - 1, FALSE);
  add_number_case (row, "smallest", row->min, TRUE);
  add_number_case (row, "largest", row->max, TRUE);
  /* The memory of the machine is not for us to judge. */
  if (strcmp (row->name, "max-queue-bytes") != 0)
    add_number_case (row, "too-large", row->max + 1, FALSE);
  /* What is left of it in 32 bits would be valid. */
  add_number_case (row, "wraps", (G_GINT64_CONSTANT (1) << 62) + row->initial, FALSE);
  add_number_case (row, "greatest", G_MAXINT64, FALSE);
}

typedef struct
{
  const char *path;
  double rate;
  gboolean valid;
} RateRow;

static const RateRow rate_rows[] = {
  { "zero", 0.0, TRUE },
  { "half", 0.5, TRUE },
  { "one", 1.0, TRUE },
  { "tiny", 5e-324, TRUE },
  { "seven", 7.0, FALSE },
  { "minus-one", -1.0, FALSE },
  { "just-above", 1.0000000000000002, FALSE },
  { "just-below", -5e-324, FALSE },
  { "nan", NAN, FALSE },
  { "infinite", INFINITY, FALSE },
  { "minus-infinite", -INFINITY, FALSE },
};

static void
test_rate (gconstpointer data)
{
  const RateRow *row = data;
  g_autoptr (LsobsConfig) config = new_config ();

  lsobs_config_set_sampling_rate (config, row->rate);
  if (row->valid)
    assert_valid (config);
  else
    assert_invalid (config, "sampling rate");
}

/* Nothing of a config that cannot work reaches the service. */
static void
test_nothing_sent (void)
{
  g_autoptr (TestServer) server = test_server_new ();
  g_autoptr (LsobsConfig) config = new_config ();

  lsobs_config_set_api_url (config, test_server_get_url (server));
  assert_valid (config);
  lsobs_config_set_sampling_rate (config, 7.0);
  assert_invalid (config, "sampling rate");
  g_assert_cmpuint (test_server_count_connections (server), ==, 0);
}

/* A copy is taken */

static void
test_later_changes (void)
{
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "before");
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  g_assert_no_error (error);
  lsobs_config_set_project_name (config, "after");
  lsobs_config_set_sampling_rate (config, 0.0);
  lsobs_config_set_redact_regex (config, ".*");
  lsobs_config_set_queue_capacity (config, -1);
  g_assert_finalize_object (g_steal_pointer (&config));

  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (lsobs_run_is_sampled (run));
  lsobs_run_fail_with_message (run, "in plain sight");
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 1);
  g_assert_cmpstr (lsobs_run_event_get_project_name (events->pdata[0]), ==, "before");
  g_assert_cmpstr (lsobs_run_event_get_error_text (events->pdata[0]), ==, "in plain sight");
}

#define ADD_ROWS(prefix, rows, name, func) TEST_ADD_ROWS (prefix, rows, name, func)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS ("/config/default/", number_rows, name, test_default_number);
  ADD_ROWS ("/config/default/", string_rows, name, test_default_string);
  g_test_add_func ("/config/default/others", test_default_others);
  g_test_add_func ("/config/new", test_new);
  ADD_ROWS ("/config/property/", number_rows, name, test_property_number);
  ADD_ROWS ("/config/property/", string_rows, name, test_property_string);
  g_test_add_func ("/config/property/sampling-rate", test_property_rate);
  g_test_add_func ("/config/property/ingest-mode", test_property_mode);
  for (guint i = 0; i < G_N_ELEMENTS (switch_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/config/property/", switch_rows[i].name, NULL);

      g_test_add_data_func (path, &switch_rows[i], test_property_switch);
    }
  g_test_add_func ("/config/property/compression", test_property_compression);
  g_test_add_func ("/config/property/sampler", test_property_sampler);
  g_test_add_func ("/config/property/api-key", test_property_key);
  g_test_add_func ("/config/key-unreadable", test_key_unreadable);
  for (guint i = 0; i < G_N_ELEMENTS (number_rows); i++)
    add_number_cases (&number_rows[i]);
  ADD_ROWS ("/config/sampling-rate/", rate_rows, path, test_rate);
  g_test_add_func ("/config/nothing-sent", test_nothing_sent);
  g_test_add_func ("/config/later-changes", test_later_changes);

  return g_test_run ();
}
