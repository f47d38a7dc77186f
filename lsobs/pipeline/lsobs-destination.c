/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-client-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/pipeline/lsobs-destination-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

static void
destination_free (LsobsDestination *self)
{
  _lsobs_settings_unref (self->settings);
  _lsobs_counters_unref (self->counters);
  g_clear_object (&self->transport);
  g_free (self);
}

/* @counters: of the exporter; a single destination uses them itself
 * @alone: it is the only destination */
static LsobsDestination *
destination_new (LsobsSettings *settings, LsobsCounters *counters, gboolean alone)
{
  LsobsDestination *self = g_new0 (LsobsDestination, 1);

  self->settings = _lsobs_settings_ref (settings);
  self->epoch = _lsobs_fork_epoch ();
  self->counters = alone ? _lsobs_counters_ref (counters) : _lsobs_counters_new ();
  return self;
}

static gboolean
claim_transport (LsobsDestination *self, GError **error)
{
  if (_lsobs_transport_peek_vtable (self->transport)->claim (self->transport, self->counters))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                       _ ("The client belongs to another exporter already"));
  return FALSE;
}

/* @transport: (nullable): the only destination, instead of those of @config
 * Returns: (transfer full) (nullable) (element-type LsobsSettings): one for each destination */
static GPtrArray *
get_settings (LsobsConfig *config, LsobsTransport *transport, GError **error)
{
  g_autoptr (GPtrArray) all = NULL;
  LsobsSettings *settings;

  if (transport == NULL)
    return _lsobs_settings_new_for_destinations (config, LSOBS_SETTINGS_FOR_HTTP, error);
  settings = _lsobs_settings_new (config, LSOBS_SETTINGS_ANY, error);
  if (settings == NULL)
    return NULL;
  all = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_settings_unref);
  g_ptr_array_add (all, settings);
  return g_steal_pointer (&all);
}

/* @transport: (nullable): the only destination, instead of those of @config
 * @counters: of what concerns no single destination
 * Returns: (transfer full) (nullable) (element-type LsobsDestination): at least one */
GPtrArray *
_lsobs_destinations_new (LsobsConfig *config,
                         LsobsTransport *transport,
                         LsobsCounters *counters,
                         GError **error)
{
  g_autoptr (GPtrArray) destinations =
      g_ptr_array_new_with_free_func ((GDestroyNotify) destination_free);
  g_autoptr (GPtrArray) all = get_settings (config, transport, error);

  if (all == NULL)
    return NULL;
  for (guint i = 0; i < all->len; i++)
    {
      LsobsDestination *destination =
          destination_new (g_ptr_array_index (all, i), counters, all->len == 1);

      g_ptr_array_add (destinations, destination);
      destination->transport = transport != NULL
                                   ? g_object_ref (transport)
                                   : _lsobs_client_new_for_settings (destination->settings);
      if (!claim_transport (destination, error))
        return NULL;
    }
  return g_steal_pointer (&destinations);
}

/* Counts a record whose run belongs to another process. */
void
_lsobs_destination_refuse_forked (LsobsDestination *self)
{
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_ENQUEUED, 1);
  _lsobs_counters_drop (self->counters, LSOBS_DROP_REASON_FORK, 1);
}

/* In a forked child: counts the parent's records as lost here, because the parent sends them. A
 * thread of the parent may have been changing the counters at the fork, so that the number is what
 * the other counters leave. */
static void
write_off_unlocked (LsobsDestination *self)
{
  g_autoptr (LsobsStats) stats = _lsobs_counters_snapshot (self->counters);
  guint64 n_final = lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                    lsobs_stats_get (stats, LSOBS_COUNTER_SPOOLED) +
                    lsobs_stats_get_total_dropped (stats);
  guint64 enqueued = lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED);

  if (enqueued > n_final)
    _lsobs_counters_drop (self->counters, LSOBS_DROP_REASON_FORK, (gsize) (enqueued - n_final));
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED, 0);
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED_BYTES, 0);
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_IN_FLIGHT, 0);
}

/* The first call in each process does it. */
void
_lsobs_destination_write_off_fork (LsobsDestination *self)
{
  _lsobs_fork_lock ();
  if (self->epoch != _lsobs_fork_epoch ())
    write_off_unlocked (self);
  self->epoch = _lsobs_fork_epoch ();
  _lsobs_fork_unlock ();
}
