#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tiny agent, traced.

It looks into its notes, asks a model, calls the tools that the model wants, one of which
is out of order, and asks again. Model and tools are scripted, so that no network is needed.
The same agent is in tiny-agent.c, tiny-agent.vala and tiny-agent.js.

    LANGSMITH_TRACING=true LANGSMITH_API_KEY=... python3 tiny-agent.py

LANGSMITH_PROJECT and LANGSMITH_ENDPOINT say where the trace goes. Without LANGSMITH_TRACING
the program runs just the same, and sends nothing.
"""

import sys

import gi

gi.require_version('Lsobs', '1.0')
# pylint: disable=wrong-import-position
from gi.repository import GLib, Lsobs

QUESTION = 'Do I need an umbrella in Ålesund today?'

PARAMS = {'model': 'scripted-1', 'temperature': 0, 'max_tokens': 100}

ANSWERS = iter([
    {'message': {'role': 'assistant', 'content': '', 'tool_calls': [
        {'id': 'call-1', 'name': 'weather_station', 'args': {'city': 'Ålesund'}},
        {'id': 'call-2', 'name': 'rain_radar', 'args': {'city': 'Ålesund', 'hours': 12}}]},
     'usage': {'input_tokens': 48, 'output_tokens': 21, 'total_tokens': 69}},
    {'message': {'role': 'assistant', 'content': 'Yes: 4.2 mm of rain are on their way.'},
     'usage': {'input_tokens': 93, 'output_tokens': 12, 'total_tokens': 105}},
])


class StationError(Exception):
    """The weather station is out of order."""


# Each call of a decorated function is a run: its arguments are the inputs, its value the
# outputs. It is below the block, or the function, that it is called from.

@Lsobs.traced(run_type='retriever', name='notes')
def search_notes(query):  # pylint: disable=unused-argument
    return {'documents': [{'type': 'Document',
                           'page_content': 'In Ålesund it rains on two days of three.',
                           'metadata': {'source': 'weather.txt'}}]}


# An exception fails the run, and goes on to the caller.
@Lsobs.traced(run_type='tool')
def weather_station(city):
    raise StationError(f'the station in {city} does not answer')


@Lsobs.traced(run_type='tool')
def rain_radar(city, hours):  # pylint: disable=unused-argument
    return {'millimetres': 4.2}


TOOLS = {'weather_station': weather_station, 'rain_radar': rain_radar}


@Lsobs.traced(run_type='llm', name='model')
def ask_model(messages):  # pylint: disable=unused-argument
    answer = next(ANSWERS)
    run = Lsobs.get_current_run()
    # LangSmith counts tokens and costs by these three ...
    run.set_model('example', PARAMS['model'])
    run.set_invocation_params(PARAMS)
    run.set_usage_metadata(Lsobs.Usage.new_from_json(answer))
    # ... and the time to the first token by the first event of this name.
    run.add_event('new_token')
    return answer


def call_tool(call):
    """Call a tool; the model is told of an error, and the agent goes on."""
    try:
        return TOOLS[call['name']](**call['args'])
    except StationError as problem:
        return {'error': str(problem)}


def answer_question(question):
    document = search_notes(question)['documents'][0]
    messages = [{'role': 'system', 'content': document['page_content']},
                {'role': 'user', 'content': question}]
    while True:
        message = ask_model(messages)['message']
        if 'tool_calls' not in message:
            return message['content']
        messages.append(message)
        messages += [{'role': 'tool', 'content': call_tool(call), 'tool_call_id': call['id']}
                     for call in message['tool_calls']]


# A block is a run as well. Traces with one thread id are one conversation in LangSmith.
with Lsobs.run('tiny-agent', {'question': QUESTION}, tags=['weather'],
               metadata={'app_version': '1.0', 'thread_id': 'conversation-1'}) as trace:
    trace.outputs = {'answer': answer_question(QUESTION)}
print(trace.outputs['answer'])

# What the user says of the answer may come long after it.
trace.add_feedback('user_score', 1, 'Good that I took one along.')

observer = Lsobs.get_default_observer()
try:
    if observer.get_tracing_enabled():
        observer.flush()
        config = Lsobs.Config.new_from_environment()
        print(f'Traced: project {config.get_project_name()} at {config.get_api_url()}.', file=sys.stderr)
    else:
        print('Not traced: LANGSMITH_TRACING is not on.', file=sys.stderr)
except GLib.Error as problem:
    print(f'Not traced: {problem.message}', file=sys.stderr)
