/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "tests/lib/resolver-helpers.h"

typedef enum
{
  RESOLVER_HANGS,
  RESOLVER_ANSWERS,
  RESOLVER_FAILS
} ResolverState;

struct _TestResolver
{
  GResolver parent_instance;

  GResolver *before; /* (owned) the default before */
  GMutex lock;       /* guards the rest */
  GCond changed;
  ResolverState state;
  guint n_lookups;
};

G_DEFINE_FINAL_TYPE (TestResolver, test_resolver, G_TYPE_RESOLVER)

static void
free_addresses (gpointer addresses)
{
  g_resolver_free_addresses (addresses);
}

static GList *
look_up (GResolver *resolver,
         const char *name,
         GCancellable *cancellable G_GNUC_UNUSED,
         GError **error)
{
  TestResolver *self = TEST_RESOLVER (resolver);
  gboolean answers;

  g_mutex_lock (&self->lock);
  self->n_lookups++;
  while (self->state == RESOLVER_HANGS)
    g_cond_wait (&self->changed, &self->lock);
  answers = self->state == RESOLVER_ANSWERS;
  g_mutex_unlock (&self->lock);
  if (answers)
    return g_list_append (NULL, g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4));
  g_set_error (error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "Nobody knows “%s”", name);
  return NULL;
}

static GList *
look_up_with_flags (GResolver *resolver,
                    const char *name,
                    GResolverNameLookupFlags flags G_GNUC_UNUSED,
                    GCancellable *cancellable,
                    GError **error)
{
  return look_up (resolver, name, cancellable, error);
}

static void
look_up_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  GList *addresses = look_up (source, data, cancellable, &error);

  if (addresses != NULL)
    g_task_return_pointer (task, addresses, free_addresses);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
look_up_async (GResolver *resolver,
               const char *name,
               GCancellable *cancellable,
               GAsyncReadyCallback callback,
               gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, callback, user_data);

  g_task_set_task_data (task, g_strdup (name), g_free);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, look_up_thread);
}

/* The addresses are all of IPv4. */
static void
look_up_with_flags_async (GResolver *resolver,
                          const char *name,
                          GResolverNameLookupFlags flags,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = NULL;

  if (flags != G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY)
    {
      look_up_async (resolver, name, cancellable, callback, user_data);
      return;
    }
  task = g_task_new (resolver, cancellable, callback, user_data);
  g_task_return_new_error (task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND,
                           "“%s” has no address of IPv6", name);
}

static GList *
look_up_finish (GResolver *resolver G_GNUC_UNUSED, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
test_resolver_finalize (GObject *object)
{
  TestResolver *self = TEST_RESOLVER (object);

  g_object_unref (self->before);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  G_OBJECT_CLASS (test_resolver_parent_class)->finalize (object);
}

static void
test_resolver_class_init (TestResolverClass *klass)
{
  GResolverClass *resolver_class = G_RESOLVER_CLASS (klass);

  resolver_class->lookup_by_name = look_up;
  resolver_class->lookup_by_name_async = look_up_async;
  resolver_class->lookup_by_name_finish = look_up_finish;
  resolver_class->lookup_by_name_with_flags = look_up_with_flags;
  resolver_class->lookup_by_name_with_flags_async = look_up_with_flags_async;
  resolver_class->lookup_by_name_with_flags_finish = look_up_finish;
  G_OBJECT_CLASS (klass)->finalize = test_resolver_finalize;
}

static void
test_resolver_init (TestResolver *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
}

TestResolver *
test_resolver_install (void)
{
  TestResolver *self = g_object_new (TEST_TYPE_RESOLVER, NULL);

  self->before = g_resolver_get_default ();
  g_resolver_set_default (G_RESOLVER (self));
  return self;
}

static void
set_state (TestResolver *self, ResolverState state)
{
  g_mutex_lock (&self->lock);
  self->state = state;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

void
test_resolver_answer (TestResolver *self)
{
  set_state (self, RESOLVER_ANSWERS);
}

guint
test_resolver_get_n_lookups (TestResolver *self)
{
  guint n_lookups;

  g_mutex_lock (&self->lock);
  n_lookups = self->n_lookups;
  g_mutex_unlock (&self->lock);
  return n_lookups;
}

void
test_resolver_uninstall (TestResolver *self)
{
  g_resolver_set_default (self->before);
  set_state (self, RESOLVER_FAILS);
  g_object_unref (self);
}
