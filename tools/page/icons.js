// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The icons of the page, drawn with lines in the colour of the text around them. They are 16 units wide.

import {svg} from './element.js';

const SHAPES = {
    back: 'M10 3 5 8l5 5',
    chain: 'M6.5 9.5l3-3M7 5l1.5-1.5a2.5 2.5 0 0 1 3.6 3.6L10.6 8.6M9 11l-1.5 1.5a2.5 2.5 0 0 1-3.6-3.6L5.4 7.4',
    chart: 'M2.5 13.5h11M4.5 11V8M8 11V4M11.5 11V6.5',
    check: 'M3.5 8.5 6.5 11.5 12.5 5',
    close: 'M4 4l8 8M12 4l-8 8',
    compare: 'M8 2v12M2.5 4.5H6v7H2.5zM10 4.5h3.5v7H10z',
    copy: 'M6 5.5h6.5V13H6zM4 10.5H3.5V3H10v.5',
    cross: 'M5 5l6 6M11 5l-6 6',
    down: 'M3.5 6 8 10.5 12.5 6',
    embedding: 'M3 12V9M6.3 12V4M9.6 12V7M13 12V5.5',
    error: 'M8 4.5v4.2M8 11.2v.3',
    export: 'M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.5h10',
    filter: 'M2.5 4h11M4.5 8h7M6.5 12h3',
    link: 'M9.5 2.5h4v4M13.3 2.7 8 8M11.5 9.5v4h-9v-9h4',
    llm: 'M8 2.2l1.5 4.3 4.3 1.5-4.3 1.5L8 13.8 6.5 9.5 2.2 8l4.3-1.5z',
    menu: 'M3 8h.1M8 8h.1M13 8h.1',
    moon: 'M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5z',
    next: 'M6 3l5 5-5 5',
    parser: 'M6 3.5H5A1.5 1.5 0 0 0 3.5 5v1.5L2.3 8l1.2 1.5V11A1.5 1.5 0 0 0 5 12.5h1M10 3.5h1A1.5 1.5 0 0 1 12.5 5v1.5L13.7 8l-1.2 1.5V11a1.5 1.5 0 0 1-1.5 1.5h-1',
    pending: 'M8 3.2V8l3.4 2',
    plus: 'M8 3.5v9M3.5 8h9',
    prompt: 'M3 4l4 4-4 4M8.5 12.5H13',
    retriever: 'M7 2.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4zM10.2 10.2 13.4 13.4',
    root: 'M3 3v6a2 2 0 0 0 2 2h8M10 8l3 3-3 3',
    search: 'M7 2.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4zM10.2 10.2 13.4 13.4',
    sun: 'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M12.6 3.4l-.7.7M4.1 11.9l-.7.7',
    system: 'M2.5 3.5h11v7.5h-11zM6 13.5h4',
    thread: 'M2.5 3.5h11v7H8L5 13v-2.5H2.5z',
    thumbDown: 'M5.5 3v6.5M5.5 9.5l2.3 4.2c1 0 1.6-.8 1.4-1.8L8.8 10h3.4a1.3 1.3 0 0 0 1.3-1.6L12.6 4A1.3 1.3 0 0 0 11.3 3H2.8v6.5h2.7',
    thumbUp: 'M5.5 13V6.5M5.5 6.5l2.3-4.2c1 0 1.6.8 1.4 1.8L8.8 6h3.4a1.3 1.3 0 0 1 1.3 1.6l-.9 4.4a1.3 1.3 0 0 1-1.3 1H2.8V6.5h2.7',
    tool: 'M9.3 5.2a3 3 0 0 1 3.9-2.6L11.4 4.4l.3 1.2 1.2.3 1.8-1.8a3 3 0 0 1-4 3.9L6 12.7a1.4 1.4 0 0 1-2-2z',
    trash: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.3 4.5l.6 8.5h6.2l.6-8.5',
    unfold: 'M5 3l3-1.5L11 3M8 1.5v13M5 13l3 1.5 3-1.5',
};

// An icon, which says nothing to a screen reader: the text beside it does, or the label of its button.
export function icon(name) {
    return svg('svg', {class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true'},
        svg('path', {d: SHAPES[name] ?? SHAPES.chain}));
}

// The icon of a type of run.
export function typeIcon(type) {
    const known = ['llm', 'tool', 'chain', 'retriever', 'embedding', 'prompt', 'parser'];
    const name = known.includes(type) ? type : 'chain';
    const element = icon(name);

    element.classList.add(`type-${name}`);
    return element;
}
