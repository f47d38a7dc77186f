/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "tests/lib/cost-helpers.h"

/* Members that are hidden by their names, and how long it takes to find out. */

static void
append_times (GString *text, const char *piece, guint n)
{
  for (guint i = 0; i < n; i++)
    g_string_append (text, piece);
}

/* @data: what a name is made of; the key is as long, so that its length does not settle it */
static gint64
measure_folding (gpointer data, guint n)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autoptr (GString) name = g_string_new (NULL);
  g_autofree char *key = g_strnfill (4 * n, 'k');
  gint64 start;

  append_times (name, data, n);
  _lsobs_redactor_add_key (redactor, key);
  start = cost_now ();
  g_assert_false (_lsobs_redactor_hides_key (redactor, name->str, name->len));
  return cost_now () - start;
}

static void
test_folding (gconstpointer data)
{
  cost_assert_linear (measure_folding, (gpointer) data, 20000);
}

static gint64
measure_long_name (gpointer data G_GNUC_UNUSED, guint n)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  const LsobsSanitizeOptions options = { .redactor = redactor };
  g_autoptr (GString) text = g_string_new ("{\"");
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gint64 start;

  append_times (text, "\xc3\xa9", n);
  g_string_append (text, "\":1}");
  _lsobs_redactor_add_key (redactor, "password");
  start = cost_now ();
  g_assert_true (_lsobs_json_sanitize (&out, text->str, text->len, &options));
  return cost_now () - start;
}

static void
test_long_name (void)
{
  cost_assert_linear (measure_long_name, NULL, 25000);
}

typedef struct
{
  const char *name;
  const char *key;
  const char *member;
} KeyRow;

static const KeyRow key_rows[] = {
  { "decomposed", "caf\xc3\xa9", "cafe\xcc\x81" },
  { "composed", "cafe\xcc\x81", "CAF\xc3\x89" },
  { "full-width", "password",
    "\xef\xbd\x90\xef\xbd\x81\xef\xbd\x93\xef\xbd\x93\xef\xbd\x97\xef\xbd\x8f\xef\xbd\x92"
    "\xef\xbd\x84" },
  { "bold", "pass", "\xf0\x9d\x90\xa9\xf0\x9d\x90\x9a\xf0\x9d\x90\xac\xf0\x9d\x90\xac" },
  { "ligature", "\xef\xac\x81le", "file" },
  { "from-ligature", "file", "\xef\xac\x81le" },
  { "sharp-s", "stra\xc3\x9f\x65", "STRASSE" },
  { "marks", "a\xcc\xa3\xcc\x81", "a\xcc\x81\xcc\xa3" },
  { "mark-and-letter", "\xe1\xba\xa1\xcc\x81", "\xc3\xa1\xcc\xa3" },
  { "no-width", "password", "pass\xe2\x80\x8b\xe2\x80\x8dword\xef\xbb\xbf" },
  { "key-no-width", "pass\xe2\x80\x8bword", "PassWord" },
  { "selector", "password",
    "p\xef\xb8\x8f"
    "assword" },
  { "filler", "password", "pass\xe3\x85\xa4word" },
  { "separators", "my-api_key",
    "My\xe2\x80\x91"
    "Api \xe2\x80\xbfKey" },
  { "blanks", "api_key", "\tapi  key\xc2\xa0" },
  { "syllable", "\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8" },
};

static void
test_key (gconstpointer data)
{
  const KeyRow *row = data;
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autofree char *longer = g_strconcat (row->member, "x", NULL);

  _lsobs_redactor_add_key (redactor, row->key);
  g_assert_true (_lsobs_redactor_hides_key (redactor, row->member, strlen (row->member)));
  g_assert_false (_lsobs_redactor_hides_key (redactor, longer, strlen (longer)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Which members are hidden by their names, in linear time.");

  g_test_add_data_func ("/redact-key/folding/letters", "\xc3\xa9", test_folding);
  g_test_add_data_func ("/redact-key/folding/marks", "\xcc\x95\xcc\x81", test_folding);
  g_test_add_data_func ("/redact-key/folding/syllables", "\xea\xb0\x81", test_folding);
  g_test_add_data_func ("/redact-key/folding/no-width", "\xe2\x80\x8b", test_folding);
  g_test_add_data_func ("/redact-key/folding/blanks", "_ ", test_folding);
  g_test_add_func ("/redact-key/folding/long-name", test_long_name);
  for (guint i = 0; i < G_N_ELEMENTS (key_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/redact-key/", key_rows[i].name, NULL);

      g_test_add_data_func (path, &key_rows[i], test_key);
    }
  return g_test_run ();
}
