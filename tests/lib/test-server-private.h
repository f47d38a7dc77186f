/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Shared by the parts of the test server only. */

#pragma once

#include "tests/lib/test-server.h"

G_BEGIN_DECLS

/* What happened to a request, beside what it was. Guarded by the server's lock, except that status
 * is atomic. */
typedef struct
{
  TestRequest public;
  int status;         /* (atomic) */
  gint64 answer_time; /* monotonic, µs; 0 while unanswered */
  gboolean is_lost;   /* the client cannot have read the whole answer */
} TestRequestState;

/* A answer that owns its strings. */
typedef struct
{
  TestAnswerMode mode;
  guint status;
  char *headers; /* (owned) (nullable) */
  GBytes *body;  /* (owned) */
  guint delay_ms;
} TestAnswerCopy;

/* One request that could not be answered on the spot. Lives in the server's thread. */
typedef struct
{
  TestServer *server;
  TestRequest *request;   /* (owned) */
  SoupServerMessage *msg; /* (owned) (nullable) until its connection is stolen */
  gulong finished_id;
  GSocket *socket;       /* (owned) (nullable) */
  TestAnswerCopy answer; /* (owned) */
  GSource *timer;        /* (owned) (nullable) */
  GIOStream *stream;     /* (owned) (nullable) the stolen connection */
  GBytes *slow;          /* (owned) (nullable) what is left to trickle */
  gboolean is_held;
} TestExchange;

struct _TestServer
{
  GThread *thread;              /* (owned) */
  GMainContext *context;        /* (owned) the thread's */
  GMainLoop *loop;              /* (owned) */
  SoupServer *soup;             /* (owned) used in the thread only */
  char *address;                /* (owned) (nullable) where it listens */
  GTlsCertificate *certificate; /* (owned) (nullable) */
  char *url;                    /* (owned) set before the constructor returns, then constant */
  guint16 port;                 /* the same */
  GPtrArray *exchanges;         /* (owned) (element-type TestExchange) used in the thread only */
  guint n_sockets;              /* used in the thread only */
  GPtrArray *sockets;           /* (owned) (element-type GSocket) used in the thread only */
  GPtrArray *tls_sockets;       /* (owned) (element-type GWeakRef) used in the thread only */
  GSocket *closed;              /* (owned) (nullable) keeps the port while it is closed; used in the
                                 * thread only */

  GMutex lock; /* guards everything below, and the states of requests */
  GCond cond;  /* something below changed */
  gboolean is_running;
  gboolean is_closed;
  gboolean is_parked;
  gboolean may_go_on;
  guint serial; /* counts the changes */
  gboolean is_held;
  GPtrArray *requests; /* (owned) (element-type TestRequest) */
  GQueue script;       /* (element-type ScriptEntry) (owned) */
  TestServerHandler handler;
  gpointer handler_data;
  char *info;           /* (owned) */
  GHashTable *decoders; /* (owned) (element-type utf8 TestServerDecoder) */
};

/* Called in the server's thread. */
TestRequest *_test_request_new (SoupServerMessage *msg, guint connection, GHashTable *decoders);

void _test_answer_copy_init (TestAnswerCopy *self, const TestAnswer *answer);
void _test_answer_copy_clear (TestAnswerCopy *self);

/* Called in the server's thread; takes what @answer owns. */
void _test_server_answer (TestServer *self,
                          SoupServerMessage *msg,
                          TestRequest *request,
                          TestAnswerCopy *answer,
                          gboolean is_held);
void _test_exchange_free (TestExchange *self);
/* Called in the server's thread; @data is the server. */
gboolean _test_server_release_cb (gpointer data);
gboolean _test_server_unhang_cb (gpointer data);

G_END_DECLS
