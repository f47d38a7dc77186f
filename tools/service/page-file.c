/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-id-private.h"

#include "tools/service/page-file.h"

#define FOLDER "/org/lsobs/page/"

/* Declares a function of the C source that glib-compile-resources makes. */
G_GNUC_INTERNAL void page_data_register_resource (void);

/* A file has one of these types; a name that ends otherwise is no file of the page. */
static const struct
{
  const char *ending;
  const char *type;
} types[] = {
  { ".html", "text/html; charset=utf-8" },
  { ".css", "text/css; charset=utf-8" },
  { ".js", "text/javascript; charset=utf-8" },
  { ".json", "application/json" },
  { ".svg", "image/svg+xml" },
  { ".png", "image/png" },
};

static const char *
find_type (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_has_suffix (name, types[i].ending))
      return types[i].type;
  return NULL;
}

/* Only such names are looked up: an overlay of the resource is a folder of the file system. */
static gboolean
is_plain (const char *name)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

  return *name != '.' && *name != '\0' && name[strspn (name, letters)] == '\0';
}

static void
register_once (void)
{
  static gsize done = 0;

  if (g_once_init_enter (&done))
    {
      page_data_register_resource ();
      g_once_init_leave (&done, 1);
    }
}

PageFile *
page_file_load (const char *name)
{
  g_autofree char *path = g_strconcat (FOLDER, name, NULL);
  const char *type = find_type (name);
  g_autofree char *sum = NULL;
  GBytes *data;
  PageFile *self;

  if (type == NULL || !is_plain (name))
    return NULL;
  register_once ();
  data = g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  if (data == NULL)
    return NULL;
  self = g_new0 (PageFile, 1);
  self->data = data;
  self->type = type;
  sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, data);
  self->tag = g_strdup_printf ("\"%.32s\"", sum);
  return self;
}

char **
page_file_list (void)
{
  char **names;

  register_once ();
  names = g_resources_enumerate_children (FOLDER, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  return names != NULL ? names : g_new0 (char *, 1);
}

void
page_file_free (PageFile *self)
{
  g_bytes_unref (self->data);
  g_free (self->tag);
  g_free (self);
}

/* --- addresses --- */

gboolean
page_file_is_address (const char *path)
{
  return strcmp (path, "/") == 0 || g_str_has_prefix (path, "/projects/") ||
         g_str_has_prefix (path, "/traces/");
}

/* @id: becomes the UUID at the beginning of @text
 * Returns: (nullable): what follows it, or NULL if it begins otherwise */
static const char *
skip_id (const char *text, char id[LSOBS_UUID_LEN + 1])
{
  LsobsId parsed;

  g_strlcpy (id, text, LSOBS_UUID_LEN + 1);
  return _lsobs_id_parse_text (&parsed, id) ? text + LSOBS_UUID_LEN : NULL;
}

char *
page_file_dup_address (const char *path, const char *trace)
{
  char project[LSOBS_UUID_LEN + 1];
  char run[LSOBS_UUID_LEN + 1];
  char root[LSOBS_UUID_LEN + 1];
  const char *at = g_str_has_prefix (path, "/o/") ? strstr (path, "/projects/p/") : NULL;

  if (at == NULL)
    return NULL;
  at = skip_id (at + strlen ("/projects/p/"), project);
  if (at == NULL)
    return NULL;
  if (!g_str_has_prefix (at, "/r/") || skip_id (at + strlen ("/r/"), run) == NULL)
    return g_strdup_printf ("/projects/%s", project);
  /* If the address names no trace, the page asks for the trace of the run. */
  if (trace == NULL || skip_id (trace, root) == NULL)
    return g_strdup_printf ("/traces/%s?run=%s", run, run);
  return g_strdup_printf ("/traces/%s?run=%s", root, run);
}
