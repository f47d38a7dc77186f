# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages with Markdown: shown as what they mean, or as they were written."""

import os
import random
import re

from page import BODY, Page
from webdriver import Browser, wait_until
from seeds import MARKDOWN, MARKDOWN_ATTACK, talk
import seeds

def open_talk(stage, *answers):
    page = Page(stage, stage.scratch)
    tree = talk('markdown', *answers)
    stage.scratch.post_runs(tree.runs)
    page.open_trace(tree.root)
    return page


LINKS = f'''
        return [...document.querySelectorAll('{BODY} a')].map(a => ({{href: a.href, target: a.target, rel: a.rel,
            text: a.innerText, shown: a.querySelector('.link-address')?.textContent ?? null}}));'''


def test_rich(stage):
    """What each mark of Markdown becomes."""
    page = open_talk(stage, MARKDOWN)
    rich = f'{BODY} .assistant .rich'
    page.browser.find(rich)

    def texts(selector):
        return page.browser.texts(f'{rich} {selector}')
    assert texts('h4') == ['Trip to Vigo'] and texts('h5') == ['What to do'], (texts('h4'), texts('h5'))
    assert texts('strong') == ['Celta'] and texts('s') == ['bus'] and texts('em') == ['08:13', 'often'], texts('em')
    assert texts('p')[0].endswith('--seat window.\nThe line breaks here.'), texts('p')
    assert texts('p code') == ['--seat window']
    assert len(page.browser.find_all(f'{rich} ol > li')) == 3 and texts('ol ul li') == ['an ID', '☑water'], texts('ol ul li')
    # the items have their numbers and signs
    assert page.browser.run(f'return ["ol", "ul"].map(tag => getComputedStyle(document.querySelector(`{rich} ${{tag}} > li`)).listStyleType)') == \
        ['decimal', 'disc']
    assert page.browser.find(f'{rich} .task').attribute('aria-label') == 'Done'
    assert texts('th') == ['Train', 'Price'] and texts('td') == ['Celta 420', '14.75 €', 'Celta 422', '14.75 €'], texts('td')
    aligned = page.browser.run(f'return getComputedStyle(document.querySelector("{rich} td:nth-child(2)")).textAlign')
    assert aligned in ('end', 'right'), aligned
    assert texts('blockquote') == ['It rains often.'] and len(page.browser.find_all(f'{rich} hr')) == 1
    assert texts('.code-block .text-piece') == ['def price (train):\n\treturn 14.75  # <b>euros</b>'], texts('.code-block .text-piece')
    stage.picture('markdown')
    # the question has marks, too
    assert page.browser.texts(f'{BODY} .user em') == ['to']


def test_links(stage):
    """A link says where it leads, and leads only to the web, to a tab that knows nothing of this one."""
    page = open_talk(stage, MARKDOWN)
    page.browser.find(f'{BODY} a')
    links = page.browser.run(LINKS)
    assert [link['href'] for link in links] == [
        'https://www.cp.pt/en?a=b(c)', 'https://example.org/vigo/', 'https://example.org/porto', 'https://example.org/map.png'], links
    for link in links:
        assert link['target'] == '_blank' and 'noopener' in link['rel'] and link['shown'] == link['href'], link
    assert links[0]['text'] == 'the railway https://www.cp.pt/en?a=b(c)', links[0]
    assert links[1]['text'] == 'https://example.org/vigo/', links[1]
    assert not page.browser.is_there(f'{BODY} img'), 'an image is fetched'


def test_copy_code(stage):
    page = open_talk(stage, MARKDOWN)
    page.watch_clipboard()
    page.browser.find(f'{BODY} .code-head', 'python')
    page.press_button('Copy the code')
    assert page.wait_copied() == 'def price (train):\n\treturn 14.75  # <b>euros</b>'


def test_source(stage):
    """The text as it was written, for one message, by mouse and keys; it stays so while the trace grows."""
    page = open_talk(stage, MARKDOWN, '**second** answer', 'plain words, 3 * 4 * 5 and snake_case_names')
    switches = page.browser.find_all(f'{BODY} .assistant .source-switch')
    assert len(switches) == 2, 'what has no marks has no switch'
    switches[0].click()
    shown = page.browser.find(f'{BODY} .assistant .prose .text')
    assert shown.member('innerText').strip() == MARKDOWN.strip()
    assert page.browser.texts(f'{BODY} .assistant strong') == ['second']
    assert switches[0].attribute('aria-pressed') == 'true'
    page.browser.run('document.querySelectorAll(".assistant .source-switch")[1].focus()')
    page.browser.press('Enter')
    wait_until(lambda: not page.browser.is_there(f'{BODY} .assistant strong'), 'the second one as it was written')
    assert page.browser.run('return document.activeElement.getAttribute("aria-pressed")') == 'true'
    switches[0].click()
    page.browser.find(f'{BODY} .assistant h4')
    last = page.browser.texts(f'{BODY} .assistant')[2]
    assert 'plain words, 3 * 4 * 5 and snake_case_names' in last, last


def test_source_stays_while_it_grows(stage):
    page = Page(stage, stage.scratch)
    tree = talk('markdown-live', '**first** part')
    tree.runs[0].pop('end_time')
    stage.scratch.post_runs(tree.runs)
    page.open_trace(tree.root)
    page.wait_live()
    page.browser.click(f'{BODY} .assistant .source-switch')
    page.browser.find(f'{BODY} .assistant .text', '**first** part')
    run = tree.runs[0]
    stage.scratch.patch_runs([{'id': run['id'], 'trace_id': run['id'], 'dotted_order': run['dotted_order'],
                               'outputs': {'messages': [{'role': 'assistant', 'content': '**first** part, and **more**'}]}}])
    page.browser.find(f'{BODY} .assistant .text', '**first** part, and **more**')
    assert page.browser.find(f'{BODY} .assistant .source-switch').attribute('aria-pressed') == 'true'
    # so do the keys: they are still at the switch
    assert page.browser.run('return document.activeElement.className.includes("source-switch")')
    page.browser.press('Enter')
    page.browser.find(f'{BODY} .assistant strong', 'more')


def test_attack(stage):
    """No mark makes anything that runs, or that is fetched; no link hides where it leads."""
    page = open_talk(stage, MARKDOWN_ATTACK)
    page.browser.find(f'{BODY} .rich')
    links = page.browser.run(LINKS)
    for link in links:
        assert link['href'].startswith('https://') and '@' not in link['href'], link
        assert link['target'] == '_blank' and 'noopener' in link['rel'] and link['shown'] == link['href'], link
    hrefs = [link['href'] for link in links]
    assert 'https://evil.invalid/c' in hrefs and 'https://evil.invalid/d' in hrefs, hrefs
    # letters of another alphabet are told by their name
    assert any('xn--' in href for href in hrefs), hrefs
    assert not any('bank.example' in href for href in hrefs), hrefs
    found = page.browser.run(f'''
        const bad = [];
        for (const element of document.querySelector('{BODY}').querySelectorAll('*'))
            if (!['A', 'ARTICLE', 'BDI', 'BUTTON', 'CODE', 'DIV', 'H3', 'H4', 'P', 'SECTION', 'SPAN', 'TABLE', 'TBODY', 'TD', 'TH', 'THEAD',
                    'TR', 'svg', 'path', 'EM'].includes(element.tagName) ||
                [...element.attributes].some(one => one.name.startsWith('on') || /javascript:/i.test(one.value) && one.name !== 'title'))
                bad.push(element.outerHTML.slice(0, 200));
        return bad;''')
    assert not found, found
    stage.picture('markdown-hostile')
    text = page.body_text
    for words in ('<img src=x onerror=', '[run](javascript:window.lsobsAttacked=2)', '<script>window.lsobsAttacked=10', '&lt;b&gt;', 'U+202E'):
        assert words in text, words
    assert '\u202e' not in text
    # a click on each, by the keys: what opens is a tab that has no way back
    assert not page.browser.is_there(f'{BODY} a[href^="javascript"], {BODY} a[href^="data"]')


def test_any_text(stage):
    """Marks in any order, among attacks: nothing of that runs, and no word is lost."""
    dice = random.Random(7)
    pieces = ['*', '**', '_', '`', '``', '```\n', '~~', '[', '](', ')', '](https://evil.invalid/)', '](javascript:window.lsobsAttacked=1)', '!', '<', '>',
              '<b onclick=window.lsobsAttacked=1>', '|', '\n|-|-|\n', '\n', '\n\n', '- ', '\n1. ', '\n> ', '# ', '\\', '    ', '\t', '\u202e', '&amp;', ' ']
    answers = []
    for i in range(60):
        words = [f'w{i}x{k}' for k in range(12)]
        answers.append(''.join(word + ''.join(dice.choices(pieces, k=dice.randrange(4))) for word in words))
    page = open_talk(stage, *answers)
    for button in page.browser.find_all(f'{BODY} .messages > .more'):
        button.click()
    page.browser.wait_for(f'return document.querySelectorAll("{BODY} .assistant").length === 60', 'all answers')
    lost = page.browser.run(f'''
        const said = [...document.querySelectorAll('{BODY} .assistant')].map(one => one.textContent);
        return said.flatMap((text, i) => Array.from({{length: 12}}, (_, k) => `w${{i}}x${{k}}`).filter(word => !text.includes(word)));''')
    # the word of an address, or of a language of code, is there as well
    assert not lost, (lost, [answers[int(word[1:].split('x')[0])] for word in lost[:3]])
    for link in page.browser.run(LINKS):
        assert link['href'].startswith('https://evil.invalid/') and link['shown'] == link['href'] and link['target'] == '_blank', link


def test_long(stage):
    """The time is that of the length, and no task is long, whatever is in the text."""
    page = open_talk(stage, *[(piece * (100_000 // len(piece)))[:100_000] for piece in ('*[', '> - ', '[](', '- a\n', '|a|b|\n|-|-|\n', '**a ')])
    page.browser.find(f'{BODY} .assistant .more')
    slow = page.browser.run('return lsobsWatch.tasks.filter(task => task.ms > 600)')
    assert not slow, slow
    # a long answer shows its beginning, and the rest on demand
    page = open_talk(stage, '\n\n'.join(f'## Part {i}\n\nWords of **part {i}**, and some more of them.' for i in range(500)))
    page.browser.find(f'{BODY} .rich h4', 'Part 0')
    before = len(page.browser.find_all(f'{BODY} .rich h4'))
    assert 20 < before < 400, before
    page.browser.click(f'{BODY} .rich > .more')
    wait_until(lambda: len(page.browser.find_all(f'{BODY} .rich h4')) > before, 'more of it')
    page.browser.wait_for(f'''
        const more = document.querySelector('{BODY} .rich > .more');
        if (!more.hidden)
            more.click();
        return document.querySelectorAll('{BODY} .rich h4').length === 500;''', 'all of it')


def test_thread(stage):
    """The answers of a thread, too."""
    tree = seeds.Tree('markdown-thread', seeds.ago(minutes=2), 'talk')
    tree.run('turn', 'chain', None, 0, 1, {'question': 'How?'}, {'answer': 'By **train**.'})
    stage.scratch.post_runs(tree.runs)
    page = Page(stage, stage.scratch)
    page.open(f'/projects/{stage.scratch.project_id("markdown-thread")}/threads?thread=talk')
    page.browser.find('.turn strong', 'train')
    page.press_button('Source', '.turn')
    page.browser.find('.turn .prose .text', 'By **train**.')


def test_answers_without_messages(stage):
    """What a chain answers may be Markdown, too; what a tool takes and gives is data."""
    tree = seeds.Tree('markdown-values', seeds.ago(minutes=2))
    root = tree.run('answer', 'chain', None, 0, 1, {'question': 'How?'}, {'answer': 'By **train**.', 'n': 2})
    tree.run('run code', 'tool', root, 0.1, 0.2, {'code': 'a **b** c'}, {'text': 'also **plain**'})
    stage.scratch.post_runs(tree.runs)
    page = Page(stage, stage.scratch)
    page.open_trace(root)
    page.browser.find(f'{BODY} .output-part strong', 'train')
    page.press_button('Source', f'{BODY} .output-part')
    page.browser.find(f'{BODY} .output-part .prose .text', 'By **train**.')
    assert len(page.browser.find_all(f'{BODY} .source-switch')) == 1
    page.select('run code')
    page.browser.find(f'{BODY} .output-part', 'also **plain**')
    assert not page.browser.is_there(f'{BODY} .source-switch') and not page.browser.is_there(f'{BODY} .rich')


def test_no_lookup(stage):
    """The names in links are looked up when somebody opens one, and not when they are looked at."""
    tree = talk('markdown-lookup', 'See [this](http://never-looked-up.invalid/a) and https://never-looked-up.invalid/b')
    stage.scratch.post_runs(tree.runs)
    file = os.path.join(stage.scratch.folder, 'net-log.json')
    browser = Browser(stage.driver, net_log=file)
    try:
        browser.set_look()
        browser.open(stage.scratch.url(f'/traces/{tree.root}'))
        link = browser.find(f'{BODY} .out-link')
        browser.hover(link)
        browser.run_async('await new Promise(resolve => requestIdleCallback(resolve));')
        # what is asked for after it comes later in the log
        browser.run_async('await fetch("/sessions?name=the-last-request");')
    finally:
        browser.close()
    with open(file, encoding='utf-8', errors='replace') as log:
        text = log.read()
    assert 'the-last-request' in text, 'the log has no requests'
    assert 'never-looked-up' not in text, re.findall('.{200}never-looked-up.{100}', text)[:2]
