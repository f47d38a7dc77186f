// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The API as Vala sees it: compiled and run by test-vala.sh.

// ms, far more than any flush here takes
const int TIMEOUT = 120000;

class Never : Object, Lsobs.Sampler {
  public bool should_sample (string trace_id) {
    return false;
  }
}

Lsobs.Observer new_observer (Lsobs.Config config, out Lsobs.MemoryTransport transport) throws Error {
  transport = new Lsobs.MemoryTransport ();
  // on a busy machine, the default may pass within a test
  config.flush_interval = 3600000;
  return new Lsobs.Observer.with_transport (config, transport);
}

void test_run () throws Error {
  Lsobs.MemoryTransport transport;
  Lsobs.FlushStats stats;
  var observer = new_observer (new Lsobs.Config ("key", "vala"), out transport);
  var run = observer.start_run ("parent", Lsobs.RunType.CHAIN, Json.from_string ("[1]"));
  run.start_child ("child", Lsobs.RunType.TOOL, null).end (null);
  run.end (null);
  assert (observer.flush (TIMEOUT, out stats));
  assert (stats.runs_flushed == 2);
  foreach (var event in transport.dup_events ())
    assert (event.get_name () == "parent" || event.get_parent_id () == run.dup_id ());
}

int count_to (int n) throws Error {
  if (n < 0)
    throw new IOError.INVALID_ARGUMENT ("below zero");
  return n;
}

void test_wrap () throws Error {
  Lsobs.MemoryTransport transport;
  var observer = new_observer (new Lsobs.Config ("key", "vala"), out transport);
  int counted = 0;
  bool caught = false;
  observer.start_nested_run ("outer", Lsobs.RunType.CHAIN, null).wrap (outer => {
    assert (Lsobs.Run.get_thread_default () == outer);
    observer.start_nested_run ("inner", Lsobs.RunType.TOOL, null).wrap (inner => {
      assert (Lsobs.Run.get_thread_default () == inner);
      counted = count_to (3);
      inner.end (Json.from_string ("[3]"));
    });
    assert (Lsobs.Run.get_thread_default () == outer);
  });
  assert (counted == 3);
  try {
    observer.start_nested_run ("failed", Lsobs.RunType.CHAIN, null).wrap (() => { count_to (-1); });
  } catch (IOError e) {
    assert (e is IOError.INVALID_ARGUMENT);
    caught = true;
  }
  assert (caught);
  assert (Lsobs.Run.get_thread_default () == null);
  observer.flush (TIMEOUT, null);
  var events = new HashTable<string,Lsobs.RunEvent> (str_hash, str_equal);
  foreach (var event in transport.dup_events ())
    events[event.get_name ()] = event;
  assert (events["inner"].get_parent_id () == events["outer"].get_id ());
  assert (events["outer"].get_status () == Lsobs.RunStatus.COMPLETED);
  assert (events["failed"].get_error_text () == "below zero");
  assert (events["failed"].get_parent_id () == null);
}

Lsobs.Run? leave_early (Lsobs.Observer observer, Lsobs.Run run) {
  var pusher = new Lsobs.RunPusher (run);
  if (Lsobs.Run.get_thread_default () == run)
    return observer.start_nested_run ("nested", Lsobs.RunType.CHAIN, null);
  return null;
}

// The end of a block pops, however it comes.
void test_pusher () throws Error {
  Lsobs.MemoryTransport transport;
  var observer = new_observer (new Lsobs.Config ("key", "vala"), out transport);
  var run = observer.start_nested_run ("run", Lsobs.RunType.CHAIN, null);
  assert (leave_early (observer, run).dup_parent_id () == run.dup_id ());
  assert (Lsobs.Run.get_thread_default () == null);
  {
    var pusher = new Lsobs.RunPusher (run);
    {
      var none = new Lsobs.RunPusher (null);
      assert (Lsobs.Run.get_thread_default () == null);
    }
    assert (Lsobs.Run.get_thread_default () == run);
  }
  try {
    var pusher = new Lsobs.RunPusher (run);
    count_to (-1);
  } catch (IOError e) {
    assert (Lsobs.Run.get_thread_default () == null);
  }
  assert (Lsobs.Run.get_thread_default () == null);
}

// Two of these take turns. One run is on the stack across the turns, which is no way to find parents
// by, and does no harm; those that go by handle are where they belong.
async void take_turns (Lsobs.Observer observer, string name, int n_turns) {
  var run = observer.start_run (name, Lsobs.RunType.CHAIN);
  var pusher = new Lsobs.RunPusher (run);
  for (int i = 0; i < n_turns; i++) {
    Idle.add (take_turns.callback);
    yield;
    run.start_child (name + "-child", Lsobs.RunType.TOOL).end ();
  }
  run.end ();
}

void test_yield () throws Error {
  Lsobs.MemoryTransport transport;
  var observer = new_observer (new Lsobs.Config ("key", "vala"), out transport);
  var loop = new MainLoop ();
  int n_ended = 0;
  // the first one is over first, and pops below the others
  for (int i = 1; i <= 3; i++)
    take_turns.begin (observer, i.to_string (), i, (object, result) => {
      take_turns.end (result);
      if (++n_ended == 3)
        loop.quit ();
    });
  loop.run ();
  assert (Lsobs.Run.get_thread_default () == null);
  var last = observer.start_nested_run ("last", Lsobs.RunType.CHAIN);
  assert (last.dup_parent_id () == null);
  last.end ();
  observer.flush (TIMEOUT, null);
  var ids = new HashTable<string,string> (str_hash, str_equal);
  foreach (var event in transport.dup_events ())
    ids[event.get_name ()] = event.get_id ();
  int n_children = 0;
  foreach (var event in transport.dup_events ())
    if (event.get_name ().has_suffix ("-child")) {
      assert (event.get_parent_id () == ids[event.get_name ().replace ("-child", "")]);
      n_children++;
    }
  assert (n_children == 6);
}

void test_graph () throws Error {
  Lsobs.MemoryTransport transport;
  var observer = new_observer (new Lsobs.Config ("key", "vala"), out transport);
  Lsobs.GraphObserver graph = observer.begin_invocation ("graph", null);
  graph.on_node_start ("agent", null);
  graph.on_error ("agent", new Lsobs.Error.REJECTED ("broken"));
  ((Lsobs.Invocation) graph).end (null);
  observer.flush (TIMEOUT, null);
  assert (transport.dup_events ().length == 2);
}

void test_sampler () throws Error {
  Lsobs.MemoryTransport transport;
  var config = new Lsobs.Config ("key", "vala");
  config.sampler = new Never ();
  var observer = new_observer (config, out transport);
  observer.start_run ("left-out", Lsobs.RunType.CHAIN, null).end (null);
  observer.flush (TIMEOUT, null);
  assert (transport.dup_events ().length == 0);
}

void test_headers () throws Error {
  Lsobs.MemoryTransport transport;
  var config = new Lsobs.Config ("key", "vala");
  config.trust_incoming_headers = true;
  var observer = new_observer (config, out transport);
  var run = observer.start_run ("call", Lsobs.RunType.TOOL, null);
  HashTable<string,string> headers = run.to_headers ();
  assert (headers["langsmith-trace"] == run.dup_dotted_order ());
  assert (headers["baggage"] == "langsmith-project=vala");
  var served = observer.start_run_from_headers (headers, "served", Lsobs.RunType.CHAIN, null);
  assert (served.dup_parent_id () == run.dup_id ());
  var message = new Soup.Message ("GET", "http://127.0.0.1/");
  run.add_to_message (message);
  assert (message.request_headers.get_one ("baggage") == headers["baggage"]);
  var again = observer.start_run_from_message_headers (message.request_headers, "again",
                                                       Lsobs.RunType.CHAIN, null);
  assert (again.dup_trace_id () == run.dup_id ());
}

async void run_flush_async () throws Error {
  Lsobs.MemoryTransport transport;
  Lsobs.FlushStats stats;
  var observer = new_observer (new Lsobs.Config ("key", "vala"), out transport);
  observer.start_run ("run", Lsobs.RunType.CHAIN, null).end (null);
  assert (yield observer.flush_async (TIMEOUT, null, out stats));
  assert (stats.runs_flushed == 1);
}

void test_flush_async () throws Error {
  var loop = new MainLoop ();
  run_flush_async.begin ((object, result) => {
    try {
      run_flush_async.end (result);
    } catch (Error e) {
      Test.message ("%s", e.message);
      Test.fail ();
    }
    loop.quit ();
  });
  loop.run ();
}

// Both ways to send a message are asynchronous functions; nobody listens at the port.
async void run_send_async () throws Error {
  Lsobs.MemoryTransport transport;
  var observer = new_observer (new Lsobs.Config ("key", "vala"), out transport);
  var session = new Soup.Session ();
  var socket = new Socket (SocketFamily.IPV4, SocketType.STREAM, SocketProtocol.TCP);
  socket.bind (new InetSocketAddress.from_string ("127.0.0.1", 0), false);
  var port = ((InetSocketAddress) socket.get_local_address ()).port;
  int n_caught = 0;
  foreach (var whole in new bool[] { false, true }) {
    var message = new Soup.Message ("POST", @"http://127.0.0.1:$port/v1/chat/completions");
    unowned var run = observer.trace_message (message, new Bytes ("{}".data), null);
    try {
      if (whole)
        yield Lsobs.session_send_and_read_async (session, message, Priority.DEFAULT, null);
      else
        yield Lsobs.session_send_async (session, message, Priority.DEFAULT, null);
    } catch (IOError e) {
      assert (e is IOError.CONNECTION_REFUSED);
      n_caught++;
    }
    assert (run.get_status () == Lsobs.RunStatus.FAILED);
  }
  assert (n_caught == 2);
}

void test_send_async () throws Error {
  var loop = new MainLoop ();
  run_send_async.begin ((object, result) => {
    try {
      run_send_async.end (result);
    } catch (Error e) {
      Test.message ("%s", e.message);
      Test.fail ();
    }
    loop.quit ();
  });
  loop.run ();
}

void test_errors () throws Error {
  Lsobs.MemoryTransport transport;
  bool caught = false;
  var config = new Lsobs.Config ("key", "vala");
  config.redact_regex = "(";
  try {
    config.validate ();
  } catch (Lsobs.Error e) {
    assert (e is Lsobs.Error.INVALID_CONFIG);
    caught = true;
  }
  assert (caught);

  config = new Lsobs.Config ("key", "vala");
  config.max_attempts = 1;
  var observer = new_observer (config, out transport);
  transport.fail_next (1, new Lsobs.Error.REFUSED ("broken"));
  observer.start_run ("lost", Lsobs.RunType.CHAIN, null).end (null);
  caught = false;
  try {
    observer.flush (TIMEOUT, null);
  } catch (Lsobs.FlushError e) {
    assert (e is Lsobs.FlushError.PERMANENT);
    assert (Lsobs.FlushError.get_dropped (e) == 1);
    caught = true;
  }
  assert (caught);
}

// All that a transport must have is a function that sends.
class Lines : Object, Lsobs.Transport {
  public string text = "";
  public Lsobs.RunEventKind[] kinds = {};
  public string[] ids = {};

  public async bool send_async (Lsobs.Batch batch, Cancellable? cancellable) throws Error {
    for (uint i = 0; i < batch.get_n_records (); i++) {
      unowned uint8[] data = batch.get_record_json (i).get_data ();
      kinds += batch.get_record_kind (i);
      ids += batch.get_record_id (i);
      text += "%.*s\n".printf (data.length, data);
    }
    return true;
  }
}

void test_transport () throws Error {
  var lines = new Lines ();
  var config = new Lsobs.Config ("key", "vala");
  config.flush_interval = 3600000;
  var observer = new Lsobs.Observer.with_transport (config, lines);
  var run = observer.start_run ("run", Lsobs.RunType.CHAIN, Json.from_string ("[\"é\"]"));
  assert (observer.flush (TIMEOUT, null));
  run.end (null);
  assert (observer.shutdown (TIMEOUT, null));
  assert (lines.kinds.length == 2);
  assert (lines.kinds[0] == Lsobs.RunEventKind.START);
  assert (lines.kinds[1] == Lsobs.RunEventKind.UPDATE);
  assert (lines.ids[0] == run.dup_id () && lines.ids[1] == run.dup_id ());
  foreach (unowned string line in lines.text.strip ().split ("\n"))
    assert (Json.from_string (line).get_object ().get_string_member ("id") == run.dup_id ());
  assert (lines.text.contains ("é"));
}

const string ANSWER =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"4\"}}]}\n\n" +
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"2\"},\"finish_reason\":\"stop\"}]}\n\n" +
    "data: [DONE]\n\n";
const string REQUEST =
    "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"6*7?\"}]}";

// A model on this machine, in the context of the program.
Soup.Server new_service () throws Error {
  var server = (Soup.Server) Object.new (typeof (Soup.Server));
  server.add_handler ("/v1/chat/completions", (server, message, path, query) => {
    message.set_status (200, null);
    message.set_response ("text/event-stream", Soup.MemoryUse.COPY, ANSWER.data);
  });
  server.listen_local (0, Soup.ServerListenOptions.IPV4_ONLY);
  return server;
}

Soup.Message new_message (Soup.Server server, Bytes body) {
  var address = server.get_uris ().data.to_string ();
  var message = new Soup.Message ("POST", address + "v1/chat/completions?key=telltale");
  message.set_request_body_from_bytes ("application/json", body);
  return message;
}

async void call_model (Lsobs.Observer observer, Soup.Server server) throws Error {
  var session = new Soup.Session ();
  var body = new Bytes (REQUEST.data);
  var message = new_message (server, body);
  var text = new StringBuilder ();
  observer.trace_message (message, body, null).add_tag ("vala");
  var stream = yield Lsobs.session_send_async (session, message, Priority.DEFAULT, null);
  for (;;) {
    var bytes = yield stream.read_bytes_async (7);
    if (bytes.get_size () == 0)
      break;
    text.append_len ((string) bytes.get_data (), (ssize_t) bytes.get_size ());
  }
  assert (text.str == ANSWER);

  message = new_message (server, body);
  observer.trace_message (message, body, null);
  var whole = yield Lsobs.session_send_and_read_async (session, message, Priority.DEFAULT, null);
  assert (whole.compare (new Bytes (ANSWER.data)) == 0);
}

void test_model_call () throws Error {
  Lsobs.MemoryTransport transport;
  var observer = new_observer (new Lsobs.Config ("key", "vala"), out transport);
  var loop = new MainLoop ();
  var server = new_service ();
  Error? problem = null;
  call_model.begin (observer, server, (source, result) => {
    try {
      call_model.end (result);
    } catch (Error e) {
      problem = e;
    }
    loop.quit ();
  });
  loop.run ();
  server.disconnect ();
  if (problem != null)
    throw problem;

  var call = new Lsobs.ModelCall (observer, null, "http://localhost/v1/chat/completions",
                                  new Bytes (REQUEST.data));
  call.feed (ANSWER.data);
  call.finish (200);
  assert (observer.flush (TIMEOUT, null));
  assert (transport.dup_events ().length == 3);
  foreach (var event in transport.dup_events ()) {
    assert (event.get_name () == "chat m");
    assert (event.get_error_text () == null);
    assert ("\"42\"" in Json.to_string (event.get_outputs (), false));
    assert (!("telltale" in Json.to_string (event.get_extra (), false)));
  }
}

delegate void TestFunc () throws Error;

void add (string path, owned TestFunc func) {
  Test.add_data_func (path, () => {
    try {
      func ();
    } catch (Error e) {
      Test.message ("%s", e.message);
      Test.fail ();
    }
  });
}

void main (string[] args) {
  Test.init (ref args);
  add ("/vala/run", test_run);
  add ("/vala/wrap", test_wrap);
  add ("/vala/pusher", test_pusher);
  add ("/vala/yield", test_yield);
  add ("/vala/graph", test_graph);
  add ("/vala/sampler", test_sampler);
  add ("/vala/headers", test_headers);
  add ("/vala/flush-async", test_flush_async);
  add ("/vala/send-async", test_send_async);
  add ("/vala/errors", test_errors);
  add ("/vala/transport", test_transport);
  add ("/vala/model-call", test_model_call);
  Test.run ();
}
