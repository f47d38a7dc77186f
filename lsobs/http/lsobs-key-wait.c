/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-flush-source-private.h"
#include "lsobs/http/lsobs-key-wait-private.h"

/* Called in the context that sends. It does not touch the service, which may be gone. */
static gboolean
fetched_cb (gpointer user_data)
{
  _lsobs_flush_source_arm (user_data, 0);
  return G_SOURCE_REMOVE;
}

/* Called before a question is sent. While the key is fetched, the state is pending, and
 * @waker fires at the end of that.
 * @credentials: (nullable)
 * @waker: (nullable): of lsobs-flush-source-private.h; without one, nothing is waited for */
LsobsCredentialsState
_lsobs_key_wait_need (LsobsKeyWait *self, LsobsCredentials *credentials, GSource *waker)
{
  g_autoptr (GMainContext) context = NULL;
  LsobsCredentialsState state;

  if (waker == NULL || credentials == NULL || !_lsobs_credentials_can_change (credentials) ||
      _lsobs_credentials_are_ready (credentials, self->refused))
    return LSOBS_CREDENTIALS_READY;
  if (self->source != NULL && !g_source_is_destroyed (self->source))
    return LSOBS_CREDENTIALS_PENDING;
  _lsobs_key_wait_clear (self);
  context = g_main_context_ref_thread_default ();
  self->source = g_timeout_source_new (0);
  g_source_set_static_name (self->source, "[lsobs] key of questions");
  g_source_set_ready_time (self->source, -1);
  g_source_set_callback (self->source, fetched_cb, g_source_ref (waker),
                         (GDestroyNotify) g_source_unref);
  g_source_attach (self->source, context);
  state = _lsobs_credentials_need (credentials, self->refused, TRUE, self->source, NULL);
  if (state == LSOBS_CREDENTIALS_PENDING)
    return state;
  _lsobs_key_wait_clear (self);
  /* There is no other one. The next question tries the same again. */
  if (state == LSOBS_CREDENTIALS_MISSING)
    self->refused = 0;
  return state;
}

/* A question was refused (401).
 * @credentials: (nullable)
 * @message: the question
 * Returns: whether there may be another key */
gboolean
_lsobs_key_wait_refuse (LsobsKeyWait *self, LsobsCredentials *credentials, SoupMessage *message)
{
  guint used = _lsobs_credentials_get_used (message);

  if (used == 0 || credentials == NULL || !_lsobs_credentials_can_change (credentials))
    return FALSE;
  self->refused = used;
  return TRUE;
}

void
_lsobs_key_wait_clear (LsobsKeyWait *self)
{
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
}
