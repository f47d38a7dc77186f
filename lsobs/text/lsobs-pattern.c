/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-pattern-private.h"

/* Finds regular expressions that take linear time in any text. The pattern is parsed. For each
 * part of it, two numbers are computed: in how many ways the part can match at one place, and
 * how many steps it takes to try all ways. If the whole pattern takes few steps at each place,
 * the time is proportional to the length of the text. A repetition without an upper bound may
 * only be at the end of a pattern: there the attempt has succeeded already, and the next attempt
 * begins after the match. A pattern with other syntax than is known here counts as not
 * linear. */

/* The maximum number of steps at one place. */
#define MAX_STEPS 100

#define MAX_DEPTH 32

typedef struct
{
  guint ways;
  guint steps;
  gboolean is_single; /* matches exactly one character */
  gboolean is_empty;  /* matches no character: it is a condition */
  gboolean is_open;   /* ends with a repetition without an upper bound */
} Part;

typedef struct
{
  const char *p; /* the next character of the pattern */
  guint depth;
} Reader;

static const Part one_character = { .ways = 1, .steps = 1, .is_single = TRUE };
static const Part condition = { .ways = 1, .steps = 1, .is_empty = TRUE };

static gboolean read_alternatives (Reader *reader, Part *part);

/* Reads the braces of a class such as \p{Lu} or a character such as \x{e9}. */
static gboolean
read_braced (Reader *reader)
{
  if (*reader->p++ != '{')
    return FALSE;
  while (g_ascii_isalnum (*reader->p) || *reader->p == '_' || *reader->p == '^')
    reader->p++;
  return *reader->p++ == '}';
}

/* Reads an escape after its backslash. */
static gboolean
read_escape (Reader *reader, Part *part)
{
  char c = *reader->p;

  if (c == '\0' || (guchar) c >= 0x80)
    return FALSE;
  reader->p++;
  *part = strchr ("bBAzZG", c) != NULL ? condition : one_character;
  if (!g_ascii_isalnum (c) || strchr ("dDwWsSnrtfaNhHvVbBAzZG", c) != NULL)
    return TRUE;
  if (c == 'p' || c == 'P')
    return read_braced (reader);
  if (c != 'x')
    return FALSE;
  if (*reader->p == '{')
    return read_braced (reader);
  for (guint i = 0; i < 2 && g_ascii_isxdigit (*reader->p); i++)
    reader->p++;
  return TRUE;
}

/* Reads a class such as [:alpha:] after its opening bracket. */
static gboolean
read_posix_class (Reader *reader)
{
  reader->p++;
  while (g_ascii_islower (*reader->p))
    reader->p++;
  if (reader->p[0] != ':' || reader->p[1] != ']')
    return FALSE;
  reader->p += 2;
  return TRUE;
}

/* Reads a class after its opening bracket. */
static gboolean
read_class (Reader *reader, Part *part)
{
  reader->p += *reader->p == '^';
  reader->p += *reader->p == ']';
  while (*reader->p != ']')
    {
      char c = *reader->p;

      if (c == '\0')
        return FALSE;
      reader->p++;
      if (c == '\\' && !read_escape (reader, part))
        return FALSE;
      if (c == '[' && *reader->p != '\0' && strchr (":.=", *reader->p) != NULL &&
          !read_posix_class (reader))
        return FALSE;
    }
  reader->p++;
  *part = one_character;
  return TRUE;
}

/* Reads the characters between an opening parenthesis and the contents of its group.
 * @is_atomic: (out)
 * @is_option: (out): the parentheses contain options, not a group */
static gboolean
read_group_kind (Reader *reader, gboolean *is_atomic, gboolean *is_option)
{
  *is_atomic = FALSE;
  *is_option = FALSE;
  if (*reader->p == '*')
    return FALSE;
  if (*reader->p != '?')
    return TRUE;
  reader->p++;
  if (*reader->p == '>')
    {
      *is_atomic = TRUE;
      reader->p++;
      return TRUE;
    }
  reader->p += *reader->p == 'P';
  if (*reader->p == '<' && (g_ascii_isalpha (reader->p[1]) || reader->p[1] == '_'))
    {
      reader->p = strchr (reader->p, '>');
      if (reader->p == NULL)
        return FALSE;
      reader->p++;
      return TRUE;
    }
  reader->p += strspn (reader->p, "ims-");
  *is_option = *reader->p == ')';
  return *is_option || *reader->p++ == ':';
}

/* Reads a group after its opening parenthesis. */
static gboolean
read_group (Reader *reader, Part *part)
{
  gboolean is_atomic;
  gboolean is_option;

  if (++reader->depth > MAX_DEPTH || !read_group_kind (reader, &is_atomic, &is_option))
    return FALSE;
  *part = condition;
  if (!is_option && !read_alternatives (reader, part))
    return FALSE;
  if (*reader->p != ')')
    return FALSE;
  reader->p++;
  reader->depth--;
  if (is_atomic)
    part->ways = 1;
  return TRUE;
}

static gboolean
read_atom (Reader *reader, Part *part)
{
  char c = *reader->p;

  *part = one_character;
  if ((guchar) c >= 0x80)
    {
      reader->p = g_utf8_next_char (reader->p);
      return TRUE;
    }
  reader->p++;
  switch (c)
    {
    case '\\':
      return read_escape (reader, part);
    case '[':
      return read_class (reader, part);
    case '(':
      return read_group (reader, part);
    case '^':
    case '$':
      *part = condition;
      return TRUE;
    case '*':
    case '+':
    case '?':
    case '{':
      return FALSE;
    default:
      return TRUE;
    }
}

static gboolean
read_number (Reader *reader, guint *number)
{
  *number = 0;
  if (!g_ascii_isdigit (*reader->p))
    return FALSE;
  for (; g_ascii_isdigit (*reader->p) && *number <= MAX_STEPS; reader->p++)
    *number = *number * 10 + (guint) g_ascii_digit_value (*reader->p);
  return *number <= MAX_STEPS;
}

/* Reads the bounds of a repetition after the opening brace.
 * @max: (out): G_MAXUINT: no upper bound */
static gboolean
read_bounds (Reader *reader, guint *min, guint *max)
{
  if (!read_number (reader, min))
    return FALSE;
  *max = *min;
  if (*reader->p == ',')
    {
      reader->p++;
      *max = G_MAXUINT;
      if (*reader->p != '}' && !read_number (reader, max))
        return FALSE;
    }
  return *reader->p++ == '}';
}

/* Returns: FALSE if there are too many steps */
static gboolean
append (Part *part, const Part *next)
{
  if (part->is_open)
    return FALSE;
  part->steps += part->ways * next->steps;
  part->ways *= next->ways;
  part->is_single = FALSE;
  part->is_empty = part->is_empty && next->is_empty;
  part->is_open = next->is_open;
  return part->steps <= MAX_STEPS && part->ways <= MAX_STEPS;
}

static gboolean
repeat (Part *part, guint min, guint max)
{
  const Part once = *part;
  const gboolean is_open = max == G_MAXUINT;
  Part all = { .ways = 1, .is_empty = TRUE };
  guint ways = min == 0;

  if (once.is_empty || once.is_open || (is_open && !once.is_single))
    return FALSE;
  /* Without an upper bound, one repetition above the minimum counts. Further repetitions belong
   * to an attempt that has succeeded: they make the match longer. */
  for (guint i = 1; i <= (is_open ? min + 1 : max); i++)
    {
      if (!append (&all, &once))
        return FALSE;
      if (i >= min)
        ways += all.ways;
    }
  *part = all;
  part->ways = ways;
  part->is_empty = FALSE;
  part->is_open = is_open;
  return ways <= MAX_STEPS;
}

static gboolean
read_quantified (Reader *reader, Part *part)
{
  guint min = 1;
  guint max = 1;

  if (!read_atom (reader, part))
    return FALSE;
  switch (*reader->p)
    {
    case '*':
      min = 0;
      max = G_MAXUINT;
      break;
    case '+':
      max = G_MAXUINT;
      break;
    case '?':
      min = 0;
      break;
    case '{':
      break;
    default:
      return TRUE;
    }
  if (*reader->p++ == '{' && !read_bounds (reader, &min, &max))
    return FALSE;
  if (!repeat (part, min, max))
    return FALSE;
  if (*reader->p == '+')
    part->ways = 1;
  reader->p += *reader->p == '+' || *reader->p == '?';
  return TRUE;
}

static gboolean
read_sequence (Reader *reader, Part *part)
{
  gboolean is_first = TRUE;

  *part = (Part){ .ways = 1, .is_empty = TRUE };
  while (*reader->p != '\0' && *reader->p != '|' && *reader->p != ')')
    {
      Part next;

      if (!read_quantified (reader, &next))
        return FALSE;
      if (is_first && next.steps <= MAX_STEPS)
        *part = next;
      else if (!append (part, &next))
        return FALSE;
      is_first = FALSE;
    }
  return TRUE;
}

static gboolean
read_alternatives (Reader *reader, Part *part)
{
  *part = (Part){ .is_single = TRUE, .is_empty = TRUE };
  for (;;)
    {
      Part next;

      if (!read_sequence (reader, &next))
        return FALSE;
      part->ways += next.ways;
      part->steps += next.steps;
      part->is_single &= next.is_single;
      part->is_empty &= next.is_empty;
      part->is_open |= next.is_open;
      if (part->steps > MAX_STEPS || part->ways > MAX_STEPS)
        return FALSE;
      if (*reader->p != '|')
        return TRUE;
      reader->p++;
    }
}

/* @pattern: a valid pattern
 * Returns: TRUE if a search takes linear time in any text; FALSE if that is not known */
gboolean
_lsobs_pattern_is_linear (const char *pattern,
                          GRegexCompileFlags compile_flags,
                          GRegexMatchFlags match_flags)
{
  const GRegexCompileFlags known =
      G_REGEX_CASELESS | G_REGEX_MULTILINE | G_REGEX_DOTALL | G_REGEX_OPTIMIZE;
  Reader reader = { pattern, 0 };
  Part part;

  if ((compile_flags & ~known) != 0 || match_flags != 0)
    return FALSE;
  return read_alternatives (&reader, &part) && *reader.p == '\0';
}
