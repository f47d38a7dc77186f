/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/api/lsobs-run-private.h"

G_BEGIN_DECLS

/* Maps the callbacks of a graph engine to runs: open nodes by their names, and the open tool calls
 * of each node. Bounded. Thread-safe. Belongs to one process: a forked child must not use the
 * tables of its parent. */
typedef struct _LsobsNodeTable LsobsNodeTable;

LsobsNodeTable *_lsobs_node_table_new (LsobsExporter *exporter, LsobsRun *root);
void _lsobs_node_table_free (LsobsNodeTable *self);
void _lsobs_node_table_set_exporter (LsobsNodeTable *self, LsobsExporter *exporter);
gboolean _lsobs_node_table_is_forked (LsobsNodeTable *self);
void _lsobs_node_table_start (LsobsNodeTable *self, const char *node_id, JsonNode *input);
void _lsobs_node_table_end (LsobsNodeTable *self,
                            const char *node_id,
                            JsonNode *output,
                            gint64 duration_ms);
void _lsobs_node_table_fail (LsobsNodeTable *self, const char *node_id, const GError *error);
void _lsobs_node_table_call_tool (LsobsNodeTable *self,
                                  const char *node_id,
                                  const char *tool_name,
                                  const char *call_id,
                                  JsonNode *args);
void _lsobs_node_table_take_result (LsobsNodeTable *self,
                                    const char *node_id,
                                    const char *tool_name,
                                    const char *call_id,
                                    JsonNode *result);
LsobsRun *_lsobs_node_table_dup_run (LsobsNodeTable *self, const char *node_id);
void _lsobs_node_table_close (LsobsNodeTable *self);

G_END_DECLS
