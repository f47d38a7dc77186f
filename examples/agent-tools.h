/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The tools of the agent, `calculator` and `clock`. */

/* (transfer full): what the model has to know about them */
JsonNode *agent_tools_describe (void);

/* (transfer full): the result, an object. A tool that fails is no failure of the agent: the model is
 * told in the member `error`, and may try again. */
JsonNode *agent_tools_run (const char *name, JsonNode *args);

G_END_DECLS
