/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-pattern-private.h"

/* Finds regular expressions that take linear time in any text. The pattern is parsed. A pattern
 * with other syntax than is known here counts as not linear.
 *
 * For each part of the pattern, two numbers are computed: in how many ways the part can match at
 * one place, and how many steps it takes to try all ways. If the whole pattern takes few steps at
 * each place, the time is proportional to the length of the text.
 *
 * A repetition without an upper bound, such as [0-9]+, takes more steps the longer the text is.
 * There are three places where it can be:
 *
 * - At the end of a pattern, or before optional parts only: there the attempt has succeeded already,
 *   and the next attempt begins after the match.
 *
 * - After a character that cannot be in the repetition, such as the dash in -[0-9]+x. All characters
 *   between two dashes are read by one attempt only, the one that has passed the first of the dashes.
 *   If there are up to n characters between the dash and the repetition, up to n attempts read the
 *   same characters. This counts as n ways.
 *
 * - At the beginning, such as in [a-z]+@. What follows cannot begin with a letter, so all attempts
 *   that begin in the same word arrive at its end, and have the same result from there on. With the
 *   verb (*SKIP) after the repetition, PCRE leaves out those after the first one. It is put there
 *   before the pattern is compiled, and changes no match. Only characters that the repetition has,
 *   too, may come before it, such as in key[a-z]+@: then all attempts stay in the word. */

/* The maximum number of repetitions. */
#define MAX_REPEATED 100

/* The maximum number of attempts, in all ways, that read the same character. */
#define MAX_SHAPES 1000

#define MAX_DEPTH 32

/* How many characters, escapes and groups are read at most. Some of them are read twice. */
#define MAX_ATOMS 4096

#define MAX_REQUIRED 16

/* Characters that are not in ASCII. */
typedef enum
{
  OTHER_FOLDED = 1 << 0, /* U+017F and U+212A: without case they are an s and a k */
  OTHER_REST = 1 << 1,
  OTHER_ALL = OTHER_FOLDED | OTHER_REST
} OtherChars;

/* A set of characters that has at least those that a part of a pattern matches. */
typedef struct
{
  guint64 ascii[2];
  OtherChars others;
} CharSet;

/* A character that each way to the current place of the pattern has passed. */
typedef struct
{
  CharSet chars;
  guint distance; /* the place is at most so many characters after the beginning of this one */
} Required;

/* The last ones that were passed after a repetition without an upper bound. */
typedef struct
{
  guint n;
  Required all[MAX_REQUIRED];
} RequiredList;

typedef struct
{
  guint ways;
  guint steps;
  guint shapes;         /* as ways, but of all attempts together: possessive or not */
  guint max_len;        /* without repetitions that have no upper bound */
  guint last_ways;      /* of them, in how many ways a character is repeated at the end */
  gboolean is_single;   /* matches exactly one character */
  gboolean is_empty;    /* matches no character: it is a condition */
  gboolean is_nullable; /* may match no character */
  gboolean is_optional; /* matches no character if nothing else does: it cannot fail */
  gboolean is_exact;    /* a single one: no other character in ASCII is in @first */
  gboolean is_open;     /* ends with a repetition without an upper bound that must be at the end */
  gboolean is_head;     /* that repetition is the head */
  gboolean has_open;    /* contains a repetition without an upper bound */
  gboolean has_inner;   /* contains one that need not be at the end */
  CharSet first;        /* the characters that it may begin with; of a single one: itself */
  CharSet last;         /* the characters that are repeated at the end */
} Part;

/* The head is a repetition without an upper bound that the pattern begins with, maybe after some of
 * the same characters. */
typedef enum
{
  HEAD_NONE,
  HEAD_OPEN,  /* what follows is not known yet */
  HEAD_USED,  /* what follows is good for the verb */
  HEAD_UNFIT, /* the repetition is in a place where the verb would mean something else */
} HeadState;

typedef struct
{
  const char *p;   /* the next character of the pattern */
  guint max_steps; /* at one place */
  guint depth;
  guint n_looks; /* lookaheads and lookbehinds that are open */
  guint n_atoms;
  gboolean is_caseless; /* at least a part of the pattern */
  CharSet passed;       /* all characters that may have been passed */
  RequiredList required;
  HeadState head;
  CharSet head_chars;
  gboolean head_is_possessive;
  gboolean head_is_followed;
  const char *head_end;
} Reader;

static gboolean read_alternatives (Reader *reader, Part *part);

/* Sets of characters */

static const CharSet no_chars = { { 0, 0 }, 0 };
static const CharSet all_chars = { { G_MAXUINT64, G_MAXUINT64 }, OTHER_ALL };

static void
add_char (CharSet *set, gunichar c)
{
  if (c < 0x80)
    set->ascii[c >> 6] |= G_GUINT64_CONSTANT (1) << (c & 63);
  else
    set->others |= c == 0x17f || c == 0x212a ? OTHER_FOLDED : OTHER_REST;
}

static gboolean
has_char (const CharSet *set, guchar c)
{
  return (set->ascii[c >> 6] >> (c & 63) & 1) != 0;
}

static void
add_range (CharSet *set, gunichar first, gunichar last)
{
  for (gunichar c = first; c <= last && c < 0x80; c++)
    add_char (set, c);
  if (last >= 0x80)
    set->others = OTHER_ALL;
}

static void
add_set (CharSet *set, const CharSet *more)
{
  set->ascii[0] |= more->ascii[0];
  set->ascii[1] |= more->ascii[1];
  set->others |= more->others;
}

/* Returns: all characters that are not in an exact set */
static CharSet
get_complement (const CharSet *set)
{
  return (CharSet){ { ~set->ascii[0], ~set->ascii[1] }, OTHER_ALL };
}

static gboolean
is_empty (const CharSet *set)
{
  return set->ascii[0] == 0 && set->ascii[1] == 0 && set->others == 0;
}

/* @set: exact */
static gboolean
is_within (const CharSet *part, const CharSet *set)
{
  return (part->ascii[0] & ~set->ascii[0]) == 0 && (part->ascii[1] & ~set->ascii[1]) == 0 &&
         part->others == 0;
}

static gboolean
is_disjoint (const CharSet *a, const CharSet *b)
{
  return (a->ascii[0] & b->ascii[0]) == 0 && (a->ascii[1] & b->ascii[1]) == 0 &&
         (a->others & b->others) == 0;
}

/* Adds the other case of each letter. */
static void
fold (const Reader *reader, CharSet *set)
{
  if (!reader->is_caseless)
    return;
  if ((set->others & OTHER_FOLDED) != 0)
    {
      add_char (set, 's');
      add_char (set, 'k');
    }
  for (guchar c = 'a'; c <= 'z'; c++)
    if (has_char (set, c) || has_char (set, (guchar) g_ascii_toupper ((gchar) c)))
      {
        add_char (set, c);
        add_char (set, (guchar) g_ascii_toupper ((gchar) c));
      }
  if (has_char (set, 's') || has_char (set, 'k'))
    set->others |= OTHER_FOLDED;
}

/* Characters that were passed */

static void
require (Reader *reader, const CharSet *chars)
{
  RequiredList *list = &reader->required;

  if (list->n == MAX_REQUIRED)
    memmove (list->all, list->all + 1, --list->n * sizeof list->all[0]);
  list->all[list->n++] = (Required){ *chars, 0 };
}

/* Moves the place by up to @len characters. */
static void
move (Reader *reader, guint len)
{
  for (guint i = 0; i < reader->required.n; i++)
    {
      Required *one = &reader->required.all[i];

      one->distance = MIN (one->distance + len, 2 * MAX_SHAPES);
    }
}

/* Makes of @list what is right for it and for @other: each way leads over one of the two. */
static void
join_required (RequiredList *list, const RequiredList *other)
{
  const guint n = MIN (list->n, other->n);
  const Required *theirs = other->all + other->n - n;

  memmove (list->all, list->all + list->n - n, n * sizeof list->all[0]);
  list->n = n;
  for (guint i = 0; i < n; i++)
    {
      add_set (&list->all[i].chars, &theirs[i].chars);
      list->all[i].distance = MAX (list->all[i].distance, theirs[i].distance);
    }
}

/* Returns: how many attempts, at most, read the same one of these characters in a repetition that
 *   begins at the current place; G_MAXUINT: that is not limited */
static guint
count_readers (const Reader *reader, const CharSet *chars)
{
  guint n = G_MAXUINT;

  for (guint i = 0; i < reader->required.n; i++)
    if (is_disjoint (&reader->required.all[i].chars, chars))
      n = MIN (n, reader->required.all[i].distance);
  return n;
}

/* Atoms */

/* @is_exact: FALSE if @chars may have more characters in ASCII than are meant */
static Part
make_character (const Reader *reader, CharSet chars, gboolean is_exact)
{
  fold (reader, &chars);
  return (Part){
    .ways = 1,
    .steps = 1,
    .shapes = 1,
    .max_len = 1,
    .last_ways = 1,
    .is_single = TRUE,
    .is_exact = is_exact && !reader->is_caseless,
    .first = chars,
  };
}

static Part
make_empty (guint steps, gboolean is_optional)
{
  return (Part){
    .ways = 1,
    .steps = steps,
    .shapes = 1,
    .last_ways = 1,
    .is_empty = TRUE,
    .is_nullable = TRUE,
    .is_optional = is_optional,
  };
}

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

/* Reads a character such as \x41 or \x{e9} after the x. */
static gboolean
read_hex (Reader *reader, gunichar *c)
{
  *c = 0;
  if (*reader->p == '{')
    {
      const char *digits = reader->p + 1;

      if (!read_braced (reader))
        return FALSE;
      for (; g_ascii_isxdigit (*digits) && *c < 0x110000; digits++)
        *c = *c * 16 + (gunichar) g_ascii_xdigit_value (*digits);
      return TRUE;
    }
  for (guint i = 0; i < 2 && g_ascii_isxdigit (*reader->p); i++)
    *c = *c * 16 + (gunichar) g_ascii_xdigit_value (*reader->p++);
  return TRUE;
}

/* The characters that stand for a class after a backslash, in lower case. In upper case they stand
 * for all others. Each class may have characters that are not in ASCII. */
static CharSet
get_escaped_class (char c)
{
  CharSet set = no_chars;

  switch (g_ascii_tolower (c))
    {
    case 'd':
      add_range (&set, '0', '9');
      break;
    case 'w':
      add_range (&set, '0', '9');
      add_range (&set, 'a', 'z');
      add_range (&set, 'A', 'Z');
      add_char (&set, '_');
      break;
    case 's':
      add_range (&set, '\t', '\r');
      add_char (&set, ' ');
      break;
    case 'h':
      add_char (&set, '\t');
      add_char (&set, ' ');
      break;
    default:
      add_range (&set, '\n', '\r');
    }
  if (g_ascii_isupper (c))
    set = get_complement (&set);
  set.others = c == 'w' || g_ascii_isupper (c) ? OTHER_ALL : OTHER_REST;
  return set;
}

/* Reads an escape that stands for one character, after its backslash.
 * @set: (out)
 * @c: (out): the character; G_MAXUINT32: one of a class
 * @is_exact: (inout): FALSE if @set may have more characters in ASCII than the class */
static gboolean
read_escaped (Reader *reader, CharSet *set, gunichar *c, gboolean *is_exact)
{
  static const char controls[] = "n\nr\rt\tf\fa\a";
  char kind = *reader->p;
  const char *control;

  if (kind == '\0' || (guchar) kind >= 0x80)
    return FALSE;
  reader->p++;
  *set = no_chars;
  *c = G_MAXUINT32;
  control = strchr (controls, kind);
  if (!g_ascii_isalnum (kind))
    *c = (guchar) kind;
  else if (control != NULL)
    *c = (guchar) control[1];
  else if (kind == 'x')
    {
      if (!read_hex (reader, c))
        return FALSE;
    }
  else if (strchr ("dDwWsShHvV", kind) != NULL)
    *set = get_escaped_class (kind);
  else if (kind == 'N' || ((kind == 'p' || kind == 'P') && read_braced (reader)))
    {
      *set = all_chars;
      *is_exact = FALSE;
    }
  else
    return FALSE;
  if (*c != G_MAXUINT32)
    add_char (set, *c);
  return TRUE;
}

/* Reads an escape after its backslash. */
static gboolean
read_escape (Reader *reader, Part *part)
{
  CharSet set;
  gunichar c;
  gboolean is_exact = TRUE;

  if (*reader->p != '\0' && strchr ("bBAzZGK", *reader->p) != NULL)
    {
      if (*reader->p++ == 'K' && reader->n_looks > 0)
        return FALSE;
      *part = make_empty (1, FALSE);
      return TRUE;
    }
  if (!read_escaped (reader, &set, &c, &is_exact))
    return FALSE;
  *part = make_character (reader, set, is_exact);
  return TRUE;
}

/* Reads a class such as [:alpha:] after its opening bracket. */
static gboolean
read_posix_class (Reader *reader, CharSet *set, gboolean *is_exact)
{
  static const struct
  {
    const char *name;
    GAsciiType type;
  } classes[] = {
    { "alpha", G_ASCII_ALPHA }, { "digit", G_ASCII_DIGIT }, { "alnum", G_ASCII_ALNUM },
    { "upper", G_ASCII_UPPER }, { "lower", G_ASCII_LOWER }, { "xdigit", G_ASCII_XDIGIT },
  };
  const char *name = ++reader->p;

  while (g_ascii_islower (*reader->p))
    reader->p++;
  if (name[-1] != ':' || reader->p[0] != ':' || reader->p[1] != ']')
    return FALSE;
  reader->p += 2;
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    if (strncmp (name, classes[i].name, strlen (classes[i].name)) == 0 &&
        name[strlen (classes[i].name)] == ':')
      {
        *set = no_chars;
        for (guchar c = 0; c < 0x80; c++)
          if ((g_ascii_table[c] & classes[i].type) != 0)
            add_char (set, c);
        set->others = OTHER_ALL;
        return TRUE;
      }
  *set = all_chars;
  *is_exact = FALSE;
  return TRUE;
}

/* Reads a character, or a class, in a class.
 * @c: (out): the character; G_MAXUINT32: it is a class */
static gboolean
read_class_item (Reader *reader, CharSet *set, gunichar *c, gboolean *is_exact)
{
  *c = G_MAXUINT32;
  if (*reader->p == '\0')
    return FALSE;
  if (*reader->p == '[' && reader->p[1] != '\0' && strchr (":.=", reader->p[1]) != NULL)
    {
      reader->p++;
      return read_posix_class (reader, set, is_exact);
    }
  if (*reader->p == '\\')
    {
      reader->p++;
      if (*reader->p != 'b')
        return read_escaped (reader, set, c, is_exact);
      *c = '\b';
      reader->p++;
    }
  else
    {
      *c = g_utf8_get_char (reader->p);
      reader->p = g_utf8_next_char (reader->p);
    }
  *set = no_chars;
  add_char (set, *c);
  return TRUE;
}

/* Reads a class after its opening bracket. */
static gboolean
read_class (Reader *reader, Part *part)
{
  gboolean is_negated = *reader->p == '^';
  gboolean is_first = TRUE;
  gboolean is_exact = TRUE;
  CharSet chars = no_chars;

  reader->p += is_negated;
  for (; is_first || *reader->p != ']'; is_first = FALSE)
    {
      CharSet set;
      gunichar first;
      gunichar last;

      if (!read_class_item (reader, &set, &first, &is_exact))
        return FALSE;
      add_set (&chars, &set);
      if (reader->p[0] != '-' || reader->p[1] == ']')
        continue;
      reader->p++;
      if (first == G_MAXUINT32 || !read_class_item (reader, &set, &last, &is_exact) ||
          last == G_MAXUINT32)
        return FALSE;
      add_range (&chars, first, last);
    }
  reader->p++;
  if (is_negated)
    chars = is_exact ? get_complement (&chars) : all_chars;
  *part = make_character (reader, chars, is_exact);
  return TRUE;
}

typedef enum
{
  GROUP_PLAIN,
  GROUP_ATOMIC,
  GROUP_OPTION, /* the parentheses contain options, not a group */
  GROUP_LOOK
} GroupKind;

/* Reads the characters between an opening parenthesis and the contents of its group. */
static gboolean
read_group_kind (Reader *reader, GroupKind *kind)
{
  gboolean is_behind;

  *kind = GROUP_PLAIN;
  if (*reader->p == '*')
    return FALSE;
  if (*reader->p != '?')
    return TRUE;
  reader->p++;
  if (*reader->p == '>')
    {
      *kind = GROUP_ATOMIC;
      reader->p++;
      return TRUE;
    }
  is_behind = *reader->p == '<';
  if (reader->p[is_behind] == '=' || reader->p[is_behind] == '!')
    {
      *kind = GROUP_LOOK;
      reader->p += is_behind + 1;
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
  if (*reader->p == ')')
    {
      *kind = GROUP_OPTION;
      return TRUE;
    }
  return *reader->p++ == ':';
}

/* Called after a group, or a choice, in which (*SKIP) would not do. The head may have been in it.
 * @head: the state before it */
static gboolean
leave_head (Reader *reader, HeadState head, Part *part)
{
  if (head != HEAD_NONE || reader->head == HEAD_NONE)
    return TRUE;
  if (reader->head == HEAD_USED || reader->head_is_followed)
    return FALSE;
  reader->head = HEAD_UNFIT;
  part->is_head = FALSE;
  return TRUE;
}

/* Reads the contents of a lookahead or lookbehind. */
static gboolean
read_look (Reader *reader, Part *part)
{
  const RequiredList required = reader->required;
  Part inner;

  reader->n_looks++;
  if (!read_alternatives (reader, &inner) || inner.has_open)
    return FALSE;
  reader->n_looks--;
  reader->required = required;
  *part = make_empty (inner.steps + 1, FALSE);
  return TRUE;
}

/* Reads a group after its opening parenthesis. */
static gboolean
read_group (Reader *reader, Part *part)
{
  const HeadState head = reader->head;
  GroupKind kind;

  if (++reader->depth > MAX_DEPTH || !read_group_kind (reader, &kind))
    return FALSE;
  *part = make_empty (1, TRUE);
  if (kind == GROUP_LOOK && !read_look (reader, part))
    return FALSE;
  if ((kind == GROUP_PLAIN || kind == GROUP_ATOMIC) && !read_alternatives (reader, part))
    return FALSE;
  if (*reader->p != ')')
    return FALSE;
  reader->p++;
  reader->depth--;
  if (kind != GROUP_ATOMIC)
    return TRUE;
  part->ways = 1;
  part->last_ways = 1;
  return leave_head (reader, head, part);
}

/* Reads an atom. A group, other than a single character, moves the current place. */
static gboolean
read_atom (Reader *reader, Part *part)
{
  char c = *reader->p;
  CharSet set = no_chars;

  if (++reader->n_atoms > MAX_ATOMS)
    return FALSE;
  if ((guchar) c >= 0x80)
    {
      add_char (&set, g_utf8_get_char (reader->p));
      *part = make_character (reader, set, TRUE);
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
      *part = make_empty (1, FALSE);
      return TRUE;
    case '*':
    case '+':
    case '?':
    case '{':
      return FALSE;
    case '.':
      *part = make_character (reader, all_chars, FALSE);
      return TRUE;
    default:
      add_char (&set, (guchar) c);
      *part = make_character (reader, set, TRUE);
      return TRUE;
    }
}

/* Repetitions */

typedef struct
{
  guint min;
  guint max; /* G_MAXUINT: no upper bound */
  gboolean is_quantified;
  gboolean is_lazy;
  gboolean is_possessive;
} Quantifier;

static gboolean
read_number (Reader *reader, guint *number)
{
  *number = 0;
  if (!g_ascii_isdigit (*reader->p))
    return FALSE;
  for (; g_ascii_isdigit (*reader->p) && *number <= MAX_REPEATED; reader->p++)
    *number = *number * 10 + (guint) g_ascii_digit_value (*reader->p);
  return *number <= MAX_REPEATED;
}

/* Reads the bounds of a repetition after the opening brace. */
static gboolean
read_bounds (Reader *reader, Quantifier *quantifier)
{
  if (!read_number (reader, &quantifier->min))
    return FALSE;
  quantifier->max = quantifier->min;
  if (*reader->p == ',')
    {
      reader->p++;
      quantifier->max = G_MAXUINT;
      if (*reader->p != '}' && !read_number (reader, &quantifier->max))
        return FALSE;
    }
  return *reader->p++ == '}' && quantifier->max >= quantifier->min;
}

static gboolean
read_quantifier (Reader *reader, Quantifier *quantifier)
{
  *quantifier = (Quantifier){ .min = 1, .max = 1 };
  switch (*reader->p)
    {
    case '*':
      quantifier->min = 0;
      quantifier->max = G_MAXUINT;
      break;
    case '+':
      quantifier->max = G_MAXUINT;
      break;
    case '?':
      quantifier->min = 0;
      break;
    case '{':
      break;
    default:
      return TRUE;
    }
  quantifier->is_quantified = TRUE;
  if (*reader->p++ == '{' && !read_bounds (reader, quantifier))
    return FALSE;
  quantifier->is_possessive = *reader->p == '+';
  quantifier->is_lazy = *reader->p == '?';
  reader->p += quantifier->is_possessive || quantifier->is_lazy;
  return TRUE;
}

static gboolean
is_cheap (const Reader *reader, const Part *part)
{
  return part->steps <= reader->max_steps && part->ways <= reader->max_steps &&
         (!part->has_inner || part->shapes <= MAX_SHAPES);
}

/* Whether @next may follow @part, which ends with a repetition without an upper bound. */
static gboolean
follow_open (Reader *reader, Part *part, const Part *next)
{
  if (part->is_head && !next->is_open &&
      (reader->head_is_possessive || is_disjoint (&next->first, &reader->head_chars)))
    {
      reader->head_is_followed |= !next->is_optional;
      if (next->is_nullable)
        return TRUE;
      reader->head = HEAD_USED;
      part->is_open = FALSE;
      part->is_head = FALSE;
      return TRUE;
    }
  if (part->is_head && reader->head_is_followed)
    return FALSE;

  /* The attempt has succeeded already if the rest cannot fail. */
  if (part->is_head)
    reader->head = HEAD_UNFIT;
  part->is_head = FALSE;
  return next->is_optional;
}

/* A repeated character ends where another one follows: only one of the ways goes on. */
static void
end_repeated (Part *part, const Part *next)
{
  if (part->last_ways <= 1 || next->is_nullable || !is_disjoint (&next->first, &part->last))
    return;
  part->steps += part->ways;
  part->ways /= part->last_ways;
}

/* Returns: FALSE if there are too many steps */
static gboolean
append (Reader *reader, Part *part, const Part *next)
{
  if (part->is_open && !follow_open (reader, part, next))
    return FALSE;
  end_repeated (part, next);
  part->steps += part->ways * next->steps;
  part->ways *= next->ways;
  part->shapes = MIN (part->shapes * next->shapes, 2 * MAX_SHAPES);
  part->max_len += next->max_len;
  part->last_ways = next->last_ways;
  part->last = next->last;
  part->is_single = FALSE;
  part->is_empty = part->is_empty && next->is_empty;
  if (part->is_nullable)
    add_set (&part->first, &next->first);
  part->is_nullable = part->is_nullable && next->is_nullable;
  part->is_optional = part->is_optional && next->is_optional;
  part->is_open |= next->is_open;
  part->is_head |= next->is_head;
  part->has_open |= next->has_open;
  part->has_inner |= next->has_inner;
  return is_cheap (reader, part);
}

/* Repeats a part.
 * @is_open: there is no upper bound: one repetition above the minimum counts */
static gboolean
repeat (Reader *reader, Part *part, guint min, guint max)
{
  const Part once = *part;
  guint ways = min == 0;
  guint shapes = min == 0;

  *part = make_empty (0, TRUE);
  for (guint i = 1; i <= max; i++)
    {
      if (!append (reader, part, &once))
        return FALSE;
      if (i < min)
        continue;
      ways += part->ways;
      shapes = MIN (shapes + part->shapes, 2 * MAX_SHAPES);
    }
  part->ways = ways;
  part->shapes = shapes;
  part->last_ways = once.is_single && once.ways == 1 ? ways : 1;
  part->last = once.first;
  part->is_empty = FALSE;
  part->is_nullable = min == 0 || once.is_nullable;
  part->is_optional = min == 0 || once.is_optional;
  part->first = once.first;
  return is_cheap (reader, part);
}

/* Moves the current place over a part that matches one character, or that was repeated. */
static void
pass (Reader *reader, const Part *once, const Quantifier *quantifier)
{
  for (guint i = 0; once->is_single && i < quantifier->min; i++)
    {
      require (reader, &once->first);
      move (reader, 1);
    }
  if (once->is_single)
    move (reader, quantifier->max - quantifier->min);
}

/* Repeats a part that matches one character, without an upper bound. */
static gboolean
repeat_character (Reader *reader, Part *part, const Quantifier *quantifier)
{
  const Part once = *part;
  const guint n_readers = count_readers (reader, &once.first);
  const gboolean may_be_head =
      once.ways == 1 && reader->head == HEAD_NONE && !quantifier->is_lazy &&
      (is_empty (&reader->passed) || (once.is_exact && is_within (&reader->passed, &once.first)));

  /* At the end of the pattern, further repetitions belong to an attempt that has succeeded. */
  if (!repeat (reader, part, quantifier->min, quantifier->min + 1))
    return FALSE;
  part->has_open = TRUE;
  part->is_open = once.ways > 1 || n_readers > reader->max_steps;
  part->is_head = part->is_open && may_be_head;
  part->has_inner = !part->is_open || part->is_head;
  part->last_ways = 1;
  if (part->has_inner)
    part->ways = part->shapes = part->is_head ? 1 : MAX (n_readers, 1);
  if (part->is_head)
    {
      reader->head = HEAD_OPEN;
      reader->head_chars = once.first;
      reader->head_is_possessive = quantifier->is_possessive;
      reader->head_end = reader->p;
    }

  /* The last character before what follows is one of these, if there is any. */
  for (guint i = 0; i < reader->required.n; i++)
    add_set (&reader->required.all[i].chars, &once.first);
  if (quantifier->min > 0)
    {
      reader->required.n = 0;
      require (reader, &once.first);
      move (reader, 1);
    }
  return is_cheap (reader, part);
}

/* Repeats a group at the end of the pattern, without an upper bound. Its repetitions belong to an
 * attempt that has succeeded.
 * @start: the beginning of the group */
static gboolean
repeat_group (Reader *reader, Part *part, const Quantifier *quantifier, const char *start)
{
  const char *end = reader->p;
  const HeadState head = reader->head;

  /* A repetition may follow another one: nothing was passed before it for sure. */
  reader->p = start;
  reader->required.n = 0;
  if (!read_atom (reader, part))
    return FALSE;
  reader->p = end;
  if (part->is_nullable || quantifier->min > 1 || reader->head != head)
    return FALSE;
  part->has_open = TRUE;
  part->is_open = TRUE;
  part->is_nullable = quantifier->min == 0;
  part->is_optional = quantifier->min == 0;
  return is_cheap (reader, part);
}

static gboolean
repeat_part (Reader *reader,
             Part *part,
             const Quantifier *quantifier,
             const char *start,
             const RequiredList *before)
{
  const gboolean is_endless = quantifier->max == G_MAXUINT;

  if (part->is_empty || (part->is_open && !is_endless && quantifier->max > 1))
    return FALSE;
  if (part->is_single)
    reader->required = *before;
  if (is_endless && part->is_single)
    return repeat_character (reader, part, quantifier);
  if (is_endless)
    return repeat_group (reader, part, quantifier, start);
  if (part->is_single)
    pass (reader, part, quantifier);
  else if (quantifier->max == 0)
    reader->required = *before;
  else
    {
      move (reader, (quantifier->max - 1) * part->max_len);
      if (quantifier->min == 0)
        join_required (&reader->required, before);
    }
  if (part->has_open && quantifier->max > 1)
    return FALSE;
  return repeat (reader, part, quantifier->min, quantifier->max);
}

static gboolean
read_quantified (Reader *reader, Part *part)
{
  const char *start = reader->p;
  const HeadState head = reader->head;
  const RequiredList before = reader->required;
  Quantifier quantifier;

  if (!read_atom (reader, part) || !read_quantifier (reader, &quantifier))
    return FALSE;
  if (!quantifier.is_quantified)
    {
      pass (reader, part, &quantifier);
    }
  else
    {
      if (!leave_head (reader, head, part))
        return FALSE;
      if (!repeat_part (reader, part, &quantifier, start, &before))
        return FALSE;
    }
  if (quantifier.is_possessive)
    {
      part->ways = 1;
      part->last_ways = 1;
    }
  add_set (&reader->passed, &part->first);
  return TRUE;
}

/* Sequences */

static gboolean
read_sequence (Reader *reader, Part *part)
{
  gboolean is_first = TRUE;
  gboolean is_kept = FALSE;

  *part = make_empty (0, TRUE);
  while (*reader->p != '\0' && *reader->p != '|' && *reader->p != ')')
    {
      const gboolean is_keep = reader->p[0] == '\\' && reader->p[1] == 'K';
      Part next;

      if (!read_quantified (reader, &next))
        return FALSE;
      if (is_first && is_cheap (reader, &next))
        *part = next;
      else if (!append (reader, part, &next))
        return FALSE;
      is_first = FALSE;
      is_kept = is_keep || (is_kept && next.is_nullable);
    }
  /* After \K there may be nothing left to match. Such a match is empty, and does not count: the
   * attempt goes on. */
  return !is_kept;
}

static gboolean
read_alternatives (Reader *reader, Part *part)
{
  const HeadState head = reader->head;
  const RequiredList before = reader->required;
  RequiredList after;

  *part = (Part){ .is_single = TRUE, .is_empty = TRUE };
  for (guint i = 0;; i++)
    {
      Part next;

      reader->required = before;
      if (!read_sequence (reader, &next))
        return FALSE;
      if (i == 0)
        after = reader->required;
      else
        join_required (&after, &reader->required);
      part->ways += next.ways;
      part->steps += next.steps;
      part->shapes = MIN (part->shapes + next.shapes, 2 * MAX_SHAPES);
      part->max_len = MAX (part->max_len, next.max_len);
      part->last_ways = i == 0 ? next.last_ways : 1;
      part->last = next.last;
      part->is_single &= next.is_single;
      part->is_empty &= next.is_empty;
      part->is_nullable |= next.is_nullable;
      part->is_optional |= next.is_optional;
      part->is_exact = i == 0 && next.is_exact;
      part->is_open |= next.is_open;
      part->is_head |= next.is_head;
      part->has_open |= next.has_open;
      part->has_inner |= next.has_inner;
      add_set (&part->first, &next.first);
      if (!is_cheap (reader, part))
        return FALSE;
      if (*reader->p == '|')
        {
          reader->p++;
          continue;
        }
      reader->required = after;
      return i == 0 || leave_head (reader, head, part);
    }
}

/* Whether an option in the pattern has it ignore the case of letters. */
static gboolean
is_caseless (const char *pattern)
{
  for (const char *p = pattern; (p = strstr (p, "(?")) != NULL;)
    {
      gsize n;

      p += 2;
      n = strspn (p, "ims-");
      if (memchr (p, 'i', n) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* @pattern: a valid pattern
 * @max_steps: how many steps a search may take at each place of a text
 * @skip: (out): where to put the verb (*SKIP) into the pattern, in bytes; 0: nowhere. The pattern
 *   is linear with that verb. It has the same matches, as long as empty ones do not count.
 * Returns: TRUE if a search takes linear time in any text; FALSE if that is not known */
gboolean
_lsobs_pattern_is_linear (const char *pattern,
                          GRegexCompileFlags compile_flags,
                          GRegexMatchFlags match_flags,
                          guint max_steps,
                          gsize *skip)
{
  const GRegexCompileFlags known =
      G_REGEX_CASELESS | G_REGEX_MULTILINE | G_REGEX_DOTALL | G_REGEX_OPTIMIZE;
  Reader reader = { .p = pattern, .max_steps = max_steps };
  Part part;

  *skip = 0;
  if ((compile_flags & ~known) != 0 || match_flags != 0 || !g_utf8_validate (pattern, -1, NULL))
    return FALSE;
  reader.is_caseless = (compile_flags & G_REGEX_CASELESS) != 0 || is_caseless (pattern);
  if (!read_alternatives (&reader, &part) || *reader.p != '\0' ||
      (reader.head == HEAD_OPEN && reader.head_is_followed))
    return FALSE;
  if (reader.head == HEAD_USED)
    *skip = (gsize) (reader.head_end - pattern);
  return TRUE;
}
