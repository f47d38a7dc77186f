// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A project over time: traces and errors, latency, tokens, cost; as drawings, and as a table.

import {_, language} from './words.js';
import {addresses, go, setQuery} from './router.js';
import {api} from './api.js';
import {errorState, skeleton} from './states.js';
import {fill, h} from './element.js';
import {formatCost, formatCount, formatDuration, formatNumber, parseTime} from './format.js';
import {live, paced} from './live.js';
import {makeChart} from './chart.js';
import {readRange} from './filter.js';
import {makeTitle, setTrail} from './shell.js';
import {tabsOfProject} from './traces-view.js';

const BUCKETS = 48;

function timeChoices() {
    return [['1h', _('1 hour')], ['24h', _('24 hours')], ['7d', _('7 days')], ['30d', _('30 days')]];
}

// A sum of numbers that may be missing.
const sum = (buckets, name) => buckets.reduce((total, bucket) => total + (bucket[name] ?? 0), 0);

const tokensOf = bucket => typeof bucket.tokens === 'object' ? bucket.tokens?.total ?? 0 : bucket.tokens ?? 0;

function describeCharts(buckets) {
    return [
        {
            title: _('Traces'), total: formatCount(sum(buckets, 'n')), format: formatCount, kind: 'bars',
            series: [
                {name: _('Successes'), className: 'good', of: bucket => (bucket.n ?? 0) - (bucket.errors ?? 0)},
                {name: _('Errors'), className: 'bad', of: bucket => bucket.errors ?? 0},
            ],
        },
        {
            title: _('Latency'), total: '', format: formatDuration, kind: 'lines',
            series: [
                {name: _('First token, median'), className: 'third', of: bucket => bucket.first_token_p50 ?? null},
                {name: _('Median'), className: 'first', of: bucket => bucket.latency_p50 ?? null},
                {name: _('95th percentile'), className: 'second', of: bucket => bucket.latency_p95 ?? null},
            ],
        },
        {
            title: _('Tokens'), total: formatCount(buckets.reduce((total, bucket) => total + tokensOf(bucket), 0)), format: formatCount, kind: 'bars',
            series: [{name: _('Tokens'), className: 'first', of: tokensOf}],
        },
        {
            title: _('Cost'), total: formatCost(sum(buckets, 'cost')), format: formatCost, kind: 'bars',
            series: [{name: _('Cost'), className: 'second', of: bucket => bucket.cost ?? 0}],
        },
    ];
}

function formatBucket(bucket, span) {
    const options = span > 2 * 86400000 ? {month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit'} : {hour: '2-digit', minute: '2-digit'};

    return new Intl.DateTimeFormat(language, options).format(new Date(parseTime(bucket.start) ?? 0));
}

function makeTable(buckets, charts, span) {
    const series = charts.flatMap(chart => chart.series.map(one => ({...one, format: chart.format,
        name: chart.series.length > 1 ? `${chart.title}: ${one.name}` : one.name})));
    const seen = buckets.filter(bucket => bucket.n > 0);

    return h('details', {class: 'chart-table', data: {keep: 'table'}}, h('summary', {}, _('The numbers as a table')),
        h('div', {class: 'scroll-x', tabindex: 0, role: 'region', 'aria-label': _('The numbers as a table')}, h('table', {class: 'table'},
            h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, _('From')), series.map(one => h('th', {scope: 'col', class: 'number'}, one.name)))),
            h('tbody', {}, seen.map(bucket => h('tr', {}, h('th', {scope: 'row'}, formatBucket(bucket, span)), series.map(one => {
                const value = one.of(bucket);

                return h('td', {class: 'number'}, value === null ? '–' : one.format(value) || formatNumber(value));
            })))))));
}

export function showChart(host, address, signal) {
    const {project} = address;
    const body = h('div', {class: 'scroll charts-scroll'}, skeleton());
    const times = h('div', {class: 'segments', role: 'group', 'aria-label': _('Time of the start')});
    let first = true;

    function range() {
        const {start, end} = readRange(address.query);
        const now = new Date().toISOString();

        return {start: start ?? new Date(Date.now() - 86400000).toISOString(), end: end ?? now};
    }

    async function load() {
        try {
            const {start, end} = range();
            const answer = await api.getChart(project, start, end, BUCKETS, signal);
            const span = Date.parse(end) - Date.parse(start);
            const buckets = answer.buckets ?? [];
            const charts = describeCharts(buckets);
            const isOpen = body.querySelector('.chart-table')?.open ?? false;

            if (sum(buckets, 'n') === 0) {
                fill(body, h('div', {class: 'empty'}, h('h2', {}, _('No traces in this time range')), h('p', {}, _('Choose a longer time range.'))));
                return;
            }
            const top = body.scrollTop;
            fill(body, h('div', {class: 'charts'}, charts.map(chart => makeChart(chart, buckets, bucket => formatBucket(bucket, span), address.query, project))),
                makeTable(buckets, charts, span));
            body.querySelector('.chart-table').open = isOpen;
            body.scrollTop = top;
            first = false;
        } catch (error) {
            if (error.name !== 'AbortError' && first)
                fill(body, errorState(error, load));
        }
    }

    const reload = paced(load, signal, 1000);

    function update(newAddress) {
        address = newAddress;
        const since = address.query.get('since') ?? (address.query.has('from') ? '' : '24h');
        fill(times, timeChoices().map(([value, label]) => h('button', {
            type: 'button', class: 'segment', 'aria-pressed': String(value === since),
            on: {click: () => setQuery({since: value, from: null, to: null}, {push: true})},
        }, label)));
        reload();
    }

    live.addEventListener('runs', event => event.detail.some(run => run.project === project) && reload(), {signal});
    for (const name of ['removed', 'reload'])
        live.addEventListener(name, reload, {signal});
    setTrail([[_('Projects'), addresses.projects()], ['…', '']]);
    api.getProject(project, signal)
        .then(answer => setTrail([[_('Projects'), addresses.projects()], [answer.name, addresses.traces(project)], [_('Chart'), '']]))
        .catch(() => null);
    fill(host, h('div', {class: 'head'}, makeTitle(_('Chart')), tabsOfProject(project, 'chart'), h('span', {class: 'push'}), times), body);
    update(address);
    return {update, keys: event => event.key === 'u' ? (go(addresses.traces(project)), true) : false};
}
