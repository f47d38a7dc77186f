/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A lost request, as a file holds it: all that is needed to send it again, without address and key.
 * The file is a JSON object that the official clients of the service read and write, too.
 * Immutable. */
typedef struct
{
  char *endpoint;     /* (owned) path below the address of the service */
  char *content_type; /* (owned) */
  char *encoding;     /* (owned) (nullable) the Content-Encoding of body */
  GBytes *body;       /* (owned) */
} LsobsLostRequest;

LsobsLostRequest *_lsobs_lost_request_new (const char *endpoint,
                                           const char *content_type,
                                           const char *encoding,
                                           GBytes *body);
void _lsobs_lost_request_free (LsobsLostRequest *self);

gsize _lsobs_lost_request_measure (LsobsLostRequest *self);
gboolean _lsobs_lost_request_write (LsobsLostRequest *self, int fd);
LsobsLostRequest *_lsobs_lost_request_parse (const char *text, gsize len, GError **error);

char *_lsobs_lost_request_make_name (gint64 now);
gboolean _lsobs_lost_request_is_name (const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsLostRequest, _lsobs_lost_request_free)

G_END_DECLS
