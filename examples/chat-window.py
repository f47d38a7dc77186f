#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A chat window, traced.

Answers come as a stream, the model may ask a clock, the user may cancel an answer, and says with a
thumb what it was worth. It speaks the chat completions API of OpenAI, as do Ollama, llama.cpp and
vLLM:

    LANGSMITH_TRACING=true LANGSMITH_API_KEY=... \\
      OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=qwen3 python3 chat-window.py

Each question becomes a trace: a run for the question, and below it one for each call of the model,
which is made of the request and the stream, and one for each look at the clock. Tracing is in the
lines that end with "lsobs", and nowhere else. Without LANGSMITH_TRACING the program runs just the
same, and sends nothing.
"""

import datetime
import json
import os
import sys
import threading
import zoneinfo

import gi

gi.require_version('Gdk', '4.0')
gi.require_version('Gtk', '4.0')
gi.require_version('Soup', '3.0')
gi.require_version('Lsobs', '1.0')  # lsobs
# pylint: disable=wrong-import-position
from gi.repository import Gdk, Gio, GLib, GObject, Gtk, Pango, Soup
from gi.repository import Lsobs  # lsobs

INSTRUCTIONS = 'Answer in a few sentences. Ask the clock for the date and the time.'

TOOLS = [{'type': 'function', 'function': {
    'name': 'clock', 'description': 'Tells the date and the time.',
    'parameters': {'type': 'object', 'properties': {'timezone': {
        'type': 'string',
        'description': 'Such as Europe/Oslo. Without it, the time is that of the user.'}}}}}]

MAX_TURNS = 8

STYLE = """
  .bubble { padding: 10px 16px; border-radius: 18px; }
  .question { background: @theme_selected_bg_color; color: @theme_selected_fg_color; }
  .answer { background: alpha(currentColor, 0.08); }
  .problem { color: mix(@error_color, @theme_fg_color, 0.4); }
"""


class ChatError(Exception):
    """There is no answer, or no result of a tool."""


# --- the model -----------------------------------------------------------------------------------

def to_text(value):
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'))


def parse(text):
    """JSON, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def get(value, *names):
    """A member of a member, or None: a service may say anything."""
    for name in names:
        try:
            value = value[name]
        except (IndexError, KeyError, TypeError):
            return None
    return value


def call_tool(name, arguments):
    """What is wrong with a call is a result, too: the model can do better then."""
    if name != 'clock':
        return {'error': f'there is no tool named {name}'}
    if arguments is None:
        return {'error': 'the arguments are no JSON'}
    zone = get(arguments, 'timezone')
    try:
        now = datetime.datetime.now(zoneinfo.ZoneInfo(zone)) if zone else datetime.datetime.now().astimezone()
    except (TypeError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return {'error': f'there is no time zone named {zone}'}
    return {'time': now.strftime('%A, %F %R %Z')}


class Reply:
    """The reply of the model, put together from the events of its stream."""

    def __init__(self):
        self.message = {'role': 'assistant', 'content': ''}
        self.is_complete = False

    def add_call(self, delta):
        """The id and the name of a call come once, its arguments in pieces."""
        calls = self.message.setdefault('tool_calls', [])
        index = get(delta, 'index')
        if not isinstance(index, int) or not 0 <= index < len(calls):
            delta.pop('index', None)
            calls.append(delta)
            return
        function = calls[index]['function']
        function['arguments'] = function.get('arguments', '') + (get(delta, 'function', 'arguments') or '')

    def add_event(self, data):
        """Returns the text that is new."""
        event = json.loads(data)
        if get(event, 'error') is not None:
            raise ChatError(get(event, 'error', 'message'))
        choice = get(event, 'choices', 0)
        if get(choice, 'finish_reason'):
            self.is_complete = True
        for call in get(choice, 'delta', 'tool_calls') or []:
            self.add_call(call)
        text = get(choice, 'delta', 'content') or ''
        self.message['content'] += text
        return text


class Conversation:
    """What has been said, and the service that answers."""

    def __init__(self):
        base = os.environ.get('OPENAI_BASE_URL', 'https://api.openai.com/v1')
        self.url = base.rstrip('/') + '/chat/completions'
        if Soup.Message.new('POST', self.url) is None:
            raise ChatError(f'{base} is no address of a service')
        self.key = os.environ.get('OPENAI_API_KEY')
        self.model = os.environ.get('OPENAI_MODEL', 'gpt-5.4-mini')
        self.messages = [{'role': 'system', 'content': INSTRUCTIONS}]


class Turn:
    """One question, which is asked in a thread. The answer is shown as it comes."""

    def __init__(self, conversation, answer, cancellable):
        self.conversation = conversation
        self.answer = answer
        self.cancellable = cancellable
        self.session = Soup.Session()

    def show(self, function, *arguments):
        # GTK is for the main thread
        GLib.idle_add(lambda: function(*arguments))

    def new_body(self):
        return to_text({'model': self.conversation.model, 'messages': self.conversation.messages,
                        'tools': TOOLS, 'stream': True,
                        'stream_options': {'include_usage': True}}).encode()

    def new_request(self, body):
        message = Soup.Message.new('POST', self.conversation.url)
        message.set_request_body_from_bytes('application/json', GLib.Bytes.new(body))
        # the key is for this service only
        message.add_flags(Soup.MessageFlags.NO_REDIRECT)
        if self.conversation.key is not None:
            message.get_request_headers().replace('Authorization', f'Bearer {self.conversation.key}')
        return message

    def read_reply(self, message, stream):
        reply = Reply()
        lines = Gio.DataInputStream.new(stream)
        problem = ''
        while (line := lines.read_line_utf8(self.cancellable)[0]) is not None:
            if message.props.status_code != 200:
                problem += line
            elif line.startswith('data:') and line[5:].strip() != '[DONE]':
                self.show(self.answer.append_text, reply.add_event(line[5:]))
        if message.props.status_code != 200:
            raise ChatError(get(parse(problem), 'error', 'message')
                            or f'The service answers with the status {message.props.status_code}')
        if not reply.is_complete:
            raise ChatError('The answer has not come to its end')
        return reply.message

    @Lsobs.traced(name='chat-window')  # lsobs
    def ask(self, content):
        """Returns the last message of the model."""
        messages = self.conversation.messages
        run = Lsobs.get_current_run()  # lsobs
        self.answer.rate_func = lambda score: run.add_feedback('user_score', score)  # lsobs
        messages.append({'role': 'user', 'content': content})
        for _ in range(MAX_TURNS):
            body = self.new_body()
            message = self.new_request(body)
            Lsobs.get_default_observer().trace_message(message, body)  # lsobs
            stream = Lsobs.session_send(self.session, message, self.cancellable)  # lsobs
            said = self.read_reply(message, stream)
            messages.append(said)
            if 'tool_calls' not in said:
                return said
            for call in said['tool_calls']:
                name = get(call, 'function', 'name')
                arguments = parse(get(call, 'function', 'arguments'))
                tool = run.start_child(name, arguments, 'tool')  # lsobs
                result = call_tool(name, arguments)
                tool.end(result)  # lsobs
                text = to_text(result)
                self.show(self.answer.add_note, f'{name}: {text}')
                messages.append({'role': 'tool', 'content': text, 'tool_call_id': get(call, 'id')})
        raise ChatError(f'No answer after {MAX_TURNS} turns')

    def run(self, content, done):
        """What was said is forgotten if the answer fails."""
        n_messages = len(self.conversation.messages)
        problem = None
        try:
            self.ask(content)
        except GLib.Error as error:
            problem = error.message
            if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED):
                problem = 'Cancelled'
        except Exception as error:  # pylint: disable=broad-except
            problem = str(error)
        if problem is not None:
            del self.conversation.messages[n_messages:]
        self.show(done, problem)


# --- the window ----------------------------------------------------------------------------------

def set_name(widget, name):
    """What a screen reader says."""
    widget.update_property([Gtk.AccessibleProperty.LABEL], [name])


def new_thumb(text, name, clicked):
    button = Gtk.Button(label=text, tooltip_text=name)
    set_name(button, name)
    button.add_css_class('flat')
    button.add_css_class('circular')
    button.connect('clicked', lambda _button: clicked())
    return button


class Bubble(Gtk.Box):
    def __init__(self, name, style, side):
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=4, halign=side,
                         accessible_role=Gtk.AccessibleRole.GROUP)
        set_name(self, name)
        self.label = Gtk.Label(wrap=True, wrap_mode=Pango.WrapMode.WORD_CHAR, selectable=True,
                               max_width_chars=46, xalign=0, halign=side)
        self.label.add_css_class('bubble')
        self.label.add_css_class(style)
        self.append(self.label)


class Question(Bubble):
    def __init__(self, text):
        super().__init__('Question', 'question', Gtk.Align.END)
        self.label.set_label(text)


class Answer(Bubble):
    def __init__(self):
        super().__init__('Answer', 'answer', Gtk.Align.START)
        self.label.set_visible(False)
        self.spinner = Gtk.Spinner(spinning=True, halign=Gtk.Align.START, margin_start=16)
        self.append(self.spinner)
        self.thumbs = Gtk.Box(visible=False)
        self.up = new_thumb('👍', 'Good answer', lambda: self.rate(1))
        self.down = new_thumb('👎', 'Bad answer', lambda: self.rate(0))
        self.thumbs.append(self.up)
        self.thumbs.append(self.down)
        self.append(self.thumbs)
        self.has_new_note = False
        self.rate_func = None

    def rate(self, score):
        """One word is enough: the thumb that is left shows which it was."""
        self.up.set_visible(score > 0)
        self.down.set_visible(score == 0)
        self.thumbs.set_sensitive(False)
        if self.rate_func is not None:
            self.rate_func(score)

    def append_text(self, text):
        """What is said after the use of a tool is a paragraph of its own."""
        if text == '':
            return
        gap = '\n\n' if self.has_new_note and self.label.get_visible() else ''
        self.label.set_label(self.label.get_label() + gap + text)
        self.label.set_visible(True)
        self.has_new_note = False

    def insert_note(self, text, style, sibling):
        note = Gtk.Label(label=text, wrap=True, wrap_mode=Pango.WrapMode.WORD_CHAR, max_width_chars=46,
                         xalign=0, margin_start=16, margin_end=16)
        note.add_css_class('caption')
        note.add_css_class(style)
        self.insert_child_after(note, sibling)

    def add_note(self, text):
        """What was done before the text."""
        self.insert_note(text, 'dim-label', self.label.get_prev_sibling())
        self.has_new_note = True

    def add_problem(self, text):
        self.insert_note(text, 'problem', self.label)

    def finish(self):
        self.spinner.set_visible(False)
        self.thumbs.set_visible(True)


class ChatWindow(Gtk.ApplicationWindow):
    def __init__(self, program, conversation):
        super().__init__(application=program, title=f'Chat with {conversation.model}',
                         default_width=480, default_height=640)
        self.conversation = conversation
        self.cancellable = None  # of the answer that is coming
        self.list = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, margin_top=18,
                            margin_bottom=18, margin_start=18, margin_end=18, vexpand=True)
        self.entry = Gtk.Entry(hexpand=True, placeholder_text='Ask something')
        self.send_action = self.new_action('send', self.send)
        self.cancel_action = self.new_action('cancel', lambda: self.cancellable.cancel())
        self.is_at_end = True
        content = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        content.append(self.new_view())
        content.append(self.new_row())
        self.set_titlebar(Gtk.HeaderBar())
        self.set_child(content)
        self.set_cancellable(None)
        self.connect('close-request', self.close_request)

    def new_action(self, name, activate):
        action = Gio.SimpleAction.new(name, None)
        action.connect('activate', lambda *_: activate())
        self.add_action(action)
        return action

    def new_view(self):
        """Shows the end of the conversation, unless the user has scrolled up."""
        view = Gtk.ScrolledWindow(child=self.list, vexpand=True, hscrollbar_policy=Gtk.PolicyType.NEVER)
        view.get_vadjustment().connect('value-changed', self.look_where)
        view.get_vadjustment().connect('changed', self.scroll)
        return view

    def look_where(self, adjustment):
        end = adjustment.get_upper() - adjustment.get_page_size()
        self.is_at_end = adjustment.get_value() >= end - 1

    def scroll(self, adjustment):
        # the sizes are being set: GTK shows the value only if it is set later
        if self.is_at_end:
            GLib.idle_add(lambda: adjustment.set_value(
                adjustment.get_upper() - adjustment.get_page_size()))

    def new_row(self):
        row = Gtk.Box(spacing=6, margin_top=6, margin_bottom=6, margin_start=6, margin_end=6)
        send_button = Gtk.Button(label='Send', action_name='win.send')
        cancel_button = Gtk.Button(label='Cancel', action_name='win.cancel')
        send_button.add_css_class('suggested-action')
        for action, button in ((self.send_action, send_button), (self.cancel_action, cancel_button)):
            action.bind_property('enabled', button, 'visible', GObject.BindingFlags.SYNC_CREATE)
        set_name(self.entry, 'Question')
        self.entry.connect('activate', lambda _entry: self.activate_action('win.send', None))
        row.append(self.entry)
        row.append(send_button)
        row.append(cancel_button)
        return row

    def set_cancellable(self, cancellable):
        self.cancellable = cancellable
        self.send_action.set_enabled(cancellable is None)
        self.cancel_action.set_enabled(cancellable is not None)
        self.entry.grab_focus()

    def close_request(self, _window):
        if self.cancellable is not None:
            self.cancellable.cancel()
        return False

    def send(self):
        question = self.entry.get_text().strip()
        if question == '':
            return
        answer = Answer()
        program = self.get_application()
        self.entry.set_text('')
        self.list.append(Question(question))
        self.list.append(answer)
        self.set_cancellable(Gio.Cancellable())
        # without its windows, the program waits until the answer is cancelled
        program.hold()

        def done(problem):
            if problem is not None:
                answer.add_problem(problem)
            answer.finish()
            self.set_cancellable(None)
            program.release()

        turn = Turn(self.conversation, answer, self.cancellable)
        threading.Thread(target=turn.run, args=(question, done)).start()


class Program(Gtk.Application):
    def __init__(self):
        super().__init__(application_id='org.example.ChatWindow')
        self.status = 0

    def do_startup(self):
        Gtk.Application.do_startup(self)
        provider = Gtk.CssProvider()
        if Gtk.get_minor_version() >= 9:
            provider.load_from_data(STYLE, -1)
        else:
            provider.load_from_data(STYLE.encode())
        Gtk.StyleContext.add_provider_for_display(Gdk.Display.get_default(), provider,
                                                  Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)
        self.set_accels_for_action('win.cancel', ['Escape'])

    def do_activate(self):
        try:
            ChatWindow(self, Conversation()).present()
        except ChatError as problem:
            print(problem, file=sys.stderr)
            self.status = 1


if __name__ == '__main__':
    program = Program()
    sys.exit(program.run(sys.argv) or program.status)
