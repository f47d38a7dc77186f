/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/replica-helpers.h"

/* A function of the program that lsobs calls flushes the observer, shuts it down, or drops the last
 * reference. */

/* --- what the program does, and where ------------------------------------------------------- */

typedef enum
{
  PLACE_NONE,
  PLACE_REDACT,
  PLACE_SAMPLER,
  PLACE_SIGNAL,
  PLACE_SEND,
  PLACE_COMPLETION,
  PLACE_LOST,
  PLACE_CLOSE
} Place;

typedef enum
{
  ACTION_FLUSH,
  ACTION_FLUSH_ASYNC,
  ACTION_SHUT_DOWN,
  ACTION_UNREF
} Action;

typedef struct
{
  Place place;
  Action action;
  gboolean in_context; /* all of the sending happens in the default context */
} Case;

/* What the functions of the program share. They run in several threads, but one after the other. */
typedef struct
{
  const Case *parameters;  /* (unowned) */
  LsobsObserver *observer; /* (owned) (nullable) the only reference of the program */
  LsobsExporter *exporter; /* (unowned) as long as the observer lives */
  GThread *starter;        /* (atomic) (unowned) (nullable) the thread that starts runs now */
  int acted;               /* (atomic) how often the action was done */
  GError *error;           /* (owned) (nullable) what the call inside has failed with */
  gboolean succeeded;      /* the call inside */
  TestResult flushed;      /* of the asynchronous flush */
  int stats_lost;          /* (atomic) what batch-finished has told */
  int stats_delivered;     /* (atomic) the same */
} Program;

/* Whether a source of the program makes the call, in its own context: that the sending waits for
 * what comes after in the same source, lsobs cannot know. */
static gboolean
is_unknown (const Case *parameters)
{
  return parameters->place == PLACE_COMPLETION && parameters->in_context;
}

/* No other thread uses the observer when its last reference goes. */
static void
wait_until_started (Program *program)
{
  GThread *starter;

  while ((starter = g_atomic_pointer_get (&program->starter)) != NULL &&
         starter != g_thread_self ())
    g_usleep (100);
}

static void
act (Program *program, Place place)
{
  gint64 timeout = is_unknown (program->parameters) ? 100 : -1;

  if (program->parameters->place != place ||
      !g_atomic_int_compare_and_exchange (&program->acted, 0, 1))
    return;
  switch (program->parameters->action)
    {
    case ACTION_FLUSH:
      program->succeeded = lsobs_observer_flush (program->observer, timeout, NULL, &program->error);
      break;
    case ACTION_FLUSH_ASYNC:
      lsobs_observer_flush_async (program->observer, -1, NULL, test_result_cb, &program->flushed);
      break;
    case ACTION_SHUT_DOWN:
      program->succeeded =
          lsobs_observer_shutdown (program->observer, timeout, NULL, &program->error);
      break;
    case ACTION_UNREF:
    default:
      wait_until_started (program);
      g_clear_object (&program->observer);
      break;
    }
}

/* --- a transport of the program ------------------------------------------------------------- */

#define CALLER_TYPE_TRANSPORT (caller_transport_get_type ())
G_DECLARE_FINAL_TYPE (CallerTransport, caller_transport, CALLER, TRANSPORT, GObject)

struct _CallerTransport
{
  GObject parent_instance;

  Program *program; /* (unowned) */
  int n_sent;       /* (atomic) records that were delivered */
  int n_lost;       /* (atomic) records that were told as lost */
  int n_closed;     /* (atomic) */
};

/* Called in the context of the sending. */
static gboolean
complete_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  CallerTransport *self = g_task_get_source_object (task);

  act (self->program, PLACE_COMPLETION);
  if (g_task_return_error_if_cancelled (task))
    return G_SOURCE_REMOVE;
  if (self->program->parameters->place == PLACE_LOST)
    {
      g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_REJECTED, "on command");
      return G_SOURCE_REMOVE;
    }
  g_atomic_int_add (&self->n_sent, GPOINTER_TO_INT (g_task_get_task_data (task)));
  g_task_return_boolean (task, TRUE);
  return G_SOURCE_REMOVE;
}

static void
caller_transport_send_async (LsobsTransport *transport,
                             LsobsBatch *batch,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  CallerTransport *self = CALLER_TRANSPORT (transport);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GSource) source = g_idle_source_new ();

  act (self->program, PLACE_SEND);
  g_task_set_task_data (task, GINT_TO_POINTER ((int) lsobs_batch_get_n_records (batch)), NULL);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, complete_cb, g_object_ref (task), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
}

static gboolean
caller_transport_send_finish (LsobsTransport *transport G_GNUC_UNUSED,
                              GAsyncResult *result,
                              GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
caller_transport_batch_lost (LsobsTransport *transport,
                             LsobsBatch *batch,
                             LsobsDropReason reason G_GNUC_UNUSED)
{
  CallerTransport *self = CALLER_TRANSPORT (transport);

  g_atomic_int_add (&self->n_lost, (int) lsobs_batch_get_n_records (batch));
  act (self->program, PLACE_LOST);
}

static void
caller_transport_close (LsobsTransport *transport)
{
  CallerTransport *self = CALLER_TRANSPORT (transport);

  act (self->program, PLACE_CLOSE);
  g_atomic_int_inc (&self->n_closed);
}

static void
caller_transport_iface_init (LsobsTransportInterface *iface)
{
  iface->send_async = caller_transport_send_async;
  iface->send_finish = caller_transport_send_finish;
  iface->batch_lost = caller_transport_batch_lost;
  iface->close = caller_transport_close;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (CallerTransport,
                               caller_transport,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      caller_transport_iface_init))

static void
caller_transport_class_init (CallerTransportClass *klass G_GNUC_UNUSED)
{
}

static void
caller_transport_init (CallerTransport *self G_GNUC_UNUSED)
{
}

/* --- a sampler of the program --------------------------------------------------------------- */

#define CALLER_TYPE_SAMPLER (caller_sampler_get_type ())
G_DECLARE_FINAL_TYPE (CallerSampler, caller_sampler, CALLER, SAMPLER, GObject)

struct _CallerSampler
{
  GObject parent_instance;

  Program *program; /* (unowned) */
};

static gboolean
caller_sampler_should_sample (LsobsSampler *sampler, const char *trace_id G_GNUC_UNUSED)
{
  act (CALLER_SAMPLER (sampler)->program, PLACE_SAMPLER);
  return TRUE;
}

static void
caller_sampler_iface_init (LsobsSamplerInterface *iface)
{
  iface->should_sample = caller_sampler_should_sample;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (CallerSampler,
                               caller_sampler,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_SAMPLER,
                                                      caller_sampler_iface_init))

static void
caller_sampler_class_init (CallerSamplerClass *klass G_GNUC_UNUSED)
{
}

static void
caller_sampler_init (CallerSampler *self G_GNUC_UNUSED)
{
}

/* --- other functions of the program --------------------------------------------------------- */

static JsonNode *
redact_cb (const char *field G_GNUC_UNUSED, JsonNode *value, gpointer user_data)
{
  act (user_data, PLACE_REDACT);
  return json_node_copy (value);
}

static void
batch_finished_cb (LsobsObserver *observer G_GNUC_UNUSED,
                   guint64 n_delivered,
                   guint64 n_lost,
                   gpointer user_data)
{
  Program *program = user_data;

  g_atomic_int_add (&program->stats_delivered, (int) n_delivered);
  g_atomic_int_add (&program->stats_lost, (int) n_lost);
  act (program, PLACE_SIGNAL);
}

/* --- the tests ------------------------------------------------------------------------------ */

#define N_RUNS 5

static void
start_runs (Program *program, guint n)
{
  g_atomic_pointer_set (&program->starter, g_thread_self ());
  for (guint i = 0; i < n && program->observer != NULL; i++)
    {
      g_autoptr (JsonNode) inputs = test_new_payload ("hello");
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (program->observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);

      lsobs_run_end (run, NULL);
    }
  g_atomic_pointer_set (&program->starter, NULL);
}

static gboolean
has_acted (gpointer data)
{
  return g_atomic_int_get (&((Program *) data)->acted) != 0;
}

static gboolean
is_closed (gpointer data)
{
  return g_atomic_int_get (&((CallerTransport *) data)->n_closed) != 0;
}

/* Whether the observer ends before it has sent anything, and so without a transport to close. */
static gboolean
ends_unused (const Case *parameters)
{
  return parameters->place == PLACE_SAMPLER &&
         (parameters->action == ACTION_SHUT_DOWN || parameters->action == ACTION_UNREF);
}

/* Whether the call inside has to wait for the function that makes it. */
static gboolean
is_refused (const Case *parameters)
{
  switch (parameters->place)
    {
    case PLACE_SAMPLER:
    case PLACE_SIGNAL:
      return FALSE;
    case PLACE_NONE:
    case PLACE_REDACT:
    case PLACE_SEND:
    case PLACE_COMPLETION:
    case PLACE_LOST:
    case PLACE_CLOSE:
    default:
      return parameters->action == ACTION_FLUSH || parameters->action == ACTION_SHUT_DOWN;
    }
}

static void
assert_outcome (Program *program)
{
  if (is_refused (program->parameters) && is_unknown (program->parameters))
    {
      g_assert_error (program->error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
      g_assert_false (program->succeeded);
    }
  else if (is_refused (program->parameters))
    {
      g_assert_error (program->error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_WOULD_DEADLOCK);
      g_assert_false (program->succeeded);
    }
  else if (program->parameters->action == ACTION_FLUSH ||
           program->parameters->action == ACTION_SHUT_DOWN)
    {
      g_assert_no_error (program->error);
      g_assert_true (program->succeeded);
    }
  g_clear_error (&program->error);
}

static void
start (Program *program, CallerTransport *transport)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  g_autoptr (CallerSampler) sampler = g_object_new (CALLER_TYPE_SAMPLER, NULL);
  g_autoptr (GError) error = NULL;

  sampler->program = program;
  transport->program = program;
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_redact_func (config, redact_cb, program, NULL);
  lsobs_config_set_sampler (config, LSOBS_SAMPLER (sampler));
  program->observer =
      g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", config, "transport", transport,
                      "main-context",
                      program->parameters->in_context ? g_main_context_default () : NULL, NULL);
  g_assert_no_error (error);
  g_signal_connect (program->observer, "batch-finished", G_CALLBACK (batch_finished_cb), program);
}

/* Has the function called that acts. */
static void
provoke (Program *program)
{
  switch (program->parameters->place)
    {
    case PLACE_SAMPLER:
      break;
    case PLACE_CLOSE:
      lsobs_observer_shutdown (program->observer, -1, NULL, NULL);
      break;
    case PLACE_NONE:
    case PLACE_REDACT:
    case PLACE_SIGNAL:
    case PLACE_SEND:
    case PLACE_COMPLETION:
    case PLACE_LOST:
    default:
      {
        g_auto (TestResult) flushed = TEST_RESULT_INIT;
        g_autoptr (LsobsExporter) exporter =
            program->parameters->action == ACTION_UNREF
                ? NULL
                : g_object_ref (lsobs_observer_get_exporter (program->observer));

        if (exporter != NULL)
          {
            lsobs_exporter_flush_async (exporter, -1, NULL, test_result_cb, &flushed);
            lsobs_exporter_flush_finish (exporter, test_result_wait (&flushed), NULL, NULL);
          }
      }
    }
}

/* The counters that the observer had before it went, or has now. */
static void
assert_all_told (CallerTransport *transport, LsobsStats *stats)
{
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED), ==,
                    g_atomic_int_get (&transport->n_sent));
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED), ==,
                    lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                        lsobs_stats_get_total_dropped (stats));
}

static void
test_call (gconstpointer data)
{
  Program program = { .parameters = data };
  g_autoptr (CallerTransport) transport = g_object_new (CALLER_TYPE_TRANSPORT, NULL);

  start (&program, transport);
  start_runs (&program, N_RUNS);
  provoke (&program);
  g_assert_true (test_wait_until (has_acted, &program, TEST_TIMEOUT_MS));
  if (program.parameters->action == ACTION_FLUSH_ASYNC)
    {
      g_assert_true (test_wait_until (test_result_is_there, &program.flushed, TEST_TIMEOUT_MS));
      test_result_clear (&program.flushed);
    }
  assert_outcome (&program);
  /* Nothing is spoilt. */
  if (program.parameters->action != ACTION_SHUT_DOWN ||
      (is_refused (program.parameters) && !is_unknown (program.parameters)))
    {
      start_runs (&program, N_RUNS);
      lsobs_observer_flush (program.observer, -1, NULL, NULL);
    }
  lsobs_observer_shutdown (program.observer, -1, NULL, NULL);
  {
    g_autoptr (LsobsStats) stats = lsobs_observer_dup_stats (program.observer);

    assert_all_told (transport, stats);
  }
  g_clear_object (&program.observer);
  test_drain_context ();
  g_assert_true (ends_unused (program.parameters) || is_closed (transport));
  test_assert_dies (g_steal_pointer (&transport));
}

/* The last reference goes inside the function. */
static void
test_unref (gconstpointer data)
{
  Program program = { .parameters = data };
  g_autoptr (CallerTransport) transport = g_object_new (CALLER_TYPE_TRANSPORT, NULL);

  start (&program, transport);
  /* As many as are sent at once. */
  start_runs (&program, 100);
  if (program.parameters->place == PLACE_CLOSE)
    lsobs_observer_shutdown (program.observer, -1, NULL, NULL);
  g_assert_true (test_wait_until (has_acted, &program, TEST_TIMEOUT_MS));
  g_assert_true (ends_unused (program.parameters) ||
                 test_wait_until (is_closed, transport, TEST_TIMEOUT_MS));
  test_drain_context ();
  g_assert_null (program.observer);
  test_assert_dies (g_steal_pointer (&transport));
}

/* --- several services share a redaction function -------------------------------------------- */

typedef struct
{
  Replicas replicas;
  Program program;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  replicas_set_up (&fixture->replicas, data);
  fixture->program.parameters = data;
  lsobs_config_set_redact_func (fixture->replicas.config, redact_cb, &fixture->program, NULL);
  replicas_add_all (&fixture->replicas);
  replicas_start (&fixture->replicas);
  fixture->program.observer = g_object_ref (fixture->replicas.observer);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->program.observer);
  g_clear_error (&fixture->program.error);
  replicas_tear_down (&fixture->replicas, data);
}

static void
test_shared (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  start_runs (&fixture->program, N_RUNS);
  g_assert_true (lsobs_observer_flush (fixture->program.observer, -1, NULL, &error));
  g_assert_no_error (error);
  assert_outcome (&fixture->program);
}

/* The function runs in a thread of the program, and keeps those that send from calling it. */
static void
test_shared_headers (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->program.observer, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_auto (GStrv) names = NULL;
  g_autoptr (GHashTable) headers = NULL;

  lsobs_run_set_metadata_string (run, "customer", "somebody");
  lsobs_run_propagate_metadata (run, "customer");
  headers = lsobs_run_to_headers (run);
  g_assert_true (has_acted (&fixture->program));
  assert_outcome (&fixture->program);
  lsobs_run_end (run, NULL);
  g_assert_true (lsobs_observer_flush (fixture->program.observer, -1, NULL, NULL));
}

static void
test_shared_unref (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter = g_steal_pointer (&fixture->replicas.exporter);

  g_clear_object (&fixture->replicas.observer);
  start_runs (&fixture->program, 100);
  g_assert_true (test_wait_until (has_acted, &fixture->program, TEST_TIMEOUT_MS));
  test_assert_dies (exporter);
  g_assert_null (fixture->program.observer);
  /* What waits is still sent, and the function is called for it. */
  lsobs_shutdown_all (TEST_TIMEOUT_MS, NULL);
}

static void
add_shared (const char *path, Action action, void (*test) (Fixture *, gconstpointer))
{
  static Case parameters[ACTION_UNREF + 1];

  parameters[action] = (Case){ .place = PLACE_REDACT, .action = action };
  g_test_add (path, Fixture, &parameters[action], set_up, test, tear_down);
}

static void
add (Place place, const char *place_name, Action action, const char *action_name)
{
  for (guint in_context = 0; in_context <= 1; in_context++)
    {
      Case *parameters = g_new0 (Case, 1);
      g_autofree char *path = g_strdup_printf ("/reentry/%s/%s/%s", place_name, action_name,
                                               in_context ? "context" : "thread");

      *parameters = (Case){ .place = place, .action = action, .in_context = (gboolean) in_context };
      g_test_add_data_func_full (path, parameters, action == ACTION_UNREF ? test_unref : test_call,
                                 g_free);
    }
}

int
main (int argc, char **argv)
{
  static const struct
  {
    Place place;
    const char *name;
  } places[] = {
    { PLACE_REDACT, "redact" }, { PLACE_SAMPLER, "sampler" },       { PLACE_SIGNAL, "signal" },
    { PLACE_SEND, "send" },     { PLACE_COMPLETION, "completion" }, { PLACE_LOST, "lost" },
    { PLACE_CLOSE, "close" },
  };

  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      add (places[i].place, places[i].name, ACTION_FLUSH, "flush");
      if (places[i].place != PLACE_CLOSE)
        add (places[i].place, places[i].name, ACTION_FLUSH_ASYNC, "flush-async");
      add (places[i].place, places[i].name, ACTION_SHUT_DOWN, "shutdown");
      add (places[i].place, places[i].name, ACTION_UNREF, "unref");
    }
  add_shared ("/reentry/replicas/flush", ACTION_FLUSH, test_shared);
  add_shared ("/reentry/replicas/shutdown", ACTION_SHUT_DOWN, test_shared);
  add_shared ("/reentry/replicas/headers", ACTION_FLUSH, test_shared_headers);
  add_shared ("/reentry/replicas/unref", ACTION_UNREF, test_shared_unref);
  return g_test_run ();
}
