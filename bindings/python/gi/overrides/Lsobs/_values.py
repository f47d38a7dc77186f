# SPDX-License-Identifier: LGPL-2.1-or-later
"""Values of Python as JSON.

Structure stays structure, so that the rules that hide values by their keys see the keys. What has
no structure becomes a text, and bytes become a short description. Nothing here raises into the
program: a value that breaks while it is looked at is described by its type. It is not described by
its own text, in which no rule by key finds anything.
"""

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import numbers
import operator
import pathlib
import re
import traceback
import types
import uuid
import weakref

from gi.repository import GLib, Json

# What is nested deeper is told as text. json-glib recurses, so this bounds its stack.
MAX_DEPTH = 100

# How many members of a mapping or a sequence of somebody else's class are looked at: it may have
# no end.
MAX_MEMBERS = 100000

# An array of numbers with more elements is described by its type and its shape.
MAX_ARRAY_LENGTH = 1000

# The causes of an exception that are told, and the characters of its traceback.
MAX_CAUSES = 10
MAX_TRACEBACK_LENGTH = 20000

INT64 = range(-2**63, 2**63)

# What JSON has, too. Integers and floats that it has not are rare, and looked for in the text.
SCALARS = frozenset((str, int, float, bool, type(None)))
LONG_NUMBER = re.compile(rb'[0-9]{19}')
# In every third byte it has six digits: that is quick to see.
THIRD_OF_LONG_NUMBER = re.compile(rb'[0-9]{6}')


# The name of a class, whatever its metaclass does.
get_name = type.__dict__['__name__'].__get__


def describe(value):
    """Any value as text; the value of somebody else's class may not even manage that."""
    try:
        return repr(value)
    except Exception as problem:  # pylint: disable=broad-except
        return f'<{get_name(type(value))}: no text, {get_name(type(problem))}>'


def describe_problem(value, problem):
    """Describes a value, or a member of one, that raises an exception."""
    return f'<{get_name(type(value))}: {get_name(type(problem))}>'


def describe_size(value, size):
    """Describes bytes by their number."""
    unit = 'byte' if size == 1 else 'bytes'
    kind = type(value).__name__
    return f'<{size} {unit}>' if kind in ('bytes', 'Bytes') else f'<{size} {unit}, {kind}>'


# --- one function for each kind of value: it returns what JSON has, made by `walk` ----------------

def make_key(key):
    if isinstance(key, enum.Enum):
        key = key.value
    if key is None:
        return 'null'
    if type(key) is tuple:
        return f'({", ".join(make_part(part) for part in key)})'
    function = from_name if isinstance(key, type) else get_function(type(key))[0]
    if function not in KEY_FUNCTIONS:
        # the text of an object may have a secret in it, which no rule finds in a name
        return f'<{get_name(type(key))}>'
    text = function(key, None)
    return text if isinstance(text, str) else json.dumps(text)


def make_part(key):
    """A part of a key that is a tuple."""
    return repr(str.__str__(key)) if isinstance(key, str) else make_key(key)


def from_key(key, members):
    """The name of a member, as the json module has it, of any key; what is an object is named by its
    type, and there may be several of them.
    """
    try:
        name = make_key(key)
    except Exception as problem:  # pylint: disable=broad-except
        name = describe_problem(key, problem)
    if name not in members or not name.startswith('<'):
        return name
    return f'{name} {len(members) + 1}'


def from_items(items, walk):
    members = {}
    for key, member in items:
        try:
            is_scalar = type(member) in SCALARS
        except Exception:  # pylint: disable=broad-except
            # its class has no hash
            is_scalar = False
        name = key if type(key) is str else from_key(key, members)
        members[name] = member if is_scalar else walk(member)
    return members


def from_dict(value, walk):
    try:
        return from_items(value.items(), walk)
    except RuntimeError:
        # another thread has changed its size
        return from_items(list(value.items()), walk)


def from_mapping(value, walk):
    keys = list(itertools.islice(value, MAX_MEMBERS))
    return from_parts(value, keys, operator.getitem, walk)


def from_list(value, walk):
    members = []
    for member in value:
        try:
            is_scalar = type(member) in SCALARS
        except Exception:  # pylint: disable=broad-except
            # its class has no hash
            is_scalar = False
        members.append(member if is_scalar else walk(member))
    return members


def from_collection(value, walk):
    return from_list(itertools.islice(value, MAX_MEMBERS), walk)


def from_set(value, walk):
    members = list(itertools.islice(value, MAX_MEMBERS))
    try:
        members.sort()
    except Exception:  # pylint: disable=broad-except
        # they have no order
        pass
    return from_list(members, walk)


def from_range(value, _walk):
    return repr(value)


def from_namedtuple(value, walk):
    return from_items(zip(value._fields, tuple(value)), walk)


def from_parts(value, keys, get, walk):
    """Of the parts of a value, each of which may break for itself."""
    parts = []
    for key in keys:
        try:
            part = get(value, key)
        except AttributeError:
            # it is not set: an object may be looked at while it is being made
            continue
        except Exception as problem:  # pylint: disable=broad-except
            part = describe_problem(value, problem)
        parts.append((key, part))
    return from_items(parts, walk)


def from_attributes(value, names, walk):
    return from_parts(value, names, getattr, walk)


def from_dataclass(value, walk):
    # what its class leaves out of its text is not for others
    return from_attributes(value, [field.name for field in dataclasses.fields(value) if field.repr],
                           walk)


def from_attrs(value, walk):
    return from_attributes(value, [field.name for field in type(value).__attrs_attrs__
                                   if field.repr is not False], walk)


def from_struct(value, walk):
    return from_attributes(value, type(value).__struct_fields__, walk)


def from_namespace(value, walk):
    return from_items(list(vars(value).items()), walk)


def get_info(field):
    """What is declared of a field of a model of pydantic, of either version."""
    return getattr(field, 'field_info', field)


def get_fields(kind):
    """The fields of a class of models by their names; empty for what only looks like such a class."""
    fields = getattr(kind, 'model_fields' if hasattr(kind, 'model_fields') else '__fields__', None)
    return fields if isinstance(fields, dict) else {}


def get_shown(fields):
    """Those that are not left out of the text of a model, nor of what it is stored as."""
    return [name for name, field in fields.items()
            if getattr(get_info(field), 'repr', True) is not False
            and getattr(get_info(field), 'exclude', None) is not True]


def has_serializer(name, field, decorators):
    """Whether the program has its own serializer for a field."""
    for decorator in getattr(decorators, 'field_serializers', {}).values():
        if name in decorator.info.fields or '*' in decorator.info.fields:
            return True
    return any(type(note).__name__ in ('PlainSerializer', 'WrapSerializer')
               for note in getattr(field, 'metadata', ()))


class ModelPlan:
    """How the models of a class are told."""

    def __init__(self, kind):
        fields = get_fields(kind)
        decorators = getattr(kind, '__pydantic_decorators__', None)
        shown = get_shown(fields)
        # those that functions of the program tell, and the others
        self.made = {name for name in shown if has_serializer(name, fields[name], decorators)}
        self.plain = [name for name in shown if name not in self.made]
        self.hidden = set(fields).difference(shown)
        self.computed = get_shown(getattr(kind, 'model_computed_fields', {}))
        self.is_dumped = not fields or bool(getattr(decorators, 'model_serializers', None))
        self.is_root = bool(getattr(kind, '__pydantic_root_model__', False))
        self.is_first_version = not hasattr(kind, 'model_dump')


# Those of the classes that have been met.
model_plans = weakref.WeakKeyDictionary()


def dump_model(value, plan, walk):
    """What a model makes of itself."""
    members = value.dict() if plan.is_first_version else value.model_dump()
    if not isinstance(members, dict):
        return walk(members)
    return from_items([item for item in members.items() if item[0] not in plan.hidden], walk)


def make_members(value, names):
    """The fields of a model that functions of the program tell."""
    try:
        return value.model_dump(include=names)
    except Exception as problem:  # pylint: disable=broad-except
        return dict.fromkeys(names, describe_problem(value, problem))


def from_model(value, walk):
    """A model of pydantic, of either version, or of what has the same method.

    Its attributes are walked one by one: the dict that a model makes of itself has the models below
    it as dicts, with the fields that are left out of their text.
    """
    kind = type(value)
    plan = model_plans.get(kind)
    if plan is None:
        plan = model_plans[kind] = ModelPlan(kind)
    attributes = getattr(value, '__dict__', None)
    if attributes is None:
        return dump_model(value, plan, walk)
    if plan.is_dumped:
        try:
            return dump_model(value, plan, walk)
        except Exception:  # pylint: disable=broad-except
            # then what it is made of
            pass
    members = {name: attributes[name] for name in plan.plain if name in attributes}
    if plan.made:
        members.update(make_members(value, plan.made))
    if plan.is_root:
        return walk(members.get('root'))
    # what the class does not know, but takes; in a second version, the rest is values that are kept
    extra = getattr(value, '__pydantic_extra__', None)
    if extra is None and (plan.is_first_version or plan.is_dumped):
        extra = {name: member for name, member in attributes.items()
                 if name not in members and name not in plan.hidden}
    members.update(extra or {})
    for name in plan.computed:
        try:
            members[name] = getattr(value, name)
        except Exception as problem:  # pylint: disable=broad-except
            members[name] = describe_problem(value, problem)
    return from_items(members.items(), walk)


def from_bytes(value, _walk):
    return describe_size(value, value.nbytes if isinstance(value, memoryview) else len(value))


def from_glib_bytes(value, _walk):
    return describe_size(value, value.get_size())


def from_iso(value, _walk):
    return value.isoformat()


def from_timedelta(value, _walk):
    return value.total_seconds()


def from_text(value, _walk):
    return str(value)


def from_str(value, _walk):
    return str.__str__(value)


def from_bool(value, _walk):
    return bool(value)


def from_int(value, _walk):
    # of the class int itself: a range looks for a member of an enum number by number
    number = int(value)
    if number in INT64:
        return number
    try:
        return str(number)
    except ValueError:
        # with more digits than Python writes
        return f'<int of {number.bit_length()} bits>'


def from_float(value, _walk):
    number = float(value)
    return number if abs(number) < float('inf') else str(number)


def from_number(value, walk):
    """A number of somebody else's class, such as a fraction."""
    if isinstance(value, numbers.Integral):
        return from_int(value, walk)
    return str(value)


def from_enum(value, walk):
    return walk(value.value)


def from_name(value, _walk):
    """A class or a function."""
    return f'{value.__module__}.{value.__qualname__}'


def from_schema(value, walk):
    """A class of a model: what a service of models is asked to answer."""
    if isinstance(value, type) and hasattr(value, 'model_json_schema'):
        return walk(value.model_json_schema())
    return from_name(value, walk)


def from_pattern(value, _walk):
    return value.pattern if isinstance(value.pattern, str) else describe(value.pattern)


def from_array(value, walk):
    """An array or a scalar of numpy, or of what has the same attributes."""
    size = 1
    for length in value.shape:
        size *= int(length)
    if size > MAX_ARRAY_LENGTH:
        shape = ' x '.join(str(int(length)) for length in value.shape)
        return f'<{type(value).__name__} of {shape} {value.dtype}>'
    return walk(value.tolist())


def from_number_array(value, walk):
    """One of the module array."""
    if len(value) > MAX_ARRAY_LENGTH:
        return f'<array of {len(value)} {value.typecode}>'
    return from_list(value, walk)


def from_glib_error(value, _walk):
    return {'type': 'GLib.Error', 'message': value.message, 'domain': value.domain, 'code': value.code}


def from_exception(value, walk, n_causes=0):
    try:
        text = str(value)
    except Exception as problem:  # pylint: disable=broad-except
        text = f'<no text, {type(problem).__name__}>'
    members = {'type': type(value).__name__, 'message': text}
    if value.__traceback__ is not None:
        lines = ''.join(traceback.format_tb(value.__traceback__))
        members['traceback'] = lines[-MAX_TRACEBACK_LENGTH:]
    cause = value.__cause__
    if cause is None and not value.__suppress_context__:
        cause = value.__context__
    if cause is not None and n_causes < MAX_CAUSES:
        members['cause'] = (from_exception(cause, walk, n_causes + 1)
                            if not isinstance(cause, GLib.Error) else from_glib_error(cause, walk))
    inner = getattr(value, 'exceptions', None)
    if isinstance(inner, tuple):
        # a group of them
        members['exceptions'] = walk(inner)
    return members


def from_json_node(value, _walk):
    return json.loads(Json.to_string(value, False))


def from_variant(value, walk):
    kind = value.get_type_string()
    if kind == 'ay':
        return describe_size(b'', value.n_children())
    if 'ay' not in kind and 'v' not in kind:
        return walk(value.unpack())
    # there may be bytes in it, which take long to unpack
    children = [value.get_child_value(index) for index in range(value.n_children())]
    if kind.startswith('a{'):
        return from_items([(child.get_child_value(0).unpack(), child.get_child_value(1))
                           for child in children], walk)
    if kind[0] in 'vm':
        return walk(children[0]) if children else None
    return from_list(children, walk)


def from_glib_time(value, _walk):
    return value.format_iso8601()


def from_other(value, _walk):
    return describe(value)


# By the class of the value, looked at in this order. What is a subclass of two goes to the first.
KINDS = (
    (enum.Enum, from_enum),
    (str, from_str),
    (bool, from_bool),
    (int, from_int),
    (float, from_float),
    ((bytes, bytearray, memoryview), from_bytes),
    (GLib.Bytes, from_glib_bytes),
    (Json.Node, from_json_node),
    (GLib.Variant, from_variant),
    (GLib.DateTime, from_glib_time),
    (GLib.Error, from_glib_error),
    (BaseException, from_exception),
    ((datetime.date, datetime.time), from_iso),
    (datetime.timedelta, from_timedelta),
    ((uuid.UUID, decimal.Decimal, pathlib.PurePath, datetime.tzinfo, collections.UserString),
     from_text),
    (re.Pattern, from_pattern),
    (range, from_range),
    (types.SimpleNamespace, from_namespace),
    (type, from_schema),
    ((types.FunctionType, types.BuiltinFunctionType), from_name),
    (numbers.Number, from_number),
)

# These come after those that are known by what they have.
CONTAINERS = (
    (dict, from_dict),
    ((list, tuple), from_list),
    ((set, frozenset, collections.abc.Set), from_set),
    (collections.abc.Mapping, from_mapping),
    ((collections.abc.Sequence, collections.abc.MappingView), from_collection),
)


def find_function(kind):
    """What makes JSON of the values of a class."""
    if kind.__name__ == 'array' and kind.__module__ == 'array':
        return from_number_array
    if all(hasattr(kind, name) for name in ('shape', 'dtype', 'tolist')):
        return from_array
    for classes, function in KINDS:
        if issubclass(kind, classes):
            return function
    if callable(getattr(kind, 'model_dump', None)):
        return from_model
    if hasattr(kind, '__fields__') and callable(getattr(kind, 'dict', None)):
        return from_model
    if dataclasses.is_dataclass(kind):
        return from_dataclass
    if isinstance(getattr(kind, '__attrs_attrs__', None), tuple):
        return from_attrs
    if isinstance(getattr(kind, '__struct_fields__', None), tuple):
        return from_struct
    if issubclass(kind, tuple) and isinstance(getattr(kind, '_fields', None), tuple):
        return from_namedtuple
    for classes, function in CONTAINERS:
        if issubclass(kind, classes):
            return function
    return from_other


# Those that look at nothing inside of a value that may be an object of somebody's again.
LEAVES = frozenset((
    from_str, from_int, from_float, from_bool, from_bytes, from_glib_bytes, from_json_node,
    from_glib_time, from_glib_error, from_iso, from_timedelta, from_text, from_pattern, from_range,
    from_name, from_number, from_other))

# Those whose text may be the name of a member.
KEY_FUNCTIONS = LEAVES - {from_json_node, from_glib_error, from_other}

# Those of the classes that have been met, and whether they are leaves. A class may go away with its
# module.
known_functions = weakref.WeakKeyDictionary()

# The same for what is met most, without a reference that is weak.
COMMON = {dict: (from_dict, False), list: (from_list, False), tuple: (from_list, False),
          bytes: (from_bytes, True)}


def get_function(kind):
    known = known_functions.get(kind)
    if known is None:
        function = find_function(kind)
        known = known_functions[kind] = (function, function in LEAVES)
    return known


def make_walk():
    """The function that makes JSON of a value, in one pass, which knows what is above."""
    above = set()

    def walk(value):
        kind = type(value)
        try:
            if kind in SCALARS:
                return value
            function, is_leaf = COMMON.get(kind) or get_function(kind)
        except Exception as problem:  # pylint: disable=broad-except
            # its class breaks
            return describe_problem(value, problem)
        identity = id(value)
        if not is_leaf:
            if identity in above or len(above) >= MAX_DEPTH:
                return f'<{get_name(kind)}>'
            above.add(identity)
        try:
            return function(value, walk)
        except Exception as problem:  # pylint: disable=broad-except
            return describe_problem(value, problem)
        finally:
            above.discard(identity)

    return walk


def has_long_number(text):
    return (THIRD_OF_LONG_NUMBER.search(text[::3]) is not None
            and LONG_NUMBER.search(text) is not None)


def tidy(value):
    """Of what a walk has made: numbers that no reader of JSON takes, as texts."""
    if isinstance(value, dict):
        return {key: tidy(member) for key, member in value.items()}
    if isinstance(value, list):
        return [tidy(member) for member in value]
    if type(value) is int:
        return from_int(value, None)
    if type(value) is float:
        return from_float(value, None)
    return value


def to_plain(value):
    """What JSON has; all else as text, and so are a cycle and what is too deep."""
    return tidy(make_walk()(value))


def dump(plain):
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, check_circular=False)


def to_text(value):
    """The value as JSON in UTF-8. No value is refused, since tracing must not break a program."""
    try:
        plain = make_walk()(value)
        try:
            text = dump(plain).encode('utf-8', 'replace')
        except ValueError:
            # no number, infinite, or with more digits than Python writes
            text = None
        if text is None or has_long_number(text):
            text = dump(tidy(plain)).encode('utf-8', 'replace')
        return text
    except Exception as problem:  # pylint: disable=broad-except
        return dump(describe_problem(value, problem)).encode('utf-8', 'replace')


def to_node(value):
    if value is None or isinstance(value, Json.Node):
        return value
    return Json.from_string(to_text(value).decode('utf-8'))


def to_payload(value):
    """As to_node(), but with the text left to the library, which need not parse it."""
    if value is None or isinstance(value, Json.Node):
        return value
    return GLib.Bytes.new(to_text(value))


def to_bytes(data, what):
    """What C takes for bytes, of bytes as Python has them."""
    if data is None or isinstance(data, GLib.Bytes):
        return data
    try:
        return GLib.Bytes.new(bytes(memoryview(data)))
    except TypeError:
        pass
    raise TypeError(f'{what} must be bytes or GLib.Bytes, not {type(data).__name__}')


def to_score(score):
    """What C takes for the score of a feedback."""
    if not isinstance(score, (str, bytes)):
        try:
            return float(score)
        except (TypeError, ValueError):
            pass
    raise TypeError(f'score is a number, not {type(score).__name__}; a value that is no number is set '
                    'by Lsobs.Feedback.set_value(), and sent by Lsobs.Observer.add_feedback()')


def clean(text):
    """What C takes for a text, of whatever a program has for one."""
    text = text if isinstance(text, str) else describe(text)
    return text.encode('utf-8', 'replace').decode('utf-8').replace('\0', '\ufffd')
