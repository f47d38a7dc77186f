# SPDX-License-Identifier: LGPL-2.1-or-later
"""All projects."""


def test_rows(stage):
    stage.browser.open(stage.desk.url('/'))
    stage.browser.find('tr', 'travel-agent')
