/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/http/lsobs-project-id-private.h"
#include "lsobs/http/lsobs-route-private.h"
#include "lsobs/http/lsobs-service-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

/* How long a missing endpoint is believed to be missing, in µs. */
#define FALLBACK_TIME (10 * 60 * G_USEC_PER_SEC)

/* How long the service may take to say what it can do, in ms, how much of that is
 * read, and how long it is left in peace when there was no use in what it said, in µs. */
#define INFO_TIMEOUT 5000
#define MAX_INFO     (64 * 1024)
#define ASK_INTERVAL (60 * G_USEC_PER_SEC)

/* How long a question that was cancelled gets to end properly, in ms, and how many turns
 * of its context in any case: on a busy machine this thread may not run in that time. */
#define CLOSE_GRACE 100
#define CLOSE_TURNS 20

/* How many connections a session may have: the one in use, and those that the server has told us
 * to leave, which have not ended yet. */
#define MAX_CONNECTIONS 10

static LsobsIngestMode
get_first_mode (LsobsService *self)
{
  if (self->settings->ingest_mode != LSOBS_INGEST_MODE_AUTO)
    return self->settings->ingest_mode;
  return self->info.use_multipart ? LSOBS_INGEST_MODE_MULTIPART : LSOBS_INGEST_MODE_BATCH;
}

static LsobsCompression
get_best_compression (LsobsService *self)
{
  if (self->compression_refused)
    return LSOBS_COMPRESSION_NONE;
  if (self->settings->compression != LSOBS_COMPRESSION_AUTO)
    return self->settings->compression;
  if (self->info.takes_zstd && _lsobs_compression_is_built_in (LSOBS_COMPRESSION_ZSTD))
    return LSOBS_COMPRESSION_ZSTD;
  return self->info.takes_gzip ? LSOBS_COMPRESSION_GZIP : LSOBS_COMPRESSION_NONE;
}

/* The service has said what it can do. */
static void
learn (LsobsService *self)
{
  g_atomic_int_set (&self->compression, (int) get_best_compression (self));
  __atomic_store_n (&self->max_records, self->info.max_records, __ATOMIC_RELAXED);
  __atomic_store_n (&self->max_bytes, self->info.max_bytes, __ATOMIC_RELAXED);
  if (_lsobs_service_get_mode (self) == LSOBS_INGEST_MODE_MULTIPART)
    g_atomic_int_set (&self->mode, (int) get_first_mode (self));
}

LsobsService *
_lsobs_service_new (LsobsSettings *settings)
{
  LsobsService *self = g_new0 (LsobsService, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->settings = _lsobs_settings_ref (settings);
  self->counters = _lsobs_counters_new ();
  if (settings->credentials != NULL)
    _lsobs_credentials_enter (settings->credentials);
  self->epoch = _lsobs_fork_epoch ();
  self->mode = LSOBS_INGEST_MODE_MULTIPART;
  _lsobs_server_info_init (&self->info);
  learn (self);
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
  _lsobs_route_clear (&self->route);
  if (self->settings->credentials != NULL)
    _lsobs_credentials_leave (self->settings->credentials);
  _lsobs_key_wait_clear (&self->key_wait);
  g_clear_object (&self->hurry);
  g_clear_pointer (&self->project_ids, _lsobs_project_ids_free);
  g_clear_pointer (&self->waker, g_source_unref);
  if (self->dump != NULL && !_lsobs_dump_is_foreign (self->dump))
    _lsobs_dump_unref (self->dump);
  g_clear_pointer (&self->compressor, _lsobs_compressor_free);
  _lsobs_settings_unref (self->settings);
  _lsobs_counters_unref (self->counters);
  g_free (self);
}

/* Before anything is sent. */
void
_lsobs_service_set_counters (LsobsService *self, LsobsCounters *counters)
{
  _lsobs_counters_unref (self->counters);
  self->counters = _lsobs_counters_ref (counters);
}

/* A session belongs to the thread and the process that use it. After a fork it
 * is left alone, with all that is under way on it: its sockets are the parent's,
 * and to close them would end the parent's TLS sessions. */
static void
leave_parent (LsobsService *self)
{
  if (self->epoch == _lsobs_fork_epoch ())
    return;
  self->epoch = _lsobs_fork_epoch ();
  self->sessions = NULL;
  _lsobs_route_leave_parent (&self->route);
  self->not_before = 0;
  self->deadline = 0;
  self->last_chance = 0;
  self->hurry = NULL;
  self->asking = NULL;
  self->ask_after = 0;
  self->enough = 0;
  self->project_ids = NULL;
  self->key_wait.source = NULL;
  self->waker = NULL;
  /* It may be in the middle of something. */
  self->compressor = NULL;
}

/* Called first by all that sends. After a fork, it leaves the sessions to the parent. */
void
_lsobs_service_enter (LsobsService *self)
{
  leave_parent (self);
  if (self->sessions != NULL)
    return;
  if (_lsobs_fork_epoch () != 0)
    _lsobs_fork_revive_tasks ();
  self->sessions = _lsobs_session_pool_new ();
}

/* Returns: (transfer full): for one message. It has no other one. */
SoupSession *
_lsobs_service_get_session (LsobsService *self)
{
  SoupSession *session;

  _lsobs_service_enter (self);
  session = _lsobs_session_pool_peek_idle (self->sessions);
  if (session != NULL)
    {
      _lsobs_route_update (&self->route, session);
      return g_object_ref (session);
    }
  session = soup_session_new_with_options ("user-agent", "lsobs/" PACKAGE_VERSION,
                                           "max-conns-per-host", MAX_CONNECTIONS, NULL);
  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  _lsobs_session_pool_add (self->sessions, session);
  _lsobs_route_open (&self->route, self->settings, session);
  return session;
}

/* Returns: (transfer full): with the headers of every request. A message cannot be
 * sent twice. */
SoupMessage *
_lsobs_service_new_message (LsobsService *self, const char *method, const char *path)
{
  g_autofree char *url = g_strconcat (self->settings->api_url, "/", path, NULL);
  SoupMessage *message = soup_message_new (method, url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  /* Without the first flag, libsoup opens a connection for each POST. All of our
   * requests may be sent twice: the service knows records by their ids. */
  soup_message_add_flags (message, SOUP_MESSAGE_IDEMPOTENT | SOUP_MESSAGE_NO_REDIRECT);
  soup_message_headers_replace (headers, "Accept", "application/json");
  if (self->settings->credentials != NULL)
    _lsobs_credentials_add_to (self->settings->credentials, message);
  if (self->settings->workspace_id != NULL)
    soup_message_headers_replace (headers, "X-Tenant-Id", self->settings->workspace_id);
  return message;
}

/* Called before a question is sent that something waits for. While the key is fetched, the
 * state is pending, and the waker fires at the end of that. */
LsobsCredentialsState
_lsobs_service_need_key (LsobsService *self)
{
  return _lsobs_key_wait_need (&self->key_wait, self->settings->credentials, self->waker);
}

/* Whether the service itself has refused the key of a question (401).
 * @answer: (nullable): NULL when none came */
gboolean
_lsobs_service_refuses_key (LsobsService *self, SoupMessage *message, const char *answer)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (message);
  guint status = soup_message_get_status (message);

  return answer != NULL && status == SOUP_STATUS_UNAUTHORIZED &&
         _lsobs_delivery_policy_judge (status,
                                       soup_message_headers_get_one (headers, "Content-Type"),
                                       answer) == LSOBS_VERDICT_UNAUTHORIZED;
}

/* The question to the service that is under way. */
typedef struct
{
  LsobsService *service; /* (owned) */
  guint epoch;           /* the process that has asked */
  SoupMessage *message;  /* (owned) */
} Question;

/* Called in the context that the question was asked in. */
static void
answered_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree Question *question = user_data;
  g_autoptr (LsobsService) self = question->service;
  g_autoptr (SoupMessage) message = question->message;
  gsize len;
  g_autofree char *answer = _lsobs_route_exchange_finish (result, &len, NULL);

  /* In a forked child that runs its parent's context, the answer is the parent's. */
  if (question->epoch != _lsobs_fork_epoch ())
    return;
  g_clear_object (&self->asking);
  if (_lsobs_service_refuses_key (self, message, answer) && !self->info_refused &&
      _lsobs_key_wait_refuse (&self->key_wait, self->settings->credentials, message))
    {
      /* It is asked once more, with another key if there is one. */
      self->info_refused = TRUE;
      self->ask_after = 0;
    }
  else
    {
      self->info_settled = TRUE;
    }
  _lsobs_service_wake (self, 0);
  if (answer == NULL || soup_message_get_status (message) != SOUP_STATUS_OK ||
      !_lsobs_server_info_parse (&self->info, answer, len))
    {
      g_debug ("The service does not say what it can do (HTTP %u)",
               soup_message_get_status (message));
      return;
    }
  self->has_info = TRUE;
  self->doubted = FALSE;
  self->proven = TRUE;
  learn (self);
}

/* Asks the service what it can do, unless that is known, or was asked a moment ago.
 * Nobody waits for the answer, which comes in the thread-default context. */
void
_lsobs_service_ask (LsobsService *self)
{
  const LsobsExchangeLimits limits = { MIN (INFO_TIMEOUT, self->settings->request_timeout),
                                       INFO_TIMEOUT, MAX_INFO };
  gint64 now = g_get_monotonic_time ();
  Question *question;

  _lsobs_service_enter (self);
  if ((self->has_info && !self->doubted) || self->asking != NULL || now < self->ask_after)
    return;
  self->ask_after = now + ASK_INTERVAL;
  self->asking = g_cancellable_new ();
  question = g_new0 (Question, 1);
  question->service = _lsobs_service_ref (self);
  question->epoch = _lsobs_fork_epoch ();
  question->message = _lsobs_service_new_message (self, "GET", "info");
  _lsobs_route_exchange_async (self, question->message, NULL, NULL, &limits, self->asking,
                               answered_cb, question);
}

/* Something in between answers in place of the service. _lsobs_service_ask() asks once more
 * whether the service is there. */
void
_lsobs_service_doubt (LsobsService *self)
{
  self->doubted = TRUE;
  self->ask_after = 0;
}

/* Whether the service has said what it can do, or there is no use in waiting for that any
 * longer. */
gboolean
_lsobs_service_is_known (LsobsService *self)
{
  leave_parent (self);
  return self->has_info || self->info_settled ||
         (self->enough != 0 && g_get_monotonic_time () >= self->enough);
}

/* Has the waker fire when that is so. Called in the thread that sends, for all that wait
 * each time it has fired. */
void
_lsobs_service_await_known (LsobsService *self)
{
  if (self->asking == NULL && _lsobs_service_need_key (self) != LSOBS_CREDENTIALS_PENDING)
    _lsobs_service_ask (self);
  if (self->enough != 0)
    _lsobs_service_wake (self, self->enough);
}

/* Called once by each worker, before anything is sent.
 * @waker: a source of lsobs-flush-source-private.h */
void
_lsobs_service_set_waker (LsobsService *self, GSource *waker)
{
  leave_parent (self);
  g_clear_pointer (&self->waker, g_source_unref);
  self->waker = g_source_ref (waker);
}

/* @time: monotonic, µs; 0 for at once */
void
_lsobs_service_wake (LsobsService *self, gint64 time)
{
  if (self->waker != NULL)
    _lsobs_flush_source_arm (self->waker, time);
}

/* Returns: (transfer none) */
LsobsProjectIds *
_lsobs_service_peek_project_ids (LsobsService *self)
{
  leave_parent (self);
  if (self->project_ids == NULL)
    self->project_ids = _lsobs_project_ids_new (self);
  return self->project_ids;
}

static gboolean
wake_cb (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

static gboolean
has_question (LsobsService *self)
{
  return self->asking != NULL ||
         (self->project_ids != NULL && _lsobs_project_ids_stop (self->project_ids));
}

static gboolean
has_connection (LsobsService *self)
{
  return _lsobs_session_pool_has_open (self->sessions);
}

/* What was cancelled still has to end in its context. In one that only this thread runs, there
 * is no other time for it than now. */
static void
let_end (LsobsService *self, gboolean (*is_pending) (LsobsService *self))
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  gint64 deadline = g_get_monotonic_time () + CLOSE_GRACE * 1000;
  g_autoptr (GSource) alarm = NULL;
  gboolean in_time = TRUE;

  if (!g_main_context_is_owner (context) || g_main_depth () > 0)
    return;
  alarm = g_timeout_source_new (CLOSE_GRACE);
  g_source_set_callback (alarm, wake_cb, NULL, NULL);
  g_source_attach (alarm, context);
  for (guint n = 0; is_pending (self) && (in_time || n < CLOSE_TURNS); n++)
    {
      in_time = g_get_monotonic_time () < deadline;
      g_main_context_iteration (context, in_time);
    }
  g_source_destroy (alarm);
}

/* Lets go of connections; the next request makes new ones. */
void
_lsobs_service_close (LsobsService *self)
{
  leave_parent (self);
  _lsobs_key_wait_clear (&self->key_wait);
  if (self->settings->credentials != NULL)
    _lsobs_credentials_rest (self->settings->credentials);
  if (self->asking != NULL)
    g_cancellable_cancel (self->asking);
  if (has_question (self))
    let_end (self, has_question);
  if (self->sessions != NULL)
    {
      _lsobs_session_pool_abort (self->sessions);
      /* libsoup warns of a session that goes before its connections. */
      let_end (self, has_connection);
    }
  g_clear_pointer (&self->sessions, _lsobs_session_pool_free);
}

/* Called from any thread. */
LsobsIngestMode
_lsobs_service_get_mode (LsobsService *self)
{
  return (LsobsIngestMode) g_atomic_int_get (&self->mode);
}

/* Called from any thread. */
guint
_lsobs_service_get_max_records (LsobsService *self)
{
  if (_lsobs_service_get_mode (self) == LSOBS_INGEST_MODE_RUNS)
    return 1;
  return __atomic_load_n (&self->max_records, __ATOMIC_RELAXED);
}

/* Called from any thread. */
gsize
_lsobs_service_get_max_bytes (LsobsService *self)
{
  return __atomic_load_n (&self->max_bytes, __ATOMIC_RELAXED);
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

/* Whether feedback may be in one request with runs. Otherwise it goes to an endpoint of
 * its own, as long as the service has not said how old it is. Called in the thread that
 * sends. */
gboolean
_lsobs_service_takes_feedback (LsobsService *self)
{
  return _lsobs_service_get_mode (self) == LSOBS_INGEST_MODE_MULTIPART &&
         _lsobs_server_info_is_at_least (&self->info, 0, 8, 10);
}

/* The missing endpoint is given up for the one that is used from now on. FALSE at the
 * end. */
gboolean
_lsobs_service_fall_back (LsobsService *self, LsobsIngestMode missing)
{
  if (self->settings->ingest_mode != LSOBS_INGEST_MODE_AUTO)
    return FALSE;
  if (missing == LSOBS_INGEST_MODE_RUNS)
    {
      /* Not one of them is there: the address is wrong. Begin anew next time. */
      g_atomic_int_set (&self->mode, (int) get_first_mode (self));
      return FALSE;
    }
  /* Another request that was under way at the same time may have got further. */
  if (_lsobs_service_get_mode (self) != missing)
    return TRUE;
  g_atomic_int_set (&self->mode, missing == LSOBS_INGEST_MODE_MULTIPART ? LSOBS_INGEST_MODE_BATCH
                                                                        : LSOBS_INGEST_MODE_RUNS);
  self->fallback_until = g_get_monotonic_time () + FALLBACK_TIME;
  return TRUE;
}

/* Called from any thread. What the service offers, it offers for the multipart
 * endpoint; who forces it means every one.
 * Returns: one of the kinds other than LSOBS_COMPRESSION_AUTO */
LsobsCompression
_lsobs_service_get_compression (LsobsService *self)
{
  if (self->settings->compression == LSOBS_COMPRESSION_AUTO &&
      _lsobs_service_get_mode (self) != LSOBS_INGEST_MODE_MULTIPART)
    return LSOBS_COMPRESSION_NONE;
  return (LsobsCompression) g_atomic_int_get (&self->compression);
}

/* @kind: (out)
 * Returns: (transfer full): the body, compressed if that is of use */
GBytes *
_lsobs_service_compress (LsobsService *self, GBytes *body, LsobsCompression *kind)
{
  GBytes *compressed;

  *kind = _lsobs_service_get_compression (self);
  if (*kind == LSOBS_COMPRESSION_NONE)
    return g_bytes_ref (body);

  if (self->compressor == NULL)
    self->compressor = _lsobs_compressor_new (*kind, self->settings->compression_level);
  compressed = _lsobs_compressor_run (self->compressor, body);
  if (compressed != NULL)
    return compressed;
  *kind = LSOBS_COMPRESSION_NONE;
  return g_bytes_ref (body);
}

/* The service refuses what is compressed, whatever it has said. */
void
_lsobs_service_refuse_compression (LsobsService *self)
{
  if (self->compression_refused)
    return;
  self->compression_refused = TRUE;
  g_atomic_int_set (&self->compression, LSOBS_COMPRESSION_NONE);
  g_clear_pointer (&self->compressor, _lsobs_compressor_free);
  _lsobs_log_uncompressed (self->settings->label);
}

/* One for all: while one request has to wait, others would only be refused as well.
 * @until: monotonic, µs */
void
_lsobs_service_hold (LsobsService *self, gint64 until)
{
  if (self->deadline != 0)
    until = _lsobs_delivery_policy_before_end (until, g_get_monotonic_time (), self->deadline,
                                               &self->last_chance);
  self->not_before = MAX (self->not_before, until);
}

/* All sending ends at @deadline: who waits for longer tries again before. */
void
_lsobs_service_hurry (LsobsService *self, gint64 deadline)
{
  g_autoptr (GCancellable) hurry = NULL;
  gint64 now = g_get_monotonic_time ();
  gint64 not_before;

  leave_parent (self);
  hurry = g_steal_pointer (&self->hurry);
  not_before = self->not_before;
  self->deadline = deadline;
  self->not_before = 0;
  self->enough = now + MAX (deadline - now, 0) / 2;
  if (self->project_ids != NULL)
    _lsobs_project_ids_hurry (self->project_ids, self->enough);
  /* Not at once: what begins now may end before the flush that follows looks at it. */
  _lsobs_service_wake (self, self->enough);
  _lsobs_service_hold (self, not_before);
  if (hurry != NULL)
    g_cancellable_cancel (hurry);
}

/* Returns: (transfer none): is cancelled when it turns out that there is no time to
 * wait for as long as it seemed */
GCancellable *
_lsobs_service_peek_hurry (LsobsService *self)
{
  if (self->hurry == NULL)
    self->hurry = g_cancellable_new ();
  return self->hurry;
}

/* Takes @request over, and keeps it where the settings say. */
void
_lsobs_service_dump (LsobsService *self, LsobsLostRequest *request, guint n_records)
{
  LsobsDump *dump = g_atomic_pointer_get (&self->dump);

  /* That of a parent process is left alone. */
  if (dump == NULL || _lsobs_dump_is_foreign (dump))
    {
      dump = _lsobs_dump_new (self->settings->failed_traces_dir,
                              self->settings->failed_traces_max_bytes, self->counters);
      g_atomic_pointer_set (&self->dump, dump);
    }
  _lsobs_dump_take (dump, request, n_records);
}

/* Called from any thread. FALSE at the deadline. */
gboolean
_lsobs_service_wait_dumped (LsobsService *self, gint64 deadline)
{
  LsobsDump *dump = g_atomic_pointer_get (&self->dump);

  return dump == NULL || _lsobs_dump_is_foreign (dump) || _lsobs_dump_wait (dump, deadline);
}
