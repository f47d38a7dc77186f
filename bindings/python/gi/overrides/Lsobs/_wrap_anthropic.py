# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the package anthropic: Anthropic, AsyncAnthropic, AnthropicVertex and others."""

from ._wrap import Method, frame_event, get_own_arguments, join_url, wrap_client


def make_method(path, is_manager=False):
    def get_url(client, _arguments):
        return join_url(getattr(client, 'base_url', 'https://api.anthropic.com'), '/v1/messages')

    def get_body(arguments):
        body = get_own_arguments(arguments)
        if is_manager:
            body['stream'] = True
        return body

    return Method(path, get_url, get_body, frame_event, is_manager=is_manager)


METHODS = (
    make_method('messages.create'),
    make_method('messages.parse'),
    make_method('messages.stream', is_manager=True),
    make_method('beta.messages.create'),
    make_method('beta.messages.parse'),
    make_method('beta.messages.stream', is_manager=True),
)


def wrap_anthropic(client, *, observer=None, tags=(), metadata=None):
    """Trace the calls of a client of the package anthropic, sync or async; returns the client.

    Without an observer, the one of the run around a call is taken, or else the default one. Tags and
    metadata are given to each call.
    """
    return wrap_client(client, METHODS, 'Anthropic', observer, tags, metadata)
