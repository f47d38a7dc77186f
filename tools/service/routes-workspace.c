/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one workspace that there is. Some clients ask for it before anything else. */

#include "config.h"

#include "tools/service/routes.h"
#include "tools/store/json-put.h"
#include "tools/store/run-json.h"

static gboolean
put_workspace (LsobsBuffer *out, Store *store, GError **error)
{
  gint64 created;

  /* The workspace is as old as its first project. */
  if (!database_query_int (store_get_database (store), &created, g_get_real_time (), error,
                           "SELECT min(created) FROM projects", ""))
    return FALSE;
  json_put_begin (out, NULL, '{');
  json_put_text (out, "id", RUN_JSON_TENANT);
  json_put_text (out, "display_name", "lsobs");
  json_put_json (out, "tenant_handle", NULL);
  json_put_json (out, "organization_id", NULL);
  json_put_time (out, "created_at", created);
  json_put_boolean (out, "is_personal", TRUE);
  json_put_boolean (out, "is_deleted", FALSE);
  json_put_boolean (out, "read_only", FALSE);
  json_put_end (out, '}');
  return TRUE;
}

static gboolean
handle_one (Request *request, Store *store, GError **error)
{
  request->status = 200;
  return put_workspace (&request->answer, store, error);
}

static gboolean
handle_list (Request *request, Store *store, GError **error)
{
  request->status = 200;
  json_put_begin (&request->answer, NULL, '[');
  if (!put_workspace (&request->answer, store, error))
    return FALSE;
  json_put_end (&request->answer, ']');
  return TRUE;
}

const Route routes_workspace[] = {
  { "GET", "/settings", ROUTE_READS, NULL, handle_one },
  { "GET", "/workspaces", ROUTE_READS, NULL, handle_list },
  { "GET", "/tenants", ROUTE_READS, NULL, handle_list },
  { NULL, NULL, 0, NULL, NULL },
};
