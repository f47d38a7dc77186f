/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-error-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/lsobs-feedback.h"
#include "lsobs/lsobs-run-event.h"
#include "lsobs/lsobs-types.h"

/* What an enumeration must consist of: its nicks, by value from 0 on. */
typedef struct
{
  const char *path;
  GType (*get_type) (void);
  const char *nicks[32];
} EnumRow;

static const EnumRow enum_rows[] = {
  { "run-type",
    lsobs_run_type_get_type,
    { "chain", "llm", "tool", "retriever", "embedding", "prompt", "parser" } },
  { "run-status", lsobs_run_status_get_type, { "running", "completed", "failed" } },
  { "compression", lsobs_compression_get_type, { "auto", "none", "gzip", "zstd" } },
  { "replica-role", lsobs_replica_role_get_type, { "auto", "primary", "secondary" } },
  { "ingest-mode", lsobs_ingest_mode_get_type, { "auto", "multipart", "batch", "runs" } },
  { "state", lsobs_state_get_type, { "ok", "degraded", "paused" } },
  { "run-event-kind", lsobs_run_event_kind_get_type, { "start", "update", "feedback" } },
  { "feedback-source", lsobs_feedback_source_get_type, { "api", "model" } },
  { "error",
    lsobs_error_get_type,
    { "invalid-config", "invalid-run",      "too-large",   "rejected", "refused",
      "conflict",       "unauthorized",     "quota",       "limited",  "not-found",
      "redirected",     "unavailable",      "unreachable", "closed",   "invalid-attachment",
      "invalid-value",  "invalid-feedback", "no-key",      "foreign",  "blocked" } },
  { "flush-error",
    lsobs_flush_error_get_type,
    { "timeout", "permanent", "would-deadlock", "spooled" } },
  { "drop-reason",
    lsobs_drop_reason_get_type,
    { "queue-full", "queue-bytes", "too-large", "rejected", "unauthorized", "quota",
      "wrong-address", "unavailable", "shutdown", "fork" } },
  { "counter",
    lsobs_counter_get_type,
    { "enqueued",
      "delivered",
      "queued",
      "queued-bytes",
      "in-flight",
      "merged",
      "promoted",
      "unsampled",
      "late-updates",
      "unknown-updates",
      "abandoned",
      "dropped-notes",
      "dropped-attachments",
      "bad-payloads",
      "cut-payloads",
      "redaction-failures",
      "dumped",
      "batches",
      "requests",
      "retries",
      "bytes-sent",
      "spooled",
      "drained",
      "spool-dropped" } },
};

static void
test_enum (gconstpointer data)
{
  const EnumRow *row = data;
  g_autoptr (GEnumClass) klass = g_type_class_ref (row->get_type ());
  guint n = 0;

  for (; row->nicks[n] != NULL; n++)
    {
      GEnumValue *value = g_enum_get_value (klass, (int) n);

      g_assert_nonnull (value);
      g_assert_cmpstr (value->value_nick, ==, row->nicks[n]);
      g_assert_true (g_str_has_prefix (value->value_name, "LSOBS_"));
    }
  g_assert_cmpuint (klass->n_values, ==, n);
}

/* The tables of the library are as long as the enumerations. */
static void
test_table_sizes (void)
{
  g_autoptr (GEnumClass) counters = g_type_class_ref (LSOBS_TYPE_COUNTER);
  g_autoptr (GEnumClass) reasons = g_type_class_ref (LSOBS_TYPE_DROP_REASON);

  g_assert_cmpuint (counters->n_values, ==, LSOBS_N_COUNTERS);
  g_assert_cmpuint (reasons->n_values, ==, LSOBS_N_DROP_REASONS);
}

static void
test_domains (void)
{
  g_assert_cmpstr (g_quark_to_string (LSOBS_ERROR), ==, "lsobs-error-quark");
  g_assert_cmpstr (g_quark_to_string (LSOBS_FLUSH_ERROR), ==, "LsobsFlushError");
  g_assert_true (LSOBS_ERROR == lsobs_error_quark ());
  g_assert_false (LSOBS_ERROR == LSOBS_FLUSH_ERROR);
}

/* Errors */

static void
assert_numbers (const GError *error, gint64 waited, guint64 pending, guint64 dropped)
{
  g_assert_cmpint (lsobs_flush_error_get_waited (error), ==, waited);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, pending);
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, dropped);
}

static void
test_flush_timeout (void)
{
  g_autoptr (GError) error = NULL;

  _lsobs_flush_error_set_timeout (&error, 1234, 1200, 56, 7, NULL);
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  assert_numbers (error, 1234, 56, 7);
  g_assert_nonnull (strstr (error->message, "longer than 1200 ms"));
  g_assert_nonnull (strstr (error->message, "56"));
}

/* The end of a shutdown: nothing is still to be sent. */
static void
test_flush_cut_off (void)
{
  g_autoptr (GError) error = NULL;

  _lsobs_flush_error_set_timeout (&error, 1234, 1200, 0, 56, NULL);
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT);
  assert_numbers (error, 1234, 0, 56);
  g_assert_nonnull (strstr (error->message, "within 1200 ms: 56 records lost"));
}

static void
test_flush_permanent (void)
{
  g_autoptr (GError) error = NULL;

  _lsobs_flush_error_set_permanent (&error, 78, 9, G_MAXUINT64, 1, "the reason");
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  assert_numbers (error, 78, 9, G_MAXUINT64);
  g_assert_nonnull (strstr (error->message, "the reason"));
  g_assert_nonnull (strstr (error->message, "18446744073709551615 records lost, "
                                            "9 records still to be sent, 1 record in the spool"));
}

static void
test_flush_no_place (void)
{
  /* The caller does not want to know: nothing happens. */
  _lsobs_flush_error_set_timeout (NULL, 1, 1, 2, 3, NULL);
  _lsobs_flush_error_set_permanent (NULL, 1, 2, 3, 4, "reason");
}

static void
test_flush_copy (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) copy = NULL;
  g_autoptr (GError) moved = NULL;

  _lsobs_flush_error_set_permanent (&error, 1, 2, 3, 4, "reason");
  copy = g_error_copy (error);
  g_propagate_prefixed_error (&moved, g_steal_pointer (&error), "%s: ", "prefix");
  assert_numbers (copy, 1, 2, 3);
  assert_numbers (moved, 1, 2, 3);
  g_assert_true (g_str_has_prefix (moved->message, "prefix: "));
}

/* One that the program has made itself carries no numbers. */
static void
test_flush_foreign (void)
{
  g_autoptr (GError) error =
      g_error_new_literal (LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_TIMEOUT, "own");

  assert_numbers (error, 0, 0, 0);
}

typedef struct
{
  const char *path;
  gint64 (*get) (const GError *error);
} GetterRow;

static gint64
get_pending (const GError *error)
{
  return (gint64) lsobs_flush_error_get_pending (error);
}

static gint64
get_dropped (const GError *error)
{
  return (gint64) lsobs_flush_error_get_dropped (error);
}

static const GetterRow getter_rows[] = {
  { "waited", lsobs_flush_error_get_waited },
  { "pending", get_pending },
  { "dropped", get_dropped },
};

static void
test_wrong_domain (gconstpointer data)
{
  const GetterRow *row = data;
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "another");

  g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*LSOBS_FLUSH_ERROR*");
  g_assert_cmpint (row->get (error), ==, 0);
  g_test_assert_expected_messages ();

  g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*error != NULL*");
  g_assert_cmpint (row->get (NULL), ==, 0);
  g_test_assert_expected_messages ();
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (enum_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/types/enum/", enum_rows[i].path, NULL);

      g_test_add_data_func (path, &enum_rows[i], test_enum);
    }
  g_test_add_func ("/types/table-sizes", test_table_sizes);
  g_test_add_func ("/types/domains", test_domains);
  g_test_add_func ("/types/flush-error/timeout", test_flush_timeout);
  g_test_add_func ("/types/flush-error/cut-off", test_flush_cut_off);
  g_test_add_func ("/types/flush-error/permanent", test_flush_permanent);
  g_test_add_func ("/types/flush-error/no-place", test_flush_no_place);
  g_test_add_func ("/types/flush-error/copy", test_flush_copy);
  g_test_add_func ("/types/flush-error/foreign", test_flush_foreign);
  for (guint i = 0; i < G_N_ELEMENTS (getter_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/types/wrong-domain/", getter_rows[i].path, NULL);

      g_test_add_data_func (path, &getter_rows[i], test_wrong_domain);
    }

  return g_test_run ();
}
