/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "lsobs/lsobs-types.h"
#include "lsobs/pipeline/lsobs-notifier-private.h"

G_BEGIN_DECLS

/* The state of one pipeline, for the program to read, for the log, and for notifications.
 * Thread-safe. */
typedef struct
{
  const char *label;       /* (unowned) (nullable) of the destination */
  int state;               /* (atomic) LsobsState */
  gint64 logged_at;        /* monotonic, µs; used in the worker's context only */
  LsobsState logged_state; /* used in the worker's context only */
  GMutex lock;             /* guards all below */
  char *problem;           /* (owned) (nullable) what went wrong last */
  LsobsNotifier *notifier; /* (owned) (nullable) */
} LsobsHealth;

void _lsobs_health_init (LsobsHealth *self, const char *label);
void _lsobs_health_clear (LsobsHealth *self);
void _lsobs_health_set_notifier (LsobsHealth *self, LsobsNotifier *notifier);
LsobsState _lsobs_health_get_state (LsobsHealth *self);
char *_lsobs_health_dup_problem (LsobsHealth *self, const char *fallback);

/* Called in the worker's context, or by one thread before that runs. */
void _lsobs_health_set_state (LsobsHealth *self,
                              LsobsState state,
                              gboolean nothing_lost,
                              const GError *error);
void _lsobs_health_set_problem (LsobsHealth *self, const GError *error);
void _lsobs_health_notify (LsobsHealth *self, guint64 n_delivered, guint64 n_lost);

G_END_DECLS
