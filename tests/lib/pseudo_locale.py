#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a translation to a language that nobody speaks, in which each message can be read, and stands out.

"Delete %s" becomes "⟦Ðééļééţéé %s⟧": letters have accents, vowels are doubled, so that the text is a third longer,
and brackets show where a message begins and ends. A text without accents is no message, one without its second
bracket was cut. The messages are those of the sources, and not of po/lsobs.pot, which follows them later.
Run as a program, it writes the catalogue: pseudo_locale.py SOURCES FOLDER
"""

import ast
import os
import re
import subprocess
import sys

# The codes from qaa to qtz are for private use: no program has a translation to this language.
LANGUAGE = 'qps'
BEGIN, END = '⟦⟧'

ACCENTS = str.maketrans('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
                        'áƀçðéƒĝĥíĵķļɱñóþɋŕšţúṽŵẋýžÁƁÇÐÉƑĜĤÍĴĶĻṀÑÓÞɊŔŠŢÚṼŴẊÝŽ')
# Formats of printf, as in "%-8s" and "%<PRId64>"; they count only in a message that xgettext takes for a format.
FORMAT = r"%(?:\d+\$)?[-+ #0']*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:<PRI\w+>|(?:hh|h|ll|l|z|j|t)?[a-zA-Z%])"
HEAD = ['Project-Id-Version: lsobs', 'PO-Revision-Date: 2026-01-01 00:00+0000', 'Last-Translator: none',
        'Language-Team: none', f'Language: {LANGUAGE}', 'MIME-Version: 1.0', 'Content-Type: text/plain; charset=UTF-8',
        'Content-Transfer-Encoding: 8bit', 'Plural-Forms: nplurals=2; plural=n != 1;']
# What the page replaces, and options of the command line.
KEPT = r'\{\w+\}|--[a-z][a-z-]*'


def translate(message, has_formats=False):
    """Returns: the message in the pseudo-locale. The space around it stays where it is."""
    text = message.strip()
    if not text:
        return message
    before, after = message.split(text, 1)
    kept = f'({KEPT}|{FORMAT})' if has_formats else f'({KEPT})'
    parts = re.split(kept, text)
    # every second part is one that is kept
    parts[::2] = [re.sub('([aeiouAEIOU])', r'\1\1', part).translate(ACCENTS) for part in parts[::2]]
    return before + BEGIN + ''.join(parts) + END + after


def read_template(text):
    """Returns: of each message of a template of gettext, its two numbers, or one, and whether they are formats."""
    messages = []
    for entry in text.split('\n\n'):
        strings = {}
        name = None
        for line in entry.splitlines():
            match = re.fullmatch(r'(msgid_plural|msgid|msgstr)?[^"]*(".*")', line)
            if not match or line.startswith('#'):
                continue
            name = match[1] or name
            strings[name] = strings.get(name, '') + ast.literal_eval(match[2])
        if strings.get('msgid'):
            numbers = [strings[name] for name in ('msgid', 'msgid_plural') if name in strings]
            messages.append((numbers, bool(re.search(r'^#,.*\bc-format', entry, re.M))))
    return messages


def quote(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n').replace('\t', '\\t') + '"'


def make_translation(template):
    """Returns: the text of a .po file."""
    lines = ['msgid ""', 'msgstr ""', *(quote(line + '\n') for line in HEAD)]
    for numbers, has_formats in read_template(template):
        lines += ['', '#, c-format'] if has_formats else ['']
        lines += [f'{name} {quote(text)}' for name, text in zip(('msgid', 'msgid_plural'), numbers)]
        texts = [quote(translate(text, has_formats)) for text in numbers]
        lines += [f'msgstr {texts[0]}'] if len(texts) == 1 else [f'msgstr[{i}] {text}' for i, text in enumerate(texts)]
    return '\n'.join(lines) + '\n'


def extract(sources):
    """Returns: the template of the messages of the sources, made as po/Makefile makes it."""
    with open(os.path.join(sources, 'po', 'Makevars'), encoding='utf-8') as file:
        options = re.search('^XGETTEXT_OPTIONS = (.*)', file.read(), re.M)[1].split()
    with open(os.path.join(sources, 'po', 'POTFILES.in'), encoding='utf-8') as file:
        files = [line.strip() for line in file if line.strip() and not line.startswith('#')]
    return subprocess.run(['xgettext', *options, '-D', sources, '-o', '-', *files], check=True, encoding='utf-8',
                          stdout=subprocess.PIPE).stdout


def write_catalogue(sources, folder):
    """Writes the catalogue where gettext looks for it below a folder. Returns: its messages, as read_template ()."""
    template = extract(sources)
    place = os.path.join(folder, LANGUAGE, 'LC_MESSAGES')
    os.makedirs(place, exist_ok=True)
    # with -c, msgfmt fails if a format or a newline is missing
    subprocess.run(['msgfmt', '-c', '-o', os.path.join(place, 'lsobs.mo'), '-'], check=True, encoding='utf-8',
                   input=make_translation(template))
    return read_template(template)


if __name__ == '__main__':
    write_catalogue(*sys.argv[1:])
