// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What one run says: as a conversation, as JSON, in detail, with its feedback; or beside another run.

import {_} from './words.js';
import {api, exportOfRun} from './api.js';
import {CompareView, openCompareDialog} from './compare-view.js';
import {copyText} from './notice.js';
import {errorState, skeleton} from './states.js';
import {FeedbackPanel} from './feedback-panel.js';
import {figure, statusSign} from './run-signs.js';
import {fill, h, newId} from './element.js';
import {formatBytes, formatCost, formatCount, formatDuration, formatExactTime, formatTime, nameStatus, parseTime} from './format.js';
import {icon, typeIcon} from './icons.js';
import {JsonView} from './json-view.js';
import {keepState} from './keep.js';
import {makeContents} from './conversation-view.js';
import {makeDetails} from './run-details.js';
import {makeSourceSwitch} from './markdown-view.js';
import {makeText} from './long-text.js';
import {paced} from './live.js';
import {setQuery} from './router.js';
import {toLine} from './plain-text.js';

const SAFE_IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp'];
// Runs that work for programs: what they take and give is data.
const DATA_TYPES = ['tool', 'retriever', 'embedding', 'parser'];
const TABS = ['run', 'json', 'details', 'feedback'];

function isEmpty(value) {
    return value === null || value === undefined || typeof value === 'object' && Object.keys(value).length === 0;
}

function makeAttachment(attachment) {
    const name = toLine(attachment.name);

    if (SAFE_IMAGES.includes(attachment.mime))
        return h('figure', {class: 'attachment'}, h('img', {class: 'picture', src: attachment.url, alt: name, loading: 'lazy'}),
            h('figcaption', {}, h('bdi', {}, name)));
    return h('a', {class: 'file', href: attachment.url, download: attachment.name}, icon('export'),
        h('div', {}, h('bdi', {class: 'file-name'}, name),
            h('div', {class: 'hint'}, [toLine(attachment.mime), formatBytes(attachment.size)].filter(Boolean).join(' · '))));
}

export class RunPanel {
    #signal;
    #answer = null;
    #model = null;
    #tab = 'run';
    #compare = null;
    #loading = null;
    #reloadSoon;
    #head = h('header', {class: 'panel-head'});
    #tabs = h('div', {class: 'tabs panel-tabs', role: 'tablist', 'aria-label': _('Parts of the run')});
    #body = h('div', {class: 'panel-body', role: 'tabpanel', tabindex: 0});
    #json = new JsonView();
    #feedback;

    runId = null;
    onRoot = () => {};
    onBack = () => {};

    constructor(signal) {
        this.#signal = signal;
        this.#reloadSoon = paced(() => this.#load(true), signal, 150);
        this.#feedback = new FeedbackPanel(n => this.#showTabs(n));
        this.element = h('section', {class: 'panel', 'aria-label': _('Run')}, this.#head, this.#tabs, this.#body);
        signal.addEventListener('abort', () => {
            this.#loading?.abort();
            this.#json.dispose();
        });
    }

    // Takes what the address says: the tab, and what to compare with.
    setAddress(query) {
        const tab = TABS.includes(query.get('tab')) ? query.get('tab') : 'run';
        const compare = query.get('compare');

        if (tab === this.#tab && compare === this.#compare)
            return;
        this.#tab = tab;
        this.#compare = compare;
        if (this.#answer)
            this.#showBody(false);
    }

    // Shows another run.
    show(id, model) {
        this.#model = model;
        if (id === this.runId)
            return;
        this.runId = id;
        this.#answer = null;
        this.#load(false);
    }

    // The run has changed.
    reload(model) {
        this.#model = model;
        this.#reloadSoon();
    }

    reloadFeedback() {
        this.#feedback.reload();
    }

    focus() {
        this.#body.focus();
    }

    async #load(again) {
        const id = this.runId;

        this.#loading?.abort();
        this.#loading = new AbortController();
        // A quick answer comes without anything in between.
        const timer = again ? 0 : setTimeout(() => {
            fill(this.#head);
            fill(this.#tabs);
            fill(this.#body, skeleton(6));
        }, 120);
        try {
            const answer = await api.getRun(id, this.#loading.signal);

            if (id !== this.runId || this.#signal.aborted)
                return;
            clearTimeout(timer);
            this.#answer = answer;
            this.#feedback.setRun(id, answer.feedback ?? []);
            this.#showHead();
            this.#showBody(again);
        } catch (error) {
            clearTimeout(timer);
            if (error.name !== 'AbortError' && !again && id === this.runId)
                fill(this.#body, errorState(error, () => this.#load(false)));
        }
    }

    #showHead() {
        const {run, own} = this.#answer;
        const start = parseTime(run.start_time);
        const end = parseTime(run.end_time);
        const first = parseTime(run.first_token_time);
        const light = this.#model?.get(run.id);
        const tokens = light?.tokens?.total ?? run.total_tokens;
        const cost = light?.cost ?? run.total_cost;
        const ownTokens = own?.tokens?.total ?? 0;
        const isRoot = this.#model?.root === run.id;
        const square = (name, label, action) =>
            h('button', {type: 'button', class: 'button quiet square', title: label, 'aria-label': label, on: {click: action}}, icon(name));

        fill(this.#head,
            h('div', {class: 'panel-title'},
                h('button', {type: 'button', class: 'button quiet square narrow-only', 'aria-label': _('Back to the runs'), on: {click: () => this.onBack()}},
                    icon('back')),
                typeIcon(run.run_type), h('h2', {}, h('bdi', {}, toLine(run.name) || _('(no name)'))), h('span', {class: 'type-word'}, toLine(run.run_type)),
                statusSign(run.status), h('span', {class: 'unseen'}, nameStatus(run.status)),
                h('span', {class: 'push'}),
                square('root', isRoot ? _('Show the whole trace') : _('Make it the root'), () => this.onRoot()),
                square('compare', _('Compare with another run'), () => openCompareDialog(run)),
                square('chain', _('Copy the link to this run'), () => copyText(this.#link(), _('Link copied to the clipboard'))),
                h('a', {
                    class: 'button quiet square', href: exportOfRun(run.id), download: `run-${run.id}.jsonl`, title: _('Export the run'),
                    'aria-label': _('Export the run'),
                }, icon('export'))),
            h('dl', {class: 'figures'},
                figure(_('Start'), h('time', {title: formatExactTime(start)}, formatTime(start))),
                figure(_('Latency'), end === null ? nameStatus(run.status) : formatDuration((end - start) / 1000)),
                first !== null && figure(_('First token'), formatDuration((first - start) / 1000)),
                tokens > 0 && figure(_('Tokens'), formatCount(tokens), ownTokens > 0 && ownTokens < tokens && h('small', {}, ' ',
                    _('({n} of its own)', {n: formatCount(ownTokens)}))),
                Number(cost) > 0 && figure(_('Cost'), formatCost(Number(cost)))));
    }

    #link() {
        const url = new URL(location.href);

        url.search = '';
        url.searchParams.set('run', this.runId);
        return url.href;
    }

    #showTabs(nFeedback = this.#feedback.count) {
        const labels = {
            run: _('Run'), json: _('JSON'), details: _('Details'),
            feedback: nFeedback > 0 ? _('Feedback ({n})', {n: nFeedback}) : _('Feedback'),
        };
        const focused = this.#tabs.contains(document.activeElement);

        this.#body.id ||= newId('panel');
        fill(this.#tabs, TABS.map(name => h('button', {
            type: 'button', class: 'tab', role: 'tab', id: `${this.#body.id}-${name}`, 'aria-selected': String(name === this.#tab),
            'aria-controls': this.#body.id, tabindex: name === this.#tab ? 0 : -1,
            on: {click: () => this.#goToTab(name), keydown: event => this.#tabKey(event)},
        }, labels[name])));
        this.#body.setAttribute('aria-labelledby', `${this.#body.id}-${this.#tab}`);
        if (focused)
            this.#tabs.querySelector('[aria-selected=true]').focus();
    }

    #goToTab(name) {
        setQuery({tab: name === TABS[0] ? null : name});
    }

    #tabKey(event) {
        const index = TABS.indexOf(this.#tab);
        const next = {ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: TABS.length - 1}[event.key];

        if (next === undefined)
            return;
        event.preventDefault();
        this.#goToTab(TABS[(next + TABS.length) % TABS.length]);
        this.#tabs.querySelector('[aria-selected=true]').focus();
    }

    #showBody(again) {
        this.#showTabs();
        this.element.classList.toggle('comparing', this.#compare !== null);
        if (this.#compare !== null) {
            keepState(this.#body, () => fill(this.#body, new CompareView(this.#answer.run, this.#compare, this.#signal).element));
            return;
        }
        this.#body.classList.toggle('full', this.#tab === 'json');
        if (this.#tab === 'json') {
            this.#json.setValue(this.#answer.run, again);
            if (!this.#json.element.isConnected)
                fill(this.#body, this.#json.element);
        } else if (this.#tab === 'feedback') {
            if (!this.#feedback.element.isConnected)
                fill(this.#body, this.#feedback.element);
        } else if (again)
            keepState(this.#body, () => fill(this.#body, this.#makeBody()));
        else {
            fill(this.#body, this.#makeBody());
            this.#body.scrollTop = 0;
        }
    }

    #makeBody() {
        return this.#tab === 'details' ? makeDetails(this.#answer, this.#model) : this.#makeRun();
    }

    #makeRun() {
        const {run, attachments} = this.#answer;
        const isProse = !DATA_TYPES.includes(run.run_type);
        // The messages of a conversation have a switch each.
        const part = (label, name, contents, value) => h('section', {class: `part ${name}`},
            h('div', {class: 'part-head'}, h('h3', {}, label), Array.isArray(contents) && contents.length === 1 &&
                makeSourceSwitch(contents, `${name}-source`), value !== undefined && h('button', {
                type: 'button', class: 'button quiet square', title: _('Copy'), 'aria-label': _('Copy: {name}', {name: label}),
                on: {click: () => copyText(typeof value === 'string' ? value : JSON.stringify(value, null, 2), _('Copied to the clipboard'))},
            }, icon('copy'))), contents);

        return [
            run.error && part(_('Error'), 'error-part', makeText(run.error, 'code'), run.error),
            part(_('Input'), 'input-part', isEmpty(run.inputs) ? h('p', {class: 'none'}, _('No input')) : makeContents(run.inputs, 'in', isProse),
                isEmpty(run.inputs) ? undefined : run.inputs),
            attachments?.length > 0 && part(_('Attachments'), 'attachments', h('div', {class: 'attachment-list'}, attachments.map(makeAttachment))),
            part(_('Output'), 'output-part', isEmpty(run.outputs)
                ? h('p', {class: 'none'}, run.status === 'pending' ? _('The run is still running: no output yet') : _('No output'))
                : makeContents(run.outputs, 'out', isProse), isEmpty(run.outputs) ? undefined : run.outputs),
        ];
    }
}
