/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/spool/lsobs-failed-trace-private.h"

G_BEGIN_DECLS

/* Who may send a file of the spool: a process that has the same endpoint, workspace, project and
 * key. A file names its owner without the key. Immutable. */
typedef struct _LsobsSpoolOwner LsobsSpoolOwner;

LsobsSpoolOwner *_lsobs_spool_owner_new (LsobsSettings *settings);
void _lsobs_spool_owner_free (LsobsSpoolOwner *self);
const char *_lsobs_spool_owner_peek_tag (LsobsSpoolOwner *self);
void _lsobs_spool_owner_make_mark (LsobsSpoolOwner *self, char mark[LSOBS_MARK_LEN + 1]);
char *_lsobs_spool_owner_dup_text (LsobsSpoolOwner *self);
gboolean _lsobs_spool_owner_matches (LsobsSpoolOwner *self, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsSpoolOwner, _lsobs_spool_owner_free)

G_END_DECLS
