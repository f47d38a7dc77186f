/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-signal-watch-private.h"

/* What lsobs does with the signals that end the program, if the program has asked for it.
 *
 * The handler uses only the variables below, and functions that are safe in a handler: it posts a
 * semaphore, for which a thread waits. A semaphore needs no descriptor, so that a program may close
 * all of its descriptors, and a forked child does not share it with its parent.
 *
 * A forked child has no thread, and a signal ends it at once, until it uses an observer. */
static sem_t arrived;
static int first_signal; /* atomic: the signal that ends the process, or 0 */
/* atomic: the process that has the thread. A child of vfork() runs in the memory of its parent. */
static int owner_pid;
/* atomic: the epoch that the thread was started in, plus 1; 0 without a thread */
static guint started_in;

static LsobsSignalFunc end_func; /* atomic (nullable): NULL before a handler is installed */

/* Ends the process by the default action of the signal, at once. */
G_NORETURN static void
end_process (int signal_number)
{
  struct sigaction action = { .sa_handler = SIG_DFL };
  sigset_t set;

  sigemptyset (&action.sa_mask);
  sigaction (signal_number, &action, NULL);
  sigemptyset (&set);
  sigaddset (&set, signal_number);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  (void) raise (signal_number);
  /* The first process of a PID namespace cannot be ended by a signal of its own. */
  _exit (128 + signal_number);
}

static gboolean
is_owner (void)
{
  return (guint) g_atomic_int_get (&started_in) == _lsobs_fork_epoch () + 1 &&
         g_atomic_int_get (&owner_pid) == (int) getpid ();
}

/* A signal handler. */
static void
handle_signal (int signal_number)
{
  int saved_errno = errno;

  if (!is_owner ())
    end_process (signal_number);
  if (g_atomic_int_compare_and_exchange (&first_signal, 0, signal_number))
    sem_post (&arrived);
  else if (signal_number != SIGHUP || g_atomic_int_get (&first_signal) != SIGHUP)
    end_process (signal_number);
  errno = saved_errno;
}

static gboolean
is_ours (const struct sigaction *action)
{
  return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == handle_signal;
}

/* Ends the process, unless the program has taken the signal over in the meantime: then its handler
 * decides. */
static void
pass_on (int signal_number)
{
  struct sigaction action;

  if (sigaction (signal_number, NULL, &action) == 0 && is_ours (&action))
    end_process (signal_number);
  kill (getpid (), signal_number);
}

/* The thread is in no way of a fork: it waits, and then does what a thread of the program may do. */
static gpointer
thread_main (gpointer user_data G_GNUC_UNUSED)
{
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  _lsobs_fork_guard_open ();
  for (;;)
    {
      while (sem_wait (&arrived) != 0)
        g_assert (errno == EINTR);
      ((LsobsSignalFunc) g_atomic_pointer_get (&end_func)) ();
      pass_on (g_atomic_int_get (&first_signal));
      g_atomic_int_set (&first_signal, 0);
    }
  return NULL;
}

/* Starts the thread of this process, once.
 * Returns: %FALSE if no thread can be started */
static gboolean
ensure_thread (GError **error)
{
  guint mark = _lsobs_fork_epoch () + 1;
  guint last = (guint) g_atomic_int_get (&started_in);
  GThread *thread;

  if (last == mark ||
      !g_atomic_int_compare_and_exchange ((int *) &started_in, (int) last, (int) mark))
    return TRUE;
  g_atomic_int_set (&first_signal, 0);
  sem_init (&arrived, 0, 0);
  thread = _lsobs_fork_guard_start_thread ("lsobs-signals", thread_main, NULL, error);
  if (thread == NULL)
    {
      g_atomic_int_set (&started_in, 0);
      return FALSE;
    }
  g_thread_unref (thread);
  g_atomic_int_set (&owner_pid, (int) getpid ());
  return TRUE;
}

/* Called when an observer is used first in this process. In a forked child, it starts the thread.
 * Without a thread, signals end the child at once. */
void
_lsobs_signal_watch_renew (void)
{
  g_autoptr (GError) error = NULL;

  if (g_atomic_pointer_get (&end_func) != NULL && !ensure_thread (&error))
    g_warning (
        _ ("A signal will end this process at once, and lose what waits to be sent: no thread can be started: %s"),
        error->message);
}

/* Leaves alone what is ignored, and what the program handles. */
static void
install_handler (int signal_number)
{
  struct sigaction action = { .sa_handler = handle_signal, .sa_flags = SA_RESTART | SA_ONSTACK };
  struct sigaction old;

  if (sigaction (signal_number, NULL, &old) != 0 || (old.sa_flags & SA_SIGINFO) != 0 ||
      old.sa_handler != SIG_DFL)
    return;
  sigfillset (&action.sa_mask);
  sigaction (signal_number, &action, NULL);
}

/* Calls a function in a thread of its own before one of these signals ends the process. Signals that
 * are ignored or have a handler stay as they are.
 * @func: the same in each call
 * Returns: %FALSE if no thread can be started */
gboolean
_lsobs_signal_watch_install (const int *signals,
                             gsize n_signals,
                             LsobsSignalFunc func,
                             GError **error)
{
  if (!ensure_thread (error))
    return FALSE;
  g_atomic_pointer_set (&end_func, func);
  for (gsize i = 0; i < n_signals; i++)
    install_handler (signals[i]);
  return TRUE;
}
