/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an open page is told while traces change: GET /page-data/live. */

#include "config.h"

#include <signal.h>
#include <string.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/page-helpers.h"
#include "tools/service/live-feed.h"
#include "tools/store/notice.h"

/* Somebody who listens. */
typedef struct
{
  SoupMessage *message;    /* (owned) */
  GDataInputStream *lines; /* (owned) */
  char *event;             /* (owned) (nullable) of the last block */
  char *id;                /* (owned) (nullable) the last one that was seen */
  JsonNode *data;          /* (owned) (nullable) of the last block */
} Listener;

/* @id: (nullable): Last-Event-ID. Returns: the status */
static guint
try_to_listen (ServeFixture *fixture, Listener *self, const char *query, const char *id)
{
  g_autofree char *uri = g_strconcat (fixture->url, "/page-data/live", query, NULL);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;

  self->event = self->id = NULL;
  self->data = NULL;
  self->message = soup_message_new ("GET", uri);
  soup_message_headers_replace (soup_message_get_request_headers (self->message), "x-api-key",
                                fixture->token);
  if (id != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (self->message), "Last-Event-ID",
                                  id);
  stream = soup_session_send (fixture->session, self->message, NULL, &error);
  g_assert_no_error (error);
  self->lines = g_data_input_stream_new (stream);
  return soup_message_get_status (self->message);
}

static void
stop_listening (Listener *self)
{
  g_input_stream_close (G_INPUT_STREAM (self->lines), NULL, NULL);
  g_object_unref (self->lines);
  g_object_unref (self->message);
  g_free (self->event);
  g_free (self->id);
  g_clear_pointer (&self->data, json_node_unref);
}

/* Reads up to the next event. */
static void
next_event (Listener *self, const char *event)
{
  g_autofree char *name = NULL;
  gboolean done = FALSE;

  g_clear_pointer (&self->data, json_node_unref);
  while (!done)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *line = g_data_input_stream_read_line_utf8 (self->lines, NULL, NULL, &error);

      g_assert_no_error (error);
      g_assert_nonnull (line);
      if (g_str_has_prefix (line, "event: "))
        {
          g_free (name);
          name = g_strdup (line + strlen ("event: "));
        }
      else if (g_str_has_prefix (line, "data: "))
        self->data = json_from_string (line + strlen ("data: "), NULL);
      else if (g_str_has_prefix (line, "id: "))
        {
          g_free (self->id);
          self->id = g_strdup (line + strlen ("id: "));
        }
      else if (*line == '\0' && self->data != NULL)
        done = TRUE;
    }
  g_assert_cmpstr (name, ==, event);
}

static void
listen_to (ServeFixture *fixture, Listener *self, const char *query, const char *id)
{
  g_assert_cmpuint (try_to_listen (fixture, self, query, id), ==, 200);
}

static gint64
change_of (Listener *self)
{
  return json_object_get_int_member (page_get_object (self->data), "change");
}

/* What is written is told: runs, feedback, and what is gone. */
static void
test_live (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  g_autofree char *project = NULL;
  g_autofree char *project_path = NULL;
  g_autoptr (JsonNode) feedback = NULL;
  g_autoptr (JsonNode) deleted = NULL;
  g_autoptr (JsonNode) gone = NULL;
  JsonObject *run;

  serve_start (fixture, NULL, NULL);
  listen_to (fixture, &listener, "", NULL);
  g_assert_cmpstr (page_get_header (listener.message, "Content-Type"), ==, "text/event-stream");
  g_assert_cmpstr (page_get_header (listener.message, "Cache-Control"), ==, "no-store");
  next_event (&listener, "hello");
  g_assert_cmpint (change_of (&listener), ==, 0);

  page_post_run (fixture, 1, 1, 0, "'name':'root'");
  next_event (&listener, "runs");
  g_assert_cmpuint (page_get_length (listener.data, "runs"), ==, 1);
  run = page_get_element (listener.data, "runs", 0);
  project = page_dup_project (fixture);
  g_assert_cmpstr (page_get_text (run, "id"), ==, TEST_ROOT);
  g_assert_cmpstr (page_get_text (run, "trace"), ==, TEST_ROOT);
  g_assert_cmpstr (page_get_text (run, "parent"), ==, NULL);
  g_assert_cmpstr (page_get_text (run, "project"), ==, project);
  g_assert_true (json_object_get_boolean_member (run, "root"));
  page_post_run (fixture, 2, 1, 1, "'name':'child'");
  next_event (&listener, "runs");
  run = page_get_element (listener.data, "runs", 0);
  g_assert_cmpstr (page_get_text (run, "id"), ==, TEST_CHILD);
  g_assert_cmpstr (page_get_text (run, "parent"), ==, TEST_ROOT);
  g_assert_false (json_object_get_boolean_member (run, "root"));

  feedback =
      serve_ask (fixture, "POST", "/feedback",
                 "{'id':'" TEST_OTHER "','run_id':'" TEST_CHILD "','key':'k','score':1}", 200);
  next_event (&listener, "feedback");
  run = page_get_element (listener.data, "runs", 0);
  g_assert_cmpstr (page_get_text (run, "id"), ==, TEST_CHILD);
  g_assert_cmpstr (page_get_text (run, "trace"), ==, TEST_ROOT);
  g_assert_cmpstr (page_get_text (run, "project"), ==, project);
  deleted = serve_ask (fixture, "DELETE", "/feedback/" TEST_OTHER, NULL, 200);
  next_event (&listener, "feedback");

  g_clear_pointer (&deleted, json_node_unref);
  deleted = serve_ask (fixture, "POST", "/runs/delete", "{'trace_ids':['" TEST_ROOT "']}", 200);
  next_event (&listener, "removed");
  g_assert_cmpstr (json_array_get_string_element (
                       json_object_get_array_member (page_get_object (listener.data), "traces"), 0),
                   ==, TEST_ROOT);
  project_path = g_strconcat ("/sessions/", project, NULL);
  gone = serve_ask (fixture, "DELETE", project_path, NULL, 202);
  next_event (&listener, "removed");
  g_assert_cmpstr (json_array_get_string_element (
                       json_object_get_array_member (page_get_object (listener.data), "projects"),
                       0),
                   ==, project);
  stop_listening (&listener);
}

/* After a lost connection, and behind the change that a list has, nothing is missed and nothing told twice. */
static void
test_reconnect (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  g_autoptr (JsonNode) list = NULL;
  g_autofree char *query = NULL;
  g_autofree char *id = NULL;

  serve_start (fixture, NULL, NULL);
  page_post_run (fixture, 1, 1, 0, "");
  list = page_list_traces (fixture, "");
  query = g_strdup_printf ("?change=%d",
                           (int) json_object_get_int_member (page_get_object (list), "change"));
  page_post_run (fixture, 2, 2, 0, "");
  listen_to (fixture, &listener, query, NULL);
  next_event (&listener, "hello");
  id = g_strdup (listener.id);
  next_event (&listener, "runs");
  g_assert_cmpuint (page_get_length (listener.data, "runs"), ==, 1);
  g_assert_cmpstr (page_get_text (page_get_element (listener.data, "runs", 0), "id"), ==,
                   TEST_CHILD);
  stop_listening (&listener);

  page_post_run (fixture, 3, 3, 0, "");
  /* The header goes before the address, which an EventSource keeps. */
  listen_to (fixture, &listener, "?change=0", id != NULL ? id : "1");
  next_event (&listener, "hello");
  next_event (&listener, "runs");
  g_assert_cmpuint (page_get_length (listener.data, "runs"), ==, 2);
  g_assert_cmpstr (page_get_text (page_get_element (listener.data, "runs", 1), "id"), ==,
                   TEST_LEAF);
  stop_listening (&listener);

  /* A change that this database never had. */
  listen_to (fixture, &listener, "?change=999999", NULL);
  next_event (&listener, "hello");
  next_event (&listener, "reload");
  stop_listening (&listener);
}

/* What another process writes is told, too. */
static void
test_other_writer (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  Store *store;
  g_autoptr (GError) error = NULL;

  serve_start (fixture, NULL, NULL);
  listen_to (fixture, &listener, "", NULL);
  next_event (&listener, "hello");
  store = store_open (fixture->database, DATABASE_READ_WRITE, &error);
  g_assert_no_error (error);
  test_apply (store, CHANGE_CREATE, "{'id':'" TEST_ROOT "','name':'imported'}");
  store_close (store);
  next_event (&listener, "runs");
  g_assert_cmpstr (page_get_text (page_get_element (listener.data, "runs", 0), "id"), ==,
                   TEST_ROOT);
  stop_listening (&listener);
}

/* Many changes come in several events; too many are one word. */
static void
test_many (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  g_autofree char *first = NULL;
  guint n = 0;

  serve_start (fixture, NULL, NULL);
  page_post_run (fixture, 1, 1, 0, "");
  listen_to (fixture, &listener, "", NULL);
  next_event (&listener, "hello");
  first = g_strdup_printf ("?change=%d", (int) change_of (&listener));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GString) body = g_string_new (NULL);

      for (guint j = 0; j < 700; j++)
        page_append_run (body, 2 + i * 700 + j, 2 + i * 700 + j, 0, "");
      page_post_runs (fixture, body->str);
    }
  while (n < 1400)
    {
      next_event (&listener, "runs");
      g_assert_cmpuint (page_get_length (listener.data, "runs"), <=, 500);
      n += page_get_length (listener.data, "runs");
    }
  g_assert_cmpuint (n, ==, 1400);
  stop_listening (&listener);

  {
    g_autoptr (GString) body = g_string_new (NULL);

    for (guint i = 0; i <= NOTICE_WINDOW; i++)
      page_append_run (body, 2000 + i, 2000 + i, 0, "");
    page_post_runs (fixture, body->str);
  }
  listen_to (fixture, &listener, first, NULL);
  next_event (&listener, "hello");
  next_event (&listener, "reload");
  g_assert_cmpint (change_of (&listener), >, 6000);
  /* It goes on from there. */
  page_post_run (fixture, 1, 1, 0, "'name':'later'");
  next_event (&listener, "runs");
  g_assert_cmpstr (page_get_text (page_get_element (listener.data, "runs", 0), "id"), ==,
                   TEST_ROOT);
  stop_listening (&listener);
}

/* There are so many listeners at most; one that goes makes place for another, and the service ends while they
 * listen. */
static void
test_listeners (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listeners[LIVE_FEED_MAX];
  Listener more;
  guint status = 0;
  gint64 end;

  serve_start (fixture, NULL, NULL);
  g_clear_object (&fixture->session);
  fixture->session = soup_session_new_with_options ("timeout", TEST_TIMEOUT_MS / 1000, "max-conns",
                                                    100, "max-conns-per-host", 100, NULL);
  for (guint i = 0; i < LIVE_FEED_MAX; i++)
    {
      listen_to (fixture, &listeners[i], "", NULL);
      next_event (&listeners[i], "hello");
    }
  g_assert_cmpuint (try_to_listen (fixture, &more, "", NULL), ==, 503);
  g_assert_nonnull (page_get_header (more.message, "Retry-After"));
  stop_listening (&more);
  page_post_run (fixture, 1, 1, 0, "");
  for (guint i = 0; i < LIVE_FEED_MAX; i++)
    next_event (&listeners[i], "runs");
  /* The service sees that one has gone when it writes to it. */
  stop_listening (&listeners[0]);
  end = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
  for (guint i = 2; status != 200 && g_get_monotonic_time () < end; i++)
    {
      page_post_run (fixture, i, i, 0, "");
      next_event (&listeners[1], "runs");
      status = try_to_listen (fixture, &more, "", NULL);
      if (status != 200)
        stop_listening (&more);
    }
  g_assert_cmpuint (status, ==, 200);

  /* Where nothing is written, it looks whether one has gone before it refuses another one. */
  stop_listening (&more);
  listen_to (fixture, &more, "", NULL);
  next_event (&more, "hello");
  for (guint i = 0; i < 2 * LIVE_FEED_MAX; i++)
    {
      guint n_refused = 0;

      stop_listening (&more);
      /* a few, until the end of the connection has come; thousands, until the next comment */
      while (try_to_listen (fixture, &more, "", NULL) != 200)
        {
          g_assert_cmpuint (++n_refused, <, 500);
          stop_listening (&more);
        }
    }
  stop_listening (&more);
  serve_stop (fixture, SIGTERM);
  for (guint i = 1; i < LIVE_FEED_MAX; i++)
    stop_listening (&listeners[i]);
}

/* How often the threads of the service have slept, all together. */
static guint64
count_sleeps (ServeFixture *fixture)
{
  g_autofree char *folder =
      g_strdup_printf ("/proc/%s/task", g_subprocess_get_identifier (fixture->process));
  g_autoptr (GDir) threads = g_dir_open (folder, 0, NULL);
  guint64 sum = 0;
  const char *name;

  g_assert_nonnull (threads);
  while ((name = g_dir_read_name (threads)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, "status", NULL);
      g_autofree char *text = NULL;
      const char *at;

      if (!g_file_get_contents (path, &text, NULL, NULL))
        continue;
      at = strstr (text, "\nvoluntary_ctxt_switches:");
      g_assert_nonnull (at);
      sum += g_ascii_strtoull (at + strlen ("\nvoluntary_ctxt_switches:\t"), NULL, 10);
    }
  return sum;
}

/* When the last listener has gone, the service sleeps. */
static void
test_idle (ServeFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Listener listener;
  gint64 end = g_get_monotonic_time () + TEST_TIMEOUT_MS * 1000;
  guint64 before;
  guint64 after;

  serve_start (fixture, NULL, NULL);
  listen_to (fixture, &listener, "", NULL);
  next_event (&listener, "hello");
  page_post_run (fixture, 1, 1, 0, "");
  next_event (&listener, "runs");
  stop_listening (&listener);
  g_clear_object (&fixture->session);
  fixture->session = soup_session_new_with_options ("timeout", TEST_TIMEOUT_MS / 1000, NULL);
  /* What is written shows that nobody listens. */
  page_post_run (fixture, 2, 2, 0, "");
  page_post_run (fixture, 3, 3, 0, "");
  /* Longer than the time between two looks at the database, and than the delay of the sync. */
  do
    {
      before = count_sleeps (fixture);
      g_usleep (3 * G_USEC_PER_SEC);
      after = count_sleeps (fixture);
    }
  while (after != before && g_get_monotonic_time () < end);
  g_assert_cmpuint (after, ==, before);
}

#define ADD(path, func) \
 g_test_add (path, ServeFixture, NULL, serve_fixture_set_up, func, serve_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/page-live/events", test_live);
  ADD ("/page-live/reconnect", test_reconnect);
  ADD ("/page-live/other-writer", test_other_writer);
  ADD ("/page-live/many", test_many);
  ADD ("/page-live/listeners", test_listeners);
  ADD ("/page-live/idle", test_idle);
  return g_test_run ();
}
