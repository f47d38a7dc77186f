/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <string.h>

#include "tests/lib/run-helpers.h"

/* Who a run is, and how it begins and ends. */

#define N_DEEP     500
#define N_SIBLINGS 1000

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

static LsobsRun *
start_root (RunFixture *fixture, const char *name)
{
  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

static LsobsRun *
start_child (LsobsRun *parent, const char *name)
{
  return lsobs_run_start_child (parent, name, LSOBS_RUN_TYPE_TOOL, NULL);
}

/* --- identity --- */

/* The time of the run, as the last segment of its path has it. */
static char *
make_stamp (gint64 time_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
  g_autofree char *seconds = g_date_time_format (time, "%Y%m%dT%H%M%S");

  return g_strdup_printf ("%s%06dZ", seconds, (int) (time_us % G_USEC_PER_SEC));
}

/* @parent: (nullable) */
static void
assert_identity (LsobsRun *run, LsobsRun *parent)
{
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autofree char *trace_id = lsobs_run_dup_trace_id (run);
  g_autofree char *parent_id = lsobs_run_dup_parent_id (run);
  g_autofree char *order = lsobs_run_dup_dotted_order (run);
  g_autofree char *above = parent != NULL ? lsobs_run_dup_dotted_order (parent) : g_strdup ("");
  g_autofree char *stamp = make_stamp (lsobs_run_get_start_time (run));
  g_autofree char *expected = g_strconcat (above, parent != NULL ? "." : "", stamp, id, NULL);

  g_assert_true (wire_is_uuid (id));
  g_assert_cmpint (wire_uuid_get_ms (id), ==, lsobs_run_get_start_time (run) / 1000);
  g_assert_cmpstr (order, ==, expected);
  g_assert_cmpmem (strchr (order, 'Z') + 1, 36, trace_id, 36);
  if (parent != NULL)
    {
      g_autofree char *real_parent = lsobs_run_dup_id (parent);
      g_autofree char *real_trace = lsobs_run_dup_trace_id (parent);

      g_assert_cmpstr (parent_id, ==, real_parent);
      g_assert_cmpstr (trace_id, ==, real_trace);
      g_assert_cmpint (lsobs_run_get_start_time (run), >=, lsobs_run_get_start_time (parent));
    }
  else
    {
      g_assert_null (parent_id);
      g_assert_cmpstr (trace_id, ==, id);
    }
}

/* What the service has is what the handle says. */
static void
assert_sent (RunFixture *fixture, LsobsRun *run)
{
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autofree char *trace_id = lsobs_run_dup_trace_id (run);
  g_autofree char *parent_id = lsobs_run_dup_parent_id (run);
  g_autofree char *order = lsobs_run_dup_dotted_order (run);
  WireRun *sent = wire_tree_lookup (fixture->tree, id);

  g_assert_nonnull (sent);
  g_assert_cmpstr (sent->name, ==, lsobs_run_get_name (run));
  g_assert_cmpstr (sent->trace_id, ==, trace_id);
  g_assert_cmpstr (sent->parent_id, ==, parent_id);
  g_assert_cmpstr (sent->dotted_order, ==, order);
  g_assert_cmpint (sent->start_us, ==, lsobs_run_get_start_time (run));
}

static void
test_root (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before = g_get_real_time ();
  g_autoptr (LsobsRun) run = start_root (fixture, "root");
  WireRun *sent;

  g_assert_cmpint (lsobs_run_get_start_time (run), >=, before);
  g_assert_cmpint (lsobs_run_get_start_time (run), <=, g_get_real_time () + 1000);
  g_assert_true (lsobs_run_is_sampled (run));
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_RUNNING);
  assert_identity (run, NULL);
  lsobs_run_end (run, NULL);
  g_assert_cmpint (lsobs_run_get_status (run), ==, LSOBS_RUN_STATUS_COMPLETED);

  run_fixture_flush (fixture);
  assert_sent (fixture, run);
  sent = run_fixture_find (fixture, "root");
  g_assert_cmpstr (sent->run_type, ==, "chain");
  g_assert_cmpint (sent->end_us, >=, sent->start_us);
  run_assert_member (sent, "session_name", "\"" RUN_PROJECT "\"");
  run_assert_member (sent, "extra.runtime.sdk", "\"lsobs\"");
}

static void
test_child (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  g_autoptr (LsobsRun) child = start_child (root, "child");
  g_autoptr (LsobsRun) grandchild = start_child (child, "grandchild");
  g_autofree char *text = NULL;

  assert_identity (root, NULL);
  assert_identity (child, root);
  assert_identity (grandchild, child);
  lsobs_run_end (grandchild, NULL);
  lsobs_run_end (child, NULL);
  lsobs_run_end (root, NULL);

  text = wire_tree_to_string (run_fixture_flush (fixture), WIRE_TREE_PLAIN);
  g_assert_cmpstr (text, ==, "root chain ok\n  child tool ok\n    grandchild tool ok\n");
  assert_sent (fixture, root);
  assert_sent (fixture, child);
  assert_sent (fixture, grandchild);
}

static void
test_types (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *names[] = { "chain",     "llm",    "tool",  "retriever",
                                 "embedding", "prompt", "parser" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (fixture->observer, names[i], (LsobsRunType) i, NULL);

      g_assert_cmpint (lsobs_run_get_run_type (run), ==, i);
      lsobs_run_end (run, NULL);
    }
  run_fixture_flush (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_cmpstr (run_fixture_find (fixture, names[i])->run_type, ==, names[i]);
}

/* However fast they follow each other, the paths sort as the runs began. */
static void
test_siblings (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *last = lsobs_run_dup_dotted_order (root);

  for (guint i = 0; i < N_SIBLINGS; i++)
    {
      g_autoptr (LsobsRun) run = start_child (root, "sibling");
      char *order = lsobs_run_dup_dotted_order (run);

      g_assert_cmpstr (last, <, order);
      g_assert_true (g_hash_table_add (ids, lsobs_run_dup_id (run)));
      g_free (last);
      last = order;
      lsobs_run_end (run, NULL);
    }
  lsobs_run_end (root, NULL);
  g_assert_cmpuint (wire_tree_get_n_runs (run_fixture_flush (fixture)), ==, N_SIBLINGS + 1);
}

static void
test_ended_parent (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  g_autoptr (LsobsRun) queued = NULL;
  g_autoptr (LsobsRun) sent = NULL;
  g_autofree char *text = NULL;

  lsobs_run_end (root, NULL);
  queued = start_child (root, "while-queued");
  lsobs_run_end (queued, NULL);
  run_fixture_flush (fixture);
  sent = start_child (root, "when-sent");
  lsobs_run_end (sent, NULL);
  assert_identity (queued, root);
  assert_identity (sent, root);

  text = wire_tree_to_string (run_fixture_flush (fixture), WIRE_TREE_PLAIN);
  g_assert_cmpstr (text, ==, "root chain ok\n  while-queued tool ok\n  when-sent tool ok\n");
}

static void
test_freed_parent (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *root = start_root (fixture, "root");
  LsobsRun *child = start_child (root, "child");
  g_autoptr (LsobsRun) grandchild = NULL;
  g_autofree char *root_order = lsobs_run_dup_dotted_order (root);
  g_autofree char *order = NULL;
  g_autofree char *text = NULL;

  lsobs_run_end (root, NULL);
  lsobs_run_unref (root);
  grandchild = start_child (child, "grandchild");
  lsobs_run_end (child, NULL);
  lsobs_run_unref (child);
  lsobs_run_end (grandchild, NULL);
  order = lsobs_run_dup_dotted_order (grandchild);
  g_assert_true (g_str_has_prefix (order, root_order));

  text = wire_tree_to_string (run_fixture_flush (fixture), WIRE_TREE_PLAIN);
  g_assert_cmpstr (text, ==, "root chain ok\n  child tool ok\n    grandchild tool ok\n");
}

static void
test_deep (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func ((GDestroyNotify) lsobs_run_unref);
  g_autofree char *order = NULL;
  g_autoptr (GPtrArray) roots = NULL;
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (chain, start_root (fixture, "deep"));
  for (guint i = 1; i < N_DEEP; i++)
    g_ptr_array_add (chain, start_child (g_ptr_array_index (chain, i - 1), "deep"));
  for (guint i = N_DEEP; i > 0; i--)
    lsobs_run_end (g_ptr_array_index (chain, i - 1), NULL);

  order = lsobs_run_dup_dotted_order (g_ptr_array_index (chain, N_DEEP - 1));
  g_assert_cmpuint (strlen (order), ==, 59 * N_DEEP - 1);
  assert_identity (g_ptr_array_index (chain, N_DEEP - 1), g_ptr_array_index (chain, N_DEEP - 2));

  roots = wire_tree_dup_roots (run_fixture_flush (fixture));
  g_assert_cmpuint (roots->len, ==, 1);
  g_assert_cmpuint (wire_tree_get_n_runs (fixture->tree), ==, N_DEEP);
  wire_tree_check (fixture->tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
}

static void
test_boxed (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsRun *run = start_root (fixture, "boxed");
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, LSOBS_TYPE_RUN);
  g_value_take_boxed (&value, run);
  g_assert_true (g_value_get_boxed (&value) == run);
  lsobs_run_ref (run);
  g_value_reset (&value);
  lsobs_run_end (run, NULL);
  lsobs_run_unref (run);
  run_fixture_flush (fixture);
  g_assert_cmpint (run_fixture_find (fixture, "boxed")->end_us, >, 0);
}

/* --- unsampled --- */

static void
use_everything (LsobsRun *run)
{
  g_autoptr (JsonNode) node = run_json ("{\"a\":1}");
  g_autoptr (GBytes) bytes = run_bytes ("no JSON");

  lsobs_run_add_tag (run, "tag");
  lsobs_run_set_metadata (run, "key", node);
  lsobs_run_set_metadata_string (run, "other", "value");
  lsobs_run_add_event (run, "event", node);
  lsobs_run_set_model (run, "provider", "model");
  lsobs_run_set_usage (run, 1, 2, 3);
  lsobs_run_end_bytes (run, bytes);
  lsobs_run_end (run, node);
  lsobs_run_fail_with_message (run, "late");
}

static void
test_unsampled (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) node = run_json ("{\"a\":1}");
  g_autoptr (LsobsRun) root =
      lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, node);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_LLM, node);
  g_autoptr (LsobsStats) stats = NULL;

  g_assert_false (lsobs_run_is_sampled (root));
  g_assert_false (lsobs_run_is_sampled (child));
  assert_identity (root, NULL);
  assert_identity (child, root);
  use_everything (child);
  lsobs_run_fail_with_message (root, "error");
  g_assert_cmpint (lsobs_run_get_status (child), ==, LSOBS_RUN_STATUS_COMPLETED);
  g_assert_cmpint (lsobs_run_get_status (root), ==, LSOBS_RUN_STATUS_FAILED);
  run_fixture_flush (fixture);

  stats = lsobs_observer_dup_stats (fixture->observer);
  for (guint i = LSOBS_COUNTER_ENQUEUED; i <= LSOBS_COUNTER_BYTES_SENT; i++)
    g_assert_cmpuint (lsobs_stats_get (stats, (LsobsCounter) i), ==,
                      i == LSOBS_COUNTER_UNSAMPLED ? 2 : 0);
  g_assert_cmpuint (lsobs_stats_get_total_dropped (stats), ==, 0);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 0);
}

/* A trace is kept or left out as a whole. */
static void
set_up_half (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_sampling_rate (fixture->config, 0.5);
  run_fixture_start (fixture);
}

static void
test_half_sampled (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  guint n_sampled = 0;

  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (LsobsRun) root = start_root (fixture, "root");
      g_autoptr (LsobsRun) child = start_child (root, "child");

      g_assert_true (lsobs_run_is_sampled (root) == lsobs_run_is_sampled (child));
      n_sampled += lsobs_run_is_sampled (root);
      lsobs_run_end (child, NULL);
      lsobs_run_end (root, NULL);
    }
  g_assert_cmpuint (n_sampled, >, 40);
  g_assert_cmpuint (n_sampled, <, 160);
  g_assert_cmpuint (wire_tree_get_n_runs (run_fixture_flush (fixture)), ==, 2 * n_sampled);
  wire_tree_check (fixture->tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNSAMPLED), ==, 2 * (200 - n_sampled));
}

/* --- one run, many threads --- */

#define N_THREADS 8
#define N_ROUNDS  50

typedef struct
{
  LsobsRun *run; /* (unowned) */
  RunBarrier barrier;
  int n_threads; /* (atomic) */
} Shared;

static gpointer
share_thread (gpointer user_data)
{
  Shared *shared = user_data;
  int self = g_atomic_int_add (&shared->n_threads, 1);
  g_autofree char *own = g_strdup_printf ("thread-%d", self);
  g_autoptr (JsonNode) node = run_json ("{\"n\":1}");

  run_barrier_wait (&shared->barrier);
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      g_autoptr (LsobsRun) child = start_child (shared->run, own);

      lsobs_run_add_tag (shared->run, own);
      lsobs_run_add_tag (shared->run, "shared");
      lsobs_run_set_metadata (shared->run, own, node);
      lsobs_run_set_metadata_string (shared->run, "shared", own);
      lsobs_run_add_event (shared->run, own, node);
      lsobs_run_set_usage (shared->run, self, (gint64) i, -1);
      lsobs_run_end (child, node);
      g_free (lsobs_run_dup_dotted_order (shared->run));
    }
  if (self % 2 == 0)
    lsobs_run_end (shared->run, node);
  else
    lsobs_run_fail_with_message (shared->run, own);
  return NULL;
}

/* @data: whether the create has left before */
static void
test_shared (RunFixture *fixture, gconstpointer data)
{
  gboolean separate = GPOINTER_TO_INT (data);
  g_autoptr (LsobsRun) root = start_root (fixture, "root");
  Shared shared = { .run = root };
  GThread *threads[N_THREADS];
  g_autoptr (GError) error = NULL;
  WireRun *sent;
  gboolean failed;

  if (separate)
    run_fixture_flush (fixture);
  run_barrier_init (&shared.barrier, N_THREADS);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("share", share_thread, &shared);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  run_barrier_clear (&shared.barrier);

  g_assert_cmpuint (wire_tree_get_n_runs (run_fixture_flush (fixture)), ==,
                    1 + N_THREADS * N_ROUNDS);
  wire_tree_check (fixture->tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  sent = run_fixture_find (fixture, "root");
  g_assert_cmpuint (sent->n_posts, ==, 1);
  if (separate)
    g_assert_cmpuint (sent->n_patches, ==, 1);
  failed = lsobs_run_get_status (root) == LSOBS_RUN_STATUS_FAILED;
  g_assert_true (failed == (wire_run_get (sent, "error") != NULL));
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (sent->run, "tags")), <=,
                    N_THREADS + 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Who a run is: ids, paths, parents, sampling, use by several threads.");

  g_test_add ("/run/root", RunFixture, NULL, set_up, test_root, run_fixture_tear_down);
  g_test_add ("/run/child", RunFixture, NULL, set_up, test_child, run_fixture_tear_down);
  g_test_add ("/run/types", RunFixture, NULL, set_up, test_types, run_fixture_tear_down);
  g_test_add ("/run/siblings", RunFixture, NULL, set_up, test_siblings, run_fixture_tear_down);
  g_test_add ("/run/ended-parent", RunFixture, NULL, set_up, test_ended_parent,
              run_fixture_tear_down);
  g_test_add ("/run/freed-parent", RunFixture, NULL, set_up, test_freed_parent,
              run_fixture_tear_down);
  g_test_add ("/run/deep", RunFixture, NULL, set_up, test_deep, run_fixture_tear_down);
  g_test_add ("/run/boxed", RunFixture, NULL, set_up, test_boxed, run_fixture_tear_down);
  g_test_add ("/run/unsampled", RunFixture, NULL, run_fixture_set_up_unsampled, test_unsampled,
              run_fixture_tear_down);
  g_test_add ("/run/half-sampled", RunFixture, NULL, set_up_half, test_half_sampled,
              run_fixture_tear_down);
  g_test_add ("/run/shared/queued", RunFixture, GINT_TO_POINTER (FALSE), set_up, test_shared,
              run_fixture_tear_down);
  g_test_add ("/run/shared/sent", RunFixture, GINT_TO_POINTER (TRUE), set_up, test_shared,
              run_fixture_tear_down);
  return g_test_run ();
}
