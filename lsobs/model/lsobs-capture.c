/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

/* Payloads are written out when they are given, as the program may change its tree afterwards. Each
 * thread writes into a block of its own. One that is nearly filled becomes the payload as it
 * is. Otherwise, the text is copied to memory of its size: a payload in the queue takes at most an
 * eighth more memory than is counted, beside the fixed size that is counted for each record. */

/* Between two payloads, a thread keeps a block up to this size. A larger one goes back to the pool of
 * all threads. */
#define KEEP_BYTES (16 * 1024)

/* A payload up to this size, such as most values of metadata, would waste most of a block. */
#define SMALL_BYTES 64

/* The part of a payload that the block may be larger. */
#define MAX_WASTE 8

/* What a thread writes payloads with. */
typedef struct
{
  LsobsBuffer buffer; /* pooled */
  gsize expected; /* the size that the next payload is likely to have; 0: KEEP_BYTES are enough */
} ThreadBuffer;

static void
own_free (gpointer data)
{
  ThreadBuffer *self = data;

  _lsobs_buffer_clear (&self->buffer);
  g_free (self);
}

static GPrivate own_key = G_PRIVATE_INIT (own_free);

static ThreadBuffer *
get_own (void)
{
  ThreadBuffer *self = g_private_get (&own_key);

  if (self == NULL)
    {
      self = g_new0 (ThreadBuffer, 1);
      self->buffer = (LsobsBuffer) LSOBS_BUFFER_INIT_POOLED;
      g_private_set (&own_key, self);
    }
  return self;
}

/* Makes a payload of what was written.
 * Returns: (transfer full) */
static GBytes *
take_bytes (ThreadBuffer *self)
{
  LsobsBuffer *buffer = &self->buffer;
  g_auto (LsobsBuffer) copy = LSOBS_BUFFER_INIT_POOLED;

  self->expected = MAX (buffer->len > KEEP_BYTES ? buffer->len : 0, self->expected / 2);
  if (buffer->len <= SMALL_BYTES)
    return g_bytes_new (buffer->data, buffer->len);
  if (buffer->allocated - buffer->len <= buffer->len / MAX_WASTE)
    return _lsobs_buffer_steal_bytes (buffer);
  _lsobs_buffer_append (&copy, buffer->data, buffer->len);
  return _lsobs_buffer_steal_bytes (&copy);
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
 * @string_bound: (out): see LsobsRecord
 * Returns: (transfer full) (nullable): the JSON text; NULL if @node is NULL */
GBytes *
_lsobs_capture_node_measuring (JsonNode *node,
                               gsize max_bytes,
                               LsobsCounters *counters,
                               guint *string_bound)
{
  gsize longest;
  ThreadBuffer *own;
  LsobsBuffer *buffer;
  GBytes *bytes;

  *string_bound = 0;
  if (node == NULL)
    return NULL;
  own = get_own ();
  buffer = &own->buffer;
  _lsobs_buffer_truncate (buffer, 0);
  if (buffer->allocated < own->expected)
    _lsobs_buffer_clear (buffer);
  _lsobs_buffer_reserve (buffer, buffer->data == NULL ? MAX (own->expected, KEEP_BYTES) : 0);
  if (_lsobs_json_write_node_measuring (buffer, node, max_bytes, &longest))
    {
      bytes = take_bytes (own);
      if (longest < G_MAXUINT)
        *string_bound = (guint) longest + 1;
    }
  else
    {
      bytes = make_placeholder (max_bytes, counters);
    }
  if (buffer->allocated > KEEP_BYTES)
    _lsobs_buffer_clear (buffer);
  return bytes;
}

/* Does the same without the bound. */
GBytes *
_lsobs_capture_node (JsonNode *node, gsize max_bytes, LsobsCounters *counters)
{
  guint string_bound;

  return _lsobs_capture_node_measuring (node, max_bytes, counters, &string_bound);
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
