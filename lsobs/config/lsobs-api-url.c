/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-api-url-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/core/lsobs-secret-private.h"
#include "lsobs/lsobs-error.h"

static gboolean
is_loopback (const char *host)
{
  g_autoptr (GInetAddress) address = NULL;

  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return TRUE;
  address = g_inet_address_new_from_string (host);
  return address != NULL && g_inet_address_get_is_loopback (address);
}

/* Converts a host name with non-ASCII letters to its ASCII form.
 * @url: (nullable) (transfer full)
 * Returns: (transfer full) (nullable): @url itself if there is nothing to convert */
static char *
take_ascii_host (char *url)
{
  g_autofree char *given = url;
  const char *host = given != NULL ? strstr (given, "://") : NULL;
  g_autofree char *name = NULL;
  g_autofree char *ascii = NULL;
  g_autofree char *start = NULL;
  gsize len;

  if (host == NULL || g_str_is_ascii (given) || !g_utf8_validate (given, -1, NULL))
    return g_steal_pointer (&given);
  host += strlen ("://");
  len = strcspn (host, ":/?#@");
  name = g_strndup (host, len);
  ascii = host[len] != '@' ? g_hostname_to_ascii (name) : NULL;
  if (ascii == NULL)
    return g_steal_pointer (&given);
  start = g_strndup (given, (gsize) (host - given));
  return g_strconcat (start, ascii, host + len, NULL);
}

/* Finds out why a URL cannot be used.
 * @url: (nullable): without slashes at its end
 * @uri: (nullable): @url, parsed
 * Returns: (nullable): the problem, or NULL */
static const char *
find_problem (const char *url, GUri *uri, gboolean allow_plain_http)
{
  if (url == NULL || *url == '\0')
    /* TRANSLATORS: “it” is an API URL. */
    return _ ("it is empty");
  if (uri == NULL)
    /* TRANSLATORS: “it” is an API URL. */
    return _ ("it is not a URL");
  if (strcmp (g_uri_get_scheme (uri), "https") != 0 && strcmp (g_uri_get_scheme (uri), "http") != 0)
    /* TRANSLATORS: “it” is an API URL. */
    return _ ("it must begin with https://, or on this machine with http://");
  if (g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0')
    /* TRANSLATORS: “it” is an API URL. */
    return _ ("it has no host");
  if (g_uri_get_userinfo (uri) != NULL)
    /* TRANSLATORS: “it” is an API URL. */
    return _ ("it must not hold a user name or a password");
  if (g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL)
    /* TRANSLATORS: “it” is an API URL. */
    return _ ("it must not hold a query or a fragment");
  if (strcmp (g_uri_get_scheme (uri), "http") == 0 && !allow_plain_http &&
      !is_loopback (g_uri_get_host (uri)))
    /* TRANSLATORS: “it” is an API URL. */
    return _ (
        "plain http would show the API key to anyone on the network; use https, or allow plain http (the property allow-plain-http, or the environment variable LANGSMITH_ALLOW_PLAIN_HTTP=true)");
  return NULL;
}

/* @given: (nullable): as the user wrote it
 * @loopback: (out) (optional): whether the URL names this machine
 * Returns: (transfer full): the URL without slashes at its end, or NULL with an error */
char *
_lsobs_api_url_parse (const char *given,
                      gboolean allow_plain_http,
                      gboolean *loopback,
                      GError **error)
{
  g_autofree char *url = take_ascii_host (_lsobs_trim_dup (given));
  g_autoptr (GUri) uri = NULL;
  const char *problem;

  while (url != NULL && g_str_has_suffix (url, "/"))
    url[strlen (url) - 1] = '\0';
  if (url != NULL && _lsobs_secret_fits_header (url))
    uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  problem = find_problem (url, uri, allow_plain_http);
  if (problem != NULL)
    {
      /* Without the text itself: users paste keys into the wrong field. */
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, _ ("Invalid API URL: %s"),
                   problem);
      return NULL;
    }
  if (loopback != NULL)
    *loopback = is_loopback (g_uri_get_host (uri));
  return g_steal_pointer (&url);
}

/* Brings a host name into the form that is compared: lower case, no dot at the end, an IP address
 * in its usual form.
 * Returns: (transfer full) */
static char *
normalize_host (const char *host)
{
  g_autofree char *ascii = g_hostname_to_ascii (host);
  g_autofree char *lower = g_ascii_strdown (ascii != NULL ? ascii : host, -1);
  g_autoptr (GInetAddress) address = NULL;
  gsize len = strlen (lower);

  if (len > 1 && lower[len - 1] == '.')
    lower[len - 1] = '\0';
  address = g_inet_address_new_from_string (lower);
  return address != NULL ? g_inet_address_to_string (address) : g_steal_pointer (&lower);
}

/* @url: (nullable)
 * Returns: (transfer full) (nullable): its host and its port, -1 for the default port of the
 *   scheme; NULL if @url is not a URL */
static char *
dup_server (const char *url)
{
  g_autofree char *trimmed = _lsobs_trim_dup (url);
  g_autoptr (GUri) uri = NULL;
  g_autofree char *host = NULL;
  int port;

  if (trimmed != NULL)
    uri = g_uri_parse (trimmed, G_URI_FLAGS_NONE, NULL);
  if (uri == NULL || g_uri_get_host (uri) == NULL)
    return NULL;
  host = normalize_host (g_uri_get_host (uri));
  port = g_uri_get_port (uri);
  if ((port == 443 && strcmp (g_uri_get_scheme (uri), "https") == 0) ||
      (port == 80 && strcmp (g_uri_get_scheme (uri), "http") == 0))
    port = -1;
  return g_strdup_printf ("%s %d", host, port);
}

/* Whether both URLs name the same host and port. A text that is not a URL names no server.
 * @url: (nullable)
 * @other: (nullable) */
gboolean
_lsobs_api_url_same_server (const char *url, const char *other)
{
  g_autofree char *server = dup_server (url);
  g_autofree char *other_server = dup_server (other);

  return server != NULL && other_server != NULL && strcmp (server, other_server) == 0;
}

/* @path: (transfer none)
 * Returns: (transfer full) (nullable): @path without the part that leads to the API; NULL if it has
 *   none */
static char *
strip_api_path (const char *path)
{
  static const char *const suffixes[] = { "/api/v1", "/api" };

  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if (g_str_has_suffix (path, suffixes[i]))
      return g_strndup (path, strlen (path) - strlen (suffixes[i]));
  return NULL;
}

/* @host: such as api.smith.langchain.com, or eu.api.smith.langchain.com
 * Returns: (transfer full): without the label "api", if it is a host of the hosted service */
static char *
strip_api_label (const char *host)
{
  const char *label = strstr (host, ".api.");

  if (!g_str_has_suffix (host, ".smith.langchain.com"))
    return g_strdup (host);
  if (g_str_has_prefix (host, "api."))
    return g_strdup (host + strlen ("api."));
  if (label == NULL)
    return g_strdup (host);
  return g_strdup_printf ("%.*s%s", (int) (label - host), host, label + strlen (".api"));
}

/* Finds the address that people use in a browser. A server of one's own has it beside the API, below
 * /api; the hosted service at another host.
 * @url: from _lsobs_api_url_parse()
 * Returns: (transfer full): without a slash at the end */
char *
_lsobs_api_url_dup_web (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  g_autofree char *path = strip_api_path (g_uri_get_path (uri));
  g_autofree char *host =
      path != NULL ? g_strdup (g_uri_get_host (uri)) : strip_api_label (g_uri_get_host (uri));

  return g_uri_join (G_URI_FLAGS_ENCODED, g_uri_get_scheme (uri), NULL, host, g_uri_get_port (uri),
                     path != NULL ? path : g_uri_get_path (uri), NULL, NULL);
}
