/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-config.h>
#include <lsobs/lsobs-transport.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_CLIENT (lsobs_client_get_type ())

/**
 * LsobsClient:
 *
 * Sends batches to the service by HTTP.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsClient, lsobs_client, LSOBS, CLIENT, GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsClient *lsobs_client_new (LsobsConfig *config, GError **error);
LSOBS_AVAILABLE_IN_0_1
LsobsIngestMode lsobs_client_get_ingest_mode (LsobsClient *self);
LSOBS_AVAILABLE_IN_0_1
LsobsCompression lsobs_client_get_compression (LsobsClient *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_client_replay_async (LsobsClient *self,
                                const char *directory,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_client_replay_finish (LsobsClient *self,
                                     GAsyncResult *result,
                                     guint *n_delivered,
                                     guint *n_failed,
                                     GError **error);

LSOBS_AVAILABLE_IN_0_1
void lsobs_client_lookup_run_url_async (LsobsClient *self,
                                        const char *run_id,
                                        GCancellable *cancellable,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
char *lsobs_client_lookup_run_url_finish (LsobsClient *self, GAsyncResult *result, GError **error);

LSOBS_AVAILABLE_IN_0_1
void lsobs_client_check_async (LsobsConfig *config,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_client_check_finish (GAsyncResult *result, GError **error);

G_END_DECLS
