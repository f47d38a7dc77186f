/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/call/lsobs-call-format-private.h"
#include "lsobs/call/lsobs-call-framing-private.h"
#include "lsobs/call/lsobs-event-shape-private.h"
#include "lsobs/call/lsobs-join-private.h"
#include "lsobs/call/lsobs-vector-filter-private.h"

G_BEGIN_DECLS

/* How many bytes of an answer are kept: of one event, and of all events together. */
#define LSOBS_CALL_MAX_BYTES (16 * 1024 * 1024)

/* The answer of a model, which comes in pieces. The format fills it with what the events have.
 * Used by one thread at a time. */
struct _LsobsCallAnswer
{
  const LsobsCallFormat *format; /* (nullable) NULL keeps the answer as it is */
  gboolean is_guess;             /* the answer may be of another format, and is kept then */
  guint n_choices;               /* how many the request asks for */
  guint n_finished;              /* how many have come to their end */

  LsobsVectorFilter vectors; /* (owned) before all else, if the format has vectors */
  LsobsBuffer filtered;      /* (owned) what it has let through of the present piece */
  LsobsCallFraming framing;
  LsobsBuffer scratch;      /* (owned) the event that is being taken */
  LsobsBuffer raw;          /* (owned) the first bytes, for an answer without events */
  LsobsEventShape shape;    /* (owned) of the event before */
  LsobsBuffer last;         /* (owned) the last event of that shape, which was skipped so far */
  LsobsShapeText last_text; /* in @last */
  LsobsBuffer decoded;      /* (owned) the text that was decoded last */
  LsobsJoinLimit limit;
  LsobsJoin *join;     /* (owned) the events, put together */
  GBytes *whole;       /* (owned) (nullable) the outputs, if they came in one event */
  JsonObject *usage;   /* (owned) (nullable) an object that has the usage, as in an answer */
  JsonObject *details; /* (owned) (nullable) metadata */
  char *model;         /* (owned) (nullable) */
  char *error;         /* (owned) (nullable) what the service says went wrong */
  char *error_type;    /* (owned) (nullable) its word for that */
  char *message;       /* (owned) (nullable) what it says if there is an error */

  gboolean is_known;    /* the format has taken an event */
  gboolean is_stream;   /* events of a stream have come */
  gboolean has_token;   /* ... and one of them with a part of the outputs */
  gboolean is_complete; /* nothing of the outputs is missing */
  gboolean has_ended;   /* the mark of the format for the end of a stream has come */
};

LsobsCallAnswer *_lsobs_call_answer_new (const LsobsCallFormat *format, guint n_choices);
void _lsobs_call_answer_free (LsobsCallAnswer *self);
void _lsobs_call_answer_feed (LsobsCallAnswer *self, const char *data, gsize len);
void _lsobs_call_answer_end (LsobsCallAnswer *self, gboolean is_whole);
char *_lsobs_call_answer_dup_error (LsobsCallAnswer *self, guint status, const char *phrase);
GBytes *_lsobs_call_answer_dup_outputs (LsobsCallAnswer *self);
guint64 _lsobs_call_answer_count_cut (LsobsCallAnswer *self);

/* For formats. */
void _lsobs_call_answer_keep_event (LsobsCallAnswer *self);
void _lsobs_call_answer_keep_text (LsobsCallAnswer *self, LsobsBuffer *text);
void _lsobs_call_answer_take_usage (LsobsCallAnswer *self, JsonObject *response);
void _lsobs_call_answer_merge_usage (LsobsCallAnswer *self, JsonObject *usage);
void _lsobs_call_answer_take_model (LsobsCallAnswer *self, const char *model);
gboolean _lsobs_call_answer_take_error (LsobsCallAnswer *self, JsonObject *object);
void _lsobs_call_answer_add_detail (LsobsCallAnswer *self, const char *name, JsonNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsCallAnswer, _lsobs_call_answer_free)

G_END_DECLS
