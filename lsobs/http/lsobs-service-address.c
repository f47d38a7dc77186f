/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>

#include "lsobs/core/lsobs-descriptors-private.h"
#include "lsobs/core/lsobs-error-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/http/lsobs-service-address-private.h"

/* How long the addresses of a host are used by observers that leave, in µs. */
#define ADDRESSES_LIFETIME (60 * G_USEC_PER_SEC)

/* --- resolutions that are shared --- */

/* An enumerator that waits for a resolution. */
typedef struct
{
  GTask *task;     /* (owned) returns a list of addresses */
  GSource *source; /* (owned) (nullable) ends the wait when the task is cancelled */
} ResolutionEntry;

/* _lsobs_fork_lock() guards all members that are not constant, so that a forked child finds them
 * unlocked. */
typedef struct
{
  char *host;        /* (owned) constant */
  gboolean running;  /* a thread resolves the name */
  GList *addresses;  /* (element-type GInetAddress) (owned): of the last one */
  gint64 expires_at; /* monotonic, µs: of the addresses */
  GQueue waiting;    /* (element-type ResolutionEntry) (owned) */
} HostEntry;

static guint hosts_epoch; /* the process that the rest belongs to */
static GHashTable *hosts; /* (element-type utf8 HostEntry) (owned): by name; none is removed */

static void
free_addresses (gpointer addresses)
{
  g_resolver_free_addresses (addresses);
}

static GList *
copy_addresses (GList *addresses)
{
  return g_list_copy_deep (addresses, (GCopyFunc) (gpointer) g_object_ref, NULL);
}

/* Ends @wait, which is freed.
 * @addresses: (nullable): %NULL: @error says why */
static void
end_wait (ResolutionEntry *wait, GList *addresses, const GError *error)
{
  if (wait->source != NULL)
    {
      g_source_destroy (wait->source);
      g_source_unref (wait->source);
    }
  if (addresses != NULL)
    g_task_return_pointer (wait->task, copy_addresses (addresses), free_addresses);
  else
    g_task_return_error (wait->task, g_error_copy (error));
  g_object_unref (wait->task);
  g_free (wait);
}

/* The threads of the parent process do not run in a child. The callers that wait are in the
 * parent. */
static void
leave_parent_unlocked (void)
{
  GHashTableIter iter;
  gpointer value;

  if (hosts_epoch == _lsobs_fork_epoch ())
    return;
  hosts_epoch = _lsobs_fork_epoch ();
  g_hash_table_iter_init (&iter, hosts);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      HostEntry *entry = value;

      entry->running = FALSE;
      g_queue_init (&entry->waiting);
    }
}

/* Returns: (transfer none): the entry of @host, which is made with the first call */
static HostEntry *
get_host_unlocked (const char *host)
{
  HostEntry *entry;

  if (hosts == NULL)
    hosts = g_hash_table_new (g_str_hash, g_str_equal);
  leave_parent_unlocked ();
  entry = g_hash_table_lookup (hosts, host);
  if (entry == NULL)
    {
      entry = g_new0 (HostEntry, 1);
      entry->host = g_strdup (host);
      g_queue_init (&entry->waiting);
      g_hash_table_insert (hosts, entry->host, entry);
    }
  return entry;
}

/* Gives the answer of the resolver to all that wait for it.
 * @addresses: (transfer full) (nullable): %NULL: @error says why */
static void
end_resolution (HostEntry *entry, GList *addresses, const GError *error)
{
  g_autolist (GInetAddress) old = NULL;
  GQueue waiting = G_QUEUE_INIT;
  ResolutionEntry *wait;

  _lsobs_fork_lock ();
  entry->running = FALSE;
  if (addresses != NULL)
    {
      old = entry->addresses;
      entry->addresses = copy_addresses (addresses);
      entry->expires_at = g_get_monotonic_time () + ADDRESSES_LIFETIME;
    }
  waiting = entry->waiting;
  g_queue_init (&entry->waiting);
  _lsobs_fork_unlock ();
  while ((wait = g_queue_pop_head (&waiting)) != NULL)
    end_wait (wait, addresses, error);
  free_addresses (addresses);
}

/* A look-up in the thread of resolve_main(). */
typedef struct
{
  gboolean ended;
  GList *addresses; /* (element-type GInetAddress) (owned) (nullable) */
  GError *error;    /* (owned) (nullable) */
} ResolverResult;

static void
resolved_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  ResolverResult *self = user_data;

  g_assert (g_main_context_is_owner (g_main_context_get_thread_default ()));
  self->addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (object), result, &self->error);
  self->ended = TRUE;
}

/* While it waits, the thread polls its context, and a fork can happen only there. So no fork
 * happens while a function of GIO holds a lock in this thread. */
static gpointer
resolve_main (gpointer user_data)
{
  HostEntry *entry = user_data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GResolver) resolver = NULL;
  ResolverResult result = { 0 };
  LsobsForkGuard guard;

  _lsobs_fork_guard_enter_thread (&guard, context);
  g_main_context_push_thread_default (context);
  resolver = g_resolver_get_default ();
  g_resolver_lookup_by_name_async (resolver, entry->host, NULL, resolved_cb, &result);
  while (!result.ended)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  end_resolution (entry, result.addresses, result.error);
  g_clear_error (&result.error);
  g_clear_pointer (&context, g_main_context_unref);
  _lsobs_fork_guard_leave_thread (&guard);
  return NULL;
}

/* Returns: FALSE if no thread can be started */
static gboolean
start_resolution (HostEntry *entry, GError **error)
{
  GThread *thread;

  if (!_lsobs_descriptors_are_spare ())
    {
      _lsobs_error_set_no_descriptors (error);
      return FALSE;
    }
  thread = _lsobs_fork_guard_start_thread ("lsobs-resolve", resolve_main, entry, error);
  if (thread == NULL)
    return FALSE;
  g_thread_unref (thread);
  return TRUE;
}

/* No connection to any of the addresses succeeded. */
static void
forget_addresses (const char *host)
{
  _lsobs_fork_lock ();
  get_host_unlocked (host)->expires_at = 0;
  _lsobs_fork_unlock ();
}

/* Called in the context of the task. */
static gboolean
wait_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  GTask *task = user_data;
  HostEntry *entry = g_task_get_task_data (task);
  ResolutionEntry *wait = NULL;

  g_assert (g_main_context_is_owner (g_task_get_context (task)));
  _lsobs_fork_lock ();
  for (GList *l = entry->waiting.head; l != NULL && wait == NULL; l = l->next)
    if (((ResolutionEntry *) l->data)->task == task)
      {
        wait = l->data;
        g_queue_delete_link (&entry->waiting, l);
      }
  _lsobs_fork_unlock ();
  if (wait != NULL)
    {
      g_autoptr (GError) error = NULL;

      g_cancellable_set_error_if_cancelled (cancellable, &error);
      end_wait (wait, NULL, error);
    }
  return G_SOURCE_REMOVE;
}

/* Has @task return the addresses of @host, when they are known. */
static void
resolve_shared (const char *host, GTask *task)
{
  g_autolist (GInetAddress) known = NULL;
  g_autoptr (GError) error = NULL;
  GCancellable *cancellable = g_task_get_cancellable (task);
  ResolutionEntry *wait = g_new0 (ResolutionEntry, 1);
  HostEntry *entry;
  gboolean waits = FALSE;
  gboolean starts = FALSE;

  wait->task = g_object_ref (task);
  _lsobs_fork_lock ();
  entry = get_host_unlocked (host);
  g_task_set_task_data (task, entry, NULL);
  if (entry->addresses != NULL && g_get_monotonic_time () < entry->expires_at)
    {
      known = copy_addresses (entry->addresses);
    }
  else
    {
      if (cancellable != NULL)
        {
          wait->source = g_cancellable_source_new (cancellable);
          g_task_attach_source (task, wait->source, G_SOURCE_FUNC (wait_cancelled_cb));
        }
      g_queue_push_tail (&entry->waiting, wait);
      waits = TRUE;
      starts = !entry->running;
      entry->running = TRUE;
    }
  _lsobs_fork_unlock ();

  if (!waits)
    end_wait (wait, known, NULL);
  if (starts && !start_resolution (entry, &error))
    end_resolution (entry, NULL, error);
}

/* --- the addresses of a host, one after the other --- */

#define LSOBS_TYPE_SERVICE_ADDRESS_ENUMERATOR (lsobs_service_address_enumerator_get_type ())
G_DECLARE_FINAL_TYPE (LsobsServiceAddressEnumerator,
                      lsobs_service_address_enumerator,
                      LSOBS,
                      SERVICE_ADDRESS_ENUMERATOR,
                      GSocketAddressEnumerator)

struct _LsobsServiceAddressEnumerator
{
  GSocketAddressEnumerator parent_instance;

  char *host; /* (owned) constant */
  guint16 port;
  gboolean resolved;
  GList *left; /* (element-type GInetAddress) (owned): not returned yet */
};

G_DEFINE_FINAL_TYPE (LsobsServiceAddressEnumerator,
                     lsobs_service_address_enumerator,
                     G_TYPE_SOCKET_ADDRESS_ENUMERATOR)

static void
lsobs_service_address_enumerator_next_async (GSocketAddressEnumerator *enumerator,
                                             GCancellable *cancellable,
                                             GAsyncReadyCallback callback,
                                             gpointer user_data)
{
  LsobsServiceAddressEnumerator *self = LSOBS_SERVICE_ADDRESS_ENUMERATOR (enumerator);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, lsobs_service_address_enumerator_next_async);
  if (self->resolved)
    g_task_return_pointer (task, NULL, NULL);
  else
    resolve_shared (self->host, task);
}

static GSocketAddress *
lsobs_service_address_enumerator_next_finish (GSocketAddressEnumerator *enumerator,
                                              GAsyncResult *result,
                                              GError **error)
{
  LsobsServiceAddressEnumerator *self = LSOBS_SERVICE_ADDRESS_ENUMERATOR (enumerator);
  g_autoptr (GInetAddress) address = NULL;
  g_autoptr (GError) problem = NULL;
  GList *addresses = g_task_propagate_pointer (G_TASK (result), &problem);

  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  self->resolved = TRUE;
  self->left = g_list_concat (self->left, addresses);
  if (self->left == NULL)
    {
      forget_addresses (self->host);
      return NULL;
    }
  address = self->left->data;
  self->left = g_list_delete_link (self->left, self->left);
  return g_inet_socket_address_new (address, self->port);
}

static void
lsobs_service_address_enumerator_finalize (GObject *object)
{
  LsobsServiceAddressEnumerator *self = LSOBS_SERVICE_ADDRESS_ENUMERATOR (object);

  free_addresses (self->left);
  g_free (self->host);
  G_OBJECT_CLASS (lsobs_service_address_enumerator_parent_class)->finalize (object);
}

/* libsoup calls the asynchronous functions alone, as nothing in lsobs sends synchronously. */
static void
lsobs_service_address_enumerator_class_init (LsobsServiceAddressEnumeratorClass *klass)
{
  GSocketAddressEnumeratorClass *enumerator_class = G_SOCKET_ADDRESS_ENUMERATOR_CLASS (klass);

  enumerator_class->next_async = lsobs_service_address_enumerator_next_async;
  enumerator_class->next_finish = lsobs_service_address_enumerator_next_finish;
  G_OBJECT_CLASS (klass)->finalize = lsobs_service_address_enumerator_finalize;
}

static void
lsobs_service_address_enumerator_init (LsobsServiceAddressEnumerator *self G_GNUC_UNUSED)
{
}

/* --- the address --- */

#define LSOBS_TYPE_SERVICE_ADDRESS (lsobs_service_address_get_type ())
G_DECLARE_FINAL_TYPE (LsobsServiceAddress,
                      lsobs_service_address,
                      LSOBS,
                      SERVICE_ADDRESS,
                      GNetworkAddress)

struct _LsobsServiceAddress
{
  GNetworkAddress parent_instance;

  gboolean is_leaving; /* (atomic) */
};

static void lsobs_service_address_connectable_init (GSocketConnectableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsServiceAddress,
                               lsobs_service_address,
                               G_TYPE_NETWORK_ADDRESS,
                               G_IMPLEMENT_INTERFACE (G_TYPE_SOCKET_CONNECTABLE,
                                                      lsobs_service_address_connectable_init))

/* A GNetworkAddress keeps the first addresses that it has resolved, so each enumeration makes a new
 * GNetworkAddress. */
static GSocketAddressEnumerator *
lsobs_service_address_enumerate (GSocketConnectable *connectable)
{
  LsobsServiceAddress *self = LSOBS_SERVICE_ADDRESS (connectable);
  GNetworkAddress *address = G_NETWORK_ADDRESS (connectable);
  const char *host = g_network_address_get_hostname (address);
  guint16 port = g_network_address_get_port (address);
  LsobsServiceAddressEnumerator *enumerator;

  if (!g_atomic_int_get (&self->is_leaving) || g_hostname_is_ip_address (host))
    {
      g_autoptr (GSocketConnectable) fresh = g_network_address_new (host, port);

      return g_socket_connectable_enumerate (fresh);
    }
  enumerator = g_object_new (LSOBS_TYPE_SERVICE_ADDRESS_ENUMERATOR, NULL);
  enumerator->host = g_strdup (host);
  enumerator->port = port;
  return G_SOCKET_ADDRESS_ENUMERATOR (enumerator);
}

static void
lsobs_service_address_connectable_init (GSocketConnectableIface *iface)
{
  iface->enumerate = lsobs_service_address_enumerate;
}

static void
lsobs_service_address_class_init (LsobsServiceAddressClass *klass G_GNUC_UNUSED)
{
}

static void
lsobs_service_address_init (LsobsServiceAddress *self G_GNUC_UNUSED)
{
}

/* @url: of the service
 * Returns: (transfer full) */
GSocketConnectable *
_lsobs_service_address_new (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);

  return g_object_new (LSOBS_TYPE_SERVICE_ADDRESS, "hostname", g_uri_get_host (uri), "port",
                       (guint) g_uri_get_port (uri), "scheme", g_uri_get_scheme (uri), NULL);
}

/* The observer leaves: from now on, resolutions are shared. */
void
_lsobs_service_address_leave (GSocketConnectable *address)
{
  g_atomic_int_set (&LSOBS_SERVICE_ADDRESS (address)->is_leaving, TRUE);
}
