// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What changes at the service, as it happens. Events: "runs" (detail: the runs that changed, each with id,
// trace, parent, project and root), "feedback" (detail: the runs
// that it is about), "removed" (detail: the traces and projects that were deleted), "reload" (all
// may have changed; detail: the number of the last change, if a view that knows it need not read again) and
// "state" (the connection is there, or lost).

import {api} from './api.js';

const RETRY_MS = [500, 1000, 2000, 5000];

class Live extends EventTarget {
    #source = null;
    #timer = 0;
    #failures = 0;
    #wasOpen = false;

    // "connecting", "open" or "lost"
    state = 'connecting';

    // A browser has only six connections to a service for all of its tabs, so one that is not seen gives its
    // connection back, and so does a page that the browser keeps for the back button.
    begin() {
        document.addEventListener('visibilitychange', () => document.hidden ? this.stop() : this.start());
        addEventListener('pagehide', () => this.stop());
        addEventListener('pageshow', event => event.persisted && this.start());
        if (!document.hidden)
            this.start();
    }

    start() {
        clearTimeout(this.#timer);
        this.#source?.close();
        this.#source = new EventSource('/page-data/live');
        this.#source.addEventListener('open', () => this.#opened());
        this.#source.addEventListener('error', () => this.#failed());
        this.#source.addEventListener('runs', event => this.#tell('runs', JSON.parse(event.data).runs ?? []));
        this.#source.addEventListener('feedback', event => this.#tell('feedback', JSON.parse(event.data).runs ?? []));
        this.#source.addEventListener('removed', event => this.#tell('removed', JSON.parse(event.data)));
        this.#source.addEventListener('reload', () => this.#tell('reload'));
        this.#source.addEventListener('hello', event => this.#greeted(JSON.parse(event.data).change));
    }

    stop() {
        clearTimeout(this.#timer);
        this.#source?.close();
        this.#source = null;
    }

    // The service does not know this browser: there will be no connection.
    end() {
        this.stop();
        this.start = () => {};
    }

    #opened() {
        this.#failures = 0;
        this.#setState('open');
    }

    // What happened before the connection was there has not been told; what was deleted has no change.
    #greeted(change) {
        this.#tell('reload', this.#wasOpen ? null : change);
        this.#wasOpen = true;
    }

    // The browser would try again only after seconds, and not at all after some errors.
    #failed() {
        this.#source?.close();
        this.#setState('lost');
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.start(), RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)]);
        this.#failures += 1;
        // An event source does not tell why: the service may be away, or may have another token by now.
        api.greet().catch(() => null);
    }

    #setState(state) {
        if (this.state === state)
            return;
        this.state = state;
        this.#tell('state');
    }

    #tell(type, detail = null) {
        this.dispatchEvent(new CustomEvent(type, {detail}));
    }
}

export const live = new Live();

// Returns a function that runs an asynchronous one soon, but never twice at once, and rests after it for twice
// the time that it took: what is asked for is then shown as fast as the service and the browser can.
export function paced(work, signal, restMs = 100) {
    let wanted = false;
    let busy = false;

    async function run() {
        if (busy || signal.aborted)
            return;
        busy = true;
        while (wanted && !signal.aborted) {
            const start = performance.now();

            wanted = false;
            await work().catch(error => {
                if (error.name !== 'AbortError' && error.name !== 'ApiError')
                    throw error;
            });
            await new Promise(resolve => {
                setTimeout(resolve, Math.min(5000, restMs + 2 * (performance.now() - start)));
            });
        }
        busy = false;
    }

    return () => {
        wanted = true;
        run();
    };
}
