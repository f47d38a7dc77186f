/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can go wrong while a program flushes, shuts down or drops an observer, and what becomes of the
 * records. */

#pragma once

#include "tests/lib/fault-service.h"
#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

typedef enum
{
  DEADLINE_LOAD_SMALL, /* 200 records */
  DEADLINE_LOAD_LARGE, /* 60 MB in 300 runs */
} DeadlineLoad;

/* To be written with designated initialisers. */
typedef struct
{
  Fault fault;
  DeadlineLoad load;
  gboolean keeps;   /* lost records are written to a directory */
  gboolean redacts; /* secrets, and the requests are compressed */
  guint hook_ms;    /* how long the redaction function takes for a value */
} DeadlineRow;

extern const DeadlineRow deadline_rows[];
extern const gsize n_deadline_rows;

typedef enum
{
  DEADLINE_FLUSH,
  DEADLINE_SHUTDOWN,
  DEADLINE_UNREF, /* of the last reference: does not wait, and reports nothing */
} DeadlineKind;

/* One call. */
typedef struct
{
  DeadlineKind kind;
  gboolean in_loop;       /* the program runs the context */
  gint64 timeout;         /* ms; of the last unref, the shutdown timeout */
  guint n_runs;           /* 0: as many as the load of the row has */
  gint64 request_timeout; /* ms; 0: the default */
} DeadlineCall;

/* What it said, and what the counters said next: after the last unref, when all records have an
 * outcome. */
typedef struct
{
  gint64 elapsed_ms;
  gint64 outcome_ms; /* from the call until then; -1: never */
  gboolean done;
  LsobsFlushStats stats;
  GError *error;      /* (owned) (nullable) */
  guint64 n_enqueued; /* the growth of counters since the call began */
  guint64 n_delivered;
  guint64 n_dropped;
  guint64 n_before; /* records that had no outcome when it began */
  guint64 n_queued;
  guint64 n_in_flight;
  guint64 n_written;
  gint64 thread_ms; /* how long a thread of lsobs goes on after the observer; -1: for ever */
} DeadlineReport;

/* Whether no thread of lsobs runs, as far as the system tells; for test_wait_until(). */
gboolean deadline_has_no_thread (gpointer data);

void deadline_run (const DeadlineRow *row, const DeadlineCall *call, DeadlineReport *report);
void deadline_report_clear (DeadlineReport *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DeadlineReport, deadline_report_clear)

/* Each record is delivered, lost, or after a flush still waits. No record is left otherwise. */
gboolean deadline_report_has_outcomes (const DeadlineReport *self, const DeadlineCall *call);
/* The report of the call says the same as the counters. The last unref has none. */
gboolean deadline_report_agrees (const DeadlineReport *self, const DeadlineCall *call);

G_END_DECLS
