/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/store/project.h"
#include "tools/store/run-query.h"
#include "tools/transfer/choice.h"

/* Rows that are read at once. */
#define PAGE 500

ChoiceOptions choice_options = { 0 };

const GOptionEntry choice_entries[] = {
  { "limit", 'n', 0, G_OPTION_ARG_INT, &choice_options.limit,
    N_ ("Only this number of the newest traces [all]"), N_ ("NUMBER") },
  { "project", 'p', 0, G_OPTION_ARG_STRING, &choice_options.project,
    N_ ("Only traces of this project"), N_ ("NAME") },
  { "errors", 'e', 0, G_OPTION_ARG_NONE, &choice_options.only_errors,
    N_ ("Only traces whose root run has failed"), NULL },
  { "search", 's', 0, G_OPTION_ARG_STRING, &choice_options.words,
    N_ ("Only traces with these words"), N_ ("WORDS") },
  { "filter", 'f', 0, G_OPTION_ARG_STRING, &choice_options.filter,
    N_ ("Only traces that match a LangSmith filter, such as 'gt(latency, \"2s\")'"),
    N_ ("FILTER") },
  { "since", 0, 0, G_OPTION_ARG_STRING, &choice_options.since,
    N_ ("Only traces that started after this time, or less than 12h or 30d ago"), N_ ("TIME") },
  { NULL },
};

struct _Choice
{
  Store *store; /* (unowned) */
  ChoiceOptions options;
  gint64 project;     /* seq, or 0 */
  GArray *projects;   /* (owned) (nullable) the same for a query */
  gint64 since;       /* µs, or TIME_NONE */
  gboolean by_traces; /* FALSE: all runs, or those of a project, in the order in which they came */

  GArray *ids; /* (owned) (element-type LsobsId): runs that were found */
  guint next;  /* index of the next one */
  gboolean at_end;

  gint64 seq;      /* of all runs: the last one that was found */
  gint64 last_seq; /* ... and the last one that there is */

  GArray *traces;   /* (owned) (element-type LsobsId): that were found */
  guint next_trace; /* index of the next one */
  gboolean fixed;   /* the traces were given: no more are looked for */
  char *cursor;     /* (owned) (nullable) where more are found */
  guint n_traces;   /* that were found */
};

void
choice_free (Choice *self)
{
  g_clear_pointer (&self->projects, g_array_unref);
  g_array_unref (self->ids);
  g_array_unref (self->traces);
  g_free (self->cursor);
  g_free (self);
}

static gboolean
read_since (const char *text, gint64 *since, GError **error)
{
  gint64 duration;

  *since = TIME_NONE;
  if (text == NULL || time_text_parse (text, strlen (text), since))
    return TRUE;
  if (time_text_parse_duration (text, &duration))
    {
      *since = MAX (g_get_real_time () - duration, 0);
      return TRUE;
    }
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID,
               /* TRANSLATORS: %s: what the user has written */
               _ ("“%s” is not a time: write it as 2026-03-01T09:30, 12h or 30d"), text);
  return FALSE;
}

Choice *
choice_new (Store *store, const ChoiceOptions *options, GArray *traces, GError **error)
{
  g_autoptr (Choice) self = g_new0 (Choice, 1);

  self->store = store;
  self->options = *options;
  self->ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  self->fixed = traces != NULL && traces->len > 0;
  self->traces = self->fixed ? g_array_ref (traces) : g_array_new (FALSE, FALSE, sizeof (LsobsId));
  if (options->limit < 0)
    {
      g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID,
                           _ ("A limit is a number of traces, or 0 for all"));
      return NULL;
    }
  if (!read_since (options->since, &self->since, error))
    return NULL;
  if (options->project != NULL)
    {
      g_autoptr (Project) project = project_load_name (store, options->project, error);

      if (project == NULL)
        return NULL;
      self->project = project->seq;
      self->projects = g_array_new (FALSE, FALSE, sizeof (gint64));
      g_array_append_val (self->projects, project->seq);
    }
  self->by_traces = self->fixed || options->limit > 0 || options->only_errors ||
                    options->words != NULL || options->filter != NULL || self->since != TIME_NONE;
  if (!database_query_int (store_get_database (store), &self->last_seq, 0, error,
                           "SELECT max(seq) FROM runs", ""))
    return NULL;
  return g_steal_pointer (&self);
}

gboolean
choice_is_all (Choice *self)
{
  return !self->by_traces && self->project == 0;
}

gint64
choice_get_project (Choice *self)
{
  return self->by_traces ? 0 : self->project;
}

gboolean
choice_count (Choice *self, gint64 *n, GError **error)
{
  *n = -1;
  if (self->by_traces)
    return TRUE;
  return database_query_int (store_get_database (self->store), n, 0, error,
                             "SELECT count(*) FROM runs WHERE ?1 = 0 OR project = ?1", "i",
                             self->project);
}

/* --- steps --- */

/* Reads ids of runs. @statement: bound; the first column is the seq, the second one the id */
static gboolean
read_ids (Choice *self, sqlite3_stmt *statement, GError **error)
{
  Database *database = store_get_database (self->store);
  LsobsId id;
  int result;

  g_array_set_size (self->ids, 0);
  self->next = 0;
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    if (database_column_id (statement, 1, &id))
      {
        self->seq = sqlite3_column_int64 (statement, 0);
        g_array_append_val (self->ids, id);
      }
  sqlite3_reset (statement);
  return result == SQLITE_DONE;
}

static gboolean
find_more_runs (Choice *self, GError **error)
{
  sqlite3_stmt *statement = database_get (store_get_database (self->store),
                                          "SELECT seq, id FROM runs WHERE seq > ?1 AND seq <= ?2"
                                          " AND (?3 = 0 OR project = ?3) ORDER BY seq LIMIT ?4",
                                          error);

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "iiii", self->seq, self->last_seq, self->project, (gint64) PAGE);
  if (!read_ids (self, statement, error))
    return FALSE;
  self->at_end = self->ids->len < PAGE;
  return TRUE;
}

/* Finds the next traces, the newest first. */
static gboolean
find_more_traces (Choice *self, GError **error)
{
  RunQuery query = RUN_QUERY_INIT;
  g_autoptr (GPtrArray) runs = NULL;
  g_autofree char *cursor = g_steal_pointer (&self->cursor);

  query.projects = self->projects;
  query.is_root = RUN_YES;
  query.has_error = self->options.only_errors ? RUN_YES : RUN_ANY;
  query.words = self->options.words;
  query.filter = self->options.filter;
  query.start_time = self->since;
  query.limit = PAGE;
  if (self->options.limit > 0)
    query.limit = MIN (query.limit, (guint) self->options.limit - self->n_traces);
  query.cursor = cursor;
  runs = run_query (self->store, &query, &self->cursor, error);
  if (runs == NULL)
    return FALSE;
  g_array_set_size (self->traces, 0);
  self->next_trace = 0;
  for (guint i = 0; i < runs->len; i++)
    g_array_append_val (self->traces, ((const Run *) g_ptr_array_index (runs, i))->trace_id);
  self->n_traces += runs->len;
  self->fixed = self->cursor == NULL ||
                (self->options.limit > 0 && self->n_traces >= (guint) self->options.limit);
  return TRUE;
}

/* Finds the runs of the next trace. */
static gboolean
find_next_trace (Choice *self, GError **error)
{
  sqlite3_stmt *statement;

  if (self->next_trace == self->traces->len && !self->fixed && !find_more_traces (self, error))
    return FALSE;
  if (self->next_trace == self->traces->len)
    {
      self->at_end = self->fixed;
      return TRUE;
    }
  statement =
      database_get (store_get_database (self->store),
                    "SELECT seq, id FROM runs WHERE trace_id = ? ORDER BY dotted_order, seq",
                    error);
  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "u", &g_array_index (self->traces, LsobsId, self->next_trace++));
  return read_ids (self, statement, error);
}

gboolean
choice_next (Choice *self, LsobsId *id, gboolean *done, GError **error)
{
  while (self->next == self->ids->len && !self->at_end)
    if (self->by_traces ? !find_next_trace (self, error) : !find_more_runs (self, error))
      return FALSE;
  *done = self->next == self->ids->len;
  if (!*done)
    *id = g_array_index (self->ids, LsobsId, self->next++);
  return TRUE;
}
