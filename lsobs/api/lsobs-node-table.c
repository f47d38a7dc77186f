/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-node-table-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"

/* At most this many nodes are open at a time. One more abandons the oldest. */
#define MAX_NODES 1024

/* At most this many tool calls, of all nodes together, are open at a time. */
#define MAX_CALLS 1024

/* At most this many failed nodes are kept, for outputs that come after the error. */
#define MAX_FAILED 64

/* A tool call that has no result yet. */
typedef struct
{
  char *tool_name; /* (owned) */
  char *call_id;   /* (owned) (nullable) */
  LsobsRun *run;   /* (owned) */
} Call;

/* A node that is open, or has open calls, or failed recently. */
typedef struct
{
  char *node_id; /* (owned) */
  LsobsRun *run; /* (owned) */
  gboolean ended;
  gboolean failed; /* its outputs may still come */
  GQueue calls;    /* (owned) (element-type Call) the oldest first */
} Node;

struct _LsobsNodeTable
{
  LsobsExporter *exporter; /* (owned) guarded by _lsobs_fork_lock() */
  LsobsRun *root;          /* (owned) (nullable) the parent of all nodes */
  guint epoch;             /* of the process that made the table */

  GMutex lock;   /* guards the members below; runs start and end without it */
  GQueue nodes;  /* (owned) (element-type Node) open, or with open calls; the newest first */
  guint n_calls; /* of all of @nodes */
  GQueue failed; /* (owned) (element-type Node) failed, without open calls; the newest first */
};

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->tool_name);
  g_free (call->call_id);
  lsobs_run_unref (call->run);
  g_free (call);
}

static void
node_free (gpointer data)
{
  Node *node = data;

  g_queue_clear_full (&node->calls, call_free);
  g_free (node->node_id);
  lsobs_run_unref (node->run);
  g_free (node);
}

/* @root: (nullable): the parent of all nodes; without it, each node is a trace of its own */
LsobsNodeTable *
_lsobs_node_table_new (LsobsExporter *exporter, LsobsRun *root)
{
  LsobsNodeTable *self = g_new0 (LsobsNodeTable, 1);

  self->exporter = g_object_ref (exporter);
  self->root = root != NULL ? lsobs_run_ref (root) : NULL;
  self->epoch = _lsobs_fork_epoch ();
  g_mutex_init (&self->lock);
  g_queue_init (&self->nodes);
  g_queue_init (&self->failed);
  return self;
}

/* Does not end the open runs: call _lsobs_node_table_close() first. In a forked child the nodes
 * leak: a thread that does not exist there may have left them locked and half changed. */
void
_lsobs_node_table_free (LsobsNodeTable *self)
{
  if (!_lsobs_node_table_is_forked (self))
    {
      g_queue_clear_full (&self->nodes, node_free);
      g_queue_clear_full (&self->failed, node_free);
      g_mutex_clear (&self->lock);
    }
  g_clear_pointer (&self->root, lsobs_run_unref);
  g_object_unref (self->exporter);
  g_free (self);
}

gboolean
_lsobs_node_table_is_forked (LsobsNodeTable *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

/* Returns: (transfer full) */
static LsobsExporter *
ref_exporter (LsobsNodeTable *self)
{
  LsobsExporter *exporter;

  _lsobs_fork_lock ();
  exporter = g_object_ref (self->exporter);
  _lsobs_fork_unlock ();
  return exporter;
}

/* Nodes that are traces of their own go to @exporter from now on. What is below an open node goes where
 * that node goes. */
void
_lsobs_node_table_set_exporter (LsobsNodeTable *self, LsobsExporter *exporter)
{
  g_autoptr (LsobsExporter) replaced = NULL;

  g_object_ref (exporter);
  _lsobs_fork_lock ();
  replaced = self->exporter;
  self->exporter = exporter;
  _lsobs_fork_unlock ();
}

static void
count (LsobsNodeTable *self, LsobsCounter counter)
{
  g_autoptr (LsobsExporter) exporter = ref_exporter (self);

  _lsobs_counters_add (_lsobs_exporter_peek_counters (exporter), counter, 1);
}

static LsobsRun *
start_run (LsobsNodeTable *self,
           LsobsRun *parent,
           const char *name,
           LsobsRunType run_type,
           JsonNode *inputs)
{
  const LsobsRunStart start = {
    .parent = parent, .name = name, .run_type = run_type, .inputs = inputs
  };
  g_autoptr (LsobsExporter) exporter = ref_exporter (self);

  return _lsobs_run_start (exporter, &start);
}

/* Returns: (nullable): the link of the newest open node of this name; if none is open and
 *   @only_open is %FALSE, of the newest one that ended */
static GList *
find_node_unlocked (LsobsNodeTable *self, const char *node_id, gboolean only_open)
{
  GList *ended = NULL;

  for (GList *l = self->nodes.head; l != NULL; l = l->next)
    {
      Node *node = l->data;

      if (!g_str_equal (node->node_id, node_id))
        continue;
      if (!node->ended)
        return l;
      if (ended == NULL)
        ended = l;
    }
  return only_open ? NULL : ended;
}

/* Fails a call that the program never ended. The error is sent, so it is not translated.
 * @call: (transfer full) */
static void
abandon_call (LsobsNodeTable *self, Call *call)
{
  lsobs_run_fail_with_message (call->run, "The tool never answered");
  count (self, LSOBS_COUNTER_ABANDONED);
  call_free (call);
}

/* Fails a node that the program never ended, and its open calls, so that their runs do not stay
 * pending at the service.
 * @node: (transfer full): not in the table any more */
static void
abandon (LsobsNodeTable *self, Node *node)
{
  Call *call;

  while ((call = g_queue_pop_head (&node->calls)) != NULL)
    abandon_call (self, call);
  if (!node->ended)
    {
      lsobs_run_fail_with_message (node->run, "The node was never ended");
      count (self, LSOBS_COUNTER_ABANDONED);
    }
  node_free (node);
}

/* Returns: (transfer full) (nullable): the oldest node, taken out, if there are too many */
static Node *
add_node_unlocked (LsobsNodeTable *self,
                   const char *node_id,
                   LsobsRun *run, /* (transfer full) */
                   gboolean ended)
{
  Node *node = g_new0 (Node, 1);

  node->node_id = g_strdup (node_id);
  node->run = run;
  node->ended = ended;
  g_queue_init (&node->calls);
  g_queue_push_head (&self->nodes, node);
  if (self->nodes.length <= MAX_NODES)
    return NULL;
  node = g_queue_pop_tail (&self->nodes);
  self->n_calls -= node->calls.length;
  return node;
}

void
_lsobs_node_table_start (LsobsNodeTable *self, const char *node_id, JsonNode *input)
{
  LsobsRun *run = start_run (self, self->root, node_id, LSOBS_RUN_TYPE_CHAIN, input);
  Node *forgotten;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  forgotten = add_node_unlocked (self, node_id, run, FALSE);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  if (forgotten != NULL)
    abandon (self, forgotten);
}

/* Closes the newest open node of this name. It stays in the table while it has open calls.
 * Returns: (transfer full) (nullable): its run */
static LsobsRun *
close_node_unlocked (LsobsNodeTable *self, const char *node_id, gboolean failed)
{
  GList *link = find_node_unlocked (self, node_id, TRUE);
  LsobsRun *run;
  Node *node;

  if (link == NULL)
    return NULL;
  node = link->data;
  run = lsobs_run_ref (node->run);
  node->ended = TRUE;
  node->failed = failed;
  if (node->calls.length == 0)
    {
      g_queue_delete_link (&self->nodes, link);
      if (failed)
        g_queue_push_head (&self->failed, node);
      else
        node_free (node);
    }
  if (self->failed.length > MAX_FAILED)
    node_free (g_queue_pop_tail (&self->failed));
  return run;
}

/* @forget: whether this is the end of the node, after its error
 * Returns: (transfer full) (nullable): the run of the newest failed node of this name */
static LsobsRun *
find_failed_unlocked (LsobsNodeTable *self, const char *node_id, gboolean forget)
{
  for (GList *l = self->nodes.head; l != NULL; l = l->next)
    {
      Node *node = l->data;

      if (node->failed && g_str_equal (node->node_id, node_id))
        {
          node->failed = !forget;
          return lsobs_run_ref (node->run);
        }
    }
  for (GList *l = self->failed.head; l != NULL; l = l->next)
    {
      Node *node = l->data;
      LsobsRun *run = node->run;

      if (!g_str_equal (node->node_id, node_id))
        continue;
      lsobs_run_ref (run);
      if (forget)
        {
          g_queue_delete_link (&self->failed, l);
          node_free (node);
        }
      return run;
    }
  return NULL;
}

void
_lsobs_node_table_end (LsobsNodeTable *self,
                       const char *node_id,
                       JsonNode *output,
                       gint64 duration_ms)
{
  const LsobsRunEnd end = { .outputs = output, .duration_ms = MAX (duration_ms, -1) };
  g_autoptr (LsobsRun) run = NULL;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  run = close_node_unlocked (self, node_id, FALSE);
  if (run == NULL)
    run = find_failed_unlocked (self, node_id, TRUE);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  if (run != NULL)
    _lsobs_run_finish (run, &end);
  else
    count (self, LSOBS_COUNTER_UNKNOWN_UPDATES);
}

void
_lsobs_node_table_fail (LsobsNodeTable *self, const char *node_id, const GError *error)
{
  g_autoptr (LsobsRun) run = NULL;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  run = close_node_unlocked (self, node_id, TRUE);
  /* Engines report one error at several levels. The first report ends the run. */
  if (run == NULL)
    run = find_failed_unlocked (self, node_id, FALSE);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  if (run == NULL)
    {
      /* Make a complete, failed run: the service ignores an update without a create. */
      run = start_run (self, self->root, node_id, LSOBS_RUN_TYPE_CHAIN, NULL);
      count (self, LSOBS_COUNTER_UNKNOWN_UPDATES);
    }
  lsobs_run_fail (run, error);
}

/* Returns: (transfer full) (nullable): the oldest call of the oldest node, taken out, if there are
 *   too many calls */
static Call *
take_surplus_call_unlocked (LsobsNodeTable *self)
{
  if (self->n_calls <= MAX_CALLS)
    return NULL;
  for (GList *l = self->nodes.tail; l != NULL; l = l->prev)
    {
      Node *node = l->data;

      if (node->calls.length == 0)
        continue;
      self->n_calls--;
      return g_queue_pop_head (&node->calls);
    }
  return NULL;
}

void
_lsobs_node_table_call_tool (LsobsNodeTable *self,
                             const char *node_id,
                             const char *tool_name,
                             const char *call_id,
                             JsonNode *args)
{
  g_autoptr (LsobsRun) parent = NULL;
  Call *call = g_new0 (Call, 1);
  Call *surplus;
  Node *forgotten = NULL;
  GList *link;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  link = find_node_unlocked (self, node_id, FALSE);
  if (link != NULL)
    parent = lsobs_run_ref (((Node *) link->data)->run);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  if (parent == NULL)
    {
      count (self, LSOBS_COUNTER_UNKNOWN_UPDATES);
      parent = self->root != NULL ? lsobs_run_ref (self->root) : NULL;
    }

  call->tool_name = g_strdup (tool_name);
  call->call_id = g_strdup (call_id);
  call->run = start_run (self, parent, tool_name, LSOBS_RUN_TYPE_TOOL, args);

  /* If the node was closed meanwhile, an ended one takes its place until the result comes. */
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  link = find_node_unlocked (self, node_id, FALSE);
  if (link == NULL)
    {
      forgotten = add_node_unlocked (self, node_id,
                                     lsobs_run_ref (parent != NULL ? parent : call->run), TRUE);
      link = self->nodes.head;
    }
  g_queue_push_tail (&((Node *) link->data)->calls, call);
  self->n_calls++;
  surplus = take_surplus_call_unlocked (self);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  if (forgotten != NULL)
    abandon (self, forgotten);
  if (surplus != NULL)
    abandon_call (self, surplus);
}

static gboolean
is_call (Call *call, const char *tool_name, const char *call_id, gboolean any_id)
{
  if (any_id)
    return g_str_equal (call->tool_name, tool_name) && (call_id == NULL || call->call_id == NULL);
  return call->call_id != NULL && g_str_equal (call->call_id, call_id);
}

/* @any_id: whether to match by @tool_name, not by @call_id
 * Returns: (transfer full) (nullable): the oldest call that matches, taken out of the table */
static Call *
take_call_unlocked (LsobsNodeTable *self,
                    const char *node_id,
                    const char *tool_name,
                    const char *call_id,
                    gboolean any_id)
{
  for (GList *l = self->nodes.tail; l != NULL; l = l->prev)
    {
      Node *node = l->data;

      if (!g_str_equal (node->node_id, node_id))
        continue;
      for (GList *c = node->calls.head; c != NULL; c = c->next)
        {
          Call *call = c->data;

          if (!is_call (call, tool_name, call_id, any_id))
            continue;
          g_queue_delete_link (&node->calls, c);
          self->n_calls--;
          if (node->ended && node->calls.length == 0)
            {
              g_queue_delete_link (&self->nodes, l);
              node_free (node);
            }
          return call;
        }
    }
  return NULL;
}

void
_lsobs_node_table_take_result (LsobsNodeTable *self,
                               const char *node_id,
                               const char *tool_name,
                               const char *call_id,
                               JsonNode *result)
{
  Call *call;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  call = call_id != NULL ? take_call_unlocked (self, node_id, tool_name, call_id, FALSE) : NULL;
  /* The engine may know the id only when the result comes. */
  if (call == NULL)
    call = take_call_unlocked (self, node_id, tool_name, call_id, TRUE);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  if (call == NULL)
    {
      count (self, LSOBS_COUNTER_UNKNOWN_UPDATES);
      return;
    }
  lsobs_run_end (call->run, result);
  call_free (call);
}

/* Returns: (transfer full) (nullable): the run of the newest open node of this name */
LsobsRun *
_lsobs_node_table_dup_run (LsobsNodeTable *self, const char *node_id)
{
  LsobsRun *run = NULL;
  GList *link;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  link = find_node_unlocked (self, node_id, TRUE);
  if (link != NULL)
    run = lsobs_run_ref (((Node *) link->data)->run);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  return run;
}

/* Abandons all open nodes and calls: the execution of the graph is over. */
void
_lsobs_node_table_close (LsobsNodeTable *self)
{
  GQueue nodes;
  GQueue failed;
  Node *node;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NODE_TABLE);
  nodes = self->nodes;
  failed = self->failed;
  g_queue_init (&self->nodes);
  g_queue_init (&self->failed);
  self->n_calls = 0;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NODE_TABLE);

  while ((node = g_queue_pop_head (&nodes)) != NULL)
    abandon (self, node);
  g_queue_clear_full (&failed, node_free);
}
