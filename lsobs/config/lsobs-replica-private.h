/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-config.h"

G_BEGIN_DECLS

/* How many places runs can be written to: each has a queue and a thread. */
#define LSOBS_MAX_REPLICAS 16

/* One of the places that runs are written to, as it was given. */
typedef struct
{
  char *api_url;      /* (owned) (nullable) */
  char *api_key;      /* (owned) (nullable) a secret */
  char *project_name; /* (owned) (nullable) NULL for the run's own */
  char *workspace_id; /* (owned) (nullable) NULL for that of the config, if it is of
                       * the same instance */
  LsobsReplicaRole role;
} LsobsReplica;

LsobsReplica *_lsobs_replica_new (const char *api_url,
                                  const char *api_key,
                                  const char *project_name,
                                  const char *workspace_id,
                                  LsobsReplicaRole role);
void _lsobs_replica_free (LsobsReplica *self);

gboolean _lsobs_replicas_read (LsobsConfig *config,
                               const char *text,
                               const char *variable,
                               GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsReplica, _lsobs_replica_free)

G_END_DECLS
