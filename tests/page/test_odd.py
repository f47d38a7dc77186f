# SPDX-License-Identifier: LGPL-2.1-or-later
"""Odd circumstances: other clocks, colours and widths, texts from the right, names without end, another token,
a store that is cleared while somebody looks."""

import os

from page import BODY, Page, ROW, TREE_ROW
from test_looks import check_axe, check_fits, show, views
from webdriver import wait_until
import seeds

LONG = 'a-name-that-nobody-has-thought-about-' * 12
ARABIC = 'مرحبا: كيف أصل إلى فيغو يوم السبت؟'


def check(stage, page, name):
    check_fits(page, name)
    if stage.axe:
        problems = check_axe(stage, page, name)
        assert not problems, problems


def test_new_token(stage):
    """A service that was started again with another token: an open page says how to open it, without a click."""
    service = stage.new_service()
    seeds.seed_one(service)
    page = Page(stage, service)
    stage.allow('ERR_')
    stage.allow('401')
    page.open_traces(service.project_id('travel-agent'))
    page.wait_live()
    service.stop()
    page.wait_live('lost')
    os.unlink(os.path.join(service.folder, 'lsobs', 'token'))
    service.start()
    page.browser.find('.stranger', 'lsobs serve')
    assert 'plan journey' not in page.browser.body_text
    # the address that it prints opens the page again
    page.open_projects()
    page.wait_live()


def test_cleared_while_one_looks(stage):
    """A list and a trace whose traces are deleted elsewhere say so, in both of two tabs."""
    service = stage.new_service()
    seeds.seed_one(service)
    project = service.project_id('travel-agent')
    page = Page(stage, service)
    page.open_traces(project)
    trace = page.rows()[0]['id']
    first = page.browser.get('/window')
    second = page.browser.post('/window/new', {'type': 'tab'})['handle']
    try:
        page.browser.post('/window', {'handle': second})
        page.open_trace(trace)
        page.wait_live()
        service.send('POST', '/page-data/clear', {'project': project})
        page.browser.find('[role=alert]', 'Not found here')
        assert len(page.browser.find_all('h1')) == 1
        page.press_button('Go to the projects')
        page.browser.find('.projects')
    finally:
        page.browser.post('/window', {'handle': second})
        page.browser.driver.request('DELETE', page.browser.path + '/window')
        page.browser.post('/window', {'handle': first})
    # the tab that was not seen has caught up
    page.browser.find('.empty', 'No traces yet')
    # and goes on with what comes
    seeds.seed_failed(service)
    page.browser.find(ROW)


def test_widths(stage):
    """Nothing is cut off on a small phone, and in a window with very large letters."""
    for scheme, width, height in (('light', 360, 640), ('dark', 320, 480)):
        stage.browser.set_look(scheme, width, height)
        for name in ('projects', 'traces', 'traces-filtered', 'filters', 'thread', 'chart', 'trace-failed', 'run', 'run-markdown', 'run-hostile',
                     'details', 'feedback', 'compare', 'keys'):
            page = show(stage, views(stage)[name])
            stage.picture(f'{name}-{width}')
            check_fits(page, f'{name} at {width}')
            stage.check_harmless()


def test_long_names(stage):
    """Names without end and without spaces: they are cut, or go on in lines of their own."""
    tree = seeds.Tree(LONG, seeds.ago(minutes=1), LONG)
    root = tree.run(LONG, 'chain', None, 0, 2, {LONG: LONG}, {'messages': [
        {'role': 'assistant', 'name': LONG, 'content': f'# {LONG}\n\n[{LONG}](https://example.org/{LONG})\n\n|{LONG}|b|\n|-|-|\n|`{LONG}`|{LONG}|',
         'tool_calls': [{'id': 'x', 'name': LONG, 'args': {LONG: LONG}}]}]}, tags=[LONG, LONG + '2'], metadata={LONG: LONG})
    tree.run(LONG, LONG, root, 0.1, 1, {}, {}, error=LONG, events=[(LONG, 0.5)])
    stage.scratch.post_runs(tree.runs)
    stage.scratch.post_feedback(root, LONG[:120], 1, LONG)
    project = stage.scratch.project_id(LONG)
    page = Page(stage, stage.scratch)
    for width, height in ((1280, 800), (360, 700)):
        stage.browser.set_look('light', width, height)
        for i, (path, selector) in enumerate((('/', '.projects'), (f'/projects/{project}', ROW), (f'/projects/{project}/threads', '.thread-row'),
                               (f'/projects/{project}/threads?thread={LONG}', '.turn'), (f'/traces/{root}?run={root}', f'{BODY} .prose'),
                               (f'/traces/{root}?run={root}&tab=details', BODY), (f'/traces/{root}?run={root}&tab=feedback', BODY),
                               (f'/traces/{root}?run={root}&tab=json', '.json-line'), (f'/traces/{root}?run={root}&compare={tree.runs[1]["id"]}', '.diff'),
                               (f'/projects/{project}?tag={LONG}&name={LONG}&thread={LONG}', '.chip'))):
            page.open(path)
            page.browser.find(selector)
            page.browser.wait_for('return !document.querySelector(".skeleton")', 'the view is at rest')
            stage.picture(f'long-{i}-{width}')
            check_fits(page, f'{path[:60]} at {width}')
            stage.check_harmless()


def test_from_the_right(stage):
    """Texts from right to left are in their direction, and do not turn what is around them."""
    tree = seeds.Tree('من اليمين', seeds.ago(minutes=1), 'محادثة')
    root = tree.run('وكيل السفر', 'llm', None, 0, 2, {'messages': [{'role': 'user', 'content': ARABIC}]},
                    {'messages': [{'role': 'assistant', 'content': f'# {ARABIC}\n\n- {ARABIC}\n- **{ARABIC}**\n\nEnglish words\n\n{ARABIC}'}]},
                    tags=['اختبار'])
    stage.scratch.post_runs(tree.runs)
    page = Page(stage, stage.scratch)
    page.open_trace(root)
    page.browser.find(f'{BODY} .rich h4')
    directions = page.browser.run(f'''
        const of = selector => [...document.querySelectorAll('{BODY} ' + selector)].map(one => getComputedStyle(one).direction);
        return {{head: of('.rich h4'), items: of('.rich ul'), paragraphs: of('.rich p'), page: getComputedStyle(document.body).direction}};''')
    assert directions == {'head': ['rtl'], 'items': ['rtl'], 'paragraphs': ['ltr', 'rtl'], 'page': 'ltr'}, directions
    stage.picture('from-the-right')
    # the whole page from right to left, as in a language that is written so
    page.browser.run('document.documentElement.dir = "rtl"')
    check_fits(page, 'a trace from the right')
    boxes = page.browser.run('return [".tree-side", ".panel"].map(one => document.querySelector(one).getBoundingClientRect().left)')
    assert boxes[0] > boxes[1], boxes
    page.open_traces(stage.scratch.project_id('من اليمين'))
    page.browser.run('document.documentElement.dir = "rtl"')
    stage.picture('from-the-right-list')
    check_fits(page, 'the list from the right')


def test_time_zones(stage):
    """Times are those of the clock on the wall of the reader, and say so."""
    page = Page(stage, stage.scratch)
    tree = seeds.Tree('zones', seeds.datetime.datetime(2026, 3, 1, 23, 30, tzinfo=seeds.datetime.timezone.utc))
    tree.run('at night', 'chain', None, 0, 2)
    stage.scratch.post_runs(tree.runs)
    project = stage.scratch.project_id('zones')
    try:
        for zone, day, name in (('Asia/Kolkata', 'Mar 2', '5:00'), ('America/New_York', 'Mar 1', '6:30')):
            page.browser.cdp('Emulation.setTimezoneOverride', timezoneId=zone)
            page.open_traces(project)
            shown = page.rows()[0]['cells']['Start']
            assert day in shown and name in shown, (zone, shown)
            title = page.browser.find(f'{ROW} time').attribute('title')
            assert 'GMT+5:30' in title or 'EST' in title, title
            # a filter by the clock of the reader
            start = '2026-03-02T04:59' if zone == 'Asia/Kolkata' else '2026-03-01T18:29'
            page.press_button('Filters')
            page.browser.run('const field = document.querySelector("dialog [name=from]"); field.value = arguments[0];', start)
            page.press_button('Show traces')
            page.browser.find('.chip')
            page.browser.find(ROW)
            assert page.query['from'].startswith('2026-03-01T23:29'), page.query
    finally:
        page.browser.cdp('Emulation.setTimezoneOverride', timezoneId='')


def test_clock_skew(stage):
    """A program whose clock goes ahead, or whose times go backwards, breaks nothing."""
    page = Page(stage, stage.scratch)
    ahead = seeds.Tree('skew', seeds.now() + seeds.seconds(7200))
    ahead.run('from tomorrow', 'chain', None, 0, None)
    back = seeds.Tree('skew', seeds.ago(minutes=1))
    root = back.run('ends before it begins', 'chain', None, 5, 1)
    back.run('before its parent', 'tool', root, -3600, -3599)
    back.run('token before the begin', 'llm', root, 6, 7, first_token=2)
    stage.scratch.post_runs(ahead.runs + back.runs)
    page.open_traces(stage.scratch.project_id('skew'))
    page.wait_count('2 traces')
    texts = ' '.join(cell for row in page.rows() for cell in row['cells'].values())
    assert '-' not in texts.replace('from-', '') and 'NaN' not in texts, texts
    for trace in (ahead.root, root):
        page.open_trace(trace)
        text = page.browser.run('return document.querySelector("main").innerText')
        assert 'NaN' not in text and 'Infinity' not in text and '-3' not in text, text
        bars = page.browser.run('''
            return [...document.querySelectorAll('.tree-row')].map(row => [row.querySelector('.lane'), row.querySelector('.bar')]
                .map(one => [one.getBoundingClientRect().left, one.getBoundingClientRect().right]))''')
        for lane, bar in bars:
            assert bar[0] >= lane[0] - 1 and bar[1] <= lane[1] + 4, bars


def test_many_children(stage):
    """10,000 runs below one: the list is as quick as with few, and knows how many there are."""
    tree = seeds.Tree('children', seeds.ago(minutes=2))
    root = tree.run('fan out', 'chain', None, 0, 100, {'q': 'x'}, {'a': 'y'})
    for i in range(9999):
        tree.run(f'call {i}', 'tool', root, i / 100, i / 100 + 0.005)
    stage.scratch.post_runs(tree.runs)
    page = Page(stage, stage.scratch)
    page.open_trace(root)
    page.browser.find('.tree-head', '10,000 runs')
    page.browser.press('End')
    page.wait_selected('call 9998')
    row = page.browser.find(f'{TREE_ROW}.active')
    assert row.attribute('aria-setsize') == '9999' and row.attribute('aria-posinset') == '9999'
    assert len(page.browser.find_all(TREE_ROW)) < 80
    page.browser.press('Left', 'Left')
    wait_until(lambda: page.tree_names() == ['fan out'], page.tree_names)


def test_forced_colors(stage):
    """In the colours of a user who needs contrast, what is chosen, failed and at work is still to be told."""
    stage.browser.set_look('dark', 1280, 860)
    page = Page(stage, stage.desk)
    page.browser.cdp('Emulation.setEmulatedMedia', features=[{'name': 'forced-colors', 'value': 'active'},
                                                           {'name': 'prefers-reduced-motion', 'value': 'reduce'}])
    page.open_traces(stage.desk.ids['project'])
    page.browser.press('Down')
    stage.picture('forced-colors-list')
    page.open_trace(stage.desk.ids['failed'])
    stage.picture('forced-colors-trace')
    seen = page.browser.run('''
        const bar = getComputedStyle(document.querySelector('.tree-row .bar'));
        const active = getComputedStyle(document.querySelector('.tree-row.active'));
        const other = getComputedStyle(document.querySelector('.tree-row:not(.active)'));
        const back = getComputedStyle(document.body).backgroundColor;
        return {bar: bar.backgroundColor !== back && bar.backgroundColor !== 'rgba(0, 0, 0, 0)' || bar.borderTopStyle !== 'none',
            tab: getComputedStyle(document.querySelector('[role=tab][aria-selected=true]')).outlineStyle !==
                getComputedStyle(document.querySelector('[role=tab][aria-selected=false]')).outlineStyle,
            waiting: getComputedStyle(document.querySelector('.mark.token')).backgroundColor !== back,
            active: active.backgroundColor !== other.backgroundColor || active.outlineStyle !== other.outlineStyle};''')
    assert all(seen.values()), seen
    page.open(f'/projects/{stage.desk.ids["project"]}/chart?since=7d')
    page.browser.find('.chart')
    colours = page.browser.run('''return [...document.querySelectorAll('.legend')].map(one => getComputedStyle(one, '::before').backgroundColor)''')
    assert len(set(colours)) >= 4, colours
    stage.picture('forced-colors-chart')
