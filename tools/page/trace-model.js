// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The runs of a trace as a tree, of which some are folded. Runs are never changed: a newer state is another
// object, so that a list sees which rows to make again.

import {parseTime} from './format.js';

// In a larger trace, only the first runs are unfolded.
const SMALL = 400;
const OPEN_DEPTH = 2;

// A run that says nothing for so long is not shown as if it went on.
const STALLED_MS = 10 * 60 * 1000;

const byTime = (a, b) => a.start - b.start || a.order - b.order;

export class TraceModel {
    #runs = new Map();
    #children = new Map();
    #folded = new Map();
    #order = 0;

    // The run at the top; null for that of the whole trace.
    root = null;

    get size() {
        return this.#runs.size;
    }

    get(id) {
        return this.#runs.get(id) ?? null;
    }

    get all() {
        return [...this.#runs.values()];
    }

    // Takes runs as the service sends them.
    merge(runs) {
        for (const run of runs) {
            const old = this.#runs.get(run.id);

            this.#runs.set(run.id, {
                ...run,
                start: parseTime(run.start_time) ?? 0,
                end: parseTime(run.end_time),
                firstToken: parseTime(run.first_token_time),
                order: old?.order ?? this.#order++,
            });
        }
        this.#link();
    }

    replace(runs) {
        const ids = new Set(runs.map(run => run.id));

        for (const id of [...this.#runs.keys()])
            if (!ids.has(id))
                this.#runs.delete(id);
        this.merge(runs);
    }

    #link() {
        this.#children = new Map();
        for (const run of this.#runs.values()) {
            const parent = this.#runs.has(run.parent) ? run.parent : null;
            const list = this.#children.get(parent);

            if (list)
                list.push(run);
            else
                this.#children.set(parent, [run]);
        }
        for (const list of this.#children.values())
            list.sort(byTime);
    }

    children(id) {
        return this.#children.get(id) ?? [];
    }

    // The run at the top of what is shown.
    get top() {
        return this.get(this.root) ?? this.children(null)[0] ?? null;
    }

    // From the top of the trace down to a run, which is the last.
    path(id) {
        const path = [];

        for (let run = this.get(id); run && path.length < this.size; run = this.get(run.parent))
            path.unshift(run);
        return path;
    }

    isOpen(run, depth) {
        return this.#folded.get(run.id) ?? (this.size <= SMALL || depth < OPEN_DEPTH);
    }

    setOpen(id, open) {
        this.#folded.set(id, open);
    }

    // Unfolds all that is above a run.
    reveal(id) {
        for (const run of this.path(id).slice(0, -1))
            this.#folded.set(run.id, true);
    }

    // The run that has failed first, and none below it: where the error comes from.
    findError() {
        const failed = this.all.filter(run => run.status === 'error' &&
            !this.children(run.id).some(child => child.status === 'error'));

        return failed.sort((a, b) => (a.end ?? a.start) - (b.end ?? b.start))[0] ?? null;
    }

    // The rows that are shown: {run, depth, open (null: no children), position, siblings}
    flatten() {
        const rows = [];
        const tops = this.root && this.get(this.root) ? [this.get(this.root)] : this.children(null);
        const stack = [];
        const push = (runs, depth) => {
            for (let i = runs.length - 1; i >= 0; i--)
                stack.push({run: runs[i], depth, position: i + 1, siblings: runs.length});
        };

        push(tops, 0);
        while (stack.length > 0) {
            const row = stack.pop();
            const children = this.children(row.run.id);

            row.open = children.length === 0 ? null : this.isOpen(row.run, row.depth);
            rows.push(row);
            if (row.open)
                push(children, row.depth + 1);
        }
        return rows;
    }

    // When the first token of any run came, or null.
    get firstToken() {
        return this.all.reduce((first, run) => run.firstToken !== null && (first === null || run.firstToken < first) ? run.firstToken : first, null);
    }

    // From when to when what is shown lasts: {start, end, running}
    range(now = Date.now()) {
        let start = Infinity;
        let end = -Infinity;
        let running = false;
        const look = run => {
            start = Math.min(start, run.start);
            end = Math.max(end, run.start, run.end ?? 0, run.firstToken ?? 0);
            running ||= run.status === 'pending';
        };
        const stack = this.top && this.root ? [this.top] : [...this.children(null)];

        while (stack.length > 0) {
            const run = stack.pop();

            look(run);
            stack.push(...this.children(run.id));
        }
        if (running && now - end < STALLED_MS)
            end = Math.max(end, now);
        else
            running = false;
        return {start, end: Math.max(end, start + 1), running};
    }
}

// How long a run takes, in seconds, or null.
export function latencyOf(run) {
    return run.end === null ? null : (run.end - run.start) / 1000;
}
