/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may ask the service, and what hostile requests get. */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "lsobs/text/lsobs-compressor-private.h"

#include "tests/lib/test-utils.h"
#include "tests/tools/serve-helpers.h"
#include "tools/service/access.h"
#include "tools/service/token.h"

#define RUN "01900000-0000-7000-8000-000000000001"

#define KEY  "x-api-key: @T\r\n"
#define HOST "Host: @H\r\nConnection: close\r\n"

/* --- the rules ----------------------------------------------------------------------------- */

#define TOKEN "lsobs_0123456789abcdef"

typedef struct
{
  const char *name;
  AccessRequest request;
  AccessResult result;
} RuleRow;

static const RuleRow rules[] = {
  { "key", { "POST", "localhost:1", .api_key = TOKEN }, ACCESS_ALLOWED },
  { "key-v6", { "POST", "[::1]:1", .api_key = TOKEN }, ACCESS_ALLOWED },
  { "key-no-port", { "POST", "127.0.0.1", .api_key = TOKEN }, ACCESS_ALLOWED },
  { "name", { "POST", "Desk.example:80", .api_key = TOKEN }, ACCESS_ALLOWED },
  { "bearer", { "GET", "localhost", .authorization = "bearer " TOKEN }, ACCESS_ALLOWED },
  { "own-origin",
    { "POST", "localhost:1", .origin = "http://localhost:1", .api_key = TOKEN },
    ACCESS_ALLOWED },
  { "own-site", { "GET", "localhost:1", .site = "same-origin", .api_key = TOKEN }, ACCESS_ALLOWED },
  { "exchange", { "GET", "localhost:1", .token = TOKEN }, ACCESS_EXCHANGE },
  { "exchange-from-link",
    { "GET", "localhost:1", .site = "cross-site", .token = TOKEN },
    ACCESS_EXCHANGE },
  { "nothing", { "GET", "localhost:1" }, ACCESS_UNKNOWN },
  { "empty", { "GET", "localhost:1", .api_key = "", .authorization = "Bearer " }, ACCESS_UNKNOWN },
  { "beginning", { "GET", "localhost:1", .api_key = "lsobs_0123456789abcde" }, ACCESS_UNKNOWN },
  { "longer", { "GET", "localhost:1", .api_key = TOKEN "0" }, ACCESS_UNKNOWN },
  { "basic", { "GET", "localhost:1", .authorization = "Basic " TOKEN }, ACCESS_UNKNOWN },
  { "token-as-cookie", { "GET", "localhost:1", .cookie = "lsobs-1=" TOKEN }, ACCESS_UNKNOWN },
  { "wrong-exchange", { "GET", "localhost:1", .token = "x" }, ACCESS_UNKNOWN },
  { "no-host", { "GET", NULL, .api_key = TOKEN }, ACCESS_FOREIGN },
  { "other-host", { "GET", "evil.example", .api_key = TOKEN }, ACCESS_FOREIGN },
  { "host-begins", { "GET", "127.0.0.1.evil.example", .api_key = TOKEN }, ACCESS_FOREIGN },
  { "host-ends", { "GET", "evil-localhost", .api_key = TOKEN }, ACCESS_FOREIGN },
  { "host-port", { "GET", "localhost:1x", .api_key = TOKEN }, ACCESS_FOREIGN },
  { "exchange-at-other-host", { "GET", "evil.example", .token = TOKEN }, ACCESS_FOREIGN },
  { "other-origin",
    { "POST", "localhost:1", .origin = "http://evil.example", .api_key = TOKEN },
    ACCESS_FOREIGN },
  { "other-port",
    { "POST", "localhost:1", .origin = "http://localhost:2", .api_key = TOKEN },
    ACCESS_FOREIGN },
  { "null-origin", { "POST", "localhost:1", .origin = "null", .api_key = TOKEN }, ACCESS_FOREIGN },
  { "same-site", { "GET", "localhost:1", .site = "same-site", .api_key = TOKEN }, ACCESS_FOREIGN },
};

static void
test_rule (gconstpointer data)
{
  static const char *const names[] = { "desk.example", NULL };
  const RuleRow *row = data;
  g_autoptr (Access) access = access_new (TOKEN, 1, names);

  g_assert_cmpint (access_check (access, &row->request), ==, row->result);
}

/* The cookie is good for its service, and does not tell the token. */
static void
test_cookie (void)
{
  g_autoptr (Access) access = access_new (TOKEN, 1, NULL);
  g_autoptr (Access) other = access_new (TOKEN "0", 1, NULL);
  g_autofree char *cookie = access_make_cookie (access);
  g_autofree char *pair = g_strndup (cookie, strcspn (cookie, ";"));
  g_autofree char *header = g_strconcat ("a=b; ", pair, NULL);
  const AccessRequest request = { "POST", "localhost:1", .cookie = header };

  g_assert_null (strstr (cookie, TOKEN));
  g_assert_nonnull (strstr (cookie, "HttpOnly"));
  g_assert_nonnull (strstr (cookie, "SameSite=Strict"));
  g_assert_cmpint (access_check (access, &request), ==, ACCESS_ALLOWED);
  g_assert_cmpint (access_check (other, &request), ==, ACCESS_UNKNOWN);
}

static void
test_token (void)
{
  g_autofree char *folder = g_dir_make_tmp ("lsobs-token-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "a", "token", NULL);
  g_autofree char *token = token_load (path, NULL);
  g_autofree char *again = token_load (path, NULL);
  g_autoptr (GError) error = NULL;
  struct stat info;

  g_assert_nonnull (token);
  g_assert_true (token_is_valid (token));
  g_assert_cmpuint (strlen (token), ==, strlen ("lsobs_") + 32);
  g_assert_cmpstr (token, ==, again);
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
  g_assert_cmpint (g_chmod (path, 0640), ==, 0);
  g_assert_null (token_load (path, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
  test_remove_folder (folder);
}

/* --- requests ------------------------------------------------------------------------------ */

typedef struct
{
  const char *name;
  const char *request;
  guint status; /* 0: the connection is closed without an answer, or any 4xx */
} HostileRow;

static const HostileRow hostile[] = {
  { "no-token", "GET /info HTTP/1.1\r\n" HOST "\r\n", 401 },
  { "wrong-token", "GET /info HTTP/1.1\r\n" HOST "x-api-key: lsv2_pt_0123456789\r\n\r\n", 401 },
  { "two-tokens", "GET /info HTTP/1.1\r\n" HOST "x-api-key: @T\r\nx-api-key: x\r\n\r\n", 401 },
  { "two-hosts", "GET /info HTTP/1.1\r\nHost: evil.example\r\n" HOST KEY "\r\n", 0 },
  { "two-origins",
    "GET /info HTTP/1.1\r\n" HOST KEY "Origin: http://evil.example\r\nOrigin: http://@H\r\n\r\n",
    403 },
  { "token-in-post", "POST /runs?token=@T HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 401 },
  { "token-exchanged", "GET /runs/x?token=@T&a=b HTTP/1.1\r\n" HOST "\r\n", 303 },
  { "wrong-exchange", "GET /?token=x HTTP/1.1\r\n" HOST "\r\n", 401 },
  { "other-host", "GET /info HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n" KEY "\r\n",
    403 },
  { "no-host", "GET /info HTTP/1.0\r\n" KEY "\r\n", 0 },
  { "other-origin",
    "POST /runs HTTP/1.1\r\n" HOST KEY "Origin: http://evil.example\r\nContent-Length: 2\r\n\r\n{}",
    403 },
  { "null-origin", "POST /runs HTTP/1.1\r\n" HOST KEY "Origin: null\r\nContent-Length: 2\r\n\r\n{}",
    403 },
  { "other-port", "GET /info HTTP/1.1\r\n" HOST KEY "Origin: http://127.0.0.1:1\r\n\r\n", 403 },
  { "own-origin", "GET /info HTTP/1.1\r\n" HOST KEY "Origin: http://@H\r\n\r\n", 200 },
  { "cross-site", "GET /info HTTP/1.1\r\n" HOST KEY "Sec-Fetch-Site: cross-site\r\n\r\n", 403 },
  { "preflight",
    "OPTIONS /runs HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n"
    "Access-Control-Request-Method: POST\r\n\r\n",
    403 },
  { "no-http", "\x16\x03\x01\x02", 0 },
  { "two-lengths",
    "POST /runs HTTP/1.1\r\n" HOST KEY "Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}", 0 },
  { "length-and-chunks",
    "POST /runs HTTP/1.1\r\n" HOST KEY
    "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    0 },
  { "bad-chunk", "POST /runs HTTP/1.1\r\n" HOST KEY "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 0 },
  { "endless-length",
    "POST /runs HTTP/1.1\r\n" HOST KEY
    "Expect: 100-continue\r\nContent-Length: 99999999999999\r\n\r\n",
    413 },
  { "cut-short", "POST /runs HTTP/1.1\r\n" HOST KEY "Content-Length: 100\r\n\r\n{", 0 },
  { "up", "GET /runs/../../etc/passwd HTTP/1.1\r\n" HOST KEY "\r\n", 0 },
  { "up-escaped", "GET /runs/..%2f..%2fetc%2fpasswd HTTP/1.1\r\n" HOST KEY "\r\n", 400 },
  { "zero", "GET /runs/%00 HTTP/1.1\r\n" HOST KEY "\r\n", 0 },
  { "no-text", "GET /runs/%ff%fe HTTP/1.1\r\n" HOST KEY "\r\n", 0 },
  { "trace", "TRACE /runs HTTP/1.1\r\n" HOST KEY "\r\n", 405 },
  { "connect", "CONNECT evil.example:443 HTTP/1.1\r\n" HOST KEY "\r\n", 0 },
  { "head", "HEAD /info HTTP/1.1\r\n" HOST KEY "\r\n", 405 },
  { "preflight-own",
    "OPTIONS /runs HTTP/1.1\r\n" HOST KEY "Origin: http://@H\r\n"
    "Access-Control-Request-Method: POST\r\n\r\n",
    405 },
  { "http-1.0", "GET /info HTTP/1.0\r\n" HOST KEY "\r\n", 200 },
  { "cookie-of-other-port", "GET /info HTTP/1.1\r\n" HOST "Cookie: lsobs-1=@T\r\n\r\n", 401 },
  { "token-in-referer", "GET /info HTTP/1.1\r\n" HOST "Referer: http://@H/?token=@T\r\n\r\n", 401 },
  { "pipelined", "GET /admin HTTP/1.1\r\nHost: @H\r\n" KEY "\r\nGET /info HTTP/1.1\r\n" HOST "\r\n",
    404 },
  { "rebound",
    "GET /?token=@T HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nConnection: close\r\n\r\n", 403 },
  { "absolute", "GET http://evil.example/info HTTP/1.1\r\n" HOST KEY "\r\n", 403 },
  { "huge-number", "POST /runs HTTP/1.1\r\n" HOST KEY "Content-Length: 11\r\n\r\n{\"id\":1e999}",
    422 },
  { "twice-the-same",
    "POST /runs/query HTTP/1.1\r\n" HOST KEY "Content-Length: 22\r\n\r\n{\"limit\":1,\"limit\":-1}",
    400 },
  { "unknown-path", "GET /admin HTTP/1.1\r\n" HOST KEY "\r\n", 404 },
  { "unknown-encoding",
    "POST /runs HTTP/1.1\r\n" HOST KEY "Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", 415 },
  { "no-gzip",
    "POST /runs HTTP/1.1\r\n" HOST KEY "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    400 },
  { "no-boundary",
    "POST /runs/multipart HTTP/1.1\r\n" HOST KEY
    "Content-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\n{}",
    400 },
  { "no-end",
    "POST /runs/multipart HTTP/1.1\r\n" HOST KEY
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 7\r\n\r\n--b\r\n\r\n",
    400 },
  { "no-json", "POST /runs HTTP/1.1\r\n" HOST KEY "Content-Length: 2\r\n\r\n[[", 422 },
  { "sql-in-filter",
    "POST /runs/query HTTP/1.1\r\n" HOST KEY
    "Content-Length: 46\r\n\r\n{\"filter\":\"eq(name, 'x'); DROP TABLE runs;\"  }",
    400 },
  { "sql-in-name", "GET /sessions?name=x'%3BDROP%20TABLE%20runs HTTP/1.1\r\n" HOST KEY "\r\n",
    200 },
  { "sql-in-cursor",
    "POST /runs/query HTTP/1.1\r\n" HOST KEY "Content-Length: 21\r\n\r\n{\"cursor\":\"1-1 OR 1\"}",
    400 },
};

static guint
read_status (const char *answer)
{
  return g_str_has_prefix (answer, "HTTP/1.") ? (guint) g_ascii_strtoull (answer + 9, NULL, 10) : 0;
}

/* After each of them, the service answers its user. */
static void
test_hostile (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++)
    {
      g_autofree char *answer = serve_send_raw (fixture, hostile[i].request);
      guint status = read_status (answer);

      if (hostile[i].status != 0 ? status != hostile[i].status
                                 : status != 0 && (status < 400 || status > 499))
        g_error ("%s: %s", hostile[i].name, answer);
      /* Only the exchange gives a cookie, and nothing is allowed to other pages. */
      g_assert_true ((strstr (answer, "Set-Cookie") != NULL) == (hostile[i].status == 303));
      g_assert_null (strstr (answer, "Access-Control"));
      g_assert_null (strstr (answer, fixture->token));
      json_node_unref (serve_ask (fixture, "GET", "/info", NULL, 200));
    }
  g_test_message ("%u hostile requests", (guint) G_N_ELEMENTS (hostile));
  json_node_unref (serve_ask (fixture, "POST", "/runs/query", "{}", 200));
}

/* Returns: the most memory, in MiB, that the service has had */
static guint
get_memory_peak (ServeFixture *fixture)
{
  g_autofree char *path =
      g_strdup_printf ("/proc/%s/status", g_subprocess_get_identifier (fixture->process));
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  line = strstr (text, "VmHWM:");
  g_assert_nonnull (line);
  return (guint) (g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) / 1024);
}

static void
assert_memory_below (ServeFixture *fixture, guint mib)
{
/* A sanitizer keeps what was freed. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  g_assert_cmpuint (get_memory_peak (fixture), <, mib);
#endif
  g_test_message ("%u MiB of memory, %u are allowed", get_memory_peak (fixture), mib);
}

/* Few bytes that become many: 200 MiB at once, and 32 GiB, as compressed data may follow each other. */
static void
test_bomb (ServeFixture *fixture, gconstpointer data)
{
  LsobsCompression kind = (LsobsCompression) GPOINTER_TO_INT (data);
  const char *name = _lsobs_compression_get_name (kind);
  gsize size = 200 * 1024 * 1024;
  g_autoptr (GBytes) zeros = g_bytes_new_take (g_malloc0 (size), size);
  g_autoptr (GBytes) part = g_bytes_new_from_bytes (zeros, 0, size / 200 * 32);
  g_autoptr (GBytes) bomb = NULL;
  g_autoptr (GBytes) piece = NULL;
  g_autoptr (GBytes) long_bomb = NULL;
  g_autoptr (GByteArray) pieces = g_byte_array_new ();
  LsobsCompressor *compressor;

  if (!_lsobs_compression_is_built_in (kind))
    {
      g_test_skip ("built without this compression");
      return;
    }
  compressor = _lsobs_compressor_new (kind, 9);
  g_assert_true (_lsobs_compressor_run (compressor, zeros, &bomb));
  g_assert_true (_lsobs_compressor_run (compressor, part, &piece));
  _lsobs_compressor_free (compressor);
  for (guint i = 0; i < 1000; i++)
    g_byte_array_append (pieces, g_bytes_get_data (piece, NULL), (guint) g_bytes_get_size (piece));
  long_bomb = g_byte_array_free_to_bytes (g_steal_pointer (&pieces));

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < 2; i++)
    {
      /* announced, and not */
      const char *encoding = i == 0 ? name : NULL;

      g_assert_cmpuint (serve_send (fixture, "POST", "/runs", "application/json", encoding, bomb,
                                    NULL),
                        ==, 400);
      g_assert_cmpuint (serve_send (fixture, "POST", "/runs/multipart",
                                    "multipart/form-data; boundary=b", encoding, long_bomb, NULL),
                        ==, 400);
    }
  assert_memory_below (fixture, 512);
  json_node_unref (serve_ask (fixture, "GET", "/info", NULL, 200));
}

#define MANY_PARTS 99999

/* As many parts as are taken, and more: of many runs, of one run, and without a name. */
static void
test_many_parts (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *name; /* with the number of the part */
    const char *value;
    guint n;
    guint status;
  } rows[] = {
    { "post.01900000-0000-7000-8000-%012u", "{}", MANY_PARTS, 202 },
    { "post." RUN, "{\"id\":\"" RUN "\"}", MANY_PARTS, 202 },
    { "attachment." RUN ".a", "x", MANY_PARTS, 202 },
    { "", "", MANY_PARTS, 422 },
    { "", "", MANY_PARTS + 1, 400 },
  };

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      g_autoptr (GBytes) body = NULL;
      g_autofree char *answer = NULL;
      gint64 start = g_get_monotonic_time ();
      guint status;

      for (guint j = 0; j < rows[i].n; j++)
        {
          const char *number = strchr (rows[i].name, '%');

          g_string_append (text, "--b\r\nContent-Disposition: form-data; name=\"");
          g_string_append_len (text, rows[i].name,
                               number != NULL ? number - rows[i].name
                                              : (gssize) strlen (rows[i].name));
          if (number != NULL)
            g_string_append_printf (text, "%012u", j);
          g_string_append_printf (text, "\"\r\nContent-Type: text/plain\r\n\r\n%s\r\n",
                                  rows[i].value);
        }
      g_string_append (text, "--b--\r\n");
      body = g_bytes_new (text->str, text->len);
      status = serve_send (fixture, "POST", "/runs/multipart", "multipart/form-data; boundary=b",
                           NULL, body, &answer);
      g_test_message ("row %u: %u in %.1f s, an answer of %u bytes, %u MiB", i, status,
                      (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC,
                      (guint) strlen (answer), get_memory_peak (fixture));
      g_assert_cmpuint (status, ==, rows[i].status);
    }
  assert_memory_below (fixture, 256);
}

static GSocketConnection *
connect_to (ServeFixture *fixture)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection;

  g_socket_client_set_timeout (client, TEST_TIMEOUT_MS / 1000);
  connection =
      g_socket_client_connect_to_host (client, fixture->url + strlen ("http://"), 0, NULL, &error);
  g_assert_no_error (error);
  return connection;
}

static gboolean
send_text (GSocketConnection *connection, const char *text)
{
  return g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), text,
                                    strlen (text), NULL, NULL, NULL);
}

/* Asks for something that has no body, and stays connected. */
static void
ask_and_stay (ServeFixture *fixture, GSocketConnection *connection)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  g_autofree char *text = g_strdup_printf ("GET /page/none HTTP/1.1\r\nHost: %s\r\n"
                                           "x-api-key: %s\r\n\r\n",
                                           fixture->url + strlen ("http://"), fixture->token);
  g_autoptr (GString) answer = g_string_new (NULL);
  gboolean whole = FALSE;

  g_assert_true (send_text (connection, text));
  /* The answer is JSON without a line end. */
  while (!whole)
    {
      char byte;

      g_assert_cmpint (g_input_stream_read (input, &byte, 1, NULL, NULL), ==, 1);
      g_string_append_c (answer, byte);
      whole = byte == '}' && strstr (answer->str, "\r\n\r\n{") != NULL;
    }
  g_assert_true (g_str_has_prefix (answer->str, "HTTP/1.1 404 "));
}

/* Whether a connection lasts for several requests: before libsoup 3.3, the service ends it. */
static gboolean
connections_stay (void)
{
  return soup_check_version (3, 3, 0);
}

#define N_ENDED 150

/* Clients that close their connections after an answer leave nothing open, so that others are heard. */
static void
test_ended (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  serve_start (fixture, "ulimit -n 64;", NULL);
  for (guint i = 0; i < N_ENDED; i++)
    {
      g_autoptr (GSocketConnection) connection = connect_to (fixture);

      ask_and_stay (fixture, connection);
    }
}

#define N_SLOW 150

/* Many connections without the token that send a byte now and then do not keep others off, neither new ones
 * nor one that has shown the token. */
static void
test_slow (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char beginning[] = "GET /info HTTP/1.1\r\nx: ";
  g_autoptr (GPtrArray) slow = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GSocketConnection) known = NULL;
  guint n_left = 0;

  /* With fewer files than there are connections. */
  serve_start (fixture, "ulimit -n 64;", NULL);
  known = connect_to (fixture);
  ask_and_stay (fixture, known);
  for (guint i = 0; i < N_SLOW; i++)
    {
      /* Half of them say nothing at all. */
      g_ptr_array_add (slow, connect_to (fixture));
      for (guint j = 0; j <= i; j += 2)
        {
          const char byte[] = { beginning[MIN ((i - j) / 2, sizeof beginning - 2)], '\0' };

          send_text (g_ptr_array_index (slow, j), byte);
        }
      if (i % 25 == 24)
        {
          g_autofree char *answer =
              serve_send_raw (fixture, "GET /info HTTP/1.1\r\n" HOST KEY "\r\n");

          g_assert_cmpuint (read_status (answer), ==, 200);
        }
    }
  if (connections_stay ())
    ask_and_stay (fixture, known);
  json_node_unref (serve_ask (fixture, "GET", "/info", NULL, 200));
  /* The oldest ones were closed. */
  for (guint i = 0; i < N_SLOW; i++)
    {
      GSocket *socket = g_socket_connection_get_socket (g_ptr_array_index (slow, i));
      gboolean is_closed = (g_socket_condition_check (socket, G_IO_IN | G_IO_HUP) != 0);

      n_left += is_closed ? 0 : 1;
      if (i < N_SLOW / 2)
        g_assert_true (is_closed);
    }
  g_assert_cmpuint (n_left, >, 0);
  g_assert_cmpuint (n_left, <=, 32);
}

/* Headers that do not end are cut off, whether the token comes or not. */
static void
test_headers (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const beginnings[] = {
    "GET /info HTTP/1.1\r\nHost: @H\r\nx-api-key: @T\r\nx: ",
    "GET /info HTTP/1.1\r\nHost: @H\r\nx: ",
    "GET /",
    "",
  };
  g_autofree char *long_text = g_strnfill (1024 * 1024, 'x');
  g_autoptr (GString) lines = g_string_new (NULL);

  for (guint i = 0; i < 100000; i++)
    g_string_append (lines, "x: 12345678\r\n");
  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < 2 * G_N_ELEMENTS (beginnings); i++)
    {
      g_autoptr (GSocketConnection) connection = connect_to (fixture);
      g_autoptr (GString) beginning = g_string_new (beginnings[i / 2]);
      guint n = 0;

      g_string_replace (beginning, "@T", fixture->token, 0);
      g_string_replace (beginning, "@H", fixture->url + strlen ("http://"), 0);
      if (i % 2 == 1)
        g_string_append (beginning, "\r\n");
      send_text (connection, beginning->str);
      while (n < 200 && send_text (connection, i % 2 == 0 ? long_text : lines->str))
        n++;
      /* The sockets hold some of it. */
      g_assert_cmpuint (n, <, 100);
      json_node_unref (serve_ask (fixture, "GET", "/info", NULL, 200));
    }
  assert_memory_below (fixture, 128);
}

/* A body without a length that does not end. */
static void
test_endless (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  g_autofree char *chunk = g_strnfill (1024 * 1024, 'x');
  g_autofree char *head = NULL;
  g_autoptr (GError) error = NULL;
  GOutputStream *output;
  guint n = 0;

  serve_start (fixture, NULL, NULL);
  head = g_strdup_printf ("POST /runs HTTP/1.1\r\nHost: %s\r\nx-api-key: %s\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n",
                          fixture->url + strlen ("http://"), fixture->token);
  connection =
      g_socket_client_connect_to_host (client, fixture->url + strlen ("http://"), 0, NULL, &error);
  g_assert_no_error (error);
  output = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  g_assert_true (g_output_stream_write_all (output, head, strlen (head), NULL, NULL, NULL));
  while (n < 1000 && g_output_stream_write_all (output, "100000\r\n", 8, NULL, NULL, NULL) &&
         g_output_stream_write_all (output, chunk, 1024 * 1024, NULL, NULL, NULL) &&
         g_output_stream_write_all (output, "\r\n", 2, NULL, NULL, NULL))
    n++;
  /* It is cut off after 128 MiB; what the sockets hold comes on top. */
  g_assert_cmpuint (n, <, 200);
  json_node_unref (serve_ask (fixture, "GET", "/info", NULL, 200));
}

/* A trace full of attacks is data, and a file of it is not run by a browser. */
static void
test_hostile_trace (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char attack[] = "<script>alert(1)</script>\\u001b[2J\\u202e'; DROP TABLE runs;--";
  g_autofree char *json = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GBytes) file = NULL;
  g_autofree char *answer = NULL;
  g_autofree char *head = NULL;
  const char parts[] =
      "--b\r\nContent-Disposition: form-data; name=\"attachment." RUN
      ".a/b%2f\"\r\nContent-Type: text/html; length=9\r\n\r\n<b>x</b>!\r\n--b--\r\n";
  g_autoptr (GBytes) body = g_bytes_new_static (parts, strlen (parts));
  g_autoptr (GString) deep = g_string_new ("{'id':'" TEST_OTHER "','inputs':");

  serve_start (fixture, NULL, NULL);
  json = g_strdup_printf ("{\"id\":\"" RUN "\",\"name\":\"%s\",\"session_name\":\"%s\",\"inputs\":"
                          "{\"%s\":\"%s\"},\"error\":\"%s\",\"tags\":[\"%s\"]}",
                          attack, attack, attack, attack, attack, attack);
  file = g_bytes_new (json, strlen (json));
  g_assert_cmpuint (serve_send (fixture, "POST", "/runs", NULL, NULL, file, NULL), ==, 202);
  node = serve_ask (fixture, "GET", "/runs/" RUN, NULL, 200);
  g_assert_true (
      g_str_has_prefix (json_object_get_string_member (json_node_get_object (node), "name"),
                        "<script>"));

  g_assert_cmpuint (serve_send (fixture, "POST", "/runs/multipart",
                                "multipart/form-data; boundary=b", NULL, body, NULL),
                    ==, 202);
  head = serve_send_raw (fixture,
                         "GET /runs/" RUN "/attachments/a%2Fb%252f HTTP/1.1\r\n" HOST KEY "\r\n");
  g_assert_nonnull (strstr (head, "<b>x</b>!"));
  g_assert_nonnull (strstr (head, "Content-Type: application/octet-stream"));
  g_assert_nonnull (strstr (head, "Content-Disposition: attachment"));
  g_assert_nonnull (strstr (head, "X-Content-Type-Options: nosniff"));
  g_assert_nonnull (strstr (head, "sandbox"));

  for (guint i = 0; i < 100000; i++)
    g_string_append (deep, "{'a':");
  g_string_append_c (deep, '1');
  for (guint i = 0; i < 100001; i++)
    g_string_append_c (deep, '}');
  json_node_unref (serve_ask (fixture, "POST", "/runs", deep->str, 202));
  json_node_unref (serve_ask (fixture, "GET", "/runs/" TEST_OTHER, NULL, 200));
}

/* What a client gives as key is nowhere in the files. */
static void
test_keys (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const suffixes[] = { "", "-wal", "-serve" };
  g_autofree char *token = NULL;
  struct stat info;

  serve_start (fixture, NULL, NULL);
  token = g_strdup (fixture->token);
  json_node_unref (serve_ask (fixture, "POST", "/runs", "{'id':'" RUN "','name':'n'}", 202));
  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *path = g_strconcat (fixture->database, suffixes[i], NULL);
      g_autofree char *text = NULL;
      gsize len;

      g_assert_true (g_file_get_contents (path, &text, &len, NULL));
      g_assert_null (memmem (text, len, token, strlen (token)));
      g_assert_cmpint (g_stat (path, &info), ==, 0);
      g_assert_cmpint (info.st_mode & 0777, ==, 0600);
    }
  /* It stays the same, so that programs need no new one. */
  serve_stop (fixture, SIGTERM);
  serve_start (fixture, NULL, NULL);
  g_assert_cmpstr (fixture->token, ==, token);
  serve_stop (fixture, SIGTERM);
  serve_start (fixture, NULL, "--token=0123456789abcdef");
  g_assert_cmpstr (fixture->token, ==, "0123456789abcdef");
}

#define OTHER_USER 65534 /* "nobody", who owns nothing */

/* Adds the paths of what is in a folder, and below.
 * @mode: what folders get, or 0 */
static void
list_all (const char *path, int mode, GPtrArray *paths)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  g_ptr_array_add (paths, g_strdup (path));
  if (dir == NULL)
    return;
  if (mode != 0)
    g_assert_cmpint (g_chmod (path, mode), ==, 0);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *below = g_build_filename (path, name, NULL);

      list_all (below, mode, paths);
    }
}

/* Returns: whether the service refuses who has no token */
static gboolean
is_refused (guint16 port)
{
  static const char request[] = "GET /runs/" RUN " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  static const char expected[] = "HTTP/1.1 401 ";
  const struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons (port),
                                       .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  char answer[sizeof expected - 1];
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  return fd >= 0 && connect (fd, (const struct sockaddr *) &address, sizeof address) == 0 &&
         write (fd, request, strlen (request)) == (gssize) strlen (request) &&
         recv (fd, answer, sizeof answer, MSG_WAITALL) == (gssize) sizeof answer &&
         memcmp (answer, expected, sizeof answer) == 0;
}

#define NO_OTHER_USER 255
#define LET_IN        254

/* Runs in a process that has just been forked, as another user.
 * @paths: of what that user may not open
 * Returns: the number of the first path that it can open, from 1 on, another number, or 0 */
static int
try_all (GPtrArray *paths, guint16 port)
{
  if (setgroups (0, NULL) != 0 || setgid (OTHER_USER) != 0 || setuid (OTHER_USER) != 0)
    return NO_OTHER_USER;
  if (!is_refused (port))
    return LET_IN;
  for (guint i = 0; i < paths->len; i++)
    if (open (g_ptr_array_index (paths, i), O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
      return (int) i + 1;
  return 0;
}

static void
assert_closed_to_others (ServeFixture *fixture, GPtrArray *paths)
{
  guint16 port = (guint16) g_ascii_strtoull (strrchr (fixture->url, ':') + 1, NULL, 10);
  int status;
  int number;
  pid_t child = fork ();

  if (child == 0)
    _exit (try_all (paths, port));
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  number = WEXITSTATUS (status);
  g_assert_cmpint (number, !=, NO_OTHER_USER);
  g_assert_cmpint (number, !=, LET_IN);
  if (number != 0)
    g_error ("another user can open %s", (const char *) g_ptr_array_index (paths, number - 1));
}

static gboolean
has_suffix (GPtrArray *paths, const char *suffix)
{
  for (guint i = 0; i < paths->len; i++)
    if (g_str_has_suffix (g_ptr_array_index (paths, i), suffix))
      return TRUE;
  return FALSE;
}

/* Another user of the machine reads neither the database nor the token, and does not get in without it. */
static void
test_two_users (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const suffixes[] = { "/traces.db", "/traces.db-wal", "/traces.db-shm",
                                          "/traces.db-serve", "/state/lsobs/token" };
  g_autofree char *data_folder = g_build_filename (fixture->folder, "data", NULL);
  g_autofree char *state_folder = g_build_filename (fixture->folder, "state", NULL);
  g_autoptr (GPtrArray) folders = g_ptr_array_new ();
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) files = g_ptr_array_new ();

  if (geteuid () != 0)
    {
      g_test_skip ("only root can be another user");
      return;
    }
  /* Only what lsobs does itself keeps others out: neither the folder of the test, nor the mask. */
  g_assert_cmpint (g_chmod (fixture->folder, 0755), ==, 0);
  serve_start (fixture, "umask 0;", NULL);
  json_node_unref (serve_ask (fixture, "POST", "/runs", "{'id':'" RUN "','name':'secret'}", 202));
  g_ptr_array_add (folders, data_folder);
  g_ptr_array_add (folders, state_folder);
  assert_closed_to_others (fixture, folders);

  /* The files are closed even if somebody opens the folders. */
  list_all (data_folder, 0755, all);
  list_all (state_folder, 0755, all);
  for (guint i = 0; i < all->len; i++)
    if (!g_file_test (g_ptr_array_index (all, i), G_FILE_TEST_IS_DIR))
      g_ptr_array_add (files, g_ptr_array_index (all, i));
  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    g_assert_true (has_suffix (files, suffixes[i]));
  assert_closed_to_others (fixture, files);
}

/* Another address than loopback, and a name, have to be given. */
static void
test_names (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char named[] =
      "GET /info HTTP/1.1\r\nHost: desk.example\r\nConnection: close\r\n" KEY "\r\n";
  g_autofree char *answer = NULL;

  serve_start (fixture, NULL, "--address=127.0.0.2 --name=desk.example");
  g_assert_true (g_str_has_prefix (fixture->url, "http://127.0.0.2:"));
  json_node_unref (serve_ask (fixture, "GET", "/info", NULL, 200));
  answer = serve_send_raw (fixture, named);
  g_assert_cmpuint (read_status (answer), ==, 200);
}

#define ADD_ROW(path, number, func) \
 g_test_add (path, ServeFixture, GINT_TO_POINTER (number), serve_fixture_set_up, func, \
             serve_fixture_tear_down)
#define ADD(path, func) ADD_ROW (path, 0, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST_ADD_ROWS ("/access/rules/", rules, name, test_rule);
  g_test_add_func ("/access/cookie", test_cookie);
  g_test_add_func ("/access/token", test_token);
  ADD ("/access/hostile", test_hostile);
  ADD_ROW ("/access/bomb/gzip", LSOBS_COMPRESSION_GZIP, test_bomb);
  ADD_ROW ("/access/bomb/zstd", LSOBS_COMPRESSION_ZSTD, test_bomb);
  ADD ("/access/many-parts", test_many_parts);
  ADD ("/access/ended", test_ended);
  ADD ("/access/slow", test_slow);
  ADD ("/access/headers", test_headers);
  ADD ("/access/endless", test_endless);
  ADD ("/access/hostile-trace", test_hostile_trace);
  ADD ("/access/keys", test_keys);
  ADD ("/access/two-users", test_two_users);
  ADD ("/access/names", test_names);
  return g_test_run ();
}
