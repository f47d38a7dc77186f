/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What list, show and tail print: trees and tables for any width, and nothing of a trace that a terminal
 * would take for a command. */

#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/serve-helpers.h"
#include "tools/store/feedback.h"
#include "tools/terminal/figure.h"
#include "tools/terminal/plain-text.h"
#include "tools/terminal/run-tree.h"

#define STAMP "20260301T093015250000Z"
#define ROOT \
 "{'id':'" TEST_ROOT "','trace_id':'" TEST_ROOT "','dotted_order':'" STAMP TEST_ROOT "'," \
 "'name':'agent','run_type':'chain','session_name':'tests','start_time':'2026-03-01T09:30:15.25Z'," \
 "'end_time':'2026-03-01T09:30:16.75Z','inputs':{'question':'weather in Bremen?'}}"
#define CHILD_OF(more) \
 "{'id':'" TEST_CHILD "','parent_run_id':'" TEST_ROOT "','trace_id':'" TEST_ROOT "'," \
 "'dotted_order':'" STAMP TEST_ROOT "." STAMP TEST_CHILD "','run_type':'chain'," \
 "'session_name':'tests','start_time':'2026-03-01T09:30:15.25Z'," more "}"
#define LEAF \
 "{'id':'" TEST_LEAF "','parent_run_id':'" TEST_CHILD "','trace_id':'" TEST_ROOT "'," \
 "'dotted_order':'" STAMP TEST_ROOT "." STAMP TEST_CHILD "." STAMP TEST_LEAF "','name':'model'," \
 "'run_type':'llm','session_name':'tests','start_time':'2026-03-01T09:30:15.25Z'," \
 "'end_time':'2026-03-01T09:30:16Z','error':'boom'," \
 "'events':[{'name':'new_token','time':'2026-03-01T09:30:15.5Z'}]," \
 "'extra':{'metadata':{'usage_metadata':{'input_tokens':500,'output_tokens':1700}}}}"

/* --- text --- */

static void
assert_text (const char *text, guint columns, const char *expected, guint width)
{
  g_autoptr (GString) out = g_string_new (NULL);

  g_assert_cmpuint (plain_text_append (out, text, columns), ==, width);
  g_assert_cmpstr (out->str, ==, expected);
}

static void
test_text (void)
{
  assert_text ("weather", 10, "weather", 7);
  assert_text ("weather", 7, "weather", 7);
  assert_text ("weather", 6, "weath…", 6);
  assert_text ("weather", 1, "…", 1);
  assert_text ("weather", 0, "", 0);
  /* wide characters take two columns, and are never cut in halves */
  assert_text ("天気予報", 8, "天気予報", 8);
  assert_text ("天気予報", 7, "天気予…", 7);
  assert_text ("天気予報", 6, "天気…", 5);
  /* accents take none, and do not pile up */
  assert_text ("e\u0301a", 2, "e\u0301a", 2);
  assert_text ("e\u0301\u0301\u0301\u0301\u0301\u0301", 5, "e\u0301\u0301\u0301\u0301", 1);
  assert_text ("\u0301a \u0301b", 5, "a b", 3);
  /* white space */
  assert_text ("  a\n\tb \r\n", 10, "a b", 3);
  assert_text ("", 10, "", 0);
}

static void
test_hostile_text (void)
{
  assert_text ("\033[31mred\033[0m", 20, "\ufffd[31mred\ufffd[0m", 12);
  assert_text ("\033]0;title\a", 20, "\ufffd]0;title\ufffd", 10);
  assert_text ("\302\2330m", 20, "\ufffd0m", 3);
  assert_text ("a\bb\177", 20, "a\ufffdb\ufffd", 4);
  /* the direction of text, and what is invisible */
  assert_text ("a\u202eb\u2066c", 20, "a\ufffdb\ufffdc", 5);
  assert_text ("a\u200bb\ufeff", 20, "a\ufffdb\ufffd", 4);
  /* bytes that are no UTF-8 */
  assert_text ("a\377\233b", 20, "a\ufffd\ufffdb", 4);
}

static void
test_text_lines (void)
{
  g_autoptr (GString) out = g_string_new (NULL);

  plain_text_append_lines (out, "{\n  \"a\": \"\033[2J\"\n}\n", "> ", 20, 5);
  g_assert_cmpstr (out->str, ==, "> {\n>   \"a\": \"\ufffd[2J\"\n> }\n");
  g_string_truncate (out, 0);
  plain_text_append_lines (out, "abcdefgh", NULL, 3, 5);
  g_assert_cmpstr (out->str, ==, "abc\ndef\ngh\n");
  g_string_truncate (out, 0);
  plain_text_append_lines (out, "1\n2\n3\n4", NULL, 3, 2);
  g_assert_cmpstr (out->str, ==, "1\n2\n…\n");
  g_string_truncate (out, 0);
  plain_text_append_lines (out, "take an umbrella with you", NULL, 16, 5);
  g_assert_cmpstr (out->str, ==, "take an umbrella\nwith you\n");
  g_string_truncate (out, 0);
  plain_text_append_lines (out, "take the umbrella", NULL, 12, 5);
  g_assert_cmpstr (out->str, ==, "take the\numbrella\n");
  g_string_truncate (out, 0);
  plain_text_append_lines (out, "if x:\\n    y(a,   b)", NULL, 40, 5);
  g_assert_cmpstr (out->str, ==, "if x:\\n    y(a,   b)\n");
  g_string_truncate (out, 0);
  plain_text_append_lines (out, "ab        cd", NULL, 6, 5);
  g_assert_cmpstr (out->str, ==, "ab\ncd\n");
  /* a path stays whole if it fits into a line, and is cut if it does not */
  g_string_truncate (out, 0);
  plain_text_append_lines (out, "in /tmp/traces.db", NULL, 14, 5);
  g_assert_cmpstr (out->str, ==, "in\n/tmp/traces.db\n");
  g_string_truncate (out, 0);
  plain_text_append_lines (out, "in /tmp/traces.db", NULL, 13, 5);
  g_assert_cmpstr (out->str, ==, "in /tmp/trace\ns.db\n");
}

static void
assert_taken (char *text, const char *expected)
{
  g_assert_cmpstr (text, ==, expected);
  g_free (text);
}

static void
test_figures (void)
{
  assert_taken (figure_dup_duration (-5), "0 ms");
  assert_taken (figure_dup_duration (999999), "999 ms");
  assert_taken (figure_dup_duration (1500000), "1.50 s");
  assert_taken (figure_dup_duration (G_GINT64_CONSTANT (123000000)), "2 m 03 s");
  assert_taken (figure_dup_duration (G_GINT64_CONSTANT (18600000000)), "5 h 10 m");
  assert_taken (figure_dup_duration (G_MAXINT64), "106751991 d");
  assert_taken (figure_dup_count (999), "999");
  assert_taken (figure_dup_count (1250), "1.2k");
  assert_taken (figure_dup_count (125000), "125k");
  assert_taken (figure_dup_count (3400000), "3.4M");
  assert_taken (figure_dup_count (G_MAXINT64), "9223372T");
  assert_taken (figure_dup_cost (0.00214), "$0.0021");
  assert_taken (figure_dup_cost (12.345), "$12.35");
}

/* --- trees --- */

typedef struct
{
  GPtrArray *runs; /* (owned) */
} TreeFixture;

static void
tree_set_up (TreeFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  self->runs = g_ptr_array_new_with_free_func ((GDestroyNotify) run_free);
}

static void
tree_tear_down (TreeFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  g_ptr_array_unref (self->runs);
}

/* Adds run @number below run @parent; 0 is none. It starts at second @number and takes one. */
static Run *
add_run (TreeFixture *self, guint number, guint parent, const char *name)
{
  Run *run = g_new0 (Run, 1);

  run->seq = number;
  run->id.bytes[15] = (guint8) number;
  run->id.bytes[14] = (guint8) (number >> 8);
  run->has_parent = parent > 0;
  run->parent_id.bytes[15] = (guint8) parent;
  run->parent_id.bytes[14] = (guint8) (parent >> 8);
  run->created = TRUE;
  run->status = RUN_SUCCESS;
  run->name = g_strdup (name);
  run->run_type = g_strdup ("chain");
  run->start_time = number * G_USEC_PER_SEC;
  run->end_time = run->start_time + G_USEC_PER_SEC;
  run->tree_first_token_time = TIME_NONE;
  g_ptr_array_add (self->runs, run);
  return run;
}

static char *
draw (TreeFixture *self, guint columns)
{
  Screen screen = { columns, FALSE };
  GString *out = g_string_new (NULL);

  run_tree_append (out, &screen, self->runs);
  return g_string_free (out, FALSE);
}

static void
assert_fits (const char *text, guint columns)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    g_assert_cmpuint (plain_text_measure (*line), <=, columns);
}

static void
test_tree (TreeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *wide = NULL;
  g_autofree char *narrow = NULL;
  Run *run;

  /* in any order */
  run = add_run (fixture, 3, 2, "model");
  run->tree_usage.total_tokens = 1234;
  run->status = RUN_ERROR;
  run = add_run (fixture, 1, 0, "agent");
  run->end_time = TIME_NONE;
  run->status = RUN_PENDING;
  add_run (fixture, 4, 1, "天気");
  add_run (fixture, 2, 1, "step");
  wide = draw (fixture, 60);
  g_assert_nonnull (strstr (wide, "● agent chain"));
  g_assert_nonnull (strstr (wide, "\n├─ ✓ step chain"));
  g_assert_nonnull (strstr (wide, "\n│  └─ ✗ model chain"));
  g_assert_nonnull (strstr (wide, "\n└─ ✓ 天気 chain"));
  g_assert_nonnull (strstr (wide, "1.2k"));
  g_assert_nonnull (strstr (wide, "━"));
  assert_fits (wide, 60);
  narrow = draw (fixture, 28);
  g_assert_null (strstr (narrow, "1.2k"));
  g_assert_null (strstr (narrow, "━"));
  g_assert_nonnull (strstr (narrow, "1.00 s"));
  assert_fits (narrow, 28);
}

/* Each run has a line, whatever clients say about parents. */
static void
test_odd_trees (TreeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  add_run (fixture, 1, 1, "self");
  add_run (fixture, 2, 3, "circle a");
  add_run (fixture, 3, 2, "circle b");
  add_run (fixture, 4, 900, "orphan");
  for (guint i = 5; i < 600; i++)
    add_run (fixture, i, i == 5 ? 0 : i - 1, "deep");
  text = draw (fixture, 80);
  assert_fits (text, 80);
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, fixture->runs->len + 2);
  g_assert_nonnull (strstr (text, "✓ self"));
  g_assert_nonnull (strstr (text, "✓ circle a"));
  g_assert_nonnull (strstr (text, "└─ ✓ circle b"));
  g_assert_nonnull (strstr (text, "✓ orphan"));
  g_assert_nonnull (strstr (text, "… 594 ✓ deep"));
}

/* An error that goes up the tree is printed once, where it has happened. */
static void
test_errors_first (TreeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Screen screen = { 40, FALSE };
  g_autoptr (GString) out = g_string_new (NULL);
  static const char *const names[] = { "root", "model", "tool" };

  for (guint i = 0; i < 3; i++)
    {
      Run *run = add_run (fixture, i + 1, i, names[i]);

      run->status = RUN_ERROR;
      run->error = g_strdup (i < 2 ? "boom\033[2J" : "other");
    }
  run_tree_append_errors (out, &screen, fixture->runs);
  g_assert_cmpstr (out->str, ==, "✗ model\n    boom\ufffd[2J\n✗ tool\n    other\n\n");
}

/* --- commands --- */

static void
fill (ServeFixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = store_open (fixture->database, DATABASE_READ_WRITE, &error);

  g_assert_no_error (error);
  test_apply (store, CHANGE_CREATE, ROOT);
  test_apply (store, CHANGE_CREATE,
              CHILD_OF ("'name':'step \\u001b[31m','inputs':{'x':'\\u001b]0;t\\u0007'},"
                        "'end_time':'2026-03-01T09:30:16Z'"));
  test_apply (store, CHANGE_CREATE, LEAF);
}

static void
add_feedback (ServeFixture *fixture)
{
  static const char text[] = "{\"run_id\":\"" TEST_ROOT "\",\"key\":\"helpful\",\"score\":1,"
                             "\"comment\":\"two lines,\\nand a \\u001b[31mcolour\"}";
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_autoptr (Feedback) feedback = feedback_new_from_json (NULL, text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_true (store_begin (store, &error));
  g_assert_true (feedback_write (store, feedback, &error));
  g_assert_true (store_commit (store, &error));
}

static void
assert_harmless (const char *text)
{
  g_assert_true (g_utf8_validate (text, -1, NULL));
  for (const char *at = text; *at != '\0'; at++)
    g_assert_true (*at == '\n' || !g_ascii_iscntrl (*at));
}

static char *
run_lsobs (ServeFixture *fixture, const char *arguments, int status, char **errors)
{
  g_autofree char *words = g_strdup_printf ("%s --database='%s'", arguments, fixture->database);
  g_autofree char *own_errors = NULL;
  char *output = NULL;

  g_assert_cmpint (serve_run (fixture, words, &output, &own_errors), ==, status);
  assert_harmless (own_errors);
  if (errors != NULL)
    *errors = g_steal_pointer (&own_errors);
  return output;
}

static void
test_list (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *output = NULL;
  g_autofree char *narrow = NULL;
  g_autofree char *json = NULL;
  g_autofree char *errors = NULL;
  g_autofree char *filtered = NULL;
  g_autofree char *missing = NULL;
  g_autoptr (JsonNode) node = NULL;

  fill (fixture);
  output = run_lsobs (fixture, "list", 0, NULL);
  g_assert_nonnull (strstr (output, "agent"));
  g_assert_nonnull (strstr (output, "1.50 s"));
  g_assert_nonnull (strstr (output, "2.2k"));
  g_assert_nonnull (strstr (output, "250 ms"));
  g_assert_nonnull (strstr (output, TEST_ROOT));
  g_assert_null (strstr (output, "step"));
  g_setenv ("COLUMNS", "40", TRUE);
  narrow = run_lsobs (fixture, "list", 0, NULL);
  g_unsetenv ("COLUMNS");
  assert_fits (narrow, 40);
  g_assert_nonnull (strstr (narrow, TEST_ROOT + LSOBS_UUID_LEN - 8));
  g_assert_null (strstr (narrow, TEST_ROOT));
  json = run_lsobs (fixture, "list --json", 0, NULL);
  node = json_from_string (json, NULL);
  g_assert_nonnull (node);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (node), "id"), ==,
                   TEST_ROOT);
  filtered = run_lsobs (fixture, "list --filter 'gt(latency, 2)'", 0, &errors);
  g_assert_cmpstr (filtered, ==, "");
  g_assert_nonnull (strstr (errors, "No trace matches"));
  missing = run_lsobs (fixture, "list --project no", 1, NULL);
  g_free (run_lsobs (fixture, "list --limit=0", 2, NULL));
  g_free (run_lsobs (fixture, "list word", 2, NULL));
  g_free (run_lsobs (fixture, "list --help", 0, NULL));
}

static void
test_show (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *newest = NULL;
  g_autofree char *by_end = NULL;
  g_autofree char *part = NULL;
  g_autofree char *all = NULL;
  g_autofree char *json = NULL;
  g_auto (GStrv) lines = NULL;
  const char *error_place;

  fill (fixture);
  add_feedback (fixture);
  newest = run_lsobs (fixture, "show", 0, NULL);
  assert_harmless (newest);
  error_place = strstr (newest, "    boom\n");
  g_assert_nonnull (error_place);
  g_assert_true (strstr (newest, "✓ agent") > error_place);
  g_assert_nonnull (strstr (newest, "└─ ✓ step \ufffd[31m"));
  g_assert_nonnull (strstr (newest, "   └─ ✗ model"));
  g_assert_nonnull (strstr (newest, "weather in Bremen?"));
  g_assert_nonnull (
      strstr (newest, "    helpful 1\n      two lines,\n      and a \ufffd[31mcolour\n"));
  by_end = run_lsobs (fixture, "show 0001", 0, NULL);
  g_assert_cmpstr (by_end, ==, newest);
  part = run_lsobs (fixture, "show " TEST_CHILD "", 0, NULL);
  g_assert_null (strstr (part, "✓ agent"));
  g_assert_nonnull (strstr (part, "└─ ✗ model"));
  assert_harmless (part);
  all = run_lsobs (fixture, "show --all", 0, NULL);
  g_assert_nonnull (strstr (all, "usage_metadata"));
  assert_harmless (all);
  json = run_lsobs (fixture, "show --json", 0, NULL);
  lines = g_strsplit (g_strchomp (json), "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 3);
  for (char **line = lines; *line != NULL; line++)
    {
      g_autoptr (JsonNode) node = json_from_string (*line, NULL);

      g_assert_nonnull (node);
    }
  g_free (run_lsobs (fixture, "show ffff", 1, NULL));
  g_free (run_lsobs (fixture, "show 000", 1, NULL));
  g_free (run_lsobs (fixture, "show 0000000", 1, NULL));
  g_free (run_lsobs (fixture, "show 0190-7000", 1, NULL));
}

static void
test_show_nothing (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;

  g_free (run_lsobs (fixture, "show", 1, NULL));
  store_close (store_open (fixture->database, DATABASE_READ_WRITE, &error));
  g_assert_no_error (error);
  g_free (run_lsobs (fixture, "show", 1, &errors));
  g_assert_nonnull (strstr (errors, "no traces yet"));
}

/* The end of an id that list shows is enough to delete a trace, too. */
static void
test_delete_by_end (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  fill (fixture);
  g_free (run_lsobs (fixture, "delete ffff", 1, &errors));
  g_assert_nonnull (strstr (errors, "ends in"));
  /* One word that is wrong, and nothing is deleted. */
  g_free (run_lsobs (fixture, "delete 00000001 ffff", 1, NULL));
  g_free (run_lsobs (fixture, "delete 00000001 " TEST_OTHER, 1, NULL));
  g_free (run_lsobs (fixture, "delete 00000001 --project=none", 1, NULL));
  output = run_lsobs (fixture, "delete --json 00000001 00000001", 0, NULL);
  g_assert_cmpstr (output, ==, "{\"traces\":1,\"runs\":3}\n");
  /* A database that is not there is not made. */
  g_free (fixture->database);
  fixture->database = g_build_filename (fixture->folder, "none.db", NULL);
  g_clear_pointer (&errors, g_free);
  g_free (run_lsobs (fixture, "delete --older-than=1d", 1, &errors));
  g_assert_nonnull (strstr (errors, "There is no database"));
  g_assert_false (g_file_test (fixture->database, G_FILE_TEST_EXISTS));
}

/* Waits for a line of a process, and frees it. */
static void
expect_line (GDataInputStream *stream, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_data_input_stream_read_line_utf8 (stream, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (line);
  assert_harmless (line);
  if (strstr (line, part) == NULL)
    g_error ("“%s” is not in “%s”", part, line);
}

static void
test_tail (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GDataInputStream) stream = NULL;
  g_autofree char *first = NULL;
  guint n = 0;

  g_assert_no_error (error);
  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, program, "tail", "-d",
                              fixture->database, NULL);
  g_assert_no_error (error);
  stream = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  /* It says nothing when it begins to follow: runs of other names are written until it has shown one. */
  while (!g_pollable_input_stream_is_readable (
      G_POLLABLE_INPUT_STREAM (g_subprocess_get_stdout_pipe (process))))
    {
      g_autofree char *json = g_strdup_printf (
          "{'id':'01900000-0000-7000-9000-0000%08u','name':'early','run_type':'chain',"
          "'session_name':'tests','start_time':'2026-03-01T09:30:15.25Z'}",
          ++n);

      test_apply (store, CHANGE_CREATE, json);
      g_usleep (20000);
    }
  expect_line (stream, "● early");
  test_apply (store, CHANGE_CREATE, ROOT);
  for (;;)
    {
      g_autofree char *line = g_data_input_stream_read_line_utf8 (stream, NULL, NULL, &error);

      g_assert_no_error (error);
      assert_harmless (line);
      if (strstr (line, "early") != NULL)
        continue;
      g_assert_nonnull (strstr (line, "✓ agent  1.50 s"));
      break;
    }
  test_apply (store, CHANGE_CREATE, LEAF);
  expect_line (stream, "    ✗ model  750 ms  2.2k tokens");
  expect_line (stream, "boom");
  test_apply (store, CHANGE_CREATE, CHILD_OF ("'name':'step \\u001b[31m'"));
  expect_line (stream, "● step \ufffd[31m");
  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_wait (process, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (process));
}

/* Before the first trace, it says what it waits for. */
static void
test_tail_waits (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
  g_autofree char *path = g_build_filename (fixture->folder, "none.db", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_PIPE, &error, program, "tail", "-d", path, NULL);
  g_autoptr (GDataInputStream) stream = NULL;

  g_assert_no_error (error);
  stream = g_data_input_stream_new (g_subprocess_get_stderr_pipe (process));
  expect_line (stream, "There are no traces yet");
  g_subprocess_force_exit (process);
  g_subprocess_wait (process, NULL, &error);
  g_assert_no_error (error);
}

/* --- a real terminal --- */

/* Runs a command of lsobs in a terminal of so many columns, with more settings of the environment.
 * @columns: 0: a pipe
 * @more: commands of a shell
 * @output: (out): where to read what it prints, without anything that the terminal adds
 * Returns: (transfer full) */
static GSubprocess *
start_in_terminal (ServeFixture *fixture,
                   const char *arguments,
                   guint columns,
                   const char *more,
                   int *output)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "..", "tools", "lsobs", NULL);
  g_autofree char *command =
      g_strdup_printf ("unset COLUMNS NO_COLOR; export TERM=xterm; %s exec '%s' %s"
                       " --database='%s'",
                       more, program, arguments, fixture->database);
  const char *argv[] = { "/bin/sh", "-c", command, NULL };
  g_autoptr (GError) error = NULL;
  GSubprocess *process;
  int ends[2];

  if (columns > 0)
    {
      struct winsize size = { .ws_row = 24, .ws_col = (unsigned short) columns };
      struct termios settings;

      ends[0] = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
      g_assert_cmpint (ends[0], >=, 0);
      g_assert_cmpint (grantpt (ends[0]), ==, 0);
      g_assert_cmpint (unlockpt (ends[0]), ==, 0);
      ends[1] = open (ptsname (ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
      g_assert_cmpint (ends[1], >=, 0);
      g_assert_cmpint (tcgetattr (ends[1], &settings), ==, 0);
      cfmakeraw (&settings);
      g_assert_cmpint (tcsetattr (ends[1], TCSANOW, &settings), ==, 0);
      g_assert_cmpint (ioctl (ends[1], TIOCSWINSZ, &size), ==, 0);
    }
  else
    g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  g_subprocess_launcher_take_stdout_fd (launcher, ends[1]);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  *output = ends[0];
  return process;
}

/* Returns: (transfer full): all that a command prints */
static char *
run_in_terminal (ServeFixture *fixture, const char *arguments, guint columns, const char *more)
{
  int output;
  g_autoptr (GSubprocess) process = start_in_terminal (fixture, arguments, columns, more, &output);
  g_autoptr (GError) error = NULL;
  GString *text = g_string_new (NULL);
  char buffer[4096];
  gssize n;

  /* A terminal whose program has ended is an error of reading. */
  while ((n = read (output, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, n);
  close (output);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
  return g_string_free (text, FALSE);
}

#define PLAIN_ROOT \
 "{'id':'" TEST_ROOT "','trace_id':'" TEST_ROOT "','dotted_order':'" STAMP TEST_ROOT "'," \
 "'name':'agent with quite a long name','run_type':'chain','session_name':'tests'," \
 "'start_time':'2026-03-01T09:30:15.25Z'," \
 "'end_time':'2026-03-01T09:30:16.75Z','inputs':{'question':'weather in Bremen, and a text that is" \
 " longer than a line of most terminals, which may be as narrow as they want to be'}}"

static void
fill_plain (ServeFixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = store_open (fixture->database, DATABASE_READ_WRITE, &error);

  g_assert_no_error (error);
  test_apply (store, CHANGE_CREATE, PLAIN_ROOT);
  test_apply (store, CHANGE_CREATE, CHILD_OF ("'name':'step'"));
  test_apply (store, CHANGE_CREATE, LEAF);
}

typedef struct
{
  const char *name;
  guint columns; /* 0: no terminal */
  const char *more;
  gboolean colours;
} ColourRow;

static const ColourRow colour_rows[] = {
  { "terminal", 80, "", TRUE },
  { "no-color", 80, "export NO_COLOR=1;", FALSE },
  { "no-color-empty", 80, "export NO_COLOR=;", TRUE },
  { "dumb", 80, "export TERM=dumb;", FALSE },
  { "no-term", 80, "unset TERM;", FALSE },
  { "pipe", 0, "", FALSE },
};

static void
test_colour (ServeFixture *fixture, gconstpointer data)
{
  static const char *const commands[] = { "list", "show", "show --all" };
  const ColourRow *row = data;

  fill_plain (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      g_autofree char *text = run_in_terminal (fixture, commands[i], row->columns, row->more);

      g_assert_nonnull (strstr (text, "agent"));
      g_assert_true ((strchr (text, '\033') != NULL) == row->colours);
      if (!row->colours)
        assert_harmless (text);
    }
}

/* Whatever the width of the terminal, no line is longer. */
static void
test_widths (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const commands[] = { "list", "show", "show --all" };
  static const guint widths[] = { 300, 80, 61, 40, 28, 20 };

  fill_plain (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (commands) * G_N_ELEMENTS (widths); i++)
    {
      guint columns = widths[i / G_N_ELEMENTS (commands)];
      g_autofree char *text = run_in_terminal (fixture, commands[i % G_N_ELEMENTS (commands)],
                                               columns, "export NO_COLOR=1;");

      g_assert_nonnull (strstr (text, "agent"));
      assert_fits (text, columns);
    }
}

static void
assert_ascii (const char *text)
{
  for (const char *at = text; *at != '\0'; at++)
    if ((guchar) *at > 126 || *at == '?')
      g_error ("“%c” (0x%x) is in “%s”", *at, (guint) (guchar) *at, text);
}

/* A charset that has no lines and no marks has other signs in their places. */
static void
test_ascii (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const commands[] = { "list", "show", "show --all" };
  static const char *const more[] = { "export LC_ALL=C;", "export LC_ALL=C NO_COLOR=1;" };
  g_autofree char *tree = NULL;

  fill_plain (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    for (guint j = 0; j < G_N_ELEMENTS (more); j++)
      for (guint columns = 0; columns <= 120; columns += 30)
        {
          g_autofree char *text = run_in_terminal (fixture, commands[i], columns, more[j]);

          assert_ascii (text);
        }
  tree = run_in_terminal (fixture, "show", 100, "export LC_ALL=C NO_COLOR=1;");
  g_assert_nonnull (strstr (tree, "+ agent"));
  g_assert_nonnull (strstr (tree, "\n`- * step"));
  g_assert_nonnull (strstr (tree, "\n   `- x model"));
  g_assert_nonnull (strstr (tree, "==="));
}

/* What the charset does not have takes as many columns: the figures of all runs end at the same column. */
static void
test_ascii_columns (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const names[] = { "plain", "级别", "u\314\210mlaut", "wörk", "😀 x" };
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint column = 0;

  {
    g_autoptr (GError) error = NULL;
    g_autoptr (Store) store = store_open (fixture->database, DATABASE_READ_WRITE, &error);

    g_assert_no_error (error);
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
      {
        g_autofree char *json =
            g_strdup_printf ("{'id':'01900000-0000-7000-9000-%012u','name':'%s','start_time':"
                             "'2026-03-01T09:30:15.25Z','end_time':'2026-03-01T09:30:16.25Z'}",
                             i, names[i]);

        test_apply (store, CHANGE_CREATE, json);
      }
  }
  text = run_in_terminal (fixture, "list", 100, "export LC_ALL=C NO_COLOR=1;");
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, G_N_ELEMENTS (names) + 1);
  for (char **line = lines + 1; *line != NULL; line++)
    {
      const char *time = strstr (*line, "1.00 s");

      g_assert_nonnull (time);
      if (column == 0)
        column = (guint) (time - *line);
      g_assert_cmpuint ((guint) (time - *line), ==, column);
    }
}

/* Only failed runs of one project, and found ones, are shown; JSON has one line for each run. */
static void
test_choices (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *found = NULL;
  g_autofree char *failed = NULL;
  struct pollfd output = { .events = POLLIN };
  g_autoptr (GSubprocess) process = NULL;

  g_assert_no_error (error);
  test_apply (store, CHANGE_CREATE, PLAIN_ROOT);
  test_apply (store, CHANGE_CREATE,
              "{'id':'" TEST_OTHER "','name':'bad one','session_name':'tests','error':'boom',"
              "'end_time':'2026-03-01T09:30:16.25Z','start_time':'2026-03-01T09:30:15.25Z'}");
  found = run_lsobs (fixture, "list --search='bremen'", 0, NULL);
  g_assert_nonnull (strstr (found, "agent"));
  g_assert_null (strstr (found, "bad one"));
  failed = run_lsobs (fixture, "list --errors", 0, NULL);
  g_assert_null (strstr (failed, "agent"));
  g_assert_nonnull (strstr (failed, "bad one"));

  process = start_in_terminal (fixture, "tail --errors --project=tests --json", 0, "", &output.fd);
  for (guint i = 1; poll (&output, 1, 20) == 0; i++)
    {
      static const char *const more[] = { "'name':'other','session_name':'other','error':'x'",
                                          "'name':'good','session_name':'tests'",
                                          "'name':'wanted','session_name':'tests','error':'x'" };

      for (guint j = 0; j < G_N_ELEMENTS (more); j++)
        {
          g_autofree char *json = g_strdup_printf (
              "{'id':'01900000-0000-7000-9000-000%u%08u',%s,"
              "'start_time':'2026-03-01T09:30:15.25Z','end_time':'2026-03-01T09:30:16.25Z'}",
              j, i, more[j]);

          test_apply (store, CHANGE_CREATE, json);
        }
    }
  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
  for (;;)
    {
      char buffer[4096];
      gssize n = read (output.fd, buffer, sizeof buffer);

      if (n <= 0)
        break;
      g_string_append_len (text, buffer, n);
    }
  close (output.fd);
  {
    g_auto (GStrv) lines = g_strsplit (g_strchomp (text->str), "\n", -1);

    g_assert_cmpuint (g_strv_length (lines), >, 0);
    for (char **line = lines; *line != NULL; line++)
      {
        g_autoptr (JsonNode) node = json_from_string (*line, NULL);

        g_assert_nonnull (node);
        g_assert_cmpstr (json_object_get_string_member (json_node_get_object (node), "name"), ==,
                         "wanted");
      }
  }
}

/* A link to the database, in another folder, is as good as the file. */
static void
test_tail_of_link (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_autofree char *file = g_steal_pointer (&fixture->database);
  g_autoptr (GSubprocess) process = NULL;
  gint64 end = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
  struct pollfd output = { .events = POLLIN };

  g_assert_no_error (error);
  fixture->database = g_build_filename (fixture->folder, "link.db", NULL);
  g_assert_cmpint (symlink (file, fixture->database), ==, 0);
  process = start_in_terminal (fixture, "tail", 0, "", &output.fd);
  for (guint i = 1; poll (&output, 1, 20) == 0; i++)
    {
      g_autofree char *json =
          g_strdup_printf ("{'id':'01900000-0000-7000-9000-%012u','name':'run'}", i);

      test_apply (store, CHANGE_CREATE, json);
      g_assert_cmpint (g_get_monotonic_time (), <, end);
    }
  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
  close (output.fd);
}

static void
test_tail_in_terminal (ServeFixture *fixture, gconstpointer data)
{
  const ColourRow *row = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_autoptr (GSubprocess) process = NULL;
  struct pollfd output = { .events = POLLIN };
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_no_error (error);
  process = start_in_terminal (fixture, "tail", row->columns, row->more, &output.fd);
  /* Runs are written until it has begun to follow. */
  for (guint i = 1; poll (&output, 1, 20) == 0; i++)
    {
      g_autofree char *json = g_strdup_printf (
          "{'id':'01900000-0000-7000-9000-0000%08u','name':'a run with a name that is quite long',"
          "'run_type':'chain','session_name':'tests','start_time':'2026-03-01T09:30:15.25Z',"
          "'end_time':'2026-03-01T09:30:16.25Z','error':'an error of more than one line'}",
          i);

      test_apply (store, CHANGE_CREATE, json);
    }
  while (strstr (text->str, "line\n") == NULL)
    {
      char buffer[4096];
      gssize n = read (output.fd, buffer, sizeof buffer);

      g_assert_cmpint (n, >, 0);
      g_string_append_len (text, buffer, n);
    }
  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
  close (output.fd);
  g_assert_true ((strchr (text->str, '\033') != NULL) == row->colours);
  if (strstr (row->more, "export LC_ALL=C;") != NULL)
    assert_ascii (text->str);
  if (!row->colours && row->columns > 0)
    assert_fits (text->str, row->columns);
}

static const ColourRow tail_rows[] = {
  { "terminal", 80, "", TRUE },
  { "no-color", 40, "export NO_COLOR=1;", FALSE },
  { "dumb", 25, "export TERM=dumb;", FALSE },
  { "pipe", 0, "", FALSE },
  { "ascii", 60, "export LC_ALL=C NO_COLOR=1;", FALSE },
};

static void
test_colours (void)
{
  Screen screen;
  g_autoptr (GString) out = g_string_new (NULL);

  screen.colours = FALSE;
  screen_append (&screen, out, SCREEN_BAD, "x");
  g_assert_cmpstr (out->str, ==, "x");
  screen.colours = TRUE;
  screen_append (&screen, out, SCREEN_BAD, "y");
  g_assert_cmpstr (out->str, ==, "x\033[31my\033[0m");
}

/* JSON with nothing in it that has an effect on a terminal. */
static void
test_json (void)
{
  static const char *const rows[][2] = {
    { "{\"a\":\"\\u001b é 日 😀\"}", "{\"a\":\"\\u001b é 日 😀\"}" },
    { "\"\177\"", "\"\\u007f\"" },
    { "\"\302\200\302\237\302\240\"", "\"\\u0080\\u009f\302\240\"" },
    { "\"\330\234\330\235\"", "\"\\u061c\330\235\"" },
    { "\"\342\200\215\342\200\216\342\200\217\342\200\220\"",
      "\"\342\200\215\\u200e\\u200f\342\200\220\"" },
    { "\"\342\200\247\342\200\250\342\200\256\342\200\257\"",
      "\"\342\200\247\\u2028\\u202e\342\200\257\"" },
    { "\"\342\201\245\342\201\246\342\201\251\342\201\252\"",
      "\"\342\201\245\\u2066\\u2069\342\201\252\"" },
    { "", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

      plain_text_put_json (&out, rows[i][0], strlen (rows[i][0]));
      _lsobs_buffer_append_c (&out, '\0');
      g_assert_cmpstr (out.data, ==, rows[i][1]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/terminal/text", test_text);
  g_test_add_func ("/terminal/hostile-text", test_hostile_text);
  g_test_add_func ("/terminal/text-lines", test_text_lines);
  g_test_add_func ("/terminal/json", test_json);
  g_test_add_func ("/terminal/figures", test_figures);
  g_test_add_func ("/terminal/colours", test_colours);
  g_test_add ("/terminal/tree", TreeFixture, NULL, tree_set_up, test_tree, tree_tear_down);
  g_test_add ("/terminal/odd-trees", TreeFixture, NULL, tree_set_up, test_odd_trees,
              tree_tear_down);
  g_test_add ("/terminal/errors-first", TreeFixture, NULL, tree_set_up, test_errors_first,
              tree_tear_down);
  g_test_add ("/terminal/list", ServeFixture, NULL, serve_fixture_set_up, test_list,
              serve_fixture_tear_down);
  g_test_add ("/terminal/show", ServeFixture, NULL, serve_fixture_set_up, test_show,
              serve_fixture_tear_down);
  g_test_add ("/terminal/show-nothing", ServeFixture, NULL, serve_fixture_set_up, test_show_nothing,
              serve_fixture_tear_down);
  g_test_add ("/terminal/delete-by-end", ServeFixture, NULL, serve_fixture_set_up,
              test_delete_by_end, serve_fixture_tear_down);
  for (guint i = 0; i < G_N_ELEMENTS (colour_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/terminal/colour/", colour_rows[i].name, NULL);

      g_test_add (path, ServeFixture, &colour_rows[i], serve_fixture_set_up, test_colour,
                  serve_fixture_tear_down);
    }
  for (guint i = 0; i < G_N_ELEMENTS (tail_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/terminal/tail-in/", tail_rows[i].name, NULL);

      g_test_add (path, ServeFixture, &tail_rows[i], serve_fixture_set_up, test_tail_in_terminal,
                  serve_fixture_tear_down);
    }
  g_test_add ("/terminal/tail-of-link", ServeFixture, NULL, serve_fixture_set_up, test_tail_of_link,
              serve_fixture_tear_down);
  g_test_add ("/terminal/ascii-columns", ServeFixture, NULL, serve_fixture_set_up,
              test_ascii_columns, serve_fixture_tear_down);
  g_test_add ("/terminal/choices", ServeFixture, NULL, serve_fixture_set_up, test_choices,
              serve_fixture_tear_down);
  g_test_add ("/terminal/widths", ServeFixture, NULL, serve_fixture_set_up, test_widths,
              serve_fixture_tear_down);
  g_test_add ("/terminal/ascii", ServeFixture, NULL, serve_fixture_set_up, test_ascii,
              serve_fixture_tear_down);
  g_test_add ("/terminal/tail", ServeFixture, NULL, serve_fixture_set_up, test_tail,
              serve_fixture_tear_down);
  g_test_add ("/terminal/tail-waits", ServeFixture, NULL, serve_fixture_set_up, test_tail_waits,
              serve_fixture_tear_down);
  return g_test_run ();
}
