/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A store of a test: in a folder of its own, with runs that are written by short JSON. */

#pragma once

#include "tools/store/run.h"
#include "tools/store/store.h"

G_BEGIN_DECLS

/* The first root, its trace, and two runs below it. */
#define TEST_ROOT  "01900000-0000-7000-8000-000000000001"
#define TEST_CHILD "01900000-0000-7000-8000-000000000002"
#define TEST_LEAF  "01900000-0000-7000-8000-000000000003"
#define TEST_OTHER "01900000-0000-7000-8000-000000000004"

typedef struct
{
  char *folder; /* (owned) */
  char *path;   /* (owned) of the database in it */
  Store *store; /* (owned) (nullable) */
} StoreFixture;

void store_fixture_set_up (StoreFixture *self, gconstpointer data);
void store_fixture_tear_down (StoreFixture *self, gconstpointer data);
/* Closes the store and opens it again. */
void store_fixture_reopen (StoreFixture *self);
/* Removes a folder with all that is in it. */
void test_remove_folder (const char *path);

/* Applies a change, in a transaction of its own. Quotes in @json are single ones. */
void test_apply (Store *store, ChangeKind kind, const char *json);
/* Reads a change that has to be refused, and returns the message. */
char *test_refuse (ChangeKind kind, const char *json);
/* (transfer full): a run, which is there, whole */
Run *test_load (Store *store, const char *id);
/* The number that a statement gets. */
gint64 test_query_int (Store *store, const char *sql);
void test_parse_id (const char *text, LsobsId *id);

G_END_DECLS
