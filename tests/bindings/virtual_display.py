# SPDX-License-Identifier: LGPL-2.1-or-later
"""A display without a screen, for programs of GTK."""

import os
import re
import shutil
import subprocess
import sys

import counting_service

DIRECTORY = os.path.dirname(os.path.abspath(__file__))

# What measures the gaps of a main loop, by the name of the loop.
PYTHON = [sys.executable, os.path.join(DIRECTORY, 'main-loop-program.py')]
GJS = [os.environ.get('GJS') or 'gjs', os.path.join(DIRECTORY, 'main-loop-program.js')]
PROGRAMS = {'GTK 4': PYTHON, 'GTK 4, which sends': PYTHON + ['context'],
            'GJS': GJS, 'GJS, which sends': GJS + ['context']}


class Missing(Exception):
    """What a program needs is not there."""


class Display:
    def __init__(self):
        if shutil.which('Xvfb') is None:
            raise Missing('Xvfb is not installed')
        reader, writer = os.pipe()
        self.server = subprocess.Popen(  # pylint: disable=consider-using-with
            ['Xvfb', '-displayfd', str(writer), '-nolisten', 'tcp', '-screen', '0', '640x480x24'],
            pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        with open(reader, encoding='ascii') as lines:
            self.name = ':' + lines.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_problem):
        self.server.terminate()
        self.server.wait()


def has_gtk():
    """Whether its typelib can be loaded, which Python and GJS share."""
    return subprocess.run([sys.executable, '-c', 'import gi; gi.require_version("Gtk", "4.0")'],
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def measure_gap(loop, service):
    """The worst gap in a main loop in which observers are dropped, in ms."""
    if shutil.which(PROGRAMS[loop][0]) is None:
        raise Missing(f'{PROGRAMS[loop][0]} is not installed')
    if not has_gtk():
        raise Missing('GTK 4 is not installed')
    with Display() as display:
        ended = counting_service.run_program(PROGRAMS[loop], service, DISPLAY=display.name,
                                             GDK_BACKEND='x11', GSK_RENDERER='cairo')
    assert ended.code == 0, ended.said
    # lsobs may say in the log what it has lost
    return float(re.search(r'^\d+\.\d+$', ended.said, re.MULTILINE).group())
