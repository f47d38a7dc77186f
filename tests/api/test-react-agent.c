/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The example programs, run as a user runs them: a whole agent, from the question to what the
 * tracing service has got. */

#include <signal.h>
#include <string.h>

#include <gio/gio.h>

#include "tests/lib/test-server.h"
#include "tests/lib/test-utils.h"

#define API_KEY "lsv2_pt_0123456789abcdef"
#define PROJECT "test-react-agent"

/* More than the shutdown timeout of the program, and far from a hang. */
#define MAX_SECONDS_WHEN_DOWN (TEST_TIMEOUT_MS / 1000.0 / 2)

typedef struct
{
  char *agent;           /* (owned) path of the program */
  char *receiver;        /* (owned) */
  TestServer *langsmith; /* (owned) */
  TestServer *model;     /* (owned) (nullable) NULL for the scripted one */

  int exit_code;
  char *output;   /* (owned) of the last run */
  char *messages; /* (owned) what it said on stderr */
  double seconds;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *dir = g_getenv ("LSOBS_EXAMPLES_DIR");

  fixture->langsmith = test_server_new ();
  fixture->agent = g_build_filename (dir, "react-agent", NULL);
  fixture->receiver = g_build_filename (dir, "trace-receiver", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_free (fixture->langsmith);
  g_clear_pointer (&fixture->model, test_server_free);
  g_free (fixture->agent);
  g_free (fixture->receiver);
  g_free (fixture->output);
  g_free (fixture->messages);
}

/* --- running programs ---------------------------------------------------------------------- */

/* The launcher of a program whose environment says nothing about models and tracing. */
static GSubprocessLauncher *
new_launcher (void)
{
  static const char *prefixes[] = { "LANGSMITH_", "LANGCHAIN_", "OPENAI_" };
  GSubprocessLauncher *launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_auto (GStrv) names = g_listenv ();

  for (guint i = 0; names[i] != NULL; i++)
    for (guint j = 0; j < G_N_ELEMENTS (prefixes); j++)
      if (g_str_has_prefix (names[i], prefixes[j]))
        g_subprocess_launcher_unsetenv (launcher, names[i]);

  return launcher;
}

static GSubprocessLauncher *
new_traced_launcher (const char *endpoint)
{
  GSubprocessLauncher *launcher = new_launcher ();

  g_subprocess_launcher_setenv (launcher, "LANGSMITH_TRACING", "true", TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_ENDPOINT", endpoint, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_API_KEY", API_KEY, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_PROJECT", PROJECT, TRUE);

  return launcher;
}

/* Waits for the end of a program; test_result_wait () limits the time. */
static void
run (Fixture *fixture, GSubprocessLauncher *launcher, const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_auto (TestResult) result = TEST_RESULT_INIT;
  gint64 start = g_get_monotonic_time ();

  g_assert_no_error (error);
  g_clear_pointer (&fixture->output, g_free);
  g_clear_pointer (&fixture->messages, g_free);

  g_subprocess_communicate_utf8_async (process, NULL, NULL, test_result_cb, &result);
  g_subprocess_communicate_utf8_finish (process, test_result_wait (&result), &fixture->output,
                                        &fixture->messages, &error);
  g_assert_no_error (error);

  fixture->seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  g_test_message ("%s: %.2f s\n%s%s", argv[0], fixture->seconds, fixture->output,
                  fixture->messages);
  /* A crash is a signal. */
  g_assert_true (g_subprocess_get_if_exited (process));
  fixture->exit_code = g_subprocess_get_exit_status (process);
}

static void
run_agent (Fixture *fixture, GSubprocessLauncher *launcher, const char *question)
{
  const char *argv[] = { fixture->agent, "--question", question, NULL };

  if (question == NULL)
    argv[1] = NULL;
  run (fixture, launcher, argv);
}

/* Runs it against a model that answers @answer for ever. */
static void
run_agent_with_model (Fixture *fixture, TestAnswer answer)
{
  g_autoptr (GSubprocessLauncher) launcher =
      new_traced_launcher (test_server_get_url (fixture->langsmith));
  g_autofree char *base_url = NULL;

  if (fixture->model == NULL)
    fixture->model = test_server_new ();
  base_url = g_strconcat (test_server_get_url (fixture->model), "/v1/", NULL);
  g_subprocess_launcher_setenv (launcher, "OPENAI_BASE_URL", base_url, TRUE);
  g_subprocess_launcher_setenv (launcher, "OPENAI_API_KEY", "sk-test", TRUE);
  g_subprocess_launcher_setenv (launcher, "OPENAI_MODEL", "test-model", TRUE);

  answer.repeat = -1;
  test_server_push (fixture->model, "/v1/chat/completions", answer);
  run_agent (fixture, launcher, "what is 1+1?");
}

static void
assert_matches (const char *text, const char *pattern)
{
  if (!g_regex_match_simple (pattern, text, G_REGEX_MULTILINE, 0))
    g_error ("no /%s/ in: %s", pattern, text);
}

/* --- reading traces ------------------------------------------------------------------------ */

/* (transfer container) (element-type WireRun) */
static GPtrArray *
dup_runs_of_type (WireTree *tree, const char *run_type)
{
  GPtrArray *runs = wire_tree_dup_runs (tree);

  for (guint i = 0; i < runs->len;)
    {
      WireRun *wire_run = g_ptr_array_index (runs, i);

      if (g_str_equal (wire_run->run_type, run_type))
        i++;
      else
        g_ptr_array_remove_index (runs, i);
    }

  return runs;
}

/* What came is one trace that obeys every rule, and all of it has ended. */
static WireTree *
build_trace (Fixture *fixture)
{
  WireTree *tree = test_server_build_tree (fixture->langsmith);
  g_autoptr (GError) error = NULL;
  WireRun *root = NULL;

  test_server_assert_conformant (fixture->langsmith);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (wire_tree_get_n_pending (tree), ==, 0);

  root = wire_tree_get_root (tree);
  g_assert_nonnull (root);
  g_assert_cmpstr (root->name, ==, "react-agent");
  g_assert_cmpstr (root->run_type, ==, "chain");
  g_assert_cmpstr (wire_run_get_string (root, "session_name"), ==, PROJECT);

  return tree;
}

static WireRun *
get_parent (WireTree *tree, WireRun *wire_run)
{
  WireRun *parent = wire_tree_lookup (tree, wire_run->parent_id);

  g_assert_nonnull (parent);
  return parent;
}

static gint64
get_int (WireRun *wire_run, const char *path)
{
  JsonNode *node = wire_run_get (wire_run, path);

  g_assert_nonnull (node);
  g_assert_true (json_node_get_value_type (node) == G_TYPE_INT64);
  return json_node_get_int (node);
}

/* Each call of the model is a child of the agent's run, with its model and tokens. */
static void
assert_model_runs (WireTree *tree, guint n, const char *model_name)
{
  g_autoptr (GPtrArray) runs = dup_runs_of_type (tree, "llm");

  g_assert_cmpuint (runs->len, ==, n);
  for (guint i = 0; i < n; i++)
    {
      WireRun *wire_run = g_ptr_array_index (runs, i);

      g_assert_cmpstr (get_parent (tree, wire_run)->name, ==, "agent");
      g_assert_cmpstr (wire_run_get_string (wire_run, "extra.metadata.ls_model_name"), ==,
                       model_name);
      g_assert_cmpint (get_int (wire_run, "extra.metadata.usage_metadata.input_tokens"), >, 0);
      g_assert_cmpint (get_int (wire_run, "extra.metadata.usage_metadata.output_tokens"), >, 0);
      g_assert_cmpint (get_int (wire_run, "extra.metadata.usage_metadata.total_tokens"), ==,
                       get_int (wire_run, "extra.metadata.usage_metadata.input_tokens") +
                           get_int (wire_run, "extra.metadata.usage_metadata.output_tokens"));
      g_assert_nonnull (wire_run_get (wire_run, "inputs.messages"));
      g_assert_nonnull (wire_run_get (wire_run, "outputs.choices"));
    }
}

/* --- tests --------------------------------------------------------------------------------- */

static void
test_trace (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GPtrArray) tools = NULL;
  WireRun *root, *calculator, *clock;
  g_autofree char *answer = NULL;

  launcher = new_traced_launcher (test_server_get_url (fixture->langsmith));
  run_agent (fixture, launcher, NULL);
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "126"));
  assert_matches (fixture->messages, "^Traced: [1-9][0-9]* records flushed, 0 failed$");

  tree = build_trace (fixture);
  root = wire_tree_get_root (tree);
  answer = g_strchomp (g_strdup (fixture->output));
  g_assert_cmpstr (wire_run_get_string (root, "outputs.answer"), ==, answer);
  g_assert_nonnull (strstr (wire_run_get_string (root, "inputs.question"), "(17 + 25) * 3"));

  assert_model_runs (tree, 2, "scripted");

  tools = dup_runs_of_type (tree, "tool");
  g_assert_cmpuint (tools->len, ==, 2);
  calculator = wire_tree_find (tree, "calculator");
  clock = wire_tree_find (tree, "clock");
  g_assert_nonnull (calculator);
  g_assert_nonnull (clock);

  /* both asked for in one turn of the agent */
  g_assert_cmpstr (get_parent (tree, calculator)->name, ==, "agent");
  g_assert_true (get_parent (tree, calculator) == get_parent (tree, clock));
  g_assert_true (get_parent (tree, get_parent (tree, clock)) == root);

  g_assert_cmpstr (wire_run_get_string (calculator, "inputs.expression"), ==, "(17 + 25) * 3");
  g_assert_cmpint (get_int (calculator, "outputs.result"), ==, 126);
  g_assert_cmpstr (wire_run_get_string (clock, "inputs.timezone"), ==, "UTC");
  g_assert_nonnull (strstr (fixture->output, wire_run_get_string (clock, "outputs.time")));
}

static void
test_calculation (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (WireTree) tree = NULL;

  launcher = new_traced_launcher (test_server_get_url (fixture->langsmith));
  run_agent (fixture, launcher, "what is (2+3)*4?");
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "(2+3)*4 = 20."));

  tree = build_trace (fixture);
  g_assert_cmpint (get_int (wire_tree_find (tree, "calculator"), "outputs.result"), ==, 20);
  g_assert_nonnull (
      strstr (wire_run_get_string (wire_tree_get_root (tree), "outputs.answer"), "20"));
}

/* What the calculator makes of expressions, as the model gets to know it. */
static void
test_expressions (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  /* clang-format off */
  static const struct { const char *question; const char *answer; } cases[] = {
    { "2 + 3 * 4", "2 + 3 * 4 = 14." },
    { "8 / 4 / 2", "8 / 4 / 2 = 1." },
    { "-2 * (3 - 5)", "-2 * (3 - 5) = 4." },
    { "1 / 4", "1 / 4 = 0.25." },
    { ".5 - 1 +-- 2", ".5 - 1 +-- 2 = 1.5." },
    { "please: 10 - 2 - 3.", "10 - 2 - 3 = 5." },
    { "1 / (2 - 2)", "The tool failed: division by zero." },
    { "(1 + 2", "The tool failed: expected a closing parenthesis at character 7." },
    { "1 + * 2", "The tool failed: expected a number at character 5." },
    { "1 +", "The tool failed: the expression ends too early at character 4." },
    { "2 (3) + 1", "The tool failed: expected an operator at character 3." },
    { "no sums today", "The time is " },
  };
  /* clang-format on */

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GSubprocessLauncher) launcher = new_launcher ();

      run_agent (fixture, launcher, cases[i].question);
      g_assert_cmpint (fixture->exit_code, ==, 0);
      g_assert_true (g_str_has_prefix (fixture->output, cases[i].answer));
    }
}

static void
test_endpoint_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (TestServer) gone = NULL;

  /* a port that was free a moment ago */
  gone = test_server_new ();
  launcher = new_traced_launcher (test_server_get_url (gone));
  g_clear_pointer (&gone, test_server_free);

  run_agent (fixture, launcher, "what is (2+3)*4?");
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "20"));
  assert_matches (fixture->messages, "^Traced: 0 records flushed, [1-9][0-9]* failed: .");
  g_assert_cmpfloat (fixture->seconds, <, MAX_SECONDS_WHEN_DOWN);
}

static void
test_unauthorized (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;

  test_server_push (fixture->langsmith, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  launcher = new_traced_launcher (test_server_get_url (fixture->langsmith));
  run_agent (fixture, launcher, "what is (2+3)*4?");
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "20"));
  assert_matches (fixture->messages, "^Traced: 0 records flushed, [1-9][0-9]* failed: .");
  g_assert_null (strstr (fixture->messages, API_KEY));
  g_assert_cmpfloat (fixture->seconds, <, MAX_SECONDS_WHEN_DOWN);
}

static void
test_untraced (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;

  launcher = new_launcher ();
  run_agent (fixture, launcher, "what is (2+3)*4?");
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "20"));
  g_assert_nonnull (strstr (fixture->messages, "Not traced: LANGSMITH_TRACING"));
  g_assert_null (strstr (fixture->messages, "Traced"));

  /* a key alone is not the wish to be traced */
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_ENDPOINT",
                                test_server_get_url (fixture->langsmith), TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_API_KEY", API_KEY, TRUE);
  run_agent (fixture, launcher, "what is (2+3)*4?");
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "20"));
  g_assert_null (strstr (fixture->messages, "Traced"));
  g_assert_cmpuint (test_server_count_connections (fixture->langsmith), ==, 0);

  /* nor is the wish enough */
  g_clear_object (&launcher);
  launcher = new_launcher ();
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_TRACING", "true", TRUE);
  run_agent (fixture, launcher, "what is (2+3)*4?");
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "20"));
  g_assert_nonnull (strstr (fixture->messages, "LANGSMITH_API_KEY"));
  g_assert_null (strstr (fixture->messages, "Traced"));

  /* a setting that makes no sense is no reason to be silent either */
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_API_KEY", API_KEY, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_ENDPOINT", "nonsense", TRUE);
  run_agent (fixture, launcher, "what is (2+3)*4?");
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "20"));
  g_assert_nonnull (strstr (fixture->messages, "LANGSMITH_ENDPOINT"));
}

/* The root, the agent and the call of the model have failed, all with @text. */
static void
assert_failed_trace (Fixture *fixture, const char *text)
{
  g_autoptr (WireTree) tree = build_trace (fixture);
  const char *names[] = { "react-agent", "agent", "chat" };

  g_assert_cmpint (fixture->exit_code, ==, 1);
  g_assert_cmpstr (fixture->output, ==, "");
  g_assert_nonnull (strstr (fixture->messages, text));
  assert_matches (fixture->messages, "^Traced: [1-9][0-9]* records flushed, 0 failed$");

  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, G_N_ELEMENTS (names));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      WireRun *wire_run = wire_tree_find (tree, names[i]);

      g_assert_nonnull (wire_run);
      g_assert_nonnull (wire_run_get_string (wire_run, "error"));
      g_assert_nonnull (strstr (wire_run_get_string (wire_run, "error"), text));
      g_assert_null (wire_run_get (wire_run, "outputs"));
    }
}

static void
test_model_fails (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) requests = NULL;

  run_agent_with_model (fixture,
                        (TestAnswer){ .status = 500,
                                      .body = "{\"error\":{\"message\":\"out of memory\"}}" });
  assert_failed_trace (fixture, "the model answered 500: out of memory");

  requests = test_server_dup_requests (fixture->model);
  g_assert_cmpuint (requests->len, ==, 1);
  g_assert_cmpstr (test_request_get_header (g_ptr_array_index (requests, 0), "Authorization"), ==,
                   "Bearer sk-test");
}

static void
test_model_is_malformed (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *deep = g_strnfill (1000 * 1000, '[');
  /* clang-format off */
  const struct { const char *body; const char *text; } cases[] = {
    { "{\"choices\":[", "no JSON object" },
    { " ", "no JSON object" },
    { "[]", "no JSON object" },
    { "\"text\"", "no JSON object" },
    { deep, "nested too deeply" },
    { "{}", "holds no message" },
    { "{\"choices\":{}}", "holds no message" },
    { "{\"choices\":[]}", "holds no message" },
    { "{\"choices\":[null]}", "holds no message" },
    { "{\"choices\":[{\"message\":\"hello\"}]}", "holds no message" },
    { "{\"choices\":[{\"message\":{}}],\"usage\":[]}", "said nothing" },
    { "{\"choices\":[{\"message\":{\"content\":[1],\"tool_calls\":7}}],\"usage\":{\"total_tokens\":{}}}",
      "said nothing" },
  };
  /* clang-format on */

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      run_agent_with_model (fixture, (TestAnswer){ .status = 200, .body = cases[i].body });
      g_assert_cmpint (fixture->exit_code, ==, 1);
      assert_matches (fixture->messages, "^No answer: ");
      g_assert_nonnull (strstr (fixture->messages, cases[i].text));
      if (!g_str_equal (cases[i].text, "said nothing"))
        assert_failed_trace (fixture, cases[i].text);

      test_server_clear (fixture->model);
      test_server_clear (fixture->langsmith);
    }
}

static void
test_model_is_gone (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  run_agent_with_model (fixture, (TestAnswer){ .mode = TEST_ANSWER_RESET });
  assert_failed_trace (fixture, "the model cannot be asked");
}

static void
test_endless_calls (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char answer[] =
      "{\"model\":\"test-model\",\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
      "{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"clock\",\"arguments\":\"{}\"}}]}}],"
      "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}";
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GPtrArray) tools = NULL;

  run_agent_with_model (fixture, (TestAnswer){ .status = 200, .body = answer });
  g_assert_cmpint (fixture->exit_code, ==, 1);
  g_assert_nonnull (strstr (fixture->messages, "no answer after 8 turns"));

  /* the turns were all right, the whole was not */
  tree = build_trace (fixture);
  g_assert_cmpstr (wire_run_get_string (wire_tree_get_root (tree), "error"), !=, NULL);
  g_assert_null (wire_run_get (wire_tree_find (tree, "agent"), "error"));
  assert_model_runs (tree, 8, "test-model");
  tools = dup_runs_of_type (tree, "tool");
  g_assert_cmpuint (tools->len, ==, 8);
}

/* Calls that no tool can serve are answered with an error that the model can read. */
static void
test_tool_errors (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char answer[] =
      "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"tool_calls\":["
      "{\"id\":\"a\",\"function\":{\"name\":\"calculator\",\"arguments\":\"{\\\"expression\\\":\\\"1/0\\\"}\"}},"
      "{\"id\":\"b\",\"function\":{\"name\":\"calculator\",\"arguments\":{\"expression\":\"6*7\"}}},"
      "{\"id\":\"c\",\"function\":{\"name\":\"calculator\",\"arguments\":\"{broken\"}},"
      "{\"id\":\"d\",\"function\":{\"name\":\"teleport\"}},"
      "{\"function\":{\"name\":\"clock\",\"arguments\":\"{\\\"timezone\\\":\\\"Mars/Olympus\\\"}\"}},"
      "null]}}]}";
  /* clang-format off */
  static const char *errors[] = {
    "division by zero", "no JSON object", "no tool named teleport", "unknown time zone Mars/Olympus",
    "no tool named unknown"
  };
  /* clang-format on */
  static const char final[] =
      "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"I give up.\"}}]}";
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GPtrArray) tools = NULL;
  g_autofree char *text = NULL;

  fixture->model = test_server_new ();
  test_server_push (fixture->model, "/v1/chat/completions",
                    (TestAnswer){ .status = 200, .body = answer });
  run_agent_with_model (fixture, (TestAnswer){ .status = 200, .body = final });
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_cmpstr (fixture->output, ==, "I give up.\n");

  tree = build_trace (fixture);
  tools = dup_runs_of_type (tree, "tool");
  g_assert_cmpuint (tools->len, ==, 6);
  text = wire_tree_to_string (tree, WIRE_TREE_OUTPUTS);
  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    g_assert_nonnull (strstr (text, errors[i]));

  /* each result is with its own call */
  for (guint i = 0; i < tools->len; i++)
    {
      WireRun *tool = g_ptr_array_index (tools, i);

      if (g_strcmp0 (wire_run_get_string (tool, "inputs.expression"), "6*7") == 0)
        g_assert_cmpint (get_int (tool, "outputs.result"), ==, 42);
      else
        g_assert_nonnull (wire_run_get_string (tool, "outputs.error"));
    }
}

static void
test_options (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;

  launcher = new_launcher ();
  run (fixture, launcher, (const char *[]){ fixture->agent, "--help", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->output, "--question"));
  run (fixture, launcher, (const char *[]){ fixture->agent, "--nonsense", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 2);
  run (fixture, launcher, (const char *[]){ fixture->agent, "question", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 2);
  run (fixture, launcher,
       (const char *[]){ fixture->agent, "--verbose", "--question", "1+1", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_nonnull (strstr (fixture->messages, "calculator {\"expression\":\"1+1\"}"));
}

/* --- the receiver -------------------------------------------------------------------------- */

static void
test_receiver (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;

  launcher = new_launcher ();
  run (fixture, launcher,
       (const char *[]){ fixture->receiver, "--strict", "--", fixture->agent, "--question",
                         "what is (2+3)*4?", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 0);

  assert_matches (fixture->output, "^trace [0-9a-f-]{36}  project trace-receiver$");
  assert_matches (fixture->output, "^chain react-agent ok \\+0\\.0 ms [0-9.]+ ms$");
  assert_matches (fixture->output, "^│  in +\\{\"question\":\"what is \\(2\\+3\\)\\*4\\?\"\\}$");
  assert_matches (fixture->output, "^├─ chain agent ok \\+[0-9.]+ ms [0-9.]+ ms$");
  assert_matches (fixture->output, "^│  ├─ llm chat ok \\+[0-9.]+ ms [0-9.]+ ms$");
  assert_matches (fixture->output,
                  "^│  │ +model +scripted scripted, [0-9]+ \\+ [0-9]+ = [0-9]+ tokens$");
  assert_matches (fixture->output, "^│  ├─ tool calculator ok \\+[0-9.]+ ms [0-9.]+ ms$");
  assert_matches (fixture->output, "^│  │ +out +\\{\"result\":20\\}$");
  assert_matches (fixture->output, "^│  └─ tool clock ok ");
  assert_matches (fixture->output, "^└─ chain agent ok ");
  assert_matches (fixture->output, "^   └─ llm chat ok ");
  assert_matches (fixture->output, "^7 runs in 1 trace, 0 pending, [0-9]+ requests?$");
  /* a pipe gets no colours */
  g_assert_null (strchr (fixture->output, '\033'));
}

static void
test_receiver_exit_code (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autofree char *base_url = NULL;

  launcher = new_launcher ();
  run (fixture, launcher, (const char *[]){ fixture->receiver, "--", "sh", "-c", "exit 7", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 7);
  g_assert_cmpstr (fixture->output, ==, "0 runs in 0 traces, 0 pending, 0 requests\n");

  run (fixture, launcher,
       (const char *[]){ fixture->receiver, "--", "/nonexistent/program", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 127);
  run (fixture, launcher, (const char *[]){ fixture->receiver, "--port", "70000", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 2);

  /* a trace of a failure is shown with the whole error */
  fixture->model = test_server_new ();
  test_server_push (fixture->model, NULL, (TestAnswer){ .status = 503, .repeat = -1 });
  base_url = g_strconcat (test_server_get_url (fixture->model), "/v1", NULL);
  g_subprocess_launcher_setenv (launcher, "OPENAI_BASE_URL", base_url, TRUE);
  run (fixture, launcher, (const char *[]){ fixture->receiver, "--", fixture->agent, NULL });
  g_assert_cmpint (fixture->exit_code, ==, 1);
  assert_matches (fixture->output, "^chain react-agent error ");
  assert_matches (fixture->output, "^   └─ llm chat error ");
  assert_matches (fixture->output, "^ +error +.*the model answered 503");
  assert_matches (fixture->output, "^3 runs in 1 trace, 0 pending, ");
}

/* Posts @body to @url; returns the status of the answer. */
static guint
post (const char *url, const char *content_type, const char *body)
{
  g_autoptr (SoupSession) session =
      soup_session_new_with_options ("timeout", TEST_TIMEOUT_MS / 1000, NULL);
  g_autoptr (SoupMessage) message = soup_message_new (SOUP_METHOD_POST, url);
  g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));
  g_autoptr (GBytes) answer = NULL;
  g_autoptr (GError) error = NULL;

  soup_message_set_request_body_from_bytes (message, content_type, bytes);
  answer = soup_session_send_and_read (session, message, NULL, &error);
  g_assert_no_error (error);

  return soup_message_get_status (message);
}

/* A receiver of its own, that serves until it is interrupted. Returns (transfer full) its URL. */
static char *
start_receiver (Fixture *fixture, GSubprocess **process)
{
  g_autoptr (GSubprocessLauncher) launcher = new_launcher ();
  g_autoptr (GDataInputStream) messages = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autofree char *line = NULL;
  g_autoptr (GRegex) regex =
      g_regex_new ("LANGSMITH_ENDPOINT=(http://127\\.0\\.0\\.1:[0-9]+) ", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  *process = g_subprocess_launcher_spawn (launcher, &error, fixture->receiver, NULL);
  g_assert_no_error (error);

  messages = g_data_input_stream_new (g_subprocess_get_stderr_pipe (*process));
  g_filter_input_stream_set_close_base_stream (G_FILTER_INPUT_STREAM (messages), FALSE);
  g_data_input_stream_read_line_async (messages, G_PRIORITY_DEFAULT, NULL, test_result_cb, &result);
  line = g_data_input_stream_read_line_finish_utf8 (messages, test_result_wait (&result), NULL,
                                                    &error);
  g_assert_no_error (error);
  g_assert_true (g_regex_match (regex, line, 0, &match));

  return g_match_info_fetch (match, 1);
}

/* Presses Ctrl-C. */
static void
interrupt_receiver (Fixture *fixture, GSubprocess *process)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_communicate_utf8_async (process, NULL, NULL, test_result_cb, &result);
  g_subprocess_communicate_utf8_finish (process, test_result_wait (&result), &fixture->output,
                                        &fixture->messages, &error);
  g_assert_no_error (error);
  g_test_message ("%s%s", fixture->output, fixture->messages);
  g_assert_true (g_subprocess_get_if_exited (process));
  fixture->exit_code = g_subprocess_get_exit_status (process);
}

static void
test_receiver_live (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char pending[] =
      "{\"id\":\"019a1f6f-4f80-7000-8000-000000000001\",\"trace_id\":\"019a1f6f-4f80-7000-8000-000000000001\","
      "\"dotted_order\":\"20251026T091500000000Z019a1f6f-4f80-7000-8000-000000000001\",\"name\":\"evil\\u001b[31m\","
      "\"run_type\":\"chain\",\"start_time\":\"2025-10-26T09:15:00.000000Z\",\"inputs\":{\"q\":\"a\\u202eb\"},"
      "\"session_name\":\"p\"}";
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *url = NULL;
  g_autofree char *runs_url = NULL;
  g_autofree char *other_url = NULL;

  url = start_receiver (fixture, &process);
  runs_url = g_strconcat (url, "/runs", NULL);
  other_url = g_strconcat (url, "/elsewhere", NULL);

  g_assert_cmpuint (post (runs_url, "application/json", pending), ==, 202);
  g_assert_cmpuint (post (runs_url, "application/json", "{\"id\":"), ==, 422);
  g_assert_cmpuint (post (other_url, "text/plain", "\033[31m"), ==, 422);
  interrupt_receiver (fixture, process);

  g_assert_cmpint (fixture->exit_code, ==, 1);
  assert_matches (fixture->output, "^chain evil\\\\u001b\\[31m pending \\+0\\.0 ms$");
  assert_matches (fixture->output, "^ +in +\\{\"q\":\"a\\\\u202eb\"\\}$");
  assert_matches (fixture->output, "^1 run in 1 trace, 1 pending, 3 requests, 2 malformed$");
  assert_matches (fixture->messages, "^malformed: POST /runs: ");
  g_assert_null (strchr (fixture->output, '\033'));
  g_assert_null (strchr (fixture->messages, '\033'));
}

#define RATED_RUN "019a1f6f-4f80-7000-8000-000000000001"

/* What a user thinks comes with the trace or later, and the time of the first token is told. */
static void
test_receiver_feedback (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char run_body[] =
      "{\"id\":\"" RATED_RUN "\",\"trace_id\":\"" RATED_RUN "\","
      "\"dotted_order\":\"20251026T091500000000Z" RATED_RUN
      "\",\"name\":\"chat\",\"run_type\":\"llm\","
      "\"start_time\":\"2025-10-26T09:15:00.000000Z\",\"end_time\":\"2025-10-26T09:15:01.000000Z\","
      "\"inputs\":{},\"outputs\":{},\"session_name\":\"p\",\"events\":["
      "{\"name\":\"other\",\"time\":\"2025-10-26T09:15:00.010000Z\"},"
      "{\"name\":\"new_token\",\"time\":\"2025-10-26T09:15:00.052000Z\"},"
      "{\"name\":\"new_token\",\"time\":\"2025-10-26T09:15:00.090000Z\"}]}";
  static const char *const bodies[] = {
    "{\"id\":\"019a1f6f-4f80-7000-8000-000000000002\",\"run_id\":\"" RATED_RUN "\","
    "\"trace_id\":\"" RATED_RUN "\",\"key\":\"thumb\",\"score\":1,\"comment\":\"evil\\u001b[31m\","
    "\"created_at\":\"2025-10-26T09:15:00.000000Z\",\"modified_at\":\"2025-10-26T09:15:00.000000Z\","
    "\"feedback_source\":{\"type\":\"api\",\"metadata\":{}}}",
    "{\"id\":\"019a1f6f-4f80-7000-8000-000000000003\",\"run_id\":\"" RATED_RUN "\","
    "\"trace_id\":\"" RATED_RUN "\",\"key\":\"mood\",\"value\":\"glad\","
    "\"created_at\":\"2025-10-26T09:15:00.000000Z\",\"modified_at\":\"2025-10-26T09:15:00.000000Z\","
    "\"feedback_source\":{\"type\":\"api\",\"metadata\":{}}}",
  };
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *url = start_receiver (fixture, &process);
  g_autofree char *runs_url = g_strconcat (url, "/runs", NULL);
  g_autofree char *feedback_url = g_strconcat (url, "/feedback", NULL);

  g_assert_cmpuint (post (feedback_url, "application/json", bodies[0]), ==, 202);
  g_assert_cmpuint (post (runs_url, "application/json", run_body), ==, 202);
  g_assert_cmpuint (post (feedback_url, "application/json", bodies[1]), ==, 202);
  interrupt_receiver (fixture, process);

  g_assert_cmpint (fixture->exit_code, ==, 0);
  assert_matches (fixture->output, "^ +first token \\+52 ms$");
  assert_matches (fixture->output, "^ +feedback thumb = 1 \\(evil\\\\u001b\\[31m\\)$");
  assert_matches (fixture->output, "^feedback mood = \"glad\" for chat$");
  g_assert_null (strstr (strstr (fixture->output, "feedback thumb") + 1, "feedback thumb"));
  g_assert_null (strstr (strstr (fixture->output, "first token") + 1, "first token"));
}

/* No character of it needs more than ASCII. */
static void
test_receiver_help (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = new_launcher ();

  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C", TRUE);
  run (fixture, launcher, (const char *[]){ fixture->receiver, "--help", NULL });
  g_assert_cmpint (fixture->exit_code, ==, 0);
  g_assert_true (g_str_is_ascii (fixture->output));
  assert_matches (fixture->output,
                  "\\[-- PROGRAM ARGUMENT\\.\\.\\.\\] - receives traces, prints them$");
}

/* Two agents, one after the other, in one receiver. */
static void
test_receiver_many (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *url = NULL;

  url = start_receiver (fixture, &process);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GSubprocessLauncher) launcher = new_traced_launcher (url);

      run_agent (fixture, launcher, NULL);
      g_assert_cmpint (fixture->exit_code, ==, 0);
    }

  g_clear_pointer (&fixture->output, g_free);
  g_clear_pointer (&fixture->messages, g_free);
  interrupt_receiver (fixture, process);
  g_assert_cmpint (fixture->exit_code, ==, 0);
  assert_matches (fixture->output, "^14 runs in 2 traces, 0 pending, ");
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
      g_test_add_func ("/react-agent/missing", test_missing);
      return g_test_run ();
    }

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/react-agent/trace", test_trace);
  ADD ("/react-agent/calculation", test_calculation);
  ADD ("/react-agent/expressions", test_expressions);
  ADD ("/react-agent/endpoint-down", test_endpoint_down);
  ADD ("/react-agent/unauthorized", test_unauthorized);
  ADD ("/react-agent/untraced", test_untraced);
  ADD ("/react-agent/model-fails", test_model_fails);
  ADD ("/react-agent/model-is-malformed", test_model_is_malformed);
  ADD ("/react-agent/model-is-gone", test_model_is_gone);
  ADD ("/react-agent/endless-calls", test_endless_calls);
  ADD ("/react-agent/tool-errors", test_tool_errors);
  ADD ("/react-agent/options", test_options);
  ADD ("/react-agent/receiver", test_receiver);
  ADD ("/react-agent/receiver-exit-code", test_receiver_exit_code);
  ADD ("/react-agent/receiver-live", test_receiver_live);
  ADD ("/react-agent/receiver-feedback", test_receiver_feedback);
  ADD ("/react-agent/receiver-help", test_receiver_help);
  ADD ("/react-agent/receiver-many", test_receiver_many);
#undef ADD

  return g_test_run ();
}
