/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-sampler.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_CONFIG (lsobs_config_get_type ())

/**
 * LsobsConfig:
 *
 * A bag of settings.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsConfig, lsobs_config, LSOBS, CONFIG, GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsConfig     *lsobs_config_new                  (const char *api_key,
                                                    const char *project_name);
LSOBS_AVAILABLE_IN_0_1
LsobsConfig     *lsobs_config_new_from_environment (GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean         lsobs_config_validate             (LsobsConfig  *self,
                                                    GError      **error);

LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_api_url          (LsobsConfig *self,
                                                    const char  *api_url);
LSOBS_AVAILABLE_IN_0_1
const char      *lsobs_config_get_api_url          (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_api_key          (LsobsConfig *self,
                                                    const char  *api_key);
LSOBS_AVAILABLE_IN_0_1
gboolean         lsobs_config_has_api_key          (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_project_name     (LsobsConfig *self,
                                                    const char  *project_name);
LSOBS_AVAILABLE_IN_0_1
const char      *lsobs_config_get_project_name     (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_workspace_id     (LsobsConfig *self,
                                                    const char  *workspace_id);
LSOBS_AVAILABLE_IN_0_1
const char      *lsobs_config_get_workspace_id     (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_redact_regex     (LsobsConfig *self,
                                                    const char  *redact_regex);
LSOBS_AVAILABLE_IN_0_1
const char      *lsobs_config_get_redact_regex     (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_sampling_rate    (LsobsConfig *self,
                                                    double       sampling_rate);
LSOBS_AVAILABLE_IN_0_1
double           lsobs_config_get_sampling_rate    (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_sampler          (LsobsConfig  *self,
                                                    LsobsSampler *sampler);
LSOBS_AVAILABLE_IN_0_1
LsobsSampler    *lsobs_config_get_sampler          (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_ingest_mode      (LsobsConfig     *self,
                                                    LsobsIngestMode  ingest_mode);
LSOBS_AVAILABLE_IN_0_1
LsobsIngestMode  lsobs_config_get_ingest_mode      (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_allow_plain_http (LsobsConfig *self,
                                                    gboolean     allow_plain_http);
LSOBS_AVAILABLE_IN_0_1
gboolean         lsobs_config_get_allow_plain_http (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_flush_interval   (LsobsConfig *self,
                                                    gint64       flush_interval);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_flush_interval   (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_max_batch_size   (LsobsConfig *self,
                                                    gint64       max_batch_size);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_max_batch_size   (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_max_batch_bytes  (LsobsConfig *self,
                                                    gint64       max_batch_bytes);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_max_batch_bytes  (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_queue_capacity   (LsobsConfig *self,
                                                    gint64       queue_capacity);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_queue_capacity   (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_max_queue_bytes  (LsobsConfig *self,
                                                    gint64       max_queue_bytes);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_max_queue_bytes  (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_max_string_bytes (LsobsConfig *self,
                                                    gint64       max_string_bytes);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_max_string_bytes (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_max_in_flight    (LsobsConfig *self,
                                                    gint64       max_in_flight);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_max_in_flight    (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_max_attempts     (LsobsConfig *self,
                                                    gint64       max_attempts);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_max_attempts     (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_retry_delay      (LsobsConfig *self,
                                                    gint64       retry_delay);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_retry_delay      (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_request_timeout  (LsobsConfig *self,
                                                    gint64       request_timeout);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_request_timeout  (LsobsConfig *self);
LSOBS_AVAILABLE_IN_0_1
void             lsobs_config_set_shutdown_timeout (LsobsConfig *self,
                                                    gint64       shutdown_timeout);
LSOBS_AVAILABLE_IN_0_1
gint64           lsobs_config_get_shutdown_timeout (LsobsConfig *self);

G_END_DECLS
