/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Finds the records in a body, which a file of another program may hold, so that some of them can
 * be sent without the others. Immutable, but for the constructor. */
typedef struct _LsobsBodyReader LsobsBodyReader;

LsobsBodyReader *_lsobs_body_reader_new (const char *endpoint, const char *type, GBytes *body);
void _lsobs_body_reader_free (LsobsBodyReader *self);
guint _lsobs_body_reader_get_n_records (LsobsBodyReader *self);
GBytes *_lsobs_body_reader_slice (LsobsBodyReader *self, guint first, guint end);
GBytes *_lsobs_body_reader_make_update (LsobsBodyReader *self, guint index, char **id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsBodyReader, _lsobs_body_reader_free)

G_END_DECLS
