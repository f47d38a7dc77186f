/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-types.h"

G_BEGIN_DECLS

/* What the log says of one service. @label: (nullable): what that is called, if it is one of
 * several */

/* @problem: (nullable): why, unless all is well */
void _lsobs_log_state (LsobsState state, const char *label, const char *problem);
/* The service seems to be away, and nothing is lost by that. */
void _lsobs_log_held (const char *label, const char *problem);
/* @path: what takes no attachments */
void _lsobs_log_left_out (const char *path, const char *label);
/* @missing: the path that is not there
 * @used: the one that is taken instead */
void _lsobs_log_fallen_back (const char *missing, const char *used, const char *label);
void _lsobs_log_uncompressed (const char *label);

G_END_DECLS
