/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Calls a function at the normal end of the process: return from main(), exit(). Both functions
 * may be called from any thread. */

void _lsobs_exit_watch_set_func (void (*func) (void));
void _lsobs_exit_watch (void);

G_END_DECLS
