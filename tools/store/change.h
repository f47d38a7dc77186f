/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client says about one run: a create, or an update. It is checked and repaired when it is read,
 * without the store, so that another thread can do that. */

#pragma once

#include "lsobs/core/lsobs-id-private.h"

#include "tools/store/store-error.h"
#include "tools/store/time-text.h"

G_BEGIN_DECLS

typedef enum
{
  CHANGE_CREATE, /* sets what the store does not know yet */
  CHANGE_UPDATE  /* replaces what the store knows */
} ChangeKind;

/* A member that is NULL or TIME_NONE was not sent. JSON is sanitized. */
typedef struct
{
  ChangeKind kind;
  LsobsId id;
  gboolean has_trace;
  LsobsId trace_id;
  gboolean has_parent;
  LsobsId parent_id;
  char *dotted_order;      /* (owned) */
  char *project;           /* (owned) its name, or the address of an agent */
  char *project_id;        /* (owned) a UUID */
  char *name;              /* (owned) */
  char *run_type;          /* (owned) one of the words of LangSmith */
  char *reference_example; /* (owned) a UUID */
  char *error;             /* (owned) */
  gboolean failed;         /* the status says so */
  gint64 start_time;
  gint64 end_time;
  char *tags;       /* (owned) an array */
  char *inputs;     /* (owned) an object */
  char *outputs;    /* (owned) an object */
  char *extra;      /* (owned) an object */
  char *events;     /* (owned) an array */
  char *serialized; /* (owned) an object */
} Change;

/* Reads a run as clients send it. Members that are not known are left out.
 * @id: (nullable): the id of the run, if @text need not have it; if it does, it must be the same
 * Returns: (transfer full) (nullable): NULL with an error that names what is wrong */
Change *change_new_from_json (ChangeKind kind,
                              const char *id,
                              const char *text,
                              gsize len,
                              GError **error);
/* Sets one of inputs, outputs, events, extra, error, serialized, as it is sent in a part of its own.
 * Returns: FALSE with an error if the name is another one, or the text is no JSON */
gboolean change_set_field (Change *self,
                           const char *name,
                           const char *text,
                           gsize len,
                           GError **error);
void change_free (Change *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Change, change_free)

G_END_DECLS
