/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/model/lsobs-record-private.h"

G_BEGIN_DECLS

/* The pieces that a record is sent as, in the order they are sent in. */
typedef enum
{
  LSOBS_FIELD_MAIN,
  LSOBS_FIELD_INPUTS,
  LSOBS_FIELD_OUTPUTS,
  LSOBS_FIELD_EVENTS,
  LSOBS_FIELD_EXTRA,
  LSOBS_FIELD_ERROR,
  LSOBS_FIELD_SERIALIZED,
  LSOBS_N_FIELDS
} LsobsField;

extern const char *const _lsobs_field_names[LSOBS_N_FIELDS];

/* What a record that is too large alone has had to give up; each step is also all of
 * those before it. */
typedef enum
{
  LSOBS_CUT_NOTHING,
  LSOBS_CUT_ATTACHMENTS,
  LSOBS_CUT_PAYLOADS /* notes of their size are in their place */
} LsobsCut;

/* A record as JSON that may leave the process: redacted, cut, wrapped, repaired.
 * Immutable, and shared by all batches that it is part of: to cut a record, or to write
 * it as another operation, makes another one of these. Only this is
 * read for sending; the record is for the counters. */
typedef struct
{
  gatomicrefcount ref_count;
  LsobsRecord *record;         /* (owned) shared by all that were made of it */
  LsobsRecordKind kind;        /* the operation that it is sent as */
  LsobsRunType run_type;       /* of a run */
  gint64 start_time;           /* of a run; µs since 1970 */
  gint64 end_time;             /* of a run; µs since 1970, not before the start, or 0 */
  char id[LSOBS_UUID_LEN + 1]; /* as it leaves: replicas have ids of their own */
  LsobsCut cut;
  GBytes *text;           /* (owned) all fields, one after the other */
  GPtrArray *attachments; /* (owned) (nullable) (element-type LsobsAttachment) */
  struct
  {
    gsize offset;
    gsize len; /* 0: absent */
  } fields[LSOBS_N_FIELDS];
} LsobsEncoded;

LsobsEncoded *_lsobs_encoder_encode (LsobsSettings *settings,
                                     LsobsCounters *counters,
                                     LsobsRecord *record);
LsobsEncoded *_lsobs_encoder_convert (LsobsSettings *settings,
                                      LsobsEncoded *encoded,
                                      LsobsRecordKind kind);
LsobsEncoded *_lsobs_encoder_cut (LsobsSettings *settings,
                                  LsobsCounters *counters,
                                  LsobsEncoded *encoded);
LsobsEncoded *_lsobs_encoder_shrink (LsobsSettings *settings,
                                     LsobsCounters *counters,
                                     LsobsEncoded *encoded);
LsobsEncoded *_lsobs_encoded_ref (LsobsEncoded *self);
void _lsobs_encoded_unref (LsobsEncoded *self);

static inline const char *
_lsobs_encoded_get_field (const LsobsEncoded *self, LsobsField field, gsize *len)
{
  *len = self->fields[field].len;
  return *len > 0 ? (const char *) g_bytes_get_data (self->text, NULL) + self->fields[field].offset
                  : NULL;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsEncoded, _lsobs_encoded_unref)

G_END_DECLS
