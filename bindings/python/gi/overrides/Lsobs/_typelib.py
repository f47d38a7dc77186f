# SPDX-License-Identifier: LGPL-2.1-or-later
"""The namespace of the typelib, and the function that replaces one of its classes by a class in Python."""

import platform

from ...module import get_introspection_module
from ...overrides import override as override_class

Lsobs = get_introspection_module('Lsobs')

Lsobs.set_language('python', platform.python_version())


def override(kind):
    # PyGObject takes the namespace from the module of the class, and knows no packages
    kind.__module__ = __package__
    return override_class(kind)
