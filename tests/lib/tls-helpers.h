/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A tracing service that speaks HTTP/2 or HTTP/1.1 over TLS, as a process of its own. */

#pragma once

#include "tests/lib/service-store.h"
#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

/* The timeout of a request that gets no answer. */
#define TLS_SHORT_MS 2000

typedef struct _TlsService TlsService;

/* What has come to the service. */
typedef struct
{
  guint n_runs;        /* distinct */
  guint n_times;       /* how often runs came, all taken together */
  guint n_requests;    /* that came to their end */
  guint n_connections; /* with a TLS handshake */
  guint n_misdirected; /* requests that were answered 421 */
  guint n_feedback;
  guint n_without_body;
  guint n_cut_short; /* with another length than they had said, or with no last boundary */
  guint n_refused;   /* streams */
} TlsBooks;

/* Makes the certificate, and has the process trust it. Skips the test and returns FALSE where the
 * service cannot run. Once, before anything of TLS is used. */
gboolean tls_service_is_possible (void);
/* After g_test_init (): warnings of libsoup that are not about lsobs end no test. */
void tls_service_allow_warnings (void);
/* (transfer none): paths of files, for other services of that name; when it is possible */
const char *tls_service_get_certificate (void);
const char *tls_service_get_key (void);
/* @plan: (nullable): what it does wrong, in the words of tls-service.py */
TlsService *tls_service_new (const char *plan);
void tls_service_free (TlsService *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TlsService, tls_service_free)

/* "https://127.0.0.1:PORT" */
const char *tls_service_get_url (TlsService *self);
/* What it does wrong from now on. */
void tls_service_set_plan (TlsService *self, const char *plan);
/* With "keep=1" in the plan: tells @store of the requests that have come since the last call. */
void tls_service_tell_store (TlsService *self, ServiceStore *store);
void tls_service_get_books (TlsService *self, TlsBooks *books);

/* --- fixture ------------------------------------------------------------------------------- */

typedef struct
{
  TestFixture base;
  TlsService *service; /* (owned) (nullable) where it cannot run: then the test is skipped */
} TlsFixture;

/* @data: the plan of the service */
void tls_fixture_set_up (TlsFixture *self, gconstpointer data);
void tls_fixture_tear_down (TlsFixture *self, gconstpointer data);
/* Sends @n_batches of 5 runs each, one after the other. All of them must be there, each request
 * with its whole body, and nothing else may be counted. */
void tls_fixture_assert_arrival (TlsFixture *self, guint n_batches, TlsBooks *books);

/* --- tests of both versions of HTTP; they do nothing where the service cannot run ---------- */

/* ms: time for a request that gets no answer */
#define TLS_SHORT_MS 2000

/* Four batches arrive. */
void tls_test_arrival (TlsFixture *fixture, gconstpointer data);
/* The same when the server falls silent: a silent connection gets no other request. */
void tls_test_silent (TlsFixture *fixture, gconstpointer data);
/* Interim answers without end fail the request: fast ones by their number, slow ones in time. */
void tls_test_interim_flood (TlsFixture *fixture, gconstpointer data);
void tls_test_interim_slow (TlsFixture *fixture, gconstpointer data);
/* Stops the observer while a request is under way: all 5 runs are dropped, without a long wait. */
void tls_fixture_assert_shutdown (TlsFixture *self);

G_END_DECLS
