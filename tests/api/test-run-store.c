/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#define A "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define B "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define C "019ca8bb-f72e-7c32-ae50-7d9f41b2c3e6"
#define D "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"

typedef struct
{
  LsobsRunStore *store;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->store = lsobs_run_store_new (3);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_assert_finalize_object (fixture->store);
}

static void
assert_update (Fixture *fixture,
               const char *id,
               const char *error_text,
               LsobsRunStatus status,
               const char *stored_error,
               gboolean first,
               gboolean known)
{
  g_autoptr (LsobsRunUpdateDecision) decision =
      lsobs_run_store_update (fixture->store, id, error_text);

  g_assert_nonnull (decision);
  g_assert_cmpint (decision->status, ==, status);
  g_assert_cmpstr (decision->error_text, ==, stored_error);
  g_assert_cmpint (decision->first, ==, first);
  g_assert_cmpint (decision->known, ==, known);
}

static void
assert_known (Fixture *fixture, const char *id, LsobsRunStatus status, const char *error_text)
{
  g_autoptr (LsobsRunMetadata) metadata = lsobs_run_store_lookup (fixture->store, id);

  g_assert_nonnull (metadata);
  g_assert_cmpint (metadata->status, ==, status);
  g_assert_cmpstr (metadata->error_text, ==, error_text);
}

static gboolean
is_known (Fixture *fixture, const char *id)
{
  g_autoptr (LsobsRunMetadata) metadata = lsobs_run_store_lookup (fixture->store, id);

  return metadata != NULL;
}

/* The rules */

static void
test_running (Fixture *fixture, gconstpointer data)
{
  g_assert_true (lsobs_run_store_start (fixture->store, A));
  assert_known (fixture, A, LSOBS_RUN_STATUS_RUNNING, NULL);
}

static void
test_completes (Fixture *fixture, gconstpointer data)
{
  lsobs_run_store_start (fixture->store, A);
  assert_update (fixture, A, NULL, LSOBS_RUN_STATUS_COMPLETED, NULL, TRUE, TRUE);
  assert_known (fixture, A, LSOBS_RUN_STATUS_COMPLETED, NULL);
}

static void
test_fails (Fixture *fixture, gconstpointer data)
{
  lsobs_run_store_start (fixture->store, A);
  assert_update (fixture, A, "no luck", LSOBS_RUN_STATUS_FAILED, "no luck", TRUE, TRUE);
  assert_known (fixture, A, LSOBS_RUN_STATUS_FAILED, "no luck");
}

/* An empty text is an error, too. */
static void
test_fails_silently (Fixture *fixture, gconstpointer data)
{
  lsobs_run_store_start (fixture->store, A);
  assert_update (fixture, A, "", LSOBS_RUN_STATUS_FAILED, "", TRUE, TRUE);
}

static void
test_stays_failed (Fixture *fixture, gconstpointer data)
{
  lsobs_run_store_start (fixture->store, A);
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, A, "first"));
  assert_update (fixture, A, NULL, LSOBS_RUN_STATUS_FAILED, "first", FALSE, TRUE);
  assert_update (fixture, A, "second", LSOBS_RUN_STATUS_FAILED, "first", FALSE, TRUE);
  assert_update (fixture, A, NULL, LSOBS_RUN_STATUS_FAILED, "first", FALSE, TRUE);
  assert_known (fixture, A, LSOBS_RUN_STATUS_FAILED, "first");
}

static void
test_stays_completed (Fixture *fixture, gconstpointer data)
{
  lsobs_run_store_start (fixture->store, A);
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, A, NULL));
  assert_update (fixture, A, "too late", LSOBS_RUN_STATUS_COMPLETED, NULL, FALSE, TRUE);
  assert_update (fixture, A, NULL, LSOBS_RUN_STATUS_COMPLETED, NULL, FALSE, TRUE);
  assert_known (fixture, A, LSOBS_RUN_STATUS_COMPLETED, NULL);
}

static void
test_unknown_completes (Fixture *fixture, gconstpointer data)
{
  assert_update (fixture, A, NULL, LSOBS_RUN_STATUS_COMPLETED, NULL, TRUE, FALSE);
  assert_known (fixture, A, LSOBS_RUN_STATUS_COMPLETED, NULL);
  assert_update (fixture, A, "too late", LSOBS_RUN_STATUS_COMPLETED, NULL, FALSE, TRUE);
}

static void
test_unknown_fails (Fixture *fixture, gconstpointer data)
{
  assert_update (fixture, A, "no luck", LSOBS_RUN_STATUS_FAILED, "no luck", TRUE, FALSE);
  assert_known (fixture, A, LSOBS_RUN_STATUS_FAILED, "no luck");
}

static void
test_start_twice (Fixture *fixture, gconstpointer data)
{
  g_assert_true (lsobs_run_store_start (fixture->store, A));
  g_assert_false (lsobs_run_store_start (fixture->store, A));
  assert_known (fixture, A, LSOBS_RUN_STATUS_RUNNING, NULL);
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, A, "no luck"));
  g_assert_false (lsobs_run_store_start (fixture->store, A));
  assert_known (fixture, A, LSOBS_RUN_STATUS_FAILED, "no luck");
  g_assert_cmpuint (lsobs_run_store_get_size (fixture->store), ==, 1);
}

static void
test_separate (Fixture *fixture, gconstpointer data)
{
  lsobs_run_store_start (fixture->store, A);
  lsobs_run_store_start (fixture->store, B);
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, A, "no luck"));
  assert_known (fixture, B, LSOBS_RUN_STATUS_RUNNING, NULL);
  g_assert_false (is_known (fixture, C));
}

/* Ids */

static const char *const bad_ids[] = {
  "",     "run", "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c", A "0", "019ca8bbf1527a108c3e5b7d2f90a1c4",
  "\xff",
};

static void
test_bad_id (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_ids); i++)
    {
      g_assert_false (lsobs_run_store_start (fixture->store, bad_ids[i]));
      g_assert_null (lsobs_run_store_update (fixture->store, bad_ids[i], "no luck"));
      g_assert_null (lsobs_run_store_lookup (fixture->store, bad_ids[i]));
      g_assert_false (lsobs_run_store_forget (fixture->store, bad_ids[i]));
    }
  g_assert_cmpuint (lsobs_run_store_get_size (fixture->store), ==, 0);
}

static void
test_upper_case (Fixture *fixture, gconstpointer data)
{
  g_autofree char *upper = g_ascii_strup (A, -1);

  g_assert_true (lsobs_run_store_start (fixture->store, upper));
  g_assert_false (lsobs_run_store_start (fixture->store, A));
  assert_known (fixture, A, LSOBS_RUN_STATUS_RUNNING, NULL);
}

/* The bound */

static void
test_forget (Fixture *fixture, gconstpointer data)
{
  g_assert_false (lsobs_run_store_forget (fixture->store, A));
  lsobs_run_store_start (fixture->store, A);
  lsobs_run_store_start (fixture->store, B);
  g_assert_true (lsobs_run_store_forget (fixture->store, A));
  g_assert_false (lsobs_run_store_forget (fixture->store, A));
  g_assert_false (is_known (fixture, A));
  g_assert_true (is_known (fixture, B));
  g_assert_cmpuint (lsobs_run_store_get_size (fixture->store), ==, 1);
  g_assert_true (lsobs_run_store_start (fixture->store, A));
}

static void
test_oldest_running (Fixture *fixture, gconstpointer data)
{
  lsobs_run_store_start (fixture->store, A);
  lsobs_run_store_start (fixture->store, B);
  lsobs_run_store_start (fixture->store, C);
  lsobs_run_store_start (fixture->store, D);
  g_assert_cmpuint (lsobs_run_store_get_size (fixture->store), ==, 3);
  g_assert_false (is_known (fixture, A));
  g_assert_true (is_known (fixture, B));
  g_assert_true (is_known (fixture, D));
}

/* Those that have ended go before those that run. */
static void
test_ended_first (Fixture *fixture, gconstpointer data)
{
  lsobs_run_store_start (fixture->store, A);
  lsobs_run_store_start (fixture->store, B);
  lsobs_run_store_start (fixture->store, C);
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, C, "no luck"));
  lsobs_run_store_start (fixture->store, D);
  g_assert_false (is_known (fixture, C));
  g_assert_true (is_known (fixture, A));
  g_assert_true (is_known (fixture, B));
  g_assert_true (is_known (fixture, D));
}

/* To touch a run that has ended makes it the youngest. */
static void
test_touched (Fixture *fixture, gconstpointer data)
{
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, A, NULL));
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, B, NULL));
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, C, NULL));
  lsobs_run_update_decision_free (lsobs_run_store_update (fixture->store, A, NULL));
  lsobs_run_store_start (fixture->store, D);
  g_assert_false (is_known (fixture, B));
  g_assert_true (is_known (fixture, A));
  g_assert_true (is_known (fixture, C));
  g_assert_true (is_known (fixture, D));
}

static void
test_one (void)
{
  g_autoptr (LsobsRunStore) store = lsobs_run_store_new (1);

  g_assert_true (lsobs_run_store_start (store, A));
  g_assert_true (lsobs_run_store_start (store, B));
  g_assert_true (lsobs_run_store_start (store, A));
  g_assert_cmpuint (lsobs_run_store_get_size (store), ==, 1);
}

static void
test_bounded (void)
{
  g_autoptr (LsobsRunStore) store = lsobs_run_store_new (100);

  for (guint i = 0; i < 100000; i++)
    {
      char id[37];

      g_snprintf (id, sizeof id, "019ca8bb-f152-7a10-8c3e-%012x", i);
      lsobs_run_store_start (store, id);
      if (i % 3 == 0)
        lsobs_run_update_decision_free (lsobs_run_store_update (store, id, "no luck"));
      g_assert_cmpuint (lsobs_run_store_get_size (store), <=, 100);
    }
  g_assert_cmpuint (lsobs_run_store_get_size (store), ==, 100);
}

static void
test_capacity (void)
{
  g_autoptr (LsobsRunStore) plain = g_object_new (LSOBS_TYPE_RUN_STORE, NULL);
  g_autoptr (LsobsRunStore) store = lsobs_run_store_new (7);
  guint capacity;

  g_assert_cmpuint (lsobs_run_store_get_capacity (plain), >=, 1000);
  g_object_get (store, "capacity", &capacity, NULL);
  g_assert_cmpuint (capacity, ==, 7);
  g_assert_cmpuint (lsobs_run_store_get_capacity (store), ==, 7);
  g_assert_cmpuint (lsobs_run_store_get_size (store), ==, 0);

  g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*capacity >= 1*");
  g_assert_null (lsobs_run_store_new (0));
  g_test_assert_expected_messages ();
}

/* Copies are deep. */
static void
test_copies (void)
{
  g_autoptr (LsobsRunStore) store = lsobs_run_store_new (7);
  LsobsRunUpdateDecision *decision = lsobs_run_store_update (store, A, "no luck");
  LsobsRunMetadata *metadata = lsobs_run_store_lookup (store, A);
  g_autoptr (LsobsRunUpdateDecision) decision_copy = lsobs_run_update_decision_copy (decision);
  g_autoptr (LsobsRunMetadata) metadata_copy = lsobs_run_metadata_copy (metadata);
  LsobsRunUpdateDecision *boxed = g_boxed_copy (LSOBS_TYPE_RUN_UPDATE_DECISION, decision);

  g_assert_false (decision_copy->error_text == decision->error_text);
  g_assert_false (metadata_copy->error_text == metadata->error_text);
  lsobs_run_update_decision_free (decision);
  lsobs_run_metadata_free (metadata);
  lsobs_run_store_forget (store, A);
  g_assert_cmpstr (decision_copy->error_text, ==, "no luck");
  g_assert_cmpint (decision_copy->status, ==, LSOBS_RUN_STATUS_FAILED);
  g_assert_true (decision_copy->first);
  g_assert_cmpstr (metadata_copy->error_text, ==, "no luck");
  g_assert_cmpint (metadata_copy->status, ==, LSOBS_RUN_STATUS_FAILED);
  g_assert_cmpstr (boxed->error_text, ==, "no luck");
  g_boxed_free (LSOBS_TYPE_RUN_UPDATE_DECISION, boxed);
  g_boxed_free (LSOBS_TYPE_RUN_METADATA, g_boxed_copy (LSOBS_TYPE_RUN_METADATA, metadata_copy));
}

/* Threads */

#define N_THREADS 4
#define N_RUNS    2000

static guint n_first;  /* (atomic) */
static guint n_starts; /* (atomic) */

static gpointer
end_runs (gpointer data)
{
  for (guint i = 0; i < N_RUNS; i++)
    {
      g_autoptr (LsobsRunUpdateDecision) decision = NULL;
      char id[37];

      g_snprintf (id, sizeof id, "019ca8bb-f152-7a10-8c3e-%012x", i);
      if (lsobs_run_store_start (data, id))
        g_atomic_int_inc (&n_starts);
      decision = lsobs_run_store_update (data, id, i % 2 == 0 ? "no luck" : NULL);
      if (decision->first)
        g_atomic_int_inc (&n_first);
    }
  return NULL;
}

/* However many threads start and end a run, one of them is the first. */
static void
test_threads (void)
{
  g_autoptr (LsobsRunStore) store = lsobs_run_store_new (N_RUNS);
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("store", end_runs, store);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (g_atomic_int_get (&n_starts), ==, N_RUNS);
  g_assert_cmpuint (g_atomic_int_get (&n_first), ==, N_RUNS);
  g_assert_cmpuint (lsobs_run_store_get_size (store), ==, N_RUNS);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, func) g_test_add ("/run-store/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("rule/running", test_running);
  ADD ("rule/completes", test_completes);
  ADD ("rule/fails", test_fails);
  ADD ("rule/fails-silently", test_fails_silently);
  ADD ("rule/stays-failed", test_stays_failed);
  ADD ("rule/stays-completed", test_stays_completed);
  ADD ("rule/unknown-completes", test_unknown_completes);
  ADD ("rule/unknown-fails", test_unknown_fails);
  ADD ("rule/start-twice", test_start_twice);
  ADD ("rule/separate", test_separate);
  ADD ("id/bad", test_bad_id);
  ADD ("id/upper-case", test_upper_case);
  ADD ("bound/forget", test_forget);
  ADD ("bound/oldest-running", test_oldest_running);
  ADD ("bound/ended-first", test_ended_first);
  ADD ("bound/touched", test_touched);
  g_test_add_func ("/run-store/bound/one", test_one);
  g_test_add_func ("/run-store/bound/many", test_bounded);
  g_test_add_func ("/run-store/capacity", test_capacity);
  g_test_add_func ("/run-store/copies", test_copies);
  g_test_add_func ("/run-store/threads", test_threads);

  return g_test_run ();
}
