/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-config.h"
#include "lsobs/config/lsobs-credentials-private.h"
#include "lsobs/config/lsobs-proxy-private.h"
#include "lsobs/config/lsobs-redact-hook-private.h"
#include "lsobs/config/lsobs-replica-private.h"
#include "lsobs/config/lsobs-target-private.h"
#include "lsobs/config/lsobs-trust-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/text/lsobs-redactor-private.h"

G_BEGIN_DECLS

#define LSOBS_DEFAULT_API_URL                 "https://api.smith.langchain.com"
#define LSOBS_DEFAULT_PROJECT_NAME            "default"
#define LSOBS_DEFAULT_FLUSH_INTERVAL          2000
#define LSOBS_DEFAULT_MAX_BATCH_SIZE          50
#define LSOBS_DEFAULT_MAX_BATCH_BYTES         (20 * 1024 * 1024)
#define LSOBS_DEFAULT_QUEUE_CAPACITY          1000
#define LSOBS_DEFAULT_MAX_QUEUE_BYTES         (64 * 1024 * 1024)
#define LSOBS_DEFAULT_MAX_STRING_BYTES        100000
#define LSOBS_DEFAULT_MAX_IN_FLIGHT           4
#define LSOBS_DEFAULT_MAX_ATTEMPTS            5
#define LSOBS_DEFAULT_RETRY_DELAY             500
#define LSOBS_DEFAULT_REQUEST_TIMEOUT         30000
#define LSOBS_DEFAULT_SHUTDOWN_TIMEOUT        3000
#define LSOBS_DEFAULT_COMPRESSION_LEVEL       1
#define LSOBS_DEFAULT_FAILED_TRACES_MAX_BYTES (100 * 1024 * 1024)

/* What a config says, checked and compiled, at the moment an object was made
 * from it. Immutable, so that every thread may read it. */
typedef struct
{
  gatomicrefcount ref_count;

  char *api_url;                 /* (owned) no slash at the end */
  gboolean loopback;             /* it is on this machine */
  LsobsTrust *trust;             /* (owned) (nullable) who vouches for it, if not the
                                          * system's */
  LsobsProxy proxy;              /* that leads to it */
  LsobsCredentials *credentials; /* (owned) (nullable) itself not immutable */
  LsobsTarget *target;           /* (owned) the runs' own */
  LsobsTarget *replica_target;   /* (owned) (nullable) where they go instead */
  LsobsReplicaRole role;         /* whether they keep their ids */
  char *workspace_id;            /* (owned) (nullable) */
  LsobsRedactor *redactor;       /* (owned) (nullable) */
  LsobsRedactHook *redact_hook;  /* (owned) (nullable) goes before the redactor */
  gboolean hide_inputs;
  gboolean hide_outputs;
  gboolean hide_metadata;
  LsobsSampler *sampler; /* (owned) (nullable) goes before the rate */
  double sampling_rate;
  char *sample_rate; /* (owned) (nullable) JSON: the share of traces that is kept, if
                            * it is known and not all of them */
  LsobsIngestMode ingest_mode;
  LsobsCompression compression;
  int compression_level;
  gboolean tracing_enabled;
  gboolean trust_incoming_headers;
  char *failed_traces_dir; /* (owned) (nullable) */
  gint64 failed_traces_max_bytes;
  char *revision_id; /* (owned) (nullable) */

  guint lane;  /* which of the places that runs are written to, from 0 */
  char *label; /* (owned) (nullable) what that place is called in messages,
                            * if there are several */

  gint64 flush_interval; /* ms */
  guint max_batch_size;
  gsize max_batch_bytes;
  guint queue_capacity;
  gsize max_queue_bytes;
  gsize max_string_bytes;
  guint max_in_flight;
  guint max_attempts;
  gint64 retry_delay;      /* ms */
  gint64 first_pause;      /* ms: when nothing is taken, doubled each time */
  gint64 first_probe;      /* ms: when the service is away, doubled each time */
  gint64 request_timeout;  /* ms */
  gint64 shutdown_timeout; /* ms */
} LsobsSettings;

/* Who reads the settings: only the HTTP client needs a key. */
typedef enum
{
  LSOBS_SETTINGS_ANY,
  LSOBS_SETTINGS_FOR_HTTP
} LsobsSettingsUse;

LsobsSettings *_lsobs_settings_new (LsobsConfig *config, LsobsSettingsUse use, GError **error);
LsobsSettings *_lsobs_settings_new_for_replica (LsobsConfig *config,
                                                const LsobsReplica *replica,
                                                LsobsSettingsUse use,
                                                GError **error);
GPtrArray *_lsobs_settings_new_for_places (LsobsConfig *config,
                                           LsobsSettingsUse use,
                                           GError **error);
gboolean _lsobs_settings_check_replica (LsobsConfig *config,
                                        const LsobsReplica *replica,
                                        GError **error);
gboolean _lsobs_settings_is_foreign (LsobsConfig *config, const LsobsReplica *replica);
LsobsSettings *_lsobs_settings_ref (LsobsSettings *self);
void _lsobs_settings_unref (LsobsSettings *self);
gboolean _lsobs_settings_keeps (LsobsSettings *self, const LsobsId *trace_id);
LsobsTarget *_lsobs_settings_get_own_target (LsobsSettings *self, LsobsTarget *trace_target);
LsobsTarget *_lsobs_settings_get_target (LsobsSettings *self, LsobsTarget *own);
const char *_lsobs_settings_get_seed (LsobsSettings *self, LsobsTarget *own);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsSettings, _lsobs_settings_unref)

G_END_DECLS
