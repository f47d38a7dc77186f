/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The length of the tag in the name of a file whose owner is known. */
#define LSOBS_TAG_LEN 8

/* The length of the mark of the key that may follow the tag, and the mark of an unknown key. */
#define LSOBS_MARK_LEN 2
#define LSOBS_NO_MARK  "00"

/* A failed trace, as a file holds it: all that is needed to send it again, without address and key.
 * The file is a JSON object that the official clients of the service read and write, too.
 * Immutable. */
typedef struct
{
  char *endpoint;     /* (owned) path below the address of the service */
  char *content_type; /* (owned) */
  char *encoding;     /* (owned) (nullable) the Content-Encoding of body */
  GBytes *body;       /* (owned) */
  char *owner;        /* (owned) (nullable) who may send it: see lsobs-spool-owner-private.h */
} LsobsFailedTrace;

LsobsFailedTrace *_lsobs_failed_trace_new (const char *endpoint,
                                           const char *content_type,
                                           const char *encoding,
                                           GBytes *body);
void _lsobs_failed_trace_free (LsobsFailedTrace *self);

gsize _lsobs_failed_trace_measure (LsobsFailedTrace *self);
gboolean _lsobs_failed_trace_write (LsobsFailedTrace *self, int fd);
LsobsFailedTrace *_lsobs_failed_trace_parse (const char *text, gsize len, GError **error);

char *_lsobs_failed_trace_make_name (gint64 now, const char *tag, guint n_records);
gboolean _lsobs_failed_trace_parse_name (const char *name,
                                         const char *tag,
                                         gint64 *time,
                                         guint *n_records);
gboolean _lsobs_failed_trace_is_name (const char *name);
int _lsobs_failed_trace_compare_names (const char *a, const char *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsFailedTrace, _lsobs_failed_trace_free)

G_END_DECLS
