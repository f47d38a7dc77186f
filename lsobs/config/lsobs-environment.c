/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-environment-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/core/lsobs-privilege-private.h"
#include "lsobs/lsobs-error.h"

/* Reads environment variables. No value is cached: each call sees what is set now. An error names
 * the variable and never shows its value: users paste keys into the wrong one. Programs that read
 * .env files often leave the quotes in a value, so white space and one pair of quotes around it do
 * not belong to it. */

/* Returns: (transfer none) (nullable): the value with its quotes; NULL if the variable is not set, or
 *   has nothing but white space and a pair of quotes */
const char *
_lsobs_environment_peek (const char *variable)
{
  const char *value = g_getenv (variable);

  return _lsobs_trim_is_empty (value) ? NULL : value;
}

/* Returns: (transfer full) (nullable): the value without its quotes; NULL as for
 *   _lsobs_environment_peek () */
char *
_lsobs_environment_dup (const char *variable)
{
  return _lsobs_trim_dup (_lsobs_environment_peek (variable));
}

/* For variables that can weaken the protection of the connection. A program with more rights than
 * its user must not obey them.
 * Returns: (transfer none) (nullable): NULL if the program runs with elevated privileges, too */
const char *
_lsobs_environment_peek_trusted (const char *variable)
{
  return _lsobs_privilege_is_elevated () ? NULL : _lsobs_environment_peek (variable);
}

/* @variables: (array zero-terminated=1)
 * @found: (out) (nullable): the first variable that has a value
 * Returns: (transfer none) (nullable): its value */
const char *
_lsobs_environment_peek_first (const char *const *variables, const char **found)
{
  for (*found = NULL; *variables != NULL; variables++)
    {
      const char *value = _lsobs_environment_peek (*variables);

      if (value != NULL)
        {
          *found = *variables;
          return value;
        }
    }
  return NULL;
}

gboolean
_lsobs_environment_parse_switch (const char *variable,
                                 const char *value,
                                 gboolean *on,
                                 GError **error)
{
  static const char *const on_words[] = { "true", "t",       "1",      "yes", "y",
                                          "on",   "enabled", "enable", NULL };
  static const char *const off_words[] = { "false", "f",        "0",       "no", "n",
                                           "off",   "disabled", "disable", NULL };
  gsize len;
  const char *start = _lsobs_trim (value, &len);
  g_autofree char *word = g_ascii_strdown (start, (gssize) len);

  *on = g_strv_contains (on_words, word);
  if (*on || g_strv_contains (off_words, word))
    return TRUE;
  /* TRANSLATORS: the text is a variable of the environment. */
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, _ ("%s must be true or false"),
               variable);
  return FALSE;
}
