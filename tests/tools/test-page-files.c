/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of the page, at which addresses they are, and who gets them. */

#include "config.h"

#include <string.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/page-helpers.h"

#define PAGE_POLICY \
 "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';" \
 " font-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static void
assert_strict (SoupMessage *message)
{
  g_assert_cmpstr (page_get_header (message, "Content-Security-Policy"), ==, PAGE_POLICY);
  g_assert_cmpstr (page_get_header (message, "X-Content-Type-Options"), ==, "nosniff");
  g_assert_cmpstr (page_get_header (message, "Referrer-Policy"), ==, "no-referrer");
  g_assert_cmpstr (page_get_header (message, "Cross-Origin-Opener-Policy"), ==, "same-origin");
  g_assert_cmpstr (page_get_header (message, "X-DNS-Prefetch-Control"), ==, "off");
  g_assert_cmpstr (page_get_header (message, "Cross-Origin-Resource-Policy"), ==, "same-origin");
  g_assert_cmpstr (page_get_header (message, "Cache-Control"), ==, "private, no-cache");
}

/* The page is answered at its addresses, with strict headers, and all that it refers to is there. */
static void
test_files (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const browser[] = { "Accept", "text/html,application/xhtml+xml;q=0.9", NULL };
  static const char *const addresses[] = { "/", "/projects/x?status=error", "/projects/x/threads",
                                           "/traces/01900000-0000-7000-8000-000000000001?run=x" };
  g_autofree char *page = NULL;
  g_autoptr (SoupMessage) file = NULL;
  g_autoptr (SoupMessage) same = NULL;
  g_autoptr (SoupMessage) head = NULL;
  g_autofree char *nothing = NULL;
  g_autoptr (GRegex) regex = g_regex_new ("(?:src|href)=\"([^\"]*)\"", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  serve_start (fixture, NULL, NULL);
  file = page_send (fixture, "GET", "/page/index.html", NULL, &page);
  g_assert_cmpuint (soup_message_get_status (file), ==, 200);
  g_assert_cmpstr (page_get_header (file, "Content-Type"), ==, "text/html; charset=utf-8");
  assert_strict (file);
  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      g_autofree char *body = NULL;
      g_autoptr (SoupMessage) message = page_send (fixture, "GET", addresses[i], browser, &body);

      g_assert_cmpuint (soup_message_get_status (message), ==, 200);
      g_assert_cmpstr (body, ==, page);
      assert_strict (message);
    }
  for (g_regex_match (regex, page, 0, &match); g_match_info_matches (match);
       g_match_info_next (match, NULL))
    {
      g_autofree char *path = g_match_info_fetch (match, 1);
      g_autoptr (SoupMessage) part = NULL;

      g_assert_true (g_str_has_prefix (path, "/page/"));
      part = page_send (fixture, "GET", path, NULL, NULL);
      g_assert_cmpuint (soup_message_get_status (part), ==, 200);
      assert_strict (part);
    }

  same = page_send (fixture, "GET", "/page/index.html",
                    (const char *const[]){ "If-None-Match", page_get_header (file, "ETag"), NULL },
                    &nothing);
  g_assert_cmpuint (soup_message_get_status (same), ==, 304);
  g_assert_cmpstr (nothing, ==, "");
  g_assert_cmpstr (page_get_header (same, "ETag"), ==, page_get_header (file, "ETag"));
  head = page_send (fixture, "HEAD", "/page/index.html", NULL, NULL);
  g_assert_cmpuint (soup_message_get_status (head), ==, 200);
  g_assert_cmpstr (page_get_header (head, "ETag"), ==, page_get_header (file, "ETag"));
}

/* Who does not ask for HTML gets no page, and no name leads out of the folder. */
static void
test_other_paths (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const names[] = { "/page/",
                                       "/page/none.html",
                                       "/page/../index.html",
                                       "/page/%2e%2e%2findex.html",
                                       "/page/%2findex.html",
                                       "/page/.hidden.html",
                                       "/page/index.html/",
                                       "/page/index.html%00.js",
                                       "/page/page.gresource.xml",
                                       "/page/Makefile.am.inc",
                                       "/page" };
  g_autofree char *folder = g_build_filename (fixture->folder, "overlay", "page", NULL);
  g_autofree char *secret = g_build_filename (fixture->folder, "overlay", "secret.html", NULL);
  g_autofree char *shell = g_strdup_printf ("G_RESOURCE_OVERLAYS='/org/lsobs/page=%s'", folder);
  g_autofree char *text = NULL;
  g_autoptr (SoupMessage) root = NULL;

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (secret, "secret", -1, NULL));
  serve_start (fixture, shell, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *request = g_strdup_printf (
          "GET %s HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nx-api-key: @T\r\n\r\n", names[i]);
      g_autofree char *answer = serve_send_raw (fixture, request);

      if (!g_str_has_prefix (answer, "HTTP/1.1 404 "))
        g_error ("%s: %.200s", names[i], answer);
    }
  {
    g_autofree char *answer = serve_send_raw (
        fixture,
        "GET /page/../secret.html HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nx-api-key: @T\r\n\r\n");

    g_assert_null (strstr (answer, "secret\n"));
    g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 404 "));
  }
  root = page_send (fixture, "GET", "/", NULL, &text);
  g_assert_cmpuint (soup_message_get_status (root), ==, 200);
  g_assert_cmpstr (page_get_header (root, "Content-Type"), ==, "text/plain; charset=utf-8");
  g_assert_nonnull (strstr (text, "LANGSMITH_ENDPOINT"));
}

/* Addresses of LangSmith's site lead to the page. */
static void
test_site_addresses (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
#define TENANT "/o/00000000-0000-4000-8000-000000000000"
  static const struct
  {
    const char *path;
    guint status;
    const char *location; /* (nullable) */
  } cases[] = {
    { TENANT "/projects/p/" TEST_OTHER "/r/" TEST_CHILD "?trace_id=" TEST_ROOT "&start_time=1", 302,
      "/traces/" TEST_ROOT "?run=" TEST_CHILD },
    { TENANT "/projects/p/" TEST_OTHER "/r/" TEST_CHILD "?poll=true", 302,
      "/traces/" TEST_CHILD "?run=" TEST_CHILD },
    { TENANT "/projects/p/" TEST_OTHER "?timeModel=x", 302, "/projects/" TEST_OTHER },
    { TENANT "/projects/p/x%0d%0aX-Evil:1", 200, NULL },
    { TENANT "/projects/p/" TEST_OTHER "/r/..%2f..?trace_id=//evil.example", 302,
      "/projects/" TEST_OTHER },
    { TENANT "/settings", 200, NULL },
  };

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (SoupMessage) message = page_send (fixture, "GET", cases[i].path, NULL, NULL);
      g_autofree char *location =
          cases[i].location != NULL ? g_strconcat (fixture->url, cases[i].location, NULL) : NULL;

      g_assert_cmpuint (soup_message_get_status (message), ==, cases[i].status);
      g_assert_cmpstr (page_get_header (message, "Location"), ==, location);
      g_assert_null (page_get_header (message, "X-Evil"));
    }
}

/* Nothing is told to who has no token, or to another page; the cookie is as good as the token. */
static void
test_access (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const requests[] = {
    "GET /",
    "GET /page/index.html",
    "GET /projects/x",
    "GET /page-data/traces/" TEST_ROOT,
    "GET /page-data/runs/" TEST_ROOT,
    "GET /page-data/threads?project=" TEST_ROOT,
    "GET /page-data/chart?project=" TEST_ROOT,
    "GET /page-data/words",
    "GET /page-data/export?trace=" TEST_ROOT,
    "GET /page-data/live",
    "POST /page-data/traces",
    "POST /page-data/clear",
  };
  g_autoptr (GRegex) regex = g_regex_new ("Set-Cookie: ([^;]*);", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *exchange = NULL;
  g_autofree char *location = NULL;
  g_autofree char *cookie = NULL;
  g_autofree char *with_cookie = NULL;
  g_autofree char *answer = NULL;

  serve_start (fixture, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      static const char *const headers[] = {
        "Accept: text/html\r\n",
        "x-api-key: wrong\r\n",
        "x-api-key: @T\r\nOrigin: http://evil.example\r\n",
        "x-api-key: @T\r\nSec-Fetch-Site: cross-site\r\n",
      };

      for (guint j = 0; j < G_N_ELEMENTS (headers); j++)
        {
          g_autofree char *request = g_strdup_printf (
              "%s HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n",
              requests[i], headers[j]);
          g_autofree char *refusal = serve_send_raw (fixture, request);

          if (!g_str_has_prefix (refusal, j < 2 ? "HTTP/1.1 401 " : "HTTP/1.1 403 "))
            g_error ("%s %s: %.200s", requests[i], headers[j], refusal);
          g_assert_null (strstr (refusal, "<main"));
        }
      {
        g_autofree char *request = g_strdup_printf (
            "%s HTTP/1.1\r\nHost: evil.example\r\nx-api-key: @T\r\nContent-Length: 0\r\n\r\n",
            requests[i]);
        g_autofree char *refusal = serve_send_raw (fixture, request);

        g_assert_true (g_str_has_prefix (refusal, "HTTP/1.1 403 "));
      }
    }

  exchange = serve_send_raw (
      fixture, "GET /traces/x?run=y&token=@T HTTP/1.1\r\nHost: @H\r\nConnection: close\r\n\r\n");
  location = g_strdup_printf ("Location: %s/traces/x?run=y\r\n", fixture->url);
  g_assert_nonnull (strstr (exchange, location));
  g_assert_true (g_regex_match (regex, exchange, 0, &match));
  cookie = g_match_info_fetch (match, 1);
  with_cookie = g_strdup_printf (
      "GET /page-data/words HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nCookie: %s\r\n\r\n",
      cookie);
  answer = serve_send_raw (fixture, with_cookie);
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 200 "));
}

/* A browser without a token is told how to open the page, as a page, and in no script. */
static void
test_refusal (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *answer = NULL;
  g_autofree char *other = NULL;

  serve_start (fixture, NULL, NULL);
  answer = serve_send_raw (
      fixture, "GET / HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nAccept: text/html\r\n\r\n");
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 401 "));
  g_assert_nonnull (strstr (answer, "Content-Type: text/html; charset=utf-8\r\n"));
  g_assert_nonnull (strstr (answer, "default-src 'none'"));
  g_assert_nonnull (strstr (answer, "lsobs serve"));
  other = serve_send_raw (fixture, "GET / HTTP/1.1\r\nHost: @H\r\nConnection: close\r\n\r\n");
  g_assert_nonnull (strstr (other, "Content-Type: application/json\r\n"));
}

#define ADD(path, func) \
 g_test_add (path, ServeFixture, NULL, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/page-files/all", test_files);
  ADD ("/page-files/other-paths", test_other_paths);
  ADD ("/page-files/site-addresses", test_site_addresses);
  ADD ("/page-files/access", test_access);
  ADD ("/page-files/refusal", test_refusal);
  return g_test_run ();
}
