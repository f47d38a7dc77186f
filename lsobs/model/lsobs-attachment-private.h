/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* So many are in a list at the most: a run may last for ever. */
#define LSOBS_MAX_ATTACHMENTS 100

/* A file that goes with a run. Immutable, and fit to be sent as it is. */
typedef struct
{
  gatomicrefcount ref_count;
  char *name;      /* (owned) */
  char *mime_type; /* (owned) */
  GBytes *data;    /* (owned) */
} LsobsAttachment;

LsobsAttachment *_lsobs_attachment_new (const char *name,
                                        const char *mime_type,
                                        GBytes *data,
                                        GError **error);
LsobsAttachment *_lsobs_attachment_ref (LsobsAttachment *self);
void _lsobs_attachment_unref (LsobsAttachment *self);
gsize _lsobs_attachment_measure (LsobsAttachment *self);

/* lists of them, in which each name is there once; NULL is empty */
gboolean _lsobs_attachments_put (GPtrArray **attachments, LsobsAttachment *attachment);
guint _lsobs_attachments_unite (GPtrArray **attachments, GPtrArray *others);
LsobsAttachment *_lsobs_attachments_find (GPtrArray *attachments, const char *name);
gboolean _lsobs_attachments_drop (GPtrArray **attachments);
gsize _lsobs_attachments_measure (GPtrArray *attachments);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsAttachment, _lsobs_attachment_unref)

G_END_DECLS
