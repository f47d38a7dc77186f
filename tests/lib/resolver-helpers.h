/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A resolver of names in the place of the one of GIO. Like that one, it uses a thread for each
 * look-up, which lasts as long as the look-up, even if that is cancelled. */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define TEST_TYPE_RESOLVER (test_resolver_get_type ())
G_DECLARE_FINAL_TYPE (TestResolver, test_resolver, TEST, RESOLVER, GResolver)

/* (transfer full): is the default from now on; no look-up ends before test_resolver_answer () */
TestResolver *test_resolver_install (void);
/* All look-ups end, and each name is one of 127.0.0.1. */
void test_resolver_answer (TestResolver *self);
/* of all names, so far */
guint test_resolver_get_n_lookups (TestResolver *self);
/* Puts the one before back. All look-ups fail. */
void test_resolver_uninstall (TestResolver *self);

G_END_DECLS
