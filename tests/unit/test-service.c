/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client remembers of the service, and for how long: in this thread, which is the worker's,
 * with a clock that the test moves on. */

#include "config.h"

#include <time.h>

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/http/lsobs-attempts-private.h"
#include "lsobs/http/lsobs-upload-private.h"
#include "lsobs/http/lsobs-service-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/transport/lsobs-batch-private.h"
#include "lsobs/transport/lsobs-encoder-private.h"
#include "tests/lib/test-helpers.h"

#define MINUTE (60 * G_USEC_PER_SEC)

typedef struct
{
  TestServer *server;    /* (owned) */
  LsobsConfig *config;   /* (owned) */
  LsobsService *service; /* (owned) (nullable) */
  GSource *waker;        /* (owned) of the worker */
  guint n_lookups;       /* that the test expects to have begun */
  guint n_answers;       /* to lookups: each wakes the worker */
} Fixture;

/* --- the clock ----------------------------------------------------------------------------- */

static int clock_minutes; /* (atomic) that the clock is ahead */

/* Instead of GLib's. Timers run on as they are: the test waits for none of them. */
gint64
g_get_monotonic_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000 +
         g_atomic_int_get (&clock_minutes) * MINUTE;
}

static void
advance_clock (int n_minutes)
{
  g_atomic_int_add (&clock_minutes, n_minutes);
}

/* --- fixture ------------------------------------------------------------------------------- */

static gboolean
count_cb (gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->n_answers++;
  return G_SOURCE_CONTINUE;
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_atomic_int_set (&clock_minutes, 0);
  fixture->server = test_server_new ();
  fixture->config = lsobs_config_new (TEST_KEY, "tests");
  lsobs_config_set_api_url (fixture->config, test_server_get_url (fixture->server));
  lsobs_config_set_retry_delay (fixture->config, 1);
  lsobs_config_set_request_timeout (fixture->config, TEST_TIMEOUT_MS);
  test_log_clear ();
  g_assert_true (g_main_context_acquire (NULL));
  fixture->waker = _lsobs_flush_source_new ();
  g_source_set_callback (fixture->waker, count_cb, fixture, NULL);
  g_source_attach (fixture->waker, NULL);
}

static void
start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsSettings) settings =
      _lsobs_settings_new (fixture->config, LSOBS_SETTINGS_FOR_HTTP, &error);

  g_assert_no_error (error);
  fixture->service = _lsobs_service_new (settings);
  _lsobs_service_set_waker (fixture->service, fixture->waker);
}

static gboolean
has_answers (gpointer data)
{
  Fixture *fixture = data;

  return fixture->n_answers == fixture->n_lookups;
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fixture->service != NULL)
    {
      _lsobs_service_close (fixture->service);
      _lsobs_service_unref (fixture->service);
      g_assert_true (test_wait_until (has_answers, fixture, TEST_TIMEOUT_MS));
    }
  g_source_destroy (fixture->waker);
  g_source_unref (fixture->waker);
  g_main_context_release (NULL);
  test_server_assert_conformant (fixture->server);
  g_object_unref (fixture->config);
  test_server_free (fixture->server);
}

/* (transfer full): complete runs, each a root with so many bytes of inputs */
static LsobsBatch *
make_batch (Fixture *fixture, guint n_records, gsize n_bytes)
{
  GPtrArray *records = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_encoded_unref);
  g_autofree char *filling = g_strnfill (n_bytes, 'x');
  const LsobsEncoder encoder = { _lsobs_service_peek_settings (fixture->service),
                                 _lsobs_service_peek_counters (fixture->service) };

  for (guint i = 0; i < n_records; i++)
    {
      g_autoptr (LsobsRunInfo) info =
          _lsobs_run_info_new (NULL, "run", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
      LsobsRecord *record = _lsobs_record_new (LSOBS_RECORD_CREATE, info);
      char *inputs = g_strdup_printf ("{\"text\":\"%s\"}", filling);

      record->inputs = g_bytes_new_take (inputs, strlen (inputs));
      record->end_time = _lsobs_run_info_get_now (info);
      g_ptr_array_add (records, _lsobs_encoder_encode (&encoder, record));
    }

  return _lsobs_batch_new (records);
}

static guint
count_lookups (Fixture *fixture)
{
  return test_server_count_requests (fixture->server, "/info");
}

static gboolean
was_asked (gpointer data)
{
  return count_lookups (data) > 0;
}

/* Returns (transfer full) (nullable): what went wrong */
static GError *
send_batch (Fixture *fixture, guint n_records, gsize n_bytes)
{
  g_autoptr (LsobsBatch) batch = make_batch (fixture, n_records, n_bytes);
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, test_result_cb, &result);
  GError *error = NULL;

  _lsobs_upload_send_task (fixture->service, batch, task);
  g_task_propagate_boolean (G_TASK (test_result_wait (&result)), &error);
  /* The first answer begins the first lookup. */
  fixture->n_lookups = MAX (fixture->n_lookups, 1);
  g_assert_true (test_wait_until (was_asked, fixture, TEST_TIMEOUT_MS));

  return error;
}

/* Sends something, and waits for the answers to all lookups. */
static void
send_one (Fixture *fixture)
{
  g_autoptr (GError) error = send_batch (fixture, 1, 10);

  g_assert_no_error (error);
  test_drain_context ();
  g_assert_true (test_wait_until (has_answers, fixture, TEST_TIMEOUT_MS));
}

static LsobsIngestMode
get_mode (Fixture *fixture)
{
  return _lsobs_service_get_mode (fixture->service);
}

/* --- lookups ------------------------------------------------------------------------------ */

/* No sooner than after a minute, and only when something is sent. */
static void
test_ask_again (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_push (fixture->server, "/info", (TestAnswer){ .status = 503, .repeat = 2 });
  start (fixture);
  send_one (fixture);
  g_assert_cmpuint (count_lookups (fixture), ==, 1);
  send_one (fixture);
  g_assert_cmpuint (count_lookups (fixture), ==, 1);

  advance_clock (1);
  test_drain_context ();
  g_assert_cmpuint (count_lookups (fixture), ==, 1);
  fixture->n_lookups = 2;
  send_one (fixture);
  g_assert_cmpuint (count_lookups (fixture), ==, 2);
  send_one (fixture);
  g_assert_cmpuint (count_lookups (fixture), ==, 2);

  advance_clock (1);
  fixture->n_lookups = 3;
  send_one (fixture);
  g_assert_cmpuint (count_lookups (fixture), ==, 3);

  /* a good answer is kept */
  for (guint i = 0; i < 3; i++)
    {
      advance_clock (1);
      send_one (fixture);
      g_assert_cmpuint (count_lookups (fixture), ==, 3);
    }
}

/* It is not asked twice at a time. */
static void
test_ask_once (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_server_set_info (fixture->server, "{\"version\":\"0.8.10\"}");
  test_server_push (fixture->server, "/info", (TestAnswer){ .mode = TEST_ANSWER_HANG });
  start (fixture);
  for (guint i = 0; i < 3; i++)
    {
      error = send_batch (fixture, 1, 10);
      g_assert_no_error (error);
      advance_clock (1);
    }
  g_assert_cmpuint (fixture->n_answers, ==, 0);
  _lsobs_service_close (fixture->service);
  g_assert_true (test_wait_until (has_answers, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpuint (count_lookups (fixture), ==, 1);

  /* and it may be used again */
  fixture->n_lookups = 2;
  send_one (fixture);
  g_assert_true (_lsobs_service_takes_feedback (fixture->service));
}

/* A service that does not answer is not waited for as long as for a request. */
static void
test_ask_hang (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  gint64 began = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/info",
                    (TestAnswer){ .mode = TEST_ANSWER_HANG, .repeat = -1 });
  start (fixture);
  error = send_batch (fixture, 1, 10);
  g_assert_no_error (error);
  g_assert_cmpuint (fixture->n_answers, ==, 0);
  g_assert_true (test_wait_until (has_answers, fixture, TEST_TIMEOUT_MS));
  g_assert_cmpint (test_get_elapsed_ms (began), >=, 4900);
  g_assert_cmpint (test_get_elapsed_ms (began), <=, 5000 + test_get_slack_ms ());
}

/* More than a cancelled lookup gets to end. */
#define HELD_UP_MS 150

static gboolean
hold_up_cb (gpointer user_data G_GNUC_UNUSED)
{
  gint64 end = g_get_monotonic_time () + HELD_UP_MS * 1000;

  while (g_get_monotonic_time () < end)
    ;
  return G_SOURCE_REMOVE;
}

/* The lookup is over when the service is closed, also when this thread did not run meanwhile. */
static void
test_close_held_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/info", (TestAnswer){ .mode = TEST_ANSWER_HANG });
  start (fixture);
  error = send_batch (fixture, 1, 10);
  g_assert_no_error (error);
  g_assert_false (_lsobs_service_is_known (fixture->service));
  g_idle_add_full (G_PRIORITY_HIGH, hold_up_cb, NULL, NULL);
  _lsobs_service_close (fixture->service);
  g_assert_true (_lsobs_service_is_known (fixture->service));
}

/* A service that is dropped with a lookup under way. */
static void
test_early_free (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/info", (TestAnswer){ .mode = TEST_ANSWER_HANG });
  start (fixture);
  error = send_batch (fixture, 1, 10);
  g_assert_no_error (error);
  g_assert_false (_lsobs_service_is_known (fixture->service));
}

/* A service that is closed and dropped before /info has found a connection. */
static void
test_early_close (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  start (fixture);
  _lsobs_service_begin_upload (fixture->service);
  _lsobs_service_end_upload (fixture->service, TRUE);
  g_assert_true (g_main_context_pending (context));
  _lsobs_service_close (fixture->service);
  g_assert_false (g_main_context_pending (context));
  g_clear_pointer (&fixture->service, _lsobs_service_unref);
  g_assert_cmpuint (count_lookups (fixture), ==, 0);
}

/* --- what it leads to ---------------------------------------------------------------------- */

static const struct
{
  const char *info;
  LsobsIngestMode mode;
  gboolean takes_feedback;
} abilities[] = {
  { "{\"version\":\"0.8.10\"}", LSOBS_INGEST_MODE_AUTO, TRUE },
  { "{\"version\":\"0.12.1\"}", LSOBS_INGEST_MODE_MULTIPART, TRUE },
  { "{\"version\":\"0.12.1\"}", LSOBS_INGEST_MODE_BATCH, FALSE },
  { "{\"version\":\"0.12.1\",\"batch_ingest_config\":{\"use_multipart_endpoint\":false}}",
    LSOBS_INGEST_MODE_AUTO, FALSE },
  { "{\"version\":\"0.8.9\"}", LSOBS_INGEST_MODE_AUTO, FALSE },
  { "{\"version\":null}", LSOBS_INGEST_MODE_AUTO, FALSE },
  { "{}", LSOBS_INGEST_MODE_AUTO, FALSE },
  { "<html></html>", LSOBS_INGEST_MODE_AUTO, FALSE },
};

static void
test_feedback (Fixture *fixture, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);

  lsobs_config_set_ingest_mode (fixture->config, abilities[i].mode);
  test_server_set_info (fixture->server, abilities[i].info);
  start (fixture);
  g_assert_false (_lsobs_service_takes_feedback (fixture->service));
  send_one (fixture);
  g_assert_cmpint (_lsobs_service_takes_feedback (fixture->service), ==,
                   abilities[i].takes_feedback);
}

/* A batch that waited while the limits became narrower is given back; what was sent once is sent again as
 * it was. */
static void
test_too_large (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_server_set_info (fixture->server,
                        "{\"batch_ingest_config\":{\"size_limit\":7,\"size_limit_bytes\":65536}}");
  start (fixture);
  send_one (fixture);
  error = send_batch (fixture, 8, 10);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE);
  g_clear_error (&error);
  error = send_batch (fixture, 1, 65536);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_TOO_LARGE);
  g_clear_error (&error);
  error = send_batch (fixture, 7, 1000);
  g_assert_no_error (error);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 2);
}

/* --- missing endpoints --------------------------------------------------------------------- */

/* The best one is tried again after ten minutes. */
static void
test_fallback_time (Fixture *fixture, gconstpointer data)
{
  LsobsIngestMode first = (LsobsIngestMode) GPOINTER_TO_INT (data);

  if (first == LSOBS_INGEST_MODE_BATCH)
    test_server_set_info (fixture->server,
                          "{\"batch_ingest_config\":{\"use_multipart_endpoint\":false}}");
  start (fixture);
  send_one (fixture);
  g_assert_cmpint (get_mode (fixture), ==, first);

  test_server_push (fixture->server,
                    first == LSOBS_INGEST_MODE_BATCH ? "/runs/batch" : "/runs/multipart",
                    (TestAnswer){ .status = 404, .repeat = 2 });
  for (guint i = 0; i < 4; i++)
    {
      send_one (fixture);
      g_assert_cmpint (get_mode (fixture), ==,
                       first == LSOBS_INGEST_MODE_BATCH ? LSOBS_INGEST_MODE_RUNS
                                                        : LSOBS_INGEST_MODE_BATCH);
      advance_clock (3);
    }

  /* still missing then */
  send_one (fixture);
  g_assert_cmpint (get_mode (fixture), !=, first);

  advance_clock (10);
  send_one (fixture);
  g_assert_cmpint (get_mode (fixture), ==, first);
  /* said once, however often it is found */
  g_assert_cmpuint (test_log_count (), ==, 1);
}

/* Not one of them is there: the address is wrong, and the next attempt begins anew. */
static void
test_none (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 404, .repeat = 3 });
  start (fixture);
  error = send_batch (fixture, 1, 10);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_NOT_FOUND);
  g_assert_cmpint (get_mode (fixture), ==, LSOBS_INGEST_MODE_MULTIPART);
  send_one (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, "/runs/multipart"), ==, 2);
}

/* A conflict after an endpoint was missing is one of the first attempt. */
static void
test_conflict (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  test_server_push (fixture->server, "/runs/multipart", (TestAnswer){ .status = 404 });
  test_server_push (fixture->server, "/runs/batch", (TestAnswer){ .status = 409 });
  start (fixture);
  error = send_batch (fixture, 2, 10);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_CONFLICT);
  g_clear_error (&error);

  test_server_push (fixture->server, "/runs/batch", (TestAnswer){ .status = 500 });
  test_server_push (fixture->server, "/runs/batch", (TestAnswer){ .status = 409 });
  error = send_batch (fixture, 2, 10);
  g_assert_no_error (error);
}

/* --- time ---------------------------------------------------------------------------------- */

typedef struct
{
  LsobsAttempts attempts;
  gboolean again; /* there is to be another one */
} Trial;

static void
tried_cb (GObject *object G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Trial *trial = g_task_get_task_data (task);
  g_auto (LsobsAnswer) answer = LSOBS_ANSWER_INIT;
  g_autoptr (GError) error = NULL;

  g_assert_true (_lsobs_attempts_end (&trial->attempts, result, &answer, NULL));
  trial->again = _lsobs_attempts_plan_next (&trial->attempts, &answer, &error);
  g_task_return_boolean (task, TRUE);
}

/* What has waited for its turn because of others has all of its time still before it.
 * @data: for how many attempts it has been tried all the while */
static void
test_time (Fixture *fixture, gconstpointer data)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, test_result_cb, &result);
  guint n_before = GPOINTER_TO_UINT (data);
  Trial trial = { .again = FALSE };

  test_server_push (fixture->server, "/info", (TestAnswer){ .status = 503 });
  start (fixture);
  _lsobs_attempts_init (&trial.attempts, fixture->service);
  trial.attempts.n = n_before;
  trial.attempts.began = g_get_monotonic_time () - 2 * MINUTE;
  g_task_set_task_data (task, &trial, NULL);
  _lsobs_attempts_begin (&trial.attempts, task,
                         _lsobs_route_new_message (_lsobs_service_peek_route (fixture->service),
                                                   "GET", "info"),
                         NULL, NULL, tried_cb);
  test_result_wait (&result);
  g_assert_true (trial.again == (n_before == 0));
  _lsobs_attempts_clear (&trial.attempts);
}

#define ADD(path, data, test) g_test_add (path, Fixture, data, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/service/ask/again", NULL, test_ask_again);
  ADD ("/service/ask/once", NULL, test_ask_once);
  ADD ("/service/ask/hang", NULL, test_ask_hang);
  ADD ("/service/ask/close-held-up", NULL, test_close_held_up);
  ADD ("/service/ask/early-free", NULL, test_early_free);
  ADD ("/service/ask/early-close", NULL, test_early_close);
  for (guint i = 0; i < G_N_ELEMENTS (abilities); i++)
    {
      g_autofree char *path = g_strdup_printf ("/service/feedback/%u", i);

      ADD (path, GUINT_TO_POINTER (i), test_feedback);
    }
  ADD ("/service/too-large", NULL, test_too_large);
  ADD ("/service/fallback/multipart", GINT_TO_POINTER (LSOBS_INGEST_MODE_MULTIPART),
       test_fallback_time);
  ADD ("/service/fallback/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH), test_fallback_time);
  ADD ("/service/time/waited", GUINT_TO_POINTER (0), test_time);
  ADD ("/service/time/tried", GUINT_TO_POINTER (1), test_time);
  ADD ("/service/fallback/none", NULL, test_none);
  ADD ("/service/fallback/conflict", NULL, test_conflict);

  return g_test_run ();
}
