/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/text/lsobs-json-string-private.h"

G_BEGIN_DECLS

/* JSON text in which a few members are looked up by hand. Unlike a tree of nodes it
 * leaves no copies behind of what it holds, and makes none of what is large. A plain
 * value of whoever declares it: not thread-safe. */
typedef struct
{
  LsobsBuffer text;         /* (owned) known to be right, without white space, with a NUL */
  LsobsJsonScratch scratch; /* (owned) */
} LsobsJsonDocument;

#define LSOBS_JSON_DOCUMENT_INIT \
 { \
  LSOBS_BUFFER_INIT, LSOBS_JSON_SCRATCH_INIT \
 }

gboolean _lsobs_json_document_load (LsobsJsonDocument *self, const char *text, gsize len);
gboolean _lsobs_json_document_load_secret (LsobsJsonDocument *self, const char *text, gsize len);
void _lsobs_json_document_clear (LsobsJsonDocument *self);
void _lsobs_json_document_wipe (LsobsJsonDocument *self);

const char *_lsobs_json_document_find (LsobsJsonDocument *self,
                                       const char *object,
                                       const char *name);
const char *_lsobs_json_document_decode (LsobsJsonDocument *self, const char *value, gsize *len);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsJsonDocument, _lsobs_json_document_clear)

G_END_DECLS
