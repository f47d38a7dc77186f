/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lsobs/lsobs-graph-observer.h>
#include <lsobs/lsobs-run.h>

G_BEGIN_DECLS

#define LSOBS_TYPE_INVOCATION (lsobs_invocation_get_type ())

/**
 * LsobsInvocation:
 *
 * One execution of a graph.
 *
 * Since: 0.1
 */
LSOBS_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (LsobsInvocation, lsobs_invocation, LSOBS, INVOCATION, GObject)

LSOBS_AVAILABLE_IN_0_1
void lsobs_invocation_end (LsobsInvocation *self, JsonNode *output);
LSOBS_AVAILABLE_IN_0_1
void lsobs_invocation_fail (LsobsInvocation *self, const GError *error);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_invocation_get_run (LsobsInvocation *self);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_invocation_dup_node_run (LsobsInvocation *self, const char *node_id);

G_END_DECLS
