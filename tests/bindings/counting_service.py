# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tracing service that counts the runs it gets, for programs that end."""

import http.server
import os
import re
import socket
import subprocess
import threading
import time

INFO = b'{"batch_ingest_config": {"use_multipart_endpoint": true}}'
RUN_PART = re.compile(rb'name="post\.([0-9a-f-]{36})"')

# The longest that a program may take on a busy machine, and variables that let its end take as long.
TIMEOUT_S = 300
LONG_EXIT = {'LANGSMITH_EXIT_TIMEOUT_MS': '120000'}

# Longer than the end waits by default.
LONG_DELAY_S = 5


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, status, body):
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        self.answer(200, INFO)

    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers['Content-Length']))
        time.sleep(self.server.delay)
        with self.server.lock:
            self.server.runs.update(RUN_PART.findall(body))
            self.server.bodies.append(body)
        self.answer(202, b'{}')

    def log_message(self, *_arguments):  # pylint: disable=arguments-differ
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_arguments):  # pylint: disable=arguments-differ
        """A client that is gone is none."""


class GoodService:
    """Takes all runs, each request after so many seconds."""

    def __init__(self, delay=0):
        self.server = Server(('127.0.0.1', 0), Handler)
        self.server.delay = delay
        self.server.lock = threading.Lock()
        self.server.runs = set()
        self.server.bodies = []
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def count(self):
        with self.server.lock:
            return len(self.server.runs)

    def get_bodies(self):
        with self.server.lock:
            return list(self.server.bodies)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class SilentService:
    """Accepts connections, as far as the kernel does it, and never answers; or refuses them."""

    def __init__(self, refuses=False):
        self.socket = socket.socket()
        self.socket.bind(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        if not refuses:
            self.socket.listen(128)

    def close(self):
        self.socket.close()


SERVICES = {'good': GoodService, 'hanging': SilentService, 'refusing': lambda: SilentService(True)}


def compile_vala(name):
    """Compiles exit-program.vala, in the environment that `make check` prepares, or with the library
    that is installed.
    """
    command = [os.environ.get('VALAC') or 'valac', '--pkg=lsobs', '-X', '-w', '-o', name,
               os.path.join(os.path.dirname(os.path.abspath(__file__)), 'exit-program.vala')]
    if 'G_TEST_SRCDIR' in os.environ:
        source = os.environ['G_TEST_SRCDIR']
        build = os.path.join(os.environ['G_TEST_BUILDDIR'], '..')
        command += [f'--vapidir={build}/lsobs', f'--girdir={build}/lsobs', f'--cc={os.environ["CC"]}',
                    '-X', f'-I{source}/..', '-X', f'-I{build}', '-X', f'-L{build}/lsobs/.libs',
                    '-X', '-llsobs']
    compiled = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
    if compiled.returncode != 0:
        raise RuntimeError(compiled.stdout)


class Ended:
    """What a program has said and done."""

    def __init__(self, code, said, seconds):
        self.code = code
        self.said = said
        self.seconds = seconds


def run_program(command, service, **variables):
    """Runs a program that traces to a service, until its end."""
    environment = dict(os.environ, LANGSMITH_ENDPOINT=f'http://127.0.0.1:{service.port}',
                       LANGSMITH_API_KEY='key', LANGSMITH_TRACING='true', **variables)
    # what fails on purpose says so in the log
    environment.pop('G_DEBUG', None)
    began = time.monotonic()
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=TIMEOUT_S,
                           stderr=subprocess.STDOUT, text=True, check=False)
    return Ended(ended.returncode, ended.stdout, time.monotonic() - began)


def report(check, cases):
    """Calls a function for each case, which is a tuple of arguments, the name first, and reports
    as TAP: what has gone wrong is raised, and a reason to skip the case is returned. Returns the
    status to exit with.
    """
    status = 0
    print(f'1..{len(cases)}', flush=True)
    for number, case in enumerate(cases, 1):
        try:
            reason = check(*case)
            print(f'ok {number} {case[0]}' + (f' # SKIP {reason}' if reason else ''), flush=True)
        except Exception as problem:  # pylint: disable=broad-except
            for line in f'{type(problem).__name__}: {problem}'.splitlines()[:50]:
                print(f'# {line}')
            print(f'not ok {number} {case[0]}', flush=True)
            status = 1
    return status
