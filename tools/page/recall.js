// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is remembered between views: which traces the list has shown, so that a trace leads to the next one, and
// with which filters.

let shown = null;

// The list shows these traces of a project now.
export function rememberTraces(project, ids) {
    shown = {project, ids, address: location.pathname + location.search, active: shown?.project === project ? shown.active : null};
}

// A trace is looked at.
export function rememberTrace(project, id) {
    if (shown?.project === project)
        shown.active = id;
}

// Returns: {project, ids, address, active}, or null
export function recallTraces(project) {
    return shown?.project === project ? shown : null;
}
