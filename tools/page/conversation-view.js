// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Messages as a conversation: who says what, calls of tools with their results, images.

import {_} from './words.js';
import {fill, h} from './element.js';
import {icon} from './icons.js';
import {makeProse, makeSourceSwitch} from './markdown-view.js';
import {makeText} from './long-text.js';
import {makeValue} from './value-view.js';
import {matchResults, readConversation} from './conversation.js';
import {cut, toLine} from './plain-text.js';

const SAFE_IMAGE = /^data:image\/(png|jpeg|gif|webp|avif|bmp);base64,[A-Za-z0-9+/=_-]+$/;

// In a longer conversation, only its end is shown first.
const MANY = 60;
const SHOWN = 20;

function nameOfRole(role) {
    switch (role) {
    case 'system': return _('System');
    case 'user': return _('User');
    case 'assistant': return _('Assistant');
    case 'tool': return _('Tool');
    default: return toLine(role) || _('Message');
    }
}

function iconOfRole(role) {
    return icon({system: 'system', user: 'prompt', assistant: 'llm', tool: 'tool'}[role] ?? 'thread');
}

// Only an image that is in the trace itself is shown: nothing is fetched from elsewhere.
function makeImage(part) {
    if (SAFE_IMAGE.test(part.source))
        return h('img', {class: 'picture', src: part.source, alt: _('Image of the conversation'), loading: 'lazy'});
    return h('div', {class: 'file'}, icon('link'), h('div', {}, h('div', {class: 'hint'}, _('Images from other sites are not loaded:')),
        h('bdi', {class: 'file-name'}, cut(part.label, 300))));
}

function makeReasoning(part, key) {
    return h('details', {class: 'reasoning', data: {keep: key}},
        h('summary', {}, _('Reasoning'), h('span', {class: 'summary-text'}, cut(part.text, 80))),
        part.text ? makeProse(part.text) : h('p', {class: 'hint'}, _('The service does not show its reasoning.')));
}

// Many tools answer with JSON in a text. What is none stays as it is, in a list of one.
function readJson(text) {
    try {
        return JSON.parse(text);
    } catch {
        return [{type: 'text', text}];
    }
}

// What a tool answers may be blocks itself.
function makeResultValue(value) {
    if (typeof value === 'string' && /^\s*[[{]/.test(value) && value.length < 100000)
        return makeResultValue(readJson(value));
    const blocks = Array.isArray(value) && value.length > 0 && value.every(one => typeof one?.type === 'string')
        ? readConversation([{role: 'user', content: value}]).messages[0].parts : null;

    // What a tool answers is for a program: its text stays as it is.
    return blocks ? blocks.map((part, i) => part.kind === 'text' ? makeText(part.text) : makePart(part, `result-${i}`, new Map()))
        : makeValue(value ?? null);
}

function makeResult(part) {
    return h('div', {class: part.failed ? 'result failed' : 'result'},
        h('div', {class: 'result-label'}, part.failed ? _('Failed') : _('Result')), makeResultValue(part.value));
}

function makeCall(part, key, results) {
    const result = results.get(part);

    return h('details', {class: 'call', open: true, data: {keep: key}},
        h('summary', {}, icon('tool'), h('bdi', {class: 'call-name'}, toLine(part.name)),
            h('span', {class: 'summary-text'}, cut(typeof part.args === 'string' ? part.args : JSON.stringify(part.args), 80))),
        h('div', {class: 'call-body'}, makeValue(part.args), result && makeResult(result)));
}

function makePart(part, key, results) {
    switch (part.kind) {
    case 'text': return makeProse(part.text);
    case 'reasoning': return makeReasoning(part, key);
    case 'image': return makeImage(part);
    case 'call': return makeCall(part, key, results);
    case 'result': return makeResult(part);
    default:
        return h('div', {class: 'data'}, part.label && h('div', {class: 'result-label'}, toLine(part.label)), makeValue(part.value));
    }
}

function makeMessage(message, index, key, results) {
    const role = ['system', 'user', 'assistant', 'tool'].includes(message.role) ? message.role : 'other';
    const parts = message.parts.map((part, i) => makePart(part, `${key}-${index}-${i}`, results));
    const head = h('div', {class: 'message-head'}, iconOfRole(message.role), h('span', {}, nameOfRole(message.role)),
        message.name && message.role !== 'tool' && h('bdi', {class: 'message-name'}, toLine(message.name)), h('span', {class: 'push'}),
        makeSourceSwitch(parts, `${key}-${index}-source`));

    return h('article', {class: `message ${role}`}, head,
        h('div', {class: 'message-body'}, parts.length > 0 ? parts : h('span', {class: 'none'}, _('(empty)'))));
}

// A list of messages as elements. The key is what the folded parts are known by when they are shown again.
export function makeMessages(all, key) {
    const {messages, results} = matchResults(all);
    const make = (message, index) => makeMessage(message, index, key, results);
    const box = h('div', {class: 'messages'});

    if (messages.length <= MANY)
        return fill(box, messages.map(make));
    const before = messages.length - SHOWN;
    const more = h('button', {type: 'button', class: 'button more', data: {more: ''}, on: {click: () =>
        more.replaceWith(...messages.slice(0, before).map(make))}}, _('Show {n} earlier messages', {n: before}));
    return fill(box, more, messages.slice(before).map((message, i) => make(message, before + i)));
}

// Inputs or outputs: as a conversation if they are one, else for reading. Where people or models speak, and not
// programs, texts may be Markdown: isProse
export function makeContents(value, key, isProse = false) {
    const conversation = readConversation(value);

    if (!conversation)
        return [makeValue(value, 0, isProse ? makeProse : makeText)];
    const rest = Object.entries(conversation.rest).filter(([, one]) => one !== null && one !== undefined);

    return [
        makeMessages(conversation.messages, key),
        rest.length > 0 && h('details', {class: 'rest', data: {keep: `${key}-rest`}},
            h('summary', {}, _('More'), h('span', {class: 'summary-text'}, rest.map(([name]) => toLine(name)).join(', '))),
            makeValue(Object.fromEntries(rest))),
    ];
}
