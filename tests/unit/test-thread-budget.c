/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sys/wait.h>
#include <unistd.h>

#include "lsobs/core/lsobs-thread-budget-private.h"
#include "tests/lib/fork-helpers.h"

/* The budget is one for the process: each test leaves it empty. */

typedef struct
{
  GArray *started;  /* (owned) (element-type guint) the numbers of what has started */
  gboolean charges; /* what starts is charged */
} Fixture;

/* What waits for the budget. */
typedef struct
{
  Fixture *fixture;
  guint number;
} Entry;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->started = g_array_new (FALSE, FALSE, sizeof (guint));
  fixture->charges = FALSE;
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_array_unref (fixture->started);
}

static void
start_cb (gpointer data)
{
  Entry *entry = data;

  g_array_append_val (entry->fixture->started, entry->number);
  if (entry->fixture->charges)
    _lsobs_thread_budget_charge ();
}

static void
charge (guint n)
{
  while (n-- > 0)
    _lsobs_thread_budget_charge ();
}

static void
release (guint n)
{
  while (n-- > 0)
    _lsobs_thread_budget_release ();
}

static void
assert_started (Fixture *fixture, guint n)
{
  g_assert_cmpuint (fixture->started->len, ==, n);
  /* in the order in which they came */
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (g_array_index (fixture->started, guint, i), ==, i);
}

/* A thread starts at once, and the function is not called, up to the budget. */
static void
test_charge (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Entry entry = { fixture, 0 };

  for (guint i = 0; i <= LSOBS_THREAD_BUDGET; i++)
    {
      g_assert_false (_lsobs_thread_budget_queue (start_cb, &entry));
      charge (1);
    }
  g_assert_true (_lsobs_thread_budget_queue (start_cb, &entry));
  assert_started (fixture, 0);

  release (1);
  assert_started (fixture, 1);
  g_assert_false (_lsobs_thread_budget_queue (start_cb, &entry));
  release (LSOBS_THREAD_BUDGET);
  assert_started (fixture, 1);
}

/* Observers that are still used are not charged: all that wait start as soon as there is room. */
static void
test_release (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Entry entries[] = { { fixture, 0 }, { fixture, 1 }, { fixture, 2 } };

  charge (LSOBS_THREAD_BUDGET + 2);
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    g_assert_true (_lsobs_thread_budget_queue (start_cb, &entries[i]));
  release (1);
  assert_started (fixture, 0);
  release (1);
  assert_started (fixture, G_N_ELEMENTS (entries));
  release (LSOBS_THREAD_BUDGET);
  assert_started (fixture, G_N_ELEMENTS (entries));
}

/* What starts and is charged takes the room of the next. */
static void
test_release_charged (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Entry entries[] = { { fixture, 0 }, { fixture, 1 }, { fixture, 2 } };

  fixture->charges = TRUE;
  charge (LSOBS_THREAD_BUDGET + 1);
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    g_assert_true (_lsobs_thread_budget_queue (start_cb, &entries[i]));
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    {
      release (1);
      assert_started (fixture, i + 1);
    }
  release (LSOBS_THREAD_BUDGET + 1);
  assert_started (fixture, G_N_ELEMENTS (entries));
}

/* The budget does not become larger. */
static void
test_release_none (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Entry entry = { fixture, 0 };

  release (3);
  charge (LSOBS_THREAD_BUDGET + 1);
  g_assert_true (_lsobs_thread_budget_queue (start_cb, &entry));
  release (LSOBS_THREAD_BUDGET + 1);
  assert_started (fixture, 1);
}

static void
check_child (Fixture *fixture)
{
  Entry entry = { fixture, 0 };

  child_assert (!_lsobs_thread_budget_queue (start_cb, &entry));
  release (LSOBS_THREAD_BUDGET + 1);
  child_assert (fixture->started->len == 0);
  charge (LSOBS_THREAD_BUDGET + 1);
  child_assert (_lsobs_thread_budget_queue (start_cb, &entry));
  release (1);
  child_assert (fixture->started->len == 1);
}

/* A forked child has none of the threads, and what waits in the parent does not start in it. */
static void
test_fork (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Entry entry = { fixture, 0 };
  int status = 0;
  pid_t pid;

  if (fork_skip ())
    return;
  charge (LSOBS_THREAD_BUDGET + 1);
  g_assert_true (_lsobs_thread_budget_queue (start_cb, &entry));
  fflush (NULL);
  pid = fork ();
  g_assert_cmpint (pid, !=, -1);
  if (pid == 0)
    {
      check_child (fixture);
      _exit (0);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
  assert_started (fixture, 0);
  release (LSOBS_THREAD_BUDGET + 1);
  assert_started (fixture, 1);
}

#define ADD(path, func) g_test_add ("/thread-budget/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("charge", test_charge);
  ADD ("release/all", test_release);
  ADD ("release/charged", test_release_charged);
  ADD ("release/none", test_release_none);
  ADD ("fork", test_fork);
  return g_test_run ();
}
