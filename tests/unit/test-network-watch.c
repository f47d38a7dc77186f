/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A change of the network may bring the next probe forward. What tells of it lives in a thread of its own,
 * and leaves nothing behind. */

#include "config.h"

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/core/lsobs-network-watch-private.h"

#include "tests/lib/fork-helpers.h"
#include "tests/lib/test-helpers.h"
#include "tests/lib/test-proxy-server.h"

/* In ms. So many probes take longer than the test waits, unless they are brought forward: half of their
 * growing distances is chance, and adds up to more than 36 s. */
#define FIRST_PROBE 300
#define N_PROBES    10

/* --- a monitor that changes on command ------------------------------------------------------- */

#define TEST_TYPE_MONITOR (test_monitor_get_type ())
G_DECLARE_FINAL_TYPE (TestMonitor, test_monitor, TEST, MONITOR, GObject)

struct _TestMonitor
{
  GObject parent_instance;

  GSource *source; /* (owned) in the context of the thread that has made it */
};

enum
{
  PROP_NETWORK_AVAILABLE = 1,
  PROP_NETWORK_METERED,
  PROP_CONNECTIVITY
};

static int n_monitors;          /* (atomic) that live */
static int n_changes;           /* (atomic) to be told by each */
static GThread *monitor_thread; /* (atomic) that has made the last one */

static gboolean is_absent; /* (atomic) no monitor can be made */
static int n_absent;       /* (atomic) how many could not be made */

static gboolean
fail_init (GInitable *initable G_GNUC_UNUSED,
           GCancellable *cancellable G_GNUC_UNUSED,
           GError **error)
{
  g_atomic_int_inc (&n_absent);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "there is no monitor");
  return FALSE;
}

static gboolean
test_monitor_init_now (GInitable *initable, GCancellable *cancellable, GError **error)
{
  return !g_atomic_int_get (&is_absent) || fail_init (initable, cancellable, error);
}

static void
test_monitor_initable_init (GInitableIface *iface)
{
  iface->init = test_monitor_init_now;
}

static void
test_monitor_iface_init (GNetworkMonitorInterface *iface G_GNUC_UNUSED)
{
}

G_DEFINE_FINAL_TYPE_WITH_CODE (TestMonitor,
                               test_monitor,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, test_monitor_initable_init)
                                   G_IMPLEMENT_INTERFACE (G_TYPE_NETWORK_MONITOR,
                                                          test_monitor_iface_init))

static void
test_monitor_get_property (GObject *object G_GNUC_UNUSED,
                           guint prop_id,
                           GValue *value,
                           GParamSpec *pspec G_GNUC_UNUSED)
{
  if (prop_id == PROP_NETWORK_AVAILABLE)
    g_value_set_boolean (value, TRUE);
}

static void
test_monitor_finalize (GObject *object)
{
  TestMonitor *self = TEST_MONITOR (object);

  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_atomic_int_add (&n_monitors, -1);

  G_OBJECT_CLASS (test_monitor_parent_class)->finalize (object);
}

static void
test_monitor_class_init (TestMonitorClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = test_monitor_get_property;
  object_class->finalize = test_monitor_finalize;
  g_object_class_override_property (object_class, PROP_NETWORK_AVAILABLE, "network-available");
  g_object_class_override_property (object_class, PROP_NETWORK_METERED, "network-metered");
  g_object_class_override_property (object_class, PROP_CONNECTIVITY, "connectivity");
}

/* Called in the thread of the monitor. */
static gboolean
change_cb (gpointer user_data)
{
  if (g_atomic_int_get (&n_changes) > 0 && g_atomic_int_add (&n_changes, -1) > 0)
    g_signal_emit_by_name (user_data, "network-changed", TRUE);
  return G_SOURCE_CONTINUE;
}

static void
test_monitor_init (TestMonitor *self)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  g_atomic_int_inc (&n_monitors);
  g_atomic_pointer_set (&monitor_thread, g_thread_self ());
  self->source = g_timeout_source_new (5);
  g_source_set_callback (self->source, change_cb, self, NULL);
  g_source_attach (self->source, context);
}

/* --- alone ----------------------------------------------------------------------------------- */

static void
count_cb (gpointer user_data)
{
  g_atomic_int_inc ((int *) user_data);
}

static gboolean
has_counted (gpointer data)
{
  return g_atomic_int_get ((int *) data) > 0;
}

static void
test_told (void)
{
  int n_told = 0;
  LsobsNetworkWatch *watch = _lsobs_network_watch_new (count_cb, &n_told);

  g_assert_nonnull (watch);
  g_atomic_int_set (&n_changes, 1);
  g_assert_true (test_wait_until (has_counted, &n_told, TEST_TIMEOUT_MS));
  g_assert_true (g_atomic_pointer_get (&monitor_thread) != g_thread_self ());
  _lsobs_network_watch_free (watch);
  g_assert_cmpint (g_atomic_int_get (&n_monitors), ==, 0);
}

/* It may end before it has begun. */
static void
test_many (void)
{
  int n_told = 0;

  for (guint i = 0; i < 100; i++)
    _lsobs_network_watch_free (_lsobs_network_watch_new (count_cb, &n_told));
  g_assert_cmpint (g_atomic_int_get (&n_monitors), ==, 0);
  g_assert_cmpint (n_told, ==, 0);
}

/* --- while the service is away ----------------------------------------------------------------- */

static void
set_up (TestFixture *fixture, gconstpointer data)
{
  test_fixture_set_up (fixture, data);
  lsobs_config_set_max_attempts (fixture->config, 1);
}

static gboolean
has_monitor (gpointer data G_GNUC_UNUSED)
{
  return g_atomic_int_get (&n_monitors) > 0;
}

static gboolean
has_no_monitor (gpointer data G_GNUC_UNUSED)
{
  return g_atomic_int_get (&n_monitors) == 0;
}

static gboolean
has_more_requests (gpointer data)
{
  return test_get_counter (data, LSOBS_COUNTER_REQUESTS) >= N_PROBES;
}

/* The network changes: the probe comes before its time. */
static void
test_hastened (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_api_url (fixture->config, "https://lsobs.invalid");
  fixture->config->first_probe = FIRST_PROBE;
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "run");
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  g_assert_true (test_wait_until (has_monitor, NULL, TEST_TIMEOUT_MS));
  g_atomic_int_set (&n_changes, G_MAXINT);
  g_assert_true (test_wait_until (has_more_requests, fixture->exporter, TEST_TIMEOUT_MS));
  g_atomic_int_set (&n_changes, 0);
  g_assert_cmpuint (test_log_count (), ==, 1);
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 1000, NULL, NULL));
  g_assert_cmpint (g_atomic_int_get (&n_monitors), ==, 0);
}

/* The last reference goes while it is watched. */
static void
test_last_unref (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  lsobs_config_set_api_url (fixture->config, "https://lsobs.invalid");
  lsobs_config_set_shutdown_timeout (fixture->config, 100);
  fixture->config->first_probe = TEST_NEVER_MS;
  test_fixture_start (fixture);
  test_emit (fixture->exporter, "run");
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  g_assert_true (test_wait_until (has_monitor, NULL, TEST_TIMEOUT_MS));
  g_atomic_int_set (&n_changes, G_MAXINT);
  test_fixture_stop (fixture);
  g_atomic_int_set (&n_changes, 0);
  g_assert_true (test_wait_until (has_no_monitor, NULL, TEST_TIMEOUT_MS));
}

/* The watch is the parent's: a child begins without one, and ends without it. */
static void
child_sends (RunFixture *fixture, gpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  child_assert (lsobs_observer_get_state (fixture->observer) == LSOBS_STATE_OK);
  run = lsobs_observer_start_run (fixture->observer, "child", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  child_assert (!lsobs_exporter_flush (fixture->exporter, TEST_TIMEOUT_MS, NULL, NULL));
  child_assert (lsobs_observer_get_state (fixture->observer) == LSOBS_STATE_PAUSED);
  child_assert (!lsobs_exporter_shutdown (fixture->exporter, 1000, NULL, NULL));
  g_clear_pointer (&run, lsobs_run_unref);
  g_clear_object (&fixture->observer);
  g_clear_object (&fixture->exporter);
}

static void
test_fork (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  if (fork_skip ())
    return;
  lsobs_config_set_api_url (fixture->config, "https://lsobs.invalid");
  lsobs_config_set_max_attempts (fixture->config, 1);
  fixture->config->first_probe = TEST_NEVER_MS;
  run_fixture_start (fixture);
  run = lsobs_observer_start_run (fixture->observer, "parent", LSOBS_RUN_TYPE_CHAIN, NULL);
  lsobs_run_end (run, NULL);
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  g_assert_true (test_wait_until (has_monitor, NULL, TEST_TIMEOUT_MS));
  for (guint i = 0; i < 3; i++)
    fork_run (child_sends, fixture, NULL);
  g_assert_false (lsobs_exporter_shutdown (fixture->exporter, 1000, NULL, NULL));
  g_assert_true (test_wait_until (has_no_monitor, NULL, TEST_TIMEOUT_MS));
}

/* What is on this machine does not depend on any network. */
static void
test_loopback (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->config->first_probe = TEST_NEVER_MS;
  g_atomic_pointer_set (&monitor_thread, NULL);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503, .repeat = 2 });
  test_emit (fixture->exporter, "run");
  for (guint i = 0; i < 2; i++)
    g_error_free (test_flush_in_vain (fixture->exporter, 1));
  test_assert_flush (fixture->exporter, 1);
  g_assert_null (g_atomic_pointer_get (&monitor_thread));
}

/* --- no monitor ------------------------------------------------------------------------------- */

static gboolean
has_failed (gpointer data G_GNUC_UNUSED)
{
  return g_atomic_int_get (&n_absent) > 0;
}

static void
assert_silence (guint n_lines)
{
  g_assert_cmpuint (test_log_count (), ==, n_lines);
  g_assert_cmpuint (test_log_count_others (), ==, 0);
}

/* Nothing tells of a change, and nobody hears of that. */
static void
test_absent (void)
{
  int n_told = 0;
  LsobsNetworkWatch *watch;

  test_log_clear ();
  g_atomic_int_set (&n_absent, 0);
  g_atomic_int_set (&is_absent, TRUE);
  watch = _lsobs_network_watch_new (count_cb, &n_told);
  g_assert_nonnull (watch);
  g_assert_true (test_wait_until (has_failed, NULL, TEST_TIMEOUT_MS));
  _lsobs_network_watch_free (watch);
  for (guint i = 0; i < 100; i++)
    _lsobs_network_watch_free (_lsobs_network_watch_new (count_cb, &n_told));
  g_atomic_int_set (&is_absent, FALSE);
  g_assert_cmpint (g_atomic_int_get (&n_monitors), ==, 0);
  g_assert_cmpint (n_told, ==, 0);
  assert_silence (0);
}

/* The outage goes on by its own probes, until the service is back. The service is not on this
 * machine, as far as the library knows. */
static void
test_absent_outage (TestFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestProxy) proxy = test_proxy_new (test_server_get_port (fixture->server));
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", test_proxy_get_port (proxy));
  g_autoptr (TestEnv) env = test_env_new ();

  test_env_set (env, "http_proxy", url);
  lsobs_config_set_api_url (fixture->config, "http://lsobs.invalid");
  lsobs_config_set_allow_plain_http (fixture->config, TRUE);
  fixture->config->first_probe = 20;
  fixture->is_free = TRUE;
  g_atomic_int_set (&n_absent, 0);
  g_atomic_int_set (&is_absent, TRUE);
  test_fixture_start (fixture);
  test_server_push (fixture->server, NULL, (TestAnswer){ .status = 503, .repeat = -1 });
  test_emit (fixture->exporter, "run");
  g_error_free (test_flush_in_vain (fixture->exporter, 1));
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_PAUSED);
  g_assert_true (test_wait_until (has_failed, NULL, TEST_TIMEOUT_MS));
  g_assert_true (test_server_wait_requests (fixture->server, 4, TEST_TIMEOUT_MS));
  g_assert_cmpuint (test_get_total_dropped (fixture->exporter), ==, 0);
  assert_silence (1);

  test_server_clear (fixture->server);
  g_assert_true (test_wait_counter (fixture->exporter, LSOBS_COUNTER_DELIVERED, 1));
  test_emit (fixture->exporter, "later");
  test_assert_flush (fixture->exporter, 1);
  g_assert_cmpint (lsobs_observer_get_state (fixture->observer), ==, LSOBS_STATE_OK);
  g_assert_cmpint (g_atomic_int_get (&n_monitors), ==, 0);
  assert_silence (1);
  test_fixture_stop (fixture);
  g_atomic_int_set (&is_absent, FALSE);
}

/* None but ours can be made, whatever this machine has. */
static void
disable_others (void)
{
  GIOExtensionPoint *point = g_io_extension_point_lookup (G_NETWORK_MONITOR_EXTENSION_POINT_NAME);

  for (GList *l = g_io_extension_point_get_extensions (point); l != NULL; l = l->next)
    {
      /* never dropped, as what it changes is there for good */
      GTypeClass *klass = g_io_extension_ref_class (l->data);
      GInitableIface *iface = g_type_interface_peek (klass, G_TYPE_INITABLE);

      iface->init = fail_init;
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();
  /* Has GIO register what there is; ours goes first then. */
  g_proxy_resolver_get_default ();
  disable_others ();
  g_io_extension_point_implement (G_NETWORK_MONITOR_EXTENSION_POINT_NAME, TEST_TYPE_MONITOR,
                                  "lsobs-test", 1000);

  g_test_add_func ("/network-watch/told", test_told);
  g_test_add_func ("/network-watch/many", test_many);
  g_test_add ("/network-watch/hastened", TestFixture, NULL, set_up, test_hastened,
              test_fixture_tear_down);
  g_test_add ("/network-watch/last-unref", TestFixture, NULL, set_up, test_last_unref,
              test_fixture_tear_down);
  g_test_add ("/network-watch/fork", RunFixture, NULL, run_fixture_set_up, test_fork,
              run_fixture_tear_down);
  g_test_add ("/network-watch/loopback", TestFixture, NULL, set_up, test_loopback,
              test_fixture_tear_down);
  g_test_add_func ("/network-watch/absent", test_absent);
  g_test_add ("/network-watch/absent-outage", TestFixture, NULL, set_up, test_absent_outage,
              test_fixture_tear_down);

  return g_test_run ();
}
