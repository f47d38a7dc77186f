/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/model/lsobs-annotations-private.h"
#include "lsobs/model/lsobs-attachment-private.h"
#include "lsobs/model/lsobs-feedback-private.h"
#include "lsobs/model/lsobs-run-info-private.h"

G_BEGIN_DECLS

typedef enum
{
  LSOBS_RECORD_CREATE,  /* a run begins; with an end time: a complete run */
  LSOBS_RECORD_UPDATE,  /* a run that was created by an earlier record ends */
  LSOBS_RECORD_FEEDBACK /* a run gets feedback */
} LsobsRecordKind;

/* What travels through a queue: one operation on one run. Payloads are JSON text as
 * it was captured, not yet redacted. One place changes it at a time; what is encoded
 * of it holds a reference. What is reference counted here is shared with the copies
 * that go to other places, and so is replaced, never changed. _lsobs_record_copy() has
 * to know of every member. */
struct _LsobsRecord
{
  gatomicrefcount ref_count;
  LsobsRecordKind kind;
  LsobsRunInfo *info;        /* (owned) with feedback: names the run, and flows by itself */
  LsobsRunInfo *run;         /* (owned) (nullable) with feedback: the run, if it is known */
  LsobsFeedback *feedback;   /* (owned) (nullable) with feedback: all there is */
  gboolean has_project_id;   /* with feedback: the service has named the project of the run */
  gboolean asks_project_id;  /* with feedback: it is being asked for that */
  gboolean lacks_project_id; /* with feedback: it has not, but needs to be told */
  LsobsId project_id;

  LsobsAnnotations *notes; /* (owned) (nullable) until they are written out, below */
  gsize notes_bytes;       /* what they were when the record was made, or 0 if they are the
                         * handle's */
  GBytes *inputs;          /* (owned) (nullable) */
  GBytes *outputs;         /* (owned) (nullable) */
  GBytes *tags;            /* (owned) (nullable) an array of strings */
  GBytes *metadata;        /* (owned) (nullable) an object: all that the run has */
  GBytes *extra;           /* (owned) (nullable) an object: what extra has beside metadata */
  guint extra_seq;         /* counts the changes of both up to this record */
  gboolean extra_new;      /* some of it was not in the create that has left */
  GPtrArray *events;       /* (owned) (nullable) (element-type LsobsRecordEvent) */
  GBytes *serialized;      /* (owned) (nullable) an object; a create tells it, and nothing else */
  guint serialized_seq;    /* counts its changes up to this record */
  gboolean has_example;
  LsobsId example_id;     /* of a data set, if there is one */
  GPtrArray *attachments; /* (owned) (nullable) (element-type LsobsAttachment) */
  char *error;            /* (owned) (nullable) text */
  gint64 end_time;        /* µs since 1970, or 0 for none */
  gint64 duration_ms;     /* or -1 for none */
  gboolean promoted;      /* a create that was an update, because its create was lost */
  gboolean final;         /* nothing is noted on the run any more */
  gboolean by_id;         /* the run store knows the run, and may forget it after */

  /* Set by the queue. */
  guint64 seq;
  gint64 queued_at; /* monotonic, µs */
  gsize size;       /* bytes of memory, as counted */
  gboolean kept;    /* it was taken, and waits again */
};

LsobsRecord *_lsobs_record_new (LsobsRecordKind kind, LsobsRunInfo *info);
LsobsRecord *_lsobs_record_copy (LsobsRecord *self);
LsobsRecord *_lsobs_record_ref (LsobsRecord *self);
void _lsobs_record_unref (LsobsRecord *self);
gsize _lsobs_record_measure (LsobsRecord *self);
guint _lsobs_record_join (LsobsRecord *self, LsobsRecord *end);
void _lsobs_record_settle (LsobsRecord *self);
gboolean _lsobs_record_lacks_project_id (LsobsRecord *self, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRecord, _lsobs_record_unref)

G_END_DECLS
