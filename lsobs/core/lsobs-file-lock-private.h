/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A file that this process has locked: no other process, and no other thread of this one, can lock
 * it. The lock ends with the process that took it, however that ends: a forked child does not
 * share it. May be taken in one thread and released in another. */
typedef struct
{
  int fd;     /* (owned) or -1 */
  guint slot; /* where the fork handler finds fd */
} LsobsFileLock;

#define LSOBS_FILE_LOCK_INIT \
 { \
  -1, 0 \
 }

typedef enum
{
  LSOBS_FILE_LOCK_NONE = 0,
  LSOBS_FILE_LOCK_WAIT = 1 << 0,  /* blocks until the file is free, for ten seconds at most */
  LSOBS_FILE_LOCK_FRESH = 1 << 1, /* the file must not exist yet */
  LSOBS_FILE_LOCK_FOUND = 1 << 2, /* the file must exist */
  LSOBS_FILE_LOCK_FOLDER = 1 << 3 /* it is a directory */
} LsobsFileLockOptions;

gboolean _lsobs_file_lock_acquire (LsobsFileLock *self,
                                   int dir,
                                   const char *name,
                                   LsobsFileLockOptions options);
void _lsobs_file_lock_release (LsobsFileLock *self);

G_END_DECLS
