/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-api-url-private.h"
#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/core/lsobs-override-watch-private.h"
#include "lsobs/core/lsobs-secret-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-compressor-private.h"
#include "lsobs/text/lsobs-redact-rule-private.h"

/**
 * SECTION:lsobs-config
 * @title: LsobsConfig
 * @short_description: says where runs are sent, how many, and what is hidden
 *
 * An #LsobsConfig holds settings. The setters accept any value. lsobs_config_validate() checks all
 * settings together, and so does each constructor that takes a config: those of #LsobsObserver,
 * #LsobsExporter and #LsobsClient. These objects copy the config. Later changes to the config do
 * not affect them.
 *
 * The API key is a secret. A program can set it, but cannot read it. No message contains it. lsobs
 * wipes the memory of its copies when it frees them. libsoup keeps its own copy in each request
 * that it sends; lsobs cannot wipe that copy.
 *
 * Any thread can use a config, but only one thread at a time.
 */

/* This file contains the table of settings, the public accessors and their documentation.
 *
 * To add a setting:
 * - add a member to LsobsConfigValues (lsobs-config-private.h)
 * - add a row to the table below: it makes the property, checks its range, reads its environment
 *   variables, and copies the value into the settings of each destination
 * - add the setter and the getter here, with their declarations in lsobs-config.h
 * - use it: it is a member of LsobsSettings.values
 *
 * tests/unit/test-setting-table.c and tests/checks/test-symbols.sh then name each line of
 * documentation that is missing.
 *
 * This file knows which settings there are, and reads nothing from outside of the program.
 * lsobs-config-sources.c fills a config from the environment and from profiles, for which it uses
 * the table and the setters. Checks that need several settings, and lsobs_config_validate(), are in
 * lsobs-settings.c. */

G_DEFINE_FINAL_TYPE (LsobsConfig, lsobs_config, G_TYPE_OBJECT)

/* --- checks of values --- */

static gboolean
check_api_url (LsobsConfig *self, gconstpointer value, GError **error)
{
  const char *text = *(char *const *) value;
  g_autofree char *url = _lsobs_api_url_parse (text, self->values.allow_plain_http, NULL, error);

  return url != NULL;
}

static gboolean
check_api_key (LsobsConfig *self, gconstpointer value, GError **error)
{
  const char *text = *(char *const *) value;
  char *key = _lsobs_trim_dup (text);
  gboolean fits = key == NULL || _lsobs_secret_fits_header (key);

  _lsobs_secret_free (key);
  if (!fits)
    g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                         _ ("Invalid API key: it holds a line break, a space or another "
                            "character that no key has"));
  return fits;
}

static gboolean
check_utf8 (const char *text, const char *message, GError **error)
{
  if (text == NULL || g_utf8_validate (text, -1, NULL))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, message);
  return FALSE;
}

static gboolean
check_project_name (LsobsConfig *self, gconstpointer value, GError **error)
{
  return check_utf8 (*(char *const *) value, _ ("Invalid project name: it is not UTF-8"), error);
}

static gboolean
check_revision_id (LsobsConfig *self, gconstpointer value, GError **error)
{
  return check_utf8 (*(char *const *) value, _ ("Invalid revision id: it is not UTF-8"), error);
}

static gboolean
check_workspace_id (LsobsConfig *self, gconstpointer value, GError **error)
{
  const char *text = *(char *const *) value;
  g_autofree char *workspace_id = _lsobs_trim_dup (text);
  LsobsId id;

  if (workspace_id == NULL || _lsobs_id_parse_text (&id, workspace_id))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                       _ ("Invalid workspace id: it is not a UUID"));
  return FALSE;
}

static gboolean
check_redact_regex (LsobsConfig *self, gconstpointer value, GError **error)
{
  const char *pattern = *(char *const *) value;
  g_autoptr (GError) problem = NULL;
  LsobsRedactRule *rule;

  if (pattern == NULL || *pattern == '\0')
    return TRUE;
  if (!check_utf8 (pattern, _ ("Invalid redaction regex: it is not UTF-8"), error))
    return FALSE;
  rule = _lsobs_redact_rule_new (pattern, NULL, LSOBS_REPLACEMENT_LITERAL, &problem);
  if (rule == NULL)
    g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, _ ("Invalid redaction regex: %s"),
                 problem->message);
  g_clear_pointer (&rule, _lsobs_redact_rule_free);
  return problem == NULL;
}

static gboolean
check_sampling_rate (LsobsConfig *self, gconstpointer value, GError **error)
{
  double rate = *(const double *) value;
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (_lsobs_config_fits_share (_lsobs_config_find_setting ("sampling-rate"), rate))
    return TRUE;
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
               _ ("Invalid sampling rate: %s is not between 0 and 1"),
               g_ascii_dtostr (text, sizeof text, rate));
  return FALSE;
}

static gboolean
check_compression (LsobsConfig *self, gconstpointer value, GError **error)
{
  LsobsCompression compression = (LsobsCompression) * (const int *) value;

  if (compression == LSOBS_COMPRESSION_AUTO || compression == LSOBS_COMPRESSION_NONE ||
      _lsobs_compression_is_built_in (compression))
    return TRUE;
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
               /* TRANSLATORS: the name of a compression, such as zstd. */
               _ ("Invalid compression: lsobs was built without %s"),
               _lsobs_compression_get_name (compression));
  return FALSE;
}

/* Makes the path absolute: the working directory may change before the path is used. */
static char *
normalize_path (const char *path)
{
  return path != NULL && *path != '\0' ? g_canonicalize_filename (path, NULL) : NULL;
}

/* --- the table of settings --- */

/* Most variables have an older name, which is read second. */
#define VARIABLE(name) "LANGSMITH_" name, "LANGCHAIN_" name

/* The id of a property is the index of its row, plus 1. */
static const LsobsSetting settings[] = {
  /**
   * LsobsConfig:api-url:
   *
   * The address of the service. It starts with `https://`. It may start with `http://` if the
   * service is on this machine; see also #LsobsConfig:allow-plain-http. White space and quotes
   * around the address are ignored, and so are slashes at its end. The default is
   * `https://api.smith.langchain.com`.
   *
   * Since: 0.1
   */
  {
      .name = "api-url",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, api_url),
      .initial_text = "https://api.smith.langchain.com",
      .variables = { VARIABLE ("ENDPOINT") },
      .set = lsobs_config_set_api_url,
      .is_of_destination = TRUE,
      .check = check_api_url,
  },

  /**
   * LsobsConfig:api-key:
   *
   * The API key of the service. The property cannot be read. The default is %NULL. Prefer
   * lsobs_config_set_api_key(): g_object_set() copies the key into a #GValue, whose memory is not
   * wiped.
   *
   * Since: 0.1
   */
  {
      .name = "api-key",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, api_key),
      .is_secret = TRUE,
      .variables = { VARIABLE ("API_KEY") },
      .set = lsobs_config_set_api_key,
      .is_of_destination = TRUE,
      .check = check_api_key,
  },

  /**
   * LsobsConfig:project-name:
   *
   * The project that the traces belong to, in UTF-8. The service creates a project that does not
   * exist. The default is `default`. If #LsobsConfig:agent-id is set, the traces belong to that
   * agent instead.
   *
   * Since: 0.1
   */
  {
      .name = "project-name",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, project_name),
      .initial_text = LSOBS_DEFAULT_PROJECT_NAME,
      .variables = { "HOSTED_LANGSERVE_PROJECT_NAME", VARIABLE ("HOSTED_LANGSERVE_PROJECT_NAME"),
                     VARIABLE ("PROJECT"), VARIABLE ("SESSION") },
      .set = lsobs_config_set_project_name,
      .is_of_destination = TRUE,
      .check = check_project_name,
  },

  /**
   * LsobsConfig:agent-id:
   *
   * The id of the agent that the traces belong to, for workspaces that are organised by agents, or
   * %NULL. The id has 1 to 63 lower-case ASCII letters, digits or hyphens. It begins with a letter,
   * and ends with a letter or a digit. #LsobsConfig:agent-environment must be set, too. Each run
   * then has the address `lrn:agents/ID/environments/ENVIRONMENT` in place of the name of a
   * project, and the service finds the project by this address. A self-hosted server must be
   * LangSmith 0.18 or newer.
   *
   * A trace belongs either to a project or to an agent. A value that the program sets takes
   * precedence over the environment: after lsobs_config_set_project_name(), traces go to that
   * project even if `LANGSMITH_AGENT_ID` is set; after lsobs_config_set_agent_id(), they go to that
   * agent even if `LANGSMITH_PROJECT` is set. If the program sets both, or if the environment sets
   * both, the constructors that take the config fail with %LSOBS_ERROR_INVALID_CONFIG. They also
   * fail if only one of the two variables of an agent is set. lsobs_config_new_from_environment()
   * does not fail in these cases, because the program can still set one of the values. An agent
   * takes precedence over `HOSTED_LANGSERVE_PROJECT_NAME`, which the platform sets. While
   * #LsobsConfig:tracing-enabled is %FALSE, these errors of the environment are ignored.
   *
   * A replica that has its own project always writes to that project.
   *
   * Since: 0.1
   */
  {
      .name = "agent-id",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, agent_id),
      .is_part_of_agent = TRUE,
      .variables = { "LANGSMITH_AGENT_ID" },
      .set = lsobs_config_set_agent_id,
  },

  /**
   * LsobsConfig:agent-environment:
   *
   * The environment of the agent that the traces belong to: `local`, `development`, `staging` or
   * `production`, in upper or lower case. The default is %NULL. It must be set if
   * #LsobsConfig:agent-id is set, and is refused otherwise.
   *
   * Since: 0.1
   */
  {
      .name = "agent-environment",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, agent_environment),
      .is_part_of_agent = TRUE,
      .variables = { "LANGSMITH_AGENT_ENVIRONMENT" },
      .set = lsobs_config_set_agent_environment,
  },

  /**
   * LsobsConfig:workspace-id:
   *
   * The workspace, a UUID, or %NULL. An API key of a whole organization needs it. It is not sent to
   * a replica that has another host and another key; see lsobs_config_add_replica().
   *
   * Since: 0.1
   */
  {
      .name = "workspace-id",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, workspace_id),
      .variables = { VARIABLE ("WORKSPACE_ID") },
      .is_of_destination = TRUE,
      .check = check_workspace_id,
  },

  /**
   * LsobsConfig:redact-regex:
   *
   * A regular expression, in the syntax of #GRegex, or %NULL. Each match in a string of the inputs,
   * outputs, errors, metadata, tags or events is replaced with `[REDACTED]`.
   * lsobs_config_add_redact_rule() adds more of them.
   *
   * Since: 0.1
   */
  {
      .name = "redact-regex",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, redact_regex),
      .check = check_redact_regex,
  },

  /**
   * LsobsConfig:sampler:
   *
   * An #LsobsSampler of the program, or %NULL. If it is set, #LsobsConfig:sampling-rate is not
   * used.
   *
   * Since: 0.1
   */
  {
      .name = "sampler",
      .type = LSOBS_SETTING_OBJECT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, sampler),
      .get_type = lsobs_sampler_get_type,
  },

  /**
   * LsobsConfig:sampling-rate:
   *
   * The share of traces that are sent, from 0.0 to 1.0. The default is 1.0, which sends all traces.
   *
   * Since: 0.1
   */
  {
      .name = "sampling-rate",
      .type = LSOBS_SETTING_SHARE,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, sampling_rate),
      .initial = 1,
      .minimum = 0,
      .maximum = 1,
      .variables = { VARIABLE ("TRACING_SAMPLING_RATE") },
      .check = check_sampling_rate,
  },

  /**
   * LsobsConfig:ingest-mode:
   *
   * Which endpoints of the service runs are sent to. The default is %LSOBS_INGEST_MODE_AUTO, which
   * uses what the service offers.
   *
   * Since: 0.1
   */
  {
      .name = "ingest-mode",
      .type = LSOBS_SETTING_CHOICE,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, ingest_mode),
      .get_type = lsobs_ingest_mode_get_type,
      .initial = LSOBS_INGEST_MODE_AUTO,
  },

  /**
   * LsobsConfig:allow-plain-http:
   *
   * Whether plain HTTP to other machines is allowed. Everybody on the network path can then read
   * the API key and the traces. The default is %FALSE.
   *
   * Since: 0.1
   */
  {
      .name = "allow-plain-http",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, allow_plain_http),
      .initial = FALSE,
      .needs_trust = TRUE,
      .variables = { VARIABLE ("ALLOW_PLAIN_HTTP") },
  },

  /**
   * LsobsConfig:ca-file:
   *
   * A file with the certificates, in PEM, of the authorities to trust, or a directory of such
   * files, or %NULL. A relative path starts at the working directory at the time when the observer
   * is made.
   *
   * If it is %NULL, the environment at the time when the observer is made decides. `SSL_CERT_FILE`
   * and `SSL_CERT_DIR` (directories, separated by `:`) are used together. If neither is set,
   * `REQUESTS_CA_BUNDLE` (a file or a directory) is used. Directories in `SSL_CERT_DIR` that do not
   * exist are skipped, unless the variables name nothing else. A program that has more rights than
   * its user, such as a setuid program, ignores these variables. If no variable is set, the
   * authorities that the system trusts are used.
   *
   * These authorities replace those of the system, for all replicas. If a path cannot be read, or
   * contains no certificate, nothing is sent: the attempt fails with %LSOBS_ERROR_UNREACHABLE and a
   * message that names the path. The next attempt reads the path again. After the service's
   * certificate was refused, a path that has changed is read again, too.
   *
   * Since: 0.1
   */
  {
      .name = "ca-file",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, ca_file),
      .needs_trust = TRUE,
      .variables = { VARIABLE ("CA_FILE") },
  },

  /**
   * LsobsConfig:redact-secrets:
   *
   * Whether secrets of well-known kinds are replaced with `[SECRET_DETECTED]`, in the same strings
   * as for #LsobsConfig:redact-regex. The default is %FALSE. These are secrets: keys of model
   * providers, agent tools, clouds, code hosts, chat and payment services, and package registries;
   * JSON web tokens; private keys in PEM; a value that is assigned to a name such as `api_key` or
   * `password`; a value that follows an option such as `--password`, or `Authorization:`, `Bearer`
   * or `Basic`; the content of an element such as `<password>`; the password in a URL. The text
   * before the secret is kept. In JSON, a string or a number is also replaced whole when the name of
   * its member ends with the name of a secret: the password in `{"db_password": "hunter22"}`. These
   * names are `password`, `passwd`, `passphrase`, `passcode`, `secret`, `access_key`, `account_key`,
   * `api_key`, `auth_key`, `private_key`, `secret_key`, `secret_access_key`, `subscription_key`,
   * `access_token`, `api_token`, `auth_token`, `bearer_token`, `refresh_token` and `session_token`,
   * in any case, with any or no character between their words, and with or without a number at the
   * end.
   *
   * Since: 0.1
   */
  {
      .name = "redact-secrets",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, redact_secrets),
      .initial = FALSE,
  },

  /**
   * LsobsConfig:redact-pairs:
   *
   * Whether the names of lsobs_config_add_redact_key() also apply to pairs. The default is %FALSE.
   * In the pair `{"name": "password", "value": "x"}`, one member has the name of the value, and
   * another member has the value. With the key `password`, that value becomes `[REDACTED]`. The
   * member with the name is called `name`, `key`, `field`, `header` or similar, or its name ends
   * with `name` or `key`. The member with the value is called `value`, `values`, `val`, `v`,
   * `content` or `data`, or its name ends with `value`. The order of the two members does not
   * matter. Pairs are also found in JSON that is in strings.
   *
   * Since: 0.1
   */
  {
      .name = "redact-pairs",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, redact_pairs),
      .initial = FALSE,
      .variables = { VARIABLE ("REDACT_PAIRS") },
  },

  /**
   * LsobsConfig:hide-inputs:
   *
   * Whether an empty object is sent in place of the inputs of each run. The default is %FALSE.
   *
   * Since: 0.1
   */
  {
      .name = "hide-inputs",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, hide_inputs),
      .initial = FALSE,
      .variables = { VARIABLE ("HIDE_INPUTS") },
  },

  /**
   * LsobsConfig:hide-outputs:
   *
   * Whether an empty object is sent in place of the outputs of each run. Errors and events are not
   * outputs. The default is %FALSE.
   *
   * Since: 0.1
   */
  {
      .name = "hide-outputs",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, hide_outputs),
      .initial = FALSE,
      .variables = { VARIABLE ("HIDE_OUTPUTS") },
  },

  /**
   * LsobsConfig:hide-metadata:
   *
   * Whether an empty object is sent in place of the metadata of each run. The metadata includes the
   * name of the model and the numbers of tokens. The values of lsobs_run_set_extra() are left out,
   * too. The default is %FALSE.
   *
   * Since: 0.1
   */
  {
      .name = "hide-metadata",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, hide_metadata),
      .initial = FALSE,
      .variables = { VARIABLE ("HIDE_METADATA") },
  },

  /**
   * LsobsConfig:attach-inline-data:
   *
   * Whether files that are in the inputs of a run, or of an #LsobsRunEvent, become attachments, so
   * that the service shows a picture as a picture. The default is %FALSE. These files are found:
   * data URLs with base64, and base64 in the formats of OpenAI, Anthropic, Google and Ollama. In
   * the inputs, the text `attachment:` and the name of the attachment, such as `inputs-1`, replaces
   * the file. Attachments are not redacted.
   *
   * A file stays in the inputs if it has less than 48 bytes, or more than
   * #LsobsConfig:max-batch-bytes. All files stay there if #LsobsConfig:hide-inputs is %TRUE.
   *
   * Since: 0.1
   */
  {
      .name = "attach-inline-data",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, attach_inline_data),
      .initial = FALSE,
  },

  /**
   * LsobsConfig:compression:
   *
   * How the bodies of requests are compressed. The default is %LSOBS_COMPRESSION_AUTO, which uses
   * what the service offers. A body of less than 1024 bytes is never compressed, nor is a body that
   * would not become smaller. If lsobs was built without a kind of compression, an observer with
   * that kind cannot be made: %LSOBS_ERROR_INVALID_CONFIG.
   *
   * Since: 0.1
   */
  {
      .name = "compression",
      .type = LSOBS_SETTING_CHOICE,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, compression),
      .get_type = lsobs_compression_get_type,
      .initial = LSOBS_COMPRESSION_AUTO,
      .variables = { VARIABLE ("DISABLE_RUN_COMPRESSION") },
      .choice_when_on = LSOBS_COMPRESSION_NONE,
      .check = check_compression,
  },

  /**
   * LsobsConfig:compression-level:
   *
   * The compression level, from 1 (the fastest) to 22. The default is 1. For gzip, each level above
   * 9 means 9.
   *
   * Since: 0.1
   */
  {
      .name = "compression-level",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, compression_level),
      .initial = 1,
      .minimum = 1,
      .maximum = 22,
      .variables = { VARIABLE ("RUN_COMPRESSION_LEVEL") },
  },

  /**
   * LsobsConfig:tracing-enabled:
   *
   * Whether an observer traces. An observer that is made with %FALSE accepts all calls and does
   * nothing; it needs no API key. The default is %TRUE; but a config of
   * lsobs_config_new_from_environment() has %FALSE unless a variable turns tracing on.
   *
   * Since: 0.1
   */
  {
      .name = "tracing-enabled",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, tracing_enabled),
      .initial = TRUE,
      .variables = { VARIABLE ("TRACING_V2"), VARIABLE ("TRACING") },
  },

  /**
   * LsobsConfig:trust-incoming-headers:
   *
   * Whether the headers of an incoming request may say which trace a run belongs to. Each client
   * that can send such a request can then add runs to any trace. Set it only if all clients are
   * authenticated. The default is %FALSE.
   *
   * Since: 0.1
   */
  {
      .name = "trust-incoming-headers",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, trust_incoming_headers),
      .initial = FALSE,
  },

  /**
   * LsobsConfig:failed-traces-dir:
   *
   * A directory for batches that are lost, or %NULL, the default, to discard them.
   * lsobs_client_replay_async() sends them again later. The directory is created when the first
   * batch is written, for this user only. A relative path starts at the working directory at the
   * time when the observer is made. An existing directory is used as it is: it may be a symbolic
   * link, and its owner and mode are not checked, so choose one that only this user can write to.
   * Files in it that are symbolic links are not followed.
   *
   * Each batch is a file `trace_*.json` that only this user can read. It contains the request body:
   * the data is redacted, and there is no API key. The official clients of LangSmith can send it,
   * too. The records count as lost, and also as %LSOBS_COUNTER_DUMPED. Records that are dropped
   * because the queue is full are not written. A shutdown writes what it cannot deliver, until its
   * timeout ends.
   *
   * A thread of lsobs writes the files. Only a flush and a shutdown wait for the disk, at most for
   * their timeout. When they return, the files of all records that they report as lost exist. If a
   * program ends while it writes a file, a file `.trace_*.json` is left. lsobs removes it when it
   * writes another file, after one hour or more.
   *
   * With several replicas, each one has its own directory in it, `replica-1` and so on, and an
   * equal share of #LsobsConfig:failed-traces-max-bytes.
   *
   * Since: 0.1
   */
  {
      .name = "failed-traces-dir",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, failed_traces_dir),
      .variables = { VARIABLE ("FAILED_TRACES_DIR") },
      .normalize = normalize_path,
  },

  /**
   * LsobsConfig:failed-traces-max-bytes:
   *
   * The maximum size of all files in #LsobsConfig:failed-traces-dir together, in bytes. A batch
   * that would exceed it is discarded. At least 1. The default is 104857600 (100 MiB).
   *
   * Since: 0.1
   */
  {
      .name = "failed-traces-max-bytes",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, failed_traces_max_bytes),
      .initial = 100 * 1024 * 1024,
      .minimum = 1,
      .maximum = G_MAXINT64 / 2,
      .unit = "bytes",
      .variables = { VARIABLE ("FAILED_TRACES_MAX_MB") },
      .variable_factor = 1024 * 1024,
  },

  /**
   * LsobsConfig:spool-dir:
   *
   * A directory, the spool, for traces that the service does not accept at the moment, or %NULL,
   * the default. The directory is created when it is needed, for this user only. It is refused if
   * it is a symbolic link, if it belongs to another user, or if other users can write to it. A
   * relative path starts at the working directory at the time when the observer is made.
   *
   * Records go to the spool after redaction, in these cases: they have waited for a service that is
   * away for longer than #LsobsConfig:spool-delay; they are the oldest ones when the queue is half
   * full; the service refuses them because of the key, a used-up limit or the address; or a
   * shutdown cannot deliver them. They count as %LSOBS_COUNTER_SPOOLED, and not as lost.
   *
   * A process with the same address, workspace, project and API key sends them: this program when
   * it starts again, when the service is back, or in lsobs_exporter_drain_spool_async(). Only one
   * process sends at a time. It sends the files in order, and removes a file after the service has
   * accepted it. A file does not contain the key; it contains a salted fingerprint of the key, from
   * which a long key cannot be found. For an OAuth token, which is renewed, the fingerprint is that
   * of the token's user; if the user is not known, it is that of the profile and the workspace.
   * Without a workspace, only the same token can send the traces.
   *
   * Until a command or an OAuth profile has returned a key, traces belong to that source: the path
   * and the name of the profile, and the command. They are sent with any key that the source
   * returns later, even one of another account if another person has logged in meanwhile. Traces
   * that are written without a key are sent with any key. If accounts change on this machine, do
   * one of these: set #LsobsConfig:workspace-id to the workspace of each account, as traces are
   * never sent to another workspace; use a spool for each account; or call
   * lsobs_exporter_purge_spool_async() when a user logs out.
   *
   * Each batch is a compressed file `trace_*.json` that only this user can read. Several processes
   * and destinations can share a spool. Threads of lsobs write the files. Only a flush and a
   * shutdown wait for the disk, at most for their timeout. When an observer ends, it passes batches
   * to the disk only as fast as the disk writes them, until its timeout ends; the program's main
   * loop continues meanwhile. The rest is lost, and counted. What cannot be written, for example
   * because the disk is full, goes to #LsobsConfig:failed-traces-dir if that is set, and is lost.
   * Only the transport #LsobsClient has a spool.
   *
   * Since: 0.1
   */
  {
      .name = "spool-dir",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, spool_dir),
      .needs_trust = TRUE,
      .variables = { VARIABLE ("SPOOL_DIR") },
      .normalize = normalize_path,
  },

  /**
   * LsobsConfig:spool-enabled:
   *
   * Whether there is a spool even if #LsobsConfig:spool-dir is %NULL. The default is %FALSE. The
   * spool is then the directory `lsobs` in `$XDG_STATE_HOME/ID`. The ID is that of the default
   * #GApplication; without one, it is the last part of g_get_prgname(). Programs that have neither
   * share the directory `$XDG_STATE_HOME/lsobs`. In Flatpak, each application has its own
   * `$XDG_STATE_HOME`. A program that has more rights than its user, such
   * as a setuid program, needs #LsobsConfig:spool-dir for a spool.
   *
   * Since: 0.1
   */
  {
      .name = "spool-enabled",
      .type = LSOBS_SETTING_SWITCH,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, spool_enabled),
      .initial = FALSE,
      .needs_trust = TRUE,
      .variables = { VARIABLE ("SPOOL") },
  },

  /**
   * LsobsConfig:spool-max-bytes:
   *
   * The maximum size of all files in the spool together, in bytes. A batch that would exceed it is
   * lost. At least 1. The default is 1073741824 (1 GiB).
   *
   * Since: 0.1
   */
  {
      .name = "spool-max-bytes",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, spool_max_bytes),
      .initial = 1024 * 1024 * 1024,
      .minimum = 1,
      .maximum = G_MAXINT64 / 2,
      .unit = "bytes",
      .variables = { VARIABLE ("SPOOL_MAX_MB") },
      .variable_factor = 1024 * 1024,
  },

  /**
   * LsobsConfig:spool-max-files:
   *
   * The maximum number of files in the spool. Each file has one batch. A batch that would exceed it
   * is lost. From 1 to 10000000. The default is 100000.
   *
   * Since: 0.1
   */
  {
      .name = "spool-max-files",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, spool_max_files),
      .initial = 100000,
      .minimum = 1,
      .maximum = 10000000,
      .variables = { VARIABLE ("SPOOL_MAX_FILES") },
  },

  /**
   * LsobsConfig:spool-max-age:
   *
   * The longest time that traces wait in the spool, in milliseconds. The next use of the spool
   * removes older ones, and counts them as %LSOBS_COUNTER_SPOOL_DROPPED. If the clock jumps ahead,
   * or if the machine was off, by more than half of this time, the time of all traces starts again:
   * a wrong clock deletes nothing. From 1000 to 31536000000, which is a year. The default is
   * 604800000, which is a week.
   *
   * Since: 0.1
   */
  {
      .name = "spool-max-age",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, spool_max_age),
      .initial = 7 * 24 * 3600 * 1000,
      .minimum = 1000,
      .maximum = G_GINT64_CONSTANT (31536000000),
      .unit = "ms",
      .variables = { VARIABLE ("SPOOL_MAX_AGE_HOURS") },
      .variable_factor = 3600 * 1000,
  },

  /**
   * LsobsConfig:spool-delay:
   *
   * How long records wait in memory for a service that is away, before they go to the spool, in
   * milliseconds. From 0 to 86400000. The default is 10000.
   *
   * Since: 0.1
   */
  {
      .name = "spool-delay",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, spool_delay),
      .initial = 10000,
      .minimum = 0,
      .maximum = 86400000,
      .unit = "ms",
      .variables = { VARIABLE ("SPOOL_DELAY_MS") },
  },

  /**
   * LsobsConfig:revision-id:
   *
   * The revision of the program, such as a commit, in UTF-8, or %NULL. It is sent as the metadata
   * `revision_id` of each run, unless the program sets metadata of that name, or
   * #LsobsConfig:hide-metadata is %TRUE. White space around it is removed.
   *
   * Since: 0.1
   */
  {
      .name = "revision-id",
      .type = LSOBS_SETTING_TEXT,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, revision_id),
      .variables = { VARIABLE ("REVISION_ID") },
      .check = check_revision_id,
      .normalize = _lsobs_trim_dup,
  },

  /**
   * LsobsConfig:flush-interval:
   *
   * The longest time that a record waits in the queue before it is sent, in milliseconds. It is
   * measured from the time of the oldest record in the queue. From 1 to 86400000. The default is
   * 2000.
   *
   * Since: 0.1
   */
  {
      .name = "flush-interval",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, flush_interval),
      .initial = 2000,
      .minimum = 1,
      .maximum = 86400000,
      .unit = "ms",
  },

  /**
   * LsobsConfig:max-batch-size:
   *
   * The maximum number of records in a batch. When this number of records is in the queue, they are
   * sent at once. From 1 to 10000. The default is 50.
   *
   * Since: 0.1
   */
  {
      .name = "max-batch-size",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, max_batch_size),
      .initial = 50,
      .minimum = 1,
      .maximum = 10000,
      .variables = { VARIABLE ("BATCH_INGEST_SIZE_LIMIT") },
  },

  /**
   * LsobsConfig:max-batch-bytes:
   *
   * The maximum size of the body of a request before compression, in bytes. From 65536 to
   * 104857600. The default is 20971520 (20 MiB).
   *
   * Since: 0.1
   */
  {
      .name = "max-batch-bytes",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, max_batch_bytes),
      .initial = 20 * 1024 * 1024,
      .minimum = 64 * 1024,
      .maximum = 100 * 1024 * 1024,
      .unit = "bytes",
  },

  /**
   * LsobsConfig:queue-capacity:
   *
   * The maximum number of records in the queue. When the queue is full, a new record drops the
   * oldest one. Records that are sent again later stay in the queue, as its oldest ones. From 1 to
   * 10000000. The default is 1000.
   *
   * Since: 0.1
   */
  {
      .name = "queue-capacity",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, queue_capacity),
      .initial = 1000,
      .minimum = 1,
      .maximum = 10000000,
      .variables = { VARIABLE ("TRACING_QUEUE_MAX_SIZE") },
  },

  /**
   * LsobsConfig:max-queue-bytes:
   *
   * The maximum memory of the records in the queue, in bytes. When a new record would exceed it,
   * the oldest ones are dropped. Attachments of a run whose start was sent wait for its end. They
   * may use this amount once more; attachments beyond that are refused. With replicas, the limit
   * applies to the queue of each replica. At least 4096. The default is 67108864 (64 MiB).
   *
   * Since: 0.1
   */
  {
      .name = "max-queue-bytes",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, max_queue_bytes),
      .initial = 64 * 1024 * 1024,
      .minimum = 4096,
      /* Twice that fits a gsize. With 32 bits it is 1 GiB, the default of LangSmith's own libraries,
       * which the variable may say. */
      .maximum = G_MAXSSIZE / 2 + 1,
      .unit = "bytes",
      .variables = { VARIABLE ("MAX_INGEST_MEMORY_BYTES") },
  },

  /**
   * LsobsConfig:max-string-bytes:
   *
   * The maximum length of a string in a payload, in bytes of UTF-8. Longer strings are cut, after
   * redaction. The metadata `lsobs_cut_strings` of a run tells how many strings of its inputs,
   * outputs, error and metadata were cut, and the paths of the first 20 of each. From 1 to
   * 1073741824. The default is 100000.
   *
   * Since: 0.1
   */
  {
      .name = "max-string-bytes",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, max_string_bytes),
      .initial = 100000,
      .minimum = 1,
      .maximum = 1024 * 1024 * 1024,
      .unit = "bytes",
  },

  /**
   * LsobsConfig:max-in-flight:
   *
   * The maximum number of requests, and of connections, at the same time. From 1 to 64. The default
   * is 4.
   *
   * Since: 0.1
   */
  {
      .name = "max-in-flight",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, max_in_flight),
      .initial = 4,
      .minimum = 1,
      .maximum = 64,
  },

  /**
   * LsobsConfig:max-attempts:
   *
   * The maximum number of attempts for a request, including the first one. From 1 to 100. The
   * default is 5.
   *
   * Since: 0.1
   */
  {
      .name = "max-attempts",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, max_attempts),
      .initial = 5,
      .minimum = 1,
      .maximum = 100,
  },

  /**
   * LsobsConfig:retry-delay:
   *
   * The delay before the second attempt for a request, in milliseconds. It doubles before each
   * further attempt, up to 30000. lsobs makes it shorter by a random part, at most by half, and
   * longer if the service asks for that with `Retry-After`. From 1 to 60000. The default is 500.
   *
   * Since: 0.1
   */
  {
      .name = "retry-delay",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, retry_delay),
      .initial = 500,
      .minimum = 1,
      .maximum = 60000,
      .unit = "ms",
  },

  /**
   * LsobsConfig:request-timeout:
   *
   * The timeout of one attempt, in milliseconds. It is longer for a large body. From 10 to 3600000.
   * The default is 30000.
   *
   * Since: 0.1
   */
  {
      .name = "request-timeout",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, request_timeout),
      .initial = 30000,
      .minimum = 10,
      .maximum = 3600000,
      .unit = "ms",
  },

  /**
   * LsobsConfig:shutdown-timeout:
   *
   * How long records in the queue are still sent after the last unref of an observer or exporter,
   * in milliseconds. The unref itself does not wait. The records that are not delivered in this
   * time go to #LsobsConfig:spool-dir. Without a spool, they are lost and counted by
   * %LSOBS_DROP_REASON_SHUTDOWN; if #LsobsConfig:failed-traces-dir is set, they are written there.
   * At most five observers whose last reference is gone send at the same time. If there are more,
   * the oldest ones stop before their time ends. From 0 to 3600000. The default is 3000.
   *
   * Since: 0.1
   */
  {
      .name = "shutdown-timeout",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, shutdown_timeout),
      .initial = 3000,
      .minimum = 0,
      .maximum = 3600000,
      .unit = "ms",
  },

  /**
   * LsobsConfig:exit-timeout:
   *
   * How long the end of the program waits for delivery, in milliseconds. This applies to a return
   * from `main ()`, to `exit ()`, and to a signal after lsobs_install_signal_handlers(). The
   * program waits for all observers and exporters at the same time, for each at most for the
   * timeout of its config, and not at all if nothing is to be sent. With 0, it does not wait for
   * delivery. The records that are not delivered in this time go to #LsobsConfig:spool-dir. Without
   * a spool, they are lost and counted by %LSOBS_DROP_REASON_SHUTDOWN; if
   * #LsobsConfig:failed-traces-dir is set, they are written there. The last quarter of the timeout,
   * at most 1000 milliseconds and at least 60 milliseconds, is reserved for writing. From 0 to
   * 3600000. The default is 3000.
   *
   * Since: 0.1
   */
  {
      .name = "exit-timeout",
      .type = LSOBS_SETTING_NUMBER,
      .offset = G_STRUCT_OFFSET (LsobsConfigValues, exit_timeout),
      .initial = 3000,
      .minimum = 0,
      .maximum = 3600000,
      .unit = "ms",
      .variables = { VARIABLE ("EXIT_TIMEOUT_MS") },
  },
};

static GParamSpec *props[1 + G_N_ELEMENTS (settings)] = { NULL };

/* A choice is read and written as an int. */
G_STATIC_ASSERT (sizeof (LsobsIngestMode) == sizeof (int));
G_STATIC_ASSERT (sizeof (LsobsCompression) == sizeof (int));

/* Returns: (transfer none) (array length=n_settings) */
const LsobsSetting *
_lsobs_config_get_settings (guint *n_settings)
{
  *n_settings = G_N_ELEMENTS (settings);
  return settings;
}

const LsobsSetting *
_lsobs_config_find_setting (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    if (strcmp (settings[i].name, name) == 0)
      return &settings[i];
  g_return_val_if_reached (NULL);
}

static gpointer
peek_value (LsobsConfigValues *values, const LsobsSetting *setting)
{
  return (char *) values + setting->offset;
}

static gpointer
peek_member (LsobsConfig *self, const LsobsSetting *setting)
{
  return peek_value (&self->values, setting);
}

/* @member: of a setting in @self */
static void
notify_member (LsobsConfig *self, gconstpointer member)
{
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    if (peek_member (self, &settings[i]) == member)
      {
        g_object_notify_by_pspec (G_OBJECT (self), props[1 + i]);
        return;
      }
  g_assert_not_reached ();
}

/* --- setting a value --- */

/* The error of a value that a variable or a profile has for a setting. */
typedef struct
{
  const LsobsSetting *setting; /* (nullable) NULL if it is about no single setting */
  GError *error;               /* (owned) */
} SettingError;

static void
setting_error_free (gpointer data)
{
  SettingError *self = data;

  g_error_free (self->error);
  g_free (self);
}

/* The program sets @member: an error of a variable or a profile for it is forgotten. */
static void
forget_problems (LsobsConfig *self, gconstpointer member)
{
  for (guint i = self->problems->len; i > 0; i--)
    {
      const SettingError *problem = g_ptr_array_index (self->problems, i - 1);

      if (problem->setting != NULL && peek_member (self, problem->setting) == member)
        g_ptr_array_remove_index (self->problems, i - 1);
    }
}

static void
set_text (LsobsConfig *self, char **member, const char *text)
{
  g_autofree char *before = NULL;

  forget_problems (self, member);
  if (g_strcmp0 (*member, text) == 0)
    return;
  before = g_steal_pointer (member);
  *member = g_strdup (text);
  notify_member (self, member);
}

static void
set_switch (LsobsConfig *self, gboolean *member, gboolean on)
{
  forget_problems (self, member);
  if (*member == !!on)
    return;
  *member = !!on;
  notify_member (self, member);
}

static void
set_number (LsobsConfig *self, gint64 *member, gint64 number)
{
  forget_problems (self, member);
  if (*member == number)
    return;
  *member = number;
  notify_member (self, member);
}

static void
set_share (LsobsConfig *self, double *member, double share)
{
  forget_problems (self, member);
  if (*member == share)
    return;
  *member = share;
  notify_member (self, member);
}

static void
set_choice (LsobsConfig *self, int *member, int choice)
{
  forget_problems (self, member);
  if (*member == choice)
    return;
  *member = choice;
  notify_member (self, member);
}

static void
set_object (LsobsConfig *self, GObject **member, GObject *object)
{
  if (g_set_object (member, object))
    notify_member (self, member);
}

/* The program has named a part of the agent, unless @text is empty. */
static void
set_agent_part (LsobsConfig *self, char **member, const char *text)
{
  if (!_lsobs_trim_is_empty (text))
    self->agent_origin = LSOBS_ORIGIN_PROGRAM;
  set_text (self, member, text);
}

/* Sets any value: a value out of range fails only where the config is used. */
void
_lsobs_config_set_setting (LsobsConfig *self, const LsobsSetting *setting, const GValue *value)
{
  gpointer member = peek_member (self, setting);

  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      if (setting->set != NULL)
        setting->set (self, g_value_get_string (value));
      else
        set_text (self, member, g_value_get_string (value));
      break;
    case LSOBS_SETTING_SWITCH:
      set_switch (self, member, g_value_get_boolean (value));
      break;
    case LSOBS_SETTING_NUMBER:
      set_number (self, member, g_value_get_int64 (value));
      break;
    case LSOBS_SETTING_SHARE:
      set_share (self, member, g_value_get_double (value));
      break;
    case LSOBS_SETTING_CHOICE:
      set_choice (self, member, g_value_get_enum (value));
      break;
    case LSOBS_SETTING_OBJECT:
      set_object (self, member, g_value_get_object (value));
      break;
    default:
      g_assert_not_reached ();
    }
}

/* --- checking a value --- */

/* @name: of a setting that is a text
 * @text: (nullable): the value to check, which need not be in @self */
gboolean
_lsobs_config_check_text (LsobsConfig *self, const char *name, const char *text, GError **error)
{
  const LsobsSetting *setting = _lsobs_config_find_setting (name);

  g_assert (setting != NULL);

  return setting->check == NULL || setting->check (self, &text, error);
}

gboolean
_lsobs_config_check_number (const LsobsSetting *setting, gint64 number, GError **error)
{
  if (number >= setting->minimum && number <= setting->maximum)
    return TRUE;
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
               /* TRANSLATORS: the name of a property, its value, and the limits of that. */
               _ ("Invalid %s: %" PRId64 " is not between %" PRId64 " and %" PRId64), setting->name,
               number, setting->minimum, setting->maximum);
  return FALSE;
}

/* Checks all settings but those of which each destination has a value of its own. */
gboolean
_lsobs_config_check_values (LsobsConfig *self, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      const LsobsSetting *setting = &settings[i];
      gconstpointer member = peek_member (self, setting);

      if (setting->is_of_destination)
        continue;
      if (setting->type == LSOBS_SETTING_NUMBER &&
          !_lsobs_config_check_number (setting, *(const gint64 *) member, error))
        return FALSE;
      if (setting->check != NULL && !setting->check (self, member, error))
        return FALSE;
    }
  return TRUE;
}

/* Whether a share is in the range of its setting; not-a-number is not. */
gboolean
_lsobs_config_fits_share (const LsobsSetting *setting, double share)
{
  g_assert (setting != NULL);

  return share >= (double) setting->minimum && share <= (double) setting->maximum;
}

/* --- properties --- */

/* Properties of these types tell their range, but g_object_set() takes any value: a value out of
 * range is an error where the config is used, not a warning where it is set. */
typedef GParamSpecInt64 LsobsParamInt64;
typedef GParamSpecClass LsobsParamInt64Class;
typedef GParamSpecDouble LsobsParamDouble;
typedef GParamSpecClass LsobsParamDoubleClass;

static GType lsobs_param_int64_get_type (void);
static GType lsobs_param_double_get_type (void);

G_DEFINE_TYPE (LsobsParamInt64, lsobs_param_int64, G_TYPE_PARAM_INT64)
G_DEFINE_TYPE (LsobsParamDouble, lsobs_param_double, G_TYPE_PARAM_DOUBLE)

static void
accept_any_value (GParamSpecClass *klass)
{
  klass->value_validate = NULL;
  klass->value_is_valid = NULL;
}

static void
lsobs_param_int64_class_init (LsobsParamInt64Class *klass)
{
  accept_any_value (klass);
}

static void
lsobs_param_int64_init (LsobsParamInt64 *self)
{
}

static void
lsobs_param_double_class_init (LsobsParamDoubleClass *klass)
{
  accept_any_value (klass);
}

static void
lsobs_param_double_init (LsobsParamDouble *self)
{
}

static GParamSpec *
new_number_pspec (const LsobsSetting *setting, GParamFlags flags)
{
  LsobsParamInt64 *pspec =
      g_param_spec_internal (lsobs_param_int64_get_type (), setting->name, "", "", flags);

  pspec->minimum = setting->minimum;
  pspec->maximum = setting->maximum;
  pspec->default_value = setting->initial;
  return G_PARAM_SPEC (pspec);
}

static GParamSpec *
new_share_pspec (const LsobsSetting *setting, GParamFlags flags)
{
  LsobsParamDouble *pspec =
      g_param_spec_internal (lsobs_param_double_get_type (), setting->name, "", "", flags);

  pspec->minimum = (double) setting->minimum;
  pspec->maximum = (double) setting->maximum;
  pspec->default_value = (double) setting->initial;
  return G_PARAM_SPEC (pspec);
}

static GParamSpec *
new_pspec (const LsobsSetting *setting)
{
  const GParamFlags flags = (setting->is_secret ? G_PARAM_WRITABLE : G_PARAM_READWRITE) |
                            G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      return g_param_spec_string (setting->name, "", "", setting->initial_text, flags);
    case LSOBS_SETTING_SWITCH:
      return g_param_spec_boolean (setting->name, "", "", setting->initial != 0, flags);
    case LSOBS_SETTING_NUMBER:
      return new_number_pspec (setting, flags);
    case LSOBS_SETTING_SHARE:
      return new_share_pspec (setting, flags);
    case LSOBS_SETTING_CHOICE:
      return g_param_spec_enum (setting->name, "", "", setting->get_type (), (int) setting->initial,
                                flags);
    case LSOBS_SETTING_OBJECT:
      return g_param_spec_object (setting->name, "", "", setting->get_type (), flags);
    default:
      g_return_val_if_reached (NULL);
    }
}

static void
lsobs_config_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  const LsobsSetting *setting = &settings[prop_id - 1];
  gconstpointer member = peek_member (LSOBS_CONFIG (object), setting);

  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      g_value_set_string (value, *(char *const *) member);
      break;
    case LSOBS_SETTING_SWITCH:
      g_value_set_boolean (value, *(const gboolean *) member);
      break;
    case LSOBS_SETTING_NUMBER:
      g_value_set_int64 (value, *(const gint64 *) member);
      break;
    case LSOBS_SETTING_SHARE:
      g_value_set_double (value, *(const double *) member);
      break;
    case LSOBS_SETTING_CHOICE:
      g_value_set_enum (value, *(const int *) member);
      break;
    case LSOBS_SETTING_OBJECT:
      g_value_set_object (value, *(GObject *const *) member);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_config_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  _lsobs_config_set_setting (LSOBS_CONFIG (object), &settings[prop_id - 1], value);
}

/* --- life --- */

static void
rule_text_free (gpointer data)
{
  LsobsRuleText *rule = data;

  g_free (rule->pattern);
  g_free (rule->replacement);
  g_free (rule);
}

/* Sets the member without a notification.
 * @member: of @setting, zeroed */
static void
init_member (gpointer member, const LsobsSetting *setting)
{
  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      *(char **) member = g_strdup (setting->initial_text);
      break;
    case LSOBS_SETTING_SWITCH:
      *(gboolean *) member = setting->initial != 0;
      break;
    case LSOBS_SETTING_NUMBER:
      *(gint64 *) member = setting->initial;
      break;
    case LSOBS_SETTING_SHARE:
      *(double *) member = (double) setting->initial;
      break;
    case LSOBS_SETTING_CHOICE:
      *(int *) member = (int) setting->initial;
      break;
    case LSOBS_SETTING_OBJECT:
    default:
      break;
    }
}

static void
clear_member (gpointer member, const LsobsSetting *setting)
{
  if (setting->is_secret)
    _lsobs_secret_free (*(char **) member);
  else if (setting->type == LSOBS_SETTING_TEXT)
    g_free (*(char **) member);
  else if (setting->type == LSOBS_SETTING_OBJECT)
    g_clear_object ((GObject **) member);
}

static void
copy_member (gpointer copy, gconstpointer member, const LsobsSetting *setting)
{
  const char *text;

  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      text = *(char *const *) member;
      *(char **) copy = setting->normalize != NULL ? setting->normalize (text) : g_strdup (text);
      break;
    case LSOBS_SETTING_SWITCH:
      *(gboolean *) copy = *(const gboolean *) member;
      break;
    case LSOBS_SETTING_NUMBER:
      *(gint64 *) copy = *(const gint64 *) member;
      break;
    case LSOBS_SETTING_SHARE:
      *(double *) copy = *(const double *) member;
      break;
    case LSOBS_SETTING_CHOICE:
      *(int *) copy = *(const int *) member;
      break;
    case LSOBS_SETTING_OBJECT:
      g_set_object ((GObject **) copy, *(GObject *const *) member);
      break;
    default:
      g_assert_not_reached ();
    }
}

/* Copies all values but secrets.
 * @copy: (out caller-allocates): zeroed */
void
_lsobs_config_copy_values (LsobsConfig *self, LsobsConfigValues *copy)
{
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    if (!settings[i].is_secret)
      copy_member (peek_value (copy, &settings[i]), peek_member (self, &settings[i]), &settings[i]);
}

void
_lsobs_config_clear_values (LsobsConfigValues *values)
{
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    clear_member (peek_value (values, &settings[i]), &settings[i]);
}

static void
lsobs_config_finalize (GObject *object)
{
  LsobsConfig *self = LSOBS_CONFIG (object);

  _lsobs_config_clear_values (&self->values);
  g_clear_pointer (&self->key_source, _lsobs_key_source_unref);
  g_clear_pointer (&self->redact_hook, _lsobs_redact_hook_unref);
  g_ptr_array_unref (self->redact_rules);
  g_ptr_array_unref (self->redact_keys);
  g_ptr_array_unref (self->replicas);
  g_ptr_array_unref (self->problems);

  G_OBJECT_CLASS (lsobs_config_parent_class)->finalize (object);
}

static void
lsobs_config_class_init (LsobsConfigClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = lsobs_config_finalize;
  object_class->get_property = lsobs_config_get_property;
  object_class->set_property = lsobs_config_set_property;

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    props[1 + i] = new_pspec (&settings[i]);
  g_object_class_install_properties (object_class, G_N_ELEMENTS (props), props);
}

static void
lsobs_config_init (LsobsConfig *self)
{
  /* There is no observer without a config. */
  _lsobs_override_watch_check ();
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    init_member (peek_member (self, &settings[i]), &settings[i]);
  self->problems = g_ptr_array_new_with_free_func (setting_error_free);
  self->redact_rules = g_ptr_array_new_with_free_func (rule_text_free);
  self->redact_keys = g_ptr_array_new_with_free_func (g_free);
  self->replicas = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_replica_free);
  self->first_pause = LSOBS_CONFIG_FIRST_PAUSE;
  self->first_probe = LSOBS_CONFIG_FIRST_PROBE;
}

/* --- for the other sources of values --- */

/* Replaces the key.
 * @source: (transfer full) */
void
_lsobs_config_take_key_source (LsobsConfig *self, LsobsKeySource *source)
{
  lsobs_config_set_api_key (self, NULL);
  self->key_source = source;
}

/* @setting: (nullable): NULL if it is about no single setting
 * @problem: (transfer full) */
void
_lsobs_config_take_problem (LsobsConfig *self, const LsobsSetting *setting, GError *problem)
{
  SettingError *kept = g_new0 (SettingError, 1);

  kept->setting = setting;
  kept->error = problem;
  g_ptr_array_add (self->problems, kept);
}

/* Fails if tracing is on, and a variable or a profile has a value that is not valid. */
gboolean
_lsobs_config_check_problems (LsobsConfig *self, GError **error)
{
  const SettingError *first;

  if (!self->values.tracing_enabled || self->problems->len == 0)
    return TRUE;
  first = g_ptr_array_index (self->problems, 0);
  if (error != NULL)
    *error = g_error_copy (first->error);
  return FALSE;
}

/* @replica: (transfer full) */
void
_lsobs_config_take_replica (LsobsConfig *self, LsobsReplica *replica)
{
  g_ptr_array_add (self->replicas, replica);
}

/* Declares that the project and the agent that are set come from the environment.
 * @project_variable: (nullable): the variable that names the project; static
 * @agent_outranks_project: whether the agent, and not that project, is the target */
void
_lsobs_config_set_target_from_environment (LsobsConfig *self,
                                           const char *project_variable,
                                           gboolean agent_outranks_project)
{
  self->agent_origin = MIN (self->agent_origin, LSOBS_ORIGIN_ENVIRONMENT);
  self->project_origin = agent_outranks_project
                             ? LSOBS_ORIGIN_NONE
                             : MIN (self->project_origin, LSOBS_ORIGIN_ENVIRONMENT);
  self->project_variable = project_variable;
}

/* --- public functions --- */

/**
 * lsobs_config_new:
 * @api_key: (nullable): the API key of the service, or %NULL for none
 * @project_name: (nullable): the project that the traces belong to, or %NULL for `default`
 *
 * Creates a config. All other settings have their defaults.
 *
 * Returns: (transfer full): a new config
 *
 * Since: 0.1
 */
LsobsConfig *
lsobs_config_new (const char *api_key, const char *project_name)
{
  LsobsConfig *self = g_object_new (LSOBS_TYPE_CONFIG, NULL);

  /* Not as a property: a GValue would leave a copy of the key in memory. */
  lsobs_config_set_api_key (self, api_key);
  if (project_name != NULL)
    lsobs_config_set_project_name (self, project_name);
  return self;
}

/**
 * lsobs_config_set_api_url:
 * @self: a config
 * @api_url: (nullable): an address, or %NULL for none
 *
 * Sets the address of the service; see #LsobsConfig:api-url.
 *
 * Since: 0.1
 */
void
lsobs_config_set_api_url (LsobsConfig *self, const char *api_url)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  self->has_api_url = api_url != NULL;
  set_text (self, &self->values.api_url, api_url);
}

/**
 * lsobs_config_get_api_url:
 * @self: a config
 *
 * Gets the address of the service; see #LsobsConfig:api-url.
 *
 * Returns: (transfer none) (nullable): the address, as it was set
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_api_url (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.api_url;
}

/**
 * lsobs_config_set_api_key:
 * @self: a config
 * @api_key: (nullable): the API key, or %NULL for none
 *
 * Sets the API key of the service. It replaces a key, a token or a command that
 * lsobs_config_load_profile() has found.
 *
 * Since: 0.1
 */
void
lsobs_config_set_api_key (LsobsConfig *self, const char *api_key)
{
  char *copy;

  g_return_if_fail (LSOBS_IS_CONFIG (self));

  copy = _lsobs_secret_dup (api_key);
  _lsobs_secret_free (self->values.api_key);
  self->values.api_key = copy;
  g_clear_pointer (&self->key_source, _lsobs_key_source_unref);
  forget_problems (self, &self->values.api_key);
  notify_member (self, &self->values.api_key);
}

/**
 * lsobs_config_has_api_key:
 * @self: a config
 *
 * Checks whether the config has an API key. A key that is only white space, or only a pair of
 * quotes, does not count. A command that prints the key, or an OAuth token, which
 * lsobs_config_load_profile() finds, counts as a key. The key itself cannot be read.
 *
 * Returns: %TRUE if there is a key
 *
 * Since: 0.1
 */
gboolean
lsobs_config_has_api_key (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return !_lsobs_trim_is_empty (self->values.api_key) ||
         (self->key_source != NULL && self->key_source->kind != LSOBS_KEY_MISSING);
}

/**
 * lsobs_config_set_project_name:
 * @self: a config
 * @project_name: (nullable): a project, in UTF-8, or %NULL for none
 *
 * Sets the project that the traces belong to; see #LsobsConfig:project-name.
 *
 * Since: 0.1
 */
void
lsobs_config_set_project_name (LsobsConfig *self, const char *project_name)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  self->project_origin =
      project_name != NULL && *project_name != '\0' ? LSOBS_ORIGIN_PROGRAM : LSOBS_ORIGIN_NONE;
  set_text (self, &self->values.project_name, project_name);
}

/**
 * lsobs_config_get_project_name:
 * @self: a config
 *
 * Gets the project that the traces belong to; see #LsobsConfig:project-name.
 *
 * Returns: (transfer none) (nullable): the project, as it was set
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_project_name (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.project_name;
}

/**
 * lsobs_config_set_agent_id:
 * @self: a config
 * @agent_id: (nullable): an id, or %NULL for none
 *
 * Sets the id of the agent that the traces belong to; see #LsobsConfig:agent-id.
 *
 * Since: 0.1
 */
void
lsobs_config_set_agent_id (LsobsConfig *self, const char *agent_id)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_agent_part (self, &self->values.agent_id, agent_id);
}

/**
 * lsobs_config_get_agent_id:
 * @self: a config
 *
 * Gets the id of the agent that the traces belong to; see #LsobsConfig:agent-id.
 *
 * Returns: (transfer none) (nullable): the id, as it was set, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_agent_id (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.agent_id;
}

/**
 * lsobs_config_set_agent_environment:
 * @self: a config
 * @agent_environment: (nullable): an environment, such as `production`, or %NULL for none
 *
 * Sets the environment of the agent that the traces belong to; see #LsobsConfig:agent-environment.
 *
 * Since: 0.1
 */
void
lsobs_config_set_agent_environment (LsobsConfig *self, const char *agent_environment)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_agent_part (self, &self->values.agent_environment, agent_environment);
}

/**
 * lsobs_config_get_agent_environment:
 * @self: a config
 *
 * Gets the environment of the agent that the traces belong to; see #LsobsConfig:agent-environment.
 *
 * Returns: (transfer none) (nullable): the environment, as it was set, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_agent_environment (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.agent_environment;
}

/**
 * lsobs_config_set_workspace_id:
 * @self: a config
 * @workspace_id: (nullable): the UUID of a workspace, or %NULL for none
 *
 * Sets the workspace; see #LsobsConfig:workspace-id.
 *
 * Since: 0.1
 */
void
lsobs_config_set_workspace_id (LsobsConfig *self, const char *workspace_id)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_text (self, &self->values.workspace_id, workspace_id);
}

/**
 * lsobs_config_get_workspace_id:
 * @self: a config
 *
 * Gets the workspace; see #LsobsConfig:workspace-id.
 *
 * Returns: (transfer none) (nullable): the UUID of the workspace, as it was set, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_workspace_id (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.workspace_id;
}

/**
 * lsobs_config_set_redact_regex:
 * @self: a config
 * @redact_regex: (nullable): a pattern in the syntax of #GRegex, or %NULL for none
 *
 * Sets the regular expression whose matches are replaced with `[REDACTED]`; see
 * #LsobsConfig:redact-regex.
 *
 * Since: 0.1
 */
void
lsobs_config_set_redact_regex (LsobsConfig *self, const char *redact_regex)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_text (self, &self->values.redact_regex, redact_regex);
}

/**
 * lsobs_config_get_redact_regex:
 * @self: a config
 *
 * Gets the regular expression whose matches are replaced with `[REDACTED]`; see
 * #LsobsConfig:redact-regex.
 *
 * Returns: (transfer none) (nullable): the pattern, as it was set, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_redact_regex (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.redact_regex;
}

/**
 * lsobs_config_set_sampler:
 * @self: a config
 * @sampler: (nullable): a sampler, or %NULL to use #LsobsConfig:sampling-rate
 *
 * Sets the sampler of the program; see #LsobsConfig:sampler.
 *
 * Since: 0.1
 */
void
lsobs_config_set_sampler (LsobsConfig *self, LsobsSampler *sampler)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  if (g_set_object (&self->values.sampler, sampler))
    notify_member (self, &self->values.sampler);
}

/**
 * lsobs_config_get_sampler:
 * @self: a config
 *
 * Gets the sampler of the program; see #LsobsConfig:sampler.
 *
 * Returns: (transfer none) (nullable): the sampler, or %NULL if #LsobsConfig:sampling-rate is used
 *
 * Since: 0.1
 */
LsobsSampler *
lsobs_config_get_sampler (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.sampler;
}

/**
 * lsobs_config_set_sampling_rate:
 * @self: a config
 * @sampling_rate: a share, from 0.0 to 1.0
 *
 * Sets the share of traces that are sent; see #LsobsConfig:sampling-rate.
 *
 * Since: 0.1
 */
void
lsobs_config_set_sampling_rate (LsobsConfig *self, double sampling_rate)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_share (self, &self->values.sampling_rate, sampling_rate);
}

/**
 * lsobs_config_get_sampling_rate:
 * @self: a config
 *
 * Gets the share of traces that are sent; see #LsobsConfig:sampling-rate.
 *
 * Returns: the share, as it was set; valid values are from 0.0 to 1.0
 *
 * Since: 0.1
 */
double
lsobs_config_get_sampling_rate (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0.0);

  return self->values.sampling_rate;
}

/**
 * lsobs_config_set_ingest_mode:
 * @self: a config
 * @ingest_mode: the endpoints
 *
 * Sets which endpoints of the service runs are sent to; see #LsobsConfig:ingest-mode.
 *
 * Since: 0.1
 */
void
lsobs_config_set_ingest_mode (LsobsConfig *self, LsobsIngestMode ingest_mode)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail ((guint) ingest_mode <= LSOBS_INGEST_MODE_RUNS);

  if (self->values.ingest_mode == ingest_mode)
    return;
  self->values.ingest_mode = ingest_mode;
  notify_member (self, &self->values.ingest_mode);
}

/**
 * lsobs_config_get_ingest_mode:
 * @self: a config
 *
 * Gets which endpoints of the service runs are sent to; see #LsobsConfig:ingest-mode.
 *
 * Returns: the endpoints
 *
 * Since: 0.1
 */
LsobsIngestMode
lsobs_config_get_ingest_mode (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), LSOBS_INGEST_MODE_AUTO);

  return self->values.ingest_mode;
}

/**
 * lsobs_config_set_allow_plain_http:
 * @self: a config
 * @allow_plain_http: %TRUE to allow plain HTTP
 *
 * Sets whether plain HTTP to other machines is allowed; see #LsobsConfig:allow-plain-http.
 *
 * Since: 0.1
 */
void
lsobs_config_set_allow_plain_http (LsobsConfig *self, gboolean allow_plain_http)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.allow_plain_http, allow_plain_http);
}

/**
 * lsobs_config_get_allow_plain_http:
 * @self: a config
 *
 * Gets whether plain HTTP to other machines is allowed; see #LsobsConfig:allow-plain-http.
 *
 * Returns: %TRUE if plain HTTP is allowed
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_allow_plain_http (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.allow_plain_http;
}

/**
 * lsobs_config_set_ca_file:
 * @self: a config
 * @ca_file: (nullable) (type filename): a path, in the encoding of file names, or %NULL
 *
 * Sets the file or directory with the authorities to trust; see #LsobsConfig:ca-file. This function
 * does not read the path: it is read when something is sent.
 *
 * Since: 0.1
 */
void
lsobs_config_set_ca_file (LsobsConfig *self, const char *ca_file)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_text (self, &self->values.ca_file, ca_file);
}

/**
 * lsobs_config_get_ca_file:
 * @self: a config
 *
 * Gets the file or directory with the authorities to trust; see #LsobsConfig:ca-file.
 *
 * Returns: (nullable) (transfer none) (type filename): a path, as it was set, or %NULL if the
 *   environment or the system decides
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_ca_file (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.ca_file;
}

/**
 * lsobs_config_set_redact_secrets:
 * @self: a config
 * @redact_secrets: %TRUE to redact them
 *
 * Sets whether secrets of well-known kinds are redacted; see #LsobsConfig:redact-secrets.
 *
 * Since: 0.1
 */
void
lsobs_config_set_redact_secrets (LsobsConfig *self, gboolean redact_secrets)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.redact_secrets, redact_secrets);
}

/**
 * lsobs_config_get_redact_secrets:
 * @self: a config
 *
 * Gets whether secrets of well-known kinds are redacted; see #LsobsConfig:redact-secrets.
 *
 * Returns: %TRUE if they are redacted
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_redact_secrets (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.redact_secrets;
}

/**
 * lsobs_config_set_redact_pairs:
 * @self: a config
 * @redact_pairs: %TRUE to redact values in pairs
 *
 * Sets whether the names of lsobs_config_add_redact_key() also apply to pairs of name and value;
 * see #LsobsConfig:redact-pairs.
 *
 * Since: 0.1
 */
void
lsobs_config_set_redact_pairs (LsobsConfig *self, gboolean redact_pairs)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.redact_pairs, redact_pairs);
}

/**
 * lsobs_config_get_redact_pairs:
 * @self: a config
 *
 * Gets whether the names of lsobs_config_add_redact_key() also apply to pairs of name and value;
 * see #LsobsConfig:redact-pairs.
 *
 * Returns: %TRUE if they apply to pairs
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_redact_pairs (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.redact_pairs;
}

/**
 * lsobs_config_set_hide_inputs:
 * @self: a config
 * @hide_inputs: %TRUE to leave them out
 *
 * Sets whether the inputs of each run are left out; see #LsobsConfig:hide-inputs.
 *
 * Since: 0.1
 */
void
lsobs_config_set_hide_inputs (LsobsConfig *self, gboolean hide_inputs)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.hide_inputs, hide_inputs);
}

/**
 * lsobs_config_get_hide_inputs:
 * @self: a config
 *
 * Gets whether the inputs of each run are left out; see #LsobsConfig:hide-inputs.
 *
 * Returns: %TRUE if they are left out
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_hide_inputs (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.hide_inputs;
}

/**
 * lsobs_config_set_hide_outputs:
 * @self: a config
 * @hide_outputs: %TRUE to leave them out
 *
 * Sets whether the outputs of each run are left out; see #LsobsConfig:hide-outputs.
 *
 * Since: 0.1
 */
void
lsobs_config_set_hide_outputs (LsobsConfig *self, gboolean hide_outputs)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.hide_outputs, hide_outputs);
}

/**
 * lsobs_config_get_hide_outputs:
 * @self: a config
 *
 * Gets whether the outputs of each run are left out; see #LsobsConfig:hide-outputs.
 *
 * Returns: %TRUE if they are left out
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_hide_outputs (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.hide_outputs;
}

/**
 * lsobs_config_set_hide_metadata:
 * @self: a config
 * @hide_metadata: %TRUE to leave them out
 *
 * Sets whether the metadata of each run are left out; see #LsobsConfig:hide-metadata.
 *
 * Since: 0.1
 */
void
lsobs_config_set_hide_metadata (LsobsConfig *self, gboolean hide_metadata)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.hide_metadata, hide_metadata);
}

/**
 * lsobs_config_get_hide_metadata:
 * @self: a config
 *
 * Gets whether the metadata of each run are left out; see #LsobsConfig:hide-metadata.
 *
 * Returns: %TRUE if they are left out
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_hide_metadata (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.hide_metadata;
}

/**
 * lsobs_config_set_attach_inline_data:
 * @self: a config
 * @attach_inline_data: %TRUE to make attachments of them
 *
 * Sets whether files in the inputs of runs become attachments; see #LsobsConfig:attach-inline-data.
 *
 * Since: 0.1
 */
void
lsobs_config_set_attach_inline_data (LsobsConfig *self, gboolean attach_inline_data)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.attach_inline_data, attach_inline_data);
}

/**
 * lsobs_config_get_attach_inline_data:
 * @self: a config
 *
 * Gets whether files in the inputs of runs become attachments; see #LsobsConfig:attach-inline-data.
 *
 * Returns: %TRUE if they become attachments
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_attach_inline_data (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.attach_inline_data;
}

/**
 * lsobs_config_set_compression:
 * @self: a config
 * @compression: the kind of compression
 *
 * Sets how the bodies of requests are compressed; see #LsobsConfig:compression.
 *
 * Since: 0.1
 */
void
lsobs_config_set_compression (LsobsConfig *self, LsobsCompression compression)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail ((guint) compression <= LSOBS_COMPRESSION_ZSTD);

  forget_problems (self, &self->values.compression);
  if (self->values.compression == compression)
    return;
  self->values.compression = compression;
  notify_member (self, &self->values.compression);
}

/**
 * lsobs_config_get_compression:
 * @self: a config
 *
 * Gets how the bodies of requests are compressed; see #LsobsConfig:compression.
 *
 * Returns: the kind of compression
 *
 * Since: 0.1
 */
LsobsCompression
lsobs_config_get_compression (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), LSOBS_COMPRESSION_AUTO);

  return self->values.compression;
}

/**
 * lsobs_config_set_compression_level:
 * @self: a config
 * @compression_level: the level, from 1 to 22
 *
 * Sets the compression level; see #LsobsConfig:compression-level.
 *
 * Since: 0.1
 */
void
lsobs_config_set_compression_level (LsobsConfig *self, gint64 compression_level)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.compression_level, compression_level);
}

/**
 * lsobs_config_get_compression_level:
 * @self: a config
 *
 * Gets the compression level; see #LsobsConfig:compression-level.
 *
 * Returns: the level, as it was set; valid levels are from 1 to 22
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_compression_level (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.compression_level;
}

/**
 * lsobs_config_set_tracing_enabled:
 * @self: a config
 * @tracing_enabled: %TRUE to trace
 *
 * Sets whether observers of this config trace; see #LsobsConfig:tracing-enabled.
 *
 * Since: 0.1
 */
void
lsobs_config_set_tracing_enabled (LsobsConfig *self, gboolean tracing_enabled)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.tracing_enabled, tracing_enabled);
}

/**
 * lsobs_config_get_tracing_enabled:
 * @self: a config
 *
 * Gets whether observers of this config trace; see #LsobsConfig:tracing-enabled.
 *
 * Returns: %TRUE if they trace
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_tracing_enabled (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.tracing_enabled;
}

/**
 * lsobs_config_set_trust_incoming_headers:
 * @self: a config
 * @trust_incoming_headers: %TRUE to trust these headers
 *
 * Sets whether the headers of an incoming request may say which trace a run belongs to; see
 * #LsobsConfig:trust-incoming-headers.
 *
 * Since: 0.1
 */
void
lsobs_config_set_trust_incoming_headers (LsobsConfig *self, gboolean trust_incoming_headers)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.trust_incoming_headers, trust_incoming_headers);
}

/**
 * lsobs_config_get_trust_incoming_headers:
 * @self: a config
 *
 * Gets whether the headers of an incoming request may say which trace a run belongs to; see
 * #LsobsConfig:trust-incoming-headers.
 *
 * Returns: %TRUE if they may
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_trust_incoming_headers (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.trust_incoming_headers;
}

/**
 * lsobs_config_set_failed_traces_dir:
 * @self: a config
 * @failed_traces_dir: (nullable) (type filename): a path, in the encoding of file names, or %NULL
 *
 * Sets the directory for batches that are lost; see #LsobsConfig:failed-traces-dir.
 *
 * Since: 0.1
 */
void
lsobs_config_set_failed_traces_dir (LsobsConfig *self, const char *failed_traces_dir)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_text (self, &self->values.failed_traces_dir, failed_traces_dir);
}

/**
 * lsobs_config_get_failed_traces_dir:
 * @self: a config
 *
 * Gets the directory for batches that are lost; see #LsobsConfig:failed-traces-dir.
 *
 * Returns: (nullable) (transfer none) (type filename): a path, as it was set, or %NULL if lost
 *   batches are discarded
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_failed_traces_dir (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.failed_traces_dir;
}

/**
 * lsobs_config_set_failed_traces_max_bytes:
 * @self: a config
 * @failed_traces_max_bytes: a number of bytes, at least 1
 *
 * Sets the maximum size of all files with lost batches, in bytes; see
 * #LsobsConfig:failed-traces-max-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_failed_traces_max_bytes (LsobsConfig *self, gint64 failed_traces_max_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.failed_traces_max_bytes, failed_traces_max_bytes);
}

/**
 * lsobs_config_get_failed_traces_max_bytes:
 * @self: a config
 *
 * Gets the maximum size of all files with lost batches, in bytes; see
 * #LsobsConfig:failed-traces-max-bytes.
 *
 * Returns: a number of bytes, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_failed_traces_max_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.failed_traces_max_bytes;
}

/**
 * lsobs_config_set_spool_dir:
 * @self: a config
 * @spool_dir: (nullable) (type filename): a path, in the encoding of file names, or %NULL
 *
 * Sets the directory of the spool; see #LsobsConfig:spool-dir.
 *
 * Since: 0.1
 */
void
lsobs_config_set_spool_dir (LsobsConfig *self, const char *spool_dir)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_text (self, &self->values.spool_dir, spool_dir);
}

/**
 * lsobs_config_get_spool_dir:
 * @self: a config
 *
 * Gets the directory of the spool; see #LsobsConfig:spool-dir.
 *
 * Returns: (nullable) (transfer none) (type filename): a path, as it was set, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_spool_dir (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.spool_dir;
}

/**
 * lsobs_config_set_spool_enabled:
 * @self: a config
 * @spool_enabled: %TRUE to have a spool in any case
 *
 * Sets whether there is a spool even if #LsobsConfig:spool-dir is %NULL; see
 * #LsobsConfig:spool-enabled.
 *
 * Since: 0.1
 */
void
lsobs_config_set_spool_enabled (LsobsConfig *self, gboolean spool_enabled)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &self->values.spool_enabled, spool_enabled);
}

/**
 * lsobs_config_get_spool_enabled:
 * @self: a config
 *
 * Gets whether there is a spool even if #LsobsConfig:spool-dir is %NULL; see
 * #LsobsConfig:spool-enabled.
 *
 * Returns: %TRUE if there is a spool in any case
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_spool_enabled (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->values.spool_enabled;
}

/**
 * lsobs_config_set_spool_max_bytes:
 * @self: a config
 * @spool_max_bytes: a number of bytes, at least 1
 *
 * Sets the maximum size of all files in the spool, in bytes; see #LsobsConfig:spool-max-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_spool_max_bytes (LsobsConfig *self, gint64 spool_max_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.spool_max_bytes, spool_max_bytes);
}

/**
 * lsobs_config_get_spool_max_bytes:
 * @self: a config
 *
 * Gets the maximum size of all files in the spool, in bytes; see #LsobsConfig:spool-max-bytes.
 *
 * Returns: a number of bytes, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_spool_max_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.spool_max_bytes;
}

/**
 * lsobs_config_set_spool_max_files:
 * @self: a config
 * @spool_max_files: a number of files, from 1 to 10000000
 *
 * Sets the maximum number of files in the spool; see #LsobsConfig:spool-max-files.
 *
 * Since: 0.1
 */
void
lsobs_config_set_spool_max_files (LsobsConfig *self, gint64 spool_max_files)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.spool_max_files, spool_max_files);
}

/**
 * lsobs_config_get_spool_max_files:
 * @self: a config
 *
 * Gets the maximum number of files in the spool; see #LsobsConfig:spool-max-files.
 *
 * Returns: a number of files, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_spool_max_files (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.spool_max_files;
}

/**
 * lsobs_config_set_spool_max_age:
 * @self: a config
 * @spool_max_age: a number of milliseconds, from 1000 to 31536000000
 *
 * Sets the longest time that traces wait in the spool, in milliseconds; see
 * #LsobsConfig:spool-max-age.
 *
 * Since: 0.1
 */
void
lsobs_config_set_spool_max_age (LsobsConfig *self, gint64 spool_max_age)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.spool_max_age, spool_max_age);
}

/**
 * lsobs_config_get_spool_max_age:
 * @self: a config
 *
 * Gets the longest time that traces wait in the spool, in milliseconds; see
 * #LsobsConfig:spool-max-age.
 *
 * Returns: a number of milliseconds, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_spool_max_age (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.spool_max_age;
}

/**
 * lsobs_config_set_spool_delay:
 * @self: a config
 * @spool_delay: a number of milliseconds, from 0 to 86400000
 *
 * Sets how long records wait for a service that is away, before they go to the spool, in
 * milliseconds; see #LsobsConfig:spool-delay.
 *
 * Since: 0.1
 */
void
lsobs_config_set_spool_delay (LsobsConfig *self, gint64 spool_delay)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.spool_delay, spool_delay);
}

/**
 * lsobs_config_get_spool_delay:
 * @self: a config
 *
 * Gets how long records wait for a service that is away, before they go to the spool, in
 * milliseconds; see #LsobsConfig:spool-delay.
 *
 * Returns: a number of milliseconds, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_spool_delay (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.spool_delay;
}

/**
 * lsobs_config_set_revision_id:
 * @self: a config
 * @revision_id: (nullable): a revision, such as a commit, in UTF-8, or %NULL
 *
 * Sets the revision of the program; see #LsobsConfig:revision-id.
 *
 * Since: 0.1
 */
void
lsobs_config_set_revision_id (LsobsConfig *self, const char *revision_id)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_text (self, &self->values.revision_id, revision_id);
}

/**
 * lsobs_config_get_revision_id:
 * @self: a config
 *
 * Gets the revision of the program; see #LsobsConfig:revision-id.
 *
 * Returns: (nullable) (transfer none): the revision, as it was set, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_revision_id (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->values.revision_id;
}

/**
 * lsobs_config_set_flush_interval:
 * @self: a config
 * @flush_interval: a number of milliseconds, from 1 to 86400000
 *
 * Sets the longest time that a record waits in the queue before it is sent, in milliseconds; see
 * #LsobsConfig:flush-interval.
 *
 * Since: 0.1
 */
void
lsobs_config_set_flush_interval (LsobsConfig *self, gint64 flush_interval)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.flush_interval, flush_interval);
}

/**
 * lsobs_config_get_flush_interval:
 * @self: a config
 *
 * Gets the longest time that a record waits in the queue before it is sent, in milliseconds; see
 * #LsobsConfig:flush-interval.
 *
 * Returns: a number of milliseconds, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_flush_interval (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.flush_interval;
}

/**
 * lsobs_config_set_max_batch_size:
 * @self: a config
 * @max_batch_size: a number of records, from 1 to 10000
 *
 * Sets the maximum number of records in a batch; see #LsobsConfig:max-batch-size.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_batch_size (LsobsConfig *self, gint64 max_batch_size)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.max_batch_size, max_batch_size);
}

/**
 * lsobs_config_get_max_batch_size:
 * @self: a config
 *
 * Gets the maximum number of records in a batch; see #LsobsConfig:max-batch-size.
 *
 * Returns: a number of records, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_batch_size (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.max_batch_size;
}

/**
 * lsobs_config_set_max_batch_bytes:
 * @self: a config
 * @max_batch_bytes: a number of bytes, from 65536 to 104857600
 *
 * Sets the maximum size of the body of a request before compression, in bytes; see
 * #LsobsConfig:max-batch-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_batch_bytes (LsobsConfig *self, gint64 max_batch_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.max_batch_bytes, max_batch_bytes);
}

/**
 * lsobs_config_get_max_batch_bytes:
 * @self: a config
 *
 * Gets the maximum size of the body of a request before compression, in bytes; see
 * #LsobsConfig:max-batch-bytes.
 *
 * Returns: a number of bytes, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_batch_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.max_batch_bytes;
}

/**
 * lsobs_config_set_queue_capacity:
 * @self: a config
 * @queue_capacity: a number of records, from 1 to 10000000
 *
 * Sets the maximum number of records in the queue; see #LsobsConfig:queue-capacity.
 *
 * Since: 0.1
 */
void
lsobs_config_set_queue_capacity (LsobsConfig *self, gint64 queue_capacity)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.queue_capacity, queue_capacity);
}

/**
 * lsobs_config_get_queue_capacity:
 * @self: a config
 *
 * Gets the maximum number of records in the queue; see #LsobsConfig:queue-capacity.
 *
 * Returns: a number of records, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_queue_capacity (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.queue_capacity;
}

/**
 * lsobs_config_set_max_queue_bytes:
 * @self: a config
 * @max_queue_bytes: a number of bytes, at least 4096
 *
 * Sets the maximum memory of the records in the queue, in bytes; see #LsobsConfig:max-queue-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_queue_bytes (LsobsConfig *self, gint64 max_queue_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.max_queue_bytes, max_queue_bytes);
}

/**
 * lsobs_config_get_max_queue_bytes:
 * @self: a config
 *
 * Gets the maximum memory of the records in the queue, in bytes; see #LsobsConfig:max-queue-bytes.
 *
 * Returns: a number of bytes, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_queue_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.max_queue_bytes;
}

/**
 * lsobs_config_set_max_string_bytes:
 * @self: a config
 * @max_string_bytes: a number of bytes, from 1 to 1073741824
 *
 * Sets the maximum length of a string in a payload, in bytes of UTF-8; see
 * #LsobsConfig:max-string-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_string_bytes (LsobsConfig *self, gint64 max_string_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.max_string_bytes, max_string_bytes);
}

/**
 * lsobs_config_get_max_string_bytes:
 * @self: a config
 *
 * Gets the maximum length of a string in a payload, in bytes of UTF-8; see
 * #LsobsConfig:max-string-bytes.
 *
 * Returns: a number of bytes, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_string_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.max_string_bytes;
}

/**
 * lsobs_config_set_max_in_flight:
 * @self: a config
 * @max_in_flight: a number of requests, from 1 to 64
 *
 * Sets the maximum number of requests at the same time; see #LsobsConfig:max-in-flight.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_in_flight (LsobsConfig *self, gint64 max_in_flight)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.max_in_flight, max_in_flight);
}

/**
 * lsobs_config_get_max_in_flight:
 * @self: a config
 *
 * Gets the maximum number of requests at the same time; see #LsobsConfig:max-in-flight.
 *
 * Returns: a number of requests, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_in_flight (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.max_in_flight;
}

/**
 * lsobs_config_set_max_attempts:
 * @self: a config
 * @max_attempts: a number of attempts, from 1 to 100
 *
 * Sets the maximum number of attempts for a request; see #LsobsConfig:max-attempts.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_attempts (LsobsConfig *self, gint64 max_attempts)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.max_attempts, max_attempts);
}

/**
 * lsobs_config_get_max_attempts:
 * @self: a config
 *
 * Gets the maximum number of attempts for a request; see #LsobsConfig:max-attempts.
 *
 * Returns: a number of attempts, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_attempts (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.max_attempts;
}

/**
 * lsobs_config_set_retry_delay:
 * @self: a config
 * @retry_delay: a number of milliseconds, from 1 to 60000
 *
 * Sets the delay before the second attempt for a request, in milliseconds; see
 * #LsobsConfig:retry-delay.
 *
 * Since: 0.1
 */
void
lsobs_config_set_retry_delay (LsobsConfig *self, gint64 retry_delay)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.retry_delay, retry_delay);
}

/**
 * lsobs_config_get_retry_delay:
 * @self: a config
 *
 * Gets the delay before the second attempt for a request, in milliseconds; see
 * #LsobsConfig:retry-delay.
 *
 * Returns: a number of milliseconds, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_retry_delay (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.retry_delay;
}

/**
 * lsobs_config_set_request_timeout:
 * @self: a config
 * @request_timeout: a number of milliseconds, from 10 to 3600000
 *
 * Sets the timeout of one attempt, in milliseconds; see #LsobsConfig:request-timeout.
 *
 * Since: 0.1
 */
void
lsobs_config_set_request_timeout (LsobsConfig *self, gint64 request_timeout)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.request_timeout, request_timeout);
}

/**
 * lsobs_config_get_request_timeout:
 * @self: a config
 *
 * Gets the timeout of one attempt, in milliseconds; see #LsobsConfig:request-timeout.
 *
 * Returns: a number of milliseconds, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_request_timeout (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.request_timeout;
}

/**
 * lsobs_config_set_shutdown_timeout:
 * @self: a config
 * @shutdown_timeout: a number of milliseconds, from 0 to 3600000
 *
 * Sets how long records are still sent after the last unref of an observer or exporter, in
 * milliseconds; see #LsobsConfig:shutdown-timeout.
 *
 * Since: 0.1
 */
void
lsobs_config_set_shutdown_timeout (LsobsConfig *self, gint64 shutdown_timeout)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.shutdown_timeout, shutdown_timeout);
}

/**
 * lsobs_config_get_shutdown_timeout:
 * @self: a config
 *
 * Gets how long records are still sent after the last unref of an observer or exporter, in
 * milliseconds; see #LsobsConfig:shutdown-timeout.
 *
 * Returns: a number of milliseconds, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_shutdown_timeout (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.shutdown_timeout;
}

/**
 * lsobs_config_set_exit_timeout:
 * @self: a config
 * @exit_timeout: a number of milliseconds, from 0 to 3600000
 *
 * Sets how long the end of the program waits for delivery, in milliseconds; see
 * #LsobsConfig:exit-timeout.
 *
 * Since: 0.1
 */
void
lsobs_config_set_exit_timeout (LsobsConfig *self, gint64 exit_timeout)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &self->values.exit_timeout, exit_timeout);
}

/**
 * lsobs_config_get_exit_timeout:
 * @self: a config
 *
 * Gets how long the end of the program waits for delivery, in milliseconds; see
 * #LsobsConfig:exit-timeout.
 *
 * Returns: a number of milliseconds, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_exit_timeout (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->values.exit_timeout;
}

/**
 * lsobs_config_add_redact_rule:
 * @self: a config
 * @pattern: a regular expression, in the syntax of #GRegex
 * @replacement: (nullable): the text that replaces each match, or %NULL for `[REDACTED]`; as in
 *   g_regex_replace(), it may refer to groups of the pattern, such as `\1` or `\g<name>`
 *
 * Adds a rule for redaction. The rule is applied to each string of the inputs, outputs, errors,
 * metadata, tags and events, at any depth. The order is: #LsobsConfig:redact-regex; then the rules
 * of this function in the order in which they were added; then #LsobsConfig:redact-secrets. Each
 * rule is applied once. A rule does not search its own replacements, but the following rules do. If
 * a string has escapes, such as JSON in a string, it is also searched without its escapes, and what
 * is found is replaced. A number that is too large for JSON is sent as a string, and is searched,
 * too.
 *
 * If a pattern takes too long for a string, the whole string becomes `[REDACTED]`, or @replacement
 * if that refers to no group. %LSOBS_COUNTER_REDACTION_FAILURES counts this. For each record, the
 * patterns may use 100 milliseconds of CPU time, plus 200 nanoseconds for each byte that is
 * searched. When this time is used up, all further strings of the record are replaced in the same
 * way. A pattern whose time is certainly proportional to the length of the string is never stopped,
 * and costs the least. Such a pattern has no back reference, and each repetition without an upper
 * bound, such as `[0-9]+`, is at its end, comes after a character that cannot be in it, as in
 * `acme-[0-9]+-x`, or begins the pattern and is followed by such a character, as in `[a-z]+@`.
 *
 * lsobs_config_validate() checks @pattern and @replacement. Its message has the number of the rule,
 * which starts at 1, and no part of the rule.
 *
 * Since: 0.1
 */
void
lsobs_config_add_redact_rule (LsobsConfig *self, const char *pattern, const char *replacement)
{
  LsobsRuleText *rule;

  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail (pattern != NULL);

  rule = g_new (LsobsRuleText, 1);
  rule->pattern = g_strdup (pattern);
  rule->replacement = g_strdup (replacement);
  g_ptr_array_add (self->redact_rules, rule);
}

/**
 * lsobs_config_clear_redact_rules:
 * @self: a config
 *
 * Removes all rules of lsobs_config_add_redact_rule().
 *
 * Since: 0.1
 */
void
lsobs_config_clear_redact_rules (LsobsConfig *self)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  g_ptr_array_set_size (self->redact_rules, 0);
}

/**
 * lsobs_config_add_redact_key:
 * @self: a config
 * @name: the name of a member of a JSON object
 *
 * Adds the name of a member whose values are redacted. In the inputs, outputs, metadata and the
 * details of events, at any depth, `[REDACTED]` replaces the value of each member with this name,
 * of any type. The comparison ignores case, `-`, `_`, white space, and characters that have no
 * width: `api_key` matches `API-Key` and `apiKey`.
 *
 * Such members are also found in JSON that is in a string, such as the arguments of a tool call.
 * This works if the JSON has several lines, if it is escaped again, if it is cut, or if it is
 * between other words. The names must be in double or single quotes there. If the end of a value is
 * missing, the rest of the string is redacted.
 *
 * If redact keys are set, a payload that is given as JSON text but is not JSON is redacted as a
 * whole, and counted by %LSOBS_COUNTER_REDACTION_FAILURES. Text with several JSON values, such as
 * one value on each line, is sent as a string in which the members are redacted.
 *
 * With #LsobsConfig:redact-pairs, the name also applies to pairs such as
 * `{"name": …, "value": …}`.
 *
 * If @name is not UTF-8, lsobs_config_validate() fails.
 *
 * Since: 0.1
 */
void
lsobs_config_add_redact_key (LsobsConfig *self, const char *name)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail (name != NULL);

  g_ptr_array_add (self->redact_keys, g_strdup (name));
}

/**
 * lsobs_config_clear_redact_keys:
 * @self: a config
 *
 * Removes all names of lsobs_config_add_redact_key().
 *
 * Since: 0.1
 */
void
lsobs_config_clear_redact_keys (LsobsConfig *self)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  g_ptr_array_set_size (self->redact_keys, 0);
}

/**
 * lsobs_config_set_redact_func:
 * @self: a config
 * @func: (nullable) (scope notified) (closure user_data) (destroy notify): the function, or %NULL
 *   to remove it
 * @user_data: the data for @func
 * @notify: (nullable): the function that frees @user_data
 *
 * Sets a function of the program that redacts each field of a run before it is sent. It replaces
 * the function that was set before. See #LsobsRedactFunc for the threads that call it.
 *
 * @notify is called once, in any thread, when neither the config nor any object that was made from
 * it can call @func again. If @func is %NULL, @notify is called immediately. After the last unref
 * of an observer, its remaining records are still sent, and @func is called for them. Keep
 * @user_data alive until @notify is called, or until a shutdown has returned.
 *
 * Since: 0.1
 */
void
lsobs_config_set_redact_func (LsobsConfig *self,
                              LsobsRedactFunc func,
                              gpointer user_data,
                              GDestroyNotify notify)
{
  g_autoptr (LsobsRedactHook) previous = NULL;

  g_return_if_fail (LSOBS_IS_CONFIG (self));

  previous = g_steal_pointer (&self->redact_hook);
  if (func != NULL)
    self->redact_hook = _lsobs_redact_hook_new (func, user_data, notify);
  else if (notify != NULL)
    notify (user_data);
}

/**
 * lsobs_config_add_replica:
 * @self: a config
 * @api_url: the address of the service, as for #LsobsConfig:api-url
 * @api_key: (nullable): the API key of that service, or %NULL for none
 * @project_name: (nullable): the project that the runs go to at that service, or %NULL for the
 *   project of each run
 * @workspace_id: (nullable): the workspace at that service, an empty string for none, or %NULL for
 *   #LsobsConfig:workspace-id unless the replica is another instance of the service
 * @role: whether the runs keep their ids at that service
 *
 * Adds a replica: a service that receives a copy of each run. If there are replicas, they replace
 * #LsobsConfig:api-url and #LsobsConfig:api-key: nothing is sent to #LsobsConfig:api-url itself. A
 * config with more than 16 replicas is not valid.
 *
 * Each replica has its own queue, thread, retries and pauses: a failure of one does not delay the
 * others. A key is sent only to the replica that it was set for. A replica is another instance of
 * the service if its host differs from that of #LsobsConfig:api-url and its key differs from
 * #LsobsConfig:api-key. #LsobsConfig:workspace-id is not sent to such a replica; set its own
 * @workspace_id. Hosts are compared with their ports, and without regard to case.
 *
 * In another project than its own, a run needs another id, and so do its trace and its parent. The
 * new ids depend only on the old ids and the name of the project, as in the official clients. So
 * all runs of a trace stay together, even if several processes make them.
 *
 * If an exporter or observer is made with a transport, it uses only that transport, and no
 * replicas.
 *
 * Since: 0.1
 */
void
lsobs_config_add_replica (LsobsConfig *self,
                          const char *api_url,
                          const char *api_key,
                          const char *project_name,
                          const char *workspace_id,
                          LsobsReplicaRole role)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail (api_url != NULL);
  g_return_if_fail ((guint) role <= LSOBS_REPLICA_ROLE_SECONDARY);

  _lsobs_config_take_replica (self, _lsobs_replica_new (api_url, api_key, project_name,
                                                        workspace_id, role));
}

/**
 * lsobs_config_clear_replicas:
 * @self: a config
 *
 * Removes all replicas. Runs then go to #LsobsConfig:api-url only.
 *
 * Since: 0.1
 */
void
lsobs_config_clear_replicas (LsobsConfig *self)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  g_ptr_array_set_size (self->replicas, 0);
}

/**
 * lsobs_config_get_n_replicas:
 * @self: a config
 *
 * Gets the number of replicas that the program and the environment have added.
 *
 * Returns: the number of replicas; with 0, runs go to #LsobsConfig:api-url
 *
 * Since: 0.1
 */
guint
lsobs_config_get_n_replicas (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->replicas->len;
}
