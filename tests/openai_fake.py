"""A strict OpenAI-compatible server on loopback: answers from the passage it is given, and plays faults.

It refuses what OpenAI's would: no JSON, unknown fields, roles out of turn, a wrong key, a model it has
not. What it was asked, and what it let itself be paid for, can be counted by request.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Order = dict[str, Any]
Writer = Callable[[Order], str]
KEY, MODEL = "planted-key-of-the-fake", "gpt-small"
_FIELDS = {
    "model": str,
    "messages": list,
    "max_tokens": int,
    "temperature": float | int,
    "response_format": dict,
    "seed": int,
}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. ``cut`` ends the connection in the middle of the body."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    act: Literal["", "hang", "cut", "reset"] = ""


def refusal(status: int, message: str, code: str = "", **headers: str) -> Fault:
    """An error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": code or None}}).encode()
    return Fault(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class FakeOpenAI:
    """What the server knows and what it was asked.

    Args:
        writer: Writes the answer to an order.
        faults: Played one a request, in order; None plays none. After them, ``always``.
        always: A fault for an order, or None.
        schema: Whether it takes ``response_format``.
        usage: Whether it counts tokens.
        llamafactory: Answers in the shape of ``llamafactory-cli api``: all its fields, nothing more.
    """

    writer: Writer = lambda order: written(order)
    faults: list[Fault | None] = field(default_factory=list)
    always: Callable[[Order], Fault | None] = lambda _: None
    schema: bool = True
    usage: bool = True
    llamafactory: bool = False
    key: str | None = KEY
    delay_s: float = 0.0
    orders: list[Order] = field(default_factory=list)
    paid: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, order: Order) -> Fault | None:
        return self.faults.pop(0) if self.faults else self.always(order)


def content_key(order: Order) -> str:
    """What an order asks, whatever form it is asked in."""
    return json.dumps([order["model"], order["messages"]], sort_keys=True)


@contextmanager
def serving(fake: FakeOpenAI) -> Iterator[FakeOpenAI]:
    """Serve on 127.0.0.1 while the block lasts; ``fake.url`` goes up to ``/v1``."""

    class Handler(_Handler):
        server_fake = fake

    with _Server(("127.0.0.1", 0), Handler) as http:
        fake.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield fake
        finally:
            http.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    server_fake: FakeOpenAI
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        fake = self.server_fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with fake.lock:
            fake.at_once += 1
            fake.most_at_once = max(fake.most_at_once, fake.at_once)
        try:
            self._serve(fake, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with fake.lock:
                fake.at_once -= 1

    def _serve(self, fake: FakeOpenAI, body: bytes) -> None:
        wrong = self._unfit(fake, body)
        if wrong is not None:
            self._send(wrong.status, wrong.body)
            return
        order = json.loads(body)
        with fake.lock:
            fake.orders.append(order)
            fault = fake.fault(order)
        if fault is not None and self._play(fault):
            return
        time.sleep(fake.delay_s)
        with fake.lock:
            fake.paid[content_key(order)] += 1
        self._send(200, json.dumps(completion(fake, order), ensure_ascii=False).encode())

    def _unfit(self, fake: FakeOpenAI, body: bytes) -> Fault | None:
        if self.path != "/v1/chat/completions":
            return refusal(404, f"Invalid URL (POST {self.path})")
        if fake.key is not None and self.headers.get("Authorization") != f"Bearer {fake.key}":
            said = self.headers.get("Authorization") or ""
            return refusal(401, f"Incorrect API key provided: {said}.", "invalid_api_key")
        if self.headers.get("Content-Type") != "application/json":
            return refusal(415, "Unsupported Media Type")
        try:
            return unfit(fake, json.loads(body))
        except ValueError:
            return refusal(400, "We could not parse the JSON body of your request.")

    def _play(self, fault: Fault) -> bool:
        if fault.act == "hang":
            time.sleep(30)
            return True
        if fault.act == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return True
        self._send(fault.status or 200, fault.body, fault.headers, more=100 if fault.act == "cut" else 0)
        if fault.act == "cut":
            self.close_connection = True
        return True

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, more: int = 0) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + more))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def unfit(fake: FakeOpenAI, order: Any) -> Fault | None:
    """What OpenAI's server would have against an order."""
    for name, value in order.items():
        if name not in _FIELDS or not isinstance(value, _FIELDS[name]):
            return refusal(400, f"Unrecognized or invalid request argument: {name}")
    if order.get("model") != MODEL:
        return refusal(404, f"The model {order.get('model')!r} does not exist.", "model_not_found")
    roles = [message["role"] for message in order["messages"]]
    turns = ["user", "assistant"] * len(roles)
    if roles[0] != "system" or roles[1:] != turns[: len(roles) - 1] or roles[-1] != "user":
        return refusal(400, "Only supports u/a/u/a/u...")
    form = order.get("response_format")
    if form is not None and not fake.schema:
        return refusal(400, "'response_format' of type 'json_schema' is not supported with this model.")
    if form is not None and not _strict(form):
        return refusal(400, "Invalid schema for response_format")
    return None


def _strict(form: dict[str, Any]) -> bool:
    """Structured outputs want every object closed and every property required."""

    def sound(node: dict[str, Any]) -> bool:
        if node["type"] == "object":
            closed = node["additionalProperties"] is False and node["required"] == list(node["properties"])
            return closed and all(sound(inner) for inner in node["properties"].values())
        return sound(node["items"]) if node["type"] == "array" else node["type"] == "string"

    schema = form["json_schema"]
    return form["type"] == "json_schema" and schema["strict"] is True and sound(schema["schema"])


def completion(fake: FakeOpenAI, order: Order) -> dict[str, Any]:
    """A whole answer."""
    text = fake.writer(order)
    asked = sum(len(message["content"]) for message in order["messages"])
    answer: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": order["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
    }
    if fake.llamafactory:
        answer["choices"][0]["message"]["tool_calls"] = None
    if fake.usage:
        counts = {"prompt_tokens": asked, "completion_tokens": len(text), "total_tokens": asked + len(text)}
        answer["usage"] = counts
    return answer


def passage_of(order: Order) -> str:
    """The passage that an order is about; empty where it holds none."""
    found = re.search(r"<지문>\n(.*)\n</지문>", order["messages"][-1]["content"], re.DOTALL)
    return found[1] if found else ""


def wanted(order: Order) -> int:
    """How many items an order asks for."""
    found = re.search(r"(\d+)개 만드", order["messages"][-1]["content"])
    return int(found[1]) if found else 1


def written(order: Order) -> str:
    """Good answers: sentences of the passage, each asked after by its first words."""
    asked = order["messages"][-1]["content"]
    if "수준:" in asked:
        question = re.search(r"질문: (.*)", asked)
        levels = re.findall(r"^- (\w+):", asked, re.MULTILINE)
        said = question[1] if question else ""
        return items([{"level": level, "question": f"{said} {level}"} for level in levels])
    pairs = [pair(sentence) for sentence in re.split(r"(?<=[다])\.\s*|\n", passage_of(order)) if sentence]
    turn = re.search(r"질문 (\d+)개로", asked)
    if turn:
        return json.dumps({"turns": (pairs * int(turn[1]))[: int(turn[1])]}, ensure_ascii=False)
    kind = "절차: " if "절차를 묻는" in asked else "요약: " if "요약을 부탁" in asked else ""
    return items([{**p, "question": kind + p["question"]} for p in pairs[: wanted(order)]])


def pair(sentence: str) -> dict[str, str]:
    return {"question": f"{' '.join(sentence.split()[:4])} 무엇인가요?", "answer": f"{sentence}."}


def items(values: list[dict[str, str]]) -> str:
    return json.dumps({"items": values}, ensure_ascii=False)
