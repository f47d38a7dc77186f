/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  LSOBS_PROXY_SYSTEM,  /* the proxy of the system's settings */
  LSOBS_PROXY_DIRECT,  /* no proxy */
  LSOBS_PROXY_URL,     /* the proxy that a variable names */
  LSOBS_PROXY_UNUSABLE /* a variable names a proxy whose address is invalid */
} LsobsProxyKind;

/* The proxy on the way to one destination. */
typedef struct
{
  LsobsProxyKind kind;
  char *url;      /* (owned) (nullable) a secret: it may contain a password */
  char *variable; /* (owned) (nullable) the variable that names the proxy */
} LsobsProxy;

void _lsobs_proxy_choose (LsobsProxy *self, const char *api_url);
void _lsobs_proxy_clear (LsobsProxy *self);
char *_lsobs_proxy_dup_problem (const LsobsProxy *self);

G_END_DECLS
