/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A file of failed traces, which a replay sends: it names no address and no header but those that
 * lsobs gives such a request, and what is read is the same when it was written and read again. */

#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "fuzz/strict-json.h"
#include "lsobs/spool/lsobs-failed-trace-private.h"

/* Returns: (transfer full): the text that a file gets */
static GBytes *
write_out (LsobsFailedTrace *trace)
{
  static FILE *file;
  gsize size = _lsobs_failed_trace_measure (trace);
  char *text = g_malloc (size + 1);

  if (file == NULL)
    file = tmpfile ();
  g_assert_nonnull (file);
  g_assert_cmpint (ftruncate (fileno (file), 0), ==, 0);
  g_assert_cmpint (lseek (fileno (file), 0, SEEK_SET), ==, 0);
  g_assert_true (_lsobs_failed_trace_write (trace, fileno (file)));
  /* one byte more than there should be */
  g_assert_cmpint (pread (fileno (file), text, size + 1, 0), ==, (gssize) size);
  return g_bytes_new_take (text, size);
}

static void
assert_trace (const LsobsFailedTrace *trace)
{
  static const char *const endpoints[] = { "runs/multipart", "runs/batch", "runs", "feedback",
                                           NULL };
  gboolean is_multipart;

  g_assert_true (g_strv_contains (endpoints, trace->endpoint));
  is_multipart = strcmp (trace->endpoint, endpoints[0]) == 0;
  g_assert_true (g_str_has_prefix (trace->content_type, "multipart/form-data; boundary=") ==
                 is_multipart);
  for (const char *p = trace->content_type; *p != '\0'; p++)
    g_assert_true (g_ascii_isprint (*p));
  g_assert_true (trace->encoding == NULL || strcmp (trace->encoding, "gzip") == 0 ||
                 strcmp (trace->encoding, "zstd") == 0);
  g_assert_nonnull (trace->body);
}

static void
check_round_trip (LsobsFailedTrace *trace)
{
  g_autoptr (GBytes) text = write_out (trace);
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsFailedTrace) again = NULL;
  g_autoptr (StrictValue) value = NULL;
  StrictFlaws flaws;
  gsize len;
  const char *data = g_bytes_get_data (text, &len);

  value = strict_value_read (data, len, &flaws);
  g_assert_nonnull (value);
  g_assert_cmpint (flaws, ==, 0);
  again = _lsobs_failed_trace_parse (data, len, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again->endpoint, ==, trace->endpoint);
  g_assert_cmpstr (again->content_type, ==, trace->content_type);
  g_assert_cmpstr (again->encoding, ==, trace->encoding);
  g_assert_true (g_bytes_equal (again->body, trace->body));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  gsize len = input.len;
  g_autofree char *text = fuzz_input_take_text (&input, len);
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsFailedTrace) trace = _lsobs_failed_trace_parse (text, len, &error);

  if (trace == NULL)
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
      return 0;
    }
  g_assert_no_error (error);
  assert_trace (trace);
  check_round_trip (trace);
  return 0;
}
