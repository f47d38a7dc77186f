/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/config/lsobs-config-private.h"

/* What a config says about privacy. #LsobsConfig is described in the file of its
 * name. */

static GParamSpec *switch_props[LSOBS_N_SWITCHES] = { NULL };

static void
rule_text_free (LsobsRuleText *self)
{
  g_free (self->pattern);
  g_free (self->replacement);
  g_free (self);
}

void
_lsobs_privacy_init (LsobsPrivacy *self)
{
  self->rules = g_ptr_array_new_with_free_func ((GDestroyNotify) rule_text_free);
  self->keys = g_ptr_array_new_with_free_func (g_free);
}

void
_lsobs_privacy_clear (LsobsPrivacy *self)
{
  g_clear_pointer (&self->rules, g_ptr_array_unref);
  g_clear_pointer (&self->keys, g_ptr_array_unref);
  g_clear_pointer (&self->hook, _lsobs_redact_hook_unref);
}

/* @props: (out) (array fixed-size=4): in the order of LsobsPrivacySwitch */
void
_lsobs_privacy_install_properties (GParamSpec **props)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * LsobsConfig:redact-secrets:
   *
   * Whether keys, tokens and passwords of well-known kinds, in the same places as
   * those of #LsobsConfig:redact-regex, become `[SECRET_DETECTED]`: the keys of model
   * providers, clouds, code hosts, chat and payment services, package registries,
   * JSON web tokens, private keys in PEM, and what is assigned to a name such as
   * `api_key` or `password`, follows `Authorization:` or `Bearer`, or is the password
   * of a URL. These four keep what comes before the secret.
   *
   * Since: 0.1
   */
  props[LSOBS_SWITCH_REDACT_SECRETS] =
      g_param_spec_boolean ("redact-secrets", "", "", FALSE, flags);

  /**
   * LsobsConfig:hide-inputs:
   *
   * Whether an empty object is sent in place of the inputs of every run.
   *
   * Since: 0.1
   */
  props[LSOBS_SWITCH_HIDE_INPUTS] = g_param_spec_boolean ("hide-inputs", "", "", FALSE, flags);

  /**
   * LsobsConfig:hide-outputs:
   *
   * Whether an empty object is sent in place of the outputs of every run. Errors and
   * events are no outputs.
   *
   * Since: 0.1
   */
  props[LSOBS_SWITCH_HIDE_OUTPUTS] = g_param_spec_boolean ("hide-outputs", "", "", FALSE, flags);

  /**
   * LsobsConfig:hide-metadata:
   *
   * Whether an empty object is sent in place of the metadata of every run, the
   * model's name and the tokens that were used among it. What is set with
   * lsobs_run_set_extra() is left out, too.
   *
   * Since: 0.1
   */
  props[LSOBS_SWITCH_HIDE_METADATA] = g_param_spec_boolean ("hide-metadata", "", "", FALSE, flags);

  for (guint i = 0; i < LSOBS_N_SWITCHES; i++)
    switch_props[i] = props[i];
}

void
_lsobs_config_set_switch (LsobsConfig *self, LsobsPrivacySwitch which, gboolean value)
{
  LsobsPrivacy *privacy = _lsobs_config_peek_privacy (self);

  if (privacy->switches[which] == !!value)
    return;
  privacy->switches[which] = !!value;
  g_object_notify_by_pspec (G_OBJECT (self), switch_props[which]);
}

/**
 * lsobs_config_add_redact_rule:
 * @self: a config
 * @pattern: a regular expression, as of #GRegex
 * @replacement: (nullable): what takes the place of each match, or %NULL for
 *   `[REDACTED]`; it may refer to groups of the pattern, such as `\1` or
 *   `\g<name>`, as that of g_regex_replace() does
 *
 * Adds a rule to those that are applied to each string of inputs, outputs, errors,
 * metadata, tags and events, at any depth. First comes #LsobsConfig:redact-regex,
 * then the rules in the order in which they were added, then those of
 * #LsobsConfig:redact-secrets. Each is applied once: what it has put in place of a
 * match it does not search again, but those after it do.
 *
 * A pattern that takes too long on a string is given up, and the whole string
 * becomes `[REDACTED]`, or @replacement when that refers to no group; this is counted
 * by %LSOBS_COUNTER_REDACTION_FAILURES. The same happens to all further strings of a
 * record when the patterns have used up the CPU time that they may take for it: 100
 * milliseconds, and 200 nanoseconds for each byte that is searched. Patterns that
 * certainly take time in proportion to the length of a string are not stopped.
 *
 * Whether @pattern and @replacement make sense is checked by
 * lsobs_config_validate(); the message names the rule by its number, from 1, and
 * shows nothing of it.
 *
 * Since: 0.1
 */
void
lsobs_config_add_redact_rule (LsobsConfig *self, const char *pattern, const char *replacement)
{
  LsobsRuleText *rule;

  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail (pattern != NULL);

  rule = g_new (LsobsRuleText, 1);
  rule->pattern = g_strdup (pattern);
  rule->replacement = g_strdup (replacement);
  g_ptr_array_add (_lsobs_config_peek_privacy (self)->rules, rule);
}

/**
 * lsobs_config_clear_redact_rules:
 * @self: a config
 *
 * Forgets all rules of lsobs_config_add_redact_rule().
 *
 * Since: 0.1
 */
void
lsobs_config_clear_redact_rules (LsobsConfig *self)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  g_ptr_array_set_size (_lsobs_config_peek_privacy (self)->rules, 0);
}

/**
 * lsobs_config_add_redact_key:
 * @self: a config
 * @name: the name of a member of a JSON object
 *
 * Has `[REDACTED]` sent in place of the value, of whatever type it is, of each
 * member with this name in inputs, outputs, metadata and the details of events, at
 * any depth. Upper and lower case, and `-` and `_`, are the same.
 *
 * Ready JSON that turns out not to be JSON is then hidden altogether, and counted by
 * %LSOBS_COUNTER_REDACTION_FAILURES. JSON inside of a string is text.
 *
 * A name that is not UTF-8 is found by lsobs_config_validate().
 *
 * Since: 0.1
 */
void
lsobs_config_add_redact_key (LsobsConfig *self, const char *name)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));
  g_return_if_fail (name != NULL);

  g_ptr_array_add (_lsobs_config_peek_privacy (self)->keys, g_strdup (name));
}

/**
 * lsobs_config_clear_redact_keys:
 * @self: a config
 *
 * Forgets all names of lsobs_config_add_redact_key().
 *
 * Since: 0.1
 */
void
lsobs_config_clear_redact_keys (LsobsConfig *self)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  g_ptr_array_set_size (_lsobs_config_peek_privacy (self)->keys, 0);
}

/**
 * lsobs_config_set_redact_func:
 * @self: a config
 * @func: (nullable) (scope notified) (closure user_data) (destroy notify): a function,
 *   or %NULL for none
 * @user_data: data for @func
 * @notify: (nullable): frees @user_data
 *
 * Has a function of the program decide about each field of a run before it is sent.
 * It takes the place of the one that was set before.
 *
 * @notify is called once, when neither the config nor anything made from it can call
 * @func any longer, in whichever thread that comes about; at once, when @func is
 * %NULL.
 *
 * Since: 0.1
 */
void
lsobs_config_set_redact_func (LsobsConfig *self,
                              LsobsRedactFunc func,
                              gpointer user_data,
                              GDestroyNotify notify)
{
  g_autoptr (LsobsRedactHook) previous = NULL;
  LsobsPrivacy *privacy;

  g_return_if_fail (LSOBS_IS_CONFIG (self));

  privacy = _lsobs_config_peek_privacy (self);
  previous = g_steal_pointer (&privacy->hook);
  if (func != NULL)
    privacy->hook = _lsobs_redact_hook_new (func, user_data, notify);
  else if (notify != NULL)
    notify (user_data);
}

/**
 * lsobs_config_set_redact_secrets:
 * @self: a config
 * @redact_secrets: whether to look for secrets
 *
 * Sets whether keys, tokens and passwords of well-known kinds are hidden; see
 * #LsobsConfig:redact-secrets.
 *
 * Since: 0.1
 */
void
lsobs_config_set_redact_secrets (LsobsConfig *self, gboolean redact_secrets)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  _lsobs_config_set_switch (self, LSOBS_SWITCH_REDACT_SECRETS, redact_secrets);
}

/**
 * lsobs_config_get_redact_secrets:
 * @self: a config
 *
 * Gets whether keys, tokens and passwords of well-known kinds are hidden.
 *
 * Returns: %TRUE if so
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_redact_secrets (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return _lsobs_config_peek_privacy (self)->switches[LSOBS_SWITCH_REDACT_SECRETS];
}

/**
 * lsobs_config_set_hide_inputs:
 * @self: a config
 * @hide_inputs: whether to hide them
 *
 * Sets whether inputs are hidden altogether; see
 * #LsobsConfig:hide-inputs.
 *
 * Since: 0.1
 */
void
lsobs_config_set_hide_inputs (LsobsConfig *self, gboolean hide_inputs)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  _lsobs_config_set_switch (self, LSOBS_SWITCH_HIDE_INPUTS, hide_inputs);
}

/**
 * lsobs_config_get_hide_inputs:
 * @self: a config
 *
 * Gets whether inputs are hidden altogether.
 *
 * Returns: %TRUE if so
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_hide_inputs (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return _lsobs_config_peek_privacy (self)->switches[LSOBS_SWITCH_HIDE_INPUTS];
}

/**
 * lsobs_config_set_hide_outputs:
 * @self: a config
 * @hide_outputs: whether to hide them
 *
 * Sets whether outputs are hidden altogether; see
 * #LsobsConfig:hide-outputs.
 *
 * Since: 0.1
 */
void
lsobs_config_set_hide_outputs (LsobsConfig *self, gboolean hide_outputs)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  _lsobs_config_set_switch (self, LSOBS_SWITCH_HIDE_OUTPUTS, hide_outputs);
}

/**
 * lsobs_config_get_hide_outputs:
 * @self: a config
 *
 * Gets whether outputs are hidden altogether.
 *
 * Returns: %TRUE if so
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_hide_outputs (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return _lsobs_config_peek_privacy (self)->switches[LSOBS_SWITCH_HIDE_OUTPUTS];
}

/**
 * lsobs_config_set_hide_metadata:
 * @self: a config
 * @hide_metadata: whether to hide it
 *
 * Sets whether metadata is hidden altogether; see
 * #LsobsConfig:hide-metadata.
 *
 * Since: 0.1
 */
void
lsobs_config_set_hide_metadata (LsobsConfig *self, gboolean hide_metadata)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  _lsobs_config_set_switch (self, LSOBS_SWITCH_HIDE_METADATA, hide_metadata);
}

/**
 * lsobs_config_get_hide_metadata:
 * @self: a config
 *
 * Gets whether metadata is hidden altogether.
 *
 * Returns: %TRUE if so
 *
 * Since: 0.1
 */
gboolean
lsobs_config_get_hide_metadata (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), FALSE);

  return _lsobs_config_peek_privacy (self)->switches[LSOBS_SWITCH_HIDE_METADATA];
}
