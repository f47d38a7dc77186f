/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-target-private.h"
#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/lsobs-types.h"
#include "lsobs/model/lsobs-held-private.h"

G_BEGIN_DECLS

typedef struct _LsobsRecord LsobsRecord;

/* What has become of the record that creates a run. */
typedef enum
{
  LSOBS_CREATE_NONE,
  LSOBS_CREATE_QUEUED,
  LSOBS_CREATE_TAKEN,
  LSOBS_CREATE_DELIVERED,
  LSOBS_CREATE_LOST
} LsobsCreateState;

/* How far the records of a run have come on their way to one place. Guarded by the
 * lock of the queue that leads there, but for what only its flush thread uses. */
typedef struct
{
  LsobsCreateState create_state;
  LsobsRecord *waiting; /* (unowned) (nullable) the record, while it waits */
  guint extra_seq;      /* flush thread: how much of its metadata the create has left with */
  guint serialized_seq; /* flush thread: and which version of that */
  LsobsHeld *held;      /* (owned) (nullable) what came when none waited: for the end */
} LsobsFlow;

/* The same for all places but the first. */
typedef struct
{
  int n_open; /* (atomic) places, the first one too, where no end has its fate */
  guint n_flows;
  LsobsFlow flows[];
} LsobsMoreFlows;

/* The segment of a run in paths, written once for all the paths that contain it. */
typedef struct _LsobsSegmentText
{
  struct _LsobsSegmentText *next; /* (owned) (nullable) */
  char text[LSOBS_SEGMENT_LEN];
  gboolean mapped; /* the id is made fit for a seed, see _lsobs_id_remap() */
  char seed[];     /* that seed */
} LsobsSegmentText;

/* Who a run is: fixed when it starts, and shared by its handle, its records and
 * its children, so that the chain up to the root needs no live parent. */
typedef struct _LsobsRunInfo
{
  gatomicrefcount ref_count;

  struct _LsobsRunInfo *parent; /* (owned) (nullable) */
  struct _LsobsRunInfo *root;   /* (unowned) an ancestor, or itself */
  LsobsSegment segment;
  gint64 clock_offset; /* µs: from monotonic to wall-clock time */
  guint depth;         /* number of segments of the path */
  guint epoch;         /* the process that it belongs to */
  LsobsRunType run_type;
  gboolean sampled;    /* of the whole trace; set before it is shared */
  const char *name;    /* (nullable) of a run known by its id alone */
  LsobsTarget *target; /* (owned) (nullable) of the whole trace, when another
                                  * process has begun it; goes before the settings */

  LsobsSegmentText *texts; /* (owned) (nullable) (atomic) only grows */

  LsobsFlow flow;       /* to the first place */
  LsobsMoreFlows *more; /* (owned) (nullable) (atomic) to the places after it */
} LsobsRunInfo;

LsobsRunInfo *_lsobs_run_info_new (LsobsRunInfo *parent, const char *name, LsobsRunType run_type);
LsobsRunInfo *_lsobs_run_info_new_with_room (LsobsRunInfo *parent,
                                             const char *name,
                                             LsobsRunType run_type,
                                             gboolean timed,
                                             gsize room);
LsobsRunInfo *_lsobs_run_info_new_for_segments (const LsobsSegment *segments,
                                                guint n_segments,
                                                const char *name,
                                                LsobsRunType run_type);
LsobsRunInfo *_lsobs_run_info_ref (LsobsRunInfo *self);
void _lsobs_run_info_unref (LsobsRunInfo *self);

void _lsobs_run_info_set_parent (LsobsRunInfo *self, LsobsRunInfo *parent);
void _lsobs_run_info_set_destination (LsobsRunInfo *self, LsobsTarget *target);
void _lsobs_run_info_ensure_flows (LsobsRunInfo *self, guint n_lanes);
gboolean _lsobs_run_info_end_flow (LsobsRunInfo *self);
gint64 _lsobs_run_info_get_now (LsobsRunInfo *self);
const LsobsId *_lsobs_run_info_get_trace_id (LsobsRunInfo *self);
gsize _lsobs_run_info_get_path_len (LsobsRunInfo *self);
void _lsobs_run_info_write_path (LsobsRunInfo *self, char *text);
void _lsobs_run_info_write_mapped_path (LsobsRunInfo *self, const char *seed, char *text);
char *_lsobs_run_info_dup_path (LsobsRunInfo *self);

/* @lane: which place, from 0; there must be a flow for it. */
static inline LsobsFlow *
_lsobs_run_info_peek_flow (LsobsRunInfo *self, guint lane)
{
  LsobsMoreFlows *more;

  if (lane == 0)
    return &self->flow;
  more = g_atomic_pointer_get (&self->more);
  return &more->flows[lane - 1];
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRunInfo, _lsobs_run_info_unref)

G_END_DECLS
