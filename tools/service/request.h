/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One request on its way through the service, with its answer. Only one thread has it at a time. */

#pragma once

#include <gio/gio.h>

#include "lsobs/core/lsobs-buffer-private.h"

#include "tools/service/intake.h"
#include "tools/store/store.h"

G_BEGIN_DECLS

typedef struct _Request Request;
typedef struct _Route Route;

/* Called once with each request that has its answer, in the context of the service. */
typedef void (*RequestDoneFunc) (Request *request, gpointer data);

struct _Request
{
  const Route *route;
  char *path;          /* (owned) below the root of the API, without a slash at its end */
  char **words;        /* (owned) of the path that stand for a star in the route, NULL-terminated */
  GHashTable *query;   /* (owned) (element-type utf8 utf8): of the address */
  char *raw_query;     /* (owned) (nullable): for what may be there several times */
  char *type;          /* (owned) (nullable): Content-Type */
  char *encoding;      /* (owned) (nullable): Content-Encoding */
  char *languages;     /* (owned) (nullable): Accept-Language */
  GBytes *body;        /* (owned) */
  const char *run_url; /* (unowned) what the address of a run begins with */

  Intake *intake; /* (owned) (nullable) */

  guint status;       /* of the answer, or 0 */
  LsobsBuffer answer; /* JSON, unless a type says otherwise */
  char *answer_type;  /* (owned) (nullable) */
  GBytes *file;       /* (owned) (nullable): in place of answer */
  GArray
      *runs; /* (owned) (nullable) (element-type LsobsId): in place of answer: these, a line each */
  char *file_name; /* (owned) (nullable): without quotes: answer is to be saved under this name */

  RequestDoneFunc done;
  gpointer done_data;
};

typedef enum
{
  ROUTE_READS = 0,
  ROUTE_WRITES = 1 << 0, /* inside of a transaction */
  ROUTE_ALONE = 1 << 1,  /* makes transactions itself */
} RouteFlags;

struct _Route
{
  const char *method;
  const char *path; /* with * for a word */
  RouteFlags flags;
  /* (nullable): reads the body, without the store, in a thread of its own. Returns: FALSE if the answer
   * is there already */
  gboolean (*prepare) (Request *request);
  /* Makes the answer. May be called again after a rollback. Returns: FALSE with an error */
  gboolean (*handle) (Request *request, Store *store, GError **error);
};

void request_free (Request *self);

/* Returns: (nullable): a parameter of the address */
const char *request_get_query (Request *self, const char *name);
/* Returns: (transfer full): all parameters of this name, NULL-terminated */
char **request_dup_queries (Request *self, const char *name);

/* Sets STORE_ERROR_INVALID. The text is for an answer, and so in English. */
void request_set_error (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Sets the answer to {"error": …, "detail": …}. */
void request_fail (Request *self, guint status, const char *message);
/* The same for an error of the store. */
void request_fail_error (Request *self, const GError *error);
/* Takes the answer back. */
void request_reset (Request *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Request, request_free)

G_END_DECLS
