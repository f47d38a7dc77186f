/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an observer still has when it leaves, and a program when it ends, is in the spool if the service
 * is away, and arrives once, later. The program is this one, started again with --program, how it ends,
 * and the context of its observer. */

#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/once-service.h"
#include "tests/lib/program-helpers.h"

#define N_RUNS 30

/* --- the program --- */

static LsobsConfig *
make_config (void)
{
  LsobsConfig *config = lsobs_config_new (TEST_KEY, TEST_PROJECT);

  lsobs_config_set_api_url (config, g_getenv ("LSOBS_TEST_URL"));
  lsobs_config_set_spool_dir (config, g_getenv ("LSOBS_TEST_DIR"));
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_max_attempts (config, 2);
  lsobs_config_set_exit_timeout (config, TEST_TIMEOUT_MS);
  lsobs_config_set_shutdown_timeout (config, TEST_TIMEOUT_MS);
  return config;
}

static LsobsObserver *
make_observer (LsobsConfig *config, gboolean in_context)
{
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer =
      g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", config, "main-context",
                      in_context ? g_main_context_default () : NULL, NULL);

  g_assert_no_error (error);
  return observer;
}

static void
trace (LsobsObserver *observer)
{
  for (guint i = 0; i < N_RUNS; i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);

      lsobs_run_end (run, NULL);
    }
}

/* An interpreter that has ended cannot run it. */
static JsonNode *
redact (const char *field G_GNUC_UNUSED, JsonNode *value G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  _exit (3);
}

static int
run_program (const char *how, const char *context)
{
  g_autoptr (LsobsConfig) config = make_config ();
  LsobsObserver *observer;

  if (strcmp (how, "forbid-hook") == 0)
    lsobs_config_set_redact_func (config, redact, NULL, NULL);
  if (g_str_has_prefix (how, "forbid"))
    lsobs_forbid_callbacks_at_exit ();
  observer = make_observer (config, strcmp (context, "context") == 0);
  trace (observer);
  if (strcmp (how, "drop") == 0)
    g_object_unref (observer);
  if (strcmp (how, "shutdown") == 0)
    {
      lsobs_shutdown_at_exit (NULL);
      _exit (0);
    }
  return 0;
}

/* --- the tests --- */

typedef struct
{
  ProgramFixture base;
  OnceService *service; /* (owned) what the server is */
  char *parent;         /* (owned) */
  char *dir;            /* (owned) in it */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  program_fixture_set_up (&fixture->base, data);
  fixture->service = once_service_new ();
  fixture->parent = failed_traces_make_dir ();
  fixture->dir = g_build_filename (fixture->parent, "spool", NULL);
  test_server_set_handler (fixture->base.server, once_service_answer_cb, fixture->service);
  test_server_close_port (fixture->base.server);
  g_setenv ("LSOBS_TEST_DIR", fixture->dir, TRUE);
  g_setenv ("LSOBS_TEST_URL", test_server_get_url (fixture->base.server), TRUE);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  program_fixture_tear_down (&fixture->base, data);
  once_service_free (fixture->service);
  failed_traces_remove_dir (fixture->parent);
  g_free (fixture->parent);
  g_free (fixture->dir);
}

static gboolean
is_empty (gpointer data)
{
  g_autoptr (GPtrArray) names = failed_traces_list (((Fixture *) data)->dir);

  return names->len == 0;
}

/* The service is back, and the next program sends what is in the spool. */
static void
assert_arrives (Fixture *fixture, guint n_runs)
{
  g_autoptr (LsobsConfig) config = make_config ();
  g_autoptr (LsobsObserver) observer = NULL;

  g_assert_true (is_empty (fixture) == (n_runs == 0));
  test_server_open_port (fixture->base.server);
  observer = make_observer (config, FALSE);
  g_assert_true (test_wait_until (is_empty, fixture, TEST_TIMEOUT_MS));
  g_assert_true (
      test_wait_counter (lsobs_observer_get_exporter (observer), LSOBS_COUNTER_DRAINED, n_runs));
  lsobs_observer_shutdown (observer, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (once_service_count (fixture->service), ==, n_runs);
  g_assert_cmpuint (once_service_count_ended (fixture->service), ==, n_runs);
  g_assert_cmpuint (test_server_count_ops (fixture->base.server), ==, n_runs);
}

static gboolean
has_spooled_all (gpointer exporter)
{
  return test_get_counter (exporter, LSOBS_COUNTER_SPOOLED) == N_RUNS;
}

/* The last reference to an observer goes, and the program goes on. */
static void
test_leave (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsConfig) config = make_config ();
  LsobsObserver *observer = make_observer (config, GPOINTER_TO_INT (data));
  g_autoptr (LsobsExporter) exporter = g_object_ref (lsobs_observer_get_exporter (observer));

  trace (observer);
  g_assert_finalize_object (observer);
  while (!has_spooled_all (exporter))
    if (!g_main_context_iteration (NULL, FALSE))
      g_thread_yield ();
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 0);
  test_assert_books (exporter);
  assert_arrives (fixture, N_RUNS);
}

typedef struct
{
  const char *name;
  const char *command;
  guint n_runs; /* that are in the spool then */
} EndRow;

/* What only the program could redact is lost. */
static const EndRow end_rows[] = {
  { "return/thread", "return thread", N_RUNS },
  { "return/context", "return context", N_RUNS },
  { "drop/thread", "drop thread", N_RUNS },
  { "drop/context", "drop context", N_RUNS },
  { "shutdown/thread", "shutdown thread", N_RUNS },
  { "shutdown/context", "shutdown context", N_RUNS },
  { "forbid/thread", "forbid thread", N_RUNS },
  { "forbid/context", "forbid context", N_RUNS },
  { "forbid-hook/thread", "forbid-hook thread", N_RUNS },
  { "forbid-hook/context", "forbid-hook context", 0 },
};

static void
test_end (Fixture *fixture, gconstpointer data)
{
  const EndRow *row = data;

  program_start (&fixture->base, row->command);
  program_assert_ends (&fixture->base, 0);
  assert_arrives (fixture, row->n_runs);
}

/* --- beside a directory of lost traces --- */

static gboolean
refuse_bad (TestRequest *request, TestAnswer *answer, gpointer data)
{
  return test_refuse_bad_cb (request, answer, GUINT_TO_POINTER (422)) ||
         once_service_answer_cb (request, answer, data);
}

/* Each record is in one of them: what is refused for good with the lost ones, what waits in the spool. */
static void
test_lost (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *lost = g_build_filename (fixture->parent, "lost", NULL);
  g_autoptr (LsobsConfig) config = make_config ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (WireTree) tree = NULL;
  LsobsExporter *exporter;

  lsobs_config_set_failed_traces_dir (config, lost);
  test_server_open_port (fixture->base.server);
  test_server_set_handler (fixture->base.server, refuse_bad, fixture->service);
  observer = make_observer (config, FALSE);
  exporter = lsobs_observer_get_exporter (observer);
  test_emit (exporter, "bad");
  g_error_free (test_flush_with_loss (exporter, 1));
  g_assert_true (is_empty (fixture));
  g_assert_true (test_wait_counter (exporter, LSOBS_COUNTER_DUMPED, 1));
  test_server_close_port (fixture->base.server);
  trace (observer);
  lsobs_observer_shutdown (observer, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_SPOOLED), ==, N_RUNS);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DUMPED), ==, 1);
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 1);
  test_assert_books (exporter);
  tree = failed_traces_build_tree (lost, NULL);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 1);
  g_assert_nonnull (wire_tree_find (tree, "bad"));
  test_server_set_handler (fixture->base.server, once_service_answer_cb, fixture->service);
  test_server_clear (fixture->base.server);
  test_server_set_handler (fixture->base.server, once_service_answer_cb, fixture->service);
  assert_arrives (fixture, N_RUNS);
}

int
main (int argc, char **argv)
{
  if (argc >= 4 && strcmp (argv[1], "--program") == 0)
    return run_program (argv[2], argv[3]);

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  g_test_add ("/spool-leave/thread", Fixture, GINT_TO_POINTER (FALSE), set_up, test_leave,
              tear_down);
  g_test_add ("/spool-leave/context", Fixture, GINT_TO_POINTER (TRUE), set_up, test_leave,
              tear_down);
  for (guint i = 0; i < G_N_ELEMENTS (end_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/spool-leave/end/", end_rows[i].name, NULL);

      g_test_add (path, Fixture, &end_rows[i], set_up, test_end, tear_down);
    }
  g_test_add ("/spool-leave/lost", Fixture, NULL, set_up, test_lost, tear_down);

  return g_test_run ();
}
