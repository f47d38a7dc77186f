/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/api/lsobs-exporter-private.h"
#include "lsobs/lsobs-model-call.h"

G_BEGIN_DECLS

LsobsModelCall *_lsobs_model_call_new (LsobsExporter *exporter,
                                       LsobsRun *parent,
                                       LsobsModelCall *earlier,
                                       const char *url,
                                       GBytes *body);
void _lsobs_model_call_feed (LsobsModelCall *self, const char *data, gsize len);
void _lsobs_model_call_refuse (LsobsModelCall *self, const char *phrase);
void _lsobs_model_call_end (LsobsModelCall *self, guint status, const GError *error);
void _lsobs_model_call_drop_unseen (LsobsModelCall *self, guint status);
void _lsobs_model_call_drop (LsobsModelCall *self, guint status, const GError *error);

G_END_DECLS
