/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-bytes-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/core/lsobs-slab-private.h"
#include "lsobs/model/lsobs-annotations-private.h"
#include "lsobs/text/lsobs-json-merge-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Bytes that an annotation takes beside its text. */
#define OVERHEAD 64

/* So many names are looked at one by one; more are found by an index. */
#define MAX_UNINDEXED 16

/* At least twice LSOBS_MAX_ANNOTATIONS. */
#define N_SLOT_BITS 11
#define N_SLOTS     (1 << N_SLOT_BITS)

/* Annotations lie in a slab. Names and tags lie behind them, as long as there is room. */
#define ROOM (LSOBS_SLAB_SIZE - sizeof (LsobsAnnotations))
G_STATIC_ASSERT (sizeof (LsobsAnnotations) + 128 <= LSOBS_SLAB_SIZE);

/* Room for so many tags is made at once. */
#define N_FIRST 8

/* What is written out for a record is written on the stack first, up to so many bytes, and gets memory of
 * its size. */
#define STACK_BYTES 1024

/* A value that is not longer lies behind the annotations, too, if there is room. */
#define MAX_SHORT 96

/* The name of the event of a streamed token. It has no details: they would repeat the outputs,
 * which the settings may hide. */
#define TOKEN_EVENT "new_token"

/* JSON text. */
typedef struct
{
  const char *text; /* (nullable) in @bytes, or behind the annotations */
  GBytes *bytes;    /* (owned) (nullable) */
  guint len;
} Value;

/* A member of the metadata or of extra. */
struct _LsobsMember
{
  char *key;             /* (owned) see dup_name() */
  Value value;           /* without a text: not set, only marked as propagated */
  guint8 inherited : 1;  /* children of the run get it */
  guint8 propagated : 1; /* other processes get it */
};

/* The first members lie in a slab of their own. */
#define N_SLAB_MEMBERS (LSOBS_SLAB_SIZE / sizeof (LsobsMember))

gboolean
_lsobs_annotation_event_is_token (const char *name)
{
  return strcmp (name, TOKEN_EVENT) == 0;
}

/* @details: (transfer full) (nullable): an object; dropped for a token */
LsobsAnnotationEvent *
_lsobs_annotation_event_new (const char *name, gint64 time, GBytes *details)
{
  gsize size = strlen (name) + 1;
  LsobsAnnotationEvent *self = g_malloc (sizeof *self + size);

  memcpy (self->name, name, size);
  self->time = time;
  if (_lsobs_annotation_event_is_token (name))
    g_clear_pointer (&details, g_bytes_unref);
  self->details = details;
  return self;
}

void
_lsobs_annotation_event_free (LsobsAnnotationEvent *self)
{
  g_clear_pointer (&self->details, g_bytes_unref);
  g_free (self);
}

/* Writes @details without members "name" and "time": these are fields of the event itself.
 * Returns: FALSE if the text would be larger than @max_bytes */
gboolean
_lsobs_annotation_event_write_details (LsobsBuffer *out, JsonObject *details, gsize max_bytes)
{
  static const char *const except[] = { "name", "time", NULL };

  return _lsobs_json_write_object (out, details, except, max_bytes);
}

/* Parses the form that lsobs writes, exact to the microsecond: writing the time again shows whether
 * GDateTime has rounded it. */
static gboolean
parse_strict_time (const char *text, gint64 *time)
{
  if (!_lsobs_time_parse_iso (text, time))
    return FALSE;
  for (int delta = -1; delta <= 1; delta++)
    {
      char again[LSOBS_ISO_LEN + 1] = "";

      _lsobs_time_write_iso (*time + delta, again);
      if (strcmp (again, text) == 0)
        {
          *time += delta;
          break;
        }
    }
  return TRUE;
}

/* Parses ISO 8601 text of any form, or a number of milliseconds; other clients send both.
 * @time: (inout): not changed if @node is NULL or holds no time */
static void
parse_time (JsonNode *node, gint64 *time)
{
  const gint64 max_ms = G_GINT64_CONSTANT (253402300799999); /* the end of the year 9999 */
  const char *text;
  gint64 ms;

  if (node == NULL)
    return;
  if (json_node_get_value_type (node) == G_TYPE_INT64)
    {
      ms = json_node_get_int (node);
      if (ms > 0 && ms <= max_ms)
        *time = ms * 1000;
      return;
    }
  text = json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
  if (text == NULL)
    return;
  if (!parse_strict_time (text, time))
    {
      g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
      g_autoptr (GDateTime) parsed = g_date_time_new_from_iso8601 (text, utc);

      if (parsed != NULL)
        *time =
            g_date_time_to_unix (parsed) * G_USEC_PER_SEC + g_date_time_get_microsecond (parsed);
    }
}

/* @time: (inout): the time of the event before, which is used if @node has no time; then the time
 *   of this event
 * Returns: (transfer full) (nullable): NULL if @node is no object, or too large */
LsobsAnnotationEvent *
_lsobs_annotation_event_new_from_json (JsonNode *node, gint64 *time, gsize max_bytes)
{
  JsonObject *object = _lsobs_json_peek_object (node);
  LsobsBuffer details = LSOBS_BUFFER_INIT;
  JsonNode *name_node;
  const char *name = NULL;

  if (object == NULL)
    return NULL;
  if (!_lsobs_annotation_event_write_details (&details, object, max_bytes))
    {
      _lsobs_buffer_clear (&details);
      return NULL;
    }
  name_node = json_object_get_member (object, "name");
  if (name_node != NULL && json_node_get_value_type (name_node) == G_TYPE_STRING)
    name = json_node_get_string (name_node);
  parse_time (json_object_get_member (object, "time"), time);
  return _lsobs_annotation_event_new (name != NULL ? name : "", *time,
                                      _lsobs_buffer_steal_bytes (&details));
}

/* The name at a position: of a member, or a tag.
 * @names: the array that the index is of */
typedef const char *(*PeekNameFunc) (gconstpointer names, guint i);

/* An index is a hash table with positions, each plus one; 0 is an empty slot. Of a name that is there,
 * the slot is found, and of another one the slot for it.
 * Returns: (transfer none) */
static guint16 *
find_slot (guint16 *index, gconstpointer names, PeekNameFunc peek_name, const char *name)
{
  /* Names that differ in a digit have hashes that lie side by side: spread them. */
  guint i = (g_str_hash (name) * 0x9e3779b1u) >> (32 - N_SLOT_BITS);

  while (index[i % N_SLOTS] != 0 && strcmp (peek_name (names, index[i % N_SLOTS] - 1u), name) != 0)
    i++;
  return &index[i % N_SLOTS];
}

/* Adds the last name of @names. The first names get an index only when there are many.
 * @index: (inout) (nullable)
 * @n_names: with the last one */
static void
index_last (guint16 **index, gconstpointer names, guint n_names, PeekNameFunc peek_name)
{
  guint i = n_names - 1;

  if (*index == NULL && n_names <= MAX_UNINDEXED)
    return;
  if (*index == NULL)
    {
      *index = g_new0 (guint16, N_SLOTS);
      i = 0;
    }
  for (; i < n_names; i++)
    *find_slot (*index, names, peek_name, peek_name (names, i)) = (guint16) (i + 1);
}

/* @index: (nullable)
 * @position: (out)
 * Returns: whether the name is there */
static gboolean
find_name (guint16 *index,
           gconstpointer names,
           guint n_names,
           PeekNameFunc peek_name,
           const char *name,
           guint *position)
{
  if (index != NULL)
    {
      guint16 slot = *find_slot (index, names, peek_name, name);

      *position = slot - 1u;
      return slot != 0;
    }
  for (*position = 0; *position < n_names; (*position)++)
    if (strcmp (peek_name (names, *position), name) == 0)
      return TRUE;
  return FALSE;
}

static const char *
peek_key (gconstpointer names, guint i)
{
  return ((const LsobsMember *) names)[i].key;
}

static const char *
peek_tag (gconstpointer names, guint i)
{
  return g_ptr_array_index ((const GPtrArray *) names, i);
}

/* Returns: (transfer full): for free_name() */
static char *
dup_name (LsobsAnnotations *self, const char *name)
{
  gsize size = strlen (name) + 1;
  char *at = self->room + self->room_used;

  if (size > ROOM - self->room_used)
    return g_strdup (name);
  self->room_used += size;
  return memcpy (at, name, size);
}

/* The room of a name is used again only if the name is the last one there. */
static void
free_name (LsobsAnnotations *self, char *name)
{
  gsize size;

  if ((guintptr) name - (guintptr) self->room >= ROOM)
    {
      g_free (name);
      return;
    }
  size = strlen (name) + 1;
  if (name + size == self->room + self->room_used)
    self->room_used -= size;
}

/* --- values --- */

/* @self: a value, of which another one may be a copy */
static void
clear_value (Value *self)
{
  g_clear_pointer (&self->bytes, g_bytes_unref);
  self->text = NULL;
  self->len = 0;
}

/* Takes @bytes over. */
static void
set_bytes (Value *self, GBytes *bytes)
{
  gsize len;

  clear_value (self);
  self->text = g_bytes_get_data (bytes, &len);
  self->len = (guint) len;
  self->bytes = bytes;
}

/* Sets a copy of @text. What lies in the room is replaced there, if it is not shorter. */
static void
set_text_unlocked (LsobsAnnotations *self, Value *value, const char *text, gsize len)
{
  gboolean is_reused = value->text != NULL && value->bytes == NULL && len <= value->len;

  if (!is_reused && (len > MAX_SHORT || len > ROOM - self->room_used))
    {
      set_bytes (value, g_bytes_new (text, len));
      return;
    }
  if (!is_reused)
    {
      clear_value (value);
      value->text = self->room + self->room_used;
      self->room_used += len;
    }
  memcpy ((char *) value->text, text, len);
  value->len = (guint) len;
}

/* Returns: (transfer full) */
static GBytes *
dup_bytes (const Value *value)
{
  return value->bytes != NULL ? g_bytes_ref (value->bytes) : g_bytes_new (value->text, value->len);
}

/* --- members --- */

static void
free_items (LsobsMemberList *members)
{
  if (members->allocated == N_SLAB_MEMBERS)
    _lsobs_slab_free (members->items);
  else
    g_free (members->items);
}

static void
clear_members (LsobsAnnotations *self, LsobsMemberList *members)
{
  for (guint i = members->len; i-- > 0;)
    {
      free_name (self, members->items[i].key);
      clear_value (&members->items[i].value);
    }
  if (members->items != NULL)
    free_items (members);
  g_free (members->index);
}

/* Makes room for one more member. */
static void
grow_members (LsobsMemberList *members)
{
  guint wanted = 2 * members->allocated;
  LsobsMember *items;

  if (members->items == NULL)
    {
      members->items = _lsobs_slab_alloc ();
      members->allocated = N_SLAB_MEMBERS;
      return;
    }
  items = g_new (LsobsMember, wanted);
  memcpy (items, members->items, members->len * sizeof *items);
  free_items (members);
  members->items = items;
  members->allocated = wanted;
}

/* @tags: (transfer full) (nullable) */
static void
free_tags (LsobsAnnotations *self, GPtrArray *tags)
{
  if (tags == NULL)
    return;
  for (guint i = tags->len; i-- > 0;)
    free_name (self, g_ptr_array_index (tags, i));
  g_ptr_array_unref (tags);
}

LsobsAnnotations *
_lsobs_annotations_new (void)
{
  LsobsAnnotations *self = _lsobs_slab_alloc ();

  memset (self, 0, sizeof *self);
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

/* @self: (nullable) */
void
_lsobs_annotations_unref (LsobsAnnotations *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  clear_members (self, &self->metadata);
  clear_members (self, &self->extra);
  free_tags (self, self->tags);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_clear_pointer (&self->serialized, g_bytes_unref);
  g_free (self->tags_index);
  g_mutex_clear (&self->lock);
  _lsobs_slab_free (self);
}

/* Stands in a slot whose create has been written out, or is lost. */
static char closed;

/* Called from any thread, several times too.
 * @slot: (atomic) holds a reference if nothing was in it */
void
_lsobs_annotations_offer (LsobsAnnotations *self, gpointer *slot)
{
  if (g_atomic_pointer_get (slot) != NULL)
    return;
  if (!g_atomic_pointer_compare_and_exchange (slot, NULL, _lsobs_annotations_ref (self)))
    _lsobs_annotations_unref (self);
}

/* Takes what was offered. What is offered later is not taken.
 * @slot: (atomic)
 * Returns: (transfer full) (nullable) */
LsobsAnnotations *
_lsobs_annotations_close_slot (gpointer *slot)
{
  gpointer offered = g_atomic_pointer_get (slot);

  while (!g_atomic_pointer_compare_and_exchange (slot, offered, &closed))
    offered = g_atomic_pointer_get (slot);
  return offered != &closed ? offered : NULL;
}

/* Adds @n_bytes to the size of the annotations.
 * Returns: FALSE, with no change, if they would become too large */
static gboolean
reserve_unlocked (LsobsAnnotations *self, gsize n_bytes)
{
  if (n_bytes > LSOBS_MAX_ANNOTATION_BYTES - self->n_bytes)
    return FALSE;
  self->n_bytes += n_bytes;
  return TRUE;
}

/* Writes out the "serialized" of a run without its member "graph".
 * Returns: (transfer full) (nullable): NULL if it is no object, too large, or of a run that is
 *   neither a model nor a prompt */
GBytes *
_lsobs_annotations_capture_serialized (JsonNode *serialized, LsobsRunType run_type)
{
  static const char *const except[] = { "graph", NULL };
  JsonObject *object = _lsobs_json_peek_object (serialized);
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (object == NULL || (run_type != LSOBS_RUN_TYPE_LLM && run_type != LSOBS_RUN_TYPE_PROMPT) ||
      !_lsobs_json_write_object (&text, object, except, LSOBS_MAX_ANNOTATION_BYTES))
    return NULL;
  return _lsobs_buffer_steal_bytes (&text);
}

/* @serialized: (transfer full)
 * Returns: FALSE if there is no room */
gboolean
_lsobs_annotations_set_serialized_unlocked (LsobsAnnotations *self, GBytes *serialized)
{
  gsize before = _lsobs_bytes_get_size (self->serialized);

  self->n_bytes -= before;
  if (!reserve_unlocked (self, g_bytes_get_size (serialized)))
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

/* Returns: (transfer none) (nullable) */
static LsobsMember *
find_member (const LsobsMemberList *members, const char *key)
{
  guint i;

  if (!find_name (members->index, members->items, members->len, peek_key, key, &i))
    return NULL;
  return &members->items[i];
}

/* @bytes: (nullable): taken over on success only
 * @text, @len: the value, copied if there are no @bytes
 * Returns: FALSE if there is no room */
static gboolean
replace_value_unlocked (LsobsAnnotations *self,
                        LsobsMember *member,
                        GBytes *bytes,
                        const char *text,
                        gsize len)
{
  gsize before = member->value.len;

  self->n_bytes -= before;
  if (!reserve_unlocked (self, len))
    {
      self->n_bytes += before;
      return FALSE;
    }
  if (bytes != NULL)
    set_bytes (&member->value, bytes);
  else
    set_text_unlocked (self, &member->value, text, len);
  return TRUE;
}

/* Repairs invalid UTF-8, so that keys which are sent as the same text are one member.
 * @repaired: (out): owns the result if it was repaired */
static const char *
repair_key (const char *key, char **repaired)
{
  if (g_utf8_validate (key, -1, NULL))
    return key;
  return *repaired = g_utf8_make_valid (key, -1);
}

/* Finds a member, or adds one without a value.
 * Returns: (transfer none) (nullable): NULL if there is no room */
static LsobsMember *
ensure_member_unlocked (LsobsAnnotations *self, LsobsMemberList *members, const char *key)
{
  g_autofree char *repaired = NULL;
  LsobsMember *member;

  key = repair_key (key, &repaired);
  member = find_member (members, key);
  if (member != NULL)
    return member;
  if (members->len >= LSOBS_MAX_ANNOTATIONS || !reserve_unlocked (self, OVERHEAD + strlen (key)))
    return NULL;
  if (members->len == members->allocated)
    grow_members (members);
  member = &members->items[members->len++];
  memset (member, 0, sizeof *member);
  member->key = dup_name (self, key);
  index_last (&members->index, members->items, members->len, peek_key);
  return member;
}

/* Removes the last member. */
static void
remove_last_unlocked (LsobsAnnotations *self, LsobsMemberList *members)
{
  LsobsMember *member = &members->items[members->len - 1];

  self->n_bytes -= OVERHEAD + strlen (member->key);
  /* No other name was looked for beyond its slot: it is the last one. */
  if (members->index != NULL)
    *find_slot (members->index, members->items, peek_key, member->key) = 0;
  free_name (self, member->key);
  members->len--;
}

/* @bytes: (transfer full) (nullable)
 * @text, @len: the value, copied if there are no @bytes
 * Returns: FALSE if there is no room */
static gboolean
put_value_unlocked (LsobsAnnotations *self,
                    LsobsMemberList *members,
                    const char *key,
                    GBytes *bytes,
                    const char *text,
                    gsize len,
                    gboolean inherited)
{
  LsobsMember *member = ensure_member_unlocked (self, members, key);

  if (member != NULL && replace_value_unlocked (self, member, bytes, text, len))
    {
      member->inherited = inherited != FALSE;
      return TRUE;
    }
  g_clear_pointer (&bytes, g_bytes_unref);
  /* ensure_member_unlocked() has just added it. */
  if (member != NULL && member->value.text == NULL && !member->propagated)
    remove_last_unlocked (self, members);
  return FALSE;
}

/* @value: (transfer full)
 * Returns: FALSE if there is no room */
static gboolean
put_unlocked (LsobsAnnotations *self,
              LsobsMemberList *members,
              const char *key,
              GBytes *value,
              gboolean inherited)
{
  return put_value_unlocked (self, members, key, value, NULL, g_bytes_get_size (value), inherited);
}

/* Whether _lsobs_annotations_inherit_unlocked() would copy something. */
gboolean
_lsobs_annotations_are_inherited_unlocked (const LsobsAnnotations *self)
{
  for (guint i = 0; i < self->metadata.len; i++)
    {
      const LsobsMember *member = &self->metadata.items[i];

      if ((member->inherited && member->value.text != NULL) || member->propagated)
        return TRUE;
    }
  return self->tags_propagated;
}

/* Copies what children inherit. @self is new and not shared yet; the caller holds the lock of
 * @parent. */
void
_lsobs_annotations_inherit_unlocked (LsobsAnnotations *self, const LsobsAnnotations *parent)
{
  for (guint i = 0; i < parent->metadata.len; i++)
    {
      const LsobsMember *member = &parent->metadata.items[i];

      if (member->inherited && member->value.text != NULL)
        put_value_unlocked (self, &self->metadata, member->key,
                            _lsobs_bytes_ref (member->value.bytes), member->value.text,
                            member->value.len, TRUE);
      if (member->propagated)
        _lsobs_annotations_propagate_metadata_unlocked (self, member->key);
    }
  self->tags_propagated = parent->tags_propagated;
}

/* Marks the metadata of this key as propagated, even if they are set later.
 * Returns: FALSE if there is no room */
gboolean
_lsobs_annotations_propagate_metadata_unlocked (LsobsAnnotations *self, const char *key)
{
  LsobsMember *member = ensure_member_unlocked (self, &self->metadata, key);

  if (member == NULL)
    return FALSE;
  member->propagated = TRUE;
  return TRUE;
}

gboolean
_lsobs_annotations_propagates_unlocked (const LsobsAnnotations *self, const char *key)
{
  g_autofree char *repaired = NULL;
  LsobsMember *member = find_member (&self->metadata, repair_key (key, &repaired));

  return member != NULL && member->propagated;
}

/* Copies what a run in another process has sent in its headers. @self is new and not shared yet. */
void
_lsobs_annotations_take_remote_unlocked (LsobsAnnotations *self, const LsobsRemoteParent *parent)
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
      put_unlocked (self, &self->metadata, key, _lsobs_buffer_steal_bytes (&text), TRUE);
    }
  for (guint i = 0; parent->tags != NULL && i < parent->tags->len; i++)
    _lsobs_annotations_add_tag_unlocked (self, g_ptr_array_index (parent->tags, i));
}

/* @value: (transfer full)
 * Returns: FALSE if there is no room */
gboolean
_lsobs_annotations_set_metadata_unlocked (LsobsAnnotations *self,
                                          const char *key,
                                          GBytes *value,
                                          gboolean inherited)
{
  if (!put_unlocked (self, &self->metadata, key, value, inherited))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

/* @value: is copied if it is short, else moved from the buffer
 * Returns: FALSE if there is no room */
gboolean
_lsobs_annotations_set_metadata_text_unlocked (LsobsAnnotations *self,
                                               const char *key,
                                               LsobsBuffer *value,
                                               gboolean inherited)
{
  if (value->len > MAX_SHORT)
    return _lsobs_annotations_set_metadata_unlocked (self, key, _lsobs_buffer_steal_bytes (value),
                                                     inherited);
  if (!put_value_unlocked (self, &self->metadata, key, NULL, value->data, value->len, inherited))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

gboolean
_lsobs_annotations_has_metadata_unlocked (const LsobsAnnotations *self, const char *key)
{
  const LsobsMember *member = find_member (&self->metadata, key);

  return member != NULL && member->value.text != NULL;
}

/* @value: (transfer full)
 * Returns: FALSE if there is no room */
gboolean
_lsobs_annotations_set_extra_unlocked (LsobsAnnotations *self, const char *key, GBytes *value)
{
  if (!put_unlocked (self, &self->extra, key, value, FALSE))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

/* @value: (transfer full)
 * Returns: FALSE if there is no room */
static gboolean
merge_unlocked (LsobsAnnotations *self, LsobsMemberList *members, const char *key, GBytes *value)
{
  g_autofree char *repaired = NULL;
  LsobsMember *known = find_member (members, repair_key (key, &repaired));

  if (known != NULL && known->value.text != NULL)
    {
      g_autoptr (GBytes) before = dup_bytes (&known->value);
      GBytes *merged = _lsobs_json_merge_bytes (before, value);

      g_bytes_unref (value);
      value = merged;
    }
  if (!put_unlocked (self, members, key, value, FALSE))
    return FALSE;
  self->extra_seq++;
  return TRUE;
}

/* Like _lsobs_annotations_set_metadata_unlocked(), but an object is merged with the object that
 * the member has. For runs that are reported by id: no run inherits from them. */
gboolean
_lsobs_annotations_merge_metadata_unlocked (LsobsAnnotations *self, const char *key, GBytes *value)
{
  return merge_unlocked (self, &self->metadata, key, value);
}

/* The same for a member of extra. */
gboolean
_lsobs_annotations_merge_extra_unlocked (LsobsAnnotations *self, const char *key, GBytes *value)
{
  return merge_unlocked (self, &self->extra, key, value);
}

void
_lsobs_annotations_clear_tags_unlocked (LsobsAnnotations *self)
{
  for (guint i = 0; self->tags != NULL && i < self->tags->len; i++)
    self->n_bytes -= OVERHEAD + strlen (g_ptr_array_index (self->tags, i));
  free_tags (self, g_steal_pointer (&self->tags));
  g_clear_pointer (&self->tags_index, g_free);
}

static gsize
event_size (const char *name, GBytes *details)
{
  return OVERHEAD + strlen (name) + _lsobs_bytes_get_size (details);
}

/* Records that have the array of events keep it. */
void
_lsobs_annotations_clear_events_unlocked (LsobsAnnotations *self)
{
  for (guint i = 0; self->events != NULL && i < self->events->len; i++)
    {
      LsobsAnnotationEvent *event = g_ptr_array_index (self->events, i);

      self->n_bytes -= event_size (event->name, event->details);
    }
  g_clear_pointer (&self->events, g_ptr_array_unref);
  self->has_token = FALSE;
}

/* Returns: FALSE if there is no room */
gboolean
_lsobs_annotations_add_tag_unlocked (LsobsAnnotations *self, const char *tag)
{
  guint position;

  if (self->tags == NULL)
    self->tags = g_ptr_array_sized_new (N_FIRST);
  if (find_name (self->tags_index, self->tags, self->tags->len, peek_tag, tag, &position))
    return TRUE;
  if (self->tags->len >= LSOBS_MAX_ANNOTATIONS || !reserve_unlocked (self, OVERHEAD + strlen (tag)))
    return FALSE;
  g_ptr_array_add (self->tags, dup_name (self, tag));
  index_last (&self->tags_index, self->tags, self->tags->len, peek_tag);
  return TRUE;
}

/* @details: (transfer full) (nullable): an object
 * Returns: FALSE if there is no room */
gboolean
_lsobs_annotations_add_event_unlocked (LsobsAnnotations *self,
                                       const char *name,
                                       gint64 time,
                                       GBytes *details)
{
  gboolean is_token = _lsobs_annotation_event_is_token (name);

  /* The service uses only the time of the first token. */
  if (is_token && self->has_token)
    {
      g_clear_pointer (&details, g_bytes_unref);
      return TRUE;
    }
  if (self->events == NULL)
    self->events = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_annotation_event_free);
  if (is_token)
    g_clear_pointer (&details, g_bytes_unref);
  if (self->events->len >= LSOBS_MAX_ANNOTATIONS ||
      !reserve_unlocked (self, event_size (name, details)))
    {
      g_clear_pointer (&details, g_bytes_unref);
      return FALSE;
    }
  g_ptr_array_add (self->events, _lsobs_annotation_event_new (name, time, details));
  self->has_token |= is_token;
  return TRUE;
}

static void
write_member (LsobsBuffer *text, const LsobsMember *member)
{
  _lsobs_buffer_append_c (text, text->len == 0 ? '{' : ',');
  _lsobs_json_write_string (text, member->key, strlen (member->key));
  _lsobs_buffer_append_c (text, ':');
  _lsobs_buffer_append (text, member->value.text, member->value.len);
}

/* Returns: (transfer full) (nullable): an object; NULL if it is empty */
static GBytes *
close_object (LsobsBuffer *text)
{
  if (text->len == 0)
    return NULL;
  _lsobs_buffer_append_c (text, '}');
  return _lsobs_buffer_steal_bytes (text);
}

/* Returns: (transfer full) (nullable): an object */
static GBytes *
write_members (const LsobsMemberList *members)
{
  char room[STACK_BYTES];
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT_LENT (room);

  for (guint i = 0; i < members->len; i++)
    if (members->items[i].value.text != NULL)
      write_member (&text, &members->items[i]);
  return close_object (&text);
}

/* Returns: (transfer full) (nullable): an object with all metadata */
GBytes *
_lsobs_annotations_write_metadata_unlocked (const LsobsAnnotations *self)
{
  return write_members (&self->metadata);
}

/* Returns: (transfer full) (nullable): an object with all members of extra but the metadata */
GBytes *
_lsobs_annotations_write_extra_unlocked (const LsobsAnnotations *self)
{
  return write_members (&self->extra);
}

/* @max_bytes: the largest size of a key and its value; larger members are left out
 * @n_left_out: (inout): counts the members that are left out
 * Returns: (transfer full) (nullable): an object with the metadata marked as propagated */
GBytes *
_lsobs_annotations_write_propagated_unlocked (const LsobsAnnotations *self,
                                              gsize max_bytes,
                                              guint *n_left_out)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  for (guint i = 0; i < self->metadata.len; i++)
    {
      const LsobsMember *member = &self->metadata.items[i];

      if (!member->propagated || member->value.text == NULL)
        continue;
      if (strlen (member->key) + member->value.len <= max_bytes)
        write_member (&text, member);
      else
        (*n_left_out)++;
    }
  return close_object (&text);
}

/* Returns: (transfer full) (nullable): an array of strings */
GBytes *
_lsobs_annotations_write_tags_unlocked (const LsobsAnnotations *self)
{
  char room[STACK_BYTES];
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT_LENT (room);

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
