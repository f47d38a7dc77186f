/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/http/lsobs-service-private.h"
#include "lsobs/http/lsobs-wait-source-private.h"

/* How long a missing endpoint counts as missing, in µs. */
#define FALLBACK_TIME (10 * 60 * G_USEC_PER_SEC)

/* How long an answer to /info may take, in ms; how much of it is read, in bytes; and the time to
 * the next lookup after an answer that is of no use, in µs. */
#define INFO_TIMEOUT 5000
#define MAX_INFO     (64 * 1024)
#define ASK_INTERVAL (60 * G_USEC_PER_SEC)

/* How long /info waits for a connection that no upload uses, in µs. */
#define ASK_PATIENCE (G_USEC_PER_SEC / 2)

struct _LsobsService
{
  gatomicrefcount ref_count;
  LsobsSettings *settings; /* (owned) */
  LsobsCounters *counters; /* (owned) */
  int mode;                /* (atomic) LsobsIngestMode: used at present */
  int compression;         /* (atomic) LsobsCompression: used at present for multipart requests */
  int mixes_feedback;      /* (atomic) gboolean: multipart requests may hold feedback among runs */
  guint max_records;       /* (atomic) of a request */
  guint max_bytes;         /* (atomic) of a request, before it is compressed */
  LsobsSpoolWriter *failed_traces; /* (owned) (nullable) (atomic) */
  LsobsSpoolWriter *spool_writer;  /* (owned) (nullable) (atomic) */

  /* All fields below are used only in the context that sends. */
  guint epoch;                  /* the process that they belong to */
  LsobsRoute *route;            /* (owned) */
  LsobsLookups *lookups;        /* (owned) */
  LsobsProjectIds *project_ids; /* (owned) */

  /* what it can do */
  LsobsServerInfo info; /* assumed, until has_info */
  gboolean has_info;    /* the service has answered /info */
  gboolean info_asked;  /* /info was requested */
  gboolean key_refused; /* by the last answer to /info */
  GCancellable *asking; /* (owned) (nullable) of the request for /info under way */
  GSource *ask_alarm;   /* (owned) (nullable) asks at the end of ASK_PATIENCE */
  GSource *ask_idle;    /* (owned) (nullable) asks if there is a connection for it */
  gint64 ask_after;     /* monotonic, µs: /info is not requested earlier */
  gint64 known_at;      /* monotonic, µs: from then on nothing waits for /info; or 0 */

  /* whether it can be reached */
  gboolean reachable; /* the last answer came from the service itself */
  gboolean doubted;   /* /info is requested again */

  /* when requests may be sent */
  gint64 not_before;   /* monotonic, µs: nothing is sent earlier */
  gint64 deadline;     /* monotonic, µs: sending ends, or 0 */
  gint64 last_chance;  /* monotonic, µs: see _lsobs_delivery_policy_before_end() */
  GCancellable *waits; /* (owned) (nullable) ends the waits between attempts */

  /* how requests are sent */
  gint64 fallback_until;        /* monotonic, µs: then the best endpoint is tried again; or 0 */
  guint proven;                 /* bits: the endpoints that have accepted a request */
  LsobsCompressor *compressor;  /* (owned) (nullable) */
  gboolean compression_works;   /* the service has accepted a compressed request */
  gboolean compression_refused; /* the service has refused a compressed request */
  gboolean logged_left_out;     /* that attachments are left out */
  guint logged_missing;         /* bits of LsobsIngestMode: of missing endpoints */
  char *problem; /* (owned) (nullable) guarded by _lsobs_fork_lock(): of the last attempt */
};

static LsobsIngestMode
get_first_mode (LsobsService *self)
{
  if (self->settings->values.ingest_mode != LSOBS_INGEST_MODE_AUTO)
    return self->settings->values.ingest_mode;
  return self->info.use_multipart ? LSOBS_INGEST_MODE_MULTIPART : LSOBS_INGEST_MODE_BATCH;
}

static LsobsCompression
get_best_compression (LsobsService *self)
{
  if (self->compression_refused)
    return LSOBS_COMPRESSION_NONE;
  if (self->settings->values.compression != LSOBS_COMPRESSION_AUTO)
    return self->settings->values.compression;
  if (self->info.takes_zstd && _lsobs_compression_is_built_in (LSOBS_COMPRESSION_ZSTD))
    return LSOBS_COMPRESSION_ZSTD;
  return self->info.takes_gzip ? LSOBS_COMPRESSION_GZIP : LSOBS_COMPRESSION_NONE;
}

/* Applies the server info. */
static void
learn (LsobsService *self)
{
  g_atomic_int_set (&self->compression, (int) get_best_compression (self));
  g_atomic_int_set (&self->mixes_feedback, _lsobs_server_info_is_at_least (&self->info, 0, 8, 10));
  g_atomic_int_set (&self->max_records, self->info.max_records);
  g_atomic_int_set (&self->max_bytes, (guint) self->info.max_bytes);
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
  self->route = _lsobs_route_new (settings);
  self->lookups = _lsobs_lookups_new (settings, self->route);
  self->project_ids = _lsobs_project_ids_new (settings, self->lookups);
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
  if (self->settings->credentials != NULL)
    _lsobs_credentials_leave (self->settings->credentials);
  g_clear_object (&self->waits);
  g_free (self->problem);
  _lsobs_project_ids_unref (self->project_ids);
  _lsobs_lookups_unref (self->lookups);
  _lsobs_route_unref (self->route);
  if (self->failed_traces != NULL && !_lsobs_spool_writer_is_forked (self->failed_traces))
    _lsobs_spool_writer_unref (self->failed_traces);
  if (self->spool_writer != NULL && !_lsobs_spool_writer_is_forked (self->spool_writer))
    _lsobs_spool_writer_unref (self->spool_writer);
  g_clear_pointer (&self->compressor, _lsobs_compressor_free);
  _lsobs_settings_unref (self->settings);
  _lsobs_counters_unref (self->counters);
  g_free (self);
}

/* Remembers why the last attempt has failed. Called from any thread.
 * @problem: (nullable): NULL if it has not */
void
_lsobs_service_set_problem (LsobsService *self, const char *problem)
{
  g_autofree char *replaced = NULL;
  char *copy = g_strdup (problem);

  _lsobs_fork_lock ();
  replaced = self->problem;
  self->problem = copy;
  _lsobs_fork_unlock ();
}

/* Called from any thread.
 * Returns: (transfer full) (nullable): why the last attempt has failed */
char *
_lsobs_service_dup_problem (LsobsService *self)
{
  char *problem;

  _lsobs_fork_lock ();
  problem = g_strdup (self->problem);
  _lsobs_fork_unlock ();
  return problem;
}

/* Called before anything is sent. */
void
_lsobs_service_set_counters (LsobsService *self, LsobsCounters *counters)
{
  _lsobs_counters_unref (self->counters);
  self->counters = _lsobs_counters_ref (counters);
}

/* Called from any thread.
 * Returns: (transfer none) */
LsobsSettings *
_lsobs_service_peek_settings (LsobsService *self)
{
  return self->settings;
}

/* Called from any thread.
 * Returns: (transfer none) */
LsobsCounters *
_lsobs_service_peek_counters (LsobsService *self)
{
  return self->counters;
}

/* After a fork, the child leaves everything that is under way to the parent. */
static void
leave_parent (LsobsService *self)
{
  if (self->epoch == _lsobs_fork_epoch ())
    return;
  self->epoch = _lsobs_fork_epoch ();
  _lsobs_lookups_leave_parent (self->lookups);
  self->project_ids = _lsobs_project_ids_new (self->settings, self->lookups);
  self->not_before = 0;
  self->deadline = 0;
  self->last_chance = 0;
  self->waits = NULL;
  self->asking = NULL;
  self->ask_alarm = NULL;
  self->ask_idle = NULL;
  self->ask_after = 0;
  self->known_at = 0;
  /* The parent may have been compressing. */
  self->compressor = NULL;
}

/* Asserts that this thread owns the context of the worker, if there is a worker in this process. */
void
_lsobs_service_assert_context (LsobsService *self)
{
  if (self->epoch == _lsobs_fork_epoch ())
    _lsobs_lookups_assert_context (self->lookups);
}

/* Called before anything is sent. */
void
_lsobs_service_enter (LsobsService *self)
{
  leave_parent (self);
  _lsobs_service_assert_context (self);
  _lsobs_route_enter (self->route);
}

/* Called from any thread.
 * Returns: (transfer none) */
LsobsRoute *
_lsobs_service_peek_route (LsobsService *self)
{
  return self->route;
}

/* Returns: (transfer none) */
LsobsProjectIds *
_lsobs_service_peek_project_ids (LsobsService *self)
{
  leave_parent (self);
  _lsobs_service_assert_context (self);
  return self->project_ids;
}

static void
destroy_source (GSource *source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

/* /info waits for no connection any more. The sources hold references. */
static void
clear_ask_sources (LsobsService *self)
{
  g_clear_pointer (&self->ask_alarm, destroy_source);
  g_clear_pointer (&self->ask_idle, destroy_source);
}

static gboolean
has_lookup (gpointer data)
{
  LsobsService *self = data;

  gboolean has_ids_lookup = _lsobs_project_ids_stop (self->project_ids);

  return self->asking != NULL || has_ids_lookup;
}

/* Cancels all lookups and closes all connections. The next request opens new ones. */
void
_lsobs_service_close (LsobsService *self)
{
  leave_parent (self);
  _lsobs_service_assert_context (self);
  _lsobs_lookups_close (self->lookups);
  if (self->settings->credentials != NULL)
    _lsobs_credentials_rest (self->settings->credentials);
  clear_ask_sources (self);
  if (self->asking != NULL)
    g_cancellable_cancel (self->asking);
  if (has_lookup (self))
    _lsobs_wait_source_run (has_lookup, self);
  _lsobs_route_close (self->route);
}

/* As _lsobs_route_is_quiet(). */
gboolean
_lsobs_service_is_quiet (LsobsService *self, gboolean gives_up)
{
  _lsobs_service_assert_context (self);
  return _lsobs_route_is_quiet (self->route, gives_up);
}

/* --- what it can do --- */

/* Called in the context that the lookup was started in. */
static void
answered_cb (const LsobsLookupAnswer *answer, gpointer user_data)
{
  LsobsService *self = user_data;

  _lsobs_service_assert_context (self);
  g_clear_object (&self->asking);
  if (_lsobs_lookup_answer_refuses_key (answer) && !self->key_refused &&
      _lsobs_lookups_refuse_key (self->lookups, answer))
    {
      /* The lookup is repeated, with another key if there is one. */
      self->key_refused = TRUE;
      self->ask_after = 0;
    }
  else
    {
      self->info_asked = TRUE;
    }
  _lsobs_lookups_wake (self->lookups, 0);
  if (answer->text == NULL || answer->status != SOUP_STATUS_OK ||
      !_lsobs_server_info_parse (&self->info, answer->text, answer->len))
    {
      g_debug ("The service does not say what it can do (HTTP %u)", answer->status);
      return;
    }
  self->has_info = TRUE;
  self->doubted = FALSE;
  self->reachable = TRUE;
  learn (self);
}

/* Whether it is unknown what the service can do, and it was not asked a moment ago. */
static gboolean
needs_info (LsobsService *self)
{
  return (!self->has_info || self->doubted) && self->asking == NULL &&
         g_get_monotonic_time () >= self->ask_after;
}

/* Asks the service what it can do (/info), unless that is known or was asked a moment ago. The
 * answer comes in the thread-default context. */
static void
ask (LsobsService *self)
{
  const LsobsExchangeLimits limits = {
    .timeout = MIN (INFO_TIMEOUT, self->settings->values.request_timeout),
    .tail = INFO_TIMEOUT,
    .max_answer = MAX_INFO,
  };

  _lsobs_service_enter (self);
  _lsobs_service_assert_context (self);
  clear_ask_sources (self);
  if (!needs_info (self))
    return;
  self->ask_after = g_get_monotonic_time () + ASK_INTERVAL;
  self->asking = g_cancellable_new ();
  _lsobs_lookups_start (self->lookups, "info", &limits, self->asking, answered_cb,
                        _lsobs_service_ref (self), (GDestroyNotify) _lsobs_service_unref);
}

typedef struct
{
  LsobsService *service; /* (owned) */
  GMainContext *context; /* (owned) that the answer comes in */
  guint epoch;           /* the process that asks */
  gboolean needs_idle;   /* asks only if there is a session without a message */
} AskData;

static void
ask_data_free (gpointer user_data)
{
  AskData *data = user_data;

  _lsobs_service_unref (data->service);
  g_main_context_unref (data->context);
  g_free (data);
}

/* Called in the context that the answer comes in. */
static gboolean
ask_cb (gpointer user_data)
{
  AskData *data = user_data;
  LsobsService *self = data->service;

  /* In a forked child that runs its parent's context, the parent asks. */
  if (data->epoch != _lsobs_fork_epoch ())
    return G_SOURCE_REMOVE;
  g_assert (g_main_context_is_owner (data->context));
  /* The alarm, or the end of the next upload, follows. */
  if (data->needs_idle && !_lsobs_route_has_idle (self->route))
    {
      g_clear_pointer (&self->ask_idle, g_source_unref);
      return G_SOURCE_REMOVE;
    }
  /* The service wants to be left alone: the next upload follows. */
  if (g_get_monotonic_time () < self->not_before)
    {
      clear_ask_sources (self);
      return G_SOURCE_REMOVE;
    }
  /* While a custom context runs, it is not always the thread-default one. */
  g_main_context_push_thread_default (data->context);
  ask (self);
  g_main_context_pop_thread_default (data->context);
  return G_SOURCE_REMOVE;
}

/* @context: that the answer comes in
 * Returns: (transfer full): a source that calls ask_cb() */
static GSource *
attach_ask (LsobsService *self, GMainContext *context, int priority, gint64 ready_time)
{
  GSource *source = _lsobs_wait_source_new ("[lsobs] info", ready_time);
  AskData *data = g_new (AskData, 1);

  *data = (AskData){
    .service = _lsobs_service_ref (self),
    .context = g_main_context_ref (context),
    .epoch = self->epoch,
    .needs_idle = ready_time == 0,
  };
  g_source_set_priority (source, priority);
  g_source_set_callback (source, ask_cb, data, ask_data_free);
  g_source_attach (source, context);
  return source;
}

/* An upload has begun. If it is not known what the service can do, /info is asked when a connection
 * has nothing else to do, at the latest after ASK_PATIENCE: then it gets a connection of its own, so
 * that nothing waits for its answer. The answer comes in the thread-default context. */
void
_lsobs_service_begin_upload (LsobsService *self)
{
  g_autoptr (GMainContext) context = NULL;

  _lsobs_service_enter (self);
  _lsobs_service_assert_context (self);
  if (self->ask_alarm != NULL || !needs_info (self))
    return;
  context = g_main_context_ref_thread_default ();
  self->ask_alarm =
      attach_ask (self, context, G_PRIORITY_DEFAULT, g_get_monotonic_time () + ASK_PATIENCE);
}

/* An upload has ended. If it got an answer, its connection may have nothing else to do: that is seen
 * when all that is ready has run, as the next upload begins first. Otherwise /info would get no answer
 * either, and is asked after the next upload. */
void
_lsobs_service_end_upload (LsobsService *self, gboolean answered)
{
  _lsobs_service_assert_context (self);
  if (!answered)
    clear_ask_sources (self);
  else if (self->ask_alarm != NULL && self->ask_idle == NULL)
    self->ask_idle =
        attach_ask (self, g_source_get_context (self->ask_alarm), G_PRIORITY_DEFAULT_IDLE, 0);
}

/* Whether there is nothing to wait for: /info was answered, or the time for that is over. */
gboolean
_lsobs_service_is_known (LsobsService *self)
{
  leave_parent (self);
  _lsobs_service_assert_context (self);
  return self->has_info || self->info_asked ||
         (self->known_at != 0 && g_get_monotonic_time () >= self->known_at);
}

/* Has the worker woken when _lsobs_service_is_known() may have become true. Called again each time
 * the worker was woken. */
void
_lsobs_service_await_known (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  if (self->asking == NULL && _lsobs_lookups_need_key (self->lookups) != LSOBS_CREDENTIALS_PENDING)
    ask (self);
  if (self->known_at != 0)
    _lsobs_lookups_wake (self->lookups, self->known_at);
}

/* Called once by each worker, before anything is sent.
 * @waker: a source of lsobs-flush-source-private.h */
void
_lsobs_service_set_waker (LsobsService *self, GSource *waker)
{
  leave_parent (self);
  _lsobs_lookups_set_waker (self->lookups, waker);
}

/* Whether feedback may share a request with runs. Otherwise, and until the service has told its
 * version, feedback has an endpoint of its own. Called from any thread. */
gboolean
_lsobs_service_takes_feedback (LsobsService *self)
{
  return _lsobs_service_get_mode (self) == LSOBS_INGEST_MODE_MULTIPART &&
         g_atomic_int_get (&self->mixes_feedback);
}

/* Whether the service refuses feedback without the id of its project. */
gboolean
_lsobs_service_needs_project_id (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  return self->info.needs_project_id;
}

/* Called from any thread. */
guint
_lsobs_service_get_max_records (LsobsService *self)
{
  if (_lsobs_service_get_mode (self) == LSOBS_INGEST_MODE_RUNS)
    return 1;
  return (guint) g_atomic_int_get (&self->max_records);
}

/* Called from any thread. */
gsize
_lsobs_service_get_max_bytes (LsobsService *self)
{
  return (gsize) g_atomic_int_get (&self->max_bytes);
}

/* --- whether it can be reached --- */

/* Whether the last answer came from the service itself, not from a proxy or firewall. */
gboolean
_lsobs_service_is_reachable (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  return self->reachable;
}

void
_lsobs_service_set_reachable (LsobsService *self, gboolean reachable)
{
  _lsobs_service_assert_context (self);
  self->reachable = reachable;
}

/* Learns from an answer whether the service can be reached, and corrects the outcome: if it can be
 * reached, a proxy or firewall that refuses a request refuses its content.
 * @alone: the batch cannot be split; another request has to succeed before the next refusal
 *   counts so */
LsobsOutcome
_lsobs_service_weigh (LsobsService *self, LsobsOutcome outcome, gboolean alone)
{
  gboolean was_reachable = self->reachable;

  _lsobs_service_assert_context (self);
  if (outcome == LSOBS_OUTCOME_DELIVERED || outcome == LSOBS_OUTCOME_CONFLICT)
    self->reachable = TRUE;
  if (outcome == LSOBS_OUTCOME_UNREACHABLE || outcome == LSOBS_OUTCOME_REDIRECTED ||
      outcome == LSOBS_OUTCOME_INTERCEPTED)
    self->reachable = FALSE;
  if (outcome != LSOBS_OUTCOME_FOREIGN)
    return outcome;
  if (alone)
    self->reachable = FALSE;
  if (!self->reachable)
    {
      /* The next request is followed by another /info. */
      self->doubted = TRUE;
      self->ask_after = 0;
    }
  return was_reachable ? LSOBS_OUTCOME_BLOCKED : LSOBS_OUTCOME_FOREIGN;
}

/* --- the endpoints --- */

/* Called from any thread. */
LsobsIngestMode
_lsobs_service_get_mode (LsobsService *self)
{
  return (LsobsIngestMode) g_atomic_int_get (&self->mode);
}

/* Returns: the mode of the next request */
LsobsIngestMode
_lsobs_service_choose_mode (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  if (self->fallback_until != 0 && g_get_monotonic_time () >= self->fallback_until)
    {
      self->fallback_until = 0;
      g_atomic_int_set (&self->mode, (int) get_first_mode (self));
    }
  return _lsobs_service_get_mode (self);
}

/* Gives up a missing endpoint for the next one.
 * Returns: whether there is another endpoint */
gboolean
_lsobs_service_fall_back (LsobsService *self, LsobsIngestMode missing)
{
  _lsobs_service_assert_context (self);
  if (self->settings->values.ingest_mode != LSOBS_INGEST_MODE_AUTO)
    return FALSE;
  if (missing == LSOBS_INGEST_MODE_RUNS)
    {
      /* All endpoints are missing: the address is wrong. The next request begins with the first. */
      g_atomic_int_set (&self->mode, (int) get_first_mode (self));
      return FALSE;
    }
  /* Another request that was under way has given up the same endpoint. */
  if (_lsobs_service_get_mode (self) != missing)
    return TRUE;
  g_atomic_int_set (&self->mode, missing == LSOBS_INGEST_MODE_MULTIPART ? LSOBS_INGEST_MODE_BATCH
                                                                        : LSOBS_INGEST_MODE_RUNS);
  self->fallback_until = g_get_monotonic_time () + FALLBACK_TIME;
  return TRUE;
}

/* The service has accepted a request.
 * @endpoint: a number below 32, chosen by the caller for each endpoint */
void
_lsobs_service_prove (LsobsService *self, guint endpoint)
{
  _lsobs_service_assert_context (self);
  self->proven |= 1u << endpoint;
}

/* Whether the service has accepted a request at that endpoint. */
gboolean
_lsobs_service_is_proven (LsobsService *self, guint endpoint)
{
  _lsobs_service_assert_context (self);
  return (self->proven & (1u << endpoint)) != 0;
}

/* Logs a missing endpoint, once for each; it is tried again every few minutes.
 * @path: the endpoint used from now on */
void
_lsobs_service_log_fallback (LsobsService *self,
                             LsobsIngestMode missing,
                             const char *missing_path,
                             const char *path)
{
  _lsobs_service_assert_context (self);
  if ((self->logged_missing & (1u << missing)) != 0)
    return;
  self->logged_missing |= 1u << missing;
  _lsobs_log_fallback (missing_path, path, self->settings->label);
}

/* Counts attachments that a delivered request has left out, and logs that once.
 * @path: the endpoint, which accepts no attachments */
void
_lsobs_service_count_left_out (LsobsService *self, guint n_attachments, const char *path)
{
  _lsobs_service_assert_context (self);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, n_attachments);
  if (!self->logged_left_out)
    _lsobs_log_no_attachments (path, self->settings->label);
  self->logged_left_out = TRUE;
}

/* --- compression --- */

/* Called from any thread. What the service offers is for multipart requests; what the config names
 * is for all requests.
 * Returns: one of the kinds other than LSOBS_COMPRESSION_AUTO */
LsobsCompression
_lsobs_service_get_compression (LsobsService *self)
{
  if (self->settings->values.compression == LSOBS_COMPRESSION_AUTO &&
      _lsobs_service_get_mode (self) != LSOBS_INGEST_MODE_MULTIPART)
    return LSOBS_COMPRESSION_NONE;
  return (LsobsCompression) g_atomic_int_get (&self->compression);
}

/* @kind: (out)
 * Returns: (transfer full) (nullable): the body, compressed if that makes it smaller; NULL if the
 *   work limit of this thread is over: the next call goes on */
GBytes *
_lsobs_service_compress (LsobsService *self, GBytes *body, LsobsCompression *kind)
{
  GBytes *compressed;

  _lsobs_service_assert_context (self);
  *kind = _lsobs_service_get_compression (self);
  if (*kind == LSOBS_COMPRESSION_NONE)
    return g_bytes_ref (body);

  if (self->compressor == NULL)
    self->compressor =
        _lsobs_compressor_new (*kind, (int) self->settings->values.compression_level);
  if (!_lsobs_compressor_run (self->compressor, body, &compressed))
    return NULL;
  if (compressed != NULL)
    return compressed;
  *kind = LSOBS_COMPRESSION_NONE;
  return g_bytes_ref (body);
}

/* Whether the service has accepted a compressed request. */
gboolean
_lsobs_service_takes_compression (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  return self->compression_works;
}

/* The service has accepted a compressed request. */
void
_lsobs_service_confirm_compression (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  self->compression_works = TRUE;
}

/* Whether the service has refused a compressed request. */
gboolean
_lsobs_service_refuses_compression (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  return self->compression_refused;
}

/* The service refuses compressed requests, even if /info offers a compression. */
void
_lsobs_service_refuse_compression (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  if (self->compression_refused)
    return;
  self->compression_refused = TRUE;
  g_atomic_int_set (&self->compression, LSOBS_COMPRESSION_NONE);
  g_clear_pointer (&self->compressor, _lsobs_compressor_free);
  _lsobs_log_no_compression (self->settings->label);
}

/* --- when requests may be sent --- */

/* Delays all requests: the service would refuse the others, too.
 * @until: monotonic, µs */
void
_lsobs_service_delay_until (LsobsService *self, gint64 until)
{
  _lsobs_service_assert_context (self);
  if (self->deadline != 0)
    until = _lsobs_delivery_policy_before_end (until, g_get_monotonic_time (), self->deadline,
                                               &self->last_chance);
  self->not_before = MAX (self->not_before, until);
}

/* Returns: monotonic, µs: nothing is sent earlier */
gint64
_lsobs_service_get_not_before (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  return self->not_before;
}

/* Sending ends at @deadline. Waits that would last longer end earlier, for one more attempt.
 * @deadline: monotonic, µs */
void
_lsobs_service_set_deadline (LsobsService *self, gint64 deadline)
{
  g_autoptr (GCancellable) waits = NULL;
  gint64 now = g_get_monotonic_time ();
  gint64 not_before;

  leave_parent (self);
  _lsobs_service_assert_context (self);
  waits = g_steal_pointer (&self->waits);
  not_before = self->not_before;
  self->deadline = deadline;
  self->not_before = 0;
  self->known_at = now + MAX (deadline - now, 0) / 2;
  _lsobs_project_ids_set_deadline (self->project_ids, deadline, self->known_at);
  /* The lookups do not start at once: one that starts now might end before the flush that follows
   * looks at it. */
  _lsobs_lookups_wake (self->lookups, self->known_at);
  _lsobs_service_delay_until (self, not_before);
  if (waits != NULL)
    g_cancellable_cancel (waits);
}

/* The observer leaves: see lsobs-service-address-private.h. */
void
_lsobs_service_leave (LsobsService *self)
{
  leave_parent (self);
  _lsobs_service_assert_context (self);
  _lsobs_route_leave (self->route);
}

/* Returns: (transfer none): is cancelled when a new deadline ends the waits between attempts */
GCancellable *
_lsobs_service_peek_waits (LsobsService *self)
{
  _lsobs_service_assert_context (self);
  if (self->waits == NULL)
    self->waits = g_cancellable_new ();
  return self->waits;
}

/* --- failed traces --- */

/* In a forked child, the writer of the parent is not touched.
 * @writer: (nullable) */
static gboolean
is_usable (LsobsSpoolWriter *writer)
{
  return writer != NULL && !_lsobs_spool_writer_is_forked (writer);
}

/* Returns: (transfer none): for the directory of the settings */
static LsobsSpoolWriter *
get_failed_traces (LsobsService *self)
{
  LsobsSpoolWriter *writer = g_atomic_pointer_get (&self->failed_traces);

  _lsobs_service_assert_context (self);
  if (!is_usable (writer))
    {
      writer =
          _lsobs_spool_writer_new (self->settings->values.failed_traces_dir,
                                   self->settings->values.failed_traces_max_bytes, self->counters);
      g_atomic_pointer_set (&self->failed_traces, writer);
    }
  return writer;
}

/* Keeps a failed trace in the directory of the settings.
 * @request: (transfer full) */
void
_lsobs_service_write_failed_trace (LsobsService *self, LsobsFailedTrace *trace, guint n_records)
{
  _lsobs_service_assert_context (self);
  _lsobs_spool_writer_push (get_failed_traces (self), trace, n_records, NULL, NULL);
}

/* Whether there is a spool, and the disk is not too far behind. */
gboolean
_lsobs_service_may_spool (LsobsService *self)
{
  LsobsSpoolWriter *writer = g_atomic_pointer_get (&self->spool_writer);

  _lsobs_service_assert_context (self);
  return self->settings->values.spool_dir != NULL &&
         (!is_usable (writer) || _lsobs_spool_writer_has_room (writer));
}

/* Waits until the disk is not too far behind for the spool.
 * @deadline: monotonic, µs; 0 does not wait
 * Returns: FALSE at the deadline */
gboolean
_lsobs_service_await_spool (LsobsService *self, gint64 deadline)
{
  LsobsSpoolWriter *writer = g_atomic_pointer_get (&self->spool_writer);

  _lsobs_service_assert_context (self);
  return !is_usable (writer) || _lsobs_spool_writer_wait_room (writer, deadline);
}

/* Keeps a failed trace in the spool of the settings.
 * @trace: (transfer full)
 * @func: as of _lsobs_spool_writer_push() */
void
_lsobs_service_spool (LsobsService *self,
                      LsobsFailedTrace *trace,
                      guint n_records,
                      LsobsSpoolWriterFunc func,
                      gpointer data)
{
  LsobsSpoolWriter *writer = g_atomic_pointer_get (&self->spool_writer);

  _lsobs_service_assert_context (self);
  if (!is_usable (writer))
    {
      writer = _lsobs_spool_writer_new_for_spool (self->settings, self->counters,
                                                  self->settings->values.failed_traces_dir != NULL
                                                      ? get_failed_traces (self)
                                                      : NULL);
      g_atomic_pointer_set (&self->spool_writer, writer);
    }
  _lsobs_spool_writer_push (writer, trace, n_records, func, data);
}

/* Waits until the spool and the failed traces are written. What the spool cannot take becomes a
 * failed trace. Called from any thread.
 * @deadline: monotonic, µs
 * Returns: FALSE at the deadline */
gboolean
_lsobs_service_wait_written (LsobsService *self, gint64 deadline)
{
  LsobsSpoolWriter *writers[] = { g_atomic_pointer_get (&self->spool_writer),
                                  g_atomic_pointer_get (&self->failed_traces) };
  gboolean written = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (writers); i++)
    if (is_usable (writers[i]) && !_lsobs_spool_writer_wait (writers[i], deadline))
      written = FALSE;
  return written;
}
