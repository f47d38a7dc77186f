// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The runs of a trace: a tree, with the bars of the waterfall beside it.

import {_, ngettext} from './words.js';
import {formatCost, formatCount, formatDuration, nameStatus} from './format.js';
import {fill, h} from './element.js';
import {icon, typeIcon} from './icons.js';
import {latencyOf} from './trace-model.js';
import {makeBar, makeScale} from './waterfall.js';
import {statusSign} from './run-signs.js';
import {toLine} from './plain-text.js';
import {VirtualList} from './virtual-list.js';

const narrow = matchMedia('(max-width: 760px)');
const rowHeight = () => narrow.matches ? 44 : 32;

// options: onSelect (run, byUser), onOpen (run), onRoot (run)
export class RunTree {
    #model;
    #options;
    #range = null;
    #head = h('div', {class: 'tree-head'});
    #count = h('div', {class: 'tree-head-name'});
    #found = new Set();
    #rows = new Map();

    constructor(model, options) {
        this.#model = model;
        this.#options = options;
        this.list = new VirtualList({
            role: 'tree', label: _('Runs'), className: 'tree', rowHeight, header: this.#head,
            keyOf: row => row.run.id,
            makeRow: row => this.#makeRow(row),
            onActive: (row, byUser) => options.onSelect(row.run, byUser),
            onOpen: (row, byMouse) => options.onOpen(row.run, byMouse),
            onKey: (event, row) => this.#key(event, row),
        });
        this.element = this.list.element;
    }

    // Shows what the model has now.
    update() {
        const range = this.#model.range();
        const moved = this.#range === null || range.start !== this.#range.start || range.end !== this.#range.end;

        this.#range = range;
        if (moved)
            fill(this.#head, this.#count, makeScale(range));
        this.#count.textContent = ngettext('{n} run', '{n} runs', this.#model.size);
        // A row stays the same object, and is not made again, if nothing of it has changed.
        const rows = this.#model.flatten().map(row => {
            const old = this.#rows.get(row.run.id);
            const isSame = old && !moved && old.run === row.run && old.depth === row.depth && old.open === row.open &&
                old.position === row.position && old.siblings === row.siblings;

            return isSame ? old : row;
        });
        this.#rows = new Map(rows.map(row => [row.run.id, row]));
        this.list.setItems(rows, {keepPlace: true});
        return range.running;
    }

    select(id, options) {
        this.#model.reveal(id);
        this.update();
        this.list.activate(id, options);
    }

    // Marks what a search has found.
    setFound(ids) {
        this.#found = new Set(ids);
        this.list.refresh();
    }

    #toggle(row, open) {
        this.#model.setOpen(row.run.id, open);
        this.update();
    }

    #key(event, row) {
        const {run} = row;

        switch (event.key) {
        case 'ArrowRight':
            if (row.open === false)
                this.#toggle(row, true);
            else if (row.open)
                this.list.activate(this.#model.children(run.id)[0].id, {byUser: true});
            return true;
        case 'ArrowLeft':
            if (row.open)
                this.#toggle(row, false);
            else if (row.depth > 0)
                this.list.activate(run.parent, {byUser: true});
            return true;
        case ' ':
            if (row.open !== null)
                this.#toggle(row, !row.open);
            return true;
        case 'r':
            this.#options.onRoot(run);
            return true;
        default:
            return false;
        }
    }

    // What a screen reader says where others see an icon, a colour or a bar.
    #describe(run) {
        const parts = [toLine(run.run_type), nameStatus(run.status)];

        if (run.firstToken)
            parts.push(_('first token after {time}', {time: formatDuration((run.firstToken - run.start) / 1000)}));
        if (run.tokens?.total)
            parts.push(_('tokens'));
        return h('span', {class: 'unseen'}, `, ${parts.filter(Boolean).join(', ')} `);
    }

    #makeFold(row) {
        if (row.open === null)
            return h('span', {class: 'fold none'});
        const fold = h('button', {type: 'button', class: 'fold', tabindex: -1, 'aria-hidden': 'true'}, icon(row.open ? 'down' : 'next'));

        fold.addEventListener('click', () => this.#toggle(row, !row.open));
        return fold;
    }

    #makeRow(row) {
        const {run} = row;
        const latency = latencyOf(run);

        return h('div', {
            role: 'treeitem', class: `tree-row status-${run.status}${this.#found.has(run.id) ? ' found' : ''}`,
            'aria-level': row.depth + 1, 'aria-posinset': row.position, 'aria-setsize': row.siblings,
            'aria-expanded': row.open === null ? null : String(row.open),
            vars: {depth: row.depth},
        },
        h('div', {class: 'tree-name'},
            h('span', {class: 'indent'}), this.#makeFold(row), typeIcon(run.run_type),
            h('span', {class: 'tree-text'}, h('bdi', {}, toLine(run.name) || _('(no name)'))),
            run.status !== 'success' && statusSign(run.status), this.#describe(run),
            h('span', {class: 'push'}),
            run.tokens?.total > 0 && h('span', {class: 'tree-sums', title: _('Tokens and cost, with what is below it')},
                formatCount(run.tokens.total), run.cost > 0 && h('span', {class: 'tree-cost'}, ` · ${formatCost(run.cost)}`)),
            h('span', {class: 'tree-latency'}, latency === null ? '' : formatDuration(latency))),
        makeBar(run, this.#range));
    }
}
