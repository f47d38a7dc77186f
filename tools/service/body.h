/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of a request: decompresses it within limits, and finds its pieces. Pure functions for
 * hostile data, for any thread. */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The largest body, as it is sent, and after decompression. A client sends 20 MiB at most, but for a
 * single run that is larger. */
#define BODY_MAX_SENT    (64 * 1024 * 1024)
#define BODY_MAX_DECODED (128 * 1024 * 1024)

typedef enum
{
  BODY_DECODED,
  BODY_UNKNOWN_ENCODING, /* 415 */
  BODY_TOO_LARGE,        /* 413 */
  BODY_MALFORMED         /* 400 */
} BodyResult;

/* Decompresses a body. A compressed body without Content-Encoding is recognised by its first bytes.
 * @encoding: (nullable): Content-Encoding
 * @result: (out) (transfer full): if it returns BODY_DECODED */
BodyResult body_decode (const char *encoding, GBytes *body, GBytes **result);

/* A piece of a body. */
typedef struct
{
  char *name;       /* (owned) of a part */
  char *type;       /* (owned) MIME type of a part, without its length */
  const char *data; /* (unowned) in the body */
  gsize len;
} BodyPart;

/* Splits a multipart body.
 * @type: the Content-Type
 * Returns: (transfer full) (nullable) (element-type BodyPart): NULL if the body is malformed or
 *   truncated; a part without a name has the name "" */
GPtrArray *body_split_multipart (const char *type, GBytes *body);

/* Finds the elements of a member of the outermost object, which is an array. It looks for quotes and
 * brackets only, so that one element that is no JSON spoils no other.
 * @found: (out): whether there is such a member
 * Returns: (transfer full) (nullable) (element-type BodyPart): without names; NULL if the text is no
 *   object, or its brackets do not match */
GPtrArray *body_split_array (GBytes *body, const char *member, gboolean *found);

G_END_DECLS
