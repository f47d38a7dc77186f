/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The host and the port of a service, for libsoup to connect to. The name of the host is resolved
 * for each connection. The resolver of the system may hang, with a thread and a descriptor, and
 * it cannot be told to end. So observers that leave share their resolutions: in a process, one at a
 * time for each name. Thread-safe. */

GSocketConnectable *_lsobs_service_address_new (const char *url);
void _lsobs_service_address_leave (GSocketConnectable *address);

G_END_DECLS
