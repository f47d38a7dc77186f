/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A batch that a transport keeps never changes, whatever becomes of its records afterwards. */

#include "config.h"

#include <string.h>

#include "lsobs/transport/lsobs-batch-private.h"
#include "lsobs/transport/lsobs-body-private.h"

#include "tests/lib/failed-traces-helpers.h"

/* --- what a batch shows -------------------------------------------------------------------- */

static void
add_text (GString *out, const char *name, const char *text)
{
  g_string_append_printf (out, "%s=%s\n", name, text != NULL ? text : "(none)");
}

static void
add_node (GString *out, const char *name, JsonNode *node)
{
  g_autofree char *text = node != NULL ? json_to_string (node, FALSE) : NULL;

  add_text (out, name, text);
}

static void
add_attachments (GString *out, LsobsRunEvent *event)
{
  g_auto (GStrv) names = lsobs_run_event_dup_attachment_names (event);

  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    {
      const char *mime_type;
      GBytes *data = lsobs_run_event_get_attachment (event, names[i], &mime_type);
      g_autofree char *sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, data);

      add_text (out, names[i], mime_type);
      add_text (out, names[i], sum);
    }
}

static void
add_event (GString *out, LsobsRunEvent *event)
{
  GStrv tags = lsobs_run_event_get_tags (event);
  g_autofree char *joined = tags != NULL ? g_strjoinv (",", tags) : NULL;

  g_string_append_printf (
      out, "kind=%d type=%d status=%d start=%" G_GINT64_FORMAT " end=%" G_GINT64_FORMAT "\n",
      (int) lsobs_run_event_get_kind (event), (int) lsobs_run_event_get_run_type (event),
      (int) lsobs_run_event_get_status (event), lsobs_run_event_get_start_time (event),
      lsobs_run_event_get_end_time (event));
  add_text (out, "id", lsobs_run_event_get_id (event));
  add_text (out, "parent", lsobs_run_event_get_parent_id (event));
  add_text (out, "trace", lsobs_run_event_get_trace_id (event));
  add_text (out, "path", lsobs_run_event_get_dotted_order (event));
  add_text (out, "name", lsobs_run_event_get_name (event));
  add_text (out, "project", lsobs_run_event_get_project_name (event));
  add_text (out, "example", lsobs_run_event_get_reference_example_id (event));
  add_text (out, "error", lsobs_run_event_get_error_text (event));
  add_text (out, "tags", joined);
  add_node (out, "inputs", lsobs_run_event_get_inputs (event));
  add_node (out, "outputs", lsobs_run_event_get_outputs (event));
  add_node (out, "extra", lsobs_run_event_get_extra (event));
  add_node (out, "events", lsobs_run_event_get_events (event));
  add_node (out, "serialized", lsobs_run_event_get_serialized (event));
  add_node (out, "feedback", lsobs_run_event_get_feedback (event));
  add_attachments (out, event);
}

/* (transfer full): everything that the getters of a batch tell, and the bytes of its body */
static char *
describe (LsobsBatch *batch)
{
  char boundary[] = "lsobs-00000000000000000000000000000000";
  g_autoptr (GBytes) multipart =
      _lsobs_body_write_multipart (_lsobs_batch_peek_records (batch), boundary);
  g_autoptr (GBytes) runs = _lsobs_body_write_batch (_lsobs_batch_peek_records (batch));
  g_autofree char *multipart_sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, multipart);
  g_autofree char *runs_sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, runs);
  g_autoptr (GChecksum) texts = g_checksum_new (G_CHECKSUM_SHA256);
  GString *out = g_string_new (NULL);

  g_string_append_printf (out, "records=%u bytes=%" G_GSIZE_FORMAT "\n",
                          lsobs_batch_get_n_records (batch), lsobs_batch_get_n_bytes (batch));
  for (guint i = 0; i < lsobs_batch_get_n_records (batch); i++)
    {
      g_autoptr (LsobsRunEvent) event = lsobs_batch_dup_event (batch, i);
      GBytes *text = lsobs_batch_get_record_json (batch, i);

      add_event (out, event);
      add_text (out, "record", lsobs_batch_get_record_id (batch, i));
      g_string_append_printf (out, "kind=%d\n", (int) lsobs_batch_get_record_kind (batch, i));
      g_checksum_update (texts, g_bytes_get_data (text, NULL), (gssize) g_bytes_get_size (text));
    }
  add_text (out, "texts", g_checksum_get_string (texts));
  add_text (out, "multipart", multipart_sum);
  add_text (out, "runs", runs_sum);
  return g_string_free (out, FALSE);
}

/* --- a transport that keeps each batch, and what it showed at first -------------------------- */

#define KEEPER_TYPE_TRANSPORT (keeper_transport_get_type ())
G_DECLARE_FINAL_TYPE (KeeperTransport, keeper_transport, KEEPER, TRANSPORT, GObject)

typedef struct
{
  LsobsBatch *batch; /* (owned) */
  char *before;      /* (owned) */
} Kept;

struct _KeeperTransport
{
  GObject parent_instance;

  int code;     /* (atomic) what everything fails with, or -1 for success */
  int stubborn; /* (atomic) never answers */

  GMutex lock;      /* guards all below */
  GPtrArray *sent;  /* (owned) (element-type Kept) */
  GPtrArray *lost;  /* (owned) (element-type Kept) */
  GPtrArray *stuck; /* (owned) (element-type GTask) */
};

static void
kept_free (gpointer data)
{
  Kept *kept = data;

  lsobs_batch_unref (kept->batch);
  g_free (kept->before);
  g_free (kept);
}

static void
keep (KeeperTransport *self, GPtrArray *list, LsobsBatch *batch)
{
  Kept *kept = g_new0 (Kept, 1);

  kept->batch = lsobs_batch_ref (batch);
  kept->before = describe (batch);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (list, kept);
  g_mutex_unlock (&self->lock);
}

static void
keeper_transport_send_async (LsobsTransport *transport,
                             LsobsBatch *batch,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  KeeperTransport *self = KEEPER_TRANSPORT (transport);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  int code = g_atomic_int_get (&self->code);

  g_task_set_check_cancellable (task, FALSE);
  keep (self, self->sent, batch);
  if (g_atomic_int_get (&self->stubborn))
    g_ptr_array_add (self->stuck, g_steal_pointer (&task));
  else if (code >= 0)
    g_task_return_new_error (task, LSOBS_ERROR, code, "on command");
  else
    g_task_return_boolean (task, TRUE);
}

static gboolean
keeper_transport_send_finish (LsobsTransport *transport G_GNUC_UNUSED,
                              GAsyncResult *result,
                              GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
keeper_transport_batch_lost (LsobsTransport *transport,
                             LsobsBatch *batch,
                             LsobsDropReason reason G_GNUC_UNUSED)
{
  KeeperTransport *self = KEEPER_TRANSPORT (transport);

  keep (self, self->lost, batch);
}

static void
keeper_transport_iface_init (LsobsTransportInterface *iface)
{
  iface->send_async = keeper_transport_send_async;
  iface->send_finish = keeper_transport_send_finish;
  iface->batch_lost = keeper_transport_batch_lost;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (KeeperTransport,
                               keeper_transport,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      keeper_transport_iface_init))

static void
keeper_transport_finalize (GObject *object)
{
  KeeperTransport *self = KEEPER_TRANSPORT (object);

  g_ptr_array_unref (self->sent);
  g_ptr_array_unref (self->lost);
  g_ptr_array_unref (self->stuck);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (keeper_transport_parent_class)->finalize (object);
}

static void
keeper_transport_class_init (KeeperTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = keeper_transport_finalize;
}

static void
keeper_transport_init (KeeperTransport *self)
{
  g_mutex_init (&self->lock);
  self->code = -1;
  self->sent = g_ptr_array_new_with_free_func (kept_free);
  self->lost = g_ptr_array_new_with_free_func (kept_free);
  self->stuck = g_ptr_array_new_with_free_func (g_object_unref);
}

/* --- fixture ------------------------------------------------------------------------------- */

typedef struct
{
  TestFixture base;
  KeeperTransport *transport; /* (owned) */
  char *dir;                  /* (owned) */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  test_fixture_set_up (&fixture->base, data);
  fixture->transport = g_object_new (KEEPER_TYPE_TRANSPORT, NULL);
  fixture->dir = failed_traces_make_dir ();
}

static void
start (Fixture *fixture)
{
  test_fixture_start_with (&fixture->base, LSOBS_TRANSPORT (fixture->transport), NULL);
}

static void
fail_with (Fixture *fixture, LsobsError code)
{
  g_atomic_int_set (&fixture->transport->code, (int) code);
}

static void
assert_unchanged (Fixture *fixture)
{
  KeeperTransport *transport = fixture->transport;

  g_mutex_lock (&transport->lock);
  for (guint i = 0; i < transport->sent->len + transport->lost->len; i++)
    {
      Kept *kept = i < transport->sent->len ? transport->sent->pdata[i]
                                            : transport->lost->pdata[i - transport->sent->len];
      g_autofree char *after = describe (kept->batch);

      g_assert_cmpstr (after, ==, kept->before);
    }
  g_mutex_unlock (&transport->lock);
}

/* How many batches were sent so far; nothing is under way. */
static guint
count_sent (Fixture *fixture)
{
  guint n;

  g_mutex_lock (&fixture->transport->lock);
  n = fixture->transport->sent->len;
  g_mutex_unlock (&fixture->transport->lock);
  return n;
}

static LsobsRunEvent *
dup_first (GPtrArray *list, guint index)
{
  g_assert_cmpuint (index, <, list->len);
  return lsobs_batch_dup_event (((Kept *) list->pdata[index])->batch, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  assert_unchanged (fixture);
  test_fixture_stop (&fixture->base);
  assert_unchanged (fixture);
  while (fixture->transport->stuck->len > 0)
    {
      g_autoptr (GTask) task = g_ptr_array_steal_index (fixture->transport->stuck, 0);

      g_task_return_boolean (task, FALSE);
    }
  test_drain_context ();
  assert_unchanged (fixture);
  test_fixture_tear_down (&fixture->base, data);
  g_object_unref (fixture->transport);
  failed_traces_remove_dir (fixture->dir);
  g_free (fixture->dir);
}

static void
add_attachment (LsobsRun *run, const char *name, gsize n_bytes)
{
  g_autoptr (GBytes) data = g_bytes_new_take (g_strnfill (n_bytes, 'x'), n_bytes);
  g_autoptr (GError) error = NULL;

  lsobs_run_add_attachment (run, name, "text/plain", data, &error);
  g_assert_no_error (error);
}

/* (transfer full): a run with some of everything that a record can have */
static LsobsRun *
begin_full_run (Fixture *fixture, const char *name)
{
  g_autoptr (JsonNode) inputs = test_new_payload ("a question");
  g_autoptr (JsonNode) details = test_new_payload ("some details");
  LsobsRun *run =
      lsobs_observer_start_run (fixture->base.observer, name, LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_add_tag (run, "first");
  lsobs_run_set_metadata_string (run, "thread_id", "t-77");
  lsobs_run_add_event (run, "retry", details);
  add_attachment (run, "large", 200);
  add_attachment (run, "small", 100);
  return run;
}

static void
end_run (LsobsRun *run)
{
  g_autoptr (JsonNode) outputs = test_new_payload ("an answer");

  lsobs_run_end (run, outputs);
}

/* --- cases --------------------------------------------------------------------------------- */

/* Halved, without attachments, without payloads, lost. */
static void
test_too_large (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRunEvent) full = NULL;
  g_autoptr (LsobsRunEvent) cut = NULL;
  g_autoptr (LsobsRunEvent) lost = NULL;

  start (fixture);
  fail_with (fixture, LSOBS_ERROR_TOO_LARGE);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (LsobsRun) run = begin_full_run (fixture, "run");

      end_run (run);
    }
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  assert_unchanged (fixture);

  /* both; each in three sizes */
  g_assert_cmpuint (count_sent (fixture), ==, 7);
  g_assert_cmpuint (test_get_dropped (fixture->base.exporter, LSOBS_DROP_REASON_TOO_LARGE), ==, 2);
  full = dup_first (fixture->transport->sent, 1);
  cut = dup_first (fixture->transport->sent, 6);
  lost = dup_first (fixture->transport->lost, 0);
  g_assert_cmpstr (json_object_get_string_member (
                       json_node_get_object (lsobs_run_event_get_inputs (full)), "text"),
                   ==, "a question");
  g_assert_true (json_object_has_member (json_node_get_object (lsobs_run_event_get_inputs (cut)),
                                         "__truncated__"));
  g_assert_true (json_object_has_member (json_node_get_object (lsobs_run_event_get_inputs (lost)),
                                         "__truncated__"));
}

/* The end of a run whose create was lost: a whole run until the service says that it has it. */
static void
test_conflict (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRunEvent) whole = NULL;
  g_autoptr (LsobsRunEvent) end = NULL;

  start (fixture);
  run = begin_full_run (fixture, "run");
  fail_with (fixture, LSOBS_ERROR_REFUSED);
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  fail_with (fixture, LSOBS_ERROR_CONFLICT);
  end_run (run);
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  assert_unchanged (fixture);

  g_assert_cmpuint (count_sent (fixture), ==, 3);
  whole = dup_first (fixture->transport->sent, 1);
  end = dup_first (fixture->transport->sent, 2);
  g_assert_cmpint (lsobs_run_event_get_kind (whole), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpint (lsobs_run_event_get_kind (end), ==, LSOBS_RUN_EVENT_KIND_UPDATE);
  test_assert_books (fixture->base.exporter);
}

/* What is lost is told as the end that it was, in a batch of its own. */
static void
test_told_as_end (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRunEvent) sent = NULL;
  g_autoptr (LsobsRunEvent) lost = NULL;

  lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
  start (fixture);
  fail_with (fixture, LSOBS_ERROR_REFUSED);
  run = begin_full_run (fixture, "run");
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  end_run (run);
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  assert_unchanged (fixture);

  g_assert_cmpuint (count_sent (fixture), ==, 2);
  g_assert_cmpuint (fixture->transport->lost->len, ==, 2);
  sent = dup_first (fixture->transport->sent, 1);
  lost = dup_first (fixture->transport->lost, 1);
  g_assert_cmpint (lsobs_run_event_get_kind (sent), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpint (lsobs_run_event_get_kind (lost), ==, LSOBS_RUN_EVENT_KIND_UPDATE);
  g_assert_cmpuint (test_get_dropped (fixture->base.exporter, LSOBS_DROP_REASON_REJECTED), ==, 2);
}

/* All that is lost at the end, a promoted end among it, while the transport has it. */
static void
test_shutdown (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;

  if (data != NULL)
    lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
  lsobs_config_set_max_in_flight (fixture->base.config, 1);
  start (fixture);
  fail_with (fixture, LSOBS_ERROR_REFUSED);
  run = begin_full_run (fixture, "run");
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_atomic_int_set (&fixture->transport->stubborn, TRUE);
  end_run (run);
  g_assert_false (lsobs_exporter_flush (fixture->base.exporter, 1, NULL, NULL));
  test_emit_many (fixture->base.exporter, 3);
  g_assert_false (lsobs_exporter_shutdown (fixture->base.exporter, 100, NULL, NULL));
  assert_unchanged (fixture);
  g_assert_cmpuint (test_get_total_dropped (fixture->base.exporter), ==, 5);
}

/* What happens to a run afterwards, or to what it was made of, is of no concern. */
static void
test_late (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (JsonNode) details = test_new_payload ("later");
  g_autoptr (JsonNode) outputs = test_new_payload ("too late");

  start (fixture);
  run = begin_full_run (fixture, "run");
  test_assert_flush (fixture->base.exporter, 1);
  lsobs_run_add_tag (run, "second");
  lsobs_run_set_metadata_string (run, "thread_id", "t-78");
  lsobs_run_add_event (run, "later", details);
  add_attachment (run, "large", 300);
  assert_unchanged (fixture);
  end_run (run);
  test_assert_flush (fixture->base.exporter, 1);
  lsobs_run_end (run, outputs);
  assert_unchanged (fixture);
}

static void
enqueue (Fixture *fixture, LsobsRunEvent *event)
{
  g_autoptr (GError) error = NULL;

  lsobs_exporter_enqueue (fixture->base.exporter, event, &error);
  g_assert_no_error (error);
}

static JsonNode *
make_events (const char *name)
{
  g_autofree char *text =
      g_strdup_printf ("[{\"name\":\"%s\",\"time\":\"2026-03-01T09:30:15.250000Z\"}]", name);

  return json_from_string (text, NULL);
}

/* The same for a run that is reported by its id, to which anybody can add at any time. */
static void
test_by_id (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *id = "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4";
  g_autoptr (LsobsRunEvent) run = NULL;

  lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
  start (fixture);
  fail_with (fixture, LSOBS_ERROR_REFUSED);
  run = lsobs_run_event_new_start (id, NULL, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  enqueue (fixture, run);
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *name = g_strdup_printf ("event-%u", i);
      g_autoptr (JsonNode) events = make_events (name);
      g_autoptr (LsobsRunEvent) update = lsobs_run_event_new_update (id, NULL, NULL);

      lsobs_run_event_set_events (update, events);
      enqueue (fixture, update);
      lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
      assert_unchanged (fixture);
    }
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_PROMOTED), ==, 1);
}

typedef struct
{
  KeeperTransport *transport; /* (unowned) */
  int done;                   /* (atomic) */
  int n_looks;                /* (atomic) */
} Reader;

static gpointer
reader_main (gpointer user_data)
{
  Reader *reader = user_data;

  while (!g_atomic_int_get (&reader->done))
    {
      g_autoptr (LsobsBatch) batch = NULL;
      g_autofree char *before = NULL;
      g_autofree char *after = NULL;

      g_mutex_lock (&reader->transport->lock);
      if (reader->transport->sent->len > 0)
        {
          Kept *kept = reader->transport->sent
                           ->pdata[g_random_int_range (0, (gint32) reader->transport->sent->len)];

          batch = lsobs_batch_ref (kept->batch);
          before = g_strdup (kept->before);
        }
      g_mutex_unlock (&reader->transport->lock);
      if (batch == NULL)
        {
          g_thread_yield ();
          continue;
        }
      after = describe (batch);
      g_assert_cmpstr (after, ==, before);
      g_atomic_int_inc (&reader->n_looks);
    }
  return NULL;
}

static gboolean
has_looked (gpointer data)
{
  return g_atomic_int_get (&((Reader *) data)->n_looks) >= 20;
}

/* Another thread looks at the batches while their records are cut and told in other words. */
static void
test_thread (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  Reader reader = { fixture->transport, FALSE, 0 };
  GThread *thread;

  lsobs_config_set_failed_traces_dir (fixture->base.config, fixture->dir);
  start (fixture);
  thread = g_thread_new ("reader", reader_main, &reader);
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (LsobsRun) run = begin_full_run (fixture, "run");

      fail_with (fixture, LSOBS_ERROR_REFUSED);
      lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
      end_run (run);
      fail_with (fixture, i % 2 == 0 ? LSOBS_ERROR_TOO_LARGE : LSOBS_ERROR_CONFLICT);
      lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
    }
  g_assert_true (test_wait_until (has_looked, &reader, TEST_TIMEOUT_MS));
  g_atomic_int_set (&reader.done, TRUE);
  g_thread_join (thread);
}

/* The same record in two sizes at once: the smaller one leaves the larger one alone. */
static void
test_encoded (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsCounters) counters = _lsobs_counters_new ();
  g_autoptr (LsobsSettings) settings =
      _lsobs_settings_new (fixture->base.config, LSOBS_SETTINGS_ANY, NULL);
  const LsobsEncoder encoder = { .settings = settings, .counters = counters };
  g_autoptr (LsobsRunInfo) info = _lsobs_run_info_new (NULL, "run", LSOBS_RUN_TYPE_CHAIN, FALSE, 0);
  GPtrArray *records = g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_encoded_unref);
  LsobsRecord *record = _lsobs_record_new (LSOBS_RECORD_CREATE, info);
  LsobsEncoded *encoded;
  g_autoptr (LsobsEncoded) update = NULL;
  g_autoptr (LsobsEncoded) cut = NULL;
  g_autoptr (LsobsBatch) batch = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  start (fixture);
  /* counted once, however often it is written */
  record->inputs = g_bytes_new_static ("no json", 7);
  encoded = _lsobs_encoder_encode (&encoder, record);
  g_ptr_array_add (records, encoded);
  batch = _lsobs_batch_new (records);
  before = describe (batch);
  update = _lsobs_encoder_convert (&encoder, encoded, LSOBS_RECORD_UPDATE);
  cut = _lsobs_encoder_cut (&encoder, update);
  g_assert_cmpint (cut->kind, ==, LSOBS_RECORD_UPDATE);
  g_assert_cmpint (encoded->kind, ==, LSOBS_RECORD_CREATE);
  g_assert_cmpstr (cut->id, ==, encoded->id);
  g_assert_cmpuint (_lsobs_counters_get (counters, LSOBS_COUNTER_BAD_PAYLOADS), ==, 1);
  after = describe (batch);
  g_assert_cmpstr (after, ==, before);
}

/* (transfer full): the object of a record */
static JsonObject *
parse_record (LsobsBatch *batch, guint index)
{
  gsize len;
  const char *text = g_bytes_get_data (lsobs_batch_get_record_json (batch, index), &len);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (memchr (text, '\n', len));
  json_parser_load_from_data (parser, text, (gssize) len, &error);
  g_assert_no_error (error);
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

static LsobsBatch *
get_sent (Fixture *fixture, guint index)
{
  g_assert_cmpuint (index, <, fixture->transport->sent->len);
  return ((Kept *) fixture->transport->sent->pdata[index])->batch;
}

/* Each record is one whole object, with its id and kind beside it. */
static void
test_records (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) first = NULL;
  g_autoptr (LsobsRun) second = NULL;
  g_autoptr (LsobsFeedback) feedback = NULL;
  g_autoptr (GBytes) outputs = g_bytes_new_static ("{\n\"a\":\r\n[1,\n\n2]\n}\n", 18);
  g_autofree char *first_id = NULL;
  g_autofree char *second_id = NULL;
  g_autoptr (JsonObject) whole = NULL;
  g_autoptr (JsonObject) update = NULL;
  g_autoptr (JsonObject) score = NULL;
  LsobsBatch *batch;

  start (fixture);
  first = begin_full_run (fixture, "first\nline");
  second = begin_full_run (fixture, "second");
  first_id = lsobs_run_dup_id (first);
  second_id = lsobs_run_dup_id (second);
  lsobs_run_end_bytes (first, outputs);
  test_assert_flush (fixture->base.exporter, 2);
  lsobs_run_fail_with_message (second, "broke");
  feedback = lsobs_feedback_new (second_id, second_id, "helpful");
  lsobs_feedback_set_score (feedback, 1);
  g_assert_true (lsobs_observer_add_feedback (fixture->base.observer, feedback, NULL));
  test_assert_flush (fixture->base.exporter, 2);

  g_assert_cmpuint (fixture->transport->sent->len, ==, 2);
  batch = get_sent (fixture, 0);
  g_assert_cmpint (lsobs_batch_get_record_kind (batch, 0), ==, LSOBS_RUN_EVENT_KIND_START);
  g_assert_cmpstr (lsobs_batch_get_record_id (batch, 0), ==, first_id);
  g_assert_cmpstr (lsobs_batch_get_record_id (batch, 1), ==, second_id);
  whole = parse_record (batch, 0);
  g_assert_cmpstr (json_object_get_string_member (whole, "id"), ==, first_id);
  g_assert_cmpstr (json_object_get_string_member (whole, "name"), ==, "first\nline");
  g_assert_true (json_object_has_member (whole, "inputs"));
  g_assert_true (json_object_has_member (whole, "outputs"));
  g_assert_true (json_object_has_member (whole, "events"));
  g_assert_true (json_object_has_member (whole, "extra"));

  batch = get_sent (fixture, 1);
  g_assert_cmpint (lsobs_batch_get_record_kind (batch, 0), ==, LSOBS_RUN_EVENT_KIND_UPDATE);
  g_assert_cmpstr (lsobs_batch_get_record_id (batch, 0), ==, second_id);
  update = parse_record (batch, 0);
  g_assert_cmpstr (json_object_get_string_member (update, "error"), ==, "broke");
  g_assert_cmpint (lsobs_batch_get_record_kind (batch, 1), ==, LSOBS_RUN_EVENT_KIND_FEEDBACK);
  score = parse_record (batch, 1);
  g_assert_cmpstr (json_object_get_string_member (score, "id"), ==,
                   lsobs_batch_get_record_id (batch, 1));
  g_assert_cmpstr (json_object_get_string_member (score, "run_id"), ==, second_id);
}

/* The memory of a batch is not used again while others are sent, and the text of a record
 * outlives its batch. */
static void
test_more (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GBytes) text = NULL;
  g_autoptr (GBytes) copy = NULL;

  lsobs_config_set_max_batch_size (fixture->base.config, 7);
  start (fixture);
  run = begin_full_run (fixture, "first");
  end_run (run);
  test_assert_flush (fixture->base.exporter, 1);
  text = g_bytes_ref (lsobs_batch_get_record_json (get_sent (fixture, 0), 0));
  copy = g_bytes_new (g_bytes_get_data (text, NULL), g_bytes_get_size (text));
  for (guint i = 0; i < 20; i++)
    {
      test_emit_many (fixture->base.exporter, 50);
      lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
      assert_unchanged (fixture);
    }
  g_ptr_array_remove_index (fixture->transport->sent, 0);
  test_emit_many (fixture->base.exporter, 50);
  lsobs_exporter_flush (fixture->base.exporter, TEST_TIMEOUT_MS, NULL, NULL);
  g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_DELIVERED), ==, 1051);
  g_assert_true (g_bytes_equal (text, copy));
}

/* A text that JSON-GLib cannot read costs the content of the event, and is counted. */
static void
test_unreadable (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const texts[] = { "{\"id\":", "[]", "" };
  g_autoptr (LsobsRun) run = NULL;
  LsobsEncoded *encoded;
  GBytes *text;

  start (fixture);
  run = begin_full_run (fixture, "first");
  end_run (run);
  test_assert_flush (fixture->base.exporter, 1);
  encoded = g_ptr_array_index (_lsobs_batch_peek_records (get_sent (fixture, 0)), 0);
  text = encoded->text;
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GBytes) broken = g_bytes_new_static (texts[i], strlen (texts[i]));
      g_autoptr (LsobsRunEvent) event = NULL;

      encoded->text = broken;
      event = lsobs_batch_dup_event (get_sent (fixture, 0), 0);
      encoded->text = text;
      g_assert_cmpstr (lsobs_run_event_get_id (event), ==, encoded->id);
      g_assert_cmpint (lsobs_run_event_get_start_time (event), ==, encoded->start_time);
      g_assert_null (lsobs_run_event_get_name (event));
      g_assert_null (lsobs_run_event_get_inputs (event));
      g_assert_cmpuint (test_get_counter (fixture->base.exporter, LSOBS_COUNTER_BAD_PAYLOADS), ==,
                        i + 1);
    }
}

/* --- batches of JSON text ------------------------------------------------------------------ */

#define RUN_ID   "01900000-0000-7000-8000-000000000001"
#define CHILD_ID "01900000-0000-7000-8000-000000000002"
#define PATH     "20260301T093015250000Z" RUN_ID

static LsobsBatch *
make_from_json (LsobsRunEventKind kind, const char *json, GError **error)
{
  g_autofree char *text = g_strdelimit (g_strdup (json), "'", '"');
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  return lsobs_batch_new_from_json (kind, bytes, NULL, error);
}

/* Values stay as they are; each part of a multipart body is a slice of the text. */
static void
test_from_json (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsBatch) run =
      make_from_json (LSOBS_RUN_EVENT_KIND_START,
                      "{'inputs':{'n':1234567890123456789},'id':'" RUN_ID "','trace_id':'" RUN_ID
                      "','outputs':null,'dotted_order':'" PATH
                      "','run_type':'llm','name':'a\\ud800',"
                      "'end_time':'2026-03-01T09:30:16.000001Z','extra':{'x':1.50}}",
                      &error);
  g_autoptr (LsobsBatch) feedback =
      make_from_json (LSOBS_RUN_EVENT_KIND_FEEDBACK,
                      "{'id':'" CHILD_ID "','run_id':'" RUN_ID "','key':'k','extra':{}}", &error);
  LsobsBatch *both[] = { run, feedback };
  g_autoptr (LsobsBatch) joined = NULL;
  g_autoptr (LsobsRunEvent) event = NULL;
  LsobsEncoded *encoded;
  const char *field;
  gsize len;

  g_assert_no_error (error);
  encoded = g_ptr_array_index (_lsobs_batch_peek_records (run), 0);
  field = _lsobs_encoded_get_field (encoded, LSOBS_FIELD_INPUTS, &len);
  g_assert_cmpmem (field, len, "{\"n\":1234567890123456789}", strlen ("{'n':1234567890123456789}"));
  field = _lsobs_encoded_get_field (encoded, LSOBS_FIELD_EXTRA, &len);
  g_assert_cmpmem (field, len, "{\"x\":1.50}", strlen ("{'x':1.50}"));
  g_assert_null (_lsobs_encoded_get_field (encoded, LSOBS_FIELD_OUTPUTS, &len));
  event = lsobs_batch_dup_event (run, 0);
  g_assert_cmpstr (lsobs_run_event_get_id (event), ==, RUN_ID);
  g_assert_cmpstr (lsobs_run_event_get_name (event), ==, "a\357\277\275");
  g_assert_cmpint (lsobs_run_event_get_run_type (event), ==, LSOBS_RUN_TYPE_LLM);
  g_assert_cmpint (lsobs_run_event_get_end_time (event) - lsobs_run_event_get_start_time (event),
                   ==, 750001);
  joined = lsobs_batch_new_joined (both, 2);
  g_assert_cmpuint (lsobs_batch_get_n_records (joined), ==, 2);
  g_assert_cmpint (lsobs_batch_get_record_kind (joined, 1), ==, LSOBS_RUN_EVENT_KIND_FEEDBACK);
  g_assert_cmpstr (lsobs_batch_get_record_id (joined, 1), ==, CHILD_ID);
}

/* What would have the service refuse a whole batch is refused here. */
static void
test_from_bad_json (void)
{
  static const struct
  {
    LsobsRunEventKind kind;
    const char *json;
  } cases[] = {
    { LSOBS_RUN_EVENT_KIND_START, "" },
    { LSOBS_RUN_EVENT_KIND_START, "[]" },
    { LSOBS_RUN_EVENT_KIND_START, "{'trace_id':'" RUN_ID "','dotted_order':'" PATH "'}" },
    { LSOBS_RUN_EVENT_KIND_START, "{'id':7,'trace_id':'" RUN_ID "','dotted_order':'" PATH "'}" },
    { LSOBS_RUN_EVENT_KIND_START, "{'id':'" RUN_ID "','trace_id':'" RUN_ID "'}" },
    { LSOBS_RUN_EVENT_KIND_UPDATE, "{'id':'" RUN_ID "','dotted_order':'" PATH "'}" },
    { LSOBS_RUN_EVENT_KIND_START,
      "{'id':'" RUN_ID "','trace_id':'" CHILD_ID "','dotted_order':'" PATH "'}" },
    { LSOBS_RUN_EVENT_KIND_FEEDBACK, "{'id':'" CHILD_ID "','run_id':'x','key':'k'}" },
    { LSOBS_RUN_EVENT_KIND_FEEDBACK, "{'id':'" CHILD_ID "','run_id':'" RUN_ID "','key':''}" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (make_from_json (cases[i].kind, cases[i].json, &error));
      g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN);
    }
}

#define ADD(path, data, test) g_test_add (path, Fixture, data, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  ADD ("/batch/records", NULL, test_records);
  ADD ("/batch/kept/more", NULL, test_more);
  ADD ("/batch/kept/too-large", NULL, test_too_large);
  ADD ("/batch/kept/conflict", NULL, test_conflict);
  ADD ("/batch/kept/told-as-end", NULL, test_told_as_end);
  ADD ("/batch/kept/shutdown", NULL, test_shutdown);
  ADD ("/batch/kept/shutdown-with-dump", GINT_TO_POINTER (TRUE), test_shutdown);
  ADD ("/batch/kept/late", NULL, test_late);
  ADD ("/batch/kept/by-id", NULL, test_by_id);
  ADD ("/batch/kept/thread", NULL, test_thread);
  ADD ("/batch/encoded", NULL, test_encoded);
  ADD ("/batch/unreadable", NULL, test_unreadable);
  g_test_add_func ("/batch/from-json", test_from_json);
  g_test_add_func ("/batch/from-bad-json", test_from_bad_json);

  return g_test_run ();
}
