/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The records of a body are found, and sent without each other. */

#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-compressor-private.h"
#include "lsobs/transport/lsobs-body-reader-private.h"

#define A "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define B "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c5"

#define TYPE "multipart/form-data; boundary=edge"

#define PART(name, content) \
 "--edge\r\nContent-Disposition: form-data; name=\"" name \
 "\"\r\nContent-Type: application/json\r\n\r\n" content "\r\n"

static GBytes *
bytes (const char *text)
{
  return g_bytes_new_static (text, strlen (text));
}

/* Returns: (transfer full) (nullable) */
static LsobsBodyReader *
new_reader (const char *endpoint, const char *type, const char *text)
{
  g_autoptr (GBytes) body = bytes (text);

  return _lsobs_body_reader_new (endpoint, type, body);
}

static void
assert_slice (LsobsBodyReader *reader, guint first, guint end, const char *expected)
{
  g_autoptr (GBytes) slice = _lsobs_body_reader_slice (reader, first, end);
  gsize len;
  const char *text = g_bytes_get_data (slice, &len);

  g_assert_cmpmem (text, len, expected, strlen (expected));
}

static void
assert_update (LsobsBodyReader *reader, guint index, const char *expected, const char *expected_id)
{
  g_autofree char *id = NULL;
  g_autoptr (GBytes) update = _lsobs_body_reader_make_update (reader, index, &id);
  gsize len;
  const char *text;

  g_assert_cmpstr (id, ==, expected_id);
  g_assert_true ((update == NULL) == (expected == NULL));
  if (update == NULL)
    return;
  text = g_bytes_get_data (update, &len);
  g_assert_cmpmem (text, len, expected, strlen (expected));
}

static void
test_multipart (void)
{
  static const char text[] = PART ("post." A, "{\"a\":1}") PART ("post." A ".inputs", "--edg")
      PART ("patch." B, "{\"b\":2}") PART ("attachment." B ".x", "\r\n--edg\r\n")
          PART ("feedback." A, "{}") PART ("attachment." A ".y", "") "--edge--\r\n";
  g_autoptr (LsobsBodyReader) reader = new_reader ("runs/multipart", TYPE, text);

  g_assert_nonnull (reader);
  g_assert_cmpuint (_lsobs_body_reader_get_n_records (reader), ==, 3);
  assert_slice (reader, 0, 3, text);
  assert_slice (reader, 0, 1,
                PART ("post." A, "{\"a\":1}") PART ("post." A ".inputs", "--edg")
                    PART ("attachment." A ".y", "") "--edge--\r\n");
  assert_slice (reader, 1, 2,
                PART ("patch." B, "{\"b\":2}")
                    PART ("attachment." B ".x", "\r\n--edg\r\n") "--edge--\r\n");
  assert_slice (reader, 2, 3, PART ("feedback." A, "{}") "--edge--\r\n");
}

/* Attachments go with the record of the run that is before them. */
static void
test_attachments (void)
{
  static const char text[] = PART ("post." A, "{}") PART ("attachment." A ".x", "1")
      PART ("patch." A, "{}") PART ("attachment." A ".y", "2") "--edge--\r\n";
  g_autoptr (LsobsBodyReader) reader = new_reader ("runs/multipart", TYPE, text);

  g_assert_cmpuint (_lsobs_body_reader_get_n_records (reader), ==, 2);
  assert_slice (reader, 0, 1,
                PART ("post." A, "{}") PART ("attachment." A ".x", "1") "--edge--\r\n");
  assert_slice (reader, 1, 2,
                PART ("patch." A, "{}") PART ("attachment." A ".y", "2") "--edge--\r\n");
}

/* The name of a record may look like the id of another one, or begin like another name: whatever belongs
 * together in the body does so in a slice and in an update. */
static void
test_names (void)
{
  static const char end[] = "{\"end_time\":\"x\"}";
  static const char *const names[] = {
    ".post." A, "post." A,  A,   "post." A "." A, "post." A "x", "post", "post.",
    "x." A,     "patch." A, ".", "feedback." A,   "post..x",     "",
  };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (LsobsBodyReader) reader = NULL;
  guint index = 0;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_string_append_printf (text, PART ("%s", "%s"), names[i], end);
  g_string_append (text, "--edge--\r\n");
  reader = new_reader ("runs/multipart", TYPE, text->str);
  g_assert_nonnull (reader);
  /* all but post.A.A, and post..x, which belongs to post. */
  g_assert_cmpuint (_lsobs_body_reader_get_n_records (reader), ==, G_N_ELEMENTS (names) - 2);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *more = g_str_equal (names[i], "post." A) ? "post." A "." A
                         : g_str_equal (names[i], "post.") ? "post..x"
                                                           : NULL;
      g_autoptr (GString) part = g_string_new (NULL);
      g_autoptr (GString) update = g_string_new (NULL);

      if (g_str_has_prefix (names[i], "post." A ".") || g_str_equal (names[i], "post..x"))
        continue;
      g_string_append_printf (part, PART ("%s", "%s"), names[i], end);
      if (more != NULL)
        g_string_append_printf (part, PART ("%s", "%s"), more, end);
      g_string_append (part, "--edge--\r\n");
      assert_slice (reader, index, index + 1, part->str);
      g_string_append (update, part->str);
      g_string_replace (update, "\"post.", "\"patch.", 0);
      assert_update (reader, index, g_str_has_prefix (names[i], "post.") ? update->str : NULL,
                     NULL);
      index++;
    }
}

/* Two creates, or two updates, of the same run are two records. Each has what follows it. */
static void
test_twice (void)
{
  static const char text[] = PART ("post." A, "{\"end_time\":\"x\"}")
      PART ("post." A ".inputs", "1") PART ("attachment." A ".x", "1") PART ("post." A, "{}")
          PART ("post." A ".inputs", "2") PART ("attachment." A ".x", "2")
              PART ("patch." A ".outputs", "3") PART ("patch." A, "{}")
                  PART ("patch." A, "{\"b\":1}") PART ("attachment." A ".y", "4") "--edge--\r\n";
  g_autoptr (LsobsBodyReader) reader = new_reader ("runs/multipart", TYPE, text);

  g_assert_nonnull (reader);
  g_assert_cmpuint (_lsobs_body_reader_get_n_records (reader), ==, 4);
  assert_slice (reader, 0, 1,
                PART ("post." A, "{\"end_time\":\"x\"}") PART ("post." A ".inputs", "1")
                    PART ("attachment." A ".x", "1") "--edge--\r\n");
  assert_slice (reader, 1, 2,
                PART ("post." A, "{}") PART ("post." A ".inputs", "2")
                    PART ("attachment." A ".x", "2") "--edge--\r\n");
  assert_slice (reader, 2, 3,
                PART ("patch." A ".outputs", "3") PART ("patch." A, "{}") "--edge--\r\n");
  assert_slice (reader, 3, 4,
                PART ("patch." A, "{\"b\":1}") PART ("attachment." A ".y", "4") "--edge--\r\n");
  /* only the first one has its end */
  assert_update (reader, 0,
                 PART ("patch." A, "{\"end_time\":\"x\"}") PART ("patch." A ".inputs", "1")
                     PART ("attachment." A ".x", "1") "--edge--\r\n",
                 NULL);
  assert_update (reader, 1, NULL, NULL);
}

#define HEADERS(headers) "--edge\r\n" headers "\r\n\r\n{\"end_time\":\"x\"}\r\n--edge--\r\n"

/* The name is that of the Content-Disposition, however that is written. */
static void
test_headers (void)
{
  static const struct
  {
    const char *text;
    const char *update;
  } rows[] = {
    { HEADERS ("Content-Disposition: form-data; name=post." A),
      HEADERS ("Content-Disposition: form-data; name=patch." A) },
    { HEADERS ("content-disposition:FORM-DATA;NAME=\"post." A "\"; x=y"),
      HEADERS ("content-disposition:FORM-DATA;NAME=\"patch." A "\"; x=y") },
    { HEADERS ("X-Name: name=\"post.x\"\r\n"
               "Content-Disposition: form-data; filename=\"post.x\"; fname=\"post.y\";"
               " z=\"; name=\\\"post.z\\\"\"; name=\"post." A "\""),
      HEADERS ("X-Name: name=\"post.x\"\r\n"
               "Content-Disposition: form-data; filename=\"post.x\"; fname=\"post.y\";"
               " z=\"; name=\\\"post.z\\\"\"; name=\"patch." A "\"") },
    { HEADERS ("Content-Disposition: form-data; filename=\"post." A "\"; name=\"patch." A "\""),
      NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (LsobsBodyReader) reader = new_reader ("runs/multipart", TYPE, rows[i].text);

      g_assert_nonnull (reader);
      g_assert_cmpuint (_lsobs_body_reader_get_n_records (reader), ==, 1);
      assert_update (reader, 0, rows[i].update, NULL);
    }
}

static void
test_batch (void)
{
  static const char text[] =
      " {\"patch\": [{\"id\":\"" B "\"} ], \"post\":[ {\"id\":\"" A "\",\"x\":[1,{}]}, {}]}";
  g_autoptr (LsobsBodyReader) reader = new_reader ("runs/batch", "application/json", text);

  g_assert_nonnull (reader);
  g_assert_cmpuint (_lsobs_body_reader_get_n_records (reader), ==, 3);
  assert_slice (reader, 0, 3, text);
  assert_slice (reader, 0, 1, "{\"post\":[{\"id\":\"" A "\",\"x\":[1,{}]}],\"patch\":[]}");
  assert_slice (reader, 1, 3, "{\"post\":[{}],\"patch\":[{\"id\":\"" B "\"}]}");
}

static void
test_single (void)
{
  g_autoptr (LsobsBodyReader) reader = new_reader ("runs", "application/json", "{}");

  g_assert_cmpuint (_lsobs_body_reader_get_n_records (reader), ==, 1);
  assert_slice (reader, 0, 1, "{}");
}

/* A create becomes an update if it has the end of its run. */
static void
test_update (void)
{
  static const char multipart[] = PART ("post." A, "{\"end_time\":\"x\"}")
      PART ("post." A ".outputs", "post." A) PART ("post." B, "{\"end_time\":null}")
          PART ("attachment." A ".post.x", "") PART ("patch." B, "{\"end_time\":\"x\"}")
              PART ("feedback." A, "{\"end_time\":\"x\"}") "--edge--\r\n";
  static const char batch[] = "{\"post\":[{\"id\":\"" A "\",\"end_time\":\"x\"},"
                              "{\"id\":\"" B "\",\"x\":{\"end_time\":\"x\"}}, 7],"
                              "\"patch\":[{\"end_time\":\"x\"}]}";
  g_autoptr (LsobsBodyReader) parts = new_reader ("runs/multipart", TYPE, multipart);
  g_autoptr (LsobsBodyReader) runs = new_reader ("runs/batch", "application/json", batch);

  g_assert_cmpuint (_lsobs_body_reader_get_n_records (parts), ==, 4);
  assert_update (parts, 0,
                 PART ("patch." A, "{\"end_time\":\"x\"}") PART ("patch." A ".outputs", "post." A)
                     PART ("attachment." A ".post.x", "") "--edge--\r\n",
                 NULL);
  for (guint i = 1; i < 4; i++)
    assert_update (parts, i, NULL, NULL);
  g_assert_cmpuint (_lsobs_body_reader_get_n_records (runs), ==, 4);
  assert_update (runs, 0, "{\"post\":[],\"patch\":[{\"id\":\"" A "\",\"end_time\":\"x\"}]}", NULL);
  for (guint i = 1; i < 4; i++)
    assert_update (runs, i, NULL, NULL);
}

/* The id of a single one is in the address. */
static void
test_update_single (void)
{
  static const struct
  {
    const char *endpoint;
    const char *text;
    const char *update;
    const char *id;
  } rows[] = {
    { "runs", "{\"id\":\"" A "\",\"end_time\":\"x\"}", "{\"end_time\":\"x\"}", A },
    { "runs", "{\"end_time\":\"x\", \"o\": {\"id\":1}, \"id\":\"" A "\", \"z\":[]}",
      "{\"end_time\":\"x\",\"o\":{\"id\":1},\"z\":[]}", A },
    { "runs", "{\"id\":\"" A "\"}", NULL, NULL },
    { "runs", "{\"id\":\"../x\",\"end_time\":\"x\"}", NULL, NULL },
    /* it goes into an address: nothing but an id may */
    { "runs", "{\"id\":\"" A "/../../x?y\",\"end_time\":\"x\"}", NULL, NULL },
    { "runs", "{\"id\":\"" A "%zz\",\"end_time\":\"x\"}", NULL, NULL },
    { "runs", "{\"id\":\"" A "\\u0000/x\",\"end_time\":\"x\"}", NULL, NULL },
    { "runs", "{\"end_time\":\"x\"}", NULL, NULL },
    { "runs", "[\"end_time\"]", NULL, NULL },
    { "feedback", "{\"id\":\"" A "\",\"end_time\":\"x\"}", NULL, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (LsobsBodyReader) reader =
          new_reader (rows[i].endpoint, "application/json", rows[i].text);

      /* any number of times */
      assert_update (reader, 0, rows[i].update, rows[i].id);
      assert_update (reader, 0, rows[i].update, rows[i].id);
    }
}

static void
test_malformed (void)
{
  static const char *const multipart[] = {
    "",
    "--edge",
    "--edge--",
    "--edge\r\n",
    "--edge\r\n--edge--\r\n",
    "--edge\r\nContent-Disposition: form-data\r\n\r\nx\r\n--edge--\r\n",
    "--edge\r\nContent-Disposition: form-data; name=\"post\r\n\r\nx\r\n--edge--\r\n",
    PART ("post." A, "{}"),
    PART ("post." A, "{}") "--edgeX\r\n",
    /* the boundary where a service may see another part, or none */
    "x--edge\r\nContent-Disposition: form-data; name=\"post." A "\"\r\n\r\n{}\r\n--edge--\r\n",
    "--edge\r\n" PART ("post." A, "{}") "--edge--\r\n",
    PART ("post." A, "{}\r\n--edgeX") "--edge--\r\n",
    PART ("post." A, "{}") "--edge--\r\n" PART ("post." B, "{}") "--edge--\r\n",
    /* a name in the content */
    "--edge\r\n\r\nContent-Disposition: form-data; name=\"post." A "\"\r\n\r\n{}\r\n--edge--\r\n",
    /* names that a service may read differently */
    HEADERS ("Content-Disposition: form-data; name=\"post." A),
    HEADERS ("Content-Disposition: form-data; name="),
    HEADERS ("Content-Disposition: form-data; fname=\"post." A "\""),
    HEADERS ("Content-Disposition: attachment; name=\"post." A "\""),
    HEADERS ("Content-Disposition: form-data; name=\"post.\\" A "\""),
    HEADERS ("Content-Disposition: form-data; name=\"post." A "\" x"),
    HEADERS ("Content-Disposition: form-data; name=\"post." A "\"; name=\"post." B "\""),
    HEADERS ("Content-Disposition: form-data; name=\"post." A "\"; name*=UTF-8''post." B),
    HEADERS ("Content-Disposition: form-data; name=\"post." A
             "\"\r\nContent-Disposition: form-data; name=\"post." B "\""),
    HEADERS ("Content-Disposition: form-data; x=y;\r\n name=\"post." A "\""),
    HEADERS ("Content-Disposition: form-data; x=\"\nContent-Disposition: form-data;"
             " name=\"post." A "\""),
    HEADERS ("Content-Disposition: form-data\r\n"
             "Content-Disposition: form-data; name=\"post." A "\""),
    HEADERS ("Content-Disposition: form-data; name=\"post." A
             "\"\r\nContent-Disposition: form-data"),
    HEADERS ("Content-Disposition : form-data; name=\"post." A "\""),
    HEADERS ("X-Name: name=\"post." A "\""),
  };
  static const char *const batch[] = {
    "", "[]", "{}", "{\"post\":{}}", "{\"post\":[]}", "{\"post\":[1"
  };

  for (guint i = 0; i < G_N_ELEMENTS (multipart); i++)
    {
      g_autoptr (LsobsBodyReader) reader = new_reader ("runs/multipart", TYPE, multipart[i]);

      g_assert_null (reader);
    }
  for (guint i = 0; i < G_N_ELEMENTS (batch); i++)
    {
      g_autoptr (LsobsBodyReader) reader = new_reader ("runs/batch", "application/json", batch[i]);

      g_assert_null (reader);
    }
}

/* --- compression --- */

static GBytes *
join (GBytes *first, const void *second, gsize len)
{
  GByteArray *both = g_byte_array_new ();

  g_byte_array_append (both, g_bytes_get_data (first, NULL), (guint) g_bytes_get_size (first));
  g_byte_array_append (both, second, (guint) len);
  return g_byte_array_free_to_bytes (both);
}

/* What is compressed in parts is whole, and what is behind the last part is not lost without a word. */
static void
assert_parts (const char *name, GBytes *compressed, GBytes *body)
{
  const gsize size = g_bytes_get_size (body);
  g_autoptr (GBytes) two =
      join (compressed, g_bytes_get_data (compressed, NULL), g_bytes_get_size (compressed));
  g_autoptr (GBytes) both = join (body, g_bytes_get_data (body, NULL), size);
  g_autoptr (GBytes) more = join (compressed, "more", 4);
  g_autoptr (GBytes) decoded = _lsobs_compression_decode (name, two, 2 * size);

  g_assert_nonnull (decoded);
  g_assert_true (g_bytes_equal (decoded, both));
  g_assert_null (_lsobs_compression_decode (name, two, 2 * size - 1));
  g_assert_null (_lsobs_compression_decode (name, more, 2 * size));
}

static void
test_decode (gconstpointer data)
{
  LsobsCompression kind = (LsobsCompression) GPOINTER_TO_INT (data);
  const gsize size = 3 * 1000 * 1000;
  g_autoptr (LsobsCompressor) compressor = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (GBytes) compressed = NULL;
  g_autoptr (GBytes) cut = NULL;
  g_autoptr (GBytes) decoded = NULL;
  const char *name;

  if (!_lsobs_compression_is_built_in (kind))
    {
      g_test_skip ("not built in");
      return;
    }
  name = _lsobs_compression_get_name (kind);
  compressor = _lsobs_compressor_new (kind, 1);
  body = g_bytes_new_take (g_strnfill (size, 'x'), size);
  g_assert_true (_lsobs_compressor_run (compressor, body, &compressed));
  g_assert_nonnull (compressed);
  decoded = _lsobs_compression_decode (name, compressed, size);
  g_assert_true (g_bytes_equal (decoded, body));
  /* bounded, whole, of its kind */
  g_assert_null (_lsobs_compression_decode (name, compressed, size - 1));
  cut = g_bytes_new_from_bytes (compressed, 0, g_bytes_get_size (compressed) - 1);
  g_assert_null (_lsobs_compression_decode (name, cut, size));
  g_assert_null (_lsobs_compression_decode (name, body, size));
  g_assert_null (_lsobs_compression_decode ("br", compressed, size));
  assert_parts (name, compressed, body);
}

static void
test_decode_none (void)
{
  g_autoptr (GBytes) body = bytes ("text");
  g_autoptr (GBytes) decoded = _lsobs_compression_decode (NULL, body, 1);

  g_assert_true (decoded == body);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/body-reader/multipart", test_multipart);
  g_test_add_func ("/body-reader/attachments", test_attachments);
  g_test_add_func ("/body-reader/names", test_names);
  g_test_add_func ("/body-reader/twice", test_twice);
  g_test_add_func ("/body-reader/headers", test_headers);
  g_test_add_func ("/body-reader/batch", test_batch);
  g_test_add_func ("/body-reader/single", test_single);
  g_test_add_func ("/body-reader/update", test_update);
  g_test_add_func ("/body-reader/update/single", test_update_single);
  g_test_add_func ("/body-reader/malformed", test_malformed);
  g_test_add_data_func ("/body-reader/decode/gzip", GINT_TO_POINTER (LSOBS_COMPRESSION_GZIP),
                        test_decode);
  g_test_add_data_func ("/body-reader/decode/zstd", GINT_TO_POINTER (LSOBS_COMPRESSION_ZSTD),
                        test_decode);
  g_test_add_func ("/body-reader/decode/none", test_decode_none);

  return g_test_run ();
}
