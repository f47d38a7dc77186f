/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Tells in the log when a program in Python uses the typelib without the override, which is in a
 * package of its own. All functions may be called from any thread. */

void _lsobs_override_watch_found (void);
void _lsobs_override_watch_check (void);

G_END_DECLS
