/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* A client of the chat completions API of OpenAI, which Ollama, llama.cpp and vLLM speak, too. It
 * blocks, and belongs to one thread. */
typedef struct _ChatClient ChatClient;

ChatClient *chat_client_new (const char *base_url, const char *api_key);
void chat_client_free (ChatClient *self);

/* (nullable) (transfer full): the answer to @request, both of them objects */
JsonNode *chat_client_complete (ChatClient *self, JsonNode *request, GError **error);
/* (nullable) (transfer none): the message inside of an answer */
JsonObject *chat_client_get_message (JsonNode *answer, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChatClient, chat_client_free)

G_END_DECLS
