/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A proxy on 127.0.0.1 with threads of its own, for HTTP and SOCKS 5. Wherever somebody wants to go,
 * it leads to one port of this machine. */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _TestProxy TestProxy;

TestProxy *test_proxy_new (guint16 target_port);
void test_proxy_free (TestProxy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestProxy, test_proxy_free)

guint16 test_proxy_get_port (TestProxy *self);
/* @authorization: what the header Proxy-Authorization must be */
void test_proxy_demand (TestProxy *self, const char *authorization);
/* @status: of HTTP, with which it answers whatever is asked */
void test_proxy_refuse (TestProxy *self, guint status);
/* how many connections it has led on */
guint test_proxy_count (TestProxy *self);
/* whether it was asked for something that begins so, such as "CONNECT host:443 " or "SOCKS host:443" */
gboolean test_proxy_was_asked (TestProxy *self, const char *prefix);

G_END_DECLS
