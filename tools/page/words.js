// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Messages in the language of the user, out of the catalogues of the program.

const RIGHT_TO_LEFT = ['ar', 'fa', 'he', 'ur', 'yi'];

let words = {};
let plurals = {};
let forms = '01';

export let language = 'en';

// Asks the service for the messages. Without an answer, they are in English.
export async function loadWords() {
    const wanted = new URLSearchParams(location.search).get('lang');
    const query = wanted ? `?lang=${encodeURIComponent(wanted)}` : '';

    try {
        const response = await fetch(`/page-data/words${query}`);
        const answer = response.ok ? await response.json() : {};

        words = answer.words ?? {};
        plurals = answer.plurals ?? {};
        forms = answer.forms ?? '01';
        language = Intl.getCanonicalLocales((answer.lang ?? 'en').replace('_', '-'))[0] ?? 'en';
    } catch {
        language = 'en';
    }
    document.documentElement.lang = language;
    if (RIGHT_TO_LEFT.includes(language.split('-')[0]))
        document.documentElement.dir = 'rtl';
}

// A message. The words in braces, as in "{name} is away", stand for the members of values.
export function _(message, values = {}) {
    return put(Object.hasOwn(words, message) ? words[message] : message, values);
}

// A message with a number, which {n} stands for. The catalogue tells by a digit for each number up to 199 which
// form of the message it takes; larger numbers take that of their last two digits.
export function ngettext(one, many, n, values = {}) {
    const translated = Object.hasOwn(plurals, one) ? plurals[one] : null;
    const number = new Intl.NumberFormat(language).format(n);
    const form = translated?.[Number(forms[n < 200 ? n : 100 + n % 100] ?? 0)];

    return put(form ?? (n === 1 ? one : many), {n: number, ...values});
}

function put(message, values) {
    return message.replace(/\{(\w+)\}/g, (all, name) => Object.hasOwn(values, name) ? String(values[name]) : all);
}
