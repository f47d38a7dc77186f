/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-retry-private.h"

/* What each answer means. */
typedef struct
{
  guint status;
  LsobsVerdict verdict;
} StatusRow;

static const StatusRow status_rows[] = {
  { 0, LSOBS_VERDICT_RETRY },
  { 100, LSOBS_VERDICT_REJECTED },
  { 200, LSOBS_VERDICT_DELIVERED },
  { 201, LSOBS_VERDICT_DELIVERED },
  { 202, LSOBS_VERDICT_DELIVERED },
  { 204, LSOBS_VERDICT_DELIVERED },
  { 299, LSOBS_VERDICT_DELIVERED },
  { 300, LSOBS_VERDICT_REDIRECTED },
  { 301, LSOBS_VERDICT_REDIRECTED },
  { 302, LSOBS_VERDICT_REDIRECTED },
  { 303, LSOBS_VERDICT_REDIRECTED },
  { 304, LSOBS_VERDICT_REDIRECTED },
  { 307, LSOBS_VERDICT_REDIRECTED },
  { 308, LSOBS_VERDICT_REDIRECTED },
  { 400, LSOBS_VERDICT_REJECTED },
  { 401, LSOBS_VERDICT_UNAUTHORIZED },
  { 402, LSOBS_VERDICT_REJECTED },
  { 403, LSOBS_VERDICT_UNAUTHORIZED },
  { 404, LSOBS_VERDICT_NOT_FOUND },
  { 405, LSOBS_VERDICT_REJECTED },
  { 406, LSOBS_VERDICT_REJECTED },
  { 408, LSOBS_VERDICT_RETRY },
  { 409, LSOBS_VERDICT_CONFLICT },
  { 410, LSOBS_VERDICT_REJECTED },
  { 413, LSOBS_VERDICT_TOO_LARGE },
  { 414, LSOBS_VERDICT_REJECTED },
  { 415, LSOBS_VERDICT_REJECTED },
  { 418, LSOBS_VERDICT_REJECTED },
  { 422, LSOBS_VERDICT_REJECTED },
  { 425, LSOBS_VERDICT_RETRY },
  { 429, LSOBS_VERDICT_RETRY },
  { 451, LSOBS_VERDICT_REJECTED },
  { 499, LSOBS_VERDICT_RETRY },
  { 500, LSOBS_VERDICT_RETRY },
  { 501, LSOBS_VERDICT_REJECTED },
  { 502, LSOBS_VERDICT_RETRY },
  { 503, LSOBS_VERDICT_RETRY },
  { 504, LSOBS_VERDICT_RETRY },
  { 505, LSOBS_VERDICT_REJECTED },
  { 507, LSOBS_VERDICT_RETRY },
  { 520, LSOBS_VERDICT_RETRY },
  { 599, LSOBS_VERDICT_RETRY },
  { 600, LSOBS_VERDICT_REJECTED },
  { G_MAXUINT, LSOBS_VERDICT_REJECTED },
};

static void
test_status (gconstpointer data)
{
  const StatusRow *row = data;

  g_assert_cmpint (_lsobs_retry_judge (row->status, NULL), ==, row->verdict);
  g_assert_cmpint (_lsobs_retry_judge (row->status, ""), ==, row->verdict);
  /* Only of a 429 do the words matter. */
  if (row->status != 429)
    g_assert_cmpint (_lsobs_retry_judge (row->status, "Monthly usage limit exceeded"), ==,
                     row->verdict);
}

typedef struct
{
  const char *path;
  const char *body;
  LsobsVerdict verdict;
} QuotaRow;

static const QuotaRow quota_rows[] = {
  { "monthly", "{\"detail\":\"Monthly unique traces usage limit exceeded\"}", LSOBS_VERDICT_QUOTA },
  { "admin", "Usage Limit Exceeded for this workspace", LSOBS_VERDICT_QUOTA },
  { "upper", "MONTHLY LIMIT", LSOBS_VERDICT_QUOTA },
  { "rate", "{\"detail\":\"Rate limit exceeded\"}", LSOBS_VERDICT_RETRY },
  { "hourly", "Hourly events limit reached", LSOBS_VERDICT_RETRY },
  { "html", "<html><h1>429 Too Many Requests</h1></html>", LSOBS_VERDICT_RETRY },
  { "not-utf8", "\xff\xfe monthly", LSOBS_VERDICT_QUOTA },
};

static void
test_quota (gconstpointer data)
{
  const QuotaRow *row = data;

  g_assert_cmpint (_lsobs_retry_judge (429, row->body), ==, row->verdict);
}

/* Delays */

static void
test_delay_doubles (void)
{
  static const gint64 expected[] = { 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000 };

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      gint64 longest = _lsobs_retry_delay (200, i + 1, 1.0, -1);
      gint64 shortest = _lsobs_retry_delay (200, i + 1, 0.0, -1);

      g_assert_cmpint (longest, ==, expected[i]);
      g_assert_cmpint (shortest, ==, expected[i] / 2);
      g_assert_cmpint (_lsobs_retry_delay (200, i + 1, 0.5, -1), ==, expected[i] * 3 / 4);
    }
}

static void
test_delay_jitter (void)
{
  gint64 before = 0;

  for (guint i = 0; i <= 1000; i++)
    {
      gint64 delay = _lsobs_retry_delay (1000, 1, i / 1000.0, -1);

      g_assert_cmpint (delay, >=, 500);
      g_assert_cmpint (delay, <=, 1000);
      g_assert_cmpint (delay, >=, before);
      before = delay;
    }
  g_assert_cmpint (before, ==, 1000);
  /* What is no chance is taken for the nearest one. */
  g_assert_cmpint (_lsobs_retry_delay (1000, 1, -5.0, -1), ==, 500);
  g_assert_cmpint (_lsobs_retry_delay (1000, 1, 5.0, -1), ==, 1000);
}

static void
test_delay_cap (void)
{
  g_assert_cmpint (_lsobs_retry_delay (200, 1000000, 1.0, -1), ==, LSOBS_RETRY_MAX_DELAY);
  g_assert_cmpint (_lsobs_retry_delay (200, G_MAXUINT, 0.0, -1), ==, LSOBS_RETRY_MAX_DELAY / 2);
  g_assert_cmpint (_lsobs_retry_delay (60000, 1, 1.0, -1), ==, LSOBS_RETRY_MAX_DELAY);
  g_assert_cmpint (_lsobs_retry_delay (1, 1, 0.0, -1), >=, 0);
}

static void
test_delay_after (void)
{
  /* The longer one counts, and no server makes us wait longer than a minute. */
  g_assert_cmpint (_lsobs_retry_delay (200, 1, 1.0, 5000), ==, 5000);
  g_assert_cmpint (_lsobs_retry_delay (200, 5, 1.0, 1000), ==, 3200);
  g_assert_cmpint (_lsobs_retry_delay (200, 1, 1.0, 0), ==, 200);
  g_assert_cmpint (_lsobs_retry_delay (200, 1, 0.0, LSOBS_RETRY_MAX_AFTER), ==, LSOBS_RETRY_MAX_AFTER);
  g_assert_cmpint (_lsobs_retry_delay (200, 1, 0.0, 86400000), ==, LSOBS_RETRY_MAX_AFTER);
  g_assert_cmpint (_lsobs_retry_delay (200, 1, 0.0, G_MAXINT64), ==, LSOBS_RETRY_MAX_AFTER);
  g_assert_cmpint (_lsobs_retry_delay (200, 1, 0.0, G_MININT64), ==, 100);
}

/* Retry-After; now is Sun, 01 Mar 2026 09:30:15 GMT */

#define NOW G_GINT64_CONSTANT (1772357415)

typedef struct
{
  const char *path;
  const char *value;
  gint64 expected;
} AfterRow;

static const AfterRow after_rows[] = {
  { "none", NULL, -1 },
  { "empty", "", -1 },
  { "white", "  ", -1 },
  { "zero", "0", 0 },
  { "one", "1", 1000 },
  { "thirty", "30", 30000 },
  { "around", " 30\t", 30000 },
  { "leading-zeros", "0007", 7000 },
  { "at-most", "60", 60000 },
  { "more", "61", 60000 },
  { "day", "86400", 60000 },
  { "beyond-64-bits", "99999999999999999999999999", 60000 },
  { "negative", "-5", -1 },
  { "plus", "+5", -1 },
  { "fraction", "1.5", -1 },
  { "exponent", "1e3", -1 },
  { "hex", "0x10", -1 },
  { "unit", "5s", -1 },
  { "list", "5, 6", -1 },
  { "garbage", "soon", -1 },
  { "bytes", "\xff\xfe", -1 },
  { "date-now", "Sun, 01 Mar 2026 09:30:15 GMT", 0 },
  { "date-soon", "Sun, 01 Mar 2026 09:30:35 GMT", 20000 },
  { "date-past", "Sun, 01 Mar 2026 09:30:14 GMT", 0 },
  { "date-long-past", "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
  { "date-minute", "Sun, 01 Mar 2026 09:31:15 GMT", 60000 },
  { "date-tomorrow", "Mon, 02 Mar 2026 09:30:15 GMT", 60000 },
  { "date-absurd", "Fri, 31 Dec 9999 23:59:59 GMT", 60000 },
  { "date-rfc850", "Sunday, 01-Mar-26 09:30:25 GMT", 10000 },
  { "date-asctime", "Sun Mar  1 09:30:25 2026", 10000 },
  { "date-broken", "Sun, 99 Foo 2026 99:99:99 GMT", -1 },
};

static void
test_after (gconstpointer data)
{
  const AfterRow *row = data;

  g_assert_cmpint (_lsobs_retry_parse_after (row->value, NOW), ==, row->expected);
}

/* Messages */

typedef struct
{
  const char *path;
  LsobsVerdict verdict;
  guint status;
  LsobsError code;
} CodeRow;

static const CodeRow code_rows[] = {
  { "retry", LSOBS_VERDICT_RETRY, 503, LSOBS_ERROR_UNAVAILABLE },
  { "conflict", LSOBS_VERDICT_CONFLICT, 409, LSOBS_ERROR_CONFLICT },
  { "too-large", LSOBS_VERDICT_TOO_LARGE, 413, LSOBS_ERROR_TOO_LARGE },
  { "rejected", LSOBS_VERDICT_REJECTED, 422, LSOBS_ERROR_REJECTED },
  { "unauthorized", LSOBS_VERDICT_UNAUTHORIZED, 401, LSOBS_ERROR_UNAUTHORIZED },
  { "quota", LSOBS_VERDICT_QUOTA, 429, LSOBS_ERROR_QUOTA },
  { "not-found", LSOBS_VERDICT_NOT_FOUND, 404, LSOBS_ERROR_NOT_FOUND },
  { "redirected", LSOBS_VERDICT_REDIRECTED, 301, LSOBS_ERROR_REDIRECTED },
};

static void
test_code (gconstpointer data)
{
  const CodeRow *row = data;
  g_autoptr (GError) error = _lsobs_retry_make_error (row->verdict, row->status, "the server's words");
  g_autoptr (GError) silent = _lsobs_retry_make_error (row->verdict, row->status, NULL);
  g_autofree char *status = g_strdup_printf ("%u", row->status);

  g_assert_error (error, LSOBS_ERROR, (int) row->code);
  g_assert_error (silent, LSOBS_ERROR, (int) row->code);
  g_assert_nonnull (strstr (error->message, status));
  g_assert_nonnull (strstr (silent->message, status));
  g_assert_nonnull (strstr (error->message, "the server's words"));
}

/* What a server may say, and nobody wants in a log. */
typedef struct
{
  const char *path;
  const char *body;
  const char *kept; /* (nullable) */
} WordsRow;

static const WordsRow words_rows[] = {
  { "empty", "", NULL },
  { "white", " \r\n\t ", NULL },
  { "plain", "no such project", "no such project" },
  { "around", "\n  trimmed  \n", ": trimmed)" },
  { "lines", "first\r\nsecond\nthird", "first  second third" },
  { "escape", "\x1b[31mred\x1b[0m", "[31mred" },
  { "bell", "a\x07""b\x08""c\x7f""d", "a b c d" },
  { "c1-control", "a\xc2\x9b""31mb", "31mb" },
  { "next-line", "a\xc2\x85""b", NULL },
  { "utf8", "caf\xc3\xa9 \xe2\x98\x95", "caf\xc3\xa9 \xe2\x98\x95" },
  { "not-utf8", "a\xff\xfe\xc3""b", "b" },
  { "percent", "%s%n%d", "%s%n%d" },
};

static void
assert_printable (const char *message)
{
  g_assert_true (g_utf8_validate (message, -1, NULL));
  for (const char *at = message; *at != '\0'; at = g_utf8_next_char (at))
    if (g_unichar_iscntrl (g_utf8_get_char (at)))
      g_error ("A control character U+%04X in \"%s\"", g_utf8_get_char (at), message);
}

static void
test_words (gconstpointer data)
{
  const WordsRow *row = data;
  g_autoptr (GError) error = _lsobs_retry_make_error (LSOBS_VERDICT_REJECTED, 400, row->body);

  assert_printable (error->message);
  if (row->kept != NULL)
    g_assert_nonnull (strstr (error->message, row->kept));
}

static void
test_words_bounded (void)
{
  static const char * const pieces[] = { "x", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xff", "\n", "<p>" };

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_autoptr (GString) body = g_string_new ("start ");
      g_autoptr (GError) error = NULL;

      while (body->len < 1024 * 1024)
        g_string_append (body, pieces[i]);
      g_string_append (body, "the end");
      error = _lsobs_retry_make_error (LSOBS_VERDICT_RETRY, 500, body->str);
      assert_printable (error->message);
      g_assert_cmpint (g_utf8_strlen (error->message, -1), <, 400);
      g_assert_nonnull (strstr (error->message, "start"));
      g_assert_null (strstr (error->message, "the end"));
    }
}

#define ADD_ROWS(prefix, rows, func) \
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) \
    { \
      g_autofree char *path = g_strconcat (prefix, rows[i].path, NULL); \
\
      g_test_add_data_func (path, &rows[i], func); \
    }

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (status_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/retry/status/%u", status_rows[i].status);

      g_test_add_data_func (path, &status_rows[i], test_status);
    }
  ADD_ROWS ("/retry/quota/", quota_rows, test_quota);
  g_test_add_func ("/retry/delay/doubles", test_delay_doubles);
  g_test_add_func ("/retry/delay/jitter", test_delay_jitter);
  g_test_add_func ("/retry/delay/cap", test_delay_cap);
  g_test_add_func ("/retry/delay/after", test_delay_after);
  ADD_ROWS ("/retry/after/", after_rows, test_after);
  ADD_ROWS ("/retry/code/", code_rows, test_code);
  ADD_ROWS ("/retry/words/", words_rows, test_words);
  g_test_add_func ("/retry/words/bounded", test_words_bounded);

  return g_test_run ();
}
