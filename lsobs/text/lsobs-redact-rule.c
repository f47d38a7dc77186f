/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-pattern-private.h"
#include "lsobs/text/lsobs-redact-rule-private.h"

/* How any pattern is kept from being slow on any text.
 *
 * A pattern that certainly takes linear time (see lsobs-pattern.c) needs none of the guards
 * below. All others may be explosive.
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
 * would take more than linear time is redacted altogether. No clock is asked for that.
 *
 * A short text is searched at once, with a lower bound for each attempt. Many of them can
 * still take long together, and so can the attempts in a long text that are too short for
 * the estimate above: the time that searches take for one record is measured, and when it is
 * used up, all further texts of the record are redacted altogether. As one search cannot be
 * interrupted, small windows of a long text are searched first. Where the whole text would
 * take more time than is left, it is redacted altogether. */

/* Up to this many bytes even quadratic time is short. */
#define MAX_UNSAMPLED 512

#define SAMPLE_DISTANCE 512
#define SAMPLE_PIECE    64

/* One byte in WINDOW_FACTOR is searched to see how long the search of all takes. */
#define WINDOW_LEN    256
#define WINDOW_FACTOR 8

/* The backtracking allowed to one attempt: when it counts, in a short text, and as a
 * sample. */
#define SEARCH_LIMIT       "(*LIMIT_MATCH=100000)"
#define SHORT_SEARCH_LIMIT "(*LIMIT_MATCH=10000)"
#define SAMPLE_LIMIT       "(*LIMIT_MATCH=2000)"

/* The cost of an attempt that exceeds the limit of a sample: if it succeeds in the end, and
 * if it does not. */
#define SAMPLE_LIMIT_COST 2000
#define FAILED_LIMIT_COST 100000

/* What a text may cost: in bytes looked at, a fraction of a nanosecond each. */
#define BUDGET_BASE     (1 << 22)
#define BUDGET_PER_BYTE 64

struct _LsobsRedactRule
{
  GRegex *search;       /* (owned) (nullable) NULL: every text is redacted */
  GRegex *sample;       /* (owned) (nullable) the same, anchored */
  GRegex *short_search; /* (owned) (nullable) with measured: the same for a short text */
  GRegex *whole_sample; /* (owned) (nullable) with measured: a sample with the limit of a search */
  char *replacement;    /* (owned) of a match, or of a text on which the pattern gave up */
  gsize replacement_len;
  char *template;    /* (owned) (nullable) makes the replacement of a match instead */
  gboolean linear;   /* needs no guard: search is its only regex */
  gboolean measured; /* its time counts */
  gboolean anchored; /* matches begin where the search does: nothing to sample */
  gboolean by_line;  /* only the beginnings of lines are tried by a search */
};

static GRegex *
compile (const char *limit,
         const char *pattern,
         GRegexCompileFlags compile_flags,
         GRegexMatchFlags match_flags,
         GError **error)
{
  g_autofree char *limited = g_strconcat (limit, pattern, NULL);
  g_autoptr (GRegex) regex =
      g_regex_new (limited, compile_flags | G_REGEX_OPTIMIZE, match_flags, error);

  /* GRegex compiles to machine code when first matched with a set of flags, and
   * takes no lock: so do it here, while nobody else knows of the regex. */
  if (regex != NULL)
    {
      g_regex_match_full (regex, "", 0, 0, G_REGEX_MATCH_NOTEMPTY, NULL, NULL);
      g_regex_match_full (regex, "", 0, 0, G_REGEX_MATCH_NOTEMPTY | G_REGEX_MATCH_PARTIAL_HARD,
                          NULL, NULL);
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
set_guards (LsobsRedactRule *self,
            const char *pattern,
            GRegexCompileFlags compile_flags,
            GRegexMatchFlags match_flags,
            GError **error)
{
  const GRegexCompileFlags anchored_flags = compile_flags | G_REGEX_ANCHORED;

  self->sample = compile (SAMPLE_LIMIT, pattern, anchored_flags, match_flags, error);
  if (self->sample == NULL || !self->measured)
    return self->sample != NULL;
  self->short_search = compile (SHORT_SEARCH_LIMIT, pattern, compile_flags, match_flags, error);
  if (self->short_search == NULL)
    return FALSE;
  self->whole_sample = compile (SEARCH_LIMIT, pattern, anchored_flags, match_flags, error);
  return self->whole_sample != NULL;
}

static gboolean
set_pattern (LsobsRedactRule *self,
             const char *pattern,
             GRegexCompileFlags compile_flags,
             GRegexMatchFlags match_flags,
             GError **error)
{
  match_flags &= ~(G_REGEX_MATCH_PARTIAL_SOFT | G_REGEX_MATCH_PARTIAL_HARD);

  self->linear = _lsobs_pattern_is_linear (pattern, compile_flags, match_flags);
  self->measured = self->measured && !self->linear;
  if (!self->linear && !set_guards (self, pattern, compile_flags, match_flags, error))
    return FALSE;

  self->search = compile (SEARCH_LIMIT, pattern, compile_flags, match_flags, error);
  self->anchored =
      (compile_flags & G_REGEX_ANCHORED) != 0 || (match_flags & G_REGEX_MATCH_ANCHORED) != 0;
  self->by_line = begins_with_dot_star (pattern);
  return self->search != NULL;
}

static LsobsRedactRule *
alloc_rule (const char *replacement)
{
  LsobsRedactRule *self = g_new0 (LsobsRedactRule, 1);

  self->replacement = g_strdup (replacement != NULL ? replacement : LSOBS_REDACTED);
  self->replacement_len = strlen (self->replacement);
  self->measured = TRUE;
  return self;
}

/* Reads the number at @p as g_regex_replace() does: a digit or two are a group,
 * three octal ones are a character, and so is what follows a zero.
 * @group: (out): the group, or 0 for a character, and for the whole match
 * Returns: what follows */
static const char *
read_group_number (const char *p, int *group)
{
  gboolean character = p[0] == '0' && g_ascii_isdigit (p[1]);
  int n_octal = (int) strspn (p, "01234567");
  int n_digits = 0;

  *group = 0;
  if (character || n_octal >= 3)
    return p + MIN (n_octal, 3);
  for (; n_digits < 2 && g_ascii_isdigit (p[n_digits]); n_digits++)
    *group = *group * 10 + g_ascii_digit_value (p[n_digits]);
  return p + n_digits;
}

/* Whether every group that is referred to is there: GRegex takes a missing one
 * for an empty one. The template was found to be well-formed. */
static gboolean
has_groups (GRegex *regex, const char *template)
{
  for (const char *p = template; (p = strchr (p, '\\')) != NULL;)
    {
      int group = 0;

      p++;
      if (g_ascii_isdigit (*p))
        {
          p = read_group_number (p, &group);
        }
      else if (*p == 'g')
        {
          const char *end = strchr (p, '>');
          g_autofree char *name = g_strndup (p + 2, (gsize) (end - p - 2));

          group = g_ascii_isdigit (*name) ? (int) MIN (g_ascii_strtoull (name, NULL, 10), G_MAXINT)
                                          : g_regex_get_string_number (regex, name);
          p = end + 1;
        }
      else
        {
          p++;
        }
      if (group < 0 || group > g_regex_get_capture_count (regex))
        return FALSE;
    }
  return TRUE;
}

/* The error is one of GRegex, with the code %G_REGEX_ERROR_REPLACE; its message is shown
 * to nobody. */
static gboolean
set_template (LsobsRedactRule *self, GRegex *regex, const char *template, GError **error)
{
  g_autoptr (GRegex) nothing = g_regex_new ("", 0, 0, NULL);
  g_autoptr (GMatchInfo) info = NULL;
  g_autofree char *expanded = NULL;
  gboolean has_references;

  if (!g_utf8_validate (template, -1, NULL) ||
      !g_regex_check_replacement (template, &has_references, NULL) || !has_groups (regex, template))
    {
      g_set_error_literal (error, G_REGEX_ERROR, G_REGEX_ERROR_REPLACE, "bad replacement");
      return FALSE;
    }

  /* What it gives with all groups empty: escapes can make what is no character. */
  g_regex_match (nothing, "", 0, &info);
  expanded = g_match_info_expand_references (info, template, NULL);
  if (expanded == NULL || !g_utf8_validate (expanded, -1, NULL))
    {
      g_set_error_literal (error, G_REGEX_ERROR, G_REGEX_ERROR_REPLACE, "bad replacement");
      return FALSE;
    }

  if (has_references)
    {
      self->template = g_strdup (template);
      return TRUE;
    }
  g_free (self->replacement);
  self->replacement = g_steal_pointer (&expanded);
  self->replacement_len = strlen (self->replacement);
  return TRUE;
}

/* @replacement: (nullable): "[REDACTED]". The error is GRegex's, or one like it. */
LsobsRedactRule *
_lsobs_redact_rule_new (const char *pattern,
                        const char *replacement,
                        LsobsReplacementKind kind,
                        GError **error)
{
  g_autoptr (GRegex) plain = NULL;
  g_autoptr (LsobsRedactRule) self =
      alloc_rule (kind == LSOBS_REPLACEMENT_LITERAL ? replacement : NULL);

  /* GRegex has PCRE take it on trust. */
  if (!g_utf8_validate (pattern, -1, NULL))
    {
      g_set_error_literal (error, G_REGEX_ERROR, G_REGEX_ERROR_COMPILE, "not UTF-8");
      return NULL;
    }

  /* First without the limit, so that the offsets in an error message are those
   * of the user's pattern. */
  plain = g_regex_new (pattern, 0, 0, error);
  if (plain == NULL || !set_pattern (self, pattern, 0, 0, error))
    return NULL;
  if (kind == LSOBS_REPLACEMENT_TEMPLATE && replacement != NULL &&
      !set_template (self, plain, replacement, error))
    return NULL;

  return g_steal_pointer (&self);
}

/* For a pattern of ours, which takes at most quadratic time: little in a short text; in a
 * long one, the time is estimated. */
LsobsRedactRule *
_lsobs_redact_rule_new_known (const char *pattern, const char *replacement)
{
  g_autoptr (GError) error = NULL;
  LsobsRedactRule *self = alloc_rule (replacement);

  self->measured = FALSE;
  set_pattern (self, pattern, 0, 0, &error);
  g_assert_no_error (error);
  return self;
}

/* Takes pattern and flags, not the regex itself: the limits must be compiled in,
 * and who made it may still be matching with it. Should that fail, everything
 * is redacted. */
LsobsRedactRule *
_lsobs_redact_rule_new_for_regex (GRegex *regex)
{
  LsobsRedactRule *self = alloc_rule (NULL);

  set_pattern (self, g_regex_get_pattern (regex), g_regex_get_compile_flags (regex),
               g_regex_get_match_flags (regex), NULL);
  return self;
}

void
_lsobs_redact_rule_free (LsobsRedactRule *self)
{
  g_clear_pointer (&self->search, g_regex_unref);
  g_clear_pointer (&self->short_search, g_regex_unref);
  g_clear_pointer (&self->sample, g_regex_unref);
  g_clear_pointer (&self->whole_sample, g_regex_unref);
  g_free (self->replacement);
  g_free (self->template);
  g_free (self);
}

/* The end of a piece of text of at most @max bytes from @position on. */
static gsize
piece_end (const char *text, gsize len, gsize position, gsize max)
{
  gsize end = position + max;

  if (len - position <= max)
    return len;

  while (_lsobs_utf8_is_continuation (text[end]))
    end--;

  return end;
}

/* What the attempt at @position costs that has gone beyond the limit of a sample. */
static gint64
limit_cost (const LsobsRedactRule *self, const char *text, gsize len, gsize position)
{
  if (self->whole_sample == NULL)
    return SAMPLE_LIMIT_COST;
  return g_regex_match_full (self->whole_sample, text, (gssize) len, (gint) position,
                             G_REGEX_MATCH_NOTEMPTY, NULL, NULL)
             ? SAMPLE_LIMIT_COST
             : FAILED_LIMIT_COST;
}

/* What the attempt at @position costs beyond what any attempt may. */
static gint64
sample_cost (const LsobsRedactRule *self,
             const char *text,
             gsize len,
             gsize position,
             gint64 enough)
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
        return g_match_info_get_match_count (info) == 0
                   ? cost
                   : cost + limit_cost (self, text, len, position);

      if (cost >= enough)
        return cost;
    }
}

/* The hash decides where samples are taken. It covers each byte of the text, so that any
 * change of the text, made to avoid the samples, moves them. */
static guint32
hash_text (const char *text, gsize len)
{
  guint64 hash = len;

  for (; len >= 8; text += 8, len -= 8)
    {
      guint64 bytes;

      memcpy (&bytes, text, sizeof bytes);
      hash = (hash ^ bytes) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
      hash ^= hash >> 32;
    }
  for (; len > 0; text++, len--)
    hash = hash * 31 + (guchar) *text;
  return (guint32) (hash ^ hash >> 32);
}

/* Whether searching the text takes about linear time. */
static gboolean
is_affordable (const LsobsRedactRule *self, const char *text, gsize len)
{
  gint64 budget = (BUDGET_BASE + BUDGET_PER_BYTE * (gint64) len) / SAMPLE_DISTANCE;
  guint32 random = hash_text (text, len);

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

/* Finds what is to be found in a window of a text. */
static void
search_window (const LsobsRedactRule *self, const char *text, gsize start, gsize end)
{
  g_autoptr (GMatchInfo) info = NULL;

  g_regex_match_full (self->short_search, text, (gssize) end, (gint) start, G_REGEX_MATCH_NOTEMPTY,
                      &info, NULL);
  while (g_match_info_matches (info))
    g_match_info_next (info, NULL);
}

/* Whether the record has the time left that searching the text takes. */
static gboolean
is_in_time (const LsobsRedactRule *self, LsobsRedactBudget *budget, const char *text, gsize len)
{
  const gsize distance = WINDOW_LEN * WINDOW_FACTOR;
  guint factor = (guint) MIN ((len + WINDOW_LEN - 1) / WINDOW_LEN, WINDOW_FACTOR);
  guint32 random = hash_text (text, len);

  for (gsize start = 0; start < len; start += distance)
    {
      gsize room = MIN (distance, len - start);
      gsize position = start;

      random = random * 1664525 + 1013904223;
      if (room > WINDOW_LEN)
        position += (random >> 16) % (room - WINDOW_LEN);
      while (_lsobs_utf8_is_continuation (text[position]))
        position--;
      search_window (self, text, position, piece_end (text, len, position, WINDOW_LEN));
      if (!_lsobs_redact_budget_can_take (budget, factor))
        return FALSE;
    }
  return TRUE;
}

static gboolean
append_replacement (const LsobsRedactRule *self, GMatchInfo *info, LsobsBuffer *out)
{
  g_autofree char *expanded = NULL;

  if (self->template == NULL)
    {
      _lsobs_buffer_append (out, self->replacement, self->replacement_len);
      return TRUE;
    }

  /* A group may hold a part of a character, when the pattern matches bytes. */
  expanded = g_match_info_expand_references (info, self->template, NULL);
  if (expanded == NULL || !g_utf8_validate (expanded, -1, NULL))
    return FALSE;

  _lsobs_buffer_append_str (out, expanded);
  return TRUE;
}

/* Replaces the matches. @copied: how much of the text is in @out, redacted.
 * FALSE: the pattern gave up, or what it matched makes no sense. */
static gboolean
replace_matches (const LsobsRedactRule *self,
                 LsobsRedactBudget *budget,
                 const char *text,
                 gsize len,
                 LsobsBuffer *out,
                 gsize *copied)
{
  GRegex *regex =
      len <= MAX_UNSAMPLED && self->short_search != NULL ? self->short_search : self->search;
  g_autoptr (GMatchInfo) info = NULL;

  g_regex_match_full (regex, text, (gssize) len, 0, G_REGEX_MATCH_NOTEMPTY, &info, NULL);
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

      if (self->measured && !_lsobs_redact_budget_go_on (budget, end - *copied))
        return FALSE;

      if (end > start)
        {
          _lsobs_buffer_append (out, text + *copied, start - *copied);
          if (!append_replacement (self, info, out))
            return FALSE;
          *copied = end;
        }

      g_match_info_next (info, NULL);
    }

  return g_match_info_get_match_count (info) == 0;
}

static gboolean
redact_guarded (const LsobsRedactRule *self,
                LsobsRedactBudget *budget,
                const char *text,
                gsize len,
                LsobsBuffer *out,
                gsize *copied)
{
  if (len > MAX_UNSAMPLED && !self->linear && !self->anchored)
    {
      if (self->measured && !is_in_time (self, budget, text, len))
        return FALSE;
      if (!is_affordable (self, text, len))
        return FALSE;
    }
  return replace_matches (self, budget, text, len, out, copied);
}

static gboolean
redact (const LsobsRedactRule *self,
        LsobsRedactBudget *budget,
        const char *text,
        gsize len,
        LsobsBuffer *out,
        gsize *copied)
{
  gboolean is_done;

  /* GRegex counts in int. */
  if (self->search == NULL || len > G_MAXINT)
    return FALSE;
  if (!self->measured)
    return redact_guarded (self, budget, text, len, out, copied);

  if (!_lsobs_redact_budget_begin (budget, len))
    return FALSE;
  is_done = redact_guarded (self, budget, text, len, out, copied);
  _lsobs_redact_budget_end (budget);
  return is_done;
}

/* Appends @text, which is valid UTF-8, to @out with its matches replaced. What is
 * put in their place is not searched again. Matches of nothing are left alone. */
LsobsRedactResult
_lsobs_redact_rule_apply (const LsobsRedactRule *self,
                          LsobsRedactBudget *budget,
                          const char *text,
                          gsize len,
                          LsobsBuffer *out)
{
  gsize out_start = out->len;
  gsize copied = 0;

  if (len == 0)
    return LSOBS_REDACT_UNCHANGED;

  if (!redact (self, budget, text, len, out, &copied))
    {
      _lsobs_buffer_truncate (out, out_start);
      _lsobs_buffer_append (out, self->replacement, self->replacement_len);
      return LSOBS_REDACT_FAILED;
    }

  if (copied == 0)
    return LSOBS_REDACT_UNCHANGED;

  _lsobs_buffer_append (out, text + copied, len - copied);
  return LSOBS_REDACT_CHANGED;
}
