/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Small helpers of all test programs. */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The one limit of all waiting, in ms: longer than anything that goes right can take, under
 * valgrind or beside twenty busy processes. */
#define TEST_TIMEOUT_MS 120000

/* A time in ms that does not pass while a test runs. Every config of a test has it for a flush
 * interval: the default passes on a busy machine while records are made, which then are in several
 * batches, or a start and an end are two records. */
#define TEST_NEVER_MS 3600000

/* --- waiting ------------------------------------------------------------------------------- */

/* Iterates the default main context until @predicate is true. Returns FALSE at the deadline. The
 * predicate may depend on other threads: it is asked again every few ms even when nothing wakes
 * the context. Call it in the thread that may own the default context. */
gboolean test_wait_until (gboolean (*predicate) (gpointer data), gpointer data, guint timeout_ms);
/* The same in another context, which this thread runs. */
gboolean test_wait_in_context (GMainContext *context,
                               gboolean (*predicate) (gpointer data),
                               gpointer data,
                               guint timeout_ms);

/* Dispatches what is ready in the default main context, without blocking. */
void test_drain_context (void);

/* Drops the last reference but those of other threads, which may have to end first, and waits until the
 * object is finalized. */
void test_assert_finalizes (gpointer object);

/* --- asynchronous results ------------------------------------------------------------------ */

/*
 *   g_auto (TestResult) result = TEST_RESULT_INIT;
 *
 *   thing_do_async (thing, NULL, test_result_cb, &result);
 *   thing_do_finish (thing, test_result_wait (&result), &error);
 */
typedef struct
{
  GObject *source;      /* (owned) (nullable) */
  GAsyncResult *result; /* (owned) (nullable) until it came */
  guint n_calls;        /* (atomic) counted last: the callback may be called in another thread */
} TestResult;

#define TEST_RESULT_INIT \
 { \
  NULL, NULL, 0 \
 }

/* a #GAsyncReadyCallback; @user_data is the TestResult */
void test_result_cb (GObject *source, GAsyncResult *result, gpointer user_data);
/* (transfer none): iterates the thread-default context (else the default one) until the result
 * came; aborts the test after TEST_TIMEOUT_MS */
GAsyncResult *test_result_wait (TestResult *self);
/* whether it came; for test_wait_until() */
gboolean test_result_is_there (gpointer self);
/* makes it ready for another call */
void test_result_clear (TestResult *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TestResult, test_result_clear)

/* --- environment --------------------------------------------------------------------------- */

/* Remembers what it changes and puts it back when freed. Only while no other thread runs. */
typedef struct _TestEnv TestEnv;

TestEnv *test_env_new (void);
void test_env_free (TestEnv *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestEnv, test_env_free)

/* @value NULL: unset */
void test_env_set (TestEnv *self, const char *name, const char *value);
/* @names: NULL-terminated */
void test_env_unset_all (TestEnv *self, const char *const *names);
/* unsets every variable whose name starts with @prefix */
void test_env_unset_prefix (TestEnv *self, const char *prefix);

/* --- rows ---------------------------------------------------------------------------------- */

/* Adds a test for each row of a table. Its path is @prefix and the string @member of the row. */
#define TEST_ADD_ROWS(prefix, rows, member, func) \
 for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) \
  { \
   g_autofree char *path = g_strconcat (prefix, (rows)[i].member, NULL); \
\
   g_test_add_data_func (path, &(rows)[i], func); \
  }

/* The same for tests with a fixture. */
#define TEST_ADD_FIXTURE_ROWS(prefix, rows, member, Fixture, set_up, func, tear_down) \
 for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) \
  { \
   g_autofree char *path = g_strconcat (prefix, (rows)[i].member, NULL); \
\
   g_test_add (path, Fixture, &(rows)[i], set_up, func, tear_down); \
  }

/* --- test data ----------------------------------------------------------------------------- */

/* (transfer none): tests/data in the source tree */
const char *test_data_dir (void);
/* a file below it; aborts the test when it cannot be read */
GBytes *test_data_load (const char *name);

/* Has new threads fail, or lets them be again. FALSE if this C library does not tell how. */
gboolean test_forbid_threads (gboolean forbid);

/* How many descriptors of this process are open whose target has this text, such as "socket:" or
 * "[eventfd]", of which each main context has one; all without a text. 0 without /proc. */
guint test_count_descriptors (const char *text);

G_END_DECLS
