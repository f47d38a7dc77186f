/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-config-private.h"

/* The table of settings agrees with the properties, and with the tables and comments that describe
 * the settings. */

#define GUIDE            "docs/reference/guide-settings.xml"
#define TABLE_VARIABLES  "table-variables"
#define TABLE_PROPERTIES "table-properties"

/* The largest number of bytes that a setting may be. */
#define SIZE_LIMIT ((gint64) (G_MAXSSIZE / 2 + 1))

/* What is read of a table of the guide. */
typedef struct
{
  const char *id;
  gboolean inside;
  GPtrArray *rows; /* (element-type GStrv) */
  GPtrArray *row;  /* (nullable) (element-type utf8): the cells of the row that is open */
  GString *cell;   /* (nullable): the cell that is open */
} TableReader;

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

static void
start_element_cb (GMarkupParseContext *context,
                  const char *element,
                  const char **names,
                  const char **values,
                  gpointer user_data,
                  GError **error)
{
  TableReader *reader = user_data;

  if (strcmp (element, "informaltable") == 0)
    for (guint i = 0; names[i] != NULL; i++)
      if (strcmp (names[i], "id") == 0 && strcmp (values[i], reader->id) == 0)
        reader->inside = TRUE;
  if (reader->inside && strcmp (element, "row") == 0)
    reader->row = g_ptr_array_new ();
  if (reader->inside && strcmp (element, "entry") == 0)
    reader->cell = g_string_new (NULL);
}

static void
end_element_cb (GMarkupParseContext *context,
                const char *element,
                gpointer user_data,
                GError **error)
{
  TableReader *reader = user_data;

  if (strcmp (element, "informaltable") == 0)
    reader->inside = FALSE;
  else if (reader->row != NULL && strcmp (element, "row") == 0)
    {
      g_ptr_array_add (reader->row, NULL);
      g_ptr_array_add (reader->rows, g_ptr_array_free (reader->row, FALSE));
      reader->row = NULL;
    }
  else if (reader->cell != NULL && strcmp (element, "entry") == 0)
    {
      g_autofree char *text = g_string_free (reader->cell, FALSE);
      g_autoptr (GRegex) space = g_regex_new ("\\s+", 0, 0, NULL);

      g_ptr_array_add (reader->row,
                       g_strstrip (g_regex_replace_literal (space, text, -1, 0, " ", 0, NULL)));
      reader->cell = NULL;
    }
}

static void
text_cb (GMarkupParseContext *context,
         const char *text,
         gsize len,
         gpointer user_data,
         GError **error)
{
  TableReader *reader = user_data;

  if (reader->cell != NULL)
    g_string_append_len (reader->cell, text, (gssize) len);
}

/* Returns: (transfer full) (element-type GStrv): the text of each cell of each row of a table in the
 * guide, without its head */
static GPtrArray *
load_table (const char *id)
{
  const GMarkupParser parser = { .start_element = start_element_cb,
                                 .end_element = end_element_cb,
                                 .text = text_cb };
  g_autofree char *text = load (GUIDE);
  GPtrArray *rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  TableReader reader = { .id = id, .rows = rows };
  g_autoptr (GMarkupParseContext) context =
      g_markup_parse_context_new (&parser, G_MARKUP_DEFAULT_FLAGS, &reader, NULL);
  g_autoptr (GError) error = NULL;

  g_markup_parse_context_parse (context, text, -1, &error);
  g_assert_no_error (error);
  g_markup_parse_context_end_parse (context, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (rows->len, >, 10);
  g_ptr_array_remove_index (rows, 0);
  return rows;
}

/* Returns: (transfer none): the setting that a row is about; each has one row */
static const LsobsSetting *
find_row_setting (const char *name, GHashTable *seen)
{
  const LsobsSetting *setting = _lsobs_config_find_setting (name);

  if (setting == NULL)
    g_error (GUIDE " names “%s”, which is no property", name);
  if (!g_hash_table_add (seen, (gpointer) setting))
    g_error (GUIDE " has two rows for %s", name);
  return setting;
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

/* --- the guide --- */

/* Returns: (transfer none): the unit of a variable, as its row calls it */
static const char *
describe_variable_unit (const LsobsSetting *setting)
{
  const char *unit = setting->unit != NULL ? setting->unit : "";

  if (setting->variable_factor == 1024 * 1024)
    return "MiB";
  if (setting->variable_factor == 3600 * 1000)
    return "hours";
  if (strcmp (unit, "ms") == 0)
    return "milliseconds";
  return unit;
}

/* A variable is found by its full name, with each prefix that it may have. */
static void
test_variables (void)
{
  g_autoptr (GPtrArray) rows = load_table (TABLE_VARIABLES);
  guint n_settings;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < rows->len; i++)
    {
      GStrv cells = g_ptr_array_index (rows, i);
      const LsobsSetting *setting = find_row_setting (cells[1], seen);
      g_autofree char *expected = g_strjoinv (", ", (GStrv) setting->variables);

      g_assert_cmpstr (cells[0], ==, expected);
      if (strstr (cells[2], describe_variable_unit (setting)) == NULL)
        g_error (GUIDE " does not say that %s is in %s", cells[0],
                 describe_variable_unit (setting));
    }
  for (guint i = 0; i < n_settings; i++)
    if (settings[i].variables[0] != NULL && !g_hash_table_contains (seen, &settings[i]))
      g_error ("add %s for %s to the table “%s” of " GUIDE, settings[i].variables[0],
               settings[i].name, TABLE_VARIABLES);
}

/* Returns: (transfer full): what the guide calls the default */
static char *
describe_default (const LsobsSetting *setting)
{
  const gint64 mebibyte = 1024 * 1024;
  const char *unit = setting->unit != NULL ? setting->unit : "";

  switch (setting->type)
    {
    case LSOBS_SETTING_TEXT:
      return setting->initial_text != NULL ? g_strdup (setting->initial_text) : g_strdup ("none");
    case LSOBS_SETTING_SWITCH:
      return g_strdup (setting->initial ? "true" : "false");
    case LSOBS_SETTING_NUMBER:
      if (strcmp (unit, "bytes") == 0 && setting->initial % mebibyte == 0)
        return g_strdup_printf ("%" G_GINT64_FORMAT " MiB", setting->initial / mebibyte);
      return g_strdup_printf ("%" G_GINT64_FORMAT "%s%s", setting->initial,
                              *unit != '\0' ? " " : "", unit);
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

/* Returns: (transfer full): the nicks of an enumeration, with commas between them */
static char *
describe_choices (const LsobsSetting *setting)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (setting->get_type ());
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < klass->n_values; i++)
    g_string_append_printf (list, "%s%s", i > 0 ? ", " : "", klass->values[i].value_nick);
  return g_string_free (list, FALSE);
}

/* Returns: (transfer full) (nullable): what the guide calls the values, or %NULL for any words */
static char *
describe_values (const LsobsSetting *setting, gboolean is_open)
{
  const char *unit = setting->unit != NULL ? setting->unit : "";
  const char *gap = *unit != '\0' ? " " : "";

  if (setting->type == LSOBS_SETTING_SWITCH)
    return g_strdup ("true, false");
  if (setting->type == LSOBS_SETTING_CHOICE)
    return describe_choices (setting);
  if (setting->type != LSOBS_SETTING_NUMBER && setting->type != LSOBS_SETTING_SHARE)
    return NULL;
  if (is_open && setting->minimum == 1 && strcmp (unit, "bytes") == 0)
    return g_strdup ("at least 1 byte");
  if (is_open)
    return g_strdup_printf ("at least %" G_GINT64_FORMAT "%s%s", setting->minimum, gap, unit);
  return g_strdup_printf ("%" G_GINT64_FORMAT " to %" G_GINT64_FORMAT "%s%s", setting->minimum,
                          setting->maximum, gap, unit);
}

static void
test_defaults (void)
{
  g_autoptr (GPtrArray) rows = load_table (TABLE_PROPERTIES);
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  guint n_settings;
  const LsobsSetting *settings = _lsobs_config_get_settings (&n_settings);

  for (guint i = 0; i < rows->len; i++)
    {
      GStrv cells = g_ptr_array_index (rows, i);
      const LsobsSetting *setting = find_row_setting (cells[0], seen);
      g_autofree char *initial = describe_default (setting);
      gboolean is_open = setting->maximum == G_MAXINT64 / 2 || setting->maximum == SIZE_LIMIT;
      g_autofree char *values = describe_values (setting, is_open);
      g_autofree char *range = describe_values (setting, FALSE);

      if (strcmp (cells[1], initial) != 0)
        g_error (GUIDE " says that %s is %s, not %s", setting->name, cells[1], initial);
      /* With 32 bits, the limit of memory is also a limit that the guide names. */
      if (GLIB_SIZEOF_VOID_P < 8 && setting->maximum == SIZE_LIMIT && strcmp (cells[2], range) == 0)
        continue;
      if (values != NULL && strcmp (cells[2], values) != 0)
        g_error (GUIDE " says that %s may be %s, not %s", setting->name, cells[2], values);
    }
  for (guint i = 0; i < n_settings; i++)
    if (!g_hash_table_contains (seen, &settings[i]))
      g_error ("add %s to the table “%s” of " GUIDE, settings[i].name, TABLE_PROPERTIES);
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
