/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/http/lsobs-client-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/pipeline/lsobs-destination-private.h"

static void
lane_free (LsobsDestination *self)
{
  _lsobs_settings_unref (self->settings);
  _lsobs_counters_unref (self->counters);
  g_clear_object (&self->transport);
  g_free (self);
}

/* An exporter of one place needs no other counters for the books of that place. */
static LsobsDestination *
lane_new (LsobsSettings *settings, LsobsCounters *counters, gboolean alone)
{
  LsobsDestination *self = g_new0 (LsobsDestination, 1);

  self->settings = _lsobs_settings_ref (settings);
  self->counters = alone ? _lsobs_counters_ref (counters) : _lsobs_counters_new ();
  return self;
}

static gboolean
claim_client (LsobsDestination *self, GError **error)
{
  if (!LSOBS_IS_CLIENT (self->transport) ||
      _lsobs_client_claim (LSOBS_CLIENT (self->transport), self->counters))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                       _ ("The client belongs to another exporter already"));
  return FALSE;
}

/* @transport: (nullable): the one place to write to, whatever @config says
 * Returns: (transfer full) (nullable) (element-type LsobsSettings) */
static GPtrArray *
get_places (LsobsConfig *config, LsobsTransport *transport, GError **error)
{
  g_autoptr (GPtrArray) places = NULL;
  LsobsSettings *settings;

  if (transport == NULL)
    return _lsobs_settings_new_for_places (config, LSOBS_SETTINGS_FOR_HTTP, error);
  settings = _lsobs_settings_new (config, LSOBS_SETTINGS_ANY, error);
  if (settings == NULL)
    return NULL;
  places = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_settings_unref);
  g_ptr_array_add (places, settings);
  return g_steal_pointer (&places);
}

/* @transport: (nullable): the one place to write to, whatever @config says
 * @counters: of what concerns no single place
 * Returns: (transfer full) (nullable) (element-type LsobsDestination): at least one */
GPtrArray *
_lsobs_destinations_new (LsobsConfig *config,
                         LsobsTransport *transport,
                         LsobsCounters *counters,
                         GError **error)
{
  g_autoptr (GPtrArray) lanes = g_ptr_array_new_with_free_func ((GDestroyNotify) lane_free);
  g_autoptr (GPtrArray) places = get_places (config, transport, error);

  if (places == NULL)
    return NULL;
  for (guint i = 0; i < places->len; i++)
    {
      LsobsDestination *lane = lane_new (g_ptr_array_index (places, i), counters, places->len == 1);

      g_ptr_array_add (lanes, lane);
      lane->transport = transport != NULL
                            ? g_object_ref (transport)
                            : LSOBS_TRANSPORT (_lsobs_client_new_for_settings (lane->settings));
      if (!claim_client (lane, error))
        return NULL;
    }
  return g_steal_pointer (&lanes);
}

/* Counts a record whose run belongs to another process. */
void
_lsobs_destination_refuse_foreign (LsobsDestination *self)
{
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_ENQUEUED, 1);
  _lsobs_counters_drop (self->counters, LSOBS_DROP_REASON_FORK, 1);
}

/* In a forked child: the parent's records are the parent's to send. Some thread of
 * it may have been in the middle of the books, so the loss is what the other numbers
 * leave over. */
void
_lsobs_destination_write_off_fork (LsobsDestination *self)
{
  g_autoptr (LsobsStats) stats = _lsobs_counters_snapshot (self->counters);
  guint64 settled =
      lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) + lsobs_stats_get_total_dropped (stats);
  guint64 enqueued = lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED);

  if (enqueued > settled)
    _lsobs_counters_drop (self->counters, LSOBS_DROP_REASON_FORK, (gsize) (enqueued - settled));
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED, 0);
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_QUEUED_BYTES, 0);
  _lsobs_counters_set (self->counters, LSOBS_COUNTER_IN_FLIGHT, 0);
}
