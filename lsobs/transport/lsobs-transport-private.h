/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/lsobs-transport.h"
#include "lsobs/transport/lsobs-encoder-private.h"

G_BEGIN_DECLS

/* What is known of the id of a project. */
typedef enum
{
  LSOBS_PROJECT_ID_AWAITED, /* the worker is woken when that changes */
  LSOBS_PROJECT_ID_KNOWN,
  LSOBS_PROJECT_ID_UNTOLD, /* no usable key: send without the id; the answer names the problem */
  LSOBS_PROJECT_ID_REFUSED /* the service knows no such project, or refuses to tell its id; asked
                            * again after a minute */
} LsobsProjectIdState;

/* Called once, in any thread, without a lock.
 * @spooled: whether the batch is in the spool */
typedef void (*LsobsSpooledFunc) (gpointer data, gboolean spooled);

/* Called once, in any thread, without a lock, at the end of a drain.
 * @n_delivered: files
 * @not_before: monotonic, µs: the service does not want to be asked earlier
 * @error: (nullable): why the drain has ended early */
typedef void (*LsobsDrainedFunc) (gpointer data,
                                  guint n_delivered,
                                  gint64 not_before,
                                  const GError *error);

/* What the pipeline asks of a transport beyond LsobsTransport. A transport of lsobs registers a
 * table for its type; any other has a default, which has every function too. Used in the
 * worker's context only, except for claim(), set_waker() and the sizes. */
typedef struct
{
  /* Gives the transport to one exporter, before anything is sent. FALSE if another one has it. */
  gboolean (*claim) (LsobsTransport *self, LsobsCounters *counters);
  /* @waker: a source of lsobs-flush-source-private.h; a forked child has one of its own */
  void (*set_waker) (LsobsTransport *self, GSource *waker);
  /* Whether it sends by GIO, which aborts the process if there are no descriptors left. */
  gboolean (*uses_descriptors) (LsobsTransport *self);
  /* Returns: (transfer full) (nullable): the error of the last attempt, until one succeeds. Called
   * from any thread. */
  char *(*dup_problem) (LsobsTransport *self);
  /* Whether a thread of lsobs may use it instead of the thread of the program: it calls no function
   * of the program. */
  gboolean (*may_move) (LsobsTransport *self);
  /* The observer leaves: its last reference is gone. Many observers may leave at the same time, so
   * they share operations that cannot be cancelled. */
  void (*leave) (LsobsTransport *self);
  /* Whether nothing needs the context any more after the transport is closed.
   * @gives_up: frees what still needs the context, as far as possible */
  gboolean (*is_quiet) (LsobsTransport *self, gboolean gives_up);
  /* Whether a change of the network may bring the service back. */
  gboolean (*is_remote) (LsobsTransport *self);
  /* Returns: monotonic, µs: the service accepts nothing earlier */
  gint64 (*get_not_before) (LsobsTransport *self);

  /* The size of a record and of a batch, as the limits of the transport count it; and the bytes
   * of a batch that belong to no record.
   * @records: (element-type LsobsEncoded) */
  gsize (*measure_record) (LsobsEncoded *encoded);
  gsize (*measure_records) (GPtrArray *records);
  gsize (*measure_end) (void);

  /* Whether it is known how feedback is sent. If not, await_known() has the worker woken when that
   * may have changed; it is called again each time the worker was woken. */
  gboolean (*is_known) (LsobsTransport *self);
  void (*await_known) (LsobsTransport *self);

  /* The ids of projects, which feedback may need: see lsobs-project-ids-private.h. */
  gboolean (*needs_project_id) (LsobsTransport *self);
  gboolean (*peek_project_id) (LsobsTransport *self, const char *name, LsobsId *id);
  LsobsProjectIdState (*ask_project_id) (LsobsTransport *self, const char *name);
  void (*ask_again) (LsobsTransport *self, guint min_failures);
  guint (*take_news) (LsobsTransport *self, gboolean *answered, GError **error);

  /* The spool. @func is called with @data if these return TRUE. may_spool(): whether there is a
   * spool, and the disk is not too far behind. await_spool() waits until the disk has caught up,
   * and returns FALSE at the deadline; with 0, it does not wait. */
  gboolean (*may_spool) (LsobsTransport *self);
  gboolean (*await_spool) (LsobsTransport *self, gint64 deadline);
  gboolean (*spool) (LsobsTransport *self, LsobsBatch *batch, LsobsSpooledFunc func, gpointer data);
  gboolean (*begin_drain) (LsobsTransport *self, LsobsDrainedFunc func, gpointer data);
  /* Cancels the drain, and waits until the deadline for its end. */
  void (*end_drain) (LsobsTransport *self, gint64 deadline);
} LsobsTransportVTable;

void _lsobs_transport_set_vtable (GType type, const LsobsTransportVTable *vtable);
const LsobsTransportVTable *_lsobs_transport_peek_vtable (LsobsTransport *self);

G_END_DECLS
