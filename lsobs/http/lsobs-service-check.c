/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/http/lsobs-attempts-private.h"
#include "lsobs/http/lsobs-service-check-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-json-document-private.h"

/* How much of an answer is read, in bytes: a project comes with its statistics. */
#define MAX_ANSWER (256 * 1024)

/* The requests to one destination, in this order. */
typedef enum
{
  STEP_INFO,
  STEP_PROJECT,
  STEP_INGEST,
  N_STEPS
} StepIndex;

/* A batch without runs: the service checks the right of the key, and stores nothing. */
#define EMPTY_BATCH "{\"post\":[],\"patch\":[]}"

/* The task data of a check. */
typedef struct
{
  GPtrArray *destinations; /* (owned) (element-type LsobsSettings) */
  guint index;             /* of the current destination */
  LsobsService *service;   /* (owned) (nullable) the current destination */
  LsobsAttempts attempts;
  SoupMessage *message; /* (owned) (nullable) of the current attempt */
  gint64 began;         /* µs since 1970: of the current attempt */
  StepIndex step;
  JsonArray *report;  /* (owned) */
  JsonObject *answer; /* (unowned) in the report: of the current destination */
} CheckData;

static void start_step (GTask *task);

static void
leave_destination (CheckData *check)
{
  g_clear_object (&check->message);
  _lsobs_attempts_clear (&check->attempts);
  if (check->service != NULL)
    _lsobs_service_close (check->service);
  g_clear_pointer (&check->service, _lsobs_service_unref);
}

static void
check_free (gpointer user_data)
{
  CheckData *check = user_data;

  g_clear_object (&check->message);
  _lsobs_attempts_clear (&check->attempts);
  g_clear_pointer (&check->service, _lsobs_service_unref);
  g_ptr_array_unref (check->destinations);
  json_array_unref (check->report);
  g_free (check);
}

static void
assert_context (GTask *task)
{
  g_assert (g_main_context_is_owner (g_task_get_context (task)));
}

/* Whether this is a forked child that runs the context of its parent: the check is the parent's. */
static gboolean
is_forked (GTask *task)
{
  CheckData *check = g_task_get_task_data (task);

  if (check->service == NULL || !_lsobs_attempts_are_forked (&check->attempts))
    return FALSE;
  /* The task never returns in the child. GLib 2.76 and later warn of a task that is freed without a
   * result. */
  g_object_ref (task);
  return TRUE;
}

/* --- the report --- */

static void
put_text (JsonObject *object, const char *name, const char *text)
{
  if (text != NULL)
    json_object_set_string_member (object, name, text);
  else
    json_object_set_null_member (object, name);
}

/* Returns: (transfer full) (nullable): the address of a proxy without the user and the password */
static char *
dup_proxy_address (const LsobsProxy *proxy)
{
  g_autoptr (GUri) uri = NULL;

  if (proxy->url != NULL)
    uri = g_uri_parse (proxy->url, G_URI_FLAGS_HAS_PASSWORD, NULL);
  if (uri == NULL)
    return NULL;
  return g_uri_join (G_URI_FLAGS_NONE, g_uri_get_scheme (uri), NULL, g_uri_get_host (uri),
                     g_uri_get_port (uri), "", NULL, NULL);
}

/* Returns: (transfer full) */
static JsonObject *
make_proxy (const LsobsSettings *settings)
{
  static const char *const kinds[] = { "system", "none", "variable", "unusable" };
  g_autofree char *address = dup_proxy_address (&settings->proxy);
  JsonObject *object = json_object_new ();

  /* No proxy leads to this machine. */
  put_text (object, "kind", settings->loopback ? "none" : kinds[settings->proxy.kind]);
  put_text (object, "variable", settings->loopback ? NULL : settings->proxy.variable);
  put_text (object, "address", settings->loopback ? NULL : address);
  return object;
}

/* Returns: (transfer none) (nullable): the name of the project, NULL for an agent */
static const char *
peek_project (const LsobsSettings *settings)
{
  LsobsTarget *target =
      settings->replica_target != NULL ? settings->replica_target : settings->target;

  return target->is_address ? NULL : target->name;
}

static void
begin_report (CheckData *check, const LsobsSettings *settings)
{
  static const char *const steps[] = { "info", "lookup", "ingest" };

  check->answer = json_object_new ();
  put_text (check->answer, "api_url", settings->values.api_url);
  put_text (check->answer, "project", peek_project (settings));
  json_object_set_boolean_member (check->answer, "has_key", settings->credentials != NULL);
  json_object_set_object_member (check->answer, "proxy", make_proxy (settings));
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    json_object_set_null_member (check->answer, steps[i]);
  json_array_add_object_element (check->report, check->answer);
}

/* Adds what became of a step.
 * @status: of HTTP, or 0
 * @error: (nullable): of LSOBS_ERROR
 * Returns: (transfer none): the object of the step, for more members */
static JsonObject *
put_step (CheckData *check, const char *name, guint status, const GError *error)
{
  g_autoptr (GEnumClass) codes = g_type_class_ref (LSOBS_TYPE_ERROR);
  JsonObject *step = json_object_new ();
  GEnumValue *code = error != NULL ? g_enum_get_value (codes, error->code) : NULL;

  json_object_set_int_member (step, "status", status);
  put_text (step, "problem", code != NULL ? code->value_nick : NULL);
  put_text (step, "message", error != NULL ? error->message : NULL);
  json_object_set_object_member (check->answer, name, step);
  return step;
}

/* The clock of this machine minus that of the service, which counts whole seconds. */
static void
put_clock (JsonObject *step, SoupMessage *message, gint64 began, gint64 ended)
{
  const char *text =
      soup_message_headers_get_one (soup_message_get_response_headers (message), "Date");
  g_autoptr (GDateTime) date = text != NULL ? soup_date_time_new_from_http_string (text) : NULL;
  gint64 theirs;
  gint64 offset = 0;

  if (date == NULL)
    {
      json_object_set_null_member (step, "clock_offset");
      return;
    }
  theirs = g_date_time_to_unix (date) * G_USEC_PER_SEC;
  /* The service has written the header at some time between the two. */
  if (began > theirs + G_USEC_PER_SEC)
    offset = began - theirs - G_USEC_PER_SEC;
  else if (ended < theirs)
    offset = ended - theirs;
  json_object_set_int_member (step, "clock_offset", offset / G_USEC_PER_SEC);
}

static void
put_version (JsonObject *step, const LsobsServerInfo *info, const char *text)
{
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;
  gsize len = 0;
  const char *version = NULL;

  if (info->has_version && _lsobs_json_document_load (&document, text, strlen (text)))
    version = _lsobs_json_document_decode (
        &document, _lsobs_json_document_find (&document, document.text.data, "version"), &len);
  if (version != NULL && len > 0)
    {
      g_autofree char *copy = g_strndup (version, len);

      put_text (step, "version", copy);
    }
  else
    {
      put_text (step, "version", NULL);
    }
  json_object_set_int_member (step, "max_records", info->max_records);
  json_object_set_int_member (step, "max_bytes", (gint64) info->max_bytes);
}

/* @text: (nullable): an array of projects
 * Returns: whether there is one */
static gboolean
has_element (const char *text)
{
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;
  const char *at;

  if (text == NULL || !_lsobs_json_document_load (&document, text, strlen (text)))
    return FALSE;
  at = document.text.data;
  while (g_ascii_isspace (*at))
    at++;
  if (*at++ != '[')
    return FALSE;
  while (g_ascii_isspace (*at))
    at++;
  return *at == '{';
}

static gboolean
is_list (const char *text)
{
  while (g_ascii_isspace (*text))
    text++;
  return *text == '[';
}

/* --- steps --- */

/* Returns: (transfer full) (nullable): why the answer is no success */
static GError *
find_error (CheckData *check, LsobsAnswer *answer)
{
  LsobsServerInfo info;
  gboolean fits = TRUE;

  if (answer->error != NULL)
    return g_steal_pointer (&answer->error);
  if (answer->outcome == LSOBS_OUTCOME_DELIVERED)
    {
      if (check->step == STEP_INFO)
        fits = _lsobs_server_info_parse (&info, answer->text, strlen (answer->text));
      else if (check->step == STEP_PROJECT)
        fits = is_list (answer->text);
      if (fits)
        return NULL;
      answer->outcome = LSOBS_OUTCOME_INTERCEPTED;
    }
  return _lsobs_delivery_policy_make_error (answer->outcome, answer->status, answer->text);
}

static void
put_answer (CheckData *check, LsobsAnswer *answer, const GError *error)
{
  LsobsServerInfo info;
  JsonObject *step;

  switch (check->step)
    {
    case STEP_INFO:
      step = put_step (check, "info", answer->status, error);
      json_object_set_boolean_member (step, "certificate_refused",
                                      soup_message_get_tls_peer_certificate_errors (
                                          check->message) != 0);
      put_clock (step, check->message, check->began, g_get_real_time ());
      _lsobs_server_info_init (&info);
      if (error == NULL && _lsobs_server_info_parse (&info, answer->text, strlen (answer->text)))
        put_version (step, &info, answer->text);
      break;
    case STEP_PROJECT:
      step = put_step (check, "lookup", answer->status, error);
      if (error == NULL)
        json_object_set_boolean_member (step, "found", has_element (answer->text));
      break;
    case STEP_INGEST:
      /* The service refuses the content of the request, and not its sender. */
      if (error != NULL && error->code == LSOBS_ERROR_REJECTED)
        error = NULL;
      put_step (check, "ingest", answer->status, error);
      break;
    case N_STEPS:
    default:
      g_assert_not_reached ();
    }
}

/* Ends the task, or begins with the next destination. */
static void
next_destination (GTask *task)
{
  CheckData *check = g_task_get_task_data (task);
  LsobsSettings *settings;

  leave_destination (check);
  if (check->index == check->destinations->len)
    {
      JsonNode *node = json_node_new (JSON_NODE_ARRAY);

      json_node_set_array (node, check->report);
      g_task_return_pointer (task, node, (GDestroyNotify) json_node_unref);
      return;
    }
  settings = g_ptr_array_index (check->destinations, check->index);
  check->index++;
  check->step = STEP_INFO;
  check->service = _lsobs_service_new (settings);
  _lsobs_attempts_init (&check->attempts, check->service);
  _lsobs_service_enter (check->service);
  begin_report (check, settings);
  start_step (task);
}

/* @goes_on: whether the next steps can have another result */
static void
next_step (GTask *task, gboolean goes_on)
{
  CheckData *check = g_task_get_task_data (task);

  if (!goes_on || ++check->step == N_STEPS)
    {
      next_destination (task);
      return;
    }
  g_clear_object (&check->message);
  _lsobs_attempts_clear (&check->attempts);
  _lsobs_attempts_init (&check->attempts, check->service);
  start_step (task);
}

static void
fail (GTask *task, GError *error)
{
  leave_destination (g_task_get_task_data (task));
  g_task_return_error (task, error);
}

/* Called in the context of the task. */
static void
attempted_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  CheckData *check = g_task_get_task_data (task);
  g_auto (LsobsAnswer) answer = LSOBS_ANSWER_INIT;
  g_autoptr (GError) problem = NULL;
  GError *error = NULL;

  assert_context (task);
  if (is_forked (task))
    return;
  if (!_lsobs_attempts_end (&check->attempts, result, &answer, &error))
    {
      fail (task, error);
      return;
    }
  if (_lsobs_attempts_need_other_key (&check->attempts, &answer))
    {
      start_step (task);
      return;
    }
  problem = find_error (check, &answer);
  put_answer (check, &answer, problem);
  next_step (task, answer.text != NULL);
}

/* Called in the context of the task, when there is a key. */
static gboolean
key_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  GError *error = NULL;

  assert_context (task);
  if (is_forked (task))
    return G_SOURCE_REMOVE;
  if (g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    fail (task, error);
  else
    start_step (task);
  return G_SOURCE_REMOVE;
}

/* Returns: (transfer full) */
static char *
make_path (CheckData *check)
{
  const char *project = peek_project (_lsobs_service_peek_settings (check->service));
  g_autofree char *name = NULL;

  switch (check->step)
    {
    case STEP_INFO:
      return g_strdup ("info");
    case STEP_PROJECT:
      name = project != NULL ? g_uri_escape_string (project, NULL, FALSE) : NULL;
      return name != NULL ? g_strconcat ("sessions?limit=1&name=", name, NULL)
                          : g_strdup ("sessions?limit=1");
    case STEP_INGEST:
      return g_strdup ("runs/batch");
    case N_STEPS:
    default:
      g_assert_not_reached ();
    }
}

static void
start_step (GTask *task)
{
  CheckData *check = g_task_get_task_data (task);
  g_autofree char *path = make_path (check);
  g_autoptr (GBytes) body = NULL;
  g_autoptr (GError) error = NULL;
  gboolean writes = check->step == STEP_INGEST;

  assert_context (task);
  if (check->step != STEP_INFO &&
      !_lsobs_attempts_have_key (&check->attempts, task, key_cb, &error))
    {
      if (error != NULL && error->domain != LSOBS_ERROR)
        {
          fail (task, g_steal_pointer (&error));
        }
      else if (error != NULL)
        {
          put_step (check, "lookup", 0, error);
          next_step (task, FALSE);
        }
      return;
    }
  if (writes)
    body = g_bytes_new_static (EMPTY_BATCH, strlen (EMPTY_BATCH));
  g_clear_object (&check->message);
  check->message = _lsobs_route_new_message (_lsobs_service_peek_route (check->service),
                                             writes ? "POST" : "GET", path);
  check->attempts.max_answer = MAX_ANSWER;
  check->began = g_get_real_time ();
  _lsobs_attempts_begin (&check->attempts, task, g_object_ref (check->message),
                         writes ? "application/json" : NULL, body, attempted_cb);
}

/* Called in the context of the task. */
static gboolean
begin_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);

  assert_context (task);
  if (!g_task_return_error_if_cancelled (task))
    next_destination (task);
  return G_SOURCE_REMOVE;
}

/* Returns a JsonNode from @task, which has no task data. Called from any thread.
 * @destinations: (transfer full) (element-type LsobsSettings) */
void
_lsobs_service_check_task (GPtrArray *destinations, GTask *task)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  CheckData *check = g_new0 (CheckData, 1);

  check->destinations = destinations;
  check->report = json_array_new ();
  g_task_set_task_data (task, check, check_free);
  g_source_set_static_name (source, "[lsobs] check");
  g_task_attach_source (task, source, begin_cb);
}
