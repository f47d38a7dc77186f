/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests share that send with what a profile has in place of a key. */

#pragma once

#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

#define PROFILE_NAME "work"

typedef struct
{
  TestFixture base;
  const char *dir; /* a directory of one's own, which commands know as $DIR */
  char *path;      /* (owned) the file of profiles in it */
} ProfileFixture;

/* In place of g_test_run (), for a program whose tests have such a fixture. */
int profile_run_tests (void);

/* A service, and a config for it without a key. */
void profile_set_up (ProfileFixture *self, gconstpointer data);
void profile_tear_down (ProfileFixture *self, gconstpointer data);

/* Writes the file of profiles, with one: @format is its members, in JSON. */
void profile_write (ProfileFixture *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* The config gets what the profile says. */
void profile_load (ProfileFixture *self);
/* ... and becomes an observer. (transfer none): its exporter */
LsobsExporter *profile_start (ProfileFixture *self);

/* a file below $DIR */
void profile_put (ProfileFixture *self, const char *name, const char *text);
gboolean profile_has (ProfileFixture *self, const char *name);
gboolean profile_wait_for (ProfileFixture *self, const char *name);
/* how many lines are in it; 0 when it is not there */
guint profile_count_lines (ProfileFixture *self, const char *name);

/* Every request but GET /info, in the order in which they came, had @header with one of the values,
 * and none of the other headers that prove anything. NULL ends the list. */
void profile_assert_sent (ProfileFixture *self, const char *header, ...) G_GNUC_NULL_TERMINATED;

/* a #TestServerHandler: 401 unless the request has the header that @data says, "Name: value" */
gboolean profile_authorize (TestRequest *request, TestAnswer *answer, gpointer data);

G_END_DECLS
