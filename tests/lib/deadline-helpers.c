/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/deadline-helpers.h"
#include "tests/lib/failed-traces-helpers.h"

#define LARGE_BYTES (100 * 1000)
#define N_LARGE     300
#define N_SMALL     200

#define HEAD(status) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n"
#define WHOLE(status, headers) \
 HEAD (status) headers "Content-Length: 2\r\nConnection: close\r\n\r\n{}"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define CHUNK   "10\r\n                \r\n"

const DeadlineRow deadline_rows[] = {
  { .fault = { .name = "refused", .socket = FAULT_SOCKET_REFUSES } },
  { .fault = { .name = "accept-hang", .read = FAULT_READS_NOTHING } },
  { .fault = { .name = "queue-full", .socket = FAULT_SOCKET_IS_FULL } },
  { .fault = { .name = "read-hang" } },
  { .fault = { .name = "half-read", .read = FAULT_READS_HALF } },
  { .fault = { .name = "drip-head",
               .answer = "HTTP/1.1 202 Accepted\r\nX-Slow: ",
               .rest = "x",
               .rest_ms = 1000 } },
  { .fault = { .name = "drip-body",
               .answer = HEAD ("202 Accepted") "Content-Length: 1000000\r\n\r\n",
               .rest = " ",
               .rest_ms = 1000 } },
  { .fault = { .name = "503",
               .answer = WHOLE ("503 Service Unavailable", ""),
               .then = FAULT_THEN_CLOSES } },
  { .fault = { .name = "503-drip",
               .answer = HEAD ("503 Service Unavailable") "Content-Length: 1000000\r\n\r\n",
               .rest = " ",
               .rest_ms = 1000 } },
  { .fault = { .name = "503-retry-after",
               .answer = WHOLE ("503 Service Unavailable", "Retry-After: 86400\r\n"),
               .then = FAULT_THEN_CLOSES } },
  { .fault = { .name = "429-retry-after",
               .answer = WHOLE ("429 Too Many Requests", "Retry-After: 86400\r\n"),
               .then = FAULT_THEN_CLOSES } },
  { .fault = { .name = "202-endless", .answer = HEAD ("202 Accepted") CHUNKED, .rest = CHUNK } },
  { .fault = { .name = "202-drip",
               .answer = HEAD ("202 Accepted") CHUNKED,
               .rest = CHUNK,
               .rest_ms = 1000 } },
  { .fault = { .name = "202-bomb",
               .answer =
                   HEAD ("202 Accepted") "Content-Encoding: gzip\r\nConnection: close\r\n\r\n",
               .is_bomb = TRUE,
               .then = FAULT_THEN_CLOSES } },
  { .fault = { .name = "202-truncated",
               .answer = HEAD ("202 Accepted") "Content-Length: 1000\r\n\r\n{",
               .then = FAULT_THEN_CLOSES } },
  { .fault = { .name = "reset-before", .read = FAULT_READS_NOTHING, .then = FAULT_THEN_RESETS } },
  { .fault = { .name = "reset-in", .read = FAULT_READS_HALF, .then = FAULT_THEN_RESETS } },
  { .fault = { .name = "reset-after", .then = FAULT_THEN_RESETS } },
  { .fault = { .name = "close", .then = FAULT_THEN_CLOSES } },
  { .fault = { .name = "garbage",
               .answer = "\xff\x01\x80garbage\n\r\xfe\n\n\r\n\r\n",
               .then = FAULT_THEN_CLOSES } },
  { .fault = { .name = "10-gb",
               .answer = HEAD ("202 Accepted") "Content-Length: 10737418240\r\n\r\n",
               .rest = "                                " } },
  { .fault = { .name = "header-flood",
               .answer = "HTTP/1.1 202 Accepted\r\n",
               .rest = "X-Flood: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" } },
  { .fault = { .name = "102", .rest = "HTTP/1.1 102 Processing\r\n\r\n", .rest_ms = 500 } },
  { .fault = { .name = "103",
               .rest = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
               .rest_ms = 500 } },
  { .fault = { .name = "100-endless", .rest = "HTTP/1.1 100 Continue\r\n\r\n" } },
  { .fault = { .name = "100-early",
               .read = FAULT_READS_SOME,
               .rest = "HTTP/1.1 100 Continue\r\n\r\n" } },
  { .fault = { .name = "tls-stall", .address = FAULT_ADDRESS_TLS, .read = FAULT_READS_NOTHING } },
  { .fault = { .name = "tls-trust", .address = FAULT_ADDRESS_TRUST } },
  /* the first bytes of a ServerHello of 122 */
  { .fault = { .name = "tls-half-hello",
               .address = FAULT_ADDRESS_TLS,
               .read = FAULT_READS_SOME,
               .answer = "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03",
               .answer_length = 11 } },
  { .fault = { .name = "redirect",
               .answer = WHOLE ("307 Temporary Redirect", "Location: http://127.0.0.1:1/login\r\n"),
               .then = FAULT_THEN_CLOSES } },
  { .fault = { .name = "name-hang", .address = FAULT_ADDRESS_NAME } },
  { .fault = { .name = "proxy-dead",
               .address = FAULT_ADDRESS_PROXY,
               .socket = FAULT_SOCKET_REFUSES } },
  { .fault = { .name = "proxy-hang", .address = FAULT_ADDRESS_PROXY } },
  { .fault = { .name = "proxy-100-endless",
               .address = FAULT_ADDRESS_PROXY,
               .rest = "HTTP/1.1 100 Continue\r\n\r\n" } },
  { .fault = { .name = "60-mb" }, .load = DEADLINE_LOAD_LARGE },
  { .fault = { .name = "60-mb-100",
               .read = FAULT_READS_SOME,
               .rest = "HTTP/1.1 100 Continue\r\n\r\n" },
    .load = DEADLINE_LOAD_LARGE },
  { .fault = { .name = "60-mb-kept" }, .load = DEADLINE_LOAD_LARGE, .keeps = TRUE },
  { .fault = { .name = "60-mb-503-kept",
               .answer = WHOLE ("503 Service Unavailable", ""),
               .then = FAULT_THEN_CLOSES },
    .load = DEADLINE_LOAD_LARGE,
    .keeps = TRUE },
  { .fault = { .name = "60-mb-redacted" }, .load = DEADLINE_LOAD_LARGE, .redacts = TRUE },
  { .fault = { .name = "60-mb-redacted-kept" },
    .load = DEADLINE_LOAD_LARGE,
    .keeps = TRUE,
    .redacts = TRUE },
  { .fault = { .name = "slow-redaction" }, .hook_ms = 5000 },
  { .fault = { .name = "slow-redaction-kept" }, .hook_ms = 5000, .keeps = TRUE },
};
const gsize n_deadline_rows = G_N_ELEMENTS (deadline_rows);

/* --- records ------------------------------------------------------------------------------- */

/* Returns: (transfer full): words, most of which differ */
static JsonNode *
new_large_payload (void)
{
  g_autoptr (GString) text = g_string_sized_new (LARGE_BYTES);
  g_autoptr (GRand) random = g_rand_new_with_seed (1);

  while (text->len < LARGE_BYTES)
    g_string_append_printf (text, "%x word ", g_rand_int (random));
  return test_new_payload (text->str);
}

static void
emit_large (LsobsObserver *observer, guint n_runs)
{
  g_autoptr (JsonNode) payload = new_large_payload ();

  for (guint i = 0; i < n_runs; i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (observer, "large", LSOBS_RUN_TYPE_CHAIN, payload);

      lsobs_run_end (run, payload);
    }
}

static void
emit_small (LsobsObserver *observer, guint n_runs)
{
  g_autoptr (JsonNode) payload = test_new_payload ("small");

  for (guint i = 0; i < n_runs; i++)
    {
      g_autoptr (LsobsRun) run =
          lsobs_observer_start_run (observer, "small", LSOBS_RUN_TYPE_CHAIN, payload);

      lsobs_run_end (run, payload);
    }
}

static JsonNode *
redact_slowly (const char *field G_GNUC_UNUSED, JsonNode *value, gpointer user_data)
{
  g_usleep (GPOINTER_TO_UINT (user_data) * 1000);
  return json_node_ref (value);
}

/* The worker wakes by itself for no batch of the small load, so that nothing happens before the
 * call. */
static LsobsConfig *
new_config (const DeadlineRow *row,
            const DeadlineCall *call,
            FaultService *service,
            const char *dir)
{
  LsobsConfig *config = lsobs_config_new (TEST_KEY, TEST_PROJECT);

  lsobs_config_set_api_url (config, fault_service_get_url (service));
  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_max_batch_size (config, 1000);
  lsobs_config_set_shutdown_timeout (config, call->timeout);
  if (call->request_timeout > 0)
    lsobs_config_set_request_timeout (config, call->request_timeout);
  if (row->keeps)
    lsobs_config_set_failed_traces_dir (config, dir);
  if (row->redacts)
    {
      lsobs_config_set_redact_secrets (config, TRUE);
      lsobs_config_set_compression (config, LSOBS_COMPRESSION_GZIP);
    }
  if (row->hook_ms > 0)
    lsobs_config_set_redact_func (config, redact_slowly, GUINT_TO_POINTER (row->hook_ms), NULL);
  return config;
}

/* --- the call ------------------------------------------------------------------------------ */

gboolean
deadline_has_no_thread (gpointer data G_GNUC_UNUSED)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  const char *tid;

  while (dir != NULL && (tid = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_strdup_printf ("/proc/self/task/%s/comm", tid);
      g_autofree char *name = NULL;

      /* A look-up of a name lasts as long as the resolver says. */
      if (g_file_get_contents (path, &name, NULL, NULL) && g_str_has_prefix (name, "lsobs-") &&
          !g_str_has_prefix (name, "lsobs-resolve"))
        return FALSE;
    }
  return TRUE;
}

static guint64
count_undecided (LsobsStats *stats)
{
  return lsobs_stats_get (stats, LSOBS_COUNTER_QUEUED) +
         lsobs_stats_get (stats, LSOBS_COUNTER_IN_FLIGHT);
}

static gboolean
is_decided (gpointer exporter)
{
  g_autoptr (LsobsStats) stats = lsobs_exporter_dup_stats (exporter);

  return count_undecided (stats) == 0;
}

/* @observer: (transfer full) */
static void
drop (LsobsObserver *observer, LsobsExporter *exporter, DeadlineReport *report)
{
  gint64 began = g_get_monotonic_time ();

  g_assert_finalize_object (observer);
  report->elapsed_ms = test_get_elapsed_ms (began);
  report->outcome_ms =
      test_wait_until (is_decided, exporter, TEST_TIMEOUT_MS) ? test_get_elapsed_ms (began) : -1;
}

/* @observer: NULL afterwards, if the call drops it */
static void
make_call (LsobsObserver **observer,
           LsobsExporter *exporter,
           const DeadlineCall *call,
           DeadlineReport *report)
{
  gint64 began = g_get_monotonic_time ();

  switch (call->kind)
    {
    case DEADLINE_UNREF:
      drop (g_steal_pointer (observer), exporter, report);
      return;
    case DEADLINE_SHUTDOWN:
      report->done =
          lsobs_observer_shutdown (*observer, call->timeout, &report->stats, &report->error);
      break;
    case DEADLINE_FLUSH:
    default:
      report->done =
          lsobs_observer_flush (*observer, call->timeout, &report->stats, &report->error);
      break;
    }
  report->elapsed_ms = test_get_elapsed_ms (began);
  report->outcome_ms = report->elapsed_ms;
}

/* @observer: NULL afterwards, if the call drops it */
static void
call_and_ask (LsobsObserver **observer, const DeadlineCall *call, DeadlineReport *report)
{
  LsobsExporter *exporter = lsobs_observer_get_exporter (*observer);
  g_autoptr (LsobsStats) before = lsobs_exporter_dup_stats (exporter);
  g_autoptr (LsobsStats) after = NULL;

  make_call (observer, exporter, call, report);
  after = lsobs_exporter_dup_stats (exporter);
  report->n_before = count_undecided (before);
  report->n_enqueued = lsobs_stats_get (after, LSOBS_COUNTER_ENQUEUED);
  report->n_delivered = lsobs_stats_get (after, LSOBS_COUNTER_DELIVERED) -
                        lsobs_stats_get (before, LSOBS_COUNTER_DELIVERED);
  report->n_dropped =
      lsobs_stats_get_total_dropped (after) - lsobs_stats_get_total_dropped (before);
  report->n_queued = lsobs_stats_get (after, LSOBS_COUNTER_QUEUED);
  report->n_in_flight = lsobs_stats_get (after, LSOBS_COUNTER_IN_FLIGHT);
  report->n_written = lsobs_stats_get (after, LSOBS_COUNTER_DUMPED);
}

/* After that, nothing goes on.
 * @observer: (transfer full) (nullable) */
static void
end (LsobsObserver *observer, const DeadlineCall *call, DeadlineReport *report)
{
  gint64 began;

  if (call->kind == DEADLINE_FLUSH)
    lsobs_observer_shutdown (observer, 0, NULL, NULL);
  g_clear_object (&observer);
  began = g_get_monotonic_time ();
  report->thread_ms = test_wait_until (deadline_has_no_thread, NULL, TEST_TIMEOUT_MS)
                          ? test_get_elapsed_ms (began)
                          : -1;
}

void
deadline_run (const DeadlineRow *row, const DeadlineCall *call, DeadlineReport *report)
{
  g_autoptr (FaultService) service = fault_service_new (&row->fault);
  g_autofree char *dir = row->keeps ? failed_traces_make_dir () : NULL;
  g_autoptr (LsobsConfig) config = new_config (row, call, service, dir);
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (GError) error = NULL;
  LsobsObserver *observer;
  guint n_runs = call->n_runs;

  memset (report, 0, sizeof *report);
  observer = g_initable_new (LSOBS_TYPE_OBSERVER, NULL, &error, "config", config, "main-context",
                             call->in_loop ? g_main_context_default () : NULL, NULL);
  g_assert_no_error (error);
  if (row->load == DEADLINE_LOAD_LARGE)
    emit_large (observer, n_runs != 0 ? n_runs : N_LARGE);
  else
    emit_small (observer, n_runs != 0 ? n_runs : N_SMALL);
  exporter = g_object_ref (lsobs_observer_get_exporter (observer));
  call_and_ask (&observer, call, report);
  end (observer, call, report);
  /* nobody waits for the disk */
  if (call->kind == DEADLINE_UNREF)
    report->n_written = test_get_counter (exporter, LSOBS_COUNTER_DUMPED);
  if (dir != NULL)
    failed_traces_remove_dir (dir);
}

void
deadline_report_clear (DeadlineReport *self)
{
  g_clear_error (&self->error);
}

gboolean
deadline_report_has_outcomes (const DeadlineReport *self, const DeadlineCall *call)
{
  guint64 n_undecided = self->n_queued + self->n_in_flight;

  if (call->kind != DEADLINE_FLUSH && n_undecided > 0)
    return FALSE;
  return self->n_before == self->n_delivered + self->n_dropped + n_undecided;
}

gboolean
deadline_report_agrees (const DeadlineReport *self, const DeadlineCall *call)
{
  guint64 n_lost = self->stats.runs_failed + self->stats.dropped_events;
  guint64 n_pending = self->error != NULL ? lsobs_flush_error_get_pending (self->error) : 0;

  if (call->kind == DEADLINE_UNREF)
    return TRUE;
  if (self->done != (self->error == NULL) || (self->done && self->stats.runs_failed > 0) ||
      self->stats.runs_flushed + n_lost + n_pending != self->n_before)
    return FALSE;
  /* what a flush leaves may go on at once */
  if (call->kind == DEADLINE_FLUSH)
    return self->stats.runs_flushed <= self->n_delivered && n_lost <= self->n_dropped;
  return n_pending == 0 && self->stats.runs_flushed == self->n_delivered &&
         n_lost == self->n_dropped &&
         (self->error == NULL || lsobs_flush_error_get_dropped (self->error) == n_lost);
}
