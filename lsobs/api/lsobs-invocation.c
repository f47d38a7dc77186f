/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-invocation-private.h"
#include "lsobs/api/lsobs-node-table-private.h"

/**
 * SECTION:lsobs-invocation
 * @title: LsobsInvocation
 * @short_description: one execution of a graph
 *
 * One turn of an agent: a root run, and below it the runs of the nodes that the
 * callbacks of #LsobsGraphObserver tell of. Executions that go on at the same
 * time, in several threads or interleaved in one main loop, each have their own
 * invocation and never mix.
 *
 * |[<!-- language="C" -->
 * g_autoptr(LsobsInvocation) turn = lsobs_observer_begin_invocation (observer, "support-agent", question);
 * LsobsGraphObserver *graph = LSOBS_GRAPH_OBSERVER (turn);
 *
 * lsobs_graph_observer_on_node_start (graph, "agent", question);
 * lsobs_graph_observer_on_tool_call (graph, "agent", "calculator", "call-1", args);
 * lsobs_graph_observer_on_tool_result (graph, "agent", "calculator", "call-1", result);
 * lsobs_graph_observer_on_node_end (graph, "agent", answer, -1);
 * lsobs_invocation_end (turn, answer);
 * ]|
 *
 * Nodes and tool calls that are open when the invocation ends were forgotten by
 * the program; they fail, and are counted by %LSOBS_COUNTER_ABANDONED. An
 * invocation that is never ended ends with its last reference.
 *
 * All functions may be called from any thread.
 */

struct _LsobsInvocation
{
  GObject parent_instance;

  LsobsRun *run;         /* (owned) (nullable) the root; none if no observer began it */
  LsobsNodeTable *table; /* (owned) (nullable) nothing is traced */
};

static void lsobs_invocation_graph_observer_init (LsobsGraphObserverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsInvocation,
                               lsobs_invocation,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_GRAPH_OBSERVER,
                                                      lsobs_invocation_graph_observer_init))

/* In a forked child, the table and its lock are the parent's.
 * Returns: (nullable): %NULL: there is nothing to be done */
static LsobsNodeTable *
get_table (LsobsGraphObserver *graph)
{
  LsobsInvocation *self = LSOBS_INVOCATION (graph);

  return self->table == NULL || _lsobs_node_table_is_foreign (self->table) ? NULL : self->table;
}

static void
lsobs_invocation_on_node_start (LsobsGraphObserver *graph, const char *node_id, JsonNode *input)
{
  LsobsNodeTable *table = get_table (graph);

  if (table != NULL)
    _lsobs_node_table_start (table, node_id, input);
}

static void
lsobs_invocation_on_node_end (LsobsGraphObserver *graph,
                              const char *node_id,
                              JsonNode *output,
                              gint64 duration_ms)
{
  LsobsNodeTable *table = get_table (graph);

  if (table != NULL)
    _lsobs_node_table_end (table, node_id, output, duration_ms);
}

static void
lsobs_invocation_on_error (LsobsGraphObserver *graph, const char *node_id, const GError *error)
{
  LsobsNodeTable *table = get_table (graph);

  if (table != NULL)
    _lsobs_node_table_fail (table, node_id, error);
}

static void
lsobs_invocation_on_tool_call (LsobsGraphObserver *graph,
                               const char *node_id,
                               const char *tool_name,
                               const char *call_id,
                               JsonNode *args)
{
  LsobsNodeTable *table = get_table (graph);

  if (table != NULL)
    _lsobs_node_table_call_tool (table, node_id, tool_name, call_id, args);
}

static void
lsobs_invocation_on_tool_result (LsobsGraphObserver *graph,
                                 const char *node_id,
                                 const char *tool_name,
                                 const char *call_id,
                                 JsonNode *result)
{
  LsobsNodeTable *table = get_table (graph);

  if (table != NULL)
    _lsobs_node_table_take_result (table, node_id, tool_name, call_id, result);
}

static void
lsobs_invocation_graph_observer_init (LsobsGraphObserverInterface *iface)
{
  iface->on_node_start = lsobs_invocation_on_node_start;
  iface->on_node_end = lsobs_invocation_on_node_end;
  iface->on_error = lsobs_invocation_on_error;
  iface->on_tool_call = lsobs_invocation_on_tool_call;
  iface->on_tool_result = lsobs_invocation_on_tool_result;
}

static void
finish (LsobsInvocation *self, JsonNode *output, const char *error)
{
  const LsobsRunPayload payload = { .node = output, .error = error, .duration_ms = -1 };
  LsobsNodeTable *table = get_table (LSOBS_GRAPH_OBSERVER (self));

  /* Children first, so that none of them ends after its root. */
  if (table != NULL)
    _lsobs_node_table_close (table);
  _lsobs_run_finish (self->run, &payload);
}

static void
lsobs_invocation_dispose (GObject *object)
{
  LsobsInvocation *self = LSOBS_INVOCATION (object);

  if (self->run != NULL && !_lsobs_run_is_foreign (self->run))
    {
      if (lsobs_run_get_status (self->run) == LSOBS_RUN_STATUS_RUNNING)
        finish (self, NULL, NULL);
      else if (self->table != NULL)
        _lsobs_node_table_close (self->table);
    }

  G_OBJECT_CLASS (lsobs_invocation_parent_class)->dispose (object);
}

static void
lsobs_invocation_finalize (GObject *object)
{
  LsobsInvocation *self = LSOBS_INVOCATION (object);

  g_clear_pointer (&self->table, _lsobs_node_table_free);
  g_clear_pointer (&self->run, lsobs_run_unref);

  G_OBJECT_CLASS (lsobs_invocation_parent_class)->finalize (object);
}

static void
lsobs_invocation_class_init (LsobsInvocationClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = lsobs_invocation_dispose;
  object_class->finalize = lsobs_invocation_finalize;
}

static void
lsobs_invocation_init (LsobsInvocation *self)
{
}

LsobsInvocation *
_lsobs_invocation_new (LsobsExporter *exporter, const char *name, JsonNode *input)
{
  const LsobsRunPayload payload = { .node = input, .duration_ms = -1 };
  LsobsInvocation *self = g_object_new (LSOBS_TYPE_INVOCATION, NULL);

  self->run = _lsobs_run_start (exporter, NULL, name, LSOBS_RUN_TYPE_CHAIN, &payload);
  if (_lsobs_exporter_peek_settings (exporter)->tracing_enabled)
    self->table = _lsobs_node_table_new (exporter, self->run);
  return self;
}

/**
 * lsobs_invocation_end:
 * @self: an invocation
 * @output: (nullable): what comes out
 *
 * Ends the execution well.
 *
 * Since: 0.1
 */
void
lsobs_invocation_end (LsobsInvocation *self, JsonNode *output)
{
  g_return_if_fail (LSOBS_IS_INVOCATION (self));
  g_return_if_fail (self->run != NULL);

  finish (self, output, NULL);
}

/**
 * lsobs_invocation_fail:
 * @self: an invocation
 * @error: what went wrong
 *
 * Ends the execution with an error.
 *
 * Since: 0.1
 */
void
lsobs_invocation_fail (LsobsInvocation *self, const GError *error)
{
  g_return_if_fail (LSOBS_IS_INVOCATION (self));
  g_return_if_fail (self->run != NULL);
  g_return_if_fail (error != NULL);

  finish (self, NULL, error->message);
}

/**
 * lsobs_invocation_get_run:
 * @self: an invocation
 *
 * Gets the root run, to set metadata or to start children by hand.
 *
 * Returns: (transfer none): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_invocation_get_run (LsobsInvocation *self)
{
  g_return_val_if_fail (LSOBS_IS_INVOCATION (self), NULL);
  g_return_val_if_fail (self->run != NULL, NULL);

  return self->run;
}

/**
 * lsobs_invocation_dup_node_run:
 * @self: an invocation
 * @node_id: the name of a node
 *
 * Gets the run of an open node, to start children of it by hand, such as the
 * calls of a model. When tracing is off, no nodes are kept, and the root stands for
 * all of them.
 *
 * Returns: (transfer full) (nullable): a run, or %NULL when no such node is open
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_invocation_dup_node_run (LsobsInvocation *self, const char *node_id)
{
  LsobsNodeTable *table;

  g_return_val_if_fail (LSOBS_IS_INVOCATION (self), NULL);
  g_return_val_if_fail (self->run != NULL, NULL);
  g_return_val_if_fail (node_id != NULL, NULL);

  if (self->table == NULL)
    return lsobs_run_ref (self->run);
  table = get_table (LSOBS_GRAPH_OBSERVER (self));
  return table != NULL ? _lsobs_node_table_dup_run (table, node_id) : NULL;
}
