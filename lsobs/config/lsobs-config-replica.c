/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/config/lsobs-config-private.h"

/* The places that a config names. #LsobsConfig is described in the file of its name. */

/* Takes @replica over. */
void
_lsobs_config_take_replica (LsobsConfig *self, LsobsReplica *replica)
{
  g_ptr_array_add (_lsobs_config_peek_replicas (self), replica);
}

/**
 * lsobs_config_add_replica:
 * @self: a config
 * @api_url: the address of the service, as for #LsobsConfig:api-url
 * @api_key: (nullable): its key, or %NULL for none
 * @project_name: (nullable): the project that the runs go to there, or %NULL for
 *   their own
 * @workspace_id: (nullable): the workspace there; an empty one for none, or %NULL for
 *   #LsobsConfig:workspace-id, unless the replica is another instance of the service
 * @role: whether the runs keep their ids there
 *
 * Adds a place that every run is written to. With one replica or more, these are all
 * places: #LsobsConfig:api-url and #LsobsConfig:api-key are not used then. There can
 * be 16 of them.
 *
 * Each place has its own queue and thread, its own retries and pauses: when one of
 * them is in trouble, the others get everything in time. A key goes to its own
 * place only. A replica on another host than #LsobsConfig:api-url, with another key than
 * #LsobsConfig:api-key, is another instance of the service: #LsobsConfig:workspace-id is
 * not sent to it, only a @workspace_id of its own. Hosts are compared together with their
 * ports, without regard to case.
 *
 * A run that is written to another project than its own needs another id there, and
 * so do its trace and its parent. The new ids depend on the old ones and the name of
 * the project alone, in the way of the official clients: all runs of a trace still
 * fit together, in whatever process they are made.
 *
 * An exporter or observer that is given a transport uses that one, and no replicas.
 *
 * Since: 0.1
 */
void
lsobs_config_add_replica (LsobsConfig *self,
                          const char *api_url,
                          const char *api_key,
                          const char *project_name,
                          const char *workspace_id,
                          LsobsReplicaRole role)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail (api_url != NULL);
  g_return_if_fail ((guint) role <= LSOBS_REPLICA_ROLE_SECONDARY);

  _lsobs_config_take_replica (self, _lsobs_replica_new (api_url, api_key, project_name,
                                                        workspace_id, role));
}

/**
 * lsobs_config_clear_replicas:
 * @self: a config
 *
 * Takes all replicas out again, so that runs go to #LsobsConfig:api-url alone.
 *
 * Since: 0.1
 */
void
lsobs_config_clear_replicas (LsobsConfig *self)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  g_ptr_array_set_size (_lsobs_config_peek_replicas (self), 0);
}

/**
 * lsobs_config_get_n_replicas:
 * @self: a config
 *
 * Gets how many replicas were added, by the program or by the environment.
 *
 * Returns: a number, 0 when runs go to #LsobsConfig:api-url
 *
 * Since: 0.1
 */
guint
lsobs_config_get_n_replicas (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), 0);

  return _lsobs_config_peek_replicas (self)->len;
}
