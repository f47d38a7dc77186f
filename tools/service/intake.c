/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tools/service/body.h"
#include "tools/service/intake.h"
#include "tools/store/attachment.h"
#include "tools/store/feedback.h"
#include "tools/store/run.h"

/* Longer names of attachments are refused. */
#define MAX_NAME 255

typedef struct
{
  LsobsId run_id;
  BodyPart *part; /* (unowned) in the parts */
  const char *name;
} IntakeFile;

struct _Intake
{
  GBytes *body;        /* (owned) attachments are parts of it */
  GPtrArray *parts;    /* (owned) (nullable) (element-type BodyPart) */
  GPtrArray *changes;  /* (owned) (element-type Change), in the order in which they came */
  GPtrArray *feedback; /* (owned) (element-type Feedback) */
  GArray *files;       /* (owned) (element-type IntakeFile) */
  GPtrArray *refused;  /* (owned) (element-type utf8) */
};

void
intake_free (Intake *self)
{
  g_clear_pointer (&self->parts, g_ptr_array_unref);
  g_ptr_array_unref (self->changes);
  g_ptr_array_unref (self->feedback);
  g_array_unref (self->files);
  g_ptr_array_unref (self->refused);
  g_bytes_unref (self->body);
  g_free (self);
}

guint
intake_get_n_accepted (Intake *self)
{
  return self->changes->len + self->feedback->len + self->files->len;
}

GPtrArray *
intake_get_refused (Intake *self)
{
  return self->refused;
}

/* @name: of the part */
static void
refuse (Intake *self, const char *name, const char *message)
{
  g_ptr_array_add (self->refused, g_strconcat (name, ": ", message, NULL));
}

/* --- JSON --- */

static gboolean
read_run (Intake *self, const char *id, GError **error)
{
  gsize len;
  const char *text = g_bytes_get_data (self->body, &len);
  Change *change =
      change_new_from_json (id != NULL ? CHANGE_UPDATE : CHANGE_CREATE, id, text, len, error);

  if (change == NULL)
    return FALSE;
  g_ptr_array_add (self->changes, change);
  return TRUE;
}

/* Returns: FALSE if the brackets do not match */
static gboolean
read_array (Intake *self, ChangeKind kind, const char *member, gboolean *found)
{
  g_autoptr (GPtrArray) elements = body_split_array (self->body, member, found);

  for (guint i = 0; elements != NULL && i < elements->len; i++)
    {
      const BodyPart *element = g_ptr_array_index (elements, i);
      g_autofree char *name = g_strdup_printf ("%s[%u]", member, i);
      g_autoptr (GError) error = NULL;
      Change *change = change_new_from_json (kind, NULL, element->data, element->len, &error);

      if (change != NULL)
        g_ptr_array_add (self->changes, change);
      else
        refuse (self, name, error->message);
    }
  return elements != NULL;
}

static gboolean
read_batch (Intake *self, GError **error)
{
  gboolean has_post;
  gboolean has_patch;

  if (read_array (self, CHANGE_CREATE, "post", &has_post) &&
      read_array (self, CHANGE_UPDATE, "patch", &has_patch) && (has_post || has_patch))
    return TRUE;
  g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID, "%s",
               "The body is no object with the arrays “post” or “patch”");
  return FALSE;
}

/* --- multipart --- */

/* The name of a part: OPERATION.ID or OPERATION.ID.FIELD */
typedef struct
{
  char **words; /* (owned) */
  const char *operation;
  const char *id;
  const char *field; /* (nullable) */
} PartName;

static void
part_name_clear (PartName *self)
{
  g_strfreev (self->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PartName, part_name_clear)

static void
part_name_init (PartName *self, const char *name)
{
  guint n;

  self->words = g_strsplit (name, ".", 3);
  n = g_strv_length (self->words);
  self->operation = n > 0 ? self->words[0] : "";
  self->id = n > 1 ? self->words[1] : "";
  self->field = n > 2 ? self->words[2] : NULL;
}

static gboolean
is_run (const PartName *name)
{
  return strcmp (name->operation, "post") == 0 || strcmp (name->operation, "patch") == 0;
}

/* Returns: (transfer full): what the parts of one operation of a run have in common */
static char *
dup_key (const PartName *name)
{
  return g_strconcat (name->operation, ".", name->id, NULL);
}

static void
read_main_part (Intake *self, const BodyPart *part, const PartName *name, GHashTable *operations)
{
  g_autoptr (GError) error = NULL;
  Change *change =
      change_new_from_json (strcmp (name->operation, "post") == 0 ? CHANGE_CREATE : CHANGE_UPDATE,
                            name->id, part->data, part->len, &error);

  if (change == NULL)
    {
      refuse (self, part->name, error->message);
      g_hash_table_insert (operations, dup_key (name), NULL);
      return;
    }
  g_ptr_array_add (self->changes, change);
  g_hash_table_insert (operations, dup_key (name), change);
}

/* Inputs and other fields may come without a main part. Those of a run that was refused are left
 * out. */
static void
read_field (Intake *self, const BodyPart *part, const PartName *name, GHashTable *operations)
{
  g_autofree char *key = dup_key (name);
  g_autoptr (GError) error = NULL;
  gpointer change;

  if (!g_hash_table_lookup_extended (operations, key, NULL, &change))
    {
      change = change_new_from_json (CHANGE_UPDATE, name->id, "{}", 2, &error);
      if (change != NULL)
        g_ptr_array_add (self->changes, change);
      g_hash_table_insert (operations, g_steal_pointer (&key), change);
    }
  if (error == NULL &&
      (change == NULL || change_set_field (change, name->field, part->data, part->len, &error)))
    return;
  refuse (self, part->name, error->message);
}

static void
read_attachment (Intake *self, BodyPart *part, const PartName *name)
{
  IntakeFile file = { .part = part };

  if (name->field == NULL || *name->field == '\0' || strlen (name->field) > MAX_NAME ||
      !_lsobs_id_parse_text (&file.run_id, name->id))
    {
      refuse (self, part->name, "An attachment needs the id of a run, and a name");
      return;
    }
  /* behind "attachment.", the id and a dot */
  file.name = part->name + strlen (name->operation) + 1 + LSOBS_UUID_LEN + 1;
  g_array_append_val (self->files, file);
}

static void
read_feedback (Intake *self, const BodyPart *part)
{
  g_autoptr (GError) error = NULL;
  const char *id = part->name + strlen ("feedback.");
  Feedback *feedback = feedback_new_from_json (id, part->data, part->len, &error);

  if (feedback != NULL)
    g_ptr_array_add (self->feedback, feedback);
  else
    refuse (self, part->name, error->message);
}

static gboolean
read_multipart (Intake *self, const char *type, GError **error)
{
  g_autoptr (GHashTable) operations = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  self->parts = type != NULL ? body_split_multipart (type, self->body) : NULL;
  if (self->parts == NULL)
    {
      g_set_error (error, STORE_ERROR, STORE_ERROR_INVALID, "%s",
                   "The body is no multipart/form-data, or has no end");
      return FALSE;
    }
  /* Main parts are read first, as other parts may come before them in the body. */
  for (guint i = 0; i < self->parts->len; i++)
    {
      BodyPart *part = g_ptr_array_index (self->parts, i);
      g_auto (PartName) name;

      part_name_init (&name, part->name);
      if (is_run (&name) && name.field == NULL)
        read_main_part (self, part, &name, operations);
    }
  for (guint i = 0; i < self->parts->len; i++)
    {
      BodyPart *part = g_ptr_array_index (self->parts, i);
      g_auto (PartName) name;

      part_name_init (&name, part->name);
      if (is_run (&name) && name.field == NULL)
        continue;
      if (is_run (&name))
        read_field (self, part, &name, operations);
      else if (strcmp (name.operation, "attachment") == 0)
        read_attachment (self, part, &name);
      else if (strcmp (name.operation, "feedback") == 0)
        read_feedback (self, part);
      else
        refuse (self, part->name, "The name of the part is not known");
    }
  return TRUE;
}

Intake *
intake_new (IntakeKind kind, const char *id, const char *type, GBytes *body, GError **error)
{
  g_autoptr (Intake) self = g_new0 (Intake, 1);
  gboolean done = FALSE;

  self->body = g_bytes_ref (body);
  self->changes = g_ptr_array_new_with_free_func ((GDestroyNotify) change_free);
  self->feedback = g_ptr_array_new_with_free_func ((GDestroyNotify) feedback_free);
  self->files = g_array_new (FALSE, FALSE, sizeof (IntakeFile));
  self->refused = g_ptr_array_new_with_free_func (g_free);
  switch (kind)
    {
    case INTAKE_RUN:
      done = read_run (self, id, error);
      break;
    case INTAKE_BATCH:
      done = read_batch (self, error);
      break;
    case INTAKE_MULTIPART:
      done = read_multipart (self, type, error);
      break;
    default:
      g_assert_not_reached ();
    }
  return done ? g_steal_pointer (&self) : NULL;
}

gboolean
intake_apply (Intake *self, Store *store, GError **error)
{
  for (guint i = 0; i < self->changes->len; i++)
    if (!run_apply (store, g_ptr_array_index (self->changes, i), error))
      return FALSE;
  for (guint i = 0; i < self->feedback->len; i++)
    if (!feedback_write (store, g_ptr_array_index (self->feedback, i), error))
      return FALSE;
  for (guint i = 0; i < self->files->len; i++)
    {
      const IntakeFile *file = &g_array_index (self->files, IntakeFile, i);

      if (!attachment_write (store, &file->run_id, file->name, file->part->type, file->part->data,
                             file->part->len, error))
        return FALSE;
    }
  return TRUE;
}
