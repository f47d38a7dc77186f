/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sends stored runs on to another service by a client of the library, one request after the other, and
 * remembers what was sent, so that it is not sent twice. Ids, times and values stay. */

#pragma once

#include <lsobs/lsobs.h>

#include "tools/store/store.h"
#include "tools/transfer/record-text.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 n_seen;        /* runs that were looked at */
  gint64 n_runs;        /* that were sent, or would be */
  gint64 n_attachments; /* with them */
  gint64 n_feedback;
  gint64 n_known;   /* runs that were sent earlier */
  gint64 n_refused; /* runs, feedback and attachments */
} ForwardCount;

/* Is told what was refused. @id: of a run, or of feedback. @name: (nullable) of the run */
typedef void (*ForwardRefused) (const LsobsId *id,
                                const char *name,
                                const char *reason,
                                gpointer data);

/* The caller sets all but the count; pointers are (unowned). */
typedef struct
{
  Store *store;
  LsobsClient *client; /* (nullable) NULL: only counts, and sends nothing */
  GCancellable *cancellable;
  gint64 target;       /* see sent.h; 0: nothing was ever sent there */
  const char *project; /* (nullable) the project in place of those of the runs */
  RecordMask mask;
  gboolean again; /* sends what was sent already, too */
  double rate;    /* records in a second, or 0 for as many as the service takes */
  ForwardRefused refused;
  void (*progress) (const ForwardCount *count, gpointer data); /* after each request */
  gpointer data;                                               /* for both */
  ForwardCount count;

  /* private */
  GPtrArray *runs;     /* (owned) (nullable) (element-type Item): that wait */
  GPtrArray *feedback; /* (owned) (nullable) (element-type Item): that wait for their runs */
  GHashTable *names;   /* (owned) (nullable) names of projects, by seq */
  gsize n_bytes;       /* of the runs that wait */
  gint64 not_before;   /* monotonic, µs: of the next request */
} Forwarder;

/* Sends a run, with its attachments and its feedback, if it has changed since it was sent. It may wait for others.
 * Returns: FALSE with an error if nothing more can be sent. What was sent is remembered. */
gboolean forwarder_take_run (Forwarder *self, const LsobsId *id, GError **error);
/* Sends what waits. */
gboolean forwarder_flush (Forwarder *self, GError **error);
void forwarder_clear (Forwarder *self);

G_END_DECLS
