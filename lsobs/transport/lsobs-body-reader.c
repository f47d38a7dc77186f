/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/transport/lsobs-body-reader-private.h"

#define BOUNDARY_PARAMETER "boundary="

/* The beginnings of names of parts: of a create, of an update, and of a part that belongs to the
 * run before it. */
#define POST       "post."
#define PATCH      "patch."
#define ATTACHMENT "attachment."

/* A piece of the body: a part of a multipart body, or a run of a batch. */
typedef struct
{
  const char *start; /* (unowned) in the body or the document */
  gsize len;
  guint record;    /* index of the record that it belongs to */
  gboolean update; /* of a batch */
  gsize post_at;   /* where its name says that it belongs to a create, or 0 */
  gsize main_at;   /* where the object of a create begins, or 0 */
} BodyPart;

struct _LsobsBodyReader
{
  GBytes *body;               /* (owned) */
  char *delimiter;            /* (owned) (nullable) of a multipart body: two hyphens, boundary */
  LsobsJsonDocument document; /* of a batch, or of a single run */
  gboolean batch;
  gboolean single; /* a run */
  GArray *parts;   /* (owned) (element-type BodyPart): empty for a single record */
  guint n_records;

  /* Of a multipart body. Names and ids are keys of two tables, as the id of one record may be the
   * name of another one. */
  GHashTable *records; /* (owned) from what the names of a record begin with to its index plus 1 */
  GHashTable *runs;    /* (owned) from the id of a run to the index plus 1 of its last record */
  GArray *has_main;    /* (owned) (element-type gboolean) whether a record has its main part */
};

/* --- multipart --- */

/* Returns: (nullable): where @text begins between @from and @end */
static const char *
find_text (const char *from, const char *end, const char *text)
{
  gsize len = strlen (text);

  while (from != NULL && (gsize) (end - from) >= len)
    {
      from = memchr (from, *text, (gsize) (end - from) - len + 1);
      if (from == NULL || memcmp (from, text, len) == 0)
        return from;
      from++;
    }
  return NULL;
}

/* Returns: the index of a new record */
static guint
add_record (LsobsBodyReader *self)
{
  const gboolean has_main = FALSE;

  g_array_append_val (self->has_main, has_main);
  return self->n_records++;
}

static void
set_record (GHashTable *table, const char *key, guint record)
{
  g_hash_table_insert (table, g_strdup (key), GUINT_TO_POINTER (record + 1));
}

/* Attachments go with the record of the run before them. */
static guint
find_record_of_attachment (LsobsBodyReader *self, const char *id)
{
  guint record = GPOINTER_TO_UINT (g_hash_table_lookup (self->runs, id));

  if (record > 0)
    return record - 1;
  record = add_record (self);
  set_record (self->runs, id, record);
  return record;
}

/* A record has one main part: a second one with the same name begins another record.
 * @key: what the names of the record begin with: its kind, and the id
 * @id: in @key
 * @is_main: the part is the main one of its record */
static guint
find_record (LsobsBodyReader *self, const char *key, const char *id, gboolean is_main)
{
  guint record = GPOINTER_TO_UINT (g_hash_table_lookup (self->records, key));

  if (record > 0 && !(is_main && g_array_index (self->has_main, gboolean, record - 1)))
    {
      record--;
    }
  else
    {
      record = add_record (self);
      set_record (self->records, key, record);
      if (g_str_has_prefix (key, POST) || g_str_has_prefix (key, PATCH))
        set_record (self->runs, id, record);
    }
  if (is_main)
    g_array_index (self->has_main, gboolean, record) = TRUE;
  return record;
}

/* Whether a token may contain the character, by RFC 7230 and its predecessors. */
static gboolean
is_token_char (char c)
{
  return c > ' ' && c < 0x7f && strchr ("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* Reads a token, or a string in quotes, in a header.
 * @at: (inout): moved behind it
 * @end: of the header
 * @value: (out): without the quotes, and otherwise as it is there
 * Returns: FALSE if there is neither */
static gboolean
read_value (const char **at, const char *end, const char **value, gsize *len)
{
  const char *p = *at;

  if (p < end && *p == '"')
    {
      *value = ++p;
      while (p < end && *p != '"')
        p += *p == '\\' && end - p > 1 ? 2 : 1;
      if (p == end)
        return FALSE;
      *len = (gsize) (p - *value);
      *at = p + 1;
      return TRUE;
    }
  *value = p;
  while (p < end && is_token_char (*p))
    p++;
  *len = (gsize) (p - *value);
  *at = p;
  return *len > 0;
}

static const char *
skip_blanks (const char *at, const char *end)
{
  while (at < end && (*at == ' ' || *at == '\t'))
    at++;
  return at;
}

static gboolean
is_word (const char *text, gsize len, const char *word)
{
  return len == strlen (word) && g_ascii_strncasecmp (text, word, len) == 0;
}

/* @at: after the colon of a Content-Disposition
 * @end: of its line
 * @name: (inout): NULL at first: the parameter is set once only
 * Returns: FALSE if it is malformed, or has no name */
static gboolean
read_disposition (const char *at, const char *end, const char **name, gsize *name_len)
{
  const char *word;
  gsize len;

  at = skip_blanks (at, end);
  if (!read_value (&at, end, &word, &len) || !is_word (word, len, "form-data"))
    return FALSE;
  while ((at = skip_blanks (at, end)) < end)
    {
      const char *value;
      gsize value_len;

      if (*at != ';')
        return FALSE;
      at = skip_blanks (at + 1, end);
      if (*at == '"' || !read_value (&at, end, &word, &len) || at == end || *at != '=')
        return FALSE;
      at++;
      /* A name in another notation may mean another record. */
      if (!read_value (&at, end, &value, &value_len) || is_word (word, len, "name*"))
        return FALSE;
      if (!is_word (word, len, "name"))
        continue;
      if (*name != NULL)
        return FALSE;
      *name = value;
      *name_len = value_len;
    }
  return *name != NULL;
}

/* Whether there is a character that some parsers take for the end of a line, or of a text. */
static gboolean
has_control (const char *at, const char *end)
{
  while (at < end && (!g_ascii_iscntrl (*at) || *at == '\t'))
    at++;
  return at < end;
}

/* @start: of the headers of a part
 * @end: after its content
 * @name: (out): the parameter of its Content-Disposition
 * Returns: (nullable): where the content begins; NULL if the headers are malformed, or have no name */
static const char *
read_headers (const char *start, const char *end, const char **name, gsize *name_len)
{
  static const char disposition[] = "Content-Disposition";
  const char *line = start;
  const char *line_end;

  *name = NULL;
  *name_len = 0;
  while ((line_end = find_text (line, end, "\r\n")) != NULL && line_end > line)
    {
      const char *at = line;
      const char *word;
      gsize len;

      if (has_control (line, line_end) || *at == '"' || !read_value (&at, line_end, &word, &len) ||
          at == line_end || *at != ':')
        return NULL;
      /* A second Content-Disposition may name another record. */
      if (is_word (word, len, disposition) &&
          (*name != NULL || !read_disposition (at + 1, line_end, name, name_len)))
        return NULL;
      line = line_end + 2;
    }
  return line_end != NULL && *name != NULL ? line_end + 2 : NULL;
}

/* Finds the record of a part, whose name is such as post.ID, post.ID.inputs or attachment.ID.NAME.
 * Returns: FALSE if the service may read kind or id differently */
static gboolean
find_record_of_part (LsobsBodyReader *self, const char *name, gsize name_len, BodyPart *part)
{
  const char *name_end = name + name_len;
  const char *dot = memchr (name, '.', name_len);
  const char *id = dot != NULL ? dot + 1 : name;
  const char *id_end = memchr (id, '.', (gsize) (name_end - id));
  gsize id_at = (gsize) (id - name);
  g_autofree char *key = NULL;

  if (id_end == NULL)
    id_end = name_end;
  if (memchr (name, '\\', (gsize) (id_end - name)) != NULL)
    return FALSE;
  key = g_strndup (name, (gsize) (id_end - name));
  if (g_str_has_prefix (key, ATTACHMENT))
    part->record = find_record_of_attachment (self, key + id_at);
  else
    part->record = find_record (self, key, key + id_at, id_end == name_end);
  return TRUE;
}

/* @start: of the headers of a part
 * @end: after its content
 * Returns: FALSE if it is malformed */
static gboolean
add_part (LsobsBodyReader *self, const char *start, const char *end)
{
  const char *name;
  gsize len;
  const char *content = read_headers (start, end, &name, &len);
  BodyPart part = { .start = start, .len = (gsize) (end - start) };

  if (content == NULL || !find_record_of_part (self, name, len, &part))
    return FALSE;
  if (len >= strlen (POST) && memcmp (name, POST, strlen (POST)) == 0)
    {
      part.post_at = (gsize) (name - start);
      if (memchr (name + strlen (POST), '.', len - strlen (POST)) == NULL)
        part.main_at = (gsize) (content - start);
    }
  g_array_append_val (self->parts, part);
  return TRUE;
}

/* @at: after the delimiter that ends the body
 * Returns: FALSE if more follows than the end of its line */
static gboolean
is_end (const char *at, const char *end)
{
  return at == end || (end - at == 2 && memcmp (at, "\r\n", 2) == 0);
}

static gboolean
read_multipart (LsobsBodyReader *self, const char *type)
{
  const char *boundary = strstr (type, BOUNDARY_PARAMETER);
  g_autofree char *between = NULL;
  gsize len;
  const char *at = g_bytes_get_data (self->body, &len);
  const char *end = at + len;

  if (boundary == NULL)
    return FALSE;
  self->delimiter = g_strconcat ("--", boundary + strlen (BOUNDARY_PARAMETER), NULL);
  between = g_strconcat ("\r\n", self->delimiter, NULL);
  if (len < strlen (self->delimiter) || memcmp (at, self->delimiter, strlen (self->delimiter)) != 0)
    return FALSE;
  while (TRUE)
    {
      const char *next;

      at += strlen (self->delimiter);
      if (end - at >= 2 && memcmp (at, "--", 2) == 0)
        return self->n_records > 0 && is_end (at + 2, end);
      if (end - at < 2 || memcmp (at, "\r\n", 2) != 0)
        return FALSE;
      at += 2;
      next = find_text (at, end, between);
      if (next == NULL || !add_part (self, at, next))
        return FALSE;
      at = next + 2;
    }
}

/* --- batch --- */

static void
add_runs (LsobsBodyReader *self, const char *name, gboolean update)
{
  LsobsJsonDocument *document = &self->document;
  const char *at = _lsobs_json_document_find (document, document->text.data, name);

  if (at == NULL || *at != '[')
    return;
  for (at++; *at != ']'; at += *at == ',')
    {
      const char *next = _lsobs_json_document_skip (document, at);
      BodyPart part = {
        .start = at,
        .len = (gsize) (next - at),
        .record = self->n_records++,
        .update = update,
      };

      g_array_append_val (self->parts, part);
      at = next;
    }
}

static gboolean
read_batch (LsobsBodyReader *self)
{
  gsize len;
  const char *text = g_bytes_get_data (self->body, &len);

  if (!_lsobs_json_document_load (&self->document, text, len) || *self->document.text.data != '{')
    return FALSE;
  self->batch = TRUE;
  add_runs (self, "post", FALSE);
  add_runs (self, "patch", TRUE);
  return self->n_records > 0;
}

/* --- all --- */

/* @endpoint: that the body is for
 * @type: the Content-Type
 * @body: as it is before compression
 * Returns: (transfer full) (nullable): NULL if the body is malformed */
LsobsBodyReader *
_lsobs_body_reader_new (const char *endpoint, const char *type, GBytes *body)
{
  g_autoptr (LsobsBodyReader) self = g_new0 (LsobsBodyReader, 1);

  self->body = g_bytes_ref (body);
  self->parts = g_array_new (FALSE, FALSE, sizeof (BodyPart));
  self->records = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->runs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->has_main = g_array_new (FALSE, FALSE, sizeof (gboolean));
  if (g_str_has_prefix (type, "multipart/"))
    return read_multipart (self, type) ? g_steal_pointer (&self) : NULL;
  if (strcmp (endpoint, "runs/batch") == 0)
    return read_batch (self) ? g_steal_pointer (&self) : NULL;
  self->single = strcmp (endpoint, "runs") == 0;
  self->n_records = 1;
  return g_steal_pointer (&self);
}

void
_lsobs_body_reader_free (LsobsBodyReader *self)
{
  g_hash_table_unref (self->records);
  g_hash_table_unref (self->runs);
  g_array_unref (self->has_main);
  g_array_unref (self->parts);
  _lsobs_json_document_clear (&self->document);
  g_free (self->delimiter);
  g_bytes_unref (self->body);
  g_free (self);
}

guint
_lsobs_body_reader_get_n_records (LsobsBodyReader *self)
{
  return self->n_records;
}

static void
append_multipart (LsobsBodyReader *self, guint first, guint end, LsobsBuffer *out)
{
  for (guint i = 0; i < self->parts->len; i++)
    {
      const BodyPart *part = &g_array_index (self->parts, BodyPart, i);

      if (part->record < first || part->record >= end)
        continue;
      _lsobs_buffer_append_str (out, self->delimiter);
      _lsobs_buffer_append_str (out, "\r\n");
      _lsobs_buffer_append (out, part->start, part->len);
      _lsobs_buffer_append_str (out, "\r\n");
    }
  _lsobs_buffer_append_str (out, self->delimiter);
  _lsobs_buffer_append_str (out, "--\r\n");
}

static void
append_runs (LsobsBodyReader *self, guint first, guint end, gboolean update, LsobsBuffer *out)
{
  gboolean empty = TRUE;

  for (guint i = first; i < end; i++)
    {
      const BodyPart *part = &g_array_index (self->parts, BodyPart, i);

      if (part->update != update)
        continue;
      if (!empty)
        _lsobs_buffer_append_c (out, ',');
      empty = FALSE;
      _lsobs_buffer_append (out, part->start, part->len);
    }
}

/* Returns: (transfer full): a body of the same kind with the records from @first to before @end */
GBytes *
_lsobs_body_reader_slice (LsobsBodyReader *self, guint first, guint end)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  if (first == 0 && end == self->n_records)
    return g_bytes_ref (self->body);
  if (!self->batch)
    {
      append_multipart (self, first, end, &out);
      return _lsobs_buffer_steal_bytes (&out);
    }
  _lsobs_buffer_append_str (&out, "{\"post\":[");
  append_runs (self, first, end, FALSE, &out);
  _lsobs_buffer_append_str (&out, "],\"patch\":[");
  append_runs (self, first, end, TRUE, &out);
  _lsobs_buffer_append_str (&out, "]}");
  return _lsobs_buffer_steal_bytes (&out);
}

/* --- creates as updates --- */

/* Whether the run has ended.
 * @document: with an object */
static gboolean
has_end (LsobsJsonDocument *document, const char *object)
{
  const char *end_time = _lsobs_json_document_find (document, object, "end_time");

  return end_time != NULL && *end_time == '"';
}

/* @part: with the object of a create */
static gboolean
part_has_end (const BodyPart *part)
{
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;

  return _lsobs_json_document_load (&document, part->start + part->main_at,
                                    part->len - part->main_at) &&
         *document.text.data == '{' && has_end (&document, document.text.data);
}

/* Appends a part of a create as one of an update. */
static void
append_as_update (const BodyPart *part, LsobsBuffer *out)
{
  gsize at = part->post_at;

  if (at != 0)
    {
      _lsobs_buffer_append (out, part->start, at);
      _lsobs_buffer_append_str (out, PATCH);
      at += strlen (POST);
    }
  _lsobs_buffer_append (out, part->start + at, part->len - at);
}

/* Returns: (transfer full) (nullable) */
static GBytes *
make_multipart_update (LsobsBodyReader *self, guint index)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gboolean ended = FALSE;

  for (guint i = 0; i < self->parts->len; i++)
    {
      const BodyPart *part = &g_array_index (self->parts, BodyPart, i);

      if (part->record != index)
        continue;
      ended = ended || (part->main_at != 0 && part_has_end (part));
      _lsobs_buffer_append_str (&out, self->delimiter);
      _lsobs_buffer_append_str (&out, "\r\n");
      append_as_update (part, &out);
      _lsobs_buffer_append_str (&out, "\r\n");
    }
  _lsobs_buffer_append_str (&out, self->delimiter);
  _lsobs_buffer_append_str (&out, "--\r\n");
  return ended ? _lsobs_buffer_steal_bytes (&out) : NULL;
}

/* Returns: (transfer full) (nullable) */
static GBytes *
make_batch_update (LsobsBodyReader *self, guint index)
{
  const BodyPart *part = &g_array_index (self->parts, BodyPart, index);
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  if (part->update || *part->start != '{' || !has_end (&self->document, part->start))
    return NULL;
  _lsobs_buffer_append_str (&out, "{\"post\":[],\"patch\":[");
  _lsobs_buffer_append (&out, part->start, part->len);
  _lsobs_buffer_append_str (&out, "]}");
  return _lsobs_buffer_steal_bytes (&out);
}

/* Returns: (transfer full) (nullable) */
static GBytes *
make_single_update (LsobsBodyReader *self, char **id)
{
  LsobsJsonDocument *document = &self->document;
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  LsobsId parsed;
  gsize len;
  const char *text = g_bytes_get_data (self->body, &len);

  _lsobs_json_document_clear (document);
  if (!_lsobs_json_document_load (document, text, len) || *document->text.data != '{' ||
      !has_end (document, document->text.data))
    return NULL;
  text =
      _lsobs_json_document_decode (document,
                                   _lsobs_json_document_find (document, document->text.data, "id"),
                                   &len);
  if (text == NULL || len != LSOBS_UUID_LEN || !_lsobs_id_parse (&parsed, text))
    return NULL;
  /* The id becomes a part of the address. It is written anew, so that no other text of the file can
   * be there. */
  *id = g_malloc0 (LSOBS_UUID_LEN + 1);
  _lsobs_id_write (&parsed, *id);
  for (text = document->text.data + 1; *text != '}' && *text != '\0';)
    {
      const char *name = text;
      const char *decoded = _lsobs_json_document_decode (document, name, &len);
      gboolean is_id = len == 2 && memcmp (decoded, "id", 2) == 0;

      /* skips the value, too */
      text = _lsobs_json_document_skip (document, name);
      if (!is_id)
        {
          _lsobs_buffer_append_c (&out, out.len == 0 ? '{' : ',');
          _lsobs_buffer_append (&out, name, (gsize) (text - name));
        }
      text += *text == ',';
    }
  _lsobs_buffer_append_c (&out, '}');
  return _lsobs_buffer_steal_bytes (&out);
}

/* A service that has the run already may lack its end: makes an update of a create, which brings
 * the end.
 * @id: (out) (nullable) (transfer full): the id of the run; the address of an update of a single
 *   run needs it
 * Returns: (transfer full) (nullable): the record as an update; %NULL if the record does not create
 *   a run that has ended */
GBytes *
_lsobs_body_reader_make_update (LsobsBodyReader *self, guint index, char **id)
{
  *id = NULL;
  if (self->delimiter != NULL)
    return make_multipart_update (self, index);
  if (self->batch)
    return make_batch_update (self, index);
  return self->single ? make_single_update (self, id) : NULL;
}
