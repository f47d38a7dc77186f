// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A value as JSON in lines: folded and unfolded, searched and copied. Only the lines that are seen are in the
// document, so that its size does not matter.

import {_, ngettext} from './words.js';
import {copyText} from './notice.js';
import {h} from './element.js';
import {icon} from './icons.js';
import {cut, toLine} from './plain-text.js';
import {VirtualList} from './virtual-list.js';

const LINE_HEIGHT = 22;

// Long lists and objects are folded in groups of so many.
const GROUP = 100;
const SHORT = 160;
// A value whose JSON is shorter is unfolded as a whole.
const SMALL = 20000;
// A long text is unfolded to lines of so many characters.
const COLUMNS = 100;
const SEARCH_DELAY_MS = 200;
const MAX_FOUND = 10000;

const isContainer = value => typeof value === 'object' && value !== null;

// Characters that a reader would not see are shown as JSON has them.
const quote = text => JSON.stringify(text).replace(/[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

// The lines of a long text: {start, text}
function splitText(value) {
    const lines = [];
    let start = 0;

    for (const line of value.split('\n')) {
        for (let at = 0; at === 0 || at < line.length; at += COLUMNS)
            lines.push({start: start + at, text: line.slice(at, at + COLUMNS)});
        start += line.length + 1;
    }
    return lines;
}

// The numbers of the lines of a long text in which words begin.
function findLines(value, words) {
    const text = value.toLowerCase();
    const found = [];
    let at = text.indexOf(words);

    if (at < 0)
        return found;
    splitText(value).forEach((line, i, lines) => {
        const end = lines[i + 1]?.start ?? Infinity;

        if (at >= 0 && at < end && found.length < MAX_FOUND) {
            found.push(i);
            at = text.indexOf(words, end);
        }
    });
    return found;
}

export class JsonView {
    #value = null;
    #open = new Map();
    #versions = new Map();
    #found = [];
    #foundAt = -1;
    #openDepth = 3;
    #timer = 0;

    constructor() {
        this.#list = new VirtualList({
            role: 'tree', label: _('JSON'), className: 'json', rowHeight: LINE_HEIGHT, keyOf: line => line.key,
            makeRow: line => this.#makeLine(line), onKey: (event, line) => this.#key(event, line),
            onOpen: line => line.open !== null && this.#toggle(line),
        });
        this.#search = h('input', {type: 'search', placeholder: _('Search in the JSON'), 'aria-label': _('Search in the JSON'), autocomplete: 'off', spellcheck: 'false'});
        this.#count = h('span', {class: 'found-count', 'aria-live': 'polite'});
        this.#search.addEventListener('input', () => {
            clearTimeout(this.#timer);
            this.#timer = setTimeout(() => this.#find(), SEARCH_DELAY_MS);
        });
        this.#search.addEventListener('keydown', event => {
            if (event.key !== 'Enter')
                return;
            event.preventDefault();
            this.#goToFound(event.shiftKey ? -1 : 1);
        });
        this.element = h('div', {class: 'json-view'},
            h('div', {class: 'json-tools'},
                h('div', {class: 'search'}, icon('search'), this.#search, this.#count), h('span', {class: 'push'}),
                h('button', {type: 'button', class: 'button quiet', on: {click: () => this.#setAll(true)}}, icon('unfold'), _('Unfold')),
                h('button', {type: 'button', class: 'button quiet', on: {click: () => this.#setAll(false)}}, _('Fold')),
                h('button', {
                    type: 'button', class: 'button quiet', on: {
                        click: () => copyText(JSON.stringify(this.#value, null, 2), _('JSON copied to the clipboard')),
                    },
                }, icon('copy'), _('Copy'))),
            this.#list.element);
    }

    #list;
    #search;
    #count;

    dispose() {
        clearTimeout(this.#timer);
        this.#list.dispose();
    }

    // Shows a value. If it is the same again, with changes, what is unfolded stays.
    setValue(value, again) {
        this.#value = value;
        if (!again) {
            this.#open = new Map();
            this.#found = [];
            this.#openDepth = JSON.stringify(value).length < SMALL ? 12 : 3;
            this.#search.value = '';
            this.#count.textContent = '';
        }
        this.#update();
    }

    #isOpen(path, value, depth) {
        const known = this.#open.get(path);

        if (known !== undefined)
            return known;
        return isContainer(value) && depth < this.#openDepth && Object.keys(value).length <= GROUP;
    }

    // --- lines ---

    #update() {
        const lines = [];

        this.#add(lines, '', null, this.#value, 0, true);
        const old = this.#versions;
        this.#versions = new Map();
        this.#list.setItems(lines.map(line => {
            const text = `${line.depth}|${line.open}|${line.name}|${line.text}|${line.last}|${line.kind}`;
            const known = old.get(line.key);
            const same = known?.text === text ? known : {text, line};

            this.#versions.set(line.key, same);
            return same.line;
        }));
    }

    #push(lines, line) {
        lines.push({open: null, name: null, text: '', last: true, kind: 'scalar', ...line});
    }

    #add(lines, path, name, value, depth, last) {
        if (isContainer(value))
            this.#addContainer(lines, path, name, value, depth, last);
        else if (typeof value === 'string' && value.length > SHORT)
            this.#addText(lines, path, name, value, depth, last);
        else
            this.#push(lines, {
                key: path, name, depth, last, kind: value === null ? 'null' : typeof value,
                text: typeof value === 'string' ? quote(value) : String(value),
            });
    }

    #addContainer(lines, path, name, value, depth, last) {
        const isList = Array.isArray(value);
        const names = isList ? null : Object.keys(value);
        const n = isList ? value.length : names.length;
        const [begin, end] = isList ? '[]' : '{}';

        if (n === 0) {
            this.#push(lines, {key: path, name, depth, last, kind: 'bracket', text: begin + end});
            return;
        }
        const open = this.#isOpen(path, value, depth);
        const count = isList ? ngettext('{n} item', '{n} items', n) : ngettext('{n} member', '{n} members', n);
        this.#push(lines, {key: path, name, depth, last: open || last, open, kind: 'bracket', text: open ? begin : `${begin} ${count} ${end}`});
        if (!open)
            return;
        const addOne = (i, level) => this.#add(lines, `${path}/${isList ? i : names[i]}`, isList ? null : names[i],
            value[isList ? i : names[i]], level, i === n - 1);
        for (let from = 0; from < n; from += GROUP) {
            const to = Math.min(n, from + GROUP);

            if (n > GROUP) {
                const group = `${path}//${from}`;
                const isGroupOpen = this.#open.get(group) ?? false;

                this.#push(lines, {key: group, depth: depth + 1, open: isGroupOpen, kind: 'group', text: `${from} – ${to - 1}`});
                if (!isGroupOpen)
                    continue;
            }
            for (let i = from; i < to; i++)
                addOne(i, depth + (n > GROUP ? 2 : 1));
        }
        this.#push(lines, {key: `${path}/}`, depth, last, kind: 'bracket', text: end});
    }

    #addText(lines, path, name, value, depth, last) {
        const open = this.#isOpen(path, value, depth);

        this.#push(lines, {key: path, name, depth, last: open || last, open, kind: 'string', text: open ? '"' : `${quote(value.slice(0, SHORT)).slice(0, -1)}…"`});
        if (!open)
            return;
        splitText(value).forEach(({text}, i) => this.#push(lines, {key: `${path}//line${i}`, depth: depth + 1, kind: 'text', text}));
        this.#push(lines, {key: `${path}//end`, depth, last, kind: 'string', text: '"'});
    }

    #makeLine(line) {
        const found = this.#found[this.#foundAt] === line.key;

        return h('div', {
            role: 'treeitem', class: `json-line${found ? ' found' : ''}`, vars: {depth: line.depth}, 'aria-level': line.depth + 1,
            'aria-expanded': line.open === null ? null : String(line.open),
        },
        h('span', {class: 'fold', 'aria-hidden': 'true'}, line.open !== null && icon(line.open ? 'down' : 'next')),
        line.name !== null && [h('bdi', {class: 'json-name'}, cut(quote(line.name), 200)), ': '],
        h('bdi', {class: `json-${line.kind}`}, line.kind === 'text' ? toLine(line.text) : line.text),
        !line.last && ',');
    }

    // --- folding ---

    #toggle(line) {
        this.#open.set(line.key, !line.open);
        this.#update();
    }

    #setAll(open) {
        const walk = (path, value, depth) => {
            if (!isContainer(value) || depth > 60)
                return;
            const names = Object.keys(value);

            this.#open.set(path, open || path === '');
            // Large lists stay in groups.
            if (names.length > GROUP)
                return;
            for (const name of names)
                walk(`${path}/${name}`, value[name], depth + 1);
        };

        this.#open = new Map();
        walk('', this.#value, 0);
        this.#update();
    }

    #key(event, line) {
        if (event.key === 'ArrowRight' && line.open === false || event.key === 'ArrowLeft' && line.open || event.key === ' ' && line.open !== null) {
            this.#toggle(line);
            return true;
        }
        if (event.key === 'ArrowLeft') {
            const {items} = this.#list;
            let i = this.#list.indexOf(line.key);

            while (i > 0 && items[i].depth >= line.depth)
                i--;
            this.#list.activate(items[i].key, {byUser: true});
            return true;
        }
        return false;
    }

    // --- search ---

    #find() {
        const words = this.#search.value.toLowerCase();
        const found = [];
        const walk = (path, name, value) => {
            if (found.length >= MAX_FOUND)
                return;
            const isLong = typeof value === 'string' && value.length > SHORT;

            if (name !== null && name.toLowerCase().includes(words) ||
                !isContainer(value) && !isLong && String(value).toLowerCase().includes(words))
                found.push(path);
            if (isLong)
                found.push(...findLines(value, words).map(line => `${path}//line${line}`));
            if (isContainer(value))
                for (const one of Object.keys(value))
                    walk(`${path}/${one}`, Array.isArray(value) ? null : one, value[one]);
        };

        if (words !== '')
            walk('', null, this.#value);
        this.#found = found;
        this.#foundAt = -1;
        if (found.length > 0)
            this.#goToFound(1);
        this.#count.textContent = words === '' ? '' : ngettext('{n} found', '{n} found', found.length);
        this.#list.refresh();
    }

    #goToFound(step) {
        const n = this.#found.length;

        if (n === 0)
            return;
        this.#foundAt = (this.#foundAt + step + n) % n;
        const key = this.#found[this.#foundAt];
        this.#reveal(key);
        this.#update();
        this.#list.refresh();
        this.#list.activate(key);
        this.#count.textContent = `${this.#foundAt + 1} / ${n}`;
    }

    // Unfolds what is around a line. Names may have slashes, so the value itself is followed.
    #reveal(key) {
        let path = '';
        let value = this.#value;

        while (path !== key && isContainer(value)) {
            const names = Object.keys(value);
            const index = names.findIndex(name => key === `${path}/${name}` || key.startsWith(`${path}/${name}/`));

            if (index < 0)
                return;
            this.#open.set(path, true);
            if (names.length > GROUP)
                this.#open.set(`${path}//${Math.floor(index / GROUP) * GROUP}`, true);
            path += `/${names[index]}`;
            value = value[names[index]];
        }
        if (path !== key)
            this.#open.set(path, true);
    }
}
