/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the thread of the program does for a run: how often it allocates memory, takes a mutex and
 * compares names. These are counts, which are the same on each machine; no time is measured. */

#include "config.h"

#include <dlfcn.h>
#include <string.h>

#include "lsobs/lsobs.h"
#include "lsobs/model/lsobs-annotations-private.h"
#include "tests/lib/test-utils.h"

/* Runs before the count, whose memory goes through the flush thread, and runs that are counted. */
#define N_BEFORE 400
#define N_RUNS   50

#define MAX_ROUNDS 20

/* What this thread has done. */
static __thread guint n_allocs;
static __thread guint n_locks;
static __thread guint n_compares;

/* With 32 bits, the clock has a mutex of its own.
 * @n: how often each run asks it */
#define CLOCK_LOCKS(n) (GLIB_SIZEOF_VOID_P >= 8 ? 0 : (n) *N_RUNS)

/* --- the functions that are counted, which the program has in place of those of the libraries --- */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
# define COUNTS_ALLOCS 1

void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_realloc (void *memory, size_t size);

void *
malloc (size_t size)
{
  n_allocs++;
  return __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
  n_allocs++;
  return __libc_calloc (n, size);
}

void *
realloc (void *memory, size_t size)
{
  n_allocs++;
  return __libc_realloc (memory, size);
}
#else
# define COUNTS_ALLOCS 0
#endif

#undef g_mutex_lock
#undef g_async_queue_lock

void
g_mutex_lock (GMutex *mutex)
{
  static void (*real) (GMutex * mutex);

  if (g_atomic_pointer_get (&real) == NULL)
    g_atomic_pointer_set (&real, (void (*) (GMutex *)) dlsym (RTLD_NEXT, "g_mutex_lock"));
  n_locks++;
  real (mutex);
}

void
g_async_queue_lock (GAsyncQueue *queue)
{
  static void (*real) (GAsyncQueue * queue);
  guint before = n_locks;

  if (g_atomic_pointer_get (&real) == NULL)
    g_atomic_pointer_set (&real,
                          (void (*) (GAsyncQueue *)) dlsym (RTLD_NEXT, "g_async_queue_lock"));
  real (queue);
  /* Whether or not GLib calls the function above. */
  n_locks = before + 1;
}

/* --- runs --- */

typedef struct
{
  LsobsMemoryTransport *transport;
  LsobsObserver *observer;
  GBytes *json;
  guint n_allocs; /* of the runs that are counted */
  guint n_locks;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer rate)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("key", "project");
  g_autoptr (GError) error = NULL;

  lsobs_config_set_tracing_enabled (config, TRUE);
  lsobs_config_set_sampling_rate (config, GPOINTER_TO_INT (rate));
  /* The flush thread sleeps while runs are counted. */
  lsobs_config_set_flush_interval (config, 3600 * 1000);
  lsobs_config_set_queue_capacity (config, 2 * N_BEFORE);
  lsobs_config_set_max_batch_size (config, N_BEFORE);
  fixture->transport = lsobs_memory_transport_new ();
  fixture->observer =
      lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (fixture->transport), &error);
  g_assert_no_error (error);
  fixture->json = g_bytes_new_static ("{\"a\":1}", strlen ("{\"a\":1}"));
}

static void
tear_down (Fixture *fixture, gconstpointer rate)
{
  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->transport);
  g_bytes_unref (fixture->json);
}

/* What a program notes about a run. */
typedef enum
{
  NOTED_NOTHING,
  NOTED_LITTLE, /* a tag and a piece of metadata */
  NOTED_MUCH    /* nine annotations, and eleven texts in all */
} Noted;

static void
note_much (LsobsRun *run)
{
  lsobs_run_add_tag (run, "chat");
  lsobs_run_add_tag (run, "production");
  lsobs_run_set_metadata_string (run, "user", "4711");
  lsobs_run_set_metadata_string (run, "region", "north");
  lsobs_run_set_metadata_string (run, "prompt_version", "12");
  lsobs_run_set_metadata_string (run, "attempt", "1");
  lsobs_run_set_model (run, "provider", "model");
  lsobs_run_set_usage (run, 120, 45, 165);
  lsobs_run_add_text_event (run, "first token");
}

static void
trace (Fixture *fixture, guint n_runs, Noted noted)
{
  for (guint i = 0; i < n_runs; i++)
    {
      g_autoptr (LsobsRun) run = lsobs_observer_start_run_bytes (fixture->observer, "run",
                                                                 LSOBS_RUN_TYPE_LLM, fixture->json);

      if (noted == NOTED_MUCH)
        {
          note_much (run);
        }
      else if (noted == NOTED_LITTLE)
        {
          lsobs_run_add_tag (run, "tag");
          lsobs_run_set_metadata_string (run, "key", "value");
        }
      lsobs_run_end_bytes (run, fixture->json);
    }
}

/* Counts what N_RUNS runs cost, when others have been sent before them. The flush thread gives memory
 * back a moment after a flush has ended: so the cheapest of some rounds counts. */
static void
count (Fixture *fixture, Noted noted)
{
  fixture->n_allocs = fixture->n_locks = G_MAXUINT;
  for (guint round = 0; round < MAX_ROUNDS && fixture->n_allocs > 0; round++)
    {
      g_autoptr (GError) error = NULL;

      trace (fixture, N_BEFORE, noted);
      lsobs_observer_flush (fixture->observer, TEST_TIMEOUT_MS, NULL, &error);
      g_assert_no_error (error);
      lsobs_memory_transport_clear (fixture->transport);
      /* The first one may set the alarm of the flush thread. */
      trace (fixture, 1, noted);
      n_allocs = n_locks = 0;
      trace (fixture, N_RUNS, noted);
      fixture->n_allocs = MIN (fixture->n_allocs, n_allocs);
      fixture->n_locks = MIN (fixture->n_locks, n_locks);
    }
  g_test_message ("%u runs: %u allocations, %u locks", N_RUNS, fixture->n_allocs, fixture->n_locks);
}

/* A run takes the mutex of the queue for its start and its end. Some get a
 * magazine of memory from the pool, under a mutex, too. */
static void
test_plain (Fixture *fixture, gconstpointer rate)
{
  count (fixture, NOTED_NOTHING);
  if (COUNTS_ALLOCS)
    g_assert_cmpuint (fixture->n_allocs, ==, 0);
  g_assert_cmpuint (fixture->n_locks, >=, N_RUNS);
  g_assert_cmpuint (fixture->n_locks, <=, 2 * N_RUNS + N_RUNS / 10 + CLOCK_LOCKS (3));
}

/* Since 2.76, GLib allocates what an array or a text has beside its data by malloc(), too.
 * Returns: how many allocations @n arrays and texts are */
static guint
count_parts (guint n)
{
  return glib_check_version (2, 75, 0) == NULL ? 2 * n : n;
}

/* Each annotation takes the mutex of the annotations, and so does the end. Names and short values need
 * no memory of their own: it is for the array of the tags, and for what the record gets, two texts. */
static void
test_noted (Fixture *fixture, gconstpointer rate)
{
  count (fixture, NOTED_LITTLE);
  if (COUNTS_ALLOCS)
    g_assert_cmpuint (fixture->n_allocs, <=, count_parts (3) * N_RUNS + N_RUNS / 10);
  g_assert_cmpuint (fixture->n_locks, <=, 5 * N_RUNS + N_RUNS / 10 + CLOCK_LOCKS (3));
}

/* There are the array of events, the event and its details, too; and the model takes the mutex once. */
static void
test_noted_much (Fixture *fixture, gconstpointer rate)
{
  count (fixture, NOTED_MUCH);
  if (COUNTS_ALLOCS)
    g_assert_cmpuint (fixture->n_allocs, <=, (count_parts (5) + 1) * N_RUNS + N_RUNS / 10);
  g_assert_cmpuint (fixture->n_locks, <=, 12 * N_RUNS + N_RUNS / 10 + CLOCK_LOCKS (4));
}

static void
test_unsampled (Fixture *fixture, gconstpointer rate)
{
  count (fixture, NOTED_NOTHING);
  if (COUNTS_ALLOCS)
    g_assert_cmpuint (fixture->n_allocs, ==, 0);
  /* Some get a magazine of memory from the pool. */
  g_assert_cmpuint (fixture->n_locks, <=, N_RUNS / 10 + CLOCK_LOCKS (1));
}

/* --- names --- */

/* Counts calls. The compiler compares with short constants by itself; none of these is one. */
#undef strcmp
int
strcmp (const char *a, const char *b)
{
  n_compares++;
  while (*a != '\0' && *a == *b)
    {
      a++;
      b++;
    }
  return (int) (guchar) *a - (int) (guchar) *b;
}

/* Returns: how many comparisons @n tags and as many pieces of metadata take, each set twice */
static guint
count_compares (guint n)
{
  g_autoptr (LsobsAnnotations) annotations = _lsobs_annotations_new ();

  n_compares = 0;
  for (guint i = 0; i < 2 * n; i++)
    {
      g_autofree char *name = g_strdup_printf ("name-%u", i % n);

      g_assert_true (_lsobs_annotations_add_tag_unlocked (annotations, name));
      g_assert_true (_lsobs_annotations_set_metadata_unlocked (annotations, name,
                                                               g_bytes_new_static ("1", 1), FALSE));
      g_assert_true (_lsobs_annotations_has_metadata_unlocked (annotations, name));
    }
  g_assert_cmpuint (annotations->tags->len, ==, n);
  g_assert_cmpuint (annotations->metadata.len, ==, n);
  return n_compares;
}

static void
test_names (void)
{
  guint few = count_compares (LSOBS_MAX_ANNOTATIONS / 4);
  guint many = count_compares (LSOBS_MAX_ANNOTATIONS);

  g_test_message ("%u and %u comparisons", few, many);
  g_assert_cmpuint (few, >, 0);
  /* Four times as many names; sixteen times as many comparisons would be quadratic. */
  g_assert_cmpuint (many, <=, 8 * few);
  g_assert_cmpuint (many, <=, 20 * LSOBS_MAX_ANNOTATIONS);
}

/* What does not fit leaves no trace, and is found no more. */
static void
test_names_full (void)
{
  g_autoptr (LsobsAnnotations) annotations = _lsobs_annotations_new ();
  g_autofree char *huge = g_strnfill (LSOBS_MAX_ANNOTATION_BYTES, ' ');
  g_autoptr (GBytes) metadata = NULL;

  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("name-%u", i);

      g_assert_false (_lsobs_annotations_set_metadata_unlocked (
          annotations, name, g_bytes_new (huge, LSOBS_MAX_ANNOTATION_BYTES), FALSE));
      g_assert_false (_lsobs_annotations_has_metadata_unlocked (annotations, name));
      g_assert_true (_lsobs_annotations_set_metadata_unlocked (annotations, name,
                                                               g_bytes_new_static ("1", 1), FALSE));
    }
  g_assert_cmpuint (annotations->metadata.len, ==, 100);
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("name-%u", i);

      g_assert_true (_lsobs_annotations_has_metadata_unlocked (annotations, name));
      g_assert_true (_lsobs_annotations_add_tag_unlocked (annotations, name));
    }
  _lsobs_annotations_clear_tags_unlocked (annotations);
  g_assert_true (_lsobs_annotations_add_tag_unlocked (annotations, "name-50"));
  g_assert_cmpuint (annotations->tags->len, ==, 1);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/caller-cost/plain", Fixture, GINT_TO_POINTER (1), set_up, test_plain, tear_down);
  g_test_add ("/caller-cost/noted", Fixture, GINT_TO_POINTER (1), set_up, test_noted, tear_down);
  g_test_add ("/caller-cost/noted-much", Fixture, GINT_TO_POINTER (1), set_up, test_noted_much,
              tear_down);
  g_test_add ("/caller-cost/unsampled", Fixture, GINT_TO_POINTER (0), set_up, test_unsampled,
              tear_down);
  g_test_add_func ("/caller-cost/names", test_names);
  g_test_add_func ("/caller-cost/names-full", test_names_full);
  return g_test_run ();
}
