/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

#include "lsobs/lsobs-counters-private.h"
#include "lsobs/lsobs-settings-private.h"

G_BEGIN_DECLS

/* The service at the other end, as one client knows it: the connections to it, and
 * what was learnt of it. */
typedef struct
{
  gatomicrefcount ref_count;
  LsobsSettings *settings; /* (owned) */
  LsobsCounters *counters; /* (owned) */
  int mode;                /* (atomic) LsobsIngestMode: what is used at present */

  /* All below belongs to the thread that sends. */
  SoupSession *session;    /* (owned) (nullable) */
  guint epoch;             /* the process that session belongs to */
  gint64 not_before;       /* monotonic, µs: nothing is sent earlier */
  gint64 fallback_until;   /* monotonic, µs: then the best endpoint is tried again */
  gboolean told_of_files;  /* that they are left out */
} LsobsService;

LsobsService    *_lsobs_service_new           (LsobsSettings   *settings);
LsobsService    *_lsobs_service_ref           (LsobsService    *self);
void             _lsobs_service_unref         (LsobsService    *self);
void             _lsobs_service_set_counters  (LsobsService    *self,
                                               LsobsCounters   *counters);

SoupSession     *_lsobs_service_peek_session  (LsobsService    *self);
SoupMessage     *_lsobs_service_new_message   (LsobsService    *self,
                                               const char      *method,
                                               const char      *path);
void             _lsobs_service_close         (LsobsService    *self);

LsobsIngestMode  _lsobs_service_get_mode      (LsobsService    *self);
LsobsIngestMode  _lsobs_service_choose_mode   (LsobsService    *self);
gboolean         _lsobs_service_fall_back     (LsobsService    *self,
                                               LsobsIngestMode  missing);
void             _lsobs_service_hold          (LsobsService    *self,
                                               gint64           until);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsService, _lsobs_service_unref)

G_END_DECLS
