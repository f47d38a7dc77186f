/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-environment-private.h"
#include "lsobs/config/lsobs-replica-private.h"
#include "lsobs/core/lsobs-privilege-private.h"
#include "lsobs/lsobs-error.h"

/* The only place that reads the environment. Nothing is remembered: each config gets
 * what is set when it is made. An error names the variable and never shows its value:
 * people paste keys into the wrong one. */

static const char *const prefixes[] = { "LANGSMITH_", "LANGCHAIN_" };

/* A value of white space is no value. Returns: (transfer none) (nullable) */
static const char *
read_exactly (const char *variable)
{
  const char *value = g_getenv (variable);

  return value != NULL && value[strspn (value, " \t\r\n\v\f")] != '\0' ? value : NULL;
}

/* For a variable that a profile names. Returns: (transfer none) (nullable) */
const char *
_lsobs_environment_peek (const char *variable)
{
  return read_exactly (variable);
}

/* @variable: (out) (transfer full): the whole name of the variable that was found
 * Returns: (transfer none) (nullable) */
static const char *
read_variable (const char *name, char **variable)
{
  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autofree char *full = g_strconcat (prefixes[i], name, NULL);
      const char *value = read_exactly (full);

      if (value != NULL)
        {
          *variable = g_steal_pointer (&full);
          return value;
        }
    }
  return NULL;
}

/* Looks at once whether what was set makes sense, so that the error can name the
 * variable: all before it did. */
static gboolean
check (LsobsConfig *config, const char *variable, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (lsobs_config_validate (config, &problem))
    return TRUE;
  g_set_error (error, problem->domain, problem->code, _ ("%s: %s"), variable, problem->message);
  return FALSE;
}

typedef struct
{
  const char *name;
  void (*set) (LsobsConfig *config, const char *value);
} Text;

static const Text texts[] = {
  { "ENDPOINT", lsobs_config_set_api_url },
  { "API_KEY", lsobs_config_set_api_key },
  { "WORKSPACE_ID", lsobs_config_set_workspace_id },
  { "FAILED_TRACES_DIR", lsobs_config_set_failed_traces_dir },
  { "REVISION_ID", lsobs_config_set_revision_id },
};

/* What weakens the protection of the connection is not for the user of a program that
 * runs with more rights than the user has. */
static const Text trusted_texts[] = {
  { "CA_FILE", lsobs_config_set_ca_file },
};

static gboolean
read_text (const Text *text, LsobsConfig *config, GError **error)
{
  g_autofree char *variable = NULL;
  const char *value = read_variable (text->name, &variable);

  if (value == NULL)
    return TRUE;
  text->set (config, value);
  return check (config, variable, error);
}

static gboolean
parse_switch (const char *variable, const char *value, gboolean *on, GError **error)
{
  static const char *const on_words[] = { "true", "1", "yes", "on", NULL };
  static const char *const off_words[] = { "false", "0", "no", "off", NULL };
  g_autofree char *word = g_strstrip (g_ascii_strdown (value, -1));

  *on = g_strv_contains (on_words, word);
  if (*on || g_strv_contains (off_words, word))
    return TRUE;
  /* TRANSLATORS: the text is a variable of the environment. */
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, _ ("%s must be true or false"),
               variable);
  return FALSE;
}

static void
set_uncompressed (LsobsConfig *config, gboolean value)
{
  if (value)
    lsobs_config_set_compression (config, LSOBS_COMPRESSION_NONE);
}

typedef struct
{
  const char *name;
  void (*set) (LsobsConfig *config, gboolean value);
} Switch;

static const Switch trusted_switches[] = {
  { "ALLOW_PLAIN_HTTP", lsobs_config_set_allow_plain_http },
};

static const Switch switches[] = {
  { "HIDE_INPUTS", lsobs_config_set_hide_inputs },
  { "HIDE_OUTPUTS", lsobs_config_set_hide_outputs },
  { "HIDE_METADATA", lsobs_config_set_hide_metadata },
  { "DISABLE_RUN_COMPRESSION", set_uncompressed },
};

static gboolean
read_switch (const Switch *a_switch, LsobsConfig *config, GError **error)
{
  g_autofree char *variable = NULL;
  const char *value = read_variable (a_switch->name, &variable);
  gboolean on;

  if (value == NULL)
    return TRUE;
  if (!parse_switch (variable, value, &on, error))
    return FALSE;
  a_switch->set (config, on);
  return TRUE;
}

typedef struct
{
  const char *name;
  gint64 unit; /* of the variable, in that of the property */
  void (*set) (LsobsConfig *config, gint64 value);
} Number;

static const Number numbers[] = {
  { "RUN_COMPRESSION_LEVEL", 1, lsobs_config_set_compression_level },
  { "BATCH_INGEST_SIZE_LIMIT", 1, lsobs_config_set_max_batch_size },
  { "TRACING_QUEUE_MAX_SIZE", 1, lsobs_config_set_queue_capacity },
  { "MAX_INGEST_MEMORY_BYTES", 1, lsobs_config_set_max_queue_bytes },
  { "FAILED_TRACES_MAX_MB", 1024 * 1024, lsobs_config_set_failed_traces_max_bytes },
};

static gboolean
read_number (const Number *number, LsobsConfig *config, GError **error)
{
  g_autofree char *variable = NULL;
  const char *value = read_variable (number->name, &variable);
  g_autofree char *stripped = NULL;
  gint64 n;

  if (value == NULL)
    return TRUE;
  stripped = g_strstrip (g_strdup (value));
  if (!g_ascii_string_to_signed (stripped, 10, G_MININT64 / number->unit, G_MAXINT64 / number->unit,
                                 &n, NULL))
    {
      /* TRANSLATORS: the text is a variable of the environment. */
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, _ ("%s must be a whole number"),
                   variable);
      return FALSE;
    }
  number->set (config, n * number->unit);
  return check (config, variable, error);
}

static gboolean
read_rate (LsobsConfig *config, GError **error)
{
  g_autofree char *variable = NULL;
  const char *value = read_variable ("TRACING_SAMPLING_RATE", &variable);
  g_autofree char *stripped = NULL;
  char *end = NULL;
  double rate;

  if (value == NULL)
    return TRUE;
  stripped = g_strstrip (g_strdup (value));
  rate = g_ascii_strtod (stripped, &end);
  if (*end == '\0' && rate >= 0.0 && rate <= 1.0)
    {
      lsobs_config_set_sampling_rate (config, rate);
      return TRUE;
    }
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
               /* TRANSLATORS: the text is a variable of the environment. */
               _ ("%s must be a number between 0 and 1"), variable);
  return FALSE;
}

/* The first one that is set decides, even if it says no. */
static gboolean
read_tracing (LsobsConfig *config, GError **error)
{
  static const char *const variables[] = { "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2",
                                           "LANGSMITH_TRACING", "LANGCHAIN_TRACING" };
  const char *value = NULL;
  gboolean on = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (variables) && value == NULL; i++)
    {
      value = read_exactly (variables[i]);
      if (value != NULL && !parse_switch (variables[i], value, &on, error))
        return FALSE;
    }
  lsobs_config_set_tracing_enabled (config, on);
  return TRUE;
}

/* A hosted deployment belongs to its project whatever else is set; a session is what
 * a project was called once. */
static const char *const project_names[] = { "HOSTED_LANGSERVE_PROJECT_NAME", "PROJECT",
                                             "SESSION" };

/* The first one that the platform does not set. */
#define FIRST_CHOSEN 1

/* @first: of project_names
 * Returns: (transfer none) (nullable) */
static const char *
find_project (guint first, char **variable)
{
  const char *value = first == 0 ? read_exactly (project_names[0]) : NULL;

  if (value != NULL)
    *variable = g_strdup (project_names[0]);
  for (guint i = first; i < G_N_ELEMENTS (project_names) && value == NULL; i++)
    value = read_variable (project_names[i], variable);
  return value;
}

static gboolean
read_project (LsobsConfig *config, GError **error)
{
  g_autofree char *variable = NULL;
  const char *value = find_project (0, &variable);

  if (value == NULL)
    return TRUE;
  lsobs_config_set_project_name (config, value);
  return check (config, variable, error);
}

/* Returns: (transfer none) (nullable): NULL for quotes with nothing in them as well */
static const char *
read_agent_part (const char *variable)
{
  const char *value = read_exactly (variable);
  gsize len;

  _lsobs_config_trim (value, &len);
  return len > 0 ? value : NULL;
}

/* One of them alone, or the two beside a project, is an error only when the config is used: the
 * program may name another target before that. What no agent can have is an error at once,
 * if anything is traced. */
static gboolean
check_agent (LsobsConfig *config, const char *id, const char *environment, GError **error)
{
  const char *variables = id == NULL            ? "LANGSMITH_AGENT_ENVIRONMENT"
                          : environment == NULL ? "LANGSMITH_AGENT_ID"
                                                : "LANGSMITH_AGENT_ID, LANGSMITH_AGENT_ENVIRONMENT";
  g_autoptr (LsobsConfig) probe = NULL;

  if (!lsobs_config_get_tracing_enabled (config))
    return TRUE;
  probe = lsobs_config_new (NULL, NULL);
  lsobs_config_set_agent_id (probe, id != NULL ? id : "any");
  lsobs_config_set_agent_environment (probe, environment != NULL ? environment : "local");
  return check (probe, variables, error);
}

/* These two have no older name. Read last, since each check of the config judges the target
 * as well. The platform names a project for each hosted deployment; the agent takes its place. */
static gboolean
read_agent (LsobsConfig *config, GError **error)
{
  const char *id = read_agent_part ("LANGSMITH_AGENT_ID");
  const char *environment = read_agent_part ("LANGSMITH_AGENT_ENVIRONMENT");
  g_autofree char *variable = NULL;
  gboolean chosen = find_project (FIRST_CHOSEN, &variable) != NULL;
  gboolean has_agent = id != NULL || environment != NULL;

  if (has_agent && !check_agent (config, id, environment, error))
    return FALSE;
  lsobs_config_set_agent_id (config, id);
  lsobs_config_set_agent_environment (config, environment);
  _lsobs_config_set_destination_from_environment (config, g_intern_string (variable),
                                                  has_agent && !chosen);
  return TRUE;
}

/* A list of places takes the place of the one address. */
static gboolean
read_replicas (LsobsConfig *config, GError **error)
{
  g_autofree char *variable = NULL;
  g_autofree char *endpoint = NULL;
  const char *value = read_variable ("RUNS_ENDPOINTS", &variable);

  if (value == NULL)
    return TRUE;
  if (read_variable ("ENDPOINT", &endpoint) != NULL)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   /* TRANSLATORS: both are variables of the environment. */
                   _ ("Only one of %s and %s can be set"), endpoint, variable);
      return FALSE;
    }
  return _lsobs_replicas_read (config, value, variable, error) && check (config, variable, error);
}

/* Before the address is read: it decides which ones are valid. */
static gboolean
read_trusted (LsobsConfig *config, GError **error)
{
  if (_lsobs_privilege_is_elevated ())
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (trusted_texts); i++)
    if (!read_text (&trusted_texts[i], config, error))
      return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (trusted_switches); i++)
    if (!read_switch (&trusted_switches[i], config, error))
      return FALSE;
  return TRUE;
}

/* For the variables that other programs know, too. Nothing is remembered.
 * Returns: (transfer none) (nullable): its value, unless that is white space, or the program
 *   may not listen to it */
const char *
_lsobs_environment_peek_trusted (const char *variable)
{
  return _lsobs_privilege_is_elevated () ? NULL : read_exactly (variable);
}

static gboolean
is_on (const char *variable)
{
  g_autofree char *word = g_strdup (read_exactly (variable));
  gboolean on = FALSE;

  return word != NULL && parse_switch (variable, word, &on, NULL) && on;
}

/* Returns: (transfer none) (nullable): the variable that asks for OpenTelemetry spans, instead
 * of runs or beside them */
static const char *
find_other_mode (void)
{
  static const char *const modes[] = { "LANGSMITH_TRACING_MODE", "LANGCHAIN_TRACING_MODE" };
  /* The older switches, which count only without a mode. */
  static const char *const others[] = { "LANGSMITH_OTEL_ENABLED", "LANGCHAIN_OTEL_ENABLED",
                                        "OTEL_ENABLED", "LANGSMITH_OTEL_ONLY",
                                        "LANGCHAIN_OTEL_ONLY" };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      const char *value = read_exactly (modes[i]);
      gsize len;

      if (value == NULL)
        continue;
      value = _lsobs_config_trim (value, &len);
      if (len == 0 ||
          (len == strlen ("langsmith") && g_ascii_strncasecmp (value, "langsmith", len) == 0))
        return NULL;
      return modes[i];
    }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (is_on (others[i]))
      return others[i];
  return NULL;
}

/* Other clients can send OpenTelemetry spans. lsobs cannot, and says so once per process. */
static void
tell_of_mode (LsobsConfig *config)
{
  static int told; /* (atomic) */
  const char *variable = find_other_mode ();

  if (variable == NULL || !lsobs_config_get_tracing_enabled (config) ||
      !g_atomic_int_compare_and_exchange (&told, FALSE, TRUE))
    return;
  /* TRANSLATORS: the text is a variable of the environment. */
  g_message (_ ("%s asks for a tracing mode that lsobs does not have; runs are sent to LangSmith "
                "as usual, and no OpenTelemetry spans are sent"),
             variable);
}

/* The environment first; a profile of the tools fills the gaps. */
gboolean
_lsobs_environment_apply (LsobsConfig *config, GError **error)
{
  if (!read_trusted (config, error) || !read_tracing (config, error) ||
      !read_project (config, error) || !read_rate (config, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (!read_text (&texts[i], config, error))
      return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (switches); i++)
    if (!read_switch (&switches[i], config, error))
      return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!read_number (&numbers[i], config, error))
      return FALSE;
  tell_of_mode (config);
  return read_replicas (config, error) && read_agent (config, error) &&
         lsobs_config_load_profile (config, read_exactly ("LANGSMITH_CONFIG_FILE"),
                                    read_exactly ("LANGSMITH_PROFILE"), error);
}
