/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/lib/attachment-helpers.h"

void
attachment_set_up (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  run_fixture_start (fixture);
}

LsobsRun *
attachment_start_run (RunFixture *fixture, const char *name)
{
  return lsobs_observer_start_run (fixture->observer, name, LSOBS_RUN_TYPE_CHAIN, NULL);
}

void
attachment_add (LsobsRun *run, const char *name, const char *text)
{
  g_autoptr (GBytes) data = run_bytes (text);
  g_autoptr (GError) error = NULL;
  gboolean added = lsobs_run_add_attachment (run, name, "text/plain", data, &error);

  g_assert_no_error (error);
  g_assert_true (added);
}

/* So many bytes, all of them zero. */
gboolean
attachment_add_large (LsobsRun *run, const char *name, gsize n_bytes, GError **error)
{
  g_autoptr (GBytes) data = g_bytes_new_take (g_malloc0 (n_bytes), n_bytes);

  return lsobs_run_add_attachment (run, name, NULL, data, error);
}

void
attachment_assert_refused (gboolean added, GError **error, LsobsError code)
{
  g_assert_false (added);
  g_assert_error (*error, LSOBS_ERROR, (int) code);
  g_clear_error (error);
}

/* Delivers, and compares all that has come for the run: "name=text" each, in their order. */
void
attachment_assert_got (RunFixture *fixture, const char *name, const char *expected)
{
  g_autoptr (GString) got = g_string_new (NULL);
  WireRun *run;

  run_fixture_flush (fixture);
  run = run_fixture_find (fixture, name);
  for (guint i = 0; i < run->attachments->len; i++)
    {
      WireAttachment *attachment = g_ptr_array_index (run->attachments, i);

      g_assert_cmpstr (attachment->content_type, ==, "text/plain");
      g_string_append_printf (got, "%s%s=", i > 0 ? " " : "", attachment->name);
      g_string_append_len (got, g_bytes_get_data (attachment->data, NULL),
                           (gssize) g_bytes_get_size (attachment->data));
    }
  g_assert_cmpstr (got->str, ==, expected);
}
