/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <string.h>

#include "tests/lib/run-helpers.h"
#include "tests/lib/test-utils.h"

/* The characters of a time in a dotted order. */
#define TIME_LEN 22

/* Runs that are started for the requests of another process. */

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"

#define R_SEGMENT "20260301T093015250000Z" R
#define L_SEGMENT "20260301T093015262000Z" L
#define PATH      R_SEGMENT "." L_SEGMENT

#define BAGGAGE \
 "langsmith-metadata=%7B%22thread_id%22%3A%22t-77%22%2C%22n%22%3A1%7D,langsmith-tags=prod%2Ceu," \
 "langsmith-project=of%20the%20caller"

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_trust_incoming_headers (fixture->config, TRUE);
}

/* @trace, @baggage: (nullable) */
static GHashTable *
make_headers (const char *trace, const char *baggage)
{
  GHashTable *headers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, NULL);

  g_hash_table_insert (headers, (gpointer) "Host", (gpointer) "example.org");
  g_hash_table_insert (headers, (gpointer) "langsmith-trace", (gpointer) trace);
  g_hash_table_insert (headers, (gpointer) "baggage", (gpointer) baggage);
  return headers;
}

static LsobsRun *
start_for (RunFixture *fixture, GHashTable *headers)
{
  g_autoptr (JsonNode) inputs = run_json ("{\"q\":1}");

  if (fixture->observer == NULL)
    run_fixture_start (fixture);
  return lsobs_observer_start_run_from_headers (fixture->observer, headers, "served",
                                                LSOBS_RUN_TYPE_TOOL, inputs);
}

static LsobsRun *
start (RunFixture *fixture, const char *trace, const char *baggage)
{
  g_autoptr (GHashTable) headers = make_headers (trace, baggage);

  return start_for (fixture, headers);
}

static WireRun *
finish (RunFixture *fixture, LsobsRun *run)
{
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  return run_fixture_find (fixture, lsobs_run_get_name (run));
}

/* Whether the run lies below the one of the headers. */
static void
assert_below (LsobsRun *run, const char *trace_id, const char *parent_id, const char *path)
{
  g_autofree char *run_trace_id = lsobs_run_dup_trace_id (run);
  g_autofree char *run_parent_id = lsobs_run_dup_parent_id (run);
  g_autofree char *run_path = lsobs_run_dup_dotted_order (run);
  g_autofree char *id = lsobs_run_dup_id (run);

  g_assert_cmpstr (run_trace_id, ==, trace_id);
  g_assert_cmpstr (run_parent_id, ==, parent_id);
  g_assert_true (g_str_has_prefix (run_path, path));
  g_assert_true (g_str_has_suffix (run_path, id));
  g_assert_cmpuint (strlen (run_path), ==, strlen (path) + 1 + 58);
}

static void
assert_root (LsobsRun *run)
{
  g_autofree char *trace_id = lsobs_run_dup_trace_id (run);
  g_autofree char *id = lsobs_run_dup_id (run);

  g_assert_cmpstr (trace_id, ==, id);
  g_assert_null (lsobs_run_dup_parent_id (run));
}

/* --- the place in the trace --- */

static void
test_continued (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, PATH, BAGGAGE);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_LLM, NULL);
  WireRun *wire;

  assert_below (run, R, L, PATH);
  lsobs_run_add_tag (child, "own");
  lsobs_run_end (child, NULL);
  wire = finish (fixture, run);
  /* Of the runs of the caller nothing is sent. */
  g_assert_cmpuint (wire_tree_get_n_runs (fixture->tree), ==, 2);
  g_assert_cmpuint (wire->n_posts, ==, 1);
  run_assert_member (wire, "session_name", "\"of the caller\"");
  run_assert_member (wire, "extra.metadata", "{\"thread_id\":\"t-77\",\"n\":1}");
  run_assert_member (wire, "tags", "[\"prod\",\"eu\"]");
  run_assert_member (wire, "inputs", "{\"q\":1}");
  /* Its own runs follow it. */
  wire = run_fixture_find (fixture, "child");
  run_assert_member (wire, "session_name", "\"of the caller\"");
  run_assert_member (wire, "extra.metadata", "{\"thread_id\":\"t-77\",\"n\":1}");
  run_assert_member (wire, "tags", "[\"own\"]");
  g_assert_cmpstr (wire->trace_id, ==, R);
}

/* An update says the same as the create. */
static void
test_updated (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, PATH, BAGGAGE);
  g_autofree char *id = lsobs_run_dup_id (run);
  g_autoptr (JsonObject) patch = NULL;

  run_fixture_flush (fixture);
  lsobs_run_set_metadata_string (run, "late", "1");
  finish (fixture, run);
  patch = run_dup_operation (fixture->server, "patch", id);
  g_assert_nonnull (patch);
  g_assert_cmpstr (json_object_get_string_member (patch, "session_name"), ==, "of the caller");
  g_assert_cmpstr (json_object_get_string_member (patch, "trace_id"), ==, R);
  g_assert_cmpstr (json_object_get_string_member (patch, "parent_run_id"), ==, L);
  run_assert_member (run_fixture_find (fixture, "served"), "extra.metadata",
                     "{\"thread_id\":\"t-77\",\"n\":1,\"late\":\"1\"}");
}

static void
test_local_on_top (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, PATH, BAGGAGE);
  WireRun *wire;

  lsobs_run_set_metadata_string (run, "thread_id", "t-78");
  lsobs_run_set_metadata_string (run, "own", "1");
  lsobs_run_add_tag (run, "eu");
  lsobs_run_add_tag (run, "own");
  wire = finish (fixture, run);
  run_assert_member (wire, "extra.metadata", "{\"thread_id\":\"t-78\",\"n\":1,\"own\":\"1\"}");
  run_assert_member (wire, "tags", "[\"prod\",\"eu\",\"own\"]");
}

static void
test_no_baggage (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, R_SEGMENT, NULL);
  WireRun *wire;

  assert_below (run, R, R, R_SEGMENT);
  wire = finish (fixture, run);
  run_assert_member (wire, "session_name", "\"" RUN_PROJECT "\"");
  run_assert_member (wire, "extra.metadata", NULL);
  run_assert_member (wire, "tags", NULL);
}

/* The service wants six digits, whatever came in. */
static void
test_rewritten (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run =
      start (fixture,
             " 20260301T09301525Z" R ".20260301T093015262Z019CA8BB-F15E-7B21-9D4F-6C8E30A1B2D5\t",
             NULL);

  assert_below (run, R, L, PATH);
  finish (fixture, run);
}

/* The clock of the caller is ahead: no child begins before its parent, and the id
 * must have the same time. The judge of the requests looks at both. */
static void
test_clock_ahead (RunFixture *fixture, gconstpointer data)
{
  const char *path = data;
  g_autoptr (LsobsRun) run = start (fixture, path, NULL);
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_LLM, NULL);
  g_autofree char *run_path = lsobs_run_dup_dotted_order (run);

  /* The clock of the trace goes on from the start of the parent. */
  g_assert_cmpint (memcmp (run_path + strlen (path) + 1, path, TIME_LEN), >=, 0);
  lsobs_run_end (child, NULL);
  finish (fixture, run);
}

/* --- what is no place in a trace --- */

static void
test_not_trusted (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  WireRun *wire;

  lsobs_config_set_trust_incoming_headers (fixture->config, FALSE);
  run = start (fixture, PATH, BAGGAGE);
  assert_root (run);
  wire = finish (fixture, run);
  run_assert_member (wire, "session_name", "\"" RUN_PROJECT "\"");
  run_assert_member (wire, "extra.metadata", NULL);
  run_assert_member (wire, "tags", NULL);
}

typedef struct
{
  const char *path;
  const char *trace;
  const char *baggage;
} HeadersRow;

static const HeadersRow malformed_rows[] = {
  { "none", NULL, NULL },
  { "no-trace", NULL, BAGGAGE },
  { "empty", "", "" },
  { "garbage", "garbage", "garbage" },
  { "earlier-than-parent", L_SEGMENT "." R_SEGMENT, BAGGAGE },
  { "seven-digits", "20260301T0930152500000Z" R, BAGGAGE },
  { "not-utf-8", "\xff", "\xff" },
};

static void
test_malformed (RunFixture *fixture, gconstpointer data)
{
  const HeadersRow *row = data;
  g_autoptr (LsobsRun) run = start (fixture, row->trace, row->baggage);
  WireRun *wire;

  assert_root (run);
  wire = finish (fixture, run);
  run_assert_member (wire, "session_name", "\"" RUN_PROJECT "\"");
  run_assert_member (wire, "extra.metadata", NULL);
}

static void
test_no_headers (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start_for (fixture, NULL);

  assert_root (run);
  finish (fixture, run);
}

/* --- names of headers --- */

static void
test_names (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GHashTable) headers = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) both = NULL;

  g_hash_table_insert (headers, (gpointer) "LangSmith-Trace", (gpointer) PATH);
  g_hash_table_insert (headers, (gpointer) "BAGGAGE", (gpointer) "langsmith-project=upper");
  g_hash_table_insert (headers, (gpointer) "langsmith-trace-2", (gpointer) "garbage");
  g_hash_table_insert (headers, (gpointer) "X-Nothing", NULL);
  run = start_for (fixture, headers);
  assert_below (run, R, L, PATH);
  run_assert_member (finish (fixture, run), "session_name", "\"upper\"");

  g_hash_table_insert (headers, (gpointer) "langsmith-trace", (gpointer) R_SEGMENT);
  both = start_for (fixture, headers);
  assert_below (both, R, R, R_SEGMENT);
  finish (fixture, both);
}

/* --- sampling --- */

typedef struct
{
  const char *path;
  const char *trace_id;
  gboolean kept;
} SampledRow;

/* The buckets 87637 and 514072, of a million. */
static const SampledRow sampled_rows[] = {
  { "kept", "01a203c0-48cf-7000-8000-0376002708af", TRUE },
  { "left-out", "01a203be-ab20-7037-b2f4-e7e77f1765d6", FALSE },
};

/* The trace decides, wherever its root is. */
static void
test_sampled (RunFixture *fixture, gconstpointer data)
{
  const SampledRow *row = data;
  g_autofree char *trace =
      g_strconcat ("20260301T093015250000Z", row->trace_id, ".", L_SEGMENT, NULL);

  lsobs_config_set_sampling_rate (fixture->config, 0.1);
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (LsobsRun) run = start (fixture, trace, BAGGAGE);
      g_autoptr (LsobsRun) child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_LLM, NULL);
      g_autoptr (GHashTable) headers = NULL;

      g_assert_cmpint (lsobs_run_is_sampled (run), ==, row->kept);
      g_assert_cmpint (lsobs_run_is_sampled (child), ==, row->kept);
      /* Whoever is next is told the same. */
      lsobs_run_propagate_metadata (child, "thread_id");
      headers = lsobs_run_to_headers (child);
      g_assert_true (g_str_has_prefix (g_hash_table_lookup (headers, "langsmith-trace"), trace));
      g_assert_cmpstr (g_hash_table_lookup (headers, "baggage"), ==,
                       "langsmith-metadata=%7B%22thread_id%22%3A%22t-77%22%7D,"
                       "langsmith-project=of%20the%20caller");
      lsobs_run_end (child, NULL);
      lsobs_run_end (run, NULL);
    }
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_runs (fixture->tree), ==, row->kept ? 40 : 0);
  if (row->kept)
    run_assert_member (run_fixture_find (fixture, "served"), "extra.metadata",
                       "{\"thread_id\":\"t-77\",\"n\":1,\"ls_tracing_sample_rate\":0.1}");
}

/* --- privacy --- */

static void
test_redacted (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  WireRun *wire;

  lsobs_config_set_redact_regex (fixture->config, "t-7");
  lsobs_config_add_redact_key (fixture->config, "n");
  run = start (fixture, PATH, BAGGAGE ",langsmith-tags=t-77");
  wire = finish (fixture, run);
  run_assert_member (wire, "extra.metadata",
                     "{\"thread_id\":\"[REDACTED]7\",\"n\":\"[REDACTED]\"}");
  run_assert_member (wire, "tags", "[\"[REDACTED]7\"]");
}

static void
test_hidden (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_hide_metadata (fixture->config, TRUE);
  run = start (fixture, PATH, BAGGAGE);
  run_assert_member (finish (fixture, run), "extra.metadata", "{}");
}

/* What came in goes no further unless the program says so; the project does. */
static void
test_passed_on (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, PATH, BAGGAGE);
  g_autoptr (GHashTable) headers = lsobs_run_to_headers (run);
  g_autoptr (GHashTable) marked = NULL;
  g_autofree char *path = lsobs_run_dup_dotted_order (run);

  g_assert_cmpstr (g_hash_table_lookup (headers, "langsmith-trace"), ==, path);
  g_assert_cmpstr (g_hash_table_lookup (headers, "baggage"), ==,
                   "langsmith-project=of%20the%20caller");
  lsobs_run_propagate_metadata (run, "n");
  lsobs_run_propagate_tags (run);
  marked = lsobs_run_to_headers (run);
  g_assert_cmpstr (g_hash_table_lookup (marked, "baggage"), ==,
                   "langsmith-metadata=%7B%22n%22%3A1%7D,langsmith-tags=prod%2Ceu,"
                   "langsmith-project=of%20the%20caller");
  finish (fixture, run);
}

/* --- tracing is off --- */

/* Whoever does not trace leaves no gap: the next one continues the caller's run. */
static void
test_off (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (GHashTable) headers = NULL;
  g_autoptr (GHashTable) no_headers = NULL;

  lsobs_config_set_tracing_enabled (fixture->config, FALSE);
  run = start (fixture, PATH, BAGGAGE);
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_LLM, NULL);
  lsobs_run_propagate_metadata (child, "n");
  lsobs_run_set_metadata_string (child, "private", "1");
  headers = lsobs_run_to_headers (child);
  g_assert_cmpuint (g_hash_table_size (headers), ==, 2);
  g_assert_cmpstr (g_hash_table_lookup (headers, "langsmith-trace"), ==, PATH);
  g_assert_cmpstr (g_hash_table_lookup (headers, "baggage"), ==,
                   "langsmith-metadata=%7B%22n%22%3A1%7D,langsmith-project=of%20the%20caller");

  root = start (fixture, NULL, NULL);
  lsobs_run_propagate_metadata (root, "n");
  lsobs_run_propagate_tags (root);
  lsobs_run_set_metadata_string (root, "n", "1");
  no_headers = lsobs_run_to_headers (root);
  g_assert_cmpuint (g_hash_table_size (no_headers), ==, 0);
  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
}

/* --- hostile --- */

static void
test_too_long (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *spaces = g_strnfill (8192, ' ');
  g_autofree char *trace = g_strconcat (PATH, spaces, NULL);
  g_autofree char *baggage = g_strconcat (BAGGAGE, spaces, NULL);
  g_autoptr (LsobsRun) root = start (fixture, trace, BAGGAGE);
  g_autoptr (LsobsRun) run = start (fixture, PATH, baggage);
  g_autofree char *id = lsobs_run_dup_id (run);
  WireRun *wire;

  assert_root (root);
  lsobs_run_end (root, NULL);
  assert_below (run, R, L, PATH);
  finish (fixture, run);
  wire = wire_tree_lookup (fixture->tree, id);
  run_assert_member (wire, "session_name", "\"" RUN_PROJECT "\"");
}

/* Deep, but not too deep to send: the judge of the requests sees it. */
static void
test_deep (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) trace = g_string_new (R_SEGMENT);
  g_autoptr (GString) baggage = g_string_new ("langsmith-metadata={\"a\":");
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GHashTable) headers = NULL;

  for (guint i = 1; i < 100; i++)
    g_string_append (trace, "." L_SEGMENT);
  for (guint i = 0; i < 3000; i++)
    g_string_append_c (baggage, '[');
  for (guint i = 0; i < 3000; i++)
    g_string_append_c (baggage, ']');
  g_string_append_c (baggage, '}');
  run = start (fixture, trace->str, baggage->str);
  assert_below (run, R, L, trace->str);
  headers = lsobs_run_to_headers (run);
  g_assert_cmpuint (g_hash_table_size (headers), ==, 0);
  finish (fixture, run);
}

/* Somebody tries to have traces sent elsewhere, or a header into a header. */
static void
test_hostile (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run =
      start (fixture, PATH,
             "langsmith-replicas=%5B%7B%22api_url%22%3A%22http%3A//evil.example%22%7D%5D,"
             "langsmith-project=a%0D%0AX-Evil%3A1,langsmith-attachments=x,"
             "langsmith-metadata=%7B%22k%22%3A%22%0D%0A%22%2C%22l%22%3A%22%5Cr%5Cn--lsobs-%22%7D,"
             "langsmith-tags=%0D%0AX-Evil%3A1%2C%22");
  g_autoptr (GHashTable) headers = NULL;
  WireRun *wire;

  lsobs_run_propagate_tags (run);
  lsobs_run_propagate_metadata (run, "l");
  headers = lsobs_run_to_headers (run);
  g_assert_null (strpbrk (g_hash_table_lookup (headers, "baggage"), "\r\n\" "));
  wire = finish (fixture, run);
  run_assert_member (wire, "session_name", "\"" RUN_PROJECT "\"");
  run_assert_member (wire, "extra.metadata.l", "\"\\r\\n--lsobs-\"");
  run_assert_member (wire, "tags", "[\"\\r\\nX-Evil:1\",\"\\\"\"]");
}

/* The project is that of one trace. */
static void
test_other_traces (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture, PATH, BAGGAGE);
  g_autoptr (LsobsRun) other = NULL;

  lsobs_run_end (run, NULL);
  other = lsobs_observer_start_run (fixture->observer, "other", LSOBS_RUN_TYPE_CHAIN, NULL);
  run_assert_member (finish (fixture, other), "session_name", "\"" RUN_PROJECT "\"");
  run_assert_member (run_fixture_find (fixture, "served"), "session_name", "\"of the caller\"");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, func) \
 g_test_add ("/distributed-in/" path, RunFixture, data, set_up, func, run_fixture_tear_down)
#define ADD_ROWS(prefix, rows, func) \
 TEST_ADD_FIXTURE_ROWS ("/distributed-in/" prefix, rows, path, RunFixture, set_up, func, \
                        run_fixture_tear_down)
  ADD ("continued", NULL, test_continued);
  ADD ("updated", NULL, test_updated);
  ADD ("local-on-top", NULL, test_local_on_top);
  ADD ("no-baggage", NULL, test_no_baggage);
  ADD ("rewritten", NULL, test_rewritten);
  ADD ("clock-ahead/years", "20991231T235959999999Z" R, test_clock_ahead);
  ADD ("clock-ahead/for-ever", "99991231T235959999999Z" R, test_clock_ahead);
  ADD ("not-trusted", NULL, test_not_trusted);
  ADD_ROWS ("malformed/", malformed_rows, test_malformed);
  ADD ("no-headers", NULL, test_no_headers);
  ADD ("names", NULL, test_names);
  ADD_ROWS ("sampled/", sampled_rows, test_sampled);
  ADD ("redacted", NULL, test_redacted);
  ADD ("hidden", NULL, test_hidden);
  ADD ("passed-on", NULL, test_passed_on);
  ADD ("off", NULL, test_off);
  ADD ("too-long", NULL, test_too_long);
  ADD ("deep", NULL, test_deep);
  ADD ("hostile", NULL, test_hostile);
  ADD ("other-traces", NULL, test_other_traces);

  return g_test_run ();
}
