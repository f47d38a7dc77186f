/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The contents of a body of an ingestion endpoint: runs, feedback and attachments. A part that is
 * wrong is left out, with the reason; the others count. */

#pragma once

#include "tools/store/store.h"

G_BEGIN_DECLS

typedef struct _Intake Intake;

typedef enum
{
  INTAKE_RUN,      /* POST /runs, and PATCH /runs/ID */
  INTAKE_BATCH,    /* POST /runs/batch */
  INTAKE_MULTIPART /* POST /runs/multipart */
} IntakeKind;

/* Reads a body. Needs no store, and may be called by any thread.
 * @id: (nullable): of an update with INTAKE_RUN
 * @type: (nullable): Content-Type
 * @body: after decompression
 * Returns: (transfer full) (nullable): NULL with STORE_ERROR_INVALID if nothing of the body can be read */
Intake *intake_new (IntakeKind kind,
                    const char *id,
                    const char *type,
                    GBytes *body,
                    GError **error);
void intake_free (Intake *self);

/* Writes all of it, in a transaction. May be called again if that is rolled back. */
gboolean intake_apply (Intake *self, Store *store, GError **error);

guint intake_get_n_accepted (Intake *self);
/* (element-type utf8): a message for each part that was left out */
GPtrArray *intake_get_refused (Intake *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Intake, intake_free)

G_END_DECLS
