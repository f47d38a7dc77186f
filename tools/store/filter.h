/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The filter language of LangSmith's API, as far as it is known here:
 *
 *   and (X, …)   or (X, …)   not (X)
 *   eq neq gt gte lt lte (FIELD, VALUE)
 *   has (tags, "TAG")   has (metadata, '{"NAME": VALUE}')
 *   search ("WORDS")   search (name | inputs | outputs | error | metadata, "WORDS")
 *
 * Fields: id, trace_id, parent_run_id, name, run_type, status, start_time, end_time, latency,
 * time_to_first_token, tokens (total_tokens), prompt_tokens, completion_tokens, total_cost, prompt_cost,
 * completion_cost, error, thread_id, is_root, and, inside of one and (), metadata_key with
 * metadata_value. Values: "text", 'text', numbers, true, false, null. Times are ISO 8601; latencies are
 * seconds, or text such as "1.5s" and "200ms". Numbers of tokens and costs are those of a run and what
 * is below it. Anything else is refused with STORE_ERROR_INVALID and a message that names it. */

#pragma once

#include "tools/store/store.h"

G_BEGIN_DECLS

/* A condition of SQL with the values for its question marks. */
typedef struct
{
  GString *sql;      /* (owned) */
  GPtrArray *values; /* (owned) (element-type FilterValue) */
  gboolean is_any;   /* what is appended now is inside of an alternative, or of a negation */
  gboolean is_rare;  /* it is true only for the few runs of a search: these should be read first */
} FilterSql;

FilterSql *filter_sql_new (void);
void filter_sql_free (FilterSql *self);

/* Appends values. */
void filter_sql_add_int (FilterSql *self, gint64 value);
void filter_sql_add_double (FilterSql *self, double value);
void filter_sql_add_text (FilterSql *self, const char *value);
void filter_sql_add_id (FilterSql *self, const LsobsId *id);
/* Binds them to the parameters from number @first on, and returns the number after the last. They stay
 * with @self. */
int filter_sql_bind (FilterSql *self, sqlite3_stmt *statement, int first);

/* Appends a filter as a condition for the rows of runs with the name @table.
 * @store: is asked how many runs a search finds */
gboolean filter_compile (Store *store,
                         FilterSql *self,
                         const char *filter,
                         const char *table,
                         GError **error);
/* Appends a condition for runs with all words of @text, in any column if @column is NULL. */
gboolean filter_add_search (Store *store,
                            FilterSql *self,
                            const char *column,
                            const char *text,
                            const char *table,
                            GError **error);
/* The same for roots of traces, one run of which has all words. */
gboolean filter_add_tree_search (Store *store,
                                 FilterSql *self,
                                 const char *text,
                                 const char *table,
                                 GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FilterSql, filter_sql_free)

G_END_DECLS
