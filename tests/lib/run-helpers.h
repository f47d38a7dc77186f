/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests of runs, graphs, threads and forks share: an observer that sends to a local service.
 * Only the public API is used. */

#pragma once

#include <lsobs/lsobs.h>

#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

#define RUN_API_KEY "lsv2_pt_0123456789abcdef"
#define RUN_PROJECT "test-project"

typedef struct
{
  TestServer *server;      /* (owned) */
  LsobsConfig *config;     /* (owned) for changes before run_fixture_start () */
  LsobsObserver *observer; /* (owned) (nullable) */
  LsobsExporter *exporter; /* (owned) (nullable) the books, even without the observer */
  WireTree *tree;          /* (owned) (nullable) what had come at the last run_fixture_flush () */
} RunFixture;

void run_fixture_set_up (RunFixture *fixture, gconstpointer data);
/* Everything that came must have been right. */
void run_fixture_tear_down (RunFixture *fixture, gconstpointer data);
/* ... with the observer made, too */
void run_fixture_set_up_started (RunFixture *fixture, gconstpointer data);
/* ... and no trace is sampled */
void run_fixture_set_up_unsampled (RunFixture *fixture, gconstpointer data);
/* makes the observer of the settings as they are now */
void run_fixture_start (RunFixture *fixture);
/* Delivers everything; returns the tree of what has come so far. */
WireTree *run_fixture_flush (RunFixture *fixture);
/* (transfer none): a run by its name, which must have come */
WireRun *run_fixture_find (RunFixture *fixture, const char *name);
/* (transfer none): ends and delivers the run */
WireRun *run_fixture_finish (RunFixture *fixture, LsobsRun *run);
guint64 run_fixture_get (RunFixture *fixture, LsobsCounter counter);
guint64 run_fixture_get_dropped (RunFixture *fixture, LsobsDropReason reason);

/* Tests with this fixture. */
typedef void (*RunFixtureFunc) (RunFixture *fixture, gconstpointer data);
void run_fixture_add (const char *path, RunFixtureFunc set_up, RunFixtureFunc test);
/* with the observer made */
void run_fixture_add_started (const char *path, RunFixtureFunc test);
/* the same twice: PATH/queued with FALSE as data, PATH/sent with TRUE */
void run_fixture_add_both (const char *path, RunFixtureFunc test);

/* (transfer full): a run of a model, without inputs */
LsobsRun *run_fixture_start_llm (RunFixture *fixture);
/* (transfer full): JSON that is known to be right; NULL for NULL */
JsonNode *run_json (const char *text);
GBytes *run_bytes (const char *text);
/* compares the text of a node; NULL for none */
void run_assert_node (JsonNode *node, const char *expected);
/* compares a member of what came, NULL for none, whatever the order of its own members is */
void run_assert_member (WireRun *run, const char *path, const char *json);
/* (transfer full): the last operation on a run in what was accepted; NULL when there is none */
JsonObject *run_dup_operation (TestServer *server, const char *operation, const char *id);

/* --- threads --- */

typedef struct
{
  GMutex lock;
  GCond cond;
  guint n_missing;
} RunBarrier;

void run_barrier_init (RunBarrier *self, guint n_threads);
void run_barrier_clear (RunBarrier *self);
/* returns when as many threads have come */
void run_barrier_wait (RunBarrier *self);

G_END_DECLS
