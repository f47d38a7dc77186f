/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/store/attachment.h"
#include "tools/store/project.h"
#include "tools/store/sent.h"
#include "tools/transfer/forwarder.h"

/* What is in one request at most: other programs send there, too. */
#define MAX_RECORDS 100
#define MAX_BYTES   ((gsize) 8 << 20)

/* One record that waits, or is sent. */
typedef struct
{
  LsobsId id;     /* of the run, or of the feedback */
  LsobsId run_id; /* the same, or that of the run of the feedback */
  LsobsRunEventKind kind;
  char *name;                 /* (owned) (nullable) of the run */
  GBytes *text;               /* (owned) */
  LsobsBatch *batch;          /* (owned) of this record alone */
  LsobsRunEvent *attachments; /* (owned) (nullable) */
  guint n_attachments;
  gint64 attachments_after; /* those that have come after this time are to be sent */
  gboolean refused;
  SentMark mark;
} Item;

static void
item_free (gpointer data)
{
  Item *self = data;

  g_free (self->name);
  g_clear_pointer (&self->text, g_bytes_unref);
  g_clear_pointer (&self->batch, lsobs_batch_unref);
  g_clear_pointer (&self->attachments, lsobs_run_event_unref);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Item, item_free)

void
forwarder_clear (Forwarder *self)
{
  g_clear_pointer (&self->runs, g_ptr_array_unref);
  g_clear_pointer (&self->feedback, g_ptr_array_unref);
  g_clear_pointer (&self->names, g_hash_table_unref);
}

static void
init (Forwarder *self)
{
  if (self->runs != NULL)
    return;
  self->runs = g_ptr_array_new_with_free_func (item_free);
  self->feedback = g_ptr_array_new_with_free_func (item_free);
  self->names = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
}

static void
refuse_item (Forwarder *self, const LsobsId *id, const char *name, const char *reason)
{
  self->count.n_refused++;
  if (self->refused != NULL)
    self->refused (id, name, reason, self->data);
}

/* --- requests --- */

typedef struct
{
  gboolean done;
  gboolean delivered;
  GError *error;
} Sending;

static void
sent_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  Sending *sending = data;

  sending->delivered =
      lsobs_transport_send_finish (LSOBS_TRANSPORT (object), result, &sending->error);
  sending->done = TRUE;
}

static gboolean
wake_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  g_main_context_wakeup (NULL);
}

/* Waits for its turn, so that there are not more records in a second than wanted. */
static void
wait_for_turn (Forwarder *self, guint n_records)
{
  gint64 now = g_get_monotonic_time ();
  gint64 delay = (self->not_before - now) / 1000;
  gboolean woken = FALSE;

  if (delay > 0)
    {
      gulong handler =
          g_cancellable_connect (self->cancellable, G_CALLBACK (cancelled_cb), NULL, NULL);
      guint source = g_timeout_add ((guint) MIN (delay, G_MAXINT), wake_cb, &woken);

      while (!woken && !g_cancellable_is_cancelled (self->cancellable))
        g_main_context_iteration (NULL, TRUE);
      if (!woken)
        g_source_remove (source);
      g_cancellable_disconnect (self->cancellable, handler);
    }
  if (self->rate > 0)
    self->not_before =
        MAX (now, self->not_before) + (gint64) ((double) n_records / self->rate * G_USEC_PER_SEC);
}

static gboolean
send_batch (Forwarder *self, LsobsBatch *batch, GError **error)
{
  Sending sending = { 0 };

  wait_for_turn (self, lsobs_batch_get_n_records (batch));
  lsobs_transport_send_async (LSOBS_TRANSPORT (self->client), batch, self->cancellable, sent_cb,
                              &sending);
  while (!sending.done)
    g_main_context_iteration (NULL, TRUE);
  if (sending.error != NULL)
    g_propagate_error (error, sending.error);
  return sending.delivered;
}

/* --- records --- */

static void
count_item (Forwarder *self, const Item *item)
{
  if (item->kind == LSOBS_RUN_EVENT_KIND_FEEDBACK)
    self->count.n_feedback++;
  else
    self->count.n_runs++;
  self->count.n_attachments += item->n_attachments;
}

/* Remembers that records were sent. */
static gboolean
mark_items (Forwarder *self, Item **items, guint n_items, GError **error)
{
  for (guint i = 0; i < n_items; i++)
    count_item (self, items[i]);
  if (!store_begin (self->store, error))
    return FALSE;
  for (guint i = 0; i < n_items; i++)
    if (!sent_write (self->store, self->target, &items[i]->id, &items[i]->mark, error))
      {
        store_rollback (self->store);
        return FALSE;
      }
  if (!store_commit (self->store, error))
    return FALSE;
  if (self->progress != NULL)
    self->progress (&self->count, self->data);
  return TRUE;
}

static gboolean send_items (Forwarder *self, Item **items, guint n_items, GError **error);
static gboolean find_run (Forwarder *self, const LsobsId *id, Run **run, GError **error);

/* The service has the run already, perhaps from a request whose answer was lost: it gets what it may lack. */
static gboolean
send_as_update (Forwarder *self, Item *item, GError **error)
{
  g_autoptr (GError) problem = NULL;

  lsobs_batch_unref (item->batch);
  item->kind = LSOBS_RUN_EVENT_KIND_UPDATE;
  item->batch = lsobs_batch_new_from_json (item->kind, item->text, item->attachments, error);
  if (item->batch == NULL)
    return FALSE;
  if (send_batch (self, item->batch, &problem) ||
      g_error_matches (problem, LSOBS_ERROR, LSOBS_ERROR_CONFLICT))
    return mark_items (self, &item, 1, error);
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* Whether the records may be to blame, not the service or the way to it. */
static gboolean
is_about_content (const GError *error)
{
  return g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_REJECTED) ||
         g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE) ||
         g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_CONFLICT) ||
         g_error_matches (error, LSOBS_ERROR, LSOBS_ERROR_BLOCKED);
}

/* --- a run that is too large with its attachments --- */

/* Returns: FALSE with an error; TRUE with NULL in @data if it was deleted meanwhile */
static gboolean
find_attachment (Forwarder *self,
                 const LsobsId *run_id,
                 const char *name,
                 GBytes **data,
                 GError **error)
{
  g_autoptr (GError) problem = NULL;

  *data = attachment_load (self->store, run_id, name, NULL, &problem);
  if (*data != NULL || g_error_matches (problem, STORE_ERROR, STORE_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* Sends an attachment alone, as an update of its run.
 * @refused: (out): whether the service does not take it, which is told
 * Returns: FALSE with an error if nothing more can be sent */
static gboolean
send_attachment (Forwarder *self,
                 const Run *run,
                 const Attachment *attachment,
                 gboolean *refused,
                 GError **error)
{
  char id[LSOBS_UUID_LEN + 1] = "";
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (LsobsRunEvent) event = NULL;
  g_autoptr (LsobsBatch) batch = NULL;
  g_autoptr (GBytes) json = NULL;
  g_autoptr (GBytes) data = NULL;
  g_autoptr (GError) problem = NULL;

  *refused = FALSE;
  if (!find_attachment (self, &run->id, attachment->name, &data, error))
    return FALSE;
  if (data == NULL)
    return TRUE;
  _lsobs_id_write (&run->id, id);
  event = lsobs_run_event_new_update (id, NULL, NULL);
  /* What cannot be sent at all was told when the run was made ready. */
  if (!lsobs_run_event_add_attachment (event, attachment->name, attachment->type, data, NULL))
    return TRUE;
  record_text_put_place (&text, run);
  json = _lsobs_buffer_steal_bytes (&text);
  batch = lsobs_batch_new_from_json (LSOBS_RUN_EVENT_KIND_UPDATE, json, event, error);
  if (batch == NULL)
    return FALSE;
  if (send_batch (self, batch, &problem) ||
      g_error_matches (problem, LSOBS_ERROR, LSOBS_ERROR_CONFLICT))
    self->count.n_attachments++;
  else if (is_about_content (problem))
    {
      /* TRANSLATORS: the name of a file, and why it was not taken */
      g_autofree char *reason =
          g_strdup_printf (_ ("the attachment “%s”: %s"), attachment->name, problem->message);

      *refused = TRUE;
      refuse_item (self, &run->id, run->name, reason);
    }
  else
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  return TRUE;
}

/* Sends each attachment of a run alone.
 * @mark: what is remembered: those that the service has not taken are tried again the next time */
static gboolean
send_attachments (Forwarder *self, const Item *item, SentMark *mark, GError **error)
{
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (Run) run = NULL;
  const gint64 until = mark->time;

  if (!find_run (self, &item->id, &run, error))
    return FALSE;
  if (run == NULL)
    return TRUE;
  list = attachment_list (self->store, &item->id, error);
  for (guint i = 0; list != NULL && i < list->len; i++)
    {
      const Attachment *attachment = g_ptr_array_index (list, i);
      gboolean refused;

      if (attachment->received <= item->attachments_after || attachment->received > until)
        continue;
      if (!send_attachment (self, run, attachment, &refused, error))
        return FALSE;
      if (refused)
        mark->time = MIN (mark->time, attachment->received - 1);
    }
  return list != NULL;
}

static gboolean
write_mark (Forwarder *self, const LsobsId *id, const SentMark *mark, GError **error)
{
  if (!store_begin (self->store, error))
    return FALSE;
  if (sent_write (self->store, self->target, id, mark, error))
    return store_commit (self->store, error);
  store_rollback (self->store);
  return FALSE;
}

/* The service takes less at a time than a run with its attachments: it gets the run, then each of them. */
static gboolean
send_apart (Forwarder *self, Item *item, GError **error)
{
  SentMark mark = item->mark;

  lsobs_batch_unref (item->batch);
  item->batch = lsobs_batch_new_from_json (item->kind, item->text, NULL, error);
  if (item->batch == NULL)
    return FALSE;
  g_clear_pointer (&item->attachments, lsobs_run_event_unref);
  item->n_attachments = 0;
  /* If this process ends before they are sent, they are sent the next time. */
  item->mark.time = item->attachments_after;
  if (!send_items (self, &item, 1, error))
    return FALSE;
  if (item->refused)
    return TRUE;
  return send_attachments (self, item, &mark, error) && write_mark (self, &item->id, &mark, error);
}

/* --- what is refused --- */

/* One record was refused. */
static gboolean
end_refused (Forwarder *self, Item *item, GError *problem, GError **error)
{
  g_autoptr (GError) later = NULL;

  if (g_error_matches (problem, LSOBS_ERROR, LSOBS_ERROR_CONFLICT))
    {
      if (item->kind != LSOBS_RUN_EVENT_KIND_START)
        return mark_items (self, &item, 1, error);
      if (send_as_update (self, item, &later))
        return TRUE;
      if (!is_about_content (later))
        {
          g_propagate_error (error, g_steal_pointer (&later));
          return FALSE;
        }
      problem = later;
    }
  item->refused = TRUE;
  refuse_item (self, &item->id, item->name, problem->message);
  return TRUE;
}

/* Sends records; if they are refused, each half of them, until the one to blame stands alone. */
static gboolean
send_items (Forwarder *self, Item **items, guint n_items, GError **error)
{
  g_autofree LsobsBatch **batches = g_new (LsobsBatch *, n_items);
  g_autoptr (LsobsBatch) batch = NULL;
  g_autoptr (GError) problem = NULL;

  for (guint i = 0; i < n_items; i++)
    batches[i] = items[i]->batch;
  batch = lsobs_batch_new_joined (batches, n_items);
  if (send_batch (self, batch, &problem))
    return mark_items (self, items, n_items, error);
  if (!is_about_content (problem))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (n_items == 1 && items[0]->n_attachments > 0 &&
      g_error_matches (problem, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE))
    return send_apart (self, items[0], error);
  if (n_items == 1)
    return end_refused (self, items[0], problem, error);
  return send_items (self, items, n_items / 2, error) &&
         send_items (self, items + n_items / 2, n_items - n_items / 2, error);
}

/* Feedback on a run that the service has not taken would be refused, too. */
static void
drop_lone_feedback (Forwarder *self)
{
  for (guint i = 0; i < self->runs->len; i++)
    {
      const Item *run = g_ptr_array_index (self->runs, i);

      for (guint j = self->feedback->len; run->refused && j > 0; j--)
        if (_lsobs_id_equal (&((const Item *) g_ptr_array_index (self->feedback, j - 1))->run_id,
                             &run->id))
          g_ptr_array_remove_index (self->feedback, j - 1);
    }
}

static gboolean
send_feedback (Forwarder *self, GError **error)
{
  Item **items = (Item **) self->feedback->pdata;
  guint step = lsobs_transport_takes_feedback (LSOBS_TRANSPORT (self->client)) ? MAX_RECORDS : 1;

  for (guint i = 0; i < self->feedback->len; i += step)
    if (!send_items (self, items + i, MIN (step, self->feedback->len - i), error))
      return FALSE;
  return TRUE;
}

gboolean
forwarder_flush (Forwarder *self, GError **error)
{
  gboolean done = TRUE;

  init (self);
  if (self->client != NULL)
    {
      done = self->runs->len == 0 ||
             send_items (self, (Item **) self->runs->pdata, self->runs->len, error);
      if (done)
        drop_lone_feedback (self);
      done = done && send_feedback (self, error);
    }
  g_ptr_array_set_size (self->runs, 0);
  g_ptr_array_set_size (self->feedback, 0);
  self->n_bytes = 0;
  return done;
}

/* --- what is sent of a run --- */

/* Returns: (transfer none) (nullable) */
static const char *
get_project_name (Forwarder *self, gint64 seq, GError **error)
{
  const char *name;
  g_autoptr (Project) project = NULL;

  if (self->project != NULL)
    return self->project;
  name = g_hash_table_lookup (self->names, &seq);
  if (name != NULL)
    return name;
  project = project_load_seq (self->store, seq, error);
  if (project == NULL)
    return NULL;
  g_hash_table_insert (self->names, g_memdup2 (&seq, sizeof seq), g_strdup (project->name));
  return g_hash_table_lookup (self->names, &seq);
}

static gint64
make_digest (const LsobsBuffer *text)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 bytes[32];
  gsize len = sizeof bytes;
  gint64 digest;

  g_checksum_update (checksum, (const guchar *) text->data, (gssize) text->len);
  g_checksum_get_digest (checksum, bytes, &len);
  memcpy (&digest, bytes, sizeof digest);
  return digest;
}

/* Adds the attachments of a run that have come after @time. One that cannot be sent is told, and left out.
 * @attachments: (out) (nullable): NULL if there are none */
static gboolean
load_attachments (Forwarder *self,
                  const Run *run,
                  gint64 time,
                  LsobsRunEvent **attachments,
                  guint *n_attachments,
                  GError **error)
{
  g_autoptr (GPtrArray) list = attachment_list (self->store, &run->id, error);
  char id[LSOBS_UUID_LEN + 1] = "";

  *n_attachments = 0;
  _lsobs_id_write (&run->id, id);
  for (guint i = 0; list != NULL && i < list->len; i++)
    {
      const Attachment *attachment = g_ptr_array_index (list, i);
      g_autoptr (GBytes) data = NULL;
      g_autoptr (GError) problem = NULL;

      if (attachment->received <= time)
        continue;
      if (!find_attachment (self, &run->id, attachment->name, &data, error))
        return FALSE;
      if (data == NULL)
        continue;
      if (*attachments == NULL)
        *attachments = lsobs_run_event_new_update (id, NULL, NULL);
      if (lsobs_run_event_add_attachment (*attachments, attachment->name, attachment->type, data,
                                          &problem))
        ++*n_attachments;
      else
        refuse_item (self, &run->id, run->name, problem->message);
    }
  return list != NULL;
}

/* Makes a batch of a record, and adds it to those that wait.
 * @text: is emptied */
static void
add_item (Forwarder *self, GPtrArray *list, Item *new_item, LsobsBuffer *text)
{
  g_autoptr (Item) item = new_item;
  g_autoptr (GError) problem = NULL;

  if (self->client == NULL)
    {
      count_item (self, item);
      return;
    }
  item->text = _lsobs_buffer_steal_bytes (text);
  item->batch = lsobs_batch_new_from_json (item->kind, item->text, item->attachments, &problem);
  if (item->batch == NULL)
    {
      refuse_item (self, &item->id, item->name, problem->message);
      return;
    }
  self->n_bytes += lsobs_batch_get_n_bytes (item->batch);
  g_ptr_array_add (list, g_steal_pointer (&item));
}

/* The run may have been sent as it is: then only the mark is brought up to date.
 * @mark: what is remembered */
static gboolean
keep_mark (Forwarder *self, const Run *run, const SentMark *mark, GError **error)
{
  SentMark kept = { run->change, mark->time, mark->digest };

  self->count.n_known++;
  if (self->client == NULL || mark->change == run->change)
    return TRUE;
  return write_mark (self, &run->id, &kept, error);
}

/* Whether an attachment of a run has come after @time. */
static gboolean
has_new_attachment (Forwarder *self,
                    const LsobsId *id,
                    gint64 time,
                    gint64 *received,
                    GError **error)
{
  *received = 0;
  return database_query_int (store_get_database (self->store), received, 0, error,
                             "SELECT max(received) FROM attachments WHERE run_id = ?"
                             " AND received > ?",
                             "ui", id, time);
}

static gboolean
take_changed_run (Forwarder *self,
                  const LsobsId *id,
                  const SentMark *mark,
                  gboolean was_sent,
                  gboolean new_attachment,
                  GError **error)
{
  g_autoptr (Run) run = run_load (self->store, id, TRUE, error);
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  const char *project = run != NULL ? get_project_name (self, run->project, error) : NULL;
  g_autoptr (Item) item = g_new0 (Item, 1);

  if (project == NULL)
    return FALSE;
  record_text_put_run (&text, run, project, &self->mask);
  item->mark = (SentMark){ run->change, g_get_real_time (), make_digest (&text) };
  if (was_sent && !self->again && !new_attachment && item->mark.digest == mark->digest)
    return keep_mark (self, run, mark, error);
  item->id = item->run_id = *id;
  item->name = g_strdup (run->name);
  /* A service that has had the start of a run takes the rest as an update. */
  item->kind = (was_sent && !self->again) || !run->created ? LSOBS_RUN_EVENT_KIND_UPDATE
                                                           : LSOBS_RUN_EVENT_KIND_START;
  item->attachments_after = was_sent && !self->again ? mark->time : 0;
  if (!load_attachments (self, run, item->attachments_after, &item->attachments,
                         &item->n_attachments, error))
    return FALSE;
  add_item (self, self->runs, g_steal_pointer (&item), &text);
  return TRUE;
}

static gboolean
take_feedback (Forwarder *self, const Run *run, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  g_autoptr (GPtrArray) list = NULL;

  g_array_append_val (ids, run->id);
  list = feedback_list (self->store, ids, NULL, -1, 0, error);
  for (guint i = list != NULL ? list->len : 0; i > 0; i--)
    {
      const Feedback *feedback = g_ptr_array_index (list, i - 1);
      g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
      SentMark mark = { 0 };
      gboolean found = FALSE;
      Item *item;

      if (self->target != 0 &&
          !sent_load (self->store, self->target, &feedback->id, &mark, &found, error))
        return FALSE;
      record_text_put_feedback (&text, feedback, &run->trace_id);
      if (found && !self->again && mark.digest == make_digest (&text))
        continue;
      item = g_new0 (Item, 1);
      item->id = feedback->id;
      item->run_id = run->id;
      item->kind = LSOBS_RUN_EVENT_KIND_FEEDBACK;
      item->name = g_strdup (feedback->key);
      item->mark = (SentMark){ feedback->modified, g_get_real_time (), make_digest (&text) };
      add_item (self, self->feedback, item, &text);
    }
  return list != NULL;
}

/* Returns: FALSE with an error; TRUE with NULL in @run if it was deleted meanwhile */
static gboolean
find_run (Forwarder *self, const LsobsId *id, Run **run, GError **error)
{
  g_autoptr (GError) problem = NULL;

  *run = run_load (self->store, id, FALSE, &problem);
  if (*run != NULL || g_error_matches (problem, STORE_ERROR, STORE_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

gboolean
forwarder_take_run (Forwarder *self, const LsobsId *id, GError **error)
{
  g_autoptr (Run) run = NULL;
  SentMark mark = { 0 };
  gboolean found = FALSE;
  gint64 received = 0;
  gint64 n_feedback = 0;
  guint max_records = MAX_RECORDS;
  gsize max_bytes = MAX_BYTES;

  init (self);
  if (!find_run (self, id, &run, error))
    return FALSE;
  if (run == NULL)
    return TRUE;
  if ((self->target != 0 && !sent_load (self->store, self->target, id, &mark, &found, error)) ||
      (found && !has_new_attachment (self, id, mark.time, &received, error)))
    return FALSE;
  self->count.n_seen++;
  if (found && !self->again && mark.change == run->change && received == 0)
    self->count.n_known++;
  else if (!take_changed_run (self, id, &mark, found, received != 0, error))
    return FALSE;
  if (!database_query_int (store_get_database (self->store), &n_feedback, 0, error,
                           "SELECT count(*) FROM feedback WHERE run_id = ?", "u", id) ||
      (n_feedback > 0 && !take_feedback (self, run, error)))
    return FALSE;
  if (self->client != NULL)
    {
      max_records =
          MIN (max_records, lsobs_transport_get_max_records (LSOBS_TRANSPORT (self->client)));
      max_bytes = MIN (max_bytes, lsobs_transport_get_max_bytes (LSOBS_TRANSPORT (self->client)));
    }
  return (self->runs->len < max_records && self->feedback->len < MAX_RECORDS &&
          self->n_bytes < max_bytes) ||
         forwarder_flush (self, error);
}
