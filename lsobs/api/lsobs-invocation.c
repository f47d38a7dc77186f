/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-graph-observer-private.h"
#include "lsobs/api/lsobs-invocation-private.h"

/**
 * SECTION:lsobs-invocation
 * @title: LsobsInvocation
 * @short_description: one execution of a graph
 *
 * One turn of an agent: a root run, and below it the runs of the nodes that the callbacks of
 * #LsobsGraphObserver report. Create one invocation for each execution. Executions at the same
 * time, in several threads or in one main loop, then stay separate.
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
 * If nodes and tool calls are still open when the invocation ends, their runs fail, and are counted
 * by %LSOBS_COUNTER_ABANDONED. The last unref of an invocation ends it, if the program has not
 * ended it.
 *
 * All functions can be called from any thread.
 */

struct _LsobsInvocation
{
  GObject parent_instance;

  LsobsRun *run;         /* (owned) (nullable) the root; %NULL if no observer made the invocation */
  LsobsNodeTable *nodes; /* (owned) (nullable) the nodes below it; %NULL with tracing off */
};

static void lsobs_invocation_graph_observer_init (LsobsGraphObserverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsInvocation,
                               lsobs_invocation,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_GRAPH_OBSERVER,
                                                      lsobs_invocation_graph_observer_init))

/* Returns: (nullable): %NULL with tracing off, and in a forked child, where a thread that does not
 *   exist may hold the lock of the table */
static LsobsNodeTable *
peek_nodes (LsobsGraphObserver *graph)
{
  LsobsInvocation *self = LSOBS_INVOCATION (graph);

  return self->nodes == NULL || _lsobs_node_table_is_forked (self->nodes) ? NULL : self->nodes;
}

static void
lsobs_invocation_graph_observer_init (LsobsGraphObserverInterface *iface)
{
  _lsobs_graph_observer_implement (iface, peek_nodes);
}

static void
finish (LsobsInvocation *self, JsonNode *output, const char *error)
{
  const LsobsRunEnd end = { .outputs = output, .error = error, .duration_ms = -1 };
  LsobsNodeTable *nodes = peek_nodes (LSOBS_GRAPH_OBSERVER (self));

  /* The nodes end before their root. */
  if (nodes != NULL)
    _lsobs_node_table_close (nodes);
  _lsobs_run_finish (self->run, &end);
}

static void
lsobs_invocation_dispose (GObject *object)
{
  LsobsInvocation *self = LSOBS_INVOCATION (object);

  if (self->run != NULL && !_lsobs_run_is_forked (self->run))
    {
      if (lsobs_run_get_status (self->run) == LSOBS_RUN_STATUS_RUNNING)
        finish (self, NULL, NULL);
      else if (self->nodes != NULL)
        _lsobs_node_table_close (self->nodes);
    }

  G_OBJECT_CLASS (lsobs_invocation_parent_class)->dispose (object);
}

static void
lsobs_invocation_finalize (GObject *object)
{
  LsobsInvocation *self = LSOBS_INVOCATION (object);

  g_clear_pointer (&self->nodes, _lsobs_node_table_free);
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
  const LsobsRunStart start = { .name = name, .run_type = LSOBS_RUN_TYPE_CHAIN, .inputs = input };
  LsobsInvocation *self = g_object_new (LSOBS_TYPE_INVOCATION, NULL);

  self->run = _lsobs_run_start (exporter, &start);
  if (_lsobs_exporter_peek_settings (exporter)->values.tracing_enabled)
    self->nodes = _lsobs_node_table_new (exporter, self->run);
  return self;
}

/**
 * lsobs_invocation_end:
 * @self: an invocation
 * @output: (nullable): the outputs of the root run
 *
 * Ends the invocation without an error.
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
 * @error: the error
 *
 * Ends the invocation with an error.
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
 * Gets the root run, for example to set metadata or to start children.
 *
 * Returns: (transfer none): the root run
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
 * Gets the run of an open node, for example to start children of it, such as model calls. If
 * tracing is off, there are no runs of nodes, and the function returns the root run.
 *
 * Returns: (transfer full) (nullable): the run, or %NULL if no such node is open
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_invocation_dup_node_run (LsobsInvocation *self, const char *node_id)
{
  LsobsNodeTable *nodes;

  g_return_val_if_fail (LSOBS_IS_INVOCATION (self), NULL);
  g_return_val_if_fail (self->run != NULL, NULL);
  g_return_val_if_fail (node_id != NULL, NULL);

  if (self->nodes == NULL)
    return lsobs_run_ref (self->run);
  nodes = peek_nodes (LSOBS_GRAPH_OBSERVER (self));
  return nodes != NULL ? _lsobs_node_table_dup_run (nodes, node_id) : NULL;
}
