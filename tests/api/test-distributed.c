/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <locale.h>
#include <string.h>

#include "tests/lib/fork-helpers.h"

/* The headers that a run sends along to other services. */

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_project_name (fixture->config, "helpdesk");
}

static LsobsRun *
start (RunFixture *fixture)
{
  if (fixture->observer == NULL)
    run_fixture_start (fixture);
  return lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
}

static LsobsRun *
start_child (LsobsRun *parent)
{
  return lsobs_run_start_child (parent, "child", LSOBS_RUN_TYPE_TOOL, NULL);
}

static void
set_json (LsobsRun *run, const char *key, const char *json)
{
  g_autoptr (JsonNode) node = run_json (json);

  lsobs_run_set_metadata (run, key, node);
}

static void
set_marked (LsobsRun *run, const char *key, const char *value)
{
  lsobs_run_propagate_metadata (run, key);
  lsobs_run_set_metadata_string (run, key, value);
}

static void
assert_baggage (LsobsRun *run, const char *expected)
{
  g_autoptr (GHashTable) headers = lsobs_run_to_headers (run);
  g_autofree char *path = lsobs_run_dup_dotted_order (run);

  g_assert_cmpstr (g_hash_table_lookup (headers, "langsmith-trace"), ==, path);
  g_assert_cmpstr (g_hash_table_lookup (headers, "baggage"), ==, expected);
  g_assert_cmpuint (g_hash_table_size (headers), ==, 2);
}

#define PROJECT        "langsmith-project=helpdesk"
#define METADATA(text) "langsmith-metadata=%7B" text "%7D,"

/* --- what goes along --- */

static void
test_form (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);

  set_marked (run, "thread_id", "t-77");
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "prod");
  assert_baggage (run, "langsmith-metadata=%7B%22thread_id%22%3A%22t-77%22%7D,langsmith-tags=prod,"
                       "langsmith-project=helpdesk");
  lsobs_run_add_tag (run, "a b");
  set_json (run, "thread_id", "{\"a\":[1,2.5,true,null]}");
  assert_baggage (
      run,
      METADATA (
          "%22thread_id%22%3A%7B%22a%22%3A%5B1%2C2.5%2Ctrue%2Cnull%5D%7D") "langsmith-tags=prod%2Ca%20b," PROJECT);
}

static void
test_private (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);
  g_autoptr (LsobsRun) child = NULL;

  assert_baggage (run, PROJECT);
  lsobs_run_set_metadata_string (run, "thread_id", "t-77");
  lsobs_run_add_tag (run, "prod");
  lsobs_run_set_model (run, "openai", "gpt");
  lsobs_run_set_usage (run, 1, 2, 3);
  assert_baggage (run, PROJECT);
  child = start_child (run);
  assert_baggage (child, PROJECT);
}

static void
test_marks (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);

  lsobs_run_propagate_metadata (run, "never-set");
  assert_baggage (run, PROJECT);
  lsobs_run_set_metadata_string (run, "b", "1");
  lsobs_run_set_metadata_string (run, "private", "2");
  lsobs_run_propagate_metadata (run, "b");
  assert_baggage (run, METADATA ("%22b%22%3A%221%22") PROJECT);
  set_marked (run, "a", "3");
  assert_baggage (run, METADATA ("%22b%22%3A%221%22%2C%22a%22%3A%223%22") PROJECT);
  lsobs_run_set_metadata_string (run, "b", "4");
  lsobs_run_propagate_metadata (run, "b");
  assert_baggage (run, METADATA ("%22b%22%3A%224%22%2C%22a%22%3A%223%22") PROJECT);
  /* A mark is nothing that is sent. */
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata",
                     "{\"a\":\"3\",\"b\":\"4\",\"private\":\"2\"}");
}

static void
test_only_marks (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);

  lsobs_run_propagate_metadata (run, "never-set");
  lsobs_run_propagate_tags (run);
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  run_assert_member (run_fixture_find (fixture, "run"), "extra.metadata", NULL);
  run_assert_member (run_fixture_find (fixture, "run"), "tags", NULL);
}

static void
test_inherited (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);
  g_autoptr (LsobsRun) early = start_child (run);
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (LsobsRun) grandchild = NULL;

  set_marked (run, "a", "1");
  lsobs_run_propagate_metadata (run, "ls_provider");
  lsobs_run_set_model (run, "openai", "gpt");
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "of-the-parent");
  child = start_child (run);
  lsobs_run_add_tag (child, "of-the-child");
  lsobs_run_set_metadata_string (child, "private", "2");
  set_marked (child, "b", "3");
  lsobs_run_end (run, NULL);
  grandchild = start_child (child);
  assert_baggage (early, PROJECT);
  assert_baggage (
      run,
      METADATA (
          "%22a%22%3A%221%22%2C%22ls_provider%22%3A%22openai%22") "langsmith-tags=of-the-parent," PROJECT);
  /* What is a run's own alone, its model, is not its child's. */
  assert_baggage (
      child,
      METADATA ("%22a%22%3A%221%22%2C%22b%22%3A%223%22") "langsmith-tags=of-the-child," PROJECT);
  assert_baggage (grandchild, METADATA ("%22a%22%3A%221%22%2C%22b%22%3A%223%22") PROJECT);
}

static void
test_bytes (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);

  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "a\xff");
  lsobs_run_add_tag (run, "");
  lsobs_run_add_tag (run, "b\r\nX-Evil: 1");
  set_marked (run, "k\xff", "v\xff\r\n");
  assert_baggage (
      run,
      METADATA (
          "%22k%EF%BF%BD%22%3A%22v%EF%BF%BD%5Cr%5Cn%22") "langsmith-tags=a%EF%BF%BD%2Cb%0D%0AX-Evil%3A%201," PROJECT);
}

/* --- secrets --- */

static void
test_redacted (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GHashTable) headers = NULL;

  lsobs_config_set_redact_regex (fixture->config, "telltale");
  lsobs_config_add_redact_rule (fixture->config, "\\b[0-9]{4}\\b", "####");
  lsobs_config_add_redact_key (fixture->config, "password");
  lsobs_config_set_redact_secrets (fixture->config, TRUE);
  run = start (fixture);
  set_marked (run, "a", "a telltale, 1234");
  set_marked (run, "password", "hunter2");
  set_marked (run, "token", "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH");
  set_json (run, "deep", "{\"x\":[{\"Password\":{\"y\":1}}],\"z\":\"telltale\"}");
  lsobs_run_propagate_metadata (run, "deep");
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "telltale-tag");
  headers = lsobs_run_to_headers (run);
  g_assert_cmpstr (
      g_hash_table_lookup (headers, "baggage"), ==,
      METADATA ("%22a%22%3A%22a%20%5BREDACTED%5D%2C%20%23%23%23%23%22%2C"
                "%22password%22%3A%22%5BREDACTED%5D%22%2C"
                "%22token%22%3A%22%5BSECRET_DETECTED%5D%22%2C"
                "%22deep%22%3A%7B%22x%22%3A%5B%7B%22Password%22%3A%22%5BREDACTED%5D%22%7D%5D%2C"
                "%22z%22%3A%22%5BREDACTED%5D%22%7D") "langsmith-tags=%5BREDACTED%5D-tag," PROJECT);
}

static void
test_hidden (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_hide_metadata (fixture->config, TRUE);
  run = start (fixture);
  set_marked (run, "a", "1");
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "prod");
  assert_baggage (run, "langsmith-tags=prod," PROJECT);
}

/* A regular expression that gives up hides the whole text. */
static void
test_gives_up (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *text = g_strnfill (2000, 'a');
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_redact_regex (fixture->config, "(a+)+$x|(a|aa)+$b");
  run = start (fixture);
  set_marked (run, "a", text);
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, text);
  assert_baggage (run,
                  METADATA (
                      "%22a%22%3A%22%5BREDACTED%5D%22") "langsmith-tags=%5BREDACTED%5D," PROJECT);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_REDACTION_FAILURES), ==, 2);
}

typedef struct
{
  const char *path;
  const char *metadata; /* what the function makes of them; NULL: nothing */
  const char *tags;
  const char *expected;
  guint n_failures;
} HookRow;

static const HookRow hook_rows[] = {
  { "changed", "{\"c\":\"telltale\",\"d\":2}", "[\"x\",\"telltale\"]",
    METADATA (
        "%22c%22%3A%22%5BREDACTED%5D%22%2C%22d%22%3A2") "langsmith-tags=x%2C%5BREDACTED%5D," PROJECT,
    0 },
  { "emptied", "{}", "[]", PROJECT, 0 },
  { "dropped", NULL, NULL, PROJECT, 2 },
  { "dropped-metadata", NULL, "[\"x\"]", "langsmith-tags=x," PROJECT, 1 },
  { "wrong-types", "[1]", "{\"a\":1}", PROJECT, 2 },
  { "wrong-tag", "\"a\"", "[1,\"x\",null,[\"y\"]]", "langsmith-tags=x," PROJECT, 4 },
};

static GThread *main_thread;

/* In the other threads, it is about what is sent to the service. */
static JsonNode *
judge (const char *field, JsonNode *value, gpointer user_data)
{
  const HookRow *row = user_data;
  g_autofree char *text = json_to_string (value, FALSE);

  if (g_thread_self () != main_thread)
    return json_node_ref (value);
  if (g_str_equal (field, "metadata"))
    {
      g_assert_cmpstr (text, ==, "{\"a\":\"1\",\"b\":\"2\"}");
      return run_json (row->metadata);
    }
  g_assert_cmpstr (field, ==, "tags");
  g_assert_cmpstr (text, ==, "[\"one\",\"two\"]");
  return run_json (row->tags);
}

/* The function of the program sees what goes along, and nothing else; the rules come
 * after it. */
static void
test_hook (RunFixture *fixture, gconstpointer data)
{
  const HookRow *row = data;
  g_autoptr (LsobsRun) run = NULL;

  lsobs_config_set_redact_regex (fixture->config, "telltale");
  lsobs_config_set_redact_func (fixture->config, judge, (gpointer) row, NULL);
  run = start (fixture);
  set_marked (run, "a", "1");
  set_marked (run, "b", "2");
  lsobs_run_set_metadata_string (run, "private", "3");
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "one");
  lsobs_run_add_tag (run, "two");
  assert_baggage (run, row->expected);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_REDACTION_FAILURES), ==,
                    row->n_failures);
}

/* --- limits --- */

static void
test_too_long (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *long_text = g_strnfill (1500, ' ');
  g_autofree char *longer_text = g_strnfill (5000, 'x');
  g_autofree char *longest_text = g_strnfill (1000000, 'x');
  g_autoptr (LsobsRun) run = start (fixture);

  set_marked (run, "a", "1");
  set_marked (run, "b", long_text);
  set_marked (run, "c", longer_text);
  set_marked (run, "d", longest_text);
  set_marked (run, "e", "2");
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, long_text);
  lsobs_run_add_tag (run, longest_text);
  lsobs_run_add_tag (run, "prod");
  assert_baggage (run, METADATA (
                           "%22a%22%3A%221%22%2C%22e%22%3A%222%22") "langsmith-tags=prod," PROJECT);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), ==, 5);
}

static void
test_many (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);
  g_autoptr (GHashTable) headers = NULL;
  const char *baggage;

  lsobs_run_propagate_tags (run);
  for (guint i = 0; i < 600; i++)
    {
      g_autofree char *name = g_strdup_printf ("name-%u", i);

      set_marked (run, name, "value");
      lsobs_run_add_tag (run, name);
    }
  headers = lsobs_run_to_headers (run);
  baggage = g_hash_table_lookup (headers, "baggage");
  g_assert_cmpuint (strlen (baggage), <=, 4096);
  g_assert_cmpuint (strlen (baggage), >, 4000);
  g_assert_true (g_str_has_suffix (baggage, "," PROJECT));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_NOTES), >, 500);
}

static void
test_long_project (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *name = g_strnfill (5000, 'x');
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GHashTable) headers = NULL;

  lsobs_config_set_project_name (fixture->config, name);
  run = start (fixture);
  headers = lsobs_run_to_headers (run);
  g_assert_cmpuint (g_hash_table_size (headers), ==, 1);
  g_assert_true (g_hash_table_contains (headers, "langsmith-trace"));
}

static void
test_deep (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);
  g_autoptr (GHashTable) headers = NULL;

  for (guint i = 1; i < 100; i++)
    {
      g_autoptr (LsobsRun) parent = g_steal_pointer (&run);

      run = start_child (parent);
      lsobs_run_end (parent, NULL);
    }
  assert_baggage (run, PROJECT);
  lsobs_run_end (run, NULL);
  {
    g_autoptr (LsobsRun) too_deep = start_child (run);

    headers = lsobs_run_to_headers (too_deep);
    g_assert_cmpuint (g_hash_table_size (headers), ==, 0);
  }
}

/* --- any run, anywhere --- */

static void
test_unsampled (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) child = NULL;

  lsobs_config_set_sampling_rate (fixture->config, 0.0);
  run = start (fixture);
  g_assert_false (lsobs_run_is_sampled (run));
  assert_baggage (run, PROJECT);
  lsobs_run_set_metadata_string (run, "private", "1");
  set_marked (run, "a", "2");
  lsobs_run_propagate_tags (run);
  lsobs_run_add_tag (run, "prod");
  assert_baggage (run, METADATA ("%22a%22%3A%222%22") "langsmith-tags=prod," PROJECT);
  child = start_child (run);
  lsobs_run_add_tag (child, "of-the-child");
  lsobs_run_set_metadata_string (child, "a", "3");
  assert_baggage (child, METADATA ("%22a%22%3A%223%22") "langsmith-tags=of-the-child," PROJECT);
  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
  assert_baggage (child, METADATA ("%22a%22%3A%223%22") "langsmith-tags=of-the-child," PROJECT);
  run_fixture_flush (fixture);
  g_assert_cmpuint (wire_tree_get_n_runs (fixture->tree), ==, 0);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_UNSAMPLED), ==, 2);
}

static void
test_ended (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);

  set_marked (run, "a", "1");
  lsobs_run_end (run, NULL);
  lsobs_run_set_metadata_string (run, "a", "2");
  assert_baggage (run, METADATA ("%22a%22%3A%221%22") PROJECT);
  run_fixture_flush (fixture);
  assert_baggage (run, METADATA ("%22a%22%3A%221%22") PROJECT);
}

static void
test_without_observer (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = start (fixture);

  set_marked (run, "a", "1");
  lsobs_run_end (run, NULL);
  g_clear_object (&fixture->observer);
  assert_baggage (run, METADATA ("%22a%22%3A%221%22") PROJECT);
}

static gpointer
read_headers (gpointer data)
{
  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (GHashTable) headers = lsobs_run_to_headers (data);
      const char *baggage = g_hash_table_lookup (headers, "baggage");

      g_assert_true (g_str_has_prefix (baggage, "langsmith-metadata=%7B%22a%22%3A%22value-"));
      g_assert_true (g_str_has_suffix (baggage, PROJECT));
    }
  return NULL;
}

static gpointer
write_notes (gpointer data)
{
  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *text = g_strdup_printf ("value-%u", i);

      set_marked (data, "a", text);
      lsobs_run_set_metadata_string (data, text, text);
      lsobs_run_add_tag (data, text);
      lsobs_run_propagate_tags (data);
    }
  return NULL;
}

static void
test_threads (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;
  GThread *threads[4];

  if (data != NULL)
    lsobs_config_set_sampling_rate (fixture->config, 0.0);
  run = start (fixture);
  set_marked (run, "a", "value-of-the-start");
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("headers", i % 2 == 0 ? read_headers : write_notes, run);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  lsobs_run_end (run, NULL);
}

static void
child_looks (RunFixture *fixture, gpointer data)
{
  g_autoptr (GHashTable) headers = lsobs_run_to_headers (data);
  g_autofree char *path = lsobs_run_dup_dotted_order (data);
  g_autoptr (LsobsRun) own = start (fixture);
  g_autoptr (GHashTable) own_headers = NULL;

  child_assert (g_strcmp0 (g_hash_table_lookup (headers, "langsmith-trace"), path) == 0);
  child_assert (g_strcmp0 (g_hash_table_lookup (headers, "baggage"), PROJECT) == 0);
  /* Too late, but no harm. */
  lsobs_run_propagate_metadata (data, "b");
  lsobs_run_propagate_tags (data);

  set_marked (own, "a", "1");
  own_headers = lsobs_run_to_headers (own);
  child_assert (g_strcmp0 (g_hash_table_lookup (own_headers, "baggage"),
                           METADATA ("%22a%22%3A%221%22") PROJECT) == 0);
}

static void
test_fork (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  if (fork_skip ())
    return;
  if (data != NULL)
    lsobs_config_set_sampling_rate (fixture->config, 0.0);
  run = start (fixture);
  if (data == NULL)
    set_marked (run, "a", "1");
  /* In another thread of the parent, the notes may be held while it forks. */
  fork_run (child_looks, fixture, run);
  lsobs_run_end (run, NULL);
}

int
main (int argc, char *argv[])
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  main_thread = g_thread_self ();

#define ADD(path, data, func) \
 g_test_add ("/distributed/" path, RunFixture, data, set_up, func, run_fixture_tear_down)
  ADD ("form", NULL, test_form);
  ADD ("private", NULL, test_private);
  ADD ("marks", NULL, test_marks);
  ADD ("only-marks", NULL, test_only_marks);
  ADD ("inherited", NULL, test_inherited);
  ADD ("bytes", NULL, test_bytes);
  ADD ("redacted", NULL, test_redacted);
  ADD ("hidden", NULL, test_hidden);
  ADD ("gives-up", NULL, test_gives_up);
  for (guint i = 0; i < G_N_ELEMENTS (hook_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/distributed/hook/", hook_rows[i].path, NULL);

      g_test_add (path, RunFixture, &hook_rows[i], set_up, test_hook, run_fixture_tear_down);
    }
  ADD ("too-long", NULL, test_too_long);
  ADD ("many", NULL, test_many);
  ADD ("long-project", NULL, test_long_project);
  ADD ("deep", NULL, test_deep);
  ADD ("unsampled", NULL, test_unsampled);
  ADD ("ended", NULL, test_ended);
  ADD ("without-observer", NULL, test_without_observer);
  ADD ("threads", NULL, test_threads);
  ADD ("threads-unsampled", "", test_threads);
  ADD ("fork", NULL, test_fork);
  ADD ("fork-unsampled", "", test_fork);

  return g_test_run ();
}
