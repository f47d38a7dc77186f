/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The current run of a thread as a binding tells it. */

#include "config.h"

#include <sys/wait.h>
#include <unistd.h>

#include <lsobs/lsobs.h>

#include "tests/lib/test-helpers.h"

/* A language with one current run. */
typedef struct
{
  LsobsRun *current;       /* (unowned) (nullable) */
  guint64 serial;          /* when it became the current one */
  LsobsExporter *exporter; /* (unowned) (nullable) what was asked for last */
  guint n_asked;           /* how often */
  guint n_freed;           /* how often its data were */
} Language;

static void
enter (Language *language, LsobsRun *run)
{
  language->current = run;
  language->serial = lsobs_run_get_context_serial ();
}

static LsobsRun *
language_cb (LsobsExporter *exporter, guint64 serial, gpointer user_data)
{
  Language *language = user_data;

  language->n_asked++;
  language->exporter = exporter;
  if (language->current == NULL || serial > language->serial)
    return NULL;
  return lsobs_run_ref (language->current);
}

static void
free_cb (gpointer user_data)
{
  Language *language = user_data;

  language->n_freed++;
}

static LsobsObserver *
new_observer (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "language");
  g_autoptr (LsobsTransport) transport = LSOBS_TRANSPORT (lsobs_memory_transport_new ());
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer = lsobs_observer_new_with_transport (config, transport, &error);

  g_assert_no_error (error);
  return observer;
}

/* @parent: (nullable) */
static void
assert_parent (LsobsObserver *observer, LsobsRun *parent)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_nested_run (observer, "nested", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autofree char *parent_id = lsobs_run_dup_parent_id (run);
  g_autofree char *id = parent != NULL ? lsobs_run_dup_id (parent) : NULL;

  g_assert_cmpstr (parent_id, ==, id);
  lsobs_run_end (run, NULL);
}

static LsobsRun *
start (LsobsObserver *observer, const char *name)
{
  return lsobs_observer_start_run (observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

/* Of the binding's run and those that were pushed, the one that became current last counts. */
static void
test_order (void)
{
  g_autoptr (LsobsObserver) observer = new_observer ();
  g_autoptr (LsobsRun) outer = start (observer, "outer");
  g_autoptr (LsobsRun) block = start (observer, "block");
  g_autoptr (LsobsRun) inner = start (observer, "inner");
  g_autoptr (LsobsRun) found = NULL;
  Language language = { 0 };
  LsobsRunPusher *none;

  lsobs_run_set_context_func (language_cb, &language, free_cb);
  assert_parent (observer, NULL);
  g_assert_cmpuint (language.n_asked, ==, 1);
  g_assert_true (language.exporter == lsobs_observer_get_exporter (observer));

  lsobs_run_push_thread_default (outer);
  assert_parent (observer, outer);
  enter (&language, block);
  assert_parent (observer, block);
  lsobs_run_push_thread_default (inner);
  assert_parent (observer, inner);
  none = lsobs_run_pusher_new (NULL);
  assert_parent (observer, NULL);
  lsobs_run_pusher_free (none);
  lsobs_run_pop_thread_default (inner);
  assert_parent (observer, block);
  found = lsobs_run_ref_thread_default ();
  g_assert_true (found == block);
  g_assert_null (language.exporter);
  g_assert_true (lsobs_run_get_thread_default () == outer);
  lsobs_run_pop_thread_default (outer);
  assert_parent (observer, block);

  lsobs_run_set_context_func (NULL, NULL, NULL);
  g_assert_cmpuint (language.n_freed, ==, 1);
  assert_parent (observer, NULL);
}

/* A run of another exporter is no parent, unless it has everything below it left out. */
static void
test_other_exporter (void)
{
  g_autoptr (LsobsObserver) observer = new_observer ();
  g_autoptr (LsobsObserver) other = new_observer ();
  g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "off");
  g_autoptr (LsobsTransport) transport = LSOBS_TRANSPORT (lsobs_memory_transport_new ());
  g_autoptr (LsobsRun) run = start (other, "elsewhere");
  g_autoptr (LsobsRun) pushed = start (observer, "pushed");
  g_autoptr (LsobsObserver) disabled = NULL;
  g_autoptr (LsobsRun) off = NULL;
  g_autoptr (LsobsRun) child = NULL;
  g_autoptr (GError) error = NULL;
  Language language = { 0 };

  lsobs_config_set_tracing_enabled (config, FALSE);
  disabled = lsobs_observer_new_with_transport (config, transport, &error);
  g_assert_no_error (error);
  off = start (disabled, "off");
  lsobs_run_set_context_func (language_cb, &language, NULL);
  enter (&language, run);
  assert_parent (other, run);
  assert_parent (observer, NULL);
  enter (&language, off);
  child = lsobs_observer_start_nested_run (observer, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_assert_false (lsobs_run_is_sampled (child));
  lsobs_run_push_thread_default (pushed);
  assert_parent (observer, pushed);
  lsobs_run_pop_thread_default (pushed);
  lsobs_run_set_context_func (NULL, NULL, NULL);
}

/* The calls of models are below it, too. */
static void
test_model_call (void)
{
  g_autoptr (LsobsObserver) observer = new_observer ();
  g_autoptr (LsobsRun) block = start (observer, "block");
  g_autoptr (LsobsModelCall) call = NULL;
  g_autoptr (SoupMessage) message = NULL;
  g_autofree char *parent_id = NULL;
  g_autofree char *message_parent_id = NULL;
  g_autofree char *id = lsobs_run_dup_id (block);
  Language language = { 0 };

  lsobs_run_set_context_func (language_cb, &language, NULL);
  enter (&language, block);
  call = lsobs_model_call_new (observer, NULL, "http://localhost/v1/messages", NULL);
  parent_id = lsobs_run_dup_parent_id (lsobs_model_call_get_run (call));
  g_assert_cmpstr (parent_id, ==, id);
  message = soup_message_new ("POST", "http://localhost/v1/messages");
  message_parent_id =
      lsobs_run_dup_parent_id (lsobs_observer_trace_message (observer, message, NULL, NULL));
  g_assert_cmpstr (message_parent_id, ==, id);
  lsobs_run_set_context_func (NULL, NULL, NULL);
}

static LsobsRun *
replacing_cb (LsobsExporter *exporter G_GNUC_UNUSED,
              guint64 serial G_GNUC_UNUSED,
              gpointer user_data)
{
  Language *language = user_data;

  lsobs_run_set_context_func (NULL, NULL, NULL);
  /* this thread is still in it */
  g_assert_cmpuint (language->n_freed, ==, 0);
  return NULL;
}

static void
test_replaced_within (void)
{
  g_autoptr (LsobsObserver) observer = new_observer ();
  Language language = { 0 };

  lsobs_run_set_context_func (replacing_cb, &language, free_cb);
  assert_parent (observer, NULL);
  g_assert_cmpuint (language.n_freed, ==, 1);
}

/* A child goes on with the function; at the end of an interpreter it is not called. */
static void
test_fork_and_end (void)
{
  g_autoptr (LsobsObserver) observer = new_observer ();
  g_autoptr (LsobsRun) block = start (observer, "block");
  Language language = { 0 };
  int status;
  pid_t pid;

  lsobs_run_set_context_func (language_cb, &language, free_cb);
  enter (&language, block);
  pid = fork ();
  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      g_autoptr (LsobsRun) found = lsobs_run_ref_thread_default ();
      g_autoptr (LsobsRun) late = NULL;
      gboolean right;

      lsobs_forbid_callbacks_at_exit ();
      lsobs_shutdown_at_exit (NULL);
      late = lsobs_run_ref_thread_default ();
      lsobs_run_set_context_func (NULL, NULL, NULL);
      right = found == block && late == NULL && language.n_asked == 1 && language.n_freed == 0;
      g_clear_pointer (&found, lsobs_run_unref);
      _exit (right ? 0 : 1);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  lsobs_run_set_context_func (NULL, NULL, NULL);
}

/* A language with one place, where roots start. */
typedef struct
{
  const char *project; /* (nullable) */
  gboolean is_off;
  guint n_asked; /* how often */
} Place;

static char *
place_cb (gboolean *is_left_out, gpointer user_data)
{
  Place *place = user_data;

  place->n_asked++;
  *is_left_out = place->is_off;
  return g_strdup (place->project);
}

/* Starts and ends one root by each function that makes one; the name of each is that of the function. */
static void
start_roots (LsobsObserver *observer)
{
  LsobsGraphObserver *graph = LSOBS_GRAPH_OBSERVER (observer);
  g_autoptr (LsobsRun) run = start (observer, "run");
  g_autoptr (LsobsRun) nested =
      lsobs_observer_start_nested_run (observer, "nested", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRun) chosen = lsobs_observer_start_run_in_project (observer, "chosen", "chosen",
                                                                     LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsInvocation) invocation =
      lsobs_observer_begin_invocation (observer, "invocation", NULL);
  g_autoptr (LsobsModelCall) call =
      lsobs_model_call_new (observer, NULL, "http://localhost/v1/messages", NULL);
  g_autoptr (SoupMessage) message = soup_message_new ("POST", "http://localhost/v1/embeddings");
  g_autoptr (LsobsRun) child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_CHAIN, NULL);

  lsobs_run_end (child, NULL);
  lsobs_run_end (run, NULL);
  lsobs_run_end (nested, NULL);
  lsobs_run_end (chosen, NULL);
  lsobs_invocation_end (invocation, NULL);
  lsobs_model_call_finish (call, 200);
  lsobs_observer_trace_message (observer, message, NULL, NULL);
  lsobs_graph_observer_on_node_start (graph, "node", NULL);
  lsobs_graph_observer_on_tool_call (graph, "node", "tool", NULL, NULL);
  lsobs_graph_observer_on_tool_result (graph, "node", "tool", NULL, NULL);
  lsobs_graph_observer_on_node_end (graph, "node", NULL, -1);
}

/* The project of a trace is what the binding tells where its root starts, whatever starts it. */
static void
test_root (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "language");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsObserver) observer =
      lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  g_autoptr (GPtrArray) events = NULL;
  Place place = { .project = "place" };

  g_assert_no_error (error);
  lsobs_run_set_root_context_func (place_cb, &place, NULL);
  start_roots (observer);
  g_assert_cmpuint (place.n_asked, ==, 7);
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 9);
  for (guint i = 0; i < events->len; i++)
    {
      LsobsRunEvent *event = g_ptr_array_index (events, i);
      gboolean is_chosen = g_str_equal (lsobs_run_event_get_name (event), "chosen");

      g_test_message ("%s", lsobs_run_event_get_name (event));
      g_assert_cmpstr (lsobs_run_event_get_project_name (event), ==,
                       is_chosen ? "chosen" : "place");
    }

  /* An empty text is no project. */
  place.project = "";
  lsobs_run_unref (start (observer, "empty"));
  lsobs_run_set_root_context_func (NULL, NULL, NULL);
  lsobs_run_unref (start (observer, "none"));
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, &error));
  g_clear_pointer (&events, g_ptr_array_unref);
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 11);
  for (guint i = 9; i < events->len; i++)
    g_assert_cmpstr (lsobs_run_event_get_project_name (g_ptr_array_index (events, i)), ==,
                     "language");
}

/* Nothing is sent of a trace whose root is left out, nor of one that goes on with another process. */
static void
test_root_left_out (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "language");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsObserver) observer =
      lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  g_autoptr (LsobsRun) elsewhere = start (observer, "elsewhere");
  g_autoptr (GHashTable) headers = lsobs_run_to_headers (elsewhere);
  g_autoptr (LsobsRun) below = NULL;
  g_autoptr (GPtrArray) events = NULL;
  Place place = { .is_off = TRUE };

  g_assert_no_error (error);
  lsobs_run_set_root_context_func (place_cb, &place, NULL);
  start_roots (observer);
  below = lsobs_observer_start_run_from_headers (observer, headers, "below", LSOBS_RUN_TYPE_CHAIN,
                                                 NULL);
  g_assert_false (lsobs_run_is_sampled (below));
  g_assert_cmpuint (place.n_asked, ==, 8);
  lsobs_run_set_root_context_func (NULL, NULL, NULL);
  g_assert_true (lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_no_error (error);
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 1);
  g_assert_cmpstr (lsobs_run_event_get_name (g_ptr_array_index (events, 0)), ==, "elsewhere");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  /* first, while no thread of another test may be on its way out */
  g_test_add_func ("/context-func/fork-and-end", test_fork_and_end);
  g_test_add_func ("/context-func/order", test_order);
  g_test_add_func ("/context-func/other-exporter", test_other_exporter);
  g_test_add_func ("/context-func/model-call", test_model_call);
  g_test_add_func ("/context-func/replaced-within", test_replaced_within);
  g_test_add_func ("/context-func/root", test_root);
  g_test_add_func ("/context-func/root-left-out", test_root_left_out);
  return g_test_run ();
}
