/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The example that calls a model, in Vala and in JavaScript, run as a user runs it: it prints what the
 * model streams, and what it traces is what has happened. */

#include <string.h>

#include "tests/lib/chat-service.h"
#include "tests/lib/run-helpers.h"

#define MODEL    "test-model"
#define PROJECT  "calls"
#define QUESTION "How is the weather in Ålesund?"
#define ANSWER   "It is 雨, \"wet\"."

typedef struct
{
  const char *file;        /* of the program or the script */
  const char *interpreter; /* (nullable) the variable that names it */
} Program;

static const Program programs[] = {
  { "model-call-vala", NULL },
  { "model-call.js", "GJS" },
};

typedef struct
{
  ChatService *chat;     /* (owned) */
  TestServer *langsmith; /* (owned) */
  GSubprocess *process;  /* (owned) (nullable) */
  TestResult result;     /* of the communication with it */
  WireTree *tree;        /* (owned) (nullable) what it has traced */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->chat = chat_service_new ();
  fixture->langsmith = test_server_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_clear_pointer (&fixture->tree, wire_tree_free);
  test_result_clear (&fixture->result);
  g_clear_object (&fixture->process);
  test_server_free (fixture->langsmith);
  chat_service_free (fixture->chat);
}

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
  *why_not = "it was not built";
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return NULL;
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
      g_strv_builder_add_many (command, interpreter, "-m", NULL);
    }
  g_strv_builder_add_many (command, path, QUESTION, NULL);
  return g_strv_builder_end (command);
}

/* Returns: %FALSE if there is no such program, and the test is skipped */
static gboolean
start (Fixture *fixture, const Program *program, gboolean is_traced)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *url = chat_service_dup_url (fixture->chat);
  g_autoptr (GError) error = NULL;
  const char *why_not = NULL;
  g_auto (GStrv) command = dup_command (program, &why_not);

  if (command == NULL)
    {
      g_test_skip (why_not);
      return FALSE;
    }
  g_subprocess_launcher_setenv (launcher, "OPENAI_BASE_URL", url, TRUE);
  g_subprocess_launcher_setenv (launcher, "OPENAI_MODEL", MODEL, TRUE);
  if (is_traced)
    g_subprocess_launcher_setenv (launcher, "LANGSMITH_TRACING", "true", TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_API_KEY", TEST_KEY, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_PROJECT", PROJECT, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_ENDPOINT",
                                test_server_get_url (fixture->langsmith), TRUE);
  fixture->process = g_subprocess_launcher_spawnv (launcher, (const char *const *) command, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (fixture->process, NULL, NULL, test_result_cb,
                                       &fixture->result);
  return TRUE;
}

/* Waits for the end.
 * @code: the exit status that is right
 *
 * Returns: (transfer full): what it has printed */
static char *
finish (Fixture *fixture, int code)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *messages = NULL;
  char *output = NULL;

  g_subprocess_communicate_utf8_finish (fixture->process, test_result_wait (&fixture->result),
                                        &output, &messages, &error);
  g_assert_no_error (error);
  g_test_message ("%s%s", output, messages);
  g_assert_true (g_subprocess_get_if_exited (fixture->process));
  g_assert_cmpint (g_subprocess_get_exit_status (fixture->process), ==, code);
  g_assert_true (code == 0 ? *messages == '\0' : strstr (messages, "overloaded") != NULL);
  return output;
}

/* The run for the question.
 * @call: (out) (transfer none): the run for the call, which is below it */
static WireRun *
get_runs (Fixture *fixture, WireRun **call)
{
  g_autoptr (GPtrArray) children = NULL;
  g_autoptr (GError) error = NULL;
  WireRun *root;

  test_server_assert_conformant (fixture->langsmith);
  fixture->tree = test_server_build_tree (fixture->langsmith);
  wire_tree_check (fixture->tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  root = wire_tree_get_root (fixture->tree);
  g_assert_nonnull (root);
  run_assert_member (root, "name", "\"model-call\"");
  run_assert_member (root, "inputs", "{\"question\":\"" QUESTION "\"}");
  children = wire_tree_dup_children (fixture->tree, root->id);
  g_assert_cmpuint (children->len, ==, 1);
  *call = g_ptr_array_index (children, 0);
  run_assert_member (*call, "name", "\"chat " MODEL "\"");
  run_assert_member (*call, "run_type", "\"llm\"");
  return root;
}

static void
answer (Fixture *fixture)
{
  static const char *const events[] = {
    "{\"model\":\"" MODEL "\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
    "\"content\":\"It is 雨, \"}}]}",
    "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"wet\\\".\"}}]}",
    "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7,"
    "\"total_tokens\":27}}",
    "[DONE]",
  };
  JsonObject *request = chat_service_wait_request (fixture->chat);

  g_assert_cmpstr (json_object_get_string_member (request, "model"), ==, MODEL);
  g_assert_true (json_object_get_boolean_member (request, "stream"));
  chat_service_begin (fixture->chat);
  for (guint i = 0; i < G_N_ELEMENTS (events); i++)
    {
      g_autofree char *text = g_strconcat ("data: ", events[i], "\n\n", NULL);

      chat_service_send (fixture->chat, text, 7);
    }
  chat_service_end (fixture->chat);
}

static void
test_answer (Fixture *fixture, gconstpointer data)
{
  g_autofree char *output = NULL;
  g_autofree char *outputs = NULL;
  WireRun *root;
  WireRun *call;

  if (!start (fixture, data, TRUE))
    return;
  answer (fixture);
  output = finish (fixture, 0);
  g_assert_cmpstr (output, ==, ANSWER "\n");
  root = get_runs (fixture, &call);
  run_assert_member (root, "outputs", "{\"answer\":\"It is 雨, \\\"wet\\\".\"}");
  outputs = json_to_string (json_object_get_member (call->run, "outputs"), FALSE);
  g_assert_nonnull (strstr (outputs, "It is 雨, \\\"wet\\\"."));
  run_assert_member (call, "extra.metadata.usage_metadata.total_tokens", "27");
  run_assert_member (call, "error", NULL);
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *output = NULL;
  WireRun *root;
  WireRun *call;

  if (!start (fixture, data, TRUE))
    return;
  chat_service_wait_request (fixture->chat);
  chat_service_refuse (fixture->chat, 503, "{\"error\":{\"message\":\"overloaded\"}}");
  output = finish (fixture, 1);
  g_assert_cmpstr (output, ==, "");
  root = get_runs (fixture, &call);
  g_assert_nonnull (strstr (json_object_get_string_member (root->run, "error"), "overloaded"));
  run_assert_member (call, "error", "\"HTTP 503: overloaded\"");
}

static void
test_untraced (Fixture *fixture, gconstpointer data)
{
  g_autofree char *output = NULL;
  g_autoptr (GPtrArray) requests = NULL;

  if (!start (fixture, data, FALSE))
    return;
  answer (fixture);
  output = finish (fixture, 0);
  g_assert_cmpstr (output, ==, ANSWER "\n");
  requests = test_server_dup_requests (fixture->langsmith);
  g_assert_cmpuint (requests->len, ==, 0);
}

static void
add (const char *name, const Program *program, void (*test_func) (Fixture *, gconstpointer))
{
  g_autofree char *path = g_strdup_printf ("/model-examples/%s/%s", program->file, name);

  g_test_add (path, Fixture, program, set_up, test_func, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("The example that calls a model, in Vala and in JavaScript.");

  for (guint i = 0; i < G_N_ELEMENTS (programs); i++)
    {
      add ("answer", &programs[i], test_answer);
      add ("refused", &programs[i], test_refused);
      add ("untraced", &programs[i], test_untraced);
    }
  return g_test_run ();
}
