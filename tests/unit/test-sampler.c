/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "lsobs/config/lsobs-probability-sampler-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/lsobs-memory-transport.h"
#include "lsobs/lsobs-observer.h"
#include "tests/lib/sampler-helpers.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/test-utils.h"

/* Probability */

typedef struct
{
  const char *id;
  guint bucket;
} BucketRow;

/* On these the other clients agree. */
static const BucketRow bucket_rows[] = {
  { "01a203be-ab20-7037-b2f4-e7e77f1765d6", 514072 },
  { "01a203c0-48cf-7000-8000-0376002708af", 87637 },
  { "018e4c7e-a4c0-7000-8000-000000000001", 336583 },
};

/* The bucket is the largest rate, in millionths, that does not keep the id. */
static guint
find_bucket (const char *id)
{
  guint low = 0;
  guint high = 1000000;

  while (high - low > 1)
    {
      guint middle = (low + high) / 2;

      if (_lsobs_probability_sampler_keeps (middle / 1e6, id))
        high = middle;
      else
        low = middle;
    }
  return low;
}

static gboolean
asks (double rate, const char *id)
{
  g_autoptr (LsobsProbabilitySampler) sampler = lsobs_probability_sampler_new (rate);

  return lsobs_sampler_should_sample (LSOBS_SAMPLER (sampler), id);
}

static void
test_bucket (gconstpointer data)
{
  const BucketRow *row = data;

  g_assert_cmpuint (find_bucket (row->id), ==, row->bucket);
  /* Kept if and only if the bucket is below the rate. */
  g_assert_false (asks (row->bucket / 1e6, row->id));
  g_assert_true (asks ((row->bucket + 1) / 1e6, row->id));
  g_assert_false (asks ((row->bucket - 1) / 1e6, row->id));
}

typedef struct
{
  const char *path;
  double rate;
  gboolean kept;
} RateRow;

/* clang-format off */
static const RateRow rate_rows[] = {
  { "zero", 0.0, FALSE },
  { "minus-zero", -0.0, FALSE },
  { "negative", -1.0, FALSE },
  { "minus-infinite", -INFINITY, FALSE },
  { "nan", NAN, FALSE },
  { "tiny", 1e-9, FALSE },
  { "one", 1.0, TRUE },
  { "seven", 7.0, TRUE },
  { "infinite", INFINITY, TRUE },
};
/* clang-format on */

static void
test_rate (gconstpointer data)
{
  const RateRow *row = data;
  g_autoptr (LsobsProbabilitySampler) sampler = lsobs_probability_sampler_new (row->rate);

  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *id = g_uuid_string_random ();

      if (row->rate == 1e-9 && find_bucket (id) == 0)
        continue;
      g_assert_cmpint (lsobs_sampler_should_sample (LSOBS_SAMPLER (sampler), id), ==, row->kept);
      g_assert_cmpint (_lsobs_probability_sampler_keeps (row->rate, id), ==, row->kept);
    }
}

static void
test_property (void)
{
  g_autoptr (LsobsProbabilitySampler) sampler = lsobs_probability_sampler_new (0.25);
  g_autoptr (LsobsProbabilitySampler) plain = g_object_new (LSOBS_TYPE_PROBABILITY_SAMPLER, NULL);
  double rate;

  g_assert_cmpfloat (lsobs_probability_sampler_get_rate (sampler), ==, 0.25);
  g_object_get (sampler, "rate", &rate, NULL);
  g_assert_cmpfloat (rate, ==, 0.25);
  g_assert_cmpfloat (lsobs_probability_sampler_get_rate (plain), ==, 1.0);
}

/* The same id has the same answer: at any time, of any sampler, and a larger rate
 * keeps all that a smaller one keeps. */
static void
test_pure (void)
{
  g_autoptr (LsobsProbabilitySampler) first = lsobs_probability_sampler_new (0.3);
  g_autoptr (LsobsProbabilitySampler) second = lsobs_probability_sampler_new (0.3);
  g_autoptr (LsobsProbabilitySampler) larger = lsobs_probability_sampler_new (0.6);

  for (guint i = 0; i < 2000; i++)
    {
      g_autofree char *id = g_uuid_string_random ();
      gboolean kept = lsobs_sampler_should_sample (LSOBS_SAMPLER (first), id);

      g_assert_cmpint (lsobs_sampler_should_sample (LSOBS_SAMPLER (second), id), ==, kept);
      g_assert_cmpint (lsobs_sampler_should_sample (LSOBS_SAMPLER (first), id), ==, kept);
      if (kept)
        g_assert_true (lsobs_sampler_should_sample (LSOBS_SAMPLER (larger), id));
    }
}

/* Uniform */

#define N_IDS   100000
#define N_CELLS 100

static void
make_v4 (guint i, char *text)
{
  g_autofree char *id = g_uuid_string_random ();

  memcpy (text, id, LSOBS_UUID_LEN);
}

static void
make_v7 (guint i, char *text)
{
  LsobsId id;

  /* All in one second, as in one busy process. */
  _lsobs_id_make (&id, G_GINT64_CONSTANT (1772357415250000) + i * 10);
  _lsobs_id_write (&id, text);
}

/* With next to no random bits: only the counter at the end differs. */
static void
make_counted (guint i, char *text)
{
  g_autofree char *id = g_strdup_printf ("019ca8bb-f152-7000-8000-%012x", i);

  memcpy (text, id, LSOBS_UUID_LEN);
}

typedef struct
{
  const char *path;
  void (*make) (guint i, char *text);
} UniformRow;

static const UniformRow uniform_rows[] = {
  { "v4", make_v4 },
  { "v7", make_v7 },
  { "counted", make_counted },
};

static void
test_uniform (gconstpointer data)
{
  const UniformRow *row = data;
  guint cells[N_CELLS] = { 0 };
  guint n_kept = 0;
  double chi_square = 0.0;

  for (guint i = 0; i < N_IDS; i++)
    {
      char id[LSOBS_UUID_LEN + 1] = "";
      guint bucket;

      row->make (i, id);
      bucket = find_bucket (id);
      cells[bucket / (1000000 / N_CELLS)]++;
      if (_lsobs_probability_sampler_keeps (0.1, id))
        n_kept++;
    }
  for (guint i = 0; i < N_CELLS; i++)
    {
      double off = cells[i] - (double) N_IDS / N_CELLS;

      chi_square += off * off / ((double) N_IDS / N_CELLS);
    }
  /* 99 degrees of freedom: the mean is 99, and more than 200 is a matter of one in
   * a hundred million. A tenth of the ids is 10000, give or take 95. */
  g_assert_cmpfloat (chi_square, <, 200.0);
  g_assert_cmpuint (n_kept, >, 10000 - 600);
  g_assert_cmpuint (n_kept, <, 10000 + 600);
}

/* A sampler in use */

typedef struct
{
  TestSampler *sampler;
  LsobsMemoryTransport *transport;
  LsobsObserver *observer;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  fixture->sampler = g_object_new (TEST_TYPE_SAMPLER, NULL);
  fixture->sampler->answer = GPOINTER_TO_INT (data);
  fixture->transport = lsobs_memory_transport_new ();
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_sampler (config, LSOBS_SAMPLER (fixture->sampler));
  /* The program's own sampler goes before the rate. */
  lsobs_config_set_sampling_rate (config, fixture->sampler->answer ? 0.0 : 1.0);
  fixture->observer =
      lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (fixture->transport), &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_shut_down (lsobs_observer_get_exporter (fixture->observer), TEST_TIMEOUT_MS);
  g_assert_finalize_object (fixture->observer);
  test_assert_finalizes (fixture->transport);
  test_assert_finalizes (fixture->sampler);
}

/* A payload that does not go unnoticed when somebody writes it out: when it is large
 * enough, a cut is counted. */
static JsonNode *
make_payload (gsize len)
{
  JsonNode *node = json_node_new (JSON_NODE_VALUE);
  g_autofree char *text = g_strnfill (len, 'x');

  json_node_set_string (node, text);
  return node;
}

static void
run_trace (Fixture *fixture)
{
  /* More than the whole queue may hold: to write it out would count a cut. */
  g_autoptr (JsonNode) large = make_payload (70 * 1024 * 1024);
  g_autoptr (LsobsRun) root =
      lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, large);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_LLM, NULL);
  g_autoptr (LsobsRun) tool = lsobs_run_start_child (child, "tool", LSOBS_RUN_TYPE_TOOL, NULL);
  g_autofree char *trace_id = lsobs_run_dup_id (root);

  lsobs_run_add_tag (child, "tag");
  lsobs_run_set_metadata_string (child, "key", "value");
  lsobs_run_set_metadata (child, "large", large);
  lsobs_run_add_event (child, "event", large);
  lsobs_run_set_usage (child, 1, 2, 3);
  lsobs_run_set_model (child, "openai", "gpt");
  lsobs_run_fail_with_message (tool, "no luck");
  lsobs_run_end (child, NULL);
  lsobs_run_end (root, large);

  g_assert_cmpuint (fixture->sampler->asked->len, ==, 1);
  g_assert_cmpstr (fixture->sampler->asked->pdata[0], ==, trace_id);
  g_assert_cmpint (lsobs_run_is_sampled (root), ==, fixture->sampler->answer);
  g_assert_cmpint (lsobs_run_is_sampled (child), ==, fixture->sampler->answer);
  g_assert_cmpint (lsobs_run_is_sampled (tool), ==, fixture->sampler->answer);
}

static void
test_says_yes (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) events = NULL;

  run_trace (fixture);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  events = lsobs_memory_transport_dup_events (fixture->transport);
  g_assert_cmpuint (events->len, ==, 3);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_UNSAMPLED),
                    ==, 0);
  /* So the payload tells, when somebody writes it. */
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_CUT_PAYLOADS),
                    ==, 4);
}

static void
test_says_no (Fixture *fixture, gconstpointer data)
{
  LsobsFlushStats stats;

  run_trace (fixture);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_UNSAMPLED),
                    ==, 3);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_CUT_PAYLOADS),
                    ==, 0);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_ENQUEUED),
                    ==, 0);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_QUEUED),
                    ==, 0);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_LATE_UPDATES),
                    ==, 0);
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, &stats, NULL));
  g_assert_cmpuint (stats.runs_flushed, ==, 0);
  g_assert_cmpuint (stats.dropped_events, ==, 0);
  g_assert_cmpuint (lsobs_memory_transport_get_n_batches (fixture->transport), ==, 0);
}

/* Services further down still need correct ids. */
static void
test_identity (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) root =
      lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  g_autofree char *root_id = lsobs_run_dup_id (root);
  g_autofree char *child_id = lsobs_run_dup_id (child);
  g_autofree char *trace_id = lsobs_run_dup_trace_id (child);
  g_autofree char *parent_id = lsobs_run_dup_parent_id (child);
  g_autofree char *root_order = lsobs_run_dup_dotted_order (root);
  g_autofree char *child_order = lsobs_run_dup_dotted_order (child);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (trace_id, ==, root_id);
  g_assert_cmpstr (parent_id, ==, root_id);
  g_assert_null (lsobs_run_dup_parent_id (root));
  _lsobs_dotted_order_check (root_order, root_id, root_id, NULL, &error);
  g_assert_no_error (error);
  _lsobs_dotted_order_check (child_order, child_id, root_id, root_id, &error);
  g_assert_no_error (error);
  g_assert_cmpint (lsobs_run_get_status (child), ==, LSOBS_RUN_STATUS_RUNNING);
  lsobs_run_fail_with_message (child, "no luck");
  lsobs_run_end (child, NULL);
  g_assert_cmpint (lsobs_run_get_status (child), ==, LSOBS_RUN_STATUS_FAILED);
}

/* One question per trace, whatever way the trace is begun. */
static void
test_graph (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (LsobsInvocation) invocation =
          lsobs_observer_begin_invocation (fixture->observer, "graph", NULL);
      LsobsGraphObserver *graph = LSOBS_GRAPH_OBSERVER (invocation);

      g_assert_cmpuint (fixture->sampler->asked->len, ==, i + 1);
      lsobs_graph_observer_on_node_start (graph, "node", NULL);
      lsobs_graph_observer_on_tool_call (graph, "node", "tool", "1", NULL);
      lsobs_graph_observer_on_tool_result (graph, "node", "tool", "1", NULL);
      lsobs_graph_observer_on_node_end (graph, "node", NULL, 1);
      lsobs_invocation_end (invocation, NULL);
      g_assert_cmpuint (fixture->sampler->asked->len, ==, i + 1);
    }
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_UNSAMPLED),
                    ==, 9);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_ENQUEUED),
                    ==, 0);
}

/* By id, a child of a run that is known follows it. */
static void
test_by_id (Fixture *fixture, gconstpointer data)
{
  LsobsExporter *exporter = lsobs_observer_get_exporter (fixture->observer);
  const char *root_id = "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4";
  g_autoptr (LsobsRunEvent) root =
      lsobs_run_event_new_start (root_id, NULL, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRunEvent) child =
      lsobs_run_event_new_start ("019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5", root_id, "child",
                                 LSOBS_RUN_TYPE_TOOL, NULL);
  g_autoptr (LsobsRunEvent) child_end =
      lsobs_run_event_new_update ("019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5", NULL, NULL);
  g_autoptr (LsobsRunEvent) root_end = lsobs_run_event_new_update (root_id, NULL, "no luck");

  g_assert_true (lsobs_exporter_enqueue (exporter, root, NULL));
  g_assert_true (lsobs_exporter_enqueue (exporter, child, NULL));
  g_assert_true (lsobs_exporter_enqueue (exporter, child_end, NULL));
  g_assert_true (lsobs_exporter_enqueue (exporter, root_end, NULL));
  g_assert_cmpuint (fixture->sampler->asked->len, ==, 1);
  g_assert_cmpstr (fixture->sampler->asked->pdata[0], ==, root_id);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_UNSAMPLED),
                    ==, 2);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_ENQUEUED),
                    ==, 0);
  g_assert_cmpuint (test_get_counter (lsobs_observer_get_exporter (fixture->observer),
                                      LSOBS_COUNTER_UNKNOWN_UPDATES),
                    ==, 0);
}

#define ADD_ROWS(prefix, rows, member, func) TEST_ADD_ROWS (prefix, rows, member, func)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS ("/sampler/bucket/", bucket_rows, id, test_bucket);
  ADD_ROWS ("/sampler/rate/", rate_rows, path, test_rate);
  g_test_add_func ("/sampler/property", test_property);
  g_test_add_func ("/sampler/pure", test_pure);
  ADD_ROWS ("/sampler/uniform/", uniform_rows, path, test_uniform);
#define ADD(path, answer, func) \
 g_test_add ("/sampler/own/" path, Fixture, GINT_TO_POINTER (answer), set_up, func, tear_down)
  ADD ("yes", TRUE, test_says_yes);
  ADD ("no", FALSE, test_says_no);
  ADD ("identity", FALSE, test_identity);
  ADD ("graph", FALSE, test_graph);
  ADD ("by-id", FALSE, test_by_id);

  return g_test_run ();
}
