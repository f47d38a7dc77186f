/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* How the events of a body are separated. The first bytes tell. */
typedef enum
{
  LSOBS_FRAMING_UNKNOWN, /* nothing but white space has come */
  LSOBS_FRAMING_EVENTS,  /* server-sent events */
  LSOBS_FRAMING_JSON,    /* one JSON text, several ones (NDJSON), or an array with one per event */
  LSOBS_FRAMING_TEXT     /* anything else: there are no events */
} LsobsFramingKind;

/* Gets an event: the data of a server-sent event, or the text of a JSON object or array. It need
 * not be valid. */
typedef void (*LsobsFramingFunc) (gpointer user_data, const char *text, gsize len);

/* Gets bytes of the body at which an event begins, with what separates it from the one before, and
 * takes it, if it is whole and of a known shape. Returns how many bytes it has, or 0. */
typedef gsize (*LsobsFramingSkipFunc) (gpointer user_data, const char *bytes, gsize len);

/* Takes the events out of a body that comes in pieces of any size. Its time is linear in the
 * number of bytes, however they are cut. An event that is longer than the limit is left out. A
 * plain value, used by one thread at a time. */
typedef struct
{
  LsobsFramingFunc func;
  LsobsFramingSkipFunc skip;
  gpointer user_data;
  gsize max_bytes; /* of an event */

  LsobsFramingKind kind;
  const char *raw; /* (unowned) (nullable) while @func runs: the bytes of the body that the event
                    * came in, if they came in one piece */
  gsize raw_len;
  LsobsBuffer event; /* (owned) the event that is not complete */
  LsobsBuffer line;  /* (owned) of server-sent events: the line that is not complete */
  gsize line_len;    /* its length, also if it is left out */
  guint64 n_bytes;   /* of the body so far */
  gsize n_cut;       /* bytes of events that were longer than the limit */
  gsize n_skipped;   /* bytes of the present event, if it is longer than the limit, or else 0 */
  guint depth;       /* of JSON: open arrays and objects */
  guint base;        /* 1 inside an array whose elements are the events, or else 0 */
  gboolean in_string;
  gboolean is_escaped;    /* the next byte of the string follows a backslash */
  gboolean skips_newline; /* the next byte, if it is a newline, ends the line before it */
  gboolean has_data;      /* of server-sent events: the event has a data field */
  gboolean is_error;      /* ... and its name is "error" */
} LsobsCallFraming;

void _lsobs_call_framing_init (LsobsCallFraming *self,
                               gsize max_bytes,
                               LsobsFramingFunc func,
                               LsobsFramingSkipFunc skip,
                               gpointer user_data);
void _lsobs_call_framing_clear (LsobsCallFraming *self);
void _lsobs_call_framing_feed (LsobsCallFraming *self, const char *data, gsize len);
gboolean _lsobs_call_framing_end (LsobsCallFraming *self);

G_END_DECLS
