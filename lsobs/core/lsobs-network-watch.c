/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-descriptors-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-network-watch-private.h"

/* The watch creates a GNetworkMonitor of its own. The default monitor of the process belongs to
 * the context of the first thread that gets it; if that were the thread of the watch, the
 * program's monitor would stop working at the end of that thread. Monitors that need a message
 * bus are not used: the bus may be missing or hang, and its worker thread would stay. */
static const char *const with_bus[] = { "networkmanager", "portal" };

struct _LsobsNetworkWatch
{
  LsobsNetworkWatchFunc func;
  gpointer user_data;
  GMainContext *context; /* (owned) run by the thread */
  GMainLoop *loop;       /* (owned) */
  GThread *thread;       /* (owned) */
};

/* Called in the thread of the watch. */
static void
changed_cb (GNetworkMonitor *monitor, gboolean available, gpointer user_data)
{
  LsobsNetworkWatch *self = user_data;

  if (available)
    self->func (self->user_data);
}

static gboolean
needs_bus (GIOExtension *extension)
{
  for (guint i = 0; i < G_N_ELEMENTS (with_bus); i++)
    if (strcmp (g_io_extension_get_name (extension), with_bus[i]) == 0)
      return TRUE;
  return FALSE;
}

/* Returns: (transfer full) (nullable) */
static GNetworkMonitor *
new_monitor (void)
{
  GIOExtensionPoint *point = g_io_extension_point_lookup (G_NETWORK_MONITOR_EXTENSION_POINT_NAME);

  if (point == NULL)
    return NULL;
  for (GList *l = g_io_extension_point_get_extensions (point); l != NULL; l = l->next)
    {
      gpointer monitor;

      if (needs_bus (l->data))
        continue;
      monitor = g_initable_new (g_io_extension_get_type (l->data), NULL, NULL, NULL);
      if (monitor != NULL)
        return monitor;
    }
  return NULL;
}

static gpointer
thread_main (gpointer user_data)
{
  LsobsNetworkWatch *self = user_data;
  g_autoptr (GNetworkMonitor) monitor = NULL;
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, self->context);
  g_main_context_push_thread_default (self->context);
  monitor = new_monitor ();
  if (monitor != NULL)
    {
      gulong id = g_signal_connect (monitor, "network-changed", G_CALLBACK (changed_cb), self);

      g_main_loop_run (self->loop);
      g_signal_handler_disconnect (monitor, id);
      g_clear_object (&monitor);
    }
  g_main_context_pop_thread_default (self->context);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* Returns: (transfer full) (nullable): NULL if there is no thread or no descriptor for it */
LsobsNetworkWatch *
_lsobs_network_watch_new (LsobsNetworkWatchFunc func, gpointer user_data)
{
  LsobsNetworkWatch *self;

  if (!_lsobs_descriptors_are_spare ())
    return NULL;
  self = g_new0 (LsobsNetworkWatch, 1);
  self->func = func;
  self->user_data = user_data;
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = _lsobs_fork_guard_start_thread ("lsobs-network", thread_main, self, NULL);
  if (self->thread != NULL)
    return self;
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self);
  return NULL;
}

static gboolean
quit_cb (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

/* Waits for the thread to end. The function is not called afterwards. */
void
_lsobs_network_watch_free (LsobsNetworkWatch *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  LsobsForkGuard *guard;

  /* A source quits the loop even if the thread has not yet started to run it. */
  g_source_set_callback (source, quit_cb, self->loop, NULL);
  g_source_attach (source, self->context);
  /* Another thread may be forking: it waits for this thread, and the thread of the watch waits
   * for the fork. Let the fork go on. */
  guard = _lsobs_fork_guard_open ();
  g_thread_join (self->thread);
  _lsobs_fork_guard_close (guard);
  g_source_destroy (source);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self);
}
