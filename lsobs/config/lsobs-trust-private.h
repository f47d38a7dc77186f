/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Where the certificates are of the authorities that may vouch for the service, instead of those
 * that the system trusts. Immutable. */
typedef struct _LsobsTrust LsobsTrust;

LsobsTrust *_lsobs_trust_new (const char *ca_file);
void _lsobs_trust_unref (LsobsTrust *self);

/* Limits the threads that read certificates for one service to one. */
typedef struct _LsobsTrustLoader LsobsTrustLoader;

LsobsTrustLoader *_lsobs_trust_loader_new (void);
void _lsobs_trust_loader_unref (LsobsTrustLoader *self);

void _lsobs_trust_load_async (LsobsTrust *self,
                              LsobsTrustLoader *loader,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data);
GTlsDatabase *_lsobs_trust_load_finish (GAsyncResult *result, GError **error);

const char *_lsobs_trust_explain (GTlsCertificateFlags problems);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsTrust, _lsobs_trust_unref)

G_END_DECLS
