/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-api-url-private.h"
#include "lsobs/http/lsobs-attempts-private.h"
#include "lsobs/http/lsobs-run-lookup-private.h"
#include "lsobs/http/lsobs-wait-source-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-json-document-private.h"

/* How often the service may say that it does not have the run: it processes runs after it has
 * accepted them. With the default delay, that takes about a minute. */
#define MAX_ABSENCES 8

/* The longest time between the start of a lookup and its last attempt, in ms. */
#define MAX_TIME 60000

/* The longest path that a service may give, in bytes. */
#define MAX_PATH_BYTES 2048

/* The task data of a lookup. */
typedef struct
{
  LsobsService *service; /* (owned) */
  LsobsAttempts attempts;
  char *run_id;     /* (owned) */
  GBytes *body;     /* (owned) of each request */
  guint n_absences; /* in a row */
  gint64 deadline;  /* monotonic, µs: no attempt begins later */
} RunLookup;

static void start_attempt (GTask *task);

static void
run_lookup_free (gpointer user_data)
{
  RunLookup *lookup = user_data;

  _lsobs_attempts_clear (&lookup->attempts);
  _lsobs_service_unref (lookup->service);
  g_bytes_unref (lookup->body);
  g_free (lookup->run_id);
  g_free (lookup);
}

static void
assert_context (GTask *task)
{
  g_assert (g_main_context_is_owner (g_task_get_context (task)));
}

/* Whether this is a forked child that runs the context of its parent: the lookup is the parent's. */
static gboolean
is_forked (GTask *task)
{
  RunLookup *lookup = g_task_get_task_data (task);

  if (!_lsobs_attempts_are_forked (&lookup->attempts))
    return FALSE;
  /* The task never returns in the child. GLib 2.76 and later warn of a task that is freed without a
   * result. */
  g_object_ref (task);
  return TRUE;
}

/* The connections are closed here, in the thread that has used them.
 * @url: (transfer full) (nullable)
 * @error: (transfer full) (nullable): instead of @url */
static void
finish (GTask *task, char *url, GError *error)
{
  RunLookup *lookup = g_task_get_task_data (task);

  assert_context (task);
  _lsobs_service_close (lookup->service);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, url, g_free);
}

/* A path of this server, and nothing that a terminal or a browser reads otherwise. */
static gboolean
is_path (const char *text, gsize len)
{
  if (len < 2 || len > MAX_PATH_BYTES || text[0] != '/' || text[1] == '/' || text[1] == '\\')
    return FALSE;
  for (gsize i = 0; i < len; i++)
    if (text[i] <= 0x20 || text[i] >= 0x7f || strchr ("\"'<>\\", text[i]) != NULL)
      return FALSE;
  return TRUE;
}

/* Reads the answer, {"runs":[{"id":…,"app_path":…}]}.
 * @absent: (out): the service does not have the run
 * Returns: (transfer full) (nullable): the address; NULL if the answer has no address */
static char *
read_url (RunLookup *lookup, const char *text, gboolean *absent)
{
  const char *api_url = _lsobs_service_peek_settings (lookup->service)->values.api_url;
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;
  g_autofree char *web_url = _lsobs_api_url_dup_web (api_url);
  const char *runs;
  const char *path;
  gsize len = 0;

  *absent = FALSE;
  if (!_lsobs_json_document_load (&document, text, strlen (text)))
    return NULL;
  runs = _lsobs_json_document_find (&document, document.text.data, "runs");
  if (runs == NULL || *runs != '[')
    return NULL;
  *absent = runs[1] == ']';
  if (runs[1] != '{')
    return NULL;
  path = _lsobs_json_document_decode (&document,
                                      _lsobs_json_document_find (&document, runs + 1, "app_path"),
                                      &len);
  if (path == NULL || !is_path (path, len))
    return NULL;
  return g_strdup_printf ("%s%.*s", web_url, (int) len, path);
}

/* Called in the context of the task. */
static gboolean
wait_over_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  GError *error = NULL;

  assert_context (task);
  if (is_forked (task))
    return G_SOURCE_REMOVE;
  if (g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    finish (task, NULL, error);
  else
    start_attempt (task);
  return G_SOURCE_REMOVE;
}

/* Asks again later, as the service may still be processing the run. */
static void
handle_absence (GTask *task)
{
  RunLookup *lookup = g_task_get_task_data (task);
  LsobsSettings *settings = _lsobs_service_peek_settings (lookup->service);
  g_autoptr (GSource) source = NULL;
  gint64 now = g_get_monotonic_time ();
  gint64 delay;

  assert_context (task);
  if (++lookup->n_absences >= MAX_ABSENCES || now >= lookup->deadline)
    {
      finish (
          task, NULL,
          g_error_new (
              LSOBS_ERROR, LSOBS_ERROR_NOT_FOUND,
              /* TRANSLATORS: an id. */
              _ ("The service does not have the run %s; check whether it was sent, and whether the key belongs to the same workspace"),
              lookup->run_id));
      return;
    }
  delay = _lsobs_delivery_policy_delay (settings->values.retry_delay, lookup->n_absences,
                                        g_random_double (), -1);
  _lsobs_attempts_clear (&lookup->attempts);
  _lsobs_attempts_init (&lookup->attempts, lookup->service);
  lookup->attempts.alone = TRUE;
  source = _lsobs_wait_source_new ("[lsobs] run", MIN (now + delay * 1000, lookup->deadline));
  _lsobs_wait_source_add_cancellable (source, g_task_get_cancellable (task));
  g_task_attach_source (task, source, wait_over_cb);
}

static void
handle_answer (GTask *task, const char *text)
{
  RunLookup *lookup = g_task_get_task_data (task);
  gboolean absent;
  char *url = read_url (lookup, text, &absent);

  assert_context (task);
  if (absent)
    handle_absence (task);
  else if (url != NULL)
    finish (task, url, NULL);
  else
    finish (task, NULL,
            g_error_new (LSOBS_ERROR, LSOBS_ERROR_FOREIGN,
                         /* TRANSLATORS: an id. */
                         _ ("The service does not say where the run %s is"), lookup->run_id));
}

/* Whether the next attempt begins before the deadline. The service may have delayed it.
 * @error: set if not */
static gboolean
plan_next (RunLookup *lookup, LsobsAnswer *answer, GError **error)
{
  if (!_lsobs_attempts_plan_next (&lookup->attempts, answer, error))
    return FALSE;
  if (_lsobs_service_get_not_before (lookup->service) <= lookup->deadline)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&answer->error));
  return FALSE;
}

/* Called in the context of the task. */
static void
attempted_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  RunLookup *lookup = g_task_get_task_data (task);
  g_auto (LsobsAnswer) answer = LSOBS_ANSWER_INIT;
  GError *error = NULL;

  assert_context (task);
  if (is_forked (task))
    return;
  if (!_lsobs_attempts_end (&lookup->attempts, result, &answer, &error))
    finish (task, NULL, error);
  else if (answer.outcome == LSOBS_OUTCOME_DELIVERED)
    handle_answer (task, answer.text);
  else if (_lsobs_attempts_need_other_key (&lookup->attempts, &answer) ||
           plan_next (lookup, &answer, &error))
    start_attempt (task);
  else
    finish (task, NULL, error);
}

static void
start_attempt (GTask *task)
{
  RunLookup *lookup = g_task_get_task_data (task);
  SoupMessage *message;
  GError *error = NULL;

  assert_context (task);
  if (_lsobs_attempts_wait (&lookup->attempts, task, wait_over_cb))
    return;
  if (!_lsobs_attempts_have_key (&lookup->attempts, task, wait_over_cb, &error))
    {
      if (error != NULL)
        finish (task, NULL, error);
      return;
    }
  message =
      _lsobs_route_new_message (_lsobs_service_peek_route (lookup->service), "POST", "runs/query");
  _lsobs_attempts_begin (&lookup->attempts, task, message, "application/json", lookup->body,
                         attempted_cb);
}

/* Called in the context of the task. */
static gboolean
begin_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  assert_context (task);
  if (!is_forked (task))
    {
      _lsobs_service_enter (((RunLookup *) g_task_get_task_data (task))->service);
      start_attempt (task);
    }
  return G_SOURCE_REMOVE;
}

/* Returns the address from @task, which has no task data. Called from any thread.
 * @run_id: a UUID */
void
_lsobs_run_lookup_task (LsobsSettings *settings, const char *run_id, GTask *task)
{
  g_autofree char *body =
      g_strdup_printf ("{\"id\":[\"%s\"],\"select\":[\"id\",\"app_path\"],\"limit\":1}", run_id);
  g_autoptr (GSource) source = g_idle_source_new ();
  RunLookup *lookup = g_new0 (RunLookup, 1);

  lookup->service = _lsobs_service_new (settings);
  lookup->run_id = g_strdup (run_id);
  lookup->body = g_bytes_new (body, strlen (body));
  lookup->deadline = g_get_monotonic_time () + MAX_TIME * G_TIME_SPAN_MILLISECOND;
  _lsobs_attempts_init (&lookup->attempts, lookup->service);
  lookup->attempts.alone = TRUE;
  g_task_set_task_data (task, lookup, run_lookup_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  g_source_set_static_name (source, "[lsobs] run lookup");
  g_task_attach_source (task, source, begin_cb);
}
