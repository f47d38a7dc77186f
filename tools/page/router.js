// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which view an address stands for. What is filtered, selected and compared is in the query of the address, so
// that a link keeps it.

const ROUTES = [
    [/^\/$/, 'projects', []],
    [/^\/projects\/([^/]+)$/, 'traces', ['project']],
    [/^\/projects\/([^/]+)\/threads$/, 'threads', ['project']],
    [/^\/projects\/([^/]+)\/chart$/, 'chart', ['project']],
    [/^\/traces\/([^/]+)$/, 'trace', ['trace']],
];

export const addresses = {
    projects: () => '/',
    traces: project => `/projects/${encodeURIComponent(project)}`,
    threads: (project, thread) => `/projects/${encodeURIComponent(project)}/threads` +
        (thread === undefined ? '' : `?thread=${encodeURIComponent(thread)}`),
    chart: project => `/projects/${encodeURIComponent(project)}/chart`,
    trace: (trace, run) => `/traces/${encodeURIComponent(trace)}` + (run ? `?run=${encodeURIComponent(run)}` : ''),
};

function decode(word) {
    try {
        return decodeURIComponent(word);
    } catch {
        return word;
    }
}

// Returns: {view, the words of its path by name, query: URLSearchParams}; the view is "missing" if there is none
export function readAddress(url = location) {
    const query = new URLSearchParams(url.search);

    for (const [pattern, view, names] of ROUTES) {
        const match = pattern.exec(url.pathname);

        if (match)
            return {view, query, ...Object.fromEntries(names.map((name, i) => [name, decode(match[i + 1])]))};
    }
    return {view: 'missing', query};
}

let listener = null;

function isOwn(link, event) {
    return link.origin === location.origin && !link.hasAttribute('download') && !link.target &&
        !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) && event.button === 0 &&
        readAddress(link).view !== 'missing';
}

// Calls a function now, and whenever the address has changed.
export function startRouter(onChange) {
    listener = onChange;
    addEventListener('popstate', () => listener(readAddress()));
    document.addEventListener('click', event => {
        const link = event.target.closest?.('a[href]');

        if (!link || event.defaultPrevented || !isOwn(link, event))
            return;
        event.preventDefault();
        go(link.getAttribute('href'));
    });
    listener(readAddress());
}

// Goes to an address of the page. What is remembered stays with it in the history of the tab: readMemory () has it
// then, also when the page is loaded again.
export function go(address, memory = null) {
    history.pushState(memory, '', address);
    listener(readAddress());
}

export function readMemory() {
    return history.state;
}

export function remember(memory) {
    history.replaceState(memory, '');
}

// Sets parameters of the query; null takes one away. Without push, the back button does not come to the
// address that was.
export function setQuery(values, {push = false} = {}) {
    const url = new URL(location.href);

    for (const [name, value] of Object.entries(values)) {
        url.searchParams.delete(name);
        for (const one of Array.isArray(value) ? value : [value])
            if (one !== null && one !== undefined && one !== '')
                url.searchParams.append(name, one);
    }
    if (url.href === location.href)
        return;
    history[push ? 'pushState' : 'replaceState'](history.state, '', url);
    listener(readAddress());
}
