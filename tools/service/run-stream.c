/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tools/service/run-stream.h"
#include "tools/store/run-json.h"

/* A piece ends with the first run that makes it larger than this many bytes. */
#define PIECE_BYTES (256 * 1024)

struct _RunStreams
{
  Worker *worker;        /* (unowned) */
  GPtrArray *streams;    /* (owned) (element-type RunStream) */
  GMainContext *context; /* (owned) */
  guint n_asking;        /* questions that the worker has */
};

typedef struct
{
  RunStreams *owner;          /* (unowned) */
  SoupServerMessage *message; /* (owned) */
  GArray *ids;                /* (owned) (element-type LsobsId) */
  guint next;                 /* the first one that was not read */
  gulong finished_handler;
  gulong chunk_handler;
  gboolean is_asking; /* the worker reads a piece */
  gboolean is_gone;   /* the client is gone */
} RunStream;

/* A question for the store. */
typedef struct
{
  Request request; /* first: it is freed as a Request, with the ids */
  guint from;
  guint next; /* the first one that the piece does not have */
} PieceRequest;

/* --- in the thread that reads --- */

static gboolean
handle_piece (Request *request, Store *store, GError **error)
{
  PieceRequest *self = (PieceRequest *) request;
  g_autoptr (GHashTable) projects = run_json_new_projects ();
  LsobsBuffer *out = &request->answer;

  for (self->next = self->from; self->next < request->runs->len && out->len < PIECE_BYTES;
       self->next++)
    {
      g_autoptr (GError) problem = NULL;
      g_autoptr (Run) run =
          run_load (store, &g_array_index (request->runs, LsobsId, self->next), TRUE, &problem);

      if (g_error_matches (problem, STORE_ERROR, STORE_ERROR_NOT_FOUND))
        continue;
      if (run == NULL)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
      if (!run_json_put (out, NULL, store, run, NULL, projects, error))
        return FALSE;
      _lsobs_buffer_append_c (out, '\n');
    }
  request->status = 200;
  return TRUE;
}

static const Route piece_route = { "GET", "/page-data/export", ROUTE_READS, NULL, handle_piece };

/* --- in the context of the service --- */

static void
free_stream (gpointer data)
{
  RunStream *self = data;

  g_signal_handler_disconnect (self->message, self->finished_handler);
  g_signal_handler_disconnect (self->message, self->chunk_handler);
  g_object_unref (self->message);
  g_array_unref (self->ids);
  g_free (self);
}

static void
cut_off (RunStream *self)
{
  GSocket *socket = soup_server_message_get_socket (self->message);

  self->next = self->ids->len;
  if (socket != NULL)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
  /* The write fails, and the message is finished by that. */
  soup_message_body_append (soup_server_message_get_response_body (self->message),
                            SOUP_MEMORY_STATIC, "\n", 1);
  soup_server_message_unpause (self->message);
}

static void
send_piece (RunStream *self, PieceRequest *piece)
{
  SoupMessageBody *body = soup_server_message_get_response_body (self->message);

  self->next = piece->next;
  if (piece->request.answer.len > 0)
    soup_message_body_append (body, SOUP_MEMORY_COPY, piece->request.answer.data,
                              piece->request.answer.len);
  if (self->next == self->ids->len)
    soup_message_body_complete (body);
  soup_server_message_unpause (self->message);
}

/* A #RequestDoneFunc. */
static void
answered_cb (Request *request, gpointer data)
{
  RunStream *self = data;

  self->owner->n_asking--;
  self->is_asking = FALSE;
  if (self->is_gone)
    g_ptr_array_remove_fast (self->owner->streams, self);
  else if (request->status != 200)
    cut_off (self);
  else
    send_piece (self, (PieceRequest *) request);
  request_free (request);
}

static void
ask (RunStream *self)
{
  PieceRequest *piece = g_new0 (PieceRequest, 1);

  piece->request.route = &piece_route;
  piece->request.path = g_strdup (piece_route.path);
  piece->request.body = g_bytes_new_static ("", 0);
  piece->request.runs = g_array_ref (self->ids);
  piece->request.done = answered_cb;
  piece->request.done_data = self;
  piece->from = self->next;
  self->is_asking = TRUE;
  self->owner->n_asking++;
  worker_push (self->owner->worker, &piece->request);
}

static void
wrote_chunk_cb (SoupServerMessage *message G_GNUC_UNUSED, gpointer data)
{
  RunStream *self = data;

  if (!self->is_asking && self->next < self->ids->len)
    ask (self);
}

static void
finished_cb (SoupServerMessage *message G_GNUC_UNUSED, gpointer data)
{
  RunStream *self = data;

  self->is_gone = TRUE;
  if (!self->is_asking)
    g_ptr_array_remove_fast (self->owner->streams, self);
}

void
run_streams_add (RunStreams *self, SoupServerMessage *message, GArray *ids)
{
  RunStream *stream = g_new0 (RunStream, 1);

  stream->owner = self;
  stream->message = g_object_ref (message);
  stream->ids = g_array_ref (ids);
  stream->finished_handler =
      g_signal_connect (message, "finished", G_CALLBACK (finished_cb), stream);
  stream->chunk_handler =
      g_signal_connect (message, "wrote-chunk", G_CALLBACK (wrote_chunk_cb), stream);
  /* HTTP/1.0 has no chunks: the end of the connection is that of the body. */
  soup_message_headers_set_encoding (soup_server_message_get_response_headers (message),
                                     soup_server_message_get_http_version (message) == SOUP_HTTP_1_0
                                         ? SOUP_ENCODING_EOF
                                         : SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate (soup_server_message_get_response_body (message), FALSE);
  g_ptr_array_add (self->streams, stream);
  ask (stream);
}

RunStreams *
run_streams_new (Worker *worker)
{
  RunStreams *self = g_new0 (RunStreams, 1);

  self->worker = worker;
  self->context = g_main_context_ref_thread_default ();
  self->streams = g_ptr_array_new_with_free_func (free_stream);
  return self;
}

void
run_streams_free (RunStreams *self)
{
  for (guint i = 0; i < self->streams->len; i++)
    ((RunStream *) g_ptr_array_index (self->streams, i))->is_gone = TRUE;
  while (self->n_asking > 0)
    g_main_context_iteration (self->context, TRUE);
  g_ptr_array_unref (self->streams);
  g_main_context_unref (self->context);
  g_free (self);
}
