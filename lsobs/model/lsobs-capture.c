/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Payloads are written out when they are given, as the program may change its tree afterwards: first
 * into a chunk that the thread reuses, then copied, so that a payload in the queue has exactly the
 * size that is counted. A chunk that has grown larger than this is freed. */
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

/* Replaces a payload that is larger than the queue.
 * @counters: (nullable) */
static GBytes *
make_placeholder (gsize n_bytes, LsobsCounters *counters)
{
  char *text = g_strdup_printf ("{\"__truncated__\":true,\"bytes\":%" G_GSIZE_FORMAT "}", n_bytes);

  if (counters != NULL)
    _lsobs_counters_add (counters, LSOBS_COUNTER_CUT_PAYLOADS, 1);
  return g_bytes_new_take (text, strlen (text));
}

/* @node: (nullable)
 * @counters: (nullable): counts a payload that is too large
 * Returns: (transfer full) (nullable): the JSON text; NULL if @node is NULL */
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
    bytes = make_placeholder (max_bytes, counters);
  if (chunk->allocated > KEEP_BYTES)
    _lsobs_buffer_clear (chunk);
  return bytes;
}

/* Captures JSON text. The encoder checks it later.
 * @json: (nullable)
 * @counters: (nullable): counts a payload that is too large
 * Returns: (transfer full) (nullable): NULL if @json is NULL */
GBytes *
_lsobs_capture_bytes (GBytes *json, gsize max_bytes, LsobsCounters *counters)
{
  if (json == NULL)
    return NULL;
  if (g_bytes_get_size (json) > max_bytes)
    return make_placeholder (g_bytes_get_size (json), counters);
  return g_bytes_ref (json);
}
