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
 * A program creates one observer and keeps it. The observer starts runs, and invocations of agent
 * graphs. Its #LsobsExporter sends them.
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
 * If #LsobsConfig:tracing-enabled is %FALSE, an observer accepts the same calls and does nothing:
 * it has no thread and no queue, and reads no payload. Its runs have ids. So a program does not
 * need to check whether it is traced. lsobs_observer_reconfigure() turns tracing on or off, or
 * changes the destination, while the program runs.
 *
 * The functions that trace never wait for the network, and never fail because of it: they put
 * records into a queue. A thread sends the records; it starts with the first one.
 * #LsobsObserver:state, lsobs_observer_dup_stats() and the log show failures of delivery.
 *
 * An observer is a #GInitable. In other languages, create it with `new` of this class, or, to set
 * properties, with g_initable_new(); never as a plain object.
 *
 * All functions can be called from any thread, and need no main loop. Signals are emitted in the
 * thread-default main context of the thread that made the observer. The last unref does not wait:
 * lsobs still sends the records in the queue for #LsobsConfig:shutdown-timeout. At the end of the
 * program, it does so for at most #LsobsConfig:exit-timeout. lsobs_observer_shutdown() waits, and
 * tells what was lost.
 */

struct _LsobsObserver
{
  GObject parent_instance;

  LsobsExporterValues
      values;              /* of the exporter; the config only until initialised, and the transport
                               * only if the program has given it */
  LsobsExporter *exporter; /* (owned) also held, so that starting a run is cheap: see
                            * _lsobs_exporter_hold(). Another config replaces it. It is read between
                            * _lsobs_fork_begin_read() and _lsobs_fork_end_read(), and replaced between
                            * _lsobs_fork_begin_change() and _lsobs_fork_end_change() */
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
  gboolean reads_freely;

  reads_freely = _lsobs_fork_begin_read ();
  exporter = g_object_ref (self->exporter);
  _lsobs_fork_end_read (reads_freely);
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
  _lsobs_exporter_hold (self->exporter);
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
  if (self->exporter != NULL)
    _lsobs_exporter_release (self->exporter);
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
   * @n_lost: how many records were lost
   *
   * Emitted after batches were delivered or lost, in the main context of the thread that made the
   * observer. If that context is busy, one emission can count several batches.
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
   * The settings. The observer copies them.
   *
   * Since: 0.1
   */

  /**
   * LsobsObserver:transport:
   *
   * The #LsobsTransport that sends the batches. With %NULL, the default, an #LsobsClient sends them
   * by HTTP.
   *
   * Since: 0.1
   */

  /**
   * LsobsObserver:main-context:
   *
   * The main context that sends, for programs that want no other thread. With %NULL, the default,
   * lsobs starts a thread with the first run. If it is not the global default main context, the
   * thread that runs it must push it with g_main_context_push_thread_default(), as GIO requires.
   * Set it with g_initable_new():
   *
   * |[<!-- language="C" -->
   * observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error,
   *                            "config", config,
   *                            "main-context", g_main_context_default (),
   *                            NULL);
   * ]|
   *
   * At the end of the program, lsobs runs the context until all records are sent, or for
   * #LsobsConfig:exit-timeout. It does so only if the thread that ends the program is the thread
   * that ran the context last. If no thread has run the context yet, any thread may run it; but
   * only the thread that made the observer runs the global default main context. All sources of the
   * context run then. If a source uses data that the program has freed by then, destroy the source,
   * shut the observer down before, or call lsobs_forbid_callbacks_at_exit().
   *
   * Since: 0.1
   */
  _lsobs_exporter_values_install (props, G_PARAM_WRITABLE);

  /**
   * LsobsObserver:state:
   *
   * The state of delivery. It is notified in the main context of the thread that made the observer.
   *
   * Since: 0.1
   */
  props[PROP_STATE] =
      g_param_spec_enum ("state", "", "", LSOBS_TYPE_STATE, LSOBS_STATE_OK,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  /**
   * LsobsObserver:tracing-enabled:
   *
   * Whether the observer traces; see lsobs_observer_get_tracing_enabled().
   * lsobs_observer_reconfigure() changes it. It is notified in the main context of the thread that
   * made the observer.
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
 * @config: the settings; the observer copies them
 * @error: return location for a #GError, or %NULL
 *
 * Creates an observer. It starts no thread and sends nothing until the first run starts. Fails with
 * %LSOBS_ERROR_INVALID_CONFIG if a setting is not valid. If tracing is on, it also fails with this
 * code if there is no API key for a service on another machine.
 *
 * Returns: (transfer full): a new observer, or %NULL if it fails
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
 * @config: the settings; the observer copies them
 * @transport: the transport that sends the batches, such as an #LsobsMemoryTransport
 * @error: return location for a #GError, or %NULL
 *
 * Creates an observer that sends with @transport. It needs no API key. Fails with
 * %LSOBS_ERROR_INVALID_CONFIG if a setting is not valid.
 *
 * Returns: (transfer full): a new observer, or %NULL if it fails
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
 * Creates an observer from the environment variables, and from the profile that they name, as
 * lsobs_config_new_from_environment() does. This function never fails: use it in a program that
 * must run with any environment.
 *
 * If a variable or the profile is not valid, or if there is no API key for a service on another
 * machine, lsobs logs a line that says what is wrong and what to do. The observer is then disabled:
 * it accepts all calls and does nothing. If no variable turns tracing on, the observer is disabled,
 * too, but lsobs logs nothing. lsobs_observer_get_tracing_enabled() tells whether the observer
 * traces.
 *
 * Each call creates a new observer, and reads the environment again. To show the error in the
 * program itself, call lsobs_config_new_from_environment() and lsobs_observer_new(), which return a
 * #GError.
 *
 * Reads the file of the profile, in the calling thread. Can be called from any thread, while no
 * other thread changes the environment.
 *
 * Returns: (transfer full): a new observer
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
  _lsobs_exporter_hold (exporter);
  do
    {
      g_autoptr (LsobsExporter) current = _lsobs_observer_ref_exporter (self);
      /* In a forked child, this makes a dispatcher, so that it cannot be called below. */
      LsobsDispatcher *dispatcher = _lsobs_exporter_get_dispatcher (current);

      replaced = NULL;
      _lsobs_fork_begin_change ();
      is_closed = _lsobs_lineage_is_closed_unlocked (self->lineage);
      if (!is_closed && self->exporter == current)
        {
          _lsobs_lineage_retire_unlocked (self->lineage, dispatcher);
          replaced = self->exporter;
          self->exporter = exporter;
          _lsobs_lineage_set_tracing (self->lineage, tracing);
        }
      _lsobs_fork_end_change ();
    }
  while (replaced == NULL && !is_closed);
  _lsobs_exporter_release (is_closed ? exporter : replaced);
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
 * @config: the new settings; the observer copies them
 * @error: return location for a #GError, or %NULL
 *
 * Replaces the settings of an observer while the program runs: turns tracing on or off, or sends
 * traces to another service, workspace or project. Runs that have started keep their parents.
 *
 * A trace does not move. The runs of a trace that has started, and the runs that are started below
 * them, use the settings of the time when the trace started. If @config turns tracing off, runs
 * that have started still end, so that no run stays open at the service. Runs that are started
 * below them are left out, and counted by %LSOBS_COUNTER_UNSAMPLED. New traces use @config.
 *
 * The previous exporter continues while the program has runs of it. Then it ends as after the last
 * unref of an observer: it sends its records for at most the #LsobsConfig:shutdown-timeout of the
 * previous settings. At most five such exporters send at the same time; if there are more, the
 * oldest one stops at once. lsobs_observer_flush(), lsobs_observer_shutdown() and the end of the
 * program also wait for it, within their timeout, and lsobs_observer_dup_stats() includes its
 * counters. While both exporters send, the redaction functions of both can run at the same time, in
 * different threads.
 *
 * If the observer was made with a transport, it keeps that transport; otherwise @config says where
 * traces go. #LsobsObserver:main-context does not change. lsobs_observer_get_exporter() returns a
 * new exporter afterwards. A program that reports runs by their ids keeps a reference to the
 * exporter that it started a run with, and ends the run with the same exporter.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG if lsobs_observer_new() would, or if @config turns tracing
 * on and the observer was made with an #LsobsClient as its transport. Fails with
 * %LSOBS_ERROR_CLOSED after a shutdown. If it fails, the observer does not change.
 *
 * Can be called from any thread, also while other threads start and end runs. Does no I/O.
 *
 * Returns: %TRUE if the new settings are in use
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
  gboolean reads_freely;

  g_return_val_if_fail (self->lineage != NULL, NULL);

  reads_freely = _lsobs_fork_begin_read ();
  exporter = _lsobs_exporter_hold (self->exporter);
  _lsobs_fork_end_read (reads_freely);
  if (nested)
    start->parent = parent = _lsobs_run_context_ref (exporter);
  return _lsobs_run_start_holding (exporter, start);
}

static gboolean
is_of_lineage (LsobsObserver *self, LsobsExporter *exporter)
{
  return _lsobs_exporter_peek_lineage (exporter) == self->lineage;
}

/**
 * lsobs_observer_begin_invocation:
 * @self: an observer
 * @name: the name of the root run, which the service shows
 * @input: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts one execution of a graph, as a new trace.
 *
 * Returns: (transfer full): a new invocation
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
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run, as the root of a new trace. The call converts @inputs to text: later changes to
 * @inputs have no effect.
 *
 * Returns: (transfer full): a new run
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
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs, as JSON text in UTF-8; the run keeps a reference and does not
 *   copy them
 *
 * Starts a run, as the root of a new trace, with inputs that are JSON text. Text that is not JSON
 * is sent as a string. If an object has several members with the same name, the last one is sent.
 *
 * Returns: (transfer full): a new run
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
 * @name: the name of the run, which the service shows
 * @kind: the kind of the run, any word, such as `agent`
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run, as the root of a new trace. If @kind is not a run type of the service, the type of
 * the run is %LSOBS_RUN_TYPE_CHAIN, its metadata `ls_run_kind` is @kind, and lsobs logs this once
 * in a process.
 *
 * Returns: (transfer full): a new run
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
 * @project_name: (nullable): the project that the trace belongs to, in UTF-8, or %NULL or an empty
 *   string for the project of the config; the service creates a project that does not exist
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run, as the root of a new trace, in another project than that of the config. This is for
 * programs with several agents or several customers. All runs below it belong to that project, even
 * in other processes that get the headers of lsobs_run_to_headers(). A replica that has its own
 * project, see lsobs_config_add_replica(), still writes to that one.
 *
 * Returns: (transfer full): a new run
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
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run below the current run of this thread, as lsobs_run_start_child() does. The parent is
 * the innermost run of the thread that belongs to @self and has not ended. If there is no such run,
 * the new run is the root of a new trace. The new run does not become the current run; see
 * lsobs_run_push_thread_default().
 *
 * Returns: (transfer full): a new run
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
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs, as JSON text in UTF-8; the run keeps a reference and does not
 *   copy them
 *
 * Starts a run below the current run of this thread, as lsobs_observer_start_nested_run() does,
 * with inputs that are JSON text. Text that is not JSON is sent as a string. If an object has
 * several members with the same name, the last one is sent.
 *
 * Returns: (transfer full): a new run
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
 * @name: the name of the run, which the service shows
 * @kind: the kind of the run, any word, such as `agent`
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run below the current run of this thread, as lsobs_observer_start_nested_run() does. If
 * @kind is not a run type of the service, the type of the run is %LSOBS_RUN_TYPE_CHAIN, and its
 * metadata `ls_run_kind` is @kind.
 *
 * Returns: (transfer full): a new run
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
 * @project_name: (nullable): the project that the trace belongs to if the run is a root, in UTF-8,
 *   or %NULL or an empty string for the project of the config; the service creates a project that
 *   does not exist
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run below the current run of this thread, as lsobs_observer_start_nested_run() does. If
 * there is no current run, the new run is the root of a new trace in @project_name, as with
 * lsobs_observer_start_run_in_project().
 *
 * Returns: (transfer full): a new run
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
 * @feedback: the feedback; the observer copies it
 * @error: return location for a #GError, or %NULL
 *
 * Adds feedback to a run of this program or of another one; see lsobs_exporter_add_feedback().
 *
 * Fails with %LSOBS_ERROR_INVALID_FEEDBACK if the service would refuse it: an id is not a UUID; the
 * key is empty or longer than 180 characters; the score is not a finite number; the value is an
 * array; the correction is neither an object nor a string; or the config is not as
 * lsobs_feedback_set_config() requires.
 *
 * Returns: %TRUE if the feedback is accepted, or if the sampler has left its trace out
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
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @stats: (out caller-allocates) (optional): return location for the numbers of records
 * @error: return location for a #GError, or %NULL
 *
 * Sends the records that are in the queue, and waits until each of them is delivered or lost. See
 * lsobs_exporter_flush() for the errors and the threads.
 *
 * Returns: %TRUE if all records were delivered
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
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the flush ends
 * @user_data: data for @callback
 *
 * Does what lsobs_observer_flush() does, but does not block. @callback runs in the thread-default
 * main context of the caller.
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
 * @result: the result that @callback of lsobs_observer_flush_async() was called with
 * @stats: (out caller-allocates) (optional): return location for the numbers of records
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_observer_flush_async(). Fails as lsobs_observer_flush() does, or with
 * %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if all records were delivered
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
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @stats: (out caller-allocates) (optional): return location for the numbers of records
 * @error: return location for a #GError, or %NULL
 *
 * Sends the records that are in the queue, waits for them, and ends the thread. The observer
 * accepts no records afterwards. See lsobs_exporter_shutdown() for the errors and the threads.
 *
 * Returns: %TRUE if all records were delivered
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
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the shutdown ends
 * @user_data: data for @callback
 *
 * Does what lsobs_observer_shutdown() does, but does not block. @callback runs in the
 * thread-default main context of the caller.
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
 * @result: the result that @callback of lsobs_observer_shutdown_async() was called with
 * @stats: (out caller-allocates) (optional): return location for the numbers of records
 * @error: return location for a #GError, or %NULL
 *
 * Finishes lsobs_observer_shutdown_async(). Fails as lsobs_observer_shutdown() does, or with
 * %G_IO_ERROR_CANCELLED.
 *
 * Returns: %TRUE if all records were delivered
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
 * Gets the current values of all counters.
 *
 * Returns: (transfer full): a snapshot of the counters
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
 * Gets the state of delivery.
 *
 * Returns: the state; with replicas, the worst of their states
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
 * Checks whether the observer traces. The value is that of #LsobsConfig:tracing-enabled in the
 * config that the observer was made with, or in the config of the last
 * lsobs_observer_reconfigure(). If it is %FALSE, a program does not need to prepare inputs and
 * outputs. For one run, call lsobs_run_is_sampled(). This function takes no lock.
 *
 * Returns: %TRUE if the observer traces
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
 * Gets the exporter of the observer, for programs that report runs by their ids. The reference
 * keeps the exporter alive after lsobs_observer_reconfigure() has replaced it.
 *
 * Can be called from any thread.
 *
 * Returns: (transfer full): the exporter
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
 * Gets the exporter of the observer, for programs that report runs by their ids. It is valid until
 * lsobs_observer_reconfigure() replaces it. If another thread can call that function, call
 * lsobs_observer_ref_exporter() instead. Bindings always call that one.
 *
 * Returns: (transfer none): the exporter
 *
 * Since: 0.1
 */
LsobsExporter *
lsobs_observer_get_exporter (LsobsObserver *self)
{
  LsobsExporter *exporter;
  gboolean reads_freely;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (self->lineage != NULL, NULL);

  reads_freely = _lsobs_fork_begin_read ();
  exporter = self->exporter;
  _lsobs_fork_end_read (reads_freely);
  return exporter;
}
