/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "lsobs/text/lsobs-json-merge-private.h"

#include "tools/store/preview.h"
#include "tools/store/project.h"
#include "tools/store/run-facts.h"
#include "tools/store/run.h"
#include "tools/store/search-text.h"

/* tree_… of a run is the sum of its own and of tree_… of the runs right below it, as far as they have
 * come. A run that changes adds the difference to its parent, which adds it to its own, and so on up to
 * a run that has not come. When that one comes, it finds the runs below it by their parent. */

/* A change of a run reaches this many runs above it at most. No trace is so deep. */
#define MAX_DEPTH 2000

const char *
run_status_get_name (RunStatus status)
{
  static const char *const names[] = { "pending", "success", "error" };

  return names[status];
}

void
run_free (Run *self)
{
  g_free (self->run_type);
  g_free (self->name);
  g_free (self->thread);
  g_free (self->tags);
  g_free (self->dotted_order);
  g_free (self->error);
  g_free (self->reference_example);
  g_free (self->inputs);
  g_free (self->outputs);
  g_free (self->extra);
  g_free (self->events);
  g_free (self->serialized);
  g_free (self);
}

/* --- reading --- */

static gint64
get_time (sqlite3_stmt *statement, int column)
{
  return sqlite3_column_type (statement, column) == SQLITE_NULL
             ? TIME_NONE
             : sqlite3_column_int64 (statement, column);
}

static void
get_usage (sqlite3_stmt *statement, int column, RunUsage *usage)
{
  usage->prompt_tokens = sqlite3_column_int64 (statement, column);
  usage->completion_tokens = sqlite3_column_int64 (statement, column + 1);
  usage->total_tokens = sqlite3_column_int64 (statement, column + 2);
  usage->prompt_cost = sqlite3_column_double (statement, column + 3);
  usage->completion_cost = sqlite3_column_double (statement, column + 4);
  usage->total_cost = sqlite3_column_double (statement, column + 5);
}

Run *
run_read_row (sqlite3_stmt *statement, gboolean whole)
{
  Run *self = g_new0 (Run, 1);

  self->seq = sqlite3_column_int64 (statement, 0);
  database_column_id (statement, 1, &self->id);
  database_column_id (statement, 2, &self->trace_id);
  self->has_parent = database_column_id (statement, 3, &self->parent_id);
  self->project = sqlite3_column_int64 (statement, 4);
  self->change = sqlite3_column_int64 (statement, 5);
  self->received = sqlite3_column_int64 (statement, 6);
  self->created = sqlite3_column_int (statement, 7) != 0;
  self->status = (RunStatus) CLAMP (sqlite3_column_int (statement, 8), RUN_PENDING, RUN_ERROR);
  self->run_type = database_column_text (statement, 9);
  self->name = database_column_text (statement, 10);
  self->start_time = sqlite3_column_int64 (statement, 11);
  self->end_time = get_time (statement, 12);
  self->first_token_time = get_time (statement, 13);
  get_usage (statement, 14, &self->usage);
  self->tree_first_token_time = get_time (statement, 20);
  get_usage (statement, 21, &self->tree_usage);
  self->thread = database_column_text (statement, 27);
  self->tags = database_column_text (statement, 28);
  self->dotted_order = database_column_text (statement, 29);
  if (!whole)
    return self;
  self->error = database_column_text (statement, 30);
  self->reference_example = database_column_text (statement, 31);
  self->inputs = database_column_text (statement, 32);
  self->outputs = database_column_text (statement, 33);
  self->extra = database_column_text (statement, 34);
  self->events = database_column_text (statement, 35);
  self->serialized = database_column_text (statement, 36);
  return self;
}

/* Returns: FALSE with an error; TRUE with NULL in @run if it is missing */
static gboolean
find_run (Store *store, const LsobsId *id, gboolean whole, Run **run, GError **error)
{
  static const char narrow_sql[] = "SELECT " RUN_COLUMNS " FROM runs AS r WHERE r.id = ?";
  static const char whole_sql[] =
      "SELECT " RUN_COLUMNS ", " RUN_PAYLOAD_COLUMNS
      " FROM runs AS r LEFT JOIN payloads AS p ON p.seq = r.seq WHERE r.id = ?";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, whole ? whole_sql : narrow_sql, error);
  int result;

  *run = NULL;
  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "u", id);
  result = database_step (database, statement, error);
  if (result == SQLITE_ROW)
    *run = run_read_row (statement, whole);
  sqlite3_reset (statement);
  return result == SQLITE_ROW || result == SQLITE_DONE;
}

Run *
run_load (Store *store, const LsobsId *id, gboolean whole, GError **error)
{
  Run *run;
  char text[LSOBS_UUID_LEN + 1] = "";

  if (!find_run (store, id, whole, &run, error) || run != NULL)
    return run;
  _lsobs_id_write (id, text);
  /* TRANSLATORS: %s: the id of a run */
  g_set_error (error, STORE_ERROR, STORE_ERROR_NOT_FOUND, _ ("There is no run “%s”"), text);
  return NULL;
}

/* --- what a change makes of a run --- */

static gboolean
is_hollow (const char *json)
{
  return json == NULL || *json == '\0' || strcmp (json, "{}") == 0 || strcmp (json, "[]") == 0;
}

/* @replaces: whether the new value goes before the one that is known */
static void
take_text (char **field, const char *value, gboolean replaces)
{
  if (value == NULL || (!is_hollow (*field) && (!replaces || is_hollow (value))))
    return;
  g_free (*field);
  *field = g_strdup (value);
}

static void
merge_extra (char **field, const char *value, gboolean replaces)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  const char *base = replaces ? *field : value;
  const char *over = replaces ? value : *field;

  if (is_hollow (*field) || is_hollow (value))
    {
      take_text (field, value, replaces);
      return;
    }
  _lsobs_json_merge (&out, base, strlen (base), over, strlen (over));
  g_free (*field);
  *field = g_strndup (out.data, out.len);
}

/* Sets the name of the run, and its place in the trace. Until the create comes, they are derived
 * from the updates. After it, they stay. */
static gboolean
take_identity (Store *store, Run *run, const Change *change, gboolean is_new, GError **error)
{
  gboolean creates = change->kind == CHANGE_CREATE && !run->created;

  if (change->has_trace && (creates || is_new || !run->created))
    run->trace_id = change->trace_id;
  if (change->has_parent && (creates || is_new || !run->created))
    {
      run->has_parent = TRUE;
      run->parent_id = change->parent_id;
    }
  if (change->dotted_order != NULL && !run->created)
    {
      g_free (run->dotted_order);
      run->dotted_order = g_strdup (change->dotted_order);
    }
  if (change->start_time != TIME_NONE && !run->created)
    run->start_time = change->start_time;
  if (change->run_type != NULL && !run->created)
    {
      g_free (run->run_type);
      run->run_type = g_strdup (change->run_type);
    }
  take_text (&run->name, change->name, !run->created || change->kind == CHANGE_UPDATE);
  if ((change->project != NULL || change->project_id != NULL || is_new) && !run->created)
    return project_ensure (store, change->project, change->project_id, &run->project, error);
  return TRUE;
}

static void
take_values (Run *run, const Change *change)
{
  gboolean replaces = change->kind == CHANGE_UPDATE;

  if (change->end_time != TIME_NONE && (replaces || run->end_time == TIME_NONE))
    run->end_time = change->end_time;
  take_text (&run->error, change->error, replaces);
  take_text (&run->reference_example, change->reference_example, replaces);
  take_text (&run->tags, change->tags, replaces);
  take_text (&run->inputs, change->inputs, replaces);
  take_text (&run->outputs, change->outputs, replaces);
  take_text (&run->events, change->events, replaces);
  take_text (&run->serialized, change->serialized, replaces);
  merge_extra (&run->extra, change->extra, replaces);
}

/* A run about which little is known. Its id may say when it began. */
static Run *
new_run (const Change *change)
{
  Run *run = g_new0 (Run, 1);
  gint64 ms;

  run->received = g_get_real_time ();
  run->id = change->id;
  run->trace_id = change->has_parent ? change->parent_id : change->id;
  run->run_type = g_strdup ("chain");
  run->name = g_strdup ("");
  run->end_time = run->first_token_time = run->tree_first_token_time = TIME_NONE;
  run->start_time = _lsobs_id_get_time (&run->id, &ms) ? ms * 1000 : run->received;
  return run;
}

/* A run without trace and dotted order is below its parent, which should be known. */
static gboolean
complete_identity (Store *store, Run *run, const Change *change, GError **error)
{
  char segment_text[LSOBS_SEGMENT_LEN + 1] = "";
  LsobsSegment segment = { run->start_time, run->id };
  Run *parent = NULL;

  if (run->dotted_order != NULL)
    return TRUE;
  _lsobs_segment_write (&segment, segment_text);
  if (run->has_parent && !find_run (store, &run->parent_id, FALSE, &parent, error))
    return FALSE;
  if (parent != NULL && !change->has_trace)
    run->trace_id = parent->trace_id;
  run->dotted_order = parent != NULL ? g_strconcat (parent->dotted_order, ".", segment_text, NULL)
                                     : g_strdup (segment_text);
  g_clear_pointer (&parent, run_free);
  return TRUE;
}

/* --- sums --- */

static gboolean
usage_is_zero (const RunUsage *usage)
{
  static const RunUsage zero = { 0 };

  return usage->prompt_tokens == 0 && usage->completion_tokens == 0 && usage->total_tokens == 0 &&
         usage->prompt_cost == zero.prompt_cost && usage->completion_cost == zero.completion_cost &&
         usage->total_cost == zero.total_cost;
}

static void
usage_add (RunUsage *sum, const RunUsage *usage, int sign)
{
  sum->prompt_tokens += sign * usage->prompt_tokens;
  sum->completion_tokens += sign * usage->completion_tokens;
  sum->total_tokens += sign * usage->total_tokens;
  sum->prompt_cost += sign * usage->prompt_cost;
  sum->completion_cost += sign * usage->completion_cost;
  sum->total_cost += sign * usage->total_cost;
}

static gint64
earlier (gint64 a, gint64 b)
{
  return a == TIME_NONE ? b : b == TIME_NONE ? a : MIN (a, b);
}

/* Adds what the runs right below @run have. */
static gboolean
add_children (Store *store, Run *run, GError **error)
{
  static const char sql[] =
      "SELECT sum (tree_prompt_tokens), sum (tree_completion_tokens), sum (tree_total_tokens),"
      " total (tree_prompt_cost), total (tree_completion_cost), total (tree_total_cost),"
      " min (tree_first_token_time) FROM runs WHERE parent_id = ?";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, sql, error);
  RunUsage below;
  int result;

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "u", &run->id);
  result = database_step (database, statement, error);
  if (result == SQLITE_ROW)
    {
      get_usage (statement, 0, &below);
      usage_add (&run->tree_usage, &below, 1);
      run->tree_first_token_time = earlier (run->tree_first_token_time, get_time (statement, 6));
    }
  sqlite3_reset (statement);
  return result == SQLITE_ROW;
}

/* Adds to all runs above. */
static gboolean
tell_parents (Store *store,
              const LsobsId *parent,
              const RunUsage *usage,
              gint64 first_token_time,
              GError **error)
{
  static const char sql[] =
      "UPDATE runs SET tree_prompt_tokens = tree_prompt_tokens + ?2,"
      " tree_completion_tokens = tree_completion_tokens + ?3,"
      " tree_total_tokens = tree_total_tokens + ?4,"
      " tree_prompt_cost = tree_prompt_cost + ?5,"
      " tree_completion_cost = tree_completion_cost + ?6,"
      " tree_total_cost = tree_total_cost + ?7,"
      " tree_first_token_time = coalesce (min (tree_first_token_time, ?8), tree_first_token_time, ?8),"
      " change = ?9 WHERE id = ?1 RETURNING parent_id";
  Database *database = store_get_database (store);
  LsobsId at = *parent;
  gboolean goes_on = TRUE;

  if (usage_is_zero (usage) && first_token_time == TIME_NONE)
    return TRUE;
  for (guint i = 0; i < MAX_DEPTH && goes_on; i++)
    {
      sqlite3_stmt *statement = database_get (database, sql, error);
      LsobsId next;
      int result;

      if (statement == NULL)
        return FALSE;
      database_bind (statement, 1, first_token_time == TIME_NONE ? "uiiidddn" : "uiiidddi", &at,
                     usage->prompt_tokens, usage->completion_tokens, usage->total_tokens,
                     usage->prompt_cost, usage->completion_cost, usage->total_cost,
                     first_token_time);
      database_bind (statement, 9, "i", store_take_change (store));
      result = database_step (database, statement, error);
      goes_on = result == SQLITE_ROW && database_column_id (statement, 0, &next);
      /* A statement that returns rows has done its work only when it is at its end. */
      if (result == SQLITE_ROW)
        result = database_step (database, statement, error);
      sqlite3_reset (statement);
      if (result != SQLITE_DONE)
        return FALSE;
      if (goes_on)
        at = next;
    }
  return TRUE;
}

/* @before: (nullable): the run before the change */
static gboolean
update_sums (Store *store, const Run *before, Run *run, GError **error)
{
  gboolean moved = before != NULL && before->has_parent &&
                   !(run->has_parent && _lsobs_id_equal (&before->parent_id, &run->parent_id));
  RunUsage more;
  gint64 first;

  if (before == NULL)
    {
      run->tree_usage = run->usage;
      run->tree_first_token_time = run->first_token_time;
      if (!add_children (store, run, error))
        return FALSE;
    }
  else
    {
      run->tree_usage = before->tree_usage;
      usage_add (&run->tree_usage, &before->usage, -1);
      usage_add (&run->tree_usage, &run->usage, 1);
      run->tree_first_token_time = earlier (before->tree_first_token_time, run->first_token_time);
    }
  more = run->tree_usage;
  first = run->tree_first_token_time;
  if (moved)
    {
      RunUsage less = { 0 };

      usage_add (&less, &before->tree_usage, -1);
      if (!tell_parents (store, &before->parent_id, &less, TIME_NONE, error))
        return FALSE;
    }
  else if (before != NULL && before->has_parent)
    {
      usage_add (&more, &before->tree_usage, -1);
      if (first == before->tree_first_token_time)
        first = TIME_NONE;
    }
  return !run->has_parent || tell_parents (store, &run->parent_id, &more, first, error);
}

/* --- writing --- */

static SearchText
get_search_text (const Run *run)
{
  const SearchText text = {
    run->name, run->inputs, run->outputs, run->error, run->extra, run->tags
  };

  return text;
}

static int
bind_time (sqlite3_stmt *statement, int at, gint64 time)
{
  return database_bind (statement, at, time == TIME_NONE ? "n" : "i", time);
}

static int
bind_usage (sqlite3_stmt *statement, int at, const RunUsage *usage)
{
  return database_bind (statement, at, "iiiddd", usage->prompt_tokens, usage->completion_tokens,
                        usage->total_tokens, usage->prompt_cost, usage->completion_cost,
                        usage->total_cost);
}

static gboolean
write_row (Store *store, Run *run, GError **error)
{
  static const char insert_sql[] =
      "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
      " ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)";
  static const char update_sql[] =
      "UPDATE runs SET trace_id = ?3, parent_id = ?4, project = ?5, change = ?6, created = ?8,"
      " status = ?9, run_type = ?10, name = ?11, start_time = ?12, end_time = ?13,"
      " first_token_time = ?14, prompt_tokens = ?15, completion_tokens = ?16, total_tokens = ?17,"
      " prompt_cost = ?18, completion_cost = ?19, total_cost = ?20, tree_first_token_time = ?21,"
      " tree_prompt_tokens = ?22, tree_completion_tokens = ?23, tree_total_tokens = ?24,"
      " tree_prompt_cost = ?25, tree_completion_cost = ?26, tree_total_cost = ?27, thread = ?28,"
      " tags = ?29, dotted_order = ?30 WHERE seq = ?1";
  Database *database = store_get_database (store);
  gboolean is_new = run->seq == 0;
  sqlite3_stmt *statement = database_get (database, is_new ? insert_sql : update_sql, error);
  int at;
  int result;

  if (statement == NULL)
    return FALSE;
  run->change = store_take_change (store);
  database_bind (statement, 1, is_new ? "n" : "i", run->seq);
  at = database_bind (statement, 2, "uuuiiiiissi", &run->id, &run->trace_id,
                      run->has_parent ? &run->parent_id : NULL, run->project, run->change,
                      run->received, (gint64) run->created, (gint64) run->status, run->run_type,
                      run->name, run->start_time);
  at = bind_time (statement, at, run->end_time);
  at = bind_time (statement, at, run->first_token_time);
  at = bind_usage (statement, at, &run->usage);
  at = bind_time (statement, at, run->tree_first_token_time);
  at = bind_usage (statement, at, &run->tree_usage);
  database_bind (statement, at, "sss", run->thread, run->tags, run->dotted_order);
  result = database_step (database, statement, error);
  sqlite3_reset (statement);
  if (is_new)
    run->seq = sqlite3_last_insert_rowid (database_get_handle (database));
  return result == SQLITE_DONE;
}

static gboolean
write_run (Store *store, const SearchText *old_text, Run *run, GError **error)
{
  Database *database = store_get_database (store);
  SearchText text = get_search_text (run);

  if (!write_row (store, run, error) ||
      !database_run (database, error,
                     "INSERT OR REPLACE INTO payloads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "isssssss",
                     run->seq, run->error, run->reference_example, run->inputs, run->outputs,
                     run->extra, run->events, run->serialized) ||
      !preview_write (database, run, error))
    return FALSE;
  if (old_text != NULL && search_text_equal (old_text, &text))
    return TRUE;
  return (old_text == NULL || search_text_remove (database, run->seq, old_text, error)) &&
         search_text_add (database, run->seq, &text, error);
}

gboolean
run_apply (Store *store, const Change *change, GError **error)
{
  g_autoptr (Run) before = NULL;
  g_autoptr (Run) run = NULL;
  SearchText old_text;

  if (!find_run (store, &change->id, TRUE, &before, error))
    return FALSE;
  if (before == NULL)
    run = new_run (change);
  /* Both the old and the new run are needed: the sums and the index change by their difference. */
  else if (!find_run (store, &change->id, TRUE, &run, error) || run == NULL)
    return FALSE;
  if (!take_identity (store, run, change, before == NULL, error) ||
      !complete_identity (store, run, change, error))
    return FALSE;
  take_values (run, change);
  run->created = run->created || change->kind == CHANGE_CREATE;
  run_facts_update (run, change->failed);
  if (before != NULL)
    old_text = get_search_text (before);
  return update_sums (store, before, run, error) &&
         write_run (store, before != NULL ? &old_text : NULL, run, error);
}
