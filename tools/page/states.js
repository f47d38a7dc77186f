// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is shown in place of contents: while they are fetched, if there are none, and if that fails.

import {_} from './words.js';
import {h} from './element.js';
import {copyText} from './notice.js';
import {icon} from './icons.js';

// Grey lines where rows will be.
export function skeleton(n = 8) {
    return h('div', {class: 'skeleton', role: 'status', 'aria-label': _('Loading')},
        Array.from({length: n}, () => h('div', {class: 'skeleton-row', 'aria-hidden': 'true'})));
}

export function emptyState(name, title, ...contents) {
    return h('div', {class: 'empty'}, h('div', {class: 'empty-icon'}, icon(name)), h('h2', {}, title), contents);
}

// The same as all that a view shows: its title is that of the page.
export function asPage(state) {
    const title = state.querySelector('h2');

    title.replaceWith(h('h1', {}, title.textContent));
    return state;
}

// A command to type, with a button that copies it.
export function commandLine(command) {
    return h('div', {class: 'command'}, h('code', {}, command), h('button', {
        type: 'button', class: 'button quiet square', 'aria-label': _('Copy the command'), title: _('Copy the command'),
        on: {click: () => copyText(command, _('Command copied to the clipboard'))},
    }, icon('copy')));
}

export function noTracesYet() {
    return emptyState('root', _('No traces yet'),
        h('p', {}, _('Run your program, and watch here what its agent does:')),
        // TRANSLATORS: stands for the name of a program in a command, so that it has no spaces
        commandLine(`lsobs run -- ${_('your-program')}`),
        h('p', {class: 'hint'},
            _('Use any program that traces to LangSmith. “lsobs serve” prints the variables that send its traces here.')));
}

export function errorState(error, retry) {
    return h('div', {class: 'empty problem', role: 'alert'}, h('div', {class: 'empty-icon'}, icon('error')),
        h('h2', {}, error.status === 404 ? _('Not found here') : _('This cannot be shown')),
        h('p', {}, error.status === 404
            ? _('It was deleted, it was never sent here, or its first part is still on its way.')
            : error.message),
        h('div', {class: 'empty-actions'},
            retry && h('button', {type: 'button', class: 'button', on: {click: retry}}, _('Try again')),
            h('a', {class: 'button quiet', href: '/'}, _('Go to the projects'))));
}
