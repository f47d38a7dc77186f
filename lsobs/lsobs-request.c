/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-batch-private.h"
#include "lsobs/lsobs-body-private.h"
#include "lsobs/lsobs-exchange-private.h"
#include "lsobs/lsobs-request-private.h"
#include "lsobs/lsobs-retry-private.h"

/* How much of an answer is read. More than that is nothing for us. */
#define MAX_ANSWER (16 * 1024)

/* How long the rest of a good answer may take, in ms: we know what we need. */
#define MAX_TAIL 1000

/* Large bodies get this many more ms per KiB. */
#define MS_PER_KIB 5

/* What a request is: the modes that a batch may be sent in, and an endpoint for one
 * piece of feedback. */
typedef enum
{
  SHAPE_MULTIPART,
  SHAPE_BATCH,
  SHAPE_RUN,
  SHAPE_FEEDBACK
} Shape;

/* One batch under way, in as many attempts as it takes. */
typedef struct
{
  LsobsService *service;     /* (owned) */
  LsobsBatch *batch;         /* (owned) */
  GBytes *body;              /* (owned) (nullable) kept for retries */
  LsobsIngestMode mode;      /* what body was made for */
  Shape shape;               /* what it is */
  char boundary[LSOBS_BOUNDARY_LEN + 1];
  guint n_attempts;
  gboolean unsure;           /* an attempt that failed may have come through all the same */
  gint64 began;              /* monotonic, µs */
  SoupMessage *message;      /* (owned) (nullable) of the current attempt */
} Request;

static void start_attempt (GTask *task);

static void
request_free (gpointer user_data)
{
  Request *request = user_data;

  _lsobs_service_unref (request->service);
  lsobs_batch_unref (request->batch);
  g_clear_pointer (&request->body, g_bytes_unref);
  g_clear_object (&request->message);
  g_free (request);
}

static LsobsEncoded *
peek_first (LsobsBatch *batch)
{
  return g_ptr_array_index (_lsobs_batch_peek_records (batch), 0);
}

static Shape
get_mode_shape (LsobsIngestMode mode)
{
  switch (mode)
    {
    case LSOBS_INGEST_MODE_BATCH:
      return SHAPE_BATCH;
    case LSOBS_INGEST_MODE_RUNS:
      return SHAPE_RUN;
    case LSOBS_INGEST_MODE_AUTO:
    case LSOBS_INGEST_MODE_MULTIPART:
    default:
      return SHAPE_MULTIPART;
    }
}

static Shape
get_shape (LsobsService    *service,
           LsobsBatch      *batch,
           LsobsIngestMode  mode)
{
  LsobsFeedback *feedback = peek_first (batch)->record->feedback;

  if (lsobs_batch_get_n_records (batch) == 1 && feedback != NULL &&
      (feedback->keep_retention || !_lsobs_service_takes_feedback (service)))
    return SHAPE_FEEDBACK;
  return get_mode_shape (mode);
}

/* Where requests go, below the address of the service. */
static const char *
get_path (Shape shape)
{
  switch (shape)
    {
    case SHAPE_BATCH:
      return "runs/batch";
    case SHAPE_RUN:
      return "runs";
    case SHAPE_FEEDBACK:
      return "feedback";
    case SHAPE_MULTIPART:
    default:
      return "runs/multipart";
    }
}

/* @boundary: room for one; written to when the shape needs it */
static GBytes *
write_body (LsobsBatch *batch,
            Shape       shape,
            char       *boundary)
{
  switch (shape)
    {
    case SHAPE_RUN:
    case SHAPE_FEEDBACK:
      return _lsobs_body_write_one (peek_first (batch));
    case SHAPE_BATCH:
      return _lsobs_body_write_batch (_lsobs_batch_peek_records (batch));
    case SHAPE_MULTIPART:
    default:
      _lsobs_body_make_boundary (boundary);
      return _lsobs_body_write_multipart (_lsobs_batch_peek_records (batch), boundary);
    }
}

/* Returns: (transfer full): what bodies of the shape are */
static char *
make_type (Shape       shape,
           const char *boundary)
{
  if (shape == SHAPE_MULTIPART)
    return g_strdup_printf ("multipart/form-data; boundary=%s", boundary);
  return g_strdup ("application/json");
}

/* Whether the request is the update of one run. */
static gboolean
is_single_update (Request *request)
{
  return request->shape == SHAPE_RUN && peek_first (request->batch)->record->kind == LSOBS_RECORD_UPDATE;
}

/* Returns: (transfer full): a new one for each attempt */
static SoupMessage *
make_message (Request *request)
{
  const char *id = peek_first (request->batch)->id;
  gboolean update = is_single_update (request);
  g_autofree char *path = g_strconcat (get_path (request->shape), update ? "/" : "", update ? id : "",
                                       NULL);
  g_autofree char *type = make_type (request->shape, request->boundary);
  SoupMessage *message = _lsobs_service_new_message (request->service, update ? "PATCH" : "POST", path);

  if (request->shape == SHAPE_RUN && !update)
    soup_message_headers_replace (soup_message_get_request_headers (message), "x-idempotency-key", id);
  soup_message_set_request_body_from_bytes (message, type, request->body);
  return message;
}

/* Called in the context of the task. */
static gboolean
wait_over_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  if (!g_task_return_error_if_cancelled (task))
    start_attempt (task);
  return G_SOURCE_REMOVE;
}

static gboolean
wake_cb (GCancellable *cancellable,
         gpointer      user_data)
{
  return G_SOURCE_CONTINUE;
}

/* @cancellable: (nullable) */
static void
wake_with (GSource      *source,
           GCancellable *cancellable)
{
  g_autoptr (GSource) child = NULL;

  if (cancellable == NULL)
    return;
  child = g_cancellable_source_new (cancellable);
  g_source_set_callback (child, G_SOURCE_FUNC (wake_cb), NULL, NULL);
  g_source_add_child_source (source, child);
}

/* Goes on when the service may be asked again, or as soon as the task is cancelled. */
static void
wait_for_service (GTask *task)
{
  Request *request = g_task_get_task_data (task);
  g_autoptr (GSource) source = g_timeout_source_new (0);

  g_source_set_static_name (source, "[lsobs] retry");
  g_source_set_ready_time (source, request->service->not_before);
  wake_with (source, g_task_get_cancellable (task));
  wake_with (source, _lsobs_service_peek_hurry (request->service));
  g_task_attach_source (task, source, wait_over_cb);
}

/* Sends the same again, or gives up. Takes @error over. */
static void
retry (GTask  *task,
       GError *error,
       gint64  retry_after)
{
  Request *request = g_task_get_task_data (task);
  LsobsService *service = request->service;
  gint64 now = g_get_monotonic_time ();
  const LsobsRetryPlan plan = {
    service->settings->max_attempts, service->settings->retry_delay, request->n_attempts,
    (now - request->began) / 1000
  };
  gint64 delay = _lsobs_retry_next (&plan, g_random_double (), retry_after);

  if (delay < 0)
    {
      /* What the service asks for holds for the next batch, too. */
      if (retry_after > 0)
        _lsobs_service_hold (service, now + retry_after * 1000);
      g_task_return_error (task, error);
      return;
    }
  g_debug ("Attempt %u failed, the next one comes in %" G_GINT64_FORMAT " ms: %s", request->n_attempts,
           delay, error->message);
  g_error_free (error);
  _lsobs_service_hold (service, now + delay * 1000);
  wait_for_service (task);
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

/* Only one shape has a place for files. */
static void
count_left_out (Request *request)
{
  GPtrArray *records = _lsobs_batch_peek_records (request->batch);
  LsobsService *service = request->service;
  guint n = 0;

  if (request->shape == SHAPE_MULTIPART)
    return;
  for (guint i = 0; i < records->len; i++)
    {
      GPtrArray *attachments = _lsobs_encoded_get_attachments (g_ptr_array_index (records, i));

      n += attachments != NULL ? attachments->len : 0;
    }
  if (n == 0)
    return;
  _lsobs_counters_add (service->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, n);
  if (!service->told_of_files)
    g_message ("Attachments%s are left out: %s takes none", service->settings->direction,
               get_path (request->shape));
  service->told_of_files = TRUE;
}

/* Decides by the answer of an attempt. */
static void
judge_answer (GTask       *task,
              guint        status,
              const char  *answer,
              const char  *retry_after)
{
  Request *request = g_task_get_task_data (task);
  LsobsService *service = request->service;
  LsobsVerdict verdict = _lsobs_retry_judge (status, answer);

  /* The update of a run that is not there: nothing is left to update. */
  if (verdict == LSOBS_VERDICT_NOT_FOUND && is_single_update (request))
    verdict = LSOBS_VERDICT_DELIVERED;
  /* It may be the run that is not there: that says nothing of the address. */
  if (verdict == LSOBS_VERDICT_NOT_FOUND && request->shape == SHAPE_FEEDBACK)
    verdict = LSOBS_VERDICT_REJECTED;
  /* An earlier attempt of ours came through; if none did, the exporter has to find
   * out which of the records it was, and what that means. */
  if (verdict == LSOBS_VERDICT_CONFLICT && request->unsure)
    verdict = LSOBS_VERDICT_DELIVERED;
  request->unsure |= _lsobs_retry_get_policy (verdict)->unsure;

  if (verdict == LSOBS_VERDICT_DELIVERED)
    {
      _lsobs_counters_add (service->counters, LSOBS_COUNTER_BYTES_SENT, g_bytes_get_size (request->body));
      count_left_out (request);
      g_task_return_boolean (task, TRUE);
    }
  else if (_lsobs_retry_get_policy (verdict)->again)
    {
      retry (task, _lsobs_retry_make_error (verdict, status, answer),
             _lsobs_retry_parse_after (retry_after, g_get_real_time () / G_USEC_PER_SEC));
    }
  else if (verdict == LSOBS_VERDICT_NOT_FOUND && _lsobs_service_fall_back (service, request->mode))
    {
      g_message ("%s has no %s; using %s",
                 service->settings->label != NULL ? service->settings->label : "The service",
                 get_path (request->shape),
                 get_path (get_mode_shape (_lsobs_service_get_mode (service))));
      start_attempt (task);
    }
  else
    {
      g_task_return_error (task, _lsobs_retry_make_error (verdict, status, answer));
    }
}

/* Called in the context of the task. */
static void
exchanged_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Request *request = g_task_get_task_data (task);
  LsobsSettings *settings = request->service->settings;
  g_autoptr (SoupMessage) message = g_steal_pointer (&request->message);
  g_autoptr (GError) error = NULL;
  g_autofree char *answer = _lsobs_exchange_finish (result, NULL, &error);

  if (answer != NULL)
    {
      hide_key (settings->api_key, &answer);
      judge_answer (task, soup_message_get_status (message), answer,
                    soup_message_headers_get_one (soup_message_get_response_headers (message),
                                                  "Retry-After"));
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_task_return_error (task, g_steal_pointer (&error));
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    {
      request->unsure = TRUE;
      retry (task,
             g_error_new (LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
                          _("The service did not answer within %" G_GINT64_FORMAT " ms"),
                          settings->request_timeout),
             -1);
    }
  else
    {
      request->unsure |= !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
      retry (task,
             g_error_new (LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
                          _("The service cannot be reached: %s"), error->message),
             -1);
    }
}

/* Whether there is feedback among other records. */
static gboolean
has_mixed_feedback (LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);

  for (guint i = 0; records->len > 1 && i < records->len; i++)
    if (((LsobsEncoded *) g_ptr_array_index (records, i))->record->feedback != NULL)
      return TRUE;
  return FALSE;
}

/* What the service takes may have become less since the batch was made. What it may
 * have had already is sent again as it was. */
static gboolean
is_too_large (Request         *request,
              LsobsIngestMode  mode)
{
  guint n_records = lsobs_batch_get_n_records (request->batch);

  if (!_lsobs_service_takes_feedback (request->service) && has_mixed_feedback (request->batch))
    return TRUE;
  if (request->n_attempts > 0)
    return mode == LSOBS_INGEST_MODE_RUNS && n_records > 1;
  return n_records > _lsobs_service_get_max_records (request->service) ||
         lsobs_batch_get_n_bytes (request->batch) > _lsobs_service_get_max_bytes (request->service);
}

/* Every attempt goes through here. Called in the context of the task. */
static void
start_attempt (GTask *task)
{
  Request *request = g_task_get_task_data (task);
  LsobsService *service = request->service;
  SoupSession *session = _lsobs_service_peek_session (service);
  LsobsExchangeLimits limits = { service->settings->request_timeout, MAX_TAIL, MAX_ANSWER };
  LsobsIngestMode mode;

  if (g_get_monotonic_time () < service->not_before)
    {
      wait_for_service (task);
      return;
    }
  mode = _lsobs_service_choose_mode (service);
  if (is_too_large (request, mode))
    {
      g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                               _("The service does not take as much at a time"));
      return;
    }
  if (request->body == NULL || request->mode != mode)
    {
      g_clear_pointer (&request->body, g_bytes_unref);
      request->mode = mode;
      request->shape = get_shape (service, request->batch, mode);
      request->body = write_body (request->batch, request->shape, request->boundary);
    }

  request->n_attempts++;
  _lsobs_counters_add (service->counters, LSOBS_COUNTER_REQUESTS, 1);
  if (request->n_attempts > 1)
    _lsobs_counters_add (service->counters, LSOBS_COUNTER_RETRIES, 1);
  request->message = make_message (request);
  limits.timeout += (gint64) (g_bytes_get_size (request->body) / 1024) * MS_PER_KIB;

  /* The program's context is not always the default one of the thread. */
  g_main_context_push_thread_default (g_task_get_context (task));
  _lsobs_exchange_async (session, request->message, &limits, g_task_get_cancellable (task),
                         exchanged_cb, g_object_ref (task));
  _lsobs_service_ask (service);
  g_main_context_pop_thread_default (g_task_get_context (task));
}

/* Ends @task, which has no task data yet, when the batch is delivered or has
 * failed. */
void
_lsobs_request_send_task (LsobsService *service,
                          LsobsBatch   *batch,
                          GTask        *task)
{
  Request *request = g_new0 (Request, 1);

  request->service = _lsobs_service_ref (service);
  request->batch = lsobs_batch_ref (batch);
  request->began = g_get_monotonic_time ();
  g_task_set_task_data (task, request, request_free);
  /* What was delivered stays so when the cancellation comes a moment later. */
  g_task_set_check_cancellable (task, FALSE);
  if (!g_task_return_error_if_cancelled (task))
    start_attempt (task);
}

/* Returns: (transfer full): the request that would have been made of the batch now,
 * and that anybody can make later. The update of a single run is none: its run is in
 * its address. Feedback among runs needs the shape that has a place for it. */
LsobsLostRequest *
_lsobs_request_new_lost (LsobsService *service,
                         LsobsBatch   *batch)
{
  Shape shape = get_shape (service, batch, _lsobs_service_get_mode (service));
  char boundary[LSOBS_BOUNDARY_LEN + 1] = "";
  g_autoptr (GBytes) body = NULL;
  g_autofree char *type = NULL;

  if (has_mixed_feedback (batch))
    shape = SHAPE_MULTIPART;
  else if (shape == SHAPE_RUN && (lsobs_batch_get_n_records (batch) > 1 ||
                                  peek_first (batch)->record->kind == LSOBS_RECORD_UPDATE))
    shape = SHAPE_BATCH;
  body = write_body (batch, shape, boundary);
  type = make_type (shape, boundary);
  return _lsobs_lost_request_new (get_path (shape), type, NULL, body);
}
