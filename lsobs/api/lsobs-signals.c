/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <signal.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-signal-watch-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-process.h"
#include "lsobs/lsobs-signals.h"

/**
 * SECTION:lsobs-signals
 * @title: Signals
 * @short_description: what waits is sent before a signal ends the program
 *
 * A signal such as `SIGTERM` ends a program at once, unless the program handles it: what
 * waits to be sent is lost. lsobs_install_signal_handlers() makes lsobs handle such
 * signals.
 *
 * |[<!-- language="C" -->
 * if (!lsobs_install_signal_handlers (NULL, 0, &error))
 *   g_warning ("%s", error->message);
 * ]|
 *
 * When the signal comes, a thread of lsobs shuts all observers down, each within its
 * #LsobsConfig:exit-timeout. Then it ends the program by the same signal, so that the parent process
 * sees what it expects. The program goes on meanwhile; runs that start then are lost, and
 * counted. Functions registered with `atexit ()` are not called, as without lsobs. A second
 * signal ends the program at once; only a second `SIGHUP` does not, as a terminal that is
 * closed may send several.
 *
 * lsobs only takes signals that have no other handler:
 *
 * - A signal that is ignored stays ignored, such as `SIGHUP` below `nohup`.
 * - A handler that the program has installed before stays. It decides whether the program ends. If
 *   it does, by return from `main ()` or `exit ()`, what waits is sent. If it does by `_exit ()` or
 *   by the same signal, what waits is lost, unless the program calls lsobs_observer_shutdown()
 *   before. This is so with g_unix_signal_add(), and with Python's handler of `SIGINT`.
 * - A handler that is installed later replaces that of lsobs: `sigaction ()`, g_unix_signal_add(),
 *   `signal.signal ()` of Python. When it is removed, the signal has its default action:
 *   g_source_remove() of the last source of g_unix_signal_add(), and `signal.signal ()` with
 *   `SIG_DFL` or with the handler that it returned before, do not bring lsobs's handler back. Call
 *   lsobs_install_signal_handlers() again then. A handler installed with sigaction() that calls the
 *   handler before it, as some crash reporters do, is fine.
 *
 * A signal that all threads block, to be read with `sigwait ()` or `signalfd ()`, is not delivered to
 * any handler.
 *
 * After a `fork ()`, a signal ends the child at once, as it does without lsobs, until the child
 * uses an observer; from then on it ends like its parent. A program that is executed by `exec ()`
 * has the default actions. The first process of a container ignores signals with the default
 * action, and so cannot end by one: it exits with the status 128 + the number of the signal.
 */

static const int default_signals[] = { SIGTERM, SIGINT, SIGHUP };
static const int possible_signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

static gboolean
is_possible (int signal_number)
{
  for (guint i = 0; i < G_N_ELEMENTS (possible_signals); i++)
    if (possible_signals[i] == signal_number)
      return TRUE;
  return FALSE;
}

static void
shut_down (void)
{
  lsobs_shutdown_at_exit (NULL);
}

/**
 * lsobs_install_signal_handlers:
 * @signals: (array length=n_signals) (nullable): numbers of signals: `SIGTERM`, `SIGINT`,
 *   `SIGHUP` or `SIGQUIT`; %NULL for the first three
 * @n_signals: how many; 0 for the first three
 * @error: return location for a #GError, or %NULL
 *
 * Sends what waits in all observers of this process before one of these signals ends it.
 * Signals that are ignored, or that have a handler, stay as they are; see the description
 * above. The function may be called several times, for more signals, or after the program
 * has removed a handler of its own; it may be called before there is an observer. It
 * starts a thread.
 *
 * Only programs should call this, not libraries. Call it after handlers of the program's own are
 * installed. It may be called from any thread, at best before others are started.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG when @signals contains another signal, and with
 * %G_THREAD_ERROR_AGAIN when no thread can be started. In both cases no handler is installed.
 *
 * Returns: %TRUE if each of the signals is handled now, by lsobs or by the program, or is ignored
 *
 * Since: 0.1
 */
gboolean
lsobs_install_signal_handlers (const int *signals, gsize n_signals, GError **error)
{
  g_return_val_if_fail (signals != NULL || n_signals == 0, FALSE);

  if (n_signals == 0)
    {
      signals = default_signals;
      n_signals = G_N_ELEMENTS (default_signals);
    }
  for (gsize i = 0; i < n_signals; i++)
    if (!is_possible (signals[i]))
      {
        g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                     /* TRANSLATORS: the number of a signal, and names of signals. */
                     _ ("Signal %d cannot be handled; use one of %s"), signals[i],
                     "SIGTERM, SIGINT, SIGHUP, SIGQUIT");
        return FALSE;
      }
  return _lsobs_signal_watch_install (signals, n_signals, shut_down, error);
}
