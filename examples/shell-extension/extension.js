// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An extension of GNOME Shell, traced: a search in the overview that begins with "ask" is a question
// to a model. To try it, copy this folder, and log in again:
//
//   dir=~/.local/share/gnome-shell/extensions/ask-a-model@lsobs.example.org
//   cp -r shell-extension "$dir" && glib-compile-schemas "$dir/schemas"
//   gnome-extensions enable ask-a-model@lsobs.example.org
//   gsettings --schemadir "$dir/schemas" set org.example.lsobs.ask-a-model tracing true
//
// The key comes from the environment of the session or from the profile of LangSmith's tools, not
// from the settings, which every program of the session can read.
//
// The Shell is one process with one engine: what an extension leaves behind stays, and the garbage
// collector may come for it at any time, or never. So
//
// - disable() drops what enable() has made, and does not leave the observer to the collector:
//   shutdown_async() sends what waits, and ends the thread that sends;
// - each run is that of a function, and ends with it. A run that is only dropped stays pending at
//   the service;
// - no function of JavaScript is called while the collector works, nor in another thread: a
//   redaction function would need an observer with a main_context. Rules by key need none.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Lsobs from 'gi://Lsobs?version=1.0';
import Soup from 'gi://Soup?version=3.0';

import {Extension} from 'resource:///org/gnome/shell/extensions/extension.js';
import * as Main from 'resource:///org/gnome/shell/ui/main.js';

Gio._promisify(Lsobs, 'session_send_and_read_async');
Gio._promisify(Lsobs.Observer.prototype, 'shutdown_async', 'shutdown_finish');

const PREFIX = 'ask';
const SHUTDOWN_TIMEOUT_MS = 5000;

function newOffConfig() {
    const config = new Lsobs.Config();
    config.set_tracing_enabled(false);
    return config;
}

class Provider {
    appInfo = null;
    canLaunchSearch = false;
    isRemoteProvider = false;
    answers = new Map();

    constructor(extension) {
        this.id = extension.uuid;
        this._extension = extension;
    }

    async getInitialResultSet([prefix, ...words], cancellable) {
        if (prefix !== PREFIX || words.length === 0)
            return [];
        const question = words.join(' ');
        const answer = await this._extension.ask(question, cancellable);
        this.answers.set(question, answer);
        return [question];
    }

    getSubsearchResultSet(_results, terms, cancellable) {
        return this.getInitialResultSet(terms, cancellable);
    }

    async getResultMetas(ids) {
        return ids.map(id => ({id, name: id, description: this.answers.get(id), createIcon: () => null}));
    }

    filterResults(results, max) {
        return results.slice(0, max);
    }

    createResultObject() {
        return null;
    }

    activateResult(id) {
        Main.notify(id, this.answers.get(id));
    }
}

export default class AskExtension extends Extension {
    enable() {
        this._settings = this.getSettings();
        this._session = new Soup.Session();
        this._work = new Set();
        this._observer = new Lsobs.Observer({config: newOffConfig()});
        this._configure();
        this._changedId = this._settings.connect('changed', () => this._configure());
        this._provider = new Provider(this);
        Main.overview.searchController.addProvider(this._provider);
    }

    // The caller need not wait: the Shell goes on, and the promise is for what wants to know.
    async disable() {
        const {_observer: observer, _session: session, _work: work} = this;
        Main.overview.searchController.removeProvider(this._provider);
        this._settings.disconnect(this._changedId);
        this._settings = this._session = this._work = this._provider = this._observer = null;
        session.abort();
        // the runs of what has been cancelled end first
        await Promise.allSettled(work);
        try {
            await observer.shutdown_async(SHUTDOWN_TIMEOUT_MS, null);
        } catch (error) {
            console.warn(`Not traced: ${error.message}`);
        }
    }

    // The observer follows the settings. Questions under way end where they have begun. If the environment
    // makes no sense, the observer stays as it is, but the user can always turn tracing off.
    _configure() {
        try {
            if (!this._settings.get_boolean('tracing')) {
                this._observer.reconfigure(newOffConfig());
                return;
            }
            const config = Lsobs.Config.new_from_environment();
            config.set_tracing_enabled(true);
            config.set_project_name(this._settings.get_string('project'));
            this._observer.reconfigure(config);
        } catch (error) {
            console.warn(`Not traced: ${error.message}`);
        }
    }

    ask(question, cancellable) {
        const {_work: work} = this;
        const promise = this._observer.run('ask', {question}, run => this._callModel(run, question, cancellable));
        work.add(promise);
        return promise.finally(() => work.delete(promise));
    }

    async _callModel(run, question, cancellable) {
        const body = new GLib.Bytes(new TextEncoder().encode(JSON.stringify({
            model: this._settings.get_string('model'),
            messages: [{role: 'user', content: question}],
        })));
        const message = Soup.Message.new('POST', this._settings.get_string('model-url'));
        message.set_request_body_from_bytes('application/json', body);
        this._observer.trace_message(message, body, run);
        const bytes = await Lsobs.session_send_and_read_async(this._session, message, GLib.PRIORITY_DEFAULT, cancellable);
        const answer = JSON.parse(new TextDecoder().decode(bytes.get_data()));
        if (message.status_code !== 200)
            throw new Error(answer.error?.message ?? `the model answers with the status ${message.status_code}`);
        return answer.choices[0].message.content;
    }
}
