/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A program that traces by chance, to services which fail by chance, and whether its books are true: each
 * record that entered a queue is in one place, what is counted as delivered is in the store of the
 * service, and nothing is there that the program did not make.
 *
 * Only the public API is used. */

#pragma once

#include <lsobs/lsobs.h>

#include "tests/lib/service-store.h"

G_BEGIN_DECLS

/* All places where a record can be, taken together: as many as have entered. */
guint64 books_sum (LsobsStats *stats);

/* A service in another process, for measurements of this one. */
typedef struct
{
  const char *url;
  void (*set_fault) (StoreFault fault);
  guint64 (*count) (void); /* distinct records that it has taken */
} BooksService;

/* To be written with designated initialisers. */
typedef struct
{
  guint32 seed;
  gboolean http2;
  const BooksService *service; /* (nullable): the one service; then no limit is set by chance */
} BooksPlan;

typedef struct
{
  guint64 enqueued; /* in all observers, at all destinations */
  guint64 delivered;
  guint64 dropped;
  guint64 spooled;   /* records that went to disk */
  guint64 drained;   /* records that were sent from there */
  guint64 stored;    /* records in all stores */
  guint64 requests;  /* that came to the services */
  guint n_observers; /* that were made */
  guint n_forks;
} BooksTotals;

/* A program with one observer at a time, and its services. Used by one thread, which runs the default
 * main context. */
typedef struct _BooksWorld BooksWorld;

BooksWorld *books_world_new (const BooksPlan *plan);
/* Ends the observer in one of the ways that it can end, and checks the books.
 * @totals: (out) (nullable): is added to */
void books_world_free (BooksWorld *self, BooksTotals *totals);

/* One step, by chance. */
void books_world_step (BooksWorld *self);
/* Makes so many runs, which end. */
void books_world_record (BooksWorld *self, guint n);
void books_world_set_fault (BooksWorld *self, StoreFault fault);
/* A flush, which may fail, of @timeout ms. */
void books_world_flush (BooksWorld *self, gint64 timeout);
/* A child traces, too. Does nothing where a program with threads cannot fork. */
void books_world_fork (BooksWorld *self);
/* The observer ends, and another one begins. */
void books_world_replace_observer (BooksWorld *self);
/* The faults end, everything is sent, also what is in the spool, and the books are compared with the
 * stores. */
void books_world_settle (BooksWorld *self);

G_END_DECLS
