/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-propagation-private.h"
#include "lsobs/lsobs-record-event-private.h"
#include "lsobs/lsobs-types.h"

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
} LsobsNotes;

LsobsNotes *_lsobs_notes_new (void);
LsobsNotes *_lsobs_notes_ref (LsobsNotes *self);
void _lsobs_notes_unref (LsobsNotes *self);

void _lsobs_notes_inherit (LsobsNotes *self, const LsobsNotes *parent);
void _lsobs_notes_take_remote (LsobsNotes *self, const LsobsRemoteParent *parent);
gboolean _lsobs_notes_set_metadata (LsobsNotes *self,
                                    const char *key,
                                    GBytes *value,
                                    gboolean inherited);
gboolean _lsobs_notes_propagate_metadata (LsobsNotes *self, const char *key);
gboolean _lsobs_notes_propagates (const LsobsNotes *self, const char *key);
gboolean _lsobs_notes_has_metadata (const LsobsNotes *self, const char *key);
gboolean _lsobs_notes_set_extra (LsobsNotes *self, const char *key, GBytes *value);
gboolean _lsobs_notes_add_tag (LsobsNotes *self, const char *tag);
gboolean _lsobs_notes_add_event (LsobsNotes *self, const char *name, gint64 time, GBytes *details);
void _lsobs_notes_clear_tags (LsobsNotes *self);
void _lsobs_notes_clear_events (LsobsNotes *self);
gboolean _lsobs_notes_merge_metadata (LsobsNotes *self, const char *key, GBytes *value);
gboolean _lsobs_notes_merge_extra (LsobsNotes *self, const char *key, GBytes *value);
GBytes *_lsobs_notes_capture_serialized (JsonNode *serialized, LsobsRunType run_type);
gboolean _lsobs_notes_set_serialized (LsobsNotes *self, GBytes *serialized);
GBytes *_lsobs_notes_write_metadata (const LsobsNotes *self);
GBytes *_lsobs_notes_write_extra (const LsobsNotes *self);
GBytes *_lsobs_notes_write_tags (const LsobsNotes *self);
GBytes *_lsobs_notes_write_propagated (const LsobsNotes *self, gsize max_bytes, guint *n_left_out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsNotes, _lsobs_notes_unref)

G_END_DECLS
