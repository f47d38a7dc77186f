#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the pictures of the guide and of README from the real page: pictures.py --program PROGRAM FOLDER"""

import argparse
import os
import subprocess
import sys

# the sources may be read-only, and stay as they are
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from stage import Stage  # noqa: E402  the folder has to be known first
from test_looks import show, views  # noqa: E402

MAX_BYTES = 150 * 1024

# Name of the picture, view of test_looks.py, colours, width and height.
PICTURES = [
    ('page-traces', 'traces', 'light', 1280, 640),
    ('page-failed', 'run-failed', 'light', 1280, 560),
    ('page-run', 'run', 'light', 1280, 860),
    ('page-running', 'trace-streaming', 'light', 1280, 480),
    ('page-compare', 'compare', 'light', 1280, 800),
    ('page-threads', 'thread', 'light', 1280, 640),
    ('page-chart', 'chart', 'light', 1280, 680),
    ('page-dark', 'run', 'dark', 1280, 640),
    ('page-phone', 'run-failed', 'light', 390, 700),
]


def make_small(file):
    """Fewer colours do: what is left is text and areas of one colour."""
    subprocess.run(['pngquant', '--force', '--strip', '--speed', '1', '--output', file, '128', file], check=True)
    size = os.path.getsize(file)
    assert size <= MAX_BYTES, f'{file} has {size} bytes'
    print(f'{file}: {size} bytes')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--program', default='lsobs')
    parser.add_argument('folder')
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    stage = Stage(options.program.split())
    try:
        for name, view, scheme, width, height in PICTURES:
            stage.browser.set_look(scheme, width, height)
            page = show(stage, views(stage)[view])
            # where the keys are is not what the picture is about
            page.browser.run('document.activeElement.blur()')
            file = os.path.join(options.folder, name + '.png')
            page.browser.screenshot(file)
            make_small(file)
    finally:
        stage.close()


if __name__ == '__main__':
    main()
