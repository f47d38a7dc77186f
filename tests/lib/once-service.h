/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service that has each run once, as the real one has: a request that creates a run which it has is
 * refused as a whole. */

#pragma once

#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

typedef struct _OnceService OnceService;

OnceService *once_service_new (void);
void once_service_free (OnceService *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OnceService, once_service_free)

/* A handler of TestServer, called in its thread. @data: an OnceService */
gboolean once_service_answer_cb (TestRequest *request, TestAnswer *answer, gpointer data);

/* how many runs it has */
guint once_service_count (OnceService *self);
/* how many of them have a name that begins with @prefix */
guint once_service_count_named (OnceService *self, const char *prefix);
/* it has this run from now on */
/* how many runs have ended */
guint once_service_count_ended (OnceService *self);
void once_service_add (OnceService *self, const char *id);
void once_service_forget_all (OnceService *self);

G_END_DECLS
