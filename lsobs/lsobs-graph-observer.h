/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_GRAPH_OBSERVER (lsobs_graph_observer_get_type ())

/**
 * LsobsGraphObserver:
 *
 * The callbacks of an engine that runs agents as graphs of nodes.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_INTERFACE (LsobsGraphObserver, lsobs_graph_observer, LSOBS, GRAPH_OBSERVER, GObject)

/**
 * LsobsGraphObserverInterface:
 * @parent_iface: the parent interface
 * @on_node_start: a node starts, see lsobs_graph_observer_on_node_start()
 * @on_node_end: a node has ended, see lsobs_graph_observer_on_node_end()
 * @on_error: a node has failed, see lsobs_graph_observer_on_error()
 * @on_tool_call: a node calls a tool, see lsobs_graph_observer_on_tool_call()
 * @on_tool_result: a tool call has a result, see lsobs_graph_observer_on_tool_result()
 *
 * The functions of an #LsobsGraphObserver. If a function is %NULL, its callback is ignored.
 *
 * Since: 0.1
 */
struct _LsobsGraphObserverInterface
{
  GTypeInterface parent_iface;

  void (*on_node_start) (LsobsGraphObserver *self, const char *node_id, JsonNode *input);
  void (*on_node_end) (LsobsGraphObserver *self,
                       const char *node_id,
                       JsonNode *output,
                       gint64 duration_ms);
  void (*on_error) (LsobsGraphObserver *self, const char *node_id, const GError *error);
  void (*on_tool_call) (LsobsGraphObserver *self,
                        const char *node_id,
                        const char *tool_name,
                        const char *call_id,
                        JsonNode *args);
  void (*on_tool_result) (LsobsGraphObserver *self,
                          const char *node_id,
                          const char *tool_name,
                          const char *call_id,
                          JsonNode *result);

  /*< private >*/
  gpointer padding[8];
};

LSOBS_AVAILABLE_IN_0_1
void lsobs_graph_observer_on_node_start (LsobsGraphObserver *self,
                                         const char *node_id,
                                         JsonNode *input);
LSOBS_AVAILABLE_IN_0_1
void lsobs_graph_observer_on_node_end (LsobsGraphObserver *self,
                                       const char *node_id,
                                       JsonNode *output,
                                       gint64 duration_ms);
LSOBS_AVAILABLE_IN_0_1
void lsobs_graph_observer_on_error (LsobsGraphObserver *self,
                                    const char *node_id,
                                    const GError *error);
LSOBS_AVAILABLE_IN_0_1
void lsobs_graph_observer_on_tool_call (LsobsGraphObserver *self,
                                        const char *node_id,
                                        const char *tool_name,
                                        const char *call_id,
                                        JsonNode *args);
LSOBS_AVAILABLE_IN_0_1
void lsobs_graph_observer_on_tool_result (LsobsGraphObserver *self,
                                          const char *node_id,
                                          const char *tool_name,
                                          const char *call_id,
                                          JsonNode *result);

G_END_DECLS
