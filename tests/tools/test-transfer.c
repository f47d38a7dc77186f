/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "lsobs export" and "lsobs import": what goes out comes back. */

#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include <json-glib/json-glib.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/serve-helpers.h"
#include "tools/store/attachment.h"
#include "tools/store/feedback.h"
#include "tools/store/project.h"

#define ORPHAN "01900000-0000-7000-8000-0000000000aa"

static Store *
open_to_write (const char *path)
{
  g_autoptr (GError) error = NULL;
  Store *store = store_open (path, DATABASE_READ_WRITE, &error);

  g_assert_no_error (error);
  return store;
}

static void
add_attachment (Store *store, const char *id, const char *name, const char *data)
{
  g_autoptr (GError) error = NULL;
  LsobsId run_id;

  test_parse_id (id, &run_id);
  store_begin (store, &error);
  attachment_write (store, &run_id, name, "text/plain", data, strlen (data), &error);
  g_assert_no_error (error);
  store_commit (store, &error);
  g_assert_no_error (error);
}

static void
add_feedback (Store *store, const char *json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Feedback) feedback = feedback_new_from_json (NULL, json, strlen (json), &error);

  g_assert_no_error (error);
  store_begin (store, &error);
  feedback_write (store, feedback, &error);
  g_assert_no_error (error);
  store_commit (store, &error);
  g_assert_no_error (error);
}

/* A run that has failed, one that runs, one with 5 MB, one of which only an update has come, names of files that
 * want out, text of all kinds, and what has no run. */
static void
fill (Store *store)
{
  g_autofree char *large = g_strnfill (5 * 1024 * 1024, 'x');
  g_autofree char *json = g_strdup_printf (
      "{'id':'" TEST_CHILD "','trace_id':'" TEST_ROOT "','parent_run_id':'" TEST_ROOT
      "','dotted_order':'20260301T093015250000Z" TEST_ROOT ".20260301T093016000000Z" TEST_CHILD
      "','name':'llm','run_type':'llm',"
      "'session_name':'own','outputs':{'text':'%s'},"
      "'extra':{'metadata':{'usage_metadata':{'input_tokens':7,'output_tokens':5}}}}",
      large);
  g_autoptr (GError) error = NULL;

  test_apply (store, CHANGE_CREATE,
              "{'id':'" TEST_ROOT "','trace_id':'" TEST_ROOT
              "','dotted_order':'20260301T093015250000Z" TEST_ROOT
              "','name':'wörk \\u001b[31m','session_name':'own','run_type':'chain',"
              "'start_time':'2026-03-01T09:30:15.25Z','end_time':'2026-03-01T09:30:19.000001Z',"
              "'inputs':{'odd':'\\ud800','n':1234567890123456789,'f':0.1000000000000000055},"
              "'error':'boom','tags':['a','ü'],'events':[{'name':'new_token',"
              "'time':'2026-03-01T09:30:16Z'}],'serialized':{'id':1},"
              "'reference_example_id':'" TEST_OTHER "'}");
  test_apply (store, CHANGE_CREATE, json);
  test_apply (store, CHANGE_UPDATE,
              "{'id':'" TEST_LEAF "','trace_id':'" TEST_ROOT "','parent_run_id':'" TEST_CHILD
              "','end_time':'2026-03-01T09:30:17Z','outputs':{'late':true}}");
  test_apply (store, CHANGE_CREATE,
              "{'id':'" TEST_OTHER "','name':'runs on','run_type':'tool','session_name':'second',"
              "'start_time':'2026-03-02T09:30:15Z','inputs':{}}");
  add_attachment (store, TEST_ROOT, "../../x", "out");
  add_attachment (store, TEST_ROOT, ".._.._x", "same name");
  add_attachment (store, TEST_ROOT, "..", "up");
  add_attachment (store, ORPHAN, "/etc/passwd", "without a run");
  add_feedback (store, "{\"id\":\"" ORPHAN "\",\"run_id\":\"" TEST_ROOT
                       "\",\"key\":\"helpful\",\"score\":true,\"comment\":\"gut \\u00fc\"}");
  add_feedback (store, "{\"id\":\"" TEST_OTHER "\",\"key\":\"alone\",\"value\":\"x\"}");
  store_begin (store, &error);
  project_free (project_create (store, NULL, "empty", "nothing in it", "{\"a\":1}", TRUE, &error));
  g_assert_no_error (error);
  store_commit (store, &error);
  g_assert_no_error (error);
}

static void
fill_database (ServeFixture *fixture)
{
  g_autoptr (Store) store = open_to_write (fixture->database);

  fill (store);
}

/* Runs lsobs; in @words, @D stands for the database, @F for the folder. Returns: the exit code */
static int
run (ServeFixture *fixture, const char *words, char **output, char **errors)
{
  g_autoptr (GString) line = g_string_new (words);

  g_string_replace (line, "@D", fixture->database, 0);
  g_string_replace (line, "@F", fixture->folder, 0);
  return serve_run (fixture, line->str, output, errors);
}

/* (transfer full): each line but the time at which a run has come */
static char *export(ServeFixture *fixture, const char *words)
{
  g_autofree char *errors = NULL;
  char *output = NULL;
  int code = run (fixture, words, &output, &errors);

  g_assert_cmpstr (errors, ==, "");
  g_assert_cmpint (code, ==, 0);
  return output;
}

static char *
read_file (ServeFixture *fixture, const char *name)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static void
write_file (ServeFixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

/* All that a store has but the times of receipt and the numbers of changes. */
static void
assert_same_tables (ServeFixture *fixture, const char *other)
{
  static const char *const tables[] = {
    "SELECT r.id, trace_id, parent_id, p.name, r.created, status, run_type, r.name, start_time,"
    " end_time, first_token_time, total_tokens, tree_total_tokens, tree_first_token_time, thread,"
    " tags, dotted_order FROM @.runs AS r JOIN @.projects AS p ON p.seq = r.project",
    "SELECT id, error, reference_example, inputs, outputs, extra, events, serialized"
    " FROM @.runs AS r JOIN @.payloads AS p ON p.seq = r.seq",
    "SELECT run_id, name, type, size, data FROM @.attachments",
    "SELECT id, run_id, key, score, created, modified FROM @.feedback",
    "SELECT id, name, created, ended, description, extra FROM @.projects",
  };
  g_autoptr (Store) store = open_to_write (fixture->database);
  g_autofree char *attach = g_strdup_printf ("ATTACH '%s/%s' AS other", fixture->folder, other);
  g_autoptr (GError) error = NULL;

  database_execute (store_get_database (store), attach, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    for (guint way = 0; way < 2; way++)
      {
        g_autoptr (GString) own = g_string_new (tables[i]);
        g_autoptr (GString) others = g_string_new (tables[i]);
        g_autofree char *sql = NULL;

        g_string_replace (own, "@", way == 0 ? "main" : "other", 0);
        g_string_replace (others, "@", way == 0 ? "other" : "main", 0);
        sql = g_strdup_printf ("SELECT count(*) FROM (%s EXCEPT %s)", own->str, others->str);
        g_assert_cmpint (test_query_int (store, sql), ==, 0);
        g_clear_pointer (&sql, g_free);
        sql = g_strdup_printf ("SELECT count(*) FROM (%s)", own->str);
        g_assert_cmpint (test_query_int (store, sql), >, 0);
      }
}

/* The whole store goes out and comes back as it was; to import twice changes nothing.
 * @data: (nullable): more words */
static void
test_round_trip (ServeFixture *fixture, gconstpointer data)
{
  const char *words = data;
  g_autofree char *out = g_strconcat ("export -d '@D' -o '@F/out' ", words, NULL);
  g_autofree char *in = g_strconcat ("import -d '@F/b.db' '@F/out' ", words, NULL);
  g_autofree char *first = NULL;
  g_autofree char *again = NULL;
  g_autofree char *said = NULL;
  g_autofree char *path = g_build_filename (fixture->folder, "out", NULL);
  struct stat info;

  fill_database (fixture);
  said = export(fixture, out);
  g_assert_cmpstr (said, ==, "Exported: 4 runs, 4 attachments, 2 feedback, 4 projects\n");
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 07777, ==, 0600);
  first = read_file (fixture, "out");
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *result = export(fixture, in);

      g_assert_cmpstr (result, ==,
                       i == 0 ? "Read: 4 runs, 4 attachments, 2 feedback, 4 projects; new runs: 4; "
                                "refused: 0\n"
                              : "Read: 4 runs, 4 attachments, 2 feedback, 4 projects; new runs: 0; "
                                "refused: 0\n");
      assert_same_tables (fixture, "b.db");
    }
  again = export(fixture, "export -d '@F/b.db'");
  if (words == NULL)
    g_assert_cmpstr (first, ==, again);
}

/* No name of an attachment leaves the folder, and different contents have different files. */
static void
test_hostile_names (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autofree char *folder = g_build_filename (fixture->folder, "files", NULL);
  g_autofree char *errors = NULL;
  g_autoptr (GDir) dir = NULL;
  guint n = 0;

  fill_database (fixture);
  first = export(fixture, "export -d '@D' -a '@F/files'");
  second = export(fixture, "export -d '@D' -a '@F/files'");
  g_assert_cmpstr (first, ==, second);
  dir = g_dir_open (folder, 0, NULL);
  while (g_dir_read_name (dir) != NULL)
    n++;
  g_assert_cmpuint (n, ==, 4);
  g_assert_nonnull (strstr (first, "\"file\":\"" TEST_ROOT "-.._.-2._x\""));
  write_file (fixture, "in",
              "{\"kind\":\"attachment\",\"run_id\":\"" TEST_ROOT
              "\",\"name\":\"a\",\"file\":\"../in\"}\n");
  g_assert_cmpint (run (fixture, "import -d '@F/b.db' -a '@F/files' '@F/in'", NULL, &errors), ==,
                   1);
  g_assert_nonnull (strstr (errors, "line 1: “../in” is not the name"));
}

/* One bad line is refused alone, and told with its number; lines without a kind are runs. */
static void
test_bad_line (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;
  g_autoptr (Store) store = NULL;
  g_autoptr (Run) loaded = NULL;

  write_file (
      fixture, "in",
      "{\"id\":\"" TEST_ROOT "\",\"name\":\"a\",\"run_type\":\"llm\",\"start_time\":"
      "\"2026-03-01T09:30:15.25\",\"inputs\":\"{\\\"q\\\":1}\",\"outputs\":null,\"session_id\":\"" ORPHAN
      "\"}\n"
      "{\"id\":\"" TEST_OTHER "\n"
      "\n"
      "{\"kind\":\"moon\"}\r\n"
      "{\"id\":\"" TEST_CHILD "\",\"name\":\"last\",\"parent_run_id\":\"" TEST_ROOT "\"}");
  g_assert_cmpint (run (fixture, "import -d '@D' --project renamed < '@F/in'", &output, &errors),
                   ==, 1);
  g_assert_nonnull (strstr (errors, "standard input, line 2: "));
  g_assert_nonnull (strstr (errors, "line 4: There is no kind “moon” of lines"));
  g_assert_cmpstr (
      output, ==, "Read: 2 runs, 0 attachments, 0 feedback, 0 projects; new runs: 2; refused: 2\n");
  store = serve_open_store (fixture);
  loaded = test_load (store, TEST_ROOT);
  g_assert_cmpstr (loaded->inputs, ==, "{\"q\":1}");
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM projects WHERE name = 'renamed'"),
                   ==, 1);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM projects"), ==, 1);
}

#define N_LINES 1500

/* Returns: (transfer full) */
static GSubprocess *
start_import (ServeFixture *fixture)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
  g_autoptr (GError) error = NULL;
  GSubprocess *process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                        program, "import", "-d", fixture->database, NULL);

  g_assert_no_error (error);
  return process;
}

/* Two imports write to one database, which neither of them has found there: each gets its turn, and all is there
 * once. Each even line of both is the same run. */
static void
test_two_imports (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 n_new = 0;
  g_autoptr (GSubprocess) first = start_import (fixture);
  g_autoptr (GSubprocess) second = start_import (fixture);
  GSubprocess *const processes[] = { first, second };
  g_autoptr (Store) store = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < N_LINES; i++)
    for (guint j = 0; j < 2; j++)
      {
        g_autofree char *line = g_strdup_printf (
            "{\"id\":\"01900000-0000-7000-8000-%012u\",\"name\":\"run\",\"run_type\":\"tool\","
            "\"session_name\":\"both\",\"start_time\":\"2026-03-01T09:30:15Z\"}\n",
            2 * i + (i % 2 == 0 ? 0 : j));

        g_output_stream_write_all (g_subprocess_get_stdin_pipe (processes[j]), line, strlen (line),
                                   NULL, NULL, &error);
        g_assert_no_error (error);
      }
  for (guint j = 0; j < 2; j++)
    {
      g_autofree char *output = NULL;

      g_subprocess_communicate_utf8 (processes[j], NULL, NULL, &output, NULL, &error);
      g_assert_no_error (error);
      g_assert_true (g_subprocess_get_successful (processes[j]));
      g_assert_true (
          g_str_has_prefix (output, "Read: " G_STRINGIFY (N_LINES) " runs, 0 attachments, "));
      g_assert_true (g_str_has_suffix (output, "; refused: 0\n"));
      n_new += g_ascii_strtoll (strstr (output, "new runs: ") + strlen ("new runs: "), NULL, 10);
    }
  /* What both have is new to one of them. */
  g_assert_cmpint (n_new, ==, N_LINES * 3 / 2);
  store = serve_open_store (fixture);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM runs"), ==, N_LINES * 3 / 2);
  g_assert_cmpint (test_query_int (store, "SELECT count(DISTINCT change) FROM runs"), ==,
                   N_LINES * 3 / 2);
  g_assert_cmpint (test_query_int (store, "SELECT count(*) FROM projects"), ==, 1);
}

/* Lines go to a terminal, too: no character of them has an effect there, and they are the same JSON. */
static void
test_control_characters (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *output = NULL;
  g_auto (GStrv) lines = NULL;
  gboolean found = FALSE;

  {
    g_autoptr (Store) store = open_to_write (fixture->database);

    test_apply (store, CHANGE_CREATE,
                "{'id':'" TEST_ROOT "','name':'a\\u009b31m\\u202e\\u007f ü','run_type':'chain',"
                "'session_name':'\\u009b2J','inputs':{'\\u009d0;x\\u009c':'\\u2028'}}");
  }
  output = export(fixture, "export -d '@D'");
  for (const char *at = output; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      g_assert_true (c == '\n' || (!g_unichar_iscntrl (c) && c != 0x202e && c != 0x2028));
    }
  g_assert_nonnull (strstr (output, "ü"));
  lines = g_strsplit (g_strchomp (output), "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      g_autoptr (JsonNode) node = json_from_string (*line, NULL);
      const char *name =
          json_object_get_string_member_with_default (json_node_get_object (node), "name", "");

      found |= strcmp (name, "a\302\23331m\342\200\256\177 ü") == 0;
    }
  g_assert_true (found);
}

/* A file is there whole or not at all. */
static void
test_output (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *errors = NULL;
  g_autofree char *text = NULL;
  g_autofree char *path = g_build_filename (fixture->folder, "data", NULL);
  g_autoptr (GDir) dir = NULL;
  const char *name;

  fill_database (fixture);
  write_file (fixture, "data/out", "good");
  g_assert_cmpint (run (fixture, "export -d '@D' -o /dev/full", NULL, &errors), ==, 1);
  g_assert_nonnull (strstr (errors, "“/dev/full” cannot be written"));
  g_clear_pointer (&errors, g_free);
  /* A limit of the size of files stands for a disk that is full. */
  {
    g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
    g_autofree char *script =
        g_strdup_printf ("trap '' XFSZ; ulimit -f 100; '%s' export -d '%s' -o '%s/out'", program,
                         fixture->database, path);
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    int status = 0;

    g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL,
                                 &errors, &status, NULL));
    g_assert_cmpint (status, !=, 0);
    g_assert_nonnull (strstr (errors, "cannot be written"));
  }
  text = read_file (fixture, "data/out");
  g_assert_cmpstr (text, ==, "good");
  dir = g_dir_open (path, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    g_assert_false (g_str_has_prefix (name, "out."));
  g_assert_cmpint (run (fixture, "export -d '@D' -o '@F/no/such/out'", NULL, NULL), ==, 1);
}

/* The same choice as of "lsobs list". */
static void
test_choice (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *words;
    guint n_runs;
  } cases[] = {
    { "--project=second", 1 }, { "--errors", 3 },
    { "--search=boom", 3 },    { "--filter='eq(run_type, \"tool\")'", 1 },
    { "--limit=1", 1 },        { "--since=2026-03-02", 1 },
    { TEST_LEAF, 3 },          { "0004 0001", 4 },
    { "--search=nowhere", 0 },
  };
  g_autofree char *errors = NULL;

  fill_database (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *words = g_strconcat ("export -d '@D' ", cases[i].words, NULL);
      g_autofree char *output = export(fixture, words);
      guint n = 0;

      for (const char *at = output; (at = strstr (at, "{\"kind\":\"run\"")) != NULL; at++)
        n++;
      g_assert_cmpuint (n, ==, cases[i].n_runs);
    }
  g_assert_cmpint (run (fixture, "export -d '@D' --since=soon", NULL, NULL), ==, 1);
  g_assert_cmpint (run (fixture, "export -d '@D' --since=5", NULL, &errors), ==, 1);
  g_assert_nonnull (strstr (errors, "“5” is not a time"));
  g_assert_cmpint (run (fixture, "export -d '@D' --project=no", NULL, NULL), ==, 1);
}

/* A service that runs sees what was imported. */
static void
test_with_service (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  g_autoptr (JsonNode) node = NULL;

  serve_start (fixture, NULL, NULL);
  write_file (fixture, "in", "{\"id\":\"" TEST_ROOT "\",\"name\":\"brought\"}\n");
  g_assert_cmpint (run (fixture, "import -d '@D' --json '@F/in'", &output, &errors), ==, 0);
  g_assert_cmpstr (errors, ==, "");
  g_assert_cmpstr (
      output, ==,
      "{\"runs\":1,\"attachments\":0,\"feedback\":0,\"projects\":0,\"refused\":0,\"new_runs\":1}\n");
  node = serve_ask (fixture, "GET", "/runs/" TEST_ROOT, NULL, 200);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (node), "name"), ==,
                   "brought");
}

#define ADD(path, data, func) \
 g_test_add (path, ServeFixture, data, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/transfer/round-trip", NULL, test_round_trip);
  ADD ("/transfer/round-trip-with-files", "--attachments='@F/files'", test_round_trip);
  ADD ("/transfer/hostile-names", NULL, test_hostile_names);
  ADD ("/transfer/bad-line", NULL, test_bad_line);
  ADD ("/transfer/two-imports", NULL, test_two_imports);
  ADD ("/transfer/control-characters", NULL, test_control_characters);
  ADD ("/transfer/output", NULL, test_output);
  ADD ("/transfer/choice", NULL, test_choice);
  ADD ("/transfer/with-service", NULL, test_with_service);
  return g_test_run ();
}
