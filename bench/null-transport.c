/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "bench/null-transport.h"

struct _BenchNullTransport
{
  GObject parent_instance;
};

static void
bench_null_transport_send_async (LsobsTransport *transport,
                                 LsobsBatch *batch G_GNUC_UNUSED,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (transport, cancellable, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

static gboolean
bench_null_transport_send_finish (LsobsTransport *transport G_GNUC_UNUSED,
                                  GAsyncResult *result,
                                  GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
bench_null_transport_iface_init (LsobsTransportInterface *iface)
{
  iface->send_async = bench_null_transport_send_async;
  iface->send_finish = bench_null_transport_send_finish;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (BenchNullTransport,
                               bench_null_transport,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_TRANSPORT,
                                                      bench_null_transport_iface_init))

static void
bench_null_transport_class_init (BenchNullTransportClass *klass G_GNUC_UNUSED)
{
}

static void
bench_null_transport_init (BenchNullTransport *self G_GNUC_UNUSED)
{
}

/* Returns: (transfer full) */
LsobsTransport *
bench_null_transport_new (void)
{
  return g_object_new (BENCH_TYPE_NULL_TRANSPORT, NULL);
}
