/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs and feedback as JSON objects of LangSmith's API. */

#pragma once

#include "lsobs/core/lsobs-buffer-private.h"

#include "tools/store/feedback.h"
#include "tools/store/run.h"

G_BEGIN_DECLS

/* The one organization that there is: its id is in addresses. */
#define RUN_JSON_TENANT "00000000-0000-4000-8000-000000000000"

/* Whether @name is a member that run_json_put () can write. */
gboolean run_json_has_member (const char *name);

/* Appends a run.
 * @run: whole
 * @members: (nullable): NULL-terminated, what to write; NULL for all
 * @projects: (element-type gint64 LsobsId): the ids of projects by their seq, which is filled */
gboolean run_json_put (LsobsBuffer *out,
                       const char *name,
                       Store *store,
                       const Run *run,
                       const char *const *members,
                       GHashTable *projects,
                       GError **error);
/* Returns: (transfer full) */
GHashTable *run_json_new_projects (void);

G_END_DECLS
