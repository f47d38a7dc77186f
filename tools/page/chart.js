// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One drawing of numbers over time. The mouse, or the arrow keys, choose a time whose numbers are told; a click
// leads to its traces.

import {_} from './words.js';
import {addresses, go} from './router.js';
import {fill, h, svg} from './element.js';

const WIDTH = 600;
const HEIGHT = 170;
const LEFT = 4;
const BOTTOM = 4;
const TOP = 10;

// The next number of 1, 2, 5, 10, ... that is not less.
function roundUp(number) {
    if (!(number > 0))
        return 1;
    const power = 10 ** Math.floor(Math.log10(number));

    return [1, 2, 2.5, 5, 10].map(factor => factor * power).find(step => step >= number * 0.999999);
}

function drawBars(chart, buckets, top) {
    const width = (WIDTH - 2 * LEFT) / buckets.length;

    return buckets.flatMap((bucket, i) => {
        let base = HEIGHT - BOTTOM;

        return chart.series.map(one => {
            const height = (one.of(bucket) ?? 0) / top * (HEIGHT - TOP - BOTTOM);

            if (height <= 0)
                return null;
            base -= height;
            return svg('rect', {
                class: `series ${one.className}`, x: LEFT + i * width + width * 0.12, y: base, width: width * 0.76, height, rx: Math.min(1.5, height / 2),
            });
        });
    });
}

// A line has gaps where there are no numbers, and a dot where there is one alone.
function drawLine(one, buckets, top) {
    const width = (WIDTH - 2 * LEFT) / buckets.length;
    const points = buckets.map((bucket, i) => {
        const value = one.of(bucket);

        return value === null ? null : [LEFT + (i + 0.5) * width, HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)];
    });
    const path = points.map((point, i) => point && `${points[i - 1] ? 'L' : 'M'}${point[0].toFixed(1)} ${point[1].toFixed(1)}`).filter(Boolean).join('');
    const dots = points.filter((point, i) => point && !points[i - 1] && !points[i + 1]);

    return [svg('path', {class: `series line ${one.className}`, d: path}),
        dots.map(([x, y]) => svg('circle', {class: `series dot ${one.className}`, cx: x, cy: y, r: 2.6}))];
}

function findTop(chart, buckets) {
    const values = buckets.map(bucket => chart.kind === 'bars'
        ? chart.series.reduce((total, one) => total + (one.of(bucket) ?? 0), 0)
        : Math.max(0, ...chart.series.map(one => one.of(bucket) ?? 0)));

    return roundUp(Math.max(...values));
}

// chart: {title, total, format, kind ("bars" or "lines"), series: [{name, className, of (bucket)}]}
export function makeChart(chart, buckets, formatBucket, query, project) {
    const top = findTop(chart, buckets);
    const cursor = svg('rect', {class: 'cursor', y: 0, width: (WIDTH - 2 * LEFT) / buckets.length, height: HEIGHT, visibility: 'hidden'});
    const told = h('div', {class: 'chart-told', 'aria-live': 'polite'});
    const drawing = svg('svg', {class: 'chart-drawing', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true'},
        [0, 0.5, 1].map(share => svg('line', {
            class: 'grid', x1: 0, x2: WIDTH, y1: TOP + share * (HEIGHT - TOP - BOTTOM), y2: TOP + share * (HEIGHT - TOP - BOTTOM),
        })), cursor, chart.kind === 'bars' ? drawBars(chart, buckets, top) : chart.series.map(one => drawLine(one, buckets, top)));
    const area = h('div', {
        class: 'chart-area', tabindex: 0, role: 'slider', 'aria-label': chart.title, 'aria-valuemin': 0, 'aria-valuemax': buckets.length - 1,
        'aria-valuenow': buckets.length - 1, 'aria-valuetext': _('Use the arrow keys to read the numbers'),
    }, h('span', {class: 'chart-top', 'aria-hidden': 'true'}, chart.format(top)), drawing);
    let index = -1;

    function legend() {
        return chart.series.length > 1 && chart.series.map(one => h('span', {class: `legend ${one.className}`}, one.name));
    }

    function tell(i) {
        index = i;
        if (i < 0) {
            cursor.setAttribute('visibility', 'hidden');
            fill(told, legend() || h('span', {class: 'chart-total'}, chart.total));
            return;
        }
        const bucket = buckets[i];
        const parts = chart.series.map(one => {
            const value = one.of(bucket);

            return [one, value === null ? '–' : chart.format(value) || '0'];
        });

        cursor.setAttribute('visibility', 'visible');
        cursor.setAttribute('x', LEFT + i * (WIDTH - 2 * LEFT) / buckets.length);
        fill(told, h('span', {class: 'told-time'}, formatBucket(bucket)), parts.map(([one, value]) =>
            h('span', {class: `legend ${one.className}`}, one.name, ' ', h('b', {}, value))));
        area.setAttribute('aria-valuenow', i);
        area.setAttribute('aria-valuetext', [formatBucket(bucket), ...parts.map(([one, value]) => `${one.name} ${value}`)].join(', '));
    }

    function open() {
        const from = buckets[index]?.start;
        const step = Date.parse(buckets[1]?.start) - Date.parse(buckets[0]?.start);

        if (!from || Number.isNaN(step))
            return;
        const to = new Date(Date.parse(from) + step).toISOString();
        go(`${addresses.traces(project)}?${new URLSearchParams({from, to})}`);
    }

    area.addEventListener('pointermove', event => {
        const {left, width} = drawing.getBoundingClientRect();

        tell(Math.max(0, Math.min(buckets.length - 1, Math.floor((event.clientX - left) / width * buckets.length))));
    });
    area.addEventListener('pointerleave', () => tell(-1));
    area.addEventListener('blur', () => tell(-1));
    area.addEventListener('click', open);
    area.addEventListener('keydown', event => {
        const at = index < 0 ? buckets.length : index;
        const next = {ArrowLeft: at - 1, ArrowRight: index < 0 ? 0 : at + 1, Home: 0, End: buckets.length - 1}[event.key];

        if (event.key === 'Enter')
            open();
        else if (next === undefined)
            return;
        else
            tell(Math.max(0, Math.min(buckets.length - 1, next)));
        event.preventDefault();
        event.stopPropagation();
    });
    tell(-1);
    return h('section', {class: 'chart'}, h('div', {class: 'chart-head'}, h('h2', {}, chart.title), chart.series.length > 1 && h('span', {class: 'chart-total'}, chart.total), told), area,
        h('div', {class: 'chart-times', 'aria-hidden': 'true'}, h('span', {}, formatBucket(buckets[0])),
            h('span', {}, formatBucket(buckets[Math.floor(buckets.length / 2)])), h('span', {}, formatBucket(buckets.at(-1)))));
}
