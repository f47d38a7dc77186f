/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/config/lsobs-replica-private.h"
#include "lsobs/core/lsobs-secret-private.h"

LsobsReplica *
_lsobs_replica_new (const char *api_url,
                    const char *api_key,
                    const char *project_name,
                    const char *workspace_id,
                    LsobsReplicaRole role)
{
  LsobsReplica *self = g_new0 (LsobsReplica, 1);

  self->api_url = g_strdup (api_url);
  self->api_key = _lsobs_secret_dup (api_key);
  self->project_name = g_strdup (project_name);
  self->workspace_id = g_strdup (workspace_id);
  self->role = role;
  return self;
}

void
_lsobs_replica_free (LsobsReplica *self)
{
  g_free (self->api_url);
  _lsobs_secret_free (self->api_key);
  g_free (self->project_name);
  g_free (self->workspace_id);
  g_free (self);
}
