/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/service-store.h"

/* Each of so many runs is bad to a service that rejects. */
#define BAD_PERIOD 7
/* What a service that takes no large record takes. */
#define SMALL_BYTES 4096

/* An operation in the store. */
typedef struct
{
  WireOp *op;            /* (unowned) (nullable) of @request */
  JsonObject *feedback;  /* (unowned) (nullable) of @request */
  TestRequest *request;  /* (owned) (nullable) NULL when the content is known to be right */
  gboolean is_confirmed; /* the whole answer was sent, and it was success */
} StoreEntry;

struct _ServiceStore
{
  TestServer *server; /* (unowned) */
  StorePlan plan;

  GMutex lock; /* guards all below */
  GRand *rand; /* (owned) */
  StoreFault fault;
  gboolean has_cut;    /* in place of a payload, its size may come */
  GHashTable *rows;    /* (owned) (element-type utf8) ids of the runs that it has */
  GHashTable *entries; /* (owned) (element-type utf8 StoreEntry) by what it tells, and id */
  guint64 n_shrunk;
  guint64 n_confirmed;
  guint64 n_requests;
  char *problem; /* (owned) (nullable) the first one */
};

/* --- names --------------------------------------------------------------------------------- */

char *
store_name_to_string (const StoreName *self)
{
  return g_strdup_printf ("%c-%u-%u-%c", self->maker, self->serial, self->n_bytes,
                          self->is_secret ? 's' : 'o');
}

gboolean
store_name_parse (StoreName *self, const char *text)
{
  char secrecy = 0;
  int length = 0;

  if (text == NULL || sscanf (text, "%c-%u-%u-%c%n", &self->maker, &self->serial, &self->n_bytes,
                              &secrecy, &length) != 4)
    return FALSE;
  self->is_secret = secrecy == 's';
  return text[length] == '\0' || text[length] == ':';
}

char *
store_name_dup_text (const StoreName *self, const char *field)
{
  g_autofree char *name = store_name_to_string (self);
  g_autofree char *filler = g_strnfill (self->n_bytes, 'x');

  return g_strconcat (name, ":", field, ":", filler, NULL);
}

/* Called in any thread. */
JsonNode *
store_redact_cb (const char *field, JsonNode *value, gpointer data G_GNUC_UNUSED)
{
  StoreName name;

  if (strcmp (field, "inputs") == 0 && JSON_NODE_HOLDS_OBJECT (value) &&
      store_name_parse (&name,
                        json_object_get_string_member_with_default (json_node_get_object (value),
                                                                    "text", "")) &&
      name.is_secret)
    return NULL;
  return json_node_ref (value);
}

/* --- what is taken ------------------------------------------------------------------------- */

static void
store_entry_free (gpointer data)
{
  StoreEntry *self = data;

  g_clear_pointer (&self->request, test_request_unref);
  g_free (self);
}

G_GNUC_PRINTF (2, 3)
static void
note_problem_unlocked (ServiceStore *self, const char *format, ...)
{
  va_list args;

  if (self->problem != NULL)
    return;
  va_start (args, format);
  self->problem = g_strdup_vprintf (format, args);
  va_end (args);
}

static gboolean
is_post (WireOp *op)
{
  return strcmp (op->op, "post") == 0;
}

/* Whether it tells the end of the run: it is an update, or the whole run. */
static gboolean
tells_end (WireOp *op)
{
  return !is_post (op) || json_object_has_member (op->run, "end_time");
}

/* One record has one key, however often it comes: the end of a run may come as the whole run first, and as
 * an update when the service has the run. */
static char *
dup_op_key (WireOp *op)
{
  return g_strconcat (tells_end (op) ? "end." : "start.", op->id, NULL);
}

static char *
dup_feedback_key (JsonObject *feedback)
{
  return g_strconcat ("feedback.", json_object_get_string_member_with_default (feedback, "id", ""),
                      NULL);
}

static void
take_one_unlocked (ServiceStore *self,
                   TestRequest *request,
                   char *key, /* (transfer full) */
                   WireOp *op,
                   JsonObject *feedback,
                   gboolean is_confirmed)
{
  StoreEntry *entry = g_new0 (StoreEntry, 1);
  StoreEntry *before = g_hash_table_lookup (self->entries, key);

  entry->request = test_request_ref (request);
  entry->op = op;
  entry->feedback = feedback;
  entry->is_confirmed = is_confirmed || (before != NULL && before->is_confirmed);
  self->n_confirmed += is_confirmed && !(before != NULL && before->is_confirmed);
  g_hash_table_replace (self->entries, key, entry);
}

static void
take_unlocked (ServiceStore *self, TestRequest *request, gboolean is_confirmed)
{
  WireRequest *wire = request->wire;

  for (guint i = 0; i < wire->ops->len; i++)
    {
      WireOp *op = g_ptr_array_index (wire->ops, i);

      if (is_post (op))
        g_hash_table_add (self->rows, g_strdup (op->id));
      take_one_unlocked (self, request, dup_op_key (op), op, NULL, is_confirmed);
    }
  for (guint i = 0; i < wire->feedback->len; i++)
    {
      JsonObject *feedback = g_ptr_array_index (wire->feedback, i);

      take_one_unlocked (self, request, dup_feedback_key (feedback), NULL, feedback, is_confirmed);
    }
}

/* The client learns from a refusal of a single start that the service has the run: the whole of it came
 * before. */
static void
refuse_known_unlocked (ServiceStore *self, WireRequest *wire)
{
  WireOp *op = wire->ops->len == 1 ? g_ptr_array_index (wire->ops, 0) : NULL;
  g_autofree char *key = NULL;

  if (op == NULL || wire->feedback->len > 0 || tells_end (op))
    return;
  key = dup_op_key (op);
  if (!g_hash_table_contains (self->entries, key))
    g_hash_table_insert (self->entries, g_steal_pointer (&key), g_new0 (StoreEntry, 1));
}

/* What the client knows to be there, it does not send again, unless it could not remove it from its
 * spool before it ended. */
static void
check_again_unlocked (ServiceStore *self, char *key /* (transfer full) */)
{
  g_autofree char *owned_key = key;
  StoreEntry *entry = g_hash_table_lookup (self->entries, owned_key);

  if (entry != NULL && entry->is_confirmed && !self->plan.spools)
    note_problem_unlocked (self, "%s was sent again after it was accepted", owned_key);
}

static void
check_request_unlocked (ServiceStore *self, TestRequest *request)
{
  WireRequest *wire = request->wire;
  g_autoptr (GError) error = NULL;

  if (!wire_check_request (wire, WIRE_STRICT, &error))
    note_problem_unlocked (self, "%s", error->message);
  for (guint i = 0; i < wire->ops->len; i++)
    check_again_unlocked (self, dup_op_key (g_ptr_array_index (wire->ops, i)));
  for (guint i = 0; i < wire->feedback->len; i++)
    check_again_unlocked (self, dup_feedback_key (g_ptr_array_index (wire->feedback, i)));
}

/* --- how a request is answered ------------------------------------------------------------- */

static gboolean
has_known_run_unlocked (ServiceStore *self, WireRequest *wire)
{
  for (guint i = 0; i < wire->ops->len; i++)
    {
      WireOp *op = g_ptr_array_index (wire->ops, i);

      if (is_post (op) && g_hash_table_contains (self->rows, op->id))
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_bad_run (WireRequest *wire)
{
  for (guint i = 0; i < wire->ops->len; i++)
    {
      WireOp *op = g_ptr_array_index (wire->ops, i);
      StoreName name;

      if (store_name_parse (&name,
                            json_object_get_string_member_with_default (op->run, "name", NULL)) &&
          name.serial % BAD_PERIOD == 0)
        return TRUE;
    }
  return FALSE;
}

static guint
get_n_records (WireRequest *wire)
{
  return wire->ops->len + wire->feedback->len;
}

/* Chooses how a request fails.
 * Returns: whether it is taken all the same */
static gboolean
fail_unlocked (ServiceStore *self, StoreFault fault, WireRequest *wire, TestAnswer *answer)
{
  gboolean by_chance = g_rand_boolean (self->rand);

  switch (fault)
    {
    case STORE_FAULT_BUSY:
      answer->status = 429;
      return FALSE;
    case STORE_FAULT_FAILS:
      answer->status = by_chance ? 500 : 503;
      return FALSE;
    case STORE_FAULT_TOO_LARGE:
      if (get_n_records (wire) == 1 && wire->payload_bytes <= SMALL_BYTES)
        return TRUE;
      answer->status = 413;
      self->has_cut = TRUE;
      return FALSE;
    case STORE_FAULT_REJECTS:
      answer->status = has_bad_run (wire) ? 422 : 0;
      return answer->status == 0;
    case STORE_FAULT_HANGS:
      answer->mode = TEST_ANSWER_HANG;
      answer->status = 503;
      return by_chance;
    case STORE_FAULT_FORGETS:
      answer->status = 503;
      return TRUE;
    case STORE_FAULT_RESETS:
      answer->mode = TEST_ANSWER_RESET;
      return by_chance;
    case STORE_FAULT_HALF:
      answer->mode = TEST_ANSWER_EARLY_CLOSE;
      return TRUE;
    case STORE_FAULT_SLOW:
      answer->mode = TEST_ANSWER_SLOW_BODY;
      return TRUE;
    case STORE_FAULT_NONE:
    case STORE_FAULT_MIXED:
    case STORE_N_FAULTS:
    default:
      return TRUE;
    }
}

static StoreFault
choose_fault_unlocked (ServiceStore *self)
{
  if (self->fault != STORE_FAULT_MIXED)
    return self->fault;
  return (StoreFault) g_rand_int_range (self->rand, 0, STORE_FAULT_MIXED);
}

/* Called in the server's thread, if there is one. */
static gboolean
can_read_unlocked (ServiceStore *self, TestRequest *request)
{
  self->n_requests++;
  if (request->wire == NULL)
    note_problem_unlocked (self, "%s %s: %s", request->method, request->path,
                           request->wire_error != NULL ? request->wire_error->message
                                                       : "no request of this service");
  else
    check_request_unlocked (self, request);
  return request->wire != NULL;
}

void
service_store_note (ServiceStore *self, TestRequest *request, StoreFate fate)
{
  g_mutex_lock (&self->lock);
  if (can_read_unlocked (self, request))
    {
      if (fate == STORE_FATE_TAKEN || fate == STORE_FATE_CONFIRMED)
        take_unlocked (self, request, fate == STORE_FATE_CONFIRMED && !self->plan.is_unsure);
      else if (fate == STORE_FATE_KNOWN)
        refuse_known_unlocked (self, request->wire);
    }
  g_mutex_unlock (&self->lock);
}

void
service_store_allow_cuts (ServiceStore *self)
{
  g_mutex_lock (&self->lock);
  self->has_cut = TRUE;
  g_mutex_unlock (&self->lock);
}

/* Called in the server's thread. */
static gboolean
answer_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  ServiceStore *self = data;
  StoreFault fault;

  if (test_request_is_sessions (request))
    return FALSE;
  g_mutex_lock (&self->lock);
  if (!can_read_unlocked (self, request))
    {
      answer->status = 400;
      g_mutex_unlock (&self->lock);
      return TRUE;
    }
  fault = choose_fault_unlocked (self);
  if (fail_unlocked (self, fault, request->wire, answer))
    {
      if (self->plan.refuses_known && has_known_run_unlocked (self, request->wire))
        {
          if (answer->status == 0)
            refuse_known_unlocked (self, request->wire);
          answer->status = answer->status != 0 ? answer->status : 409;
        }
      else
        take_unlocked (self, request,
                       !self->plan.is_unsure && answer->status == 0 &&
                           answer->mode == TEST_ANSWER_WHOLE);
    }
  g_mutex_unlock (&self->lock);
  return TRUE;
}

void
service_store_set_fault (ServiceStore *self, StoreFault fault)
{
  g_mutex_lock (&self->lock);
  self->fault = fault;
  g_mutex_unlock (&self->lock);
  test_server_release_hanging (self->server);
}

/* --- whether it is right ------------------------------------------------------------------- */

/* (nullable): the name that the content tells */
static const char *
peek_name (WireOp *op)
{
  const char *name = json_object_get_string_member_with_default (op->run, "name", NULL);
  JsonNode *outputs = json_object_get_member (op->run, "outputs");

  if (name == NULL && outputs != NULL && JSON_NODE_HOLDS_OBJECT (outputs))
    name =
        json_object_get_string_member_with_default (json_node_get_object (outputs), "text", NULL);
  return name;
}

/* @may_miss: the field may be another one, or none */
static gboolean
is_right (WireOp *op, const StoreName *name, const char *field, gboolean may_miss)
{
  JsonNode *node = json_object_get_member (op->run, field);
  g_autofree char *expected = store_name_dup_text (name, field);
  const char *text = NULL;

  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    text = json_object_get_string_member_with_default (json_node_get_object (node), "text", NULL);
  return text != NULL ? strcmp (text, expected) == 0 : may_miss;
}

static gboolean
are_attachments_right (WireOp *op, const StoreName *name)
{
  g_autofree char *expected = store_name_dup_text (name, "attachment");

  for (guint i = 0; i < op->attachments->len; i++)
    {
      WireAttachment *attachment = g_ptr_array_index (op->attachments, i);
      g_autoptr (GBytes) data = g_bytes_new (expected, strlen (expected));

      if (!g_bytes_equal (attachment->data, data))
        return FALSE;
    }
  return TRUE;
}

/* (transfer none) (nullable): what is wrong with it */
static const char *
judge_op_unlocked (ServiceStore *self, WireOp *op, const char *made)
{
  gboolean is_create = is_post (op);
  gboolean has_ended = tells_end (op);
  const char *told = peek_name (op);
  StoreName name;

  if (!store_name_parse (&name, told != NULL ? told : made))
    return "the name is another one";
  if (made == NULL && name.maker != 'c')
    return "nobody has made it";
  if (made != NULL && told != NULL && !g_str_has_prefix (told, made))
    return "it is that of another run";
  if (is_create && self->plan.redacts && name.is_secret &&
      !is_right (op, &(StoreName){ .maker = 'n' }, "inputs", TRUE))
    return "its inputs are not redacted";
  /* An end whose start was lost comes as a run without inputs. */
  if (is_create && !(self->plan.redacts && name.is_secret) &&
      !is_right (op, &name, "inputs", self->has_cut || has_ended))
    return "its inputs are wrong";
  if (has_ended && !is_right (op, &name, "outputs", self->has_cut))
    return "its outputs are wrong";
  return are_attachments_right (op, &name) ? NULL : "its attachment is wrong";
}

static const char *
judge_feedback_unlocked (ServiceStore *self, JsonObject *feedback, const char *made)
{
  g_autofree char *comment = NULL;
  StoreName name;

  if (made == NULL || !store_name_parse (&name, made))
    return "nobody has made it";
  comment = store_name_dup_text (&name, "comment");
  if (!self->has_cut &&
      g_strcmp0 (json_object_get_string_member_with_default (feedback, "comment", NULL), comment) !=
          0)
    return "its comment is wrong";
  return NULL;
}

/* (transfer full): its content, for a reader */
static char *
dup_text (StoreEntry *entry)
{
  g_autoptr (JsonNode) node =
      json_node_init_object (json_node_alloc (),
                             entry->op != NULL ? entry->op->run : entry->feedback);
  g_autofree char *text = json_to_string (node, FALSE);

  return g_strndup (text, 2000);
}

char *
service_store_find_problem (ServiceStore *self, GHashTable *ledger)
{
  GHashTableIter iter;
  const char *key;
  StoreEntry *entry;
  char *problem;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, (gpointer *) &key, (gpointer *) &entry))
    {
      const char *made = g_hash_table_lookup (ledger, strchr (key, '.') + 1);
      const char *flaw;

      if (entry->request == NULL)
        continue;
      flaw = entry->op != NULL ? judge_op_unlocked (self, entry->op, made)
                               : judge_feedback_unlocked (self, entry->feedback, made);
      if (flaw != NULL)
        {
          g_autofree char *text = dup_text (entry);

          note_problem_unlocked (self, "%s (%s): %s: %s", key, made != NULL ? made : "-", flaw,
                                 text);
        }
      g_clear_pointer (&entry->request, test_request_unref);
      entry->op = NULL;
      entry->feedback = NULL;
    }
  problem = g_strdup (self->problem);
  g_mutex_unlock (&self->lock);
  return problem;
}

guint64
service_store_count (ServiceStore *self)
{
  guint64 n;

  g_mutex_lock (&self->lock);
  n = self->n_shrunk + g_hash_table_size (self->entries);
  g_mutex_unlock (&self->lock);
  return n;
}

guint64
service_store_count_confirmed (ServiceStore *self)
{
  guint64 n;

  g_mutex_lock (&self->lock);
  n = self->n_confirmed;
  g_mutex_unlock (&self->lock);
  return n;
}

guint64
service_store_count_requests (ServiceStore *self)
{
  guint64 n;

  g_mutex_lock (&self->lock);
  n = self->n_requests;
  g_mutex_unlock (&self->lock);
  return n;
}

void
service_store_shrink (ServiceStore *self)
{
  g_mutex_lock (&self->lock);
  self->n_shrunk += g_hash_table_size (self->entries);
  g_hash_table_remove_all (self->entries);
  g_hash_table_remove_all (self->rows);
  g_mutex_unlock (&self->lock);
  test_server_switch (self->server, answer_cb, self);
}

/* --- life ---------------------------------------------------------------------------------- */

ServiceStore *
service_store_new (TestServer *server, const StorePlan *plan)
{
  ServiceStore *self = g_new0 (ServiceStore, 1);

  self->server = server;
  self->plan = *plan;
  self->has_cut = plan->cuts;
  g_mutex_init (&self->lock);
  self->rand = g_rand_new_with_seed (plan->seed);
  self->rows = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, store_entry_free);
  if (server != NULL)
    test_server_set_handler (server, answer_cb, self);
  return self;
}

void
service_store_free (ServiceStore *self)
{
  g_hash_table_unref (self->entries);
  g_hash_table_unref (self->rows);
  g_rand_free (self->rand);
  g_free (self->problem);
  g_mutex_clear (&self->lock);
  g_free (self);
}
