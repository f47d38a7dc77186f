// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Messages in the language of the user, out of the catalogues of the program.

const RIGHT_TO_LEFT = ['ar', 'fa', 'he', 'ur', 'yi'];
const CATEGORIES = ['zero', 'one', 'two', 'few', 'many', 'other'];

let words = {};
let plurals = {};

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

// A message with a number, which {n} stands for.
export function ngettext(one, many, n, values = {}) {
    const rules = new Intl.PluralRules(language);
    const known = rules.resolvedOptions().pluralCategories;
    const forms = Object.hasOwn(plurals, one) ? plurals[one] : null;
    const number = new Intl.NumberFormat(language).format(n);

    if (!Array.isArray(forms) || forms.length === 0)
        return put(n === 1 ? one : many, {n: number, ...values});
    const index = CATEGORIES.filter(name => known.includes(name)).indexOf(rules.select(n));
    return put(forms[Math.min(index, forms.length - 1)], {n: number, ...values});
}

function put(message, values) {
    return message.replace(/\{(\w+)\}/g, (all, name) => Object.hasOwn(values, name) ? String(values[name]) : all);
}
