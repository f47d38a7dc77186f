#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A call of a model whose answer comes as a stream, traced. It speaks the chat completions API of
// OpenAI, as do Ollama, llama.cpp and vLLM. The same program is in model-call.vala.
//
//   LANGSMITH_TRACING=true LANGSMITH_API_KEY=... \
//     OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=qwen3 gjs -m model-call.js 'How far is the moon?'
//
// The trace has a run for the question, and below it one for the call, which lsobs makes of the
// request and of the stream. Without LANGSMITH_TRACING the program runs just the same, and sends
// nothing.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lsobs from 'gi://Lsobs?version=1.0';
import Soup from 'gi://Soup?version=3.0';
import {exit, programArgs} from 'system';

Gio._promisify(Gio.DataInputStream.prototype, 'read_line_async', 'read_line_finish_utf8');

const FLUSH_TIMEOUT_MS = 5000;

const getSetting = (name, defaultValue) => GLib.getenv(name) ?? defaultValue;
const observer = Lsobs.get_default_observer();
const session = new Soup.Session();
const output = Gio.File.new_for_path('/dev/stdout').append_to(Gio.FileCreateFlags.NONE, null);

// The run goes by handle: after an await, the engine does not tell whose turn it is.
async function callModel(run, question) {
    const body = new GLib.Bytes(new TextEncoder().encode(JSON.stringify({
        model: getSetting('OPENAI_MODEL', 'gpt-5.4-mini'),
        stream: true, stream_options: {include_usage: true},
        messages: [{role: 'user', content: question}],
    })));
    const base = getSetting('OPENAI_BASE_URL', 'https://api.openai.com/v1');
    const message = Soup.Message.new('POST', `${base}/chat/completions`);
    message.set_request_body_from_bytes('application/json', body);
    message.get_request_headers().append('Authorization', `Bearer ${getSetting('OPENAI_API_KEY', '')}`);

    observer.trace_message(message, body, run);
    const stream = await Lsobs.session_send_async(session, message, GLib.PRIORITY_DEFAULT, null);
    const lines = new Gio.DataInputStream({base_stream: stream});
    let answer = '';
    try {
        for (;;) {
            // eslint-disable-next-line no-await-in-loop
            const [line] = await lines.read_line_async(GLib.PRIORITY_DEFAULT, null);
            if (line === null)
                return {answer};
            if (message.status_code !== 200)
                throw new Error(`the model refuses: ${line}`);
            if (line.startsWith('data: {')) {
                const text = JSON.parse(line.slice(6)).choices[0]?.delta?.content ?? '';
                output.write_all(new TextEncoder().encode(text), null);
                answer += text;
            }
        }
    } finally {
        lines.close(null);
    }
}

let status = 0;
const question = programArgs[0] ?? 'How far is the moon?';
try {
    await observer.run('model-call', {question}, run => callModel(run, question));
    output.write_all(new TextEncoder().encode('\n'), null);
} catch (error) {
    printerr(error.message);
    status = 1;
}
try {
    await observer.flush_async(FLUSH_TIMEOUT_MS, null);
} catch (error) {
    printerr(`Not traced: ${error.message}`);
}
exit(status);
