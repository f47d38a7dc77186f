/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A test program that runs itself again, as a program that ends in its own way: main () of the test is
 * given "--program" and the words of a command then. */

#pragma once

#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

typedef struct
{
  TestServer *server;       /* (owned) the program finds it in LSOBS_TEST_URL */
  TestServer *good;         /* (owned) a second one, in LSOBS_TEST_GOOD_URL */
  GSubprocess *process;     /* (owned) (nullable) */
  GDataInputStream *output; /* (owned) (nullable) what the program says */
  GOutputStream *input;     /* (unowned) */
} ProgramFixture;

void program_fixture_set_up (ProgramFixture *self, gconstpointer data);
void program_fixture_tear_down (ProgramFixture *self, gconstpointer data);

/* @command: words with a space between them */
void program_start (ProgramFixture *self, const char *command);
/* The program says this next; NULL for nothing more. */
void program_expect (ProgramFixture *self, const char *text);
/* Lets the program go on, which reads one byte. */
void program_tell (ProgramFixture *self);
/* Waits for the end. */
void program_assert_ends (ProgramFixture *self, int code);
void program_assert_ends_by_signal (ProgramFixture *self, int number);
/* So many runs have come to a server, whole and right. */
void program_assert_arrived (TestServer *server, guint n_runs);

G_END_DECLS
