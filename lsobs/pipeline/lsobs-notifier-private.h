/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* Tells an object, in the context that it was made in, how many records were delivered and lost.
 * The worker's context posts the numbers; they add up until the context of the object runs, so
 * that at most one source waits there. Thread-safe. */
typedef struct _LsobsNotifier LsobsNotifier;

/* Called in the context of the object. */
typedef void (*LsobsNotifierFunc) (GObject *object, guint64 n_delivered, guint64 n_lost);

LsobsNotifier *_lsobs_notifier_new (GObject *object, LsobsNotifierFunc func);
LsobsNotifier *_lsobs_notifier_ref (LsobsNotifier *self);
void _lsobs_notifier_unref (LsobsNotifier *self);
void _lsobs_notifier_renew (LsobsNotifier *self);
void _lsobs_notifier_post (LsobsNotifier *self, guint64 n_delivered, guint64 n_lost);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsNotifier, _lsobs_notifier_unref)

G_END_DECLS
