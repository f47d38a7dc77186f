/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "lsobs/lsobs-types.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"

G_BEGIN_DECLS

/* The state of the delivery to one place: for the program, for the log, and for
 * notifications. */
typedef struct
{
  const char *label;       /* (unowned) (nullable) of the place */
  int state;               /* (atomic) LsobsState */
  gint64 logged_at;        /* monotonic, µs; used where the sending happens */
  LsobsState logged_state; /* the same */
  GMutex lock;             /* guards all below */
  char *problem;           /* (owned) (nullable) what went wrong last */
  LsobsNotifier *notifier; /* (owned) (nullable) */
} LsobsHealth;

void _lsobs_health_init (LsobsHealth *self, const char *label);
void _lsobs_health_clear (LsobsHealth *self);
void _lsobs_health_set_notifier (LsobsHealth *self, LsobsNotifier *notifier);
LsobsState _lsobs_health_get_state (LsobsHealth *self);
char *_lsobs_health_dup_problem (LsobsHealth *self);

/* where the sending happens */
void _lsobs_health_set_state (LsobsHealth *self,
                              LsobsState state,
                              gboolean kept,
                              const GError *error);
void _lsobs_health_note_problem (LsobsHealth *self, const GError *error);
void _lsobs_health_post_news (LsobsHealth *self, guint64 n_delivered, guint64 n_lost);

G_END_DECLS
