/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sends one run to the service that the environment names. */
#include <locale.h>
#include <lsobs/lsobs.h>

int
main (void)
{
  setlocale (LC_ALL, "");

  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsConfig) config = lsobs_config_new_from_environment (&error);
  g_autoptr (LsobsObserver) observer = config ? lsobs_observer_new (config, &error) : NULL;
  g_autoptr (JsonNode) question = json_from_string ("{\"question\": \"6 * 7?\"}", NULL);
  g_autoptr (JsonNode) answer = json_from_string ("{\"answer\": 42}", NULL);
  g_autoptr (LsobsRun) run = NULL;

  if (observer == NULL)
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  run = lsobs_observer_start_run (observer, "first-trace", LSOBS_RUN_TYPE_CHAIN, question);
  lsobs_run_end (run, answer);
  if (!lsobs_observer_flush (observer, 5000, NULL, &error))
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  return 0;
}
