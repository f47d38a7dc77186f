/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-profile-private.h"

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/fork-helpers.h"
#include "tests/lib/profile-helpers.h"
#include "tests/lib/test-utils.h"

/* A key that a command of the profile prints. */

#define KEY           "lsv2_pt_5ec4e7"
#define OLD_KEY       "lsv2_pt_0ld0ld"
#define COMMAND(text) "\"api_key_cmd\":\"echo x >> $DIR/runs; " text "\""

static void
set_up (ProfileFixture *fixture, gconstpointer data)
{
  profile_set_up (fixture, data);
  fixture->base.config->first_pause = TEST_NEVER_MS;
}

static void
tear_down (ProfileFixture *fixture, gconstpointer data)
{
  g_assert_false (test_log_contains ("5ec4e7"));
  g_assert_false (test_log_contains ("0ld0ld"));
  profile_tear_down (fixture, data);
}

static gboolean
is_flushed (gpointer data)
{
  return lsobs_exporter_flush (data, TEST_TIMEOUT_MS, NULL, NULL);
}

/* --- what is printed --- */

typedef struct
{
  const char *name;
  const char *members;
} KeyRow;

static const KeyRow key_rows[] = {
  { "plain", COMMAND ("printf " KEY) },
  { "line", COMMAND ("echo " KEY) },
  { "white", COMMAND ("printf ' \\\\t\\\\n" KEY "\\\\r\\\\n\\\\n'") },
  { "quotes", COMMAND ("echo \\\"'" KEY "'\\\"") },
  { "complaints", COMMAND ("echo " OLD_KEY " >&2; echo " KEY) },
  { "behind", COMMAND ("sleep 3 & echo " KEY) },
  { "key-empty", "\"api_key\":\" '' \",\"api_key_env\":\"\\\"\\\"\"," COMMAND ("echo " KEY) },
  { "token-empty", "\"oauth\":{\"access_token\":\"\"}," COMMAND ("echo " KEY) },
};

/* Asked for once, however much is sent. */
static void
test_key (ProfileFixture *fixture, gconstpointer data)
{
  const KeyRow *row = data;
  LsobsExporter *exporter;

  profile_write (fixture, "%s", row->members);
  lsobs_config_set_max_batch_size (fixture->base.config, 1);
  exporter = profile_start (fixture);
  g_assert_true (lsobs_config_has_api_key (fixture->base.config));
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), ==, 0);
  test_emit_many (exporter, 3);
  test_assert_flush (exporter, 3);
  test_emit (exporter, "later");
  test_assert_flush (exporter, 1);
  profile_assert_sent (fixture, "x-api-key", KEY, KEY, KEY, KEY, NULL);
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), ==, 1);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

/* A key that is there goes first, and no command is run for it. */
static void
test_other_key (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  profile_write (fixture, "\"api_key\":\"" KEY "\"," COMMAND ("echo " OLD_KEY));
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  test_assert_flush (exporter, 1);
  profile_assert_sent (fixture, "x-api-key", KEY, NULL);

  /* So does the program's own, before and after. */
  profile_write (fixture, COMMAND ("echo " OLD_KEY));
  test_fixture_stop (&fixture->base);
  test_server_clear (fixture->base.server);
  lsobs_config_set_api_key (fixture->base.config, KEY "2");
  profile_load (fixture);
  lsobs_config_set_api_key (fixture->base.config, NULL);
  profile_load (fixture);
  lsobs_config_set_api_key (fixture->base.config, KEY "3");
  test_emit (test_fixture_start (&fixture->base), "run");
  test_assert_flush (fixture->base.exporter, 1);
  profile_assert_sent (fixture, "x-api-key", KEY "3", NULL);
  g_assert_false (profile_has (fixture, "runs"));
  lsobs_config_set_api_key (fixture->base.config, NULL);
  g_assert_false (lsobs_config_has_api_key (fixture->base.config));
}

/* --- no call waits for the command --- */

typedef struct
{
  ProfileFixture *fixture;
  int fd;
} Pipe;

/* Lets the command go on, as often as it is run. */
static gboolean
feed_and_look (gpointer data)
{
  Pipe *pipe = data;

  g_assert_cmpint (write (pipe->fd, "\n", 1), ==, 1);
  return test_get_counter (pipe->fixture->base.exporter, LSOBS_COUNTER_DELIVERED) == 3;
}

/* @data: whether all is done in the program's own context */
static void
test_pending (ProfileFixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->dir, "pipe", NULL);
  GMainContext *context = GPOINTER_TO_INT (data) ? g_main_context_default () : NULL;
  Pipe pipe = { fixture, -1 };
  LsobsExporter *exporter;

  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  pipe.fd = open (path, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (pipe.fd, >=, 0);
  /* However slow the machine is, and the command too late. */
  fixture->base.config->first_pause = 20;
  profile_write (fixture, COMMAND ("read line < $DIR/pipe && echo " KEY));
  profile_load (fixture);
  lsobs_config_set_max_batch_size (fixture->base.config, 1);
  exporter = test_fixture_start_in (&fixture->base, context);
  test_emit_many (exporter, 3);
  g_assert_true (profile_wait_for (fixture, "runs"));
  /* All this while the command runs, and before anything is sent. */
  g_assert_false (lsobs_exporter_flush (exporter, 1, NULL, NULL));
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, 0);
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 0);

  g_assert_true (test_wait_until (feed_and_look, &pipe, 2 * TEST_TIMEOUT_MS));
  profile_assert_sent (fixture, "x-api-key", KEY, KEY, KEY, NULL);
  close (pipe.fd);
}

static gboolean
is_gone (gpointer data)
{
  return kill (*(pid_t *) data, 0) != 0 && errno == ESRCH;
}

/* With the observer, its command goes; what waited for that is counted. */
static void
test_shutdown (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (fixture->dir, "self", NULL);
  g_autofree char *text = NULL;
  LsobsExporter *exporter;
  pid_t pid;

  profile_write (fixture, COMMAND ("echo $$ > $DIR/part; mv $DIR/part $DIR/self; sleep 600"));
  lsobs_config_set_shutdown_timeout (fixture->base.config, 1);
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, 1, NULL, NULL));
  g_assert_true (profile_wait_for (fixture, "self"));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  pid = (pid_t) atol (text);
  g_assert_cmpint (pid, >, 1);

  test_fixture_stop (&fixture->base);
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 1);
  test_assert_books (exporter);
  test_assert_dies (g_steal_pointer (&fixture->base.exporter));
  g_assert_true (test_wait_until (is_gone, &pid, TEST_TIMEOUT_MS));
}

/* The end of sending is enough, since the program may end right after it. The command is gone
 * within 50 ms, a hundredth of what is waited here; by its own limit it would end after 10 s. */
static void
test_rest (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (fixture->dir, "self", NULL);
  g_autofree char *text = NULL;
  LsobsExporter *exporter;
  siginfo_t info = { 0 };
  gint64 began;
  pid_t pid;

  profile_write (fixture, COMMAND ("echo $$ > $DIR/part; mv $DIR/part $DIR/self; sleep 600"));
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, 1, NULL, NULL));
  g_assert_true (profile_wait_for (fixture, "self"));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  pid = (pid_t) atol (text);
  g_assert_cmpint (pid, >, 1);

  lsobs_exporter_shutdown (exporter, 1, NULL, NULL);
  began = g_get_monotonic_time ();
  /* Its thread may have reaped it already. */
  if (waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT) != 0)
    g_assert_cmpint (errno, ==, ECHILD);
  g_assert_cmpint (g_get_monotonic_time () - began, <, 5 * G_USEC_PER_SEC);
}

/* --- no key --- */

typedef struct
{
  const char *name;
  const char *members;
  const char *says;
} FailureRow;

static const FailureRow failure_rows[] = {
  { "nothing", COMMAND ("true"), "it printed nothing" },
  { "white", COMMAND ("echo; echo"), "it did not print a key" },
  { "status", COMMAND ("echo " KEY "; exit 3"), "it ended with the status 3" },
  { "complaints", COMMAND ("echo " KEY " >&2; exit 3"), "it ended with the status 3" },
  { "missing", COMMAND ("/nowhere/" KEY), "it ended with the status 127" },
  { "megabyte", COMMAND ("head -c 1048576 /dev/zero"), "it printed more than 65536 bytes" },
  { "lines", COMMAND ("echo " KEY "; echo " KEY), "it did not print a key" },
  { "words", COMMAND ("echo your key: " KEY), "it did not print a key" },
  { "control", COMMAND ("printf '" KEY "\\\\033[0m'"), "it did not print a key" },
  { "header", COMMAND ("printf '" KEY "\\\\r\\\\nX-Evil: 1'"), "it did not print a key" },
  { "nul", COMMAND ("printf '" KEY "\\\\000x'"), "it did not print a key" },
  { "latin", COMMAND ("printf '" KEY "\\\\351'"), "it did not print a key" },
};

/* Nothing is sent, nothing is lost; and it is said why, but nothing of what was printed. */
static void
test_failure (ProfileFixture *fixture, gconstpointer data)
{
  const FailureRow *row = data;
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  profile_write (fixture, "%s", row->members);
  exporter = profile_start (fixture);
  test_emit_many (exporter, 3);
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_null (strstr (error->message, "5ec4e7"));
  g_assert_cmpint (lsobs_observer_get_state (fixture->base.observer), ==, LSOBS_STATE_PAUSED);
  g_assert_true (test_log_contains (row->says));
  g_assert_true (test_log_contains ("API key of the profile " PROFILE_NAME));
  g_assert_false (test_log_contains ("$DIR"));
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, 0);
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 0);
  test_assert_books (exporter);
  /* The command is not run for each flush that follows. */
  for (guint i = 0; i < 10; i++)
    lsobs_exporter_flush (exporter, 1, NULL, NULL);
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), <, 5);
}

/* When the command is well again, all is sent. */
static void
test_recovery (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  fixture->base.config->first_pause = 20;
  profile_write (fixture, COMMAND ("cat $DIR/key"));
  exporter = profile_start (fixture);
  test_emit_many (exporter, 3);
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL));
  test_emit (exporter, "later");
  profile_put (fixture, "key", KEY "\n");
  g_assert_true (test_wait_until (is_flushed, exporter, 2 * TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==, 4);
  g_assert_cmpuint (test_server_count_ops (fixture->base.server), ==, 4);
  g_assert_cmpint (lsobs_observer_get_state (fixture->base.observer), ==, LSOBS_STATE_OK);
}

/* --- a key that is refused --- */

#define FIRST_THEN(first, then) \
 COMMAND ("[ -e $DIR/second ] && { " then "; exit; }; touch $DIR/second; " first)

/* The command is run again, and the same batch is sent with what it prints then. */
static void
test_renewed (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  test_server_set_handler (fixture->base.server, profile_authorize, (gpointer) "x-api-key: " KEY);
  /* That is not what it takes. */
  lsobs_config_set_max_attempts (fixture->base.config, 1);
  profile_write (fixture, FIRST_THEN ("echo " OLD_KEY, "echo " KEY));
  exporter = profile_start (fixture);
  test_emit_many (exporter, 3);
  test_assert_flush (exporter, 3);
  test_emit (exporter, "later");
  test_assert_flush (exporter, 1);
  profile_assert_sent (fixture, "x-api-key", OLD_KEY, KEY, KEY, NULL);
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), ==, 2);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

/* One more run is for all that were refused at the same time. */
static void
test_renewed_several (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  test_server_set_handler (fixture->base.server, profile_authorize, (gpointer) "x-api-key: " KEY);
  lsobs_config_set_max_batch_size (fixture->base.config, 1);
  profile_write (fixture, FIRST_THEN ("echo " OLD_KEY, "echo " KEY));
  exporter = profile_start (fixture);
  test_emit_many (exporter, 4);
  test_assert_flush (exporter, 4);
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), ==, 2);
}

typedef struct
{
  const char *name;
  const char *members;
  guint n_runs;
  guint n_requests;
} RefusedRow;

static const RefusedRow refused_rows[] = {
  /* The same again is not worth a request. */
  { "same", COMMAND ("echo " KEY), 2, 1 },
  /* It does not go on for ever. */
  { "another", COMMAND ("echo " KEY "$(wc -l < $DIR/runs)"), 2, 2 },
};

static void
test_refused (ProfileFixture *fixture, gconstpointer data)
{
  const RefusedRow *row = data;
  LsobsExporter *exporter;

  test_server_set_handler (fixture->base.server, profile_authorize, (gpointer) "x-api-key: no");
  profile_write (fixture, "%s", row->members);
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpint (lsobs_observer_get_state (fixture->base.observer), ==, LSOBS_STATE_PAUSED);
  g_assert_true (test_log_contains ("refused the API key"));
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), ==, row->n_runs);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, row->n_requests);
}

/* The command fails then: nothing is lost for that. */
static void
test_renewal_fails (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  test_server_set_handler (fixture->base.server, profile_authorize, (gpointer) "x-api-key: " KEY);
  profile_write (fixture, FIRST_THEN ("echo " OLD_KEY, "exit 5"));
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (test_log_contains ("it ended with the status 5"));
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 0);
  profile_assert_sent (fixture, "x-api-key", OLD_KEY, NULL);
}

/* The service says the key back: it is not in the log, be it the first one or a later one. */
static void
test_echo (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  profile_write (fixture, COMMAND ("echo " KEY));
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .status = 422, .body = "bad " KEY " bad", .repeat = -1 });
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  error = test_flush_with_loss (exporter, 1);
  g_assert_nonnull (strstr (error->message, "bad [REDACTED] bad"));
}

/* --- lost traces --- */

static void
test_replay (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *lost = g_build_filename (fixture->dir, "lost", NULL);
  g_autoptr (LsobsClient) client = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;
  guint n_delivered;
  guint n_failed;

  lsobs_config_set_failed_traces_dir (fixture->base.config, lost);
  profile_write (fixture, FIRST_THEN ("echo " OLD_KEY, "echo " KEY));
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 422, .repeat = -1 });
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_error_free (test_flush_with_loss (exporter, 1));
  test_fixture_stop (&fixture->base);
  g_assert_cmpuint (failed_traces_count_entries (lost), ==, 1);

  /* Another client asks by itself. */
  test_server_clear (fixture->base.server);
  test_server_set_handler (fixture->base.server, profile_authorize, (gpointer) "x-api-key: " KEY);
  profile_write (fixture, FIRST_THEN ("echo " OLD_KEY, "echo " KEY));
  profile_put (fixture, "runs", "");
  failed_traces_remove (fixture->dir, "second");
  client = lsobs_client_new (fixture->base.config, &error);
  g_assert_no_error (error);
  lsobs_client_replay_async (client, NULL, NULL, test_result_cb, &result);
  lsobs_client_replay_finish (client, test_result_wait (&result), &n_delivered, &n_failed, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_delivered, ==, 1);
  g_assert_cmpuint (n_failed, ==, 0);
  profile_assert_sent (fixture, "x-api-key", OLD_KEY, KEY, NULL);
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), ==, 2);
  g_assert_cmpuint (failed_traces_count_entries (lost), ==, 0);
}

/* It fails: the files stay. */
static void
test_replay_fails (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *lost = g_build_filename (fixture->dir, "lost", NULL);
  g_autoptr (LsobsClient) client = NULL;
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;
  guint n_delivered;
  guint n_failed;

  lsobs_config_set_failed_traces_dir (fixture->base.config, lost);
  profile_write (fixture, FIRST_THEN ("echo " KEY, "exit 6"));
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 422, .repeat = -1 });
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_error_free (test_flush_with_loss (exporter, 1));
  test_fixture_stop (&fixture->base);
  test_server_clear (fixture->base.server);

  client = lsobs_client_new (fixture->base.config, &error);
  g_assert_no_error (error);
  lsobs_client_replay_async (client, NULL, NULL, test_result_cb, &result);
  lsobs_client_replay_finish (client, test_result_wait (&result), &n_delivered, &n_failed, &error);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_NO_KEY);
  g_assert_nonnull (strstr (error->message, "the status 6"));
  g_assert_cmpuint (n_delivered, ==, 0);
  g_assert_cmpuint (n_failed, ==, 1);
  g_assert_cmpuint (test_server_count_requests (fixture->base.server, NULL), ==, 0);
  g_assert_cmpuint (failed_traces_count_entries (lost), ==, 1);
}

/* --- whose command it is --- */

typedef struct
{
  const char *name;
  mode_t file;
  mode_t dir;
  const char *says; /* (nullable) NULL: it is the user's own */
} ModeRow;

static const ModeRow mode_rows[] = {
  { "own", 0600, 0700, NULL },
  { "readable", 0644, 0755, NULL },
  { "read-only", 0400, 0500, NULL },
  { "file-group", 0620, 0700, "write to the profile file" },
  { "file-others", 0602, 0700, "write to the profile file" },
  { "dir-group", 0600, 0770, "write to the directory of the profile file" },
  { "dir-others", 0600, 0707, "write to the directory of the profile file" },
  { "dir-sticky", 0600, 01777, "write to the directory of the profile file" },
};

/* A command that is not to be run counts as no key at all: for another machine, that is an
 * error, which says why. */
static void
assert_distrusted (ProfileFixture *fixture, const char *path, const char *says)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_config_load_profile (config, path, PROFILE_NAME, &error);
  g_assert_no_error (error);
  g_assert_cmpint (lsobs_config_has_api_key (config), ==, says == NULL);
  observer = lsobs_observer_new (config, &error);
  if (says == NULL)
    {
      g_assert_no_error (error);
      return;
    }
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_nonnull (strstr (error->message, says));
  g_assert_nonnull (strstr (error->message, "profile " PROFILE_NAME));
  g_assert_null (strstr (error->message, "5ec4e7"));

  /* Where nothing is traced, nothing is wrong. */
  g_clear_error (&error);
  lsobs_config_set_tracing_enabled (config, FALSE);
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
}

static void
test_mode (ProfileFixture *fixture, gconstpointer data)
{
  const ModeRow *row = data;

  profile_write (fixture, COMMAND ("echo " KEY));
  g_assert_cmpint (g_chmod (fixture->path, (int) row->file), ==, 0);
  g_assert_cmpint (g_chmod (fixture->dir, (int) row->dir), ==, 0);
  assert_distrusted (fixture, fixture->path, row->says);
  g_assert_cmpint (g_chmod (fixture->dir, 0700), ==, 0);
  g_assert_false (profile_has (fixture, "runs"));
}

/* A link leads to a file whose own directory counts, too. */
static void
test_link (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *below = g_build_filename (fixture->dir, "below", NULL);
  g_autofree char *link = g_build_filename (below, "link", NULL);

  profile_write (fixture, COMMAND ("echo " KEY));
  g_assert_cmpint (g_mkdir (below, 0700), ==, 0);
  g_assert_cmpint (symlink ("../config.json", link), ==, 0);
  assert_distrusted (fixture, link, NULL);
  g_assert_cmpint (g_chmod (fixture->dir, 0770), ==, 0);
  assert_distrusted (fixture, link, "write to the directory of the profile file");
  g_assert_cmpint (g_chmod (fixture->dir, 0700), ==, 0);
  g_assert_cmpint (g_chmod (below, 0707), ==, 0);
  assert_distrusted (fixture, link, "write to the directory of the profile file");
}

static void
test_owner (ProfileFixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
  struct stat info = { .st_mode = S_IFREG | 0600, .st_uid = 1000 };

  g_assert_null (_lsobs_profile_check_file (&info, 1000));
  g_assert_nonnull (_lsobs_profile_check_file (&info, 1001));
  g_assert_nonnull (_lsobs_profile_check_file (&info, 0));
  info.st_mode = S_IFDIR | 0700;
  g_assert_null (_lsobs_profile_check_directory (&info, 1000));
  g_assert_nonnull (_lsobs_profile_check_directory (&info, 1001));
  g_assert_nonnull (_lsobs_profile_check_directory (&info, 0));
  /* Whatever belongs to root is safe from others, but a file of root's is no user's own. */
  info.st_uid = 0;
  g_assert_null (_lsobs_profile_check_directory (&info, 1000));
  info.st_mode = S_IFREG | 0644;
  g_assert_nonnull (_lsobs_profile_check_file (&info, 1000));
}

/* To this machine it goes without a key, as ever; the command is not run. */
static void
test_distrusted_loopback (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  fixture->base.is_free = TRUE;
  profile_write (fixture, COMMAND ("echo " KEY));
  g_assert_cmpint (g_chmod (fixture->path, 0666), ==, 0);
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  test_assert_flush (exporter, 1);
  g_assert_false (profile_has (fixture, "runs"));
}

/* --- replicas --- */

/* The key is for the destination of the config's own properties: a replica does not run the command. */
static void
test_replica (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  profile_write (fixture, COMMAND ("echo " OLD_KEY));
  profile_load (fixture);
  lsobs_config_add_replica (fixture->base.config, test_server_get_url (fixture->base.server), KEY,
                            NULL, NULL, LSOBS_REPLICA_ROLE_AUTO);
  exporter = test_fixture_start (&fixture->base);
  test_emit (exporter, "run");
  test_assert_flush (exporter, 1);
  profile_assert_sent (fixture, "x-api-key", KEY, NULL);
  g_assert_false (profile_has (fixture, "runs"));
}

/* --- fork --- */

static void
child (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, "child", LSOBS_RUN_TYPE_CHAIN, NULL);

  lsobs_run_end (run, NULL);
  fork_child_flush (fixture);
}

/* The parent waits for its command. A child does not wait for that: it runs its own. */
static void
test_fork (ProfileFixture *profile, gconstpointer data)
{
  RunFixture fixture = { 0 };
  g_autofree char *path = g_build_filename (profile->dir, "pipe", NULL);
  g_autoptr (LsobsRun) run = NULL;
  int fd;

  if (fork_skip_busy ())
    return;
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  fd = open (path, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  profile_write (profile,
                 COMMAND (
                     "[ -e $DIR/go ] || { : > $DIR/waits; read line < $DIR/pipe; }; echo " KEY));
  run_fixture_set_up (&fixture, data);
  lsobs_config_set_api_key (fixture.config, NULL);
  g_assert_true (lsobs_config_load_profile (fixture.config, profile->path, PROFILE_NAME, NULL));
  fixture.config->first_pause = 20;
  run_fixture_start (&fixture);
  run = lsobs_observer_start_run (fixture.observer, "parent", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  g_assert_false (lsobs_exporter_flush (fixture.exporter, 1, NULL, NULL));
  g_assert_true (profile_wait_for (profile, "waits"));
  profile_put (profile, "go", "");

  fork_run (child, &fixture, NULL);
  g_assert_cmpuint (profile_count_lines (profile, "runs"), >=, 2);
  g_assert_cmpint (write (fd, "\n", 1), ==, 1);
  g_assert_true (test_wait_until (is_flushed, fixture.exporter, 2 * TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_server_count_ops (fixture.server), ==, 2);
  close (fd);
  g_clear_pointer (&run, lsobs_run_unref);
  run_fixture_tear_down (&fixture, data);
}

#define ADD(name, data, func) \
 g_test_add ("/profile-command/" name, ProfileFixture, data, set_up, func, tear_down)
#define ADD_ROWS(prefix, rows, func) \
 TEST_ADD_FIXTURE_ROWS ("/profile-command/" prefix, rows, name, ProfileFixture, set_up, func, \
                        tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD_ROWS ("key/", key_rows, test_key);
  ADD ("other-key", NULL, test_other_key);
  ADD ("pending", GINT_TO_POINTER (FALSE), test_pending);
  ADD ("pending-own-context", GINT_TO_POINTER (TRUE), test_pending);
  ADD ("shutdown", NULL, test_shutdown);
  ADD ("shutdown-alone", NULL, test_rest);
  ADD_ROWS ("failure/", failure_rows, test_failure);
  ADD ("recovery", NULL, test_recovery);
  ADD ("renewed", NULL, test_renewed);
  ADD ("renewed-several", NULL, test_renewed_several);
  ADD_ROWS ("refused/", refused_rows, test_refused);
  ADD ("renewal-fails", NULL, test_renewal_fails);
  ADD ("echo", NULL, test_echo);
  ADD ("replay", NULL, test_replay);
  ADD ("replay-fails", NULL, test_replay_fails);
  ADD_ROWS ("mode/", mode_rows, test_mode);
  ADD ("link", NULL, test_link);
  ADD ("owner", NULL, test_owner);
  ADD ("distrusted-loopback", NULL, test_distrusted_loopback);
  ADD ("replica", NULL, test_replica);
  ADD ("fork", NULL, test_fork);

  return profile_run_tests ();
}
