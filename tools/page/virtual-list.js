// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A list of any length. Only the rows that are seen are in the document; all have the same height. One row is
// active: keys choose it, and aria-activedescendant names it for screen readers.

import {h, newId} from './element.js';

// Rows above and below the ones that are seen.
const SPARE = 8;

export class VirtualList {
    #items = [];
    #rows = new Map();
    #frame = 0;
    #active = null;
    #options;
    #prefix = newId('row');
    #space;
    #height;

    // options:
    //   role, label: of the list; rowHeight: pixels, or a function
    //   keyOf (item): what an item is known by; a row is made again if its item is another object
    //   makeRow (item, index): its element
    //   onActive (item, byUser), onOpen (item), onKey (event, item): what the user does; each may be missing
    //   onEnd (): the last rows are seen
    //   header: an element above the rows, which scrolls sideways with them
    constructor(options) {
        this.#options = options;
        this.#space = h('div', {class: 'rows', role: 'presentation'});
        this.element = h('div', {
            class: `list ${options.className ?? ''}`, role: options.role, tabindex: 0, 'aria-label': options.label,
        }, options.header, this.#space);
        this.element.addEventListener('scroll', () => this.#schedule(), {passive: true});
        this.element.addEventListener('keydown', event => this.#keydown(event));
        this.element.addEventListener('click', event => this.#click(event));
        this.observer = new ResizeObserver(() => this.#resized());
        this.observer.observe(this.element);
    }

    dispose() {
        this.observer.disconnect();
        cancelAnimationFrame(this.#frame);
    }

    get items() {
        return this.#items;
    }

    get activeKey() {
        return this.#active;
    }

    get activeItem() {
        return this.#items[this.indexOf(this.#active)] ?? null;
    }

    get rowHeight() {
        const {rowHeight} = this.#options;

        return typeof rowHeight === 'function' ? rowHeight() : rowHeight;
    }

    indexOf(key) {
        return key === null ? -1 : this.#items.findIndex(item => this.#options.keyOf(item) === key);
    }

    // Shows other items. With keepPlace, the rows that are seen stay where they are, although there are new ones
    // above them, unless the first row is seen.
    setItems(items, {keepPlace = false} = {}) {
        const top = this.element.scrollTop;
        const first = Math.floor(top / this.rowHeight);
        const anchor = keepPlace && first > 0 && this.#items[first] ? this.#options.keyOf(this.#items[first]) : null;

        this.#items = items;
        this.#space.style.height = `${items.length * this.rowHeight}px`;
        if (anchor !== null) {
            const now = this.indexOf(anchor);

            if (now >= 0 && now !== first)
                this.element.scrollTop = top + (now - first) * this.rowHeight;
        }
        this.render();
    }

    // Makes a row the active one.
    activate(key, {scroll = true, byUser = false} = {}) {
        this.#active = key;
        if (scroll)
            this.scrollTo(key, !byUser);
        this.render();
        const item = this.activeItem;
        if (item)
            this.#options.onActive?.(item, byUser);
    }

    // Brings a row in sight; one that the user has not moved to, in the middle.
    scrollTo(key, inMiddle = false) {
        const index = this.indexOf(key);
        const height = this.rowHeight;
        const seen = this.element.clientHeight - this.#headHeight;

        if (index < 0 || seen <= 0)
            return;
        const isAbove = index * height < this.element.scrollTop;
        const isBelow = (index + 1) * height > this.element.scrollTop + seen;

        if (inMiddle && (isAbove || isBelow))
            this.element.scrollTop = index * height - (seen - height) / 2;
        else if (isAbove)
            this.element.scrollTop = index * height;
        else if (isBelow)
            this.element.scrollTop = (index + 1) * height - seen;
    }

    get #headHeight() {
        return this.#options.header?.offsetHeight ?? 0;
    }

    #schedule() {
        this.#frame ||= requestAnimationFrame(() => this.render());
    }

    #resized() {
        if (this.#height !== this.rowHeight) {
            this.#height = this.rowHeight;
            this.#rows.forEach(row => row.element.remove());
            this.#rows.clear();
            this.#space.style.height = `${this.#items.length * this.#height}px`;
        }
        this.#schedule();
    }

    // Brings the rows in the document up to date.
    render() {
        cancelAnimationFrame(this.#frame);
        this.#frame = 0;
        const height = this.rowHeight;
        const start = Math.max(0, Math.floor(this.element.scrollTop / height) - SPARE);
        const end = Math.min(this.#items.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / height) + SPARE);
        const wanted = new Set();

        for (let i = start; i < end; i++)
            wanted.add(this.#options.keyOf(this.#items[i]));
        for (const [key, row] of this.#rows)
            if (!wanted.has(key)) {
                row.element.remove();
                this.#rows.delete(key);
            }
        let above = null;
        for (let i = start; i < end; i++)
            above = this.#renderRow(this.#items[i], i, height, above);
        this.#tellActive();
        if (end > this.#items.length - SPARE)
            this.#options.onEnd?.();
    }

    // above: the element of the row above it. Returns: the element of the row
    #renderRow(item, index, height, above) {
        const key = this.#options.keyOf(item);
        const old = this.#rows.get(key);
        let row = old;

        if (!old || old.item !== item) {
            row = {item, element: this.#options.makeRow(item, index), index: -1};
            row.element.id = old?.element.id ?? newId(this.#prefix);
            row.element.classList.add('row');
            old?.element.replaceWith(row.element);
            this.#rows.set(key, row);
        }
        this.#place(row.element, above);
        if (row.index !== index) {
            row.index = index;
            row.element.dataset.index = index;
            row.element.style.transform = `translateY(${index * height}px)`;
            if (this.#options.role === 'grid')
                row.element.setAttribute('aria-rowindex', index + 2);
        }
        row.element.classList.toggle('active', key === this.#active);
        return row.element;
    }

    // Screen readers read the rows in the order of the document: a row is behind the one above it.
    #place(element, above) {
        const next = above ? above.nextElementSibling : this.#space.firstElementChild;

        if (next !== element)
            this.#space.insertBefore(element, next);
    }

    #tellActive() {
        const row = this.#rows.get(this.#active);

        if (row)
            this.element.setAttribute('aria-activedescendant', row.element.id);
        else
            this.element.removeAttribute('aria-activedescendant');
    }

    // The rows again, although their items are the same.
    refresh() {
        for (const row of this.#rows.values())
            row.item = null;
        this.render();
    }

    #click(event) {
        const row = event.target.closest('.row');
        const item = row && this.#space.contains(row) ? this.#items[Number(row.dataset.index)] : null;

        if (!item || event.defaultPrevented || event.target.closest('button'))
            return;
        this.activate(this.#options.keyOf(item), {byUser: true});
        if (!event.target.closest('a'))
            this.#options.onOpen?.(item, true);
    }

    // Moves the active row by so many rows.
    move(rows) {
        if (this.#items.length === 0)
            return;
        const index = this.indexOf(this.#active);
        const next = index < 0 ? 0 : Math.max(0, Math.min(this.#items.length - 1, index + rows));

        this.activate(this.#options.keyOf(this.#items[next]), {byUser: true});
    }

    // Uses a key that moves the active row. Returns: whether it was one
    handleKey(event) {
        const screen = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 2);

        switch (event.key) {
        case 'ArrowDown': case 'j': this.move(1); return true;
        case 'ArrowUp': case 'k': this.move(-1); return true;
        case 'PageDown': this.move(screen); return true;
        case 'PageUp': this.move(-screen); return true;
        case 'Home': this.move(-Infinity); return true;
        case 'End': this.move(Infinity); return true;
        case 'Enter':
            if (this.activeItem)
                this.#options.onOpen?.(this.activeItem, false);
            return Boolean(this.activeItem);
        default:
            return Boolean(this.activeItem && this.#options.onKey?.(event, this.activeItem));
        }
    }

    #keydown(event) {
        if (event.target === this.element && !event.ctrlKey && !event.metaKey && !event.altKey && this.handleKey(event))
            event.preventDefault();
    }
}
