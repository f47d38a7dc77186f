/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-descriptors-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"

struct _LsobsNotifier
{
  gatomicrefcount ref_count;
  GWeakRef object;
  GMainContext *context; /* (owned) (nullable) that of the thread that made the object; NULL: the
                          * default one, which GLib makes when it is first used */
  LsobsNotifierFunc func;
  guint epoch; /* the process that lock and context belong to */

  GMutex lock;      /* guards all below */
  GSource *pending; /* (owned) (nullable) attached to the context */
  gboolean is_over; /* the object is gone */
  guint64 n_delivered;
  guint64 n_lost;
};

/* The object is disposed of. Called from any thread. Its context may not run any more: a source that waits
 * there must not stay. */
static void
gone_cb (gpointer user_data, GObject *object G_GNUC_UNUSED)
{
  g_autoptr (LsobsNotifier) self = user_data;
  g_autoptr (GSource) pending = NULL;

  if (self->epoch != _lsobs_fork_epoch ())
    return;
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NOTIFIER);
  self->is_over = TRUE;
  pending = g_steal_pointer (&self->pending);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NOTIFIER);
  if (pending != NULL)
    g_source_destroy (pending);
}

LsobsNotifier *
_lsobs_notifier_new (GObject *object, LsobsNotifierFunc func)
{
  LsobsNotifier *self = g_new0 (LsobsNotifier, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_weak_ref_init (&self->object, object);
  self->context = g_main_context_get_thread_default ();
  if (self->context != NULL)
    g_main_context_ref (self->context);
  self->func = func;
  self->epoch = _lsobs_fork_epoch ();
  g_mutex_init (&self->lock);
  g_object_weak_ref (object, gone_cb, _lsobs_notifier_ref (self));
  return self;
}

LsobsNotifier *
_lsobs_notifier_ref (LsobsNotifier *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_notifier_unref (LsobsNotifier *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_weak_ref_clear (&self->object);
  g_clear_pointer (&self->context, g_main_context_unref);
  if (self->epoch == _lsobs_fork_epoch ())
    g_mutex_clear (&self->lock);
  g_free (self);
}

/* Called in the context of the object. */
static gboolean
deliver_cb (gpointer user_data)
{
  LsobsNotifier *self = user_data;
  g_autoptr (GObject) object = NULL;
  guint64 n_delivered;
  guint64 n_lost;

  g_assert (g_main_context_is_owner (self->context));
  /* A forked child that runs its parent's context must not report its parent's numbers. */
  if (self->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NOTIFIER);
  g_clear_pointer (&self->pending, g_source_unref);
  n_delivered = self->n_delivered;
  n_lost = self->n_lost;
  self->n_delivered = 0;
  self->n_lost = 0;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NOTIFIER);

  object = g_weak_ref_get (&self->object);
  if (object != NULL)
    self->func (object, n_delivered, n_lost);
  return G_SOURCE_REMOVE;
}

/* In a forked child, before the first post: forgets the numbers of the parent. Several exporters may
 * share the notifier: the first call does it. */
void
_lsobs_notifier_renew (LsobsNotifier *self)
{
  _lsobs_fork_lock ();
  if (self->epoch != _lsobs_fork_epoch ())
    {
      g_mutex_init (&self->lock);
      self->pending = NULL;
      self->n_delivered = 0;
      self->n_lost = 0;
      self->epoch = _lsobs_fork_epoch ();
    }
  _lsobs_fork_unlock ();
}

/* Called from any thread. */
void
_lsobs_notifier_post (LsobsNotifier *self, guint64 n_delivered, guint64 n_lost)
{
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NOTIFIER);
  self->n_delivered += n_delivered;
  self->n_lost += n_lost;
  /* Without a descriptor for the default context, the next post tries again. */
  if (!self->is_over && self->pending == NULL &&
      (self->context != NULL || _lsobs_descriptors_are_spare ()))
    {
      self->pending = g_idle_source_new ();
      g_source_set_static_name (self->pending, "[lsobs] notification");
      g_source_set_priority (self->pending, G_PRIORITY_DEFAULT);
      g_source_set_callback (self->pending, deliver_cb, _lsobs_notifier_ref (self),
                             (GDestroyNotify) _lsobs_notifier_unref);
      g_source_attach (self->pending, self->context);
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NOTIFIER);
}
