/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The delivery policy: rows of answers and their outcomes, so the file is long. */

#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/transport/lsobs-delivery-policy-private.h"
#include "tests/lib/test-utils.h"

/* What each answer means. */
typedef struct
{
  guint status;
  LsobsOutcome outcome;
} StatusRow;

/* clang-format off */
static const StatusRow status_rows[] = {
  { 0, LSOBS_OUTCOME_UNREACHABLE },
  { 100, LSOBS_OUTCOME_REFUSED },
  { 200, LSOBS_OUTCOME_DELIVERED },
  { 201, LSOBS_OUTCOME_DELIVERED },
  { 202, LSOBS_OUTCOME_DELIVERED },
  { 204, LSOBS_OUTCOME_DELIVERED },
  { 299, LSOBS_OUTCOME_DELIVERED },
  { 300, LSOBS_OUTCOME_REDIRECTED },
  { 301, LSOBS_OUTCOME_REDIRECTED },
  { 302, LSOBS_OUTCOME_REDIRECTED },
  { 303, LSOBS_OUTCOME_REDIRECTED },
  { 304, LSOBS_OUTCOME_REDIRECTED },
  { 307, LSOBS_OUTCOME_REDIRECTED },
  { 308, LSOBS_OUTCOME_REDIRECTED },
  { 400, LSOBS_OUTCOME_REJECTED },
  { 401, LSOBS_OUTCOME_UNAUTHORIZED },
  { 402, LSOBS_OUTCOME_REFUSED },
  { 403, LSOBS_OUTCOME_UNAUTHORIZED },
  { 404, LSOBS_OUTCOME_NOT_FOUND },
  { 405, LSOBS_OUTCOME_REFUSED },
  { 406, LSOBS_OUTCOME_REFUSED },
  { 407, LSOBS_OUTCOME_INTERCEPTED },
  { 408, LSOBS_OUTCOME_RETRY },
  { 409, LSOBS_OUTCOME_CONFLICT },
  { 410, LSOBS_OUTCOME_REFUSED },
  { 413, LSOBS_OUTCOME_TOO_LARGE },
  { 414, LSOBS_OUTCOME_REFUSED },
  { 415, LSOBS_OUTCOME_REFUSED },
  { 418, LSOBS_OUTCOME_REFUSED },
  { 422, LSOBS_OUTCOME_REJECTED },
  { 425, LSOBS_OUTCOME_BUSY },
  { 429, LSOBS_OUTCOME_BUSY },
  { 451, LSOBS_OUTCOME_REFUSED },
  { 499, LSOBS_OUTCOME_RETRY },
  { 500, LSOBS_OUTCOME_RETRY },
  { 501, LSOBS_OUTCOME_REFUSED },
  { 502, LSOBS_OUTCOME_RETRY },
  { 503, LSOBS_OUTCOME_RETRY },
  { 504, LSOBS_OUTCOME_RETRY },
  { 505, LSOBS_OUTCOME_REFUSED },
  { 507, LSOBS_OUTCOME_RETRY },
  { 511, LSOBS_OUTCOME_INTERCEPTED },
  { 520, LSOBS_OUTCOME_RETRY },
  { 599, LSOBS_OUTCOME_RETRY },
  { 600, LSOBS_OUTCOME_REFUSED },
  { G_MAXUINT, LSOBS_OUTCOME_REFUSED },
};
/* clang-format on */

static void
test_status (gconstpointer data)
{
  const StatusRow *row = data;

  g_assert_cmpint (_lsobs_delivery_policy_classify (row->status, NULL, NULL), ==, row->outcome);
  g_assert_cmpint (_lsobs_delivery_policy_classify (row->status, NULL, ""), ==, row->outcome);
  /* Only of these do the words matter. */
  if (row->status != 429)
    g_assert_cmpint (_lsobs_delivery_policy_classify (row->status, NULL,
                                                      "Monthly usage limit exceeded"),
                     ==, row->outcome);
}

/* Where the words matter. */
typedef struct
{
  const char *path;
  guint status;
  const char *body;
  LsobsOutcome outcome;
} BodyRow;

static const BodyRow body_rows[] = {
  { "monthly", 429, "{\"detail\":\"Monthly unique traces usage limit exceeded\"}",
    LSOBS_OUTCOME_QUOTA },
  { "admin", 429, "Usage Limit Exceeded for this workspace", LSOBS_OUTCOME_QUOTA },
  { "upper", 429, "MONTHLY LIMIT", LSOBS_OUTCOME_QUOTA },
  { "rate", 429, "{\"detail\":\"Rate limit exceeded\"}", LSOBS_OUTCOME_BUSY },
  { "hourly", 429, "Hourly events limit reached", LSOBS_OUTCOME_LIMITED },
  { "hourly-usage", 429, "{\"error\":\"Hourly usage limit exceeded\"}", LSOBS_OUTCOME_LIMITED },
  { "per-hour", 429, "Exceeded 50000 events per hour", LSOBS_OUTCOME_LIMITED },
  { "both", 429, "Monthly limit, not the hourly one", LSOBS_OUTCOME_QUOTA },
  { "html", 429, "<html><h1>429 Too Many Requests</h1></html>", LSOBS_OUTCOME_BUSY },
  { "not-utf8", 429, "\xff\xfe monthly", LSOBS_OUTCOME_QUOTA },
  { "workspace", 403, "{\"error\":\"org_scoped_key_requires_workspace\"}",
    LSOBS_OUTCOME_NO_WORKSPACE },
  { "workspace-spaces", 403, " {\n  \"error\" : \"org_scoped_key_requires_workspace\"\n}\r\n",
    LSOBS_OUTCOME_NO_WORKSPACE },
  { "workspace-details", 403, "{\"error\":\"org_scoped_key_requires_workspace\",\"details\":null}",
    LSOBS_OUTCOME_NO_WORKSPACE },
  { "workspace-words", 403, "org_scoped_key_requires_workspace", LSOBS_OUTCOME_UNAUTHORIZED },
  { "workspace-other", 403, "{\"detail\":\"org_scoped_key_requires_workspace\"}",
    LSOBS_OUTCOME_UNAUTHORIZED },
  { "workspace-401", 401, "{\"error\":\"org_scoped_key_requires_workspace\"}",
    LSOBS_OUTCOME_UNAUTHORIZED },
};

static void
test_body (gconstpointer data)
{
  const BodyRow *row = data;

  g_assert_cmpint (_lsobs_delivery_policy_classify (row->status, NULL, row->body), ==,
                   row->outcome);
}

/* What answers in place of the service, and what only looks like it. */
typedef struct
{
  const char *path;
  guint status;
  const char *type;
  const char *body;
  LsobsOutcome outcome;
} PageRow;

#define HTML "text/html; charset=utf-8"
#define JSON "application/json"

/* clang-format off */
static const PageRow page_rows[] = {
  /* firewalls */
  { "waf-403", 403, HTML, "<!DOCTYPE html><html><head><title>Blocked</title></head></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-400", 400, HTML, "<html><title>Bad Request</title></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-401", 401, HTML, "<html><h1>401 Authorization Required</h1></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-405", 405, HTML, "<html><h1>405 Not Allowed</h1></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-406", 406, "text/html; charset=iso-8859-1", "<!DOCTYPE HTML PUBLIC>Not Acceptable! Mod_Security", LSOBS_OUTCOME_FOREIGN },
  { "waf-409", 409, HTML, "<html></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-414", 414, HTML, "<html></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-418", 418, HTML, "<html></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-422", 422, HTML, "<html></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-451", 451, HTML, "<html></html>", LSOBS_OUTCOME_FOREIGN },
  { "waf-words", 403, HTML, "The requested URL was rejected. Your support ID is: 1", LSOBS_OUTCOME_FOREIGN },
  { "waf-nothing", 403, "text/html", "", LSOBS_OUTCOME_FOREIGN },
  { "waf-null", 403, "text/html", NULL, LSOBS_OUTCOME_FOREIGN },
  { "waf-200", 200, HTML, "<html><head><title>Request Rejected</title></head></html>", LSOBS_OUTCOME_INTERCEPTED },
  { "cloudflare-1020", 403, "text/html; charset=UTF-8", "<!DOCTYPE html>\n<!--[if lt IE 7]>", LSOBS_OUTCOME_FOREIGN },
  { "cloudflare-rate", 429, HTML, "<title>Rate limited</title> error 1015, one hour, monthly", LSOBS_OUTCOME_BUSY },
  { "cloudflare-520", 520, HTML, "<!DOCTYPE html>", LSOBS_OUTCOME_RETRY },
  { "bucket", 403, "application/xml", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", LSOBS_OUTCOME_FOREIGN },
  /* portals and proxies */
  { "portal", 200, "text/html", "<HTML><HEAD><TITLE>Sign in</TITLE>", LSOBS_OUTCOME_INTERCEPTED },
  { "portal-words", 200, "text/html", "Please sign in", LSOBS_OUTCOME_INTERCEPTED },
  { "portal-no-type", 200, NULL, "<html>", LSOBS_OUTCOME_INTERCEPTED },
  { "portal-plain", 200, "text/plain", "\r\n <html>", LSOBS_OUTCOME_INTERCEPTED },
  { "portal-302", 302, HTML, "<html>", LSOBS_OUTCOME_REDIRECTED },
  { "portal-307", 307, NULL, "", LSOBS_OUTCOME_REDIRECTED },
  { "portal-511", 511, NULL, NULL, LSOBS_OUTCOME_INTERCEPTED },
  { "proxy-407", 407, HTML, "<html>", LSOBS_OUTCOME_INTERCEPTED },
  { "proxy-407-json", 407, JSON, "{}", LSOBS_OUTCOME_INTERCEPTED },
  { "proxy-501", 501, HTML, "<html>Unsupported Request Method</html>", LSOBS_OUTCOME_INTERCEPTED },
  { "proxy-505", 505, HTML, "<html>", LSOBS_OUTCOME_INTERCEPTED },
  /* web servers */
  { "nginx-400", 400, "text/html", "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title>", LSOBS_OUTCOME_FOREIGN },
  { "nginx-404", 404, "text/html", "<html>\r\n<head><title>404 Not Found</title></head>", LSOBS_OUTCOME_NO_PAGE },
  { "nginx-408", 408, "text/html", "<html>", LSOBS_OUTCOME_RETRY },
  { "nginx-413", 413, "text/html", "<html>\r\n<head><title>413 Request Entity Too Large</title></head>", LSOBS_OUTCOME_TOO_LARGE },
  { "nginx-500", 500, "text/html", "<html>", LSOBS_OUTCOME_RETRY },
  { "nginx-502", 502, "text/html", "<html>\r\n<head><title>502 Bad Gateway</title></head>", LSOBS_OUTCOME_RETRY },
  { "nginx-503", 503, "text/html", "<html>", LSOBS_OUTCOME_RETRY },
  { "nginx-504", 504, "text/html", "<html>", LSOBS_OUTCOME_RETRY },
  { "nginx-429", 429, "text/html", "<html>", LSOBS_OUTCOME_BUSY },
  /* how it is written */
  { "type-upper", 403, "TEXT/HTML", "no", LSOBS_OUTCOME_FOREIGN },
  { "type-mixed", 403, " Text/Html ;Charset=UTF-8", "no", LSOBS_OUTCOME_FOREIGN },
  { "type-xhtml", 403, "application/xhtml+xml", "no", LSOBS_OUTCOME_FOREIGN },
  { "type-longer", 403, "text/htmlx", "no", LSOBS_OUTCOME_UNAUTHORIZED },
  { "type-shorter", 403, "text/htm", "no", LSOBS_OUTCOME_UNAUTHORIZED },
  { "type-empty", 403, "", "no", LSOBS_OUTCOME_UNAUTHORIZED },
  { "bom", 403, NULL, "\xef\xbb\xbf<html>", LSOBS_OUTCOME_FOREIGN },
  { "bom-white", 200, NULL, "\xef\xbb\xbf\r\n\t <html>", LSOBS_OUTCOME_INTERCEPTED },
  { "bom-utf16", 403, NULL, "\xff\xfe<", LSOBS_OUTCOME_FOREIGN },
  { "bom-json", 403, JSON, "\xef\xbb\xbf{}", LSOBS_OUTCOME_UNAUTHORIZED },
  { "white", 403, NULL, " \t\r\n<html>", LSOBS_OUTCOME_FOREIGN },
  /* the service's own */
  { "json-400", 400, JSON, "{\"detail\":\"<b>bad</b>\"}", LSOBS_OUTCOME_REJECTED },
  { "json-401", 401, JSON, "{\"detail\":\"Invalid token\"}", LSOBS_OUTCOME_UNAUTHORIZED },
  { "json-403", 403, JSON, "{\"error\":\"Forbidden\"}", LSOBS_OUTCOME_UNAUTHORIZED },
  { "json-404", 404, JSON, "{\"detail\":\"Not Found\"}", LSOBS_OUTCOME_NOT_FOUND },
  { "json-409", 409, JSON, "{\"detail\":\"conflict\"}", LSOBS_OUTCOME_CONFLICT },
  { "json-413", 413, JSON, "{}", LSOBS_OUTCOME_TOO_LARGE },
  { "json-422", 422, JSON, "[{}]", LSOBS_OUTCOME_REJECTED },
  { "json-429", 429, JSON, "{\"detail\":\"monthly\"}", LSOBS_OUTCOME_QUOTA },
  { "json-501", 501, JSON, "{}", LSOBS_OUTCOME_REFUSED },
  { "json-as-html", 403, "text/html", "{\"error\":\"Forbidden\"}", LSOBS_OUTCOME_UNAUTHORIZED },
  { "json-as-html-200", 200, "text/html", " {}", LSOBS_OUTCOME_DELIVERED },
  { "workspace", 403, JSON, "{\"error\":\"org_scoped_key_requires_workspace\"}", LSOBS_OUTCOME_NO_WORKSPACE },
  { "plain-403", 403, "text/plain", "Forbidden", LSOBS_OUTCOME_UNAUTHORIZED },
  { "nothing-401", 401, NULL, NULL, LSOBS_OUTCOME_UNAUTHORIZED },
  { "nothing-403", 403, NULL, "", LSOBS_OUTCOME_UNAUTHORIZED },
  /* success that says little */
  { "empty-200", 200, NULL, NULL, LSOBS_OUTCOME_DELIVERED },
  { "empty-204", 204, NULL, "", LSOBS_OUTCOME_DELIVERED },
  { "empty-html", 202, HTML, "", LSOBS_OUTCOME_DELIVERED },
  { "white-html", 202, HTML, " \r\n", LSOBS_OUTCOME_DELIVERED },
  { "plain", 202, "text/plain", "ok", LSOBS_OUTCOME_DELIVERED },
  { "cut-json", 202, JSON, "{\"message\":\"Runs bat", LSOBS_OUTCOME_DELIVERED },
  { "json", 202, JSON, "{\"message\":\"Runs batch ingested\"}", LSOBS_OUTCOME_DELIVERED },
  { "no-answer", 0, NULL, NULL, LSOBS_OUTCOME_UNREACHABLE },
};
/* clang-format on */

static void
test_page (gconstpointer data)
{
  const PageRow *row = data;

  g_assert_cmpint (_lsobs_delivery_policy_classify (row->status, row->type, row->body), ==,
                   row->outcome);
}

/* Whatever is in between: it is held, and the message says where to look. */
static void
test_page_message (void)
{
  static const LsobsOutcome outcomes[] = { LSOBS_OUTCOME_FOREIGN, LSOBS_OUTCOME_NO_PAGE,
                                           LSOBS_OUTCOME_INTERCEPTED, LSOBS_OUTCOME_REDIRECTED };

  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      g_autoptr (GError) error = _lsobs_delivery_policy_make_error (
          outcomes[i], 403, "\xef\xbb\xbf <HTML><Title lang=en>\n Access denied </Title><p>more");
      g_autoptr (GError) silent =
          _lsobs_delivery_policy_make_error (outcomes[i], 403, "<html><p>no title");

      g_assert_cmpint (_lsobs_delivery_policy_find (error)->action, ==,
                       LSOBS_DELIVERY_ACTION_PROBE);
      g_assert_cmpint (_lsobs_delivery_policy_find (error)->state, ==, LSOBS_STATE_PAUSED);
      g_assert_false (_lsobs_delivery_policy_find (error)->split);
      g_assert_nonnull (strstr (error->message, "(HTTP 403: Access denied)"));
      g_assert_nonnull (strstr (error->message, "proxy"));
      g_assert_nonnull (strstr (error->message, "portal"));
      g_assert_nonnull (strstr (error->message, "/api"));
      g_assert_nonnull (strstr (silent->message, "(HTTP 403)"));
    }
}

/* The table that client and worker obey, with the settings as they are unless
 * changed. */
typedef struct
{
  guint status;
  const char *body;
  guint n_attempts;
  gboolean split;
  LsobsDeliveryAction action;
  LsobsState state;
  LsobsError code;
  LsobsDropReason reason;
} PolicyRow;

#define ROW(row_status, row_body, row_attempts, row_action, row_state, row_code, row_reason) \
 .status = row_status, .body = row_body, .n_attempts = row_attempts, .action = row_action, \
 .state = row_state, .code = row_code, .reason = row_reason
#define RETRIED(status) \
 { \
  ROW (status, NULL, 5, LSOBS_DELIVERY_ACTION_PROBE, LSOBS_STATE_PAUSED, LSOBS_ERROR_UNAVAILABLE, \
       LSOBS_DROP_REASON_UNAVAILABLE) \
 }
#define BISECTED(status) \
 { \
  ROW (status, NULL, 1, LSOBS_DELIVERY_ACTION_DROP, LSOBS_STATE_OK, LSOBS_ERROR_REJECTED, \
       LSOBS_DROP_REASON_REJECTED), \
      .split = TRUE \
 }
#define DROPPED(status) \
 { \
  ROW (status, NULL, 1, LSOBS_DELIVERY_ACTION_DROP, LSOBS_STATE_DEGRADED, LSOBS_ERROR_REFUSED, \
       LSOBS_DROP_REASON_REJECTED) \
 }
#define PROBED(status, body, error, reason) \
 { \
  ROW (status, body, 1, LSOBS_DELIVERY_ACTION_PROBE, LSOBS_STATE_PAUSED, error, reason) \
 }
#define PAUSED(status, body, error, reason) \
 { \
  ROW (status, body, 1, LSOBS_DELIVERY_ACTION_DROP, LSOBS_STATE_PAUSED, error, reason) \
 }

static const PolicyRow policy_rows[] = {
  { ROW (0,
         NULL,
         5,
         LSOBS_DELIVERY_ACTION_PROBE,
         LSOBS_STATE_PAUSED,
         LSOBS_ERROR_UNREACHABLE,
         LSOBS_DROP_REASON_UNAVAILABLE) },
  PROBED (200, "<html>", LSOBS_ERROR_FOREIGN, LSOBS_DROP_REASON_REJECTED),
  PROBED (302, NULL, LSOBS_ERROR_REDIRECTED, LSOBS_DROP_REASON_WRONG_ADDRESS),
  BISECTED (400),
  PAUSED (401, NULL, LSOBS_ERROR_UNAUTHORIZED, LSOBS_DROP_REASON_UNAUTHORIZED),
  DROPPED (402),
  PAUSED (403, NULL, LSOBS_ERROR_UNAUTHORIZED, LSOBS_DROP_REASON_UNAUTHORIZED),
  PAUSED (403,
          "{\"error\":\"org_scoped_key_requires_workspace\"}",
          LSOBS_ERROR_UNAUTHORIZED,
          LSOBS_DROP_REASON_UNAUTHORIZED),
  PROBED (403, "<html>", LSOBS_ERROR_FOREIGN, LSOBS_DROP_REASON_REJECTED),
  PAUSED (404, NULL, LSOBS_ERROR_NOT_FOUND, LSOBS_DROP_REASON_WRONG_ADDRESS),
  PROBED (404, "<html>", LSOBS_ERROR_FOREIGN, LSOBS_DROP_REASON_REJECTED),
  DROPPED (405),
  PROBED (407, NULL, LSOBS_ERROR_FOREIGN, LSOBS_DROP_REASON_REJECTED),
  RETRIED (408),
  { ROW (409,
         NULL,
         1,
         LSOBS_DELIVERY_ACTION_DONE,
         LSOBS_STATE_OK,
         LSOBS_ERROR_CONFLICT,
         LSOBS_DROP_REASON_REJECTED),
    .split = TRUE },
  { ROW (413,
         NULL,
         1,
         LSOBS_DELIVERY_ACTION_DROP,
         LSOBS_STATE_OK,
         LSOBS_ERROR_TOO_LARGE,
         LSOBS_DROP_REASON_TOO_LARGE),
    .split = TRUE },
  DROPPED (415),
  BISECTED (422),
  RETRIED (425),
  RETRIED (429),
  PAUSED (429,
          "Monthly unique traces usage limit exceeded",
          LSOBS_ERROR_QUOTA,
          LSOBS_DROP_REASON_QUOTA),
  { 429, "Hourly limit", 1, FALSE, LSOBS_DELIVERY_ACTION_WAIT, LSOBS_STATE_PAUSED,
    LSOBS_ERROR_LIMITED, LSOBS_DROP_REASON_QUOTA },
  RETRIED (499),
  RETRIED (500),
  DROPPED (501),
  RETRIED (502),
  RETRIED (503),
  RETRIED (504),
  DROPPED (505),
  RETRIED (507),
};

/* How often the same is sent, and how long is waited in all between, in ms. */
static guint
count_attempts (const LsobsDeliveryPolicy *policy,
                double chance,
                gint64 retry_after,
                gint64 *waited)
{
  LsobsRetryState retry = { 5, 500, 1, 0 };

  while (policy->retry)
    {
      gint64 delay = _lsobs_delivery_policy_next_delay (&retry, chance, retry_after);

      if (delay < 0)
        break;
      retry.elapsed += delay;
      retry.n_attempts++;
    }
  *waited = retry.elapsed;
  return retry.n_attempts;
}

static void
test_policy (void)
{
  static const char *const actions[] = { "delivered", "dropped", "waits", "probed" };
  static const char *const states[] = { "", ", degraded", ", pause" };

  g_test_message ("status | class | attempts | waited ms | action");
  for (guint i = 0; i < G_N_ELEMENTS (policy_rows); i++)
    {
      const PolicyRow *row = &policy_rows[i];
      LsobsOutcome outcome = _lsobs_delivery_policy_classify (row->status, NULL, row->body);
      const LsobsDeliveryPolicy *policy = _lsobs_delivery_policy_get (outcome);
      g_autoptr (GError) error =
          _lsobs_delivery_policy_make_error (outcome, row->status, row->body);
      gint64 shortest;
      gint64 longest;
      guint n_attempts = count_attempts (policy, 0.0, -1, &shortest);

      g_assert_cmpuint (count_attempts (policy, 1.0, -1, &longest), ==, n_attempts);
      g_test_message ("%u | %s | %u | %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT " | %s%s%s",
                      row->status, policy->name, n_attempts, shortest, longest,
                      policy->split ? "split, then " : "", actions[policy->action],
                      states[policy->state]);
      g_assert_cmpuint (n_attempts, ==, row->n_attempts);
      g_assert_cmpint (shortest, ==, n_attempts > 1 ? 3750 : 0);
      g_assert_cmpint (longest, ==, n_attempts > 1 ? 7500 : 0);
      g_assert_true (policy->split == row->split);
      g_assert_cmpint (policy->action, ==, row->action);
      g_assert_cmpint (policy->state, ==, row->state);
      g_assert_cmpint (policy->reason, ==, row->reason);
      g_assert_error (error, LSOBS_ERROR, (int) row->code);
      /* The worker finds the row by the error; where one code stands for two rows, they
       * differ in their words only. */
      policy = _lsobs_delivery_policy_find (error);
      g_assert_true (policy->split == row->split);
      g_assert_cmpint (policy->action, ==, row->action);
      g_assert_cmpint (policy->state, ==, row->state);
      g_assert_cmpint (policy->reason, ==, row->reason);
    }
}

/* Errors that no answer of ours stands for. */
static void
test_policy_of_others (void)
{
  g_autoptr (GError) cancelled = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "");
  g_autoptr (GError) closed = g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_CLOSED, "");
  g_autoptr (GError) foreign = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOSPC, "");

  g_assert_cmpint (_lsobs_delivery_policy_find (NULL)->action, ==, LSOBS_DELIVERY_ACTION_DONE);
  g_assert_cmpint (_lsobs_delivery_policy_find (cancelled)->reason, ==, LSOBS_DROP_REASON_SHUTDOWN);
  g_assert_cmpint (_lsobs_delivery_policy_find (closed)->reason, ==, LSOBS_DROP_REASON_UNAVAILABLE);
  g_assert_cmpint (_lsobs_delivery_policy_find (foreign)->reason, ==,
                   LSOBS_DROP_REASON_UNAVAILABLE);
  g_assert_false (_lsobs_delivery_policy_find (foreign)->split);
}

/* Delays */

static void
test_delay_doubles (void)
{
  static const gint64 expected[] = { 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000 };

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      gint64 longest = _lsobs_delivery_policy_delay (200, i + 1, 1.0, -1);
      gint64 shortest = _lsobs_delivery_policy_delay (200, i + 1, 0.0, -1);

      g_assert_cmpint (longest, ==, expected[i]);
      g_assert_cmpint (shortest, ==, expected[i] / 2);
      g_assert_cmpint (_lsobs_delivery_policy_delay (200, i + 1, 0.5, -1), ==, expected[i] * 3 / 4);
    }
}

static void
test_delay_jitter (void)
{
  gint64 before = 0;

  for (guint i = 0; i <= 1000; i++)
    {
      gint64 delay = _lsobs_delivery_policy_delay (1000, 1, i / 1000.0, -1);

      g_assert_cmpint (delay, >=, 500);
      g_assert_cmpint (delay, <=, 1000);
      g_assert_cmpint (delay, >=, before);
      before = delay;
    }
  g_assert_cmpint (before, ==, 1000);
  /* What is no chance is taken for the nearest one. */
  g_assert_cmpint (_lsobs_delivery_policy_delay (1000, 1, -5.0, -1), ==, 500);
  g_assert_cmpint (_lsobs_delivery_policy_delay (1000, 1, 5.0, -1), ==, 1000);
}

static void
test_delay_cap (void)
{
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, 1000000, 1.0, -1), ==,
                   LSOBS_DELIVERY_POLICY_MAX_DELAY);
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, G_MAXUINT, 0.0, -1), ==,
                   LSOBS_DELIVERY_POLICY_MAX_DELAY / 2);
  g_assert_cmpint (_lsobs_delivery_policy_delay (60000, 1, 1.0, -1), ==,
                   LSOBS_DELIVERY_POLICY_MAX_DELAY);
  g_assert_cmpint (_lsobs_delivery_policy_delay (1, 1, 0.0, -1), >=, 0);
}

static void
test_delay_after (void)
{
  /* The longer one counts, and no server makes us wait longer than a minute. */
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, 1, 1.0, 5000), ==, 5000);
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, 5, 1.0, 1000), ==, 3200);
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, 1, 1.0, 0), ==, 200);
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, 1, 0.0, LSOBS_DELIVERY_POLICY_MAX_AFTER), ==,
                   LSOBS_DELIVERY_POLICY_MAX_AFTER);
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, 1, 0.0, 86400000), ==,
                   LSOBS_DELIVERY_POLICY_MAX_AFTER);
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, 1, 0.0, G_MAXINT64), ==,
                   LSOBS_DELIVERY_POLICY_MAX_AFTER);
  g_assert_cmpint (_lsobs_delivery_policy_delay (200, 1, 0.0, G_MININT64), ==, 100);
}

/* Attempts */

static void
test_next_ends (void)
{
  LsobsRetryState retry = { 5, 500, 1, 0 };

  for (; retry.n_attempts < 5; retry.n_attempts++)
    g_assert_cmpint (_lsobs_delivery_policy_next_delay (&retry, 1.0, -1), ==,
                     500 << (retry.n_attempts - 1));
  g_assert_cmpint (_lsobs_delivery_policy_next_delay (&retry, 1.0, -1), ==, -1);
  g_assert_cmpint (_lsobs_delivery_policy_next_delay (&retry, 1.0, 0), ==, -1);

  /* Two minutes in all, however many attempts there may be. */
  retry = (LsobsRetryState){ 100, 500, 2, 119000 };
  g_assert_cmpint (_lsobs_delivery_policy_next_delay (&retry, 1.0, -1), ==, 1000);
  retry.elapsed = 119001;
  g_assert_cmpint (_lsobs_delivery_policy_next_delay (&retry, 1.0, -1), ==, -1);
  retry.elapsed = 60000;
  g_assert_cmpint (_lsobs_delivery_policy_next_delay (&retry, 1.0, 86400000), ==, 60000);
  retry.elapsed = 60001;
  g_assert_cmpint (_lsobs_delivery_policy_next_delay (&retry, 1.0, 86400000), ==, -1);
}

/* What does not fit before the end of all sending is tried halfway to it, once. */
static void
test_before_end (void)
{
  gint64 chance = 0;

  g_assert_cmpint (_lsobs_delivery_policy_before_end (1999, 1000, 2000, &chance), ==, 1999);
  g_assert_cmpint (_lsobs_delivery_policy_before_end (0, 1000, 2000, &chance), ==, 0);
  g_assert_cmpint (chance, ==, 0);
  g_assert_cmpint (_lsobs_delivery_policy_before_end (2000, 1000, 2000, &chance), ==, 1500);
  g_assert_cmpint (chance, ==, 1500);
  /* another one that has to wait at the same time has the same chance */
  g_assert_cmpint (_lsobs_delivery_policy_before_end (90000, 1100, 2000, &chance), ==, 1500);
  g_assert_cmpint (_lsobs_delivery_policy_before_end (90000, 1499, 2000, &chance), ==, 1500);
  /* and that was it; short waits go on */
  g_assert_cmpint (_lsobs_delivery_policy_before_end (90000, 1500, 2000, &chance), ==, 90000);
  g_assert_cmpint (_lsobs_delivery_policy_before_end (1900, 1501, 2000, &chance), ==, 1900);
  /* no time at all */
  chance = 0;
  g_assert_cmpint (_lsobs_delivery_policy_before_end (90000, 3000, 2000, &chance), ==, 90000);
  chance = 0;
  g_assert_cmpint (_lsobs_delivery_policy_before_end (90000, 2000, 2000, &chance), ==, 90000);
}

/* Pauses */

static void
test_pause (void)
{
  static const gint64 expected[] = { 60, 120, 240, 480, 600, 600 };
  gint64 pause = 0;

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      pause = _lsobs_delivery_policy_pause (LSOBS_CONFIG_FIRST_PAUSE,
                                            LSOBS_DELIVERY_POLICY_PAUSE_GROWTH, pause);
      g_assert_cmpint (pause, ==, expected[i] * 1000);
    }
}

/* From a second to a minute, and half of it is chance. */
static void
test_probe (void)
{
  static const gint64 expected[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
  gint64 distance = 0;

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      distance = _lsobs_delivery_policy_pause (LSOBS_CONFIG_FIRST_PROBE,
                                               LSOBS_DELIVERY_POLICY_PROBE_GROWTH, distance);
      g_assert_cmpint (distance, ==, expected[i] * 1000);
      g_assert_cmpint (_lsobs_delivery_policy_spread (distance, 1.0), ==, distance);
      g_assert_cmpint (_lsobs_delivery_policy_spread (distance, 0.0), ==, distance / 2);
    }
}

static void
test_pause_to_hour (void)
{
  const gint64 hour = G_GINT64_CONSTANT (1772355600) * G_USEC_PER_SEC; /* 09:00:00 */
  const gint64 minute = 60 * G_USEC_PER_SEC;

  /* Far from the end of the hour it is a pause as any other. */
  g_assert_cmpint (_lsobs_delivery_policy_pause_to_hour (60000, hour, 0.0), ==, 60000);
  g_assert_cmpint (_lsobs_delivery_policy_pause_to_hour (600000, hour + 30 * minute, 1.0), ==,
                   600000);
  /* Near it, it ends with the hour, or a little later. */
  g_assert_cmpint (_lsobs_delivery_policy_pause_to_hour (600000, hour + 59 * minute, 0.0), ==,
                   60000);
  g_assert_cmpint (_lsobs_delivery_policy_pause_to_hour (600000, hour + 59 * minute, 0.5), ==,
                   65000);
  g_assert_cmpint (_lsobs_delivery_policy_pause_to_hour (600000, hour + 59 * minute, 1.0), ==,
                   70000);
  g_assert_cmpint (_lsobs_delivery_policy_pause_to_hour (600000, hour + 60 * minute - 1, 0.0), ==,
                   1);
  g_assert_cmpint (_lsobs_delivery_policy_pause_to_hour (20, hour + 60 * minute - 1, 1.0), ==, 20);
}

/* Retry-After; now is Sun, 01 Mar 2026 09:30:15 GMT */

#define NOW G_GINT64_CONSTANT (1772357415)

typedef struct
{
  const char *path;
  const char *value;
  gint64 expected;
} AfterRow;

static const AfterRow after_rows[] = {
  { "none", NULL, -1 },
  { "empty", "", -1 },
  { "white", "  ", -1 },
  { "zero", "0", 0 },
  { "one", "1", 1000 },
  { "thirty", "30", 30000 },
  { "around", " 30\t", 30000 },
  { "leading-zeros", "0007", 7000 },
  { "at-most", "60", 60000 },
  { "more", "61", 60000 },
  { "day", "86400", 60000 },
  { "beyond-64-bits", "99999999999999999999999999", 60000 },
  { "negative", "-5", -1 },
  { "plus", "+5", -1 },
  { "fraction", "1.5", -1 },
  { "exponent", "1e3", -1 },
  { "hex", "0x10", -1 },
  { "unit", "5s", -1 },
  { "list", "5, 6", -1 },
  { "garbage", "soon", -1 },
  { "bytes", "\xff\xfe", -1 },
  { "date-now", "Sun, 01 Mar 2026 09:30:15 GMT", 0 },
  { "date-soon", "Sun, 01 Mar 2026 09:30:35 GMT", 20000 },
  { "date-past", "Sun, 01 Mar 2026 09:30:14 GMT", 0 },
  { "date-long-past", "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
  { "date-minute", "Sun, 01 Mar 2026 09:31:15 GMT", 60000 },
  { "date-tomorrow", "Mon, 02 Mar 2026 09:30:15 GMT", 60000 },
  { "date-absurd", "Tue, 31 Dec 2999 23:59:59 GMT", 60000 },
  { "date-rfc850", "Sunday, 01-Mar-26 09:30:25 GMT", 10000 },
  { "date-asctime", "Sun Mar  1 09:30:25 2026", 10000 },
  { "date-broken", "Sun, 99 Foo 2026 99:99:99 GMT", -1 },
};

static void
test_after (gconstpointer data)
{
  const AfterRow *row = data;

  g_assert_cmpint (_lsobs_delivery_policy_parse_retry_after (row->value, NOW), ==, row->expected);
}

/* Messages */

typedef struct
{
  const char *path;
  LsobsOutcome outcome;
  guint status;
  LsobsError code;
} CodeRow;

static const CodeRow code_rows[] = {
  { "retry", LSOBS_OUTCOME_RETRY, 503, LSOBS_ERROR_UNAVAILABLE },
  { "busy", LSOBS_OUTCOME_BUSY, 429, LSOBS_ERROR_UNAVAILABLE },
  { "conflict", LSOBS_OUTCOME_CONFLICT, 409, LSOBS_ERROR_CONFLICT },
  { "too-large", LSOBS_OUTCOME_TOO_LARGE, 413, LSOBS_ERROR_TOO_LARGE },
  { "rejected", LSOBS_OUTCOME_REJECTED, 422, LSOBS_ERROR_REJECTED },
  { "refused", LSOBS_OUTCOME_REFUSED, 405, LSOBS_ERROR_REFUSED },
  { "unauthorized", LSOBS_OUTCOME_UNAUTHORIZED, 401, LSOBS_ERROR_UNAUTHORIZED },
  { "no-workspace", LSOBS_OUTCOME_NO_WORKSPACE, 403, LSOBS_ERROR_UNAUTHORIZED },
  { "quota", LSOBS_OUTCOME_QUOTA, 429, LSOBS_ERROR_QUOTA },
  { "limited", LSOBS_OUTCOME_LIMITED, 429, LSOBS_ERROR_LIMITED },
  { "not-found", LSOBS_OUTCOME_NOT_FOUND, 404, LSOBS_ERROR_NOT_FOUND },
  { "redirected", LSOBS_OUTCOME_REDIRECTED, 301, LSOBS_ERROR_REDIRECTED },
  { "foreign", LSOBS_OUTCOME_FOREIGN, 403, LSOBS_ERROR_FOREIGN },
  { "blocked", LSOBS_OUTCOME_BLOCKED, 403, LSOBS_ERROR_BLOCKED },
  { "no-page", LSOBS_OUTCOME_NO_PAGE, 404, LSOBS_ERROR_FOREIGN },
  { "intercepted", LSOBS_OUTCOME_INTERCEPTED, 200, LSOBS_ERROR_FOREIGN },
};

static void
test_code (gconstpointer data)
{
  const CodeRow *row = data;
  g_autoptr (GError) error =
      _lsobs_delivery_policy_make_error (row->outcome, row->status, "the server's words");
  g_autoptr (GError) silent = _lsobs_delivery_policy_make_error (row->outcome, row->status, NULL);
  g_autofree char *status = g_strdup_printf ("%u", row->status);

  g_assert_error (error, LSOBS_ERROR, (int) row->code);
  g_assert_error (silent, LSOBS_ERROR, (int) row->code);
  g_assert_nonnull (strstr (error->message, status));
  g_assert_nonnull (strstr (silent->message, status));
  g_assert_nonnull (strstr (error->message, "the server's words"));
  /* It says what to do, in one line. */
  if (row->outcome == LSOBS_OUTCOME_NO_WORKSPACE)
    g_assert_nonnull (strstr (error->message, "workspace-id"));
  g_assert_null (strchr (error->message, '\n'));
}

/* What a server may say, and nobody wants in a log. */
typedef struct
{
  const char *path;
  const char *body;
  const char *kept; /* (nullable) */
} WordsRow;

static const WordsRow words_rows[] = {
  { "empty", "", NULL },
  { "white", " \r\n\t ", NULL },
  { "plain", "no such project", "no such project" },
  { "around", "\n  trimmed  \n", ": trimmed)" },
  { "lines", "first\r\nsecond\nthird", "first  second third" },
  { "escape", "\x1b[31mred\x1b[0m", "[31mred" },
  { "bell",
    "a\x07"
    "b\x08"
    "c\x7f"
    "d",
    "a b c d" },
  { "c1-control",
    "a\xc2\x9b"
    "31mb",
    "31mb" },
  { "next-line",
    "a\xc2\x85"
    "b",
    NULL },
  { "utf8", "caf\xc3\xa9 \xe2\x98\x95", "caf\xc3\xa9 \xe2\x98\x95" },
  { "not-utf8",
    "a\xff\xfe\xc3"
    "b",
    "b" },
  { "percent", "%s%n%d", "%s%n%d" },
  { "json-detail", " {\"error\":\"E\",\"detail\":\"No \\\"such\\\" key\"}\n",
    "HTTP 400: No \"such\" key)" },
  { "json-error", "{\"error\":\"Forbidden\"}", "HTTP 400: Forbidden)" },
  { "json-control", "{\"detail\":\"a\\u001b[31m\\nb\"}", "HTTP 400: a [31m b)" },
  { "json-list", "{\"detail\":[{\"loc\":[\"name\"]}]}", "HTTP 400: {\"detail\":[{" },
  { "json-empty", "{\"detail\":\"\"}", "HTTP 400: {\"detail\":\"\"})" },
  { "json-cut", "{\"detail\":\"cut", "HTTP 400: {\"detail\":\"cut)" },
};

static void
assert_printable (const char *message)
{
  g_assert_true (g_utf8_validate (message, -1, NULL));
  for (const char *at = message; *at != '\0'; at = g_utf8_next_char (at))
    if (g_unichar_iscntrl (g_utf8_get_char (at)))
      g_error ("A control character U+%04X in \"%s\"", g_utf8_get_char (at), message);
}

static void
test_words (gconstpointer data)
{
  const WordsRow *row = data;
  g_autoptr (GError) error =
      _lsobs_delivery_policy_make_error (LSOBS_OUTCOME_REJECTED, 400, row->body);

  assert_printable (error->message);
  if (row->kept != NULL)
    g_assert_nonnull (strstr (error->message, row->kept));
}

static void
test_words_bounded (void)
{
  static const char *const pieces[] = { "x", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xff", "\n", "<p>" };

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_autoptr (GString) body = g_string_new ("start ");
      g_autoptr (GError) error = NULL;

      while (body->len < 1024 * 1024)
        g_string_append (body, pieces[i]);
      g_string_append (body, "the end");
      error = _lsobs_delivery_policy_make_error (LSOBS_OUTCOME_RETRY, 500, body->str);
      assert_printable (error->message);
      g_assert_cmpint (g_utf8_strlen (error->message, -1), <, 400);
      g_assert_nonnull (strstr (error->message, "start"));
      g_assert_null (strstr (error->message, "the end"));
    }
}

#define ADD_ROWS(prefix, rows, func) TEST_ADD_ROWS (prefix, rows, path, func)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (status_rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/delivery-policy/status/%u", status_rows[i].status);

      g_test_add_data_func (path, &status_rows[i], test_status);
    }
  ADD_ROWS ("/delivery-policy/body/", body_rows, test_body);
  ADD_ROWS ("/delivery-policy/page/", page_rows, test_page);
  g_test_add_func ("/delivery-policy/page-message", test_page_message);
  g_test_add_func ("/delivery-policy/policy/table", test_policy);
  g_test_add_func ("/delivery-policy/policy/others", test_policy_of_others);
  g_test_add_func ("/delivery-policy/delay/doubles", test_delay_doubles);
  g_test_add_func ("/delivery-policy/delay/jitter", test_delay_jitter);
  g_test_add_func ("/delivery-policy/delay/cap", test_delay_cap);
  g_test_add_func ("/delivery-policy/delay/after", test_delay_after);
  g_test_add_func ("/delivery-policy/next/ends", test_next_ends);
  g_test_add_func ("/delivery-policy/next/before-end", test_before_end);
  g_test_add_func ("/delivery-policy/pause/doubles", test_pause);
  g_test_add_func ("/delivery-policy/pause/probe", test_probe);
  g_test_add_func ("/delivery-policy/pause/to-hour", test_pause_to_hour);
  ADD_ROWS ("/delivery-policy/after/", after_rows, test_after);
  ADD_ROWS ("/delivery-policy/code/", code_rows, test_code);
  ADD_ROWS ("/delivery-policy/words/", words_rows, test_words);
  g_test_add_func ("/delivery-policy/words/bounded", test_words_bounded);

  return g_test_run ();
}
