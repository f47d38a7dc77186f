/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A ReAct agent: a model that may call a calculator and a clock, in a loop, until it answers. It
 * speaks the chat completions API of OpenAI, as do Ollama, llama.cpp and vLLM:
 *
 *   cc -o react-agent *.c $(pkg-config --cflags --libs lsobs)
 *   OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=qwen3 ./react-agent --question "…"
 *
 * Without OPENAI_BASE_URL a scripted model answers, so that no network is needed.
 *
 * With LANGSMITH_TRACING=true and LANGSMITH_API_KEY set (and LANGSMITH_ENDPOINT, LANGSMITH_PROJECT
 * where the defaults do not fit) each question becomes a trace:
 *
 *   react-agent          the question and the answer: the invocation
 *     agent              one turn of the loop: a node of the graph
 *       chat             the call of the model, with its tokens
 *       calculator       the calls of tools that the model asked for
 *       clock
 *     agent              … and so on, until a turn ends without calls
 *       chat
 *
 * What lsobs needs is in three places: run_turn () and call_tool () make the callbacks of a graph
 * engine, ask_model () records the calls of the model, and main () opens and shuts the observer.
 */

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <lsobs/lsobs.h>

#include "agent-tools.h"
#include "chat-client.h"
#include "json-readers.h"
#include "scripted-model.h"

#define NODE_ID             "agent"
#define MAX_TURNS           8
#define SHUTDOWN_TIMEOUT_MS 5000

#define EXIT_USAGE 2

#define DEFAULT_QUESTION "What is (17 + 25) * 3, and what time is it?"

#define SYSTEM_PROMPT \
 "You answer questions in one or two sentences. Do no arithmetic yourself, call the calculator; " \
 "call the clock for the date and the time."

typedef struct
{
  ChatClient *client;    /* (owned) */
  ScriptedModel *script; /* (owned) (nullable) the model itself, when there is no other */
  const char *model;
  const char *provider; /* as LangSmith calls it */
  gboolean is_verbose;
  gboolean is_traced;
} Agent;

static JsonNode *
new_string_object_node (const char *name, const char *value)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, name, value);
  return new_object_node (object);
}

/* {"messages": […]} with the messages from number @first on */
static JsonNode *
new_messages_node (JsonArray *messages, guint first)
{
  JsonObject *object = json_object_new ();
  JsonArray *part = json_array_new ();

  for (guint i = first; i < json_array_get_length (messages); i++)
    json_array_add_element (part, json_array_dup_element (messages, i));
  json_object_set_array_member (object, "messages", part);

  return new_object_node (object);
}

static void
add_message (JsonArray *messages, const char *role, const char *content, const char *tool_call_id)
{
  JsonObject *message = json_object_new ();

  json_object_set_string_member (message, "role", role);
  json_object_set_string_member (message, "content", content);
  if (tool_call_id != NULL)
    json_object_set_string_member (message, "tool_call_id", tool_call_id);

  json_array_add_object_element (messages, message);
}

/* --- the model ----------------------------------------------------------------------------- */

/* {"model": …, "messages": […], "tools": […]} */
static JsonNode *
new_request (Agent *self, JsonArray *messages)
{
  JsonNode *request = new_messages_node (messages, 0);

  json_object_set_string_member (json_node_get_object (request), "model", self->model);
  json_object_set_member (json_node_get_object (request), "tools", agent_tools_describe ());

  return request;
}

/* Model and tokens go to the run as LangSmith counts them. */
static void
record_usage (Agent *self, LsobsRun *run, JsonNode *answer)
{
  const char *model = get_string (json_node_get_object (answer), "model");
  /* without an error: the service need not tell */
  g_autoptr (LsobsUsage) usage = lsobs_usage_new_from_json (answer, NULL);

  if (model != NULL)
    lsobs_run_set_model (run, self->provider, model);
  if (usage != NULL)
    lsobs_run_set_usage_metadata (run, usage);
}

/* The interface of graph engines knows nodes and tools only. The call of a model is a run of its
 * own, a child of the node's run, where the observer has such runs. */
static LsobsRun *
start_model_run (Agent *self, LsobsGraphObserver *observer, JsonNode *request)
{
  g_autoptr (LsobsRun) parent = NULL;
  LsobsRun *run = NULL;

  if (LSOBS_IS_INVOCATION (observer))
    parent = lsobs_invocation_dup_node_run (LSOBS_INVOCATION (observer), NODE_ID);
  if (parent == NULL)
    return NULL;

  run = lsobs_run_start_child (parent, "chat", LSOBS_RUN_TYPE_LLM, request);
  lsobs_run_set_model (run, self->provider, self->model);
  lsobs_run_set_invocation_params (run, request);

  return run;
}

/* (nullable) (transfer full): the model's next message */
static JsonObject *
ask_model (Agent *self, LsobsGraphObserver *observer, JsonArray *messages, GError **error)
{
  g_autoptr (JsonNode) request = new_request (self, messages);
  g_autoptr (LsobsRun) run = start_model_run (self, observer, request);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (JsonNode) answer = chat_client_complete (self->client, request, &local_error);
  JsonObject *message = NULL;

  if (answer != NULL)
    message = chat_client_get_message (answer, &local_error);

  if (run != NULL && answer != NULL)
    record_usage (self, run, answer);
  if (run != NULL && message != NULL)
    lsobs_run_end (run, answer);
  if (run != NULL && message == NULL)
    lsobs_run_fail (run, local_error);

  if (message == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }

  return json_object_ref (message);
}

/* --- the graph engine ---------------------------------------------------------------------- */

/* The arguments are JSON inside a string; some services send the object itself. What is neither is
 * left for the tool to complain about. */
static JsonNode *
dup_arguments (JsonObject *function)
{
  JsonNode *node = function != NULL ? json_object_get_member (function, "arguments") : NULL;
  JsonNode *args = NULL;

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return new_object_node (json_object_new ());

  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_string (node) != NULL)
    args = parse_json (json_node_get_string (node), strlen (json_node_get_string (node)), NULL);

  return args != NULL ? args : json_node_copy (node);
}

static void
call_tool (Agent *self, LsobsGraphObserver *observer, JsonNode *call_node, JsonArray *messages)
{
  JsonObject *call = as_object (call_node);
  JsonObject *function = call != NULL ? get_object (call, "function") : NULL;
  const char *name = function != NULL ? get_string (function, "name") : NULL;
  const char *id = call != NULL ? get_string (call, "id") : NULL;
  g_autoptr (JsonNode) args = dup_arguments (function);
  g_autoptr (JsonNode) result = NULL;
  g_autofree char *text = NULL;

  name = name != NULL ? name : "unknown";

  /* With the id, the results of parallel calls of one tool may come in any order. */
  lsobs_graph_observer_on_tool_call (observer, NODE_ID, name, id, args);
  result = agent_tools_run (name, args);
  lsobs_graph_observer_on_tool_result (observer, NODE_ID, name, id, result);

  text = json_to_string (result, FALSE);
  add_message (messages, "tool", text, id != NULL ? id : "");

  if (self->is_verbose)
    {
      g_autofree char *args_text = json_to_string (args, FALSE);

      g_printerr ("%s %s → %s\n", name, args_text, text);
    }
}

/* One turn: the model speaks, and gets the tools that it asks for. @answer is set when it asks for
 * none. */
static gboolean
run_turn (Agent *self,
          LsobsGraphObserver *observer,
          JsonArray *messages,
          char **answer,
          GError **error)
{
  gint64 start = g_get_monotonic_time ();
  guint n_old = json_array_get_length (messages);
  g_autoptr (JsonNode) input = new_messages_node (messages, 0);
  g_autoptr (JsonObject) message = NULL;
  g_autoptr (JsonNode) output = NULL;
  g_autoptr (GError) local_error = NULL;
  JsonArray *calls = NULL;

  lsobs_graph_observer_on_node_start (observer, NODE_ID, input);

  message = ask_model (self, observer, messages, &local_error);
  if (message != NULL)
    {
      json_array_add_object_element (messages, json_object_ref (message));
      calls = get_array (message, "tool_calls");
      *answer = g_strdup (get_string (message, "content"));
    }

  if (calls != NULL && json_array_get_length (calls) > 0)
    {
      /* Some models think aloud beside their calls. */
      g_clear_pointer (answer, g_free);
      for (guint i = 0; i < json_array_get_length (calls); i++)
        call_tool (self, observer, json_array_get_element (calls, i), messages);
    }
  else if (message != NULL && *answer == NULL)
    {
      g_set_error_literal (&local_error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                           "the model said nothing");
    }

  if (local_error != NULL)
    {
      lsobs_graph_observer_on_error (observer, NODE_ID, local_error);
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }

  output = new_messages_node (messages, n_old);
  lsobs_graph_observer_on_node_end (observer, NODE_ID, output,
                                    (g_get_monotonic_time () - start) / 1000);
  return TRUE;
}

/* (nullable) (transfer full): the answer. @observer may be anything that implements the interface. */
static char *
run_agent (Agent *self, LsobsGraphObserver *observer, const char *question, GError **error)
{
  g_autoptr (JsonArray) messages = json_array_new ();

  add_message (messages, "system", SYSTEM_PROMPT, NULL);
  add_message (messages, "user", question, NULL);

  for (guint turn = 0; turn < MAX_TURNS; turn++)
    {
      g_autofree char *answer = NULL;

      if (!run_turn (self, observer, messages, &answer, error))
        return NULL;
      if (answer != NULL)
        return g_steal_pointer (&answer);
    }

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "no answer after %d turns", MAX_TURNS);
  return NULL;
}

/* --- the program --------------------------------------------------------------------------- */

static char *
answer_question (Agent *self, LsobsObserver *observer, const char *question, GError **error)
{
  g_autoptr (JsonNode) input = new_string_object_node ("question", question);
  g_autoptr (LsobsInvocation) invocation = NULL;
  g_autoptr (GError) local_error = NULL;
  char *answer = NULL;

  invocation = lsobs_observer_begin_invocation (observer, "react-agent", input);
  answer = run_agent (self, LSOBS_GRAPH_OBSERVER (invocation), question, &local_error);
  if (answer != NULL)
    {
      g_autoptr (JsonNode) output = new_string_object_node ("answer", answer);

      lsobs_invocation_end (invocation, output);
    }
  else
    {
      lsobs_invocation_fail (invocation, local_error);
      g_propagate_error (error, g_steal_pointer (&local_error));
    }

  return answer;
}

/* A program works the same whether it is traced or not: when the settings make no sense, which is
 * said, by an observer that does nothing. */
static LsobsObserver *
open_observer (Agent *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LsobsConfig) config = lsobs_config_new_from_environment (&error);
  LsobsObserver *observer = config != NULL ? lsobs_observer_new (config, &error) : NULL;

  if (observer == NULL)
    {
      g_printerr ("Not traced: %s\n", error->message);
      g_clear_object (&config);
      config = lsobs_config_new (NULL, NULL);
      lsobs_config_set_tracing_enabled (config, FALSE);
      return lsobs_observer_new (config, NULL);
    }

  self->is_traced = lsobs_config_get_tracing_enabled (config);
  if (!self->is_traced)
    g_printerr ("Not traced: LANGSMITH_TRACING=true is not set.\n");
  else if (self->is_verbose)
    g_printerr ("Traced to %s, project %s.\n", lsobs_config_get_api_url (config),
                lsobs_config_get_project_name (config));

  return observer;
}

/* Sends what is left, and says what became of the records. */
static void
close_observer (LsobsObserver *observer)
{
  LsobsFlushStats flush_stats = { 0 };
  g_autoptr (LsobsStats) stats = NULL;
  g_autoptr (GError) error = NULL;

  lsobs_observer_shutdown (observer, SHUTDOWN_TIMEOUT_MS, &flush_stats, &error);

  /* The flush counts its own records only; earlier ones have left in the background. */
  stats = lsobs_observer_dup_stats (observer);
  g_printerr ("Traced: %" G_GUINT64_FORMAT " records flushed, %" G_GUINT64_FORMAT " failed%s%s\n",
              lsobs_stats_get (stats, LSOBS_COUNTER_DELIVERED),
              lsobs_stats_get_total_dropped (stats), error != NULL ? ": " : "",
              error != NULL ? error->message : "");
}

static gboolean
agent_init (Agent *self, GError **error)
{
  const char *base_url = g_getenv ("OPENAI_BASE_URL");
  const char *model = g_getenv ("OPENAI_MODEL");

  if (base_url != NULL && *base_url != '\0')
    {
      self->client = chat_client_new (base_url, g_getenv ("OPENAI_API_KEY"));
      self->model = model != NULL && *model != '\0' ? model : "gpt-4o-mini";
      self->provider = "openai";
      return TRUE;
    }

  g_printerr ("OPENAI_BASE_URL is not set: a scripted model answers.\n");
  self->script = scripted_model_new (error);
  if (self->script == NULL)
    return FALSE;

  self->client = chat_client_new (scripted_model_get_url (self->script), NULL);
  self->model = "scripted";
  self->provider = "scripted";
  return TRUE;
}

static void
agent_clear (Agent *self)
{
  g_clear_pointer (&self->client, chat_client_free);
  g_clear_pointer (&self->script, scripted_model_free);
}

int
main (int argc, char *argv[])
{
  Agent agent = { .is_verbose = FALSE };
  g_autofree char *question = NULL;
  g_autofree char *answer = NULL;
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) options =
      g_option_context_new ("— answers a question with the help of tools");
  /* clang-format off */
  const GOptionEntry entries[] = {
    { "question", 'q', 0, G_OPTION_ARG_STRING, &question, "What to ask", "TEXT" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &agent.is_verbose, "Tell what the tools are doing", NULL },
    G_OPTION_ENTRY_NULL
  };
  /* clang-format on */

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error))
    {
      g_printerr ("%s\n", error->message);
      return EXIT_USAGE;
    }
  if (argc > 1)
    {
      g_printerr ("Nothing to do with “%s”; did you mean --question?\n", argv[1]);
      return EXIT_USAGE;
    }

  observer = open_observer (&agent);
  if (agent_init (&agent, &error))
    answer =
        answer_question (&agent, observer, question != NULL ? question : DEFAULT_QUESTION, &error);

  if (answer != NULL)
    g_print ("%s\n", answer);
  else
    g_printerr ("No answer: %s\n", error->message);

  if (agent.is_traced)
    close_observer (observer);
  agent_clear (&agent);

  return answer != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
