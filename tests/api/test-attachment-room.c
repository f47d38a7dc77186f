/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "tests/lib/attachment-helpers.h"

/* Files that go with a run, and for which there is no room: here, in a request, or with the
 * service. */

#define MIB (1024 * 1024)

/* --- no room --- */

static void
test_too_many (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  g_autoptr (GBytes) bytes = run_bytes ("text");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2; i++)
    {
      for (guint j = 0; j < 100; j++)
        {
          g_autofree char *name = g_strdup_printf ("file %u", j);

          attachment_add (run, name, "text");
        }
      attachment_add (run, "file 7", "other");
      attachment_assert_refused (lsobs_run_add_attachment (run, "more", NULL, bytes, &error),
                                 &error, LSOBS_ERROR_TOO_LARGE);
      g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, i + 1);
      /* What has left counts no more. */
      run_fixture_flush (fixture);
    }
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_find (fixture, "run")->attachments->len, ==, 200);
}

static void
test_too_large (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GError) error = NULL;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_max_batch_bytes (fixture->config, 2 * MIB);
  lsobs_config_set_max_queue_bytes (fixture->config, 8 * MIB);
  run_fixture_start (fixture);
  run = attachment_start_run (fixture, "run");
  attachment_assert_refused (attachment_add_large (run, "a", 2 * MIB + 1, &error), &error,
                             LSOBS_ERROR_TOO_LARGE);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 1);
  /* With its headers that is too much for a request, too, but the run goes. */
  g_assert_true (attachment_add_large (run, "a", 2 * MIB, NULL));
  lsobs_run_end (run, NULL);
  attachment_assert_got (fixture, "run", "");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 2);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_CUT_PAYLOADS), ==, 0);
}

/* As many go as must. */
static void
test_largest_first (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_max_batch_bytes (fixture->config, 2 * MIB);
  run_fixture_start (fixture);
  run = attachment_start_run (fixture, "run");
  attachment_add (run, "first", "1");
  g_assert_true (attachment_add_large (run, "large", 2 * MIB - MIB / 8, NULL));
  g_assert_true (attachment_add_large (run, "larger", 2 * MIB - MIB / 16, NULL));
  attachment_add (run, "last", "2");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 1);
  g_assert_cmpuint (run_fixture_find (fixture, "run")->attachments->len, ==, 3);
  g_assert_cmpstr (
      ((WireAttachment *) run_fixture_find (fixture, "run")->attachments->pdata[1])->name, ==,
      "large");
}

static gboolean
has_dropped_three (gpointer data)
{
  return run_fixture_get (data, LSOBS_COUNTER_DROPPED_ATTACHMENTS) == 3;
}

/* Those that wait for the end of the run are bounded, too. */
static void
test_queue_bytes (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) other = NULL;
  g_autoptr (GError) error = NULL;
  guint64 n_bytes;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_max_batch_bytes (fixture->config, 4 * MIB);
  lsobs_config_set_max_queue_bytes (fixture->config, 4 * MIB);
  run_fixture_start (fixture);
  run = attachment_start_run (fixture, "run");
  n_bytes = run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES);
  g_assert_true (attachment_add_large (run, "a", MIB, NULL));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES), >=, n_bytes + MIB);
  g_assert_true (attachment_add_large (run, "a", MIB / 2, NULL));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES), >=, n_bytes + MIB / 2);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_QUEUED_BYTES), <, n_bytes + MIB);
  run_fixture_flush (fixture);

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *name = g_strdup_printf ("file %u", i);

      g_assert_true (attachment_add_large (run, name, MIB, NULL));
    }
  attachment_assert_refused (attachment_add_large (run, "more", MIB, &error), &error,
                             LSOBS_ERROR_TOO_LARGE);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 1);
  /* Not for each run anew, and not for ever. */
  other = attachment_start_run (fixture, "other");
  run_fixture_flush (fixture);
  attachment_assert_refused (attachment_add_large (other, "more", MIB, &error), &error,
                             LSOBS_ERROR_TOO_LARGE);
  g_assert_true (attachment_add_large (other, "less", MIB / 2, NULL));
  g_clear_pointer (&other, lsobs_run_unref);
  /* The thread that has sent the create may let go of the run later than we do. */
  g_assert_true (test_wait_until (has_dropped_three, fixture, TEST_TIMEOUT_MS));
  other = attachment_start_run (fixture, "another");
  run_fixture_flush (fixture);
  g_assert_true (attachment_add_large (other, "less", MIB / 2, NULL));
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_find (fixture, "run")->attachments->len, ==, 1 + 3);
}

/* When the end makes too much of it, the files go, and nothing else. */
static void
test_no_room_at_end (RunFixture *fixture, gconstpointer data)
{
  g_autofree char *text = g_strnfill (3 * MIB / 2, 'x');
  g_autoptr (JsonNode) outputs = test_new_payload (text);
  g_autoptr (LsobsRun) run = NULL;

  run_fixture_set_up (fixture, data);
  lsobs_config_set_max_batch_bytes (fixture->config, 2 * MIB);
  lsobs_config_set_max_queue_bytes (fixture->config, 2 * MIB);
  run_fixture_start (fixture);
  run = attachment_start_run (fixture, "run");
  /* Not so much that it leaves at once. */
  g_assert_true (attachment_add_large (run, "a", MIB / 2, NULL));
  lsobs_run_end (run, outputs);
  attachment_assert_got (fixture, "run", "");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 1);
  g_assert_nonnull (wire_run_get (run_fixture_find (fixture, "run"), "outputs.text"));
}

/* --- what the service will not have --- */

static void
test_413 (RunFixture *fixture, gconstpointer data)
{
  const guint n_refusals = GPOINTER_TO_UINT (data);
  g_autoptr (JsonNode) inputs = test_new_payload ("in");
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);

  attachment_add (run, "a", "1");
  attachment_add (run, "b", "2");
  test_server_push (fixture->server, NULL,
                    (TestAnswer){ .status = 413, .repeat = (int) n_refusals });
  if (n_refusals == 3)
    {
      g_autoptr (GError) error = test_flush_with_loss (fixture->exporter, 1);

      g_assert_cmpuint (run_fixture_get_dropped (fixture, LSOBS_DROP_REASON_TOO_LARGE), ==, 1);
    }
  else
    {
      attachment_assert_got (fixture, "run", "");
      run_assert_member (run_fixture_find (fixture, "run"), "inputs",
                         n_refusals == 1 ? "{\"text\":\"in\"}"
                                         : "{\"__truncated__\":true,\"bytes\":13}");
    }
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==,
                    MIN (n_refusals + 1, 3));
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 2);
}

/* Another run in the same request keeps what it has. */
static void
test_413_of_two (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) first = attachment_start_run (fixture, "first");
  g_autoptr (LsobsRun) second = attachment_start_run (fixture, "second");

  attachment_add (first, "a", "1");
  attachment_add (second, "b", "2");
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 413 });
  attachment_assert_got (fixture, "first", "a=1");
  attachment_assert_got (fixture, "second", "b=2");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 0);
}

/* As large as it may be. */
static void
test_20_mib (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const gsize n_bytes = 20 * MIB - 4096;
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  g_autoptr (LsobsRun) other = attachment_start_run (fixture, "other");
  g_autoptr (GPtrArray) requests = NULL;
  WireRun *got;

  g_assert_true (attachment_add_large (run, "file", n_bytes, NULL));
  g_assert_true (attachment_add_large (other, "file", n_bytes, NULL));
  lsobs_run_end (run, NULL);
  lsobs_run_end (other, NULL);
  run_fixture_flush (fixture);
  got = run_fixture_find (fixture, "run");
  g_assert_cmpuint (got->attachments->len, ==, 1);
  g_assert_cmpuint (g_bytes_get_size (((WireAttachment *) got->attachments->pdata[0])->data), ==,
                    n_bytes);
  requests = test_server_dup_ingest (fixture->server);
  for (guint i = 0; i < requests->len; i++)
    g_assert_cmpuint (g_bytes_get_size (((TestRequest *) requests->pdata[i])->body), <=, 20 * MIB);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 0);
}

static void
check_left_out (RunFixture *fixture)
{
  test_log_clear ();
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *name = g_strdup_printf ("run-%u", i);
      g_autoptr (LsobsRun) run = attachment_start_run (fixture, name);

      attachment_add (run, "a", "1");
      attachment_add (run, "b", "2");
      lsobs_run_end (run, NULL);
      attachment_assert_got (fixture, name, "");
      g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==,
                        2 * (i + 1));
    }
  g_assert_true (test_log_contains ("Attachments are left out"));
}

static void
test_mode (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_ingest_mode (fixture->config, (LsobsIngestMode) GPOINTER_TO_INT (data));
  run_fixture_start (fixture);
  check_left_out (fixture);
  /* Told once. */
  g_assert_cmpuint (test_log_count (), ==, 1);
}

static void
test_fall_back (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  test_server_push (fixture->server, "/runs/multipart",
                    (TestAnswer){ .status = 404, .repeat = -1 });
  check_left_out (fixture);
  /* That, and the change of the endpoint. */
  g_assert_cmpuint (test_log_count (), ==, 2);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(path, data, set_up, func) \
 g_test_add (path, RunFixture, data, set_up, func, run_fixture_tear_down)
  ADD ("/attachment/too-many", NULL, attachment_set_up, test_too_many);
  ADD ("/attachment/too-large", NULL, NULL, test_too_large);
  ADD ("/attachment/largest-first", NULL, NULL, test_largest_first);
  ADD ("/attachment/queue-bytes", NULL, NULL, test_queue_bytes);
  ADD ("/attachment/no-room-at-end", NULL, NULL, test_no_room_at_end);
  ADD ("/attachment/413/once", GUINT_TO_POINTER (1), attachment_set_up, test_413);
  ADD ("/attachment/413/twice", GUINT_TO_POINTER (2), attachment_set_up, test_413);
  ADD ("/attachment/413/always", GUINT_TO_POINTER (3), attachment_set_up, test_413);
  ADD ("/attachment/413/of-two", NULL, attachment_set_up, test_413_of_two);
  ADD ("/attachment/20-mib", NULL, attachment_set_up, test_20_mib);
  ADD ("/attachment/mode/batch", GINT_TO_POINTER (LSOBS_INGEST_MODE_BATCH), NULL, test_mode);
  ADD ("/attachment/mode/runs", GINT_TO_POINTER (LSOBS_INGEST_MODE_RUNS), NULL, test_mode);
  ADD ("/attachment/fall-back", NULL, attachment_set_up, test_fall_back);

  return g_test_run ();
}
