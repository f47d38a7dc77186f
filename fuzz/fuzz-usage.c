/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The usage in the answer of a provider of models: no number is negative or without bounds, and
 * what is written is read as the same. */

#include "config.h"

#include <math.h>

#include "fuzz/fuzz.h"
#include "fuzz/strict-json.h"
#include "lsobs/model/lsobs-usage-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

static void
assert_usage (const LsobsUsage *usage)
{
  gboolean is_empty = TRUE;

  for (guint i = 0; i < LSOBS_N_USAGE_ITEMS; i++)
    {
      g_assert_cmpint (usage->tokens[i], >=, -1);
      g_assert_true (isfinite (usage->costs[i]));
      g_assert_true (usage->costs[i] >= 0 || usage->costs[i] == -1);
      is_empty = is_empty && usage->tokens[i] == -1 && usage->costs[i] == -1;
    }
  g_assert_false (is_empty);
}

/* What was not set may be a sum in what is read again. */
static void
assert_same (const LsobsUsage *usage, const LsobsUsage *again)
{
  for (guint i = 0; i < LSOBS_N_USAGE_ITEMS; i++)
    {
      if (usage->tokens[i] != -1)
        g_assert_cmpint (usage->tokens[i], ==, again->tokens[i]);
      else if (i != LSOBS_USAGE_TOTAL)
        g_assert_cmpint (again->tokens[i], ==, -1);
      if (usage->costs[i] != -1)
        g_assert_true (usage->costs[i] == again->costs[i]);
      else if (i != LSOBS_USAGE_TOTAL)
        g_assert_true (again->costs[i] == -1);
    }
}

static void
check_usage (LsobsUsage *usage)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (StrictValue) value = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (LsobsUsage) again = NULL;
  g_autoptr (GError) error = NULL;
  StrictFlaws flaws;

  assert_usage (usage);
  _lsobs_usage_write (usage, &text);
  value = strict_value_read (text.data, text.len, &flaws);
  g_assert_nonnull (value);
  g_assert_cmpint (flaws, ==, 0);
  node = lsobs_usage_to_json (usage);
  again = lsobs_usage_new_from_json (node, &error);
  g_assert_no_error (error);
  assert_same (usage, again);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  const LsobsSanitizeOptions options = { .redactor = NULL };
  gsize len = input.len;
  g_autofree char *text = fuzz_input_take_text (&input, len);
  g_auto (LsobsBuffer) walked = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (LsobsUsage) usage = NULL;
  g_autoptr (GError) error = NULL;

  /* The node is what a program got from any reader. */
  if (!_lsobs_json_sanitize (&walked, text, len, &options))
    return 0;
  g_assert_true (json_parser_load_from_data (parser, walked.data, (gssize) walked.len, NULL));
  usage = lsobs_usage_new_from_json (json_parser_get_root (parser), &error);
  g_assert_cmpint (usage == NULL, ==, error != NULL);
  if (usage != NULL)
    check_usage (usage);
  return 0;
}
