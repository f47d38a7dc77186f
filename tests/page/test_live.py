# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens is seen while it happens, and what the user has chosen stays."""

import http.client
import json
import statistics
import threading
import time
import uuid

from page import BODY, Page, ROW
from webdriver import wait_until
import seeds



def make_project(stage, n=30):
    """A project of its own, so that tests do not see each other's traces. Returns: a page and the id."""
    name = f'live-{uuid.uuid4().hex[:8]}'
    runs = []
    for i in range(n):
        runs += seeds.agent_trace(name, seeds.now() - seeds.seconds(60 + i), question=f'Question {i}').runs
    stage.scratch.post_runs(runs)
    page = Page(stage, stage.scratch)
    page.name = name
    page.project = stage.scratch.project_id(name)
    return page


def test_trace_comes_and_ends(stage):
    page = make_project(stage)
    page.open_traces(page.project)
    page.wait_count('30 traces')
    page.wait_live()
    live = seeds.Streaming(page.service, page.name)
    wait_until(lambda: page.names()[0] == 'stream answer', page.names)
    page.wait_count('31 traces')
    row = page.rows()[0]
    assert row['status'] == 'pending' and row['cells']['Latency'] == 'Running', row
    live.grow('model', 'llm', usage=seeds.usage(100, 23))
    wait_until(lambda: page.rows()[0]['cells']['Tokens'] == '123', page.rows)
    live.end()
    wait_until(lambda: page.rows()[0]['status'] == 'success', page.rows)
    assert 'It has grown.' in page.rows()[0]['cells']['Input and output']
    failing = seeds.Streaming(page.service, page.name, name='it fails')
    wait_until(lambda: page.names()[0] == 'it fails', page.names)
    failing.end(error='ValueError: it broke')
    wait_until(lambda: page.rows()[0]['status'] == 'error', page.rows)
    assert 'it broke' in page.rows()[0]['cells']['Input and output']


def test_place_stays(stage):
    """New traces do not move what is read; a button says how many there are, and leads to them."""
    page = make_project(stage, 60)
    page.open_traces(page.project)
    page.wait_live()
    page.browser.run('document.querySelector("[role=grid]").scrollTop = 1000')
    place = '''
        const list = document.querySelector('[role=grid]').getBoundingClientRect();
        return document.elementFromPoint(list.left + 400, list.top + 300)?.closest('.trace-row')?.innerText;'''
    before = page.browser.wait_for(place, 'a row')
    seeds.Streaming(page.service, page.name).end()
    page.browser.find('button.fresh', '1 new trace')
    seeds.Streaming(page.service, page.name).end()
    page.browser.find('button.fresh', '2 new traces')
    assert page.browser.run(place) == before
    page.browser.click('button.fresh')
    wait_until(lambda: page.names()[:2] == ['stream answer'] * 2, page.names)
    page.browser.wait_gone('button.fresh')


def test_filter_stays(stage):
    """What comes is shown only if it is what the filters ask for, and goes when it is that no more."""
    page = make_project(stage)
    page.open_traces(page.project, status='pending')
    page.browser.find('.empty', 'No trace matches')
    page.wait_live()
    page.service.post_runs(seeds.agent_trace(page.name, seeds.now(), question='already ended').runs)
    live = seeds.Streaming(page.service, page.name)
    page.wait_count('1 trace')
    assert page.names() == ['stream answer'] and page.query == {'status': 'pending'}
    live.end()
    page.browser.find('.empty', 'No trace matches')


def test_errors_first_stays(stage):
    page = make_project(stage, 5)
    page.open_traces(page.project, order='errors')
    page.wait_count('5 traces')
    page.wait_live()
    live = seeds.Streaming(page.service, page.name, name='late failure', begin=seeds.ago(hours=2))
    page.wait_count('6 traces')
    assert page.names()[-1] == 'late failure', page.names()
    live.end(error='ValueError: it broke')
    wait_until(lambda: page.names()[0] == 'late failure', page.names)


def test_trace_grows(stage):
    """A trace that goes on grows while what is selected, folded and typed stays."""
    page = make_project(stage, 1)
    live = seeds.Streaming(page.service, page.name)
    first = live.grow('first step')
    page.open_trace(live.root)
    page.wait_live()
    page.wait_text('Running', '.trace-head')
    page.select('first step')
    page.open_tab('JSON')
    page.browser.click('.json-line[aria-expanded=true] .fold')
    wait_until(lambda: len(page.browser.texts('.json-line')) == 1, lambda: page.browser.texts('.json-line'))
    page.browser.find('.tree-tools input').type('no such')
    for i in range(5):
        live.grow(f'later {i}')
        wait_until(lambda: f'later {i}' in page.tree_names(), page.tree_names)
    assert page.selected() == 'first step' and page.query['run'] == first
    assert len(page.browser.texts('.json-line')) == 1
    assert page.browser.find('.tree-tools input').member('value') == 'no such'
    live.end()
    page.wait_text('Success', '.trace-head')
    assert page.selected() == 'first step'


def test_folds_stay(stage):
    page = make_project(stage, 1)
    live = seeds.Streaming(page.service, page.name)
    live.grow('first step')
    page.open_trace(live.root)
    page.wait_live()
    page.browser.click('.tree-row:first-child .fold')
    wait_until(lambda: page.tree_names() == ['stream answer'], page.tree_names)
    live.grow('second step')
    page.wait_text('3 runs', '.tree-head-name')
    assert page.tree_names() == ['stream answer'] and page.tree()[0]['open'] == 'false'
    page.browser.click('.tree-row:first-child .fold')
    wait_until(lambda: page.tree_names() == ['stream answer', 'first step', 'second step'], page.tree_names)


def test_output_comes(stage):
    """The output of the run that is shown comes when the run ends; text that was selected stays selected."""
    page = make_project(stage, 1)
    live = seeds.Streaming(page.service, page.name)
    run = live.grow('slow step', ends=False)
    page.open_trace(live.root, run=run)
    page.wait_live()
    page.wait_text('The run is still running: no output yet', BODY)
    live.end(run=run, outputs={'answer': 'Here it is.'})
    page.wait_text('Here it is.', BODY)


def test_reconnect(stage):
    """When the service goes away, the page says so; when it is back, the page has what came meanwhile."""
    service = stage.new_service()
    seeds.seed_one(service)
    project = service.project_id('travel-agent')
    page = Page(stage, service)
    stage.allow('ERR_CONNECTION_REFUSED')
    stage.allow('ERR_EMPTY_RESPONSE')
    stage.allow('ERR_INCOMPLETE_CHUNKED_ENCODING')
    stage.allow('ERR_CONNECTION_RESET')
    page.open_traces(project)
    page.wait_count('1 trace')
    page.wait_live()
    service.stop()
    page.wait_live('lost')
    page.browser.find('.live', 'Connection lost')
    assert page.browser.is_there(ROW), 'what is known is still shown'
    service.start()
    seeds.seed_failed(service)
    page.wait_live()
    page.wait_count('2 traces')
    assert page.rows()[0]['status'] == 'error'
    # and it goes on
    seeds.Streaming(service, 'travel-agent')
    page.wait_count('3 traces')
    page.open_trace(page.rows()[-1]['id'])
    page.wait_live()
    service.stop()
    page.wait_live('lost')
    service.start()
    page.wait_live()
    assert len(page.tree_names()) == 6


def test_killed(stage):
    """The same if it is killed in the middle."""
    service = stage.new_service()
    live = seeds.Streaming(service, 'killed')
    page = Page(stage, service)
    stage.allow('ERR_')
    page.open_trace(live.root)
    page.wait_live()
    service.stop(9)
    page.wait_live('lost')
    service.start()
    live.grow('after the kill')
    page.wait_live()
    wait_until(lambda: 'after the kill' in page.tree_names(), page.tree_names)


class Listener:
    """Listens to the events of the service without a browser, and notes when which trace is told."""

    def __init__(self, service):
        self.times = {}
        self.connection = http.client.HTTPConnection('127.0.0.1', service.port, timeout=120)
        self.connection.request('GET', '/page-data/live', headers={'x-api-key': service.token,
                                                                   'Accept': 'text/event-stream'})
        self.answer = self.connection.getresponse()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()
        assert self.ready.wait(60), 'the service says hello'

    def _listen(self):
        for line in self.answer:
            if line.startswith(b'data:'):
                said = json.loads(line[5:])
                self.ready.set()
                for run in said.get('runs') or []:
                    self.times.setdefault(run['trace'], time.time())


def test_time_to_row(stage):
    """From what a client sends to the row on the page: at most 5 × what the service itself takes, to tell the page and
    to answer it; and what the browser takes to ask, and to paint, whatever is asked."""
    page = make_project(stage, 3)
    page.open_traces(page.project)
    page.wait_live()
    listener = Listener(page.service)
    # the page notes when a row with a new name is painted
    page.browser.run('''
        window.lsobsRows = {};
        const look = () => {
            for (const name of document.querySelectorAll('.trace-row .trace-name'))
                window.lsobsRows[name.pathname.slice(8)] ??= (performance.timeOrigin + performance.now()) / 1000;
        };
        new MutationObserver(() => requestAnimationFrame(look)).observe(document.querySelector('.list-host'), {childList: true, subtree: true});''')
    told, shown, browser, answers = [], [], [], []
    for i in range(11):
        # after a change, the page rests for a moment before it asks again
        page.browser.wait_for('''
            const last = performance.getEntriesByType('resource').filter(entry => entry.initiatorType === 'fetch').at(-1);
            return performance.now() - (last?.responseEnd ?? 0) > 400;''', 'the page is at rest')
        sent = time.time()
        trace = seeds.Streaming(page.service, page.name, name=f'timed {i}').root
        at = page.browser.wait_for('return window.lsobsRows[arguments[0]]', 'the row', trace)
        told.append(wait_until(lambda: listener.times.get(trace), 'the event') - sent)
        shown.append(at - sent)
        browser.append(page.browser.run_async('''
            const start = performance.now();
            await (await fetch('/ok')).json();
            await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
            return (performance.now() - start) / 1000;'''))
        start = time.monotonic()
        page.service.send('POST', '/page-data/traces', {'project': page.project, 'limit': 200})
        answers.append(time.monotonic() - start)
    service = statistics.median(told) + statistics.median(answers)
    shown, browser = statistics.median(shown), statistics.median(browser)
    print(f'# from the client to the row on the page: {1000 * shown:.1f} ms; the service takes {1000 * service:.1f} ms of that, '
          f'and the browser {1000 * browser:.1f} ms for a request and a frame of its own', flush=True)
    assert shown <= 5 * service + 2 * browser, (service, shown, browser)


def test_storm(stage):
    """Thousands of runs in a moment are taken in, and the page goes on answering."""
    page = make_project(stage, 3)
    page.open_traces(page.project)
    page.wait_live()
    for _ in range(5):
        runs = []
        for i in range(400):
            tree = seeds.Tree(page.name, seeds.now())
            tree.run(f'storm {i}')
            runs += tree.runs
        page.service.post_runs(runs)
    page.wait_count('2,003 traces')
    page.browser.press('?')
    page.browser.find('dialog[open]')
