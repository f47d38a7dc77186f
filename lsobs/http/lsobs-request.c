/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/http/lsobs-attempt-private.h"
#include "lsobs/http/lsobs-request-private.h"
#include "lsobs/transport/lsobs-batch-private.h"
#include "lsobs/transport/lsobs-body-private.h"

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
  LsobsService *service; /* (unowned) that of attempts */
  LsobsAttempts attempts;
  LsobsBatch *batch;       /* (owned) */
  GBytes *body;            /* (owned) (nullable) kept for retries */
  LsobsIngestMode mode;    /* what body was made for */
  Shape shape;             /* what it is */
  LsobsCompression packed; /* what it is compressed with */
  gsize payload;           /* bytes in it before, without the framing */
  gboolean plain;          /* never compress it again: it was refused so */
  char boundary[LSOBS_BOUNDARY_LEN + 1];
} Request;

static void start_attempt (GTask *task);

static void
request_free (gpointer user_data)
{
  Request *request = user_data;

  _lsobs_attempts_clear (&request->attempts);
  lsobs_batch_unref (request->batch);
  g_clear_pointer (&request->body, g_bytes_unref);
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
get_shape (LsobsService *service, LsobsBatch *batch, LsobsIngestMode mode)
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
write_body (LsobsBatch *batch, Shape shape, char *boundary)
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
make_type (Shape shape, const char *boundary)
{
  if (shape == SHAPE_MULTIPART)
    return g_strdup_printf ("multipart/form-data; boundary=%s", boundary);
  return g_strdup ("application/json");
}

/* Once for all attempts, as long as the service does not want it otherwise. */
static void
prepare_body (Request *request, LsobsIngestMode mode)
{
  LsobsService *service = request->service;
  g_autoptr (GBytes) body = NULL;

  g_clear_pointer (&request->body, g_bytes_unref);
  request->mode = mode;
  request->shape = get_shape (service, request->batch, mode);
  body = write_body (request->batch, request->shape, request->boundary);
  request->payload = request->shape == SHAPE_MULTIPART
                         ? _lsobs_body_measure_payload (_lsobs_batch_peek_records (request->batch))
                         : g_bytes_get_size (body);
  request->packed = LSOBS_COMPRESSION_NONE;
  /* What the service offers is about runs. */
  if (request->plain || (request->shape == SHAPE_FEEDBACK &&
                         service->settings->compression == LSOBS_COMPRESSION_AUTO))
    request->body = g_steal_pointer (&body);
  else
    request->body = _lsobs_service_compress (service, body, &request->packed);
}

/* Whether the request is the update of one run. */
static gboolean
is_single_update (Request *request)
{
  return request->shape == SHAPE_RUN && peek_first (request->batch)->kind == LSOBS_RECORD_UPDATE;
}

/* Returns: (transfer full): a new one for each attempt, without the body */
static SoupMessage *
make_message (Request *request)
{
  const char *id = peek_first (request->batch)->id;
  gboolean update = is_single_update (request);
  g_autofree char *path =
      g_strconcat (get_path (request->shape), update ? "/" : "", update ? id : "", NULL);
  SoupMessage *message =
      _lsobs_service_new_message (request->service, update ? "PATCH" : "POST", path);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  if (request->shape == SHAPE_RUN && !update)
    soup_message_headers_replace (headers, "x-idempotency-key", id);
  if (request->packed != LSOBS_COMPRESSION_NONE)
    {
      g_autofree char *size = g_strdup_printf ("%" G_GSIZE_FORMAT, request->payload);

      soup_message_headers_replace (headers, "Content-Encoding",
                                    _lsobs_compression_get_name (request->packed));
      soup_message_headers_replace (headers, "X-Pre-Compressed-Size", size);
    }
  return message;
}

/* In a forked child, the parent goes on with it, and nobody here waits for it. TRUE
 * when the task has ended. */
static gboolean
leave_to_parent (GTask *task)
{
  Request *request = g_task_get_task_data (task);

  if (!_lsobs_attempts_are_foreign (&request->attempts))
    return FALSE;
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "%s", g_strerror (ECANCELED));
  return TRUE;
}

/* Called in the context of the task. */
static gboolean
wait_over_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  if (!leave_to_parent (task) && !g_task_return_error_if_cancelled (task))
    start_attempt (task);
  return G_SOURCE_REMOVE;
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
      LsobsEncoded *encoded = g_ptr_array_index (records, i);

      n += encoded->attachments != NULL ? encoded->attachments->len : 0;
    }
  if (n == 0)
    return;
  _lsobs_counters_add (service->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, n);
  if (!service->told_of_files)
    _lsobs_log_left_out (get_path (request->shape), service->settings->label);
  service->told_of_files = TRUE;
}

/* Once for each: it is looked for again every few minutes. */
static void
tell_of_missing (Request *request)
{
  LsobsService *service = request->service;

  if ((service->told_of_missing & (1u << request->mode)) != 0)
    return;
  service->told_of_missing |= 1u << request->mode;
  _lsobs_log_fallen_back (get_path (request->shape),
                          get_path (get_mode_shape (_lsobs_service_get_mode (service))),
                          service->settings->label);
}

/* The answer may be about the compression, not about what was compressed. TRUE: the
 * same goes out again as it is. */
static gboolean
unpack (Request *request, guint status)
{
  LsobsService *service = request->service;

  if (request->packed == LSOBS_COMPRESSION_NONE)
    return FALSE;
  if (status == SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE)
    _lsobs_service_refuse_compression (service);
  else if (status != SOUP_STATUS_BAD_REQUEST)
    return FALSE;
  /* Where it works, it will be one of the records; it is found without that. */
  else if (service->compression_works && lsobs_batch_get_n_records (request->batch) > 1)
    return FALSE;
  request->plain = TRUE;
  g_clear_pointer (&request->body, g_bytes_unref);
  return TRUE;
}

/* The service has understood what was sent. */
static void
note_understood (Request *request)
{
  if (request->packed != LSOBS_COMPRESSION_NONE)
    request->service->compression_works = TRUE;
  else if (request->plain)
    _lsobs_service_refuse_compression (request->service);
}

/* Whether there is the create of a run whose first one seemed lost. That may have been
 * there already, instead of an earlier attempt of this batch. */
static gboolean
has_promoted (LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);

  for (guint i = 0; i < records->len; i++)
    {
      LsobsEncoded *encoded = g_ptr_array_index (records, i);

      if (encoded->kind == LSOBS_RECORD_CREATE && encoded->record->promoted)
        return TRUE;
    }
  return FALSE;
}

/* Whether the endpoint is missing, by an answer of the service or by a page. */
static gboolean
is_missing (Request *request, LsobsVerdict verdict)
{
  return verdict == LSOBS_VERDICT_NOT_FOUND ||
         (verdict == LSOBS_VERDICT_NO_PAGE && request->shape != SHAPE_FEEDBACK);
}

/* Called in the context of the task. */
static void
attempted_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Request *request = g_task_get_task_data (task);
  LsobsService *service = request->service;
  g_auto (LsobsOutcome) outcome = LSOBS_OUTCOME_INIT;
  g_autoptr (GError) error = NULL;

  if (leave_to_parent (task))
    return;
  if (!_lsobs_attempts_end (&request->attempts, result, &outcome, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (request->attempts.unsure)
    _lsobs_batch_peek_history (request->batch)->unsure = TRUE;
  _lsobs_batch_peek_history (request->batch)->verdict = outcome.verdict;
  if (outcome.answer != NULL && unpack (request, outcome.status))
    {
      _lsobs_attempts_take_back (&request->attempts);
      start_attempt (task);
      return;
    }
  /* The update of a run that is not there: nothing is left to update. */
  if (outcome.verdict == LSOBS_VERDICT_NOT_FOUND && is_single_update (request))
    outcome.verdict = LSOBS_VERDICT_DELIVERED;
  /* It may be the run that is not there: that says nothing of the address. */
  if (outcome.verdict == LSOBS_VERDICT_NOT_FOUND && request->shape == SHAPE_FEEDBACK)
    outcome.verdict = LSOBS_VERDICT_REJECTED;
  /* An earlier attempt of ours came through; if none did, the exporter has to find
   * out which of the records it was, and what that means. */
  if (outcome.verdict == LSOBS_VERDICT_CONFLICT && outcome.unsure && !has_promoted (request->batch))
    outcome.verdict = LSOBS_VERDICT_DELIVERED;
  if (outcome.verdict == LSOBS_VERDICT_DELIVERED || outcome.verdict == LSOBS_VERDICT_CONFLICT)
    note_understood (request);

  if (outcome.verdict == LSOBS_VERDICT_DELIVERED)
    {
      _lsobs_counters_add (service->counters, LSOBS_COUNTER_BYTES_SENT,
                           g_bytes_get_size (request->body));
      count_left_out (request);
      g_task_return_boolean (task, TRUE);
    }
  else if (is_missing (request, outcome.verdict) &&
           _lsobs_service_fall_back (service, request->mode))
    {
      tell_of_missing (request);
      start_attempt (task);
    }
  else if (_lsobs_attempts_need_other_key (&request->attempts, &outcome))
    {
      start_attempt (task);
    }
  else if (_lsobs_attempts_go_on (&request->attempts, &outcome, &error))
    {
      start_attempt (task);
    }
  else
    {
      g_task_return_error (task, g_steal_pointer (&error));
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
is_too_large (Request *request, LsobsIngestMode mode)
{
  guint n_records = lsobs_batch_get_n_records (request->batch);

  if (!_lsobs_service_takes_feedback (request->service) && has_mixed_feedback (request->batch))
    return TRUE;
  if (request->attempts.n > 0)
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
  g_autoptr (GError) error = NULL;
  g_autofree char *type = NULL;
  LsobsIngestMode mode;

  _lsobs_service_enter (service);
  if (_lsobs_attempts_wait (&request->attempts, task, wait_over_cb))
    return;
  if (!_lsobs_attempts_have_key (&request->attempts, task, wait_over_cb, &error))
    {
      if (error != NULL)
        g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  mode = _lsobs_service_choose_mode (service);
  if (is_too_large (request, mode))
    {
      g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                               _ ("The service does not take as much at a time"));
      return;
    }
  if (_lsobs_record_lacks_project_id (peek_first (request->batch)->record, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (request->packed != LSOBS_COMPRESSION_NONE && service->compression_refused)
    g_clear_pointer (&request->body, g_bytes_unref);
  if (request->body == NULL || request->mode != mode)
    prepare_body (request, mode);

  type = make_type (request->shape, request->boundary);
  _lsobs_attempts_begin (&request->attempts, task, make_message (request), type, request->body,
                         attempted_cb);
  g_main_context_push_thread_default (g_task_get_context (task));
  _lsobs_service_ask (service);
  g_main_context_pop_thread_default (g_task_get_context (task));
}

/* Ends @task, which has no task data yet, when the batch is delivered or has
 * failed. */
void
_lsobs_request_send_task (LsobsService *service, LsobsBatch *batch, GTask *task)
{
  const LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);
  Request *request = g_new0 (Request, 1);

  _lsobs_attempts_init (&request->attempts, service);
  request->service = service;
  request->batch = lsobs_batch_ref (batch);
  request->attempts.alone =
      lsobs_batch_get_n_records (batch) == 1 && history->suspicion != LSOBS_SUSPICION_TRIAL;
  request->attempts.again = history->tried;
  request->attempts.unsure = history->unsure;
  if (lsobs_batch_is_probe (batch))
    request->attempts.max = 1;
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
_lsobs_request_new_lost (LsobsService *service, LsobsBatch *batch)
{
  Shape shape = get_shape (service, batch, _lsobs_service_get_mode (service));
  char boundary[LSOBS_BOUNDARY_LEN + 1] = "";
  g_autoptr (GBytes) body = NULL;
  g_autofree char *type = NULL;

  if (has_mixed_feedback (batch))
    shape = SHAPE_MULTIPART;
  else if (shape == SHAPE_RUN && (lsobs_batch_get_n_records (batch) > 1 ||
                                  peek_first (batch)->kind == LSOBS_RECORD_UPDATE))
    shape = SHAPE_BATCH;
  body = write_body (batch, shape, boundary);
  type = make_type (shape, boundary);
  return _lsobs_lost_request_new (get_path (shape), type, NULL, body);
}
