/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "scripted-model.h"

#include <string.h>

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#include "json-readers.h"

#define CALCULATOR_CALL_ID "call_calculator"
#define CLOCK_CALL_ID      "call_clock"

struct _ScriptedModel
{
  GThread *thread;       /* (owned) */
  GMainContext *context; /* (owned) of the thread */
  GMainLoop *loop;       /* (owned) */

  GMutex mutex; /* for the members below */
  GCond started;
  gboolean has_started;
  char *url;     /* (owned) (nullable) not changed once started */
  GError *error; /* (owned) (nullable) why there is no URL */
};

/* --- the script ---------------------------------------------------------------------------- */

/* (nullable) (transfer full): the longest piece of @question that looks like something to compute */
static char *
dup_expression (const char *question)
{
  static const char letters[] = "0123456789+-*/(). ";
  const char *best = NULL;
  gsize best_length = 0;

  for (const char *p = question; *p != '\0';)
    {
      gsize length = strspn (p, letters);
      g_autofree char *piece = g_strndup (p, length);

      if (length > best_length && strpbrk (piece, "+-*/") != NULL &&
          strpbrk (piece, "0123456789") != NULL)
        {
          best = p;
          best_length = length;
        }
      p += MAX (length, 1);
    }

  if (best == NULL)
    return NULL;

  /* The full stop of a sentence is no part of it. */
  while (best_length > 0 && strchr (". ", best[best_length - 1]) != NULL)
    best_length--;

  return g_strstrip (g_strndup (best, best_length));
}

static JsonObject *
new_tool_call (const char *id, const char *name, const char *argument, const char *value)
{
  JsonObject *call = json_object_new ();
  JsonObject *function = json_object_new ();
  g_autoptr (JsonNode) arguments = new_object_node (json_object_new ());
  g_autofree char *text = NULL;

  json_object_set_string_member (json_node_get_object (arguments), argument, value);
  text = json_to_string (arguments, FALSE);

  json_object_set_string_member (function, "name", name);
  json_object_set_string_member (function, "arguments", text);
  json_object_set_string_member (call, "id", id);
  json_object_set_string_member (call, "type", "function");
  json_object_set_object_member (call, "function", function);

  return call;
}

static JsonObject *
call_tools (const char *question)
{
  JsonObject *message = json_object_new ();
  JsonArray *calls = json_array_new ();
  g_autofree char *expression = dup_expression (question);

  if (expression != NULL)
    json_array_add_object_element (calls, new_tool_call (CALCULATOR_CALL_ID, "calculator",
                                                         "expression", expression));
  json_array_add_object_element (calls, new_tool_call (CLOCK_CALL_ID, "clock", "timezone", "UTC"));

  json_object_set_string_member (message, "role", "assistant");
  json_object_set_null_member (message, "content");
  json_object_set_array_member (message, "tool_calls", calls);

  return message;
}

/* Adds a sentence about the answer of a tool. */
static void
quote_tool (GString *sentences, const char *call_id, const char *content, const char *question)
{
  g_autofree char *expression = dup_expression (question);
  g_autoptr (JsonNode) node = parse_json (content, strlen (content), NULL);
  JsonObject *result = as_object (node);

  if (sentences->len > 0)
    g_string_append_c (sentences, ' ');

  if (result != NULL && get_string (result, "error") != NULL)
    {
      g_string_append_printf (sentences, "The tool failed: %s.", get_string (result, "error"));
    }
  else if (result != NULL && g_strcmp0 (call_id, CALCULATOR_CALL_ID) == 0 &&
           json_object_has_member (result, "result"))
    {
      g_autofree char *value = json_to_string (json_object_get_member (result, "result"), FALSE);

      g_string_append_printf (sentences, "%s = %s.", expression, value);
    }
  else if (result != NULL && get_string (result, "time") != NULL)
    {
      g_string_append_printf (sentences, "The time is %s.", get_string (result, "time"));
    }
  else
    {
      g_string_append (sentences, "The tool answered something strange.");
    }
}

/* The next message of the model; @messages is what was said so far. */
static JsonObject *
continue_script (JsonArray *messages)
{
  const char *question = "";
  gboolean has_results = FALSE;
  g_autoptr (GString) sentences = g_string_new (NULL);
  JsonObject *answer = NULL;

  for (guint i = 0; i < json_array_get_length (messages); i++)
    {
      JsonObject *message = as_object (json_array_get_element (messages, i));
      const char *role = message != NULL ? get_string (message, "role") : NULL;
      const char *content = message != NULL ? get_string (message, "content") : NULL;

      if (g_strcmp0 (role, "user") == 0 && content != NULL)
        {
          question = content;
        }
      else if (g_strcmp0 (role, "tool") == 0 && content != NULL)
        {
          quote_tool (sentences, get_string (message, "tool_call_id"), content, question);
          has_results = TRUE;
        }
    }

  if (!has_results)
    return call_tools (question);

  answer = json_object_new ();
  json_object_set_string_member (answer, "role", "assistant");
  json_object_set_string_member (answer, "content", sentences->str);

  return answer;
}

/* --- the service --------------------------------------------------------------------------- */

/* No tokenizer: four bytes are about one token. */
static JsonObject *
new_usage (gsize request_length, gsize message_length)
{
  JsonObject *usage = json_object_new ();
  gint64 prompt = (gint64) request_length / 4 + 1;
  gint64 completion = (gint64) message_length / 4 + 1;

  json_object_set_int_member (usage, "prompt_tokens", prompt);
  json_object_set_int_member (usage, "completion_tokens", completion);
  json_object_set_int_member (usage, "total_tokens", prompt + completion);

  return usage;
}

/* @message: (transfer full) */
static char *
complete (JsonObject *message, const char *model, gsize request_length)
{
  JsonObject *completion = json_object_new ();
  g_autoptr (JsonNode) root = new_object_node (completion);
  g_autoptr (JsonNode) message_node = new_object_node (json_object_ref (message));
  JsonObject *choice = json_object_new ();
  JsonArray *choices = json_array_new ();
  g_autofree char *text = NULL;
  const char *reason = json_object_has_member (message, "tool_calls") ? "tool_calls" : "stop";

  text = json_to_string (message_node, FALSE);

  json_object_set_int_member (choice, "index", 0);
  json_object_set_object_member (choice, "message", message);
  json_object_set_string_member (choice, "finish_reason", reason);
  json_array_add_object_element (choices, choice);

  json_object_set_string_member (completion, "id", "chatcmpl-scripted");
  json_object_set_string_member (completion, "object", "chat.completion");
  json_object_set_int_member (completion, "created", g_get_real_time () / G_USEC_PER_SEC);
  json_object_set_string_member (completion, "model", model);
  json_object_set_array_member (completion, "choices", choices);
  json_object_set_object_member (completion, "usage", new_usage (request_length, strlen (text)));

  return json_to_string (root, FALSE);
}

static void
respond (SoupServerMessage *message, guint status, const char *json)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, json,
                                    strlen (json));
}

/* Called in the service's thread. */
static void
chat_completions_cb (SoupServer *server G_GNUC_UNUSED,
                     SoupServerMessage *message,
                     const char *path G_GNUC_UNUSED,
                     GHashTable *query G_GNUC_UNUSED,
                     gpointer user_data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) body =
      soup_message_body_flatten (soup_server_message_get_request_body (message));
  g_autoptr (JsonNode) root =
      parse_json (g_bytes_get_data (body, NULL), g_bytes_get_size (body), NULL);
  JsonArray *messages = as_object (root) != NULL ? get_array (as_object (root), "messages") : NULL;
  const char *model = NULL;
  g_autofree char *answer = NULL;

  if (soup_server_message_get_method (message) != SOUP_METHOD_POST)
    {
      respond (message, SOUP_STATUS_METHOD_NOT_ALLOWED, "{\"error\":{\"message\":\"use POST\"}}");
      return;
    }

  if (messages == NULL)
    {
      respond (message, SOUP_STATUS_BAD_REQUEST,
               "{\"error\":{\"message\":\"there are no messages\"}}");
      return;
    }

  model = get_string (json_node_get_object (root), "model");
  answer = complete (continue_script (messages), model != NULL ? model : "scripted",
                     g_bytes_get_size (body));
  respond (message, SOUP_STATUS_OK, answer);
}

/* Called from inside the loop: a g_main_loop_quit () that came before g_main_loop_run () would be
 * lost, so nobody may know of the service earlier. */
static gboolean
started_cb (gpointer user_data)
{
  ScriptedModel *self = user_data;

  g_mutex_lock (&self->mutex);
  self->has_started = TRUE;
  g_cond_signal (&self->started);
  g_mutex_unlock (&self->mutex);

  return G_SOURCE_REMOVE;
}

static gpointer
serve (gpointer data)
{
  ScriptedModel *self = data;
  g_autoptr (SoupServer) server = NULL;
  g_autoptr (GSource) idle = g_idle_source_new ();

  g_main_context_push_thread_default (self->context);

  server = soup_server_new ("server-header", "scripted-model", NULL);
  soup_server_add_handler (server, "/v1/chat/completions", chat_completions_cb, self, NULL);
  if (soup_server_listen_local (server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &self->error))
    {
      GSList *uris = soup_server_get_uris (server);

      self->url = g_strdup_printf ("http://127.0.0.1:%d/v1", g_uri_get_port (uris->data));
      g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
    }

  g_source_set_callback (idle, started_cb, self, NULL);
  g_source_attach (idle, self->context);
  g_main_loop_run (self->loop);

  soup_server_disconnect (server);
  g_clear_object (&server);
  /* What the closed connections still have to say. */
  while (g_main_context_iteration (self->context, FALSE))
    ;

  g_main_context_pop_thread_default (self->context);
  return NULL;
}

ScriptedModel *
scripted_model_new (GError **error)
{
  g_autoptr (ScriptedModel) self = g_new0 (ScriptedModel, 1);

  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  g_mutex_init (&self->mutex);
  g_cond_init (&self->started);
  self->thread = g_thread_new ("scripted-model", serve, self);

  g_mutex_lock (&self->mutex);
  while (!self->has_started)
    g_cond_wait (&self->started, &self->mutex);
  g_mutex_unlock (&self->mutex);

  if (self->error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->error));
      return NULL;
    }

  return g_steal_pointer (&self);
}

void
scripted_model_free (ScriptedModel *self)
{
  g_main_loop_quit (self->loop);
  g_thread_join (self->thread);

  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->started);
  g_free (self->url);
  g_clear_error (&self->error);
  g_free (self);
}

const char *
scripted_model_get_url (ScriptedModel *self)
{
  return self->url;
}
