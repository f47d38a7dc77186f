# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a user sees and does on the page: where things are is known here alone."""

import json
import urllib.parse

from webdriver import wait_until

ROW = '[role=grid] .trace-row'
TREE_ROW = '.tree-row[role=treeitem]'
BODY = '[role=tabpanel]'


class Page:
    """The page of a service, in the browser of the tests."""

    def __init__(self, stage, service):
        self.stage = stage
        self.service = service
        self.browser = stage.browser

    # --- addresses

    def open(self, path):
        self.browser.open(self.service.url(path))

    def open_projects(self):
        self.open('/')
        self.browser.find('.projects tbody tr')

    def open_traces(self, project, **query):
        text = urllib.parse.urlencode({name.replace('_', '-'): value for name, value in query.items()}, doseq=True)
        self.open(f'/projects/{project}' + (f'?{text}' if text else ''))
        self.browser.find(f'{ROW}, .empty')

    def open_trace(self, trace, **query):
        text = urllib.parse.urlencode(query)
        self.open(f'/traces/{trace}' + (f'?{text}' if text else ''))
        self.browser.find(TREE_ROW)
        self.wait_run()

    @property
    def address(self):
        """The path and the query, as a dictionary of lists."""
        parts = urllib.parse.urlsplit(self.browser.url)
        return parts.path, urllib.parse.parse_qs(parts.query, keep_blank_values=True)

    @property
    def query(self):
        return {name: values[0] if len(values) == 1 else values for name, values in self.address[1].items()}

    def wait_query(self, **expected):
        """Waits until the query has these members; None: until it has none of this name."""
        def look():
            return all(self.query.get(name.replace('_', '-')) == value for name, value in expected.items())
        wait_until(look, lambda: f'the query {expected}, and not {self.query}')

    # --- what any view has

    def press_button(self, label, inside=''):
        """Presses the button, link or tab of a name, as a screen reader tells it."""
        def find():
            return self.browser.run('''
                const [label, inside] = arguments;
                const scope = document.querySelector('dialog[open]') ?? document;
                for (const element of scope.querySelectorAll(`${inside} :is(button, a, [role=tab], summary)`)) {
                    const name = element.getAttribute('aria-label') ?? element.textContent.trim();
                    if (name === label && element.checkVisibility({checkVisibilityCSS: true}))
                        return element;
                }
                return null;''', label, inside)

        def press():
            button = find()
            if button is None:
                return False
            try:
                button.click()
                return True
            except Exception as error:  # pylint: disable=broad-except
                if getattr(error, 'kind', '') in ('stale element reference', 'element click intercepted'):
                    return False
                raise
        wait_until(press, f'a button {label!r}')

    def has_button(self, label):
        return self.browser.run('''
            return [...document.querySelectorAll('button, a')].some(element =>
                (element.getAttribute('aria-label') ?? element.textContent.trim()) === arguments[0] &&
                element.checkVisibility({checkVisibilityCSS: true}))''', label)

    def wait_notice(self, text):
        self.browser.find('.notice', text)

    def wait_text(self, text, selector='main'):
        self.browser.wait_for('return document.querySelector(arguments[0])?.innerText.includes(arguments[1])',
                              f'the text {text!r} in {selector}', selector, text)

    def confirm(self, label):
        self.browser.find('dialog[open]')
        self.press_button(label)
        self.browser.wait_gone('dialog[open]')

    def wait_live(self, state='open'):
        self.browser.find(f'.live[data-state={state}]')

    # --- lists

    def names(self):
        return self.browser.texts(f'{ROW} .trace-name')

    def inputs(self):
        return self.browser.texts(f'{ROW} .input')

    def wait_count(self, text):
        """Waits until the head of the list says how many there are."""
        wait_until(lambda: self.browser.texts('.count') == [text],
                   lambda: f'the count {text!r}, and not {self.browser.texts(".count")}')

    def rows(self):
        """Returns: what each row of the list says."""
        return self.browser.run('''
            return [...document.querySelectorAll(arguments[0])].map(row => ({
                status: [...row.classList].find(name => name.startsWith('status-')).slice(7),
                name: row.querySelector('.trace-name').textContent, id: row.querySelector('.trace-name').pathname.slice(8),
                cells: Object.fromEntries([...row.querySelectorAll('[data-label]')].map(cell =>
                    [cell.dataset.label, cell.innerText.trim()])),
                tags: [...row.querySelectorAll('.tag')].map(tag => tag.textContent)}));''', ROW)

    def active_row(self):
        """The text of the row that the keys are at, as assistive programs find it."""
        return self.browser.run('''
            const list = document.activeElement;
            const row = document.getElementById(list.getAttribute('aria-activedescendant'));
            return row ? row.textContent : null;''')

    # --- a trace

    def tree(self):
        """Returns: name, level, whether it is unfolded, and status of each row of the tree that is in the document."""
        return self.browser.run('''
            return [...document.querySelectorAll(arguments[0])].map(row => ({
                name: row.querySelector('.tree-text').textContent, level: Number(row.getAttribute('aria-level')),
                open: row.getAttribute('aria-expanded'), active: row.classList.contains('active'),
                status: [...row.classList].find(name => name.startsWith('status-')).slice(7)}));''', TREE_ROW)

    def tree_names(self):
        return [row['name'] for row in self.tree()]

    def selected(self):
        return next((row['name'] for row in self.tree() if row['active']), None)

    def wait_selected(self, name):
        wait_until(lambda: self.selected() == name, lambda: f'{name!r} is selected, and not {self.selected()!r}')
        self.browser.find('.panel-title h2', name)

    def wait_run(self):
        """Waits until what the selected run says is shown."""
        self.browser.find('.panel-title h2')
        self.browser.find(BODY)
        self.browser.wait_for(f'return document.querySelector("{BODY}").childElementCount > 0 && '
                              f'!document.querySelector("{BODY} .skeleton")', 'what the run says')

    def select(self, name, nth=0):
        """Selects a run of the tree with the mouse."""
        def click():
            rows = [element for element in self.browser.find_all(TREE_ROW)]
            found = [row for row in rows if row.find_all('.tree-text')[0].text == name]
            if len(found) <= nth:
                return False
            found[nth].find_all('.tree-text')[0].click()
            return True
        wait_until(click, f'a run {name!r} in the tree')
        self.browser.find('.panel-title h2', name)
        self.wait_run()

    def open_tab(self, name):
        self.press_button(name, '[role=tablist]')
        self.browser.wait_for('return document.querySelector("[role=tab][aria-selected=true]").textContent.startsWith'
                              '(arguments[0])', f'the tab {name}', name.split(' (')[0])

    @property
    def body_text(self):
        return self.browser.run(f'return document.querySelector("{BODY}").innerText')

    # --- the clipboard

    def watch_clipboard(self):
        """From now on, what the page puts on the clipboard is kept, as a browser without a window has none."""
        self.browser.run('''
            window.lsobsCopied = null;
            navigator.clipboard.writeText = async text => { window.lsobsCopied = text; };''')

    def wait_copied(self):
        return self.browser.wait_for('return window.lsobsCopied', 'something on the clipboard')

    def fetch(self, path, method='GET', body=None):
        """Asks the service as the page does. Returns: status, headers, text."""
        answer = self.browser.run_async('''
            const [path, method, body] = args;
            const answer = await fetch(path, {method, body: body === null ? undefined : body,
                headers: body === null ? {} : {'Content-Type': 'application/json'}});
            return {status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text()};''',
                                        path, method, None if body is None else json.dumps(body))
        return answer['status'], answer['headers'], answer['text']
