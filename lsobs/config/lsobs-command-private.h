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
  int *stop;       /* (atomic) (nullable) not 0: the command is to be killed */
  int *group;      /* (nullable) its process group, while there is one; else 0. Guarded by
                    * _lsobs_fork_lock() */
} LsobsCommandLimits;

gboolean _lsobs_command_run (const char *command,
                             const LsobsCommandLimits *limits,
                             LsobsBuffer *output,
                             GError **error);

G_END_DECLS
