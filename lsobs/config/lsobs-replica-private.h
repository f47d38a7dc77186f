/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-types.h"

G_BEGIN_DECLS

/* The most destinations of one config: each has a queue and a thread. */
#define LSOBS_MAX_REPLICAS 16

/* A destination as the program or the environment gave it. With replicas, the destination of the
 * properties api-url and api-key is not used. */
typedef struct
{
  char *api_url;      /* (owned) (nullable) */
  char *api_key;      /* (owned) (nullable) a secret */
  char *project_name; /* (owned) (nullable) NULL for the run's own */
  char *workspace_id; /* (owned) (nullable) NULL for that of the config, if both name the same
                       * instance of the service */
  LsobsReplicaRole role;
} LsobsReplica;

LsobsReplica *_lsobs_replica_new (const char *api_url,
                                  const char *api_key,
                                  const char *project_name,
                                  const char *workspace_id,
                                  LsobsReplicaRole role);
void _lsobs_replica_free (LsobsReplica *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsReplica, _lsobs_replica_free)

G_END_DECLS
