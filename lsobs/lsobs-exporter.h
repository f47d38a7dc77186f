/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-config.h>
#include <lsobs/lsobs-error.h>
#include <lsobs/lsobs-feedback.h>
#include <lsobs/lsobs-flush-stats.h>
#include <lsobs/lsobs-run-event.h>
#include <lsobs/lsobs-stats.h>
#include <lsobs/lsobs-transport.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_EXPORTER (lsobs_exporter_get_type ())

/**
 * LsobsExporter:
 *
 * Queues records and sends them in batches.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsExporter, lsobs_exporter, LSOBS, EXPORTER, GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsExporter *lsobs_exporter_new (LsobsConfig *config, LsobsTransport *transport, GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_exporter_enqueue (LsobsExporter *self, LsobsRunEvent *event, GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_exporter_add_feedback (LsobsExporter *self, LsobsFeedback *feedback, GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_exporter_flush (LsobsExporter *self,
                               gint64 timeout,
                               LsobsFlushStats *stats,
                               GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_exporter_flush_async (LsobsExporter *self,
                                 gint64 timeout,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_exporter_flush_finish (LsobsExporter *self,
                                      GAsyncResult *result,
                                      LsobsFlushStats *stats,
                                      GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_exporter_shutdown (LsobsExporter *self,
                                  gint64 timeout,
                                  LsobsFlushStats *stats,
                                  GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_exporter_shutdown_async (LsobsExporter *self,
                                    gint64 timeout,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_exporter_shutdown_finish (LsobsExporter *self,
                                         GAsyncResult *result,
                                         LsobsFlushStats *stats,
                                         GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_exporter_drain_spool_async (LsobsExporter *self,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_exporter_drain_spool_finish (LsobsExporter *self,
                                            GAsyncResult *result,
                                            guint *n_delivered,
                                            guint *n_failed,
                                            GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_exporter_purge_spool_async (LsobsExporter *self,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_exporter_purge_spool_finish (LsobsExporter *self,
                                            GAsyncResult *result,
                                            guint *n_removed,
                                            GError **error);
LSOBS_AVAILABLE_IN_0_1
LsobsStats *lsobs_exporter_dup_stats (LsobsExporter *self);
LSOBS_AVAILABLE_IN_0_1
guint lsobs_exporter_get_n_replicas (LsobsExporter *self);
LSOBS_AVAILABLE_IN_0_1
LsobsStats *lsobs_exporter_dup_replica_stats (LsobsExporter *self, guint index);
LSOBS_AVAILABLE_IN_0_1
LsobsState lsobs_exporter_get_state (LsobsExporter *self);
LSOBS_AVAILABLE_IN_0_1
LsobsState lsobs_exporter_get_replica_state (LsobsExporter *self, guint index);
LSOBS_AVAILABLE_IN_0_1
LsobsTransport *lsobs_exporter_get_transport (LsobsExporter *self);

G_END_DECLS
