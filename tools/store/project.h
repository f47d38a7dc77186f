/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Projects, which LangSmith's API calls sessions. */

#pragma once

#include "tools/store/store.h"

G_BEGIN_DECLS

/* The project of runs that name none. */
#define PROJECT_DEFAULT "default"

typedef struct
{
  gint64 seq; /* the number in runs.project */
  LsobsId id;
  char *name;         /* (owned) or the address of an agent */
  char *description;  /* (owned) (nullable) */
  char *extra;        /* (owned) (nullable) JSON */
  gint64 created;     /* µs */
  gint64 ended;       /* µs, or TIME_NONE */
  gint64 last_change; /* the start time of its newest run in µs, or TIME_NONE */
} Project;

/* Finds the project that a run belongs to, and makes it if it is not there. In a transaction.
 * @name: (nullable)
 * @id: (nullable): a UUID; it goes before the name
 * @seq: (out) */
gboolean project_ensure (Store *store,
                         const char *name,
                         const char *id,
                         gint64 *seq,
                         GError **error);

/* Makes a project. In a transaction.
 * @id: (nullable)
 * @upsert: whether one of that name may be there, which is changed then
 * @description, @extra: (nullable) */
Project *project_create (Store *store,
                         const LsobsId *id,
                         const char *name,
                         const char *description,
                         const char *extra,
                         gboolean upsert,
                         GError **error);
/* Brings back a project of another store: makes it if no project has its name or its id, and sets what
 * the one that is there lacks. In a transaction. @project: its seq is not used */
gboolean project_restore (Store *store, const Project *project, GError **error);
/* Sets what is not NULL. In a transaction. @ended: or TIME_NONE */
gboolean project_change (Store *store,
                         const LsobsId *id,
                         const char *name,
                         const char *description,
                         const char *extra,
                         gint64 ended,
                         GError **error);

/* Returns: (transfer full) (nullable): NULL with STORE_ERROR_NOT_FOUND if it is missing */
Project *project_load (Store *store, const LsobsId *id, GError **error);
Project *project_load_seq (Store *store, gint64 seq, GError **error);
Project *project_load_name (Store *store, const char *name, GError **error);

typedef enum
{
  PROJECT_BY_TIME, /* the one with the newest run first */
  PROJECT_BY_NAME,
  PROJECT_BY_CREATION, /* the newest one first */
  PROJECT_BY_TIME_REVERSED,
  PROJECT_BY_NAME_REVERSED,
  PROJECT_BY_CREATION_REVERSED
} ProjectOrder;

/* Returns: (transfer full) (element-type Project)
 * @part: (nullable): of the name, without regard to case
 * @limit: or -1 */
GPtrArray *project_list (Store *store,
                         const char *part,
                         ProjectOrder order,
                         gint64 limit,
                         gint64 offset,
                         GError **error);
void project_free (Project *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Project, project_free)

G_END_DECLS
