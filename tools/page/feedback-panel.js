// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The feedback of a run: what was said about it, and a form to say more.

import {_} from './words.js';
import {api} from './api.js';
import {fill, h, newId} from './element.js';
import {formatExactTime, formatNumber, formatTime, isNumber, parseTime} from './format.js';
import {icon} from './icons.js';
import {makeText} from './long-text.js';
import {notify} from './notice.js';
import {cut, toLine} from './plain-text.js';

// The key of thumbs.
const THUMB_KEY = 'user_score';

function makeScore(feedback) {
    const {score, value} = feedback;

    if (feedback.key === THUMB_KEY && (Number(score) === 1 || score === 0 || score === false))
        return h('span', {class: Number(score) === 1 ? 'thumb good' : 'thumb bad'}, icon(Number(score) === 1 ? 'thumbUp' : 'thumbDown'),
            h('span', {class: 'unseen'}, Number(score) === 1 ? _('Good') : _('Bad')));
    if (isNumber(score) || typeof score === 'boolean')
        return h('span', {class: 'score'}, isNumber(score) ? formatNumber(score) : String(score));
    if (value !== null && value !== undefined)
        return h('span', {class: 'score'}, h('bdi', {}, cut(typeof value === 'string' ? value : JSON.stringify(value), 200)));
    return null;
}

export class FeedbackPanel {
    #run = null;
    #all = [];
    #onCount;
    #items = h('div', {class: 'feedback-list'});
    #problem = h('p', {class: 'form-problem', role: 'alert'});

    constructor(onCount) {
        this.#onCount = onCount;
        this.#form = this.#makeForm();
        this.element = h('div', {class: 'feedback-panel'}, this.#form, this.#items);
    }

    #form;

    get count() {
        return this.#all.length;
    }

    // What is typed is for one run only.
    setRun(run, all) {
        if (run !== this.#run)
            this.#form.reset();
        this.#run = run;
        this.#setAll(all);
    }

    async reload() {
        const run = this.#run;
        const all = await api.listFeedback(run).catch(() => null);

        if (all && run === this.#run)
            this.#setAll(all);
    }

    #setAll(all) {
        this.#all = all;
        fill(this.#items, all.length > 0 ? all.map(one => this.#makeItem(one)) : h('p', {class: 'none'}, _('No feedback yet')));
        this.#onCount(all.length);
    }

    #makeItem(feedback) {
        const time = parseTime(feedback.created_at);

        return h('article', {class: 'feedback-item'},
            h('header', {}, h('bdi', {class: 'feedback-key'}, toLine(feedback.key)), makeScore(feedback), h('span', {class: 'push'}),
                h('time', {class: 'hint', title: formatExactTime(time)}, formatTime(time)),
                h('button', {
                    type: 'button', class: 'button quiet square', title: _('Delete the feedback'),
                    'aria-label': _('Delete the feedback {key}', {key: toLine(feedback.key)}), on: {click: () => this.#delete(feedback)},
                }, icon('trash'))),
            typeof feedback.comment === 'string' && feedback.comment !== '' && makeText(feedback.comment));
    }

    async #send(values) {
        this.#problem.textContent = '';
        try {
            await api.createFeedback({id: makeUuid(), run_id: this.#run, feedback_source: {type: 'app'}, ...values});
            notify(_('The feedback is kept'));
            await this.reload();
            return true;
        } catch (error) {
            this.#problem.textContent = error.message;
            return false;
        }
    }

    async #delete(feedback) {
        try {
            await api.deleteFeedback(feedback.id);
            await this.reload();
        } catch (error) {
            notify(error.message, true);
        }
    }

    #makeThumb(name, label, score) {
        return h('button', {type: 'button', class: `button thumb-button ${name}`, on: {click: async () => {
            const comment = this.#form.elements.comment.value.trim();

            if (await this.#send({key: THUMB_KEY, score, comment: comment || undefined}))
                this.#form.reset();
        }}}, icon(name), label);
    }

    #makeForm() {
        const key = h('input', {name: 'key', id: newId('field'), required: true, placeholder: 'correctness', autocomplete: 'off'});
        const score = h('input', {name: 'score', id: newId('field'), type: 'number', step: 'any'});
        const comment = h('textarea', {name: 'comment', id: newId('field'), rows: 2});
        const form = h('form', {class: 'form feedback-form', 'aria-label': _('Give feedback')},
            h('div', {class: 'thumbs'}, this.#makeThumb('thumbUp', _('Good'), 1), this.#makeThumb('thumbDown', _('Bad'), 0)),
            h('div', {class: 'field'}, h('label', {for: comment.id}, _('Comment')), comment),
            h('div', {class: 'form-line'},
                h('div', {class: 'field'}, h('label', {for: key.id}, _('Key')), key),
                h('div', {class: 'field short'}, h('label', {for: score.id}, _('Score')), score),
                h('button', {type: 'submit', class: 'button primary'}, _('Give feedback'))),
            this.#problem);

        form.addEventListener('submit', async event => {
            event.preventDefault();
            const number = score.value === '' ? undefined : Number(score.value);

            if (number === undefined && comment.value.trim() === '') {
                this.#problem.textContent = _('Give a score, or write a comment');
                return;
            }
            if (await this.#send({key: key.value.trim(), score: number, comment: comment.value.trim() || undefined}))
                form.reset();
        });
        return form;
    }
}

// crypto.randomUUID () is missing where the page has another name than localhost.
function makeUuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));

    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    const text = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
    return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}
