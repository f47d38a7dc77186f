/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A tracing service that speaks HTTP/2 over TLS, as a process of its own. */

#pragma once

#include "test-helpers.h"

G_BEGIN_DECLS

typedef struct _H2Service H2Service;

/* What has come to the service. */
typedef struct
{
  guint n_runs;        /* distinct */
  guint n_times;       /* how often runs came, all taken together */
  guint n_requests;    /* that came to their end */
  guint n_connections; /* with a TLS handshake */
  guint n_feedback;
  guint n_without_body;
  guint n_cut_short; /* with another length than they had said, or with no last boundary */
  guint n_refused;   /* streams */
} H2Books;

/* Makes the certificate, and has the process trust it. Skips the test and returns FALSE where the
 * service cannot run. Once, before anything of TLS is used. */
gboolean h2_service_is_possible (void);
/* @plan: (nullable): what it does wrong, in the words of testlib/h2-service.py */
H2Service *h2_service_new (const char *plan);
void h2_service_free (H2Service *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (H2Service, h2_service_free)

/* "https://127.0.0.1:PORT" */
const char *h2_service_get_url (H2Service *self);
void h2_service_get_books (H2Service *self, H2Books *books);
/* the same when @n runs have come; fails the test at the deadline */
void h2_service_wait_runs (H2Service *self, guint n, H2Books *books);

G_END_DECLS
