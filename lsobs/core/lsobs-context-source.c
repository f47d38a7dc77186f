/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-context-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"

/* All but the constant members is used by the thread that iterates the outer context. */
typedef struct
{
  GSource parent_instance;

  gatomicrefcount n_holds;
  GMutex lock;         /* held while the source is destroyed, and while its poll set changes */
  GMainContext *inner; /* (owned) constant */
  guint epoch;         /* constant: the process that the inner context belongs to */
  GArray *polled;      /* (owned) (element-type GPollFD): in the poll set of the outer context;
                        * never grows while they are there, as that keeps their addresses */
  GArray *wanted;      /* (owned) (element-type GPollFD): what the inner context wants to poll */
  gint64 ready_time;   /* monotonic, µs; -1: none */
} LsobsContextSource;

static void
remove_polls_unlocked (LsobsContextSource *self)
{
  for (guint i = 0; i < self->polled->len; i++)
    g_source_remove_poll (&self->parent_instance, &g_array_index (self->polled, GPollFD, i));
  g_array_set_size (self->polled, 0);
}

/* Another thread may destroy the source at any time, which removes them, too. */
static void
remove_polls (LsobsContextSource *self)
{
  g_mutex_lock (&self->lock);
  if (!g_source_is_destroyed (&self->parent_instance))
    remove_polls_unlocked (self);
  g_mutex_unlock (&self->lock);
}

static gboolean
is_same_set (GArray *a, GArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    {
      const GPollFD *first = &g_array_index (a, GPollFD, i);
      const GPollFD *second = &g_array_index (b, GPollFD, i);

      if (first->fd != second->fd || first->events != second->events)
        return FALSE;
    }
  return TRUE;
}

/* A change of the poll set interrupts the next poll of the outer context: nothing changes unless
 * the inner one wants other descriptors. */
static void
renew_polls (LsobsContextSource *self)
{
  if (is_same_set (self->polled, self->wanted))
    return;
  g_mutex_lock (&self->lock);
  if (!g_source_is_destroyed (&self->parent_instance))
    {
      remove_polls_unlocked (self);
      g_array_append_vals (self->polled, self->wanted->data, self->wanted->len);
      for (guint i = 0; i < self->polled->len; i++)
        g_source_add_poll (&self->parent_instance, &g_array_index (self->polled, GPollFD, i));
    }
  g_mutex_unlock (&self->lock);
}

/* @timeout: (out): ms; -1 for no limit */
static void
query (LsobsContextSource *self, int priority, int *timeout)
{
  int n;

  while ((n = g_main_context_query (self->inner, priority, timeout,
                                    (GPollFD *) (gpointer) self->wanted->data,
                                    (int) self->wanted->len)) > (int) self->wanted->len)
    g_array_set_size (self->wanted, (guint) n);
  g_array_set_size (self->wanted, (guint) n);
}

static gboolean
lsobs_context_source_prepare (GSource *source, int *timeout)
{
  LsobsContextSource *self = (LsobsContextSource *) source;
  gboolean ready;
  int priority;

  *timeout = -1;
  self->ready_time = -1;
  /* What the inner context polls is the parent's. */
  if (self->epoch != _lsobs_fork_epoch ())
    {
      /* A thread of the parent may hold the lock; it is not here. */
      remove_polls_unlocked (self);
      return FALSE;
    }
  /* Another thread runs it, to its end. */
  if (!g_main_context_acquire (self->inner))
    {
      remove_polls (self);
      return FALSE;
    }
  ready = g_main_context_prepare (self->inner, &priority);
  query (self, priority, timeout);
  renew_polls (self);
  g_main_context_release (self->inner);
  if (*timeout >= 0)
    self->ready_time = g_source_get_time (source) + *timeout * G_GINT64_CONSTANT (1000);
  return ready || *timeout == 0;
}

static gboolean
lsobs_context_source_check (GSource *source)
{
  LsobsContextSource *self = (LsobsContextSource *) source;

  if (self->epoch != _lsobs_fork_epoch ())
    return FALSE;
  for (guint i = 0; i < self->polled->len; i++)
    if (g_array_index (self->polled, GPollFD, i).revents != 0)
      return TRUE;
  return self->ready_time >= 0 && g_source_get_time (source) >= self->ready_time;
}

static gboolean
lsobs_context_source_dispatch (GSource *source,
                               GSourceFunc callback G_GNUC_UNUSED,
                               gpointer user_data G_GNUC_UNUSED)
{
  LsobsContextSource *self = (LsobsContextSource *) source;

  if (self->epoch != _lsobs_fork_epoch () || !g_main_context_acquire (self->inner))
    return G_SOURCE_CONTINUE;
  g_main_context_push_thread_default (self->inner);
  g_main_context_iteration (self->inner, FALSE);
  g_main_context_pop_thread_default (self->inner);
  g_main_context_release (self->inner);
  return G_SOURCE_CONTINUE;
}

static void
lsobs_context_source_finalize (GSource *source)
{
  LsobsContextSource *self = (LsobsContextSource *) source;

  g_array_unref (self->polled);
  g_array_unref (self->wanted);
  g_main_context_unref (self->inner);
  g_mutex_clear (&self->lock);
}

static GSourceFuncs lsobs_context_source_funcs = {
  .prepare = lsobs_context_source_prepare,
  .check = lsobs_context_source_check,
  .dispatch = lsobs_context_source_dispatch,
  .finalize = lsobs_context_source_finalize,
};

/* Returns: (transfer full): for the outer context; held once */
GSource *
_lsobs_context_source_new (GMainContext *inner)
{
  GSource *source = g_source_new (&lsobs_context_source_funcs, sizeof (LsobsContextSource));
  LsobsContextSource *self = (LsobsContextSource *) source;

  g_atomic_ref_count_init (&self->n_holds);
  g_mutex_init (&self->lock);
  self->inner = g_main_context_ref (inner);
  self->epoch = _lsobs_fork_epoch ();
  self->polled = g_array_new (FALSE, FALSE, sizeof (GPollFD));
  self->wanted = g_array_new (FALSE, TRUE, sizeof (GPollFD));
  self->ready_time = -1;
  g_source_set_static_name (source, "[lsobs] context");
  /* A function of the program that the inner context calls may iterate the outer one. */
  g_source_set_can_recurse (source, TRUE);
  return source;
}

/* Returns: (transfer full): @source, for _lsobs_context_source_release() */
GSource *
_lsobs_context_source_hold (GSource *source)
{
  g_atomic_ref_count_inc (&((LsobsContextSource *) source)->n_holds);
  return g_source_ref (source);
}

/* @source: (transfer full) */
void
_lsobs_context_source_release (GSource *source)
{
  LsobsContextSource *self = (LsobsContextSource *) source;

  if (g_atomic_ref_count_dec (&self->n_holds))
    {
      g_mutex_lock (&self->lock);
      g_source_destroy (source);
      g_mutex_unlock (&self->lock);
    }
  g_source_unref (source);
}
