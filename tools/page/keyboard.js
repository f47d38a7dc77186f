// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keys of the page. A view gives its keys by a function; the ones of the whole page are here, with the dialog
// that tells all.

import {_} from './words.js';
import {h} from './element.js';
import {openDialog} from './dialog.js';

let viewKeys = null;

// Whether what is typed there belongs to the element.
function takesText(element) {
    return element.isContentEditable || element.tagName === 'TEXTAREA' || element.tagName === 'SELECT' ||
        element.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'submit', 'range'].includes(element.type);
}

function listKeys() {
    return [
        [['↑', '↓', 'k', 'j'], _('Go to the previous or the next row')],
        [['Home', 'End'], _('Go to the first or the last row')],
        [['PgUp', 'PgDn'], _('Go a screen up or down')],
        [['→', '←'], _('Unfold a run, or fold it; go to its first child, or to its parent')],
        [['Enter'], _('Open a trace; in a trace, go to the contents of the run')],
        [['r'], _('Make the run the root, or show the whole trace again')],
        [['[', ']'], _('Go to the previous or the next trace')],
        [['u'], _('Go up: to the traces, to the projects')],
        [['/'], _('Search')],
        [['Esc'], _('Leave the search, or close what is open')],
        [['?'], _('Show these keys')],
    ];
}

export function showHelp() {
    openDialog(_('Keys'), h('dl', {class: 'keys'}, listKeys().map(([keys, text]) => [
        h('dt', {}, keys.map(key => h('kbd', {}, key))),
        h('dd', {}, text),
    ])));
}

function focusSearch() {
    const field = document.querySelector('main input[type=search]');

    field?.focus();
    field?.select();
    return Boolean(field);
}

function handle(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]'))
        return;
    if (takesText(event.target)) {
        if (event.key === 'Escape')
            event.target.blur();
        return;
    }
    if (event.key === '/' && focusSearch() || event.key === '?' && (showHelp(), true) || viewKeys?.(event))
        event.preventDefault();
}

export function startKeyboard() {
    document.addEventListener('keydown', handle);
}

// Sets the keys of the view that is shown: a function that returns whether it has used an event.
export function setViewKeys(keys) {
    viewKeys = keys;
}
