/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints how long flush, shutdown and the last unref take, how long after the deadline it is known what
 * becomes of the records, and what that is, for each fault of a service, with a thread of lsobs and in
 * the main context of the program:
 *
 *   make bench/life-deadlines &&
 *     G_TEST_SRCDIR=SOURCE/tests bench/life-deadlines [--call=CALL] [--time=MS] [FAULT …]
 */

#include "config.h"

#include <string.h>

#include "tests/lib/deadline-helpers.h"

static const gint64 timeouts[] = { 200, 1000, 3000 };

static const char *const call_names[] = { [DEADLINE_FLUSH] = "flush",
                                          [DEADLINE_SHUTDOWN] = "shutdown",
                                          [DEADLINE_UNREF] = "unref" };

static const char *
get_agreement (const DeadlineCall *call, const DeadlineReport *report)
{
  if (call->kind == DEADLINE_UNREF)
    return "-";
  return deadline_report_agrees (report, call) ? "yes" : "NO";
}

static void
print_report (const DeadlineRow *row, const DeadlineCall *call, const DeadlineReport *report)
{
  guint64 n_pending = report->error != NULL ? lsobs_flush_error_get_pending (report->error) : 0;
  guint64 n_dropped = report->error != NULL ? lsobs_flush_error_get_dropped (report->error) : 0;

  g_print (
      "%-20s %-8s %4d %-6s %5d %+6d | %4d %4d %4d %4d %4d | %4d %4d %4d %4d %4d | %-3s %-3s %5d\n",
      row->fault.name, call_names[call->kind], (int) call->timeout,
      call->in_loop ? "loop" : "thread", (int) report->elapsed_ms,
      (int) (report->outcome_ms - call->timeout), (int) report->stats.runs_flushed,
      (int) report->stats.runs_failed, (int) report->stats.dropped_events, (int) n_pending,
      (int) n_dropped, (int) report->n_delivered, (int) report->n_dropped, (int) report->n_queued,
      (int) report->n_in_flight, (int) report->n_written,
      deadline_report_has_outcomes (report, call) ? "yes" : "NO", get_agreement (call, report),
      (int) report->thread_ms);
}

/* @name: (nullable): the only call; NULL for all */
static void
measure (const DeadlineRow *row, const char *name, gint64 timeout)
{
  for (guint i = 0; i < 2 * G_N_ELEMENTS (call_names); i++)
    {
      const DeadlineCall call = { .kind = i / 2, .in_loop = i % 2 != 0, .timeout = timeout };
      g_auto (DeadlineReport) report = { 0 };

      if (name != NULL && strcmp (name, call_names[call.kind]) != 0)
        continue;
      deadline_run (row, &call, &report);
      print_report (row, &call, &report);
    }
}

static gboolean
is_wanted (char **names, const char *name)
{
  return names == NULL || g_strv_contains ((const char *const *) names, name);
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) names = NULL;
  g_autofree char *name = NULL;
  int only = 0;
  GOptionEntry entries[] = {
    { "call", 0, 0, G_OPTION_ARG_STRING, &name, "only flush, shutdown or unref", "CALL" },
    { "time", 0, 0, G_OPTION_ARG_INT, &only, "only calls with this timeout", "MS" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, "faults", "FAULT" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  g_log_set_default_handler (g_log_default_handler, NULL);
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  g_print ("%-20s %-8s %4s %-6s %5s %6s | %-24s | %-24s | %-3s %-3s %5s\n", "fault", "call", "ms",
           "in", "took", "over", "sent lost evic pend drop", "dlvd drop quee flgt writ", "fat",
           "agr", "after");
  for (gsize i = 0; i < n_deadline_rows; i++)
    for (gsize j = 0; j < G_N_ELEMENTS (timeouts); j++)
      if (is_wanted (names, deadline_rows[i].fault.name) && (only == 0 || only == timeouts[j]))
        measure (&deadline_rows[i], name, timeouts[j]);
  return 0;
}
