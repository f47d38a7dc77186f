/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <libsoup/soup.h>

#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"

/* How much of an answer goes into an error message, in characters. */
#define MAX_WORDS 200

/* The outcome of each status. The first matching row counts. The column .page is the outcome when
 * the answer is a page (see _lsobs_delivery_policy_is_page()): the service speaks JSON, so a page
 * comes from something else.
 *
 * A 401 or 403 is about the key only with one of these bodies:
 *
 * - JSON whose "error" is "org_scoped_key_requires_workspace": NO_WORKSPACE (403 only)
 * - any other JSON, which begins with { or [, whatever its type: UNAUTHORIZED
 * - an empty body, or text that is neither JSON nor a page: UNAUTHORIZED
 * - a page, of a firewall, a proxy or a portal: FOREIGN */
/* clang-format off */
static const struct
{
  guint first;
  guint last;
  LsobsOutcome outcome;
  LsobsOutcome page;
} statuses[] = {
  { .first = 0, .last = 0,
    .outcome = LSOBS_OUTCOME_UNREACHABLE, .page = LSOBS_OUTCOME_UNREACHABLE },
  { .first = 200, .last = 299,
    .outcome = LSOBS_OUTCOME_DELIVERED, .page = LSOBS_OUTCOME_INTERCEPTED },
  { .first = 300, .last = 399,
    .outcome = LSOBS_OUTCOME_REDIRECTED, .page = LSOBS_OUTCOME_REDIRECTED },
  { .first = 400, .last = 400,
    .outcome = LSOBS_OUTCOME_REJECTED, .page = LSOBS_OUTCOME_FOREIGN },
  { .first = 401, .last = 401,
    .outcome = LSOBS_OUTCOME_UNAUTHORIZED, .page = LSOBS_OUTCOME_FOREIGN },
  { .first = 403, .last = 403,
    .outcome = LSOBS_OUTCOME_UNAUTHORIZED, .page = LSOBS_OUTCOME_FOREIGN },
  { .first = 404, .last = 404,
    .outcome = LSOBS_OUTCOME_NOT_FOUND, .page = LSOBS_OUTCOME_NO_PAGE },
  { .first = 407, .last = 407,
    .outcome = LSOBS_OUTCOME_INTERCEPTED, .page = LSOBS_OUTCOME_INTERCEPTED },
  { .first = 408, .last = 408,
    .outcome = LSOBS_OUTCOME_RETRY, .page = LSOBS_OUTCOME_RETRY },
  { .first = 409, .last = 409,
    .outcome = LSOBS_OUTCOME_CONFLICT, .page = LSOBS_OUTCOME_FOREIGN },
  { .first = 413, .last = 413,
    .outcome = LSOBS_OUTCOME_TOO_LARGE, .page = LSOBS_OUTCOME_TOO_LARGE },
  { .first = 422, .last = 422,
    .outcome = LSOBS_OUTCOME_REJECTED, .page = LSOBS_OUTCOME_FOREIGN },
  { .first = 425, .last = 425,
    .outcome = LSOBS_OUTCOME_BUSY, .page = LSOBS_OUTCOME_BUSY },
  { .first = 429, .last = 429,
    .outcome = LSOBS_OUTCOME_BUSY, .page = LSOBS_OUTCOME_BUSY },
  { .first = 499, .last = 499,
    .outcome = LSOBS_OUTCOME_RETRY, .page = LSOBS_OUTCOME_RETRY },
  { .first = 501, .last = 501,
    .outcome = LSOBS_OUTCOME_REFUSED, .page = LSOBS_OUTCOME_INTERCEPTED },
  { .first = 505, .last = 505,
    .outcome = LSOBS_OUTCOME_REFUSED, .page = LSOBS_OUTCOME_INTERCEPTED },
  { .first = 511, .last = 511,
    .outcome = LSOBS_OUTCOME_INTERCEPTED, .page = LSOBS_OUTCOME_INTERCEPTED },
  { .first = 500, .last = 599,
    .outcome = LSOBS_OUTCOME_RETRY, .page = LSOBS_OUTCOME_RETRY },
  { .first = 0, .last = G_MAXUINT,
    .outcome = LSOBS_OUTCOME_REFUSED, .page = LSOBS_OUTCOME_FOREIGN },
};
/* clang-format on */

/* The client obeys .retry and .unsure, the worker the rest. */
static const LsobsDeliveryPolicy policies[LSOBS_N_OUTCOMES] = {
  [LSOBS_OUTCOME_DELIVERED] = {
    .name = "success",
    .action = LSOBS_DELIVERY_ACTION_DONE,
    .state = LSOBS_STATE_OK,
  },
  [LSOBS_OUTCOME_RETRY] = {
    .name = "retry",
    .retry = TRUE,
    .unsure = TRUE,
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_UNAVAILABLE,
    .reason = LSOBS_DROP_REASON_UNAVAILABLE,
    .explanation = N_("The service is not available"),
  },
  [LSOBS_OUTCOME_BUSY] = {
    .name = "busy",
    .retry = TRUE,
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_UNAVAILABLE,
    .reason = LSOBS_DROP_REASON_UNAVAILABLE,
    .explanation = N_("The service does not accept more for now"),
  },
  [LSOBS_OUTCOME_UNREACHABLE] = {
    .name = "no answer",
    .retry = TRUE,
    .unsure = TRUE,
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_UNREACHABLE,
    .reason = LSOBS_DROP_REASON_UNAVAILABLE,
    .explanation = N_("The service cannot be reached"),
  },
  [LSOBS_OUTCOME_CONFLICT] = {
    .name = "conflict",
    .split = TRUE,
    .action = LSOBS_DELIVERY_ACTION_DONE,
    .state = LSOBS_STATE_OK,
    .code = LSOBS_ERROR_CONFLICT,
    .reason = LSOBS_DROP_REASON_REJECTED,
    .explanation = N_("The service has had one of the runs already"),
  },
  [LSOBS_OUTCOME_TOO_LARGE] = {
    .name = "too large",
    .split = TRUE,
    .action = LSOBS_DELIVERY_ACTION_DROP,
    .state = LSOBS_STATE_OK,
    .code = LSOBS_ERROR_TOO_LARGE,
    .reason = LSOBS_DROP_REASON_TOO_LARGE,
    .explanation = N_("The request is too large for the service"),
  },
  [LSOBS_OUTCOME_REJECTED] = {
    .name = "bad data",
    .split = TRUE,
    .action = LSOBS_DELIVERY_ACTION_DROP,
    .state = LSOBS_STATE_OK,
    .code = LSOBS_ERROR_REJECTED,
    .reason = LSOBS_DROP_REASON_REJECTED,
    .explanation = N_("The service refused the data"),
  },
  [LSOBS_OUTCOME_REFUSED] = {
    .name = "bad request",
    .action = LSOBS_DELIVERY_ACTION_DROP,
    .state = LSOBS_STATE_DEGRADED,
    .code = LSOBS_ERROR_REFUSED,
    .reason = LSOBS_DROP_REASON_REJECTED,
    .explanation = N_("The service does not accept such a request"),
  },
  [LSOBS_OUTCOME_UNAUTHORIZED] = {
    .name = "wrong key",
    .action = LSOBS_DELIVERY_ACTION_DROP,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_UNAUTHORIZED,
    .reason = LSOBS_DROP_REASON_UNAUTHORIZED,
    .explanation =
        N_("The service refused the API key; check the key, its region and its workspace"),
  },
  [LSOBS_OUTCOME_NO_WORKSPACE] = {
    .name = "no workspace",
    .action = LSOBS_DELIVERY_ACTION_DROP,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_UNAUTHORIZED,
    .reason = LSOBS_DROP_REASON_UNAUTHORIZED,
    .explanation =
        N_("The API key belongs to a whole organization; set the workspace id as well (the "
           "property workspace-id, or the environment variable LANGSMITH_WORKSPACE_ID)"),
  },
  [LSOBS_OUTCOME_QUOTA] = {
    .name = "used-up quota",
    .action = LSOBS_DELIVERY_ACTION_DROP,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_QUOTA,
    .reason = LSOBS_DROP_REASON_QUOTA,
    .explanation = N_("A usage limit of the account is used up"),
  },
  [LSOBS_OUTCOME_LIMITED] = {
    .name = "used-up hour",
    .action = LSOBS_DELIVERY_ACTION_WAIT,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_LIMITED,
    .reason = LSOBS_DROP_REASON_QUOTA,
    .explanation = N_("The account's limit for this hour is used up"),
  },
  [LSOBS_OUTCOME_NOT_FOUND] = {
    .name = "wrong address",
    .action = LSOBS_DELIVERY_ACTION_DROP,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_NOT_FOUND,
    .reason = LSOBS_DROP_REASON_WRONG_ADDRESS,
    .explanation =
        N_("There is no such service at this address; check the API URL, which ends in /api "
           "on one's own server"),
  },
  [LSOBS_OUTCOME_REDIRECTED] = {
    .name = "redirect",
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_REDIRECTED,
    .reason = LSOBS_DROP_REASON_WRONG_ADDRESS,
    .explanation =
        N_("The answer is a redirect, which is not followed; check the API URL, which ends in "
           "/api on one's own server, and whether a sign-in portal or a proxy is in between"),
  },
  [LSOBS_OUTCOME_FOREIGN] = {
    .name = "foreign refusal",
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_FOREIGN,
    .reason = LSOBS_DROP_REASON_REJECTED,
    .explanation =
        N_("A page that is not the service's refuses the request; check the proxy, the "
           "firewall or the sign-in portal in between, and the API URL, which ends in /api on "
           "one's own server"),
  },
  [LSOBS_OUTCOME_BLOCKED] = {
    .name = "blocked",
    .split = TRUE,
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_BLOCKED,
    .reason = LSOBS_DROP_REASON_REJECTED,
    .explanation =
        N_("A proxy or firewall in front of the service refuses what is in the request; check "
           "its rules"),
  },
  [LSOBS_OUTCOME_NO_PAGE] = {
    .name = "no such page",
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_FOREIGN,
    .reason = LSOBS_DROP_REASON_REJECTED,
    .explanation =
        N_("A server that is not the service has no such page; check the API URL, which ends "
           "in /api on one's own server, and the proxy or portal in between"),
  },
  [LSOBS_OUTCOME_INTERCEPTED] = {
    .name = "intercepted",
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_FOREIGN,
    .reason = LSOBS_DROP_REASON_REJECTED,
    .explanation =
        N_("The answer is not the service's; sign in to the network's portal, or check the "
           "proxy and the API URL, which ends in /api on one's own server"),
  },
  [LSOBS_OUTCOME_NO_KEY] = {
    .name = "no key",
    .action = LSOBS_DELIVERY_ACTION_PROBE,
    .state = LSOBS_STATE_PAUSED,
    .code = LSOBS_ERROR_NO_KEY,
    .reason = LSOBS_DROP_REASON_UNAUTHORIZED,
    .explanation = N_("There is no API key"),
  },
};

/* Sending was cancelled, so no answer has an outcome. */
static const LsobsDeliveryPolicy cancelled_policy = {
  .name = "cancelled",
  .unsure = TRUE,
  .action = LSOBS_DELIVERY_ACTION_DROP,
  .state = LSOBS_STATE_OK,
  .reason = LSOBS_DROP_REASON_SHUTDOWN,
};

const LsobsDeliveryPolicy *
_lsobs_delivery_policy_get (LsobsOutcome outcome)
{
  return &policies[outcome];
}

/* @error: (nullable): of a transport; %NULL for success */
const LsobsDeliveryPolicy *
_lsobs_delivery_policy_find (const GError *error)
{
  if (error == NULL)
    return &policies[LSOBS_OUTCOME_DELIVERED];
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return &cancelled_policy;
  for (guint i = LSOBS_OUTCOME_DELIVERED + 1; i < LSOBS_N_OUTCOMES; i++)
    if (g_error_matches (error, LSOBS_ERROR, policies[i].code))
      return &policies[i];
  return &policies[LSOBS_OUTCOME_UNREACHABLE];
}

/* A 429 body says which limit was hit: monthly, hourly or short-term. */
static LsobsOutcome
classify_limit (const char *body)
{
  g_autofree char *lower = g_ascii_strdown (body, -1);

  if (strstr (lower, "monthly") != NULL)
    return LSOBS_OUTCOME_QUOTA;
  if (strstr (lower, "hour") != NULL)
    return LSOBS_OUTCOME_LIMITED;
  if (strstr (lower, "usage limit exceeded") != NULL)
    return LSOBS_OUTCOME_QUOTA;
  return LSOBS_OUTCOME_BUSY;
}

/* Whether the body says that the key needs a workspace id. */
static gboolean
asks_for_workspace (const char *body)
{
  g_autoptr (GString) bare = g_string_new (NULL);

  for (const char *at = body; *at != '\0'; at++)
    if (!g_ascii_isspace (*at))
      g_string_append_c (bare, *at);
  return strstr (bare->str, "\"error\":\"org_scoped_key_requires_workspace\"") != NULL;
}

/* Skips a byte order mark and white space. */
static const char *
skip_blank (const char *text)
{
  if (g_str_has_prefix (text, "\xef\xbb\xbf"))
    text += 3;
  else if (g_str_has_prefix (text, "\xff\xfe"))
    text += 2;
  while (g_ascii_isspace (*text))
    text++;
  return text;
}

/* @type: (nullable): the value of Content-Type, with parameters */
static gboolean
is_html (const char *type)
{
  static const char *const names[] = { "text/html", "application/xhtml+xml" };

  while (type != NULL && g_ascii_isspace (*type))
    type++;
  for (guint i = 0; type != NULL && i < G_N_ELEMENTS (names); i++)
    {
      gsize len = strlen (names[i]);

      if (g_ascii_strncasecmp (type, names[i], len) == 0 &&
          (type[len] == '\0' || strchr ("; \t", type[len]) != NULL))
        return TRUE;
    }
  return FALSE;
}

/* Whether an answer is HTML or XML. A body that begins as JSON is JSON, whatever its type. An empty
 * success is no page.
 * @type: (nullable): the Content-Type of the answer
 * @body: (nullable): the beginning of the answer */
gboolean
_lsobs_delivery_policy_is_page (guint status, const char *type, const char *body)
{
  const char *start = skip_blank (body != NULL ? body : "");

  if (*start == '<')
    return TRUE;
  if (*start == '{' || *start == '[' || (*start == '\0' && SOUP_STATUS_IS_SUCCESSFUL (status)))
    return FALSE;
  return is_html (type);
}

/* @status: of HTTP, or 0 for no answer
 * @type: (nullable): the Content-Type of the answer
 * @body: (nullable): the beginning of the answer
 * Returns: the outcome of the answer */
LsobsOutcome
_lsobs_delivery_policy_classify (guint status, const char *type, const char *body)
{
  gboolean page = _lsobs_delivery_policy_is_page (status, type, body);
  guint i = 0;

  if (status == 429 && body != NULL && !page)
    return classify_limit (body);
  if (status == 403 && body != NULL && !page && asks_for_workspace (body))
    return LSOBS_OUTCOME_NO_WORKSPACE;
  while (status < statuses[i].first || status > statuses[i].last)
    i++;
  return page ? statuses[i].page : statuses[i].outcome;
}

/* Makes half of a delay random, so that clients that failed together retry at different times.
 * @chance: random, from 0 to 1 */
gint64
_lsobs_delivery_policy_spread (gint64 delay, double chance)
{
  return (gint64) ((double) delay * (0.5 + 0.5 * CLAMP (chance, 0.0, 1.0)));
}

/* @base: ms: the first delay; it doubles with each attempt
 * @chance: see _lsobs_delivery_policy_spread()
 * @retry_after: ms: what the service asks for, or -1
 * Returns: ms: the delay after @n_attempts failed attempts */
gint64
_lsobs_delivery_policy_delay (gint64 base, guint n_attempts, double chance, gint64 retry_after)
{
  gint64 delay = base;

  for (guint i = 1; i < n_attempts && delay < LSOBS_DELIVERY_POLICY_MAX_DELAY; i++)
    delay *= 2;
  delay = MIN (delay, LSOBS_DELIVERY_POLICY_MAX_DELAY);
  delay = _lsobs_delivery_policy_spread (delay, chance);
  return MAX (delay, MIN (retry_after, LSOBS_DELIVERY_POLICY_MAX_AFTER));
}

/* Returns: ms: the delay before the next attempt, or -1 to give up */
gint64
_lsobs_delivery_policy_next_delay (const LsobsRetryState *retry, double chance, gint64 retry_after)
{
  gint64 delay =
      _lsobs_delivery_policy_delay (retry->delay, retry->n_attempts, chance, retry_after);

  if (retry->n_attempts >= retry->max_attempts ||
      retry->elapsed + delay > LSOBS_DELIVERY_POLICY_MAX_TOTAL)
    return -1;
  return delay;
}

/* A wait that ends after the deadline of a shutdown would lose the records. It ends halfway to the
 * deadline instead: one last chance, at the same time for all waits.
 * @until: the end of the wait; all times are monotonic, in µs
 * @end: the deadline
 * @last_chance: (inout): the time of the last chance, or 0 before the first call
 * Returns: the new end of the wait */
gint64
_lsobs_delivery_policy_before_end (gint64 until, gint64 now, gint64 end, gint64 *last_chance)
{
  if (until < end)
    return until;
  if (*last_chance == 0)
    *last_chance = now + MAX (end - now, 0) / 2;
  return now < *last_chance ? *last_chance : until;
}

/* The length of a pause: while the service accepts nothing, or until the next probe while it cannot
 * be reached. It doubles each time.
 * @first: ms: the first pause
 * @growth: the longest pause is @growth times the first one
 * @last: ms: the previous pause, or 0
 * Returns: ms */
gint64
_lsobs_delivery_policy_pause (gint64 first, gint64 growth, gint64 last)
{
  return last == 0 ? first : MIN (2 * last, growth * first);
}

/* Shortens a pause to the end of the hour (UTC), when an hourly limit ends. A random part keeps
 * clients from coming back in the same second.
 * @pause: ms
 * @now: µs since 1970
 * @chance: random, from 0 to 1
 * Returns: ms */
gint64
_lsobs_delivery_policy_pause_to_hour (gint64 pause, gint64 now, double chance)
{
  const gint64 hour = 3600 * 1000;
  gint64 left = hour - (now / 1000) % hour;

  return MIN (pause,
              left + (gint64) (LSOBS_DELIVERY_POLICY_HOUR_SPREAD * CLAMP (chance, 0.0, 1.0)));
}

/* @value: (nullable): of the header Retry-After: seconds or a date
 * @now: seconds since 1970
 * Returns: ms, at most LSOBS_DELIVERY_POLICY_MAX_AFTER, or -1 when @value is missing or invalid */
gint64
_lsobs_delivery_policy_parse_retry_after (const char *value, gint64 now)
{
  g_autofree char *stripped = NULL;
  g_autoptr (GDateTime) date = NULL;
  guint64 seconds;
  gint64 wait;

  if (value == NULL)
    return -1;
  stripped = g_strstrip (g_strdup (value));
  if (g_ascii_isdigit (stripped[0]) && stripped[strspn (stripped, "0123456789")] == '\0')
    {
      /* An overflow gives G_MAXUINT64. */
      seconds = g_ascii_strtoull (stripped, NULL, 10);
      return (gint64) MIN (seconds, LSOBS_DELIVERY_POLICY_MAX_AFTER / 1000) * 1000;
    }
  date = soup_date_time_new_from_http_string (stripped);
  if (date == NULL)
    return -1;
  wait = g_date_time_to_unix (date) - now;
  return CLAMP (wait, 0, LSOBS_DELIVERY_POLICY_MAX_AFTER / 1000) * 1000;
}

/* Replaces control characters by spaces; a terminal would obey them. */
static void
hide_controls (char *text)
{
  for (char *at = text; *at != '\0';)
    {
      char *next = g_utf8_next_char (at);

      if (g_unichar_iscntrl (g_utf8_get_char (at)))
        memset (at, ' ', (gsize) (next - at));
      at = next;
    }
}

/* @body: valid UTF-8
 * Returns: (transfer full) (nullable): what a JSON object says of an error, or NULL if it says
 *   nothing in a known member, or the body is not an object */
static char *
take_member (const char *body)
{
  static const char *const names[] = { "detail", "message", "error" };
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;

  if (*body != '{' || !_lsobs_json_document_load (&document, body, strlen (body)))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = _lsobs_json_document_find (&document, document.text.data, names[i]);
      gsize len;
      const char *text = _lsobs_json_document_decode (&document, value, &len);

      if (text != NULL && len > 0)
        return g_utf8_make_valid (text, (gssize) len);
    }
  return NULL;
}

/* Returns: (transfer full): the text of an answer for an error message: of a JSON object, the
 *   member that says what is wrong; of a page, its title only */
static char *
take_words (const char *body)
{
  g_autofree char *valid = g_utf8_make_valid (body, -1);
  const char *start = skip_blank (valid);
  g_autofree char *lower = g_ascii_strdown (start, -1);
  const char *title;
  const char *end;
  char *member = take_member (start);

  if (member != NULL)
    return g_strstrip (member);
  if (*start != '<')
    return g_strstrip (g_steal_pointer (&valid));
  title = strstr (lower, "<title");
  title = title != NULL ? strchr (title, '>') : NULL;
  if (title == NULL)
    return g_strdup ("");
  title++;
  end = strchr (title, '<');
  if (end == NULL)
    end = title + strlen (title);
  return g_strstrip (g_strndup (start + (title - lower), (gsize) (end - title)));
}

/* @outcome: any except LSOBS_OUTCOME_DELIVERED
 * Returns: (transfer full): an error with the status and the beginning of the answer, fit for one
 *   line of a log */
GError *
_lsobs_delivery_policy_make_error (LsobsOutcome outcome, guint status, const char *body)
{
  const LsobsDeliveryPolicy *policy = &policies[outcome];
  g_autofree char *all = take_words (body != NULL ? body : "");
  g_autofree char *words = NULL;

  if (g_utf8_strlen (all, -1) > MAX_WORDS)
    words = g_utf8_substring (all, 0, MAX_WORDS);
  else
    words = g_strdup (all);
  hide_controls (words);

  if (*words == '\0')
    /* TRANSLATORS: a sentence, such as “The service refused the data”, and the status of HTTP. */
    return g_error_new (LSOBS_ERROR, (int) policy->code, _ ("%s (HTTP %u)"),
                        _ (policy->explanation), status);
  /* TRANSLATORS: a sentence, the status of HTTP, and what the service said, in its own words. */
  return g_error_new (LSOBS_ERROR, (int) policy->code, _ ("%s (HTTP %u: %s)"),
                      _ (policy->explanation), status, words);
}
