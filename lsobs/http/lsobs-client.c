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
 * A client is the transport that uses the ingestion protocol of LangSmith. An #LsobsObserver
 * creates its own client; a program needs this class only to create an #LsobsExporter. A client
 * belongs to the first exporter or observer that it is given to. It sends only to
 * #LsobsConfig:api-url: replicas need an exporter or observer that creates its clients itself.
 *
 * The answer of the service decides what happens to a request:
 *
 * - 2xx: it is delivered. The same applies to 409, if an earlier attempt may have succeeded, or if
 *   the request has one run only;
 * - no answer, 408, 425, 429, 499, 5xx except 501 and 505: it is sent again, at most
 *   #LsobsConfig:max-attempts times and for two minutes in all, after a delay that doubles. All
 *   requests of a client wait together. They wait as long as `Retry-After` of the service says, for
 *   at most one minute;
 * - 400, 409, 413, 422 for several runs: each half of them is sent separately, until only the run
 *   that fails is left. That run is lost; if it is too large, it is tried once more without its
 *   payloads;
 * - 401, 403, 429 with a used-up monthly limit, 404 of all endpoints: it is lost, and sending is
 *   paused for one minute, then for two, up to ten. Records are still queued, and one request is
 *   sent first when the pause ends;
 * - 429 with a used-up hourly limit: the same pause, but not beyond the end of the hour, and it is
 *   kept;
 * - 3xx, 407, 511, and answers that are not from the service (see below): it is kept. Redirects are
 *   never followed;
 * - any other status: it is lost.
 *
 * An answer is a page if its type is HTML, or if it begins with `<`. A page is not from the
 * service, but from a proxy, a firewall, a sign-in portal, or another server at this address. An
 * answer that begins as JSON counts as JSON, with any type. A page means:
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
 * The service counts as reachable if it has accepted a request, or answered `/info`, since the last
 * request without an answer. A single run that is refused is kept. If another request succeeds
 * right after that, the run is sent once more. If it is refused again, it is lost, and counted by
 * %LSOBS_DROP_REASON_REJECTED.
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
 * A success status counts as a success even if its body is empty, plain text, or incomplete JSON.
 *
 * A request that is kept, or whose attempts are used up, is sent again when the service is back;
 * see #LsobsExporter.
 *
 * The client reads at most 16 KiB of an answer.
 *
 * #LsobsConfig:ca-file says which authorities are trusted. The environment at the time when the
 * client is created says which proxy is used for a service on another machine: `https_proxy` or
 * `http_proxy` is read first, then `all_proxy`; `no_proxy` has the hosts that need no proxy. The
 * same names in capital letters are read second. If none of them is set, the proxy resolver of GIO
 * decides. The address of a proxy needs no scheme. If a certificate is not trusted, or a proxy
 * cannot be used, the service counts as not reachable. If the system has `TCP_USER_TIMEOUT`, a
 * connection is closed when the peer acknowledges nothing for seven seconds.
 *
 * Batches that are lost are written to #LsobsConfig:failed-traces-dir, if that is set;
 * lsobs_client_replay_async() sends them again. If there is a spool, batches that the service does
 * not accept at the moment go to #LsobsConfig:spool-dir instead.
 *
 * With the first request, the client asks the service for its features (`/info`), in the
 * background. Runs never wait for the answer. Until it arrives, and for each value that it does not
 * have, a request has at most 100 records and 20 MiB, and goes to the multipart endpoint. The
 * client accepts values of the service from 1 to 10000 records, and from 64 KiB to 100 MiB. The
 * smaller one of the limits of the service and of the config applies. If the answer is not valid,
 * or takes longer than five seconds, the client asks again with a later request, after one minute
 * or more.
 *
 * Feedback waits for that answer for at most five seconds, and in a shutdown for half of the
 * remaining time; runs do not wait. If the service is known to be version 0.8.10 or newer, feedback
 * is sent in batches; otherwise, each feedback has its own request. A service whose
 * `instance_flags` have `ch_query_enabled` false and `sdb_query_enabled` true refuses feedback
 * without the id of its project. For such a service, the client looks up the id by the name of the
 * project (`/sessions`), after the run is delivered, and remembers it. While the service cannot be
 * reached, feedback waits. If the service has no such project, or does not answer the question, six
 * times within about twelve seconds, the feedback is lost, and counted by
 * %LSOBS_DROP_REASON_REJECTED; so is further feedback for that project within the next minute. To
 * avoid the lookup, call lsobs_feedback_set_project_id(). Feedback that waits is limited by
 * #LsobsConfig:queue-capacity and #LsobsConfig:max-queue-bytes; beyond these, the oldest one is
 * dropped.
 *
 * With %LSOBS_INGEST_MODE_AUTO, if an endpoint is missing (404), or if the service does not offer
 * it, the client uses the next one: multipart, batch, single runs. After ten minutes, it tries the
 * first one again.
 *
 * With %LSOBS_COMPRESSION_AUTO, the bodies of multipart requests are compressed with what the
 * service offers, zstd before gzip. Bodies are not compressed before the service has offered it, if
 * they have less than 1024 bytes, or if they would not become smaller. A kind of compression in the
 * config is used immediately, for requests of all modes, even if the service does not offer it. A
 * batch is compressed once: another attempt sends the same bytes. If the answer to a compressed
 * request is 415 or 400, the request is sent once more without compression. After 415, or if that
 * second request succeeds, the client never compresses again. If the service has accepted
 * compressed requests before, a 400 for several runs means that one of the runs is bad, as without
 * compression.
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
   * The settings. The client copies them.
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
 * @config: the settings; the client copies them
 * @error: return location for a #GError, or %NULL
 *
 * Creates a client for #LsobsConfig:api-url. It ignores the replicas of the config, see
 * lsobs_config_add_replica(): for replicas, let the exporter or the observer create its clients.
 * The function sends nothing. Fails with %LSOBS_ERROR_INVALID_CONFIG if a setting is not valid, or
 * if there is no API key for a service on another machine.
 *
 * Returns: (transfer full): a new client, or %NULL if it fails
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
 * Gets the endpoints that the client uses at the moment. With %LSOBS_INGEST_MODE_AUTO in the
 * config, they can change. Can be called from any thread.
 *
 * Returns: the mode, never %LSOBS_INGEST_MODE_AUTO
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
 * Gets the compression that the client uses at the moment. With %LSOBS_COMPRESSION_AUTO in the
 * config, it is %LSOBS_COMPRESSION_NONE until the service has offered a compression. After the
 * service has refused a compressed request, it is always %LSOBS_COMPRESSION_NONE. Can be called
 * from any thread.
 *
 * Returns: the kind of compression, never %LSOBS_COMPRESSION_AUTO
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
 * @directory: (nullable) (type filename): a directory with lost batches, or %NULL for the
 *   #LsobsConfig:failed-traces-dir of the config
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the replay ends
 * @user_data: data for @callback
 *
 * Sends lost batches again, with the address, the API key and the retries of this client: each
 * regular file `trace_*.json` in @directory, the oldest one first. Files of other clients of
 * LangSmith are sent, too. If the service accepts a file, or has its records already, the file is
 * deleted; otherwise, it stays, and the next file follows. If the service refuses a file of several
 * records, or has some of them already, its halves are sent separately, down to single records; if
 * one of these is refused, the file stays. A file does not have the address of a service. But a
 * file of a spool is sent only with the address, the workspace, the project and the API key that it
 * was written with. A file that is not a lost batch, or that is larger than 140 MiB, is skipped.
 *
 * Two replays of one directory, even in several processes, never send a file twice: each of them
 * skips the file that the other one sends.
 *
 * The replay ends early if the service accepts nothing, because of the API key, a used-up limit or
 * the address, if it cannot be reached, or if another server answers in its place. Call the
 * function again later then. If a proxy or firewall refuses a file, the file stays; the next file
 * follows if the service has just accepted another one.
 *
 * Can be called from any thread, even while an exporter uses the client: the replay has its own
 * connections. @callback runs in the thread-default main context of the caller, which also makes
 * the requests. A thread of lsobs reads and deletes the files. A cancellation ends the replay
 * between two files, or ends a request; the file of that request stays.
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
 * @result: the result that @callback of lsobs_client_replay_async() was called with
 * @n_delivered: (out) (optional): return location for the number of files that were delivered and
 *   deleted; it is always set
 * @n_failed: (out) (optional): return location for the number of files that were processed and
 *   stay; it is always set
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_client_replay_async().
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG if there is no directory, with a code of %G_IO_ERROR if it
 * cannot be read (the directory of the config may be missing), with another code of %LSOBS_ERROR if
 * the service accepts nothing, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if all files were processed
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
 * @callback: (scope async): called when the address is known, or the lookup has failed
 * @user_data: data for @callback
 *
 * Looks up the address of a run on the web pages of the service. The client of an observer is the
 * transport of its exporter, unless the program has set another transport:
 *
 * |[<!-- language="C" -->
 * LsobsTransport *client = lsobs_exporter_get_transport (lsobs_observer_get_exporter (observer));
 *
 * lsobs_client_lookup_run_url_async (LSOBS_CLIENT (client), run_id, NULL, found_cb, NULL);
 * ]|
 *
 * Flush first: the service must have the run. It takes the service some seconds until it finds a
 * new run; until then, the client repeats the request, up to eight times. No request starts later
 * than one minute after the call. If `Retry-After` of the service is longer than that, the call
 * fails immediately, with the error of the service. The last request may take
 * #LsobsConfig:request-timeout.
 *
 * Can be called from any thread, even while an exporter uses the client: the lookup has its own
 * connections. @callback runs in the thread-default main context of the caller, which also makes
 * the requests.
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
 * @result: the result that @callback of lsobs_client_lookup_run_url_async() was called with
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_client_lookup_run_url_async(). Only people who can see the project can open the
 * address.
 *
 * Fails with %LSOBS_ERROR_INVALID_RUN if the id is not a UUID; with %LSOBS_ERROR_NOT_FOUND if the
 * service does not have the run, or does not offer this lookup; with another code of %LSOBS_ERROR
 * as an upload does; or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): the address of the run, or %NULL if it fails
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
 * @config: the settings to check; they are copied
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when all services have answered, or have given no answer
 * @user_data: data for @callback
 *
 * Asks the service at #LsobsConfig:api-url, or each replica of lsobs_config_add_replica(), whether
 * it would accept runs. A program can call it to tell its user what is wrong before there is a
 * trace, for example when it starts, or when its settings change.
 *
 * The function makes at most three requests to each service, one after the other, without retries,
 * with the key, the proxy and the certificates of the config. The timeout of each request is
 * #LsobsConfig:request-timeout. The requests are `GET /info`, `GET /sessions` for the project, and
 * `POST /runs/batch` without a run. They store nothing. If the first one gets no answer, the others
 * are skipped.
 *
 * Can be called from any thread. @callback runs in the thread-default main context of the caller,
 * which also makes the requests.
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
 * @result: the result that @callback of lsobs_client_check_async() was called with
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_client_check_async().
 *
 * The report is an array with one object for each service. It has no key and no password.
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
 * The last three members are `null` if the request was not made. `status` is the HTTP status, or 0
 * without an answer. `problem` is the nick of a code of #LsobsError, such as `unauthorized`,
 * `unreachable` or `foreign`, or `null` for success. `message` describes the problem in the
 * language of the user. `info` has the version and the limits if it has no problem. `lookup` has
 * `found` if it has no problem. `ingest` succeeds if the service refuses only the content of the
 * request: the key may write. A program should accept other members and nicks.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG if a setting is not valid, or if there is no API key for a
 * service on another machine, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): the report, or %NULL if it fails
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
