#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""All that the program lsobs says can be translated, and a long translation is neither cut nor breaks a table.

The program runs in the pseudo-locale of tests/lib/pseudo_locale.py. The traces have Greek names: a word in letters
of ASCII is then one of the few that stay as they are, or a message that is not translated. Needs gettext, and
localedef with the sources of the locales (Debian: locales; Fedora: glibc-locale-source).
"""

import errno
import itertools
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unicodedata

TESTS = os.environ.get('G_TEST_SRCDIR') or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TESTS, 'lib'))

import pseudo_locale  # noqa: E402  the folder has to be known first

PROGRAM = os.path.join(os.environ.get('G_TEST_BUILDDIR', '_build/tests'), '..', 'tools', 'lsobs')
LOCALE = 'en_US.UTF-8'
TOKEN = '0123456789.0123456789'

COMMANDS = ['serve', 'run', 'list', 'show', 'tail', 'export', 'import', 'forward', 'delete', 'doctor']

# What is in letters of ASCII, and is no message of lsobs.
NOT_OURS = [
    # GLib and SQLite say these
    r'^Usage:$', r'^(?:Help|Application) Options:$', r'\bShow help options\b', r'^\s*lsobs \w+ \[OPTION…\]',
    r'^lsobs: (?:Unknown option|Missing argument for|Cannot parse integer value “\w+” for|Integer value “\d+” for) .*$',
    r'Failed to execute child process', r'Could not connect to 127\.0\.0\.1(?:: )?', 'file is not a database',
    # the C library says these
    *(re.escape(os.strerror(number)) for number in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ECONNREFUSED,
                                                    errno.EISDIR, errno.EADDRINUSE)),
    # addresses, paths, names of variables and files, ids, units
    r'https?://[\w.:/\[\]?=-]+', r'(?:~|/[\w.-]+)(?:/[\w.-]+)*', r'\b(?:LANGSMITH|LANGCHAIN)_\w+', r'\b[\w-]+\.(?:db|json|jsonl)\b',
    r'\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b', r'\b\d[\d.]*\s?(?:ms|s|m|h|d|k|bytes|kB|MB|GB|TB|[KMGT]iB)\b',
    # the program, its options and commands
    r'^lsobs: ', r'\blsobs(?= )', r'(?<![\w-])--?[a-z][a-z-]*', rf'\b(?:{"|".join(COMMANDS)})\b',
    # members of JSON, and an answer of the service, which is in English
    r'“id”', r'"[a-z_]+" :', r'The token is missing or wrong: .* as API key',
    # the kinds of runs, and regions of LangSmith, are words of its API
    r'\b(?:chain|llm|tool)\b', r'\b(?:US|EU)\b',
]
NOT_OURS = re.compile('|'.join(NOT_OURS), re.M)


BRACKETS = {pseudo_locale.BEGIN: 1, pseudo_locale.END: -1}


def run_id(number):
    return f'01900000-0000-7000-8000-{number:012x}'


def make_run(number, name, parent=None, **more):
    stamp = f'20260301T0930{number:02d}000000Z'
    order = (f'{parent["dotted_order"]}.' if parent else '') + stamp + run_id(number)
    start = f'2026-03-01T09:30:{number:02d}.000Z'
    return {'id': run_id(number), 'trace_id': order[22:58], 'dotted_order': order, 'name': name, 'run_type': 'chain',
            'session_name': 'ταξίδι', 'start_time': start, 'end_time': start.replace('.000Z', '.750Z'),
            'parent_run_id': parent['id'] if parent else None, 'inputs': {'ερώτηση': 'πού;'}, 'outputs': {'απάντηση': 'εκεί'},
            **more}


def make_runs():
    """Names of each width: short, long, with accents of their own, and with letters of two columns."""
    plan = make_run(1, 'σχέδιο', tags=['δοκιμή'])
    usage = {'metadata': {'usage_metadata': {'input_tokens': 500, 'output_tokens': 1700, 'total_tokens': 2200,
                                             'total_cost': 0.0123}}}
    ask = make_run(2, '天気予報', plan, run_type='llm', extra=usage,
                   events=[{'name': 'new_token', 'time': '2026-03-01T09:30:02.200Z'}])
    failed = make_run(3, 'ε\u0301ρε\u0301υνα', error='λα\u0301θος')
    errors = [make_run(4 + i, 'βήμα', failed, run_type='tool', error=f'λάθος {i}') for i in range(14)]
    return [plan, ask, failed, *errors, make_run(30, 'ένα πολύ μακρύ όνομα που δεν χωρά σε μια στενή οθόνη')]


def width(text):
    """Returns: how many columns of a terminal a text takes."""
    return sum(0 if unicodedata.category(c) in ('Mn', 'Me', 'Cf') else 2 if unicodedata.east_asian_width(c) in 'WF' else 1
               for c in text)


class Terminal:
    """Runs lsobs in the pseudo-locale, with a home of its own."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix='ls-')
        self.messages = pseudo_locale.write_catalogue(os.path.dirname(TESTS), os.path.join(self.home, 'locale'))
        self.environment = dict(
            os.environ, HOME=self.home, LOCPATH=self.home, LC_ALL=LOCALE, LANGUAGE=pseudo_locale.LANGUAGE,
            TEXTDOMAINDIR=os.path.join(self.home, 'locale'), COLUMNS='100', XDG_STATE_HOME=self.home,
            XDG_DATA_HOME=self.home, XDG_CONFIG_HOME=self.home, XDG_RUNTIME_DIR=self.home)
        self.database = self.path('traces.db')
        with open(self.path('runs.jsonl'), 'w', encoding='utf-8') as file:
            file.writelines(json.dumps(run) + '\n' for run in make_runs())

    def path(self, name):
        return os.path.join(self.home, name)

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)

    def say(self, *words, code=0, **environment):
        """Returns: what a command prints."""
        ended = subprocess.run([PROGRAM, *words], env=dict(self.environment, **environment), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', timeout=60, check=False)
        assert ended.returncode == code, f'lsobs {" ".join(words)} ends with {ended.returncode}: {ended.stdout}'
        return ended.stdout

    def read(self, *words, says=True, **more):
        """Checks what a command prints, and returns it."""
        text = self.say(*words, **more)
        check_text(words, text)
        assert not says or pseudo_locale.BEGIN in text, f'lsobs {" ".join(words)} says nothing: {text}'
        return text


def check_text(words, text):
    """Each word is translated, but those that the user has given, and each message is whole."""
    name = ' '.join(words)
    # a sentence may go on in the next line, which is indented
    for rest in re.sub(r'\n {4,}(?=[^ →])', ' ', text).splitlines():
        for word in [word for word in words if not word.startswith('-') and word not in COMMANDS]:
            rest = rest.replace(f'“{word}”', ' ')
        rest = NOT_OURS.sub(' ', rest)
        assert not re.search('[A-Za-z]{2,}|^[A-Za-z]$', rest), f'lsobs {name}: is not translated: {rest!r} in:\n{text}'
    begun, ended = (text.count(bracket) for bracket in (pseudo_locale.BEGIN, pseudo_locale.END))
    assert begun == ended, f'lsobs {name}: {begun} messages begin, and {ended} end: {text}'
    # what follows a message, such as a full stop, is part of it in some languages
    depths = itertools.accumulate(BRACKETS.get(c, 0) for c in text)
    outside = [c for depth, c, last in zip(depths, text[1:], text) if depth == 0 and last == pseudo_locale.END and c in '.,;:!?']
    assert not outside, f'lsobs {name}: a sign is outside of its message: {text}'


# --- cases

def check_help(terminal):
    terminal.read('--help')
    for command in COMMANDS:
        text = terminal.read(command, '--help')
        options = [re.match(r'( +--?[^ ].*?  +)(?=\S)', line) for line in text.splitlines()]
        starts = {width(match[1]) for match in options if match}
        # those of GLib and ours are two lists, and GLib aligns them all
        assert len(starts) == 1, f'the options of {command} are described in columns {starts}: {text}'


def check_errors(terminal):
    missing = '--database=/nonexistent/traces.db'
    for words in (['list'], ['show'], ['export'], ['delete', '--project=7']):
        terminal.read(*words, missing, code=1)
    database = f'--database={terminal.database}'
    terminal.read('import', database, '/nonexistent/x.jsonl', code=1)
    bad = terminal.path('bad.jsonl')
    with open(bad, 'w', encoding='utf-8') as file:
        file.write('{"id":7}\n')
    terminal.read('import', database, bad, code=1)
    with open(terminal.path('bad.db'), 'w', encoding='utf-8') as file:
        file.write('7' * 4096)
    terminal.read('list', f'--database={terminal.path("bad.db")}', code=1)


def check_traces(terminal):
    database = f'--database={terminal.database}'
    terminal.read('import', database, terminal.path('runs.jsonl'))
    terminal.read('list', database, '--project=7', code=1)
    terminal.read('list', database, '--search=77')
    terminal.read('list', database, '--filter=gt(7', code=1)
    terminal.read('list', database, '--limit=1')
    terminal.read('show', database, 'xyz', code=1)
    terminal.read('show', database, '77777777', code=1)
    terminal.read('show', database, '0000', code=1)
    for columns in ('40', '60', '80', '100', '200'):
        terminal.read('list', database, COLUMNS=columns)
        terminal.read('show', database, run_id(1), COLUMNS=columns)
        # the errors of this trace are more than are shown
        assert '⟦ááñð 5 ' in terminal.read('show', database, run_id(3), COLUMNS=columns)
    terminal.read('show', '--all', database, run_id(1))
    terminal.read('export', database, f'--output={terminal.path("out.jsonl")}')
    terminal.read('export', database, f'--output={terminal.path("none/out.jsonl")}', code=1)
    terminal.read('delete', database, run_id(30))
    terminal.read('delete', database, '--project=7', code=1)


def check_usage_errors(terminal):
    terminal.read('ανοησία', code=2)
    terminal.read('list', '--nothing', code=2)
    terminal.read('list', '--limit=0', code=2)
    terminal.read('list', '--limit=x', code=2)
    terminal.read('list', '77', code=2)
    terminal.read('serve', '--port=70000', code=2)
    terminal.read('serve', '--token=77', code=2)
    terminal.read('serve', '--max-size=7', '--max-age=77y', code=2)
    terminal.read('serve', '--max-size=-1', code=2)
    terminal.read('run', code=2)
    terminal.read('delete', code=2)
    terminal.read('delete', '--older-than=7y', code=2)
    terminal.read('export', f'--database={terminal.database}', '--since=7y', code=1)
    terminal.read('doctor', '--timeout=0', code=2)
    terminal.read('forward', '--rate=-1', code=2)


def get_ends(line):
    """Returns: where the columns of a table begin and end, which are two spaces apart."""
    return [(width(line[:match.start()]), width(line[:match.end()])) for match in re.finditer(r'\S+(?: \S+)*', line)]


def check_columns(terminal):
    """Headings are above their columns, whatever the widths of letters are."""
    database = f'--database={terminal.path("columns.db")}'
    terminal.say('import', database, terminal.path('runs.jsonl'))
    for columns in (60, 80, 100, 200):
        head, *rows = terminal.read('list', database, COLUMNS=str(columns)).splitlines()
        assert len(rows) == 3 and '天' not in head, rows
        headings = get_ends(head)
        for row in rows:
            assert width(row) <= columns, f'{width(row)} columns of {columns}: {row}'
            cells = get_ends(row[2:])
            for begin, end in cells:
                assert any(begin + 2 == heading[0] or end + 2 == heading[1] for heading in headings), \
                    f'a column of {columns} is not below its heading:\n{head}\n{row}'
        tree = terminal.read('show', database, run_id(1), COLUMNS=str(columns)).splitlines()[2:5]
        headings = get_ends(tree[0])
        for row in tree[1:]:
            figures = [cell for cell in get_ends(row)[1:] if cell[1] in [heading[1] for heading in headings]]
            assert figures, f'no figure of {columns} columns is below its heading:\n{tree[0]}\n{row}'
            assert width(row) <= columns, f'{width(row)} columns of {columns}: {row}'


def check_doctor(terminal):
    settings = {'LANGSMITH_TRACING': 'true', 'LANGSMITH_API_KEY': 'lsv2_pt_0123456789', 'LANGSMITH_PROJECT': 'ταξίδι',
                'LANGSMITH_ENDPOINT': 'http://127.0.0.1:1', 'LANGCHAIN_PROJECT': 'άλλο', 'LANGSMITH_TRACING_SAMPLING_RATE': '7'}
    for columns in ('60', '100', '140'):
        for words, code, more in ((['--offline'], 0, {}), (['--timeout=5'], 1, settings)):
            text = terminal.read('doctor', *words, code=code, COLUMNS=columns, **more)
            lines = [line for line in text.splitlines() if re.match('[✓!✗] ', line)]
            assert len(lines) > 5, text
            if columns != '60':
                # what is found begins in one column
                assert len({get_ends(line[2:])[2][0] for line in lines}) == 1, text
            wide = [line for line in text.splitlines() if width(line) > int(columns) and line.count(' ') > 60]
            assert not wide, f'wider than {columns} columns: {wide}'


def check_service(terminal):
    """A service that runs, and what is said while it does."""
    database = terminal.path('service.db')
    with subprocess.Popen([PROGRAM, 'serve', '--port=0', f'--token={TOKEN}', f'--database={database}'],
                          env=terminal.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding='utf-8') as service:
        try:
            line = service.stdout.readline()
            check_text(['serve'], line)
            assert pseudo_locale.BEGIN in line, line
            url = re.search(r'http://[\d.:]+', line)[0]
            traces = f'--database={terminal.path("forward.db")}'
            terminal.say('import', traces, terminal.path('runs.jsonl'))
            key = {'LANGSMITH_API_KEY': TOKEN}
            terminal.read('forward', traces, f'--endpoint={url}', '--dry-run', **key)
            terminal.read('forward', traces, f'--endpoint={url}', **key)
            terminal.read('forward', traces, f'--endpoint={url}', **key)
            terminal.read('forward', traces, f'--endpoint={url}', '--again', LANGSMITH_API_KEY='7' * 20, code=1)
            terminal.read('list', f'--database={database}')
            # the port is taken
            terminal.read('serve', f'--port={url.rsplit(":", 1)[1]}', f'--database={terminal.path("other.db")}', code=1)
        finally:
            service.send_signal(signal.SIGTERM)
        check_text(['serve'], service.stdout.read())
    terminal.read('forward', traces, '--endpoint=http://127.0.0.1:1', '--again', code=1, LANGSMITH_API_KEY=TOKEN)


def check_terminal(terminal):
    """In a terminal, the service also prints the variables for programs, and tail says how it ends."""
    database = f'--database={terminal.path("terminal.db")}'
    terminal.say('import', database, terminal.path('runs.jsonl'))
    for words, end in ((['serve', '--port=0', f'--token={TOKEN}', database], f'LANGSMITH_API_KEY={TOKEN}'),
                       (['tail', database], pseudo_locale.END)):
        ours, theirs = pty.openpty()
        with subprocess.Popen([PROGRAM, *words], env=terminal.environment, stdin=theirs, stdout=theirs,
                              stderr=theirs) as process:
            os.close(theirs)
            said = b''
            try:
                while end not in said.decode(errors='replace'):
                    said += os.read(ours, 4096)
            finally:
                process.send_signal(signal.SIGTERM)
        os.close(ours)
        text = said.decode().replace('\r', '')
        assert pseudo_locale.BEGIN in text, text
        check_text(words, re.sub(r'^  export \w+=.*', '', text, flags=re.M))


def check_programs(terminal):
    database = f'--database={terminal.path("run.db")}'
    terminal.read('run', database, '--', 'true')
    terminal.read('run', database, '--', '/nonexistent/77', code=127, says=False)
    terminal.read('run', database, '--', 'sh', '-c', 'exit 7', code=7)


def check_plurals(terminal):
    """The rest of the messages is not said here, but each of them is in the catalogue, and is whole."""
    assert len(terminal.messages) > 500, len(terminal.messages)
    for numbers, has_formats in terminal.messages:
        for text in numbers:
            translation = pseudo_locale.translate(text, has_formats)
            assert translation.strip()[0] == pseudo_locale.BEGIN and translation.strip()[-1] == pseudo_locale.END
            assert len(translation) >= len(text) + 2, translation


def skip_reason(folder):
    for tool in ('xgettext', 'msgfmt', 'localedef'):
        if not shutil.which(tool):
            return f'there is no {tool}'
    made = subprocess.run(['localedef', '-c', '-i', 'en_US', '-f', 'UTF-8', os.path.join(folder, LOCALE)], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding='utf-8')
    if not os.path.exists(os.path.join(folder, LOCALE, 'LC_CTYPE')):
        return f'the locale {LOCALE} cannot be made: {made.stderr.strip().splitlines()[-1:]}'
    return None


def main():
    with tempfile.TemporaryDirectory() as folder:
        reason = skip_reason(folder)
        if reason:
            print(f'1..0 # SKIP {reason}')
            return 0
        checks = [value for name, value in globals().items() if name.startswith('check_') and name != 'check_text']
        terminal = Terminal()
        shutil.copytree(os.path.join(folder, LOCALE), terminal.path(LOCALE))
    status = 0
    print(f'1..{len(checks)}', flush=True)
    try:
        for number, check in enumerate(checks, 1):
            problem = None
            try:
                check(terminal)
            except Exception as error:  # pylint: disable=broad-except  any is a failure of this check alone
                problem = error
                print('\n'.join(f'# {line}' for line in f'{type(error).__name__}: {error}'.splitlines()))
                status = 1
            print(f'{"not ok" if problem else "ok"} {number} {check.__name__[6:]}', flush=True)
    finally:
        terminal.close()
    return status


if __name__ == '__main__':
    sys.exit(main())
