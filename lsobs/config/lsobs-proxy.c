/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-environment-private.h"
#include "lsobs/config/lsobs-proxy-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/core/lsobs-privilege-private.h"
#include "lsobs/core/lsobs-secret-private.h"

/* Reads the proxy variables that curl and the official clients read. The resolvers of GIO do not
 * read ALL_PROXY and refuse a proxy without a scheme. A value may contain a password, so no message
 * shows it. */

/* The schemes of a proxy's URL, GIO's names for them, and their default ports. */
static const struct
{
  const char *scheme;
  const char *gio_scheme;
  int port;
} schemes[] = {
  { "http", "http", 80 },         { "https", "https", 443 },     { "socks", "socks5", 1080 },
  { "socks5", "socks5", 1080 },   { "socks5h", "socks5", 1080 }, { "socks4", "socks4", 1080 },
  { "socks4a", "socks4a", 1080 },
};

/* Returns: (transfer full) (nullable): the value without quotes, a secret */
static char *
read_one (const char *name)
{
  return _lsobs_trim_dup (_lsobs_environment_peek_trusted (name));
}

/* Reads a variable by its lower-case name, then by its upper-case name.
 * @name: in lower case
 * @variable: (out) (transfer full) (nullable): the variable that is set
 * Returns: (transfer full) (nullable): its value, a secret */
static char *
read_either (const char *name, char **variable)
{
  g_autofree char *upper = g_ascii_strup (name, -1);
  char *value = read_one (name);

  g_clear_pointer (variable, g_free);
  if (value != NULL)
    {
      *variable = g_strdup (name);
      return value;
    }
  /* In a CGI program, HTTP_PROXY is the header “Proxy” of a request. */
  if (strcmp (name, "http_proxy") == 0 && g_getenv ("REQUEST_METHOD") != NULL)
    return NULL;
  value = read_one (upper);
  if (value != NULL)
    *variable = g_steal_pointer (&upper);
  return value;
}

/* Returns: (transfer full) (nullable): a URL that GIO understands, a secret; NULL if @value is not a
 *   proxy */
static char *
parse_address (const char *value)
{
  const GUriFlags flags = G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_PARSE_RELAXED;
  g_autofree char *stripped = g_strstrip (g_strdup (value));
  g_autofree char *url = strstr (stripped, "://") != NULL ? g_strdup (stripped)
                                                          : g_strconcat ("http://", stripped, NULL);
  g_autoptr (GUri) uri = NULL;
  guint i = 0;

  for (const char *at = url; *at != '\0'; at++)
    if (*at <= 0x20 || *at >= 0x7f)
      return NULL;
  uri = g_uri_parse (url, flags, NULL);
  if (uri == NULL || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0' ||
      g_uri_get_port (uri) == 0 || g_uri_get_query (uri) != NULL ||
      g_uri_get_fragment (uri) != NULL ||
      (*g_uri_get_path (uri) != '\0' && strcmp (g_uri_get_path (uri), "/") != 0))
    return NULL;
  while (i < G_N_ELEMENTS (schemes) && strcmp (schemes[i].scheme, g_uri_get_scheme (uri)) != 0)
    i++;
  if (i == G_N_ELEMENTS (schemes))
    return NULL;
  return g_uri_join_with_user (G_URI_FLAGS_HAS_PASSWORD, schemes[i].gio_scheme,
                               g_uri_get_user (uri), g_uri_get_password (uri), NULL,
                               g_uri_get_host (uri),
                               g_uri_get_port (uri) > 0 ? g_uri_get_port (uri) : schemes[i].port,
                               "", NULL, NULL);
}

/* @range: an address, “/” and the length of the prefix in bits */
static gboolean
is_in_range (const char *range, GInetAddress *address)
{
  const char *slash = strchr (range, '/');
  g_autofree char *text = g_strndup (range, (gsize) (slash - range));
  g_autoptr (GInetAddress) base = g_inet_address_new_from_string (text);
  const guint8 *a, *b;
  guint64 bits;
  gsize n_bytes;

  if (base == NULL || g_inet_address_get_family (base) != g_inet_address_get_family (address) ||
      !g_ascii_string_to_unsigned (slash + 1, 10, 0, 8 * g_inet_address_get_native_size (base),
                                   &bits, NULL))
    return FALSE;
  a = g_inet_address_to_bytes (base);
  b = g_inet_address_to_bytes (address);
  n_bytes = bits / 8;
  return memcmp (a, b, n_bytes) == 0 &&
         (bits % 8 == 0 || (a[n_bytes] ^ b[n_bytes]) >> (8 - bits % 8) == 0);
}

/* Removes a port such as “:443”, and brackets around an address.
 * @entry: (inout)
 * Returns: the port, or -1 */
static int
split_port (char *entry)
{
  char *colon = strrchr (entry, ':');
  char *end = *entry == '[' ? strchr (entry, ']') : NULL;
  guint64 port = 0;
  gboolean has_port = FALSE;

  /* Several colons without brackets are an IPv6 address. */
  if (colon != NULL && (end != NULL ? colon == end + 1 : strchr (entry, ':') == colon))
    has_port = g_ascii_string_to_unsigned (colon + 1, 10, 1, G_MAXUINT16, &port, NULL);
  if (has_port)
    *colon = '\0';
  if (end != NULL)
    {
      /* Other text than a port after the brackets: the entry matches no host. */
      gboolean ends = end[1] == '\0';

      *end = '\0';
      memmove (entry, entry + 1, (gsize) (end - entry));
      if (!ends)
        *entry = '\0';
    }
  return has_port ? (int) port : -1;
}

static void
strip_dot (char *name)
{
  gsize len = strlen (name);

  if (len > 0 && name[len - 1] == '.')
    name[len - 1] = '\0';
}

/* @entry: in lower case; changed
 * @host: in lower case
 * @address: (nullable): @host, if it is an IP address */
static gboolean
entry_matches (char *entry, const char *host, int port, GInetAddress *address)
{
  int entry_port;
  const char *name = entry;

  if (strcmp (entry, "*") == 0)
    return TRUE;
  if (strchr (entry, '/') != NULL)
    return address != NULL && is_in_range (entry, address);
  entry_port = split_port (entry);
  if (entry_port != -1 && entry_port != port)
    return FALSE;
  strip_dot (entry);
  if (address != NULL)
    {
      g_autoptr (GInetAddress) same = g_inet_address_new_from_string (entry);

      return same != NULL && g_inet_address_equal (same, address);
    }
  if (g_str_has_prefix (name, "*."))
    name++;
  if (*name == '.')
    name++;
  if (*name == '\0' || !g_str_has_suffix (host, name))
    return FALSE;
  return strlen (host) == strlen (name) || host[strlen (host) - strlen (name) - 1] == '.';
}

/* Whether requests to a host use no proxy.
 * @list: domains, IP addresses and ranges of addresses, separated by commas or white space; a
 *   domain and an address may have a port; “*” matches every host */
static gboolean
is_exempt (const char *list, const char *host, int port)
{
  g_autofree char *lower_list = g_ascii_strdown (list, -1);
  g_autofree char *lower_host = g_ascii_strdown (host, -1);
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  g_auto (GStrv) entries = g_strsplit_set (lower_list, ", \t\r\n\v\f", -1);

  strip_dot (lower_host);
  for (guint i = 0; entries[i] != NULL; i++)
    if (*entries[i] != '\0' && entry_matches (entries[i], lower_host, port, address))
      return TRUE;
  return FALSE;
}

static gboolean
is_any_set (void)
{
  static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy" };
  gboolean is_set = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *variable = NULL;

      _lsobs_secret_free (read_either (names[i], &variable));
      is_set |= variable != NULL;
    }
  return is_set;
}

/* Chooses the proxy from the current environment.
 * @self: (out)
 * @api_url: of a service on another machine */
void
_lsobs_proxy_choose (LsobsProxy *self, const char *api_url)
{
  g_autoptr (GUri) uri = g_uri_parse (api_url, G_URI_FLAGS_ENCODED, NULL);
  gboolean plain = strcmp (g_uri_get_scheme (uri), "http") == 0;
  int port = g_uri_get_port (uri) > 0 ? g_uri_get_port (uri) : plain ? 80 : 443;
  g_autofree char *variable = NULL;
  g_autofree char *exempt = read_either ("no_proxy", &variable);
  char *value;

  /* The resolvers of the system read the environment, too: they must not decide if a variable is
   * set, or if the program must not trust its environment. */
  self->kind =
      is_any_set () || _lsobs_privilege_is_elevated () ? LSOBS_PROXY_DIRECT : LSOBS_PROXY_SYSTEM;
  self->url = NULL;
  self->variable = NULL;
  if (exempt != NULL && is_exempt (exempt, g_uri_get_host (uri), port))
    {
      self->kind = LSOBS_PROXY_DIRECT;
      return;
    }
  value = read_either (plain ? "http_proxy" : "https_proxy", &self->variable);
  if (value == NULL)
    value = read_either ("all_proxy", &self->variable);
  if (value == NULL)
    return;
  self->url = parse_address (value);
  self->kind = self->url != NULL ? LSOBS_PROXY_URL : LSOBS_PROXY_UNUSABLE;
  _lsobs_secret_free (value);
}

void
_lsobs_proxy_clear (LsobsProxy *self)
{
  _lsobs_secret_free (g_steal_pointer (&self->url));
  g_clear_pointer (&self->variable, g_free);
}

/* Returns: (transfer full): why the proxy is unusable; without its address, a secret */
char *
_lsobs_proxy_dup_problem (const LsobsProxy *self)
{
  /* TRANSLATORS: follows “The service cannot be reached: ”. The text is a variable of the
   * environment, such as https_proxy. */
  return g_strdup_printf (_ ("the proxy in the environment variable %s is not valid; correct it to "
                             "http://host:port or socks5://host:port, or remove it"),
                          self->variable);
}
