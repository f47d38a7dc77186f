/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A transport of the program's own, with all the habits that one may have. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

/* --- the transport ------------------------------------------------------------------------- */

typedef enum
{
  HABIT_AT_ONCE,  /* answers before send_async () returns, as far as GTask does */
  HABIT_INSIDE,   /* calls the callback before send_async () returns */
  HABIT_FAILING,  /* the same, to fail */
  HABIT_IDLE,     /* answers from the context */
  HABIT_STUBBORN, /* never answers, whoever cancels */
  HABIT_MUTE,     /* fails without an error */
  HABIT_STRANGE,  /* fails with an error of its own domain */
  HABIT_BLOCKING, /* keeps the thread that sends until it is released */
  HABIT_LAST,     /* answers when it is cancelled, and its thread did not run for HELD_UP_MS */
} Habit;

/* More than cancelled requests get to end. */
#define HELD_UP_MS 150

#define TEST_TYPE_TRANSPORT (test_transport_get_type ())
G_DECLARE_FINAL_TYPE (TestTransport, test_transport, TEST, TRANSPORT, GObject)

struct _TestTransport
{
  GObject parent_instance;

  Habit habit;       /* set before it is used */
  guint max_records; /* set before it is used */
  gsize max_bytes;   /* set while it is not used */

  GMutex lock; /* guards all below */
  GCond cond;
  gboolean is_blocked;
  gboolean is_released;
  GPtrArray *stuck;  /* (owned) (element-type GTask) */
  GArray *sizes;     /* (owned) (element-type guint) records of each batch */
  gsize largest;     /* bytes of the largest batch */
  guint n_inside;    /* calls of send_async () that have not returned */
  guint deepest;     /* the most of them at a time */
  guint n_closed;    /* (atomic) */
  GThread *thread;   /* (unowned) of the first call */
  gboolean is_mixed; /* it was called in two threads */
};

static void test_transport_iface_init (LsobsTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TestTransport,
                               test_transport,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      test_transport_iface_init))

/* Called with the lock held. */
static void
note_thread (TestTransport *self)
{
  if (self->thread == NULL)
    self->thread = g_thread_self ();
  self->is_mixed |= self->thread != g_thread_self ();
}

static gboolean
answer_cb (gpointer user_data)
{
  g_task_return_boolean (G_TASK (user_data), TRUE);

  return G_SOURCE_REMOVE;
}

/* Called in the context when the request was cancelled. */
static gboolean
held_up_cb (GCancellable *cancellable G_GNUC_UNUSED, gpointer user_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  gint64 end = g_get_monotonic_time () + HELD_UP_MS * 1000;

  while (g_get_monotonic_time () < end)
    ;
  g_task_attach_source (G_TASK (user_data), source, answer_cb);

  return G_SOURCE_REMOVE;
}

static void
block (TestTransport *self)
{
  g_mutex_lock (&self->lock);
  self->is_blocked = TRUE;
  while (!self->is_released)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

/* As a program may complete that does not leave it to GTask. */
static void
answer_inside (TestTransport *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);

  if (self->habit == HABIT_INSIDE)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_UNAVAILABLE, "out of order");
  callback (G_OBJECT (self), G_ASYNC_RESULT (task), user_data);
}

static void
count_inside (TestTransport *self, gint n)
{
  g_mutex_lock (&self->lock);
  self->n_inside += (guint) n;
  self->deepest = MAX (self->deepest, self->n_inside);
  g_mutex_unlock (&self->lock);
}

static void
test_transport_send_async (LsobsTransport *transport,
                           LsobsBatch *batch,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  TestTransport *self = TEST_TRANSPORT (transport);
  gboolean answers_inside = self->habit == HABIT_INSIDE || self->habit == HABIT_FAILING;
  g_autoptr (GTask) task =
      answers_inside ? NULL : g_task_new (self, cancellable, callback, user_data);
  guint n_records = lsobs_batch_get_n_records (batch);

  count_inside (self, 1);
  if (task != NULL)
    {
      g_task_set_source_tag (task, test_transport_send_async);
      g_task_set_check_cancellable (task, FALSE);
    }
  g_mutex_lock (&self->lock);
  note_thread (self);
  g_array_append_val (self->sizes, n_records);
  self->largest = MAX (self->largest, lsobs_batch_get_n_bytes (batch));
  if (self->habit == HABIT_STUBBORN)
    g_ptr_array_add (self->stuck, g_object_ref (task));
  g_mutex_unlock (&self->lock);

  switch (self->habit)
    {
    case HABIT_AT_ONCE:
      g_task_return_boolean (task, TRUE);
      break;
    case HABIT_INSIDE:
    case HABIT_FAILING:
      answer_inside (self, callback, user_data);
      break;
    case HABIT_IDLE:
      {
        g_autoptr (GSource) source = g_idle_source_new ();

        g_task_attach_source (task, source, answer_cb);
      }
      break;
    case HABIT_MUTE:
      g_task_return_boolean (task, FALSE);
      break;
    case HABIT_STRANGE:
      g_task_return_new_error (task, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "the disk is full");
      break;
    case HABIT_BLOCKING:
      block (self);
      g_task_return_boolean (task, TRUE);
      break;
    case HABIT_LAST:
      {
        g_autoptr (GSource) source = g_cancellable_source_new (cancellable);

        g_task_attach_source (task, source, G_SOURCE_FUNC (held_up_cb));
      }
      break;
    case HABIT_STUBBORN:
    default:
      break;
    }
  count_inside (self, -1);
}

static gboolean
test_transport_send_finish (LsobsTransport *transport G_GNUC_UNUSED,
                            GAsyncResult *result,
                            GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static guint
test_transport_get_max_records (LsobsTransport *transport)
{
  return TEST_TRANSPORT (transport)->max_records;
}

static gsize
test_transport_get_max_bytes (LsobsTransport *transport)
{
  return TEST_TRANSPORT (transport)->max_bytes;
}

static void
test_transport_close (LsobsTransport *transport)
{
  TestTransport *self = TEST_TRANSPORT (transport);

  g_mutex_lock (&self->lock);
  g_atomic_int_inc (&self->n_closed);
  g_mutex_unlock (&self->lock);
}

static void
test_transport_iface_init (LsobsTransportInterface *iface)
{
  iface->send_async = test_transport_send_async;
  iface->send_finish = test_transport_send_finish;
  iface->get_max_records = test_transport_get_max_records;
  iface->get_max_bytes = test_transport_get_max_bytes;
  iface->close = test_transport_close;
}

static void
test_transport_finalize (GObject *object)
{
  TestTransport *self = TEST_TRANSPORT (object);

  g_ptr_array_unref (self->stuck);
  g_array_unref (self->sizes);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (test_transport_parent_class)->finalize (object);
}

static void
test_transport_class_init (TestTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_transport_finalize;
}

static void
test_transport_init (TestTransport *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->stuck = g_ptr_array_new_with_free_func (g_object_unref);
  self->sizes = g_array_new (FALSE, FALSE, sizeof (guint));
}

static gboolean
is_stuck (gpointer data)
{
  TestTransport *self = data;
  guint n;

  g_mutex_lock (&self->lock);
  n = self->stuck->len;
  g_mutex_unlock (&self->lock);

  return n > 0;
}

static gboolean
is_blocked (gpointer data)
{
  TestTransport *self = data;
  gboolean blocked;

  g_mutex_lock (&self->lock);
  blocked = self->is_blocked;
  g_mutex_unlock (&self->lock);

  return blocked;
}

static void
release (TestTransport *self)
{
  g_mutex_lock (&self->lock);
  self->is_released = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* When nobody waits for it any longer. */
static void
answer_late (TestTransport *self)
{
  for (guint i = 0; i < self->stuck->len; i++)
    g_task_return_boolean (g_ptr_array_index (self->stuck, i), TRUE);
  g_ptr_array_set_size (self->stuck, 0);
}

static TestTransport *
start (TestFixture *fixture, Habit habit)
{
  TestTransport *transport = g_object_new (TEST_TYPE_TRANSPORT, NULL);

  transport->habit = habit;
  test_fixture_start_with (fixture, LSOBS_TRANSPORT (transport), NULL);
  g_assert_true (lsobs_exporter_get_transport (fixture->exporter) == LSOBS_TRANSPORT (transport));

  return transport;
}

/* --- tests --------------------------------------------------------------------------------- */

static void
test_answers (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (TestTransport) transport = start (fixture, (Habit) GPOINTER_TO_INT (data));

  for (guint i = 0; i < 3; i++)
    {
      test_emit_many (fixture->exporter, 40);
      test_assert_flush (fixture->exporter, 40);
    }
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (transport->n_closed, ==, 1);
  g_assert_false (transport->is_mixed);
  g_assert_true (transport->thread != g_thread_self ());
}

static void
test_fails (TestFixture *fixture, gconstpointer data)
{
  Habit habit = (Habit) GPOINTER_TO_INT (data);
  g_autoptr (TestTransport) transport = NULL;
  g_autoptr (GError) error = NULL;

  transport = start (fixture, habit);
  test_emit_many (fixture->exporter, 4);
  error = test_flush_in_vain (fixture->exporter, 4);
  if (habit == HABIT_STRANGE)
    g_assert_nonnull (strstr (error->message, "the disk is full"));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 4);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
}

/* Each batch completes inside send_async(), or in the next iteration of the context: sending
 * goes on without nesting. As nested calls, so many would overflow the stack. @data: the habit */
static void
test_many (TestFixture *fixture, gconstpointer data)
{
  const guint n = test_is_instrumented () ? 5000 : 100000;
  g_autoptr (TestTransport) transport = NULL;

  lsobs_config_set_queue_capacity (fixture->config, n);
  lsobs_config_set_max_queue_bytes (fixture->config, (gint64) n * 4096);
  lsobs_config_set_max_batch_size (fixture->config, 1);
  transport = start (fixture, (Habit) GPOINTER_TO_INT (data));
  test_emit_many (fixture->exporter, n);
  g_assert_true (lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, n);
  /* The thread has ended then, and the last call has returned. */
  g_assert_true (lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpuint (transport->sizes->len, ==, n);
  g_assert_cmpuint (transport->deepest, ==, 1);
  g_assert_cmpuint (transport->n_inside, ==, 0);
  g_assert_false (transport->is_mixed);
}

/* A transport that fails inside send_async() is probed after a pause, as any other. */
static void
test_fails_inside (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = start (fixture, HABIT_FAILING);
  g_autoptr (GError) error = NULL;

  test_emit_many (fixture->exporter, 4);
  error = test_flush_in_vain (fixture->exporter, 4);
  g_assert_nonnull (strstr (error->message, "out of order"));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 4);
  lsobs_exporter_shutdown (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL);
  /* one for the flush, one for the shutdown */
  g_assert_cmpuint (transport->sizes->len, ==, 2);
  g_assert_cmpuint (transport->deepest, ==, 1);
}

/* In the context of the program, which runs other sources in between. */
static void
test_inside_in_loop (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = g_object_new (TEST_TYPE_TRANSPORT, NULL);

  transport->habit = HABIT_INSIDE;
  transport->max_records = 1;
  test_fixture_start_with (fixture, LSOBS_TRANSPORT (transport), g_main_context_default ());
  test_emit_many (fixture->exporter, 50);
  test_assert_flush (fixture->exporter, 50);
  g_assert_cmpuint (transport->deepest, ==, 1);
  g_assert_true (transport->thread == g_thread_self ());
}

/* Its limits count beside the config's. */
static void
test_limits (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = start (fixture, HABIT_IDLE);

  transport->max_records = 3;
  test_emit_many (fixture->exporter, 10);
  test_assert_flush (fixture->exporter, 10);
  g_assert_cmpuint (transport->sizes->len, ==, 4);
  for (guint i = 0; i < transport->sizes->len; i++)
    g_assert_cmpuint (g_array_index (transport->sizes, guint, i), <=, 3);
}

static void
test_limit_bytes (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = start (fixture, HABIT_IDLE);

  transport->max_bytes = 10000;
  for (guint i = 0; i < 10; i++)
    test_emit_large (fixture->exporter, "run", 3000);
  test_emit_large (fixture->exporter, "large", 12000);
  test_assert_flush (fixture->exporter, 11);
  g_assert_cmpuint (transport->largest, <=, 10000);
  /* two of 4 kB and no room for a third one, whatever a multipart body would need */
  g_assert_cmpuint (transport->largest, >, 6000);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
}

/* One record fits that is exactly as large as the limit: its JSON text counts, and nothing else. */
static void
test_limit_is_text (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = start (fixture, HABIT_IDLE);

  test_emit_large (fixture->exporter, "run", 3000);
  test_assert_flush (fixture->exporter, 1);
  transport->max_bytes = transport->largest;
  test_emit_large (fixture->exporter, "run", 3000);
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 0);
  transport->max_bytes = transport->largest - 1;
  test_emit_large (fixture->exporter, "run", 3000);
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_CUT_PAYLOADS), ==, 1);
}

/* It does not let go, but the books are closed in time. */
static void
test_stubborn (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = start (fixture, HABIT_STUBBORN);
  g_autoptr (GError) error = NULL;
  gint64 began;

  test_emit_many (fixture->exporter, 5);
  lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
  g_assert_true (test_wait_until (is_stuck, transport, TEST_TIMEOUT_MS));
  began = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 100, NULL, &error));
  g_assert_cmpint (test_get_elapsed_ms (began), <=, 100 + test_get_slack_ms ());
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_true (is_stuck (transport));
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 5);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);

  /* an answer that comes now changes nothing; nobody runs the context any longer */
  answer_late (transport);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 0);
  test_assert_books (fixture->exporter);
}

static void
test_stubborn_unref (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = NULL;
  gint64 began;

  lsobs_config_set_shutdown_timeout (fixture->config, 50);
  lsobs_config_set_max_batch_size (fixture->config, 1);
  transport = start (fixture, HABIT_STUBBORN);
  test_emit_many (fixture->exporter, 5);
  g_assert_true (test_wait_until (is_stuck, transport, TEST_TIMEOUT_MS));
  began = g_get_monotonic_time ();
  test_fixture_stop (fixture);
  g_assert_cmpint (test_get_elapsed_ms (began), <=, 50 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 5);
  answer_late (transport);
}

/* The same where the program runs the context. */
static void
test_stubborn_in_loop (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = g_object_new (TEST_TYPE_TRANSPORT, NULL);
  gint64 began;

  transport->habit = HABIT_STUBBORN;
  test_fixture_start_with (fixture, LSOBS_TRANSPORT (transport), g_main_context_default ());
  test_emit_many (fixture->exporter, 5);
  began = g_get_monotonic_time ();
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 100, NULL, NULL));
  g_assert_cmpint (test_get_elapsed_ms (began), <=, 100 + test_get_slack_ms ());
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 5);
  answer_late (transport);
  test_drain_context ();
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 0);
  test_assert_books (fixture->exporter);
}

static gboolean
is_closed (gpointer data)
{
  return g_atomic_int_get (&((TestTransport *) data)->n_closed) > 0;
}

/* The thread does not get to its end in time: the shutdown returns, and every record is counted as
 * lost, once. */
static void
test_blocking (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestTransport) transport = NULL;

  lsobs_config_set_max_batch_size (fixture->config, 1);
  transport = start (fixture, HABIT_BLOCKING);
  test_emit (fixture->exporter, "blocked");
  g_assert_true (test_wait_until (is_blocked, transport, TEST_TIMEOUT_MS));
  test_emit_many (fixture->exporter, 5);
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 10, NULL, NULL));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (test_get_dropped (fixture->exporter, LSOBS_DROP_REASON_SHUTDOWN), ==, 6);
  test_assert_books (fixture->exporter);

  release (transport);
  g_assert_true (test_wait_until (is_closed, transport, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 0);
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 6);
  test_assert_books (fixture->exporter);
}

/* On a busy machine, the time in which cancelled requests may end can go by while their thread does
 * not run at all. In the context of the program, they still have their turns; a thread of lsobs is
 * not waited for, and its records are lost. @data: whether the program runs the context */
static void
test_last_turn (TestFixture *fixture, gconstpointer data)
{
  g_autoptr (TestTransport) transport = g_object_new (TEST_TYPE_TRANSPORT, NULL);

  transport->habit = HABIT_LAST;
  test_fixture_start_with (fixture, LSOBS_TRANSPORT (transport),
                           data != NULL ? g_main_context_default () : NULL);
  test_emit_many (fixture->exporter, 5);
  lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT, 5));
  lsobs_exporter_shutdown (fixture->exporter, 10, NULL, NULL);
  if (data != NULL)
    {
      g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED), ==, 5);
      g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
      g_assert_cmpint (g_atomic_int_get (&transport->n_closed), ==, 1);
    }
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_IN_FLIGHT), ==, 0);
  g_assert_cmpuint (test_get_counter (fixture->exporter, LSOBS_COUNTER_QUEUED), ==, 0);
  test_assert_books (fixture->exporter);
  g_assert_true (test_wait_until (is_closed, transport, TEST_TIMEOUT_MS));
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/transport/at-once", GINT_TO_POINTER (HABIT_AT_ONCE), test_answers);
  ADD ("/transport/idle", GINT_TO_POINTER (HABIT_IDLE), test_answers);
  ADD ("/transport/mute", GINT_TO_POINTER (HABIT_MUTE), test_fails);
  ADD ("/transport/strange", GINT_TO_POINTER (HABIT_STRANGE), test_fails);
  ADD ("/transport/inside/fails", NULL, test_fails_inside);
  ADD ("/transport/inside/loop", NULL, test_inside_in_loop);
  ADD ("/transport/many/inside", GINT_TO_POINTER (HABIT_INSIDE), test_many);
  ADD ("/transport/many/idle", GINT_TO_POINTER (HABIT_IDLE), test_many);
  ADD ("/transport/limits", NULL, test_limits);
  ADD ("/transport/limit-bytes", NULL, test_limit_bytes);
  ADD ("/transport/limit-is-text", NULL, test_limit_is_text);
  ADD ("/transport/stubborn/shutdown", NULL, test_stubborn);
  ADD ("/transport/stubborn/unref", NULL, test_stubborn_unref);
  ADD ("/transport/stubborn/loop", NULL, test_stubborn_in_loop);
  ADD ("/transport/blocking", NULL, test_blocking);
  ADD ("/transport/last-turn/thread", NULL, test_last_turn);
  ADD ("/transport/last-turn/loop", GINT_TO_POINTER (TRUE), test_last_turn);

  return g_test_run ();
}
