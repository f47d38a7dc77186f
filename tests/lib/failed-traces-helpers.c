/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include "tests/lib/failed-traces-helpers.h"

char *
failed_traces_make_dir (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("lsobs-failed-traces-XXXXXX", &error);

  g_assert_no_error (error);

  return path;
}

static GPtrArray *
list_all (const char *path)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_strdup (name));

  return names;
}

void
failed_traces_remove_dir (const char *path)
{
  g_autoptr (GPtrArray) names = list_all (path);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *child = g_build_filename (path, g_ptr_array_index (names, i), NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        failed_traces_remove_dir (child);
      else
        g_remove (child);
    }
  g_rmdir (path);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

GPtrArray *
failed_traces_list (const char *dir)
{
  GPtrArray *names = list_all (dir);

  for (guint i = names->len; i > 0; i--)
    if (!g_str_has_prefix (g_ptr_array_index (names, i - 1), "trace_") ||
        !g_str_has_suffix (g_ptr_array_index (names, i - 1), ".json"))
      g_ptr_array_remove_index (names, i - 1);
  g_ptr_array_sort (names, compare_names);

  return names;
}

guint
failed_traces_count_entries (const char *dir)
{
  g_autoptr (GPtrArray) names = list_all (dir);

  return names->len;
}

void
failed_traces_remove (const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);

  g_assert_cmpint (g_remove (path), ==, 0);
}

void
failed_traces_assert_size (const char *path, gsize n_bytes)
{
  GStatBuf info;

  g_assert_cmpint (g_lstat (path, &info), ==, 0);
  g_assert_cmpuint ((gsize) info.st_size, ==, n_bytes);
}

void
failed_traces_write (const char *dir, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

/* --- files --------------------------------------------------------------------------------- */

static char *
dup_member (JsonObject *object, const char *name)
{
  return g_strdup (json_object_get_string_member_with_default (object, name, NULL));
}

FailedTraceFile *
failed_trace_file_load (const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GError) error = NULL;
  FailedTraceFile *self = g_new0 (FailedTraceFile, 1);
  JsonObject *object;
  JsonObject *headers;
  GStatBuf info;
  guchar *body;
  gsize len;

  g_assert_cmpint (g_lstat (path, &info), ==, 0);
  g_assert_true (S_ISREG (info.st_mode));
  g_assert_cmpuint (info.st_mode & 07777, ==, 0600);
  g_file_get_contents (path, &text, &len, &error);
  g_assert_no_error (error);
  node = wire_json_parse (text, len, &error);
  g_assert_no_error (error);

  object = json_node_get_object (node);
  g_assert_cmpuint (json_object_get_size (object), ==, 4);
  g_assert_cmpint (json_object_get_int_member (object, "version"), ==, 1);
  self->endpoint = dup_member (object, "endpoint");
  headers = json_object_get_object_member (object, "headers");
  self->content_type = dup_member (headers, "Content-Type");
  self->encoding = dup_member (headers, "Content-Encoding");
  g_assert_cmpuint (json_object_get_size (headers), ==, self->encoding != NULL ? 2 : 1);
  body = g_base64_decode (json_object_get_string_member (object, "body_base64"), &len);
  self->body = g_bytes_new_take (body, len);

  return self;
}

void
failed_trace_file_free (FailedTraceFile *self)
{
  g_free (self->endpoint);
  g_free (self->content_type);
  g_free (self->encoding);
  g_bytes_unref (self->body);
  g_free (self);
}

WireTree *
failed_traces_build_tree (const char *dir, const char *server)
{
  g_autoptr (GPtrArray) names = failed_traces_list (dir);
  WireTree *tree = wire_tree_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < names->len; i++)
    {
      g_autoptr (FailedTraceFile) file = failed_trace_file_load (dir, g_ptr_array_index (names, i));
      g_autofree char *path = g_strconcat ("/", file->endpoint, NULL);
      g_autoptr (WireRequest) request = NULL;

      g_assert_null (file->encoding);
      g_assert_false (test_bytes_contain (file->body, TEST_KEY));
      if (server != NULL)
        g_assert_false (test_bytes_contain (file->body, server));
      request =
          wire_request_parse ("POST", path, file->content_type, file->body, WIRE_STRICT, &error);
      g_assert_no_error (error);
      wire_check_request (request, WIRE_STRICT, &error);
      g_assert_no_error (error);
      wire_tree_add_request (tree, request);
    }
  /* nothing is kept twice */
  wire_tree_check (tree, WIRE_TREE_CHECK_POSTS | WIRE_TREE_CHECK_PATCHES, &error);
  g_assert_no_error (error);

  return tree;
}
