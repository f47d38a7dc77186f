/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-exporter.h>
#include <lsobs/lsobs-invocation.h>
#include <lsobs/lsobs-run.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_OBSERVER (lsobs_observer_get_type ())

/**
 * LsobsObserver:
 *
 * Traces the runs of a program.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsObserver, lsobs_observer, LSOBS, OBSERVER, GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsObserver *lsobs_observer_new (LsobsConfig *config, GError **error);
LSOBS_AVAILABLE_IN_0_1
LsobsObserver *lsobs_observer_new_with_transport (LsobsConfig *config,
                                                  LsobsTransport *transport,
                                                  GError **error);
LSOBS_AVAILABLE_IN_0_1
LsobsObserver *lsobs_observer_new_default (void);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_observer_reconfigure (LsobsObserver *self, LsobsConfig *config, GError **error);
LSOBS_AVAILABLE_IN_0_1
LsobsInvocation *lsobs_observer_begin_invocation (LsobsObserver *self,
                                                  const char *name,
                                                  JsonNode *input);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_run (LsobsObserver *self,
                                    const char *name,
                                    LsobsRunType run_type,
                                    JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_run_bytes (LsobsObserver *self,
                                          const char *name,
                                          LsobsRunType run_type,
                                          GBytes *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_run_of_kind (LsobsObserver *self,
                                            const char *name,
                                            const char *kind,
                                            JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_run_in_project (LsobsObserver *self,
                                               const char *project_name,
                                               const char *name,
                                               LsobsRunType run_type,
                                               JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_nested_run (LsobsObserver *self,
                                           const char *name,
                                           LsobsRunType run_type,
                                           JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_nested_run_bytes (LsobsObserver *self,
                                                 const char *name,
                                                 LsobsRunType run_type,
                                                 GBytes *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_nested_run_of_kind (LsobsObserver *self,
                                                   const char *name,
                                                   const char *kind,
                                                   JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_nested_run_in_project (LsobsObserver *self,
                                                      const char *project_name,
                                                      const char *name,
                                                      LsobsRunType run_type,
                                                      JsonNode *inputs);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_observer_add_feedback (LsobsObserver *self, LsobsFeedback *feedback, GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_observer_flush (LsobsObserver *self,
                               gint64 timeout,
                               LsobsFlushStats *stats,
                               GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_observer_flush_async (LsobsObserver *self,
                                 gint64 timeout,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_observer_flush_finish (LsobsObserver *self,
                                      GAsyncResult *result,
                                      LsobsFlushStats *stats,
                                      GError **error);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_observer_shutdown (LsobsObserver *self,
                                  gint64 timeout,
                                  LsobsFlushStats *stats,
                                  GError **error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_observer_shutdown_async (LsobsObserver *self,
                                    gint64 timeout,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_observer_shutdown_finish (LsobsObserver *self,
                                         GAsyncResult *result,
                                         LsobsFlushStats *stats,
                                         GError **error);
LSOBS_AVAILABLE_IN_0_1
LsobsStats *lsobs_observer_dup_stats (LsobsObserver *self);
LSOBS_AVAILABLE_IN_0_1
LsobsState lsobs_observer_get_state (LsobsObserver *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_observer_get_tracing_enabled (LsobsObserver *self);
LSOBS_AVAILABLE_IN_0_1
LsobsExporter *lsobs_observer_get_exporter (LsobsObserver *self);
LSOBS_AVAILABLE_IN_0_1
LsobsExporter *lsobs_observer_ref_exporter (LsobsObserver *self);

G_END_DECLS
