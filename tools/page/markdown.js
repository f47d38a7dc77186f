// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads Markdown, as models write it. A text becomes blocks:
//   {kind: "paragraph", text}   {kind: "heading", level, text}   {kind: "rule"}
//   {kind: "code", language, text}   {kind: "quote", blocks}
//   {kind: "list", ordered, start, isLoose, items: [{checked: true, false or null, blocks}]}
//   {kind: "table", align: ["left", "center", "right" or ""], head: [text], rows: [[text]]}
// and the text of a block becomes pieces of a line, by readLine ():
//   a string   {kind: "strong", "emphasis" or "strike", parts}   {kind: "code", text}
//   {kind: "link", address, source, parts}   {kind: "image", address, source, label}
//
// What is not understood stays as it was written: HTML is text, and so is a mark that has no end. The time that
// a text takes grows with its length alone, whatever is in it: nothing is searched for twice.

// Quotes and lists inside of others: what is deeper is text.
const MAX_DEPTH = 8;

const MAX_ADDRESS = 4000;
const MAX_COLUMNS = 60;

const FENCE = /^( *)(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?: +|$)/;
const TASK = /^\[([ xX])\] +/;
const ALIGN = /^:?-+:?$/;

// --- blocks ---

const isBlank = line => line.trim() === '';
const indentOf = line => line.length - line.trimStart().length;

function isRule(line) {
    const marks = line.trim();

    return '-*_'.includes(marks[0] ?? ' ') && marks.length >= 3 && indentOf(line) < 4 &&
        marks.replaceAll(marks[0], '').trim() === '' && marks.replaceAll(' ', '').length >= 3;
}

// The cells of a row of a table. A bar with a backslash before it is part of a cell.
function splitRow(line) {
    let row = line.trim();

    if (row.startsWith('|'))
        row = row.slice(1);
    if (row.endsWith('|') && !row.endsWith('\\|'))
        row = row.slice(0, -1);
    return row.split(/(?<!\\)\|/).map(cell => cell.trim().replaceAll('\\|', '|'));
}

// Returns: how the columns are aligned, if the line is the one below the head of a table, or null
function readAlign(line) {
    if (line === undefined || !line.includes('-') || /[^-:|\s]/.test(line))
        return null;
    const cells = splitRow(line);

    return cells.every(cell => ALIGN.test(cell))
        ? cells.map(cell => cell.startsWith(':') ? cell.endsWith(':') ? 'center' : 'left' : cell.endsWith(':') ? 'right' : '') : null;
}

function startsTable(lines, at) {
    if (!lines[at].includes('|'))
        return false;
    const align = readAlign(lines[at + 1]);

    return align !== null && align.length <= MAX_COLUMNS && splitRow(lines[at]).length === align.length;
}

// Whether a line ends the paragraph above it.
function interrupts(lines, at, depth) {
    const line = lines[at];

    if (FENCE.test(line) || HEADING.test(line) || isRule(line) || startsTable(lines, at))
        return true;
    if (depth >= MAX_DEPTH)
        return false;
    const item = ITEM.exec(line);

    // A sentence may have a number at the beginning of a line.
    return QUOTE.test(line) || item !== null && item[0].length < line.length && (!/\d/.test(item[2]) || parseInt(item[2], 10) === 1);
}

// Whether a line ends the code that a mark has begun.
function isFenceEnd(line, mark) {
    const text = line.trim();

    return text.length >= mark.length && text[0] === mark[0] && text.replaceAll(mark[0], '') === '';
}

// Each of these takes the lines from a place on. Returns: {block, next: the first line behind it}

// Code without an end goes to the end of the text: the rest of it may be on its way.
function readCode(lines, at, fence) {
    const [, indent, mark, info] = fence;
    let next = at + 1;

    while (next < lines.length && !isFenceEnd(lines[next], mark))
        next += 1;
    const text = lines.slice(at + 1, next).map(line => line.slice(Math.min(indent.length, indentOf(line)))).join('\n');
    return {block: {kind: 'code', language: info.trim(), text}, next: next + 1};
}

function readQuote(lines, at, depth) {
    const inner = [];
    let next = at;

    while (next < lines.length && QUOTE.test(lines[next])) {
        inner.push(lines[next].replace(QUOTE, ''));
        next += 1;
    }
    return {block: {kind: 'quote', blocks: readLines(inner, depth + 1)}, next};
}

const isNumber = mark => /\d/.test(mark);

// One item: its first line, and those that are farther in than its mark.
function readItem(lines, at, mark, depth) {
    const [head, indent] = mark;
    const inner = [lines[at].slice(head.length)];
    const width = head.length > indent.length + mark[2].length + 4 ? indent.length + mark[2].length + 1 : head.length;
    const least = indent.length + 2;
    let next = at + 1;
    let isLoose = false;

    for (; next < lines.length; next++) {
        const line = lines[next];
        const isBehindBlank = isBlank(lines[next - 1]);

        if (isBlank(line))
            inner.push('');
        else if (indentOf(line) >= least) {
            isLoose ||= isBehindBlank;
            inner.push(line.slice(Math.min(width, indentOf(line))));
        } else if (isBehindBlank || ITEM.test(line) || interrupts(lines, next, depth))
            break;
        else
            inner.push(line.trimStart());
    }
    while (inner.length > 1 && isBlank(inner.at(-1)))
        inner.pop();
    const task = TASK.exec(inner[0]);
    if (task)
        inner[0] = inner[0].slice(task[0].length);
    return {item: {checked: task ? task[1] !== ' ' : null, blocks: readLines(inner, depth + 1)}, isLoose, next};
}

function readList(lines, at, first, depth) {
    const ordered = isNumber(first[2]);
    const block = {kind: 'list', ordered, start: ordered ? parseInt(first[2], 10) : 1, isLoose: false, items: []};
    const kind = first[2].at(-1);
    let mark = first;
    let next = at;

    while (mark && mark[2].at(-1) === kind && isNumber(mark[2]) === ordered && mark[1].length < first[1].length + 2 && !isRule(lines[next])) {
        const read = readItem(lines, next, mark, depth);

        block.items.push(read.item);
        block.isLoose ||= read.isLoose || read.next < lines.length && isBlank(lines[read.next - 1]) && ITEM.test(lines[read.next]);
        next = read.next;
        mark = next < lines.length ? ITEM.exec(lines[next]) : null;
    }
    return {block, next};
}

function readTable(lines, at) {
    const align = readAlign(lines[at + 1]);
    const rows = [];
    let next = at + 2;

    while (next < lines.length && lines[next].includes('|') && !isBlank(lines[next])) {
        const cells = splitRow(lines[next]);

        // What is too much for the head stays to be read, in the last cell.
        rows.push(cells.length > align.length ? [...cells.slice(0, align.length - 1), cells.slice(align.length - 1).join(' | ')]
            : [...cells, ...Array(align.length - cells.length).fill('')]);
        next += 1;
    }
    return {block: {kind: 'table', align, head: splitRow(lines[at]), rows}, next};
}

function readParagraph(lines, at, depth) {
    let next = at + 1;

    while (next < lines.length && !isBlank(lines[next]) && !interrupts(lines, next, depth))
        next += 1;
    return {block: {kind: 'paragraph', text: lines.slice(at, next).join('\n').trimEnd()}, next};
}

function readBlock(lines, at, depth) {
    const line = lines[at];
    const fence = FENCE.exec(line);

    if (fence)
        return readCode(lines, at, fence);
    const heading = HEADING.exec(line);
    if (heading)
        return {block: {kind: 'heading', level: heading[1].length, text: (heading[2] ?? '').trim()}, next: at + 1};
    if (isRule(line))
        return {block: {kind: 'rule'}, next: at + 1};
    if (startsTable(lines, at))
        return readTable(lines, at);
    if (depth < MAX_DEPTH && QUOTE.test(line))
        return readQuote(lines, at, depth);
    const item = depth < MAX_DEPTH ? ITEM.exec(line) : null;
    return item && item[0].length < line.length ? readList(lines, at, item, depth) : readParagraph(lines, at, depth);
}

function readLines(lines, depth) {
    const blocks = [];
    let at = 0;

    while (at < lines.length) {
        if (isBlank(lines[at])) {
            at += 1;
            continue;
        }
        const {block, next} = readBlock(lines, at, depth);

        blocks.push(block);
        at = next;
    }
    return blocks;
}

// Tabs before a line are four spaces; those of code stay.
function spaceLines(lines) {
    let end = null;

    return lines.map(line => {
        const text = line.trim();
        const fence = FENCE.exec(text);

        if (end !== null) {
            if (isFenceEnd(text, end))
                end = null;
            else
                return line;
        } else if (fence)
            end = fence[2];
        return line.replace(/^[ \t]+/, space => space.replaceAll('\t', '    '));
    });
}

// Each block of the whole text has source, too: how it was written.
export function readMarkdown(text) {
    const written = text.replace(/\r\n?/g, '\n').split('\n');
    const lines = spaceLines(written);
    const blocks = [];
    let at = 0;

    while (at < lines.length) {
        if (isBlank(lines[at])) {
            at += 1;
            continue;
        }
        const {block, next} = readBlock(lines, at, 0);

        blocks.push({...block, source: written.slice(at, next).join('\n').trimEnd(), nLines: next - at});
        at = next;
    }
    return blocks;
}

// --- lines ---

const MARKS = {'**': 'strong', '__': 'strong', '*': 'emphasis', '_': 'emphasis', '~~': 'strike'};
const ESCAPED = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}]/u;
const LATIN = /[A-Za-z0-9]/;
// A name of Python, such as __init__, is rather that than a word in bold letters.
const DUNDER = /__[A-Za-z0-9]{1,40}(?:_[A-Za-z0-9]{1,40}){0,8}__(?![A-Za-z0-9])/y;
const ADDRESS = /https?:\/\/[^\s<>"`{}|\\^]+/y;
const ANGLE = /<(https?:\/\/[^\s<>"`]{1,4000})>/y;
// What is behind the text of a link: an address, and a title, which is left out.
const TARGET = /\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/y;
const PLAIN = /[^\\`*_~[\]!<h]+|h(?!ttps?:\/\/)/y;

// What an address opens: only pages of the web, and no name or password in it. Returns: the address, or null
export function webAddress(text) {
    const match = text.length <= MAX_ADDRESS && /^(https?):\/\/([^/?#\s\\]+)([^\s\\]*)$/i.exec(text);

    return match && !match[2].includes('@') ? text : null;
}

// An address that is part of a sentence ends before the signs that end the sentence, and before a bracket that is
// opened before it.
function trimAddress(text) {
    const open = {')': 0, ']': 0};
    let end = text.length;

    for (const c of text)
        if (c === '(' || c === '[')
            open[c === '(' ? ')' : ']'] += 1;
        else if (c === ')' || c === ']')
            open[c] -= 1;
    for (; end > 0; end--) {
        const c = text[end - 1];

        if (c === ')' || c === ']') {
            if (open[c] >= 0)
                break;
            open[c] += 1;
        } else if (!'.,:;!?*_~\''.includes(c))
            break;
    }
    return text.slice(0, end);
}

// Where each bracket that is opened is closed: by the place of the one, that of the other.
function matchBrackets(text) {
    const ends = new Map();
    const open = [];

    for (const match of text.matchAll(/\\.|[[\]]/gs))
        if (match[0] === '[')
            open.push(match.index);
        else if (match[0] === ']' && open.length > 0)
            ends.set(open.pop(), match.index);
    return ends;
}

// Where the marks of code are: places by length, in order.
function findTicks(text) {
    const places = new Map();

    for (const match of text.matchAll(/`+/g)) {
        const {length} = match[0];

        if (!places.has(length))
            places.set(length, {list: [], at: 0});
        places.get(length).list.push(match.index);
    }
    return places;
}

class LineReader {
    #text;
    #at = 0;
    #noLinks;
    #brackets = null;
    #ticks = null;
    #parts = [];
    #plain = '';
    // Marks that are open, with the parts before each; the outermost first.
    #open = [];

    constructor(text, noLinks) {
        this.#text = text;
        this.#noLinks = noLinks;
    }

    #flush() {
        if (this.#plain !== '')
            this.#parts.push(this.#plain);
        this.#plain = '';
    }

    #add(part) {
        this.#flush();
        this.#parts.push(part);
    }

    #take(length) {
        this.#plain += this.#text.slice(this.#at, this.#at + length);
        this.#at += length;
    }

    // A mark that has no end is text.
    #dropOpen() {
        const {mark, before} = this.#open.pop();

        this.#flush();
        this.#parts = [...before, mark, ...this.#parts];
    }

    #close(mark) {
        while (this.#open.at(-1).mark !== mark)
            this.#dropOpen();
        this.#flush();
        const {before} = this.#open.pop();
        const part = {kind: MARKS[mark], parts: this.#parts};
        this.#parts = before;
        this.#parts.push(part);
    }

    #readMark(c) {
        const text = this.#text;
        const start = this.#at;
        let end = start;

        DUNDER.lastIndex = start;
        const name = c === '_' ? DUNDER.exec(text) : null;
        if (name) {
            this.#take(name[0].length);
            return;
        }
        while (text[end] === c)
            end += 1;
        const size = end - start;
        const before = text[start - 1] ?? ' ';
        const behind = text[end] ?? ' ';
        // Stars between letters and digits are products, and lines there are part of a name.
        const inside = c === '*' ? size === 1 ? LATIN : null : c === '_' ? WORD : null;
        const canClose = /\S/.test(before);
        const canOpen = /\S/.test(behind);
        let left = size;

        if (size > 3 || c === '~' && size !== 2 || inside?.test(before) && inside.test(behind)) {
            this.#take(size);
            return;
        }
        this.#at = end;
        while (left > 0) {
            const isOpen = mark => this.#open.some(one => one.mark === mark);
            const inner = [...this.#open].reverse().find(one => one.mark[0] === c && one.mark.length <= left);
            const mark = left >= 2 && !isOpen(c + c) ? c + c : c;

            // Two marks rather begin what is strong inside of what is emphasised than end the latter.
            if (canClose && inner && !(left === 2 && inner.mark.length === 1 && canOpen && mark.length === 2)) {
                this.#close(inner.mark);
                left -= inner.mark.length;
            } else if (canOpen && !isOpen(mark) && Object.hasOwn(MARKS, mark)) {
                this.#flush();
                this.#open.push({mark, before: this.#parts});
                this.#parts = [];
                left -= mark.length;
            } else {
                this.#plain += c.repeat(left);
                left = 0;
            }
        }
    }

    #readCode() {
        const text = this.#text;
        let size = 1;

        while (text[this.#at + size] === '`')
            size += 1;
        this.#ticks ??= findTicks(text);
        const places = this.#ticks.get(size);
        while (places && places.list[places.at] < this.#at + size)
            places.at += 1;
        const end = places?.list[places.at];
        if (end === undefined) {
            this.#take(size);
            return;
        }
        const code = text.slice(this.#at + size, end).replaceAll('\n', ' ');
        // A space at both ends is there for the sake of the marks.
        this.#add({kind: 'code', text: /^ .*[^ ].* $/s.test(code) ? code.slice(1, -1) : code});
        this.#at = end + size;
    }

    // A link or an image. Returns: whether it is one
    #readLink(isImage) {
        const text = this.#text;
        const start = this.#at + (isImage ? 1 : 0);

        this.#brackets ??= matchBrackets(text);
        const end = this.#brackets.get(start);
        if (end === undefined || text[end + 1] !== '(')
            return false;
        TARGET.lastIndex = end + 1;
        const target = TARGET.exec(text);
        if (!target)
            return false;
        const [all, source] = target;
        const address = webAddress(source);
        const label = text.slice(start + 1, end);

        if (isImage)
            this.#add({kind: 'image', address, source, label});
        else if (address === null)
            return false;
        else
            this.#add({kind: 'link', address, source, parts: new LineReader(label, true).read()});
        this.#at = end + 1 + all.length;
        return true;
    }

    #readAddress() {
        ADDRESS.lastIndex = this.#at;
        const all = ADDRESS.exec(this.#text)?.[0];
        const address = all && !this.#noLinks && !WORD.test(this.#text[this.#at - 1] ?? ' ') ? trimAddress(all) : null;

        if (!address || webAddress(address) === null) {
            this.#take(all?.length ?? 1);
            return;
        }
        this.#add({kind: 'link', address, source: address, parts: [address]});
        this.#at += address.length;
    }

    #readAngle() {
        ANGLE.lastIndex = this.#at;
        const match = this.#noLinks ? null : ANGLE.exec(this.#text);

        if (!match || webAddress(match[1]) === null) {
            this.#take(1);
            return;
        }
        this.#add({kind: 'link', address: match[1], source: match[1], parts: [match[1]]});
        this.#at += match[0].length;
    }

    #readNext() {
        const text = this.#text;
        const c = text[this.#at];

        PLAIN.lastIndex = this.#at;
        const plain = PLAIN.exec(text);
        if (plain)
            this.#take(plain[0].length);
        else if (c === '\\') {
            if (ESCAPED.test(text[this.#at + 1] ?? '')) {
                this.#plain += text[this.#at + 1];
                this.#at += 2;
            } else
                this.#take(1);
        } else if (c === '`')
            this.#readCode();
        else if (c === '*' || c === '_' || c === '~')
            this.#readMark(c);
        else if (c === 'h')
            this.#readAddress();
        else if (c === '<')
            this.#readAngle();
        else if (c === '!' && text[this.#at + 1] === '[' && this.#readLink(true) || c === '[' && !this.#noLinks && this.#readLink(false))
            return;
        else
            this.#take(1);
    }

    read() {
        while (this.#at < this.#text.length)
            this.#readNext();
        while (this.#open.length > 0)
            this.#dropOpen();
        this.#flush();
        return this.#parts;
    }
}

// Reads the text of a block.
export function readLine(text) {
    return new LineReader(text, false).read();
}

// Whether there is anything but paragraphs of words.
export function hasMarkup(blocks) {
    return blocks.some(block => block.kind !== 'paragraph' || readLine(block.text).some(part => typeof part !== 'string'));
}
