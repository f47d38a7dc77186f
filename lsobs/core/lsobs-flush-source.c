/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-lock-private.h"

struct _LsobsFlushSource
{
  GSource parent_instance;

  GMutex lock;
  gint64 ready_time; /* guarded by lock: monotonic, µs; -1: not armed */
};

/* Called in the context the source is attached to. */
static gboolean
lsobs_flush_source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  LsobsFlushSource *self = (LsobsFlushSource *) source;

  /* Disarm before the callback drains the queue: the callback takes each record pushed before
   * this, and each later push arms the source again. */
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FLUSH_SOURCE);
  self->ready_time = -1;
  g_source_set_ready_time (source, -1);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FLUSH_SOURCE);

  return callback != NULL ? callback (user_data) : G_SOURCE_REMOVE;
}

static void
lsobs_flush_source_finalize (GSource *source)
{
  g_mutex_clear (&((LsobsFlushSource *) source)->lock);
}

static GSourceFuncs lsobs_flush_source_funcs = {
  .dispatch = lsobs_flush_source_dispatch,
  .finalize = lsobs_flush_source_finalize,
};

/* Returns: (transfer full): a source that is not armed */
GSource *
_lsobs_flush_source_new (void)
{
  GSource *source = g_source_new (&lsobs_flush_source_funcs, sizeof (LsobsFlushSource));
  LsobsFlushSource *self = (LsobsFlushSource *) source;

  g_mutex_init (&self->lock);
  self->ready_time = -1;
  g_source_set_static_name (source, "[lsobs] flush");
  return source;
}

/* Any thread may arm the source meanwhile. GLib does not look for that: it would wake no context for
 * a time that is set while the source gets one. */
void
_lsobs_flush_source_attach (GSource *source, GMainContext *context)
{
  LsobsFlushSource *self = (LsobsFlushSource *) source;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FLUSH_SOURCE);
  g_source_attach (source, context);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FLUSH_SOURCE);
}

/* Has the source fire at @ready_time, or at the time for which it is armed already if that is
 * earlier.
 * @ready_time: monotonic, µs; 0: at once */
void
_lsobs_flush_source_arm (GSource *source, gint64 ready_time)
{
  LsobsFlushSource *self = (LsobsFlushSource *) source;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_FLUSH_SOURCE);
  if (self->ready_time == -1 || ready_time < self->ready_time)
    {
      self->ready_time = ready_time;
      g_source_set_ready_time (source, ready_time);
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_FLUSH_SOURCE);
}

/* Asserts that this thread owns the context of the source. Several threads may run it, one after
 * the other.
 * @source: (nullable): without a source, and after its end, there is no context to assert */
void
_lsobs_flush_source_assert_context (GSource *source)
{
  g_assert (source == NULL || g_source_is_destroyed (source) ||
            g_main_context_is_owner (g_source_get_context (source)));
}
