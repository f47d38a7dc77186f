/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* Reads files that other programs may have written, with a limit to their size. Blocks for as
 * long as the file system does. */
gboolean _lsobs_file_read (int dir,
                           const char *path,
                           int flags,
                           gsize max_bytes,
                           LsobsBuffer *text);
gboolean _lsobs_file_read_with_info (int dir,
                                     const char *path,
                                     int flags,
                                     gsize max_bytes,
                                     LsobsBuffer *text,
                                     struct stat *info);

G_END_DECLS
