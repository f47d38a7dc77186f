# SPDX-License-Identifier: LGPL-2.1-or-later
"""All is done by keys as well, and it is always seen where they are."""

from page import Page, ROW
from webdriver import wait_until
import seeds


def test_list(stage):
    page = Page(stage, stage.desk)
    page.open_traces(stage.desk.ids['project'])
    inputs = page.inputs()
    for key, row in (('Down', 0), ('Down', 1), ('j', 2), ('j', 3), ('k', 2), ('Up', 1), ('Home', 0)):
        page.browser.press(key)
        wait_until(lambda: inputs[row] in (page.active_row() or ''), lambda: (key, row, page.active_row()))
    page.browser.press('End')
    last = page.service.send('POST', '/runs/query', {'session': [stage.desk.ids['project']], 'is_root': True, 'limit': 100,
                                                     'order': 'asc'})['runs'][0]
    # the list is loaded in parts, so that its end comes nearer with each
    for _ in range(5):
        page.browser.press('End')
    page.browser.press('Enter')
    page.browser.find('.tree-row')
    assert page.address[0].startswith('/traces/'), (page.address, last['id'])
    page.browser.press('u')
    page.browser.find(ROW)
    page.browser.press('u')
    page.browser.find('.projects')


def test_tree(stage):
    page = Page(stage, stage.desk)
    page.open_trace(stage.desk.ids['good'])
    steps = [('Down', 'prepare'), ('Right', 'look up customs'), ('Left', 'prepare'), ('j', 'look up customs'),
             ('j', 'gpt-4o'), ('k', 'look up customs'), ('Up', 'prepare'), ('End', 'gpt-4o'), ('Home', 'plan journey')]
    for key, name in steps:
        page.browser.press(key)
        page.wait_selected(name)
    page.browser.press('Down', 'Left')
    wait_until(lambda: page.tree()[1]['open'] == 'false', page.tree)
    assert 'look up customs' not in page.tree_names()
    page.browser.press('Right')
    wait_until(lambda: 'look up customs' in page.tree_names(), page.tree_names)
    page.browser.press('r')
    wait_until(lambda: page.tree_names() == ['prepare', 'look up customs'], page.tree_names)
    page.browser.press('r')
    wait_until(lambda: len(page.tree_names()) == 6, page.tree_names)
    # Enter leads to what the run says, where the arrows scroll
    page.browser.press('Enter')
    page.browser.wait_for('return document.activeElement.getAttribute("role") === "tabpanel"', 'the focus is there')


def test_other_traces(stage):
    """[ and ] go along the list from which the trace was opened, also with its filters."""
    page = Page(stage, stage.desk)
    page.open_traces(stage.desk.ids['project'], status='error')
    ids = [row['id'] for row in page.rows()][:3]
    page.browser.press('Home', 'Enter')
    page.browser.find('.tree-row')
    wait_until(lambda: page.address[0] == f'/traces/{ids[0]}', lambda: page.address)
    for key, number in ((']', 1), (']', 2), ('[', 1), ('[', 0)):
        page.browser.press(key)
        wait_until(lambda: page.address[0] == f'/traces/{ids[number]}', lambda: (page.address, ids))
        page.browser.find('.tree-row')
        page.wait_run()
    page.browser.press('[')
    page.wait_notice('first trace')
    page.browser.press('u')
    page.browser.find(ROW)
    assert page.query == {'status': 'error'}


def test_other_traces_without_list(stage):
    """They work for who came by a link, too."""
    page = Page(stage, stage.desk)
    page.open_trace(stage.desk.ids['failed'])
    page.browser.run('sessionStorage.clear()')
    page.browser.reload()
    page.browser.find('.tree-row')
    page.wait_run()
    page.browser.press(']')
    wait_until(lambda: page.address[0] == f'/traces/{stage.desk.ids["talk-2"]}', lambda: page.address)
    page.browser.find('.tree-row')
    page.wait_run()
    page.browser.press('[')
    wait_until(lambda: page.address[0] == f'/traces/{stage.desk.ids["failed"]}', lambda: page.address)


def seed_jobs(service, project, n):
    """Traces, of which every fourth has no tag; the newest is the last one."""
    start = seeds.ago(minutes=30)
    runs = []
    for i in range(n):
        tree = seeds.Tree(project, start + seeds.seconds(i))
        tree.run(f'job {i:03}', 'chain', None, 0, 0.5, error='no' if i % 10 == 1 else None, tags=['odd'] if i % 4 == 0 else ['even'])
        runs += tree.runs
    service.post_runs(runs)
    return service.project_id(project)


def wait_title(page, name):
    page.browser.find('.trace-title h1', name)


def test_neighbours_to_the_end(stage):
    """The keys follow the list with its filters beyond what it has loaded, also after the page was loaded again."""
    project = seed_jobs(stage.scratch, 'neighbours', 300)
    page = Page(stage, stage.scratch)
    page.open_traces(project, tag='even')
    page.wait_count('225 traces')
    # the last one of the first 200 that are loaded: 225 have the tag, of three in four
    names = [f'job {i:03}' for i in range(299, -1, -1) if i % 4]
    page.browser.click('.trace-row .trace-name', names[0])
    wait_title(page, names[0])
    last = stage.scratch.send('POST', '/page-data/traces', {'project': project, 'tree_filter': 'has(tags, "even")', 'limit': 198})['rows'][-1]
    page.browser.run('history.pushState(history.state, "", arguments[0]); dispatchEvent(new PopStateEvent("popstate"));', f'/traces/{last["id"]}')
    for at in range(198, 203):
        page.browser.press(']')
        wait_title(page, names[at])
    page.browser.reload()
    wait_title(page, names[202])
    page.browser.find('.tree-row')
    page.browser.press('[')
    wait_title(page, names[201])
    page.browser.press(']')
    wait_title(page, names[202])
    for at in range(203, len(names)):
        page.browser.press(']')
        wait_title(page, names[at])
    page.browser.press(']')
    page.wait_notice('This is the last trace of the list')
    assert page.browser.find('[aria-label="Next trace"]').member('disabled')
    # up is the list with its filter
    page.browser.press('u')
    page.browser.find('.trace-row')
    assert page.query == {'tag': 'even'}, page.query


def test_neighbours_of_errors_first(stage):
    """In the list of errors first, the others follow the last error."""
    project = seed_jobs(stage.scratch, 'neighbours-errors', 22)
    page = Page(stage, stage.scratch)
    page.open_traces(project, order='errors')
    page.browser.click('.trace-row .trace-name', 'job 001')
    wait_title(page, 'job 001')
    page.browser.press(']')
    wait_title(page, 'job 020')
    page.browser.press('[')
    wait_title(page, 'job 001')
    # a newer trace that fails is before it in the list now
    tree = seeds.Tree('neighbours-errors', seeds.now())
    tree.run('fresh', 'chain', None, 0, 0.1, error='no')
    stage.scratch.post_runs(tree.runs)
    for name in ('job 011', 'job 021', 'fresh'):
        page.browser.press('[')
        wait_title(page, name)
    page.browser.press('[')
    page.wait_notice('This is the first trace of the list')


def test_help(stage):
    """? tells all keys, and what has the focus gets it back."""
    page = Page(stage, stage.desk)
    page.open_trace(stage.desk.ids['good'])
    page.browser.press('?')
    page.browser.find('dialog[open]')
    keys = page.browser.texts('dialog[open] kbd')
    for key in ('↑', '↓', '←', '→', 'j', 'k', 'Home', 'End', '[', ']', '/', '?', 'Enter', 'Esc'):
        assert key in keys, (key, keys)
    page.browser.press('Escape')
    page.browser.wait_gone('dialog[open]')
    page.browser.press('Down')
    page.wait_selected('prepare')


def test_typing_is_no_command(stage):
    page = Page(stage, stage.desk)
    page.open_traces(stage.desk.ids['project'])
    page.browser.press('/')
    page.browser.press('jk[]u?/')
    field = page.browser.find('main input[type=search]')
    assert field.member('value') == 'jk[]u?/' and not page.browser.is_there('dialog[open]')
    page.wait_query(q='jk[]u?/')
    page.browser.press('Escape')
    page.browser.wait_for('return document.activeElement.tagName !== "INPUT"', 'the focus has left the field')


def visible_focus(page):
    """Whether what has the focus, or its active row, looks other than without; and what it is."""
    return page.browser.run('''
        const element = document.activeElement;
        if (element === document.body)
            return {seen: null, what: 'body'};
        const row = document.getElementById(element.getAttribute('aria-activedescendant'));
        const look = one => {
            if (!one)
                return '';
            const style = getComputedStyle(one);
            return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.backgroundColor,
                    style.borderColor].join();
        };
        const box = element.getBoundingClientRect();
        const focused = look(element) + look(row) + look(element.parentElement);
        const what = `${element.tagName} ${element.className} ${element.getAttribute('aria-label') ?? element.textContent.slice(0, 30)}`;
        element.blur();
        const plain = look(element) + look(row) + look(element.parentElement);
        element.focus({focusVisible: true, preventScroll: true});
        return {seen: focused !== plain && box.width > 0 && box.bottom > 0 && box.top < innerHeight, what};''')


def check_tab_order(page, least):
    """Goes through the view by Tab: each stop is seen, has a name, and the way ends."""
    stops = []
    page.browser.run('document.querySelector(".skip").focus()')
    for _ in range(60):
        page.browser.press('Tab')
        focus = visible_focus(page)
        if focus['what'] == 'body' or stops and focus['what'] == stops[0]:
            break
        assert focus['seen'], focus
        stops.append(focus['what'])
        assert page.browser.focused.label, focus
    assert len(stops) >= least, stops
    assert len(stops) < 60, stops


def test_focus_is_seen(stage):
    page = Page(stage, stage.desk)
    ids = stage.desk.ids
    page.open_projects()
    check_tab_order(page, 8)
    page.open_traces(ids['project'])
    check_tab_order(page, 14)
    page.open_trace(ids['good'])
    check_tab_order(page, 15)


def test_skip_link(stage):
    page = Page(stage, stage.desk)
    page.open_traces(stage.desk.ids['project'])
    page.browser.press('Tab')
    assert page.browser.focused.text == 'Skip to the contents'
    page.browser.press('Enter')
    page.browser.wait_for('return document.querySelector("main").contains(document.activeElement)', 'the focus is in the view')


def test_tabs(stage):
    page = Page(stage, stage.desk)
    page.open_trace(stage.desk.ids['good'])
    page.browser.run('document.querySelector("[role=tab][aria-selected=true]").focus()')
    page.browser.press('Right')
    page.wait_query(tab='json')
    page.browser.press('End')
    page.wait_query(tab='feedback')
    page.browser.press('Right')
    page.wait_query(tab=None)


def test_dialog_keeps_focus(stage):
    """In a dialog, the focus goes round; Escape closes it, and what opened it has the focus again."""
    page = Page(stage, stage.desk)
    page.open_traces(stage.desk.ids['project'])
    page.browser.run('[...document.querySelectorAll("button")].find(b => b.textContent === "Filters").focus()')
    page.browser.press('Enter')
    page.browser.find('dialog[open]')
    for _ in range(20):
        page.browser.press('Tab')
        assert page.browser.run('return document.activeElement === document.body || '
                                'document.querySelector("dialog[open]").contains(document.activeElement)')
    page.browser.press('Escape')
    page.browser.wait_gone('dialog[open]')
    assert page.browser.focused.text == 'Filters'


def test_confirmation_by_keys(stage):
    """Enter in a question does not delete: what is safe has the focus."""
    service = stage.scratch
    tree = seeds.agent_trace('short-lived-keys', seeds.now())
    service.post_runs(tree.runs)
    page = Page(stage, service)
    page.open_trace(tree.root)
    page.press_button('Delete the trace')
    page.browser.find('dialog[open]')
    page.browser.press('Enter')
    page.browser.wait_gone('dialog[open]')
    assert service.ask('GET', f'/runs/{tree.root}')[0] == 200
