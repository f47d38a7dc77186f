/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/store/trace-tree.h"

static void
free_node (gpointer data)
{
  TraceNode *node = data;

  if (node->run != NULL)
    run_free (node->run);
  g_free (node->problem);
  g_free (node->events);
  g_free (node);
}

/* --- reading --- */

/* Returns: (transfer full) (nullable) (element-type TraceNode): by start time, without their places */
static GPtrArray *
load_nodes (Store *store, const LsobsId *trace_id, GError **error)
{
  static const char sql[] = "SELECT " RUN_COLUMNS ", v.error, v.events"
                            " FROM runs AS r LEFT JOIN previews AS v ON v.seq = r.seq"
                            " WHERE r.trace_id = ? ORDER BY r.start_time, r.seq";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, sql, error);
  g_autoptr (GPtrArray) nodes = g_ptr_array_new_with_free_func (free_node);
  int result;

  if (statement == NULL)
    return NULL;
  database_bind (statement, 1, "u", trace_id);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      TraceNode *node = g_new0 (TraceNode, 1);

      node->run = run_read_row (statement, FALSE);
      node->problem = database_column_text (statement, 30);
      node->events = database_column_text (statement, 31);
      g_ptr_array_add (nodes, node);
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? g_steal_pointer (&nodes) : NULL;
}

/* --- places --- */

static guint
hash_id (gconstpointer key)
{
  guint hash = 5381;

  for (guint i = 0; i < sizeof (LsobsId); i++)
    hash = hash * 33 + ((const guchar *) key)[i];
  return hash;
}

static gboolean
equal_ids (gconstpointer a, gconstpointer b)
{
  return _lsobs_id_equal (a, b);
}

/* The children of each node, as lists of numbers: those of nodes, by start time. */
typedef struct
{
  GPtrArray *nodes; /* (unowned) */
  gint *first;      /* (owned) of each node, its first child, or -1 */
  gint *next;       /* (owned) of each node, the next one with the same parent, or -1 */
  gint *parent;     /* (owned) of each node, or -1 */
  guint *index;     /* (owned) of each node with a place, which one */
  gboolean *done;   /* (owned) whether it has its place */
} Places;

static void
find_parents (Places *self)
{
  g_autoptr (GHashTable) ids = g_hash_table_new (hash_id, equal_ids);

  for (guint i = 0; i < self->nodes->len; i++)
    {
      TraceNode *node = g_ptr_array_index (self->nodes, i);

      g_hash_table_insert (ids, &node->run->id, GINT_TO_POINTER (i + 1));
      self->first[i] = self->next[i] = -1;
    }
  /* From the end, so that each list is in order. */
  for (guint i = self->nodes->len; i-- > 0;)
    {
      TraceNode *node = g_ptr_array_index (self->nodes, i);

      self->parent[i] = node->run->has_parent
                            ? GPOINTER_TO_INT (g_hash_table_lookup (ids, &node->run->parent_id)) - 1
                            : -1;
      if (self->parent[i] < 0)
        continue;
      self->next[i] = self->first[self->parent[i]];
      self->first[self->parent[i]] = (gint) i;
    }
}

/* Moves a node, and all below it, to @result. */
static void
place (Places *self, guint top, GPtrArray *result)
{
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (gint));
  gint at = (gint) top;

  for (;;)
    {
      TraceNode *node = g_ptr_array_index (self->nodes, at);

      self->done[at] = TRUE;
      if (stack->len > 0)
        {
          node->depth = stack->len;
          node->parent = self->index[g_array_index (stack, gint, stack->len - 1)];
        }
      self->index[at] = result->len;
      g_ptr_array_add (result, node);
      g_array_append_val (stack, at);
      at = self->first[at];
      /* The next node is a sibling of this one, or of one above it. A node that has its place
       * already, as in a circle, is skipped. */
      while (stack->len > 0 && (at < 0 || self->done[at]))
        {
          if (at >= 0)
            {
              at = self->next[at];
              continue;
            }
          at = self->next[g_array_index (stack, gint, stack->len - 1)];
          g_array_set_size (stack, stack->len - 1);
          if (stack->len == 0)
            return;
        }
    }
}

GPtrArray *
trace_tree_load (Store *store, const LsobsId *trace_id, GError **error)
{
  g_autoptr (GPtrArray) nodes = load_nodes (store, trace_id, error);
  g_autoptr (GPtrArray) result = g_ptr_array_new_with_free_func (free_node);
  Places places;

  if (nodes == NULL)
    return NULL;
  places = (Places){ nodes,
                     g_new (gint, nodes->len),
                     g_new (gint, nodes->len),
                     g_new (gint, nodes->len),
                     g_new (guint, nodes->len),
                     g_new0 (gboolean, nodes->len) };
  find_parents (&places);
  for (guint i = 0; i < nodes->len; i++)
    if (places.parent[i] < 0)
      place (&places, i, result);
  /* The runs that are left are in circles. */
  for (guint i = 0; i < nodes->len; i++)
    if (!places.done[i])
      place (&places, i, result);
  g_ptr_array_set_free_func (nodes, NULL);
  g_free (places.first);
  g_free (places.next);
  g_free (places.parent);
  g_free (places.index);
  g_free (places.done);
  return g_steal_pointer (&result);
}

gboolean
trace_tree_find_neighbour (Store *store,
                           const Run *root,
                           gboolean is_older,
                           gboolean *found,
                           LsobsId *id,
                           GError **error)
{
  static const char older_sql[] =
      "SELECT trace_id FROM runs WHERE project = ?1 AND parent_id IS NULL AND start_time <= ?2"
      " AND (start_time, seq) < (?2, ?3) ORDER BY start_time DESC, seq DESC LIMIT 1";
  static const char newer_sql[] =
      "SELECT trace_id FROM runs WHERE project = ?1 AND parent_id IS NULL AND start_time >= ?2"
      " AND (start_time, seq) > (?2, ?3) ORDER BY start_time, seq LIMIT 1";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, is_older ? older_sql : newer_sql, error);
  int result;

  *found = FALSE;
  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "iii", root->project, root->start_time, root->seq);
  result = database_step (database, statement, error);
  *found = result == SQLITE_ROW && database_column_id (statement, 0, id);
  sqlite3_reset (statement);
  return result == SQLITE_ROW || result == SQLITE_DONE;
}
