/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The answer to a request, from the service or from whatever is before it: status, Retry-After,
 * type and the beginning of the body. Each has an outcome with a policy, a delay within bounds, and
 * an error that fits one line of a log. The first two bytes are the status, the next two lines the
 * headers. */

#include "config.h"

#include "fuzz/fuzz.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

/* 2026-01-01, in seconds and µs since 1970 */
#define NOW_S  G_GINT64_CONSTANT (1767225600)
#define NOW_US (NOW_S * G_USEC_PER_SEC)

/* Of a message, with the sentence of lsobs. */
#define MAX_CHARS 700

static void
assert_message (const char *message)
{
  g_assert_true (g_utf8_validate (message, -1, NULL));
  g_assert_cmpint (g_utf8_strlen (message, -1), <=, MAX_CHARS);
  for (; *message != '\0'; message = g_utf8_next_char (message))
    g_assert_false (g_unichar_iscntrl (g_utf8_get_char (message)));
}

static void
check_error (LsobsOutcome outcome, guint status, const char *body)
{
  g_autoptr (GError) error = _lsobs_delivery_policy_make_error (outcome, status, body);
  const LsobsDeliveryPolicy *policy = _lsobs_delivery_policy_get (outcome);

  g_assert_error (error, LSOBS_ERROR, (int) policy->code);
  assert_message (error->message);
  g_assert_nonnull (_lsobs_delivery_policy_find (error));
}

static void
check_delay (const char *retry_after, double chance)
{
  gint64 after = _lsobs_delivery_policy_parse_retry_after (retry_after, NOW_S);

  g_assert_cmpint (after, >=, -1);
  g_assert_cmpint (after, <=, LSOBS_DELIVERY_POLICY_MAX_AFTER);
  for (guint n = 0; n < 70; n += 7)
    {
      gint64 delay = _lsobs_delivery_policy_delay (500, n, chance, after);
      LsobsRetryState retry = {
        .max_attempts = 100, .delay = 500, .n_attempts = n, .elapsed = (gint64) n * 1000
      };
      gint64 next = _lsobs_delivery_policy_next_delay (&retry, chance, after);

      g_assert_cmpint (delay, >=, 0);
      g_assert_cmpint (delay, <=,
                       MAX (LSOBS_DELIVERY_POLICY_MAX_DELAY, LSOBS_DELIVERY_POLICY_MAX_AFTER));
      g_assert_cmpint (next, >=, -1);
      g_assert_cmpint (retry.elapsed + MAX (next, 0), <=, LSOBS_DELIVERY_POLICY_MAX_TOTAL);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  guint status = (guint) fuzz_input_take_byte (&input) << 8 | fuzz_input_take_byte (&input);
  g_autofree char *retry_after = fuzz_input_take_line (&input);
  g_autofree char *type = fuzz_input_take_line (&input);
  gsize len = input.len;
  g_autofree char *body = fuzz_input_take_text (&input, len);
  LsobsOutcome outcome;

  status %= 1000;
  _lsobs_delivery_policy_is_page (status, type, body);
  _lsobs_delivery_policy_is_page (status, NULL, body);
  outcome = _lsobs_delivery_policy_classify (status, type, body);
  g_assert_cmpint (outcome, <, LSOBS_N_OUTCOMES);
  g_assert_cmpint (_lsobs_delivery_policy_classify (status, NULL, NULL), <, LSOBS_N_OUTCOMES);
  /* Only a success of the service counts. */
  if (outcome == LSOBS_OUTCOME_DELIVERED)
    g_assert_true (status >= 200 && status < 300);
  else
    check_error (outcome, status, body);
  check_delay (retry_after, (double) (len % 11) / 10);
  g_assert_cmpint (_lsobs_delivery_policy_pause_to_hour (G_MAXINT64, NOW_US, 1), <=,
                   3600 * 1000 + LSOBS_DELIVERY_POLICY_HOUR_SPREAD);
  return 0;
}
