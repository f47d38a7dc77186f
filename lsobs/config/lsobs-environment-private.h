/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

const char *_lsobs_environment_peek (const char *variable);
char *_lsobs_environment_dup (const char *variable);
const char *_lsobs_environment_peek_trusted (const char *variable);
const char *_lsobs_environment_peek_first (const char *const *variables, const char **found);
gboolean _lsobs_environment_parse_switch (const char *variable,
                                          const char *value,
                                          gboolean *on,
                                          GError **error);

G_END_DECLS
