#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The modules of the page that need no browser: they read conversations and filters, and compare texts.

const {GLib} = imports.gi;

const FOLDER = GLib.build_filenamev([GLib.getenv('G_TEST_SRCDIR'), '..', 'tools', 'page']);
const load = name => import(GLib.filename_to_uri(GLib.canonicalize_filename(`${FOLDER}/${name}`, null), null));

function assertEqual(actual, expected) {
    const a = JSON.stringify(actual);
    const e = JSON.stringify(expected);
    if (a !== e)
        throw new Error(`${a} is not ${e}`);
}

// --- conversations

// Messages in short: who says what.
function shorten(messages) {
    return messages.map(({role, parts}) => [role, ...parts.map(part => {
        switch (part.kind) {
        case 'call': return `call ${part.id} ${part.name} ${JSON.stringify(part.args)}`;
        case 'result': return `${part.failed ? 'failure' : 'result'} ${part.id} ${JSON.stringify(part.value)}`;
        case 'image': return `image ${part.source}`;
        case 'data': return `data ${JSON.stringify(part.value)}`;
        default: return `${part.kind} ${part.text}`;
        }
    })]);
}

async function assertConversation(value, messages, rest = {}) {
    const {readConversation} = await load('conversation.js');
    const read = readConversation(value);

    if (read === null)
        throw new Error(`${JSON.stringify(value)} is no conversation`);
    assertEqual(shorten(read.messages), messages);
    assertEqual(read.rest, rest);
}

const tests = {
    async openaiChat() {
        await assertConversation({
            model: 'm',
            messages: [
                {role: 'developer', content: 'Be short.'},
                {role: 'user', content: [{type: 'text', text: 'Look'}, {type: 'image_url', image_url: {url: 'data:image/png;base64,AA=='}}]},
                {role: 'assistant', content: null, tool_calls: [{id: 'c1', type: 'function', function: {name: 'add', arguments: '{"a":1}'}}]},
                {role: 'tool', tool_call_id: 'c1', content: '2'},
            ],
        }, [
            ['system', 'text Be short.'], ['user', 'text Look', 'image data:image/png;base64,AA=='],
            ['assistant', 'call c1 add {"a":1}'], ['tool', 'result c1 "2"'],
        ], {model: 'm'});
        await assertConversation({choices: [{message: {role: 'assistant', content: 'Yes', reasoning_content: 'Hm'}}], id: 'x'},
            [['assistant', 'reasoning Hm', 'text Yes']], {id: 'x'});
    },

    async openaiResponses() {
        await assertConversation({
            instructions: 'Be short.',
            input: [
                {role: 'user', content: [{type: 'input_text', text: 'Add'}]}, {type: 'reasoning', summary: [{type: 'summary_text', text: 'So'}]},
                {type: 'function_call', call_id: 'c1', name: 'add', arguments: '{"a":1}'}, {type: 'function_call_output', call_id: 'c1', output: '2'},
            ],
        }, [
            ['system', 'text Be short.'], ['user', 'text Add'], ['assistant', 'reasoning So'], ['assistant', 'call c1 add {"a":1}'], ['tool', 'result c1 "2"'],
        ]);
        await assertConversation({output: [{type: 'message', role: 'assistant', content: [{type: 'output_text', text: 'Two'}]}]}, [['assistant', 'text Two']]);
    },

    async anthropic() {
        await assertConversation({
            system: [{type: 'text', text: 'Be short.'}],
            messages: [
                {role: 'assistant', content: [{type: 'thinking', thinking: 'Hm'}, {type: 'tool_use', id: 't1', name: 'add', input: {a: 1}}]},
                {role: 'user', content: [{type: 'tool_result', tool_use_id: 't1', content: 'no', is_error: true},
                    {type: 'image', source: {type: 'base64', media_type: 'image/jpeg', data: 'AAAA'}}]},
            ],
        }, [
            ['system', 'text Be short.'], ['assistant', 'reasoning Hm', 'call t1 add {"a":1}'],
            ['user', 'failure t1 "no"', 'image data:image/jpeg;base64,AAAA'],
        ]);
        await assertConversation({role: 'assistant', content: [{type: 'text', text: 'Two'}], usage: 3}, [['assistant', 'text Two']], {usage: 3});
    },

    async gemini() {
        await assertConversation({
            systemInstruction: {parts: [{text: 'Be short.'}]},
            contents: [
                {role: 'user', parts: [{text: 'Add'}, {inlineData: {mimeType: 'image/png', data: 'AA'}}]},
                {role: 'model', parts: [{text: 'Hm', thought: true}, {functionCall: {name: 'add', args: {a: 1}}}]},
                {role: 'user', parts: [{functionResponse: {name: 'add', response: {sum: 2}}}]},
            ],
        }, [
            ['system', 'text Be short.'], ['user', 'text Add', 'image data:image/png;base64,AA'],
            ['assistant', 'reasoning Hm', 'call add add {"a":1}'], ['user', 'result add {"sum":2}'],
        ]);
        await assertConversation({candidates: [{content: {role: 'model', parts: [{text: 'Two'}]}}]}, [['assistant', 'text Two']]);
    },

    async langchain() {
        const message = (name, kwargs) => ({lc: 1, type: 'constructor', id: ['langchain', 'schema', name], kwargs});

        await assertConversation({messages: [[
            message('SystemMessage', {content: 'Be short.'}), message('HumanMessage', {content: 'Add', type: 'human'}),
            message('AIMessage', {content: '', tool_calls: [{id: 'c1', name: 'add', args: {a: 1}}]}),
            message('ToolMessage', {content: '2', tool_call_id: 'c1', status: 'error'}),
        ]]}, [['system', 'text Be short.'], ['user', 'text Add'], ['assistant', 'call c1 add {"a":1}'], ['tool', 'failure c1 "2"']]);
        await assertConversation({generations: [[{text: 'x', message: message('AIMessageChunk', {content: 'Two'})}]]}, [['assistant', 'text Two']]);
        await assertConversation({output: {type: 'ai', content: 'Two'}}, [['assistant', 'text Two']]);
    },

    async noConversation() {
        const {readConversation} = await load('conversation.js');

        for (const value of [null, 'text', 3, [], {}, {question: 'x'}, {messages: 'x'}, {messages: [{a: 1}]}, {input: 'x'}, {output: [1]},
            {choices: []}, {type: 'object', properties: {}}])
            assertEqual(readConversation(value), null);
    },

    async resultsGoToTheirCalls() {
        const {matchResults, readConversation} = await load('conversation.js');
        const {messages} = readConversation({messages: [
            {role: 'tool', tool_call_id: 'c1', content: 'before its call'},
            {role: 'assistant', content: '', tool_calls: [{id: 'c1', function: {name: 'add', arguments: 'no JSON'}}, {id: 'c2', function: {name: 'add'}}]},
            {role: 'tool', tool_call_id: 'c1', content: '2'}, {role: 'tool', tool_call_id: 'c1', content: 'again'}, {role: 'user', content: 'Thanks'},
        ]});
        const {messages: left, results} = matchResults(messages);

        assertEqual(shorten(left), [
            ['tool', 'result c1 "before its call"'], ['assistant', 'call c1 add "no JSON"', 'call c2 add {}'], ['tool', 'result c1 "again"'],
            ['user', 'text Thanks'],
        ]);
        assertEqual([...results].map(([call, result]) => [call.id, result.value]), [['c1', '2']]);
    },

    // --- filters

    async filters() {
        const {makeRequest} = await load('filter.js');
        const ask = entries => makeRequest(queryOf(entries));

        assertEqual(ask([]), {order: 'newest'});
        assertEqual(ask([['status', 'error'], ['tokens', '10'], ['tokens-max', '20'], ['q', 'two words'], ['order', 'errors']]), {
            filter: 'and(eq(status, "error"), gte(total_tokens, 10), lte(total_tokens, 20))', search: 'two words', order: 'errors',
        });
        assertEqual(ask([['type', 'llm'], ['tag', 'a"b'], ['tag', 'c'], ['meta', 'user: ada:x'], ['meta', 'only']]), {
            tree_filter: 'and(eq(run_type, "llm"), has(tags, "a\\"b"), has(tags, "c"), ' +
                'and(eq(metadata_key, "user"), eq(metadata_value, "ada:x")), eq(metadata_key, "only"))', order: 'newest',
        });
        // What is no status and no number is no filter.
        assertEqual(ask([['status', 'x'], ['latency', '-1'], ['latency-max', 'x'], ['since', 'yesterday']]), {order: 'newest'});
    },

    async times() {
        const {readSince} = await load('filter.js');

        assertEqual(['15m', '24h', '7d', '7y', '', null].map(text => readSince(text, 1e12)), [
            new Date(1e12 - 900e3).toISOString(), new Date(1e12 - 86400e3).toISOString(), new Date(1e12 - 604800e3).toISOString(), null, null, null,
        ]);
    },

    // --- differences

    async differences() {
        const {diffLists, diffWords} = await load('diff.js');

        assertEqual(diffLists(['a', 'b', 'c', 'd'], ['a', 'x', 'c', 'd', 'e']), [
            {same: true, a: ['a'], b: ['a']}, {same: false, a: ['b'], b: ['x']}, {same: true, a: ['c', 'd'], b: ['c', 'd']},
            {same: false, a: [], b: ['e']},
        ]);
        assertEqual(diffLists([], []), []);
        assertEqual(diffWords('the red fox', 'the blue fox'), [
            {same: true, a: 'the ', b: 'the '}, {same: false, a: 'red', b: 'blue'}, {same: true, a: ' fox', b: ' fox'},
        ]);
    },

    // Any two lists are made of their parts again, and equal parts are equal.
    async differencesAreWhole() {
        const {diffLists} = await load('diff.js');
        let seed = 1;
        const random = n => {
            seed = seed * 1103515245 + 12345 & 0x7fffffff;
            return (seed >> 8) % n;
        };
        const makeList = () => Array.from({length: random(40)}, () => random(4));

        for (let i = 0; i < 500; i++) {
            const a = makeList();
            const b = makeList();
            const parts = diffLists(a, b);

            assertEqual(parts.flatMap(part => part.a), a);
            assertEqual(parts.flatMap(part => part.b), b);
            for (const part of parts.filter(one => one.same))
                assertEqual(part.a, part.b);
        }
    },

    async valuesAsText() {
        const {textOfValue} = await load('value-text.js');

        assertEqual(textOfValue({b: 'two\nlines', a: [1, {c: null}]}), 'a:\n  - 1\n  -\n    c: \nb: two\n  lines');
        assertEqual(textOfValue({messages: [{role: 'user', content: 'Hi'}], model: 'm'}), '[user]\nHi\nmodel: m');
    },

    // --- Markdown

    async markdownBlocks() {
        const {readMarkdown} = await load('markdown.js');
        const paragraph = text => ({kind: 'paragraph', text});
        const item = (blocks, checked = null) => ({checked, blocks});
        const list = (items, more) => ({kind: 'list', ordered: false, start: 1, isLoose: false, items, ...more});
        const assertBlocks = (text, ...blocks) => assertEqual(
            readMarkdown(text).map(({source, nLines, ...block}) => block), blocks);

        assertBlocks('# One\ntwo\nthree\r\n\r\n###### Six', {kind: 'heading', level: 1, text: 'One'}, paragraph('two\nthree'),
            {kind: 'heading', level: 6, text: 'Six'});
        assertBlocks('#no heading\n####### none', paragraph('#no heading\n####### none'));
        assertBlocks('a\n***\nb\n- - -\n--', paragraph('a'), {kind: 'rule'}, paragraph('b'), {kind: 'rule'}, paragraph('--'));
        // Tabs of code stay, and so does what looks like an end of another kind; an end may be missing.
        assertBlocks('```js x\n\tcode\n~~~\n\n# no\n```` \nafter', {kind: 'code', language: 'js x', text: '\tcode\n~~~\n\n# no'}, paragraph('after'));
        assertBlocks('~~~\nopen\n', {kind: 'code', language: '', text: 'open\n'});
        assertBlocks('> a\n>\n> > b\nc', {kind: 'quote', blocks: [paragraph('a'), {kind: 'quote', blocks: [paragraph('b')]}]}, paragraph('c'));
        assertBlocks('So:\n- a\n  more\n  1. b\n* c\n\nd', paragraph('So:'),
            list([item([paragraph('a\nmore'), list([item([paragraph('b')])], {ordered: true})])]), list([item([paragraph('c')])]), paragraph('d'));
        assertBlocks('3. a\n\n   ```\n     code\n   ```\n4. b', list([
            item([paragraph('a'), {kind: 'code', language: '', text: '  code'}]), item([paragraph('b')]),
        ], {ordered: true, start: 3, isLoose: true}));
        assertBlocks('- [ ] a\n- [X] b', list([item([paragraph('a')], false), item([paragraph('b')], true)]));
        // A sentence may begin a line with a number, and a dash alone is none.
        assertBlocks('in the year\n1986. A dash:\n-', paragraph('in the year\n1986. A dash:\n-'));
        assertBlocks('|a|b\\|c|\n|:-|:-:|\n|1|\n|2|3|4|\nend',
            {kind: 'table', align: ['left', 'center'], head: ['a', 'b|c'], rows: [['1', ''], ['2', '3 | 4']]}, paragraph('end'));
        assertBlocks('a | b\nc', paragraph('a | b\nc'));
    },

    async markdownLines() {
        const {readLine} = await load('markdown.js');
        const assertLine = (text, ...parts) => assertEqual(readLine(text), parts);
        const strong = (...parts) => ({kind: 'strong', parts});
        const emphasis = (...parts) => ({kind: 'emphasis', parts});
        const link = (address, ...parts) => ({kind: 'link', address, source: address, parts});

        assertLine('a **b _c_** ~~d~~', 'a ', strong('b ', emphasis('c')), ' ', {kind: 'strike', parts: ['d']});
        assertLine('***a*** *b **c** d* *e**f**g*', strong(emphasis('a')), ' ', emphasis('b ', strong('c'), ' d'), ' ', emphasis('e', strong('f'), 'g'));
        assertLine('2*3*4 * 5 snake_case_name ~a~ f(*args)', '2*3*4 * 5 snake_case_name ~a~ f(', '*', 'args)');
        assertLine('__init__.py, __so__ and __all of it__', '__init__.py, __so__ and ', strong('all of it'));
        assertLine('**open *and* \\*no\\* \\q', '**', 'open ', emphasis('and'), ' *no* \\q');
        assertLine('`a*b*` `` `c` `` `open', {kind: 'code', text: 'a*b*'}, ' ', {kind: 'code', text: '`c`'}, ' `open');
        assertLine('[a *b*](https://c.de/f_(g) "title"), [h](ftp://i)', link('https://c.de/f_(g)', 'a ', emphasis('b')), ', [h](ftp://i)');
        assertLine('(https://a.de/b_(c)). <http://d> xhttp://e', '(', link('https://a.de/b_(c)', 'https://a.de/b_(c)'), '). ', link('http://d', 'http://d'), ' xhttp://e');
        assertLine('[https://a.de](https://b.de)', link('https://b.de', 'https://a.de'));
        assertLine('![a](https://b.de/c.png)', {kind: 'image', address: 'https://b.de/c.png', source: 'https://b.de/c.png', label: 'a'});
        for (const bad of ['javascript:alert(1)', 'data:text/html,x', '//a.de', '/own', 'file:///a', 'https://a@b.de', 'java\tscript:a', 'https:\\\\a.de'])
            assertLine(`[a](${bad})`, ...bad === 'https:\\\\a.de' ? ['[a](https:\\a.de)'] : [`[a](${bad})`]);
    },

    // Were anything searched for twice, one of these would take minutes.
    async markdownOfAttacksIsQuick() {
        const {hasMarkup, readLine, readMarkdown} = await load('markdown.js');
        const read = blocks => blocks.forEach(block => {
            if (block.text !== undefined)
                readLine(block.text);
            read(block.blocks ?? []);
            block.items?.forEach(one => read(one.blocks));
            block.rows?.flat().forEach(readLine);
        });

        for (const piece of ['*[', '[', '[](', '[](http://', '![', '[a](<', '`', '``` `', '**a ', '*a_b~~', '_*', '<http://', 'http://', '> ', '> - ',
            '- ', '- a\n', '\n- a\n\n', '    - x\n', '| a ', '|a|b|\n|-|-|\n', '```\n', '\\', '  ', '*a _b **c __d ~~e ', '__a', '__a_', '[x](http://a()', '[](http://a "']) {
            const blocks = readMarkdown(piece.repeat(Math.ceil(400000 / piece.length)));

            read(blocks);
            hasMarkup(blocks);
        }
    },

    // --- words

    async hiddenCharacters() {
        const {cut, toLine} = await load('plain-text.js');

        assertEqual(toLine('  a\r\n\tb \u202egnp.exe\u2066\u200b\u001b[31m\u{e0041} '), 'a b ⟨U+202E⟩gnp.exe⟨U+2066⟩⟨U+200B⟩⟨U+001B⟩[31m⟨U+E0041⟩');
        // What joins letters and emoji is no sign.
        assertEqual(toLine('👩\u200d💻 \u0646\u200c\u06cc'), '👩\u200d💻 \u0646\u200c\u06cc');
        assertEqual([null, undefined, 3].map(toLine), ['', '', '3']);
        assertEqual([cut('abcdef', 3), cut('abc', 3)], ['abc…', 'abc']);
    },

    async messages() {
        const {_, ngettext} = await load('words.js');

        assertEqual(_('{name} is {unknown}', {name: '{name}'}), '{name} is {unknown}');
        assertEqual([1, 2, 0].map(n => ngettext('{n} run', '{n} runs', n)), ['1 run', '2 runs', '0 runs']);
    },

    async numbers() {
        const {formatCost, formatDuration, formatShortCost, parseTime} = await load('format.js');

        assertEqual([0, 0.0123, 0.9999, 1.234, 59.94, 61, 3720, null].map(formatDuration), ['0ms', '12ms', '1s', '1.23s', '59.9s', '1m 1s', '1h 2m', '']);
        assertEqual([0, 0.0000123, 0.0234, 12.5, undefined].map(formatCost), ['$0.00', '$0.000012', '$0.023', '$12.50', '']);
        assertEqual([0, 0.0000123, 0.004258, 0.0234, 12.5, undefined].map(formatShortCost), ['$0.00', '$0.000012', '$0.0043', '$0.023', '$12.50', '']);
        // Times without a zone are in UTC.
        assertEqual(parseTime('2024-01-01T00:00:00.5'), parseTime('2024-01-01T01:00:00.500+01:00'));
        assertEqual([parseTime(null), parseTime('soon')], [null, null]);
    },

    // --- trees

    async trees() {
        const {TraceModel} = await load('trace-model.js');
        const model = new TraceModel();
        const run = (id, parent, second, more) => ({
            id, parent, name: id, status: 'success', start_time: `2024-01-01T00:00:0${second}Z`, end_time: `2024-01-01T00:00:0${second + 1}Z`, ...more,
        });
        const rows = () => model.flatten().map(row => `${row.depth}${row.run.id}${row.open === null ? '' : row.open ? '-' : '+'}`);

        model.merge([run('a', null, 0, {status: 'error'}), run('c', 'a', 2, {status: 'error'}), run('b', 'a', 1), run('lost', 'nowhere', 3)]);
        assertEqual(rows(), ['0a-', '1b', '1c', '0lost']);
        assertEqual(model.findError().id, 'c');
        model.setOpen('a', false);
        assertEqual(rows(), ['0a+', '0lost']);
        model.merge([run('d', 'c', 4), run('nowhere', 'a', 3)]);
        assertEqual(rows(), ['0a+']);
        model.reveal('d');
        assertEqual(rows(), ['0a-', '1b', '1c-', '2d', '1nowhere-', '2lost']);
        model.root = 'c';
        assertEqual(rows(), ['0c-', '1d']);
        assertEqual(model.range().end - model.range().start, 3000);
        model.replace([run('a', null, 0)]);
        assertEqual(rows(), ['0a']);
    },
};

// GJS has no URLSearchParams.
function queryOf(entries) {
    const getAll = name => entries.filter(entry => entry[0] === name).map(entry => entry[1]);

    return {getAll, get: name => getAll(name)[0] ?? null, has: name => getAll(name).length > 0};
}

const loop = new GLib.MainLoop(null, false);
let failed = false;

async function main() {
    print(`1..${Object.keys(tests).length}`);
    for (const [index, [name, test]] of Object.entries(tests).entries()) {
        try {
            // eslint-disable-next-line no-await-in-loop
            await test();
            print(`ok ${index + 1} ${name}`);
        } catch (e) {
            print(`# ${e}\n# ${(e.stack ?? '').trim().split('\n').join('\n# ')}`);
            print(`not ok ${index + 1} ${name}`);
            failed = true;
        }
    }
}

main().finally(() => loop.quit());
loop.run();
imports.system.exit(failed ? 1 : 0);
