/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-counters-private.h"
#include "lsobs/lsobs-record-private.h"
#include "lsobs/lsobs-settings-private.h"

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
 * Immutable, apart from being cut once more. */
typedef struct
{
  gatomicrefcount ref_count;
  LsobsRecord *record;         /* (owned) */
  char id[LSOBS_UUID_LEN + 1]; /* as it leaves: replicas have ids of their own */
  LsobsCut cut;
  LsobsBuffer text; /* (owned) all fields, one after the other */
  struct
  {
    gsize offset;
    gsize len; /* 0: absent */
  } fields[LSOBS_N_FIELDS];
} LsobsEncoded;

LsobsEncoded *_lsobs_encoder_encode (LsobsSettings *settings,
                                     LsobsCounters *counters,
                                     LsobsRecord *record);
void _lsobs_encoder_again (LsobsSettings *settings, LsobsCounters *counters, LsobsEncoded *encoded);
gboolean _lsobs_encoder_cut (LsobsSettings *settings,
                             LsobsCounters *counters,
                             LsobsEncoded *encoded);
LsobsEncoded *_lsobs_encoded_ref (LsobsEncoded *self);
void _lsobs_encoded_unref (LsobsEncoded *self);

static inline const char *
_lsobs_encoded_get_field (const LsobsEncoded *self, LsobsField field, gsize *len)
{
  *len = self->fields[field].len;
  return *len > 0 ? self->text.data + self->fields[field].offset : NULL;
}

/* Returns: (transfer none) (nullable) (element-type LsobsAttachment): those that go
 * along */
static inline GPtrArray *
_lsobs_encoded_get_attachments (const LsobsEncoded *self)
{
  return self->cut < LSOBS_CUT_ATTACHMENTS ? self->record->attachments : NULL;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsEncoded, _lsobs_encoded_unref)

G_END_DECLS
