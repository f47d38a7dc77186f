/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-observer.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_MODEL_CALL (lsobs_model_call_get_type ())

/**
 * LsobsModelCall:
 *
 * The call of a model over HTTP, as a run.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsModelCall, lsobs_model_call, LSOBS, MODEL_CALL, GObject)

LSOBS_AVAILABLE_IN_0_1
LsobsModelCall *lsobs_model_call_new (LsobsObserver *observer,
                                      LsobsRun *parent,
                                      const char *url,
                                      GBytes *body);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_model_call_get_run (LsobsModelCall *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_model_call_set_request_id (LsobsModelCall *self, const char *request_id);
LSOBS_AVAILABLE_IN_0_1
void lsobs_model_call_feed (LsobsModelCall *self, const guint8 *data, gsize n_bytes);
LSOBS_AVAILABLE_IN_0_1
void lsobs_model_call_feed_bytes (LsobsModelCall *self, GBytes *bytes);
LSOBS_AVAILABLE_IN_0_1
void lsobs_model_call_finish (LsobsModelCall *self, guint status);
LSOBS_AVAILABLE_IN_0_1
void lsobs_model_call_fail (LsobsModelCall *self, guint status, const GError *error);

G_END_DECLS
