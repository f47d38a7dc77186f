/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-slab-private.h"
#include "lsobs/model/lsobs-annotations-private.h"
#include "lsobs/model/lsobs-run-info-private.h"

/* Call it at most once, before @self is shared.
 * @parent: (transfer full) */
void
_lsobs_run_info_set_parent (LsobsRunInfo *self, LsobsRunInfo *parent)
{
  self->parent = parent;
  self->root = parent->root;
  self->depth = parent->depth + 1;
  if (parent->target != NULL)
    self->target = _lsobs_target_ref (parent->target);
}

/* Call it before @self is shared and has children: children copy the target. */
void
_lsobs_run_info_set_target (LsobsRunInfo *self, LsobsTarget *target)
{
  g_clear_pointer (&self->target, _lsobs_target_unref);
  self->target = _lsobs_target_ref (target);
}

/* @parent: (transfer full) (nullable)
 * @name: (nullable)
 * @room: bytes to add behind the info, filled with zeroes, for objects with its lifetime */
static LsobsRunInfo *
alloc_info (LsobsRunInfo *parent, const char *name, LsobsRunType run_type, gsize room)
{
  gsize name_len = name != NULL ? strlen (name) : 0;
  gsize name_size = name != NULL ? name_len + 1 : 0;
  gsize size = sizeof (LsobsRunInfo) + room + name_size;
  LsobsRunInfo *self = size <= LSOBS_SLAB_SIZE ? _lsobs_slab_alloc () : g_malloc (size);

  memset (self, 0, sizeof *self + room);
  self->is_slab = size <= LSOBS_SLAB_SIZE;
  _lsobs_ref_init (&self->ref_count);
  self->depth = 1;
  self->root = self;
  if (parent != NULL)
    _lsobs_run_info_set_parent (self, parent);
  self->epoch = _lsobs_fork_epoch ();
  self->run_type = run_type;
  self->sampled = TRUE;
  self->is_identified = TRUE;
  self->name_len = name_len;
  if (name != NULL)
    self->name = memcpy ((char *) (self + 1) + room, name, name_size);
  return self;
}

/* @parent_segment: of the parent
 * @stamp: the boot time of the start of a child
 * Returns: the anchor of the child. The boot time may be another one than that of the parent: a process
 *   can be saved, and restored on another machine. */
static gint64
get_child_anchor (LsobsRunInfo *parent, const LsobsSegment *parent_segment, gint64 stamp)
{
  return MAX (parent->anchor, parent_segment->start_time - stamp);
}

/* Sets the start time: the current time of the trace. */
static void
start_now (LsobsRunInfo *self)
{
  LsobsRunInfo *parent = self->parent;
  gint64 stamp;

  if (parent == NULL)
    {
      self->anchor = _lsobs_clock_anchor_and_stamp (&stamp);
    }
  else
    {
      stamp = _lsobs_clock_boot_stamp ();
      self->anchor = get_child_anchor (parent, _lsobs_run_info_peek_segment (parent), stamp);
    }
  self->segment.start_time = MIN (self->anchor + stamp, LSOBS_MAX_TIME);
}

/* Makes the id and the times of a run that was started without them. Called from any thread, several
 * times too: the first one decides. They are made before the lock is taken, under which they are only
 * copied; who sees that they are there, sees them whole. A forked child finds them whole, too, or makes
 * them. The parent has its own, see _lsobs_run_info_new(): so this is no recursion. */
void
_lsobs_run_info_identify (LsobsRunInfo *self)
{
  LsobsRunInfo *parent = self->parent;
  LsobsSegment segment;
  gint64 anchor;

  if (parent != NULL)
    anchor = get_child_anchor (parent, _lsobs_run_info_peek_segment (parent), self->stamp);
  else
    anchor = _lsobs_clock_source.get_wall_time () - _lsobs_clock_source.get_boot_time ();
  segment.start_time = MIN (anchor + self->stamp, LSOBS_MAX_TIME);
  _lsobs_id_make (&segment.id, segment.start_time);
  _lsobs_fork_lock ();
  if (!g_atomic_int_get (&self->is_identified))
    {
      self->segment = segment;
      self->anchor = anchor;
      g_atomic_int_set (&self->is_identified, TRUE);
    }
  _lsobs_fork_unlock ();
}

/* A run that starts now. The start time, the time in the id and the time in the path are the same.
 * @parent: (nullable)
 * @is_lazy: the run is not sent: its id and its times are made when somebody asks for them, with the boot
 *   time of now. The wall clock is read then, and the order of this trace and others is not kept
 * @room: bytes to add behind the info, filled with zeroes, for objects with its lifetime */
LsobsRunInfo *
_lsobs_run_info_new (LsobsRunInfo *parent,
                     const char *name,
                     LsobsRunType run_type,
                     gboolean is_lazy,
                     gsize room)
{
  LsobsRunInfo *self =
      alloc_info (parent != NULL ? _lsobs_run_info_ref (parent) : NULL, name, run_type, room);

  if (is_lazy)
    {
      if (parent != NULL)
        _lsobs_run_info_peek_segment (parent);
      self->stamp = _lsobs_clock_boot_stamp ();
      self->is_identified = FALSE;
      return self;
    }
  start_now (self);
  _lsobs_id_make (&self->segment.id, self->segment.start_time);
  return self;
}

/* A run with a known path. Makes infos without names for its ancestors.
 * @segments: the path, the root first
 * @name: (nullable) */
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

/* Sets the anchor of a run with a known path or id. Call it before the info is shared, if a time of
 * the run or of a child is to be read. A start time of 0 becomes the current time of the trace. */
void
_lsobs_run_info_set_anchor (LsobsRunInfo *self)
{
  gint64 *start_time = &self->segment.start_time;

  /* The ancestors of a path have no anchors. */
  if (self->parent != NULL && self->parent->anchor != 0)
    self->anchor = self->parent->anchor;
  else
    self->anchor = _lsobs_clock_anchor_trace (_lsobs_run_info_get_trace_id (self), *start_time);
  if (*start_time != 0)
    return;
  *start_time = MIN (_lsobs_clock_boot_stamp () + self->anchor, LSOBS_MAX_TIME);
  if (self->parent != NULL)
    *start_time = MAX (*start_time, self->parent->segment.start_time);
}

LsobsRunInfo *
_lsobs_run_info_ref (LsobsRunInfo *self)
{
  _lsobs_ref_inc (&self->ref_count);
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

/* A loop, not a recursion: a trace may be deep. */
void
_lsobs_run_info_unref (LsobsRunInfo *self)
{
  while (self != NULL && _lsobs_ref_dec (&self->ref_count))
    {
      LsobsRunInfo *parent = self->parent;

      if (self->annotations != NULL)
        _lsobs_annotations_unref (_lsobs_annotations_close_slot (&self->annotations));
      g_clear_pointer (&self->target, _lsobs_target_unref);
      g_clear_pointer (&self->progress.charged, _lsobs_charged_attachments_free);
      for (guint i = 0; self->more != NULL && i < self->more->n_items; i++)
        g_clear_pointer (&self->more->items[i].charged, _lsobs_charged_attachments_free);
      g_free (self->more);
      free_texts (self->texts);
      g_free (self->cuts);
      if (self->is_slab)
        _lsobs_slab_free (self);
      else
        g_free (self);
      self = parent;
    }
}

/* Makes room for the progress towards each destination. Call it before a record of the run is
 * pushed. */
void
_lsobs_run_info_ensure_progress (LsobsRunInfo *self, guint n_destinations)
{
  LsobsMoreProgress *more;

  if (n_destinations < 2 || g_atomic_pointer_get (&self->more) != NULL)
    return;
  more = g_malloc0 (sizeof *more + (n_destinations - 1) * sizeof *more->items);
  more->n_unfinished = (int) n_destinations;
  more->n_items = n_destinations - 1;
  /* Two threads may report the same run by its id. */
  if (!g_atomic_pointer_compare_and_exchange (&self->more, NULL, more))
    g_free (more);
}

/* Keeps which strings of the inputs were cut, for the metadata of the end. Each destination cuts the
 * same ones.
 * @paths: JSON strings, with commas between them */
void
_lsobs_run_info_keep_cuts (LsobsRunInfo *self, guint n, const char *paths, gsize len)
{
  LsobsStringCuts *cuts;

  if (g_atomic_pointer_get (&self->cuts) != NULL)
    return;
  cuts = g_malloc (sizeof *cuts + len + 1);
  cuts->n = n;
  memcpy (cuts->paths, paths, len);
  cuts->paths[len] = '\0';
  if (!g_atomic_pointer_compare_and_exchange (&self->cuts, NULL, cuts))
    g_free (cuts);
}

/* Call it once for each destination, when the end of the run is delivered or lost there.
 * Returns: whether that was the last destination */
gboolean
_lsobs_run_info_finish_destination (LsobsRunInfo *self)
{
  LsobsMoreProgress *more = g_atomic_pointer_get (&self->more);

  return more == NULL || g_atomic_int_dec_and_test (&more->n_unfinished);
}

/* Returns: the current time of the trace in µs since 1970, never before the start of the run */
gint64
_lsobs_run_info_get_now (LsobsRunInfo *self)
{
  gint64 start_time = _lsobs_run_info_peek_segment (self)->start_time;
  gint64 now = _lsobs_clock_boot_time () + self->anchor;

  return CLAMP (now, start_time, LSOBS_MAX_TIME);
}

const LsobsId *
_lsobs_run_info_get_trace_id (LsobsRunInfo *self)
{
  return &_lsobs_run_info_peek_segment (self->root)->id;
}

gsize
_lsobs_run_info_get_path_len (LsobsRunInfo *self)
{
  return (gsize) self->depth * (LSOBS_SEGMENT_LEN + 1) - 1;
}

/* @seed: (nullable): maps the id, see _lsobs_id_remap() */
static void
write_segment (LsobsRunInfo *self, const char *seed, char *text)
{
  _lsobs_segment_write (_lsobs_run_info_peek_segment (self), text);
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
 * Returns: (transfer none) (nullable): the text for the seed */
static const LsobsSegmentText *
find_text (const LsobsSegmentText *texts, const char *seed)
{
  for (; texts != NULL; texts = texts->next)
    if (seed == NULL ? !texts->mapped : texts->mapped && strcmp (texts->seed, seed) == 0)
      return texts;
  return NULL;
}

/* May be called from any thread. If two threads write the same text at once, one text is kept. A
 * run has at most one text for each seed, and one for NULL.
 * @seed: (nullable)
 * Returns: (transfer none): LSOBS_SEGMENT_LEN characters that live as long as @self */
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

/* Writes _lsobs_run_info_get_path_len() characters without a NUL. The segments of the ancestors are
 * written once and then copied: a deep trace has as many paths as runs.
 * @seed: (nullable): maps the ids, see _lsobs_id_remap() */
void
_lsobs_run_info_write_path (LsobsRunInfo *self, const char *seed, char *text)
{
  write_segment (self, seed, text + (gsize) (self->depth - 1) * (LSOBS_SEGMENT_LEN + 1));
  while ((self = self->parent) != NULL)
    {
      char *at = text + (gsize) (self->depth - 1) * (LSOBS_SEGMENT_LEN + 1);

      memcpy (at, peek_segment_text (self, seed), LSOBS_SEGMENT_LEN);
      at[LSOBS_SEGMENT_LEN] = '.';
    }
}

/* Returns: (transfer full) */
char *
_lsobs_run_info_dup_path (LsobsRunInfo *self)
{
  char *text = g_malloc0 (_lsobs_run_info_get_path_len (self) + 1);

  _lsobs_run_info_write_path (self, NULL, text);
  return text;
}
