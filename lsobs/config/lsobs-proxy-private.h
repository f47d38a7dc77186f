/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  LSOBS_PROXY_SYSTEM,  /* whatever the system says */
  LSOBS_PROXY_DIRECT,  /* there is none */
  LSOBS_PROXY_URL,     /* the one that is named */
  LSOBS_PROXY_UNUSABLE /* one is named, but its address is invalid */
} LsobsProxyKind;

/* Which proxy leads to one service. */
typedef struct
{
  LsobsProxyKind kind;
  char *url;      /* (owned) (nullable) may hold a password */
  char *variable; /* (owned) (nullable) of the environment, that names it */
} LsobsProxy;

void _lsobs_proxy_choose (LsobsProxy *self, const char *api_url);
void _lsobs_proxy_clear (LsobsProxy *self);
char *_lsobs_proxy_dup_problem (const LsobsProxy *self);

char *_lsobs_proxy_parse (const char *value);
gboolean _lsobs_proxy_is_exempt (const char *list, const char *host, int port);

G_END_DECLS
