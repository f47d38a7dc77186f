/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Feedback: what people and programs say about a run. It may come before its run. */

#pragma once

#include "tools/store/store.h"
#include "tools/store/time-text.h"

G_BEGIN_DECLS

typedef struct
{
  LsobsId id;
  gboolean has_run;
  LsobsId run_id;
  char *key;       /* (owned) */
  gboolean scored; /* whether it has a score */
  double score;    /* a truth value is 0 or 1 */
  gint64 created;  /* µs */
  gint64 modified; /* µs */
  char *body;      /* (owned) the JSON object as it was sent, sanitized, with its id */
} Feedback;

/* Reads feedback as clients send it. Used without the store.
 * @id: (nullable): if @text need not have an id; else one is made
 * Returns: (transfer full) (nullable): NULL with an error that names what is wrong */
Feedback *feedback_new_from_json (const char *id, const char *text, gsize len, GError **error);
void feedback_free (Feedback *self);

/* Writes feedback, or replaces one with the same id. In a transaction. */
gboolean feedback_write (Store *store, const Feedback *self, GError **error);
/* Sets the members of an object in the feedback that is there. In a transaction.
 * Returns: (transfer full) (nullable): the result */
Feedback *feedback_change (Store *store,
                           const LsobsId *id,
                           const char *text,
                           gsize len,
                           GError **error);
gboolean feedback_delete (Store *store, const LsobsId *id, GError **error);

Feedback *feedback_load (Store *store, const LsobsId *id, GError **error);
/* Which feedback: that for which all that is set is true. Pointers are (nullable), and not owned. Start
 * with FEEDBACK_QUERY_INIT. */
typedef struct
{
  GArray *run_ids;            /* (element-type LsobsId) */
  GArray *project_ids;        /* (element-type LsobsId): of these projects, or of their runs */
  const char *const *keys;    /* NULL-terminated, as sources */
  const char *const *sources; /* such as "api" or "model" */
  int has_score;              /* -1: any */
  int has_comment;            /* -1: any */
  gint64 min_created;         /* µs, or TIME_NONE */
  gint64 max_created;         /* µs, or TIME_NONE */
  gint64 limit;
  gint64 offset;
} FeedbackQuery;

#define FEEDBACK_QUERY_INIT \
 { \
  .has_score = -1, .has_comment = -1, .min_created = TIME_NONE, .max_created = TIME_NONE, \
  .limit = 100 \
 }

/* Returns: (transfer full) (element-type Feedback): the newest first */
GPtrArray *feedback_find (Store *store, const FeedbackQuery *query, GError **error);

/* Returns: (transfer full) (element-type Feedback): the newest first
 * @run_ids: (nullable) (element-type LsobsId): of these runs
 * @keys: (nullable): with one of these keys */
GPtrArray *feedback_list (Store *store,
                          GArray *run_ids,
                          const char *const *keys,
                          gint64 limit,
                          gint64 offset,
                          GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Feedback, feedback_free)

G_END_DECLS
