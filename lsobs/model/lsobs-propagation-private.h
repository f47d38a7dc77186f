/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lsobs/config/lsobs-target-private.h"
#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-id-private.h"

G_BEGIN_DECLS

/* The headers that carry a trace from one process to another. All functions here are pure. Headers
 * come from outside and may have any content. */

#define LSOBS_TRACE_HEADER   "langsmith-trace"
#define LSOBS_BAGGAGE_HEADER "baggage"

/* Longer headers are ignored. */
#define LSOBS_MAX_HEADER_BYTES 8192
/* The most that lsobs writes: the header may have items of other libraries, too. */
#define LSOBS_MAX_BAGGAGE_BYTES 4096
/* The most segments of a path in a header, read or written. */
#define LSOBS_MAX_REMOTE_DEPTH 100

/* A baggage header under construction. */
typedef struct
{
  gsize room;           /* bytes that can still be added */
  LsobsBuffer metadata; /* (owned) percent-encoded, as the next two */
  LsobsBuffer tags;
  LsobsBuffer target;
} LsobsBaggage;

#define LSOBS_BAGGAGE_INIT(max_bytes) \
 { \
  (max_bytes) + 1, LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT \
 }

void _lsobs_baggage_clear (LsobsBaggage *self);
gboolean _lsobs_baggage_set_target (LsobsBaggage *self, const LsobsTarget *target);
gboolean _lsobs_baggage_add_metadatum (LsobsBaggage *self, const char *member, gsize len);
gboolean _lsobs_baggage_add_tag (LsobsBaggage *self, const char *tag);
char *_lsobs_baggage_write (LsobsBaggage *self);
char *_lsobs_baggage_dup_other (const char *header);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsBaggage, _lsobs_baggage_clear)

/* A run in another process: the parent of runs in this one. */
typedef struct
{
  GArray *segments;     /* (owned) (element-type LsobsSegment) the root first; not empty */
  JsonObject *metadata; /* (owned) (nullable) */
  GPtrArray *tags;      /* (owned) (nullable) (element-type utf8) */
  LsobsTarget *target;  /* (owned) (nullable) */
} LsobsRemoteParent;

LsobsRemoteParent *_lsobs_remote_parent_parse (const char *trace, const char *baggage);
void _lsobs_remote_parent_free (LsobsRemoteParent *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRemoteParent, _lsobs_remote_parent_free)

G_END_DECLS
