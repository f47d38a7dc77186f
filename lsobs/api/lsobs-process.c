/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-binding-hook-private.h"
#include "lsobs/core/lsobs-callback-ban-private.h"
#include "lsobs/lsobs-process.h"
#include "lsobs/pipeline/lsobs-dispatcher-list-private.h"
#include "lsobs/transport/lsobs-runtime-private.h"

/**
 * SECTION:lsobs-process
 * @title: The process
 * @short_description: functions for all observers of a process
 *
 * These functions apply to all observers and exporters of a process together.
 */

/**
 * lsobs_shutdown_all:
 * @timeout: the longest time to wait, in milliseconds, or a negative number for no limit
 * @error: return location for a #GError, or %NULL
 *
 * Shuts down all observers and exporters of this process at the same time, within one @timeout.
 * Each of them sends its records as lsobs_exporter_shutdown() does, and accepts no records
 * afterwards: later ones are counted by %LSOBS_DROP_REASON_SHUTDOWN. One that waits for its service
 * does not delay the others. The function also waits for observers whose last reference is gone,
 * but that still send. It does not affect observers that are made later.
 *
 * In a child process of fork(), the function ignores observers of the parent process that the child
 * has not used.
 *
 * Fails with the first error of lsobs_exporter_shutdown(). %LSOBS_FLUSH_ERROR_PERMANENT and
 * %LSOBS_FLUSH_ERROR_TIMEOUT mean that some records were lost, possibly of an observer whose last
 * reference is gone. %LSOBS_FLUSH_ERROR_WOULD_DEADLOCK means that a redaction function or a
 * transport has called this function: its observer is not shut down; all others are.
 *
 * Can be called from any thread, and several times.
 *
 * Returns: %TRUE if all records were delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_shutdown_all (gint64 timeout, GError **error)
{
  return _lsobs_dispatcher_list_shut_down (timeout, error);
}

/**
 * lsobs_shutdown_at_exit:
 * @error: return location for a #GError, or %NULL
 *
 * Does immediately what lsobs does at the end of the process: shuts down all observers and
 * exporters at the same time, each within its #LsobsConfig:exit-timeout. This is for interpreters,
 * which end before the process does, and for programs that end with `_exit ()`. If the calling
 * thread is in a redaction function or a transport, the observer of that function cannot continue:
 * its records are lost, and counted by %LSOBS_DROP_REASON_SHUTDOWN. If
 * lsobs_forbid_callbacks_at_exit() was called, lsobs calls no function of the program from then on.
 *
 * Fails as lsobs_shutdown_all() does.
 *
 * Can be called from any thread, and several times.
 *
 * Returns: %TRUE if all records were delivered
 *
 * Since: 0.1
 */
gboolean
lsobs_shutdown_at_exit (GError **error)
{
  gboolean done = _lsobs_dispatcher_list_end (error);

  _lsobs_callback_ban_end_process ();
  return done;
}

/**
 * lsobs_forbid_callbacks_at_exit:
 *
 * Forbids calls from lsobs to functions of the program at the end of the process. This is for
 * interpreters, which end before the process does. From then on, their redaction functions,
 * transports and log functions cannot be called, and a main context of the program may contain
 * their sources.
 *
 * At the end of the process, lsobs then runs no main context of the program. An observer with
 * #LsobsObserver:main-context sends its records without that context. If it has a redaction
 * function, or a transport of the program, its records are lost, and counted by
 * %LSOBS_DROP_REASON_SHUTDOWN. lsobs calls no redaction function at the end of the process, and
 * never in its own threads. Fields that the function would redact are left out, and counted by
 * %LSOBS_COUNTER_REDACTION_FAILURES. The functions to flush and to shut down still run the context,
 * until the process ends.
 *
 * After lsobs_shutdown_at_exit(), this function waits for threads that are in the function of
 * lsobs_run_set_context_func(), for at most 1000 milliseconds. Release the lock of the interpreter
 * before you call it.
 *
 * Can be called from any thread, and several times.
 *
 * Since: 0.1
 */
void
lsobs_forbid_callbacks_at_exit (void)
{
  _lsobs_callback_ban_enable ();
  if (_lsobs_callback_ban_covers_all ())
    _lsobs_binding_hook_wait ();
}

/**
 * lsobs_set_language:
 * @name: the language of the program, such as `python`
 * @version: (nullable): the version of its interpreter, such as `3.13.1`
 *
 * Sets the `runtime` and the `runtime_version` in the object `runtime` of the `extra` of runs. It
 * applies to all observers of the process, and to all runs that are sent afterwards. By default,
 * `runtime` is `c`, and there is no version. The bindings for Python and GJS call this function
 * when they are loaded. A later call replaces the values.
 *
 * Can be called from any thread. Call it only a few times: lsobs keeps each different pair of
 * strings until the process ends.
 *
 * Since: 0.1
 */
void
lsobs_set_language (const char *name, const char *version)
{
  g_return_if_fail (name != NULL);

  _lsobs_runtime_set_language (name, version);
}
