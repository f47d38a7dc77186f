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
 * @short_description: sends records before a signal ends the program
 *
 * A signal such as `SIGTERM` ends a program immediately, unless the program handles the signal. The
 * records in the queue are then lost. After lsobs_install_signal_handlers(), lsobs handles such
 * signals.
 *
 * |[<!-- language="C" -->
 * if (!lsobs_install_signal_handlers (NULL, 0, &error))
 *   g_warning ("%s", error->message);
 * ]|
 *
 * When the signal arrives, a thread of lsobs shuts down all observers, each within its
 * #LsobsConfig:exit-timeout. Then it ends the program with the same signal, so that the parent
 * process gets the expected status. The program continues meanwhile. Runs that start during that
 * time are lost, and counted. Functions registered with `atexit ()` are not called, as without
 * lsobs. A second signal ends the program immediately; but a second `SIGHUP` does not, because a
 * terminal that is closed can send several.
 *
 * lsobs handles only signals that have no other handler:
 *
 * - A signal that is ignored stays ignored, such as `SIGHUP` with `nohup`.
 * - A handler that the program has installed before stays. It decides whether the program ends. If
 *   it returns from `main ()` or calls `exit ()`, the records in the queue are sent. If it calls
 *   `_exit ()` or raises the same signal, they are lost, unless the program calls
 *   lsobs_observer_shutdown() before. This applies to g_unix_signal_add(), and to Python's handler
 *   of `SIGINT`.
 * - A handler that is installed later, with `sigaction ()`, g_unix_signal_add() or
 *   `signal.signal ()` of Python, replaces the handler of lsobs. If the program removes it, the
 *   signal has its default action: neither g_source_remove() of the last source of
 *   g_unix_signal_add() nor `signal.signal ()` with `SIG_DFL` or with the handler that it returned
 *   before restores the handler of lsobs. Call lsobs_install_signal_handlers() again then. A
 *   handler that is installed with `sigaction ()` may call the handler of lsobs, as some crash
 *   reporters do.
 *
 * If all threads block a signal, for `sigwait ()` or `signalfd ()`, no handler is called.
 *
 * After a `fork ()`, a signal ends the child immediately, as without lsobs, until the child uses an
 * observer; then lsobs handles the signal as in the parent. A program that is started with
 * `exec ()` has the default actions. The first process of a container ignores signals with the
 * default action: lsobs ends it with the exit status 128 plus the number of the signal.
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
 * @signals: (array length=n_signals) (nullable): the signals: `SIGTERM`, `SIGINT`, `SIGHUP` or
 *   `SIGQUIT`; %NULL for the first three
 * @n_signals: the number of signals; 0 if @signals is %NULL
 * @error: return location for a #GError, or %NULL
 *
 * Installs handlers that send the records of all observers of this process before one of these
 * signals ends it. A signal that is ignored, or that has a handler, does not change; see the
 * description above. Call the function again for more signals, or after the program has removed its
 * own handler. It can be called before there is an observer. It starts a thread.
 *
 * Only programs should call this function, not libraries. Call it after the program has installed
 * its own handlers. It can be called from any thread; best before the program starts other threads.
 *
 * Fails with %LSOBS_ERROR_INVALID_CONFIG if @signals contains another signal, and with
 * %G_THREAD_ERROR_AGAIN if no thread can be started. In both cases, no handler is installed.
 *
 * Returns: %TRUE if lsobs or the program handles each of the signals, or if the signal is ignored
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
