/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* A member of an object that is being written, or the mark that precedes its members. */
typedef struct
{
  gsize start; /* position of the name in the text; of a mark: .first of the outer object */
  gsize len;   /* length of the name with quotes; of a mark: .seen of the outer object */
} LsobsJsonName;

/* A range of the text that will be removed, or replaced. */
typedef struct
{
  gsize start;
  gsize end;
  const char *replacement; /* (nullable) of static lifetime */
} LsobsJsonRange;

/* Finds members of an object that have the same name, so that only the last one remains. It holds
 * the names in all open objects. The text is in a buffer to which the caller appends; the caller
 * writes equal names as equal bytes. A plain value, used by one thread at a time. */
typedef struct
{
  LsobsJsonName *names; /* (owned) (nullable) those of the outermost object first */
  gsize n_names;
  gsize n_allocated;
  gsize first;    /* number of the first member of the innermost object */
  gsize seen;     /* a bit for each name in the innermost object, computed from its length, first
                * and last byte; the highest bit: two names may be equal */
  GArray *ranges; /* (owned) (nullable) (element-type LsobsJsonRange) */
  GArray *table;  /* (owned) (nullable) (element-type guint32) hash table of one object at a time */
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
void _lsobs_json_names_replace (LsobsJsonNames *self,
                                gsize start,
                                gsize end,
                                const char *replacement);
void _lsobs_json_names_cut (LsobsJsonNames *self, LsobsBuffer *text);

static inline void
_lsobs_json_names_push (LsobsJsonNames *self, gsize start, gsize len)
{
  if (G_UNLIKELY (self->n_names == self->n_allocated))
    _lsobs_json_names_grow (self);

  self->names[self->n_names++] = (LsobsJsonName){ start, len };
}

/* Adds the name from @start, its opening quote, up to the end of the text. */
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

/* Called at the beginning of an object. */
static inline void
_lsobs_json_names_open (LsobsJsonNames *self)
{
  _lsobs_json_names_push (self, self->first, self->seen);
  self->first = self->n_names;
  self->seen = 0;
}

/* Called at the end of the innermost object. */
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
