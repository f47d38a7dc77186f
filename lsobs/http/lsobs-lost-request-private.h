/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A request that was lost, as it is kept in a file: what is needed to send it again
 * to any service, and so neither an address nor a key. The file is a JSON object that
 * the service's own clients read and write, too. Immutable. */
typedef struct
{
  char *endpoint;     /* (owned) below the address of the service */
  char *content_type; /* (owned) */
  char *encoding;     /* (owned) (nullable) how body is compressed */
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
