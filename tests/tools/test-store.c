/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the store makes of changes, in any order, and that it keeps what it has. */

#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/tools/store-helpers.h"
#include "tools/store/attachment.h"
#include "tools/store/feedback.h"
#include "tools/store/project.h"
#include "tools/store/removal.h"
#include "tools/store/schema.h"
#include "tools/store/search-text.h"

#define STAMP      "20260301T093015250000Z"
#define ROOT_ORDER STAMP TEST_ROOT

#define CREATE_ROOT \
 "{'id':'" TEST_ROOT "','trace_id':'" TEST_ROOT "','dotted_order':'" ROOT_ORDER "'," \
 "'name':'agent','run_type':'chain','session_name':'tests','start_time':'2026-03-01T09:30:15.25Z'," \
 "'inputs':{'question':'weather in Bremen?'},'tags':['demo']," \
 "'extra':{'metadata':{'user':'u-1','thread_id':'t-7'},'runtime':{'sdk':'x'}}}"
#define END_ROOT \
 "{'id':'" TEST_ROOT "','end_time':1772357416750,'outputs':{'answer':'rain'}," \
 "'extra':{'metadata':{'user':'u-2'}}}"
#define CREATE_CHILD \
 "{'id':'" TEST_CHILD "','parent_run_id':'" TEST_ROOT "','trace_id':'" TEST_ROOT "'," \
 "'dotted_order':'" ROOT_ORDER "." STAMP TEST_CHILD "','name':'step','run_type':'chain'," \
 "'session_name':'tests','start_time':'2026-03-01T09:30:15.25Z'}"
#define CREATE_LEAF \
 "{'id':'" TEST_LEAF "','parent_run_id':'" TEST_CHILD "','trace_id':'" TEST_ROOT "'," \
 "'dotted_order':'" ROOT_ORDER "." STAMP TEST_CHILD "." STAMP TEST_LEAF "','name':'model'," \
 "'run_type':'llm','session_name':'tests','start_time':'2026-03-01T09:30:15.25Z'," \
 "'end_time':'2026-03-01T09:30:16Z','error':'boom'," \
 "'events':[{'name':'new_token','time':'2026-03-01T09:30:15.5Z'}]," \
 "'extra':{'metadata':{'usage_metadata':{'input_tokens':5,'output_tokens':7,'total_cost':0.25}}}}"

static void
assert_root (Store *store)
{
  g_autoptr (Run) run = test_load (store, TEST_ROOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (Project) project = project_load_seq (store, run->project, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (project->name, ==, "tests");
  g_assert_cmpstr (run->name, ==, "agent");
  g_assert_cmpstr (run->run_type, ==, "chain");
  g_assert_cmpint (run->status, ==, RUN_SUCCESS);
  g_assert_true (run->created);
  g_assert_false (run->has_parent);
  g_assert_cmpint (run->start_time, ==, G_GINT64_CONSTANT (1772357415250000));
  g_assert_cmpint (run->end_time, ==, G_GINT64_CONSTANT (1772357416750000));
  g_assert_cmpstr (run->inputs, ==, "{\"question\":\"weather in Bremen?\"}");
  g_assert_cmpstr (run->outputs, ==, "{\"answer\":\"rain\"}");
  g_assert_cmpstr (run->tags, ==, "[\"demo\"]");
  g_assert_cmpstr (run->thread, ==, "t-7");
  g_assert_cmpstr (run->dotted_order, ==, ROOT_ORDER);
  g_assert_nonnull (strstr (run->extra, "\"user\":\"u-2\""));
  g_assert_nonnull (strstr (run->extra, "\"sdk\":\"x\""));
}

/* A create and the update of its end make the same run, whichever comes first and however often. */
static void
test_orders (StoreFixture *fixture, gconstpointer data)
{
  for (const char *step = data; *step != '\0'; step++)
    test_apply (fixture->store, *step == 'c' ? CHANGE_CREATE : CHANGE_UPDATE,
                *step == 'c' ? CREATE_ROOT : END_ROOT);
  assert_root (fixture->store);
  store_fixture_reopen (fixture);
  assert_root (fixture->store);
  g_assert_cmpint (test_query_int (fixture->store, "SELECT count(*) FROM runs"), ==, 1);
}

/* An update alone shows what it knows; the time is in the id. */
static void
test_update_alone (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (Run) run = NULL;

  test_apply (fixture->store, CHANGE_UPDATE, "{'id':'" TEST_ROOT "','outputs':{'a':1}}");
  run = test_load (fixture->store, TEST_ROOT);
  g_assert_false (run->created);
  g_assert_cmpint (run->status, ==, RUN_PENDING);
  g_assert_cmpint (run->start_time, ==, G_GINT64_CONSTANT (0x019000000000) * 1000);
  g_assert_cmpstr (run->outputs, ==, "{\"a\":1}");
}

/* Sums are the same for each order in which the runs of a trace come. */
static void
test_sums (StoreFixture *fixture, gconstpointer data)
{
  static const char *const ids[] = { TEST_ROOT, TEST_CHILD, TEST_LEAF };

  for (const char *step = data; *step != '\0'; step++)
    test_apply (fixture->store, CHANGE_CREATE,
                *step == 'r'   ? CREATE_ROOT
                : *step == 'c' ? CREATE_CHILD
                               : CREATE_LEAF);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autoptr (Run) run = test_load (fixture->store, ids[i]);

      g_assert_cmpint (run->tree_usage.prompt_tokens, ==, 5);
      g_assert_cmpint (run->tree_usage.completion_tokens, ==, 7);
      g_assert_cmpint (run->tree_usage.total_tokens, ==, 12);
      g_assert_cmpfloat (run->tree_usage.total_cost, ==, 0.25);
      g_assert_cmpint (run->tree_first_token_time, ==, G_GINT64_CONSTANT (1772357415500000));
      g_assert_cmpint (run->usage.total_tokens, ==, i == 2 ? 12 : 0);
    }
  /* The usage is corrected, which all above have to learn. */
  test_apply (fixture->store, CHANGE_UPDATE,
              "{'id':'" TEST_LEAF "','extra':{'metadata':{'usage_metadata':"
              "{'input_tokens':1,'output_tokens':1,'total_tokens':2}}}}");
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autoptr (Run) run = test_load (fixture->store, ids[i]);

      g_assert_cmpint (run->tree_usage.total_tokens, ==, 2);
    }
}

/* A run whose update came first, without its parent, moves below it. */
static void
test_moves (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (Run) root = NULL;
  g_autoptr (Run) leaf = NULL;

  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);
  test_apply (fixture->store, CHANGE_CREATE, CREATE_CHILD);
  test_apply (fixture->store, CHANGE_UPDATE,
              "{'id':'" TEST_LEAF "','run_type':'llm','extra':{'metadata':{'usage_metadata':"
              "{'input_tokens':5,'output_tokens':7}}}}");
  test_apply (fixture->store, CHANGE_CREATE, CREATE_LEAF);
  root = test_load (fixture->store, TEST_ROOT);
  leaf = test_load (fixture->store, TEST_LEAF);
  g_assert_true (leaf->has_parent);
  g_assert_cmpint (leaf->status, ==, RUN_ERROR);
  g_assert_cmpstr (leaf->error, ==, "boom");
  g_assert_cmpint (root->tree_usage.total_tokens, ==, 12);
}

/* A single create may lack trace and dotted order: its parent has them. */
static void
test_completed (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (Run) run = NULL;
  LsobsId root;

  test_parse_id (TEST_ROOT, &root);
  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);
  test_apply (fixture->store, CHANGE_CREATE,
              "{'id':'" TEST_OTHER "','parent_run_id':'" TEST_ROOT
              "','name':'x','run_type':'robot',"
              "'start_time':'2026-03-01T10:30:15.25+01:00','inputs':'text'}");
  run = test_load (fixture->store, TEST_OTHER);
  g_assert_true (_lsobs_id_equal (&run->trace_id, &root));
  g_assert_cmpstr (run->dotted_order, ==, ROOT_ORDER "." STAMP TEST_OTHER);
  g_assert_cmpstr (run->run_type, ==, "chain");
  g_assert_cmpstr (run->inputs, ==, "{\"value\":\"text\"}");
}

/* What strict parsers refuse is repaired; what has no meaning is refused, by its name. */
static void
test_values (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *json;
    const char *name;
  } rows[] = {
    { "{'id':'x'}", "id" },
    { "{'name':'x'}", "id" },
    { "[]", "run" },
    { "{'id':'" TEST_ROOT "','start_time':'yesterday'}", "start_time" },
    { "{'id':'" TEST_ROOT "','end_time':-1}", "end_time" },
    { "{'id':'" TEST_ROOT "','trace_id':7}", "trace_id" },
    { "{'id':'" TEST_ROOT "','parent_run_id':'" TEST_ROOT "'}", "parent_run_id" },
    { "{'id':'" TEST_ROOT "','dotted_order':'x'}", "dotted_order" },
    { "{'id':'" TEST_CHILD "','dotted_order':'" ROOT_ORDER "'}", "dotted_order" },
    { "{'id':'" TEST_ROOT "','dotted_order':'" ROOT_ORDER "','trace_id':'" TEST_CHILD "'}",
      "trace_id" },
    { "{'id':'" TEST_ROOT "','session_id':'p'}", "session_id" },
    { "{'id':'" TEST_ROOT "'", "JSON" },
  };
  g_autoptr (Run) run = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *message = test_refuse (CHANGE_CREATE, rows[i].json);

      g_assert_nonnull (strstr (message, rows[i].name));
    }
  test_apply (
      fixture->store, CHANGE_CREATE,
      "{'id':'" TEST_ROOT "','name':'a\\u0000b','unknown':[1],'outputs':"
      "{'a':NaN,'b':'\\ud800','c':1e999,'d':123456789012345678901234567890,'\\udc00':'\xff'}}");
  run = test_load (fixture->store, TEST_ROOT);
  g_assert_cmpstr (run->name, ==,
                   "a\xef\xbf\xbd"
                   "b");
  g_assert_cmpstr (run->outputs, ==,
                   "{\"a\":null,\"b\":\"\xef\xbf\xbd\",\"c\":null,"
                   "\"d\":\"123456789012345678901234567890\",\"\xef\xbf\xbd\":\"\xef\xbf\xbd\"}");
}

static guint
count_found (Store *store, const char *text)
{
  g_autofree char *query = search_text_make_query (NULL, text);
  gint64 n;
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (query);
  database_query_int (store_get_database (store), &n, -1, &error,
                      "SELECT count(*) FROM search WHERE search MATCH ?", "s", query);
  g_assert_no_error (error);
  return (guint) n;
}

/* A search finds the words of a run as it is, and not as it was. */
static void
test_search (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const hostile[] = { "\"",       "a\" OR \"b", "NEAR(", "*",
                                         "name : x", "-",          "(((",   "{x} AND" };
  LsobsId id;
  RemovalCount count = { 0 };
  g_autoptr (GError) error = NULL;

  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);
  g_assert_cmpuint (count_found (fixture->store, "bremen WEATHER"), ==, 1);
  g_assert_cmpuint (count_found (fixture->store, "\"weather in\""), ==, 1);
  g_assert_cmpuint (count_found (fixture->store, "\"in weather\""), ==, 0);
  g_assert_cmpuint (count_found (fixture->store, "demo"), ==, 1);
  g_assert_cmpuint (count_found (fixture->store, "u-1"), ==, 1);
  /* names of members are no text */
  g_assert_cmpuint (count_found (fixture->store, "question"), ==, 0);
  test_apply (fixture->store, CHANGE_UPDATE, END_ROOT);
  g_assert_cmpuint (count_found (fixture->store, "rain Bremen"), ==, 1);
  g_assert_cmpuint (count_found (fixture->store, "u-1"), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++)
    {
      g_autofree char *query = search_text_make_query (NULL, hostile[i]);

      if (query != NULL)
        count_found (fixture->store, hostile[i]);
    }
  test_parse_id (TEST_ROOT, &id);
  removal_delete_trace (fixture->store, &id, &count, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_found (fixture->store, "rain"), ==, 0);
  database_execute (store_get_database (fixture->store),
                    "INSERT INTO search (search) VALUES ('integrity-check')", &error);
  g_assert_no_error (error);
}

/* Feedback and attachments may come before their run, and go with it. */
static void
test_company (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char text[] = "{\"run_id\":\"" TEST_ROOT "\",\"key\":\"good\",\"score\":true}";
  g_autoptr (GError) error = NULL;
  g_autoptr (Feedback) feedback = feedback_new_from_json (NULL, text, strlen (text), &error);
  g_autoptr (Feedback) changed = NULL;
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *type = NULL;
  RemovalCount count = { 0 };
  LsobsId id;

  g_assert_no_error (error);
  g_assert_cmpfloat (feedback->score, ==, 1);
  test_parse_id (TEST_ROOT, &id);
  g_assert_true (store_begin (fixture->store, &error));
  g_assert_true (feedback_write (fixture->store, feedback, &error));
  changed = feedback_change (fixture->store, &feedback->id, "{\"score\":0.5}", 13, &error);
  g_assert_no_error (error);
  g_assert_true (attachment_write (fixture->store, &id, "a.png", "image/png", "\0\1", 2, &error));
  g_assert_true (attachment_write (fixture->store, &id, "empty", "text/plain", "", 0, &error));
  g_assert_true (store_commit (fixture->store, &error));
  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);

  list = feedback_list (fixture->store, NULL, NULL, 10, 0, &error);
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_cmpfloat (((Feedback *) list->pdata[0])->score, ==, 0.5);
  bytes = attachment_load (fixture->store, &id, "a.png", &type, &error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "\0\1", 2);
  g_assert_cmpstr (type, ==, "image/png");
  removal_delete_trace (fixture->store, &id, &count, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count.n_runs, ==, 1);
  g_assert_cmpint (test_query_int (fixture->store, "SELECT count(*) FROM feedback"), ==, 0);
  g_assert_cmpint (test_query_int (fixture->store, "SELECT count(*) FROM attachments"), ==, 0);
  g_assert_cmpint (test_query_int (fixture->store, "SELECT count(*) FROM payloads"), ==, 0);
}

static void
apply_numbered (Store *store, guint number, gsize n_bytes)
{
  g_autofree char *text = g_strnfill (n_bytes, 'x');
  g_autofree char *json =
      g_strdup_printf ("{'id':'01900000-0000-7000-8000-%012u','name':'n','inputs':{'t':'%s'}}",
                       number, text);

  test_apply (store, CHANGE_CREATE, json);
}

/* The oldest traces go first, and the newest stay. */
static void
test_limits (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  RemovalCount count = { 0 };
  gint64 size;
  gint64 left;

  for (guint i = 1; i <= 60; i++)
    apply_numbered (fixture->store, i, 50000);
  g_assert_true (store_get_size (fixture->store, &size, &error));
  g_assert_true (removal_shrink (fixture->store, size, &count, &error));
  g_assert_cmpuint (count.n_runs, ==, 0);
  g_assert_true (removal_shrink (fixture->store, size / 2, &count, &error));
  g_assert_cmpuint (count.n_runs, >, 25);
  g_assert_true (store_get_size (fixture->store, &left, &error));
  g_assert_cmpint (left, <=, size / 2);
  g_assert_cmpint (test_query_int (fixture->store, "SELECT min(seq) FROM runs"), ==,
                   (gint64) count.n_runs + 1);
  g_assert_cmpint (test_query_int (fixture->store, "SELECT max(seq) FROM runs"), ==, 60);

  database_execute (store_get_database (fixture->store),
                    "UPDATE runs SET received = 5 WHERE seq < 59", &error);
  g_assert_no_error (error);
  g_assert_true (removal_delete_older (fixture->store, 5, &count, &error));
  g_assert_cmpint (test_query_int (fixture->store, "SELECT count(*) FROM runs"), >, 2);
  g_assert_true (removal_delete_older (fixture->store, 6, &count, &error));
  g_assert_cmpint (test_query_int (fixture->store, "SELECT count(*) FROM runs"), ==, 2);
}

static void
test_project (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Project) project = NULL;
  g_autoptr (GPtrArray) list = NULL;
  RemovalCount count = { 0 };

  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);
  test_apply (fixture->store, CHANGE_CREATE, CREATE_CHILD);
  test_apply (fixture->store, CHANGE_CREATE,
              "{'id':'" TEST_OTHER "','address':'lrn:agents/a/environments/e'}");
  list = project_list (fixture->store, NULL, PROJECT_BY_NAME, -1, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (list->len, ==, 2);
  g_assert_cmpstr (((Project *) list->pdata[0])->name, ==, "lrn:agents/a/environments/e");
  project = project_load_name (fixture->store, "tests", &error);
  g_assert_no_error (error);
  removal_delete_project (fixture->store, &project->id, &count, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count.n_runs, ==, 2);
  g_assert_cmpuint (count.n_traces, ==, 1);
  g_assert_null (project_load_name (fixture->store, "tests", &error));
  g_assert_error (error, STORE_ERROR, STORE_ERROR_NOT_FOUND);
  g_assert_cmpint (test_query_int (fixture->store, "SELECT count(*) FROM runs"), ==, 1);
}

/* --- the file --- */

static void
test_private_file (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const suffixes[] = { "", "-wal", "-shm" };
  struct stat info;

  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);
  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *path = g_strconcat (fixture->path, suffixes[i], NULL);

      g_assert_cmpint (g_stat (path, &info), ==, 0);
      g_assert_cmpint (info.st_mode & 0777, ==, 0600);
    }
  /* A file that others could read is closed to them. */
  g_assert_cmpint (g_chmod (fixture->path, 0644), ==, 0);
  store_fixture_reopen (fixture);
  g_assert_cmpint (g_stat (fixture->path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
}

/* The mode of a file that lsobs has not made stays. */
static void
test_foreign_file (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char text[] = "no database, but long enough to look at what is in its first bytes";
  g_autofree char *path = g_build_filename (fixture->folder, "notes", NULL);
  const DatabaseMode modes[] = { DATABASE_READ_ONLY, DATABASE_READ_WRITE };
  struct stat info;

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_autoptr (GError) error = NULL;

      g_file_set_contents (path, text, -1, &error);
      g_assert_no_error (error);
      g_assert_cmpint (g_chmod (path, 0644), ==, 0);
      g_assert_null (store_open (path, modes[i], &error));
      g_assert_error (error, STORE_ERROR, STORE_ERROR_FOREIGN);
      g_assert_cmpint (g_stat (path, &info), ==, 0);
      g_assert_cmpint (info.st_mode & 0777, ==, 0644);
    }
}

/* A database on a disk that cannot be written to can be read, and says why it cannot be changed. */
static void
test_read_only_disk (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *folder = g_path_get_dirname (fixture->path);
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = NULL;
  Store *writer;

  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);
  g_clear_pointer (&fixture->store, store_close);
  g_assert_cmpint (g_chmod (folder, 0500), ==, 0);
  if (access (folder, W_OK) == 0)
    {
      g_assert_cmpint (g_chmod (folder, 0700), ==, 0);
      g_test_skip ("root may write everywhere");
      return;
    }
  store = store_open (fixture->path, DATABASE_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM runs"), ==, 1);
  writer = store_open (fixture->path, DATABASE_READ_WRITE, &error);
  g_assert_cmpint (g_chmod (folder, 0700), ==, 0);
  g_assert_null (writer);
  g_assert_nonnull (strstr (error->message, "read-only"));
}

/* Which changes a store has made, and not another one. */
static void
test_own_changes (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GArray) ranges = g_array_new (FALSE, FALSE, sizeof (ChangeRange));
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) other = store_open (fixture->path, DATABASE_READ_WRITE, &error);
  gint64 change = 0;

  g_assert_no_error (error);
  store_note_changes (fixture->store, ranges);
  for (guint i = 0; i < 9; i++)
    {
      g_autofree char *json =
          g_strdup_printf ("{'id':'01900000-0000-7000-8000-%012u','name':'run'}", i);

      test_apply (i % 3 == 2 ? other : fixture->store, CHANGE_CREATE, json);
      g_assert_true (store_get_last_change (fixture->store, &change, &error));
      g_assert_cmpint (store_has_change (ranges, change), ==, i % 3 != 2);
    }
  g_assert_cmpuint (ranges->len, ==, 3);
  for (gint64 i = 1; i <= change; i++)
    g_assert_cmpint (store_has_change (ranges, i), ==, i % 3 != 0);
  g_assert_false (store_has_change (ranges, 0));
  g_assert_false (store_has_change (ranges, change + 1));
  /* What is rolled back was not made. */
  g_assert_true (store_begin (fixture->store, &error));
  change = store_take_change (fixture->store);
  store_rollback (fixture->store);
  g_assert_false (store_has_change (ranges, change));
}

static void
assert_refused (const char *path, DatabaseMode mode, StoreError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (store_open (path, mode, &error));
  g_assert_error (error, STORE_ERROR, (int) code);
}

static void
test_versions (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Database *database = store_get_database (fixture->store);
  g_autofree char *other = g_build_filename (fixture->folder, "other", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (database_execute (database, "PRAGMA user_version=1000", &error));
  g_clear_pointer (&fixture->store, store_close);
  assert_refused (fixture->path, DATABASE_READ_WRITE, STORE_ERROR_NEWER);
  assert_refused (fixture->path, DATABASE_READ_ONLY, STORE_ERROR_NEWER);
  database = database_open (fixture->path, DATABASE_READ_WRITE, &error);
  g_assert_true (database_execute (database, "PRAGMA user_version=-1", &error));
  database_close (database);
  assert_refused (fixture->path, DATABASE_READ_WRITE, STORE_ERROR_FOREIGN);
  assert_refused (fixture->path, DATABASE_READ_ONLY, STORE_ERROR_FOREIGN);

  g_assert_true (g_file_set_contents (other, "no database of anybody, but a long text", -1, NULL));
  assert_refused (other, DATABASE_READ_WRITE, STORE_ERROR_FOREIGN);
  g_assert_cmpint (g_unlink (other), ==, 0);
  assert_refused (other, DATABASE_READ_ONLY, STORE_ERROR_FAILED);
  database = database_open (other, DATABASE_READ_WRITE, &error);
  g_assert_true (database_execute (database, "CREATE TABLE t (x)", &error));
  database_close (database);
  assert_refused (other, DATABASE_READ_WRITE, STORE_ERROR_FOREIGN);
}

/* A database of an older version is brought to this one, with what it has. */
static void
test_upgrade (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (fixture->folder, "old.db", NULL);
  g_autoptr (GError) error = NULL;
  Database *database = database_open (path, DATABASE_READ_WRITE, &error);
  g_autofree char *copy = g_strdup_printf ("ATTACH '%s' AS new;"
                                           "INSERT INTO runs SELECT * FROM new.runs;"
                                           "INSERT INTO payloads SELECT * FROM new.payloads;"
                                           "INSERT INTO projects SELECT * FROM new.projects",
                                           fixture->path);

  g_assert_no_error (error);
  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);
  test_apply (fixture->store, CHANGE_UPDATE, END_ROOT);
  g_assert_true (schema_upgrade (database, 1, &error));
  g_assert_true (database_execute (database, copy, &error));
  g_assert_false (database_execute (database, "SELECT count(*) FROM main.search", NULL));
  database_close (database);

  assert_refused (path, DATABASE_READ_ONLY, STORE_ERROR_FOREIGN);
  store_close (fixture->store);
  fixture->store = store_open (path, DATABASE_READ_WRITE, &error);
  g_assert_no_error (error);
  assert_root (fixture->store);
  g_assert_cmpuint (count_found (fixture->store, "rain bremen"), ==, 1);
  /* What lists show is made of what was there. */
  g_assert_cmpint (test_query_int (fixture->store,
                                   "SELECT count(*) FROM previews AS v JOIN runs AS r"
                                   " ON r.seq = v.seq WHERE v.input <> '' AND v.output <> ''"),
                   ==, 1);
  g_assert_cmpint (test_query_int (fixture->store, "PRAGMA user_version"), ==, SCHEMA_VERSION);
}

/* What a process has committed is there after it was killed. */
static void
test_killed (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  int ends[2];
  guint n = 0;
  gint64 found;
  pid_t child;

  g_clear_pointer (&fixture->store, store_close);
  g_assert_cmpint (pipe (ends), ==, 0);
  child = fork ();
  if (child == 0)
    {
      Store *store = store_open (fixture->path, DATABASE_READ_WRITE, NULL);

      for (guint i = 1;; i++)
        {
          apply_numbered (store, i, 1000);
          if (write (ends[1], "x", 1) != 1)
            _exit (1);
        }
    }
  close (ends[1]);
  for (char byte; n < 200 && read (ends[0], &byte, 1) == 1;)
    n++;
  g_assert_cmpint (kill (child, SIGKILL), ==, 0);
  /* what it has said before it died */
  for (char byte; read (ends[0], &byte, 1) == 1;)
    n++;
  close (ends[0]);
  waitpid (child, NULL, 0);
  store_fixture_reopen (fixture);
  found = test_query_int (fixture->store, "SELECT count(*) FROM runs");
  g_assert_cmpuint (n, >=, 200);
  g_assert_cmpint (found, >=, n);
  g_assert_cmpint (found, <=, n + 1);
}

/* --- what waits for the disk --- */

/* How often this process has waited for the disk to have the log of a database. */
static guint n_log_syncs = 0;

static void
count_sync (int fd)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autofree char *path = g_file_read_link (link, NULL);

  if (path != NULL && g_str_has_suffix (path, "-wal"))
    n_log_syncs++;
}

/* In place of those of the C library, for SQLite, too. */
__attribute__ ((visibility ("default"))) int
fsync (int fd)
{
  count_sync (fd);
  return 0;
}

__attribute__ ((visibility ("default"))) int
fdatasync (int fd)
{
  count_sync (fd);
  return 0;
}

/* What was written is on the disk, whoever reads meanwhile. */
static void
test_sync (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) reader = NULL;

  test_apply (fixture->store, CHANGE_CREATE, CREATE_ROOT);
  n_log_syncs = 0;
  g_assert_true (store_sync (fixture->store, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (n_log_syncs, ==, 1);
  /* There is nothing more to write. */
  g_assert_true (store_sync (fixture->store, &error));
  g_assert_cmpuint (n_log_syncs, ==, 1);

  /* A reader of the state before keeps the log from being brought into the file. */
  reader = store_open (fixture->path, DATABASE_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_true (database_execute (store_get_database (reader), "BEGIN", NULL));
  g_assert_cmpint (test_query_int (reader, "SELECT count(*) FROM runs"), ==, 1);
  for (guint i = 1; i <= 3; i++)
    {
      apply_numbered (fixture->store, i, 1000);
      n_log_syncs = 0;
      g_assert_true (store_sync (fixture->store, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (n_log_syncs, >, 0);
    }
  /* Other commits do not wait. */
  n_log_syncs = 0;
  apply_numbered (fixture->store, 4, 1000);
  g_assert_cmpuint (n_log_syncs, ==, 0);
  g_assert_cmpint (test_query_int (reader, "SELECT count(*) FROM runs"), ==, 1);
}

/* A reader together with another writer keeps it off: it fails, and succeeds when they are gone. */
static void
test_sync_fails (StoreFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) other = NULL;
  Store *reader;

  g_assert_true (store_sync (fixture->store, NULL));
  other = store_open (fixture->path, DATABASE_READ_WRITE, &error);
  g_assert_no_error (error);
  reader = store_open (fixture->path, DATABASE_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_true (database_execute (store_get_database (reader), "BEGIN", NULL));
  g_assert_cmpint (test_query_int (reader, "SELECT count(*) FROM runs"), ==, 0);
  apply_numbered (fixture->store, 1, 1000);
  g_assert_true (store_begin (other, &error));
  g_assert_false (store_sync (fixture->store, &error));
  g_assert_error (error, STORE_ERROR, STORE_ERROR_BUSY);
  g_clear_error (&error);
  store_rollback (other);
  store_close (reader);
  n_log_syncs = 0;
  g_assert_true (store_sync (fixture->store, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (n_log_syncs, >, 0);
  /* The store is as it was. */
  apply_numbered (fixture->store, 2, 1000);
  g_assert_cmpint (test_query_int (fixture->store, "SELECT count(*) FROM runs"), ==, 2);
}

#define ADD(path, data, func) \
 g_test_add (path, StoreFixture, data, store_fixture_set_up, func, store_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/store/order/create-update", "cu", test_orders);
  ADD ("/store/order/update-create", "uc", test_orders);
  ADD ("/store/order/repeated", "cucu", test_orders);
  ADD ("/store/order/repeated-late", "uucc", test_orders);
  ADD ("/store/update-alone", NULL, test_update_alone);
  ADD ("/store/sums/down", "rcl", test_sums);
  ADD ("/store/sums/up", "lcr", test_sums);
  ADD ("/store/sums/middle-last", "rlc", test_sums);
  ADD ("/store/sums/middle-first", "clr", test_sums);
  ADD ("/store/sums/repeated", "rlclcr", test_sums);
  ADD ("/store/moves", NULL, test_moves);
  ADD ("/store/completed", NULL, test_completed);
  ADD ("/store/values", NULL, test_values);
  ADD ("/store/search", NULL, test_search);
  ADD ("/store/company", NULL, test_company);
  ADD ("/store/limits", NULL, test_limits);
  ADD ("/store/project", NULL, test_project);
  ADD ("/store/private-file", NULL, test_private_file);
  ADD ("/store/foreign-file", NULL, test_foreign_file);
  ADD ("/store/read-only-disk", NULL, test_read_only_disk);
  ADD ("/store/own-changes", NULL, test_own_changes);
  ADD ("/store/versions", NULL, test_versions);
  ADD ("/store/upgrade", NULL, test_upgrade);
  ADD ("/store/killed", NULL, test_killed);
  ADD ("/store/sync", NULL, test_sync);
  ADD ("/store/sync-fails", NULL, test_sync_fails);
  return g_test_run ();
}
