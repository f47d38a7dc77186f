#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the override for GJS takes to make JSON of a value, beside JSON.stringify(). From the top
// of the sources:
//
//   gjs bench/gjs-values.js

const {Gio, GLib} = imports.gi;

const [, source] = Gio.File.new_for_path('bindings/gjs/overrides/Lsobs.js').load_contents(null);
const {toText} = new Function(`${new TextDecoder().decode(source)}; return {toText};`)();

const range = n => Array.from({length: n}, (_, i) => i);
const messages = n => range(n).map(i => ({role: 'user', content: `message ${i} `.repeat(20), n: i, tags: ['a', 'b']}));
let deep = {leaf: 1};
for (const i of range(90))
    deep = {i, deep};

// name, value, and what JSON.stringify() is given instead where it knows no such value
const values = [
    ['1000 messages', messages(1000)],
    ['100,000 numbers', range(100000)],
    ['100,000 small objects', range(100000).map(i => ({i}))],
    ['1 MiB of text', 'x'.repeat(1 << 20)],
    ['objects 90 deep, 100 times', range(100).map(() => deep)],
    ['1000 messages in a Map', new Map(range(1000).map(i => [`k${i}`, messages(1)[0]])), Object.fromEntries(range(1000).map(i => [`k${i}`, messages(1)[0]]))],
    ['a Set of 100,000 numbers', new Set(range(100000)), range(100000)],
    ['10,000 dates', range(10000).map(i => new Date(i))],
    ['100,000 numbers in a GVariant', new GLib.Variant('au', range(100000)), range(100000)],
    ['1000 errors', range(1000).map(i => new Error(`e${i}`)), range(1000).map(i => ({name: 'Error', message: `e${i}`, stack: new Error().stack}))],
    ['10,000 class instances', range(10000).map(i => new (class Point {
        x = i;
        y = i;
    })())],
    ['1 MiB of bytes', {data: new Uint8Array(1 << 20)}, {data: '<1048576 bytes>'}],
    ['1 MiB of GLib.Bytes', {data: new GLib.Bytes(new Uint8Array(1 << 20))}, {data: '<1048576 bytes>'}],
    ['1 MiB in a GVariant', new GLib.Variant('ay', new Uint8Array(1 << 20)), '<1048576 bytes>'],
];

// the best of several, in ms
function measure(encode, value) {
    const times = range(7).map(() => {
        const start = GLib.get_monotonic_time();
        encode(value);
        return GLib.get_monotonic_time() - start;
    });
    return Math.min(...times) / 1000;
}

print('value                          lsobs ms   JSON ms   ratio');
for (const [name, value, instead] of values) {
    const ours = measure(toText, value);
    const theirs = measure(JSON.stringify, instead ?? value);
    print(`${name.padEnd(30)} ${ours.toFixed(3).padStart(8)} ${theirs.toFixed(3).padStart(9)} ${(ours / Math.max(theirs, 0.001)).toFixed(1).padStart(7)}`);
}
