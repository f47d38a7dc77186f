/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests as those of the page of "lsobs serve", and traces for it. */

#pragma once

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#include "tests/tools/serve-helpers.h"

G_BEGIN_DECLS

#define ID_FORMAT "01900000-0000-7000-8000-%012x"

/* --- requests ------------------------------------------------------------------------------ */

/* Sends a request with the token. @headers: (nullable): names and values, NULL-terminated
 * Returns: (transfer full): with its answer in @body */
SoupMessage *page_send (ServeFixture *fixture,
                        const char *method,
                        const char *path,
                        const char *const *headers,
                        char **body);
/* (nullable): of an answer */
const char *page_get_header (SoupMessage *message, const char *name);
/* Returns: (transfer full): the object that is answered */
JsonNode *page_get (ServeFixture *fixture, const char *path);
JsonObject *page_get_object (JsonNode *node);
/* An object in the list that an answer has under a name. */
JsonObject *page_get_element (JsonNode *node, const char *name, guint at);
/* The number of objects in it. */
guint page_get_length (JsonNode *node, const char *name);
/* (nullable): NULL for null */
const char *page_get_text (JsonObject *object, const char *name);

/* --- runs ---------------------------------------------------------------------------------- */

/* Appends a run.
 * @number: of it, and its second
 * @root: number of the root of its trace
 * @more: members, with single quotes */
void page_append_run (GString *body, guint number, guint root, guint parent, const char *more);
void page_post_runs (ServeFixture *fixture, const char *runs);
void page_post_run (ServeFixture *fixture,
                    guint number,
                    guint root,
                    guint parent,
                    const char *more);

/* (transfer full): the id of the project "default" */
char *page_dup_project (ServeFixture *fixture);
/* (transfer full): traces of the project "default". @more: members, with single quotes */
JsonNode *page_list_traces (ServeFixture *fixture, const char *more);
/* (transfer full): the last digits of the ids in a list, with spaces between them */
char *page_dup_numbers (JsonNode *node, const char *name);
void page_assert_traces (ServeFixture *fixture, const char *more, const char *numbers);

G_END_DECLS
