// SPDX-License-Identifier: LGPL-2.1-or-later
//
// All projects, with numbers of their traces.

import {_} from './words.js';
import {addresses, go} from './router.js';
import {api} from './api.js';
import {confirmDialog} from './dialog.js';
import {emptyState, errorState, noTracesYet, skeleton} from './states.js';
import {fill, h} from './element.js';
import {formatCost, formatCount, formatDuration, formatExactTime, formatPercent, formatTime, parseTime} from './format.js';
import {icon} from './icons.js';
import {live, paced} from './live.js';
import {setTrail} from './shell.js';
import {tellFailure} from './notice.js';
import {toLine} from './plain-text.js';

const PAGE = 100;
const TYPE_DELAY_MS = 250;

const cell = (label, text, className = '') =>
    h('td', {class: `number ${className}`, data: {label}}, text === '' ? h('span', {class: 'none'}, '–') : text);

async function deleteProject(project, after) {
    const sure = await confirmDialog(_('Delete the project?'),
        _('“{name}” and all of its traces are deleted. This cannot be undone.', {name: toLine(project.name)}), _('Delete the project'));

    if (!sure)
        return;
    await tellFailure(api.deleteProject(project.id));
    after();
}

function makeRow(project, reload) {
    const time = parseTime(project.last_run_start_time);
    const failed = project.error_rate > 0;

    return h('tr', {},
        h('th', {scope: 'row'}, h('a', {href: addresses.traces(project.id)}, h('bdi', {}, toLine(project.name)))),
        h('td', {data: {label: _('Last run')}}, h('time', {title: formatExactTime(time)}, formatTime(time))),
        cell(_('Traces'), formatCount(project.run_count)),
        cell(_('Errors'), project.run_count ? formatPercent(project.error_rate) : '', failed ? 'bad' : ''),
        cell(_('Median latency'), formatDuration(project.latency_p50)),
        cell(_('Median first token'), formatDuration(project.first_token_p50)),
        cell(_('Tokens'), project.total_tokens ? formatCount(project.total_tokens) : ''),
        cell(_('Cost'), Number(project.total_cost) ? formatCost(Number(project.total_cost)) : ''),
        h('td', {class: 'actions'}, h('button', {
            type: 'button', class: 'button quiet square', title: _('Delete the project'),
            'aria-label': _('Delete the project {name}', {name: toLine(project.name)}),
            on: {click: () => deleteProject(project, reload)},
        }, icon('trash'))));
}

function makeTable(projects, reload) {
    return h('table', {class: 'table projects'},
        h('thead', {}, h('tr', {},
            h('th', {scope: 'col'}, _('Project')), h('th', {scope: 'col'}, _('Last run')),
            [_('Traces'), _('Errors'), _('Median latency'), _('Median first token'), _('Tokens'), _('Cost')]
                .map(label => h('th', {scope: 'col', class: 'number'}, label)),
            h('th', {}, h('span', {class: 'unseen'}, _('Actions'))))),
        h('tbody', {}, projects.map(project => makeRow(project, reload))));
}

export function showProjects(host, address, signal) {
    const search = h('input', {
        type: 'search', placeholder: _('Search projects'), 'aria-label': _('Search projects'), autocomplete: 'off', spellcheck: 'false',
    });
    const body = h('div', {class: 'scroll'}, skeleton());
    let limit = PAGE;
    let timer = 0;

    async function load() {
        try {
            const projects = [];

            for (let offset = 0; offset < limit; offset += PAGE) {
                const some = await api.listProjects(search.value.trim(), offset, signal);

                projects.push(...some);
                if (some.length < PAGE)
                    break;
            }
            const focused = body.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
            if (projects.length > 0)
                fill(body, makeTable(projects, reload), projects.length === limit && h('button', {
                    type: 'button', class: 'button', on: {click: () => {
                        limit += PAGE;
                        reload();
                    }},
                }, _('Show more')));
            else
                fill(body, search.value ? emptyState('search', _('No project has this in its name')) : noTracesYet());
            if (focused)
                [...body.querySelectorAll('a')].find(link => link.getAttribute('href') === focused)?.focus({preventScroll: true});
        } catch (error) {
            if (error.name !== 'AbortError')
                fill(body, errorState(error, reload));
        }
    }

    // Numbers of all traces are not asked for with each run.
    const reload = paced(load, signal, 1000);

    function keys(event) {
        const links = [...body.querySelectorAll('th a')];
        const index = links.indexOf(document.activeElement);
        const next = {ArrowDown: index + 1, j: index + 1, ArrowUp: index - 1, k: index - 1, Home: 0, End: links.length - 1}[event.key];

        if (next === undefined)
            return false;
        links[Math.max(0, Math.min(links.length - 1, next))]?.focus();
        return true;
    }

    search.addEventListener('input', () => {
        clearTimeout(timer);
        timer = setTimeout(reload, TYPE_DELAY_MS);
    });
    for (const event of ['runs', 'removed', 'reload'])
        live.addEventListener(event, reload, {signal});
    setTrail([[_('Projects'), addresses.projects()]]);
    fill(host, h('div', {class: 'head'}, h('h1', {}, _('Projects')), h('span', {class: 'push'}),
        h('div', {class: 'search'}, icon('search'), search, h('kbd', {'aria-hidden': 'true'}, '/'))), body);
    reload();
    return {keys: event => event.key === 'u' ? (go('/'), true) : keys(event)};
}
