/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The JSON object in the body of a request, and its members. */

#pragma once

#include "tools/service/request.h"
#include "tools/store/json-view.h"

G_BEGIN_DECLS

typedef struct
{
  LsobsBuffer text; /* (owned) sanitized, with a NUL */
  JsonView view;
} JsonBody;

/* Returns: FALSE with STORE_ERROR_INVALID if the body is no object. An empty body is an empty object. */
gboolean json_body_read (JsonBody *self, Request *request, GError **error);
void json_body_clear (JsonBody *self);

/* Returns: (nullable): the value of a member, unless it is null */
const char *json_body_find (JsonBody *self, const char *name);
/* Sets @text to that of a member.
 * @text: (out) (transfer full) (nullable): NULL if it is missing, or is null
 * Returns: FALSE with an error if it is no string */
gboolean json_body_get_text (JsonBody *self, const char *name, char **text, GError **error);
/* Sets @is_set to whether there is such a member, and @value to what it says: true or false, or 1 or 0, as
 * Python programs often write them.
 * @is_set, @value: (out)
 * Returns: FALSE with an error if it is something else */
gboolean json_body_get_boolean (JsonBody *self,
                                const char *name,
                                gboolean *is_set,
                                gboolean *value,
                                GError **error);
/* Returns: (transfer full) (nullable): the JSON of a member, if it is an object */
char *json_body_dup_object (JsonBody *self, const char *name);
/* @ids: (out) (transfer full) (nullable) (element-type LsobsId): of an array of UUIDs, or of one */
gboolean json_body_get_ids (JsonBody *self, const char *name, GArray **ids, GError **error);

/* Sets an error that names the member or parameter, and returns FALSE. */
gboolean json_body_refuse (const char *name, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (JsonBody, json_body_clear)

G_END_DECLS
