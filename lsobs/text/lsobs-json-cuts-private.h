/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How many strings of a text have a path. More are counted. */
#define LSOBS_JSON_MAX_CUT_PATHS 20

/* The strings of a JSON text that were too long. A plain value, used by one thread at a time. */
typedef struct
{
  guint n;
  gsize offsets[LSOBS_JSON_MAX_CUT_PATHS]; /* of the opening quotes of the first ones */
} LsobsJsonCuts;

static inline void
_lsobs_json_cuts_add (LsobsJsonCuts *self, gsize offset)
{
  if (self->n < LSOBS_JSON_MAX_CUT_PATHS)
    self->offsets[self->n] = offset;
  if (self->n < G_MAXUINT)
    self->n++;
}

G_END_DECLS
