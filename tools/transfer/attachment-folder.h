/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A folder with attachments as files. Names of attachments are of anyone: no file is written or read that is
 * not in the folder, and none is overwritten. */

#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-id-private.h"

G_BEGIN_DECLS

typedef struct _AttachmentFolder AttachmentFolder;

/* @make: whether to make it if it is not there */
AttachmentFolder *attachment_folder_new (const char *path, gboolean make, GError **error);
void attachment_folder_free (AttachmentFolder *self);

/* Writes an attachment, unless a file with the same bytes has its name already.
 * Returns: (transfer full) (nullable): the name of the file in the folder */
char *attachment_folder_write (AttachmentFolder *self,
                               const LsobsId *run_id,
                               const char *name,
                               GBytes *data,
                               GError **error);
/* Returns: (transfer full) (nullable): NULL with an error if @file is not the name of a file in the folder */
GBytes *attachment_folder_read (AttachmentFolder *self, const char *file, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AttachmentFolder, attachment_folder_free)

G_END_DECLS
