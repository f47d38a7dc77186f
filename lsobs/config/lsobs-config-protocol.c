/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"

/* What a config says about the way runs go through the protocol. #LsobsConfig is
 * described in the file of its name. */

static GParamSpec *protocol_props[LSOBS_N_PROTOCOL_SETTINGS] = { NULL };

void
_lsobs_protocol_init (LsobsProtocol *self)
{
  self->compression = LSOBS_COMPRESSION_AUTO;
  self->compression_level = LSOBS_DEFAULT_COMPRESSION_LEVEL;
  self->tracing_enabled = TRUE;
  self->failed_traces_max_bytes = LSOBS_DEFAULT_FAILED_TRACES_MAX_BYTES;
  self->first_pause = LSOBS_CONFIG_FIRST_PAUSE;
  self->first_probe = LSOBS_CONFIG_FIRST_PROBE;
}

void
_lsobs_protocol_clear (LsobsProtocol *self)
{
  g_clear_pointer (&self->failed_traces_dir, g_free);
  g_clear_pointer (&self->revision_id, g_free);
}

static void
install_sending_properties (GParamSpec **props)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * LsobsConfig:compression:
   *
   * How the bodies of requests are compressed: by what the service offers, unless
   * it is forced or forbidden. Less than 1 KiB never is, nor what would not become
   * smaller. A kind that lsobs was built without is refused when an observer is made.
   *
   * Since: 0.1
   */
  props[LSOBS_PROTOCOL_COMPRESSION] =
      g_param_spec_enum ("compression", "", "", LSOBS_TYPE_COMPRESSION, LSOBS_COMPRESSION_AUTO,
                         flags);

  /**
   * LsobsConfig:compression-level:
   *
   * How hard bodies are compressed, from 1, the fastest, to 22. Gzip knows nothing
   * above 9.
   *
   * Since: 0.1
   */
  props[LSOBS_PROTOCOL_COMPRESSION_LEVEL] =
      g_param_spec_int64 ("compression-level", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_COMPRESSION_LEVEL, flags);

  /**
   * LsobsConfig:tracing-enabled:
   *
   * Whether anything is traced at all. An observer that is made with %FALSE here
   * takes every call, does nothing, and needs no key. A config is made with %TRUE
   * here, but lsobs_config_new_from_environment() wants to be asked for it.
   *
   * Since: 0.1
   */
  props[LSOBS_PROTOCOL_TRACING_ENABLED] =
      g_param_spec_boolean ("tracing-enabled", "", "", TRUE, flags);

  /**
   * LsobsConfig:trust-incoming-headers:
   *
   * Whether the headers of a request that came in may say which trace a run
   * belongs to. Whoever can send such a request can then write into the traces of
   * others: switch it on only behind a door.
   *
   * Since: 0.1
   */
  props[LSOBS_PROTOCOL_TRUST_INCOMING_HEADERS] =
      g_param_spec_boolean ("trust-incoming-headers", "", "", FALSE, flags);
}

static void
install_keeping_properties (GParamSpec **props)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * LsobsConfig:failed-traces-dir:
   *
   * A directory to which batches are written that were lost, to be
   * sent again later by lsobs_client_replay_async(), or %NULL to lose them. It is made
   * when it is needed, for this user alone. A relative path begins where the program is
   * when the observer is made.
   *
   * Each batch is a file `trace_*.json` that only this user can read. It holds the
   * request as it would have been sent: what is redacted is redacted there as well, and
   * no key is among it. The service's own clients can send it, too. Records count as
   * lost all the same; %LSOBS_COUNTER_DUMPED counts them beside. What goes for want of
   * room in the queue is not kept. A shutdown keeps what it cannot deliver, as far as
   * there is time.
   *
   * Files are written in a thread of the library's own, so that only a flush and a
   * shutdown wait for the disk, within their time: when they return, the files of what
   * they report as lost exist. One that a program has left half written, by the name of `.trace_*.json`, is
   * removed an hour later when another one is written.
   *
   * With several replicas, each has a directory of its own in it, `replica-1` and so
   * on, and its share of #LsobsConfig:failed-traces-max-bytes.
   *
   * Since: 0.1
   */
  props[LSOBS_PROTOCOL_FAILED_TRACES_DIR] =
      g_param_spec_string ("failed-traces-dir", "", "", NULL, flags);

  /**
   * LsobsConfig:failed-traces-max-bytes:
   *
   * How large the files in #LsobsConfig:failed-traces-dir may become, all together,
   * in bytes; what would make them larger is lost. At least 1.
   *
   * Since: 0.1
   */
  props[LSOBS_PROTOCOL_FAILED_TRACES_MAX_BYTES] =
      g_param_spec_int64 ("failed-traces-max-bytes", "", "", G_MININT64, G_MAXINT64,
                          LSOBS_DEFAULT_FAILED_TRACES_MAX_BYTES, flags);

  /**
   * LsobsConfig:revision-id:
   *
   * Which revision of the program this is. It goes into the metadata of every run
   * as `revision_id`, unless the program has set metadata of that name itself, or
   * metadata are hidden. White space around it is left out.
   *
   * Since: 0.1
   */
  props[LSOBS_PROTOCOL_REVISION_ID] = g_param_spec_string ("revision-id", "", "", NULL, flags);
}

/* @props: (out) (array fixed-size=7): in the order of LsobsProtocolSetting */
void
_lsobs_protocol_install_properties (GParamSpec **props)
{
  install_sending_properties (props);
  install_keeping_properties (props);
  for (guint i = 0; i < LSOBS_N_PROTOCOL_SETTINGS; i++)
    protocol_props[i] = props[i];
}

void
_lsobs_config_get_protocol_setting (LsobsConfig *self, LsobsProtocolSetting setting, GValue *value)
{
  const LsobsProtocol *protocol = _lsobs_config_peek_protocol (self);

  switch (setting)
    {
    case LSOBS_PROTOCOL_COMPRESSION:
      g_value_set_enum (value, protocol->compression);
      break;
    case LSOBS_PROTOCOL_COMPRESSION_LEVEL:
      g_value_set_int64 (value, protocol->compression_level);
      break;
    case LSOBS_PROTOCOL_TRACING_ENABLED:
      g_value_set_boolean (value, protocol->tracing_enabled);
      break;
    case LSOBS_PROTOCOL_TRUST_INCOMING_HEADERS:
      g_value_set_boolean (value, protocol->trust_incoming_headers);
      break;
    case LSOBS_PROTOCOL_FAILED_TRACES_DIR:
      g_value_set_string (value, protocol->failed_traces_dir);
      break;
    case LSOBS_PROTOCOL_FAILED_TRACES_MAX_BYTES:
      g_value_set_int64 (value, protocol->failed_traces_max_bytes);
      break;
    case LSOBS_PROTOCOL_REVISION_ID:
      g_value_set_string (value, protocol->revision_id);
      break;
    case LSOBS_N_PROTOCOL_SETTINGS:
    default:
      g_assert_not_reached ();
    }
}

void
_lsobs_config_set_protocol_setting (LsobsConfig *self,
                                    LsobsProtocolSetting setting,
                                    const GValue *value)
{
  switch (setting)
    {
    case LSOBS_PROTOCOL_COMPRESSION:
      lsobs_config_set_compression (self, (LsobsCompression) g_value_get_enum (value));
      break;
    case LSOBS_PROTOCOL_COMPRESSION_LEVEL:
      lsobs_config_set_compression_level (self, g_value_get_int64 (value));
      break;
    case LSOBS_PROTOCOL_TRACING_ENABLED:
      lsobs_config_set_tracing_enabled (self, g_value_get_boolean (value));
      break;
    case LSOBS_PROTOCOL_TRUST_INCOMING_HEADERS:
      lsobs_config_set_trust_incoming_headers (self, g_value_get_boolean (value));
      break;
    case LSOBS_PROTOCOL_FAILED_TRACES_DIR:
      lsobs_config_set_failed_traces_dir (self, g_value_get_string (value));
      break;
    case LSOBS_PROTOCOL_FAILED_TRACES_MAX_BYTES:
      lsobs_config_set_failed_traces_max_bytes (self, g_value_get_int64 (value));
      break;
    case LSOBS_PROTOCOL_REVISION_ID:
      lsobs_config_set_revision_id (self, g_value_get_string (value));
      break;
    case LSOBS_N_PROTOCOL_SETTINGS:
    default:
      g_assert_not_reached ();
    }
}

static void
notify (LsobsConfig *self, LsobsProtocolSetting setting)
{
  g_object_notify_by_pspec (G_OBJECT (self), protocol_props[setting]);
}

static void
set_switch (LsobsConfig *self, gboolean *member, gboolean value, LsobsProtocolSetting setting)
{
  if (*member == !!value)
    return;
  *member = !!value;
  notify (self, setting);
}

static void
set_number (LsobsConfig *self, gint64 *member, gint64 value, LsobsProtocolSetting setting)
{
  if (*member == value)
    return;
  *member = value;
  notify (self, setting);
}

static void
set_string (LsobsConfig *self, char **member, const char *value, LsobsProtocolSetting setting)
{
  if (g_strcmp0 (*member, value) == 0)
    return;
  g_free (*member);
  *member = g_strdup (value);
  notify (self, setting);
}

/**
 * lsobs_config_set_compression:
 * @self: a config
 * @compression: when and how
 *
 * Sets how request bodies are compressed; see #LsobsConfig:compression.
 *
 * Since: 0.1
 */
void
lsobs_config_set_compression (LsobsConfig *self, LsobsCompression compression)
{
  LsobsProtocol *protocol;

  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail ((guint) compression <= LSOBS_COMPRESSION_ZSTD);

  protocol = _lsobs_config_peek_protocol (self);
  if (protocol->compression == compression)
    return;
  protocol->compression = compression;
  notify (self, LSOBS_PROTOCOL_COMPRESSION);
}

/**
 * lsobs_config_get_compression:
 * @self: a config
 *
 * Gets how request bodies are compressed.
 *
 * Returns: a way
 *
 * Since: 0.1
 */
LsobsCompression
lsobs_config_get_compression (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), LSOBS_COMPRESSION_AUTO);

  return _lsobs_config_peek_protocol (self)->compression;
}

/**
 * lsobs_config_set_compression_level:
 * @self: a config
 * @compression_level: from 1 to 22
 *
 * Sets how hard request bodies are compressed; see #LsobsConfig:compression-level.
 *
 * Since: 0.1
 */
void
lsobs_config_set_compression_level (LsobsConfig *self, gint64 compression_level)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &_lsobs_config_peek_protocol (self)->compression_level, compression_level,
              LSOBS_PROTOCOL_COMPRESSION_LEVEL);
}

/**
 * lsobs_config_get_compression_level:
 * @self: a config
 *
 * Gets how hard request bodies are compressed.
 *
 * Returns: a number
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_compression_level (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return _lsobs_config_peek_protocol (self)->compression_level;
}

/**
 * lsobs_config_set_tracing_enabled:
 * @self: a config
 * @tracing_enabled: whether to trace
 *
 * Sets whether anything is traced at all; see #LsobsConfig:tracing-enabled.
 *
 * Since: 0.1
 */
void
lsobs_config_set_tracing_enabled (LsobsConfig *self, gboolean tracing_enabled)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &_lsobs_config_peek_protocol (self)->tracing_enabled, tracing_enabled,
              LSOBS_PROTOCOL_TRACING_ENABLED);
}

/**
 * lsobs_config_get_tracing_enabled:
 * @self: a config
 *
 * Gets whether anything is traced at all.
 *
 * Returns: %TRUE if so
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_tracing_enabled (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return _lsobs_config_peek_protocol (self)->tracing_enabled;
}

/**
 * lsobs_config_set_trust_incoming_headers:
 * @self: a config
 * @trust_incoming_headers: whether to trust them
 *
 * Sets whether traces of other processes are continued; see #LsobsConfig:trust-incoming-headers.
 *
 * Since: 0.1
 */
void
lsobs_config_set_trust_incoming_headers (LsobsConfig *self, gboolean trust_incoming_headers)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_switch (self, &_lsobs_config_peek_protocol (self)->trust_incoming_headers,
              trust_incoming_headers, LSOBS_PROTOCOL_TRUST_INCOMING_HEADERS);
}

/**
 * lsobs_config_get_trust_incoming_headers:
 * @self: a config
 *
 * Gets whether traces of other processes are continued.
 *
 * Returns: %TRUE if so
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_trust_incoming_headers (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return _lsobs_config_peek_protocol (self)->trust_incoming_headers;
}

/**
 * lsobs_config_set_failed_traces_dir:
 * @self: a config
 * @failed_traces_dir: (nullable) (type filename): a path, in the encoding of file names, or %NULL
 *
 * Sets where lost batches are written to; see #LsobsConfig:failed-traces-dir.
 *
 * Since: 0.1
 */
void
lsobs_config_set_failed_traces_dir (LsobsConfig *self, const char *failed_traces_dir)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_string (self, &_lsobs_config_peek_protocol (self)->failed_traces_dir, failed_traces_dir,
              LSOBS_PROTOCOL_FAILED_TRACES_DIR);
}

/**
 * lsobs_config_get_failed_traces_dir:
 * @self: a config
 *
 * Gets where lost batches are written to.
 *
 * Returns: (nullable) (transfer none) (type filename): a path, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_failed_traces_dir (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return _lsobs_config_peek_protocol (self)->failed_traces_dir;
}

/**
 * lsobs_config_set_failed_traces_max_bytes:
 * @self: a config
 * @failed_traces_max_bytes: a number of bytes
 *
 * Sets how large lost batches may become on disk; see #LsobsConfig:failed-traces-max-bytes.
 *
 * Since: 0.1
 */
void
lsobs_config_set_failed_traces_max_bytes (LsobsConfig *self, gint64 failed_traces_max_bytes)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_number (self, &_lsobs_config_peek_protocol (self)->failed_traces_max_bytes,
              failed_traces_max_bytes, LSOBS_PROTOCOL_FAILED_TRACES_MAX_BYTES);
}

/**
 * lsobs_config_get_failed_traces_max_bytes:
 * @self: a config
 *
 * Gets how large lost batches may become on disk.
 *
 * Returns: a number
 *
 * Since: 0.1
 */
gint64
lsobs_config_get_failed_traces_max_bytes (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return _lsobs_config_peek_protocol (self)->failed_traces_max_bytes;
}

/**
 * lsobs_config_set_revision_id:
 * @self: a config
 * @revision_id: (nullable): a name, such as that of a commit, or %NULL
 *
 * Sets which revision of the program this is; see #LsobsConfig:revision-id.
 *
 * Since: 0.1
 */
void
lsobs_config_set_revision_id (LsobsConfig *self, const char *revision_id)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_string (self, &_lsobs_config_peek_protocol (self)->revision_id, revision_id,
              LSOBS_PROTOCOL_REVISION_ID);
}

/**
 * lsobs_config_get_revision_id:
 * @self: a config
 *
 * Gets which revision of the program this is.
 *
 * Returns: (nullable) (transfer none): a text, or %NULL
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_revision_id (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return _lsobs_config_peek_protocol (self)->revision_id;
}
