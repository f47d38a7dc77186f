// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Short messages: shown in a corner for a while, and read out by a screen reader.

import {h} from './element.js';

const SHOWN_MS = 5000;

const box = h('div', {class: 'notices', role: 'status', 'aria-live': 'polite'});
const spoken = h('div', {class: 'unseen', 'aria-live': 'polite', id: 'spoken'});

export function attachNotices(parent) {
    parent.append(box, spoken);
}

// Shows a message.
export function notify(message, isProblem = false) {
    const notice = h('div', {class: isProblem ? 'notice problem' : 'notice'}, message);

    box.append(notice);
    setTimeout(() => notice.remove(), SHOWN_MS);
}

// Only reads it out.
export function say(message) {
    spoken.textContent = message;
}

// For a promise that a click has begun: shows why it has failed.
export async function tellFailure(promise) {
    try {
        return await promise;
    } catch (error) {
        if (error.name !== 'AbortError')
            notify(error.message, true);
        return undefined;
    }
}

// Puts text on the clipboard, and says so.
export async function copyText(text, message) {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        // The page is not in a secure context: it has another name than localhost.
        const area = h('textarea', {class: 'unseen', value: text, 'aria-hidden': 'true'});

        (document.querySelector('dialog[open]') ?? document.body).append(area);
        area.select();
        document.execCommand('copy');
        area.remove();
    }
    notify(message);
}
