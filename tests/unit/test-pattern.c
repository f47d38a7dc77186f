/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

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
  /* quadratic */
  "a*[bc]",
  "a+$",
  "a++b",
  "(?:a+|b)c",
  "(?>a+)b",
  "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+",
  ".*password",
  "[a-z]{0,200}@",
  "\\d{200}",
  /* not known */
  "a{1,2}{1,2}",
  "x{,3}",
  "a(?=b+)",
  "a(?!b+)",
  "(?<=b)a",
  "(?<!b)a",
  "(a)\\1",
  "(a)\\g1",
  "(?|a|b)",
  "(?R)?",
  "(?<n>a)(?P=n)",
  "(?<n>a)(?P>n)",
  "(?x)a #b",
  "(?#comment)a",
  "(*ANYCRLF)a",
  "a\\Kb",
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

static void
test_linear (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (linear); i++)
    {
      g_test_message ("%s", linear[i]);
      g_assert_true (_lsobs_pattern_is_linear (linear[i], 0, 0));
    }
}

static void
test_others (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_test_message ("not %s", others[i]);
      g_assert_false (_lsobs_pattern_is_linear (others[i], 0, 0));
    }
}

static void
test_flags (void)
{
  g_assert_true (_lsobs_pattern_is_linear ("a", G_REGEX_CASELESS | G_REGEX_OPTIMIZE, 0));
  g_assert_false (_lsobs_pattern_is_linear ("a", G_REGEX_EXTENDED, 0));
  g_assert_false (_lsobs_pattern_is_linear ("a", G_REGEX_RAW, 0));
  g_assert_false (_lsobs_pattern_is_linear ("a", G_REGEX_UNGREEDY, 0));
  g_assert_false (_lsobs_pattern_is_linear ("a", 0, G_REGEX_MATCH_NOTEMPTY));
}

static void
test_deep (void)
{
  g_autoptr (GString) pattern = g_string_new (NULL);

  for (guint i = 0; i < 100000; i++)
    g_string_append_c (pattern, '(');
  g_assert_false (_lsobs_pattern_is_linear (pattern->str, 0, 0));
}

/* FALSE: PCRE had to go back more often than any linear pattern needs. */
static gboolean
is_cheap (const char *pattern, const char *text)
{
  g_autofree char *limited = g_strconcat ("(*LIMIT_MATCH=1000)", pattern, NULL);
  g_autoptr (GRegex) regex = g_regex_new (limited, G_REGEX_OPTIMIZE, 0, NULL);
  g_autoptr (GMatchInfo) info = NULL;

  /* It is no pattern. */
  if (regex == NULL)
    return TRUE;
  g_regex_match_full (regex, text, -1, 0, G_REGEX_MATCH_NOTEMPTY, &info, NULL);
  while (g_match_info_matches (info))
    g_match_info_next (info, NULL);
  return g_match_info_get_match_count (info) >= 0;
}

static char *
make_text (GRand *random, gsize len)
{
  char *text = g_strnfill (len, 'a');
  gint rarity = 1 << g_rand_int_range (random, 1, 8);

  for (gsize i = 0; i < len; i++)
    if (g_rand_int_range (random, 0, rarity) == 0)
      text[i] = "abc-"[g_rand_int_range (random, 0, 4)];
  return text;
}

/* Random patterns, which often are none: what is read stays within the text, and what is
 * said to be linear is cheap. */
static void
test_random (void)
{
  static const char *const pieces[] = {
    "a",    "a", "b",   "(",  ")",  "|",  "*",  "+",   "?",    "{2}", "{0,3}", "{1,",   "[",
    "]",    "^", "[^b", "[:", ":]", "-",  "\\", "\\d", "(?",   "(?:", "(?<",   "(?<n>", "(?>",
    "\\x{", "}", ".",   "$",  "a?", "a*", "(a", "a)",  "[ab]", "|a",  "{15,}", "(a|a)",
  };
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  guint n_linear = 0;

  for (guint i = 0; i < 40000; i++)
    {
      g_autoptr (GString) pattern = g_string_new (NULL);
      g_autofree char *exact = NULL;
      gint n_pieces = g_rand_int_range (random, 1, 14);

      for (gint k = 0; k < n_pieces; k++)
        g_string_append (pattern,
                         pieces[g_rand_int_range (random, 0, (gint) G_N_ELEMENTS (pieces))]);
      exact = g_strdup (pattern->str);
      if (_lsobs_pattern_is_linear (exact, 0, 0))
        {
          g_autofree char *text = make_text (random, 400);

          n_linear++;
          if (!is_cheap (exact, text))
            g_error ("%s is not linear", exact);
        }
    }
  g_assert_cmpuint (n_linear, >, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Which regular expressions certainly take linear time.");

  g_test_add_func ("/pattern/linear", test_linear);
  g_test_add_func ("/pattern/others", test_others);
  g_test_add_func ("/pattern/flags", test_flags);
  g_test_add_func ("/pattern/deep", test_deep);
  g_test_add_func ("/pattern/random", test_random);
  return g_test_run ();
}
