/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tools/service/body.h"
#include "tools/service/routes.h"

static const Route *const tables[] = { routes_ingest,   routes_runs,      routes_projects,
                                       routes_feedback, routes_workspace, routes_page };

/* Returns: (transfer full) (nullable): the words that stand for a star */
static char **
match (const char *pattern, const char *path)
{
  g_auto (GStrv) wanted = g_strsplit (pattern, "/", -1);
  g_auto (GStrv) words = g_strsplit (path, "/", -1);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  guint i;

  for (i = 0; wanted[i] != NULL && words[i] != NULL; i++)
    if (strcmp (wanted[i], "*") == 0)
      g_ptr_array_add (found, g_uri_unescape_string (words[i], NULL));
    else if (strcmp (wanted[i], words[i]) != 0)
      return NULL;
  if (wanted[i] != NULL || words[i] != NULL)
    return NULL;
  /* An escape sequence in the word was invalid. */
  for (i = 0; i < found->len; i++)
    if (g_ptr_array_index (found, i) == NULL)
      return NULL;
  g_ptr_array_add (found, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&found), FALSE);
}

const Route *
routes_find (Request *request, const char *method, gboolean *other_method)
{
  *other_method = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    for (const Route *route = tables[i]; route->method != NULL; route++)
      {
        g_auto (GStrv) words = match (route->path, request->path);

        if (words == NULL)
          continue;
        *other_method = TRUE;
        if (strcmp (route->method, method) != 0)
          continue;
        request->words = g_steal_pointer (&words);
        return route;
      }
  return NULL;
}

gboolean
routes_decode (Request *request)
{
  GBytes *body = NULL;

  switch (body_decode (request->encoding, request->body, &body))
    {
    case BODY_DECODED:
      g_bytes_unref (request->body);
      request->body = body;
      return TRUE;
    case BODY_UNKNOWN_ENCODING:
      request_fail (request, 415, "The compression of the body is not known");
      return FALSE;
    case BODY_TOO_LARGE:
      request_fail (request, 413, "The body is too large");
      return FALSE;
    case BODY_MALFORMED:
    default:
      request_fail (request, 400,
                    "The compression of the body is malformed, or the body is too large");
      return FALSE;
    }
}
