/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-buffer-private.h"
#include "lsobs/lsobs-json-writer-private.h"
#include "lsobs/lsobs-notes-private.h"

/* What a note costs beside its text. */
#define NOTE_OVERHEAD 64

/* A member of the metadata, or of extra beside them. */
typedef struct
{
  char *key;          /* (owned) */
  GBytes *value;      /* (owned) JSON */
  gboolean inherited; /* children get it too */
} Member;

static void
member_clear (gpointer data)
{
  Member *member = data;

  g_free (member->key);
  g_bytes_unref (member->value);
}

LsobsNotes *
_lsobs_notes_new (void)
{
  LsobsNotes *self = g_new0 (LsobsNotes, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  return self;
}

LsobsNotes *
_lsobs_notes_ref (LsobsNotes *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_notes_unref (LsobsNotes *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_pointer (&self->metadata, g_array_unref);
  g_clear_pointer (&self->extra, g_array_unref);
  g_clear_pointer (&self->tags, g_ptr_array_unref);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* FALSE when there is no room for so many bytes more. */
static gboolean
take_room (LsobsNotes *self,
           gsize       n_bytes)
{
  if (n_bytes > LSOBS_MAX_NOTE_BYTES - self->n_bytes)
    return FALSE;
  self->n_bytes += n_bytes;
  return TRUE;
}

/* Returns: (nullable) */
static Member *
find_member (GArray     *members,
             const char *key)
{
  for (guint i = 0; i < members->len; i++)
    {
      Member *member = &g_array_index (members, Member, i);

      if (strcmp (member->key, key) == 0)
        return member;
    }
  return NULL;
}

/* FALSE when there is no room. Takes @value over if there is. */
static gboolean
replace_value (LsobsNotes *self,
               Member     *member,
               GBytes     *value)
{
  gsize before = g_bytes_get_size (member->value);

  self->n_bytes -= before;
  if (!take_room (self, g_bytes_get_size (value)))
    {
      self->n_bytes += before;
      return FALSE;
    }
  g_bytes_unref (member->value);
  member->value = value;
  return TRUE;
}

/* Takes @value over. FALSE when there is no room. */
static gboolean
put (LsobsNotes *self,
     GArray    **members,
     const char *key,
     GBytes     *value,
     gboolean    inherited)
{
  Member member = { NULL, value, inherited };
  g_autofree char *valid = NULL;
  Member *known;

  /* Two keys that are repaired to the same one must be one from the start. */
  if (!g_utf8_validate (key, -1, NULL))
    key = valid = g_utf8_make_valid (key, -1);
  if (*members == NULL)
    {
      *members = g_array_new (FALSE, FALSE, sizeof (Member));
      g_array_set_clear_func (*members, member_clear);
    }
  known = find_member (*members, key);
  if (known != NULL && replace_value (self, known, value))
    {
      known->inherited = inherited;
      return TRUE;
    }
  if (known != NULL || (*members)->len >= LSOBS_MAX_NOTES ||
      !take_room (self, NOTE_OVERHEAD + strlen (key) + g_bytes_get_size (value)))
    {
      g_bytes_unref (value);
      return FALSE;
    }
  member.key = g_strdup (key);
  g_array_append_val (*members, member);
  return TRUE;
}

/* What was noted on the parent so far, apart from what is its own alone. */
void
_lsobs_notes_inherit (LsobsNotes       *self,
                      const LsobsNotes *parent)
{
  for (guint i = 0; parent->metadata != NULL && i < parent->metadata->len; i++)
    {
      Member *member = &g_array_index (parent->metadata, Member, i);

      if (member->inherited)
        put (self, &self->metadata, member->key, g_bytes_ref (member->value), TRUE);
    }
}

/* Takes @value over. FALSE when there is no room. */
gboolean
_lsobs_notes_set_metadata (LsobsNotes *self,
                           const char *key,
                           GBytes     *value,
                           gboolean    inherited)
{
  if (!put (self, &self->metadata, key, value, inherited))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

/* Takes @value over. FALSE when there is no room. */
gboolean
_lsobs_notes_set_extra (LsobsNotes *self,
                        const char *key,
                        GBytes     *value)
{
  if (!put (self, &self->extra, key, value, FALSE))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

/* FALSE when there is no room. */
gboolean
_lsobs_notes_add_tag (LsobsNotes *self,
                      const char *tag)
{
  if (self->tags == NULL)
    self->tags = g_ptr_array_new_with_free_func (g_free);
  if (g_ptr_array_find_with_equal_func (self->tags, tag, g_str_equal, NULL))
    return TRUE;
  if (self->tags->len >= LSOBS_MAX_NOTES || !take_room (self, NOTE_OVERHEAD + strlen (tag)))
    return FALSE;
  g_ptr_array_add (self->tags, g_strdup (tag));
  return TRUE;
}

/* Takes @details over. FALSE when there is no room. */
gboolean
_lsobs_notes_add_event (LsobsNotes *self,
                        const char *name,
                        gint64      time,
                        GBytes     *details)
{
  if (self->events == NULL)
    self->events = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_record_event_free);
  if (self->events->len >= LSOBS_MAX_NOTES ||
      !take_room (self, NOTE_OVERHEAD + strlen (name) +
                            (details != NULL ? g_bytes_get_size (details) : 0)))
    {
      g_clear_pointer (&details, g_bytes_unref);
      return FALSE;
    }
  g_ptr_array_add (self->events, _lsobs_record_event_new (name, time, details));
  return TRUE;
}

/* @members: (nullable)
 * Returns: (transfer full) (nullable): an object */
static GBytes *
write_members (GArray *members)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (members == NULL)
    return NULL;
  _lsobs_buffer_append_c (&text, '{');
  for (guint i = 0; i < members->len; i++)
    {
      Member *member = &g_array_index (members, Member, i);
      gsize len;
      const char *value = g_bytes_get_data (member->value, &len);

      if (i > 0)
        _lsobs_buffer_append_c (&text, ',');
      _lsobs_json_write_string (&text, member->key, strlen (member->key));
      _lsobs_buffer_append_c (&text, ':');
      _lsobs_buffer_append (&text, value, len);
    }
  _lsobs_buffer_append_c (&text, '}');
  return _lsobs_buffer_steal_bytes (&text);
}

/* Returns: (transfer full) (nullable): an object with all metadata */
GBytes *
_lsobs_notes_write_metadata (const LsobsNotes *self)
{
  return write_members (self->metadata);
}

/* Returns: (transfer full) (nullable): an object with what extra has beside them */
GBytes *
_lsobs_notes_write_extra (const LsobsNotes *self)
{
  return write_members (self->extra);
}

/* Returns: (transfer full) (nullable): an array of strings */
GBytes *
_lsobs_notes_write_tags (const LsobsNotes *self)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (self->tags == NULL)
    return NULL;
  _lsobs_buffer_append_c (&text, '[');
  for (guint i = 0; i < self->tags->len; i++)
    {
      const char *tag = g_ptr_array_index (self->tags, i);

      if (i > 0)
        _lsobs_buffer_append_c (&text, ',');
      _lsobs_json_write_string (&text, tag, strlen (tag));
    }
  _lsobs_buffer_append_c (&text, ']');
  return _lsobs_buffer_steal_bytes (&text);
}
