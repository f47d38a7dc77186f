# SPDX-License-Identifier: LGPL-2.1-or-later
"""One trace: the tree and its bars, and what a run says."""

import json
import uuid

from page import BODY, Page, TREE_ROW
from webdriver import wait_until
import seeds


def open_good(stage, **query):
    page = Page(stage, stage.desk)
    page.open_trace(stage.desk.ids['good'], **query)
    return page


def test_tree(stage):
    page = open_good(stage)
    assert [(row['name'], row['level']) for row in page.tree()] == [
        ('plan journey', 1), ('prepare', 2), ('look up customs', 3), ('gpt-4o', 2), ('find_trains', 2), ('gpt-4o', 2)]
    assert [row['open'] for row in page.tree()] == ['true', 'true', None, None, None, None]
    # who comes from a link sees the top
    assert page.selected() == 'plan journey'
    page.wait_text('1,226', '.trace-head')
    page.wait_text('750ms', '.trace-head')


def test_opened_at_error(stage):
    page = Page(stage, stage.desk)
    page.open_trace(stage.desk.ids['failed'])
    page.wait_selected('find_trains')
    assert 'TimeoutError: the timetable did not answer' in page.body_text
    assert 'Traceback (most recent call last)' in page.body_text
    assert [row['name'] for row in page.tree() if row['status'] == 'error'] == ['plan journey', 'find_trains']


def test_waterfall(stage):
    """Bars are where the runs were in time, with the first token and the events."""
    page = open_good(stage)
    bars = page.browser.run('''
        return [...document.querySelectorAll(arguments[0])].map(row => {
            const lane = row.querySelector('.lane').getBoundingClientRect();
            const share = element => (element.getBoundingClientRect().left +
                element.getBoundingClientRect().width / 2 - lane.left) / lane.width;
            const bar = row.querySelector('.bar').getBoundingClientRect();
            return {from: (bar.left - lane.left) / lane.width, width: bar.width / lane.width,
                    token: [...row.querySelectorAll('.mark.token')].map(share),
                    events: [...row.querySelectorAll('.mark.event')].map(mark => mark.title)};
        });''', TREE_ROW)
    scale = bars[0]['width'] / 4.6
    for bar, (begin, end) in zip(bars, [(0, 4.6), (.01, .32), (.03, .3), (.35, 1.5), (1.52, 2.9), (2.95, 4.5)]):
        assert abs(bar['from'] - bars[0]['from'] - begin * scale) < 0.02, bars
        assert abs(bar['width'] - (end - begin) * scale) < 0.02, bars
    assert abs(bars[3]['token'][0] - bars[0]['from'] - 0.75 * scale) < 0.02, bars
    assert len(bars[5]['token']) == 1 and not bars[4]['token'], bars
    assert len(bars[4]['events']) == 1 and bars[4]['events'][0].startswith('retry'), bars


def test_scale_fits(stage):
    """A long time at the end of the scale does not make the tree scroll sideways."""
    tree = seeds.Tree('slow', seeds.ago(minutes=3))
    tree.run('wait', 'chain', None, 0, 108)
    stage.scratch.post_runs(tree.runs)
    page = Page(stage, stage.scratch)
    stage.browser.set_look('light', 1024, 700)
    page.open_trace(tree.root)
    page.browser.find('.scale-step', '1m 40s')
    widths = page.browser.run('const tree = document.querySelector(".tree"); return [tree.scrollWidth, tree.clientWidth];')
    assert widths[0] <= widths[1], widths


def test_fold(stage):
    page = open_good(stage)
    page.browser.click(f'{TREE_ROW}:nth-child(2) .fold')
    wait_until(lambda: 'look up customs' not in page.tree_names(), page.tree_names)
    assert page.tree()[1]['open'] == 'false'
    page.browser.click(f'{TREE_ROW}:nth-child(2) .fold')
    wait_until(lambda: 'look up customs' in page.tree_names(), page.tree_names)


def test_make_root(stage):
    page = open_good(stage)
    page.select('prepare')
    page.press_button('Make it the root')
    wait_until(lambda: page.tree_names() == ['prepare', 'look up customs'], page.tree_names)
    assert 'root' in page.query
    page.browser.reload()
    page.browser.find(TREE_ROW)
    wait_until(lambda: page.tree_names() == ['prepare', 'look up customs'], page.tree_names)
    page.press_button('Show the whole trace', '.root-bar')
    wait_until(lambda: len(page.tree_names()) == 6, page.tree_names)
    assert 'root' not in page.query
    page.browser.back()
    wait_until(lambda: len(page.tree_names()) == 2, page.tree_names)


def test_run_in_address(stage):
    page = open_good(stage)
    page.select('find_trains')
    page.wait_query(run=stage.desk.ids['good-tool'])
    page.watch_clipboard()
    page.press_button('Copy the link to this run')
    link = page.wait_copied()
    assert link.startswith(stage.desk.origin) and stage.desk.ids['good-tool'] in link, link
    page.browser.open(link)
    page.wait_selected('find_trains')


def test_conversation(stage):
    """Roles, calls of tools with their results, and the answer; not JSON."""
    page = open_good(stage, run=stage.desk.ids['good-model'])
    page.browser.find('.message.assistant')
    messages = page.browser.run(f'''
        return [...document.querySelectorAll('{BODY} .message')].map(message =>
            [message.querySelector('.message-head').innerText.trim().split('\\n')[0], message.querySelector('.message-body').innerText]);''')
    assert [role for role, _ in messages] == ['System', 'User', 'Assistant', 'Assistant'], messages
    assert messages[0][1].strip() == seeds.SYSTEM and messages[1][1].strip() == seeds.QUESTION
    call = page.browser.find(f'{BODY} details.call')
    assert call.member('open') is True
    assert all(text in call.text for text in ('find_trains', 'Porto', 'Celta 422', '14.75')), call.text
    assert '14.75 €. There is a second train' in messages[3][1], messages[3]
    # the roles are told by more than colours
    colours = page.browser.run(f'''return [...document.querySelectorAll('{BODY} .message')].map(message =>
        getComputedStyle(message).backgroundColor)''')
    assert len(set(colours)) >= 2, colours


def test_reasoning_is_folded(stage):
    page = open_good(stage, run=stage.desk.ids['good-first-model'])
    reasoning = page.browser.find(f'{BODY} details.reasoning')
    assert reasoning.member('open') is False
    assert 'before I can name a price' not in page.browser.run(
        'return arguments[0].querySelector(".text")?.checkVisibility() ? "before I can name a price" : ""', reasoning)
    page.browser.click(f'{BODY} details.reasoning summary')
    page.browser.find('.reasoning .text', 'before I can name a price')


def test_pictures(stage):
    """Pictures of messages and attachments are shown; other files are there to be downloaded."""
    page = Page(stage, stage.desk)
    ids = stage.desk.ids
    page.open_trace(ids['pictures'])
    size = page.browser.wait_for(f'''
        const picture = document.querySelector('{BODY} img');
        return picture?.complete && picture.naturalWidth ? [picture.naturalWidth, picture.naturalHeight] : null;''',
                                 'the attached picture')
    assert size == [320, 180]
    source = page.browser.find(f'{BODY} img').attribute('src')
    assert source.startswith('/runs/'), source
    files = page.browser.run(f'return [...document.querySelectorAll("{BODY} a.file")].map(a => [a.textContent, a.href])')
    assert len(files) == 2 and 'notes.txt' in files[0][0] + files[1][0], files
    svg = next(link for text, link in files if 'drawing.svg' in text)
    status, headers, _ = page.fetch(svg)
    assert status == 200 and headers['x-content-type-options'] == 'nosniff', headers
    assert 'sandbox' in headers['content-security-policy'] and "default-src 'none'" in headers['content-security-policy']
    assert headers['content-disposition'].startswith('attachment'), headers
    page.select('claude-sonnet')
    page.browser.wait_for(f'''
        const picture = document.querySelector('{BODY} .message img');
        return picture?.complete && picture.naturalWidth === 320 && picture.src.startsWith('data:image/png');''',
                          'the picture of the message')
    page.browser.find('.reasoning', 'The blue part is water')


def test_json(stage):
    page = open_good(stage, run=stage.desk.ids['good-model'])
    page.open_tab('JSON')
    page.wait_query(tab='json')
    page.browser.find('.json-line', '"messages"')
    # fold, unfold
    page.press_button('Fold')
    page.browser.find('.json-line[aria-expanded=false]', '"inputs"')
    assert '"messages"' not in ''.join(page.browser.texts('.json-line'))
    page.press_button('Unfold')
    page.browser.find('.json-line', '"messages"')
    page.browser.click('.json-line[aria-expanded=true] .fold')
    wait_until(lambda: len(page.browser.texts('.json-line')) == 1, lambda: page.browser.texts('.json-line'))
    page.press_button('Unfold')
    # search
    field = page.browser.find('.json-view input[type=search]')
    field.type('second train')
    page.browser.find('.json-line.found', 'second train')
    # copy
    page.watch_clipboard()
    page.press_button('Copy', '.json-view')
    copied = json.loads(page.wait_copied())
    assert copied['id'] == stage.desk.ids['good-model'] and copied['outputs']['choices'][0]['message']['content'] == seeds.ANSWER


def test_usage_and_metadata(stage):
    """Usage and cost are summed up the tree; metadata, tags and events are shown."""
    page = open_good(stage)
    page.open_tab('Details')
    page.browser.find(f'{BODY} table.usage')
    numbers = page.browser.texts('table.usage tbody tr:last-child td')
    assert numbers[:3] == ['1,067', '159', '1,226'] and numbers[3].startswith('$0.0042'), numbers
    assert page.browser.texts('table.usage tbody tr:first-child td')[:3] in (['–'] * 3, ['0'] * 3), numbers
    text = page.body_text
    assert all(word in text for word in ('revision', 'a41c', 'ana', 'production', stage.desk.ids['good'])), text
    page.select('find_trains')
    page.browser.find('.events', 'retry')
    page.browser.find('.events', '+580ms')
    page.select('plan journey')
    page.browser.click('.tags a', 'production')
    page.wait_query(tag='production')


def give_feedback_trace(stage):
    service = stage.scratch
    tree = seeds.agent_trace('feedback', seeds.now())
    service.post_runs(tree.runs)
    page = Page(stage, service)
    page.open_trace(tree.root, tab='feedback')
    return page, tree.root


def list_feedback(page, run):
    return [(one['key'], one['score'], one.get('comment')) for one in page.service.send('GET', f'/feedback?run={run}')]


def test_feedback_shown(stage):
    page = open_good(stage, tab='feedback')
    page.browser.find('.feedback-item', 'Exactly what I wanted to know.')
    page.browser.find('.feedback-item', '0.75')
    page.browser.find('[role=tab]', 'Feedback (2)')


def test_thumb(stage):
    page, run = give_feedback_trace(stage)
    page.browser.find('textarea[name=comment]').type('Helped at once')
    page.press_button('Good', '.thumbs')
    page.browser.find('.feedback-item', 'Helped at once')
    assert list_feedback(page, run) == [('user_score', 1, 'Helped at once')]
    page.press_button('Bad', '.thumbs')
    wait_until(lambda: len(page.browser.find_all('.feedback-item')) == 2, 'two items')
    assert ('user_score', 0, None) in list_feedback(page, run)
    # the list of traces has it, too
    page.press_button('feedback', '.trail')
    page.browser.find('.tag.feedback', 'user_score')


def test_score_and_comment(stage):
    page, run = give_feedback_trace(stage)
    page.browser.find('input[name=key]').type('style')
    page.press_button('Give feedback')
    page.browser.find('[role=alert]', 'Give a score')
    page.browser.find('input[name=score]').type('0.5')
    page.browser.find('textarea[name=comment]').type('Too long')
    page.press_button('Give feedback')
    page.browser.find('.feedback-item', 'Too long')
    assert list_feedback(page, run) == [('style', 0.5, 'Too long')]
    page.press_button('Delete the feedback style')
    page.browser.find('.panel .none', 'No feedback yet')
    assert list_feedback(page, run) == []


def test_feedback_of_others_comes(stage):
    page, run = give_feedback_trace(stage)
    page.wait_live()
    page.service.post_feedback(run, 'judge', 0.25, 'by a program')
    page.browser.find('.feedback-item', 'by a program')


def test_compare(stage):
    """Two runs side by side, what differs is marked, the address keeps it."""
    page = open_good(stage)
    page.press_button('Compare with another run')
    page.browser.find('dialog[open] input[type=search]').type(stage.desk.ids['talk-2'])
    page.browser.click('dialog[open] .choice', stage.desk.ids['talk-2'])
    page.wait_query(compare=stage.desk.ids['talk-2'])
    page.browser.find('.compare table')
    for text, tag in (('Sunday', 'ins'), ('Porto', 'del')):
        page.browser.find(f'.diff {tag}', text)
    left, right = page.browser.run('''
        const sides = [...document.querySelectorAll('.diff')].map(diff => [...diff.querySelectorAll('.diff-line')]).flat();
        const left = sides.find(line => line.classList.contains('del'));
        const right = sides.find(line => line.classList.contains('ins'));
        return [left.getBoundingClientRect().x, right.getBoundingClientRect().x];''')
    assert left + 100 < right, 'they are side by side'
    page.browser.reload()
    page.browser.find('.diff ins', 'Sunday')
    page.press_button('Change sides')
    page.browser.find('.diff del', 'Sunday')
    page.press_button('End the comparison')
    page.wait_query(compare=None)
    page.browser.wait_gone('.compare')


def test_compare_by_search(stage):
    page = open_good(stage)
    page.press_button('Compare with another run')
    page.browser.find('dialog[open] .choice')
    page.browser.find('dialog[open] input[type=search]').type('coast')
    wait_until(lambda: any('read a map' in text for text in page.browser.texts('dialog[open] .choice')),
               lambda: page.browser.texts('dialog[open] .choice'))
    page.browser.click('dialog[open] .choice', 'read a map')
    page.wait_query(compare=stage.desk.ids['pictures'])


def test_export(stage):
    page = open_good(stage)
    links = page.browser.run('''return ['Export the trace', 'Export the run'].map(label => {
        const link = document.querySelector(`a[aria-label="${label}"]`);
        return [link.href, link.download]; })''')
    assert all(name.endswith('.jsonl') for _, name in links), links
    status, headers, text = page.fetch(links[0][0])
    assert status == 200 and headers['content-disposition'].startswith('attachment'), headers
    runs = [json.loads(line) for line in text.splitlines() if line]
    runs = [run for run in runs if run.get('id') or run.get('run')]
    assert len(runs) >= 6, text[:2000]
    assert 'look up customs' in text and seeds.SYSTEM in text
    status, _, text = page.fetch(links[1][0])
    assert status == 200 and 'look up customs' not in text and 'plan journey' in text


def test_search_in_trace(stage):
    page = open_good(stage)
    page.browser.press('/')
    page.browser.press('handbook')
    page.browser.find('.tree-row.found', 'look up customs')
    page.browser.press('Enter')
    page.wait_selected('look up customs')


def test_delete_asks(stage):
    service = stage.scratch
    tree = seeds.agent_trace('short-lived-1', seeds.now())
    service.post_runs(tree.runs)
    page = Page(stage, service)
    page.open_trace(tree.root)
    page.press_button('Delete the trace')
    page.confirm('Cancel')
    assert service.send('GET', f'/runs/{tree.root}')['id'] == tree.root
    page.press_button('Delete the trace')
    page.browser.find('dialog[open]')
    page.press_button('Delete the trace')
    page.browser.find('.empty', 'No traces yet')
    assert service.ask('GET', f'/runs/{tree.root}')[0] == 404


def test_deleted_by_others(stage):
    """A trace that somebody else deletes is said to be gone."""
    service = stage.scratch
    tree = seeds.agent_trace('short-lived-2', seeds.now())
    service.post_runs(tree.runs)
    page = Page(stage, service)
    page.open_trace(tree.root)
    page.wait_live()
    service.send('POST', '/runs/delete', {'trace_ids': [tree.root]})
    page.browser.find('[role=alert]', 'Not found here')


def test_run_without_contents(stage):
    """Runs that came in part, or have nothing in them, are shown all the same."""
    service = stage.scratch
    tree = seeds.Tree('odd', seeds.now())
    root = tree.run('', 'chain', None, 0, 1, inputs=None, outputs=None)
    tree.run('orphan', 'unheard-of', root, 0.2, 0.1, inputs={'input': None}, outputs={'output': ''})
    tree.runs[1]['parent_run_id'] = str(uuid.uuid4())
    service.post_runs(tree.runs)
    page = Page(stage, service)
    page.open_trace(root)
    assert page.tree_names()[0] == '(no name)' and 'orphan' in page.tree_names(), page.tree_names()
    page.select('orphan')
    page.select('(no name)')
    page.wait_text('No input', BODY)
