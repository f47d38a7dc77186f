/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/text/lsobs-secret-private.h"

/**
 * SECTION:lsobs-config
 * @title: LsobsConfig
 * @short_description: where runs are sent, how much, and what is hidden
 *
 * A bag of settings. Setters take any value; whether the values make sense is
 * checked, all together, by lsobs_config_validate() and when an #LsobsObserver,
 * #LsobsExporter or #LsobsClient is made from the config. Those take a copy: what
 * is set later has no effect on them.
 *
 * The API key is a secret. It can be written and never read, is in no message,
 * and the memory of our copies of it is wiped when it is freed; what libsoup keeps
 * of a request that was sent is out of our reach.
 *
 * A config may be used from any thread, from one at a time.
 */

/* This file is long and flat: each setting has a property, a setter, a getter and
 * their documentation, which gtk-doc and the bindings want spelt out. What is
 * more than that lives in lsobs-settings.c and lsobs-config-sources.c. */

/* The numbers, in the order of their properties. */
typedef enum
{
  NUMBER_FLUSH_INTERVAL,
  NUMBER_MAX_BATCH_SIZE,
  NUMBER_MAX_BATCH_BYTES,
  NUMBER_QUEUE_CAPACITY,
  NUMBER_MAX_QUEUE_BYTES,
  NUMBER_MAX_STRING_BYTES,
  NUMBER_MAX_IN_FLIGHT,
  NUMBER_MAX_ATTEMPTS,
  NUMBER_RETRY_DELAY,
  NUMBER_REQUEST_TIMEOUT,
  NUMBER_SHUTDOWN_TIMEOUT,
  N_NUMBERS
} ConfigNumber;

struct _LsobsConfig
{
  GObject parent_instance;

  char *api_url;              /* (owned) (nullable) */
  gboolean has_api_url;       /* somebody has set it */
  char *api_key;              /* (owned) (nullable) a secret */
  LsobsKeySource *key_source; /* (owned) (nullable) used if there is no key */
  char *project_name;         /* (owned) (nullable) */
  LsobsAgent agent;
  char *workspace_id;    /* (owned) (nullable) */
  char *redact_regex;    /* (owned) (nullable) */
  LsobsSampler *sampler; /* (owned) (nullable) */
  double sampling_rate;
  LsobsIngestMode ingest_mode;
  gboolean allow_plain_http;
  char *ca_file; /* (owned) (nullable) */
  LsobsPrivacy privacy;
  LsobsProtocol protocol;
  GPtrArray *replicas; /* (owned) (element-type LsobsReplica) */
  gint64 numbers[N_NUMBERS];
};

typedef enum
{
  PROP_API_URL = 1,
  PROP_API_KEY,
  PROP_PROJECT_NAME,
  PROP_AGENT_ID,
  PROP_AGENT_ENVIRONMENT,
  PROP_WORKSPACE_ID,
  PROP_REDACT_REGEX,
  PROP_SAMPLER,
  PROP_SAMPLING_RATE,
  PROP_INGEST_MODE,
  PROP_ALLOW_PLAIN_HTTP,
  PROP_CA_FILE,
  PROP_REDACT_SECRETS,
  PROP_HIDE_INPUTS,
  PROP_HIDE_OUTPUTS,
  PROP_HIDE_METADATA,
  PROP_COMPRESSION,
  PROP_COMPRESSION_LEVEL,
  PROP_TRACING_ENABLED,
  PROP_TRUST_INCOMING_HEADERS,
  PROP_FAILED_TRACES_DIR,
  PROP_FAILED_TRACES_MAX_BYTES,
  PROP_REVISION_ID,
  PROP_FLUSH_INTERVAL,
  PROP_MAX_BATCH_SIZE,
  PROP_MAX_BATCH_BYTES,
  PROP_QUEUE_CAPACITY,
  PROP_MAX_QUEUE_BYTES,
  PROP_MAX_STRING_BYTES,
  PROP_MAX_IN_FLIGHT,
  PROP_MAX_ATTEMPTS,
  PROP_RETRY_DELAY,
  PROP_REQUEST_TIMEOUT,
  PROP_SHUTDOWN_TIMEOUT
} LsobsConfigProperty;

static GParamSpec *props[PROP_SHUTDOWN_TIMEOUT + 1] = { NULL };

G_DEFINE_FINAL_TYPE (LsobsConfig, lsobs_config, G_TYPE_OBJECT)

static void
lsobs_config_finalize (GObject *object)
{
  LsobsConfig *self = LSOBS_CONFIG (object);

  g_free (self->api_url);
  _lsobs_secret_free (self->api_key);
  g_clear_pointer (&self->key_source, _lsobs_key_source_unref);
  g_free (self->project_name);
  g_free (self->agent.id);
  g_free (self->agent.environment);
  g_free (self->workspace_id);
  g_free (self->redact_regex);
  g_free (self->ca_file);
  g_clear_object (&self->sampler);
  _lsobs_privacy_clear (&self->privacy);
  _lsobs_protocol_clear (&self->protocol);
  g_ptr_array_unref (self->replicas);

  G_OBJECT_CLASS (lsobs_config_parent_class)->finalize (object);
}

static void
lsobs_config_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LsobsConfig *self = LSOBS_CONFIG (object);

  switch ((LsobsConfigProperty) prop_id)
    {
    case PROP_API_URL:
      g_value_set_string (value, self->api_url);
      break;
    case PROP_PROJECT_NAME:
      g_value_set_string (value, self->project_name);
      break;
    case PROP_AGENT_ID:
      g_value_set_string (value, self->agent.id);
      break;
    case PROP_AGENT_ENVIRONMENT:
      g_value_set_string (value, self->agent.environment);
      break;
    case PROP_WORKSPACE_ID:
      g_value_set_string (value, self->workspace_id);
      break;
    case PROP_REDACT_REGEX:
      g_value_set_string (value, self->redact_regex);
      break;
    case PROP_SAMPLER:
      g_value_set_object (value, self->sampler);
      break;
    case PROP_SAMPLING_RATE:
      g_value_set_double (value, self->sampling_rate);
      break;
    case PROP_INGEST_MODE:
      g_value_set_enum (value, self->ingest_mode);
      break;
    case PROP_ALLOW_PLAIN_HTTP:
      g_value_set_boolean (value, self->allow_plain_http);
      break;
    case PROP_CA_FILE:
      g_value_set_string (value, self->ca_file);
      break;
    case PROP_REDACT_SECRETS:
    case PROP_HIDE_INPUTS:
    case PROP_HIDE_OUTPUTS:
    case PROP_HIDE_METADATA:
      g_value_set_boolean (value, self->privacy.switches[prop_id - PROP_REDACT_SECRETS]);
      break;
    case PROP_COMPRESSION:
    case PROP_COMPRESSION_LEVEL:
    case PROP_TRACING_ENABLED:
    case PROP_TRUST_INCOMING_HEADERS:
    case PROP_FAILED_TRACES_DIR:
    case PROP_FAILED_TRACES_MAX_BYTES:
    case PROP_REVISION_ID:
      _lsobs_config_get_protocol_setting (self, (LsobsProtocolSetting) (prop_id - PROP_COMPRESSION),
                                          value);
      break;
    case PROP_FLUSH_INTERVAL:
    case PROP_MAX_BATCH_SIZE:
    case PROP_MAX_BATCH_BYTES:
    case PROP_QUEUE_CAPACITY:
    case PROP_MAX_QUEUE_BYTES:
    case PROP_MAX_STRING_BYTES:
    case PROP_MAX_IN_FLIGHT:
    case PROP_MAX_ATTEMPTS:
    case PROP_RETRY_DELAY:
    case PROP_REQUEST_TIMEOUT:
    case PROP_SHUTDOWN_TIMEOUT:
      g_value_set_int64 (value, self->numbers[prop_id - PROP_FLUSH_INTERVAL]);
      break;
    case PROP_API_KEY:
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
set_number (LsobsConfig *self, ConfigNumber number, gint64 value)
{
  if (self->numbers[number] == value)
    return;
  self->numbers[number] = value;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_FLUSH_INTERVAL + number]);
}

static void
set_string (LsobsConfig *self, char **member, const char *value, LsobsConfigProperty property)
{
  if (g_strcmp0 (*member, value) == 0)
    return;
  g_free (*member);
  *member = g_strdup (value);
  g_object_notify_by_pspec (G_OBJECT (self), props[property]);
}

static void
lsobs_config_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  LsobsConfig *self = LSOBS_CONFIG (object);

  switch ((LsobsConfigProperty) prop_id)
    {
    case PROP_API_URL:
      lsobs_config_set_api_url (self, g_value_get_string (value));
      break;
    case PROP_API_KEY:
      lsobs_config_set_api_key (self, g_value_get_string (value));
      break;
    case PROP_PROJECT_NAME:
      lsobs_config_set_project_name (self, g_value_get_string (value));
      break;
    case PROP_AGENT_ID:
      lsobs_config_set_agent_id (self, g_value_get_string (value));
      break;
    case PROP_AGENT_ENVIRONMENT:
      lsobs_config_set_agent_environment (self, g_value_get_string (value));
      break;
    case PROP_WORKSPACE_ID:
      lsobs_config_set_workspace_id (self, g_value_get_string (value));
      break;
    case PROP_REDACT_REGEX:
      lsobs_config_set_redact_regex (self, g_value_get_string (value));
      break;
    case PROP_SAMPLER:
      lsobs_config_set_sampler (self, g_value_get_object (value));
      break;
    case PROP_SAMPLING_RATE:
      lsobs_config_set_sampling_rate (self, g_value_get_double (value));
      break;
    case PROP_INGEST_MODE:
      lsobs_config_set_ingest_mode (self, g_value_get_enum (value));
      break;
    case PROP_ALLOW_PLAIN_HTTP:
      lsobs_config_set_allow_plain_http (self, g_value_get_boolean (value));
      break;
    case PROP_CA_FILE:
      lsobs_config_set_ca_file (self, g_value_get_string (value));
      break;
    case PROP_REDACT_SECRETS:
    case PROP_HIDE_INPUTS:
    case PROP_HIDE_OUTPUTS:
    case PROP_HIDE_METADATA:
      _lsobs_config_set_switch (self, (LsobsPrivacySwitch) (prop_id - PROP_REDACT_SECRETS),
                                g_value_get_boolean (value));
      break;
    case PROP_COMPRESSION:
    case PROP_COMPRESSION_LEVEL:
    case PROP_TRACING_ENABLED:
    case PROP_TRUST_INCOMING_HEADERS:
    case PROP_FAILED_TRACES_DIR:
    case PROP_FAILED_TRACES_MAX_BYTES:
    case PROP_REVISION_ID:
      _lsobs_config_set_protocol_setting (self, (LsobsProtocolSetting) (prop_id - PROP_COMPRESSION),
                                          value);
      break;
    case PROP_FLUSH_INTERVAL:
    case PROP_MAX_BATCH_SIZE:
    case PROP_MAX_BATCH_BYTES:
    case PROP_QUEUE_CAPACITY:
    case PROP_MAX_QUEUE_BYTES:
    case PROP_MAX_STRING_BYTES:
    case PROP_MAX_IN_FLIGHT:
    case PROP_MAX_ATTEMPTS:
    case PROP_RETRY_DELAY:
    case PROP_REQUEST_TIMEOUT:
    case PROP_SHUTDOWN_TIMEOUT:
      set_number (self, (ConfigNumber) (prop_id - PROP_FLUSH_INTERVAL), g_value_get_int64 (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
install_batch_properties (void)
{
  /**
   * LsobsConfig:flush-interval:
   *
   * How long a record waits at the most before it is sent, in milliseconds. The
   * time counts from the oldest waiting record. From 1 to 86400000.
   *
   * Since: 0.1
   */
  props[PROP_FLUSH_INTERVAL] =
      g_param_spec_int64 ("flush-interval", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_FLUSH_INTERVAL,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:max-batch-size:
   *
   * How many records a request holds at the most; as many waiting records are
   * sent at once. From 1 to 10000.
   *
   * Since: 0.1
   */
  props[PROP_MAX_BATCH_SIZE] =
      g_param_spec_int64 ("max-batch-size", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_MAX_BATCH_SIZE,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:max-batch-bytes:
   *
   * How large the body of a request is at the most, in bytes, before
   * compression. From 65536 to 104857600.
   *
   * Since: 0.1
   */
  props[PROP_MAX_BATCH_BYTES] =
      g_param_spec_int64 ("max-batch-bytes", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_MAX_BATCH_BYTES,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
}

static void
install_queue_properties (void)
{
  /**
   * LsobsConfig:queue-capacity:
   *
   * How many records wait at the most; then the oldest one is dropped. Records that were
   * sent in vain and wait to be sent again are among them, and the oldest. From 1 to
   * 10000000.
   *
   * Since: 0.1
   */
  props[PROP_QUEUE_CAPACITY] =
      g_param_spec_int64 ("queue-capacity", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_QUEUE_CAPACITY,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:max-queue-bytes:
   *
   * How much memory the waiting records take at the most, in bytes; then the
   * oldest one is dropped. Attachments that wait for the end of a run, the start of
   * which has left, take as much again at the most; then no more of them are
   * taken. With replicas, this is for each of them. At least 4096.
   *
   * Since: 0.1
   */
  props[PROP_MAX_QUEUE_BYTES] =
      g_param_spec_int64 ("max-queue-bytes", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_MAX_QUEUE_BYTES,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:max-string-bytes:
   *
   * How long a string in a payload is at the most, in bytes of UTF-8. Longer
   * ones are cut, after redaction. From 1 to 1073741824.
   *
   * Since: 0.1
   */
  props[PROP_MAX_STRING_BYTES] =
      g_param_spec_int64 ("max-string-bytes", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_MAX_STRING_BYTES,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
}

static void
install_request_properties (void)
{
  /**
   * LsobsConfig:max-in-flight:
   *
   * How many requests, and so connections, are under way at the most. From 1 to
   * 64.
   *
   * Since: 0.1
   */
  props[PROP_MAX_IN_FLIGHT] =
      g_param_spec_int64 ("max-in-flight", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_MAX_IN_FLIGHT,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:max-attempts:
   *
   * How often a request is tried at the most, the first time counted. From 1 to
   * 100.
   *
   * Since: 0.1
   */
  props[PROP_MAX_ATTEMPTS] =
      g_param_spec_int64 ("max-attempts", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_MAX_ATTEMPTS,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:retry-delay:
   *
   * How long to wait before the first retry, in milliseconds, give or take a
   * random part; the time doubles with each further one. From 1 to 60000.
   *
   * Since: 0.1
   */
  props[PROP_RETRY_DELAY] =
      g_param_spec_int64 ("retry-delay", "", "", G_MININT64, G_MAXINT64, LSOBS_DEFAULT_RETRY_DELAY,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:request-timeout:
   *
   * How long one attempt of a request may take, in milliseconds; large bodies
   * get more. From 10 to 3600000.
   *
   * Since: 0.1
   */
  props[PROP_REQUEST_TIMEOUT] =
      g_param_spec_int64 ("request-timeout", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_REQUEST_TIMEOUT,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:shutdown-timeout:
   *
   * How long the last unref of an observer or exporter waits for delivery, in
   * milliseconds. From 0 to 3600000.
   *
   * Since: 0.1
   */
  props[PROP_SHUTDOWN_TIMEOUT] =
      g_param_spec_int64 ("shutdown-timeout", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_SHUTDOWN_TIMEOUT,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
}

static void
install_service_properties (void)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * LsobsConfig:api-url:
   *
   * The address of the service: https, or http to this machine. White space,
   * quotes and slashes at the end are tolerated.
   *
   * Since: 0.1
   */
  props[PROP_API_URL] = g_param_spec_string ("api-url", "", "", LSOBS_DEFAULT_API_URL, flags);

  /**
   * LsobsConfig:api-key:
   *
   * The key of the service. It cannot be read. Set it with
   * lsobs_config_set_api_key() where there is a choice: a #GValue on the way here
   * keeps a copy that nobody wipes.
   *
   * Since: 0.1
   */
  props[PROP_API_KEY] =
      g_param_spec_string ("api-key", "", "", NULL,
                           G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsConfig:project-name:
   *
   * The project that the traces belong to; the service makes it when it is new. See
   * #LsobsConfig:agent-id for what takes its place.
   *
   * Since: 0.1
   */
  props[PROP_PROJECT_NAME] =
      g_param_spec_string ("project-name", "", "", LSOBS_DEFAULT_PROJECT_NAME, flags);

  /**
   * LsobsConfig:agent-id:
   *
   * The id of the agent that the traces belong to, for workspaces that are organised by
   * agents: 1 to 63 lower-case ASCII letters, digits or hyphens, beginning with a letter
   * and ending with a letter or a digit. It needs #LsobsConfig:agent-environment beside
   * it. Runs then carry the address `lrn:agents/ID/environments/ENVIRONMENT` in place of
   * the name of a project, and the service finds the project by it; your own server must
   * be LangSmith 0.18 or newer.
   *
   * Traces go to a project or to an agent. What the program sets outranks what the
   * environment says: lsobs_config_set_project_name() sends them to that project although
   * `LANGSMITH_AGENT_ID` is set, and lsobs_config_set_agent_id() to that agent although
   * `LANGSMITH_PROJECT` is. When the program sets both, or the environment both, none
   * outranks the other, and the config is refused with %LSOBS_ERROR_INVALID_CONFIG where it
   * is used; lsobs_config_new_from_environment() does not refuse it, so that the program can
   * still set one of them. The same holds for one of the two variables without the other.
   * `HOSTED_LANGSERVE_PROJECT_NAME`, which the platform sets, yields to an agent. While
   * #LsobsConfig:tracing-enabled is off, what the environment says about an agent is no
   * error.
   * A replica with a project of its own writes to that project in any case.
   *
   * Since: 0.1
   */
  props[PROP_AGENT_ID] = g_param_spec_string ("agent-id", "", "", NULL, flags);

  /**
   * LsobsConfig:agent-environment:
   *
   * The environment of the agent that the traces belong to: `local`, `development`,
   * `staging` or `production`, in any case. There is no default. It is of use only with
   * #LsobsConfig:agent-id, and is refused without it.
   *
   * Since: 0.1
   */
  props[PROP_AGENT_ENVIRONMENT] = g_param_spec_string ("agent-environment", "", "", NULL, flags);

  /**
   * LsobsConfig:workspace-id:
   *
   * The workspace, a UUID, which keys of a whole organization need. A replica on another
   * host with a key of its own is not told it, see lsobs_config_add_replica().
   *
   * Since: 0.1
   */
  props[PROP_WORKSPACE_ID] = g_param_spec_string ("workspace-id", "", "", NULL, flags);
}

static void
install_sending_properties (void)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * LsobsConfig:redact-regex:
   *
   * A regular expression, as of #GRegex; whatever it matches in a string of
   * inputs, outputs, errors, metadata, tags or events becomes `[REDACTED]`. More of
   * them can be added by lsobs_config_add_redact_rule().
   *
   * Since: 0.1
   */
  props[PROP_REDACT_REGEX] = g_param_spec_string ("redact-regex", "", "", NULL, flags);

  /**
   * LsobsConfig:sampler:
   *
   * A sampler of the program's own, which takes the place of
   * #LsobsConfig:sampling-rate.
   *
   * Since: 0.1
   */
  props[PROP_SAMPLER] = g_param_spec_object ("sampler", "", "", LSOBS_TYPE_SAMPLER, flags);

  /**
   * LsobsConfig:sampling-rate:
   *
   * The share of traces that are sent, from 0 to 1.
   *
   * Since: 0.1
   */
  props[PROP_SAMPLING_RATE] =
      g_param_spec_double ("sampling-rate", "", "", -G_MAXDOUBLE, G_MAXDOUBLE, 1.0, flags);

  /**
   * LsobsConfig:ingest-mode:
   *
   * Which endpoints of the service the runs are sent to.
   *
   * Since: 0.1
   */
  props[PROP_INGEST_MODE] = g_param_spec_enum ("ingest-mode", "", "", LSOBS_TYPE_INGEST_MODE,
                                               LSOBS_INGEST_MODE_AUTO, flags);

  /**
   * LsobsConfig:allow-plain-http:
   *
   * Whether plain http may be used to other machines, where everybody on the way
   * can read the key and the traces.
   *
   * Since: 0.1
   */
  props[PROP_ALLOW_PLAIN_HTTP] = g_param_spec_boolean ("allow-plain-http", "", "", FALSE, flags);

  /**
   * LsobsConfig:ca-file:
   *
   * A file with the certificates, in PEM, of the authorities that may vouch for the
   * service, or a directory of such files, or %NULL. A relative path begins at the
   * working directory when the observer is made.
   *
   * With %NULL, the environment decides when the observer is made: `SSL_CERT_FILE` and
   * `SSL_CERT_DIR` (directories, with `:` between them) together, or else
   * `REQUESTS_CA_BUNDLE` (a file or a directory). Directories in `SSL_CERT_DIR` that do not
   * exist are passed over, unless nothing else is named. A program that runs with more rights
   * than its user has, such as a setuid one, ignores these. Without any of them, the
   * authorities that the system trusts count.
   *
   * What is named here replaces the trust of the system, for all replicas. When a path
   * cannot be read, or holds no certificate, nothing is sent: the attempt fails with
   * %LSOBS_ERROR_UNREACHABLE and a message that names the path, and the next attempt reads
   * it again. A path that is replaced is read again after a certificate was refused.
   *
   * Since: 0.1
   */
  props[PROP_CA_FILE] = g_param_spec_string ("ca-file", "", "", NULL, flags);
}

static void
lsobs_config_class_init (LsobsConfigClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = lsobs_config_finalize;
  object_class->get_property = lsobs_config_get_property;
  object_class->set_property = lsobs_config_set_property;

  install_service_properties ();
  install_sending_properties ();
  _lsobs_privacy_install_properties (&props[PROP_REDACT_SECRETS]);
  _lsobs_protocol_install_properties (&props[PROP_COMPRESSION]);
  install_batch_properties ();
  install_queue_properties ();
  install_request_properties ();
  g_object_class_install_properties (object_class, G_N_ELEMENTS (props), props);
}

static void
lsobs_config_init (LsobsConfig *self)
{
  self->api_url = g_strdup (LSOBS_DEFAULT_API_URL);
  self->project_name = g_strdup (LSOBS_DEFAULT_PROJECT_NAME);
  self->sampling_rate = 1.0;
  self->ingest_mode = LSOBS_INGEST_MODE_AUTO;
  _lsobs_privacy_init (&self->privacy);
  _lsobs_protocol_init (&self->protocol);
  self->replicas = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_replica_free);
  self->numbers[NUMBER_FLUSH_INTERVAL] = LSOBS_DEFAULT_FLUSH_INTERVAL;
  self->numbers[NUMBER_MAX_BATCH_SIZE] = LSOBS_DEFAULT_MAX_BATCH_SIZE;
  self->numbers[NUMBER_MAX_BATCH_BYTES] = LSOBS_DEFAULT_MAX_BATCH_BYTES;
  self->numbers[NUMBER_QUEUE_CAPACITY] = LSOBS_DEFAULT_QUEUE_CAPACITY;
  self->numbers[NUMBER_MAX_QUEUE_BYTES] = LSOBS_DEFAULT_MAX_QUEUE_BYTES;
  self->numbers[NUMBER_MAX_STRING_BYTES] = LSOBS_DEFAULT_MAX_STRING_BYTES;
  self->numbers[NUMBER_MAX_IN_FLIGHT] = LSOBS_DEFAULT_MAX_IN_FLIGHT;
  self->numbers[NUMBER_MAX_ATTEMPTS] = LSOBS_DEFAULT_MAX_ATTEMPTS;
  self->numbers[NUMBER_RETRY_DELAY] = LSOBS_DEFAULT_RETRY_DELAY;
  self->numbers[NUMBER_REQUEST_TIMEOUT] = LSOBS_DEFAULT_REQUEST_TIMEOUT;
  self->numbers[NUMBER_SHUTDOWN_TIMEOUT] = LSOBS_DEFAULT_SHUTDOWN_TIMEOUT;
}

const char *
_lsobs_config_peek_api_key (LsobsConfig *self)
{
  return self->api_key;
}

LsobsKeySource *
_lsobs_config_peek_key_source (LsobsConfig *self)
{
  return self->key_source;
}

/* Takes @source over. It replaces the key. */
void
_lsobs_config_take_key_source (LsobsConfig *self, LsobsKeySource *source)
{
  lsobs_config_set_api_key (self, NULL);
  self->key_source = source;
}

LsobsAgent *
_lsobs_config_peek_agent (LsobsConfig *self)
{
  return &self->agent;
}

/* @environment: whether it is that of the agent that has changed, and not the id */
void
_lsobs_config_notify_agent (LsobsConfig *self, gboolean environment)
{
  g_object_notify_by_pspec (G_OBJECT (self),
                            props[environment ? PROP_AGENT_ENVIRONMENT : PROP_AGENT_ID]);
}

LsobsProtocol *
_lsobs_config_peek_protocol (LsobsConfig *self)
{
  return &self->protocol;
}

/* Whether the address was set, were it to what it is by default. */
gboolean
_lsobs_config_has_api_url (LsobsConfig *self)
{
  return self->has_api_url;
}

GPtrArray *
_lsobs_config_peek_replicas (LsobsConfig *self)
{
  return self->replicas;
}

LsobsPrivacy *
_lsobs_config_peek_privacy (LsobsConfig *self)
{
  return &self->privacy;
}

/**
 * lsobs_config_new:
 * @api_key: (nullable): the key of the service
 * @project_name: (nullable): the project that the traces belong to, or %NULL for
 *   `default`
 *
 * Makes a config with all other settings at their defaults.
 *
 * Returns: (transfer full): a config
 *
 * Since: 0.1
 */
LsobsConfig *
lsobs_config_new (const char *api_key, const char *project_name)
{
  LsobsConfig *self = g_object_new (LSOBS_TYPE_CONFIG, NULL);

  /* Not as a property: GValue would keep a copy of the key that nobody wipes. */
  lsobs_config_set_api_key (self, api_key);
  if (project_name != NULL)
    lsobs_config_set_project_name (self, project_name);
  return self;
}

/**
 * lsobs_config_validate:
 * @self: a config
 * @error: return location for a #GError, or %NULL
 *
 * Checks all settings. Fails with %LSOBS_ERROR_INVALID_CONFIG, and a message that
 * names the setting, at the first one that cannot work.
 *
 * Returns: %TRUE when all settings make sense
 *
 * Since: 0.1
 */
gboolean
lsobs_config_validate (LsobsConfig *self, GError **error)
{
  g_autoptr (GPtrArray) places = NULL;

  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  places = _lsobs_settings_new_for_places (self, LSOBS_SETTINGS_ANY, error);
  return places != NULL;
}

/**
 * lsobs_config_set_api_key:
 * @self: a config
 * @api_key: (nullable): the key, or %NULL for none
 *
 * Sets the key of the service. It replaces what lsobs_config_load_profile() has found.
 *
 * Since: 0.1
 */
void
lsobs_config_set_api_key (LsobsConfig *self, const char *api_key)
{
  char *copy;

  g_return_if_fail (LSOBS_IS_CONFIG (self));

  copy = _lsobs_secret_dup (api_key);
  _lsobs_secret_free (self->api_key);
  self->api_key = copy;
  g_clear_pointer (&self->key_source, _lsobs_key_source_unref);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_API_KEY]);
}

/**
 * lsobs_config_has_api_key:
 * @self: a config
 *
 * Tells whether a key is set; white space is none, nor is a pair of quotes with nothing
 * in it. There is no way to read it. A command that prints the key, and a token of OAuth,
 * count as a key: lsobs_config_load_profile() finds these.
 *
 * Returns: %TRUE if there is a key
 *
 * Since: 0.1
 */
gboolean
lsobs_config_has_api_key (LsobsConfig *self)
{
  gsize len;

  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  _lsobs_config_trim (self->api_key, &len);
  return len > 0 || (self->key_source != NULL && self->key_source->kind != LSOBS_KEY_MISSING);
}

/**
 * lsobs_config_set_api_url:
 * @self: a config
 * @api_url: (nullable): the value, or %NULL for none
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
  set_string (self, &self->api_url, api_url, PROP_API_URL);
}

/**
 * lsobs_config_get_api_url:
 * @self: a config
 *
 * Gets the address of the service.
 *
 * Returns: (transfer none) (nullable): the value, as it was set
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_api_url (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->api_url;
}

/**
 * lsobs_config_set_project_name:
 * @self: a config
 * @project_name: (nullable): the value, or %NULL for none
 *
 * Sets the project that the traces belong to; see #LsobsConfig:project-name.
 *
 * Since: 0.1
 */
void
lsobs_config_set_project_name (LsobsConfig *self, const char *project_name)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  self->agent.project_origin =
      project_name != NULL && *project_name != '\0' ? LSOBS_ORIGIN_PROGRAM : LSOBS_ORIGIN_NONE;
  set_string (self, &self->project_name, project_name, PROP_PROJECT_NAME);
}

/**
 * lsobs_config_get_project_name:
 * @self: a config
 *
 * Gets the project that the traces belong to.
 *
 * Returns: (transfer none) (nullable): the value, as it was set
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_project_name (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->project_name;
}

/**
 * lsobs_config_set_workspace_id:
 * @self: a config
 * @workspace_id: (nullable): the value, or %NULL for none
 *
 * Sets the workspace, a UUID; see #LsobsConfig:workspace-id.
 *
 * Since: 0.1
 */
void
lsobs_config_set_workspace_id (LsobsConfig *self, const char *workspace_id)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_string (self, &self->workspace_id, workspace_id, PROP_WORKSPACE_ID);
}

/**
 * lsobs_config_get_workspace_id:
 * @self: a config
 *
 * Gets the workspace, a UUID.
 *
 * Returns: (transfer none) (nullable): the value, as it was set
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_workspace_id (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->workspace_id;
}

/**
 * lsobs_config_set_redact_regex:
 * @self: a config
 * @redact_regex: (nullable): the value, or %NULL for none
 *
 * Sets the regular expression whose matches are hidden; see #LsobsConfig:redact-regex.
 *
 * Since: 0.1
 */
void
lsobs_config_set_redact_regex (LsobsConfig *self, const char *redact_regex)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_string (self, &self->redact_regex, redact_regex, PROP_REDACT_REGEX);
}

/**
 * lsobs_config_get_redact_regex:
 * @self: a config
 *
 * Gets the regular expression whose matches are hidden.
 *
 * Returns: (transfer none) (nullable): the value, as it was set
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_redact_regex (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->redact_regex;
}

/**
 * lsobs_config_set_sampling_rate:
 * @self: a config
 * @sampling_rate: a share, from 0 to 1
 *
 * Sets the share of traces that are sent; see #LsobsConfig:sampling-rate.
 *
 * Since: 0.1
 */
void
lsobs_config_set_sampling_rate (LsobsConfig *self, double sampling_rate)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  if (self->sampling_rate == sampling_rate)
    return;
  self->sampling_rate = sampling_rate;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SAMPLING_RATE]);
}

/**
 * lsobs_config_get_sampling_rate:
 * @self: a config
 *
 * Gets the share of traces that are sent.
 *
 * Returns: the share, as it was set
 *
 * Since: 0.1
 */
double
lsobs_config_get_sampling_rate (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0.0);

  return self->sampling_rate;
}

/**
 * lsobs_config_set_sampler:
 * @self: a config
 * @sampler: (nullable): a sampler, or %NULL to go by the rate
 *
 * Sets the sampler; see #LsobsConfig:sampler.
 *
 * Since: 0.1
 */
void
lsobs_config_set_sampler (LsobsConfig *self, LsobsSampler *sampler)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  if (g_set_object (&self->sampler, sampler))
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SAMPLER]);
}

/**
 * lsobs_config_get_sampler:
 * @self: a config
 *
 * Gets the sampler.
 *
 * Returns: (transfer none) (nullable): the sampler
 *
 * Since: 0.1
 */
LsobsSampler *
lsobs_config_get_sampler (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->sampler;
}

/**
 * lsobs_config_set_ingest_mode:
 * @self: a config
 * @ingest_mode: a mode
 *
 * Sets which endpoints the runs are sent to; see #LsobsConfig:ingest-mode.
 *
 * Since: 0.1
 */
void
lsobs_config_set_ingest_mode (LsobsConfig *self, LsobsIngestMode ingest_mode)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail ((guint) ingest_mode <= LSOBS_INGEST_MODE_RUNS);

  if (self->ingest_mode == ingest_mode)
    return;
  self->ingest_mode = ingest_mode;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_INGEST_MODE]);
}

/**
 * lsobs_config_get_ingest_mode:
 * @self: a config
 *
 * Gets which endpoints the runs are sent to.
 *
 * Returns: the mode
 *
 * Since: 0.1
 */
LsobsIngestMode
lsobs_config_get_ingest_mode (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), LSOBS_INGEST_MODE_AUTO);

  return self->ingest_mode;
}

/**
 * lsobs_config_set_allow_plain_http:
 * @self: a config
 * @allow_plain_http: whether to allow it
 *
 * Sets whether plain http may be used to other machines; see #LsobsConfig:allow-plain-http.
 *
 * Since: 0.1
 */
void
lsobs_config_set_allow_plain_http (LsobsConfig *self, gboolean allow_plain_http)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  if (self->allow_plain_http == !!allow_plain_http)
    return;
  self->allow_plain_http = !!allow_plain_http;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_ALLOW_PLAIN_HTTP]);
}

/**
 * lsobs_config_get_allow_plain_http:
 * @self: a config
 *
 * Gets whether plain http may be used to other machines.
 *
 * Returns: %TRUE if it may
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_allow_plain_http (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return self->allow_plain_http;
}

/**
 * lsobs_config_set_ca_file:
 * @self: a config
 * @ca_file: (nullable) (type filename): a path, in the encoding of file names, or %NULL
 *
 * Sets which authorities may vouch for the service; see #LsobsConfig:ca-file. The path is
 * read when something is sent, never here.
 *
 * Since: 0.1
 */
void
lsobs_config_set_ca_file (LsobsConfig *self, const char *ca_file)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_string (self, &self->ca_file, ca_file, PROP_CA_FILE);
}

/**
 * lsobs_config_get_ca_file:
 * @self: a config
 *
 * Gets which authorities may vouch for the service, as it was set.
 *
 * Returns: (nullable) (transfer none) (type filename): a path, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_ca_file (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return self->ca_file;
}

/**
 * lsobs_config_set_flush_interval:
 * @self: a config
 * @flush_interval: the number
 *
 * Sets how long a record waits at the most before it is sent, in milliseconds; see #LsobsConfig:flush-interval.
 *
 * Since: 0.1
 */
void
lsobs_config_set_flush_interval (LsobsConfig *self, gint64 flush_interval)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_FLUSH_INTERVAL, flush_interval);
}

/**
 * lsobs_config_get_flush_interval:
 * @self: a config
 *
 * Gets how long a record waits at the most before it is sent, in milliseconds.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_flush_interval (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_FLUSH_INTERVAL];
}

/**
 * lsobs_config_set_max_batch_size:
 * @self: a config
 * @max_batch_size: the number
 *
 * Sets how many records a request holds at the most; see #LsobsConfig:max-batch-size.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_batch_size (LsobsConfig *self, gint64 max_batch_size)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_MAX_BATCH_SIZE, max_batch_size);
}

/**
 * lsobs_config_get_max_batch_size:
 * @self: a config
 *
 * Gets how many records a request holds at the most.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_batch_size (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_MAX_BATCH_SIZE];
}

/**
 * lsobs_config_set_max_batch_bytes:
 * @self: a config
 * @max_batch_bytes: the number
 *
 * Sets how large the body of a request is at the most, in bytes; see #LsobsConfig:max-batch-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_batch_bytes (LsobsConfig *self, gint64 max_batch_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_MAX_BATCH_BYTES, max_batch_bytes);
}

/**
 * lsobs_config_get_max_batch_bytes:
 * @self: a config
 *
 * Gets how large the body of a request is at the most, in bytes.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_batch_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_MAX_BATCH_BYTES];
}

/**
 * lsobs_config_set_queue_capacity:
 * @self: a config
 * @queue_capacity: the number
 *
 * Sets how many records wait at the most; see #LsobsConfig:queue-capacity.
 *
 * Since: 0.1
 */
void
lsobs_config_set_queue_capacity (LsobsConfig *self, gint64 queue_capacity)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_QUEUE_CAPACITY, queue_capacity);
}

/**
 * lsobs_config_get_queue_capacity:
 * @self: a config
 *
 * Gets how many records wait at the most.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_queue_capacity (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_QUEUE_CAPACITY];
}

/**
 * lsobs_config_set_max_queue_bytes:
 * @self: a config
 * @max_queue_bytes: the number
 *
 * Sets how much memory the waiting records take at the most, in bytes; see #LsobsConfig:max-queue-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_queue_bytes (LsobsConfig *self, gint64 max_queue_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_MAX_QUEUE_BYTES, max_queue_bytes);
}

/**
 * lsobs_config_get_max_queue_bytes:
 * @self: a config
 *
 * Gets how much memory the waiting records take at the most, in bytes.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_queue_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_MAX_QUEUE_BYTES];
}

/**
 * lsobs_config_set_max_string_bytes:
 * @self: a config
 * @max_string_bytes: the number
 *
 * Sets how long a string in a payload is at the most, in bytes; see #LsobsConfig:max-string-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_string_bytes (LsobsConfig *self, gint64 max_string_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_MAX_STRING_BYTES, max_string_bytes);
}

/**
 * lsobs_config_get_max_string_bytes:
 * @self: a config
 *
 * Gets how long a string in a payload is at the most, in bytes.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_string_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_MAX_STRING_BYTES];
}

/**
 * lsobs_config_set_max_in_flight:
 * @self: a config
 * @max_in_flight: the number
 *
 * Sets how many requests are under way at the most; see #LsobsConfig:max-in-flight.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_in_flight (LsobsConfig *self, gint64 max_in_flight)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_MAX_IN_FLIGHT, max_in_flight);
}

/**
 * lsobs_config_get_max_in_flight:
 * @self: a config
 *
 * Gets how many requests are under way at the most.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_in_flight (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_MAX_IN_FLIGHT];
}

/**
 * lsobs_config_set_max_attempts:
 * @self: a config
 * @max_attempts: the number
 *
 * Sets how often a request is tried at the most; see #LsobsConfig:max-attempts.
 *
 * Since: 0.1
 */
void
lsobs_config_set_max_attempts (LsobsConfig *self, gint64 max_attempts)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_MAX_ATTEMPTS, max_attempts);
}

/**
 * lsobs_config_get_max_attempts:
 * @self: a config
 *
 * Gets how often a request is tried at the most.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_max_attempts (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_MAX_ATTEMPTS];
}

/**
 * lsobs_config_set_retry_delay:
 * @self: a config
 * @retry_delay: the number
 *
 * Sets how long to wait before the first retry, in milliseconds; see #LsobsConfig:retry-delay.
 *
 * Since: 0.1
 */
void
lsobs_config_set_retry_delay (LsobsConfig *self, gint64 retry_delay)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_RETRY_DELAY, retry_delay);
}

/**
 * lsobs_config_get_retry_delay:
 * @self: a config
 *
 * Gets how long to wait before the first retry, in milliseconds.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_retry_delay (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_RETRY_DELAY];
}

/**
 * lsobs_config_set_request_timeout:
 * @self: a config
 * @request_timeout: the number
 *
 * Sets how long one attempt of a request may take, in milliseconds; see #LsobsConfig:request-timeout.
 *
 * Since: 0.1
 */
void
lsobs_config_set_request_timeout (LsobsConfig *self, gint64 request_timeout)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_REQUEST_TIMEOUT, request_timeout);
}

/**
 * lsobs_config_get_request_timeout:
 * @self: a config
 *
 * Gets how long one attempt of a request may take, in milliseconds.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_request_timeout (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_REQUEST_TIMEOUT];
}

/**
 * lsobs_config_set_shutdown_timeout:
 * @self: a config
 * @shutdown_timeout: the number
 *
 * Sets how long the last unref waits for delivery, in milliseconds; see #LsobsConfig:shutdown-timeout.
 *
 * Since: 0.1
 */
void
lsobs_config_set_shutdown_timeout (LsobsConfig *self, gint64 shutdown_timeout)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, NUMBER_SHUTDOWN_TIMEOUT, shutdown_timeout);
}

/**
 * lsobs_config_get_shutdown_timeout:
 * @self: a config
 *
 * Gets how long the last unref waits for delivery, in milliseconds.
 *
 * Returns: the number, as it was set
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_shutdown_timeout (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return self->numbers[NUMBER_SHUTDOWN_TIMEOUT];
}
