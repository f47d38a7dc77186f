/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-block-row-private.h"
#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/model/lsobs-record-private.h"

G_BEGIN_DECLS

/* The parts of a record in a multipart body, in the order of the body. All but the main part
 * are members of the record's JSON object. */
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

/* Calls @f with each field but the main one, and its name as a literal. */
#define LSOBS_FIELDS(f) \
 f (LSOBS_FIELD_INPUTS, "inputs") f (LSOBS_FIELD_OUTPUTS, "outputs") \
     f (LSOBS_FIELD_EVENTS, "events") f (LSOBS_FIELD_EXTRA, "extra") \
         f (LSOBS_FIELD_ERROR, "error") f (LSOBS_FIELD_SERIALIZED, "serialized")

extern const char *const _lsobs_field_names[LSOBS_N_FIELDS];

/* What a record that is too large has lost; each step includes those before it. */
typedef enum
{
  LSOBS_CUT_NOTHING,
  LSOBS_CUT_ATTACHMENTS,
  LSOBS_CUT_PAYLOADS /* their sizes replace them */
} LsobsCut;

/* A record as JSON that may leave the process: redacted, cut, wrapped, repaired. It is
 * immutable, and all batches that contain it share it; cutting or converting it makes a new
 * one. Transports read only this; the pipeline uses the record for counting. */
typedef struct
{
  gatomicrefcount ref_count;
  LsobsRecord *record;         /* (owned) shared by all encodings of it */
  LsobsCounters *counters;     /* (owned) of the destination */
  LsobsRecordKind kind;        /* the operation, which may differ from the record's */
  LsobsRunType run_type;       /* of a run */
  gint64 start_time;           /* of a run; µs since 1970 */
  gint64 end_time;             /* of a run; µs since 1970, not before the start, or 0 */
  char id[LSOBS_UUID_LEN + 1]; /* as in the text: replicas map ids */
  LsobsCut cut;
  gsize body_size; /* (atomic) see _lsobs_body_measure_record(); 0: it was not measured yet */
  GBytes *text;    /* (owned) the whole JSON object */
  GPtrArray *attachments; /* (owned) (nullable) (element-type LsobsAttachment) */
  struct
  {
    gsize offset;
    gsize len;              /* 0: absent */
  } fields[LSOBS_N_FIELDS]; /* slices of text; the main one comes first and lacks its '}' */
} LsobsEncoded;

/* The memory that an encoder writes to. A plain value, used by one thread at a time. */
typedef struct
{
  LsobsBuffer text;  /* (owned) of the record that is being encoded */
  LsobsBlockRow row; /* (owned) for the texts of encoded records */
} LsobsEncoderMemory;

/* Encodes records for one destination; stateless but for its memory, made where it is needed. */
typedef struct
{
  LsobsSettings *settings;    /* (unowned) */
  LsobsCounters *counters;    /* (unowned) count problems of payloads */
  LsobsEncoderMemory *memory; /* (unowned) (nullable) NULL: each text has memory of its own */
} LsobsEncoder;

void _lsobs_encoder_memory_clear (LsobsEncoderMemory *self);

LsobsEncoded *_lsobs_encoded_new (void);
LsobsEncoded *_lsobs_encoder_encode (const LsobsEncoder *self, LsobsRecord *record);
LsobsEncoded *_lsobs_encoder_convert (const LsobsEncoder *self,
                                      LsobsEncoded *encoded,
                                      LsobsRecordKind kind);
LsobsEncoded *_lsobs_encoder_cut (const LsobsEncoder *self, LsobsEncoded *encoded);
LsobsEncoded *_lsobs_encoder_shrink (const LsobsEncoder *self, LsobsEncoded *encoded);
gsize _lsobs_encoded_get_size (const LsobsEncoded *self);
LsobsEncoded *_lsobs_encoded_ref (LsobsEncoded *self);
void _lsobs_encoded_unref (LsobsEncoded *self);

/* Returns: (nullable): a slice of the text; the main field lacks its closing brace */
static inline const char *
_lsobs_encoded_get_field (const LsobsEncoded *self, LsobsField field, gsize *len)
{
  *len = self->fields[field].len;
  return *len > 0 ? (const char *) g_bytes_get_data (self->text, NULL) + self->fields[field].offset
                  : NULL;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsEncoded, _lsobs_encoded_unref)

G_END_DECLS
