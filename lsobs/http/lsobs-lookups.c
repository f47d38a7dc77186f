/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-lookups-private.h"
#include "lsobs/http/lsobs-wait-source-private.h"

struct _LsobsLookups
{
  gatomicrefcount ref_count;
  LsobsSettings *settings; /* (owned) */
  LsobsRoute *route;       /* (owned) */
  GSource *waker;          /* (owned) (nullable) of the worker */
  guint refused_key;       /* the serial number of the last key that was refused, or 0 */
  GSource *key_wait;       /* (owned) (nullable) fires when the key has been fetched */
};

/* One lookup under way. */
typedef struct
{
  guint epoch;          /* the process that started it */
  SoupMessage *message; /* (owned) */
  LsobsLookupFunc func;
  gpointer user_data; /* (owned) */
  GDestroyNotify notify;
} Lookup;

static void
lookup_free (Lookup *lookup)
{
  lookup->notify (lookup->user_data);
  g_object_unref (lookup->message);
  g_free (lookup);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Lookup, lookup_free)

LsobsLookups *
_lsobs_lookups_new (LsobsSettings *settings, LsobsRoute *route)
{
  LsobsLookups *self = g_new0 (LsobsLookups, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->settings = _lsobs_settings_ref (settings);
  self->route = _lsobs_route_ref (route);
  return self;
}

LsobsLookups *
_lsobs_lookups_ref (LsobsLookups *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_lookups_unref (LsobsLookups *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_lookups_close (self);
  g_clear_pointer (&self->waker, g_source_unref);
  _lsobs_route_unref (self->route);
  _lsobs_settings_unref (self->settings);
  g_free (self);
}

/* Called in a forked child. The sources belong to the parent. */
void
_lsobs_lookups_leave_parent (LsobsLookups *self)
{
  self->key_wait = NULL;
  self->waker = NULL;
}

/* Stops waiting for the key. */
void
_lsobs_lookups_close (LsobsLookups *self)
{
  _lsobs_lookups_assert_context (self);
  if (self->key_wait != NULL)
    g_source_destroy (self->key_wait);
  g_clear_pointer (&self->key_wait, g_source_unref);
}

/* --- the worker --- */

/* Called before anything is sent.
 * @waker: of the worker, a source of lsobs-flush-source-private.h */
void
_lsobs_lookups_set_waker (LsobsLookups *self, GSource *waker)
{
  g_clear_pointer (&self->waker, g_source_unref);
  self->waker = g_source_ref (waker);
  _lsobs_route_set_waker (self->route, waker);
}

/* Asserts that this thread owns the context of the worker. A client without a worker has no context
 * of its own. */
void
_lsobs_lookups_assert_context (LsobsLookups *self)
{
  _lsobs_flush_source_assert_context (self->waker);
}

/* @time: monotonic, µs; 0: at once */
void
_lsobs_lookups_wake (LsobsLookups *self, gint64 time)
{
  _lsobs_lookups_assert_context (self);
  if (self->waker != NULL)
    _lsobs_flush_source_arm (self->waker, time);
}

/* --- the key --- */

/* Called in the context of the worker. */
static gboolean
fetched_cb (gpointer user_data)
{
  _lsobs_flush_source_assert_context (user_data);
  _lsobs_flush_source_arm (user_data, 0);
  return G_SOURCE_REMOVE;
}

/* Called before a lookup is started. While the state is pending, a thread fetches the key, and the
 * worker is woken at the end. Without a worker, the state is always ready. */
LsobsCredentialsState
_lsobs_lookups_need_key (LsobsLookups *self)
{
  LsobsCredentials *credentials = self->settings->credentials;
  g_autoptr (GMainContext) context = NULL;
  LsobsCredentialsState state;

  _lsobs_lookups_assert_context (self);
  if (self->waker == NULL || credentials == NULL || !_lsobs_credentials_can_change (credentials) ||
      _lsobs_credentials_are_ready (credentials, self->refused_key))
    return LSOBS_CREDENTIALS_READY;
  if (self->key_wait != NULL && !g_source_is_destroyed (self->key_wait))
    return LSOBS_CREDENTIALS_PENDING;
  _lsobs_lookups_close (self);
  context = g_main_context_ref_thread_default ();
  self->key_wait = _lsobs_wait_source_new ("[lsobs] key of lookups", -1);
  g_source_set_callback (self->key_wait, fetched_cb, g_source_ref (self->waker),
                         (GDestroyNotify) g_source_unref);
  g_source_attach (self->key_wait, context);
  state = _lsobs_credentials_need (credentials, self->refused_key, TRUE, self->key_wait, NULL);
  if (state == LSOBS_CREDENTIALS_PENDING)
    return state;
  _lsobs_lookups_close (self);
  /* There is no other key: the next lookup tries the refused one again. */
  if (state == LSOBS_CREDENTIALS_MISSING)
    self->refused_key = 0;
  return state;
}

/* Called after an answer that refuses the key.
 * Returns: whether another key may be fetched */
gboolean
_lsobs_lookups_refuse_key (LsobsLookups *self, const LsobsLookupAnswer *answer)
{
  LsobsCredentials *credentials = self->settings->credentials;
  guint used = _lsobs_credentials_get_used (answer->message);

  _lsobs_lookups_assert_context (self);
  if (used == 0 || credentials == NULL || !_lsobs_credentials_can_change (credentials))
    return FALSE;
  self->refused_key = used;
  return TRUE;
}

/* --- lookups --- */

/* Called in the context that the lookup was started in. */
static void
answered_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Lookup) lookup = user_data;
  SoupMessage *message = lookup->message;
  LsobsLookupAnswer answer = { .message = message, .outcome = LSOBS_OUTCOME_UNREACHABLE };
  g_autoptr (GError) problem = NULL;
  g_autofree char *text = _lsobs_exchange_finish (result, &answer.len, &problem);

  g_assert (g_main_context_is_owner (g_task_get_context (G_TASK (result))));
  /* In a forked child that runs its parent's context, the answer is the parent's. */
  if (lookup->epoch != _lsobs_fork_epoch ())
    return;
  answer.status = soup_message_get_status (message);
  answer.text = text;
  answer.problem = problem;
  if (text != NULL)
    answer.outcome = _lsobs_delivery_policy_classify (
        answer.status,
        soup_message_headers_get_one (soup_message_get_response_headers (message), "Content-Type"),
        text);
  lookup->func (&answer, lookup->user_data);
}

/* Asks for @path below the address of the service. The answer comes in the thread-default context.
 * @func: called in the process that started it, not in a forked child
 * @notify: called in any case, at the end */
void
_lsobs_lookups_start (LsobsLookups *self,
                      const char *path,
                      const LsobsExchangeLimits *limits,
                      GCancellable *cancellable,
                      LsobsLookupFunc func,
                      gpointer user_data,
                      GDestroyNotify notify)
{
  Lookup *lookup = g_new0 (Lookup, 1);

  _lsobs_lookups_assert_context (self);
  lookup->epoch = _lsobs_fork_epoch ();
  lookup->message = _lsobs_route_new_message (self->route, "GET", path);
  lookup->func = func;
  lookup->user_data = user_data;
  lookup->notify = notify;
  _lsobs_route_exchange_async (self->route, lookup->message, NULL, NULL, limits, cancellable,
                               answered_cb, lookup);
}

/* Whether the service itself has refused the key (401). Called from any thread. */
gboolean
_lsobs_lookup_answer_refuses_key (const LsobsLookupAnswer *answer)
{
  return answer->status == SOUP_STATUS_UNAUTHORIZED &&
         answer->outcome == LSOBS_OUTCOME_UNAUTHORIZED;
}

/* @answer: not of the service: no answer, or an answer that no lookup expects
 * Returns: (transfer full): what to report */
GError *
_lsobs_lookups_make_error (LsobsLookups *self, const LsobsLookupAnswer *answer)
{
  LsobsOutcome outcome = answer->outcome;

  _lsobs_lookups_assert_context (self);
  if (answer->text == NULL)
    return _lsobs_route_make_error (self->route, answer->message, answer->problem);
  if (outcome == LSOBS_OUTCOME_DELIVERED)
    outcome = LSOBS_OUTCOME_INTERCEPTED;
  return _lsobs_delivery_policy_make_error (outcome, answer->status, answer->text);
}
