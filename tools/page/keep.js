// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Shows something again, while what the user has unfolded, the place that is read, and the focus stay as they were.

// What shows its beginning first.
const LONG = '.text, .rich';

// An element with data-keep (one that folds, or a button that is pressed) is known by that; one with data-more (a
// button that shows more) by its place.
export function keepState(scroller, change) {
    const top = scroller.scrollTop;
    const folds = new Map([...scroller.querySelectorAll('details[data-keep]')].map(one => [one.dataset.keep, one.open]));
    const pressed = [...scroller.querySelectorAll('button[data-keep][aria-pressed=true]')].map(one => one.dataset.keep);
    const sizes = [...scroller.querySelectorAll(LONG)].map(one => one.childElementCount);
    const focused = scroller.contains(document.activeElement) ? document.activeElement : null;
    const focusedKey = focused?.closest('[data-keep]')?.dataset.keep;
    const atEnd = top > 0 && scroller.scrollHeight - top - scroller.clientHeight < 8;

    change();
    for (const one of scroller.querySelectorAll('details[data-keep]'))
        if (folds.has(one.dataset.keep))
            one.open = folds.get(one.dataset.keep);
    for (const one of scroller.querySelectorAll('button[data-keep][aria-pressed=false]'))
        if (pressed.includes(one.dataset.keep))
            one.click();
    scroller.querySelectorAll(LONG).forEach((one, i) => {
        if (sizes[i] > 2 && one.childElementCount <= 2)
            one.lastElementChild.click();
    });
    // The keys go on where they were, or at least in what is shown again.
    if (focused && !focused.isConnected) {
        const same = focusedKey === undefined ? null : scroller.querySelector(`[data-keep="${CSS.escape(focusedKey)}"]`);

        (same?.querySelector('summary') ?? same ?? scroller).focus({preventScroll: true});
    }
    // If the end was in view, it stays in view.
    scroller.scrollTop = atEnd ? scroller.scrollHeight : top;
}
