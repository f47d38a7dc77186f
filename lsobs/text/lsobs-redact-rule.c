/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-pattern-private.h"
#include "lsobs/text/lsobs-redact-rule-private.h"

/* This file limits the time that any pattern takes on any text. Where a limit is exceeded, the
 * pattern gives up: the whole text is replaced.
 *
 * A pattern that takes linear time in any text (see lsobs-pattern.c) needs no limit. All other
 * patterns may take exponential time.
 *
 * PCRE limits the backtracking of one attempt to match (LIMIT_MATCH). It does not limit the
 * number of attempts, one at each position of the text, or the scanning of a repeated character:
 * a+$ on a text of a's with another letter behind them takes quadratic time. So the cost of a search in a long text is
 * estimated first. At sampled positions, an anchored copy of the pattern makes one attempt each,
 * on a short piece of the text. PCRE reports (partial matching) whether the attempt reached the
 * end of the piece. If so, the piece is doubled and the attempt repeated. An attempt that fails
 * after a long way represents all positions up to the next sample. An attempt that succeeds
 * costs nothing, as the search goes on after the match. If the estimated cost is more than
 * linear, the pattern gives up. This estimate does not depend on a clock.
 *
 * A short text is searched without an estimate, but with a lower limit for the backtracking. Many
 * short texts can still take long, and so can many attempts in a long text that are too short
 * for the estimate. So the budget of the record (see lsobs-redact-budget-private.h) measures the
 * time of its searches. Only some of the shortest are timed, and count for the others. If one of
 * these seems to be long, a check by the number of steps makes sure that it is the search which took
 * the time. When the budget is used up, the pattern gives up on each further text of the
 * record. A search cannot be interrupted: in a long text, small windows are searched first, and
 * if the rest of the budget is not enough for the whole text, the pattern gives up. */

/* Up to this length, even quadratic time is short. */
#define MAX_UNSAMPLED 512

#define SAMPLE_DISTANCE 512
#define SAMPLE_PIECE    64

/* To estimate the time of a search, one byte in WINDOW_FACTOR is searched. */
#define WINDOW_LEN    256
#define WINDOW_FACTOR 8

/* The limits of the backtracking of one attempt: in a long text, in a short text, and in a
 * sample. */
#define SEARCH_LIMIT       "(*LIMIT_MATCH=100000)"
#define SHORT_SEARCH_LIMIT "(*LIMIT_MATCH=10000)"
#define SAMPLE_LIMIT       "(*LIMIT_MATCH=2000)"

/* The same in the check of a short text, and the time of a step, without what is read in it. */
#define CHECK_STEPS 100
#define CHECK_LIMIT "(*LIMIT_MATCH=100)"
#define STEP_NS     2

/* The cost of an attempt that exceeds the limit of a sample: if it succeeds with the limit of a
 * search, and if it fails. */
#define SAMPLE_LIMIT_COST 2000
#define FAILED_LIMIT_COST 100000

/* The maximum cost of a text, as a number of bytes read. A byte takes a fraction of a
 * nanosecond. */
#define BUDGET_BASE     (1 << 22)
#define BUDGET_PER_BYTE 64

/* The maximum number of steps that a pattern of lsobs takes at each place: most of them are first
 * letters of words that are not there. */
#define MAX_KNOWN_STEPS 2000

struct _LsobsRedactRule
{
  GRegex *search;       /* (owned) (nullable) NULL: the pattern gives up on each text */
  GRegex *sample;       /* (owned) (nullable) the same, anchored */
  GRegex *short_search; /* (owned) (nullable) if measured: the same with the limit of short texts */
  GRegex *check;        /* (owned) (nullable) if measured: the same with the limit of a check */
  GRegex *whole_sample; /* (owned) (nullable) if measured: a sample with the limit of a search */
  char *replacement;    /* (owned) of a match, or of a text on which the pattern gives up */
  gsize replacement_len;
  char *template;    /* (owned) (nullable) used instead of @replacement for a match */
  gboolean linear;   /* needs no limits: @search is the only regex */
  gboolean measured; /* the time of searches counts against the budget */
  gboolean anchored; /* a match can only begin at the start of the text: no samples */
  gboolean by_line;  /* PCRE makes an attempt only at the beginning of a line */
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

  /* At the first match with a set of flags, GRegex compiles the pattern to machine code, without
   * a lock. Do that now, before other threads use the regex. */
  if (regex != NULL)
    {
      g_regex_match_full (regex, "", 0, 0, G_REGEX_MATCH_NOTEMPTY, NULL, NULL);
      g_regex_match_full (regex, "", 0, 0, G_REGEX_MATCH_NOTEMPTY | G_REGEX_MATCH_PARTIAL_HARD,
                          NULL, NULL);
    }

  return g_steal_pointer (&regex);
}

/* Whether PCRE makes an attempt only at the beginning of a line. It does so if the pattern begins
 * with .* and no reference needs that part. This function returns FALSE in case of doubt. */
static gboolean
begins_with_dot_star (const char *pattern)
{
  if (strchr (pattern, '|') != NULL || strstr (pattern, "(*") != NULL ||
      strstr (pattern, "(?P") != NULL)
    return FALSE;

  for (const char *p = pattern; (p = strchr (p, '\\')) != NULL && p[1] != '\0'; p += 2)
    if (g_ascii_isdigit (p[1]) || p[1] == 'g' || p[1] == 'k')
      return FALSE;

  /* Only options may precede it. A group may be optional. */
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
  self->check = compile (CHECK_LIMIT, pattern, compile_flags, match_flags, error);
  if (self->check == NULL)
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
  g_autofree char *quick = NULL;
  gsize skip;

  match_flags &= ~(G_REGEX_MATCH_PARTIAL_SOFT | G_REGEX_MATCH_PARTIAL_HARD);

  self->linear =
      _lsobs_pattern_is_linear (pattern, compile_flags, match_flags,
                                self->measured ? LSOBS_PATTERN_MAX_STEPS : MAX_KNOWN_STEPS, &skip);
  /* All that is compiled has the verb in it. */
  if (skip > 0)
    pattern = quick = g_strdup_printf ("%.*s(*SKIP)%s", (int) skip, pattern, pattern + skip);
  self->measured = self->measured && !self->linear;
  if (!self->linear && !set_guards (self, pattern, compile_flags, match_flags, error))
    return FALSE;

  self->search =
      compile (self->linear ? "" : SEARCH_LIMIT, pattern, compile_flags, match_flags, error);
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

/* Reads the number at @p as g_regex_replace() does: one or two digits are the number of a group;
 * three octal digits, or digits after a zero, are the code of a character.
 * @group: (out): the number of the group; 0: a character, or the whole match
 * Returns: the first character after the number */
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

/* Whether @regex has all groups to which @template refers. GRegex treats a missing group as an
 * empty one.
 * @template: a valid template */
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

/* @error: its code is %G_REGEX_ERROR_REPLACE. The message is not shown to users. */
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

  /* Expand the template with empty groups: escapes may be invalid UTF-8. */
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

/* @replacement: (nullable): NULL: "[REDACTED]"
 * @error: of the domain %G_REGEX_ERROR */
LsobsRedactRule *
_lsobs_redact_rule_new (const char *pattern,
                        const char *replacement,
                        LsobsReplacementKind kind,
                        GError **error)
{
  g_autoptr (GRegex) plain = NULL;
  g_autoptr (LsobsRedactRule) self =
      alloc_rule (kind == LSOBS_REPLACEMENT_LITERAL ? replacement : NULL);

  /* GRegex does not check this. */
  if (!g_utf8_validate (pattern, -1, NULL))
    {
      g_set_error_literal (error, G_REGEX_ERROR, G_REGEX_ERROR_COMPILE, "not UTF-8");
      return NULL;
    }

  /* Compile it first without the limit: an error message contains an offset in the pattern. */
  plain = g_regex_new (pattern, 0, 0, error);
  if (plain == NULL || !set_pattern (self, pattern, 0, 0, error))
    return NULL;
  if (kind == LSOBS_REPLACEMENT_TEMPLATE && replacement != NULL &&
      !set_template (self, plain, replacement, error))
    return NULL;

  return g_steal_pointer (&self);
}

/* Makes a rule with a pattern of lsobs. Such a pattern takes at most quadratic time, so its
 * searches are not measured: in long texts the estimate is enough. */
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

/* Makes a rule with the pattern and flags of @regex. @regex itself is not used: it has no limits,
 * and another thread may use it. If the pattern cannot be compiled with limits, the rule
 * replaces each text as a whole. */
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
  g_clear_pointer (&self->check, g_regex_unref);
  g_clear_pointer (&self->sample, g_regex_unref);
  g_clear_pointer (&self->whole_sample, g_regex_unref);
  g_free (self->replacement);
  g_free (self->template);
  g_free (self);
}

/* Returns: the end of a piece that begins at @position and has at most @max bytes */
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

/* Returns: the cost of the attempt at @position, which exceeds the limit of a sample */
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

/* Returns: the cost of the attempt at @position; 0 if it is normal; @enough or more if the cost is
 *   at least that */
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

      /* Attempts in different lines do not overlap: together they read the text once. */
      if (self->by_line)
        cost /= SAMPLE_DISTANCE;

      /* At the end of the text the piece cannot be doubled. */
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

/* The hash determines the positions of samples. It depends on each byte of the text: a change
 * that is made to avoid the samples moves them. */
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

/* Whether the estimated cost of a search is about linear. */
static gboolean
is_affordable (const LsobsRedactRule *self, const char *text, gsize len)
{
  gint64 budget = (BUDGET_BASE + BUDGET_PER_BYTE * (gint64) len) / SAMPLE_DISTANCE;
  guint32 random = hash_text (text, len);

  for (gsize start = 0; start < len; start += SAMPLE_DISTANCE)
    {
      gsize position;

      /* The distance varies: with a fixed one, samples of a periodic text would be equal. The
       * positions are the same each time. */
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

/* Searches a window of a text, for its duration only. */
static void
search_window (const LsobsRedactRule *self, const char *text, gsize start, gsize end)
{
  g_autoptr (GMatchInfo) info = NULL;

  g_regex_match_full (self->short_search, text, (gssize) end, (gint) start, G_REGEX_MATCH_NOTEMPTY,
                      &info, NULL);
  while (g_match_info_matches (info))
    g_match_info_next (info, NULL);
}

/* Whether the rest of the budget is enough for a search of the text. */
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

  /* If the pattern matches bytes, a group may contain a part of a character. */
  expanded = g_match_info_expand_references (info, self->template, NULL);
  if (expanded == NULL || !g_utf8_validate (expanded, -1, NULL))
    return FALSE;

  _lsobs_buffer_append_str (out, expanded);
  return TRUE;
}

/* Appends the text up to the end of its last match, with replacements.
 * @copied: (inout): the number of bytes of the text that are in @out, redacted
 * Returns: FALSE if the pattern gives up, or if its matches are not valid */
static gboolean
replace_matches (const LsobsRedactRule *self,
                 LsobsRedactBudget *budget,
                 const char *text,
                 gsize len,
                 LsobsBuffer *out,
                 GArray **edits,
                 gsize *copied)
{
  gsize out_start = out->len;
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

      /* Raw patterns match bytes: extend the match to whole characters. With \K, a match may
       * begin before the end of the last one. */
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
          gsize new_start;

          _lsobs_buffer_append (out, text + *copied, start - *copied);
          new_start = out->len - out_start;
          if (!append_replacement (self, info, out))
            return FALSE;
          _lsobs_redact_edits_add (edits, start, end, new_start, out->len - out_start);
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
                GArray **edits,
                gsize *copied)
{
  if (len > MAX_UNSAMPLED && !self->linear && !self->anchored)
    {
      if (self->measured && !is_in_time (self, budget, text, len))
        return FALSE;
      if (!is_affordable (self, text, len))
        return FALSE;
    }
  return replace_matches (self, budget, text, len, out, edits, copied);
}

typedef struct
{
  const LsobsRedactRule *rule;
  const char *text;
  gsize len;
} Search;

/* A search that stays below the limit of a check at each place of its text has been short, whatever
 * the clock says. */
static gint64
get_max_ns (gpointer data)
{
  const Search *search = data;
  const gint64 len = (gint64) search->len;
  g_autoptr (GMatchInfo) info = NULL;

  g_regex_match_full (search->rule->check, search->text, (gssize) len, 0, G_REGEX_MATCH_NOTEMPTY,
                      &info, NULL);
  while (g_match_info_matches (info))
    g_match_info_next (info, NULL);
  if (g_match_info_get_match_count (info) < 0)
    return G_MAXINT64;

  /* In a step, the whole text may be read. */
  return len * CHECK_STEPS * (STEP_NS + len / 2);
}

static gboolean
redact (const LsobsRedactRule *self,
        LsobsRedactBudget *budget,
        const char *text,
        gsize len,
        LsobsBuffer *out,
        GArray **edits,
        gsize *copied)
{
  Search search = { self, text, len };
  gboolean is_done;

  /* The offsets of GRegex are of type int. */
  if (self->search == NULL || len > G_MAXINT)
    return FALSE;
  if (!self->measured)
    return redact_guarded (self, budget, text, len, out, edits, copied);

  if (!_lsobs_redact_budget_begin (budget, len))
    return FALSE;
  is_done = redact_guarded (self, budget, text, len, out, edits, copied);
  _lsobs_redact_budget_end (budget, get_max_ns, &search);
  return is_done;
}

/* Appends @text with replacements for its matches. Replacements are not searched again. Empty
 * matches are not replaced.
 * @text: valid UTF-8, followed by LSOBS_REDACT_PADDING bytes that may be read
 * @edits: (out) (nullable): what was replaced, NULL before; of a pattern that gave up: the whole
 *   text */
LsobsRedactResult
_lsobs_redact_rule_apply (const LsobsRedactRule *self,
                          LsobsRedactBudget *budget,
                          const char *text,
                          gsize len,
                          LsobsBuffer *out,
                          GArray **edits)
{
  gsize out_start = out->len;
  gsize copied = 0;

  if (len == 0)
    return LSOBS_REDACT_UNCHANGED;

  if (!redact (self, budget, text, len, out, edits, &copied))
    {
      g_clear_pointer (edits, g_array_unref);
      _lsobs_redact_edits_add (edits, 0, len, 0, self->replacement_len);
      _lsobs_buffer_truncate (out, out_start);
      _lsobs_buffer_append (out, self->replacement, self->replacement_len);
      return LSOBS_REDACT_FAILED;
    }

  if (copied == 0)
    return LSOBS_REDACT_UNCHANGED;

  _lsobs_buffer_append (out, text + copied, len - copied);
  return LSOBS_REDACT_CHANGED;
}
