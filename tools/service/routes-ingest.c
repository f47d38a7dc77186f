/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The routes for traces that clients send, and for what clients ask before that. */

#include "config.h"

#include <glib/gi18n.h>

#include "lsobs/text/lsobs-compressor-private.h"

#include "tools/service/language.h"
#include "tools/service/routes.h"
#include "tools/store/json-put.h"

/* The number of refused parts that the answer names. */
#define MAX_NAMED 20

/* --- bodies --- */

static gboolean
read_intake (Request *request, IntakeKind kind, const char *id)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *refused;

  if (!routes_decode (request))
    return FALSE;
  request->intake = intake_new (kind, id, request->type, request->body, &error);
  if (request->intake == NULL)
    {
      request_fail (request, kind == INTAKE_RUN ? 422 : 400, error->message);
      return FALSE;
    }
  refused = intake_get_refused (request->intake);
  if (refused->len > 0)
    {
      language_speak_own ();
      /* TRANSLATORS: %u is a number, %s the name of a part of a request, and what is wrong with it */
      g_message (_ ("Parts of a request that were left out: %u; the first one is %s"), refused->len,
                 (const char *) g_ptr_array_index (refused, 0));
      language_speak_english ();
    }
  if (intake_get_n_accepted (request->intake) > 0 || refused->len == 0)
    return TRUE;
  request_fail (request, 422, g_ptr_array_index (refused, 0));
  return FALSE;
}

static gboolean
prepare_create (Request *request)
{
  return read_intake (request, INTAKE_RUN, NULL);
}

static gboolean
prepare_update (Request *request)
{
  return read_intake (request, INTAKE_RUN, request->words[0]);
}

static gboolean
prepare_batch (Request *request)
{
  return read_intake (request, INTAKE_BATCH, NULL);
}

static gboolean
prepare_multipart (Request *request)
{
  return read_intake (request, INTAKE_MULTIPART, NULL);
}

/* The answer names the parts that were left out. */
static gboolean
handle_intake (Request *request, Store *store, GError **error)
{
  GPtrArray *refused = intake_get_refused (request->intake);

  if (!intake_apply (request->intake, store, error))
    return FALSE;
  request->status = 202;
  json_put_begin (&request->answer, NULL, '{');
  json_put_text (&request->answer, "message",
                 refused->len == 0 ? "accepted" : "accepted, but for what is listed as refused");
  if (refused->len > 0)
    {
      json_put_begin (&request->answer, "refused", '[');
      for (guint i = 0; i < MIN (refused->len, MAX_NAMED); i++)
        json_put_text (&request->answer, NULL, g_ptr_array_index (refused, i));
      json_put_end (&request->answer, ']');
    }
  json_put_end (&request->answer, '}');
  return TRUE;
}

/* --- capabilities --- */

/* All of batch_ingest_config is needed: without the numbers of its threads, the sending thread of the
 * Python client ends, and its flush waits for ever. The version is one at which the clients use
 * multipart for feedback, too. */
static gboolean
handle_info (Request *request, Store *store G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
  gboolean has_zstd = _lsobs_compression_is_built_in (LSOBS_COMPRESSION_ZSTD);
  LsobsBuffer *out = &request->answer;

  request->status = 200;
  json_put_begin (out, NULL, '{');
  json_put_text (out, "version", "0.12.1");
  json_put_text (out, "server", "lsobs " PACKAGE_VERSION);
  json_put_json (out, "git_sha", NULL);
  json_put_json (out, "license_expiration_time", NULL);
  json_put_json (out, "customer_info", NULL);
  json_put_begin (out, "instance_flags", '{');
  json_put_boolean (out, "zstd_compression_enabled", has_zstd);
  json_put_boolean (out, "gzip_body_enabled", TRUE);
  json_put_boolean (out, "dataset_examples_multipart_enabled", FALSE);
  json_put_boolean (out, "ch_query_enabled", TRUE);
  json_put_boolean (out, "sdb_query_enabled", FALSE);
  json_put_end (out, '}');
  json_put_begin (out, "batch_ingest_config", '{');
  json_put_boolean (out, "use_multipart_endpoint", TRUE);
  json_put_int (out, "size_limit", 100);
  json_put_int (out, "size_limit_bytes", 20971520);
  json_put_int (out, "scale_up_qsize_trigger", 1000);
  json_put_int (out, "scale_up_nthreads_limit", 16);
  json_put_int (out, "scale_down_nempty_trigger", 4);
  json_put_end (out, '}');
  json_put_end (out, '}');
  return TRUE;
}

static gboolean
handle_health (Request *request, Store *store G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
  request->status = 200;
  _lsobs_buffer_append_str (&request->answer, "{\"status\":\"ok\"}");
  return TRUE;
}

const Route routes_ingest[] = {
  { "GET", "/info", ROUTE_READS, NULL, handle_info },
  { "GET", "/info/health", ROUTE_READS, NULL, handle_health },
  { "GET", "/ok", ROUTE_READS, NULL, handle_health },
  { "POST", "/runs", ROUTE_WRITES, prepare_create, handle_intake },
  { "POST", "/runs/batch", ROUTE_WRITES, prepare_batch, handle_intake },
  { "POST", "/runs/multipart", ROUTE_WRITES, prepare_multipart, handle_intake },
  { "PATCH", "/runs/*", ROUTE_WRITES, prepare_update, handle_intake },
  { NULL, NULL, 0, NULL, NULL },
};
