/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <libsoup/soup.h>

#include "lsobs/lsobs-batch-private.h"
#include "lsobs/lsobs-body-private.h"
#include "lsobs/lsobs-client-private.h"
#include "lsobs/lsobs-fork-private.h"
#include "lsobs/lsobs-retry-private.h"

/**
 * SECTION:lsobs-client
 * @title: LsobsClient
 * @short_description: sends batches to the service by HTTP
 *
 * The transport that speaks the ingestion protocol of LangSmith. An
 * #LsobsObserver makes its own; a program needs this class only to build a pipe
 * by hand. A client belongs to the first exporter or observer it is given to.
 *
 * A request that may succeed later is sent again, at most
 * #LsobsConfig:max-attempts times in all, after a delay that doubles; all
 * requests of a client wait together, and as long as the service asks with
 * `Retry-After`, up to a minute. Redirects are never followed, and of an answer
 * no more than 16 KiB are read.
 */

/* How much of an answer is read. More than that is nothing for us. */
#define MAX_ANSWER (16 * 1024)

/* How long the rest of a good answer may take, in ms: we know what we need. */
#define MAX_TAIL 1000

/* Large bodies get this many more ms per KiB. */
#define MS_PER_KIB 5

/* How long a missing endpoint is believed to be missing, in µs. */
#define FALLBACK_TIME (10 * 60 * G_USEC_PER_SEC)

struct _LsobsClient
{
  GObject parent_instance;

  LsobsConfig *config;      /* (owned) (nullable) construct-only, until initialised */
  LsobsSettings *settings;  /* (owned) */
  LsobsCounters *counters;  /* (owned) */
  int claimed;              /* (atomic) an exporter has it */
  int mode;                 /* (atomic) LsobsIngestMode: what is used at present */

  /* All below belongs to the thread that sends. */
  SoupSession *session;     /* (owned) (nullable) */
  guint epoch;              /* the process that session belongs to */
  gint64 not_before;        /* monotonic, µs: nothing is sent earlier */
  gint64 fallback_until;    /* monotonic, µs: then the best endpoint is tried again */
};

typedef enum { PROP_CONFIG = 1 } LsobsClientProperty;
static GParamSpec *props[PROP_CONFIG + 1] = { NULL, };

/* One batch under way. */
typedef struct
{
  LsobsBatch *batch;         /* (owned) */
  GBytes *body;              /* (owned) (nullable) kept for retries */
  LsobsIngestMode mode;      /* which shape body has */
  char boundary[LSOBS_BOUNDARY_LEN + 1];
  guint n_attempts;
  gint64 began;              /* monotonic, µs */

  /* of the current attempt */
  SoupMessage *message;      /* (owned) (nullable) */
  GCancellable *attempt;     /* (owned) (nullable) ends with the task's, or in time */
  gulong cancelled_id;
  GSource *timeout;          /* (owned) (nullable) */
  char *answer;              /* (owned) (nullable) */
} SendData;

static void lsobs_client_initable_init  (GInitableIface          *iface);
static void lsobs_client_transport_init (LsobsTransportInterface *iface);
static void start_attempt               (GTask                   *task);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsClient, lsobs_client, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, lsobs_client_initable_init)
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      lsobs_client_transport_init))

static gboolean
is_cancelled (GTask *task)
{
  return g_cancellable_is_cancelled (g_task_get_cancellable (task));
}

static void
return_cancelled (GTask *task)
{
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, _("Sending was cancelled"));
}

static void
end_attempt (SendData     *data,
             GCancellable *cancellable)
{
  if (data->cancelled_id != 0)
    g_cancellable_disconnect (cancellable, data->cancelled_id);
  data->cancelled_id = 0;
  if (data->timeout != NULL)
    g_source_destroy (data->timeout);
  g_clear_pointer (&data->timeout, g_source_unref);
  g_clear_object (&data->attempt);
  g_clear_object (&data->message);
  g_clear_pointer (&data->answer, g_free);
}

static void
send_data_free (gpointer user_data)
{
  SendData *data = user_data;

  lsobs_batch_unref (data->batch);
  g_clear_pointer (&data->body, g_bytes_unref);
  g_free (data);
}

/* A session belongs to the thread and the process that use it. After a fork it
 * is left alone: its sockets are the parent's, and to close them would end the
 * parent's TLS sessions. */
static SoupSession *
get_session (LsobsClient *self)
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

static const char *
get_mode_name (LsobsIngestMode mode)
{
  switch (mode)
    {
    case LSOBS_INGEST_MODE_BATCH:
      return "runs/batch";
    case LSOBS_INGEST_MODE_RUNS:
      return "runs";
    case LSOBS_INGEST_MODE_AUTO:
    case LSOBS_INGEST_MODE_MULTIPART:
    default:
      return "runs/multipart";
    }
}

static LsobsIngestMode
get_first_mode (LsobsClient *self)
{
  return self->settings->ingest_mode == LSOBS_INGEST_MODE_AUTO ? LSOBS_INGEST_MODE_MULTIPART
                                                               : self->settings->ingest_mode;
}

static void
write_body (SendData        *data,
            LsobsIngestMode  mode)
{
  GPtrArray *records = _lsobs_batch_peek_records (data->batch);

  g_clear_pointer (&data->body, g_bytes_unref);
  data->mode = mode;
  switch (mode)
    {
    case LSOBS_INGEST_MODE_RUNS:
      data->body = _lsobs_body_write_run (g_ptr_array_index (records, 0));
      break;
    case LSOBS_INGEST_MODE_BATCH:
      data->body = _lsobs_body_write_batch (records);
      break;
    case LSOBS_INGEST_MODE_AUTO:
    case LSOBS_INGEST_MODE_MULTIPART:
    default:
      _lsobs_body_make_boundary (data->boundary);
      data->body = _lsobs_body_write_multipart (records, data->boundary);
      break;
    }
}

/* Whether the request is the update of one run. */
static gboolean
is_single_update (SendData *data)
{
  LsobsEncoded *first = g_ptr_array_index (_lsobs_batch_peek_records (data->batch), 0);

  return data->mode == LSOBS_INGEST_MODE_RUNS && first->record->kind == LSOBS_RECORD_UPDATE;
}

/* Returns: (transfer full): a new one for each attempt, since a message cannot be
 * sent twice */
static SoupMessage *
make_message (LsobsClient *self,
              SendData    *data)
{
  LsobsEncoded *first = g_ptr_array_index (_lsobs_batch_peek_records (data->batch), 0);
  gboolean update = is_single_update (data);
  g_autofree char *url = g_strdup_printf ("%s/%s%s%s", self->settings->api_url,
                                          get_mode_name (data->mode), update ? "/" : "",
                                          update ? first->id : "");
  g_autofree char *type = NULL;
  SoupMessage *message = soup_message_new (update ? "PATCH" : "POST", url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  /* Without the first flag, libsoup opens a connection for each POST. All of our
   * requests may be sent twice: the service knows records by their ids. */
  soup_message_add_flags (message, SOUP_MESSAGE_IDEMPOTENT | SOUP_MESSAGE_NO_REDIRECT);
  soup_message_headers_replace (headers, "Accept", "application/json");
  if (self->settings->api_key != NULL)
    soup_message_headers_replace (headers, "x-api-key", self->settings->api_key);
  if (self->settings->workspace_id != NULL)
    soup_message_headers_replace (headers, "X-Tenant-Id", self->settings->workspace_id);
  if (data->mode == LSOBS_INGEST_MODE_RUNS && !update)
    soup_message_headers_replace (headers, "x-idempotency-key", first->id);
  if (data->mode == LSOBS_INGEST_MODE_MULTIPART)
    type = g_strdup_printf ("multipart/form-data; boundary=%s", data->boundary);
  soup_message_set_request_body_from_bytes (message, type != NULL ? type : "application/json",
                                            data->body);
  return message;
}

/* Called in the context of the task. */
static gboolean
wait_over_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  if (is_cancelled (task))
    return_cancelled (task);
  else
    start_attempt (task);
  return G_SOURCE_REMOVE;
}

static gboolean
wake_cb (GCancellable *cancellable,
         gpointer      user_data)
{
  return G_SOURCE_CONTINUE;
}

/* Goes on at @ready_time, or as soon as the task is cancelled. */
static void
wait_until (GTask  *task,
            gint64  ready_time)
{
  g_autoptr (GSource) source = g_timeout_source_new (0);

  g_source_set_static_name (source, "[lsobs] retry");
  g_source_set_ready_time (source, ready_time);
  if (g_task_get_cancellable (task) != NULL)
    {
      g_autoptr (GSource) child = g_cancellable_source_new (g_task_get_cancellable (task));

      g_source_set_callback (child, G_SOURCE_FUNC (wake_cb), NULL, NULL);
      g_source_add_child_source (source, child);
    }
  g_task_attach_source (task, source, wait_over_cb);
}

/* The missing endpoint is given up for the next best one. FALSE at the end. */
static gboolean
fall_back (LsobsClient     *self,
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

/* Sends the same again, or gives up. Takes @error over. */
static void
retry (GTask  *task,
       GError *error,
       gint64  retry_after)
{
  LsobsClient *self = g_task_get_source_object (task);
  SendData *data = g_task_get_task_data (task);
  gint64 now = g_get_monotonic_time ();
  gint64 delay = _lsobs_retry_delay (self->settings->retry_delay, data->n_attempts,
                                     g_random_double (), retry_after);

  if (data->n_attempts >= self->settings->max_attempts ||
      now + delay * 1000 > data->began + (gint64) LSOBS_RETRY_MAX_TOTAL * 1000)
    {
      /* What the service asks for holds for the next batch, too. */
      if (retry_after > 0)
        self->not_before = MAX (self->not_before, now + retry_after * 1000);
      g_task_return_error (task, error);
      return;
    }
  g_debug ("Attempt %u failed, the next one comes in %" G_GINT64_FORMAT " ms: %s", data->n_attempts,
           delay, error->message);
  g_error_free (error);
  /* One for all: others would only be refused as well. */
  self->not_before = MAX (self->not_before, now + delay * 1000);
  wait_until (task, self->not_before);
}

/* A server may say the key back to us; it must not get into a log from there. */
static void
hide_key (const char  *key,
          char       **text)
{
  if (key != NULL && *text != NULL && strstr (*text, key) != NULL)
    {
      g_autoptr (GString) hidden = g_string_new (*text);

      g_string_replace (hidden, key, LSOBS_REDACTED, 0);
      g_free (*text);
      *text = g_strdup (hidden->str);
    }
}

/* Decides by the answer of an attempt. */
static void
judge_answer (GTask       *task,
              guint        status,
              const char  *answer,
              const char  *retry_after)
{
  LsobsClient *self = g_task_get_source_object (task);
  SendData *data = g_task_get_task_data (task);
  LsobsVerdict verdict = _lsobs_retry_judge (status, answer);

  switch (verdict)
    {
    case LSOBS_VERDICT_NOT_FOUND:
      /* The update of a run that is not there: nothing is left to update. */
      if (is_single_update (data))
        verdict = LSOBS_VERDICT_DELIVERED;
      break;
    case LSOBS_VERDICT_CONFLICT:
      /* An earlier attempt of ours came through; in a first attempt, the exporter
       * has to find out which of the records it was, and what that means. */
      if (data->n_attempts > 1)
        verdict = LSOBS_VERDICT_DELIVERED;
      break;
    case LSOBS_VERDICT_DELIVERED:
    case LSOBS_VERDICT_RETRY:
    case LSOBS_VERDICT_TOO_LARGE:
    case LSOBS_VERDICT_REJECTED:
    case LSOBS_VERDICT_UNAUTHORIZED:
    case LSOBS_VERDICT_QUOTA:
    case LSOBS_VERDICT_REDIRECTED:
    default:
      break;
    }

  end_attempt (data, g_task_get_cancellable (task));
  if (verdict == LSOBS_VERDICT_DELIVERED)
    {
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_BYTES_SENT, g_bytes_get_size (data->body));
      g_task_return_boolean (task, TRUE);
    }
  else if (verdict == LSOBS_VERDICT_RETRY)
    {
      retry (task, _lsobs_retry_make_error (verdict, status, answer),
             _lsobs_retry_parse_after (retry_after, g_get_real_time () / G_USEC_PER_SEC));
    }
  else if (verdict == LSOBS_VERDICT_NOT_FOUND && fall_back (self, data->mode))
    {
      g_message ("The service has no %s; using %s", get_mode_name (data->mode),
                 get_mode_name ((LsobsIngestMode) g_atomic_int_get (&self->mode)));
      start_attempt (task);
    }
  else
    {
      g_task_return_error (task, _lsobs_retry_make_error (verdict, status, answer));
    }
}

/* Called in the context of the task. */
static void
answer_read_cb (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GInputStream *stream = G_INPUT_STREAM (object);
  LsobsClient *self = g_task_get_source_object (task);
  SendData *data = g_task_get_task_data (task);
  g_autofree char *answer = g_steal_pointer (&data->answer);
  g_autofree char *retry_after = NULL;
  SoupMessageHeaders *headers = soup_message_get_response_headers (data->message);
  guint status = soup_message_get_status (data->message);
  gsize len = 0;

  /* The status is enough; an answer that breaks off changes nothing. */
  g_input_stream_read_all_finish (stream, result, &len, NULL);
  answer[len] = '\0';
  g_input_stream_close_async (stream, G_PRIORITY_DEFAULT, NULL, NULL, NULL);
  if (!SOUP_STATUS_IS_SUCCESSFUL (status) && is_cancelled (task))
    {
      end_attempt (data, g_task_get_cancellable (task));
      return_cancelled (task);
      return;
    }
  hide_key (self->settings->api_key, &answer);
  retry_after = g_strdup (soup_message_headers_get_one (headers, "Retry-After"));
  judge_answer (task, status, answer, retry_after);
}

/* Called in the context of the task. */
static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  LsobsClient *self = g_task_get_source_object (task);
  SendData *data = g_task_get_task_data (task);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  gboolean timed_out;

  stream = soup_session_send_finish (SOUP_SESSION (object), result, &error);
  if (stream != NULL)
    {
      if (SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (data->message)))
        {
          gint64 soon = g_get_monotonic_time () + MAX_TAIL * 1000;

          g_source_set_ready_time (data->timeout, MIN (g_source_get_ready_time (data->timeout), soon));
        }
      data->answer = g_malloc (MAX_ANSWER + 1);
      g_input_stream_read_all_async (stream, data->answer, MAX_ANSWER, G_PRIORITY_DEFAULT,
                                     data->attempt, answer_read_cb, g_object_ref (task));
      return;
    }

  timed_out = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  end_attempt (data, g_task_get_cancellable (task));
  if (is_cancelled (task))
    return_cancelled (task);
  else if (timed_out)
    retry (task,
           g_error_new (LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
                        _("The service did not answer within %" G_GINT64_FORMAT " ms"),
                        self->settings->request_timeout),
           -1);
  else
    retry (task,
           g_error_new (LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE, _("The service cannot be reached: %s"),
                        error->message),
           -1);
}

/* Called in the context of the task. */
static gboolean
timed_out_cb (gpointer user_data)
{
  g_cancellable_cancel (G_CANCELLABLE (user_data));
  return G_SOURCE_REMOVE;
}

/* Called in whatever thread cancels. */
static void
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  g_cancellable_cancel (G_CANCELLABLE (user_data));
}

static void
arm_attempt (LsobsClient *self,
             GTask       *task,
             SendData    *data)
{
  gint64 timeout = self->settings->request_timeout +
                   (gint64) (g_bytes_get_size (data->body) / 1024) * MS_PER_KIB;

  data->attempt = g_cancellable_new ();
  if (g_task_get_cancellable (task) != NULL)
    data->cancelled_id = g_cancellable_connect (g_task_get_cancellable (task),
                                                G_CALLBACK (cancelled_cb),
                                                g_object_ref (data->attempt), g_object_unref);
  data->timeout = g_timeout_source_new (0);
  g_source_set_static_name (data->timeout, "[lsobs] request timeout");
  g_source_set_ready_time (data->timeout, g_get_monotonic_time () + timeout * 1000);
  g_source_set_callback (data->timeout, timed_out_cb, g_object_ref (data->attempt), g_object_unref);
  g_source_attach (data->timeout, g_task_get_context (task));
}

/* Every attempt goes through here. Called in the context of the task. */
static void
start_attempt (GTask *task)
{
  LsobsClient *self = g_task_get_source_object (task);
  SendData *data = g_task_get_task_data (task);
  gint64 now = g_get_monotonic_time ();
  LsobsIngestMode mode;

  if (now < self->not_before)
    {
      wait_until (task, self->not_before);
      return;
    }
  if (self->fallback_until != 0 && now >= self->fallback_until)
    {
      self->fallback_until = 0;
      g_atomic_int_set (&self->mode, (int) get_first_mode (self));
    }
  mode = (LsobsIngestMode) g_atomic_int_get (&self->mode);
  if (mode == LSOBS_INGEST_MODE_RUNS && lsobs_batch_get_n_records (data->batch) > 1)
    {
      g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                               _("The endpoint takes one run at a time"));
      return;
    }
  if (data->body == NULL || data->mode != mode)
    write_body (data, mode);

  data->n_attempts++;
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_REQUESTS, 1);
  if (data->n_attempts > 1)
    _lsobs_counters_add (self->counters, LSOBS_COUNTER_RETRIES, 1);
  data->message = make_message (self, data);
  arm_attempt (self, task, data);

  /* The program's context is not always the default one of the thread. */
  g_main_context_push_thread_default (g_task_get_context (task));
  soup_session_send_async (get_session (self), data->message, G_PRIORITY_DEFAULT, data->attempt,
                           sent_cb, g_object_ref (task));
  g_main_context_pop_thread_default (g_task_get_context (task));
}

static void
lsobs_client_send_async (LsobsTransport      *transport,
                         LsobsBatch          *batch,
                         GCancellable        *cancellable,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  LsobsClient *self = LSOBS_CLIENT (transport);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  SendData *data = g_new0 (SendData, 1);

  data->batch = lsobs_batch_ref (batch);
  data->began = g_get_monotonic_time ();
  g_task_set_source_tag (task, lsobs_client_send_async);
  g_task_set_task_data (task, data, send_data_free);
  /* What was delivered stays so when the cancellation comes a moment later. */
  g_task_set_check_cancellable (task, FALSE);
  if (g_cancellable_is_cancelled (cancellable))
    return_cancelled (task);
  else
    start_attempt (task);
}

static gboolean
lsobs_client_send_finish (LsobsTransport  *transport,
                          GAsyncResult    *result,
                          GError         **error)
{
  g_return_val_if_fail (g_task_is_valid (result, transport), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, lsobs_client_send_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static guint
lsobs_client_get_max_records (LsobsTransport *transport)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  return g_atomic_int_get (&self->mode) == LSOBS_INGEST_MODE_RUNS ? 1 : 0;
}

static void
lsobs_client_close (LsobsTransport *transport)
{
  LsobsClient *self = LSOBS_CLIENT (transport);

  if (self->session != NULL && self->epoch == _lsobs_fork_epoch ())
    {
      soup_session_abort (self->session);
      g_object_unref (self->session);
    }
  self->session = NULL;
}

static gboolean
lsobs_client_init_config (GInitable     *initable,
                          GCancellable  *cancellable,
                          GError       **error)
{
  LsobsClient *self = LSOBS_CLIENT (initable);

  g_return_val_if_fail (LSOBS_IS_CONFIG (self->config), FALSE);

  self->settings = _lsobs_settings_new (self->config, LSOBS_SETTINGS_FOR_HTTP, error);
  g_clear_object (&self->config);
  if (self->settings == NULL)
    return FALSE;
  self->mode = (int) get_first_mode (self);
  return TRUE;
}

static void
lsobs_client_finalize (GObject *object)
{
  LsobsClient *self = LSOBS_CLIENT (object);

  lsobs_client_close (LSOBS_TRANSPORT (self));
  g_clear_object (&self->config);
  g_clear_pointer (&self->settings, _lsobs_settings_unref);
  g_clear_pointer (&self->counters, _lsobs_counters_unref);

  G_OBJECT_CLASS (lsobs_client_parent_class)->finalize (object);
}

static void
lsobs_client_set_property (GObject      *object,
                           guint         prop_id,
                           const GValue *value,
                           GParamSpec   *pspec)
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
  iface->close = lsobs_client_close;
}

static void
lsobs_client_class_init (LsobsClientClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

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
  self->counters = _lsobs_counters_new ();
}

/* An exporter takes the client for itself, before anything is sent: what is in it
 * belongs to one flush thread. FALSE if another one has it. */
gboolean
_lsobs_client_claim (LsobsClient   *self,
                     LsobsCounters *counters)
{
  if (!g_atomic_int_compare_and_exchange (&self->claimed, FALSE, TRUE))
    return FALSE;
  _lsobs_counters_unref (self->counters);
  self->counters = _lsobs_counters_ref (counters);
  return TRUE;
}

/**
 * lsobs_client_new:
 * @config: where to send to; it is copied
 * @error: return location for a #GError, or %NULL
 *
 * Makes a client. Nothing is sent yet. Fails with %LSOBS_ERROR_INVALID_CONFIG
 * when a setting makes no sense, or when there is no key for another machine.
 *
 * Returns: (transfer full): a client, or %NULL
 *
 * Since: 0.1
 */
LsobsClient *
lsobs_client_new (LsobsConfig  *config,
                  GError      **error)
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

  return (LsobsIngestMode) g_atomic_int_get (&self->mode);
}
