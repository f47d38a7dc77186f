/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An exchange that has to stop, at each moment of its life. Whatever it is doing, libsoup ends its
 * message once, and uses no freed memory. */

#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/http/lsobs-connection-watch-private.h"
#include "lsobs/http/lsobs-exchange-private.h"
#include "lsobs/http/lsobs-session-pool-private.h"
#include "lsobs/lsobs-error.h"
#include "tests/lib/fault-service.h"
#include "tests/lib/tls-helpers.h"

/* Turns of the main context: an exchange with a service on this machine takes fewer. */
#define N_TURNS 40

/* More than an exchange takes. */
#define N_INTERIM 1100

typedef struct _Fixture Fixture;

typedef void (*StopFunc) (Fixture *fixture);
/* Stops exchanges with the service at @url in each way. */
typedef void (*MomentFunc) (Fixture *fixture, const char *url);

struct _Fixture
{
  GSource *waker;            /* (owned) of the worker, which is this thread */
  LsobsSessionPool *pool;    /* (owned) (nullable) */
  SoupSession *session;      /* (unowned) the one of the pool */
  GCancellable *cancellable; /* (owned) of the exchange under way */
  gboolean waits;            /* for the answer before the request is written */
  GSocket *socket;           /* (unowned) of the last connection */
  StopFunc stop;             /* (nullable) called in the head of the answer */
  GError *error;             /* (owned) (nullable) of the exchange */
  gboolean ended;            /* the exchange has */
  guint n_queued;            /* messages */
  guint n_unqueued;
};

/* --- ways to stop -------------------------------------------------------------------------- */

static void
cancel (Fixture *fixture)
{
  g_cancellable_cancel (fixture->cancellable);
}

static void
abort_pool (Fixture *fixture)
{
  _lsobs_session_pool_abort (fixture->pool);
}

static gpointer
run_cancel (gpointer data)
{
  cancel (data);
  return NULL;
}

static void
cancel_in_thread (Fixture *fixture)
{
  g_thread_join (g_thread_new ("cancel", run_cancel, fixture));
}

static const StopFunc ways[] = { cancel, cancel_in_thread, abort_pool };

/* --- fixture ------------------------------------------------------------------------------- */

static gboolean
wake_cb (gpointer user_data G_GNUC_UNUSED)
{
  return G_SOURCE_CONTINUE;
}

static void
queued_cb (SoupSession *session G_GNUC_UNUSED, SoupMessage *message G_GNUC_UNUSED, gpointer data)
{
  ((Fixture *) data)->n_queued++;
}

static void
unqueued_cb (SoupSession *session G_GNUC_UNUSED, SoupMessage *message G_GNUC_UNUSED, gpointer data)
{
  ((Fixture *) data)->n_unqueued++;
}

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_true (g_main_context_acquire (NULL));
  fixture->waker = _lsobs_flush_source_new ();
  g_source_set_callback (fixture->waker, wake_cb, NULL, NULL);
  g_source_attach (fixture->waker, NULL);
}

static gboolean
is_quiet (gpointer data)
{
  return _lsobs_session_pool_is_quiet (((Fixture *) data)->pool);
}

static void
close_pool (Fixture *fixture)
{
  _lsobs_session_pool_abort (fixture->pool);
  g_assert_true (test_wait_until (is_quiet, fixture, TEST_TIMEOUT_MS));
  g_clear_pointer (&fixture->pool, _lsobs_session_pool_free);
  g_clear_error (&fixture->error);
  g_clear_object (&fixture->cancellable);
}

static void
open_pool (Fixture *fixture)
{
  g_autoptr (SoupSession) session = soup_session_new ();

  fixture->pool = _lsobs_session_pool_new (fixture->waker);
  _lsobs_session_pool_add (fixture->pool, session);
  _lsobs_connection_watch_start (session);
  fixture->session = session;
  fixture->cancellable = g_cancellable_new ();
  fixture->ended = FALSE;
  fixture->n_queued = 0;
  fixture->n_unqueued = 0;
  g_signal_connect (session, "request-queued", G_CALLBACK (queued_cb), fixture);
  g_signal_connect (session, "request-unqueued", G_CALLBACK (unqueued_cb), fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_source_destroy (fixture->waker);
  g_source_unref (fixture->waker);
  g_main_context_release (NULL);
}

static void
exchanged_cb (GObject *object G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  Fixture *fixture = data;
  g_autofree char *answer = _lsobs_exchange_finish (result, NULL, &fixture->error);

  g_assert_true ((answer != NULL) != (fixture->error != NULL));
  fixture->ended = TRUE;
}

static void
network_event_cb (SoupMessage *message G_GNUC_UNUSED,
                  GSocketClientEvent event,
                  GIOStream *connection,
                  gpointer data)
{
  Fixture *fixture = data;

  if (event == G_SOCKET_CLIENT_CONNECTED)
    fixture->socket = g_socket_connection_get_socket (G_SOCKET_CONNECTION (connection));
}

static void
starting_cb (SoupMessage *message G_GNUC_UNUSED, gpointer data)
{
  Fixture *fixture = data;

  if (fixture->waits)
    g_assert_true (g_socket_condition_timed_wait (fixture->socket, G_IO_IN, TEST_TIMEOUT_MS * 1000,
                                                  NULL, NULL));
}

static void
got_headers_cb (SoupMessage *message, gpointer data)
{
  Fixture *fixture = data;

  if (!SOUP_STATUS_IS_INFORMATIONAL (soup_message_get_status (message)) && fixture->stop != NULL)
    fixture->stop (fixture);
}

static void
begin (Fixture *fixture, const char *url)
{
  g_autofree char *info = g_strconcat (url, "/info", NULL);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", info);
  LsobsExchangeLimits limits = { .timeout = TEST_NEVER_MS,
                                 .tail = TEST_NEVER_MS,
                                 .max_answer = 4096 };

  g_signal_connect (message, "network-event", G_CALLBACK (network_event_cb), fixture);
  g_signal_connect (message, "starting", G_CALLBACK (starting_cb), fixture);
  g_signal_connect (message, "got-headers", G_CALLBACK (got_headers_cb), fixture);
  _lsobs_exchange_async (fixture->session, message, NULL, NULL, &limits, fixture->cancellable,
                         exchanged_cb, fixture);
}

static gboolean
has_ended (gpointer data)
{
  return ((Fixture *) data)->ended;
}

/* Over HTTP/2, libsoup may forget a message. */
static void
assert_ends_once (Fixture *fixture)
{
  g_assert_true (test_wait_until (has_ended, fixture, TEST_TIMEOUT_MS));
  close_pool (fixture);
  g_assert_cmpuint (fixture->n_queued, ==, 1);
  g_assert_cmpuint (fixture->n_unqueued, <=, 1);
}

static gboolean
is_idle (gpointer data)
{
  Fixture *fixture = data;

  return fixture->ended && fixture->n_unqueued == fixture->n_queued;
}

/* --- moments ------------------------------------------------------------------------------- */

static void
stop_in_head (Fixture *fixture, const char *url)
{
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      /* never while libsoup runs */
      if (ways[i] == abort_pool)
        continue;
      open_pool (fixture);
      fixture->stop = ways[i];
      begin (fixture, url);
      assert_ends_once (fixture);
    }
}

/* The second exchange has a connection from its beginning. */
static void
stop_in_turn (Fixture *fixture, const char *url, StopFunc stop, guint turn, gboolean connected)
{
  open_pool (fixture);
  fixture->stop = NULL;
  if (connected)
    {
      begin (fixture, url);
      g_assert_true (test_wait_until (is_idle, fixture, TEST_TIMEOUT_MS));
      g_assert_no_error (fixture->error);
      fixture->ended = FALSE;
      fixture->n_queued = fixture->n_unqueued = 0;
    }
  begin (fixture, url);
  for (guint i = 0; i < turn && !fixture->ended; i++)
    g_main_context_iteration (NULL, TRUE);
  stop (fixture);
  assert_ends_once (fixture);
}

static void
stop_in_turns (Fixture *fixture, const char *url)
{
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    for (guint turn = 0; turn < N_TURNS; turn++)
      {
        stop_in_turn (fixture, url, ways[i], turn, FALSE);
        stop_in_turn (fixture, url, ways[i], turn, TRUE);
      }
}

/* --- HTTP/1.1 ------------------------------------------------------------------------------ */

static void
test_http1 (Fixture *fixture, gconstpointer stop_in)
{
  g_autoptr (TestServer) server = test_server_new ();

  ((MomentFunc) stop_in) (fixture, test_server_get_url (server));
}

/* The answer comes before the request. libsoup reads its head when it has written the request, and
 * passes it on in the next turn. */
static void
test_http1_early (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const Fault fault = { .read = FAULT_READS_NOTHING,
                        .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                        .then = FAULT_THEN_HANGS };
  g_autoptr (FaultService) service = fault_service_new (&fault);

  fixture->waits = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    for (guint turn = 0; turn < N_TURNS; turn++)
      stop_in_turn (fixture, fault_service_get_url (service), ways[i], turn, FALSE);
}

/* The head of the answer comes with too many interim answers, so that libsoup has read it before
 * the exchange gives up. */
static void
test_http1_interim (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) answer = g_string_new (NULL);
  g_autoptr (FaultService) service = NULL;
  Fault fault = { .read = FAULT_READS_SOME, .then = FAULT_THEN_HANGS };

  for (guint i = 0; i < N_INTERIM; i++)
    g_string_append (answer, "HTTP/1.1 103 Early Hints\r\n\r\n");
  g_string_append (answer, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}");
  fault.answer = answer->str;
  service = fault_service_new (&fault);
  open_pool (fixture);
  fixture->stop = NULL;
  begin (fixture, fault_service_get_url (service));
  assert_ends_once (fixture);
}

/* --- HTTP/2 -------------------------------------------------------------------------------- */

static void
test_http2 (Fixture *fixture, gconstpointer stop_in)
{
  g_autoptr (TlsService) service = NULL;

  if (!tls_service_is_possible ())
    return;
  service = tls_service_new (NULL);
  ((MomentFunc) stop_in) (fixture, tls_service_get_url (service));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();
  tls_service_allow_warnings ();
#define ADD(name, data, func) g_test_add ("/exchange/" name, Fixture, data, set_up, func, tear_down)
  ADD ("http1/head", stop_in_head, test_http1);
  ADD ("http1/turns", stop_in_turns, test_http1);
  ADD ("http1/early", NULL, test_http1_early);
  ADD ("http1/interim", NULL, test_http1_interim);
  ADD ("http2/head", stop_in_head, test_http2);
  ADD ("http2/turns", stop_in_turns, test_http2);
#undef ADD
  return g_test_run ();
}
