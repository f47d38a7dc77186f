// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Begins the page, and shows the view of the address.
//
// A view is a function of its host element, the address as router.js reads it, and an AbortSignal that ends it.
// It returns {update (address), keys (event)}: update is called when only the query has changed, or the words of
// the path that it says it takes by accepts (address).

import {_, loadWords} from './words.js';
import {attachNotices} from './notice.js';
import {attachShell, setTrail} from './shell.js';
import {asPage, emptyState} from './states.js';
import {fill, h} from './element.js';
import {live} from './live.js';
import {onStranger} from './api.js';
import {setViewKeys, startKeyboard} from './keyboard.js';
import {showChart} from './chart-view.js';
import {showProjects} from './projects-view.js';
import {showThreads} from './threads-view.js';
import {showTrace} from './trace-view.js';
import {showTraces} from './traces-view.js';
import {startRouter} from './router.js';

const VIEWS = {projects: showProjects, traces: showTraces, threads: showThreads, chart: showChart, trace: showTrace};

const page = document.getElementById('page');
let current = null;

function isSame(a, b) {
    return a.view === b.view && a.project === b.project && a.trace === b.trace;
}

function showMissing(host) {
    setTrail([[_('Not found'), '']]);
    fill(host, asPage(emptyState('search', _('There is no such page'), h('p', {}, h('a', {class: 'button', href: '/'}, _('Go to the projects'))))));
    return {};
}

function showView(host, address) {
    if (current && isSame(current.address, address) && current.view.update) {
        current.address = address;
        current.view.update(address);
        return;
    }
    const focused = current !== null && host.contains(document.activeElement);
    current?.scope.abort();
    const scope = new AbortController();
    current = {address, scope, view: {}};
    fill(host);
    host.className = `view view-${address.view}`;
    setViewKeys(null);
    current.view = (VIEWS[address.view] ?? showMissing)(host, address, scope.signal);
    setViewKeys(current.view.keys ?? null);
    if (focused)
        host.focus({preventScroll: true});
}

// The service does not know this browser: nothing else is to be seen.
function showStranger() {
    live.end();
    current?.scope.abort();
    setViewKeys(null);
    document.title = 'lsobs';
    fill(page, h('main', {class: 'stranger'}, asPage(emptyState('system', _('Open the page by its address with the token'),
        h('p', {}, _('“lsobs serve” prints that address in its terminal, and “lsobs serve --open” opens it.'))))));
}

await loadWords();
onStranger(showStranger);
attachNotices(document.body);
const main = attachShell(page);
startKeyboard();
live.begin();
startRouter(address => showView(main, address));
