/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/http/lsobs-client-private.h"
#include "lsobs/http/lsobs-drain-private.h"
#include "lsobs/http/lsobs-replay-private.h"
#include "lsobs/http/lsobs-run-lookup-private.h"
#include "lsobs/http/lsobs-service-check-private.h"
#include "lsobs/http/lsobs-upload-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/transport/lsobs-body-private.h"

/**
 * SECTION:lsobs-client
 * @title: LsobsClient
 * @short_description: sends batches to the service by HTTP
 *
 * The transport that speaks the ingestion protocol of LangSmith. An
 * #LsobsObserver makes its own; a program needs this class only to make an
 * #LsobsExporter by hand. A client belongs to the first exporter or observer it is given to, and
 * sends to #LsobsConfig:api-url alone: the replicas of a config are for an exporter or
 * observer that makes its clients itself.
 *
 * What the service answers decides:
 *
 * - 2xx: delivered. 409 as well, when an earlier attempt may have come through, or
 *   when it is about one run alone;
 * - no answer, 408, 425, 429, 499, 5xx but 501 and 505: the request is sent again,
 *   at most #LsobsConfig:max-attempts times and for two minutes in all, after a
 *   delay that doubles; all requests of a client wait together, and as long as the
 *   service asks with `Retry-After`, up to a minute;
 * - 400, 409, 413, 422 for several runs: each half of them is sent alone, until the
 *   one to blame stands alone. That one is lost; if it is too large, it is tried once
 *   more without its payloads;
 * - 401, 403, 429 with a used-up limit of the month, 404 of every endpoint: the
 *   request is lost, and sending pauses for a minute, then for two, up to ten;
 *   runs are still collected, and one request goes ahead when the pause is over;
 * - 429 with a used-up limit of the hour: the same pause, but not beyond the hour, and
 *   the request is kept;
 * - 3xx, 407, 511 and whatever does not come from the service (see below): the request
 *   is kept. Redirects are never followed;
 * - any other: the request is lost.
 *
 * An answer whose type is HTML, or which begins with `<`, is a page: it does not come from
 * the service, but from a proxy, a firewall, a sign-in portal, or another server at this
 * address. An answer that begins as JSON counts as JSON, whatever its type. A page means:
 *
 * |[
 * status                     meaning of a page
 * 2xx, 501, 505              never delivered: the request is kept
 * 404                        the next endpoint is tried; after the last one the request is
 *                            kept. If the endpoint has taken a request before, and the
 *                            service itself can be reached: as any other 4xx
 * 413                        as without a page; when a run alone cannot be made smaller: as
 *                            any other 4xx
 * 408, 425, 429, 499,        as without a page
 * other 5xx
 * any other 4xx              the request is kept; or if the service itself can be
 *                            reached, its runs are sent in halves
 * ]|
 *
 * The service counts as reachable if it has taken a request or answered `/info` since it
 * last gave no answer. When one run alone is refused, it is kept. If another request
 * succeeds right after that, the run is sent once more; if it is refused again, it is lost,
 * as %LSOBS_DROP_REASON_REJECTED.
 *
 * The body of a 401 or 403 decides what it means:
 *
 * |[
 * body                                     meaning
 * {"error":                                the key needs a workspace (403)
 *   "org_scoped_key_requires_workspace"}
 * any other JSON, other text, or nothing   the key is refused
 * a page                                   not the service: the request is kept
 * ]|
 *
 * A success that is empty, plain text, or JSON that breaks off is a success.
 *
 * A request that is kept, or whose attempts are used up, waits until the service is back;
 * see #LsobsExporter.
 *
 * Of an answer no more than 16 KiB are read.
 *
 * #LsobsConfig:ca-file says which authorities are trusted. The environment says which proxy
 * leads to a service on another machine; it is read when the client is made. `https_proxy`
 * or `http_proxy` is read first, then `all_proxy`; `no_proxy` exempts hosts. The same names
 * in capital letters come second. If none of them is set, the resolver of GIO is asked. A
 * proxy needs no scheme. When a certificate is not trusted, or a proxy cannot be used, the
 * service counts as one that cannot be reached. If the system has `TCP_USER_TIMEOUT`, a
 * connection whose peer acknowledges nothing for seven seconds is given up.
 *
 * What is lost is kept in #LsobsConfig:failed-traces-dir, if that is set;
 * lsobs_client_replay_async() sends it again. What is lost only because the service does not take
 * it now goes to #LsobsConfig:spool-dir, if there is a spool.
 *
 * With the first request, the client asks the service in the background what it can
 * do (`/info`), and no run ever waits for the answer: until it is there, and for all
 * that it does not say, a request holds at most 100 records and 20 MiB, and goes to
 * the multipart endpoint. What the service says is believed within bounds: 1 to 10000
 * records, 64 KiB to 100 MiB; the narrower limit counts, its own or the one of the
 * config. An answer that is of no use, or takes longer than five seconds, means as
 * much as none; the service is then asked again with a request that is sent a minute
 * later at the earliest.
 *
 * Feedback waits for that answer, for at most five seconds, and in a shutdown for half of
 * the time that is left; runs do not. It then goes in batches if the
 * service is known to be 0.8.10 or newer, and in requests of its own otherwise. A service
 * whose `instance_flags` have `ch_query_enabled` false and `sdb_query_enabled` true refuses
 * feedback without the id of its project. For such a service, the client looks the id up by
 * the name of the project (`/sessions`), after the run has been delivered, and remembers it.
 * As long as the service cannot be reached, feedback waits. When the service has said six
 * times, within about twelve seconds, that there is no such project, or does not tell, the
 * feedback is lost, counted by %LSOBS_DROP_REASON_REJECTED, and so is what comes for that
 * project within the next minute. lsobs_feedback_set_project_id() saves all of this. No more
 * feedback waits than #LsobsConfig:queue-capacity and #LsobsConfig:max-queue-bytes allow; the
 * oldest goes then.
 *
 * With %LSOBS_INGEST_MODE_AUTO, an endpoint that is missing (404), or that the service
 * does not want to be used, is given up for the next one: multipart, batch, single
 * runs. After ten minutes the first one gets another chance.
 *
 * With %LSOBS_COMPRESSION_AUTO, the bodies of multipart requests are compressed by what
 * the service offers, zstd before gzip; until it has said so, and below 1 KiB, they are
 * sent as they are, as is what would not become smaller. A kind that the config names
 * is used at once, for requests of every mode, whether it is offered or not. A batch is
 * compressed once: another attempt sends the same bytes. When a compressed request is
 * answered with 415 or 400, the same is sent once more as it is; with 415, or when the
 * service takes it then, nothing is compressed any more as long as the client lives.
 * Where compressed requests have been taken before, a 400 for several runs means that
 * one of them is to blame, as it does without compression.
 */

struct _LsobsClient
{
  GObject parent_instance;

  LsobsConfig *config;   /* (owned) (nullable) construct-only, until initialised */
  LsobsService *service; /* (owned) (nullable) once initialised */
  LsobsDrain *drain;     /* (owned) (nullable) used in the worker's context */
  int claimed;           /* (atomic) gboolean: an exporter has it */
};

typedef enum
{
  PROP_CONFIG = 1
} LsobsClientProperty;
static GParamSpec *props[PROP_CONFIG + 1] = { NULL };

static void lsobs_client_initable_init (GInitableIface *iface);
static void lsobs_client_transport_init (LsobsTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsClient,
                               lsobs_client,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, lsobs_client_initable_init)
                                   G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                          lsobs_client_transport_init))

static void
lsobs_client_send_async (LsobsTransport *transport,
                         LsobsBatch *batch,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  LsobsClient *self = LSOBS_CLIENT (transport);
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (self->service != NULL);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_client_send_async);
  _lsobs_upload_send_task (self->service, batch, task);
}

static gboolean
lsobs_client_send_finish (LsobsTransport *transport, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, transport), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_client_send_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static guint
lsobs_client_get_max_records (LsobsTransport *transport)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  g_return_val_if_fail (self->service != NULL, 1);

  return _lsobs_service_get_max_records (self->service);
}

static gsize
lsobs_client_get_max_bytes (LsobsTransport *transport)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  g_return_val_if_fail (self->service != NULL, 0);

  return _lsobs_service_get_max_bytes (self->service);
}

static gboolean
lsobs_client_takes_feedback (LsobsTransport *transport)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  g_return_val_if_fail (self->service != NULL, FALSE);

  return _lsobs_service_takes_feedback (self->service);
}

static void
lsobs_client_close (LsobsTransport *transport)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  g_return_if_fail (self->service != NULL);

  _lsobs_service_close (self->service);
}

static void
lsobs_client_set_deadline (LsobsTransport *transport, gint64 deadline)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  g_return_if_fail (self->service != NULL);

  _lsobs_service_set_deadline (self->service, deadline);
}

static void
lsobs_client_batch_lost (LsobsTransport *transport, LsobsBatch *batch, LsobsDropReason reason)
{
  LsobsService *service = LSOBS_CLIENT (transport)->service;

  g_return_if_fail (service != NULL);

  if (_lsobs_service_peek_settings (service)->values.failed_traces_dir != NULL)
    _lsobs_service_write_failed_trace (service, _lsobs_upload_new_failed_trace (service, batch),
                                       lsobs_batch_get_n_records (batch));
}

static gboolean
lsobs_client_drain (LsobsTransport *transport, gint64 deadline)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  g_return_val_if_fail (self->service != NULL, TRUE);

  return _lsobs_service_wait_written (self->service, deadline);
}

static gboolean
lsobs_client_init_config (GInitable *initable, GCancellable *cancellable, GError **error)
{
  LsobsClient *self = LSOBS_CLIENT (initable);
  g_autoptr (LsobsSettings) settings = NULL;

  g_return_val_if_fail (LSOBS_IS_CONFIG (self->config), FALSE);

  settings = _lsobs_settings_new (self->config, LSOBS_SETTINGS_FOR_HTTP, error);
  g_clear_object (&self->config);
  if (settings == NULL)
    return FALSE;
  self->service = _lsobs_service_new (settings);
  return TRUE;
}

static void
lsobs_client_finalize (GObject *object)
{
  LsobsClient *self = LSOBS_CLIENT (object);

  g_clear_object (&self->config);
  if (self->service != NULL)
    _lsobs_service_close (self->service);
  if (self->drain != NULL && !_lsobs_drain_is_forked (self->drain))
    _lsobs_drain_unref (self->drain);
  g_clear_pointer (&self->service, _lsobs_service_unref);

  G_OBJECT_CLASS (lsobs_client_parent_class)->finalize (object);
}

static void
lsobs_client_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  LsobsClient *self = LSOBS_CLIENT (object);

  switch ((LsobsClientProperty) prop_id)
    {
    case PROP_CONFIG:
      self->config = g_value_dup_object (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_client_initable_init (GInitableIface *iface)
{
  iface->init = lsobs_client_init_config;
}

static void
lsobs_client_transport_init (LsobsTransportInterface *iface)
{
  iface->send_async = lsobs_client_send_async;
  iface->send_finish = lsobs_client_send_finish;
  iface->get_max_records = lsobs_client_get_max_records;
  iface->get_max_bytes = lsobs_client_get_max_bytes;
  iface->close = lsobs_client_close;
  iface->set_deadline = lsobs_client_set_deadline;
  iface->batch_lost = lsobs_client_batch_lost;
  iface->drain = lsobs_client_drain;
  iface->takes_feedback = lsobs_client_takes_feedback;
}

/* --- what the pipeline asks of a client --- */

static gboolean
client_claim (LsobsTransport *transport, LsobsCounters *counters)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  g_return_val_if_fail (self->service != NULL, FALSE);

  if (!g_atomic_int_compare_and_exchange (&self->claimed, FALSE, TRUE))
    return FALSE;
  _lsobs_service_set_counters (self->service, counters);
  return TRUE;
}

static void
client_set_waker (LsobsTransport *transport, GSource *waker)
{
  _lsobs_service_set_waker (LSOBS_CLIENT (transport)->service, waker);
}

static gboolean
client_uses_descriptors (LsobsTransport *transport G_GNUC_UNUSED)
{
  return TRUE;
}

static char *
client_dup_problem (LsobsTransport *transport)
{
  return _lsobs_service_dup_problem (LSOBS_CLIENT (transport)->service);
}

static gboolean
client_may_move (LsobsTransport *transport G_GNUC_UNUSED)
{
  return TRUE;
}

static void
client_leave (LsobsTransport *transport)
{
  _lsobs_service_leave (LSOBS_CLIENT (transport)->service);
}

static gboolean
client_is_quiet (LsobsTransport *transport, gboolean gives_up)
{
  return _lsobs_service_is_quiet (LSOBS_CLIENT (transport)->service, gives_up);
}

static gboolean
client_is_remote (LsobsTransport *transport)
{
  return !_lsobs_service_peek_settings (LSOBS_CLIENT (transport)->service)->loopback;
}

static gint64
client_get_not_before (LsobsTransport *transport)
{
  return _lsobs_service_get_not_before (LSOBS_CLIENT (transport)->service);
}

static gboolean
client_is_known (LsobsTransport *transport)
{
  return _lsobs_service_is_known (LSOBS_CLIENT (transport)->service);
}

static void
client_await_known (LsobsTransport *transport)
{
  _lsobs_service_await_known (LSOBS_CLIENT (transport)->service);
}

static gboolean
client_needs_project_id (LsobsTransport *transport)
{
  return _lsobs_service_needs_project_id (LSOBS_CLIENT (transport)->service);
}

static LsobsProjectIds *
peek_project_ids (LsobsTransport *transport)
{
  return _lsobs_service_peek_project_ids (LSOBS_CLIENT (transport)->service);
}

static gboolean
client_peek_project_id (LsobsTransport *transport, const char *name, LsobsId *id)
{
  return _lsobs_project_ids_peek (peek_project_ids (transport), name, id);
}

static LsobsProjectIdState
client_ask_project_id (LsobsTransport *transport, const char *name)
{
  return _lsobs_project_ids_ask (peek_project_ids (transport), name);
}

static void
client_ask_again (LsobsTransport *transport, guint min_failures)
{
  _lsobs_project_ids_ask_again (peek_project_ids (transport), min_failures);
}

static guint
client_take_news (LsobsTransport *transport, gboolean *answered, GError **error)
{
  return _lsobs_project_ids_take_news (peek_project_ids (transport), answered, error);
}

static gboolean
client_may_spool (LsobsTransport *transport)
{
  return _lsobs_service_may_spool (LSOBS_CLIENT (transport)->service);
}

static gboolean
client_await_spool (LsobsTransport *transport, gint64 deadline)
{
  return _lsobs_service_await_spool (LSOBS_CLIENT (transport)->service, deadline);
}

static gboolean
client_spool (LsobsTransport *transport, LsobsBatch *batch, LsobsSpooledFunc func, gpointer data)
{
  LsobsService *service = LSOBS_CLIENT (transport)->service;

  _lsobs_service_spool (service, _lsobs_upload_new_failed_trace (service, batch),
                        lsobs_batch_get_n_records (batch), func, data);
  return TRUE;
}

static gboolean
client_begin_drain (LsobsTransport *transport, LsobsDrainedFunc func, gpointer data)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  if (self->drain == NULL || _lsobs_drain_is_forked (self->drain))
    self->drain = _lsobs_drain_new (_lsobs_service_peek_settings (self->service),
                                    _lsobs_service_peek_counters (self->service));
  _lsobs_drain_begin (self->drain, func, data);
  return TRUE;
}

static void
client_end_drain (LsobsTransport *transport, gint64 deadline)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  if (self->drain != NULL && !_lsobs_drain_is_forked (self->drain))
    _lsobs_drain_end (self->drain, deadline);
}

static const LsobsTransportVTable client_vtable = {
  .claim = client_claim,
  .dup_problem = client_dup_problem,
  .set_waker = client_set_waker,
  .uses_descriptors = client_uses_descriptors,
  .may_move = client_may_move,
  .leave = client_leave,
  .is_quiet = client_is_quiet,
  .is_remote = client_is_remote,
  .get_not_before = client_get_not_before,
  .measure_record = _lsobs_body_measure_record,
  .measure_records = _lsobs_body_measure,
  .measure_end = _lsobs_body_measure_end,
  .is_known = client_is_known,
  .await_known = client_await_known,
  .needs_project_id = client_needs_project_id,
  .peek_project_id = client_peek_project_id,
  .ask_project_id = client_ask_project_id,
  .ask_again = client_ask_again,
  .take_news = client_take_news,
  .may_spool = client_may_spool,
  .await_spool = client_await_spool,
  .spool = client_spool,
  .begin_drain = client_begin_drain,
  .end_drain = client_end_drain,
};

static void
lsobs_client_class_init (LsobsClientClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  _lsobs_transport_set_vtable (G_OBJECT_CLASS_TYPE (klass), &client_vtable);

  object_class->finalize = lsobs_client_finalize;
  object_class->set_property = lsobs_client_set_property;

  /**
   * LsobsClient:config:
   *
   * Where to send to. It is copied.
   *
   * Since: 0.1
   */
  props[PROP_CONFIG] =
      g_param_spec_object ("config", "", "", LSOBS_TYPE_CONFIG,
                           G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, G_N_ELEMENTS (props), props);
}

static void
lsobs_client_init (LsobsClient *self)
{
}

/* @settings: made with LSOBS_SETTINGS_FOR_HTTP
 * Returns: (transfer full) */
LsobsTransport *
_lsobs_client_new_for_settings (LsobsSettings *settings)
{
  LsobsClient *self = g_object_new (LSOBS_TYPE_CLIENT, NULL);

  self->service = _lsobs_service_new (settings);
  return LSOBS_TRANSPORT (self);
}

/**
 * lsobs_client_new:
 * @config: where to send to; it is copied
 * @error: return location for a #GError, or %NULL
 *
 * Makes a client for #LsobsConfig:api-url. It takes no notice of replicas, see
 * lsobs_config_add_replica(): for several places, make no client, and let the exporter
 * or the observer make them. Nothing is sent yet. Fails with
 * %LSOBS_ERROR_INVALID_CONFIG when a setting makes no sense, or when there is no key
 * for another machine.
 *
 * Returns: (transfer full): a client, or %NULL
 *
 * Since: 0.1
 */
LsobsClient *
lsobs_client_new (LsobsConfig *config, GError **error)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (config), NULL);

  return g_initable_new (LSOBS_TYPE_CLIENT, NULL, error, "config", config, NULL);
}

/**
 * lsobs_client_get_ingest_mode:
 * @self: a client
 *
 * Gets which endpoints are used at present. With %LSOBS_INGEST_MODE_AUTO in the
 * config this may change. May be called from any thread.
 *
 * Returns: one of the modes other than %LSOBS_INGEST_MODE_AUTO
 *
 * Since: 0.1
 */
LsobsIngestMode
lsobs_client_get_ingest_mode (LsobsClient *self)
{
  g_return_val_if_fail (LSOBS_IS_CLIENT (self), LSOBS_INGEST_MODE_MULTIPART);
  g_return_val_if_fail (self->service != NULL, LSOBS_INGEST_MODE_MULTIPART);

  return _lsobs_service_get_mode (self->service);
}

/**
 * lsobs_client_get_compression:
 * @self: a client
 *
 * Gets what requests are compressed with at present. With %LSOBS_COMPRESSION_AUTO in
 * the config that is nothing until the service has said what it takes; and it is
 * nothing again, for good, when the service refuses a compressed request. May be
 * called from any thread.
 *
 * Returns: one of the kinds other than %LSOBS_COMPRESSION_AUTO
 *
 * Since: 0.1
 */
LsobsCompression
lsobs_client_get_compression (LsobsClient *self)
{
  g_return_val_if_fail (LSOBS_IS_CLIENT (self), LSOBS_COMPRESSION_NONE);
  g_return_val_if_fail (self->service != NULL, LSOBS_COMPRESSION_NONE);

  return _lsobs_service_get_compression (self->service);
}

/**
 * lsobs_client_replay_async:
 * @self: a client
 * @directory: (nullable) (type filename): a directory of lost traces, or %NULL for the
 *   #LsobsConfig:failed-traces-dir of the config
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when every file was looked at
 * @user_data: data for @callback
 *
 * Sends what was kept of lost traces, with the address, the key and the retries of
 * this client: every regular file `trace_*.json` in @directory, the oldest one first.
 * What other clients of the service have kept is sent, too. A file is deleted when the
 * service has taken what is in it, or has had it already; it stays otherwise, and the
 * next one follows. When the service refuses a file of several records, or has had some of
 * them, its halves are sent alone, down to single records; the file stays if one of those is
 * refused. Nothing in a file says where it is sent to, but one of a spool is sent only with the
 * address, the workspace, the project and the key that it was written with. One that is no
 * lost request, or larger than 140 MiB, is left alone.
 *
 * Two replays of one directory, of several processes too, never send a file twice: each passes
 * over the file that the other one sends.
 *
 * When the service takes nothing at all, because of the key, a used-up limit or the
 * address, because it is not there, or because something else answers in its place, this
 * ends early, and can be called again later. A file that something in between refuses
 * stays; where the service has just taken another one, the next one follows.
 *
 * May be called from any thread, also while an exporter uses the client: it has
 * connections of its own. @callback runs in the thread-default main context of the
 * caller, where the requests are made; files are read and deleted in a thread of
 * lsobs. To cancel ends it between two files, or a request under way, whose file stays.
 *
 * |[<!-- language="C" -->
 * g_autoptr (LsobsClient) client = lsobs_client_new (config, &error);
 *
 * lsobs_client_replay_async (client, NULL, NULL, replayed_cb, NULL);
 * ]|
 *
 * Since: 0.1
 */
void
lsobs_client_replay_async (LsobsClient *self,
                           const char *directory,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  LsobsSettings *settings;

  g_return_if_fail (LSOBS_IS_CLIENT (self));
  g_return_if_fail (self->service != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  settings = _lsobs_service_peek_settings (self->service);
  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_client_replay_async);
  if (directory == NULL && settings->values.failed_traces_dir == NULL)
    g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                             _ ("No directory of lost traces: set the property failed-traces-dir"));
  else if (directory != NULL)
    _lsobs_replay_task (settings, NULL, directory, LSOBS_REPLAY_DIRECTORY, FALSE, NULL, task);
  else
    _lsobs_replay_task (settings, NULL, settings->values.failed_traces_dir, LSOBS_REPLAY_DIRECTORY,
                        TRUE, NULL, task);
}

/**
 * lsobs_client_replay_finish:
 * @self: a client
 * @result: what the callback was given
 * @n_delivered: (out) (optional): return location for how many files were delivered,
 *   and deleted
 * @n_failed: (out) (optional): return location for how many files were looked at, and
 *   stay
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_client_replay_async() began. Both numbers are right in any case.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG when there is no directory, with a code of
 * %G_IO_ERROR when it cannot be read (the one of the config may be missing), with
 * another code of %LSOBS_ERROR when the service takes nothing, or with
 * %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if every file was looked at
 *
 * Since: 0.1
 */
gboolean
lsobs_client_replay_finish (LsobsClient *self,
                            GAsyncResult *result,
                            guint *n_delivered,
                            guint *n_failed,
                            GError **error)
{
  guint delivered;
  guint failed;

  g_return_val_if_fail (LSOBS_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_client_replay_async), FALSE);

  _lsobs_replay_peek_counts (G_TASK (result), &delivered, &failed);
  if (n_delivered != NULL)
    *n_delivered = delivered;
  if (n_failed != NULL)
    *n_failed = failed;
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * lsobs_client_lookup_run_url_async:
 * @self: a client
 * @run_id: the id of a run, see lsobs_run_dup_id()
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the address is known
 * @user_data: data for @callback
 *
 * Asks the service where people see a run in their browser. The client of an observer is
 * the transport of its exporter, unless the program has given it another one:
 *
 * |[<!-- language="C" -->
 * LsobsTransport *client = lsobs_exporter_get_transport (lsobs_observer_get_exporter (observer));
 *
 * lsobs_client_lookup_run_url_async (LSOBS_CLIENT (client), run_id, NULL, found_cb, NULL);
 * ]|
 *
 * Flush first: the service cannot tell where a run is that it has not got. It has a run some
 * seconds after it was sent; until then, the question is repeated, up to eight times. No question
 * begins later than a minute after the call: if the service asks by `Retry-After` to wait longer
 * than that, the call fails at once, with what the service has said. The last question may take
 * #LsobsConfig:request-timeout.
 *
 * May be called from any thread, also while an exporter uses the client: it has
 * connections of its own. @callback runs in the thread-default main context of the
 * caller, where the requests are made.
 *
 * Since: 0.1
 */
void
lsobs_client_lookup_run_url_async (LsobsClient *self,
                                   const char *run_id,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  LsobsId id;

  g_return_if_fail (LSOBS_IS_CLIENT (self));
  g_return_if_fail (self->service != NULL);
  g_return_if_fail (run_id != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_client_lookup_run_url_async);
  if (_lsobs_id_parse_text (&id, run_id))
    _lsobs_run_lookup_task (_lsobs_service_peek_settings (self->service), run_id, task);
  else
    g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                             _ ("The id of a run must be a UUID"));
}

/**
 * lsobs_client_lookup_run_url_finish:
 * @self: a client
 * @result: what the callback was given
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_client_lookup_run_url_async() began. Only those who may see the project
 * can open the address.
 *
 * Fails with %LSOBS_ERROR_INVALID_RUN when the id is no UUID, with %LSOBS_ERROR_NOT_FOUND
 * when the service does not have the run, or has no such question; with another code of
 * %LSOBS_ERROR as an upload does; or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): the address of the run, or %NULL
 *
 * Since: 0.1
 */
char *
lsobs_client_lookup_run_url_finish (LsobsClient *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LSOBS_IS_CLIENT (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_client_lookup_run_url_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * lsobs_client_check_async:
 * @config: the settings to check
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when every place has answered, or has not
 * @user_data: data for @callback
 *
 * Asks #LsobsConfig:api-url, or each place of lsobs_config_add_replica(), whether it would
 * take runs. It is for a program that tells its user what is wrong before there is a trace,
 * such as at its start, or after a change of settings.
 *
 * Up to three requests go to each place, one after the other and each once, with the key, the
 * proxy and the certificates of the config, and within #LsobsConfig:request-timeout each:
 * `GET /info`, `GET /sessions` for the project, and `POST /runs/batch` without a run. They store
 * nothing. If the first one gets no answer, the others are left out.
 *
 * May be called from any thread. @callback runs in the thread-default main context of the
 * caller, where the requests are made. @config is copied.
 *
 * Since: 0.1
 */
void
lsobs_client_check_async (LsobsConfig *config,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  GPtrArray *destinations;
  GError *error = NULL;

  g_return_if_fail (LSOBS_IS_CONFIG (config));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (task, lsobs_client_check_async);
  destinations = _lsobs_settings_new_for_destinations (config, LSOBS_SETTINGS_FOR_HTTP, &error);
  if (destinations == NULL)
    g_task_return_error (task, error);
  else
    _lsobs_service_check_task (destinations, task);
}

/**
 * lsobs_client_check_finish:
 * @result: what the callback was given
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_client_check_async() began.
 *
 * The report is an array with one object for each place. No key and no password is in it.
 *
 * |[
 * [{"api_url": "https://api.smith.langchain.com",
 *   "project": "default",      // null: runs belong to an agent
 *   "has_key": true,
 *   "proxy": {"kind": "variable",        // or none, system, unusable
 *             "variable": "https_proxy", // that names it, or null
 *             "address": "http://proxy.example.com:3128"}, // or null
 *   "info": {"status": 200, "problem": null, "message": null,
 *            "certificate_refused": false,
 *            "clock_offset": 0,    // seconds that this machine is ahead, or null
 *            "version": "0.12.1",  // or null
 *            "max_records": 100, "max_bytes": 20971520}, // of one request
 *   "lookup": {"status": 200, "problem": null, "message": null,
 *              "found": true},     // whether the project exists
 *   "ingest": {"status": 202, "problem": null, "message": null}}]
 * ]|
 *
 * The last three are %NULL in JSON if there was no such request. `status` is that of HTTP, or 0
 * without an answer. `problem` is the nick of a code of #LsobsError, such as `unauthorized`,
 * `unreachable` or `foreign`, or `null` for success, and `message` says in the language of the user
 * what it is. `version` and the limits are there if `info` has no problem, and `found` if `lookup`
 * has none. An `ingest` that the service refuses for its content is a success: the key may write.
 * A program should accept other members and nicks.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG when a setting makes no sense, or when there is no key for
 * another machine, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): the report, or %NULL
 *
 * Since: 0.1
 */
JsonNode *
lsobs_client_check_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_client_check_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
