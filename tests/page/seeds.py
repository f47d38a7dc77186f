# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the traces that the page is looked at with. All is sent as a client would send it."""

import datetime
import json
import random
import struct
import uuid
import zlib

NOW = datetime.datetime.now(datetime.timezone.utc)


def new_id():
    return str(uuid.uuid4())


def ago(**before):
    return NOW - datetime.timedelta(**before)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def seconds(n):
    return datetime.timedelta(seconds=n)


def time_text(time):
    return time.strftime('%Y-%m-%dT%H:%M:%S.%fZ')


def png(width, height, paint):
    """Returns: a picture; paint (x, y) returns the red, green and blue of a point."""
    rows = b''.join(b'\0' + bytes(value for x in range(width) for value in paint(x, y)) for y in range(height))

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def map_picture():
    """A coast, some land, and a way through it."""
    def paint(x, y):
        if abs(y - 70 - 0.25 * x) < 2 and x > 60:
            return 214, 69, 65
        shore = 60 + 12 * ((x // 23) % 3) + x // 9
        return (166, 205, 226) if y < shore else (221, 230, 200) if (x // 16 + y // 16) % 2 else (214, 224, 192)
    return png(320, 180, paint)


class Tree:
    """The runs of a trace. Each is made by run (), children after their parent."""

    def __init__(self, project, start, thread=None):
        self.project = project
        self.start = start
        self.thread = thread
        self.runs = []
        self.orders = {}

    def run(self, name, run_type='chain', parent=None, begin=0.0, end=1.0, inputs=None, outputs=None, error=None,
            tags=None, metadata=None, usage=None, first_token=None, events=None, run_id=None):
        """Times are in seconds after the begin of the trace; without an end the run goes on."""
        run_id = run_id or new_id()
        start = self.start + seconds(begin)
        order = start.strftime('%Y%m%dT%H%M%S%fZ') + run_id
        if parent:
            order = self.orders[parent] + '.' + order
        self.orders[run_id] = order
        metadata = dict(metadata or {})
        if self.thread and not parent:
            metadata['thread_id'] = self.thread
        run = {
            'id': run_id, 'trace_id': order[:order.find('.')][-36:] if '.' in order else run_id, 'dotted_order': order,
            'parent_run_id': parent, 'name': name, 'run_type': run_type, 'start_time': time_text(start),
            'session_name': self.project, 'inputs': inputs if inputs is not None else {},
            'extra': {'metadata': metadata}, 'tags': tags or [],
        }
        if end is not None:
            run['end_time'] = time_text(self.start + seconds(end))
            if outputs is not None:
                run['outputs'] = outputs
            if error is not None:
                run['error'] = error
        if usage:
            run['extra']['metadata']['usage_metadata'] = usage
            if isinstance(run.get('outputs'), dict):
                run['outputs'] = dict(run['outputs'], usage_metadata=usage)
        names = list(events or [])
        if first_token is not None:
            names.insert(0, ('new_token', first_token))
        if names:
            run['events'] = [{'name': event, 'time': time_text(self.start + seconds(at))} for event, at in names]
        self.runs.append(run)
        return run_id

    @property
    def root(self):
        return self.runs[0]['id']


def usage(given, made, price=2.5e-6):
    return {'input_tokens': given, 'output_tokens': made, 'total_tokens': given + made,
            'input_cost': given * price, 'output_cost': made * 4 * price, 'total_cost': (given + 4 * made) * price}


TOOL_CALL = {'id': 'call_1', 'type': 'function',
             'function': {'name': 'find_trains', 'arguments': '{"from": "Porto", "to": "Vigo", "day": "Saturday"}'}}
SYSTEM = 'You plan journeys by train. Ask a tool for each connection, and name the price of each.'
QUESTION = 'How do I get from Porto to Vigo on Saturday, and what does it cost?'
ANSWER = ('Take the **Celta** at 08:13 from Porto-Campanhã.\n\nIt arrives in Vigo-Guixar at 11:35, local time, and costs '
          '14.75 €. There is a second train at 19:13.\n\n1. Buy the ticket at least a day before.\n2. Take an ID along.')
TRAINS = [{'train': 'Celta 420', 'departs': '08:13', 'arrives': '11:35', 'price': 14.75},
          {'train': 'Celta 422', 'departs': '19:13', 'arrives': '22:33', 'price': 14.75}]


def agent_trace(project, start, question=QUESTION, answer=ANSWER, thread=None, fails=False, tags=('production',),
                ends=True, slow=1.0, metadata=None):
    """A trace like those of an agent with tools."""
    tree = Tree(project, start, thread)
    messages = [{'role': 'system', 'content': SYSTEM}, {'role': 'user', 'content': question}]
    problem = ('TimeoutError: the timetable did not answer within 5 s\n\nTraceback (most recent call last):\n'
               '  File "agent.py", line 41, in find_trains\n    return timetable.ask(start, end)\n'
               '  File "timetable.py", line 12, in ask\n    raise TimeoutError("the timetable did not answer within 5 s")')
    end = 4.6 * slow
    root = tree.run('plan journey', 'chain', None, 0, end if ends else None, {'question': question},
                    None if fails else {'answer': answer}, problem if fails else None, list(tags),
                    {'user': 'ana', 'revision': 'a41c', **(metadata or {})})
    prepare = tree.run('prepare', 'chain', root, 0.01 * slow, 0.32 * slow, {'question': question}, {'language': 'en'})
    tree.run('look up customs', 'retriever', prepare, 0.03 * slow, 0.3 * slow, {'query': 'train Porto Vigo'},
             {'documents': [{'page_content': 'The Celta runs twice a day.', 'metadata': {'source': 'handbook.md'}},
                            {'page_content': 'Spain is one hour ahead of Portugal.', 'metadata': {'source': 'zones.md'}}]})
    tree.run('gpt-4o', 'llm', root, 0.35 * slow, 1.5 * slow, {'messages': messages, 'model': 'gpt-4o'},
             {'choices': [{'index': 0, 'finish_reason': 'tool_calls', 'message': {
                 'role': 'assistant', 'content': None, 'reasoning_content':
                 'Both towns have a station. I need the connections on Saturday before I can name a price.',
                 'tool_calls': [TOOL_CALL]}}]},
             None, ['fast'], {'ls_provider': 'openai', 'ls_model_name': 'gpt-4o', 'ls_temperature': 0.2},
             usage(412, 38), 0.75 * slow)
    tree.run('find_trains', 'tool', root, 1.52 * slow, 2.9 * slow, json.loads(TOOL_CALL['function']['arguments']),
             None if fails else {'output': TRAINS}, problem if fails else None, events=[('retry', 2.1 * slow)])
    if fails:
        return tree
    messages = messages + [{'role': 'assistant', 'content': None, 'tool_calls': [TOOL_CALL]},
                           {'role': 'tool', 'tool_call_id': 'call_1', 'name': 'find_trains',
                            'content': json.dumps(TRAINS)}]
    tree.run('gpt-4o', 'llm', root, 2.95 * slow, 4.5 * slow if ends else None, {'messages': messages, 'model': 'gpt-4o'},
             {'choices': [{'index': 0, 'finish_reason': 'stop',
                           'message': {'role': 'assistant', 'content': answer}}]},
             None, [], {'ls_provider': 'openai', 'ls_model_name': 'gpt-4o'}, usage(655, 121), 3.4 * slow)
    return tree


TALK = [
    ('How do I get from Porto to Vigo on Saturday?', 'Take the Celta at 08:13; it arrives at 11:35.'),
    ('Is there a later one?', 'Yes: at 19:13, which arrives at 22:33.'),
    ('And back on Sunday?', 'The Celta leaves Vigo at 08:58 and at 19:56.'),
]

SUBJECTS = ['Which pass is cheapest for a week in Galicia?', 'Night trains from Lisbon to Madrid?',
            'Book two seats to Coimbra, by the window', 'When is the last bus from Vigo to Baiona?',
            'Translate “a single ticket, please” to Portuguese', 'Plan a day in Braga with a child',
            'Does the Celta take bicycles?', 'Find a café near São Bento station']

FINDINGS = ['A pass for seven days costs 164 €, and is good for all trains.', 'There is none at present; the first train leaves at 06:10.',
            'Seats 41 and 43 in coach 4 are yours.', 'The last one leaves at 22:15 from the station.',
            '“Um bilhete simples, por favor.”']


def seed_one(service):
    """One trace, and what belongs to it."""
    tree = agent_trace('travel-agent', ago(minutes=3))
    service.post_runs(tree.runs)
    return tree


def seed_failed(service):
    """One trace that has failed."""
    tree = agent_trace('travel-agent', ago(minutes=2), fails=True)
    service.post_runs(tree.runs)
    return tree


def seed_desk(service):
    """What a developer has after a week: several projects, threads, feedback, attachments. Returns: ids by name."""
    chance = random.Random(7)
    ids = {}
    runs = []
    for i in range(160):
        slow = chance.choice([0.4, 0.7, 1.0, 1.0, 1.4, 3.1])
        tree = agent_trace('travel-agent', NOW - seconds(600 + i * 3300 * chance.uniform(0.6, 1.4)),
                           SUBJECTS[i % len(SUBJECTS)], 'Here is what I have found: ' + ANSWER, fails=i % 13 == 5,
                           tags=['production'] if i % 3 else ['staging', 'retry'], slow=slow,
                           metadata={'user': chance.choice(['ana', 'bo', 'carl'])})
        runs += tree.runs
    for i, (question, answer) in enumerate(TALK):
        tree = agent_trace('travel-agent', ago(minutes=9 - 2 * i), question, answer, thread='trip-to-vigo')
        ids[f'talk-{i}'] = tree.root
        runs += tree.runs
    for i in range(12):
        for k in range(3):
            runs += agent_trace('travel-agent', ago(hours=3 * i + 2, minutes=-k), SUBJECTS[(i + k) % 8],
                                FINDINGS[(i + k) % len(FINDINGS)], thread=f'journey-{100 + 7 * i}').runs
    failed = agent_trace('travel-agent', ago(minutes=1, seconds=30), 'Which platform does it leave from?', fails=True)
    first = agent_trace('travel-agent', ago(minutes=1), metadata={'experiment': 'short-prompt'})
    ids['failed'] = failed.root
    ids['failed-tool'] = failed.runs[-1]['id']
    ids['good'] = first.root
    ids['good-model'] = first.runs[-1]['id']
    ids['good-first-model'] = first.runs[3]['id']
    ids['good-tool'] = first.runs[4]['id']
    runs += failed.runs + first.runs
    for i in range(5):
        runs += agent_trace('support-desk', ago(hours=5 * i + 1), SUBJECTS[i]).runs
        runs += agent_trace('nightly-evaluation', ago(days=1, minutes=i), SUBJECTS[i + 2], fails=i == 2).runs
    service.post_runs(runs)
    service.post_feedback(first.root, 'user_rating', 1, 'Exactly what I wanted to know.')
    service.post_feedback(first.root, 'correctness', 0.75)
    service.post_feedback(ids['talk-0'], 'user_rating', 0, 'That train does not run on Saturdays.')
    seed_pictures(service, ids)
    return ids


def seed_pictures(service, ids):
    """A trace with pictures: attachments, and those in messages."""
    picture = map_picture()
    data = 'data:image/png;base64,' + __import__('base64').b64encode(picture).decode()
    tree = Tree('travel-agent', ago(seconds=40))
    root = tree.run('read a map', 'chain', None, 0, 2.2, {'question': 'What is on this map?'},
                    {'answer': 'A coast, and a way that leads inland.'}, tags=['vision'])
    model = tree.run('claude-sonnet', 'llm', root, 0.1, 2.1, {'messages': [{'role': 'user', 'content': [
        {'type': 'text', 'text': 'What is on this map?'}, {'type': 'image_url', 'image_url': {'url': data}}]}]},
        {'role': 'assistant', 'content': [
            {'type': 'thinking', 'thinking': 'The blue part is water, and the red line a way.'},
            {'type': 'text', 'text': 'A coast, and a way that leads inland.'}]},
        metadata={'ls_provider': 'anthropic', 'ls_model_name': 'claude-sonnet'}, usage=usage(1290, 24, 3e-6),
        first_token=0.8)
    service.post_runs(tree.runs)
    service.post_attachment(root, 'map', 'image/png', picture)
    service.post_attachment(root, 'notes.txt', 'text/plain', 'Blue is water.\nRed is the way.\n'.encode())
    service.post_attachment(root, 'drawing.svg', 'image/svg+xml',
                            b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
                            b'<script>window.top.lsobsAttacked = "svg"</script><rect width="40" height="40"/></svg>')
    ids['pictures'] = root
    ids['pictures-model'] = model


def hostile_text(where):
    """A text that does something wherever it is taken for more than a text."""
    attack = f"window.lsobsAttacked=('{where}')"
    return (f'"\'><script>{attack}</script><img src=x onerror="{attack}"><svg onload="{attack}">'
            f'<iframe srcdoc="<script>parent.{attack}</script>"></iframe><a href="javascript:{attack}">x</a>'
            '<style>*{display:none}</style><base href="http://evil.invalid/"><meta http-equiv=refresh '
            'content="0;url=http://evil.invalid/"><img src="http://evil.invalid/pixel.png">'
            f'[x](javascript:{attack}) ![x](http://evil.invalid/markdown.png) '
            '${alert(1)} {{constructor.constructor("alert(1)")()}} \u202egnp.exe\u202c \u2066x\u2069 \u200b\x1b[31mred\x07 '
            f'\ud800 \0 __proto__ {where}')


HOSTILE_WORDS = 'attacked-field'


def seed_hostile(service):
    """A trace of which each field is an attack. Returns: its ids."""
    def text(where):
        return hostile_text(f'{HOSTILE_WORDS}-{where}')
    tree = Tree('hostile ' + text('project')[:180], ago(seconds=30), thread=text('thread'))
    where = tree.run(
        text('name'), text('type')[:60], None, 0, 2, {text('input-key'): text('input'), '__proto__': {'x': 1}, 'constructor': 1,
                                              'html': '<b>bold</b>', 'toString': text('to-string')},
        {'output': text('output'), 'messages': [{'role': text('role'), 'content': text('content')}]}, text('error'),
        [text('tag')], {text('metadata-key'): text('metadata'), 'url': 'javascript:window.lsobsAttacked=1'},
        events=[(text('event'), 1)])
    model = tree.run(
        'model', 'llm', where, 0.2, 1.8, {'messages': [
            {'role': 'system', 'content': text('system')},
            {'role': 'user', 'content': [
                {'type': 'text', 'text': text('block')},
                {'type': 'image_url', 'image_url': {'url': 'http://evil.invalid/image.png'}},
                {'type': 'image_url', 'image_url': {'url': 'javascript:window.lsobsAttacked=2'}},
                {'type': 'image_url', 'image_url': {'url': 'data:text/html,<script>parent.lsobsAttacked=3</script>'}},
                {'type': 'image_url', 'image_url': {
                    'url': 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="window.lsobsAttacked=4"/>'}},
                {'type': text('block-type'), text('block-key'): 1}]},
            {'role': 'assistant', 'content': None, 'tool_calls': [
                {'id': text('call-id'), 'type': 'function',
                 'function': {'name': text('call-name'), 'arguments': text('call-arguments')}}]},
            {'role': 'tool', 'tool_call_id': text('call-id'), 'content': text('tool-result')}]},
        {'choices': [{'message': {'role': 'assistant', 'content': text('answer'),
                                  'reasoning_content': text('reasoning')}}]},
        metadata={'ls_model_name': text('model-name'), 'ls_provider': text('provider')}, usage=usage(10, 20))
    odd = tree.run(
        'odd', 'llm', where, 0.3, 1.9, {'messages': [
            {'role': 'user', 'content': [7, None, [1], {'type': 3, 'text': {'a': 1}}]}, None, 3, 'text',
            {'role': {'toString': 1}, 'content': {'a': 1}}, {'role': 'user', 'content': text('odd')}]},
        {'choices': {'message': 1}, 'messages': None})
    service.post_runs(tree.runs)
    service.post_feedback(where, text('feedback-key')[:120], 1, text('feedback-comment'), text('feedback-value'))
    service.post_attachment(where, '<img src=x onerror=window.lsobsAttacked=5>', 'text/html',
                            b'<script>window.top.lsobsAttacked = "html"</script>')
    service.post_attachment(where, 'drawing', 'image/svg+xml',
                            b'<svg xmlns="http://www.w3.org/2000/svg"><script>window.top.lsobsAttacked=6</script></svg>')
    service.post_attachment(where, 'false picture', 'image/png', b'<script>window.top.lsobsAttacked=7</script>')
    return {'root': where, 'model': model, 'odd': odd, 'project': tree.project}


def seed_huge(service, n_runs=10000):
    """A trace with very many runs. Returns: its id, and that of the last run."""
    tree = Tree('huge', ago(minutes=20))
    root = tree.run('crawl', 'chain', None, 0, n_runs / 50, {'question': 'Read all pages'}, {'answer': 'done'})
    step = 0.019
    while len(tree.runs) < n_runs:
        i = len(tree.runs)
        begin = i * step
        page = tree.run(f'page {i}', 'chain', root, begin, begin + 9 * step, {'page': i}, {'words': i * 7})
        for k in range(min(9, n_runs - len(tree.runs))):
            tree.run(['fetch', 'parse', 'gpt-4o-mini'][k % 3] + f' {i}.{k}', ['tool', 'parser', 'llm'][k % 3], page,
                     begin + k * step, begin + (k + 1) * step, {'part': k}, {'text': f'part {k} of page {i}'},
                     usage=usage(40, 9) if k % 3 == 2 else None,
                     error='ValueError: the page has no title' if (i, k) == (5001, 4) else None)
    service.post_runs(tree.runs)
    return {'root': root, 'last': tree.runs[-1]['id'],
            'failed': next((run['id'] for run in tree.runs if run.get('error')), None)}


def seed_many(service, n_traces=100000):
    """A project with very many traces. They are small, and are sent as bytes, as that is quickest."""
    start = ago(days=6)
    batch = []
    for i in range(n_traces):
        run = new_id()
        time = start + seconds(i * 5)
        batch.append(
            f'{{"id":"{run}","trace_id":"{run}","dotted_order":"{time.strftime("%Y%m%dT%H%M%S%fZ")}{run}",'
            f'"name":"job {i}","run_type":"chain","session_name":"many","start_time":"{time_text(time)}",'
            f'"end_time":"{time_text(time + seconds(1 + i % 7))}","inputs":{{"job":"number {i}"}},'
            f'"outputs":{{"done":{i % 100}}}{",%s" % JOB_ERROR if i % 500 == 3 else ""}}}')
        if len(batch) == 10000 or i == n_traces - 1:
            service.send('POST', '/runs/batch', body=('{"post":[' + ','.join(batch) + ']}').encode())
            batch = []


JOB_ERROR = '"error":"RuntimeError: the job has no input"'


def seed_long(service, size=5_000_000):
    """A run with an output of so many bytes."""
    tree = Tree('long', ago(minutes=1))
    words = 'All that the tool has found is listed here, line by line. '
    lines = [f'{i}: {words}' for i in range(size // (len(words) + 9))]
    lines[len(lines) // 2] += ' needle-in-the-middle'
    tree.run('list all', 'tool', None, 0, 3, {'folder': '/'},
             {'lines': lines[:20000], 'text': '\n'.join(lines), 'numbers': list(range(5000))})
    service.post_runs(tree.runs)
    return tree.root


class Streaming:
    """A trace that goes on. grow () adds a run to it, end () ends it."""

    def __init__(self, service, project, begin=None, name='stream answer', thread=None):
        self.service = service
        self.tree = Tree(project, begin or now(), thread)
        self.tree.run(name, 'chain', None, 0, None, {'question': 'What grows?'}, tags=['live'])
        service.post_runs(self.tree.runs)
        self.n = 0

    @property
    def root(self):
        return self.tree.root

    def grow(self, name=None, run_type='tool', ends=True, **more):
        self.n += 1
        at = (now() - self.tree.start).total_seconds()
        run = self.tree.run(name or f'step {self.n}', run_type, self.root, at, at + 0.01 if ends else None,
                            {'step': self.n}, {'result': self.n}, **more)
        self.service.post_runs(self.tree.runs[-1:])
        return run

    def end(self, error=None, run=None, outputs=None):
        run = run or self.root
        value = {'id': run, 'trace_id': self.root, 'dotted_order': self.tree.orders[run],
                 'parent_run_id': None if run == self.root else self.root,
                 'end_time': time_text(now()), 'outputs': outputs or {'answer': 'It has grown.'}}
        if error:
            value['error'] = error
        self.service.patch_runs([value])


MARKDOWN = '''# Trip to Vigo

Take the **Celta** at *08:13*, not the ~~bus~~; ask for `--seat window`.
The line breaks here.

## What to do

1. Buy the ticket at [the railway](https://www.cp.pt/en?a=b(c)).
2. Bring:
   - an ID
   - [x] water
3. See https://example.org/vigo/, and <https://example.org/porto>.

| Train | Price |
|:------|------:|
| Celta 420 | 14.75 € |
| Celta 422 | `14.75` € |

```python
def price (train):
\treturn 14.75  # <b>euros</b>
```

> It rains *often*.

---

![the map](https://example.org/map.png)
'''

MARKDOWN_ATTACK = '''# <img src=x onerror="window.lsobsAttacked=1">

[run](javascript:window.lsobsAttacked=2) [data](data:text/html,<script>window.lsobsAttacked=3</script>)
[vb]( vbscript:x ) [tab](java\tscript:window.lsobsAttacked=4) [file](file:///etc/passwd) [own](/page-data/export)
[slashes](//evil.invalid/a) [name](https://bank.example@evil.invalid/b) [upper](JaVaScRiPt:window.lsobsAttacked=5)
[shown](https://evil.invalid/c) [https://bank.example/](https://evil.invalid/d) <javascript:window.lsobsAttacked=6>
[letters](https://b\u0430nk.example/e) [turned](https://evil.invalid/\u202egnp.exe) https://evil.invalid/f"onmouseover="window.lsobsAttacked=7
![pixel](https://evil.invalid/pixel.png) ![](javascript:window.lsobsAttacked=8) ![drawing](data:image/svg+xml,<svg/onload=window.lsobsAttacked=9>)
<script>window.lsobsAttacked=10</script> <a href="javascript:window.lsobsAttacked=11">x</a> &lt;b&gt; \u202ereversed

| <iframe src=https://evil.invalid/g> | [a](javascript:window.lsobsAttacked=12) |
|---|---|
| <svg onload=window.lsobsAttacked=13> | x |

```" onload="window.lsobsAttacked=14
</code></pre><script>window.lsobsAttacked=15</script>
```
'''


def talk(project, *answers):
    """A trace with messages of a model. Returns: its tree"""
    tree = Tree(project, ago(minutes=1))
    tree.run('answer', 'llm', None, 0, 1, {'messages': [{'role': 'user', 'content': 'Where *to*?'}]},
             {'messages': [{'role': 'assistant', 'content': answer} for answer in answers]})
    return tree
