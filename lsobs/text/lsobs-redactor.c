/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-redactor-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"

/* Longer names are folded in a buffer on the heap. */
#define SHORT_KEY 128

/* Up to this number, combining marks in a row are sorted. It is the limit of Unicode's
 * stream-safe text format. */
#define MAX_MARKS 30

struct _LsobsRedactor
{
  GPtrArray *rules; /* (owned) (element-type LsobsRedactRule) in the order of their use */
  gboolean secrets; /* apply the rules for secrets after the others */
  GHashTable *keys; /* (owned) (nullable) (element-type utf8) folded names of members */
  gsize max_chars;  /* the number of characters of the longest key */
  gsize n_failures; /* atomic */
};

LsobsRedactor *
_lsobs_redactor_new (void)
{
  LsobsRedactor *self = g_new0 (LsobsRedactor, 1);

  self->rules = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_redact_rule_free);
  return self;
}

LsobsRedactor *
_lsobs_redactor_new_for_regex (GRegex *regex)
{
  LsobsRedactor *self = _lsobs_redactor_new ();

  _lsobs_redactor_take_rule (self, _lsobs_redact_rule_new_for_regex (regex));
  return self;
}

/* @rule: (transfer full) */
void
_lsobs_redactor_take_rule (LsobsRedactor *self, LsobsRedactRule *rule)
{
  g_ptr_array_add (self->rules, rule);
}

void
_lsobs_redactor_add_secrets (LsobsRedactor *self)
{
  /* Compile the rules for secrets now, not with the first text. */
  _lsobs_secret_rules_get (0);
  self->secrets = TRUE;
}

/* Whether @self changes no text at all. */
gboolean
_lsobs_redactor_is_empty (LsobsRedactor *self)
{
  return self->rules->len == 0 && !self->secrets && self->keys == NULL;
}

void
_lsobs_redactor_free (LsobsRedactor *self)
{
  g_ptr_array_unref (self->rules);
  g_clear_pointer (&self->keys, g_hash_table_unref);
  g_free (self);
}

/* Failures */

void
_lsobs_redactor_count_failure (LsobsRedactor *self)
{
  g_atomic_pointer_add (&self->n_failures, 1);
}

/* Returns: the number of texts that were replaced as a whole, since the last call, because a
 *   pattern gave up */
gsize
_lsobs_redactor_take_failures (LsobsRedactor *self)
{
  gsize n;

  do
    n = (gsize) g_atomic_pointer_get (&self->n_failures);
  while (n > 0 && !g_atomic_pointer_compare_and_exchange (&self->n_failures, n, 0));
  return n;
}

/* Texts */

/* A text, and what the rules so far have made of it. */
typedef struct
{
  LsobsRedactor *redactor;
  LsobsRedactBudget *budget;
  const char *text; /* (unowned) the original text, or the bytes of @current */
  gsize len;
  LsobsBuffer current;
  LsobsBuffer next;
} RedactState;

static void
pad (LsobsBuffer *buffer)
{
  memset (_lsobs_buffer_reserve (buffer, LSOBS_REDACT_PADDING), 0, LSOBS_REDACT_PADDING);
}

/* Returns: FALSE if the rule gave up: nothing of the text is left for further rules */
static gboolean
pass_rule (RedactState *state, const LsobsRedactRule *rule)
{
  LsobsBuffer swapped;
  LsobsRedactResult result;

  _lsobs_buffer_truncate (&state->next, 0);
  result = _lsobs_redact_rule_apply (rule, state->budget, state->text, state->len, &state->next);
  if (result == LSOBS_REDACT_UNCHANGED)
    return TRUE;

  pad (&state->next);
  swapped = state->current;
  state->current = state->next;
  state->next = swapped;
  state->text = state->current.data;
  state->len = state->current.len;
  if (result == LSOBS_REDACT_CHANGED)
    return TRUE;

  _lsobs_redactor_count_failure (state->redactor);
  return FALSE;
}

static void
pass_rules (RedactState *state)
{
  GPtrArray *rules = state->redactor->rules;
  guint32 secrets;

  for (guint i = 0; i < rules->len; i++)
    if (!pass_rule (state, g_ptr_array_index (rules, i)))
      return;

  if (!state->redactor->secrets)
    return;

  /* The replacements of these rules contain no secrets: one scan is enough. */
  secrets = _lsobs_secret_rules_scan (state->text, state->len);
  for (guint i = 0; secrets != 0; i++, secrets >>= 1)
    if ((secrets & 1) != 0 && !pass_rule (state, _lsobs_secret_rules_get (i)))
      return;
}

/* Appends a redacted copy of a text, unless redaction does not change it. If a pattern gives
 * up, the whole text is replaced, and a failure is counted.
 * @budget: (nullable): the budget of the record that the text belongs to; NULL: a budget for
 *   this text alone
 * @text: valid UTF-8, followed by LSOBS_REDACT_PADDING bytes that may be read
 * Returns: FALSE if nothing was appended */
gboolean
_lsobs_redactor_apply (LsobsRedactor *self,
                       LsobsRedactBudget *budget,
                       const char *text,
                       gsize len,
                       LsobsBuffer *out)
{
  LsobsRedactBudget own_budget = LSOBS_REDACT_BUDGET_INIT;
  RedactState state = {
    self, budget != NULL ? budget : &own_budget, text, len, LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT,
  };
  gboolean changed;

  pass_rules (&state);
  changed = state.text != text;
  if (changed)
    _lsobs_buffer_append (out, state.text, state.len);

  _lsobs_buffer_clear (&state.current);
  _lsobs_buffer_clear (&state.next);
  return changed;
}

/* Redacts text that leaves the process in other ways than in a payload, such as in the headers
 * of a request.
 * @self: (nullable)
 * Returns: (transfer full): valid UTF-8 */
char *
_lsobs_redactor_apply_text (LsobsRedactor *self, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_auto (LsobsBuffer) padded = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  if (self == NULL)
    return g_steal_pointer (&valid);

  _lsobs_buffer_append_str (&padded, valid);
  pad (&padded);
  if (!_lsobs_redactor_apply (self, NULL, padded.data, padded.len, &out))
    return g_steal_pointer (&valid);

  return g_strndup (out.len > 0 ? out.data : "", out.len);
}

/* Names of members */

static void
fold_ascii (char *p)
{
  for (; *p != '\0'; p++)
    *p = *p == '-' ? '_' : g_ascii_tolower (*p);
}

/* Sorts the marks from @first up to the end of @chars by their combining classes. More marks
 * than any language uses are not sorted, as that takes quadratic time. */
static void
order_marks (GArray *chars, guint first)
{
  gunichar *marks = &g_array_index (chars, gunichar, 0);

  if (chars->len - first > MAX_MARKS)
    return;
  for (guint i = first + 1; i < chars->len; i++)
    for (guint j = i; j > first; j--)
      {
        gunichar mark = marks[j];

        if (g_unichar_combining_class (marks[j - 1]) <= g_unichar_combining_class (mark))
          break;
        marks[j] = marks[j - 1];
        marks[j - 1] = mark;
      }
}

/* Does the same as g_utf8_normalize() with %G_NORMALIZE_ALL, but in linear time.
 * Returns: (transfer full) */
static char *
decompose (const char *text)
{
  g_autoptr (GArray) chars = g_array_sized_new (FALSE, FALSE, sizeof (gunichar), 64);
  guint first_mark = 0;

  for (; *text != '\0'; text = g_utf8_next_char (text))
    {
      gunichar parts[G_UNICHAR_MAX_DECOMPOSITION_LENGTH];
      gsize n_parts =
          g_unichar_fully_decompose (g_utf8_get_char (text), TRUE, parts, G_N_ELEMENTS (parts));

      for (gsize i = 0; i < n_parts; i++)
        {
          gboolean is_mark = g_unichar_combining_class (parts[i]) != 0;

          if (!is_mark)
            order_marks (chars, first_mark);
          g_array_append_val (chars, parts[i]);
          if (!is_mark)
            first_mark = chars->len;
        }
    }
  order_marks (chars, first_mark);
  return g_ucs4_to_utf8 (&g_array_index (chars, gunichar, 0), chars->len, NULL, NULL, NULL);
}

/* Returns: (transfer full): the form in which names are compared: without case, and with _ for
 *   - */
static char *
fold_name (const char *name, gsize len)
{
  g_autofree char *folded = g_utf8_casefold (name, (gssize) len);
  char *normal = decompose (folded);

  if (normal == NULL)
    normal = g_steal_pointer (&folded);
  fold_ascii (normal);
  return normal;
}

/* @name: valid UTF-8 */
void
_lsobs_redactor_add_key (LsobsRedactor *self, const char *name)
{
  char *folded = fold_name (name, strlen (name));

  if (self->keys == NULL)
    self->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->max_chars = MAX (self->max_chars, (gsize) g_utf8_strlen (folded, -1));
  g_hash_table_add (self->keys, folded);
}

gboolean
_lsobs_redactor_has_keys (LsobsRedactor *self)
{
  return self->keys != NULL;
}

/* Whether the value of a member is hidden.
 * @key: the name of the member: valid UTF-8 without U+0000 */
gboolean
_lsobs_redactor_hides_key (LsobsRedactor *self, const char *key, gsize len)
{
  g_autofree char *folded = NULL;
  char copy[SHORT_KEY + 1];

  if (self->keys == NULL)
    return FALSE;

  if (len <= SHORT_KEY)
    {
      gboolean ascii = TRUE;

      for (gsize i = 0; i < len; i++)
        {
          copy[i] = key[i];
          ascii = ascii && (guchar) key[i] < 0x80;
        }
      copy[len] = '\0';
      if (ascii)
        {
          fold_ascii (copy);
          return g_hash_table_contains (self->keys, copy);
        }
    }

  /* Folding makes no name shorter, and a character has at most four bytes: a longer name is not
   * among the keys. */
  if (len / 4 > self->max_chars || (gsize) g_utf8_strlen (key, (gssize) len) > self->max_chars)
    return FALSE;

  folded = fold_name (key, len);
  return g_hash_table_contains (self->keys, folded);
}
