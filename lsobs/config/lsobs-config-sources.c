/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-environment-private.h"
#include "lsobs/config/lsobs-profile-private.h"
#include "lsobs/config/lsobs-replica-list-private.h"
#include "lsobs/config/lsobs-target-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/core/lsobs-privilege-private.h"
#include "lsobs/lsobs-error.h"

/* Fills a config from outside of the program: from the environment and from a profile of
 * LangSmith's own tools. It decides which source counts when several have a value. It needs units
 * that need the config itself, such as lsobs-replica-list.c, so lsobs-config.c cannot be the place:
 * that depends on no source. Both functions are in lsobs-config.h. */

/* --- profile --- */

/* Checks one value alone, so that the error can name the member of the profile. The message does
 * not contain the value.
 * @setting: that the value is for
 * @value: (nullable) */
static gboolean
check_member (LsobsConfig *self,
              LsobsProfile *profile,
              const char *member,
              const char *setting,
              const char *value,
              GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autofree char *path = NULL;

  if (value == NULL || _lsobs_config_check_text (self, setting, value, &problem))
    return TRUE;
  path = g_filename_display_name (profile->path);
  /* TRANSLATORS: a setting, the file that has it, and what is wrong with it. */
  g_set_error (error, problem->domain, problem->code, _ ("%s in %s: %s"), member, path,
               problem->message);
  return FALSE;
}

/* Takes the key or the token of the profile, in the order of precedence of the official clients.
 * A command runs later, when the first request needs the key. */
static gboolean
take_auth (LsobsConfig *self, LsobsProfile *profile, GError **error)
{
  g_autofree char *variable = _lsobs_trim_dup (profile->api_key_env);
  const char *member = "api_key";
  const char *key = profile->api_key;

  if (!_lsobs_trim_is_empty (profile->access_token))
    {
      if (!check_member (self, profile, "oauth.access_token", "api-key", profile->access_token,
                         error))
        return FALSE;
      _lsobs_config_take_key_source (self, _lsobs_key_source_new (LSOBS_KEY_TOKEN, profile));
      return TRUE;
    }
  if (_lsobs_trim_is_empty (key) && variable != NULL)
    {
      member = "api_key_env";
      key = _lsobs_environment_peek (variable);
    }
  if (_lsobs_trim_is_empty (key) &&
      (variable != NULL || !_lsobs_trim_is_empty (profile->api_key_cmd)))
    {
      gboolean runs = variable == NULL && profile->distrust == NULL;

      _lsobs_config_take_key_source (self, _lsobs_key_source_new (runs ? LSOBS_KEY_COMMAND
                                                                       : LSOBS_KEY_MISSING,
                                                                  profile));
      return TRUE;
    }
  if (!check_member (self, profile, member, "api-key", key, error))
    return FALSE;
  if (key != NULL)
    lsobs_config_set_api_key (self, key);
  return TRUE;
}

/**
 * lsobs_config_load_profile:
 * @self: a config
 * @path: (type filename) (nullable): a file, or %NULL for `.langsmith/config.json` in the home
 *   directory
 * @name: (nullable): a profile in the file, or %NULL for the profile that its member
 *   `current_profile` names; without that member, `default`
 * @error: return location for a #GError, or %NULL
 *
 * Loads the address, the API key and the workspace from a profile of the tools of LangSmith:
 * `api_url`, the key, and `workspace_id`. Values that are already set are not changed. Call it in a
 * program that does not use environment variables; lsobs_config_new_from_environment() loads the
 * profile itself.
 *
 * The key is the first one of these members that the profile has, in the order of the official
 * clients:
 *
 * - `oauth.access_token`, an OAuth token. It is sent as `Authorization: Bearer`, in place of a key.
 *   If the service refuses it with the status 401, lsobs reads the file again, and uses the new
 *   token: the tools of LangSmith renew it in the file. lsobs does not renew it.
 * - `api_key`
 * - `api_key_env`, the name of an environment variable that contains the key. It is read
 *   in this call.
 * - `api_key_cmd`, a command that prints the key, for `/bin/sh -c`. It runs in a thread of lsobs
 *   before the first request, which waits for it, and again when the service refuses the key with
 *   the status 401. It may take 10 seconds and print 64 KiB. It has no input and no terminal, and
 *   its standard error is discarded. White space around the key is removed. lsobs runs the command
 *   only if the file belongs to the user, no other user can write to the file or its directory, and
 *   the program does not run with elevated privileges (`setuid`).
 *
 * While a command fails, sending is paused and records are kept; see %LSOBS_ERROR_NO_KEY. If the
 * environment variable is not set, or if the command must not run, lsobs_observer_new() fails for a
 * service on another machine, and its error says why.
 *
 * It is not an error if the file or the profile does not exist, or is not valid;
 * lsobs_config_has_api_key() tells whether a key was found. If the file exists but cannot be read,
 * or if it does not have the profile @name, and tracing is on, lsobs logs this once in a process.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG if a value of the profile is not valid. The message names
 * the member and the file. @self is not changed.
 *
 * This function reads a file, in the calling thread. It runs no command.
 *
 * Returns: %TRUE unless a value is not valid
 *
 * Since: 0.1
 */
gboolean
lsobs_config_load_profile (LsobsConfig *self, const char *path, const char *name, GError **error)
{
  g_autoptr (LsobsProfile) profile = NULL;
  const char *api_url;
  const char *workspace_id;
  const char *problem;

  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  profile = _lsobs_profile_load (path, name, &problem);
  if (profile == NULL && problem != NULL && self->values.tracing_enabled)
    _lsobs_log_broken_profile (path != NULL ? path : "~/.langsmith/config.json", problem);
  if (profile == NULL)
    return TRUE;
  api_url = self->has_api_url ? NULL : profile->api_url;
  workspace_id = self->values.workspace_id != NULL ? NULL : profile->workspace_id;
  if (!check_member (self, profile, "api_url", "api-url", api_url, error) ||
      !check_member (self, profile, "workspace_id", "workspace-id", workspace_id, error) ||
      (!lsobs_config_has_api_key (self) && !take_auth (self, profile, error)))
    return FALSE;

  if (api_url != NULL)
    lsobs_config_set_api_url (self, api_url);
  if (workspace_id != NULL)
    lsobs_config_set_workspace_id (self, workspace_id);
  return TRUE;
}

/* --- environment --- */

/* Prefixes the error with the variable. */
static void
propagate_for_variable (GError **error, GError *problem, const char *variable)
{
  g_set_error (error, problem->domain, problem->code, _ ("%s: %s"), variable, problem->message);
}

/* A value of a variable or a profile is not valid. If tracing is off, this is an error only when
 * the program turns tracing on.
 * @setting: (nullable): that the value is for
 * @problem: (transfer full)
 * Returns: FALSE with @error if tracing is on */
static gboolean
accept_problem (LsobsConfig *config, const LsobsSetting *setting, GError *problem, GError **error)
{
  if (config->values.tracing_enabled)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  g_debug ("Without tracing, this does not matter: %s", problem->message);
  _lsobs_config_take_problem (config, setting, problem);
  return TRUE;
}

static gboolean
parse_number (const LsobsSetting *setting,
              const char *variable,
              const char *text,
              GValue *value,
              GError **error)
{
  const gint64 factor = MAX (setting->variable_factor, 1);
  g_autofree char *stripped = _lsobs_trim_dup (text);
  g_autoptr (GError) problem = NULL;
  gint64 number;

  if (!g_ascii_string_to_signed (stripped, 10, G_MININT64 / factor, G_MAXINT64 / factor, &number,
                                 NULL))
    {
      /* TRANSLATORS: the text is a variable of the environment. */
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, _ ("%s must be a whole number"),
                   variable);
      return FALSE;
    }
  if (!_lsobs_config_check_number (setting, number * factor, &problem))
    {
      propagate_for_variable (error, problem, variable);
      return FALSE;
    }
  g_value_init (value, G_TYPE_INT64);
  g_value_set_int64 (value, number * factor);
  return TRUE;
}

/* All shares are between 0 and 1. "50%" is 0.5. */
static gboolean
parse_share (const LsobsSetting *setting,
             const char *variable,
             const char *text,
             GValue *value,
             GError **error)
{
  g_autofree char *stripped = _lsobs_trim_dup (text);
  char *end = NULL;
  double share = g_ascii_strtod (stripped, &end);

  if (end != stripped && strcmp (g_strchug (end), "%") == 0)
    {
      share /= 100;
      end++;
    }
  if (end == stripped || *end != '\0' || !_lsobs_config_fits_share (setting, share))
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   /* TRANSLATORS: the text is a variable of the environment. */
                   _ ("%s must be a number between 0 and 1"), variable);
      return FALSE;
    }
  g_value_init (value, G_TYPE_DOUBLE);
  g_value_set_double (value, share);
  return TRUE;
}

/* A secret keeps its quotes, which its setter takes, and is a static string: a copy of it in @value
 * would stay in memory. */
static gboolean
parse_text (LsobsConfig *config,
            const LsobsSetting *setting,
            const char *variable,
            const char *text,
            GValue *value,
            GError **error)
{
  g_autofree char *stripped = setting->is_secret ? NULL : _lsobs_trim_dup (text);
  const char *checked = setting->is_secret ? text : stripped;
  g_autoptr (GError) problem = NULL;

  if (setting->check != NULL && !setting->check (config, &checked, &problem))
    {
      propagate_for_variable (error, problem, variable);
      return FALSE;
    }
  g_value_init (value, G_TYPE_STRING);
  if (setting->is_secret)
    g_value_set_static_string (value, text);
  else
    g_value_take_string (value, g_steal_pointer (&stripped));
  return TRUE;
}

/* The variable of a choice is a switch that selects one value. If it is off, @value is not set. */
static gboolean
parse_switch (const LsobsSetting *setting,
              const char *variable,
              const char *text,
              GValue *value,
              GError **error)
{
  gboolean on = FALSE;

  if (!_lsobs_environment_parse_switch (variable, text, &on, error))
    return FALSE;
  if (setting->type == LSOBS_SETTING_SWITCH)
    {
      g_value_init (value, G_TYPE_BOOLEAN);
      g_value_set_boolean (value, on);
    }
  else if (on)
    {
      g_value_init (value, setting->get_type ());
      g_value_set_enum (value, setting->choice_when_on);
    }
  return TRUE;
}

/* Reads the first variable of the setting that has a value. Checks that value alone. */
static gboolean
read_setting (LsobsConfig *config, const LsobsSetting *setting, GError **error)
{
  const char *variable;
  const char *text = _lsobs_environment_peek_first (setting->variables, &variable);
  g_auto (GValue) value = G_VALUE_INIT;
  gboolean valid;

  if (text == NULL)
    return TRUE;
  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      valid = parse_text (config, setting, variable, text, &value, error);
      break;
    case LSOBS_SETTING_SWITCH:
    case LSOBS_SETTING_CHOICE:
      valid = parse_switch (setting, variable, text, &value, error);
      break;
    case LSOBS_SETTING_NUMBER:
      valid = parse_number (setting, variable, text, &value, error);
      break;
    case LSOBS_SETTING_SHARE:
      valid = parse_share (setting, variable, text, &value, error);
      break;
    case LSOBS_SETTING_OBJECT:
    default:
      g_return_val_if_reached (FALSE);
    }
  if (valid && G_IS_VALUE (&value))
    _lsobs_config_set_setting (config, setting, &value);
  return valid;
}

/* @need_trust: which settings to read: those that a privileged program does not take from the
 *   environment, or all others */
static gboolean
read_settings (LsobsConfig *config, gboolean need_trust, GError **error)
{
  guint n;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n);

  for (guint i = 0; i < n; i++)
    {
      GError *problem = NULL;

      if (settings[i].needs_trust == need_trust && !settings[i].is_part_of_agent &&
          !read_setting (config, &settings[i], &problem) &&
          !accept_problem (config, &settings[i], problem, error))
        return FALSE;
    }
  return TRUE;
}

/* Returns: (transfer full) (nullable) */
static char *
dup_agent_part (const char *name)
{
  const char *variable;

  return _lsobs_trim_dup (
      _lsobs_environment_peek_first (_lsobs_config_find_setting (name)->variables, &variable));
}

/* Checks the syntax of the parts that are set. Fails only if tracing is on. A missing part, or a
 * project beside the agent, fails later, where the config is used: until then the program may set
 * another target.
 * @id: (nullable)
 * @environment: (nullable) */
static gboolean
check_agent (LsobsConfig *config, const char *id, const char *environment, GError **error)
{
  const char *variables = id == NULL            ? "LANGSMITH_AGENT_ENVIRONMENT"
                          : environment == NULL ? "LANGSMITH_AGENT_ID"
                                                : "LANGSMITH_AGENT_ID, LANGSMITH_AGENT_ENVIRONMENT";
  g_autoptr (LsobsTarget) target = NULL;
  g_autoptr (GError) problem = NULL;

  if (!config->values.tracing_enabled)
    return TRUE;
  target = _lsobs_target_new_agent (id != NULL ? id : "any",
                                    environment != NULL ? environment : "local", &problem);
  if (target != NULL)
    return TRUE;
  propagate_for_variable (error, problem, variables);
  return FALSE;
}

/* Returns: (transfer none) (nullable): the variable that names the project, NULL if none does or
 * only one of the platform */
static const char *
find_chosen_project (void)
{
  const char *const *variables = _lsobs_config_find_setting ("project-name")->variables;
  const char *variable;

  while (*variables != NULL && g_str_has_suffix (*variables, "HOSTED_LANGSERVE_PROJECT_NAME"))
    variables++;
  _lsobs_environment_peek_first (variables, &variable);
  return variable;
}

/* The platform names a project for each hosted deployment. An agent outranks that project, but not
 * one that the user has chosen. */
static gboolean
read_agent (LsobsConfig *config, GError **error)
{
  g_autofree char *id = dup_agent_part ("agent-id");
  g_autofree char *environment = dup_agent_part ("agent-environment");
  const char *project_variable = find_chosen_project ();
  gboolean has_agent = id != NULL || environment != NULL;

  if (has_agent && !check_agent (config, id, environment, error))
    return FALSE;
  lsobs_config_set_agent_id (config, id);
  lsobs_config_set_agent_environment (config, environment);
  _lsobs_config_set_target_from_environment (config, project_variable,
                                             has_agent && project_variable == NULL);
  return TRUE;
}

/* A list of replicas replaces the address. */
static gboolean
read_replicas (LsobsConfig *config, GError **error)
{
  static const char *const lists[] = { "LANGSMITH_RUNS_ENDPOINTS", "LANGCHAIN_RUNS_ENDPOINTS",
                                       NULL };
  const LsobsSetting *api_url = _lsobs_config_find_setting ("api-url");
  const char *list;
  const char *endpoint;
  const char *text = _lsobs_environment_peek_first (lists, &list);
  g_autoptr (GError) problem = NULL;

  if (text == NULL)
    return TRUE;
  if (_lsobs_environment_peek_first (api_url->variables, &endpoint) != NULL)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   /* TRANSLATORS: both are variables of the environment. */
                   _ ("Only one of %s and %s can be set"), endpoint, list);
      return FALSE;
    }
  if (!_lsobs_replica_list_read (config, text, list, error))
    return FALSE;
  /* The whole config: each replica may be valid, but not their combination. */
  if (lsobs_config_validate (config, &problem))
    return TRUE;
  propagate_for_variable (error, problem, list);
  return FALSE;
}

static gboolean
is_on (const char *variable)
{
  const char *text = _lsobs_environment_peek (variable);
  gboolean on = FALSE;

  return text != NULL && _lsobs_environment_parse_switch (variable, text, &on, NULL) && on;
}

/* Returns: (transfer none) (nullable): the variable that requests OpenTelemetry spans, instead of
 * runs or in addition to them */
static const char *
find_opentelemetry_variable (void)
{
  static const char *const modes[] = { "LANGSMITH_TRACING_MODE", "LANGCHAIN_TRACING_MODE", NULL };
  /* The older switches, which count only without a mode. */
  static const char *const switches[] = { "LANGSMITH_OTEL_ENABLED", "LANGCHAIN_OTEL_ENABLED",
                                          "OTEL_ENABLED", "LANGSMITH_OTEL_ONLY",
                                          "LANGCHAIN_OTEL_ONLY" };
  const char *variable;
  const char *mode = _lsobs_environment_peek_first (modes, &variable);
  gsize len;

  if (mode != NULL)
    {
      mode = _lsobs_trim (mode, &len);
      if (len == 0 ||
          (len == strlen ("langsmith") && g_ascii_strncasecmp (mode, "langsmith", len) == 0))
        return NULL;
      return variable;
    }
  for (guint i = 0; i < G_N_ELEMENTS (switches); i++)
    if (is_on (switches[i]))
      return switches[i];
  return NULL;
}

/* Other clients can send OpenTelemetry spans. lsobs cannot, and logs that once per process. */
static void
log_unsupported_mode (LsobsConfig *config)
{
  static int logged; /* (atomic) */
  const char *variable = find_opentelemetry_variable ();

  if (variable == NULL || !config->values.tracing_enabled ||
      !g_atomic_int_compare_and_exchange (&logged, FALSE, TRUE))
    return;
  /* TRANSLATORS: the text is a variable of the environment. */
  g_message (_ ("%s asks for a tracing mode that lsobs does not have; runs are sent to LangSmith "
                "as usual, and no OpenTelemetry spans are sent"),
             variable);
}

static gboolean
read_profile (LsobsConfig *config, GError **error)
{
  g_autofree char *path = _lsobs_environment_dup ("LANGSMITH_CONFIG_FILE");
  g_autofree char *name = _lsobs_environment_dup ("LANGSMITH_PROFILE");

  return lsobs_config_load_profile (config, path, name, error);
}

/* Tells in the debug log whether tracing is on, and why. */
static void
debug_tracing (LsobsConfig *config)
{
  const LsobsSetting *setting = _lsobs_config_find_setting ("tracing-enabled");
  const char *variable;

  _lsobs_environment_peek_first (setting->variables, &variable);
  if (variable != NULL)
    g_debug ("Tracing is %s: %s says so", config->values.tracing_enabled ? "on" : "off", variable);
  else if (!config->values.tracing_enabled)
    g_debug ("Tracing is off: the environment does not say LANGSMITH_TRACING=true");
}

/* First whether tracing is on, which decides what is an error. The trusted settings before the
 * others: allow-plain-http decides which addresses are valid. Last a profile, for what the
 * environment does not set. */
static gboolean
read_all (LsobsConfig *config, GError **error)
{
  GError *problem = NULL;

  /* Without a variable, tracing is off. */
  lsobs_config_set_tracing_enabled (config, FALSE);
  if (!read_setting (config, _lsobs_config_find_setting ("tracing-enabled"), error) ||
      (!_lsobs_privilege_is_elevated () && !read_settings (config, TRUE, error)) ||
      !read_settings (config, FALSE, error))
    return FALSE;
  debug_tracing (config);
  log_unsupported_mode (config);
  if (!read_replicas (config, &problem) && !accept_problem (config, NULL, problem, error))
    return FALSE;
  problem = NULL;
  return read_agent (config, error) &&
         (read_profile (config, &problem) || accept_problem (config, NULL, problem, error));
}

/**
 * lsobs_config_new_from_environment:
 * @error: return location for a #GError, or %NULL
 *
 * Creates a config from environment variables. Each call reads the variables again. A setting whose
 * variable is not set, or is only white space, has its default.
 *
 * Tracing is off unless one of these variables turns it on: `LANGSMITH_TRACING_V2`,
 * `LANGCHAIN_TRACING_V2`, `LANGSMITH_TRACING` and `LANGCHAIN_TRACING`. The first one that is set
 * decides. See #LsobsConfig:tracing-enabled.
 *
 * The names of the other variables begin with `LANGSMITH_`. If such a variable is not set, the one
 * that begins with `LANGCHAIN_` is read:
 *
 * - `ENDPOINT`, `API_KEY` and `WORKSPACE_ID` for #LsobsConfig:api-url,
 *   #LsobsConfig:api-key and #LsobsConfig:workspace-id
 * - `CA_FILE` and the switch `ALLOW_PLAIN_HTTP` for #LsobsConfig:ca-file and
 *   #LsobsConfig:allow-plain-http; a program that runs with more rights than its user
 *   has, such as a setuid one, ignores both
 * - `PROJECT`, or else `SESSION`, for #LsobsConfig:project-name; `HOSTED_LANGSERVE_PROJECT_NAME`,
 *   with or without a prefix, takes precedence over both
 * - `LANGSMITH_AGENT_ID` and `LANGSMITH_AGENT_ENVIRONMENT`, but not with the prefix `LANGCHAIN_`,
 *   for #LsobsConfig:agent-id and #LsobsConfig:agent-environment; they must not be set together
 *   with `PROJECT` or `SESSION`
 * - `TRACING_SAMPLING_RATE` for #LsobsConfig:sampling-rate
 * - `HIDE_INPUTS`, `HIDE_OUTPUTS` and `HIDE_METADATA` for #LsobsConfig:hide-inputs,
 *   #LsobsConfig:hide-outputs and #LsobsConfig:hide-metadata, and `REDACT_PAIRS` for
 *   #LsobsConfig:redact-pairs
 * - `DISABLE_RUN_COMPRESSION` to set #LsobsConfig:compression to
 *   %LSOBS_COMPRESSION_NONE, and `RUN_COMPRESSION_LEVEL` for
 *   #LsobsConfig:compression-level
 * - `BATCH_INGEST_SIZE_LIMIT`, `TRACING_QUEUE_MAX_SIZE` and `MAX_INGEST_MEMORY_BYTES`
 *   for #LsobsConfig:max-batch-size, #LsobsConfig:queue-capacity and
 *   #LsobsConfig:max-queue-bytes
 * - `FAILED_TRACES_DIR` for #LsobsConfig:failed-traces-dir, and `FAILED_TRACES_MAX_MB`,
 *   in units of 1048576, for #LsobsConfig:failed-traces-max-bytes
 * - `SPOOL_DIR`, the switch `SPOOL`, `SPOOL_MAX_MB`, in units of 1048576, `SPOOL_MAX_FILES`,
 *   `SPOOL_MAX_AGE_HOURS` and `SPOOL_DELAY_MS` for #LsobsConfig:spool-dir,
 *   #LsobsConfig:spool-enabled, #LsobsConfig:spool-max-bytes, #LsobsConfig:spool-max-files,
 *   #LsobsConfig:spool-max-age and #LsobsConfig:spool-delay; a program that runs with more rights
 *   than its user has ignores the first two
 * - `EXIT_TIMEOUT_MS` for #LsobsConfig:exit-timeout
 * - `REVISION_ID` for #LsobsConfig:revision-id
 *
 * A switch is on if its value is `true`, `t`, `1`, `yes`, `y`, `on`, `enabled` or `enable`. It is
 * off if its value is `false`, `f`, `0`, `no`, `n`, `off`, `disabled` or `disable`. Upper and lower
 * case are the same. No other values are allowed. A sampling rate is a number such as `0.5`, or a
 * percentage such as `50%`. White space and one pair of quotes around a value are removed, because
 * programs that read `.env` files often leave the quotes there.
 *
 * `LANGSMITH_RUNS_ENDPOINTS` has several replicas, as for lsobs_config_add_replica(). It must not
 * be set together with `LANGSMITH_ENDPOINT`. It is JSON, in one of two forms. The first form is an
 * array of objects with the members `api_url`, `api_key` and, if needed, `project_name`,
 * `workspace_id` and `primary`, which is true or false. The second form is an object with a member
 * `"<url>": "<key>"` for each replica. lsobs skips an entry that is not valid, and logs a line
 * about it.
 *
 * lsobs sends runs, not OpenTelemetry spans. If `TRACING_MODE` is not `langsmith`, or if it is not
 * set and `OTEL_ENABLED` or `OTEL_ONLY` is on (the first one also without its prefix), runs are
 * sent as usual, and a process that traces logs this once.
 *
 * If no variable has the address, the key or the workspace, lsobs reads it from a profile of the
 * tools of LangSmith, as lsobs_config_load_profile() does. `LANGSMITH_CONFIG_FILE` is the path of
 * the file, and `LANGSMITH_PROFILE` the name of the profile. The defaults are those of that
 * function.
 *
 * It is not an error if there is no key; lsobs_config_has_api_key() tells. No other variable is
 * ever sent.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG if a value is not valid. The message names the variable,
 * or the member of the profile, and never has a part of the value. While tracing is off, only a
 * variable that turns tracing on or off fails. Other values that are not valid fail later, when an
 * object is made from the config, if the program has turned tracing on by then and has not set that
 * setting itself.
 *
 * Returns: (transfer full): a new config, or %NULL if it fails
 *
 * Since: 0.1
 */
LsobsConfig *
lsobs_config_new_from_environment (GError **error)
{
  g_autoptr (LsobsConfig) self = g_object_new (LSOBS_TYPE_CONFIG, NULL);

  if (!read_all (self, error))
    return NULL;
  return g_steal_pointer (&self);
}
