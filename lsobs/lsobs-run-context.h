/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-exporter.h>
#include <lsobs/lsobs-run.h>

G_BEGIN_DECLS

/**
 * LsobsRunPusher:
 *
 * Makes a run the current run of a thread until it is freed. `g_autoptr` frees it at the end of a
 * block.
 *
 * Since: 0.1
 */
typedef struct _LsobsRunPusher LsobsRunPusher;

/**
 * LsobsRunFunc:
 * @run: the run
 * @user_data: the data that was given with the function
 * @error: return location for a #GError
 *
 * The work of a run; see lsobs_run_wrap().
 *
 * Since: 0.1
 */
typedef void (*LsobsRunFunc) (LsobsRun *run, gpointer user_data, GError **error);

/**
 * LsobsRunContextFunc:
 * @exporter: (nullable): the exporter of the run that is about to start, or %NULL if the run may
 *   belong to any exporter
 * @serial: the number of the innermost push of this thread that counts for @exporter, as of
 *   lsobs_run_get_context_serial(), or 0 if there is none
 * @user_data: the data that was given with the function
 *
 * Returns the current run of the calling thread, for lsobs_run_set_context_func(). A sampled run of
 * another exporter than @exporter is ignored. If the run is not sampled, its children are left out,
 * of any exporter.
 *
 * Returns: (transfer full) (nullable): the current run, or %NULL to use the stack of the thread;
 *   return %NULL if @serial is higher than lsobs_run_get_context_serial() was when the function's
 *   own run became the current run
 *
 * Since: 0.1
 */
typedef LsobsRun *(*LsobsRunContextFunc) (LsobsExporter *exporter,
                                          guint64 serial,
                                          gpointer user_data);

/**
 * LsobsRootContextFunc:
 * @is_left_out: (out): return location for whether to leave out the trace, with all runs below the
 *   root
 * @user_data: the data that was given with the function
 *
 * Decides about the root of a trace that starts in the calling thread, for
 * lsobs_run_set_root_context_func().
 *
 * Returns: (transfer full) (nullable): the project of the trace, in UTF-8, or %NULL or an empty
 *   string for the project of the config
 *
 * Since: 0.1
 */
typedef char *(*LsobsRootContextFunc) (gboolean *is_left_out, gpointer user_data);

LSOBS_AVAILABLE_IN_0_1
void lsobs_run_push_thread_default (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_pop_thread_default (LsobsRun *self);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_run_get_thread_default (void);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_run_ref_thread_default (void);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_context_func (LsobsRunContextFunc func,
                                 gpointer user_data,
                                 GDestroyNotify notify);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_set_root_context_func (LsobsRootContextFunc func,
                                      gpointer user_data,
                                      GDestroyNotify notify);
LSOBS_AVAILABLE_IN_0_1
guint64 lsobs_run_get_context_serial (void);

LSOBS_AVAILABLE_IN_0_1
LsobsRunPusher *lsobs_run_pusher_new (LsobsRun *run);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_pusher_free (LsobsRunPusher *self);

LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_wrap (LsobsRun *self, LsobsRunFunc func, gpointer user_data, GError **error);

LSOBS_AVAILABLE_IN_0_1
void lsobs_task_set_run (GTask *task, LsobsRun *run);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_task_get_run (GTask *task);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRunPusher, lsobs_run_pusher_free)

G_END_DECLS
