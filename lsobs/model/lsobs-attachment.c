/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-attachment-private.h"

/* The name and the type of an attachment are written into headers of a multipart body. */
#define MAX_NAME_BYTES 100
#define MAX_TYPE_BYTES 200

/* Replaces a missing or an invalid MIME type. */
#define DEFAULT_TYPE "application/octet-stream"

/* Characters of a header token that are neither letters nor digits (RFC 9110). */
#define TOKEN_MARKS "!#$%&'*+-.^_`|~"

struct _LsobsAttachmentAccount
{
  gatomicrefcount ref_count;
  LsobsCounters *counters; /* (owned) */
  gsize max_bytes;
  gsize n_bytes; /* (atomic) grows only under the lock of the queue that has the account */
};

struct _LsobsChargedAttachments
{
  LsobsAttachmentAccount *account; /* (owned) */
  GPtrArray *attachments;          /* (owned) (element-type LsobsAttachment) */
  gsize n_bytes;                   /* charged to the account */
};

/* Excludes the dot, which separates the id from the attachment's name in the name of a part, and
 * characters that could end the name or the header. */
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

/* Makes a name fit, such as that of a file: an underscore takes the place of each character that
 * cannot be sent.
 * Returns: (transfer full) (nullable): NULL if that is not enough */
static char *
dup_fitting_name (const char *name)
{
  gsize len = strlen (name);
  GString *fitting;

  if (len == 0 || len > MAX_NAME_BYTES || !g_utf8_validate (name, (gssize) len, NULL))
    return NULL;
  fitting = g_string_sized_new (len);
  for (const char *p = name; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (fitting, is_name_character (c) ? c : '_');
    }
  return g_string_free (fitting, FALSE);
}

/* Advances *@p past a token.
 * Returns: FALSE if there is no token at *@p */
static gboolean
skip_token (const char **p)
{
  const char *start = *p;

  while (**p != '\0' && (g_ascii_isalnum (**p) || strchr (TOKEN_MARKS, **p) != NULL))
    (*p)++;
  return *p > start;
}

/* Advances *@p past a parameter. A parameter "length" is refused: the service would read it as
 * the length of the part.
 * Returns: FALSE if there is no valid parameter at *@p */
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

/* The form is token/token, followed by any number of parameters. */
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

/* Fails with %LSOBS_ERROR_INVALID_ATTACHMENT if the name cannot be sent.
 * @mime_type: (nullable): replaced by DEFAULT_TYPE if it is not valid
 * Returns: (transfer full) (nullable) */
LsobsAttachment *
_lsobs_attachment_new (const char *name, const char *mime_type, GBytes *data, GError **error)
{
  LsobsAttachment *self;
  char *fitting = dup_fitting_name (name);

  if (fitting == NULL)
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_ATTACHMENT,
                           _ ("The name of an attachment must be 1 to 100 bytes of UTF-8"));
      return NULL;
    }
  self = g_new0 (LsobsAttachment, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->name = fitting;
  self->mime_type =
      g_strdup (mime_type != NULL && is_mime_type (mime_type) ? mime_type : DEFAULT_TYPE);
  self->data = g_bytes_ref (data);
  return self;
}

static LsobsAttachment *
attachment_ref (LsobsAttachment *self)
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

/* Returns: bytes of memory */
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

/* Adds @attachment to a list. It replaces an attachment of the same name.
 * Returns: FALSE if the list is full */
gboolean
_lsobs_attachments_put (GPtrArray **attachments, LsobsAttachment *attachment)
{
  guint index;

  if (*attachments == NULL)
    *attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_attachment_unref);
  if (g_ptr_array_find_with_equal_func (*attachments, attachment->name, has_name, &index))
    {
      _lsobs_attachment_unref (g_ptr_array_index (*attachments, index));
      g_ptr_array_index (*attachments, index) = attachment_ref (attachment);
      return TRUE;
    }
  if ((*attachments)->len >= LSOBS_MAX_ATTACHMENTS)
    return FALSE;
  g_ptr_array_add (*attachments, attachment_ref (attachment));
  return TRUE;
}

/* Adds all of @others (nullable), which keeps them.
 * Returns: the number of attachments that did not fit */
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

/* Removes the largest attachment, so that as few as possible are lost.
 * Returns: FALSE if the list is empty */
gboolean
_lsobs_attachments_remove_largest (GPtrArray **attachments)
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

/* Returns: bytes of memory */
gsize
_lsobs_attachments_measure (GPtrArray *attachments)
{
  gsize size = 0;

  for (guint i = 0; attachments != NULL && i < attachments->len; i++)
    size += _lsobs_attachment_measure (g_ptr_array_index (attachments, i));
  return size;
}

/* @counters: count the attachments that are dropped */
LsobsAttachmentAccount *
_lsobs_attachment_account_new (gsize max_bytes, LsobsCounters *counters)
{
  LsobsAttachmentAccount *self = g_new0 (LsobsAttachmentAccount, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->counters = _lsobs_counters_ref (counters);
  self->max_bytes = max_bytes;
  return self;
}

void
_lsobs_attachment_account_unref (LsobsAttachmentAccount *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_counters_unref (self->counters);
  g_free (self);
}

/* Makes the charge equal to the size of the list. */
static void
update_charge (LsobsChargedAttachments *self)
{
  gsize size = _lsobs_attachments_measure (self->attachments);

  g_atomic_pointer_add (&self->account->n_bytes, (gssize) (size - self->n_bytes));
  self->n_bytes = size;
}

/* Called with the lock of the queue held: the account has no other guard against two threads that
 * fill it together.
 * @self: (inout) (nullable): made if it is NULL
 * @account: charged if @self is made here; later calls charge the same account again
 * Returns: FALSE if the account or the list is full */
gboolean
_lsobs_charged_attachments_put_unlocked (LsobsChargedAttachments **self,
                                         LsobsAttachmentAccount *account,
                                         LsobsAttachment *attachment)
{
  LsobsAttachmentAccount *charged = *self != NULL ? (*self)->account : account;
  gsize n_bytes = (gsize) g_atomic_pointer_get (&charged->n_bytes);
  gboolean taken;

  if (_lsobs_attachment_measure (attachment) >
      charged->max_bytes - MIN (n_bytes, charged->max_bytes))
    return FALSE;
  if (*self == NULL)
    {
      *self = g_new0 (LsobsChargedAttachments, 1);
      g_atomic_ref_count_inc (&account->ref_count);
      (*self)->account = account;
    }
  taken = _lsobs_attachments_put (&(*self)->attachments, attachment);
  update_charge (*self);
  return taken;
}

/* Frees @self and ends its charge. Needs no lock: a charge may end at any time.
 * Returns: (transfer full): the attachments */
GPtrArray *
_lsobs_charged_attachments_finish (LsobsChargedAttachments *self)
{
  GPtrArray *attachments = g_steal_pointer (&self->attachments);

  update_charge (self);
  _lsobs_attachment_account_unref (self->account);
  g_free (self);
  return attachments;
}

/* Drops and counts the attachments, ends the charge, and frees @self: the run will never end. */
void
_lsobs_charged_attachments_free (LsobsChargedAttachments *self)
{
  LsobsCounters *counters = _lsobs_counters_ref (self->account->counters);
  g_autoptr (GPtrArray) attachments = _lsobs_charged_attachments_finish (self);

  _lsobs_counters_add (counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, attachments->len);
  _lsobs_counters_unref (counters);
}
