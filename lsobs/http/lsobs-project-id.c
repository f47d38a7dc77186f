/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-project-id-private.h"
#include "lsobs/http/lsobs-route-private.h"
#include "lsobs/text/lsobs-json-walker-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

/* How many names are remembered; the one that was not used for longest goes. */
#define MAX_NAMES 64

/* How long an answer may take, in ms, and how much of it is read. */
#define TIMEOUT    5000
#define MAX_ANSWER (256 * 1024)

/* How often the service may say that there is no such project, until that is believed:
 * the first run of a new project may still be on its way through the service. With the
 * default delay that takes about 12 s. */
#define MAX_ABSENCES 6

/* How long it is believed, in µs. */
#define REFUSAL_TIME (60 * G_USEC_PER_SEC)

/* How long no question is sent after the key was refused, in µs. */
#define UNTOLD_TIME (5 * G_USEC_PER_SEC)

typedef struct
{
  char *name; /* (owned) */
  LsobsProjectIdState state;
  LsobsId id;         /* when it is known */
  guint n_absences;   /* in a row */
  guint n_failures;   /* in a row, absences among them */
  gboolean refused;   /* the last question was, for its key */
  gint64 ask_at;      /* monotonic, µs: not before */
  gint64 last_chance; /* monotonic, µs: as of LsobsService */
  guint64 used;       /* when, on the clock of uses */
} Entry;

struct _LsobsProjectIds
{
  LsobsService *service; /* (unowned) whose this is */
  GHashTable *entries;   /* (owned) (element-type utf8 Entry) */
  guint64 n_uses;
  GCancellable *asking; /* (owned) (nullable) of the question that is under way */
  guint n_troubles;     /* so many questions in a row had no answer of the service's own */
  GError *trouble;      /* (owned) (nullable) of the last one of them, until it is taken */
  gboolean answered;    /* the service has answered one, and that was not taken yet */
};

/* The question that is under way. */
typedef struct
{
  LsobsService *service; /* (owned) keeps the ids alive */
  guint epoch;           /* the process that has asked */
  SoupMessage *message;  /* (owned) */
  char *name;            /* (owned) */
} Question;

static void
entry_free (gpointer user_data)
{
  Entry *entry = user_data;

  g_free (entry->name);
  g_free (entry);
}

LsobsProjectIds *
_lsobs_project_ids_new (LsobsService *service)
{
  LsobsProjectIds *self = g_new0 (LsobsProjectIds, 1);

  self->service = service;
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
  return self;
}

void
_lsobs_project_ids_free (LsobsProjectIds *self)
{
  g_clear_object (&self->asking);
  g_clear_error (&self->trouble);
  g_hash_table_unref (self->entries);
  g_free (self);
}

/* Ends the question that is under way. TRUE while it has not ended. */
gboolean
_lsobs_project_ids_stop (LsobsProjectIds *self)
{
  if (self->asking == NULL)
    return FALSE;
  g_cancellable_cancel (self->asking);
  return TRUE;
}

/* A name that feedback waits for stays, or it would be asked for again and again. No more
 * feedback waits than the queue may hold. */
static void
make_room (LsobsProjectIds *self)
{
  const guint n = g_hash_table_size (self->entries);
  const gboolean full = n >= MAX_NAMES + self->service->settings->queue_capacity;
  GHashTableIter iter;
  gpointer value;
  Entry *oldest = NULL;

  if (n < MAX_NAMES)
    return;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;

      if ((full || entry->state != LSOBS_PROJECT_ID_AWAITED) &&
          (oldest == NULL || entry->used < oldest->used))
        oldest = entry;
    }
  if (oldest != NULL)
    g_hash_table_remove (self->entries, oldest->name);
}

static Entry *
get_entry (LsobsProjectIds *self, const char *name)
{
  Entry *entry = g_hash_table_lookup (self->entries, name);

  if (entry == NULL)
    {
      make_room (self);
      entry = g_new0 (Entry, 1);
      entry->name = g_strdup (name);
      g_hash_table_insert (self->entries, entry->name, entry);
    }
  entry->used = ++self->n_uses;
  return entry;
}

/* Takes the id of the project of that name out of the answer, a list of projects. */
static gboolean
find_id (const char *answer, gsize len, const char *name, LsobsId *id)
{
  const LsobsJsonWalkOptions options = { NULL, 0, FALSE };
  g_auto (LsobsBuffer) walked = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *array;

  if (!_lsobs_json_walk (&walked, answer, len, &options) ||
      !json_parser_load_from_data (parser, walked.data, (gssize) walked.len, NULL) ||
      !JSON_NODE_HOLDS_ARRAY (json_parser_get_root (parser)))
    return FALSE;
  array = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      JsonNode *id_node = object != NULL ? json_object_get_member (object, "id") : NULL;
      JsonNode *name_node = object != NULL ? json_object_get_member (object, "name") : NULL;

      if (id_node != NULL && json_node_get_value_type (id_node) == G_TYPE_STRING &&
          (name_node == NULL || (json_node_get_value_type (name_node) == G_TYPE_STRING &&
                                 strcmp (json_node_get_string (name_node), name) == 0)) &&
          _lsobs_id_parse_text (id, json_node_get_string (id_node)))
        return TRUE;
    }
  return FALSE;
}

/* Whether the answer is a list of projects without the one. */
static gboolean
is_list (const char *answer)
{
  while (g_ascii_isspace (*answer))
    answer++;
  return *answer == '[';
}

static void
put_off (LsobsProjectIds *self, Entry *entry)
{
  LsobsService *service = self->service;
  gint64 now = g_get_monotonic_time ();
  gint64 delay = _lsobs_delivery_policy_delay (service->settings->retry_delay, ++entry->n_failures,
                                               g_random_double (), -1);

  entry->ask_at = now + delay * 1000;
  if (service->deadline != 0)
    entry->ask_at = _lsobs_delivery_policy_before_end (entry->ask_at, now, service->deadline,
                                                       &entry->last_chance);
}

static void
give_up (Entry *entry)
{
  entry->state = LSOBS_PROJECT_ID_REFUSED;
  entry->n_absences = 0;
  entry->n_failures = 0;
  entry->ask_at = g_get_monotonic_time () + REFUSAL_TIME;
}

/* Whether the service itself has said no, for good. Without an answer of its own it is away,
 * and that may pass.
 * @answer: (nullable): NULL when none came */
static gboolean
is_refusal (SoupMessage *message, const char *answer)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (message);
  guint status = soup_message_get_status (message);
  const LsobsPolicy *policy;

  if (answer == NULL || SOUP_STATUS_IS_SUCCESSFUL (status))
    return FALSE;
  policy = _lsobs_delivery_policy_get_policy (
      _lsobs_delivery_policy_judge (status, soup_message_headers_get_one (headers, "Content-Type"),
                                    answer));
  return !policy->again && policy->fate == LSOBS_FATE_LOST;
}

/* The service has answered, or something in its place: @problem says what, or why nothing
 * came.
 * @problem: (transfer full) (nullable) */
static void
note_news (LsobsProjectIds *self, GError *problem)
{
  g_clear_error (&self->trouble);
  self->trouble = problem;
  self->n_troubles = problem != NULL ? self->n_troubles + 1 : 0;
  self->answered = problem == NULL;
}

/* Returns: (transfer full): what an answer means that is of no use */
static GError *
make_problem (SoupMessage *message, const char *answer)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (message);
  guint status = soup_message_get_status (message);
  LsobsVerdict verdict =
      _lsobs_delivery_policy_judge (status, soup_message_headers_get_one (headers, "Content-Type"),
                                    answer);

  if (verdict == LSOBS_VERDICT_DELIVERED)
    verdict = LSOBS_VERDICT_INTERCEPTED;
  return _lsobs_delivery_policy_make_error (verdict, status, answer);
}

/* The feedback goes its way, and the answer to it says what is wrong with the key. */
static void
leave_untold (Entry *entry)
{
  entry->state = LSOBS_PROJECT_ID_UNTOLD;
  entry->refused = FALSE;
  entry->ask_at = g_get_monotonic_time () + UNTOLD_TIME;
}

/* The key was refused. The question is asked once more, with another key. */
static void
take_refusal_of_key (LsobsProjectIds *self, Entry *entry, SoupMessage *message)
{
  LsobsService *service = self->service;

  if (entry->refused ||
      !_lsobs_key_wait_refuse (&service->key_wait, service->settings->credentials, message))
    leave_untold (entry);
  else
    entry->refused = TRUE;
}

/* @answer: (nullable): NULL when none came */
static void
learn (LsobsProjectIds *self, Entry *entry, SoupMessage *message, const char *answer, gsize len)
{
  guint status = soup_message_get_status (message);

  if (status == SOUP_STATUS_OK && answer != NULL && find_id (answer, len, entry->name, &entry->id))
    {
      entry->state = LSOBS_PROJECT_ID_KNOWN;
      note_news (self, NULL);
      return;
    }
  g_debug ("The service does not name the project “%s” (HTTP %u)", entry->name, status);
  if (_lsobs_service_refuses_key (self->service, message, answer))
    {
      note_news (self, NULL);
      take_refusal_of_key (self, entry, message);
      return;
    }
  entry->refused = FALSE;
  if (status == SOUP_STATUS_OK && answer != NULL && is_list (answer))
    {
      note_news (self, NULL);
      if (++entry->n_absences >= MAX_ABSENCES)
        give_up (entry);
      else
        put_off (self, entry);
    }
  else if (is_refusal (message, answer))
    {
      note_news (self, NULL);
      give_up (entry);
    }
  else
    {
      if (answer != NULL)
        note_news (self, make_problem (message, answer));
      put_off (self, entry);
    }
}

/* Called in the context that the question was asked in. */
static void
answered_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree Question *question = user_data;
  g_autoptr (LsobsService) service = question->service;
  g_autoptr (SoupMessage) message = question->message;
  g_autofree char *name = question->name;
  LsobsProjectIds *self;
  Entry *entry;
  gsize len;
  g_autoptr (GError) problem = NULL;
  g_autofree char *answer = _lsobs_route_exchange_finish (result, &len, &problem);

  /* In a forked child that runs its parent's context, the answer is the parent's. */
  if (question->epoch != _lsobs_fork_epoch ())
    return;
  self = service->project_ids;
  if (answer == NULL && !g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    note_news (self, _lsobs_route_make_error (service, message, problem));
  g_clear_object (&self->asking);
  entry = g_hash_table_lookup (self->entries, name);
  if (entry != NULL)
    learn (self, entry, message, answer, len);
  _lsobs_service_wake (service, 0);
}

static void
start_question (LsobsProjectIds *self, Entry *entry)
{
  LsobsService *service = self->service;
  const LsobsExchangeLimits limits = { MIN (TIMEOUT, service->settings->request_timeout), TIMEOUT,
                                       MAX_ANSWER };
  g_autofree char *escaped = g_uri_escape_string (entry->name, NULL, FALSE);
  g_autofree char *path = g_strconcat ("sessions?limit=1&name=", escaped, NULL);
  Question *question = g_new0 (Question, 1);

  self->asking = g_cancellable_new ();
  question->service = _lsobs_service_ref (service);
  question->epoch = _lsobs_fork_epoch ();
  question->message = _lsobs_service_new_message (service, "GET", path);
  question->name = g_strdup (entry->name);
  _lsobs_route_exchange_async (service, question->message, NULL, NULL, &limits, self->asking,
                               answered_cb, question);
}

/* @id: (out): when it is known */
gboolean
_lsobs_project_ids_peek (LsobsProjectIds *self, const char *name, LsobsId *id)
{
  Entry *entry = g_hash_table_lookup (self->entries, name);

  if (entry == NULL || entry->state != LSOBS_PROJECT_ID_KNOWN)
    return FALSE;
  entry->used = ++self->n_uses;
  *id = entry->id;
  return TRUE;
}

/* Whether the key is there.
 * @state: (out): if not */
static gboolean
has_key (LsobsProjectIds *self, Entry *entry, LsobsProjectIdState *state)
{
  switch (_lsobs_service_need_key (self->service))
    {
    case LSOBS_CREDENTIALS_PENDING:
      *state = LSOBS_PROJECT_ID_AWAITED;
      return FALSE;
    case LSOBS_CREDENTIALS_MISSING:
      if (entry->refused)
        leave_untold (entry);
      *state = LSOBS_PROJECT_ID_UNTOLD;
      return FALSE;
    case LSOBS_CREDENTIALS_READY:
    default:
      return TRUE;
    }
}

/* Asks for the id of a project, if it is time for that. The answer comes in the
 * thread-default context. */
LsobsProjectIdState
_lsobs_project_ids_ask (LsobsProjectIds *self, const char *name)
{
  Entry *entry = get_entry (self, name);
  gint64 now = g_get_monotonic_time ();
  LsobsProjectIdState state;

  if (entry->state != LSOBS_PROJECT_ID_KNOWN && now >= entry->ask_at)
    entry->state = LSOBS_PROJECT_ID_AWAITED;
  if (entry->state != LSOBS_PROJECT_ID_AWAITED || self->asking != NULL)
    return entry->state;
  if (!has_key (self, entry, &state))
    return state;
  if (now >= entry->ask_at)
    start_question (self, entry);
  else
    _lsobs_service_wake (self->service, entry->ask_at);
  return entry->state;
}

/* Returns: how many questions in a row had no answer of the service's own */
guint
_lsobs_project_ids_get_trouble (LsobsProjectIds *self)
{
  return self->n_troubles;
}

/* What there is to know since the last call.
 * @answered: (out): the service has answered a question
 * @error: set when something else did, or nothing
 * Returns: how many times in a row that was so, or 0 without an error */
guint
_lsobs_project_ids_take_news (LsobsProjectIds *self, gboolean *answered, GError **error)
{
  *answered = self->answered;
  self->answered = FALSE;
  if (self->trouble == NULL)
    return 0;
  g_propagate_error (error, g_steal_pointer (&self->trouble));
  return self->n_troubles;
}

/* Somebody waits: no question is put off. */
void
_lsobs_project_ids_ask_again (LsobsProjectIds *self)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Entry *) value)->state == LSOBS_PROJECT_ID_AWAITED)
      ((Entry *) value)->ask_at = 0;
}

/* All sending ends soon: each project is asked for once more at @until. */
void
_lsobs_project_ids_hurry (LsobsProjectIds *self, gint64 until)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    ((Entry *) value)->ask_at = MIN (((Entry *) value)->ask_at, until);
}
