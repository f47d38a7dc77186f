/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sys/wait.h>
#include <unistd.h>

#include <lsobs/lsobs.h>

#include "tests/lib/test-utils.h"

/* Who forks may hold a lock that the function waits for. */

typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean entered;
  gboolean forked;
} ForkData;

static JsonNode *
wait_for_fork_cb (const char *field, JsonNode *value, gpointer user_data)
{
  ForkData *data = user_data;

  g_mutex_lock (&data->lock);
  data->entered = TRUE;
  g_cond_broadcast (&data->cond);
  while (!data->forked)
    g_cond_wait (&data->cond, &data->lock);
  g_mutex_unlock (&data->lock);
  return json_node_ref (value);
}

static void
test_func (void)
{
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (JsonNode) inputs = json_from_string ("{}", NULL);
  g_autoptr (LsobsRun) run = NULL;
  LsobsObserver *observer;
  ForkData data = { .entered = FALSE };
  int status;
  pid_t child;

  g_mutex_init (&data.lock);
  g_cond_init (&data.cond);
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_redact_func (config, wait_for_fork_cb, &data, NULL);
  observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);
  run = lsobs_observer_start_run (observer, "run", LSOBS_RUN_TYPE_CHAIN, inputs);
  lsobs_observer_flush_async (observer, TEST_TIMEOUT_MS, NULL, test_result_cb, &result);

  g_mutex_lock (&data.lock);
  while (!data.entered)
    g_cond_wait (&data.cond, &data.lock);
  child = fork ();
  if (child == 0)
    _exit (0);
  g_assert_cmpint (child, >, 0);
  data.forked = TRUE;
  g_cond_broadcast (&data.cond);
  g_mutex_unlock (&data.lock);

  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (lsobs_observer_flush_finish (observer, test_result_wait (&result), NULL, NULL));
  test_result_clear (&result);
  g_assert_cmpuint (lsobs_memory_transport_get_n_batches (transport), ==, 1);
  g_clear_pointer (&run, lsobs_run_unref);
  g_assert_finalize_object (observer);
  g_mutex_clear (&data.lock);
  g_cond_clear (&data.cond);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/privacy/fork/func", test_func);

  return g_test_run ();
}
