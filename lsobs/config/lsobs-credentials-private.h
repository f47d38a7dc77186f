/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

#include "lsobs/config/lsobs-key-source-private.h"

G_BEGIN_DECLS

/* The secret that authenticates the requests to one destination: a fixed key, or a key or token
 * that a thread fetches when it is first needed, and again when the service refuses it. May be used
 * from any thread. No function blocks. */
typedef struct _LsobsCredentials LsobsCredentials;

typedef enum
{
  LSOBS_CREDENTIALS_READY,
  LSOBS_CREDENTIALS_PENDING, /* a thread is fetching the secret */
  LSOBS_CREDENTIALS_MISSING
} LsobsCredentialsState;

LsobsCredentials *_lsobs_credentials_new (const char *key);
LsobsCredentials *_lsobs_credentials_new_for_source (LsobsKeySource *source, gint64 interval);
void _lsobs_credentials_unref (LsobsCredentials *self);
void _lsobs_credentials_close (LsobsCredentials *self);
void _lsobs_credentials_enter (LsobsCredentials *self);
void _lsobs_credentials_leave (LsobsCredentials *self);
void _lsobs_credentials_rest (LsobsCredentials *self);

gboolean _lsobs_credentials_can_change (LsobsCredentials *self);
gboolean _lsobs_credentials_are_same (LsobsCredentials *self, LsobsCredentials *other);

char *_lsobs_credentials_make_fingerprint (LsobsCredentials *self,
                                           const char *salt,
                                           gboolean has_workspace);
gboolean _lsobs_credentials_match_fingerprint (LsobsCredentials *self,
                                               const char *salt,
                                               gboolean has_workspace,
                                               const char *fingerprint);

gboolean _lsobs_credentials_are_ready (LsobsCredentials *self, guint refused);
LsobsCredentialsState _lsobs_credentials_need (LsobsCredentials *self,
                                               guint refused,
                                               gboolean may_fetch,
                                               GSource *source,
                                               GError **error);

void _lsobs_credentials_add_to (LsobsCredentials *self, SoupMessage *message);
guint _lsobs_credentials_get_used (SoupMessage *message);
void _lsobs_credentials_hide (SoupMessage *message, char **text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsCredentials, _lsobs_credentials_unref)

G_END_DECLS
