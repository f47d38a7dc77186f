/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

#include <lsobs/lsobs-observer.h>

G_BEGIN_DECLS

LSOBS_AVAILABLE_IN_0_1
void lsobs_run_add_to_message (LsobsRun *self, SoupMessage *message);
LSOBS_AVAILABLE_IN_0_1
LsobsRun *lsobs_observer_start_run_from_message_headers (LsobsObserver *self,
                                                         SoupMessageHeaders *headers,
                                                         const char *name,
                                                         LsobsRunType run_type,
                                                         JsonNode *inputs);

G_END_DECLS
