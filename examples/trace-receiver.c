/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A LangSmith on one's own desk: receives traces on 127.0.0.1 and prints them.
 *
 *   trace-receiver -- react-agent --question "What is 6 * 7?"
 *
 * runs the program with LANGSMITH_TRACING_V2, LANGSMITH_ENDPOINT, LANGSMITH_API_KEY and
 * LANGSMITH_PROJECT in its environment and prints what has come when it ends. It exits with the code
 * of the program, or with 1 if that is 0 but a run has not ended or a request was malformed. Without
 * a program it serves until Ctrl-C and prints each trace when it is complete.
 */

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>
#include <libsoup/soup.h>

#include "tests/lib/wire.h"
#include "trace-printer.h"

#define API_KEY "a-key-for-the-local-receiver"
#define PROJECT "trace-receiver"

#define EXIT_USAGE      2
#define EXIT_CANNOT_RUN 127

/* No request is larger than 20 MiB by the limits below; a compressed one may pretend to be. */
#define MAX_BODY_BYTES (100 * 1024 * 1024)

#define INFO \
 "{\"version\":\"0.12.1\"," \
 "\"instance_flags\":{\"zstd_compression_enabled\":false,\"gzip_body_enabled\":true}," \
 "\"batch_ingest_config\":{\"use_multipart_endpoint\":true,\"size_limit\":100,\"size_limit_bytes\":20971520}}"

typedef struct
{
  GMainLoop *loop;    /* (owned) */
  SoupServer *server; /* (owned) */
  char *url;          /* (owned) */
  WireTree *tree;     /* (owned) everything that came */
  WireFlags wire_flags;
  TracePrinter *printer; /* (owned) */
  GHashTable *printed;   /* (owned) (element-type utf8) ids of roots */
  guint n_requests;
  guint n_malformed;

  GSubprocess *child; /* (owned) (nullable) */
  int exit_code;
} Receiver;

/* --- requests ------------------------------------------------------------------------------ */

/* (nullable) (transfer full): the body as it was before compression */
static GBytes *
dup_body (SoupServerMessage *message, GError **error)
{
  g_autoptr (GBytes) raw =
      soup_message_body_flatten (soup_server_message_get_request_body (message));
  const char *encoding =
      soup_message_headers_get_one (soup_server_message_get_request_headers (message),
                                    "Content-Encoding");
  g_autoptr (GInputStream) compressed = NULL;
  g_autoptr (GZlibDecompressor) decompressor = NULL;
  g_autoptr (GInputStream) plain = NULL;
  g_autoptr (GByteArray) body = g_byte_array_new ();
  guint8 chunk[16384];
  gssize n_read = 0;

  if (encoding == NULL)
    return g_steal_pointer (&raw);
  if (g_ascii_strcasecmp (encoding, "gzip") != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   "Content-Encoding %s was not offered", encoding);
      return NULL;
    }

  compressed = g_memory_input_stream_new_from_bytes (raw);
  decompressor = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP);
  plain = g_converter_input_stream_new (compressed, G_CONVERTER (decompressor));
  while ((n_read = g_input_stream_read (plain, chunk, sizeof chunk, NULL, error)) > 0)
    {
      g_byte_array_append (body, chunk, (guint) n_read);
      if (body->len > MAX_BODY_BYTES)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                               "the body is too large");
          return NULL;
        }
    }

  return n_read == 0 ? g_byte_array_free_to_bytes (g_steal_pointer (&body)) : NULL;
}

/* @error: what is wrong with the request */
static void
complain (Receiver *self, SoupServerMessage *message, const char *path, const GError *error)
{
  g_autofree char *text = NULL;

  g_assert (error != NULL);
  text = trace_printer_clean (error->message);
  self->n_malformed++;
  g_printerr ("malformed: %s %s: %s\n", soup_server_message_get_method (message), path, text);
}

/* Returns the status to answer with. What can be read at all is shown, even if it breaks a rule. */
static guint
take_request (Receiver *self, SoupServerMessage *message, const char *path)
{
  const char *content_type =
      soup_message_headers_get_one (soup_server_message_get_request_headers (message),
                                    "Content-Type");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = dup_body (message, &error);
  g_autoptr (WireRequest) request = NULL;

  self->n_requests++;

  if (body != NULL)
    request = wire_request_parse (soup_server_message_get_method (message), path, content_type,
                                  body, self->wire_flags, &error);
  if (request == NULL)
    {
      complain (self, message, path, error);
      return SOUP_STATUS_UNPROCESSABLE_ENTITY;
    }

  if (!wire_check_request (request, self->wire_flags, &error))
    complain (self, message, path, error);
  wire_tree_add_request (self->tree, request);

  return SOUP_STATUS_ACCEPTED;
}

static gboolean
has_pending_child (Receiver *self, WireRun *run)
{
  g_autoptr (GPtrArray) children = wire_tree_dup_children (self->tree, run->id);

  for (guint i = 0; i < children->len; i++)
    {
      WireRun *child = g_ptr_array_index (children, i);

      if (child->end_us < 0 || has_pending_child (self, child))
        return TRUE;
    }

  return FALSE;
}

/* Prints the traces that were not printed yet: the complete ones, or all of them. */
static void
print_traces (Receiver *self, gboolean all)
{
  g_autoptr (GPtrArray) runs = wire_tree_dup_runs (self->tree);

  trace_printer_print_feedback (self->printer, self->tree, FALSE);
  for (guint i = 0; i < runs->len; i++)
    {
      WireRun *run = g_ptr_array_index (runs, i);
      gboolean is_orphan = run->parent_id != NULL;

      if ((is_orphan && wire_tree_lookup (self->tree, run->parent_id) != NULL) ||
          g_hash_table_contains (self->printed, run->id))
        continue;
      /* A parent may still come. */
      if (!all &&
          (is_orphan || run->n_posts == 0 || run->end_us < 0 || has_pending_child (self, run)))
        continue;

      trace_printer_print (self->printer, self->tree, run);
      g_hash_table_add (self->printed, g_strdup (run->id));
    }
  if (all)
    trace_printer_print_feedback (self->printer, self->tree, TRUE);

  fflush (stdout);
}

static void
request_cb (SoupServer *server G_GNUC_UNUSED,
            SoupServerMessage *message,
            const char *path,
            GHashTable *query G_GNUC_UNUSED,
            gpointer user_data)
{
  Receiver *self = user_data;
  const char *method = soup_server_message_get_method (message);
  const char *answer = "{}";
  guint status = SOUP_STATUS_NOT_FOUND;

  if (g_strcmp0 (method, "GET") == 0 && g_str_has_suffix (path, "/info"))
    {
      status = SOUP_STATUS_OK;
      answer = INFO;
    }
  else if (g_strcmp0 (method, "POST") == 0 || g_strcmp0 (method, "PATCH") == 0)
    {
      status = take_request (self, message, path);
    }

  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, answer,
                                    strlen (answer));
  /* libsoup before 3.3 leaves a connection open that its client closes later. */
  if (!soup_check_version (3, 3, 0))
    soup_message_headers_replace (soup_server_message_get_response_headers (message), "Connection",
                                  "close");

  if (self->child == NULL)
    print_traces (self, FALSE);
}

static gboolean
start_listening (Receiver *self, guint port, GError **error)
{
  GSList *uris = NULL;

  self->server = soup_server_new ("server-header", "trace-receiver", NULL);
  soup_server_add_handler (self->server, NULL, request_cb, self, NULL);
  if (!soup_server_listen_local (self->server, port, SOUP_SERVER_LISTEN_IPV4_ONLY, error))
    return FALSE;

  uris = soup_server_get_uris (self->server);
  self->url = g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);

  return TRUE;
}

/* --- the program to watch ------------------------------------------------------------------ */

static void
child_ended_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Receiver *self = user_data;

  g_subprocess_wait_finish (G_SUBPROCESS (object), result, NULL);
  if (g_subprocess_get_if_exited (self->child))
    self->exit_code = g_subprocess_get_exit_status (self->child);
  else
    self->exit_code = 128 + g_subprocess_get_term_sig (self->child);

  g_main_loop_quit (self->loop);
}

static gboolean
start_child (Receiver *self, const char *const *argv, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_INHERIT);

  g_subprocess_launcher_setenv (launcher, "LANGSMITH_ENDPOINT", self->url, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_API_KEY", API_KEY, TRUE);
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_PROJECT", PROJECT, TRUE);
  /* the first of the variables that decide about it */
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_TRACING_V2", "true", TRUE);
  /* no file: somebody's workspace is nothing to us */
  g_subprocess_launcher_setenv (launcher, "LANGSMITH_CONFIG_FILE", "/dev/null", TRUE);

  self->child = g_subprocess_launcher_spawnv (launcher, argv, error);
  if (self->child == NULL)
    return FALSE;

  g_subprocess_wait_async (self->child, NULL, child_ended_cb, self);
  return TRUE;
}

/* Ctrl-C reaches the program, too, which may want to send what it has. */
static gboolean
interrupted_cb (gpointer user_data)
{
  Receiver *self = user_data;

  if (self->child == NULL)
    g_main_loop_quit (self->loop);

  return G_SOURCE_CONTINUE;
}

static gboolean
terminated_cb (gpointer user_data)
{
  Receiver *self = user_data;

  if (self->child != NULL)
    g_subprocess_send_signal (self->child, SIGTERM);
  else
    g_main_loop_quit (self->loop);

  return G_SOURCE_CONTINUE;
}

/* --- the whole ----------------------------------------------------------------------------- */

static const char *
plural (guint n)
{
  return n == 1 ? "" : "s";
}

/* Prints what is left and the last line. */
static void
finish (Receiver *self)
{
  g_autoptr (GPtrArray) roots = wire_tree_dup_roots (self->tree);
  g_autoptr (GError) error = NULL;
  guint n_runs = wire_tree_get_n_runs (self->tree);
  guint n_pending = wire_tree_get_n_pending (self->tree);

  print_traces (self, TRUE);

  if (!wire_tree_check (self->tree, WIRE_TREE_CHECK_LINKS, &error))
    {
      g_autofree char *text = trace_printer_clean (error->message);

      self->n_malformed++;
      g_printerr ("malformed: %s\n", text);
    }

  printf ("%u run%s in %u trace%s, %u pending, %u request%s", n_runs, plural (n_runs), roots->len,
          plural (roots->len), n_pending, self->n_requests, plural (self->n_requests));
  if (self->n_malformed > 0)
    printf (", %u malformed", self->n_malformed);
  printf ("\n");
  fflush (stdout);

  if (self->exit_code == EXIT_SUCCESS && (n_pending > 0 || self->n_malformed > 0))
    self->exit_code = EXIT_FAILURE;
}

static void
serve (Receiver *self)
{
  guint interrupt_id = g_unix_signal_add (SIGINT, interrupted_cb, self);
  guint terminate_id = g_unix_signal_add (SIGTERM, terminated_cb, self);

  g_main_loop_run (self->loop);
  /* What the program sent and did not wait for. */
  while (g_main_context_iteration (NULL, FALSE))
    ;

  soup_server_disconnect (self->server);
  finish (self);

  g_source_remove (interrupt_id);
  g_source_remove (terminate_id);
}

static void
receiver_clear (Receiver *self)
{
  g_clear_object (&self->child);
  g_clear_object (&self->server);
  g_clear_pointer (&self->printer, trace_printer_free);
  g_clear_pointer (&self->printed, g_hash_table_unref);
  g_clear_pointer (&self->tree, wire_tree_free);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  g_free (self->url);
}

int
main (int argc, char *argv[])
{
  Receiver self = { .exit_code = EXIT_SUCCESS };
  g_auto (GStrv) command = NULL;
  int port = 0;
  gboolean is_strict = FALSE;
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) options =
      g_option_context_new ("[-- PROGRAM ARGUMENT...] - receives traces, prints them");
  const GOptionEntry entries[] = {
    { "port", 'p', 0, G_OPTION_ARG_INT, &port, "Listen on port N instead of a free one", "N" },
    { "strict", 0, 0, G_OPTION_ARG_NONE, &is_strict, "Insist on the exact forms that lsobs sends",
      NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &command, NULL, NULL },
    G_OPTION_ENTRY_NULL
  };

  setlocale (LC_MESSAGES, "");
  g_option_context_add_main_entries (options, entries, NULL);
  g_option_context_set_strict_posix (options, TRUE);
  if (!g_option_context_parse (options, &argc, &argv, &error))
    {
      g_printerr ("%s\n", error->message);
      return EXIT_USAGE;
    }
  if (port < 0 || port > G_MAXUINT16)
    {
      g_printerr ("There is no port %d.\n", port);
      return EXIT_USAGE;
    }

  self.loop = g_main_loop_new (NULL, FALSE);
  self.tree = wire_tree_new ();
  self.wire_flags = is_strict ? WIRE_STRICT : WIRE_DIALECT;
  self.printer = trace_printer_new (stdout);
  self.printed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  if (!start_listening (&self, (guint) port, &error) ||
      (command != NULL && !start_child (&self, (const char *const *) command, &error)))
    {
      g_printerr ("%s\n", error->message);
      receiver_clear (&self);
      return EXIT_CANNOT_RUN;
    }

  if (command == NULL)
    g_printerr (
        "Set LANGSMITH_TRACING=true LANGSMITH_ENDPOINT=%s LANGSMITH_API_KEY=%s in the programs to "
        "watch; Ctrl-C ends.\n",
        self.url, API_KEY);
  serve (&self);
  receiver_clear (&self);

  return self.exit_code;
}
