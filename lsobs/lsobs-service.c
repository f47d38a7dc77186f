/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-fork-private.h"
#include "lsobs/lsobs-service-private.h"

/* How long a missing endpoint is believed to be missing, in µs. */
#define FALLBACK_TIME (10 * 60 * G_USEC_PER_SEC)

static LsobsIngestMode
get_first_mode (LsobsService *self)
{
  return self->settings->ingest_mode == LSOBS_INGEST_MODE_AUTO ? LSOBS_INGEST_MODE_MULTIPART
                                                               : self->settings->ingest_mode;
}

LsobsService *
_lsobs_service_new (LsobsSettings *settings)
{
  LsobsService *self = g_new0 (LsobsService, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->settings = _lsobs_settings_ref (settings);
  self->counters = _lsobs_counters_new ();
  self->mode = (int) get_first_mode (self);
  return self;
}

LsobsService *
_lsobs_service_ref (LsobsService *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_service_unref (LsobsService *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_service_close (self);
  _lsobs_settings_unref (self->settings);
  _lsobs_counters_unref (self->counters);
  g_free (self);
}

/* Before anything is sent. */
void
_lsobs_service_set_counters (LsobsService  *self,
                             LsobsCounters *counters)
{
  _lsobs_counters_unref (self->counters);
  self->counters = _lsobs_counters_ref (counters);
}

/* A session belongs to the thread and the process that use it. After a fork it
 * is left alone: its sockets are the parent's, and to close them would end the
 * parent's TLS sessions.
 * Returns: (transfer none) */
SoupSession *
_lsobs_service_peek_session (LsobsService *self)
{
  if (self->session != NULL && self->epoch != _lsobs_fork_epoch ())
    {
      self->session = NULL;
      self->not_before = 0;
    }
  if (self->session == NULL)
    {
      if (_lsobs_fork_epoch () != 0)
        _lsobs_fork_revive_tasks ();
      self->session = soup_session_new_with_options (
          "user-agent", "lsobs/" PACKAGE_VERSION,
          "max-conns", (int) self->settings->max_in_flight,
          "max-conns-per-host", (int) self->settings->max_in_flight,
          NULL);
      soup_session_remove_feature_by_type (self->session, SOUP_TYPE_CONTENT_DECODER);
      /* No proxy leads to this machine; to ask for one takes a thread each time. */
      if (self->settings->loopback)
        soup_session_set_proxy_resolver (self->session, NULL);
      self->epoch = _lsobs_fork_epoch ();
    }
  return self->session;
}

/* Returns: (transfer full): with the headers of every request. A message cannot be
 * sent twice. */
SoupMessage *
_lsobs_service_new_message (LsobsService *self,
                            const char   *method,
                            const char   *path)
{
  g_autofree char *url = g_strconcat (self->settings->api_url, "/", path, NULL);
  SoupMessage *message = soup_message_new (method, url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  /* Without the first flag, libsoup opens a connection for each POST. All of our
   * requests may be sent twice: the service knows records by their ids. */
  soup_message_add_flags (message, SOUP_MESSAGE_IDEMPOTENT | SOUP_MESSAGE_NO_REDIRECT);
  soup_message_headers_replace (headers, "Accept", "application/json");
  if (self->settings->api_key != NULL)
    soup_message_headers_replace (headers, "x-api-key", self->settings->api_key);
  if (self->settings->workspace_id != NULL)
    soup_message_headers_replace (headers, "X-Tenant-Id", self->settings->workspace_id);
  return message;
}

/* Lets go of connections; the next request makes new ones. */
void
_lsobs_service_close (LsobsService *self)
{
  if (self->session != NULL && self->epoch == _lsobs_fork_epoch ())
    {
      soup_session_abort (self->session);
      g_object_unref (self->session);
    }
  self->session = NULL;
}

/* Called from any thread. */
LsobsIngestMode
_lsobs_service_get_mode (LsobsService *self)
{
  return (LsobsIngestMode) g_atomic_int_get (&self->mode);
}

/* The mode for a request that is about to be made. */
LsobsIngestMode
_lsobs_service_choose_mode (LsobsService *self)
{
  if (self->fallback_until != 0 && g_get_monotonic_time () >= self->fallback_until)
    {
      self->fallback_until = 0;
      g_atomic_int_set (&self->mode, (int) get_first_mode (self));
    }
  return _lsobs_service_get_mode (self);
}

/* The missing endpoint is given up for the next best one. FALSE at the end. */
gboolean
_lsobs_service_fall_back (LsobsService    *self,
                          LsobsIngestMode  missing)
{
  if (self->settings->ingest_mode != LSOBS_INGEST_MODE_AUTO)
    return FALSE;
  if (missing == LSOBS_INGEST_MODE_RUNS)
    {
      /* Not one of them is there: the address is wrong. Begin anew next time. */
      g_atomic_int_set (&self->mode, LSOBS_INGEST_MODE_MULTIPART);
      return FALSE;
    }
  g_atomic_int_set (&self->mode, missing == LSOBS_INGEST_MODE_MULTIPART ? LSOBS_INGEST_MODE_BATCH
                                                                        : LSOBS_INGEST_MODE_RUNS);
  self->fallback_until = g_get_monotonic_time () + FALLBACK_TIME;
  return TRUE;
}

/* One for all: while one request has to wait, others would only be refused as well.
 * @until: monotonic, µs */
void
_lsobs_service_hold (LsobsService *self,
                     gint64        until)
{
  self->not_before = MAX (self->not_before, until);
}
