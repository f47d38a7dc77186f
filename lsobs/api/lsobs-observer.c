/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/api/lsobs-graph-observer-private.h"
#include "lsobs/api/lsobs-invocation-private.h"
#include "lsobs/api/lsobs-observer-private.h"
#include "lsobs/api/lsobs-run-context-private.h"
#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-feedback-private.h"

/**
 * SECTION:lsobs-observer
 * @title: LsobsObserver
 * @short_description: traces a program's agents
 *
 * The object that a program makes once and keeps. From it come invocations of
 * agent graphs and single runs; an #LsobsExporter sends them.
 *
 * |[<!-- language="C" -->
 * g_autoptr(GError) error = NULL;
 * g_autoptr(LsobsConfig) config = lsobs_config_new (api_key, "my-project");
 * g_autoptr(LsobsObserver) observer = lsobs_observer_new (config, &error);
 * g_autoptr(LsobsRun) run = lsobs_observer_start_run (observer, "chat", LSOBS_RUN_TYPE_LLM, request);
 *
 * lsobs_run_end (run, response);
 * ]|
 *
 * An observer made with #LsobsConfig:tracing-enabled off takes the same calls and
 * does nothing: no thread, no queue, no look at a payload. Its runs have ids as any
 * others. So a program need not ask whether it is traced. lsobs_observer_reconfigure() turns
 * tracing on, off or elsewhere while the program runs.
 *
 * Nothing that a program calls to trace ever blocks on the network, fails for its
 * sake, or throws: runs are queued, and sent by a thread that is started with the
 * first of them. Trouble shows in #LsobsObserver:state, in lsobs_observer_dup_stats()
 * and in one line of the log.
 *
 * An observer is a #GInitable: bindings make one with `new` of this class, or with
 * g_initable_new() where there are properties to set, and never as a plain object.
 *
 * All functions may be called from any thread, and need no main loop. Signals are
 * emitted in the thread-default main context of the thread that made the observer.
 * When the last reference goes, no thread waits: what waits is still sent for as long as
 * #LsobsConfig:shutdown-timeout allows, and by the end of the program at most as long as
 * #LsobsConfig:exit-timeout. lsobs_observer_shutdown() waits, and tells what was lost.
 */

struct _LsobsObserver
{
  GObject parent_instance;

  LsobsExporterValues
      values;              /* of the exporter; the config only until initialised, and the transport
                               * only if the program has given it */
  LsobsExporter *exporter; /* (owned) guarded by _lsobs_fork_lock(): another config replaces it */
  LsobsLineage *lineage;   /* (owned) of all exporters that the observer has had */
  LsobsNotifier *notifier; /* (owned) */
  LsobsNodeTable *nodes;   /* (owned) (atomic) (nullable) the nodes that belong to no invocation;
                             * %NULL if tracing has never been on */
  LsobsState notified_state; /* what the last notify::state was emitted for */
  gboolean notified_tracing; /* the same for notify::tracing-enabled */
};

enum
{
  PROP_STATE = LSOBS_EXPORTER_N_PROPS,
  PROP_TRACING_ENABLED,
  N_PROPS
};
static GParamSpec *props[N_PROPS] = { NULL };

typedef enum
{
  SIGNAL_BATCH_FINISHED
} LsobsObserverSignal;
static guint signals[SIGNAL_BATCH_FINISHED + 1] = { 0 };

static void lsobs_observer_initable_init (GInitableIface *iface);
static void lsobs_observer_graph_observer_init (LsobsGraphObserverInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsObserver,
                               lsobs_observer,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, lsobs_observer_initable_init)
                                   G_IMPLEMENT_INTERFACE (LSOBS_TYPE_GRAPH_OBSERVER,
                                                          lsobs_observer_graph_observer_init))

/* Another thread may replace the exporter meanwhile.
 * Returns: (transfer full) */
LsobsExporter *
_lsobs_observer_ref_exporter (LsobsObserver *self)
{
  LsobsExporter *exporter;

  _lsobs_fork_lock ();
  exporter = g_object_ref (self->exporter);
  _lsobs_fork_unlock ();
  return exporter;
}

/* A forked child makes a table of its own with the first call: a thread that does not exist there
 * may hold the lock of the parent's.
 * Returns: (nullable): %NULL if tracing has never been on */
static LsobsNodeTable *
peek_nodes (LsobsGraphObserver *graph)
{
  LsobsObserver *self = LSOBS_OBSERVER (graph);
  LsobsNodeTable *nodes = g_atomic_pointer_get (&self->nodes);
  g_autoptr (LsobsExporter) exporter = NULL;
  LsobsNodeTable *fresh;

  g_return_val_if_fail (self->lineage != NULL, NULL);

  if (nodes == NULL || G_LIKELY (!_lsobs_node_table_is_forked (nodes)))
    return nodes;
  exporter = _lsobs_observer_ref_exporter (self);
  fresh = _lsobs_node_table_new (exporter, NULL);
  if (g_atomic_pointer_compare_and_exchange (&self->nodes, nodes, fresh))
    return fresh;
  _lsobs_node_table_free (fresh);
  return g_atomic_pointer_get (&self->nodes);
}

static void
lsobs_observer_graph_observer_init (LsobsGraphObserverInterface *iface)
{
  _lsobs_graph_observer_implement (iface, peek_nodes);
}

/* Called in the thread-default main context of the thread that made the observer. */
static void
notify_cb (GObject *object, guint64 n_delivered, guint64 n_lost)
{
  LsobsObserver *self = LSOBS_OBSERVER (object);
  LsobsState state = lsobs_observer_get_state (self);
  gboolean tracing = lsobs_observer_get_tracing_enabled (self);

  if (n_delivered > 0 || n_lost > 0)
    g_signal_emit (self, signals[SIGNAL_BATCH_FINISHED], 0, n_delivered, n_lost);
  if (self->notified_state != state)
    {
      self->notified_state = state;
      g_object_notify_by_pspec (object, props[PROP_STATE]);
    }
  if (self->notified_tracing != tracing)
    {
      self->notified_tracing = tracing;
      g_object_notify_by_pspec (object, props[PROP_TRACING_ENABLED]);
    }
}

/* @config: copied
 * @transport: (nullable)
 * Returns: (transfer full) (nullable) */
static LsobsExporter *
new_exporter (LsobsObserver *self,
              LsobsConfig *config,
              LsobsTransport *transport,
              GCancellable *cancellable,
              GError **error)
{
  LsobsExporter *exporter =
      g_initable_new (LSOBS_TYPE_EXPORTER, cancellable, error, "config", config, "transport",
                      transport, "main-context", self->values.context, NULL);

  if (exporter != NULL)
    _lsobs_exporter_set_notifier (exporter, self->notifier);
  return exporter;
}

static gboolean
lsobs_observer_init_exporter (GInitable *initable, GCancellable *cancellable, GError **error)
{
  LsobsObserver *self = LSOBS_OBSERVER (initable);

  g_return_val_if_fail (LSOBS_IS_CONFIG (self->values.config), FALSE);

  self->notifier = _lsobs_notifier_new (G_OBJECT (self), notify_cb);
  self->exporter =
      new_exporter (self, self->values.config, self->values.transport, cancellable, error);
  g_clear_object (&self->values.config);
  if (self->exporter == NULL)
    return FALSE;
  self->lineage = _lsobs_lineage_ref (_lsobs_exporter_peek_lineage (self->exporter));
  self->notified_tracing = _lsobs_lineage_is_tracing (self->lineage);
  if (!self->notified_tracing)
    g_debug ("An observer is made that does nothing: tracing-enabled is off in its config");
  if (self->notified_tracing)
    self->nodes = _lsobs_node_table_new (self->exporter, NULL);
  return TRUE;
}

static void
lsobs_observer_initable_init (GInitableIface *iface)
{
  iface->init = lsobs_observer_init_exporter;
}

/* The exporter shuts down with its observer, even if runs that the program holds keep it alive. */
static void
lsobs_observer_dispose (GObject *object)
{
  LsobsObserver *self = LSOBS_OBSERVER (object);

  if (self->nodes != NULL)
    _lsobs_node_table_close (peek_nodes (LSOBS_GRAPH_OBSERVER (self)));
  if (self->exporter != NULL)
    _lsobs_exporter_end_lineage (self->exporter);

  G_OBJECT_CLASS (lsobs_observer_parent_class)->dispose (object);
}

static void
lsobs_observer_finalize (GObject *object)
{
  LsobsObserver *self = LSOBS_OBSERVER (object);

  g_clear_pointer (&self->nodes, _lsobs_node_table_free);
  g_clear_object (&self->exporter);
  g_clear_pointer (&self->lineage, _lsobs_lineage_unref);
  g_clear_pointer (&self->notifier, _lsobs_notifier_unref);
  _lsobs_exporter_values_clear (&self->values);

  G_OBJECT_CLASS (lsobs_observer_parent_class)->finalize (object);
}

static void
lsobs_observer_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LsobsObserver *self = LSOBS_OBSERVER (object);

  switch (prop_id)
    {
    case LSOBS_EXPORTER_PROP_MAIN_CONTEXT:
      g_value_set_boxed (value, self->values.context);
      break;
    case PROP_STATE:
      g_value_set_enum (value, lsobs_observer_get_state (self));
      break;
    case PROP_TRACING_ENABLED:
      g_value_set_boolean (value, lsobs_observer_get_tracing_enabled (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_observer_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  if (!_lsobs_exporter_values_set (&LSOBS_OBSERVER (object)->values, prop_id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
install_signals (LsobsObserverClass *klass)
{
  /**
   * LsobsObserver::batch-finished:
   * @self: the observer
   * @n_delivered: how many records were delivered
   * @n_lost: how many records were lost in the attempt
   *
   * Emitted when a batch was delivered or lost, in the main context that the
   * observer was made in. When that context runs seldom, one emission stands for
   * several batches.
   *
   * Since: 0.1
   */
  signals[SIGNAL_BATCH_FINISHED] =
      g_signal_new ("batch-finished", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                    NULL, G_TYPE_NONE, 2, G_TYPE_UINT64, G_TYPE_UINT64);
}

static void
lsobs_observer_class_init (LsobsObserverClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = lsobs_observer_dispose;
  object_class->finalize = lsobs_observer_finalize;
  object_class->get_property = lsobs_observer_get_property;
  object_class->set_property = lsobs_observer_set_property;

  /**
   * LsobsObserver:config:
   *
   * The settings. They are copied.
   *
   * Since: 0.1
   */

  /**
   * LsobsObserver:transport:
   *
   * What takes the batches away: HTTP to the service unless it is given.
   *
   * Since: 0.1
   */

  /**
   * LsobsObserver:main-context:
   *
   * The context in which all of the sending happens, for programs that want
   * everything in their own loop. Whoever runs a context other than the global
   * default one must have pushed it with g_main_context_push_thread_default(), as
   * GIO demands. Without a context, a thread is started with the first
   * run. Set it with g_initable_new():
   *
   * |[<!-- language="C" -->
   * observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error,
   *                            "config", config,
   *                            "main-context", g_main_context_default (),
   *                            NULL);
   * ]|
   *
   * At the end of the program, lsobs runs the context until what waits is sent, or for
   * #LsobsConfig:exit-timeout, if the thread that ends the program is the one that ran it last. If
   * it has not run yet, any thread runs it, but the default context only the thread that made the
   * observer. All sources in the context run then. A program with sources that
   * use what is gone by then destroys these, or shuts the observer down before, or calls
   * lsobs_forbid_callbacks_at_exit().
   *
   * Since: 0.1
   */
  _lsobs_exporter_values_install (props, G_PARAM_WRITABLE);

  /**
   * LsobsObserver:state:
   *
   * How delivery is going. Changes are notified in the main context that the
   * observer was made in.
   *
   * Since: 0.1
   */
  props[PROP_STATE] =
      g_param_spec_enum ("state", "", "", LSOBS_TYPE_STATE, LSOBS_STATE_OK,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsObserver:tracing-enabled:
   *
   * Whether the observer traces at all; see lsobs_observer_get_tracing_enabled().
   * lsobs_observer_reconfigure() changes it. Changes are notified in the main context that
   * the observer was made in.
   *
   * Since: 0.1
   */
  props[PROP_TRACING_ENABLED] =
      g_param_spec_boolean ("tracing-enabled", "", "", FALSE,
                            G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, props);
  install_signals (klass);
}

static void
lsobs_observer_init (LsobsObserver *self)
{
}

/**
 * lsobs_observer_new:
 * @config: the settings; they are copied
 * @error: return location for a #GError, or %NULL
 *
 * Makes an observer. Nothing is started or sent yet. Fails with
 * %LSOBS_ERROR_INVALID_CONFIG when a setting makes no sense, or when there is no
 * API key for a service on another machine; that does not matter when tracing is off.
 *
 * Returns: (transfer full): an observer, or %NULL
 *
 * Since: 0.1
 */
LsobsObserver *
lsobs_observer_new (LsobsConfig *config, GError **error)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (config), NULL);

  return g_initable_new (LSOBS_TYPE_OBSERVER, NULL, error, "config", config, NULL);
}

/**
 * lsobs_observer_new_with_transport:
 * @config: the settings; they are copied
 * @transport: what takes the batches away, such as an #LsobsMemoryTransport
 * @error: return location for a #GError, or %NULL
 *
 * Makes an observer that does not send by HTTP. It needs no API key. Fails with
 * %LSOBS_ERROR_INVALID_CONFIG when a setting makes no sense.
 *
 * Returns: (transfer full): an observer, or %NULL
 *
 * Since: 0.1
 */
LsobsObserver *
lsobs_observer_new_with_transport (LsobsConfig *config, LsobsTransport *transport, GError **error)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (config), NULL);
  g_return_val_if_fail (LSOBS_IS_TRANSPORT (transport), NULL);

  return g_initable_new (LSOBS_TYPE_OBSERVER, NULL, error, "config", config, "transport", transport,
                         NULL);
}

/**
 * lsobs_observer_new_default:
 *
 * Makes an observer of the environment, and of the profile that it names, as
 * lsobs_config_new_from_environment() reads them. For programs that must run whatever a
 * user has set: this function never fails.
 *
 * If a variable or the profile makes no sense, or if there is no API key for a service on
 * another machine, the log gets one line that says what is wrong and what to do. The
 * observer is then disabled: it takes all calls and does nothing. Without a variable that
 * turns tracing on, the observer is disabled, too, and the log gets no line.
 * lsobs_observer_get_tracing_enabled() tells whether the observer traces.
 *
 * Each call makes a new observer, and reads the environment again. A program that needs to
 * show the mistake itself calls lsobs_config_new_from_environment() and
 * lsobs_observer_new(), which return a #GError.
 *
 * Reads the file of a profile, in the calling thread. May be called from any thread,
 * while no other thread changes the environment.
 *
 * Returns: (transfer full): an observer
 *
 * Since: 0.1
 */
LsobsObserver *
lsobs_observer_new_default (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsConfig) config = lsobs_config_new_from_environment (&error);
  g_autoptr (LsobsConfig) disabled = NULL;
  LsobsObserver *self = NULL;

  if (config != NULL)
    self = lsobs_observer_new (config, &error);
  if (self != NULL)
    return self;
  _lsobs_log_not_traced (error->message);
  disabled = lsobs_config_new (NULL, NULL);
  lsobs_config_set_tracing_enabled (disabled, FALSE);
  self = lsobs_observer_new (disabled, NULL);
  /* Without tracing, the defaults of a config are valid. */
  g_assert (self != NULL);
  return self;
}

/* Returns: FALSE */
static gboolean
fail_closed (GError **error)
{
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_CLOSED,
                       _ ("The observer was shut down; make another one"));
  return FALSE;
}

/* Replaces the current exporter by @exporter.
 * @exporter: (transfer full): joins the lineage of the observer
 * Returns: (transfer full) (nullable): the one that was replaced; NULL if the observer was shut down */
static LsobsExporter *
replace_exporter (LsobsObserver *self, LsobsExporter *exporter, gboolean tracing)
{
  LsobsExporter *replaced;
  gboolean is_closed;

  _lsobs_exporter_join_lineage (exporter, self->lineage);
  do
    {
      g_autoptr (LsobsExporter) current = _lsobs_observer_ref_exporter (self);
      /* In a forked child, this makes a dispatcher, so that it cannot be called below. */
      LsobsDispatcher *dispatcher = _lsobs_exporter_get_dispatcher (current);

      replaced = NULL;
      _lsobs_fork_lock ();
      is_closed = _lsobs_lineage_is_closed_unlocked (self->lineage);
      if (!is_closed && self->exporter == current)
        {
          _lsobs_lineage_retire_unlocked (self->lineage, dispatcher);
          replaced = self->exporter;
          self->exporter = exporter;
          _lsobs_lineage_set_tracing (self->lineage, tracing);
        }
      _lsobs_fork_unlock ();
    }
  while (replaced == NULL && !is_closed);
  if (is_closed)
    g_object_unref (exporter);
  return replaced;
}

/* The nodes that belong to no invocation go to the current exporter from now on, also if another
 * thread replaces it meanwhile. */
static void
redirect_nodes (LsobsObserver *self, gboolean tracing)
{
  g_autoptr (LsobsExporter) current = _lsobs_observer_ref_exporter (self);
  LsobsNodeTable *nodes = peek_nodes (LSOBS_GRAPH_OBSERVER (self));
  LsobsExporter *redirected = NULL;

  if (nodes == NULL && !tracing)
    return;
  if (nodes == NULL)
    {
      nodes = _lsobs_node_table_new (current, NULL);
      if (!g_atomic_pointer_compare_and_exchange (&self->nodes, NULL, nodes))
        {
          _lsobs_node_table_free (nodes);
          nodes = peek_nodes (LSOBS_GRAPH_OBSERVER (self));
        }
    }
  while (redirected != current)
    {
      redirected = current;
      _lsobs_node_table_set_exporter (nodes, current);
      g_object_unref (current);
      current = _lsobs_observer_ref_exporter (self);
    }
}

/**
 * lsobs_observer_reconfigure:
 * @self: an observer
 * @config: the settings from now on; they are copied
 * @error: return location for a #GError, or %NULL
 *
 * Gives an observer other settings while the program runs: turns tracing on or off, or has
 * traces go to another service, workspace or project. Runs that have begun keep their
 * parents.
 *
 * A trace stays where it has begun: the runs of a trace that is under way end there, and so
 * does what is started below them, with the settings that were in force when the trace
 * began. When @config turns tracing off, runs that have begun still end, so that none stays
 * open at the service, but nothing more is started: runs below them are left out, and
 * counted by %LSOBS_COUNTER_UNSAMPLED. New traces follow @config.
 *
 * What sends the old traces goes on while the program has runs of them, and then leaves as
 * after the last unref of an observer: what waits is sent for as long as the old
 * #LsobsConfig:shutdown-timeout allows, by five at the same time: of more, the oldest stops at
 * once. lsobs_observer_flush(), lsobs_observer_shutdown()
 * and the end of the program wait for it, too, within their time, and
 * lsobs_observer_dup_stats() counts it. While both send, redaction functions of both may run
 * at the same time, in different threads.
 *
 * An observer that was made with a transport keeps it; with %NULL for it, @config says
 * where traces go. #LsobsObserver:main-context stays as well. The exporter of
 * lsobs_observer_get_exporter() is replaced: runs that the program reports by their ids go
 * on with the exporter that got their start, of which the program holds a reference
 * meanwhile.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG as lsobs_observer_new() does, or when the observer
 * has an #LsobsClient as its transport, which can be turned off but not on again; with
 * %LSOBS_ERROR_CLOSED after a shutdown. The observer stays as it is then.
 *
 * May be called from any thread, also while runs start and end in others. Does no I/O.
 *
 * Returns: %TRUE if the settings are in force
 *
 * Since: 0.1
 */
gboolean
lsobs_observer_reconfigure (LsobsObserver *self, LsobsConfig *config, GError **error)
{
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (LsobsExporter) replaced = NULL;
  gboolean tracing;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), FALSE);
  g_return_val_if_fail (self->lineage != NULL, FALSE);
  g_return_val_if_fail (LSOBS_IS_CONFIG (config), FALSE);

  exporter = _lsobs_observer_ref_exporter (self);
  if (_lsobs_dispatcher_is_shut_down (_lsobs_exporter_get_dispatcher (exporter)))
    return fail_closed (error);
  g_clear_object (&exporter);
  tracing = lsobs_config_get_tracing_enabled (config);
  exporter = new_exporter (self, config, tracing ? self->values.transport : NULL, NULL, error);
  if (exporter == NULL)
    return FALSE;

  replaced = replace_exporter (self, g_object_ref (exporter), tracing);
  /* Another thread has shut it down meanwhile. */
  if (replaced == NULL)
    return fail_closed (error);
  redirect_nodes (self, tracing);
  g_debug ("An observer has other settings: tracing is %s", tracing ? "on" : "off");
  _lsobs_notifier_post (self->notifier, 0, 0);
  /* The last reference, unless the program has runs of it: it leaves. */
  g_clear_object (&replaced);
  _lsobs_lineage_forget_finished (self->lineage);
  return TRUE;
}

/* Returns: (nullable): the project that a caller names; no name is that of the config */
static const char *
find_project (const char *name)
{
  return name != NULL && *name != '\0' ? name : NULL;
}

/* @start: without a parent
 * @nested: whether the run is below the current run of this thread
 * Returns: (transfer full) */
static LsobsRun *
start_run (LsobsObserver *self, LsobsRunStart *start, gboolean nested)
{
  LsobsExporter *exporter;
  g_autoptr (LsobsRun) parent = NULL;

  g_return_val_if_fail (self->lineage != NULL, NULL);

  exporter = _lsobs_observer_ref_exporter (self);
  if (nested)
    start->parent = parent = _lsobs_run_context_ref (exporter);
  return _lsobs_run_start_taking (exporter, start);
}

static gboolean
is_of_lineage (LsobsObserver *self, LsobsExporter *exporter)
{
  return _lsobs_exporter_peek_lineage (exporter) == self->lineage;
}

/**
 * lsobs_observer_begin_invocation:
 * @self: an observer
 * @name: what the service shows the root run as
 * @input: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Begins one execution of a graph, as a new trace.
 *
 * Returns: (transfer full): an invocation
 *
 * Since: 0.1
 */
LsobsInvocation *
lsobs_observer_begin_invocation (LsobsObserver *self, const char *name, JsonNode *input)
{
  g_autoptr (LsobsExporter) exporter = NULL;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (self->lineage != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  exporter = _lsobs_observer_ref_exporter (self);
  return _lsobs_invocation_new (exporter, name, input);
}

/**
 * lsobs_observer_start_run:
 * @self: an observer
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run, as the root of a new trace. The payload is written out in the
 * call.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_run (LsobsObserver *self,
                          const char *name,
                          LsobsRunType run_type,
                          JsonNode *inputs)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return start_run (self, &(LsobsRunStart){ .name = name, .run_type = run_type, .inputs = inputs },
                    FALSE);
}

/**
 * lsobs_observer_start_run_bytes:
 * @self: an observer
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in, as JSON text; it is referenced, not copied
 *
 * Starts a run with ready JSON, as the root of a new trace. Text that is not JSON
 * is sent as a string. Of several members of an object with the same name the last
 * one is sent.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_run_bytes (LsobsObserver *self,
                                const char *name,
                                LsobsRunType run_type,
                                GBytes *inputs)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return start_run (self,
                    &(LsobsRunStart){ .name = name, .run_type = run_type, .inputs_json = inputs },
                    FALSE);
}

/**
 * lsobs_observer_start_run_of_kind:
 * @self: an observer
 * @name: what the service shows the run as
 * @kind: what the run does, in any word, such as `agent`
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run, as the root of a new trace. A @kind that is no type of the service's makes
 * it an %LSOBS_RUN_TYPE_CHAIN; the word is kept as the metadata `ls_run_kind`, and the log
 * says so, once in a process.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_run_of_kind (LsobsObserver *self,
                                  const char *name,
                                  const char *kind,
                                  JsonNode *inputs)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (kind != NULL, NULL);

  return start_run (self, &(LsobsRunStart){ .name = name, .kind = kind, .inputs = inputs }, FALSE);
}

/**
 * lsobs_observer_start_run_in_project:
 * @self: an observer
 * @project_name: (nullable): the project that the trace belongs to, in UTF-8; the service makes
 *   it when it is new. With %NULL, or an empty text, that of the config
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run, as the root of a new trace, in another project than that of the config:
 * for programs with several agents, or several customers. All runs below it belong to that
 * project, also those in other processes that get the headers of lsobs_run_to_headers(). A
 * replica with a project of its own, see lsobs_config_add_replica(), writes to that one.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_run_in_project (LsobsObserver *self,
                                     const char *project_name,
                                     const char *name,
                                     LsobsRunType run_type,
                                     JsonNode *inputs)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return start_run (self,
                    &(LsobsRunStart){ .name = name,
                                      .run_type = run_type,
                                      .inputs = inputs,
                                      .project = find_project (project_name) },
                    FALSE);
}

/**
 * lsobs_observer_start_nested_run:
 * @self: an observer
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run below the current run of this thread, as lsobs_run_start_child() does. The
 * innermost run counts that is of @self and has not ended; where there is none, the new run
 * is the root of a trace. It is not the current run by that, see lsobs_run_push_thread_default().
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_nested_run (LsobsObserver *self,
                                 const char *name,
                                 LsobsRunType run_type,
                                 JsonNode *inputs)
{

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return start_run (self, &(LsobsRunStart){ .name = name, .run_type = run_type, .inputs = inputs },
                    TRUE);
}

/**
 * lsobs_observer_start_nested_run_bytes:
 * @self: an observer
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in, as JSON text; it is referenced, not copied
 *
 * Starts a run below the current run of this thread, as lsobs_observer_start_nested_run()
 * does, with ready JSON. Text that is not JSON is sent as a string. Of several members
 * of an object with the same name the last one is sent.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_nested_run_bytes (LsobsObserver *self,
                                       const char *name,
                                       LsobsRunType run_type,
                                       GBytes *inputs)
{

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return start_run (self,
                    &(LsobsRunStart){ .name = name, .run_type = run_type, .inputs_json = inputs },
                    TRUE);
}

/**
 * lsobs_observer_start_nested_run_of_kind:
 * @self: an observer
 * @name: what the service shows the run as
 * @kind: what the run does, in any word, such as `agent`
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run below the current run of this thread, as lsobs_observer_start_nested_run()
 * does. A @kind that is no type of the service's makes it an %LSOBS_RUN_TYPE_CHAIN; the
 * word is kept as the metadata `ls_run_kind`.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_nested_run_of_kind (LsobsObserver *self,
                                         const char *name,
                                         const char *kind,
                                         JsonNode *inputs)
{

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (kind != NULL, NULL);

  return start_run (self, &(LsobsRunStart){ .name = name, .kind = kind, .inputs = inputs }, TRUE);
}

/**
 * lsobs_observer_start_nested_run_in_project:
 * @self: an observer
 * @project_name: (nullable): the project that the trace belongs to if the run is its root, in UTF-8;
 *   the service makes it when it is new. With %NULL, or an empty text, that of the config
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run below the current run of this thread, as lsobs_observer_start_nested_run()
 * does. Where there is none, the new run is the root of a trace in another project than that of
 * the config, as lsobs_observer_start_run_in_project() has it.
 *
 * Returns: (transfer full): a run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_nested_run_in_project (LsobsObserver *self,
                                            const char *project_name,
                                            const char *name,
                                            LsobsRunType run_type,
                                            JsonNode *inputs)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return start_run (self,
                    &(LsobsRunStart){ .name = name,
                                      .run_type = run_type,
                                      .inputs = inputs,
                                      .project = find_project (project_name) },
                    TRUE);
}

/**
 * lsobs_observer_add_feedback:
 * @self: an observer
 * @feedback: what somebody thinks of a run; it is copied
 * @error: return location for a #GError, or %NULL
 *
 * Adds feedback to a run, of this program or another; see
 * lsobs_exporter_add_feedback().
 *
 * Fails with %LSOBS_ERROR_INVALID_FEEDBACK when the service would refuse it: an id is no
 * UUID, the key is empty or longer than 180 characters, the score is no finite number, the
 * value is an array, the correction is neither an object nor a string, or the config is not
 * what lsobs_feedback_set_config() says.
 *
 * Returns: %TRUE if the feedback was taken, or the sampler has left the trace out
 *
 * Since: 0.1
 */
gboolean
lsobs_observer_add_feedback (LsobsObserver *self, LsobsFeedback *feedback, GError **error)
{
  g_autoptr (LsobsExporter) exporter = NULL;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), FALSE);
  g_return_val_if_fail (self->lineage != NULL, FALSE);
  g_return_val_if_fail (feedback != NULL, FALSE);

  exporter = _lsobs_observer_ref_exporter (self);
  /* To a run of a trace that stays where it has begun. */
  if (feedback->exporter != NULL && is_of_lineage (self, LSOBS_EXPORTER (feedback->exporter)))
    g_set_object (&exporter, LSOBS_EXPORTER (feedback->exporter));
  return lsobs_exporter_add_feedback (exporter, feedback, error);
}

/**
 * lsobs_observer_flush:
 * @self: an observer
 * @timeout: the longest time to wait, in milliseconds; negative for as long
 *   as it takes
 * @stats: (out caller-allocates) (optional): return location for what was done
 * @error: return location for a #GError, or %NULL
 *
 * Sends what waits now, and waits until each of these records is delivered or
 * lost; see lsobs_exporter_flush().
 *
 * Returns: %TRUE if everything was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_observer_flush (LsobsObserver *self, gint64 timeout, LsobsFlushStats *stats, GError **error)
{
  g_autoptr (LsobsExporter) exporter = NULL;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), FALSE);
  g_return_val_if_fail (self->lineage != NULL, FALSE);

  exporter = _lsobs_observer_ref_exporter (self);
  return lsobs_exporter_flush (exporter, timeout, stats, error);
}

/* Ends an asynchronous call of the exporter, for a task of the observer. */
typedef gboolean (*ExporterFinishFunc) (LsobsExporter *exporter,
                                        GAsyncResult *result,
                                        LsobsFlushStats *stats,
                                        GError **error);

static void
pass_on (GTask *task, LsobsExporter *exporter, GAsyncResult *result, ExporterFinishFunc finish)
{
  LsobsFlushStats *stats = g_task_get_task_data (task);
  GError *error = NULL;

  if (finish (exporter, result, stats, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
finish_with_stats (LsobsObserver *self,
                   GAsyncResult *result,
                   gpointer tag,
                   LsobsFlushStats *stats,
                   GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, tag), FALSE);

  if (stats != NULL)
    *stats = *(LsobsFlushStats *) g_task_get_task_data (G_TASK (result));
  return g_task_propagate_boolean (G_TASK (result), error);
}

static GTask *
new_task (LsobsObserver *self,
          gpointer tag,
          GCancellable *cancellable,
          GAsyncReadyCallback callback,
          gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_task_data (task, g_new0 (LsobsFlushStats, 1), g_free);
  return task;
}

static void
flushed_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);

  pass_on (task, LSOBS_EXPORTER (object), result, lsobs_exporter_flush_finish);
}

/**
 * lsobs_observer_flush_async:
 * @self: an observer
 * @timeout: the longest time to wait, in milliseconds; negative for as long
 *   as it takes
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the flush has ended
 * @user_data: data for @callback
 *
 * Does what lsobs_observer_flush() does, without blocking. @callback runs in the
 * thread-default main context of the caller.
 *
 * Since: 0.1
 */
void
lsobs_observer_flush_async (LsobsObserver *self,
                            gint64 timeout,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (LsobsExporter) exporter = NULL;

  g_return_if_fail (LSOBS_IS_OBSERVER (self));
  g_return_if_fail (self->lineage != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  exporter = _lsobs_observer_ref_exporter (self);
  lsobs_exporter_flush_async (exporter, timeout, cancellable, flushed_cb,
                              new_task (self, lsobs_observer_flush_async, cancellable, callback,
                                        user_data));
}

/**
 * lsobs_observer_flush_finish:
 * @self: an observer
 * @result: what the callback was given
 * @stats: (out caller-allocates) (optional): return location for what was done
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_observer_flush_async() began. Fails as lsobs_observer_flush()
 * does, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if everything was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_observer_flush_finish (LsobsObserver *self,
                             GAsyncResult *result,
                             LsobsFlushStats *stats,
                             GError **error)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), FALSE);
  g_return_val_if_fail (self->lineage != NULL, FALSE);

  return finish_with_stats (self, result, lsobs_observer_flush_async, stats, error);
}

/**
 * lsobs_observer_shutdown:
 * @self: an observer
 * @timeout: the longest time to wait, in milliseconds; negative for as long
 *   as it takes
 * @stats: (out caller-allocates) (optional): return location for what was done
 * @error: return location for a #GError, or %NULL
 *
 * Takes no more runs, sends what waits, and ends the thread; see
 * lsobs_exporter_shutdown().
 *
 * Returns: %TRUE if everything was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_observer_shutdown (LsobsObserver *self,
                         gint64 timeout,
                         LsobsFlushStats *stats,
                         GError **error)
{
  g_autoptr (LsobsExporter) exporter = NULL;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), FALSE);
  g_return_val_if_fail (self->lineage != NULL, FALSE);

  _lsobs_lineage_close (self->lineage);
  exporter = _lsobs_observer_ref_exporter (self);
  return lsobs_exporter_shutdown (exporter, timeout, stats, error);
}

static void
shut_down_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);

  pass_on (task, LSOBS_EXPORTER (object), result, lsobs_exporter_shutdown_finish);
}

/**
 * lsobs_observer_shutdown_async:
 * @self: an observer
 * @timeout: the longest time to wait, in milliseconds; negative for as long
 *   as it takes
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when everything has ended
 * @user_data: data for @callback
 *
 * Does what lsobs_observer_shutdown() does, without blocking. @callback runs in
 * the thread-default main context of the caller.
 *
 * Since: 0.1
 */
void
lsobs_observer_shutdown_async (LsobsObserver *self,
                               gint64 timeout,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (LsobsExporter) exporter = NULL;

  g_return_if_fail (LSOBS_IS_OBSERVER (self));
  g_return_if_fail (self->lineage != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  _lsobs_lineage_close (self->lineage);
  exporter = _lsobs_observer_ref_exporter (self);
  lsobs_exporter_shutdown_async (exporter, timeout, cancellable, shut_down_cb,
                                 new_task (self, lsobs_observer_shutdown_async, cancellable,
                                           callback, user_data));
}

/**
 * lsobs_observer_shutdown_finish:
 * @self: an observer
 * @result: what the callback was given
 * @stats: (out caller-allocates) (optional): return location for what was done
 * @error: return location for a #GError, or %NULL
 *
 * Ends what lsobs_observer_shutdown_async() began. Fails as
 * lsobs_observer_shutdown() does, or with %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if everything was delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_observer_shutdown_finish (LsobsObserver *self,
                                GAsyncResult *result,
                                LsobsFlushStats *stats,
                                GError **error)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), FALSE);
  g_return_val_if_fail (self->lineage != NULL, FALSE);

  return finish_with_stats (self, result, lsobs_observer_shutdown_async, stats, error);
}

/**
 * lsobs_observer_dup_stats:
 * @self: an observer
 *
 * Gets all counters, as they are at this moment.
 *
 * Returns: (transfer full): a snapshot
 *
 * Since: 0.1
 */
LsobsStats *
lsobs_observer_dup_stats (LsobsObserver *self)
{
  g_autoptr (LsobsExporter) exporter = NULL;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (self->lineage != NULL, NULL);

  exporter = _lsobs_observer_ref_exporter (self);
  return lsobs_exporter_dup_stats (exporter);
}

/**
 * lsobs_observer_get_state:
 * @self: an observer
 *
 * Gets how delivery is going.
 *
 * Returns: a state
 *
 * Since: 0.1
 */
LsobsState
lsobs_observer_get_state (LsobsObserver *self)
{
  g_autoptr (LsobsExporter) exporter = NULL;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), LSOBS_STATE_OK);
  g_return_val_if_fail (self->lineage != NULL, LSOBS_STATE_OK);

  exporter = _lsobs_observer_ref_exporter (self);
  return _lsobs_dispatcher_get_state (_lsobs_exporter_get_dispatcher (exporter));
}

/**
 * lsobs_observer_get_tracing_enabled:
 * @self: an observer
 *
 * Tells whether the observer traces at all, as #LsobsConfig:tracing-enabled was when it
 * was made, or at the last lsobs_observer_reconfigure(). If not, what goes into a run need not even be put together. Of a run,
 * lsobs_run_is_sampled() tells. This takes no lock.
 *
 * Returns: %FALSE if everything is left out
 *
 * Since: 0.1
 */
gboolean
lsobs_observer_get_tracing_enabled (LsobsObserver *self)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), FALSE);
  g_return_val_if_fail (self->lineage != NULL, FALSE);

  return _lsobs_lineage_is_tracing (self->lineage);
}

/**
 * lsobs_observer_ref_exporter: (rename-to lsobs_observer_get_exporter)
 * @self: an observer
 *
 * Gets the exporter of the observer, to report runs by their ids. With a reference, it stays
 * after lsobs_observer_reconfigure() has replaced it.
 *
 * May be called from any thread.
 *
 * Returns: (transfer full): an exporter
 *
 * Since: 0.1
 */
LsobsExporter *
lsobs_observer_ref_exporter (LsobsObserver *self)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (self->lineage != NULL, NULL);

  return _lsobs_observer_ref_exporter (self);
}

/**
 * lsobs_observer_get_exporter:
 * @self: an observer
 *
 * Gets the exporter of the observer, to report runs by their ids. It is there until
 * lsobs_observer_reconfigure() replaces it. If another thread may do so meanwhile, call
 * lsobs_observer_ref_exporter(), which bindings call in any case.
 *
 * Returns: (transfer none): an exporter
 *
 * Since: 0.1
 */
LsobsExporter *
lsobs_observer_get_exporter (LsobsObserver *self)
{
  LsobsExporter *exporter;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (self->lineage != NULL, NULL);

  _lsobs_fork_lock ();
  exporter = self->exporter;
  _lsobs_fork_unlock ();
  return exporter;
}
