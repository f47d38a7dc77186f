# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tells configure where PyGObject finds overrides below the prefix that is its argument."""

import os
import site
import sys

import gi.overrides

prefix = os.path.normpath(sys.argv[1])
own = os.path.dirname(gi.overrides.__file__)
places = [own] + [os.path.join(place, 'gi', 'overrides') for place in site.getsitepackages()]
below = [place for place in places if os.path.dirname(place).startswith(os.path.join(prefix, 'lib'))]
# nothing is looked at there by itself: the same place as below the prefix of Python
below.append(os.path.join(prefix, os.path.relpath(own, sys.base_prefix)))
print('${prefix}' + below[0][len(prefix):])
