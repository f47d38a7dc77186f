/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"

#include "tools/store/filter.h"
#include "tools/store/json-view.h"
#include "tools/store/run.h"
#include "tools/store/search-text.h"

/* Limits of a filter. */
#define MAX_LENGTH 65536
#define MAX_DEPTH  32
#define MAX_NODES  500

/* If a search finds more runs than this, each run is looked up in its result. Otherwise, only the
 * runs that it finds are read. */
#define MANY 2000

/* --- conditions --- */

typedef enum
{
  VALUE_INT,
  VALUE_DOUBLE,
  VALUE_TEXT,
  VALUE_ID
} ValueKind;

typedef struct
{
  ValueKind kind;
  gint64 integer;
  double real;
  char *text; /* (owned) (nullable) */
  LsobsId id;
} FilterValue;

static void
free_value (gpointer data)
{
  FilterValue *value = data;

  g_free (value->text);
  g_free (value);
}

FilterSql *
filter_sql_new (void)
{
  FilterSql *self = g_new0 (FilterSql, 1);

  self->sql = g_string_new (NULL);
  self->values = g_ptr_array_new_with_free_func (free_value);
  return self;
}

void
filter_sql_free (FilterSql *self)
{
  g_string_free (self->sql, TRUE);
  g_ptr_array_unref (self->values);
  g_free (self);
}

static FilterValue *
add_value (FilterSql *self, ValueKind kind)
{
  FilterValue *value = g_new0 (FilterValue, 1);

  value->kind = kind;
  g_ptr_array_add (self->values, value);
  return value;
}

void
filter_sql_add_int (FilterSql *self, gint64 value)
{
  add_value (self, VALUE_INT)->integer = value;
}

void
filter_sql_add_double (FilterSql *self, double value)
{
  add_value (self, VALUE_DOUBLE)->real = value;
}

void
filter_sql_add_text (FilterSql *self, const char *value)
{
  add_value (self, VALUE_TEXT)->text = g_strdup (value);
}

void
filter_sql_add_id (FilterSql *self, const LsobsId *id)
{
  add_value (self, VALUE_ID)->id = *id;
}

int
filter_sql_bind (FilterSql *self, sqlite3_stmt *statement, int first)
{
  for (guint i = 0; i < self->values->len; i++)
    {
      const FilterValue *value = g_ptr_array_index (self->values, i);

      switch (value->kind)
        {
        case VALUE_INT:
          first = database_bind (statement, first, "i", value->integer);
          break;
        case VALUE_DOUBLE:
          first = database_bind (statement, first, "d", value->real);
          break;
        case VALUE_TEXT:
          first = database_bind (statement, first, "s", value->text);
          break;
        case VALUE_ID:
          first = database_bind (statement, first, "u", &value->id);
          break;
        default:
          g_assert_not_reached ();
        }
    }
  return first;
}

/* --- nodes --- */

typedef enum
{
  NODE_CALL,
  NODE_NAME,
  NODE_TEXT,
  NODE_NUMBER,
  NODE_TRUE,
  NODE_FALSE,
  NODE_NULL
} NodeKind;

typedef struct
{
  NodeKind kind;
  char *text;           /* (owned) a name or a text; of a number, its digits */
  GPtrArray *arguments; /* (owned) (nullable) (element-type Node): of a call */
} Node;

static void
free_node (gpointer data)
{
  Node *node = data;

  g_free (node->text);
  g_clear_pointer (&node->arguments, g_ptr_array_unref);
  g_free (node);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Node, free_node)

typedef struct
{
  const char *text;
  const char *at;
  guint n_nodes;
} Parser;

static gpointer
refuse_syntax (Parser *self, GError **error)
{
  if (*self->at == '\0')
    g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID,
                         _ ("The filter ends too early: see whether a bracket or a quotation mark "
                            "is missing"));
  else
    g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID,
                 /* TRANSLATORS: %u is a number of bytes, %.30s the text at that place */
                 _ ("The filter is malformed at byte %u: “%.30s”"), (guint) (self->at - self->text),
                 self->at);
  return NULL;
}

static void
skip_space (Parser *self)
{
  while (g_ascii_isspace (*self->at))
    self->at++;
}

static gboolean
skip_char (Parser *self, char c)
{
  skip_space (self);
  if (*self->at != c)
    return FALSE;
  self->at++;
  return TRUE;
}

static Node *
new_node (Parser *self, NodeKind kind)
{
  Node *node = g_new0 (Node, 1);

  node->kind = kind;
  self->n_nodes++;
  return node;
}

/* A text in quotes. A backslash keeps the next character from ending it; inside of single quotes, where
 * JSON is written, other backslashes stay. */
static Node *
parse_text (Parser *self, GError **error)
{
  g_autoptr (Node) node = new_node (self, NODE_TEXT);
  g_autoptr (GString) text = g_string_new (NULL);
  const char *at = self->at + 1;
  char quote = *self->at;

  for (; *at != quote; at++)
    {
      if (*at == '\\' && (at[1] == quote || (quote == '"' && at[1] == '\\')))
        at++;
      if (*at == '\0')
        return refuse_syntax (self, error);
      g_string_append_c (text, *at);
    }
  self->at = at + 1;
  node->text = g_strdup (text->str);
  return g_steal_pointer (&node);
}

static Node *
parse_number (Parser *self, GError **error)
{
  Node *node;
  char *end;
  double number = g_ascii_strtod (self->at, &end);

  if (end == self->at || number < -1e300 || number > 1e300)
    return refuse_syntax (self, error);
  node = new_node (self, NODE_NUMBER);
  node->text = g_strndup (self->at, (gsize) (end - self->at));
  self->at = end;
  return node;
}

static Node *parse_value (Parser *self, guint depth, GError **error);

static Node *
parse_arguments (Parser *self, Node *call, guint depth, GError **error)
{
  call->arguments = g_ptr_array_new_with_free_func (free_node);
  if (skip_char (self, ')'))
    return call;
  do
    {
      Node *argument = parse_value (self, depth + 1, error);

      if (argument == NULL)
        {
          free_node (call);
          return NULL;
        }
      g_ptr_array_add (call->arguments, argument);
    }
  while (skip_char (self, ','));
  if (skip_char (self, ')'))
    return call;
  free_node (call);
  return refuse_syntax (self, error);
}

static Node *
parse_value (Parser *self, guint depth, GError **error)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
  Node *node;
  gsize len;

  skip_space (self);
  if (depth > MAX_DEPTH || self->n_nodes >= MAX_NODES)
    {
      g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID,
                           _ ("The filter is too deep or too long"));
      return NULL;
    }
  if (*self->at == '"' || *self->at == '\'')
    return parse_text (self, error);
  if (*self->at == '-' || g_ascii_isdigit (*self->at))
    return parse_number (self, error);
  len = strspn (self->at, letters);
  if (len == 0)
    return refuse_syntax (self, error);
  node = new_node (self, NODE_NAME);
  node->text = g_strndup (self->at, len);
  self->at += len;
  if (skip_char (self, '('))
    {
      node->kind = NODE_CALL;
      return parse_arguments (self, node, depth, error);
    }
  if (strcmp (node->text, "true") == 0)
    node->kind = NODE_TRUE;
  else if (strcmp (node->text, "false") == 0)
    node->kind = NODE_FALSE;
  else if (strcmp (node->text, "null") == 0 || strcmp (node->text, "None") == 0)
    node->kind = NODE_NULL;
  return node;
}

static Node *
parse_filter (const char *text, GError **error)
{
  Parser self = { text, text, 0 };
  Node *node;

  if (strlen (text) > MAX_LENGTH || !g_utf8_validate (text, -1, NULL))
    {
      g_set_error_literal (error, STORE_ERROR, STORE_ERROR_INVALID,
                           _ ("The filter is too deep or too long"));
      return NULL;
    }
  node = parse_value (&self, 0, error);
  skip_space (&self);
  if (node == NULL || *self.at == '\0')
    return node;
  free_node (node);
  return refuse_syntax (&self, error);
}

/* --- searches --- */

/* @n: (out): how many runs match, or MANY if there are more
 * @match: an expression of FTS5 */
static gboolean
count_matches (Store *store, const char *match, gint64 *n, GError **error)
{
  return database_query_int (store_get_database (store), n, 0, error,
                             "SELECT count(*) FROM"
                             " (SELECT 1 FROM search WHERE search MATCH ? LIMIT " G_STRINGIFY (
                                 MANY) ")",
                             "s", match);
}

/* Appends "seq is in the rows that match".
 * @match: an expression of FTS5 */
static gboolean
add_match (Store *store, FilterSql *self, const char *match, const char *table, GError **error)
{
  gint64 n;

  if (!count_matches (store, match, &n, error))
    return FALSE;
  if (n < MANY)
    {
      self->is_rare = self->is_rare || !self->is_any;
      g_string_append_printf (self->sql,
                              "%s.seq IN (SELECT rowid FROM search WHERE search MATCH ?)", table);
    }
  else
    g_string_append_printf (self->sql,
                            "EXISTS (SELECT 1 FROM search WHERE search MATCH ? AND rowid = %s.seq)",
                            table);
  filter_sql_add_text (self, match);
  return TRUE;
}

gboolean
filter_add_search (Store *store,
                   FilterSql *self,
                   const char *column,
                   const char *text,
                   const char *table,
                   GError **error)
{
  g_autofree char *match = search_text_make_query (column, text);

  if (match != NULL)
    return add_match (store, self, match, table, error);
  /* Text without a word is in no run. */
  g_string_append (self->sql, "0");
  return TRUE;
}

gboolean
filter_add_tree_search (Store *store,
                        FilterSql *self,
                        const char *text,
                        const char *table,
                        GError **error)
{
  g_autofree char *match = search_text_make_query (NULL, text);
  gint64 n;

  if (match == NULL)
    {
      g_string_append (self->sql, "0");
      return TRUE;
    }
  if (!count_matches (store, match, &n, error))
    return FALSE;
  if (n < MANY)
    {
      self->is_rare = self->is_rare || !self->is_any;
      g_string_append_printf (self->sql,
                              "%s.id IN (SELECT trace_id FROM runs WHERE seq IN"
                              " (SELECT rowid FROM search WHERE search MATCH ?))",
                              table);
    }
  else
    g_string_append_printf (self->sql,
                            "EXISTS (SELECT 1 FROM runs AS t WHERE t.trace_id = %s.id AND EXISTS"
                            " (SELECT 1 FROM search WHERE search MATCH ? AND rowid = t.seq))",
                            table);
  filter_sql_add_text (self, match);
  return TRUE;
}

/* Appends, before a condition that is true for runs with exactly this text, that its words are found.
 * Only text with a character that surely is of a word can be looked for. */
static gboolean
add_hint (Store *store, FilterSql *self, const char *text, const char *table, GError **error)
{
  g_autofree char *match = NULL;
  const char *at = text;

  while (*at != '\0' && !g_ascii_isalnum (*at))
    at++;
  if (*at == '\0')
    return TRUE;
  match = search_text_make_phrase ("metadata", text);
  if (!add_match (store, self, match, table, error))
    return FALSE;
  g_string_append (self->sql, " AND ");
  return TRUE;
}

/* --- from nodes to conditions --- */

typedef enum
{
  FIELD_TEXT,
  FIELD_ID,
  FIELD_TIME,
  FIELD_DURATION,
  FIELD_NUMBER,
  FIELD_STATUS,
  FIELD_ERROR,
  FIELD_ROOT
} FieldKind;

typedef struct
{
  const char *name;
  FieldKind kind;
  const char *sql; /* with %s for the name of the table */
} Field;

static const Field fields[] = {
  { "id", FIELD_ID, "%s.id" },
  { "trace_id", FIELD_ID, "%s.trace_id" },
  { "parent_run_id", FIELD_ID, "%s.parent_id" },
  { "name", FIELD_TEXT, "%s.name" },
  { "run_type", FIELD_TEXT, "%s.run_type" },
  { "thread_id", FIELD_TEXT, "%s.thread" },
  { "status", FIELD_STATUS, "%s.status" },
  { "start_time", FIELD_TIME, "%s.start_time" },
  { "end_time", FIELD_TIME, "%s.end_time" },
  { "latency", FIELD_DURATION, "(%1$s.end_time - %1$s.start_time)" },
  { "time_to_first_token", FIELD_DURATION, "(%1$s.tree_first_token_time - %1$s.start_time)" },
  { "tokens", FIELD_NUMBER, "%s.tree_total_tokens" },
  { "total_tokens", FIELD_NUMBER, "%s.tree_total_tokens" },
  { "prompt_tokens", FIELD_NUMBER, "%s.tree_prompt_tokens" },
  { "completion_tokens", FIELD_NUMBER, "%s.tree_completion_tokens" },
  { "total_cost", FIELD_NUMBER, "%s.tree_total_cost" },
  { "prompt_cost", FIELD_NUMBER, "%s.tree_prompt_cost" },
  { "completion_cost", FIELD_NUMBER, "%s.tree_completion_cost" },
  { "error", FIELD_ERROR, "(SELECT error FROM payloads WHERE seq = %s.seq)" },
  { "is_root", FIELD_ROOT, "(%s.parent_id IS NULL)" },
};

typedef struct
{
  Store *store;
  FilterSql *out;
  const char *table;
} Compiler;

static gboolean
refuse_word (const char *word, GError **error)
{
  /* TRANSLATORS: %s: a word of a filter */
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID,
               _ ("The filter has “%s”, which is not known"), word);
  return FALSE;
}

static gboolean
refuse_use (const char *word, GError **error)
{
  /* TRANSLATORS: %s: a word of a filter, such as the name of a field */
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID,
               _ ("The filter uses “%s” with arguments that it does not take"), word);
  return FALSE;
}

static const Field *
find_field (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strcmp (fields[i].name, name) == 0)
      return &fields[i];
  return NULL;
}

/* Returns: (nullable): the operator of SQL for a comparison */
static const char *
find_operator (const char *name)
{
  static const char *const operators[][2] = {
    { "eq", "=" },   { "neq", "IS NOT" }, { "gt", ">" },
    { "gte", ">=" }, { "lt", "<" },       { "lte", "<=" }
  };

  for (guint i = 0; i < G_N_ELEMENTS (operators); i++)
    if (strcmp (operators[i][0], name) == 0)
      return operators[i][1];
  return NULL;
}

static gboolean
is_equality (const char *name)
{
  return strcmp (name, "eq") == 0 || strcmp (name, "neq") == 0;
}

/* Appends the field. */
static void
append_field (Compiler *self, const Field *field)
{
  const char *at = field->sql;
  const char *mark;

  /* g_string_append_printf () is not used, because the format is not a constant. */
  while ((mark = strchr (at, '%')) != NULL)
    {
      g_string_append_len (self->out->sql, at, mark - at);
      g_string_append (self->out->sql, self->table);
      at = strchr (mark, 's') + 1;
    }
  g_string_append (self->out->sql, at);
}

/* A number is in seconds, as in LangSmith; a text has a unit. */
static gboolean
read_duration (const Node *value, gint64 *duration)
{
  g_autofree char *seconds = NULL;

  if (value->kind == NODE_NUMBER)
    seconds = g_strconcat (value->text, "s", NULL);
  return (value->kind == NODE_NUMBER || value->kind == NODE_TEXT) &&
         time_text_parse_duration (seconds != NULL ? seconds : value->text, duration);
}

static gboolean
add_comparison_value (Compiler *self, const Field *field, const Node *value)
{
  gint64 number;
  LsobsId id;

  switch (field->kind)
    {
    case FIELD_TEXT:
    case FIELD_ERROR:
      if (value->kind != NODE_TEXT)
        return FALSE;
      filter_sql_add_text (self->out, value->text);
      return TRUE;
    case FIELD_ID:
      if (value->kind != NODE_TEXT || !_lsobs_id_parse_text (&id, value->text))
        return FALSE;
      filter_sql_add_id (self->out, &id);
      return TRUE;
    case FIELD_TIME:
      if (value->kind == NODE_NUMBER)
        number = (gint64) (g_ascii_strtod (value->text, NULL) * 1000);
      else if (value->kind != NODE_TEXT ||
               !time_text_parse (value->text, strlen (value->text), &number))
        return FALSE;
      filter_sql_add_int (self->out, number);
      return TRUE;
    case FIELD_DURATION:
      if (!read_duration (value, &number))
        return FALSE;
      filter_sql_add_int (self->out, number);
      return TRUE;
    case FIELD_NUMBER:
      if (value->kind != NODE_NUMBER)
        return FALSE;
      filter_sql_add_double (self->out, g_ascii_strtod (value->text, NULL));
      return TRUE;
    case FIELD_STATUS:
      for (int i = RUN_PENDING; i <= RUN_ERROR; i++)
        if (value->kind == NODE_TEXT &&
            strcmp (value->text, run_status_get_name ((RunStatus) i)) == 0)
          {
            filter_sql_add_int (self->out, i);
            return TRUE;
          }
      return FALSE;
    case FIELD_ROOT:
      if (value->kind != NODE_TRUE && value->kind != NODE_FALSE)
        return FALSE;
      filter_sql_add_int (self->out, value->kind == NODE_TRUE);
      return TRUE;
    default:
      g_assert_not_reached ();
    }
}

/* Metadata by its name, its value, or both.
 * @key, @value: (nullable): the call of a comparison */
static gboolean
compile_metadata (Compiler *self, const Node *key, const Node *value, GError **error)
{
  const Node *first = key != NULL ? g_ptr_array_index (key->arguments, 1) : NULL;
  const Node *second = value != NULL ? g_ptr_array_index (value->arguments, 1) : NULL;

  if (first != NULL && (first->kind != NODE_TEXT || strcmp (key->text, "eq") != 0))
    return refuse_use ("metadata_key", error);
  if (second != NULL && second->kind != NODE_TEXT && second->kind != NODE_NUMBER &&
      second->kind != NODE_TRUE && second->kind != NODE_FALSE)
    return refuse_use ("metadata_value", error);
  if (second != NULL && second->kind == NODE_TEXT && strcmp (value->text, "eq") == 0 &&
      !add_hint (self->store, self->out, second->text, self->table, error))
    return FALSE;
  g_string_append_printf (
      self->out->sql,
      "EXISTS (SELECT 1 FROM payloads AS x, json_each (x.extra, '$.metadata') AS m"
      " WHERE x.seq = %s.seq",
      self->table);
  if (first != NULL)
    {
      g_string_append (self->out->sql, " AND m.key = ?");
      filter_sql_add_text (self->out, first->text);
    }
  if (second != NULL)
    {
      /* For SQLite, each text is greater than each number, and true is 1. */
      if (strcmp (value->text, "neq") != 0)
        g_string_append_printf (self->out->sql, " AND m.type IN (%s)",
                                second->kind == NODE_TEXT     ? "'text'"
                                : second->kind == NODE_NUMBER ? "'integer', 'real'"
                                                              : "'true', 'false'");
      g_string_append_printf (self->out->sql, " AND m.value %s ?", find_operator (value->text));
      if (second->kind == NODE_TEXT)
        filter_sql_add_text (self->out, second->text);
      else if (second->kind == NODE_NUMBER)
        filter_sql_add_double (self->out, g_ascii_strtod (second->text, NULL));
      else
        filter_sql_add_int (self->out, second->kind == NODE_TRUE);
    }
  g_string_append_c (self->out->sql, ')');
  return TRUE;
}

static gboolean
compile_tag (Compiler *self, const char *tag, GError **error)
{
  if (!add_hint (self->store, self->out, tag, self->table, error))
    return FALSE;
  g_string_append_printf (self->out->sql,
                          "EXISTS (SELECT 1 FROM json_each (%s.tags) WHERE value = ?)",
                          self->table);
  filter_sql_add_text (self->out, tag);
  return TRUE;
}

static gboolean
compile_comparison (Compiler *self, const Node *call, GError **error)
{
  const Node *name = call->arguments->len == 2 ? g_ptr_array_index (call->arguments, 0) : NULL;
  const Node *value = name != NULL ? g_ptr_array_index (call->arguments, 1) : NULL;
  const Field *field;

  if (name == NULL || name->kind != NODE_NAME)
    return refuse_use (call->text, error);
  if (strcmp (name->text, "metadata_key") == 0)
    return compile_metadata (self, call, NULL, error);
  if (strcmp (name->text, "metadata_value") == 0)
    return compile_metadata (self, NULL, call, error);
  field = find_field (name->text);
  if (field == NULL)
    return refuse_word (name->text, error);
  if (!is_equality (call->text) && (field->kind == FIELD_ID || field->kind == FIELD_STATUS ||
                                    field->kind == FIELD_ERROR || field->kind == FIELD_ROOT))
    return refuse_use (field->name, error);
  if (field->kind == FIELD_ERROR && value->kind != NODE_TEXT)
    {
      /* Whether runs with an error are wanted, or those without. */
      gboolean none = value->kind == NODE_NULL || value->kind == NODE_FALSE;

      if (!none && value->kind != NODE_TRUE)
        return refuse_use (field->name, error);
      none = none == (strcmp (call->text, "eq") == 0);
      g_string_append_printf (self->out->sql, "%s.status %s %d", self->table, none ? "<>" : "=",
                              RUN_ERROR);
      return TRUE;
    }
  append_field (self, field);
  if (value->kind == NODE_NULL && is_equality (call->text))
    {
      g_string_append (self->out->sql,
                       strcmp (call->text, "eq") == 0 ? " IS NULL" : " IS NOT NULL");
      return TRUE;
    }
  g_string_append_printf (self->out->sql, " %s ?", find_operator (call->text));
  return add_comparison_value (self, field, value) || refuse_use (field->name, error);
}

/* has (metadata, '{"name": value, …}') */
static gboolean
compile_members (Compiler *self, const char *json, GError **error)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_auto (JsonView) view;
  const char *at = NULL;
  JsonMember member;

  json_view_init (&view, "", 0);
  if (!_lsobs_json_sanitize (&text, json, strlen (json), &options) || *text.data != '{')
    return refuse_use ("metadata", error);
  _lsobs_buffer_append_c (&text, '\0');
  json_view_init (&view, text.data, text.len - 1);
  while (json_view_next (&view, text.data, &at, &member))
    {
      g_autofree char *string = json_view_dup_string (&view, member.value);
      g_autofree char *value = g_strndup (member.value, member.value_len);
      g_autofree char *name = NULL;
      double number;

      if (string != NULL && !add_hint (self->store, self->out, string, self->table, error))
        return FALSE;
      name = json_view_dup_string (&view, member.name - 1);
      g_string_append_printf (self->out->sql,
                              "EXISTS (SELECT 1 FROM payloads AS x,"
                              " json_each (x.extra, '$.metadata') AS m"
                              " WHERE x.seq = %s.seq AND m.key = ? AND ",
                              self->table);
      filter_sql_add_text (self->out, name);
      if (*value == 'n' || *value == 't' || *value == 'f')
        g_string_append (self->out->sql, "m.type = ?) AND ");
      else if (string == NULL && json_view_get_double (value, &number))
        g_string_append (self->out->sql, "m.type IN ('integer', 'real') AND m.value = ?) AND ");
      else
        g_string_append (self->out->sql, "m.value = ?) AND ");
      if (json_view_get_double (value, &number))
        filter_sql_add_double (self->out, number);
      else
        filter_sql_add_text (self->out, string != NULL ? string : value);
    }
  g_string_append (self->out->sql, "1");
  return TRUE;
}

static gboolean
compile_has (Compiler *self, const Node *call, GError **error)
{
  const Node *name = call->arguments->len == 2 ? g_ptr_array_index (call->arguments, 0) : NULL;
  const Node *value = name != NULL ? g_ptr_array_index (call->arguments, 1) : NULL;

  if (name == NULL || name->kind != NODE_NAME || value->kind != NODE_TEXT)
    return refuse_use (call->text, error);
  if (strcmp (name->text, "tags") == 0)
    return compile_tag (self, value->text, error);
  if (strcmp (name->text, "metadata") == 0)
    return compile_members (self, value->text, error);
  return refuse_word (name->text, error);
}

static gboolean
compile_search (Compiler *self, const Node *call, GError **error)
{
  static const char *const columns[] = { "name", "inputs", "outputs", "error", "metadata", NULL };
  guint n = call->arguments->len;
  const Node *text = n == 1 || n == 2 ? g_ptr_array_index (call->arguments, n - 1) : NULL;
  const Node *column = n == 2 ? g_ptr_array_index (call->arguments, 0) : NULL;

  if (text == NULL || text->kind != NODE_TEXT || (column != NULL && column->kind != NODE_NAME))
    return refuse_use (call->text, error);
  if (column != NULL && !g_strv_contains (columns, column->text))
    return refuse_word (column->text, error);
  return filter_add_search (self->store, self->out, column != NULL ? column->text : NULL,
                            text->text, self->table, error);
}

static gboolean compile (Compiler *self, const Node *node, GError **error);

/* Whether the node compares the field with a value. */
static gboolean
compares (const Node *node, const char *field)
{
  const Node *name;

  if (node->kind != NODE_CALL || find_operator (node->text) == NULL || node->arguments->len != 2)
    return FALSE;
  name = g_ptr_array_index (node->arguments, 0);
  return name->kind == NODE_NAME && strcmp (name->text, field) == 0;
}

/* In and (), the name and the value of metadata beside it belong together. */
static gboolean
compile_list (Compiler *self, const Node *call, GError **error)
{
  gboolean is_and = strcmp (call->text, "and") == 0;

  for (guint i = 0; i < call->arguments->len; i++)
    {
      const Node *node = g_ptr_array_index (call->arguments, i);
      const Node *next =
          i + 1 < call->arguments->len ? g_ptr_array_index (call->arguments, i + 1) : NULL;

      if (i > 0)
        g_string_append (self->out->sql, is_and ? " AND " : " OR ");
      if (is_and && next != NULL && compares (node, "metadata_key") &&
          compares (next, "metadata_value"))
        {
          if (!compile_metadata (self, node, next, error))
            return FALSE;
          i++;
        }
      else if (!compile (self, node, error))
        return FALSE;
    }
  return call->arguments->len > 0 || refuse_use (call->text, error);
}

static gboolean
compile_call (Compiler *self, const Node *call, GError **error)
{
  if (find_operator (call->text) != NULL)
    return compile_comparison (self, call, error);
  if (strcmp (call->text, "has") == 0)
    return compile_has (self, call, error);
  if (strcmp (call->text, "search") == 0)
    return compile_search (self, call, error);
  if (strcmp (call->text, "and") == 0 || strcmp (call->text, "or") == 0)
    return compile_list (self, call, error);
  if (strcmp (call->text, "not") != 0)
    return refuse_word (call->text, error);
  if (call->arguments->len != 1)
    return refuse_use (call->text, error);
  /* A comparison with what is not known is false, and its opposite is true. */
  g_string_append (self->out->sql, "NOT coalesce (");
  if (!compile (self, g_ptr_array_index (call->arguments, 0), error))
    return FALSE;
  g_string_append (self->out->sql, ", 0)");
  return TRUE;
}

static gboolean
compile (Compiler *self, const Node *node, GError **error)
{
  gboolean was_any = self->out->is_any;

  if (node->kind != NODE_CALL)
    return node->kind == NODE_NAME ? refuse_word (node->text, error)
                                   : refuse_use (node->text != NULL ? node->text : "null", error);
  self->out->is_any = was_any || strcmp (node->text, "or") == 0 || strcmp (node->text, "not") == 0;
  g_string_append_c (self->out->sql, '(');
  if (!compile_call (self, node, error))
    return FALSE;
  g_string_append_c (self->out->sql, ')');
  self->out->is_any = was_any;
  return TRUE;
}

gboolean
filter_compile (Store *store,
                FilterSql *self,
                const char *filter,
                const char *table,
                GError **error)
{
  g_autoptr (Node) node = parse_filter (filter, error);
  Compiler compiler = { store, self, table };

  return node != NULL && compile (&compiler, node, error);
}
