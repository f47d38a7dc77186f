/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/wire.h"

/* A reader of multipart/form-data that forgives nothing: it finds each part by its delimiter and
 * then compares the length that the part claims, so that neither can be wrong alone. */

typedef struct
{
  const char *data;
  gsize size;
  gsize pos;
  char *delimiter; /* (owned) "--" and the boundary */
  gsize delimiter_length;
  WireFlags flags;
} Reader;

typedef struct
{
  char *disposition; /* (owned) (nullable) */
  char *type;        /* (owned) (nullable) */
  char *length;      /* (owned) (nullable) */
} PartHeaders;

static void
part_headers_clear (PartHeaders *self)
{
  g_clear_pointer (&self->disposition, g_free);
  g_clear_pointer (&self->type, g_free);
  g_clear_pointer (&self->length, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PartHeaders, part_headers_clear)

static void
wire_part_free (WirePart *self)
{
  g_free (self->name);
  g_free (self->content_type);
  g_clear_pointer (&self->payload, g_bytes_unref);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WirePart, wire_part_free)

static gboolean
looking_at (Reader *r, gsize pos, const char *text)
{
  gsize length = strlen (text);

  return pos <= r->size && r->size - pos >= length && memcmp (r->data + pos, text, length) == 0;
}

/* Returns (transfer full): "--" and the boundary, or NULL. */
static char *
read_delimiter (const char *content_type, GError **error)
{
  static const char prefix[] = "multipart/form-data; boundary=";
  const char *boundary;
  gsize length;

  if (content_type == NULL || g_ascii_strncasecmp (content_type, prefix, strlen (prefix)) != 0)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_BOUNDARY, "Content-Type is \"%s\", not \"%s…\"",
                   content_type != NULL ? content_type : "(none)", prefix);
      return NULL;
    }

  boundary = content_type + strlen (prefix);
  length = strspn (boundary, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-");
  if (length == 0 || length > 70 || boundary[length] != '\0')
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_BOUNDARY,
                   "the boundary \"%s\" is not 1 to 70 of [0-9A-Za-z-]", boundary);
      return NULL;
    }

  return g_strconcat ("--", boundary, NULL);
}

static gboolean
parse_length (const char *text, gsize *length)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXSSIZE, &value, NULL))
    return FALSE;
  *length = (gsize) value;

  return TRUE;
}

/* Takes the length parameter out of the media type @type. FALSE: it is there and no number. */
static gboolean
take_length_parameter (char **type, gboolean *has_length, gsize *length)
{
  g_auto (GStrv) items = g_strsplit (*type, ";", -1);
  g_autoptr (GString) rest = g_string_new (NULL);
  gboolean ok = TRUE;

  *has_length = FALSE;
  for (guint i = 0; items[i] != NULL; i++)
    {
      const char *item = g_strstrip (items[i]);

      if (i > 0 && g_str_has_prefix (item, "length="))
        {
          ok = ok && !*has_length && parse_length (item + strlen ("length="), length);
          *has_length = TRUE;
        }
      else
        {
          g_string_append_printf (rest, "%s%s", i > 0 ? "; " : "", item);
        }
    }

  g_free (*type);
  *type = g_strdup (rest->str);

  return ok;
}

/* Stores one header line. */
static gboolean
take_header (PartHeaders *headers, const char *line, GError **error)
{
  const char *colon = strchr (line, ':');
  g_autofree char *name = NULL;
  char **slot = NULL;

  if (!g_utf8_validate (line, -1, NULL))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_UTF8, "a part header is not UTF-8");
      return FALSE;
    }
  if (colon == NULL || colon[1] != ' ')
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_HEADER, "\"%s\" is no header line", line);
      return FALSE;
    }

  name = g_ascii_strdown (line, colon - line);
  if (strcmp (name, "content-disposition") == 0)
    slot = &headers->disposition;
  else if (strcmp (name, "content-type") == 0)
    slot = &headers->type;
  else if (strcmp (name, "content-length") == 0)
    slot = &headers->length;
  else if (strcmp (name, "content-encoding") == 0)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_ENCODING,
                   "one part is encoded by itself: \"%s\"", line);
      return FALSE;
    }

  if (slot == NULL || *slot != NULL)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_HEADER, "the header \"%s\" is %s", line,
                   slot == NULL ? "not allowed in a part" : "there twice");
      return FALSE;
    }
  *slot = g_strdup (colon + 2);

  return TRUE;
}

/* From the line behind the delimiter to behind the empty line. */
static gboolean
read_headers (Reader *r, PartHeaders *headers, GError **error)
{
  while (!looking_at (r, r->pos, "\r\n"))
    {
      const char *from = r->data + r->pos;
      const char *lf = memchr (from, '\n', r->size - r->pos);
      g_autofree char *line = NULL;

      if (lf == NULL || lf == from || lf[-1] != '\r')
        {
          g_set_error (error, WIRE_ERROR, WIRE_ERROR_FRAMING,
                       "a part header at byte %" G_GSIZE_FORMAT " does not end with CRLF", r->pos);
          return FALSE;
        }

      line = g_strndup (from, (gsize) (lf - 1 - from));
      if (strlen (line) != (gsize) (lf - 1 - from) || strchr (line, '\r') != NULL)
        {
          g_set_error (error, WIRE_ERROR, WIRE_ERROR_FRAMING,
                       "a NUL or a bare CR in a part header at byte %" G_GSIZE_FORMAT, r->pos);
          return FALSE;
        }
      if (!take_header (headers, line, error))
        return FALSE;
      r->pos = (gsize) (lf + 1 - r->data);
    }

  r->pos += 2;

  return TRUE;
}

/* Returns (transfer full): the value of name="…", or NULL. */
static char *
read_disposition (const char *disposition, WireFlags flags, GError **error)
{
  static const char prefix[] = "form-data; name=\"";
  const char *name, *quote;

  if (disposition == NULL || !g_str_has_prefix (disposition, prefix))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_HEADER,
                   "Content-Disposition is \"%s\", not \"%s…\"",
                   disposition != NULL ? disposition : "(none)", prefix);
      return NULL;
    }

  name = disposition + strlen (prefix);
  if (strstr (name, "\"; filename") != NULL || strstr (name, "\";filename") != NULL)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_FILENAME, "a part has a filename: \"%s\"",
                   disposition);
      return NULL;
    }

  /* Some official clients write a quote inside the name as it is. */
  quote = (flags & WIRE_DIALECT) != 0 ? strrchr (name, '"') : strchr (name, '"');
  if (quote == NULL || quote == name || quote[1] != '\0')
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_HEADER,
                   "\"%s\" does not end with the quoted name", disposition);
      return NULL;
    }

  return g_strndup (name, (gsize) (quote - name));
}

/* Returns the position of the CRLF before the next delimiter line, or the size of the body. */
static gsize
find_delimiter (Reader *r, gsize from)
{
  const char *p = r->data + from;

  while ((p = memchr (p, '\r', r->size - (gsize) (p - r->data))) != NULL)
    {
      gsize pos = (gsize) (p - r->data);
      gsize after = pos + 2 + r->delimiter_length;

      if (looking_at (r, pos, "\r\n") && looking_at (r, pos + 2, r->delimiter) &&
          (looking_at (r, after, "\r\n") || looking_at (r, after, "--")))
        return pos;
      p++;
    }

  return r->size;
}

static gboolean
check_length (PartHeaders *headers, const char *name, gsize found, GError **error)
{
  gboolean has_parameter;
  gsize parameter = 0, header = 0;

  if (!take_length_parameter (&headers->type, &has_parameter, &parameter) ||
      (headers->length != NULL && !parse_length (headers->length, &header)))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_LENGTH, "part %s: its length is no number",
                   name);
      return FALSE;
    }
  if (!has_parameter && headers->length == NULL)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_LENGTH, "part %s: it gives no length", name);
      return FALSE;
    }
  if ((has_parameter && parameter != found) || (headers->length != NULL && header != found))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_LENGTH,
                   "part %s: it gives length %" G_GSIZE_FORMAT ", but has %" G_GSIZE_FORMAT
                   " bytes",
                   name, headers->length != NULL && header != found ? header : parameter, found);
      return FALSE;
    }

  return TRUE;
}

/* The reader is at a delimiter line; afterwards it is at the next one. */
static WirePart *
read_part (Reader *r, GBytes *body, GError **error)
{
  g_autoptr (WirePart) part = g_new0 (WirePart, 1);
  g_auto (PartHeaders) headers = { NULL, NULL, NULL };
  gsize end;

  part->offset = r->pos;
  r->pos += r->delimiter_length + 2;
  if (!read_headers (r, &headers, error))
    return NULL;
  part->header_length = r->pos - part->offset;

  part->name = read_disposition (headers.disposition, r->flags, error);
  if (part->name == NULL)
    return NULL;
  if (headers.type == NULL || strchr (headers.type, '/') == NULL)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_PART_HEADER, "part %s: it has no Content-Type",
                   part->name);
      return NULL;
    }

  end = find_delimiter (r, r->pos);
  if (end == r->size)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_FRAMING, "part %s: no delimiter follows it",
                   part->name);
      return NULL;
    }
  if (!check_length (&headers, part->name, end - r->pos, error))
    return NULL;

  part->payload_length = end - r->pos;
  part->payload = g_bytes_new_from_bytes (body, r->pos, part->payload_length);
  part->content_type = g_steal_pointer (&headers.type);
  r->pos = end + 2;

  return g_steal_pointer (&part);
}

static GPtrArray *
read_parts (Reader *r, GBytes *body, GError **error)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func ((GDestroyNotify) wire_part_free);

  if (!looking_at (r, 0, r->delimiter))
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_BOUNDARY, "the body does not start with %s",
                   r->delimiter);
      return NULL;
    }

  while (looking_at (r, r->pos + r->delimiter_length, "\r\n"))
    {
      WirePart *part = read_part (r, body, error);

      if (part == NULL)
        return NULL;
      g_ptr_array_add (parts, part);
    }

  if (!looking_at (r, r->pos + r->delimiter_length, "--\r\n") ||
      r->pos + r->delimiter_length + 4 != r->size)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_FRAMING,
                   "the delimiter at byte %" G_GSIZE_FORMAT
                   " is neither followed by CRLF nor, at the end of "
                   "the body, by \"--\" CRLF",
                   r->pos);
      return NULL;
    }
  if (parts->len == 0)
    {
      g_set_error (error, WIRE_ERROR, WIRE_ERROR_FRAMING, "the body has no parts");
      return NULL;
    }

  return g_steal_pointer (&parts);
}

GPtrArray *
wire_multipart_parse (const char *content_type, GBytes *body, WireFlags flags, GError **error)
{
  g_autofree char *delimiter = read_delimiter (content_type, error);
  Reader r = { .flags = flags };

  if (delimiter == NULL)
    return NULL;

  r.data = g_bytes_get_data (body, &r.size);
  r.delimiter = delimiter;
  r.delimiter_length = strlen (delimiter);

  return read_parts (&r, body, error);
}
