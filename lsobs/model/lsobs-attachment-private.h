/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "lsobs/core/lsobs-stats-private.h"

G_BEGIN_DECLS

/* The length of a list is limited, as a run may last as long as its program. */
#define LSOBS_MAX_ATTACHMENTS 100

/* A file that is sent with a run. Immutable; name and type are valid in a multipart header. */
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
void _lsobs_attachment_unref (LsobsAttachment *self);
gsize _lsobs_attachment_measure (LsobsAttachment *self);

/* Lists of attachments with unique names. NULL is an empty list. */
gboolean _lsobs_attachments_put (GPtrArray **attachments, LsobsAttachment *attachment);
guint _lsobs_attachments_unite (GPtrArray **attachments, GPtrArray *others);
LsobsAttachment *_lsobs_attachments_find (GPtrArray *attachments, const char *name);
gboolean _lsobs_attachments_remove_largest (GPtrArray **attachments);
gsize _lsobs_attachments_measure (GPtrArray *attachments);

/* Counts the bytes of the attachments that wait outside the records of one queue, up to a
 * maximum. */
typedef struct _LsobsAttachmentAccount LsobsAttachmentAccount;

/* The attachments of one run that wait for the record of its end. Their bytes are charged to an
 * account until then. */
typedef struct _LsobsChargedAttachments LsobsChargedAttachments;

LsobsAttachmentAccount *_lsobs_attachment_account_new (gsize max_bytes, LsobsCounters *counters);
void _lsobs_attachment_account_unref (LsobsAttachmentAccount *self);

gboolean _lsobs_charged_attachments_put_unlocked (LsobsChargedAttachments **self,
                                                  LsobsAttachmentAccount *account,
                                                  LsobsAttachment *attachment);
GPtrArray *_lsobs_charged_attachments_finish (LsobsChargedAttachments *self);
void _lsobs_charged_attachments_free (LsobsChargedAttachments *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsAttachment, _lsobs_attachment_unref)

G_END_DECLS
