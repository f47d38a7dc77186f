/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The environment: each line is NAME=VALUE, or a byte that chooses a variable, and its value. A
 * config and its settings take it or say why not, without a word of a value. */

#include "config.h"

#include "fuzz/fuzz.h"
#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs.h"

#define KEY_VARIABLE "LANGSMITH_API_KEY"

/* Those that are no settings. Not LANGSMITH_CONFIG_FILE: the fuzzer must not choose files to read.
 * */
static const char *const others[] = {
  "LANGSMITH_RUNS_ENDPOINTS", "LANGSMITH_TRACING_MODE", "OTEL_ENABLED",
  "LANGSMITH_OTEL_ENABLED",   "LANGSMITH_PROJECT",      "LANGCHAIN_PROJECT",
  "LANGCHAIN_SESSION",
};

/* Those with the names of files, which the fuzzer must not choose either. */
static gboolean
is_of_files (const char *name)
{
  return strstr (name, "_FILE") != NULL || strstr (name, "_DIR") != NULL;
}

/* Returns: (element-type utf8): the names, which are constant */
static GPtrArray *
list_variables (void)
{
  static GPtrArray *names;
  guint n_settings;
  const LsobsSetting *settings;

  if (names != NULL)
    return names;
  names = g_ptr_array_new ();
  settings = _lsobs_config_get_settings (&n_settings);
  for (guint i = 0; i < n_settings; i++)
    for (guint j = 0; j < G_N_ELEMENTS (settings[i].variables); j++)
      if (settings[i].variables[j] != NULL && !is_of_files (settings[i].variables[j]))
        g_ptr_array_add (names, (gpointer) settings[i].variables[j]);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    g_ptr_array_add (names, (gpointer) others[i]);
  /* no profile of the user that runs the fuzzer */
  g_setenv ("LANGSMITH_CONFIG_FILE", "/dev/null", TRUE);
  return names;
}

static void
set_variable (GPtrArray *names, const char *line)
{
  const char *equal = strchr (line, '=');
  g_autofree char *name = equal != NULL ? g_strndup (line, (gsize) (equal - line)) : NULL;
  guint i;

  if (name != NULL && g_ptr_array_find_with_equal_func (names, name, g_str_equal, &i))
    g_setenv (g_ptr_array_index (names, i), equal + 1, TRUE);
  else if (*line != '\0')
    g_setenv (g_ptr_array_index (names, (guchar) *line % names->len), line + 1, TRUE);
}

static void
assert_message (const GError *error)
{
  const char *key = g_getenv (KEY_VARIABLE);

  g_assert_error (error, LSOBS_ERROR, error->code);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_null (strstr (error->message, FUZZ_MARKER));
  if (key != NULL && strlen (key) >= 12)
    g_assert_null (strstr (error->message, key));
}

static void
check_settings (LsobsConfig *config)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) destinations =
      _lsobs_settings_new_for_destinations (config, LSOBS_SETTINGS_FOR_HTTP, &error);

  if (destinations == NULL)
    {
      assert_message (error);
      return;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (destinations->len, >=, 1);
  for (guint i = 0; i < destinations->len; i++)
    {
      LsobsSettings *settings = g_ptr_array_index (destinations, i);
      g_autoptr (GUri) uri = g_uri_parse (settings->values.api_url, G_URI_FLAGS_NONE, NULL);

      g_assert_nonnull (uri);
      g_assert_null (settings->values.api_key);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  GPtrArray *names = list_variables ();
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  while (input.len > 0)
    {
      g_autofree char *line = fuzz_input_take_line (&input);

      set_variable (names, line);
    }
  config = lsobs_config_new_from_environment (&error);
  if (config == NULL)
    assert_message (error);
  else
    check_settings (config);
  for (guint i = 0; i < names->len; i++)
    g_unsetenv (g_ptr_array_index (names, i));
  return 0;
}
