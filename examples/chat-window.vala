// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A chat window, traced: answers come as a stream, the model may ask a clock, the user may cancel
// an answer, and says with a thumb what it was worth. It speaks the chat completions API of OpenAI,
// as do Ollama, llama.cpp and vLLM:
//
//   valac --pkg gtk4 --pkg lsobs -X -lm chat-window.vala
//   LANGSMITH_TRACING=true LANGSMITH_API_KEY=… \
//     OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=qwen3 ./chat-window
//
// Each question becomes a trace: a run for the question, and below it one for each call of the
// model, which lsobs makes of the request and the stream, and one for each look at the clock.
// Tracing is in the lines that end with "lsobs", and nowhere else. Without LANGSMITH_TRACING the
// program runs just the same, and sends nothing.

const string INSTRUCTIONS = "Answer in a few sentences. Ask the clock for the date and the time.";

const string TOOLS = """[{"type": "function", "function": {
  "name": "clock", "description": "Tells the date and the time.",
  "parameters": {"type": "object", "properties": {"timezone": {"type": "string",
    "description": "Such as Europe/Oslo. Without it, the time is that of the user."}}}}}]""";

const int MAX_TURNS = 8;

const string STYLE = """
  .bubble { padding: 10px 16px; border-radius: 18px; }
  .question { background: @theme_selected_bg_color; color: @theme_selected_fg_color; }
  .answer { background: alpha(currentColor, 0.08); }
  .problem { color: mix(@error_color, @theme_fg_color, 0.4); }
""";

errordomain ChatError {
  SERVICE,
  TOOL,
  INCOMPLETE,
  TOO_MANY_TURNS
}

// --- JSON: a service may say anything, and what is of another type than wanted is empty --------

Json.Object as_object (Json.Node? node) {
  return node != null && node.get_node_type () == Json.NodeType.OBJECT ? node.get_object ()
                                                                       : new Json.Object ();
}

Json.Object get_object (Json.Object object, string name) {
  return as_object (object.get_member (name));
}

Json.Array get_array (Json.Object object, string name) {
  unowned var node = object.get_member (name);
  return node != null && node.get_node_type () == Json.NodeType.ARRAY ? node.get_array ()
                                                                      : new Json.Array ();
}

string get_text (Json.Object object, string name) {
  unowned var node = object.get_member (name);
  return node != null && node.get_value_type () == typeof (string) ? node.get_string () : "";
}

Json.Node? parse (string text) {
  try {
    return Json.from_string (text);
  } catch (Error e) {
    return null;
  }
}

Json.Node new_message (string role, string content, string? call_id = null) {
  var message = new Json.Object ();
  message.set_string_member ("role", role);
  message.set_string_member ("content", content);
  if (call_id != null)
    message.set_string_member ("tool_call_id", call_id);
  return new Json.Node.alloc ().init_object (message);
}

// --- the model -------------------------------------------------------------------------------

// What is wrong with a call is a result, too: the model can do better then.
Json.Node call_tool (string name, Json.Node? arguments) {
  var result = new Json.Object ();
  try {
    if (name != "clock")
      throw new ChatError.TOOL (@"there is no tool named $name");
    if (arguments == null)
      throw new ChatError.TOOL ("the arguments are no JSON");
    var id = get_text (as_object (arguments), "timezone");
    var zone = id != "" ? new TimeZone.identifier (id) : new TimeZone.local ();
    result.set_string_member ("time", new DateTime.now (zone).format ("%A, %F %R %Z"));
  } catch (Error e) {
    result.set_string_member ("error", e.message);
  }
  return new Json.Node.alloc ().init_object (result);
}

// The reply of the model, put together from the events of its stream.
class Reply {
  StringBuilder content = new StringBuilder ();
  Json.Array calls = new Json.Array ();
  public bool is_complete;

  // The id and the name of a call come once, its arguments in pieces.
  void add_call (Json.Object delta) {
    var index = delta.get_int_member_with_default ("index", 0);
    if (index < 0 || index >= calls.get_length ()) {
      delta.remove_member ("index");
      calls.add_object_element (delta);
      return;
    }
    var function = get_object (calls.get_object_element ((uint) index), "function");
    var piece = get_text (get_object (delta, "function"), "arguments");
    function.set_string_member ("arguments", get_text (function, "arguments") + piece);
  }

  // Returns the text that is new.
  public string add_event (string data) throws Error {
    var event = as_object (Json.from_string (data));
    if (event.has_member ("error"))
      throw new ChatError.SERVICE (get_text (get_object (event, "error"), "message"));
    var choices = get_array (event, "choices");
    if (choices.get_length () == 0)
      return "";
    var choice = as_object (choices.get_element (0));
    if (get_text (choice, "finish_reason") != "")
      is_complete = true;
    var delta = get_object (choice, "delta");
    foreach (unowned var call in get_array (delta, "tool_calls").get_elements ())
      add_call (as_object (call));
    var text = get_text (delta, "content");
    content.append (text);
    return text;
  }

  public Json.Node to_message () {
    var message = new_message ("assistant", content.str);
    if (calls.get_length () > 0)
      message.get_object ().set_array_member ("tool_calls", calls);
    return message;
  }
}

// What has been said, and the service that answers.
class Conversation {
  Lsobs.Observer observer; // lsobs
  Soup.Session session = new Soup.Session ();
  Json.Array messages = new Json.Array ();
  string url;
  string? key = Environment.get_variable ("OPENAI_API_KEY");
  public string model { get; private set; }

  public Conversation () throws Error {
    observer = new Lsobs.Observer (new Lsobs.Config.from_environment ()); // lsobs
    var base_url = Environment.get_variable ("OPENAI_BASE_URL") ?? "https://api.openai.com/v1";
    url = base_url + (base_url.has_suffix ("/") ? "" : "/") + "chat/completions";
    if (new Soup.Message ("POST", url) == null)
      throw new ChatError.SERVICE (@"$base_url is no address of a service");
    model = Environment.get_variable ("OPENAI_MODEL") ?? "gpt-5.4-mini";
    messages.add_element (new_message ("system", INSTRUCTIONS));
  }

  Bytes new_body () throws Error {
    var request = new Json.Object ();
    request.set_string_member ("model", model);
    request.set_array_member ("messages", messages);
    request.set_member ("tools", Json.from_string (TOOLS));
    request.set_boolean_member ("stream", true);
    request.set_member ("stream_options", Json.from_string ("""{"include_usage": true}"""));
    return new Bytes (Json.to_string (new Json.Node.alloc ().init_object (request), false).data);
  }

  Soup.Message new_request (Bytes body) {
    var message = new Soup.Message ("POST", url);
    message.set_request_body_from_bytes ("application/json", body);
    // the key is for this service only
    message.add_flags (Soup.MessageFlags.NO_REDIRECT);
    if (key != null)
      message.request_headers.replace ("Authorization", @"Bearer $key");
    return message;
  }

  // What the service says of an error, or else what the status says.
  static string explain (Soup.Message message, string answer) {
    var text = get_text (get_object (as_object (parse (answer)), "error"), "message");
    return text != "" ? text : @"The service answers with the status $(message.status_code)";
  }

  async Reply read_reply (Soup.Message message, InputStream stream, Answer answer,
                          Cancellable cancellable) throws Error {
    var reply = new Reply ();
    var lines = new DataInputStream (stream);
    var problem = new StringBuilder ();
    string? line;
    while ((line = yield lines.read_line_utf8_async (0, cancellable, null)) != null)
      if (message.status_code != 200)
        problem.append (line);
      else if (line.has_prefix ("data:") && line.substring (5).strip () != "[DONE]")
        answer.append_text (reply.add_event (line.substring (5)));
    if (message.status_code != 200)
      throw new ChatError.SERVICE (explain (message, problem.str));
    if (!reply.is_complete)
      throw new ChatError.INCOMPLETE ("The answer has not come to its end");
    return reply;
  }

  // The answer is shown as it comes. What was said is forgotten if it fails.
  public async void ask (string text, Answer answer, Cancellable cancellable) throws Error {
    var n_messages = messages.get_length ();
    var question = new_message ("user", text);
    var run = observer.start_run ("chat-window", Lsobs.RunType.CHAIN, question); // lsobs
    answer.rate_func = score => run.add_feedback ("user_score", score, null); // lsobs
    messages.add_element (question.copy ());
    try {
      for (int turn = 0; turn < MAX_TURNS; turn++) {
        var body = new_body ();
        var message = new_request (body);
        observer.trace_message (message, body, run); // lsobs
        var stream = yield Lsobs.session_send_async (session, message, 0, cancellable); // lsobs
        var reply = yield read_reply (message, stream, answer, cancellable);
        var said = reply.to_message ();
        messages.add_element (said.copy ());
        if (!said.get_object ().has_member ("tool_calls")) {
          run.end (said); // lsobs
          return;
        }
        foreach (unowned var node in get_array (said.get_object (), "tool_calls").get_elements ()) {
          var call = as_object (node);
          var function = get_object (call, "function");
          var name = get_text (function, "name");
          var arguments = parse (get_text (function, "arguments"));
          var tool = run.start_child (name, Lsobs.RunType.TOOL, arguments); // lsobs
          var result = call_tool (name, arguments);
          tool.end (result); // lsobs
          var content = Json.to_string (result, false);
          answer.add_note (@"$name: $content");
          messages.add_element (new_message ("tool", content, get_text (call, "id")));
        }
      }
      throw new ChatError.TOO_MANY_TURNS ("No answer after %d turns", MAX_TURNS);
    } catch (Error e) {
      run.fail (e); // lsobs
      while (messages.get_length () > n_messages)
        messages.remove_element (n_messages);
      throw e;
    }
  }
}

// --- the window ------------------------------------------------------------------------------

delegate void RateFunc (double score) throws Error;

// A thumb up or down, drawn in the colour of texts.
class Thumb : Gtk.Button {
  public Thumb (bool is_up) {
    var drawing = new Gtk.DrawingArea () {
      content_width = 18, content_height = 18, halign = Gtk.Align.CENTER, valign = Gtk.Align.CENTER
    };
    drawing.set_draw_func ((area, cr, width, height) => {
      Gdk.cairo_set_source_rgba (cr, area.get_style_context ().get_color ());
      cr.translate (0, is_up ? 0 : height);
      cr.scale (width / 18.0, is_up ? height / 18.0 : -height / 18.0);
      draw (cr);
    });
    child = drawing;
    tooltip_text = is_up ? "Good answer" : "Bad answer";
    update_property (Gtk.AccessibleProperty.LABEL, tooltip_text, -1);
    add_css_class ("flat");
    add_css_class ("circular");
  }

  static void draw (Cairo.Context cr) {
    cr.set_line_width (1.25);
    cr.set_line_join (Cairo.LineJoin.ROUND);
    cr.rectangle (1.5, 8, 3, 8);
    cr.move_to (6.5, 8.5);
    cr.line_to (9.5, 1.75);
    cr.curve_to (12, 1.75, 11.5, 4.5, 11, 7);
    cr.line_to (15, 7);
    cr.curve_to (16.5, 7, 16.75, 8, 16.5, 9);
    cr.line_to (15.25, 14.5);
    cr.curve_to (15, 15.5, 14.5, 16, 13.5, 16);
    cr.line_to (8.5, 16);
    cr.line_to (6.5, 15);
    cr.close_path ();
    cr.stroke ();
  }
}

class Bubble : Gtk.Box {
  protected Gtk.Label label = new Gtk.Label ("");

  public Bubble (string name, string style, Gtk.Align side) {
    Object (orientation: Gtk.Orientation.VERTICAL, spacing: 4, halign: side,
            accessible_role: Gtk.AccessibleRole.GROUP);
    update_property (Gtk.AccessibleProperty.LABEL, name, -1);
    label.wrap = true;
    label.wrap_mode = Pango.WrapMode.WORD_CHAR;
    label.selectable = true;
    label.max_width_chars = 46;
    label.xalign = 0;
    label.halign = side;
    label.add_css_class ("bubble");
    label.add_css_class (style);
    append (label);
  }
}

class Question : Bubble {
  public Question (string text) {
    base ("Question", "question", Gtk.Align.END);
    label.label = text;
  }
}

class Answer : Bubble {
  Gtk.Spinner spinner = new Gtk.Spinner () {
    spinning = true, halign = Gtk.Align.START, margin_start = 16
  };
  Gtk.Box thumbs = new Gtk.Box (Gtk.Orientation.HORIZONTAL, 0) { visible = false };
  Thumb up = new Thumb (true);
  Thumb down = new Thumb (false);
  bool has_new_note;
  public RateFunc? rate_func;

  public Answer () {
    base ("Answer", "answer", Gtk.Align.START);
    label.visible = false;
    append (spinner);
    up.clicked.connect (() => rate (1));
    down.clicked.connect (() => rate (0));
    thumbs.append (up);
    thumbs.append (down);
    append (thumbs);
  }

  // One word is enough: the thumb that is left shows which it was.
  void rate (double score) {
    up.visible = score > 0;
    down.visible = score == 0;
    thumbs.sensitive = false;
    try {
      if (rate_func != null)
        rate_func (score);
    } catch (Error e) {
      add_problem (e.message);
    }
  }

  // What is said after the use of a tool is a paragraph of its own.
  public void append_text (string text) {
    if (text == "")
      return;
    label.label += has_new_note && label.visible ? "\n\n" + text : text;
    label.visible = true;
    has_new_note = false;
  }

  void insert_note (string text, string style, Gtk.Widget? sibling) {
    var note = new Gtk.Label (text) {
      wrap = true, wrap_mode = Pango.WrapMode.WORD_CHAR, max_width_chars = 46, xalign = 0,
      margin_start = 16, margin_end = 16
    };
    note.add_css_class ("caption");
    note.add_css_class (style);
    insert_child_after (note, sibling);
  }

  // What was done before the text.
  public void add_note (string text) {
    insert_note (text, "dim-label", label.get_prev_sibling ());
    has_new_note = true;
  }

  public void add_problem (string text) {
    insert_note (text, "problem", label);
  }

  public void finish () {
    spinner.visible = false;
    thumbs.visible = true;
  }
}

class ChatWindow : Gtk.ApplicationWindow {
  Conversation conversation;
  Cancellable? cancellable; // of the answer that is coming
  Gtk.Box list = new Gtk.Box (Gtk.Orientation.VERTICAL, 12) {
    margin_top = 18, margin_bottom = 18, margin_start = 18, margin_end = 18, vexpand = true
  };
  Gtk.Entry entry = new Gtk.Entry () { hexpand = true, placeholder_text = "Ask something" };
  SimpleAction send_action = new SimpleAction ("send", null);
  SimpleAction cancel_action = new SimpleAction ("cancel", null);

  public ChatWindow (Gtk.Application application, Conversation conversation) {
    Object (application: application, title: @"Chat with $(conversation.model)",
            default_width: 480, default_height: 640);
    this.conversation = conversation;
    var content = new Gtk.Box (Gtk.Orientation.VERTICAL, 0);
    content.append (new_view ());
    content.append (new_row ());
    titlebar = new Gtk.HeaderBar ();
    child = content;
    send_action.activate.connect (() => send.begin ());
    cancel_action.activate.connect (() => cancellable.cancel ());
    add_action (send_action);
    add_action (cancel_action);
    set_cancellable (null);
  }

  // Shows the end of the conversation, unless the user has scrolled up.
  Gtk.Widget new_view () {
    var view = new Gtk.ScrolledWindow () { child = list, vexpand = true };
    var is_at_end = true;
    view.hscrollbar_policy = Gtk.PolicyType.NEVER;
    view.vadjustment.value_changed.connect (adjustment => {
      is_at_end = adjustment.value + adjustment.page_size >= adjustment.upper - 1;
    });
    // the sizes are being set: GTK shows the value only if it is set later
    view.vadjustment.changed.connect (adjustment => {
      if (is_at_end)
        Idle.add (() => {
          adjustment.value = adjustment.upper - adjustment.page_size;
          return Source.REMOVE;
        });
    });
    return view;
  }

  Gtk.Widget new_row () {
    var row = new Gtk.Box (Gtk.Orientation.HORIZONTAL, 6) {
      margin_top = 6, margin_bottom = 6, margin_start = 6, margin_end = 6
    };
    var send_button = new Gtk.Button.with_label ("Send") { action_name = "win.send" };
    var cancel_button = new Gtk.Button.with_label ("Cancel") { action_name = "win.cancel" };
    send_button.add_css_class ("suggested-action");
    send_action.bind_property ("enabled", send_button, "visible", BindingFlags.SYNC_CREATE);
    cancel_action.bind_property ("enabled", cancel_button, "visible", BindingFlags.SYNC_CREATE);
    entry.update_property (Gtk.AccessibleProperty.LABEL, "Question", -1);
    entry.activate.connect (() => activate_action ("win.send", null));
    row.append (entry);
    row.append (send_button);
    row.append (cancel_button);
    return row;
  }

  void set_cancellable (Cancellable? cancellable) {
    this.cancellable = cancellable;
    send_action.set_enabled (cancellable == null);
    cancel_action.set_enabled (cancellable != null);
    entry.grab_focus ();
  }

  public override bool close_request () {
    if (cancellable != null)
      cancellable.cancel ();
    return base.close_request ();
  }

  async void send () {
    var question = entry.text.strip ();
    if (question == "")
      return;
    var answer = new Answer ();
    var program = application;
    entry.text = "";
    list.append (new Question (question));
    list.append (answer);
    set_cancellable (new Cancellable ());
    // without its windows, the program waits until the answer is cancelled
    program.hold ();
    try {
      yield conversation.ask (question, answer, cancellable);
    } catch (Error e) {
      answer.add_problem ((e is IOError.CANCELLED) ? "Cancelled" : e.message);
    }
    answer.finish ();
    set_cancellable (null);
    program.release ();
  }
}

// Versions of the bindings differ in what the function of GTK takes.
[CCode (cname = "gtk_css_provider_load_from_data")]
extern void load_style (Gtk.CssProvider provider, string style, ssize_t length);

int main (string[] args) {
  int status = 0;
  var program = new Gtk.Application ("org.example.ChatWindow", ApplicationFlags.FLAGS_NONE);
  program.startup.connect (() => {
    var provider = new Gtk.CssProvider ();
    load_style (provider, STYLE, -1);
    Gtk.StyleContext.add_provider_for_display (Gdk.Display.get_default (), provider,
                                               Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION);
    program.set_accels_for_action ("win.cancel", { "Escape" });
  });
  program.activate.connect (() => {
    try {
      new ChatWindow (program, new Conversation ()).present ();
    } catch (Error e) {
      stderr.printf ("%s\n", e.message);
      status = 1;
    }
  });
  return program.run (args) | status;
}
