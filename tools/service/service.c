/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>
#include <libsoup/soup.h>

#include "tools/service/access.h"
#include "tools/service/body.h"
#include "tools/service/guard.h"
#include "tools/service/instance.h"
#include "tools/service/live-feed.h"
#include "tools/service/page-file.h"
#include "tools/service/routes.h"
#include "tools/service/run-stream.h"
#include "tools/service/service.h"

/* The number of requests that may have a body in memory. More of them are told to come again
 * later. */
#define MAX_PENDING 256

/* A client that goes on sending a body that is too large is cut off after so many bytes more. */
#define MAX_IGNORED (64 * 1024 * 1024)

/* How long the last answers may take at the end, in ms. */
#define MAX_LAST_ANSWERS 2000

#define JSON_TYPE "application/json"
#define ENDING    "The service ends: try again"

struct _Service
{
  SoupServer *server;    /* (owned) */
  Guard *guard;          /* (owned) of its connections */
  Instance *instance;    /* (owned) (nullable) NULL if it is temporary */
  Access *access;        /* (owned) */
  Worker *worker;        /* (owned) */
  LiveFeed *feed;        /* (owned) */
  RunStreams *streams;   /* (owned) */
  GMainContext *context; /* (owned) */
  char *url;             /* (owned) */
  char *database_id;     /* (owned) (nullable) */
  guint n_pending;       /* requests that have no answer yet */
  GHashTable *unsent; /* (owned) (element-type SoupServerMessage): whose answers are on their way */
  gboolean is_ending; /* takes no more requests */
};

/* A request of libsoup that waits for its answer. */
typedef struct
{
  Service *service;           /* (unowned) */
  SoupServerMessage *message; /* (owned) */
  gulong handler;
  gboolean is_gone; /* the client has closed the connection */
} Exchange;

/* --- answers --- */

static void
set_headers (SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  /* A browser never executes the contents of a trace, and does not cache them. It tells the
   * address, which may have the token, to no other page. */
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  soup_message_headers_replace (headers, "Content-Security-Policy",
                                "default-src 'none'; frame-ancestors 'none'; sandbox");
  soup_message_headers_replace (headers, "Cache-Control", "no-store");
  soup_message_headers_replace (headers, "Referrer-Policy", "no-referrer");
  soup_message_headers_replace (headers, "Cross-Origin-Resource-Policy", "same-origin");
}

/* The page may load its own files and nothing else. */
static void
set_page_headers (SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  set_headers (message);
  soup_message_headers_replace (headers, "Content-Security-Policy",
                                "default-src 'none'; script-src 'self'; style-src 'self';"
                                " img-src 'self' data:; connect-src 'self'; font-src 'self';"
                                " media-src 'self'; base-uri 'none'; form-action 'none';"
                                " frame-ancestors 'none'");
  soup_message_headers_replace (headers, "Cross-Origin-Opener-Policy", "same-origin");
  /* A browser looks up the host names of links before a user opens them. For links in a trace, that
   * would tell others that a user looks at the trace. */
  soup_message_headers_replace (headers, "X-DNS-Prefetch-Control", "off");
  /* The browser keeps a file, and asks whether it is still the same. */
  soup_message_headers_replace (headers, "Cache-Control", "private, no-cache");
}

static void
answer_text (SoupServerMessage *message, guint status, const char *text)
{
  g_autoptr (Request) request = g_new0 (Request, 1);

  request_fail (request, status, text);
  set_headers (message);
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, JSON_TYPE, SOUP_MEMORY_COPY, request->answer.data,
                                    request->answer.len);
}

/* A file that a client has sent says itself of which type it is. Only what a browser shows without
 * running it has that type here. */
static gboolean
is_harmless_type (const char *type)
{
  static const char *const harmless[] = { "image/png",  "image/jpeg", "image/gif",  "image/webp",
                                          "image/avif", "audio/mpeg", "audio/wav",  "audio/ogg",
                                          "audio/webm", "video/mp4",  "video/webm", "text/plain",
                                          NULL };

  return type != NULL && g_strv_contains (harmless, type);
}

static void
answer_file (SoupServerMessage *message, Request *request)
{
  gboolean harmless = is_harmless_type (request->answer_type);

  if (!harmless)
    soup_message_headers_replace (soup_server_message_get_response_headers (message),
                                  "Content-Disposition", "attachment");
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Content-Type",
                                harmless ? request->answer_type : "application/octet-stream");
  soup_message_body_append_bytes (soup_server_message_get_response_body (message), request->file);
}

static void
set_answer_headers (SoupServerMessage *message, Request *request)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  soup_message_headers_replace (headers, "Content-Type",
                                request->answer_type != NULL ? request->answer_type : JSON_TYPE);
  if (request->file_name != NULL)
    {
      g_autofree char *value = g_strdup_printf ("attachment; filename=\"%s\"", request->file_name);

      soup_message_headers_replace (headers, "Content-Disposition", value);
    }
}

static void
answer_json (SoupServerMessage *message, Request *request)
{
  g_autoptr (GBytes) body = _lsobs_buffer_steal_bytes (&request->answer);

  set_answer_headers (message, request);
  soup_message_body_append_bytes (soup_server_message_get_response_body (message), body);
}

/* An answer was sent, or its client is gone. */
static void
sent_cb (SoupServerMessage *message, gpointer data)
{
  Service *self = data;

  g_hash_table_remove (self->unsent, message);
}

/* The answer is there: a #RequestDoneFunc. */
static void
done_cb (Request *request, gpointer data)
{
  Exchange *exchange = data;
  SoupServerMessage *message = exchange->message;

  exchange->service->n_pending--;
  if (!exchange->is_gone)
    {
      set_headers (message);
      soup_server_message_set_status (message, request->status, NULL);
      if (request->runs != NULL)
        set_answer_headers (message, request);
      else if (request->file != NULL)
        answer_file (message, request);
      else
        answer_json (message, request);
      if (g_hash_table_add (exchange->service->unsent, g_object_ref (message)))
        g_signal_connect (message, "finished", G_CALLBACK (sent_cb), exchange->service);
      if (request->runs != NULL)
        run_streams_add (exchange->service->streams, message, request->runs);
      else
        soup_server_message_unpause (message);
    }
  g_signal_handler_disconnect (message, exchange->handler);
  g_object_unref (message);
  g_free (exchange);
  request_free (request);
}

static void
gone_cb (SoupServerMessage *message G_GNUC_UNUSED, gpointer data)
{
  Exchange *exchange = data;

  exchange->is_gone = TRUE;
}

/* --- requests --- */

static const char *
get_header (SoupServerMessage *message, const char *name)
{
  return soup_message_headers_get_one (soup_server_message_get_request_headers (message), name);
}

/* Returns: (transfer full): the path below the API, which may be at the root, or below /api/v1 or /api */
static char *
dup_path (const char *path)
{
  static const char *const roots[] = { "/api/v1", "/api" };
  char *result;

  for (guint i = 0; i < G_N_ELEMENTS (roots); i++)
    if (g_str_has_prefix (path, roots[i]) && path[strlen (roots[i])] == '/')
      {
        path += strlen (roots[i]);
        break;
      }
  result = g_strdup (path);
  if (strlen (result) > 1 && g_str_has_suffix (result, "/"))
    result[strlen (result) - 1] = '\0';
  return result;
}

static Request *
new_request (SoupServerMessage *message, const char *path, GHashTable *query)
{
  Request *request = g_new0 (Request, 1);
  SoupMessageBody *body = soup_server_message_get_request_body (message);

  request->path = dup_path (path);
  request->query = query != NULL ? g_hash_table_ref (query) : NULL;
  request->raw_query = g_strdup (g_uri_get_query (soup_server_message_get_uri (message)));
  request->type = g_strdup (get_header (message, "Content-Type"));
  request->encoding = g_strdup (get_header (message, "Content-Encoding"));
  request->languages =
      g_strdup (soup_message_headers_get_list (soup_server_message_get_request_headers (message),
                                               "Accept-Language"));
  request->body = soup_message_body_flatten (body);
  return request;
}

/* The text for a person who opens the address without a browser. */
static void
answer_person (Service *self, SoupServerMessage *message)
{
  g_autofree char *text = g_strdup_printf (
      "lsobs %s receives traces here. Programs send them if these variables are set:\n\n"
      "LANGSMITH_TRACING=true\nLANGSMITH_ENDPOINT=%s\nLANGSMITH_API_KEY=(the token)\n",
      PACKAGE_VERSION, self->url);

  set_headers (message);
  soup_server_message_set_status (message, 200, NULL);
  soup_server_message_set_response (message, "text/plain; charset=utf-8", SOUP_MEMORY_COPY, text,
                                    strlen (text));
}

/* Returns: FALSE if there is no such file */
static gboolean
answer_page_file (SoupServerMessage *message, const char *name)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  const char *known = get_header (message, "If-None-Match");
  g_autoptr (PageFile) file = page_file_load (name);

  if (file == NULL)
    return FALSE;
  set_page_headers (message);
  soup_message_headers_replace (headers, "ETag", file->tag);
  if (known != NULL && strstr (known, file->tag) != NULL)
    {
      soup_server_message_set_status (message, SOUP_STATUS_NOT_MODIFIED, NULL);
      return TRUE;
    }
  soup_server_message_set_status (message, 200, NULL);
  soup_message_headers_replace (headers, "Content-Type", file->type);
  soup_message_body_append_bytes (soup_server_message_get_response_body (message), file->data);
  return TRUE;
}

/* Answers with the page itself, one of its files, or where it is.
 * Returns: FALSE if the request is for none of these */
static gboolean
answer_page (Service *self, SoupServerMessage *message, const char *path, GHashTable *query)
{
  const char *method = soup_server_message_get_method (message);
  const char *accept = get_header (message, "Accept");
  gboolean is_browser = accept != NULL && strstr (accept, "text/html") != NULL;
  g_autofree char *address = NULL;

  if (strcmp (method, "GET") != 0 && strcmp (method, "HEAD") != 0)
    return FALSE;
  if (g_str_has_prefix (path, "/page/"))
    return answer_page_file (message, path + strlen ("/page/"));
  /* At "/", a client that does not ask for HTML gets the address of the page as text. */
  if ((is_browser || strcmp (path, "/") != 0) && page_file_is_address (path))
    return answer_page_file (message, "index.html");
  address =
      page_file_dup_address (path, query != NULL ? g_hash_table_lookup (query, "trace_id") : NULL);
  if (address != NULL)
    {
      set_headers (message);
      soup_server_message_set_redirect (message, SOUP_STATUS_FOUND, address);
      return TRUE;
    }
  if (strcmp (path, "/") != 0 && !g_str_has_prefix (path, "/o/"))
    return FALSE;
  answer_person (self, message);
  return TRUE;
}

/* @query: (nullable) */
static void
answer_live (Service *self, SoupServerMessage *message, GHashTable *query)
{
  /* The browser knows better than the address which event was the last one. */
  const char *last = get_header (message, "Last-Event-ID");
  const char *text = last != NULL    ? last
                     : query != NULL ? g_hash_table_lookup (query, "change")
                                     : NULL;
  gint64 change = -1;

  if (text != NULL)
    g_ascii_string_to_signed (text, 10, 0, G_MAXINT64, &change, NULL);
  set_headers (message);
  if (live_feed_add (self->feed, message, change))
    return;
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Retry-After",
                                "10");
  answer_text (message, 503, "Too many pages are open: close some");
}

static void
request_cb (SoupServer *server G_GNUC_UNUSED,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query,
            gpointer data)
{
  Service *self = data;
  g_autoptr (Request) request = NULL;
  const char *method = soup_server_message_get_method (message);
  gboolean other_method;
  Exchange *exchange;

  /* The head of the request came before the service began to end. */
  if (self->is_ending)
    {
      answer_text (message, 503, ENDING);
      return;
    }
  if (answer_page (self, message, path, query))
    return;
  if (strcmp (method, "GET") == 0 && strcmp (path, "/page-data/live") == 0)
    {
      answer_live (self, message, query);
      return;
    }
  if (self->n_pending >= MAX_PENDING)
    {
      soup_message_headers_replace (soup_server_message_get_response_headers (message),
                                    "Retry-After", "1");
      answer_text (message, 503, "Too many requests wait: try again");
      return;
    }
  request = new_request (message, path, query);
  request->route = routes_find (request, method, &other_method);
  if (request->route == NULL)
    {
      g_autofree char *text = g_strdup_printf ("lsobs does not have %s %s", method, request->path);
      g_autofree char *valid = g_utf8_make_valid (text, -1);

      answer_text (message, other_method ? 405 : 404, valid);
      return;
    }
  exchange = g_new0 (Exchange, 1);
  exchange->service = self;
  exchange->message = g_object_ref (message);
  exchange->handler = g_signal_connect (message, "finished", G_CALLBACK (gone_cb), exchange);
  request->done = done_cb;
  request->done_data = exchange;
  self->n_pending++;
  soup_server_message_pause (message);
  worker_push (self->worker, g_steal_pointer (&request));
}

/* --- before the body is read --- */

/* A client without a token is told how to get it: a program by JSON, a browser by a page with this
 * text alone. */
static void
answer_unknown (SoupServerMessage *message)
{
  const char *accept = get_header (message, "Accept");
  const char *text =
      N_ ("The token is missing or wrong: use the address that “lsobs serve” prints, and "
          "its token as API key");
  g_autofree char *escaped = NULL;
  g_autofree char *page = NULL;

  soup_message_headers_replace (soup_server_message_get_response_headers (message),
                                "WWW-Authenticate", "Bearer realm=\"lsobs\"");
  if (accept == NULL || strstr (accept, "text/html") == NULL)
    {
      answer_text (message, 401, text);
      return;
    }
  escaped = g_markup_escape_text (_ (text), -1);
  page = g_strdup_printf ("<!DOCTYPE html>\n<meta charset=\"utf-8\">\n"
                          "<meta name=\"viewport\" content=\"width=device-width\">\n"
                          "<meta name=\"color-scheme\" content=\"light dark\">\n"
                          "<title>lsobs</title>\n<p>%s</p>\n",
                          escaped);
  set_headers (message);
  soup_server_message_set_status (message, 401, NULL);
  soup_server_message_set_response (message, "text/html; charset=utf-8", SOUP_MEMORY_COPY, page,
                                    strlen (page));
}

/* Has the body read, and dropped. */
static void
ignore_body (SoupServerMessage *message)
{
  soup_message_body_set_accumulate (soup_server_message_get_request_body (message), FALSE);
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Connection",
                                "close");
}

typedef struct
{
  goffset n_bytes;
} BodyCount;

static void
chunk_cb (SoupServerMessage *message, GBytes *chunk, gpointer data)
{
  BodyCount *count = data;
  GSocket *socket;

  count->n_bytes += (goffset) g_bytes_get_size (chunk);
  if (count->n_bytes > BODY_MAX_SENT && soup_server_message_get_status (message) == 0)
    {
      ignore_body (message);
      answer_text (message, 413, "The body is too large");
      /* Drops the part of the body that was read already. */
      soup_message_body_truncate (soup_server_message_get_request_body (message));
    }
  socket = soup_server_message_get_socket (message);
  if (count->n_bytes > BODY_MAX_SENT + MAX_IGNORED && socket != NULL)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
}

static void
free_count_cb (gpointer data, GClosure *closure G_GNUC_UNUSED)
{
  g_free (data);
}

static void
exchange_token (Service *self, SoupServerMessage *message)
{
  GUri *uri = soup_server_message_get_uri (message);
  const char *query = g_uri_get_query (uri);
  g_autofree char *cookie = access_make_cookie (self->access);
  g_autoptr (GString) target = g_string_new (g_uri_get_path (uri));
  g_auto (GStrv) parameters = g_strsplit (query != NULL ? query : "", "&", -1);
  char mark = '?';

  /* Two slashes at the beginning would be another host. */
  while (g_str_has_prefix (target->str, "//"))
    g_string_erase (target, 0, 1);
  for (char **parameter = parameters; *parameter != NULL; parameter++)
    if (!g_str_has_prefix (*parameter, "token=") && **parameter != '\0')
      {
        g_string_append_printf (target, "%c%s", mark, *parameter);
        mark = '&';
      }
  set_headers (message);
  soup_message_headers_append (soup_server_message_get_response_headers (message), "Set-Cookie",
                               cookie);
  soup_server_message_set_redirect (message, SOUP_STATUS_SEE_OTHER, target->str);
}

/* Returns: (nullable): what the header Host says, if that is one host, and the one in the address, which a
 * request for a proxy has, is the same. If there are two headers, the list is no name. */
static const char *
get_host (SoupServerMessage *message)
{
  const char *host =
      soup_message_headers_get_list (soup_server_message_get_request_headers (message), "Host");
  const char *name = g_uri_get_host (soup_server_message_get_uri (message));
  const char *at = host != NULL && *host == '[' ? host + 1 : host;

  return at != NULL && name != NULL && g_ascii_strncasecmp (at, name, strlen (name)) == 0 ? host
                                                                                          : NULL;
}

/* A client without access is answered before the body is read. */
static void
early_cb (SoupServer *server G_GNUC_UNUSED,
          SoupServerMessage *message,
          const char *path G_GNUC_UNUSED,
          GHashTable *query,
          gpointer data)
{
  Service *self = data;
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  const AccessRequest request = {
    .method = soup_server_message_get_method (message),
    .host = get_host (message),
    /* If there are two, the list is no page of this service. */
    .origin = soup_message_headers_get_list (headers, "Origin"),
    .site = soup_message_headers_get_list (headers, "Sec-Fetch-Site"),
    .api_key = get_header (message, "x-api-key"),
    .authorization = get_header (message, "Authorization"),
    .cookie = soup_message_headers_get_list (headers, "Cookie"),
    .token = query != NULL ? g_hash_table_lookup (query, "token") : NULL,
  };

  if (self->database_id != NULL)
    soup_message_headers_replace (soup_server_message_get_response_headers (message),
                                  SERVICE_DATABASE_HEADER, self->database_id);
  if (self->is_ending)
    {
      ignore_body (message);
      answer_text (message, 503, ENDING);
      return;
    }
  switch (access_check (self->access, &request))
    {
    case ACCESS_ALLOWED:
      guard_trust (self->guard, message);
      if (soup_message_headers_get_content_length (headers) > BODY_MAX_SENT)
        {
          ignore_body (message);
          answer_text (message, 413, "The body is too large");
        }
      g_signal_connect_data (message, "got-chunk", G_CALLBACK (chunk_cb), g_new0 (BodyCount, 1),
                             free_count_cb, 0);
      return;
    case ACCESS_EXCHANGE:
      ignore_body (message);
      exchange_token (self, message);
      return;
    case ACCESS_UNKNOWN:
      ignore_body (message);
      answer_unknown (message);
      break;
    case ACCESS_FOREIGN:
    default:
      ignore_body (message);
      answer_text (message, 403, "The request comes from another page, or for another host");
      break;
    }
  g_signal_connect_data (message, "got-chunk", G_CALLBACK (chunk_cb), g_new0 (BodyCount, 1),
                         free_count_cb, 0);
}

/* --- life --- */

static gboolean
listen_at (Service *self, const ServiceSettings *settings, GError **error)
{
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string (settings->address != NULL ? settings->address
                                                                       : "127.0.0.1",
                                             settings->port);
  g_autoptr (GError) problem = NULL;

  if (address == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   /* TRANSLATORS: %s: what the user has given as an address */
                   _ ("“%s” is not an IP address"), settings->address);
      return FALSE;
    }
  if (soup_server_listen (self->server, address, 0, &problem))
    return TRUE;
  if (g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE))
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE,
        /* TRANSLATORS: %u: a number of a port */
        _ ("Port %u is in use by another program: choose another --port, or --port=0 for any"),
        settings->port);
  else
    g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* Sets the address, without a slash at its end, and the port. */
static guint
set_url (Service *self)
{
  GSList *uris = soup_server_get_uris (self->server);
  GUri *uri = uris->data;
  const char *host = g_uri_get_host (uri);
  guint port = (guint) g_uri_get_port (uri);

  self->url = strchr (host, ':') != NULL ? g_strdup_printf ("http://[%s]:%u", host, port)
                                         : g_strdup_printf ("http://%s:%u", host, port);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return port;
}

/* Returns: (transfer full): the names that clients may use: those that are given, and the address */
static char **
dup_names (const ServiceSettings *settings)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; settings->names != NULL && settings->names[i] != NULL; i++)
    g_ptr_array_add (names, g_ascii_strdown (settings->names[i], -1));
  if (settings->address != NULL)
    g_ptr_array_add (names, strchr (settings->address, ':') != NULL
                                ? g_strdup_printf ("[%s]", settings->address)
                                : g_strdup (settings->address));
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

Service *
service_new (const ServiceSettings *settings, GError **error)
{
  g_autoptr (Service) self = g_new0 (Service, 1);
  g_auto (GStrv) names = dup_names (settings);

  self->context = g_main_context_ref_thread_default ();
  self->unsent = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
  if (!settings->is_temporary)
    {
      self->instance = instance_new (settings->database, error);
      if (self->instance == NULL)
        return NULL;
    }
  self->worker = worker_new (settings->database, &settings->limits, settings->own_changes, error);
  if (self->worker == NULL)
    return NULL;
  self->database_id = database_dup_file_id (settings->database);
  self->feed = live_feed_new (self->worker);
  self->streams = run_streams_new (self->worker);
  self->server = soup_server_new ("raw-paths", TRUE, "server-header", "lsobs", NULL);
  self->guard = guard_new (self->server);
  soup_server_add_early_handler (self->server, NULL, early_cb, self, NULL);
  soup_server_add_handler (self->server, NULL, request_cb, self, NULL);
  if (!listen_at (self, settings, error))
    return NULL;
  self->access = access_new (settings->token, set_url (self), (const char *const *) names);
  if (self->instance != NULL)
    instance_set_url (self->instance, self->url);
  return g_steal_pointer (&self);
}

static gboolean
end_wait_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Answers what is under way. A client that does not read its answer is not waited for. */
static void
finish_requests (Service *self)
{
  g_autoptr (GSource) timeout = g_timeout_source_new (MAX_LAST_ANSWERS);
  GHashTableIter iter;
  gpointer message;
  gboolean is_over = FALSE;

  self->is_ending = TRUE;
  while (self->n_pending > 0)
    g_main_context_iteration (self->context, TRUE);
  g_source_set_callback (timeout, end_wait_cb, &is_over, NULL);
  g_source_attach (timeout, self->context);
  while (g_hash_table_size (self->unsent) > 0 && !is_over)
    g_main_context_iteration (self->context, TRUE);
  g_source_destroy (timeout);
  g_hash_table_iter_init (&iter, self->unsent);
  while (g_hash_table_iter_next (&iter, &message, NULL))
    g_signal_handlers_disconnect_by_data (message, self);
}

void
service_free (Service *self)
{
  finish_requests (self);
  if (self->server != NULL)
    soup_server_disconnect (self->server);
  g_clear_pointer (&self->feed, live_feed_free);
  g_clear_pointer (&self->streams, run_streams_free);
  g_clear_pointer (&self->worker, worker_free);
  g_clear_object (&self->server);
  g_clear_pointer (&self->guard, guard_free);
  g_clear_pointer (&self->instance, instance_free);
  g_clear_pointer (&self->access, access_free);
  g_main_context_unref (self->context);
  g_hash_table_unref (self->unsent);
  g_free (self->database_id);
  g_free (self->url);
  g_free (self);
}

const char *
service_get_url (Service *self)
{
  return self->url;
}
