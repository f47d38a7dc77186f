/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-liveness-private.h"
#include "lsobs/http/lsobs-route-private.h"
#include "lsobs/lsobs-error.h"

/* How long it may take to read the certificates to trust, in ms. */
#define LOAD_TIMEOUT 5000

/* One exchange that waits for the certificates. */
typedef struct
{
  LsobsService *service; /* (owned) */
  SoupMessage *message;  /* (owned) */
  char *type;            /* (owned) (nullable) of the body */
  GBytes *body;          /* (owned) (nullable) */
  LsobsExchangeLimits limits;
  gint64 began;    /* monotonic, µs */
  guint load;      /* the number of the loading that it waits for */
  GSource *source; /* (owned) (nullable) ends the waiting */
  gboolean resent; /* libsoup has sent the message more than once */
  gsize len;
} Wait;

static void
wait_free (gpointer user_data)
{
  Wait *wait = user_data;

  g_clear_object (&wait->message);
  g_free (wait->type);
  g_clear_pointer (&wait->body, g_bytes_unref);
  _lsobs_service_unref (wait->service);
  g_free (wait);
}

/* Called for each session that goes on being used: other certificates may have been read. */
void
_lsobs_route_update (LsobsRoute *self, SoupSession *session)
{
  if (self->database != NULL && soup_session_get_tls_database (session) != self->database)
    soup_session_set_tls_database (session, self->database);
}

/* Called for each new session. */
void
_lsobs_route_open (LsobsRoute *self, LsobsSettings *settings, SoupSession *session)
{
  _lsobs_liveness_watch (session);
  _lsobs_route_update (self, session);
  /* No proxy leads to this machine; to ask for one takes a thread each time. */
  if (settings->loopback || settings->proxy.kind == LSOBS_PROXY_DIRECT)
    soup_session_set_proxy_resolver (session, NULL);
  if (settings->proxy.kind == LSOBS_PROXY_URL)
    {
      g_autoptr (GProxyResolver) resolver = g_simple_proxy_resolver_new (settings->proxy.url, NULL);

      soup_session_set_proxy_resolver (session, resolver);
    }
}

/* What is under way is the parent's, and locks may be held. */
void
_lsobs_route_leave_parent (LsobsRoute *self)
{
  *self = (LsobsRoute){ .waiting = G_QUEUE_INIT };
}

/* Nothing waits any more. */
void
_lsobs_route_clear (LsobsRoute *self)
{
  g_clear_object (&self->database);
  g_clear_object (&self->loading);
  g_clear_pointer (&self->slot, _lsobs_trust_slot_unref);
}

/* Called in the context of the task. */
static void
exchanged_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  Wait *wait = g_task_get_task_data (task);
  GError *error = NULL;
  char *answer;

  wait->resent = _lsobs_exchange_was_resent (result);
  answer = _lsobs_exchange_finish (result, &wait->len, &error);

  if (answer != NULL)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, error);
}

/* Takes a task out of the queue, whose reference to it goes. */
static void
stop_waiting (GTask *task)
{
  Wait *wait = g_task_get_task_data (task);

  if (g_queue_remove (&wait->service->route.waiting, task))
    g_object_unref (task);
  g_source_destroy (wait->source);
  g_clear_pointer (&wait->source, g_source_unref);
}

static void
fail (GTask *task, const char *message)
{
  g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_UNREACHABLE, "%s", message);
}

/* Called in the context of the task, at the deadline, or when it is cancelled. The last task
 * waits for the loading to end, because after a cancellation this context runs only until the task
 * ends. */
static gboolean
waited_cb (gpointer user_data)
{
  GTask *task = G_TASK (user_data);
  Wait *wait = g_task_get_task_data (task);
  LsobsRoute *route = &wait->service->route;

  if (route->waiting.length == 1 && route->loading != NULL)
    {
      g_cancellable_cancel (route->loading);
      return G_SOURCE_REMOVE;
    }
  g_object_ref (task);
  stop_waiting (task);
  if (!g_task_return_error_if_cancelled (task))
    fail (task, _ ("it takes too long to read the certificates to trust"));
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

/* The certificates are there, or are not. */
static void
go_on (GTask *task, const GError *error)
{
  Wait *wait = g_task_get_task_data (task);
  g_autoptr (SoupSession) session = NULL;

  stop_waiting (task);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (error != NULL)
    {
      fail (task, g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                      ? _ ("it takes too long to read the certificates to trust")
                      : error->message);
      return;
    }
  wait->limits.timeout -= (g_get_monotonic_time () - wait->began) / 1000;
  wait->limits.timeout = MAX (wait->limits.timeout, 1);
  /* The program's context is not always the default one of the thread. */
  g_main_context_push_thread_default (g_task_get_context (task));
  session = _lsobs_service_get_session (wait->service);
  _lsobs_exchange_async (session, wait->message, wait->type, wait->body, &wait->limits,
                         g_task_get_cancellable (task), exchanged_cb, g_object_ref (task));
  g_main_context_pop_thread_default (g_task_get_context (task));
}

typedef struct
{
  LsobsService *service; /* (owned) */
  guint epoch;           /* the process that loads */
  guint number;          /* of this loading */
} Load;

/* Returns: (transfer full) (nullable): the oldest task that waits for that loading */
static GTask *
ref_first_waiting (LsobsRoute *route, guint number)
{
  GTask *task = g_queue_peek_head (&route->waiting);

  if (task == NULL || ((Wait *) g_task_get_task_data (task))->load != number)
    return NULL;
  return g_object_ref (task);
}

/* Called in the context that the loading was begun in. */
static void
loaded_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree Load *load = user_data;
  g_autoptr (LsobsService) service = load->service;
  LsobsRoute *route = &service->route;
  g_autoptr (GError) error = NULL;
  g_autoptr (GTlsDatabase) database = _lsobs_trust_load_finish (result, &error);
  GTask *next;

  /* In a forked child that runs its parent's context, all of it is the parent's. */
  if (load->epoch != _lsobs_fork_epoch ())
    return;
  g_clear_object (&route->loading);
  if (database != NULL)
    g_set_object (&route->database, database);
  /* What a task calls may end others that wait, or begin to wait for the next loading. */
  while ((next = ref_first_waiting (route, load->number)) != NULL)
    {
      g_autoptr (GTask) task = next;

      go_on (task, error);
    }
}

static void
begin_loading (LsobsService *service)
{
  LsobsRoute *route = &service->route;
  Load *load;

  if (route->loading != NULL)
    return;
  load = g_new (Load, 1);
  load->service = _lsobs_service_ref (service);
  load->epoch = _lsobs_fork_epoch ();
  load->number = route->n_loads++;
  if (load->epoch != 0)
    _lsobs_fork_revive_tasks ();
  route->loading = g_cancellable_new ();
  if (route->slot == NULL)
    route->slot = _lsobs_trust_slot_new ();
  _lsobs_trust_load_async (service->settings->trust, route->slot, route->loading, loaded_cb, load);
}

static void
begin_waiting (GTask *task)
{
  Wait *wait = g_task_get_task_data (task);
  LsobsRoute *route = &wait->service->route;
  gint64 limit = MIN (LOAD_TIMEOUT, wait->limits.timeout);

  wait->load = route->loading != NULL ? route->n_loads - 1 : route->n_loads;
  wait->source = g_timeout_source_new (0);
  g_source_set_static_name (wait->source, "[lsobs] certificates");
  g_source_set_ready_time (wait->source, wait->began + limit * 1000);
  if (g_task_get_cancellable (task) != NULL)
    {
      g_autoptr (GSource) child = g_cancellable_source_new (g_task_get_cancellable (task));

      g_source_set_dummy_callback (child);
      g_source_add_child_source (wait->source, child);
    }
  g_queue_push_tail (&route->waiting, g_object_ref (task));
  g_task_attach_source (task, wait->source, waited_cb);
}

/* _lsobs_exchange_async(), as soon as the certificates to trust are loaded. While these cannot be
 * loaded, or the address of the proxy is invalid, it fails as if the service did not answer: nothing
 * is sent to a service that was not verified, or past a proxy. Called in the thread that sends. */
void
_lsobs_route_exchange_async (LsobsService *service,
                             SoupMessage *message,
                             const char *type,
                             GBytes *body,
                             const LsobsExchangeLimits *limits,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_autoptr (SoupSession) session = _lsobs_service_get_session (service);
  LsobsSettings *settings = service->settings;
  g_autoptr (GTask) task = NULL;
  Wait *wait;

  if (settings->proxy.kind != LSOBS_PROXY_UNUSABLE &&
      (settings->trust == NULL || service->route.database != NULL))
    {
      _lsobs_exchange_async (session, message, type, body, limits, cancellable, callback,
                             user_data);
      return;
    }
  task = g_task_new (session, cancellable, callback, user_data);
  wait = g_new0 (Wait, 1);
  wait->service = _lsobs_service_ref (service);
  wait->message = g_object_ref (message);
  wait->type = g_strdup (type);
  wait->body = body != NULL ? g_bytes_ref (body) : NULL;
  wait->limits = *limits;
  wait->began = g_get_monotonic_time ();
  g_task_set_source_tag (task, _lsobs_route_exchange_async);
  g_task_set_task_data (task, wait, wait_free);
  /* What was answered stays so when the cancellation comes a moment later. */
  g_task_set_check_cancellable (task, FALSE);
  if (settings->proxy.kind == LSOBS_PROXY_UNUSABLE)
    {
      g_autofree char *problem = _lsobs_proxy_dup_problem (&settings->proxy);

      fail (task, problem);
      return;
    }
  begin_waiting (task);
  begin_loading (service);
}

/* The same as _lsobs_exchange_was_resent() */
gboolean
_lsobs_route_exchange_was_resent (GAsyncResult *result)
{
  if (!g_async_result_is_tagged (result, _lsobs_route_exchange_async))
    return _lsobs_exchange_was_resent (result);
  return ((Wait *) g_task_get_task_data (G_TASK (result)))->resent;
}

/* The same as _lsobs_exchange_finish() */
char *
_lsobs_route_exchange_finish (GAsyncResult *result, gsize *len, GError **error)
{
  if (!g_async_result_is_tagged (result, _lsobs_route_exchange_async))
    return _lsobs_exchange_finish (result, len, error);
  if (len != NULL)
    *len = ((Wait *) g_task_get_task_data (G_TASK (result)))->len;
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
prune_session (gpointer session, gpointer user_data)
{
  _lsobs_liveness_prune (SOUP_SESSION (session));
}

/* Called when @message got no answer. The authorities to trust are read again after a
 * certificate was refused, since the file may have been corrected. Connections that are as
 * silent are given up.
 * @problem: of _lsobs_route_exchange_finish()
 * Returns: (transfer full): what to report */
GError *
_lsobs_route_make_error (LsobsService *service, SoupMessage *message, const GError *problem)
{
  const char *why = _lsobs_trust_explain (soup_message_get_tls_peer_certificate_errors (message));

  if (service->sessions != NULL)
    _lsobs_session_pool_foreach (service->sessions, prune_session, NULL);
  if (why != NULL)
    g_clear_object (&service->route.database);
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
