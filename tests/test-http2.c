/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* HTTP/2: what is counted as delivered is there, whatever becomes of streams and connections. */

#include "config.h"

#include <string.h>

#include "h2-helpers.h"

/* LeakSanitizer crashes on what the TLS library maps. */
#ifdef __SANITIZE_ADDRESS__
int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return 1;
}
#endif

typedef struct
{
  TestFixture base;
  H2Service *service; /* (owned) (nullable) where it cannot run */
} H2Fixture;

/* @data: the plan of the service */
static void
set_up (H2Fixture *fixture, gconstpointer data)
{
  test_fixture_set_up (&fixture->base, NULL);
  fixture->base.is_free = TRUE;
  if (!h2_service_is_possible ())
    return;
  fixture->service = h2_service_new (data);
  lsobs_config_set_api_url (fixture->base.config, h2_service_get_url (fixture->service));
  lsobs_config_set_max_attempts (fixture->base.config, 20);
  lsobs_config_set_request_timeout (fixture->base.config, 3000);
}

static void
tear_down (H2Fixture *fixture, gconstpointer data)
{
  test_fixture_tear_down (&fixture->base, data);
  g_clear_pointer (&fixture->service, h2_service_free);
}

/* Sends @n_batches of 5 runs each; all of them must be there. */
static void
assert_all_arrive (H2Fixture *fixture, guint n_batches, H2Books *books)
{
  for (guint i = 1; i <= n_batches; i++)
    {
      test_emit_many (fixture->base.exporter, 5);
      test_assert_flush (fixture->base.exporter, 5);
    }
  h2_service_get_books (fixture->service, books);
  g_assert_cmpuint (books->n_without_body, ==, 0);
  g_assert_cmpuint (books->n_cut_short, ==, 0);
  g_assert_cmpuint (books->n_runs, ==, 5 * n_batches);
  g_assert_cmpuint (books->n_runs, ==,
                    test_get_counter (fixture->base.exporter, LSOBS_COUNTER_DELIVERED));
}

static void
test_plain (H2Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  H2Books books;

  if (fixture->service == NULL)
    return;
  test_fixture_start (&fixture->base);
  assert_all_arrive (fixture, 4, &books);
  g_test_message ("%u requests on %u connections, %u refused", books.n_requests, books.n_connections, books.n_refused);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

#define ADD(name, plan, func) \
 g_test_add ("/http2/" name, H2Fixture, plan, set_up, func, tear_down)
  ADD ("plain", "", test_plain);
  ADD ("refused", "refuse=3", test_plain);
  ADD ("refused-lenient", "refuse=3 lenient=1", test_plain);
  ADD ("goaway-below", "goaway-below=2", test_plain);
  ADD ("goaway-above", "goaway-above=2", test_plain);
  ADD ("reset", "reset=2", test_plain);
  ADD ("cut", "cut=2", test_plain);
  ADD ("window", "window=100", test_plain);
  ADD ("misdirect", "misdirect=2", test_plain);
  ADD ("early", "early=1", test_plain);
  ADD ("trailers", "trailers=1", test_plain);
  ADD ("endless", "endless=1", test_plain);
  ADD ("drip", "drip=1", test_plain);
  ADD ("silent", "silent=1", test_plain);
  ADD ("mute", "mute=1", test_plain);
  ADD ("refuse-all", "refuse-all=1", test_plain);
  ADD ("interim", "interim=0", test_plain);
  ADD ("interim-slow", "interim=5", test_plain);
  ADD ("forget", "forget=1 conflict=1", test_plain);
#undef ADD

  return g_test_run ();
}
