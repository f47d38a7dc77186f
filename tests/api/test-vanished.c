/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections whose peer has vanished without a word, as a router leaves them that has forgotten them:
 * what comes on them is dropped, new ones work. The program runs in a network of its own where it may. */

#include "config.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/test-helpers.h"

/* What the library promises is 10 s; without it, each connection takes the time of a request. */
#define LIMIT_MS        100000
#define REQUEST_MS      (10 * LIMIT_MS)
#define USER_TIMEOUT_MS 7000

/* Longer than the kernel waits for an acknowledgement. */
#define SLOW_MS 12000

/* --- sockets ------------------------------------------------------------------------------- */

typedef enum
{
  END_CLIENT,
  END_SERVICE
} End;

static gboolean
has_port (int fd, int (*get) (int fd, struct sockaddr *address, socklen_t *len), guint16 port)
{
  struct sockaddr_in address = { 0 };
  socklen_t len = sizeof address;

  return get (fd, (struct sockaddr *) &address, &len) == 0 && address.sin_family == AF_INET &&
         ntohs (address.sin_port) == port;
}

/* Both ends are in this process. (transfer full) (element-type int): those of the connections
 * to @port */
static GArray *
find_sockets (guint16 port, End end)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (int));
  struct sockaddr_in peer;

  for (int fd = 3; fd < 1024; fd++)
    {
      socklen_t len = sizeof peer;

      if (getpeername (fd, (struct sockaddr *) &peer, &len) == 0 &&
          has_port (fd, end == END_CLIENT ? getpeername : getsockname, port))
        g_array_append_val (found, fd);
    }
  return found;
}

/* From now on, the kernel drops what comes to the service on its connections, and so acknowledges
 * nothing. A new connection is none of these. */
static void
silence (TestServer *server)
{
  g_autoptr (GArray) sockets = find_sockets (test_server_get_port (server), END_SERVICE);
  struct sock_filter drop = BPF_STMT (BPF_RET | BPF_K, 0);
  struct sock_fprog filter = { 1, &drop };

  g_assert_cmpuint (sockets->len, >, 0);
  for (guint i = 0; i < sockets->len; i++)
    g_assert_no_errno (setsockopt (g_array_index (sockets, int, i), SOL_SOCKET, SO_ATTACH_FILTER,
                                   &filter, sizeof filter));
}

static int
get_option (int fd, int level, int name)
{
  int value = -1;
  socklen_t len = sizeof value;

  g_assert_no_errno (getsockopt (fd, level, name, &value, &len));
  return value;
}

/* --- fixture ------------------------------------------------------------------------------- */

typedef enum
{
  KIND_PLAIN,
  KIND_TLS,
  KIND_HTTP2
} Kind;

/* A TLS handshake takes a thread of GLib's pool at each end, and both ends are in this process. */
static guint
get_n_connections (Kind kind)
{
  return kind == KIND_PLAIN ? 4 : 2;
}

static TestServer *
new_tls_server (TestFixture *fixture)
{
  g_autofree char *authority = test_find_certificate ("authority.pem");
  TestServer *server = test_new_tls_server ();

  lsobs_config_set_ca_file (fixture->config, authority);
  return server;
}

static void
use_server (TestFixture *fixture, TestServer *server)
{
  test_fixture_use_server (fixture, server);
  lsobs_config_set_api_url (fixture->config, test_server_get_url (server));
}

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  Kind kind = (Kind) GPOINTER_TO_INT (data);

  test_fixture_set_up (fixture, NULL);
  if (kind != KIND_PLAIN)
    {
      g_autoptr (TestEnv) env = test_env_new ();

      /* libsoup's service looks for it when it begins */
      test_env_set (env, "SOUP_SERVER_HTTP2", kind == KIND_HTTP2 ? "1" : NULL);
      use_server (fixture, new_tls_server (fixture));
    }
  lsobs_config_set_max_batch_size (fixture->config, 1);
  lsobs_config_set_max_in_flight (fixture->config, get_n_connections (kind));
}

/* Leaves as many connections in the pool as requests may be under way.
 * Returns: how many records were delivered */
static guint
fill_pool (TestFixture *fixture, LsobsExporter *exporter, Kind kind)
{
  guint n = get_n_connections (kind);

  test_server_hold (fixture->server);
  test_emit_many (exporter, n);
  g_assert_true (test_server_wait_requests (fixture->server, n, TEST_TIMEOUT_MS));
  test_server_release (fixture->server);
  g_assert_true (test_wait_counter (exporter, LSOBS_COUNTER_DELIVERED, n));
  g_test_message ("%u connections", test_server_count_connections (fixture->server));
  g_assert_cmpuint (test_server_count_connections (fixture->server), >=, n);
  return n;
}

/* Everything arrives, once, long before requests would time out. */
static void
assert_delivered_soon (TestFixture *fixture, LsobsExporter *exporter, guint n_before, guint n)
{
  gint64 start = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  test_emit_many (exporter, n);
  lsobs_exporter_flush (exporter, 2 * LIMIT_MS, NULL, &error);
  g_assert_no_error (error);
  g_test_message ("delivered after %" G_GINT64_FORMAT " ms", test_get_elapsed_ms (start));
  g_assert_cmpint (test_get_elapsed_ms (start), <, LIMIT_MS);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==, n_before + n);
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 0);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_RETRIES), >, 0);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, n_before + n);
}

/* --- what is noticed ----------------------------------------------------------------------- */

static void
test_options (TestFixture *fixture, gconstpointer data)
{
  LsobsExporter *exporter = test_fixture_start (fixture);
  g_autoptr (GArray) sockets = NULL;

  fill_pool (fixture, exporter, (Kind) GPOINTER_TO_INT (data));
  sockets = find_sockets (test_server_get_port (fixture->server), END_CLIENT);
  g_assert_cmpuint (sockets->len, >, 0);
  for (guint i = 0; i < sockets->len; i++)
    {
      int fd = g_array_index (sockets, int, i);

      g_assert_cmpint (get_option (fd, IPPROTO_TCP, TCP_USER_TIMEOUT), ==, USER_TIMEOUT_MS);
      g_assert_cmpint (get_option (fd, SOL_SOCKET, SO_KEEPALIVE), !=, 0);
      g_assert_cmpint (get_option (fd, IPPROTO_TCP, TCP_KEEPIDLE), <, USER_TIMEOUT_MS / 1000);
      g_assert_cmpint (get_option (fd, IPPROTO_TCP, TCP_KEEPINTVL), <, USER_TIMEOUT_MS / 1000);
    }
}

static void
test_pool (TestFixture *fixture, gconstpointer data)
{
  LsobsExporter *exporter;
  guint n;

  lsobs_config_set_request_timeout (fixture->config, REQUEST_MS);
  exporter = test_fixture_start (fixture);
  n = fill_pool (fixture, exporter, (Kind) GPOINTER_TO_INT (data));
  silence (fixture->server);
  assert_delivered_soon (fixture, exporter, n, 2 * n);
}

/* The request has arrived, and the answer never will. */
static void
test_waiting (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;
  gint64 start;

  lsobs_config_set_request_timeout (fixture->config, REQUEST_MS);
  exporter = test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .mode = TEST_ANSWER_HANG });
  test_emit (exporter, "waiting");
  g_assert_true (test_server_wait_requests (fixture->server, 1, TEST_TIMEOUT_MS));
  silence (fixture->server);
  start = g_get_monotonic_time ();
  lsobs_exporter_flush (exporter, 2 * LIMIT_MS, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==, 1);
  g_assert_cmpint (test_get_elapsed_ms (start), <, LIMIT_MS);
  g_assert_cmpuint (test_server_count_ops (fixture->server), ==, 1);
}

/* --- what is slow, and there --------------------------------------------------------------- */

/* A service that is slow to answer has all of its time. */
static void
test_slow_answer (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;
  g_autoptr (GError) error = NULL;

  lsobs_config_set_request_timeout (fixture->config, REQUEST_MS);
  exporter = test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .delay_ms = SLOW_MS });
  test_emit (exporter, "slow");
  lsobs_exporter_flush (exporter, LIMIT_MS, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_REQUESTS), ==, 1);
}

/* A service that reads nothing for a while, and answers the first POST in the end. */
typedef struct
{
  int listener;
  guint16 port;
  GThread *thread; /* (owned) */
  gsize n_read;    /* of the body */
} Reader;

/* Reads a request to its end. Returns: how long its body was */
static gsize
read_request (int fd)
{
  static const char length[] = "Content-Length: ";
  g_autofree char *buffer = g_malloc0 (65536 + 1);
  gsize n_head = 0;
  gsize n_body = 0;
  gsize n_expected = 0;

  while (n_expected == 0 || n_body < n_expected)
    {
      char *place = buffer + (n_expected == 0 ? n_head : 0);
      gssize n = read (fd, place, (gsize) (buffer + 65536 - place));
      char *end;

      g_assert_cmpint (n, >, 0);
      if (n_expected > 0)
        {
          n_body += (gsize) n;
          continue;
        }
      n_head += (gsize) n;
      end = strstr (buffer, "\r\n\r\n");
      if (end == NULL)
        continue;
      n_body = n_head - (gsize) (end + 4 - buffer);
      g_assert_nonnull (strstr (buffer, length));
      n_expected = (gsize) g_ascii_strtoull (strstr (buffer, length) + strlen (length), NULL, 10);
    }
  return n_body;
}

static gpointer
reader_thread (gpointer data)
{
  static const char answer[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n"
                               "Connection: close\r\n\r\n{}";
  Reader *reader = data;
  char method = '\0';
  int fd = -1;

  /* not the question what the service can do */
  while (method != 'P')
    {
      if (fd >= 0)
        close (fd);
      fd = accept (reader->listener, NULL, NULL);
      g_assert_cmpint (fd, >=, 0);
      g_assert_cmpint (recv (fd, &method, 1, MSG_PEEK), ==, 1);
    }
  /* the time that it takes is the subject */
  g_usleep (SLOW_MS * 1000);
  reader->n_read = read_request (fd);
  g_assert_cmpint (write (fd, answer, strlen (answer)), ==, strlen (answer));
  close (fd);
  return NULL;
}

static void
reader_start (Reader *reader)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t len = sizeof address;
  int size = 4096;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  reader->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (setsockopt (reader->listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
  g_assert_no_errno (bind (reader->listener, (struct sockaddr *) &address, sizeof address));
  g_assert_no_errno (listen (reader->listener, 8));
  g_assert_no_errno (getsockname (reader->listener, (struct sockaddr *) &address, &len));
  reader->port = ntohs (address.sin_port);
  reader->thread = g_thread_new ("reader", reader_thread, reader);
}

/* Its kernel acknowledges, and says that there is no room. */
static void
test_slow_reader (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const gsize size = 12 * 1024 * 1024;
  Reader reader = { 0 };
  g_autofree char *url = NULL;
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  reader_start (&reader);
  url = g_strdup_printf ("http://127.0.0.1:%u", reader.port);
  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_max_string_bytes (fixture->config, 2 * size);
  lsobs_config_set_compression (fixture->config, LSOBS_COMPRESSION_NONE);
  lsobs_config_set_request_timeout (fixture->config, REQUEST_MS);
  exporter = test_fixture_start (fixture);
  test_emit_large (exporter, "large", size);
  lsobs_exporter_flush (exporter, LIMIT_MS, NULL, &error);
  g_assert_no_error (error);
  g_thread_join (reader.thread);
  close (reader.listener);
  g_assert_cmpuint (reader.n_read, >, size);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_REQUESTS), ==, 1);
}

/* --- a network that drops packets ---------------------------------------------------------- */

#define OWN_ADDRESS   "10.77.0.1"
#define OTHER_ADDRESS "10.77.0.2"

static gboolean has_own_network;

/* A network whose other end is this program: what is sent to OTHER_ADDRESS comes back to OWN_ADDRESS as
 * if from there. */
typedef struct
{
  int tun;
  guint16 port;      /* of the service */
  GThread *thread;   /* (owned) */
  GMutex lock;       /* guards all below */
  GHashTable *flows; /* (owned) the ports of clients, and whether what they send is dropped */
  guint n_dropped;
  gboolean ends;
} Network;

/* Returns whether the packet, with its addresses exchanged, goes on. */
static gboolean
pass (Network *network, guint8 *packet, gsize len)
{
  gsize head = (gsize) (packet[0] & 0xf) * 4;
  guint8 address[4];
  guint16 from, to;
  gpointer flow;
  gboolean dropped;

  if (len < 40 || packet[0] >> 4 != 4 || packet[9] != IPPROTO_TCP || len < head + 20)
    return FALSE;
  from = (guint16) (packet[head] << 8 | packet[head + 1]);
  to = (guint16) (packet[head + 2] << 8 | packet[head + 3]);
  flow = GUINT_TO_POINTER (from == network->port ? to : from);

  g_mutex_lock (&network->lock);
  dropped = GPOINTER_TO_INT (g_hash_table_lookup (network->flows, flow));
  if (!dropped)
    g_hash_table_insert (network->flows, flow, GINT_TO_POINTER (FALSE));
  network->n_dropped += dropped;
  g_mutex_unlock (&network->lock);

  /* neither checksum notices */
  memcpy (address, packet + 12, 4);
  memcpy (packet + 12, packet + 16, 4);
  memcpy (packet + 16, address, 4);
  return !dropped;
}

static gboolean
network_ends (Network *network)
{
  gboolean ends;

  g_mutex_lock (&network->lock);
  ends = network->ends;
  g_mutex_unlock (&network->lock);
  return ends;
}

static gpointer
network_thread (gpointer data)
{
  Network *network = data;
  guint8 packet[65536];

  while (!network_ends (network))
    {
      GPollFD poll = { network->tun, G_IO_IN, 0 };
      gssize len = g_poll (&poll, 1, 50) > 0 ? read (network->tun, packet, sizeof packet) : 0;

      if (len > 0 && pass (network, packet, (gsize) len))
        g_assert_cmpint (write (network->tun, packet, (gsize) len), ==, len);
    }
  return NULL;
}

/* Every connection there has been is forgotten. */
static void
network_forget (Network *network)
{
  GHashTableIter iter;

  g_mutex_lock (&network->lock);
  g_assert_cmpuint (g_hash_table_size (network->flows), >, 0);
  g_hash_table_iter_init (&iter, network->flows);
  while (g_hash_table_iter_next (&iter, NULL, NULL))
    g_hash_table_iter_replace (&iter, GINT_TO_POINTER (TRUE));
  g_mutex_unlock (&network->lock);
}

static void
set_address (struct ifreq *request, const char *address)
{
  g_autoptr (GInetAddress) parsed = g_inet_address_new_from_string (address);
  struct sockaddr_in *place = (struct sockaddr_in *) (gpointer) &request->ifr_addr;

  place->sin_family = AF_INET;
  memcpy (&place->sin_addr, g_inet_address_to_bytes (parsed), 4);
}

static void
interface_up (const char *name, const char *address)
{
  struct ifreq request = { 0 };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_strlcpy (request.ifr_name, name, IFNAMSIZ);
  if (address != NULL)
    {
      set_address (&request, address);
      g_assert_no_errno (ioctl (fd, SIOCSIFADDR, &request));
      set_address (&request, "255.255.255.0");
      g_assert_no_errno (ioctl (fd, SIOCSIFNETMASK, &request));
    }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  g_assert_no_errno (ioctl (fd, SIOCSIFFLAGS, &request));
  close (fd);
}

/* FALSE where there is no such device, or we may not have one. */
static gboolean
network_open (Network *network)
{
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

  network->tun = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (network->tun < 0)
    return FALSE;
  g_strlcpy (request.ifr_name, "lsobs0", IFNAMSIZ);
  if (ioctl (network->tun, TUNSETIFF, &request) != 0)
    {
      close (network->tun);
      return FALSE;
    }
  interface_up ("lsobs0", OWN_ADDRESS);
  return TRUE;
}

static void
network_start (Network *network, guint16 port)
{
  network->port = port;
  g_mutex_init (&network->lock);
  network->flows = g_hash_table_new (NULL, NULL);
  network->thread = g_thread_new ("network", network_thread, network);
}

static void
network_stop (Network *network)
{
  g_mutex_lock (&network->lock);
  network->ends = TRUE;
  g_mutex_unlock (&network->lock);
  g_thread_join (network->thread);
  close (network->tun);
  g_hash_table_unref (network->flows);
  g_mutex_clear (&network->lock);
}

static void
test_network (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Network network = { 0 };
  g_autofree char *url = NULL;
  LsobsExporter *exporter;
  guint n;

  if (!has_own_network || !network_open (&network))
    {
      g_test_skip ("no network of one's own, or no device in it, is permitted");
      return;
    }
  use_server (fixture, test_server_new_at (OWN_ADDRESS, NULL));
  network_start (&network, test_server_get_port (fixture->server));
  url = g_strdup_printf ("http://" OTHER_ADDRESS ":%u", test_server_get_port (fixture->server));
  lsobs_config_set_api_url (fixture->config, url);
  lsobs_config_set_allow_plain_http (fixture->config, TRUE);
  lsobs_config_set_request_timeout (fixture->config, REQUEST_MS);
  exporter = test_fixture_start (fixture);
  n = fill_pool (fixture, exporter, KIND_PLAIN);
  network_forget (&network);
  assert_delivered_soon (fixture, exporter, n, 2 * n);
  test_fixture_stop (fixture);
  network_stop (&network);
  g_assert_cmpuint (network.n_dropped, >, 0);
}

/* Before there are any threads. */
static gboolean
enter_own_network (void)
{
  if (unshare (CLONE_NEWNET) != 0 && unshare (CLONE_NEWUSER | CLONE_NEWNET) != 0)
    return FALSE;
  interface_up ("lo", NULL);
  return TRUE;
}

static void
add (const char *path, Kind kind, void (*func) (TestFixture *fixture, gconstpointer data))
{
  g_test_add (path, TestFixture, GINT_TO_POINTER (kind), set_up, func, test_fixture_tear_down);
}

int
main (int argc, char **argv)
{
  has_own_network = enter_own_network ();
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  add ("/vanished/options", KIND_PLAIN, test_options);
  add ("/vanished/options-tls", KIND_TLS, test_options);
  add ("/vanished/pool", KIND_PLAIN, test_pool);
  add ("/vanished/pool-tls", KIND_TLS, test_pool);
  add ("/vanished/pool-http2", KIND_HTTP2, test_pool);
  add ("/vanished/network", KIND_PLAIN, test_network);
  add ("/vanished/waiting", KIND_PLAIN, test_waiting);
  add ("/vanished/slow-answer", KIND_PLAIN, test_slow_answer);
  add ("/vanished/slow-reader", KIND_PLAIN, test_slow_reader);

  return g_test_run ();
}
