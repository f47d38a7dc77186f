/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests of feedback share. */

#pragma once

#include "tests/lib/run-helpers.h"

G_BEGIN_DECLS

/* (transfer full) */
LsobsRun *feedback_start_run (RunFixture *fixture, const char *name);

void feedback_set_up_with_info (RunFixture *fixture, const char *info);

/* until it is known that the service takes feedback among runs */
void feedback_wait_for_info (RunFixture *fixture);

/* ... and it is */
void feedback_set_up_known (RunFixture *fixture, gconstpointer data);

/* Takes @feedback over. */
void feedback_add (RunFixture *fixture, LsobsFeedback *feedback);

void feedback_add_to_run (LsobsRun *run, const char *key);

/* (transfer none): the only feedback that has come with this key */
JsonObject *feedback_find (RunFixture *fixture, const char *key);

/* compares a member of it, NULL for none */
void feedback_assert_member (JsonObject *feedback, const char *name, const char *expected);

G_END_DECLS
