# SPDX-License-Identifier: LGPL-2.1-or-later
"""The traces of a project: order, search, filters, threads, chart."""

from page import Page, ROW
from webdriver import wait_until
import seeds

COUNT_OF_ALL = '202 traces'


def open_desk(stage, **query):
    page = Page(stage, stage.desk)
    page.open_traces(stage.desk.ids['project'], **query)
    return page


def count_traces(page, **body):
    """How many traces the service itself counts."""
    body = {'session': [page.service.ids['project']], 'is_root': True, 'limit': 100, 'select': ['id'], **body}
    n = 0
    while True:
        answer = page.service.send('POST', '/runs/query', body)
        n += len(answer['runs'])
        body['cursor'] = answer['cursors'].get('next')
        if not body['cursor']:
            return n


def test_row(stage):
    page = open_desk(stage)
    page.wait_count(COUNT_OF_ALL)
    rows = {row['id']: row for row in page.rows()}
    good = rows[stage.desk.ids['good']]
    assert good['status'] == 'success' and good['name'] == 'plan journey', good
    assert good['cells']['Input and output'].startswith(seeds.QUESTION), good
    assert 'Take the **Celta**' in good['cells']['Input and output'], good
    assert (good['cells']['Latency'], good['cells']['First token']) == ('4.6s', '750ms'), good
    assert good['cells']['Tokens'] == '1,226' and good['cells']['Cost'] == '$0.0043', good
    assert page.browser.find('.trace-row .cost span', '$0.0043').attribute('title') == '$0.004258'
    assert 'production' in good['tags'] and any(tag.startswith('correctness') and tag.endswith('0.75')
                                                for tag in good['tags']), good
    assert 'trip-to-vigo' in rows[stage.desk.ids['talk-1']]['tags']
    bad = rows[stage.desk.ids['failed']]
    assert bad['status'] == 'error' and 'TimeoutError' in bad['cells']['Input and output'], bad


def test_newest_first(stage):
    page = open_desk(stage)
    ids = [row['id'] for row in page.rows()]
    expected = [run['id'] for run in page.service.send('POST', '/runs/query', {
        'session': [stage.desk.ids['project']], 'is_root': True, 'limit': 10})['runs']]
    assert ids[:10] == expected, ids
    assert ids[0] == stage.desk.ids['pictures']


def test_errors_first(stage):
    page = open_desk(stage)
    assert {row['status'] for row in page.rows()} == {'success', 'error'}
    page.press_button('Errors first')
    page.wait_query(order='errors')
    n_errors = count_traces(page, error=True)
    assert n_errors > 10
    wait_until(lambda: [row['status'] for row in page.rows()][:n_errors] == ['error'] * n_errors, page.rows)
    page.browser.back()
    wait_until(lambda: page.rows()[0]['status'] == 'success', page.rows)
    assert 'order' not in page.query


def test_search_in_all_texts(stage):
    """Words in any run of a trace find it."""
    page = open_desk(stage)
    page.browser.press('/')
    page.browser.press('wate')
    page.browser.press('r')
    page.wait_query(q='water')
    page.wait_count('1 trace')
    assert page.names() == ['read a map']
    page.browser.reload()
    page.wait_count('1 trace')
    assert page.browser.find('main input[type=search]').member('value') == 'water'
    field = page.browser.find('main input[type=search]')
    field.clear()
    field.type('no-such-word')
    page.browser.find('.empty', 'No trace matches')
    page.press_button('Show all traces')
    page.wait_count(COUNT_OF_ALL)


def test_status(stage):
    page = open_desk(stage)
    page.press_button('Errors')
    page.wait_query(status='error')
    page.wait_count(f'{count_traces(page, error=True)} traces')
    assert {row['status'] for row in page.rows()} == {'error'}


def test_filters_in_address(stage):
    """A link keeps each filter: it shows what the service counts for the same."""
    page = open_desk(stage)
    cases = [
        ({'status': 'success'}, {'filter': 'eq(status, "success")'}),
        ({'type': 'retriever', 'status': 'error'}, {'filter': 'eq(status, "error")',
                                                    'tree_filter': 'eq(run_type, "retriever")'}),
        ({'tag': 'staging'}, {'filter': 'has(tags, "staging")'}),
        ({'tag': 'fast', 'name': 'find_trains'}, None),
        ({'meta': 'user:bo'}, {'filter': 'and(eq(metadata_key, "user"), eq(metadata_value, "bo"))'}),
        ({'thread': 'trip-to-vigo'}, {'filter': 'eq(thread_id, "trip-to-vigo")'}),
        ({'latency': '10'}, {'filter': 'gte(latency, 10)'}),
        ({'latency_max': '2'}, {'filter': 'lte(latency, 2)'}),
        ({'tokens': '1000'}, {'filter': 'gte(total_tokens, 1000)'}),
        ({'tokens_max': '500'}, {'filter': 'lte(total_tokens, 500)'}),
        ({'from': seeds.time_text(seeds.ago(hours=30)), 'to': seeds.time_text(seeds.ago(hours=10))},
         {'filter': f'and(gte(start_time, "{seeds.time_text(seeds.ago(hours=30))}"), '
                    f'lte(start_time, "{seeds.time_text(seeds.ago(hours=10))}"))'}),
        ({'since': '1h'}, {'filter': f'gte(start_time, "{seeds.time_text(seeds.ago(hours=1))}")'}),
    ]
    for query, body in cases:
        page.open_traces(stage.desk.ids['project'], **query)
        n = 0 if body is None else count_traces(page, **body)
        if body is None:
            # no run is both
            page.browser.find('.empty', 'No trace matches')
            continue
        assert 0 < n < 202, (query, n)
        page.wait_count(f'{n} traces')


def test_filter_dialog(stage):
    page = open_desk(stage)
    page.press_button('Filters')
    page.browser.find('dialog[open] input[name=tag]').type('staging')
    page.browser.find('dialog[open] textarea[name=meta]').type('user: bo')
    page.browser.find('dialog[open] input[name=latency]').type('2')
    page.press_button('Show traces')
    page.wait_query(tag='staging', meta='user:bo', latency='2')
    n = count_traces(page, filter='and(has(tags, "staging"), eq(metadata_key, "user"), eq(metadata_value, "bo"), '
                                  'gte(latency, 2))')
    page.wait_count(f'{n} traces' if n != 1 else '1 trace')
    page.press_button('Remove the filter “Metadata user:bo”')
    page.wait_query(tag='staging', meta=None, latency='2')
    page.press_button('Show all traces')
    page.wait_query(tag=None, latency=None)
    page.wait_count(COUNT_OF_ALL)


def test_list_stays(stage):
    """Who comes back from a trace finds the list as it was: its filters, and its place."""
    page = open_desk(stage, status='success')
    scroller = page.browser.find('[role=grid]')
    page.browser.run('arguments[0].scrollTop = 3000', scroller)
    page.browser.wait_for('return arguments[0].scrollTop === 3000', 'the list is scrolled', scroller)
    middle = page.browser.wait_for('''
        const list = arguments[0].getBoundingClientRect();
        const row = document.elementFromPoint(list.left + 300, list.top + 300)?.closest('.trace-row');
        return row?.querySelector('.trace-name');''', 'a row in the middle', scroller)
    middle.click()
    page.browser.find('.tree-row')
    page.browser.back()
    page.browser.find(ROW)
    assert page.query == {'status': 'success'}
    page.browser.wait_for('return document.querySelector("[role=grid]").scrollTop === 3000', 'the place of the list')


def test_clear_asks(stage):
    """Clear takes traces away, and no filters; it takes those that are shown."""
    service = stage.new_service()
    runs = []
    for i in range(6):
        runs += seeds.agent_trace('short', seeds.now() - seeds.seconds(i), fails=i % 2 == 0).runs
    service.post_runs(runs)
    project = service.project_id('short')
    page = Page(stage, service)
    page.open_traces(project, status='error')
    page.wait_count('3 traces')
    page.press_button('Clear')
    page.confirm('Cancel')
    page.wait_count('3 traces')
    page.press_button('Clear')
    page.browser.find('dialog[open]')
    page.confirm(page.browser.texts('dialog[open] .danger')[0])
    page.browser.find('.empty', 'No trace matches')
    assert page.query == {'status': 'error'}
    page.press_button('Show all traces')
    page.wait_count('3 traces')
    assert {row['status'] for row in page.rows()} == {'success'}


def test_threads(stage):
    page = open_desk(stage)
    page.press_button('Threads')
    page.browser.find('.thread-row', 'trip-to-vigo')
    assert len(page.browser.find_all('.thread-row')) >= 8
    page.browser.click('.thread-row', 'trip-to-vigo')
    page.wait_query(thread='trip-to-vigo')
    page.browser.find('.message', seeds.TALK[2][1])
    text = page.browser.body_text
    places = [text.index(part) for pair in seeds.TALK for part in pair]
    # the row of the thread may have the newest answer as well
    assert places[:5] == sorted(places[:5]), text
    page.browser.reload()
    page.browser.find('.message', seeds.TALK[0][0])


def test_chart(stage):
    page = open_desk(stage)
    page.press_button('Chart')
    page.browser.find('.chart', 'Latency')
    titles = page.browser.texts('.chart h2')
    assert titles == ['Traces', 'Latency', 'Tokens', 'Cost'], titles
    page.press_button('7 days')
    page.wait_query(since='7d')
    answer = page.service.send('GET', f'/page-data/chart?project={stage.desk.ids["project"]}'
                                      f'&start={seeds.time_text(seeds.ago(days=7))}&end={seeds.time_text(seeds.now())}&buckets=48')
    n = sum(bucket['n'] for bucket in answer['buckets'])
    wait_until(lambda: f'{n}' in page.browser.texts('.chart-total'), lambda: (n, page.browser.texts('.chart-total')))
    area = page.browser.find('.chart-area')
    width = area.rect['width']
    page.browser.hover(area, int(width / 2) - 6, 10)
    page.browser.find('.told-time')
    page.press_button('The numbers as a table')
    page.browser.find('.chart-table table')
    heads = page.browser.texts('.chart-table thead th')
    assert len(heads) == 8 and heads[3].startswith('Latency: '), heads
    errors = page.browser.run('''return [...document.querySelectorAll('.chart-table tbody tr')].reduce(
        (sum, row) => sum + Number(row.querySelectorAll('td')[1].textContent), 0)''')
    assert errors == sum(bucket['errors'] for bucket in answer['buckets']) > 5, errors


def test_chart_keys(stage):
    page = Page(stage, stage.desk)
    page.open(f'/projects/{stage.desk.ids["project"]}/chart?since=7d')
    area = page.browser.find('.chart-area')
    page.browser.run('arguments[0].focus()', area)
    page.browser.press('End')
    text = page.browser.wait_for('const text = arguments[0].getAttribute("aria-valuetext");'
                                 'return text.includes("Successes") ? text : null', 'the numbers are told', area)
    page.browser.press('Left')
    page.browser.wait_for('return arguments[0].getAttribute("aria-valuetext") !== arguments[1]', 'other numbers', area, text)
    page.browser.press('End', 'Enter')
    page.browser.find(ROW)
    assert 'from' in page.query and 'to' in page.query


def test_long_thread(stage):
    """A thread of very many traces is shown to its end."""
    runs = []
    start = seeds.ago(minutes=30)
    for i in range(620):
        tree = seeds.Tree('long-thread', start + seeds.seconds(i), 'endless')
        tree.run(f'turn {i}', 'chain', None, 0, 0.5, {'question': f'question {i}'}, {'answer': f'answer {i}'})
        runs += tree.runs
    stage.scratch.post_runs(runs)
    page = Page(stage, stage.scratch)
    page.open(f'/projects/{stage.scratch.project_id("long-thread")}/threads?thread=endless')
    page.browser.find('.turn', 'question 499')
    page.wait_live()
    assert len(page.browser.find_all('.turn')) == 500
    page.press_button('Show later traces')
    page.browser.find('.turn', 'question 619')
    assert len(page.browser.find_all('.turn')) == 620 and not page.has_button('Show later traces')
    # the keys go on where it was, and what comes is shown behind all of them
    assert page.browser.run('return document.activeElement.textContent') == 'turn 500'
    tree = seeds.Tree('long-thread', seeds.now(), 'endless')
    tree.run('last', 'chain', None, 0, 0.1, {'question': 'the last question'})
    stage.scratch.post_runs(tree.runs)
    page.browser.find('.turn', 'the last question')
    assert len(page.browser.find_all('.turn')) == 621
