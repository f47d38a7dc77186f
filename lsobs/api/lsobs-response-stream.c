/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-model-call-private.h"
#include "lsobs/api/lsobs-response-stream-private.h"

/* How many bytes are read at a time to skip them: what is skipped is fed, too. */
#define SKIP_BYTES (16 * 1024)

/* Gives the program the bytes of another stream, and feeds a call with them. Errors, cancellation
 * and the end are those of the other stream. It can be polled if the other one can. */
#define LSOBS_TYPE_RESPONSE_STREAM (lsobs_response_stream_get_type ())
G_DECLARE_FINAL_TYPE (LsobsResponseStream,
                      lsobs_response_stream,
                      LSOBS,
                      RESPONSE_STREAM,
                      GFilterInputStream)

struct _LsobsResponseStream
{
  GFilterInputStream parent_instance;

  GInputStream *base;        /* (unowned) the other stream, which the parent has */
  LsobsModelCall *call;      /* (owned) */
  guint status;              /* of HTTP */
  GCancellable *cancellable; /* (owned) (nullable) that the program has read with */
};

static void pollable_init (GPollableInputStreamInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsResponseStream,
                               lsobs_response_stream,
                               G_TYPE_FILTER_INPUT_STREAM,
                               G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM, pollable_init))

/* Takes what a read has given.
 * @count: how many bytes were wanted
 * @error: (nullable) */
static void
take_result (LsobsResponseStream *self,
             const void *buffer,
             gsize count,
             gssize n_read,
             const GError *error)
{
  if (n_read > 0)
    _lsobs_model_call_feed (self->call, buffer, (gsize) n_read);
  else if (n_read == 0 && count > 0)
    _lsobs_model_call_end (self->call, self->status, NULL);
  else if (n_read < 0 && error != NULL &&
           !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    _lsobs_model_call_end (self->call, self->status, error);
}

/* @cancellable: (nullable) */
static void
take_cancellable (LsobsResponseStream *self, GCancellable *cancellable)
{
  if (cancellable != NULL)
    g_set_object (&self->cancellable, cancellable);
}

/* The program reads no more: the call ends with the bytes that have arrived. */
static void
end_early (LsobsResponseStream *self)
{
  g_autoptr (GError) error = NULL;

  g_cancellable_set_error_if_cancelled (self->cancellable, &error);
  _lsobs_model_call_drop (self->call, self->status, error);
}

static gssize
response_stream_read (GInputStream *stream,
                      void *buffer,
                      gsize count,
                      GCancellable *cancellable,
                      GError **error)
{
  LsobsResponseStream *self = LSOBS_RESPONSE_STREAM (stream);
  GError *own_error = NULL;
  gssize n_read;

  take_cancellable (self, cancellable);
  n_read = g_input_stream_read (self->base, buffer, count, cancellable, &own_error);
  take_result (self, buffer, count, n_read, own_error);
  if (own_error != NULL)
    g_propagate_error (error, own_error);
  return n_read;
}

static gssize
response_stream_skip (GInputStream *stream, gsize count, GCancellable *cancellable, GError **error)
{
  guint8 buffer[SKIP_BYTES];

  return response_stream_read (stream, buffer, MIN (count, sizeof buffer), cancellable, error);
}

/* An asynchronous read under way. */
typedef struct
{
  void *buffer; /* (unowned) of the program */
  gsize count;
} ReadCall;

static void
read_cb (GObject *base, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  ReadCall *call = g_task_get_task_data (task);
  GError *error = NULL;
  gssize n_read = g_input_stream_read_finish (G_INPUT_STREAM (base), result, &error);

  take_result (g_task_get_source_object (task), call->buffer, call->count, n_read, error);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_int (task, n_read);
}

static void
response_stream_read_async (GInputStream *stream,
                            void *buffer,
                            gsize count,
                            int io_priority,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  LsobsResponseStream *self = LSOBS_RESPONSE_STREAM (stream);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  ReadCall *call = g_new (ReadCall, 1);

  take_cancellable (self, cancellable);
  g_task_set_source_tag (task, response_stream_read_async);
  g_task_set_priority (task, io_priority);
  /* The result is that of the other stream, which has looked at @cancellable itself. */
  g_task_set_check_cancellable (task, FALSE);
  *call = (ReadCall){ .buffer = buffer, .count = count };
  g_task_set_task_data (task, call, g_free);
  g_input_stream_read_async (self->base, buffer, count, io_priority, cancellable, read_cb, task);
}

static gssize
response_stream_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), -1);

  return g_task_propagate_int (G_TASK (result), error);
}

static gboolean
response_stream_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  LsobsResponseStream *self = LSOBS_RESPONSE_STREAM (stream);

  end_early (self);
  return G_INPUT_STREAM_CLASS (lsobs_response_stream_parent_class)
      ->close_fn (stream, cancellable, error);
}

static void
close_cb (GObject *base, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);
  GError *error = NULL;

  if (g_input_stream_close_finish (G_INPUT_STREAM (base), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
response_stream_close_async (GInputStream *stream,
                             int io_priority,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  LsobsResponseStream *self = LSOBS_RESPONSE_STREAM (stream);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, response_stream_close_async);
  g_task_set_priority (task, io_priority);
  g_task_set_check_cancellable (task, FALSE);
  end_early (self);
  if (g_filter_input_stream_get_close_base_stream (G_FILTER_INPUT_STREAM (self)))
    {
      g_input_stream_close_async (self->base, io_priority, cancellable, close_cb, task);
      return;
    }
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static gboolean
response_stream_close_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, stream), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- polling --- */

static gboolean
response_stream_can_poll (GPollableInputStream *stream)
{
  GInputStream *base = LSOBS_RESPONSE_STREAM (stream)->base;

  return G_IS_POLLABLE_INPUT_STREAM (base) &&
         g_pollable_input_stream_can_poll (G_POLLABLE_INPUT_STREAM (base));
}

static gboolean
response_stream_is_readable (GPollableInputStream *stream)
{
  GInputStream *base = LSOBS_RESPONSE_STREAM (stream)->base;

  return g_pollable_input_stream_is_readable (G_POLLABLE_INPUT_STREAM (base));
}

static GSource *
response_stream_create_source (GPollableInputStream *stream, GCancellable *cancellable)
{
  LsobsResponseStream *self = LSOBS_RESPONSE_STREAM (stream);
  GInputStream *base = self->base;
  g_autoptr (GSource) source =
      g_pollable_input_stream_create_source (G_POLLABLE_INPUT_STREAM (base), NULL);

  take_cancellable (self, cancellable);
  return g_pollable_source_new_full (stream, source, cancellable);
}

static gssize
response_stream_read_nonblocking (GPollableInputStream *stream,
                                  void *buffer,
                                  gsize count,
                                  GError **error)
{
  LsobsResponseStream *self = LSOBS_RESPONSE_STREAM (stream);
  GError *own_error = NULL;
  gssize n_read = g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (self->base),
                                                            buffer, count, NULL, &own_error);

  /* GIO has looked at it, and keeps it to itself. */
  take_cancellable (self, g_cancellable_get_current ());
  take_result (self, buffer, count, n_read, own_error);
  if (own_error != NULL)
    g_propagate_error (error, own_error);
  return n_read;
}

static void
pollable_init (GPollableInputStreamInterface *iface)
{
  iface->can_poll = response_stream_can_poll;
  iface->is_readable = response_stream_is_readable;
  iface->create_source = response_stream_create_source;
  iface->read_nonblocking = response_stream_read_nonblocking;
}

/* --- the object --- */

static void
response_stream_finalize (GObject *object)
{
  LsobsResponseStream *self = LSOBS_RESPONSE_STREAM (object);

  g_object_unref (self->call);
  g_clear_object (&self->cancellable);
  G_OBJECT_CLASS (lsobs_response_stream_parent_class)->finalize (object);
}

static void
lsobs_response_stream_class_init (LsobsResponseStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = response_stream_finalize;
  stream_class->read_fn = response_stream_read;
  stream_class->skip = response_stream_skip;
  stream_class->close_fn = response_stream_close;
  stream_class->read_async = response_stream_read_async;
  stream_class->read_finish = response_stream_read_finish;
  stream_class->close_async = response_stream_close_async;
  stream_class->close_finish = response_stream_close_finish;
}

static void
lsobs_response_stream_init (LsobsResponseStream *self G_GNUC_UNUSED)
{
}

/* @status: of HTTP
 * @cancellable: (nullable): that the message was sent with
 * Returns: (transfer full): a stream that closes @base with itself */
GInputStream *
_lsobs_response_stream_new (GInputStream *base,
                            LsobsModelCall *call,
                            guint status,
                            GCancellable *cancellable)
{
  LsobsResponseStream *self = g_object_new (LSOBS_TYPE_RESPONSE_STREAM, "base-stream", base, NULL);

  self->base = base;
  self->call = g_object_ref (call);
  self->status = status;
  take_cancellable (self, cancellable);
  return G_INPUT_STREAM (self);
}
