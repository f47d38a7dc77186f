/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-json.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/text/lsobs-redactor-private.h"
#include "tests/lib/json-text-helpers.h"
#include "tests/lib/redactor-helpers.h"
#include "tests/lib/test-utils.h"

/* Redactor */

typedef struct
{
  const char *name;
  const char *pattern;
  const char *text;
  const char *expected; /* NULL: unchanged */
} RedactRow;

static const RedactRow redact_rows[] = {
  { "none", "secret", "nothing here", NULL },
  { "all", "secret", "secretsecret", "##" },
  { "between", "secret", "a secret b secret c", "a # b # c" },
  { "empty-matches", "x*", "axxb", "a#b" },
  { "only-empty-matches", "x*", "ab\xc3\xa4", NULL },
  { "empty-alternative", "|secret", "a secret", "a #" },
  { "look-behind", "(?<=a)a", "aaaa", "a###" },
  { "line-begin", "^a", "aaa", "#aa" },
  { "word", "\\ba", "aa a", "#a #" },
  { "end", "a$", "aa", "a#" },
  { "unicode", "[\xc3\xa4\xe2\x82\xac]+",
    "x\xc3\xa4\xe2\x82\xac"
    "y",
    "x#y" },
  { "keep-out", "key=\\Kx+", "key=xx", "key=#" },
  { "own-verbs", "(*ANYCRLF)a.b", "a\nb axb", "a\nb #" },
};

static void
test_redactor_row (gconstpointer data)
{
  const RedactRow *row = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsRedactor) redactor = test_redactor_new (row->pattern, "#", &error);
  LsobsBuffer out = LSOBS_BUFFER_INIT;
  g_autofree char *written = NULL;
  gboolean changed;

  g_assert_no_error (error);
  changed = _lsobs_redactor_apply (redactor, NULL, row->text, strlen (row->text), &out);
  g_assert_cmpint (changed, ==, row->expected != NULL);
  written = json_text_take (&out);
  g_assert_cmpstr (written, ==, row->expected != NULL ? row->expected : "");
  g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), ==, 0);
}

static void
test_redactor_bad_pattern (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (test_redactor_new ("a(b", NULL, &error));
  g_assert_error (error, G_REGEX_ERROR, G_REGEX_ERROR_UNMATCHED_PARENTHESIS);
  g_assert_nonnull (strstr (error->message, "char 3"));
}

/* Patterns that would take from seconds to ages on a text of a's. */
static const char *const catastrophic_patterns[] = {
  "(a+)+$",         "(a|aa)+$",      "(a|a)*[xy]",       "(?:a|b)*[cd]", "(a*)*[bc]",
  "(?:a?){30}[bc]", "(.*a){12}[bc]", "(a+)(a+)(a+)[bc]", "(.*)?[bc]",
};

static void
test_redactor_catastrophic (gconstpointer data)
{
  const char *pattern = data;
  const gsize n = 100 * 1000;
  g_autoptr (LsobsRedactor) redactor = test_redactor_new (pattern, NULL, NULL);
  g_autofree char *text = g_strnfill (n, 'a');
  LsobsBuffer out = LSOBS_BUFFER_INIT;

  text[n - 1] = '!';
  _lsobs_buffer_append_c (&out, '<');
  g_assert_true (_lsobs_redactor_apply (redactor, NULL, text, n, &out));
  g_assert_cmpmem (out.data, out.len, "<[REDACTED]", 11);
  g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), ==, 1);
  g_assert_true (_lsobs_redactor_apply (redactor, NULL, text, n, &out));
  g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), ==, 1);
  _lsobs_buffer_clear (&out);
}

/* What harmless patterns find in long texts: the same as GRegex alone. */
static void
test_redactor_long_text (gconstpointer data)
{
  const char *pattern = data;
  g_autoptr (LsobsRedactor) redactor = test_redactor_new (pattern, NULL, NULL);
  g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *expected = NULL;
  LsobsBuffer out = LSOBS_BUFFER_INIT;

  while (text->len < 200 * 1000)
    g_string_append (text, "The quick brown fox mailed jo@example.org, \xe2\x82\xac 4111-1111; "
                           "\"password\": \"h\xc3\xbc\xc3\xbc\", jumps over 13 lazy dogs.\n");

  expected =
      g_regex_replace_literal (regex, text->str, (gssize) text->len, 0, LSOBS_REDACTED, 0, NULL);
  g_assert_true (_lsobs_redactor_apply (redactor, NULL, text->str, text->len, &out));
  g_assert_cmpmem (out.data, out.len, expected, strlen (expected));
  g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), ==, 0);
  _lsobs_buffer_clear (&out);
}

static const char *const harmless_patterns[] = {
  "fox",
  "[a-z]+@[a-z]+",
  "a*[bc]",
  "\\bfox\\b",
  "(?i)FOX|DOGS",
  "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}",
  "[0-9]{4}-[0-9]{4}",
  "\"password\": *\"[^\"]*\"",
  ".*password.*",
  "(?m)^The",
  "(?s)fox.{0,400}dogs",
};

static gpointer
redact_in_thread (gpointer data)
{
  LsobsRedactor *redactor = data;

  for (guint i = 0; i < 2000; i++)
    {
      LsobsBuffer out = LSOBS_BUFFER_INIT;

      g_assert_true (_lsobs_redactor_apply (redactor, NULL, "a secret", 8, &out));
      g_assert_cmpmem (out.data, out.len, "a [REDACTED]", 12);
      _lsobs_buffer_clear (&out);
    }

  return NULL;
}

static void
test_redactor_threads (void)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("sec(re|er)t", NULL, NULL);
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("redact", redact_in_thread, redactor);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

/* Helpers */

static void
test_helpers_redact (void)
{
  const char *text = "{\"secret\":[\"a secret\",1,1.0,null],\"b\":\"x\"}";
  g_autoptr (JsonNode) node = json_text_parse (text, strlen (text));
  g_autoptr (GRegex) regex = g_regex_new ("SECRET", G_REGEX_CASELESS, 0, NULL);
  g_autoptr (JsonNode) result = NULL;

  json_node_seal (node);
  result = lsobs_json_redact (node, regex);
  json_text_assert_written (result, "{\"secret\":[\"a [REDACTED]\",1,1.0,null],\"b\":\"x\"}");
  json_text_assert_written (node, text);
}

static void
test_helpers_redact_flags (void)
{
  g_autoptr (GRegex) anchored = g_regex_new ("a", G_REGEX_ANCHORED, 0, NULL);
  g_autoptr (GRegex) raw = g_regex_new ("\xa4", G_REGEX_RAW, 0, NULL);
  g_autoptr (JsonNode) node = json_text_parse ("\"aaba\xc3\xa4\"", 8);
  g_autoptr (JsonNode) first = lsobs_json_redact (node, anchored);
  g_autoptr (JsonNode) second = lsobs_json_redact (node, raw);

  json_text_assert_written (first, "\"[REDACTED][REDACTED]ba\xc3\xa4\"");
  json_text_assert_written (second, "\"aaba[REDACTED]\"");
}

static void
test_helpers_redact_endless (void)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);
  g_autoptr (GRegex) regex = g_regex_new ("x", 0, 0, NULL);
  g_autoptr (JsonNode) result = NULL;

  json_object_set_object_member (object, "a", json_object_ref (object));
  json_object_set_object_member (object, "b", json_object_ref (object));
  result = lsobs_json_redact (node, regex);
  json_text_assert_written (result, "\"[REDACTED]\"");
  json_object_set_null_member (object, "a");
  json_object_set_null_member (object, "b");
}

static void
test_helpers_truncate (void)
{
  g_autoptr (JsonNode) node = json_text_parse ("[\"abc\",{\"abcd\":\"a\xc3\xa4\"},12345]", 28);
  g_autoptr (JsonNode) cut = lsobs_json_truncate (node, 2);
  g_autoptr (JsonNode) same = lsobs_json_truncate (node, 0);

  json_text_assert_written (cut, "[\"ab\",{\"abcd\":\"a\"},12345]");
  json_text_assert_written (same, "[\"abc\",{\"abcd\":\"a\xc3\xa4\"},12345]");
}

static void
test_helpers_ensure_object (void)
{
  g_autoptr (JsonNode) object = json_text_parse ("{\"a\":1}", 7);
  g_autoptr (JsonNode) array = json_text_parse ("[1]", 3);
  g_autoptr (JsonNode) null = json_node_init_null (json_node_alloc ());
  g_autoptr (JsonNode) no_object = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (JsonNode) same = lsobs_json_ensure_object (object);
  g_autoptr (JsonNode) wrapped = NULL;
  g_autoptr (JsonNode) wrapped_null = lsobs_json_ensure_object (null);
  g_autoptr (JsonNode) wrapped_no_object = lsobs_json_ensure_object (no_object);

  json_node_seal (array);
  wrapped = lsobs_json_ensure_object (array);
  g_assert_true (same == object);
  json_text_assert_written (wrapped, "{\"value\":[1]}");
  json_text_assert_written (wrapped_null, "{\"value\":null}");
  json_text_assert_written (wrapped_no_object, "{\"value\":null}");
  json_text_assert_written (array, "[1]");
}

static void
test_helpers_null (void)
{
  g_test_expect_message ("Lsobs", G_LOG_LEVEL_CRITICAL, "*node != NULL*");
  g_assert_null (lsobs_json_ensure_object (NULL));
  g_test_assert_expected_messages ();
}

#define ADD_ROWS(prefix, rows, function) TEST_ADD_ROWS (prefix, rows, name, function)

#define ADD_PATTERNS(prefix, patterns, function) \
 for (gsize i = 0; i < G_N_ELEMENTS (patterns); i++) \
  { \
   g_autofree char *path = g_strdup_printf (prefix "%" G_GSIZE_FORMAT, i); \
\
   g_test_add_data_func (path, (patterns)[i], function); \
  }

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS ("/json/redactor/", redact_rows, test_redactor_row)
  g_test_add_func ("/json/redactor/bad-pattern", test_redactor_bad_pattern);
  ADD_PATTERNS ("/json/redactor/catastrophic/", catastrophic_patterns, test_redactor_catastrophic)
  ADD_PATTERNS ("/json/redactor/long-text/", harmless_patterns, test_redactor_long_text)
  g_test_add_func ("/json/redactor/threads", test_redactor_threads);

  g_test_add_func ("/json/helpers/redact", test_helpers_redact);
  g_test_add_func ("/json/helpers/redact-flags", test_helpers_redact_flags);
  g_test_add_func ("/json/helpers/redact-endless", test_helpers_redact_endless);
  g_test_add_func ("/json/helpers/truncate", test_helpers_truncate);
  g_test_add_func ("/json/helpers/ensure-object", test_helpers_ensure_object);
  g_test_add_func ("/json/helpers/null", test_helpers_null);

  return g_test_run ();
}
