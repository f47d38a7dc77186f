/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tools/service/access.h"
#include "tools/service/token.h"

struct _Access
{
  char *token;       /* (owned) */
  char *cookie_name; /* (owned) */
  char *cookie;      /* (owned) its value: is computed from the token, and does not reveal it */
  char **names;      /* (owned) (nullable) */
};

Access *
access_new (const char *token, guint port, const char *const *names)
{
  Access *self = g_new0 (Access, 1);

  self->token = g_strdup (token);
  self->cookie_name = g_strdup_printf ("lsobs-%u", port);
  self->cookie = g_compute_hmac_for_string (G_CHECKSUM_SHA256, (const guchar *) token,
                                            strlen (token), "cookie of the page", -1);
  self->names = g_strdupv ((char **) names);
  return self;
}

void
access_free (Access *self)
{
  g_free (self->token);
  g_free (self->cookie_name);
  g_free (self->cookie);
  g_strfreev (self->names);
  g_free (self);
}

char *
access_make_cookie (Access *self)
{
  return g_strdup_printf ("%s=%s; Path=/; HttpOnly; SameSite=Strict", self->cookie_name,
                          self->cookie);
}

/* Returns: (transfer full): the name in "name", "name:port" or "[address]:port" */
static char *
dup_host_name (const char *host)
{
  const char *colon = strrchr (host, ':');
  const char *bracket = strrchr (host, ']');

  if (colon == NULL || (bracket != NULL && bracket > colon))
    return g_ascii_strdown (host, -1);
  if (colon[1 + strspn (colon + 1, "0123456789")] != '\0')
    return g_strdup ("");
  return g_ascii_strdown (host, colon - host);
}

static gboolean
has_name (Access *self, const char *host)
{
  g_autofree char *name = host != NULL ? dup_host_name (host) : NULL;

  if (name == NULL)
    return FALSE;
  if (strcmp (name, "localhost") == 0 || strcmp (name, "127.0.0.1") == 0 ||
      strcmp (name, "[::1]") == 0)
    return TRUE;
  return self->names != NULL && g_strv_contains ((const char *const *) self->names, name);
}

/* Whether the request comes from a page of this service, or from no page. */
static gboolean
is_own_page (const AccessRequest *request)
{
  g_autofree char *own = g_strconcat ("http://", request->host, NULL);

  if (request->origin != NULL && g_ascii_strcasecmp (request->origin, own) != 0)
    return FALSE;
  /* "none": the user has written the address, or opened it from elsewhere than a page. */
  return request->site == NULL || strcmp (request->site, "same-origin") == 0 ||
         strcmp (request->site, "none") == 0;
}

static gboolean
has_cookie (Access *self, const char *header)
{
  g_auto (GStrv) cookies = header != NULL ? g_strsplit (header, ";", -1) : NULL;

  for (guint i = 0; cookies != NULL && cookies[i] != NULL; i++)
    {
      const char *cookie = g_strstrip (cookies[i]);
      gsize len = strlen (self->cookie_name);

      if (strncmp (cookie, self->cookie_name, len) == 0 && cookie[len] == '=' &&
          token_equal (self->cookie, cookie + len + 1))
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_bearer (Access *self, const char *header)
{
  static const char scheme[] = "Bearer ";

  return header != NULL && g_ascii_strncasecmp (header, scheme, strlen (scheme)) == 0 &&
         token_equal (self->token, header + strlen (scheme));
}

AccessResult
access_check (Access *self, const AccessRequest *request)
{
  gboolean is_get = strcmp (request->method, "GET") == 0 || strcmp (request->method, "HEAD") == 0;

  if (!has_name (self, request->host))
    return ACCESS_FOREIGN;
  /* A link of another page, with the token in it, is as good as one that the user has written. */
  if (is_get && request->origin == NULL && request->token != NULL)
    return token_equal (self->token, request->token) ? ACCESS_EXCHANGE : ACCESS_UNKNOWN;
  if (!is_own_page (request))
    return ACCESS_FOREIGN;
  return token_equal (self->token, request->api_key) || has_bearer (self, request->authorization) ||
                 has_cookie (self, request->cookie)
             ? ACCESS_ALLOWED
             : ACCESS_UNKNOWN;
}
