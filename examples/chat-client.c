/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "chat-client.h"

#include <string.h>

#include <libsoup/soup.h>

#include "json-readers.h"

/* A model on a small machine takes its time. */
#define TIMEOUT_S 300

struct _ChatClient
{
  SoupSession *session; /* (owned) */
  char *url;            /* (owned) */
  char *credentials;    /* (owned) (nullable) */
};

ChatClient *
chat_client_new (const char *base_url, const char *api_key)
{
  ChatClient *self = g_new0 (ChatClient, 1);

  self->session = soup_session_new_with_options ("timeout", TIMEOUT_S, NULL);
  self->url =
      g_strconcat (base_url, g_str_has_suffix (base_url, "/") ? "" : "/", "chat/completions", NULL);
  if (api_key != NULL && *api_key != '\0')
    self->credentials = g_strconcat ("Bearer ", api_key, NULL);

  return self;
}

void
chat_client_free (ChatClient *self)
{
  g_object_unref (self->session);
  g_free (self->url);
  g_free (self->credentials);
  g_free (self);
}

/* (nullable) (transfer full) */
static SoupMessage *
new_message (ChatClient *self, JsonNode *request, GError **error)
{
  g_autoptr (SoupMessage) message = soup_message_new (SOUP_METHOD_POST, self->url);
  char *text = NULL;
  g_autoptr (GBytes) body = NULL;

  if (message == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is no address of a model",
                   self->url);
      return NULL;
    }

  text = json_to_string (request, FALSE);
  body = g_bytes_new_take (text, strlen (text));
  soup_message_set_request_body_from_bytes (message, "application/json", body);
  /* The key is for this service only. */
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (self->credentials != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization",
                                  self->credentials);

  return g_steal_pointer (&message);
}

/* Says what the service says: {"error": {"message": "…"}}, or {"error": "…"}. */
static void
set_status_error (guint status, JsonNode *answer, GError **error)
{
  JsonObject *object = as_object (answer);
  JsonObject *details = object != NULL ? get_object (object, "error") : NULL;
  const char *reason = NULL;

  if (details != NULL)
    reason = get_string (details, "message");
  else if (object != NULL)
    reason = get_string (object, "error");

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the model answered %u%s%s", status,
               reason != NULL ? ": " : "", reason != NULL ? reason : "");
}

JsonNode *
chat_client_complete (ChatClient *self, JsonNode *request, GError **error)
{
  g_autoptr (SoupMessage) message = new_message (self, request, error);
  g_autoptr (GBytes) body = NULL;
  g_autoptr (JsonNode) answer = NULL;
  g_autoptr (GError) parse_error = NULL;

  if (message == NULL)
    return NULL;

  body = soup_session_send_and_read (self->session, message, NULL, error);
  if (body == NULL)
    {
      g_prefix_error (error, "the model cannot be asked: ");
      return NULL;
    }

  answer = parse_json (g_bytes_get_data (body, NULL), g_bytes_get_size (body), &parse_error);
  if (!SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (message)))
    {
      set_status_error (soup_message_get_status (message), answer, error);
      return NULL;
    }
  if (as_object (answer) == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "the model's answer is no JSON object%s%s", parse_error != NULL ? ": " : "",
                   parse_error != NULL ? parse_error->message : "");
      return NULL;
    }

  return g_steal_pointer (&answer);
}

JsonObject *
chat_client_get_message (JsonNode *answer, GError **error)
{
  JsonArray *choices = get_array (json_node_get_object (answer), "choices");
  JsonObject *choice = NULL;
  JsonObject *message = NULL;

  if (choices != NULL && json_array_get_length (choices) > 0)
    choice = as_object (json_array_get_element (choices, 0));
  if (choice != NULL)
    message = get_object (choice, "message");
  if (message == NULL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                         "the model's answer holds no message");

  return message;
}
