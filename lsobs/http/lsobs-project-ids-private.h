/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-lookups-private.h"
#include "lsobs/transport/lsobs-transport-private.h"

G_BEGIN_DECLS

/* The ids of projects by their names. The service is asked for each name, until it answers; one
 * lookup is under way at a time. Used only in the context that sends. */
typedef struct _LsobsProjectIds LsobsProjectIds;

LsobsProjectIds *_lsobs_project_ids_new (LsobsSettings *settings, LsobsLookups *lookups);
void _lsobs_project_ids_unref (LsobsProjectIds *self);
gboolean _lsobs_project_ids_stop (LsobsProjectIds *self);

gboolean _lsobs_project_ids_peek (LsobsProjectIds *self, const char *name, LsobsId *id);
LsobsProjectIdState _lsobs_project_ids_ask (LsobsProjectIds *self, const char *name);
void _lsobs_project_ids_ask_again (LsobsProjectIds *self, guint min_failures);
void _lsobs_project_ids_set_deadline (LsobsProjectIds *self, gint64 deadline, gint64 last_lookup);

guint _lsobs_project_ids_take_news (LsobsProjectIds *self, gboolean *answered, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsProjectIds, _lsobs_project_ids_unref)

G_END_DECLS
