/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A transport of one's own: it appends each record as a line of JSON to a file. The program
 * traces three questions with it.
 *
 *   cc -o jsonl-transport jsonl-transport.c $(pkg-config --cflags --libs lsobs)
 *   ./jsonl-transport traces.jsonl
 */

#include <stdio.h>
#include <string.h>

#include <gio/gio.h>
#include <lsobs/lsobs.h>

#define FLUSH_TIMEOUT_MS 5000

/* --- the transport --- */

#define JSONL_TYPE_TRANSPORT (jsonl_transport_get_type ())
G_DECLARE_FINAL_TYPE (JsonlTransport, jsonl_transport, JSONL, TRANSPORT, GObject)

struct _JsonlTransport
{
  GObject parent_instance;

  GOutputStream *stream; /* (owned) */
};

static void
append_record (GString *lines, LsobsBatch *batch, guint index)
{
  static const char *const kinds[] = { "start", "update", "feedback" };
  gsize len;
  const char *text = g_bytes_get_data (lsobs_batch_get_record_json (batch, index), &len);

  g_string_append_printf (lines, "{\"kind\":\"%s\",\"id\":\"%s\",\"record\":",
                          kinds[lsobs_batch_get_record_kind (batch, index)],
                          lsobs_batch_get_record_id (batch, index));
  g_string_append_len (lines, text, (gssize) len);
  g_string_append (lines, "}\n");
}

/* Runs in lsobs' own thread, which may wait for the disk. The task completes at once or in the
 * next iteration of its context; both is fine. A batch that fails comes again later. */
static void
jsonl_transport_send_async (LsobsTransport *transport,
                            LsobsBatch *batch,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  JsonlTransport *self = JSONL_TRANSPORT (transport);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_task_set_check_cancellable (task, FALSE);
  for (guint i = 0; i < lsobs_batch_get_n_records (batch); i++)
    append_record (lines, batch, i);
  if (g_output_stream_write_all (self->stream, lines->str, lines->len, NULL, NULL, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, LSOBS_ERROR, LSOBS_ERROR_UNAVAILABLE, "%s", error->message);
}

static gboolean
jsonl_transport_send_finish (LsobsTransport *transport, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
jsonl_transport_iface_init (LsobsTransportInterface *iface)
{
  iface->send_async = jsonl_transport_send_async;
  iface->send_finish = jsonl_transport_send_finish;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (JsonlTransport,
                               jsonl_transport,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      jsonl_transport_iface_init))

static void
jsonl_transport_finalize (GObject *object)
{
  g_clear_object (&JSONL_TRANSPORT (object)->stream);

  G_OBJECT_CLASS (jsonl_transport_parent_class)->finalize (object);
}

static void
jsonl_transport_class_init (JsonlTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = jsonl_transport_finalize;
}

static void
jsonl_transport_init (JsonlTransport *self)
{
}

/* --- a program that uses it --- */

static void
trace_question (LsobsObserver *observer, guint number)
{
  g_autofree char *text = g_strdup_printf ("{\"question\": \"%u * 7?\"}", number);
  g_autoptr (GBytes) inputs = g_bytes_new (text, strlen (text));
  g_autoptr (LsobsRun) question =
      lsobs_observer_start_run_bytes (observer, "question", LSOBS_RUN_TYPE_CHAIN, inputs);
  g_autoptr (LsobsRun) tool =
      lsobs_run_start_child_bytes (question, "multiply", LSOBS_RUN_TYPE_TOOL, inputs);
  g_autofree char *id = lsobs_run_dup_id (question);
  g_autoptr (LsobsFeedback) feedback = lsobs_feedback_new (id, id, "right");

  if (number == 2)
    lsobs_run_fail_with_message (tool, "out of order");
  else
    lsobs_run_end (tool, NULL);
  /* Not needed; but so the end of the question gets a line of its own. */
  lsobs_observer_flush (observer, FLUSH_TIMEOUT_MS, NULL, NULL);
  lsobs_run_end (question, NULL);
  lsobs_feedback_set_score (feedback, number == 2 ? 0 : 1);
  lsobs_observer_add_feedback (observer, feedback, NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonlTransport) transport = g_object_new (JSONL_TYPE_TRANSPORT, NULL);
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (argc == 2 ? argv[1] : "traces.jsonl");
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "jsonl");
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  transport->stream =
      G_OUTPUT_STREAM (g_file_append_to (file, G_FILE_CREATE_PRIVATE, NULL, &error));
  if (error == NULL)
    observer = lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), &error);
  for (guint number = 1; error == NULL && number <= 3; number++)
    trace_question (observer, number);
  if (error == NULL)
    lsobs_observer_shutdown (observer, FLUSH_TIMEOUT_MS, NULL, &error);
  if (error != NULL)
    fprintf (stderr, "jsonl-transport: %s\n", error->message);
  return error == NULL ? 0 : 1;
}
