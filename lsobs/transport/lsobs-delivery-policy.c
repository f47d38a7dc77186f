/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <libsoup/soup.h>

#include "lsobs/transport/lsobs-delivery-policy-private.h"

/* How much of the server's own words goes into a message, in characters. */
#define MAX_WORDS 200

/* What each status says: the first row that fits decides. An answer that is a page for
 * people (see is_page()) does not come from the service, which speaks JSON; what such a
 * page says with the same status is in the last column.
 *
 * The key is to blame for a 401 or 403 with one of these bodies, and with no other:
 *
 *   body                                                  verdict
 *   JSON, "error" is "org_scoped_key_requires_workspace"  NO_WORKSPACE (403 only)
 *   any other JSON: begins with { or [, whatever its type UNAUTHORIZED
 *   nothing, or text that is neither JSON nor a page      UNAUTHORIZED
 *   a page: of a firewall, a proxy, a portal              FOREIGN
 */
/* clang-format off */
static const struct
{
  guint first;
  guint last;
  LsobsVerdict verdict;
  LsobsVerdict page;
} verdicts[] = {
  { 0, 0, LSOBS_VERDICT_UNREACHABLE, LSOBS_VERDICT_UNREACHABLE },
  { 200, 299, LSOBS_VERDICT_DELIVERED, LSOBS_VERDICT_INTERCEPTED },
  { 300, 399, LSOBS_VERDICT_REDIRECTED, LSOBS_VERDICT_REDIRECTED },
  { 400, 400, LSOBS_VERDICT_REJECTED, LSOBS_VERDICT_FOREIGN },
  { 401, 401, LSOBS_VERDICT_UNAUTHORIZED, LSOBS_VERDICT_FOREIGN },
  { 403, 403, LSOBS_VERDICT_UNAUTHORIZED, LSOBS_VERDICT_FOREIGN },
  { 404, 404, LSOBS_VERDICT_NOT_FOUND, LSOBS_VERDICT_NO_PAGE },
  { 407, 407, LSOBS_VERDICT_INTERCEPTED, LSOBS_VERDICT_INTERCEPTED },
  { 408, 408, LSOBS_VERDICT_RETRY, LSOBS_VERDICT_RETRY },
  { 409, 409, LSOBS_VERDICT_CONFLICT, LSOBS_VERDICT_FOREIGN },
  { 413, 413, LSOBS_VERDICT_TOO_LARGE, LSOBS_VERDICT_TOO_LARGE },
  { 422, 422, LSOBS_VERDICT_REJECTED, LSOBS_VERDICT_FOREIGN },
  { 425, 425, LSOBS_VERDICT_BUSY, LSOBS_VERDICT_BUSY },
  { 429, 429, LSOBS_VERDICT_BUSY, LSOBS_VERDICT_BUSY },
  { 499, 499, LSOBS_VERDICT_RETRY, LSOBS_VERDICT_RETRY },
  { 501, 501, LSOBS_VERDICT_REFUSED, LSOBS_VERDICT_INTERCEPTED },
  { 505, 505, LSOBS_VERDICT_REFUSED, LSOBS_VERDICT_INTERCEPTED },
  { 511, 511, LSOBS_VERDICT_INTERCEPTED, LSOBS_VERDICT_INTERCEPTED },
  { 500, 599, LSOBS_VERDICT_RETRY, LSOBS_VERDICT_RETRY },
  { 0, G_MAXUINT, LSOBS_VERDICT_REFUSED, LSOBS_VERDICT_FOREIGN },
};
/* clang-format on */

/* What is done about it: the client obeys @again and @unsure, the worker the rest. */
static const LsobsPolicy policies[LSOBS_N_VERDICTS] = {
  [LSOBS_VERDICT_DELIVERED] = {
    "success", FALSE, FALSE, FALSE, LSOBS_FATE_DELIVERED, LSOBS_STATE_OK, 0, 0, NULL,
  },
  [LSOBS_VERDICT_RETRY] = {
    "retry", TRUE, TRUE, FALSE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_UNAVAILABLE, LSOBS_DROP_REASON_UNAVAILABLE,
    N_("The service is not available"),
  },
  [LSOBS_VERDICT_BUSY] = {
    "busy", TRUE, FALSE, FALSE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_UNAVAILABLE, LSOBS_DROP_REASON_UNAVAILABLE,
    N_("The service does not take any more for now"),
  },
  [LSOBS_VERDICT_UNREACHABLE] = {
    "no answer", TRUE, TRUE, FALSE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_UNREACHABLE, LSOBS_DROP_REASON_UNAVAILABLE,
    N_("The service cannot be reached"),
  },
  [LSOBS_VERDICT_CONFLICT] = {
    "conflict", FALSE, FALSE, TRUE, LSOBS_FATE_DELIVERED, LSOBS_STATE_OK,
    LSOBS_ERROR_CONFLICT, LSOBS_DROP_REASON_REJECTED,
    N_("The service has had one of the runs already"),
  },
  [LSOBS_VERDICT_TOO_LARGE] = {
    "too large", FALSE, FALSE, TRUE, LSOBS_FATE_LOST, LSOBS_STATE_OK,
    LSOBS_ERROR_TOO_LARGE, LSOBS_DROP_REASON_TOO_LARGE,
    N_("The service does not take as much at a time"),
  },
  [LSOBS_VERDICT_REJECTED] = {
    "bad data", FALSE, FALSE, TRUE, LSOBS_FATE_LOST, LSOBS_STATE_OK,
    LSOBS_ERROR_REJECTED, LSOBS_DROP_REASON_REJECTED,
    N_("The service refused the data"),
  },
  [LSOBS_VERDICT_REFUSED] = {
    "bad request", FALSE, FALSE, FALSE, LSOBS_FATE_LOST, LSOBS_STATE_DEGRADED,
    LSOBS_ERROR_REFUSED, LSOBS_DROP_REASON_REJECTED,
    N_("The service does not take such a request"),
  },
  [LSOBS_VERDICT_UNAUTHORIZED] = {
    "wrong key", FALSE, FALSE, FALSE, LSOBS_FATE_LOST, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_UNAUTHORIZED, LSOBS_DROP_REASON_UNAUTHORIZED,
    N_("The service refused the API key; check the key, its region and its workspace"),
  },
  [LSOBS_VERDICT_NO_WORKSPACE] = {
    "no workspace", FALSE, FALSE, FALSE, LSOBS_FATE_LOST, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_UNAUTHORIZED, LSOBS_DROP_REASON_UNAUTHORIZED,
    N_("The API key belongs to a whole organization; set the workspace id as well (the property "
       "workspace-id, or the environment variable LANGSMITH_WORKSPACE_ID)"),
  },
  [LSOBS_VERDICT_QUOTA] = {
    "used-up quota", FALSE, FALSE, FALSE, LSOBS_FATE_LOST, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_QUOTA, LSOBS_DROP_REASON_QUOTA,
    N_("A usage limit of the account is used up"),
  },
  [LSOBS_VERDICT_LIMITED] = {
    "used-up hour", FALSE, FALSE, FALSE, LSOBS_FATE_KEPT, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_LIMITED, LSOBS_DROP_REASON_QUOTA,
    N_("The account's limit for this hour is used up"),
  },
  [LSOBS_VERDICT_NOT_FOUND] = {
    "wrong address", FALSE, FALSE, FALSE, LSOBS_FATE_LOST, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_NOT_FOUND, LSOBS_DROP_REASON_WRONG_ADDRESS,
    N_("There is no such service at this address; check the API URL, which ends in /api "
       "on one's own server"),
  },
  [LSOBS_VERDICT_REDIRECTED] = {
    "redirect", FALSE, FALSE, FALSE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_REDIRECTED, LSOBS_DROP_REASON_WRONG_ADDRESS,
    N_("The answer is a redirect, which is not followed; check the API URL, which ends in /api "
       "on one's own server, and whether a sign-in portal or a proxy is in between"),
  },
  [LSOBS_VERDICT_FOREIGN] = {
    "foreign refusal", FALSE, FALSE, FALSE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_FOREIGN, LSOBS_DROP_REASON_REJECTED,
    N_("A page that is not the service's refuses the request; check the proxy, the firewall or "
       "the sign-in portal in between, and the API URL, which ends in /api on one's own server"),
  },
  [LSOBS_VERDICT_BLOCKED] = {
    "blocked", FALSE, FALSE, TRUE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_BLOCKED, LSOBS_DROP_REASON_REJECTED,
    N_("A proxy or firewall in front of the service refuses what is in the request; check its "
       "rules"),
  },
  [LSOBS_VERDICT_NO_PAGE] = {
    "no such page", FALSE, FALSE, FALSE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_FOREIGN, LSOBS_DROP_REASON_REJECTED,
    N_("A server that is not the service has no such page; check the API URL, which ends in /api "
       "on one's own server, and the proxy or portal in between"),
  },
  [LSOBS_VERDICT_INTERCEPTED] = {
    "intercepted", FALSE, FALSE, FALSE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_FOREIGN, LSOBS_DROP_REASON_REJECTED,
    N_("The answer is not the service's; sign in to the network's portal, or check the proxy and "
       "the API URL, which ends in /api on one's own server"),
  },
  [LSOBS_VERDICT_NO_KEY] = {
    "no key", FALSE, FALSE, FALSE, LSOBS_FATE_HELD, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_NO_KEY, LSOBS_DROP_REASON_UNAUTHORIZED,
    N_("There is no API key"),
  },
};

/* Sending was ended from our side; no answer says so. */
static const LsobsPolicy cancelled_policy = {
  "cancelled", FALSE, TRUE, FALSE, LSOBS_FATE_LOST, LSOBS_STATE_OK, 0, LSOBS_DROP_REASON_SHUTDOWN,
  NULL,
};

const LsobsPolicy *
_lsobs_delivery_policy_get_policy (LsobsVerdict verdict)
{
  return &policies[verdict];
}

/* @error: (nullable): what a transport ended with; NULL for success */
const LsobsPolicy *
_lsobs_delivery_policy_find_policy (const GError *error)
{
  if (error == NULL)
    return &policies[LSOBS_VERDICT_DELIVERED];
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return &cancelled_policy;
  for (guint i = LSOBS_VERDICT_DELIVERED + 1; i < LSOBS_N_VERDICTS; i++)
    if (g_error_matches (error, LSOBS_ERROR, policies[i].code))
      return &policies[i];
  return &policies[LSOBS_VERDICT_UNREACHABLE];
}

/* Of 429, the words tell for how long: a limit of the month does not pass while we
 * wait, one of the hour does with the next hour, and any other within a minute. */
static LsobsVerdict
judge_limit (const char *body)
{
  g_autofree char *lower = g_ascii_strdown (body, -1);

  if (strstr (lower, "monthly") != NULL)
    return LSOBS_VERDICT_QUOTA;
  if (strstr (lower, "hour") != NULL)
    return LSOBS_VERDICT_LIMITED;
  if (strstr (lower, "usage limit exceeded") != NULL)
    return LSOBS_VERDICT_QUOTA;
  return LSOBS_VERDICT_BUSY;
}

/* Whether the body is the one that stands for a key without a workspace. */
static gboolean
asks_for_workspace (const char *body)
{
  g_autoptr (GString) bare = g_string_new (NULL);

  for (const char *at = body; *at != '\0'; at++)
    if (!g_ascii_isspace (*at))
      g_string_append_c (bare, *at);
  return strstr (bare->str, "\"error\":\"org_scoped_key_requires_workspace\"") != NULL;
}

/* Past the mark that a text may begin with, and white space. */
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

/* @type: (nullable): of the header, with its parameters */
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

/* Whether an answer is a page for people, or a document of XML. What begins as JSON is
 * JSON, whatever a careless server calls it; and success with nothing in it is success. */
static gboolean
is_page (guint status, const char *type, const char *body)
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
 * @body: (nullable): the first words of the answer */
LsobsVerdict
_lsobs_delivery_policy_judge (guint status, const char *type, const char *body)
{
  gboolean page = is_page (status, type, body);
  guint i = 0;

  if (status == 429 && body != NULL && !page)
    return judge_limit (body);
  if (status == 403 && body != NULL && !page && asks_for_workspace (body))
    return LSOBS_VERDICT_NO_WORKSPACE;
  while (status < verdicts[i].first || status > verdicts[i].last)
    i++;
  return page ? verdicts[i].page : verdicts[i].verdict;
}

/* Half of a delay is random, so that clients that failed together do not try again
 * together.
 * @chance: from 0 to 1 */
gint64
_lsobs_delivery_policy_spread (gint64 delay, double chance)
{
  return (gint64) ((double) delay * (0.5 + 0.5 * CLAMP (chance, 0.0, 1.0)));
}

/* How long to wait after so many attempts, in ms.
 * @base: the first delay in ms, which doubles
 * @chance: of _lsobs_delivery_policy_spread()
 * @retry_after: in ms, or -1 */
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

/* Returns: how long to wait until the next attempt, in ms, or -1 if there is to be
 * none */
gint64
_lsobs_delivery_policy_next (const LsobsRetryPlan *plan, double chance, gint64 retry_after)
{
  gint64 delay = _lsobs_delivery_policy_delay (plan->delay, plan->n_attempts, chance, retry_after);

  if (plan->n_attempts >= plan->max_attempts ||
      plan->elapsed + delay > LSOBS_DELIVERY_POLICY_MAX_TOTAL)
    return -1;
  return delay;
}

/* What would wait beyond the end of all sending is lost then: it is tried once more,
 * halfway to it, and so is everything else.
 * @until: how long to wait; this and the others in µs, monotonic
 * @last_chance: (inout): when that is, or 0 as long as nobody has had to know
 * Returns: how long to wait instead */
gint64
_lsobs_delivery_policy_before_end (gint64 until, gint64 now, gint64 end, gint64 *last_chance)
{
  if (until < end)
    return until;
  if (*last_chance == 0)
    *last_chance = now + MAX (end - now, 0) / 2;
  return now < *last_chance ? *last_chance : until;
}

/* How long sending pauses when the service takes nothing, or how long it takes to the
 * next probe when the service is not there; in ms. It doubles each time.
 * @first: the first pause
 * @growth: so many times that is the longest
 * @last: the one before, or 0 */
gint64
_lsobs_delivery_policy_pause (gint64 first, gint64 growth, gint64 last)
{
  return last == 0 ? first : MIN (2 * last, growth * first);
}

/* An hourly limit ends with the hour, in UTC: to wait longer than that makes no
 * sense. Not all clients come back in the same second.
 * @pause: ms
 * @now: µs since 1970
 * Returns: ms */
gint64
_lsobs_delivery_policy_pause_to_hour (gint64 pause, gint64 now, double chance)
{
  const gint64 hour = 3600 * 1000;
  gint64 left = hour - (now / 1000) % hour;

  return MIN (pause,
              left + (gint64) (LSOBS_DELIVERY_POLICY_HOUR_SPREAD * CLAMP (chance, 0.0, 1.0)));
}

/* @value: (nullable): of the header, seconds or a date
 * @now: seconds since 1970
 * Returns: ms, at most LSOBS_DELIVERY_POLICY_MAX_AFTER, or -1 when there is no sense in it */
gint64
_lsobs_delivery_policy_parse_after (const char *value, gint64 now)
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
      /* Too many digits give the largest number there is. */
      seconds = g_ascii_strtoull (stripped, NULL, 10);
      return (gint64) MIN (seconds, LSOBS_DELIVERY_POLICY_MAX_AFTER / 1000) * 1000;
    }
  date = soup_date_time_new_from_http_string (stripped);
  if (date == NULL)
    return -1;
  wait = g_date_time_to_unix (date) - now;
  return CLAMP (wait, 0, LSOBS_DELIVERY_POLICY_MAX_AFTER / 1000) * 1000;
}

/* What a terminal would take for a command, those of Latin-1 among it. */
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

/* Of a page, its title says what it is; the rest is for browsers.
 * Returns: (transfer full): what the server said, in its own words */
static char *
take_words (const char *body)
{
  g_autofree char *valid = g_utf8_make_valid (body, -1);
  const char *start = skip_blank (valid);
  g_autofree char *lower = g_ascii_strdown (start, -1);
  const char *title;
  const char *end;

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

/* @verdict: any but that of success
 * Returns: (transfer full): an error with the status and the first words of the
 * server, made fit for a log line */
GError *
_lsobs_delivery_policy_make_error (LsobsVerdict verdict, guint status, const char *body)
{
  const LsobsPolicy *policy = &policies[verdict];
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
