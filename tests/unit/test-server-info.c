/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is made of the answer to GET /info, whatever it is. */

#include "config.h"

#include <string.h>

#include "lsobs/http/lsobs-server-info-private.h"

#define MIB (1024 * 1024)

#define LIMITS(text) "{\"batch_ingest_config\":{" text "}}"
#define FLAGS(text)  "{\"instance_flags\":{" text "}}"

/* --- what is no answer --------------------------------------------------------------------- */

static const char *const refused[] = {
  "",
  " ",
  "\n",
  "<html><body>It works!</body></html>",
  "<!DOCTYPE html>",
  "not found",
  "null",
  "true",
  "1",
  "\"0.12.1\"",
  "[]",
  "[{\"version\":\"0.12.1\"}]",
  "{",
  "{]",
  "{\"version\":\"0.12.1\"",
  "{\"version\":\"0.12.1\"} x",
  "{\"version\":\"0.12.1\"}{}",
  "{'version':'0.12.1'}",
  "{version:1}",
  "{\"version\":}",
  "{\"batch_ingest_config\":{\"size_limit\":0x10}}",
  "{\"batch_ingest_config\":{\"size_limit\":+5}}",
  "\xff\xfe{\0}\0",
};

static void
test_refused (gconstpointer data)
{
  const char *text = data;
  LsobsServerInfo info, before;

  _lsobs_server_info_init (&info);
  info.max_records = 7;
  before = info;
  g_assert_false (_lsobs_server_info_parse (&info, text, strlen (text)));
  g_assert_cmpmem (&info, sizeof info, &before, sizeof before);
}

/* --- limits and flags ---------------------------------------------------------------------- */

typedef struct
{
  const char *text;
  guint max_records;
  gsize max_bytes;
  gboolean use_multipart;
  gboolean takes_zstd;
  gboolean takes_gzip;
} Row;

static const Row rows[] = {
  /* a real one */
  { "{\"version\":\"0.12.1\",\"git_sha\":\"0f1e2d3c\",\"license_expiration_time\":null,"
    "\"customer_info\":null,\"instance_flags\":{\"zstd_compression_enabled\":true,"
    "\"gzip_body_enabled\":true,\"dataset_examples_multipart_enabled\":true,\"ch_query_enabled\":true,"
    "\"sdb_query_enabled\":false},\"batch_ingest_config\":{\"use_multipart_endpoint\":true,"
    "\"size_limit\":200,\"size_limit_bytes\":25165824,\"scale_up_qsize_trigger\":1000,"
    "\"scale_up_nthreads_limit\":16,\"scale_down_nempty_trigger\":4}}",
    200, 24 * MIB, TRUE, TRUE, TRUE },

  /* nothing said */
  { "{}", 100, 20 * MIB, TRUE, FALSE, FALSE },
  { " \r\n\t{ } ", 100, 20 * MIB, TRUE, FALSE, FALSE },
  { "\xef\xbb\xbf{}", 100, 20 * MIB, TRUE, FALSE, FALSE },
  { "{\"detail\":\"Not Found\"}", 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS (""), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { FLAGS (""), 100, 20 * MIB, TRUE, FALSE, FALSE },

  /* numbers */
  { LIMITS ("\"size_limit\":1"), 1, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":10000"), 10000, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":10001"), 10000, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":4294967297"), 10000, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":9223372036854775807"), 10000, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":0"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":-1"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":-9223372036854775808"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":1e3"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":1e999"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":NaN"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":50.5"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":65535"), 100, 64 * 1024, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":65536"), 100, 64 * 1024, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":65537"), 100, 64 * 1024 + 1, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":1"), 100, 64 * 1024, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":104857600"), 100, 100 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":104857601"), 100, 100 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":9223372036854775807"), 100, 100 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":0"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit_bytes\":-65536"), 100, 20 * MIB, TRUE, FALSE, FALSE },

  /* wrong types */
  { LIMITS ("\"size_limit\":\"7\",\"size_limit_bytes\":\"65536\""), 100, 20 * MIB, TRUE, FALSE,
    FALSE },
  { LIMITS ("\"size_limit\":null,\"size_limit_bytes\":null"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":true,\"size_limit_bytes\":false"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"size_limit\":[7],\"size_limit_bytes\":{\"a\":1}"), 100, 20 * MIB, TRUE, FALSE,
    FALSE },
  { LIMITS ("\"use_multipart_endpoint\":0"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"use_multipart_endpoint\":null"), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { LIMITS ("\"use_multipart_endpoint\":\"false\""), 100, 20 * MIB, TRUE, FALSE, FALSE },
  { FLAGS ("\"zstd_compression_enabled\":1,\"gzip_body_enabled\":\"true\""), 100, 20 * MIB, TRUE,
    FALSE, FALSE },
  { FLAGS ("\"zstd_compression_enabled\":null,\"gzip_body_enabled\":[true]"), 100, 20 * MIB, TRUE,
    FALSE, FALSE },
  { "{\"batch_ingest_config\":[],\"instance_flags\":\"all\"}", 100, 20 * MIB, TRUE, FALSE, FALSE },
  { "{\"batch_ingest_config\":null,\"instance_flags\":true}", 100, 20 * MIB, TRUE, FALSE, FALSE },
  { "{\"batch_ingest_config\":7,\"instance_flags\":[{\"gzip_body_enabled\":true}]}", 100, 20 * MIB,
    TRUE, FALSE, FALSE },

  /* one is wrong, the others count */
  { LIMITS ("\"size_limit\":\"x\",\"size_limit_bytes\":70000"), 100, 70000, TRUE, FALSE, FALSE },
  { "{\"version\":12,\"instance_flags\":{\"gzip_body_enabled\":true}}", 100, 20 * MIB, TRUE, FALSE,
    TRUE },

  /* flags */
  { FLAGS ("\"zstd_compression_enabled\":true"), 100, 20 * MIB, TRUE, TRUE, FALSE },
  { FLAGS ("\"gzip_body_enabled\":true"), 100, 20 * MIB, TRUE, FALSE, TRUE },
  { FLAGS ("\"zstd_compression_enabled\":false,\"gzip_body_enabled\":false"), 100, 20 * MIB, TRUE,
    FALSE, FALSE },
  { LIMITS ("\"use_multipart_endpoint\":false"), 100, 20 * MIB, FALSE, FALSE, FALSE },
  { LIMITS ("\"use_multipart_endpoint\":true"), 100, 20 * MIB, TRUE, FALSE, FALSE },

  /* in the wrong place */
  { "{\"size_limit\":7,\"gzip_body_enabled\":true}", 100, 20 * MIB, TRUE, FALSE, FALSE },

  /* not UTF-8, and escapes that are no characters */
  { "{\"git_sha\":\"\xff\xc0\x80\",\"\xfe\":\"\\ud800\\u0000\",\"batch_ingest_config\":{\"size_limit\":7}}",
    7, 20 * MIB, TRUE, FALSE, FALSE },
};

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  LsobsServerInfo info;

  /* whatever was known before */
  memset (&info, 0x55, sizeof info);
  g_assert_true (_lsobs_server_info_parse (&info, row->text, strlen (row->text)));
  g_assert_cmpuint (info.max_records, ==, row->max_records);
  g_assert_cmpuint (info.max_bytes, ==, row->max_bytes);
  g_assert_cmpint (info.use_multipart, ==, row->use_multipart);
  g_assert_cmpint (info.takes_zstd, ==, row->takes_zstd);
  g_assert_cmpint (info.takes_gzip, ==, row->takes_gzip);
}

typedef struct
{
  const char *text;
  gboolean needs;
} NeedRow;

/* Only a service that says both: older ones do not know the flags. */
static const NeedRow need_rows[] = {
  { FLAGS ("\"ch_query_enabled\":false,\"sdb_query_enabled\":true"), TRUE },
  { FLAGS ("\"ch_query_enabled\":true,\"sdb_query_enabled\":true"), FALSE },
  { FLAGS ("\"ch_query_enabled\":true,\"sdb_query_enabled\":false"), FALSE },
  { FLAGS ("\"ch_query_enabled\":false,\"sdb_query_enabled\":false"), FALSE },
  { FLAGS ("\"ch_query_enabled\":false"), FALSE },
  { FLAGS ("\"sdb_query_enabled\":true"), FALSE },
  { FLAGS ("\"ch_query_enabled\":0,\"sdb_query_enabled\":1"), FALSE },
  { FLAGS ("\"ch_query_enabled\":null,\"sdb_query_enabled\":\"true\""), FALSE },
  { "{\"ch_query_enabled\":false,\"sdb_query_enabled\":true}", FALSE },
  { "{}", FALSE },
};

static void
test_needs_project_id (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (need_rows); i++)
    {
      LsobsServerInfo info;

      memset (&info, 0x55, sizeof info);
      g_assert_true (
          _lsobs_server_info_parse (&info, need_rows[i].text, strlen (need_rows[i].text)));
      g_assert_cmpint (info.needs_project_id, ==, need_rows[i].needs);
    }
}

/* Numbers that no integer can hold come out within the bounds, whatever they are taken for. */
static void
test_huge_numbers (void)
{
  static const char *const numbers[] = {
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "99999999999999999999999999999999999999",
  };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autofree char *text = g_strdup_printf (LIMITS ("\"size_limit\":%s,\"size_limit_bytes\":%s"),
                                               numbers[i], numbers[i]);
      LsobsServerInfo info;

      _lsobs_server_info_init (&info);
      g_assert_true (_lsobs_server_info_parse (&info, text, strlen (text)));
      g_assert_cmpuint (info.max_records, >=, 1);
      g_assert_cmpuint (info.max_records, <=, 10000);
      g_assert_cmpuint (info.max_bytes, >=, 64 * 1024);
      g_assert_cmpuint (info.max_bytes, <=, 100 * MIB);
    }
}

/* Nesting that would end a parser which calls itself. */
static void
test_deep (void)
{
  static const char *const opening[] = { "[", "{\"a\":", "{\"batch_ingest_config\":" };
  static const char *const closing[] = { "]", "}", "}" };

  for (guint i = 0; i < G_N_ELEMENTS (opening); i++)
    {
      g_autoptr (GString) text =
          g_string_new ("{\"instance_flags\":{\"gzip_body_enabled\":true},\"x\":");
      LsobsServerInfo info;

      for (guint j = 0; j < 100000; j++)
        g_string_append (text, opening[i]);
      _lsobs_server_info_init (&info);
      g_assert_false (_lsobs_server_info_parse (&info, text->str, text->len));
      g_assert_false (info.takes_gzip);

      g_string_append_c (text, '1');
      for (guint j = 0; j < 100000; j++)
        g_string_append (text, closing[i]);
      g_string_append_c (text, '}');
      g_assert_true (_lsobs_server_info_parse (&info, text->str, text->len));
      g_assert_true (info.takes_gzip);
    }
}

/* The text need not end with a NUL, and may hold some. */
static void
test_length (void)
{
  static const char text[] = "{\"batch_ingest_config\":{\"size_limit\":7}} and so on";
  gsize len = strlen ("{\"batch_ingest_config\":{\"size_limit\":7}}");
  g_autofree char *copy = g_memdup2 (text, len);
  LsobsServerInfo info;

  g_assert_true (_lsobs_server_info_parse (&info, copy, len));
  g_assert_cmpuint (info.max_records, ==, 7);
  for (gsize i = 0; i < len; i++)
    {
      g_autofree char *cut = g_memdup2 (text, i);

      g_assert_false (_lsobs_server_info_parse (&info, cut, i));
    }
  g_assert_false (_lsobs_server_info_parse (&info, "{}\0{}", 5));
  g_assert_cmpuint (info.max_records, ==, 7);
}

/* --- versions ------------------------------------------------------------------------------ */

/* Whether it is 0.8.10 at least. */
static const struct
{
  const char *version;
  gboolean is_new;
} versions[] = {
  { "\"0.8.10\"", TRUE },
  { "\"0.8.11\"", TRUE },
  { "\"0.9\"", TRUE },
  { "\"0.10\"", TRUE },
  { "\"1\"", TRUE },
  { "\"0.12.1\"", TRUE },
  { "\"0.8.10.1\"", TRUE },
  { "\"0.8.10+build.5\"", TRUE },
  { "\"0.8.11rc1\"", TRUE },
  { "\"0.9.0-rc.1\"", TRUE },
  { "\"10.0.0\"", TRUE },
  { "\"999999.0.0\"", TRUE },
  { "\"0.8.10rc1\"", FALSE },
  { "\"0.8.10-dev\"", FALSE },
  { "\"0.8.10.dev1\"", FALSE },
  { "\"0.8.9\"", FALSE },
  { "\"0.8\"", FALSE },
  { "\"0.7.99\"", FALSE },
  { "\"0\"", FALSE },
  { "\"v0.12.1\"", FALSE },
  { "\" 0.12.1\"", FALSE },
  { "\"-1.0.0\"", FALSE },
  { "\"99999999999999999999.0\"", FALSE },
  { "\"0.99999999999999999999\"", FALSE },
  { "\"0.4294967304.10\"", FALSE },
  { "\"\"", FALSE },
  { "\".\"", FALSE },
  { "\"latest\"", FALSE },
  { "\"\xd9\xa1.0.0\"", FALSE },
  { "1", FALSE },
  { "0.9", FALSE },
  { "null", FALSE },
  { "true", FALSE },
  { "[0,12,1]", FALSE },
  { "{\"major\":1}", FALSE },
};

static void
test_versions (void)
{
  LsobsServerInfo info;

  _lsobs_server_info_init (&info);
  g_assert_false (_lsobs_server_info_is_at_least (&info, 0, 0, 0));
  for (guint i = 0; i < G_N_ELEMENTS (versions); i++)
    {
      g_autofree char *text = g_strdup_printf ("{\"version\":%s}", versions[i].version);

      g_test_message ("%s", text);
      g_assert_true (_lsobs_server_info_parse (&info, text, strlen (text)));
      g_assert_cmpint (_lsobs_server_info_is_at_least (&info, 0, 8, 10), ==, versions[i].is_new);
    }

  /* an answer that does not say it takes back what an earlier one has said */
  g_assert_true (_lsobs_server_info_parse (&info, "{\"version\":\"1.0.0\"}", 19));
  g_assert_true (_lsobs_server_info_is_at_least (&info, 1, 0, 0));
  g_assert_true (_lsobs_server_info_parse (&info, "{}", 2));
  g_assert_false (_lsobs_server_info_is_at_least (&info, 0, 0, 0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autofree char *path = g_strdup_printf ("/server-info/refused/%u", i);

      g_test_add_data_func (path, refused[i], test_refused);
    }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/server-info/row/%u", i);

      g_test_add_data_func (path, &rows[i], test_row);
    }
  g_test_add_func ("/server-info/needs-project-id", test_needs_project_id);
  g_test_add_func ("/server-info/huge-numbers", test_huge_numbers);
  g_test_add_func ("/server-info/deep", test_deep);
  g_test_add_func ("/server-info/length", test_length);
  g_test_add_func ("/server-info/versions", test_versions);

  return g_test_run ();
}
