/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

typedef struct _LsobsCallAnswer LsobsCallAnswer;

/* What a family of services speaks: how its requests become the inputs of a run, and its answers
 * the outputs. Constant. */
typedef struct
{
  const char *operation;   /* the name of a run without a model */
  const char *provider;    /* (nullable) who offers the model, if the host does not tell */
  const char *model_type;  /* (nullable) for the service; NULL for embeddings */
  const char *options;     /* (nullable) the member of a request that has further parameters */
  gboolean has_vectors;    /* of which only the length is kept */
  gboolean must_ask_usage; /* a stream has the usage only if the request asks for it */

  /* Appends members to the object of the inputs. */
  void (*write_inputs) (LsobsBuffer *out, JsonObject *request);
  /* Takes a whole answer, or an event of a stream. Returns FALSE for an object of another kind. */
  gboolean (*take) (LsobsCallAnswer *answer, JsonObject *event);
} LsobsCallFormat;

G_END_DECLS
