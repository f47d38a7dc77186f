/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-usage-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/**
 * SECTION:lsobs-usage
 * @title: LsobsUsage
 * @short_description: tokens and costs of the call of a model
 *
 * How many tokens the call of a model has used, of which kinds, and what they cost.
 * It is given to a run with lsobs_run_set_usage_metadata(). Most programs make it of
 * what the provider has answered:
 *
 * |[<!-- language="C" -->
 * g_autoptr(LsobsUsage) usage = lsobs_usage_new_from_json (response, &error);
 *
 * if (usage != NULL)
 *   lsobs_run_set_usage_metadata (run, usage);
 * ]|
 *
 * The tokens of the input include those that were read from a cache and those that
 * were written to one. Details are parts of them, and need not sum up. The keys of
 * details of the input are `audio`, `cache_read`, `cache_creation`,
 * `cache_read_over_200k`, `ephemeral_5m_input_tokens`, `ephemeral_1h_input_tokens`,
 * `text` and `image`; those of the output are `audio`, `reasoning`, `text` and `image`.
 *
 * Costs are in US dollars. The service computes them by the provider, the name of the
 * model and the tokens; those that are set here win.
 *
 * A usage is filled by one thread, and must not be changed while another uses it.
 */

G_DEFINE_BOXED_TYPE (LsobsUsage, lsobs_usage, lsobs_usage_ref, lsobs_usage_unref)

#define FIRST_INPUT_DETAIL  LSOBS_USAGE_INPUT_AUDIO
#define FIRST_OUTPUT_DETAIL LSOBS_USAGE_OUTPUT_AUDIO

/* The keys of details, as the service knows them. */
static const char *const detail_keys[LSOBS_N_USAGE_ITEMS] = {
  [LSOBS_USAGE_INPUT_AUDIO] = "audio",
  [LSOBS_USAGE_INPUT_CACHE_READ] = "cache_read",
  [LSOBS_USAGE_INPUT_CACHE_CREATION] = "cache_creation",
  [LSOBS_USAGE_INPUT_CACHE_READ_OVER_200K] = "cache_read_over_200k",
  [LSOBS_USAGE_INPUT_EPHEMERAL_5M] = "ephemeral_5m_input_tokens",
  [LSOBS_USAGE_INPUT_EPHEMERAL_1H] = "ephemeral_1h_input_tokens",
  [LSOBS_USAGE_INPUT_TEXT] = "text",
  [LSOBS_USAGE_INPUT_IMAGE] = "image",
  [LSOBS_USAGE_OUTPUT_AUDIO] = "audio",
  [LSOBS_USAGE_OUTPUT_REASONING] = "reasoning",
  [LSOBS_USAGE_OUTPUT_TEXT] = "text",
  [LSOBS_USAGE_OUTPUT_IMAGE] = "image",
};

/* Returns: the item, or LSOBS_N_USAGE_ITEMS for a key that is none of them */
static LsobsUsageItem
find_detail (LsobsUsageItem first, const char *key)
{
  LsobsUsageItem end = first == FIRST_INPUT_DETAIL ? FIRST_OUTPUT_DETAIL : LSOBS_N_USAGE_ITEMS;

  for (LsobsUsageItem item = first; item < end; item++)
    if (g_str_equal (detail_keys[item], key))
      return item;
  return LSOBS_N_USAGE_ITEMS;
}

static gboolean
check_detail (LsobsUsageItem first, const char *key, LsobsUsageItem *item, GError **error)
{
  g_autofree char *valid = NULL;

  *item = find_detail (first, key);
  if (*item != LSOBS_N_USAGE_ITEMS)
    return TRUE;
  valid = g_utf8_make_valid (key, -1);
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
               /* TRANSLATORS: the text is what was given as the kind of tokens. */
               _ ("Invalid usage: %s is no kind of tokens that the service knows"), valid);
  return FALSE;
}

/* @name: for the message */
gboolean
_lsobs_usage_set_tokens (LsobsUsage *self,
                         LsobsUsageItem item,
                         gint64 n_tokens,
                         const char *name,
                         GError **error)
{
  if (n_tokens < 0)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
                   /* TRANSLATORS: the text names the one it was given for. */
                   _ ("Invalid usage: %s is no number of tokens"), name);
      return FALSE;
    }
  self->tokens[item] = n_tokens;
  return TRUE;
}

/* @name: for the message */
gboolean
_lsobs_usage_set_cost (LsobsUsage *self,
                       LsobsUsageItem item,
                       double cost,
                       const char *name,
                       GError **error)
{
  if (!isfinite (cost) || cost < 0)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
                   /* TRANSLATORS: the text names the one it was given for. */
                   _ ("Invalid usage: %s is no cost"), name);
      return FALSE;
    }
  /* Not -0, which is as good as 0 but looks odd. */
  self->costs[item] = cost + 0.0;
  return TRUE;
}

/* The sum of the two when it was not set. */
static gint64
get_total_tokens (LsobsUsage *self)
{
  const gint64 *tokens = self->tokens;

  if (tokens[LSOBS_USAGE_TOTAL] < 0 && tokens[LSOBS_USAGE_INPUT] >= 0 &&
      tokens[LSOBS_USAGE_OUTPUT] >= 0 &&
      tokens[LSOBS_USAGE_INPUT] <= G_MAXINT64 - tokens[LSOBS_USAGE_OUTPUT])
    return tokens[LSOBS_USAGE_INPUT] + tokens[LSOBS_USAGE_OUTPUT];
  return tokens[LSOBS_USAGE_TOTAL];
}

static double
get_total_cost (LsobsUsage *self)
{
  const double *costs = self->costs;

  if (costs[LSOBS_USAGE_TOTAL] < 0 && costs[LSOBS_USAGE_INPUT] >= 0 &&
      costs[LSOBS_USAGE_OUTPUT] >= 0 &&
      isfinite (costs[LSOBS_USAGE_INPUT] + costs[LSOBS_USAGE_OUTPUT]))
    return costs[LSOBS_USAGE_INPUT] + costs[LSOBS_USAGE_OUTPUT];
  return costs[LSOBS_USAGE_TOTAL];
}

/* @start: where the object begins */
static void
write_key (LsobsBuffer *out, gsize start, const char *key)
{
  if (out->len > start + 1)
    _lsobs_buffer_append_c (out, ',');
  _lsobs_buffer_append_c (out, '"');
  _lsobs_buffer_append_str (out, key);
  _lsobs_buffer_append_str (out, "\":");
}

static void
write_tokens (LsobsBuffer *out, gsize start, const char *key, gint64 n_tokens)
{
  if (n_tokens < 0)
    return;
  write_key (out, start, key);
  _lsobs_buffer_append_int64 (out, n_tokens);
}

static void
write_cost (LsobsBuffer *out, gsize start, const char *key, double cost)
{
  if (cost < 0)
    return;
  write_key (out, start, key);
  _lsobs_json_write_double (out, cost);
}

/* Details of tokens or of costs; none when there are none. */
static void
write_details (LsobsUsage *self,
               LsobsBuffer *out,
               gsize start,
               const char *key,
               LsobsUsageItem first,
               gboolean are_costs)
{
  LsobsUsageItem end = first == FIRST_INPUT_DETAIL ? FIRST_OUTPUT_DETAIL : LSOBS_N_USAGE_ITEMS;
  gsize before = out->len;
  gsize details;

  write_key (out, start, key);
  details = out->len;
  _lsobs_buffer_append_c (out, '{');
  for (LsobsUsageItem item = first; item < end; item++)
    {
      if (are_costs)
        write_cost (out, details, detail_keys[item], self->costs[item]);
      else
        write_tokens (out, details, detail_keys[item], self->tokens[item]);
    }
  if (out->len == details + 1)
    _lsobs_buffer_truncate (out, before);
  else
    _lsobs_buffer_append_c (out, '}');
}

/* Appends it as the service reads it. */
void
_lsobs_usage_write (LsobsUsage *self, LsobsBuffer *out)
{
  gsize start = out->len;

  _lsobs_buffer_append_c (out, '{');
  write_tokens (out, start, "input_tokens", self->tokens[LSOBS_USAGE_INPUT]);
  write_tokens (out, start, "output_tokens", self->tokens[LSOBS_USAGE_OUTPUT]);
  write_tokens (out, start, "total_tokens", get_total_tokens (self));
  write_details (self, out, start, "input_token_details", FIRST_INPUT_DETAIL, FALSE);
  write_details (self, out, start, "output_token_details", FIRST_OUTPUT_DETAIL, FALSE);
  write_cost (out, start, "input_cost", self->costs[LSOBS_USAGE_INPUT]);
  write_cost (out, start, "output_cost", self->costs[LSOBS_USAGE_OUTPUT]);
  write_cost (out, start, "total_cost", get_total_cost (self));
  write_details (self, out, start, "input_cost_details", FIRST_INPUT_DETAIL, TRUE);
  write_details (self, out, start, "output_cost_details", FIRST_OUTPUT_DETAIL, TRUE);
  _lsobs_buffer_append_c (out, '}');
}

/**
 * lsobs_usage_new:
 *
 * Makes a usage of which nothing is known.
 *
 * Returns: (transfer full): a usage
 *
 * Since: 0.1
 */
LsobsUsage *
lsobs_usage_new (void)
{
  LsobsUsage *self = g_new0 (LsobsUsage, 1);

  g_atomic_ref_count_init (&self->ref_count);
  for (guint i = 0; i < LSOBS_N_USAGE_ITEMS; i++)
    {
      self->tokens[i] = -1;
      self->costs[i] = -1;
    }
  return self;
}

/**
 * lsobs_usage_ref:
 * @self: a usage
 *
 * Adds a reference. May be called from any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
LsobsUsage *
lsobs_usage_ref (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_usage_unref:
 * @self: (transfer full): a usage
 *
 * Drops a reference, and frees @self with the last one. May be called from any
 * thread.
 *
 * Since: 0.1
 */
void
lsobs_usage_unref (LsobsUsage *self)
{
  g_return_if_fail (self != NULL);

  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

/**
 * lsobs_usage_to_json:
 * @self: a usage
 *
 * Gets the object that the service is sent as `usage_metadata`. Totals that were not
 * set are the sums of input and output.
 *
 * Returns: (transfer full): a node that holds an object
 *
 * Since: 0.1
 */
JsonNode *
lsobs_usage_to_json (LsobsUsage *self)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (JsonParser) parser = json_parser_new ();

  g_return_val_if_fail (self != NULL, NULL);

  _lsobs_usage_write (self, &text);
  json_parser_load_from_data (parser, text.data, (gssize) text.len, NULL);
  return json_parser_steal_root (parser);
}

/**
 * lsobs_usage_set_input_tokens:
 * @self: a usage
 * @n_tokens: a number of tokens
 * @error: return location for an error
 *
 * Sets how many tokens went in, those from and to caches included.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for a negative
 *   number
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_input_tokens (LsobsUsage *self, gint64 n_tokens, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _lsobs_usage_set_tokens (self, LSOBS_USAGE_INPUT, n_tokens, "input_tokens", error);
}

/**
 * lsobs_usage_get_input_tokens:
 * @self: a usage
 *
 * Gets how many tokens went in, those from and to caches included.
 *
 * Returns: a number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_input_tokens (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->tokens[LSOBS_USAGE_INPUT];
}

/**
 * lsobs_usage_set_output_tokens:
 * @self: a usage
 * @n_tokens: a number of tokens
 * @error: return location for an error
 *
 * Sets how many tokens came out.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for a negative
 *   number
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_output_tokens (LsobsUsage *self, gint64 n_tokens, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _lsobs_usage_set_tokens (self, LSOBS_USAGE_OUTPUT, n_tokens, "output_tokens", error);
}

/**
 * lsobs_usage_get_output_tokens:
 * @self: a usage
 *
 * Gets how many tokens came out.
 *
 * Returns: a number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_output_tokens (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->tokens[LSOBS_USAGE_OUTPUT];
}

/**
 * lsobs_usage_set_total_tokens:
 * @self: a usage
 * @n_tokens: a number of tokens
 * @error: return location for an error
 *
 * Sets how many tokens were used in all. Without it, it is the sum of
 * the two.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for a negative
 *   number
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_total_tokens (LsobsUsage *self, gint64 n_tokens, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _lsobs_usage_set_tokens (self, LSOBS_USAGE_TOTAL, n_tokens, "total_tokens", error);
}

/**
 * lsobs_usage_get_total_tokens:
 * @self: a usage
 *
 * Gets how many tokens were used in all.
 *
 * Returns: a number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_total_tokens (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return get_total_tokens (self);
}

/**
 * lsobs_usage_set_input_token_detail:
 * @self: a usage
 * @key: a kind of tokens, one of those above
 * @n_tokens: a number of tokens
 * @error: return location for an error
 *
 * Sets how many of the tokens that went in are of one kind.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for a kind that
 *   the service does not know, or a negative number
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_input_token_detail (LsobsUsage *self,
                                    const char *key,
                                    gint64 n_tokens,
                                    GError **error)
{
  LsobsUsageItem item;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  return check_detail (FIRST_INPUT_DETAIL, key, &item, error) &&
         _lsobs_usage_set_tokens (self, item, n_tokens, key, error);
}

/**
 * lsobs_usage_get_input_token_detail:
 * @self: a usage
 * @key: a kind of tokens
 *
 * Gets how many of the tokens that went in are of one kind.
 *
 * Returns: a number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_input_token_detail (LsobsUsage *self, const char *key)
{
  LsobsUsageItem item;

  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (key != NULL, -1);

  item = find_detail (FIRST_INPUT_DETAIL, key);
  return item != LSOBS_N_USAGE_ITEMS ? self->tokens[item] : -1;
}

/**
 * lsobs_usage_set_output_token_detail:
 * @self: a usage
 * @key: a kind of tokens, one of those above
 * @n_tokens: a number of tokens
 * @error: return location for an error
 *
 * Sets how many of the tokens that came out are of one kind.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for a kind that
 *   the service does not know, or a negative number
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_output_token_detail (LsobsUsage *self,
                                     const char *key,
                                     gint64 n_tokens,
                                     GError **error)
{
  LsobsUsageItem item;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  return check_detail (FIRST_OUTPUT_DETAIL, key, &item, error) &&
         _lsobs_usage_set_tokens (self, item, n_tokens, key, error);
}

/**
 * lsobs_usage_get_output_token_detail:
 * @self: a usage
 * @key: a kind of tokens
 *
 * Gets how many of the tokens that came out are of one kind.
 *
 * Returns: a number of tokens, or -1 if it is not known
 *
 * Since: 0.1
 */
gint64
lsobs_usage_get_output_token_detail (LsobsUsage *self, const char *key)
{
  LsobsUsageItem item;

  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (key != NULL, -1);

  item = find_detail (FIRST_OUTPUT_DETAIL, key);
  return item != LSOBS_N_USAGE_ITEMS ? self->tokens[item] : -1;
}

/**
 * lsobs_usage_set_input_cost:
 * @self: a usage
 * @cost: an amount in US dollars
 * @error: return location for an error
 *
 * Sets what the tokens that went in cost.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for an amount that
 *   is negative or not finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_input_cost (LsobsUsage *self, double cost, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _lsobs_usage_set_cost (self, LSOBS_USAGE_INPUT, cost, "input_cost", error);
}

/**
 * lsobs_usage_get_input_cost:
 * @self: a usage
 *
 * Gets what the tokens that went in cost.
 *
 * Returns: an amount in US dollars, or -1 if it was not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_input_cost (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->costs[LSOBS_USAGE_INPUT];
}

/**
 * lsobs_usage_set_output_cost:
 * @self: a usage
 * @cost: an amount in US dollars
 * @error: return location for an error
 *
 * Sets what the tokens that came out cost.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for an amount that
 *   is negative or not finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_output_cost (LsobsUsage *self, double cost, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _lsobs_usage_set_cost (self, LSOBS_USAGE_OUTPUT, cost, "output_cost", error);
}

/**
 * lsobs_usage_get_output_cost:
 * @self: a usage
 *
 * Gets what the tokens that came out cost.
 *
 * Returns: an amount in US dollars, or -1 if it was not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_output_cost (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->costs[LSOBS_USAGE_OUTPUT];
}

/**
 * lsobs_usage_set_total_cost:
 * @self: a usage
 * @cost: an amount in US dollars
 * @error: return location for an error
 *
 * Sets what the call costs in all. Without it, it is the sum of the two.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for an amount that
 *   is negative or not finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_total_cost (LsobsUsage *self, double cost, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _lsobs_usage_set_cost (self, LSOBS_USAGE_TOTAL, cost, "total_cost", error);
}

/**
 * lsobs_usage_get_total_cost:
 * @self: a usage
 *
 * Gets what the call costs in all.
 *
 * Returns: an amount in US dollars, or -1 if it was not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_total_cost (LsobsUsage *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return get_total_cost (self);
}

/**
 * lsobs_usage_set_input_cost_detail:
 * @self: a usage
 * @key: a kind of tokens, one of those above
 * @cost: an amount in US dollars
 * @error: return location for an error
 *
 * Sets what the tokens of one kind that went in cost.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for a kind that
 *   the service does not know, or an amount that is negative or not finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_input_cost_detail (LsobsUsage *self, const char *key, double cost, GError **error)
{
  LsobsUsageItem item;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  return check_detail (FIRST_INPUT_DETAIL, key, &item, error) &&
         _lsobs_usage_set_cost (self, item, cost, key, error);
}

/**
 * lsobs_usage_get_input_cost_detail:
 * @self: a usage
 * @key: a kind of tokens
 *
 * Gets what the tokens of one kind that went in cost.
 *
 * Returns: an amount in US dollars, or -1 if it was not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_input_cost_detail (LsobsUsage *self, const char *key)
{
  LsobsUsageItem item;

  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (key != NULL, -1);

  item = find_detail (FIRST_INPUT_DETAIL, key);
  return item != LSOBS_N_USAGE_ITEMS ? self->costs[item] : -1;
}

/**
 * lsobs_usage_set_output_cost_detail:
 * @self: a usage
 * @key: a kind of tokens, one of those above
 * @cost: an amount in US dollars
 * @error: return location for an error
 *
 * Sets what the tokens of one kind that came out cost.
 *
 * Returns: %TRUE on success; %FALSE with %LSOBS_ERROR_INVALID_VALUE for a kind that
 *   the service does not know, or an amount that is negative or not finite
 *
 * Since: 0.1
 */
gboolean
lsobs_usage_set_output_cost_detail (LsobsUsage *self, const char *key, double cost, GError **error)
{
  LsobsUsageItem item;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (key != NULL, FALSE);

  return check_detail (FIRST_OUTPUT_DETAIL, key, &item, error) &&
         _lsobs_usage_set_cost (self, item, cost, key, error);
}

/**
 * lsobs_usage_get_output_cost_detail:
 * @self: a usage
 * @key: a kind of tokens
 *
 * Gets what the tokens of one kind that came out cost.
 *
 * Returns: an amount in US dollars, or -1 if it was not set
 *
 * Since: 0.1
 */
double
lsobs_usage_get_output_cost_detail (LsobsUsage *self, const char *key)
{
  LsobsUsageItem item;

  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (key != NULL, -1);

  item = find_detail (FIRST_OUTPUT_DETAIL, key);
  return item != LSOBS_N_USAGE_ITEMS ? self->costs[item] : -1;
}
