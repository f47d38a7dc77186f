/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/text/lsobs-json-cuts-private.h"
#include "lsobs/text/lsobs-redactor-private.h"

G_BEGIN_DECLS

/* What the sanitizer does in addition to repairing JSON. The names of members are repaired, but
 * not redacted or cut. */
typedef struct
{
  LsobsRedactor *redactor;   /* (nullable) (unowned) redacts each string, and replaces the values
                              * of members by their names */
  gsize max_string_bytes;    /* longer strings are cut, after redaction, at the end of a
                              * character; 0: no limit */
  gboolean wrap;             /* a value that is not an object becomes {"value": …} */
  LsobsRedactBudget *budget; /* (nullable) (unowned) shared by all texts of a record; NULL: each
                              * string has a budget of its own */
  LsobsJsonCuts *cuts;       /* (nullable) (unowned) the strings that are cut are added to it */
} LsobsSanitizeOptions;

/* How the bytes between the quotes of a string in JSON text are related to its text. */
typedef enum
{
  LSOBS_JSON_STRING_PLAIN,   /* they are the text */
  LSOBS_JSON_STRING_ESCAPED, /* they need decoding, but are what the writer would write */
  LSOBS_JSON_STRING_BROKEN   /* they need decoding or repair, and must be written anew */
} LsobsJsonStringKind;

gboolean _lsobs_json_sanitize (LsobsBuffer *out,
                               const char *text,
                               gsize len,
                               const LsobsSanitizeOptions *options);
void _lsobs_json_sanitize_text (LsobsBuffer *out,
                                const char *text,
                                gsize len,
                                const LsobsSanitizeOptions *options);

const char *_lsobs_json_string_scan (const char *p, const char *end, LsobsJsonStringKind *kind);
const char *_lsobs_json_string_decode (const char *raw,
                                       gsize *len,
                                       LsobsJsonStringKind kind,
                                       LsobsBuffer *decoded);

G_END_DECLS
