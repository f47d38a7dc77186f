/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>
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

/* --- a thread that is started under a lock, while another thread forks --- */

typedef struct
{
  GMutex wanted;    /* held while a thread is started, and wanted by one whose gate is closed */
  gboolean entered; /* atomic: the gate of the thread that wants it is closed */
  gboolean done;    /* atomic: the other thread is started */
} Start;

static int forker; /* atomic: the thread that forks, 0 before it does */

static void
note_forker (void)
{
  g_atomic_int_set (&forker, (int) gettid ());
}

static gpointer
want_main (gpointer user_data)
{
  Start *start = user_data;
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  g_atomic_int_set (&start->entered, TRUE);
  g_mutex_lock (&start->wanted);
  g_mutex_unlock (&start->wanted);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

static gpointer
short_main (gpointer user_data G_GNUC_UNUSED)
{
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

static gpointer
fork_main (gpointer user_data G_GNUC_UNUSED)
{
  Birth birth = { 0 };

  g_mutex_init (&birth.of_birth);
  g_assert_cmpint (fork_and_look (&birth), ==, 0);
  g_mutex_clear (&birth.of_birth);
  return NULL;
}

static gpointer
start_main (gpointer user_data)
{
  Start *start = user_data;
  GThread *thread;

  thread = _lsobs_fork_guard_start_thread ("short", short_main, NULL, NULL);
  g_assert_nonnull (thread);
  g_atomic_int_set (&start->done, TRUE);
  return thread;
}

static gboolean
is_set (gpointer user_data)
{
  return g_atomic_int_get ((int *) user_data) != 0;
}

/* The thread that forks waits, and for nothing else than the closed gate. */
static gboolean
forker_sleeps (gpointer user_data G_GNUC_UNUSED)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/stat", g_atomic_int_get (&forker));
  g_autofree char *stat = NULL;
  const char *state;

  if (!g_file_get_contents (path, &stat, NULL, NULL))
    return FALSE;
  state = strrchr (stat, ')');
  return state != NULL && g_str_has_prefix (state, ") S");
}

/* The starting thread has a lock that the thread with the gate wants, for which the fork waits. */
static void
test_start_under_lock (void)
{
  Start start = { 0 };
  GThread *want, *fork_thread, *starter, *started;

  g_mutex_init (&start.wanted);
  pthread_atfork (note_forker, NULL, NULL);
  g_mutex_lock (&start.wanted);
  want = _lsobs_fork_guard_start_thread ("want", want_main, &start, NULL);
  g_assert_nonnull (want);
  g_assert_true (test_wait_until (is_set, &start.entered, TEST_TIMEOUT_MS));
  g_atomic_int_set (&forker, 0);
  fork_thread = g_thread_new ("fork", fork_main, NULL);
  g_assert_true (test_wait_until (is_set, &forker, TEST_TIMEOUT_MS));
  g_assert_true (test_wait_until (forker_sleeps, NULL, TEST_TIMEOUT_MS));

  starter = g_thread_new ("starter", start_main, &start);
  g_assert_true (test_wait_until (is_set, &start.done, TEST_TIMEOUT_MS));
  g_mutex_unlock (&start.wanted);
  started = g_thread_join (starter);
  g_thread_join (started);
  g_thread_join (want);
  g_thread_join (fork_thread);
  g_mutex_clear (&start.wanted);
}

/* --- reading what may be changed --- */

typedef struct
{
  int reading;   /* (atomic) the thread reads */
  GMutex enough; /* is free when it may stop */
  int changed;   /* (atomic) the change has begun */
} Reading;

static gpointer
read_main (gpointer user_data)
{
  Reading *reading = user_data;

  g_assert_true (_lsobs_fork_begin_read ());
  g_atomic_int_set (&reading->reading, TRUE);
  g_mutex_lock (&reading->enough);
  g_mutex_unlock (&reading->enough);
  g_assert_false (g_atomic_int_get (&reading->changed));
  _lsobs_fork_end_read (TRUE);
  return NULL;
}

static gpointer
change_main (gpointer user_data)
{
  Reading *reading = user_data;

  _lsobs_fork_begin_change ();
  g_atomic_int_set (&reading->changed, TRUE);
  _lsobs_fork_end_change ();
  return NULL;
}

/* Whether a change waits; others read under the lock then. */
static gboolean
change_waits (gpointer user_data G_GNUC_UNUSED)
{
  gboolean reads_freely;

  reads_freely = _lsobs_fork_begin_read ();
  _lsobs_fork_end_read (reads_freely);
  return !reads_freely;
}

/* A change waits for a thread that reads, and others go on. A child waits for no thread that it does not
 * have: neither for one that reads, nor for one that changes something. */
static void
test_read (void)
{
  Reading reading = { 0 };
  GThread *reader, *changer;
  gboolean reads_freely;
  int status;
  pid_t pid;

  g_mutex_init (&reading.enough);
  g_mutex_lock (&reading.enough);
  reader = g_thread_new ("read", read_main, &reading);
  g_assert_true (test_wait_until (is_set, &reading.reading, TEST_TIMEOUT_MS));
  changer = g_thread_new ("change", change_main, &reading);
  g_assert_true (test_wait_until (change_waits, NULL, TEST_TIMEOUT_MS));
  fflush (NULL);
  pid = fork ();
  g_assert_cmpint (pid, !=, -1);
  if (pid == 0)
    {
      alarm (TEST_TIMEOUT_MS / 1000);
      reads_freely = _lsobs_fork_begin_read ();
      _lsobs_fork_end_read (reads_freely);
      _lsobs_fork_begin_change ();
      _lsobs_fork_end_change ();
      _exit (reads_freely ? 0 : 1);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);

  g_mutex_unlock (&reading.enough);
  g_thread_join (reader);
  g_thread_join (changer);
  g_assert_true (reading.changed);
  g_assert_false (change_waits (NULL));
  g_mutex_clear (&reading.enough);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary (
      "A fork waits for threads that begin, and for tasks, and starts of threads do not wait for "
      "a fork that cannot go on.");

  g_test_add_func ("/fork-threads/start", test_start);
  g_test_add_func ("/fork-threads/task", test_task);
  g_test_add_func ("/fork-threads/start-under-lock", test_start_under_lock);
  g_test_add_func ("/fork-threads/read", test_read);

  return g_test_run ();
}
