// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is remembered between views: which traces the list has shown, so that a trace leads to the next one, and
// with which filters.

let shown = null;

// The list shows these rows of a project now. What else it needs to be shown again is in state.
export function rememberTraces(project, rows, state) {
    shown = {
        project, rows, ids: rows.map(row => row.id), state, address: location.pathname + location.search, top: 0,
        active: shown?.project === project ? shown.active : null,
    };
}

// The list was scrolled so far when it was left.
export function rememberPlace(project, top) {
    if (shown?.project === project)
        shown.top = top;
}

// A trace is looked at.
export function rememberTrace(project, id) {
    if (shown?.project === project)
        shown.active = id;
}

// Returns: {project, rows, ids, state, address, top, active}, or null
export function recallTraces(project) {
    return shown?.project === project ? shown : null;
}
