/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The token that opens the service: its user has it, and other users of the machine do not. Clients send it
 * as their API key. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Returns: (transfer full): $XDG_STATE_HOME/lsobs/token */
char *token_dup_default_path (void);

/* Reads the token of a file, which is made, with mode 0600, if it is not there.
 * Returns: (transfer full) (nullable): NULL with an error if the file can be read by others, belongs to
 *   another user, or has no token */
char *token_load (const char *path, GError **error);

/* Whether a token can be sent in a header and an address, and is long enough. */
gboolean token_is_valid (const char *token);

/* Compares in a time that does not depend on where the texts differ. @text: (nullable) */
gboolean token_equal (const char *token, const char *text);

G_END_DECLS
