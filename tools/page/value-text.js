// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A value as lines of text that may be compared: members in order of their names, texts with their lines.

import {readConversation} from './conversation.js';

const isContainer = value => typeof value === 'object' && value !== null;

function addLines(lines, value, indent, label) {
    const space = '  '.repeat(indent);

    if (!isContainer(value)) {
        const [first, ...others] = String(value ?? '').split('\n');

        lines.push(`${space}${label}${first}`, ...others.map(line => `${space}${label ? '  ' : ''}${line}`));
        return;
    }
    const names = Array.isArray(value) ? value.map((one, i) => i) : Object.keys(value).sort();

    if (label)
        lines.push(`${space}${label.trimEnd()}`);
    for (const name of names)
        addLines(lines, value[name], indent + (label ? 1 : 0), Array.isArray(value) ? '- ' : `${name}: `);
}

function addPart(lines, part) {
    switch (part.kind) {
    case 'text': case 'reasoning': addLines(lines, part.text, 0, ''); break;
    case 'call': addLines(lines, part.args, 0, `${part.name} `); break;
    case 'result': addLines(lines, part.value, 0, '→ '); break;
    case 'image': lines.push(part.label); break;
    default: addLines(lines, part.value, 0, '');
    }
}

export function textOfValue(value) {
    const lines = [];
    const conversation = readConversation(value);

    for (const message of conversation?.messages ?? []) {
        lines.push(`[${message.role}]`);
        message.parts.forEach(part => addPart(lines, part));
    }
    addLines(lines, conversation ? conversation.rest : value ?? '', 0, '');
    return lines.join('\n').trim();
}
