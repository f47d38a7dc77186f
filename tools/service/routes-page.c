/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the page asks, and LangSmith's API has not. Times are texts of ISO 8601 with µs, durations are seconds,
 * costs dollars; what is not known is null, or left out. CHANGE is a number that grows with each change; each
 * list says which one it has, and /page-data/live?change= tells what comes behind it (live-feed.h).
 *
 *   POST /page-data/traces   {project, filter, tree_filter, search, ids, order: "newest" | "errors",
 *                            cursor, limit}
 *     → {rows, cursor, n, n_more, change}. A row is {id, name, run_type, status, error, start_time, end_time,
 *     latency, first_token, tokens: {input, output, total}, cost, tags, thread, input, output, n_runs,
 *     feedback: {key: average}}; error, input and output are lines. The trace is that of the root id. n is on
 *     the first page only, and 10000 at most: n_more says whether there are more. search: words that one run of
 *     the trace has.
 *   POST /page-data/clear    {project, filter, tree_filter, search, ids} → {n_traces, n_runs}: deletes these traces
 *   POST /page-data/neighbours {project, filter, tree_filter, search, order, trace} → {previous, next}: the ids of
 *     the traces before and behind one in this list, or null
 *   GET /page-data/traces/ID[?since=CHANGE]
 *     → {project: {id, name}, previous, next, change, runs}: ID is that of a trace, or of one of its runs. The
 *     newer and the older trace of the project, or null. A run is {id, parent, depth, name, run_type, status,
 *     error, start_time, end_time, first_token_time, tokens, cost, own_tokens, own_cost, tags, events: [{name,
 *     time}]}; each is behind its parent, and without inputs and outputs. tokens and cost are sums over what is
 *     below; own_… are there if they are less. With since, only those that have changed later.
 *   GET /page-data/runs/ID   → {run, own: {tokens, cost}, attachments: [{name, mime, size, url}], feedback}:
 *     run as of GET /runs/ID, feedback as of GET /feedback
 *   GET /page-data/threads?project=ID[&cursor=][&limit=]
 *     → {rows: [{thread, first_time, last_time, n_traces, n_errors, error, tokens, cost, input, output}], cursor,
 *     change}, the one with the newest trace first
 *   GET /page-data/threads?project=ID&thread=TEXT[&cursor=][&limit=]
 *     → {traces: [a row as above, with inputs, outputs, and error as a whole], cursor, change}, the oldest first
 *   GET /page-data/chart?project=ID[&start=][&end=][&buckets=N]
 *     → {start, end, seconds, buckets: [{start, n, errors, latency_p50, latency_p95, first_token_p50,
 *     first_token_p95, tokens, cost}]}; without times, of all traces
 *   GET /page-data/words[?lang=LANGUAGE] → {lang, words: {msgid: msgstr}, plurals: {msgid: [form]}, forms}: the
 *     form for a number n is forms[n < 200 ? n : 100 + n % 100]
 *   GET /page-data/export?trace=ID | ?run=ID → JSON lines to be saved, of runs as of GET /runs/ID, sent piece by
 *     piece (run-stream.h)
 *   GET /page-data/live      server-sent events, see live-feed.h
 */

#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-merge-private.h"

#include "tools/service/json-body.h"
#include "tools/service/routes.h"
#include "tools/service/word-list.h"
#include "tools/store/attachment.h"
#include "tools/store/chart.h"
#include "tools/store/json-put.h"
#include "tools/store/preview.h"
#include "tools/store/project.h"
#include "tools/store/removal.h"
#include "tools/store/run-json.h"
#include "tools/store/run-query.h"
#include "tools/store/statistics.h"
#include "tools/store/thread.h"
#include "tools/store/trace-tree.h"

#define DEFAULT_PAGE 100
#define MAX_PAGE     500

/* Traces are counted up to the first number, and those of a search up to the second one: each trace
 * that may have a word is looked at, which takes longer. */
#define MAX_COUNT       10000
#define MAX_COUNT_FOUND 1000

/* A page of a thread ends after this many bytes of texts. */
#define MAX_THREAD_BYTES (8 * 1024 * 1024)

#define DEFAULT_BUCKETS 60
#define MAX_BUCKETS     500

/* --- parameters --- */

static gboolean
read_id (const char *text, const char *name, LsobsId *id, GError **error)
{
  return (text != NULL && _lsobs_id_parse_text (id, text)) || json_body_refuse (name, error);
}

/* @number: (inout): stays if the address does not have it */
static gboolean
read_number (Request *request,
             const char *name,
             gint64 min,
             gint64 max,
             gint64 *number,
             GError **error)
{
  const char *text = request_get_query (request, name);

  if (text == NULL)
    return TRUE;
  return g_ascii_string_to_signed (text, 10, min, G_MAXINT64, number, NULL)
             ? (*number = MIN (*number, max), TRUE)
             : json_body_refuse (name, error);
}

/* @time: (inout): stays if the address does not have it */
static gboolean
read_time (Request *request, const char *name, gint64 *time, GError **error)
{
  const char *text = request_get_query (request, name);

  return text == NULL || time_text_parse (text, strlen (text), time) ||
         json_body_refuse (name, error);
}

/* Returns: (transfer full) (nullable): the project that the address names */
static Project *
load_project (Request *request, Store *store, GError **error)
{
  LsobsId id;

  return read_id (request_get_query (request, "project"), "project", &id, error)
             ? project_load (store, &id, error)
             : NULL;
}

/* The traces that the body of a request names. */
typedef struct
{
  JsonBody body;
  RunQuery query;
  LsobsId project_id;
  GArray *projects; /* (owned) (nullable), as all of these; of seqs */
  GArray *ids;
  char *filter;
  char *tree_filter;
  char *search;
  char *order;
  char *cursor;
} TraceQuery;

static void
trace_query_clear (TraceQuery *self)
{
  json_body_clear (&self->body);
  g_clear_pointer (&self->projects, g_array_unref);
  g_clear_pointer (&self->ids, g_array_unref);
  g_free (self->filter);
  g_free (self->tree_filter);
  g_free (self->search);
  g_free (self->order);
  g_free (self->cursor);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TraceQuery, trace_query_clear)

/* @text: (transfer full) (nullable). Returns: (transfer full) (nullable): NULL if it is empty */
static char *
drop_empty (char *text)
{
  if (text != NULL && text[strspn (text, " ")] == '\0')
    g_clear_pointer (&text, g_free);
  return text;
}

static gboolean
read_trace_query (TraceQuery *self, Request *request, Store *store, GError **error)
{
  g_autofree char *id = NULL;
  g_autoptr (Project) project = NULL;
  const char *value;
  gint64 limit = DEFAULT_PAGE;

  memset (self, 0, sizeof *self);
  self->query = (RunQuery) RUN_QUERY_INIT;
  if (!json_body_read (&self->body, request, error) ||
      !json_body_get_text (&self->body, "project", &id, error) ||
      !json_body_get_text (&self->body, "filter", &self->filter, error) ||
      !json_body_get_text (&self->body, "tree_filter", &self->tree_filter, error) ||
      !json_body_get_text (&self->body, "search", &self->search, error) ||
      !json_body_get_text (&self->body, "order", &self->order, error) ||
      !json_body_get_text (&self->body, "cursor", &self->cursor, error) ||
      !json_body_get_ids (&self->body, "ids", &self->ids, error) ||
      !read_id (id, "project", &self->project_id, error))
    return FALSE;
  value = json_body_find (&self->body, "limit");
  if (value != NULL && (!json_view_get_int (value, &limit) || limit < 1))
    return json_body_refuse ("limit", error);
  if (self->order != NULL && strcmp (self->order, "newest") != 0 &&
      strcmp (self->order, "errors") != 0)
    return json_body_refuse ("order", error);
  project = project_load (store, &self->project_id, error);
  if (project == NULL)
    return FALSE;
  self->projects = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_array_append_val (self->projects, project->seq);
  self->filter = drop_empty (self->filter);
  self->tree_filter = drop_empty (self->tree_filter);
  self->search = drop_empty (self->search);
  self->query.projects = self->projects;
  self->query.ids = self->ids;
  self->query.is_root = RUN_YES;
  self->query.filter = self->filter;
  self->query.tree_filter = self->tree_filter;
  self->query.tree_words = self->search;
  self->query.cursor = self->cursor;
  self->query.limit = (guint) MIN (limit, MAX_PAGE);
  return TRUE;
}

/* --- members --- */

static void
put_cost (LsobsBuffer *out, const char *name, double cost)
{
  if (cost > 0)
    json_put_double (out, name, cost);
  else
    json_put_json (out, name, NULL);
}

static void
put_tokens (LsobsBuffer *out, const char *name, const RunUsage *usage)
{
  json_put_begin (out, name, '{');
  json_put_int (out, "input", usage->prompt_tokens);
  json_put_int (out, "output", usage->completion_tokens);
  json_put_int (out, "total", usage->total_tokens);
  json_put_end (out, '}');
}

static gint64
get_length (gint64 from, gint64 to)
{
  return to == TIME_NONE ? TIME_NONE : MAX (to - from, 0);
}

static gboolean
put_feedback_averages (LsobsBuffer *out, Store *store, const Run *run, GError **error)
{
  g_autoptr (GPtrArray) counts = statistics_load_feedback (store, &run->id, error);

  if (counts == NULL)
    return FALSE;
  json_put_begin (out, "feedback", '{');
  for (guint i = 0; i < counts->len; i++)
    {
      const FeedbackCount *count = g_ptr_array_index (counts, i);

      if (count->n_scored > 0)
        json_put_double (out, count->key, count->average);
      else
        json_put_json (out, count->key, NULL);
    }
  json_put_end (out, '}');
  return TRUE;
}

/* Appends the row of a trace, with more if its root is whole. */
static gboolean
put_row (LsobsBuffer *out, Store *store, const Run *run, gboolean whole, GError **error)
{
  g_auto (Preview) preview = { NULL, NULL, NULL, NULL };
  gint64 n_runs;

  if (!preview_load (store, run->seq, &preview, error) ||
      !database_query_int (store_get_database (store), &n_runs, 0, error,
                           "SELECT count(*) FROM runs WHERE trace_id = ?", "u", &run->trace_id))
    return FALSE;
  json_put_begin (out, NULL, '{');
  json_put_id (out, "id", &run->id);
  json_put_text (out, "name", run->name);
  json_put_text (out, "run_type", run->run_type);
  json_put_text (out, "status", run_status_get_name (run->status));
  json_put_text (out, "error", whole ? run->error : preview.problem);
  json_put_time (out, "start_time", run->start_time);
  json_put_time (out, "end_time", run->end_time);
  json_put_seconds (out, "latency", get_length (run->start_time, run->end_time));
  json_put_seconds (out, "first_token", get_length (run->start_time, run->tree_first_token_time));
  put_tokens (out, "tokens", &run->tree_usage);
  put_cost (out, "cost", run->tree_usage.total_cost);
  json_put_json (out, "tags", run->tags != NULL ? run->tags : "[]");
  json_put_text (out, "thread", run->thread);
  json_put_text (out, "input", preview.input);
  json_put_text (out, "output", preview.output);
  json_put_int (out, "n_runs", n_runs);
  if (whole)
    {
      json_put_json (out, "inputs", run->inputs);
      json_put_json (out, "outputs", run->outputs);
    }
  if (!put_feedback_averages (out, store, run, error))
    return FALSE;
  json_put_end (out, '}');
  return TRUE;
}

static gboolean
put_rows (LsobsBuffer *out,
          const char *name,
          Store *store,
          GPtrArray *runs,
          gboolean whole,
          GError **error)
{
  json_put_begin (out, name, '[');
  for (guint i = 0; i < runs->len; i++)
    if (!put_row (out, store, g_ptr_array_index (runs, i), whole, error))
      return FALSE;
  json_put_end (out, ']');
  return TRUE;
}

/* --- traces --- */

static gboolean
handle_traces (Request *request, Store *store, GError **error)
{
  g_auto (TraceQuery) traces;
  g_autofree char *cursor = NULL;
  g_autoptr (GPtrArray) runs = NULL;
  LsobsBuffer *out = &request->answer;
  gint64 max_count;
  gint64 change;
  gint64 n = 0;

  /* A change that comes while the list is made may be in the list. The live feed tells it in any
   * case. */
  if (!read_trace_query (&traces, request, store, error) ||
      !store_get_last_change (store, &change, error))
    return FALSE;
  max_count = traces.search != NULL ? MAX_COUNT_FOUND : MAX_COUNT;
  runs = g_strcmp0 (traces.order, "errors") == 0
             ? run_query_errors_first (store, &traces.query, &cursor, error)
             : run_query (store, &traces.query, &cursor, error);
  if (runs == NULL)
    return FALSE;
  if (traces.cursor == NULL && cursor == NULL)
    n = runs->len;
  else if (traces.cursor == NULL &&
           !run_query_count_up_to (store, &traces.query, max_count, &n, error))
    return FALSE;
  request->status = 200;
  json_put_begin (out, NULL, '{');
  if (!put_rows (out, "rows", store, runs, FALSE, error))
    return FALSE;
  json_put_text (out, "cursor", cursor);
  if (traces.cursor == NULL)
    json_put_int (out, "n", MIN (n, max_count));
  else
    json_put_json (out, "n", NULL);
  json_put_boolean (out, "n_more", n > max_count);
  json_put_int (out, "change", change);
  json_put_end (out, '}');
  return TRUE;
}

static gboolean
put_beside (LsobsBuffer *out,
            const char *name,
            Store *store,
            const TraceQuery *traces,
            const Run *root,
            gboolean is_next,
            GError **error)
{
  LsobsId id;
  gboolean found;

  if (!run_query_find_neighbour (store, &traces->query, root,
                                 g_strcmp0 (traces->order, "errors") == 0, is_next, &found, &id,
                                 error))
    return FALSE;
  json_put_id (out, name, found ? &id : NULL);
  return TRUE;
}

static gboolean
handle_neighbours (Request *request, Store *store, GError **error)
{
  g_auto (TraceQuery) traces;
  g_autofree char *text = NULL;
  g_autoptr (Run) root = NULL;
  LsobsBuffer *out = &request->answer;
  LsobsId id;

  if (!read_trace_query (&traces, request, store, error) ||
      !json_body_get_text (&traces.body, "trace", &text, error) ||
      !read_id (text, "trace", &id, error))
    return FALSE;
  root = run_load (store, &id, FALSE, error);
  if (root == NULL)
    return FALSE;
  request->status = 200;
  json_put_begin (out, NULL, '{');
  if (!put_beside (out, "previous", store, &traces, root, FALSE, error) ||
      !put_beside (out, "next", store, &traces, root, TRUE, error))
    return FALSE;
  json_put_end (out, '}');
  return TRUE;
}

/* Returns: (transfer full) (nullable) (element-type LsobsId): of all traces that a query finds at this moment */
static GArray *
find_all (Store *store, const RunQuery *query, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  g_autofree char *cursor = NULL;
  RunQuery page = *query;

  page.limit = MAX_PAGE;
  do
    {
      g_autofree char *begin = g_steal_pointer (&cursor);
      g_autoptr (GPtrArray) runs = NULL;

      page.cursor = begin;
      runs = run_query (store, &page, &cursor, error);
      if (runs == NULL)
        return NULL;
      for (guint i = 0; i < runs->len; i++)
        g_array_append_val (ids, ((const Run *) g_ptr_array_index (runs, i))->trace_id);
    }
  while (cursor != NULL);
  return g_steal_pointer (&ids);
}

/* Only traces that the query finds at the beginning are deleted: a trace that another process
 * writes meanwhile stays. */
static gboolean
clear_found (Store *store, const RunQuery *query, RemovalCount *count, GError **error)
{
  Database *database = store_get_database (store);
  g_autoptr (GArray) ids = NULL;

  if (!database_execute (database, "BEGIN", error))
    return FALSE;
  ids = find_all (store, query, error);
  database_execute (database, "COMMIT", NULL);
  return ids != NULL && removal_delete_traces (store, ids, count, error);
}

static gboolean
handle_clear (Request *request, Store *store, GError **error)
{
  g_auto (TraceQuery) traces;
  RemovalCount count = { 0 };
  gboolean all;

  if (!read_trace_query (&traces, request, store, error))
    return FALSE;
  traces.query.cursor = NULL;
  all = traces.ids == NULL && traces.filter == NULL && traces.tree_filter == NULL &&
        traces.search == NULL;
  if (all ? !removal_clear_project (store, &traces.project_id, &count, error)
          : !clear_found (store, &traces.query, &count, error))
    return FALSE;
  request->status = 200;
  json_put_begin (&request->answer, NULL, '{');
  json_put_int (&request->answer, "n_traces", count.n_traces);
  json_put_int (&request->answer, "n_runs", count.n_runs);
  json_put_end (&request->answer, '}');
  return TRUE;
}

/* --- one trace --- */

/* Members that are zero or unknown are left out, as there may be many thousands of runs. */
static void
put_node (LsobsBuffer *out, const TraceNode *node, const LsobsId *parent)
{
  const Run *run = node->run;

  json_put_begin (out, NULL, '{');
  json_put_id (out, "id", &run->id);
  json_put_id (out, "parent", parent);
  json_put_int (out, "depth", node->depth);
  json_put_text (out, "name", run->name);
  json_put_text (out, "run_type", run->run_type);
  json_put_text (out, "status", run_status_get_name (run->status));
  json_put_time (out, "start_time", run->start_time);
  json_put_time (out, "end_time", run->end_time);
  if (run->first_token_time != TIME_NONE)
    json_put_time (out, "first_token_time", run->first_token_time);
  if (node->problem != NULL)
    json_put_text (out, "error", node->problem);
  if (run->tree_usage.total_tokens > 0)
    put_tokens (out, "tokens", &run->tree_usage);
  if (run->tree_usage.total_cost > 0)
    put_cost (out, "cost", run->tree_usage.total_cost);
  if (run->usage.total_tokens > 0 && run->usage.total_tokens != run->tree_usage.total_tokens)
    json_put_int (out, "own_tokens", run->usage.total_tokens);
  if (run->usage.total_cost > 0 && run->tree_usage.total_cost - run->usage.total_cost > 1e-9)
    put_cost (out, "own_cost", run->usage.total_cost);
  if (run->tags != NULL && strcmp (run->tags, "[]") != 0)
    json_put_json (out, "tags", run->tags);
  if (node->events != NULL)
    json_put_json (out, "events", node->events);
  json_put_end (out, '}');
}

static gboolean
put_project (LsobsBuffer *out, Store *store, gint64 seq, GError **error)
{
  g_autoptr (Project) project = project_load_seq (store, seq, error);

  if (project == NULL)
    return FALSE;
  json_put_begin (out, "project", '{');
  json_put_id (out, "id", &project->id);
  json_put_text (out, "name", project->name);
  json_put_end (out, '}');
  return TRUE;
}

static gboolean
put_neighbour (LsobsBuffer *out,
               const char *name,
               Store *store,
               const Run *root,
               gboolean is_older,
               GError **error)
{
  LsobsId id;
  gboolean found;

  if (!trace_tree_find_neighbour (store, root, is_older, &found, &id, error))
    return FALSE;
  json_put_id (out, name, found ? &id : NULL);
  return TRUE;
}

/* Returns: (transfer full) (nullable): the tree of a trace, or of the trace that a run belongs to */
static GPtrArray *
load_tree (Store *store, const LsobsId *id, GError **error)
{
  g_autoptr (GPtrArray) nodes = trace_tree_load (store, id, error);
  g_autoptr (Run) run = NULL;

  if (nodes == NULL || nodes->len > 0)
    return g_steal_pointer (&nodes);
  run = run_load (store, id, FALSE, error);
  return run != NULL ? trace_tree_load (store, &run->trace_id, error) : NULL;
}

static gboolean
handle_trace (Request *request, Store *store, GError **error)
{
  g_autoptr (GPtrArray) nodes = NULL;
  LsobsBuffer *out = &request->answer;
  const Run *root;
  gint64 since = -1;
  gint64 change;
  LsobsId id;

  if (!read_id (request->words[0], "trace_id", &id, error) ||
      !read_number (request, "since", 0, G_MAXINT64, &since, error) ||
      !store_get_last_change (store, &change, error))
    return FALSE;
  nodes = load_tree (store, &id, error);
  if (nodes == NULL)
    return FALSE;
  root = ((const TraceNode *) g_ptr_array_index (nodes, 0))->run;
  request->status = 200;
  json_put_begin (out, NULL, '{');
  json_put_id (out, "id", &root->trace_id);
  if (!put_project (out, store, root->project, error) ||
      !put_neighbour (out, "previous", store, root, FALSE, error) ||
      !put_neighbour (out, "next", store, root, TRUE, error))
    return FALSE;
  json_put_int (out, "change", change);
  json_put_begin (out, "runs", '[');
  for (guint i = 0; i < nodes->len; i++)
    {
      const TraceNode *node = g_ptr_array_index (nodes, i);
      const TraceNode *parent = node->depth > 0 ? g_ptr_array_index (nodes, node->parent) : NULL;

      if (node->run->change > since)
        put_node (out, node, parent != NULL ? &parent->run->id : NULL);
    }
  json_put_end (out, ']');
  json_put_end (out, '}');
  return TRUE;
}

/* --- one run --- */

static gboolean
put_attachments (LsobsBuffer *out, Store *store, const Run *run, GError **error)
{
  g_autoptr (GPtrArray) list = attachment_list (store, &run->id, error);
  char id[LSOBS_UUID_LEN + 1] = "";

  if (list == NULL)
    return FALSE;
  _lsobs_id_write (&run->id, id);
  json_put_begin (out, "attachments", '[');
  for (guint i = 0; i < list->len; i++)
    {
      const Attachment *attachment = g_ptr_array_index (list, i);
      g_autofree char *escaped = g_uri_escape_string (attachment->name, NULL, FALSE);
      g_autofree char *url = g_strdup_printf ("/runs/%s/attachments/%s", id, escaped);

      json_put_begin (out, NULL, '{');
      json_put_text (out, "name", attachment->name);
      json_put_text (out, "mime", attachment->type);
      json_put_int (out, "size", attachment->size);
      json_put_text (out, "url", url);
      json_put_end (out, '}');
    }
  json_put_end (out, ']');
  return TRUE;
}

static gboolean
put_feedback (LsobsBuffer *out, Store *store, const Run *run, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  g_autoptr (GPtrArray) list = NULL;

  g_array_append_val (ids, run->id);
  list = feedback_list (store, ids, NULL, MAX_PAGE, 0, error);
  if (list == NULL)
    return FALSE;
  json_put_begin (out, "feedback", '[');
  for (guint i = 0; i < list->len; i++)
    {
      const Feedback *feedback = g_ptr_array_index (list, i);
      g_auto (LsobsBuffer) more = LSOBS_BUFFER_INIT;

      json_put_begin (&more, NULL, '{');
      json_put_time (&more, "created_at", feedback->created);
      json_put_time (&more, "modified_at", feedback->modified);
      json_put_end (&more, '}');
      json_put_name (out, NULL);
      _lsobs_json_merge (out, feedback->body, strlen (feedback->body), more.data, more.len);
    }
  json_put_end (out, ']');
  return TRUE;
}

static gboolean
handle_run (Request *request, Store *store, GError **error)
{
  g_autoptr (GHashTable) projects = run_json_new_projects ();
  g_autoptr (Run) run = NULL;
  LsobsBuffer *out = &request->answer;
  gint64 change;
  LsobsId id;

  if (!read_id (request->words[0], "run_id", &id, error) ||
      !store_get_last_change (store, &change, error))
    return FALSE;
  run = run_load (store, &id, TRUE, error);
  if (run == NULL)
    return FALSE;
  request->status = 200;
  json_put_begin (out, NULL, '{');
  if (!run_json_put (out, "run", store, run, NULL, projects, error))
    return FALSE;
  json_put_begin (out, "own", '{');
  put_tokens (out, "tokens", &run->usage);
  put_cost (out, "cost", run->usage.total_cost);
  json_put_end (out, '}');
  if (!put_attachments (out, store, run, error) || !put_feedback (out, store, run, error))
    return FALSE;
  json_put_int (out, "change", change);
  json_put_end (out, '}');
  return TRUE;
}

/* --- threads --- */

static void
put_thread (LsobsBuffer *out, const Thread *thread)
{
  json_put_begin (out, NULL, '{');
  json_put_text (out, "thread", thread->name);
  json_put_time (out, "first_time", thread->first_time);
  json_put_time (out, "last_time", thread->last_time);
  json_put_int (out, "n_traces", thread->n_traces);
  json_put_int (out, "n_errors", thread->n_errors);
  json_put_boolean (out, "error", thread->n_errors > 0);
  put_tokens (out, "tokens", &thread->usage);
  put_cost (out, "cost", thread->usage.total_cost);
  json_put_text (out, "input", thread->input);
  json_put_text (out, "output", thread->output);
  json_put_end (out, '}');
}

static gboolean
put_thread_list (LsobsBuffer *out,
                 Store *store,
                 const Project *project,
                 guint limit,
                 const char *begin,
                 char **cursor,
                 GError **error)
{
  g_autoptr (GPtrArray) list = thread_list (store, project->seq, limit, begin, cursor, error);

  if (list == NULL)
    return FALSE;
  json_put_begin (out, "rows", '[');
  for (guint i = 0; i < list->len; i++)
    put_thread (out, g_ptr_array_index (list, i));
  json_put_end (out, ']');
  return TRUE;
}

static gboolean
handle_threads (Request *request, Store *store, GError **error)
{
  const char *begin = request_get_query (request, "cursor");
  const char *name = request_get_query (request, "thread");
  g_autoptr (Project) project = load_project (request, store, error);
  g_autoptr (GPtrArray) runs = NULL;
  g_autofree char *cursor = NULL;
  LsobsBuffer *out = &request->answer;
  gint64 limit = DEFAULT_PAGE;
  gint64 change;

  if (project == NULL || !read_number (request, "limit", 1, MAX_PAGE, &limit, error) ||
      !store_get_last_change (store, &change, error))
    return FALSE;
  request->status = 200;
  json_put_begin (out, NULL, '{');
  if (name != NULL)
    {
      runs = thread_load (store, project->seq, name, (guint) limit, MAX_THREAD_BYTES, begin,
                          &cursor, error);
      if (runs == NULL || !put_rows (out, "traces", store, runs, TRUE, error))
        return FALSE;
    }
  else if (!put_thread_list (out, store, project, (guint) limit, begin, &cursor, error))
    return FALSE;
  json_put_text (out, "cursor", cursor);
  json_put_int (out, "change", change);
  json_put_end (out, '}');
  return TRUE;
}

/* --- charts --- */

static void
put_bucket (LsobsBuffer *out, const ChartBucket *bucket)
{
  json_put_begin (out, NULL, '{');
  json_put_time (out, "start", bucket->start);
  json_put_int (out, "n", bucket->n_traces);
  json_put_int (out, "errors", bucket->n_errors);
  json_put_seconds (out, "latency_p50", bucket->latency_p50);
  json_put_seconds (out, "latency_p95", bucket->latency_p95);
  json_put_seconds (out, "first_token_p50", bucket->first_token_p50);
  json_put_seconds (out, "first_token_p95", bucket->first_token_p95);
  json_put_int (out, "tokens", bucket->total_tokens);
  json_put_double (out, "cost", bucket->total_cost);
  json_put_end (out, '}');
}

static gboolean
handle_chart (Request *request, Store *store, GError **error)
{
  g_autoptr (Project) project = load_project (request, store, error);
  g_autoptr (GArray) buckets = NULL;
  LsobsBuffer *out = &request->answer;
  gint64 n = DEFAULT_BUCKETS;
  gint64 start;
  gint64 end;
  gint64 length;

  if (project == NULL || !chart_find_range (store, project->seq, &start, &end, error))
    return FALSE;
  /* The last trace is inside of the last bucket. */
  end = end == TIME_NONE ? TIME_NONE : end + 1;
  if (!read_time (request, "start", &start, error) || !read_time (request, "end", &end, error) ||
      !read_number (request, "buckets", 1, MAX_BUCKETS, &n, error))
    return FALSE;
  start = MAX (start, 0);
  end = CLAMP (end, start + 1, LSOBS_MAX_TIME);
  length = MAX ((end - start + n - 1) / n, 1);
  buckets = chart_load (store, project->seq, start, length, (guint) n, error);
  if (buckets == NULL)
    return FALSE;
  request->status = 200;
  json_put_begin (out, NULL, '{');
  json_put_time (out, "start", start);
  json_put_time (out, "end", start + n * length);
  json_put_seconds (out, "seconds", length);
  json_put_begin (out, "buckets", '[');
  for (guint i = 0; i < buckets->len; i++)
    put_bucket (out, &g_array_index (buckets, ChartBucket, i));
  json_put_end (out, ']');
  json_put_end (out, '}');
  return TRUE;
}

/* --- words --- */

static gboolean
handle_words (Request *request, Store *store G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
  const char *language = request_get_query (request, "lang");

  request->status = 200;
  word_list_put (&request->answer, language != NULL ? language : request->languages);
  return TRUE;
}

/* --- export --- */

static gboolean
handle_export (Request *request, Store *store, GError **error)
{
  const char *trace = request_get_query (request, "trace");
  g_autoptr (GPtrArray) nodes = NULL;
  g_autoptr (Run) run = NULL;
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  char text[LSOBS_UUID_LEN + 1] = "";
  LsobsId id;

  if (!read_id (trace != NULL ? trace : request_get_query (request, "run"), "run", &id, error))
    return FALSE;
  if (trace != NULL)
    nodes = load_tree (store, &id, error);
  else
    run = run_load (store, &id, FALSE, error);
  if (nodes == NULL && run == NULL)
    return FALSE;
  for (guint i = 0; nodes != NULL && i < nodes->len; i++)
    g_array_append_val (ids, ((const TraceNode *) g_ptr_array_index (nodes, i))->run->id);
  if (run != NULL)
    g_array_append_val (ids, run->id);
  _lsobs_id_write (&id, text);
  request->status = 200;
  request->runs = g_steal_pointer (&ids);
  request->answer_type = g_strdup ("application/x-ndjson");
  request->file_name = g_strdup_printf ("%s-%s.jsonl", trace != NULL ? "trace" : "run", text);
  return TRUE;
}

const Route routes_page[] = {
  { "POST", "/page-data/traces", ROUTE_READS, routes_decode, handle_traces },
  { "POST", "/page-data/neighbours", ROUTE_READS, routes_decode, handle_neighbours },
  { "POST", "/page-data/clear", ROUTE_ALONE, routes_decode, handle_clear },
  { "GET", "/page-data/traces/*", ROUTE_READS, NULL, handle_trace },
  { "GET", "/page-data/runs/*", ROUTE_READS, NULL, handle_run },
  { "GET", "/page-data/threads", ROUTE_READS, NULL, handle_threads },
  { "GET", "/page-data/chart", ROUTE_READS, NULL, handle_chart },
  { "GET", "/page-data/words", ROUTE_READS, NULL, handle_words },
  { "GET", "/page-data/export", ROUTE_READS, NULL, handle_export },
  { NULL, NULL, 0, NULL, NULL },
};
