/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-buffer-private.h"
#include "lsobs/lsobs-json-writer-private.h"
#include "lsobs/lsobs-notes-private.h"

/* What a note costs beside its text. */
#define NOTE_OVERHEAD 64

typedef struct
{
  char *key;          /* (owned) */
  GBytes *value;      /* (owned) JSON */
  gboolean inherited; /* children get it too */
} Metadatum;

static void
metadatum_clear (gpointer data)
{
  Metadatum *metadatum = data;

  g_free (metadatum->key);
  g_bytes_unref (metadatum->value);
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

/* Takes @value over. FALSE when there is no room. */
static gboolean
put_metadata (LsobsNotes *self,
              const char *key,
              GBytes     *value,
              gboolean    inherited)
{
  Metadatum metadatum = { NULL, value, inherited };
  g_autofree char *valid = NULL;

  /* Two keys that are repaired to the same one must be one from the start. */
  if (!g_utf8_validate (key, -1, NULL))
    key = valid = g_utf8_make_valid (key, -1);
  if (self->metadata == NULL)
    {
      self->metadata = g_array_new (FALSE, FALSE, sizeof (Metadatum));
      g_array_set_clear_func (self->metadata, metadatum_clear);
    }
  for (guint i = 0; i < self->metadata->len; i++)
    {
      Metadatum *known = &g_array_index (self->metadata, Metadatum, i);

      if (strcmp (known->key, key) == 0)
        {
          gsize before = g_bytes_get_size (known->value);

          self->n_bytes -= before;
          if (!take_room (self, g_bytes_get_size (value)))
            {
              self->n_bytes += before;
              g_bytes_unref (value);
              return FALSE;
            }
          g_bytes_unref (known->value);
          known->value = value;
          known->inherited = inherited;
          return TRUE;
        }
    }
  if (self->metadata->len >= LSOBS_MAX_NOTES ||
      !take_room (self, NOTE_OVERHEAD + strlen (key) + g_bytes_get_size (value)))
    {
      g_bytes_unref (value);
      return FALSE;
    }
  metadatum.key = g_strdup (key);
  g_array_append_val (self->metadata, metadatum);
  return TRUE;
}

/* What was noted on the parent so far, apart from what is its own alone. */
void
_lsobs_notes_inherit (LsobsNotes       *self,
                      const LsobsNotes *parent)
{
  for (guint i = 0; parent->metadata != NULL && i < parent->metadata->len; i++)
    {
      Metadatum *metadatum = &g_array_index (parent->metadata, Metadatum, i);

      if (metadatum->inherited)
        put_metadata (self, metadatum->key, g_bytes_ref (metadatum->value), TRUE);
    }
}

/* Takes @value over. FALSE when there is no room. */
gboolean
_lsobs_notes_set_metadata (LsobsNotes *self,
                           const char *key,
                           GBytes     *value,
                           gboolean    inherited)
{
  if (!put_metadata (self, key, value, inherited))
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

/* Returns: (transfer full) (nullable): an object with all metadata */
GBytes *
_lsobs_notes_write_metadata (const LsobsNotes *self)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (self->metadata == NULL)
    return NULL;
  for (guint i = 0; i < self->metadata->len; i++)
    {
      Metadatum *metadatum = &g_array_index (self->metadata, Metadatum, i);
      gsize len;
      const char *value = g_bytes_get_data (metadatum->value, &len);

      _lsobs_buffer_append_c (&text, i == 0 ? '{' : ',');
      _lsobs_json_write_string (&text, metadatum->key, strlen (metadatum->key));
      _lsobs_buffer_append_c (&text, ':');
      _lsobs_buffer_append (&text, value, len);
    }
  _lsobs_buffer_append_c (&text, '}');
  return _lsobs_buffer_steal_bytes (&text);
}

/* Returns: (transfer full) (nullable): an array of strings */
GBytes *
_lsobs_notes_write_tags (const LsobsNotes *self)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (self->tags == NULL)
    return NULL;
  for (guint i = 0; i < self->tags->len; i++)
    {
      const char *tag = g_ptr_array_index (self->tags, i);

      _lsobs_buffer_append_c (&text, i == 0 ? '[' : ',');
      _lsobs_json_write_string (&text, tag, strlen (tag));
    }
  _lsobs_buffer_append_c (&text, ']');
  return _lsobs_buffer_steal_bytes (&text);
}
