# SPDX-License-Identifier: LGPL-2.1-or-later
"""All projects, and who may see them."""

from page import Page
from webdriver import wait_until
import seeds


def project_rows(page):
    return page.browser.run('''
        return Object.fromEntries([...document.querySelectorAll('.projects tbody tr')].map(row =>
            [row.querySelector('th').textContent, [...row.querySelectorAll('td')].map(cell => cell.textContent)]));''')


def test_numbers(stage):
    page = Page(stage, stage.desk)
    page.open_projects()
    rows = project_rows(page)
    assert set(rows) == {'travel-agent', 'support-desk', 'nightly-evaluation'}, rows
    # last run, traces, errors, latency, first token, tokens, cost
    assert rows['support-desk'][1] == '5' and rows['support-desk'][5] == '6,130', rows
    assert rows['nightly-evaluation'][2] == '20%', rows
    assert rows['support-desk'][6].startswith('$0.02'), rows
    page.browser.click('.projects a', 'support-desk')
    page.wait_count('5 traces')
    assert page.browser.title.startswith('support-desk')
    page.browser.back()
    page.browser.find('.projects a', 'travel-agent')


def test_search(stage):
    page = Page(stage, stage.desk)
    page.open_projects()
    page.browser.press('/')
    page.browser.press('DESK')
    wait_until(lambda: set(project_rows(page)) == {'support-desk'}, lambda: project_rows(page))
    page.browser.press('zzz')
    page.browser.find('.empty', 'No project')


def test_empty(stage):
    page = Page(stage, stage.empty)
    page.open('/')
    page.browser.find('.empty', 'No traces yet')
    page.browser.find('code', 'lsobs run')
    page.watch_clipboard()
    page.press_button('Copy the command')
    assert page.wait_copied().startswith('lsobs run')


def test_first_trace_comes(stage):
    """Who has an empty page open sees the first trace without doing anything."""
    service = stage.new_service()
    page = Page(stage, service)
    page.open('/')
    page.browser.find('.empty', 'No traces yet')
    page.wait_live()
    seeds.seed_one(service)
    page.browser.find('.projects a', 'travel-agent')


def test_delete_asks(stage):
    service = stage.new_service()
    for project in ('keep', 'drop'):
        service.post_runs(seeds.agent_trace(project, seeds.now()).runs)
    page = Page(stage, service)
    page.open_projects()
    page.press_button('Delete the project drop')
    page.wait_text('drop', 'dialog[open]')
    page.confirm('Cancel')
    assert len(service.send('GET', '/sessions')) == 2
    page.press_button('Delete the project drop')
    page.confirm('Delete the project')
    wait_until(lambda: set(project_rows(page)) == {'keep'}, lambda: project_rows(page))
    assert [project['name'] for project in service.send('GET', '/sessions')] == ['keep']


def test_stranger(stage):
    """Without the token, the page says how to open it, and nothing of what is kept."""
    page = Page(stage, stage.desk)
    stage.allow('401')
    page.browser.open(page.service.origin + '/')
    wait_until(lambda: 'lsobs serve' in page.browser.body_text, lambda: page.browser.body_text)
    for path in ('/', f'/projects/{page.service.ids["project"]}', f'/traces/{page.service.ids["good"]}'):
        status, _, body = page.service.ask('GET', path, headers={'Accept': 'text/html'})
        assert status == 401 and b'travel-agent' not in body and b'lsobs serve' in body, (status, body)
    assert page.service.ask('GET', '/page-data/live', headers={})[0] == 401


def test_token_leaves_address(stage):
    page = Page(stage, stage.desk)
    page.open('/')
    page.browser.find('.projects')
    assert 'token' not in page.browser.url
    cookies = page.browser.cdp('Network.getCookies', urls=[page.service.origin])['cookies']
    assert [(cookie['httpOnly'], cookie['sameSite']) for cookie in cookies] == [(True, 'Strict')], cookies
    assert page.service.token not in page.browser.run('return document.cookie + document.documentElement.outerHTML')


def test_expired_token(stage):
    """A page whose cookie is lost while it is open says so."""
    page = Page(stage, stage.desk)
    page.open_projects()
    stage.allow('401')
    page.browser.cdp('Network.clearBrowserCookies')
    page.browser.click('.projects a', 'support-desk')
    page.browser.find('.stranger', 'lsobs serve')
    assert 'support-desk' not in page.browser.body_text


def test_missing(stage):
    page = Page(stage, stage.desk)
    stage.allow('404')
    page.open('/traces/00000000-0000-4000-8000-000000000000')
    page.browser.find('[role=alert]', 'Not found here')
    page.press_button('Go to the projects')
    page.browser.find('.projects')
