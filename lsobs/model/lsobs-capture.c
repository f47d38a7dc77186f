/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* The caller may change its tree as soon as the call returns, so it is written
 * out in the call, into a chunk that the thread keeps for the next time. What
 * goes into the queue is a copy of exactly the size needed, so that the bound in
 * bytes means bytes. A chunk that one large payload has blown up is not kept. */
#define KEEP_BYTES (256 * 1024)

static void
chunk_free (gpointer data)
{
  _lsobs_buffer_clear (data);
  g_free (data);
}

static GPrivate chunk_key = G_PRIVATE_INIT (chunk_free);

static LsobsBuffer *
get_chunk (void)
{
  LsobsBuffer *chunk = g_private_get (&chunk_key);

  if (chunk == NULL)
    {
      chunk = g_new0 (LsobsBuffer, 1);
      g_private_set (&chunk_key, chunk);
    }
  return chunk;
}

/* What can never fit is replaced by a note of its size.
 * @counters: (nullable) */
static GBytes *
note_of_size (gsize n_bytes, LsobsCounters *counters)
{
  char *text = g_strdup_printf ("{\"__truncated__\":true,\"bytes\":%" G_GSIZE_FORMAT "}", n_bytes);

  if (counters != NULL)
    _lsobs_counters_add (counters, LSOBS_COUNTER_CUT_PAYLOADS, 1);
  return g_bytes_new_take (text, strlen (text));
}

/* @counters: (nullable)
 * Returns: (transfer full) (nullable): NULL for no node */
GBytes *
_lsobs_capture_node (JsonNode *node, gsize max_bytes, LsobsCounters *counters)
{
  LsobsBuffer *chunk;
  GBytes *bytes;

  if (node == NULL)
    return NULL;
  chunk = get_chunk ();
  _lsobs_buffer_truncate (chunk, 0);
  if (_lsobs_json_write_node (chunk, node, max_bytes))
    bytes = g_bytes_new (chunk->data, chunk->len);
  else
    bytes = note_of_size (max_bytes, counters);
  if (chunk->allocated > KEEP_BYTES)
    _lsobs_buffer_clear (chunk);
  return bytes;
}

/* Ready JSON is taken as it is; the encoder judges it later.
 * Returns: (transfer full) (nullable): NULL for no JSON */
GBytes *
_lsobs_capture_bytes (GBytes *json, gsize max_bytes, LsobsCounters *counters)
{
  if (json == NULL)
    return NULL;
  if (g_bytes_get_size (json) > max_bytes)
    return note_of_size (g_bytes_get_size (json), counters);
  return g_bytes_ref (json);
}
