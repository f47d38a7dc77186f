/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Keeps lsobs from calling an interpreter that has ended, if a binding has asked for that: by a
 * context of the program, where the interpreter has left sources, by a redaction function, by a transport, and by a function for the log. All
 * functions may be called from any thread. */

void _lsobs_callback_ban_enable (void);
void _lsobs_callback_ban_enter (void);
void _lsobs_callback_ban_leave (void);
gboolean _lsobs_callback_ban_covers_contexts (void);
void _lsobs_callback_ban_end_process (void);
gboolean _lsobs_callback_ban_covers_hooks (void);
gboolean _lsobs_callback_ban_covers_all (void);

G_END_DECLS
