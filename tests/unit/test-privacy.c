/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lsobs/lsobs.h>

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "tests/lib/redactor-helpers.h"
#include "tests/lib/test-utils.h"

/* Rules, names of members, and the settings for them. What the rules for secrets find
 * is in test-privacy-secrets.c, what is sent of a run in test-privacy-run.c. */

static LsobsSettings *
compile (LsobsConfig *config)
{
  g_autoptr (GError) error = NULL;
  LsobsSettings *settings = _lsobs_settings_new (config, LSOBS_SETTINGS_ANY, &error);

  g_assert_no_error (error);
  return settings;
}

/* What becomes of a payload; @text need not be JSON. */
static char *
walk (LsobsSettings *settings, const char *text, gboolean wrap)
{
  const LsobsSanitizeOptions options = { .redactor = settings->redactor,
                                         .max_string_bytes = settings->values.max_string_bytes,
                                         .wrap = wrap };
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  _lsobs_json_sanitize (&out, text, strlen (text), &options);
  json_parser_load_from_data (parser, out.data, (gssize) out.len, &error);
  g_assert_no_error (error);
  return g_strndup (out.data, out.len);
}

static guint64
take_failures (LsobsSettings *settings)
{
  return _lsobs_redactor_take_failures (settings->redactor);
}

/* Rules */

typedef struct
{
  const char *name;
  const char *regex; /* redact-regex */
  const char *rules[3][2];
  const char *text;
  const char *expected;
} RuleRow;

static const RuleRow rule_rows[] = {
  { "default", NULL, { { "b", NULL } }, "abc", "a[REDACTED]c" },
  { "literal", NULL, { { "b", "x" } }, "abcb", "axcx" },
  { "empty", NULL, { { "b", "" } }, "abc", "ac" },
  { "nothing-left", NULL, { { ".*", "" } }, "abc", "" },
  { "in-order", NULL, { { "a", "b" }, { "b", "c" }, { "c", "d" } }, "abcd", "dddd" },
  { "not-backwards", NULL, { { "b", "c" }, { "a", "b" } }, "ab", "bc" },
  { "once", NULL, { { "a", "aa" } }, "aba", "aabaa" },
  { "once-joined", NULL, { { "ab", "" } }, "aabb", "ab" },
  { "regex-first", "a", { { "REDACTED", "b" }, { "a", "never" } }, "a", "[b]" },
  { "regex-hides-from-rules", "secret", { { "secret", "open" } }, "secret", "[REDACTED]" },
  { "group", NULL, { { "(k)=\\w+", "\\1=#" } }, "k=abc k=d", "k=# k=#" },
  { "groups-swapped", NULL, { { "(a)(b)", "\\2\\1" } }, "abab", "baba" },
  { "named-group", NULL, { { "(?<user>\\w+)@\\w+", "\\g<user>@..." } }, "me@home", "me@..." },
  { "numbered-in-brackets", NULL, { { "(a)b", "\\g<1>!" } }, "ab", "a!" },
  { "whole-match", NULL, { { "[0-9]+", "<\\0>" } }, "a12b3", "a<12>b<3>" },
  { "unmatched-group", NULL, { { "(a)|b", "[\\1]" } }, "ab", "[a][]" },
  { "upper-case", NULL, { { "(a+)", "\\U\\1" } }, "baab", "bAAb" },
  { "escape", NULL, { { "b", "\\x41\\\\" } }, "abc", "aA\\c" },
  { "octal", NULL, { { "b", "\\101" } }, "abc", "aAc" },
  { "group-of-text",
    NULL,
    { { "<(.)>", "\\1" } },
    "<\xc3\xa4><\xe2\x82\xac>",
    "\xc3\xa4\xe2\x82\xac" },
  { "group-not-again", NULL, { { "x(.*)", "\\1" } }, "xxx", "xx" },
};

static void
test_rule (gconstpointer data)
{
  const RuleRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autofree char *result = NULL;

  lsobs_config_set_redact_regex (config, row->regex);
  for (gsize i = 0; i < G_N_ELEMENTS (row->rules) && row->rules[i][0] != NULL; i++)
    lsobs_config_add_redact_rule (config, row->rules[i][0], row->rules[i][1]);
  settings = compile (config);
  result = _lsobs_redactor_apply_text (settings->redactor, row->text);
  g_assert_cmpstr (result, ==, row->expected);
  g_assert_cmpuint (take_failures (settings), ==, 0);
}

static void
test_rule_before_preset (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autofree char *secret =
      g_strconcat ("gh", "p_", "0123456789012345678901234567890123456789", NULL);
  g_autofree char *text = g_strconcat ("X", secret, " Y", secret + 1, NULL);
  g_autofree char *result = NULL;

  lsobs_config_set_redact_secrets (config, TRUE);
  lsobs_config_add_redact_rule (config, "X[a-z]+", "gone");
  lsobs_config_add_redact_rule (config, "Y", "g");
  lsobs_config_add_redact_rule (config, "SECRET", "never seen");
  settings = compile (config);
  result = _lsobs_redactor_apply_text (settings->redactor, text);
  g_assert_cmpstr (result, ==, "gone_0123456789012345678901234567890123456789 [SECRET_DETECTED]");
}

static void
test_rules_cleared (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autoptr (LsobsSettings) none = NULL;
  g_autofree char *result = NULL;

  lsobs_config_add_redact_rule (config, "a(", NULL);
  lsobs_config_add_redact_key (config, "\xff");
  g_assert_false (lsobs_config_validate (config, NULL));
  lsobs_config_clear_redact_rules (config);
  lsobs_config_clear_redact_keys (config);
  none = compile (config);
  g_assert_null (none->redactor);
  lsobs_config_add_redact_rule (config, "b", NULL);
  settings = compile (config);
  lsobs_config_clear_redact_rules (config);
  result = walk (settings, "\"abc\"", FALSE);
  g_assert_cmpstr (result, ==, "\"a[REDACTED]c\"");
}

typedef struct
{
  const char *name;
  const char *pattern;
  const char *replacement;
} BadRow;

static const BadRow bad_rows[] = {
  { "parenthesis", "tell(tale", NULL },
  { "empty", "", "telltale" },
  { "not-utf8", "telltale\xff", NULL },
  { "cut-utf8", "telltale\xe2\x82", NULL },
  { "no-such-group", "(telltale)", "\\2" },
  { "no-such-long-group", "(telltale)", "\\g<12345678901234567890>" },
  { "no-such-name", "(?<name>telltale)", "\\g<other>" },
  { "unfinished-name", "(?<name>telltale)", "\\g<name" },
  { "no-escape", "telltale", "\\q" },
  { "backslash", "telltale", "a\\" },
  { "replacement-not-utf8", "a", "telltale\xff" },
  { "replacement-no-character", "telltale", "\\x{d800}" },
};

static void
test_bad_rule (gconstpointer data)
{
  const BadRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  lsobs_config_add_redact_rule (config, "fine", "\\0\\7777");
  lsobs_config_add_redact_rule (config, row->pattern, row->replacement);
  g_assert_false (lsobs_config_validate (config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_nonnull (strstr (error->message, "rule 2:"));
  g_assert_null (strstr (error->message, "tale"));
  g_assert_null (strstr (error->message, "name"));
}

static void
test_bad_key (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  lsobs_config_add_redact_key (config, "");
  lsobs_config_add_redact_key (config, "a\xff");
  g_assert_false (lsobs_config_validate (config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_nonnull (strstr (error->message, "key 2:"));
}

/* Rules that would take ages: the string is gone, its neighbours are not. */
static void
test_catastrophic (gconstpointer data)
{
  const char *replacement = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autofree char *as = g_strnfill (50 * 1000, 'a');
  g_autofree char *text = g_strdup_printf ("[\"%s!\",{\"b\":\"%s!\"},\"aa\"]", as, as);
  g_autofree char *result = NULL;

  lsobs_config_add_redact_rule (config, "nothing", NULL);
  lsobs_config_add_redact_rule (config, "(a+)+$", replacement);
  lsobs_config_add_redact_rule (config, "REDACTED", "never seen");
  lsobs_config_set_max_string_bytes (config, 100);
  settings = compile (config);
  result = walk (settings, text, FALSE);
  if (strcmp (replacement, "#") == 0)
    g_assert_cmpstr (result, ==, "[\"#\",{\"b\":\"#\"},\"#\"]");
  else
    g_assert_cmpstr (result, ==, "[\"[REDACTED]\",{\"b\":\"[REDACTED]\"},\"<aa>\"]");
  g_assert_cmpuint (take_failures (settings), ==, 2);
  g_assert_cmpuint (take_failures (settings), ==, 0);
}

/* Half of a character would be left of a group. */
static void
test_broken_group (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autofree char *result = NULL;

  lsobs_config_add_redact_rule (config, "(\\C)\\C", "<\\1>");
  settings = compile (config);
  result = walk (settings, "[\"ab\",\"\xc3\xa4\"]", FALSE);
  g_assert_cmpstr (result, ==, "[\"<a>\",\"[REDACTED]\"]");
  g_assert_cmpuint (take_failures (settings), ==, 1);
}

/* Names of members */

typedef struct
{
  const char *name;
  const char *keys[3];
  const char *text;
  const char *expected;
  gboolean wrap;
} KeyRow;

#define R "\"[REDACTED]\""

static const KeyRow key_rows[] = {
  { "string", { "k" }, "{\"k\":\"v\"}", "{\"k\":" R "}", FALSE },
  { "number",
    { "k" },
    "{\"a\":1, \"k\" : -1.5e3 ,\"b\":2}",
    "{\"a\":1,\"k\":" R ",\"b\":2}",
    FALSE },
  { "words",
    { "k" },
    "[{\"k\":true},{\"k\":false},{\"k\":null},{\"k\":NaN}]",
    "[{\"k\":" R "},{\"k\":" R "},{\"k\":" R "},{\"k\":" R "}]",
    FALSE },
  { "array", { "k" }, "{\"k\":[1,[2],{\"x\":3}],\"b\":[4]}", "{\"k\":" R ",\"b\":[4]}", FALSE },
  { "object",
    { "k" },
    "{\"k\":{\"k\":{\"x\":[]},\"y\":1},\"b\":{\"k\":{}}}",
    "{\"k\":" R ",\"b\":{\"k\":" R "}}",
    FALSE },
  { "empty-values",
    { "k" },
    "[{\"k\":[]},{\"k\":{}},{\"k\":\"\"},[],{}]",
    "[{\"k\":" R "},{\"k\":" R "},{\"k\":" R "},[],{}]",
    FALSE },
  { "twice", { "k" }, "{\"k\":1,\"k\":2}", "{\"k\":" R "}", FALSE },
  { "any-case",
    { "Api_Key" },
    "{\"api-key\":1,\"API_KEY\":2,\"apikey\":3,\"apikeys\":4}",
    "{\"api-key\":" R ",\"API_KEY\":" R ",\"apikey\":" R ",\"apikeys\":4}",
    FALSE },
  { "camel-case",
    { "api_key" },
    "{\"apiKey\":1,\"APIKey\":2,\"api_keys\":3,\"myApiKey\":4}",
    "{\"apiKey\":" R ",\"APIKey\":" R ",\"api_keys\":3,\"myApiKey\":4}",
    FALSE },
  { "blanks",
    { "pass word" },
    "{\"password \":1,\" password\":2,\"pass\\tword\":3,\"pass\xc2\xa0word\":4}",
    "{\"password \":" R ",\" password\":" R ",\"pass\\tword\":" R ",\"pass\xc2\xa0word\":" R "}",
    FALSE },
  { "no-width",
    { "password" },
    "{\"pass\xe2\x80\x8bword\":1,\"\\ufeffpassword\":2,\"p\xc2\xad"
    "assword\":3,\"pass\\u2060word\":4}",
    "{\"pass\xe2\x80\x8bword\":" R ",\"\xef\xbb\xbfpassword\":" R ",\"p\xc2\xad"
    "assword\":" R ",\"pass\xe2\x81\xa0word\":" R "}",
    FALSE },
  { "wide",
    { "api_key" },
    "{\"\xef\xbd\x81pi\xef\xbc\xbfkey\":1,\"api\xe2\x80\x90key\":2}",
    "{\"\xef\xbd\x81pi\xef\xbc\xbfkey\":" R ",\"api\xe2\x80\x90key\":" R "}",
    FALSE },
  { "separators-alone",
    { "_" },
    "{\"-\":1,\"\":2,\"a\":3}",
    "{\"-\":" R ",\"\":2,\"a\":3}",
    FALSE },
  { "dash", { "api-key" }, "{\"Api_Key\":1}", "{\"Api_Key\":" R "}", FALSE },
  { "not-english",
    { "\xc3\x84nderung" },
    "{\"\xc3\xa4nderung\":1,\"a\xcc\x88NDERUNG\":2,\"anderung\":3}",
    "{\"\xc3\xa4nderung\":" R ",\"a\xcc\x88NDERUNG\":" R ",\"anderung\":3}",
    FALSE },
  { "escaped",
    { "password", "a\"b" },
    "{\"\\u0070assword\":1,\"pass\\u0057ord\":2,\"a\\\"b\":3}",
    "{\"password\":" R ",\"passWord\":" R ",\"a\\\"b\":" R "}",
    FALSE },
  { "part-of-name",
    { "pass" },
    "{\"password\":1,\"my_pass\":2,\"pas\":3}",
    "{\"password\":1,\"my_pass\":2,\"pas\":3}",
    FALSE },
  { "no-name", { "" }, "{\"\":1,\"a\":2}", "{\"\":" R ",\"a\":2}", FALSE },
  { "several",
    { "a", "b", "c" },
    "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}",
    "{\"a\":" R ",\"b\":" R ",\"c\":" R ",\"d\":4}",
    FALSE },
  { "value-no-name", { "k" }, "[\"k\",{\"a\":\"k\"}]", "[\"k\",{\"a\":\"k\"}]", FALSE },
  { "in-string", { "k" }, "[\"{\\\"k\\\":1}\"]", "[\"{\\\"k\\\":\\\"[REDACTED]\\\"}\"]", FALSE },
  { "lines", { "k" }, "{\"k\":1}\n{}", "\"{\\\"k\\\":\\\"[REDACTED]\\\"}\\n{}\"", FALSE },
  { "lines-wrapped",
    { "k" },
    "{\"k\":1} {\"a\":[2]}",
    "{\"value\":\"{\\\"k\\\":\\\"[REDACTED]\\\"} {\\\"a\\\":[2]}\"}",
    TRUE },
  { "wrapped", { "k" }, "[{\"k\":1}]", "{\"value\":[{\"k\":" R "}]}", TRUE },
  { "wrapper", { "value" }, "[{\"k\":1}]", "{\"value\":" R "}", TRUE },
  { "broken-wrapper", { "value" }, "[{\"k\":1}", "{\"value\":" R "}", TRUE },
  { "not-json", { "k" }, "{\"k\":\"v\"", R, FALSE },
  { "not-json-wrapped", { "k" }, "plain text", "{\"value\":" R "}", TRUE },
  { "not-json-hidden", { "k" }, "{\"k\":[}", R, FALSE },
  { "not-json-in-hidden", { "k" }, "{\"k\":tru}", R, FALSE },
  { "broken-line-wrapper", { "value" }, "{}\n{}", "{\"value\":" R "}", TRUE },
  { "not-json-line", { "k" }, "{\"k\":1}\n{\"k\":", R, FALSE },
  { "not-json-after", { "k" }, "{\"k\":1}x", R, FALSE },
};

static void
test_key (gconstpointer data)
{
  const KeyRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autofree char *result = NULL;
  gboolean broken = strstr (row->name, "not-json") != NULL || strstr (row->name, "broken") != NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (row->keys) && row->keys[i] != NULL; i++)
    lsobs_config_add_redact_key (config, row->keys[i]);
  settings = compile (config);
  result = walk (settings, row->text, row->wrap);
  g_assert_cmpstr (result, ==, row->expected);
  g_assert_cmpuint (take_failures (settings), ==, broken ? 1 : 0);
}

static void
test_key_long (void)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();

  for (gsize len = 120; len < 140; len++)
    {
      g_autofree char *name = g_strnfill (len, 'A');
      g_autofree char *other = g_strnfill (len, 'a');

      g_assert_false (_lsobs_redactor_hides_key (redactor, other, len));
      _lsobs_redactor_add_key (redactor, name);
      g_assert_true (_lsobs_redactor_hides_key (redactor, other, len));
      g_assert_false (_lsobs_redactor_hides_key (redactor, other, len - 100));
    }
}

/* Depth and disguise */

static void
test_depth (gconstpointer data)
{
  const guint depth = GPOINTER_TO_UINT (data);
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *result = NULL;

  for (guint i = 0; i < depth; i++)
    g_string_append (text, i % 2 == 0 ? "{\"a\":" : "[");
  g_string_append (text, "{\"s\":\"a telltale\",\"k\":[[\"telltale\"]]}");
  for (guint i = depth; i-- > 0;)
    g_string_append_c (text, i % 2 == 0 ? '}' : ']');

  lsobs_config_add_redact_rule (config, "telltale", "#");
  lsobs_config_add_redact_key (config, "k");
  settings = compile (config);
  result = walk (settings, text->str, TRUE);
  g_assert_null (strstr (result, "telltale"));
  if (depth < 128)
    g_assert_nonnull (strstr (result, "{\"s\":\"a #\",\"k\":" R "}"));
  else
    g_assert_nonnull (strstr (result, "[DEPTH LIMIT]"));
}

/* What is hidden may itself lie too deep. */
static void
test_depth_hidden (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autoptr (GString) text = g_string_new ("{\"k\":");
  g_autofree char *result = NULL;

  for (guint i = 0; i < 300; i++)
    g_string_append (text, "[{\"k\":");
  g_string_append (text, "1");
  for (guint i = 0; i < 300; i++)
    g_string_append (text, "}]");
  g_string_append (text, ",\"b\":[{\"k\":2,\"c\":3}]}");
  lsobs_config_add_redact_key (config, "k");
  settings = compile (config);
  result = walk (settings, text->str, TRUE);
  g_assert_cmpstr (result, ==, "{\"k\":" R ",\"b\":[{\"k\":" R ",\"c\":3}]}");
}

static void
test_disguise (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autofree char *text =
      g_strdup_printf ("[\"\\u0073k-a\\u006Et-%s\",\"\\ud83d\\ude00 http:\\/\\/me:\\u0070w@h\\/\"]",
                       "abcdefghijklmnopqrstuvwxyz");
  g_autofree char *result = NULL;

  lsobs_config_set_redact_secrets (config, TRUE);
  settings = compile (config);
  result = walk (settings, text, FALSE);
  g_assert_cmpstr (result, ==,
                   "[\"[SECRET_DETECTED]\",\"\xf0\x9f\x98\x80 http://me:[SECRET_DETECTED]@h/\"]");
}

/* No secret is left where a string is cut. */
static void
test_cut_after (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  g_autofree char *result = NULL;

  lsobs_config_add_redact_rule (config, "secret", "#");
  lsobs_config_set_max_string_bytes (config, 4);
  settings = compile (config);
  result = walk (settings, "[\"absecret\",\"secretsecretabcd\"]", FALSE);
  g_assert_cmpstr (result, ==, "[\"ab#\",\"##ab\"]");
}

static void
test_text (void)
{
  g_autoptr (LsobsRedactor) redactor = test_redactor_new ("a+", "", NULL);
  g_autofree char *none = _lsobs_redactor_apply_text (NULL, "a\xff");
  g_autofree char *redacted = _lsobs_redactor_apply_text (redactor, "ba\xff");
  g_autofree char *empty = _lsobs_redactor_apply_text (redactor, "aaa");
  g_autofree char *still_empty = _lsobs_redactor_apply_text (redactor, "");

  g_assert_cmpstr (none, ==, "a\xef\xbf\xbd");
  g_assert_cmpstr (redacted, ==, "b\xef\xbf\xbd");
  g_assert_cmpstr (empty, ==, "");
  g_assert_cmpstr (still_empty, ==, "");
}

static gpointer
apply_in_thread (gpointer data)
{
  for (guint i = 0; i < 500; i++)
    {
      g_autofree char *result = _lsobs_redactor_apply_text (data, "password=abcdefgh x");

      g_assert_cmpstr (result, ==, "password=[SECRET_DETECTED] <x>");
    }
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsSettings) settings = NULL;
  GThread *threads[4];

  lsobs_config_set_redact_secrets (config, TRUE);
  lsobs_config_add_redact_rule (config, "(x)", "<\\1>");
  settings = compile (config);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("redact", apply_in_thread, settings->redactor);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

/* Switches */

typedef struct
{
  const char *name;
  const char *variable;
  void (*set) (LsobsConfig *config, gboolean value);
  gboolean (*get) (LsobsConfig *config);
} SwitchRow;

static const SwitchRow switch_rows[] = {
  { "redact-secrets", NULL, lsobs_config_set_redact_secrets, lsobs_config_get_redact_secrets },
  { "redact-pairs", "REDACT_PAIRS", lsobs_config_set_redact_pairs, lsobs_config_get_redact_pairs },
  { "hide-inputs", "HIDE_INPUTS", lsobs_config_set_hide_inputs, lsobs_config_get_hide_inputs },
  { "hide-outputs", "HIDE_OUTPUTS", lsobs_config_set_hide_outputs, lsobs_config_get_hide_outputs },
  { "hide-metadata", "HIDE_METADATA", lsobs_config_set_hide_metadata,
    lsobs_config_get_hide_metadata },
};

static void
count_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  (*(guint *) user_data)++;
}

static void
test_switch (gconstpointer data)
{
  const SwitchRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autofree char *signal = g_strconcat ("notify::", row->name, NULL);
  gboolean value = FALSE;
  guint n = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (switch_rows); i++)
    g_assert_false (switch_rows[i].get (config));
  g_signal_connect (config, signal, G_CALLBACK (count_cb), &n);
  row->set (config, 2);
  g_object_get (config, row->name, &value, NULL);
  g_assert_cmpint (value, ==, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (switch_rows); i++)
    g_assert_cmpint (switch_rows[i].get (config), ==, &switch_rows[i] == row);
  row->set (config, TRUE);
  g_assert_cmpuint (n, ==, 1);
  g_object_set (config, row->name, FALSE, NULL);
  g_assert_false (row->get (config));
  g_assert_cmpuint (n, ==, 2);
}

static const struct
{
  const char *value;
  int expected; /* or -1 for an error */
} words[] = {
  { "true", TRUE },   { "TRUE", TRUE }, { "1", TRUE },   { "Yes", TRUE },      { " on\n", TRUE },
  { "false", FALSE }, { "0", FALSE },   { "NO", FALSE }, { "off", FALSE },     { "", FALSE },
  { "  ", FALSE },    { "2", -1 },      { "maybe", -1 }, { "true false", -1 }, { "tru", -1 },
};

static void
test_environment (gconstpointer data)
{
  const SwitchRow *row = data;
  const char *const prefixes[] = { "LANGSMITH_", "LANGCHAIN_" };
  g_autoptr (TestEnv) env = test_env_new ();

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  for (gsize i = 0; i < G_N_ELEMENTS (words) * G_N_ELEMENTS (prefixes); i++)
    {
      g_autofree char *variable = g_strconcat (prefixes[i % 2], row->variable, NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (LsobsConfig) config = NULL;

      /* While tracing is on, which a value that makes no sense is an error for. */
      test_env_set (env, "LANGSMITH_TRACING", "true");
      test_env_set (env, variable, words[i / 2].value);
      config = lsobs_config_new_from_environment (&error);
      test_env_set (env, variable, NULL);
      if (words[i / 2].expected >= 0)
        {
          g_assert_no_error (error);
          g_assert_cmpint (row->get (config), ==, words[i / 2].expected);
          continue;
        }
      g_assert_null (config);
      g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
      g_assert_true (g_str_has_prefix (error->message, variable));
      g_assert_null (strstr (error->message, "maybe"));
    }
}

static void
test_environment_order (void)
{
  g_autoptr (TestEnv) env = test_env_new ();
  g_autoptr (LsobsConfig) config = NULL;

  test_env_unset_prefix (env, "LANGSMITH_");
  test_env_unset_prefix (env, "LANGCHAIN_");
  test_env_set (env, "LANGSMITH_HIDE_INPUTS", "no");
  test_env_set (env, "LANGCHAIN_HIDE_INPUTS", "yes");
  test_env_set (env, "LANGSMITH_HIDE_OUTPUTS", "");
  test_env_set (env, "LANGCHAIN_HIDE_OUTPUTS", "yes");
  config = lsobs_config_new_from_environment (NULL);
  g_assert_false (lsobs_config_get_hide_inputs (config));
  g_assert_true (lsobs_config_get_hide_outputs (config));
  g_assert_false (lsobs_config_get_hide_metadata (config));
}

#define ADD_ROWS(prefix, rows, function) TEST_ADD_ROWS (prefix, rows, name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS ("/privacy/rule/", rule_rows, test_rule)
  g_test_add_func ("/privacy/rule/before-preset", test_rule_before_preset);
  g_test_add_func ("/privacy/rule/cleared", test_rules_cleared);
  ADD_ROWS ("/privacy/bad-rule/", bad_rows, test_bad_rule)
  g_test_add_func ("/privacy/bad-key", test_bad_key);
  g_test_add_data_func ("/privacy/catastrophic/literal", "#", test_catastrophic);
  g_test_add_data_func ("/privacy/catastrophic/group", "<\\0>", test_catastrophic);
  g_test_add_func ("/privacy/broken-group", test_broken_group);
  ADD_ROWS ("/privacy/key/", key_rows, test_key)
  g_test_add_func ("/privacy/key/long", test_key_long);
  g_test_add_data_func ("/privacy/depth/100", GUINT_TO_POINTER (100), test_depth);
  g_test_add_data_func ("/privacy/depth/200", GUINT_TO_POINTER (200), test_depth);
  g_test_add_func ("/privacy/depth/hidden", test_depth_hidden);
  g_test_add_func ("/privacy/disguise", test_disguise);
  g_test_add_func ("/privacy/cut-after", test_cut_after);
  g_test_add_func ("/privacy/text", test_text);
  g_test_add_func ("/privacy/threads", test_threads);
  ADD_ROWS ("/privacy/switch/", switch_rows, test_switch)
  for (gsize i = 1; i < G_N_ELEMENTS (switch_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/privacy/environment/", switch_rows[i].name, NULL);

      g_test_add_data_func (path, &switch_rows[i], test_environment);
    }
  g_test_add_func ("/privacy/environment/order", test_environment_order);

  return g_test_run ();
}
