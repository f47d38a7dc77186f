/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-api-url-private.h"
#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-probability-sampler-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/core/lsobs-privilege-private.h"
#include "lsobs/core/lsobs-secret-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Checks a config and makes the immutable settings of each destination from it. */

/* The time until a command or file that gave no new key is tried again, in ms. */
#define KEY_INTERVAL 5000

/* --- one destination --- */

static gboolean
take_url (LsobsSettings *self, LsobsConfig *config, const LsobsReplica *replica, GError **error)
{
  g_free (self->values.api_url);
  self->values.api_url =
      _lsobs_api_url_parse (replica != NULL ? replica->api_url : config->values.api_url,
                            self->values.allow_plain_http, &self->loopback, error);
  if (self->values.api_url == NULL)
    return FALSE;
  if (g_str_has_prefix (self->values.api_url, "https:"))
    self->trust = _lsobs_trust_new (self->values.ca_file);
  if (!self->loopback)
    _lsobs_proxy_choose (&self->proxy, self->values.api_url);
  return TRUE;
}

/* Whether requests to the destination need a key. */
static gboolean
needs_key (LsobsSettings *self, LsobsSettingsMode mode)
{
  return mode == LSOBS_SETTINGS_FOR_HTTP && !self->loopback && self->values.tracing_enabled;
}

/* @replica: (nullable)
 * @source: (nullable): the source of a profile that has no key */
static void
set_no_key_error (const LsobsReplica *replica, LsobsKeySource *source, GError **error)
{
  const char *problem;

  if (replica != NULL)
    /* TRANSLATORS: “It” is a replica. */
    problem = _ ("It has no API key");
  else if (source != NULL)
    problem = source->problem;
  else
    problem = _ ("No API key: set the property api-key, or the environment variable "
                 "LANGSMITH_API_KEY");
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, problem);
}

/* Takes the key of the destination. A command or a token of a profile is for the destination of the
 * config's own properties, never for a replica. */
static gboolean
take_key (LsobsSettings *self,
          LsobsConfig *config,
          const LsobsReplica *replica,
          LsobsSettingsMode mode,
          GError **error)
{
  LsobsKeySource *source = replica == NULL ? config->key_source : NULL;
  const char *given = replica != NULL ? replica->api_key : config->values.api_key;
  char *key;

  if (!_lsobs_config_check_text (config, "api-key", given, error))
    return FALSE;
  key = _lsobs_trim_dup (given);
  if (key != NULL)
    self->credentials = _lsobs_credentials_new (key);
  else if (source != NULL && source->kind != LSOBS_KEY_MISSING)
    self->credentials =
        _lsobs_credentials_new_for_source (source, MIN (KEY_INTERVAL, config->first_pause));
  _lsobs_secret_free (key);
  if (self->credentials == NULL && needs_key (self, mode))
    {
      set_no_key_error (replica, source, error);
      return FALSE;
    }
  return TRUE;
}

static LsobsTarget *
new_agent_target (LsobsConfig *config, GError **error)
{
  g_autofree char *id = NULL;
  g_autofree char *environment = NULL;

  if (_lsobs_trim_is_empty (config->values.agent_id))
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("An agent environment is set without an agent id; set the property "
                              "agent-id, or the environment variable LANGSMITH_AGENT_ID, as well"));
      return NULL;
    }
  if (_lsobs_trim_is_empty (config->values.agent_environment))
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("An agent id is set without an agent environment; set the property "
                              "agent-environment, or the environment variable "
                              "LANGSMITH_AGENT_ENVIRONMENT, as well"));
      return NULL;
    }
  id = _lsobs_trim_dup (config->values.agent_id);
  environment = _lsobs_trim_dup (config->values.agent_environment);
  return _lsobs_target_new_agent (id, environment, error);
}

static void
set_conflict (LsobsConfig *config, GError **error)
{
  if (config->agent_origin == LSOBS_ORIGIN_ENVIRONMENT && config->project_variable != NULL)
    g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                 /* TRANSLATORS: both are variables of the environment. */
                 _ ("Only one of %s and %s can be set"), config->project_variable,
                 _lsobs_trim_is_empty (config->values.agent_id) ? "LANGSMITH_AGENT_ENVIRONMENT"
                                                                : "LANGSMITH_AGENT_ID");
  else
    g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                         _ ("A project name and an agent are both set; traces go to only one of "
                            "them, so set either the property project-name or the properties "
                            "agent-id and agent-environment"));
}

/* Chooses between the project and the agent of the config: the later source wins.
 * Returns: (transfer full) (nullable): the target of runs, before a replica replaces it */
static LsobsTarget *
new_target (LsobsConfig *config, GError **error)
{
  const char *project_name = config->values.project_name;
  gboolean has_agent = !_lsobs_trim_is_empty (config->values.agent_id) ||
                       !_lsobs_trim_is_empty (config->values.agent_environment);
  g_autoptr (LsobsTarget) target = NULL;
  g_autoptr (GError) problem = NULL;

  if (has_agent && config->agent_origin > config->project_origin)
    target = new_agent_target (config, &problem);
  else if (has_agent && config->agent_origin == config->project_origin)
    set_conflict (config, &problem);
  if (target != NULL)
    return g_steal_pointer (&target);
  /* A mistake in the environment must not stop a program that does not trace. */
  if (problem != NULL &&
      (config->agent_origin == LSOBS_ORIGIN_PROGRAM || config->values.tracing_enabled))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  return _lsobs_target_new_project (
      project_name != NULL && *project_name != '\0' ? project_name : LSOBS_DEFAULT_PROJECT_NAME);
}

/* Whether both keys are the same, apart from white space and quotes around them.
 * @key: (nullable)
 * @other: (nullable) */
static gboolean
are_one_key (const char *key, const char *other)
{
  gsize len;
  gsize other_len;
  const char *start = _lsobs_trim (key, &len);
  const char *other_start = _lsobs_trim (other, &other_len);

  return len == other_len && (len == 0 || memcmp (start, other_start, len) == 0);
}

/* Whether the replica has another host than the config itself, and a key of its own. Such a replica
 * is another instance of the service, which does not know the workspace of the config. A key that
 * a command prints is unknown here: it counts as another key. */
static gboolean
is_other_service (LsobsConfig *config, const LsobsReplica *replica)
{
  if (are_one_key (replica->api_key, NULL) ||
      are_one_key (replica->api_key, config->values.api_key))
    return FALSE;
  return !_lsobs_api_url_same_server (replica->api_url, config->values.api_url);
}

static gboolean
take_names (LsobsSettings *self, LsobsConfig *config, const LsobsReplica *replica, GError **error)
{
  const char *workspace_id = config->values.workspace_id;

  self->target = new_target (config, error);
  if (self->target == NULL)
    return FALSE;
  if (replica != NULL && replica->project_name != NULL && *replica->project_name != '\0')
    self->replica_target = _lsobs_target_new_project (replica->project_name);
  if (!_lsobs_config_check_text (config, "project-name", self->target->name, error) ||
      (self->replica_target != NULL &&
       !_lsobs_config_check_text (config, "project-name", self->replica_target->name, error)))
    return FALSE;

  if (replica != NULL && replica->workspace_id != NULL)
    workspace_id = replica->workspace_id;
  else if (replica != NULL && is_other_service (config, replica))
    workspace_id = NULL;
  g_free (self->values.workspace_id);
  self->values.workspace_id = _lsobs_trim_dup (workspace_id);
  return _lsobs_config_check_text (config, "workspace-id", workspace_id, error);
}

/* Takes all that may differ between destinations.
 * @replica: (nullable): NULL for the config's own properties */
static gboolean
take_destination (LsobsSettings *self,
                  LsobsConfig *config,
                  const LsobsReplica *replica,
                  LsobsSettingsMode mode,
                  GError **error)
{
  if (replica != NULL)
    self->role = replica->role;
  return take_url (self, config, replica, error) && take_key (self, config, replica, mode, error) &&
         take_names (self, config, replica, error);
}

/* Returns: (transfer full) (nullable): the share of traces that are kept, as JSON; NULL if all are,
 * or if the program's own sampler decides, whose share is unknown */
static char *
dup_sample_rate (LsobsSettings *self)
{
  g_autoptr (JsonNode) node = NULL;
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  double rate = self->values.sampling_rate;

  if (LSOBS_IS_PROBABILITY_SAMPLER (self->values.sampler))
    rate = lsobs_probability_sampler_get_rate (LSOBS_PROBABILITY_SAMPLER (self->values.sampler));
  else if (self->values.sampler != NULL)
    return NULL;
  if (rate >= 1.0)
    return NULL;
  node = json_node_init_double (json_node_alloc (), rate);
  _lsobs_json_write_node (&text, node, G_MAXSIZE);
  return g_strndup (text.data, text.len);
}

/* The messages contain the number of a rule, not its text, which may be a secret. */
static gboolean
take_rules (LsobsSettings *self, GPtrArray *rules, GError **error)
{
  for (guint i = 0; i < rules->len; i++)
    {
      const LsobsRuleText *text = g_ptr_array_index (rules, i);
      g_autoptr (GError) local_error = NULL;
      LsobsRedactRule *rule = NULL;
      /* TRANSLATORS: “its” is of a rule. */
      const char *problem = _ ("its pattern is not a regular expression");

      if (*text->pattern == '\0')
        /* TRANSLATORS: “its” is of a rule. */
        problem = _ ("its pattern is empty");
      else
        rule = _lsobs_redact_rule_new (text->pattern, text->replacement, LSOBS_REPLACEMENT_TEMPLATE,
                                       &local_error);
      if (rule == NULL)
        {
          if (g_error_matches (local_error, G_REGEX_ERROR, G_REGEX_ERROR_REPLACE))
            /* TRANSLATORS: “its” is of a rule. */
            problem = _ ("its replacement is malformed, or refers to a group that is not there");
          g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                       /* TRANSLATORS: its number, and what is wrong with it. */
                       _ ("Invalid redaction rule %u: %s"), i + 1, problem);
          return FALSE;
        }
      _lsobs_redactor_take_rule (self->redactor, rule);
    }
  return TRUE;
}

static gboolean
take_keys (LsobsSettings *self, GPtrArray *keys, GError **error)
{
  for (guint i = 0; i < keys->len; i++)
    {
      const char *name = g_ptr_array_index (keys, i);

      if (!g_utf8_validate (name, -1, NULL))
        {
          g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                       _ ("Invalid redaction key %u: it is not UTF-8"), i + 1);
          return FALSE;
        }
      _lsobs_redactor_add_key (self->redactor, name);
    }
  return TRUE;
}

/* The values have been checked: the regex compiles. */
static gboolean
take_privacy (LsobsSettings *self, LsobsConfig *config, GError **error)
{
  const char *regex = self->values.redact_regex;

  self->redactor = _lsobs_redactor_new ();
  if (regex != NULL && *regex != '\0')
    _lsobs_redactor_take_rule (self->redactor,
                               _lsobs_redact_rule_new (regex, NULL, LSOBS_REPLACEMENT_LITERAL,
                                                       NULL));
  if (!take_rules (self, config->redact_rules, error) ||
      !take_keys (self, config->redact_keys, error))
    return FALSE;
  _lsobs_redactor_set_pairs (self->redactor, self->values.redact_pairs);
  if (self->values.redact_secrets)
    _lsobs_redactor_add_secrets (self->redactor);
  /* Without a redactor, strings are not searched. */
  if (_lsobs_redactor_is_empty (self->redactor))
    g_clear_pointer (&self->redactor, _lsobs_redactor_free);
  if (config->redact_hook != NULL)
    self->redact_hook = _lsobs_redact_hook_ref (config->redact_hook);
  return TRUE;
}

/* Returns: (transfer full): the directory of the spool of an application that sets none */
static char *
make_spool_dir (void)
{
  GApplication *application = g_application_get_default ();
  const char *id = application != NULL ? g_application_get_application_id (application) : NULL;
  const char *name = id != NULL ? id : g_get_prgname ();
  g_autofree char *base = g_path_get_basename (name != NULL ? name : "");

  /* Without a name, the basename is a dot. */
  if (strcmp (base, ".") == 0 || strcmp (base, "..") == 0 || strcmp (base, "/") == 0)
    return g_build_filename (g_get_user_state_dir (), "lsobs", NULL);
  return g_build_filename (g_get_user_state_dir (), base, "lsobs", NULL);
}

/* Whether records that are not delivered are written to disk. */
gboolean
_lsobs_settings_keep_lost (LsobsSettings *self)
{
  return self->values.failed_traces_dir != NULL || self->values.spool_dir != NULL;
}

/* @replica: (nullable): NULL for the destination of the config's own properties */
static LsobsSettings *
new_for_replica (LsobsConfig *config,
                 const LsobsReplica *replica,
                 LsobsSettingsMode mode,
                 GError **error)
{
  g_autoptr (LsobsSettings) self = g_new0 (LsobsSettings, 1);

  g_atomic_ref_count_init (&self->ref_count);
  _lsobs_config_copy_values (config, &self->values);
  self->first_pause = config->first_pause;
  self->first_probe = config->first_probe;
  if (!_lsobs_config_check_problems (config, error) ||
      !take_destination (self, config, replica, mode, error) ||
      !_lsobs_config_check_values (config, error) || !take_privacy (self, config, error))
    return NULL;
  self->sample_rate = dup_sample_rate (self);
  /* Variables of the user say where that would be. */
  if (self->values.spool_dir == NULL && self->values.spool_enabled &&
      !_lsobs_privilege_is_elevated ())
    self->values.spool_dir = make_spool_dir ();
  return g_steal_pointer (&self);
}

/* For the destination of the config's own properties, even if the config has replicas. */
LsobsSettings *
_lsobs_settings_new (LsobsConfig *config, LsobsSettingsMode mode, GError **error)
{
  return new_for_replica (config, NULL, mode, error);
}

/* Checks one replica, without regard to the others. */
gboolean
_lsobs_settings_check_replica (LsobsConfig *config, const LsobsReplica *replica, GError **error)
{
  g_autoptr (LsobsSettings) probe = g_new0 (LsobsSettings, 1);

  g_atomic_ref_count_init (&probe->ref_count);
  _lsobs_config_copy_values (config, &probe->values);
  /* Whether tracing is on or off now: the replica must be usable when it is on. */
  probe->values.tracing_enabled = TRUE;
  return take_destination (probe, config, replica, LSOBS_SETTINGS_FOR_HTTP, error);
}

LsobsSettings *
_lsobs_settings_ref (LsobsSettings *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_settings_unref (LsobsSettings *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_config_clear_values (&self->values);
  if (self->credentials != NULL)
    _lsobs_credentials_close (self->credentials);
  g_clear_pointer (&self->credentials, _lsobs_credentials_unref);
  g_clear_pointer (&self->target, _lsobs_target_unref);
  g_clear_pointer (&self->replica_target, _lsobs_target_unref);
  g_free (self->label);
  g_clear_pointer (&self->trust, _lsobs_trust_unref);
  _lsobs_proxy_clear (&self->proxy);
  g_clear_pointer (&self->redactor, _lsobs_redactor_free);
  g_clear_pointer (&self->redact_hook, _lsobs_redact_hook_unref);
  g_free (self->sample_rate);
  g_free (self);
}

/* Whether a trace is sent. Called at the root of each trace. */
gboolean
_lsobs_settings_keeps (LsobsSettings *self, const LsobsId *trace_id)
{
  char text[LSOBS_UUID_LEN + 1];

  if (!self->values.tracing_enabled)
    return FALSE;
  if (_lsobs_settings_keeps_all (self))
    return TRUE;
  if (self->values.sampler == NULL && self->values.sampling_rate <= 0.0)
    return FALSE;
  _lsobs_id_write (trace_id, text);
  text[LSOBS_UUID_LEN] = '\0';
  if (self->values.sampler != NULL)
    return lsobs_sampler_should_sample (self->values.sampler, text);
  return _lsobs_probability_sampler_keeps (self->values.sampling_rate, text);
}

/* @trace_target: (nullable): the target of the trace, if another process or the program has chosen one
 * Returns: (transfer none): the target of a run, before a replica replaces it */
LsobsTarget *
_lsobs_settings_get_own_target (LsobsSettings *self, LsobsTarget *trace_target)
{
  return trace_target != NULL ? trace_target : self->target;
}

/* @own: the run's own target
 * Returns: (transfer none): the target of the run at this destination */
LsobsTarget *
_lsobs_settings_get_target (LsobsSettings *self, LsobsTarget *own)
{
  return self->replica_target != NULL ? self->replica_target : own;
}

/* @own: the run's own target
 * Returns: (transfer none) (nullable): the seed from which _lsobs_id_remap() derives the ids of the
 *   run at this destination: the name of the project or the address of the agent; NULL if the run
 *   keeps its ids */
const char *
_lsobs_settings_get_seed (LsobsSettings *self, LsobsTarget *own)
{
  LsobsTarget *target = _lsobs_settings_get_target (self, own);

  switch (self->role)
    {
    case LSOBS_REPLICA_ROLE_PRIMARY:
      return NULL;
    case LSOBS_REPLICA_ROLE_SECONDARY:
      return target->name;
    case LSOBS_REPLICA_ROLE_AUTO:
    default:
      return _lsobs_target_equal (target, own) ? NULL : target->name;
    }
}

/* --- several destinations --- */

/* Whether the same runs would go to the same target with the same ids and the same key. The service
 * would refuse each run the second time. */
static gboolean
are_one_destination (LsobsSettings *a, LsobsSettings *b)
{
  return strcmp (a->values.api_url, b->values.api_url) == 0 &&
         _lsobs_credentials_are_same (a->credentials, b->credentials) &&
         g_strcmp0 (a->values.workspace_id, b->values.workspace_id) == 0 &&
         _lsobs_target_equal (_lsobs_settings_get_target (a, a->target),
                              _lsobs_settings_get_target (b, b->target)) &&
         g_strcmp0 (_lsobs_settings_get_seed (a, a->target),
                    _lsobs_settings_get_seed (b, b->target)) == 0;
}

static gboolean
check_destinations (GPtrArray *destinations, GError **error)
{
  guint n_primary = 0;

  for (guint i = 0; i < destinations->len; i++)
    {
      LsobsSettings *destination = g_ptr_array_index (destinations, i);

      if (destination->role == LSOBS_REPLICA_ROLE_PRIMARY && ++n_primary > 1)
        {
          g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                               _ ("Invalid replicas: more than one is the primary"));
          return FALSE;
        }
      for (guint k = 0; k < i; k++)
        if (are_one_destination (g_ptr_array_index (destinations, k), destination))
          {
            g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                         _ ("Invalid replicas: %u and %u are the same destination"), k + 1, i + 1);
            return FALSE;
          }
    }
  return TRUE;
}

/* Returns: (transfer full): the name of the replica in messages: its number and its host */
static char *
make_label (LsobsSettings *self)
{
  g_autoptr (GUri) uri = g_uri_parse (self->values.api_url, G_URI_FLAGS_ENCODED, NULL);
  const char *host = g_uri_get_host (uri);
  gboolean is_ipv6 = strchr (host, ':') != NULL;
  g_autofree char *port = NULL;
  g_autofree char *server = NULL;

  if (g_uri_get_port (uri) != -1)
    port = g_strdup_printf (":%d", g_uri_get_port (uri));
  server = g_strconcat (is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port, NULL);
  /* TRANSLATORS: the name of a service in other messages, such as “Traces to %s are being lost”. */
  return g_strdup_printf (_ ("replica %u at %s"), self->index + 1, server);
}

/* Gives one of several destinations a label and a directory of its own for failed traces: a batch
 * with the ids of one destination cannot be sent to another. */
static void
tell_apart (LsobsSettings *self, guint n_destinations)
{
  g_autofree char *dir = g_steal_pointer (&self->values.failed_traces_dir);
  g_autofree char *name = g_strdup_printf ("replica-%u", self->index + 1);

  self->label = make_label (self);
  if (dir != NULL)
    self->values.failed_traces_dir = g_build_filename (dir, name, NULL);
  self->values.failed_traces_max_bytes =
      MAX (self->values.failed_traces_max_bytes / n_destinations, 1);
}

/* Each destination has a thread, but the program's function must run in one thread at a time. */
static void
share_hook (GPtrArray *destinations)
{
  LsobsSettings *first = g_ptr_array_index (destinations, 0);
  g_autoptr (LsobsRedactHook) turns = NULL;

  if (destinations->len == 1 || first->redact_hook == NULL)
    return;
  turns = _lsobs_redact_hook_new_turns (first->redact_hook);
  for (guint i = 0; i < destinations->len; i++)
    {
      LsobsSettings *destination = g_ptr_array_index (destinations, i);

      _lsobs_redact_hook_unref (destination->redact_hook);
      destination->redact_hook = _lsobs_redact_hook_ref (turns);
    }
}

/* Returns: (transfer full) (nullable) (element-type LsobsSettings): those of each destination, at
 *   least one */
GPtrArray *
_lsobs_settings_new_for_destinations (LsobsConfig *config, LsobsSettingsMode mode, GError **error)
{
  g_autoptr (GPtrArray) destinations =
      g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_settings_unref);
  GPtrArray *replicas = config->replicas;

  if (replicas->len > LSOBS_MAX_REPLICAS)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   _ ("Invalid replicas: there are more than %d"), LSOBS_MAX_REPLICAS);
      return NULL;
    }
  for (guint i = 0; i < MAX (replicas->len, 1); i++)
    {
      const LsobsReplica *replica = i < replicas->len ? g_ptr_array_index (replicas, i) : NULL;
      g_autoptr (GError) problem = NULL;
      LsobsSettings *destination = new_for_replica (config, replica, mode, &problem);

      if (destination == NULL && replica != NULL)
        /* TRANSLATORS: its number, from 1, and what is wrong with it. */
        g_set_error (error, problem->domain, problem->code, _ ("Replica %u: %s"), i + 1,
                     problem->message);
      else if (destination == NULL)
        g_propagate_error (error, g_steal_pointer (&problem));
      if (destination == NULL)
        return NULL;
      destination->index = i;
      if (replicas->len > 1)
        tell_apart (destination, replicas->len);
      g_ptr_array_add (destinations, destination);
    }
  if (!check_destinations (destinations, error))
    return NULL;
  share_hook (destinations);
  return g_steal_pointer (&destinations);
}

/**
 * lsobs_config_validate:
 * @self: a config
 * @error: return location for a #GError, or %NULL
 *
 * Checks all settings. Fails with %LSOBS_ERROR_INVALID_CONFIG at the first setting that is not
 * valid. The message names the setting.
 *
 * Returns: %TRUE if all settings are valid
 *
 * Since: 0.1
 */
gboolean
lsobs_config_validate (LsobsConfig *self, GError **error)
{
  g_autoptr (GPtrArray) destinations = NULL;

  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  destinations = _lsobs_settings_new_for_destinations (self, LSOBS_SETTINGS_ANY, error);
  return destinations != NULL;
}
