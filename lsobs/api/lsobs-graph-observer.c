/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-graph-observer-private.h"

/**
 * SECTION:lsobs-graph-observer
 * @title: LsobsGraphObserver
 * @short_description: the callbacks of a graph engine
 *
 * What an engine that runs agents as graphs of nodes calls, so that it can be
 * written against this interface alone. #LsobsInvocation implements it for one
 * execution of a graph, with all runs under one root. #LsobsObserver implements
 * it too, each node being a trace of its own: there, nodes of the same name that
 * run at the same time cannot be told apart.
 *
 * Nodes become runs of the type `chain`, tool calls become runs of the type
 * `tool` below the run of their node. When a node is started again before it has
 * ended, the latest one is meant by what follows.
 *
 * All functions may be called from any thread.
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
 * @input: (nullable): what goes in
 *
 * Tells that a node begins.
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
 * @output: (nullable): what comes out
 * @duration_ms: how long the node took, in milliseconds, or -1 if it is not known
 *
 * Tells that a node has ended. For a node that has not begun, this is ignored and
 * counted by %LSOBS_COUNTER_UNKNOWN_UPDATES.
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
 * @error: what went wrong
 *
 * Tells that a node has failed. For a node that has not begun, this makes one
 * complete, failed run.
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
 * @node_id: the name of the node that calls
 * @tool_name: the name of the tool
 * @call_id: (nullable): which call it is, as the model named it
 * @args: (nullable): what the tool is called with
 *
 * Tells that a node calls a tool. With a @call_id, parallel calls of one tool find
 * their own results, in whatever order those come.
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
 * @node_id: the name of the node that has called
 * @tool_name: the name of the tool
 * @call_id: (nullable): which call it is; without it, the oldest call of the tool
 *   that has no result yet
 * @result: (nullable): what the tool has answered
 *
 * Tells that a tool has answered, before or after the end of the node. A result
 * without a call is ignored and counted by %LSOBS_COUNTER_UNKNOWN_UPDATES.
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
