/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The HTTP service: takes what all clients of LangSmith send, and answers what they ask. It runs in the
 * thread-default context of the thread that makes it. */

#pragma once

#include "tools/service/worker.h"

G_BEGIN_DECLS

/* The port if none is given. */
#define SERVICE_PORT 4983

/* The header of each answer that tells which database it is: see database_dup_file_id (). */
#define SERVICE_DATABASE_HEADER "Lsobs-Database"

typedef struct _Service Service;

typedef struct
{
  const char *database; /* path */
  const char *token;
  const char *address;      /* (nullable): to listen at; NULL: 127.0.0.1 */
  guint port;               /* 0: any */
  const char *const *names; /* (nullable): names of this host that clients may use */
  WorkerLimits limits;
  /* The service ends with one program. So it is not the instance of the database that other
   * programs use. */
  gboolean is_temporary;
  GArray *own_changes; /* (nullable): see store_note_changes () */
} ServiceSettings;

Service *service_new (const ServiceSettings *settings, GError **error);
/* Takes no more requests, answers those that are under way, and closes the database. */
void service_free (Service *self);
/* Returns: (transfer none): such as http://127.0.0.1:4983 */
const char *service_get_url (Service *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Service, service_free)

G_END_DECLS
