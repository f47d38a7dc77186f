#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tracing service that speaks HTTP/2, or HTTP/1.1, over TLS on 127.0.0.1 and misbehaves on
command.

    tls-service.py CERTIFICATE KEY [NAME=NUMBER...]

prints its port on a line of its own. For each line on the standard input it then prints its
books, which are one line of JSON. It ends when the standard input does. A line "plan NAME=NUMBER..."
replaces what it has been told. A line "requests" is answered with the requests that have come since the
last one.

What it can be told, each for requests other than GET /info:

    refuse=N         refuses every Nth stream, counted over all connections
    refuse-all=1     refuses every stream
    refuse-late=MS   refuses every stream of the first connection, MS after its head
    goaway-below=N   says at the Nth request of a connection that it does not take it
    goaway-above=N   says at the Nth request of a connection that it is the last one, then
                     answers what it has
    reset=N          resets the first N streams in the middle of the upload
    cut=N            closes the connection in the middle of the first N uploads
    silent=N         says no word in the first N connections once a request has come there
    stuck=N          stops reading in the first N connections on which a large request begins,
                     with no limit by windows
    mute=N           never answers the first N requests, but others of the same connection
    misdirect=N      answers every Nth request with 421
    endless=N        answers the first N requests with a head and no end
    drip=N           answers the first N requests with a head, a byte, and no end
    early=N          answers the first N large requests with 413 before their bodies have come
    conflict=1       answers 409 to what it has already
    status=N         answers N, and takes nothing
    keep=1           keeps requests with what has become of them, and takes nothing from a request
                     that it answers 409
    reject=N         answers 422 to a request with a run the serial number of which, as in a
                     StoreName, is a multiple of N
    small=N          answers 413 to a request of more than N bytes
    hold=1           answers 503 when it is told something else, and has taken every second of these
                     requests
    forget=N         takes the first N requests, then refuses their streams
    interim=N        sends N interim answers a second, 0 for as many as it can, and no other
    window=N         takes N bytes of a stream at a time
    streams=N        takes N streams of a connection at a time
    hints=N          sends N interim answers before each answer
    idle=1           says that it goes, and closes the connection, whenever nothing is to be done
    lenient=1        does not mind a request without its body
    trailers=1       ends each answer with trailers

With http1=1 it speaks HTTP/1.1, and can be told

    cut, silent, misdirect, early, interim, conflict
                     the same; after an early answer it closes the connection
    last=N           closes the connection at the head of its Nth request, as if that had come
                     when it was closed already
    unasked=1        sends 408 and closes the connection a moment after each answer
    rude=1           closes each connection after its answer, with no end of TLS
    chunked=1        sends answers in chunks, with trailers
    gzip=1           sends answers compressed
"""

import base64
import gzip
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame

INFO = {
    "version": "0.12.1",
    "instance_flags": {"zstd_compression_enabled": False, "gzip_body_enabled": False},
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20971520,
    },
}

# The parts that are runs; those of their inputs and so on have longer names.
RUN_PART = re.compile(rb'name="(?:post|patch)\.([0-9a-f-]{36})"')
CREATED_PART = re.compile(rb'name="post\.([0-9a-f-]{36})"')
RUN_ID = re.compile(rb'"id":"([0-9a-f-]{36})"')
RUN_SERIAL = re.compile(rb'"name":"\w-(\d+)-\d+-\w"')


class Books:
    """What has come, over all connections."""

    def __init__(self):
        self.lock = threading.Lock()
        self.runs = {}
        self.n_requests = 0
        self.n_connections = 0
        self.n_misdirected = 0
        self.n_feedback = 0
        self.without_body = 0
        self.cut_short = 0
        self.refused = 0
        self.told_off = 0
        self.n_streams = 0
        self.created = set()
        self.kept = []
        self.held = []
        self.lasting = set(self.__dict__) | {"lasting"}

    def start_plan(self, plan, words):
        """What was used up is there again."""
        with self.lock:
            for name in set(self.__dict__) - self.lasting:
                delattr(self, name)
            plan.clear()
            plan.update(parse_plan(words))
            held, self.held = self.held, []
        for connection, stream_id in held:
            connection.release(stream_id)

    def hold(self, connection, stream_id):
        with self.lock:
            self.held.append((connection, stream_id))

    def keep(self, path, content_type, body, status):
        """With the lock."""
        kept = {
            "path": path,
            "type": content_type,
            "body": base64.b64encode(body).decode(),
            "status": status,
            "told": False,
        }
        self.kept.append(kept)
        return kept

    def take_requests(self):
        with self.lock:
            kept, self.kept = self.kept, []
            return json.dumps({"requests": kept})

    def to_json(self):
        with self.lock:
            return json.dumps({
                "runs": sorted(self.runs),
                "times": sum(self.runs.values()),
                "requests": self.n_requests,
                "connections": self.n_connections,
                "misdirected": self.n_misdirected,
                "feedback": self.n_feedback,
                "without-body": self.without_body,
                "cut-short": self.cut_short,
                "refused": self.refused,
            })

    def tell_off(self, period):
        """Whether it is the turn of a request to be told off."""
        with self.lock:
            self.told_off += 1
            misdirected = self.told_off % period == 0
            self.n_misdirected += misdirected
            return misdirected

    def use_up(self, name, limit):
        """Counts up to the limit; whether it was not reached before."""
        with self.lock:
            used = getattr(self, name, 0)
            if used >= limit:
                return False
            setattr(self, name, used + 1)
            return True


class Stream:
    """A request that has not ended, or has no answer yet."""

    def __init__(self, headers):
        self.headers = {k.decode().lower(): v.decode() for k, v in headers}
        self.body = bytearray()

    @property
    def path(self):
        return self.headers[":path"]

    @property
    def is_large(self):
        return int(self.headers.get("content-length", "0")) > 65536

    @property
    def is_info(self):
        return self.headers[":method"] == "GET" and self.path.endswith("/info")


def judge_body(books, plan, path, length, content_type, body):
    """Notes what is in a whole request, with the lock of the books; returns the status that it deserves."""
    boundary = content_type.partition("boundary=")[2]
    books.n_requests += 1
    if not body:
        books.without_body += 1
        return 202 if plan.get("lenient") else 422
    if length is not None and int(length) != len(body):
        books.cut_short += 1
        return 400
    if boundary and not body.rstrip().endswith(f"--{boundary}--".encode()):
        books.cut_short += 1
        return 422
    if plan.get("status"):
        return plan["status"]
    if plan.get("small") and len(body) > plan["small"]:
        return 413
    if plan.get("reject") and any(int(n) % plan["reject"] == 0 for n in RUN_SERIAL.findall(body)):
        return 422
    if path.endswith("/feedback"):
        books.n_feedback += 1
        return 202
    created = {i.decode() for i in CREATED_PART.findall(body)}
    if plan.get("keep") and plan.get("conflict") and created & books.created:
        return 409
    books.created |= created
    ids = {i.decode() for i in (RUN_PART if boundary else RUN_ID).findall(body)}
    known = ids & books.runs.keys()
    for i in ids:
        books.runs[i] = books.runs.get(i, 0) + 1
    return 409 if known and plan.get("conflict") and not plan.get("keep") else 202


def take(books, plan, path, headers, body):
    """Returns the status that a request deserves, and (nullable) what is kept of it."""
    content_type = headers.get("content-type", "")
    with books.lock:
        status = judge_body(books, plan, path, headers.get("content-length"), content_type, body)
        return status, books.keep(path, content_type, body, status) if plan.get("keep") else None


def parse_plan(words):
    return {name: int(number) for name, _, number in (word.partition("=") for word in words)}


class Connection:
    """One that speaks HTTP/2."""

    def __init__(self, sock, plan, books):
        self.sock = sock
        self.plan = plan
        self.books = books
        self.streams = {}
        self.n_requests = 0
        self.is_silent = False
        self.is_stuck = False
        self.last_stream = 0
        self.is_leaving = False
        self.is_first = False
        self.told = []
        self.lock = threading.RLock()
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config=config)

    # --- the way out ---

    def send(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def send_frame(self, frame):
        self.send()
        self.sock.sendall(frame.serialize())

    def refuse(self, stream_id):
        with self.books.lock:
            self.books.refused += 1
        self.streams.pop(stream_id, None)
        self.h2.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
        self.send()

    def go_away(self, last_stream_id):
        frame = hyperframe.frame.GoAwayFrame(0)
        frame.last_stream_id = last_stream_id
        frame.error_code = 0
        self.send_frame(frame)
        self.is_leaving = True
        self.doubt()

    def answer(self, stream_id, status, body=b"{}", end=True):
        for _ in range(self.plan.get("hints", 0)):
            self.h2.send_headers(stream_id, [(":status", "103"), ("link", "</x>")])
        trailers = self.plan.get("trailers", 0) and end
        headers = [(":status", str(status)), ("content-type", "application/json")]
        self.h2.send_headers(stream_id, headers)
        if end:
            self.h2.send_data(stream_id, body, end_stream=not trailers)
        if trailers:
            self.h2.send_headers(stream_id, [("x-took", "1")], end_stream=True)
        self.send()

    # --- what is answered ---

    def tell(self, stream_id, status, kept):
        """The client learns what has become of a request, unless the connection ends before."""
        with self.books.lock:
            if kept is not None:
                kept["told"] = not self.is_leaving
                self.told.append(kept)
        self.answer(stream_id, status)

    def doubt(self):
        """The connection ends early: who knows what the client has read."""
        with self.books.lock:
            for kept in self.told:
                kept["told"] = False

    def release(self, stream_id):
        try:
            with self.lock:
                self.answer(stream_id, 503)
        except (OSError, h2.exceptions.H2Error):
            pass

    def request_came(self, stream_id, stream):
        """The head of a request is there."""
        plan, books = self.plan, self.books
        self.n_requests += 1
        with books.lock:
            books.n_streams += 1
            n = books.n_streams
        if plan.get("silent") and self.n_requests == 1 and books.use_up("silenced", plan["silent"]):
            self.is_silent = True
        if self.is_silent:
            return
        if plan.get("stuck") and stream.is_large and books.use_up("stuck", plan["stuck"]):
            self.is_stuck = True
            return
        if plan.get("refuse-late") and (self.is_first or books.use_up("n_first", 1)):
            self.is_first = True
            self.streams.pop(stream_id)
            timer = threading.Timer(plan["refuse-late"] / 1000, self.refuse_late, (stream_id,))
            timer.daemon = True
            timer.start()
        elif plan.get("refuse-all") or (plan.get("refuse") and n % plan["refuse"] == 0):
            self.refuse(stream_id)
        elif plan.get("goaway-below") == self.n_requests:
            with books.lock:
                books.refused += 1
            self.streams.pop(stream_id)
            self.go_away(self.last_stream)
        elif plan.get("goaway-above") == self.n_requests:
            self.go_away(stream_id)
        elif plan.get("early") and stream.is_large and books.use_up("n_early", plan["early"]):
            self.streams.pop(stream_id)
            self.answer(stream_id, 413, b'{"detail":"too large"}')
            self.h2.reset_stream(stream_id, h2.errors.ErrorCodes.NO_ERROR)
            self.send()
        elif "interim" in plan:
            self.streams.pop(stream_id)
            threading.Thread(target=self.send_interim, args=(stream_id,), daemon=True).start()
        self.last_stream = max(self.last_stream, stream_id)

    def refuse_late(self, stream_id):
        try:
            with self.lock:
                self.refuse(stream_id)
        except (OSError, h2.exceptions.H2Error):
            pass

    def send_interim(self, stream_id):
        pause = 1 / self.plan["interim"] if self.plan["interim"] else 0
        try:
            while True:
                with self.lock:
                    for _ in range(1 if pause else 64):
                        self.h2.send_headers(stream_id, [(":status", "103"), ("link", "</x>")])
                    self.send()
                time.sleep(pause)
        except (OSError, h2.exceptions.H2Error):
            pass

    def data_came(self, stream_id, stream):
        """Some of the body is there, but not all."""
        plan, books = self.plan, self.books
        if plan.get("reset") and books.use_up("n_reset", plan["reset"]):
            self.streams.pop(stream_id)
            self.h2.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            self.send()
        elif plan.get("cut") and books.use_up("n_cut", plan["cut"]):
            self.doubt()
            self.sock.shutdown(socket.SHUT_RDWR)

    def request_ended(self, stream_id, stream):
        plan, books = self.plan, self.books
        del self.streams[stream_id]
        if stream.is_info:
            self.answer(stream_id, 200, json.dumps(INFO).encode())
            return
        if plan.get("mute") and books.use_up("n_mute", plan["mute"]):
            return
        if plan.get("misdirect") and books.tell_off(plan["misdirect"]):
            self.answer(stream_id, 421)
            return
        if plan.get("hold"):
            if books.tell_off(2):
                take(books, plan, stream.path, stream.headers, bytes(stream.body))
            books.hold(self, stream_id)
            return
        status, kept = take(books, plan, stream.path, stream.headers, bytes(stream.body))
        if plan.get("forget") and books.use_up("n_forgotten", plan["forget"]):
            self.refuse(stream_id)
        elif plan.get("endless") and books.use_up("n_endless", plan["endless"]):
            self.answer(stream_id, status, end=False)
        elif plan.get("drip") and books.use_up("n_drip", plan["drip"]):
            self.answer(stream_id, status, end=False)
            self.h2.send_data(stream_id, b" ")
            self.send()
        else:
            self.tell(stream_id, status, kept)

    # --- the way in ---

    def handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            stream = self.streams[event.stream_id] = Stream(event.headers)
            if not stream.is_info:
                self.request_came(event.stream_id, stream)
            return
        if self.is_silent or not hasattr(event, "stream_id"):
            return
        stream = self.streams.get(event.stream_id)
        if isinstance(event, h2.events.DataReceived):
            if event.flow_controlled_length:
                try:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                except h2.exceptions.StreamClosedError:
                    pass
            if stream is not None:
                stream.body += event.data
                if event.stream_ended is None:
                    self.data_came(event.stream_id, stream)
        elif isinstance(event, h2.events.StreamEnded) and stream is not None:
            self.request_ended(event.stream_id, stream)
        elif isinstance(event, h2.events.StreamReset):
            self.streams.pop(event.stream_id, None)

    def run(self):
        self.h2.initiate_connection()
        codes = h2.settings.SettingCodes
        if self.plan.get("window"):
            self.h2.update_settings({codes.INITIAL_WINDOW_SIZE: self.plan["window"]})
        if self.plan.get("stuck"):
            self.h2.update_settings({codes.INITIAL_WINDOW_SIZE: 2**30})
            self.h2.increment_flow_control_window(2**30)
        if self.plan.get("streams"):
            self.h2.update_settings({codes.MAX_CONCURRENT_STREAMS: self.plan["streams"]})
        self.send()
        while True:
            data = self.sock.recv(4096)
            if not data:
                return
            with self.lock:
                for event in self.h2.receive_data(data):
                    self.handle(event)
                if not self.is_silent:
                    self.send()
            if self.is_stuck:
                # until the service ends
                threading.Event().wait()
            with self.lock:
                if self.plan.get("idle") and self.n_requests and not self.streams:
                    self.go_away(self.last_stream)
                if self.is_leaving and not self.streams:
                    break
        # To close before the client does would reset what is on its way there.
        while self.sock.recv(4096):
            pass


class OldConnection:
    """One that speaks HTTP/1.1."""

    def __init__(self, sock, plan, books):
        self.sock = sock
        self.plan = plan
        self.books = books
        self.n_requests = 0
        self.data = b""

    def receive(self):
        data = self.sock.recv(65536)
        self.data += data
        return bool(data)

    def read_head(self):
        """The request line and the headers, or None when there is no other request."""
        while b"\r\n\r\n" not in self.data:
            if not self.receive():
                return None
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (f.partition(":") for f in fields)}
        return line.split(" "), headers

    def read_body(self, length):
        while len(self.data) < length:
            if not self.receive():
                return None
        body, self.data = self.data[:length], self.data[length:]
        return body

    def answer(self, status, body=b"{}", fields=""):
        if self.plan.get("gzip"):
            body = gzip.compress(body)
            fields += "Content-Encoding: gzip\r\n"
        if self.plan.get("chunked"):
            fields += "Transfer-Encoding: chunked\r\nTrailer: X-Took\r\n"
            body = b"%x\r\n%s\r\n0\r\nX-Took: 1\r\n\r\n" % (len(body), body)
        else:
            fields += f"Content-Length: {len(body)}\r\n"
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{fields}\r\n"
        self.sock.sendall(head.encode() + body)

    def send_interim(self):
        pause = 1 / self.plan["interim"] if self.plan["interim"] else 0
        while True:
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * (1 if pause else 64))
            time.sleep(pause)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def misbehave(self, length):
        """Before the body has come. Whether that was all that is to be done with the request."""
        plan, books = self.plan, self.books
        self.n_requests += 1
        if plan.get("silent") and self.n_requests == 1 and books.use_up("silenced", plan["silent"]):
            while self.receive():
                pass
        elif plan.get("last") == self.n_requests or (
                plan.get("cut") and books.use_up("n_cut", plan["cut"])):
            self.reset()
        elif plan.get("early") and length > 65536 and books.use_up("n_early", plan["early"]):
            self.answer(413, b'{"detail":"too large"}', "Connection: close\r\n")
            self.reset()
        elif "interim" in plan:
            self.send_interim()
        else:
            return False
        return True

    def run(self):
        plan = self.plan
        while True:
            head = self.read_head()
            if head is None:
                return
            (method, path, _), headers = head
            length = int(headers.get("content-length", "0"))
            if method != "GET" and self.misbehave(length):
                return
            body = self.read_body(length)
            if body is None:
                with self.books.lock:
                    self.books.cut_short += 1
                return
            if method == "GET":
                self.answer(200, json.dumps(INFO).encode())
                continue
            if plan.get("misdirect") and self.books.tell_off(plan["misdirect"]):
                self.answer(421)
                continue
            self.answer(take(self.books, plan, path, headers, body)[0])
            if plan.get("unasked"):
                self.answer(408, fields="Connection: close\r\n")
                return
            if plan.get("rude"):
                self.sock.shutdown(socket.SHUT_WR)
                return


def serve(sock, context, plan, books):
    try:
        sock.settimeout(60)
        with context.wrap_socket(sock, server_side=True) as tls:
            with books.lock:
                books.n_connections += 1
            (OldConnection if plan.get("http1") else Connection)(tls, plan, books).run()
    except (OSError, h2.exceptions.ProtocolError):
        pass


def accept(listener, context, plan, books):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, context, plan, books), daemon=True).start()


def main():
    certificate, key, *words = sys.argv[1:]
    plan = parse_plan(words)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"] if plan.get("http1") else ["h2"])
    listener = socket.create_server(("127.0.0.1", 0))
    books = Books()
    threading.Thread(target=accept, args=(listener, context, plan, books), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for line in sys.stdin:
        if line.startswith("plan "):
            books.start_plan(plan, line.split()[1:])
        elif line == "requests\n":
            print(books.take_requests(), flush=True)
            continue
        print(books.to_json(), flush=True)


if __name__ == "__main__":
    main()
