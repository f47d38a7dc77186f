/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of the page in the languages of its readers, and the lines that stand for inputs and outputs. */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/page-helpers.h"
#include "tools/service/word-list.h"
#include "tools/store/preview.h"

/* --- words --------------------------------------------------------------------------------- */

/* Appends a number as in a file of gettext. */
static void
append_word (GByteArray *file, guint32 word)
{
  g_byte_array_append (file, (const guint8 *) &word, sizeof word);
}

/* Writes a catalogue with these messages and texts; each is the bytes of a string, and may have a NUL. */
static void
write_catalogue (const char *folder,
                 const char *language,
                 const char *const *strings,
                 const gsize *lens,
                 guint n)
{
  g_autofree char *directory = g_build_filename (folder, language, "LC_MESSAGES", NULL);
  g_autofree char *path = g_build_filename (directory, "lsobs.mo", NULL);
  g_autoptr (GByteArray) file = g_byte_array_new ();
  guint32 at = 28 + 16 * n;

  append_word (file, 0x950412de);
  append_word (file, 0);
  append_word (file, n);
  append_word (file, 28);
  append_word (file, 28 + 8 * n);
  append_word (file, 0);
  append_word (file, 0);
  for (guint half = 0; half < 2; half++)
    for (guint i = half; i < 2 * n; i += 2)
      {
        append_word (file, (guint32) lens[i]);
        append_word (file, at);
        at += (guint32) lens[i] + 1;
      }
  for (guint half = 0; half < 2; half++)
    for (guint i = half; i < 2 * n; i += 2)
      g_byte_array_append (file, (const guint8 *) strings[i], (guint) lens[i] + 1);
  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, (const char *) file->data, file->len, NULL));
}

static JsonNode *
get_words (ServeFixture *fixture, const char *languages)
{
  g_autofree char *body = NULL;
  g_autoptr (SoupMessage) message =
      page_send (fixture, "GET", "/page-data/words",
                 (const char *const[]){ languages != NULL ? "Accept-Language" : NULL, languages,
                                        NULL },
                 &body);
  JsonNode *node = json_from_string (body, NULL);

  g_assert_cmpuint (soup_message_get_status (message), ==, 200);
  g_assert_nonnull (node);
  return node;
}

static void
assert_language (ServeFixture *fixture, const char *languages, const char *language)
{
  g_autoptr (JsonNode) words = get_words (fixture, languages);

  g_assert_cmpstr (page_get_text (page_get_object (words), "lang"), ==, language);
}

/* The messages of the page come in the language of the reader; those of the program stay behind. */
static void
test_words (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char module[] =
      "import { _ } from './text.js';\nx = _('Open “it”'); y = _ (\"two \" +\n  'parts');\n"
      "ngettext('%d run', '%d runs', n); my_('not this');\n";
  static const char *const strings[] = {
    "",
    "Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n>=2 && n<=4 ? 1 : 2);\nX: y\n",
    "Open “it”",
    "Öffne „es“",
    "two parts",
    "<b>zwei</b>",
    "%d run\0%d runs",
    "%d Lauf\0%d Läufe\0%d Läufe!",
    "Internal",
    "Innen",
  };
  const gsize lens[] = { 0,
                         strlen (strings[1]),
                         strlen (strings[2]),
                         strlen (strings[3]),
                         strlen (strings[4]),
                         strlen (strings[5]),
                         strlen ("%d run") + 1 + strlen ("%d runs"),
                         strlen ("%d Lauf") + 1 + strlen ("%d Läufe") + 1 + strlen ("%d Läufe!"),
                         strlen (strings[8]),
                         strlen (strings[9]) };
  g_autofree char *page = g_build_filename (fixture->folder, "page", NULL);
  g_autofree char *file = g_build_filename (page, "app-of-test.js", NULL);
  g_autofree char *folder = g_build_filename (fixture->folder, "locale", NULL);
  g_autofree char *broken = g_build_filename (folder, "fr", "LC_MESSAGES", NULL);
  g_autofree char *broken_file = g_build_filename (broken, "lsobs.mo", NULL);
  g_autofree char *shell =
      g_strdup_printf ("G_RESOURCE_OVERLAYS='/org/lsobs/page=%s' TEXTDOMAINDIR='%s'", page, folder);
  g_autoptr (JsonNode) german = NULL;
  g_autoptr (JsonNode) chosen = NULL;
  JsonObject *words;
  JsonArray *forms;

  g_assert_cmpint (g_mkdir_with_parents (page, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, module, -1, NULL));
  write_catalogue (folder, "de", strings, lens, 5);
  write_catalogue (folder, "pt_BR", strings, lens, 5);
  write_catalogue (folder, "zh_CN", strings, lens, 5);
  g_assert_cmpint (g_mkdir_with_parents (broken, 0700), ==, 0);
  g_assert_true (
      g_file_set_contents (broken_file, "\xde\x12\x04\x95 this is none of gettext", -1, NULL));
  serve_start (fixture, shell, NULL);

  german = get_words (fixture, "de-AT,en;q=0.5");
  g_assert_cmpstr (page_get_text (page_get_object (german), "lang"), ==, "de");
  words = json_object_get_object_member (page_get_object (german), "words");
  g_assert_cmpuint (json_object_get_size (words), ==, 2);
  g_assert_cmpstr (page_get_text (words, "Open “it”"), ==, "Öffne „es“");
  g_assert_cmpstr (page_get_text (words, "two parts"), ==, "<b>zwei</b>");
  forms = json_object_get_array_member (json_object_get_object_member (page_get_object (german),
                                                                       "plurals"),
                                        "%d run");
  g_assert_cmpuint (json_array_get_length (forms), ==, 3);
  g_assert_cmpstr (json_array_get_string_element (forms, 2), ==, "%d Läufe!");
  g_assert_true (g_str_has_prefix (page_get_text (page_get_object (german), "forms"), "2011122"));
  g_assert_cmpuint (strlen (page_get_text (page_get_object (german), "forms")), ==, 200);

  assert_language (fixture, NULL, "en");
  assert_language (fixture, "en-GB,de;q=0.9", "en");
  assert_language (fixture, "xx, en;q=0.1, de;q=0.7", "de");
  assert_language (fixture, "fr, de;q=0.7", "de");
  assert_language (fixture, "pt", "pt-BR");
  assert_language (fixture, "pt-br", "pt-BR");
  assert_language (fixture, "zh-Hans-CN", "zh-CN");
  assert_language (fixture, "../../de, ../de, /de, de/../../x, %64e, .", "en");
  assert_language (fixture, "de;q=0, *", "en");
  assert_language (fixture, "\xff\xfe", "en");
  chosen = page_get (fixture, "/page-data/words?lang=de");
  g_assert_cmpstr (page_get_text (page_get_object (chosen), "lang"), ==, "de");
}

/* Rules of languages, and what is none. */
static void
test_plurals (void)
{
  static const struct
  {
    const char *rule;
    const char *start; /* (nullable): of the forms */
    guint at;          /* a number, */
    char form;         /* and its form */
  } cases[] = {
    { "nplurals=1; plural=0;", "0000", 199, '0' },
    { "nplurals=2; plural=(n != 1);", "1011", 101, '1' },
    { "nplurals=2; plural=(n > 1);\n", "0011", 199, '1' },
    { "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20)"
      " ? 1 : 2);",
      "2011122222", 122, '1' },
    { "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ?"
      " 4 : 5;",
      "0123333333344", 100, '5' },
    { "nplurals=2; plural=!(n-1)*1+2/2-1 == 0;", "10", 5, '1' },
    { "nplurals=2; plural=n;", NULL, 0, 0 },
    { "nplurals=2; plural=n/0;", NULL, 0, 0 },
    { "nplurals=2; plural=system(1);", NULL, 0, 0 },
    { "nplurals=2; plural=(n != 1;", NULL, 0, 0 },
    { "nplurals=2; plural=;", NULL, 0, 0 },
    { "nplurals=0; plural=0;", NULL, 0, 0 },
    { "nplurals=99; plural=0;", NULL, 0, 0 },
    { "plural=0;", NULL, 0, 0 },
    { "", NULL, 0, 0 },
  };
  g_autofree char *deep = g_strnfill (100000, '(');
  g_autofree char *rule = g_strconcat ("nplurals=2; plural=", deep, NULL);
  g_autofree char *nots = g_strnfill (100000, '!');
  g_autofree char *other_rule = g_strconcat ("nplurals=2; plural=", nots, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *forms = word_list_dup_forms (cases[i].rule);

      g_test_message ("%s", cases[i].rule);
      if (cases[i].start == NULL)
        {
          g_assert_null (forms);
          continue;
        }
      g_assert_nonnull (forms);
      g_assert_true (g_str_has_prefix (forms, cases[i].start));
      g_assert_cmpint (forms[cases[i].at], ==, cases[i].form);
    }
  g_assert_null (word_list_dup_forms (rule));
  g_assert_null (word_list_dup_forms (other_rule));
}

static void
test_messages (void)
{
  static const char source[] =
      "_('single'); _ (\"double\"); _('it\\'s \\u2026'); _(name); _('a' + 'b' +\n 'c'); _('a' + b);"
      " $_('no'); x._('method'); _(`template`); ngettext('one', 'many', n); gettext('not'); _('open";
  static const char *const wanted[] = {
    "single", "double", "it's …", "abc", "method", "one", "many"
  };
  g_autoptr (GHashTable) messages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  word_list_find_messages (source, messages);
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (!g_hash_table_contains (messages, wanted[i]))
      g_error ("%s", wanted[i]);
  g_assert_cmpuint (g_hash_table_size (messages), ==, G_N_ELEMENTS (wanted));
}

/* --- lines --------------------------------------------------------------------------------- */

static void
test_lines (void)
{
  static const struct
  {
    const char *json;
    const char *line; /* (nullable) */
  } cases[] = {
    { "{}", NULL },
    { "{\"q\":\"hello\"}", "hello" },
    { "{\"q\":\"\"}", NULL },
    { "{\"input\":\"a\\n\\n b\\t\\u0001c \"}", "a b c" },
    { "{\"other\":1,\"question\":\"why\"}", "why" },
    { "{\"a\":1,\"b\":[2]}", "{\"a\":1,\"b\":[2]}" },
    { "{\"n\":42}", "42" },
    { "{\"x\":null}", NULL },
    { "{\"messages\":[{\"role\":\"user\",\"content\":\"1\"},{\"role\":\"user\",\"content\":\"2\"}]}",
      "2" },
    { "{\"messages\":[[{\"lc\":1,\"kwargs\":{\"content\":\"hi\",\"type\":\"human\"}}]]}", "hi" },
    { "{\"messages\":[]}", NULL },
    { "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:\"}}]}]}",
      "see" },
    { "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"yes\"}}]}",
      "yes" },
    { "{\"generations\":[[{\"text\":\"out\",\"message\":{}}]]}", "out" },
    { "{\"output\":\"\\u202eevil<b>\"}", "\342\200\256evil<b>" },
    { "[1,2]", "2" },
    { "\"text\"", "text" },
  };
  g_autofree char *filler = g_strnfill (4000, 'x');
  g_autofree char *long_text = g_strdup_printf ("{\"q\":\"%s\"}", filler);
  g_autofree char *long_line = preview_dup_line (long_text);
  g_autofree char *long_object =
      g_strdup_printf ("{\"a\":1,\"b\":\"%sé%s\"}", filler + 1964, filler);
  g_autofree char *object_line = preview_dup_line (long_object);
  g_autofree char *open = g_strnfill (5000, '[');
  g_autofree char *close = g_strnfill (5000, ']');
  g_autofree char *nested = g_strconcat (open, close, NULL);
  g_autofree char *nested_line = preview_dup_line (nested);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *line = preview_dup_line (cases[i].json);

      g_assert_cmpstr (line, ==, cases[i].line);
    }
  g_assert_cmpint (g_utf8_strlen (long_line, -1), ==, PREVIEW_MAX);
  g_assert_true (g_str_has_suffix (long_line, "xx…"));
  g_assert_true (g_utf8_validate (object_line, -1, NULL));
  g_assert_cmpint (g_utf8_strlen (object_line, -1), ==, PREVIEW_MAX);
  g_assert_nonnull (nested_line);
}

#define ADD(path, func) \
 g_test_add (path, ServeFixture, NULL, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/page-words/languages", test_words);
  g_test_add_func ("/page-words/plurals", test_plurals);
  g_test_add_func ("/page-words/messages", test_messages);
  g_test_add_func ("/page-words/lines", test_lines);
  return g_test_run ();
}
