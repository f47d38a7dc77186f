// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A tiny agent, traced: it looks into its notes, asks a model, calls the tools that the
// model wants, one of which is out of order, and asks again. Model and tools are scripted,
// so that no network is needed. The same agent is in tiny-agent.c, tiny-agent.py and
// tiny-agent.js.
//
//   valac --pkg lsobs tiny-agent.vala
//   LANGSMITH_TRACING=true LANGSMITH_API_KEY=… ./tiny-agent
//
// LANGSMITH_PROJECT and LANGSMITH_ENDPOINT say where the trace goes. Without
// LANGSMITH_TRACING the program runs just the same, and sends nothing.

const string QUESTION = "Do I need an umbrella in Ålesund today?";
const int FLUSH_TIMEOUT_MS = 5000;

const string NOTES = """{"documents": [{"type": "Document", "metadata": {"source": "weather.txt"},
  "page_content": "In Ålesund it rains on two days of three."}]}""";

const string PARAMS = """{"model": "scripted-1", "temperature": 0, "max_tokens": 100}""";

const string[] ANSWERS = {
  """{"message": {"role": "assistant", "content": "", "tool_calls": [
        {"id": "call-1", "name": "weather_station", "args": {"city": "Ålesund"}},
        {"id": "call-2", "name": "rain_radar", "args": {"city": "Ålesund", "hours": 12}}]},
      "usage": {"input_tokens": 48, "output_tokens": 21, "total_tokens": 69}}""",
  """{"message": {"role": "assistant", "content": "Yes: 4.2 mm of rain are on their way."},
      "usage": {"input_tokens": 93, "output_tokens": 12, "total_tokens": 105}}"""
};

errordomain StationError {
  UNREACHABLE
}

Json.Node new_string (string text) {
  return new Json.Node.alloc ().init_string (text);
}

// {name: value}
Json.Node new_object (string name, Json.Node value) {
  var object = new Json.Object ();
  object.set_member (name, value);
  return new Json.Node.alloc ().init_object (object);
}

void add_message (Json.Array messages, string role, Json.Node content, string? call_id = null) {
  var message = new_object ("role", new_string (role));
  message.get_object ().set_member ("content", content);
  if (call_id != null)
    message.get_object ().set_string_member ("tool_call_id", call_id);
  messages.add_element (message);
}

// A run starts below the one that is being wrapped: functions need not hand runs to each
// other. One call of the model is one run.
Json.Node ask_model (Lsobs.Observer observer, Json.Array messages, int turn) throws Error {
  var inputs = new_object ("messages", new Json.Node.alloc ().init_array (messages));
  var answer = Json.from_string (ANSWERS[turn]);

  observer.start_nested_run ("model", Lsobs.RunType.LLM, inputs).wrap (run => {
    // LangSmith counts tokens and costs by these three …
    run.set_model ("example", "scripted-1");
    run.set_invocation_params (Json.from_string (PARAMS));
    run.set_usage_metadata (new Lsobs.Usage.from_json (answer));
    // … and the time to the first token by the first event of this name.
    run.add_event ("new_token");
    run.end (answer);
  });
  return answer.get_object ().get_member ("message");
}

Json.Node use_tool (string name, Json.Object args) throws Error {
  if (name == "weather_station")
    throw new StationError.UNREACHABLE ("the station in %s does not answer",
                                        args.get_string_member ("city"));
  return Json.from_string ("""{"millimetres": 4.2}""");
}

// What is thrown fails the run, and is caught here: the model is told so, and the agent goes on.
Json.Node call_tool (Lsobs.Observer observer, string name, Json.Node args) {
  Json.Node? value = null;
  try {
    observer.start_nested_run (name, Lsobs.RunType.TOOL, args).wrap (run => {
      value = use_tool (name, args.get_object ());
      run.end (value);
    });
    return value;
  } catch (Error e) {
    return new_object ("error", new_string (e.message));
  }
}

Json.Node search_notes (Lsobs.Observer observer, string query) throws Error {
  var found = Json.from_string (NOTES);
  observer.start_nested_run ("notes", Lsobs.RunType.RETRIEVER, new_object ("query", new_string (query))).end (found);
  return found;
}

string answer_question (Lsobs.Observer observer, string question) throws Error {
  var documents = search_notes (observer, question).get_object ().get_array_member ("documents");
  var messages = new Json.Array ();
  add_message (messages, "system", documents.get_object_element (0).get_member ("page_content"));
  add_message (messages, "user", new_string (question));

  for (int turn = 0; ; turn++) {
    var message = ask_model (observer, messages, turn);
    if (!message.get_object ().has_member ("tool_calls"))
      return message.get_object ().get_string_member ("content");

    messages.add_element (message);
    foreach (var call in message.get_object ().get_array_member ("tool_calls").get_elements ()) {
      var wanted = call.get_object ();
      var content = call_tool (observer, wanted.get_string_member ("name"), wanted.get_member ("args"));
      add_message (messages, "tool", content, wanted.get_string_member ("id"));
    }
  }
}

int main () {
  var observer = new Lsobs.Observer.default ();
  var root = observer.start_run ("tiny-agent", Lsobs.RunType.CHAIN, new_object ("question", new_string (QUESTION)));
  root.add_tag ("weather");
  root.set_metadata_string ("app_version", "1.0");
  // Traces with one thread id are one conversation in LangSmith.
  root.set_thread_id ("conversation-1");
  try {
    root.wrap (run => {
      var answer = answer_question (observer, QUESTION);
      run.end (new_object ("answer", new_string (answer)));
      stdout.printf ("%s\n", answer);
    });
    // What the user says of the answer may come long after it.
    root.add_feedback ("user_score", 1, "Good that I took one along.");

    if (!observer.tracing_enabled) {
      stderr.printf ("Not traced: LANGSMITH_TRACING is not on.\n");
      return 0;
    }
    observer.flush (FLUSH_TIMEOUT_MS, null);
    var config = new Lsobs.Config.from_environment ();
    stderr.printf ("Traced: project %s at %s.\n", config.project_name, config.api_url);
  } catch (Error e) {
    stderr.printf ("Not traced: %s\n", e.message);
  }
  return 0;
}
