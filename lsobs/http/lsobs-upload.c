/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/http/lsobs-attempts-private.h"
#include "lsobs/http/lsobs-upload-private.h"
#include "lsobs/http/lsobs-wait-source-private.h"
#include "lsobs/transport/lsobs-batch-private.h"
#include "lsobs/transport/lsobs-body-private.h"

/* The form of a body: one for each mode, and one for a single piece of feedback. */
typedef enum
{
  BODY_KIND_MULTIPART,
  BODY_KIND_BATCH,
  BODY_KIND_RUN,
  BODY_KIND_FEEDBACK
} BodyKind;

/* One batch on its way to the service, with all its attempts. */
typedef struct
{
  LsobsService *service; /* (unowned) that of attempts */
  LsobsAttempts attempts;
  LsobsBatch *batch;            /* (owned) */
  GBytes *body;                 /* (owned) (nullable) kept for retries */
  GBytes *unfinished;           /* (owned) (nullable) the body while it is compressed */
  LsobsIngestMode mode;         /* that the body was made for */
  BodyKind body_kind;           /* of the body */
  LsobsCompression compression; /* of the body */
  gsize payload;                /* of a compressed body: see measure_payload() */
  gboolean plain;               /* the compressed form was refused */
  char boundary[LSOBS_BOUNDARY_LEN + 1];
} Upload;

static void start_attempt (GTask *task);

static void
upload_free (gpointer user_data)
{
  Upload *upload = user_data;

  _lsobs_attempts_clear (&upload->attempts);
  lsobs_batch_unref (upload->batch);
  g_clear_pointer (&upload->body, g_bytes_unref);
  g_clear_pointer (&upload->unfinished, g_bytes_unref);
  g_free (upload);
}

static LsobsEncoded *
peek_first (LsobsBatch *batch)
{
  return g_ptr_array_index (_lsobs_batch_peek_records (batch), 0);
}

static BodyKind
get_mode_body_kind (LsobsIngestMode mode)
{
  switch (mode)
    {
    case LSOBS_INGEST_MODE_BATCH:
      return BODY_KIND_BATCH;
    case LSOBS_INGEST_MODE_RUNS:
      return BODY_KIND_RUN;
    case LSOBS_INGEST_MODE_AUTO:
    case LSOBS_INGEST_MODE_MULTIPART:
    default:
      return BODY_KIND_MULTIPART;
    }
}

static BodyKind
get_body_kind (LsobsService *service, LsobsBatch *batch, LsobsIngestMode mode)
{
  LsobsFeedback *feedback = peek_first (batch)->record->feedback;

  if (lsobs_batch_get_n_records (batch) == 1 && feedback != NULL &&
      (feedback->keep_retention || !_lsobs_service_takes_feedback (service)))
    return BODY_KIND_FEEDBACK;
  return get_mode_body_kind (mode);
}

/* Returns: the endpoint, below the address of the service */
static const char *
get_path (BodyKind body_kind)
{
  switch (body_kind)
    {
    case BODY_KIND_BATCH:
      return "runs/batch";
    case BODY_KIND_RUN:
      return "runs";
    case BODY_KIND_FEEDBACK:
      return "feedback";
    case BODY_KIND_MULTIPART:
    default:
      return "runs/multipart";
    }
}

/* @boundary: (out): written for BODY_KIND_MULTIPART only
 * Returns: (transfer full) */
static GBytes *
write_body (LsobsBatch *batch, BodyKind body_kind, char *boundary)
{
  switch (body_kind)
    {
    case BODY_KIND_RUN:
    case BODY_KIND_FEEDBACK:
      return _lsobs_body_write_one (peek_first (batch));
    case BODY_KIND_BATCH:
      return _lsobs_body_write_batch (_lsobs_batch_peek_records (batch));
    case BODY_KIND_MULTIPART:
    default:
      _lsobs_body_make_boundary (boundary);
      return _lsobs_body_write_multipart (_lsobs_batch_peek_records (batch), boundary);
    }
}

/* Returns: (transfer full): the Content-Type of the body */
static char *
make_type (BodyKind body_kind, const char *boundary)
{
  if (body_kind == BODY_KIND_MULTIPART)
    return g_strdup_printf ("multipart/form-data; boundary=%s", boundary);
  return g_strdup ("application/json");
}

/* Writes the body as it is before compression. */
static void
begin_body (Upload *upload, LsobsIngestMode mode)
{
  g_clear_pointer (&upload->body, g_bytes_unref);
  g_clear_pointer (&upload->unfinished, g_bytes_unref);
  upload->mode = mode;
  upload->body_kind = get_body_kind (upload->service, upload->batch, mode);
  upload->unfinished = write_body (upload->batch, upload->body_kind, upload->boundary);
}

/* Returns: the bytes of the body before compression, without framing */
static gsize
measure_payload (Upload *upload)
{
  return upload->body_kind == BODY_KIND_MULTIPART
             ? _lsobs_body_measure_payload (_lsobs_batch_peek_records (upload->batch))
             : g_bytes_get_size (upload->unfinished);
}

/* Makes the body, which all attempts share until the mode or the compression changes.
 * Returns: FALSE if the work limit of this thread is over: the next call goes on */
static gboolean
prepare_body (Upload *upload, LsobsIngestMode mode)
{
  LsobsService *service = upload->service;

  if (upload->unfinished == NULL || upload->mode != mode)
    begin_body (upload, mode);
  upload->compression = LSOBS_COMPRESSION_NONE;
  /* The compression that the service offers is for runs. */
  if (upload->plain ||
      (upload->body_kind == BODY_KIND_FEEDBACK &&
       _lsobs_service_peek_settings (service)->values.compression == LSOBS_COMPRESSION_AUTO))
    upload->body = g_bytes_ref (upload->unfinished);
  else
    upload->body = _lsobs_service_compress (service, upload->unfinished, &upload->compression);
  if (upload->body == NULL)
    return FALSE;
  if (upload->compression != LSOBS_COMPRESSION_NONE)
    upload->payload = measure_payload (upload);
  g_clear_pointer (&upload->unfinished, g_bytes_unref);
  return TRUE;
}

/* Whether the upload is the update of one run. */
static gboolean
is_single_update (Upload *upload)
{
  return upload->body_kind == BODY_KIND_RUN &&
         peek_first (upload->batch)->kind == LSOBS_RECORD_UPDATE;
}

/* Returns: (transfer full): the message of one attempt, without the body */
static SoupMessage *
make_message (Upload *upload)
{
  const char *id = peek_first (upload->batch)->id;
  gboolean update = is_single_update (upload);
  g_autofree char *path =
      g_strconcat (get_path (upload->body_kind), update ? "/" : "", update ? id : "", NULL);
  SoupMessage *message = _lsobs_route_new_message (_lsobs_service_peek_route (upload->service),
                                                   update ? "PATCH" : "POST", path);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  if (upload->body_kind == BODY_KIND_RUN && !update)
    soup_message_headers_replace (headers, "x-idempotency-key", id);
  if (upload->compression != LSOBS_COMPRESSION_NONE)
    {
      g_autofree char *size = g_strdup_printf ("%" G_GSIZE_FORMAT, upload->payload);

      soup_message_headers_replace (headers, "Content-Encoding",
                                    _lsobs_compression_get_name (upload->compression));
      soup_message_headers_replace (headers, "X-Pre-Compressed-Size", size);
    }
  return message;
}

/* In a forked child, the upload is the parent's.
 * Returns: whether that has ended the task */
static gboolean
leave_to_parent (GTask *task)
{
  Upload *upload = g_task_get_task_data (task);

  if (!_lsobs_attempts_are_forked (&upload->attempts))
    return FALSE;
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "%s", g_strerror (ECANCELED));
  return TRUE;
}

/* Called in the context of the task. */
static gboolean
wait_over_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  if (!leave_to_parent (task) && !g_task_return_error_if_cancelled (task))
    start_attempt (task);
  return G_SOURCE_REMOVE;
}

/* Counts attachments that were not sent: only multipart requests can hold them. */
static void
count_left_out (Upload *upload)
{
  GPtrArray *records = _lsobs_batch_peek_records (upload->batch);
  guint n = 0;

  if (upload->body_kind == BODY_KIND_MULTIPART)
    return;
  for (guint i = 0; i < records->len; i++)
    {
      LsobsEncoded *encoded = g_ptr_array_index (records, i);

      n += encoded->attachments != NULL ? encoded->attachments->len : 0;
    }
  if (n > 0)
    _lsobs_service_count_left_out (upload->service, n, get_path (upload->body_kind));
}

/* Gives up the missing endpoint for the next one.
 * Returns: whether there is another endpoint */
static gboolean
fall_back (Upload *upload)
{
  LsobsService *service = upload->service;

  if (!_lsobs_service_fall_back (service, upload->mode))
    return FALSE;
  _lsobs_service_log_fallback (service, upload->mode, get_path (upload->body_kind),
                               get_path (get_mode_body_kind (_lsobs_service_get_mode (service))));
  return TRUE;
}

/* The answer may be about the compression, not about the records.
 * Returns: whether the batch is to be sent again without compression */
static gboolean
drop_compression (Upload *upload, guint status)
{
  LsobsService *service = upload->service;

  if (upload->compression == LSOBS_COMPRESSION_NONE)
    return FALSE;
  if (status == SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE)
    _lsobs_service_refuse_compression (service);
  else if (status != SOUP_STATUS_BAD_REQUEST)
    return FALSE;
  /* The service accepts compressed requests, so a record is invalid. Halving the batch finds it. */
  else if (_lsobs_service_takes_compression (service) &&
           lsobs_batch_get_n_records (upload->batch) > 1)
    return FALSE;
  upload->plain = TRUE;
  g_clear_pointer (&upload->body, g_bytes_unref);
  return TRUE;
}

/* The service has accepted the upload: learns from its endpoint and its compression. A 404 for an
 * update whose run is missing does not show that there is such an endpoint. */
static void
note_accepted (Upload *upload, guint status)
{
  if (status != SOUP_STATUS_NOT_FOUND)
    _lsobs_service_prove (upload->service, upload->body_kind);
  if (upload->compression != LSOBS_COMPRESSION_NONE)
    _lsobs_service_confirm_compression (upload->service);
  else if (upload->plain)
    _lsobs_service_refuse_compression (upload->service);
}

/* Whether the batch holds the second create of a run whose first create seemed lost. A conflict may
 * be about the first create, not about an earlier attempt of this batch. */
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

/* Whether the endpoint is missing, as the service or a page says. */
static gboolean
is_missing (Upload *upload, LsobsOutcome outcome)
{
  return outcome == LSOBS_OUTCOME_NOT_FOUND ||
         (outcome == LSOBS_OUTCOME_NO_PAGE && upload->body_kind != BODY_KIND_FEEDBACK);
}

/* Corrects the outcome with what is known of the upload. */
static LsobsOutcome
correct_outcome (Upload *upload, const LsobsAnswer *answer)
{
  if (answer->outcome == LSOBS_OUTCOME_NOT_FOUND)
    {
      /* The run is missing, not the endpoint: there is nothing to update. */
      if (is_single_update (upload))
        return LSOBS_OUTCOME_DELIVERED;
      /* The run of the feedback may be missing, not the endpoint. */
      if (upload->body_kind == BODY_KIND_FEEDBACK)
        return LSOBS_OUTCOME_REJECTED;
    }
  /* An earlier attempt was processed. If none was, the worker has to find the record. */
  if (answer->outcome == LSOBS_OUTCOME_CONFLICT && answer->unsure && !has_promoted (upload->batch))
    return LSOBS_OUTCOME_DELIVERED;
  return answer->outcome;
}

static void
return_delivered (GTask *task)
{
  Upload *upload = g_task_get_task_data (task);

  _lsobs_counters_add (_lsobs_service_peek_counters (upload->service), LSOBS_COUNTER_BYTES_SENT,
                       g_bytes_get_size (upload->body));
  count_left_out (upload);
  _lsobs_service_set_problem (upload->service, NULL);
  g_debug ("Sent %u records in %" G_GSIZE_FORMAT " bytes to %s/%s in %" G_GINT64_FORMAT " ms",
           lsobs_batch_get_n_records (upload->batch), g_bytes_get_size (upload->body),
           _lsobs_service_peek_settings (upload->service)->values.api_url,
           get_path (upload->body_kind), (g_get_monotonic_time () - upload->attempts.began) / 1000);
  g_task_return_boolean (task, TRUE);
}

/* Called in the context of the task. */
static void
attempted_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Upload *upload = g_task_get_task_data (task);
  LsobsBatchHistory *history = _lsobs_batch_peek_history (upload->batch);
  g_auto (LsobsAnswer) answer = LSOBS_ANSWER_INIT;
  g_autoptr (GError) error = NULL;
  gboolean answered;

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  if (leave_to_parent (task))
    return;
  answered = _lsobs_attempts_end (&upload->attempts, result, &answer, &error);
  _lsobs_service_end_upload (upload->service, answered && answer.text != NULL);
  if (!answered)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (upload->attempts.unsure)
    history->unsure = TRUE;
  history->outcome = answer.outcome;
  if (answer.text != NULL && drop_compression (upload, answer.status))
    {
      _lsobs_attempts_ignore_reachable (&upload->attempts);
      start_attempt (task);
      return;
    }
  answer.outcome = correct_outcome (upload, &answer);
  if (answer.outcome == LSOBS_OUTCOME_DELIVERED || answer.outcome == LSOBS_OUTCOME_CONFLICT)
    note_accepted (upload, answer.status);

  if (answer.outcome == LSOBS_OUTCOME_DELIVERED)
    return_delivered (task);
  else if ((is_missing (upload, answer.outcome) && fall_back (upload)) ||
           _lsobs_attempts_need_other_key (&upload->attempts, &answer) ||
           _lsobs_attempts_plan_next (&upload->attempts, &answer, &error))
    start_attempt (task);
  else
    {
      g_debug ("%u records were not taken by %s/%s: %s", lsobs_batch_get_n_records (upload->batch),
               _lsobs_service_peek_settings (upload->service)->values.api_url,
               get_path (upload->body_kind), error->message);
      g_task_return_error (task, g_steal_pointer (&error));
    }
}

/* Whether the batch holds feedback and other records. */
static gboolean
has_mixed_feedback (LsobsBatch *batch)
{
  GPtrArray *records = _lsobs_batch_peek_records (batch);

  for (guint i = 0; records->len > 1 && i < records->len; i++)
    if (((LsobsEncoded *) g_ptr_array_index (records, i))->record->feedback != NULL)
      return TRUE;
  return FALSE;
}

/* Whether the batch has become too large: the service may accept less than when it was made. A
 * batch that was sent before is sent again unchanged. */
static gboolean
is_too_large (Upload *upload, LsobsIngestMode mode)
{
  guint n_records = lsobs_batch_get_n_records (upload->batch);

  if (!_lsobs_service_takes_feedback (upload->service) && has_mixed_feedback (upload->batch))
    return TRUE;
  if (upload->attempts.n > 0)
    return mode == LSOBS_INGEST_MODE_RUNS && n_records > 1;
  return n_records > _lsobs_service_get_max_records (upload->service) ||
         _lsobs_body_measure (_lsobs_batch_peek_records (upload->batch)) >
             _lsobs_service_get_max_bytes (upload->service);
}

/* Has the attempt started when the context runs again. */
static void
go_on_later (GTask *task)
{
  g_autoptr (GSource) source = _lsobs_wait_source_new ("[lsobs] compression", 0);

  _lsobs_wait_source_add_cancellable (source, g_task_get_cancellable (task));
  g_task_attach_source (task, source, wait_over_cb);
}

/* Starts an attempt, or waits until it may start. Called in the context of the task. */
static void
start_attempt (GTask *task)
{
  Upload *upload = g_task_get_task_data (task);
  LsobsService *service = upload->service;
  g_autoptr (GError) error = NULL;
  g_autofree char *type = NULL;
  LsobsIngestMode mode;

  _lsobs_service_enter (service);
  _lsobs_service_assert_context (service);
  if (_lsobs_attempts_wait (&upload->attempts, task, wait_over_cb))
    return;
  if (!_lsobs_attempts_have_key (&upload->attempts, task, wait_over_cb, &error))
    {
      if (error != NULL)
        g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  mode = _lsobs_service_choose_mode (service);
  if (is_too_large (upload, mode))
    {
      g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE,
                               _ ("The request is too large for the service"));
      return;
    }
  if (_lsobs_record_lacks_project_id (peek_first (upload->batch)->record, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (upload->compression != LSOBS_COMPRESSION_NONE && _lsobs_service_refuses_compression (service))
    g_clear_pointer (&upload->body, g_bytes_unref);
  if ((upload->body == NULL || upload->mode != mode) && !prepare_body (upload, mode))
    {
      go_on_later (task);
      return;
    }

  type = make_type (upload->body_kind, upload->boundary);
  upload->attempts.proven = _lsobs_service_is_proven (service, upload->body_kind);
  _lsobs_attempts_begin (&upload->attempts, task, make_message (upload), type, upload->body,
                         attempted_cb);
  g_main_context_push_thread_default (g_task_get_context (task));
  _lsobs_service_begin_upload (service);
  g_main_context_pop_thread_default (g_task_get_context (task));
}

/* Sends @batch, and ends @task when it is delivered or has failed.
 * @task: without task data */
void
_lsobs_upload_send_task (LsobsService *service, LsobsBatch *batch, GTask *task)
{
  const LsobsBatchHistory *history = _lsobs_batch_peek_history (batch);
  Upload *upload = g_new0 (Upload, 1);

  _lsobs_service_assert_context (service);
  _lsobs_attempts_init (&upload->attempts, service);
  upload->service = service;
  upload->batch = lsobs_batch_ref (batch);
  upload->attempts.alone =
      lsobs_batch_get_n_records (batch) == 1 && history->isolation != LSOBS_ISOLATION_RETEST;
  upload->attempts.small =
      lsobs_batch_get_n_records (batch) == 1 && peek_first (batch)->cut >= LSOBS_CUT_PAYLOADS;
  upload->attempts.again = history->tried;
  upload->attempts.unsure = history->unsure;
  if (lsobs_batch_is_probe (batch))
    upload->attempts.max = 1;
  g_task_set_task_data (task, upload, upload_free);
  /* A cancellation that comes after the delivery does not replace it. */
  g_task_set_check_cancellable (task, FALSE);
  if (!g_task_return_error_if_cancelled (task))
    start_attempt (task);
}

/* Returns: (transfer full): the body for the batch, in a form that can be sent later. It
 *   holds no update of a single run, whose id would be in the address. Feedback among runs needs
 *   the multipart form. */
LsobsFailedTrace *
_lsobs_upload_new_failed_trace (LsobsService *service, LsobsBatch *batch)
{
  BodyKind body_kind = get_body_kind (service, batch, _lsobs_service_get_mode (service));
  char boundary[LSOBS_BOUNDARY_LEN + 1] = "";
  g_autoptr (GBytes) body = NULL;
  g_autofree char *type = NULL;

  _lsobs_service_assert_context (service);
  if (has_mixed_feedback (batch))
    body_kind = BODY_KIND_MULTIPART;
  else if (body_kind == BODY_KIND_RUN && (lsobs_batch_get_n_records (batch) > 1 ||
                                          peek_first (batch)->kind == LSOBS_RECORD_UPDATE))
    body_kind = BODY_KIND_BATCH;
  body = write_body (batch, body_kind, boundary);
  type = make_type (body_kind, boundary);
  return _lsobs_failed_trace_new (get_path (body_kind), type, NULL, body);
}
