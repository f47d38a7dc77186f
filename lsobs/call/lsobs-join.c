/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-join-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* How many members an object, and how many elements with an index a list may have: they are looked
 * for one by one. */
#define MAX_MEMBERS  256
#define MAX_ELEMENTS 256

typedef enum
{
  JOIN_VALUE, /* JSON text, which another value replaces */
  JOIN_TEXT,  /* a string, which grows */
  JOIN_RAW,   /* JSON text, which comes in pieces */
  JOIN_OBJECT,
  JOIN_LIST
} JoinKind;

struct _LsobsJoin
{
  JoinKind kind;
  LsobsJoinLimit *limit; /* (unowned) shared by all values below the outermost one */
  char *name;            /* (owned) (nullable) of a member */
  gint64 index;          /* of an element of a list, or -1 */
  gboolean is_finished;  /* the element has come to its end */
  LsobsBuffer text;      /* of JOIN_VALUE, JOIN_TEXT, JOIN_RAW */
  GPtrArray *children;   /* (owned) (nullable) (element-type LsobsJoin) of JOIN_OBJECT, JOIN_LIST */
};

/* Members whose strings come in pieces. Other strings are replaced by what comes later. */
static const char *const text_members[] = {
  "arguments",         "content",    "data",     "input",     "partial_json", "reasoning",
  "reasoning_content", "refusal",    "response", "signature", "summary",      "text",
  "thinking",          "transcript", NULL
};

static LsobsJoin *
join_new (JoinKind kind, LsobsJoinLimit *limit, const char *name, gint64 index)
{
  LsobsJoin *self = g_new0 (LsobsJoin, 1);

  self->kind = kind;
  self->limit = limit;
  self->name = g_strdup (name);
  self->index = index;
  return self;
}

/* @limit: (unowned): outlives the value
 * Returns: (transfer full): an object without members */
LsobsJoin *
_lsobs_join_new (LsobsJoinLimit *limit)
{
  return join_new (JOIN_OBJECT, limit, NULL, -1);
}

void
_lsobs_join_free (LsobsJoin *self)
{
  g_clear_pointer (&self->children, g_ptr_array_unref);
  _lsobs_buffer_clear (&self->text);
  g_free (self->name);
  g_free (self);
}

/* @text: (nullable): what has grown, by @n_added bytes */
static void
note_change (LsobsJoinLimit *limit, LsobsJoin *text, gsize n_added)
{
  limit->n_changes++;
  limit->changed = text;
  limit->n_added = n_added;
}

/* Removes what the value holds. The bytes that its children took stay taken. */
static void
reset (LsobsJoin *self, JoinKind kind)
{
  note_change (self->limit, NULL, 0);
  self->limit->n_left += self->text.len;
  g_clear_pointer (&self->children, g_ptr_array_unref);
  _lsobs_buffer_clear (&self->text);
  self->kind = kind;
}

void
_lsobs_join_clear_object (LsobsJoin *self)
{
  reset (self, JOIN_OBJECT);
}

/* Whether there is room for so many bytes, which are taken. */
static gboolean
take_room (LsobsJoinLimit *limit, gsize n_bytes)
{
  if (n_bytes > limit->n_left)
    {
      limit->n_cut += n_bytes;
      return FALSE;
    }
  limit->n_left -= n_bytes;
  return TRUE;
}

static guint
count_children (LsobsJoin *self)
{
  return self->children != NULL ? self->children->len : 0;
}

/* Returns: (nullable): NULL if there is no room */
static LsobsJoin *
add_child (LsobsJoin *self, JoinKind kind, const char *name, gint64 index)
{
  gsize n_bytes = sizeof (LsobsJoin) + (name != NULL ? strlen (name) : 0);
  LsobsJoin *child;

  if (!take_room (self->limit, n_bytes))
    return NULL;
  note_change (self->limit, NULL, 0);
  if (self->children == NULL)
    self->children = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_join_free);
  child = join_new (kind, self->limit, name, index);
  g_ptr_array_add (self->children, child);
  return child;
}

/* Returns: (nullable): the member, whatever its kind */
static LsobsJoin *
find_member (LsobsJoin *self, const char *name)
{
  if (self->kind != JOIN_OBJECT)
    return NULL;
  for (guint i = 0; i < count_children (self); i++)
    {
      LsobsJoin *child = g_ptr_array_index (self->children, i);

      if (strcmp (child->name, name) == 0)
        return child;
    }
  return NULL;
}

/* Finds or adds a member. One of another kind is replaced.
 * Returns: (nullable): NULL if there is no room */
static LsobsJoin *
get_member (LsobsJoin *self, JoinKind kind, const char *name)
{
  LsobsJoin *child = find_member (self, name);

  if (child != NULL && child->kind != kind)
    reset (child, kind);
  if (child != NULL)
    return child;
  if (self->kind != JOIN_OBJECT || count_children (self) >= MAX_MEMBERS)
    {
      self->limit->n_cut += strlen (name);
      return NULL;
    }
  return add_child (self, kind, name, -1);
}

/* Returns: (transfer none) (nullable): a member that is an object; NULL if there is no room */
LsobsJoin *
_lsobs_join_get_object (LsobsJoin *self, const char *name)
{
  return get_member (self, JOIN_OBJECT, name);
}

/* Returns: (nullable): the element of a list */
static LsobsJoin *
find_element (LsobsJoin *list, gint64 index)
{
  guint n = count_children (list);
  LsobsJoin *child;

  /* Most lists have the elements in order. */
  if (index >= 0 && index < n)
    {
      child = g_ptr_array_index (list->children, (guint) index);
      if (child->index == index)
        return child;
    }
  for (guint i = MIN (n, MAX_ELEMENTS); i > 0; i--)
    {
      child = g_ptr_array_index (list->children, i - 1);
      if (child->index == index)
        return child;
    }
  return NULL;
}

/* @name: a member that is a list of objects
 * Returns: (transfer none) (nullable): the element with this index; NULL if there is no room */
LsobsJoin *
_lsobs_join_get_element (LsobsJoin *self, const char *name, gint64 index)
{
  LsobsJoin *list = get_member (self, JOIN_LIST, name);
  LsobsJoin *child = list != NULL ? find_element (list, index) : NULL;

  if (child != NULL && child->kind != JOIN_OBJECT)
    reset (child, JOIN_OBJECT);
  if (child != NULL || list == NULL)
    return child;
  if (count_children (list) >= MAX_ELEMENTS)
    {
      self->limit->n_cut += sizeof (LsobsJoin);
      return NULL;
    }
  return add_child (list, JOIN_OBJECT, NULL, index);
}

/* Returns: (transfer none) (nullable): a new object at the end of the list; NULL if there is no
 *   room */
LsobsJoin *
_lsobs_join_add_element (LsobsJoin *self, const char *name)
{
  LsobsJoin *list = get_member (self, JOIN_LIST, name);

  return list != NULL ? add_child (list, JOIN_OBJECT, NULL, -1) : NULL;
}

/* Returns: (transfer none) (nullable): the object at the end of the list, if there is one */
static LsobsJoin *
peek_last (LsobsJoin *self, const char *name)
{
  LsobsJoin *list = find_member (self, name);
  LsobsJoin *last;

  if (list == NULL || list->kind != JOIN_LIST || count_children (list) == 0)
    return NULL;
  last = g_ptr_array_index (list->children, list->children->len - 1);
  return last->kind == JOIN_OBJECT ? last : NULL;
}

/* Returns: the number of elements of the list, or of members of the object */
guint
_lsobs_join_count (LsobsJoin *self, const char *name)
{
  LsobsJoin *child = find_member (self, name);

  return child != NULL ? count_children (child) : 0;
}

gboolean
_lsobs_join_is_empty (LsobsJoin *self)
{
  return count_children (self) == 0;
}

/* Whether there is such a member, and it is neither empty nor null. */
gboolean
_lsobs_join_has (LsobsJoin *self, const char *name)
{
  static const char null[] = "null";
  LsobsJoin *child = find_member (self, name);

  if (child == NULL || (child->kind == JOIN_VALUE && child->text.len == sizeof null - 1 &&
                        memcmp (child->text.data, null, child->text.len) == 0))
    return FALSE;
  return child->text.len > 0 || count_children (child) > 0;
}

/* The element has ended. Unlike a member, this needs no memory.
 * Returns: TRUE for the first time */
gboolean
_lsobs_join_finish (LsobsJoin *self)
{
  gboolean is_first = !self->is_finished;

  self->is_finished = TRUE;
  return is_first;
}

/* Whether the member was set to this string. */
static gboolean
has_string (LsobsJoin *self, const char *name, const char *text)
{
  g_auto (LsobsBuffer) json = LSOBS_BUFFER_INIT;
  LsobsJoin *child = find_member (self, name);

  if (child == NULL || child->kind != JOIN_VALUE)
    return FALSE;
  _lsobs_json_write_string (&json, text, strlen (text));
  return json.len == child->text.len && memcmp (json.data, child->text.data, json.len) == 0;
}

/* Sets the text of a JOIN_VALUE. */
static void
set_value (LsobsJoin *self, JsonNode *node)
{
  self->limit->n_left += self->text.len;
  _lsobs_buffer_truncate (&self->text, 0);
  if (_lsobs_json_write_node (&self->text, node, self->limit->n_left))
    self->limit->n_left -= self->text.len;
  else
    self->limit->n_cut++;
}

void
_lsobs_join_set (LsobsJoin *self, const char *name, JsonNode *node)
{
  LsobsJoin *child = get_member (self, JOIN_VALUE, name);

  if (child != NULL)
    set_value (child, node);
}

void
_lsobs_join_set_string (LsobsJoin *self, const char *name, const char *text)
{
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), text);

  _lsobs_join_set (self, name, node);
}

/* Appends to a string, or to JSON text that comes in pieces.
 * @text: valid UTF-8, without NUL */
void
_lsobs_join_grow_text (LsobsJoin *self, const char *text, gsize len)
{
  gsize fits = self->limit->is_full ? 0 : _lsobs_utf8_cut (text, len, self->limit->n_left);

  _lsobs_buffer_append (&self->text, text, fits);
  self->limit->n_left -= fits;
  self->limit->n_cut += len - fits;
  if (fits < len)
    {
      self->limit->is_full = TRUE;
      self->limit->n_left = 0;
    }
  if (len > 0)
    note_change (self->limit, self, fits);
}

/* Returns: (transfer none): the last @len bytes of a string, which has at least so many */
const char *
_lsobs_join_peek_end (LsobsJoin *self, gsize len)
{
  g_assert (len <= self->text.len);

  return self->text.data + self->text.len - len;
}

static void
add_text (LsobsJoin *self, JoinKind kind, const char *name, const char *text)
{
  LsobsJoin *child = get_member (self, kind, name);

  if (child != NULL)
    _lsobs_join_grow_text (child, text, strlen (text));
}

/* Appends to a string. */
void
_lsobs_join_add_text (LsobsJoin *self, const char *name, const char *text)
{
  add_text (self, JOIN_TEXT, name, text);
}

/* Appends to JSON text that comes in pieces. If it is not JSON in the end, it becomes a string. */
void
_lsobs_join_add_raw_text (LsobsJoin *self, const char *name, const char *text)
{
  add_text (self, JOIN_RAW, name, text);
}

/* @list: (nullable) */
static void
append_value (LsobsJoin *list, JsonNode *node)
{
  LsobsJoin *child = list != NULL ? add_child (list, JOIN_VALUE, NULL, -1) : NULL;

  if (child != NULL)
    set_value (child, node);
}

/* Appends to a list. */
void
_lsobs_join_append (LsobsJoin *self, const char *name, JsonNode *node)
{
  append_value (get_member (self, JOIN_LIST, name), node);
}

/* Appends elements to a list, each of which is whole. */
void
_lsobs_join_append_all (LsobsJoin *self, const char *name, JsonArray *array)
{
  LsobsJoin *list = get_member (self, JOIN_LIST, name);

  for (guint i = 0; i < json_array_get_length (array); i++)
    append_value (list, json_array_get_element (array, i));
}

/* --- merging --- */

/* Returns: (nullable): the text of a member that is a string and not empty */
static const char *
peek_text (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  const char *text = node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
                         ? json_node_get_string (node)
                         : NULL;

  return text != NULL && *text != '\0' ? text : NULL;
}

/* Whether @piece is the first one of another call of a tool. The index does not tell: there are
 * services that send none, or the same one for all calls. */
static gboolean
begins_tool_call (LsobsJoin *last, JsonObject *piece)
{
  JsonObject *function = _lsobs_json_peek_object (json_object_get_member (piece, "function"));
  LsobsJoin *last_function = find_member (last, "function");
  const char *id = peek_text (piece, "id");

  if (id != NULL && find_member (last, "id") != NULL)
    return !has_string (last, "id", id);
  return id == NULL && !json_object_has_member (piece, "index") && function != NULL &&
         peek_text (function, "name") != NULL && last_function != NULL &&
         find_member (last_function, "name") != NULL;
}

/* Whether @piece goes on with a part of a text, as it has the same type and nothing but text. */
static gboolean
continues_part (LsobsJoin *last, JsonObject *piece)
{
  const char *type = peek_text (piece, "type");
  JsonObjectIter iter;
  const char *name;
  JsonNode *member;
  gboolean has_text = FALSE;

  if (type == NULL || !has_string (last, "type", type))
    return FALSE;
  json_object_iter_init (&iter, piece);
  while (json_object_iter_next (&iter, &name, &member))
    {
      if (strcmp (name, "type") == 0)
        continue;
      if (!g_strv_contains (text_members, name))
        return FALSE;
      has_text = TRUE;
    }
  return has_text;
}

/* Returns: (nullable): the element that @piece is a piece of; NULL if there is no room */
static LsobsJoin *
find_element_of (LsobsJoin *self, const char *name, JsonObject *piece)
{
  gboolean is_tool_call = strcmp (name, "tool_calls") == 0;
  JsonNode *index = json_object_get_member (piece, "index");
  LsobsJoin *element;

  if (index != NULL && json_node_get_value_type (index) == G_TYPE_INT64)
    {
      element = _lsobs_join_get_element (self, name, MAX (json_node_get_int (index), 0));
      if (element == NULL || !is_tool_call || !begins_tool_call (element, piece))
        return element;
      /* The rest of this call has the same index: it goes on with this element. */
      element->index = -1;
      return _lsobs_join_get_element (self, name, MAX (json_node_get_int (index), 0));
    }
  element = peek_last (self, name);
  if (element != NULL &&
      (is_tool_call ? !begins_tool_call (element, piece) : continues_part (element, piece)))
    return element;
  return _lsobs_join_add_element (self, name);
}

static void
merge_list (LsobsJoin *self, const char *name, JsonArray *pieces)
{
  static const char *const except[] = { "index", NULL };

  for (guint i = 0; i < json_array_get_length (pieces); i++)
    {
      JsonNode *node = json_array_get_element (pieces, i);
      JsonObject *piece = _lsobs_json_peek_object (node);
      LsobsJoin *element;

      if (piece == NULL)
        {
          _lsobs_join_append (self, name, node);
          continue;
        }
      element = find_element_of (self, name, piece);
      if (element != NULL)
        _lsobs_join_merge (element, piece, strcmp (name, "choices") != 0 ? except : NULL);
    }
}

/* A text that was a string so far becomes the first part of a list. */
static void
make_list_of_text (LsobsJoin *self, const char *name)
{
  LsobsJoin *child = find_member (self, name);
  g_autofree char *text = NULL;
  LsobsJoin *part;

  if (child == NULL || child->kind != JOIN_TEXT)
    return;
  text = child->text.len > 0 ? g_strndup (child->text.data, child->text.len) : NULL;
  reset (child, JOIN_LIST);
  if (text == NULL)
    return;
  part = _lsobs_join_add_element (self, name);
  if (part == NULL)
    return;
  _lsobs_join_set_string (part, "type", "text");
  _lsobs_join_add_text (part, "text", text);
}

/* @node: a string */
static void
merge_string (LsobsJoin *self, const char *name, JsonNode *node)
{
  LsobsJoin *child = find_member (self, name);
  const char *text = json_node_get_string (node);

  if (g_strv_contains (text_members, name))
    {
      if (child == NULL || child->kind != JOIN_LIST)
        _lsobs_join_add_text (self, name, text);
      else if (*text != '\0')
        {
          g_autoptr (JsonArray) pieces = json_array_new ();
          JsonObject *piece = json_object_new ();

          json_object_set_string_member (piece, "type", "text");
          json_object_set_string_member (piece, "text", text);
          json_array_add_object_element (pieces, piece);
          merge_list (self, name, pieces);
        }
    }
  else if (*text != '\0' || child == NULL)
    _lsobs_join_set (self, name, node);
}

/* Merges a piece of a member. */
void
_lsobs_join_merge_member (LsobsJoin *self, const char *name, JsonNode *node)
{
  LsobsJoin *child;

  if (JSON_NODE_HOLDS_NULL (node))
    {
      if (find_member (self, name) == NULL)
        _lsobs_join_set (self, name, node);
    }
  else if (JSON_NODE_HOLDS_OBJECT (node))
    {
      child = _lsobs_join_get_object (self, name);
      if (child != NULL)
        _lsobs_join_merge (child, json_node_get_object (node), NULL);
    }
  else if (JSON_NODE_HOLDS_ARRAY (node))
    {
      make_list_of_text (self, name);
      get_member (self, JOIN_LIST, name);
      merge_list (self, name, json_node_get_array (node));
    }
  else if (json_node_get_value_type (node) == G_TYPE_STRING)
    merge_string (self, name, node);
  else
    _lsobs_join_set (self, name, node);
}

/* Merges a piece of an object: texts are put together, objects and lists are merged, and what is
 * neither is replaced.
 * @except: (nullable): names of members that are left out */
void
_lsobs_join_merge (LsobsJoin *self, JsonObject *piece, const char *const *except)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, piece);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (except == NULL || !g_strv_contains (except, name))
      _lsobs_join_merge_member (self, name, node);
}

/* --- writing --- */

static void
write_raw (LsobsJoin *self, LsobsBuffer *out)
{
  const LsobsSanitizeOptions options = { .redactor = NULL };
  gsize start = out->len;

  if (self->text.len == 0)
    _lsobs_buffer_append_str (out, "{}");
  else if (!_lsobs_json_sanitize (out, self->text.data, self->text.len, &options))
    {
      _lsobs_buffer_truncate (out, start);
      _lsobs_json_write_string (out, self->text.data, self->text.len);
    }
}

static void
write_children (LsobsJoin *self, LsobsBuffer *out)
{
  gboolean is_object = self->kind == JOIN_OBJECT;

  _lsobs_buffer_append_c (out, is_object ? '{' : '[');
  for (guint i = 0; i < count_children (self); i++)
    {
      LsobsJoin *child = g_ptr_array_index (self->children, i);

      if (i > 0)
        _lsobs_buffer_append_c (out, ',');
      if (is_object)
        {
          _lsobs_json_write_string (out, child->name, strlen (child->name));
          _lsobs_buffer_append_c (out, ':');
        }
      _lsobs_join_write (child, out);
    }
  _lsobs_buffer_append_c (out, is_object ? '}' : ']');
}

/* Appends the value as JSON text. */
void
_lsobs_join_write (LsobsJoin *self, LsobsBuffer *out)
{
  switch (self->kind)
    {
    case JOIN_VALUE:
      if (self->text.len > 0)
        _lsobs_buffer_append (out, self->text.data, self->text.len);
      else
        _lsobs_buffer_append_str (out, "null");
      break;
    case JOIN_TEXT:
      _lsobs_buffer_reserve (out, self->text.len);
      _lsobs_json_write_string (out, self->text.len > 0 ? self->text.data : "", self->text.len);
      break;
    case JOIN_RAW:
      write_raw (self, out);
      break;
    case JOIN_OBJECT:
    case JOIN_LIST:
    default:
      write_children (self, out);
      break;
    }
}
