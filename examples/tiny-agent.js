#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A tiny agent, traced: it looks into its notes, asks a model, calls the tools that the
// model wants, one of which is out of order, and asks again. Model and tools are scripted,
// so that no network is needed. The same agent is in tiny-agent.c, tiny-agent.vala and
// tiny-agent.py.
//
//   LANGSMITH_TRACING=true LANGSMITH_API_KEY=... gjs -m tiny-agent.js
//
// LANGSMITH_PROJECT and LANGSMITH_ENDPOINT say where the trace goes. Without
// LANGSMITH_TRACING the program runs just the same, and sends nothing.

import Lsobs from 'gi://Lsobs?version=1.0';

const QUESTION = 'Do I need an umbrella in Ålesund today?';
const FLUSH_TIMEOUT_MS = 5000;

const PARAMS = {model: 'scripted-1', temperature: 0, max_tokens: 100};

const ANSWERS = [
    {
        message: {
            role: 'assistant', content: '', tool_calls: [
                {id: 'call-1', name: 'weather_station', args: {city: 'Ålesund'}},
                {id: 'call-2', name: 'rain_radar', args: {city: 'Ålesund', hours: 12}},
            ],
        },
        usage: {input_tokens: 48, output_tokens: 21, total_tokens: 69},
    },
    {
        message: {role: 'assistant', content: 'Yes: 4.2 mm of rain are on their way.'},
        usage: {input_tokens: 93, output_tokens: 12, total_tokens: 105},
    },
];

class StationError extends Error {
    name = 'StationError';
}

const tools = {
    async weather_station({city}) {
        throw new StationError(`the station in ${city} does not answer`);
    },
    async rain_radar() {
        return {millimetres: 4.2};
    },
};

const NOTES = {
    documents: [{
        type: 'Document', page_content: 'In Ålesund it rains on two days of three.',
        metadata: {source: 'weather.txt'},
    }],
};

// run.run() starts a run below another, with the function that is its work: what it returns are
// the outputs of the run, and what it throws fails the run, and goes on. Each function is given
// the run that it belongs to, as the engine does not tell whose turn it is after an await.

async function askModel(parent, messages, turn) {
    return parent.run('model', {messages}, async run => {
        const answer = ANSWERS[turn];
        // LangSmith counts tokens and costs by these three ...
        run.set_model('example', PARAMS.model);
        run.set_invocation_params(PARAMS);
        run.set_usage_metadata(Lsobs.Usage.new_from_json(answer));
        // ... and the time to the first token by the first event of this name.
        run.add_event('new_token');
        return answer;
    }, {runType: 'llm'});
}

// The model is told of an error, and the agent goes on.
async function callTool(parent, {name, args}) {
    try {
        return await parent.run(name, args, () => tools[name](args), {runType: 'tool'});
    } catch (error) {
        return {error: error.message};
    }
}

async function answerQuestion(run, question) {
    const {documents} = await run.run('notes', {query: question}, async () => NOTES, {runType: 'retriever'});
    const messages = [
        {role: 'system', content: documents[0].page_content},
        {role: 'user', content: question},
    ];
    for (let turn = 0; ; turn++) {
        const {message} = await askModel(run, messages, turn);
        if (!message.tool_calls)
            return {answer: message.content};
        messages.push(message);
        for (const call of message.tool_calls)
            messages.push({role: 'tool', content: await callTool(run, call), tool_call_id: call.id});
    }
}

// Traces with one thread id are one conversation in LangSmith.
const root = Lsobs.start_run('tiny-agent', {question: QUESTION},
    {tags: ['weather'], metadata: {app_version: '1.0'}, threadId: 'conversation-1'});
const {answer} = await root.wrap(run => answerQuestion(run, QUESTION));
print(answer);

// What the user says of the answer may come long after it.
root.add_feedback('user_score', 1, 'Good that I took one along.');

const observer = Lsobs.get_default_observer();
try {
    if (observer.get_tracing_enabled()) {
        await observer.flush_async(FLUSH_TIMEOUT_MS, null);
        const config = Lsobs.Config.new_from_environment();
        printerr(`Traced: project ${config.get_project_name()} at ${config.get_api_url()}.`);
    } else {
        printerr('Not traced: LANGSMITH_TRACING is not on.');
    }
} catch (error) {
    printerr(`Not traced: ${error.message}`);
}
