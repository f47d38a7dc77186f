# SPDX-License-Identifier: LGPL-2.1-or-later
"""Doubles of the packages of model services, which replay answers.

They have the shapes of these versions, as far as a wrapper meets them: openai 1.109 and 2.8, anthropic
0.75, ollama 0.6 and google-genai 1.52. What is asked of them is in `requests`, and `answers` are the
answers to come: a value, an exception, or a list, which is a stream.
"""

import asyncio
import functools
import types


class Model:
    """Has what a model of pydantic 2 has, as far as it is used."""

    def __init__(self, members):
        self.__dict__.update({name: build(member) for name, member in members.items()})
        self.__dict__['_members'] = members

    def model_dump(self, *, mode='python', by_alias=False, exclude_unset=False):
        assert mode in ('python', 'json')
        return dict(self._members)


def build(value):
    if isinstance(value, dict):
        return Model(value)
    return [build(member) for member in value] if isinstance(value, list) else value


class Answers:
    """The connection of a client to its service."""

    def __init__(self):
        self.answers = []
        self.requests = []
        self.n_closed = 0

    def request(self, body):
        self.requests.append(body)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def request_later(self, body):
        await asyncio.sleep(0)
        return self.request(body)


class HttpResponse:
    def __init__(self, connection):
        self.connection = connection
        self.headers = {'x-request-id': 'req-http'}

    def close(self):
        self.connection.n_closed += 1

    async def aclose(self):
        self.close()


class Stream:
    """openai.Stream, and anthropic.Stream, which is the same."""

    def __init__(self, connection, events):
        self.response = HttpResponse(connection)
        self.events = events
        self._iterator = self.__stream__()

    def __next__(self):
        return self._iterator.__next__()

    def __iter__(self):
        for item in self._iterator:
            yield item

    def __stream__(self):
        try:
            for event in self.events:
                if isinstance(event, BaseException):
                    raise event
                yield build(event)
        finally:
            self.response.close()

    def __enter__(self):
        return self

    def __exit__(self, *_problem):
        self.close()

    def close(self):
        self.response.close()


class AsyncStream:
    def __init__(self, connection, events):
        self.response = HttpResponse(connection)
        self.events = events
        self._iterator = self.__stream__()

    async def __anext__(self):
        return await self._iterator.__anext__()

    async def __aiter__(self):
        async for item in self._iterator:
            yield item

    async def __stream__(self):
        try:
            for event in self.events:
                await asyncio.sleep(0)
                if isinstance(event, BaseException):
                    raise event
                yield build(event)
        finally:
            await self.response.aclose()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_problem):
        await self.close()

    async def close(self):
        await self.response.aclose()


class LegacyAPIResponse:
    """What with_raw_response returns."""

    def __init__(self, connection, make):
        self.http_response = HttpResponse(connection)
        self.headers = self.http_response.headers
        self.status_code = 200
        self.make = make
        self.parsed = None

    def parse(self):
        if self.parsed is None:
            self.parsed = self.make()
        return self.parsed


class APIResponse(LegacyAPIResponse):
    """What the block of with_streaming_response has."""

    def close(self):
        self.http_response.close()


class StatusError(Exception):
    """openai.APIStatusError, and that of anthropic."""

    def __init__(self, message, status_code, body):
        super().__init__(message)
        self.status_code = status_code
        self.body = body
        self.request_id = 'req-error'


def to_raw(function, kind):
    @functools.wraps(function)
    def wrapped(*arguments, **keywords):
        keywords['extra_headers'] = {**(keywords.get('extra_headers') or {}), 'X-Stainless-Raw-Response': kind}
        return function(*arguments, **keywords)
    return wrapped


def to_async_raw(function, kind):
    @functools.wraps(function)
    async def wrapped(*arguments, **keywords):
        keywords['extra_headers'] = {**(keywords.get('extra_headers') or {}), 'X-Stainless-Raw-Response': kind}
        return await function(*arguments, **keywords)
    return wrapped


class ResponseManager:
    """The block of with_streaming_response."""

    def __init__(self, request):
        self.request = request
        self.response = None

    def __enter__(self):
        self.response = self.request()
        return self.response

    def __exit__(self, *_problem):
        self.response.close()


class Resource:
    """A resource of the client, such as chat.completions."""

    def __init__(self, connection, is_async):
        self._connection = connection
        self._is_async = is_async

    def _make(self, answer, keywords):
        """What the package makes of an answer."""
        def make():
            if isinstance(answer, list):
                return (AsyncStream if self._is_async else Stream)(self._connection, answer)
            model = build(answer)
            model.__dict__['_request_id'] = 'req-1'
            return model
        raw = (keywords.get('extra_headers') or {}).get('X-Stainless-Raw-Response')
        if raw == 'stream':
            return APIResponse(self._connection, make)
        return LegacyAPIResponse(self._connection, make) if raw else make()

    def _post(self, **keywords):
        return self._make(self._connection.request(keywords), keywords)

    async def _post_later(self, **keywords):
        return self._make(await self._connection.request_later(keywords), keywords)

    @functools.cached_property
    def with_raw_response(self):
        make = to_async_raw if self._is_async else to_raw
        return types.SimpleNamespace(create=make(self.create, 'true'))

    @functools.cached_property
    def with_streaming_response(self):
        create = to_raw(self.create, 'stream')
        return types.SimpleNamespace(create=lambda **keywords: ResponseManager(
            functools.partial(create, **keywords)))


class Completions(Resource):
    def create(self, *, messages=None, model=None, stream=False, **keywords):
        return self._post(messages=messages, model=model, stream=stream, **keywords)

    def parse(self, *, messages, model, response_format, **keywords):
        return self._post(messages=messages, model=model, response_format=response_format, **keywords)

    def stream(self, *, messages, model, **keywords):
        return StreamManager(functools.partial(self.create, messages=messages, model=model, stream=True,
                                               **keywords))


class AsyncCompletions(Resource):
    async def create(self, *, messages=None, model=None, stream=False, **keywords):
        return await self._post_later(messages=messages, model=model, stream=stream, **keywords)

    def stream(self, *, messages, model, **keywords):
        # the request is a coroutine that is made here
        return AsyncStreamManager(self.create(messages=messages, model=model, stream=True, **keywords))


class HelperStream:
    """openai's ChatCompletionStream, and anthropic's MessageStream: events of the package's own."""

    def __init__(self, raw_stream):
        self._raw_stream = raw_stream
        self._iterator = self.__stream__()
        self.text_stream = self.__stream_text__()

    def __next__(self):
        return self._iterator.__next__()

    def __iter__(self):
        for item in self._iterator:
            yield item

    def __stream__(self):
        for event in self._raw_stream:
            yield types.SimpleNamespace(type='chunk', chunk=event)

    def __stream_text__(self):
        for event in self:
            delta = getattr(event.chunk, 'delta', None)
            if getattr(delta, 'text', None):
                yield delta.text

    def get_final(self):
        for _ in self:
            pass
        return 'final'

    def close(self):
        self._raw_stream.close()


class AsyncHelperStream:
    def __init__(self, raw_stream):
        self._raw_stream = raw_stream
        self._iterator = self.__stream__()

    async def __anext__(self):
        return await self._iterator.__anext__()

    async def __aiter__(self):
        async for item in self._iterator:
            yield item

    async def __stream__(self):
        async for event in self._raw_stream:
            yield types.SimpleNamespace(type='chunk', chunk=event)

    async def close(self):
        await self._raw_stream.close()


class StreamManager:
    def __init__(self, request):
        self.__request = request
        self.__stream = None

    def __enter__(self):
        self.__stream = HelperStream(self.__request())
        return self.__stream

    def __exit__(self, *_problem):
        if self.__stream is not None:
            self.__stream.close()


class AsyncStreamManager:
    def __init__(self, request):
        self.__request = request
        self.__stream = None

    async def __aenter__(self):
        self.__stream = AsyncHelperStream(await self.__request)
        return self.__stream

    async def __aexit__(self, *_problem):
        if self.__stream is not None:
            await self.__stream.close()


class Url:
    """httpx.URL, which is no text."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


class OpenAI(Answers):
    """openai.OpenAI; its resources are made when they are first used."""

    is_async = False

    def __init__(self, base_url='https://api.openai.com/v1/'):
        super().__init__()
        self.base_url = Url(base_url)
        self.api_key = 'sk-secret-key'

    @functools.cached_property
    def chat(self):
        kind = AsyncCompletions if self.is_async else Completions
        return types.SimpleNamespace(completions=kind(self, self.is_async))

    @functools.cached_property
    def responses(self):
        return (AsyncCompletions if self.is_async else Responses)(self, self.is_async)

    @functools.cached_property
    def embeddings(self):
        return Embeddings(self, self.is_async)

    @functools.cached_property
    def models(self):
        return types.SimpleNamespace(list=lambda: ['m'])

    def copy(self, *, timeout=None):
        other = type(self)(str(self.base_url))
        other.answers, other.requests, other.timeout = self.answers, self.requests, timeout
        return other

    with_options = copy


class AsyncOpenAI(OpenAI):
    is_async = True


class Responses(Resource):
    def create(self, *, input=None, model=None, stream=False, **keywords):  # pylint: disable=redefined-builtin
        return self._post(input=input, model=model, stream=stream, **keywords)

    def stream(self, *, input, model, **keywords):  # pylint: disable=redefined-builtin
        return StreamManager(functools.partial(self.create, input=input, model=model, stream=True, **keywords))


class Embeddings(Resource):
    def create(self, *, input, model, **keywords):  # pylint: disable=redefined-builtin
        return self._post(input=input, model=model, **keywords)


class Messages(Resource):
    def create(self, *, max_tokens, messages, model, stream=False, **keywords):
        return self._post(max_tokens=max_tokens, messages=messages, model=model, stream=stream, **keywords)

    def stream(self, *, max_tokens, messages, model, **keywords):
        return StreamManager(functools.partial(self._post, max_tokens=max_tokens, messages=messages,
                                               model=model, stream=True, **keywords))

    def count_tokens(self, **_keywords):
        return 7


class AsyncMessages(Resource):
    async def create(self, *, max_tokens, messages, model, stream=False, **keywords):
        return await self._post_later(max_tokens=max_tokens, messages=messages, model=model, stream=stream,
                                      **keywords)

    def stream(self, *, max_tokens, messages, model, **keywords):
        return AsyncStreamManager(self._post_later(max_tokens=max_tokens, messages=messages, model=model,
                                                   stream=True, **keywords))


class Anthropic(Answers):
    def __init__(self, is_async=False):
        super().__init__()
        self.base_url = Url('https://api.anthropic.com')
        self.messages = (AsyncMessages if is_async else Messages)(self, is_async)


class ResponseError(Exception):
    """ollama.ResponseError."""

    def __init__(self, error, status_code=-1):
        super().__init__(error)
        self.error = error
        self.status_code = status_code


class Ollama(Answers):
    """ollama.Client: streams are generators."""

    def __init__(self):
        super().__init__()
        self._client = types.SimpleNamespace(base_url=Url('http://localhost:11434'))

    def _request(self, body, stream):
        if stream:
            def inner():
                for event in self.request(body):
                    if isinstance(event, BaseException):
                        raise event
                    yield Model(event)
            return inner()
        return Model(self.request(body))

    def chat(self, model='', messages=None, *, tools=None, stream=False, options=None):
        return self._request({'model': model, 'messages': messages, 'tools': tools, 'options': options}, stream)

    def generate(self, model='', prompt=None, *, stream=False):
        return self._request({'model': model, 'prompt': prompt}, stream)

    def copy(self, source, destination):
        return f'{source} {destination}'


class AsyncOllama(Answers):
    def __init__(self):
        super().__init__()
        self._client = types.SimpleNamespace(base_url=Url('http://localhost:11434'))

    async def chat(self, model='', messages=None, *, stream=False):
        answer = await self.request_later({'model': model, 'messages': messages})
        if not stream:
            return Model(answer)

        async def inner():
            for event in answer:
                yield Model(event)
        return inner()


class Genai(Answers):
    """genai.Client."""

    def __init__(self):
        super().__init__()
        self.vertexai = False
        self._models = GenaiModels(self)
        self.aio = types.SimpleNamespace(models=AsyncGenaiModels(self))

    @property
    def models(self):
        return self._models


class ApiError(Exception):
    """genai.errors.APIError."""

    def __init__(self, code, details):
        super().__init__(f'{code} {details}')
        self.code = code
        self.details = details


class GenaiModels:
    def __init__(self, connection):
        self._connection = connection

    def generate_content(self, *, model, contents, config=None):
        answer = self._connection.request({'model': model, 'contents': contents, 'config': config})
        for tool in (config or {}).get('tools', []):
            # it calls functions by itself
            tool('Oslo')
        return Model(answer)

    def generate_content_stream(self, *, model, contents, config=None):
        for event in self._connection.request({'model': model, 'contents': contents, 'config': config}):
            yield Model(event)


class AsyncGenaiModels:
    def __init__(self, connection):
        self._connection = connection

    async def generate_content(self, *, model, contents, config=None):
        return Model(await self._connection.request_later({'model': model, 'contents': contents,
                                                           'config': config}))

    async def generate_content_stream(self, *, model, contents, config=None):
        answer = await self._connection.request_later({'model': model, 'contents': contents, 'config': config})

        async def inner():
            for event in answer:
                yield Model(event)
        return inner()


