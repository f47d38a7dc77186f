/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A tracing service on 127.0.0.1 that runs in a thread of its own, records what it gets and
 * misbehaves on command.
 *
 * Every function may be called from any thread but the server's, unless it says otherwise.
 *
 * libsoup 3.2.3 leaks in soup_server_listen_local () (the local address) and in g_socket_accept ()
 * (each accepted socket); a leak checker has to be told about these two.
 */

#pragma once

#include <libsoup/soup.h>

#include "tests/lib/wire.h"

G_BEGIN_DECLS

typedef struct _TestServer TestServer;

/* --- answers ------------------------------------------------------------------------------- */

typedef enum
{
  TEST_ANSWER_WHOLE,       /* status, headers, body */
  TEST_ANSWER_HANG,        /* accept, never answer (until test_server_release_hanging ()) */
  TEST_ANSWER_RESET,       /* reset the connection without an answer */
  TEST_ANSWER_SLOW_BODY,   /* answer, then a byte of the body every delay_ms (1 ms when 0) */
  TEST_ANSWER_EARLY_CLOSE, /* announce the whole body, send half of it, close */
} TestAnswerMode;

/* To be written with designated initialisers; everything is copied:
 *
 *   test_server_push (server, NULL, (TestAnswer) { .status = 429, .headers = "Retry-After: 1" });
 */
typedef struct
{
  TestAnswerMode mode;
  guint status;        /* 0: 202 */
  const char *headers; /* (nullable) "Name: value" lines, separated by "\n" */
  const char *body;    /* (nullable) NULL: "{}", or @body_length spaces */
  gsize body_length;   /* 0: strlen (body) */
  guint delay_ms;      /* before the answer */
  int repeat;          /* how often; 0 is once, -1 for ever */
} TestAnswer;

/* --- recorded requests --------------------------------------------------------------------- */

/* Immutable and reference counted, save for the answer, which has functions below. */
typedef struct
{
  char *method;                /* (owned) */
  char *path;                  /* (owned) with the query, if any */
  SoupMessageHeaders *headers; /* (owned) */
  GBytes *raw_body;            /* (owned) as it was sent */
  GBytes *body;                /* (owned) (nullable) decoded; NULL when it could not be */
  gint64 time;                 /* monotonic, µs, when the body was complete */
  guint connection;            /* 1, 2, 3 … in the order of the first request on it */
  WireRequest *wire;           /* (owned) (nullable) NULL when it is no ingest request, or broken */
  GError *wire_error;          /* (owned) (nullable) why an ingest request could not be parsed */
} TestRequest;

/* One that has come to another service, with a plain body. */
TestRequest *test_request_new (const char *method,
                               const char *path,
                               const char *content_type,
                               GBytes *body);
TestRequest *test_request_ref (TestRequest *self);
void test_request_unref (TestRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestRequest, test_request_unref)

/* 0 while it is unanswered, and for ever when it hangs or was reset */
guint test_request_get_status (TestRequest *self);
/* TRUE when the service took what is inside: answered 2xx or 409 */
gboolean test_request_is_accepted (TestRequest *self);
gboolean test_request_is_info (TestRequest *self);
/* the question for the id of a project */
gboolean test_request_is_sessions (TestRequest *self);
/* 0 when it is no ingest request or could not be parsed */
guint test_request_get_n_ops (TestRequest *self);
/* (nullable) */
const char *test_request_get_header (TestRequest *self, const char *name);

/* --- the server ---------------------------------------------------------------------------- */

TestServer *test_server_new (void);
/* @address: (nullable): of this machine; NULL for 127.0.0.1
 * @certificate: (nullable): that the service shows, and the key of it; NULL for plain http */
TestServer *test_server_new_at (const char *address, GTlsCertificate *certificate);
/* closes all connections, hanging ones as well, and joins the thread */
void test_server_free (TestServer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestServer, test_server_free)

/* "http://127.0.0.1:PORT", without a slash at the end; https with a certificate */
const char *test_server_get_url (TestServer *self);
guint16 test_server_get_port (TestServer *self);

/* Which answer a request gets: that of the handler, if it gives one; else the first one in the
 * script whose prefix fits; else /info and 202 with "{}". @path_prefix NULL fits everything but
 * GET /info, which a client may ask for at any time. */
void test_server_push (TestServer *self, const char *path_prefix, TestAnswer answer);

/* Called in the server's thread, without a lock, for every request but GET /info. Fill in @answer,
 * which starts as zeros, and return TRUE, or return FALSE for the script to decide. Strings in
 * @answer must live until the next call. */
typedef gboolean (*TestServerHandler) (TestRequest *request, TestAnswer *answer, gpointer data);
void test_server_set_handler (TestServer *self, TestServerHandler handler, gpointer data);

/* The JSON of GET /info. Without it: version 0.12.1, multipart, 100 operations and 20 MiB, gzip on,
 * zstd off. */
void test_server_set_info (TestServer *self, const char *json);

/* gzip is built in; any other Content-Encoding leaves TestRequest.body NULL unless it has a decoder
 * here. Called in the server's thread. Set it before the first request. */
typedef GBytes *(*TestServerDecoder) (GBytes *body, GError **error);
void test_server_set_decoder (TestServer *self, const char *encoding, TestServerDecoder decoder);

/* From hold on, requests (GET /info too) are accepted and recorded, but answered only at release. */
void test_server_hold (TestServer *self);
void test_server_release (TestServer *self);
/* Answers all that hang now with their status, headers and body. */
void test_server_release_hanging (TestServer *self);
/* Ends all connections, and refuses new ones until the port is opened again. No other program gets
 * the port meanwhile. */
void test_server_close_port (TestServer *self);
void test_server_open_port (TestServer *self);
/* The thread of the server stands still, in no function of GLib's that takes a lock, until it may go on:
 * for a test that forks. */
void test_server_park (TestServer *self);
void test_server_unpark (TestServer *self);
/* Forgets requests, script, handler and /info; connections stay. */
void test_server_clear (TestServer *self);
/* The same, and sets another handler: no request comes in between. */
void test_server_switch (TestServer *self, TestServerHandler handler, gpointer data);

/* --- waiting: FALSE at the deadline -------------------------------------------------------- */

/* for @n requests other than GET /info, answered or not */
gboolean test_server_wait_requests (TestServer *self, guint n, guint timeout_ms);
/* for @n_ops operations in accepted requests; an operation sent again counts once */
gboolean test_server_wait_ops (TestServer *self, guint n_ops, guint timeout_ms);
/* @predicate is asked in the calling thread whenever something happened, with no lock held */
typedef gboolean (*TestServerPredicate) (TestServer *server, gpointer data);
gboolean test_server_wait (TestServer *self,
                           TestServerPredicate predicate,
                           gpointer data,
                           guint timeout_ms);

/* --- what came ----------------------------------------------------------------------------- */

/* (element-type TestRequest) (transfer full): in the order of arrival, GET /info too */
GPtrArray *test_server_dup_requests (TestServer *self);
/* the same without GET /info */
GPtrArray *test_server_dup_ingest (TestServer *self);
/* @path_prefix NULL: all but GET /info */
guint test_server_count_requests (TestServer *self, const char *path_prefix);
/* distinct operations in accepted requests */
guint test_server_count_ops (TestServer *self);
/* connections on which at least one request came */
guint test_server_count_connections (TestServer *self);
/* Everything in accepted requests; what was sent again unchanged is taken once, as the service does. */
WireTree *test_server_build_tree (TestServer *self);

/* Headers, key, strict bodies, and no operation sent twice but as an identical retry after an
 * answer that was not success (after 413 the retry may differ). */
gboolean test_server_check_conformant (TestServer *self, GError **error);
void test_server_assert_conformant_at (TestServer *self,
                                       const char *file,
                                       int line,
                                       const char *function);
#define test_server_assert_conformant(server) \
 test_server_assert_conformant_at ((server), __FILE__, __LINE__, G_STRFUNC)

G_END_DECLS
