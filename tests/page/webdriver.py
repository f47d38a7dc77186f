# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small client of the WebDriver protocol, for chromedriver and Chromium.

It needs nothing but Python. Every wait is for a condition, with a generous limit.
"""

import base64
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'
# How long a condition is waited for; less while one writes a test.
LIMIT_S = int(os.environ.get('LSOBS_PAGE_LIMIT', '60'))

KEYS = {
    'Enter': '\ue007', 'Escape': '\ue00c', 'Tab': '\ue004', 'Shift': '\ue008', 'Control': '\ue009',
    'Home': '\ue011', 'End': '\ue010', 'Left': '\ue012', 'Up': '\ue013', 'Right': '\ue014',
    'Down': '\ue015', 'PageUp': '\ue00e', 'PageDown': '\ue00f', 'Space': ' ', 'Backspace': '\ue003',
}


class WebDriverError(Exception):
    """What the driver says is wrong."""

    def __init__(self, kind, message):
        super().__init__(f'{kind}: {message.splitlines()[0] if message else ""}')
        self.kind = kind


def wait_until(condition, what, limit_s=LIMIT_S):
    """Calls a function until it returns something true. Returns: that."""
    end = time.monotonic() + limit_s
    pause = 0.01
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f'waited {limit_s} s in vain: {str(what() if callable(what) else what)[:2000]}')
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


class Driver:
    """The process chromedriver."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='lsobs-page-')
        self.log = open(os.path.join(self.folder, 'chromedriver.log'), 'w+', encoding='utf-8')
        environment = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=self.folder, XDG_CACHE_HOME=self.folder)
        for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'all_proxy'):
            environment.pop(name, None)
        self.process = subprocess.Popen(['chromedriver', '--port=0'], stdout=self.log, stderr=subprocess.STDOUT,
                                        env=environment, start_new_session=True)
        self.port = wait_until(self._find_port, 'chromedriver tells its port')

    def _find_port(self):
        assert self.process.poll() is None, 'chromedriver has ended'
        with open(self.log.name, encoding='utf-8', errors='replace') as log:
            for line in log:
                if 'started successfully on port' in line:
                    return int(line.strip().rstrip('.').split()[-1])
        return None

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=4 * LIMIT_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {'Content-Type': 'application/json; charset=utf-8'})
            value = json.loads(connection.getresponse().read())['value']
        finally:
            connection.close()
        if isinstance(value, dict) and 'error' in value and 'stacktrace' in value:
            raise WebDriverError(value['error'], value.get('message', ''))
        return value


class Element:
    """An element of the page."""

    def __init__(self, browser, reference):
        self.browser = browser
        self.reference = reference

    def _get(self, what):
        return self.browser.get(f'/element/{self.reference}/{what}')

    def _post(self, what, body=None):
        return self.browser.post(f'/element/{self.reference}/{what}', body or {})

    @property
    def text(self):
        return self._get('text')

    @property
    def is_shown(self):
        return self._get('displayed')

    def attribute(self, name):
        return self._get(f'attribute/{name}')

    def member(self, name):
        return self._get(f'property/{name}')

    @property
    def role(self):
        return self._get('computedrole')

    @property
    def label(self):
        return self._get('computedlabel')

    @property
    def rect(self):
        return self._get('rect')

    def click(self):
        self._post('click')

    def clear(self):
        self._post('clear')

    def type(self, text):
        self._post('value', {'text': text})

    def find_all(self, selector):
        return self.browser.to_python(self._post('elements', {'using': 'css selector', 'value': selector}))


class Browser:
    """A session of Chromium, with one window."""

    def __init__(self, driver, language='en', scripts_before=(), net_log=None):
        self.driver = driver
        arguments = ['--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--mute-audio',
                     '--no-first-run', '--disable-background-networking', '--disable-component-update',
                     '--disable-sync', '--disable-extensions', '--disable-default-apps', '--no-default-browser-check',
                     '--disable-features=Translate,OptimizationHints,MediaRouter,AutofillServerCommunication',
                     '--force-color-profile=srgb', '--hide-scrollbars=false', '--no-proxy-server', f'--lang={language}']
        if net_log:
            arguments.append(f'--log-net-log={net_log}')
        answer = driver.request('POST', '/session', {'capabilities': {'alwaysMatch': {
            'browserName': 'chrome',
            'pageLoadStrategy': 'eager',
            'unhandledPromptBehavior': 'ignore',
            'timeouts': {'script': 2000 * LIMIT_S, 'pageLoad': 2000 * LIMIT_S},
            'goog:chromeOptions': {'args': arguments, 'prefs': {'intl.accept_languages': language}},
            'goog:loggingPrefs': {'browser': 'ALL', 'performance': 'ALL'},
        }}})
        self.path = f'/session/{answer["sessionId"]}'
        self.width = None
        for script in scripts_before:
            self.before_each_page(script)

    def close(self):
        self.driver.request('DELETE', self.path)

    # --- the protocol

    def get(self, path):
        return self.driver.request('GET', self.path + path)

    def post(self, path, body=None):
        return self.driver.request('POST', self.path + path, body or {})

    def to_python(self, value):
        if isinstance(value, dict):
            if ELEMENT in value:
                return Element(self, value[ELEMENT])
            return {name: self.to_python(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.to_python(member) for member in value]
        return value

    @staticmethod
    def to_json(value):
        return {ELEMENT: value.reference} if isinstance(value, Element) else value

    def cdp(self, command, **parameters):
        """Calls what only Chromium has."""
        return self.post('/goog/cdp/execute', {'cmd': command, 'params': parameters})

    # --- pages

    def open(self, url):
        self.post('/url', {'url': url})

    @property
    def url(self):
        return self.get('/url')

    @property
    def title(self):
        return self.get('/title')

    def back(self):
        self.post('/back')

    def reload(self):
        self.post('/refresh')

    def before_each_page(self, script):
        """Runs a script in each page before those of the page; it is not subject to the policy of the page."""
        return self.cdp('Page.addScriptToEvaluateOnNewDocument', source=script)['identifier']

    def run(self, script, *arguments):
        """Runs the body of a function in the page. Returns: what it returns."""
        return self.to_python(self.post('/execute/sync', {
            'script': script, 'args': [self.to_json(argument) for argument in arguments]}))

    def run_async(self, script, *arguments):
        """Runs the body of an asynchronous function in the page."""
        body = f'const done = arguments[arguments.length - 1]; (async (...args) => {{ {script} }})' \
               '(...Array.from(arguments).slice(0, -1)).then(value => done({value}),' \
               ' error => done({error: String(error)}));'
        result = self.to_python(self.post('/execute/async', {
            'script': body, 'args': [self.to_json(argument) for argument in arguments]}))
        assert 'error' not in result, result['error']
        return result.get('value')

    # --- elements

    def find_all(self, selector):
        return self.to_python(self.post('/elements', {'using': 'css selector', 'value': selector}))

    def find(self, selector, text=None, limit_s=LIMIT_S):
        """Waits for an element that is shown, and has a text somewhere."""
        def look():
            return self.run('''
                const [selector, text] = arguments;
                for (const element of document.querySelectorAll(selector))
                    if (element.checkVisibility({checkVisibilityCSS: true}) &&
                        (text === null || element.textContent.includes(text)))
                        return element;
                return null;''', selector, text)
        return wait_until(look, f'an element {selector}' + (f' with {text!r}' if text else ''), limit_s)

    def is_there(self, selector):
        return self.run('return [...document.querySelectorAll(arguments[0])].some('
                        'element => element.checkVisibility({checkVisibilityCSS: true}))', selector)

    def wait_gone(self, selector):
        wait_until(lambda: not self.is_there(selector), f'no element {selector}')

    def wait_for(self, script, what, *arguments, limit_s=LIMIT_S):
        """Waits until the body of a function returns something true."""
        return wait_until(lambda: self.run(script, *arguments), what, limit_s)

    def click(self, selector, text=None):
        """Clicks an element; once more if the page has replaced it meanwhile, or something else was above it."""
        def try_it():
            try:
                self.find(selector, text).click()
                return True
            except WebDriverError as error:
                if error.kind in ('stale element reference', 'element click intercepted', 'element not interactable'):
                    return False
                raise
        wait_until(try_it, f'a click on {selector}' + (f' with {text!r}' if text else ''))

    def texts(self, selector):
        return self.run('return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.trim())', selector)

    @property
    def body_text(self):
        return self.run('return document.body.innerText')

    @property
    def focused(self):
        return self.to_python(self.get('/element/active'))

    # --- keys

    def press(self, *keys, hold=None):
        """Presses keys, by their names or as text, where the focus is."""
        actions = []
        if hold:
            actions.append({'type': 'keyDown', 'value': KEYS[hold]})
        for key in keys:
            for value in ([KEYS[key]] if key in KEYS else key):
                actions += [{'type': 'keyDown', 'value': value}, {'type': 'keyUp', 'value': value}]
        if hold:
            actions.append({'type': 'keyUp', 'value': KEYS[hold]})
        self.post('/actions', {'actions': [{'type': 'key', 'id': 'keyboard', 'actions': actions}]})

    def hover(self, element, x=0, y=0):
        self.post('/actions', {'actions': [{'type': 'pointer', 'id': 'mouse', 'actions': [
            {'type': 'pointerMove', 'duration': 0, 'origin': self.to_json(element), 'x': x, 'y': y}]}]})

    # --- looks

    def set_look(self, scheme='light', width=1280, height=860, scale=1, reduced_motion=True):
        """Sets the colour scheme that the system is said to have, and the size of the window."""
        self.cdp('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': scheme},
            {'name': 'prefers-reduced-motion', 'value': 'reduce' if reduced_motion else 'no-preference'}])
        self.cdp('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=scale,
                 mobile=width < 600)
        self.cdp('Emulation.setTouchEmulationEnabled', enabled=width < 600)
        self.width = width

    @property
    def is_narrow(self):
        return self.width < 600

    def screenshot(self, file, full=False):
        if full:
            picture = self.cdp('Page.captureScreenshot', format='png', captureBeyondViewport=True)['data']
        else:
            picture = self.get('/screenshot')
        with open(file, 'wb') as out:
            out.write(base64.b64decode(picture))

    # --- what has happened

    def take_log(self, kind='browser'):
        """Takes what was logged since the last time."""
        return self.post('/se/log', {'type': kind})

    def take_requests(self):
        """Takes the addresses that were asked for since the last time, by any page or frame."""
        urls = []
        for entry in self.take_log('performance'):
            message = json.loads(entry['message'])['message']
            if message['method'] == 'Network.requestWillBeSent':
                urls.append(message['params']['request']['url'])
            elif message['method'] == 'Network.webSocketCreated':
                urls.append(message['params']['url'])
        return urls
