/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "tests/lib/test-server-private.h"

/* What the requests mean together. */

static char *
dup_op_key (WireOp *op)
{
  return g_strconcat (op->op, ".", op->id, NULL);
}

static char *
dup_feedback_key (JsonObject *feedback)
{
  return g_strconcat ("feedback.", json_object_get_string_member_with_default (feedback, "id", ""),
                      NULL);
}

static char *
dup_object_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);

  return wire_json_canonical (node);
}

guint
test_server_count_ops (TestServer *self)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (self);
  g_autoptr (GHashTable) keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      if (request->wire == NULL || !test_request_is_accepted (request))
        continue;
      for (guint j = 0; j < request->wire->ops->len; j++)
        g_hash_table_add (keys, dup_op_key (g_ptr_array_index (request->wire->ops, j)));
    }

  return g_hash_table_size (keys);
}

WireTree *
test_server_build_tree (TestServer *self)
{
  WireTree *tree = wire_tree_new ();
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (self);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);
      g_autoptr (GHashTable) here = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

      if (request->wire == NULL || !test_request_is_accepted (request))
        continue;

      for (guint j = 0; j < request->wire->ops->len; j++)
        {
          WireOp *op = g_ptr_array_index (request->wire->ops, j);
          g_autofree char *key = dup_op_key (op);
          g_autofree char *text = dup_object_text (op->run);

          /* a retry the service has already, but twice in one request is never a retry */
          if (g_hash_table_add (here, g_strdup (key)) &&
              g_strcmp0 (g_hash_table_lookup (seen, key), text) == 0)
            continue;
          wire_tree_add_op (tree, op);
          g_hash_table_replace (seen, g_steal_pointer (&key), g_steal_pointer (&text));
        }
      for (guint j = 0; j < request->wire->feedback->len; j++)
        {
          JsonObject *feedback = g_ptr_array_index (request->wire->feedback, j);

          if (g_hash_table_insert (seen, dup_feedback_key (feedback), NULL))
            g_ptr_array_add (wire_tree_get_feedback (tree), json_object_ref (feedback));
        }
    }

  return tree;
}

/* --- conformance --------------------------------------------------------------------------- */

G_GNUC_PRINTF (3, 4)
static gboolean
refuse (TestRequest *request, GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s %s: %s", request->method,
               request->path, text);

  return FALSE;
}

static gboolean
contains (GBytes *bytes, const char *needle)
{
  gsize size, length = strlen (needle);
  const char *data = g_bytes_get_data (bytes, &size);
  const char *p = data;

  while (p != NULL && size - (gsize) (p - data) >= length &&
         (p = memchr (p, *needle, size - (gsize) (p - data))) != NULL)
    {
      if (size - (gsize) (p - data) >= length && memcmp (p, needle, length) == 0)
        return TRUE;
      p++;
    }

  return FALSE;
}

static gboolean
check_headers (TestRequest *request, GError **error)
{
  const char *key = test_request_get_header (request, "x-api-key");
  const char *agent = test_request_get_header (request, "User-Agent");
  const char *accept = test_request_get_header (request, "Accept");

  if (key == NULL || *key == '\0')
    return refuse (request, error, "no x-api-key");
  if (contains (request->body != NULL ? request->body : request->raw_body, key) ||
      strstr (request->path, key) != NULL)
    return refuse (request, error, "the API key is in the body or in the path");
  if (agent == NULL || !g_str_has_prefix (agent, "lsobs/"))
    return refuse (request, error, "User-Agent is \"%s\", not \"lsobs/…\"",
                   agent != NULL ? agent : "(none)");
  if (g_strcmp0 (accept, "application/json") != 0)
    return refuse (request, error, "Accept is \"%s\"", accept != NULL ? accept : "(none)");
  if (test_request_get_header (request, "Transfer-Encoding") != NULL)
    return refuse (request, error, "the body is not sent with a Content-Length");

  return TRUE;
}

static gboolean
check_body (TestRequest *request, GError **error)
{
  const char *size = test_request_get_header (request, "X-Pre-Compressed-Size");

  if (request->wire == NULL)
    return refuse (request, error, "%s", request->wire_error->message);
  if (!wire_check_request (request->wire, WIRE_STRICT, error))
    {
      g_prefix_error (error, "%s %s: ", request->method, request->path);
      return FALSE;
    }
  if (size != NULL && request->wire->endpoint == WIRE_ENDPOINT_MULTIPART &&
      g_ascii_strtoull (size, NULL, 10) != request->wire->payload_bytes)
    return refuse (request, error,
                   "X-Pre-Compressed-Size is %s, the payloads have %" G_GSIZE_FORMAT " bytes", size,
                   request->wire->payload_bytes);

  return TRUE;
}

/* The last request that carried an operation. */
typedef struct
{
  TestRequest *request; /* (unowned) */
  char *text;           /* (owned) */
} Sent;

static void
sent_free (gpointer data)
{
  Sent *self = data;

  g_free (self->text);
  g_free (self);
}

/* Had the client any reason to send the operation again? Called with the server's lock held. */
static gboolean
may_send_again (TestRequest *earlier, TestRequest *later)
{
  TestRequestState *state = (TestRequestState *) earlier;
  guint status = test_request_get_status (earlier);

  if (state->is_lost || state->answer_time == 0 || state->answer_time > later->time)
    return TRUE;

  /* 409 to a batch may mean one of its operations only */
  return status < 200 || status >= 300;
}

static gboolean
check_again (TestServer *self,
             GHashTable *sent,
             TestRequest *request,
             char *key, /* (transfer full) */
             JsonObject *object,
             GError **error)
{
  Sent *now = g_new0 (Sent, 1);
  Sent *before = g_hash_table_lookup (sent, key);
  gboolean ok = TRUE;

  now->request = request;
  now->text = dup_object_text (object);

  if (before != NULL)
    {
      gboolean is_allowed;

      g_mutex_lock (&self->lock);
      is_allowed = before->request != request && may_send_again (before->request, request);
      g_mutex_unlock (&self->lock);

      if (!is_allowed)
        ok = refuse (request, error, "%s was sent twice, the first answer being %u", key,
                     test_request_get_status (before->request));
      else if (test_request_get_status (before->request) != SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE &&
               strcmp (before->text, now->text) != 0)
        ok = refuse (request, error, "%s was sent again with other content", key);
    }
  g_hash_table_replace (sent, key, now);

  return ok;
}

gboolean
test_server_check_conformant (TestServer *self, GError **error)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (self);
  g_autoptr (GHashTable) sent = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, sent_free);

  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      if (!check_headers (request, error))
        return FALSE;
      if (test_request_is_info (request) || test_request_is_sessions (request))
        continue;
      if (!check_body (request, error))
        return FALSE;

      for (guint j = 0; j < request->wire->ops->len; j++)
        {
          WireOp *op = g_ptr_array_index (request->wire->ops, j);

          if (!check_again (self, sent, request, dup_op_key (op), op->run, error))
            return FALSE;
        }
      for (guint j = 0; j < request->wire->feedback->len; j++)
        {
          JsonObject *feedback = g_ptr_array_index (request->wire->feedback, j);

          if (!check_again (self, sent, request, dup_feedback_key (feedback), feedback, error))
            return FALSE;
        }
    }

  return TRUE;
}

void
test_server_assert_conformant_at (TestServer *self,
                                  const char *file,
                                  int line,
                                  const char *function)
{
  g_autoptr (GError) error = NULL;

  if (!test_server_check_conformant (self, &error))
    g_assertion_message (G_LOG_DOMAIN, file, line, function, error->message);
}
