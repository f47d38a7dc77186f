/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-work-limit-private.h"
#include "lsobs/http/lsobs-wait-source-private.h"

/* The limits of _lsobs_wait_source_run(): a time, in ms, and a number of iterations that are
 * made in any case, because on a busy machine the thread may not run in that time. */
#define RUN_TIME   100
#define ITERATIONS 20

/* @name: a string literal
 * @ready_time: monotonic, µs, or -1 for never
 * Returns: (transfer full): not attached yet */
GSource *
_lsobs_wait_source_new (const char *name, gint64 ready_time)
{
  GSource *source = g_timeout_source_new (0);

  g_source_set_static_name (source, name);
  g_source_set_ready_time (source, ready_time);
  return source;
}

/* Ends the wait also when @cancellable is cancelled.
 * @cancellable: (nullable) */
void
_lsobs_wait_source_add_cancellable (GSource *source, GCancellable *cancellable)
{
  g_autoptr (GSource) child = NULL;

  if (cancellable == NULL)
    return;
  child = g_cancellable_source_new (cancellable);
  g_source_set_dummy_callback (child);
  g_source_add_child_source (source, child);
}

static gboolean
wake_cb (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

/* Runs the thread-default context while @is_pending, for a short time. Cancelled operations need
 * their context to end, and if only this thread runs it, it may not run again. Does nothing inside
 * a callback of a context, when another thread runs the context, or when the work limit of this
 * thread is over. */
void
_lsobs_wait_source_run (gboolean (*is_pending) (gpointer data), gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  gint64 deadline = g_get_monotonic_time () + RUN_TIME * 1000;
  g_autoptr (GSource) alarm = NULL;
  gboolean in_time = TRUE;

  if (!g_main_context_is_owner (context) || g_main_depth () > 0 || _lsobs_work_limit_is_over ())
    return;
  alarm = _lsobs_wait_source_new ("[lsobs] close", deadline);
  g_source_set_callback (alarm, wake_cb, NULL, NULL);
  g_source_attach (alarm, context);
  for (guint n = 0; is_pending (data) && (in_time || n < ITERATIONS); n++)
    {
      in_time = g_get_monotonic_time () < deadline;
      g_main_context_iteration (context, in_time);
    }
  g_source_destroy (alarm);
}
