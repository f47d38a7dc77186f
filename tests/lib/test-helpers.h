/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the programs share that send to a TestServer. Nothing here knows more than the public API. */

#pragma once

#include <lsobs/lsobs.h>

#include "tests/lib/test-server.h"
#include "tests/lib/test-utils.h"

G_BEGIN_DECLS

#define TEST_KEY     "lsv2_pt_0123456789abcdef_fedcba98"
#define TEST_PROJECT "tests"

/* Valgrind or a sanitizer makes everything slow, and memory large. */
gboolean test_is_instrumented (void);
/* How much later than its limit a bounded call may return, in ms: it may have to wait for the
 * processor. With this, a limit of 6 s or less becomes at least ten times as long. A test makes
 * sure that without the limit the call would take 60 s or more, so that it can tell the two apart. */
gint64 test_get_slack_ms (void);
/* since @start, a monotonic time */
gint64 test_get_elapsed_ms (gint64 start);

/* --- fixture ------------------------------------------------------------------------------- */

typedef struct
{
  TestServer *server;      /* (owned) */
  LsobsConfig *config;     /* (owned) to be changed before test_fixture_start () */
  LsobsObserver *observer; /* (owned) (nullable) */
  LsobsExporter *exporter; /* (owned) (nullable) that of the observer, and outlives it */
  gboolean is_free;        /* what the server got need not follow the protocol's rules */
} TestFixture;

/* A config for the server, with quick retries and no flush but on demand. */
void test_fixture_set_up (TestFixture *self, gconstpointer data);
/* Checks the books, the requests, and that nothing stays alive. */
void test_fixture_tear_down (TestFixture *self, gconstpointer data);
/* (transfer none): the exporter of the observer that it makes */
LsobsExporter *test_fixture_start (TestFixture *self);
/* the same with all of the sending in @context */
LsobsExporter *test_fixture_start_in (TestFixture *self, GMainContext *context);
LsobsExporter *test_fixture_start_with (TestFixture *self,
                                        LsobsTransport *transport,
                                        GMainContext *context);
/* Waits until nothing is sent any more, which the last unref does not. Some records may be lost. */
void test_shut_down (LsobsExporter *exporter, gint64 timeout);
/* Shuts the observer down and drops it; the exporter stays, to be asked. */
void test_fixture_stop (TestFixture *self);
/* @server: (transfer full): replaces the server of the fixture; the config keeps its address */
void test_fixture_use_server (TestFixture *self, TestServer *server);
/* Starts the fixture and sends one run, which must be delivered. */
void test_fixture_assert_delivers (TestFixture *self);
/* Nothing has come to the server. */
void test_fixture_assert_not_asked (TestFixture *self);

/* (transfer full): the path of a file of certificates for tests */
char *test_find_certificate (const char *name);
/* (transfer full): a server for HTTPS, for which "authority.pem" vouches */
TestServer *test_new_tls_server (void);

/* Takes the last reference but for those that other threads are about to drop. */
void test_assert_dies_at (gpointer object, const char *file, int line, const char *function);
#define test_assert_dies(object) test_assert_dies_at ((object), __FILE__, __LINE__, G_STRFUNC)

/* --- records ------------------------------------------------------------------------------- */

/* One complete run, which is one record whatever other threads do. */
void test_emit (LsobsExporter *exporter, const char *name);
void test_emit_large (LsobsExporter *exporter, const char *name, gsize n_bytes);
/* "run-0", "run-1", … */
void test_emit_many (LsobsExporter *exporter, guint n);
/* (transfer full): {"text": text} */
JsonNode *test_new_payload (const char *text);

/* --- books --------------------------------------------------------------------------------- */

guint64 test_get_counter (LsobsExporter *exporter, LsobsCounter counter);
guint64 test_get_dropped (LsobsExporter *exporter, LsobsDropReason reason);
guint64 test_get_total_dropped (LsobsExporter *exporter);
/* FALSE at the deadline */
gboolean test_wait_counter (LsobsExporter *exporter, LsobsCounter counter, guint64 at_least);
gboolean test_wait_dropped (LsobsExporter *exporter, LsobsDropReason reason, guint64 at_least);
/* enqueued = delivered + queued + in flight + spooled + all that was dropped */
void test_assert_books_at (LsobsExporter *exporter,
                           const char *file,
                           int line,
                           const char *function);
#define test_assert_books(exporter) test_assert_books_at ((exporter), __FILE__, __LINE__, G_STRFUNC)
/* Flushes; all of it must arrive, and be @n records. */
void test_assert_flush_at (LsobsExporter *exporter,
                           guint64 n,
                           const char *file,
                           int line,
                           const char *function);
#define test_assert_flush(exporter, n) \
 test_assert_flush_at ((exporter), (n), __FILE__, __LINE__, G_STRFUNC)
/* Flushes; @n records must get lost. Returns (transfer full) the error. */
GError *test_flush_with_loss (LsobsExporter *exporter, guint64 n);
/* Flushes; nothing may get lost, and @n records must be kept. Returns (transfer full) the error. */
GError *test_flush_in_vain (LsobsExporter *exporter, guint64 n);
/* Flushes until that succeeds, or fails for ever. */
gboolean test_flush_at_last (LsobsExporter *exporter);

/* --- requests ------------------------------------------------------------------------------ */

/* (transfer full): the @index-th request, which must have come */
TestRequest *test_get_request (TestServer *server, guint index);
gboolean test_bytes_contain (GBytes *bytes, const char *text);
/* A handler of TestServer, called in its thread: a request with a run "bad" gets this status. */
gboolean test_refuse_bad_cb (TestRequest *request, TestAnswer *answer, gpointer status);
/* (transfer full): a port that refuses connections as long as the socket lives */
GSocket *test_refusing_socket_new (char **url);

/* --- log ----------------------------------------------------------------------------------- */

/* Once, after g_test_init (): every message of every domain is kept from now on. */
void test_log_install (void);
void test_log_clear (void);
/* lines of the library that a user sees, since the last clear */
guint test_log_count (void);
/* the same of all other domains */
guint test_log_count_others (void);
/* anything that anybody has logged, debug messages too */
gboolean test_log_contains (const char *text);
gboolean test_log_wait (const char *text);
void test_log_print (void); /* to stderr, to find out why a test fails */

G_END_DECLS
