/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The same little agent in four languages, run as a user runs it: all of them must tell the service
 * the same. And a program with a transport of its own. */

#include <string.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "tests/lib/test-helpers.h"
#include "tests/lib/test-server.h"
#include "tests/lib/test-utils.h"

#define API_KEY "lsv2_pt_0123456789abcdef"
#define PROJECT "tiny agents"
#define ANSWER  "Yes: 4.2 mm of rain are on their way.\n"

/* Ten times what a program waits for the flush and at its end, and far from a hang. */
#define MAX_SECONDS_WHEN_DOWN (TEST_TIMEOUT_MS / 1000)

/* How a language differs from the others, and it may in nothing else. */
typedef struct
{
  const char *language;
  const char *file;         /* of the program or the script */
  const char *interpreter;  /* (nullable) the variable that names it */
  const char *option;       /* (nullable) of the interpreter */
  const char *error_prefix; /* what the text of an error begins with */
  const char *error_domain; /* (nullable) of errors of GLib's */
} Program;

static const Program programs[] = {
  { "c", "tiny-agent", NULL, NULL, "", "g-io-error-quark" },
  { "vala", "tiny-agent-vala", NULL, NULL, "", "station-error-quark" },
  { "python", "tiny-agent.py", "PYTHON", NULL, "StationError: ", NULL },
  { "gjs", "tiny-agent.js", "GJS", "-m", "StationError: ", NULL },
};

/* One run of a program. */
typedef struct
{
  const Program *program;
  TestServer *server;   /* (owned) */
  GSubprocess *process; /* (owned) */
  TestResult result;    /* of the communication with it */
  char *output;         /* (owned) */
  char *messages;       /* (owned) what it said on stderr */
} Job;

/* --- running programs ---------------------------------------------------------------------- */

/* (transfer full) (nullable): how to start it, or NULL with the reason in @why_not */
static char **
dup_command (const Program *program, const char **why_not)
{
  g_autoptr (GStrvBuilder) command = g_strv_builder_new ();
  const char *interpreter = program->interpreter != NULL ? g_getenv (program->interpreter) : NULL;
  const char *source_dir = g_getenv ("LSOBS_EXAMPLES_SOURCE_DIR");
  gboolean is_installed = source_dir == NULL;
  g_autofree char *path = NULL;

  if (program->interpreter == NULL || is_installed)
    source_dir = g_getenv ("LSOBS_EXAMPLES_DIR");
  path = g_build_filename (source_dir, program->file, NULL);

  if (program->interpreter != NULL)
    {
      g_autofree char *typelib =
          g_test_build_filename (G_TEST_BUILT, "..", "lsobs", "Lsobs-1.0.typelib", NULL);

      *why_not = "there is no interpreter for it";
      if (interpreter == NULL || *interpreter == '\0' || g_str_equal (interpreter, "no"))
        return NULL;
      *why_not = "lsobs was built without GObject Introspection";
      if (!is_installed && !g_file_test (typelib, G_FILE_TEST_EXISTS))
        return NULL;
      g_strv_builder_add (command, interpreter);
      if (program->option != NULL)
        g_strv_builder_add (command, program->option);
    }

  *why_not = "it was not built";
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return NULL;
  g_strv_builder_add (command, path);

  return g_strv_builder_end (command);
}

/* (transfer full) (nullable): a program under way, or NULL if there is none in this language */
static Job *
start (const Program *program, gboolean is_traced, const char *endpoint)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) environment = g_listenv ();
  const char *why_not = NULL;
  g_auto (GStrv) command = dup_command (program, &why_not);
  Job *job = NULL;

  if (command == NULL)
    {
      g_test_message ("no program in %s: %s", program->language, why_not);
      return NULL;
    }

  job = g_new0 (Job, 1);
  job->program = program;
  job->server = test_server_new ();

  for (guint i = 0; environment[i] != NULL; i++)
    if (g_str_has_prefix (environment[i], "LANGSMITH_") ||
        g_str_has_prefix (environment[i], "LANGCHAIN_"))
      g_subprocess_launcher_unsetenv (launcher, environment[i]);
  if (endpoint == NULL)
    endpoint = test_server_get_url (job->server);
  if (is_traced)
    g_subprocess_launcher_setenv (launcher, "LANGSMITH_TRACING", "true", TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_API_KEY", API_KEY, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_PROJECT", PROJECT, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_ENDPOINT", endpoint, TRUE);

  job->process = g_subprocess_launcher_spawnv (launcher, (const char *const *) command, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (job->process, NULL, NULL, test_result_cb, &job->result);

  return job;
}

static void
job_free (Job *job)
{
  test_server_free (job->server);
  test_result_clear (&job->result);
  g_object_unref (job->process);
  g_free (job->output);
  g_free (job->messages);
  g_free (job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Job, job_free)

/* Waits for the end, which is a good one with the same answer in any case. */
static void
finish (Job *job)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_communicate_utf8_finish (job->process, test_result_wait (&job->result), &job->output,
                                        &job->messages, &error);
  g_assert_no_error (error);
  g_test_message ("%s: %s%s", job->program->language, job->output, job->messages);

  g_assert_true (g_subprocess_get_if_exited (job->process));
  g_assert_cmpint (g_subprocess_get_exit_status (job->process), ==, 0);
  g_assert_cmpstr (job->output, ==, ANSWER);
}

/* (element-type Job) (transfer full): every program there is, all under way */
static GPtrArray *
start_all (gboolean is_traced, const char *endpoint)
{
  GPtrArray *jobs = g_ptr_array_new_with_free_func ((GDestroyNotify) job_free);

  for (guint i = 0; i < G_N_ELEMENTS (programs); i++)
    {
      Job *job = start (&programs[i], is_traced, endpoint);

      if (job != NULL)
        g_ptr_array_add (jobs, job);
    }
  g_assert_cmpuint (jobs->len, >, 0);

  return jobs;
}

/* --- what came ----------------------------------------------------------------------------- */

static void
remove_members (JsonObject *object, const char *const *names)
{
  for (; *names != NULL; names++)
    {
      g_assert_true (json_object_has_member (object, *names));
      json_object_remove_member (object, *names);
    }
}

/* An error of GLib's is told with its domain and code, an exception with its class. */
static void
normalize_error (JsonObject *run, const Program *program)
{
  static const char *const glib_names[] = { "error_domain", "error_code", NULL };
  const char *text = json_object_get_string_member_with_default (run, "error", NULL);
  g_autofree char *plain = NULL;

  if (text == NULL)
    return;

  if (program->error_domain != NULL)
    {
      JsonObject *extra = json_object_get_object_member (run, "extra");
      JsonObject *metadata = json_object_get_object_member (extra, "metadata");
      const char *domain = json_object_get_string_member (metadata, "error_domain");

      g_assert_cmpstr (domain, ==, program->error_domain);
      remove_members (metadata, glib_names);
    }

  g_assert_true (g_str_has_prefix (text, program->error_prefix));
  plain = g_strdup (text + strlen (program->error_prefix));
  json_object_set_string_member (run, "error", plain);
}

/* All that the service got of a run and of those below it, but for what is new each time. Where it
 * is in the trace is told by where it is in here. */
static JsonNode *
dup_plain_run (WireTree *tree, WireRun *wire_run, const Program *program)
{
  static const char *const new_names[] = { "id",         "trace_id", "dotted_order",
                                           "start_time", "end_time", NULL };
  static const char *const parent_names[] = { "parent_run_id", NULL };
  static const char *const event_names[] = { "time", NULL };
  g_autoptr (GPtrArray) children = wire_tree_dup_children (tree, wire_run->id);
  JsonNode *node = json_node_init_object (json_node_alloc (), wire_run->run);
  g_autofree char *text = json_to_string (node, FALSE);
  JsonArray *list = json_array_new ();
  JsonObject *run = NULL;

  /* a copy in depth */
  json_node_free (node);
  node = json_from_string (text, NULL);
  run = json_node_get_object (node);

  remove_members (run, new_names);
  if (wire_run->parent_id != NULL)
    remove_members (run, parent_names);
  if (json_object_has_member (run, "events"))
    {
      JsonArray *events = json_object_get_array_member (run, "events");

      for (guint i = 0; i < json_array_get_length (events); i++)
        remove_members (json_array_get_object_element (events, i), event_names);
    }
  normalize_error (run, program);

  for (guint i = 0; i < children->len; i++)
    json_array_add_element (list, dup_plain_run (tree, g_ptr_array_index (children, i), program));
  json_object_set_array_member (run, "children", list);

  return node;
}

/* The trace and the feedback that @job has sent. */
static JsonNode *
dup_plain_trace (Job *job)
{
  static const char *const new_names[] = { "id",         "run_id",      "trace_id", "start_time",
                                           "created_at", "modified_at", NULL };
  g_autoptr (WireTree) tree = test_server_build_tree (job->server);
  g_autoptr (GError) error = NULL;
  JsonObject *trace = json_object_new ();
  JsonArray *list = json_array_new ();
  GPtrArray *feedback = wire_tree_get_feedback (tree);
  WireRun *root = wire_tree_get_root (tree);

  test_server_assert_conformant (job->server);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (root);

  for (guint i = 0; i < feedback->len; i++)
    {
      JsonObject *object = g_ptr_array_index (feedback, i);

      g_assert_cmpstr (json_object_get_string_member (object, "run_id"), ==, root->id);
      g_assert_cmpstr (json_object_get_string_member (object, "trace_id"), ==, root->id);
      remove_members (object, new_names);
      json_array_add_object_element (list, json_object_ref (object));
    }

  json_object_set_member (trace, "root", dup_plain_run (tree, root, job->program));
  json_object_set_array_member (trace, "feedback", list);

  return json_node_init_object (json_node_alloc (), trace);
}

/* --- comparing ----------------------------------------------------------------------------- */

/* Adds a line to @report for each field that differs. NULL is a field that is not there. */
static void
compare (const char *path, JsonNode *expected, JsonNode *got, GString *report)
{
  gboolean are_both = expected != NULL && got != NULL;

  if (are_both && JSON_NODE_HOLDS_OBJECT (expected) && JSON_NODE_HOLDS_OBJECT (got))
    {
      JsonObject *a = json_node_get_object (expected);
      JsonObject *b = json_node_get_object (got);
      g_autoptr (GList) a_names = json_object_get_members (a);
      g_autoptr (GList) b_names = json_object_get_members (b);

      for (GList *l = a_names; l != NULL; l = l->next)
        {
          const char *name = l->data;
          g_autofree char *member = g_strconcat (path, ".", name, NULL);

          compare (member, json_object_get_member (a, name), json_object_get_member (b, name),
                   report);
        }
      for (GList *l = b_names; l != NULL; l = l->next)
        {
          const char *name = l->data;
          g_autofree char *member = g_strconcat (path, ".", name, NULL);

          if (!json_object_has_member (a, name))
            compare (member, NULL, json_object_get_member (b, name), report);
        }
    }
  else if (are_both && JSON_NODE_HOLDS_ARRAY (expected) && JSON_NODE_HOLDS_ARRAY (got))
    {
      JsonArray *a = json_node_get_array (expected);
      JsonArray *b = json_node_get_array (got);
      guint n_a = json_array_get_length (a);
      guint n_b = json_array_get_length (b);

      for (guint i = 0; i < MAX (n_a, n_b); i++)
        {
          g_autofree char *element = g_strdup_printf ("%s[%u]", path, i);

          compare (element, i < n_a ? json_array_get_element (a, i) : NULL,
                   i < n_b ? json_array_get_element (b, i) : NULL, report);
        }
    }
  else
    {
      g_autofree char *a = expected != NULL ? wire_json_canonical (expected) : g_strdup ("nothing");
      g_autofree char *b = got != NULL ? wire_json_canonical (got) : g_strdup ("nothing");

      if (!g_str_equal (a, b))
        g_string_append_printf (report, "%s\n  - %s\n  + %s\n", path, a, b);
    }
}

static void
assert_same (const char *expected_name, JsonNode *expected, const char *name, JsonNode *got)
{
  g_autoptr (GString) report = g_string_new (NULL);

  compare ("trace", expected, got, report);
  if (report->len > 0)
    g_error ("%s (-) and %s (+) differ:\n%s", expected_name, name, report->str);
}

/* What depends on the machine and on the version is in no file. */
static void
remove_runtime (JsonNode *run)
{
  static const char *const names[] = { "runtime", NULL };
  JsonObject *object = json_node_get_object (run);
  JsonArray *children = json_object_get_array_member (object, "children");

  remove_members (json_object_get_object_member (object, "extra"), names);
  for (guint i = 0; i < json_array_get_length (children); i++)
    remove_runtime (json_array_get_element (children, i));
}

/* Each run tells the language of its program, and the version of an interpreter. */
static void
normalize_language (JsonNode *run, const Program *program)
{
  static const char *const names[] = { "runtime", NULL };
  static const char *const version_names[] = { "runtime_version", NULL };
  JsonObject *object = json_node_get_object (run);
  JsonObject *extra = json_object_get_object_member (object, "extra");
  JsonObject *runtime = json_object_get_object_member (extra, "runtime");
  JsonArray *children = json_object_get_array_member (object, "children");

  g_assert_cmpstr (json_object_get_string_member (runtime, "runtime"), ==,
                   program->interpreter != NULL ? program->language : "c");
  remove_members (runtime, names);
  if (program->interpreter != NULL)
    {
      const char *version = json_object_get_string_member (runtime, "runtime_version");

      g_assert_true (g_regex_match_simple ("^[0-9]+\\.[0-9]+\\.[0-9]+", version, 0, 0));
      remove_members (runtime, version_names);
    }
  for (guint i = 0; i < json_array_get_length (children); i++)
    normalize_language (json_array_get_element (children, i), program);
}

/* --- tests --------------------------------------------------------------------------------- */

static void
test_tree (gconstpointer data)
{
  const Program *program = data;
  g_autoptr (Job) job = start (program, TRUE, NULL);
  g_autoptr (JsonNode) trace = NULL;
  g_autoptr (JsonNode) expected = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  if (job == NULL)
    {
      const char *why_not = NULL;
      g_auto (GStrv) command = dup_command (program, &why_not);

      g_test_skip (why_not);
      return;
    }

  finish (job);
  g_assert_true (g_str_has_prefix (job->messages, "Traced: project " PROJECT " at http://"));

  bytes = test_data_load ("tiny-agent.json");
  expected = wire_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
  trace = dup_plain_trace (job);
  remove_runtime (json_object_get_member (json_node_get_object (trace), "root"));
  assert_same ("tiny-agent.json", expected, program->language, trace);
}

/* With what no file can know. */
static void
test_same (void)
{
  g_autoptr (GPtrArray) jobs = start_all (TRUE, NULL);
  Job *first_job = g_ptr_array_index (jobs, 0);
  g_autoptr (JsonNode) first_trace = NULL;

  for (guint i = 0; i < jobs->len; i++)
    {
      Job *job = g_ptr_array_index (jobs, i);
      g_autoptr (JsonNode) trace = NULL;

      finish (job);
      trace = dup_plain_trace (job);
      normalize_language (json_object_get_member (json_node_get_object (trace), "root"),
                          job->program);
      if (first_trace == NULL)
        first_trace = json_node_ref (trace);
      assert_same (first_job->program->language, first_trace, job->program->language, trace);
    }
}

static void
test_untraced (void)
{
  g_autoptr (GPtrArray) jobs = start_all (FALSE, NULL);

  for (guint i = 0; i < jobs->len; i++)
    {
      Job *job = g_ptr_array_index (jobs, i);
      g_autoptr (GPtrArray) requests = NULL;

      finish (job);
      g_assert_cmpstr (job->messages, ==, "Not traced: LANGSMITH_TRACING is not on.\n");
      requests = test_server_dup_requests (job->server);
      g_assert_cmpuint (requests->len, ==, 0);
    }
}

/* Waits for all, none of which may take long or have been traced. */
static void
assert_end_untraced (GPtrArray *jobs, gint64 start_time)
{
  for (guint i = 0; i < jobs->len; i++)
    {
      Job *job = g_ptr_array_index (jobs, i);

      finish (job);
      g_assert_nonnull (strstr (job->messages, "Not traced: "));
      g_assert_null (strstr (job->messages, API_KEY));
    }
  g_assert_cmpint (g_get_monotonic_time () - start_time, <, MAX_SECONDS_WHEN_DOWN * G_USEC_PER_SEC);
}

static void
test_service_down (void)
{
  g_autofree char *url = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);
  gint64 start_time = g_get_monotonic_time ();
  g_autoptr (GPtrArray) jobs = start_all (TRUE, url);

  assert_end_untraced (jobs, start_time);
}

static void
test_service_mute (void)
{
  g_autoptr (TestServer) server = test_server_new ();
  gint64 start_time = g_get_monotonic_time ();
  g_autoptr (GPtrArray) jobs = NULL;

  test_server_hold (server);
  jobs = start_all (TRUE, test_server_get_url (server));
  assert_end_untraced (jobs, start_time);
}

/* --- the transport that writes JSON lines --------------------------------------------------- */

/* (transfer full): a line of the file */
static JsonObject *
parse_line (const char *line)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = wire_json_parse (line, strlen (line), &error);

  g_assert_no_error (error);
  return json_object_ref (json_node_get_object (node));
}

/* Each id is the one in the record; an update is about a run that has started. */
static void
check_line (JsonObject *line, GHashTable *runs, guint *n_failed)
{
  const char *kind = json_object_get_string_member (line, "kind");
  const char *id = json_object_get_string_member (line, "id");
  JsonObject *record = json_object_get_object_member (line, "record");

  g_assert_cmpstr (json_object_get_string_member (record, "id"), ==, id);
  if (g_str_equal (kind, "start"))
    {
      g_assert_cmpstr (json_object_get_string_member (record, "session_name"), ==, "jsonl");
      g_assert_true (json_object_has_member (record, "inputs"));
      g_assert_true (g_hash_table_add (runs, g_strdup (id)));
      *n_failed += json_object_has_member (record, "error");
    }
  else if (g_str_equal (kind, "update"))
    {
      g_assert_true (json_object_has_member (record, "end_time"));
      g_assert_true (g_hash_table_contains (runs, id));
    }
  else
    {
      g_assert_cmpstr (kind, ==, "feedback");
      g_assert_cmpstr (json_object_get_string_member (record, "key"), ==, "right");
      g_assert_true (
          g_hash_table_contains (runs, json_object_get_string_member (record, "run_id")));
    }
}

static GSubprocess *
spawn_jsonl (const char *path, GSubprocessFlags flags)
{
  g_autofree char *program =
      g_build_filename (g_getenv ("LSOBS_EXAMPLES_DIR"), "jsonl-transport", NULL);
  g_autoptr (GError) error = NULL;
  GSubprocess *process = g_subprocess_new (flags, &error, program, path, NULL);

  g_assert_no_error (error);
  return process;
}

/* Two runs, an update and feedback for each of three questions; the file grows. */
static void
test_jsonl (void)
{
  g_autofree char *dir = g_dir_make_tmp ("lsobs-jsonl-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "traces.jsonl", NULL);

  for (guint n = 1; n <= 2; n++)
    {
      g_autoptr (GSubprocess) process = spawn_jsonl (path, G_SUBPROCESS_FLAGS_NONE);
      g_autoptr (GHashTable) runs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      g_autofree char *text = NULL;
      g_auto (GStrv) lines = NULL;
      guint n_failed = 0;

      g_assert_true (g_subprocess_wait_check (process, NULL, NULL));
      g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
      lines = g_strsplit (text, "\n", -1);
      g_assert_cmpuint (g_strv_length (lines), ==, n * 12 + 1);
      g_assert_cmpstr (lines[n * 12], ==, "");
      for (guint i = 0; i < n * 12; i++)
        {
          g_autoptr (JsonObject) line = parse_line (lines[i]);

          check_line (line, runs, &n_failed);
        }
      g_assert_cmpuint (g_hash_table_size (runs), ==, n * 6);
      g_assert_cmpuint (n_failed, ==, n);
    }
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (dir), ==, 0);
}

/* A file that cannot be made, and one that takes nothing: the program ends, and says why. */
static void
test_jsonl_fails (gconstpointer data)
{
  g_autofree char *dir = g_path_get_dirname (data);
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *messages = NULL;

  if (!g_file_test (g_file_test (dir, G_FILE_TEST_IS_DIR) ? data : dir, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("there is no such device");
      return;
    }
  process = spawn_jsonl (data, G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, NULL, &messages, NULL));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 1);
  g_assert_nonnull (strstr (messages, "jsonl-transport: "));
}

static void
test_missing (void)
{
  g_test_skip ("LSOBS_EXAMPLES_DIR does not tell where the examples were built");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  if (g_getenv ("LSOBS_EXAMPLES_DIR") == NULL)
    {
      g_test_add_func ("/examples/missing", test_missing);
      return g_test_run ();
    }

  for (guint i = 0; i < G_N_ELEMENTS (programs); i++)
    {
      g_autofree char *path = g_strconcat ("/examples/tree/", programs[i].language, NULL);

      g_test_add_data_func (path, &programs[i], test_tree);
    }
  g_test_add_func ("/examples/same", test_same);
  g_test_add_func ("/examples/untraced", test_untraced);
  g_test_add_func ("/examples/service-down", test_service_down);
  g_test_add_func ("/examples/service-mute", test_service_mute);
  g_test_add_func ("/examples/jsonl/lines", test_jsonl);
  g_test_add_data_func ("/examples/jsonl/no-file", "/dev/null/traces.jsonl", test_jsonl_fails);
  g_test_add_data_func ("/examples/jsonl/full-disk", "/dev/full", test_jsonl_fails);

  return g_test_run ();
}
