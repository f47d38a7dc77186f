/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"

struct _LsobsFlushSource
{
  GSource parent_instance;

  GMutex lock;
  gint64 ready_time; /* guarded by lock: monotonic, µs; -1 for never */
};

/* Called in the context the source is attached to. */
static gboolean
lsobs_flush_source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  LsobsFlushSource *self = (LsobsFlushSource *) source;

  /* Disarm before draining, not after: what is pushed from now on arms the source
   * again, what was pushed before is drained by this very callback. */
  g_mutex_lock (&self->lock);
  self->ready_time = -1;
  g_source_set_ready_time (source, -1);
  g_mutex_unlock (&self->lock);

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

/* Fires at @ready_time (monotonic, µs; 0: at once) or when it was to fire already,
 * whatever is earlier. */
void
_lsobs_flush_source_arm (GSource *source, gint64 ready_time)
{
  LsobsFlushSource *self = (LsobsFlushSource *) source;

  g_mutex_lock (&self->lock);
  if (self->ready_time == -1 || ready_time < self->ready_time)
    {
      self->ready_time = ready_time;
      g_source_set_ready_time (source, ready_time);
    }
  g_mutex_unlock (&self->lock);
}
