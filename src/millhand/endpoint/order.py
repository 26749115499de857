"""What is asked of a model and what came of it: plain values. The key of a request knows no URL."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, TypeAlias

import msgspec

Why: TypeAlias = Literal["busy", "lost", "unreadable", "rejected", "refused", "absent", "not asked"]


class Request(msgspec.Struct, frozen=True):
    """One question to a model.

    Args:
        model: The name that the server knows it by.
        messages: ``{"role": …, "content": …}``: the system's first, then user and assistant in turns.
        options: Further fields of the request: ``temperature``, ``max_tokens``, ``response_format``.
    """

    model: str
    messages: tuple[dict[str, str], ...]
    options: dict[str, Any] = {}

    @property
    def body(self) -> dict[str, Any]:
        """What is sent, before a server's own ways are minded."""
        return {"model": self.model, "messages": list(self.messages), **self.options}

    @property
    def key(self) -> str:
        """The SHA-256, in hex, of all that decides the answer; where the server stands does not."""
        text = json.dumps(self.body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def characters(self) -> int:
        """The characters of all messages."""
        return sum(len(message["content"]) for message in self.messages)


class Reply(msgspec.Struct, frozen=True):
    """A model's answer.

    ``finish`` is the server's word for why it ended (``stop``, ``length``, ``content_filter``). Tokens are
    as the server counted them, 0 where it does not say. ``cached``: paid for earlier.
    """

    text: str
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cached: bool = False


class Failure(msgspec.Struct, frozen=True):
    """No answer came.

    ``busy``: the server refused for now, to the last attempt. ``lost``: sent, and nothing came back.
    ``unreadable``: what came back is no answer. ``rejected``: this one request cannot be served.
    ``refused``, ``absent``: no request would be (a wrong key; no such model, no such server): all
    further ones are ``not asked``.
    """

    why: Why
    told: str


def read_reply(body: bytes) -> Reply:
    """Read the body of ``/chat/completions``.

    Raises:
        ValueError: It is no JSON, or not of the form of an answer.
    """
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message = choice["message"]
        text = message.get("content") or message.get("refusal") or ""
        finish = "refusal" if message.get("refusal") else str(choice.get("finish_reason") or "")
        usage = answer.get("usage") or {}
        return Reply(_text(text), finish, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _text(content: Any) -> str:
    if not isinstance(content, str):
        raise TypeError("its content is no text")
    return content.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no text


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value > 0 else 0
