/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an observer keeps on disk of what it loses: whatever it had made ready to be sent, once, and
 * nothing else. */

#include "config.h"

#include <string.h>

#include "tests/lib/failed-traces-helpers.h"

#define SECRET "hunter2"

typedef struct
{
  TestFixture base;
  char *dir;    /* (owned) not there yet */
  char *parent; /* (owned) */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  test_fixture_set_up (&fixture->base, data);
  fixture->parent = failed_traces_make_dir ();
  fixture->dir = g_build_filename (fixture->parent, "lost", NULL);
  lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_fixture_tear_down (&fixture->base, data);
  g_assert_false (test_log_contains (TEST_KEY));
  failed_traces_remove_dir (fixture->parent);
  g_free (fixture->parent);
  g_free (fixture->dir);
}

/* Everything that was lost was kept, as the rules of the protocol want it. */
static WireTree *
get_kept (Fixture *fixture, guint n_records)
{
  WireTree *tree;

  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED, n_records));
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED), ==, n_records);
  tree = failed_traces_build_tree (fixture->dir, test_server_get_url (fixture->base.server));
  test_assert_books (fixture->base.exporter);

  return tree;
}

/* --- what the service refuses -------------------------------------------------------------- */

typedef struct
{
  const char *path;
  TestAnswer answer;
  LsobsDropReason reason;
  guint n_files;
} Row;

static const Row rows[] = {
  { "302", { .status = 302, .repeat = -1 }, LSOBS_DROP_REASON_SHUTDOWN, 1 },
  { "400", { .status = 400, .repeat = -1 }, LSOBS_DROP_REASON_REJECTED, 6 },
  { "401", { .status = 401, .repeat = -1 }, LSOBS_DROP_REASON_UNAUTHORIZED, 1 },
  { "403", { .status = 403, .repeat = -1 }, LSOBS_DROP_REASON_UNAUTHORIZED, 1 },
  { "404", { .status = 404, .repeat = -1 }, LSOBS_DROP_REASON_WRONG_ADDRESS, 1 },
  { "405", { .status = 405, .repeat = -1 }, LSOBS_DROP_REASON_REJECTED, 1 },
  { "413", { .status = 413, .repeat = -1 }, LSOBS_DROP_REASON_TOO_LARGE, 6 },
  { "429-quota", { .status = 429, .body = "monthly", .repeat = -1 }, LSOBS_DROP_REASON_QUOTA, 1 },
  /* What is only kept is lost with the end. */
  { "503", { .status = 503, .repeat = -1 }, LSOBS_DROP_REASON_SHUTDOWN, 1 },
  { "reset", { .mode = TEST_ANSWER_RESET, .repeat = -1 }, LSOBS_DROP_REASON_SHUTDOWN, 1 },
};

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (WireTree) tree = NULL;

  lsobs_config_set_ingest_mode (fixture->base.config, LSOBS_INGEST_MODE_MULTIPART);
  lsobs_config_set_max_attempts (fixture->base.config, 2);
  test_fixture_start (&fixture->base);
  test_server_push (fixture->base.server, NULL, row->answer);
  test_emit_many (fixture->base.exporter, 6);
  if (row->reason == LSOBS_DROP_REASON_SHUTDOWN)
    {
      g_error_free (test_flush_in_vain (fixture->base.exporter, 6));
      g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 0);
      lsobs_exporter_shutdown (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
    }
  else
    {
      g_error_free (test_flush_with_loss (fixture->base.exporter, 6));
    }

  tree = get_kept (fixture, 6);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 6);
  names = failed_traces_list (fixture->dir);
  g_assert_cmpuint (names->len, ==, row->n_files);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, row->n_files);
  /* they are lost all the same */
  g_assert_cmpuint (test_get_dropped (fixture->base.exporter, row->reason), ==, 6);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 6);
}

/* The body is the one that was refused, but for its boundary. */
static void
test_same_body (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (FailedTraceFile) file = NULL;
  g_autoptr (TestRequest) request = NULL;

  test_fixture_start (&fixture->base);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  test_emit_many (fixture->base.exporter, 20);
  g_error_free (test_flush_with_loss (fixture->base.exporter, 20));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED, 20));

  names = failed_traces_list (fixture->dir);
  g_assert_cmpuint (names->len, ==, 1);
  file = failed_trace_file_load (fixture->dir, g_ptr_array_index (names, 0));
  request = test_get_request (fixture->base.server, 0);
  g_assert_cmpstr (file->endpoint, ==, "runs/multipart");
  g_assert_cmpuint (g_bytes_get_size (file->body), ==, g_bytes_get_size (request->body));
}

/* Only what is lost is kept. */
static void
test_one_bad (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (WireTree) tree = NULL;

  test_fixture_start (&fixture->base);
  test_server_set_handler (fixture->base.server, test_refuse_bad_cb, GUINT_TO_POINTER (422));
  test_emit_many (fixture->base.exporter, 5);
  test_emit (fixture->base.exporter, "bad");
  test_emit_many (fixture->base.exporter, 5);
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  tree = get_kept (fixture, 1);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 1);
  g_assert_nonnull (wire_tree_find (tree, "bad"));
}

/* Nothing is lost, and nothing is written. */
static void
test_nothing_lost (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_fixture_start (&fixture->base);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 503, .repeat = 2 });
  test_emit_many (fixture->base.exporter, 5);
  test_assert_flush (fixture->base.exporter, 5);
  test_fixture_stop (&fixture->base);
  g_assert_false (g_file_test (fixture->dir, G_FILE_TEST_EXISTS));
}

/* Without a directory, as it is unless somebody sets one. */
static void
test_off (Fixture *fixture, gconstpointer data)
{
  lsobs_config_set_failed_traces_dir (fixture->base.config, data);
  test_fixture_start (&fixture->base);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  test_emit_many (fixture->base.exporter, 5);
  g_error_free (test_flush_with_loss (fixture->base.exporter, 5));
  test_fixture_stop (&fixture->base);
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED), ==, 0);
  g_assert_false (g_file_test (fixture->dir, G_FILE_TEST_EXISTS));
}

/* --- what is in it ------------------------------------------------------------------------- */

static void
test_redacted (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) inputs = test_new_payload ("the password is " SECRET);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (FailedTraceFile) file = NULL;

  lsobs_config_set_redact_regex (fixture->base.config, SECRET);
  test_fixture_start (&fixture->base);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  run = lsobs_observer_start_run (fixture->base.observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
  lsobs_run_add_tag (run, SECRET);
  lsobs_run_fail_with_message (run, SECRET " was wrong");
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED, 1));

  names = failed_traces_list (fixture->dir);
  g_assert_cmpuint (names->len, ==, 1);
  file = failed_trace_file_load (fixture->dir, g_ptr_array_index (names, 0));
  g_assert_false (test_bytes_contain (file->body, SECRET));
  g_assert_true (test_bytes_contain (file->body, "[REDACTED]"));
}

/* Whichever endpoint is used, the rest of the world can make something of it. */
static void
test_modes (Fixture *fixture, gconstpointer data)
{
  LsobsIngestMode mode = (LsobsIngestMode) GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (FailedTraceFile) first = NULL;
  g_autoptr (FailedTraceFile) second = NULL;
  g_autoptr (WireTree) tree = NULL;

  lsobs_config_set_ingest_mode (fixture->base.config, mode);
  test_fixture_start (&fixture->base);
  run = lsobs_observer_start_run (fixture->base.observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  test_assert_flush (fixture->base.exporter, 1);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  test_emit (fixture->base.exporter, "other");
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  lsobs_run_end (run, NULL);
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));

  tree = get_kept (fixture, 2);
  names = failed_traces_list (fixture->dir);
  g_assert_cmpuint (names->len, ==, 2);
  first = failed_trace_file_load (fixture->dir, g_ptr_array_index (names, 0));
  second = failed_trace_file_load (fixture->dir, g_ptr_array_index (names, 1));
  g_assert_cmpstr (first->endpoint, ==,
                   mode == LSOBS_INGEST_MODE_MULTIPART ? "runs/multipart"
                   : mode == LSOBS_INGEST_MODE_BATCH   ? "runs/batch"
                                                       : "runs");
  g_assert_cmpstr (second->endpoint, ==,
                   mode == LSOBS_INGEST_MODE_MULTIPART ? "runs/multipart" : "runs/batch");
  g_assert_cmpuint (wire_tree_find (tree, "other")->n_posts, ==, 1);
  g_assert_cmpuint (wire_tree_find (tree, "run")->n_posts, ==, 0);
  g_assert_cmpuint (wire_tree_find (tree, "run")->n_patches, ==, 1);
}

/* The start is lost and kept. The end would stand for the whole run if it could be delivered; kept, it
 * is an end, since the service takes only one create of a run. */
static void
test_promoted (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) inputs = test_new_payload ("question");
  g_autoptr (JsonNode) outputs = test_new_payload ("answer");
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (WireTree) tree = NULL;
  WireRun *kept;

  test_fixture_start (&fixture->base);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  run = lsobs_observer_start_run (fixture->base.observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  lsobs_run_end (run, outputs);
  g_error_free (test_flush_with_loss (fixture->base.exporter, 1));
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_PROMOTED), ==, 1);

  tree = get_kept (fixture, 2);
  kept = wire_tree_find (tree, "run");
  g_assert_cmpuint (kept->n_posts, ==, 1);
  g_assert_cmpuint (kept->n_patches, ==, 1);
  g_assert_cmpstr (wire_run_get_string (kept, "inputs.text"), ==, "question");
  g_assert_cmpstr (wire_run_get_string (kept, "outputs.text"), ==, "answer");
  g_assert_cmpint (kept->end_us, >, 0);
  /* two creates of one id were tried in vain, as they should */
  fixture->base.is_free = TRUE;
}

static void
test_budget (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_failed_traces_max_bytes (fixture->base.config, 20000);
  lsobs_config_set_max_batch_size (fixture->base.config, 1);
  lsobs_config_set_shutdown_timeout (fixture->base.config, TEST_TIMEOUT_MS);
  test_fixture_start (&fixture->base);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  for (guint i = 0; i < 10; i++)
    test_emit_large (fixture->base.exporter, "run", 6000);
  /* Each is a full batch, which does not wait for the flush, and may be lost before. */
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 10);
  /* waits for the disk */
  test_fixture_stop (&fixture->base);
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED, 2));
  g_assert_true (test_log_wait ("have reached their size limit"));

  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED), ==, 2);
  g_assert_cmpuint (failed_traces_count_entries (fixture->dir), ==, 2);
  /* one line for the losses, one for the disk */
  g_assert_cmpuint (test_log_count (), ==, 2);
}

/* --- the end ------------------------------------------------------------------------------- */

typedef enum
{
  END_THREAD,        /* sending has a thread of its own */
  END_CONTEXT,       /* it happens in a context that the thread which ends it can run */
  END_OTHER_CONTEXT, /* or in one that another thread runs */
} End;

/* Of a time for the end, the last quarter is for what is kept, but no more than a second: so that this
 * is a second. */
#define END_MS 4000

typedef struct
{
  GMainContext *context; /* (owned) */
  GMainLoop *loop;       /* (owned) */
  GThread *thread;       /* (owned) */
  int n_ticks;           /* (atomic) how often the loop had time for something else */
} Runner;

/* Called in the thread of the runner, each time its loop goes round after a ms. */
static gboolean
tick_cb (gpointer user_data)
{
  Runner *runner = user_data;

  g_atomic_int_inc (&runner->n_ticks);

  return G_SOURCE_CONTINUE;
}

static gpointer
runner_main (gpointer user_data)
{
  Runner *runner = user_data;
  g_autoptr (GSource) source = g_timeout_source_new (1);

  g_main_context_push_thread_default (runner->context);
  g_source_set_callback (source, tick_cb, runner, NULL);
  g_source_attach (source, runner->context);
  g_main_loop_run (runner->loop);
  g_source_destroy (source);
  g_main_context_pop_thread_default (runner->context);

  return NULL;
}

static gboolean
quit_cb (gpointer user_data)
{
  g_main_loop_quit (user_data);

  return G_SOURCE_REMOVE;
}

static gboolean
is_running (gpointer data)
{
  return g_main_loop_is_running (data);
}

static void
start_for_end (Fixture *fixture, End end, Runner *runner)
{
  if (end != END_THREAD)
    {
      runner->context = g_main_context_new ();
      runner->loop = g_main_loop_new (runner->context, FALSE);
    }
  if (end == END_OTHER_CONTEXT)
    {
      runner->thread = g_thread_new ("runner", runner_main, runner);
      g_assert_true (test_wait_until (is_running, runner->loop, TEST_TIMEOUT_MS));
    }
  test_fixture_start_in (&fixture->base, runner->context);
}

static void
stop_runner (Runner *runner)
{
  if (runner->thread != NULL)
    {
      g_main_context_invoke (runner->context, quit_cb, runner->loop);
      g_thread_join (runner->thread);
    }
  g_clear_pointer (&runner->loop, g_main_loop_unref);
  g_clear_pointer (&runner->context, g_main_context_unref);
}

/* Some are on their way to a service that does not answer, the others wait: all are kept, within the
 * time of the shutdown. */
static void
test_shutdown (Fixture *fixture, gconstpointer data)
{
  Runner runner = { NULL, NULL, NULL, 0 };
  g_autoptr (WireTree) tree = NULL;
  gint64 start;

  lsobs_config_set_max_batch_size (fixture->base.config, 10);
  lsobs_config_set_max_in_flight (fixture->base.config, 2);
  start_for_end (fixture, (End) GPOINTER_TO_INT (data), &runner);
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  test_emit_many (fixture->base.exporter, 35);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_shutdown (fixture->base.exporter, END_MS, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (start), <=, END_MS + test_get_slack_ms ());

  g_assert_cmpuint (test_get_dropped (fixture->base.exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 35);
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED), ==, 35);
  tree = get_kept (fixture, 35);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 35);
  /* nothing comes after */
  test_emit (fixture->base.exporter, "too late");
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED), ==, 35);
  stop_runner (&runner);
}

/* With the last reference. */
static void
test_last_unref (Fixture *fixture, gconstpointer data)
{
  Runner runner = { NULL, NULL, NULL, 0 };
  g_autoptr (WireTree) tree = NULL;

  lsobs_config_set_shutdown_timeout (fixture->base.config, TEST_TIMEOUT_MS);
  start_for_end (fixture, (End) GPOINTER_TO_INT (data), &runner);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  test_emit_many (fixture->base.exporter, 7);
  g_assert_false (lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL));
  /* these come while sending is paused */
  test_emit_many (fixture->base.exporter, 30);
  lsobs_exporter_shutdown (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  tree = get_kept (fixture, 37);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 37);
  stop_runner (&runner);
}

/* A start that is on its way and its end that waits for it: the end comes after the start, as an end. */
static void
test_shutdown_order (Fixture *fixture, gconstpointer data)
{
  Runner runner = { NULL, NULL, NULL, 0 };
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (FailedTraceFile) first = NULL;
  gint64 deadline;

  lsobs_config_set_max_batch_size (fixture->base.config, 1);
  start_for_end (fixture, (End) GPOINTER_TO_INT (data), &runner);
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  run = lsobs_observer_start_run (fixture->base.observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  /* Where nobody else runs the context, the request gets out while this does. */
  deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
  do
    lsobs_exporter_flush (fixture->base.exporter, 1, NULL, NULL);
  while (!test_server_wait_requests (fixture->base.server, 1, 1) &&
         g_get_monotonic_time () < deadline);
  g_assert_true (test_server_wait_requests (fixture->base.server, 1, 0) || runner.context != NULL);
  lsobs_run_end (run, NULL);
  g_assert_false (lsobs_exporter_shutdown (fixture->base.exporter, END_MS, NULL, NULL));
  tree = get_kept (fixture, 2);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 1);
  g_assert_cmpuint (wire_tree_find (tree, "run")->n_posts, ==, 1);
  g_assert_cmpuint (wire_tree_find (tree, "run")->n_patches, ==, 1);
  names = failed_traces_list (fixture->dir);
  g_assert_cmpuint (names->len, ==, 2);
  first = failed_trace_file_load (fixture->dir, g_ptr_array_index (names, 0));
  if (GPOINTER_TO_INT (data) != END_OTHER_CONTEXT)
    g_assert_true (test_bytes_contain (first->body, "post."));
  stop_runner (&runner);
}

/* The time that a record takes before it can be kept, and how many there are: together more than a
 * shutdown has. */
#define SLOW_MS     2
#define N_SLOW      5000
#define SLOW_END_MS 3000

/* Called in the thread that keeps what is left. */
static JsonNode *
slow_redact_cb (const char *field G_GNUC_UNUSED, JsonNode *value, gpointer user_data G_GNUC_UNUSED)
{
  gint64 end = g_get_monotonic_time () + SLOW_MS * 1000;

  while (g_get_monotonic_time () < end)
    ;
  return json_node_ref (value);
}

/* More waits than there is time for: what can be kept is, and the end comes in time. The loop of the
 * program goes on meanwhile. */
static void
test_no_time (Fixture *fixture, gconstpointer data)
{
  End end = (End) GPOINTER_TO_INT (data);
  Runner runner = { NULL, NULL, NULL, 0 };
  guint64 n_kept;
  guint n_ticks;
  gint64 start;

  lsobs_config_set_max_batch_size (fixture->base.config, 10);
  lsobs_config_set_queue_capacity (fixture->base.config, 10 * N_SLOW);
  lsobs_config_set_redact_func (fixture->base.config, slow_redact_cb, NULL, NULL);
  start_for_end (fixture, end, &runner);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  test_emit (fixture->base.exporter, "first");
  g_assert_false (lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL));
  for (guint i = 0; i < N_SLOW; i++)
    test_emit_large (fixture->base.exporter, "run", 100);
  n_ticks = (guint) g_atomic_int_get (&runner.n_ticks);
  start = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_shutdown (fixture->base.exporter, SLOW_END_MS, NULL, NULL));
  stop_runner (&runner);
  n_ticks = (guint) g_atomic_int_get (&runner.n_ticks) - n_ticks;
  /* the last ones may still be on their way to the disk, and one batch in the thread */
  g_assert_true (test_wait_dropped (fixture->base.exporter, LSOBS_DROP_REASON_SHUTDOWN, N_SLOW));
  g_assert_true (test_wait_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED, 2));

  n_kept = test_get_counter (fixture->base.exporter, LSOBS_COUNTER_DUMPED);
  g_test_message ("%" G_GUINT64_FORMAT " of %d were kept in %" G_GINT64_FORMAT
                  " ms; the loop went round %u times",
                  n_kept, 1 + N_SLOW, test_get_elapsed_ms (start), n_ticks);
  /* all of them would take more than three times as long as there is */
  g_assert_cmpuint (n_kept, <, 1 + N_SLOW);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 1 + N_SLOW);
  /* one batch after the other, and the rest of the program in between */
  if (end == END_OTHER_CONTEXT)
    g_assert_cmpuint (2 * n_ticks, >=, n_kept / 10);
}

/* --- a transport of the program's own ------------------------------------------------------ */

#define TEST_TYPE_TRANSPORT (test_transport_get_type ())
G_DECLARE_FINAL_TYPE (TestTransport, test_transport, TEST, TRANSPORT, GObject)

struct _TestTransport
{
  GObject parent_instance;

  LsobsError code;      /* what everything fails with */
  gboolean is_stubborn; /* never answers */
  int n_stuck;          /* (atomic): records that it never answers for */

  GMutex lock;      /* guards all below */
  GPtrArray *stuck; /* (owned) (element-type GTask) */
  GHashTable *lost; /* (owned) (element-type utf8) the ids of what is lost */
  guint n_hurries;
  guint n_settled;
  LsobsDropReason reason;
};

static void
test_transport_send_async (LsobsTransport *transport,
                           LsobsBatch *batch,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  TestTransport *self = TEST_TRANSPORT (transport);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  if (self->is_stubborn)
    {
      g_ptr_array_add (self->stuck, g_steal_pointer (&task));
      g_atomic_int_add (&self->n_stuck, (int) lsobs_batch_get_n_records (batch));
    }
  else
    g_task_return_new_error (task, LSOBS_ERROR, (int) self->code, "on command");
}

static gboolean
test_transport_send_finish (LsobsTransport *transport G_GNUC_UNUSED,
                            GAsyncResult *result,
                            GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
test_transport_batch_lost (LsobsTransport *transport, LsobsBatch *batch, LsobsDropReason reason)
{
  TestTransport *self = TEST_TRANSPORT (transport);

  g_mutex_lock (&self->lock);
  self->reason = reason;
  for (guint i = 0; i < lsobs_batch_get_n_records (batch); i++)
    {
      g_autoptr (LsobsRunEvent) event = lsobs_batch_dup_event (batch, i);

      g_assert_true (g_hash_table_add (self->lost, g_strdup (lsobs_run_event_get_id (event))));
    }
  g_mutex_unlock (&self->lock);
}

static void
test_transport_set_deadline (LsobsTransport *transport, gint64 deadline)
{
  g_assert_cmpint (deadline, >, 0);
  TEST_TRANSPORT (transport)->n_hurries++;
}

static gboolean
test_transport_drain (LsobsTransport *transport, gint64 deadline)
{
  g_assert_cmpint (deadline, >, 0);
  TEST_TRANSPORT (transport)->n_settled++;

  return TRUE;
}

static void
test_transport_iface_init (LsobsTransportInterface *iface)
{
  iface->send_async = test_transport_send_async;
  iface->send_finish = test_transport_send_finish;
  iface->batch_lost = test_transport_batch_lost;
  iface->set_deadline = test_transport_set_deadline;
  iface->drain = test_transport_drain;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (TestTransport,
                               test_transport,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      test_transport_iface_init))

static void
test_transport_finalize (GObject *object)
{
  TestTransport *self = TEST_TRANSPORT (object);

  g_ptr_array_unref (self->stuck);
  g_hash_table_unref (self->lost);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (test_transport_parent_class)->finalize (object);
}

static void
test_transport_class_init (TestTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_transport_finalize;
}

static void
test_transport_init (TestTransport *self)
{
  g_mutex_init (&self->lock);
  self->stuck = g_ptr_array_new_with_free_func (g_object_unref);
  self->lost = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static guint
count_lost (TestTransport *transport)
{
  guint n;

  g_mutex_lock (&transport->lock);
  n = g_hash_table_size (transport->lost);
  g_mutex_unlock (&transport->lock);
  return n;
}

static gboolean
is_stuck (gpointer data)
{
  return g_atomic_int_get (&TEST_TRANSPORT (data)->n_stuck) > 0;
}

/* Each record once, whatever happens to it. */
static void
test_told (Fixture *fixture, gconstpointer data)
{
  TestTransport *transport = g_object_new (TEST_TYPE_TRANSPORT, NULL);
  guint n_lost;

  transport->code = LSOBS_ERROR_REFUSED;
  lsobs_config_set_max_batch_size (fixture->base.config, 10);
  lsobs_config_set_max_in_flight (fixture->base.config, 1);
  /* what waits at the end is told only to those who ask for it */
  if (data == NULL)
    lsobs_config_set_failed_traces_dir (fixture->base.config, NULL);
  test_fixture_start_with (&fixture->base, LSOBS_TRANSPORT (transport), NULL);
  test_emit_many (fixture->base.exporter, 10);
  /* A full batch does not wait for the flush, and may be lost before. */
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (test_get_dropped (fixture->base.exporter, LSOBS_DROP_REASON_REJECTED), ==, 10);
  g_assert_cmpuint (g_hash_table_size (transport->lost), ==, 10);
  g_assert_cmpint (transport->reason, ==, LSOBS_DROP_REASON_REJECTED);

  transport->is_stubborn = TRUE;
  test_emit_many (fixture->base.exporter, 10);
  g_assert_false (lsobs_exporter_flush (fixture->base.exporter, 50, NULL, NULL));
  test_emit_many (fixture->base.exporter, 10);
  g_assert_true (test_wait_until (is_stuck, transport, TEST_TIMEOUT_MS));
  /* each flush asks whether it is kept, and so does the end */
  g_assert_cmpuint (transport->n_settled, ==, 2);
  g_assert_false (lsobs_exporter_shutdown (fixture->base.exporter, END_MS, NULL, NULL));
  /* On a busy machine, the batch under way may have been taken before it was full. */
  n_lost = data != NULL ? 30 : 10 + (guint) g_atomic_int_get (&transport->n_stuck);
  /* The worker may still tell the last ones when the time for the shutdown is over. */
  g_assert_true (test_wait_dropped (fixture->base.exporter, LSOBS_DROP_REASON_SHUTDOWN, 20));
  g_assert_cmpuint (count_lost (transport), ==, n_lost);
  g_assert_cmpint (transport->reason, ==, LSOBS_DROP_REASON_SHUTDOWN);
  g_assert_cmpuint (transport->n_hurries, ==, 1);
  g_assert_cmpuint (transport->n_settled, >, 2);
  g_assert_cmpuint (test_get_dropped (fixture->base.exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 20);
  test_fixture_stop (&fixture->base);
  g_assert_false (g_file_test (fixture->dir, G_FILE_TEST_EXISTS));
  while (transport->stuck->len > 0)
    {
      g_autoptr (GTask) task = g_ptr_array_steal_index (transport->stuck, 0);

      g_task_return_boolean (task, FALSE);
    }
  test_drain_context ();
  g_object_unref (transport);
}

/* Without an implementation, nothing happens. */
static void
test_untold (Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsMemoryTransport) memory = lsobs_memory_transport_new ();

  lsobs_transport_set_deadline (LSOBS_TRANSPORT (memory), 1);
  g_assert_true (lsobs_transport_drain (LSOBS_TRANSPORT (memory), 0));
}

#define ADD(path, data, test) g_test_add (path, Fixture, data, set_up, test, tear_down)

#define ADD_ENDS(path, test) \
 G_STMT_START \
 { \
  ADD (path "/thread", GINT_TO_POINTER (END_THREAD), test); \
  ADD (path "/context", GINT_TO_POINTER (END_CONTEXT), test); \
  ADD (path "/other-context", GINT_TO_POINTER (END_OTHER_CONTEXT), test); \
 } \
 G_STMT_END

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/failed-traces-loss/refused/", rows[i].path, NULL);

      ADD (path, &rows[i], test_refused);
    }
  ADD ("/failed-traces-loss/same-body", NULL, test_same_body);
  ADD ("/failed-traces-loss/one-bad", NULL, test_one_bad);
  ADD ("/failed-traces-loss/nothing-lost", NULL, test_nothing_lost);
  ADD ("/failed-traces-loss/off/null", NULL, test_off);
  ADD ("/failed-traces-loss/off/empty", "", test_off);
  ADD ("/failed-traces-loss/redacted", NULL, test_redacted);
  ADD ("/failed-traces-loss/mode/multipart", GINT_TO_POINTER (LSOBS_INGEST_MODE_MULTIPART),
       test_modes);
  ADD ("/failed-traces-loss/mode/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH), test_modes);
  ADD ("/failed-traces-loss/mode/runs", GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS), test_modes);
  ADD ("/failed-traces-loss/promoted", NULL, test_promoted);
  ADD ("/failed-traces-loss/budget", NULL, test_budget);
  ADD_ENDS ("/failed-traces-loss/shutdown/hang", test_shutdown);
  ADD_ENDS ("/failed-traces-loss/shutdown/paused", test_last_unref);
  ADD_ENDS ("/failed-traces-loss/shutdown/order", test_shutdown_order);
  ADD_ENDS ("/failed-traces-loss/shutdown/no-time", test_no_time);
  ADD ("/failed-traces-loss/told/without-rest", NULL, test_told);
  ADD ("/failed-traces-loss/told/with-rest", GINT_TO_POINTER (TRUE), test_told);
  ADD ("/failed-traces-loss/untold", NULL, test_untold);

  return g_test_run ();
}
