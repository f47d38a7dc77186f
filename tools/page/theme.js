// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sets the colours that the user has chosen before anything is painted. Without a choice, those of the
// system count. theme-switch.js changes the choice.

'use strict';

try {
    const theme = localStorage.getItem('lsobs-theme');

    if (theme === 'light' || theme === 'dark')
        document.documentElement.dataset.theme = theme;
} catch {
    // The browser keeps nothing: the colours of the system stay.
}
