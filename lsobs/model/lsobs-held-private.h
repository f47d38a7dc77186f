/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/model/lsobs-attachment-private.h"

G_BEGIN_DECLS

/* How much all runs hold on the way to one place. */
typedef struct _LsobsHeldAccount LsobsHeldAccount;

/* The attachments of one run that wait for its end. */
typedef struct _LsobsHeld LsobsHeld;

LsobsHeldAccount *_lsobs_held_account_new (gsize max_bytes, LsobsCounters *counters);
void _lsobs_held_account_unref (LsobsHeldAccount *self);

gboolean _lsobs_held_put (LsobsHeld **self, LsobsHeldAccount *account, LsobsAttachment *attachment);
GPtrArray *_lsobs_held_finish (LsobsHeld *self);
void _lsobs_held_free (LsobsHeld *self);

G_END_DECLS
