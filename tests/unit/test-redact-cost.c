/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include <string.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"
#include "tests/lib/cost-helpers.h"
#include "tests/lib/redactor-helpers.h"
#include "tests/lib/test-utils.h"

/* What it costs to hide something, whatever the text is. */

#define EMAIL_PATTERN "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}"

static void
append_times (GString *text, const char *piece, guint n)
{
  for (guint i = 0; i < n; i++)
    g_string_append (text, piece);
}

/* Many short texts */

/* An array of @n strings of 500 bytes, each of runs of 16 letters. */
static char *
make_runs (guint n)
{
  g_autoptr (GString) one = g_string_new (NULL);
  g_autoptr (GString) text = g_string_new ("[");

  append_times (one, "aaaaaaaaaaaaaaaa!", 30);
  g_string_truncate (one, 500);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s\"%s\"", i > 0 ? "," : "", one->str);
  g_string_append_c (text, ']');
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* What the patterns of a record of @n texts may cost, with @len bytes in all. */
static gint64
get_allowed (gint64 n, gsize len)
{
  return LSOBS_REDACT_BUDGET_NS + LSOBS_REDACT_BUDGET_NS_PER_SEARCH * n +
         LSOBS_REDACT_BUDGET_NS_PER_BYTE * (gint64) len;
}

/* The texts of a record share one budget. */
static guint64
walk_record_with_clock (LsobsRedactor *redactor, const char *text, gint64 (*clock) (void))
{
  LsobsRedactBudget budget = { .get_time = clock };
  const LsobsSanitizeOptions options = { .redactor = redactor, .budget = &budget };
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  g_assert_true (_lsobs_json_sanitize (&out, text, strlen (text), &options));
  return _lsobs_redactor_take_failures (redactor);
}

static guint64
walk_record (LsobsRedactor *redactor, const char *text)
{
  return walk_record_with_clock (redactor, text, NULL);
}

/* A virtual machine whose processor is taken away counts that time as time of the thread, both
 * here and in a budget. It does not do so each time: what depends on time is tried again. */
#define TRIES 8

/* Returns: the cost of reading a record and writing it again, without any search */
static gint64
measure_copy (LsobsRedactor *redactor, const char *text)
{
  LsobsRedactBudget budget = { .is_used_up = TRUE };
  const LsobsSanitizeOptions options = { .redactor = redactor, .budget = &budget };
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gint64 start = cost_now ();

  g_assert_true (_lsobs_json_sanitize (&out, text, strlen (text), &options));
  return cost_now () - start;
}

/* One of a few searches of the same text costs at most @limit, beside reading and writing it, which
 * is most of the cost where a sanitizer looks at each access.
 *
 * Returns: how many rules failed in it */
static guint64
assert_cost (const char *pattern, const char *text, gint64 limit)
{
  gint64 cost = G_MAXINT64;
  gint64 copy = 0;
  guint64 n_failures = 0;

  for (guint i = 0; cost >= limit && i < TRIES; i++)
    {
      g_autoptr (LsobsRedactor) redactor = test_redactor_new (pattern, NULL, NULL);
      gint64 start;

      copy = measure_copy (redactor, text);
      _lsobs_redactor_take_failures (redactor);
      start = cost_now ();
      n_failures = walk_record (redactor, text);
      cost = cost_now () - start - copy;
    }
  g_test_message ("%" G_GINT64_FORMAT " ns of %" G_GINT64_FORMAT ", beside %" G_GINT64_FORMAT, cost,
                  limit, copy);
  g_assert_cmpint (cost, <, limit);
  return n_failures;
}

/* Each text alone is searched in milliseconds, all of them in ten times what is allowed. */
static void
test_short_texts (void)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("(a|aa)+$", "#", NULL);
  LsobsRedactBudget budget = LSOBS_REDACT_BUDGET_INIT;
  const LsobsSanitizeOptions options = { .redactor = redactor, .budget = &budget };
  g_autofree char *text = make_runs (4000);
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  g_assert_cmpuint (assert_cost ("(a|aa)+$", text, 3 * get_allowed (4000, strlen (text))), >, 0);
  g_assert_true (_lsobs_json_sanitize (&out, text, strlen (text), &options));
  g_assert_true (budget.is_used_up);
  g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), >, 0);
  /* All that came later is hidden. */
  g_assert_true (out.len > 5 && memcmp (out.data + out.len - 5, ",\"#\"]", 5) == 0);
}

static void
test_used_up (void)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("(x|xx)+y", "#", NULL);
  g_autoptr (LsobsRedactor) linear = test_redactor_new ("xy", "#", NULL);
  g_autoptr (LsobsRedactor) secrets = _lsobs_redactor_new ();
  LsobsRedactBudget budget = LSOBS_REDACT_BUDGET_INIT;
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  char text[LSOBS_REDACT_PADDING + 64] = "xy password=abcdefgh";
  gsize len = strlen (text);

  g_assert_true (_lsobs_redactor_apply (redactor, &budget, text, len, &out));
  g_assert_cmpmem (out.data, out.len, "# password=abcdefgh", 19);
  budget.is_used_up = TRUE;
  _lsobs_buffer_truncate (&out, 0);
  g_assert_true (_lsobs_redactor_apply (redactor, &budget, text, len, &out));
  g_assert_cmpmem (out.data, out.len, "#", 1);
  g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), ==, 1);

  /* Patterns that cannot be slow need no time of it. */
  _lsobs_buffer_truncate (&out, 0);
  g_assert_true (_lsobs_redactor_apply (linear, &budget, text, len, &out));
  g_assert_cmpmem (out.data, out.len, "# password=abcdefgh", 19);
  _lsobs_redactor_add_secrets (secrets);
  _lsobs_buffer_truncate (&out, 0);
  g_assert_true (_lsobs_redactor_apply (secrets, &budget, text, len, &out));
  g_assert_cmpmem (out.data, out.len, "xy password=" LSOBS_SECRET_DETECTED, 29);
}

static void
test_record (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (LsobsStats) stats = NULL;
  g_autoptr (GError) error = NULL;
  const char *const names[] = { "hostile", "harmless" };
  JsonObject *inputs;

  lsobs_config_add_redact_rule (config, "(a|aa)+$", NULL);
  lsobs_config_set_flush_interval (config, 3600 * 1000);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      char *text = i == 0 ? make_runs (4000) : g_strdup ("{\"a\":\"harmless\"}");
      g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run_bytes (observer, names[i], LSOBS_RUN_TYPE_CHAIN, bytes);

      lsobs_run_end (run, NULL);
    }
  lsobs_observer_flush (observer, 4 * TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  stats = lsobs_observer_dup_stats (observer);
  g_assert_cmpuint (lsobs_stats_get (stats, LSOBS_COUNTER_REDACTION_FAILURES), >, 0);

  /* Each record has its own time. */
  events = lsobs_memory_transport_dup_events (transport);
  inputs = json_node_get_object (lsobs_run_event_get_inputs (events->pdata[events->len - 1]));
  g_assert_cmpstr (json_object_get_string_member (inputs, "a"), ==, "harmless");
}

static void
assert_harmless (LsobsRedactor *redactor, const char *text)
{
  guint64 n_failures = walk_record (redactor, text);

  for (guint i = 0; n_failures > 0 && i < TRIES; i++)
    n_failures = walk_record (redactor, text);
  g_assert_cmpuint (n_failures, ==, 0);
}

/* Between two readings, as long as a harmless search takes on a machine that is neither fast nor
 * busy. */
static gint64
get_usual_time (void)
{
  static gint64 now;

  return now += 1000;
}

static void
take_rule (LsobsRedactor *redactor, const char *pattern)
{
  LsobsRedactRule *rule = _lsobs_redact_rule_new (pattern, NULL, LSOBS_REPLACEMENT_LITERAL, NULL);

  g_assert_nonnull (rule);
  _lsobs_redactor_take_rule (redactor, rule);
}

/* (transfer full): an array of as many strings */
static char *
make_strings (const char *string, guint n)
{
  GString *text = g_string_new ("[0");

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, ",\"%s\"", string);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

/* What reading the record and the rules that cannot be slow take does not count. */
static void
test_other_rules (void)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autofree char *text = make_strings ("harmless12", 60000);

  for (guint i = 0; i < 30; i++)
    {
      g_autofree char *pattern = g_strdup_printf ("\\bkey%02u-[A-Za-z0-9]{20,}", i);

      take_rule (redactor, pattern);
    }
  take_rule (redactor, EMAIL_PATTERN);
  g_assert_cmpuint (walk_record_with_clock (redactor, text, get_usual_time), ==, 0);
}

/* What a call of a search costs is allowed, too. */
static void
test_tiny_texts (void)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new (EMAIL_PATTERN, NULL, NULL);
  g_autofree char *text = make_strings ("a", 400000);

  g_assert_cmpuint (walk_record_with_clock (redactor, text, get_usual_time), ==, 0);
}

/* Where only some of the searches are timed, the others are not forgotten. */
static void
test_tiny_slow_texts (void)
{
  g_autofree char *text = make_strings ("aaaaaaaaaaaaaaaaaa!", 50000);

  g_assert_cmpuint (assert_cost ("(a|aa)+$", text, 3 * get_allowed (50000, strlen (text))), >, 0);
}

/* As get_usual_time(), on a machine whose processor is taken away for 5 ms again and again. */
static gint64
get_stolen_time (void)
{
  static gint64 now;
  static guint n_readings;

  n_readings++;
  return now += n_readings % 51 == 0 ? 5 * 1000 * 1000 : 1000;
}

/* Time that no search has taken hides nothing. */
static void
test_stolen_time (void)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("quick.*?over", NULL, NULL);
  g_autofree char *text = make_strings ("a quick look", 60000);

  g_assert_cmpuint (walk_record_with_clock (redactor, text, get_stolen_time), ==, 0);
}

#define SLOW_NS (3 * 1000 * 1000)

/* As if each search takes several milliseconds. */
static gint64
get_slow_time (void)
{
  static gint64 now;

  return now += SLOW_NS;
}

/* Where a search stands for others that are not timed, all of its time does. */
static void
test_slow_searches (void)
{
  const guint n = 2000;
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("(a|aa)+$", NULL, NULL);
  g_autofree char *text = make_strings ("aaaaaaaaaaaaaaaa!", n);
  guint64 n_failures = walk_record_with_clock (redactor, text, get_slow_time);

  g_assert_cmpint (SLOW_NS * (gint64) (n - n_failures), <, 3 * get_allowed (n, strlen (text)) / 2);
}

/* Five megabytes of what people write, in one text or in many. No rule for secrets is
 * skipped, and none finds anything. */
static void
test_many_rules (void)
{
  static const char *const patterns[] = {
    EMAIL_PATTERN,
    "\\+?[0-9][0-9 ()-]{7,}[0-9]",
    "\\b\\d{3}-\\d{2}-\\d{4}\\b",
    "(?i)\\b(?:mr|mrs|dr)\\.? +[A-Z][a-z]+ +[A-Z][a-z]+",
    "https?://[^\\s/]+/[^\\s?]*\\?token=\\S+",
    "\\b(?:\\d{1,3}\\.){3}\\d{1,3}\\b",
    "(?<![A-Za-z0-9])[A-Z]{2}\\d{2}(?: ?[A-Z0-9]{4}){3,7}",
    "(?i)customer[ _-]*(?:id|number)\\s*[:=]\\s*\\w+",
    "acme-[a-z0-9]{32}",
    "\\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\\b",
  };
  const char *line = "The quick brown fox (no. 4711) called at 12:30, asked for 17 lazy dogs, and "
                     "wrote to Mr Smith about it. ";
  const char *hints = "sk-, sk-ant-, sk-proj-, lsv2_, ls__, ghp_, github_pat_, glpat-, AKIA, AIza, "
                      "ya29., xox, xapp-, hooks.slack.com/services/, sk_live_, npm_, SG., eyJ, "
                      "pypi-AgEIcHlwaS, -----BEGIN , a password, authorization, a bearer, ://, a "
                      "--password, -u user, pwd, basic, sk-or-, gsk_, hvs.. ";
  const guint n = 5 * 1000 * 1000 / (guint) strlen (line);
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autoptr (GString) one = g_string_new ("\"");
  g_autofree char *lines = g_strconcat (line, hints, NULL);
  g_autofree char *many = make_strings (lines, 5 * 1000 * 1000 / (guint) strlen (lines));

  g_assert_cmphex (_lsobs_secret_rules_scan (hints, strlen (hints)), ==, G_MAXUINT32);
  _lsobs_redactor_add_secrets (redactor);
  for (guint i = 0; i < G_N_ELEMENTS (patterns); i++)
    take_rule (redactor, patterns[i]);
  append_times (one, line, n);
  g_string_append (one, hints);
  g_string_append_c (one, '"');
  assert_harmless (redactor, one->str);
  assert_harmless (redactor, many);
}

/* Long texts */

static guint64
count_failures (const char *pattern, const char *text)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new (pattern, NULL, NULL);

  return walk_record (redactor, text);
}

/* No attempt takes more steps than an attempt may, and there are many of them. No search
 * that finds nothing can be interrupted. */
static void
test_long_text (void)
{
  static const char *const rows[][2] = {
    { "[a-z]{1,9}[a-z]{1,9}[a-z]{1,9}[a-z]{1,9}[0-9;]",
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" },
    { "(a|aa)+$", "aaaaaaaaaaaaaa!" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = g_string_new ("\"");

      append_times (text, rows[i][1], 2000 * 1000 / (guint) strlen (rows[i][1]));
      g_string_append_c (text, '"');
      g_assert_cmpuint (assert_cost (rows[i][0], text->str, 2 * get_allowed (1, text->len)), ==, 1);
    }
}

/* Attempts that begin with an x are slow, and there are few of them. */
static void
test_sparse (void)
{
  g_autoptr (GString) text = g_string_new ("\"");

  for (guint i = 0; i < 1000; i++)
    {
      g_string_append (text, "xaaaaaaaaaaaaaaaaaaaaaa!");
      append_times (text, "lorem.ipsum ", 76);
    }
  g_string_append_c (text, '"');
  g_assert_cmpuint (count_failures ("x(a|aa)+$", text->str), ==, 1);
}

/* Attempts that begin with a z are slow, and none is where samples would be taken if those
 * were the same for all texts. */
static void
test_evasion (void)
{
  const gsize distance = 512;
  g_autoptr (GString) text = g_string_new ("\"");
  guint32 random = 1;

  append_times (text, "z", 40000);
  for (gsize start = 0; start < 40000; start += distance)
    {
      gsize position;

      random = random * 1664525 + 1013904223;
      position = start + (random >> 16) % distance;
      if (position < 40000)
        text->str[1 + position] = 'x';
    }
  g_string_append_c (text, '"');
  g_assert_cmpuint (count_failures ("z[xz]*x?[wy]", text->str), ==, 1);
}

/* Far more than one short text may take of a pattern as it should be. */
static void
test_harmless (void)
{
  g_autoptr (LsobsRedactor) email = test_redactor_new (EMAIL_PATTERN, NULL, NULL);
  g_autoptr (LsobsRedactor) words = test_redactor_new ("quick.*?over", NULL, NULL);
  g_autoptr (GString) text = g_string_new ("[\"x\"");

  for (guint i = 0; i < 4000; i++)
    g_string_append (text,
                     ",\"The quick brown fox mailed jo@example.org, and so on, until the line "
                     "is over\"");
  g_string_append_c (text, ']');
  assert_harmless (email, text->str);
  assert_harmless (words, text->str);
}

/* Patterns that are not stopped, and texts that make others of their kind quadratic. */
typedef struct
{
  const char *name;
  const char *pattern;
  const char *start;
  const char *piece;
  const char *end;
} LinearRow;

static const LinearRow linear_rows[] = {
  { "email-letters", EMAIL_PATTERN, "", "a", "" },
  { "email-letters-and-end", EMAIL_PATTERN, "", "a", "@" },
  { "email-ats", EMAIL_PATTERN, "", "a@", "" },
  { "email-hosts", EMAIL_PATTERN, "a@", "a.", "" },
  { "email-dashes", EMAIL_PATTERN, "", "a@a-", "" },
  { "bounded-email", "\\b" EMAIL_PATTERN "\\b", "", "a.", "@" },
  { "key-digits", "acme-[0-9]+-x", "acme-", "1", "-x" },
  { "keys", "acme-[0-9]+-x", "", "acme-1", "-x" },
  { "keys-and-dashes", "acme-[0-9]+-x", "", "acme-1-", "" },
  { "quotes", "\"[^\"]*\"x", "", "\"a", "" },
  { "spaces", "(?i)password\\s*[:=]\\s*\\S+", "password", " ", ":" },
  { "spaces-and-colons", "(?i)password\\s*[:=]\\s*\\S+", "", "password : ", "" },
  { "words", "\\bkey[a-z]*;", "", "key", ":" },
  { "brackets", "<[^>]+>", "", "<", "" },
};

static gint64
measure_linear (gpointer data, guint n)
{
  const LinearRow *row = data;
  g_autoptr (LsobsRedactor) redactor = test_redactor_new (row->pattern, NULL, NULL);
  LsobsRedactBudget budget = { .is_used_up = TRUE };
  g_autoptr (GString) text = g_string_new (row->start);
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gsize len;
  gint64 start;

  while (text->len < n)
    g_string_append (text, row->piece);
  g_string_append (text, row->end);
  len = text->len;
  append_times (text, " ", LSOBS_REDACT_PADDING);
  start = cost_now ();
  _lsobs_redactor_apply (redactor, &budget, text->str, len, &out);
  start = cost_now () - start;
  g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), ==, 0);
  return start;
}

static void
test_linear (gconstpointer data)
{
  cost_assert_linear (measure_linear, (gpointer) data, 100 * 1000);
}

/* A log of many requests is not hidden as a whole, and a password in it is. */
static void
test_requests (void)
{
  static const char *const lines[] = {
    "curl -s https://example.org/a -o a; ",
    "curl -s https://example.org/a -o a\\n",
    "GET https://example.org/a http://example.org/b\\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
      g_autoptr (GString) text = g_string_new ("\"");

      _lsobs_redactor_add_secrets (redactor);
      append_times (text, lines[i], 20000);
      g_string_append (text, "chown -u jo x\"");
      assert_harmless (redactor, text->str);
    }
}

/* JSON in strings */

/* What a text is made of, to begin with and then again and again. */
typedef struct
{
  const char *name;
  const char *start;
  const char *piece;
} NestedRow;

static const NestedRow nested_rows[] = {
  { "quotes", "", "\"" },
  { "apostrophes", "", "'" },
  { "backslashes", "", "\\" },
  { "escaped-quotes", "", "\\\"" },
  { "escaped-twice", "", "\\\\\\\"" },
  { "colons", "\"password\"", ":" },
  { "equals", "", "=" },
  { "equals-with-words", "", "a=b " },
  { "names", "", "\"a\":" },
  { "open-names", "\"", "a':" },
  { "keys", "", "\"password\":" },
  { "keys-with-values", "", "\"password\":\"x\"," },
  { "objects", "", "{\"password\":" },
  { "open-strings", "", "\"password\":\"" },
  { "escaped-members", "", "\\\"password\\\":\\\"" },
  { "brackets", "\"password\":", "[" },
  { "pairs", "", "{\"name\":\"password\",\"value\":" },
  { "pairs-value-first", "", "{\"value\":{\"name\":\"password\"},\"name\":\"password\"," },
  { "pairs-of-brackets", "", "{\"value\":[" },
  { "words", "", "a \"password\": b " },
  { "words-after-string", "\"password\":\"", "a \"password\": b " },
  { "words-with-brackets", "", "a \"password\": b [" },
  { "words-with-apostrophes", "", "a 'password': b " },
  { "words-with-backticks", "", "a \"password\": ` " },
  { "words-with-backslashes", "", "a \"password\": \\ " },
  { "words-with-arrows", "", "a \"password\" => b " },
  { "pairs-of-words", "", "\"value\": b " },
  { "pairs-of-words-nested", "", "{\"value\": b " },
  { "pairs-of-words-found", "", "{\"value\": b \"name\":\"password\" " },
  { "pairs-of-words-closed", "", "{\"value\": b {} \"name\":\"password\"} " },
  { "pairs-of-words-often", "", "\"value\": b \"value\": b \"name\":\"password\" " },
  { "pairs-of-names", "", "\"name\": b " },
  { "pairs-of-open-strings", "", "'value':\"" },
  { "pairs-of-apostrophes", "", "\"value\":' " },
  { "pairs-in-strings", "", ",\"{'name':'password','value':'a'}\"" },
  { "pairs-in-open-strings", "", ",\"{'value':'{\"" },
  { "brackets-in-strings", "", ",\"{,'{,\"," },
  { "pairs-of-backticks", "", "\"value\":` " },
  { "pairs-of-backslashes", "", "\"value\":\\ " },
  { "pairs-of-open-objects", "", "{\"value\":{ " },
  { "skipped-apostrophes", "", ",'a " },
  { "skipped-strings-of-spaces", "", ",'                '" },
  { "strings-side-by-side", "\"password\":", "\"a\" " },
  { "strings-and-names", "", "\"password\":\"a\" " },
  { "strings-with-plus", "", "\"password\":\"a\" + " },
  { "three-quotes", "", "\"password\":\"\"\" " },
  { "three-quotes-of-pairs", "", "\"value\":\"\"\" 'name':'password' " },
  { "strings-of-pairs", "", "{\"value\":\"a\" \"name\":\"password\" " },
  { "commands", "", "curl " },
  { "commands-with-options", "", "curl -u " },
  { "options", "curl", " -u a" },
  { "passwords", "curl", " -u a:b1c2" },
  { "long-name", "\"", "\xe2\x80\x8b" },
  { "spaces", "\"password\"", " " },
  { "spaces-and-colons", "", "   :" },
  { "escapes", "", "\\u0041" },
  { "surrogates", "", "\\ud83d" },
  { "rule", "", "\\u0061b" },
};

static gint64
measure_nested (gpointer data, guint n)
{
  const NestedRow *row = data;
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("ab+c?", NULL, NULL);
  g_autoptr (GString) text = g_string_new (row->start);
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gsize len;
  gint64 start;

  _lsobs_redactor_add_key (redactor, "password");
  _lsobs_redactor_set_pairs (redactor, TRUE);
  _lsobs_redactor_add_secrets (redactor);
  while (text->len < n)
    g_string_append (text, row->piece);
  len = text->len;
  append_times (text, " ", LSOBS_REDACT_PADDING);
  start = cost_now ();
  _lsobs_redactor_apply (redactor, NULL, text->str, len, &out);
  return cost_now () - start;
}

static void
test_nested (gconstpointer data)
{
  cost_assert_linear (measure_nested, (gpointer) data, 100 * 1000);
}

/* Text that is escaped more often than anybody does is not looked through to its end. */
static void
test_escaped_often (void)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_redactor_add_key (redactor, "password");
  for (guint n_views = 1; n_views <= 12; n_views++)
    {
      guint n_backslashes = (1u << n_views) - 1;
      g_autoptr (GString) text = g_string_new (NULL);
      g_autofree char *before = g_strnfill (n_backslashes, '\\');
      gsize len;

      g_string_append_printf (text, "{%s\"password%s\":%s\"x1y2%s\"}", before, before, before,
                              before);
      len = text->len;
      append_times (text, " ", LSOBS_REDACT_PADDING);
      _lsobs_buffer_truncate (&out, 0);
      g_assert_true (_lsobs_redactor_apply (redactor, NULL, text->str, len, &out));
      g_assert_null (g_strstr_len (out.data, (gssize) out.len, "x1y2"));
      g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), ==, n_views > 8 ? 1 : 0);
      if (n_views > 8)
        g_assert_cmpmem (out.data, out.len, LSOBS_REDACTED, strlen (LSOBS_REDACTED));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What it costs to hide something.");

  g_test_add_func ("/redact-cost/short-texts", test_short_texts);
  g_test_add_func ("/redact-cost/used-up", test_used_up);
  g_test_add_func ("/redact-cost/record", test_record);
  g_test_add_func ("/redact-cost/other-rules", test_other_rules);
  g_test_add_func ("/redact-cost/tiny-texts", test_tiny_texts);
  g_test_add_func ("/redact-cost/tiny-slow-texts", test_tiny_slow_texts);
  g_test_add_func ("/redact-cost/stolen-time", test_stolen_time);
  g_test_add_func ("/redact-cost/slow-searches", test_slow_searches);
  g_test_add_func ("/redact-cost/many-rules", test_many_rules);
  g_test_add_func ("/redact-cost/long-text", test_long_text);
  g_test_add_func ("/redact-cost/sparse", test_sparse);
  g_test_add_func ("/redact-cost/evasion", test_evasion);
  g_test_add_func ("/redact-cost/harmless", test_harmless);
  TEST_ADD_ROWS ("/redact-cost/linear/", linear_rows, name, test_linear)
  g_test_add_func ("/redact-cost/requests", test_requests);
  TEST_ADD_ROWS ("/redact-cost/nested/", nested_rows, name, test_nested)
  g_test_add_func ("/redact-cost/escaped-often", test_escaped_often);
  return g_test_run ();
}
