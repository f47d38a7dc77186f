/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-sampler.h>

G_BEGIN_DECLS

/**
 * LsobsRedactFunc:
 * @field: what @value is: `inputs`, `outputs`, `metadata`, `extra` (what was set with
 *   lsobs_run_set_extra()), `serialized`, `error`, `tags` or `events` of a run; `value`,
 *   `comment`, `correction`, `metadata` (of the source), `extra` or `config` of feedback
 * @value: (transfer none): the value that the program has set; the function may change it
 * @user_data: (closure): the data that was given to lsobs_config_set_redact_func()
 *
 * Decides what is sent of a field of a run or of feedback. lsobs calls it before it applies the
 * redaction rules of the config to the result. lsobs does not call it for fields that the config
 * hides. The metadata in @value are those of the run, without the revision and the sampling rate of
 * the config.
 *
 * An error and a comment are strings. Tags are an array of strings. Events are an array of objects:
 * each one has a `name`, a `time`, and the members that the program has set. The result must have
 * the same type. Extra, serialized and config are objects, and the result must be an object. The
 * other fields can be of any type; text that is not JSON is a string.
 *
 * The function runs in the thread that sends: a thread of lsobs, or the thread of
 * #LsobsObserver:main-context. It never runs twice at the same time for one observer or exporter;
 * it can run at the same time for several of them. With replicas, it is called for each replica. In
 * this function, a flush or a shutdown of the same observer fails with
 * %LSOBS_FLUSH_ERROR_WOULD_DEADLOCK. In addition, lsobs_run_to_headers() calls the function in the
 * calling thread, at any time, for the metadata and the tags that are sent in headers. The result
 * must be an object, or an array of strings; otherwise these metadata or tags are left out.
 *
 * Returns: (transfer full) (nullable): the value to send, such as a new reference to @value, or
 *   %NULL to drop a field that cannot be redacted. A text takes the place of a dropped field, and
 *   %LSOBS_COUNTER_REDACTION_FAILURES counts it. The same happens if the result has the wrong type,
 *   or is a node without a value. Values in the result that are not valid JSON, such as a string
 *   that is %NULL or a number that is not finite, become `null`, and count once for the field.
 *
 * Since: 0.1
 */
typedef JsonNode *(*LsobsRedactFunc) (const char *field, JsonNode *value, gpointer user_data);

#define LSOBS_TYPE_CONFIG (lsobs_config_get_type ())

/**
 * LsobsConfig:
 *
 * The settings of an #LsobsObserver, an #LsobsExporter or an #LsobsClient.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsConfig, lsobs_config, LSOBS, CONFIG, GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsConfig *lsobs_config_new (const char *api_key, const char *project_name);
LSOBS_AVAILABLE_IN_0_1
LsobsConfig *lsobs_config_new_from_environment (GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_load_profile (LsobsConfig *self,
                                    const char *path,
                                    const char *name,
                                    GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_validate (LsobsConfig *self, GError **error);

LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_api_url (LsobsConfig *self, const char *api_url);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_api_url (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_api_key (LsobsConfig *self, const char *api_key);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_has_api_key (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_project_name (LsobsConfig *self, const char *project_name);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_project_name (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_agent_id (LsobsConfig *self, const char *agent_id);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_agent_id (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_agent_environment (LsobsConfig *self, const char *agent_environment);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_agent_environment (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_workspace_id (LsobsConfig *self, const char *workspace_id);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_workspace_id (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_redact_regex (LsobsConfig *self, const char *redact_regex);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_redact_regex (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_sampling_rate (LsobsConfig *self, double sampling_rate);
LSOBS_AVAILABLE_IN_0_1
double lsobs_config_get_sampling_rate (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_sampler (LsobsConfig *self, LsobsSampler *sampler);
LSOBS_AVAILABLE_IN_0_1
LsobsSampler *lsobs_config_get_sampler (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_ingest_mode (LsobsConfig *self, LsobsIngestMode ingest_mode);
LSOBS_AVAILABLE_IN_0_1
LsobsIngestMode lsobs_config_get_ingest_mode (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_allow_plain_http (LsobsConfig *self, gboolean allow_plain_http);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_allow_plain_http (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_ca_file (LsobsConfig *self, const char *ca_file);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_ca_file (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_add_replica (LsobsConfig *self,
                               const char *api_url,
                               const char *api_key,
                               const char *project_name,
                               const char *workspace_id,
                               LsobsReplicaRole role);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_clear_replicas (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
guint lsobs_config_get_n_replicas (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_add_redact_rule (LsobsConfig *self, const char *pattern, const char *replacement);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_clear_redact_rules (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_add_redact_key (LsobsConfig *self, const char *name);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_clear_redact_keys (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_redact_func (LsobsConfig *self,
                                   LsobsRedactFunc func,
                                   gpointer user_data,
                                   GDestroyNotify notify);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_redact_secrets (LsobsConfig *self, gboolean redact_secrets);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_redact_secrets (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_redact_pairs (LsobsConfig *self, gboolean redact_pairs);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_redact_pairs (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_hide_inputs (LsobsConfig *self, gboolean hide_inputs);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_hide_inputs (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_hide_outputs (LsobsConfig *self, gboolean hide_outputs);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_hide_outputs (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_hide_metadata (LsobsConfig *self, gboolean hide_metadata);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_hide_metadata (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_attach_inline_data (LsobsConfig *self, gboolean attach_inline_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_attach_inline_data (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_flush_interval (LsobsConfig *self, gint64 flush_interval);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_flush_interval (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_max_batch_size (LsobsConfig *self, gint64 max_batch_size);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_max_batch_size (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_max_batch_bytes (LsobsConfig *self, gint64 max_batch_bytes);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_max_batch_bytes (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_queue_capacity (LsobsConfig *self, gint64 queue_capacity);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_queue_capacity (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_max_queue_bytes (LsobsConfig *self, gint64 max_queue_bytes);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_max_queue_bytes (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_max_string_bytes (LsobsConfig *self, gint64 max_string_bytes);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_max_string_bytes (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_max_in_flight (LsobsConfig *self, gint64 max_in_flight);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_max_in_flight (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_max_attempts (LsobsConfig *self, gint64 max_attempts);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_max_attempts (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_retry_delay (LsobsConfig *self, gint64 retry_delay);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_retry_delay (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_request_timeout (LsobsConfig *self, gint64 request_timeout);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_request_timeout (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_shutdown_timeout (LsobsConfig *self, gint64 shutdown_timeout);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_shutdown_timeout (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_exit_timeout (LsobsConfig *self, gint64 exit_timeout);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_exit_timeout (LsobsConfig *self);

LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_compression (LsobsConfig *self, LsobsCompression compression);
LSOBS_AVAILABLE_IN_0_1
LsobsCompression lsobs_config_get_compression (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_compression_level (LsobsConfig *self, gint64 compression_level);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_compression_level (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_tracing_enabled (LsobsConfig *self, gboolean tracing_enabled);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_tracing_enabled (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_trust_incoming_headers (LsobsConfig *self, gboolean trust_incoming_headers);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_trust_incoming_headers (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_failed_traces_dir (LsobsConfig *self, const char *failed_traces_dir);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_failed_traces_dir (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_failed_traces_max_bytes (LsobsConfig *self, gint64 failed_traces_max_bytes);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_failed_traces_max_bytes (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_spool_dir (LsobsConfig *self, const char *spool_dir);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_spool_dir (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_spool_enabled (LsobsConfig *self, gboolean spool_enabled);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_config_get_spool_enabled (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_spool_max_bytes (LsobsConfig *self, gint64 spool_max_bytes);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_spool_max_bytes (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_spool_max_files (LsobsConfig *self, gint64 spool_max_files);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_spool_max_files (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_spool_max_age (LsobsConfig *self, gint64 spool_max_age);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_spool_max_age (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_spool_delay (LsobsConfig *self, gint64 spool_delay);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_config_get_spool_delay (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_config_set_revision_id (LsobsConfig *self, const char *revision_id);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_config_get_revision_id (LsobsConfig *self);

G_END_DECLS
