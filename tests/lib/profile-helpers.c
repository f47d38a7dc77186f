/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/profile-helpers.h"

/* One for all tests, since no variable can be set while there are threads. */
static char *directory;

int
profile_run_tests (void)
{
  int result;

  directory = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  g_assert_nonnull (directory);
  g_setenv ("DIR", directory, TRUE);
  result = g_test_run ();
  g_rmdir (directory);
  g_clear_pointer (&directory, g_free);
  return result;
}

void
profile_set_up (ProfileFixture *self, gconstpointer data)
{
  test_fixture_set_up (&self->base, data);
  lsobs_config_set_api_key (self->base.config, NULL);
  lsobs_config_set_api_url (self->base.config, test_server_get_url (self->base.server));
  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  self->dir = directory;
  self->path = g_build_filename (self->dir, "config.json", NULL);
  test_log_clear ();
}

void
profile_tear_down (ProfileFixture *self, gconstpointer data)
{
  test_fixture_tear_down (&self->base, data);
  failed_traces_remove_dir (self->dir);
  g_free (self->path);
}

void
profile_write (ProfileFixture *self, const char *format, ...)
{
  g_autofree char *members = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  members = g_strdup_vprintf (format, args);
  va_end (args);
  text = g_strconcat ("{\"profiles\":{\"" PROFILE_NAME "\":{", members, "}}}", NULL);
  g_file_set_contents (self->path, text, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_chmod (self->path, 0600), ==, 0);
}

void
profile_load (ProfileFixture *self)
{
  g_autoptr (GError) error = NULL;

  lsobs_config_load_profile (self->base.config, self->path, PROFILE_NAME, &error);
  g_assert_no_error (error);
}

LsobsExporter *
profile_start (ProfileFixture *self)
{
  profile_load (self);
  return test_fixture_start (&self->base);
}

void
profile_put (ProfileFixture *self, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (self->dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

gboolean
profile_has (ProfileFixture *self, const char *name)
{
  g_autofree char *path = g_build_filename (self->dir, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

typedef struct
{
  ProfileFixture *fixture;
  const char *name;
} Wait;

static gboolean
is_there (gpointer data)
{
  Wait *wait = data;

  return profile_has (wait->fixture, wait->name);
}

gboolean
profile_wait_for (ProfileFixture *self, const char *name)
{
  Wait wait = { self, name };

  return test_wait_until (is_there, &wait, 2 * TEST_TIMEOUT_MS);
}

guint
profile_count_lines (ProfileFixture *self, const char *name)
{
  g_autofree char *path = g_build_filename (self->dir, name, NULL);
  g_autofree char *text = NULL;
  guint n = 0;

  if (g_file_get_contents (path, &text, NULL, NULL))
    for (const char *at = text; *at != '\0'; at++)
      n += *at == '\n';
  return n;
}

static void
assert_only_header (TestRequest *request, const char *header, const char *value)
{
  static const char *const others[] = { "x-api-key", "Authorization" };

  g_assert_cmpstr (test_request_get_header (request, header), ==, value);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (g_ascii_strcasecmp (others[i], header) != 0)
      g_assert_null (test_request_get_header (request, others[i]));
}

void
profile_assert_sent (ProfileFixture *self, const char *header, ...)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (self->base.server);
  const char *value;
  guint n = 0;
  va_list args;

  va_start (args, header);
  while ((value = va_arg (args, const char *)) != NULL)
    {
      g_assert_cmpuint (n, <, requests->len);
      assert_only_header (g_ptr_array_index (requests, n++), header, value);
    }
  va_end (args);
  g_assert_cmpuint (n, ==, requests->len);
}

gboolean
profile_authorize (TestRequest *request, TestAnswer *answer, gpointer data)
{
  g_auto (GStrv) parts = g_strsplit (data, ": ", 2);

  if (g_strcmp0 (test_request_get_header (request, parts[0]), parts[1]) == 0)
    return FALSE;
  answer->status = 401;
  /* libsoup has its own ideas of what to do about that. */
  answer->headers = "WWW-Authenticate: Basic realm=\"x\"\nWWW-Authenticate: Bearer realm=\"x\"";
  answer->body = "{\"detail\":\"Invalid token\"}";
  return TRUE;
}
