#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of the values that a program in Python hands over."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import pathlib
import sys
import types
import typing
import uuid

import python_helpers
from python_helpers import get_named, new_observer

# pylint: disable=wrong-import-position
from gi.repository import GLib, Gio, Json, Lsobs

SECRET = 'hunter2-horse'


@dataclasses.dataclass
class Account:
    user: str
    password: str
    token: str = dataclasses.field(default='left out', repr=False)


class Login(typing.NamedTuple):
    user: str
    password: str


class Case(collections.abc.Mapping):
    """A mapping of a class of its own."""

    def __init__(self, members):
        self.members = members

    def __getitem__(self, key):
        return self.members[key]

    def __iter__(self):
        return iter(self.members)

    def __len__(self):
        return len(self.members)


class Pair(collections.abc.Sequence):
    def __getitem__(self, index):
        return ('one', 'two')[index]

    def __len__(self):
        return 2


class Endless(collections.abc.Sequence):
    def __getitem__(self, index):
        return index

    def __len__(self):
        return sys.maxsize


class FieldInfo:
    def __init__(self, shown=True):
        self.repr = shown


class Model2:
    """Has what a model of pydantic 2 has."""

    model_fields = {'user': FieldInfo(), 'password': FieldInfo(), 'pin': FieldInfo(False),
                    'inner': FieldInfo(), 'more': FieldInfo()}

    def __init__(self, **members):
        self.__dict__.update(members)

    def model_dump(self):
        return {name: member.model_dump() if isinstance(member, Model2) else member
                for name, member in self.__dict__.items()}

    @classmethod
    def model_json_schema(cls):
        return {'title': cls.__name__, 'type': 'object'}


class Model1:
    """Has what a model of pydantic 1 has."""

    __fields__ = {'user': types.SimpleNamespace(field_info=FieldInfo()),
                  'pin': types.SimpleNamespace(field_info=FieldInfo(False)),
                  'inner': types.SimpleNamespace(field_info=FieldInfo())}

    def __init__(self, **members):
        self.__dict__.update(members)

    def dict(self):
        return {name: member.dict() if isinstance(member, Model1) else member
                for name, member in self.__dict__.items()}


class SlotModel:
    """A model that has no attributes to look at but those that it tells."""

    __slots__ = ()

    def model_dump(self):
        return {'user': 'u'}


class Attrs:
    """Has what a class of attrs has."""

    __attrs_attrs__ = (types.SimpleNamespace(name='user', repr=True),
                       types.SimpleNamespace(name='password', repr=True),
                       types.SimpleNamespace(name='pin', repr=False),
                       types.SimpleNamespace(name='unset', repr=True))

    def __init__(self):
        self.user, self.password, self.pin = 'u', SECRET, 1


class Struct:
    """Has what a struct of msgspec has."""

    __struct_fields__ = ('user', 'password')

    def __init__(self):
        self.user, self.password = 'u', SECRET


class Numbers:
    """Has what an array of numpy has."""

    dtype = 'float32'
    shape = property(lambda self: self.lengths)

    def __init__(self, values, *lengths):
        self.values = values
        self.lengths = lengths

    def tolist(self):
        return self.values


class Colour(enum.Enum):
    RED = 'red'
    BOX = {'a': 1}


class Word(str, enum.Enum):
    YES = 'yes'


class Broken:
    def __repr__(self):
        raise RuntimeError('no')


class BrokenModel:
    """Breaks when it is asked what it is, and tells a password in its text."""

    def __init__(self):
        self.password = SECRET

    def __repr__(self):
        return f'BrokenModel({SECRET})'

    def model_dump(self):
        raise RuntimeError('no')


class BrokenMapping(Case):
    def __getitem__(self, key):
        if key == 'broken':
            raise RuntimeError('no')
        return super().__getitem__(key)

    def __repr__(self):
        return f'BrokenMapping({self.members})'


class BrokenList(collections.UserList):
    def __iter__(self):
        raise RuntimeError('no')


@dataclasses.dataclass
class HalfBroken:
    password: str = SECRET
    other: int = 1

    def __getattribute__(self, name):
        if name == 'other':
            raise RuntimeError('no')
        return super().__getattribute__(name)

    def __repr__(self):
        return f'HalfBroken({SECRET})'


class OddClass(type):
    """A class that breaks whatever it is asked."""

    __hash__ = None

    def __getattribute__(cls, name):
        raise RuntimeError('no')


class Odd(metaclass=OddClass):
    def __repr__(self):
        return f'Odd({SECRET})'


def record(value):
    """What is sent of a value, as inputs, as outputs and as metadata, which are the same."""
    observer, transport = new_observer()
    run = observer.start_run('run', {'value': value})
    run.set_metadata('value', value)
    run.end({'value': value})
    sent = get_named(observer, transport)['run']
    assert sent.inputs == sent.outputs, (sent.inputs, sent.outputs)
    assert sent.metadata['value'] == sent.inputs['value'], (sent.metadata, sent.inputs)
    return sent.inputs['value']


def check(pairs):
    for value, expected in pairs:
        found = record(value)
        assert found == expected and type(found) is type(expected), (found, expected)


def test_structures():
    inner = Model2(user='i', password=SECRET, pin=7)
    check([
        (Account('u', SECRET), {'user': 'u', 'password': SECRET}),
        (Login('u', SECRET), {'user': 'u', 'password': SECRET}),
        (collections.namedtuple('Point', 'x y')(1, (2, 3)), {'x': 1, 'y': [2, 3]}),
        (collections.UserDict(a={'b': 1}), {'a': {'b': 1}}),
        (collections.OrderedDict(a=1), {'a': 1}),
        (types.MappingProxyType({'a': 1}), {'a': 1}),
        (collections.ChainMap({'a': 1}, {'b': 2}), {'a': 1, 'b': 2}),
        (Case({'a': Account('u', 'p')}), {'a': {'user': 'u', 'password': 'p'}}),
        (Pair(), ['one', 'two']),
        (collections.deque([1, 2]), [1, 2]),
        (collections.UserList([1]), [1]),
        (collections.UserString('text'), 'text'),
        ({'a': 1}.values(), [1]),
        ({'a': 1}.keys(), ['a']),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset(('b', 'a')), ['a', 'b']),
        (types.SimpleNamespace(a=[1]), {'a': [1]}),
        (Model2(user='u', password=SECRET, pin=9, inner=inner),
         {'user': 'u', 'password': SECRET, 'inner': {'user': 'i', 'password': SECRET}}),
        # whatever they are in
        (Model2(pin=9, inner={'a': [Model2(pin=8, inner=Model2(pin=7, user='u'))]},
                more=(Model1(pin=6, inner=Model1(pin=5, user='v'), other=1),)),
         {'inner': {'a': [{'inner': {'user': 'u'}}]}, 'more': [{'inner': {'user': 'v'}, 'other': 1}]}),
        (Model1(user='u', pin=9), {'user': 'u'}),
        (SlotModel(), {'user': 'u'}),
        (Attrs(), {'user': 'u', 'password': SECRET}),
        (Struct(), {'user': 'u', 'password': SECRET}),
        ([Model2(user='u'), (Login('a', 'b'),)], [{'user': 'u'}, [{'user': 'a', 'password': 'b'}]]),
        (Model2, {'title': 'Model2', 'type': 'object'}),
        (Account, '__main__.Account'),
        (check, '__main__.check'),
    ])


def test_words():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    check([
        (datetime.datetime(2026, 3, 1, 12, 30, tzinfo=zone), '2026-03-01T12:30:00+02:00'),
        (datetime.date(2026, 3, 1), '2026-03-01'),
        (datetime.time(12, 30), '12:30:00'),
        (datetime.timedelta(minutes=1, milliseconds=500), 60.5),
        (uuid.UUID(int=5), '00000000-0000-0000-0000-000000000005'),
        (Colour.RED, 'red'),
        (Colour.BOX, {'a': 1}),
        (Word.YES, 'yes'),
        (decimal.Decimal('1.10'), '1.10'),
        (fractions.Fraction(1, 3), '1/3'),
        (pathlib.PurePosixPath('/a/b'), '/a/b'),
        (True, True),
        (10**19, '10000000000000000000'),
        (-2**63, -2**63),
        ('1' * 30, '1' * 30),
        (float('inf'), 'inf'),
        ([float('nan'), 10**30, '9' * 20], ['nan', '1' + '0' * 30, '9' * 20]),
        (range(3), 'range(0, 3)'),
        (GLib.Variant('a{sv}', {'a': GLib.Variant('i', 1)}), {'a': 1}),
        (GLib.DateTime.new_utc(2026, 3, 1, 12, 30, 0), '2026-03-01T12:30:00Z'),
        ([Json.from_string('{"a": [1]}')], [{'a': [1]}]),
        ({datetime.date(2026, 3, 1): 1, Colour.RED: 2, 3: 4, None: 5, True: 6, (1, 2): 7},
         {'2026-03-01': 1, 'red': 2, '3': 4, 'null': 5, 'true': 6, '(1, 2)': 7}),
    ])


def test_bytes():
    check([
        (b'', '<0 bytes>'), (b'\xff', '<1 byte>'), (bytes(1048576), '<1048576 bytes>'),
        (bytearray(3), '<3 bytes, bytearray>'),
        (memoryview(array.array('i', [1, 2])), '<8 bytes, memoryview>'),
        (GLib.Bytes.new(b'abc'), '<3 bytes>'),
        ({'image': b'abc'}, {'image': '<3 bytes>'}),
        (GLib.Variant('ay', b'abc'), '<3 bytes>'),
        (GLib.Variant('a{sv}', {'image': GLib.Variant('ay', b'abc'), 'n': GLib.Variant('u', 7)}),
         {'image': '<3 bytes>', 'n': 7}),
        (GLib.Variant('(vmayaaya{iv})', (GLib.Variant('v', GLib.Variant('ay', b'a')), None, [b'ab'],
                                         {1: GLib.Variant('s', 'x')})),
         ['<1 byte>', None, ['<2 bytes>'], {'1': 'x'}]),
        (array.array('i', [1, 2]), [1, 2]),
        (array.array('d', bytes(8 * 2000)), '<array of 2000 d>'),
        (Numbers([1.0, 2.0], 2), [1.0, 2.0]),
        (Numbers(3.5), 3.5),
        (Numbers(None, 1000, 768), '<Numbers of 1000 x 768 float32>'),
    ])


def test_exceptions():
    def fail():
        raise KeyError('k')

    try:
        try:
            fail()
        except KeyError as problem:
            raise ValueError('not so') from problem
    except ValueError as problem:
        found = record(problem)
    assert found['type'] == 'ValueError' and found['message'] == 'not so'
    assert 'test_exceptions' in found['traceback']
    assert found['cause']['type'] == 'KeyError' and 'in fail' in found['cause']['traceback']
    error = GLib.Error.new_literal(Gio.io_error_quark(), 'gone', Gio.IOErrorEnum.NOT_FOUND)
    assert record(error) == {'type': 'GLib.Error', 'message': 'gone', 'domain': 'g-io-error-quark',
                             'code': 1}
    cycle = ValueError('a')
    cycle.__cause__ = KeyError('b')
    cycle.__cause__.__cause__ = cycle
    assert json.dumps(record(cycle)).count('ValueError') < 20
    if hasattr(__builtins__, 'ExceptionGroup'):
        group = record(ExceptionGroup('both', [ValueError('a'), KeyError('b')]))
        assert [inner['type'] for inner in group['exceptions']] == ['ValueError', 'KeyError']


def test_bounds():
    mapping = Case({})
    mapping.members['self'] = mapping
    account = Account('u', 'p')
    account.user = account
    deep = 'end'
    for _ in range(5000):
        deep = Case({'deep': deep})
    assert record(mapping) == {'self': '<Case>'}
    assert record(account)['user'] == '<Account>'
    observer, transport = new_observer()
    observer.start_run('deep', deep).end()
    assert '<Case>' in json.dumps(get_named(observer, transport)['deep'].inputs)
    # or freeing it would be the end of this program's stack
    while isinstance(deep, Case):
        deep = deep.members.pop('deep')
    observer, transport = new_observer()
    observer.start_run('endless', Endless()).end()
    assert len(get_named(observer, transport)['endless'].inputs['value']) == 100000
    # twice beside each other is no cycle
    twice = ['x']
    assert record([twice, {'a': twice}]) == [['x'], {'a': ['x']}]


def test_broken():
    """What breaks is told by its type, and takes nothing along that is beside it."""
    check([(Broken(), '<Broken: no text, RuntimeError>'),
           ([BrokenModel()], [{'password': SECRET}]),
           ({'a': BrokenMapping({'broken': 1, 'b': 2}), 'c': 2},
            {'a': {'broken': '<BrokenMapping: RuntimeError>', 'b': 2}, 'c': 2}),
           (BrokenList([SECRET]), '<BrokenList: RuntimeError>'),
           (HalfBroken(), {'password': SECRET, 'other': '<HalfBroken: RuntimeError>'}),
           ({'password': SECRET, 'odd': Odd(), 'list': [1, Odd()]},
            {'password': SECRET, 'odd': '<Odd: TypeError>', 'list': [1, '<Odd: TypeError>']}),
           ({'a': 1, 'n': 10**5000, 'm': [-10**5000]},
            {'a': 1, 'n': '<int of 16610 bits>', 'm': ['<int of 16610 bits>']}),
           (types.SimpleNamespace(a=Broken()), {'a': '<Broken: no text, RuntimeError>'})])
    problem = ValueError(Broken())
    problem.__str__ = None
    assert record(problem)['type'] == 'ValueError'


@dataclasses.dataclass(frozen=True)
class Credentials:
    user: str
    password: str


def test_keys():
    """The name of a member is a text that a key has, but never that of an object."""
    moment = datetime.datetime(2024, 2, 29, 12, 0)
    keys = {1: '1', 2.5: '2.5', None: 'null', False: 'false', 2**70: str(2**70), b'ab': '<2 bytes>',
            moment: '2024-02-29T12:00:00', uuid.UUID(int=1): str(uuid.UUID(int=1)),
            pathlib.Path('/a'): '/a', decimal.Decimal('0.10'): '0.10', Colour.RED: 'red',
            fractions.Fraction(1, 3): '1/3', datetime.timedelta(seconds=2): '2.0', ('a', 1): "('a', 1)",
            int: 'builtins.int', Credentials('u', SECRET): '<Credentials>',
            Credentials('v', SECRET): '<Credentials> 17', Login('u', SECRET): '<Login>',
            frozenset((SECRET,)): '<frozenset>', ('a', Login('u', SECRET)): "('a', <Login>)"}
    names = list(keys.values())
    assert record({key: True for key in keys}) == dict.fromkeys(names, True), record(keys)
    assert record(Case({Credentials('u', SECRET): 1})) == {'<Credentials>': 1}


def test_hidden():
    """A rule by key hides a password in whatever it comes."""
    config = python_helpers.new_config()
    config.add_redact_key('password')
    observer, transport = new_observer(config)
    values = {'dataclass': Account('u', SECRET), 'namedtuple': Login('u', SECRET),
              'user-dict': collections.UserDict(password=SECRET), 'model': Model2(password=SECRET),
              'nested-model': Model2(inner=Model2(password=SECRET)), 'attrs': Attrs(),
              'model-1': Model1(password=SECRET), 'struct': Struct(), 'mapping': Case({'password': SECRET}),
              'namespace': types.SimpleNamespace(password=SECRET), 'broken-model': BrokenModel(),
              'half-broken': HalfBroken(), 'broken-mapping': BrokenMapping({'broken': 1, 'password': SECRET}),
              'odd': {'odd': Odd(), 'password': SECRET}}
    for name, value in values.items():
        with observer.run(name, {'value': value}, metadata={'value': value}) as run:
            run.outputs = [value]
    for sent in get_named(observer, transport).values():
        for place in (sent.inputs, sent.outputs, sent.metadata['value']):
            text = json.dumps(place)
            assert SECRET not in text and 'password' in text, (sent.name, text)


if __name__ == '__main__':
    sys.exit(python_helpers.run_tests([
        test_structures, test_words, test_bytes, test_exceptions, test_bounds, test_broken,
        test_keys, test_hidden]))
