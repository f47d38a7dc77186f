/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-connection-watch-private.h"
#include "lsobs/http/lsobs-route-private.h"
#include "lsobs/http/lsobs-service-address-private.h"
#include "lsobs/http/lsobs-session-pool-private.h"
#include "lsobs/http/lsobs-wait-source-private.h"
#include "lsobs/lsobs-error.h"

/* How long loading the certificates may take, in ms. */
#define LOAD_TIMEOUT 5000

/* How many connections a session may have: the one in use, and those that the server has asked to
 * leave but that have not ended yet. */
#define MAX_CONNECTIONS 10

struct _LsobsRoute
{
  gatomicrefcount ref_count;
  LsobsSettings *settings;     /* (owned) */
  GSocketConnectable *address; /* (owned) */
  guint epoch;                 /* the process that all fields below belong to */
  GSource *waker;              /* (owned) (nullable) of the worker, whose context it is used in */
  LsobsSessionPool *sessions;  /* (owned) (nullable) until _lsobs_route_close() */
  LsobsSessionPool *closed;    /* (owned) (nullable) what has not ended when it was closed */
  GTlsDatabase *database;      /* (owned) (nullable) the certificates to trust, once loaded */
  GCancellable *loading;       /* (owned) (nullable) of the loading under way */
  GQueue waiting;              /* of WaitingExchange (owned): exchanges that wait for the loading */
  guint n_loads;               /* loadings so far */
  LsobsTrustLoader *loader;    /* (owned) (nullable) of the thread that loads */
};

/* An exchange that waits for the certificates. */
typedef struct
{
  LsobsRoute *route;     /* (owned) */
  GMainContext *context; /* (owned) of the exchange */
  SoupMessage *message;  /* (owned) */
  char *type;            /* (owned) (nullable) of the body */
  GBytes *body;          /* (owned) (nullable) */
  LsobsExchangeLimits limits;
  GCancellable *cancellable; /* (owned) (nullable) */
  GAsyncReadyCallback callback;
  gpointer user_data;
  gint64 began;    /* monotonic, µs */
  guint load;      /* the number of the loading that it waits for */
  GSource *source; /* (owned) ends the wait */
} WaitingExchange;

static void
wait_free (WaitingExchange *wait)
{
  g_source_unref (wait->source);
  g_main_context_unref (wait->context);
  g_clear_object (&wait->cancellable);
  g_clear_object (&wait->message);
  g_free (wait->type);
  g_clear_pointer (&wait->body, g_bytes_unref);
  _lsobs_route_unref (wait->route);
  g_free (wait);
}

LsobsRoute *
_lsobs_route_new (LsobsSettings *settings)
{
  LsobsRoute *self = g_new0 (LsobsRoute, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->settings = _lsobs_settings_ref (settings);
  self->address = _lsobs_service_address_new (settings->values.api_url);
  self->epoch = _lsobs_fork_epoch ();
  return self;
}

LsobsRoute *
_lsobs_route_ref (LsobsRoute *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_route_unref (LsobsRoute *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_route_close (self);
  g_clear_pointer (&self->closed, _lsobs_session_pool_free);
  g_clear_pointer (&self->waker, g_source_unref);
  g_clear_object (&self->database);
  g_clear_object (&self->loading);
  g_clear_pointer (&self->loader, _lsobs_trust_loader_unref);
  g_object_unref (self->address);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* --- sessions --- */

/* After a fork, the child leaves the sessions and all that is under way to the parent: to close the
 * sockets would end the TLS sessions of the parent, and locks may be held. */
static void
leave_parent (LsobsRoute *self)
{
  if (self->epoch == _lsobs_fork_epoch ())
    return;
  self->epoch = _lsobs_fork_epoch ();
  self->waker = NULL;
  self->sessions = NULL;
  self->closed = NULL;
  self->database = NULL;
  self->loading = NULL;
  g_queue_init (&self->waiting);
  self->n_loads = 0;
  self->loader = NULL;
}

/* Called before anything is sent.
 * @waker: of the worker, a source of lsobs-flush-source-private.h */
void
_lsobs_route_set_waker (LsobsRoute *self, GSource *waker)
{
  leave_parent (self);
  g_clear_pointer (&self->waker, g_source_unref);
  self->waker = g_source_ref (waker);
}

/* Prepares the route for sending. */
void
_lsobs_route_enter (LsobsRoute *self)
{
  leave_parent (self);
  _lsobs_flush_source_assert_context (self->waker);
  if (self->sessions != NULL)
    return;
  if (_lsobs_fork_epoch () != 0)
    _lsobs_fork_revive_tasks ();
  self->sessions = _lsobs_session_pool_new (self->waker);
}

/* The observer leaves: see lsobs-service-address-private.h. */
void
_lsobs_route_leave (LsobsRoute *self)
{
  leave_parent (self);
  _lsobs_flush_source_assert_context (self->waker);
  _lsobs_service_address_leave (self->address);
}

/* Whether all connections of the sessions that are closed have ended, and no certificates are being
 * loaded: a load in a thread of GIO cannot be given up, and may have to wait for that thread.
 * @gives_up: frees the sessions in any case */
gboolean
_lsobs_route_is_quiet (LsobsRoute *self, gboolean gives_up)
{
  leave_parent (self);
  _lsobs_flush_source_assert_context (self->waker);
  if (self->closed != NULL && (gives_up || _lsobs_session_pool_is_quiet (self->closed)))
    g_clear_pointer (&self->closed, _lsobs_session_pool_free);
  return self->closed == NULL && self->loading == NULL;
}

static gboolean
has_connection (gpointer data)
{
  return !_lsobs_route_is_quiet (data, FALSE);
}

/* Cancels all messages and closes all connections. The next exchange opens new ones. */
void
_lsobs_route_close (LsobsRoute *self)
{
  leave_parent (self);
  _lsobs_flush_source_assert_context (self->waker);
  if (self->sessions == NULL)
    return;
  g_clear_pointer (&self->closed, _lsobs_session_pool_free);
  self->closed = g_steal_pointer (&self->sessions);
  _lsobs_session_pool_abort (self->closed);
  /* libsoup warns when a session is freed before its connections have ended. */
  _lsobs_wait_source_run (has_connection, self);
}

/* The certificates may have been loaded again since the session was used last. */
static void
set_database (LsobsRoute *self, SoupSession *session)
{
  if (self->database != NULL && soup_session_get_tls_database (session) != self->database)
    soup_session_set_tls_database (session, self->database);
}

static void
set_proxy (LsobsRoute *self, SoupSession *session)
{
  LsobsSettings *settings = self->settings;

  /* No proxy leads to this machine, and each lookup of a proxy would take a thread. */
  if (settings->loopback || settings->proxy.kind == LSOBS_PROXY_DIRECT)
    soup_session_set_proxy_resolver (session, NULL);
  if (settings->proxy.kind == LSOBS_PROXY_URL)
    {
      g_autoptr (GProxyResolver) resolver = g_simple_proxy_resolver_new (settings->proxy.url, NULL);

      soup_session_set_proxy_resolver (session, resolver);
    }
}

/* Returns: (transfer full): a session without a message, for one message */
static SoupSession *
get_session (LsobsRoute *self)
{
  SoupSession *session;

  _lsobs_route_enter (self);
  session = _lsobs_session_pool_peek_idle (self->sessions);
  if (session != NULL)
    {
      set_database (self, session);
      return g_object_ref (session);
    }
  session =
      soup_session_new_with_options ("user-agent", "lsobs/" PACKAGE_VERSION, "max-conns-per-host",
                                     MAX_CONNECTIONS, "remote-connectable", self->address, NULL);
  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  _lsobs_session_pool_add (self->sessions, session);
  _lsobs_connection_watch_start (session);
  set_database (self, session);
  set_proxy (self, session);
  return session;
}

/* Whether an exchange that begins at once needs no other session than those that there are. */
gboolean
_lsobs_route_has_idle (LsobsRoute *self)
{
  leave_parent (self);
  _lsobs_flush_source_assert_context (self->waker);
  return self->sessions != NULL && _lsobs_session_pool_peek_idle (self->sessions) != NULL;
}

/* Called from any thread.
 * @path: below the address of the service
 * Returns: (transfer full): a message with the headers of every request; it can be sent once */
SoupMessage *
_lsobs_route_new_message (LsobsRoute *self, const char *method, const char *path)
{
  LsobsSettings *settings = self->settings;
  g_autofree char *url = g_strconcat (settings->values.api_url, "/", path, NULL);
  SoupMessage *message = soup_message_new (method, url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  /* Without the first flag, libsoup opens a new connection for each POST. The flag says that a
   * request may be sent twice. It may, because the service recognises records by their ids. */
  soup_message_add_flags (message, SOUP_MESSAGE_IDEMPOTENT | SOUP_MESSAGE_NO_REDIRECT);
  soup_message_headers_replace (headers, "Accept", "application/json");
  if (settings->credentials != NULL)
    _lsobs_credentials_add_to (settings->credentials, message);
  if (settings->values.workspace_id != NULL)
    soup_message_headers_replace (headers, "X-Tenant-Id", settings->values.workspace_id);
  return message;
}

/* --- exchanges --- */

/* Ends @wait, which is freed.
 * @problem: (nullable): translated: why the exchange cannot begin, or NULL to begin it */
static void
end_wait (WaitingExchange *wait, const char *problem)
{
  g_autoptr (SoupSession) session = NULL;

  g_assert (g_main_context_is_owner (wait->context));
  g_queue_remove (&wait->route->waiting, wait);
  /* A callback may run the context. */
  g_source_destroy (wait->source);
  /* A thread may run a custom context that is not its thread-default context. */
  g_main_context_push_thread_default (wait->context);
  if (problem != NULL || g_cancellable_is_cancelled (wait->cancellable))
    {
      _lsobs_exchange_refuse (problem, wait->cancellable, wait->callback, wait->user_data);
    }
  else
    {
      wait->limits.timeout -= (g_get_monotonic_time () - wait->began) / 1000;
      wait->limits.timeout = MAX (wait->limits.timeout, 1);
      session = get_session (wait->route);
      _lsobs_exchange_async (session, wait->message, wait->type, wait->body, &wait->limits,
                             wait->cancellable, wait->callback, wait->user_data);
    }
  g_main_context_pop_thread_default (wait->context);
  wait_free (wait);
}

/* Called in the context of the exchange, at the deadline or when it is cancelled. The last wait
 * cancels the loading and lasts until its end: after a cancellation, this context runs only until
 * the exchange ends. */
static gboolean
waited_cb (gpointer user_data)
{
  WaitingExchange *wait = user_data;
  LsobsRoute *route = wait->route;

  g_assert (g_main_context_is_owner (wait->context));
  if (route->waiting.length == 1 && route->loading != NULL)
    g_cancellable_cancel (route->loading);
  else
    end_wait (wait, _ ("it takes too long to read the certificates to trust"));
  return G_SOURCE_REMOVE;
}

typedef struct
{
  LsobsRoute *route; /* (owned) */
  guint epoch;       /* the process that loads */
  guint number;      /* of this loading */
} LoadData;

/* Returns: (transfer none) (nullable): the oldest exchange that waits for that loading */
static WaitingExchange *
peek_first_waiting (LsobsRoute *route, guint number)
{
  WaitingExchange *wait = g_queue_peek_head (&route->waiting);

  return wait != NULL && wait->load == number ? wait : NULL;
}

/* Called in the context that the loading was started in. */
static void
loaded_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree LoadData *load = user_data;
  g_autoptr (LsobsRoute) route = load->route;
  g_autoptr (GError) error = NULL;
  g_autoptr (GTlsDatabase) database = _lsobs_trust_load_finish (result, &error);
  const char *problem = NULL;
  WaitingExchange *next;

  g_assert (g_main_context_is_owner (g_task_get_context (G_TASK (result))));
  /* In a forked child that runs its parent's context, the loading is the parent's. */
  if (load->epoch != _lsobs_fork_epoch ())
    return;
  g_clear_object (&route->loading);
  if (database != NULL)
    g_set_object (&route->database, database);
  if (error != NULL)
    problem = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                  ? _ ("it takes too long to read the certificates to trust")
                  : error->message;
  /* A callback may end other exchanges, or add one that waits for the next loading. */
  while ((next = peek_first_waiting (route, load->number)) != NULL)
    end_wait (next, problem);
}

static void
begin_loading (LsobsRoute *route)
{
  LoadData *load;

  if (route->loading != NULL)
    return;
  load = g_new (LoadData, 1);
  load->route = _lsobs_route_ref (route);
  load->epoch = _lsobs_fork_epoch ();
  load->number = route->n_loads++;
  if (load->epoch != 0)
    _lsobs_fork_revive_tasks ();
  route->loading = g_cancellable_new ();
  if (route->loader == NULL)
    route->loader = _lsobs_trust_loader_new ();
  _lsobs_trust_load_async (route->settings->trust, route->loader, route->loading, loaded_cb, load);
}

static void
begin_waiting (WaitingExchange *wait)
{
  LsobsRoute *route = wait->route;
  gint64 limit = MIN (LOAD_TIMEOUT, wait->limits.timeout);

  wait->load = route->loading != NULL ? route->n_loads - 1 : route->n_loads;
  wait->source = _lsobs_wait_source_new ("[lsobs] certificates", wait->began + limit * 1000);
  _lsobs_wait_source_add_cancellable (wait->source, wait->cancellable);
  g_queue_push_tail (&route->waiting, wait);
  g_source_set_callback (wait->source, waited_cb, wait, NULL);
  g_source_attach (wait->source, wait->context);
}

/* Calls _lsobs_exchange_async() when the certificates to trust are loaded; the result is for
 * _lsobs_exchange_finish(). If they cannot be loaded, or the address of the proxy is invalid, it
 * fails as if the service did not answer: nothing is sent to a service that is not verified, and
 * nothing bypasses the proxy. */
void
_lsobs_route_exchange_async (LsobsRoute *self,
                             SoupMessage *message,
                             const char *type,
                             GBytes *body,
                             const LsobsExchangeLimits *limits,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  LsobsSettings *settings = self->settings;
  WaitingExchange *wait;

  _lsobs_route_enter (self);
  _lsobs_flush_source_assert_context (self->waker);
  if (settings->proxy.kind == LSOBS_PROXY_UNUSABLE)
    {
      g_autofree char *problem = _lsobs_proxy_dup_problem (&settings->proxy);

      _lsobs_exchange_refuse (problem, cancellable, callback, user_data);
      return;
    }
  if (settings->trust == NULL || self->database != NULL)
    {
      g_autoptr (SoupSession) session = get_session (self);

      _lsobs_exchange_async (session, message, type, body, limits, cancellable, callback,
                             user_data);
      return;
    }
  wait = g_new0 (WaitingExchange, 1);
  wait->route = _lsobs_route_ref (self);
  wait->context = g_main_context_ref_thread_default ();
  wait->message = g_object_ref (message);
  wait->type = g_strdup (type);
  wait->body = body != NULL ? g_bytes_ref (body) : NULL;
  wait->limits = *limits;
  wait->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  wait->callback = callback;
  wait->user_data = user_data;
  wait->began = g_get_monotonic_time ();
  begin_waiting (wait);
  begin_loading (self);
}

static void
prune_session (gpointer session, gpointer user_data)
{
  _lsobs_connection_watch_prune (SOUP_SESSION (session));
}

/* Called when @message got no answer. Closes other silent connections, and after a refused
 * certificate has the certificates loaded again: their file may have been corrected.
 * @problem: of _lsobs_exchange_finish()
 * Returns: (transfer full): what to report */
GError *
_lsobs_route_make_error (LsobsRoute *self, SoupMessage *message, const GError *problem)
{
  const char *why = _lsobs_trust_explain (soup_message_get_tls_peer_certificate_errors (message));

  _lsobs_flush_source_assert_context (self->waker);
  if (self->sessions != NULL)
    _lsobs_session_pool_foreach (self->sessions, prune_session, NULL);
  if (why != NULL)
    g_clear_object (&self->database);
  else if (problem->domain == LSOBS_ERROR)
    why = problem->message;
  if (why != NULL)
    return g_error_new (LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
                        /* TRANSLATORS: the text is a message of lsobs that says what to do. */
                        _ ("The service cannot be reached: %s"), why);
  return g_error_new (LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE,
                      /* TRANSLATORS: the text is what the system says of it, or a short reason. */
                      _ ("The service cannot be reached: %s; check the network and the API URL"),
                      problem->message);
}
