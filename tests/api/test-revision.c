/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/run-helpers.h"

/* Which revision of the program a run comes from. */

typedef struct
{
  const char *name;
  const char *revision_id; /* (nullable) */
  const char *key;         /* (nullable) of metadata that the run has itself */
  const char *value;       /* (nullable) JSON */
  const char *expected;    /* (nullable) all of the metadata */
} RevisionRow;

static const RevisionRow revision_rows[] = {
  { "alone", "v1.2", NULL, NULL, "{\"revision_id\":\"v1.2\"}" },
  { "beside", "v1.2", "a", "{\"b\":[]}", "{\"a\":{\"b\":[]},\"revision_id\":\"v1.2\"}" },
  { "none", NULL, NULL, NULL, NULL },
  { "none-beside", NULL, "a", "1", "{\"a\":1}" },
  { "empty", "", NULL, NULL, NULL },
  { "white", " \n", NULL, NULL, NULL },
  { "trimmed", " 0f1e2d3\n", NULL, NULL, "{\"revision_id\":\"0f1e2d3\"}" },
  { "quoted", "'a\"b\\c'", NULL, NULL, "{\"revision_id\":\"a\\\"b\\\\c\"}" },
  { "text", "Fassung zwölf \xf0\x9f\x98\x80", NULL, NULL, "{\"revision_id\":\"Fassung zwölf 😀\"}" },
  { "injection", "x\",\"evil\":\"y", NULL, NULL, "{\"revision_id\":\"x\\\",\\\"evil\\\":\\\"y\"}" },
  /* What the program says itself stands, but nothing else of the name does. */
  { "own", "v1.2", "revision_id", "\"mine\"", "{\"revision_id\":\"mine\"}" },
  { "own-null", "v1.2", "revision_id", "null", "{\"revision_id\":null}" },
  { "below", "v1.2", "a", "{\"revision_id\":1}",
    "{\"a\":{\"revision_id\":1},\"revision_id\":\"v1.2\"}" },
  { "as-a-value", "v1.2", "a", "\"revision_id\"",
    "{\"a\":\"revision_id\",\"revision_id\":\"v1.2\"}" },
};

static void
start_row (RunFixture *fixture, const RevisionRow *row)
{
  g_autoptr (JsonNode) value = run_json (row->value);
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (LsobsRun) child = NULL;

  lsobs_config_set_revision_id (fixture->config, row->revision_id);
  run_fixture_start (fixture);
  root = lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
  if (row->key != NULL)
    lsobs_run_set_metadata (root, row->key, value);
  child = lsobs_run_start_child (root, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_end (child, NULL);
  lsobs_run_end (root, NULL);
  run_fixture_flush (fixture);
}

/* Every run of the trace has it. */
static void
test_row (RunFixture *fixture, gconstpointer data)
{
  const RevisionRow *row = data;

  start_row (fixture, row);
  run_assert_member (run_fixture_find (fixture, "root"), "extra.metadata", row->expected);
  run_assert_member (run_fixture_find (fixture, "child"), "extra.metadata", row->expected);
}

/* It is text that leaves the process, as any other. */
static void
test_redacted (RunFixture *fixture, gconstpointer data)
{
  const RevisionRow row = { "", "v1.2-secret-7", "a", "\"secret\"", NULL };
  const char *rule = data;

  if (strcmp (rule, "regex") == 0)
    lsobs_config_set_redact_regex (fixture->config, "secret");
  else if (strcmp (rule, "key") == 0)
    lsobs_config_add_redact_key (fixture->config, "Revision-Id");
  else if (strcmp (rule, "cut") == 0)
    lsobs_config_set_max_string_bytes (fixture->config, 4);
  else
    lsobs_config_set_hide_metadata (fixture->config, TRUE);
  start_row (fixture, &row);
  run_assert_member (
      run_fixture_find (fixture, "root"), "extra.metadata",
      strcmp (rule, "regex") == 0 ? "{\"a\":\"[REDACTED]\",\"revision_id\":\"v1.2-[REDACTED]-7\"}"
      : strcmp (rule, "key") == 0 ? "{\"a\":\"secret\",\"revision_id\":\"[REDACTED]\"}"
      : strcmp (rule, "cut") == 0
          ? "{\"a\":\"secr\",\"lsobs_cut_strings\":{\"count\":1,\"paths\":[\"metadata.a\"]},"
            "\"revision_id\":\"v1.2\"}"
          : "{}");
}

/* The two that the library adds do not get into each other's way. */
static void
test_with_rate (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const RevisionRow row = { "", "v1.2", NULL, NULL, NULL };
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_sampling_rate (fixture->config, 0.999999);
  lsobs_config_set_revision_id (fixture->config, row.revision_id);
  run_fixture_start (fixture);
  do
    {
      g_clear_pointer (&run, lsobs_run_unref);
      run = lsobs_observer_start_run (fixture->observer, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
    }
  while (!lsobs_run_is_sampled (run));
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "root"), "extra.metadata",
                     "{\"ls_tracing_sample_rate\":0.999999,\"revision_id\":\"v1.2\"}");
}

/* A run whose create has left already, and a run that is known by its id alone. */
static void
test_later (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *id = "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4";
  g_autoptr (LsobsRunEvent) event =
      lsobs_run_event_new_start (id, NULL, "by-id", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRunEvent) end = lsobs_run_event_new_update (id, NULL, NULL);
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_revision_id (fixture->config, "v1.2");
  run_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "slow", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, event, NULL));
  run_fixture_flush (fixture);
  lsobs_run_set_metadata_string (run, "a", "b");
  lsobs_run_end (run, NULL);
  g_assert_true (lsobs_exporter_enqueue (fixture->exporter, end, NULL));
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "slow"), "extra.metadata",
                     "{\"a\":\"b\",\"revision_id\":\"v1.2\"}");
  run_assert_member (run_fixture_find (fixture, "by-id"), "extra.metadata",
                     "{\"revision_id\":\"v1.2\"}");
}

#define ADD(name, data, func) \
 g_test_add (name, RunFixture, data, run_fixture_set_up, func, run_fixture_tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (revision_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/revision/row/", revision_rows[i].name, NULL);

      ADD (path, &revision_rows[i], test_row);
    }
  ADD ("/revision/redacted/regex", "regex", test_redacted);
  ADD ("/revision/redacted/key", "key", test_redacted);
  ADD ("/revision/redacted/cut", "cut", test_redacted);
  ADD ("/revision/redacted/hidden", "hidden", test_redacted);
  ADD ("/revision/with-rate", NULL, test_with_rate);
  ADD ("/revision/later", NULL, test_later);

  return g_test_run ();
}
