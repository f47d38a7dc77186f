/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-probability-sampler-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-compress-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/text/lsobs-secret-private.h"

/* After a command or file gave no new key, the time until it is tried again, in ms. */
#define KEY_INTERVAL 5000

static gboolean
is_loopback (const char *host)
{
  g_autoptr (GInetAddress) address = NULL;

  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return TRUE;
  address = g_inet_address_new_from_string (host);
  return address != NULL && g_inet_address_get_is_loopback (address);
}

/* The name of a host may have letters that are not ASCII; on the wire it has a form for that.
 * @url: (nullable) (transfer full)
 * Returns: (transfer full) (nullable): as it was if it is no such URL */
static char *
take_ascii_host (char *url)
{
  g_autofree char *given = url;
  const char *host = given != NULL ? strstr (given, "://") : NULL;
  g_autofree char *name = NULL;
  g_autofree char *ascii = NULL;
  g_autofree char *start = NULL;
  gsize len;

  if (host == NULL || g_str_is_ascii (given) || !g_utf8_validate (given, -1, NULL))
    return g_steal_pointer (&given);
  host += strlen ("://");
  len = strcspn (host, ":/?#@");
  name = g_strndup (host, len);
  ascii = host[len] != '@' ? g_hostname_to_ascii (name) : NULL;
  if (ascii == NULL)
    return g_steal_pointer (&given);
  start = g_strndup (given, (gsize) (host - given));
  return g_strconcat (start, ascii, host + len, NULL);
}

/* Returns: (transfer full): the URL without slashes at its end */
static char *
check_url (const char *given, gboolean allow_plain_http, gboolean *loopback, GError **error)
{
  g_autofree char *url = take_ascii_host (_lsobs_config_dup_trimmed (given));
  g_autoptr (GUri) uri = NULL;
  const char *problem = NULL;

  while (url != NULL && g_str_has_suffix (url, "/"))
    url[strlen (url) - 1] = '\0';
  if (url != NULL && _lsobs_secret_fits_header (url))
    uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);

  if (url == NULL || *url == '\0')
    /* TRANSLATORS: “it” is an API URL. */
    problem = _ ("it is empty");
  else if (uri == NULL)
    /* TRANSLATORS: “it” is an API URL. */
    problem = _ ("it is not a URL");
  else if (strcmp (g_uri_get_scheme (uri), "https") != 0 &&
           strcmp (g_uri_get_scheme (uri), "http") != 0)
    /* TRANSLATORS: “it” is an API URL. */
    problem = _ ("it must begin with https://");
  else if (g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0')
    /* TRANSLATORS: “it” is an API URL. */
    problem = _ ("it has no host");
  else if (g_uri_get_userinfo (uri) != NULL)
    /* TRANSLATORS: “it” is an API URL. */
    problem = _ ("it must not hold a user name or a password");
  else if (g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL)
    /* TRANSLATORS: “it” is an API URL. */
    problem = _ ("it must not hold a query or a fragment");
  else
    {
      *loopback = is_loopback (g_uri_get_host (uri));
      if (strcmp (g_uri_get_scheme (uri), "http") == 0 && !*loopback && !allow_plain_http)
        /* TRANSLATORS: “it” is an API URL. */
        problem = _ ("plain http would show the API key to everybody on the way; use https, or "
                     "allow plain http (the property allow-plain-http, or the environment "
                     "variable LANGSMITH_ALLOW_PLAIN_HTTP=true)");
    }
  if (problem == NULL)
    return g_steal_pointer (&url);
  /* The text itself is left out: people paste keys into the wrong field. */
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, _ ("Invalid API URL: %s"), problem);
  return NULL;
}

/* The program may be somewhere else when the path is used.
 * @path: (nullable)
 * Returns: (transfer full) (nullable): NULL for nothing */
static char *
dup_path (const char *path)
{
  return path != NULL && *path != '\0' ? g_canonicalize_filename (path, NULL) : NULL;
}

static gboolean
check_number (gint64 value, const char *name, gint64 min, gint64 max, GError **error)
{
  if (value >= min && value <= max)
    return TRUE;
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
               /* TRANSLATORS: the name of a property, its value, and the limits of that. */
               _ ("Invalid %s: %" PRId64 " is not between %" PRId64 " and %" PRId64), name, value,
               min, max);
  return FALSE;
}

static gboolean
take_numbers (LsobsSettings *self, LsobsConfig *config, GError **error)
{
  const struct
  {
    const char *name;
    gint64 value;
    gint64 min;
    gint64 max;
  } numbers[] = {
    { "flush-interval", lsobs_config_get_flush_interval (config), 1, 86400000 },
    { "max-batch-size", lsobs_config_get_max_batch_size (config), 1, 10000 },
    { "max-batch-bytes", lsobs_config_get_max_batch_bytes (config), 64 * 1024, 100 * 1024 * 1024 },
    { "queue-capacity", lsobs_config_get_queue_capacity (config), 1, 10000000 },
    { "max-queue-bytes", lsobs_config_get_max_queue_bytes (config), 4096, G_MAXSSIZE / 2 },
    { "max-string-bytes", lsobs_config_get_max_string_bytes (config), 1, 1024 * 1024 * 1024 },
    { "max-in-flight", lsobs_config_get_max_in_flight (config), 1, 64 },
    { "max-attempts", lsobs_config_get_max_attempts (config), 1, 100 },
    { "retry-delay", lsobs_config_get_retry_delay (config), 1, 60000 },
    { "request-timeout", lsobs_config_get_request_timeout (config), 10, 3600000 },
    { "shutdown-timeout", lsobs_config_get_shutdown_timeout (config), 0, 3600000 },
    { "compression-level", lsobs_config_get_compression_level (config), 1, 22 },
    { "failed-traces-max-bytes", lsobs_config_get_failed_traces_max_bytes (config), 1,
      G_MAXINT64 / 2 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!check_number (numbers[i].value, numbers[i].name, numbers[i].min, numbers[i].max, error))
      return FALSE;

  self->flush_interval = lsobs_config_get_flush_interval (config);
  self->max_batch_size = (guint) lsobs_config_get_max_batch_size (config);
  self->max_batch_bytes = (gsize) lsobs_config_get_max_batch_bytes (config);
  self->queue_capacity = (guint) lsobs_config_get_queue_capacity (config);
  self->max_queue_bytes = (gsize) lsobs_config_get_max_queue_bytes (config);
  self->max_string_bytes = (gsize) lsobs_config_get_max_string_bytes (config);
  self->max_in_flight = (guint) lsobs_config_get_max_in_flight (config);
  self->max_attempts = (guint) lsobs_config_get_max_attempts (config);
  self->retry_delay = lsobs_config_get_retry_delay (config);
  self->first_pause = _lsobs_config_peek_protocol (config)->first_pause;
  self->first_probe = _lsobs_config_peek_protocol (config)->first_probe;
  self->request_timeout = lsobs_config_get_request_timeout (config);
  self->shutdown_timeout = lsobs_config_get_shutdown_timeout (config);
  self->compression_level = (int) lsobs_config_get_compression_level (config);
  self->failed_traces_max_bytes = lsobs_config_get_failed_traces_max_bytes (config);
  return TRUE;
}

static gboolean
take_url (LsobsSettings *self, LsobsConfig *config, const LsobsReplica *replica, GError **error)
{
  self->api_url = check_url (replica != NULL ? replica->api_url : lsobs_config_get_api_url (config),
                             lsobs_config_get_allow_plain_http (config), &self->loopback, error);
  if (self->api_url == NULL)
    return FALSE;
  if (g_str_has_prefix (self->api_url, "https:"))
    self->trust = _lsobs_trust_new (lsobs_config_get_ca_file (config));
  if (!self->loopback)
    _lsobs_proxy_choose (&self->proxy, self->api_url);
  return TRUE;
}

/* Whether requests to the place need a key. */
static gboolean
needs_key (LsobsSettings *self, LsobsSettingsUse use)
{
  return use == LSOBS_SETTINGS_FOR_HTTP && !self->loopback && self->tracing_enabled;
}

/* @source: (nullable): of a profile, and without a key */
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

/* A key is for its own place only: a command or a token of a profile is for the place that
 * the config itself names, not for a replica. */
static gboolean
take_key (LsobsSettings *self,
          LsobsConfig *config,
          const LsobsReplica *replica,
          LsobsSettingsUse use,
          GError **error)
{
  LsobsKeySource *source = replica == NULL ? _lsobs_config_peek_key_source (config) : NULL;
  char *key = _lsobs_config_dup_trimmed (replica != NULL ? replica->api_key
                                                         : _lsobs_config_peek_api_key (config));
  gboolean fits = key == NULL || _lsobs_secret_fits_header (key);

  if (key != NULL && fits)
    self->credentials = _lsobs_credentials_new (key);
  else if (key == NULL && source != NULL && source->kind != LSOBS_KEY_MISSING)
    self->credentials = _lsobs_credentials_new_for_source (
        source, MIN (KEY_INTERVAL, _lsobs_config_peek_protocol (config)->first_pause));
  _lsobs_secret_free (key);
  if (!fits)
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("Invalid API key: it holds a line break, a space or another "
                              "character that no key has"));
      return FALSE;
    }
  if (self->credentials == NULL && needs_key (self, use))
    {
      set_no_key_error (replica, source, error);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_utf8 (const char *text, const char *message, GError **error)
{
  if (text == NULL || g_utf8_validate (text, -1, NULL))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, message);
  return FALSE;
}

/* @target: (nullable) */
static gboolean
check_destination (LsobsTarget *target, GError **error)
{
  return target == NULL ||
         check_utf8 (target->name, _ ("Invalid project name: it is not UTF-8"), error);
}

static gboolean
take_names (LsobsSettings *self, LsobsConfig *config, const LsobsReplica *replica, GError **error)
{
  const char *workspace_id = lsobs_config_get_workspace_id (config);
  LsobsId id;

  self->target = _lsobs_config_dup_destination (config, error);
  if (self->target == NULL)
    return FALSE;
  if (replica != NULL && replica->project_name != NULL && *replica->project_name != '\0')
    self->replica_target = _lsobs_target_new_project (replica->project_name);
  if (!check_destination (self->target, error) ||
      !check_destination (self->replica_target, error) ||
      !check_utf8 (self->revision_id, _ ("Invalid revision id: it is not UTF-8"), error))
    return FALSE;

  if (replica != NULL && replica->workspace_id != NULL)
    workspace_id = replica->workspace_id;
  else if (replica != NULL && _lsobs_settings_is_foreign (config, replica))
    workspace_id = NULL;
  self->workspace_id = _lsobs_config_dup_trimmed (workspace_id);
  if (self->workspace_id != NULL && !_lsobs_id_parse_text (&id, self->workspace_id))
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("Invalid workspace id: it is not a UUID"));
      return FALSE;
    }
  return TRUE;
}

/* Where runs are sent to. @replica: (nullable): NULL for what the config itself says */
static gboolean
take_place (LsobsSettings *self,
            LsobsConfig *config,
            const LsobsReplica *replica,
            LsobsSettingsUse use,
            GError **error)
{
  if (replica != NULL)
    self->role = replica->role;
  return take_url (self, config, replica, error) && take_key (self, config, replica, use, error) &&
         take_names (self, config, replica, error);
}

/* A sampler of the program's own has no rate that we know of. */
static char *
dup_sample_rate (LsobsSettings *self)
{
  g_autoptr (JsonNode) node = NULL;
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  double rate = self->sampling_rate;

  if (LSOBS_IS_PROBABILITY_SAMPLER (self->sampler))
    rate = lsobs_probability_sampler_get_rate (LSOBS_PROBABILITY_SAMPLER (self->sampler));
  else if (self->sampler != NULL)
    return NULL;
  if (rate >= 1.0)
    return NULL;
  node = json_node_init_double (json_node_alloc (), rate);
  _lsobs_json_write_node (&text, node, G_MAXSIZE);
  return g_strndup (text.data, text.len);
}

static gboolean
take_sampling (LsobsSettings *self, LsobsConfig *config, GError **error)
{
  self->sampling_rate = lsobs_config_get_sampling_rate (config);
  if (!(self->sampling_rate >= 0.0 && self->sampling_rate <= 1.0))
    {
      char text[G_ASCII_DTOSTR_BUF_SIZE];

      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   _ ("Invalid sampling rate: %s is not between 0 and 1"),
                   g_ascii_dtostr (text, sizeof text, self->sampling_rate));
      return FALSE;
    }
  g_set_object (&self->sampler, lsobs_config_get_sampler (config));
  self->sample_rate = dup_sample_rate (self);
  return TRUE;
}

static gboolean
take_regex (LsobsSettings *self, LsobsConfig *config, GError **error)
{
  const char *pattern = lsobs_config_get_redact_regex (config);
  g_autoptr (GError) local_error = NULL;
  LsobsRedactRule *rule;

  if (pattern == NULL || *pattern == '\0')
    return TRUE;
  if (!g_utf8_validate (pattern, -1, NULL))
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("Invalid redaction regex: it is not UTF-8"));
      return FALSE;
    }
  rule = _lsobs_redact_rule_new (pattern, NULL, LSOBS_REPLACEMENT_LITERAL, &local_error);
  if (rule == NULL)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   _ ("Invalid redaction regex: %s"), local_error->message);
      return FALSE;
    }
  _lsobs_redactor_take_rule (self->redactor, rule);
  return TRUE;
}

/* The messages have the number of a rule only: its text may well be a secret. */
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

static gboolean
take_privacy (LsobsSettings *self, LsobsConfig *config, GError **error)
{
  const LsobsPrivacy *privacy = _lsobs_config_peek_privacy (config);

  self->redactor = _lsobs_redactor_new_empty ();
  if (!take_regex (self, config, error) || !take_rules (self, privacy->rules, error) ||
      !take_keys (self, privacy->keys, error))
    return FALSE;
  if (lsobs_config_get_redact_secrets (config))
    _lsobs_redactor_add_secrets (self->redactor);
  /* With nothing to look for, strings are not even looked at. */
  if (_lsobs_redactor_is_empty (self->redactor))
    g_clear_pointer (&self->redactor, _lsobs_redactor_unref);

  self->hide_inputs = lsobs_config_get_hide_inputs (config);
  self->hide_outputs = lsobs_config_get_hide_outputs (config);
  self->hide_metadata = lsobs_config_get_hide_metadata (config);
  if (privacy->hook != NULL)
    self->redact_hook = _lsobs_redact_hook_ref (privacy->hook);
  return TRUE;
}

static gboolean
take_compression (LsobsSettings *self, LsobsConfig *config, GError **error)
{
  self->compression = lsobs_config_get_compression (config);
  if (self->compression == LSOBS_COMPRESSION_AUTO || self->compression == LSOBS_COMPRESSION_NONE ||
      _lsobs_compression_is_built_in (self->compression))
    return TRUE;
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
               /* TRANSLATORS: the name of a compression, such as zstd. */
               _ ("Invalid compression: lsobs was built without %s"),
               _lsobs_compression_get_name (self->compression));
  return FALSE;
}

/* @replica: (nullable): NULL for the place that the config itself names */
LsobsSettings *
_lsobs_settings_new_for_replica (LsobsConfig *config,
                                 const LsobsReplica *replica,
                                 LsobsSettingsUse use,
                                 GError **error)
{
  g_autoptr (LsobsSettings) self = g_new0 (LsobsSettings, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->ingest_mode = lsobs_config_get_ingest_mode (config);
  self->tracing_enabled = lsobs_config_get_tracing_enabled (config);
  self->trust_incoming_headers = lsobs_config_get_trust_incoming_headers (config);
  self->failed_traces_dir = dup_path (lsobs_config_get_failed_traces_dir (config));
  self->revision_id = _lsobs_config_dup_trimmed (lsobs_config_get_revision_id (config));
  if (!take_place (self, config, replica, use, error) || !take_sampling (self, config, error) ||
      !take_privacy (self, config, error) || !take_compression (self, config, error) ||
      !take_numbers (self, config, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* For the place that the config itself names, even if it has replicas. */
LsobsSettings *
_lsobs_settings_new (LsobsConfig *config, LsobsSettingsUse use, GError **error)
{
  return _lsobs_settings_new_for_replica (config, NULL, use, error);
}

/* Judges a replica alone. */
gboolean
_lsobs_settings_check_replica (LsobsConfig *config, const LsobsReplica *replica, GError **error)
{
  g_autoptr (LsobsSettings) probe = g_new0 (LsobsSettings, 1);

  g_atomic_ref_count_init (&probe->ref_count);
  /* Whatever the config says now: what is good only while tracing is off is not good. */
  probe->tracing_enabled = TRUE;
  return take_place (probe, config, replica, LSOBS_SETTINGS_FOR_HTTP, error);
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
  g_free (self->api_url);
  if (self->credentials != NULL)
    _lsobs_credentials_close (self->credentials);
  g_clear_pointer (&self->credentials, _lsobs_credentials_unref);
  g_clear_pointer (&self->target, _lsobs_target_unref);
  g_clear_pointer (&self->replica_target, _lsobs_target_unref);
  g_free (self->workspace_id);
  g_free (self->label);
  g_free (self->failed_traces_dir);
  g_free (self->revision_id);
  g_clear_pointer (&self->trust, _lsobs_trust_unref);
  _lsobs_proxy_clear (&self->proxy);
  g_clear_pointer (&self->redactor, _lsobs_redactor_unref);
  g_clear_pointer (&self->redact_hook, _lsobs_redact_hook_unref);
  g_clear_object (&self->sampler);
  g_free (self->sample_rate);
  g_free (self);
}

/* Whether the trace is sent. Asked at the root of a trace, before anything costs. */
gboolean
_lsobs_settings_keeps (LsobsSettings *self, const LsobsId *trace_id)
{
  char text[LSOBS_UUID_LEN + 1] = "";

  if (!self->tracing_enabled)
    return FALSE;
  if (self->sampler == NULL && self->sampling_rate >= 1.0)
    return TRUE;
  if (self->sampler == NULL && self->sampling_rate <= 0.0)
    return FALSE;
  _lsobs_id_write (trace_id, text);
  if (self->sampler != NULL)
    return lsobs_sampler_should_sample (self->sampler, text);
  return _lsobs_probability_sampler_keeps (self->sampling_rate, text);
}
