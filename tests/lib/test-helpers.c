/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/test-helpers.h"

#ifndef __has_feature
# define __has_feature(feature) 0
#endif

gboolean
test_is_instrumented (void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return TRUE;
#else
  const char *preload = g_getenv ("LD_PRELOAD");

  return preload != NULL && strstr (preload, "vgpreload") != NULL;
#endif
}

gint64
test_get_slack_ms (void)
{
  return TEST_TIMEOUT_MS / 20 * 9;
}

gint64
test_get_elapsed_ms (gint64 start)
{
  return (g_get_monotonic_time () - start) / 1000;
}

/* --- fixture ------------------------------------------------------------------------------- */

void
test_fixture_set_up (TestFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  self->server = test_server_new ();
  self->config = lsobs_config_new (TEST_KEY, TEST_PROJECT);
  lsobs_config_set_api_url (self->config, test_server_get_url (self->server));
  lsobs_config_set_flush_interval (self->config, TEST_NEVER_MS);
  lsobs_config_set_retry_delay (self->config, 1);
  lsobs_config_set_request_timeout (self->config, TEST_TIMEOUT_MS);
  lsobs_config_set_shutdown_timeout (self->config, 300);
  test_log_clear ();
}

LsobsExporter *
test_fixture_start_with (TestFixture *self, LsobsTransport *transport, GMainContext *context)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (self->observer);
  self->observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", self->config,
                                   "transport", transport, "main-context", context, NULL);
  g_assert_no_error (error);
  g_set_object (&self->exporter, lsobs_observer_get_exporter (self->observer));

  return self->exporter;
}

LsobsExporter *
test_fixture_start_in (TestFixture *self, GMainContext *context)
{
  return test_fixture_start_with (self, NULL, context);
}

LsobsExporter *
test_fixture_start (TestFixture *self)
{
  return test_fixture_start_with (self, NULL, NULL);
}

void
test_shut_down (LsobsExporter *exporter, gint64 timeout)
{
  lsobs_exporter_shutdown (exporter, timeout, NULL, NULL);
}

void
test_fixture_stop (TestFixture *self)
{
  LsobsObserver *observer = g_steal_pointer (&self->observer);

  test_shut_down (lsobs_observer_get_exporter (observer),
                  lsobs_config_get_shutdown_timeout (self->config));
  g_assert_finalize_object (observer);
}

void
test_fixture_use_server (TestFixture *self, TestServer *server)
{
  test_server_free (self->server);
  self->server = server;
}

void
test_fixture_assert_delivers (TestFixture *self)
{
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  /* On a busy machine, a connection may take longer than its timeout. */
  lsobs_config_set_max_attempts (self->config, 50);
  exporter = test_fixture_start (self);
  test_emit (exporter, "one");
  for (guint i = 0; i < 20 && test_get_counter (exporter, LSOBS_COUNTER_DELIVERED) == 0; i++)
    {
      g_clear_error (&error);
      lsobs_exporter_flush (exporter, 8 * TEST_TIMEOUT_MS, NULL, &error);
    }
  g_assert_no_error (error);
  g_assert_cmpuint (test_get_counter (exporter, LSOBS_COUNTER_DELIVERED), ==, 1);
  g_assert_cmpuint (test_server_count_ops (self->server), ==, 1);
}

void
test_fixture_assert_not_asked (TestFixture *self)
{
  g_assert_cmpuint (test_server_count_requests (self->server, NULL), ==, 0);
  g_assert_cmpuint (test_server_count_requests (self->server, "/info"), ==, 0);
}

char *
test_find_certificate (const char *name)
{
  return g_build_filename (test_data_dir (), "tls", name, NULL);
}

TestServer *
test_new_tls_server (void)
{
  g_autofree char *certificate_file = test_find_certificate ("service.pem");
  g_autofree char *key_file = test_find_certificate ("service-key.pem");
  g_autoptr (GError) error = NULL;
  g_autoptr (GTlsCertificate) certificate =
      g_tls_certificate_new_from_files (certificate_file, key_file, &error);

  g_assert_no_error (error);
  return test_server_new_at (NULL, certificate);
}

/* Called wherever the object is disposed of. */
static void
died_cb (gpointer user_data, GObject *object G_GNUC_UNUSED)
{
  g_atomic_int_set ((int *) user_data, TRUE);
}

static gboolean
is_dead (gpointer data)
{
  return g_atomic_int_get ((int *) data);
}

void
test_assert_dies_at (gpointer object, const char *file, int line, const char *function)
{
  int dead = FALSE;

  g_object_weak_ref (object, died_cb, &dead);
  g_object_unref (object);
  if (!test_wait_until (is_dead, &dead, TEST_TIMEOUT_MS))
    g_assertion_message (G_LOG_DOMAIN, file, line, function, "the object stays alive");
}

static gboolean
has_sent (gpointer exporter)
{
  return test_get_counter (exporter, LSOBS_COUNTER_IN_FLIGHT) == 0;
}

void
test_fixture_tear_down (TestFixture *self, gconstpointer data G_GNUC_UNUSED)
{
  test_drain_context ();
  if (self->exporter != NULL)
    test_assert_books (self->exporter);
  if (self->observer != NULL)
    test_fixture_stop (self);
  test_drain_context ();
  if (self->exporter != NULL)
    {
      test_assert_books (self->exporter);
      /* On a slow machine, the last request ends after its observer. */
      g_assert_true (test_wait_until (has_sent, self->exporter, TEST_TIMEOUT_MS));
      g_assert_cmpuint (test_get_counter (self->exporter, LSOBS_COUNTER_QUEUED), ==, 0);
      g_assert_cmpuint (test_get_counter (self->exporter, LSOBS_COUNTER_QUEUED_BYTES), ==, 0);
      test_assert_books (self->exporter);
      test_assert_dies (self->exporter);
    }
  if (!self->is_free)
    test_server_assert_conformant (self->server);

  g_object_unref (self->config);
  test_server_free (self->server);
}

/* --- records ------------------------------------------------------------------------------- */

/* Where an exporter keeps how many records were delivered before the first one of those that the
 * next flush is asked about. */
#define EMIT_KEY "test-delivered-before"

/* The number is stored with one more, as 0 is no data. */
static void
note_first_emit (LsobsExporter *exporter)
{
  if (g_object_get_data (G_OBJECT (exporter), EMIT_KEY) == NULL)
    g_object_set_data (G_OBJECT (exporter), EMIT_KEY,
                       GSIZE_TO_POINTER (
                           (gsize) test_get_counter (exporter, LSOBS_COUNTER_DELIVERED) + 1));
}

/* Returns: how many records were delivered since the first emit, or 0 if there was none */
static guint64
take_delivered_since_emit (LsobsExporter *exporter)
{
  gsize before = GPOINTER_TO_SIZE (g_object_steal_data (G_OBJECT (exporter), EMIT_KEY));

  return before > 0 ? test_get_counter (exporter, LSOBS_COUNTER_DELIVERED) + 1 - before : 0;
}

static void
emit (LsobsExporter *exporter, const char *name, JsonNode *inputs)
{
  gint64 now = g_get_real_time ();
  guint64 ms = (guint64) (now / 1000);
  g_autofree char *id =
      g_strdup_printf ("%08x-%04x-7%03x-8%03x-%04x%08x", (guint) (ms >> 16), (guint) (ms & 0xffff),
                       g_random_int () & 0xfff, g_random_int () & 0xfff, g_random_int () & 0xffff,
                       g_random_int ());
  g_autoptr (LsobsRunEvent) event =
      lsobs_run_event_new_start (id, NULL, name, LSOBS_RUN_TYPE_CHAIN, inputs);
  g_autoptr (GError) error = NULL;

  lsobs_run_event_set_start_time (event, now);
  lsobs_run_event_set_end_time (event, now);
  note_first_emit (exporter);
  lsobs_exporter_enqueue (exporter, event, &error);
  g_assert_no_error (error);
}

void
test_emit (LsobsExporter *exporter, const char *name)
{
  emit (exporter, name, NULL);
}

void
test_emit_large (LsobsExporter *exporter, const char *name, gsize n_bytes)
{
  g_autofree char *text = g_strnfill (n_bytes, 'x');
  g_autoptr (JsonNode) inputs = test_new_payload (text);

  emit (exporter, name, inputs);
}

void
test_emit_many (LsobsExporter *exporter, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *name = g_strdup_printf ("run-%u", i);

      test_emit (exporter, name);
    }
}

JsonNode *
test_new_payload (const char *text)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_object_set_string_member (object, "text", text);
  json_node_take_object (node, object);

  return node;
}

/* --- books --------------------------------------------------------------------------------- */

guint64
test_get_counter (LsobsExporter *exporter, LsobsCounter counter)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (exporter);

  return lsobs_stats_get (stats, counter);
}

guint64
test_get_dropped (LsobsExporter *exporter, LsobsDropReason reason)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (exporter);

  return lsobs_stats_get_dropped (stats, reason);
}

guint64
test_get_total_dropped (LsobsExporter *exporter)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (exporter);

  return lsobs_stats_get_total_dropped (stats);
}

typedef struct
{
  LsobsExporter *exporter;
  LsobsCounter counter;
  LsobsDropReason reason;
  gboolean of_dropped; /* wait for @reason, not for @counter */
  guint64 at_least;
} CountWait;

static gboolean
has_counted (gpointer data)
{
  CountWait *wait = data;

  return (wait->of_dropped ? test_get_dropped (wait->exporter, wait->reason)
                           : test_get_counter (wait->exporter, wait->counter)) >= wait->at_least;
}

gboolean
test_wait_counter (LsobsExporter *exporter, LsobsCounter counter, guint64 at_least)
{
  CountWait wait = { .exporter = exporter, .counter = counter, .at_least = at_least };

  return test_wait_until (has_counted, &wait, TEST_TIMEOUT_MS);
}

gboolean
test_wait_dropped (LsobsExporter *exporter, LsobsDropReason reason, guint64 at_least)
{
  CountWait wait = {
    .exporter = exporter, .reason = reason, .of_dropped = TRUE, .at_least = at_least
  };

  return test_wait_until (has_counted, &wait, TEST_TIMEOUT_MS);
}

void
test_assert_books_at (LsobsExporter *exporter, const char *file, int line, const char *function)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (exporter);
  g_autofree char *text = lsobs_stats_to_string (stats);
  guint64 sum = lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED) +
                lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
                lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT) +
                lsobs_stats_get (stats, LSOBS_COUNTER_SPOOLED) +
                lsobs_stats_get_total_dropped (stats);

  if (lsobs_stats_get (stats, LSOBS_COUNTER_ENQUEUED) != sum)
    {
      g_autofree char *message = g_strdup_printf ("the books do not balance: %s", text);

      g_assertion_message (G_LOG_DOMAIN, file, line, function, message);
    }
}

void
test_assert_flush_at (LsobsExporter *exporter,
                      guint64 n,
                      const char *file,
                      int line,
                      const char *function)
{
  LsobsFlushStats stats;
  guint64 n_delivered;
  g_autoptr (GError) error = NULL;

  lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, &stats, &error);
  if (error != NULL)
    g_assertion_message (G_LOG_DOMAIN, file, line, function, error->message);
  /* A full batch does not wait for the flush. */
  n_delivered = MAX (take_delivered_since_emit (exporter), stats.runs_flushed);
  if ((stats.runs_flushed != n && n_delivered != n) || stats.runs_failed != 0)
    {
      g_autofree char *message =
          g_strdup_printf ("%" G_GUINT64_FORMAT " delivered and %" G_GUINT64_FORMAT
                           " lost instead of %" G_GUINT64_FORMAT " delivered",
                           n_delivered, stats.runs_failed, n);

      g_assertion_message (G_LOG_DOMAIN, file, line, function, message);
    }
}

GError *
test_flush_with_loss (LsobsExporter *exporter, guint64 n)
{
  LsobsFlushStats stats;
  GError *error = NULL;

  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_cmpuint (stats.runs_failed, ==, n);
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, n);

  return error;
}

GError *
test_flush_in_vain (LsobsExporter *exporter, guint64 n)
{
  LsobsFlushStats stats;
  GError *error = NULL;

  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, &stats, &error));
  g_assert_error (error, LSOBS_FLUSH_ERROR, LSOBS_FLUSH_ERROR_PERMANENT);
  g_assert_cmpuint (stats.runs_failed, ==, 0);
  g_assert_cmpuint (lsobs_flush_error_get_dropped (error), ==, 0);
  g_assert_cmpuint (lsobs_flush_error_get_pending (error), ==, n);

  return error;
}

static gboolean
is_flushed (gpointer data)
{
  return lsobs_exporter_flush (data, TEST_TIMEOUT_MS, NULL, NULL);
}

gboolean
test_flush_at_last (LsobsExporter *exporter)
{
  return test_wait_until (is_flushed, exporter, TEST_TIMEOUT_MS);
}

/* --- requests ------------------------------------------------------------------------------ */

TestRequest *
test_get_request (TestServer *server, guint index)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (server);

  g_assert_cmpuint (index, <, requests->len);

  return test_request_ref (g_ptr_array_index (requests, index));
}

gboolean
test_bytes_contain (GBytes *bytes, const char *text)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  return data != NULL && g_strstr_len (data, (gssize) size, text) != NULL;
}

gboolean
test_refuse_bad_cb (TestRequest *request, TestAnswer *answer, gpointer status)
{
  if (!test_bytes_contain (request->body, "\"bad\""))
    return FALSE;
  answer->status = GPOINTER_TO_UINT (status);
  return TRUE;
}

GSocket *
test_refusing_socket_new (char **url)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any_port = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;
  GSocket *socket =
      g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);

  /* bound, so that nobody else gets the port, but not listening */
  g_assert_no_error (error);
  g_socket_bind (socket, any_port, FALSE, &error);
  g_assert_no_error (error);
  address = g_socket_get_local_address (socket, &error);
  g_assert_no_error (error);
  *url = g_strdup_printf ("http://127.0.0.1:%u",
                          g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));

  return socket;
}

/* --- log ----------------------------------------------------------------------------------- */

static GMutex log_lock; /* guards all below */
static GString *log_text;
static guint log_n_visible;
static guint log_n_others;

/* Called in any thread. */
static GLogWriterOutput
keep_cb (GLogLevelFlags level,
         const GLogField *fields,
         gsize n_fields,
         gpointer user_data G_GNUC_UNUSED)
{
  const char *domain = "";
  const char *message = "";

  for (gsize i = 0; i < n_fields; i++)
    {
      if (strcmp (fields[i].key, "GLIB_DOMAIN") == 0)
        domain = fields[i].value;
      else if (strcmp (fields[i].key, "MESSAGE") == 0)
        message = fields[i].value;
    }

  g_mutex_lock (&log_lock);
  g_string_append_printf (log_text, "%s: %s\n", domain, message);
  if ((level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) == 0)
    {
      if (strcmp (domain, "Lsobs") == 0)
        log_n_visible++;
      else
        log_n_others++;
    }
  g_mutex_unlock (&log_lock);

  if ((level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO | G_LOG_LEVEL_MESSAGE)) != 0)
    return G_LOG_WRITER_HANDLED;
  return g_log_writer_default (level, fields, n_fields, NULL);
}

void
test_log_install (void)
{
  log_text = g_string_new (NULL);
  /* The handler of g_test_init () hands nothing on to the writer since GLib 2.80. */
  g_log_set_default_handler (g_log_default_handler, NULL);
  g_log_set_writer_func (keep_cb, NULL, NULL);
}

void
test_log_clear (void)
{
  g_mutex_lock (&log_lock);
  if (log_text != NULL)
    g_string_truncate (log_text, 0);
  log_n_visible = 0;
  log_n_others = 0;
  g_mutex_unlock (&log_lock);
}

guint
test_log_count (void)
{
  guint n;

  g_mutex_lock (&log_lock);
  n = log_n_visible;
  g_mutex_unlock (&log_lock);

  return n;
}

guint
test_log_count_others (void)
{
  guint n;

  g_mutex_lock (&log_lock);
  n = log_n_others;
  g_mutex_unlock (&log_lock);

  return n;
}

gboolean
test_log_contains (const char *text)
{
  gboolean contains;

  g_mutex_lock (&log_lock);
  contains = strstr (log_text->str, text) != NULL;
  g_mutex_unlock (&log_lock);

  return contains;
}

void
test_log_print (void)
{
  g_mutex_lock (&log_lock);
  g_printerr ("%s", log_text->str);
  g_mutex_unlock (&log_lock);
}

static gboolean
is_logged (gpointer data)
{
  return test_log_contains (data);
}

gboolean
test_log_wait (const char *text)
{
  return test_wait_until (is_logged, (gpointer) text, TEST_TIMEOUT_MS);
}
