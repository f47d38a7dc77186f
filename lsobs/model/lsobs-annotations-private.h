/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/lsobs-types.h"
#include "lsobs/model/lsobs-propagation-private.h"

G_BEGIN_DECLS

/* The number of annotations of each kind on a run is limited, as a run may last as long as its
 * program. */
#define LSOBS_MAX_ANNOTATIONS      1000
#define LSOBS_MAX_ANNOTATION_BYTES (4 * 1024 * 1024) /* of all kinds together */

/* Something that happened during a run. Immutable. */
typedef struct
{
  gint64 time;     /* µs since 1970 */
  GBytes *details; /* (owned) (nullable) an object */
  char name[];
} LsobsAnnotationEvent;

LsobsAnnotationEvent *_lsobs_annotation_event_new (const char *name, gint64 time, GBytes *details);
LsobsAnnotationEvent *_lsobs_annotation_event_new_from_json (JsonNode *node,
                                                             gint64 *time,
                                                             gsize max_bytes);
gboolean _lsobs_annotation_event_is_token (const char *name);
void _lsobs_annotation_event_free (LsobsAnnotationEvent *self);
gboolean _lsobs_annotation_event_write_details (LsobsBuffer *out,
                                                JsonObject *details,
                                                gsize max_bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsAnnotationEvent, _lsobs_annotation_event_free)

typedef struct _LsobsMember LsobsMember;

/* Members of an object, each with a name of its own. */
typedef struct
{
  LsobsMember *items; /* (owned) (nullable) */
  guint len;
  guint allocated;
  guint16 *index; /* (owned) (nullable) where they are, if they are many */
} LsobsMemberList;

/* What a program adds to a run between its start and its end: tags, metadata, members of extra,
 * events, "serialized" and the id of an example. Most runs have none: they are made when the first
 * one is set. The handle of the run and its waiting create share them: those that are set before the
 * create is taken are sent with it. The two meet at a slot, an atomic pointer in the info of the run:
 * the handle offers the annotations there, and the create closes it when it is written out. What is
 * offered later is sent with the end alone.
 *
 * The functions that end in _unlocked want the lock held, unless no other thread can have a
 * reference yet.
 *
 * Lock order: a thread that holds this lock may take the lock of a queue, but not the other way
 * round. The run takes both to add an attachment before the run ends. */
typedef struct
{
  gatomicrefcount ref_count;

  GMutex lock; /* guards all members below; taken before the lock of a queue */
  LsobsMemberList metadata;
  LsobsMemberList extra;    /* members of extra but the metadata */
  guint16 *tags_index;      /* (owned) (nullable) where the tags are, if they are many */
  guint extra_seq;          /* counts the changes of metadata and extra after the start */
  GPtrArray *tags;          /* (owned) (nullable) (element-type utf8) */
  gboolean tags_propagated; /* other processes get the tags */
  GPtrArray *events;        /* (owned) (nullable) (element-type LsobsAnnotationEvent) */
  gboolean has_token;       /* @events has the event of the first token */
  GBytes *serialized;       /* (owned) (nullable) an object */
  guint serialized_seq;     /* counts the changes of @serialized */
  gboolean has_example;
  LsobsId example_id; /* of a data set; valid if @has_example */
  gsize n_bytes;      /* size of all annotations */

  gsize room_used; /* bytes of @room */
  char room[];     /* the rest of the slab: the first names, short values, and tags */
} LsobsAnnotations;

LsobsAnnotations *_lsobs_annotations_new (void);
LsobsAnnotations *_lsobs_annotations_ref (LsobsAnnotations *self);
void _lsobs_annotations_unref (LsobsAnnotations *self);

void _lsobs_annotations_offer (LsobsAnnotations *self, gpointer *slot);
LsobsAnnotations *_lsobs_annotations_close_slot (gpointer *slot);
gboolean _lsobs_annotations_are_inherited_unlocked (const LsobsAnnotations *self);

void _lsobs_annotations_inherit_unlocked (LsobsAnnotations *self, const LsobsAnnotations *parent);
void _lsobs_annotations_take_remote_unlocked (LsobsAnnotations *self,
                                              const LsobsRemoteParent *parent);
gboolean _lsobs_annotations_set_metadata_unlocked (LsobsAnnotations *self,
                                                   const char *key,
                                                   GBytes *value,
                                                   gboolean inherited);
gboolean _lsobs_annotations_set_metadata_text_unlocked (LsobsAnnotations *self,
                                                        const char *key,
                                                        LsobsBuffer *value,
                                                        gboolean inherited);
gboolean _lsobs_annotations_propagate_metadata_unlocked (LsobsAnnotations *self, const char *key);
gboolean _lsobs_annotations_propagates_unlocked (const LsobsAnnotations *self, const char *key);
gboolean _lsobs_annotations_has_metadata_unlocked (const LsobsAnnotations *self, const char *key);
gboolean _lsobs_annotations_set_extra_unlocked (LsobsAnnotations *self,
                                                const char *key,
                                                GBytes *value);
gboolean _lsobs_annotations_add_tag_unlocked (LsobsAnnotations *self, const char *tag);
gboolean _lsobs_annotations_add_event_unlocked (LsobsAnnotations *self,
                                                const char *name,
                                                gint64 time,
                                                GBytes *details);
void _lsobs_annotations_clear_tags_unlocked (LsobsAnnotations *self);
void _lsobs_annotations_clear_events_unlocked (LsobsAnnotations *self);
gboolean _lsobs_annotations_merge_metadata_unlocked (LsobsAnnotations *self,
                                                     const char *key,
                                                     GBytes *value);
gboolean _lsobs_annotations_merge_extra_unlocked (LsobsAnnotations *self,
                                                  const char *key,
                                                  GBytes *value);
GBytes *_lsobs_annotations_capture_serialized (JsonNode *serialized, LsobsRunType run_type);
gboolean _lsobs_annotations_set_serialized_unlocked (LsobsAnnotations *self, GBytes *serialized);
GBytes *_lsobs_annotations_write_metadata_unlocked (const LsobsAnnotations *self);
GBytes *_lsobs_annotations_write_extra_unlocked (const LsobsAnnotations *self);
GBytes *_lsobs_annotations_write_tags_unlocked (const LsobsAnnotations *self);
GBytes *_lsobs_annotations_write_propagated_unlocked (const LsobsAnnotations *self,
                                                      gsize max_bytes,
                                                      guint *n_left_out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsAnnotations, _lsobs_annotations_unref)

G_END_DECLS
