/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-pattern-private.h"

static const char *const linear[] = {
  "",
  "secret",
  "secret|password|token",
  "\xc3\xa4\xe2\x82\xac",
  "\\bfox\\b",
  "^The$",
  "\\A\\.\\z",
  "[0-9]{4}-[0-9]{4}",
  "\\b\\d{3}-\\d{2}-\\d{4}\\b",
  "\\d{3}[- ]?\\d{2}[- ]?\\d{4}",
  "\\b\\d{13,16}\\b",
  "\\d{13,}",
  "sk-[A-Za-z0-9_-]{20,}",
  "AKIA[0-9A-Z]{16}",
  "(?i)bearer \\S+",
  "Bearer [^\\]\\s]++",
  "[]a]x",
  "[^]a]x",
  "[[:alpha:]_]+",
  "[a[b]x",
  "(?:ab|c.*)",
  "a{0}",
  "(a|b){1,3}",
  "(a|b){3,}",
  "(?>a|b){16,}",
  "(?<name>ab)?c",
  "(?P<name>ab)?c",
  "(?>a?b?)c",
  "(?im-s:a.b)c",
  "\\x41\\x{e9}\\p{Lu}\\n\\w\\N",
  "[\\]]*",
  "[\\x{e9}\\x41\\p{Lu}\\-\\d]+",
  "secret.*",
  "a+?",
  "a\\Kb",
  "(?<=b)a",
  "(?<!b)a(?![bc]{2})",
  /* only one of the ways goes on */
  "\\b(?:\\d{1,3}\\.){3}\\d{1,3}\\b",
  "[A-Z]{2}\\d{2}(?: ?[A-Z0-9]{4}){3,7}",
  /* a character before the repetition cannot be in it */
  "acme-[0-9]+-x",
  "acme-[0-9]*?x",
  "\"[^\"]*\"",
  ";token=([^;&]+)(?:;|&|$)",
  "\\bkey-[A-Za-z0-9]{20,}\\b",
  "(?i)pass(?:word|phrase)?\\s*[:=]\\s*\\S+",
  "(?i)customer[ _-]*(?:id|number)\\s*[:=]\\s*\\w+",
  "(?:x-[a-w]*|y-[a-w]+)z",
  "x(?:-[0-9]+)?y",
  "x{3}(?>-[0-9]+)y",
  "-[^\\W\\d]*+1",
  "-[[:alpha:]_]+1",
  "\\x{1f600}[ -~]+\\n",
  "(?i)-[\\x{17f}]+t",
  "abc(?:-[0-9]+)*",
  "abc(?:-[0-9]+)++",
  "abc(?:-[0-9]+)*(?:[a-z]+)*",
  "[a-z]+(?:@[0-9]+x)?",
  "[a-z]+a?",
  "a+(?:a+)?",
  "x(?:[^a\\\\]++|\\\\(?!a))+",
};

/* What is linear with the verb only, and where that is put. */
static const char *const skipping[][2] = {
  { "a*[bc]", "a*(*SKIP)[bc]" },
  { "a++b", "a++(*SKIP)b" },
  { "a++a", "a++(*SKIP)a" },
  { "<[^>]+>", "<[^>]+(*SKIP)>" },
  { "a[^b]+b", "a[^b]+(*SKIP)b" },
  { "eyJ[A-Za-z]++\\.x", "eyJ[A-Za-z]++(*SKIP)\\.x" },
  { "a{2}(?:b|cc)?[a-c]*@", "a{2}(?:b|cc)?[a-c]*(*SKIP)@" },
  { "\\b_?[\\w]+-c", "\\b_?[\\w]+(*SKIP)-c" },
  { "a{2,}b", "a{2,}(*SKIP)b" },
  { "([a-z]+)@(x)", "([a-z]+(*SKIP))@(x)" },
  { "\\b(?i)(?<name>[a-z0-9]+)(?:@|#)x", "\\b(?i)(?<name>[a-z0-9]+(*SKIP))(?:@|#)x" },
  { "[a-z]+\\b(?!x)\\.", "[a-z]+(*SKIP)\\b(?!x)\\." },
  { "[a-z]+(?:;[0-9]*)?@", "[a-z]+(*SKIP)(?:;[0-9]*)?@" },
  { "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}",
    "[A-Za-z0-9._%+-]+(*SKIP)@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}" },
  { "\\b[\\w.+-]+@[\\w-]+\\.[\\w.-]+", "\\b[\\w.+-]+(*SKIP)@[\\w-]+\\.[\\w.-]+" },
};

static const char *const others[] = {
  /* explosive */
  "(a|aa)+$",
  "(a+)+$",
  "(a*)*",
  "(.*a){12}\\d",
  "(a|aa){0,20}$",
  "(a?){30}b",
  "a*a*a*b",
  "(?:a|a){16,}",
  "(?:\\w|\\d){16,}",
  "(?:[A-Za-z0-9]|[0-9]){16,}",
  "(?:[A-Za-z]|[A-Z]){20,}",
  "(?i)(?:\\p{L}|\\p{Lu}){14,}",
  "(?>(?:a|a)){0}(?:a|a){16,}+",
  "-(?:a|a)*b",
  "(?:-a*a*)*b",
  "(?:a|b-*)*c",
  /* quadratic */
  "a+$",
  "a+b?$",
  "a.+\\n",
  "\\x{e9}\\w+-",
  "(?i)a[a-z]+-",
  "a[[:punct:]a]+-",
  "a+(?:ab)?$",
  "a+(?:ab)?c",
  "(?:a+|b)c",
  "(?:a+b?|c)d",
  "a+b|c",
  "(?:a+b)?c",
  "a+?b",
  "[a-z]+[x@]",
  "[a-z]+(?:x@)?@",
  "a(?:a|b+)*$",
  "(?:a+)*b",
  "(?:a+){2,}",
  "(?:a?)*",
  "(?i)[a-z]+K",
  "(?i)[^k]+K",
  "(?i)k[^k]+x",
  "(?i)\\x{212a}[k]+x",
  "(?i)k[\\x{212a}]+x",
  "(?i)s[\\W\\x{17f}]+x",
  "-[^a-z]+;",
  "-[\\W]+;",
  "-[+--]+,",
  "-[]-]+-",
  "5[^\\D]+7",
  " \\s*\\t",
  "\\x09\\h+ ",
  "k[[:punct:][:alpha:]]+x",
  "-[^[:punct:]a]+x",
  "(-)?[0-9]+x",
  "(?:-|a)[a-z]+;",
  "-{0,1}[0-9]+x",
  "(?:-[0-9]+){2}x",
  "-[0-9]+[0-9]+x",
  "x-[0-9]+1[0-9]+x",
  "a(?:[b-z]+-)*x",
  "a\\K",
  "a+\\K",
  "a+\\Kb?",
  "-(?=a\\Kb)",
  "(?>a+)b",
  "https?://[^\\s/]+/[^\\s?]*\\?token=\\S+",
  "quick.*?over",
  ".*password",
  "[a-z]{0,200}@",
  "\\d{200}",
  /* not known */
  "@[\\w-]+\\.[\\w.-]+\\b",
  "a{1,2}{1,2}",
  "x{,3}",
  "a(?=b+)",
  "a(?!b+)",
  "(a)\\1",
  "(a)\\g1",
  "(?|a|b)",
  "(?R)?",
  "(?<n>a)(?P=n)",
  "(?<n>a)(?P>n)",
  "(?x)a #b",
  "(?#comment)a",
  "(*ANYCRLF)a",
  "\\Qa*\\E",
  "\\X",
  "\\R",
  "[[:]a*b:]",
  "[[.a.]]",
  "[\\Qa]b*\\E]c",
  "[\\c][]?(a|aa)+[wy]",
  "[\\c][]a*a*a*a*a*b]",
  "[\\x{]a*a*b}]",
  "(?(1)a|b)",
  "(?C)a",
  "(?:(?:(?:a{10}){10}){10}){10}",
};

static gboolean
is_linear (const char *pattern, GRegexCompileFlags compile_flags, GRegexMatchFlags match_flags)
{
  gsize skip;

  return _lsobs_pattern_is_linear (pattern, compile_flags, match_flags, LSOBS_PATTERN_MAX_STEPS,
                                   &skip);
}

/* Returns: (transfer full) (nullable): the pattern with the verb, if that is needed; NULL: the
 *   pattern is not linear */
static char *
make_linear (const char *pattern)
{
  gsize skip;

  if (!_lsobs_pattern_is_linear (pattern, 0, 0, LSOBS_PATTERN_MAX_STEPS, &skip))
    return NULL;
  if (skip == 0)
    return g_strdup (pattern);
  return g_strdup_printf ("%.*s(*SKIP)%s", (int) skip, pattern, pattern + skip);
}

static void
test_linear (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (linear); i++)
    {
      g_autofree char *made = make_linear (linear[i]);

      g_assert_cmpstr (made, ==, linear[i]);
    }
}

static void
test_skipping (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (skipping); i++)
    {
      g_autofree char *made = make_linear (skipping[i][0]);

      g_assert_cmpstr (made, ==, skipping[i][1]);
    }
}

static void
test_others (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_test_message ("not %s", others[i]);
      g_assert_false (is_linear (others[i], 0, 0));
    }
}

static void
test_flags (void)
{
  g_assert_true (is_linear ("a", G_REGEX_CASELESS | G_REGEX_OPTIMIZE, 0));
  g_assert_false (is_linear ("a", G_REGEX_EXTENDED, 0));
  g_assert_false (is_linear ("a", G_REGEX_RAW, 0));
  g_assert_false (is_linear ("a", G_REGEX_UNGREEDY, 0));
  g_assert_false (is_linear ("a", 0, G_REGEX_MATCH_NOTEMPTY));

  g_assert_true (is_linear ("a[B-Z]+1", 0, 0));
  g_assert_false (is_linear ("b[B-Z]+1", G_REGEX_CASELESS, 0));
}

static void
test_deep (void)
{
  g_autoptr (GString) pattern = g_string_new (NULL);

  for (guint i = 0; i < 100000; i++)
    g_string_append_c (pattern, '(');
  g_assert_false (is_linear (pattern->str, 0, 0));
}

/* In one search, PCRE may go back so many times for each byte of the text. A search that takes
 * quadratic time does so more often. */
#define MAX_STEPS_PER_BYTE 60
#define TEXT_LEN           800

/* How many times PCRE goes back is only limited for one attempt. So the whole search is one
 * attempt here. It is interpreted: machine code does not count each time.
 *
 * Returns: FALSE if PCRE had to go back more often than any linear pattern needs */
static gboolean
is_cheap (const char *pattern, const char *text)
{
  g_autofree char *limited =
      g_strdup_printf ("(*LIMIT_MATCH=%u)(*NO_AUTO_POSSESS)\\A(?s:.)*?(?=(?s:.))(?:%s)",
                       MAX_STEPS_PER_BYTE * TEXT_LEN, pattern);
  g_autoptr (GRegex) regex = g_regex_new (limited, 0, 0, NULL);
  g_autoptr (GMatchInfo) info = NULL;

  /* It is no pattern. */
  if (regex == NULL)
    return TRUE;
  g_regex_match_full (regex, text, -1, 0, G_REGEX_MATCH_NOTEMPTY, &info, NULL);
  return g_match_info_get_match_count (info) >= 0;
}

/* Returns: (transfer full): two short pieces, each of them many times */
static char *
make_text (GRand *random, gsize len)
{
  char *text = g_malloc (len + 1);
  char pieces[2][5];
  gsize lens[2];

  for (guint i = 0; i < 2; i++)
    {
      lens[i] = (gsize) g_rand_int_range (random, 1, 6);
      for (gsize k = 0; k < lens[i]; k++)
        pieces[i][k] = "aaabcc- A0"[g_rand_int_range (random, 0, 10)];
    }
  for (gsize i = 0; i < len; i++)
    text[i] = i < len / 2 ? pieces[0][i % lens[0]] : pieces[1][i % lens[1]];
  text[len] = '\0';
  return text;
}

/* Returns: (transfer full): where all matches are */
static char *
find_all (const char *pattern, const char *text)
{
  g_autoptr (GRegex) regex = g_regex_new (pattern, G_REGEX_OPTIMIZE, 0, NULL);
  g_autoptr (GMatchInfo) info = NULL;
  GString *found = g_string_new (NULL);

  g_assert_nonnull (regex);
  g_regex_match_full (regex, text, -1, 0, G_REGEX_MATCH_NOTEMPTY, &info, NULL);
  for (; g_match_info_matches (info); g_match_info_next (info, NULL))
    for (gint i = 0; i < g_match_info_get_match_count (info); i++)
      {
        gint start;
        gint end;

        g_match_info_fetch_pos (info, i, &start, &end);
        g_string_append_printf (found, "%d-%d ", start, end);
      }
  g_assert_cmpint (g_match_info_get_match_count (info), ==, 0);
  return g_string_free (found, FALSE);
}

/* The verb changes no match. */
static void
assert_same (GRand *random, const char *pattern, const char *with_verb)
{
  for (guint i = 0; i < 20; i++)
    {
      char text[40] = "";
      gint n = g_rand_int_range (random, 1, (gint) sizeof text);
      gint n_kinds = g_rand_int_range (random, 2, 10);
      g_autofree char *expected = NULL;
      g_autofree char *found = NULL;

      for (gint k = 0; k < n - 1; k++)
        text[k] = "ab@-c .A0"[g_rand_int_range (random, 0, n_kinds)];
      expected = find_all (pattern, text);
      found = find_all (with_verb, text);
      g_test_message ("%s in %s", pattern, text);
      g_assert_cmpstr (found, ==, expected);
    }
}

static void
test_same_matches (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (7);

  for (guint i = 0; i < G_N_ELEMENTS (skipping); i++)
    for (guint k = 0; k < 100; k++)
      assert_same (random, skipping[i][0], skipping[i][1]);
}

static gboolean
is_pattern (const char *pattern)
{
  g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, NULL);

  return regex != NULL;
}

/* Random patterns, which often are none: what is read stays within the text, what is said to
 * be linear is cheap, and finds the same with the verb. */
static void
test_random (void)
{
  static const char *const pieces[] = {
    "a",     "a",     "b",      "(",     ")",     "|",   "*",  "+",     "?",      "{2}",  "{0,3}",
    "{1,",   "[",     "]",      "^",     "[^b",   "[:",  ":]", "-",     "\\",     "\\d",  "(?",
    "(?:",   "(?<",   "(?<n>",  "(?>",   "\\x{",  "}",   ".",  "$",     "a?",     "a*",   "(a",
    "a)",    "[ab]",  "|a",     "{15,}", "(a|a)", "-",   "-",  "[ab]+", "[a-c]*", "b+",   "c*",
    "[^-]+", "(?!b)", "(?<=a)", "(?i)",  "\\b",   "\\K", "++", "*?",    "-[ab]+", "\\s*", "A+",
  };
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  guint n_linear = 0;
  guint n_with_verb = 0;

  for (guint i = 0; i < 60000; i++)
    {
      g_autoptr (GString) pattern = g_string_new (NULL);
      g_autofree char *exact = NULL;
      g_autofree char *made = NULL;
      gint n_pieces = g_rand_int_range (random, 1, 14);

      for (gint k = 0; k < n_pieces; k++)
        g_string_append (pattern,
                         pieces[g_rand_int_range (random, 0, (gint) G_N_ELEMENTS (pieces))]);
      exact = g_strdup (pattern->str);
      made = make_linear (exact);
      if (made == NULL || !is_pattern (exact))
        continue;
      n_linear++;
      if (strcmp (made, exact) != 0)
        {
          n_with_verb++;
          assert_same (random, exact, made);
          continue;
        }
      for (guint k = 0; k < 4; k++)
        {
          g_autofree char *text = make_text (random, TEXT_LEN);

          if (!is_cheap (exact, text))
            g_error ("%s is not linear", exact);
        }
    }
  g_assert_cmpuint (n_linear, >, 1000);
  g_assert_cmpuint (n_with_verb, >, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Which regular expressions certainly take linear time.");

  g_test_add_func ("/pattern/linear", test_linear);
  g_test_add_func ("/pattern/skipping", test_skipping);
  g_test_add_func ("/pattern/same-matches", test_same_matches);
  g_test_add_func ("/pattern/others", test_others);
  g_test_add_func ("/pattern/flags", test_flags);
  g_test_add_func ("/pattern/deep", test_deep);
  g_test_add_func ("/pattern/random", test_random);
  return g_test_run ();
}
