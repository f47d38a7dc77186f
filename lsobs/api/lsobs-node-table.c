/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-node-table-private.h"
#include "lsobs/core/lsobs-fork-private.h"

/* How many nodes may be open at a time. When there are more, the oldest one is
 * taken for forgotten. */
#define MAX_NODES 1024

/* The same for the tool calls of all nodes together. */
#define MAX_CALLS 1024

/* How many failed nodes are kept in mind for outputs that come after the error. */
#define MAX_FAILED 64

/* A tool call without its result. */
typedef struct
{
  char *tool_name; /* (owned) */
  char *call_id;   /* (owned) (nullable) */
  LsobsRun *run;   /* (owned) */
} Call;

/* A node that is open, or has open calls, or has failed a short while ago. */
typedef struct
{
  char *node_id; /* (owned) */
  LsobsRun *run; /* (owned) */
  gboolean ended;
  gboolean failed; /* outputs may still come */
  GQueue calls;    /* of Call (owned), the oldest first */
} Node;

struct _LsobsNodeTable
{
  LsobsExporter *exporter; /* (owned) */
  LsobsRun *root;          /* (owned) (nullable) the parent of all nodes */
  guint epoch;

  GMutex lock;   /* guards all below */
  GQueue nodes;  /* of Node (owned), the newest first */
  guint n_calls; /* of all nodes in it */
  GQueue failed; /* of Node (owned), the newest first */
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

/* @root: (nullable): without it, each node is a trace of its own */
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

/* Close it first, or its open runs stay pending. What a forked child has of its
 * parent's nodes is left as it is: it may be locked, and half changed. */
void
_lsobs_node_table_free (LsobsNodeTable *self)
{
  if (!_lsobs_node_table_is_foreign (self))
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
_lsobs_node_table_is_foreign (LsobsNodeTable *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

static void
count (LsobsNodeTable *self, LsobsCounter counter)
{
  _lsobs_counters_add (_lsobs_exporter_peek_counters (self->exporter), counter, 1);
}

static LsobsRun *
start_run (LsobsNodeTable *self,
           LsobsRun *parent,
           const char *name,
           LsobsRunType run_type,
           JsonNode *inputs)
{
  const LsobsRunPayload payload = { .node = inputs, .duration_ms = -1 };

  return _lsobs_run_start (self->exporter, parent, name, run_type, &payload);
}

/* Called with the lock held: the newest node of this name, open ones first. */
static GList *
find_node (LsobsNodeTable *self, const char *node_id, gboolean only_open)
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

/* The program has forgotten the call. What is sent is in English, whoever's program
 * it is: the error is for all who look at the project. Called without the lock; frees @call. */
static void
abandon_call (LsobsNodeTable *self, Call *call)
{
  lsobs_run_fail_with_message (call->run, "The tool never answered");
  count (self, LSOBS_COUNTER_ABANDONED);
  call_free (call);
}

/* The program has forgotten the node: its runs shall not stay pending for ever.
 * Called without the lock; frees @node. */
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

/* Called with the lock held. Returns: (transfer full) (nullable): a node that is
 * one too many */
static Node *
add_node (LsobsNodeTable *self,
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

  g_mutex_lock (&self->lock);
  forgotten = add_node (self, node_id, run, FALSE);
  g_mutex_unlock (&self->lock);
  if (forgotten != NULL)
    abandon (self, forgotten);
}

/* Called with the lock held: closes the newest open node of this name. It stays
 * in the table while tools have not answered. Returns: (transfer full) (nullable):
 * its run */
static LsobsRun *
close_node (LsobsNodeTable *self, const char *node_id, gboolean failed)
{
  GList *link = find_node (self, node_id, TRUE);
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

/* Called with the lock held. Returns: (transfer full) (nullable): the run of the
 * newest node of this name that has failed; @forget: and whose end has come now */
static LsobsRun *
find_failed (LsobsNodeTable *self, const char *node_id, gboolean forget)
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
  const LsobsRunPayload payload = { .node = output, .duration_ms = MAX (duration_ms, -1) };
  g_autoptr (LsobsRun) run = NULL;

  g_mutex_lock (&self->lock);
  run = close_node (self, node_id, FALSE);
  if (run == NULL)
    run = find_failed (self, node_id, TRUE);
  g_mutex_unlock (&self->lock);
  if (run != NULL)
    _lsobs_run_finish (run, &payload);
  else
    count (self, LSOBS_COUNTER_UNKNOWN_UPDATES);
}

void
_lsobs_node_table_fail (LsobsNodeTable *self, const char *node_id, const GError *error)
{
  g_autoptr (LsobsRun) run = NULL;

  g_mutex_lock (&self->lock);
  run = close_node (self, node_id, TRUE);
  /* Engines tell of an error once more on the way up; the first one stands. */
  if (run == NULL)
    run = find_failed (self, node_id, FALSE);
  g_mutex_unlock (&self->lock);
  if (run == NULL)
    {
      /* The update of a run that the service has never seen would help nobody. */
      run = start_run (self, self->root, node_id, LSOBS_RUN_TYPE_CHAIN, NULL);
      count (self, LSOBS_COUNTER_UNKNOWN_UPDATES);
    }
  lsobs_run_fail (run, error);
}

/* Called with the lock held: takes the oldest call out if there are too many.
 * Returns: (transfer full) (nullable) */
static Call *
take_surplus_call (LsobsNodeTable *self)
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

  g_mutex_lock (&self->lock);
  link = find_node (self, node_id, FALSE);
  if (link != NULL)
    parent = lsobs_run_ref (((Node *) link->data)->run);
  g_mutex_unlock (&self->lock);
  if (parent == NULL)
    {
      count (self, LSOBS_COUNTER_UNKNOWN_UPDATES);
      parent = self->root != NULL ? lsobs_run_ref (self->root) : NULL;
    }

  call->tool_name = g_strdup (tool_name);
  call->call_id = g_strdup (call_id);
  call->run = start_run (self, parent, tool_name, LSOBS_RUN_TYPE_TOOL, args);

  /* The node may be gone in the meantime; then its name stays for the result. */
  g_mutex_lock (&self->lock);
  link = find_node (self, node_id, FALSE);
  if (link == NULL)
    {
      forgotten =
          add_node (self, node_id, lsobs_run_ref (parent != NULL ? parent : call->run), TRUE);
      link = self->nodes.head;
    }
  g_queue_push_tail (&((Node *) link->data)->calls, call);
  self->n_calls++;
  surplus = take_surplus_call (self);
  g_mutex_unlock (&self->lock);
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

/* Called with the lock held. @any_id: the oldest call of the tool will do.
 * Returns: (transfer full) (nullable): the call, taken out of the table */
static Call *
take_call (LsobsNodeTable *self,
           const char *node_id,
           const char *tool_name,
           const char *call_id,
           gboolean any_id)
{
  /* The oldest node first: results without an id go to the oldest call. */
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

  g_mutex_lock (&self->lock);
  call = call_id != NULL ? take_call (self, node_id, tool_name, call_id, FALSE) : NULL;
  /* An engine may learn of the id only by the result. */
  if (call == NULL)
    call = take_call (self, node_id, tool_name, call_id, TRUE);
  g_mutex_unlock (&self->lock);
  if (call == NULL)
    {
      count (self, LSOBS_COUNTER_UNKNOWN_UPDATES);
      return;
    }
  lsobs_run_end (call->run, result);
  call_free (call);
}

/* Returns: (transfer full) (nullable): the newest run of the node */
LsobsRun *
_lsobs_node_table_dup_run (LsobsNodeTable *self, const char *node_id)
{
  LsobsRun *run = NULL;
  GList *link;

  g_mutex_lock (&self->lock);
  link = find_node (self, node_id, TRUE);
  if (link != NULL)
    run = lsobs_run_ref (((Node *) link->data)->run);
  g_mutex_unlock (&self->lock);
  return run;
}

/* The execution of the graph is over: what is open was forgotten. */
void
_lsobs_node_table_close (LsobsNodeTable *self)
{
  GQueue nodes;
  GQueue failed;
  Node *node;

  g_mutex_lock (&self->lock);
  nodes = self->nodes;
  failed = self->failed;
  g_queue_init (&self->nodes);
  g_queue_init (&self->failed);
  self->n_calls = 0;
  g_mutex_unlock (&self->lock);

  while ((node = g_queue_pop_head (&nodes)) != NULL)
    abandon (self, node);
  g_queue_clear_full (&failed, node_free);
}
