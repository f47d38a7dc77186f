/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How fast "lsobs serve" takes runs, and lists them, beside SQLite alone; and what it needs when nothing
 * happens:
 *
 *   make bench/desk && bench/desk [--runs=N] [--large=N]
 *
 * It sends N runs of 1 KB to the service, in batches of 100, several at a time, and then some alone, of which
 * an open page is told. Then a loop inserts the same
 * rows and entries of the index into another file, in transactions of 100. With --large, it makes a
 * database of so many runs, and compares lists and searches of the store with the same query, written by
 * hand. Figures are ratios of one run of this program. */

#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#include "tests/tools/serve-helpers.h"
#include "tools/store/run-query.h"
#include "tools/store/search-text.h"

#define BATCH       100
#define N_IN_FLIGHT 4
#define IDLE_S      5

static int n_runs = 20000;
static int n_large = 0;

static const GOptionEntry entries[] = {
  { "runs", 0, 0, G_OPTION_ARG_INT, &n_runs, "Runs that are sent [20000]", "N" },
  { "large", 0, 0, G_OPTION_ARG_INT, &n_large, "Runs of a large database [0: none]", "N" },
  { NULL },
};

static double
since (gint64 start)
{
  return (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
}

/* --- bodies --- */

/* Words as of a language: few are frequent, many are seldom. */
static void
append_words (GString *text, GRand *rand, gsize n_bytes)
{
  gsize end = text->len + n_bytes;

  while (text->len < end)
    {
      double x = g_rand_double (rand);

      g_string_append_printf (text, "word%d ", (int) (20000 * x * x * x));
    }
}

static void
append_run (GString *body, GRand *rand, guint number)
{
  g_string_append_printf (
      body,
      "{\"id\":\"01900000-0000-7000-8000-%012x\",\"trace_id\":\"01900000-0000-7000-8000-%012x\","
      "\"dotted_order\":\"20260301T093015250000Z01900000-0000-7000-8000-%012x\","
      "\"name\":\"run %u\",\"run_type\":\"llm\",\"session_name\":\"bench\","
      "\"start_time\":\"2026-03-01T09:30:15.250000Z\",\"end_time\":\"2026-03-01T09:30:16.250000Z\","
      "\"extra\":{\"metadata\":{\"usage_metadata\":{\"input_tokens\":10,\"output_tokens\":20}}},"
      "\"inputs\":{\"text\":\"",
      number, number, number, number);
  append_words (body, rand, 300);
  g_string_append (body, "\"},\"outputs\":{\"text\":\"");
  append_words (body, rand, 300);
  g_string_append (body, "\"}}");
}

static GPtrArray *
make_bodies (void)
{
  GPtrArray *bodies = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (guint i = 0; i < (guint) n_runs; i += BATCH)
    {
      GString *body = g_string_new ("{\"post\":[");

      for (guint j = i; j < i + BATCH; j++)
        {
          if (j > i)
            g_string_append_c (body, ',');
          append_run (body, rand, j + 1);
        }
      g_string_append (body, "]}");
      g_ptr_array_add (bodies, g_string_free_to_bytes (body));
    }
  return bodies;
}

/* --- the service --- */

typedef struct
{
  ServeFixture *fixture;
  GPtrArray *bodies;
  guint next;
  guint n_open;
} Sending;

static void send_next (Sending *self);

static void
sent_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Sending *self = data;
  SoupMessage *message = soup_session_get_async_result_message (SOUP_SESSION (source), result);
  g_autoptr (GBytes) bytes =
      soup_session_send_and_read_finish (SOUP_SESSION (source), result, NULL);

  g_assert_true (bytes != NULL && soup_message_get_status (message) == 202);
  self->n_open--;
  send_next (self);
}

static void
send_next (Sending *self)
{
  g_autofree char *uri = g_strconcat (self->fixture->url, "/runs/batch", NULL);
  g_autoptr (SoupMessage) message = NULL;

  if (self->next == self->bodies->len)
    return;
  message = soup_message_new ("POST", uri);
  soup_message_headers_replace (soup_message_get_request_headers (message), "x-api-key",
                                self->fixture->token);
  soup_message_add_flags (message, SOUP_MESSAGE_IDEMPOTENT);
  soup_message_set_request_body_from_bytes (message, "application/json",
                                            g_ptr_array_index (self->bodies, self->next++));
  self->n_open++;
  soup_session_send_and_read_async (self->fixture->session, message, G_PRIORITY_DEFAULT, NULL,
                                    sent_cb, self);
}

static double
measure_service (ServeFixture *fixture, GPtrArray *bodies)
{
  Sending sending = { fixture, bodies, 0, 0 };
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < N_IN_FLIGHT; i++)
    send_next (&sending);
  while (sending.n_open > 0)
    g_main_context_iteration (NULL, TRUE);
  return since (start);
}

/* The sum of a number over the threads of a process; of the process itself if @threads is FALSE. */
static gint64
read_status (const char *pid, const char *name, gboolean threads)
{
  g_autofree char *folder = g_strdup_printf ("/proc/%s/task", pid);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *task;
  gint64 sum = 0;

  while ((task = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_strdup_printf ("%s/%s/status", folder, task);
      g_autofree char *text = NULL;
      const char *line;

      g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
      line = strstr (text, name);
      g_assert_nonnull (line);
      sum += g_ascii_strtoll (line + strlen (name), NULL, 10);
      if (!threads)
        break;
    }
  return sum;
}

static void
measure_idle (ServeFixture *fixture, const char *when)
{
  const char *pid = g_subprocess_get_identifier (fixture->process);
  gint64 before;

  /* until all is on the disk, and threads of libraries have ended */
  g_usleep (20 * G_USEC_PER_SEC);
  before = read_status (pid, "\nvoluntary_ctxt_switches:", TRUE);
  g_usleep (IDLE_S * G_USEC_PER_SEC);
  printf ("idle %s: %d wake-ups in %d s, %.1f MiB resident, %.1f MiB of them its own\n", when,
          (int) (read_status (pid, "\nvoluntary_ctxt_switches:", TRUE) - before), IDLE_S,
          (double) read_status (pid, "\nVmRSS:", FALSE) / 1024,
          (double) read_status (pid, "\nRssAnon:", FALSE) / 1024);
}

/* --- the page --- */

#define N_EVENTS 50

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a;
  double y = *(const double *) b;

  return x < y ? -1 : x > y;
}

/* Reads the event of one change of runs, to its end. */
static void
read_event (GDataInputStream *lines)
{
  gboolean is_runs = FALSE;

  for (;;)
    {
      g_autofree char *line = g_data_input_stream_read_line (lines, NULL, NULL, NULL);

      g_assert_nonnull (line);
      if (strcmp (line, "event: runs") == 0)
        is_runs = TRUE;
      if (is_runs && *line == '\0')
        return;
    }
}

/* How long after a client has begun to send a run an open page is told of it, beside the time until the
 * service has answered the client. */
static void
measure_events (ServeFixture *fixture)
{
  g_autofree char *uri = g_strconcat (fixture->url, "/page-data/live", NULL);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", uri);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  double answers[N_EVENTS];
  double events[N_EVENTS];

  soup_message_headers_replace (soup_message_get_request_headers (message), "x-api-key",
                                fixture->token);
  stream = soup_session_send (fixture->session, message, NULL, NULL);
  g_assert_nonnull (stream);
  lines = g_data_input_stream_new (stream);
  for (guint i = 0; i < N_EVENTS; i++)
    {
      GString *text = g_string_new ("{\"post\":[");
      g_autoptr (GBytes) body = NULL;
      gint64 start;

      append_run (text, rand, (guint) n_runs + 1 + i);
      g_string_append (text, "]}");
      body = g_string_free_to_bytes (text);
      /* Events that follow each other at once wait for 100 ms. */
      g_usleep (150 * 1000);
      start = g_get_monotonic_time ();
      serve_send (fixture, "POST", "/runs/batch", "application/json", NULL, body, NULL);
      answers[i] = since (start);
      read_event (lines);
      events[i] = since (start);
    }
  g_input_stream_close (stream, NULL, NULL);
  qsort (answers, N_EVENTS, sizeof *answers, compare_doubles);
  qsort (events, N_EVENTS, sizeof *events, compare_doubles);
  printf ("a run: answered after %.2f ms, told to an open page after %.2f ms, ratio %.2f\n",
          1000 * answers[N_EVENTS / 2], 1000 * events[N_EVENTS / 2],
          events[N_EVENTS / 2] / answers[N_EVENTS / 2]);
}

/* --- SQLite alone --- */

/* A row of a table, as it is in the store. */
static void
copy_row (sqlite3_stmt *from, sqlite3_stmt *to)
{
  sqlite3_reset (to);
  for (int i = 0; i < sqlite3_column_count (from); i++)
    sqlite3_bind_value (to, i + 1, sqlite3_column_value (from, i));
  g_assert_cmpint (sqlite3_step (to), ==, SQLITE_DONE);
}

static sqlite3_stmt *
prepare (sqlite3 *handle, const char *sql)
{
  sqlite3_stmt *statement;

  g_assert_cmpint (sqlite3_prepare_v2 (handle, sql, -1, &statement, NULL), ==, SQLITE_OK);
  return statement;
}

/* Inserts what the service has stored into a file of the same tables, from memory. */
static double
measure_bare (ServeFixture *fixture)
{
  g_autofree char *path = g_build_filename (fixture->folder, "bare.db", NULL);
  Store *bare = store_open (path, DATABASE_READ_WRITE, NULL);
  Store *source = serve_open_store (fixture);
  sqlite3 *to = database_get_handle (store_get_database (bare));
  sqlite3 *memory;
  g_autoptr (GString) marks = g_string_new ("?");
  gint64 start;
  double seconds;
  guint n = 0;
  sqlite3_backup *backup;
  sqlite3_stmt *rows, *insert_run, *insert_payload, *insert_text;

  sqlite3_open (":memory:", &memory);
  backup = sqlite3_backup_init (memory, "main", database_get_handle (store_get_database (source)),
                                "main");
  sqlite3_backup_step (backup, -1);
  sqlite3_backup_finish (backup);
  for (guint i = 1; i < 30; i++)
    g_string_append (marks, ", ?");
  {
    g_autofree char *sql = g_strdup_printf ("INSERT INTO runs VALUES (%s)", marks->str);

    insert_run = prepare (to, sql);
  }
  insert_payload = prepare (to, "INSERT INTO payloads VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  insert_text = prepare (to, "INSERT INTO search (rowid, name, inputs, outputs, error, metadata)"
                             " VALUES (?, ?, ?, ?, ?, ?)");
  rows = prepare (memory,
                  "SELECT p.seq, r.name, substr (p.inputs, 10), substr (p.outputs, 10), NULL,"
                  " '10 20' FROM payloads AS p JOIN runs AS r ON r.seq = p.seq ORDER BY p.seq");
  start = g_get_monotonic_time ();
  {
    sqlite3_stmt *runs = prepare (memory, "SELECT * FROM runs ORDER BY seq");
    sqlite3_stmt *payloads = prepare (memory, "SELECT * FROM payloads ORDER BY seq");

    for (; sqlite3_step (runs) == SQLITE_ROW; n++)
      {
        if (n % BATCH == 0)
          sqlite3_exec (to, n == 0 ? "BEGIN" : "COMMIT; BEGIN", NULL, NULL, NULL);
        sqlite3_step (payloads);
        sqlite3_step (rows);
        copy_row (runs, insert_run);
        copy_row (payloads, insert_payload);
        copy_row (rows, insert_text);
      }
    sqlite3_exec (to, "COMMIT", NULL, NULL, NULL);
    seconds = since (start);
    sqlite3_finalize (runs);
    sqlite3_finalize (payloads);
  }
  g_assert_cmpuint (n, ==, (guint) n_runs);
  sqlite3_finalize (rows);
  sqlite3_finalize (insert_run);
  sqlite3_finalize (insert_payload);
  sqlite3_finalize (insert_text);
  sqlite3_close (memory);
  store_close (source);
  store_close (bare);
  return seconds;
}

/* --- many runs --- */

static Store *
make_large (const char *path)
{
  Store *store = store_open (path, DATABASE_READ_WRITE, NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 1; i <= (guint) n_large; i++)
    {
      g_autoptr (Change) change = NULL;

      if (i % 1000 == 1)
        g_assert_true (store_begin (store, NULL));
      g_string_truncate (text, 0);
      append_run (text, rand, i);
      change = change_new_from_json (CHANGE_CREATE, NULL, text->str, text->len, NULL);
      /* each begins 1 s after the one before */
      change->start_time += (gint64) i * G_USEC_PER_SEC;
      change->end_time = change->start_time + 1000 * (gint64) (i % 10000);
      g_assert_true (run_apply (store, change, NULL));
      if (i % 1000 == 0 || i == (guint) n_large)
        g_assert_true (store_commit (store, NULL));
    }
  return store;
}

static double
measure_sql (Store *store, const char *sql, guint *n)
{
  sqlite3_stmt *statement = prepare (database_get_handle (store_get_database (store)), sql);
  gint64 start = g_get_monotonic_time ();

  for (*n = 0; sqlite3_step (statement) == SQLITE_ROW; (*n)++)
    ;
  sqlite3_finalize (statement);
  return since (start);
}

static double
measure_query (Store *store, const RunQuery *query, guint *n)
{
  g_autofree char *cursor = NULL;
  gint64 start = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) runs = run_query (store, query, &cursor, &error);

  g_assert_no_error (error);
  *n = runs->len;
  return since (start);
}

#define COLUMNS "SELECT r.*, p.* FROM runs AS r JOIN payloads AS p ON p.seq = r.seq WHERE "
#define ORDER   " ORDER BY r.start_time DESC, r.seq DESC LIMIT 100"

static void
measure_lists (const char *folder)
{
  static const struct
  {
    const char *name;
    const char *words;
    const char *filter;
    const char *sql;
  } rows[] = {
    { "list", NULL, NULL, COLUMNS "r.project = 1" ORDER },
    { "status", NULL, "eq(status, 'success')", COLUMNS "r.project = 1 AND r.status = 1" ORDER },
    { "latency", NULL, "gt(latency, '9.9s')",
      COLUMNS "r.project = 1 AND r.end_time - r.start_time > 9900000" ORDER },
    { "frequent", "word0", NULL,
      COLUMNS "r.project = 1 AND EXISTS (SELECT 1 FROM search WHERE search MATCH 'word0'"
              " AND rowid = r.seq)" ORDER },
    { "seldom", "word19999", NULL,
      COLUMNS "r.seq IN (SELECT rowid FROM search WHERE search MATCH 'word19999')" ORDER },
    { "both", "word0 word19999", NULL,
      COLUMNS "r.seq IN (SELECT rowid FROM search WHERE search MATCH 'word0 word19999')" ORDER },
    { "none", "nothing", NULL,
      COLUMNS "r.seq IN (SELECT rowid FROM search WHERE search MATCH 'nothing')" ORDER },
  };
  g_autofree char *path = g_build_filename (folder, "large.db", NULL);
  gint64 start = g_get_monotonic_time ();
  Store *store = make_large (path);
  g_autoptr (GArray) projects = g_array_new (FALSE, FALSE, sizeof (gint64));
  gint64 project = 1;

  printf ("%d runs in one thread: %.1f s, %.0f runs/s\n", n_large, since (start),
          n_large / since (start));
  g_array_append_val (projects, project);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      RunQuery query = RUN_QUERY_INIT;
      double best = G_MAXDOUBLE;
      double bare = G_MAXDOUBLE;
      guint n = 0;
      guint n_bare = 0;

      query.projects = projects;
      query.whole = TRUE;
      query.words = rows[i].words;
      query.filter = rows[i].filter;
      for (guint j = 0; j < 3; j++)
        {
          bare = MIN (bare, measure_sql (store, rows[i].sql, &n_bare));
          best = MIN (best, measure_query (store, &query, &n));
        }
      printf ("%-9s %3u runs: %8.2f ms, by hand %3u runs: %8.2f ms, ratio %.2f\n", rows[i].name, n,
              1000 * best, n_bare, 1000 * bare, best / bare);
    }
  store_close (store);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  ServeFixture fixture = { NULL };
  g_autoptr (GPtrArray) bodies = NULL;
  double service;
  double bare;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, NULL))
    return 2;
  argc = 1;
  g_test_init (&argc, &argv, NULL);
  n_runs -= n_runs % BATCH;
  serve_fixture_set_up (&fixture, NULL);
  serve_start (&fixture, NULL, "--max-size=0 --max-age=0");
  measure_idle (&fixture, "at first");
  bodies = make_bodies ();
  service = measure_service (&fixture, bodies);
  bare = measure_bare (&fixture);
  printf ("%d runs of %.0f bytes: service %.0f runs/s, SQLite alone %.0f runs/s, ratio %.2f\n",
          n_runs, (double) g_bytes_get_size (g_ptr_array_index (bodies, 0)) / BATCH,
          n_runs / service, n_runs / bare, bare / service);
  measure_events (&fixture);
  measure_idle (&fixture, "after that");
  if (n_large > 0)
    measure_lists (fixture.folder);
  serve_fixture_tear_down (&fixture, NULL);
  return 0;
}
