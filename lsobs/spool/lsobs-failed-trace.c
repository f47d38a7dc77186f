/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/spool/lsobs-failed-trace-private.h"
#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

#define FORMAT_VERSION "1"

/* The member of lsobs in the JSON object. Other clients ignore it. */
#define OWNER_MEMBER "lsobs"

/* How much of a body is written at a time, in bytes. A multiple of 3, so that base64 needs no
 * padding in between. */
#define CHUNK (48 * 1024)

#define MAX_BOUNDARY_LEN 70

/* The endpoints, and whether their bodies are multipart. */
static const struct
{
  const char *endpoint;
  gboolean multipart;
} endpoints[] = {
  { .endpoint = "runs/multipart", .multipart = TRUE },
  { .endpoint = "runs/batch" },
  { .endpoint = "runs" },
  { .endpoint = "feedback" },
};

/* @encoding: (nullable) */
LsobsFailedTrace *
_lsobs_failed_trace_new (const char *endpoint,
                         const char *content_type,
                         const char *encoding,
                         GBytes *body)
{
  LsobsFailedTrace *self = g_new0 (LsobsFailedTrace, 1);

  self->endpoint = g_strdup (endpoint);
  self->content_type = g_strdup (content_type);
  self->encoding = g_strdup (encoding);
  self->body = g_bytes_ref (body);
  return self;
}

void
_lsobs_failed_trace_free (LsobsFailedTrace *self)
{
  g_free (self->endpoint);
  g_free (self->content_type);
  g_free (self->encoding);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_free (self->owner);
  g_free (self);
}

/* --- writing --- */

static void
append_string (LsobsBuffer *out, const char *before, const char *text)
{
  _lsobs_buffer_append_str (out, before);
  _lsobs_json_write_string (out, text, strlen (text));
}

/* Writes the JSON text before the body. */
static void
write_head (LsobsFailedTrace *self, LsobsBuffer *out)
{
  _lsobs_buffer_append_str (out, "{\"version\":" FORMAT_VERSION);
  append_string (out, ",\"endpoint\":", self->endpoint);
  append_string (out, ",\"headers\":{\"Content-Type\":", self->content_type);
  if (self->encoding != NULL)
    append_string (out, ",\"Content-Encoding\":", self->encoding);
  _lsobs_buffer_append_str (out, "}");
  if (self->owner != NULL)
    {
      _lsobs_buffer_append_str (out, ",\"" OWNER_MEMBER "\":");
      _lsobs_buffer_append_str (out, self->owner);
    }
  _lsobs_buffer_append_str (out, ",\"body_base64\":\"");
}

/* Returns: the size of the file, in bytes */
gsize
_lsobs_failed_trace_measure (LsobsFailedTrace *self)
{
  g_auto (LsobsBuffer) head = LSOBS_BUFFER_INIT;

  write_head (self, &head);
  return head.len + (g_bytes_get_size (self->body) + 2) / 3 * 4 + strlen ("\"}");
}

static gboolean
write_all (int fd, const char *data, gsize len)
{
  while (len > 0)
    {
      gssize n = write (fd, data, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return FALSE;
      data += n;
      len -= (gsize) n;
    }
  return TRUE;
}

/* Blocks while the disk does. Sets errno on failure. */
gboolean
_lsobs_failed_trace_write (LsobsFailedTrace *self, int fd)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gsize left;
  const guchar *data = g_bytes_get_data (self->body, &left);
  int state = 0;
  int save = 0;

  write_head (self, &out);
  while (left > 0)
    {
      gsize n = MIN (left, CHUNK);
      char *room = _lsobs_buffer_reserve (&out, CHUNK / 3 * 4 + 4);

      out.len += g_base64_encode_step (data, n, FALSE, room, &state, &save);
      data += n;
      left -= n;
      if (left > 0)
        {
          if (!write_all (fd, out.data, out.len))
            return FALSE;
          _lsobs_buffer_truncate (&out, 0);
        }
    }
  out.len += g_base64_encode_close (FALSE, _lsobs_buffer_reserve (&out, 4), &state, &save);
  _lsobs_buffer_append_str (&out, "\"}");
  return write_all (fd, out.data, out.len);
}

/* --- reading: the file may be malicious --- */

static gboolean
fail (GError **error, const char *problem)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, problem);
  return FALSE;
}

/* Returns: (transfer full) (nullable): the text of a string; empty if a header cannot hold it, and
 *   %NULL without @value */
static char *
dup_word (LsobsJsonDocument *document, const char *value)
{
  gsize len = 0;
  const char *text = _lsobs_json_document_decode (document, value, &len);

  for (gsize i = 0; i < len; i++)
    if (text[i] < 0x20 || text[i] >= 0x7f)
      len = 0;
  return value != NULL ? g_strndup (len > 0 ? text : "", len) : NULL;
}

/* Finds a header by its name, or by its name in lower case. The official clients use both.
 * Returns: (transfer full) (nullable) */
static char *
dup_header (LsobsJsonDocument *document, const char *name)
{
  g_autofree char *lower = g_ascii_strdown (name, -1);
  const char *headers = _lsobs_json_document_find (document, document->text.data, "headers");
  const char *value = _lsobs_json_document_find (document, headers, name);

  if (value == NULL)
    value = _lsobs_json_document_find (document, headers, lower);
  return dup_word (document, value);
}

static gboolean
is_boundary (const char *text)
{
  gsize len = strlen (text);

  return len > 0 && len <= MAX_BOUNDARY_LEN &&
         strspn (text, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "'+_-.") == len;
}

/* Whether @text is a type that a client gives to a body of the endpoint. */
static gboolean
is_content_type (const char *text, gboolean multipart)
{
  static const char prefix[] = "multipart/form-data; boundary=";

  if (multipart)
    return g_str_has_prefix (text, prefix) && is_boundary (text + strlen (prefix));
  return g_ascii_strcasecmp (text, "application/json") == 0 ||
         g_ascii_strcasecmp (text, "application/json; charset=utf-8") == 0;
}

static gboolean
check_head (LsobsFailedTrace *self, GError **error)
{
  guint i = 0;

  if (self->endpoint == NULL)
    return fail (error, "no endpoint");
  while (i < G_N_ELEMENTS (endpoints) && strcmp (self->endpoint, endpoints[i].endpoint) != 0)
    i++;
  if (i == G_N_ELEMENTS (endpoints))
    return fail (error, "no endpoint of the service");
  if (self->content_type == NULL || !is_content_type (self->content_type, endpoints[i].multipart))
    return fail (error, "no type of content that fits the endpoint");
  if (self->encoding != NULL && strcmp (self->encoding, "gzip") != 0 &&
      strcmp (self->encoding, "zstd") != 0)
    return fail (error, "an unknown encoding of the content");
  return TRUE;
}

/* Returns: (transfer full) (nullable): %NULL if @text is not strict base64 */
static GBytes *
decode_body (const char *text, gsize len)
{
  g_autofree guchar *data = NULL;
  gsize n_padding = 0;
  int state = 0;
  guint save = 0;
  gsize size;

  if (text == NULL || len == 0 || len % 4 != 0)
    return NULL;
  while (n_padding < 2 && text[len - n_padding - 1] == '=')
    n_padding++;
  for (gsize i = 0; i < len - n_padding; i++)
    if (!g_ascii_isalnum (text[i]) && text[i] != '+' && text[i] != '/')
      return NULL;
  data = g_malloc (len / 4 * 3 + 3);
  size = g_base64_decode_step (text, len, data, &state, &save);
  return g_bytes_new_take (g_steal_pointer (&data), size);
}

/* Fails with G_IO_ERROR_INVALID_DATA; the message is for the debug log.
 * Returns: (transfer full) (nullable) */
LsobsFailedTrace *
_lsobs_failed_trace_parse (const char *text, gsize len, GError **error)
{
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;
  g_autoptr (LsobsFailedTrace) self = NULL;
  const char *version;
  const char *owner;
  const char *body;
  gsize body_len = 0;

  if (!_lsobs_json_document_load (&document, text, len) || *document.text.data != '{')
    {
      fail (error, "no JSON object");
      return NULL;
    }
  version = _lsobs_json_document_find (&document, document.text.data, "version");
  if (version == NULL || !g_str_has_prefix (version, FORMAT_VERSION) ||
      strchr (",}", version[strlen (FORMAT_VERSION)]) == NULL)
    {
      fail (error, "an unknown version");
      return NULL;
    }

  self = g_new0 (LsobsFailedTrace, 1);
  self->endpoint =
      dup_word (&document, _lsobs_json_document_find (&document, document.text.data, "endpoint"));
  self->content_type = dup_header (&document, "Content-Type");
  self->encoding = dup_header (&document, "Content-Encoding");
  body = _lsobs_json_document_find (&document, document.text.data, "body_base64");
  body = _lsobs_json_document_decode (&document, body, &body_len);
  self->body = decode_body (body, body_len);
  owner = _lsobs_json_document_find (&document, document.text.data, OWNER_MEMBER);
  if (owner != NULL)
    self->owner = _lsobs_json_document_dup_value (&document, owner);
  if (!check_head (self, error))
    return NULL;
  if (self->body == NULL)
    {
      fail (error, "no body, or one that is no base64");
      return NULL;
    }
  return g_steal_pointer (&self);
}

/* --- names of files --- */

/* @now: µs since 1970
 * @tag: (nullable): of the owner, and perhaps the mark of its key
 * @n_records: in the file, if there is a tag
 * Returns: (transfer full) */
char *
_lsobs_failed_trace_make_name (gint64 now, const char *tag, guint n_records)
{
  char token[LSOBS_TOKEN_LEN + 1];
  g_autofree char *end = tag != NULL ? g_strdup_printf (".%u", n_records) : g_strdup ("");
  gsize tag_len = tag != NULL ? strlen (tag) : LSOBS_TAG_LEN;

  _lsobs_id_make_token (token);
  return g_strdup_printf ("trace_%" G_GINT64_FORMAT ".%06d_%s%.*s%s.json", now / G_USEC_PER_SEC,
                          (int) (now % G_USEC_PER_SEC), tag != NULL ? tag : "",
                          (int) (LSOBS_TAG_LEN + 8 - tag_len), token, end);
}

gboolean
_lsobs_failed_trace_is_name (const char *name)
{
  return g_str_has_prefix (name, "trace_") && g_str_has_suffix (name, ".json");
}

/* Compares names by their times, which may have different numbers of digits.
 * @a: the name of a file whose owner is known
 * @b: another one
 * Returns: as strcmp() */
int
_lsobs_failed_trace_compare_names (const char *a, const char *b)
{
  gsize a_digits = strspn (a + strlen ("trace_"), "0123456789");
  gsize b_digits = strspn (b + strlen ("trace_"), "0123456789");

  return a_digits != b_digits ? (a_digits > b_digits ? 1 : -1) : strcmp (a, b);
}

/* Reads the name of a file whose owner is known.
 * @tag: (nullable): that the name must have
 * @time: (out): µs since 1970
 * @n_records: (out): in the file
 * Returns: FALSE if it is the name of another file */
gboolean
_lsobs_failed_trace_parse_name (const char *name, const char *tag, gint64 *time, guint *n_records)
{
  guint64 seconds;
  guint64 micros;
  guint64 n;
  char *end;

  /* Each time has only one text, because names are compared as texts. */
  if (!_lsobs_failed_trace_is_name (name) || !g_ascii_isdigit (name[6]) ||
      (name[6] == '0' && name[7] != '.'))
    return FALSE;
  seconds = g_ascii_strtoull (name + 6, &end, 10);
  if (*end != '.' || strspn (end + 1, "0123456789") != 6)
    return FALSE;
  micros = g_ascii_strtoull (end + 1, &end, 10);
  if (*end++ != '_' || (tag != NULL && !g_str_has_prefix (end, tag)) ||
      strspn (end, "0123456789abcdef") != LSOBS_TAG_LEN + 8)
    return FALSE;
  end += LSOBS_TAG_LEN + 8;
  if (*end != '.' || !g_ascii_isdigit (end[1]))
    return FALSE;
  n = g_ascii_strtoull (end + 1, &end, 10);
  if (strcmp (end, ".json") != 0 || seconds > G_MAXINT32 * G_GUINT64_CONSTANT (1000) ||
      micros >= G_USEC_PER_SEC || n > G_MAXINT32)
    return FALSE;
  *time = (gint64) seconds * G_USEC_PER_SEC + (gint64) micros;
  *n_records = (guint) n;
  return TRUE;
}
