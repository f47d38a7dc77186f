/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-credentials-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-secret-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/text/lsobs-redactor-private.h"

#define KEY_HEADER   "x-api-key"
#define TOKEN_HEADER "Authorization"
#define TOKEN_SCHEME "Bearer "

struct _LsobsCredentials
{
  gatomicrefcount ref_count;
  LsobsKeySource *source; /* (owned) (nullable) NULL: the secret is fixed */
  gint64 interval;        /* µs: from a fetch that gave no new secret to the next fetch */
  int stop;               /* (atomic) not 0: the fetch must end */
  int n_users;            /* (atomic) services that send with the secret */

  /* Guarded by _lsobs_fork_lock(), to the end. */
  char *secret;       /* (owned) (nullable) */
  guint serial;       /* of the secret, from 1; 0 without a secret */
  guint epoch;        /* of the process that the members below belong to */
  gboolean fetching;  /* a thread is fetching the secret */
  int group;          /* the process group of the command that the thread runs, or 0 */
  gint64 vain_at;     /* monotonic, µs: end of the last fetch if it gave no new secret, else 0 */
  GError *problem;    /* (owned) (nullable) why the last fetch failed */
  GPtrArray *waiting; /* (owned) (nullable) (element-type AttachedSource) */
};

/* A GSource that waits for the end of a fetch. */
typedef struct
{
  GSource *source;       /* (owned) */
  GMainContext *context; /* (owned) that the source is attached to */
} AttachedSource;

static void
waiter_wake (gpointer data)
{
  AttachedSource *attached = data;

  g_source_set_ready_time (attached->source, 0);
  g_source_unref (attached->source);
  g_main_context_unref (attached->context);
  g_free (attached);
}

static LsobsCredentials *
new_with (LsobsKeySource *source, const char *secret)
{
  LsobsCredentials *self = g_new0 (LsobsCredentials, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->epoch = _lsobs_fork_epoch ();
  if (source != NULL)
    self->source = _lsobs_key_source_ref (source);
  self->secret = _lsobs_secret_dup (secret);
  self->serial = secret != NULL ? 1 : 0;
  return self;
}

LsobsCredentials *
_lsobs_credentials_new (const char *key)
{
  return new_with (NULL, key);
}

/* @interval: ms: the least time from a fetch that gave no new secret to the next fetch */
LsobsCredentials *
_lsobs_credentials_new_for_source (LsobsKeySource *source, gint64 interval)
{
  LsobsCredentials *self = new_with (source, source->token);

  self->interval = interval * 1000;
  return self;
}

static LsobsCredentials *
credentials_ref (LsobsCredentials *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_credentials_unref (LsobsCredentials *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_pointer (&self->source, _lsobs_key_source_unref);
  _lsobs_secret_free (self->secret);
  g_clear_error (&self->problem);
  g_clear_pointer (&self->waiting, g_ptr_array_unref);
  g_free (self);
}

/* Kills the command that the thread runs. The thread reaps it, and until then no other process can
 * get its pid. A forked child does not kill the command of its parent. */
static void
kill_command (LsobsCredentials *self)
{
  _lsobs_fork_lock ();
  if (self->group > 0 && self->epoch == _lsobs_fork_epoch ())
    kill (-self->group, SIGKILL);
  _lsobs_fork_unlock ();
}

/* Called when no request needs the secret again: kills a command that is still running. */
void
_lsobs_credentials_close (LsobsCredentials *self)
{
  g_atomic_int_set (&self->stop, 1);
  kill_command (self);
}

/* Adds a service that sends requests with the secret. */
void
_lsobs_credentials_enter (LsobsCredentials *self)
{
  g_atomic_int_inc (&self->n_users);
}

void
_lsobs_credentials_leave (LsobsCredentials *self)
{
  g_atomic_int_add (&self->n_users, -1);
}

/* Called when a service stops sending for now. If no other service uses the secret, kills a command
 * that is still running: the program may end before the thread does. The thread itself ends a command
 * whose process is not known yet. */
void
_lsobs_credentials_rest (LsobsCredentials *self)
{
  if (g_atomic_int_get (&self->n_users) > 1)
    return;
  g_atomic_int_set (&self->stop, 1);
  kill_command (self);
}

/* Resets, in a forked child, what belongs to the parent: its thread, which does not exist here, and
 * the waiting sources. The secret stays. Called with the fork lock held. */
static void
leave_parent_unlocked (LsobsCredentials *self)
{
  if (self->epoch == _lsobs_fork_epoch ())
    return;
  self->epoch = _lsobs_fork_epoch ();
  self->fetching = FALSE;
  self->group = 0;
  self->vain_at = 0;
  self->waiting = NULL;
}

gboolean
_lsobs_credentials_can_change (LsobsCredentials *self)
{
  return self->source != NULL;
}

/* @self: (nullable)
 * @other: (nullable) */
gboolean
_lsobs_credentials_are_same (LsobsCredentials *self, LsobsCredentials *other)
{
  gboolean same;

  if (self == NULL || other == NULL)
    return self == other;
  _lsobs_fork_lock ();
  same = g_strcmp0 (self->secret, other->secret) == 0;
  _lsobs_fork_unlock ();
  return same && self->source == other->source;
}

/* --- fingerprints --- */

/* @parts: (array zero-terminated=1): texts
 * Returns: (transfer full): in hexadecimal digits */
static char *
make_hmac (const char *salt, const char *const *parts)
{
  g_autoptr (GHmac) hmac = g_hmac_new (G_CHECKSUM_SHA256, (const guchar *) salt, strlen (salt));

  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (i > 0)
        g_hmac_update (hmac, (const guchar *) "\n", 1);
      g_hmac_update (hmac, (const guchar *) parts[i], -1);
    }
  return g_strdup (g_hmac_get_string (hmac));
}

/* Returns: (transfer full) (nullable): whose token it is, by its claim "sub", if it is a JWT */
static char *
dup_subject (const char *token)
{
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;
  g_auto (GStrv) parts = g_strsplit (token, ".", 4);
  g_autoptr (GString) text = NULL;
  g_autofree guchar *claims = NULL;
  const char *value;
  const char *subject;
  gsize len = 0;

  if (g_strv_length (parts) != 3)
    return NULL;
  g_strdelimit (parts[1], "-", '+');
  g_strdelimit (parts[1], "_", '/');
  text = g_string_new (parts[1]);
  while (text->len % 4 != 0)
    g_string_append_c (text, '=');
  claims = g_base64_decode (text->str, &len);
  if (!_lsobs_json_document_load (&document, (const char *) claims, len) ||
      *document.text.data != '{')
    return NULL;
  value = _lsobs_json_document_find (&document, document.text.data, "sub");
  subject = _lsobs_json_document_decode (&document, value, &len);
  return subject != NULL && len > 0 ? g_strndup (subject, len) : NULL;
}

/* A token is renewed: its subject counts, or else the profile if a workspace says where traces go.
 * Returns: (transfer full) */
static char *
make_token_hmac (LsobsKeySource *source,
                 const char *salt,
                 gboolean has_workspace,
                 const char *token)
{
  g_autofree char *subject = dup_subject (token);
  const char *const parts[] = { "subject", subject, NULL };
  const char *const profile[] = { "profile", source->path, source->name, NULL };
  const char *const whole[] = { token, NULL };

  if (subject != NULL)
    return make_hmac (salt, parts);
  return make_hmac (salt, has_workspace ? profile : whole);
}

/* Of a source that has not given a key yet.
 * Returns: (transfer full) */
static char *
make_source_hmac (LsobsKeySource *source, const char *salt)
{
  const char *const parts[] = { "source", source->path, source->name, source->command, NULL };

  return make_hmac (salt, parts);
}

static char *
make_empty_hmac (const char *salt)
{
  const char *const parts[] = { NULL };

  return make_hmac (salt, parts);
}

/* Tells two accounts apart without telling a secret. A key that is fetched counts as one that is
 * given, and until it is known, its source does.
 * @self: (nullable)
 * @salt: the key of the HMAC
 * @has_workspace: the workspace is told apart as well
 * Returns: (transfer full): in hexadecimal digits */
char *
_lsobs_credentials_make_fingerprint (LsobsCredentials *self,
                                     const char *salt,
                                     gboolean has_workspace)
{
  const char *parts[] = { NULL, NULL };
  char *secret = NULL;
  char *fingerprint;

  if (self != NULL)
    {
      _lsobs_fork_lock ();
      secret = _lsobs_secret_dup (self->secret);
      _lsobs_fork_unlock ();
    }
  parts[0] = secret;
  if (secret == NULL && self != NULL && self->source != NULL)
    fingerprint = make_source_hmac (self->source, salt);
  else if (secret != NULL && self->source != NULL && self->source->kind == LSOBS_KEY_TOKEN)
    fingerprint = make_token_hmac (self->source, salt, has_workspace, secret);
  else
    fingerprint = make_hmac (salt, parts);
  _lsobs_secret_free (secret);
  return fingerprint;
}

/* Whether the fingerprint is of the same account. One made without a key is of any: then, there was no
 * account.
 * @self: (nullable)
 * @salt: that of the fingerprint
 * @has_workspace: as when it was made */
gboolean
_lsobs_credentials_match_fingerprint (LsobsCredentials *self,
                                      const char *salt,
                                      gboolean has_workspace,
                                      const char *fingerprint)
{
  g_autofree char *own = _lsobs_credentials_make_fingerprint (self, salt, has_workspace);
  g_autofree char *none = make_empty_hmac (salt);
  g_autofree char *source = NULL;

  if (strcmp (fingerprint, own) == 0 || strcmp (fingerprint, none) == 0)
    return TRUE;
  if (self == NULL || self->source == NULL)
    return FALSE;
  source = make_source_hmac (self->source, salt);
  return strcmp (fingerprint, source) == 0;
}

/* --- fetching in a thread --- */

/* Stores the result of a fetch and wakes the sources that wait for it.
 * @secret: (nullable) (transfer full)
 * @problem: (nullable) (transfer full): why there is no secret */
static void
finish_fetch (LsobsCredentials *self, char *secret, GError *problem)
{
  GPtrArray *waiting;

  _lsobs_fork_lock ();
  self->vain_at = g_get_monotonic_time ();
  if (secret != NULL && g_strcmp0 (secret, self->secret) != 0)
    {
      char *old = self->secret;

      self->vain_at = 0;
      self->secret = g_steal_pointer (&secret);
      self->serial++;
      secret = old;
    }
  g_clear_error (&self->problem);
  self->problem = problem;
  self->fetching = FALSE;
  waiting = g_steal_pointer (&self->waiting);
  _lsobs_fork_unlock ();
  _lsobs_secret_free (secret);
  if (waiting != NULL)
    g_ptr_array_unref (waiting);
}

static gpointer
thread_main (gpointer user_data)
{
  LsobsCredentials *self = user_data;
  LsobsForkGuard guard;
  GError *problem = NULL;
  char *secret;

  _lsobs_fork_guard_enter_thread (&guard, NULL);
  secret = _lsobs_key_source_fetch (self->source, &self->stop, &self->group, &problem);
  finish_fetch (self, secret, problem);
  _lsobs_credentials_unref (self);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

static void
start_fetch (LsobsCredentials *self)
{
  GError *problem = NULL;
  GThread *thread;

  credentials_ref (self);
  thread = _lsobs_fork_guard_start_thread ("lsobs-key", thread_main, self, &problem);
  if (thread != NULL)
    {
      g_thread_unref (thread);
      return;
    }
  finish_fetch (self, NULL,
                g_error_new (LSOBS_ERROR, LSOBS_ERROR_NO_KEY,
                             /* TRANSLATORS: the text is what the system says of it. */
                             _ ("Cannot start a thread to get the API key: %s"), problem->message));
  g_error_free (problem);
  _lsobs_credentials_unref (self);
}

/* --- use --- */

/* Called with the fork lock held. */
static gboolean
may_fetch_unlocked (LsobsCredentials *self)
{
  return self->source != NULL && !self->fetching &&
         (self->vain_at == 0 || g_get_monotonic_time () - self->vain_at >= self->interval);
}

/* Called with the fork lock held. */
static gboolean
has_other_unlocked (LsobsCredentials *self, guint refused)
{
  return self->secret != NULL && self->serial != refused;
}

/* Whether there is a secret other than the one that the service refused.
 * @refused: from _lsobs_credentials_get_used(), or 0 */
gboolean
_lsobs_credentials_are_ready (LsobsCredentials *self, guint refused)
{
  gboolean ready;

  _lsobs_fork_lock ();
  leave_parent_unlocked (self);
  ready = has_other_unlocked (self, refused);
  _lsobs_fork_unlock ();
  return ready;
}

/* Like _lsobs_credentials_are_ready(), but fetches the secret if it is missing.
 * @refused: from _lsobs_credentials_get_used(), or 0
 * @may_fetch: whether a fetch may start; a fetch that is running is waited for in any case
 * @source: attached to a context; if the state is pending, it becomes ready at the end of the fetch
 * @error: set if the state is missing, unless the fetch gave the refused secret again */
LsobsCredentialsState
_lsobs_credentials_need (LsobsCredentials *self,
                         guint refused,
                         gboolean may_fetch,
                         GSource *source,
                         GError **error)
{
  LsobsCredentialsState state = LSOBS_CREDENTIALS_MISSING;
  gboolean starts = FALSE;

  _lsobs_fork_lock ();
  leave_parent_unlocked (self);
  if (has_other_unlocked (self, refused))
    {
      state = LSOBS_CREDENTIALS_READY;
    }
  else if (self->fetching || (may_fetch && may_fetch_unlocked (self)))
    {
      AttachedSource *attached = g_new (AttachedSource, 1);

      state = LSOBS_CREDENTIALS_PENDING;
      starts = !self->fetching;
      self->fetching = TRUE;
      if (starts)
        g_atomic_int_set (&self->stop, 0);
      attached->source = g_source_ref (source);
      attached->context = g_main_context_ref (g_source_get_context (source));
      if (self->waiting == NULL)
        self->waiting = g_ptr_array_new_with_free_func (waiter_wake);
      g_ptr_array_add (self->waiting, attached);
    }
  else if (self->problem != NULL && error != NULL)
    {
      *error = g_error_copy (self->problem);
    }
  _lsobs_fork_unlock ();
  if (starts)
    start_fetch (self);
  return state;
}

/* --- requests --- */

/* The key of the serial number of the secret in a message. */
static GQuark
used_quark (void)
{
  return g_quark_from_static_string ("lsobs-credentials-used");
}

/* Adds the header with the secret, if there is a secret. */
void
_lsobs_credentials_add_to (LsobsCredentials *self, SoupMessage *message)
{
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  gboolean is_token = self->source != NULL && self->source->kind == LSOBS_KEY_TOKEN;
  char *value = NULL;
  guint serial;

  _lsobs_fork_lock ();
  serial = self->serial;
  if (self->secret != NULL)
    value = g_strconcat (is_token ? TOKEN_SCHEME : "", self->secret, NULL);
  _lsobs_fork_unlock ();
  if (value != NULL)
    soup_message_headers_replace (headers, is_token ? TOKEN_HEADER : KEY_HEADER, value);
  _lsobs_secret_free (value);
  g_object_set_qdata (G_OBJECT (message), used_quark (), GUINT_TO_POINTER (serial));
}

/* Returns: the serial number of the secret in @message, or 0 for none */
guint
_lsobs_credentials_get_used (SoupMessage *message)
{
  return GPOINTER_TO_UINT (g_object_get_qdata (G_OBJECT (message), used_quark ()));
}

/* Returns: (nullable) (transfer none): the secret in the header of the request */
static const char *
peek_secret (SoupMessage *message)
{
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  const char *token = soup_message_headers_get_one (headers, TOKEN_HEADER);

  if (token != NULL && g_str_has_prefix (token, TOKEN_SCHEME))
    return token + strlen (TOKEN_SCHEME);
  return soup_message_headers_get_one (headers, KEY_HEADER);
}

/* Replaces the secret of @message in a text of the server. A server may repeat the secret in its
 * answer, parts of which are logged.
 * @text: (inout) (transfer full) */
void
_lsobs_credentials_hide (SoupMessage *message, char **text)
{
  const char *secret = peek_secret (message);

  if (secret != NULL && *secret != '\0' && strstr (*text, secret) != NULL)
    {
      g_autoptr (GString) hidden = g_string_new (*text);

      g_string_replace (hidden, secret, LSOBS_REDACTED, 0);
      g_free (*text);
      *text = g_strdup (hidden->str);
    }
}
