/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/http/lsobs-service-private.h"

G_BEGIN_DECLS

/* The ids of projects by their names, as one service knows them. It is asked for each
 * name once, and again when it could not say; one question is under way at a time. Used
 * in the thread that sends only. */

typedef enum
{
  LSOBS_PROJECT_ID_AWAITED, /* the waker of the service fires when there is news */
  LSOBS_PROJECT_ID_KNOWN,
  LSOBS_PROJECT_ID_UNTOLD, /* there is no key, or it is refused: the answer to the feedback
                            * itself says so */
  LSOBS_PROJECT_ID_REFUSED /* the service has said that there is none, or that it does
                            * not tell; for a minute */
} LsobsProjectIdState;

LsobsProjectIds *_lsobs_project_ids_new (LsobsService *service);
void _lsobs_project_ids_free (LsobsProjectIds *self);
gboolean _lsobs_project_ids_peek (LsobsProjectIds *self, const char *name, LsobsId *id);
LsobsProjectIdState _lsobs_project_ids_ask (LsobsProjectIds *self, const char *name);
guint _lsobs_project_ids_get_trouble (LsobsProjectIds *self);
guint _lsobs_project_ids_take_news (LsobsProjectIds *self, gboolean *answered, GError **error);
void _lsobs_project_ids_ask_again (LsobsProjectIds *self);
void _lsobs_project_ids_hurry (LsobsProjectIds *self, gint64 until);
gboolean _lsobs_project_ids_stop (LsobsProjectIds *self);

G_END_DECLS
