/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-attachment-private.h"

/* Both go into headers of a part. */
#define MAX_NAME_BYTES 100
#define MAX_TYPE_BYTES 200

/* For what has no type that could be sent. */
#define DEFAULT_TYPE "application/octet-stream"

/* What a token of a header is made of, beside letters and digits. */
#define TOKEN_MARKS "!#$%&'*+-.^_`|~"

/* No point, since it ends the id in the name of a part; nothing that ends the name in
 * its header, or the header. */
static gboolean
is_name_character (gunichar c)
{
  GUnicodeType type;

  if (c < 0x80)
    return g_ascii_isalnum ((char) c) || c == '_' || c == ' ' || c == '-';
  type = g_unichar_type (c);
  return type != G_UNICODE_CONTROL && type != G_UNICODE_LINE_SEPARATOR &&
         type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

static gboolean
is_name (const char *name)
{
  gsize len = strlen (name);

  if (len == 0 || len > MAX_NAME_BYTES || !g_utf8_validate (name, (gssize) len, NULL))
    return FALSE;
  for (const char *p = name; *p != '\0'; p = g_utf8_next_char (p))
    if (!is_name_character (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

/* Steps over a token. FALSE when there is none. */
static gboolean
skip_token (const char **p)
{
  const char *start = *p;

  while (**p != '\0' && (g_ascii_isalnum (**p) || strchr (TOKEN_MARKS, **p) != NULL))
    (*p)++;
  return *p > start;
}

/* Steps over a parameter. A length is none of the program's business: the service
 * would take it for that of the part. */
static gboolean
skip_parameter (const char **p)
{
  const char *name;
  gsize name_len;

  *p += strspn (*p, " ");
  name = *p;
  if (!skip_token (p))
    return FALSE;
  name_len = (gsize) (*p - name);
  if (name_len == strlen ("length") && g_ascii_strncasecmp (name, "length", name_len) == 0)
    return FALSE;
  if (*(*p)++ != '=')
    return FALSE;
  return skip_token (p);
}

/* token/token, and any number of parameters */
static gboolean
is_mime_type (const char *type)
{
  const char *p = type;

  if (strlen (type) > MAX_TYPE_BYTES || !skip_token (&p) || *p++ != '/' || !skip_token (&p))
    return FALSE;
  for (;;)
    {
      p += strspn (p, " ");
      if (*p == '\0')
        return p[-1] != ' ';
      if (*p++ != ';' || !skip_parameter (&p))
        return FALSE;
    }
}

/* @mime_type: (nullable): what is none is replaced
 * Returns: (transfer full) (nullable) */
LsobsAttachment *
_lsobs_attachment_new (const char *name, const char *mime_type, GBytes *data, GError **error)
{
  LsobsAttachment *self;

  if (!is_name (name))
    {
      g_set_error_literal (
          error, LSOBS_ERROR, LSOBS_ERROR_INVALID_ATTACHMENT,
          _ ("The name of an attachment must be 1 to 100 bytes of letters, digits, "
             "spaces, hyphens and underscores"));
      return NULL;
    }
  self = g_new0 (LsobsAttachment, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->name = g_strdup (name);
  self->mime_type =
      g_strdup (mime_type != NULL && is_mime_type (mime_type) ? mime_type : DEFAULT_TYPE);
  self->data = g_bytes_ref (data);
  return self;
}

LsobsAttachment *
_lsobs_attachment_ref (LsobsAttachment *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_attachment_unref (LsobsAttachment *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->name);
  g_free (self->mime_type);
  g_bytes_unref (self->data);
  g_free (self);
}

/* in bytes of memory */
gsize
_lsobs_attachment_measure (LsobsAttachment *self)
{
  return sizeof *self + strlen (self->name) + strlen (self->mime_type) +
         g_bytes_get_size (self->data);
}

static gboolean
has_name (gconstpointer attachment, gconstpointer name)
{
  return strcmp (((const LsobsAttachment *) attachment)->name, name) == 0;
}

/* One of the same name makes way for it. FALSE when there is no room. */
gboolean
_lsobs_attachments_put (GPtrArray **attachments, LsobsAttachment *attachment)
{
  guint index;

  if (*attachments == NULL)
    *attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_attachment_unref);
  if (g_ptr_array_find_with_equal_func (*attachments, attachment->name, has_name, &index))
    {
      _lsobs_attachment_unref (g_ptr_array_index (*attachments, index));
      g_ptr_array_index (*attachments, index) = _lsobs_attachment_ref (attachment);
      return TRUE;
    }
  if ((*attachments)->len >= LSOBS_MAX_ATTACHMENTS)
    return FALSE;
  g_ptr_array_add (*attachments, _lsobs_attachment_ref (attachment));
  return TRUE;
}

/* Those of @others (nullable) are put in, and stay in it.
 * Returns: for how many there was no room */
guint
_lsobs_attachments_unite (GPtrArray **attachments, GPtrArray *others)
{
  guint n_left = 0;

  for (guint i = 0; others != NULL && i < others->len; i++)
    if (!_lsobs_attachments_put (attachments, g_ptr_array_index (others, i)))
      n_left++;
  return n_left;
}

/* Returns: (transfer none) (nullable) */
LsobsAttachment *
_lsobs_attachments_find (GPtrArray *attachments, const char *name)
{
  guint index;

  if (attachments == NULL ||
      !g_ptr_array_find_with_equal_func (attachments, name, has_name, &index))
    return NULL;
  return g_ptr_array_index (attachments, index);
}

/* The largest one goes, so that few have to. FALSE when there is none. */
gboolean
_lsobs_attachments_drop (GPtrArray **attachments)
{
  gsize largest = 0;
  guint index = 0;

  if (*attachments == NULL)
    return FALSE;
  for (guint i = 0; i < (*attachments)->len; i++)
    {
      gsize size = _lsobs_attachment_measure (g_ptr_array_index (*attachments, i));

      if (size > largest)
        {
          largest = size;
          index = i;
        }
    }
  g_ptr_array_remove_index (*attachments, index);
  if ((*attachments)->len == 0)
    g_clear_pointer (attachments, g_ptr_array_unref);
  return TRUE;
}

gsize
_lsobs_attachments_measure (GPtrArray *attachments)
{
  gsize size = 0;

  for (guint i = 0; attachments != NULL && i < attachments->len; i++)
    size += _lsobs_attachment_measure (g_ptr_array_index (attachments, i));
  return size;
}
