/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-exporter.h>
#include <lsobs/lsobs-run.h>

G_BEGIN_DECLS

/**
 * LsobsRunPusher:
 *
 * Something that makes a run the current one of a thread until it is freed, which
 * `g_autoptr` does at the end of a block.
 *
 * Since: 0.1
 */
typedef struct _LsobsRunPusher LsobsRunPusher;

/**
 * LsobsRunFunc:
 * @run: the run that it is the work of
 * @user_data: what was given along with the function
 * @error: return location for a #GError
 *
 * The work of a run; see lsobs_run_wrap().
 *
 * Since: 0.1
 */
typedef void (*LsobsRunFunc) (LsobsRun *run, gpointer user_data, GError **error);

/**
 * LsobsRunContextFunc:
 * @exporter: (nullable): the exporter of the run that is about to be started, or %NULL if a
 *   run of any is asked for
 * @serial: the number of the innermost push of this thread that counts for @exporter, as
 *   lsobs_run_get_context_serial() gives it, or 0 if there is none
 * @user_data: what was given along with the function
 *
 * Tells the current run of the calling thread, for lsobs_run_set_context_func(). A sampled run
 * of another exporter than @exporter is ignored. Of a run that is not sampled, children of any
 * exporter are left out.
 *
 * Returns: (transfer full) (nullable): the current run; %NULL for what the thread has pushed,
 *   which is right if that was pushed after the function's own run became the current one
 *
 * Since: 0.1
 */
typedef LsobsRun *(*LsobsRunContextFunc) (LsobsExporter *exporter,
                                          guint64 serial,
                                          gpointer user_data);

/**
 * LsobsRootContextFunc:
 * @is_left_out: (out): return location for whether the trace is left out, with everything below the
 *   root
 * @user_data: what was given along with the function
 *
 * Tells how the root of a trace starts in the calling thread, for
 * lsobs_run_set_root_context_func().
 *
 * Returns: (transfer full) (nullable): the project of the trace, in UTF-8; %NULL, or an empty text,
 *   for that of the config
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
