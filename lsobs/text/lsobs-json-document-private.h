/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* JSON text in which members are looked up. Unlike a tree of nodes it makes no copies of its
 * strings: secrets can be wiped, and large values take no more memory. A plain value, used by
 * one thread at a time. */
typedef struct
{
  LsobsBuffer text;    /* (owned) valid JSON without white space, and a NUL */
  LsobsBuffer decoded; /* (owned) the string that was decoded last */
} LsobsJsonDocument;

#define LSOBS_JSON_DOCUMENT_INIT \
 { \
  LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT \
 }

gboolean _lsobs_json_document_load (LsobsJsonDocument *self, const char *text, gsize len);
gboolean _lsobs_json_document_load_secret (LsobsJsonDocument *self, const char *text, gsize len);
void _lsobs_json_document_clear (LsobsJsonDocument *self);
void _lsobs_json_document_wipe (LsobsJsonDocument *self);

const char *_lsobs_json_document_find (LsobsJsonDocument *self,
                                       const char *object,
                                       const char *name);
const char *_lsobs_json_document_skip (LsobsJsonDocument *self, const char *value);
char *_lsobs_json_document_dup_value (LsobsJsonDocument *self, const char *value);
const char *_lsobs_json_document_decode (LsobsJsonDocument *self, const char *value, gsize *len);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsJsonDocument, _lsobs_json_document_clear)

G_END_DECLS
