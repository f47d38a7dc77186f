/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The examples with a window, used as a user without a screen uses them: what they show is what the
 * service of the model sends, and what they trace is what has happened. */

#include "config.h"

#include <string.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "tests/lib/chat-service.h"
#include "tests/lib/screen-reader.h"
#include "tests/lib/test-helpers.h"

#define MODEL   "test-model"
#define PROJECT "windows"

/* The most lines that tracing may take. */
#define MAX_LINES 10

/* Texts with characters of several bytes, which the pieces of a stream cut. */
#define JSON_ANSWER "In Ålesund it is 雨 and 🌧, \\\"wet\\\"\\nall day."
#define ANSWER      "In Ålesund it is 雨 and 🌧, \"wet\"\nall day."

/* The program in one language. */
typedef struct
{
  const char *file;
  const char *mark;     /* at the end of the lines that trace */
  const char *send;     /* what sends a request */
  const char *own_send; /* what sends it without lsobs */
  const char *problem;  /* what is before the text of an error in a trace */
  const char *bad_zone; /* what the clock says to an odd time zone */
} Language;

static const Language vala = { .file = "chat-window.vala",
                               .mark = " // lsobs",
                               .send = "Lsobs.session_send_async (session, ",
                               .own_send = "session.send_async (",
                               .problem = "",
                               .bad_zone = "Invalid identifier argument" };
static const Language python = { .file = "chat-window.py",
                                 .mark = "  # lsobs",
                                 .send = "Lsobs.session_send(self.session, ",
                                 .own_send = "self.session.send(",
                                 .problem = "ChatError: ",
                                 .bad_zone = "there is no time zone named Mars" };

typedef struct
{
  const Language *language;
  ScreenReader *reader;  /* (owned) */
  ChatService *chat;     /* (owned) */
  TestServer *langsmith; /* (owned) */
  GSubprocess *program;  /* (owned) (nullable) */
  TestResult result;     /* of the communication with it */
} Fixture;

/* --- the model ----------------------------------------------------------------------------- */

static void
send_event (Fixture *fixture, const char *json, gsize piece)
{
  g_autofree char *text = g_strconcat ("data: ", json, "\n\n", NULL);

  chat_service_send (fixture->chat, text, piece);
}

/* @text: as in a string of JSON */
static void
send_text (Fixture *fixture, const char *text, gsize piece)
{
  g_autofree char *json =
      g_strdup_printf ("{\"model\":\"" MODEL
                       "-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}",
                       text);

  send_event (fixture, json, piece);
}

static void
send_end (Fixture *fixture, const char *reason)
{
  g_autofree char *json =
      g_strdup_printf ("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"%s\"}]}",
                       reason);

  send_event (fixture, json, 1000);
  send_event (fixture,
              "{\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7,"
              "\"total_tokens\":27}}",
              1000);
  chat_service_send (fixture->chat, "data: [DONE]\n\n", 1000);
  chat_service_end (fixture->chat);
}

/* Answers the request with a text, as a stream with pieces of an odd size. */
static void
answer (Fixture *fixture, const char *text)
{
  chat_service_begin (fixture->chat);
  chat_service_send (fixture->chat, ": a comment\n\n", 1000);
  send_text (fixture, text, 7);
  send_end (fixture, "stop");
}

/* The model wants to know the time, which it says in four pieces. */
static void
answer_with_call (Fixture *fixture)
{
  chat_service_begin (fixture->chat);
  send_event (fixture,
              "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,"
              "\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":"
              "{\"name\":\"clock\",\"arguments\":\"\"}}]}}]}",
              50);
  send_event (fixture,
              "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":"
              "{\"arguments\":\"{\\\"timezone\\\":\"}}]}}]}",
              50);
  send_event (fixture,
              "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":"
              "{\"arguments\":\" \\\"UTC\\\"}\"}}]}}]}",
              50);
  send_end (fixture, "tool_calls");
}

/* --- the program --------------------------------------------------------------------------- */

/* Returns: (transfer full) */
static GSubprocessLauncher *
new_launcher (Fixture *fixture)
{
  GSubprocessLauncher *launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_autofree char *url = chat_service_dup_url (fixture->chat);

  screen_reader_prepare (fixture->reader, launcher);
  /* Mesa would complain where the user has no home. */
  g_subprocess_launcher_setenv (launcher, "MESA_SHADER_CACHE_DISABLE", "true", TRUE);
  g_subprocess_launcher_setenv (launcher, "OPENAI_BASE_URL", url, TRUE);
  g_subprocess_launcher_setenv (launcher, "OPENAI_MODEL", MODEL, TRUE);
  return launcher;
}

static void
trace_to (GSubprocessLauncher *launcher, const char *endpoint, const char *exit_timeout_ms)
{
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_TRACING", "true", TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_ENDPOINT", endpoint, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_API_KEY", TEST_KEY, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_PROJECT", PROJECT, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_EXIT_TIMEOUT_MS", exit_timeout_ms, TRUE);
}

static void
start (Fixture *fixture, GSubprocessLauncher *launcher)
{
  g_autofree char *program =
      g_build_filename (g_getenv ("LSOBS_EXAMPLES_DIR"), "chat-window", NULL);
  g_autofree char *script =
      g_build_filename (g_getenv ("LSOBS_EXAMPLES_SOURCE_DIR"), python.file, NULL);
  g_autoptr (GError) error = NULL;

  if (fixture->language == &python)
    fixture->program =
        g_subprocess_launcher_spawn (launcher, &error, g_getenv ("PYTHON"), script, NULL);
  else
    fixture->program = g_subprocess_launcher_spawn (launcher, &error, program, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (fixture->program, NULL, NULL, test_result_cb,
                                       &fixture->result);
  screen_reader_wait_program (fixture->reader);
}

static void
start_traced (Fixture *fixture)
{
  g_autoptr (GSubprocessLauncher) launcher = new_launcher (fixture);

  trace_to (launcher, test_server_get_url (fixture->langsmith), "120000");
  start (fixture, launcher);
}

static void
ask (Fixture *fixture, const char *question)
{
  screen_reader_type (fixture->reader, "Question", question);
  screen_reader_press (fixture->reader, "Send", 0);
}

/* Returns: (transfer full): what the program has said until its end, which is a good one */
static char *
close_window (Fixture *fixture)
{
  char *output = NULL;
  g_autoptr (GError) error = NULL;

  screen_reader_press (fixture->reader, "Close", 0);
  g_subprocess_communicate_utf8_finish (fixture->program, test_result_wait (&fixture->result),
                                        &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (fixture->program));
  g_assert_cmpint (g_subprocess_get_exit_status (fixture->program), ==, 0);
  return output;
}

static void
close_silently (Fixture *fixture)
{
  g_autofree char *output = close_window (fixture);

  g_assert_cmpstr (output, ==, "");
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const char *why_not;

  fixture->language = data;
  fixture->reader = screen_reader_new (&why_not);
  if (fixture->reader == NULL)
    g_test_skip (why_not);
  fixture->chat = chat_service_new ();
  fixture->langsmith = test_server_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_clear_object (&fixture->program);
  test_result_clear (&fixture->result);
  chat_service_free (fixture->chat);
  test_server_free (fixture->langsmith);
  g_clear_pointer (&fixture->reader, screen_reader_free);
}

/* --- what came ----------------------------------------------------------------------------- */

static WireTree *
build_tree (Fixture *fixture)
{
  WireTree *tree = test_server_build_tree (fixture->langsmith);
  g_autoptr (GError) error = NULL;

  test_server_assert_conformant (fixture->langsmith);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  return tree;
}

static void
assert_tree (WireTree *tree, const char *expected)
{
  g_autofree char *text = wire_tree_to_string (tree, WIRE_TREE_ERRORS);

  g_assert_cmpstr (text, ==, expected);
}

/* @path: of JSONPath
 * @expected: (nullable): the first value there, as JSON */
static void
assert_value (WireRun *run, const char *path, const char *expected)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), run->run);
  g_autoptr (JsonNode) found = json_path_query (path, node, NULL);
  JsonArray *values = json_node_get_array (found);
  g_autofree char *text = NULL;

  if (json_array_get_length (values) > 0)
    text = json_to_string (json_array_get_element (values, 0), FALSE);
  g_assert_cmpstr (text, ==, expected);
}

/* The @nth run below @parent. */
static WireRun *
get_child (WireTree *tree, WireRun *parent, guint nth)
{
  g_autoptr (GPtrArray) children = wire_tree_dup_children (tree, parent->id);

  g_assert_cmpuint (children->len, >, nth);
  return g_ptr_array_index (children, nth);
}

static WireRun *
get_root (WireTree *tree, guint nth)
{
  g_autoptr (GPtrArray) roots = wire_tree_dup_roots (tree);

  g_assert_cmpuint (roots->len, >, nth);
  return g_ptr_array_index (roots, nth);
}

/* A call of the model whose stream has come to its end. */
static void
assert_streamed (WireRun *run, const char *content)
{
  g_assert_cmpstr (run->run_type, ==, "llm");
  assert_value (run, "$.events[0].name", "\"new_token\"");
  assert_value (run, "$.outputs.choices[0].message.content", content);
  assert_value (run, "$.extra.metadata.ls_model_name", "\"" MODEL "\"");
  assert_value (run, "$.extra.metadata.usage_metadata.input_tokens", "20");
  assert_value (run, "$.extra.metadata.usage_metadata.output_tokens", "7");
  assert_value (run, "$.extra.metadata.usage_metadata.total_tokens", "27");
}

static void
assert_feedback (WireTree *tree, guint nth, WireRun *run, double score)
{
  GPtrArray *feedback = wire_tree_get_feedback (tree);
  JsonObject *object;

  g_assert_cmpuint (feedback->len, >, nth);
  object = g_ptr_array_index (feedback, nth);
  g_assert_cmpstr (json_object_get_string_member (object, "key"), ==, "user_score");
  g_assert_cmpstr (json_object_get_string_member (object, "run_id"), ==, run->id);
  g_assert_cmpfloat (json_object_get_double_member (object, "score"), ==, score);
}

/* --- tests --------------------------------------------------------------------------------- */

#define SKIP_WITHOUT_READER(fixture) \
 if ((fixture)->reader == NULL) \
 return

/* Asks, and waits for the request. */
static JsonArray *
ask_model (Fixture *fixture, const char *question)
{
  ask (fixture, question);
  return json_object_get_array_member (chat_service_wait_request (fixture->chat), "messages");
}

/* The first question, for which the model needs the tool. What the service sends is shown. */
static void
ask_time (Fixture *fixture)
{
  g_autofree char *expected = NULL;
  JsonArray *messages;
  JsonObject *result;

  ask_model (fixture, "What is the weather now?");
  answer_with_call (fixture);
  messages = json_object_get_array_member (chat_service_wait_request (fixture->chat), "messages");
  g_assert_cmpuint (json_array_get_length (messages), ==, 4);
  result = json_array_get_object_element (messages, 3);
  g_assert_cmpstr (json_object_get_string_member (result, "tool_call_id"), ==, "call_1");
  expected = g_strdup_printf ("clock: %s\n" ANSWER "\n",
                              json_object_get_string_member (result, "content"));
  answer (fixture, JSON_ANSWER);
  screen_reader_wait_texts (fixture->reader, "Answer", 0, expected);
}

/* An answer that is cancelled when half of it is shown. */
static void
cancel_half (Fixture *fixture, guint nth)
{
  ask_model (fixture, "Is there a long answer?");
  chat_service_begin (fixture->chat);
  send_text (fixture, "It will take", 7);
  screen_reader_wait_texts (fixture->reader, "Answer", nth, "It will take\n");
  screen_reader_press (fixture->reader, "Cancel", 0);
  screen_reader_wait_texts (fixture->reader, "Answer", nth, "It will take\nCancelled\n");
  chat_service_wait_closed (fixture->chat);
}

/* A whole conversation, of which each question is a trace. */
static void
test_conversation (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;
  WireRun *root;

  SKIP_WITHOUT_READER (fixture);
  start_traced (fixture);
  ask_time (fixture);
  ask_model (fixture, "And tomorrow?");
  answer (fixture, "The same.");
  screen_reader_wait_texts (fixture->reader, "Answer", 1, "The same.\n");
  screen_reader_assert_named (fixture->reader);
  screen_reader_press (fixture->reader, "Bad answer", 1);
  screen_reader_press (fixture->reader, "Good answer", 0);
  cancel_half (fixture, 2);
  /* what failed is forgotten */
  g_assert_cmpuint (json_array_get_length (ask_model (fixture, "So what?")), ==, 8);
  answer (fixture, "Stay in.");
  screen_reader_wait_texts (fixture->reader, "Answer", 3, "Stay in.\n");
  close_silently (fixture);

  tree = build_tree (fixture);
  assert_tree (tree, "chat-window chain ok\n"
                     "  chat test-model llm ok\n"
                     "  clock tool ok\n"
                     "  chat test-model llm ok\n"
                     "chat-window chain ok\n"
                     "  chat test-model llm ok\n"
                     "chat-window chain error error=\"Cancelled\"\n"
                     "  chat test-model llm error error=\"Cancelled\"\n"
                     "chat-window chain ok\n"
                     "  chat test-model llm ok\n");
  root = get_root (tree, 0);
  g_assert_cmpstr (wire_run_get_string (root, "inputs.content"), ==, "What is the weather now?");
  g_assert_cmpstr (wire_run_get_string (root, "outputs.content"), ==, ANSWER);
  assert_streamed (get_child (tree, root, 0), "null");
  assert_value (get_child (tree, root, 0),
                "$.outputs.choices[0].message.tool_calls[0].function.arguments",
                "\"{\\\"timezone\\\": \\\"UTC\\\"}\"");
  assert_value (get_child (tree, root, 1), "$.inputs.timezone", "\"UTC\"");
  assert_streamed (get_child (tree, root, 2), "\"" JSON_ANSWER "\"");
  assert_streamed (get_child (tree, get_root (tree, 1), 0), "\"The same.\"");
  assert_value (get_child (tree, get_root (tree, 2), 0), "$.outputs.choices[0].message.content",
                "\"It will take\"");
  g_assert_cmpuint (wire_tree_get_n_feedback (tree), ==, 2);
  assert_feedback (tree, 0, get_root (tree, 1), 0);
  assert_feedback (tree, 1, get_root (tree, 0), 1);
}

/* Nothing of the answer has come yet. */
static void
test_cancel_early (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;

  SKIP_WITHOUT_READER (fixture);
  start_traced (fixture);
  ask_model (fixture, "Are you there?");
  screen_reader_press (fixture->reader, "Cancel", 0);
  screen_reader_wait_texts (fixture->reader, "Answer", 0, "Cancelled\n");
  close_silently (fixture);
  tree = build_tree (fixture);
  assert_tree (tree, "chat-window chain error error=\"Cancelled\"\n"
                     "  chat test-model llm error error=\"Cancelled\"\n");
}

/* The window is closed while an answer comes. */
static void
test_close (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;

  SKIP_WITHOUT_READER (fixture);
  start_traced (fixture);
  ask_model (fixture, "Is there a long answer?");
  chat_service_begin (fixture->chat);
  send_text (fixture, "It will take", 7);
  screen_reader_wait_texts (fixture->reader, "Answer", 0, "It will take\n");
  close_silently (fixture);
  tree = build_tree (fixture);
  assert_tree (tree, "chat-window chain error error=\"Cancelled\"\n"
                     "  chat test-model llm error error=\"Cancelled\"\n");
}

static void
test_refused (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;
  g_autofree char *expected = NULL;

  SKIP_WITHOUT_READER (fixture);
  start_traced (fixture);
  ask_model (fixture, "Who am I?");
  chat_service_refuse (fixture->chat, 401, "{\"error\":{\"message\":\"The key is wrong\"}}");
  screen_reader_wait_texts (fixture->reader, "Answer", 0, "The key is wrong\n");
  close_silently (fixture);
  tree = build_tree (fixture);
  expected = g_strdup_printf ("chat-window chain error error=\"%sThe key is wrong\"\n"
                              "  chat test-model llm error error=\"HTTP 401: The key is wrong\"\n",
                              fixture->language->problem);
  assert_tree (tree, expected);
}

/* The stream ends too early. */
static void
test_incomplete (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;
  g_autofree char *expected = NULL;

  SKIP_WITHOUT_READER (fixture);
  start_traced (fixture);
  ask_model (fixture, "What is the end?");
  chat_service_begin (fixture->chat);
  send_text (fixture, "The end is", 7);
  chat_service_end (fixture->chat);
  screen_reader_wait_texts (fixture->reader, "Answer", 0,
                            "The end is\nThe answer has not come to its end\n");
  close_silently (fixture);
  tree = build_tree (fixture);
  expected =
      g_strdup_printf ("chat-window chain error error=\"%sThe answer has not come to its end\"\n"
                       "  chat test-model llm error error=\"Incomplete answer\"\n",
                       fixture->language->problem);
  assert_tree (tree, expected);
  assert_value (get_child (tree, get_root (tree, 0), 0), "$.outputs.choices[0].message.content",
                "\"The end is\"");
}

/* Calls that the tool cannot serve are answered with an error that the model can read, and what the
 * model says then is a paragraph of its own. */
static void
test_bad_calls (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *bad_zone = g_strdup_printf ("{\"error\":\"%s\"}", fixture->language->bad_zone);
  const char *results[] = { "{\"error\":\"there is no tool named teleport\"}",
                            "{\"error\":\"the arguments are no JSON\"}", bad_zone };
  g_autofree char *expected = NULL;
  g_autoptr (WireTree) tree = NULL;
  JsonArray *messages;

  SKIP_WITHOUT_READER (fixture);
  start_traced (fixture);
  ask_model (fixture, "Where am I?");
  chat_service_begin (fixture->chat);
  send_text (fixture, "Let me see.", 7);
  send_event (
      fixture,
      "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":["
      "{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"teleport\",\"arguments\":\"{}\"}},"
      "{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"clock\",\"arguments\":\"{\"}},"
      "{\"index\":2,\"id\":\"c\",\"function\":{\"name\":\"clock\","
      "\"arguments\":\"{\\\"timezone\\\":\\\"Mars\\\"}\"}}]}}]}",
      50);
  send_end (fixture, "tool_calls");
  messages = json_object_get_array_member (chat_service_wait_request (fixture->chat), "messages");
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (messages, 3 + i),
                                                    "content"),
                     ==, results[i]);
  answer (fixture, "I give up.");
  expected = g_strdup_printf ("teleport: %s\nclock: %s\nclock: %s\nLet me see.\n\nI give up.\n",
                              results[0], results[1], results[2]);
  screen_reader_wait_texts (fixture->reader, "Answer", 0, expected);
  close_silently (fixture);
  tree = build_tree (fixture);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 6);
}

/* Uses everything; the program never takes long to say what it shows. */
static void
converse_quickly (Fixture *fixture)
{
  screen_reader_take_worst_ms (fixture->reader);
  ask_time (fixture);
  screen_reader_press (fixture->reader, "Good answer", 0);
  cancel_half (fixture, 1);
  g_assert_cmpint (screen_reader_take_worst_ms (fixture->reader), <, test_get_slack_ms ());
}

/* The tracing service accepts connections, and answers nothing until the end. */
static void
test_service_hangs (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;

  SKIP_WITHOUT_READER (fixture);
  test_server_hold (fixture->langsmith);
  start_traced (fixture);
  converse_quickly (fixture);
  test_server_release (fixture->langsmith);
  close_silently (fixture);
  tree = build_tree (fixture);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 6);
}

/* The tracing service is down. The program says so in its log alone. */
static void
test_service_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autofree char *url = NULL;
  g_autofree char *output = NULL;
  g_autoptr (GSocket) socket = test_refusing_socket_new (&url);

  SKIP_WITHOUT_READER (fixture);
  launcher = new_launcher (fixture);
  g_subprocess_launcher_unsetenv (launcher, "G_DEBUG");
  trace_to (launcher, url, "100");
  start (fixture, launcher);
  converse_quickly (fixture);
  output = close_window (fixture);
  g_assert_nonnull (strstr (output, "Lsobs-Message"));
}

static void
test_untraced (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GPtrArray) requests = NULL;

  SKIP_WITHOUT_READER (fixture);
  launcher = new_launcher (fixture);
  trace_to (launcher, test_server_get_url (fixture->langsmith), "120000");
  g_subprocess_launcher_unsetenv (launcher, "LANGSMITH_TRACING");
  start (fixture, launcher);
  converse_quickly (fixture);
  close_silently (fixture);
  requests = test_server_dup_requests (fixture->langsmith);
  g_assert_cmpuint (requests->len, ==, 0);
}

/* --- the source ---------------------------------------------------------------------------- */

/* Returns: (transfer full): its lines */
static GStrv
load_source (const Language *language)
{
  g_autofree char *path =
      g_build_filename (g_getenv ("LSOBS_EXAMPLES_SOURCE_DIR"), language->file, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return g_strsplit (text, "\n", -1);
}

/* Tracing takes few lines, and all of them are marked. */
static void
test_lines (gconstpointer data)
{
  const Language *language = data;
  g_auto (GStrv) lines = load_source (language);
  guint n_marked = 0;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (g_str_has_suffix (lines[i], language->mark))
        n_marked++;
      else if (strstr (lines[i], "Lsobs") != NULL)
        g_error ("%s:%u is not marked: %s", language->file, i + 1, lines[i]);
    }
  g_test_message ("%u lines of %s trace", n_marked, language->file);
  g_assert_cmpuint (n_marked, >, 0);
  g_assert_cmpuint (n_marked, <=, MAX_LINES);
}

/* Runs a program that has to end well. */
static void
run_command (const char *const *argv)
{
  g_autoptr (GSubprocess) program = NULL;
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;

  program =
      g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE,
                         &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (program, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  g_test_message ("%s", output);
  g_assert_true (g_subprocess_get_successful (program));
}

/* Reads a program in Python, and looks up each global name that its functions use. */
#define CHECK_NAMES \
 "import builtins, dis, sys, types\n" \
 "codes = [compile(open(sys.argv[1], encoding='utf-8').read(), sys.argv[1], 'exec')]\n" \
 "steps = list(dis.get_instructions(codes[0]))\n" \
 "known = set(dir(builtins)) | {step.argval for step in steps if step.opname == 'STORE_NAME'}\n" \
 "for code in codes:\n" \
 "    codes += [value for value in code.co_consts if isinstance(value, types.CodeType)]\n" \
 "    for step in dis.get_instructions(code):\n" \
 "        assert step.opname != 'LOAD_GLOBAL' or step.argval in known, step\n" \
 "assert 'call_tool' in known and 'Lsobs' not in known\n"

/* Without them, and with libsoup's own function in the one that sends, it is a program without
 * lsobs. */
static void
test_without (gconstpointer data)
{
  const Language *language = data;
  g_auto (GStrv) lines = load_source (language);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *dir = g_dir_make_tmp ("chat-window-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, language->file, NULL);
  g_autofree char *c_path = g_build_filename (dir, "chat-window.c", NULL);
  const char *valac[] = {
    g_getenv ("VALAC"), "-C", "-d", dir, "--pkg", "gtk4", "--pkg", "libsoup-3.0", "--pkg",
    "json-glib-1.0",    path, NULL
  };
  const char *check[] = { g_getenv ("PYTHON"), "-c", CHECK_NAMES, path, NULL };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; lines[i] != NULL; i++)
    if (!g_str_has_suffix (lines[i], language->mark) || strstr (lines[i], language->send) != NULL)
      g_string_append_printf (text, "%s\n", lines[i]);
  g_assert_cmpuint (g_string_replace (text, language->send, language->own_send, 0), ==, 1);
  g_file_set_contents (path, text->str, -1, &error);
  g_assert_no_error (error);
  run_command (language == &python ? check : valac);
  g_unlink (c_path);
  g_unlink (path);
  g_rmdir (dir);
}

#define ADD(language, name, function) \
 g_test_add ("/chat-window/" #language "/" name, Fixture, &language, set_up, function, tear_down)

#define ADD_ALL(language) \
 G_STMT_START \
 { \
  g_test_add_data_func ("/chat-window/" #language "/lines", &language, test_lines); \
  g_test_add_data_func ("/chat-window/" #language "/without", &language, test_without); \
  ADD (language, "conversation", test_conversation); \
  ADD (language, "cancel-early", test_cancel_early); \
  ADD (language, "close", test_close); \
  ADD (language, "refused", test_refused); \
  ADD (language, "incomplete", test_incomplete); \
  ADD (language, "bad-calls", test_bad_calls); \
  ADD (language, "service-hangs", test_service_hangs); \
  ADD (language, "service-down", test_service_down); \
  ADD (language, "untraced", test_untraced); \
 } \
 G_STMT_END

/* Whether there is a Python with GTK. */
static gboolean
has_python (void)
{
  const char *argv[] = {
    g_getenv ("PYTHON"), "-c",
    "import gi; gi.require_version('Gtk', '4.0'); gi.require_version('Lsobs', '1.0')", NULL
  };
  int status;

  return argv[0] != NULL && *argv[0] != '\0' &&
         g_spawn_sync (NULL, (char **) argv, NULL,
                       G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                           G_SPAWN_STDERR_TO_DEV_NULL,
                       NULL, NULL, NULL, NULL, &status, NULL) &&
         g_spawn_check_wait_status (status, NULL);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD_ALL (vala);
  if (has_python ())
    ADD_ALL (python);
  return g_test_run ();
}
