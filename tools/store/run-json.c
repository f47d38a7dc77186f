/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tools/store/attachment.h"
#include "tools/store/json-put.h"
#include "tools/store/project.h"
#include "tools/store/run-json.h"
#include "tools/store/statistics.h"

/* Bytes of the first line of inputs and outputs. */
#define MAX_PREVIEW 300

typedef struct
{
  LsobsBuffer *out;
  Store *store;
  const Run *run;
  GHashTable *projects;
  GError **error;
} Context;

/* --- members --- */

static gboolean
get_project (Context *self, LsobsId *id)
{
  LsobsId *known = g_hash_table_lookup (self->projects, &self->run->project);
  g_autoptr (Project) project = NULL;

  if (known == NULL)
    {
      project = project_load_seq (self->store, self->run->project, self->error);
      if (project == NULL)
        return FALSE;
      known = g_memdup2 (&project->id, sizeof project->id);
      g_hash_table_insert (self->projects, g_memdup2 (&project->seq, sizeof project->seq), known);
    }
  *id = *known;
  return TRUE;
}

static gboolean
put_session_id (Context *self, const char *name)
{
  LsobsId id;

  if (!get_project (self, &id))
    return FALSE;
  json_put_id (self->out, name, &id);
  return TRUE;
}

static gboolean
put_app_path (Context *self, const char *name)
{
  char project[LSOBS_UUID_LEN + 1] = "";
  char run[LSOBS_UUID_LEN + 1] = "";
  char trace[LSOBS_UUID_LEN + 1] = "";
  g_autofree char *path = NULL;
  LsobsId id;

  if (!get_project (self, &id))
    return FALSE;
  _lsobs_id_write (&id, project);
  _lsobs_id_write (&self->run->id, run);
  _lsobs_id_write (&self->run->trace_id, trace);
  path = g_strdup_printf ("/o/" RUN_JSON_TENANT "/projects/p/%s/r/%s?trace_id=%s", project, run,
                          trace);
  json_put_text (self->out, name, path);
  return TRUE;
}

/* The runs above, from the root on. */
static gboolean
put_parent_ids (Context *self, const char *name)
{
  const char *at = self->run->dotted_order;
  gsize len = strlen (at);

  json_put_begin (self->out, name, '[');
  for (; len > LSOBS_SEGMENT_LEN; len -= LSOBS_SEGMENT_LEN + 1, at += LSOBS_SEGMENT_LEN + 1)
    {
      json_put_name (self->out, NULL);
      _lsobs_buffer_append_c (self->out, '"');
      _lsobs_buffer_append (self->out, at + LSOBS_STAMP_LEN, LSOBS_UUID_LEN);
      _lsobs_buffer_append_c (self->out, '"');
    }
  json_put_end (self->out, ']');
  return TRUE;
}

static gboolean
put_child_ids (Context *self, const char *name)
{
  Database *database = store_get_database (self->store);
  sqlite3_stmt *statement =
      database_get (database, "SELECT id FROM runs WHERE parent_id = ? ORDER BY start_time, seq",
                    self->error);
  LsobsId id;
  int result;

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "u", &self->run->id);
  json_put_begin (self->out, name, '[');
  while ((result = database_step (database, statement, self->error)) == SQLITE_ROW)
    if (database_column_id (statement, 0, &id))
      json_put_id (self->out, NULL, &id);
  sqlite3_reset (statement);
  json_put_end (self->out, ']');
  return result == SQLITE_DONE;
}

static gboolean
put_feedback_stats (Context *self, const char *name)
{
  g_autoptr (GPtrArray) counts =
      statistics_load_feedback (self->store, &self->run->id, self->error);

  if (counts == NULL)
    return FALSE;
  json_put_begin (self->out, name, '{');
  for (guint i = 0; i < counts->len; i++)
    {
      const FeedbackCount *count = g_ptr_array_index (counts, i);

      json_put_begin (self->out, count->key, '{');
      json_put_int (self->out, "n", count->n);
      if (count->n_scored > 0)
        json_put_double (self->out, "avg", count->average);
      else
        json_put_json (self->out, "avg", NULL);
      json_put_end (self->out, '}');
    }
  json_put_end (self->out, '}');
  return TRUE;
}

/* Where the attachments are to be had. */
static gboolean
put_attachments (Context *self, const char *name)
{
  g_autoptr (GPtrArray) list = attachment_list (self->store, &self->run->id, self->error);
  char id[LSOBS_UUID_LEN + 1] = "";

  if (list == NULL)
    return FALSE;
  _lsobs_id_write (&self->run->id, id);
  json_put_begin (self->out, name, '{');
  for (guint i = 0; i < list->len; i++)
    {
      const Attachment *attachment = g_ptr_array_index (list, i);
      g_autofree char *escaped = g_uri_escape_string (attachment->name, NULL, FALSE);
      g_autofree char *path = g_strdup_printf ("/runs/%s/attachments/%s", id, escaped);
      g_autofree char *key = g_strconcat ("attachment.", attachment->name, NULL);

      json_put_begin (self->out, key, '{');
      json_put_text (self->out, "presigned_url", path);
      json_put_text (self->out, "s3_url", path);
      json_put_text (self->out, "mime_type", attachment->type);
      json_put_int (self->out, "size", attachment->size);
      json_put_end (self->out, '}');
    }
  json_put_end (self->out, '}');
  return TRUE;
}

static void
put_preview (Context *self, const char *name, const char *json)
{
  gsize len = json != NULL ? strlen (json) : 0;
  g_autofree char *text = NULL;

  if (json == NULL)
    {
      json_put_json (self->out, name, NULL);
      return;
    }
  len = MIN (len, MAX_PREVIEW);
  while (len > 0 && ((guchar) json[len] & 0xc0) == 0x80)
    len--;
  text = g_strndup (json, len);
  json_put_text (self->out, name, text);
}

typedef enum
{
  MEMBER_NULL,
  MEMBER_ID,
  MEMBER_TRACE_ID,
  MEMBER_PARENT_ID,
  MEMBER_SESSION_ID,
  MEMBER_NAME,
  MEMBER_RUN_TYPE,
  MEMBER_STATUS,
  MEMBER_START_TIME,
  MEMBER_END_TIME,
  MEMBER_FIRST_TOKEN_TIME,
  MEMBER_RECEIVED,
  MEMBER_DOTTED_ORDER,
  MEMBER_THREAD,
  MEMBER_TAGS,
  MEMBER_ERROR,
  MEMBER_INPUTS,
  MEMBER_OUTPUTS,
  MEMBER_INPUTS_PREVIEW,
  MEMBER_OUTPUTS_PREVIEW,
  MEMBER_EXTRA,
  MEMBER_EVENTS,
  MEMBER_SERIALIZED,
  MEMBER_EXAMPLE,
  MEMBER_PROMPT_TOKENS,
  MEMBER_COMPLETION_TOKENS,
  MEMBER_TOTAL_TOKENS,
  MEMBER_PROMPT_COST,
  MEMBER_COMPLETION_COST,
  MEMBER_TOTAL_COST,
  MEMBER_APP_PATH,
  MEMBER_PARENT_IDS,
  MEMBER_CHILD_IDS,
  MEMBER_FEEDBACK,
  MEMBER_ATTACHMENTS,
  MEMBER_FALSE
} Member;

/* The members of RunSchema, in the order in which they are written. What the store does not have is
 * null. */
static const struct
{
  const char *name;
  Member member;
  gboolean only_selected; /* not written unless it is asked for */
} members_table[] = {
  { "id", MEMBER_ID, FALSE },
  { "name", MEMBER_NAME, FALSE },
  { "run_type", MEMBER_RUN_TYPE, FALSE },
  { "status", MEMBER_STATUS, FALSE },
  { "start_time", MEMBER_START_TIME, FALSE },
  { "end_time", MEMBER_END_TIME, FALSE },
  { "trace_id", MEMBER_TRACE_ID, FALSE },
  { "parent_run_id", MEMBER_PARENT_ID, FALSE },
  { "parent_run_ids", MEMBER_PARENT_IDS, FALSE },
  { "dotted_order", MEMBER_DOTTED_ORDER, FALSE },
  { "session_id", MEMBER_SESSION_ID, FALSE },
  { "app_path", MEMBER_APP_PATH, FALSE },
  { "thread_id", MEMBER_THREAD, FALSE },
  { "tags", MEMBER_TAGS, FALSE },
  { "error", MEMBER_ERROR, FALSE },
  { "inputs", MEMBER_INPUTS, FALSE },
  { "outputs", MEMBER_OUTPUTS, FALSE },
  { "extra", MEMBER_EXTRA, FALSE },
  { "events", MEMBER_EVENTS, FALSE },
  { "serialized", MEMBER_SERIALIZED, FALSE },
  { "reference_example_id", MEMBER_EXAMPLE, FALSE },
  { "prompt_tokens", MEMBER_PROMPT_TOKENS, FALSE },
  { "completion_tokens", MEMBER_COMPLETION_TOKENS, FALSE },
  { "total_tokens", MEMBER_TOTAL_TOKENS, FALSE },
  { "prompt_cost", MEMBER_PROMPT_COST, FALSE },
  { "completion_cost", MEMBER_COMPLETION_COST, FALSE },
  { "total_cost", MEMBER_TOTAL_COST, FALSE },
  { "first_token_time", MEMBER_FIRST_TOKEN_TIME, FALSE },
  { "feedback_stats", MEMBER_FEEDBACK, FALSE },
  { "s3_urls", MEMBER_ATTACHMENTS, FALSE },
  { "trace_first_received_at", MEMBER_RECEIVED, FALSE },
  { "child_run_ids", MEMBER_CHILD_IDS, TRUE },
  { "direct_child_run_ids", MEMBER_CHILD_IDS, TRUE },
  { "inputs_preview", MEMBER_INPUTS_PREVIEW, TRUE },
  { "outputs_preview", MEMBER_OUTPUTS_PREVIEW, TRUE },
  { "inserted_at", MEMBER_RECEIVED, TRUE },
  { "last_queued_at", MEMBER_NULL, FALSE },
  { "in_dataset", MEMBER_FALSE, FALSE },
  { "share_token", MEMBER_NULL, FALSE },
  { "trace_tier", MEMBER_NULL, FALSE },
  { "trace_upgrade", MEMBER_FALSE, FALSE },
  { "ttl_seconds", MEMBER_NULL, FALSE },
  { "manifest", MEMBER_NULL, TRUE },
  { "manifest_id", MEMBER_NULL, FALSE },
  { "manifest_s3_id", MEMBER_NULL, FALSE },
  { "messages", MEMBER_NULL, TRUE },
  { "price_model_id", MEMBER_NULL, FALSE },
  { "reference_dataset_id", MEMBER_NULL, FALSE },
  { "prompt_token_details", MEMBER_NULL, FALSE },
  { "completion_token_details", MEMBER_NULL, FALSE },
  { "prompt_cost_details", MEMBER_NULL, FALSE },
  { "completion_cost_details", MEMBER_NULL, FALSE },
  { "inputs_s3_urls", MEMBER_NULL, TRUE },
  { "outputs_s3_urls", MEMBER_NULL, TRUE },
  { "inputs_or_signed_url", MEMBER_NULL, TRUE },
  { "outputs_or_signed_url", MEMBER_NULL, TRUE },
  { "error_or_signed_url", MEMBER_NULL, TRUE },
  { "events_or_signed_url", MEMBER_NULL, TRUE },
  { "extra_or_signed_url", MEMBER_NULL, TRUE },
  { "serialized_or_signed_url", MEMBER_NULL, TRUE },
  { "trace_min_max_start_time", MEMBER_NULL, TRUE },
};

/* Times, tokens and costs. */
static void
put_number (Context *self, const char *name, Member member)
{
  const Run *run = self->run;
  LsobsBuffer *out = self->out;

  switch ((int) member)
    {
    case MEMBER_START_TIME:
      json_put_time (out, name, run->start_time);
      return;
    case MEMBER_END_TIME:
      json_put_time (out, name, run->end_time);
      return;
    case MEMBER_FIRST_TOKEN_TIME:
      json_put_time (out, name, run->tree_first_token_time);
      return;
    case MEMBER_RECEIVED:
      json_put_time (out, name, run->received);
      return;
    case MEMBER_PROMPT_TOKENS:
      json_put_int (out, name, run->tree_usage.prompt_tokens);
      return;
    case MEMBER_COMPLETION_TOKENS:
      json_put_int (out, name, run->tree_usage.completion_tokens);
      return;
    case MEMBER_TOTAL_TOKENS:
      json_put_int (out, name, run->tree_usage.total_tokens);
      return;
    case MEMBER_PROMPT_COST:
      json_put_cost (out, name, run->tree_usage.prompt_cost);
      return;
    case MEMBER_COMPLETION_COST:
      json_put_cost (out, name, run->tree_usage.completion_cost);
      return;
    case MEMBER_TOTAL_COST:
      json_put_cost (out, name, run->tree_usage.total_cost);
      return;
    default:
      json_put_json (out, name, member == MEMBER_FALSE ? "false" : NULL);
      return;
    }
}

static gboolean
put_member (Context *self, const char *name, Member member)
{
  const Run *run = self->run;
  LsobsBuffer *out = self->out;

  switch ((int) member)
    {
    case MEMBER_ID:
      json_put_id (out, name, &run->id);
      return TRUE;
    case MEMBER_TRACE_ID:
      json_put_id (out, name, &run->trace_id);
      return TRUE;
    case MEMBER_PARENT_ID:
      json_put_id (out, name, run->has_parent ? &run->parent_id : NULL);
      return TRUE;
    case MEMBER_NAME:
      json_put_text (out, name, run->name);
      return TRUE;
    case MEMBER_RUN_TYPE:
      json_put_text (out, name, run->run_type);
      return TRUE;
    case MEMBER_STATUS:
      json_put_text (out, name, run_status_get_name (run->status));
      return TRUE;
    case MEMBER_DOTTED_ORDER:
      json_put_text (out, name, run->dotted_order);
      return TRUE;
    case MEMBER_THREAD:
      json_put_text (out, name, run->thread);
      return TRUE;
    case MEMBER_TAGS:
      json_put_json (out, name, run->tags != NULL ? run->tags : "[]");
      return TRUE;
    case MEMBER_ERROR:
      json_put_text (out, name, run->error);
      return TRUE;
    case MEMBER_INPUTS:
      json_put_json (out, name, run->inputs != NULL ? run->inputs : "{}");
      return TRUE;
    case MEMBER_OUTPUTS:
      json_put_json (out, name, run->outputs);
      return TRUE;
    case MEMBER_INPUTS_PREVIEW:
      put_preview (self, name, run->inputs);
      return TRUE;
    case MEMBER_OUTPUTS_PREVIEW:
      put_preview (self, name, run->outputs);
      return TRUE;
    case MEMBER_EXTRA:
      json_put_json (out, name, run->extra != NULL ? run->extra : "{}");
      return TRUE;
    case MEMBER_EVENTS:
      json_put_json (out, name, run->events != NULL ? run->events : "[]");
      return TRUE;
    case MEMBER_SERIALIZED:
      json_put_json (out, name, run->serialized);
      return TRUE;
    case MEMBER_EXAMPLE:
      json_put_text (out, name, run->reference_example);
      return TRUE;
    case MEMBER_SESSION_ID:
      return put_session_id (self, name);
    case MEMBER_APP_PATH:
      return put_app_path (self, name);
    case MEMBER_PARENT_IDS:
      return put_parent_ids (self, name);
    case MEMBER_CHILD_IDS:
      return put_child_ids (self, name);
    case MEMBER_FEEDBACK:
      return put_feedback_stats (self, name);
    case MEMBER_ATTACHMENTS:
      return put_attachments (self, name);
    default:
      put_number (self, name, member);
      return TRUE;
    }
}

/* --- the whole --- */

gboolean
run_json_has_member (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (members_table); i++)
    if (strcmp (members_table[i].name, name) == 0)
      return TRUE;
  return FALSE;
}

GHashTable *
run_json_new_projects (void)
{
  return g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
}

gboolean
run_json_put (LsobsBuffer *out,
              const char *name,
              Store *store,
              const Run *run,
              const char *const *members,
              GHashTable *projects,
              GError **error)
{
  Context self = { out, store, run, projects, error };

  json_put_begin (out, name, '{');
  for (guint i = 0; i < G_N_ELEMENTS (members_table); i++)
    {
      /* Clients need these to know what the run is. */
      gboolean is_needed = i < 1;
      const char *member = members_table[i].name;

      if (members != NULL ? is_needed || g_strv_contains (members, member)
                          : !members_table[i].only_selected)
        if (!put_member (&self, member, members_table[i].member))
          return FALSE;
    }
  json_put_end (out, '}');
  return TRUE;
}
