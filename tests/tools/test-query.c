/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists of runs: filters, pages, and numbers. */

#include "config.h"

#include <string.h>

#include "tests/tools/store-helpers.h"
#include "tools/store/project.h"
#include "tools/store/run-query.h"
#include "tools/store/statistics.h"

#define N_MANY 2500

static void
add_run (Store *store, guint number, const char *members)
{
  g_autofree char *json =
      g_strdup_printf ("{'id':'01900000-0000-7000-8000-%012u','session_name':'p',%s}", number,
                       members);

  test_apply (store, CHANGE_CREATE, json);
}

/* Run 1 is a root, with 2 (a model call) and 3 (a failed tool) below it; 4 is a root that still runs. */
static void
fill (StoreFixture *fixture)
{
  add_run (fixture->store, 1,
           "'name':'agent','start_time':'2026-03-01T10:00:00Z','end_time':'2026-03-01T10:00:05Z',"
           "'tags':['blue','a b'],'inputs':{'q':'weather in Bremen'},"
           "'extra':{'metadata':{'user':'u-1','n':3,'beta':true,'thread_id':'t','o':{'x':[1]}}}");
  add_run (fixture->store, 2,
           "'name':'model','run_type':'llm','parent_run_id':'01900000-0000-7000-8000-000000000001',"
           "'start_time':'2026-03-01T10:00:01Z','end_time':'2026-03-01T10:00:01.5Z',"
           "'outputs':{'usage_metadata':{'input_tokens':30,'output_tokens':12}},"
           "'events':[{'name':'new_token','time':'2026-03-01T10:00:01.25Z'}]");
  add_run (
      fixture->store, 3,
      "'name':'tool','run_type':'tool','parent_run_id':'01900000-0000-7000-8000-000000000001',"
      "'start_time':'2026-03-01T10:00:02Z','end_time':'2026-03-01T10:00:04Z','error':'no route'");
  add_run (fixture->store, 4,
           "'name':'agent','start_time':'2026-03-02T10:00:00Z','inputs':{'q':'u-1'}");
}

static char *
list_numbers (Store *store, const RunQuery *query)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *cursor = NULL;
  g_autoptr (GPtrArray) runs = run_query (store, query, &cursor, &error);
  GString *numbers = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < runs->len; i++)
    g_string_append_printf (numbers, "%u", ((Run *) runs->pdata[i])->id.bytes[15]);
  return g_string_free (numbers, FALSE);
}

static void
test_filters (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *filter;
    const char *numbers; /* the newest first */
  } rows[] = {
    { "eq(name, \"agent\")", "41" },
    { "neq(name, 'agent')", "32" },
    { "eq(run_type, 'llm')", "2" },
    { "eq(status, 'error')", "3" },
    { "eq(status, \"pending\")", "4" },
    { "neq(status, \"success\")", "43" },
    { "gt(start_time, '2026-03-01T10:00:01Z')", "43" },
    { "gte(start_time, '2026-03-01T11:00:01+01:00')", "432" },
    { "lt(start_time, 1772359201000)", "1" },
    { "lte(end_time, '2026-03-01T10:00:04')", "32" },
    { "gt(latency, 2)", "1" },
    { "gte(latency, '2s')", "31" },
    { "lt(latency, '600ms')", "2" },
    { "lt(time_to_first_token, 1)", "2" },
    { "gt(tokens, 41)", "21" },
    { "gt(total_tokens, 42)", "" },
    { "and(gt(prompt_tokens, 29.5), eq(completion_tokens, 12))", "21" },
    { "has(tags, 'blue')", "1" },
    { "has(tags, \"a b\")", "1" },
    { "has(tags, 'a')", "" },
    { "has(metadata, '{\"user\": \"u-1\"}')", "1" },
    { "has(metadata, '{\"user\": \"u-1\", \"n\": 3, \"beta\": true}')", "1" },
    { "has(metadata, '{\"user\": \"u-1\", \"n\": 4}')", "" },
    { "has(metadata, '{\"o\": {\"x\": [1]}}')", "1" },
    { "and(eq(metadata_key, 'user'), eq(metadata_value, 'u-1'))", "1" },
    { "and(eq(metadata_key, 'n'), gt(metadata_value, 2))", "1" },
    { "and(eq(metadata_key, 'n'), eq(metadata_value, 'u-1'))", "" },
    { "and(eq(metadata_key, 'user'), gt(metadata_value, 2))", "" },
    { "and(eq(metadata_key, 'beta'), eq(metadata_value, 1))", "" },
    { "and(eq(metadata_key, 'beta'), eq(metadata_value, true))", "1" },
    { "and(eq(metadata_key, 'n'), neq(metadata_value, 'x'))", "1" },
    { "has(metadata, '{\"beta\": 1}')", "" },
    { "eq(metadata_key, 'beta')", "1" },
    { "eq(thread_id, 't')", "1" },
    { "eq(error, null)", "421" },
    { "neq(error, null)", "3" },
    { "eq(error, 'no route')", "3" },
    { "search('bremen')", "1" },
    { "search(\"route\")", "3" },
    { "search('u-1')", "41" },
    { "search(metadata, 'u-1')", "1" },
    { "search('!?')", "" },
    { "or(search('bremen'), eq(name, 'tool'))", "31" },
    { "and(search('bremen'), eq(name, 'tool'))", "" },
    { "not(search('bremen'))", "432" },
    { "not(gt(latency, 2))", "432" },
    { "not(has(tags, 'blue'))", "432" },
    { "and(or(eq(name, 'a'), eq(name, 'agent')), not(eq(status, 'pending')))", "1" },
    { "eq(is_root, true)", "41" },
    { "eq(parent_run_id, null)", "41" },
    { "eq(parent_run_id, '01900000-0000-7000-8000-000000000001')", "32" },
    { "neq(id, '01900000-0000-7000-8000-000000000001')", "432" },
    { " and ( eq ( name , \"agent\" ) ) ", "41" },
  };

  fill (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      RunQuery query = RUN_QUERY_INIT;
      g_autofree char *numbers = NULL;

      query.filter = rows[i].filter;
      numbers = list_numbers (fixture->store, &query);
      if (strcmp (numbers, rows[i].numbers) != 0)
        g_error ("%s finds %s, not %s", rows[i].filter, numbers, rows[i].numbers);
    }
}

/* What is not known is refused, and named. */
static void
test_refused (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *filter;
    const char *name;
  } rows[] = {
    { "", "" },
    { "name", "name" },
    { "eq(name)", "eq" },
    { "eq(name, 'a', 'b')", "eq" },
    { "eq(name, 5)", "name" },
    { "eq('name', 'a')", "eq" },
    { "eq(colour, 'a')", "colour" },
    { "like(name, 'a')", "like" },
    { "in(name, 'a')", "in" },
    { "gt(status, 'error')", "status" },
    { "eq(status, 'lost')", "status" },
    { "eq(start_time, 'yesterday')", "start_time" },
    { "gt(latency, 'long')", "latency" },
    { "gt(latency, null)", "latency" },
    { "gt(latency, '2')", "latency" },
    { "eq(id, 'x')", "id" },
    { "has(name, 'a')", "name" },
    { "has(metadata, '[1]')", "metadata" },
    { "search(colour, 'a')", "colour" },
    { "search()", "search" },
    { "and()", "and" },
    { "not(eq(name, 'a'), eq(name, 'a'))", "not" },
    { "eq(name, 'a'", "ends too early" },
    { "eq(name, 'a) ", "'a) " },
    { "eq(name, 'a') x", "x" },
    { "eq(feedback_key, 'good')", "feedback_key" },
    { "eq(name, 'a'); DROP TABLE runs", "; DROP" },
  };
  g_autoptr (GString) deep = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      RunQuery query = RUN_QUERY_INIT;
      g_autoptr (GError) error = NULL;
      g_autofree char *cursor = NULL;

      query.filter = rows[i].filter;
      g_assert_null (run_query (fixture->store, &query, &cursor, &error));
      g_assert_error (error, STORE_ERROR, STORE_ERROR_INVALID);
      if (strstr (error->message, rows[i].name) == NULL)
        g_error ("%s: %s", rows[i].filter, error->message);
    }
  for (guint i = 0; i < 10000; i++)
    g_string_append (deep, "not(");
  for (guint i = 0; i < 2; i++)
    {
      RunQuery query = RUN_QUERY_INIT;
      g_autoptr (GError) error = NULL;
      g_autofree char *cursor = NULL;

      query.filter = i == 0 ? deep->str : NULL;
      query.cursor = i == 0 ? NULL : "12-zz";
      g_assert_null (run_query (fixture->store, &query, &cursor, &error));
      g_assert_error (error, STORE_ERROR, STORE_ERROR_INVALID);
    }
}

static void
test_members (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (LsobsId));
  g_autoptr (GArray) projects = g_array_new (FALSE, FALSE, sizeof (gint64));
  LsobsId root;
  gint64 project = 1;
  RunQuery queries[14];
  static const char *const numbers[] = { "4321", "1234", "41", "32", "21", "2", "3",
                                         "41",   "",     "32", "1",  "3",  "1", "321" };

  fill (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (queries); i++)
    queries[i] = (RunQuery) RUN_QUERY_INIT;
  test_parse_id ("01900000-0000-7000-8000-000000000001", &root);
  g_array_append_val (ids, root);
  g_array_append_val (projects, project);
  queries[0].projects = projects;
  queries[1].oldest_first = TRUE;
  queries[2].is_root = RUN_YES;
  queries[3].parent_id = &root;
  queries[4].start_time = G_GINT64_CONSTANT (1772359200000000);
  queries[4].end_time = G_GINT64_CONSTANT (1772359202000000);
  queries[5].run_type = "llm";
  queries[6].has_error = RUN_YES;
  queries[7].words = "u-1";
  queries[8].reference_examples = ids;
  queries[9].is_root = RUN_NO;
  queries[10].ids = ids;
  queries[11].trace_filter = "has(tags, 'blue')";
  queries[11].filter = "eq(run_type, 'tool')";
  queries[12].tree_filter = "eq(name, 'tool')";
  queries[12].is_root = RUN_YES;
  queries[13].trace_id = &root;
  for (guint i = 0; i < G_N_ELEMENTS (queries); i++)
    {
      g_autofree char *found = list_numbers (fixture->store, &queries[i]);

      if (strcmp (found, numbers[i]) != 0)
        g_error ("query %u finds %s, not %s", i, found, numbers[i]);
    }
}

/* Pages have each run once, in order, also of runs that begin at the same time. */
static void
test_pages (StoreFixture *fixture, gconstpointer data)
{
  RunQuery query = RUN_QUERY_INIT;
  g_autofree char *cursor = NULL;
  g_autoptr (GError) error = NULL;
  guint n = 0;
  guint n_pages = 0;
  gint64 last_seq = 0;
  gint64 count;

  for (guint i = 1; i <= 25; i++)
    {
      g_autofree char *members =
          g_strdup_printf ("'name':'same','start_time':'2026-03-01T10:00:%02uZ'", i / 10);

      add_run (fixture->store, i, members);
    }
  query.limit = 7;
  query.oldest_first = TRUE;
  query.filter = data;
  do
    {
      g_autofree char *next = NULL;
      g_autoptr (GPtrArray) runs = NULL;

      query.cursor = cursor;
      runs = run_query (fixture->store, &query, &next, &error);
      g_assert_no_error (error);
      for (guint i = 0; i < runs->len; i++)
        {
          Run *run = runs->pdata[i];

          g_assert_cmpint (run->seq, >, last_seq);
          last_seq = run->seq;
        }
      n += runs->len;
      n_pages++;
      g_free (cursor);
      cursor = g_steal_pointer (&next);
    }
  while (cursor != NULL);
  g_assert_cmpuint (n, ==, 25);
  g_assert_cmpuint (n_pages, ==, 4);
  query.cursor = NULL;
  g_assert_true (run_query_count (fixture->store, &query, &count, &error));
  g_assert_cmpint (count, ==, 25);
}

/* A word of many runs is found as one of few is. */
static void
test_many (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  RunQuery query = RUN_QUERY_INIT;
  g_autofree char *cursor = NULL;
  g_autoptr (GPtrArray) runs = NULL;
  g_autoptr (GError) error = NULL;
  gint64 count;

  g_assert_true (
      database_execute (store_get_database (fixture->store), "PRAGMA synchronous=OFF", &error));
  for (guint i = 1; i <= N_MANY; i++)
    add_run (fixture->store, i,
             i == 17 ? "'name':'x','inputs':{'a':'often seldom'}" : "'inputs':{'a':'often'}");
  query.words = "often";
  query.limit = 10;
  runs = run_query (fixture->store, &query, &cursor, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (runs->len, ==, 10);
  g_assert_nonnull (cursor);
  g_assert_true (run_query_count (fixture->store, &query, &count, &error));
  g_assert_cmpint (count, ==, N_MANY);
  query.filter = "and(search('seldom'), eq(name, 'x'))";
  g_assert_true (run_query_count (fixture->store, &query, &count, &error));
  g_assert_cmpint (count, ==, 1);
}

static void
test_changes (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) all = NULL;
  g_autoptr (GPtrArray) tree = NULL;
  g_autoptr (GPtrArray) later = NULL;
  gint64 change;
  LsobsId trace;

  fill (fixture);
  all = run_query_changes (fixture->store, 0, 100, FALSE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (all->len, ==, 4);
  g_assert_true (store_get_last_change (fixture->store, &change, &error));
  g_assert_cmpint (((Run *) all->pdata[3])->change, ==, change);
  test_apply (fixture->store, CHANGE_UPDATE,
              "{'id':'01900000-0000-7000-8000-000000000002','outputs':{'usage_metadata':"
              "{'input_tokens':1,'output_tokens':1}}}");
  /* the sums of its root have changed, too */
  later = run_query_changes (fixture->store, change, 100, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (later->len, ==, 2);
  g_assert_nonnull (((Run *) later->pdata[1])->outputs);

  test_parse_id ("01900000-0000-7000-8000-000000000001", &trace);
  tree = run_query_trace (fixture->store, &trace, FALSE, &error);
  g_assert_cmpuint (tree->len, ==, 3);
  g_assert_cmpuint (((Run *) tree->pdata[0])->id.bytes[15], ==, 1);
}

static void
test_statistics (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  Statistics numbers;
  gint64 n_runs;
  gint64 n_errors;
  LsobsId trace;

  fill (fixture);
  for (guint i = 5; i <= 103; i++)
    {
      g_autofree char *members =
          g_strdup_printf ("'start_time':'2026-03-03T10:00:00Z','end_time':%" G_GINT64_FORMAT,
                           G_GINT64_CONSTANT (1772532000000) + 100 * (i - 4));

      add_run (fixture->store, i, members);
    }
  g_assert_true (statistics_load (fixture->store, 1, TIME_NONE, &numbers, &error));
  g_assert_cmpint (numbers.n_traces, ==, 101);
  g_assert_cmpint (numbers.n_errors, ==, 0);
  g_assert_cmpint (numbers.n_streaming, ==, 1);
  g_assert_cmpint (numbers.usage.total_tokens, ==, 42);
  /* of 0.1 s, 0.2 s, … 9.9 s, and the 5 s of the first */
  g_assert_cmpint (numbers.latency_p50, ==, 5000000);
  g_assert_cmpint (numbers.latency_p99, ==, 9800000);
  g_assert_cmpint (numbers.first_token_p50, ==, 1250000);
  g_assert_cmpint (numbers.last_start_time, ==, G_GINT64_CONSTANT (1772532000000000));
  g_assert_true (statistics_load (fixture->store, 7, TIME_NONE, &numbers, &error));
  g_assert_cmpint (numbers.n_traces, ==, 0);
  g_assert_cmpint (numbers.latency_p50, ==, TIME_NONE);
  test_parse_id ("01900000-0000-7000-8000-000000000001", &trace);
  g_assert_true (statistics_count_trace (fixture->store, &trace, &n_runs, &n_errors, &error));
  g_assert_cmpint (n_runs, ==, 3);
  g_assert_cmpint (n_errors, ==, 1);
}

#define ADD(path, data, func) \
 g_test_add (path, StoreFixture, data, store_fixture_set_up, func, store_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/query/filters", NULL, test_filters);
  ADD ("/query/refused", NULL, test_refused);
  ADD ("/query/members", NULL, test_members);
  ADD ("/query/pages", NULL, test_pages);
  ADD ("/query/pages-of-search", "search('same')", test_pages);
  ADD ("/query/many", NULL, test_many);
  ADD ("/query/changes", NULL, test_changes);
  ADD ("/query/statistics", NULL, test_statistics);
  return g_test_run ();
}
