# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs "lsobs serve" on a store of its own, and speaks with it as clients do."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import uuid

from webdriver import wait_until


class ServiceError(Exception):
    """An answer that is none of success."""


class Service:
    """A process "lsobs serve". It can be stopped and started again at the same port."""

    def __init__(self, program):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix='lsobs-page-')
        self.database = os.path.join(self.folder, 'traces.db')
        self.port = 0
        self.token = None
        self.process = None
        self.start()

    def start(self):
        environment = dict(os.environ, HOME=self.folder, XDG_STATE_HOME=self.folder, XDG_DATA_HOME=self.folder,
                           XDG_CONFIG_HOME=self.folder, XDG_RUNTIME_DIR=self.folder)
        command = self.program + ['serve', f'--database={self.database}', f'--port={self.port}',
                                  '--max-size=0', '--max-age=0', '--json']
        with open(os.path.join(self.folder, 'log'), 'a', encoding='utf-8') as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True,
                                            start_new_session=True)
        line = self.process.stdout.readline()
        assert line, f'lsobs serve has said nothing: {self.read_log()}'
        said = json.loads(line)
        self.token = said['token']
        self.port = int(said['url'].rsplit(':', 1)[1].strip('/'))

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        os.killpg(self.process.pid, how)
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def read_log(self):
        with open(os.path.join(self.folder, 'log'), encoding='utf-8', errors='replace') as log:
            return log.read()

    @property
    def origin(self):
        return f'http://127.0.0.1:{self.port}'

    def url(self, path='/', **query):
        """Returns: an address with the token, which the service exchanges for a cookie."""
        mark = '&' if '?' in path else '?'
        return f'{self.origin}{path}{mark}token={self.token}'

    def ask(self, method, path, body=None, headers=None):
        """Returns: the status, the headers in lower case, the body."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        try:
            connection.request(method, path, body, {'x-api-key': self.token} if headers is None else headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def send(self, method, path, value=None, body=None, content_type='application/json'):
        """Sends JSON. Returns: what is answered."""
        data = body if body is not None else None if value is None else json.dumps(value).encode()
        status, _, answer = self.ask(method, path, data, {'x-api-key': self.token, 'Content-Type': content_type})
        if status >= 300:
            raise ServiceError(f'{method} {path}: {status} {answer[:500]!r}')
        return json.loads(answer) if answer else None

    def post_runs(self, runs):
        """Sends whole runs, as a client does with those that have ended before they are sent."""
        for start in range(0, len(runs), 5000):
            self.send('POST', '/runs/batch', {'post': runs[start:start + 5000]})

    def patch_runs(self, runs):
        self.send('POST', '/runs/batch', {'patch': runs})

    def post_attachment(self, run, name, content_type, data):
        boundary = uuid.uuid4().hex
        body = b''.join([
            f'--{boundary}\r\nContent-Disposition: form-data; name="attachment.{run}.{name}"\r\n'.encode(),
            f'Content-Type: {content_type}; length={len(data)}\r\n\r\n'.encode(), data,
            f'\r\n--{boundary}--\r\n'.encode()])
        self.send('POST', '/runs/multipart', body=body, content_type=f'multipart/form-data; boundary={boundary}')

    def post_feedback(self, run, key, score=None, comment=None, value=None):
        return self.send('POST', '/feedback', {'id': str(uuid.uuid4()), 'run_id': run, 'key': key, 'score': score,
                                               'value': value, 'comment': comment})

    def project_id(self, name):
        """Waits until a project is there."""
        def look():
            found = self.send('GET', f'/sessions?name={urllib.parse.quote(name)}')
            return found[0]['id'] if found else None
        return wait_until(look, f'the project {name}')
