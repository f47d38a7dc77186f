/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-escape-private.h"
#include "lsobs/text/lsobs-redact-members-private.h"
#include "lsobs/text/lsobs-redact-rule-private.h"

/* Hides the values of members in a text that has JSON in it: the text may be one value, several
 * lines, or a part of one, and may have other words around it. So nothing is known about what
 * comes before a member. A member is a quoted name with a colon behind it; what its value is follows
 * from the bytes after that. If the end of the value is missing, the rest of the text belongs to
 * it. Names and strings may have the quotes of Python, too.
 *
 * A quote with an odd number of backslashes before it belongs to JSON in a string of the text. It is
 * found in the view of the text. There, quotes without backslashes are of two kinds: those that
 * are escaped in the original text belong to the JSON that is looked at, and all others end the
 * string that it is in. */

/* Objects that are deeper are taken for parts of the one at this depth. */
#define MAX_OPEN 256

/* How many values of a pair are kept until its name comes; from the next one on, all is hidden. */
#define MAX_VALUES 8

/* How often, on average, a byte may be gone through to find the ends of values that were kept. If
 * that is not enough, the rest of the text belongs to the value. */
#define MAX_MEASURED 8

/* A value. */
typedef struct
{
  gsize start; /* of a string: after its quote */
  gsize end;   /* G_MAXSIZE: it is open */
  char quote;  /* that is put around the replacement; 0: none */
} Value;

/* How deep strings are in each other in which pairs are looked for: "…'…'…". */
#define MAX_STRINGS 2

/* An object or array that is open, as it may be a pair. */
typedef struct
{
  gboolean is_secret; /* the name that it has as a member is one of the keys */
  guint n_values;
  Value values[MAX_VALUES]; /* of the first members that have the value of a pair */
  Value rest;               /* begins with the value after those; start is 0 without one */
} OpenPair;

typedef struct
{
  const LsobsRedactKeys *keys;
  const LsobsRedactView *view; /* (nullable) that @text is the text of */
  const char *text;
  gsize len;
  gsize floor;      /* nothing before it belongs to a name */
  GArray *hits;     /* (owned) (nullable) (element-type Value) */
  GArray *stack;    /* (owned) (nullable) (element-type OpenPair) if pairs are hidden */
  gsize n_deep;     /* open objects and arrays that are not in @stack */
  gsize n_measured; /* bytes that were gone through to find the ends of kept values */
} MemberReader;

static inline gboolean
is_quote (char c)
{
  return c == '"' || c == '\'';
}

static inline gboolean
is_space (char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline gboolean
is_opening (char c)
{
  return c == '{' || c == '[';
}

/* Returns: how many backslashes are right before @position */
static gsize
count_backslashes (const MemberReader *self, gsize position)
{
  gsize n = 0;

  while (n < position && self->text[position - 1 - n] == '\\')
    n++;
  return n;
}

/* Returns: in how many strings, one in the other, a quote is that has so many backslashes before
 *   it: 0, 1, 3, 7 and so on, or more if there are backslashes in the string itself */
static guint
get_level (gsize n_backslashes)
{
  guint level = 0;

  for (; (n_backslashes & 1) != 0; n_backslashes >>= 1)
    level++;
  return level;
}

/* Returns: the position of the quote that ends a string; the end of the text without one
 * @position: after the quote that begins it, which has the level */
static gsize
find_quote (const MemberReader *self, gsize position, char quote, guint level)
{
  while (position < self->len)
    {
      const char *found = memchr (self->text + position, quote, self->len - position);

      if (found == NULL)
        break;
      position = (gsize) (found - self->text);
      if (get_level (count_backslashes (self, position)) <= level)
        return position;
      position++;
    }
  return self->len;
}

/* Whether a quote ends the string that the JSON is in. */
static gboolean
ends_all (const MemberReader *self, gsize position)
{
  return self->view != NULL && self->text[position] == '"' &&
         !_lsobs_redact_view_is_escaped (self->view, position);
}

static gsize
skip_space (const MemberReader *self, gsize position)
{
  while (position < self->len && is_space (self->text[position]))
    position++;
  return position;
}

/* --- values --- */

/* Returns: the first byte that is no backslash */
static gsize
skip_backslashes (const MemberReader *self, gsize position)
{
  while (position < self->len && self->text[position] == '\\')
    position++;
  return position;
}

static gboolean
is_string (const MemberReader *self, gsize position)
{
  position = skip_backslashes (self, position);
  return position < self->len && is_quote (self->text[position]);
}

/* Whether a value begins with neither a quote nor a bracket. */
static gboolean
is_bare (const MemberReader *self, gsize position)
{
  return strchr ("{[(", self->text[position]) == NULL && !is_string (self, position);
}

/* Whether an apostrophe begins a string. In a word it does not, but after a prefix of Python: b'…'.
 * @start: where the value begins that it is in */
static gboolean
opens_string (const MemberReader *self, gsize start, gsize position)
{
  gsize word = position;

  while (word > start && position - word < 2 && strchr ("bBfFrRuU", self->text[word - 1]) != NULL)
    word--;
  return word == start || !g_ascii_isalnum (self->text[word - 1]);
}

/* Returns: the first byte after a value that does not begin with a quote */
static gsize
skip_value (const MemberReader *self, gsize start, char quote)
{
  gsize depth = 0;
  gsize position;

  for (position = start; position < self->len; position++)
    {
      char c = self->text[position];

      if (is_quote (c) && (c != '\'' || c == quote || opens_string (self, start, position)))
        {
          if (get_level (count_backslashes (self, position)) > 0)
            continue;
          if (ends_all (self, position))
            return position;
          position = find_quote (self, position + 1, c, 0);
        }
      else if (c == '{' || c == '[' || c == '(')
        depth++;
      else if (c == '}' || c == ']' || c == ')')
        {
          if (depth <= 1)
            return depth == 0 ? position : position + 1;
          depth--;
        }
      else if (depth == 0 && (c == ',' || c == '\n'))
        return position;
    }
  return self->len;
}

/* Finds the text of a string.
 * @position: where it begins: at its quote, or at the backslashes that belong to that */
static Value
find_string (const MemberReader *self, gsize position)
{
  gsize open = skip_backslashes (self, position);
  gsize close = find_quote (self, open + 1, self->text[open], get_level (open - position));
  Value value = { open + 1, close, '\0' };
  gsize n_backslashes = 0;

  /* The backslashes that belong to the quote stay with it. */
  if (close < self->len)
    n_backslashes = ((gsize) 1 << get_level (count_backslashes (self, close))) - 1;
  value.end = MAX (close - MIN (n_backslashes, close), value.start);
  return value;
}

/* Returns: the position of the last of the three quotes that end a string of Python; the end of the
 *   text without them
 * @open: that of the first of the three quotes that begin it */
static gsize
find_three_quotes (const MemberReader *self, gsize open)
{
  char quote = self->text[open];
  gsize position = find_quote (self, open + 3, quote, 0);

  for (; position < self->len; position = find_quote (self, position + 1, quote, 0))
    {
      if (ends_all (self, position))
        return position;
      if (self->len - position > 2 && self->text[position + 1] == quote &&
          self->text[position + 2] == quote && !ends_all (self, position + 2))
        return position + 2;
    }
  return self->len;
}

static gboolean
begins_with_three_quotes (const MemberReader *self, gsize open)
{
  char quote = self->text[open];

  return self->len - open > 2 && self->text[open + 1] == quote && self->text[open + 2] == quote &&
         !ends_all (self, open + 1) && !ends_all (self, open + 2);
}

/* Returns: the position of the string that goes on with a value, as in "a" "b" or "a" + "b"; 0
 *   without one
 * @close: that of the quote that ends the string before
 * @level: that of its quotes */
static gsize
find_continuation (const MemberReader *self, gsize close, guint level)
{
  gsize position = close + 1;
  gsize sign = skip_space (self, position);
  gsize open;
  gsize after;

  if (sign < self->len && self->text[sign] == '+')
    position = skip_space (self, sign + 1);
  else
    while (position < self->len && (self->text[position] == ' ' || self->text[position] == '\t'))
      position++;
  open = skip_backslashes (self, position);
  if (open == self->len || self->text[open] != self->text[close] ||
      get_level (open - position) != level || ends_all (self, open))
    return 0;

  /* A name begins the next member. */
  after = find_quote (self, open + 1, self->text[open], level);
  after = after < self->len ? skip_space (self, after + 1) : after;
  return after == self->len || strchr (":=", self->text[after]) == NULL ? position : 0;
}

/* Finds the text of a value that begins with a quote: that of one string, or of several with what is
 * between them.
 * @position: where the first one begins */
static Value
find_strings (const MemberReader *self, gsize position)
{
  gsize open = skip_backslashes (self, position);
  guint level = get_level (open - position);
  Value value;

  if (level == 0 && begins_with_three_quotes (self, open))
    {
      const Value text = { open + 1, find_three_quotes (self, open), '\0' };

      return text;
    }
  value = find_string (self, position);
  while (value.end < self->len)
    {
      gsize close = skip_backslashes (self, value.end);
      gsize next = close < self->len ? find_continuation (self, close, level) : 0;

      if (next == 0)
        break;
      value.end = find_string (self, next).end;
    }
  return value;
}

/* Finds a value.
 * @position: where it begins
 * @quote: that of the name */
static Value
find_value (const MemberReader *self, gsize position, char quote)
{
  Value value = { position, position, quote };

  if (is_string (self, position))
    return find_strings (self, position);
  value.end = skip_value (self, position, quote);
  while (value.end > value.start && is_space (self->text[value.end - 1]))
    value.end--;
  return value;
}

static void
hide (MemberReader *self, Value value)
{
  if (self->hits == NULL)
    self->hits = g_array_new (FALSE, FALSE, sizeof (Value));
  value.end = MIN (value.end, self->len);
  g_array_append_val (self->hits, value);
}

/* --- names --- */

/* Returns: (transfer full): @text without escapes */
static char *
dup_decoded (const char *text, gsize *len)
{
  LsobsBuffer out = LSOBS_BUFFER_INIT;
  const char *p = text;
  const char *end = text + *len;

  while (p < end)
    {
      const char *after = *p == '\\' ? _lsobs_json_escape_decode (&out, p, end) : NULL;

      if (after == NULL)
        {
          _lsobs_buffer_append_c (&out, *p);
          after = p + 1;
        }
      p = after;
    }
  *len = out.len;
  _lsobs_buffer_append_c (&out, '\0');
  return out.data;
}

/* A name, or the text of a string, with or without escapes. */
typedef struct
{
  const char *text;
  gsize len;
  char *decoded; /* (owned) (nullable) */
} Word;

static Word
read_word (const MemberReader *self, gsize start, gsize end)
{
  Word word = { self->text + start, end - start, NULL };

  if (word.len > 0 && memchr (word.text, '\\', word.len) != NULL)
    word.text = word.decoded = dup_decoded (word.text, &word.len);
  return word;
}

static gboolean
is_key (const MemberReader *self, gsize start, gsize end)
{
  Word word = read_word (self, start, end);
  gboolean result = _lsobs_redact_keys_has (self->keys, word.text, word.len);

  g_free (word.decoded);
  return result;
}

static LsobsRedactRole
find_role (const MemberReader *self, gsize start, gsize end)
{
  Word word = read_word (self, start, end);
  LsobsRedactRole role = _lsobs_redact_keys_find_role (word.text, word.len);

  g_free (word.decoded);
  return role;
}

/* --- pairs --- */

static OpenPair *
peek_pair (const MemberReader *self)
{
  return &g_array_index (self->stack, OpenPair, self->stack->len - 1);
}

static void
open_pair (MemberReader *self)
{
  const OpenPair pair = { .is_secret = FALSE };

  if (self->stack->len < MAX_OPEN)
    g_array_append_val (self->stack, pair);
  else
    self->n_deep++;
}

/* @end: after the bracket */
static void
close_pair (MemberReader *self, gsize end)
{
  OpenPair *pair;
  Value *value;

  if (self->n_deep > 0)
    {
      self->n_deep--;
      return;
    }
  if (self->stack->len > 1)
    g_array_set_size (self->stack, self->stack->len - 1);
  pair = peek_pair (self);
  if (pair->n_values == 0)
    return;
  value = &pair->values[pair->n_values - 1];
  if (value->end == G_MAXSIZE && is_opening (self->text[value->start]))
    value->end = end;
}

/* Keeps a value until the name of its pair is known. Its end is not looked for yet: others may
 * begin before that. */
static void
keep_value (OpenPair *pair, gsize position, char quote)
{
  const Value value = { position, G_MAXSIZE, quote };

  if (pair->n_values < MAX_VALUES)
    pair->values[pair->n_values++] = value;
  else if (pair->rest.start == 0)
    pair->rest = value;
}

/* Hides what was kept.
 * @end: after the name of the pair */
static void
hide_kept_values (MemberReader *self, OpenPair *pair, gsize end)
{
  for (guint i = 0; i < pair->n_values; i++)
    {
      Value value = pair->values[i];

      if (value.end == G_MAXSIZE && self->n_measured <= MAX_MEASURED * self->len)
        {
          value = find_value (self, value.start, value.quote);
          self->n_measured += value.end - pair->values[i].start;
        }
      hide (self, value);
    }
  pair->n_values = 0;
  if (pair->rest.start == 0)
    return;
  pair->rest.end = end;
  hide (self, pair->rest);
  pair->rest.start = 0;
}

/* Takes a member that may be one half of a pair.
 * @position: where its value begins
 * Returns: where to go on */
static gsize
take_half (MemberReader *self, LsobsRedactRole role, gsize position, char quote)
{
  OpenPair *pair = peek_pair (self);
  Value value;

  if (role == LSOBS_REDACT_ROLE_NAME)
    {
      if (!is_string (self, position))
        return position;
      value = find_string (self, position);
      if (!is_key (self, value.start, value.end))
        return position;
      pair->is_secret = TRUE;
      hide_kept_values (self, pair, MIN (skip_backslashes (self, value.end) + 1, self->len));
      return value.end;
    }
  if (!pair->is_secret)
    {
      keep_value (pair, position, quote);
      return position;
    }
  value = find_value (self, position, quote);
  hide (self, value);
  return value.end;
}

/* --- members --- */

/* Whether a value without quotes and brackets belongs to a name. In a program, and among other
 * words, a quoted word may have a colon behind it, too: `case "password": return`.
 * @quote: the position of the quote before the name, or 0 */
static gboolean
may_be_bare (const MemberReader *self, gsize quote)
{
  while (quote > 0 && is_space (self->text[quote - 1]))
    quote--;
  return quote == 0 || (!g_ascii_isalpha (self->text[quote - 1]) &&
                        strchr ("=!<>(", self->text[quote - 1]) == NULL);
}

/* Takes what is around a colon.
 * Returns: where to go on */
static gsize
take_colon (MemberReader *self, gsize colon, gsize position)
{
  gsize name_end = colon;
  gsize name;
  char quote;
  LsobsRedactRole role;

  while (name_end > self->floor && is_space (self->text[name_end - 1]))
    name_end--;
  if (name_end == self->floor || !is_quote (self->text[name_end - 1]))
    return position;
  name_end--;
  if (get_level (count_backslashes (self, name_end)) > 0)
    return position;
  quote = self->text[name_end];
  for (name = name_end; name > self->floor && self->text[name - 1] != quote; name--)
    ;
  /* The beginning of the text may be missing, and the quote with it. */
  if (name == self->floor && name > 0)
    return position;

  position = skip_space (self, position);
  if (position == self->len)
    return position;
  if (is_key (self, name, name_end))
    {
      Value value;

      /* A bare value is only measured if it is hidden: the next one may begin in it. */
      if (is_bare (self, position) && !may_be_bare (self, MAX (name, 1) - 1))
        return position;

      value = find_value (self, position, quote);
      hide (self, value);
      self->floor = MIN (value.end + (value.quote == '\0' ? 1 : 0), self->len);
      return self->floor;
    }
  role = self->stack != NULL ? find_role (self, name, name_end) : LSOBS_REDACT_ROLE_NONE;
  return role != LSOBS_REDACT_ROLE_NONE ? take_half (self, role, position, quote) : position;
}

/* @found: (inout): where the last search for this byte has ended: what is left without it is not searched
 *   again, however often something else is found before
 * Returns: where @c is next, or the length of the text */
static gsize
find_byte (const MemberReader *self, char c, gsize position, gsize *found)
{
  const char *at;

  if (*found == self->len || (*found >= position && self->text[*found] == c))
    return *found;
  at = memchr (self->text + position, c, self->len - position);
  *found = at != NULL ? (gsize) (at - self->text) : self->len;
  return *found;
}

/* What matters is a colon or, as in Ruby, an arrow. */
static void
find_members (MemberReader *self)
{
  gsize colon = 0;
  gsize arrow = 0;
  gsize position = 0;

  for (;;)
    {
      gsize after;

      find_byte (self, ':', position, &colon);
      find_byte (self, '=', position, &arrow);
      position = MIN (colon, arrow);
      if (position == self->len)
        return;
      after = position + 1;
      if (self->text[position] == '=' && after < self->len && self->text[after] == '>')
        after++;
      position = take_colon (self, position, after);
    }
}

/* Returns: the first byte after a string, if one begins here. Its brackets open nothing. */
static gsize
skip_string (const MemberReader *self, gsize position)
{
  gsize open = skip_space (self, position);
  gsize close;
  gsize after;

  if (open == self->len || !is_quote (self->text[open]) || ends_all (self, open))
    return position;
  close = find_quote (self, open + 1, self->text[open], 0);
  if (self->text[open] == '"')
    return MIN (close + 1, self->len);

  /* An apostrophe in a sentence begins no string: words follow the next one. */
  if (close == self->len)
    return position;
  after = skip_space (self, close + 1);
  return after == self->len || strchr (",:=}])", self->text[after]) != NULL ? close + 1 : position;
}

static gboolean
has_bracket (const MemberReader *self, gsize start, gsize end)
{
  return end > start && (memchr (self->text + start, '{', end - start) != NULL ||
                         memchr (self->text + start, '[', end - start) != NULL);
}

/* As find_members(), for pairs, and what is in brackets. A string has brackets of its own, as in
 * `log: "{'name': 'password', 'value': 'x'}"`. In it is no quote of its own kind, so that strings in
 * each other end after two: each byte is looked at three times at most.
 * @start, @end: where the text begins and ends
 * @depth: in how many strings that is */
static void
find_pairs_between (MemberReader *self, gsize start, gsize end, guint depth)
{
  const OpenPair pair = { .is_secret = FALSE };
  GArray *outer_stack = self->stack;
  const gsize outer_floor = self->floor;
  const gsize outer_len = self->len;

  self->floor = start;
  self->len = end;
  self->stack = g_array_new (FALSE, TRUE, sizeof (OpenPair));
  g_array_append_val (self->stack, pair);
  for (gsize position = start; position < end;)
    {
      char c = self->text[position++];
      gsize after = position;

      if (is_opening (c))
        open_pair (self);
      else if (c == '}' || c == ']')
        close_pair (self, position);
      else if (c == ':' || c == '=')
        {
          if (c == '=' && after < self->len && self->text[after] == '>')
            after++;
          position = take_colon (self, position - 1, after);
        }
      /* What is a name or a value, and has been left alone. */
      if (c != '\0' && strchr ("{[,:=", c) != NULL && position <= skip_space (self, after))
        {
          gsize string = position;

          position = skip_string (self, string);
          string = skip_space (self, string) + 1;
          if (depth < MAX_STRINGS && position > string && has_bracket (self, string, position - 1))
            find_pairs_between (self, string, position - 1, depth + 1);
        }
    }
  g_array_unref (self->stack);
  self->stack = outer_stack;
  self->len = outer_len;
  self->floor = outer_floor;
}

static void
find_pairs (MemberReader *self)
{
  find_pairs_between (self, 0, self->len, 0);
}

static int
compare_values (gconstpointer a, gconstpointer b)
{
  const Value *first = a;
  const Value *second = b;

  return (first->start > second->start) - (first->start < second->start);
}

static void
write_hits (const MemberReader *self, LsobsBuffer *out, GArray **edits)
{
  gsize out_start = out->len;
  gsize copied = 0;

  g_array_sort (self->hits, compare_values);
  for (guint first = 0, i = 0; i < self->hits->len; first = ++i)
    {
      const Value *value = &g_array_index (self->hits, Value, i);
      gsize end = value->end;
      gsize new_start;

      /* A value may be found twice, and others in it. */
      for (; i + 1 < self->hits->len && value[1].start <= end; value++, i++)
        end = MAX (end, value[1].end);
      value = &g_array_index (self->hits, Value, first);
      _lsobs_buffer_append (out, self->text + copied, value->start - copied);
      new_start = out->len - out_start;
      if (value->quote != '\0')
        _lsobs_buffer_append_c (out, value->quote);
      _lsobs_buffer_append_str (out, LSOBS_REDACTED);
      if (value->quote != '\0')
        _lsobs_buffer_append_c (out, value->quote);
      _lsobs_redact_edits_add (edits, value->start, end, new_start, out->len - out_start);
      copied = end;
    }
  _lsobs_buffer_append (out, self->text + copied, self->len - copied);
}

/* Appends a copy of a text without the values of members, unless there are none.
 * @pairs: whether to look for members in two halves, such as {"name": …, "value": …}
 * @view: (nullable): the view that @text is the text of
 * @text: valid UTF-8
 * @edits: (inout) (nullable): gets what has changed
 * Returns: FALSE if nothing was appended */
gboolean
_lsobs_redact_members_hide (const LsobsRedactKeys *keys,
                            gboolean pairs,
                            const LsobsRedactView *view,
                            const char *text,
                            gsize len,
                            LsobsBuffer *out,
                            GArray **edits)
{
  MemberReader reader = { .keys = keys, .view = view, .text = text, .len = len };

  if (len == 0)
    return FALSE;
  find_members (&reader);
  if (pairs)
    find_pairs (&reader);
  if (reader.hits == NULL)
    return FALSE;
  write_hits (&reader, out, edits);
  g_array_unref (reader.hits);
  return TRUE;
}
