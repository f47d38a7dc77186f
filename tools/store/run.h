/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs: what changes make of them, and one run read. */

#pragma once

#include "tools/store/change.h"
#include "tools/store/store.h"

G_BEGIN_DECLS

typedef enum
{
  RUN_PENDING,
  RUN_SUCCESS,
  RUN_ERROR
} RunStatus;

/* Tokens, and costs in US dollars. */
typedef struct
{
  gint64 prompt_tokens;
  gint64 completion_tokens;
  gint64 total_tokens;
  double prompt_cost;
  double completion_cost;
  double total_cost;
} RunUsage;

typedef struct
{
  gint64 seq;
  LsobsId id;
  LsobsId trace_id;
  gboolean has_parent;
  LsobsId parent_id;
  gint64 project;   /* seq of it */
  gint64 change;    /* grows with each change of any run */
  gint64 received;  /* µs: when it came first */
  gboolean created; /* FALSE: only updates have come */
  RunStatus status;
  char *run_type; /* (owned) */
  char *name;     /* (owned) */
  gint64 start_time;
  gint64 end_time;              /* or TIME_NONE */
  gint64 first_token_time;      /* its own, or TIME_NONE */
  gint64 tree_first_token_time; /* of it and what is below it, or TIME_NONE */
  RunUsage usage;               /* its own */
  RunUsage tree_usage;          /* of it and what is below it */
  char *thread;                 /* (owned) (nullable) the conversation that it belongs to */
  char *tags;                   /* (owned) (nullable) JSON */
  char *dotted_order;           /* (owned) */

  /* Long texts, if the caller has asked for them. */
  char *error;             /* (owned) (nullable) */
  char *reference_example; /* (owned) (nullable) */
  char *inputs;            /* (owned) (nullable) JSON, as the next ones */
  char *outputs;           /* (owned) (nullable) */
  char *extra;             /* (owned) (nullable) */
  char *events;            /* (owned) (nullable) */
  char *serialized;        /* (owned) (nullable) */
} Run;

/* The columns that run_read_row () reads, of runs AS r. */
#define RUN_COLUMNS \
 "r.seq, r.id, r.trace_id, r.parent_id, r.project, r.change, r.received, r.created, r.status," \
 " r.run_type, r.name, r.start_time, r.end_time, r.first_token_time, r.prompt_tokens," \
 " r.completion_tokens, r.total_tokens, r.prompt_cost, r.completion_cost, r.total_cost," \
 " r.tree_first_token_time, r.tree_prompt_tokens, r.tree_completion_tokens, r.tree_total_tokens," \
 " r.tree_prompt_cost, r.tree_completion_cost, r.tree_total_cost, r.thread, r.tags, r.dotted_order"
/* ... and of payloads AS p behind them. */
#define RUN_PAYLOAD_COLUMNS \
 "p.error, p.reference_example, p.inputs, p.outputs, p.extra, p.events, p.serialized"

/* Applies a change, in a transaction. Creates and updates may come in any order, and more than once: a
 * create sets only what is not known, an update replaces it. Metadata is merged. */
gboolean run_apply (Store *store, const Change *change, GError **error);

/* Returns: (transfer full) (nullable): NULL with STORE_ERROR_NOT_FOUND if it is missing
 * @whole: with what is long */
Run *run_load (Store *store, const LsobsId *id, gboolean whole, GError **error);

/* Returns: (transfer full): the current row */
Run *run_read_row (sqlite3_stmt *statement, gboolean whole);
void run_free (Run *self);

/* Returns: a word of LangSmith's API */
const char *run_status_get_name (RunStatus status);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Run, run_free)

G_END_DECLS
