/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-environment-private.h"
#include "lsobs/config/lsobs-profile-private.h"

/* Where the settings of a config come from, other than the program. #LsobsConfig is
 * described in the file of its name. */

static gboolean
is_space (char c)
{
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* White space around a value and one pair of quotes are what people copy along.
 * @text: (nullable)
 * @len: (out): 0 for nothing
 * Returns: (nullable): where the rest begins */
const char *
_lsobs_config_trim (const char *text, gsize *len)
{
  const char *end;

  *len = 0;
  if (text == NULL)
    return NULL;
  end = text + strlen (text);
  for (guint quotes = 0; quotes < 2; quotes++)
    {
      while (text < end && is_space (*text))
        text++;
      while (text < end && is_space (end[-1]))
        end--;
      if (quotes > 0 || end - text < 2 || (*text != '"' && *text != '\'') || end[-1] != *text)
        break;
      text++;
      end--;
    }
  *len = (gsize) (end - text);
  return text;
}

/* What is left is copied as it is: a key that is moved about in memory leaves pieces
 * behind. @text: (nullable)
 * Returns: (transfer full) (nullable): NULL for nothing */
char *
_lsobs_config_dup_trimmed (const char *text)
{
  gsize len;
  const char *start = _lsobs_config_trim (text, &len);

  return len > 0 ? g_strndup (start, len) : NULL;
}

/* Judges one value alone, so that the error can name the member; the value itself is
 * in no message. @value: (nullable) */
static gboolean
check_member (LsobsConfig *self,
              LsobsProfile *profile,
              const char *member,
              void (*set) (LsobsConfig *config, const char *value),
              const char *value,
              GError **error)
{
  g_autoptr (LsobsConfig) probe = NULL;
  g_autoptr (GError) problem = NULL;
  g_autofree char *path = NULL;

  if (value == NULL)
    return TRUE;
  probe = lsobs_config_new (NULL, NULL);
  lsobs_config_set_allow_plain_http (probe, lsobs_config_get_allow_plain_http (self));
  set (probe, value);
  if (lsobs_config_validate (probe, &problem))
    return TRUE;
  path = g_filename_display_name (profile->path);
  /* TRANSLATORS: a setting, the file that has it, and what is wrong with it. */
  g_set_error (error, problem->domain, problem->code, _ ("%s in %s: %s"), member, path,
               problem->message);
  return FALSE;
}

/* @value: (nullable) */
static gboolean
says_something (const char *value)
{
  gsize len;

  _lsobs_config_trim (value, &len);
  return len > 0;
}

/* Takes the key or token of the profile, in the order of precedence of the official
 * clients. A command is not run before the first request needs the key. */
static gboolean
take_auth (LsobsConfig *self, LsobsProfile *profile, GError **error)
{
  g_autofree char *variable = _lsobs_config_dup_trimmed (profile->api_key_env);
  const char *member = "api_key";
  const char *key = profile->api_key;

  if (says_something (profile->access_token))
    {
      if (!check_member (self, profile, "oauth.access_token", lsobs_config_set_api_key,
                         profile->access_token, error))
        return FALSE;
      _lsobs_config_take_key_source (self, _lsobs_key_source_new (LSOBS_KEY_TOKEN, profile));
      return TRUE;
    }
  if (!says_something (key) && variable != NULL)
    {
      member = "api_key_env";
      key = _lsobs_environment_peek (variable);
    }
  if (!says_something (key) && (variable != NULL || says_something (profile->api_key_cmd)))
    {
      gboolean runs = variable == NULL && profile->distrust == NULL;

      _lsobs_config_take_key_source (self, _lsobs_key_source_new (runs ? LSOBS_KEY_COMMAND
                                                                       : LSOBS_KEY_MISSING,
                                                                  profile));
      return TRUE;
    }
  if (!check_member (self, profile, member, lsobs_config_set_api_key, key, error))
    return FALSE;
  if (key != NULL)
    lsobs_config_set_api_key (self, key);
  return TRUE;
}

/**
 * lsobs_config_load_profile:
 * @self: a config
 * @path: (type filename) (nullable): a file, or %NULL for `.langsmith/config.json` in
 *   the home directory
 * @name: (nullable): a profile in it, or %NULL for the one that the file calls its
 *   `current_profile`, else `default`
 * @error: return location for a #GError, or %NULL
 *
 * Completes a config with a profile of the tools of LangSmith: its `api_url`, its
 * key and its `workspace_id`, as far as they have not been set before. For programs that
 * leave the environment alone; lsobs_config_new_from_environment() does it, too.
 *
 * The key is the first of these that the profile has, in the order of the official
 * clients:
 *
 * - `oauth.access_token`, which is sent in place of a key, as
 *   `Authorization: Bearer`. When the service refuses it with 401, the file is read
 *   again, and a new token is used from then on: the tools of LangSmith renew it
 *   there. lsobs does not renew it itself.
 * - `api_key`
 * - `api_key_env`, the name of an environment variable that contains the key. It is read
 *   in this call.
 * - `api_key_cmd`, a command that prints the key, for `/bin/sh -c`. It runs in a thread of
 *   its own when the first request is about to be made, which waits for it, and once more
 *   when the service refuses the key with 401. It may take 10 seconds and print 64 KiB. It
 *   has no input and no terminal, and its standard error is discarded. White space around
 *   the key is removed. The command is run only if the file belongs to the user, no other
 *   user can write to the file or its directory, and the program does not run with elevated
 *   privileges (`setuid`).
 *
 * While a command fails, sending is paused and runs are kept, see %LSOBS_ERROR_NO_KEY.
 * If the variable is not set, or the command must not be run, lsobs_observer_new() fails
 * for another machine, and its error says why.
 *
 * A file or a profile that is not there, or cannot be made sense of, is no error:
 * lsobs_config_has_api_key() tells what came of it.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG when a value of the profile makes no sense.
 * The message names the member and the file, and @self is unchanged.
 *
 * This function reads a file, in the calling thread. It runs no command.
 *
 * Returns: %TRUE unless a value makes no sense
 *
 * Since: 0.1
 */
gboolean
lsobs_config_load_profile (LsobsConfig *self, const char *path, const char *name, GError **error)
{
  g_autoptr (LsobsProfile) profile = NULL;
  const char *api_url;
  const char *workspace_id;

  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  profile = _lsobs_profile_load (path, name);
  if (profile == NULL)
    return TRUE;
  api_url = _lsobs_config_has_api_url (self) ? NULL : profile->api_url;
  workspace_id = lsobs_config_get_workspace_id (self) != NULL ? NULL : profile->workspace_id;
  if (!check_member (self, profile, "api_url", lsobs_config_set_api_url, api_url, error) ||
      !check_member (self, profile, "workspace_id", lsobs_config_set_workspace_id, workspace_id,
                     error) ||
      (!lsobs_config_has_api_key (self) && !take_auth (self, profile, error)))
    return FALSE;

  if (api_url != NULL)
    lsobs_config_set_api_url (self, api_url);
  if (workspace_id != NULL)
    lsobs_config_set_workspace_id (self, workspace_id);
  return TRUE;
}

/**
 * lsobs_config_new_from_environment:
 * @error: return location for a #GError, or %NULL
 *
 * Makes a config from environment variables. They are read afresh with each call,
 * and what is not set keeps its default, as does what is set to white space.
 *
 * Tracing is off unless the first one that is set of `LANGSMITH_TRACING_V2`,
 * `LANGCHAIN_TRACING_V2`, `LANGSMITH_TRACING` and `LANGCHAIN_TRACING` says that it is
 * on; see #LsobsConfig:tracing-enabled.
 *
 * The others begin with `LANGSMITH_` or else, read second, with `LANGCHAIN_`:
 *
 * - `ENDPOINT`, `API_KEY` and `WORKSPACE_ID` for #LsobsConfig:api-url,
 *   #LsobsConfig:api-key and #LsobsConfig:workspace-id
 * - `CA_FILE` and the switch `ALLOW_PLAIN_HTTP` for #LsobsConfig:ca-file and
 *   #LsobsConfig:allow-plain-http; a program that runs with more rights than its user
 *   has, such as a setuid one, ignores both
 * - `PROJECT`, or else `SESSION`, for #LsobsConfig:project-name; before them comes
 *   `HOSTED_LANGSERVE_PROJECT_NAME`, also as it is
 * - `LANGSMITH_AGENT_ID` and `LANGSMITH_AGENT_ENVIRONMENT`, which have no name that begins
 *   with `LANGCHAIN_`, for #LsobsConfig:agent-id and #LsobsConfig:agent-environment;
 *   they exclude the variables of a project
 * - `TRACING_SAMPLING_RATE` for #LsobsConfig:sampling-rate
 * - `HIDE_INPUTS`, `HIDE_OUTPUTS` and `HIDE_METADATA` for #LsobsConfig:hide-inputs,
 *   #LsobsConfig:hide-outputs and #LsobsConfig:hide-metadata
 * - `DISABLE_RUN_COMPRESSION` to set #LsobsConfig:compression to
 *   %LSOBS_COMPRESSION_NONE, and `RUN_COMPRESSION_LEVEL` for
 *   #LsobsConfig:compression-level
 * - `BATCH_INGEST_SIZE_LIMIT`, `TRACING_QUEUE_MAX_SIZE` and `MAX_INGEST_MEMORY_BYTES`
 *   for #LsobsConfig:max-batch-size, #LsobsConfig:queue-capacity and
 *   #LsobsConfig:max-queue-bytes
 * - `FAILED_TRACES_DIR` for #LsobsConfig:failed-traces-dir, and `FAILED_TRACES_MAX_MB`,
 *   in units of 1048576, for #LsobsConfig:failed-traces-max-bytes
 * - `REVISION_ID` for #LsobsConfig:revision-id
 *
 * A switch is on by `true`, `1`, `yes` or `on`, and off by `false`, `0`, `no` or `off`,
 * in any case; there are no other words for it.
 *
 * `LANGSMITH_RUNS_ENDPOINTS` names several places, as lsobs_config_add_replica() does,
 * and excludes `LANGSMITH_ENDPOINT`. It is JSON: an array of objects with an `api_url`,
 * an `api_key` and, where they are needed, a `project_name`, a `workspace_id` and
 * `primary`, which is true or false; or one object with a member `"<url>": "<key>"` for
 * each place. An entry that makes no sense is left out, with a line in the log.
 *
 * lsobs sends runs, not OpenTelemetry spans. If `TRACING_MODE` is set to another word than
 * `langsmith`, or, without a mode, `OTEL_ENABLED` or `OTEL_ONLY` is on (the first one also
 * without its prefix), runs are sent as usual, and the log of a process that traces has one
 * line that says so.
 *
 * Address, key and workspace that no variable has are looked up in a profile of
 * LangSmith's own tools, as lsobs_config_load_profile() does it: in the file
 * `LANGSMITH_CONFIG_FILE`, and there the profile `LANGSMITH_PROFILE`, each with the
 * default of that function.
 *
 * A missing key is not an error here: lsobs_config_has_api_key() tells. Nothing of the
 * environment is ever sent, but for what is named here.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG, and a message that names the variable,
 * or the member of a profile, when a value makes no sense. No text of a value is shown.
 *
 * Returns: (transfer full): a config, or %NULL
 *
 * Since: 0.1
 */
LsobsConfig *
lsobs_config_new_from_environment (GError **error)
{
  g_autoptr (LsobsConfig) self = g_object_new (LSOBS_TYPE_CONFIG, NULL);

  if (!_lsobs_environment_apply (self, error))
    return NULL;
  return g_steal_pointer (&self);
}
