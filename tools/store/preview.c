/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-buffer-private.h"

#include "tools/store/json-put.h"
#include "tools/store/json-view.h"
#include "tools/store/preview.h"

/* How many levels deep a text is looked for. */
#define MAX_DEPTH 12

/* Bytes of JSON that become a line, if no text is found: more than a line has. */
#define MAX_JSON 2048

/* --- lines --- */

char *
preview_dup_text_line (const char *text)
{
  GString *line = g_string_new (NULL);
  gboolean space = FALSE;
  guint n = 0;

  for (; *text != '\0'; text = g_utf8_next_char (text))
    {
      gunichar c = g_utf8_get_char (text);

      if (g_unichar_isspace (c) || g_unichar_iscntrl (c))
        {
          space = line->len > 0;
          continue;
        }
      n += space ? 2 : 1;
      if (n >= PREVIEW_MAX)
        {
          g_string_append (line, "…");
          break;
        }
      if (space)
        g_string_append_c (line, ' ');
      g_string_append_unichar (line, c);
      space = FALSE;
    }
  return g_string_free (line, line->len == 0);
}

/* Where the text is in an object, those that say most first. */
static const char *const names[] = { "messages", "input",    "inputs",  "question",    "query",
                                     "prompt",   "prompts",  "content", "text",        "output",
                                     "outputs",  "answer",   "result",  "response",    "completion",
                                     "message",  "choices",  "kwargs",  "generations", "value",
                                     "final",    "documents" };

static char *find_text (JsonView *view, const char *value, guint depth);

/* The last message counts. In other arrays, too, the newest element is the last one. */
static char *
find_in_array (JsonView *view, const char *array, guint depth)
{
  const char *at = NULL;
  const char *last = NULL;
  const char *text = NULL;
  JsonMember element;

  while (json_view_next (view, array, &at, &element))
    {
      last = element.value;
      /* A message may have parts, such as an image after its text. */
      if (*last == '{' && json_view_find (view, last, "text", NULL) != NULL)
        text = last;
    }
  return last != NULL ? find_text (view, text != NULL ? text : last, depth + 1) : NULL;
}

static char *
find_in_object (JsonView *view, const char *object, guint depth)
{
  const char *at = NULL;
  const char *end;
  JsonMember member;
  JsonMember other;
  char *text = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names) && text == NULL; i++)
    {
      const char *value = json_view_find (view, object, names[i], NULL);

      if (json_value_is_set (value))
        text = find_text (view, value, depth + 1);
    }
  if (text != NULL)
    return text;
  if (!json_view_next (view, object, &at, &member))
    return NULL;
  if (!json_view_next (view, object, &at, &other))
    return find_text (view, member.value, depth + 1);
  /* Arguments of a tool, and the like. */
  end = _lsobs_json_document_skip (view, object);
  return g_strndup (object, MIN ((gsize) (end - object), MAX_JSON));
}

/* Returns: (transfer full) (nullable) */
static char *
find_text (JsonView *view, const char *value, guint depth)
{
  const char *end;
  char *text;

  if (depth <= MAX_DEPTH && *value == '{')
    return find_in_object (view, value, depth);
  if (depth <= MAX_DEPTH && *value == '[')
    return find_in_array (view, value, depth);
  if (*value == 'n')
    return NULL;
  text = json_view_dup_string (view, value);
  if (text != NULL && *text == '\0')
    g_clear_pointer (&text, g_free);
  if (text != NULL || *value == '"')
    return text;
  end = _lsobs_json_document_skip (view, value);
  return g_strndup (value, MIN ((gsize) (end - value), MAX_JSON));
}

char *
preview_dup_line (const char *json)
{
  g_auto (JsonView) view;
  g_autofree char *text = NULL;
  const char *end;

  json_view_init (&view, json, strlen (json));
  text = find_text (&view, json, 0);
  if (text == NULL)
    return NULL;
  /* JSON may be cut inside of a character. */
  if (!g_utf8_validate (text, -1, &end))
    text[end - text] = '\0';
  return preview_dup_text_line (text);
}

/* --- events --- */

/* Returns: (transfer full) (nullable): an array of {name, time}, without tokens, of which there are many */
static char *
dup_events (const char *json)
{
  g_auto (JsonView) view;
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  const char *at = NULL;
  JsonMember event;
  guint n = 0;

  json_view_init (&view, json, strlen (json));
  json_put_begin (&out, NULL, '[');
  while (n < PREVIEW_MAX_EVENTS && json_view_next (&view, json, &at, &event))
    {
      g_autofree char *name =
          json_view_dup_string (&view, json_view_find (&view, event.value, "name", NULL));
      g_autofree char *line = name != NULL ? preview_dup_text_line (name) : NULL;
      const char *value = json_view_find (&view, event.value, "time", NULL);
      g_autofree char *text = json_view_dup_string (&view, value);
      gint64 time = TIME_NONE;
      double ms;

      if (text != NULL)
        time_text_parse (text, strlen (text), &time);
      else if (json_view_get_double (value, &ms) && ms >= 0 && ms < 1e14)
        time = (gint64) (ms * 1000);
      if (line == NULL || time == TIME_NONE || strcmp (line, "new_token") == 0)
        continue;
      json_put_begin (&out, NULL, '{');
      json_put_text (&out, "name", line);
      json_put_time (&out, "time", time);
      json_put_end (&out, '}');
      n++;
    }
  json_put_end (&out, ']');
  return n > 0 ? g_strndup (out.data, out.len) : NULL;
}

/* --- in the store --- */

/* @is_root: whether inputs and outputs are shown in lists */
static gboolean
write_lines (Database *database,
             gint64 seq,
             gboolean is_root,
             const char *inputs,
             const char *outputs,
             const char *problem,
             const char *events,
             GError **error)
{
  g_autofree char *input = is_root && inputs != NULL ? preview_dup_line (inputs) : NULL;
  g_autofree char *output = is_root && outputs != NULL ? preview_dup_line (outputs) : NULL;
  g_autofree char *problem_line = problem != NULL ? preview_dup_text_line (problem) : NULL;
  g_autofree char *marks = events != NULL ? dup_events (events) : NULL;

  if (input == NULL && output == NULL && problem_line == NULL && marks == NULL)
    return TRUE;
  return database_run (database, error, "INSERT OR REPLACE INTO previews VALUES (?, ?, ?, ?, ?)",
                       "issss", seq, input, output, problem_line, marks);
}

gboolean
preview_write (Database *database, const Run *run, GError **error)
{
  return write_lines (database, run->seq, !run->has_parent, run->inputs, run->outputs, run->error,
                      run->events, error);
}

gboolean
preview_load (Store *store, gint64 seq, Preview *preview, GError **error)
{
  Database *database = store_get_database (store);
  sqlite3_stmt *statement =
      database_get (database, "SELECT input, output, error, events FROM previews WHERE seq = ?",
                    error);
  int result;

  *preview = (Preview){ NULL, NULL, NULL, NULL };
  if (statement == NULL)
    return FALSE;
  database_bind (statement, 1, "i", seq);
  result = database_step (database, statement, error);
  if (result == SQLITE_ROW)
    *preview =
        (Preview){ database_column_text (statement, 0), database_column_text (statement, 1),
                   database_column_text (statement, 2), database_column_text (statement, 3) };
  sqlite3_reset (statement);
  return result == SQLITE_ROW || result == SQLITE_DONE;
}

void
preview_clear (Preview *self)
{
  g_free (self->input);
  g_free (self->output);
  g_free (self->problem);
  g_free (self->events);
}

gboolean
preview_remove (Database *database, gint64 seq, GError **error)
{
  return database_run (database, error, "DELETE FROM previews WHERE seq = ?", "i", seq);
}

gboolean
preview_make_all (Database *database, GError **error)
{
  static const char sql[] =
      "SELECT r.seq, r.parent_id IS NULL, p.inputs, p.outputs, p.error, p.events"
      " FROM runs AS r JOIN payloads AS p ON p.seq = r.seq"
      " WHERE r.parent_id IS NULL OR p.error IS NOT NULL OR p.events IS NOT NULL";
  sqlite3_stmt *statement = database_get (database, sql, error);
  int result = SQLITE_DONE;

  if (statement == NULL)
    return FALSE;
  while ((result = database_step (database, statement, error)) == SQLITE_ROW)
    if (!write_lines (database, sqlite3_column_int64 (statement, 0),
                      sqlite3_column_int (statement, 1) != 0,
                      (const char *) sqlite3_column_text (statement, 2),
                      (const char *) sqlite3_column_text (statement, 3),
                      (const char *) sqlite3_column_text (statement, 4),
                      (const char *) sqlite3_column_text (statement, 5), error))
      break;
  sqlite3_reset (statement);
  return result == SQLITE_DONE;
}
