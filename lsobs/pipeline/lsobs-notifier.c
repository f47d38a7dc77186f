/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"

struct _LsobsNotifier
{
  gatomicrefcount ref_count;
  GWeakRef object;
  GMainContext *context; /* (owned) that of the thread that made the object */
  LsobsNotifierFunc func;
  guint epoch; /* the process that lock and context belong to */

  GMutex lock; /* guards all below */
  gboolean scheduled;
  guint64 n_delivered;
  guint64 n_lost;
};

LsobsNotifier *
_lsobs_notifier_new (GObject *object, LsobsNotifierFunc func)
{
  LsobsNotifier *self = g_new0 (LsobsNotifier, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_weak_ref_init (&self->object, object);
  self->context = g_main_context_ref_thread_default ();
  self->func = func;
  self->epoch = _lsobs_fork_epoch ();
  g_mutex_init (&self->lock);
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
  g_main_context_unref (self->context);
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
  self->scheduled = FALSE;
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

/* In a forked child, before the first post: forgets the numbers of the parent. */
void
_lsobs_notifier_renew (LsobsNotifier *self)
{
  g_mutex_init (&self->lock);
  self->scheduled = FALSE;
  self->n_delivered = 0;
  self->n_lost = 0;
  self->epoch = _lsobs_fork_epoch ();
}

/* Called from any thread. */
void
_lsobs_notifier_post (LsobsNotifier *self, guint64 n_delivered, guint64 n_lost)
{
  gboolean schedule;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_NOTIFIER);
  self->n_delivered += n_delivered;
  self->n_lost += n_lost;
  schedule = !self->scheduled;
  self->scheduled = TRUE;
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_NOTIFIER);

  if (schedule)
    {
      g_autoptr (GSource) source = g_idle_source_new ();

      g_source_set_static_name (source, "[lsobs] notification");
      g_source_set_priority (source, G_PRIORITY_DEFAULT);
      g_source_set_callback (source, deliver_cb, _lsobs_notifier_ref (self),
                             (GDestroyNotify) _lsobs_notifier_unref);
      g_source_attach (source, self->context);
    }
}
