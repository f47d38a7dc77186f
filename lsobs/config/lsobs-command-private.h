/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* The limits of a command. */
typedef struct
{
  gint64 timeout;  /* ms */
  gsize max_bytes; /* of output */
  int *stop;       /* (atomic) (nullable) not 0: kill the command */
  int *group;      /* (nullable) the process group of the command while it runs, else 0; guarded
                    * by _lsobs_fork_lock() */
} LsobsCommandLimits;

gboolean _lsobs_command_run (const char *command,
                             const LsobsCommandLimits *limits,
                             LsobsBuffer *output,
                             GError **error);

G_END_DECLS
