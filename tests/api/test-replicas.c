/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tests/lib/replica-helpers.h"

/* The same runs at several services: what they are there, and how it is told. */

#define VECTOR_ID       "01a203be-ab20-7037-b2f4-e7e77f1765d6"
#define VECTOR_STAMP    "20261122T145237024000Z"
#define VECTOR_CHILD_ID "01a203be-ab21-7037-b2f4-e7e77f1765d6"

static WireTree *
build_tree (Replicas *replicas, guint server)
{
  g_autoptr (GError) error = NULL;
  WireTree *tree = test_server_build_tree (replicas->servers[server]);

  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  return tree;
}

static WireRun *
find (WireTree *tree, const char *name)
{
  WireRun *run = wire_tree_find (tree, name);

  g_assert_nonnull (run);
  return run;
}

/* The stamps of a path without its ids. */
static char *
dup_stamps (const char *dotted_order)
{
  GString *stamps = g_string_new (NULL);

  for (gsize at = 0; at < strlen (dotted_order); at += 59)
    g_string_append_len (stamps, dotted_order + at, 22);
  return g_string_free (stamps, FALSE);
}

static void
assert_project (WireTree *tree, const char *project_name)
{
  g_autoptr (GPtrArray) runs = wire_tree_dup_runs (tree);

  for (guint i = 0; i < runs->len; i++)
    g_assert_cmpstr (wire_run_get_string (g_ptr_array_index (runs, i), "session_name"), ==,
                     project_name);
}

/* --- ids --- */

static void
test_tree (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const names[] = { "agent", "first", "tool", "below", "second" };
  static const char *const projects[] = { REPLICA_PROJECT, "other", "third" };
  const WireTreeTextFlags all =
      WIRE_TREE_INPUTS | WIRE_TREE_OUTPUTS | WIRE_TREE_DURATIONS | WIRE_TREE_ERRORS;
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (WireTree) own = NULL;
  g_autofree char *own_text = NULL;
  g_autofree char *root_id = NULL;

  replicas_add_all (replicas);
  replicas_start (replicas);
  root = replicas_record_tree (replicas, "agent");
  test_assert_flush (replicas->exporter, 15);
  g_assert_cmpuint (replicas_get (replicas, 1, LSOBS_COUNTER_DELIVERED), ==, 5);

  own = build_tree (replicas, 0);
  own_text = wire_tree_to_string (own, all);
  root_id = lsobs_run_dup_id (root);
  g_assert_cmpstr (wire_tree_get_root (own)->id, ==, root_id);
  assert_project (own, REPLICA_PROJECT);
  for (guint server = 1; server < REPLICA_MAX; server++)
    {
      g_autoptr (WireTree) tree = build_tree (replicas, server);
      g_autofree char *text = wire_tree_to_string (tree, all);

      g_assert_cmpstr (text, ==, own_text);
      assert_project (tree, projects[server]);
      for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        {
          WireRun *run = find (tree, names[i]);
          WireRun *original = find (own, names[i]);
          g_autofree char *stamps = dup_stamps (run->dotted_order);
          g_autofree char *original_stamps = dup_stamps (original->dotted_order);

          g_assert_cmpstr (run->id, !=, original->id);
          g_assert_cmpstr (run->trace_id, ==, wire_tree_get_root (tree)->id);
          g_assert_cmpstr (stamps, ==, original_stamps);
          /* The milliseconds stay. */
          g_assert_cmpint (strncmp (run->id, original->id, 14), ==, 0);
        }
    }
}

/* The known answer, by the public way to choose ids. */
static void
test_vector (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) start =
      lsobs_run_event_new_start (VECTOR_ID, NULL, "root", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRunEvent) child =
      lsobs_run_event_new_start (VECTOR_CHILD_ID, VECTOR_ID, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  g_autoptr (LsobsRunEvent) child_end =
      lsobs_run_event_new_update (VECTOR_CHILD_ID, NULL, "broken");
  g_autoptr (LsobsRunEvent) end = lsobs_run_event_new_update (VECTOR_ID, NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (WireTree) spaces = NULL;

  replicas_add (replicas, 0, "projA", LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 1, "project with space", LSOBS_REPLICA_ROLE_AUTO);
  replicas_start (replicas);
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, start, &error));
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, child, &error));
  test_assert_flush (replicas->exporter, 4);
  /* The updates are records of their own now, and name the same runs. */
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, child_end, &error));
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, end, &error));
  test_assert_flush (replicas->exporter, 4);

  tree = build_tree (replicas, 0);
  g_assert_cmpstr (wire_tree_get_root (tree)->id, ==, "01a203be-ab20-7a5c-869e-74ebe792ba15");
  g_assert_cmpstr (find (tree, "child")->parent_id, ==, "01a203be-ab20-7a5c-869e-74ebe792ba15");
  g_assert_cmpuint (find (tree, "child")->n_patches, ==, 1);
  spaces = build_tree (replicas, 1);
  g_assert_cmpstr (wire_tree_get_root (spaces)->id, ==, "01a203be-ab20-7c83-aaa1-f44857399382");
}

/* One that is primary keeps the ids in another project, one that is not changes them
 * in the runs' own. */
static void
test_roles (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (WireTree) primary = NULL;
  g_autoptr (WireTree) secondary = NULL;
  g_autoptr (WireTree) own = NULL;
  g_autofree char *root_id = NULL;

  replicas_add (replicas, 0, "other", LSOBS_REPLICA_ROLE_PRIMARY);
  replicas_add (replicas, 1, NULL, LSOBS_REPLICA_ROLE_SECONDARY);
  replicas_add (replicas, 2, REPLICA_PROJECT, LSOBS_REPLICA_ROLE_AUTO);
  replicas_start (replicas);
  root = replicas_record_tree (replicas, "agent");
  root_id = lsobs_run_dup_id (root);
  test_assert_flush (replicas->exporter, 15);

  primary = build_tree (replicas, 0);
  g_assert_cmpstr (wire_tree_get_root (primary)->id, ==, root_id);
  assert_project (primary, "other");
  secondary = build_tree (replicas, 1);
  g_assert_cmpstr (wire_tree_get_root (secondary)->id, !=, root_id);
  assert_project (secondary, REPLICA_PROJECT);
  own = build_tree (replicas, 2);
  g_assert_cmpstr (wire_tree_get_root (own)->id, ==, root_id);
  assert_project (own, REPLICA_PROJECT);
}

/* One service, two projects: what it gets twice it can tell apart. */
static void
test_same_service (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) root = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autoptr (GPtrArray) roots = NULL;

  replicas_add (replicas, 0, NULL, LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 0, "other", LSOBS_REPLICA_ROLE_AUTO);
  replicas_start (replicas);
  root = replicas_record_tree (replicas, "agent");
  test_assert_flush (replicas->exporter, 10);
  tree = build_tree (replicas, 0);
  roots = wire_tree_dup_roots (tree);
  g_assert_cmpuint (roots->len, ==, 2);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 10);
}

/* The endpoints for single runs have ids in the path, too. */
static void
test_single_runs (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (WireTree) tree = NULL;
  g_autofree char *id = NULL;
  g_autofree char *path = NULL;

  lsobs_config_set_ingest_mode (replicas->config, LSOBS_INGEST_MODE_RUNS);
  replicas_add (replicas, 0, NULL, LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 1, "other", LSOBS_REPLICA_ROLE_AUTO);
  replicas_start (replicas);
  run = lsobs_observer_start_run (replicas->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  test_assert_flush (replicas->exporter, 2);
  lsobs_run_end (run, NULL);
  test_assert_flush (replicas->exporter, 2);

  tree = build_tree (replicas, 1);
  g_assert_cmpuint (wire_tree_get_n_runs (tree), ==, 1);
  path = g_strconcat ("/runs/", find (tree, "run")->id, NULL);
  g_assert_cmpuint (test_server_count_requests (replicas->servers[1], path), ==, 1);
  id = lsobs_run_dup_id (run);
  g_assert_cmpstr (find (tree, "run")->id, !=, id);
}

/* --- one list is not the other --- */

/* In one place the start waits until the end comes, in another it has left. */
static void
test_join_apart (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (WireTree) tree = NULL;

  replicas_add (replicas, 0, NULL, LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 1, "other", LSOBS_REPLICA_ROLE_AUTO);
  replicas_start (replicas);
  /* The second one refuses the key, and is left alone for a while. */
  test_server_push (replicas->servers[1], NULL, (TestAnswer){ .status = 401 });
  replicas_record (replicas, "before", 1);
  lsobs_exporter_flush (replicas->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpint (lsobs_exporter_get_replica_state (replicas->exporter, 1), ==,
                   LSOBS_STATE_PAUSED);

  run = lsobs_observer_start_run (replicas->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_exporter_flush (replicas->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  lsobs_run_end (run, NULL);
  lsobs_exporter_flush (replicas->exporter, TEST_TIMEOUT_MS, NULL, NULL);

  g_assert_cmpuint (replicas_get (replicas, 0, LSOBS_COUNTER_DELIVERED), ==, 3);
  g_assert_cmpuint (replicas_get (replicas, 0, LSOBS_COUNTER_MERGED), ==, 1);
  g_assert_cmpuint (replicas_get (replicas, 1, LSOBS_COUNTER_QUEUED), ==, 1);
  g_assert_cmpuint (replicas_get (replicas, 1, LSOBS_COUNTER_MERGED), ==, 2);
  tree = build_tree (replicas, 0);
  g_assert_cmpuint (find (tree, "run")->n_patches, ==, 1);
}

/* --- sampling, hooks, events by id --- */

typedef struct
{
  GObject parent_instance;
  GMutex lock;
  GHashTable *asked; /* guarded by lock: id → how often */
} CountingSampler;

typedef GObjectClass CountingSamplerClass;

static GType counting_sampler_get_type (void);

static gboolean
counting_sampler_should_sample (LsobsSampler *sampler, const char *trace_id)
{
  CountingSampler *self = (CountingSampler *) sampler;
  guint n;
  gboolean even;

  g_mutex_lock (&self->lock);
  n = GPOINTER_TO_UINT (g_hash_table_lookup (self->asked, trace_id));
  even = g_hash_table_size (self->asked) % 2 == 0;
  g_hash_table_insert (self->asked, g_strdup (trace_id), GUINT_TO_POINTER (n + 1));
  g_mutex_unlock (&self->lock);
  return even;
}

static void
counting_sampler_iface_init (LsobsSamplerInterface *iface)
{
  iface->should_sample = counting_sampler_should_sample;
}

G_DEFINE_TYPE_WITH_CODE (CountingSampler,
                         counting_sampler,
                         G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (LSOBS_TYPE_SAMPLER, counting_sampler_iface_init))

static void
counting_sampler_finalize (GObject *object)
{
  CountingSampler *self = (CountingSampler *) object;

  g_hash_table_unref (self->asked);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (counting_sampler_parent_class)->finalize (object);
}

static void
counting_sampler_class_init (CountingSamplerClass *klass)
{
  klass->finalize = counting_sampler_finalize;
}

static void
counting_sampler_init (CountingSampler *self)
{
  g_mutex_init (&self->lock);
  self->asked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

/* The sampler is asked once for a trace, with its own id, and all places obey. */
static void
test_sampling (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GObject) sampler = g_object_new (counting_sampler_get_type (), NULL);
  CountingSampler *counting = (CountingSampler *) sampler;
  GHashTableIter iter;
  gpointer n;

  lsobs_config_set_sampler (replicas->config, LSOBS_SAMPLER (sampler));
  replicas_add_all (replicas);
  replicas_start (replicas);
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (LsobsRun) root = replicas_record_tree (replicas, "agent");
      g_autofree char *id = lsobs_run_dup_id (root);

      g_assert_true (g_hash_table_contains (counting->asked, id));
    }
  g_assert_cmpuint (g_hash_table_size (counting->asked), ==, 10);
  g_hash_table_iter_init (&iter, counting->asked);
  while (g_hash_table_iter_next (&iter, NULL, &n))
    g_assert_cmpuint (GPOINTER_TO_UINT (n), ==, 1);
  test_assert_flush (replicas->exporter, 75);
  for (guint i = 0; i < REPLICA_MAX; i++)
    g_assert_cmpuint (replicas_get (replicas, i, LSOBS_COUNTER_DELIVERED), ==, 25);
  /* Counted once, since no place has to do with it. */
  g_assert_cmpuint (test_get_counter (replicas->exporter, LSOBS_COUNTER_UNSAMPLED), ==, 25);
  g_assert_cmpuint (replicas_get (replicas, 0, LSOBS_COUNTER_UNSAMPLED), ==, 0);
}

typedef struct
{
  int n_inside;  /* (atomic) */
  int n_calls;   /* (atomic) */
  int n_at_once; /* (atomic) */
} HookCalls;

static JsonNode *
redact_cb (const char *field G_GNUC_UNUSED, JsonNode *value, gpointer user_data)
{
  HookCalls *calls = user_data;

  if (g_atomic_int_add (&calls->n_inside, 1) > 0)
    g_atomic_int_inc (&calls->n_at_once);
  /* The others have time to come, too, but not each time: on a busy machine, this takes long. */
  if (g_atomic_int_add (&calls->n_calls, 1) < 6)
    for (guint i = 0; i < 20; i++)
      g_thread_yield ();
  g_atomic_int_add (&calls->n_inside, -1);
  return json_node_ref (value);
}

/* However many threads there are, the program's function is called by one at a time. */
static void
test_redact_func (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  HookCalls calls = { 0, 0, 0 };

  lsobs_config_set_redact_func (replicas->config, redact_cb, &calls, NULL);
  replicas_add_all (replicas);
  replicas_start (replicas);
  for (guint i = 0; i < 9; i++)
    lsobs_run_unref (replicas_record_tree (replicas, "agent"));
  test_assert_flush (replicas->exporter, 135);
  g_assert_cmpint (g_atomic_int_get (&calls.n_calls), >=, 135);
  g_assert_cmpint (g_atomic_int_get (&calls.n_at_once), ==, 0);
}

/* An update that comes after the end joins it where it waits, and is late elsewhere. */
static void
test_late (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (JsonNode) outputs = run_json ("{\"late\":true}");
  g_autoptr (WireTree) tree = NULL;

  replicas_add_all (replicas);
  replicas_start (replicas);
  run = lsobs_observer_start_run (replicas->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  lsobs_run_end (run, outputs);
  test_assert_flush (replicas->exporter, 3);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_clear_pointer (&tree, wire_tree_free);
      tree = build_tree (replicas, i);
      run_assert_member (find (tree, "run"), "outputs", "{\"late\":true}");
    }
  lsobs_run_end (run, outputs);
  for (guint i = 0; i < REPLICA_MAX; i++)
    g_assert_cmpuint (replicas_get (replicas, i, LSOBS_COUNTER_LATE_UPDATES), ==, 1);
}

/* What comes with the headers of a request is remapped like anything else, by the project
 * of its own trace. */
static void
test_distributed (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GHashTable) headers = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (LsobsRun) run = NULL;
  g_autofree char *id = NULL;

  lsobs_config_set_trust_incoming_headers (replicas->config, TRUE);
  replicas_add (replicas, 0, NULL, LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 1, "projA", LSOBS_REPLICA_ROLE_AUTO);
  replicas_add (replicas, 2, "of the caller", LSOBS_REPLICA_ROLE_AUTO);
  replicas_start (replicas);
  g_hash_table_insert (headers, (gpointer) "langsmith-trace", (gpointer) VECTOR_STAMP VECTOR_ID);
  g_hash_table_insert (headers, (gpointer) "baggage",
                       (gpointer) "langsmith-project=of%20the%20caller");
  run = lsobs_observer_start_run_from_headers (replicas->observer, headers, "served",
                                               LSOBS_RUN_TYPE_TOOL, NULL);
  id = lsobs_run_dup_id (run);
  lsobs_run_end (run, NULL);
  test_assert_flush (replicas->exporter, 3);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_autoptr (WireTree) tree = test_server_build_tree (replicas->servers[i]);
      WireRun *wire = find (tree, "served");
      const char *parent_id = i == 1 ? "01a203be-ab20-7a5c-869e-74ebe792ba15" : VECTOR_ID;

      g_assert_cmpstr (wire->parent_id, ==, parent_id);
      g_assert_cmpstr (wire->trace_id, ==, parent_id);
      g_assert_true (g_str_has_prefix (wire->dotted_order, VECTOR_STAMP));
      g_assert_cmpint (strncmp (wire->dotted_order + 22, parent_id, 36), ==, 0);
      g_assert_true (g_str_has_suffix (wire->dotted_order, wire->id));
      g_assert_true ((i == 1) != g_str_equal (wire->id, id));
      g_assert_cmpstr (wire_run_get_string (wire, "session_name"), ==,
                       i == 1 ? "projA" : "of the caller");
    }
}

/* Files belong to runs by their ids. */
static void
test_attachments (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) bytes = run_bytes ("GET /orders/1138");
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;

  replicas_add_all (replicas);
  replicas_start (replicas);
  run = lsobs_observer_start_run (replicas->observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_true (lsobs_run_add_attachment (run, "log", "text/plain", bytes, &error));
  lsobs_run_end (run, NULL);
  test_assert_flush (replicas->exporter, 3);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_autoptr (WireTree) tree = build_tree (replicas, i);
      WireRun *wire = find (tree, "run");
      WireAttachment *attachment;

      g_assert_cmpuint (wire->attachments->len, ==, 1);
      attachment = g_ptr_array_index (wire->attachments, 0);
      g_assert_cmpstr (attachment->run_id, ==, wire->id);
      g_assert_true (g_bytes_equal (attachment->data, bytes));
    }
}

/* The store of runs needs one until its end has found its fate in every place; then it
 * remembers that it has ended. */
static void
test_forget (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) start =
      lsobs_run_event_new_start (VECTOR_ID, NULL, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRunEvent) end = lsobs_run_event_new_update (VECTOR_ID, NULL, NULL);
  g_autoptr (GError) error = NULL;

  replicas_add_all (replicas);
  test_server_hold (replicas->servers[1]);
  replicas_start (replicas);
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, start, &error));
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, end, &error));
  g_assert_false (lsobs_exporter_flush (replicas->exporter, 0, NULL, NULL));
  g_assert_true (replicas_wait (replicas, 0, LSOBS_COUNTER_DELIVERED, 1));
  g_assert_true (test_server_wait_requests (replicas->servers[1], 1, TEST_TIMEOUT_MS));
  g_assert_true (replicas_wait (replicas, 2, LSOBS_COUNTER_DELIVERED, 1));
  /* Known: it is under way to one of them. */
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, end, &error));
  g_assert_cmpuint (test_get_counter (replicas->exporter, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
  g_assert_cmpuint (test_get_counter (replicas->exporter, LSOBS_COUNTER_LATE_UPDATES), ==, 3);

  test_server_release (replicas->servers[1]);
  g_assert_true (lsobs_exporter_shutdown (replicas->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (lsobs_exporter_enqueue (replicas->exporter, end, &error));
  g_assert_cmpuint (test_get_counter (replicas->exporter, LSOBS_COUNTER_UNKNOWN_UPDATES), ==, 0);
  g_assert_cmpuint (test_get_counter (replicas->exporter, LSOBS_COUNTER_LATE_UPDATES), ==, 4);
}

/* --- environment --- */

static void
test_environment (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *endpoints =
      g_strdup_printf ("{\"%s\":\"%s\",\"%s\":\"%s\"}", test_server_get_url (replicas->servers[0]),
                       replicas_get_key (0), test_server_get_url (replicas->servers[2]),
                       replicas_get_key (2));
  g_autoptr (TestEnv) env = test_env_new ();
  g_autoptr (GError) error = NULL;

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  test_env_set (env, "LANGSMITH_CONFIG_FILE", "/nonexistent");
  test_env_set (env, "LANGSMITH_API_KEY", replicas_get_key (1));
  test_env_set (env, "LANGSMITH_TRACING", "true");
  test_env_set (env, "LANGSMITH_RUNS_ENDPOINTS", endpoints);
  g_object_unref (replicas->config);
  replicas->config = lsobs_config_new_from_environment (&error);
  g_assert_no_error (error);
  lsobs_config_set_flush_interval (replicas->config, TEST_NEVER_MS);
  replicas_start (replicas);
  g_assert_cmpuint (lsobs_exporter_get_n_replicas (replicas->exporter), ==, 2);
  lsobs_run_unref (replicas_record_tree (replicas, "agent"));
  test_assert_flush (replicas->exporter, 10);
  for (guint i = 0; i < REPLICA_MAX; i++)
    g_assert_cmpuint (test_server_count_ops (replicas->servers[i]), ==, i == 1 ? 0 : 5);
}

/* --- workspaces --- */

static void
test_workspaces (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const expected[] = { "11111111-2222-4333-8444-555555555555",
                                          "66666666-2222-4333-8444-555555555555", NULL };

  /* The first replica is the same service as that of the config. */
  lsobs_config_set_api_url (replicas->config, test_server_get_url (replicas->servers[0]));
  lsobs_config_set_workspace_id (replicas->config, expected[0]);
  for (guint i = 0; i < REPLICA_MAX; i++)
    lsobs_config_add_replica (replicas->config, test_server_get_url (replicas->servers[i]),
                              replicas_get_key (i), NULL,
                              i == 0   ? NULL
                              : i == 1 ? expected[1]
                                       : "",
                              LSOBS_REPLICA_ROLE_AUTO);
  replicas_start (replicas);
  replicas_record (replicas, "run", 1);
  test_assert_flush (replicas->exporter, 3);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_autoptr (TestRequest) request = test_get_request (replicas->servers[i], 0);

      g_assert_cmpstr (test_request_get_header (request, "X-Tenant-Id"), ==, expected[i]);
    }
}

/* The workspace of the config means nothing to another service, which is not told it: not
 * with runs, and not with the question what it can do. */
static void
test_other_workspace (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) requests = NULL;

  lsobs_config_set_api_url (replicas->config, test_server_get_url (replicas->servers[0]));
  lsobs_config_set_api_key (replicas->config, replicas_get_key (0));
  lsobs_config_set_workspace_id (replicas->config, "11111111-2222-4333-8444-555555555555");
  replicas_add_all (replicas);
  replicas_start (replicas);
  replicas_record (replicas, "run", 1);
  test_assert_flush (replicas->exporter, 3);
  for (guint i = 0; i < REPLICA_MAX; i++)
    {
      g_clear_pointer (&requests, g_ptr_array_unref);
      requests = test_server_dup_requests (replicas->servers[i]);
      g_assert_cmpuint (requests->len, >, 0);
      for (guint k = 0; k < requests->len; k++)
        g_assert_cmpstr (test_request_get_header (g_ptr_array_index (requests, k), "X-Tenant-Id"),
                         ==, i == 0 ? "11111111-2222-4333-8444-555555555555" : NULL);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, func) \
 g_test_add ("/replicas/" path, Replicas, NULL, replicas_set_up, func, replicas_tear_down)
  ADD ("tree", test_tree);
  ADD ("vector", test_vector);
  ADD ("roles", test_roles);
  ADD ("same-service", test_same_service);
  ADD ("single-runs", test_single_runs);
  ADD ("join-apart", test_join_apart);
  ADD ("sampling", test_sampling);
  ADD ("redact-func", test_redact_func);
  ADD ("late", test_late);
  ADD ("distributed", test_distributed);
  ADD ("attachments", test_attachments);
  ADD ("forget", test_forget);
  ADD ("environment", test_environment);
  ADD ("workspaces", test_workspaces);
  ADD ("other-workspace", test_other_workspace);

  return g_test_run ();
}
