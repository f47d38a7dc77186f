/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/model/lsobs-annotations-private.h"
#include "lsobs/text/lsobs-json-merge-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* What a note costs beside its text. */
#define NOTE_OVERHEAD 64

/* A member of the metadata, or of extra beside them. */
typedef struct
{
  char *key;           /* (owned) */
  GBytes *value;       /* (owned) (nullable) JSON; NULL while there is only the mark */
  gboolean inherited;  /* children get it too */
  gboolean propagated; /* a mark: other processes get it too */
} Member;

static void
member_clear (gpointer data)
{
  Member *member = data;

  g_free (member->key);
  g_clear_pointer (&member->value, g_bytes_unref);
}

LsobsAnnotations *
_lsobs_annotations_new (void)
{
  LsobsAnnotations *self = g_new0 (LsobsAnnotations, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  return self;
}

LsobsAnnotations *
_lsobs_annotations_ref (LsobsAnnotations *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_annotations_unref (LsobsAnnotations *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_pointer (&self->metadata, g_array_unref);
  g_clear_pointer (&self->extra, g_array_unref);
  g_clear_pointer (&self->tags, g_ptr_array_unref);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_clear_pointer (&self->serialized, g_bytes_unref);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* FALSE when there is no room for so many bytes more. */
static gboolean
take_room (LsobsAnnotations *self, gsize n_bytes)
{
  if (n_bytes > LSOBS_MAX_NOTE_BYTES - self->n_bytes)
    return FALSE;
  self->n_bytes += n_bytes;
  return TRUE;
}

static gsize
value_size (GBytes *value)
{
  return value != NULL ? g_bytes_get_size (value) : 0;
}

/* Only a model or a prompt has one, and not the graph of it.
 * Returns: (transfer full) (nullable): %NULL when it cannot be sent */
GBytes *
_lsobs_annotations_capture_serialized (JsonNode *serialized, LsobsRunType run_type)
{
  static const char *const except[] = { "graph", NULL };
  JsonObject *object = _lsobs_json_peek_object (serialized);
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (object == NULL || (run_type != LSOBS_RUN_TYPE_LLM && run_type != LSOBS_RUN_TYPE_PROMPT) ||
      !_lsobs_json_write_object (&text, object, except, LSOBS_MAX_NOTE_BYTES))
    return NULL;
  return _lsobs_buffer_steal_bytes (&text);
}

/* Takes @serialized over. FALSE when there is no room. */
gboolean
_lsobs_annotations_set_serialized (LsobsAnnotations *self, GBytes *serialized)
{
  gsize before = value_size (self->serialized);

  self->n_bytes -= before;
  if (!take_room (self, g_bytes_get_size (serialized)))
    {
      self->n_bytes += before;
      g_bytes_unref (serialized);
      return FALSE;
    }
  g_clear_pointer (&self->serialized, g_bytes_unref);
  self->serialized = serialized;
  self->serialized_seq++;
  return TRUE;
}

/* @members: (nullable)
 * Returns: (nullable) */
static Member *
find_member (GArray *members, const char *key)
{
  for (guint i = 0; members != NULL && i < members->len; i++)
    {
      Member *member = &g_array_index (members, Member, i);

      if (strcmp (member->key, key) == 0)
        return member;
    }
  return NULL;
}

/* FALSE when there is no room. Takes @value over if there is. */
static gboolean
replace_value (LsobsAnnotations *self, Member *member, GBytes *value)
{
  gsize before = value_size (member->value);

  self->n_bytes -= before;
  if (!take_room (self, value_size (value)))
    {
      self->n_bytes += before;
      return FALSE;
    }
  g_clear_pointer (&member->value, g_bytes_unref);
  member->value = value;
  return TRUE;
}

/* Two keys that are repaired to the same one must be one from the start.
 * @repaired: (out): what keeps the result alive */
static const char *
repair_key (const char *key, char **repaired)
{
  if (g_utf8_validate (key, -1, NULL))
    return key;
  return *repaired = g_utf8_make_valid (key, -1);
}

/* Returns: (nullable): the member of this name, with no value yet if it is new; NULL
 * when there is no room */
static Member *
ensure_member (LsobsAnnotations *self, GArray **members, const char *key)
{
  g_autofree char *repaired = NULL;
  Member member = { NULL };
  Member *known;

  key = repair_key (key, &repaired);
  if (*members == NULL)
    {
      *members = g_array_new (FALSE, FALSE, sizeof (Member));
      g_array_set_clear_func (*members, member_clear);
    }
  known = find_member (*members, key);
  if (known != NULL)
    return known;
  if ((*members)->len >= LSOBS_MAX_NOTES || !take_room (self, NOTE_OVERHEAD + strlen (key)))
    return NULL;
  member.key = g_strdup (key);
  g_array_append_val (*members, member);
  return &g_array_index (*members, Member, (*members)->len - 1);
}

/* Takes @value over. FALSE when there is no room. */
static gboolean
put (LsobsAnnotations *self, GArray **members, const char *key, GBytes *value, gboolean inherited)
{
  Member *member = ensure_member (self, members, key);

  if (member != NULL && replace_value (self, member, value))
    {
      member->inherited = inherited;
      return TRUE;
    }
  g_bytes_unref (value);
  if (member != NULL && member->value == NULL && !member->propagated)
    {
      /* It was made for this. */
      self->n_bytes -= NOTE_OVERHEAD + strlen (member->key);
      g_array_set_size (*members, (*members)->len - 1);
    }
  return FALSE;
}

/* What was noted on the parent so far, apart from what is its own alone. */
void
_lsobs_annotations_inherit (LsobsAnnotations *self, const LsobsAnnotations *parent)
{
  for (guint i = 0; parent->metadata != NULL && i < parent->metadata->len; i++)
    {
      Member *member = &g_array_index (parent->metadata, Member, i);

      if (member->inherited && member->value != NULL)
        put (self, &self->metadata, member->key, g_bytes_ref (member->value), TRUE);
      if (member->propagated)
        _lsobs_annotations_propagate_metadata (self, member->key);
    }
  self->tags_propagated = parent->tags_propagated;
}

/* Marks what is called so, now or later. FALSE when there is no room. */
gboolean
_lsobs_annotations_propagate_metadata (LsobsAnnotations *self, const char *key)
{
  Member *member = ensure_member (self, &self->metadata, key);

  if (member == NULL)
    return FALSE;
  member->propagated = TRUE;
  return TRUE;
}

gboolean
_lsobs_annotations_propagates (const LsobsAnnotations *self, const char *key)
{
  g_autofree char *repaired = NULL;
  Member *member = find_member (self->metadata, repair_key (key, &repaired));

  return member != NULL && member->propagated;
}

/* What a run in another process has sent along. */
void
_lsobs_annotations_take_remote (LsobsAnnotations *self, const LsobsRemoteParent *parent)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (parent->metadata != NULL)
    json_object_iter_init_ordered (&iter, parent->metadata);
  while (parent->metadata != NULL && json_object_iter_next_ordered (&iter, &key, &value))
    {
      LsobsBuffer text = LSOBS_BUFFER_INIT;

      _lsobs_json_write_node (&text, value, G_MAXSIZE);
      put (self, &self->metadata, key, _lsobs_buffer_steal_bytes (&text), TRUE);
    }
  for (guint i = 0; parent->tags != NULL && i < parent->tags->len; i++)
    _lsobs_annotations_add_tag (self, g_ptr_array_index (parent->tags, i));
}

/* Takes @value over. FALSE when there is no room. */
gboolean
_lsobs_annotations_set_metadata (LsobsAnnotations *self,
                                 const char *key,
                                 GBytes *value,
                                 gboolean inherited)
{
  if (!put (self, &self->metadata, key, value, inherited))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

gboolean
_lsobs_annotations_has_metadata (const LsobsAnnotations *self, const char *key)
{
  Member *member = find_member (self->metadata, key);

  /* A mark alone is none. */
  return member != NULL && member->value != NULL;
}

/* Takes @value over. FALSE when there is no room. */
gboolean
_lsobs_annotations_set_extra (LsobsAnnotations *self, const char *key, GBytes *value)
{
  if (!put (self, &self->extra, key, value, FALSE))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

/* Takes @value over. FALSE when there is no room. */
static gboolean
merge (LsobsAnnotations *self, GArray **members, const char *key, GBytes *value)
{
  g_autofree char *repaired = NULL;
  Member *known = find_member (*members, repair_key (key, &repaired));

  if (known != NULL && known->value != NULL)
    {
      GBytes *merged = _lsobs_json_merge_bytes (known->value, value);

      g_bytes_unref (value);
      value = merged;
    }
  if (!put (self, members, key, value, FALSE))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

/* As the two above, but objects take up the members of those that were there before.
 * For runs that are known by their ids, which nobody inherits from. */
gboolean
_lsobs_annotations_merge_metadata (LsobsAnnotations *self, const char *key, GBytes *value)
{
  return merge (self, &self->metadata, key, value);
}

gboolean
_lsobs_annotations_merge_extra (LsobsAnnotations *self, const char *key, GBytes *value)
{
  return merge (self, &self->extra, key, value);
}

void
_lsobs_annotations_clear_tags (LsobsAnnotations *self)
{
  for (guint i = 0; self->tags != NULL && i < self->tags->len; i++)
    self->n_bytes -= NOTE_OVERHEAD + strlen (g_ptr_array_index (self->tags, i));
  g_clear_pointer (&self->tags, g_ptr_array_unref);
}

static gsize
event_size (const char *name, GBytes *details)
{
  return NOTE_OVERHEAD + strlen (name) + value_size (details);
}

/* A record may go on using those that were there. */
void
_lsobs_annotations_clear_events (LsobsAnnotations *self)
{
  for (guint i = 0; self->events != NULL && i < self->events->len; i++)
    {
      LsobsRecordEvent *event = g_ptr_array_index (self->events, i);

      self->n_bytes -= event_size (event->name, event->details);
    }
  g_clear_pointer (&self->events, g_ptr_array_unref);
  self->has_token = FALSE;
}

/* FALSE when there is no room. */
gboolean
_lsobs_annotations_add_tag (LsobsAnnotations *self, const char *tag)
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
_lsobs_annotations_add_event (LsobsAnnotations *self,
                              const char *name,
                              gint64 time,
                              GBytes *details)
{
  gboolean is_token = _lsobs_record_event_is_token (name);

  /* The service wants to know when the first one came, and no more. */
  if (is_token && self->has_token)
    {
      g_clear_pointer (&details, g_bytes_unref);
      return TRUE;
    }
  if (self->events == NULL)
    self->events = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_record_event_free);
  if (is_token)
    g_clear_pointer (&details, g_bytes_unref);
  if (self->events->len >= LSOBS_MAX_NOTES || !take_room (self, event_size (name, details)))
    {
      g_clear_pointer (&details, g_bytes_unref);
      return FALSE;
    }
  g_ptr_array_add (self->events, _lsobs_record_event_new (name, time, details));
  self->has_token |= is_token;
  return TRUE;
}

static void
write_member (LsobsBuffer *text, const Member *member)
{
  gsize len;
  const char *value = g_bytes_get_data (member->value, &len);

  _lsobs_buffer_append_c (text, text->len == 0 ? '{' : ',');
  _lsobs_json_write_string (text, member->key, strlen (member->key));
  _lsobs_buffer_append_c (text, ':');
  _lsobs_buffer_append (text, value, len);
}

/* Returns: (transfer full) (nullable): an object; NULL when there is nothing in it */
static GBytes *
close_object (LsobsBuffer *text)
{
  if (text->len == 0)
    return NULL;
  _lsobs_buffer_append_c (text, '}');
  return _lsobs_buffer_steal_bytes (text);
}

/* @members: (nullable)
 * Returns: (transfer full) (nullable): an object */
static GBytes *
write_members (GArray *members)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  for (guint i = 0; members != NULL && i < members->len; i++)
    {
      Member *member = &g_array_index (members, Member, i);

      if (member->value != NULL)
        write_member (&text, member);
    }
  return close_object (&text);
}

/* Returns: (transfer full) (nullable): an object with all metadata */
GBytes *
_lsobs_annotations_write_metadata (const LsobsAnnotations *self)
{
  return write_members (self->metadata);
}

/* Returns: (transfer full) (nullable): an object with what extra has beside them */
GBytes *
_lsobs_annotations_write_extra (const LsobsAnnotations *self)
{
  return write_members (self->extra);
}

/* @max_bytes: of a key and its value; longer ones are left out
 * @n_left_out: (inout): how many were
 * Returns: (transfer full) (nullable): an object with the metadata that are marked */
GBytes *
_lsobs_annotations_write_propagated (const LsobsAnnotations *self,
                                     gsize max_bytes,
                                     guint *n_left_out)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  for (guint i = 0; self->metadata != NULL && i < self->metadata->len; i++)
    {
      Member *member = &g_array_index (self->metadata, Member, i);

      if (!member->propagated || member->value == NULL)
        continue;
      if (strlen (member->key) + value_size (member->value) <= max_bytes)
        write_member (&text, member);
      else
        (*n_left_out)++;
    }
  return close_object (&text);
}

/* Returns: (transfer full) (nullable): an array of strings */
GBytes *
_lsobs_annotations_write_tags (const LsobsAnnotations *self)
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
