"""HTTP around the Hub: one thread a connection, faults on order, objects streamed to and from disk."""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.hub_fake.asked import Asked
from tests.hub_fake.repos import ConflictError
from tests.hub_fake.routes import CDN, Raw, Route, find_route
from tests.hub_fake.script import Fault, RefusedError, StrictError
from tests.hub_fake.state import FakeHub

BLOCK = 1 << 20
SLOW = 1 << 16


@contextmanager
def serving(hub: FakeHub, port: int = 0) -> Iterator[str]:
    """Serve on 127.0.0.1; yields the address for HF_ENDPOINT."""

    class Handler(_Handler):
        server_hub = hub

    with _Server(("127.0.0.1", port), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield hub.url
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no fault of a test; anything else is."""
        import sys

        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _GoneError(Exception):
    """The connection was cut on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server_hub: FakeHub
    protocol_version = "HTTP/1.1"
    rbufsize = BLOCK
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    def _handle(self) -> None:
        hub, parts = self.server_hub, urlsplit(self.path)
        self._left = int(self.headers.get("Content-Length") or 0)
        route, match = find_route(self.command, parts.path)
        with hub.lock:
            hub.requests.append((route.stage, self.command, parts.path))
        happens = hub.on.pop(route.stage, None)
        if happens:
            happens()
        fault = hub.struck(route.stage)
        try:
            self._serve(route, match, dict(parse_qsl(parts.query)), fault)
        except RefusedError as refusal:
            body = refusal.body if isinstance(refusal, ConflictError) else {"error": refusal.message}
            self._send(refusal.status, body, refusal.shown())
        except StrictError as error:
            with hub.lock:
                hub.violations.append(f"{self.command} {parts.path}: {error}")
            self._send(501, {"error": f"the test's Hub: {error}"}, {})
        except _GoneError:
            self._cut()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def _serve(self, route: Route, match: dict[str, str], query: dict[str, str], fault: Fault | None) -> None:
        if fault and not fault.after and fault.how not in ("cut-midway", "slow"):
            self._go_wrong(fault)
        if self.headers.get("Transfer-Encoding"):
            raise StrictError("the Hub's storage wants a Content-Length")
        if route.streams:
            return self._stream(route, match, query, fault)
        if fault and fault.how in ("cut-midway", "slow"):
            raise _GoneError
        body = self._body()
        with self.server_hub.lock:
            user = self.server_hub.user(self.headers.get("Authorization", ""))
            headers = {name.lower(): value for name, value in self.headers.items()}
            code, value, shown = route.answer(
                Asked(self.server_hub, self.command, match, query, headers, body, user)
            )
        if fault:
            self._go_wrong(fault)
        return self._send(code, value, shown)

    def _go_wrong(self, fault: Fault) -> None:
        if fault.how == "stall":
            time.sleep(fault.hold_s)
        if fault.how in ("answer", "answer-after"):
            raise fault.refusal()
        raise _GoneError

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        body, self._left = self.rfile.read(self._left), 0
        return body

    def _drain(self) -> None:
        while self._left > 0:
            block = self.rfile.read(min(self._left, BLOCK))
            if not block:
                raise _GoneError
            self._left -= len(block)

    def _send(self, code: int, value: Any, headers: dict[str, str]) -> None:
        self._drain()
        data = value if isinstance(value, Raw) else b"" if value is None else json.dumps(value).encode()
        shown = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
        self._head(code, {**shown, "X-Request-Id": secrets.token_hex(4)})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, code: int, headers: dict[str, str]) -> None:
        self.send_response_only(code)
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()

    # -- objects: no token, a signature in the address ----------------------------------------------------

    def _stream(
        self, route: Route, match: dict[str, str], query: dict[str, str], fault: Fault | None
    ) -> None:
        hub = self.server_hub
        if self.headers.get("Authorization"):
            raise StrictError("the token was sent to the storage, whose address is signed already")
        if query.get("X-Amz-Signature") not in hub.signatures:
            raise RefusedError(403, "SignatureDoesNotMatch")
        repo = hub.repo(match["repo"], match["kind"])
        if route.stage == CDN:
            return self._give(repo.object(match["oid"]), fault)
        target, size = repo.object(match["oid"]), int(query["size"])
        if route.stage == "complete":
            return self._complete(target, size, fault)
        # What a client that is dead by now sent may still have been on its way when this one asked.
        if target.is_file() and target.stat().st_mtime_ns < hub.signatures[query["X-Amz-Signature"]]:
            raise StrictError(f"{match['oid'][:8]} is sent, and the server has it")
        whole = route.stage == "put"
        part = target.with_name(f"{target.name}.{query.get('partNumber', 'whole')}")
        etag = self._take(match["oid"], part, fault)
        if whole:
            self._keep([part], target, size)
        if fault and fault.how != "slow":
            self._go_wrong(fault)
        return self._send(200, None, {"ETag": f'"{etag}"'})

    def _take(self, oid: str, part: Path, fault: Fault | None) -> str:
        """Receive a body into a file; its MD5, which is the part's tag."""
        part.parent.mkdir(parents=True, exist_ok=True)
        temporary, digest = (
            part.with_name(f"{part.name}.{secrets.token_hex(4)}"),
            hashlib.md5(usedforsecurity=False),
        )
        room = fault.after_bytes if fault and fault.how == "cut-midway" else self._left
        room = SLOW if fault and fault.how == "slow" else room
        with temporary.open("wb") as file:
            while self._left > 0:
                block = self.rfile.read1(min(self._left, room, BLOCK))
                if not block:
                    break
                if fault and fault.how == "slow":
                    time.sleep(0.2 * len(block) / SLOW)
                self._left -= len(block)
                file.write(block)
                digest.update(block)
                with self.server_hub.lock:
                    self.server_hub.received[oid] += len(block)
                if fault and fault.how == "cut-midway" and file.tell() >= fault.after_bytes:
                    break
        if self._left:
            temporary.unlink()
            raise _GoneError
        temporary.replace(part)
        return digest.hexdigest()

    def _complete(self, target: Path, size: int, fault: Fault | None) -> None:
        given = json.loads(self._body())
        if target.is_file():  # the answer to an earlier completion was lost
            return self._send(200, {}, {})
        numbers = [part["partNumber"] for part in given["parts"]]
        parts = [target.with_name(f"{target.name}.{number}") for number in numbers]
        for part, told in zip(parts, given["parts"], strict=True):
            digest = hashlib.md5(part.read_bytes(), usedforsecurity=False).hexdigest()
            if told["etag"].strip('"') != digest:
                raise StrictError(f"part {told['partNumber']}: not the tag that it was answered with")
        if given["oid"] != target.name or numbers != list(range(1, len(numbers) + 1)):
            raise StrictError("the completion names other parts")
        self._keep(parts, target, size)
        if fault:
            self._go_wrong(fault)
        return self._send(200, {}, {})

    def _keep(self, parts: list[Path], target: Path, size: int) -> None:
        """Make an object of its parts, if it is what its name says."""
        digest = hashlib.sha256()
        first = parts[0]
        for part in parts[1:]:
            with first.open("ab") as whole:
                whole.write(part.read_bytes())
            part.unlink()
        with first.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        if digest.hexdigest() != target.name or first.stat().st_size != size:
            first.unlink()
            raise RefusedError(400, "The content does not match its SHA-256")
        first.replace(target)

    def _give(self, path: Path, fault: Fault | None) -> None:
        size, wanted = path.stat().st_size, self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        headers = {"Content-Length": str(size - start), "Accept-Ranges": "bytes"}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._head(206 if wanted else 200, headers)
        with path.open("rb") as file:
            file.seek(start)
            while self.command != "HEAD" and (block := file.read(BLOCK)):
                if fault and fault.how == "cut-midway" and file.tell() >= fault.after_bytes:
                    self.wfile.write(block[: max(0, len(block) - (file.tell() - fault.after_bytes))])
                    self.wfile.flush()
                    raise _GoneError
                self.wfile.write(block)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
