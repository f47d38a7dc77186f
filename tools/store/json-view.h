/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON text that the sanitizer has written, and its members: it is read where it is, and not copied. */

#pragma once

#include "lsobs/text/lsobs-json-document-private.h"

G_BEGIN_DECLS

/* A document whose text belongs to somebody else. */
typedef LsobsJsonDocument JsonView;

/* One member of an object, or one element of an array. */
typedef struct
{
  const char *name; /* (unowned) as it is in the text, between its quotes; NULL in an array */
  gsize name_len;
  const char *value; /* (unowned) */
  gsize value_len;
} JsonMember;

/* @text: sanitized, with a NUL behind it, and valid as long as the view */
void json_view_init (JsonView *self, const char *text, gsize len);
void json_view_clear (JsonView *self);

/* Takes the next member of an object, or element of an array, @container.
 * @at: (inout): NULL at first
 * Returns: FALSE at the end, and if @container is neither */
gboolean json_view_next (JsonView *self,
                         const char *container,
                         const char **at,
                         JsonMember *member);

/* Follows a path of names from @value on. Returns: (nullable) */
const char *json_view_find (JsonView *self, const char *value, ...) G_GNUC_NULL_TERMINATED;

/* @value: (nullable). Returns: (transfer full) (nullable): NULL if it is no string */
char *json_view_dup_string (JsonView *self, const char *value);
/* @value: (nullable). Returns: FALSE if it is no number */
gboolean json_view_get_double (const char *value, double *number);
gboolean json_view_get_int (const char *value, gint64 *number);

/* Whether the member has this name. */
gboolean json_member_is (const JsonMember *member, const char *name);

/* Whether the value is there, and not null. @value: (nullable) */
static inline gboolean
json_value_is_set (const char *value)
{
  return value != NULL && *value != 'n';
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (JsonView, json_view_clear)

G_END_DECLS
