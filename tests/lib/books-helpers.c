/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>
#include <sys/mman.h>

#include <glib/gstdio.h>

#include "tests/lib/books-helpers.h"
#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/fork-helpers.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/tls-helpers.h"

#define MAX_DESTINATIONS 3
#define MAX_THREADS      4
#define MAX_OPEN         16

/* In ms. */
#define LEAVE_MS         200
#define HASTY_REQUEST_MS 500
#define HTTP2_REQUEST_MS 30000

/* What exporters have counted for one destination. */
typedef struct
{
  guint64 enqueued;
  guint64 merged;
  guint64 delivered;
  guint64 spooled;
  guint64 dropped;
  guint64 shut_off;   /* dropped by a shutdown */
  guint64 undecided;  /* queued or in flight */
  guint64 drained;    /* sent from the spool, whoever has put it there */
  guint64 spool_lost; /* the service has refused it when it was in the spool */
} Account;

struct _BooksWorld
{
  BooksPlan plan;
  GRand *rand; /* (owned) */
  guint n_destinations;
  gboolean
      is_hasty; /* requests end before they are answered: nobody knows what the client has read */
  gboolean redacts;
  gboolean cuts;
  TestServer *servers[MAX_DESTINATIONS];  /* (owned) (nullable) for HTTP/1.1 */
  TlsService *services[MAX_DESTINATIONS]; /* (owned) (nullable) for HTTP/2 */
  ServiceStore
      *stores[MAX_DESTINATIONS]; /* (owned) (nullable) what the service has, if it is no other
                                           * process */
  gboolean refuses_known;
  char *spool_parent;                 /* (owned) (nullable) a directory, if there is a spool */
  char *spool_dir;                    /* (owned) in it */
  Account accounts[MAX_DESTINATIONS]; /* of exporters that nothing happens to any more */
  LsobsConfig *config;                /* (owned) */
  GMainContext *context;   /* (unowned) (nullable) the program's, which everything is sent in */
  LsobsObserver *observer; /* (owned) */
  GPtrArray
      *exporters; /* (owned) (element-type LsobsExporter) the last one is that of the observer */
  Account *
      children; /* (owned) (array length=MAX_DESTINATIONS) what forked children have done, in memory
                      * that they share with their parent */
  guint n_observers;
  guint n_forks;

  GMutex lock;        /* guards all below: the threads of the program use it */
  GHashTable *ledger; /* (owned) (element-type utf8 utf8): names by ids */
  GPtrArray *open;    /* (owned) (element-type LsobsRun) that have not ended */
  guint serial;
  guint64 n_made;    /* records, before ends join their starts */
  GCond cond;        /* the redact function may go on, or has returned */
  gboolean is_stuck; /* the redact function does not return */
  guint n_inside;    /* threads in the redact function */
};

/* --- the books ----------------------------------------------------------------------------- */

guint64
books_sum (LsobsStats *stats)
{
  static const LsobsCounter places[] = {
    LSOBS_COUNTER_DELIVERED,
    LSOBS_COUNTER_QUEUED,
    LSOBS_COUNTER_IN_FLIGHT,
    LSOBS_COUNTER_SPOOLED,
  };
  guint64 sum = lsobs_stats_get_total_dropped (stats);

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    sum += lsobs_stats_get (stats, places[i]);
  return sum;
}

static void
account_add (Account *self, LsobsStats *stats)
{
  self->enqueued += lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED);
  self->merged += lsobs_stats_get (stats, LSOBS_COUNTER_MERGED);
  self->delivered += lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED);
  self->spooled += lsobs_stats_get (stats, LSOBS_COUNTER_SPOOLED);
  self->dropped += lsobs_stats_get_total_dropped (stats);
  self->shut_off += lsobs_stats_get_dropped (stats, LSOBS_DROP_REASON_SHUTDOWN);
  self->undecided += lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
                     lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT);
  self->drained += lsobs_stats_get (stats, LSOBS_COUNTER_DRAINED);
  self->spool_lost += lsobs_stats_get (stats, LSOBS_COUNTER_SPOOL_DROPPED);
}

/* Adds what was counted between @before and @after. */
static void
account_add_difference (Account *self, const Account *before, const Account *after)
{
  self->enqueued += after->enqueued - before->enqueued;
  self->merged += after->merged - before->merged;
  self->delivered += after->delivered - before->delivered;
  self->spooled += after->spooled - before->spooled;
  self->dropped += after->dropped - before->dropped;
  self->shut_off += after->shut_off - before->shut_off;
  self->undecided += after->undecided - before->undecided;
  self->drained += after->drained - before->drained;
  self->spool_lost += after->spool_lost - before->spool_lost;
}

static void
assert_balanced (LsobsStats *stats)
{
  guint64 sum = books_sum (stats);

  if (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED) != sum)
    {
      g_autofree char *text = lsobs_stats_to_string (stats);

      g_error ("the books do not balance, the sum being %" G_GUINT64_FORMAT ": %s", sum, text);
    }
}

/* At any moment, in any thread. */
static void
assert_exporter (LsobsExporter *exporter)
{
  g_autoptr (LsobsStats) all = lsobs_exporter_dup_stats (exporter);

  assert_balanced (all);
  for (guint i = 0; i < lsobs_exporter_get_n_replicas (exporter); i++)
    {
      g_autoptr (LsobsStats) stats = lsobs_exporter_dup_replica_stats (exporter, i);

      assert_balanced (stats);
    }
}

static void
sum_up (BooksWorld *self, guint destination, Account *account)
{
  *account = self->accounts[destination];
  for (guint i = 0; i < self->exporters->len; i++)
    {
      g_autoptr (LsobsStats) stats =
          lsobs_exporter_dup_replica_stats (g_ptr_array_index (self->exporters, i), destination);

      account_add (account, stats);
    }
}

/* With the children. */
static void
sum_up_all (BooksWorld *self, guint destination, Account *account)
{
  const Account nothing = { 0 };

  sum_up (self, destination, account);
  account_add_difference (account, &nothing, &self->children[destination]);
}

/* What the client does not count as delivered may be there: the answer was lost, and the record after
 * that. */
static void
assert_count (ServiceStore *store, const Account *account)
{
  guint64 n_sent = account->delivered + account->drained;
  guint64 n_lost = account->dropped + account->spool_lost + account->undecided;
  guint64 n_uncertain = account->shut_off + account->undecided;

  g_assert_cmpuint (n_sent, <=, service_store_count (store));
  g_assert_cmpuint (service_store_count (store), <=, n_sent + n_lost);
  g_assert_cmpuint (service_store_count_confirmed (store), <=, n_sent + n_uncertain);
}

/* What was in the spool has left it once. The disk may be done with a record that a shutdown has given up. */
static void
assert_spool (const Account *account)
{
  g_assert_cmpuint (account->spooled, <=, account->drained + account->spool_lost);
  g_assert_cmpuint (account->drained + account->spool_lost, <=,
                    account->spooled + account->shut_off);
}

/* When nothing is queued, in flight, or in the spool. */
static void
assert_store (BooksWorld *self, guint destination)
{
  ServiceStore *store = self->stores[destination];
  g_autofree char *problem = NULL;
  Account own;
  Account all;

  sum_up (self, destination, &own);
  sum_up_all (self, destination, &all);
  assert_spool (&all);
  if (self->plan.service != NULL)
    g_assert_cmpuint (all.delivered + all.drained, <=, self->plan.service->count ());
  if (self->services[destination] != NULL)
    tls_service_tell_store (self->services[destination], store);
  g_mutex_lock (&self->lock);
  g_assert_cmpuint (own.enqueued + own.merged, ==, self->n_made);
  if (store != NULL)
    problem = service_store_find_problem (store, self->ledger);
  g_mutex_unlock (&self->lock);
  if (problem != NULL)
    g_error ("the store of service %u: %s", destination, problem);
  if (store != NULL)
    assert_count (store, &all);
}

static LsobsExporter *
get_exporter (BooksWorld *self)
{
  return g_ptr_array_index (self->exporters, self->exporters->len - 1);
}

/* --- the spool ----------------------------------------------------------------------------- */

/* In place of the folder with the ledger and the locks, there is a file: nothing can be written. */
static void
set_disk_broken (BooksWorld *self, gboolean is_broken)
{
  g_autofree char *state = g_build_filename (self->spool_dir, ".lsobs", NULL);
  g_autofree char *away = g_build_filename (self->spool_parent, "away", NULL);

  if (!is_broken && g_file_test (away, G_FILE_TEST_IS_DIR))
    {
      g_unlink (state);
      /* A thread may have made another one meanwhile. */
      if (g_rename (state, away) != 0)
        g_rename (away, state);
      failed_traces_remove_dir (away);
    }
  else if (is_broken && !g_file_test (away, G_FILE_TEST_IS_DIR) && g_rename (state, away) == 0)
    {
      g_autofree char *other = g_build_filename (self->spool_parent, "other", NULL);

      g_file_set_contents (other, "", 0, NULL);
      g_rename (other, state);
    }
}

static void
change_disk (BooksWorld *self)
{
  if (self->spool_dir != NULL)
    set_disk_broken (self, g_rand_boolean (self->rand));
}

static gboolean
cancel_cb (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

/* Sends the spool, for @timeout ms at most. One drain waits for another one.
 * Returns: whether nothing is left */
static gboolean
drain (BooksWorld *self, guint timeout)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  guint timer = g_timeout_add (timeout, cancel_cb, cancellable);
  guint n_failed;
  gboolean done;

  lsobs_exporter_drain_spool_async (get_exporter (self), cancellable, test_result_cb, &result);
  done = lsobs_exporter_drain_spool_finish (get_exporter (self), test_result_wait (&result), NULL,
                                            &n_failed, NULL);
  if (!g_cancellable_is_cancelled (cancellable))
    g_source_remove (timer);
  return done && n_failed == 0;
}

static gboolean
drain_once (gpointer data)
{
  BooksWorld *self = data;
  gboolean done = drain (self, TEST_TIMEOUT_MS);
  g_autoptr (GPtrArray) names = failed_traces_list (self->spool_dir);

  return done && names->len == 0;
}

static void
empty_spool (BooksWorld *self)
{
  if (self->spool_dir == NULL)
    return;
  set_disk_broken (self, FALSE);
  if (!test_wait_until (drain_once, self, TEST_TIMEOUT_MS))
    g_error ("the service is well, but the spool is not sent");
}

static void
drain_for_a_while (BooksWorld *self)
{
  if (self->spool_dir == NULL)
    return;
  if (g_rand_int_range (self->rand, 0, 3) == 0)
    books_world_set_fault (self, STORE_FAULT_REJECTS);
  drain (self, (guint) g_rand_int_range (self->rand, 0, 50));
}

static void
start_spool (BooksWorld *self)
{
  static const gint64 delays[] = { 0, 0, 5, 86400000 };
  GRand *rand = self->rand;

  self->spool_parent = failed_traces_make_dir ();
  self->spool_dir = g_build_filename (self->spool_parent, "spool", NULL);
  lsobs_config_set_spool_dir (self->config, self->spool_dir);
  if (self->plan.service != NULL)
    {
      lsobs_config_set_spool_delay (self->config, 0);
      return;
    }
  lsobs_config_set_spool_delay (self->config,
                                delays[g_rand_int_range (rand, 0, G_N_ELEMENTS (delays))]);
  if (g_rand_int_range (rand, 0, 3) == 0)
    lsobs_config_set_spool_max_files (self->config, g_rand_int_range (rand, 1, 5));
  if (g_rand_int_range (rand, 0, 3) == 0)
    lsobs_config_set_spool_max_bytes (self->config, g_rand_int_range (rand, 1000, 50000));
}

/* --- observers ----------------------------------------------------------------------------- */

static void
start_observer (BooksWorld *self)
{
  g_autoptr (GError) error = NULL;

  self->observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", self->config,
                                   "main-context", self->context, NULL);
  g_assert_no_error (error);
  g_ptr_array_add (self->exporters, g_object_ref (lsobs_observer_get_exporter (self->observer)));
  self->n_observers++;
}

static gboolean
has_settled (gpointer data)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (data);

  return lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) == 0 &&
         lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT) == 0;
}

static void
shut_down_async (LsobsExporter *exporter, gint64 timeout)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;

  lsobs_exporter_shutdown_async (exporter, timeout, NULL, test_result_cb, &result);
  lsobs_exporter_shutdown_finish (exporter, test_result_wait (&result), NULL, NULL);
}

static void
wait_for_end (BooksWorld *self)
{
  LsobsExporter *exporter = get_exporter (self);

  if (!test_wait_until (has_settled, exporter, TEST_TIMEOUT_MS))
    g_error ("an observer that has ended has records still");
  assert_exporter (exporter);
}

/* Called in any thread. */
static JsonNode *
redact_cb (const char *field, JsonNode *value, gpointer data)
{
  BooksWorld *self = data;

  g_mutex_lock (&self->lock);
  self->n_inside++;
  g_cond_broadcast (&self->cond);
  while (self->is_stuck)
    g_cond_wait (&self->cond, &self->lock);
  self->n_inside--;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  return store_redact_cb (field, value, NULL);
}

/* Ends the observer while its thread is in the redact function: all its records are written off. */
static void
end_stuck (BooksWorld *self)
{
  LsobsExporter *exporter = get_exporter (self);
  gint64 deadline = g_get_monotonic_time () + TEST_TIMEOUT_MS * G_TIME_SPAN_MILLISECOND;

  g_mutex_lock (&self->lock);
  self->is_stuck = TRUE;
  g_mutex_unlock (&self->lock);
  books_world_record (self, 3);
  lsobs_exporter_flush (exporter, 5, NULL, NULL);
  if (g_rand_boolean (self->rand))
    {
      lsobs_exporter_shutdown (exporter, g_rand_int_range (self->rand, 0, 20), NULL, NULL);
      if (!has_settled (exporter))
        g_error ("a shutdown has returned, and has records still");
    }
  g_clear_object (&self->observer);
  wait_for_end (self);
  g_mutex_lock (&self->lock);
  self->is_stuck = FALSE;
  g_cond_broadcast (&self->cond);
  while (self->n_inside > 0)
    if (!g_cond_wait_until (&self->cond, &self->lock, deadline))
      g_error ("the redact function does not return");
  g_mutex_unlock (&self->lock);
}

/* Ends the observer: at once, in a while, or by its last reference. A thread may have one still. */
static void
begin_end (BooksWorld *self)
{
  switch (g_rand_int_range (self->rand, 0, 5))
    {
    case 0:
      lsobs_exporter_shutdown (get_exporter (self), g_rand_int_range (self->rand, 0, 20), NULL,
                               NULL);
      break;
    case 1:
      lsobs_exporter_shutdown (get_exporter (self), LEAVE_MS, NULL, NULL);
      break;
    case 2:
      shut_down_async (get_exporter (self), g_rand_int_range (self->rand, 0, 50));
      break;
    default:
      break;
    }
  g_clear_object (&self->observer);
}

void
books_world_replace_observer (BooksWorld *self)
{
  /* The thread of the program must not wait for itself. */
  if (self->redacts && self->context == NULL && g_rand_int_range (self->rand, 0, 4) == 0)
    {
      end_stuck (self);
    }
  else
    {
      begin_end (self);
      wait_for_end (self);
    }
  start_observer (self);
}

/* --- runs ---------------------------------------------------------------------------------- */

static guint
choose_size (GRand *rand)
{
  switch (g_rand_int_range (rand, 0, 12))
    {
    case 0:
      return (guint) g_rand_int_range (rand, 10000, 50000);
    case 1:
    case 2:
      return (guint) g_rand_int_range (rand, 500, 6000);
    default:
      return (guint) g_rand_int_range (rand, 0, 60);
    }
}

static StoreName
make_name (BooksWorld *self, GRand *rand, char maker)
{
  StoreName name = { .maker = maker,
                     .n_bytes = choose_size (rand),
                     .is_secret = g_rand_int_range (rand, 0, 8) == 0 };

  g_mutex_lock (&self->lock);
  name.serial = ++self->serial;
  g_mutex_unlock (&self->lock);
  return name;
}

/* Takes @id over. */
static void
enter (BooksWorld *self, const StoreName *name, char *id)
{
  g_mutex_lock (&self->lock);
  g_hash_table_replace (self->ledger, id, store_name_to_string (name));
  self->n_made++;
  g_mutex_unlock (&self->lock);
}

/* Called in any thread. (transfer full) */
static LsobsRun *
start_run (BooksWorld *self, LsobsObserver *observer, LsobsRun *parent, GRand *rand, char maker)
{
  StoreName name = make_name (self, rand, maker);
  g_autofree char *text = store_name_to_string (&name);
  g_autofree char *content = store_name_dup_text (&name, "inputs");
  g_autoptr (JsonNode) inputs = test_new_payload (content);
  LsobsRun *run = parent != NULL
                      ? lsobs_run_start_child (parent, text, LSOBS_RUN_TYPE_TOOL, inputs)
                      : lsobs_observer_start_run (observer, text, LSOBS_RUN_TYPE_CHAIN, inputs);

  if (maker == 'p')
    enter (self, &name, lsobs_run_dup_id (run));
  return run;
}

static void
end_run (BooksWorld *self, LsobsRun *run)
{
  StoreName name;
  g_autofree char *content = NULL;
  g_autoptr (JsonNode) outputs = NULL;

  g_assert_true (store_name_parse (&name, lsobs_run_get_name (run)));
  content = store_name_dup_text (&name, "outputs");
  outputs = test_new_payload (content);
  if (name.maker == 'p')
    {
      g_mutex_lock (&self->lock);
      self->n_made++;
      g_mutex_unlock (&self->lock);
    }
  lsobs_run_end (run, outputs);
}

static void
annotate (LsobsRun *run, GRand *rand)
{
  StoreName name;
  g_autofree char *content = NULL;
  g_autoptr (GBytes) data = NULL;

  lsobs_run_add_tag (run, "tag");
  lsobs_run_set_metadata_string (run, "key", "value");
  if (g_rand_int_range (rand, 0, 4) != 0)
    return;
  g_assert_true (store_name_parse (&name, lsobs_run_get_name (run)));
  content = store_name_dup_text (&name, "attachment");
  data = g_bytes_new (content, strlen (content));
  lsobs_run_add_attachment (run, "file", "text/plain", data, NULL);
}

static void
add_feedback (BooksWorld *self, LsobsObserver *observer, LsobsRun *run, GRand *rand)
{
  StoreName name = make_name (self, rand, 'p');
  g_autofree char *comment = store_name_dup_text (&name, "comment");
  g_autoptr (LsobsFeedback) feedback = lsobs_run_new_feedback (run, "score");

  lsobs_feedback_set_comment (feedback, comment);
  if (lsobs_observer_add_feedback (observer, feedback, NULL))
    enter (self, &name, g_strdup (lsobs_feedback_get_id (feedback)));
}

/* (transfer full) (nullable): a run that has not ended, which nobody else ends then */
static LsobsRun *
take_open (BooksWorld *self, GRand *rand)
{
  LsobsRun *run = NULL;

  g_mutex_lock (&self->lock);
  if (self->open->len > 0)
    run = g_ptr_array_steal_index_fast (self->open, g_rand_int (rand) % self->open->len);
  g_mutex_unlock (&self->lock);
  return run;
}

/* Takes @run over. */
static void
leave_open (BooksWorld *self, LsobsRun *run)
{
  gboolean has_room;

  g_mutex_lock (&self->lock);
  has_room = self->open->len < MAX_OPEN;
  if (has_room)
    g_ptr_array_add (self->open, run);
  g_mutex_unlock (&self->lock);
  if (has_room)
    return;
  end_run (self, run);
  lsobs_run_unref (run);
}

/* What each thread of the program does. */
static void
trace (BooksWorld *self, LsobsObserver *observer, GRand *rand)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) open = NULL;

  switch (g_rand_int_range (rand, 0, 10))
    {
    case 0:
    case 1:
      leave_open (self, start_run (self, observer, NULL, rand, 'p'));
      break;
    case 2:
      open = take_open (self, rand);
      run = start_run (self, observer, open, rand, 'p');
      if (open != NULL)
        leave_open (self, g_steal_pointer (&open));
      leave_open (self, g_steal_pointer (&run));
      break;
    case 3:
    case 4:
    case 5:
      open = take_open (self, rand);
      if (open != NULL)
        end_run (self, open);
      break;
    case 6:
      open = take_open (self, rand);
      if (open != NULL)
        {
          annotate (open, rand);
          leave_open (self, g_steal_pointer (&open));
        }
      break;
    case 7:
      run = start_run (self, observer, NULL, rand, 'p');
      add_feedback (self, observer, run, rand);
      end_run (self, run);
      break;
    default:
      run = start_run (self, observer, NULL, rand, 'p');
      annotate (run, rand);
      end_run (self, run);
      break;
    }
}

void
books_world_record (BooksWorld *self, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LsobsRun) run = start_run (self, self->observer, NULL, self->rand, 'p');

      end_run (self, run);
    }
}

/* --- threads of the program ---------------------------------------------------------------- */

typedef struct
{
  BooksWorld *world;       /* (unowned) */
  LsobsObserver *observer; /* (owned) */
  guint32 seed;
  guint n_steps;
} Tracer;

static gpointer
tracer_thread (gpointer data)
{
  Tracer *self = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (self->seed);

  for (guint i = 0; i < self->n_steps; i++)
    {
      if (g_rand_int_range (rand, 0, 10) == 0)
        lsobs_observer_flush (self->observer, g_rand_int_range (rand, 0, 4), NULL, NULL);
      else if (g_rand_int_range (rand, 0, 10) == 0)
        assert_exporter (lsobs_observer_get_exporter (self->observer));
      else
        trace (self->world, self->observer, rand);
    }
  /* which may be the last reference */
  g_clear_object (&self->observer);
  return NULL;
}

/* Several threads trace, while this one flushes, or ends the observer. */
static void
run_threads (BooksWorld *self)
{
  Tracer tracers[MAX_THREADS];
  GThread *threads[MAX_THREADS];
  guint n = (guint) g_rand_int_range (self->rand, 2, MAX_THREADS + 1);
  gboolean ends = g_rand_int_range (self->rand, 0, 6) == 0;

  for (guint i = 0; i < n; i++)
    {
      tracers[i] = (Tracer){ .world = self,
                             .observer = g_object_ref (self->observer),
                             .seed = g_rand_int (self->rand),
                             .n_steps = (guint) g_rand_int_range (self->rand, 3, 12) };
      threads[i] = g_thread_new ("tracer", tracer_thread, &tracers[i]);
    }
  if (ends)
    begin_end (self);
  else
    books_world_flush (self, g_rand_int_range (self->rand, 0, 5));
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
  if (!ends)
    return;
  wait_for_end (self);
  start_observer (self);
}

/* --- children ------------------------------------------------------------------------------ */

static void
get_child_books (LsobsExporter *exporter, guint n, Account *accounts)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LsobsStats) stats = lsobs_exporter_dup_replica_stats (exporter, i);

      accounts[i] = (Account){ 0 };
      account_add (&accounts[i], stats);
      child_assert (accounts[i].enqueued == books_sum (stats));
    }
}

/* The books of the child go on from those of its parent, whose records it does not send. It sends what is
 * in the spool, whoever has put it there, and its shutdown ends that. */
static void
child_traces (RunFixture *fixture, gpointer data)
{
  BooksWorld *self = data;
  Account before[MAX_DESTINATIONS];
  Account after[MAX_DESTINATIONS];
  gint64 timeout = self->is_hasty ? 50 : TEST_TIMEOUT_MS / 4;

  g_mutex_unlock (&self->lock);
  get_child_books (fixture->exporter, self->n_destinations, before);
  for (guint i = 0; i < self->n_destinations; i++)
    child_assert (before[i].undecided == 0);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (LsobsRun) run = start_run (self, fixture->observer, NULL, self->rand, 'c');

      end_run (self, run);
    }
  lsobs_exporter_flush (fixture->exporter, timeout, NULL, NULL);
  if (self->spool_dir != NULL)
    lsobs_exporter_shutdown (fixture->exporter, timeout, NULL, NULL);
  get_child_books (fixture->exporter, self->n_destinations, after);
  for (guint i = 0; i < self->n_destinations; i++)
    account_add_difference (&self->children[i], &before[i], &after[i]);
}

/* Whether no thread of GTask's pool is there: over HTTP/1.1, lsobs uses none. At the fork, it could hold a lock
 * that the child needs for its own tasks. */
static gboolean
has_no_pool (void)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  const char *name;

  while (tasks != NULL && (name = g_dir_read_name (tasks)) != NULL)
    {
      g_autofree char *path = g_strdup_printf ("/proc/self/task/%s/comm", name);
      g_autofree char *comm = NULL;

      if (g_file_get_contents (path, &comm, NULL, NULL) && g_str_has_prefix (comm, "pool-") &&
          !g_str_has_prefix (comm, "pool-spawner"))
        return FALSE;
    }
  return TRUE;
}

void
books_world_fork (BooksWorld *self)
{
  RunFixture fixture = { self->servers[0], self->config, self->observer, get_exporter (self),
                         NULL };
  pid_t pid;

  /* TLS needs threads of GTask. If all of its pool were at work in the last half second, GLib starts none in a
   * child: it counts those of the parent. Nothing outside GLib can change that. */
  if (test_is_instrumented () || self->plan.http2)
    return;
  books_world_set_fault (self, STORE_FAULT_NONE);
  g_assert_true (has_no_pool ());
  /* The redact function may be in another thread, for which no fork waits, and hold the lock of this
   * program. */
  g_mutex_lock (&self->lock);
  if (self->plan.service != NULL)
    {
      pid = fork_start_alone (child_traces, &fixture, self);
    }
  else
    {
      for (guint i = 1; i < self->n_destinations; i++)
        test_server_park (self->servers[i]);
      pid = fork_start (child_traces, &fixture, self);
      for (guint i = 1; i < self->n_destinations; i++)
        test_server_unpark (self->servers[i]);
    }
  g_mutex_unlock (&self->lock);
  g_assert_true (fork_wait (pid));
  self->n_forks++;
}

/* --- steps --------------------------------------------------------------------------------- */

/* What a service does wrong over HTTP/2. The first ones are those of StoreFault. */
static const char *const http2_faults[] = {
  "",        "status=429",     "status=503",     "small=6000",  "reject=7", "forget=2",
  "hold=1",  "reset=2",        "cut=2",          "window=2000", "refuse=3", "misdirect=3",
  "early=2", "goaway-below=2", "goaway-above=2", "trailers=1",  "hints=2",
};

static void
set_http2_fault (BooksWorld *self, guint destination, const char *fault)
{
  g_autofree char *plan =
      g_strconcat ("keep=1 ", self->refuses_known ? "conflict=1 " : "", fault, NULL);

  if (strcmp (fault, "early=2") == 0 || strcmp (fault, "small=6000") == 0)
    service_store_allow_cuts (self->stores[destination]);
  tls_service_set_plan (self->services[destination], plan);
}

void
books_world_set_fault (BooksWorld *self, StoreFault fault)
{
  if (self->plan.service != NULL)
    {
      self->plan.service->set_fault (fault);
      return;
    }
  for (guint i = 0; i < self->n_destinations; i++)
    if (self->services[i] != NULL)
      set_http2_fault (self, i, http2_faults[fault % G_N_ELEMENTS (http2_faults)]);
    else
      service_store_set_fault (self->stores[i], fault);
}

static void
change_fault (BooksWorld *self)
{
  guint destination = (guint) g_rand_int_range (self->rand, 0, (int) self->n_destinations);
  guint32 chance = g_rand_int (self->rand);

  if (self->services[destination] != NULL)
    set_http2_fault (self, destination, http2_faults[chance % G_N_ELEMENTS (http2_faults)]);
  else
    service_store_set_fault (self->stores[destination], (StoreFault) (chance % STORE_N_FAULTS));
}

void
books_world_flush (BooksWorld *self, gint64 timeout)
{
  lsobs_exporter_flush (get_exporter (self), timeout, NULL, NULL);
}

static void
flush_async (BooksWorld *self)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  lsobs_exporter_flush_async (get_exporter (self), g_rand_int_range (self->rand, 0, 30),
                              cancellable, test_result_cb, &result);
  if (g_rand_int_range (self->rand, 0, 4) == 0)
    g_cancellable_cancel (cancellable);
  else if (g_rand_boolean (self->rand))
    trace (self, self->observer, self->rand);
  lsobs_exporter_flush_finish (get_exporter (self), test_result_wait (&result), NULL, NULL);
}

void
books_world_step (BooksWorld *self)
{
  int chance = g_rand_int_range (self->rand, 0, 1000);

  if (chance < 700)
    trace (self, self->observer, self->rand);
  else if (chance < 800)
    books_world_flush (self, g_rand_int_range (self->rand, 0, 20));
  else if (chance < 850)
    flush_async (self);
  else if (chance < 900)
    change_fault (self);
  else if (chance < 930)
    run_threads (self);
  else if (chance < 940)
    drain_for_a_while (self);
  else if (chance < 950)
    change_disk (self);
  else if (chance < 960)
    test_drain_context ();
  else if (chance < 962)
    books_world_fork (self);
  else if (chance < 976)
    books_world_replace_observer (self);
  else if (chance < 990)
    books_world_settle (self);
  else
    assert_exporter (get_exporter (self));
}

static gboolean
settle_once (gpointer exporter)
{
  lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL);
  return has_settled (exporter);
}

/* What has ended leaves its numbers. A run that has not ended may still be counted where it was made. */
static void
forget_ended (BooksWorld *self)
{
  if (self->open->len > 0)
    return;
  for (guint i = 0; i < self->n_destinations; i++)
    for (guint k = 0; k + 1 < self->exporters->len; k++)
      {
        g_autoptr (LsobsStats) stats =
            lsobs_exporter_dup_replica_stats (g_ptr_array_index (self->exporters, k), i);

        account_add (&self->accounts[i], stats);
      }
  g_ptr_array_remove_range (self->exporters, 0, self->exporters->len - 1);
}

void
books_world_settle (BooksWorld *self)
{
  books_world_set_fault (self, STORE_FAULT_NONE);
  if (!test_wait_until (settle_once, get_exporter (self), TEST_TIMEOUT_MS))
    {
      g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (get_exporter (self));
      g_autofree char *text = lsobs_stats_to_string (stats);

      g_error ("the service is well, but records are not sent: %s", text);
    }
  empty_spool (self);
  assert_exporter (get_exporter (self));
  for (guint i = 0; i < self->n_destinations; i++)
    assert_store (self, i);
  forget_ended (self);
  /* Nobody asks a service of another process what it has. */
  if (self->plan.service != NULL && self->open->len == 0)
    g_hash_table_remove_all (self->ledger);
}

/* --- life ---------------------------------------------------------------------------------- */

static void
set_limits (BooksWorld *self)
{
  GRand *rand = self->rand;

  lsobs_config_set_max_batch_size (self->config, g_rand_int_range (rand, 1, 12));
  lsobs_config_set_max_in_flight (self->config, g_rand_int_range (rand, 1, 5));
  lsobs_config_set_max_attempts (self->config, g_rand_int_range (rand, 1, 4));
  if (g_rand_int_range (rand, 0, 3) == 0)
    lsobs_config_set_queue_capacity (self->config, g_rand_int_range (rand, 1, 40));
  self->cuts = g_rand_int_range (rand, 0, 3) == 0;
  if (self->cuts)
    lsobs_config_set_max_queue_bytes (self->config, g_rand_int_range (rand, 20000, 200000));
  if (g_rand_boolean (rand))
    lsobs_config_set_flush_interval (self->config, g_rand_int_range (rand, 1, 20));
  self->is_hasty = g_rand_int_range (rand, 0, 8) == 0;
  if (self->is_hasty)
    lsobs_config_set_request_timeout (self->config, HASTY_REQUEST_MS);
  if (g_rand_boolean (rand))
    lsobs_config_set_compression (self->config, LSOBS_COMPRESSION_NONE);
  self->redacts = g_rand_boolean (rand);
  if (self->redacts)
    lsobs_config_set_redact_func (self->config, redact_cb, self, NULL);
  if (g_rand_boolean (rand))
    self->context = g_main_context_default ();
  if (g_rand_int_range (rand, 0, 4) == 0)
    self->n_destinations = (guint) g_rand_int_range (rand, 2, MAX_DESTINATIONS + 1);
}

/* Returns: (transfer none): its address */
static const char *
start_service (BooksWorld *self, guint destination)
{
  const StorePlan plan = { .seed = g_rand_int (self->rand),
                           .refuses_known = self->refuses_known,
                           .spools = self->spool_dir != NULL,
                           .redacts = self->redacts,
                           .cuts = self->cuts,
                           .is_unsure = self->is_hasty };

  if (self->plan.service != NULL)
    return self->plan.service->url;
  if (self->plan.http2)
    {
      self->services[destination] = tls_service_new (NULL);
      self->stores[destination] = service_store_new (NULL, &plan);
      set_http2_fault (self, destination, "");
      return tls_service_get_url (self->services[destination]);
    }
  self->servers[destination] = test_server_new ();
  self->stores[destination] = service_store_new (self->servers[destination], &plan);
  return test_server_get_url (self->servers[destination]);
}

static void
add_destination (BooksWorld *self, guint destination)
{
  const char *url = start_service (self, destination);

  if (self->n_destinations > 1)
    lsobs_config_add_replica (self->config, url, TEST_KEY, NULL, NULL, LSOBS_REPLICA_ROLE_AUTO);
  else
    lsobs_config_set_api_url (self->config, url);
}

static void
start_config (BooksWorld *self)
{
  self->config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  lsobs_config_set_flush_interval (self->config, TEST_NEVER_MS);
  lsobs_config_set_retry_delay (self->config, 1);
  lsobs_config_set_max_string_bytes (self->config, 1000000);
  lsobs_config_set_request_timeout (self->config, TEST_TIMEOUT_MS);
  /* libsoup may forget a request when a connection goes: that takes all of its time. In less of it, a busy
   * machine may not read an answer that was sent. */
  if (self->plan.http2)
    lsobs_config_set_request_timeout (self->config, HTTP2_REQUEST_MS);
  lsobs_config_set_shutdown_timeout (self->config, LEAVE_MS);
}

BooksWorld *
books_world_new (const BooksPlan *plan)
{
  BooksWorld *self = g_new0 (BooksWorld, 1);

  self->plan = *plan;
  self->rand = g_rand_new_with_seed (plan->seed);
  self->n_destinations = 1;
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->ledger = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->open = g_ptr_array_new_with_free_func ((GDestroyNotify) lsobs_run_unref);
  self->exporters = g_ptr_array_new_with_free_func (g_object_unref);
  self->children = mmap (NULL, MAX_DESTINATIONS * sizeof (Account), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert_true (self->children != MAP_FAILED);
  start_config (self);
  if (plan->service == NULL)
    set_limits (self);
  if (plan->service != NULL || g_rand_boolean (self->rand))
    start_spool (self);
  /* With a spool, the service is one that has each run once. */
  self->refuses_known = self->spool_dir != NULL || g_rand_boolean (self->rand);
  for (guint i = 0; i < self->n_destinations; i++)
    add_destination (self, i);
  start_observer (self);
  return self;
}

static void
add_totals (BooksWorld *self, BooksTotals *totals)
{
  for (guint i = 0; i < self->n_destinations; i++)
    {
      Account account;

      sum_up_all (self, i, &account);
      totals->enqueued += account.enqueued;
      totals->delivered += account.delivered;
      totals->dropped += account.dropped;
      totals->spooled += account.spooled;
      totals->drained += account.drained;
      if (self->stores[i] == NULL)
        continue;
      totals->stored += service_store_count (self->stores[i]);
      totals->requests += service_store_count_requests (self->stores[i]);
    }
  totals->n_observers += self->n_observers;
  totals->n_forks += self->n_forks;
}

/* The program begins once more, with the same spool. */
static void
send_leftover (BooksWorld *self)
{
  books_world_set_fault (self, STORE_FAULT_NONE);
  start_observer (self);
  empty_spool (self);
  begin_end (self);
  wait_for_end (self);
}

void
books_world_free (BooksWorld *self, BooksTotals *totals)
{
  LsobsRun *run;

  begin_end (self);
  wait_for_end (self);
  if (self->spool_dir != NULL)
    send_leftover (self);
  while ((run = take_open (self, self->rand)) != NULL)
    {
      end_run (self, run);
      lsobs_run_unref (run);
    }
  for (guint i = 0; i < self->exporters->len; i++)
    assert_exporter (g_ptr_array_index (self->exporters, i));
  for (guint i = 0; i < self->n_destinations; i++)
    assert_store (self, i);
  if (totals != NULL)
    add_totals (self, totals);
  test_drain_context ();
  g_ptr_array_unref (self->exporters);
  g_object_unref (self->config);
  for (guint i = 0; i < self->n_destinations; i++)
    {
      g_clear_pointer (&self->servers[i], test_server_free);
      g_clear_pointer (&self->stores[i], service_store_free);
      g_clear_pointer (&self->services[i], tls_service_free);
    }
  munmap (self->children, MAX_DESTINATIONS * sizeof (Account));
  if (self->spool_parent != NULL)
    failed_traces_remove_dir (self->spool_parent);
  g_free (self->spool_parent);
  g_free (self->spool_dir);
  g_ptr_array_unref (self->open);
  g_hash_table_unref (self->ledger);
  g_rand_free (self->rand);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->lock);
  g_free (self);
}
