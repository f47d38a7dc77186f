/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/transport/lsobs-encoder-private.h"
#include "tests/lib/sampler-helpers.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/test-utils.h"

/* How many of all traces are sent is told with each run of those that are. */

#define ID    "01a203c0-48cf-7000-8000-0376002708af" /* in the bucket 87637 */
#define START G_GINT64_CONSTANT (1772357415250000)

/* What one record says */

typedef struct
{
  const char *path;
  double rate;
  const char *metadata; /* as it was noted, or NULL */
  gboolean hidden;
  gboolean cut;
  const char *expected; /* or NULL for none */
} MetadataRow;

static const MetadataRow metadata_rows[] = {
  { "alone", 0.25, NULL, FALSE, FALSE, "{\"ls_tracing_sample_rate\":0.25}" },
  { "empty", 0.25, "{}", FALSE, FALSE, "{\"ls_tracing_sample_rate\":0.25}" },
  { "first", 0.5, "{\"a\":{}}", FALSE, FALSE, "{\"ls_tracing_sample_rate\":0.5,\"a\":{}}" },
  { "thousandth", 0.001, NULL, FALSE, FALSE, "{\"ls_tracing_sample_rate\":0.001}" },
  { "tiny", 1e-7, NULL, FALSE, FALSE, "{\"ls_tracing_sample_rate\":1e-07}" },
  { "all", 1.0, NULL, FALSE, FALSE, NULL },
  { "all-of-it", 1.0, "{\"a\":1}", FALSE, FALSE, "{\"a\":1}" },
  /* What the program says itself stands, but nothing else of the name does. */
  { "own", 0.25, "{\"ls_tracing_sample_rate\":1}", FALSE, FALSE, "{\"ls_tracing_sample_rate\":1}" },
  { "below", 0.25, "{\"a\":{\"ls_tracing_sample_rate\":1}}", FALSE, FALSE,
    "{\"ls_tracing_sample_rate\":0.25,\"a\":{\"ls_tracing_sample_rate\":1}}" },
  { "as-a-value", 0.25, "{\"a\":\"ls_tracing_sample_rate\"}", FALSE, FALSE,
    "{\"ls_tracing_sample_rate\":0.25,\"a\":\"ls_tracing_sample_rate\"}" },
  { "no-object", 0.25, "[1]", FALSE, FALSE, "{\"ls_tracing_sample_rate\":0.25,\"value\":[1]}" },
  { "cut", 0.25, "{\"a\":1}", FALSE, TRUE,
    "{\"ls_tracing_sample_rate\":0.25,\"__truncated__\":true,\"bytes\":7}" },
  { "cut-alone", 0.25, NULL, FALSE, TRUE, "{\"ls_tracing_sample_rate\":0.25}" },
  { "hidden", 0.25, "{\"a\":1}", TRUE, FALSE, "{}" },
  { "hidden-alone", 0.25, NULL, TRUE, FALSE, NULL },
};

static void
assert_metadata (JsonNode *extra, const char *expected)
{
  JsonNode *metadata = json_object_get_member (json_node_get_object (extra), "metadata");
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_autofree char *text = NULL;

  if (metadata != NULL)
    {
      _lsobs_json_write_node (&out, metadata, G_MAXSIZE);
      text = g_strndup (out.data, out.len);
    }
  g_assert_cmpstr (text, ==, expected);
}

static LsobsRecord *
make_record (LsobsRecordKind kind, const char *metadata)
{
  LsobsSegment segment = { START, { { 0 } } };
  g_autoptr (LsobsRunInfo) info = NULL;
  LsobsRecord *record;

  g_assert_true (_lsobs_id_parse (&segment.id, ID));
  info = _lsobs_run_info_new_for_segments (&segment, 1, "run", LSOBS_RUN_TYPE_CHAIN);
  record = _lsobs_record_new (kind, info);
  record->metadata = metadata != NULL ? g_bytes_new (metadata, strlen (metadata)) : NULL;
  return record;
}

static LsobsEncoded *
encode (LsobsConfig *config, LsobsRecord *record, gboolean cut)
{
  g_autoptr (LsobsCounters) counters = _lsobs_counters_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsSettings) settings = _lsobs_settings_new (config, LSOBS_SETTINGS_ANY, &error);
  g_autoptr (LsobsEncoded) encoded = NULL;
  LsobsEncoder encoder;

  g_assert_no_error (error);
  _lsobs_record_write_annotations (record);
  encoder = (LsobsEncoder){ .settings = settings, .counters = counters };
  encoded = _lsobs_encoder_encode (&encoder, record);
  return cut ? _lsobs_encoder_cut (&encoder, encoded) : g_steal_pointer (&encoded);
}

static JsonNode *
parse_extra (LsobsEncoded *encoded)
{
  gsize len;
  const char *text = _lsobs_encoded_get_field (encoded, LSOBS_FIELD_EXTRA, &len);
  g_autofree char *copy = text != NULL ? g_strndup (text, len) : NULL;

  return copy != NULL ? json_from_string (copy, NULL) : NULL;
}

static void
test_metadata (gconstpointer data)
{
  const MetadataRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (JsonNode) extra = NULL;

  lsobs_config_set_sampling_rate (config, row->rate);
  lsobs_config_set_hide_metadata (config, row->hidden);
  encoded = encode (config, make_record (LSOBS_RECORD_CREATE, row->metadata), row->cut);
  extra = parse_extra (encoded);
  assert_metadata (extra, row->expected);
}

/* An update replaces all of extra, or none of it. */
static void
test_update (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsEncoded) quiet = NULL;
  g_autoptr (LsobsEncoded) news = NULL;
  g_autoptr (JsonNode) extra = NULL;
  LsobsRecord *record = make_record (LSOBS_RECORD_UPDATE, "{\"a\":1}");

  lsobs_config_set_sampling_rate (config, 0.25);
  quiet = encode (config, make_record (LSOBS_RECORD_UPDATE, "{\"a\":1}"), FALSE);
  g_assert_null (parse_extra (quiet));
  record->extra_new = TRUE;
  news = encode (config, record, FALSE);
  extra = parse_extra (news);
  assert_metadata (extra, "{\"ls_tracing_sample_rate\":0.25,\"a\":1}");
}

typedef struct
{
  const char *path;
  double rate;         /* of the config */
  double sampler_rate; /* or -1 for a sampler without one */
  const char *expected;
} SamplerRow;

static const SamplerRow sampler_rows[] = {
  { "known", 1.0, 0.125, "{\"ls_tracing_sample_rate\":0.125}" },
  { "known-before-config", 0.5, 0.125, "{\"ls_tracing_sample_rate\":0.125}" },
  { "known-all", 0.5, 1.0, NULL },
  { "own", 0.5, -1.0, NULL },
};

static void
test_sampler (gconstpointer data)
{
  const SamplerRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSampler) sampler =
      row->sampler_rate >= 0.0 ? LSOBS_SAMPLER (lsobs_probability_sampler_new (row->sampler_rate))
                               : LSOBS_SAMPLER (g_object_new (TEST_TYPE_SAMPLER, NULL));
  g_autoptr (LsobsEncoded) encoded = NULL;
  g_autoptr (JsonNode) extra = NULL;

  lsobs_config_set_sampling_rate (config, row->rate);
  lsobs_config_set_sampler (config, sampler);
  encoded = encode (config, make_record (LSOBS_RECORD_CREATE, NULL), FALSE);
  extra = parse_extra (encoded);
  assert_metadata (extra, row->expected);
}

/* What an observer sends */

typedef struct
{
  LsobsMemoryTransport *transport;
  LsobsObserver *observer;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  fixture->transport = lsobs_memory_transport_new ();
  lsobs_config_set_sampling_rate (config, 0.5);
  lsobs_config_set_flush_interval (config, 3600000);
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
}

static GPtrArray *
flush (Fixture *fixture)
{
  g_assert_true (lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, NULL));
  return lsobs_memory_transport_dup_events (fixture->transport);
}

/* Each one is as good as the toss of a coin. */
static LsobsRun *
start_sampled (Fixture *fixture)
{
  for (;;)
    {
      LsobsRun *run =
          lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);

      if (lsobs_run_is_sampled (run))
        return run;
      lsobs_run_unref (run);
    }
}

/* Every run tells it, joined with its end or not. */
static void
test_runs (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) root = start_sampled (fixture);
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (GPtrArray) events = NULL;

  g_ptr_array_unref (flush (fixture));
  child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_set_metadata_string (child, "key", "value");
  lsobs_run_end (child, NULL);
  lsobs_run_set_metadata_string (root, "late", "value");
  lsobs_run_end (root, NULL);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 3);
  assert_metadata (lsobs_run_event_get_extra (events->pdata[0]),
                   "{\"ls_tracing_sample_rate\":0.5}");
  assert_metadata (lsobs_run_event_get_extra (events->pdata[1]),
                   "{\"ls_tracing_sample_rate\":0.5,\"key\":\"value\"}");
  assert_metadata (lsobs_run_event_get_extra (events->pdata[2]),
                   "{\"ls_tracing_sample_rate\":0.5,\"late\":\"value\"}");
}

static guint64
get_unsampled (Fixture *fixture)
{
  g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (fixture->observer);

  return lsobs_stats_get (stats, LSOBS_COUNTER_UNSAMPLED);
}

typedef struct
{
  const char *path;
  const char *root;
  gboolean kept;
} TraceRow;

/* The buckets 87637 and 514072, and the rate 0.5. */
static const TraceRow trace_rows[] = {
  { "kept", "01a203c0-48cf-7000-8000-0376002708af", TRUE },
  { "left-out", "01a203be-ab20-7037-b2f4-e7e77f1765d6", FALSE },
};

/* A run by its id that is not the root: the id of its trace decides, whoever has
 * started the root, and for the end as well. */
static void
test_by_trace (Fixture *fixture, gconstpointer data)
{
  const TraceRow *row = data;
  LsobsExporter *exporter = lsobs_observer_get_exporter (fixture->observer);

  /* Of either bucket, and of no importance. */
  for (guint i = 0; i < G_N_ELEMENTS (trace_rows); i++)
    {
      g_autofree char *id = g_strdup (trace_rows[i].root);
      g_autofree char *path = NULL;
      g_autoptr (LsobsRunEvent) start = NULL;
      g_autoptr (LsobsRunEvent) end = NULL;
      g_autoptr (LsobsRunEvent) lone_end = NULL;
      g_autoptr (GPtrArray) events = NULL;
      g_autoptr (GError) error = NULL;
      guint64 unsampled = get_unsampled (fixture);

      id[35] = id[35] == '0' ? '1' : '0';
      path = g_strdup_printf ("20260301T093015250000Z%s.20260301T093015262000Z%s", row->root, id);
      start = lsobs_run_event_new_start (id, row->root, "child", LSOBS_RUN_TYPE_TOOL, NULL);
      lsobs_run_event_set_trace (start, row->root, path);
      end = lsobs_run_event_new_update (id, NULL, NULL);
      lsobs_run_event_set_trace (end, row->root, path);

      lsobs_memory_transport_clear (fixture->transport);
      lsobs_exporter_enqueue (exporter, start, &error);
      g_assert_no_error (error);
      lsobs_exporter_enqueue (exporter, end, &error);
      g_assert_no_error (error);
      events = flush (fixture);
      g_assert_cmpuint (events->len, ==, row->kept ? 1 : 0);
      g_assert_cmpuint (get_unsampled (fixture), ==, unsampled + (row->kept ? 0 : 1));
      if (row->kept)
        assert_metadata (lsobs_run_event_get_extra (events->pdata[0]),
                         "{\"ls_tracing_sample_rate\":0.5}");

      /* An end alone, of a run that is not known here. */
      id[34] = id[34] == '0' ? '1' : '0';
      g_free (path);
      path = g_strdup_printf ("20260301T093015250000Z%s.20260301T093015262000Z%s", row->root, id);
      lone_end = lsobs_run_event_new_update (id, NULL, NULL);
      lsobs_run_event_set_trace (lone_end, row->root, path);
      lsobs_memory_transport_clear (fixture->transport);
      lsobs_exporter_enqueue (exporter, lone_end, &error);
      g_assert_no_error (error);
      g_clear_pointer (&events, g_ptr_array_unref);
      events = flush (fixture);
      g_assert_cmpuint (events->len, ==, row->kept ? 1 : 0);
    }
}

/* A late child, a late end and late outputs of a trace that is left out: nothing of
 * it is ever sent. */
static void
test_no_orphans (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) outputs = json_from_string ("{\"a\":1}", NULL);
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (LsobsRun) before = NULL;
  g_autoptr (LsobsRun) after = NULL;
  g_autoptr (GPtrArray) events = NULL;

  do
    {
      g_clear_pointer (&root, lsobs_run_unref);
      root = lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
      if (lsobs_run_is_sampled (root))
        lsobs_run_end (root, NULL);
    }
  while (lsobs_run_is_sampled (root));
  g_ptr_array_unref (flush (fixture));
  lsobs_memory_transport_clear (fixture->transport);
  before = lsobs_run_start_child (root, "before", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_end (root, outputs);
  after = lsobs_run_start_child (root, "after", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_end (before, outputs);
  lsobs_run_end (after, outputs);
  lsobs_run_end (after, outputs);
  lsobs_run_end (root, outputs);
  events = flush (fixture);
  g_assert_cmpuint (events->len, ==, 0);
}

#define ADD_ROWS(prefix, rows, func) TEST_ADD_ROWS (prefix, rows, path, func)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS ("/sample-rate/metadata/", metadata_rows, test_metadata);
  g_test_add_func ("/sample-rate/update", test_update);
  ADD_ROWS ("/sample-rate/sampler/", sampler_rows, test_sampler);
#define ADD(path, data, func) \
 g_test_add ("/sample-rate/" path, Fixture, data, set_up, func, tear_down)
  ADD ("runs", NULL, test_runs);
  ADD ("by-trace/kept", &trace_rows[0], test_by_trace);
  ADD ("by-trace/left-out", &trace_rows[1], test_by_trace);
  ADD ("no-orphans", NULL, test_no_orphans);

  return g_test_run ();
}
