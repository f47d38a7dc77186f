# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the page share: services with traces, made when first asked for, and a browser."""

import functools
import os
import time

import seeds
from service import Service
from webdriver import Browser, Driver

# What may go to the log of the browser as an error although all is right.
HARMLESS = ('favicon.ico',)

# Notes what no page may do, and all long tasks.
WATCH = '''
    window.lsobsWatch = {violations: [], tasks: [], errors: []};
    document.addEventListener('securitypolicyviolation', event =>
        lsobsWatch.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    addEventListener('error', event => lsobsWatch.errors.push(String(event.message)));
    addEventListener('unhandledrejection', event => lsobsWatch.errors.push(String(event.reason)));
    new PerformanceObserver(list => {
        for (const entry of list.getEntries())
            lsobsWatch.tasks.push({start: entry.startTime, ms: entry.duration});
    }).observe({type: 'longtask', buffered: true});
    for (const name of ['alert', 'confirm', 'prompt'])
        window[name] = () => { window.lsobsAttacked = name; };
'''


class Stage:
    """Services by name, and a browser that is used by one test after the other."""

    def __init__(self, program, pictures=None, axe=None):
        self.program = program
        self.pictures = pictures
        self.axe = axe
        self.services = []
        self.driver = Driver()
        self.browser = Browser(self.driver, scripts_before=[WATCH])
        self.allowed = set()

    def close(self):
        self.browser.close()
        self.driver.close()
        for service in self.services:
            service.close()

    def new_service(self):
        service = Service(self.program)
        self.services.append(service)
        return service

    # --- services with traces

    @functools.cached_property
    def empty(self):
        return self.new_service()

    @functools.cached_property
    def one(self):
        service = self.new_service()
        seeds.seed_one(service)
        return service

    @functools.cached_property
    def failed(self):
        service = self.new_service()
        service.tree = seeds.seed_failed(service)
        return service

    @functools.cached_property
    def desk(self):
        """A service with a bit of all, which no test changes; its ids are in desk.ids."""
        service = self.new_service()
        service.ids = seeds.seed_desk(service)
        service.ids['project'] = service.project_id('travel-agent')
        return service

    @functools.cached_property
    def scratch(self):
        """A service for tests that write, each to projects of its own."""
        return self.new_service()

    @functools.cached_property
    def hostile(self):
        service = self.new_service()
        service.ids = seeds.seed_hostile(service)
        service.ids['project'] = service.send('GET', '/sessions')[0]['id']
        return service

    @functools.cached_property
    def large(self):
        """A service with a project of 100,000 traces, a trace of 10,000 runs and an output of 5 MB."""
        service = self.new_service()
        start = time.monotonic()
        service.ids = seeds.seed_huge(service)
        service.ids['long'] = seeds.seed_long(service)
        seeds.seed_many(service)
        service.ids['project'] = service.project_id('many')
        print(f'# the large store took {time.monotonic() - start:.1f} s', flush=True)
        return service

    # --- a test

    def begin(self):
        """Before each test: all is as in a browser that has just been opened."""
        self.allowed = set()
        self.browser.set_look()
        self.browser.cdp('Network.enable')
        self.browser.cdp('Network.setExtraHTTPHeaders', headers={})
        self.browser.open('about:blank')
        self.browser.cdp('Network.clearBrowserCookies')
        for service in self.services:
            self.browser.cdp('Storage.clearDataForOrigin', origin=service.origin, storageTypes='local_storage')
        self.browser.take_log('browser')
        self.browser.take_requests()

    def allow(self, text):
        """Errors in the log that have this text are expected in this test."""
        self.allowed.add(text)

    def check_harmless(self):
        """After each test: no script of a trace has run, and nothing was asked for elsewhere."""
        origins = {service.origin for service in self.services}
        for url in self.browser.take_requests():
            assert url.startswith(('about:', 'data:', 'blob:', 'chrome://', 'chrome-error://')) or \
                '/'.join(url.split('/', 3)[:3]) in origins, f'the page asks for {url}'
        watch = self.browser.run('return window.lsobsWatch ? {attacked: window.lsobsAttacked ?? null, ...lsobsWatch} : null')
        if watch:
            assert watch['attacked'] is None, f'a script of a trace has run: {watch["attacked"]}'
            assert not watch['violations'], watch['violations']
            self.check_messages(watch['errors'])
        self.check_messages(entry['message'] for entry in self.browser.take_log('browser') if entry['level'] == 'SEVERE')

    def check_messages(self, messages):
        bad = [message for message in messages if not any(text in message for text in (*HARMLESS, *self.allowed))]
        assert not bad, f'the log of the browser has {bad}'

    # --- pictures

    def picture(self, name):
        """Keeps what is seen, if pictures are wanted."""
        if self.pictures:
            os.makedirs(self.pictures, exist_ok=True)
            self.browser.screenshot(os.path.join(self.pictures, name + '.png'))
