/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sys/wait.h>
#include <unistd.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "tests/lib/fork-helpers.h"
#include "tests/lib/test-helpers.h"

/* What a thread of ours does before it is known, or after that, is nothing that a fork comes into. */

#define BIRTH_US (100 * 1000)

typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean begun;   /* guarded by lock */
  GMutex of_birth;  /* something that the child wants, too */
  gboolean entered; /* atomic */
} Birth;

static gpointer
slow_main (gpointer user_data)
{
  Birth *birth = user_data;
  LsobsForkGuard guard;

  g_mutex_lock (&birth->of_birth);
  g_mutex_lock (&birth->lock);
  birth->begun = TRUE;
  g_cond_broadcast (&birth->cond);
  g_mutex_unlock (&birth->lock);
  g_usleep (BIRTH_US);
  g_mutex_unlock (&birth->of_birth);

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  g_atomic_int_set (&birth->entered, TRUE);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* Does nothing that allocates: what is left of the parent's threads may be anything. */
static int
fork_and_look (Birth *birth)
{
  int status = 0;
  pid_t pid;

  fflush (NULL);
  pid = fork ();
  g_assert_cmpint (pid, !=, -1);
  if (pid == 0)
    _exit (g_mutex_trylock (&birth->of_birth) ? 0 : 1);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  return status;
}

static void
test_start (void)
{
  Birth birth = { 0 };
  g_autoptr (GError) error = NULL;
  GThread *thread;

  g_mutex_init (&birth.lock);
  g_mutex_init (&birth.of_birth);
  g_cond_init (&birth.cond);
  thread = _lsobs_fork_guard_start_thread ("slow", slow_main, &birth, &error);
  g_assert_no_error (error);
  g_mutex_lock (&birth.lock);
  while (!birth.begun)
    g_cond_wait (&birth.cond, &birth.lock);
  g_mutex_unlock (&birth.lock);

  g_assert_cmpint (fork_and_look (&birth), ==, 0);
  g_thread_join (thread);
  g_assert_true (g_atomic_int_get (&birth.entered));
  /* None is awaited any more. */
  g_assert_cmpint (fork_and_look (&birth), ==, 0);
  g_mutex_clear (&birth.lock);
  g_mutex_clear (&birth.of_birth);
  g_cond_clear (&birth.cond);
}

static void
slow_task (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Birth *birth = task_data;

  g_mutex_lock (&birth->of_birth);
  g_mutex_lock (&birth->lock);
  birth->begun = TRUE;
  g_cond_broadcast (&birth->cond);
  g_mutex_unlock (&birth->lock);
  g_usleep (BIRTH_US);
  g_mutex_unlock (&birth->of_birth);
  g_task_return_boolean (task, _lsobs_fork_guard_is_own_thread ());
}

static void
test_task (void)
{
  Birth birth = { 0 };
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, test_result_cb, &result);

  g_mutex_init (&birth.lock);
  g_mutex_init (&birth.of_birth);
  g_cond_init (&birth.cond);
  g_task_set_task_data (task, &birth, NULL);
  _lsobs_fork_guard_run_task (task, slow_task);
  g_mutex_lock (&birth.lock);
  while (!birth.begun)
    g_cond_wait (&birth.cond, &birth.lock);
  g_mutex_unlock (&birth.lock);

  g_assert_cmpint (fork_and_look (&birth), ==, 0);
  g_assert_true (g_task_propagate_boolean (G_TASK (test_result_wait (&result)), NULL));
  g_mutex_clear (&birth.lock);
  g_mutex_clear (&birth.of_birth);
  g_cond_clear (&birth.cond);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("A fork waits for threads that begin, and for tasks.");

  g_test_add_func ("/fork-threads/start", test_start);
  g_test_add_func ("/fork-threads/task", test_task);

  return g_test_run ();
}
