/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The addresses that a service is connected to, before and while its observer leaves. */

#include "config.h"

#include "lsobs/http/lsobs-service-address-private.h"
#include "tests/lib/resolver-helpers.h"
#include "tests/lib/test-helpers.h"

static void
next_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  GSocketAddress **address = user_data;
  g_autoptr (GError) error = NULL;

  *address = g_socket_address_enumerator_next_finish (G_SOCKET_ADDRESS_ENUMERATOR (object), result,
                                                      &error);
  g_assert_no_error (error);
  g_assert_nonnull (*address);
}

static GInetSocketAddress *
get_first_address (GSocketConnectable *connectable)
{
  g_autoptr (GSocketAddressEnumerator) enumerator = g_socket_connectable_enumerate (connectable);
  GSocketAddress *address = NULL;

  g_socket_address_enumerator_next_async (enumerator, NULL, next_cb, &address);
  while (address == NULL)
    g_main_context_iteration (NULL, TRUE);
  return G_INET_SOCKET_ADDRESS (address);
}

typedef struct
{
  const char *name;
  const char *url;
  const char *host;
  guint16 port;
  guint32 scope_id; /* 1 is the loopback interface */
} NumericRow;

static const NumericRow numeric_rows[] = {
  { "ipv4", "http://127.0.0.1:1984", "127.0.0.1", 1984, 0 },
  { "ipv6", "https://[fd00::5]/api", "fd00::5", 443, 0 },
  { "scope", "http://[fe80::1%25lo]:1984", "fe80::1", 1984, 1 },
};

static void
assert_address (const NumericRow *row, GSocketConnectable *connectable)
{
  g_autoptr (GInetSocketAddress) address = get_first_address (connectable);
  g_autofree char *host = g_inet_address_to_string (g_inet_socket_address_get_address (address));

  g_assert_cmpstr (host, ==, row->host);
  g_assert_cmpuint (g_inet_socket_address_get_port (address), ==, row->port);
  if (g_socket_address_get_family (G_SOCKET_ADDRESS (address)) == G_SOCKET_FAMILY_IPV6)
    g_assert_cmpuint (g_inet_socket_address_get_scope_id (address), ==, row->scope_id);
}

/* An address is no name: it is used as it is, with no look-up. */
static void
test_numeric (gconstpointer data)
{
  const NumericRow *row = data;
  TestResolver *resolver = test_resolver_install ();
  g_autoptr (GSocketConnectable) connectable = _lsobs_service_address_new (row->url);

  assert_address (row, connectable);
  _lsobs_service_address_leave (connectable);
  assert_address (row, connectable);
  g_assert_cmpuint (test_resolver_get_n_lookups (resolver), ==, 0);
  test_resolver_uninstall (resolver);
}

/* A name is looked up for each connection, and once for all observers that leave. */
static void
test_name (void)
{
  TestResolver *resolver = test_resolver_install ();

  test_resolver_answer (resolver);
  for (guint i = 0; i < 6; i++)
    {
      g_autoptr (GSocketConnectable) connectable =
          _lsobs_service_address_new ("http://service.example:1984");
      g_autoptr (GInetSocketAddress) address = NULL;

      if (i >= 2)
        _lsobs_service_address_leave (connectable);
      address = get_first_address (connectable);
      g_assert_cmpuint (g_inet_socket_address_get_port (address), ==, 1984);
      g_assert_cmpuint (test_resolver_get_n_lookups (resolver), ==, MIN (i + 1, 3));
    }
  test_resolver_uninstall (resolver);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (numeric_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/service-address/", numeric_rows[i].name, NULL);

      g_test_add_data_func (path, &numeric_rows[i], test_numeric);
    }
  g_test_add_func ("/service-address/name", test_name);
  return g_test_run ();
}
