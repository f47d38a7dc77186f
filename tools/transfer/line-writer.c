/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-merge-private.h"

#include "tools/store/attachment.h"
#include "tools/store/feedback.h"
#include "tools/store/json-put.h"
#include "tools/store/json-view.h"
#include "tools/terminal/plain-text.h"
#include "tools/transfer/line-writer.h"

struct _LineWriter
{
  Store *store;             /* (unowned) */
  OutputFile *output;       /* (unowned) */
  AttachmentFolder *folder; /* (unowned) (nullable) */
  GHashTable *projects;     /* (owned) (element-type gint64 Project): that were written, by seq */
  LineCount count;
};

LineWriter *
line_writer_new (Store *store, OutputFile *output, AttachmentFolder *folder)
{
  LineWriter *self = g_new0 (LineWriter, 1);

  self->store = store;
  self->output = output;
  self->folder = folder;
  self->projects = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
                                          (GDestroyNotify) (void (*) (void)) project_free);
  return self;
}

void
line_writer_free (LineWriter *self)
{
  g_hash_table_unref (self->projects);
  g_free (self);
}

const LineCount *
line_writer_get_count (LineWriter *self)
{
  return &self->count;
}

static void
begin_line (LsobsBuffer *out, const char *kind)
{
  json_put_begin (out, NULL, '{');
  json_put_text (out, "kind", kind);
}

static gboolean
end_line (LineWriter *self, LsobsBuffer *out, gint64 *count, GError **error)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  json_put_end (out, '}');
  plain_text_put_json (&text, out->data, out->len);
  _lsobs_buffer_append_c (&text, '\n');
  ++*count;
  return output_file_write (self->output, text.data, text.len, error);
}

/* --- projects --- */

/* @project: (transfer full) */
static gboolean
put_project (LineWriter *self, Project *project, GError **error)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  begin_line (&out, "project");
  json_put_id (&out, "id", &project->id);
  json_put_text (&out, "name", project->name);
  json_put_text (&out, "description", project->description);
  json_put_json (&out, "extra", project->extra);
  json_put_time (&out, "start_time", project->created);
  json_put_time (&out, "end_time", project->ended);
  g_hash_table_insert (self->projects, &project->seq, project);
  return end_line (self, &out, &self->count.n_projects, error);
}

/* Returns: (transfer none) (nullable) */
static Project *
ensure_project (LineWriter *self, gint64 seq, GError **error)
{
  Project *project = g_hash_table_lookup (self->projects, &seq);

  if (project != NULL)
    return project;
  project = project_load_seq (self->store, seq, error);
  return project != NULL && put_project (self, project, error) ? project : NULL;
}

gboolean
line_writer_put_projects (LineWriter *self, gint64 seq, GError **error)
{
  g_autoptr (GPtrArray) projects = NULL;

  if (seq != 0)
    return ensure_project (self, seq, error) != NULL;
  projects = project_list (self->store, NULL, PROJECT_BY_NAME, -1, 0, error);
  for (guint i = 0; projects != NULL && i < projects->len; i++)
    if (ensure_project (self, ((Project *) g_ptr_array_index (projects, i))->seq, error) == NULL)
      return FALSE;
  return projects != NULL;
}

/* --- feedback --- */

static gboolean
put_feedback (LineWriter *self, const Feedback *feedback, GError **error)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) times = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) merged = LSOBS_BUFFER_INIT;
  g_auto (JsonView) view;
  const char *at = NULL;
  JsonMember member;

  json_put_begin (&times, NULL, '{');
  json_put_time (&times, "created_at", feedback->created);
  json_put_time (&times, "modified_at", feedback->modified);
  json_put_end (&times, '}');
  _lsobs_json_merge (&merged, feedback->body, strlen (feedback->body), times.data, times.len);
  _lsobs_buffer_append_c (&merged, '\0');
  json_view_init (&view, merged.data, merged.len - 1);
  begin_line (&out, "feedback");
  while (json_view_next (&view, merged.data, &at, &member))
    {
      if (json_member_is (&member, "kind"))
        continue;
      /* As the view has it: the name is escaped. */
      _lsobs_buffer_append_str (&out, ",\"");
      _lsobs_buffer_append (&out, member.name, member.name_len);
      _lsobs_buffer_append_str (&out, "\":");
      _lsobs_buffer_append (&out, member.value, member.value_len);
    }
  return end_line (self, &out, &self->count.n_feedback, error);
}

/* The oldest first. @list: (element-type Feedback): the newest first */
static gboolean
put_feedback_list (LineWriter *self, GPtrArray *list, GError **error)
{
  for (guint i = list->len; i > 0; i--)
    if (!put_feedback (self, g_ptr_array_index (list, i - 1), error))
      return FALSE;
  return TRUE;
}

/* --- attachments --- */

static gboolean
put_attachment (LineWriter *self, const LsobsId *run_id, const char *name, GError **error)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_autofree char *type = NULL;
  g_autofree char *sum = NULL;
  g_autoptr (GBytes) data = attachment_load (self->store, run_id, name, &type, error);
  gsize len;
  const guchar *bytes;

  if (data == NULL)
    return FALSE;
  sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, data);
  bytes = g_bytes_get_data (data, &len);
  begin_line (&out, "attachment");
  json_put_id (&out, "run_id", run_id);
  json_put_text (&out, "name", name);
  json_put_text (&out, "mime_type", type);
  json_put_int (&out, "size", (gint64) len);
  json_put_text (&out, "sha256", sum);
  if (self->folder != NULL)
    {
      g_autofree char *file = attachment_folder_write (self->folder, run_id, name, data, error);

      if (file == NULL)
        return FALSE;
      json_put_text (&out, "file", file);
    }
  else
    {
      g_autofree char *text = g_base64_encode (bytes, len);

      json_put_text (&out, "data", text);
    }
  return end_line (self, &out, &self->count.n_attachments, error);
}

static gboolean
put_attachments (LineWriter *self, const LsobsId *run_id, GError **error)
{
  g_autoptr (GPtrArray) list = attachment_list (self->store, run_id, error);

  for (guint i = 0; list != NULL && i < list->len; i++)
    if (!put_attachment (self, run_id, ((Attachment *) g_ptr_array_index (list, i))->name, error))
      return FALSE;
  return list != NULL;
}

/* --- runs --- */

/* The path of a run whose parent was not known does not begin with its trace. It is left out, and made again
 * when the line is read. */
static gboolean
has_valid_path (const Run *run)
{
  LsobsSegment segment;

  return strlen (run->dotted_order) >= LSOBS_SEGMENT_LEN &&
         _lsobs_segment_parse (&segment, run->dotted_order) &&
         _lsobs_id_equal (&segment.id, &run->trace_id) &&
         run->has_parent == (strlen (run->dotted_order) > LSOBS_SEGMENT_LEN);
}

static gboolean
put_run (LineWriter *self, const Run *run, const Project *project, GError **error)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  begin_line (&out, "run");
  if (!run->created)
    json_put_boolean (&out, "update", TRUE);
  json_put_id (&out, "id", &run->id);
  json_put_text (&out, "name", run->name);
  json_put_text (&out, "run_type", run->run_type);
  json_put_text (&out, "status", run_status_get_name (run->status));
  json_put_time (&out, "start_time", run->start_time);
  json_put_time (&out, "end_time", run->end_time);
  json_put_id (&out, "trace_id", &run->trace_id);
  json_put_id (&out, "parent_run_id", run->has_parent ? &run->parent_id : NULL);
  json_put_text (&out, "dotted_order", has_valid_path (run) ? run->dotted_order : NULL);
  json_put_id (&out, "session_id", &project->id);
  json_put_text (&out, "session_name", project->name);
  json_put_json (&out, "tags", run->tags);
  json_put_text (&out, "error", run->error);
  json_put_json (&out, "inputs", run->inputs);
  json_put_json (&out, "outputs", run->outputs);
  json_put_json (&out, "extra", run->extra);
  json_put_json (&out, "events", run->events);
  json_put_json (&out, "serialized", run->serialized);
  json_put_text (&out, "reference_example_id", run->reference_example);
  json_put_time (&out, "first_token_time", run->tree_first_token_time);
  json_put_int (&out, "prompt_tokens", run->tree_usage.prompt_tokens);
  json_put_int (&out, "completion_tokens", run->tree_usage.completion_tokens);
  json_put_int (&out, "total_tokens", run->tree_usage.total_tokens);
  json_put_cost (&out, "prompt_cost", run->tree_usage.prompt_cost);
  json_put_cost (&out, "completion_cost", run->tree_usage.completion_cost);
  json_put_cost (&out, "total_cost", run->tree_usage.total_cost);
  return end_line (self, &out, &self->count.n_runs, error);
}

gboolean
line_writer_put_run (LineWriter *self, const LsobsId *id, GError **error)
{
  g_autoptr (Run) run = run_load (self->store, id, TRUE, error);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  g_autoptr (GPtrArray) feedback = NULL;
  Project *project = run != NULL ? ensure_project (self, run->project, error) : NULL;

  if (project == NULL || !put_run (self, run, project, error) || !put_attachments (self, id, error))
    return FALSE;
  g_array_append_val (ids, *id);
  feedback = feedback_list (self->store, ids, NULL, -1, 0, error);
  return feedback != NULL && put_feedback_list (self, feedback, error);
}

/* --- what has no run --- */

static gboolean
put_lone_feedback (LineWriter *self, GError **error)
{
  Database *database = store_get_database (self->store);
  gint64 seq = 0;

  for (;;)
    {
      sqlite3_stmt *statement = database_get (
          database,
          "SELECT id, seq FROM feedback AS f WHERE seq > ? AND (run_id IS NULL OR"
          " NOT EXISTS (SELECT 1 FROM runs WHERE id = f.run_id)) ORDER BY seq LIMIT 1",
          error);
      g_autoptr (Feedback) feedback = NULL;
      LsobsId id;
      int result;

      if (statement == NULL)
        return FALSE;
      database_bind (statement, 1, "i", seq);
      result = database_step (database, statement, error);
      if (result == SQLITE_ROW && database_column_id (statement, 0, &id))
        seq = sqlite3_column_int64 (statement, 1);
      sqlite3_reset (statement);
      if (result != SQLITE_ROW)
        return result == SQLITE_DONE;
      feedback = feedback_load (self->store, &id, error);
      if (feedback == NULL || !put_feedback (self, feedback, error))
        return FALSE;
    }
}

static gboolean
put_lone_attachments (LineWriter *self, GError **error)
{
  Database *database = store_get_database (self->store);
  gint64 row = 0;

  for (;;)
    {
      sqlite3_stmt *statement =
          database_get (database,
                        "SELECT run_id, name, rowid FROM attachments AS a WHERE rowid > ? AND"
                        " NOT EXISTS (SELECT 1 FROM runs WHERE id = a.run_id)"
                        " ORDER BY rowid LIMIT 1",
                        error);
      g_autofree char *name = NULL;
      LsobsId id;
      int result;

      if (statement == NULL)
        return FALSE;
      database_bind (statement, 1, "i", row);
      result = database_step (database, statement, error);
      if (result == SQLITE_ROW && database_column_id (statement, 0, &id))
        {
          name = database_column_text (statement, 1);
          row = sqlite3_column_int64 (statement, 2);
        }
      sqlite3_reset (statement);
      if (result != SQLITE_ROW)
        return result == SQLITE_DONE;
      if (!put_attachment (self, &id, name, error))
        return FALSE;
    }
}

gboolean
line_writer_put_orphans (LineWriter *self, GError **error)
{
  return put_lone_feedback (self, error) && put_lone_attachments (self, error);
}
