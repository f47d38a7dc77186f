/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* A JSON value that grows by the pieces of a stream: the texts of a member are put together, and
 * so are the elements of a list that have the same index. Its time is linear in the number of
 * bytes. Used by one thread at a time. */
typedef struct _LsobsJoin LsobsJoin;

/* What a join may still grow by, what did not fit, and how it has grown. */
typedef struct
{
  gsize n_left;       /* bytes */
  gsize n_cut;        /* bytes that were left out */
  gboolean is_full;   /* a text was cut: no text grows any more, as that would leave a hole */
  guint n_changes;    /* how often a text has grown, or values were added or removed */
  LsobsJoin *changed; /* (unowned) (nullable) the last of them, if it is a text */
  gsize n_added;      /* bytes that this text has grown by then */
} LsobsJoinLimit;

LsobsJoin *_lsobs_join_new (LsobsJoinLimit *limit);
void _lsobs_join_free (LsobsJoin *self);

LsobsJoin *_lsobs_join_get_object (LsobsJoin *self, const char *name);
LsobsJoin *_lsobs_join_get_element (LsobsJoin *self, const char *name, gint64 index);
LsobsJoin *_lsobs_join_add_element (LsobsJoin *self, const char *name);
guint _lsobs_join_count (LsobsJoin *self, const char *name);
gboolean _lsobs_join_is_empty (LsobsJoin *self);
gboolean _lsobs_join_finish (LsobsJoin *self);
gboolean _lsobs_join_has (LsobsJoin *self, const char *name);

void _lsobs_join_set (LsobsJoin *self, const char *name, JsonNode *node);
void _lsobs_join_set_string (LsobsJoin *self, const char *name, const char *text);
void _lsobs_join_add_text (LsobsJoin *self, const char *name, const char *text);
void _lsobs_join_add_raw_text (LsobsJoin *self, const char *name, const char *text);
void _lsobs_join_grow_text (LsobsJoin *self, const char *text, gsize len);
const char *_lsobs_join_peek_end (LsobsJoin *self, gsize len);
void _lsobs_join_append (LsobsJoin *self, const char *name, JsonNode *node);
void _lsobs_join_append_all (LsobsJoin *self, const char *name, JsonArray *array);
void _lsobs_join_merge_member (LsobsJoin *self, const char *name, JsonNode *node);
void _lsobs_join_merge (LsobsJoin *self, JsonObject *piece, const char *const *except);
void _lsobs_join_clear_object (LsobsJoin *self);

void _lsobs_join_write (LsobsJoin *self, LsobsBuffer *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsJoin, _lsobs_join_free)

G_END_DECLS
