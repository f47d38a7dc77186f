/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a flush reports as lost is on disk when it returns: the program may end at once. */

#include "config.h"

#include <unistd.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/replica-helpers.h"

/* How much a disk has to do for each batch: a directory to look through, and a body. */
#define N_OLD_FILES 2000
#define BODY_BYTES  (2 * 1024 * 1024)

#define DIR_VARIABLE "LSOBS_TEST_DUMP_DIR"

/* --- a process that ends right after ------------------------------------------------------- */

typedef enum
{
  HOW_FLUSH,
  HOW_FLUSH_ASYNC,
  HOW_FLUSH_IN_CONTEXT, /* the sending happens in the context of the program */
  HOW_FLUSH_LATER,      /* the batch was lost before the flush began */
  HOW_SHUTDOWN,
  HOW_SHUTDOWN_ASYNC,
  HOW_LAST_UNREF
} How;

static const char *const how_names[] = { "flush",    "flush-async",    "context",   "later",
                                         "shutdown", "shutdown-async", "last-unref" };

/* (transfer full): the directory of the test, the same in its process of its own */
static char *
get_dir (void)
{
  g_autofree char *name = g_strdelimit (g_strdup (g_test_get_path ()), "/", '-');

  return g_build_filename (g_getenv (DIR_VARIABLE), name, NULL);
}

static void
fill (const char *dir)
{
  g_assert_cmpint (g_mkdir_with_parents (dir, 0700), ==, 0);
  for (guint i = 0; i < N_OLD_FILES; i++)
    {
      g_autofree char *name = g_strdup_printf ("trace_%u.json", i);

      failed_traces_write (dir, name, "{}");
    }
}

static void
flush_async (LsobsExporter *exporter)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  lsobs_exporter_flush_async (exporter, -1, NULL, test_result_cb, &result);
  lsobs_exporter_flush_finish (exporter, test_result_wait (&result), NULL, &error);
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
}

static void
shut_down_async (LsobsExporter *exporter)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  lsobs_exporter_shutdown_async (exporter, -1, NULL, test_result_cb, &result);
  lsobs_exporter_shutdown_finish (exporter, test_result_wait (&result), NULL, &error);
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
}

static gboolean
has_lost (gpointer data)
{
  return test_get_total_dropped (data) > 0;
}

/* Returns when what was lost has to be there. */
static void
lose (TestFixture *fixture, How how)
{
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 405, .repeat = -1 });
  if (how == HOW_FLUSH_IN_CONTEXT)
    test_fixture_start_in (fixture, g_main_context_default ());
  else
    test_fixture_start (fixture);
  test_emit_large (fixture->exporter, "run", BODY_BYTES);
  switch (how)
    {
    case HOW_FLUSH_ASYNC:
      flush_async (fixture->exporter);
      break;
    case HOW_SHUTDOWN:
      lsobs_exporter_shutdown (fixture->exporter, -1, NULL, &error);
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
      break;
    case HOW_SHUTDOWN_ASYNC:
      shut_down_async (fixture->exporter);
      break;
    case HOW_LAST_UNREF:
      g_clear_object (&fixture->exporter);
      g_clear_object (&fixture->observer);
      break;
    case HOW_FLUSH_LATER:
      g_assert_true (test_wait_until (has_lost, fixture->exporter, TEST_TIMEOUT_MS));
      g_assert_true (lsobs_exporter_flush (fixture->exporter, -1, NULL, &error));
      break;
    case HOW_FLUSH:
    case HOW_FLUSH_IN_CONTEXT:
    default:
      lsobs_exporter_flush (fixture->exporter, -1, NULL, &error);
      g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
      break;
    }
}

static void
test_exit (TestFixture *fixture, gconstpointer data)
{
  How how = (How) GPOINTER_TO_INT (data);
  g_autofree char *dir = get_dir ();
  g_autoptr (GPtrArray) names = NULL;

  if (g_test_subprocess ())
    {
      lsobs_config_set_failed_traces_dir (fixture->config, dir);
      lsobs_config_set_shutdown_timeout (fixture->config, TEST_TIMEOUT_MS);
      /* a full batch does not wait for a flush */
      if (how == HOW_FLUSH_LATER)
        lsobs_config_set_max_batch_size (fixture->config, 1);
      lose (fixture, how);
      /* The last unref does not wait: the normal end of the process does. */
      if (how == HOW_LAST_UNREF)
        exit (0);
      _exit (0);
    }

  fill (dir);
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  names = failed_traces_list (dir);
  g_assert_cmpuint (names->len, ==, N_OLD_FILES + 1);
  /* and nothing half written beside it */
  g_assert_cmpuint (failed_traces_count_entries (dir), ==, names->len);
}

/* Two places of three refuse it. */
static void
test_exit_replicas (Replicas *replicas, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *dir = get_dir ();
  guint n_files = 0;

  if (g_test_subprocess ())
    {
      lsobs_config_set_failed_traces_dir (replicas->config, dir);
      replicas_add_all (replicas);
      test_server_push (replicas->servers[0], NULL, (TestAnswer){ .status = 405, .repeat = -1 });
      test_server_push (replicas->servers[2], NULL, (TestAnswer){ .status = 405, .repeat = -1 });
      replicas_start (replicas);
      test_emit_large (replicas->exporter, "run", BODY_BYTES);
      lsobs_exporter_flush (replicas->exporter, -1, NULL, NULL);
      _exit (0);
    }

  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  for (guint i = 1; i <= REPLICA_MAX; i++)
    {
      g_autofree char *name = g_strdup_printf ("replica-%u", i);
      g_autofree char *path = g_build_filename (dir, name, NULL);
      g_autoptr (GPtrArray) names = failed_traces_list (path);

      n_files += names->len;
      g_assert_cmpuint (names->len, ==, i == 2 ? 0 : 1);
    }
  g_assert_cmpuint (n_files, ==, 2);
}

/* --- a disk that takes its time ------------------------------------------------------------ */

#define SLOW_TYPE_TRANSPORT (slow_transport_get_type ())
G_DECLARE_FINAL_TYPE (SlowTransport, slow_transport, SLOW, TRANSPORT, GObject)

struct _SlowTransport
{
  GObject parent_instance;

  int kept;      /* (atomic) */
  int n_waits;   /* (atomic) threads that were blocked */
  int n_blocked; /* (atomic) of them, how often it was that of the test */
  GThread *test; /* (unowned) */
  GMutex lock;
  GCond cond;
};

static void
slow_transport_send_async (LsobsTransport *transport,
                           LsobsBatch *batch G_GNUC_UNUSED,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (transport, cancellable, callback, user_data);

  g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_REFUSED, "on command");
}

static gboolean
slow_transport_send_finish (LsobsTransport *transport G_GNUC_UNUSED,
                            GAsyncResult *result,
                            GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
slow_transport_drain (LsobsTransport *transport, gint64 deadline)
{
  SlowTransport *self = SLOW_TRANSPORT (transport);

  if (g_get_monotonic_time () >= deadline)
    return g_atomic_int_get (&self->kept);
  g_atomic_int_inc (&self->n_waits);
  if (g_thread_self () == self->test)
    g_atomic_int_inc (&self->n_blocked);
  g_mutex_lock (&self->lock);
  while (!g_atomic_int_get (&self->kept) && g_cond_wait_until (&self->cond, &self->lock, deadline))
    ;
  g_mutex_unlock (&self->lock);
  return g_atomic_int_get (&self->kept);
}

static void
slow_transport_iface_init (LsobsTransportInterface *iface)
{
  iface->send_async = slow_transport_send_async;
  iface->send_finish = slow_transport_send_finish;
  iface->drain = slow_transport_drain;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (SlowTransport,
                               slow_transport,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      slow_transport_iface_init))

static void
slow_transport_class_init (SlowTransportClass *klass G_GNUC_UNUSED)
{
}

static void
slow_transport_init (SlowTransport *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->test = g_thread_self ();
}

static void
finish_keeping (SlowTransport *self)
{
  g_mutex_lock (&self->lock);
  g_atomic_int_set (&self->kept, TRUE);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* (transfer full) */
static SlowTransport *
start_slow (TestFixture *fixture)
{
  SlowTransport *transport = g_object_new (SLOW_TYPE_TRANSPORT, NULL);

  test_fixture_start_with (fixture, LSOBS_TRANSPORT (transport), NULL);
  test_emit (fixture->exporter, "run");
  return transport;
}

static void
assert_unkept (const GError *error, guint64 n_dropped)
{
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, n_dropped);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, 0);
}

/* The limit is long enough for the batch to be lost before. */
static void
test_timeout (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SlowTransport) transport = start_slow (fixture);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) again = NULL;

  g_assert_false (lsobs_exporter_flush (fixture->exporter, 2000, NULL, &error));
  assert_unkept (error, 1);
  /* nothing is left to be sent, but it is not kept yet */
  g_assert_false (lsobs_exporter_flush (fixture->exporter, 0, NULL, &again));
  assert_unkept (again, 0);
  finish_keeping (transport);
  test_assert_flush (fixture->exporter, 0);
}

static void
test_timeout_async (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SlowTransport) transport = start_slow (fixture);
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  lsobs_exporter_flush_async (fixture->exporter, 2000, NULL, test_result_cb, &result);
  g_assert_false (
      lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), NULL, &error));
  assert_unkept (error, 1);
  /* the context was never held up */
  g_assert_cmpint (g_atomic_int_get (&transport->n_blocked), ==, 0);
  finish_keeping (transport);
}

static gboolean
finish_keeping_cb (gpointer user_data)
{
  finish_keeping (user_data);
  return G_SOURCE_REMOVE;
}

/* Goes on as soon as it is kept. */
static void
test_wait_async (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SlowTransport) transport = start_slow (fixture);
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  lsobs_exporter_flush_async (fixture->exporter, -1, NULL, test_result_cb, &result);
  while (g_atomic_int_get (&transport->n_waits) == 0)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (result.n_calls, ==, 0);
  g_idle_add (finish_keeping_cb, transport);
  lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), NULL, &error);
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_cmpint (g_atomic_int_get (&transport->n_blocked), ==, 0);
}

/* To cancel ends the waiting for the disk, too. */
static void
test_cancel_async (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SlowTransport) transport = start_slow (fixture);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GError) error = NULL;

  lsobs_exporter_flush_async (fixture->exporter, -1, cancellable, test_result_cb, &result);
  while (g_atomic_int_get (&transport->n_waits) == 0)
    g_main_context_iteration (NULL, FALSE);
  g_cancellable_cancel (cancellable);
  lsobs_exporter_flush_finish (fixture->exporter, test_result_wait (&result), NULL, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  finish_keeping (transport);
}

static void
test_timeout_shutdown (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (SlowTransport) transport = start_slow (fixture);
  g_autoptr (GError) error = NULL;

  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 2000, NULL, &error));
  assert_unkept (error, 1);
  finish_keeping (transport);
}

#define ADD(path, data, test) \
 g_test_add (path, TestFixture, data, test_fixture_set_up, test, test_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_autofree char *dir = NULL;
  int failed;

  g_test_init (&argc, &argv, NULL);
  test_log_install ();
  if (!g_test_subprocess ())
    {
      dir = failed_traces_make_dir ();
      g_setenv (DIR_VARIABLE, dir, TRUE);
    }

  for (guint i = 0; i < G_N_ELEMENTS (how_names); i++)
    {
      g_autofree char *path = g_strconcat ("/failed-traces-flush/exit/", how_names[i], NULL);

      ADD (path, GINT_TO_POINTER (i), test_exit);
    }
  g_test_add ("/failed-traces-flush/exit/replicas", Replicas, NULL, replicas_set_up,
              test_exit_replicas, replicas_tear_down);
  ADD ("/failed-traces-flush/timeout/flush", NULL, test_timeout);
  ADD ("/failed-traces-flush/timeout/flush-async", NULL, test_timeout_async);
  ADD ("/failed-traces-flush/timeout/shutdown", NULL, test_timeout_shutdown);
  ADD ("/failed-traces-flush/wait-async", NULL, test_wait_async);
  ADD ("/failed-traces-flush/cancel-async", NULL, test_cancel_async);

  failed = g_test_run ();
  if (dir != NULL)
    failed_traces_remove_dir (dir);
  return failed;
}
