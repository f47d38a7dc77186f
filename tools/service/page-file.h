/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of the page, which are a resource in the program. */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  GBytes *data;     /* (owned) */
  const char *type; /* for Content-Type */
  char *tag;        /* (owned) its ETag, with quotes: another one if the file is another one */
} PageFile;

/* Finds a file of the page.
 * @name: such as "index.html"; it may be hostile
 * Returns: (transfer full) (nullable): NULL if there is no such file */
PageFile *page_file_load (const char *name);
/* Returns: (transfer full): the names of all files */
char **page_file_list (void);
void page_file_free (PageFile *self);

/* Whether a path is an address of the page, where it shows what the rest of the path says. */
gboolean page_file_is_address (const char *path);
/* Returns: (transfer full) (nullable): where the page shows what an address of LangSmith's site names, as the
 *   API has it in app_path, and clients print it; NULL if @path is no such address
 * @trace: (nullable): trace_id of its query */
char *page_file_dup_address (const char *path, const char *trace);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PageFile, page_file_free)

G_END_DECLS
