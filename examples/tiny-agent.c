/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A tiny agent, traced: it looks into its notes, asks a model, calls the tools that the model
 * wants, one of which is out of order, and asks again. Model and tools are scripted, so that no
 * network is needed. The same agent is in tiny-agent.vala, tiny-agent.py and tiny-agent.js.
 *
 *   cc -o tiny-agent tiny-agent.c $(pkg-config --cflags --libs lsobs)
 *   LANGSMITH_TRACING=true LANGSMITH_API_KEY=… ./tiny-agent
 *
 * LANGSMITH_PROJECT and LANGSMITH_ENDPOINT say where the trace goes. Without LANGSMITH_TRACING the
 * program runs just the same, and sends nothing.
 */

#include <stdio.h>

#include <gio/gio.h>
#include <lsobs/lsobs.h>

#define QUESTION         "Do I need an umbrella in Ålesund today?"
#define FLUSH_TIMEOUT_MS 5000

static const char notes[] =
    "{\"documents\": [{\"type\": \"Document\", \"metadata\": {\"source\": \"weather.txt\"},"
    " \"page_content\": \"In Ålesund it rains on two days of three.\"}]}";

static const char params[] = "{\"model\": \"scripted-1\", \"temperature\": 0, \"max_tokens\": 100}";

static const char *answers[] = {
  "{\"message\": {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": ["
  "  {\"id\": \"call-1\", \"name\": \"weather_station\", \"args\": {\"city\": \"Ålesund\"}},"
  "  {\"id\": \"call-2\", \"name\": \"rain_radar\","
  "   \"args\": {\"city\": \"Ålesund\", \"hours\": 12}}]},"
  " \"usage\": {\"input_tokens\": 48, \"output_tokens\": 21, \"total_tokens\": 69}}",
  "{\"message\": {\"role\": \"assistant\", \"content\": \"Yes: 4.2 mm of rain are on their way.\"},"
  " \"usage\": {\"input_tokens\": 93, \"output_tokens\": 12, \"total_tokens\": 105}}",
};

/* {name: value}; takes the value */
static JsonNode *
new_object (const char *name, JsonNode *value)
{
  JsonObject *object = json_object_new ();

  json_object_set_member (object, name, value);
  return json_node_init_object (json_node_alloc (), object);
}

static JsonNode *
new_string (const char *text)
{
  return json_node_init_string (json_node_alloc (), text);
}

static void
add_message (JsonArray *messages, const char *role, JsonNode *content, const char *call_id)
{
  JsonNode *message = new_object ("role", new_string (role));

  json_object_set_member (json_node_get_object (message), "content", content);
  if (call_id != NULL)
    json_object_set_string_member (json_node_get_object (message), "tool_call_id", call_id);
  json_array_add_element (messages, message);
}

/* One call of the model is one run, below that of the agent. */
static JsonNode *
ask_model (LsobsRun *parent, JsonArray *messages, guint turn)
{
  JsonNode *list = json_node_init_array (json_node_alloc (), messages);
  g_autoptr (JsonNode) inputs = new_object ("messages", list);
  g_autoptr (JsonNode) settings = json_from_string (params, NULL);
  g_autoptr (JsonNode) answer = json_from_string (answers[turn], NULL);
  g_autoptr (LsobsRun) run = lsobs_run_start_child (parent, "model", LSOBS_RUN_TYPE_LLM, inputs);

  /* LangSmith counts tokens and costs by these three … */
  lsobs_run_set_model (run, "example", "scripted-1");
  lsobs_run_set_invocation_params (run, settings);
  lsobs_run_set_usage_from_response (run, answer);
  /* … and the time to the first token by the first event of this name. */
  lsobs_run_add_event (run, "new_token", NULL);
  lsobs_run_end (run, answer);

  return g_steal_pointer (&answer);
}

/* A tool that fails makes its run a failed one. The model is told so, and the agent goes on. */
static JsonNode *
call_tool (LsobsRun *parent, JsonObject *call)
{
  const char *name = json_object_get_string_member (call, "name");
  JsonNode *args = json_object_get_member (call, "args");
  g_autoptr (LsobsRun) run = lsobs_run_start_child (parent, name, LSOBS_RUN_TYPE_TOOL, args);
  g_autoptr (GError) error = NULL;

  if (g_str_equal (name, "rain_radar"))
    {
      JsonNode *value = json_from_string ("{\"millimetres\": 4.2}", NULL);

      lsobs_run_end (run, value);
      return value;
    }

  error = g_error_new (G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE, "the station in %s does not answer",
                       json_object_get_string_member (json_node_get_object (args), "city"));
  lsobs_run_fail (run, error);
  return new_object ("error", new_string (error->message));
}

/* The question with what the notes say about it, as the first two messages. */
static JsonArray *
search_notes (LsobsRun *parent)
{
  g_autoptr (JsonNode) query = new_object ("query", new_string (QUESTION));
  g_autoptr (JsonNode) found = json_from_string (notes, NULL);
  g_autoptr (LsobsRun) run =
      lsobs_run_start_child (parent, "notes", LSOBS_RUN_TYPE_RETRIEVER, query);
  JsonArray *documents = json_object_get_array_member (json_node_get_object (found), "documents");
  JsonObject *document = json_array_get_object_element (documents, 0);
  JsonArray *messages = json_array_new ();

  lsobs_run_end (run, found);

  add_message (messages, "system", json_object_dup_member (document, "page_content"), NULL);
  add_message (messages, "user", new_string (QUESTION), NULL);
  return messages;
}

/* (transfer full): the answer, as {"answer": …} */
static JsonNode *
run_agent (LsobsRun *run)
{
  g_autoptr (JsonArray) messages = search_notes (run);

  for (guint turn = 0; turn < G_N_ELEMENTS (answers); turn++)
    {
      g_autoptr (JsonNode) answer = ask_model (run, messages, turn);
      JsonNode *message = json_object_get_member (json_node_get_object (answer), "message");
      JsonObject *object = json_node_get_object (message);
      JsonArray *calls;

      if (!json_object_has_member (object, "tool_calls"))
        return new_object ("answer", json_object_dup_member (object, "content"));

      json_array_add_element (messages, json_node_copy (message));
      calls = json_object_get_array_member (object, "tool_calls");
      for (guint i = 0; i < json_array_get_length (calls); i++)
        {
          JsonObject *call = json_array_get_object_element (calls, i);
          const char *call_id = json_object_get_string_member (call, "id");

          add_message (messages, "tool", call_tool (run, call), call_id);
        }
    }

  /* The last answer calls no tool. */
  g_return_val_if_reached (NULL);
}

int
main (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsObserver) observer = lsobs_observer_new_default ();
  g_autoptr (JsonNode) inputs = new_object ("question", new_string (QUESTION));
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (observer, "tiny-agent", LSOBS_RUN_TYPE_CHAIN, inputs);
  g_autoptr (JsonNode) outputs = NULL;

  lsobs_run_add_tag (run, "weather");
  lsobs_run_set_metadata_string (run, "app_version", "1.0");
  /* Traces with one thread id are one conversation in LangSmith. */
  lsobs_run_set_thread_id (run, "conversation-1");
  outputs = run_agent (run);
  lsobs_run_end (run, outputs);
  printf ("%s\n", json_object_get_string_member (json_node_get_object (outputs), "answer"));

  /* What the user says of the answer may come long after it. */
  lsobs_run_add_feedback (run, "user_score", 1, "Good that I took one along.", NULL);

  if (!lsobs_observer_get_tracing_enabled (observer))
    fprintf (stderr, "Not traced: LANGSMITH_TRACING is not on.\n");
  else if (lsobs_observer_flush (observer, FLUSH_TIMEOUT_MS, NULL, &error))
    {
      g_autoptr (LsobsConfig) config = lsobs_config_new_from_environment (NULL);

      fprintf (stderr, "Traced: project %s at %s.\n", lsobs_config_get_project_name (config),
               lsobs_config_get_api_url (config));
    }
  else
    fprintf (stderr, "Not traced: %s\n", error->message);
  return 0;
}
