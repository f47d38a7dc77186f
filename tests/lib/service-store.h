/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a service keeps, and how it fails while it takes that: the handler of a TestServer.
 *
 * The content of a record can be told from the name of its run (StoreName), so that the store judges
 * records of which it knows nothing else. */

#pragma once

#include "tests/lib/test-server.h"

G_BEGIN_DECLS

/* Every function may be called from any thread but the server's. */
typedef struct _ServiceStore ServiceStore;

typedef enum
{
  STORE_FAULT_NONE,
  STORE_FAULT_BUSY,      /* 429 */
  STORE_FAULT_FAILS,     /* 500 and 503 */
  STORE_FAULT_TOO_LARGE, /* 413 to several records, and to a large one */
  STORE_FAULT_REJECTS,   /* 422 to whatever has a bad run */
  STORE_FAULT_FORGETS,   /* takes the request, and answers 503 */
  STORE_FAULT_HANGS,     /* no answer until the fault is another one */
  STORE_FAULT_RESETS,    /* resets the connection, before or after it has taken the request */
  STORE_FAULT_HALF,      /* takes the request, and sends half of the answer */
  STORE_FAULT_SLOW,      /* takes the request, and sends the answer byte by byte */
  STORE_FAULT_MIXED,     /* another one for each request */
  STORE_N_FAULTS,
} StoreFault;

/* What the name of a run, or the key of a feedback, tells of its content. */
typedef struct
{
  char maker; /* 'p': the program, 'c': a child of it, whose runs are in no ledger */
  guint serial;
  guint n_bytes;      /* of its inputs and outputs, more or less */
  gboolean is_secret; /* the redact function drops the inputs */
} StoreName;

/* (transfer full) */
char *store_name_to_string (const StoreName *self);
gboolean store_name_parse (StoreName *self, const char *text);
/* (transfer full): the text of its @field: "inputs", "outputs", "attachment" or "comment" */
char *store_name_dup_text (const StoreName *self, const char *field);
/* An LsobsRedactFunc. */
JsonNode *store_redact_cb (const char *field, JsonNode *value, gpointer data);

typedef struct
{
  guint32 seed;
  gboolean refuses_known; /* 409 to a request with a run that it has already */
  gboolean spools;        /* what is in a spool of the program may come again */
  gboolean redacts;       /* the program drops what store_redact_cb() drops */
  gboolean cuts;          /* the program cuts payloads that its queue has no room for */
  gboolean is_unsure;     /* the client may not have read an answer that was sent */
} StorePlan;

/* What has become of a request. */
typedef enum
{
  STORE_FATE_REFUSED,
  STORE_FATE_KNOWN,     /* refused, as the service has one of its runs */
  STORE_FATE_TAKEN,     /* the client may not know that */
  STORE_FATE_CONFIRMED, /* taken, and the client knows that */
} StoreFate;

/* @server: (nullable): becomes the service that keeps what it gets; has to live longer. Without one,
 *   service_store_note() tells what another service has got */
ServiceStore *service_store_new (TestServer *server, const StorePlan *plan);
/* after the server */
void service_store_free (ServiceStore *self);

/* A request to another service, in the order in which that has judged them. */
void service_store_note (ServiceStore *self, TestRequest *request, StoreFate fate);
/* From now on, in place of a payload its size may come: the service has found one too large. */
void service_store_allow_cuts (ServiceStore *self);

/* Ends what hangs. Only with a server. */
void service_store_set_fault (ServiceStore *self, StoreFault fault);
/* (nullable): the first thing that was wrong
 * @ledger: (element-type utf8 utf8): the name of each run and feedback of the program, by its id */
char *service_store_find_problem (ServiceStore *self, GHashTable *ledger);
/* Distinct records: the start and the end of a run are two, whether the end comes as an update or as the whole
 * run. */
guint64 service_store_count (ServiceStore *self);
/* of these, how many the client knows to be there: the whole answer was sent */
guint64 service_store_count_confirmed (ServiceStore *self);
guint64 service_store_count_requests (ServiceStore *self);
/* Forgets what it has; the numbers stay. Nothing may wait to be sent. */
void service_store_shrink (ServiceStore *self);

G_END_DECLS
