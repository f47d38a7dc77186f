/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"

#include "tools/store/json-view.h"
#include "tools/store/search-text.h"

/* Buffers for the columns of the index, which one run after the other uses. */
typedef struct
{
  LsobsBuffer inputs;
  LsobsBuffer outputs;
  LsobsBuffer error;
  LsobsBuffer metadata;
  LsobsBuffer decoded;
} Columns;

static void
clear_columns (Columns *self)
{
  _lsobs_buffer_clear (&self->inputs);
  _lsobs_buffer_clear (&self->outputs);
  _lsobs_buffer_clear (&self->error);
  _lsobs_buffer_clear (&self->metadata);
  _lsobs_buffer_clear (&self->decoded);
}

static void
append_text (LsobsBuffer *out, gsize max, const char *text, gsize len)
{
  gsize room = max - MIN (out->len, max);

  len = _lsobs_utf8_cut (text, len, room);
  _lsobs_buffer_append (out, text, len);
  if (room > len)
    _lsobs_buffer_append_c (out, ' ');
}

/* Appends the values of sanitized JSON, without the names of members. */
static void
append_json (Columns *self, LsobsBuffer *out, gsize max, const char *json, gsize len)
{
  const char *at = json;
  const char *end = json + len;

  while (at < end && out->len < max)
    {
      const char *start = at;

      if (*at == '"')
        {
          LsobsJsonStringKind kind;
          gsize text_len;
          const char *text;

          at = _lsobs_json_string_scan (start + 1, end, &kind);
          if (at == NULL)
            return;
          if (at < end && *at == ':')
            continue;
          text_len = (gsize) (at - start) - 2;
          text = _lsobs_json_string_decode (start + 1, &text_len, kind, &self->decoded);
          append_text (out, max, text, text_len);
        }
      else if (*at == '-' || g_ascii_isdigit (*at))
        {
          while (at < end && strchr (",]}", *at) == NULL)
            at++;
          append_text (out, max, start, (gsize) (at - start));
        }
      else
        at++;
    }
}

static void
fill_columns (Columns *self, const SearchText *text)
{
  self->inputs.len = self->outputs.len = self->error.len = self->metadata.len = 0;
  if (text->inputs != NULL)
    append_json (self, &self->inputs, SEARCH_TEXT_MAX, text->inputs, strlen (text->inputs));
  if (text->outputs != NULL)
    append_json (self, &self->outputs, SEARCH_TEXT_MAX, text->outputs, strlen (text->outputs));
  if (text->error != NULL)
    append_text (&self->error, SEARCH_TEXT_MAX, text->error, strlen (text->error));
  if (text->tags != NULL)
    append_json (self, &self->metadata, G_MAXSIZE, text->tags, strlen (text->tags));
  if (text->extra != NULL)
    {
      g_auto (JsonView) view;
      const char *metadata;

      json_view_init (&view, text->extra, strlen (text->extra));
      metadata = json_view_find (&view, text->extra, "metadata", NULL);
      if (metadata != NULL)
        append_json (self, &self->metadata, G_MAXSIZE, metadata,
                     (gsize) (_lsobs_json_document_skip (&view, metadata) - metadata));
    }
}

static gboolean
write_columns (Database *database,
               const char *sql,
               gint64 seq,
               const SearchText *text,
               Columns *columns,
               GError **error)
{
  fill_columns (columns, text);
  return database_run (database, error, sql, "istttt", seq, text->name, columns->inputs.data,
                       columns->inputs.len, columns->outputs.data, columns->outputs.len,
                       columns->error.data, columns->error.len, columns->metadata.data,
                       columns->metadata.len);
}

static const char add_sql[] = "INSERT INTO search (rowid, name, inputs, outputs, error, metadata)"
                              " VALUES (?, ?, ?, ?, ?, ?)";
static const char remove_sql[] =
    "INSERT INTO search (search, rowid, name, inputs, outputs, error, metadata)"
    " VALUES ('delete', ?, ?, ?, ?, ?, ?)";

gboolean
search_text_add (Database *database, gint64 seq, const SearchText *text, GError **error)
{
  Columns columns = { 0 };
  gboolean done = write_columns (database, add_sql, seq, text, &columns, error);

  clear_columns (&columns);
  return done;
}

gboolean
search_text_remove (Database *database, gint64 seq, const SearchText *text, GError **error)
{
  Columns columns = { 0 };
  gboolean done = write_columns (database, remove_sql, seq, text, &columns, error);

  clear_columns (&columns);
  return done;
}

gboolean
search_text_equal (const SearchText *a, const SearchText *b)
{
  return g_strcmp0 (a->name, b->name) == 0 && g_strcmp0 (a->inputs, b->inputs) == 0 &&
         g_strcmp0 (a->outputs, b->outputs) == 0 && g_strcmp0 (a->error, b->error) == 0 &&
         g_strcmp0 (a->extra, b->extra) == 0 && g_strcmp0 (a->tags, b->tags) == 0;
}

gboolean
search_text_index_all (Database *database, GError **error)
{
  static const char sql[] = "SELECT r.seq, r.name, p.inputs, p.outputs, p.error, p.extra, r.tags"
                            " FROM runs AS r JOIN payloads AS p ON p.seq = r.seq ORDER BY r.seq";
  sqlite3_stmt *statement = database_get (database, sql, error);
  Columns columns = { 0 };
  int result = SQLITE_DONE;

  if (statement == NULL)
    return FALSE;
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    {
      const SearchText text = {
        .name = (const char *) sqlite3_column_text (statement, 1),
        .inputs = (const char *) sqlite3_column_text (statement, 2),
        .outputs = (const char *) sqlite3_column_text (statement, 3),
        .error = (const char *) sqlite3_column_text (statement, 4),
        .extra = (const char *) sqlite3_column_text (statement, 5),
        .tags = (const char *) sqlite3_column_text (statement, 6),
      };

      if (!write_columns (database, add_sql, sqlite3_column_int64 (statement, 0), &text, &columns,
                          error))
        break;
    }
  sqlite3_reset (statement);
  clear_columns (&columns);
  return result == SQLITE_DONE;
}

/* --- queries --- */

/* Whether the tokenizer finds a word in it. */
static gboolean
has_word (const char *text, gsize len)
{
  for (const char *at = text; at < text + len; at = g_utf8_next_char (at))
    if (g_unichar_isalnum (g_utf8_get_char (at)))
      return TRUE;
  return FALSE;
}

static void
append_phrase (GString *query, const char *text, gsize len)
{
  if (!has_word (text, len))
    return;
  g_string_append (query, query->len > 0 ? " AND \"" : "\"");
  for (gsize i = 0; i < len; i++)
    {
      g_string_append_c (query, text[i]);
      if (text[i] == '"')
        g_string_append_c (query, '"');
    }
  g_string_append_c (query, '"');
}

static char *
finish_query (const char *column, GString *query)
{
  char *result = NULL;

  if (query->len > 0 && column != NULL)
    result = g_strdup_printf ("%s : (%s)", column, query->str);
  else if (query->len > 0)
    result = g_strdup (query->str);
  g_string_free (query, TRUE);
  return result;
}

char *
search_text_make_query (const char *column, const char *text)
{
  GString *query = g_string_new (NULL);

  while (*text != '\0')
    {
      gboolean quoted = *text == '"';
      gsize len;

      text += quoted ? 1 : 0;
      len = strcspn (text, quoted ? "\"" : "\" \t\n\r");
      append_phrase (query, text, len);
      text += len;
      text += *text != '\0' && (quoted || *text != '"') ? 1 : 0;
    }
  return finish_query (column, query);
}

char *
search_text_make_phrase (const char *column, const char *text)
{
  GString *query = g_string_new (NULL);

  append_phrase (query, text, strlen (text));
  return finish_query (column, query);
}
