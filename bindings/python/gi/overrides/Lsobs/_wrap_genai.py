# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the package google-genai, of the version 1: genai.Client and its `aio`."""

from ._values import to_plain
from ._wrap import Method, describe_function, dump, frame_data, join_url, wrap_client

# What is beside the generation config in a request, by its name in Python.
OUTER_CONFIG = {'system_instruction': 'systemInstruction', 'tools': 'tools', 'tool_config': 'toolConfig',
                'safety_settings': 'safetySettings', 'cached_content': 'cachedContent', 'labels': 'labels'}

# What the client itself does, or what is about the connection.
OWN_CONFIG = frozenset(('http_options', 'automatic_function_calling', 'should_return_http_response'))


def to_camel(name):
    head, *tail = name.split('_')
    return head + ''.join(word.capitalize() for word in tail)


def rename(value):
    """JSON with the names that the HTTP API has; what a program has chosen as a name is left alone."""
    if isinstance(value, list):
        return [rename(member) for member in value]
    if not isinstance(value, dict):
        return value
    renamed = {}
    for name, member in value.items():
        is_own = name in ('args', 'response', 'properties', 'labels', 'parameters_json_schema',
                          'response_json_schema')
        if member is not None:
            renamed[to_camel(name)] = member if is_own else rename(member)
    return renamed


def make_part(part):
    if isinstance(part, str):
        return {'text': part}
    part = rename(to_plain(dump(part)))
    return part if isinstance(part, dict) else {'text': str(part)}


def is_content(value):
    return 'parts' in value if isinstance(value, dict) else hasattr(value, 'parts')


def make_contents(contents):
    """Contents may be a text, a part, a content, or a list of any of those."""
    made = []
    for value in contents if isinstance(contents, (list, tuple)) else [contents]:
        if is_content(value):
            made.append(rename(to_plain(dump(value))))
            continue
        # parts that follow each other are one content
        if not made or made[-1].get('open') is not True:
            made.append({'role': 'user', 'parts': [], 'open': True})
        made[-1]['parts'].append(make_part(value))
    for content in made:
        content.pop('open', None)
    return made


def make_tools(tools):
    functions = [describe_function(tool) for tool in tools if callable(tool)]
    made = [rename(to_plain(dump(tool))) for tool in tools if not callable(tool)]
    return made + ([{'functionDeclarations': functions}] if functions else [])


def make_config(config):
    """The members of the request that come of the argument `config`."""
    if config is None:
        return {}
    if not isinstance(config, dict):
        config = {name: value for name, value in vars(config).items() if value is not None}
    request, generation = {}, {}
    for name, value in config.items():
        camel = to_camel(name)
        snake = next((key for key, outer in OUTER_CONFIG.items() if outer == camel), name)
        if snake in OWN_CONFIG or value is None:
            continue
        if snake == 'tools':
            request['tools'] = make_tools(value)
        elif snake == 'system_instruction':
            request[camel] = make_contents(value)[0]
        elif snake in OUTER_CONFIG:
            request[camel] = rename(to_plain(dump(value)))
        else:
            generation[camel] = rename(to_plain(dump(value)))
    if generation:
        request['generationConfig'] = generation
    return request


def make_method(path, operation):
    def get_url(client, arguments):
        api = getattr(client, '_api_client', None)
        base = getattr(getattr(api, '_http_options', None), 'base_url', None)
        is_vertex = bool(getattr(client, 'vertexai', False) or getattr(api, 'vertexai', False))
        if not isinstance(base, str) or not base:
            base = ('https://aiplatform.googleapis.com/' if is_vertex
                    else 'https://generativelanguage.googleapis.com/')
        folder = '/v1/publishers/google/models/' if is_vertex else '/v1beta/models/'
        model = str(arguments.get('model') or '').split('/')[-1]
        return join_url(base, f'{folder}{model}:{operation}')

    def get_body(arguments):
        contents = make_contents(arguments.get('contents'))
        if operation == 'embedContent':
            return {'content': contents[0] if len(contents) == 1 else contents,
                    **make_config(arguments.get('config')).get('generationConfig', {})}
        return {'contents': contents, **make_config(arguments.get('config'))}

    return Method(path, get_url, get_body, frame_data)


METHODS = tuple(make_method(f'{prefix}models.{name}', operation)
                for prefix in ('', 'aio.')
                for name, operation in (('generate_content', 'generateContent'),
                                        ('generate_content_stream', 'streamGenerateContent'),
                                        ('embed_content', 'embedContent')))


def wrap_genai(client, *, observer=None, tags=(), metadata=None):
    """Trace the calls of a client of the package google-genai, and of its `aio`; returns the client.

    Chats of the client are traced, too. Tools that the client calls by itself are below the call.
    Without an observer, the one of the run around a call is taken, or else the default one. Tags and
    metadata are given to each call.
    """
    return wrap_client(client, METHODS, 'Google Gen AI', observer, tags, metadata, has_copies=False)
