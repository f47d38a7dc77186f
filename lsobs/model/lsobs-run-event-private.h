/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-run-event.h"
#include "lsobs/model/lsobs-attachment-private.h"

G_BEGIN_DECLS

/* The JSON nodes are deep copies that the event owns. */
struct _LsobsRunEvent
{
  gatomicrefcount ref_count;

  LsobsRunEventKind kind;
  char *id;           /* (owned) */
  char *parent_id;    /* (owned) (nullable) */
  char *trace_id;     /* (owned) (nullable) */
  char *dotted_order; /* (owned) (nullable) */
  char *name;         /* (owned) (nullable) */
  char *project_name; /* (owned) (nullable) */
  char *address;      /* (owned) (nullable) */
  LsobsRunType run_type;
  char *error_text;       /* (owned) (nullable) */
  gint64 start_time;      /* µs since 1970, or 0 */
  gint64 end_time;        /* µs since 1970, or 0 */
  GStrv tags;             /* (owned) (nullable) */
  JsonNode *inputs;       /* (owned) (nullable) */
  JsonNode *outputs;      /* (owned) (nullable) */
  JsonNode *extra;        /* (owned) (nullable) */
  JsonNode *events;       /* (owned) (nullable) */
  JsonNode *serialized;   /* (owned) (nullable) */
  char *example_id;       /* (owned) (nullable) */
  GPtrArray *attachments; /* (owned) (nullable) (element-type LsobsAttachment) */
  JsonNode *feedback;     /* (owned) (nullable) the object as sent; with
                           * LSOBS_RUN_EVENT_KIND_FEEDBACK only */
};

LsobsRunEvent *_lsobs_run_event_alloc (LsobsRunEventKind kind, const char *id);

G_END_DECLS
