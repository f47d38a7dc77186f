/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-types.h"
#include "lsobs/model/lsobs-propagation-private.h"
#include "lsobs/model/lsobs-record-event-private.h"

G_BEGIN_DECLS

/* Of each kind, a run takes so many notes at the most: a run may last for ever. */
#define LSOBS_MAX_NOTES      1000
#define LSOBS_MAX_NOTE_BYTES (4 * 1024 * 1024) /* of all kinds together */

/* What a program notes on a run between its start and its end. The handle of the
 * run and its waiting create share it: what is noted while that waits leaves with it,
 * and costs the program's thread no more than any other note. */
typedef struct
{
  gatomicrefcount ref_count;

  GMutex lock;              /* guards all below; the functions want it held */
  GArray *metadata;         /* (owned) (nullable) of a key, a value and who inherits it */
  GArray *extra;            /* (owned) (nullable) the same, of extra beside metadata */
  guint extra_seq;          /* how often one of the two was set after the start */
  GPtrArray *tags;          /* (owned) (nullable) (element-type utf8) */
  gboolean tags_propagated; /* other processes get them too */
  GPtrArray *events;        /* (owned) (nullable) (element-type LsobsRecordEvent) */
  gboolean has_token;       /* one of them tells of the first token */
  GBytes *serialized;       /* (owned) (nullable) an object */
  guint serialized_seq;     /* how often it was set */
  gboolean has_example;
  LsobsId example_id; /* of a data set, if there is one */
  gsize n_bytes;      /* of all of them */
} LsobsAnnotations;

LsobsAnnotations *_lsobs_annotations_new (void);
LsobsAnnotations *_lsobs_annotations_ref (LsobsAnnotations *self);
void _lsobs_annotations_unref (LsobsAnnotations *self);

void _lsobs_annotations_inherit (LsobsAnnotations *self, const LsobsAnnotations *parent);
void _lsobs_annotations_take_remote (LsobsAnnotations *self, const LsobsRemoteParent *parent);
gboolean _lsobs_annotations_set_metadata (LsobsAnnotations *self,
                                          const char *key,
                                          GBytes *value,
                                          gboolean inherited);
gboolean _lsobs_annotations_propagate_metadata (LsobsAnnotations *self, const char *key);
gboolean _lsobs_annotations_propagates (const LsobsAnnotations *self, const char *key);
gboolean _lsobs_annotations_has_metadata (const LsobsAnnotations *self, const char *key);
gboolean _lsobs_annotations_set_extra (LsobsAnnotations *self, const char *key, GBytes *value);
gboolean _lsobs_annotations_add_tag (LsobsAnnotations *self, const char *tag);
gboolean _lsobs_annotations_add_event (LsobsAnnotations *self,
                                       const char *name,
                                       gint64 time,
                                       GBytes *details);
void _lsobs_annotations_clear_tags (LsobsAnnotations *self);
void _lsobs_annotations_clear_events (LsobsAnnotations *self);
gboolean _lsobs_annotations_merge_metadata (LsobsAnnotations *self, const char *key, GBytes *value);
gboolean _lsobs_annotations_merge_extra (LsobsAnnotations *self, const char *key, GBytes *value);
GBytes *_lsobs_annotations_capture_serialized (JsonNode *serialized, LsobsRunType run_type);
gboolean _lsobs_annotations_set_serialized (LsobsAnnotations *self, GBytes *serialized);
GBytes *_lsobs_annotations_write_metadata (const LsobsAnnotations *self);
GBytes *_lsobs_annotations_write_extra (const LsobsAnnotations *self);
GBytes *_lsobs_annotations_write_tags (const LsobsAnnotations *self);
GBytes *_lsobs_annotations_write_propagated (const LsobsAnnotations *self,
                                             gsize max_bytes,
                                             guint *n_left_out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsAnnotations, _lsobs_annotations_unref)

G_END_DECLS
