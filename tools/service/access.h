/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Decides which requests may use the service: those with the token, for a name of the service, and
 * from no page but its own. Only the rules are here; HTTP is elsewhere.
 *
 * A request has the token as x-api-key, as bearer of Authorization, or as the cookie that the page
 * got for ?token= in its address. Any page of the web can make a browser send requests to this
 * service. Such a request has a foreign Host, if the name of that page was made to point to this
 * machine, or a foreign Origin, or Sec-Fetch-Site says that it comes from another site. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _Access Access;

/* The headers of a request that matter here, and the token of its address; each is (nullable). */
typedef struct
{
  const char *method;
  const char *host;
  const char *origin;
  const char *site; /* Sec-Fetch-Site */
  const char *api_key;
  const char *authorization;
  const char *cookie;
  const char *token;
} AccessRequest;

typedef enum
{
  ACCESS_ALLOWED,
  ACCESS_EXCHANGE, /* the token of the address is right: send the cookie, and the same address without it */
  ACCESS_UNKNOWN, /* 401: no token, or a wrong one */
  ACCESS_FOREIGN  /* 403: another name, or another page */
} AccessResult;

/* @port: for the name of the cookie, as cookies are the same for all ports
 * @names: (nullable): names of this host other than those of loopback */
Access *access_new (const char *token, guint port, const char *const *names);
void access_free (Access *self);
AccessResult access_check (Access *self, const AccessRequest *request);
/* Returns: (transfer full): the value of Set-Cookie */
char *access_make_cookie (Access *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Access, access_free)

G_END_DECLS
