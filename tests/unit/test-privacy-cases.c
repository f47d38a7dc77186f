/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/test-utils.h"

/* What must not be in what is sent, and what must come out as it is, whatever form it has. The cases
 * are in tests/data/privacy.json: settings, and a payload that need not be JSON. In its texts, `~` is
 * nothing, so that nothing in the file looks like a secret. */

/* Returns: (transfer full): a text of the file */
static char *
dup_text (JsonObject *object, const char *member)
{
  g_auto (GStrv) parts = NULL;

  if (!json_object_has_member (object, member))
    return NULL;
  parts = g_strsplit (json_object_get_string_member (object, member), "~", -1);
  return g_strjoinv ("", parts);
}

/* @settings: (nullable): NULL: all of them, with names and rules that are used often */
static LsobsConfig *
make_config (JsonObject *settings)
{
  static const char *const keys[] = { "password",      "api_key", "token",
                                      "authorization", "key_id",  "secret" };
  LsobsConfig *config = lsobs_config_new (NULL, NULL);

  lsobs_config_set_flush_interval (config, 3600 * 1000);
  if (settings == NULL)
    {
      for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        lsobs_config_add_redact_key (config, keys[i]);
      lsobs_config_add_redact_rule (config, "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}",
                                    NULL);
      lsobs_config_set_redact_pairs (config, TRUE);
      lsobs_config_set_redact_secrets (config, TRUE);
      return config;
    }
  if (json_object_has_member (settings, "key"))
    lsobs_config_add_redact_key (config, json_object_get_string_member (settings, "key"));
  if (json_object_has_member (settings, "rule"))
    lsobs_config_add_redact_rule (config, json_object_get_string_member (settings, "rule"), NULL);
  lsobs_config_set_redact_pairs (config, json_object_has_member (settings, "pairs"));
  lsobs_config_set_redact_secrets (config, json_object_has_member (settings, "secrets"));
  return config;
}

/* Returns: (transfer full): what becomes of a payload */
static char *
sanitize (LsobsConfig *config, const char *payload, gboolean wrap)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsSettings) settings = _lsobs_settings_new (config, LSOBS_SETTINGS_ANY, &error);
  const LsobsSanitizeOptions options = { .redactor = settings->redactor, .wrap = wrap };
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) again = LSOBS_BUFFER_INIT;

  g_assert_no_error (error);
  _lsobs_json_sanitize (&out, payload, strlen (payload), &options);

  /* A second pass finds nothing more. */
  g_assert_true (_lsobs_json_sanitize (&again, out.data, out.len, &options));
  if (again.len != out.len || memcmp (again.data, out.data, out.len) != 0)
    g_error ("%.*s becomes %.*s", (int) out.len, out.data, (int) again.len, again.data);
  return g_strndup (out.data, out.len);
}

/* Sends a run with the payload in each place for one.
 * Returns: (transfer full): the inputs, outputs and metadata that were sent, as JSON */
static char *
send (LsobsConfig *config, const char *payload)
{
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GBytes) bytes = g_bytes_new (payload, strlen (payload));
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_autoptr (GString) sent = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  g_assert_no_error (error);
  run = lsobs_observer_start_run_bytes (observer, "run", LSOBS_RUN_TYPE_TOOL, bytes);
  lsobs_run_set_metadata_string (run, "text", payload);
  lsobs_run_end_bytes (run, bytes);
  lsobs_observer_flush (observer, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, >, 0);
  for (guint i = 0; i < events->len; i++)
    {
      JsonNode *nodes[] = {
        lsobs_run_event_get_inputs (events->pdata[i]),
        lsobs_run_event_get_outputs (events->pdata[i]),
        lsobs_run_event_get_extra (events->pdata[i]),
      };

      for (guint j = 0; j < G_N_ELEMENTS (nodes); j++)
        {
          g_autofree char *text = nodes[j] != NULL ? json_to_string (nodes[j], FALSE) : NULL;

          g_string_append_printf (sent, "%s\n", text != NULL ? text : "");
        }
    }
  test_shut_down (lsobs_observer_get_exporter (observer), TEST_TIMEOUT_MS);
  return g_string_free (g_steal_pointer (&sent), FALSE);
}

static void
assert_hidden (const char *text, const char *gone, const char *kept)
{
  g_test_message ("%s", text);
  if (strstr (text, gone) != NULL)
    g_error ("“%s” is in %s", gone, text);
  if (kept != NULL && strstr (text, kept) == NULL)
    g_error ("“%s” is not in %s", kept, text);
}

static void
test_hidden (gconstpointer data)
{
  JsonObject *row = (JsonObject *) data;
  g_autoptr (LsobsConfig) config = make_config (json_object_get_object_member (row, "settings"));
  g_autofree char *payload = dup_text (row, "payload");
  g_autofree char *gone = dup_text (row, "gone");
  g_autofree char *kept = dup_text (row, "kept");
  g_autofree char *unwrapped = sanitize (config, payload, FALSE);
  g_autofree char *wrapped = sanitize (config, payload, TRUE);
  g_autofree char *sent = send (config, payload);

  assert_hidden (unwrapped, gone, kept);
  assert_hidden (wrapped, gone, kept);
  assert_hidden (sent, gone, kept);
}

/* All settings at once leave it as it is. */
static void
test_harmless (gconstpointer data)
{
  JsonObject *row = (JsonObject *) data;
  g_autoptr (LsobsConfig) config = make_config (NULL);
  g_autofree char *payload = dup_text (row, "payload");
  g_autofree char *text = sanitize (config, payload, FALSE);
  g_autofree char *sent = send (config, payload);

  g_assert_cmpstr (text, ==, payload);
  g_assert_null (strstr (sent, "[REDACTED]"));
  g_assert_null (strstr (sent, "[SECRET_DETECTED]"));
}

static void
add_rows (JsonObject *all, const char *member, GTestDataFunc test)
{
  JsonArray *rows = json_object_get_array_member (all, member);

  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = json_array_get_object_element (rows, i);
      g_autofree char *path = g_strdup_printf ("/privacy-cases/%s/%s", member,
                                               json_object_get_string_member (row, "name"));

      g_test_add_data_func (g_strdelimit (path, " ,", '-'), row, test);
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GBytes) text = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *all;

  g_test_init (&argc, &argv, NULL);
  g_test_summary ("What redaction hides, and what it leaves as it is.");

  text = test_data_load ("privacy.json");
  g_assert_true (json_parser_load_from_data (parser, g_bytes_get_data (text, NULL),
                                             (gssize) g_bytes_get_size (text), NULL));
  all = json_node_get_object (json_parser_get_root (parser));
  add_rows (all, "hidden", test_hidden);
  add_rows (all, "harmless", test_harmless);
  return g_test_run ();
}
