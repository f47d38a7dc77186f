/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service answers: one table of routes for each part of the API. */

#pragma once

#include "tools/service/request.h"

G_BEGIN_DECLS

/* Each table ends with a route without a method. */
extern const Route routes_ingest[];
extern const Route routes_runs[];
extern const Route routes_projects[];
extern const Route routes_feedback[];
extern const Route routes_page[];
extern const Route routes_workspace[];

/* A step before a route: decompresses the body. Returns: FALSE with the answer */
gboolean routes_decode (Request *request);

/* Finds the route of a request, and sets its words.
 * @other_method: (out): there is a route for this path and another method
 * Returns: (nullable) */
const Route *routes_find (Request *request, const char *method, gboolean *other_method);

G_END_DECLS
