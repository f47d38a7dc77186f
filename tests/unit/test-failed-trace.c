/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The format of the files that failed traces are kept in. */

#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "lsobs/spool/lsobs-failed-trace-private.h"

#include "tests/lib/wire.h"

#define TYPE "multipart/form-data; boundary=lsobs-7f3a9c51d2e84b06"

/* (transfer full): what is in the file */
static GBytes *
write_out (LsobsFailedTrace *request)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  int fd = g_file_open_tmp (NULL, &path, &error);
  char *text;
  gsize len;

  g_assert_no_error (error);
  g_assert_true (_lsobs_failed_trace_write (request, fd));
  close (fd);
  g_file_get_contents (path, &text, &len, &error);
  g_assert_no_error (error);
  g_remove (path);
  g_assert_cmpuint (len, ==, _lsobs_failed_trace_measure (request));
  return g_bytes_new_take (text, len);
}

static LsobsFailedTrace *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  LsobsFailedTrace *request = _lsobs_failed_trace_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_nonnull (request);
  return request;
}

/* Byte by byte what other clients write. */
static void
test_text (void)
{
  g_autoptr (GBytes) body = g_bytes_new_static ("--lsobs-7f3a", 12);
  g_autoptr (LsobsFailedTrace) plain = _lsobs_failed_trace_new ("runs/multipart", TYPE, NULL, body);
  g_autoptr (LsobsFailedTrace) packed =
      _lsobs_failed_trace_new ("runs/batch", "application/json", "zstd", body);
  g_autoptr (GBytes) plain_text = write_out (plain);
  g_autoptr (GBytes) packed_text = write_out (packed);
  static const char expected_plain[] =
      "{\"version\":1,\"endpoint\":\"runs/multipart\",\"headers\":{\"Content-Type\":\"" TYPE "\"},"
      "\"body_base64\":\"LS1sc29icy03ZjNh\"}";
  static const char expected_packed[] =
      "{\"version\":1,\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":\"application/json\","
      "\"Content-Encoding\":\"zstd\"},\"body_base64\":\"LS1sc29icy03ZjNh\"}";

  g_assert_cmpmem (g_bytes_get_data (plain_text, NULL), g_bytes_get_size (plain_text),
                   expected_plain, strlen (expected_plain));
  g_assert_cmpmem (g_bytes_get_data (packed_text, NULL), g_bytes_get_size (packed_text),
                   expected_packed, strlen (expected_packed));
}

static void
test_round_trip (void)
{
  static const gsize sizes[] = {
    1, 2, 3, 4, 100, 48 * 1024 - 1, 48 * 1024, 48 * 1024 + 1, 96 * 1024, 300 * 1000,
  };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      guchar *data = g_malloc (sizes[i]);
      g_autoptr (GBytes) body = NULL;
      g_autoptr (GBytes) text = NULL;
      g_autoptr (LsobsFailedTrace) request = NULL;
      g_autoptr (LsobsFailedTrace) again = NULL;
      g_autoptr (JsonNode) node = NULL;
      g_autoptr (GError) error = NULL;

      for (gsize j = 0; j < sizes[i]; j++)
        data[j] = (guchar) (j * 7 + j / 256);
      body = g_bytes_new_take (data, sizes[i]);
      request = _lsobs_failed_trace_new ("runs/multipart", TYPE, i % 2 == 0 ? "gzip" : NULL, body);
      text = write_out (request);

      /* others read it, too */
      node = wire_json_parse (g_bytes_get_data (text, NULL), g_bytes_get_size (text), &error);
      g_assert_no_error (error);

      again = _lsobs_failed_trace_parse (g_bytes_get_data (text, NULL), g_bytes_get_size (text),
                                         &error);
      g_assert_no_error (error);
      g_assert_cmpstr (again->endpoint, ==, "runs/multipart");
      g_assert_cmpstr (again->content_type, ==, TYPE);
      g_assert_cmpstr (again->encoding, ==, request->encoding);
      g_assert_true (g_bytes_equal (again->body, body));
    }
}

/* A disk that is full, or gone. */
static void
test_write_fails (void)
{
  g_autoptr (GBytes) body = g_bytes_new_take (g_malloc0 (100000), 100000);
  g_autoptr (LsobsFailedTrace) request =
      _lsobs_failed_trace_new ("runs/multipart", TYPE, NULL, body);
  int full = open ("/dev/full", O_WRONLY | O_CLOEXEC);

  g_assert_false (_lsobs_failed_trace_write (request, -1));
  if (full < 0)
    return;
  g_assert_false (_lsobs_failed_trace_write (request, full));
  close (full);
}

typedef struct
{
  const char *path;
  const char *text;
  const char *endpoint;
  const char *encoding;
} Good;

static const Good good[] = {
  { "python",
    "{\"version\": 1, \"endpoint\": \"runs/multipart\", \"headers\": {\"Content-Type\": "
    "\"multipart/form-data; boundary=0123456789abcdef0123456789abcdef\", \"Content-Encoding\": "
    "\"zstd\", \"X-Pre-Compressed-Size\": \"2196\"}, \"body_base64\": \"dGVzdA==\"}",
    "runs/multipart", "zstd" },
  { "js",
    "{\"version\":1,\"endpoint\":\"runs/multipart\",\"headers\":{\"Content-Type\":"
    "\"multipart/form-data; boundary=----LangSmithFormBoundaryak8sso76b4w\"},"
    "\"body_base64\":\"dGVzdA==\"}",
    "runs/multipart", NULL },
  { "batch",
    "{\"version\":1,\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":"
    "\"application/json\"},\"body_base64\":\"dGVzdA==\"}",
    "runs/batch", NULL },
  { "order",
    "\n{ \"body_base64\":\"dGVz\\u0064A==\",\t\"headers\":{\"content-encoding\":\"gzip\","
    "\"content-type\":\"application/json; charset=utf-8\"},\"endpoint\":\"runs\\/batch\","
    "\"more\":[{\"version\":2}],\"version\":1}\n",
    "runs/batch", "gzip" },
};

static void
test_good (gconstpointer data)
{
  const Good *row = data;
  g_autoptr (LsobsFailedTrace) request = parse (row->text);

  g_assert_cmpstr (request->endpoint, ==, row->endpoint);
  g_assert_cmpstr (request->encoding, ==, row->encoding);
  g_assert_cmpmem (g_bytes_get_data (request->body, NULL), g_bytes_get_size (request->body), "test",
                   4);
}

#define HEAD \
 "\"version\":1,\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":\"application/json\"}"
#define OF_TYPE(type) \
 "{\"version\":1,\"endpoint\":\"runs/multipart\",\"headers\":{\"Content-Type\":\"" type "\"}," \
 "\"body_base64\":\"dGVzdA==\"}"
#define TO_ENDPOINT(endpoint) \
 "{\"version\":1,\"endpoint\":\"" endpoint \
 "\",\"headers\":{\"Content-Type\":\"application/json\"}," \
 "\"body_base64\":\"dGVzdA==\"}"
#define OF_BODY(body) "{" HEAD ",\"body_base64\":" body "}"

/* What somebody may have put there to see what we do. */
static const char *const bad[] = {
  "",
  "garbage",
  "[]",
  "1",
  "null",
  "{}",
  "{\"version\":1",
  "{" HEAD "}",
  "{\"version\":2,\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":\"application/json\"},"
  "\"body_base64\":\"dGVzdA==\"}",
  "{\"version\":10,\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":\"application/json\"},"
  "\"body_base64\":\"dGVzdA==\"}",
  "{\"version\":\"1\",\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":\"application/json\"},"
  "\"body_base64\":\"dGVzdA==\"}",
  "{\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":\"application/json\"},"
  "\"body_base64\":\"dGVzdA==\"}",
  "{\"version\":1,\"headers\":{\"Content-Type\":\"application/json\"},\"body_base64\":\"dGVzdA==\"}",
  "{\"version\":1,\"endpoint\":\"runs/batch\",\"headers\":[],\"body_base64\":\"dGVzdA==\"}",
  "{\"version\":1,\"endpoint\":\"runs/batch\",\"headers\":{},\"body_base64\":\"dGVzdA==\"}",
  TO_ENDPOINT (""),
  TO_ENDPOINT ("runs/multipart"),
  TO_ENDPOINT ("https://evil.example/runs/batch"),
  TO_ENDPOINT ("//evil.example/runs/batch"),
  TO_ENDPOINT ("@evil.example/runs"),
  TO_ENDPOINT ("../admin"),
  TO_ENDPOINT ("runs/batch?x=1"),
  TO_ENDPOINT ("runs/batch "),
  TO_ENDPOINT ("runs/batch\\r\\nHost: evil.example"),
  TO_ENDPOINT ("runs/batch\\u0000"),
  TO_ENDPOINT ("sessions"),
  OF_TYPE ("application/json"),
  OF_TYPE ("text/html"),
  OF_TYPE ("multipart/form-data"),
  OF_TYPE ("multipart/form-data; boundary="),
  OF_TYPE ("multipart/form-data; boundary=a b"),
  OF_TYPE ("multipart/form-data; boundary=a; charset=x"),
  OF_TYPE ("multipart/form-data; boundary=a\\r\\nx-api-key: other"),
  OF_TYPE ("multipart/form-data; boundary=\\u00e4"),
  OF_TYPE ("multipart/form-data; boundary=a\\u0000"),
  OF_TYPE ("multipart/form-data; "
           "boundary=01234567890123456789012345678901234567890123456789012345678901234567890"),
  "{\"version\":1,\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":\"application/json\","
  "\"Content-Encoding\":\"br\"},\"body_base64\":\"dGVzdA==\"}",
  "{\"version\":1,\"endpoint\":\"runs/batch\",\"headers\":{\"Content-Type\":\"application/json\","
  "\"Content-Encoding\":\"gzip\\r\\nHost: evil\"},\"body_base64\":\"dGVzdA==\"}",
  OF_BODY ("null"),
  OF_BODY ("12"),
  OF_BODY ("{}"),
  OF_BODY ("\"\""),
  OF_BODY ("\"dGVzdA\""),
  OF_BODY ("\"dGVz dA=\""),
  OF_BODY ("\"dGV=dA==\""),
  OF_BODY ("\"dGVzd===\""),
  OF_BODY ("\"====\""),
  OF_BODY ("\"dGVzdA_-\""),
  OF_BODY ("\"dGVz\\n\\n\\n\\n\""),
  OF_BODY ("\"dGVz\\u0000\\u0000\\u0000\\u0000\""),
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LsobsFailedTrace) request =
          _lsobs_failed_trace_parse (bad[i], strlen (bad[i]), &error);

      if (request != NULL)
        g_error ("Taken for a request: %s", bad[i]);
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
}

/* Every prefix of a good one, and every good one with a byte changed, is harmless. */
static void
test_broken (void)
{
  const char *text = good[0].text;
  gsize len = strlen (text);

  for (gsize i = 0; i < len; i++)
    {
      g_autofree char *changed = g_strdup (text);

      g_assert_null (_lsobs_failed_trace_parse (text, i, NULL));
      for (guint c = 0; c < 256; c += 5)
        {
          g_autoptr (LsobsFailedTrace) request = NULL;

          changed[i] = (char) c;
          request = _lsobs_failed_trace_parse (changed, len, NULL);
          if (request != NULL)
            g_assert_cmpstr (request->endpoint, ==, "runs/multipart");
        }
    }
}

static void
test_deep (void)
{
  g_autofree char *open = g_strnfill (1000000, '[');
  g_autofree char *text = g_strconcat ("{" HEAD ",\"body_base64\":", open, NULL);

  g_assert_null (_lsobs_failed_trace_parse (text, strlen (text), NULL));
  g_assert_null (_lsobs_failed_trace_parse (open, strlen (open), NULL));
}

static void
test_name (void)
{
  g_autofree char *name =
      _lsobs_failed_trace_make_name (G_GINT64_CONSTANT (1772357415000042), NULL, 0);
  g_autofree char *other =
      _lsobs_failed_trace_make_name (G_GINT64_CONSTANT (1772357415000042), NULL, 0);

  g_assert_true (
      g_regex_match_simple ("^trace_1772357415\\.000042_[0-9a-f]{8}\\.json$", name, 0, 0));
  g_assert_cmpstr (name, !=, other);
  g_assert_true (_lsobs_failed_trace_is_name (name));
  g_assert_true (_lsobs_failed_trace_is_name ("trace_1772357415000_0a1b2c3d.json"));
  g_assert_false (_lsobs_failed_trace_is_name (".trace_1772357415.000042_0a1b2c3d.json"));
  g_assert_false (_lsobs_failed_trace_is_name ("trace_1772357415.000042_0a1b2c3d.json.tmp"));
  g_assert_false (_lsobs_failed_trace_is_name ("settings.json"));
  g_assert_false (_lsobs_failed_trace_is_name (""));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/lost-request/text", test_text);
  g_test_add_func ("/lost-request/round-trip", test_round_trip);
  g_test_add_func ("/lost-request/write-fails", test_write_fails);
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *path = g_strconcat ("/lost-request/good/", good[i].path, NULL);

      g_test_add_data_func (path, &good[i], test_good);
    }
  g_test_add_func ("/lost-request/bad", test_bad);
  g_test_add_func ("/lost-request/broken", test_broken);
  g_test_add_func ("/lost-request/deep", test_deep);
  g_test_add_func ("/lost-request/name", test_name);

  return g_test_run ();
}
