/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-types.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_USAGE (lsobs_usage_get_type ())

/**
 * LsobsUsage:
 *
 * The tokens and costs of the call of a model.
 *
 * Since: 0.1
 */
typedef struct _LsobsUsage LsobsUsage;

LSOBS_AVAILABLE_IN_0_1
GType lsobs_usage_get_type (void);

LSOBS_AVAILABLE_IN_0_1
LsobsUsage *lsobs_usage_new (void);
LSOBS_AVAILABLE_IN_0_1
LsobsUsage *lsobs_usage_new_from_json (JsonNode *json, GError **error);
LSOBS_AVAILABLE_IN_0_1
LsobsUsage *lsobs_usage_ref (LsobsUsage *self);
LSOBS_AVAILABLE_IN_0_1
void lsobs_usage_unref (LsobsUsage *self);
LSOBS_AVAILABLE_IN_0_1
JsonNode *lsobs_usage_to_json (LsobsUsage *self);

LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_input_tokens (LsobsUsage *self, gint64 n_tokens, GError **error);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_usage_get_input_tokens (LsobsUsage *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_output_tokens (LsobsUsage *self, gint64 n_tokens, GError **error);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_usage_get_output_tokens (LsobsUsage *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_total_tokens (LsobsUsage *self, gint64 n_tokens, GError **error);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_usage_get_total_tokens (LsobsUsage *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_input_token_detail (LsobsUsage *self,
                                             const char *key,
                                             gint64 n_tokens,
                                             GError **error);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_usage_get_input_token_detail (LsobsUsage *self, const char *key);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_output_token_detail (LsobsUsage *self,
                                              const char *key,
                                              gint64 n_tokens,
                                              GError **error);
LSOBS_AVAILABLE_IN_0_1
gint64 lsobs_usage_get_output_token_detail (LsobsUsage *self, const char *key);

LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_input_cost (LsobsUsage *self, double cost, GError **error);
LSOBS_AVAILABLE_IN_0_1
double lsobs_usage_get_input_cost (LsobsUsage *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_output_cost (LsobsUsage *self, double cost, GError **error);
LSOBS_AVAILABLE_IN_0_1
double lsobs_usage_get_output_cost (LsobsUsage *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_total_cost (LsobsUsage *self, double cost, GError **error);
LSOBS_AVAILABLE_IN_0_1
double lsobs_usage_get_total_cost (LsobsUsage *self);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_input_cost_detail (LsobsUsage *self,
                                            const char *key,
                                            double cost,
                                            GError **error);
LSOBS_AVAILABLE_IN_0_1
double lsobs_usage_get_input_cost_detail (LsobsUsage *self, const char *key);
LSOBS_AVAILABLE_IN_0_1
gboolean lsobs_usage_set_output_cost_detail (LsobsUsage *self,
                                             const char *key,
                                             double cost,
                                             GError **error);
LSOBS_AVAILABLE_IN_0_1
double lsobs_usage_get_output_cost_detail (LsobsUsage *self, const char *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsUsage, lsobs_usage_unref)

G_END_DECLS
