/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The answer to GET /info: whatever it is, the limits are ones that lsobs can work with. */

#include "config.h"

#include "fuzz/fuzz.h"
#include "fuzz/strict-json.h"
#include "lsobs/http/lsobs-server-info-private.h"

#define MAX_RECORDS 10000
#define MIN_BYTES   (64 * 1024)
#define MAX_BYTES   (100 * 1024 * 1024)
#define MAX_VERSION 999999

static void
assert_info (const LsobsServerInfo *info)
{
  g_assert_cmpuint (info->max_records, >=, 1);
  g_assert_cmpuint (info->max_records, <=, MAX_RECORDS);
  g_assert_cmpuint (info->max_bytes, >=, MIN_BYTES);
  g_assert_cmpuint (info->max_bytes, <=, MAX_BYTES);
  for (guint i = 0; i < G_N_ELEMENTS (info->version); i++)
    g_assert_cmpuint (info->version[i], <=, MAX_VERSION);
  if (!info->has_version)
    {
      g_assert_false (_lsobs_server_info_is_at_least (info, 0, 0, 0));
      return;
    }
  g_assert_cmpint (_lsobs_server_info_is_at_least (info, info->version[0], info->version[1],
                                                   info->version[2]),
                   ==, !info->is_prerelease);
  g_assert_false (_lsobs_server_info_is_at_least (info, MAX_VERSION + 1, 0, 0));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  gsize len = input.len;
  g_autofree char *text = fuzz_input_take_text (&input, len);
  StrictFlaws flaws;
  g_autoptr (StrictValue) value = strict_value_read (text, len, &flaws);
  LsobsServerInfo before;
  LsobsServerInfo info;

  _lsobs_server_info_init (&before);
  before.max_records = 7;
  info = before;
  if (_lsobs_server_info_parse (&info, text, len))
    {
      g_assert_true (value != NULL && value->kind == STRICT_OBJECT);
      assert_info (&info);
    }
  else
    {
      g_assert_true (value == NULL || value->kind != STRICT_OBJECT);
      g_assert_cmpmem (&info, sizeof info, &before, sizeof before);
    }
  return 0;
}
