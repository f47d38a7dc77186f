/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-path-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* A longer path is cut. */
#define MAX_PATH_BYTES 256

/* An array or object that is open. */
typedef struct
{
  gboolean is_array;
  guint index;      /* of the element of an array */
  const char *name; /* (unowned) (nullable) of the member of an object, without quotes */
  gsize len;
  LsobsJsonStringKind kind;
} PathEntry;

/* Finds paths in JSON text, which the sanitizer has accepted. */
typedef struct
{
  const char *p;
  const char *end;
  gsize depth; /* entries that are deeper than the maximum are counted only */
  PathEntry entries[LSOBS_JSON_MAX_DEPTH];
  gboolean at_name; /* the next string is the name of a member */
} PathReader;

static PathEntry *
peek_entry (PathReader *self)
{
  return self->depth > 0 && self->depth <= LSOBS_JSON_MAX_DEPTH ? &self->entries[self->depth - 1]
                                                                : NULL;
}

/* Takes a byte that is not in a string. */
static void
take_byte (PathReader *self, char c)
{
  PathEntry *entry;

  switch (c)
    {
    case '{':
    case '[':
      self->depth++;
      entry = peek_entry (self);
      if (entry != NULL)
        *entry = (PathEntry){ .is_array = c == '[' };
      self->at_name = c == '{';
      break;
    case '}':
    case ']':
      self->depth--;
      self->at_name = FALSE;
      break;
    case ',':
      entry = peek_entry (self);
      if (entry != NULL && entry->is_array)
        entry->index++;
      /* Below the maximum, strings are not cut. */
      self->at_name = entry != NULL && !entry->is_array;
      break;
    default:
      break;
    }
}

/* Takes the string that begins at self->p.
 * Returns: FALSE if it does not end */
static gboolean
take_string (PathReader *self)
{
  const char *text = self->p + 1;
  LsobsJsonStringKind kind;
  const char *after = _lsobs_json_string_scan (text, self->end, &kind);
  PathEntry *entry = peek_entry (self);

  if (after == NULL)
    return FALSE;
  if (self->at_name && entry != NULL)
    {
      entry->name = text;
      entry->len = (gsize) (after - 1 - text);
      entry->kind = kind;
      self->at_name = FALSE;
    }
  self->p = after;
  return TRUE;
}

/* Reads up to the string at @target.
 * Returns: FALSE if the text ends before */
static gboolean
read_to (PathReader *self, const char *target)
{
  while (self->p < target)
    {
      if (*self->p != '"')
        take_byte (self, *self->p++);
      else if (!take_string (self))
        return FALSE;
    }
  return self->p == target;
}

/* @path: is appended to */
static void
append_entries (PathReader *self, LsobsBuffer *path)
{
  g_auto (LsobsBuffer) decoded = LSOBS_BUFFER_INIT;

  for (gsize i = 0; i < MIN (self->depth, LSOBS_JSON_MAX_DEPTH); i++)
    {
      const PathEntry *entry = &self->entries[i];
      gsize len = entry->len;
      const char *name;

      if (entry->is_array)
        {
          _lsobs_buffer_append_c (path, '[');
          _lsobs_buffer_append_int64 (path, entry->index);
          _lsobs_buffer_append_c (path, ']');
          continue;
        }
      if (entry->name == NULL)
        continue;
      name = _lsobs_json_string_decode (entry->name, &len, entry->kind, &decoded);
      _lsobs_buffer_append_c (path, '.');
      _lsobs_buffer_append (path, name, len);
    }
}

/* Appends the paths of the strings, such as "inputs.messages[0].content", as JSON strings with a
 * comma before each, unless nothing is before it. Its time is linear in the length of @text.
 * @text: what the sanitizer has read, and has made an object of */
void
_lsobs_json_path_write_cuts (LsobsBuffer *out,
                             const LsobsJsonCuts *cuts,
                             const char *prefix,
                             const char *text,
                             gsize len)
{
  PathReader reader = { .p = text, .end = len > 0 ? text + len : text };
  gsize n_spaces = 0;
  gboolean is_object;

  while (n_spaces < len && g_ascii_isspace (text[n_spaces]))
    n_spaces++;
  is_object = n_spaces < len && text[n_spaces] == '{';
  for (guint i = 0; i < MIN (cuts->n, LSOBS_JSON_MAX_CUT_PATHS); i++)
    {
      g_auto (LsobsBuffer) path = LSOBS_BUFFER_INIT;

      _lsobs_buffer_append_str (&path, prefix);
      if (!is_object)
        _lsobs_buffer_append_str (&path, ".value");
      if (cuts->offsets[i] < len && read_to (&reader, text + cuts->offsets[i]))
        append_entries (&reader, &path);
      if (out->len > 0)
        _lsobs_buffer_append_c (out, ',');
      _lsobs_json_write_string (out, path.data,
                                _lsobs_utf8_cut (path.data, path.len, MAX_PATH_BYTES));
    }
}
