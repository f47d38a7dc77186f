# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in a pseudo-locale: all that it says can be translated, and long translations fit.

The traces have Greek names and texts: a word in letters of ASCII is then one of the few that stay as they are, or a
message that is not translated. tests/lib/pseudo_locale.py describes the translation.
"""

import json
import re
import types
import urllib.parse

from page import Page
from test_looks import check_fits, show, views
import pseudo_locale
import seeds

GREEK = str.maketrans('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
                      'αβψδεφγηιξκλμνοπθρστυωςχζζΑΒΨΔΕΦΓΗΙΞΚΛΜΝΟΠΘΡΣΤΥΩΣΧΖΖ')

# Members with values that are not for people, or that the page understands.
PLAIN_MEMBERS = ('id', 'trace_id', 'dotted_order', 'parent_run_id', 'start_time', 'end_time', 'time', 'run_type', 'role', 'type',
                 'url', 'tool_call_id', 'finish_reason')
# The names of members that the page understands; others are Greek.
PLAIN_NAMES = PLAIN_MEMBERS + (
    'name', 'session_name', 'inputs', 'outputs', 'error', 'extra', 'metadata', 'tags', 'events', 'thread_id', 'messages', 'content',
    'choices', 'message', 'tool_calls', 'function', 'arguments', 'reasoning_content', 'image_url', 'text', 'thinking', 'documents',
    'page_content', 'usage_metadata', 'input_tokens', 'output_tokens', 'total_tokens', 'input_cost', 'output_cost', 'total_cost',
    'ls_provider', 'ls_model_name', 'ls_temperature')

# What is in letters of ASCII, and is no message of the page.
NOT_OURS = re.compile('|'.join([
    # its name, and a command of it
    r'^lsobs run -- |\blsobs\b',
    # numbers with units, dates and times are written by the browser, which has no words of this language
    r'\d\s?(?:ms|s|m|h|d|w|byte|B|kB|MB|GB|K|M|T)\b', r'\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b',
    r'\b(?:AM|PM|UTC)\b', r'\b(?:[a-z]+ )?\d* ?(?:second|minute|hour|day|week|month|year)s? ago\b',
    # the kinds of runs are words of the API; so are members of JSON, and types of attachments
    r'\b(?:chain|llm|tool|retriever|usage_metadata)\b', r'\b(?:image/png|image/svg\+xml|text/plain)\b',
    # ids, and examples of what is typed in
    r'\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b', r'^user: ada$', r'^correctness$',
]))

VIEWS = ('projects', 'traces', 'traces-filtered', 'traces-none', 'filters', 'clear', 'keys', 'threads', 'thread', 'chart',
         'chart-table', 'trace', 'trace-failed', 'trace-streaming', 'trace-root', 'run', 'run-failed', 'run-pictures', 'details',
         'feedback', 'compare', 'compare-choice', 'no-page', 'missing', 'projects-empty')


def to_greek(value, name=None):
    if isinstance(value, dict):
        return {member if member in PLAIN_NAMES else member.translate(GREEK): to_greek(one, member)
                for member, one in value.items()}
    if isinstance(value, list):
        return [to_greek(one, name) for one in value]
    if not isinstance(value, str) or name in PLAIN_MEMBERS:
        return value
    if name == 'arguments':
        return json.dumps(to_greek(json.loads(value)), ensure_ascii=False)
    return value.translate(GREEK)


def to_greek_view(view):
    """What a view of test_looks.views () asks for by its name has a Greek name here."""
    service, path, selector, act = view
    return service, re.sub('(?<=[?&])(thread|tag|meta|q)=([^&]+)', lambda match: f'{match[1]}=' + urllib.parse.quote(
        urllib.parse.unquote(match[2]).translate(GREEK)), path), selector, act


class GreekService:
    """Sends what seeds.py makes in Greek letters; all else is as with the service itself."""

    def __init__(self, service):
        self.service = service

    def __getattr__(self, name):
        return getattr(self.service, name)

    def post_runs(self, runs):
        self.service.post_runs(to_greek(runs))

    def post_feedback(self, run, key, score=None, comment=None, value=None):
        return self.service.post_feedback(run, key.translate(GREEK), score, comment and comment.translate(GREEK), value)

    def post_attachment(self, run, name, content_type, data):
        self.service.post_attachment(run, name.translate(GREEK), content_type, data)

    def project_id(self, name):
        return self.service.project_id(name.translate(GREEK))


def greek_stage(stage):
    """What test_looks.views () takes for a stage. The views of large and hostile traces are not looked at."""
    if not hasattr(stage, 'greek_stage'):
        desk, failed, live = (GreekService(stage.new_service()) for _ in range(3))
        desk.ids = seeds.seed_desk(desk)
        desk.ids['project'] = desk.project_id('travel-agent')
        failed.tree = seeds.seed_failed(failed)
        tree = seeds.agent_trace('travel-agent', seeds.now() - seeds.seconds(3.2), ends=False)
        live.post_runs(tree.runs)
        live.root = tree.root
        live.project = live.project_id('travel-agent')
        unused = types.SimpleNamespace(ids=dict.fromkeys(('project', 'root', 'long', 'model')), root=None)
        stage.greek_stage = types.SimpleNamespace(
            desk=desk, one=desk, failed=failed, live_service=live, empty=stage.empty, large=unused, hostile=unused,
            markdown_service=unused)
    return stage.greek_stage


def check_words(page, name):
    """Returns: what is not translated, and what is cut."""
    texts = page.browser.run('''
        const texts = [['title', document.title]];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode())
            if (node.parentElement.checkVisibility() && !node.parentElement.closest('script, style, kbd, .json'))
                texts.push([node.parentElement.outerHTML.slice(0, 160), node.data]);
        for (const element of document.querySelectorAll('*'))
            for (const name of ['aria-label', 'aria-description', 'aria-valuetext', 'title', 'placeholder', 'alt'])
                if (element.hasAttribute(name) && element.checkVisibility())
                    texts.push([`${name} of ${element.outerHTML.slice(0, 160)}`, element.getAttribute(name)]);
        return texts;''')
    problems = [f'{name}: {text!r} is not translated: {where}' for where, text in texts
                if re.search('[A-Za-z]{2,}', NOT_OURS.sub(' ', text))]
    problems += [f'{name}: {text!r} is cut: {where}' for where, text in texts
                 if text.count(pseudo_locale.BEGIN) != text.count(pseudo_locale.END)]
    assert any(pseudo_locale.BEGIN in text for _, text in texts), f'{name} says nothing'
    # What is hidden by the edge of a box can be read nowhere else, unless it is in a title. What the trail says is
    # in a heading or a tab, too.
    problems += page.browser.run('''
        const [begin, name] = arguments;
        const problems = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const element = node.parentElement;

            if (!node.data.includes(begin) || !element.checkVisibility({checkVisibilityCSS: true}) ||
                element.closest('.unseen, .trail, option, [title]'))
                continue;
            const range = document.createRange();
            range.selectNodeContents(node);
            const text = range.getBoundingClientRect();
            for (let box = element; box && text.width > 0; box = box.parentElement) {
                const style = getComputedStyle(box);
                const edge = box.getBoundingClientRect();

                // this is for screen readers alone
                if (style.clipPath === 'inset(50%)')
                    break;
                if (['hidden', 'clip'].includes(style.overflowX) &&
                    text.right > edge.right + 1)
                    problems.push(`${name}: ${node.data} is cut: ${text.right} of ${edge.right}: ${box.outerHTML.slice(0, 160)}`);
                if (['auto', 'scroll', 'hidden', 'clip'].includes(style.overflowX))
                    break;
            }
        }
        return problems;''', pseudo_locale.BEGIN, name)
    return problems


def look_at_all(stage, width, height):
    stage.allow('404')
    stage.browser.set_look('light', width, height)
    agent = stage.browser.run('return navigator.userAgent')
    stage.browser.cdp('Network.setUserAgentOverride', userAgent=agent, acceptLanguage=f'{pseudo_locale.LANGUAGE},de;q=0.5')
    problems = []
    try:
        seen = views(greek_stage(stage), pseudo_locale.translate)
        for name in VIEWS:
            try:
                page = show(stage, to_greek_view(seen[name]))
                stage.picture(f'{name}-pseudo-{width}')
                problems += check_words(page, f'{name}, {width}')
                check_fits(page, f'{name}, {width}')
            except AssertionError as problem:
                problems.append(f'{name}, {width}: {problem}')
    finally:
        stage.browser.cdp('Network.setUserAgentOverride', userAgent=agent, acceptLanguage='en')
    assert not problems, '\n'.join(problems)


def test_wide(stage):
    look_at_all(stage, 1024, 700)


def test_phone(stage):
    look_at_all(stage, 375, 667)


def test_plurals(stage):
    """Numbers have the forms of the language."""
    page = Page(stage, stage.desk)
    page.open(f'/projects/{stage.desk.ids["project"]}?lang={pseudo_locale.LANGUAGE}')
    page.wait_count(pseudo_locale.translate('{n} traces').replace('{n}', '202'))
