/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/model/lsobs-annotations-private.h"
#include "lsobs/model/lsobs-attachment-private.h"
#include "lsobs/model/lsobs-feedback-private.h"
#include "lsobs/model/lsobs-run-info-private.h"

G_BEGIN_DECLS

typedef enum
{
  LSOBS_RECORD_CREATE,  /* starts a run; with an end time: a complete run */
  LSOBS_RECORD_UPDATE,  /* ends, or adds to, a run that an earlier record created */
  LSOBS_RECORD_FEEDBACK /* gives feedback to a run */
} LsobsRecordKind;

/* One operation on one run, queued to be sent. The payloads are JSON text as it was
 * captured, before redaction. A record belongs to one thread at a time, or to the queue and its
 * lock. An encoded record holds a reference. The copies of a record for other destinations share
 * the reference counted members: replace these, never change them. _lsobs_record_copy() lists
 * every member. */
struct _LsobsRecord
{
  int ref_count; /* (atomic) see _lsobs_ref_init() */
  LsobsRecordKind kind;
  gboolean lies_in_info; /* the memory of the record is that of the info */

  /* The run; of feedback, a stand-in with the run's ids and target. The stand-in has a progress of
   * its own: feedback waits, leaves and is lost apart from the records of its run. */
  LsobsRunInfo *info; /* (owned) */

  /* Set in feedback only. */
  LsobsRunInfo *awaited_run; /* (owned) (nullable) the run itself, whose create leaves before the
                              * feedback; NULL if this exporter does not know the run */
  LsobsFeedback *feedback;   /* (owned) (nullable) */
  gboolean has_project_id;   /* the id of the run's project is known */
  gboolean asks_project_id;  /* a request for the id is under way */
  gboolean lacks_project_id; /* the service requires the id but knows no such project */
  LsobsId project_id;        /* valid if @has_project_id */

  LsobsAnnotations *annotations; /* (owned) (nullable) until they are written into the next five */
  gboolean takes_annotations;    /* a create: it takes those that are in the slot of the info when
                                  * they are written out */
  gsize annotations_bytes;       /* their size when the record was made, or 0 if the handle of the
                                  * run accounts for them */
  GBytes *tags;                  /* (owned) (nullable) an array of strings */
  GBytes *metadata;              /* (owned) (nullable) an object: all metadata of the run */
  GBytes *extra;        /* (owned) (nullable) an object: members of extra but the metadata */
  GPtrArray *events;    /* (owned) (nullable) (element-type LsobsAnnotationEvent) */
  GBytes *serialized;   /* (owned) (nullable) an object; sent with a create only */
  guint extra_seq;      /* counts the changes of metadata and extra up to this record */
  guint serialized_seq; /* counts the changes of @serialized up to this record */
  gboolean extra_new;   /* metadata or extra have changed since the create was sent */
  gboolean has_example;
  LsobsId example_id; /* of a data set; valid if @has_example */

  GBytes *inputs;  /* (owned) (nullable) */
  GBytes *outputs; /* (owned) (nullable) */
  /* Of a payload that the writer of JSON has written: all of its strings that are no names have fewer
   * bytes in the text. 0: of another payload, or it is not known. */
  guint inputs_string_bound;
  guint outputs_string_bound;
  GPtrArray *attachments;  /* (owned) (nullable) (element-type LsobsAttachment) */
  char *error;             /* (owned) (nullable) text */
  gint64 end_time;         /* µs since 1970, or 0 for none */
  gint64 duration_ms;      /* or -1 for none */
  gboolean promoted;       /* a create that was an update until its create was lost, or spooled */
  gboolean create_spooled; /* it is promoted, and the other create is in the spool */
  gboolean final;          /* the annotations of the run do not change any more */
  gboolean by_id;          /* the run is in the run store, which forgets it after its end */

  /* Set by the queue. */
  guint64 seq;
  struct _LsobsRecord **slot; /* in the chunk of the queue */
  gsize fixed_size;           /* the part of @size that never changes; 0: not measured yet */
  gint64 queued_at;           /* monotonic, µs */
  gsize size;                 /* bytes of memory, as counted */
  gboolean kept;              /* it was taken, and waits again */
  GList link; /* in the queue's list of taken records; data is set while it is there */
};

/* What the end of a run has that has no annotations. */
typedef struct
{
  GBytes *outputs;            /* (owned) (nullable) */
  guint outputs_string_bound; /* as that of a record */
  char *error;                /* (owned) (nullable) */
  gint64 end_time;            /* µs since 1970 */
  gint64 duration_ms;         /* or -1 for none */
} LsobsRecordEnd;

LsobsRecord *_lsobs_record_new (LsobsRecordKind kind, LsobsRunInfo *info);
void _lsobs_record_init (LsobsRecord *self, LsobsRecordKind kind, LsobsRunInfo *info);
void _lsobs_record_clear (LsobsRecord *self);
LsobsRecord *_lsobs_record_new_in (gpointer room, LsobsRecordKind kind, LsobsRunInfo *info);
LsobsRecord *_lsobs_record_new_from (LsobsRecord *other);
LsobsRecord *_lsobs_record_copy (LsobsRecord *self);
LsobsRecord *_lsobs_record_ref (LsobsRecord *self);
void _lsobs_record_unref (LsobsRecord *self);
gsize _lsobs_record_measure (LsobsRecord *self);
guint _lsobs_record_join (LsobsRecord *self, LsobsRecord *end);
gsize _lsobs_record_end (LsobsRecord *self, LsobsRecordEnd *end);
void _lsobs_record_write_annotations (LsobsRecord *self);
void _lsobs_record_write_annotations_unlocked (LsobsRecord *self, LsobsAnnotations *annotations);
gboolean _lsobs_record_lacks_project_id (LsobsRecord *self, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRecord, _lsobs_record_unref)

G_END_DECLS
