// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The border between the runs and the panel, which may be moved with the mouse or with keys.

import {_} from './words.js';
import {h} from './element.js';

const LEAST = 25;
const MOST = 75;
const STEP = 4;

// Returns an element that changes the share of the width that another one has.
export function makeSplitter(element) {
    const splitter = h('div', {
        class: 'splitter', role: 'separator', tabindex: 0, 'aria-orientation': 'vertical', 'aria-valuemin': LEAST,
        'aria-valuemax': MOST, 'aria-label': _('Width of the list of runs'),
    });
    let share = 50;

    function set(percent) {
        share = Math.max(LEAST, Math.min(MOST, percent));
        element.style.setProperty('--share', `${share}%`);
        splitter.setAttribute('aria-valuenow', Math.round(share));
    }

    function drag(event) {
        const {left, right, width} = splitter.parentElement.getBoundingClientRect();
        const isRightToLeft = getComputedStyle(splitter).direction === 'rtl';

        set(100 * (isRightToLeft ? right - event.clientX : event.clientX - left) / width);
    }

    splitter.addEventListener('pointerdown', event => {
        event.preventDefault();
        splitter.setPointerCapture(event.pointerId);
        splitter.addEventListener('pointermove', drag);
    });
    splitter.addEventListener('lostpointercapture', () => splitter.removeEventListener('pointermove', drag));
    splitter.addEventListener('keydown', event => {
        const steps = {ArrowLeft: -STEP, ArrowRight: STEP}[event.key];

        if (steps === undefined)
            return;
        event.preventDefault();
        event.stopPropagation();
        set(share + (getComputedStyle(splitter).direction === 'rtl' ? -steps : steps));
    });
    set(share);
    return splitter;
}
