/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-target-private.h"
#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/core/lsobs-slab-private.h"
#include "lsobs/lsobs-types.h"
#include "lsobs/model/lsobs-attachment-private.h"

G_BEGIN_DECLS

typedef struct _LsobsRecord LsobsRecord;

/* Where the record is that creates a run. */
typedef enum
{
  LSOBS_CREATE_NONE,
  LSOBS_CREATE_QUEUED,
  LSOBS_CREATE_TAKEN,
  LSOBS_CREATE_DELIVERED,
  LSOBS_CREATE_SPOOLED, /* it is on disk, and sent some time */
  LSOBS_CREATE_LOST
} LsobsCreateState;

/* How far the records of a run have come on their way to one destination. The lock of the
 * destination's queue guards all members but the two that only its worker uses. */
typedef struct
{
  LsobsCreateState create_state;
  LsobsRecord *waiting; /* (unowned) (nullable) the run's record in the queue */
  guint extra_seq; /* worker: the changes of metadata and extra that the create was sent with */
  guint serialized_seq;             /* worker: the changes of "serialized" that it was sent with */
  LsobsChargedAttachments *charged; /* (owned) (nullable) added while no record waited; for the
                                     * record of the end */
} LsobsRunProgress;

/* The progress towards all destinations but the first. */
typedef struct
{
  int n_unfinished; /* (atomic) destinations, with the first one, that the end of the run is still
                     * on its way to */
  guint n_items;
  LsobsRunProgress items[];
} LsobsMoreProgress;

/* The strings of a run's inputs that the encoder has cut. Immutable. */
typedef struct
{
  guint n;
  char paths[]; /* JSON strings, with commas between them */
} LsobsStringCuts;

/* The text of a run's segment, shared by all paths that contain it. */
typedef struct _LsobsSegmentText
{
  struct _LsobsSegmentText *next; /* (owned) (nullable) */
  char text[LSOBS_SEGMENT_LEN];
  gboolean mapped; /* the id is mapped with the seed, see _lsobs_id_remap() */
  char seed[];
} LsobsSegmentText;

/* The identity of a run: fixed when the run starts, and shared by the run's handle, its records and
 * its children. So the path up to the root does not need the handles of the parents. */
typedef struct _LsobsRunInfo
{
  int ref_count; /* (atomic) see _lsobs_ref_init() */

  struct _LsobsRunInfo *parent; /* (owned) (nullable) */
  struct _LsobsRunInfo *root;   /* (unowned) an ancestor, or itself */
  int is_identified;    /* (atomic) gboolean: @segment and @anchor are set, and stay as they are */
  LsobsSegment segment; /* see _lsobs_run_info_peek_segment() */
  gint64 anchor;        /* µs: of the trace. Add it to the boot time, see lsobs-clock.c */
  gint64 stamp; /* µs: the boot time of the start, if @segment and @anchor are made later */
  guint depth;  /* number of segments in the path */
  guint epoch;  /* the fork epoch of the process that started the run */
  LsobsRunType run_type;
  gboolean is_slab; /* the info is in a slab */
  gboolean sampled; /* the same in the whole trace; set before the info is shared */
  gsize name_len;
  const char *name;    /* (nullable) of a run that is known by its id only */
  LsobsTarget *target; /* (owned) (nullable) of a trace from another process, or
                        * that the program chooses; overrides the
                        * settings */

  LsobsSegmentText *texts; /* (owned) (nullable) (atomic) only grows */
  LsobsStringCuts *cuts;   /* (owned) (nullable) (atomic) set once */
  gpointer annotations; /* (owned) (nullable) (atomic) the slot for the annotations that the create
                            * is sent with, see _lsobs_annotations_offer() */

  LsobsRunProgress progress; /* towards the first destination */
  LsobsMoreProgress *more;   /* (owned) (nullable) (atomic) */
} LsobsRunInfo;

LsobsRunInfo *_lsobs_run_info_new (LsobsRunInfo *parent,
                                   const char *name,
                                   LsobsRunType run_type,
                                   gboolean is_lazy,
                                   gsize room);
LsobsRunInfo *_lsobs_run_info_new_for_segments (const LsobsSegment *segments,
                                                guint n_segments,
                                                const char *name,
                                                LsobsRunType run_type);
LsobsRunInfo *_lsobs_run_info_ref (LsobsRunInfo *self);
void _lsobs_run_info_unref (LsobsRunInfo *self);

void _lsobs_run_info_identify (LsobsRunInfo *self);
void _lsobs_run_info_set_parent (LsobsRunInfo *self, LsobsRunInfo *parent);
void _lsobs_run_info_set_anchor (LsobsRunInfo *self);
void _lsobs_run_info_set_target (LsobsRunInfo *self, LsobsTarget *target);
void _lsobs_run_info_ensure_progress (LsobsRunInfo *self, guint n_destinations);
void _lsobs_run_info_keep_cuts (LsobsRunInfo *self, guint n, const char *paths, gsize len);
gboolean _lsobs_run_info_finish_destination (LsobsRunInfo *self);
gint64 _lsobs_run_info_get_now (LsobsRunInfo *self);
const LsobsId *_lsobs_run_info_get_trace_id (LsobsRunInfo *self);
gsize _lsobs_run_info_get_path_len (LsobsRunInfo *self);
void _lsobs_run_info_write_path (LsobsRunInfo *self, const char *seed, char *text);
char *_lsobs_run_info_dup_path (LsobsRunInfo *self);

/* Returns: (transfer none): the id and the start time of the run. A run that is sent has both from its
 * start; its segment may be read directly. */
static inline const LsobsSegment *
_lsobs_run_info_peek_segment (LsobsRunInfo *self)
{
  if (G_UNLIKELY (!g_atomic_int_get (&self->is_identified)))
    _lsobs_run_info_identify (self);
  return &self->segment;
}

/* @destination: an index below the number given to _lsobs_run_info_ensure_progress() */
static inline LsobsRunProgress *
_lsobs_run_info_peek_progress (LsobsRunInfo *self, guint destination)
{
  LsobsMoreProgress *more;

  if (destination == 0)
    return &self->progress;
  more = g_atomic_pointer_get (&self->more);
  return &more->items[destination - 1];
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRunInfo, _lsobs_run_info_unref)

G_END_DECLS
