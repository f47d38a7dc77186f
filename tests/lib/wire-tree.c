/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/wire.h"

/* What the service would show: the runs after all creates and updates, as trees. */

struct _WireTree
{
  GHashTable *runs; /* (owned) (element-type utf8 WireRun) id → run; the run owns the id */
  GHashTable *ops; /* (owned) (element-type WireRun GPtrArray<JsonObject>) updates not merged yet */
  GPtrArray *feedback; /* (owned) (element-type JsonObject) */
};

static void
wire_run_free (WireRun *self)
{
  g_free (self->id);
  g_free (self->parent_id);
  g_free (self->trace_id);
  g_free (self->dotted_order);
  g_free (self->name);
  g_free (self->run_type);
  json_object_unref (self->run);
  g_ptr_array_unref (self->attachments);
  g_free (self);
}

WireTree *
wire_tree_new (void)
{
  WireTree *self = g_new0 (WireTree, 1);

  self->runs =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) wire_run_free);
  self->ops = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
  self->feedback = g_ptr_array_new_with_free_func ((GDestroyNotify) json_object_unref);

  return self;
}

void
wire_tree_free (WireTree *self)
{
  g_hash_table_unref (self->ops);
  g_hash_table_unref (self->runs);
  g_ptr_array_unref (self->feedback);
  g_free (self);
}

/* --- merging ------------------------------------------------------------------------------- */

/* Returns (transfer full): @base with @over on top, objects merged, anything else replaced. */
static JsonObject *
merge_objects (JsonObject *base, JsonObject *over)
{
  JsonObject *merged = json_object_new ();
  g_autoptr (GList) old = json_object_get_members (base);
  g_autoptr (GList) new = json_object_get_members (over);

  for (GList *l = old; l != NULL; l = l->next)
    json_object_set_member (merged, l->data,
                            json_node_copy (json_object_get_member (base, l->data)));

  for (GList *l = new; l != NULL; l = l->next)
    {
      JsonNode *below = json_object_get_member (base, l->data);
      JsonNode *above = json_object_get_member (over, l->data);

      if (below != NULL && JSON_NODE_HOLDS_OBJECT (below) && JSON_NODE_HOLDS_OBJECT (above))
        json_object_set_object_member (merged, l->data,
                                       merge_objects (json_node_get_object (below),
                                                      json_node_get_object (above)));
      else
        json_object_set_member (merged, l->data, json_node_copy (above));
    }

  return merged;
}

/* Merges @update into @run. An update never moves a run to another place or time. */
static void
apply (JsonObject *run, JsonObject *update)
{
  static const char *const fixed[] = { "id",         "trace_id", "dotted_order", "parent_run_id",
                                       "start_time", NULL };
  g_autoptr (GList) names = json_object_get_members (update);

  for (GList *l = names; l != NULL; l = l->next)
    {
      const char *name = l->data;
      JsonNode *below = json_object_get_member (run, name);
      JsonNode *above = json_object_get_member (update, name);

      if (JSON_NODE_HOLDS_NULL (above) || (below != NULL && g_strv_contains (fixed, name)))
        continue;
      if (strcmp (name, "extra") == 0 && below != NULL && JSON_NODE_HOLDS_OBJECT (below) &&
          JSON_NODE_HOLDS_OBJECT (above))
        json_object_set_object_member (run, name,
                                       merge_objects (json_node_get_object (below),
                                                      json_node_get_object (above)));
      else
        json_object_set_member (run, name, json_node_copy (above));
    }
}

static char *
dup_string (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;

  return json_node_dup_string (node);
}

static char *
or_empty (char *text)
{
  return text != NULL ? text : g_strdup ("");
}

static gint64
get_time (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL ? wire_parse_time (node, WIRE_DIALECT) : -1;
}

static void
read_members (WireRun *run)
{
  g_free (run->parent_id);
  g_free (run->trace_id);
  g_free (run->dotted_order);
  g_free (run->name);
  g_free (run->run_type);
  run->parent_id = dup_string (run->run, "parent_run_id");
  run->trace_id = dup_string (run->run, "trace_id");
  run->dotted_order = or_empty (dup_string (run->run, "dotted_order"));
  run->name = or_empty (dup_string (run->run, "name"));
  run->run_type = or_empty (dup_string (run->run, "run_type"));
  run->start_us = get_time (run->run, "start_time");
  run->end_us = get_time (run->run, "end_time");
}

static WireRun *
ensure_run (WireTree *self, const char *id)
{
  WireRun *run = g_hash_table_lookup (self->runs, id);

  if (run == NULL)
    {
      run = g_new0 (WireRun, 1);
      run->id = g_strdup (id);
      run->run = json_object_new ();
      run->attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) wire_attachment_unref);
      g_hash_table_insert (self->runs, run->id, run);
      g_hash_table_insert (self->ops, run,
                           g_ptr_array_new_with_free_func ((GDestroyNotify) json_object_unref));
    }

  return run;
}

void
wire_tree_add_op (WireTree *self, WireOp *op)
{
  WireRun *run = ensure_run (self, op->id);
  GPtrArray *ops = g_hash_table_lookup (self->ops, run);

  /* creates first, whatever came first: an update is always the newer word */
  if (strcmp (op->op, "post") == 0)
    g_ptr_array_insert (ops, (int) run->n_posts++, json_object_ref (op->run));
  else
    {
      g_ptr_array_add (ops, json_object_ref (op->run));
      run->n_patches++;
    }

  json_object_unref (run->run);
  run->run = json_object_new ();
  for (guint i = 0; i < ops->len; i++)
    apply (run->run, g_ptr_array_index (ops, i));
  read_members (run);

  for (guint i = 0; i < op->attachments->len; i++)
    g_ptr_array_add (run->attachments,
                     wire_attachment_ref (g_ptr_array_index (op->attachments, i)));
}

void
wire_tree_add_request (WireTree *self, WireRequest *request)
{
  for (guint i = 0; i < request->ops->len; i++)
    wire_tree_add_op (self, g_ptr_array_index (request->ops, i));
  for (guint i = 0; i < request->feedback->len; i++)
    g_ptr_array_add (self->feedback, json_object_ref (g_ptr_array_index (request->feedback, i)));
}

/* --- reading ------------------------------------------------------------------------------- */

static int
compare_runs (gconstpointer a, gconstpointer b)
{
  const WireRun *left = *(const WireRun *const *) a;
  const WireRun *right = *(const WireRun *const *) b;
  int order = strcmp (left->dotted_order, right->dotted_order);

  return order != 0 ? order : strcmp (left->id, right->id);
}

typedef gboolean (*RunFilter) (WireRun *run, const char *id);

static GPtrArray *
dup_filtered (WireTree *self, RunFilter filter, const char *id)
{
  GPtrArray *runs = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer run;

  g_hash_table_iter_init (&iter, self->runs);
  while (g_hash_table_iter_next (&iter, NULL, &run))
    if (filter == NULL || filter (run, id))
      g_ptr_array_add (runs, run);
  g_ptr_array_sort (runs, compare_runs);

  return runs;
}

static gboolean
is_root (WireRun *run, const char *id G_GNUC_UNUSED)
{
  return run->parent_id == NULL;
}

static gboolean
is_pending (WireRun *run, const char *id G_GNUC_UNUSED)
{
  return run->end_us < 0;
}

static gboolean
is_child_of (WireRun *run, const char *id)
{
  return g_strcmp0 (run->parent_id, id) == 0;
}

GPtrArray *
wire_tree_dup_runs (WireTree *self)
{
  return dup_filtered (self, NULL, NULL);
}

GPtrArray *
wire_tree_dup_roots (WireTree *self)
{
  return dup_filtered (self, is_root, NULL);
}

GPtrArray *
wire_tree_dup_pending (WireTree *self)
{
  return dup_filtered (self, is_pending, NULL);
}

GPtrArray *
wire_tree_dup_children (WireTree *self, const char *id)
{
  return dup_filtered (self, is_child_of, id);
}

guint
wire_tree_get_n_runs (WireTree *self)
{
  return g_hash_table_size (self->runs);
}

guint
wire_tree_get_n_pending (WireTree *self)
{
  g_autoptr (GPtrArray) pending = wire_tree_dup_pending (self);

  return pending->len;
}

guint
wire_tree_get_n_feedback (WireTree *self)
{
  return self->feedback->len;
}

GPtrArray *
wire_tree_get_feedback (WireTree *self)
{
  return self->feedback;
}

WireRun *
wire_tree_find (WireTree *self, const char *name)
{
  g_autoptr (GPtrArray) runs = wire_tree_dup_runs (self);

  for (guint i = 0; i < runs->len; i++)
    {
      WireRun *run = g_ptr_array_index (runs, i);

      if (strcmp (run->name, name) == 0)
        return run;
    }

  return NULL;
}

WireRun *
wire_tree_lookup (WireTree *self, const char *id)
{
  return g_hash_table_lookup (self->runs, id);
}

WireRun *
wire_tree_get_root (WireTree *self)
{
  g_autoptr (GPtrArray) roots = wire_tree_dup_roots (self);

  return roots->len == 1 ? g_ptr_array_index (roots, 0) : NULL;
}

JsonNode *
wire_run_get (WireRun *run, const char *path)
{
  g_auto (GStrv) names = g_strsplit (path, ".", -1);
  JsonObject *object = run->run;
  JsonNode *node = NULL;

  for (guint i = 0; names[i] != NULL; i++)
    {
      if (object == NULL || !json_object_has_member (object, names[i]))
        return NULL;
      node = json_object_get_member (object, names[i]);
      object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
    }

  return node;
}

const char *
wire_run_get_string (WireRun *run, const char *path)
{
  JsonNode *node = wire_run_get (run, path);

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* --- checks -------------------------------------------------------------------------------- */

static gboolean
check_parent (WireTree *self, WireRun *run, GError **error)
{
  WireRun *parent = run->parent_id != NULL ? wire_tree_lookup (self, run->parent_id) : NULL;

  if (run->parent_id == NULL)
    return TRUE;

  if (parent == NULL)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_ORPHAN, "\"%s\" (%s): its parent %s never came",
                   run->name, run->id, run->parent_id);
      return FALSE;
    }

  /* Also makes a circle of parents impossible. */
  if (!g_str_has_prefix (run->dotted_order, parent->dotted_order) ||
      run->dotted_order[strlen (parent->dotted_order)] != '.')
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_ORPHAN,
                   "\"%s\" (%s): its dotted_order does not continue that of its parent \"%s\"",
                   run->name, run->id, parent->name);
      return FALSE;
    }

  return TRUE;
}

static gboolean
check_run (WireTree *self, WireRun *run, WireTreeChecks checks, GError **error)
{
  if ((checks & WIRE_TREE_CHECK_PARENTS) != 0 && !check_parent (self, run, error))
    return FALSE;

  if ((checks & WIRE_TREE_CHECK_POSTS) != 0 && run->n_posts > 1)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_POSTED_TWICE, "\"%s\" (%s) was posted %u times",
                   run->name, run->id, run->n_posts);
      return FALSE;
    }
  if ((checks & WIRE_TREE_CHECK_PATCHES) != 0 && run->n_patches > 1)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PATCHED_TWICE, "\"%s\" (%s) was patched %u times",
                   run->name, run->id, run->n_patches);
      return FALSE;
    }
  if ((checks & WIRE_TREE_CHECK_ENDED) != 0 && (run->n_posts == 0 || run->end_us < 0))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_INCOMPLETE, "\"%s\" (%s) was never %s", run->name,
                   run->id, run->n_posts == 0 ? "posted" : "ended");
      return FALSE;
    }

  return TRUE;
}

gboolean
wire_tree_check (WireTree *self, WireTreeChecks checks, GError **error)
{
  g_autoptr (GPtrArray) runs = wire_tree_dup_runs (self);

  for (guint i = 0; i < runs->len; i++)
    if (!check_run (self, g_ptr_array_index (runs, i), checks, error))
      return FALSE;

  return TRUE;
}

/* --- text ---------------------------------------------------------------------------------- */

static void
append_member (GString *out, WireRun *run, const char *name)
{
  JsonNode *node = wire_run_get (run, name);
  g_autofree char *text = node != NULL ? wire_json_canonical (node) : NULL;

  if (text != NULL)
    g_string_append_printf (out, " %s=%s", name, text);
}

/* @families: (element-type utf8 GPtrArray<WireRun>) id → its children in order */
static void
append_run (GHashTable *families, GString *out, WireRun *run, guint depth, WireTreeTextFlags flags)
{
  GPtrArray *children = g_hash_table_lookup (families, run->id);
  const char *status = wire_run_get_string (run, "error") != NULL ? "error"
                       : run->end_us < 0                          ? "pending"
                                                                  : "ok";

  g_string_append_printf (out, "%*s%s %s %s", (int) depth * 2, "", run->name, run->run_type,
                          status);
  if (run->parent_id != NULL && depth == 0)
    g_string_append (out, " (orphan)");
  if ((flags & WIRE_TREE_DURATIONS) != 0 && run->start_us >= 0 && run->end_us >= 0)
    g_string_append_printf (out, " %" G_GINT64_FORMAT "us", run->end_us - run->start_us);
  if ((flags & WIRE_TREE_INPUTS) != 0)
    append_member (out, run, "inputs");
  if ((flags & WIRE_TREE_OUTPUTS) != 0)
    append_member (out, run, "outputs");
  if ((flags & WIRE_TREE_ERRORS) != 0)
    append_member (out, run, "error");
  g_string_append_c (out, '\n');

  for (guint i = 0; children != NULL && i < children->len; i++)
    append_run (families, out, g_ptr_array_index (children, i), depth + 1, flags);
}

char *
wire_tree_to_string (WireTree *self, WireTreeTextFlags flags)
{
  GString *out = g_string_new (NULL);
  g_autoptr (GPtrArray) runs = wire_tree_dup_runs (self);
  g_autoptr (GHashTable) families =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);

  for (guint i = 0; i < runs->len; i++)
    {
      WireRun *run = g_ptr_array_index (runs, i);
      GPtrArray *children;

      if (run->parent_id == NULL)
        continue;
      children = g_hash_table_lookup (families, run->parent_id);
      if (children == NULL)
        {
          children = g_ptr_array_new ();
          g_hash_table_insert (families, run->parent_id, children);
        }
      g_ptr_array_add (children, run);
    }

  for (guint i = 0; i < runs->len; i++)
    {
      WireRun *run = g_ptr_array_index (runs, i);

      if (run->parent_id == NULL || wire_tree_lookup (self, run->parent_id) == NULL)
        append_run (families, out, run, 0, flags);
    }

  return g_string_free (out, FALSE);
}
