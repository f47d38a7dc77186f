/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests share that write to several services at once. Only the public API is used. */

#pragma once

#include "tests/lib/run-helpers.h"
#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

#define REPLICA_MAX     3
#define REPLICA_PROJECT "mine"

typedef struct
{
  TestServer *servers[REPLICA_MAX]; /* (owned) */
  LsobsConfig *config;              /* (owned) to be changed before replicas_start () */
  LsobsObserver *observer;          /* (owned) (nullable) */
  LsobsExporter *exporter;          /* (owned) (nullable) */
} Replicas;

/* as many services, and a config that names none of them yet */
void replicas_set_up (Replicas *self, gconstpointer data);
/* The books of all places are balanced, and whatever came was right. */
void replicas_tear_down (Replicas *self, gconstpointer data);
/* (transfer none): the key of a service; no other one may ever see it */
const char *replicas_get_key (guint server);
void replicas_add (Replicas *self, guint server, const char *project_name, LsobsReplicaRole role);
/* all services, with projects "mine" (its own), "other" and "third" */
void replicas_add_all (Replicas *self);
void replicas_start (Replicas *self);
void replicas_start_in (Replicas *self, GMainContext *context);

guint64 replicas_get (Replicas *self, guint index, LsobsCounter counter);
guint64 replicas_get_dropped (Replicas *self, guint index, LsobsDropReason reason);
/* FALSE at the deadline */
gboolean replicas_wait (Replicas *self, guint index, LsobsCounter counter, guint64 at_least);
/* every place alone, and the sum */
void replicas_assert_books (Replicas *self);

/* A tree of five runs, which ends: an agent, two models, a tool that fails, and a tool
 * below that. (transfer full): its root */
LsobsRun *replicas_record_tree (Replicas *self, const char *name);
/* one run that ends at once */
void replicas_record (Replicas *self, const char *name, guint n);

G_END_DECLS
