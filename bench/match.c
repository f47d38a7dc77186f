/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a redaction rule costs beside the same regular expression alone, on texts in which it matches
 * nothing; and what one costs that takes exponential time, on a record of many small strings.
 *
 *   make bench/match && bench/match [ROUNDS] */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bench/bench-helpers.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "tests/lib/redactor-helpers.h"

#define ROUND_BYTES (2 * 1000 * 1000)
#define SIMPLE      "sk-[A-Za-z0-9]{20}"
#define EMAIL       "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}"
#define EXPLOSIVE   "(a|aa)+$"

static guint n_rounds = 11;

/* Returns: nanoseconds for each text */
static double
time_rule (LsobsRedactor *redactor, const char *text, gsize len)
{
  guint n = (guint) (ROUND_BYTES / len);
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gint64 start = bench_thread_cpu ();

  for (guint i = 0; i < n; i++)
    {
      LsobsRedactBudget budget = LSOBS_REDACT_BUDGET_INIT;

      _lsobs_buffer_truncate (&out, 0);
      g_assert_false (_lsobs_redactor_apply (redactor, &budget, text, len, &out));
    }
  return (double) (bench_thread_cpu () - start) / n;
}

static double
time_regex (GRegex *regex, const char *text, gsize len)
{
  guint n = (guint) (ROUND_BYTES / len);
  gint64 start = bench_thread_cpu ();

  for (guint i = 0; i < n; i++)
    g_assert_false (g_regex_match_full (regex, text, (gssize) len, 0, 0, NULL, NULL));
  return (double) (bench_thread_cpu () - start) / n;
}

/* Returns: (transfer full): the words of a chat, or the chat as JSON. In JSON that is in a string, a rule also
 *   searches what its escapes stand for. */
static char *
make_text (gsize size, gboolean is_json)
{
  char *text = bench_make_json (size);

  return is_json ? text : g_strdelimit (text, "\\\"{}[]:", ' ');
}

static void
measure_match (const char *name, const char *pattern, gsize size, gboolean is_json)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new (pattern, NULL, NULL);
  g_autoptr (GRegex) regex = g_regex_new (pattern, G_REGEX_OPTIMIZE, 0, NULL);
  g_autofree char *text = make_text (size, is_json);
  g_autofree char *id = g_strdup_printf ("match/%s/%" G_GSIZE_FORMAT, name, size);
  g_auto (BenchSeries) rules = { NULL };
  g_auto (BenchSeries) bare = { NULL };

  g_assert_true (redactor != NULL && regex != NULL);
  bench_series_init (&rules);
  bench_series_init (&bare);
  for (guint round = 0; round < n_rounds; round++)
    {
      bench_series_add (&rules, time_rule (redactor, text, strlen (text)));
      bench_series_add (&bare, time_regex (regex, text, strlen (text)));
    }
  bench_report (id, &rules, &bare);
}

/* An array of strings of @len bytes, on each of which the pattern takes long.
 * Returns: (transfer full): JSON of about 100 kB */
static char *
make_bad_record (gsize len)
{
  GString *text = g_string_new ("[");

  while (text->len < 100000)
    {
      g_string_append (text, text->len > 1 ? ",\"" : "\"");
      for (gsize i = 0; i < len; i++)
        g_string_append_c (text, i % 17 == 16 ? '!' : 'a');
      g_string_append_c (text, '"');
    }
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

static void
measure_record (const char *name, gsize len)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new (EXPLOSIVE, NULL, NULL);
  g_autofree char *text = make_bad_record (len);
  g_autofree char *id = g_strconcat ("record/", name, NULL);
  g_autofree char *closed_id = g_strconcat ("record-closed/", name, NULL);
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_auto (BenchSeries) ms = { NULL };
  gsize n_closed = 0;

  g_assert_nonnull (redactor);
  bench_series_init (&ms);
  for (guint round = 0; round < MIN (n_rounds, 5); round++)
    {
      LsobsRedactBudget budget = LSOBS_REDACT_BUDGET_INIT;
      const LsobsSanitizeOptions options = { .redactor = redactor, .budget = &budget };
      gint64 start = bench_thread_cpu ();

      _lsobs_buffer_truncate (&out, 0);
      _lsobs_json_sanitize (&out, text, strlen (text), &options);
      bench_series_add (&ms, (double) (bench_thread_cpu () - start) / 1e6);
      n_closed += _lsobs_redactor_take_failures (redactor);
    }
  bench_report (id, &ms, NULL);
  bench_report_value (closed_id, (double) n_closed);
}

int
main (int argc, char **argv)
{
  static const gsize sizes[] = { 1000, 10000, 100000 };

  if (argc > 1)
    n_rounds = (guint) MAX (atoi (argv[1]), 1);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      measure_match ("simple", SIMPLE, sizes[i], FALSE);
      measure_match ("email", EMAIL, sizes[i], FALSE);
      measure_match ("simple-in-json", SIMPLE, sizes[i], TRUE);
    }
  measure_record ("small-strings", 40);
  measure_record ("strings", 500);
  return 0;
}
