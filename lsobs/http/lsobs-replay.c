/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/http/lsobs-attempts-private.h"
#include "lsobs/http/lsobs-replay-list-private.h"
#include "lsobs/http/lsobs-replay-private.h"
#include "lsobs/http/lsobs-wait-source-private.h"
#include "lsobs/spool/lsobs-failed-trace-private.h"
#include "lsobs/text/lsobs-compressor-private.h"
#include "lsobs/transport/lsobs-body-reader-private.h"

/* Larger files are skipped: a body has at most 100 MiB, and a third more as base64. While one is read,
 * its text is in memory three times, and while it is sent in parts, its body twice. Files of lsobs are
 * as large as a batch. */
#define MAX_FILE_BYTES (140 * 1024 * 1024)

/* A compressed body that is larger than this without compression is not read. */
#define MAX_BODY_BYTES (256 * 1024 * 1024)

/* How often a replay looks whether another one has ended, in µs. */
#define LOCK_INTERVAL (100 * 1000)

/* The records of a file that are sent together: from first up to, but without, end. A file is sent
 * whole first; what the service refuses is sent in halves. */
typedef struct
{
  guint first;
  guint end;
} RecordRange;

typedef struct
{
  guint epoch;             /* the process that replays */
  LsobsService *service;   /* (owned) with connections and waits of its own */
  LsobsReplayMode mode;    /* constant */
  gboolean may_be_missing; /* a missing directory counts as empty */
  LsobsReplayList list;    /* which file comes next */
  GHashTable *missing;     /* (owned) (element-type utf8) missing endpoints */
  GError *problem;         /* (owned) (nullable) the first error that is not about one file */
  gboolean plain;          /* the service takes no compressed bodies */
  guint n_delivered;       /* files */
  guint n_failed;          /* files */
  guint n_other;           /* of them: files that only another process may send */

  /* the current file */
  LsobsFileLock file_lock; /* of the file: no other replay sends it */
  LsobsFailedTrace *trace; /* (owned) (nullable) */
  guint n_records;         /* by its name, or 0 */
  gboolean decoded;        /* it is sent without compression */
  LsobsBodyReader *reader; /* (owned) (nullable) once it had to be split */
  GArray *ranges;    /* (owned) (element-type RecordRange) still to be sent, the next one last */
  RecordRange range; /* that is under way, if there is a reader */
  GBytes *body;      /* (owned) (nullable) of range */
  gboolean updating; /* body is the record of range as an update: the service has its create */
  char *update_id;   /* (owned) (nullable) the id in the address of an update */
  guint n_refused;   /* records that the service has refused alone */
  GError *refusal;   /* (owned) (nullable) of the body, while that is decoded */
  guint n_doubtful;  /* records on which the service failed alone, since it took others */
  GError *doubt;     /* (owned) (nullable) the last of these failures */
  LsobsAttempts attempts;
} Replay;

static gboolean is_own (Replay *replay);
static void keep (GTask *task, GError *error, gboolean missing);
static void start_loaded (GTask *task);
static void start_body (GTask *task);
static void start_attempt (GTask *task);
static void start_next_file (GTask *task);
static void lock_folder (GTask *task);
static void listed_cb (GObject *object, GAsyncResult *result, gpointer user_data);

static void
clear_body (Replay *replay)
{
  g_clear_pointer (&replay->body, g_bytes_unref);
  g_clear_pointer (&replay->update_id, g_free);
  replay->updating = FALSE;
}

static void
end_file (Replay *replay)
{
  _lsobs_file_lock_release (&replay->file_lock);
  g_clear_pointer (&replay->trace, _lsobs_failed_trace_free);
  g_clear_pointer (&replay->reader, _lsobs_body_reader_free);
  clear_body (replay);
  g_clear_error (&replay->refusal);
  g_clear_error (&replay->doubt);
  replay->n_doubtful = 0;
  g_array_set_size (replay->ranges, 0);
  replay->decoded = FALSE;
  replay->n_refused = 0;
  _lsobs_attempts_clear (&replay->attempts);
}

static void
replay_free (gpointer user_data)
{
  Replay *replay = user_data;

  /* In a forked child, the locks are the parent's. */
  if (replay->epoch != _lsobs_fork_epoch ())
    replay->list.lock.fd = replay->file_lock.fd = -1;
  end_file (replay);
  _lsobs_replay_list_clear (&replay->list);
  _lsobs_service_unref (replay->service);
  g_array_unref (replay->ranges);
  g_hash_table_unref (replay->missing);
  g_clear_error (&replay->problem);
  g_free (replay);
}

static const char *
peek_name (Replay *replay)
{
  return _lsobs_replay_list_peek_name (&replay->list);
}

/* --- bad files --- */

/* The service has accepted or refused records, so it works: the records on which it failed before
 * are bad. */
static void
note_well (Replay *replay)
{
  _lsobs_replay_list_note_well (&replay->list);
  replay->n_refused += replay->n_doubtful;
  replay->n_doubtful = 0;
  g_clear_error (&replay->doubt);
}

/* Whether the service, or what is in front of it, may have failed because of what is in the file. */
static gboolean
may_be_content (Replay *replay, const GError *error)
{
  LsobsError code = _lsobs_delivery_policy_find (error)->code;

  return replay->mode != LSOBS_REPLAY_DIRECTORY &&
         (code == LSOBS_ERROR_UNAVAILABLE || code == LSOBS_ERROR_UNREACHABLE ||
          code == LSOBS_ERROR_FOREIGN);
}

/* Whether the file is sent in parts, because the service fails on it again and again while it takes
 * other files. */
static gboolean
may_isolate (Replay *replay, const GError *error)
{
  return may_be_content (replay, error) && replay->n_delivered > 0 &&
         _lsobs_replay_list_count_failures (&replay->list) >=
             LSOBS_DELIVERY_POLICY_MAX_LONE_FAILURES;
}

/* --- the disk: in a thread, while the context waits --- */

/* Locks the folder, unless it is, and lists its files. The oldest failed trace is sent first. */
static void
list_in_thread (GTask *disk_task,
                gpointer source_object,
                gpointer task_data,
                GCancellable *cancellable)
{
  Replay *replay = task_data;
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  int problem = _lsobs_replay_list_read (&replay->list);

  _lsobs_fork_guard_close (guard);
  if (problem == 0 || (problem == ENOENT && replay->may_be_missing))
    g_task_return_boolean (disk_task, TRUE);
  else if (problem == EWOULDBLOCK)
    g_task_return_new_error (disk_task, G_IO_ERROR, G_IO_ERROR_BUSY, "%s", g_strerror (EBUSY));
  else
    g_task_return_new_error (disk_task, G_IO_ERROR, (int) g_io_error_from_errno (problem),
                             /* TRANSLATORS: the text is what the system says of it. */
                             _ ("The directory of lost traces cannot be read: %s"),
                             g_strerror (problem));
}

static void
load_in_thread (GTask *disk_task,
                gpointer source_object,
                gpointer task_data,
                GCancellable *cancellable)
{
  Replay *replay = task_data;
  const char *name = peek_name (replay);
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  GError *error = NULL;
  gint64 time;
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  int problem = _lsobs_spool_folder_lock_file (replay->list.folder, name, &replay->file_lock);

  /* Another replay sends the file, or has sent it. A file that this process may only read has no
   * lock. A file on a disk without locks has none either. */
  if (problem == EWOULDBLOCK || problem == ESTALE)
    problem = ENOENT;
  if (problem == 0 || problem == EACCES || problem == EROFS || problem == EOPNOTSUPP)
    problem = _lsobs_spool_folder_read (replay->list.folder, name, MAX_FILE_BYTES, &text);
  _lsobs_fork_guard_close (guard);
  if (problem != 0)
    {
      g_task_return_new_error (disk_task, G_IO_ERROR, (int) g_io_error_from_errno (problem), "%s",
                               g_strerror (problem));
      return;
    }
  replay->n_records = 0;
  _lsobs_failed_trace_parse_name (name, NULL, &time, &replay->n_records);
  replay->trace = _lsobs_failed_trace_parse (text.data, text.len, &error);
  if (replay->trace != NULL)
    g_task_return_boolean (disk_task, TRUE);
  else
    g_task_return_error (disk_task, error);
}

static void
remove_in_thread (GTask *disk_task,
                  gpointer source_object,
                  gpointer task_data,
                  GCancellable *cancellable)
{
  Replay *replay = task_data;
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  int problem = _lsobs_spool_folder_remove (replay->list.folder, peek_name (replay));

  _lsobs_fork_guard_close (guard);
  /* If the file stays, the next replay sends it again, and the service reports a conflict. */
  if (problem != 0 && problem != ENOENT)
    g_task_return_new_error (
        disk_task, G_IO_ERROR, (int) g_io_error_from_errno (problem),
        /* TRANSLATORS: the first text is a file, the second what the system
                              * says of it. */
        _ ("%s was sent, and cannot be removed, so that it will be sent again; "
           "make its directory writable: %s"),
        peek_name (replay), g_strerror (problem));
  else
    g_task_return_boolean (disk_task, TRUE);
}

/* Takes the compression off the body. */
static gboolean
decode (Replay *replay)
{
  LsobsFailedTrace *trace = replay->trace;
  GBytes *plain = _lsobs_compression_decode (trace->encoding, trace->body, MAX_BODY_BYTES);

  if (plain == NULL)
    return FALSE;
  g_bytes_unref (trace->body);
  trace->body = plain;
  g_clear_pointer (&trace->encoding, g_free);
  return TRUE;
}

/* Decodes the body, and finds its records.
 * Returns with %FALSE if that fails */
static void
read_in_thread (GTask *disk_task,
                gpointer source_object,
                gpointer task_data,
                GCancellable *cancellable)
{
  Replay *replay = task_data;
  LsobsFailedTrace *trace = replay->trace;

  if (decode (replay))
    replay->reader = _lsobs_body_reader_new (trace->endpoint, trace->content_type, trace->body);
  g_task_return_boolean (disk_task, replay->reader != NULL);
}

static void
decode_in_thread (GTask *disk_task,
                  gpointer source_object,
                  gpointer task_data,
                  GCancellable *cancellable)
{
  g_task_return_boolean (disk_task, decode (task_data));
}

/* Runs @func in a thread, then @callback in the context of @task, with a reference to @task. */
static void
use_disk (GTask *task, GTaskThreadFunc func, GAsyncReadyCallback callback)
{
  g_autoptr (GTask) disk_task = NULL;

  g_main_context_push_thread_default (g_task_get_context (task));
  disk_task = g_task_new (NULL, NULL, callback, g_object_ref (task));
  g_main_context_pop_thread_default (g_task_get_context (task));
  g_task_set_task_data (disk_task, g_task_get_task_data (task), NULL);
  _lsobs_fork_guard_run_task (disk_task, func);
}

/* --- in the context of the task --- */

static void
assert_context (GTask *task)
{
  g_assert (g_main_context_is_owner (g_task_get_context (task)));
}

/* Whether this is a forked child that runs the context of its parent: the replay is the
 * parent's. */
static gboolean
is_forked (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);

  if (replay->epoch == _lsobs_fork_epoch ())
    return FALSE;
  /* The task never returns in the child. GLib 2.76 and later warn of a task that is freed without a
   * result. */
  g_object_ref (task);
  return TRUE;
}

/* Ends the task. The connections are closed here, in the thread that has used them, and the lock is
 * released before the caller goes on; the task may be freed in another thread.
 * @error: (transfer full) (nullable) */
static void
finish (GTask *task, GError *error)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  if (replay->n_other > 0)
    _lsobs_log_other_files (replay->n_other, replay->list.folder->path);
  _lsobs_replay_list_end (&replay->list, replay->n_delivered > 0);
  replay->list.history->not_before = _lsobs_service_get_not_before (replay->service);
  _lsobs_service_close (replay->service);
  _lsobs_counters_add (_lsobs_service_peek_counters (replay->service), LSOBS_COUNTER_SPOOL_DROPPED,
                       (gssize) replay->list.folder->n_expired);
  replay->list.folder->n_expired = 0;
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static gboolean
finish_if_cancelled (GTask *task)
{
  GError *error = NULL;

  assert_context (task);
  if (!g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    return FALSE;
  finish (task, error);
  return TRUE;
}

/* --- the end of a file --- */

/* Counts the current file, which was sent. */
static void
count_file (Replay *replay)
{
  LsobsCounters *counters = _lsobs_service_peek_counters (replay->service);
  guint n_records = replay->reader != NULL ? _lsobs_body_reader_get_n_records (replay->reader)
                                           : MAX (replay->n_records, replay->n_refused);
  gboolean stays = replay->n_refused > 0 && replay->mode == LSOBS_REPLAY_DIRECTORY;

  _lsobs_counters_add (counters, LSOBS_COUNTER_DRAINED, n_records - replay->n_refused);
  if (!stays)
    _lsobs_counters_add (counters, LSOBS_COUNTER_SPOOL_DROPPED, replay->n_refused);
  if (!stays && (replay->n_refused < n_records || n_records == 0))
    replay->n_delivered++;
  else
    replay->n_failed++;
}

/* A file of the spool that cannot be removed is not counted, and ends the replay: it and all others
 * would be sent again and again. */
static void
removed_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Replay *replay = g_task_get_task_data (task);
  GError *error = NULL;

  assert_context (task);
  if (is_forked (task))
    return;
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    g_debug ("%s", error->message);
  if (error != NULL && replay->mode != LSOBS_REPLAY_DIRECTORY)
    {
      replay->n_failed++;
      end_file (replay);
      finish (task, error);
      return;
    }
  g_clear_error (&error);
  count_file (replay);
  end_file (replay);
  start_next_file (task);
}

/* The whole file was sent. Records that the service has refused will be refused again: in a spool,
 * they are lost; in another folder, the file stays. */
static void
finish_file (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  if (replay->n_doubtful > 0)
    {
      keep (task, g_steal_pointer (&replay->doubt), FALSE);
      return;
    }
  if (replay->n_refused == 0 || replay->mode != LSOBS_REPLAY_DIRECTORY)
    {
      use_disk (task, remove_in_thread, removed_cb);
      return;
    }
  count_file (replay);
  end_file (replay);
  start_next_file (task);
}

/* Whether the failure is about one file, so that the next file may be delivered. */
static gboolean
is_about_one (const LsobsDeliveryPolicy *policy)
{
  return policy->split || policy->code == LSOBS_ERROR_REFUSED;
}

/* The current file failed and stays.
 * @error: (transfer full)
 * @missing: its endpoint is missing; files for other endpoints may be delivered */
static void
keep (GTask *task, GError *error, gboolean missing)
{
  Replay *replay = g_task_get_task_data (task);
  const LsobsDeliveryPolicy *policy = _lsobs_delivery_policy_find (error);
  gboolean suspicious = may_be_content (replay, error) && !missing;

  assert_context (task);
  replay->n_failed++;
  g_debug ("%s stays: %s", peek_name (replay), error->message);
  if (missing)
    g_hash_table_add (replay->missing, g_strdup (replay->trace->endpoint));
  /* A service may fail because of the content of one file: another file shows whether the service
   * works. */
  if (suspicious ? !_lsobs_replay_list_isolate (&replay->list) : !missing && !is_about_one (policy))
    {
      finish (task, error);
      return;
    }
  if ((missing || suspicious) && replay->problem == NULL)
    replay->problem = g_steal_pointer (&error);
  g_clear_error (&error);
  end_file (replay);
  start_next_file (task);
}

/* --- the parts of a file --- */

/* Sends the next range of records, or ends the file after the last one. */
static void
start_next_range (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  clear_body (replay);
  if (replay->ranges->len == 0)
    {
      finish_file (task);
      return;
    }
  if (finish_if_cancelled (task))
    return;
  replay->range = g_array_index (replay->ranges, RecordRange, replay->ranges->len - 1);
  g_array_set_size (replay->ranges, replay->ranges->len - 1);
  replay->body = _lsobs_body_reader_slice (replay->reader, replay->range.first, replay->range.end);
  start_body (task);
}

/* The range was refused: sends its halves, or gives its only record up.
 * Returns: FALSE if it is a single record */
static gboolean
split_range (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);
  guint middle = replay->range.first + (replay->range.end - replay->range.first) / 2;
  RecordRange halves[] = { { middle, replay->range.end }, { replay->range.first, middle } };

  assert_context (task);
  if (replay->range.end - replay->range.first < 2)
    return FALSE;
  /* A bad record is given up when the service takes another record after it. To make that possible,
   * the last record is sent first from time to time. */
  if (_lsobs_replay_list_count_failures (&replay->list) % 2 != 0)
    {
      RecordRange first = halves[0];

      halves[0] = halves[1];
      halves[1] = first;
    }
  g_array_append_vals (replay->ranges, halves, G_N_ELEMENTS (halves));
  start_next_range (task);
  return TRUE;
}

/* The service already has the run of a single record, perhaps without its end: another create of
 * that run, which seemed lost, has arrived. If the record has the end, too, it is sent as an
 * update.
 * Returns: FALSE if there is no end, or the update was sent */
static gboolean
send_as_update (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);
  GBytes *update = NULL;
  char *id;

  assert_context (task);
  if (!replay->updating)
    update = _lsobs_body_reader_make_update (replay->reader, replay->range.first, &id);
  if (update == NULL)
    return FALSE;
  clear_body (replay);
  replay->updating = TRUE;
  replay->update_id = id;
  replay->body = update;
  start_body (task);
  return TRUE;
}

/* The service has not accepted a single record, or a body that cannot be split: sends it as an
 * update, or counts it as doubtful or refused, and goes on with the next records.
 * @error: (transfer full) */
static void
decide_alone (GTask *task, GError *error)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  if (g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_CONFLICT))
    {
      /* The service has the record already. */
      g_error_free (error);
      if (!send_as_update (task))
        start_next_range (task);
      return;
    }
  g_debug ("A record of %s is refused: %s", peek_name (replay), error->message);
  if (may_be_content (replay, error))
    {
      replay->n_doubtful++;
      g_clear_error (&replay->doubt);
      replay->doubt = error;
      start_next_range (task);
      return;
    }
  g_error_free (error);
  replay->n_refused++;
  start_next_range (task);
}

static void
read_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Replay *replay = g_task_get_task_data (task);
  GError *error;

  assert_context (task);
  if (is_forked (task))
    return;
  error = g_steal_pointer (&replay->refusal);
  if (!g_task_propagate_boolean (G_TASK (result), NULL))
    {
      /* The records of the body cannot be told apart. */
      keep (task, error, FALSE);
      return;
    }
  replay->range = (RecordRange){ 0, _lsobs_body_reader_get_n_records (replay->reader) };
  if (split_range (task))
    g_error_free (error);
  else
    decide_alone (task, error);
}

/* The service refuses what it was sent, as it knows a record already, or because of its content or
 * size.
 * @error: (transfer full) */
static void
handle_refused (GTask *task, GError *error)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  if (replay->reader == NULL)
    {
      replay->refusal = error;
      use_disk (task, read_in_thread, read_cb);
    }
  else if (split_range (task))
    {
      g_error_free (error);
    }
  else
    {
      decide_alone (task, error);
    }
}

/* --- attempts --- */

static void
decoded_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Replay *replay = g_task_get_task_data (task);
  GError *error;

  assert_context (task);
  if (is_forked (task))
    return;
  error = g_steal_pointer (&replay->refusal);
  if (g_task_propagate_boolean (G_TASK (result), NULL))
    {
      replay->decoded = TRUE;
      g_clear_error (&error);
      start_body (task);
    }
  else
    {
      keep (task, error, FALSE);
    }
}

/* The answer may be about the compression, not about the records. */
static gboolean
may_be_compression (Replay *replay, guint status)
{
  return replay->trace->encoding != NULL &&
         (status == SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE || status == SOUP_STATUS_BAD_REQUEST);
}

static void
handle_failure (GTask *task, LsobsAnswer *answer)
{
  Replay *replay = g_task_get_task_data (task);
  const LsobsDeliveryPolicy *policy = _lsobs_delivery_policy_get (answer->outcome);
  GError *error = NULL;

  assert_context (task);
  if (_lsobs_attempts_need_other_key (&replay->attempts, answer) ||
      _lsobs_attempts_plan_next (&replay->attempts, answer, &error))
    {
      start_attempt (task);
    }
  else if (may_be_compression (replay, answer->status))
    {
      replay->plain |= answer->status == SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE;
      replay->refusal = error;
      use_disk (task, decode_in_thread, decoded_cb);
    }
  else if (policy->split && answer->outcome != LSOBS_OUTCOME_BLOCKED)
    {
      note_well (replay);
      handle_refused (task, error);
    }
  else if (may_isolate (replay, error))
    {
      handle_refused (task, error);
    }
  else
    {
      keep (task, error,
            answer->outcome == LSOBS_OUTCOME_NOT_FOUND || answer->outcome == LSOBS_OUTCOME_NO_PAGE);
    }
}

static void
attempted_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Replay *replay = g_task_get_task_data (task);
  g_auto (LsobsAnswer) answer = LSOBS_ANSWER_INIT;
  GError *error = NULL;
  gboolean answered;

  assert_context (task);
  if (is_forked (task))
    return;
  answered = _lsobs_attempts_end (&replay->attempts, result, &answer, &error);
  _lsobs_service_end_upload (replay->service, answered && answer.text != NULL);
  if (!answered)
    {
      finish (task, error);
      return;
    }
  /* The run of the feedback may be missing, not the endpoint. */
  if (answer.outcome == LSOBS_OUTCOME_NOT_FOUND &&
      strcmp (replay->trace->endpoint, "feedback") == 0)
    answer.outcome = LSOBS_OUTCOME_REJECTED;
  /* The run is missing, not the endpoint: the service does not take its end. */
  if (answer.outcome == LSOBS_OUTCOME_NOT_FOUND && replay->update_id != NULL)
    answer.outcome = LSOBS_OUTCOME_REJECTED;
  if (answer.outcome != LSOBS_OUTCOME_DELIVERED)
    {
      handle_failure (task, &answer);
      return;
    }
  note_well (replay);
  /* The refusal was about the compression. */
  replay->plain |= replay->decoded;
  _lsobs_counters_add (_lsobs_service_peek_counters (replay->service), LSOBS_COUNTER_BYTES_SENT,
                       (gssize) g_bytes_get_size (replay->body));
  start_next_range (task);
}

static gboolean
wait_over_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  assert_context (task);
  if (!is_forked (task) && !finish_if_cancelled (task))
    start_attempt (task);
  return G_SOURCE_REMOVE;
}

static void
start_attempt (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);
  LsobsFailedTrace *trace = replay->trace;
  g_autofree char *path = NULL;
  SoupMessage *message;
  GError *error = NULL;

  assert_context (task);
  if (_lsobs_attempts_wait (&replay->attempts, task, wait_over_cb))
    return;
  if (!_lsobs_attempts_have_key (&replay->attempts, task, wait_over_cb, &error))
    {
      if (error != NULL)
        keep (task, error, FALSE);
      return;
    }
  /* A key that was fetched instead of a refused one may be another account's. */
  if (replay->attempts.refused_key != 0 && !is_own (replay))
    {
      end_file (replay);
      start_next_file (task);
      return;
    }
  path = g_strconcat (trace->endpoint, replay->update_id != NULL ? "/" : NULL, replay->update_id,
                      NULL);
  message = _lsobs_route_new_message (_lsobs_service_peek_route (replay->service),
                                      replay->update_id != NULL ? "PATCH" : "POST", path);
  if (trace->encoding != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (message), "Content-Encoding",
                                  trace->encoding);
  _lsobs_attempts_begin (&replay->attempts, task, message, trace->content_type, replay->body,
                         attempted_cb);
  if (replay->mode == LSOBS_REPLAY_DIRECTORY)
    return;
  /* The answer says what compression the service takes, for the next files. */
  g_main_context_push_thread_default (g_task_get_context (task));
  _lsobs_service_begin_upload (replay->service);
  g_main_context_pop_thread_default (g_task_get_context (task));
}

/* Sends the file, or the current range of it. */
static void
start_body (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  if (replay->reader == NULL)
    {
      clear_body (replay);
      replay->body = g_bytes_ref (replay->trace->body);
    }
  _lsobs_attempts_clear (&replay->attempts);
  _lsobs_attempts_init (&replay->attempts, replay->service);
  replay->attempts.alone = TRUE;
  /* A replay that no program has asked for makes one attempt, to see whether the service is
   * there. */
  if (replay->mode == LSOBS_REPLAY_QUIETLY && replay->n_delivered == 0)
    replay->attempts.max = 1;
  if (!finish_if_cancelled (task))
    start_attempt (task);
}

/* Whether the body may be sent as it is in the file. In a directory of lost batches, it has a
 * compression that the service accepts. In a spool, it is always compressed. */
static gboolean
may_send_encoded (Replay *replay)
{
  const char *encoding = replay->trace->encoding;
  LsobsCompression kind;

  if (encoding == NULL)
    return TRUE;
  if (replay->plain || replay->mode == LSOBS_REPLAY_DIRECTORY)
    return !replay->plain;
  kind = _lsobs_service_get_compression (replay->service);
  return kind != LSOBS_COMPRESSION_NONE &&
         strcmp (encoding, _lsobs_compression_get_name (kind)) == 0;
}

/* Whether the file may be sent by this process. */
static gboolean
is_own (Replay *replay)
{
  const char *owner = replay->trace->owner;

  if (owner == NULL)
    return replay->mode == LSOBS_REPLAY_DIRECTORY;
  return _lsobs_spool_owner_matches (replay->list.owner, owner);
}

static void
loaded_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Replay *replay = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  assert_context (task);
  if (is_forked (task))
    return;
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      /* Another process may have removed the file. */
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        replay->n_failed++;
      g_debug ("%s is no failed trace: %s", peek_name (replay), error->message);
      end_file (replay);
      start_next_file (task);
      return;
    }
  _lsobs_attempts_clear (&replay->attempts);
  _lsobs_attempts_init (&replay->attempts, replay->service);
  start_loaded (task);
}

static gboolean
key_known_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  assert_context (task);
  if (!is_forked (task) && !finish_if_cancelled (task))
    start_loaded (task);
  return G_SOURCE_REMOVE;
}

/* Sends the current file, if this process may send it. For a file with an owner, that depends on
 * the key. */
static void
start_loaded (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);
  GError *error = NULL;

  assert_context (task);
  if (replay->trace->owner != NULL &&
      !_lsobs_attempts_have_key (&replay->attempts, task, key_known_cb, &error))
    {
      if (error != NULL)
        keep (task, error, FALSE);
      return;
    }
  if (!is_own (replay))
    {
      replay->n_failed += replay->mode == LSOBS_REPLAY_DIRECTORY;
      replay->n_other += replay->mode == LSOBS_REPLAY_DIRECTORY;
      end_file (replay);
      start_next_file (task);
      return;
    }
  if (g_hash_table_contains (replay->missing, replay->trace->endpoint))
    {
      replay->n_failed++;
      end_file (replay);
      start_next_file (task);
      return;
    }
  if (!may_send_encoded (replay))
    {
      replay->refusal =
          _lsobs_delivery_policy_make_error (LSOBS_OUTCOME_REFUSED,
                                             SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE, NULL);
      use_disk (task, decode_in_thread, decoded_cb);
      return;
    }
  start_body (task);
}

/* Loads the next file, or ends the task after the last one. */
static void
start_next_file (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  if (finish_if_cancelled (task))
    return;
  if (_lsobs_replay_list_next (&replay->list))
    use_disk (task, load_in_thread, loaded_cb);
  else if (_lsobs_replay_list_has_more (&replay->list))
    use_disk (task, list_in_thread, listed_cb);
  else
    finish (task, g_steal_pointer (&replay->problem));
}

/* --- the beginning --- */

static gboolean
lock_again_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  assert_context (task);
  if (!is_forked (task) && !finish_if_cancelled (task))
    lock_folder (task);
  return G_SOURCE_REMOVE;
}

/* Another replay sends these files: this one waits for its end. */
static void
lock_later (GTask *task)
{
  g_autoptr (GSource) source =
      _lsobs_wait_source_new ("[lsobs] replay", g_get_monotonic_time () + LOCK_INTERVAL);

  _lsobs_wait_source_add_cancellable (source, g_task_get_cancellable (task));
  g_task_attach_source (task, source, lock_again_cb);
}

static void
listed_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Replay *replay = g_task_get_task_data (task);
  GError *error = NULL;

  assert_context (task);
  if (is_forked (task))
    return;
  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      start_next_file (task);
    }
  else if (replay->mode != LSOBS_REPLAY_QUIETLY &&
           g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BUSY))
    {
      g_error_free (error);
      lock_later (task);
    }
  else
    {
      finish (task, error);
    }
}

static void
lock_folder (GTask *task)
{
  assert_context (task);
  use_disk (task, list_in_thread, listed_cb);
}

/* Sends the files of a folder, and ends @task after the last one.
 * @counters: (nullable)
 * @path: of the folder
 * @may_be_missing: a missing folder counts as empty
 * @history: (nullable): of replays of the same folder; is there until @task has ended
 * @task: without task data */
void
_lsobs_replay_task (LsobsSettings *settings,
                    LsobsCounters *counters,
                    const char *path,
                    LsobsReplayMode mode,
                    gboolean may_be_missing,
                    LsobsReplayHistory *history,
                    GTask *task)
{
  Replay *replay = g_new0 (Replay, 1);

  replay->epoch = _lsobs_fork_epoch ();
  replay->service = _lsobs_service_new (settings);
  if (counters != NULL)
    _lsobs_service_set_counters (replay->service, counters);
  replay->mode = mode;
  replay->may_be_missing = may_be_missing;
  _lsobs_replay_list_init (&replay->list, settings, path, mode != LSOBS_REPLAY_DIRECTORY, history);
  replay->file_lock = (LsobsFileLock) LSOBS_FILE_LOCK_INIT;
  replay->ranges = g_array_new (FALSE, FALSE, sizeof (RecordRange));
  replay->missing = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_task_set_task_data (task, replay, replay_free);
  /* A cancellation that comes after the last file does not replace the result. */
  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    return;
  /* In a forked child, this revives the threads of tasks. */
  _lsobs_service_enter (replay->service);
  use_disk (task, list_in_thread, listed_cb);
}

/* @task: has ended */
void
_lsobs_replay_peek_counts (GTask *task, guint *n_delivered, guint *n_failed)
{
  Replay *replay = g_task_get_task_data (task);

  *n_delivered = replay != NULL ? replay->n_delivered : 0;
  *n_failed = replay != NULL ? replay->n_failed : 0;
}
