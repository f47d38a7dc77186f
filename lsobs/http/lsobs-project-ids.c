/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "lsobs/http/lsobs-project-ids-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

/* How many names are remembered. The one that was used least recently is replaced. */
#define MAX_NAMES 64

/* How long an answer may take, in ms, and how much of it is read, in bytes. */
#define TIMEOUT    5000
#define MAX_ANSWER (256 * 1024)

/* A project counts as missing after this many answers in a row that say so: the service may still
 * be processing the first run of a new project. With the default delay, so many answers take about
 * 12 s. */
#define MAX_ABSENCES 6

/* How long a project counts as missing, in µs. */
#define REFUSAL_TIME (60 * G_USEC_PER_SEC)

/* How long no lookup is started after the key was refused, in µs. */
#define UNTOLD_TIME (5 * G_USEC_PER_SEC)

/* A name of a project, and what the service has said about it. */
typedef struct
{
  char *name; /* (owned) */
  LsobsProjectIdState state;
  LsobsId id;           /* when it is known */
  guint n_absences;     /* in a row */
  guint n_failures;     /* in a row, with absences */
  gboolean key_refused; /* the last answer has refused the key */
  gint64 ask_at;        /* monotonic, µs: the earliest time of the next lookup */
  gint64 last_chance;   /* monotonic, µs: see _lsobs_delivery_policy_before_end() */
  guint64 used;         /* the value of n_uses at the last use */
} Entry;

struct _LsobsProjectIds
{
  gatomicrefcount ref_count;
  LsobsSettings *settings; /* (owned) */
  LsobsLookups *lookups;   /* (owned) */
  gint64 deadline;         /* monotonic, µs: sending ends, or 0 */
  GHashTable *entries;     /* (owned) (element-type utf8 Entry) */
  guint64 n_uses;          /* of all entries */
  GCancellable *asking;    /* (owned) (nullable) of the lookup under way */
  guint n_failures;        /* lookups in a row that the service did not answer */
  GError *failure;         /* (owned) (nullable) of the last of them, until it is taken */
  gboolean answered;       /* the service has answered, and that was not taken yet */
};

/* The lookup under way. */
typedef struct
{
  LsobsProjectIds *ids; /* (owned) */
  char *name;           /* (owned) */
} LookupData;

static void
entry_free (gpointer user_data)
{
  Entry *entry = user_data;

  g_free (entry->name);
  g_free (entry);
}

static void
lookup_free (gpointer user_data)
{
  LookupData *lookup = user_data;

  _lsobs_project_ids_unref (lookup->ids);
  g_free (lookup->name);
  g_free (lookup);
}

LsobsProjectIds *
_lsobs_project_ids_new (LsobsSettings *settings, LsobsLookups *lookups)
{
  LsobsProjectIds *self = g_new0 (LsobsProjectIds, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->settings = _lsobs_settings_ref (settings);
  self->lookups = _lsobs_lookups_ref (lookups);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
  return self;
}

static LsobsProjectIds *
project_ids_ref (LsobsProjectIds *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_project_ids_unref (LsobsProjectIds *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_object (&self->asking);
  g_clear_error (&self->failure);
  g_hash_table_unref (self->entries);
  _lsobs_lookups_unref (self->lookups);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* Cancels the lookup under way.
 * Returns: whether there is one that has not ended */
gboolean
_lsobs_project_ids_stop (LsobsProjectIds *self)
{
  _lsobs_lookups_assert_context (self->lookups);
  if (self->asking == NULL)
    return FALSE;
  g_cancellable_cancel (self->asking);
  return TRUE;
}

/* Names that feedback waits for are kept. Otherwise, the service would be asked for each of them
 * again and again. There are at most as many as the queue may hold records. */
static void
make_room (LsobsProjectIds *self)
{
  const guint n = g_hash_table_size (self->entries);
  const gboolean full = n >= MAX_NAMES + self->settings->values.queue_capacity;
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

/* Finds the project in the answer, a list of projects.
 * @id: (out) */
static gboolean
find_id (const char *answer, gsize len, const char *name, LsobsId *id)
{
  const LsobsSanitizeOptions options = { 0 };
  g_auto (LsobsBuffer) walked = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *array;

  if (!_lsobs_json_sanitize (&walked, answer, len, &options) ||
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

/* Whether the answer is a list, if find_id() has not found the project in it. */
static gboolean
is_list (const char *answer)
{
  while (g_ascii_isspace (*answer))
    answer++;
  return *answer == '[';
}

/* Delays the next lookup. */
static void
put_off (LsobsProjectIds *self, Entry *entry)
{
  gint64 now = g_get_monotonic_time ();
  gint64 delay = _lsobs_delivery_policy_delay (self->settings->values.retry_delay,
                                               ++entry->n_failures, g_random_double (), -1);

  entry->ask_at = now + delay * 1000;
  if (self->deadline != 0)
    entry->ask_at =
        _lsobs_delivery_policy_before_end (entry->ask_at, now, self->deadline, &entry->last_chance);
}

/* The project counts as missing. */
static void
give_up (Entry *entry)
{
  entry->state = LSOBS_PROJECT_ID_REFUSED;
  entry->n_absences = 0;
  entry->n_failures = 0;
  entry->ask_at = g_get_monotonic_time () + REFUSAL_TIME;
}

/* Whether the service itself has refused to answer, for good. */
static gboolean
is_refusal (const LsobsLookupAnswer *answer)
{
  const LsobsDeliveryPolicy *policy = _lsobs_delivery_policy_get (answer->outcome);

  return answer->text != NULL && !SOUP_STATUS_IS_SUCCESSFUL (answer->status) && !policy->retry &&
         policy->action == LSOBS_DELIVERY_ACTION_DROP;
}

/* Records whether the service has answered.
 * @error: (transfer full) (nullable): %NULL for an answer of the service */
static void
note_news (LsobsProjectIds *self, GError *error)
{
  g_clear_error (&self->failure);
  self->failure = error;
  self->n_failures = error != NULL ? self->n_failures + 1 : 0;
  self->answered = error == NULL;
}

/* There is no usable key: the feedback is sent without the id, and the answer names the problem. */
static void
leave_untold (Entry *entry)
{
  entry->state = LSOBS_PROJECT_ID_UNTOLD;
  entry->key_refused = FALSE;
  entry->ask_at = g_get_monotonic_time () + UNTOLD_TIME;
}

/* The key was refused. The same lookup is repeated, with another key. */
static void
take_refusal_of_key (LsobsProjectIds *self, Entry *entry, const LsobsLookupAnswer *answer)
{
  if (entry->key_refused || !_lsobs_lookups_refuse_key (self->lookups, answer))
    leave_untold (entry);
  else
    entry->key_refused = TRUE;
}

static void
learn (LsobsProjectIds *self, Entry *entry, const LsobsLookupAnswer *answer)
{
  gboolean succeeded = answer->status == SOUP_STATUS_OK && answer->text != NULL;

  if (succeeded && find_id (answer->text, answer->len, entry->name, &entry->id))
    {
      entry->state = LSOBS_PROJECT_ID_KNOWN;
      note_news (self, NULL);
      return;
    }
  g_debug ("The service does not name the project “%s” (HTTP %u)", entry->name, answer->status);
  if (_lsobs_lookup_answer_refuses_key (answer))
    {
      note_news (self, NULL);
      take_refusal_of_key (self, entry, answer);
      return;
    }
  entry->key_refused = FALSE;
  if (succeeded && is_list (answer->text))
    {
      note_news (self, NULL);
      if (++entry->n_absences >= MAX_ABSENCES)
        give_up (entry);
      else
        put_off (self, entry);
    }
  else if (is_refusal (answer))
    {
      note_news (self, NULL);
      give_up (entry);
    }
  else
    {
      if (answer->text != NULL)
        note_news (self, _lsobs_lookups_make_error (self->lookups, answer));
      put_off (self, entry);
    }
}

/* Called in the context that the lookup was started in. */
static void
answered_cb (const LsobsLookupAnswer *answer, gpointer user_data)
{
  LookupData *lookup = user_data;
  LsobsProjectIds *self = lookup->ids;
  Entry *entry = g_hash_table_lookup (self->entries, lookup->name);

  _lsobs_lookups_assert_context (self->lookups);
  if (answer->text == NULL && !g_error_matches (answer->problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    note_news (self, _lsobs_lookups_make_error (self->lookups, answer));
  g_clear_object (&self->asking);
  if (entry != NULL)
    learn (self, entry, answer);
  _lsobs_lookups_wake (self->lookups, 0);
}

static void
start_lookup (LsobsProjectIds *self, Entry *entry)
{
  const LsobsExchangeLimits limits = {
    .timeout = MIN (TIMEOUT, self->settings->values.request_timeout),
    .tail = TIMEOUT,
    .max_answer = MAX_ANSWER,
  };
  g_autofree char *escaped = g_uri_escape_string (entry->name, NULL, FALSE);
  g_autofree char *path = g_strconcat ("sessions?limit=1&name=", escaped, NULL);
  LookupData *lookup = g_new0 (LookupData, 1);

  self->asking = g_cancellable_new ();
  lookup->ids = project_ids_ref (self);
  lookup->name = g_strdup (entry->name);
  _lsobs_lookups_start (self->lookups, path, &limits, self->asking, answered_cb, lookup,
                        lookup_free);
}

/* @id: (out)
 * Returns: whether the id is known */
gboolean
_lsobs_project_ids_peek (LsobsProjectIds *self, const char *name, LsobsId *id)
{
  Entry *entry = g_hash_table_lookup (self->entries, name);

  _lsobs_lookups_assert_context (self->lookups);
  if (entry == NULL || entry->state != LSOBS_PROJECT_ID_KNOWN)
    return FALSE;
  entry->used = ++self->n_uses;
  *id = entry->id;
  return TRUE;
}

/* @state: (out): the state to report without a key
 * Returns: whether there is a key for the lookup */
static gboolean
has_key (LsobsProjectIds *self, Entry *entry, LsobsProjectIdState *state)
{
  switch (_lsobs_lookups_need_key (self->lookups))
    {
    case LSOBS_CREDENTIALS_PENDING:
      *state = LSOBS_PROJECT_ID_AWAITED;
      return FALSE;
    case LSOBS_CREDENTIALS_MISSING:
      if (entry->key_refused)
        leave_untold (entry);
      *state = LSOBS_PROJECT_ID_UNTOLD;
      return FALSE;
    case LSOBS_CREDENTIALS_READY:
    default:
      return TRUE;
    }
}

/* Asks for the id of a project, unless the lookup has to wait. The answer comes in the
 * thread-default context. */
LsobsProjectIdState
_lsobs_project_ids_ask (LsobsProjectIds *self, const char *name)
{
  Entry *entry = get_entry (self, name);
  gint64 now = g_get_monotonic_time ();
  LsobsProjectIdState state;

  _lsobs_lookups_assert_context (self->lookups);
  if (entry->state != LSOBS_PROJECT_ID_KNOWN && now >= entry->ask_at)
    entry->state = LSOBS_PROJECT_ID_AWAITED;
  if (entry->state != LSOBS_PROJECT_ID_AWAITED || self->asking != NULL)
    return entry->state;
  if (!has_key (self, entry, &state))
    return state;
  if (now >= entry->ask_at)
    start_lookup (self, entry);
  else
    _lsobs_lookups_wake (self->lookups, entry->ask_at);
  return entry->state;
}

/* Takes the results since the last call.
 * @answered: (out): the service has answered a lookup
 * @error: set if it did not answer the last lookup
 * Returns: how many lookups in a row it did not answer, or 0 without @error */
guint
_lsobs_project_ids_take_news (LsobsProjectIds *self, gboolean *answered, GError **error)
{
  _lsobs_lookups_assert_context (self->lookups);
  *answered = self->answered;
  self->answered = FALSE;
  if (self->failure == NULL)
    return 0;
  g_propagate_error (error, g_steal_pointer (&self->failure));
  return self->n_failures;
}

/* Ends the delays of all lookups, because a flush waits.
 * @min_failures: if fewer lookups in a row got no answer, nothing happens */
void
_lsobs_project_ids_ask_again (LsobsProjectIds *self, guint min_failures)
{
  GHashTableIter iter;
  gpointer value;

  _lsobs_lookups_assert_context (self->lookups);
  if (self->n_failures < min_failures)
    return;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;

      if (entry->state == LSOBS_PROJECT_ID_AWAITED)
        entry->ask_at = 0;
    }
}

/* Sending ends at @deadline: each lookup that is delayed starts at @last_lookup. */
void
_lsobs_project_ids_set_deadline (LsobsProjectIds *self, gint64 deadline, gint64 last_lookup)
{
  GHashTableIter iter;
  gpointer value;

  _lsobs_lookups_assert_context (self->lookups);
  self->deadline = deadline;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;

      entry->ask_at = MIN (entry->ask_at, last_lookup);
    }
}
