/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "agent-tools.h"

#include <gio/gio.h>

#include "calculator.h"
#include "json-readers.h"

#define DESCRIPTIONS \
 "[{\"type\":\"function\",\"function\":{\"name\":\"calculator\"," \
 "\"description\":\"Computes an expression of numbers, + - * / and parentheses.\"," \
 "\"parameters\":{\"type\":\"object\",\"required\":[\"expression\"],\"properties\":{" \
 "\"expression\":{\"type\":\"string\",\"description\":\"such as (2 + 3) * 4\"}}}}}," \
 "{\"type\":\"function\",\"function\":{\"name\":\"clock\"," \
 "\"description\":\"Tells the date and the time.\"," \
 "\"parameters\":{\"type\":\"object\",\"properties\":{" \
 "\"timezone\":{\"type\":\"string\",\"description\":\"such as Europe/Berlin; UTC when left out\"}}}}}]"

JsonNode *
agent_tools_describe (void)
{
  return json_from_string (DESCRIPTIONS, NULL);
}

static gboolean
run_calculator (JsonObject *args, JsonObject *result, GError **error)
{
  const char *expression = get_string (args, "expression");
  double value = 0;

  if (expression == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "there is no expression");
      return FALSE;
    }
  if (!calculator_evaluate (expression, &value, error))
    return FALSE;

  /* 20, not 20.0, wherever a double is exact. */
  if (ABS (value) < 1e15 && value == (double) (gint64) value)
    json_object_set_int_member (result, "result", (gint64) value);
  else
    json_object_set_double_member (result, "result", value);

  return TRUE;
}

static gboolean
run_clock (JsonObject *args, JsonObject *result, GError **error)
{
  const char *name = get_string (args, "timezone");
  g_autoptr (GTimeZone) zone = g_time_zone_new_identifier (name != NULL ? name : "UTC");
  g_autoptr (GDateTime) now = NULL;
  g_autofree char *text = NULL;

  if (zone == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "unknown time zone %s", name);
      return FALSE;
    }

  now = g_date_time_new_now (zone);
  text = g_date_time_format_iso8601 (now);
  json_object_set_string_member (result, "time", text);

  return TRUE;
}

JsonNode *
agent_tools_run (const char *name, JsonNode *args)
{
  JsonObject *result = json_object_new ();
  g_autoptr (GError) error = NULL;

  if (as_object (args) == NULL)
    g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         "the arguments are no JSON object");
  else if (g_str_equal (name, "calculator"))
    run_calculator (json_node_get_object (args), result, &error);
  else if (g_str_equal (name, "clock"))
    run_clock (json_node_get_object (args), result, &error);
  else
    g_set_error (&error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no tool named %s", name);

  if (error != NULL)
    json_object_set_string_member (result, "error", error->message);

  return new_object_node (result);
}
