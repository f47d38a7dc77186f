/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>
#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/run-helpers.h"
#include "tests/lib/wire-capture.h"

/* The agent that official clients were recorded with, once more with lsobs: whatever they tell
 * the service of it, the service must be told, in the same place and of the same type. What is
 * compared is in the output of this test, field by field. */

/* --- the scenario -------------------------------------------------------------------------- */

typedef enum
{
  AT_ONCE,   /* all runs are sent when they have ended */
  SLOW_ROOT, /* the root is sent when it begins, and when it ends */
  SLOW       /* every run is sent when it begins, and when it ends */
} Pace;

typedef struct
{
  RunFixture *fixture;
  Pace pace;
} Scenario;

static void
pause_run (Scenario *self, Pace pace)
{
  if (self->pace >= pace)
    run_fixture_flush (self->fixture);
}

static LsobsRun *
start_child (LsobsRun *root, const char *name, LsobsRunType run_type, const char *inputs)
{
  g_autoptr (JsonNode) node = run_json (inputs);

  return lsobs_run_start_child (root, name, run_type, node);
}

static void
end_run (LsobsRun *run, const char *outputs)
{
  g_autoptr (JsonNode) node = run_json (outputs);

  lsobs_run_end (run, node);
}

static void
run_search (Scenario *self, LsobsRun *root)
{
  g_autoptr (LsobsRun) run = start_child (root, "search", LSOBS_RUN_TYPE_TOOL, "{\"q\":\"6*7\"}");

  lsobs_run_add_tag (run, "t1");
  pause_run (self, SLOW);
  end_run (run, "{\"hits\":[\"42\",\"forty-two\"]}");
  pause_run (self, SLOW);
}

static void
run_calc (Scenario *self, LsobsRun *root)
{
  g_autoptr (LsobsRun) run = start_child (root, "calc", LSOBS_RUN_TYPE_TOOL, "{\"expr\":\"6*/7\"}");

  pause_run (self, SLOW);
  lsobs_run_fail_with_message (run, "Error: bad expression: 6*/7");
  pause_run (self, SLOW);
}

static void
run_model (Scenario *self, LsobsRun *root)
{
  g_autoptr (LsobsRun) run =
      start_child (root, "ChatModel", LSOBS_RUN_TYPE_LLM,
                   "{\"messages\":[{\"role\":\"user\",\"content\":\"what is 6*7?\"}]}");
  g_autoptr (JsonNode) manifest = run_json ("{\"name\":\"ChatModel\"}");
  g_autoptr (JsonNode) params = run_json ("{\"model\":\"gpt-x\",\"temperature\":0}");
  g_autoptr (JsonNode) answer =
      run_json ("{\"usage\":{\"input_tokens\":12,\"output_tokens\":5,\"total_tokens\":17,"
                "\"input_tokens_details\":{\"cached_tokens\":4},"
                "\"output_tokens_details\":{\"reasoning_tokens\":2}}}");
  g_autoptr (LsobsUsage) usage = lsobs_usage_new_from_json (answer, NULL);

  g_assert_nonnull (usage);
  lsobs_run_set_serialized (run, manifest);
  lsobs_run_set_model (run, "openai", "gpt-x");
  lsobs_run_set_invocation_params (run, params);
  lsobs_run_set_extra (run, "invocation_params", params);
  pause_run (self, SLOW);
  lsobs_run_add_event (run, "new_token", NULL);
  lsobs_run_add_event (run, "new_token", NULL);
  lsobs_run_add_text_event (run, "a string event");
  lsobs_run_set_usage_metadata (run, usage);
  end_run (run, "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"42\"}}]}");
  pause_run (self, SLOW);
}

static void
run_scenario (Scenario *self)
{
  g_autoptr (JsonNode) inputs = run_json ("{\"question\":\"what is 6*7?\"}");
  g_autoptr (JsonNode) number = run_json ("3");
  g_autoptr (GBytes) outputs = run_bytes ("{\"answer\":\"42 \xf0\x9f\x98\x80 \\u0000 nul\"}");
  g_autoptr (LsobsRun) root =
      lsobs_observer_start_run (self->fixture->observer, "agent", LSOBS_RUN_TYPE_CHAIN, inputs);

  lsobs_run_add_tag (root, "demo");
  lsobs_run_add_tag (root, "a b,c");
  lsobs_run_set_metadata_string (root, "user_id", "u-1");
  lsobs_run_set_metadata (root, "n", number);
  pause_run (self, SLOW_ROOT);
  run_search (self, root);
  run_calc (self, root);
  run_model (self, root);
  pause_run (self, SLOW_ROOT);
  lsobs_run_end_bytes (root, outputs);
  run_fixture_flush (self->fixture);
}

/* --- what is not sent, and why ------------------------------------------------------------- */

typedef enum
{
  ALWAYS,
  IF_EMPTY,
  IN_PATCHES
} When;

typedef struct
{
  const char *path; /* with all that is below it */
  When when;
  const char *reason;
} Exception;

static const Exception exceptions[] = {
  { "child_runs", ALWAYS, "a stray of that client, always empty" },
  { "replicas", ALWAYS, "a stray of that client; it may hold API keys" },
  { "attachments", ALWAYS, "never in JSON" },
  { "session_id", IF_EMPTY, "null" },
  { "parent_run_id", IF_EMPTY, "null: a root" },
  { "serialized", IF_EMPTY, "an empty placeholder" },
  { "events", IF_EMPTY, "an empty placeholder" },
  { "outputs", IF_EMPTY, "an empty placeholder" },
  { "tags", IF_EMPTY, "an empty placeholder" },
  { "extra", IN_PATCHES, "the create has told it; sent only with news, and then all of it" },
  { "extra.metadata.LANGSMITH_TRACING", ALWAYS, "of the environment" },
  { "extra.metadata.LANGSMITH_PROJECT", ALWAYS, "of the environment" },
  { "extra.metadata.LANGSMITH_ENDPOINT", ALWAYS, "of the environment" },
  { "extra.runtime.py_implementation", ALWAYS, "of Python" },
  { "extra.runtime.runtime_version", ALWAYS, "of Python" },
  { "extra.runtime.langchain_version", ALWAYS, "of Python" },
  { "extra.runtime.langchain_core_version", ALWAYS, "of Python" },
};

/* Tokens are told in the metadata: there they stay when outputs are hidden. */
#define THEIR_USAGE "outputs.usage_metadata"
#define OUR_USAGE   "extra.metadata.usage_metadata"

/* What is the same whoever sends it, apart from who that is. */
static const char *const same_values[] = {
  "name",
  "run_type",
  "inputs",
  "tags",
  "outputs.hits",
  "outputs.choices",
  THEIR_USAGE,
  "extra.invocation_params",
  "extra.metadata.user_id",
  "extra.metadata.n",
  "extra.metadata.ls_provider",
  "extra.metadata.ls_model_name",
  "extra.metadata.ls_model_type",
  "extra.metadata.ls_temperature",
  "events[].message",
};

/* --- comparing ----------------------------------------------------------------------------- */

static gboolean
is_below (const char *path, const char *top)
{
  gsize len = strlen (top);

  return strncmp (path, top, len) == 0 &&
         (path[len] == '\0' || path[len] == '.' || path[len] == '[');
}

static const char *
type_of (JsonNode *node)
{
  GType type;

  if (JSON_NODE_HOLDS_OBJECT (node))
    return "object";
  if (JSON_NODE_HOLDS_ARRAY (node))
    return "array";
  type = json_node_get_value_type (node);
  return type == G_TYPE_STRING                           ? "string"
         : type == G_TYPE_BOOLEAN                        ? "boolean"
         : type == G_TYPE_INT64 || type == G_TYPE_DOUBLE ? "number"
                                                         : "null";
}

static gboolean
is_empty (JsonNode *node)
{
  return JSON_NODE_HOLDS_NULL (node) ||
         (JSON_NODE_HOLDS_OBJECT (node) &&
          json_object_get_size (json_node_get_object (node)) == 0) ||
         (JSON_NODE_HOLDS_ARRAY (node) && json_array_get_length (json_node_get_array (node)) == 0);
}

/* All paths in @node, the elements of an array as one; the values are the first ones. */
static void
collect (GHashTable *paths, GPtrArray *order, const char *path, JsonNode *node)
{
  if (*path != '\0' && !g_hash_table_contains (paths, path))
    {
      char *copy = g_strdup (path);

      g_hash_table_insert (paths, copy, node);
      g_ptr_array_add (order, copy);
    }
  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      JsonObjectIter iter;
      const char *name;
      JsonNode *member;

      json_object_iter_init_ordered (&iter, json_node_get_object (node));
      while (json_object_iter_next_ordered (&iter, &name, &member))
        {
          g_autofree char *below = g_strconcat (path, *path != '\0' ? "." : "", name, NULL);

          collect (paths, order, below, member);
        }
    }
  else if (JSON_NODE_HOLDS_ARRAY (node))
    {
      g_autofree char *below = g_strconcat (path, "[]", NULL);

      for (guint i = 0; i < json_array_get_length (json_node_get_array (node)); i++)
        collect (paths, order, below, json_array_get_element (json_node_get_array (node), i));
    }
}

typedef struct
{
  GHashTable *paths; /* (owned) (element-type utf8 JsonNode) */
  GPtrArray *order;  /* (owned) (element-type utf8) */
  JsonNode *node;    /* (owned) */
} Fields;

static void
fields_init (Fields *self, JsonObject *run)
{
  self->paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->order = g_ptr_array_new ();
  self->node = json_node_init_object (json_node_alloc (), run);
  collect (self->paths, self->order, "", self->node);
}

static void
fields_clear (Fields *self)
{
  g_hash_table_unref (self->paths);
  g_ptr_array_unref (self->order);
  json_node_unref (self->node);
}

/* Returns: (nullable) */
static const char *
find_exception (Fields *theirs, const char *path, WireOp *op, gboolean is_sent)
{
  for (guint i = 0; i < G_N_ELEMENTS (exceptions); i++)
    {
      const Exception *exception = &exceptions[i];

      if (!is_below (path, exception->path))
        continue;
      if (exception->when == ALWAYS ||
          (exception->when == IN_PATCHES && strcmp (op->op, "patch") == 0 && !is_sent) ||
          (exception->when == IF_EMPTY &&
           is_empty (g_hash_table_lookup (theirs->paths, exception->path))))
        return exception->reason;
    }
  return NULL;
}

static gboolean
has_same_value (const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (same_values); i++)
    if (is_below (path, same_values[i]))
      return TRUE;
  return FALSE;
}

static void
compare_field (Fields *theirs, Fields *ours, const char *path, WireOp *op)
{
  JsonNode *their_node = g_hash_table_lookup (theirs->paths, path);
  g_autofree char *our_path = is_below (path, THEIR_USAGE)
                                  ? g_strconcat (OUR_USAGE, path + strlen (THEIR_USAGE), NULL)
                                  : g_strdup (path);
  JsonNode *our_node = g_hash_table_lookup (ours->paths, our_path);
  const char *reason =
      find_exception (theirs, path, op, g_hash_table_contains (ours->paths, "extra"));
  gboolean is_time = g_str_has_suffix (path, "_time") || g_str_has_suffix (path, ".time");

  if (reason != NULL)
    {
      g_test_message ("  %s: left out: %s", path, reason);
      return;
    }
  if (our_node == NULL)
    g_test_message ("  %s: is missing", our_path);
  g_assert_nonnull (our_node);
  g_test_message ("  %s: %s%s%s", path, type_of (our_node),
                  strcmp (path, our_path) != 0 ? ", as " : "",
                  strcmp (path, our_path) != 0 ? our_path : "");
  if (is_time)
    {
      /* Some write numbers. */
      g_assert_cmpint (wire_parse_time (their_node, WIRE_DIALECT), >, 0);
      g_assert_cmpint (wire_parse_time (our_node, WIRE_STRICT), >, 0);
      return;
    }
  g_assert_cmpstr (type_of (our_node), ==, type_of (their_node));
  if (has_same_value (path))
    {
      g_autofree char *their_text = wire_json_canonical (their_node);
      g_autofree char *our_text = wire_json_canonical (our_node);

      g_assert_cmpstr (our_text, ==, their_text);
    }
}

/* Whatever the others do: what the service needs, and what it had better have. */
static void
check_needed (WireOp *op, Fields *ours)
{
  static const char *const needed[] = { "trace_id",   "dotted_order", "name", "run_type",
                                        "start_time", "session_name", NULL };
  static const char *const of_posts[] = { "id", "inputs", "extra", "extra.runtime", NULL };
  static const char *const of_patches[] = { "end_time", NULL };
  gboolean is_patch = strcmp (op->op, "patch") == 0;
  const char *const *lists[] = { needed, is_patch ? of_patches : of_posts };
  gboolean is_root = strcmp (json_object_get_string_member (op->run, "name"), "agent") == 0;

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    for (guint j = 0; lists[i][j] != NULL; j++)
      {
        g_test_message ("  needed: %s", lists[i][j]);
        g_assert_true (g_hash_table_contains (ours->paths, lists[i][j]));
      }
  g_assert_true (g_hash_table_contains (ours->paths, "parent_run_id") == !is_root);
  if (is_patch)
    g_assert_true (g_hash_table_contains (ours->paths, "outputs") !=
                   g_hash_table_contains (ours->paths, "error"));
}

static void
compare_ops (WireOp *their_op, WireOp *our_op)
{
  Fields theirs;
  Fields ours;

  g_test_message ("%s of %s:", their_op->op, json_object_get_string_member (our_op->run, "name"));
  fields_init (&theirs, their_op->run);
  fields_init (&ours, our_op->run);
  for (guint i = 0; i < theirs.order->len; i++)
    {
      const char *path = g_ptr_array_index (theirs.order, i);

      if (strcmp (path, "id") == 0 && !g_hash_table_contains (ours.paths, "id"))
        {
          g_test_message ("  id: in the address");
          g_assert_nonnull (our_op->id);
        }
      else
        {
          compare_field (&theirs, &ours, path, their_op);
        }
    }
  check_needed (our_op, &ours);
  fields_clear (&theirs);
  fields_clear (&ours);
}

/* --- the requests -------------------------------------------------------------------------- */

/* Returns: (nullable): the operation on the run of this name */
static WireOp *
find_op (GPtrArray *requests, const char *op, const char *name)
{
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      for (guint j = 0; request->wire != NULL && j < request->wire->ops->len; j++)
        {
          WireOp *found = g_ptr_array_index (request->wire->ops, j);

          if (strcmp (found->op, op) == 0 &&
              strcmp (json_object_get_string_member (found->run, "name"), name) == 0)
            return found;
        }
    }
  return NULL;
}

static const char *
find_name (GPtrArray *captured, const char *id)
{
  for (guint i = 0; i < captured->len; i++)
    {
      WireOp *op = wire_request_find (g_ptr_array_index (captured, i), NULL, id);

      if (op != NULL && json_object_has_member (op->run, "name"))
        return json_object_get_string_member (op->run, "name");
    }
  g_assert_not_reached ();
}

typedef struct
{
  const char *file;
  LsobsIngestMode mode;
  WireEndpoint endpoint;
  Pace pace;
  guint n_ops;
} Row;

static const Row rows[] = {
  { "js-a-runtree-merged-multipart", LSOBS_INGEST_MODE_MULTIPART, WIRE_ENDPOINT_MULTIPART, AT_ONCE,
    4 },
  { "js-a-runtree-slow-create-then-patch", LSOBS_INGEST_MODE_MULTIPART, WIRE_ENDPOINT_MULTIPART,
    SLOW_ROOT, 5 },
  { "js-a-batch-json", LSOBS_INGEST_MODE_BATCH, WIRE_ENDPOINT_BATCH, AT_ONCE, 4 },
  { "py-a-runtree-merged-multipart", LSOBS_INGEST_MODE_MULTIPART, WIRE_ENDPOINT_MULTIPART, AT_ONCE,
    4 },
  { "py-a-runtree-slow-zstd", LSOBS_INGEST_MODE_MULTIPART, WIRE_ENDPOINT_MULTIPART, SLOW, 8 },
  { "py-a-single-post-patch", LSOBS_INGEST_MODE_RUNS, WIRE_ENDPOINT_RUN, SLOW, 8 },
};

static void
set_up (RunFixture *fixture, gconstpointer data)
{
  const Row *row = data;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_ingest_mode (fixture->config, row->mode);
  run_fixture_start (fixture);
}

static void
test_capture (RunFixture *fixture, gconstpointer data)
{
  const Row *row = data;
  Scenario scenario = { fixture, row->pace };
  g_autoptr (GPtrArray) captured = wire_capture_load (row->file);
  g_autoptr (GPtrArray) requests = NULL;
  guint n_ops = 0;

  run_scenario (&scenario);
  g_assert_cmpstr (wire_run_get_string (run_fixture_find (fixture, "agent"), "outputs.answer"), ==,
                   "42 \xf0\x9f\x98\x80 \xef\xbf\xbd nul");
  requests = test_server_dup_ingest (fixture->server);
  for (guint i = 0; i < requests->len; i++)
    g_assert_cmpint (((TestRequest *) requests->pdata[i])->wire->endpoint, ==, row->endpoint);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, row->n_ops);

  for (guint i = 0; i < captured->len; i++)
    {
      WireRequest *request = g_ptr_array_index (captured, i);

      g_assert_cmpint (request->endpoint, ==, row->endpoint);
      for (guint j = 0; j < request->ops->len; j++, n_ops++)
        {
          WireOp *their_op = g_ptr_array_index (request->ops, j);
          WireOp *our_op = find_op (requests, their_op->op, find_name (captured, their_op->id));

          g_assert_nonnull (our_op);
          compare_ops (their_op, our_op);
        }
    }
  g_assert_cmpuint (n_ops, ==, row->n_ops);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What official clients tell of a trace, lsobs tells too.");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/captures/%s", rows[i].file);

      g_test_add (path, RunFixture, &rows[i], set_up, test_capture, run_fixture_tear_down);
    }
  return g_test_run ();
}
