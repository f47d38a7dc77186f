/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-attempt-private.h"
#include "lsobs/http/lsobs-route-private.h"

/* How much of an answer is read. More than that is nothing for us. */
#define MAX_ANSWER (16 * 1024)

/* How long the rest of a good answer may take, in ms: we know what we need. */
#define MAX_TAIL 1000

/* Large bodies get this many more ms per KiB. */
#define MS_PER_KIB 5

void
_lsobs_attempts_init (LsobsAttempts *self, LsobsService *service)
{
  memset (self, 0, sizeof *self);
  self->service = _lsobs_service_ref (service);
  self->epoch = _lsobs_fork_epoch ();
  self->max = service->settings->max_attempts;
}

void
_lsobs_attempts_clear (LsobsAttempts *self)
{
  g_clear_object (&self->message);
  g_clear_error (&self->refusal);
  g_clear_pointer (&self->service, _lsobs_service_unref);
}

/* In a forked child that runs its parent's context, they are the parent's. */
gboolean
_lsobs_attempts_are_foreign (LsobsAttempts *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

void
_lsobs_outcome_clear (LsobsOutcome *self)
{
  g_clear_pointer (&self->answer, g_free);
  g_clear_error (&self->error);
}

static gboolean
wake_cb (GCancellable *cancellable, gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* @cancellable: (nullable) */
static void
wake_with (GSource *source, GCancellable *cancellable)
{
  g_autoptr (GSource) child = NULL;

  if (cancellable == NULL)
    return;
  child = g_cancellable_source_new (cancellable);
  g_source_set_callback (child, G_SOURCE_FUNC (wake_cb), NULL, NULL);
  g_source_add_child_source (source, child);
}

/* Has @func called with the task when the service may be asked again, or as soon as
 * the task is cancelled. FALSE when there is no need to wait. */
gboolean
_lsobs_attempts_wait (LsobsAttempts *self, GTask *task, GSourceFunc func)
{
  g_autoptr (GSource) source = NULL;

  if (g_get_monotonic_time () >= self->service->not_before)
    return FALSE;
  source = g_timeout_source_new (0);
  g_source_set_static_name (source, "[lsobs] retry");
  g_source_set_ready_time (source, self->service->not_before);
  wake_with (source, g_task_get_cancellable (task));
  wake_with (source, _lsobs_service_peek_hurry (self->service));
  g_task_attach_source (task, source, func);
  return TRUE;
}

/* Called before each attempt. If the key has to be waited for, because it is not known yet
 * or was refused, this returns FALSE without an error, and @func is called with the task
 * at the end of the wait, or as soon as the task is cancelled.
 * @error: set if there is no key */
gboolean
_lsobs_attempts_have_key (LsobsAttempts *self, GTask *task, GSourceFunc func, GError **error)
{
  LsobsCredentials *credentials = self->service->settings->credentials;
  g_autoptr (GSource) source = NULL;
  GError *problem = NULL;
  LsobsCredentialsState state;

  if (credentials == NULL || _lsobs_credentials_are_ready (credentials, self->refused_key))
    return TRUE;
  source = g_timeout_source_new (0);
  g_source_set_static_name (source, "[lsobs] key");
  g_source_set_ready_time (source, -1);
  wake_with (source, g_task_get_cancellable (task));
  g_task_attach_source (task, source, func);
  state =
      _lsobs_credentials_need (credentials, self->refused_key, !self->asked_key, source, &problem);
  if (state == LSOBS_CREDENTIALS_PENDING)
    {
      self->asked_key = TRUE;
      return FALSE;
    }
  g_source_destroy (source);
  if (state == LSOBS_CREDENTIALS_READY)
    return TRUE;
  if (problem == NULL)
    problem = g_steal_pointer (&self->refusal);
  if (problem == NULL)
    problem = g_error_new_literal (
        LSOBS_ERROR, LSOBS_ERROR_NO_KEY,
        _ (_lsobs_delivery_policy_get_policy (LSOBS_VERDICT_NO_KEY)->explanation));
  g_propagate_error (error, problem);
  return FALSE;
}

/* After a failed attempt: whether its key was refused (401) and may be replaced, which
 * _lsobs_attempts_have_key() tries before the next attempt. TRUE once per request.
 * @outcome: of that attempt */
gboolean
_lsobs_attempts_need_other_key (LsobsAttempts *self, LsobsOutcome *outcome)
{
  LsobsCredentials *credentials = self->service->settings->credentials;

  if (outcome->verdict != LSOBS_VERDICT_UNAUTHORIZED ||
      outcome->status != SOUP_STATUS_UNAUTHORIZED || self->refused_key != 0 ||
      self->used_key == 0 || credentials == NULL || !_lsobs_credentials_can_change (credentials))
    return FALSE;
  self->refused_key = self->used_key;
  self->asked_key = FALSE;
  self->refusal =
      _lsobs_delivery_policy_make_error (outcome->verdict, outcome->status, outcome->answer);
  return TRUE;
}

/* Takes @message over. Called in the context of the task; @callback is given a
 * reference to it.
 * @type: (nullable): of the body
 * @body: (nullable) */
void
_lsobs_attempts_begin (LsobsAttempts *self,
                       GTask *task,
                       SoupMessage *message,
                       const char *type,
                       GBytes *body,
                       GAsyncReadyCallback callback)
{
  LsobsService *service = self->service;
  LsobsExchangeLimits limits = { service->settings->request_timeout, MAX_TAIL, MAX_ANSWER };

  /* To have waited because of others costs nothing of the time that there is. */
  if (self->n == 0)
    self->began = g_get_monotonic_time ();
  self->n++;
  self->message = message;
  self->used_key = _lsobs_credentials_get_used (message);
  _lsobs_counters_add (service->counters, LSOBS_COUNTER_REQUESTS, 1);
  if (self->n > 1 || self->again)
    _lsobs_counters_add (service->counters, LSOBS_COUNTER_RETRIES, 1);
  if (body != NULL)
    limits.timeout += (gint64) (g_bytes_get_size (body) / 1024) * MS_PER_KIB;

  /* The program's context is not always the default one of the thread. */
  g_main_context_push_thread_default (g_task_get_context (task));
  _lsobs_route_exchange_async (service, message, type, body, &limits, g_task_get_cancellable (task),
                               callback, g_object_ref (task));
  g_main_context_pop_thread_default (g_task_get_context (task));
}

/* What an answer says about the way to the service. A refusal by a proxy or firewall is
 * about the content if the service itself can be reached: it has taken a request, or
 * answered /info, since it was last away. If the batch cannot be split, another request has
 * to succeed first. */
static LsobsVerdict
weigh (LsobsAttempts *self, LsobsVerdict verdict)
{
  LsobsService *service = self->service;
  gboolean proven = service->proven;

  self->proven = proven;
  if (verdict == LSOBS_VERDICT_DELIVERED || verdict == LSOBS_VERDICT_CONFLICT)
    service->proven = TRUE;
  if (verdict == LSOBS_VERDICT_UNREACHABLE || verdict == LSOBS_VERDICT_REDIRECTED ||
      verdict == LSOBS_VERDICT_INTERCEPTED)
    service->proven = FALSE;
  if (verdict != LSOBS_VERDICT_FOREIGN)
    return verdict;
  if (self->alone)
    service->proven = FALSE;
  /* With the next request, the service is asked again what it can do. */
  if (!service->proven)
    _lsobs_service_doubt (service);
  return proven ? LSOBS_VERDICT_BLOCKED : LSOBS_VERDICT_FOREIGN;
}

/* The last answer is about how the request was packed. It says nothing about the way to the
 * service. */
void
_lsobs_attempts_take_back (LsobsAttempts *self)
{
  self->service->proven = self->proven;
}

static void
take_answer (LsobsAttempts *self, SoupMessage *message, LsobsOutcome *outcome)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (message);

  _lsobs_credentials_hide (message, &outcome->answer);
  outcome->status = soup_message_get_status (message);
  outcome->verdict =
      weigh (self,
             _lsobs_delivery_policy_judge (outcome->status,
                                           soup_message_headers_get_one (headers, "Content-Type"),
                                           outcome->answer));
  outcome->retry_after =
      _lsobs_delivery_policy_parse_after (soup_message_headers_get_one (headers, "Retry-After"),
                                          g_get_real_time () / G_USEC_PER_SEC);
}

/* FALSE, and G_IO_ERROR_CANCELLED, if the task was cancelled.
 * @outcome: empty */
gboolean
_lsobs_attempts_end (LsobsAttempts *self,
                     GAsyncResult *result,
                     LsobsOutcome *outcome,
                     GError **error)
{
  g_autoptr (SoupMessage) message = g_steal_pointer (&self->message);
  g_autoptr (GError) problem = NULL;

  self->unsure |= _lsobs_route_exchange_was_resent (result);
  outcome->unsure = self->unsure;
  outcome->answer = _lsobs_route_exchange_finish (result, NULL, &problem);
  if (outcome->answer != NULL)
    {
      take_answer (self, message, outcome);
      self->unsure |= _lsobs_delivery_policy_get_policy (outcome->verdict)->unsure;
      return TRUE;
    }
  if (g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  weigh (self, LSOBS_VERDICT_UNREACHABLE);
  outcome->error = _lsobs_route_make_error (self->service, message, problem);
  self->unsure |= problem->domain != LSOBS_ERROR &&
                  !g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  return TRUE;
}

/* After an attempt that was no success: whether there is to be another one. If not,
 * @error is what to tell.
 * @outcome: its verdict may have been changed by who knows better */
gboolean
_lsobs_attempts_go_on (LsobsAttempts *self, LsobsOutcome *outcome, GError **error)
{
  LsobsSettings *settings = self->service->settings;
  gint64 now = g_get_monotonic_time ();
  const LsobsRetryPlan plan = { self->max, settings->retry_delay, self->n,
                                (now - self->began) / 1000 };
  gint64 delay = -1;

  if (outcome->error == NULL)
    outcome->error =
        _lsobs_delivery_policy_make_error (outcome->verdict, outcome->status, outcome->answer);
  if (_lsobs_delivery_policy_get_policy (outcome->verdict)->again)
    {
      delay = _lsobs_delivery_policy_next (&plan, g_random_double (), outcome->retry_after);
      /* What the service asks for holds for the next batch, too. */
      if (delay >= 0 || outcome->retry_after > 0)
        _lsobs_service_hold (self->service,
                             now + (delay >= 0 ? delay : outcome->retry_after) * 1000);
    }
  if (delay < 0)
    {
      g_propagate_error (error, g_steal_pointer (&outcome->error));
      return FALSE;
    }
  g_debug ("Attempt %u failed, the next one comes in %" G_GINT64_FORMAT " ms: %s", self->n, delay,
           outcome->error->message);
  return TRUE;
}
