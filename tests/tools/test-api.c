/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What "lsobs serve" answers to clients that read. */

#include "config.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "tests/tools/serve-helpers.h"

#define RUN_1    "01900000-0000-7000-8000-000000000001"
#define RUN_2    "01900000-0000-7000-8000-000000000002"
#define FEEDBACK "01900000-0000-7000-8000-0000000000f1"
#define EXAMPLE  "01900000-0000-7000-8000-0000000000e1"
#define MISSING  "01900000-0000-7000-8000-00000000000a"

#define TRACE \
 "{'post':[" \
 "{'id':'" RUN_1 "','trace_id':'" RUN_1 "','dotted_order':'20260301T100000000000Z" RUN_1 "'," \
 "'name':'agent','session_name':'p','start_time':'2026-03-01T10:00:00Z'," \
 "'end_time':'2026-03-01T10:00:05Z','inputs':{'q':'weather'},'outputs':{'a':'rain'},'tags':['t']," \
 "'extra':{'metadata':{'user':'u'}}}," \
 "{'id':'" RUN_2 "','trace_id':'" RUN_1 "','parent_run_id':'" RUN_1 "','dotted_order':" \
 "'20260301T100000000000Z" RUN_1 ".20260301T100001000000Z" RUN_2 "','name':'model'," \
 "'run_type':'llm','session_name':'p','start_time':'2026-03-01T10:00:01Z'," \
 "'end_time':'2026-03-01T10:00:02Z','outputs':{'usage_metadata':{'input_tokens':5," \
 "'output_tokens':6,'total_cost':0.001}},'events':[{'name':'new_token'," \
 "'time':'2026-03-01T10:00:01.5Z'}],'reference_example_id':'01900000-0000-7000-8000-0000000000E1'}]}"

static void
set_up (ServeFixture *fixture, gconstpointer data)
{
  serve_fixture_set_up (fixture, data);
  serve_start (fixture, NULL, NULL);
  json_node_unref (serve_ask (fixture, "POST", "/runs/batch", TRACE, 202));
}

/* (transfer full): the ids of runs by their last digit */
static char *
list_runs (ServeFixture *fixture, const char *body)
{
  g_autoptr (JsonNode) node = serve_ask (fixture, "POST", "/runs/query", body, 200);
  JsonArray *runs = json_object_get_array_member (json_node_get_object (node), "runs");
  GString *found = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (runs); i++)
    g_string_append (found,
                     json_object_get_string_member (json_array_get_object_element (runs, i), "id") +
                         35);

  return g_string_free (found, FALSE);
}

static char *
dup_project_id (ServeFixture *fixture)
{
  g_autoptr (JsonNode) node = serve_ask (fixture, "GET", "/sessions?name=p", NULL, 200);
  JsonArray *list = json_node_get_array (node);

  g_assert_cmpuint (json_array_get_length (list), ==, 1);

  return g_strdup (json_object_get_string_member (json_array_get_object_element (list, 0), "id"));
}

static void
test_run (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) node = serve_ask (fixture, "GET", "/api/v1/runs/" RUN_1, NULL, 200);
  JsonObject *run = json_node_get_object (node);
  g_autofree char *project = dup_project_id (fixture);
  g_autoptr (JsonNode) child = serve_ask (fixture, "GET", "/runs/" RUN_2, NULL, 200);

  g_assert_cmpstr (json_object_get_string_member (run, "name"), ==, "agent");
  g_assert_cmpstr (json_object_get_string_member (run, "status"), ==, "success");
  g_assert_cmpstr (json_object_get_string_member (run, "session_id"), ==, project);
  g_assert_cmpstr (json_object_get_string_member (run, "start_time"), ==,
                   "2026-03-01T10:00:00.000000Z");
  g_assert_cmpstr (json_object_get_string_member (run, "first_token_time"), ==,
                   "2026-03-01T10:00:01.500000Z");
  g_assert_cmpint (json_object_get_int_member (run, "total_tokens"), ==, 11);
  g_assert_cmpstr (json_object_get_string_member (run, "total_cost"), ==, "0.001");
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (run, "outputs"),
                                                  "a"),
                   ==, "rain");
  g_assert_nonnull (strstr (json_object_get_string_member (run, "app_path"), "/r/" RUN_1));
  g_assert_true (json_object_get_null_member (run, "parent_run_id"));
  run = json_node_get_object (child);
  g_assert_cmpstr (
      json_array_get_string_element (json_object_get_array_member (run, "parent_run_ids"), 0), ==,
      RUN_1);
  json_node_unref (serve_ask (fixture, "GET", "/runs/" TEST_OTHER "9", NULL, 400));
  json_node_unref (
      serve_ask (fixture, "GET", "/runs/01900000-0000-7000-8000-00000000000a", NULL, 404));
}

static void
test_query (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *body;
    const char *found;
  } rows[] = {
    { "{}", "21" },
    { "{'order':'asc'}", "12" },
    { "{'is_root':true}", "1" },
    { "{'execution_order':1,'error':null,'use_experimental_search':false}", "1" },
    { "{'run_type':'llm'}", "2" },
    { "{'trace':'" RUN_1 "','is_root':false}", "2" },
    { "{'parent_run':'" RUN_1 "'}", "2" },
    { "{'id':['" RUN_1 "']}", "1" },
    { "{'error':true}", "" },
    { "{'error':false}", "21" },
    { "{'query':'weather'}", "1" },
    { "{'start_time':'2026-03-01T10:00:00.5'}", "2" },
    { "{'filter':'gt(latency, 4)'}", "1" },
    { "{'limit':1}", "2" },
    { "{'limit':100000}", "21" },
    /* what the clients write for Python and JavaScript */
    { "{'is_root':1}", "1" },
    { "{'is_root':0,'error':0}", "2" },
    { "{'reference_example':['" EXAMPLE "']}", "2" },
    { "{'reference_example':'" EXAMPLE "'}", "2" },
    { "{'reference_example':['" MISSING "']}", "" },
    { "{'reference_example':[]}", "" },
    { "{'data_source_type':'current','skip_pagination':true,'skip_prev_cursor':true}", "21" },
    { "{'start_time':'2026-03-01T12:00:00.5+02:00','end_time':null,'id':null,'trace':null}", "2" },
    { "{'end_time':'2026-03-01T10:00:00.5'}", "1" },
    { "{'trace_filter':'eq(name, \\'agent\\')','tree_filter':'gt(total_tokens, 1)'}", "21" },
    { "{'trace_filter':'eq(name, \\'model\\')'}", "" },
    { "{'select':['id','inputs','first_token_time','child_run_ids','messages']}", "21" },
  };
  static const struct
  {
    const char *body;
    const char *name;
  } refused[] = {
    { "{'filter':'eq(colour, 1)'}", "colour" },
    { "{'search_filter':'x'}", "search_filter" },
    { "{'select':['colour']}", "colour" },
    { "{'limit':0}", "limit" },
    { "{'limit':'many'}", "limit" },
    { "{'order':'up'}", "order" },
    { "{'id':['x']}", "id" },
    { "{'is_root':2}", "is_root" },
    { "{'is_root':'yes'}", "is_root" },
    { "{'error':'boom'}", "error" },
    { "{'execution_order':12}", "execution_order" },
    { "{'data_source_type':'elsewhere'}", "data_source_type" },
    { "{'reference_example':['x']}", "reference_example" },
    { "{'trace':'x'}", "trace" },
    { "{'parent_run':[]}", "parent_run" },
    { "{'session':'x'}", "session" },
    { "{'run_type':['llm']}", "run_type" },
    { "{'query':1}", "query" },
    { "{'trace_filter':'x'}", "x" },
    { "{'tree_filter':'eq(colour, 1)'}", "colour" },
    { "{'select':'name'}", "select" },
    { "{'use_experimental_search':true}", "use_experimental_search" },
    { "{'start_time':'soon'}", "start_time" },
    { "{'group_by':'x'}", "group_by" },
    { "{'cursor':'x'}", "cursor" },
    { "[]", "JSON" },
  };
  g_autofree char *project = dup_project_id (fixture);
  g_autofree char *by_project =
      g_strdup_printf ("{'session':['%s'],'select':['id','name']}", project);
  g_autofree char *by_session_id =
      g_strdup_printf ("{'session_id':'%s','trace':'" RUN_1 "','is_root':false}", project);
  g_autofree char *found = list_runs (fixture, by_project);
  g_autofree char *children = list_runs (fixture, by_session_id);

  g_assert_cmpstr (found, ==, "21");
  g_assert_cmpstr (children, ==, "2");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *list = list_runs (fixture, rows[i].body);

      if (strcmp (list, rows[i].found) != 0)
        g_error ("%s finds %s", rows[i].body, list);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (JsonNode) node = serve_ask (fixture, "POST", "/runs/query", refused[i].body, 400);
      const char *message = json_object_get_string_member (json_node_get_object (node), "error");

      if (strstr (message, refused[i].name) == NULL)
        g_error ("%s: %s", refused[i].body, message);
    }
  json_node_unref (serve_ask (fixture, "POST", "/runs/query",
                              "{'session':['01900000-0000-7000-8000-00000000000a']}", 404));
}

/* A page has the members that were asked for, and a cursor to the next. */
static void
test_page (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) first =
      serve_ask (fixture, "POST", "/runs/query", "{'limit':1,'select':['name']}", 200);
  JsonObject *page = json_node_get_object (first);
  JsonObject *run = json_array_get_object_element (json_object_get_array_member (page, "runs"), 0);
  const char *cursor =
      json_object_get_string_member (json_object_get_object_member (page, "cursors"), "next");
  g_autofree char *body = g_strdup_printf ("{'limit':1,'cursor':'%s'}", cursor);
  g_autofree char *next = list_runs (fixture, body);
  g_autoptr (JsonNode) last = serve_ask (fixture, "POST", "/runs/query", body, 200);

  g_assert_cmpuint (json_object_get_size (run), ==, 2);
  g_assert_cmpstr (json_object_get_string_member (run, "name"), ==, "model");
  g_assert_cmpstr (next, ==, "1");
  g_assert_true (json_object_get_null_member (
      json_object_get_object_member (json_node_get_object (last), "cursors"), "next"));
}

static void
test_projects (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *id = dup_project_id (fixture);
  g_autofree char *path = g_strconcat ("/sessions/", id, NULL);
  g_autofree char *with_stats = g_strconcat (path, "?include_stats=true", NULL);
  g_autoptr (JsonNode) node = serve_ask (fixture, "GET", with_stats, NULL, 200);
  JsonObject *project = json_node_get_object (node);
  g_autoptr (JsonNode) made =
      serve_ask (fixture, "POST", "/sessions", "{'name':'other','extra':{'a':1}}", 200);
  g_autofree char *made_path =
      g_strconcat ("/sessions/", json_object_get_string_member (json_node_get_object (made), "id"),
                   NULL);
  g_autoptr (JsonNode) changed = NULL;
  g_autoptr (JsonNode) list = NULL;
  g_autofree char *left = NULL;

  g_assert_cmpstr (json_object_get_string_member (project, "name"), ==, "p");
  g_assert_cmpint (json_object_get_int_member (project, "run_count"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (project, "total_tokens"), ==, 11);
  g_assert_cmpfloat (json_object_get_double_member (project, "latency_p50"), ==, 5);
  g_assert_cmpfloat (json_object_get_double_member (project, "first_token_p99"), ==, 1.5);
  g_assert_cmpfloat (json_object_get_double_member (project, "error_rate"), ==, 0);

  json_node_unref (serve_ask (fixture, "POST", "/sessions", "{'name':'other'}", 409));
  json_node_unref (serve_ask (fixture, "POST", "/sessions?upsert=true", "{'name':'other'}", 200));
  json_node_unref (serve_ask (fixture, "POST", "/sessions", "{}", 400));
  changed = serve_ask (fixture, "PATCH", made_path,
                       "{'name':'new','end_time':'2026-03-01T10:00:00Z','description':'d'}", 200);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (changed), "name"), ==,
                   "new");
  json_node_unref (serve_ask (fixture, "PATCH", made_path, "{'name':'p'}", 409));
  list = serve_ask (fixture, "GET", "/sessions?limit=1&sort_by=name", NULL, 200);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (list)), ==, 1);
  json_node_unref (serve_ask (fixture, "GET", "/sessions?filter=x", NULL, 400));

  json_node_unref (serve_ask (fixture, "DELETE", path, NULL, 202));
  json_node_unref (serve_ask (fixture, "GET", path, NULL, 404));
  left = list_runs (fixture, "{}");
  g_assert_cmpstr (left, ==, "");
}

/* (transfer full): the names of a list of projects */
static char *
list_projects (ServeFixture *fixture, const char *query)
{
  g_autofree char *path = g_strconcat ("/api/v1/sessions", query, NULL);
  g_autoptr (JsonNode) node = serve_ask (fixture, "GET", path, NULL, 200);
  JsonArray *list = json_node_get_array (node);
  GString *found = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (list); i++)
    g_string_append (found, json_object_get_string_member (json_array_get_object_element (list, i),
                                                           "name"));
  return g_string_free (found, FALSE);
}

static void
test_project_lists (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *query;
    const char *found;
  } rows[] = {
    { "?name=p", "p" },
    { "?name=P", "" },
    { "?name=p&limit=1&offset=0&include_stats=false", "p" },
    { "?name=p&limit=1&offset=1", "" },
    { "?name_contains=A", "a" },
    { "?limit=2&offset=1&sort_by=name&sort_by_desc=false", "bp" },
    { "?sort_by=name", "pba" },
    { "?sort_by=start_time&sort_by_desc=true", "bap" },
    { "?sort_by=start_time&sort_by_desc=false", "pab" },
    { "?sort_by=last_run_start_time&sort_by_desc=false&limit=1", "p" },
    { "?reference_dataset=" MISSING, "" },
    { "?reference_free=false", "" },
    { "?reference_free=true&sort_by=name", "pba" },
    { "?id=" MISSING, "" },
  };
  static const char *const refused[] = {
    "filter=x",  "metadata={}", "sort_by=latency_p50", "tag_value_id=" RUN_1, "limit=many",
    "offset=-1", "id=x"
  };
  g_autofree char *id = dup_project_id (fixture);
  g_autofree char *by_id = g_strdup_printf ("?id=" MISSING "&id=%s&limit=10", id);
  g_autofree char *found = NULL;

  json_node_unref (serve_ask (fixture, "POST", "/sessions", "{'name':'a'}", 200));
  json_node_unref (serve_ask (fixture, "POST", "/sessions", "{'name':'b'}", 200));
  found = list_projects (fixture, by_id);
  g_assert_cmpstr (found, ==, "p");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *list = list_projects (fixture, rows[i].query);

      if (strcmp (list, rows[i].found) != 0)
        g_error ("%s finds %s", rows[i].query, list);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autofree char *path = g_strconcat ("/sessions?", refused[i], NULL);
      g_autoptr (JsonNode) node = serve_ask (fixture, "GET", path, NULL, 400);
      g_autofree char *name = g_strndup (refused[i], strcspn (refused[i], "="));
      const char *message = json_object_get_string_member (json_node_get_object (node), "error");

      if (strstr (message, strcmp (name, "id") == 0 ? "session_id" : name) == NULL)
        g_error ("%s: %s", refused[i], message);
    }
  json_node_unref (serve_ask (fixture, "POST", "/sessions",
                              "{'name':'c','reference_dataset_id':'" MISSING "'}", 400));
}

/* What clients ask for besides: the one workspace, and paths below each root of the API. */
static void
test_workspace (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const paths[] = { "/info",         "/api/info", "/api/v1/info",
                                       "/api/v1/info/", "/ok",       "/api/v1/ok" };
  g_autoptr (JsonNode) settings = serve_ask (fixture, "GET", "/api/v1/settings", NULL, 200);
  g_autoptr (JsonNode) workspaces = serve_ask (fixture, "GET", "/api/v1/workspaces", NULL, 200);
  g_autoptr (JsonNode) tenants = serve_ask (fixture, "GET", "/tenants", NULL, 200);
  g_autoptr (JsonNode) projects = serve_ask (fixture, "GET", "/sessions?limit=1", NULL, 200);
  const char *id = json_object_get_string_member (json_node_get_object (settings), "id");
  JsonArray *list = json_node_get_array (workspaces);

  g_assert_cmpuint (json_array_get_length (list), ==, 1);
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (list, 0), "id"),
                   ==, id);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (tenants)), ==, 1);
  g_assert_cmpstr (json_object_get_string_member (
                       json_array_get_object_element (json_node_get_array (projects), 0),
                       "tenant_id"),
                   ==, id);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    json_node_unref (serve_ask (fixture, "GET", paths[i], NULL, 200));
  json_node_unref (serve_ask (fixture, "GET", "/api/v3/info", NULL, 404));
  json_node_unref (serve_ask (fixture, "GET", "/apiary", NULL, 404));
}

/* A run that is changed by the requests of all clients: PATCH without its trace, and with it. */
static void
test_update (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *run;

  json_node_unref (serve_ask (fixture, "PATCH", "/runs/" RUN_1,
                              "{'outputs':{'a':'sun'},'end_time':'2026-03-01T10:00:07'}", 202));
  json_node_unref (serve_ask (fixture, "PATCH", "/api/v1/runs/" RUN_1,
                              "{'id':'" RUN_1 "','trace_id':'" RUN_1 "','tags':['u'],'name':null,"
                              "'extra':null,'error':'boom','session_name':null}",
                              202));
  node = serve_ask (fixture, "GET", "/runs/" RUN_1, NULL, 200);
  run = json_node_get_object (node);
  g_assert_cmpstr (json_object_get_string_member (run, "name"), ==, "agent");
  g_assert_cmpstr (json_object_get_string_member (run, "status"), ==, "error");
  g_assert_cmpstr (json_object_get_string_member (run, "end_time"), ==,
                   "2026-03-01T10:00:07.000000Z");
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (run, "outputs"),
                                                  "a"),
                   ==, "sun");
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (run, "tags"), 0),
                   ==, "u");
  json_node_unref (serve_ask (fixture, "PATCH", "/runs/x", "{}", 422));
}

static char *
list_feedback (ServeFixture *fixture, const char *query)
{
  g_autofree char *path = g_strconcat ("/feedback?", query, NULL);
  g_autoptr (JsonNode) node = serve_ask (fixture, "GET", path, NULL, 200);
  JsonArray *list = json_node_get_array (node);
  GString *found = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (list); i++)
    g_string_append (found, json_object_get_string_member (json_array_get_object_element (list, i),
                                                           "key"));
  return g_string_free (found, FALSE);
}

static void
test_feedback_lists (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *project = dup_project_id (fixture);
  g_autofree char *of_project = g_strdup_printf ("{'key':'a','session_id':'%s','comment':'c',"
                                                 "'created_at':'2026-03-01T01:00:00Z'}",
                                                 project);
  g_autofree char *by_project = g_strdup_printf ("session=%s", project);
  g_autofree char *by_both = g_strdup_printf ("session=%s&run=" RUN_2, project);
  const struct
  {
    const char *query;
    const char *found;
  } rows[] = {
    { "limit=100", "dcba" },
    { "limit=2&offset=1", "cb" },
    { by_project, "cba" },
    { by_both, "c" },
    { "run=" RUN_1 "&run=" RUN_2, "cb" },
    { "key=a&key=d", "da" },
    { "source=model", "c" },
    { "source=model&source=app", "dc" },
    { "source=api", "ba" },
    { "has_score=true", "b" },
    { "has_score=false&has_comment=false", "dc" },
    { "has_comment=True", "a" },
    { "min_created_at=2026-03-01T02:00:00Z&max_created_at=2026-03-01T03:00:00Z", "cb" },
    { "include_user_names=true&run=" RUN_1, "b" },
  };
  static const char *const refused[] = { "user=" RUN_1, "level=run", "run=x",
                                         "has_score=1", "session=x", "max_created_at=x",
                                         "limit=x",     "colour=x" };

  json_node_unref (serve_ask (fixture, "POST", "/feedback", of_project, 200));
  json_node_unref (serve_ask (fixture, "POST", "/api/v1/feedback",
                              "{'key':'b','run_id':'" RUN_1 "','score':1,"
                              "'created_at':'2026-03-01T02:00:00Z'}",
                              200));
  json_node_unref (serve_ask (fixture, "POST", "/feedback/eager",
                              "{'key':'c','run_id':'" RUN_2 "','feedback_source':{'type':'model'},"
                              "'created_at':'2026-03-01T03:00:00Z'}",
                              200));
  json_node_unref (serve_ask (fixture, "POST", "/feedback",
                              "{'key':'d','run_id':'" MISSING "','feedback_source':{'type':'app'},"
                              "'value':{'x':1},'comment':null,'created_at':'2026-03-01T04:00:00Z'}",
                              200));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *list = list_feedback (fixture, rows[i].query);

      if (strcmp (list, rows[i].found) != 0)
        g_error ("%s finds %s", rows[i].query, list);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autofree char *path = g_strconcat ("/feedback?", refused[i], NULL);
      g_autoptr (JsonNode) node = serve_ask (fixture, "GET", path, NULL, 400);
      g_autofree char *name = g_strndup (refused[i], strcspn (refused[i], "="));

      g_assert_nonnull (
          strstr (json_object_get_string_member (json_node_get_object (node), "error"), name));
    }
}

static void
test_feedback (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) made = serve_ask (fixture, "POST", "/feedback",
                                         "{'id':'" FEEDBACK "','run_id':'" RUN_1
                                         "','key':'good','score':0.5,'comment':'c'}",
                                         200);
  g_autoptr (JsonNode) second = serve_ask (fixture, "POST", "/feedback",
                                           "{'run_id':'" RUN_1 "','key':'good','score':true}", 200);
  g_autoptr (JsonNode) list = NULL;
  g_autoptr (JsonNode) run = NULL;
  g_autoptr (JsonNode) changed = NULL;
  JsonObject *stats;

  g_assert_true (json_object_has_member (json_node_get_object (made), "created_at"));
  g_assert_true (json_object_has_member (json_node_get_object (second), "id"));
  list = serve_ask (fixture, "GET", "/feedback?run=" RUN_1 "&run=" RUN_2 "&key=good", NULL, 200);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (list)), ==, 2);
  run = serve_ask (fixture, "GET", "/runs/" RUN_1, NULL, 200);
  stats = json_object_get_object_member (json_object_get_object_member (json_node_get_object (run),
                                                                        "feedback_stats"),
                                         "good");
  g_assert_cmpint (json_object_get_int_member (stats, "n"), ==, 2);
  g_assert_cmpfloat (json_object_get_double_member (stats, "avg"), ==, 0.75);
  changed = serve_ask (fixture, "PATCH", "/feedback/" FEEDBACK, "{'score':1}", 200);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (changed), "comment"), ==,
                   "c");
  json_node_unref (serve_ask (fixture, "GET", "/feedback/" FEEDBACK, NULL, 200));
  json_node_unref (serve_ask (fixture, "DELETE", "/feedback/" FEEDBACK, NULL, 200));
  json_node_unref (serve_ask (fixture, "GET", "/feedback/" FEEDBACK, NULL, 404));
  json_node_unref (serve_ask (fixture, "POST", "/feedback", "{'key':''}", 400));
  json_node_unref (serve_ask (fixture, "POST", "/feedback", "{'key':'k','value':[1]}", 400));
  json_node_unref (serve_ask (fixture, "GET", "/feedback?user=x", NULL, 400));
}

static void
test_delete (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *left = NULL;

  json_node_unref (serve_ask (fixture, "POST", "/runs/delete", "{}", 400));
  json_node_unref (serve_ask (fixture, "POST", "/runs/delete", "{'metadata':{'user':['u']}}", 400));
  json_node_unref (serve_ask (fixture, "POST", "/runs/delete", "{'trace_ids':['" RUN_1 "']}", 200));
  left = list_runs (fixture, "{}");
  g_assert_cmpstr (left, ==, "");
}

static void
test_person (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *answer = NULL;

  g_assert_cmpuint (serve_send (fixture, "GET", "/", NULL, NULL, NULL, &answer), ==, 200);
  g_assert_nonnull (strstr (answer, fixture->url));
  g_assert_null (strstr (answer, fixture->token));
}

#define ADD(path, func) g_test_add (path, ServeFixture, NULL, set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/api/run", test_run);
  ADD ("/api/query", test_query);
  ADD ("/api/page", test_page);
  ADD ("/api/projects", test_projects);
  ADD ("/api/project-lists", test_project_lists);
  ADD ("/api/workspace", test_workspace);
  ADD ("/api/update", test_update);
  ADD ("/api/feedback", test_feedback);
  ADD ("/api/feedback-lists", test_feedback_lists);
  ADD ("/api/delete", test_delete);
  ADD ("/api/person", test_person);
  return g_test_run ();
}
