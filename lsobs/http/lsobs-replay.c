/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-file-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-attempts-private.h"
#include "lsobs/spool/lsobs-failed-trace-private.h"
#include "lsobs/http/lsobs-replay-private.h"

/* Larger files are skipped: a body has at most 100 MiB, and a third more as base64. */
#define MAX_FILE_BYTES (140 * 1024 * 1024)

/* The next replay sends the rest. */
#define MAX_FILES 100000

typedef struct
{
  guint epoch;             /* the process that replays */
  LsobsService *service;   /* (owned) with connections and waits of its own */
  char *path;              /* (owned) of the directory */
  gboolean may_be_missing; /* a missing directory counts as empty */
  int dir;                 /* (owned) or -1 */
  GPtrArray *names;        /* (owned) (element-type utf8) of files, the oldest first */
  guint next;              /* index of the next file in names */
  GHashTable *missing;     /* (owned) (element-type utf8) missing endpoints */
  GError *problem;         /* (owned) (nullable) the error of the first missing endpoint */
  guint n_delivered;       /* files */
  guint n_failed;          /* files */

  /* the current file */
  LsobsFailedTrace *trace; /* (owned) (nullable) */
  LsobsAttempts attempts;
} Replay;

static void start_attempt (GTask *task);
static void start_next_file (GTask *task);

static void
end_file (Replay *replay)
{
  g_clear_pointer (&replay->trace, _lsobs_failed_trace_free);
  _lsobs_attempts_clear (&replay->attempts);
}

static void
replay_free (gpointer user_data)
{
  Replay *replay = user_data;

  end_file (replay);
  _lsobs_service_unref (replay->service);
  if (replay->dir >= 0)
    close (replay->dir);
  g_ptr_array_unref (replay->names);
  g_hash_table_unref (replay->missing);
  g_clear_error (&replay->problem);
  g_free (replay->path);
  g_free (replay);
}

static const char *
peek_name (Replay *replay)
{
  return g_ptr_array_index (replay->names, replay->next - 1);
}

/* --- the disk: in a thread, while the context waits --- */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Names begin with the time, so the oldest failed trace is sent first. */
static gboolean
list (Replay *replay)
{
  int fd = open (replay->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;

  if (entries == NULL)
    {
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  replay->dir = fcntl (fd, F_DUPFD_CLOEXEC, 0);
  while (replay->names->len < MAX_FILES && (entry = readdir (entries)) != NULL)
    if (_lsobs_failed_trace_is_name (entry->d_name))
      g_ptr_array_add (replay->names, g_strdup (entry->d_name));
  closedir (entries);
  g_ptr_array_sort (replay->names, compare_names);
  return replay->dir >= 0;
}

static void
list_in_thread (GTask *disk_task,
                gpointer source_object,
                gpointer task_data,
                GCancellable *cancellable)
{
  Replay *replay = task_data;

  if (list (replay) || (errno == ENOENT && replay->may_be_missing))
    g_task_return_boolean (disk_task, TRUE);
  else
    g_task_return_new_error (disk_task, G_IO_ERROR, (int) g_io_error_from_errno (errno),
                             /* TRANSLATORS: the text is what the system says of it. */
                             _ ("The directory of lost traces cannot be read: %s"),
                             g_strerror (errno));
}

static void
load_in_thread (GTask *disk_task,
                gpointer source_object,
                gpointer task_data,
                GCancellable *cancellable)
{
  Replay *replay = task_data;
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  GError *error = NULL;

  if (!_lsobs_file_read (replay->dir, peek_name (replay), O_NOFOLLOW, MAX_FILE_BYTES, &text))
    {
      g_task_return_new_error (disk_task, G_IO_ERROR, (int) g_io_error_from_errno (errno), "%s",
                               g_strerror (errno));
      return;
    }
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

  /* If the file stays, the next replay sends it again, and the service reports a conflict. */
  if (unlinkat (replay->dir, peek_name (replay), 0) != 0)
    g_debug ("The sent file %s stays: %s", peek_name (replay), g_strerror (errno));
  g_task_return_boolean (disk_task, TRUE);
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
  g_task_run_in_thread (disk_task, func);
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

  return replay->epoch != _lsobs_fork_epoch ();
}

/* Ends the task. The connections are closed here, in the thread that has used them; the task may be
 * freed in another one.
 * @error: (transfer full) (nullable) */
static void
finish (GTask *task, GError *error)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  _lsobs_service_close (replay->service);
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

static void
removed_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  if (is_forked (task))
    return;
  replay->n_delivered++;
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

  assert_context (task);
  replay->n_failed++;
  g_debug ("%s stays: %s", peek_name (replay), error->message);
  if (missing)
    {
      g_hash_table_add (replay->missing, g_strdup (replay->trace->endpoint));
      if (replay->problem == NULL)
        replay->problem = g_steal_pointer (&error);
    }
  else if (!is_about_one (policy))
    {
      finish (task, error);
      return;
    }
  g_clear_error (&error);
  end_file (replay);
  start_next_file (task);
}

static void
attempted_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Replay *replay = g_task_get_task_data (task);
  g_auto (LsobsAnswer) answer = LSOBS_ANSWER_INIT;
  GError *error = NULL;

  assert_context (task);
  if (is_forked (task))
    return;
  if (!_lsobs_attempts_end (&replay->attempts, result, &answer, &error))
    {
      finish (task, error);
      return;
    }
  /* The run of the feedback may be missing, not the endpoint. */
  if (answer.outcome == LSOBS_OUTCOME_NOT_FOUND &&
      strcmp (replay->trace->endpoint, "feedback") == 0)
    answer.outcome = LSOBS_OUTCOME_REJECTED;

  if (answer.outcome == LSOBS_OUTCOME_DELIVERED || answer.outcome == LSOBS_OUTCOME_CONFLICT)
    use_disk (task, remove_in_thread, removed_cb);
  else if (_lsobs_attempts_need_other_key (&replay->attempts, &answer) ||
           _lsobs_attempts_plan_next (&replay->attempts, &answer, &error))
    start_attempt (task);
  else
    keep (task, error,
          answer.outcome == LSOBS_OUTCOME_NOT_FOUND || answer.outcome == LSOBS_OUTCOME_NO_PAGE);
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
  message = _lsobs_route_new_message (_lsobs_service_peek_route (replay->service), "POST",
                                      trace->endpoint);
  if (trace->encoding != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (message), "Content-Encoding",
                                  trace->encoding);
  _lsobs_attempts_begin (&replay->attempts, task, message, trace->content_type, trace->body,
                         attempted_cb);
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
      /* Another process may have sent and deleted it. */
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        replay->n_failed++;
      g_debug ("%s is no failed trace: %s", peek_name (replay), error->message);
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
  _lsobs_attempts_init (&replay->attempts, replay->service);
  replay->attempts.alone = TRUE;
  if (!finish_if_cancelled (task))
    start_attempt (task);
}

/* Loads the next file, or ends the task after the last one. */
static void
start_next_file (GTask *task)
{
  Replay *replay = g_task_get_task_data (task);

  assert_context (task);
  if (finish_if_cancelled (task))
    return;
  if (replay->next < replay->names->len)
    {
      replay->next++;
      use_disk (task, load_in_thread, loaded_cb);
    }
  else
    {
      finish (task, g_steal_pointer (&replay->problem));
    }
}

static void
listed_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;

  assert_context (task);
  if (is_forked (task))
    return;
  if (g_task_propagate_boolean (G_TASK (result), &error))
    start_next_file (task);
  else
    finish (task, error);
}

/* Sends every file of a directory, and ends @task after the last one.
 * @path: of the directory
 * @may_be_missing: a missing directory counts as empty
 * @task: without task data */
void
_lsobs_replay_task (LsobsSettings *settings, const char *path, gboolean may_be_missing, GTask *task)
{
  Replay *replay = g_new0 (Replay, 1);

  replay->epoch = _lsobs_fork_epoch ();
  replay->service = _lsobs_service_new (settings);
  replay->path = g_strdup (path);
  replay->may_be_missing = may_be_missing;
  replay->dir = -1;
  replay->names = g_ptr_array_new_with_free_func (g_free);
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
