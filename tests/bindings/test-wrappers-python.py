#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of model services that are wrapped. The packages are not needed: see model_doubles.py."""

import asyncio
import copy
import gc
import inspect
import json
import sys

import model_doubles
import python_helpers
from python_helpers import assert_raises, get_sent, new_observer

# pylint: disable=wrong-import-position
from gi.repository import Lsobs

MESSAGES = [{'role': 'user', 'content': 'How is the weather?'}]

TOOLS = [{'type': 'function', 'function': {'name': 'weather', 'parameters': {'type': 'object'}}}]

CHAT = {'id': 'c-1', 'object': 'chat.completion', 'model': 'gpt-x-1',
        'choices': [{'index': 0, 'finish_reason': 'stop',
                     'message': {'role': 'assistant', 'content': 'It rains.'}}],
        'usage': {'prompt_tokens': 5, 'completion_tokens': 3, 'total_tokens': 8}}


def chunk(delta, reason=None):
    return {'id': 'c-1', 'object': 'chat.completion.chunk', 'model': 'gpt-x-1',
            'choices': [{'index': 0, 'delta': delta, 'finish_reason': reason}]}


CHAT_STREAM = [chunk({'role': 'assistant', 'content': 'It '}), chunk({'content': 'rains.'}),
               chunk({'tool_calls': [{'index': 0, 'id': 't-1', 'type': 'function',
                                      'function': {'name': 'weather', 'arguments': '{"city": '}}]}),
               chunk({'tool_calls': [{'index': 0, 'function': {'arguments': '"Oslo"}'}}]}),
               chunk({}, 'tool_calls'),
               {'id': 'c-1', 'object': 'chat.completion.chunk', 'model': 'gpt-x-1', 'choices': [],
                'usage': {'prompt_tokens': 5, 'completion_tokens': 3, 'total_tokens': 8}}]

RESPONSE = {'id': 'r-1', 'object': 'response', 'status': 'completed', 'model': 'gpt-x-1',
            'output': [{'type': 'message', 'role': 'assistant', 'status': 'completed', 'id': 'm-1',
                        'content': [{'type': 'output_text', 'text': 'It rains.', 'annotations': []}]}],
            'usage': {'input_tokens': 5, 'output_tokens': 3, 'total_tokens': 8}}

RESPONSE_STREAM = [{'type': 'response.created', 'response': {**RESPONSE, 'status': 'in_progress', 'output': []}},
                   {'type': 'response.output_text.delta', 'output_index': 0, 'content_index': 0,
                    'item_id': 'm-1', 'delta': 'It rains.'},
                   {'type': 'response.completed', 'response': RESPONSE}]

MESSAGE = {'id': 'msg-1', 'type': 'message', 'role': 'assistant', 'model': 'claude-x-1',
           'content': [{'type': 'text', 'text': 'It rains.'}], 'stop_reason': 'end_turn',
           'usage': {'input_tokens': 5, 'output_tokens': 3}}

MESSAGE_STREAM = [
    {'type': 'message_start', 'message': {**MESSAGE, 'content': [], 'stop_reason': None,
                                          'usage': {'input_tokens': 5, 'output_tokens': 1}}},
    {'type': 'content_block_start', 'index': 0, 'content_block': {'type': 'text', 'text': ''}},
    {'type': 'content_block_delta', 'index': 0, 'delta': {'type': 'text_delta', 'text': 'It '}},
    {'type': 'content_block_delta', 'index': 0, 'delta': {'type': 'text_delta', 'text': 'rains.'}},
    {'type': 'content_block_stop', 'index': 0},
    {'type': 'message_delta', 'delta': {'stop_reason': 'end_turn'}, 'usage': {'output_tokens': 3}},
    {'type': 'message_stop'}]

OLLAMA = {'model': 'llama-x', 'message': {'role': 'assistant', 'content': 'It rains.'}, 'done': True,
          'done_reason': 'stop', 'prompt_eval_count': 5, 'eval_count': 3}

OLLAMA_STREAM = [{'model': 'llama-x', 'message': {'role': 'assistant', 'content': 'It '}, 'done': False},
                 {**OLLAMA, 'message': {'role': 'assistant', 'content': 'rains.'}}]


def candidate(text, **more):
    return {'candidates': [{'content': {'role': 'model', 'parts': [{'text': text}]}, **more}],
            'modelVersion': 'gemini-x-1'}


USAGE = {'promptTokenCount': 5, 'candidatesTokenCount': 3, 'totalTokenCount': 8}
GENAI = {**candidate('It rains.', finishReason='STOP'), 'usageMetadata': USAGE}
GENAI_STREAM = [candidate('It '), {**candidate('rains.', finishReason='STOP'), 'usageMetadata': USAGE}]


class Fixture:
    """A wrapped client, and what is sent."""

    def __init__(self, client, wrap, **options):
        self.observer, self.transport = new_observer()
        self.client = wrap(client, observer=self.observer, **options)
        assert self.client is client

    def answer(self, *answers):
        self.client.answers.extend(answers)

    def take(self):
        """The only run that was sent."""
        sent = get_sent(self.observer, self.transport)
        assert len(sent) == 1, [run.name for run in sent]
        return sent[0]


def assert_complete(run, name, text='It rains.'):
    """A call whose answer has come to its end."""
    assert run.name == name and run.type == 'llm' and run.error is None, (run.name, run.type, run.error)
    assert text in json.dumps(run.outputs), run.outputs
    usage = run.metadata['usage_metadata']
    assert (usage['input_tokens'], usage['output_tokens']) == (5, 3), usage


def assert_streamed(run, name):
    assert [event['name'] for event in run.events] == ['new_token']
    assert_complete(run, name, 'It rains.')


# --- openai ------------------------------------------------------------------------------------------

def test_openai():
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai, tags=['t'], metadata={'k': 1})
    completions = fixture.client.chat.completions
    fixture.answer(CHAT)
    with fixture.observer.run('outer') as outer:
        answer = completions.create(model='gpt-x', messages=MESSAGES, tools=TOOLS, temperature=0.5,
                                    extra_headers={'Authorization': 'secret-header'}, timeout=7,
                                    extra_body={'top_k': 3})
    assert answer.choices[0].message.content == 'It rains.'
    run = next(run for run in get_sent(fixture.observer, fixture.transport) if run.name != 'outer')
    assert_complete(run, 'chat gpt-x')
    assert run.parent_id == outer.dup_id()
    assert run.inputs['messages'] == MESSAGES and run.inputs['tools'] == TOOLS
    assert run.outputs['choices'][0]['message']['content'] == 'It rains.'
    assert run.metadata['ls_provider'] == 'openai' and run.metadata['ls_model_name'] == 'gpt-x'
    assert run.metadata['ls_temperature'] == 0.5 and run.metadata['request_id'] == 'req-1'
    assert run.tags == ['t'] and run.metadata['k'] == 1
    assert 'secret' not in json.dumps([run.inputs, run.extra])
    # and the client gets what it was given
    assert fixture.client.requests[0]['extra_headers'] == {'Authorization': 'secret-header'}
    assert fixture.client.models.list() == ['m'] and fixture.client.api_key == 'sk-secret-key'


def test_openai_values():
    """Messages may be objects of the package, and an argument may be left out."""
    class NotGiven:
        pass

    class Person:
        @classmethod
        def model_json_schema(cls):
            return {'title': 'Person'}

    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    fixture.answer(CHAT, CHAT)
    message = fixture.client.chat.completions.create(model='gpt-x', messages=MESSAGES).choices[0].message
    fixture.take()
    fixture.client.chat.completions.parse(model='gpt-x', messages=MESSAGES + [message],
                                          response_format=Person, seed=NotGiven())
    run = fixture.take()
    assert_complete(run, 'chat gpt-x')
    assert run.inputs['messages'][1]['content'] == 'It rains.'
    text = json.dumps([run.inputs, run.extra])
    assert 'seed' not in text and 'NotGiven' not in text


def test_openai_stream():
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    completions = fixture.client.chat.completions
    fixture.answer(CHAT_STREAM, CHAT_STREAM, CHAT_STREAM)
    stream = completions.create(model='gpt-x', messages=MESSAGES, stream=True)
    assert isinstance(stream, model_doubles.Stream)
    chunks = list(stream)
    assert len(chunks) == 6 and chunks[1].choices[0].delta.content == 'rains.'
    run = fixture.take()
    assert_streamed(run, 'chat gpt-x')
    assert run.metadata['request_id'] == 'req-http'
    message = run.outputs['choices'][0]['message']
    assert message['tool_calls'][0]['function'] == {'name': 'weather', 'arguments': '{"city": "Oslo"}'}
    # step by step
    stream = completions.create(model='gpt-x', messages=MESSAGES, stream=True)
    assert next(stream).choices[0].delta.content == 'It '
    assert len(list(stream)) == 5
    assert_streamed(fixture.take(), 'chat gpt-x')
    # a block that is left early
    with completions.create(model='gpt-x', messages=MESSAGES, stream=True) as stream:
        next(stream)
    run = fixture.take()
    assert run.error == 'Incomplete answer' and 'It ' in json.dumps(run.outputs)
    assert fixture.client.n_closed > 0


def test_openai_stream_ends():
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    completions = fixture.client.chat.completions
    # let go of
    fixture.answer(CHAT_STREAM)
    stream = completions.create(model='gpt-x', messages=MESSAGES, stream=True)
    next(stream)
    del stream
    gc.collect()
    assert fixture.take().error == 'Incomplete answer'
    # an error in the middle
    fixture.answer(CHAT_STREAM[:2] + [ConnectionError('reset')])
    stream = completions.create(model='gpt-x', messages=MESSAGES, stream=True)
    assert_raises(ConnectionError, list, stream)
    run = fixture.take()
    assert run.error == 'ConnectionError: reset' and 'rains.' in json.dumps(run.outputs)
    # cancelled
    fixture.answer(CHAT_STREAM[:2] + [KeyboardInterrupt()])
    stream = completions.create(model='gpt-x', messages=MESSAGES, stream=True)
    assert_raises(KeyboardInterrupt, list, stream)
    run = fixture.take()
    assert run.error == 'Cancelled' and run.metadata['cancelled'] is True


def test_openai_errors():
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    problem = model_doubles.StatusError('Error code: 429', 429,
                                        {'message': 'Slow down', 'type': 'rate_limit_error'})
    fixture.answer(problem, OSError('no route'))
    assert assert_raises(model_doubles.StatusError, fixture.client.chat.completions.create,
                         model='gpt-x', messages=MESSAGES) is problem
    run = fixture.take()
    assert run.error == 'HTTP 429: Slow down' and run.metadata['http_status'] == 429
    assert run.metadata['error_type'] == 'rate_limit_error' and run.metadata['request_id'] == 'req-error'
    assert_raises(OSError, fixture.client.chat.completions.create, model='gpt-x', messages=MESSAGES)
    assert fixture.take().error == 'OSError: no route'
    # a call that the client refuses
    assert_raises(TypeError, fixture.client.chat.completions.create, MESSAGES)
    assert fixture.take().error.startswith('TypeError: ')


def test_openai_helpers():
    """A stream that is a block is one call, though it is made by create()."""
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    fixture.answer(CHAT_STREAM, CHAT_STREAM, RESPONSE_STREAM)
    with fixture.client.chat.completions.stream(model='gpt-x', messages=MESSAGES) as stream:
        assert isinstance(stream, model_doubles.HelperStream)
        assert [event.type for event in stream] == ['chunk'] * 6
    assert_streamed(fixture.take(), 'chat gpt-x')

    def fail():
        with fixture.client.chat.completions.stream(model='gpt-x', messages=MESSAGES) as stream:
            next(stream)
            raise ValueError('mine')

    assert_raises(ValueError, fail)
    run = fixture.take()
    assert run.error == 'ValueError: mine' and 'It ' in json.dumps(run.outputs)
    with fixture.client.responses.stream(model='gpt-x', input='How is the weather?') as stream:
        assert stream.get_final() == 'final'
    assert_streamed(fixture.take(), 'chat gpt-x')


def test_openai_raw():
    client = model_doubles.OpenAI()
    # the client has made it of the method as it was
    client.chat.completions.with_raw_response  # pylint: disable=pointless-statement
    fixture = Fixture(client, Lsobs.wrap_openai)
    fixture.answer(CHAT, CHAT_STREAM, CHAT, CHAT_STREAM)
    raw = client.chat.completions.with_raw_response.create(model='gpt-x', messages=MESSAGES)
    assert raw.status_code == 200 and raw.parse().choices[0].message.content == 'It rains.'
    assert_complete(fixture.take(), 'chat gpt-x')
    raw = client.chat.completions.with_raw_response.create(model='gpt-x', messages=MESSAGES, stream=True)
    assert len(list(raw.parse())) == 6
    assert_streamed(fixture.take(), 'chat gpt-x')
    streaming = client.chat.completions.with_streaming_response
    with streaming.create(model='gpt-x', messages=MESSAGES) as response:
        assert response.parse().choices[0].message.content == 'It rains.'
    assert_complete(fixture.take(), 'chat gpt-x')
    with streaming.create(model='gpt-x', messages=MESSAGES, stream=True) as response:
        assert len(list(response.parse())) == 6
    assert_streamed(fixture.take(), 'chat gpt-x')


def test_openai_responses():
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    fixture.answer(RESPONSE, RESPONSE_STREAM)
    fixture.client.responses.create(model='gpt-x', input='How is the weather?')
    assert_complete(fixture.take(), 'chat gpt-x')
    list(fixture.client.responses.create(model='gpt-x', input='How is the weather?', stream=True))
    assert_streamed(fixture.take(), 'chat gpt-x')


def test_openai_embeddings():
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    fixture.answer({'object': 'list', 'model': 'emb-x', 'usage': {'prompt_tokens': 4, 'total_tokens': 4},
                    'data': [{'object': 'embedding', 'index': 0, 'embedding': [0.123456] * 64}]})
    fixture.client.embeddings.create(model='emb-x', input='text')
    run = fixture.take()
    assert run.type == 'embedding' and run.error is None, (run.type, run.error)
    assert '0.123456' not in json.dumps(run.outputs)


def test_openai_async():
    fixture = Fixture(model_doubles.AsyncOpenAI(), Lsobs.wrap_openai)
    completions = fixture.client.chat.completions
    assert inspect.iscoroutinefunction(completions.create)

    async def work():
        fixture.answer(CHAT)
        async with fixture.observer.run('outer') as outer:
            answer = await completions.create(model='gpt-x', messages=MESSAGES)
        assert answer.choices[0].message.content == 'It rains.'
        sent = {run.name: run for run in get_sent(fixture.observer, fixture.transport)}
        assert_complete(sent['chat gpt-x'], 'chat gpt-x')
        assert sent['chat gpt-x'].parent_id == outer.dup_id()
        fixture.answer(CHAT_STREAM)
        stream = await completions.create(model='gpt-x', messages=MESSAGES, stream=True)
        assert isinstance(stream, model_doubles.AsyncStream)
        assert len([event async for event in stream]) == 6
        assert_streamed(fixture.take(), 'chat gpt-x')
        fixture.answer(CHAT_STREAM)
        async with await completions.create(model='gpt-x', messages=MESSAGES, stream=True) as stream:
            await stream.__anext__()
        assert fixture.take().error == 'Incomplete answer'
        fixture.answer(CHAT_STREAM)
        async with completions.stream(model='gpt-x', messages=MESSAGES) as stream:
            assert len([event async for event in stream]) == 6
        assert_streamed(fixture.take(), 'chat gpt-x')
        fixture.answer(CHAT, CHAT_STREAM)
        raw = await completions.with_raw_response.create(model='gpt-x', messages=MESSAGES)
        assert raw.parse().choices[0].message.content == 'It rains.'
        assert_complete(fixture.take(), 'chat gpt-x')
        raw = await completions.with_raw_response.create(model='gpt-x', messages=MESSAGES, stream=True)
        assert len([event async for event in raw.parse()]) == 6
        assert_streamed(fixture.take(), 'chat gpt-x')
        fixture.answer(CHAT)
        task = asyncio.ensure_future(completions.create(model='gpt-x', messages=MESSAGES))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert fixture.take().error == 'Cancelled'

    asyncio.run(work())


# --- the others --------------------------------------------------------------------------------------

def test_anthropic():
    fixture = Fixture(model_doubles.Anthropic(), Lsobs.wrap_anthropic)
    messages = fixture.client.messages
    asked = {'model': 'claude-x', 'max_tokens': 100, 'messages': MESSAGES, 'system': 'Be brief.'}
    fixture.answer(MESSAGE, MESSAGE_STREAM, MESSAGE_STREAM, MESSAGE_STREAM, MESSAGE)
    assert messages.create(**asked).content[0].text == 'It rains.'
    run = fixture.take()
    assert_complete(run, run.name)
    assert 'claude-x' in run.name and run.metadata['ls_provider'] == 'anthropic'
    assert 'Be brief.' in json.dumps(run.inputs)
    assert len(list(messages.create(stream=True, **asked))) == 7
    assert_streamed(fixture.take(), run.name)
    with messages.stream(**asked) as stream:
        assert ''.join(stream.text_stream) == 'It rains.'
    assert_streamed(fixture.take(), run.name)
    with messages.stream(**asked) as stream:
        next(stream)
        next(stream)
        next(stream)
    broken = fixture.take()
    assert broken.error == 'Incomplete answer' and 'It ' in json.dumps(broken.outputs)
    raw = messages.with_raw_response.create(**asked)
    assert raw.parse().content[0].text == 'It rains.'
    assert_complete(fixture.take(), run.name)
    assert messages.count_tokens(**asked) == 7
    assert not get_sent(fixture.observer, fixture.transport)
    fixture.answer(model_doubles.StatusError('Error code: 529', 529,
                                             {'type': 'error', 'error': {'type': 'overloaded_error',
                                                                         'message': 'Overloaded'}}))
    assert_raises(model_doubles.StatusError, messages.create, **asked)
    assert fixture.take().error == 'HTTP 529: Overloaded'


def test_anthropic_async():
    fixture = Fixture(model_doubles.Anthropic(is_async=True), Lsobs.wrap_anthropic)
    asked = {'model': 'claude-x', 'max_tokens': 100, 'messages': MESSAGES}

    async def work():
        fixture.answer(MESSAGE, MESSAGE_STREAM, MESSAGE_STREAM)
        assert (await fixture.client.messages.create(**asked)).content[0].text == 'It rains.'
        run = fixture.take()
        assert_complete(run, run.name)
        async with fixture.client.messages.stream(**asked) as stream:
            assert len([event async for event in stream]) == 7
        assert_streamed(fixture.take(), run.name)
        stream = await fixture.client.messages.create(stream=True, **asked)
        assert len([event async for event in stream]) == 7
        assert_streamed(fixture.take(), run.name)

    asyncio.run(work())


def test_ollama():
    fixture = Fixture(model_doubles.Ollama(), Lsobs.wrap_ollama)

    def weather(city):
        """Tells the weather."""
        return city

    fixture.answer(OLLAMA, OLLAMA_STREAM, OLLAMA_STREAM)
    answer = fixture.client.chat('llama-x', MESSAGES, tools=[weather], options={'temperature': 0.5})
    assert answer.message.content == 'It rains.'
    run = fixture.take()
    assert_complete(run, run.name)
    assert run.metadata['ls_provider'] == 'ollama' and 'llama-x' in run.name
    assert run.inputs['messages'] == MESSAGES
    assert 'Tells the weather.' in json.dumps(run.inputs['tools'])
    assert [part.done for part in fixture.client.chat('llama-x', MESSAGES, stream=True)] == [False, True]
    assert_streamed(fixture.take(), run.name)
    stream = fixture.client.chat('llama-x', MESSAGES, stream=True)
    next(stream)
    stream.close()
    assert fixture.take().error == 'Incomplete answer'
    fixture.answer(model_doubles.ResponseError('model not found', 404))
    assert_raises(model_doubles.ResponseError, fixture.client.chat, 'llama-y', MESSAGES)
    assert fixture.take().error == 'HTTP 404: model not found'
    assert fixture.client.copy('a', 'b') == 'a b'


def test_ollama_async():
    fixture = Fixture(model_doubles.AsyncOllama(), Lsobs.wrap_ollama)

    async def work():
        fixture.answer(OLLAMA, OLLAMA_STREAM)
        assert (await fixture.client.chat('llama-x', MESSAGES)).message.content == 'It rains.'
        run = fixture.take()
        assert_complete(run, run.name)
        parts = [part async for part in await fixture.client.chat('llama-x', MESSAGES, stream=True)]
        assert len(parts) == 2
        assert_streamed(fixture.take(), run.name)

    asyncio.run(work())


def test_genai():
    fixture = Fixture(model_doubles.Genai(), Lsobs.wrap_genai)

    def weather(city):
        """Tells the weather."""
        with Lsobs.run('weather', {'city': city}, 'tool'):
            return city

    fixture.answer(GENAI, GENAI_STREAM)
    fixture.client.models.generate_content(
        model='gemini-x', contents='How is the weather?',
        config={'system_instruction': 'Be brief.', 'temperature': 0.5, 'tools': [weather]})
    sent = {run.name: run for run in get_sent(fixture.observer, fixture.transport)}
    tool = sent.pop('weather')
    (run,) = sent.values()
    assert_complete(run, run.name)
    assert 'gemini-x' in run.name and run.metadata['ls_temperature'] == 0.5
    text = json.dumps(run.inputs)
    assert 'Be brief.' in text and 'How is the weather?' in text and 'Tells the weather.' in text, text
    # the client has called it by itself
    assert tool.parent_id == run.id
    # contents of all kinds
    contents = [{'role': 'user', 'parts': [{'text': 'a'}]}, model_doubles.Model(
        {'role': 'model', 'parts': [{'function_call': {'name': 'f', 'args': {'some_name': 1}}}]}), 'b', 'c']
    assert len(list(fixture.client.models.generate_content_stream(model='models/gemini-x',
                                                                  contents=contents))) == 2
    streamed = fixture.take()
    assert_streamed(streamed, run.name)
    text = json.dumps(streamed.inputs)
    assert 'some_name' in text and '"b"' in text and '"c"' in text, text
    fixture.answer(model_doubles.ApiError(400, {'error': {'code': 400, 'message': 'Bad key',
                                                          'status': 'INVALID_ARGUMENT'}}))
    assert_raises(model_doubles.ApiError, fixture.client.models.generate_content, model='gemini-x',
                  contents='a')
    assert fixture.take().error == 'HTTP 400: Bad key'


def test_genai_tool_is_below():
    fixture = Fixture(model_doubles.Genai(), Lsobs.wrap_genai)
    fixture.answer(GENAI)
    with fixture.observer.run('outer'):
        weather = fixture.observer.traced(lambda city: city, name='weather')
        fixture.client.models.generate_content(model='gemini-x', contents='a', config={'tools': [weather]})
    sent = {run.name: run for run in get_sent(fixture.observer, fixture.transport)}
    model = next(run for run in sent.values() if run.type == 'llm')
    assert sent['weather'].parent_id == model.id and model.parent_id == sent['outer'].id


def test_genai_async():
    fixture = Fixture(model_doubles.Genai(), Lsobs.wrap_genai)

    async def work():
        fixture.answer(GENAI, GENAI_STREAM)
        models = fixture.client.aio.models
        await models.generate_content(model='gemini-x', contents='a')
        run = fixture.take()
        assert_complete(run, run.name)
        events = [event async for event in await models.generate_content_stream(model='gemini-x', contents='a')]
        assert len(events) == 2
        assert_streamed(fixture.take(), run.name)

    asyncio.run(work())


# --- all ---------------------------------------------------------------------------------------------

def test_twice_and_copies():
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    Lsobs.wrap_openai(fixture.client, observer=fixture.observer)
    fixture.answer(CHAT, CHAT)
    fixture.client.chat.completions.create(model='gpt-x', messages=MESSAGES)
    assert_complete(fixture.take(), 'chat gpt-x')
    other = fixture.client.with_options(timeout=5)
    assert other is not fixture.client and other.timeout == 5
    other.chat.completions.create(model='gpt-x', messages=MESSAGES)
    assert_complete(fixture.take(), 'chat gpt-x')


def test_deep_copy():
    """A deep copy of a wrapped client is a wrapped client of its own."""
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    create = fixture.client.chat.completions.create
    kind = model_doubles.OpenAI().chat.completions.create
    assert inspect.signature(create) == inspect.signature(kind) and create.__name__ == kind.__name__
    other = copy.deepcopy(fixture.client)
    other.answers.append(CHAT)
    # the other one would have no answer
    other.chat.completions.create(model='gpt-x', messages=MESSAGES)
    assert len(other.requests) == 1 and not fixture.client.requests
    assert_complete(fixture.take(), 'chat gpt-x')
    other.base_url = model_doubles.Url('https://other.example/')
    made = other.with_options(timeout=5)
    assert str(made.base_url) == 'https://other.example/'
    other.answers.append(CHAT)
    made.chat.completions.create(model='gpt-x', messages=MESSAGES)
    assert_complete(fixture.take(), 'chat gpt-x')

    later = Fixture(model_doubles.AsyncOpenAI(), Lsobs.wrap_openai)
    other = copy.deepcopy(later.client)
    assert inspect.iscoroutinefunction(other.chat.completions.create)
    other.answers.append(CHAT)
    asyncio.run(other.chat.completions.create(model='gpt-x', messages=MESSAGES))
    assert len(other.requests) == 1 and not later.client.requests
    assert_complete(later.take(), 'chat gpt-x')


def test_off():
    """What is not traced costs nothing, and is as it was."""
    config = python_helpers.new_config()
    config.set_tracing_enabled(False)
    observer, transport = new_observer(config)
    client = Lsobs.wrap_openai(model_doubles.OpenAI(), observer=observer)
    client.answers.extend([CHAT, CHAT_STREAM])

    class Watched(dict):
        def items(self):
            raise AssertionError('it was looked at')

    client.chat.completions.create(model='gpt-x', messages=[Watched()])
    with client.chat.completions.stream(model='gpt-x', messages=[Watched()]) as stream:
        assert len(list(stream)) == 6
    assert not get_sent(observer, transport)
    fixture = Fixture(model_doubles.OpenAI(), Lsobs.wrap_openai)
    fixture.answer(CHAT)
    with Lsobs.tracing_context(enabled=False):
        fixture.client.chat.completions.create(model='gpt-x', messages=[Watched()])
    assert not get_sent(fixture.observer, fixture.transport)


def test_default():
    observer, transport = new_observer()
    other, other_transport = new_observer()
    Lsobs.set_default_observer(observer)
    client = Lsobs.wrap_openai(model_doubles.OpenAI())
    client.answers.extend([CHAT, CHAT])
    client.chat.completions.create(model='gpt-x', messages=MESSAGES)
    assert [run.name for run in get_sent(observer, transport)] == ['chat gpt-x']
    with other.run('outer'), Lsobs.tracing_context(tags=['here']):
        client.chat.completions.create(model='gpt-x', messages=MESSAGES)
    sent = {run.name: run for run in get_sent(other, other_transport)}
    assert set(sent) == {'chat gpt-x', 'outer'} and sent['chat gpt-x'].tags == ['here']
    Lsobs.set_default_observer(None)


def test_project():
    """The call of a wrapped client is in the project of the block, if it is a root."""
    observer, transport = new_observer()
    client = Lsobs.wrap_openai(model_doubles.OpenAI(), observer=observer)
    client.answers.extend([CHAT])
    with Lsobs.tracing_context(project='here', metadata={'k': 1}):
        client.chat.completions.create(model='gpt-x', messages=MESSAGES)
    call, = get_sent(observer, transport)
    assert call.project == 'here' and call.metadata['k'] == 1


def test_mistakes():
    for wrap in (Lsobs.wrap_openai, Lsobs.wrap_anthropic, Lsobs.wrap_ollama, Lsobs.wrap_genai):
        assert 'no client of' in str(assert_raises(TypeError, wrap, object()))
        assert_raises(TypeError, wrap, model_doubles.OpenAI(), tag=['x'])
        assert_raises(TypeError, wrap, model_doubles.OpenAI(), observer='x')


def test_odd_answers():
    """What is not known passes through, and is described."""
    class Odd:
        def model_dump(self, **_options):
            raise RuntimeError('no')

        def __repr__(self):
            raise RuntimeError('no')

    odd = Odd()
    client = model_doubles.OpenAI()
    client.chat.completions.create = lambda **_keywords: odd
    fixture = Fixture(client, Lsobs.wrap_openai)
    assert client.chat.completions.create(model='gpt-x', messages=MESSAGES) is odd
    assert fixture.take().name == 'chat gpt-x'
    # a raw answer that breaks when it is looked at
    class OddRaw:
        @property
        def parse(self):
            raise RuntimeError('no')

    odd_raw = OddRaw()
    raw_client = model_doubles.OpenAI()
    raw_client.chat.completions.create = lambda **_keywords: odd_raw
    raw_fixture = Fixture(raw_client, Lsobs.wrap_openai)
    assert raw_client.chat.completions.create(
        model='gpt-x', messages=MESSAGES, extra_headers={'X-Stainless-Raw-Response': 'true'}) is odd_raw
    assert raw_fixture.take().name == 'chat gpt-x'
    # arguments that nothing can be made of
    client.chat.completions.create(model=Odd(), messages=Odd(), n=Odd())
    assert len(get_sent(fixture.observer, fixture.transport)) == 1


if __name__ == '__main__':
    sys.exit(python_helpers.run_tests([
        test_openai, test_openai_values, test_openai_stream, test_openai_stream_ends, test_openai_errors,
        test_openai_helpers, test_openai_raw, test_openai_responses, test_openai_embeddings,
        test_openai_async, test_anthropic, test_anthropic_async, test_ollama, test_ollama_async, test_genai,
        test_genai_tool_is_below, test_genai_async, test_twice_and_copies, test_deep_copy, test_off,
        test_default, test_project, test_mistakes, test_odd_answers]))
