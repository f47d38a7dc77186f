// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When a run was at work, as a bar; with its first token and its events.

import {_} from './words.js';
import {formatDuration, parseTime} from './format.js';
import {h} from './element.js';
import {toLine} from './plain-text.js';

const MAX_EVENTS = 30;

const percent = (time, range) => 100 * (time - range.start) / (range.end - range.start);

function clamp(number) {
    return Math.max(0, Math.min(100, number));
}

function makeMark(className, time, range, title) {
    return h('span', {class: `mark ${className}`, vars: {at: `${clamp(percent(time, range))}%`}, title});
}

function describe(name, seconds) {
    return _('{name} after {time}', {name, time: formatDuration(seconds)});
}

// The bar of a run in a range of time.
export function makeBar(run, range) {
    const end = run.end ?? (run.status === 'pending' ? range.end : run.start);
    const from = clamp(percent(run.start, range));
    const to = clamp(percent(end, range));
    const events = (run.events ?? []).slice(0, MAX_EVENTS);
    const known = ['llm', 'tool', 'chain', 'retriever', 'embedding', 'prompt', 'parser'];
    const type = known.includes(run.run_type) ? run.run_type : 'chain';

    return h('div', {class: 'lane', 'aria-hidden': 'true'},
        h('div', {
            class: `bar type-${type} status-${run.status}`, vars: {from: `${from}%`, width: `${Math.max(0, to - from)}%`},
        }, run.firstToken && run.firstToken < end && h('span', {
            class: 'waiting', vars: {width: `${clamp(100 * (run.firstToken - run.start) / Math.max(1, end - run.start))}%`},
        })),
        events.map(event => {
            const time = parseTime(event.time);

            return time !== null && makeMark('event', time, range, describe(toLine(event.name), (time - run.start) / 1000));
        }),
        run.firstToken && makeMark('token', run.firstToken, range, describe(_('First token'), (run.firstToken - run.start) / 1000)));
}

// A step of 1, 2 or 5 that divides a length in about n parts.
function findStep(length, n) {
    const rough = length / n;
    const power = 10 ** Math.floor(Math.log10(rough));

    return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= rough);
}

// The scale above the bars.
export function makeScale(range) {
    const length = range.end - range.start;
    const step = findStep(length, 4);
    const times = [];

    for (let time = 0; time <= length * 0.93; time += step)
        times.push(time);
    return h('div', {class: 'scale', 'aria-hidden': 'true'}, times.map(time =>
        h('span', {class: 'scale-step', vars: {at: `${100 * time / length}%`}}, formatDuration(time / 1000))));
}
