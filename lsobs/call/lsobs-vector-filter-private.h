/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* The member of the object that a vector becomes, with its length. */
#define LSOBS_VECTOR_LENGTH "lsobs_length"

/* Takes the vectors out of JSON text that comes in pieces of any size: an array without strings,
 * arrays and objects, and a long string, which is base64, become an object with the length. A plain
 * value, used by one thread at a time. */
typedef struct
{
  LsobsBuffer string;  /* (owned) the string that is not complete, as long as it may be short */
  gsize n_digits;      /* of base64 in it so far */
  gboolean is_base64;  /* the string has nothing else so far */
  gboolean is_long;    /* ... and its bytes are not kept any more */
  gboolean has_begun;  /* a byte that is no white space has come */
  gboolean is_json;    /* ... and begins JSON; what is something else is let through */
  guint64 n_numbers;   /* of the array that is not complete */
  gboolean has_number; /* the array has a byte after the bracket, or after the last comma */
  gboolean in_array;   /* the bytes are held back, as they may be those of a vector */
  gboolean in_string;
  gboolean is_escaped;
} LsobsVectorFilter;

void _lsobs_vector_filter_clear (LsobsVectorFilter *self);
void _lsobs_vector_filter_feed (LsobsVectorFilter *self,
                                LsobsBuffer *out,
                                const char *data,
                                gsize len);

G_END_DECLS
