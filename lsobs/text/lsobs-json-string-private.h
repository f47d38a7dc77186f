/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/text/lsobs-json-walker-private.h"

G_BEGIN_DECLS

/* The bytes between the quotes of a string in JSON text: what is to be done to
 * them before they can stand for themselves. */
typedef enum
{
  LSOBS_JSON_STRING_PLAIN,   /* nothing: text and its JSON form are the same */
  LSOBS_JSON_STRING_ESCAPED, /* must be decoded, but would be written the same again */
  LSOBS_JSON_STRING_BROKEN   /* must be decoded or repaired, and written anew */
} LsobsJsonStringKind;

/* Buffers used by one string after the other. */
typedef struct
{
  LsobsBuffer decoded;
  LsobsBuffer redacted;
} LsobsJsonScratch;

#define LSOBS_JSON_SCRATCH_INIT \
 { \
  LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT \
 }

void _lsobs_json_scratch_clear (LsobsJsonScratch *self);

const char *_lsobs_json_string_scan (const char *p, const char *end, LsobsJsonStringKind *kind);
const char *_lsobs_json_string_decode (const char *raw,
                                       gsize *len,
                                       LsobsJsonStringKind kind,
                                       LsobsJsonScratch *scratch);
void _lsobs_json_string_write (LsobsBuffer *out,
                               const char *raw,
                               gsize len,
                               LsobsJsonStringKind kind,
                               const LsobsJsonWalkOptions *options,
                               LsobsJsonScratch *scratch);
void _lsobs_json_string_write_text (LsobsBuffer *out,
                                    const char *text,
                                    gsize len,
                                    const LsobsJsonWalkOptions *options,
                                    LsobsJsonScratch *scratch);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LsobsJsonScratch, _lsobs_json_scratch_clear)

G_END_DECLS
