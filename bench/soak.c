/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether a program that traces for a long time needs more and more: many runs, while the service fails in
 * turn in each way, observers come and go, and children trace. Prints what the process has after every
 * twentieth part, and fails if the mean of the last tenth is more than 5 % above that of the first; or,
 * for descriptors and threads, more than two above it. What comes before the first sample, 50,000 runs of
 * a million, is to warm up; with far fewer runs, a process is still growing then.
 *
 *   LSOBS_SOAK_RUNS=NUMBER   how many runs, in place of a million
 *   LSOBS_SOAK_SEED=NUMBER   in place of another one each time */

#include "config.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/books-helpers.h"

#define N_RUNS     1000000
#define N_SAMPLES  20
#define N_EDGE     2 /* samples in a tenth */
#define BURST      100
#define MAX_GROWTH 5 /* of memory, in percent */

enum
{
  SOAK_RSS,  /* in KiB */
  SOAK_HEAP, /* in KiB */
  SOAK_DESCRIPTORS,
  SOAK_THREADS,
  SOAK_N_VALUES
};

static const char *const names[SOAK_N_VALUES] = { "RSS KiB", "heap KiB", "descriptors", "threads" };

/* How many more there may be: a thread or a connection that is about to end. Memory has none. */
static const guint64 tolerance[SOAK_N_VALUES] = { [SOAK_DESCRIPTORS] = 2, [SOAK_THREADS] = 2 };

/* --- the service, in a process of its own: it would need memory here ----------------------- */

static FILE *commands; /* (owned) to the service */
static FILE *answers;  /* (owned) of the service */

static void
serve (FILE *input, FILE *output)
{
  const StorePlan plan = { .seed = 1, .refuses_known = TRUE };
  TestServer *server = test_server_new ();
  ServiceStore *store = service_store_new (server, &plan);
  char line[32];

  fprintf (output, "%s\n", test_server_get_url (server));
  fflush (output);
  while (fgets (line, sizeof line, input) != NULL)
    {
      service_store_set_fault (store, (StoreFault) atoi (line));
      if (atoi (line) == STORE_FAULT_NONE)
        service_store_shrink (store);
      fprintf (output, "%" G_GUINT64_FORMAT "\n", service_store_count (store));
      fflush (output);
    }
  _exit (EXIT_SUCCESS);
}

/* Returns: (transfer full): a line of the service */
static char *
read_answer (void)
{
  char line[256];

  if (fgets (line, sizeof line, answers) == NULL)
    g_error ("the service has ended");
  return g_strstrip (g_strdup (line));
}

/* Before there are threads.
 * Returns: (transfer full): its address */
static char *
start_service (void)
{
  int in[2];
  int out[2];

  if (pipe (in) != 0 || pipe (out) != 0)
    g_error ("no pipe for the service");
  if (fork () == 0)
    {
      close (in[1]);
      close (out[0]);
      serve (fdopen (in[0], "r"), fdopen (out[1], "w"));
    }
  close (in[0]);
  close (out[1]);
  commands = fdopen (in[1], "w");
  answers = fdopen (out[0], "r");
  return read_answer ();
}

static guint64 n_stored; /* as the service has said last */

static void
set_fault (StoreFault fault)
{
  g_autofree char *answer = NULL;

  fprintf (commands, "%d\n", (int) fault);
  fflush (commands);
  answer = read_answer ();
  n_stored = g_ascii_strtoull (answer, NULL, 10);
}

/* When nothing is under way. */
static guint64
count_stored (void)
{
  set_fault (STORE_FAULT_NONE);
  return n_stored;
}

/* --- measurements -------------------------------------------------------------------------- */

static guint64
get_number (const char *variable, guint64 otherwise)
{
  const char *text = g_getenv (variable);

  return text != NULL ? g_ascii_strtoull (text, NULL, 10) : otherwise;
}

static guint64
count_entries (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint64 n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static guint64
measure_rss (void)
{
  g_autofree char *text = NULL;
  unsigned long size = 0;
  unsigned long resident = 0;

  if (!g_file_get_contents ("/proc/self/statm", &text, NULL, NULL) ||
      sscanf (text, "%lu %lu", &size, &resident) != 2)
    return 0;
  return resident * (guint64) sysconf (_SC_PAGESIZE) / 1024;
}

static void
take_sample (guint64 *sample)
{
  malloc_trim (0);
  sample[SOAK_RSS] = measure_rss ();
  sample[SOAK_HEAP] = mallinfo2 ().uordblks / 1024;
  sample[SOAK_DESCRIPTORS] = count_entries ("/proc/self/fd");
  sample[SOAK_THREADS] = count_entries ("/proc/self/task");
}

/* So many runs, the observers and services of which are at rest then. */
static void
soak (BooksWorld *world, GRand *rand, guint64 n_runs)
{
  guint round = 0;

  for (guint64 n = 0; n < n_runs; n += BURST, round++)
    {
      books_world_record (world, BURST);
      if (round % 4 == 0)
        books_world_set_fault (world, (StoreFault) (round / 4 % STORE_N_FAULTS));
      books_world_flush (world, g_rand_int_range (rand, 0, 10));
      if (round % 10 == 9)
        books_world_settle (world);
      if (round % 50 == 25)
        books_world_replace_observer (world);
      if (round % 100 == 50)
        books_world_fork (world);
    }
  /* How many connections an observer keeps open depends on how busy the machine was. */
  books_world_replace_observer (world);
  books_world_settle (world);
}

/* @samples: the first of a tenth */
static double
get_mean (guint64 samples[][SOAK_N_VALUES], guint value)
{
  guint64 sum = 0;

  for (guint i = 0; i < N_EDGE; i++)
    sum += samples[i][value];
  return (double) sum / N_EDGE;
}

static double
get_limit (double first, guint value)
{
  if (tolerance[value] != 0)
    return first + (double) tolerance[value];
  return first + first * MAX_GROWTH / 100;
}

static int
judge (guint64 samples[][SOAK_N_VALUES])
{
  int result = EXIT_SUCCESS;

  for (guint i = 0; i < SOAK_N_VALUES; i++)
    {
      double first = get_mean (samples, i);
      double last = get_mean (samples + N_SAMPLES - N_EDGE, i);
      gboolean has_grown = last > get_limit (first, i);

      printf ("%-12s %8.0f -> %8.0f %+6.1f %%, at most %8.0f: %s\n", names[i], first, last,
              100.0 * (last - first) / MAX (first, 1.0), get_limit (first, i),
              has_grown ? "GROWN" : "ok");
      if (has_grown)
        result = EXIT_FAILURE;
    }
  return result;
}

int
main (int argc, char **argv)
{
  guint64 samples[N_SAMPLES][SOAK_N_VALUES];
  guint64 n_runs = get_number ("LSOBS_SOAK_RUNS", N_RUNS);
  guint32 seed = (guint32) get_number ("LSOBS_SOAK_SEED", g_random_int ());
  g_autofree char *url = start_service ();
  const BooksService service = { .url = url, .set_fault = set_fault, .count = count_stored };
  const BooksPlan plan = { .seed = seed, .service = &service };
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  BooksTotals totals = { 0 };
  BooksWorld *world;

  /* Memory that threads keep apart, by chance, is no growth. A sanitizer's allocator ignores this. */
  mallopt (M_ARENA_MAX, 1);
  world = books_world_new (&plan);
  printf ("LSOBS_SOAK_SEED=%u\n%10s %10s %10s %12s %8s\n", seed, "runs", names[0], names[1],
          names[2], names[3]);
  for (guint i = 0; i < N_SAMPLES; i++)
    {
      soak (world, rand, n_runs / N_SAMPLES);
      take_sample (samples[i]);
      printf ("%10" G_GUINT64_FORMAT " %10" G_GUINT64_FORMAT " %10" G_GUINT64_FORMAT
              " %12" G_GUINT64_FORMAT " %8" G_GUINT64_FORMAT "\n",
              n_runs / N_SAMPLES * (i + 1), samples[i][SOAK_RSS], samples[i][SOAK_HEAP],
              samples[i][SOAK_DESCRIPTORS], samples[i][SOAK_THREADS]);
      fflush (stdout);
    }
  books_world_free (world, &totals);
  printf ("%" G_GUINT64_FORMAT " records, %" G_GUINT64_FORMAT " delivered, %" G_GUINT64_FORMAT
          " dropped, %" G_GUINT64_FORMAT " spooled, %" G_GUINT64_FORMAT
          " drained; %u observers, %u children\n",
          totals.enqueued, totals.delivered, totals.dropped, totals.spooled, totals.drained,
          totals.n_observers, totals.n_forks);
  return judge (samples);
}
