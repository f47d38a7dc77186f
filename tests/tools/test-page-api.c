/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What "lsobs serve" answers to its page, over HTTP: lists of traces, one trace, threads and charts. */

#include "config.h"

#include <signal.h>
#include <string.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/page-helpers.h"

/* --- lists of traces ----------------------------------------------------------------------- */

/* A row has what the page shows of a trace, and nothing that is long. */
static void
test_row (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) list = NULL;
  g_autoptr (JsonNode) feedback = NULL;
  JsonObject *row;
  JsonObject *tokens;

  serve_start (fixture, NULL, NULL);
  page_post_run (
      fixture, 1, 1, 0,
      "'name':'agent','run_type':'chain','end_time':'2026-03-01T00:00:03.5Z','tags':['a'],"
      "'error':'ValueError: no\\n  at line 1','inputs':{'messages':[{'role':'system','content':"
      "'be kind'},{'role':'user','content':'what is\\n\\tup?'}]},'outputs':{'output':"
      "{'content':[{'type':'text','text':'all is well'},{'type':'image','url':'x'}]}},"
      "'extra':{'metadata':{'thread_id':'t1'}}");
  page_post_run (fixture, 2, 1, 1,
                 "'name':'model','run_type':'llm','end_time':'2026-03-01T00:00:03Z','events':"
                 "[{'name':'new_token','time':'2026-03-01T00:00:02.25Z'}],'extra':{'metadata':"
                 "{'usage_metadata':{'input_tokens':3,'output_tokens':4,'total_cost':0.5}}}");
  feedback = serve_ask (fixture, "POST", "/feedback",
                        "{'run_id':'" TEST_ROOT "','key':'good','score':0.25}", 200);
  list = page_list_traces (fixture, "");
  g_assert_cmpuint (page_get_length (list, "rows"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (page_get_object (list), "n"), ==, 1);
  g_assert_false (json_object_get_boolean_member (page_get_object (list), "n_more"));
  g_assert_cmpint (json_object_get_int_member (page_get_object (list), "change"), >, 0);
  row = page_get_element (list, "rows", 0);
  g_assert_cmpstr (page_get_text (row, "id"), ==, TEST_ROOT);
  g_assert_cmpstr (page_get_text (row, "name"), ==, "agent");
  g_assert_cmpstr (page_get_text (row, "run_type"), ==, "chain");
  g_assert_cmpstr (page_get_text (row, "status"), ==, "error");
  g_assert_cmpstr (page_get_text (row, "error"), ==, "ValueError: no at line 1");
  g_assert_cmpstr (page_get_text (row, "start_time"), ==, "2026-03-01T00:00:01.000000Z");
  g_assert_cmpstr (page_get_text (row, "end_time"), ==, "2026-03-01T00:00:03.500000Z");
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (row, "latency"), 2.5, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (row, "first_token"), 1.25, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (row, "cost"), 0.5, 1e-6);
  tokens = json_object_get_object_member (row, "tokens");
  g_assert_cmpint (json_object_get_int_member (tokens, "input"), ==, 3);
  g_assert_cmpint (json_object_get_int_member (tokens, "output"), ==, 4);
  g_assert_cmpint (json_object_get_int_member (tokens, "total"), ==, 7);
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (row, "tags"), 0),
                   ==, "a");
  g_assert_cmpstr (page_get_text (row, "thread"), ==, "t1");
  g_assert_cmpstr (page_get_text (row, "input"), ==, "what is up?");
  g_assert_cmpstr (page_get_text (row, "output"), ==, "all is well");
  g_assert_cmpint (json_object_get_int_member (row, "n_runs"), ==, 2);
  g_assert_cmpfloat_with_epsilon (
      json_object_get_double_member (json_object_get_object_member (row, "feedback"), "good"), 0.25,
      1e-6);
  g_assert_false (json_object_has_member (row, "inputs"));
}

static void
post_some (ServeFixture *fixture)
{
  g_autoptr (GString) body = g_string_new (NULL);

  for (guint i = 1; i <= 9; i++)
    page_append_run (body, i * 16, i * 16, 0,
                     i % 3 == 0 ? "'error':'bad','end_time':'2026-03-01T01:00:00Z'"
                                : "'end_time':'2026-03-01T01:00:00Z','inputs':{'q':'plain'}");
  page_append_run (body, 0x41, 0x40, 0x40,
                   "'name':'tool','run_type':'tool','inputs':{'q':'needle'}");
  page_post_runs (fixture, body->str);
}

/* Traces are listed by time, or those with errors first, page after page; filters and searches of whole
 * traces. */
static void
test_traces (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const refused[] = {
    "",
    "'limit':0",
    "'limit':'x'",
    "'order':'best'",
    "'filter':'eq('",
    "'cursor':'x'",
    "'cursor':'x','order':'errors'",
    "'ids':['x']",
    "'search':7",
  };
  g_autofree char *project = NULL;

  serve_start (fixture, NULL, NULL);
  post_some (fixture);
  page_assert_traces (fixture, "", "90 80 70 60 50 40 30 20 10");
  page_assert_traces (fixture, "'order':'newest'", "90 80 70 60 50 40 30 20 10");
  page_assert_traces (fixture, "'order':'errors'", "90 60 30 80 70 50 40 20 10");
  page_assert_traces (fixture, "'search':'needle'", "40");
  page_assert_traces (fixture, "'search':'needle nothing'", "");
  page_assert_traces (fixture, "'search':'  '", "90 80 70 60 50 40 30 20 10");
  page_assert_traces (fixture, "'search':'plain','order':'errors'", "80 70 50 40 20 10");
  page_assert_traces (fixture, "'tree_filter':'eq(run_type, \\'tool\\')'", "40");
  page_assert_traces (fixture, "'filter':'eq(status, \\'error\\')'", "90 60 30");
  page_assert_traces (
      fixture,
      "'ids':['01900000-0000-7000-8000-000000000080',"
      "'01900000-0000-7000-8000-000000000041','01900000-0000-7000-8000-000000000020']",
      "80 20");
  /* Pages of each length, in both orders, are together the whole list. */
  for (guint limit = 1; limit <= 10; limit++)
    for (guint order = 0; order < 2; order++)
      {
        g_autoptr (GString) found = g_string_new (NULL);
        g_autofree char *cursor = g_strdup ("");
        guint n_pages = 0;

        while (cursor != NULL && n_pages++ < 12)
          {
            g_autofree char *more = g_strdup_printf ("'limit':%u,'order':'%s'%s%s%s", limit,
                                                     order == 0 ? "newest" : "errors",
                                                     *cursor != '\0' ? ",'cursor':'" : "", cursor,
                                                     *cursor != '\0' ? "'" : "");
            g_autoptr (JsonNode) page = page_list_traces (fixture, more);
            g_autofree char *numbers = page_dup_numbers (page, "rows");

            /* The number of all is on the first page. */
            if (*cursor == '\0')
              g_assert_cmpint (json_object_get_int_member (page_get_object (page), "n"), ==, 9);
            else
              g_assert_true (json_object_get_null_member (page_get_object (page), "n"));
            g_string_append_printf (found, "%s%s", found->len > 0 && *numbers != '\0' ? " " : "",
                                    numbers);
            g_free (cursor);
            cursor = g_strdup (page_get_text (page_get_object (page), "cursor"));
          }
        g_assert_null (cursor);
        g_assert_cmpstr (found->str, ==,
                         order == 0 ? "90 80 70 60 50 40 30 20 10" : "90 60 30 80 70 50 40 20 10");
      }

  project = page_dup_project (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autofree char *body = g_strdup_printf ("{'project':'%s'%s%s}", i == 0 ? "x" : project,
                                               *refused[i] != '\0' ? "," : "", refused[i]);
      g_autoptr (JsonNode) answer = serve_ask (fixture, "POST", "/page-data/traces", body, 400);
    }
  {
    g_autoptr (JsonNode) answer =
        serve_ask (fixture, "POST", "/page-data/traces", "{'project':'" TEST_ROOT "'}", 404);
  }
}

/* (transfer full): the last digits of an id, or "-" */
static char *
dup_number (JsonNode *answer, const char *name)
{
  const char *id = page_get_text (page_get_object (answer), name);

  return id != NULL ? g_strdup_printf ("%lx", strtoul (id + 24, NULL, 16)) : g_strdup ("-");
}

/* Goes along a list by its neighbours, and back. @numbers: as of page_assert_traces () */
static void
assert_neighbours (ServeFixture *fixture, const char *more, const char *numbers)
{
  g_autofree char *project = page_dup_project (fixture);
  g_auto (GStrv) all = g_strsplit (numbers, " ", -1);

  page_assert_traces (fixture, more, numbers);
  for (guint i = 0; all[i] != NULL; i++)
    {
      g_autofree char *body =
          g_strdup_printf ("{'project':'%s','trace':'01900000-0000-7000-8000-%012lx'%s%s}", project,
                           strtoul (all[i], NULL, 16), *more != '\0' ? "," : "", more);
      g_autoptr (JsonNode) answer = serve_ask (fixture, "POST", "/page-data/neighbours", body, 200);
      g_autofree char *previous = dup_number (answer, "previous");
      g_autofree char *next = dup_number (answer, "next");

      g_assert_cmpstr (previous, ==, i > 0 ? all[i - 1] : "-");
      g_assert_cmpstr (next, ==, all[i + 1] != NULL ? all[i + 1] : "-");
    }
}

/* The traces before and behind one are those of the list that is looked at, to its ends. */
static void
test_neighbours (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *project = NULL;
  g_autofree char *missing = NULL;
  g_autofree char *outside = NULL;
  g_autoptr (JsonNode) none = NULL;
  g_autoptr (JsonNode) unknown = NULL;
  g_autoptr (JsonNode) answer = NULL;
  g_autofree char *previous = NULL;
  g_autofree char *next = NULL;

  serve_start (fixture, NULL, NULL);
  post_some (fixture);
  assert_neighbours (fixture, "", "90 80 70 60 50 40 30 20 10");
  assert_neighbours (fixture, "'order':'errors'", "90 60 30 80 70 50 40 20 10");
  assert_neighbours (fixture, "'filter':'eq(status, \\'error\\')'", "90 60 30");
  assert_neighbours (fixture, "'order':'errors','filter':'eq(status, \\'error\\')'", "90 60 30");
  assert_neighbours (fixture, "'search':'plain'", "80 70 50 40 20 10");
  assert_neighbours (fixture, "'search':'plain','order':'errors'", "80 70 50 40 20 10");
  assert_neighbours (fixture, "'tree_filter':'eq(run_type, \\'tool\\')'", "40");

  /* One that is not in the list has a place in it, by its time. */
  project = page_dup_project (fixture);
  outside = g_strdup_printf ("{'project':'%s','filter':'eq(status, \\'error\\')',"
                             "'trace':'01900000-0000-7000-8000-000000000070'}",
                             project);
  answer = serve_ask (fixture, "POST", "/page-data/neighbours", outside, 200);
  previous = dup_number (answer, "previous");
  next = dup_number (answer, "next");
  g_assert_cmpstr (previous, ==, "90");
  g_assert_cmpstr (next, ==, "60");
  missing = g_strdup_printf ("{'project':'%s','trace':'" TEST_OTHER "'}", project);
  unknown = serve_ask (fixture, "POST", "/page-data/neighbours", missing, 404);
  g_free (missing);
  missing = g_strdup_printf ("{'project':'%s'}", project);
  none = serve_ask (fixture, "POST", "/page-data/neighbours", missing, 400);
}

/* A search that many runs match finds the traces of all of them, in the order of the list. */
static void
test_frequent_search (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (JsonNode) list = NULL;
  g_autofree char *numbers = NULL;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 2500; i++)
    {
      page_append_run (body, 2 * i, 2 * i, 0, "");
      page_append_run (body, 2 * i + 1, 2 * i, 2 * i, "'inputs':{'q':'frequent'}");
    }
  page_append_run (body, 0x2000, 0x2000, 0, "'inputs':{'q':'other'}");
  page_post_runs (fixture, body->str);
  list = page_list_traces (fixture, "'search':'frequent','limit':3");
  numbers = page_dup_numbers (list, "rows");
  g_assert_cmpstr (numbers, ==, "1388 1386 1384");
  g_assert_cmpint (json_object_get_int_member (page_get_object (list), "n"), ==, 1000);
  g_assert_true (json_object_get_boolean_member (page_get_object (list), "n_more"));
}

/* What was found is deleted, or all; the project stays. */
static void
test_clear (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *project = NULL;
  g_autofree char *some = NULL;
  g_autofree char *all = NULL;
  g_autoptr (JsonNode) first = NULL;
  g_autoptr (JsonNode) second = NULL;
  g_autofree char *still = NULL;

  serve_start (fixture, NULL, NULL);
  post_some (fixture);
  project = page_dup_project (fixture);
  some = g_strdup_printf ("{'project':'%s','search':'needle'}", project);
  all = g_strdup_printf ("{'project':'%s'}", project);
  first = serve_ask (fixture, "POST", "/page-data/clear", some, 200);
  g_assert_cmpint (json_object_get_int_member (page_get_object (first), "n_traces"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (page_get_object (first), "n_runs"), ==, 2);
  page_assert_traces (fixture, "", "90 80 70 60 50 30 20 10");
  second = serve_ask (fixture, "POST", "/page-data/clear", all, 200);
  g_assert_cmpint (json_object_get_int_member (page_get_object (second), "n_traces"), ==, 8);
  page_assert_traces (fixture, "", "");
  still = page_dup_project (fixture);
  g_assert_cmpstr (still, ==, project);
}

/* All that a filter finds is deleted, however much it is, and nothing else. */
static void
test_clear_many (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *project = NULL;
  g_autofree char *some = NULL;
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (GString) large = g_string_new (NULL);
  g_autoptr (JsonNode) cleared = NULL;
  g_autoptr (JsonNode) list = NULL;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 1300; i++)
    page_append_run (body, i, i, 0, i % 10 == 0 ? "'tags':['keep']" : "'tags':['drop']");
  page_post_runs (fixture, body->str);
  /* one of them has more runs than a transaction takes, and some have more than what is left in one */
  for (guint i = 0; i < 600; i++)
    page_append_run (large, 20000 + i, 651, 651, "");
  for (guint i = 0; i < 600; i++)
    page_append_run (large, 30000 + i, 641 + i % 3, 641 + i % 3, "");
  page_post_runs (fixture, large->str);
  project = page_dup_project (fixture);
  /* where a list has ended is not where this one begins */
  some = g_strdup_printf ("{'project':'%s','filter':'has(tags, \\'drop\\')','limit':3}", project);
  cleared = serve_ask (fixture, "POST", "/page-data/clear", some, 200);
  g_assert_cmpint (json_object_get_int_member (page_get_object (cleared), "n_traces"), ==, 1170);
  g_assert_cmpint (json_object_get_int_member (page_get_object (cleared), "n_runs"), ==, 2370);
  list = page_list_traces (fixture, "'limit':500");
  g_assert_cmpint (json_object_get_int_member (page_get_object (list), "n"), ==, 130);
  for (guint i = 0; i < page_get_length (list, "rows"); i++)
    g_assert_cmpstr (json_array_get_string_element (
                         json_object_get_array_member (page_get_element (list, "rows", i), "tags"),
                         0),
                     ==, "keep");
}

/* --- one trace ----------------------------------------------------------------------------- */

/* A trace is a list of its runs in the order of the tree, whatever their order and their parents are. */
static void
test_trace (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (JsonNode) trace = NULL;
  g_autoptr (JsonNode) by_child = NULL;
  g_autoptr (JsonNode) later = NULL;
  g_autoptr (JsonNode) nothing = NULL;
  g_autoptr (JsonNode) missing = NULL;
  g_autofree char *project = NULL;
  g_autofree char *numbers = NULL;
  g_autofree char *path = NULL;
  JsonObject *run;

  serve_start (fixture, NULL, NULL);
  page_append_run (body, 0x10, 0x10, 0, "'name':'older'");
  page_append_run (body, 0x90, 0x90, 0, "'name':'newer'");
  /* A child before its parent, an orphan, and two that are below each other. */
  page_append_run (body, 0x24, 0x20, 0x21, "'name':'leaf','error':'deep\\nproblem'");
  page_append_run (body, 0x25, 0x20, 0x7777, "'name':'orphan'");
  page_append_run (body, 0x26, 0x20, 0x27, "'name':'ring a'");
  page_append_run (body, 0x27, 0x20, 0x26, "'name':'ring b'");
  page_append_run (body, 0x22, 0x20, 0x20,
                   "'name':'model','run_type':'llm','events':[{'name':'new_token','time':"
                   "'2026-03-01T00:00:35Z'},{'name':'retry','time':'2026-03-01T00:00:36Z'},"
                   "{'name':'odd'},7],'extra':{'metadata':{'usage_metadata':{'input_tokens':5}}}");
  page_append_run (body, 0x21, 0x20, 0x20, "'name':'step','tags':['x']");
  page_append_run (body, 0x20, 0x20, 0, "'name':'root','inputs':{'q':'long'}");
  page_post_runs (fixture, body->str);

  trace = page_get (fixture, "/page-data/traces/01900000-0000-7000-8000-000000000020");
  numbers = page_dup_numbers (trace, "runs");
  g_assert_cmpstr (numbers, ==, "20 21 24 22 25 26 27");
  project = page_dup_project (fixture);
  g_assert_cmpstr (
      page_get_text (json_object_get_object_member (page_get_object (trace), "project"), "id"), ==,
      project);
  g_assert_cmpstr (page_get_text (page_get_object (trace), "previous"), ==,
                   "01900000-0000-7000-8000-000000000090");
  g_assert_cmpstr (page_get_text (page_get_object (trace), "next"), ==,
                   "01900000-0000-7000-8000-000000000010");
  run = page_get_element (trace, "runs", 0);
  g_assert_cmpstr (page_get_text (run, "parent"), ==, NULL);
  g_assert_cmpint (json_object_get_int_member (run, "depth"), ==, 0);
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (run, "tokens"),
                                               "input"),
                   ==, 5);
  g_assert_false (json_object_has_member (run, "inputs"));
  run = page_get_element (trace, "runs", 2);
  g_assert_cmpstr (page_get_text (run, "parent"), ==, "01900000-0000-7000-8000-000000000021");
  g_assert_cmpint (json_object_get_int_member (run, "depth"), ==, 2);
  g_assert_cmpstr (page_get_text (run, "error"), ==, "deep problem");
  run = page_get_element (trace, "runs", 3);
  g_assert_cmpstr (page_get_text (run, "first_token_time"), ==, "2026-03-01T00:00:35.000000Z");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (run, "events")), ==, 1);
  g_assert_cmpstr (page_get_text (json_array_get_object_element (
                                      json_object_get_array_member (run, "events"), 0),
                                  "name"),
                   ==, "retry");
  run = page_get_element (trace, "runs", 4);
  g_assert_cmpstr (page_get_text (run, "parent"), ==, NULL);
  run = page_get_element (trace, "runs", 6);
  g_assert_cmpint (json_object_get_int_member (run, "depth"), ==, 1);

  /* Any run leads to its trace. */
  by_child = page_get (fixture, "/page-data/traces/01900000-0000-7000-8000-000000000024");
  g_assert_cmpstr (page_get_text (page_get_object (by_child), "id"), ==,
                   "01900000-0000-7000-8000-000000000020");
  missing = serve_ask (fixture, "GET", "/page-data/traces/" TEST_ROOT, NULL, 404);

  /* What has changed since. */
  path = g_strdup_printf ("/page-data/traces/01900000-0000-7000-8000-000000000020?since=%d",
                          (int) json_object_get_int_member (page_get_object (trace), "change"));
  nothing = page_get (fixture, path);
  g_assert_cmpuint (page_get_length (nothing, "runs"), ==, 0);
  page_post_run (fixture, 0x28, 0x20, 0x21, "'name':'more'");
  later = page_get (fixture, path);
  g_assert_cmpuint (page_get_length (later, "runs"), ==, 1);
  g_assert_cmpstr (page_get_text (page_get_element (later, "runs", 0), "name"), ==, "more");
  g_assert_cmpint (json_object_get_int_member (page_get_element (later, "runs", 0), "depth"), ==,
                   2);
}

/* One run is there as a whole, with its files and its feedback. */
static void
test_run (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char multipart[] =
      "--b\r\nContent-Disposition: form-data; name=\"attachment." TEST_ROOT ".a&<b>.svg\"\r\n"
      "Content-Type: image/svg+xml\r\n\r\n<svg onload='x'/>\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"attachment." TEST_ROOT ".p.png\"\r\n"
      "Content-Type: image/png\r\n\r\nPNG\r\n--b--\r\n";
  g_autoptr (GBytes) files = g_bytes_new_static (multipart, strlen (multipart));
  g_autoptr (JsonNode) answer = NULL;
  g_autoptr (JsonNode) feedback = NULL;
  g_autoptr (JsonNode) missing = NULL;
  JsonObject *run;

  serve_start (fixture, NULL, NULL);
  page_post_run (fixture, 1, 1, 0,
                 "'name':'<script>','run_type':'llm','inputs':{'html':'</script><img onerror=x>'},"
                 "'outputs':{'a':1,'usage_metadata':{'input_tokens':1,'output_tokens':2}}");
  page_post_run (
      fixture, 2, 1, 1,
      "'run_type':'llm','outputs':{'usage_metadata':{'input_tokens':10,'output_tokens':0}}");
  g_assert_cmpuint (serve_send (fixture, "POST", "/runs/multipart",
                                "multipart/form-data; boundary=b", NULL, files, NULL),
                    ==, 202);
  feedback = serve_ask (fixture, "POST", "/feedback",
                        "{'run_id':'" TEST_ROOT "','key':'thumb','score':1,'comment':'good'}", 200);
  answer = page_get (fixture, "/page-data/runs/" TEST_ROOT);
  run = json_object_get_object_member (page_get_object (answer), "run");
  g_assert_cmpstr (page_get_text (run, "name"), ==, "<script>");
  g_assert_cmpstr (page_get_text (json_object_get_object_member (run, "inputs"), "html"), ==,
                   "</script><img onerror=x>");
  g_assert_cmpint (json_object_get_int_member (run, "total_tokens"), ==, 13);
  g_assert_cmpint (json_object_get_int_member (
                       json_object_get_object_member (
                           json_object_get_object_member (page_get_object (answer), "own"),
                           "tokens"),
                       "total"),
                   ==, 3);
  g_assert_cmpuint (page_get_length (answer, "feedback"), ==, 1);
  g_assert_cmpstr (page_get_text (page_get_element (answer, "feedback", 0), "comment"), ==, "good");
  g_assert_cmpuint (page_get_length (answer, "attachments"), ==, 2);
  for (guint i = 0; i < 2; i++)
    {
      JsonObject *file = page_get_element (answer, "attachments", i);
      g_autoptr (SoupMessage) message =
          page_send (fixture, "GET", page_get_text (file, "url"), NULL, NULL);
      gboolean is_svg = g_str_has_suffix (page_get_text (file, "name"), ".svg");

      g_assert_cmpuint (soup_message_get_status (message), ==, 200);
      g_assert_cmpint (json_object_get_int_member (file, "size"), >, 0);
      g_assert_cmpstr (page_get_header (message, "X-Content-Type-Options"), ==, "nosniff");
      g_assert_nonnull (strstr (page_get_header (message, "Content-Security-Policy"), "sandbox"));
      g_assert_nonnull (strstr (page_get_header (message, "Content-Security-Policy"), "'none'"));
      g_assert_cmpstr (page_get_header (message, "Content-Type"), ==,
                       is_svg ? "application/octet-stream" : "image/png");
      g_assert_cmpstr (page_get_header (message, "Content-Disposition"), ==,
                       is_svg ? "attachment" : NULL);
    }
  missing = serve_ask (fixture, "GET", "/page-data/runs/" TEST_OTHER, NULL, 404);
}

/* A trace of 10,000 runs, and one with a text of 5 MB, stay small in lists. */
static void
test_large (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) more = g_string_new ("'outputs':{'text':'");
  g_autofree char *filler = g_strnfill (5 * 1024 * 1024, 'x');
  g_autofree char *answer = NULL;
  g_autofree char *list = NULL;
  g_autofree char *project = NULL;
  g_autofree char *query = NULL;
  g_autofree char *json = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (JsonNode) whole = NULL;
  gint64 start;

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < 10000; i += 1000)
    {
      g_autoptr (GString) runs = g_string_new (NULL);

      for (guint j = i; j < i + 1000; j++)
        page_append_run (
            runs, j + 1, 1, j == 0 ? 0 : (j - 1) / 3 + 1,
            "'name':'step of an agent','run_type':'llm','end_time':'2026-03-01T05:00:00Z',"
            "'extra':{'metadata':{'usage_metadata':{'input_tokens':10,'output_tokens':2}}}");
      page_post_runs (fixture, runs->str);
    }
  start = g_get_monotonic_time ();
  g_assert_cmpuint (serve_send (fixture, "GET", "/page-data/traces/" TEST_ROOT, NULL, NULL, NULL,
                                &answer),
                    ==, 200);
  g_test_message ("10,000 runs: %u bytes in %u ms", (guint) strlen (answer),
                  (guint) ((g_get_monotonic_time () - start) / 1000));
  g_assert_cmpuint (strlen (answer), <=, 3 * 1024 * 1024);
  node = json_from_string (answer, NULL);
  g_assert_cmpuint (page_get_length (node, "runs"), ==, 10000);

  g_string_append_printf (more, "long %s'}", filler);
  page_post_run (fixture, 0x8000, 0x8000, 0, more->str);
  project = page_dup_project (fixture);
  query = g_strdup_printf ("{\"project\":\"%s\"}", project);
  body = g_bytes_new (query, strlen (query));
  g_assert_cmpuint (serve_send (fixture, "POST", "/page-data/traces", "application/json", NULL,
                                body, &list),
                    ==, 200);
  g_assert_cmpuint (strlen (list), <, 4096);
  g_assert_nonnull (strstr (list, "long xxx"));
  whole = page_get (fixture, "/page-data/runs/01900000-0000-7000-8000-000000008000");
  json = json_to_string (whole, FALSE);
  g_assert_nonnull (strstr (json, filler));
}

/* Runs are exported as lines of JSON, under a name of the service. */
static void
test_export (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *lines = NULL;
  g_autofree char *line = NULL;
  g_autofree char *old = NULL;
  g_autoptr (SoupMessage) trace = NULL;
  g_autoptr (SoupMessage) run = NULL;
  g_autoptr (JsonNode) nothing = NULL;
  g_autoptr (JsonNode) missing = NULL;
  g_auto (GStrv) parts = NULL;

  serve_start (fixture, NULL, NULL);
  page_post_run (fixture, 1, 1, 0, "'name':'a\\\"; x=\\\"','inputs':{'q':'line\\nbreak'}");
  page_post_run (fixture, 2, 1, 1, "'name':'child'");
  trace = page_send (fixture, "GET", "/page-data/export?trace=" TEST_ROOT, NULL, &lines);
  g_assert_cmpuint (soup_message_get_status (trace), ==, 200);
  g_assert_cmpstr (page_get_header (trace, "Content-Type"), ==, "application/x-ndjson");
  g_assert_cmpstr (page_get_header (trace, "Content-Disposition"), ==,
                   "attachment; filename=\"trace-" TEST_ROOT ".jsonl\"");
  parts = g_strsplit (lines, "\n", -1);
  g_assert_cmpuint (g_strv_length (parts), ==, 3);
  g_assert_cmpstr (parts[2], ==, "");
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (JsonNode) node = json_from_string (parts[i], NULL);

      g_assert_cmpstr (page_get_text (page_get_object (node), "id"), ==,
                       i == 0 ? TEST_ROOT : TEST_CHILD);
      g_assert_true (json_object_has_member (page_get_object (node), "inputs"));
    }
  run = page_send (fixture, "GET", "/page-data/export?run=" TEST_CHILD, NULL, &line);
  g_assert_cmpstr (page_get_header (run, "Content-Disposition"), ==,
                   "attachment; filename=\"run-" TEST_CHILD ".jsonl\"");
  g_assert_true (strchr (line, '\n') == line + strlen (line) - 1);
  /* A client of HTTP/1.0 knows no chunks. */
  old = serve_send_raw (fixture, "GET /page-data/export?run=" TEST_CHILD
                                 " HTTP/1.0\r\nHost: @H\r\nx-api-key: @T\r\n\r\n");
  g_assert_null (strstr (old, "chunked"));
  g_assert_nonnull (strstr (old, "\r\n\r\n{"));
  g_assert_true (g_str_has_suffix (old, "}\n"));
  nothing = serve_ask (fixture, "GET", "/page-data/export", NULL, 400);
  missing = serve_ask (fixture, "GET", "/page-data/export?trace=" TEST_OTHER, NULL, 404);
}

/* (nullable): what the status of the service says of its memory, in KiB, or 0 */
static guint
read_peak (ServeFixture *fixture)
{
  g_autofree char *path =
      g_strdup_printf ("/proc/%s/status", g_subprocess_get_identifier (fixture->process));
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  line = strstr (text, "VmHWM:");
  return line != NULL ? (guint) g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) : 0;
}

#define EXPORT_RUNS  600
#define EXPORT_BYTES (100 * 1024)

static void
post_huge (ServeFixture *fixture)
{
  g_autofree char *filler = g_strnfill (EXPORT_BYTES, 'x');

  for (guint i = 1; i <= EXPORT_RUNS; i += 20)
    {
      g_autoptr (GString) body = g_string_new (NULL);

      for (guint j = i; j < i + 20; j++)
        {
          g_autofree char *more = g_strdup_printf ("'outputs':{'text':'%s'}", filler);

          page_append_run (body, j, 1, 1, more);
        }
      page_post_runs (fixture, body->str);
    }
}

/* A huge trace is sent piece by piece: the memory of the service does not grow with it, it answers others
 * meanwhile, and it goes on if the client closes the connection in the middle. */
static void
test_export_huge (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *uri = NULL;
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (SoupMessage) other = NULL;
  g_autoptr (SoupMessage) slow = NULL;
  g_autoptr (GInputStream) waiting = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GInputStream) cut = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (JsonNode) between = NULL;
  g_autoptr (JsonNode) after = NULL;
  g_autoptr (GError) error = NULL;
  guint before;
  guint peak;

  serve_start (fixture, NULL, NULL);
  post_huge (fixture);
  before = read_peak (fixture);
  uri = g_strconcat (fixture->url, "/page-data/export?trace=" TEST_ROOT, NULL);
  message = soup_message_new ("GET", uri);
  soup_message_headers_replace (soup_message_get_request_headers (message), "x-api-key",
                                fixture->token);
  stream = soup_session_send (fixture->session, message, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soup_message_get_status (message), ==, 200);
  g_assert_cmpint (soup_message_headers_get_encoding (soup_message_get_response_headers (message)),
                   ==, SOUP_ENCODING_CHUNKED);
  g_assert_cmpstr (page_get_header (message, "Content-Type"), ==, "application/x-ndjson");
  between = page_get (fixture, "/sessions");
  lines = g_data_input_stream_new (stream);
  for (guint i = 0; i < EXPORT_RUNS; i++)
    {
      g_autofree char *line = g_data_input_stream_read_line_utf8 (lines, NULL, NULL, &error);
      g_autoptr (JsonNode) node = line != NULL ? json_from_string (line, NULL) : NULL;

      g_assert_no_error (error);
      g_assert_nonnull (node);
      g_assert_cmpuint (strlen (json_object_get_string_member (
                            json_object_get_object_member (page_get_object (node), "outputs"),
                            "text")),
                        ==, EXPORT_BYTES);
      g_assert_true (
          g_hash_table_add (seen, g_strdup (page_get_text (page_get_object (node), "id"))));
    }
  g_assert_null (g_data_input_stream_read_line_utf8 (lines, NULL, NULL, &error));
  g_assert_no_error (error);
  peak = read_peak (fixture);
  g_test_message ("60 MB of lines: %u KiB more in memory", peak - before);
  /* A sanitizer keeps what was freed. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  g_assert_cmpuint (peak, <, before + 24 * 1024);
#endif

  other = soup_message_new ("GET", uri);
  soup_message_headers_replace (soup_message_get_request_headers (other), "x-api-key",
                                fixture->token);
  cut = soup_session_send (fixture->session, other, NULL, &error);
  g_assert_no_error (error);
  g_input_stream_close (cut, NULL, NULL);
  after = page_get (fixture, "/sessions");

  /* A client that reads nothing does not keep the service from its end. */
  slow = soup_message_new ("GET", uri);
  soup_message_headers_replace (soup_message_get_request_headers (slow), "x-api-key",
                                fixture->token);
  waiting = soup_session_send (fixture->session, slow, NULL, &error);
  g_assert_no_error (error);
  serve_stop (fixture, SIGTERM);
}

/* --- threads and charts -------------------------------------------------------------------- */

static void
test_threads (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autofree char *project = NULL;
  g_autofree char *path = NULL;
  g_autofree char *one_path = NULL;
  g_autofree char *escaped = NULL;
  g_autofree char *bad_path = NULL;
  g_autoptr (JsonNode) list = NULL;
  g_autoptr (JsonNode) one = NULL;
  g_autoptr (JsonNode) refused = NULL;
  g_autoptr (GString) names = g_string_new (NULL);
  g_autofree char *cursor = g_strdup ("");
  g_autofree char *numbers = NULL;
  JsonObject *row;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 9; i++)
    {
      g_autofree char *more =
          g_strdup_printf ("'inputs':{'q':'question %u'},'outputs':{'a':'answer %u'}%s,'end_time':"
                           "'2026-03-01T01:00:00Z','extra':{'metadata':{'thread_id':'%s'}}",
                           i, i, i == 4 ? ",'error':'no'" : "",
                           i % 2 == 0 ? "even/& ?"
                           : i < 6    ? "odd"
                                      : "late");

      page_append_run (body, i, i, 0, more);
    }
  page_append_run (body, 10, 10, 0, "'name':'no thread'");
  /* Below the root, a thread makes no new trace. */
  page_append_run (body, 11, 8, 8,
                   "'run_type':'llm','extra':{'metadata':{'thread_id':'even/& ?',"
                   "'usage_metadata':{'input_tokens':6}}}");
  page_post_runs (fixture, body->str);
  project = page_dup_project (fixture);
  path = g_strconcat ("/page-data/threads?project=", project, NULL);
  list = page_get (fixture, path);
  g_assert_cmpuint (page_get_length (list, "rows"), ==, 3);
  row = page_get_element (list, "rows", 1);
  g_assert_cmpstr (page_get_text (row, "thread"), ==, "even/& ?");
  g_assert_cmpstr (page_get_text (row, "first_time"), ==, "2026-03-01T00:00:02.000000Z");
  g_assert_cmpstr (page_get_text (row, "last_time"), ==, "2026-03-01T00:00:08.000000Z");
  g_assert_cmpint (json_object_get_int_member (row, "n_traces"), ==, 4);
  g_assert_cmpint (json_object_get_int_member (row, "n_errors"), ==, 1);
  g_assert_true (json_object_get_boolean_member (row, "error"));
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (row, "tokens"),
                                               "total"),
                   ==, 6);
  g_assert_cmpstr (page_get_text (row, "input"), ==, "question 2");
  g_assert_cmpstr (page_get_text (row, "output"), ==, "answer 8");
  for (guint i = 0; i < 5 && cursor != NULL; i++)
    {
      g_autofree char *encoded = g_uri_escape_string (cursor, NULL, FALSE);
      g_autofree char *page_path =
          g_strdup_printf ("%s&limit=1%s%s", path, *cursor != '\0' ? "&cursor=" : "", encoded);
      g_autoptr (JsonNode) page = page_get (fixture, page_path);

      g_string_append_printf (names, "[%s]",
                              page_get_text (page_get_element (page, "rows", 0), "thread"));
      g_free (cursor);
      cursor = g_strdup (page_get_text (page_get_object (page), "cursor"));
    }
  g_assert_cmpstr (names->str, ==, "[late][even/& ?][odd]");

  /* One of them, in two pages. */
  escaped = g_uri_escape_string ("even/& ?", NULL, FALSE);
  one_path = g_strdup_printf ("%s&thread=%s&limit=3", path, escaped);
  one = page_get (fixture, one_path);
  numbers = page_dup_numbers (one, "traces");
  g_assert_cmpstr (numbers, ==, "2 4 6");
  g_assert_cmpstr (
      page_get_text (json_object_get_object_member (page_get_element (one, "traces", 0), "inputs"),
                     "q"),
      ==, "question 2");
  g_assert_cmpstr (page_get_text (page_get_element (one, "traces", 1), "error"), ==, "no");
  {
    g_autofree char *next_path =
        g_strconcat (one_path, "&cursor=", page_get_text (page_get_object (one), "cursor"), NULL);
    g_autoptr (JsonNode) next = page_get (fixture, next_path);
    g_autofree char *last = page_dup_numbers (next, "traces");

    g_assert_cmpstr (last, ==, "8");
    g_assert_true (json_object_get_null_member (page_get_object (next), "cursor"));
  }
  bad_path = g_strconcat (path, "&cursor=x", NULL);
  refused = serve_ask (fixture, "GET", bad_path, NULL, 400);
}

static void
test_chart (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autofree char *project = NULL;
  g_autofree char *path = NULL;
  g_autofree char *all_path = NULL;
  g_autofree char *bad_path = NULL;
  g_autoptr (JsonNode) chart = NULL;
  g_autoptr (JsonNode) all = NULL;
  g_autoptr (JsonNode) refused = NULL;
  JsonObject *bucket;
  gint64 n = 0;

  serve_start (fixture, NULL, NULL);
  for (guint i = 1; i <= 20; i++)
    {
      g_autofree char *more = g_strdup_printf (
          "'run_type':'llm','end_time':'2026-03-01T00:00:%02u.%uZ'%s,'events':[{'name':'new_token',"
          "'time':'2026-03-01T00:00:%02u.25Z'}],'outputs':{'usage_metadata':{'input_tokens':%u,"
          "'total_cost':0.5}}",
          i + i / 10, i % 10, i % 5 == 0 ? ",'error':'no'" : "", i, i);

      page_append_run (body, i, i, 0, more);
    }
  page_post_runs (fixture, body->str);
  project = page_dup_project (fixture);
  path = g_strdup_printf ("/page-data/chart?project=%s&start=2026-03-01T00:00:00Z"
                          "&end=2026-03-01T00:00:40Z&buckets=4",
                          project);
  chart = page_get (fixture, path);
  g_assert_cmpuint (page_get_length (chart, "buckets"), ==, 4);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (page_get_object (chart),
                                                                 "seconds"),
                                  10, 1e-6);
  bucket = page_get_element (chart, "buckets", 0);
  g_assert_cmpstr (page_get_text (bucket, "start"), ==, "2026-03-01T00:00:00.000000Z");
  g_assert_cmpint (json_object_get_int_member (bucket, "n"), ==, 9);
  g_assert_cmpint (json_object_get_int_member (bucket, "errors"), ==, 1);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (bucket, "latency_p50"), 0.5, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (bucket, "latency_p95"), 0.9, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (bucket, "first_token_p50"), 0.25,
                                  1e-6);
  g_assert_cmpint (json_object_get_int_member (bucket, "tokens"), ==, 45);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (bucket, "cost"), 4.5, 1e-6);
  bucket = page_get_element (chart, "buckets", 3);
  g_assert_cmpint (json_object_get_int_member (bucket, "n"), ==, 0);
  g_assert_true (json_object_get_null_member (bucket, "latency_p50"));

  all_path = g_strdup_printf ("/page-data/chart?project=%s&buckets=7", project);
  all = page_get (fixture, all_path);
  for (guint i = 0; i < 7; i++)
    n += json_object_get_int_member (page_get_element (all, "buckets", i), "n");
  g_assert_cmpint (n, ==, 20);
  bad_path = g_strdup_printf ("/page-data/chart?project=%s&buckets=0", project);
  refused = serve_ask (fixture, "GET", bad_path, NULL, 400);
}

#define ADD(path, func) \
 g_test_add (path, ServeFixture, NULL, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/page-api/row", test_row);
  ADD ("/page-api/traces", test_traces);
  ADD ("/page-api/neighbours", test_neighbours);
  ADD ("/page-api/frequent-search", test_frequent_search);
  ADD ("/page-api/clear", test_clear);
  ADD ("/page-api/clear-many", test_clear_many);
  ADD ("/page-api/trace", test_trace);
  ADD ("/page-api/run", test_run);
  ADD ("/page-api/large", test_large);
  ADD ("/page-api/export", test_export);
  ADD ("/page-api/export-huge", test_export_huge);
  ADD ("/page-api/threads", test_threads);
  ADD ("/page-api/chart", test_chart);
  return g_test_run ();
}
