/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one service of a database: a locked file beside it says where it is. The lock ends with its process. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _Instance Instance;

/* Makes this process the service of a database, whose folder is made if it is not there.
 * Returns: (transfer full) (nullable): NULL with an error, which says where the other service is */
Instance *instance_new (const char *database, GError **error);
void instance_free (Instance *self);
/* Tells others the address. */
void instance_set_url (Instance *self, const char *url);

/* Returns: (transfer full) (nullable): the address of the service of a database, without a token; NULL if
 *   none runs */
char *instance_find (const char *database);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Instance, instance_free)

G_END_DECLS
