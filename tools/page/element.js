// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes elements. This is the only way in which the page makes them: every text becomes a text node, so that
// nothing of a trace is ever read as HTML, and no address of a trace is ever followed unless somebody opens a link
// that shows it.

const SVG = 'http://www.w3.org/2000/svg';

// Where a link of the page may lead, and what an image may be made of.
const OWN_ADDRESS = /^(\/(?!\/)|\?|#|blob:)/;
const OWN_IMAGE = /^(\/(?!\/)|data:image\/(png|jpeg|gif|webp|avif|bmp);base64,)/;

function setAttribute(element, name, value) {
    if (value === undefined || value === null || value === false)
        return;
    if (name === 'href' && !OWN_ADDRESS.test(value))
        throw new Error('a link leads out of the page');
    if (name === 'src' && !OWN_IMAGE.test(value))
        throw new Error('an image comes from elsewhere');
    if (name === 'class')
        element.setAttribute('class', value);
    else if (name === 'on')
        for (const [event, listener] of Object.entries(value))
            element.addEventListener(event, listener);
    else if (name === 'vars')
        for (const [variable, number] of Object.entries(value))
            element.style.setProperty(`--${variable}`, number);
    else if (name === 'data')
        Object.assign(element.dataset, value);
    else if (name === 'value')
        element.value = value;
    else
        element.setAttribute(name, value === true ? '' : value);
}

function append(element, children) {
    for (const child of children) {
        if (Array.isArray(child))
            append(element, child);
        else if (child !== undefined && child !== null && child !== false)
            element.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
}

// Makes an element. Properties are attributes, and "on" (listeners by event), "vars" (numbers for the style
// sheet, by the name of the CSS variable), "data" (dataset). What is undefined, null or false is left out.
export function h(tag, properties = {}, ...children) {
    const element = document.createElement(tag);

    for (const [name, value] of Object.entries(properties))
        setAttribute(element, name, value);
    append(element, children);
    return element;
}

function readUrl(address) {
    try {
        return new URL(address);
    } catch {
        return null;
    }
}

// A link to a web page that a trace names, or null if the address is not http or https. It opens in a new tab, without a
// referrer and without access to this page.
export function outLink(address, ...children) {
    const url = readUrl(address);

    if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '')
        return null;
    const element = h('a', {class: 'out-link', target: '_blank', rel: 'noopener noreferrer nofollow'}, children);
    element.href = url.href;
    return element;
}

// The same as h () for a drawing.
export function svg(tag, properties = {}, ...children) {
    const element = document.createElementNS(SVG, tag);

    for (const [name, value] of Object.entries(properties))
        setAttribute(element, name, value);
    append(element, children);
    return element;
}

// Replaces what is in an element.
export function fill(element, ...children) {
    element.replaceChildren();
    append(element, children);
    return element;
}

let lastId = 0;

// An id that no other element has.
export function newId(prefix) {
    lastId += 1;
    return `${prefix}-${lastId}`;
}
