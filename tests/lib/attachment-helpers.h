/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests of attachments share. */

#pragma once

#include "tests/lib/run-helpers.h"
#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

void attachment_set_up (RunFixture *fixture, gconstpointer data);

/* (transfer full) */
LsobsRun *attachment_start_run (RunFixture *fixture, const char *name);

void attachment_add (LsobsRun *run, const char *name, const char *text);

/* so many bytes, all of them zero */
gboolean attachment_add_large (LsobsRun *run, const char *name, gsize n_bytes, GError **error);

void attachment_assert_refused (gboolean added, GError **error, LsobsError code);

/* Delivers, and compares all that has come for the run: "name=text" each, in their order. */
void attachment_assert_got (RunFixture *fixture, const char *name, const char *expected);

G_END_DECLS
