/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* A member of an object that is being written, or the mark before the first one. */
typedef struct
{
  gsize start; /* where the name begins; of a mark: what LsobsJsonNames.first was before */
  gsize len;   /* of the name with its quotes; of a mark: what .seen was */
} LsobsJsonName;

/* Bytes of the text that are to go. */
typedef struct
{
  gsize start;
  gsize end;
} LsobsJsonHole;

/* The names of the members of all objects that are open, so that of several members
 * with one name only the last is left. The text itself is in a buffer to which the
 * owner appends; it must write equal names as equal bytes. A plain value: not
 * thread-safe. */
typedef struct
{
  LsobsJsonName *names; /* (owned) (nullable) of the outermost object first */
  gsize n_names;
  gsize n_allocated;
  gsize first;   /* the first member of the innermost object */
  gsize seen;    /* a bit for each of its names, from its length, first and last byte; the
                * highest bit: two names may be the same */
  GArray *holes; /* (owned) (nullable) (element-type LsobsJsonHole) */
  GArray *table; /* (owned) (nullable) (element-type guint32) used by one object after the other */
} LsobsJsonNames;

#define LSOBS_JSON_NAMES_N_BITS (8 * sizeof (gsize))
#define LSOBS_JSON_NAMES_ALIKE  ((gsize) 1 << (LSOBS_JSON_NAMES_N_BITS - 1))

#define LSOBS_JSON_NAMES_INIT \
 { \
  NULL, 0, 0, 0, 0, NULL, NULL \
 }

void _lsobs_json_names_clear (LsobsJsonNames *self);
void _lsobs_json_names_grow (LsobsJsonNames *self);
void _lsobs_json_names_compare (LsobsJsonNames *self, const LsobsBuffer *text);
void _lsobs_json_names_cut (LsobsJsonNames *self, LsobsBuffer *text);

static inline void
_lsobs_json_names_push (LsobsJsonNames *self, gsize start, gsize len)
{
  if (G_UNLIKELY (self->n_names == self->n_allocated))
    _lsobs_json_names_grow (self);

  self->names[self->n_names++] = (LsobsJsonName){ start, len };
}

/* The name that begins at @start, with its quote, and reaches to the end of the text. */
static inline void
_lsobs_json_names_add (LsobsJsonNames *self, const LsobsBuffer *text, gsize start)
{
  gsize len = text->len - start;
  guchar first = (guchar) text->data[start + 1];
  guchar last = (guchar) text->data[text->len - 2];
  gsize bit = (gsize) 1 << ((len + 5 * first + last) % LSOBS_JSON_NAMES_N_BITS);

  self->seen |= bit | ((self->seen & bit) != 0 ? LSOBS_JSON_NAMES_ALIKE : 0);
  _lsobs_json_names_push (self, start, len);
}

/* An object begins. */
static inline void
_lsobs_json_names_open (LsobsJsonNames *self)
{
  _lsobs_json_names_push (self, self->first, self->seen);
  self->first = self->n_names;
  self->seen = 0;
}

/* The innermost object ends. */
static inline void
_lsobs_json_names_close (LsobsJsonNames *self, const LsobsBuffer *text)
{
  if ((self->seen & LSOBS_JSON_NAMES_ALIKE) != 0)
    _lsobs_json_names_compare (self, text);

  self->n_names = self->first - 1;
  self->first = self->names[self->n_names].start;
  self->seen = self->names[self->n_names].len;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsJsonNames, _lsobs_json_names_clear)

G_END_DECLS
