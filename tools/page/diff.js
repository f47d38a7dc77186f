// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What differs between two lists, and between two texts.

// With more differences than these, the rest is one difference.
const MAX_DISTANCE = 600;

// The shortest way from a to b, after Myers. Returns: a list of [aFrom, aTo, bFrom, bTo] of what is equal
function findEqual(a, b) {
    const trace = [];
    let v = new Map([[1, 0]]);

    for (let d = 0; d <= MAX_DISTANCE; d++) {
        const next = new Map(v);

        trace.push(v);
        for (let k = -d; k <= d; k += 2) {
            let x = k === -d || k !== d && (v.get(k - 1) ?? -1) < (v.get(k + 1) ?? -1) ? v.get(k + 1) : v.get(k - 1) + 1;

            while (x < a.length && x - k < b.length && a[x] === b[x - k])
                x++;
            next.set(k, x);
            if (x >= a.length && x - k >= b.length)
                return goBack(trace, a, b, d);
        }
        v = next;
    }
    return [];
}

function goBack(trace, a, b, distance) {
    const equal = [];
    let x = a.length;
    let y = b.length;

    for (let d = distance; d >= 0; d--) {
        const v = trace[d];
        const k = x - y;
        const before = k === -d || k !== d && (v.get(k - 1) ?? -1) < (v.get(k + 1) ?? -1) ? k + 1 : k - 1;
        const fromX = d === 0 ? 0 : v.get(before);
        const fromY = d === 0 ? 0 : fromX - before;
        const length = Math.min(x - fromX, y - fromY);

        if (length > 0)
            equal.unshift([x - length, x, y - length, y]);
        x = fromX;
        y = fromY;
    }
    return equal;
}

// Returns: a list of {same, a, b}: parts of both lists, that are equal or not
export function diffLists(a, b) {
    let head = 0;
    let tail = 0;

    while (head < a.length && head < b.length && a[head] === b[head])
        head++;
    while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail])
        tail++;
    const middleA = a.slice(head, a.length - tail);
    const middleB = b.slice(head, b.length - tail);
    const parts = [];
    const add = (same, partA, partB) => {
        if (partA.length > 0 || partB.length > 0)
            parts.push({same, a: partA, b: partB});
    };
    let atA = 0;
    let atB = 0;

    add(true, a.slice(0, head), b.slice(0, head));
    for (const [fromA, toA, fromB, toB] of findEqual(middleA, middleB)) {
        add(false, middleA.slice(atA, fromA), middleB.slice(atB, fromB));
        add(true, middleA.slice(fromA, toA), middleB.slice(fromB, toB));
        atA = toA;
        atB = toB;
    }
    add(false, middleA.slice(atA), middleB.slice(atB));
    add(true, a.slice(a.length - tail), b.slice(b.length - tail));
    return parts;
}

const splitWords = text => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

// Returns: the same of two lines, by words, where a and b are texts
export function diffWords(a, b) {
    return diffLists(splitWords(a), splitWords(b)).map(part => ({same: part.same, a: part.a.join(''), b: part.b.join('')}));
}
