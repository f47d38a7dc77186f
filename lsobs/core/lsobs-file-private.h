/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* Files that somebody else may have written. Blocks as long as the disk does. */
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
