/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/once-service.h"

struct _OnceService
{
  GMutex lock;
  GHashTable *runs;  /* (owned) guarded by lock: from the id of a run to its name */
  GHashTable *ended; /* (owned) guarded by lock: a set of ids */
};

OnceService *
once_service_new (void)
{
  OnceService *self = g_new0 (OnceService, 1);

  g_mutex_init (&self->lock);
  self->runs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->ended = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  return self;
}

void
once_service_free (OnceService *self)
{
  g_hash_table_unref (self->runs);
  g_hash_table_unref (self->ended);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static gboolean
has_known_unlocked (OnceService *self, WireRequest *request)
{
  for (guint i = 0; i < request->ops->len; i++)
    {
      WireOp *op = g_ptr_array_index (request->ops, i);

      if (strcmp (op->op, "post") == 0 && g_hash_table_contains (self->runs, op->id))
        return TRUE;
    }

  return FALSE;
}

static void
add_runs_unlocked (OnceService *self, WireRequest *request)
{
  for (guint i = 0; i < request->ops->len; i++)
    {
      WireOp *op = g_ptr_array_index (request->ops, i);

      if (strcmp (op->op, "post") == 0)
        g_hash_table_insert (self->runs, g_strdup (op->id),
                             g_strdup (
                                 json_object_get_string_member_with_default (op->run, "name", "")));
      if (json_object_get_string_member_with_default (op->run, "end_time", NULL) != NULL)
        g_hash_table_add (self->ended, g_strdup (op->id));
    }
}

gboolean
once_service_answer_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  OnceService *self = data;

  if (request->wire == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  answer->status = has_known_unlocked (self, request->wire) ? 409 : 202;
  if (answer->status == 202)
    add_runs_unlocked (self, request->wire);
  g_mutex_unlock (&self->lock);

  return TRUE;
}

guint
once_service_count (OnceService *self)
{
  return once_service_count_named (self, "");
}

guint
once_service_count_named (OnceService *self, const char *prefix)
{
  GHashTableIter iter;
  gpointer name;
  guint n = 0;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->runs);
  while (g_hash_table_iter_next (&iter, NULL, &name))
    n += g_str_has_prefix (name, prefix);
  g_mutex_unlock (&self->lock);

  return n;
}

guint
once_service_count_ended (OnceService *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = g_hash_table_size (self->ended);
  g_mutex_unlock (&self->lock);

  return n;
}

void
once_service_add (OnceService *self, const char *id)
{
  g_mutex_lock (&self->lock);
  g_hash_table_insert (self->runs, g_strdup (id), g_strdup (""));
  g_mutex_unlock (&self->lock);
}

void
once_service_forget_all (OnceService *self)
{
  g_mutex_lock (&self->lock);
  g_hash_table_remove_all (self->runs);
  g_hash_table_remove_all (self->ended);
  g_mutex_unlock (&self->lock);
}
