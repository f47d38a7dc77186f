/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-redact-members-private.h"
#include "lsobs/text/lsobs-redactor-private.h"
#include "lsobs/text/lsobs-secret-name-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"

/* How many times the escapes of a text are taken off. A text that is escaped more often is hidden as a whole. */
#define MAX_VIEWS 8

struct _LsobsRedactor
{
  GPtrArray *rules;      /* (owned) (element-type LsobsRedactRule) in the order of their use */
  gboolean secrets;      /* apply the rules for secrets after the others */
  LsobsRedactKeys *keys; /* (owned) (nullable) names of members */
  gboolean pairs;        /* the names count as values of members called "name", too */
  gsize n_failures;      /* atomic */
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
  g_clear_pointer (&self->keys, _lsobs_redact_keys_free);
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

/* A text, and what has been made of it so far. */
typedef struct
{
  LsobsRedactor *redactor;
  LsobsRedactBudget *budget;
  const LsobsRedactView *view; /* (nullable) that the text is the text of */
  const char *text;            /* (unowned) the original text, or the bytes of @current */
  gsize len;
  LsobsBuffer current;
  LsobsBuffer next;
  GArray *edits; /* (owned) (nullable) from the original text to the current one */
} RedactState;

/* Changes a text. Returns: FALSE if nothing of it is left for further changes */
typedef gboolean (*RedactFunc) (RedactState *state);

static void
pad (LsobsBuffer *buffer)
{
  memset (_lsobs_buffer_reserve (buffer, LSOBS_REDACT_PADDING), 0, LSOBS_REDACT_PADDING);
}

static void
clear_state (RedactState *state)
{
  _lsobs_buffer_clear (&state->current);
  _lsobs_buffer_clear (&state->next);
  g_clear_pointer (&state->edits, g_array_unref);
}

/* Makes state->next the current text.
 * @edits: (transfer full) (nullable): what is different in it */
static void
take_next (RedactState *state, GArray *edits)
{
  LsobsBuffer swapped = state->current;

  pad (&state->next);
  state->current = state->next;
  state->next = swapped;
  state->text = state->current.data;
  state->len = state->current.len;
  _lsobs_redact_edits_follow (&state->edits, edits);
  _lsobs_buffer_truncate (&state->next, 0);
}

static gboolean
pass_rule (RedactState *state, const LsobsRedactRule *rule)
{
  GArray *edits = NULL;
  LsobsRedactResult result =
      _lsobs_redact_rule_apply (rule, state->budget, state->text, state->len, &state->next, &edits);

  if (result == LSOBS_REDACT_UNCHANGED)
    return TRUE;

  take_next (state, edits);
  if (result == LSOBS_REDACT_CHANGED)
    return TRUE;

  _lsobs_redactor_count_failure (state->redactor);
  return FALSE;
}

static gboolean
pass_rules (RedactState *state)
{
  GPtrArray *rules = state->redactor->rules;
  guint32 secrets;

  for (guint i = 0; i < rules->len; i++)
    if (!pass_rule (state, g_ptr_array_index (rules, i)))
      return FALSE;

  if (!state->redactor->secrets)
    return TRUE;

  /* The replacements of these rules contain no secrets: one scan is enough. */
  secrets = _lsobs_secret_rules_scan (state->text, state->len);
  for (guint i = 0; secrets != 0; i++, secrets >>= 1)
    if ((secrets & 1) != 0 && !pass_rule (state, _lsobs_secret_rules_get (i)))
      return FALSE;
  return TRUE;
}

static gboolean
pass_keys (RedactState *state)
{
  GArray *edits = NULL;

  if (_lsobs_redact_members_hide (state->redactor->keys, state->redactor->pairs, state->view,
                                  state->text, state->len, &state->next, &edits))
    take_next (state, edits);
  return TRUE;
}

/* Replaces the whole text. */
static void
give_up (RedactState *state)
{
  GArray *edits = NULL;

  _lsobs_buffer_append_str (&state->next, LSOBS_REDACTED);
  _lsobs_redact_edits_add (&edits, 0, state->len, 0, strlen (LSOBS_REDACTED));
  take_next (state, edits);
  _lsobs_redactor_count_failure (state->redactor);
}

/* The views of a text that are open: of the text, of the first view and so on. */
typedef struct
{
  LsobsRedactView views[MAX_VIEWS + 1];
  gboolean has_escapes[MAX_VIEWS + 1]; /* otherwise there is nothing to see in a view */
  guint n;                             /* how many of them are valid */
} OpenViews;

/* @depth: how many views the text is behind the one that is sent
 * Returns: (nullable): the view of the text of @state; NULL if there is nothing to see in it */
static const LsobsRedactView *
open_view (OpenViews *open, const RedactState *state, guint depth)
{
  LsobsRedactView *view = &open->views[depth];

  if (depth >= open->n || state->edits != NULL)
    {
      _lsobs_redact_view_clear (view);
      open->has_escapes[depth] =
          _lsobs_redact_view_open (view, state->text, state->len, state->edits);
      open->n = depth + 1;
    }
  return open->has_escapes[depth] ? view : NULL;
}

/* Changes a text, then its view, then the view of that, until no escapes are left. */
static gboolean
pass_views (RedactState *state, RedactFunc func, OpenViews *open, guint depth)
{
  const LsobsRedactView *view;
  RedactState inner = { state->redactor,   state->budget,     NULL, NULL, 0,
                        LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT, NULL };
  GArray *edits = NULL;
  gboolean goes_on;

  if (!func (state))
    return FALSE;
  view = open_view (open, state, depth);
  if (view == NULL)
    return TRUE;
  if (depth == MAX_VIEWS)
    {
      give_up (state);
      return FALSE;
    }

  inner.view = view;
  inner.text = view->text.data;
  inner.len = view->text.len;
  goes_on = pass_views (&inner, func, open, depth + 1);
  if (inner.edits != NULL)
    {
      _lsobs_redact_view_write (view, inner.edits, inner.text, state->text, state->len,
                                &state->next, &edits);
      take_next (state, edits);
    }
  clear_state (&inner);
  return goes_on;
}

/* Not inlined: a text without escapes needs no room for views. */
static G_GNUC_NO_INLINE void
pass_all (RedactState *state)
{
  LsobsRedactor *self = state->redactor;
  OpenViews open = { .n = 0 };
  gboolean goes_on = TRUE;

  if (self->keys != NULL)
    {
      goes_on = pass_views (state, pass_keys, &open, 0);
      /* The views are those of the text before. */
      if (state->edits != NULL)
        open.n = 0;
      /* Rules may find something in what is put in place of a value. */
      g_clear_pointer (&state->edits, g_array_unref);
    }
  if (goes_on && (self->rules->len > 0 || self->secrets))
    pass_views (state, pass_rules, &open, 0);
  for (guint i = 0; i < G_N_ELEMENTS (open.views); i++)
    _lsobs_redact_view_clear (&open.views[i]);
}

/* Appends a redacted copy of a text, unless redaction does not change it. The names of members come
 * first, then the rules; each sees the text, and what is in its strings. If a pattern gives up, the
 * whole text is replaced, and a failure is counted.
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
    self,
    budget != NULL ? budget : &own_budget,
    NULL,
    text,
    len,
    LSOBS_BUFFER_INIT,
    LSOBS_BUFFER_INIT,
    NULL,
  };
  gboolean changed;

  if (self->keys == NULL && (len == 0 || memchr (text, '\\', len) == NULL))
    pass_rules (&state);
  else
    pass_all (&state);
  changed = state.text != text;
  if (changed)
    _lsobs_buffer_append (out, state.text, state.len);

  clear_state (&state);
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

/* @name: valid UTF-8 */
void
_lsobs_redactor_add_key (LsobsRedactor *self, const char *name)
{
  if (self->keys == NULL)
    self->keys = _lsobs_redact_keys_new ();
  _lsobs_redact_keys_add (self->keys, name);
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
  return self->keys != NULL && _lsobs_redact_keys_has (self->keys, key, len);
}

gboolean
_lsobs_redactor_has_secrets (LsobsRedactor *self)
{
  return self->secrets;
}

/* Whether the value of a member is hidden if it is a string or a number.
 * @key: the name of the member: valid UTF-8 */
gboolean
_lsobs_redactor_hides_secret (LsobsRedactor *self, const char *key, gsize len)
{
  return self->secrets && _lsobs_secret_name_is_certain (key, len);
}

/* Has the names count in pairs, too: in {"name": "password", "value": …}, the value is hidden. */
void
_lsobs_redactor_set_pairs (LsobsRedactor *self, gboolean pairs)
{
  self->pairs = pairs;
}

/* Whether there are pairs to look for. */
gboolean
_lsobs_redactor_has_pairs (LsobsRedactor *self)
{
  return self->pairs && self->keys != NULL;
}
