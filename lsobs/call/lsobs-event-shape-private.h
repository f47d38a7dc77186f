/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"

G_BEGIN_DECLS

#define LSOBS_SHAPE_MAX_HOLES 16

/* A value that may differ between events of one shape. */
typedef struct
{
  gsize start; /* its first byte; of a string, the first one after the quote */
  gsize len;
  gboolean is_string;
  gboolean is_text; /* it is the piece of text */
  gboolean varies;  /* FALSE: all events have had the same value so far */
} LsobsShapeHole;

/* What the events of a stream have in common that differ in a piece of a text, and in values of
 * which the last one counts. An event of that shape is known by comparing bytes, as they come from
 * the network: it need not be parsed. A plain value, used by one thread at a time. */
typedef struct
{
  LsobsBuffer bytes; /* (owned) an event, with the bytes that separate it from the one before */
  LsobsShapeHole holes[LSOBS_SHAPE_MAX_HOLES]; /* in their order */
  guint n_holes;
  gsize json_start;   /* where the JSON of the event begins */
  gsize json_end;     /* how many bytes there are after it */
  gboolean is_usable; /* FALSE: only what varies is known */
  gboolean varies;    /* events differ in more than the text */
} LsobsEventShape;

/* The piece of text of an event. */
typedef struct
{
  const char *raw; /* (unowned) as it is in the JSON */
  gsize len;
  LsobsJsonStringKind kind;
} LsobsShapeText;

void _lsobs_event_shape_clear (LsobsEventShape *self);
void _lsobs_event_shape_learn (LsobsEventShape *self,
                               const char *bytes,
                               gsize len,
                               gsize json_len,
                               const char *text,
                               gsize text_len);
gsize _lsobs_event_shape_match (const LsobsEventShape *self,
                                const char *bytes,
                                gsize len,
                                LsobsShapeText *text);

G_END_DECLS
