/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/lsobs-environment-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-replica-private.h"

/* The only place that reads the environment. */

/* A value of white space is no value.
 * @variable: (out): the whole name of the variable that was found
 * Returns: (transfer none) (nullable) */
static const char *
read_variable (const char  *name,
               char       **variable)
{
  static const char * const prefixes[] = { "LANGSMITH_", "LANGCHAIN_" };

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autofree char *full = g_strconcat (prefixes[i], name, NULL);
      const char *value = g_getenv (full);

      if (value != NULL && value[strspn (value, " \t\r\n")] != '\0')
        {
          *variable = g_steal_pointer (&full);
          return value;
        }
    }
  return NULL;
}

static gboolean
read_rate (LsobsConfig  *config,
           GError      **error)
{
  g_autofree char *variable = NULL;
  const char *value = read_variable ("TRACING_SAMPLING_RATE", &variable);
  g_autofree char *stripped = NULL;
  char *end = NULL;
  double rate;

  if (value == NULL)
    return TRUE;
  stripped = g_strstrip (g_strdup (value));
  rate = g_ascii_strtod (stripped, &end);
  if (*end == '\0' && rate >= 0.0 && rate <= 1.0)
    {
      lsobs_config_set_sampling_rate (config, rate);
      return TRUE;
    }
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
               _("%s must be a number between 0 and 1"), variable);
  return FALSE;
}

static gboolean
read_switch (LsobsConfig  *config,
             const char   *name,
             void        (*set) (LsobsConfig *config, gboolean value),
             GError      **error)
{
  static const char * const on[] = { "true", "1", "yes", "on", NULL };
  static const char * const off[] = { "false", "0", "no", "off", NULL };
  g_autofree char *variable = NULL;
  const char *value = read_variable (name, &variable);
  g_autofree char *word = NULL;

  if (value == NULL)
    return TRUE;
  word = g_strstrip (g_ascii_strdown (value, -1));
  if (g_strv_contains (on, word) || g_strv_contains (off, word))
    {
      set (config, g_strv_contains (on, word));
      return TRUE;
    }
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG, _("%s must be true or false"), variable);
  return FALSE;
}

/* Sets a string and looks at once whether it makes sense, so that the error can
 * name the variable. */
static gboolean
read_string (LsobsConfig  *config,
             const char   *name,
             void        (*set) (LsobsConfig *config, const char *value),
             GError      **error)
{
  g_autofree char *variable = NULL;
  const char *value = read_variable (name, &variable);

  if (value == NULL)
    return TRUE;
  set (config, value);
  if (lsobs_config_validate (config, error))
    return TRUE;
  g_prefix_error (error, "%s: ", variable);
  return FALSE;
}

/* A list of places takes the place of the one address. */
static gboolean
read_replicas (LsobsConfig  *config,
               GError      **error)
{
  g_autofree char *variable = NULL;
  g_autofree char *endpoint = NULL;
  const char *value = read_variable ("RUNS_ENDPOINTS", &variable);

  if (value == NULL)
    return TRUE;
  if (read_variable ("ENDPOINT", &endpoint) != NULL)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   _("Only one of %s and %s can be set"), endpoint, variable);
      return FALSE;
    }
  return _lsobs_replicas_read (config, value, variable, error);
}

gboolean
_lsobs_environment_apply (LsobsConfig  *config,
                          GError      **error)
{
  return read_string (config, "ENDPOINT", lsobs_config_set_api_url, error) &&
         read_string (config, "API_KEY", lsobs_config_set_api_key, error) &&
         read_string (config, "PROJECT", lsobs_config_set_project_name, error) &&
         read_string (config, "WORKSPACE_ID", lsobs_config_set_workspace_id, error) &&
         read_rate (config, error) &&
         read_switch (config, "HIDE_INPUTS", lsobs_config_set_hide_inputs, error) &&
         read_switch (config, "HIDE_OUTPUTS", lsobs_config_set_hide_outputs, error) &&
         read_switch (config, "HIDE_METADATA", lsobs_config_set_hide_metadata, error) &&
         read_replicas (config, error);
}
