# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the package ollama: Client, AsyncClient, and the package itself."""

from ._wrap import Method, describe_function, frame_line, get_own_arguments, join_url, wrap_client


def describe_tool(tool):
    return {'type': 'function', 'function': describe_function(tool)} if callable(tool) else tool


def make_method(path, url_path):
    def get_url(client, _arguments):
        inner = getattr(client, '_client', None)
        return join_url(getattr(inner, 'base_url', None) or 'http://localhost:11434', url_path)

    def get_body(arguments):
        arguments = dict(arguments)
        if arguments.get('tools'):
            arguments['tools'] = [describe_tool(tool) for tool in arguments['tools']]
        body = {name: value for name, value in get_own_arguments(arguments).items() if value is not None}
        # the service's own default is another one
        body['stream'] = bool(body.get('stream', False))
        return body

    return Method(path, get_url, get_body, frame_line)


METHODS = (
    make_method('chat', '/api/chat'),
    make_method('generate', '/api/generate'),
    make_method('embed', '/api/embed'),
    make_method('embeddings', '/api/embeddings'),
)


def wrap_ollama(client, *, observer=None, tags=(), metadata=None):
    """Trace the calls of a client of the package ollama, sync or async, or of the package itself;
    returns what it was given.

    Without an observer, the one of the run around a call is taken, or else the default one. Tags and
    metadata are given to each call.
    """
    # copy() is another thing there: it copies a model
    return wrap_client(client, METHODS, 'Ollama', observer, tags, metadata, has_copies=False)
