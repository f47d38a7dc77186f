/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-credentials-private.h"
#include "lsobs/config/lsobs-proxy-private.h"
#include "lsobs/config/lsobs-redact-hook-private.h"
#include "lsobs/config/lsobs-replica-private.h"
#include "lsobs/config/lsobs-target-private.h"
#include "lsobs/config/lsobs-trust-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/lsobs-config.h"
#include "lsobs/text/lsobs-redactor-private.h"

G_BEGIN_DECLS

/* The settings of one destination: the values of a config, checked and compiled when an object is
 * made from the config. Immutable; any thread may read them. */
typedef struct
{
  gatomicrefcount ref_count;

  /* A copy of those of the config. What a destination has of its own replaces the value of the
   * config: api_url, workspace_id, failed_traces_dir and failed_traces_max_bytes. api_key is NULL,
   * see credentials; for the names of project and agent, see target. */
  LsobsConfigValues values;

  /* The destination. */
  guint index;                   /* of the destination, from 0 */
  char *label;                   /* (owned) (nullable) its name in messages, if there are several */
  gboolean loopback;             /* api_url is on this machine */
  LsobsTrust *trust;             /* (owned) (nullable) the authorities that vouch for it; NULL: the
                                  * system's */
  LsobsProxy proxy;              /* on the way to it */
  LsobsCredentials *credentials; /* (owned) (nullable) the object itself changes */
  LsobsTarget *target;           /* (owned) of runs, before a replica replaces it */
  LsobsTarget *replica_target;   /* (owned) (nullable) replaces the target */
  LsobsReplicaRole role;         /* whether runs keep their ids */

  /* What is sent. */
  LsobsRedactor *redactor;      /* (owned) (nullable) */
  LsobsRedactHook *redact_hook; /* (owned) (nullable) runs before the redactor */
  char *sample_rate; /* (owned) (nullable) the share of traces that are kept, as JSON, if it is
                      * known and less than 1 */

  /* Constant, but for tests that cannot wait: these change them in the config. */
  gint64 first_pause; /* ms: when the service refuses all records; doubles each time */
  gint64 first_probe; /* ms: when the service cannot be reached; doubles each time */
} LsobsSettings;

/* What the settings are for: only the HTTP client needs a key. */
typedef enum
{
  LSOBS_SETTINGS_ANY,
  LSOBS_SETTINGS_FOR_HTTP
} LsobsSettingsMode;

LsobsSettings *_lsobs_settings_new (LsobsConfig *config, LsobsSettingsMode mode, GError **error);
GPtrArray *_lsobs_settings_new_for_destinations (LsobsConfig *config,
                                                 LsobsSettingsMode mode,
                                                 GError **error);
gboolean _lsobs_settings_check_replica (LsobsConfig *config,
                                        const LsobsReplica *replica,
                                        GError **error);
LsobsSettings *_lsobs_settings_ref (LsobsSettings *self);
void _lsobs_settings_unref (LsobsSettings *self);
gboolean _lsobs_settings_keeps (LsobsSettings *self, const LsobsId *trace_id);
gboolean _lsobs_settings_keep_lost (LsobsSettings *self);
LsobsTarget *_lsobs_settings_get_own_target (LsobsSettings *self, LsobsTarget *trace_target);
LsobsTarget *_lsobs_settings_get_target (LsobsSettings *self, LsobsTarget *own);
const char *_lsobs_settings_get_seed (LsobsSettings *self, LsobsTarget *own);

/* Whether _lsobs_settings_keeps() returns TRUE for any trace. */
static inline gboolean
_lsobs_settings_may_keep (LsobsSettings *self)
{
  return self->values.tracing_enabled &&
         (self->values.sampler != NULL || self->values.sampling_rate > 0.0);
}

/* Whether _lsobs_settings_keeps() returns TRUE for each trace. */
static inline gboolean
_lsobs_settings_keeps_all (LsobsSettings *self)
{
  return self->values.tracing_enabled && self->values.sampler == NULL &&
         self->values.sampling_rate >= 1.0;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsSettings, _lsobs_settings_unref)

G_END_DECLS
