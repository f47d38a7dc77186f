/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lsobs/text/lsobs-json-names-private.h"

#define MIN_ALLOCATED 32

/* In objects with more members, names are compared with a hash table. */
#define MAX_PAIRED 8

/* A prime: see hash_name(). */
#define HASH_MODULUS G_GUINT64_CONSTANT (0x7fffffff)

void
_lsobs_json_names_clear (LsobsJsonNames *self)
{
  g_free (self->names);
  g_clear_pointer (&self->ranges, g_array_unref);
  g_clear_pointer (&self->table, g_array_unref);
  *self = (LsobsJsonNames) LSOBS_JSON_NAMES_INIT;
}

/* The slow path of _lsobs_json_names_add(). */
void
_lsobs_json_names_grow (LsobsJsonNames *self)
{
  self->n_allocated = MAX (2 * self->n_allocated, MIN_ALLOCATED);
  self->names = g_renew (LsobsJsonName, self->names, self->n_allocated);
}

/* A range ends at the beginning of the next member, so it includes the comma. */
static void
add_range (LsobsJsonNames *self, gsize start, gsize end)
{
  _lsobs_json_names_replace (self, start, end, NULL);
}

/* Has a range of the text replaced by _lsobs_json_names_cut().
 * @replacement: (nullable): of static lifetime; NULL: nothing takes its place */
void
_lsobs_json_names_replace (LsobsJsonNames *self, gsize start, gsize end, const char *replacement)
{
  const LsobsJsonRange range = { start, end, replacement };

  if (self->ranges == NULL)
    self->ranges = g_array_new (FALSE, FALSE, sizeof (LsobsJsonRange));
  g_array_append_val (self->ranges, range);
}

static inline gboolean
is_same (const LsobsBuffer *text, const LsobsJsonName *a, const LsobsJsonName *b)
{
  return a->len == b->len && text->data[a->start + 1] == text->data[b->start + 1] &&
         memcmp (text->data + a->start, text->data + b->start, a->len) == 0;
}

static void
compare_pairs (LsobsJsonNames *self, const LsobsBuffer *text)
{
  const LsobsJsonName *end = self->names + self->n_names;

  for (const LsobsJsonName *name = self->names + self->first; name < end; name++)
    for (const LsobsJsonName *later = name + 1; later < end; later++)
      if (is_same (text, name, later))
        {
          add_range (self, name->start, name[1].start);
          break;
        }
}

/* The secret of this process. Without it, names could be chosen so that their hashes are
 * equal. */
static guint64
get_secret (void)
{
  static gsize secret;

  if (g_once_init_enter (&secret))
    g_once_init_leave (&secret, 1 + g_random_int () % (HASH_MODULUS - 1));
  return secret;
}

static inline guint64
step_hash (guint64 hash, guint32 bytes, guint64 secret)
{
  guint64 next = hash * secret + bytes;

  /* This is modulo 2^31 - 1. The result may be 2^31 - 1 itself. */
  next = (next & HASH_MODULUS) + (next >> 31);
  return (next & HASH_MODULUS) + (next >> 31);
}

/* Returns: the value of a polynomial. Its coefficients are the bytes of the name, three at a
 *   time, its argument is the secret: two names have the same value for few secrets only. */
static guint64
hash_name (const char *name, gsize len, guint64 secret)
{
  guint64 hash = len & HASH_MODULUS;

  for (; len >= 4; name += 3, len -= 3)
    {
      guint32 bytes;

      memcpy (&bytes, name, sizeof bytes);
      hash = step_hash (hash, GUINT32_FROM_LE (bytes) & 0xffffff, secret);
    }
  for (; len > 0; name++, len--)
    hash = step_hash (hash, (guchar) *name, secret);
  return step_hash (hash, 0, secret) % HASH_MODULUS;
}

/* Returns: the number of slots, a power of two */
static gsize
prepare_table (LsobsJsonNames *self, gsize n_members)
{
  gsize n_slots = 4 * MAX_PAIRED;

  while (n_slots < 2 * n_members)
    n_slots *= 2;
  if (self->table == NULL)
    self->table = g_array_new (FALSE, FALSE, sizeof (guint32));
  /* No text that lsobs accepts has so many members. */
  g_assert (n_slots <= G_MAXUINT32);
  g_array_set_size (self->table, (guint) n_slots);
  memset (self->table->data, 0, n_slots * sizeof (guint32));
  return n_slots;
}

static void
compare_hashed (LsobsJsonNames *self, const LsobsBuffer *text)
{
  const LsobsJsonName *members = self->names + self->first;
  gsize n_members = self->n_names - self->first;
  gsize mask = prepare_table (self, n_members) - 1;
  guint64 secret = get_secret ();

  for (gsize i = 0; i < n_members; i++)
    {
      const LsobsJsonName *name = &members[i];
      gsize at = (gsize) hash_name (text->data + name->start, name->len, secret) & mask;
      guint32 *slot;

      /* A slot holds the number of a member, from 1; 0: it is free. */
      while (slot = &g_array_index (self->table, guint32, at),
             *slot != 0 && !is_same (text, &members[*slot - 1], name))
        at = (at + 1) & mask;
      if (*slot != 0)
        add_range (self, members[*slot - 1].start, members[*slot].start);
      *slot = (guint32) i + 1;
    }
}

/* The slow path of _lsobs_json_names_close(). Adds a range for each member of the innermost object
 * whose name appears again later. The time is proportional to the length of the names. */
void
_lsobs_json_names_compare (LsobsJsonNames *self, const LsobsBuffer *text)
{
  if (self->n_names - self->first > MAX_PAIRED)
    compare_hashed (self, text);
  else
    compare_pairs (self, text);
}

static int
compare_ranges (gconstpointer a, gconstpointer b)
{
  const LsobsJsonRange *first = a;
  const LsobsJsonRange *second = b;

  return (first->start > second->start) - (first->start < second->start);
}

/* As remove_ranges(), but some of the ranges are replaced, so that the text may become longer. */
static void
replace_ranges (LsobsJsonNames *self, LsobsBuffer *text)
{
  gsize start = g_array_index (self->ranges, LsobsJsonRange, 0).start;
  LsobsBuffer rest = LSOBS_BUFFER_INIT;
  gsize from = start;

  _lsobs_buffer_reserve (&rest, text->len - start);
  for (guint i = 0; i < self->ranges->len; i++)
    {
      const LsobsJsonRange *range = &g_array_index (self->ranges, LsobsJsonRange, i);

      /* A range may contain others. */
      if (range->start >= from)
        {
          _lsobs_buffer_append (&rest, text->data + from, range->start - from);
          if (range->replacement != NULL)
            _lsobs_buffer_append_str (&rest, range->replacement);
        }
      from = MAX (from, range->end);
    }
  _lsobs_buffer_append (&rest, text->data + from, text->len - from);
  _lsobs_buffer_truncate (text, start);
  _lsobs_buffer_append (text, rest.data, rest.len);
  _lsobs_buffer_clear (&rest);
}

/* All at the same time: removing one after the other would move the rest of the text each time. */
static void
remove_ranges (LsobsJsonNames *self, LsobsBuffer *text)
{
  gsize to;
  gsize from;

  to = from = g_array_index (self->ranges, LsobsJsonRange, 0).start;
  for (guint i = 0; i <= self->ranges->len; i++)
    {
      const LsobsJsonRange last = { text->len, text->len, NULL };
      const LsobsJsonRange range =
          i < self->ranges->len ? g_array_index (self->ranges, LsobsJsonRange, i) : last;

      /* A range may contain others. */
      if (range.start > from)
        {
          memmove (text->data + to, text->data + from, range.start - from);
          to += range.start - from;
          from = range.start;
        }
      from = MAX (from, range.end);
    }
  _lsobs_buffer_truncate (text, to);
}

/* Removes the ranges from the text, or replaces them. */
void
_lsobs_json_names_cut (LsobsJsonNames *self, LsobsBuffer *text)
{
  gboolean replaces = FALSE;

  if (self->ranges == NULL)
    return;

  g_array_sort (self->ranges, compare_ranges);
  for (guint i = 0; i < self->ranges->len; i++)
    replaces = replaces || g_array_index (self->ranges, LsobsJsonRange, i).replacement != NULL;
  if (replaces)
    replace_ranges (self, text);
  else
    remove_ranges (self, text);
}
