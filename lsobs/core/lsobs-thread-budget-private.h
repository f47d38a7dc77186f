/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Limits how many threads a program has that makes one observer after the other: threads of
 * observers that are gone, and still send, are charged, and when too many are, the thread of the
 * next observer waits until one of them ends. All functions may be called from any thread; no lock
 * but those of lsobs-lock-private.h may be held. */

/* The most threads that are charged when another one starts. */
#define LSOBS_THREAD_BUDGET 5

/* Starts a thread, if it is still needed. Takes a reference to @data over. */
typedef void (*LsobsThreadBudgetFunc) (gpointer data);

void _lsobs_thread_budget_charge (void);
void _lsobs_thread_budget_release (void);
gboolean _lsobs_thread_budget_queue (LsobsThreadBudgetFunc func, gpointer data);

G_END_DECLS
