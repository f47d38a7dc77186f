/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-run-context-private.h"
#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/lsobs-observer.h"

/* The roots of traces, and what finds its parent by itself. */

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
  const LsobsRunPayload payload = { .node = inputs, .duration_ms = -1 };
  LsobsExporter *exporter = lsobs_observer_get_exporter (self);

  if (exporter == NULL)
    return NULL;
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_run_start (exporter, NULL, name, run_type, &payload);
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
  const LsobsRunPayload payload = { .json = inputs, .duration_ms = -1 };
  LsobsExporter *exporter = lsobs_observer_get_exporter (self);

  if (exporter == NULL)
    return NULL;
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_run_start (exporter, NULL, name, run_type, &payload);
}

/**
 * lsobs_observer_start_run_of_kind:
 * @self: an observer
 * @name: what the service shows the run as
 * @kind: what the run does, in any word, such as `agent`
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run, as the root of a new trace. A @kind that is no type of the service's makes
 * it an %LSOBS_RUN_TYPE_CHAIN; the word is kept as the metadata `ls_run_kind`.
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
  LsobsExporter *exporter = lsobs_observer_get_exporter (self);

  if (exporter == NULL)
    return NULL;
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (kind != NULL, NULL);

  return _lsobs_run_start_of_kind (exporter, NULL, name, kind, inputs);
}

/**
 * lsobs_observer_start_nested_run:
 * @self: an observer
 * @name: what the service shows the run as
 * @run_type: what the run does
 * @inputs: (nullable): what goes in; what is no object becomes `{"value": …}`
 *
 * Starts a run below the current run of this thread, as lsobs_run_start_child() does. The
 * innermost run counts that is of @self; where there is none, the new run is the root of
 * a trace. It is not the current run by that, see lsobs_run_push_thread_default().
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
  const LsobsRunPayload payload = { .node = inputs, .duration_ms = -1 };
  LsobsExporter *exporter = lsobs_observer_get_exporter (self);

  if (exporter == NULL)
    return NULL;
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_run_start (exporter, _lsobs_run_context_find (exporter), name, run_type, &payload);
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
  const LsobsRunPayload payload = { .json = inputs, .duration_ms = -1 };
  LsobsExporter *exporter = lsobs_observer_get_exporter (self);

  if (exporter == NULL)
    return NULL;
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_run_start (exporter, _lsobs_run_context_find (exporter), name, run_type, &payload);
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
  LsobsExporter *exporter = lsobs_observer_get_exporter (self);

  if (exporter == NULL)
    return NULL;
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (kind != NULL, NULL);

  return _lsobs_run_start_of_kind (exporter, _lsobs_run_context_find (exporter), name, kind,
                                   inputs);
}
