"""HTTP around the fake: one thread a request, faults on order, server-sent events for logs."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.runpod_fake.clock import http_date, rfc3339
from tests.runpod_fake.routes import Request, answer, authenticate
from tests.runpod_fake.script import Fault, ProblemError
from tests.runpod_fake.state import FakeRunPod


@contextmanager
def serving(fake: FakeRunPod, port: int = 0) -> Iterator[str]:
    """Serve on 127.0.0.1; yields the base URL, with /v2."""

    class Handler(_Handler):
        account = fake

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v2"
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    account: FakeRunPod
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        fake, parts = self.account, urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body, query = self.rfile.read(length), dict(parse_qsl(parts.query))
        path = parts.path.removeprefix("/v2")
        with fake.lock:
            fake.requests.append((self.command, path, _json(body)))
            fault = fake.struck(self.command, path, _json(body))
        if fake.on_request:
            fake.on_request(self.command, path)
        fake.settle()
        try:
            try:
                self._serve(Request(self.command, path, query, body), fault)
            except ProblemError as problem:
                self._send(problem.status, problem.body(), problem.headers)
        except (BrokenPipeError, ConnectionResetError):  # the client is gone
            self.close_connection = True

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def _serve(self, request: Request, fault: Fault | None) -> None:
        who = authenticate(self.account, self.headers.get("Authorization", ""))
        if fault and not fault.after:
            return self._go_wrong(fault)
        if request.method == "GET" and request.path.endswith("/logs") and who == "account":
            return self._stream(request)
        with self.account.lock:
            code, value = answer(
                self.account, Request(request.method, request.path, request.query, request.body, who)
            )
        if fault:
            return self._go_wrong(fault)
        return self._send(code, value, {})

    def _go_wrong(self, fault: Fault) -> None:
        if fault.how in ("answer", "answer-after"):
            raise ProblemError(fault.status, fault.detail, fault.errors, fault.headers)
        if fault.how == "hold-after":
            time.sleep(fault.hold_s)
        self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, code: int, value: Any, headers: dict[str, str]) -> None:
        data = b"" if value is None else json.dumps(value).encode()
        self.send_response_only(code)
        self.send_header("Date", http_date(self.account.clock.now()))
        kind = "application/problem+json" if code >= 400 else "application/json"
        shown = {"Content-Type": kind, "Content-Length": str(len(data)), **_quota(self.account), **headers}
        for name, text in shown.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _stream(self, request: Request) -> None:
        pod = self.account.pods.get(request.path.split("/")[2])
        if pod is None:
            raise ProblemError(404, "pod not found")
        self.send_response_only(200)
        self.send_header("Date", http_date(self.account.clock.now()))
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        tail, sent, end = int(request.query.get("tail", "100")), 0, time.monotonic() + self.account.log_hold_s
        lines: list[str] = []
        while pod.id in self.account.pods and time.monotonic() < end:
            lines = self.account.machines.log(pod.id) if pod.address else []
            for index in range(max(sent, len(lines) - tail if sent == 0 else sent), len(lines)):
                self._event(index, lines[index])
            sent = len(lines)
            self.wfile.write(b": ping\n\n")
            self.wfile.flush()
            time.sleep(0.05)

    def _event(self, index: int, line: str) -> None:
        ts = rfc3339(self.account.clock.now())
        data = json.dumps({"ts": ts, "source": "container", "line": line}, ensure_ascii=False)
        self.wfile.write(f"id: {ts}/{index:012d}\ndata: {data}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _quota(fake: FakeRunPod) -> dict[str, str]:
    """The RateLimit headers that accompany every answer."""
    left = max(0, 60 - fake.quota)
    return {
        "RateLimit": f'"minute";r={left};t=12, "hour";r=2800;t=1812',
        "RateLimit-Policy": '"minute";q=60;w=60, "hour";q=3000;w=3600',
    }
