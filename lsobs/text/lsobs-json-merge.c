/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-merge-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Merges two objects without building trees of nodes. Each text is read once; an index then
 * holds the positions of the members of its objects. Arrays are copied as a whole. */

/* Objects with this many members are searched with a hash table. */
#define HASH_MEMBERS 9

typedef struct
{
  const char *key; /* with quotes */
  gsize key_len;
  const char *value;
  gsize value_len;
  guint first; /* the first member of this object; 0: none, or not an object */
  guint next;  /* the next member of the same object; 0: none */
  gboolean is_object;
  gboolean used; /* in the result */
} Member;

typedef struct
{
  GArray *members; /* (owned) (element-type Member): number 0 is the whole text */
  const char *end;
} Index;

static const char *index_value (Index *index, guint member, const char *p, guint depth);

static Member *
get (const Index *index, guint member)
{
  return &g_array_index (index->members, Member, member);
}

static const char *
skip_space (const Index *index, const char *p)
{
  while (p < index->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  return p;
}

/* The functions skip_*() and index_*() return the first byte after what they read, or NULL if
 * the text is not JSON. */

/* @p: the opening quote */
static const char *
skip_string (const Index *index, const char *p)
{
  for (p++; p < index->end; p++)
    {
      if (*p == '"')
        return p + 1;
      if (*p == '\\')
        p++;
    }
  return NULL;
}

static const char *
skip_nested (const Index *index, const char *p)
{
  gsize depth = 0;

  while (p < index->end)
    {
      switch (*p)
        {
        case '"':
          p = skip_string (index, p);
          if (p == NULL)
            return NULL;
          continue;
        case '{':
        case '[':
          depth++;
          break;
        case '}':
        case ']':
          if (--depth == 0)
            return p + 1;
          break;
        default:
          break;
        }
      p++;
    }
  return NULL;
}

static const char *
skip_scalar (const Index *index, const char *p)
{
  const char *start = p;

  while (p < index->end && strchr (",:\"[]{} \n\r\t", *p) == NULL)
    p++;
  return p > start ? p : NULL;
}

/* @last: (inout): the number of the member before this one; 0: this is the first one
 * @p: the expected beginning of the key */
static const char *
index_member (Index *index, guint object, guint *last, const char *p, guint depth)
{
  guint number = index->members->len;
  Member member = { .key = p };

  if (p == index->end || *p != '"')
    return NULL;
  p = skip_string (index, p);
  if (p == NULL)
    return NULL;
  member.key_len = (gsize) (p - member.key);
  p = skip_space (index, p);
  if (p == index->end || *p != ':')
    return NULL;
  g_array_append_val (index->members, member);
  if (*last != 0)
    get (index, *last)->next = number;
  else
    get (index, object)->first = number;
  *last = number;
  return index_value (index, number, skip_space (index, p + 1), depth);
}

static const char *
index_object (Index *index, guint object, const char *p, guint depth)
{
  guint last = 0;

  get (index, object)->is_object = TRUE;
  p = skip_space (index, p + 1);
  if (p < index->end && *p == '}')
    return p + 1;
  for (;;)
    {
      p = index_member (index, object, &last, p, depth);
      if (p == NULL)
        return NULL;
      p = skip_space (index, p);
      if (p == index->end)
        return NULL;
      if (*p == '}')
        return p + 1;
      if (*p != ',')
        return NULL;
      p = skip_space (index, p + 1);
    }
}

/* @depth: of the recursion, which is limited. Deeper objects are copied as a whole. */
static const char *
index_value (Index *index, guint member, const char *p, guint depth)
{
  const char *start = p;

  if (p == index->end)
    return NULL;
  if (*p == '{' && depth < LSOBS_JSON_MAX_DEPTH)
    p = index_object (index, member, p, depth + 1);
  else if (*p == '{' || *p == '[')
    p = skip_nested (index, p);
  else if (*p == '"')
    p = skip_string (index, p);
  else
    p = skip_scalar (index, p);
  if (p != NULL)
    {
      get (index, member)->value = start;
      get (index, member)->value_len = (gsize) (p - start);
    }
  return p;
}

/* Returns: FALSE if the text is not a JSON object */
static gboolean
index_text (Index *index, const char *text, gsize len)
{
  const Member root = { NULL };
  const char *p;

  index->members = g_array_new (FALSE, FALSE, sizeof (Member));
  index->end = text + len;
  g_array_append_val (index->members, root);
  p = skip_space (index, text);
  if (p == index->end || *p != '{')
    return FALSE;
  p = index_value (index, 0, p, 0);
  return p != NULL && skip_space (index, p) == index->end;
}

static guint
key_hash (gconstpointer data)
{
  const Member *member = data;
  guint hash = 5381;

  for (gsize i = 0; i < member->key_len; i++)
    hash = hash * 33 + (guchar) member->key[i];
  return hash;
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  const Member *first = a;
  const Member *second = b;

  return first->key_len == second->key_len && memcmp (first->key, second->key, first->key_len) == 0;
}

/* Returns: (transfer full) (nullable): NULL if the object has few members */
static GHashTable *
hash_members (const Index *index, guint object)
{
  GHashTable *table = NULL;
  guint n = 0;

  for (guint i = get (index, object)->first; i != 0 && n < HASH_MEMBERS; i = get (index, i)->next)
    n++;
  if (n < HASH_MEMBERS)
    return NULL;
  table = g_hash_table_new (key_hash, key_equal);
  for (guint i = get (index, object)->first; i != 0; i = get (index, i)->next)
    g_hash_table_add (table, get (index, i));
  return table;
}

/* Returns: (nullable) */
static Member *
find_member (const Index *index, guint object, GHashTable *table, const Member *like)
{
  if (table != NULL)
    return g_hash_table_lookup (table, like);
  for (guint i = get (index, object)->first; i != 0; i = get (index, i)->next)
    if (key_equal (get (index, i), like))
      return get (index, i);
  return NULL;
}

static void
write_key (LsobsBuffer *out, gsize start, const Member *member)
{
  if (out->len > start)
    _lsobs_buffer_append_c (out, ',');
  _lsobs_buffer_append (out, member->key, member->key_len);
  _lsobs_buffer_append_c (out, ':');
}

static void
merge_objects (LsobsBuffer *out,
               const Index *base,
               guint base_object,
               const Index *over,
               guint over_object)
{
  g_autoptr (GHashTable) table = hash_members (over, over_object);
  gsize start;

  _lsobs_buffer_append_c (out, '{');
  start = out->len;
  for (guint i = get (base, base_object)->first; i != 0; i = get (base, i)->next)
    {
      const Member *member = get (base, i);
      Member *other = find_member (over, over_object, table, member);

      write_key (out, start, member);
      if (other == NULL)
        {
          _lsobs_buffer_append (out, member->value, member->value_len);
          continue;
        }
      other->used = TRUE;
      if (member->is_object && other->is_object)
        merge_objects (out, base, i, over, (guint) (other - get (over, 0)));
      else
        _lsobs_buffer_append (out, other->value, other->value_len);
    }
  for (guint i = get (over, over_object)->first; i != 0; i = get (over, i)->next)
    {
      const Member *member = get (over, i);

      if (member->used)
        continue;
      write_key (out, start, member);
      _lsobs_buffer_append (out, member->value, member->value_len);
    }
  _lsobs_buffer_append_c (out, '}');
}

/* Appends @base with the members of @over set in it. If a member is an object in both, the two
 * are merged likewise; else the value in @over replaces the value in @base. If @base or @over is
 * not an object, the result is @over.
 * @base, @over: JSON text as the writer or the sanitizer writes it */
void
_lsobs_json_merge (LsobsBuffer *out,
                   const char *base,
                   gsize base_len,
                   const char *over,
                   gsize over_len)
{
  Index base_index;
  Index over_index;
  gboolean are_objects = index_text (&base_index, base, base_len);

  are_objects &= index_text (&over_index, over, over_len);
  _lsobs_buffer_reserve (out, base_len + over_len);
  if (are_objects)
    merge_objects (out, &base_index, 0, &over_index, 0);
  else
    _lsobs_buffer_append (out, over, over_len);
  g_array_unref (base_index.members);
  g_array_unref (over_index.members);
}

/* @base, @over: (nullable). Returns: (transfer full) (nullable) */
GBytes *
_lsobs_json_merge_bytes (GBytes *base, GBytes *over)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  gsize base_len;
  gsize over_len;
  const char *base_text;
  const char *over_text;

  if (base == NULL || over == NULL || base == over)
    return over != NULL ? g_bytes_ref (over) : base != NULL ? g_bytes_ref (base) : NULL;
  base_text = g_bytes_get_data (base, &base_len);
  over_text = g_bytes_get_data (over, &over_len);
  _lsobs_json_merge (&out, base_text, base_len, over_text, over_len);
  return _lsobs_buffer_steal_bytes (&out);
}
