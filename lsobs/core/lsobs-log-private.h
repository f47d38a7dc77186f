/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-types.h"

G_BEGIN_DECLS

/* The messages for the log about one service, or all of them. With several services, @label is the name of
 * this one, such as "replica 2 at https://example.com"; with one service, @label is NULL. */

/* The state has changed.
 * @problem: (nullable): the reason; NULL in %LSOBS_STATE_OK */
void _lsobs_log_state (LsobsState state, const char *label, const char *problem);
/* An observer made of the environment does nothing.
 * @problem: what is wrong with a variable or a profile, as a sentence without a full stop */
void _lsobs_log_not_traced (const char *problem);
/* The next three are written once in a process.
 * An incoming request names a trace, and the program does not trust that. */
void _lsobs_log_untrusted_headers (void);
/* @kind: the kind of a run that is not a run type of the service */
void _lsobs_log_unknown_type (const char *kind);
/* @path: of a file of profiles, or its name in the environment
 * @problem: what is wrong with it, translated */
void _lsobs_log_broken_profile (const char *path, const char *problem);
/* A program in Python uses the typelib alone. */
void _lsobs_log_no_override (void);
/* The service is not available. The queue keeps the records until it is. */
void _lsobs_log_unavailable (const char *label, const char *problem);
/* @path: the path below the API URL that takes no attachments */
void _lsobs_log_no_attachments (const char *path, const char *label);
/* @missing: the path that the service does not have
 * @used: the path that is used instead */
void _lsobs_log_fallback (const char *missing, const char *used, const char *label);
void _lsobs_log_no_compression (const char *label);
/* Records are lost, and the program has no observer to ask any more. Writes a message at most once
 * a minute, with the number of records since the last one.
 * @is_end: the process ends: writes it in any case */
void _lsobs_log_lost (guint64 n_records, gboolean is_end);
/* A run is used after lsobs_run_wrap() has ended it. Writes a message once in a process.
 * @name: of the run */
void _lsobs_log_early_end (const char *name);
/* A replay has left files, which another process may send.
 * @path: of their folder */
void _lsobs_log_other_files (guint n_files, const char *path);

G_END_DECLS
