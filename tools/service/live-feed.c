/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tools/service/live-feed.h"
#include "tools/store/json-put.h"
#include "tools/store/notice.h"

/* The shortest time between two groups of events, in µs. */
#define PAUSE (100 * 1000)

/* Seconds: how often the database is looked at for what others write. */
#define POLL_INTERVAL 1

/* µs after which a silent listener gets a comment, and a stuck one is cut off. */
#define COMMENT_PAUSE (15 * G_USEC_PER_SEC)
#define STUCK_TIME    (60 * G_USEC_PER_SEC)

/* The largest number of runs in one event. */
#define MAX_RUNS 500

/* The browser connects again so many ms after a connection was lost. */
#define RETRY "retry: 1000\n\n"

/* A line that a page ignores. */
#define COMMENT ": \n\n"

struct _LiveFeed
{
  Worker *worker;        /* (unowned) */
  GPtrArray *listeners;  /* (owned) (element-type Listener) */
  GMainContext *context; /* (owned) */
  GSource *timer;        /* (owned) (nullable) until the next events may be sent */
  GSource *poll;         /* (owned) (nullable) while somebody listens */
  gint64 sent_time;      /* when the store was asked last */
  gboolean is_asking;    /* the worker has a request */
};

typedef struct
{
  LiveFeed *feed;             /* (unowned) */
  SoupServerMessage *message; /* (owned) */
  gulong finished_handler;
  gulong chunk_handler;
  gint64 change;       /* the last one that it knows, or -1 */
  gboolean is_behind;  /* there may be news */
  gboolean is_writing; /* what was sent last is not yet on its way */
  gint64 time;         /* when something was sent last */
} Listener;

/* A question for the store. */
typedef struct
{
  Request request; /* first: it is freed as a Request */
  gint64 after;
  gint64 change; /* up to which the answer goes */
  gboolean has_more;
} LiveRequest;

/* --- events, in the thread that reads --- */

static void
put_event (LsobsBuffer *out, const char *name, const char *json, gsize len)
{
  _lsobs_buffer_append_str (out, "event: ");
  _lsobs_buffer_append_str (out, name);
  _lsobs_buffer_append_str (out, "\ndata: ");
  _lsobs_buffer_append (out, json, len);
  _lsobs_buffer_append_str (out, "\n\n");
}

/* An event that is nothing but its name. */
static void
put_mark (LsobsBuffer *out, const char *name, gint64 change)
{
  g_autofree char *json = g_strdup_printf ("{\"change\":%" G_GINT64_FORMAT "}", change);

  put_event (out, name, json, strlen (json));
}

/* @n: (inout): how many there are
 * @last: (out): the change of the last one */
static gboolean
put_runs (LsobsBuffer *out, Store *store, gint64 after, guint *n, gint64 *last, GError **error)
{
  static const char sql[] =
      "SELECT r.change, r.id, r.trace_id, r.parent_id, p.id FROM runs AS r"
      " LEFT JOIN projects AS p ON p.seq = r.project WHERE r.change > ? ORDER BY r.change LIMIT ?";
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database, sql, error);
  int result = SQLITE_DONE;

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "ii", after, (gint64) MAX_RUNS);
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      LsobsId id;
      gboolean has_parent;

      *last = sqlite3_column_int64 (statement, 0);
      json_put_begin (out, NULL, '{');
      if (database_column_id (statement, 1, &id))
        json_put_id (out, "id", &id);
      if (database_column_id (statement, 2, &id))
        json_put_id (out, "trace", &id);
      has_parent = database_column_id (statement, 3, &id);
      json_put_id (out, "parent", has_parent ? &id : NULL);
      if (database_column_id (statement, 4, &id))
        json_put_id (out, "project", &id);
      json_put_boolean (out, "root", !has_parent);
      json_put_end (out, '}');
      (*n)++;
    }
  sqlite3_reset (statement);
  return result == SQLITE_DONE;
}

/* Appends the run of a feedback, unless it has not come. */
static gboolean
put_run (LsobsBuffer *out, Store *store, const LsobsId *run_id, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement = database_get (database,
                                          "SELECT r.trace_id, p.id FROM runs AS r"
                                          " LEFT JOIN projects AS p ON p.seq = r.project"
                                          " WHERE r.id = ?",
                                          error);
  int result;
  LsobsId id;

  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "u", run_id);
  result = database_step (database, statement, error);
  if (result == SQLITE_ROW)
    {
      json_put_begin (out, NULL, '{');
      json_put_id (out, "id", run_id);
      if (database_column_id (statement, 0, &id))
        json_put_id (out, "trace", &id);
      if (database_column_id (statement, 1, &id))
        json_put_id (out, "project", &id);
      json_put_end (out, '}');
    }
  sqlite3_reset (statement);
  return result == SQLITE_ROW || result == SQLITE_DONE;
}

/* Appends a list of what the notices of one kind name.
 * @n: (inout): how many there are */
static gboolean
put_notices (LsobsBuffer *out,
             const char *name,
             Store *store,
             GArray *notices,
             NoticeKind kind,
             guint *n,
             GError **error)
{
  json_put_begin (out, name, '[');
  for (guint i = 0; i < notices->len; i++)
    {
      const Notice *notice = &g_array_index (notices, Notice, i);

      if (notice->kind != kind)
        continue;
      (*n)++;
      if (kind != NOTICE_FEEDBACK)
        json_put_id (out, NULL, &notice->id);
      else if (!put_run (out, store, &notice->id, error))
        return FALSE;
    }
  json_put_end (out, ']');
  return TRUE;
}

/* Appends the events for what has changed after self->after, and sets up to where they go. */
static gboolean
put_news (LiveRequest *self, Store *store, gint64 last, GError **error)
{
  g_auto (LsobsBuffer) runs = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) feedback = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) removed = LSOBS_BUFFER_INIT;
  LsobsBuffer *out = &self->request.answer;
  g_autoptr (GArray) notices = NULL;
  gint64 change = last;
  guint n_runs = 0;
  guint n_feedback = 0;
  guint n_removed = 0;

  json_put_begin (&runs, NULL, '{');
  json_put_begin (&runs, "runs", '[');
  if (!put_runs (&runs, store, self->after, &n_runs, &change, error))
    return FALSE;
  self->change = n_runs == MAX_RUNS ? change : last;
  self->has_more = self->change < last;
  json_put_end (&runs, ']');
  json_put_int (&runs, "change", self->change);
  json_put_end (&runs, '}');

  notices = notice_list (store, self->after, self->change, NOTICE_WINDOW, error);
  if (notices == NULL)
    return FALSE;
  json_put_begin (&feedback, NULL, '{');
  json_put_int (&feedback, "change", self->change);
  json_put_begin (&removed, NULL, '{');
  json_put_int (&removed, "change", self->change);
  if (!put_notices (&feedback, "runs", store, notices, NOTICE_FEEDBACK, &n_feedback, error) ||
      !put_notices (&removed, "traces", store, notices, NOTICE_TRACE_REMOVED, &n_removed, error) ||
      !put_notices (&removed, "projects", store, notices, NOTICE_PROJECT_REMOVED, &n_removed,
                    error))
    return FALSE;
  json_put_end (&feedback, '}');
  json_put_end (&removed, '}');
  if (n_runs > 0)
    put_event (out, "runs", runs.data, runs.len);
  if (n_feedback > 0)
    put_event (out, "feedback", feedback.data, feedback.len);
  if (n_removed > 0)
    put_event (out, "removed", removed.data, removed.len);
  return TRUE;
}

/* An answer is one chunk of the stream. It has its id behind the events: a browser that loses the connection
 * before that asks for all of them again. */
static gboolean
handle_live (Request *request, Store *store, GError **error)
{
  LiveRequest *self = (LiveRequest *) request;
  LsobsBuffer *out = &request->answer;
  Database *database = store_get_database (store);
  g_autofree char *id = NULL;
  gboolean done = TRUE;
  gint64 last;

  /* All queries see the store as it is at one moment. */
  if (!database_execute (database, "BEGIN", error))
    return FALSE;
  if (!store_get_last_change (store, &last, error))
    {
      database_execute (database, "ROLLBACK", NULL);
      return FALSE;
    }
  self->change = last;
  self->has_more = FALSE;
  if (self->after < 0)
    put_mark (out, "hello", last);
  else if (self->after > last || last - self->after > NOTICE_WINDOW)
    put_mark (out, "reload", last);
  else if (self->after < last)
    done = put_news (self, store, last, error);
  database_execute (database, "COMMIT", NULL);
  if (!done)
    return FALSE;
  request->status = 200;
  if (self->change != self->after)
    {
      id = g_strdup_printf ("id: %" G_GINT64_FORMAT "\n\n", self->change);
      _lsobs_buffer_append_str (out, id);
    }
  return TRUE;
}

static const Route live_route = { "GET", "/page-data/live", ROUTE_READS, NULL, handle_live };

/* --- listeners, in the context of the service --- */

static void
free_listener (gpointer data)
{
  Listener *self = data;

  g_signal_handler_disconnect (self->message, self->finished_handler);
  g_signal_handler_disconnect (self->message, self->chunk_handler);
  g_object_unref (self->message);
  g_free (self);
}

/* @text: a chunk */
static void
listener_send (Listener *self, const char *text, gsize len)
{
  soup_message_body_append (soup_server_message_get_response_body (self->message), SOUP_MEMORY_COPY,
                            text, len);
  self->is_writing = TRUE;
  self->time = g_get_monotonic_time ();
  soup_server_message_unpause (self->message);
}

static void
listener_cut_off (Listener *self)
{
  GSocket *socket = soup_server_message_get_socket (self->message);

  /* The write that hangs fails, and the message is finished by that. */
  if (socket != NULL)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
}

/* --- questions --- */

static void wake (LiveFeed *self);

static Listener *
find_behind (LiveFeed *self)
{
  for (guint i = 0; i < self->listeners->len; i++)
    {
      Listener *listener = g_ptr_array_index (self->listeners, i);

      if (listener->is_behind && !listener->is_writing)
        return listener;
    }
  return NULL;
}

static void ask (LiveFeed *self);

/* A #RequestDoneFunc. */
static void
answered_cb (Request *request, gpointer data)
{
  LiveFeed *self = data;
  LiveRequest *live = (LiveRequest *) request;

  self->is_asking = FALSE;
  for (guint i = 0; i < self->listeners->len; i++)
    {
      Listener *listener = g_ptr_array_index (self->listeners, i);

      if (!listener->is_behind || listener->is_writing || listener->change != live->after)
        continue;
      listener->is_behind = FALSE;
      /* After an error of the store, the next look at it tries again. */
      if (request->status != 200)
        continue;
      listener->change = live->change;
      listener->is_behind = live->has_more;
      if (request->answer.len > 0)
        listener_send (listener, request->answer.data, request->answer.len);
    }
  request_free (request);
  /* The listeners that wait for other changes, or for more of them. */
  if (find_behind (self) != NULL)
    ask (self);
}

/* Asks for one listener that is behind. The answer is also for others that wait for the same
 * changes. */
static void
ask (LiveFeed *self)
{
  Listener *listener = find_behind (self);
  LiveRequest *live;

  if (listener == NULL || self->is_asking)
    return;
  live = g_new0 (LiveRequest, 1);
  live->request.route = &live_route;
  live->request.path = g_strdup (live_route.path);
  live->request.body = g_bytes_new_static ("", 0);
  live->request.done = answered_cb;
  live->request.done_data = self;
  live->after = listener->change;
  self->is_asking = TRUE;
  self->sent_time = g_get_monotonic_time ();
  worker_push (self->worker, &live->request);
}

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static gboolean
timer_cb (gpointer data)
{
  LiveFeed *self = data;

  drop_source (&self->timer);
  ask (self);
  return G_SOURCE_REMOVE;
}

/* Asks for the listeners that are behind, when it is time. */
static void
wake (LiveFeed *self)
{
  gint64 pause = self->sent_time + PAUSE - g_get_monotonic_time ();

  if (self->is_asking || self->timer != NULL || find_behind (self) == NULL)
    return;
  if (pause <= 0)
    {
      ask (self);
      return;
    }
  self->timer = g_timeout_source_new ((guint) (pause / 1000) + 1);
  g_source_set_callback (self->timer, timer_cb, self, NULL);
  g_source_attach (self->timer, self->context);
}

/* Something was written, or may have been: a #WorkerWrittenFunc. */
static void
written_cb (gpointer data)
{
  LiveFeed *self = data;

  for (guint i = 0; i < self->listeners->len; i++)
    ((Listener *) g_ptr_array_index (self->listeners, i))->is_behind = TRUE;
  wake (self);
}

static gboolean
poll_cb (gpointer data)
{
  LiveFeed *self = data;
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < self->listeners->len; i++)
    {
      Listener *listener = g_ptr_array_index (self->listeners, i);

      if (listener->is_writing && now - listener->time > STUCK_TIME)
        listener_cut_off (listener);
      else if (!listener->is_writing && now - listener->time > COMMENT_PAUSE)
        listener_send (listener, COMMENT, strlen (COMMENT));
    }
  written_cb (self);
  return G_SOURCE_CONTINUE;
}

/* --- who listens --- */

static void
wrote_chunk_cb (SoupServerMessage *message G_GNUC_UNUSED, gpointer data)
{
  Listener *self = data;

  self->is_writing = FALSE;
  wake (self->feed);
}

static void
finished_cb (SoupServerMessage *message G_GNUC_UNUSED, gpointer data)
{
  Listener *self = data;
  LiveFeed *feed = self->feed;

  g_ptr_array_remove_fast (feed->listeners, self);
  if (feed->listeners->len > 0)
    return;
  drop_source (&feed->poll);
  drop_source (&feed->timer);
  worker_set_written_func (feed->worker, NULL, NULL);
}

static void
start (LiveFeed *self)
{
  worker_set_written_func (self->worker, written_cb, self);
  self->poll = g_timeout_source_new_seconds (POLL_INTERVAL);
  g_source_set_callback (self->poll, poll_cb, self, NULL);
  g_source_attach (self->poll, self->context);
}

/* Whether the page has closed its end of the connection. The server looks at that only when it writes. */
static gboolean
is_gone (Listener *self)
{
  GSocket *socket = soup_server_message_get_socket (self->message);

  return socket == NULL || (g_socket_condition_check (socket, G_IO_IN) != 0 &&
                            g_socket_get_available_bytes (socket) <= 0);
}

static void
drop_gone (LiveFeed *self)
{
  for (guint i = self->listeners->len; i-- > 0;)
    {
      Listener *listener = g_ptr_array_index (self->listeners, i);

      if (!is_gone (listener))
        continue;
      /* The next write fails, and the message is finished by that. */
      listener_cut_off (listener);
      if (!listener->is_writing)
        listener_send (listener, COMMENT, strlen (COMMENT));
      g_ptr_array_remove_index_fast (self->listeners, i);
    }
}

gboolean
live_feed_add (LiveFeed *self, SoupServerMessage *message, gint64 change)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  g_autoptr (GString) begin = g_string_new (RETRY);
  Listener *listener;

  if (self->listeners->len >= LIVE_FEED_MAX)
    drop_gone (self);
  if (self->listeners->len >= LIVE_FEED_MAX)
    return FALSE;
  listener = g_new0 (Listener, 1);
  listener->feed = self;
  listener->message = g_object_ref (message);
  listener->change = change;
  listener->is_behind = TRUE;
  listener->finished_handler =
      g_signal_connect (message, "finished", G_CALLBACK (finished_cb), listener);
  listener->chunk_handler =
      g_signal_connect (message, "wrote-chunk", G_CALLBACK (wrote_chunk_cb), listener);
  soup_server_message_set_status (message, 200, NULL);
  soup_message_headers_replace (headers, "Content-Type", "text/event-stream");
  soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate (soup_server_message_get_response_body (message), FALSE);
  if (change >= 0)
    g_string_append_printf (begin,
                            "event: hello\ndata: {\"change\":%" G_GINT64_FORMAT
                            "}\nid: %" G_GINT64_FORMAT "\n\n",
                            change, change);
  soup_server_message_pause (message);
  listener_send (listener, begin->str, begin->len);
  g_ptr_array_add (self->listeners, listener);
  if (self->listeners->len == 1)
    start (self);
  return TRUE;
}

LiveFeed *
live_feed_new (Worker *worker)
{
  LiveFeed *self = g_new0 (LiveFeed, 1);

  self->worker = worker;
  self->context = g_main_context_ref_thread_default ();
  self->listeners = g_ptr_array_new_with_free_func (free_listener);
  return self;
}

void
live_feed_free (LiveFeed *self)
{
  g_ptr_array_set_size (self->listeners, 0);
  drop_source (&self->poll);
  drop_source (&self->timer);
  worker_set_written_func (self->worker, NULL, NULL);
  while (self->is_asking)
    g_main_context_iteration (self->context, TRUE);
  g_ptr_array_unref (self->listeners);
  g_main_context_unref (self->context);
  g_free (self);
}
