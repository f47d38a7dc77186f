/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of a spool, or of a folder of failed traces, that are there after they were to be sent. */

#pragma once

#include <lsobs/lsobs.h>

G_BEGIN_DECLS

typedef struct
{
  guint n_all;
  guint
      n_other; /* of them: for another address, workspace, project or key than those of the config */
} KeptFiles;

/* Looks at the names alone, unless @config is given: then each file is read.
 * @config: (nullable) */
void kept_files_count (KeptFiles *self, const char *folder, LsobsConfig *config);

G_END_DECLS
