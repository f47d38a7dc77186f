/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/api/lsobs-headers-private.h"
#include "lsobs/lsobs-soup.h"

/**
 * SECTION:lsobs-soup
 * @title: With libsoup
 * @short_description: traces that span several services, with libsoup
 *
 * A client adds the headers of a run to its #SoupMessage, and a server starts a run below it. See
 * [Across processes][lsobs-Across-processes] for what the headers contain.
 */

/* The key of the object data that holds the URI which the program gave the message. */
#define ORIGIN_KEY "lsobs-origin"

/* @value: (nullable): %NULL removes the header */
static void
set_header (SoupMessageHeaders *headers, const char *name, const char *value)
{
  if (value != NULL)
    soup_message_headers_replace (headers, name, value);
  else
    soup_message_headers_remove (headers, name);
}

/* Returns: (transfer full) (nullable): the items of the header that are not LangSmith's */
static char *
dup_other_baggage (SoupMessageHeaders *headers)
{
  const char *baggage = soup_message_headers_get_list (headers, LSOBS_BAGGAGE_HEADER);

  return baggage != NULL ? _lsobs_baggage_dup_other (baggage) : NULL;
}

/* Whether both are on one host and port. An upgrade from http to https keeps the host. */
static gboolean
is_same_host (GUri *a, GUri *b)
{
  int port_a = g_uri_get_port (a);
  int port_b = g_uri_get_port (b);

  return g_strcmp0 (g_uri_get_host (a), g_uri_get_host (b)) == 0 &&
         (port_a == port_b || ((port_a == -1 || port_a == 80) && (port_b == -1 || port_b == 443)));
}

/* Called in the context of the session, before a redirected request is sent. Another host gets no
 * headers of the trace: the program did not choose it. */
static void
restarted_cb (SoupMessage *message, gpointer user_data)
{
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  g_autofree char *other = NULL;

  if (is_same_host (g_object_get_data (G_OBJECT (message), ORIGIN_KEY),
                    soup_message_get_uri (message)))
    return;
  other = dup_other_baggage (headers);
  set_header (headers, LSOBS_TRACE_HEADER, NULL);
  set_header (headers, LSOBS_BAGGAGE_HEADER, other);
}

/* Keeps the URI of the message, for restarted_cb() to compare. */
static void
guard_redirects (SoupMessage *message)
{
  if (g_object_get_data (G_OBJECT (message), ORIGIN_KEY) == NULL)
    g_signal_connect (message, "restarted", G_CALLBACK (restarted_cb), NULL);
  g_object_set_data_full (G_OBJECT (message), ORIGIN_KEY,
                          g_uri_ref (soup_message_get_uri (message)), (GDestroyNotify) g_uri_unref);
}

/**
 * lsobs_run_add_to_message:
 * @self: a run, which may have ended
 * @message: a request that is not sent yet
 *
 * Adds the headers of lsobs_run_to_headers() to a request, so that the service can start runs below
 * @self. They replace the headers of another run, and all items of the header `baggage` whose key
 * begins with `langsmith-`, even those of other clients. The other items of that header stay, in
 * their order. If the header would be longer than 8192 bytes, fewer metadata and tags are added.
 *
 * A redirect to another host removes the headers.
 *
 * Can be called in any thread that may use @message.
 *
 * Since: 0.1
 */
void
lsobs_run_add_to_message (LsobsRun *self, SoupMessage *message)
{
  SoupMessageHeaders *headers;
  g_autofree char *other = NULL;
  g_autofree char *trace = NULL;
  g_autofree char *baggage = NULL;
  g_autofree char *joined = NULL;
  gsize room = LSOBS_MAX_BAGGAGE_BYTES;

  g_return_if_fail (self != NULL);
  g_return_if_fail (SOUP_IS_MESSAGE (message));

  headers = soup_message_get_request_headers (message);
  other = dup_other_baggage (headers);
  if (other != NULL)
    room = MIN (room, LSOBS_MAX_HEADER_BYTES - MIN (strlen (other) + 1, LSOBS_MAX_HEADER_BYTES));
  _lsobs_run_write_headers (self, room, &trace, &baggage);
  if (other != NULL && baggage != NULL)
    joined = g_strconcat (other, ",", baggage, NULL);
  set_header (headers, LSOBS_TRACE_HEADER, trace);
  set_header (headers, LSOBS_BAGGAGE_HEADER,
              joined != NULL    ? joined
              : baggage != NULL ? baggage
                                : other);
  guard_redirects (message);
}

/**
 * lsobs_observer_start_run_from_message_headers:
 * @self: an observer
 * @headers: the headers of an incoming request, such as those of
 *   soup_server_message_get_request_headers()
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run for a request of another process, as lsobs_observer_start_run_from_headers() does.
 *
 * Returns: (transfer full): a new run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_run_from_message_headers (LsobsObserver *self,
                                               SoupMessageHeaders *headers,
                                               const char *name,
                                               LsobsRunType run_type,
                                               JsonNode *inputs)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (lsobs_observer_get_exporter (self) != NULL, NULL);
  g_return_val_if_fail (headers != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_observer_start_run_from_values (
      self, soup_message_headers_get_one (headers, LSOBS_TRACE_HEADER),
      soup_message_headers_get_list (headers, LSOBS_BAGGAGE_HEADER), name, run_type, inputs);
}
