/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-graph-observer-private.h"

/**
 * SECTION:lsobs-graph-observer
 * @title: LsobsGraphObserver
 * @short_description: the callbacks of a graph engine
 *
 * An engine that runs agents as graphs of nodes calls these functions, and needs no other interface
 * of lsobs. #LsobsInvocation implements the interface for one execution of a graph: all runs are
 * below one root run. #LsobsObserver implements it, too: each node is then a separate trace, and
 * nodes with the same name that run at the same time cannot be distinguished.
 *
 * A node becomes a run of the type `chain`. A tool call becomes a run of the type `tool` below the
 * run of its node. If a node is started again before it has ended, the following calls refer to the
 * latest start.
 *
 * All functions can be called from any thread.
 */

G_DEFINE_INTERFACE (LsobsGraphObserver, lsobs_graph_observer, G_TYPE_OBJECT)

static void
lsobs_graph_observer_default_init (LsobsGraphObserverInterface *iface)
{
}

/* Observers and invocations share the implementation below: it forwards each call to a table of
 * nodes. Their private virtual function, which returns the table, is in the last element of the
 * interface's padding. */
#define PEEK_TABLE_SLOT (G_N_ELEMENTS (((LsobsGraphObserverInterface *) NULL)->padding) - 1)

static LsobsNodeTable *
peek_table (LsobsGraphObserver *self)
{
  gpointer slot = LSOBS_GRAPH_OBSERVER_GET_IFACE (self)->padding[PEEK_TABLE_SLOT];

  return ((LsobsPeekNodeTableFunc) slot) (self);
}

static void
on_node_start (LsobsGraphObserver *self, const char *node_id, JsonNode *input)
{
  /* A sampler may drop the last other reference. */
  g_autoptr (LsobsGraphObserver) reference G_GNUC_UNUSED = g_object_ref (self);
  LsobsNodeTable *table = peek_table (self);

  if (table != NULL)
    _lsobs_node_table_start (table, node_id, input);
}

static void
on_node_end (LsobsGraphObserver *self, const char *node_id, JsonNode *output, gint64 duration_ms)
{
  LsobsNodeTable *table = peek_table (self);

  if (table != NULL)
    _lsobs_node_table_end (table, node_id, output, duration_ms);
}

static void
on_error (LsobsGraphObserver *self, const char *node_id, const GError *error)
{
  LsobsNodeTable *table = peek_table (self);

  if (table != NULL)
    _lsobs_node_table_fail (table, node_id, error);
}

static void
on_tool_call (LsobsGraphObserver *self,
              const char *node_id,
              const char *tool_name,
              const char *call_id,
              JsonNode *args)
{
  /* As at the start of a node. */
  g_autoptr (LsobsGraphObserver) reference G_GNUC_UNUSED = g_object_ref (self);
  LsobsNodeTable *table = peek_table (self);

  if (table != NULL)
    _lsobs_node_table_call_tool (table, node_id, tool_name, call_id, args);
}

static void
on_tool_result (LsobsGraphObserver *self,
                const char *node_id,
                const char *tool_name,
                const char *call_id,
                JsonNode *result)
{
  LsobsNodeTable *table = peek_table (self);

  if (table != NULL)
    _lsobs_node_table_take_result (table, node_id, tool_name, call_id, result);
}

/* Fills the interface of a class of lsobs whose objects keep a table of nodes. */
void
_lsobs_graph_observer_implement (LsobsGraphObserverInterface *iface, LsobsPeekNodeTableFunc peek)
{
  iface->on_node_start = on_node_start;
  iface->on_node_end = on_node_end;
  iface->on_error = on_error;
  iface->on_tool_call = on_tool_call;
  iface->on_tool_result = on_tool_result;
  iface->padding[PEEK_TABLE_SLOT] = (gpointer) peek;
}

/**
 * lsobs_graph_observer_on_node_start:
 * @self: an observer
 * @node_id: the name of the node
 * @input: (nullable): the inputs of the node
 *
 * Reports that a node starts.
 *
 * Since: 0.1
 */
void
lsobs_graph_observer_on_node_start (LsobsGraphObserver *self, const char *node_id, JsonNode *input)
{
  LsobsGraphObserverInterface *iface;

  g_return_if_fail (LSOBS_IS_GRAPH_OBSERVER (self));
  g_return_if_fail (node_id != NULL);

  iface = LSOBS_GRAPH_OBSERVER_GET_IFACE (self);
  if (iface->on_node_start != NULL)
    iface->on_node_start (self, node_id, input);
}

/**
 * lsobs_graph_observer_on_node_end:
 * @self: an observer
 * @node_id: the name of the node
 * @output: (nullable): the outputs of the node
 * @duration_ms: the duration of the node, in milliseconds, or -1 if it is not known
 *
 * Reports that a node has ended. If the node has not started, the call is ignored, and counted by
 * %LSOBS_COUNTER_UNKNOWN_UPDATES.
 *
 * Since: 0.1
 */
void
lsobs_graph_observer_on_node_end (LsobsGraphObserver *self,
                                  const char *node_id,
                                  JsonNode *output,
                                  gint64 duration_ms)
{
  LsobsGraphObserverInterface *iface;

  g_return_if_fail (LSOBS_IS_GRAPH_OBSERVER (self));
  g_return_if_fail (node_id != NULL);

  iface = LSOBS_GRAPH_OBSERVER_GET_IFACE (self);
  if (iface->on_node_end != NULL)
    iface->on_node_end (self, node_id, output, duration_ms);
}

/**
 * lsobs_graph_observer_on_error:
 * @self: an observer
 * @node_id: the name of the node
 * @error: the error
 *
 * Reports that a node has failed. If the node has not started, the call creates one complete,
 * failed run.
 *
 * Since: 0.1
 */
void
lsobs_graph_observer_on_error (LsobsGraphObserver *self, const char *node_id, const GError *error)
{
  LsobsGraphObserverInterface *iface;

  g_return_if_fail (LSOBS_IS_GRAPH_OBSERVER (self));
  g_return_if_fail (node_id != NULL);
  g_return_if_fail (error != NULL);

  iface = LSOBS_GRAPH_OBSERVER_GET_IFACE (self);
  if (iface->on_error != NULL)
    iface->on_error (self, node_id, error);
}

/**
 * lsobs_graph_observer_on_tool_call:
 * @self: an observer
 * @node_id: the name of the node that calls the tool
 * @tool_name: the name of the tool
 * @call_id: (nullable): the id that the model has given to the call
 * @args: (nullable): the arguments of the call
 *
 * Reports that a node calls a tool. With a @call_id, the result of each of several parallel calls
 * of one tool belongs to its own call, in any order.
 *
 * Since: 0.1
 */
void
lsobs_graph_observer_on_tool_call (LsobsGraphObserver *self,
                                   const char *node_id,
                                   const char *tool_name,
                                   const char *call_id,
                                   JsonNode *args)
{
  LsobsGraphObserverInterface *iface;

  g_return_if_fail (LSOBS_IS_GRAPH_OBSERVER (self));
  g_return_if_fail (node_id != NULL);
  g_return_if_fail (tool_name != NULL);

  iface = LSOBS_GRAPH_OBSERVER_GET_IFACE (self);
  if (iface->on_tool_call != NULL)
    iface->on_tool_call (self, node_id, tool_name, call_id, args);
}

/**
 * lsobs_graph_observer_on_tool_result:
 * @self: an observer
 * @node_id: the name of the node that has called the tool
 * @tool_name: the name of the tool
 * @call_id: (nullable): the id of the call, or %NULL for the oldest call of the tool that has no
 *   result yet
 * @result: (nullable): the result of the tool
 *
 * Reports the result of a tool call, before or after the end of the node. A result without a call
 * is ignored, and counted by %LSOBS_COUNTER_UNKNOWN_UPDATES.
 *
 * Since: 0.1
 */
void
lsobs_graph_observer_on_tool_result (LsobsGraphObserver *self,
                                     const char *node_id,
                                     const char *tool_name,
                                     const char *call_id,
                                     JsonNode *result)
{
  LsobsGraphObserverInterface *iface;

  g_return_if_fail (LSOBS_IS_GRAPH_OBSERVER (self));
  g_return_if_fail (node_id != NULL);
  g_return_if_fail (tool_name != NULL);

  iface = LSOBS_GRAPH_OBSERVER_GET_IFACE (self);
  if (iface->on_tool_result != NULL)
    iface->on_tool_result (self, node_id, tool_name, call_id, result);
}
