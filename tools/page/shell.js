// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The frame of all views: where one is, whether the connection is there, colours and help.

import {_} from './words.js';
import {fill, h} from './element.js';
import {icon} from './icons.js';
import {live} from './live.js';
import {say} from './notice.js';
import {showHelp} from './keyboard.js';
import {toLine} from './plain-text.js';

function isDark() {
    return (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
}

function switchTheme(button) {
    const theme = isDark() ? 'light' : 'dark';

    document.documentElement.dataset.theme = theme;
    try {
        localStorage.setItem('lsobs-theme', theme);
    } catch {
        // It lasts as long as the page.
    }
    showTheme(button);
}

function showTheme(button) {
    const label = isDark() ? _('Use light colours') : _('Use dark colours');

    fill(button, icon(isDark() ? 'sun' : 'moon'));
    button.title = label;
    button.setAttribute('aria-label', label);
}

function makeThemeButton() {
    const button = h('button', {type: 'button', class: 'button quiet square'});

    button.addEventListener('click', () => switchTheme(button));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => showTheme(button));
    showTheme(button);
    return button;
}

function makeLiveSign() {
    const text = h('span', {class: 'live-text'});
    const sign = h('div', {class: 'live', data: {state: 'connecting'}}, h('span', {class: 'live-dot'}), text);

    function show() {
        const messages = {
            connecting: _('Connecting'),
            open: _('Live'),
            lost: _('Connection lost: trying again'),
        };

        // That all is as it should be is not worth a word, unless it was not.
        if (live.state === 'lost' || live.state === 'open' && sign.dataset.state === 'lost')
            say(messages[live.state]);
        sign.dataset.state = live.state;
        sign.title = live.state === 'open' ? _('The page updates while programs run') : '';
        text.textContent = messages[live.state];
    }

    live.addEventListener('state', show);
    show();
    return sign;
}

const trail = h('nav', {class: 'trail'});
const main = h('main', {id: 'main', tabindex: -1});

export function attachShell(parent) {
    trail.setAttribute('aria-label', _('Where you are'));
    fill(parent,
        h('a', {class: 'skip', href: '#main', on: {click: event => {
            event.preventDefault();
            (main.querySelector('[tabindex="0"]') ?? main).focus();
        }}}, _('Skip to the contents')),
        h('header', {class: 'top'},
            h('a', {class: 'brand', href: '/', 'aria-label': _('lsobs: all projects')}, h('span', {class: 'brand-mark'}, icon('menu')), 'lsobs'),
            trail,
            makeLiveSign(),
            makeThemeButton(),
            h('button', {
                type: 'button', class: 'button quiet square help', 'aria-label': _('Keys'), title: _('Keys'), on: {click: showHelp},
            }, '?')),
        main);
    return main;
}

// Says where one is: a list of [text, address], the last of which is what is shown.
export function setTrail(steps) {
    const last = steps.at(-1)?.[0];

    fill(trail, h('ol', {}, steps.map(([text, address], i) => h('li', {}, i < steps.length - 1
        ? h('a', {href: address}, h('bdi', {}, toLine(text)))
        : h('span', {'aria-current': 'page'}, h('bdi', {}, toLine(text)))))));
    document.title = last ? `${toLine(last)} · lsobs` : 'lsobs';
}

// The title of a view that shows none, which screen readers look for.
export function makeTitle(text) {
    return h('h1', {class: 'unseen'}, toLine(text));
}

// The parts of a project, as tabs.
export function projectTabs(current, links) {
    return h('nav', {class: 'tabs', 'aria-label': _('Parts of the project')}, links.map(([name, label, address]) =>
        h('a', {class: 'tab', href: address, 'aria-current': name === current ? 'page' : null}, label)));
}
