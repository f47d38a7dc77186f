/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The books are true, whatever happens in whatever order.
 *
 * Each schedule follows from a number, which is printed:
 *
 *   LSOBS_BOOKS_SEED=NUMBER    runs the one schedule of that number, in each test
 *   LSOBS_BOOKS_STEPS=NUMBER   how many steps the schedules have, all taken together
 *   LSOBS_BOOKS_SHORT=NUMBER   how many short schedules there are
 *
 * What threads do at the same time is not part of a schedule: the same number may go well once. */

#include "config.h"

#include <stdlib.h>

#include "tests/lib/books-helpers.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/tls-helpers.h"

#define N_STEPS        3000
#define N_SHORT        40
#define STEPS_OF_LONG  200
#define STEPS_OF_SHORT 12

typedef struct
{
  const char *path;
  gboolean http2;
  gboolean is_short;
  guint share; /* of the steps, in percent: a service that speaks HTTP/2 takes a while to start */
} BooksRow;

static const BooksRow rows[] = {
  { .path = "/books/http1", .share = 100 },
  { .path = "/books/short", .is_short = TRUE },
  /* the last one: TLS leaves threads of GTask, with which no other may fork */
  { .path = "/books/http2", .http2 = TRUE, .share = 30 },
};

/* A number of the environment. */
static guint64
get_number (const char *variable, guint64 otherwise)
{
  const char *text = g_getenv (variable);

  return text != NULL ? g_ascii_strtoull (text, NULL, 10) : otherwise;
}

static void
run_schedule (const BooksRow *row, guint32 seed, guint n_steps, BooksTotals *totals)
{
  const BooksPlan plan = { .seed = seed, .http2 = row->http2 };
  BooksWorld *world;

  g_test_message ("LSOBS_BOOKS_SEED=%u", seed);
  world = books_world_new (&plan);
  for (guint i = 0; i < n_steps; i++)
    books_world_step (world);
  books_world_settle (world);
  books_world_free (world, totals);
}

static void
test_row (gconstpointer data)
{
  const BooksRow *row = data;
  guint n_steps = row->is_short ? STEPS_OF_SHORT : STEPS_OF_LONG;
  guint64 slowness = test_is_instrumented () ? 10 : 1;
  guint64 n = row->is_short ? get_number ("LSOBS_BOOKS_SHORT", N_SHORT / slowness)
                            : get_number ("LSOBS_BOOKS_STEPS", N_STEPS / slowness) * row->share /
                                  100 / n_steps;
  BooksTotals totals = { 0 };

  if (row->http2 && !tls_service_is_possible ())
    return;
  if (g_getenv ("LSOBS_BOOKS_SEED") != NULL)
    {
      run_schedule (row, (guint32) get_number ("LSOBS_BOOKS_SEED", 0), n_steps, &totals);
      return;
    }
  for (guint64 i = 0; i < n; i++)
    run_schedule (row, (guint32) g_test_rand_int (), n_steps, &totals);
  g_test_message ("%" G_GUINT64_FORMAT " schedules of %u steps: %" G_GUINT64_FORMAT
                  " records, %" G_GUINT64_FORMAT " delivered, %" G_GUINT64_FORMAT
                  " dropped, %" G_GUINT64_FORMAT " spooled, %" G_GUINT64_FORMAT
                  " drained, %" G_GUINT64_FORMAT " stored; %" G_GUINT64_FORMAT
                  " requests, %u observers, %u children",
                  n, n_steps, totals.enqueued, totals.delivered, totals.dropped, totals.spooled,
                  totals.drained, totals.stored, totals.requests, totals.n_observers,
                  totals.n_forks);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  tls_service_allow_warnings ();
  g_test_summary ("Every record is in one place, and what is delivered is at the service.");

  TEST_ADD_ROWS ("", rows, path, test_row);
  return g_test_run ();
}
