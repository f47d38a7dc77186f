/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_RUN_UPDATE_DECISION (lsobs_run_update_decision_get_type ())
#define LSOBS_TYPE_RUN_METADATA        (lsobs_run_metadata_get_type ())
#define LSOBS_TYPE_RUN_STORE           (lsobs_run_store_get_type ())

/**
 * LsobsRunUpdateDecision:
 * @status: the state of the run after the update
 * @error_text: (nullable): the error that the run has failed with; %NULL unless @status is
 *   %LSOBS_RUN_STATUS_FAILED
 * @first: %TRUE if this update has ended the run; %FALSE if the run had ended before
 * @known: %TRUE if the store knew the run
 *
 * The result of an update.
 *
 * Since: 0.1
 */
typedef struct _LsobsRunUpdateDecision LsobsRunUpdateDecision;
struct _LsobsRunUpdateDecision
{
  LsobsRunStatus status;
  char *error_text;
  gboolean first;
  gboolean known;
};

/**
 * LsobsRunMetadata:
 * @status: the state of the run
 * @error_text: (nullable): the error that the run has failed with; %NULL unless @status is
 *   %LSOBS_RUN_STATUS_FAILED
 *
 * The state of a run in an #LsobsRunStore.
 *
 * Since: 0.1
 */
typedef struct _LsobsRunMetadata LsobsRunMetadata;
struct _LsobsRunMetadata
{
  LsobsRunStatus status;
  char *error_text;
};

/**
 * LsobsRunStore:
 *
 * Knows the states of runs by their ids.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsRunStore, lsobs_run_store, LSOBS, RUN_STORE, GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsRunStore *lsobs_run_store_new (guint capacity);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_store_start (LsobsRunStore *self, const char *id);
LSOBS_AVAILABLE_IN_0_1
LsobsRunUpdateDecision *lsobs_run_store_update (LsobsRunStore *self,
                                                const char *id,
                                                const char *error_text);
LSOBS_AVAILABLE_IN_0_1
LsobsRunMetadata *lsobs_run_store_lookup (LsobsRunStore *self, const char *id);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_run_store_forget (LsobsRunStore *self, const char *id);
LSOBS_AVAILABLE_IN_0_1
guint lsobs_run_store_get_size (LsobsRunStore *self);
LSOBS_AVAILABLE_IN_0_1
guint lsobs_run_store_get_capacity (LsobsRunStore *self);

LSOBS_AVAILABLE_IN_0_1
GType lsobs_run_update_decision_get_type (void);
LSOBS_AVAILABLE_IN_0_1
LsobsRunUpdateDecision *lsobs_run_update_decision_copy (const LsobsRunUpdateDecision *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_update_decision_free (LsobsRunUpdateDecision *self);

LSOBS_AVAILABLE_IN_0_1
GType lsobs_run_metadata_get_type (void);
LSOBS_AVAILABLE_IN_0_1
LsobsRunMetadata *lsobs_run_metadata_copy (const LsobsRunMetadata *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_run_metadata_free (LsobsRunMetadata *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRunUpdateDecision, lsobs_run_update_decision_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsRunMetadata, lsobs_run_metadata_free)

G_END_DECLS
