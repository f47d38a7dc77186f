# SPDX-License-Identifier: LGPL-2.1-or-later
"""A trace of which each field is an attack is text, and nothing else. Stage.check_harmless () looks after each test
whether a script has run, a policy was violated, or anything was asked for elsewhere."""

from page import BODY, Page, TREE_ROW
from seeds import HOSTILE_WORDS
from webdriver import wait_until


def check_text(page, *fields):
    """These fields are to be read, as text."""
    text = page.browser.run('return document.body.textContent')
    for field in fields:
        assert f'{HOSTILE_WORDS}-{field}' in text, f'{field} is not shown'
    found = page.browser.run('''
        const bad = [];
        // a link of a message to the web, which says where it leads
        const isOpenLink = a => a.tagName === 'A' && a.closest('.rich') && /^https?:$/.test(a.protocol) && a.target === '_blank' &&
            a.relList.contains('noopener') && a.querySelector('.link-address').textContent === a.href;
        for (const element of document.querySelectorAll('*')) {
            if (['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'BASE', 'STYLE', 'FORM'].includes(element.tagName) &&
                !(element.tagName === 'SCRIPT' && element.src.startsWith(location.origin + '/page/')) &&
                !(element.tagName === 'FORM' && element.className.includes('form')))
                bad.push(element.outerHTML);
            if (element.tagName === 'META' && element.httpEquiv.toLowerCase() === 'refresh')
                bad.push(element.outerHTML);
            for (const {name, value} of element.attributes)
                if (name.startsWith('on') || /^\\s*javascript:/i.test(value) || name === 'style' && /url|evil/.test(value) ||
                    ['href', 'src', 'srcset', 'action', 'formaction', 'data', 'xlink:href', 'poster'].includes(name) &&
                    new URL(value, location).origin !== location.origin && !(name === 'href' && isOpenLink(element)))
                    bad.push(`${element.tagName} ${name}=${value}`);
        }
        return bad;''')
    assert not found, found


def test_list(stage):
    page = Page(stage, stage.hostile)
    page.open_projects()
    check_text(page, 'project')
    page.open_traces(stage.hostile.ids['project'])
    page.browser.find('.trace-row')
    check_text(page, 'name', 'error', 'tag', 'thread')


def test_run(stage):
    page = Page(stage, stage.hostile)
    page.open_trace(stage.hostile.ids['root'])
    check_text(page, 'name', 'error', 'input', 'input-key', 'output', 'content')
    for tab, fields in (('JSON', ['input', 'input-key']), ('Details', ['metadata', 'metadata-key', 'tag', 'event']),
                        ('Feedback (1)', ['feedback-comment', 'feedback-key'])):
        page.open_tab(tab)
        wait_until(lambda: all(f'{HOSTILE_WORDS}-{field}' in page.browser.run('return document.body.textContent')
                               for field in fields), f'{fields} in {tab}')
        check_text(page, *fields)


def test_conversation(stage):
    page = Page(stage, stage.hostile)
    page.open_trace(stage.hostile.ids['root'], run=stage.hostile.ids['model'])
    page.browser.find('.message')
    check_text(page, 'system', 'block', 'call-name', 'call-arguments', 'tool-result', 'answer', 'reasoning')
    # only attachments and data that is a picture are pictures
    sources = page.browser.run(f'return [...document.querySelectorAll("{BODY} img")].map(image => image.src.slice(0, 40))')
    assert sources == [], sources
    page.wait_text('http://evil.invalid/image.png', BODY)
    assert len(page.browser.find_all(f'{BODY} .message')) >= 4
    page.open_tab('JSON')
    page.browser.find('.json-line')
    check_text(page)
    page.open_tab('Run')
    page.select('odd')
    check_text(page, 'odd')


def test_attachments(stage):
    """An attachment runs nothing, wherever it is opened."""
    page = Page(stage, stage.hostile)
    page.open_trace(stage.hostile.ids['root'])
    page.browser.find('.attachments')
    links = page.browser.run('return [...document.querySelectorAll(".attachments a, .attachments img")].map(e => e.href ?? e.src)')
    assert len(links) == 3, links
    for link in links:
        status, headers, _ = page.fetch(link)
        assert status == 200 and headers['x-content-type-options'] == 'nosniff', headers
        policy = headers['content-security-policy']
        assert 'sandbox' in policy and "default-src 'none'" in policy and 'allow-' not in policy, policy
        if headers['content-type'].split(';')[0] not in ('image/png',):
            assert headers['content-disposition'].startswith('attachment'), headers
    # opened by its address, in the origin of the page: the browser says what it has not done
    stage.allow('Content Security Policy')
    stage.allow('Blocked script execution')
    picture = next(link for link in links if 'false' in link)
    page.browser.open(picture)
    assert page.browser.run('return window.lsobsAttacked ?? null') is None


def test_bidi(stage):
    """What would turn text around is shown, and turns nothing around."""
    page = Page(stage, stage.hostile)
    page.open_trace(stage.hostile.ids['root'])
    page.wait_text('U+202E', BODY)
    text = page.browser.run('return document.body.innerText')
    for character in '\u202e\u202c\u2066\u2069\u200b\x1b\x07':
        assert character not in text, f'U+{ord(character):04X} is in the page'
    assert not any(character in page.browser.title for character in '\u202e\u2066')
    page.open_tab('JSON')
    page.browser.find('.json-line')
    page.browser.find('.json-view input[type=search]').type('gnp.exe')
    text = page.browser.wait_for('const text = document.querySelector(".json-view").textContent;'
                                 'return text.includes("U+202E") || text.includes("\\\\u202e") ? text : null', 'a name for it')
    assert '\u202e' not in text


def test_threads_and_compare(stage):
    page = Page(stage, stage.hostile)
    ids = stage.hostile.ids
    page.open(f'/projects/{ids["project"]}/threads')
    page.browser.click('.thread-row')
    page.browser.find('.message')
    check_text(page, 'thread')
    page.open_trace(ids['root'], run=ids['root'], compare=ids['model'])
    page.browser.find('.diff')
    check_text(page, 'name')
    page.open(f'/projects/{ids["project"]}/chart?since=24h')
    page.browser.find('.chart')
    check_text(page)


def test_address(stage):
    """An attack by a link: what the address says is text as well."""
    page = Page(stage, stage.hostile)
    attack = '%22%3E%3Cimg%20src%3Dx%20onerror%3D%22window.lsobsAttacked%3D1%22%3E'
    project = stage.hostile.ids['project']
    for path in (f'/projects/{project}?q={attack}', f'/projects/{project}?tag={attack}&meta={attack}&thread={attack}&from={attack}',
                 f'/projects/{project}/threads?thread={attack}', f'/projects/{project}/chart?since={attack}',
                 f'/traces/{stage.hostile.ids["root"]}?run={attack}&root={attack}&tab={attack}&compare={attack}',
                 f'/traces/{attack}', f'/projects/{attack}'):
        stage.allow('Failed to load resource')
        page.open(path)
        page.browser.wait_for('return document.querySelector("main")?.textContent.length > 0 && '
                              '!document.querySelector(".skeleton")', 'an answer')
        check_text(page)


def test_policy(stage):
    """The policy has no exception, and works."""
    page = Page(stage, stage.hostile)
    page.open_projects()
    status, headers, text = page.service.ask('GET', '/', headers={'x-api-key': page.service.token, 'Accept': 'text/html'})
    assert status == 200 and text.lower().startswith(b'<!doctype html>'), (status, text[:200])
    policy = dict((part.split() + [''])[:1] + [' '.join(part.split()[1:])] for part in
                  headers['content-security-policy'].split(';') if part.strip())
    assert 'unsafe' not in headers['content-security-policy'] and '*' not in headers['content-security-policy']
    assert policy['default-src'] == "'none'" and policy['script-src'] == "'self'", policy
    for name in ('frame-ancestors', 'base-uri', 'form-action'):
        assert policy[name] == "'none'", policy
    assert headers['x-content-type-options'] == 'nosniff' and headers['referrer-policy'] == 'no-referrer', headers
    violated = page.browser.run_async('''
        document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.lsobsInline = 1'}));
        document.body.insertAdjacentHTML('beforeend', '<img src="http://evil.invalid/x.png">');
        await fetch('http://evil.invalid/').catch(() => null);
        await new Promise(resolve => setTimeout(resolve, 50));
        const all = lsobsWatch.violations;
        lsobsWatch.violations = [];
        document.querySelector('img[src*=evil]').remove();
        return {all, inline: window.lsobsInline ?? null};''')
    assert violated['inline'] is None and len(violated['all']) >= 3, violated
    stage.allow('Content Security Policy')
    # the ones above, which were stopped
    assert 'http://evil.invalid/x.png' in page.browser.take_requests()


def test_other_origin(stage):
    """Another site may neither frame the page nor read the service, also with the cookie."""
    page = Page(stage, stage.hostile)
    page.open_projects()
    for headers in ({'Origin': 'http://evil.invalid'}, {'Sec-Fetch-Site': 'cross-site'}):
        status, _, body = page.service.ask('GET', '/sessions', headers={'Cookie': 'x=y', **headers})
        assert status in (401, 403) and HOSTILE_WORDS.encode() not in body, (status, headers)
