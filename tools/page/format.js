// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Numbers and times in the user's language.

import {_, language} from './words.js';

const cache = new Map();

function formatter(type, options) {
    const key = `${language} ${type.name} ${JSON.stringify(options)}`;

    if (!cache.has(key))
        cache.set(key, new type(language, options));
    return cache.get(key);
}

export function formatNumber(n) {
    return isNumber(n) ? formatter(Intl.NumberFormat, {maximumFractionDigits: 2}).format(n) : '';
}

// Few digits: "12.3K".
export function formatCount(n) {
    if (!isNumber(n))
        return '';
    const options = n < 10000 ? {} : {notation: 'compact', maximumFractionDigits: 1};

    return formatter(Intl.NumberFormat, options).format(n);
}

function formatUnit(n, unit, digits) {
    return formatter(Intl.NumberFormat, {style: 'unit', unit, unitDisplay: 'narrow', maximumFractionDigits: digits})
        .format(n);
}

// A time that something takes, in seconds.
export function formatDuration(seconds) {
    if (!isNumber(seconds))
        return '';
    if (seconds < 0.001)
        return seconds <= 0 ? formatUnit(0, 'millisecond', 0) : formatUnit(seconds * 1000, 'millisecond', 2);
    if (seconds < 0.9995)
        return formatUnit(seconds * 1000, 'millisecond', 0);
    if (seconds < 60)
        return formatUnit(seconds, 'second', seconds < 10 ? 2 : 1);
    if (seconds < 3600)
        return `${formatUnit(Math.floor(seconds / 60), 'minute', 0)} ${formatUnit(Math.floor(seconds % 60), 'second', 0)}`;
    return `${formatUnit(Math.floor(seconds / 3600), 'hour', 0)} ${formatUnit(Math.floor(seconds % 3600 / 60), 'minute', 0)}`;
}

// Dollars.
export function formatCost(dollars) {
    if (!isNumber(dollars))
        return '';
    const digits = dollars === 0 || dollars >= 1 ? 2 : dollars >= 0.01 ? 3 : 6;

    return formatter(Intl.NumberFormat, {
        style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol',
        minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: digits,
    }).format(dollars);
}

// The same with two digits that count, for where there is little room.
export function formatShortCost(dollars) {
    return isNumber(dollars) && dollars > 0 && dollars < 0.01
        ? formatter(Intl.NumberFormat, {style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol', maximumSignificantDigits: 2}).format(dollars)
        : formatCost(dollars);
}

export function formatPercent(share) {
    return isNumber(share) ? formatter(Intl.NumberFormat, {style: 'percent', maximumFractionDigits: 1}).format(share) : '';
}

export function formatBytes(n) {
    if (!isNumber(n))
        return '';
    const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
    let unit = 0;

    for (; n >= 1000 && unit < units.length - 1; unit++)
        n /= 1000;
    return formatter(Intl.NumberFormat, {style: 'unit', unit: units[unit], unitDisplay: 'narrow', maximumFractionDigits: 1})
        .format(n);
}

// Times of the service are in UTC, also if they do not say so. Returns: ms since 1970, or null
export function parseTime(text) {
    if (typeof text !== 'string' || text === '')
        return null;
    const time = Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);

    return Number.isNaN(time) ? null : time;
}

// When it was: the time if it is today, else with the date.
export function formatTime(time) {
    if (time === null || time === undefined)
        return '';
    const date = new Date(time);
    const today = new Date();
    const options = {hour: 'numeric', minute: '2-digit', second: '2-digit'};

    if (date.toDateString() !== today.toDateString())
        Object.assign(options, {month: 'short', day: 'numeric', second: undefined});
    if (date.getFullYear() !== today.getFullYear())
        Object.assign(options, {year: 'numeric'});
    return formatter(Intl.DateTimeFormat, options).format(date);
}

// All that is known of a time.
export function formatExactTime(time) {
    if (time === null || time === undefined)
        return '';
    return formatter(Intl.DateTimeFormat, {
        year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit',
        fractionalSecondDigits: 3, timeZoneName: 'short',
    }).format(new Date(time));
}

// The word for the status of a run.
export function nameStatus(status) {
    switch (status) {
    case 'error': return _('Error');
    case 'pending': return _('Running');
    default: return _('Success');
    }
}

export function isNumber(n) {
    return typeof n === 'number' && Number.isFinite(n);
}
