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
 * @short_description: what all observers of a process share
 *
 * What concerns all observers and exporters of a process together.
 */

/**
 * lsobs_shutdown_all:
 * @timeout: the longest time to wait, in milliseconds; negative for as long
 *   as it takes
 * @error: return location for a #GError, or %NULL
 *
 * Shuts down all observers and exporters of this process at the same time, within one @timeout.
 * Each of them takes no more records, and sends what waits, as with lsobs_exporter_shutdown();
 * one that has to wait for its service takes no time from the others. Records that
 * come later are counted by %LSOBS_DROP_REASON_SHUTDOWN. An observer that is made
 * later is not affected. Observers whose last reference is gone, but that still send, are waited for
 * in the same time.
 *
 * In a process made by fork(), the observers of the parent that this process has not used
 * are left alone.
 *
 * Fails with the first error of lsobs_exporter_shutdown(): %LSOBS_FLUSH_ERROR_PERMANENT or
 * %LSOBS_FLUSH_ERROR_TIMEOUT. Then some records were lost, maybe of an observer whose last reference
 * is gone. It may also be
 * %LSOBS_FLUSH_ERROR_WOULD_DEADLOCK: an observer that has called this function, from its redaction
 * function or its transport, is not shut down; all others are.
 *
 * May be called from any thread, and more than once.
 *
 * Returns: %TRUE if everything was delivered
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
 * Does at once what lsobs does at the end of the process: shuts down all observers and exporters at
 * the same time, each within its #LsobsConfig:exit-timeout. This is for interpreters, which end
 * before the process does, and for programs that end by `_exit ()`. An observer that is in its
 * redaction function or its transport in the calling thread cannot go on; its records are lost, and
 * counted by %LSOBS_DROP_REASON_SHUTDOWN. After lsobs_forbid_callbacks_at_exit(), lsobs calls no
 * function of the program from then on.
 *
 * Fails as lsobs_shutdown_all() does.
 *
 * May be called from any thread, and more than once.
 *
 * Returns: %TRUE if everything was delivered
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
 * Keeps lsobs from calling the program at the end of the process, from now on. This is for
 * interpreters, which end before the process does: no redaction function, no transport and no
 * function for the log of theirs can be called then, and a context of the program may contain sources
 * of theirs.
 *
 * Then lsobs runs no context of the program at the end of the process. What waits in an observer
 * with #LsobsObserver:main-context is sent without it; if the observer has a redaction function, or
 * a transport of the program, it is lost, and counted by %LSOBS_DROP_REASON_SHUTDOWN. At the end of
 * the process, and in its own threads at any time, lsobs calls no redaction function: fields that the
 * function has to judge are left out of what is sent, and counted by
 * %LSOBS_COUNTER_REDACTION_FAILURES. The functions to flush and to shut down run the context as
 * before, until the process ends.
 *
 * After lsobs_shutdown_at_exit(), this waits up to a second for threads that are in the function of
 * lsobs_run_set_context_func(): call it without the lock of the interpreter.
 *
 * May be called from any thread, and more than once.
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
 * Sets what runs have as the `runtime` and the `runtime_version` in the object `runtime` of their
 * `extra`: in all observers of the process, in what is sent from then on. Without this call the
 * `runtime` is `c`, and there is no version. The bindings for Python and GJS make this call when they
 * are loaded. The last call stands.
 *
 * May be called from any thread. A program makes few such calls: the memory of each different pair
 * lasts as long as the process.
 *
 * Since: 0.1
 */
void
lsobs_set_language (const char *name, const char *version)
{
  g_return_if_fail (name != NULL);

  _lsobs_runtime_set_language (name, version);
}
