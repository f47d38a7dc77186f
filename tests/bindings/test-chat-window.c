/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The example with a window, used as a user without a screen uses it: what it shows is what the service of
 * the model sends, and what it traces is what has happened. */

#include "config.h"

#include <string.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "tests/lib/chat-service.h"
#include "tests/lib/screen-reader.h"
#include "tests/lib/test-helpers.h"

#define MODEL     "test-model"
#define MAX_LINES 10
#define MARK      " // lsobs"

/* How long the program may take to say something while a service hangs: without its worker it would
 * wait for longer than this. */
#define MAX_WORST_MS 30000

/* Texts with characters of several bytes, which the pieces of a stream cut. */
#define ANSWER   "In Ålesund it is 雨 and 🌧, \\\"wet\\\"\\nall day."
#define SHOWN    "In Ålesund it is 雨 and 🌧, \"wet\"\nall day."
#define SECOND   "Take an umbrella."
#define HALF     "This will take "
#define QUESTION "What time is it in Oslo?"

typedef struct
{
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
  g_autofree char *json = g_strdup_printf (
      "{\"model\":\"" MODEL "-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}", text);

  send_event (fixture, json, piece);
}

static void
send_end (Fixture *fixture, const char *reason)
{
  g_autofree char *json = g_strdup_printf (
      "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"%s\"}]}", reason);

  send_event (fixture, json, 1000);
  send_event (fixture,
              "{\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7,"
              "\"total_tokens\":27}}",
              1000);
  chat_service_send (fixture->chat, "data: [DONE]\n\n", 1000);
  chat_service_end (fixture->chat);
}

/* Answers with a text, as a stream with pieces of an odd size. */
static void
answer (Fixture *fixture, const char *text)
{
  chat_service_wait_request (fixture->chat);
  chat_service_begin (fixture->chat);
  send_text (fixture, text, 7);
  send_end (fixture, "stop");
}

/* Wants to know the time, as a stream. */
static void
answer_with_call (Fixture *fixture)
{
  chat_service_wait_request (fixture->chat);
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

/* @endpoint: (nullable): NULL for no tracing */
static void
start (Fixture *fixture, const char *endpoint)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_autofree char *program = g_build_filename (g_getenv ("LSOBS_EXAMPLES_DIR"), "chat-window", NULL);
  g_autofree char *url = chat_service_dup_url (fixture->chat);
  g_autoptr (GError) error = NULL;

  screen_reader_prepare (fixture->reader, launcher);
  g_subprocess_launcher_setenv (launcher, "OPENAI_BASE_URL", url, TRUE);
  g_subprocess_launcher_setenv (launcher, "OPENAI_MODEL", MODEL, TRUE);
  if (endpoint != NULL)
    {
      g_subprocess_launcher_setenv (launcher, "LANGSMITH_TRACING", "true", TRUE);
      g_subprocess_launcher_setenv (launcher, "LANGSMITH_ENDPOINT", endpoint, TRUE);
      g_subprocess_launcher_setenv (launcher, "LANGSMITH_API_KEY", TEST_KEY, TRUE);
      g_subprocess_launcher_setenv (launcher, "LANGSMITH_EXIT_TIMEOUT_MS", "120000", TRUE);
    }
  fixture->program =
      g_subprocess_launcher_spawn (launcher, &error, program, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (fixture->program, NULL, NULL, test_result_cb,
                                       &fixture->result);
  screen_reader_wait_program (fixture->reader);
}

static void
start_traced (Fixture *fixture)
{
  start (fixture, test_server_get_url (fixture->langsmith));
}

static void
ask (Fixture *fixture, const char *question)
{
  screen_reader_type (fixture->reader, "Question", question);
  screen_reader_press (fixture->reader, "Send", 0);
}

/* The program has ended well, and has said nothing. */
static void
wait_end (Fixture *fixture)
{
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;

  g_subprocess_communicate_utf8_finish (fixture->program, test_result_wait (&fixture->result),
                                        &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (output, ==, "");
  g_assert_true (g_subprocess_get_if_exited (fixture->program));
  g_assert_cmpint (g_subprocess_get_exit_status (fixture->program), ==, 0);
}

static void
close_window (Fixture *fixture)
{
  screen_reader_press (fixture->reader, "Close", 0);
  wait_end (fixture);
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *why_not;

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

static void
assert_streamed (WireRun *run)
{
  assert_value (run, "$.events[?(@.name == 'x')]", NULL);
  assert_value (run, "$.extra.metadata.ls_model_name", "\"" MODEL "\"");
  assert_value (run, "$.extra.metadata.usage_metadata.input_tokens", "20");
  assert_value (run, "$.extra.metadata.usage_metadata.output_tokens", "7");
  assert_value (run, "$.extra.metadata.usage_metadata.total_tokens", "27");
}

/* --- tests --------------------------------------------------------------------------------- */

#define SKIP_WITHOUT(fixture) \
 if ((fixture)->reader == NULL) \
 return

static void
test_conversation (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;
  g_autofree char *text = NULL;

  SKIP_WITHOUT (fixture);
  start_traced (fixture);
  ask (fixture, QUESTION);
  answer_with_call (fixture);
  answer (fixture, ANSWER);
  screen_reader_press (fixture->reader, "Good answer", 0);
  text = screen_reader_dup_texts (fixture->reader, "Answer", 0);
  g_printerr ("%s\n", text);
  ask (fixture, "What now?");
  answer (fixture, SECOND);
  screen_reader_wait_texts (fixture->reader, "Answer", 1, SECOND "\n");
  close_window (fixture);
  tree = build_tree (fixture);
  g_printerr ("%s\n", wire_tree_to_string (tree, 0xff));
  g_printerr ("%s\n", json_to_string (json_node_init_object (json_node_alloc (), get_child(tree, get_root (tree, 0),0)->run), TRUE));
  assert_streamed (get_child (tree, get_root (tree, 0), 0));
  assert_tree (tree, "");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/chat-window/conversation", Fixture, NULL, set_up, test_conversation, tear_down);
  return g_test_run ();
}
