/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/model/lsobs-run-info-private.h"

/* Offsets within this many µs are the same clock, read at different moments. */
#define CLOCK_JITTER 10000

/* Before it is shared; a run that has no parent yet. */
void
_lsobs_run_info_set_parent (LsobsRunInfo *self, LsobsRunInfo *parent) /* (transfer full) */
{
  self->parent = parent;
  self->root = parent->root;
  self->depth = parent->depth + 1;
  if (parent->target != NULL)
    self->target = _lsobs_target_ref (parent->target);
}

/* Once, before it is shared, and before it has children. */
void
_lsobs_run_info_set_destination (LsobsRunInfo *self, LsobsTarget *target)
{
  g_clear_pointer (&self->target, _lsobs_target_unref);
  self->target = _lsobs_target_ref (target);
}

/* @name: (nullable)
 * @room: how many bytes to add behind the info, for whoever lives as long */
static LsobsRunInfo *
alloc_info (LsobsRunInfo *parent, /* (transfer full) (nullable) */
            const char *name,
            LsobsRunType run_type,
            gsize room)
{
  gsize name_size = name != NULL ? strlen (name) + 1 : 0;
  LsobsRunInfo *self = g_malloc0 (sizeof *self + room + name_size);

  g_atomic_ref_count_init (&self->ref_count);
  self->depth = 1;
  self->root = self;
  if (parent != NULL)
    _lsobs_run_info_set_parent (self, parent);
  self->epoch = _lsobs_fork_epoch ();
  self->run_type = run_type;
  self->sampled = TRUE;
  if (name != NULL)
    self->name = memcpy ((char *) (self + 1) + room, name, name_size);
  return self;
}

/* A run that begins now. Its one reading of the clock gives the start time, the
 * milliseconds of the id and the stamp in the path.
 * @timed: %FALSE: nobody will ask when anything else happens to it
 * @room: as of alloc_info() */
LsobsRunInfo *
_lsobs_run_info_new_with_room (LsobsRunInfo *parent,
                               const char *name,
                               LsobsRunType run_type,
                               gboolean timed,
                               gsize room)
{
  LsobsRunInfo *self =
      alloc_info (parent != NULL ? _lsobs_run_info_ref (parent) : NULL, name, run_type, room);

  self->segment.start_time = _lsobs_clock_stamp ();
  if (timed)
    self->clock_offset = self->segment.start_time - g_get_monotonic_time ();
  /* One offset for a trace, so that runs end in the order they are ended in;
   * unless somebody has set the clock in the meantime. */
  if (parent != NULL && ABS (self->clock_offset - parent->clock_offset) < CLOCK_JITTER)
    self->clock_offset = parent->clock_offset;
  /* Somebody may have set the clock back since the parent began. */
  if (parent != NULL && self->segment.start_time < parent->segment.start_time)
    self->segment.start_time = parent->segment.start_time;
  _lsobs_id_make (&self->segment.id, self->segment.start_time);
  return self;
}

LsobsRunInfo *
_lsobs_run_info_new (LsobsRunInfo *parent, const char *name, LsobsRunType run_type)
{
  return _lsobs_run_info_new_with_room (parent, name, run_type, TRUE, 0);
}

/* A run whose path is known already, the root first. */
LsobsRunInfo *
_lsobs_run_info_new_for_segments (const LsobsSegment *segments,
                                  guint n_segments,
                                  const char *name,
                                  LsobsRunType run_type)
{
  LsobsRunInfo *self = NULL;

  for (guint i = 0; i < n_segments; i++)
    {
      gboolean last = i + 1 == n_segments;

      self = alloc_info (self, last ? name : NULL, last ? run_type : LSOBS_RUN_TYPE_CHAIN, 0);
      self->segment = segments[i];
    }
  return self;
}

LsobsRunInfo *
_lsobs_run_info_ref (LsobsRunInfo *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
free_texts (LsobsSegmentText *texts)
{
  while (texts != NULL)
    {
      LsobsSegmentText *next = texts->next;

      g_free (texts);
      texts = next;
    }
}

/* A loop, not a recursion: a chain may be long. */
void
_lsobs_run_info_unref (LsobsRunInfo *self)
{
  while (self != NULL && g_atomic_ref_count_dec (&self->ref_count))
    {
      LsobsRunInfo *parent = self->parent;

      g_clear_pointer (&self->target, _lsobs_target_unref);
      g_clear_pointer (&self->flow.held, _lsobs_held_free);
      for (guint i = 0; self->more != NULL && i < self->more->n_flows; i++)
        g_clear_pointer (&self->more->flows[i].held, _lsobs_held_free);
      g_free (self->more);
      free_texts (self->texts);
      g_free (self);
      self = parent;
    }
}

/* To be called before a record of the run goes to as many places. */
void
_lsobs_run_info_ensure_flows (LsobsRunInfo *self, guint n_lanes)
{
  LsobsMoreFlows *more;

  if (n_lanes < 2 || g_atomic_pointer_get (&self->more) != NULL)
    return;
  more = g_malloc0 (sizeof *more + (n_lanes - 1) * sizeof *more->flows);
  more->n_open = (int) n_lanes;
  more->n_flows = n_lanes - 1;
  /* Two threads may report the same run by its id. */
  if (!g_atomic_pointer_compare_and_exchange (&self->more, NULL, more))
    g_free (more);
}

/* To be called once for each place, when the end of the run has found its fate there.
 * Returns: whether that was the last one */
gboolean
_lsobs_run_info_end_flow (LsobsRunInfo *self)
{
  LsobsMoreFlows *more = g_atomic_pointer_get (&self->more);

  return more == NULL || g_atomic_int_dec_and_test (&more->n_open);
}

/* The time in µs since 1970 for what happens to the run now: by the monotonic
 * clock, and never before the run began. */
gint64
_lsobs_run_info_get_now (LsobsRunInfo *self)
{
  return MAX (g_get_monotonic_time () + self->clock_offset, self->segment.start_time);
}

const LsobsId *
_lsobs_run_info_get_trace_id (LsobsRunInfo *self)
{
  return &self->root->segment.id;
}

gsize
_lsobs_run_info_get_path_len (LsobsRunInfo *self)
{
  return (gsize) self->depth * (LSOBS_SEGMENT_LEN + 1) - 1;
}

/* @seed: (nullable): what the id is made fit for, see _lsobs_id_remap() */
static void
write_segment (LsobsRunInfo *self, const char *seed, char *text)
{
  _lsobs_segment_write (&self->segment, text);
  if (seed != NULL)
    _lsobs_dotted_order_remap (text, LSOBS_SEGMENT_LEN, seed);
}

static LsobsSegmentText *
segment_text_new (LsobsRunInfo *info, const char *seed)
{
  gsize size = seed != NULL ? strlen (seed) + 1 : 0;
  LsobsSegmentText *self = g_malloc0 (sizeof *self + size);

  write_segment (info, seed, self->text);
  self->mapped = seed != NULL;
  if (seed != NULL)
    memcpy (self->seed, seed, size);
  return self;
}

/* @seed: (nullable)
 * Returns: (nullable): the text for the seed among these */
static const LsobsSegmentText *
find_text (const LsobsSegmentText *texts, const char *seed)
{
  for (; texts != NULL; texts = texts->next)
    if (seed == NULL ? !texts->mapped : texts->mapped && strcmp (texts->seed, seed) == 0)
      return texts;
  return NULL;
}

/* Called from any thread. Two threads may write the same text at once; one of the two is
 * kept. A run has at most one text for each seed, and one without.
 * Returns: (transfer none): LSOBS_SEGMENT_LEN characters, as long as @self lives */
static const char *
peek_segment_text (LsobsRunInfo *self, const char *seed)
{
  LsobsSegmentText *first = g_atomic_pointer_get (&self->texts);
  const LsobsSegmentText *found = find_text (first, seed);
  g_autofree LsobsSegmentText *made = NULL;

  if (found != NULL)
    return found->text;
  made = segment_text_new (self, seed);
  made->next = first;
  while (!g_atomic_pointer_compare_and_exchange (&self->texts, made->next, made))
    {
      made->next = g_atomic_pointer_get (&self->texts);
      found = find_text (made->next, seed);
      if (found != NULL)
        return found->text;
    }
  found = g_steal_pointer (&made);
  return found->text;
}

/* Writes as many characters as _lsobs_run_info_get_path_len() says, no NUL. A long chain
 * has as many paths as runs: the segment of each ancestor is written once and copied
 * afterwards.
 * @seed: (nullable): what the ids are made fit for, see _lsobs_id_remap() */
void
_lsobs_run_info_write_mapped_path (LsobsRunInfo *self, const char *seed, char *text)
{
  write_segment (self, seed, text + (gsize) (self->depth - 1) * (LSOBS_SEGMENT_LEN + 1));
  while ((self = self->parent) != NULL)
    {
      char *at = text + (gsize) (self->depth - 1) * (LSOBS_SEGMENT_LEN + 1);

      memcpy (at, peek_segment_text (self, seed), LSOBS_SEGMENT_LEN);
      at[LSOBS_SEGMENT_LEN] = '.';
    }
}

void
_lsobs_run_info_write_path (LsobsRunInfo *self, char *text)
{
  _lsobs_run_info_write_mapped_path (self, NULL, text);
}

char *
_lsobs_run_info_dup_path (LsobsRunInfo *self)
{
  char *text = g_malloc0 (_lsobs_run_info_get_path_len (self) + 1);

  _lsobs_run_info_write_path (self, text);
  return text;
}
