"""Faults on order: what goes wrong at which stage of the protocol, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

How = Literal["answer", "answer-after", "cut", "cut-after", "cut-midway", "slow", "stall"]


@dataclass
class Fault:
    """The next ``times`` requests of a stage go wrong, after ``skip`` of them that go well.

    Args:
        stage: A name of ``routes.ROUTES``: whoami, create, preupload, batch, put, part, commit and others.
        how: ``answer``: refused with ``status`` before any effect. ``answer-after``: the effect happens, then
            ``status`` is answered. ``cut``, ``cut-after``: the connection is cut before, or after the effect
            (an answer that is lost). ``cut-midway``: it is cut when ``after_bytes`` of the body came,
            or sent. ``slow``: a body is taken at 64 KiB in 0.2 s. ``stall``: nothing is said for
            ``hold_s`` seconds, then it is cut.
    """

    stage: str
    how: How = "answer"
    status: int = 500
    message: str = "Internal Error - We're working hard to fix this as soon as possible!"
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    skip: int = 0
    after_bytes: int = 0
    hold_s: float = 30.0

    def takes(self, stage: str) -> bool:
        """Whether it strikes this request; if so it is used up by one."""
        if stage != self.stage or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True

    @property
    def after(self) -> bool:
        """Whether the request takes effect all the same."""
        return self.how.endswith("-after")

    def refusal(self) -> RefusedError:
        """What is answered."""
        return RefusedError(self.status, self.message, self.code, self.headers)


class RefusedError(Exception):
    """An answer of 4xx or 5xx, as the Hub words it."""

    def __init__(
        self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.headers = dict(headers or {})

    def shown(self) -> dict[str, str]:
        """The headers beside the body ``{"error": message}``."""
        code = {"X-Error-Code": self.code} if self.code else {}
        return {**code, "X-Error-Message": self.message.encode("ascii", "replace").decode(), **self.headers}


class StrictError(Exception):
    """The client sent what the Hub does not know: a test must hear of it."""
