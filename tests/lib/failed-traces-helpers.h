/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Directories of failed traces, and what is in the files, read by somebody else than the library. */

#pragma once

#include "tests/lib/test-helpers.h"

G_BEGIN_DECLS

/* (transfer full): a new directory */
char *failed_traces_make_dir (void);
/* with all that is in it */
void failed_traces_remove_dir (const char *path);

/* (element-type utf8) (transfer full): the names of all failed traces, in their order */
GPtrArray *failed_traces_list (const char *dir);
/* everything in it, whatever it is; 0 when it is not there */
guint failed_traces_count_entries (const char *dir);
void failed_traces_remove (const char *dir, const char *name);
void failed_traces_assert_size (const char *path, gsize n_bytes);
void failed_traces_write (const char *dir, const char *name, const char *text);

typedef struct
{
  char *endpoint;     /* (owned) */
  char *content_type; /* (owned) */
  char *encoding;     /* (owned) (nullable) */
  GBytes *body;       /* (owned) */
} FailedTraceFile;

/* a file, which must be right in every respect */
FailedTraceFile *failed_trace_file_load (const char *dir, const char *name);
void failed_trace_file_free (FailedTraceFile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FailedTraceFile, failed_trace_file_free)

/* All runs of all files, which must follow the rules of the protocol. Neither the key nor the address
 * @server (nullable) may be in one of them. */
WireTree *failed_traces_build_tree (const char *dir, const char *server);

G_END_DECLS
