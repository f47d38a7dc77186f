/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdatomic.h>

#include "lsobs/lsobs-json-scan-private.h"
#include "lsobs/lsobs-redactor-private.h"

/* How any pattern is kept from being slow on any text.
 *
 * PCRE bounds the backtracking of one attempt (LIMIT_MATCH), but neither the sum
 * over the attempts at each position of the text, nor the plain scanning of a
 * repeated character: a*[bc] on a text of a's takes quadratic time. So before a
 * long text is searched, the time that will take is estimated: at sampled places
 * an anchored copy of the pattern makes its attempt, on a short piece of text at
 * first. With partial matching on, PCRE says whether the attempt ran into the end
 * of the piece, which is doubled until it did not. An attempt that fails after
 * having run far stands for as many as there are places between two samples; one
 * that succeeds costs nothing, as it advances by what it has read. A text that
 * would take more than linear time is redacted altogether. No clock is asked: the
 * same text always comes out the same. */

/* Up to this many bytes even quadratic time is short. */
#define MAX_UNSAMPLED 512

#define SAMPLE_DISTANCE 512
#define SAMPLE_PIECE 64

/* The backtracking allowed to one attempt: when it counts, and as a sample. */
#define SEARCH_LIMIT "(*LIMIT_MATCH=100000)"
#define SAMPLE_LIMIT "(*LIMIT_MATCH=2000)"
#define SAMPLE_LIMIT_COST 2000

/* What a text may cost: in bytes looked at, a fraction of a nanosecond each. */
#define BUDGET_BASE (1 << 22)
#define BUDGET_PER_BYTE 64

struct _LsobsRedactor
{
  gatomicrefcount ref_count;

  GRegex *search;       /* (owned) (nullable) NULL: every text is redacted */
  GRegex *sample;       /* (owned) (nullable) the same, anchored */
  char *replacement;    /* (owned) */
  gsize replacement_len;
  gboolean anchored;    /* matches begin where the search does: nothing to sample */
  gboolean by_line;     /* only the beginnings of lines are tried by a search */
  _Atomic guint64 n_failures;
};

static GRegex *
compile (const char         *limit,
         const char         *pattern,
         GRegexCompileFlags  compile_flags,
         GRegexMatchFlags    match_flags,
         GError            **error)
{
  g_autofree char *limited = g_strconcat (limit, pattern, NULL);
  g_autoptr (GRegex) regex = g_regex_new (limited, compile_flags | G_REGEX_OPTIMIZE,
                                          match_flags, error);

  /* GRegex compiles to machine code when first matched with a set of flags, and
   * takes no lock: so do it here, while nobody else knows of the regex. */
  if (regex != NULL)
    {
      g_regex_match_full (regex, "", 0, 0, G_REGEX_MATCH_NOTEMPTY, NULL, NULL);
      g_regex_match_full (regex, "", 0, 0,
                          G_REGEX_MATCH_NOTEMPTY | G_REGEX_MATCH_PARTIAL_HARD, NULL, NULL);
    }

  return g_steal_pointer (&regex);
}

/* Whether PCRE tries the pattern only where a line begins, as it does when that
 * has a leading .* which nothing refers to. To be on the safe side, less is
 * recognised than PCRE does. */
static gboolean
begins_with_dot_star (const char *pattern)
{
  if (strchr (pattern, '|') != NULL || strstr (pattern, "(*") != NULL ||
      strstr (pattern, "(?P") != NULL)
    return FALSE;

  for (const char *p = pattern; (p = strchr (p, '\\')) != NULL && p[1] != '\0'; p += 2)
    if (g_ascii_isdigit (p[1]) || p[1] == 'g' || p[1] == 'k')
      return FALSE;

  /* Options alone may come before it. A group could be an optional one. */
  while (g_str_has_prefix (pattern, "(?"))
    {
      pattern += 2 + strspn (pattern + 2, "ims");
      if (*pattern++ != ')')
        return FALSE;
    }

  return g_str_has_prefix (pattern, ".*");
}

static gboolean
redactor_set_pattern (LsobsRedactor       *self,
                      const char          *pattern,
                      GRegexCompileFlags   compile_flags,
                      GRegexMatchFlags     match_flags,
                      GError             **error)
{
  match_flags &= ~(G_REGEX_MATCH_PARTIAL_SOFT | G_REGEX_MATCH_PARTIAL_HARD);

  self->sample = compile (SAMPLE_LIMIT, pattern, compile_flags | G_REGEX_ANCHORED, match_flags,
                          error);
  if (self->sample == NULL)
    return FALSE;

  self->search = compile (SEARCH_LIMIT, pattern, compile_flags, match_flags, error);
  self->anchored = (compile_flags & G_REGEX_ANCHORED) != 0 ||
                   (match_flags & G_REGEX_MATCH_ANCHORED) != 0;
  self->by_line = begins_with_dot_star (pattern);
  return self->search != NULL;
}

static LsobsRedactor *
redactor_alloc (const char *replacement)
{
  LsobsRedactor *self = g_new0 (LsobsRedactor, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->replacement = g_strdup (replacement != NULL ? replacement : LSOBS_REDACTED);
  self->replacement_len = strlen (self->replacement);
  return self;
}

/* @replacement is taken literally; %NULL: "[REDACTED]". The error is GRegex's. */
LsobsRedactor *
_lsobs_redactor_new (const char  *pattern,
                     const char  *replacement,
                     GError     **error)
{
  g_autoptr (GRegex) plain = NULL;
  g_autoptr (LsobsRedactor) self = redactor_alloc (replacement);

  /* First without the limit, so that the offsets in an error message are those
   * of the user's pattern. */
  plain = g_regex_new (pattern, 0, 0, error);
  if (plain == NULL || !redactor_set_pattern (self, pattern, 0, 0, error))
    return NULL;

  return g_steal_pointer (&self);
}

/* Takes pattern and flags, not the regex itself: the limits must be compiled in,
 * and who made it may still be matching with it. Should that fail, everything
 * is redacted. */
LsobsRedactor *
_lsobs_redactor_new_for_regex (GRegex *regex)
{
  LsobsRedactor *self = redactor_alloc (NULL);

  redactor_set_pattern (self, g_regex_get_pattern (regex), g_regex_get_compile_flags (regex),
                        g_regex_get_match_flags (regex), NULL);
  return self;
}

LsobsRedactor *
_lsobs_redactor_ref (LsobsRedactor *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_redactor_unref (LsobsRedactor *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->search, g_regex_unref);
  g_clear_pointer (&self->sample, g_regex_unref);
  g_free (self->replacement);
  g_free (self);
}

/* How many texts were replaced as a whole because the pattern gave up. */
guint64
_lsobs_redactor_get_n_failures (LsobsRedactor *self)
{
  return atomic_load_explicit (&self->n_failures, memory_order_relaxed);
}

/* The end of a piece of text of at most @max bytes from @position on. */
static gsize
piece_end (const char *text,
           gsize       len,
           gsize       position,
           gsize       max)
{
  gsize end = position + max;

  if (len - position <= max)
    return len;

  while (_lsobs_utf8_is_continuation (text[end]))
    end--;

  return end;
}

/* What the attempt at @position costs beyond what any attempt may. */
static gint64
sample_cost (LsobsRedactor *self,
             const char    *text,
             gsize          len,
             gsize          position,
             gint64         enough)
{
  for (gsize piece = SAMPLE_PIECE;; piece *= 2)
    {
      g_autoptr (GMatchInfo) info = NULL;
      gsize end = piece_end (text, len, position, piece);
      gint64 cost = piece == SAMPLE_PIECE ? 0 : (gint64) (end - position);
      GRegexMatchFlags flags = G_REGEX_MATCH_NOTEMPTY;

      /* Lines do not overlap: all of them cost what the text is long. */
      if (self->by_line)
        cost /= SAMPLE_DISTANCE;

      /* The end of the text is one, and no reason to go on. */
      if (end < len)
        flags |= G_REGEX_MATCH_PARTIAL_HARD;

      if (g_regex_match_full (self->sample, text, (gssize) end, (gint) position, flags, &info,
                              NULL))
        return 0;

      if (!g_match_info_is_partial_match (info))
        return g_match_info_get_match_count (info) == 0 ? cost : cost + SAMPLE_LIMIT_COST;

      if (cost >= enough)
        return cost;
    }
}

/* Whether searching the text takes about linear time. */
static gboolean
is_affordable (LsobsRedactor *self,
               const char    *text,
               gsize          len)
{
  gint64 budget = (BUDGET_BASE + BUDGET_PER_BYTE * (gint64) len) / SAMPLE_DISTANCE;
  guint32 random = 1;

  for (gsize start = 0; start < len; start += SAMPLE_DISTANCE)
    {
      gsize position;

      /* No fixed distance, so that no text with a period is sampled badly; but
       * the same places each time. */
      random = random * 1664525 + 1013904223;
      position = start + (random >> 16) % SAMPLE_DISTANCE;
      if (position >= len)
        break;

      if (self->by_line)
        {
          const char *newline = memchr (text + position, '\n', len - position);

          if (newline == NULL)
            break;

          position = (gsize) (newline + 1 - text);
          start = MAX (start, position - MIN (position, SAMPLE_DISTANCE));
        }

      while (position > 0 && position < len && _lsobs_utf8_is_continuation (text[position]))
        position--;

      if (position < len)
        budget -= sample_cost (self, text, len, position, budget);
      if (budget < 0)
        return FALSE;
    }

  return TRUE;
}

/* Replaces the matches. @copied: how much of the text is in @out, redacted.
 * FALSE: the pattern gave up, or what it matched makes no sense. */
static gboolean
replace_matches (LsobsRedactor *self,
                 const char    *text,
                 gsize          len,
                 LsobsBuffer   *out,
                 gsize         *copied)
{
  g_autoptr (GMatchInfo) info = NULL;

  g_regex_match_full (self->search, text, (gssize) len, 0, G_REGEX_MATCH_NOTEMPTY, &info, NULL);
  while (g_match_info_matches (info))
    {
      gint first;
      gint last;
      gsize start;
      gsize end;

      if (!g_match_info_fetch_pos (info, 0, &first, &last) || last <= first || last < 0)
        return FALSE;

      /* Raw patterns match single bytes: widen to whole characters. A \K
       * may have the match begin anywhere. */
      start = MAX ((gsize) MAX (first, 0), *copied);
      end = MAX ((gsize) last, *copied);
      while (start > *copied && _lsobs_utf8_is_continuation (text[start]))
        start--;
      while (end < len && _lsobs_utf8_is_continuation (text[end]))
        end++;

      if (end > start)
        {
          _lsobs_buffer_append (out, text + *copied, start - *copied);
          _lsobs_buffer_append (out, self->replacement, self->replacement_len);
          *copied = end;
        }

      g_match_info_next (info, NULL);
    }

  return g_match_info_get_match_count (info) == 0;
}

static gboolean
redact (LsobsRedactor *self,
        const char    *text,
        gsize          len,
        LsobsBuffer   *out,
        gsize         *copied)
{
  /* GRegex counts in int. */
  if (self->search == NULL || len > G_MAXINT)
    return FALSE;

  if (len > MAX_UNSAMPLED && !self->anchored && !is_affordable (self, text, len))
    return FALSE;

  return replace_matches (self, text, len, out, copied);
}

/* @text is valid UTF-8. %TRUE: the text is another now, and was appended to
 * @out; %FALSE: nothing was. Matches of nothing are left alone. When the pattern
 * gives up, the whole text is replaced, and counted. */
gboolean
_lsobs_redactor_apply (LsobsRedactor *self,
                       const char    *text,
                       gsize          len,
                       LsobsBuffer   *out)
{
  gsize out_start = out->len;
  gsize copied = 0;

  if (len == 0)
    return FALSE;

  if (!redact (self, text, len, out, &copied))
    {
      atomic_fetch_add_explicit (&self->n_failures, 1, memory_order_relaxed);
      _lsobs_buffer_truncate (out, out_start);
      _lsobs_buffer_append (out, self->replacement, self->replacement_len);
      return TRUE;
    }

  if (copied == 0)
    return FALSE;

  _lsobs_buffer_append (out, text + copied, len - copied);
  return TRUE;
}
