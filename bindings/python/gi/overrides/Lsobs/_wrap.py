# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of model services whose calls are traced.

No package of a service is imported: what counts is what a client has. A method that is known is
replaced in the client itself, by one that makes an Lsobs.ModelCall of the arguments and of the
answer, put in the form that the service's HTTP API has. So the runs are those of a program that
makes the calls with libsoup. Whatever else a client has is left as it is, and so are its results.
Nothing here raises into the program.
"""

import contextvars
import copy
import functools
import inspect
import sys
import types

from gi.repository import GLib

from ._blocks import choose_observer
from ._ends import to_error
from ._functions import is_async
from ._observers import check_observer
from ._places import Place, find_place_of, get_options
from ._starts import check_notes
from ._typelib import Lsobs
from ._values import to_plain, to_text

# The header by which the clients ask themselves for the answer as it is.
RAW_HEADER = 'x-stainless-raw-response'

# What is no argument of the service's API: it is about the connection.
CONNECTION_ARGUMENTS = frozenset(('extra_headers', 'extra_query', 'extra_body', 'timeout', 'http_options'))

# Values that stand for an argument that is not there.
MISSING = frozenset(('NotGiven', 'Omit'))

# Whether the code is inside of a method that is traced, and that may call another one that is.
is_inside = contextvars.ContextVar('lsobs_is_inside_of_call', default=False)


class Settings:
    """What wrap_…() was given."""

    def __init__(self, observer, tags, metadata):
        check_observer(observer)
        self.observer = observer
        self.tags, self.metadata = check_notes(tags, metadata)


class Method:
    """A method of a client that calls a model.

    path: the names that lead from the client to it.
    get_url, get_body: the URL and the body of the request, of the client and the arguments by name.
    frame: the bytes of one event of a stream, of its JSON and the event.
    stream_end: the bytes at the end of a stream.
    is_manager: whether it returns a context manager whose value is the stream.
    """

    def __init__(self, path, get_url, get_body, frame, stream_end=b'', is_manager=False):
        self.path = path
        self.get_url = get_url
        self.get_body = get_body
        self.frame = frame
        self.stream_end = stream_end
        self.is_manager = is_manager


def frame_data(text, _event):
    return b'data: ' + text + b'\n\n'


def frame_event(text, event):
    kind = event.get('type') if isinstance(event, dict) else None
    name = b'event: ' + kind.encode() + b'\n' if isinstance(kind, str) else b''
    return name + b'data: ' + text + b'\n\n'


def frame_line(text, _event):
    return text + b'\n'


def join_url(base, path):
    return str(base).rstrip('/') + path


def get_own_arguments(arguments):
    """Those that are of the service's API, as JSON has them."""
    body = {name: to_plain(value) for name, value in arguments.items()
            if name not in CONNECTION_ARGUMENTS and type(value).__name__ not in MISSING}
    extra = arguments.get('extra_body')
    if isinstance(extra, dict):
        body.update(to_plain(extra))
    return body


def describe_function(function):
    """A tool that is a function of Python."""
    return {'name': getattr(function, '__name__', type(function).__name__),
            'description': inspect.getdoc(function) or ''}


def dump(value):
    """What a client has made of JSON, as JSON again."""
    if isinstance(value, (dict, list, str)) or value is None:
        return value
    for options in ({'mode': 'json', 'by_alias': True, 'exclude_unset': True}, {}):
        try:
            return value.model_dump(**options)
        except Exception:  # pylint: disable=broad-except
            continue
    return to_plain(value)


def get_status(problem):
    for name in ('status_code', 'code'):
        status = getattr(problem, name, None)
        if isinstance(status, int) and 100 <= status < 600:
            return int(status)
    return 0


def get_error_body(problem):
    """What the service has said of an error, in the form of its API; None if that is not known."""
    for name in ('body', 'details', 'error'):
        body = getattr(problem, name, None)
        if isinstance(body, dict) and body:
            return body if 'error' in body else {'error': body}
        if isinstance(body, str) and body and name == 'error':
            return {'error': body}
    return None


def get_request_id(value):
    for name in ('_request_id', 'request_id'):
        request_id = getattr(value, name, None)
        if isinstance(request_id, str):
            return request_id
    response = getattr(value, 'response', None) or getattr(value, 'http_response', None)
    headers = getattr(response, 'headers', None)
    for name in ('x-request-id', 'request-id'):
        request_id = headers.get(name) if headers is not None else None
        if isinstance(request_id, str):
            return request_id
    return None


def guard(function):
    """A method of Reply that does nothing when the call has ended, and ends it when it fails."""
    @functools.wraps(function)
    def guarded(self, *arguments):
        if self.call is None:
            return
        try:
            function(self, *arguments)
        except Exception:  # pylint: disable=broad-except
            self.call = None
    return guarded


class Reply:
    """The call of a model whose answer comes: what is told to the library, and never fails."""

    def __init__(self, observer, call, method):
        self.observer = observer
        self.call = call
        self.method = method
        self.run = call.get_run()

    def feed(self, data):
        self.call.feed_bytes(GLib.Bytes.new(data))

    def finish(self, status):
        self.call.finish(status)
        self.call = None

    @guard
    def take_id(self, value):
        request_id = get_request_id(value)
        if request_id is not None:
            self.call.set_request_id(request_id)

    @guard
    def take_event(self, event):
        event = dump(event)
        self.feed(self.method.frame(to_text(event), event))

    @guard
    def end_stream(self):
        if self.method.stream_end:
            self.feed(self.method.stream_end)
        self.finish(200)

    @guard
    def take_value(self, value):
        self.feed(to_text(dump(value)))
        self.finish(200)

    @guard
    def fail(self, problem):
        status = get_status(problem)
        body = get_error_body(problem)
        self.take_id(problem)
        if status >= 400 and body is not None:
            self.feed(to_text(body))
            self.finish(status)
        else:
            self.call.fail(status, to_error(problem))
            self.call = None

    @guard
    def drop(self):
        """Nothing more is read: the library ends the call with what has come."""
        self.call = None


# --- streams -----------------------------------------------------------------------------------------

class Tap:
    """An iterator whose items are told, too."""

    def __init__(self, iterator, reply):
        self._iterator = iterator
        self._reply = reply

    def __getattr__(self, name):
        return getattr(self._iterator, name)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            event = next(self._iterator)
        except StopIteration:
            self._reply.end_stream()
            raise
        except BaseException as problem:
            self._reply.fail(problem)
            raise
        self._reply.take_event(event)
        return event

    def __enter__(self):
        enter = getattr(self._iterator, '__enter__', None)
        if enter is not None:
            enter()
        return self

    def __exit__(self, *problem):
        leave = getattr(self._iterator, '__exit__', None)
        self._reply.drop()
        return leave(*problem) if leave is not None else self.close()

    def close(self):
        self._reply.drop()
        close = getattr(self._iterator, 'close', None)
        if close is not None:
            close()


class AsyncTap:
    """An async iterator whose items are told, too."""

    def __init__(self, iterator, reply):
        self._iterator = iterator
        self._reply = reply

    def __getattr__(self, name):
        return getattr(self._iterator, name)

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            event = await self._iterator.__anext__()
        except StopAsyncIteration:
            self._reply.end_stream()
            raise
        except BaseException as problem:
            self._reply.fail(problem)
            raise
        self._reply.take_event(event)
        return event

    async def __aenter__(self):
        enter = getattr(self._iterator, '__aenter__', None)
        if enter is not None:
            await enter()
        return self

    async def __aexit__(self, *problem):
        leave = getattr(self._iterator, '__aexit__', None)
        self._reply.drop()
        return await leave(*problem) if leave is not None else await self.aclose()

    async def aclose(self):
        self._reply.drop()
        close = getattr(self._iterator, 'aclose', None)
        if close is not None:
            await close()


def is_stream(value):
    return hasattr(type(value), '__next__') or hasattr(type(value), '__anext__')


def make_tap(iterator, reply):
    kind = AsyncTap if hasattr(type(iterator), '__anext__') else Tap
    return kind(iterator, reply)


def tell_close(stream, reply):
    """Lets the call end when the program closes a stream that it has not read to its end."""
    close = getattr(stream, 'close', None)
    if close is None:
        return
    if inspect.iscoroutinefunction(close):
        async def told_close(*arguments, **keywords):
            reply.drop()
            return await close(*arguments, **keywords)
    else:
        def told_close(*arguments, **keywords):
            reply.drop()
            return close(*arguments, **keywords)
    stream.close = told_close


def tap_stream(stream, reply):
    """The same stream, if what it reads from can be tapped, or one that looks like it."""
    try:
        # the events as they come, and not those that the client makes of them
        source = getattr(stream, '_raw_stream', stream)
        reply.take_id(source)
        iterator = getattr(source, '_iterator', None)
        if iterator is None:
            return make_tap(stream, reply)
        source._iterator = make_tap(iterator, reply)
        tell_close(source, reply)
        if source is not stream:
            tell_close(stream, reply)
    except Exception:  # pylint: disable=broad-except
        reply.drop()
    return stream


# --- methods -----------------------------------------------------------------------------------------

def get_raw_kind(arguments):
    """What the client has asked itself for: None is the value itself."""
    headers = arguments.get('extra_headers')
    if not isinstance(headers, dict):
        return None
    return next((value for name, value in headers.items() if str(name).lower() == RAW_HEADER), None)


def tell_parse(response, reply):
    """Of an answer that is read by its methods, tell what the program reads."""
    def tell(name, take):
        function = getattr(response, name, None)
        if function is None:
            return
        if inspect.iscoroutinefunction(function):
            async def told(*arguments, **keywords):
                return take(await function(*arguments, **keywords))
        else:
            def told(*arguments, **keywords):
                return take(function(*arguments, **keywords))
        setattr(response, name, told)

    def take_parsed(value):
        if is_stream(value):
            return tap_stream(value, reply)
        reply.take_value(value)
        return value

    def take_json(value):
        reply.take_value(value)
        return value

    try:
        reply.take_id(response)
        tell('parse', take_parsed)
        tell('json', take_json)
        tell_close(response, reply)
    except Exception:  # pylint: disable=broad-except
        reply.drop()


def take_result(value, reply):
    if is_stream(value):
        return tap_stream(value, reply)
    reply.take_id(value)
    reply.take_value(value)
    return value


def take_any_result(value, arguments, reply):
    """Tell what a method has returned; returns what the program gets."""
    raw = get_raw_kind(arguments)
    try:
        parse = getattr(value, 'parse', None) if raw is not None else None
        if parse is None:
            return take_result(value, reply)
        if raw == 'stream' or is_async(parse):
            tell_parse(value, reply)
            return value
        # the client keeps it for its own parse()
        parsed = parse()
    except Exception:  # pylint: disable=broad-except
        reply.drop()
        return value
    reply.take_id(value)
    take_result(parsed, reply)
    return value


def name_arguments(signature, arguments, keywords):
    if signature is None:
        return dict(keywords)
    try:
        bound = dict(signature.bind(*arguments, **keywords).arguments)
    except TypeError:
        # the method itself will tell
        return dict(keywords)
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            bound.update(bound.pop(parameter.name, {}))
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            bound.pop(parameter.name, None)
    return bound


def is_traced(observer):
    place = find_place_of(observer)
    if place is not None and place.run is not None:
        return place.run.is_sampled()
    return observer.get_tracing_enabled()


def make_method(function, owner, signature):
    """A method that looks like another one, whose signature that is."""
    function._lsobs_tracer = owner
    if signature is not None:
        # of a method, the first parameter is left out
        first = inspect.Parameter('_lsobs_tracer', inspect.Parameter.POSITIONAL_ONLY)
        function.__signature__ = signature.replace(parameters=[first, *signature.parameters.values()])
    return types.MethodType(function, owner)


def find_signature(function):
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


class Tracer:
    """What replaces a method of a client."""

    def __init__(self, client, method, function, settings):
        self.client = client
        self.method = method
        self.function = function
        self.settings = settings
        self.signature = find_signature(function)

    def begin(self, arguments):
        """The reply to a call that begins now; None if it is not traced."""
        if is_inside.get():
            return None
        try:
            observer = self.settings.observer or choose_observer()
            if not is_traced(observer):
                return None
            body = to_text(self.method.get_body(arguments))
            url = self.method.get_url(self.client, arguments)
            call = Lsobs.ModelCall.new(observer, None, url, GLib.Bytes.new(body))
            run = call.get_run()
            options = get_options()
            if options is not None:
                options.annotate(run)
            for tag in self.settings.tags:
                run.add_tag(tag)
            for key, value in self.settings.metadata.items():
                run.set_metadata(key, value)
            return Reply(observer, call, self.method)
        except Exception:  # pylint: disable=broad-except
            # The wrapper passes an unknown version of the client through.
            return None

    def open(self, reply, frame):
        """The call is the current run for what is called meanwhile, such as a tool."""
        place = Place(reply.run, reply.observer, frame, options=get_options())
        place.open()
        return place

    def call(self, arguments, keywords):
        named = name_arguments(self.signature, arguments, keywords)
        reply = self.begin(named)
        if reply is None:
            return self.function(*arguments, **keywords)
        place = self.open(reply, sys._getframe())
        try:
            value = self.function(*arguments, **keywords)
        except BaseException as problem:
            reply.fail(problem)
            raise
        finally:
            place.close()
        if inspect.isawaitable(value):
            return self.finish_later(value, named, reply)
        return take_any_result(value, named, reply)

    async def finish_later(self, awaitable, named, reply):
        place = self.open(reply, sys._getframe())
        try:
            value = await awaitable
        except BaseException as problem:
            reply.fail(problem)
            raise
        finally:
            place.close()
        return take_any_result(value, named, reply)

    async def call_async(self, arguments, keywords):
        value = self.call(arguments, keywords)
        return await value if inspect.isawaitable(value) else value

    def make_manager(self, arguments, keywords):
        named = name_arguments(self.signature, arguments, keywords)
        token = is_inside.set(True)
        try:
            manager = self.function(*arguments, **keywords)
        finally:
            is_inside.reset(token)
        return Manager(manager, lambda: self.begin(named))

    def __deepcopy__(self, memo):
        """That of a deep copy of the client, which calls the method of the copy."""
        return Tracer(copy.deepcopy(self.client, memo), self.method, copy.deepcopy(self.function, memo),
                      self.settings)

    def make_function(self):
        """The function that the client gets: a method of this object, since a deep copy of an object
        copies the methods that it has with the objects that they are of, and shares its functions.
        """
        if self.method.is_manager:
            @functools.wraps(self.function)
            def traced_method(tracer, /, *arguments, **keywords):
                return tracer.make_manager(arguments, keywords)
        elif inspect.iscoroutinefunction(self.function):
            @functools.wraps(self.function)
            async def traced_method(tracer, /, *arguments, **keywords):
                return await tracer.call_async(arguments, keywords)
        else:
            @functools.wraps(self.function)
            def traced_method(tracer, /, *arguments, **keywords):
                return tracer.call(arguments, keywords)
        return make_method(traced_method, self, self.signature)


class Manager:
    """The context manager of a stream. The call begins with its block, and ends with it at last."""

    def __init__(self, manager, begin):
        self._manager = manager
        self._begin = begin
        self._reply = None

    def __getattr__(self, name):
        return getattr(self._manager, name)

    def _fail(self, problem):
        if self._reply is not None:
            self._reply.fail(problem)

    def _take(self, stream):
        return tap_stream(stream, self._reply) if self._reply is not None else stream

    def _end(self, problem):
        if self._reply is not None:
            if problem is not None:
                self._reply.fail(problem)
            self._reply.drop()

    def __enter__(self):
        self._reply = self._begin()
        token = is_inside.set(True)
        try:
            stream = self._manager.__enter__()
        except BaseException as problem:
            self._fail(problem)
            raise
        finally:
            is_inside.reset(token)
        return self._take(stream)

    def __exit__(self, kind, problem, traceback):
        self._end(problem)
        return self._manager.__exit__(kind, problem, traceback)

    async def __aenter__(self):
        self._reply = self._begin()
        token = is_inside.set(True)
        try:
            stream = await self._manager.__aenter__()
        except BaseException as problem:
            self._fail(problem)
            raise
        finally:
            is_inside.reset(token)
        return self._take(stream)

    async def __aexit__(self, kind, problem, traceback):
        self._end(problem)
        return await self._manager.__aexit__(kind, problem, traceback)


def replace_method(client, method, settings):
    """Whether the client has the method, which is then traced."""
    owner = client
    owners = [client]
    names = method.path.split('.')
    try:
        for name in names[:-1]:
            owner = getattr(owner, name)
            owners.append(owner)
        function = getattr(owner, names[-1])
    except Exception:  # pylint: disable=broad-except
        return False
    if not callable(function):
        return False
    if getattr(function, '_lsobs_tracer', None) is not None:
        # once is enough
        return True
    try:
        setattr(owner, names[-1], Tracer(client, method, function, settings).make_function())
    except Exception:  # pylint: disable=broad-except
        return False
    for holder in owners:
        # made of the method as it was, and kept
        for name in ('with_raw_response', 'with_streaming_response'):
            getattr(holder, '__dict__', {}).pop(name, None)
    return True


class Copier:
    """What replaces a method of a client that makes another client."""

    def __init__(self, function, wrap_again):
        self.function = function
        self.wrap_again = wrap_again

    def __deepcopy__(self, memo):
        return Copier(copy.deepcopy(self.function, memo), self.wrap_again)

    def make_function(self):
        @functools.wraps(self.function)
        def make_copy(copier, /, *arguments, **keywords):
            return copier.wrap_again(copier.function(*arguments, **keywords))

        return make_method(make_copy, self, find_signature(self.function))


def replace_copies(client, wrap_again):
    """Clients that are made of a wrapped one are wrapped."""
    for name in ('with_options', 'copy'):
        function = getattr(client, name, None)
        if function is None or hasattr(function, '_lsobs_tracer'):
            continue
        try:
            setattr(client, name, Copier(function, wrap_again).make_function())
        except Exception:  # pylint: disable=broad-except
            pass


def wrap_client(client, methods, kind, observer, tags, metadata, has_copies=True):
    settings = Settings(observer, tags, metadata)
    found = [replace_method(client, method, settings) for method in methods]
    if not any(found):
        raise TypeError(f'{type(client).__name__} is no client of {kind}: it has none of the methods that '
                        f'call a model, such as {methods[0].path}()')
    if has_copies:
        replace_copies(client, lambda other: wrap_client(other, methods, kind, observer, tags, metadata))
    return client
