"""The OpenAI-compatible client against a server on loopback that plays faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from millhand.endpoint import Endpoint, EndpointError, parse_events
from millhand.shell import Secret

KEY = "planted-key"
SAID = [{"role": "user", "content": "체인은?"}]


@dataclass
class Server:
    """Answers with what is scripted; keeps what it was sent."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    scripted = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            scripted.orders.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer()

        def _answer(self) -> None:
            code, body = scripted.answers.pop(0)
            scripted.keys.append(self.headers["Authorization"])
            if self.headers["Authorization"] != f"Bearer {KEY}":
                code, body = 401, b"{}"
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        scripted.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        yield scripted
        http.shutdown()


@pytest.fixture
def endpoint(server: Server) -> Endpoint:
    return Endpoint(server.url, "qa", Secret(KEY), timeout_s=5)


def answer(content: object) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


def event(content: str | None) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": content}}]}).encode() + b"\n\n"


def test_a_question_is_sent_with_its_options_and_answered(server: Server, endpoint: Endpoint) -> None:
    server.answers = [(200, answer("닦으세요."))]
    assert endpoint.chat(SAID, temperature=0.0) == "닦으세요."
    assert server.orders == [{"model": "qa", "messages": SAID, "temperature": 0.0}]


def test_a_stream_comes_in_pieces(server: Server, endpoint: Endpoint) -> None:
    server.answers = [(200, event(None) + event("닦으") + event("세요.") + b": ping\n\ndata: [DONE]\n\n")]
    assert list(endpoint.stream(SAID)) == ["닦으", "세요."]
    assert server.orders[0]["stream"] is True


@pytest.mark.parametrize(
    ("code", "body", "told"),
    [
        (500, b"out of memory", "answered 500: out of memory"),
        (200, b"<html>", "gave no answer"),
        (200, b'{"choices": []}', "gave no answer"),
        (200, answer(None), "gave no answer"),
        (200, b"[]", "gave no answer"),
    ],
)
def test_each_kind_of_no_answer_is_told_without_the_key(
    server: Server, endpoint: Endpoint, code: int, body: bytes, told: str
) -> None:
    server.answers = [(code, body)]
    with pytest.raises(EndpointError, match=told) as caught:
        endpoint.chat(SAID)
    assert KEY not in f"{caught.value!r}{caught.value}{endpoint!r}"


def test_a_stream_that_breaks_off_is_not_taken_for_an_answer(server: Server, endpoint: Endpoint) -> None:
    server.answers = [(200, event("닦으")), (503, b"busy")]
    with pytest.raises(EndpointError, match="broke off"):
        list(endpoint.stream(SAID))
    with pytest.raises(EndpointError, match="503"):
        list(endpoint.stream(SAID))
    with pytest.raises(EndpointError):
        list(parse_events(iter([])))


def test_token_counts_at_the_end_are_no_text_and_an_error_is_told(server: Server, endpoint: Endpoint) -> None:
    server.answers = [
        (200, event("닦으") + b'data: {"choices": []}\n\ndata: [DONE]\n\n'),
        (200, b'data: {"error": "full"}\n\n'),
    ]
    assert list(endpoint.stream(SAID)) == ["닦으"]
    with pytest.raises(EndpointError, match="full"):
        list(endpoint.stream(SAID))


def test_whether_a_server_is_guarded_is_asked_without_the_key(server: Server, endpoint: Endpoint) -> None:
    server.answers = [(200, b"{}")]
    assert endpoint.guarded() is True
    assert server.keys == [None]
    assert Endpoint("http://127.0.0.1:9/v1", "qa", Secret(KEY)).guarded() is False


def test_models_are_named_and_a_wrong_key_is_told(server: Server, endpoint: Endpoint) -> None:
    server.answers = [(200, b'{"data": [{"id": "qa"}]}'), (503, b"loading"), (200, b"{}"), (200, b"{}")]
    assert endpoint.models() == ["qa"]
    with pytest.raises(EndpointError, match="503"):
        endpoint.models()
    with pytest.raises(EndpointError, match="names no models"):
        endpoint.models()
    with pytest.raises(EndpointError, match="refuses the key"):
        Endpoint(server.url, "qa", Secret("other")).models()
