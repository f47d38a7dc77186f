/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Forking from a test: the child ends with _exit (), and never keeps the parent waiting. */

#pragma once

#include <stdio.h>
#include <unistd.h>

#include "tests/lib/graph-helpers.h"

G_BEGIN_DECLS

/* In the child: what fails there is told on stderr, and by the exit code. No assertion of GLib, which
 * would end the report of the parent. */
#define child_assert(expr) \
 G_STMT_START \
 { \
  if (!(expr)) \
   { \
    dprintf (STDERR_FILENO, "# in the child, %s:%d: %s\n", __FILE__, __LINE__, #expr); \
    _exit (1); \
   } \
 } \
 G_STMT_END

/* Called in the child, which ends well when it returns. */
typedef void (*ForkFunc) (RunFixture *fixture, gpointer data);

/* Starts a child. */
pid_t fork_start (ForkFunc func, RunFixture *fixture, gpointer data);
/* The same where no service is a thread of this program. */
pid_t fork_start_alone (ForkFunc func, RunFixture *fixture, gpointer data);
/* FALSE: the child failed, or was still there after a time that is longer than anything that goes
 * right takes; it is gone in any case */
gboolean fork_wait (pid_t pid);
/* both of the above, asserted */
void fork_run (ForkFunc func, RunFixture *fixture, gpointer data);

/* TRUE, and the test is marked as skipped, where a program with threads cannot fork */
gboolean fork_skip (void);
/* the same, also where it cannot while other threads are busy */
gboolean fork_skip_busy (void);

/* Runs the default context for so many ms. */
void fork_run_context (guint ms);

/* A delay in ms in which an answer is read for certain, and that a child can wait for; chance takes away
 * half of it at the most. */
guint fork_get_retry_delay (void);

/* In the child: delivers everything, which must take no time worth mentioning. */
void fork_child_flush (RunFixture *fixture);

G_END_DECLS
