# SPDX-License-Identifier: LGPL-2.1-or-later
"""How all views look: light and dark, wide and narrow, in other languages, and to assistive programs."""

import functools
import json
import os
import re

from page import BODY, Page, TREE_ROW
from webdriver import wait_until
import pseudo_locale
import seeds

LOOKS = [(scheme, width, height) for scheme in ('light', 'dark') for width, height in ((1280, 860), (390, 844))]


def name_of_look(scheme, width):
    return f'{scheme}-{"wide" if width > 600 else "narrow"}'


def streaming(stage):
    """A trace that goes on, in a service of its own."""
    if not hasattr(stage, 'live_service'):
        stage.live_service = stage.new_service()
        tree = seeds.agent_trace('travel-agent', seeds.now() - seeds.seconds(3.2), ends=False)
        stage.live_service.post_runs(tree.runs)
        stage.live_service.root = tree.root
        stage.live_service.project = stage.live_service.project_id('travel-agent')
    return stage.live_service


def markdown(stage):
    """A conversation with all marks of Markdown."""
    if not hasattr(stage, 'markdown_service'):
        stage.markdown_service = stage.new_service()
        tree = seeds.talk('guide', seeds.MARKDOWN)
        stage.markdown_service.post_runs(tree.runs)
        stage.markdown_service.root = tree.root
    return stage.markdown_service


def views(stage, translate=lambda text: text):
    """What to open, what is there then, and what to do before it is looked at; by the name of the picture.

    translate (message) returns what the page says in the language in which it is looked at.
    """
    desk, large, hostile, live = stage.desk, stage.large, stage.hostile, streaming(stage)
    ids = desk.ids
    project = f'/projects/{ids["project"]}'
    good = f'/traces/{ids["good"]}'
    model = f'{good}?run={ids["good-model"]}'

    def press(label):
        return lambda page: page.press_button(translate(label))

    def show_chart_table(page):
        page.press_button(translate('The numbers as a table'))
        page.browser.find('.chart-table table')

    def open_run(page):
        """On a phone, a run is beside its tree only after a tap."""
        if page.browser.is_narrow and page.browser.is_there(TREE_ROW):
            page.browser.click(f'{TREE_ROW}.active .tree-text')
            page.wait_run()

    return {
        'projects': (desk, '/', '.projects', None),
        'projects-empty': (stage.empty, '/', '.empty', None),
        'traces': (desk, project, '.trace-row', None),
        'traces-one': (stage.one, f'/projects/{stage.one.project_id("travel-agent")}', '.trace-row', None),
        'traces-streaming': (live, f'/projects/{live.project}', '.trace-row', None),
        'traces-filtered': (desk, f'{project}?status=error&meta=user%3Abo&tag=production&latency=1', '.chip', None),
        'traces-none': (desk, f'{project}?q=nothing-like-this', '.empty', None),
        'traces-many': (large, f'/projects/{large.ids["project"]}', '.trace-row', None),
        'traces-hostile': (hostile, f'/projects/{hostile.ids["project"]}', '.trace-row', None),
        'filters': (desk, project, '.trace-row', press('Filters')),
        'clear': (desk, project, '.trace-row', press('Clear')),
        'keys': (desk, project, '.trace-row', press('Keys')),
        'threads': (desk, f'{project}/threads', '.thread-row', None),
        'thread': (desk, f'{project}/threads?thread=trip-to-vigo', '.message', None),
        'chart': (desk, f'{project}/chart?since=7d', '.chart', None),
        'chart-table': (desk, f'{project}/chart?since=7d', '.chart', show_chart_table),
        'trace': (desk, good, TREE_ROW, None),
        'trace-failed': (stage.failed, f'/traces/{stage.failed.tree.root}', TREE_ROW, None),
        'trace-streaming': (live, f'/traces/{live.root}', TREE_ROW, None),
        'trace-huge': (large, f'/traces/{large.ids["root"]}', TREE_ROW, None),
        'trace-hostile': (hostile, f'/traces/{hostile.ids["root"]}', TREE_ROW, None),
        'trace-root': (desk, f'{good}?root={ids["good-model"]}', TREE_ROW, None),
        'run': (desk, model, TREE_ROW, open_run),
        'run-markdown': (markdown(stage), f'/traces/{markdown(stage).root}', TREE_ROW, open_run),
        'run-failed': (stage.failed, f'/traces/{stage.failed.tree.root}', TREE_ROW, open_run),
        'run-pictures': (desk, f'/traces/{ids["pictures"]}', TREE_ROW, open_run),
        'run-hostile': (hostile, f'/traces/{hostile.ids["root"]}?run={hostile.ids["model"]}', TREE_ROW, open_run),
        'run-long': (large, f'/traces/{large.ids["long"]}', TREE_ROW, open_run),
        'json': (desk, f'{model}&tab=json', TREE_ROW, open_run),
        'details': (desk, f'{good}?tab=details', TREE_ROW, open_run),
        'feedback': (desk, f'{good}?tab=feedback', TREE_ROW, open_run),
        'compare': (desk, f'{good}?compare={ids["talk-2"]}', TREE_ROW, open_run),
        'compare-choice': (desk, good, TREE_ROW, lambda page: (open_run(page), page.press_button(translate('Compare with another run')),
                                                               page.browser.find('.choice'))),
        'no-page': (desk, '/projects/x/y', '.empty', None),
        'missing': (desk, '/traces/00000000-0000-4000-8000-000000000000', '[role=alert]', None),
    }


def show(stage, view):
    """Opens a view, and waits until it is at rest."""
    service, path, selector, act = view
    page = Page(stage, service)
    page.open(path)
    if selector == TREE_ROW and page.browser.is_narrow:
        page.browser.find(f'{TREE_ROW}, .panel-title h2')
    else:
        page.browser.find(selector)
        if selector == TREE_ROW:
            page.wait_run()
    if act:
        act(page)
    page.browser.wait_for('''
        const isSeen = element => element.checkVisibility() && element.getBoundingClientRect().top < innerHeight;
        return ![...document.querySelectorAll('.skeleton')].some(isSeen) &&
            [...document.images].every(image => image.complete || !isSeen(image));''', 'the view is at rest')
    page.wait_live()
    # two frames, after which all is painted
    page.browser.run_async('for (let i = 0; i < 2; i++) await new Promise(resolve => requestAnimationFrame(resolve));')
    return page


def check_fits(page, name):
    """Nothing is cut off at the right: there is no scrolling sideways, and no button is outside."""
    found = page.browser.run('''
        const [width] = arguments;
        // the end of a long name is told by dots
        const isShortened = element => {
            for (let one = element; one; one = one.parentElement)
                if (getComputedStyle(one).textOverflow === 'ellipsis' && one.getBoundingClientRect().right <= width)
                    return true;
            return false;
        };
        // a phone makes the window wider, and what is in it smaller, if something is too wide
        const wide = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth) - width;
        const out = [...document.querySelectorAll('button, a, input, h1, h2')].filter(element => {
            const box = element.getBoundingClientRect();
            return element.checkVisibility({checkVisibilityCSS: true}) && box.width > 0 && box.left > 0 &&
                box.right > width + 1 && !element.closest('.unseen, .scroll-x') && !isShortened(element);
        }).map(element => element.outerHTML.slice(0, 120));
        // what scrolls up and down does not scroll sideways
        for (const element of document.querySelectorAll('main, .scroll, .panel-body:not(.full), .list, dialog[open], .dialog-body'))
            if (element.checkVisibility() && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1 &&
                !element.classList.contains('json'))
                out.push(`${element.tagName}.${element.className} of ${element.scrollWidth} pixels in ${element.clientWidth}`);
        // no word is broken into its letters
        for (const element of document.querySelectorAll('th, dt, button, .tab, .chip, .chip-name, .message-head > span, label'))
            if (element.checkVisibility() && element.clientWidth > 1 && element.clientWidth < 30 && element.clientHeight > 40 &&
                element.textContent.trim().length > 3)
                out.push(`a column of letters: ${element.outerHTML.slice(0, 120)}`);
        const widest = wide <= 0 ? [] : [...document.querySelectorAll('main *')].filter(element =>
            element.getBoundingClientRect().right > width + 1).slice(0, 3)
            .map(element => element.outerHTML.slice(0, 200));
        return {wide, out, widest};''', page.browser.width)
    assert found['wide'] <= 0, f'{name} scrolls sideways by {found["wide"]} pixels: {found["widest"]}'
    assert not found['out'], f'{name} does not fit: {found["out"]}'


@functools.lru_cache
def read_axe(file):
    with open(file, encoding='utf-8') as script:
        return script.read()


def check_axe(stage, page, name):
    """What axe-core calls moderate, serious or critical. Returns: lines"""
    page.browser.run(read_axe(stage.axe))
    results = page.browser.run_async('''
        const results = await axe.run(document, {resultTypes: ['violations']});
        return results.violations.map(one => ({id: one.id, impact: one.impact, help: one.help,
            nodes: one.nodes.map(node => [node.html.slice(0, 160), node.failureSummary.replace(/\\s+/g, ' ').slice(0, 200)])}));''')
    lines = []
    for one in results:
        if one['impact'] in ('moderate', 'serious', 'critical'):
            lines.append(f'{name}: {one["id"]}: {one["help"]}: {one["nodes"][:3]}')
        else:
            print(f'# axe, {one["impact"]}, in {name}: {one["id"]}: {one["nodes"][:1]}', flush=True)
    return lines


def look_at_all(stage, scheme, width, height, check):
    stage.allow('404')
    # what is scrolled to is shown at once, so that pictures are equal
    stage.browser.set_look(scheme, width, height)
    problems = []
    for name, view in views(stage).items():
        try:
            page = show(stage, view)
            stage.picture(f'{name}-{name_of_look(scheme, width)}')
            problems += check(page, f'{name}, {name_of_look(scheme, width)}') or []
            stage.check_harmless()
        except AssertionError as problem:
            problems.append(f'{name}, {name_of_look(scheme, width)}: {problem}')
    assert not problems, '\n'.join(problems)


def make_accessibility_test(scheme, width, height):
    def test(stage):
        look_at_all(stage, scheme, width, height, lambda page, name: (check_fits(page, name), check_axe(stage, page, name))[1])
    test.needs_axe = True
    return test


test_light_wide = make_accessibility_test('light', 1280, 860)
test_dark_wide = make_accessibility_test('dark', 1280, 860)
test_light_narrow = make_accessibility_test('light', 390, 844)
test_dark_narrow = make_accessibility_test('dark', 390, 844)


def test_at_1024(stage):
    """The width of a small screen has all of the wide view."""
    stage.allow('404')
    stage.browser.set_look('light', 1024, 700)
    for name in ('projects', 'traces', 'traces-filtered', 'thread', 'chart', 'run', 'compare', 'json'):
        page = show(stage, views(stage)[name])
        check_fits(page, name)
        if name == 'run':
            boxes = page.browser.run('return [".tree-side", ".panel"].map(s => document.querySelector(s).getBoundingClientRect().toJSON())')
            assert boxes[0]['right'] <= boxes[1]['left'] + 1 and boxes[0]['width'] > 250 and boxes[1]['width'] > 350, boxes


def brightness(page, selector='body'):
    colour = page.browser.run('return getComputedStyle(document.querySelector(arguments[0])).backgroundColor', selector)
    return sum(float(number) for number in re.findall(r'[\d.]+', colour)[:3]) / 3


def test_theme(stage):
    """The page follows the system, and a choice of the user, which lasts."""
    page = Page(stage, stage.desk)
    stage.browser.set_look('dark')
    page.open_projects()
    assert brightness(page) < 60
    stage.browser.set_look('light')
    wait_until(lambda: brightness(page) > 200, 'the page gets light with the system')
    page.press_button('Use dark colours')
    wait_until(lambda: brightness(page) < 60, 'the page gets dark')
    page.browser.reload()
    page.browser.find('.projects')
    assert brightness(page) < 60, 'the choice lasts'
    page.press_button('Use light colours')
    wait_until(lambda: brightness(page) > 200, 'the page gets light')


def test_phone(stage):
    """On a phone, a tap on a run shows it, and there is a way back."""
    stage.browser.set_look('light', 390, 844)
    page = Page(stage, stage.desk)
    page.open_traces(stage.desk.ids['project'])
    box = page.browser.find('.trace-row').rect
    assert box['width'] <= 390
    page.browser.click('.trace-name')
    page.browser.find(TREE_ROW)
    page.browser.wait_gone(f'{BODY} .part')
    page.browser.click(f'{TREE_ROW} .tree-text')
    page.browser.find(f'{BODY} .part')
    page.browser.wait_gone(TREE_ROW)
    page.press_button('Back to the runs')
    page.browser.find(TREE_ROW)
    # what a finger has to meet is large enough
    small = page.browser.run('''return [...document.querySelectorAll('header button, .trace-actions :is(a, button)')]
        .filter(element => element.checkVisibility()).map(element => element.getBoundingClientRect())
        .filter(box => box.width < 24 || box.height < 24).length''')
    assert small == 0


def test_language(stage):
    """The page speaks the language of its address."""
    page = Page(stage, stage.desk)
    page.open(f'/?lang={pseudo_locale.LANGUAGE}')
    page.browser.find('h1', pseudo_locale.translate('Projects'))
    assert page.browser.run('return document.documentElement.lang') == pseudo_locale.LANGUAGE


def test_all_languages(stage):
    """The list fits in each language of po/."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'po')
    with open(os.path.join(folder, 'LINGUAS'), encoding='utf-8') as file:
        names = [name for line in file if not line.startswith('#') for name in line.split()]
    assert len(names) >= 5, names
    stage.browser.set_look('light', 1024, 700)
    for name in names:
        page = Page(stage, stage.desk)
        page.open(f'/projects/{stage.desk.ids["project"]}?lang={name}')
        page.browser.find('.trace-row')
        status, _, body = stage.desk.ask('GET', f'/page-data/words?lang={name}')
        words = json.loads(body)
        assert status == 200 and words['lang'] == name.replace('_', '-'), (name, words.get('lang'))
        check_fits(page, f'the list in {name}')
        wide = page.browser.run('''
            return [...document.querySelectorAll('.row-head .cell, .trace-row .number')].filter(cell => cell.clientWidth > 1 &&
                cell.scrollWidth > cell.clientWidth).map(cell => [cell.textContent, cell.scrollWidth, cell.clientWidth])''')
        assert not wide, (name, wide)
        assert page.browser.find('.filter-line').rect['height'] < 60, f'the filters take two lines in {name}'
        heads = page.browser.texts('[role=columnheader]')
        for message in ('Input and output', 'First token'):
            assert words['words'].get(message, message) in heads, (name, heads)
        stage.picture(f'traces-language-{name}')


def test_reduced_motion(stage):
    """Nothing moves for who does not want that."""
    stage.browser.set_look(reduced_motion=True)
    page = Page(stage, streaming(stage))
    page.open_trace(page.service.root)
    moving = page.browser.run('''return document.getAnimations().filter(animation =>
        animation.playState === 'running' && animation.effect.getComputedTiming().duration > 1).length''')
    assert moving == 0, moving


def test_names_of_roles(stage):
    """What assistive programs are told: landmarks, headings, the lists and their rows."""
    page = Page(stage, stage.desk)
    page.open_trace(stage.desk.ids['failed'])
    tree = page.browser.find('.tree-side [role=tree]')
    assert tree.role == 'tree' and tree.label == 'Runs', (tree.role, tree.label)
    row = page.browser.find(TREE_ROW, 'find_trains')
    assert row.role == 'treeitem' and 'find_trains' in row.label and 'Error' in row.label, row.label
    assert page.browser.find('main h1').text == 'plan journey'
    page.open_traces(stage.desk.ids['project'])
    assert page.browser.find('.trace-row').role == 'row'
    assert len(page.browser.find_all('main')) == 1
    page.browser.wait_for('return document.getElementById("spoken").textContent.includes("202")', 'the number is said')
