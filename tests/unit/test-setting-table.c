/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-config-private.h"

/* The table of settings agrees with the properties, and with the tables and comments that describe
 * the settings. */

#define VARIABLES_HEADER "| variable | property of LsobsConfig |"
#define DEFAULTS_HEADER  "| property of LsobsConfig | default | what it sets |"

static char *
load (const char *path)
{
  g_autofree char *full = g_test_build_filename (G_TEST_DIST, "..", path, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (full, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* Returns: (transfer full) (element-type GStrv): the cells of each line of a table in README */
static GPtrArray *
load_table (const char *header)
{
  g_autofree char *text = load ("README");
  GPtrArray *rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  char *start = strstr (text, header);
  g_auto (GStrv) lines = NULL;

  g_assert_nonnull (start);
  lines = g_strsplit (start, "\n", -1);
  /* 0 is the header, 1 a rule */
  for (guint i = 2; lines[i] != NULL && *lines[i] == '|'; i++)
    {
      GStrv cells = g_strsplit (lines[i], "|", -1);

      for (guint k = 0; cells[k] != NULL; k++)
        g_strstrip (cells[k]);
      g_ptr_array_add (rows, cells);
    }
  g_assert_cmpuint (rows->len, >, 10);
  return rows;
}

/* Returns: (transfer full): the names at the beginning of a cell, each in backticks, with commas
 * between them */
static GStrv
split_names (const char *cell)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  while (*cell == '`')
    {
      const char *end = strchr (cell + 1, '`');

      g_assert_nonnull (end);
      g_ptr_array_add (names, g_strndup (cell + 1, (gsize) (end - cell - 1)));
      cell = end + 1;
      if (g_str_has_prefix (cell, ", `"))
        cell += 2;
    }
  g_ptr_array_add (names, NULL);
  return (GStrv) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

/* README does not list an older name beside the newer one, nor a prefixed name beside the bare one.
 * Returns: (transfer full): what it lists, with spaces between the names */
static char *
shorten (const char *const *variables)
{
  static const char *const prefixes[][2] = { { "LANGCHAIN_", "LANGSMITH_" },
                                             { "LANGCHAIN_", "" },
                                             { "LANGSMITH_", "" } };
  GString *list = g_string_new (NULL);

  for (guint i = 0; variables[i] != NULL; i++)
    {
      gboolean implied = FALSE;

      for (guint k = 0; k < G_N_ELEMENTS (prefixes) && !implied; k++)
        if (g_str_has_prefix (variables[i], prefixes[k][0]))
          {
            g_autofree char *other =
                g_strconcat (prefixes[k][1], variables[i] + strlen (prefixes[k][0]), NULL);

            implied = g_strv_contains (variables, other);
          }
      if (!implied)
        g_string_append_printf (list, "%s ", variables[i]);
    }
  return g_string_free (list, FALSE);
}

static gboolean
has_older_name (const LsobsSetting *setting)
{
  for (guint i = 0; setting->variables[i] != NULL; i++)
    if (g_str_has_prefix (setting->variables[i], "LANGCHAIN_"))
      return TRUE;
  return FALSE;
}

/* --- properties --- */

static void
assert_property (GParamSpec *pspec, const LsobsSetting *setting)
{
  const GValue *initial = g_param_spec_get_default_value (pspec);

  g_assert_true (((pspec->flags & G_PARAM_READABLE) == 0) == setting->is_secret);
  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      g_assert_cmpstr (g_value_get_string (initial), ==, setting->initial_text);
      break;
    case LSOBS_SETTING_SWITCH:
      g_assert_cmpint (g_value_get_boolean (initial), ==, setting->initial);
      break;
    case LSOBS_SETTING_NUMBER:
      g_assert_cmpint (g_value_get_int64 (initial), ==, setting->initial);
      g_assert_cmpint (G_PARAM_SPEC_INT64 (pspec)->minimum, ==, setting->minimum);
      g_assert_cmpint (G_PARAM_SPEC_INT64 (pspec)->maximum, ==, setting->maximum);
      g_assert_cmpint (setting->initial, >=, setting->minimum);
      g_assert_cmpint (setting->initial, <=, setting->maximum);
      break;
    case LSOBS_SETTING_SHARE:
      g_assert_cmpfloat (g_value_get_double (initial), ==, (double) setting->initial);
      g_assert_cmpfloat (G_PARAM_SPEC_DOUBLE (pspec)->minimum, ==, (double) setting->minimum);
      g_assert_cmpfloat (G_PARAM_SPEC_DOUBLE (pspec)->maximum, ==, (double) setting->maximum);
      break;
    case LSOBS_SETTING_CHOICE:
      g_assert_cmpint (g_value_get_enum (initial), ==, setting->initial);
      g_assert_true (pspec->value_type == setting->get_type ());
      break;
    case LSOBS_SETTING_OBJECT:
      g_assert_true (pspec->value_type == setting->get_type ());
      break;
    default:
      g_assert_not_reached ();
    }
}

static void
test_properties (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  guint n_settings;
  guint n_properties;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);
  g_autofree GParamSpec **pspecs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (config), &n_properties);

  g_assert_cmpuint (n_properties, ==, n_settings);
  for (guint i = 0; i < n_settings; i++)
    {
      GParamSpec *pspec =
          g_object_class_find_property (G_OBJECT_GET_CLASS (config), settings[i].name);

      g_assert_nonnull (pspec);
      assert_property (pspec, &settings[i]);
      g_assert_true (_lsobs_config_find_setting (settings[i].name) == &settings[i]);
      for (guint k = 0; k < i; k++)
        g_assert_cmpuint (settings[k].offset, !=, settings[i].offset);
    }
}

/* A setting has a setter and a getter; tests/checks/test-symbols.sh follows them to the lists of
 * symbols. */
static void
test_accessors (void)
{
  g_autofree char *header = load ("lsobs/lsobs-config.h");
  guint n_settings;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);

  for (guint i = 0; i < n_settings; i++)
    {
      g_autofree char *name = g_strdelimit (g_strdup (settings[i].name), "-", '_');
      g_autofree char *setter = g_strdup_printf ("lsobs_config_set_%s (", name);
      g_autofree char *getter =
          g_strdup_printf ("lsobs_config_%s_%s (", settings[i].is_secret ? "has" : "get", name);

      if (strstr (header, setter) == NULL)
        g_error ("add %s) to lsobs/lsobs-config.h and lsobs/config/lsobs-config.c", setter);
      if (strstr (header, getter) == NULL)
        g_error ("add %s) to lsobs/lsobs-config.h and lsobs/config/lsobs-config.c", getter);
    }
}

/* The settings of a destination have every value of the config but the secrets. */
static void
test_copy (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new ("secret", "project");
  LsobsConfigValues copy = { 0 };
  guint n_settings;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);

  for (guint i = 0; i < n_settings; i++)
    {
      gconstpointer member = (char *) &copy + settings[i].offset;
      g_auto (GValue) value = G_VALUE_INIT;

      if (settings[i].type == LSOBS_SETTING_TEXT)
        {
          g_value_init (&value, G_TYPE_STRING);
          g_value_set_static_string (&value, "/text");
        }
      else if (settings[i].type == LSOBS_SETTING_NUMBER)
        {
          g_value_init (&value, G_TYPE_INT64);
          g_value_set_int64 (&value, settings[i].maximum);
        }
      else
        continue;
      _lsobs_config_set_setting (config, &settings[i], &value);
      _lsobs_config_copy_values (config, &copy);
      if (settings[i].is_secret)
        g_assert_null (*(char *const *) member);
      else if (settings[i].type == LSOBS_SETTING_TEXT)
        g_assert_cmpstr (*(char *const *) member, ==, "/text");
      else
        g_assert_cmpint (*(const gint64 *) member, ==, settings[i].maximum);
      _lsobs_config_clear_values (&copy);
      memset (&copy, 0, sizeof copy);
    }
}

/* --- README --- */

static void
test_variables (void)
{
  g_autoptr (GPtrArray) rows = load_table (VARIABLES_HEADER);
  guint n_settings;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < rows->len; i++)
    {
      GStrv cells = g_ptr_array_index (rows, i);
      g_auto (GStrv) variables = split_names (cells[1]);
      g_auto (GStrv) names = split_names (cells[2]);
      gboolean older = strstr (cells[1], "(no `LANGCHAIN_…`)") == NULL;

      for (guint k = 0; names[k] != NULL; k++)
        {
          const LsobsSetting *setting = _lsobs_config_find_setting (names[k]);
          /* with several properties, each has one variable */
          const char *const alone[] = { variables[k], NULL };
          gboolean single = g_strv_length (names) == 1;
          g_autofree char *listed = shorten (single ? (const char *const *) variables : alone);
          g_autofree char *expected = shorten (setting->variables);

          g_assert_cmpstr (listed, ==, expected);
          g_assert_true (has_older_name (setting) == older);
          g_assert_true ((setting->variable_factor == 1024 * 1024) ==
                         (strstr (cells[2], "in MiB") != NULL));
          g_assert_true (g_hash_table_add (seen, (gpointer) setting));
        }
    }
  for (guint i = 0; i < n_settings; i++)
    if (settings[i].variables[0] != NULL && !g_hash_table_contains (seen, &settings[i]))
      g_error ("add `%s` for `%s` to the table “%s” in README", settings[i].variables[0],
               settings[i].name, VARIABLES_HEADER);
}

/* Returns: (transfer full): what README may call the default */
static char *
describe_default (const LsobsSetting *setting)
{
  const gint64 mebibyte = 1024 * 1024;
  const char *unit = setting->unit != NULL ? setting->unit : "";

  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      return setting->initial_text != NULL ? g_strdup_printf ("`%s`", setting->initial_text)
                                           : g_strdup ("none");
    case LSOBS_SETTING_SWITCH:
      return g_strdup (setting->initial ? "true" : "false");
    case LSOBS_SETTING_NUMBER:
      if (strcmp (unit, "bytes") == 0 && setting->initial % mebibyte == 0)
        return g_strdup_printf ("%" G_GINT64_FORMAT " MiB", setting->initial / mebibyte);
      return g_strdup_printf ("%" G_GINT64_FORMAT "%s", setting->initial,
                              strcmp (unit, "ms") == 0 ? " ms" : "");
    case LSOBS_SETTING_SHARE:
      return g_strdup_printf ("%" G_GINT64_FORMAT ".0", setting->initial);
    case LSOBS_SETTING_CHOICE:
      {
        g_autoptr (GEnumClass) klass = g_type_class_ref (setting->get_type ());

        return g_strdup (g_enum_get_value (klass, (int) setting->initial)->value_nick);
      }
    case LSOBS_SETTING_OBJECT:
    default:
      return g_strdup ("none");
    }
}

static void
test_defaults (void)
{
  g_autoptr (GPtrArray) rows = load_table (DEFAULTS_HEADER);
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  guint n_settings;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);

  for (guint i = 0; i < rows->len; i++)
    {
      GStrv cells = g_ptr_array_index (rows, i);
      g_auto (GStrv) names = split_names (cells[1]);

      g_assert_nonnull (names[0]);
      for (guint k = 0; names[k] != NULL; k++)
        {
          const LsobsSetting *setting = _lsobs_config_find_setting (names[k]);
          g_autofree char *expected = describe_default (setting);

          g_assert_true (g_hash_table_add (seen, (gpointer) setting));
          if (strcmp (cells[2], expected) != 0)
            g_error ("README says that %s is %s, not %s", setting->name, cells[2], expected);
        }
    }
  for (guint i = 0; i < n_settings; i++)
    if (!g_hash_table_contains (seen, &settings[i]))
      g_error ("add `%s` to the table “%s” in README", settings[i].name, DEFAULTS_HEADER);
}

/* --- comments --- */

/* Returns: (transfer full): the comment of a symbol, in one line */
static char *
load_comment (const char *path, const char *symbol)
{
  g_autofree char *text = load (path);
  g_autofree char *title = g_strdup_printf ("* %s:\n", symbol);
  g_autoptr (GRegex) breaks = g_regex_new ("\\s*\\n\\s*\\*?\\s*", 0, 0, NULL);
  char *start = strstr (text, title);
  char *end;

  g_assert_nonnull (start);
  end = strstr (start, "*/");
  g_assert_nonnull (end);
  return g_regex_replace_literal (breaks, start, end - start, 0, " ", 0, NULL);
}

/* The comment of a property tells the range of a number. */
static void
test_ranges (void)
{
  guint n_settings;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);

  for (guint i = 0; i < n_settings; i++)
    {
      g_autofree char *symbol = g_strdup_printf ("LsobsConfig:%s", settings[i].name);
      g_autofree char *comment = load_comment ("lsobs/config/lsobs-config.c", symbol);
      g_autofree char *pattern = NULL;

      if (settings[i].type != LSOBS_SETTING_NUMBER)
        continue;
      pattern = g_strdup_printf ("(?i)from %" G_GINT64_FORMAT "\\b[^.]* to %" G_GINT64_FORMAT
                                 "\\b|At least %" G_GINT64_FORMAT "\\b",
                                 settings[i].minimum, settings[i].maximum, settings[i].minimum);
      if (!g_regex_match_simple (pattern, comment, 0, 0))
        g_error ("the range of %s is not in “%s”", settings[i].name, comment);
    }
}

/* The comment of the function that reads them names all variables, most without their prefix. */
static void
test_variable_list (void)
{
  g_autofree char *comment =
      load_comment ("lsobs/config/lsobs-config-sources.c", "lsobs_config_new_from_environment");
  guint n_settings;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);

  for (guint i = 0; i < n_settings; i++)
    for (guint k = 0; settings[i].variables[k] != NULL; k++)
      {
        const char *name = settings[i].variables[k];
        const char *bare = strchr (name, '_') + 1;
        g_autofree char *full = g_strdup_printf ("`%s`", name);
        g_autofree char *part = g_strdup_printf ("`%s`", bare);

        if (strstr (comment, full) == NULL && strstr (comment, part) == NULL)
          g_error ("add `%s` to the comment of lsobs_config_new_from_environment () in "
                   "lsobs/config/lsobs-config-sources.c",
                   name);
      }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/setting-table/properties", test_properties);
  g_test_add_func ("/setting-table/accessors", test_accessors);
  g_test_add_func ("/setting-table/copy", test_copy);
  g_test_add_func ("/setting-table/variables", test_variables);
  g_test_add_func ("/setting-table/defaults", test_defaults);
  g_test_add_func ("/setting-table/ranges", test_ranges);
  g_test_add_func ("/setting-table/variable-list", test_variable_list);

  return g_test_run ();
}
