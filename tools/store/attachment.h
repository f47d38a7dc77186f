/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files that go with runs. They may come before their run. */

#pragma once

#include "tools/store/store.h"

G_BEGIN_DECLS

typedef struct
{
  char *name;      /* (owned) */
  char *type;      /* (owned) its MIME type, as the client says it */
  gint64 size;     /* bytes */
  gint64 received; /* µs */
} Attachment;

/* Writes an attachment, or replaces one of the same name. In a transaction. */
gboolean attachment_write (Store *store,
                           const LsobsId *run_id,
                           const char *name,
                           const char *type,
                           const void *data,
                           gsize size,
                           GError **error);
/* Returns: (transfer full) (element-type Attachment): those of a run, by name */
GPtrArray *attachment_list (Store *store, const LsobsId *run_id, GError **error);
/* Returns: (transfer full) (nullable): NULL with STORE_ERROR_NOT_FOUND if it is missing
 * @type: (out) (transfer full) (optional) */
GBytes *attachment_load (Store *store,
                         const LsobsId *run_id,
                         const char *name,
                         char **type,
                         GError **error);

G_END_DECLS
