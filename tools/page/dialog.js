// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Dialogs over the page. The focus stays in them, and goes back when they close.

import {_} from './words.js';
import {h, newId} from './element.js';
import {icon} from './icons.js';

// Shows a dialog with a title and contents. Returns: the element, whose close () ends it
export function openDialog(title, contents, {className = ''} = {}) {
    const id = newId('title');
    const dialog = h('dialog', {class: `dialog ${className}`, 'aria-labelledby': id},
        h('header', {class: 'dialog-head'},
            h('h2', {id}, title),
            h('button', {
                type: 'button', class: 'button quiet square', 'aria-label': _('Close'), title: _('Close'),
                on: {click: () => dialog.close()},
            }, icon('close'))),
        h('div', {class: 'dialog-body'}, contents));

    dialog.addEventListener('close', () => dialog.remove());
    dialog.addEventListener('click', event => {
        if (event.target === dialog)
            dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}

// Asks whether to do what cannot be undone. Returns: a promise of a truth value
export function confirmDialog(title, text, action) {
    return new Promise(resolve => {
        const dialog = openDialog(title, [
            h('p', {}, text),
            h('div', {class: 'dialog-actions'},
                h('button', {type: 'button', class: 'button', autofocus: true, on: {click: () => dialog.close()}}, _('Cancel')),
                h('button', {type: 'button', class: 'button danger', on: {click: () => dialog.close('yes')}}, action)),
        ], {className: 'small'});

        dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'));
    });
}
