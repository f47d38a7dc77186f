// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Asks the service. Errors have a message for the user.

import {_} from './words.js';

export class ApiError extends Error {
    constructor(message, status) {
        super(message);
        this.name = 'ApiError';
        this.status = status;
    }
}

// Listeners are told once the service does not know the browser: see onStranger ().
let strangerListener = null;

// Calls a function when the cookie is missing or of another token.
export function onStranger(listener) {
    strangerListener = listener;
}

async function readProblem(response) {
    try {
        const answer = await response.json();
        const text = answer.detail ?? answer.error;

        return typeof text === 'string' ? text : null;
    } catch {
        return null;
    }
}

async function ask(method, path, body, signal) {
    const options = {method, signal, headers: {Accept: 'application/json'}};
    let response;

    if (body !== undefined) {
        options.body = JSON.stringify(body);
        options.headers['Content-Type'] = 'application/json';
    }
    try {
        response = await fetch(path, options);
    } catch (error) {
        if (error.name === 'AbortError')
            throw error;
        throw new ApiError(_('“lsobs serve” does not answer: start it again'), 0);
    }
    if (response.status === 401)
        strangerListener?.();
    if (!response.ok) {
        throw new ApiError(await readProblem(response) ??
            _('The service answers with status {status}', {status: response.status}), response.status);
    }
    return response.status === 204 ? null : response.json();
}

const part = encodeURIComponent;

function query(parameters) {
    const known = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== '');

    return new URLSearchParams(known).toString();
}

export const api = {
    // Whether the service knows this browser: onStranger () is told if not.
    greet: signal => ask('GET', '/sessions?limit=1', undefined, signal),

    listProjects: (words, offset, signal) =>
        ask('GET', `/sessions?${query({include_stats: 'true', limit: 100, offset, name_contains: words})}`, undefined, signal),
    getProject: (id, signal) => ask('GET', `/sessions/${part(id)}`, undefined, signal),
    deleteProject: id => ask('DELETE', `/sessions/${part(id)}`),

    listTraces: (body, signal) => ask('POST', '/page-data/traces', body, signal),
    getNeighbours: (body, signal) => ask('POST', '/page-data/neighbours', body, signal),
    clearTraces: body => ask('POST', '/page-data/clear', body),
    getTrace: (id, since, signal) => ask('GET', `/page-data/traces/${part(id)}?${query({since})}`, undefined, signal),
    deleteTrace: id => ask('POST', '/runs/delete', {trace_ids: [id]}),

    getRun: (id, signal) => ask('GET', `/page-data/runs/${part(id)}`, undefined, signal),
    queryRuns: (body, signal) => ask('POST', '/runs/query', body, signal),

    listThreads: (project, cursor, signal) =>
        ask('GET', `/page-data/threads?${query({project, cursor})}`, undefined, signal),
    getThread: (project, thread, cursor, signal) =>
        ask('GET', `/page-data/threads?${query({project, thread, cursor})}`, undefined, signal),

    getChart: (project, start, end, buckets, signal) =>
        ask('GET', `/page-data/chart?${query({project, start, end, buckets})}`, undefined, signal),

    createFeedback: feedback => ask('POST', '/feedback', feedback),
    deleteFeedback: id => ask('DELETE', `/feedback/${part(id)}`),
    listFeedback: (run, signal) => ask('GET', `/feedback?${query({run})}`, undefined, signal),
};

// The addresses of downloads.
export const exportOfTrace = id => `/page-data/export?trace=${part(id)}`;
export const exportOfRun = id => `/page-data/export?run=${part(id)}`;
