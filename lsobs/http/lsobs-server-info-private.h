/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a service can do, as /info says. Pure functions, without clock and socket. */
typedef struct
{
  gboolean has_version;
  guint version[3];
  gboolean is_prerelease; /* the version is older than the release of that number */
  gboolean use_multipart;
  gboolean takes_zstd;
  gboolean takes_gzip;
  gboolean needs_project_id; /* feedback without the id of its project is refused */
  guint max_records;         /* of a request */
  gsize max_bytes;           /* of a request, before it is compressed */
} LsobsServerInfo;

void _lsobs_server_info_init (LsobsServerInfo *self);
gboolean _lsobs_server_info_parse (LsobsServerInfo *self, const char *text, gsize len);
gboolean _lsobs_server_info_is_at_least (const LsobsServerInfo *self,
                                         guint major,
                                         guint minor,
                                         guint micro);

G_END_DECLS
