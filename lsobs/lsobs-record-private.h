/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-run-info-private.h"

G_BEGIN_DECLS

typedef enum
{
  LSOBS_RECORD_CREATE, /* a run begins; with an end time: a complete run */
  LSOBS_RECORD_UPDATE  /* a run that was created by an earlier record ends */
} LsobsRecordKind;

/* Something that happened during a run. */
typedef struct
{
  char *name;      /* (owned) */
  gint64 time;     /* µs since 1970 */
  GBytes *details; /* (owned) (nullable) an object */
} LsobsRecordEvent;

/* What travels through a queue: one operation on one run. Payloads are JSON text as
 * it was captured, not yet redacted. Owned by one place at a time; but what is
 * reference counted here is shared with the copies that go to other places, and so
 * is replaced, never changed. _lsobs_record_copy() has to know of every member. */
struct _LsobsRecord
{
  LsobsRecordKind kind;
  LsobsRunInfo *info;   /* (owned) */

  GBytes *inputs;       /* (owned) (nullable) */
  GBytes *outputs;      /* (owned) (nullable) */
  GBytes *tags;         /* (owned) (nullable) an array of strings */
  GBytes *metadata;     /* (owned) (nullable) an object: all that the run has */
  gboolean metadata_new; /* some of it was not in an earlier record of the run */
  GPtrArray *events;    /* (owned) (nullable) (element-type LsobsRecordEvent) */
  char *error;          /* (owned) (nullable) text */
  gint64 end_time;      /* µs since 1970, or 0 for none */
  gint64 duration_ms;   /* or -1 for none */
  gboolean promoted;    /* a create that was an update, because its create was lost */
  gboolean by_id;       /* the run store knows the run, and may forget it after */

  /* Set by the queue. */
  guint64 seq;
  gint64 queued_at;     /* monotonic, µs */
  gsize size;           /* bytes of memory, as counted */
};

LsobsRecord      *_lsobs_record_new        (LsobsRecordKind   kind,
                                            LsobsRunInfo     *info);
LsobsRecord      *_lsobs_record_copy       (LsobsRecord      *self);
void              _lsobs_record_free       (LsobsRecord      *self);
gsize             _lsobs_record_measure    (LsobsRecord      *self);
void              _lsobs_record_join       (LsobsRecord      *self,
                                            LsobsRecord      *end);

LsobsRecordEvent *_lsobs_record_event_new  (const char       *name,
                                            gint64            time,
                                            GBytes           *details);
void              _lsobs_record_event_free (LsobsRecordEvent *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRecord, _lsobs_record_free)

G_END_DECLS
