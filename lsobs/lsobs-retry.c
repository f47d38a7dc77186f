/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <libsoup/soup.h>

#include "lsobs/lsobs-retry-private.h"

/* How much of the server's own words goes into a message, in characters. */
#define MAX_WORDS 200

static const struct
{
  guint first;
  guint last;
  LsobsVerdict verdict;
} verdicts[] = {
  { 200, 299, LSOBS_VERDICT_DELIVERED },
  { 300, 399, LSOBS_VERDICT_REDIRECTED },
  { 401, 401, LSOBS_VERDICT_UNAUTHORIZED },
  { 403, 403, LSOBS_VERDICT_UNAUTHORIZED },
  { 404, 404, LSOBS_VERDICT_NOT_FOUND },
  { 408, 408, LSOBS_VERDICT_RETRY },
  { 409, 409, LSOBS_VERDICT_CONFLICT },
  { 413, 413, LSOBS_VERDICT_TOO_LARGE },
  { 425, 425, LSOBS_VERDICT_RETRY },
  { 429, 429, LSOBS_VERDICT_RETRY },
  { 499, 499, LSOBS_VERDICT_RETRY },
  { 400, 499, LSOBS_VERDICT_REJECTED },
  { 501, 501, LSOBS_VERDICT_REJECTED },
  { 505, 505, LSOBS_VERDICT_REJECTED },
  { 500, 599, LSOBS_VERDICT_RETRY },
};

static gboolean
contains (const char *body,
          const char *words)
{
  g_autofree char *lower = g_ascii_strdown (body, -1);

  return strstr (lower, words) != NULL;
}

/* @status: of HTTP, or 0 for no answer */
LsobsVerdict
_lsobs_retry_judge (guint       status,
                    const char *body)
{
  if (status == 0)
    return LSOBS_VERDICT_RETRY;
  /* A limit of the month does not pass while we wait. */
  if (status == 429 && body != NULL &&
      (contains (body, "usage limit exceeded") || contains (body, "monthly")))
    return LSOBS_VERDICT_QUOTA;
  for (guint i = 0; i < G_N_ELEMENTS (verdicts); i++)
    if (status >= verdicts[i].first && status <= verdicts[i].last)
      return verdicts[i].verdict;
  return LSOBS_VERDICT_REJECTED;
}

/* How long to wait after so many attempts, in ms.
 * @base: the first delay in ms, which doubles
 * @chance: from 0 to 1, so that clients that failed together do not come back
 *   together
 * @retry_after: in ms, or -1 */
gint64
_lsobs_retry_delay (gint64 base,
                    guint  n_attempts,
                    double chance,
                    gint64 retry_after)
{
  gint64 delay = base;

  for (guint i = 1; i < n_attempts && delay < LSOBS_RETRY_MAX_DELAY; i++)
    delay *= 2;
  delay = MIN (delay, LSOBS_RETRY_MAX_DELAY);
  delay = (gint64) ((double) delay * (0.5 + 0.5 * CLAMP (chance, 0.0, 1.0)));
  return MAX (delay, MIN (retry_after, LSOBS_RETRY_MAX_AFTER));
}

/* @value: (nullable): of the header, seconds or a date
 * @now: seconds since 1970
 * Returns: ms, at most LSOBS_RETRY_MAX_AFTER, or -1 when there is no sense in it */
gint64
_lsobs_retry_parse_after (const char *value,
                          gint64      now)
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
      return (gint64) MIN (seconds, LSOBS_RETRY_MAX_AFTER / 1000) * 1000;
    }
  date = soup_date_time_new_from_http_string (stripped);
  if (date == NULL)
    return -1;
  wait = g_date_time_to_unix (date) - now;
  return CLAMP (wait, 0, LSOBS_RETRY_MAX_AFTER / 1000) * 1000;
}

static const char *
explain (LsobsVerdict verdict)
{
  switch (verdict)
    {
    case LSOBS_VERDICT_CONFLICT:
      return _("The service has had one of the runs already");
    case LSOBS_VERDICT_TOO_LARGE:
      return _("The service does not take as much at a time");
    case LSOBS_VERDICT_REJECTED:
      return _("The service refused the data");
    case LSOBS_VERDICT_UNAUTHORIZED:
      return _("The service refused the API key; check the key, its region and its workspace");
    case LSOBS_VERDICT_QUOTA:
      return _("A usage limit of the account is used up");
    case LSOBS_VERDICT_NOT_FOUND:
      return _("There is no such service at this address; check the API URL, which ends in /api "
               "on one's own server");
    case LSOBS_VERDICT_REDIRECTED:
      return _("The service answered with a redirect, which is not followed; check the API URL");
    case LSOBS_VERDICT_RETRY:
    case LSOBS_VERDICT_DELIVERED:
    default:
      return _("The service is not available");
    }
}

static LsobsError
get_code (LsobsVerdict verdict)
{
  switch (verdict)
    {
    case LSOBS_VERDICT_CONFLICT:
      return LSOBS_ERROR_CONFLICT;
    case LSOBS_VERDICT_TOO_LARGE:
      return LSOBS_ERROR_TOO_LARGE;
    case LSOBS_VERDICT_REJECTED:
      return LSOBS_ERROR_REJECTED;
    case LSOBS_VERDICT_UNAUTHORIZED:
      return LSOBS_ERROR_UNAUTHORIZED;
    case LSOBS_VERDICT_QUOTA:
      return LSOBS_ERROR_QUOTA;
    case LSOBS_VERDICT_NOT_FOUND:
      return LSOBS_ERROR_NOT_FOUND;
    case LSOBS_VERDICT_REDIRECTED:
      return LSOBS_ERROR_REDIRECTED;
    case LSOBS_VERDICT_RETRY:
    case LSOBS_VERDICT_DELIVERED:
    default:
      return LSOBS_ERROR_UNAVAILABLE;
    }
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

/* Returns: (transfer full): an error with the status and the first words of the
 * server, made fit for a log line */
GError *
_lsobs_retry_make_error (LsobsVerdict  verdict,
                         guint         status,
                         const char   *body)
{
  g_autofree char *valid = g_utf8_make_valid (body != NULL ? body : "", -1);
  g_autofree char *words = NULL;

  g_strstrip (valid);
  if (g_utf8_strlen (valid, -1) > MAX_WORDS)
    words = g_utf8_substring (valid, 0, MAX_WORDS);
  else
    words = g_strdup (valid);
  hide_controls (words);

  if (*words == '\0')
    return g_error_new (LSOBS_ERROR, get_code (verdict), "%s (HTTP %u)", explain (verdict), status);
  return g_error_new (LSOBS_ERROR, get_code (verdict), "%s (HTTP %u: %s)", explain (verdict), status,
                      words);
}
