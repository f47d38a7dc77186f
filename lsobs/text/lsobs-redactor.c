/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdatomic.h>

#include "lsobs/text/lsobs-redactor-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"

/* Names of members that are longer are folded on the heap. */
#define SHORT_KEY 128

/* So many combining marks in a row are put into order, as in Unicode's stream-safe text. */
#define MAX_MARKS 30

struct _LsobsRedactor
{
  gatomicrefcount ref_count;

  GPtrArray *rules; /* (owned) (element-type LsobsRedactRule) in their order */
  gboolean secrets; /* the preset follows them */
  GHashTable *keys; /* (owned) (nullable) (element-type utf8) folded names */
  gsize max_chars;  /* the most that any of them has */
  _Atomic guint64 n_failures;
  _Atomic guint64 n_taken;
};

LsobsRedactor *
_lsobs_redactor_new_empty (void)
{
  LsobsRedactor *self = g_new0 (LsobsRedactor, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->rules = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_redact_rule_free);
  return self;
}

/* With one rule. @replacement is taken literally; %NULL: "[REDACTED]". The error
 * is GRegex's. */
LsobsRedactor *
_lsobs_redactor_new (const char *pattern, const char *replacement, GError **error)
{
  LsobsRedactRule *rule =
      _lsobs_redact_rule_new (pattern, replacement, LSOBS_REPLACEMENT_LITERAL, error);
  LsobsRedactor *self;

  if (rule == NULL)
    return NULL;

  self = _lsobs_redactor_new_empty ();
  _lsobs_redactor_take_rule (self, rule);
  return self;
}

LsobsRedactor *
_lsobs_redactor_new_for_regex (GRegex *regex)
{
  LsobsRedactor *self = _lsobs_redactor_new_empty ();

  _lsobs_redactor_take_rule (self, _lsobs_redact_rule_new_for_regex (regex));
  return self;
}

/* Takes @rule over. */
void
_lsobs_redactor_take_rule (LsobsRedactor *self, LsobsRedactRule *rule)
{
  g_ptr_array_add (self->rules, rule);
}

void
_lsobs_redactor_add_secrets (LsobsRedactor *self)
{
  _lsobs_secret_rules_get (0);
  self->secrets = TRUE;
}

/* Whether it leaves everything as it is. */
gboolean
_lsobs_redactor_is_empty (LsobsRedactor *self)
{
  return self->rules->len == 0 && !self->secrets && self->keys == NULL;
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

  g_ptr_array_unref (self->rules);
  g_clear_pointer (&self->keys, g_hash_table_unref);
  g_free (self);
}

/* Failures */

void
_lsobs_redactor_count_failure (LsobsRedactor *self)
{
  atomic_fetch_add_explicit (&self->n_failures, 1, memory_order_relaxed);
}

/* How many texts were replaced as a whole because a pattern gave up. */
guint64
_lsobs_redactor_get_n_failures (LsobsRedactor *self)
{
  return atomic_load_explicit (&self->n_failures, memory_order_relaxed);
}

/* Those that nobody has taken yet. With several takers at once a single answer
 * may be wrong, even negative; their sum is right. */
guint64
_lsobs_redactor_take_failures (LsobsRedactor *self)
{
  guint64 n = _lsobs_redactor_get_n_failures (self);

  return n - atomic_exchange_explicit (&self->n_taken, n, memory_order_relaxed);
}

/* Texts */

/* A text on its way through the rules. */
typedef struct
{
  LsobsRedactor *redactor;
  LsobsRedactBudget *budget;
  const char *text; /* as it is now: what was given, or in @current */
  gsize len;
  LsobsBuffer current;
  LsobsBuffer next;
} Passage;

static void
pad (LsobsBuffer *buffer)
{
  memset (_lsobs_buffer_reserve (buffer, LSOBS_REDACT_PADDING), 0, LSOBS_REDACT_PADDING);
}

/* %FALSE: the rule gave up; what is left needs no further one. */
static gboolean
pass_rule (Passage *passage, const LsobsRedactRule *rule)
{
  LsobsBuffer swapped;
  LsobsRedactResult result;

  _lsobs_buffer_truncate (&passage->next, 0);
  result =
      _lsobs_redact_rule_apply (rule, passage->budget, passage->text, passage->len, &passage->next);
  if (result == LSOBS_REDACT_UNCHANGED)
    return TRUE;

  pad (&passage->next);
  swapped = passage->current;
  passage->current = passage->next;
  passage->next = swapped;
  passage->text = passage->current.data;
  passage->len = passage->current.len;
  if (result == LSOBS_REDACT_CHANGED)
    return TRUE;

  _lsobs_redactor_count_failure (passage->redactor);
  return FALSE;
}

static void
pass_rules (Passage *passage)
{
  GPtrArray *rules = passage->redactor->rules;
  guint32 secrets;

  for (guint i = 0; i < rules->len; i++)
    if (!pass_rule (passage, g_ptr_array_index (rules, i)))
      return;

  if (!passage->redactor->secrets)
    return;

  /* What the preset puts in makes no new secrets: one look will do. */
  secrets = _lsobs_secret_rules_scan (passage->text, passage->len);
  for (guint i = 0; secrets != 0; i++, secrets >>= 1)
    if ((secrets & 1) != 0 && !pass_rule (passage, _lsobs_secret_rules_get (i)))
      return;
}

/* @text is valid UTF-8, and padded. %TRUE: the text is another now, and was appended to
 * @out; %FALSE: nothing was. When a pattern gives up, the whole text is replaced,
 * and counted.
 * @budget: (nullable): of the record that the text belongs to, %NULL if it stands alone */
gboolean
_lsobs_redactor_apply (LsobsRedactor *self,
                       LsobsRedactBudget *budget,
                       const char *text,
                       gsize len,
                       LsobsBuffer *out)
{
  LsobsRedactBudget own_budget = LSOBS_REDACT_BUDGET_INIT;
  Passage passage = {
    self, budget != NULL ? budget : &own_budget, text, len, LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT,
  };
  gboolean changed;

  pass_rules (&passage);
  changed = passage.text != text;
  if (changed)
    _lsobs_buffer_append (out, passage.text, passage.len);

  _lsobs_buffer_clear (&passage.current);
  _lsobs_buffer_clear (&passage.next);
  return changed;
}

/* For text that leaves the process in other ways than in a payload, such as the
 * headers of a request: the same as for a string in a payload, but not cut.
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

/* Sorts the marks at the end of @chars, from @first on, by their combining classes. If there
 * are more than any language uses, they are not sorted: that would take quadratic time. */
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

/* As g_utf8_normalize() does with %G_NORMALIZE_ALL, but in linear time.
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

/* Returns: (transfer full): what is the same for names that count as one */
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

/* @name is valid UTF-8. */
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

/* Whether the value of a member of this name, valid UTF-8 without U+0000, is not to
 * be seen. */
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

  /* Folding makes no name shorter. A character has at most four bytes. */
  if (len / 4 > self->max_chars || (gsize) g_utf8_strlen (key, (gssize) len) > self->max_chars)
    return FALSE;

  folded = fold_name (key, len);
  return g_hash_table_contains (self->keys, folded);
}
