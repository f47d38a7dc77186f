// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A call of a model whose answer comes as a stream, traced. It speaks the chat completions API of
// OpenAI, as do Ollama, llama.cpp and vLLM. The same program is in model-call.js.
//
//   valac --pkg lsobs model-call.vala
//   LANGSMITH_TRACING=true LANGSMITH_API_KEY=… \
//     OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=qwen3 ./model-call "How far is the moon?"
//
// The trace has a run for the question, and below it one for the call, which lsobs makes of the
// request and of the stream. Without LANGSMITH_TRACING the program runs just the same, and sends
// nothing.

const int FLUSH_TIMEOUT_MS = 5000;

errordomain ModelError {
  REFUSED
}

string get_setting (string name, string default_value) {
  return Environment.get_variable (name) ?? default_value;
}

Json.Node new_object (string name, string text) {
  return new Json.Builder ().begin_object ().set_member_name (name).add_string_value (text).end_object ().get_root ();
}

Bytes new_body (string question) {
  var request = new Json.Builder ().begin_object ()
    .set_member_name ("model").add_string_value (get_setting ("OPENAI_MODEL", "gpt-5.4-mini"))
    .set_member_name ("stream").add_boolean_value (true)
    .set_member_name ("stream_options").begin_object ()
      .set_member_name ("include_usage").add_boolean_value (true).end_object ()
    .set_member_name ("messages").begin_array ().begin_object ()
      .set_member_name ("role").add_string_value ("user")
      .set_member_name ("content").add_string_value (question).end_object ().end_array ()
    .end_object ();
  return new Bytes (Json.to_string (request.get_root (), false).data);
}

// The text of one event of the stream, which may have none.
string get_text (string data) throws Error {
  var found = Json.Path.query ("$.choices[*].delta.content", Json.from_string (data)).get_array ();
  return found.get_length () > 0 ? found.get_string_element (0) ?? "" : "";
}

// The run goes by handle: after a yield, the thread may have had anything else to do.
async string call_model (Lsobs.Observer observer, Lsobs.Run parent, string question) throws Error {
  var body = new_body (question);
  var message = new Soup.Message ("POST", get_setting ("OPENAI_BASE_URL", "https://api.openai.com/v1") + "/chat/completions");
  message.set_request_body_from_bytes ("application/json", body);
  message.request_headers.append ("Authorization", "Bearer " + get_setting ("OPENAI_API_KEY", ""));

  observer.trace_message (message, body, parent);
  var lines = new DataInputStream (yield Lsobs.session_send_async (new Soup.Session (), message));
  var answer = new StringBuilder ();
  string? line;
  while ((line = yield lines.read_line_async ()) != null) {
    if (message.status_code != 200)
      throw new ModelError.REFUSED ("the model refuses: %s", line);
    if (!line.has_prefix ("data: {"))
      continue;
    var text = get_text (line.substring (6));
    stdout.printf ("%s", text);
    stdout.flush ();
    answer.append (text);
  }
  stdout.printf ("\n");
  return answer.str;
}

// An asynchronous function ends its run itself, however it comes to its end.
async void ask (Lsobs.Observer observer, string question) throws Error {
  var run = observer.start_run ("model-call", Lsobs.RunType.CHAIN, new_object ("question", question));
  try {
    run.end (new_object ("answer", yield call_model (observer, run, question)));
  } catch (Error e) {
    run.fail (e);
    throw e;
  }
}

async int run_program (string question) {
  var observer = new Lsobs.Observer.default ();
  int status = 0;
  try {
    yield ask (observer, question);
  } catch (Error e) {
    stderr.printf ("%s\n", e.message);
    status = 1;
  }
  try {
    yield observer.flush_async (FLUSH_TIMEOUT_MS, null, null);
  } catch (Error e) {
    stderr.printf ("Not traced: %s\n", e.message);
  }
  return status;
}

int main (string[] args) {
  int status = 0;
  var loop = new MainLoop ();
  run_program.begin (args[1] ?? "How far is the moon?", (object, result) => {
    status = run_program.end (result);
    loop.quit ();
  });
  loop.run ();
  return status;
}
