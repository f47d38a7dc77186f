/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-credentials-private.h"

G_BEGIN_DECLS

/* How the questions to a service wait for its key. Records have a wait of their own, see
 * LsobsAttempts. Used in the thread that sends only. */
typedef struct
{
  guint refused;   /* the serial number of the secret that a question was refused with, or 0 */
  GSource *source; /* (owned) (nullable) fires at the end of the fetch that is under way */
} LsobsKeyWait;

LsobsCredentialsState _lsobs_key_wait_need (LsobsKeyWait *self,
                                            LsobsCredentials *credentials,
                                            GSource *waker);
gboolean _lsobs_key_wait_refuse (LsobsKeyWait *self,
                                 LsobsCredentials *credentials,
                                 SoupMessage *message);
void _lsobs_key_wait_clear (LsobsKeyWait *self);

G_END_DECLS
