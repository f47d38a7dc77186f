# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the package openai, of the versions 1 and 2: OpenAI, AsyncOpenAI, AzureOpenAI and others."""

from ._wrap import Method, frame_data, frame_event, get_own_arguments, join_url, wrap_client


def make_method(path, url_path, frame=frame_data, stream_end=b'data: [DONE]\n\n', is_manager=False):
    def get_url(client, _arguments):
        return join_url(getattr(client, 'base_url', 'https://api.openai.com/v1'), url_path)

    def get_body(arguments):
        body = get_own_arguments(arguments)
        if is_manager:
            body['stream'] = True
        return body

    return Method(path, get_url, get_body, frame, stream_end, is_manager)


METHODS = (
    make_method('chat.completions.create', '/chat/completions'),
    make_method('chat.completions.parse', '/chat/completions'),
    make_method('chat.completions.stream', '/chat/completions', is_manager=True),
    make_method('beta.chat.completions.create', '/chat/completions'),
    make_method('beta.chat.completions.parse', '/chat/completions'),
    make_method('beta.chat.completions.stream', '/chat/completions', is_manager=True),
    make_method('responses.create', '/responses', frame_event, b''),
    make_method('responses.parse', '/responses', frame_event, b''),
    make_method('responses.stream', '/responses', frame_event, b'', is_manager=True),
    make_method('completions.create', '/completions'),
    make_method('embeddings.create', '/embeddings'),
)


def wrap_openai(client, *, observer=None, tags=(), metadata=None):
    """Trace the calls of a client of the package openai, sync or async; returns the client.

    Without an observer, the one of the run around a call is taken, or else the default one. Tags and
    metadata are given to each call.
    """
    return wrap_client(client, METHODS, 'OpenAI', observer, tags, metadata)
