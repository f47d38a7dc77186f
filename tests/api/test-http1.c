/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* HTTP/1.1 as servers and what stands before them really speak it: what is counted as delivered is
 * there, whatever becomes of connections and answers. */

#include "config.h"

#include "tests/lib/tls-helpers.h"

/* libsoup sends each of these requests again, and says nothing of it; the header names the right
 * length: without the body, the server would wait for that. */
static void
test_misdirected (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  lsobs_config_set_request_timeout (fixture->base.config, TEST_NEVER_MS);
  lsobs_config_set_max_attempts (fixture->base.config, 1);
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 4, &books);
  g_assert_cmpuint (books.n_misdirected, >, 0);
}

/* It is closed when the next request is on its way already. */
static void
test_closed_late (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 4, &books);
  g_assert_cmpuint (books.n_times, ==, 20);
  g_assert_cmpuint (books.n_connections, >, 1);
}

static void
test_large (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  TlsBooks books;

  if (fixture->service == NULL)
    return;
  test_fixture_start (&fixture->base);
  tls_fixture_assert_arrival (fixture, 1, &books);
  test_emit_large (fixture->base.exporter, "large", 3000000);
  test_emit_large (fixture->base.exporter, "large", 3000000);
  test_assert_flush (fixture->base.exporter, 2);
  tls_service_get_books (fixture->service, &books);
  g_assert_cmpuint (books.n_cut_short, ==, 0);
  g_assert_cmpuint (books.n_runs, ==, 7);
}

/* --- interim answers without end ----------------------------------------------------------- */

/* The end of the observer waits for neither. */
static void
test_interim_shutdown (TlsFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  if (fixture->service == NULL)
    return;
  lsobs_config_set_request_timeout (fixture->base.config, TEST_NEVER_MS);
  tls_fixture_assert_shutdown (fixture);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(name, plan, test) \
 g_test_add ("/http1/" name, TlsFixture, "http1=1 " plan, tls_fixture_set_up, test, \
             tls_fixture_tear_down)

  ADD ("good", "", tls_test_arrival);
  ADD ("misdirected", "misdirect=2", test_misdirected);
  ADD ("closed/late", "last=2", test_closed_late);
  ADD ("closed/unasked-answer", "unasked=1", tls_test_arrival);
  ADD ("closed/rudely", "rude=1", tls_test_arrival);
  ADD ("upload/cut", "cut=2", test_large);
  ADD ("upload/early-answer", "early=1", test_large);
  ADD ("answer/chunked", "chunked=1", tls_test_arrival);
  ADD ("answer/gzip", "gzip=1", tls_test_arrival);
  ADD ("silent/connection", "silent=1", tls_test_silent);
  ADD ("interim/flood", "interim=0", tls_test_interim_flood);
  ADD ("interim/slow", "interim=5", tls_test_interim_slow);
  ADD ("interim/shutdown", "interim=0", test_interim_shutdown);
  ADD ("interim/shutdown-slow", "interim=5", test_interim_shutdown);

#undef ADD

  return g_test_run ();
}
