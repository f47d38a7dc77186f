/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-attempts-private.h"
#include "lsobs/http/lsobs-wait-source-private.h"

/* How much of an answer is read, in bytes, unless the caller needs more. */
#define MAX_ANSWER (16 * 1024)

/* How long the rest of a successful answer may take after its head, in ms. */
#define MAX_TAIL 1000

/* The timeout grows with the size of the body, by this many ms per KiB. */
#define MS_PER_KIB 5

void
_lsobs_attempts_init (LsobsAttempts *self, LsobsService *service)
{
  memset (self, 0, sizeof *self);
  self->service = _lsobs_service_ref (service);
  self->epoch = _lsobs_fork_epoch ();
  self->max = (guint) _lsobs_service_peek_settings (service)->values.max_attempts;
  self->max_answer = MAX_ANSWER;
}

void
_lsobs_attempts_clear (LsobsAttempts *self)
{
  g_clear_object (&self->message);
  g_clear_error (&self->refusal);
  g_clear_pointer (&self->service, _lsobs_service_unref);
}

/* Whether this is a forked child that runs the context of its parent: the attempts are the
 * parent's. Called from any thread. */
gboolean
_lsobs_attempts_are_forked (LsobsAttempts *self)
{
  return self->epoch != _lsobs_fork_epoch ();
}

void
_lsobs_answer_clear (LsobsAnswer *self)
{
  g_clear_pointer (&self->text, g_free);
  g_clear_error (&self->error);
}

/* --- waiting --- */

/* Has @func called with the task when the service may be sent to again, or when the task is
 * cancelled.
 * Returns: FALSE if there is no need to wait */
gboolean
_lsobs_attempts_wait (LsobsAttempts *self, GTask *task, GSourceFunc func)
{
  gint64 not_before = _lsobs_service_get_not_before (self->service);
  g_autoptr (GSource) source = NULL;

  _lsobs_service_assert_context (self->service);
  if (g_get_monotonic_time () >= not_before)
    return FALSE;
  source = _lsobs_wait_source_new ("[lsobs] retry", not_before);
  _lsobs_wait_source_add_cancellable (source, g_task_get_cancellable (task));
  _lsobs_wait_source_add_cancellable (source, _lsobs_service_peek_waits (self->service));
  g_task_attach_source (task, source, func);
  return TRUE;
}

static GError *
make_key_error (void)
{
  return g_error_new_literal (LSOBS_ERROR, LSOBS_ERROR_NO_KEY,
                              _ (_lsobs_delivery_policy_get (LSOBS_OUTCOME_NO_KEY)->explanation));
}

/* Called before each attempt. If the key is unknown or was refused, another one is fetched: FALSE
 * is returned without an error, and @func is called with the task at the end of the fetch, or when
 * the task is cancelled.
 * @error: set if there is no key */
gboolean
_lsobs_attempts_have_key (LsobsAttempts *self, GTask *task, GSourceFunc func, GError **error)
{
  LsobsCredentials *credentials = _lsobs_service_peek_settings (self->service)->credentials;
  g_autoptr (GSource) source = NULL;
  GError *problem = NULL;
  LsobsCredentialsState state;

  _lsobs_service_assert_context (self->service);
  if (credentials == NULL || _lsobs_credentials_are_ready (credentials, self->refused_key))
    return TRUE;
  source = _lsobs_wait_source_new ("[lsobs] key", -1);
  _lsobs_wait_source_add_cancellable (source, g_task_get_cancellable (task));
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
    problem = make_key_error ();
  g_propagate_error (error, problem);
  return FALSE;
}

/* --- one attempt --- */

/* Starts an attempt. Called in the context of the task.
 * @message: (transfer full)
 * @type: (nullable): of the body
 * @body: (nullable)
 * @callback: given a reference to the task */
void
_lsobs_attempts_begin (LsobsAttempts *self,
                       GTask *task,
                       SoupMessage *message,
                       const char *type,
                       GBytes *body,
                       GAsyncReadyCallback callback)
{
  LsobsCounters *counters = _lsobs_service_peek_counters (self->service);
  LsobsExchangeLimits limits = {
    .timeout = _lsobs_service_peek_settings (self->service)->values.request_timeout,
    .tail = MAX_TAIL,
    .max_answer = self->max_answer,
  };

  _lsobs_service_assert_context (self->service);
  g_assert (self->message == NULL);
  /* The time before the first attempt does not count. */
  if (self->n == 0)
    self->began = g_get_monotonic_time ();
  self->n++;
  self->message = message;
  self->used_key = _lsobs_credentials_get_used (message);
  _lsobs_counters_add (counters, LSOBS_COUNTER_REQUESTS, 1);
  if (self->n > 1 || self->again)
    _lsobs_counters_add (counters, LSOBS_COUNTER_RETRIES, 1);
  if (body != NULL)
    limits.timeout += (gint64) (g_bytes_get_size (body) / 1024) * MS_PER_KIB;

  /* A thread may run a custom context that is not its thread-default context. */
  g_main_context_push_thread_default (g_task_get_context (task));
  _lsobs_route_exchange_async (_lsobs_service_peek_route (self->service), message, type, body,
                               &limits, g_task_get_cancellable (task), callback,
                               g_object_ref (task));
  g_main_context_pop_thread_default (g_task_get_context (task));
}

/* The last answer is about the form of the body: it does not show whether the service can be
 * reached. */
void
_lsobs_attempts_ignore_reachable (LsobsAttempts *self)
{
  _lsobs_service_assert_context (self->service);
  _lsobs_service_set_reachable (self->service, self->was_reachable);
}

/* A page may say that the endpoint is missing, or that the request is too large. A firewall that
 * refuses the content may say the same. It is a firewall if the endpoint has accepted other
 * requests, or if the request cannot be made smaller.
 * Returns: the outcome of an answer */
static LsobsOutcome
classify (LsobsAttempts *self, guint status, const char *type, const char *text)
{
  LsobsOutcome outcome = _lsobs_delivery_policy_classify (status, type, text);

  if (outcome == LSOBS_OUTCOME_NO_PAGE && self->proven &&
      _lsobs_service_is_reachable (self->service))
    return LSOBS_OUTCOME_FOREIGN;
  if (outcome == LSOBS_OUTCOME_TOO_LARGE && self->small &&
      _lsobs_delivery_policy_is_page (status, type, text))
    return LSOBS_OUTCOME_FOREIGN;
  return outcome;
}

static void
read_answer (LsobsAttempts *self, SoupMessage *message, LsobsAnswer *answer)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (message);
  LsobsOutcome outcome;

  _lsobs_credentials_hide (message, &answer->text);
  answer->status = soup_message_get_status (message);
  outcome = classify (self, answer->status, soup_message_headers_get_one (headers, "Content-Type"),
                      answer->text);
  answer->outcome = _lsobs_service_weigh (self->service, outcome, self->alone);
  answer->retry_after = _lsobs_delivery_policy_parse_retry_after (
      soup_message_headers_get_one (headers, "Retry-After"), g_get_real_time () / G_USEC_PER_SEC);
}

/* Called in the callback of _lsobs_attempts_begin(). Fails only with G_IO_ERROR_CANCELLED, if the
 * task was cancelled.
 * @answer: (out): initialised by LSOBS_ANSWER_INIT */
gboolean
_lsobs_attempts_end (LsobsAttempts *self, GAsyncResult *result, LsobsAnswer *answer, GError **error)
{
  g_autoptr (SoupMessage) message = g_steal_pointer (&self->message);
  g_autoptr (GError) problem = NULL;

  _lsobs_service_assert_context (self->service);
  self->unsure |= _lsobs_exchange_was_resent (result);
  answer->unsure = self->unsure;
  self->was_reachable = _lsobs_service_is_reachable (self->service);
  answer->text = _lsobs_exchange_finish (result, NULL, &problem);
  if (answer->text != NULL)
    {
      read_answer (self, message, answer);
      self->unsure |= _lsobs_delivery_policy_get (answer->outcome)->unsure;
      return TRUE;
    }
  if (g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  _lsobs_service_weigh (self->service, LSOBS_OUTCOME_UNREACHABLE, self->alone);
  answer->error =
      _lsobs_route_make_error (_lsobs_service_peek_route (self->service), message, problem);
  self->unsure |= problem->domain != LSOBS_ERROR &&
                  !g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  return TRUE;
}

/* --- the next attempt --- */

/* Whether the answer refuses the key (401) and another key may be fetched.
 * _lsobs_attempts_have_key() fetches it. TRUE at most once. */
gboolean
_lsobs_attempts_need_other_key (LsobsAttempts *self, LsobsAnswer *answer)
{
  LsobsCredentials *credentials = _lsobs_service_peek_settings (self->service)->credentials;

  _lsobs_service_assert_context (self->service);
  if (answer->outcome != LSOBS_OUTCOME_UNAUTHORIZED || answer->status != SOUP_STATUS_UNAUTHORIZED ||
      self->refused_key != 0 || self->used_key == 0 || credentials == NULL ||
      !_lsobs_credentials_can_change (credentials))
    return FALSE;
  self->refused_key = self->used_key;
  self->asked_key = FALSE;
  self->refusal = _lsobs_delivery_policy_make_error (answer->outcome, answer->status, answer->text);
  return TRUE;
}

/* Called after an attempt without success. Delays the next attempt, if there is one.
 * @answer: of the attempt; the caller may have corrected its outcome
 * @error: set if there is no next attempt
 * Returns: whether there is a next attempt */
gboolean
_lsobs_attempts_plan_next (LsobsAttempts *self, LsobsAnswer *answer, GError **error)
{
  gint64 now = g_get_monotonic_time ();
  const LsobsRetryState retry = {
    .max_attempts = self->max,
    .delay = _lsobs_service_peek_settings (self->service)->values.retry_delay,
    .n_attempts = self->n,
    .elapsed = (now - self->began) / 1000,
  };
  gint64 delay = -1;

  _lsobs_service_assert_context (self->service);
  if (answer->error == NULL)
    answer->error =
        _lsobs_delivery_policy_make_error (answer->outcome, answer->status, answer->text);
  _lsobs_service_set_problem (self->service, answer->error->message);
  if (_lsobs_delivery_policy_get (answer->outcome)->retry)
    {
      delay = _lsobs_delivery_policy_next_delay (&retry, g_random_double (), answer->retry_after);
      /* The delay that the service asks for holds for the next batch, too. */
      if (delay >= 0 || answer->retry_after > 0)
        _lsobs_service_delay_until (self->service,
                                    now + (delay >= 0 ? delay : answer->retry_after) * 1000);
    }
  if (delay < 0)
    {
      g_propagate_error (error, g_steal_pointer (&answer->error));
      return FALSE;
    }
  g_debug ("Attempt %u failed, the next one comes in %" G_GINT64_FORMAT " ms: %s", self->n, delay,
           answer->error->message);
  return TRUE;
}
