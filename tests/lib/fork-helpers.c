/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/lib/fork-helpers.h"
#include "tests/lib/test-helpers.h"

#if defined(__SANITIZE_THREAD__)
# define HAS_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
# define HAS_ASAN 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define HAS_TSAN 1
# elif __has_feature(address_sanitizer)
#  define HAS_ASAN 1
# endif
#endif

static gboolean
is_under_valgrind (void)
{
  const char *preload = g_getenv ("LD_PRELOAD");

  return preload != NULL && strstr (preload, "vgpreload") != NULL;
}

/* In the child. Under valgrind, it gets out of the search for leaks: all that belongs to threads of the
 * parent is lost here, and is meant to be. */
G_NORETURN static void
end_child (void)
{
  if (is_under_valgrind ())
    execl ("/bin/true", "true", NULL);
  _exit (0);
}

#ifdef HAS_ASAN
/* Whether every other thread sleeps. */
static gboolean
others_sleep (void)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  const char *name;

  while (tasks != NULL && (name = g_dir_read_name (tasks)) != NULL)
    {
      g_autofree char *path = g_strdup_printf ("/proc/self/task/%s/stat", name);
      g_autofree char *stat = NULL;
      const char *state;

      /* The first thread of the program is the one that asks, and the only one that runs. */
      if (g_ascii_strtoll (name, NULL, 10) == getpid () ||
          !g_file_get_contents (path, &stat, NULL, NULL))
        continue;
      state = strrchr (stat, ')');
      if (state != NULL && strlen (state) > 2 && state[2] != 'S')
        return FALSE;
    }
  return TRUE;
}

/* A thread that is preempted in the middle of malloc () holds locks of AddressSanitizer's allocator, which
 * lets no child have them: the C library's does. So nobody else may be at it. */
static void
wait_until_others_sleep (void)
{
  gint64 deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;

  while (!(others_sleep () && others_sleep ()) && g_get_monotonic_time () < deadline)
    g_thread_yield ();
}
#endif

pid_t
fork_start_alone (ForkFunc func, RunFixture *fixture, gpointer data)
{
  pid_t pid;

  /* What waits in the buffers must not be written twice. */
  fflush (NULL);
#ifdef HAS_ASAN
  wait_until_others_sleep ();
#endif
  pid = fork ();
  g_assert_cmpint (pid, !=, -1);
  if (pid == 0)
    {
      func (fixture, data);
      end_child ();
    }
  return pid;
}

pid_t
fork_start (ForkFunc func, RunFixture *fixture, gpointer data)
{
  static pid_t owner; /* who has the thread of the server */
  gboolean parked;
  pid_t pid;

  /* The service of this test is a thread of this program: a lock of GObject's that it holds would be
   * held in the child for ever. */
  if (owner == 0)
    owner = getpid ();
  parked = getpid () == owner;
  if (parked)
    test_server_park (fixture->server);
  pid = fork_start_alone (func, fixture, data);
  if (parked)
    test_server_unpark (fixture->server);
  return pid;
}

gboolean
fork_wait (pid_t pid)
{
  gint64 deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
  pid_t ended;
  int status = 0;

  while ((ended = waitpid (pid, &status, WNOHANG)) == 0 && g_get_monotonic_time () < deadline)
    g_usleep (1000);
  if (ended == 0)
    {
      g_test_message ("The child %d was blocked", (int) pid);
      kill (pid, SIGKILL);
      waitpid (pid, &status, 0);
      return FALSE;
    }
  g_assert_cmpint (ended, ==, pid);
  if (WIFSIGNALED (status))
    g_test_message ("The child was ended by signal %d", WTERMSIG (status));
  return WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

void
fork_run (ForkFunc func, RunFixture *fixture, gpointer data)
{
  g_assert_true (fork_wait (fork_start (func, fixture, data)));
}

gboolean
fork_skip (void)
{
#ifdef HAS_TSAN
  g_test_skip ("ThreadSanitizer does not allow threads after a fork");
  return TRUE;
#else
  return FALSE;
#endif
}

gboolean
fork_skip_busy (void)
{
  if (fork_skip ())
    return TRUE;
#ifdef HAS_ASAN
  g_test_skip ("AddressSanitizer's allocator may be locked in the child for ever");
  return TRUE;
#else
  if (!is_under_valgrind ())
    return FALSE;
  g_test_skip (
      "Valgrind runs one thread at a time, and the child would wait too long for its turn");
  return TRUE;
#endif
}

void
fork_child_flush (RunFixture *fixture)
{
  child_assert (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS / 2, NULL, NULL));
}

static gboolean
stop_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

void
fork_run_context (guint ms)
{
  gboolean done = FALSE;

  g_timeout_add (ms, stop_cb, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
}

guint
fork_get_retry_delay (void)
{
  return test_is_instrumented () ? 2000 : 400;
}
