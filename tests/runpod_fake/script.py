"""Faults on order: what goes wrong with which request, and how often."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

How = Literal["answer", "answer-after", "cut", "cut-after", "hold-after"]


@dataclass
class Fault:
    """The next ``times`` requests that match go wrong.

    Args:
        method, path: What it matches; ``path`` is a regular expression for the whole path below /v2.
        how: ``answer``: refused with ``status`` before any effect. ``answer-after``: the effect happens,
            then ``status`` is answered. ``cut``, ``cut-after``: the connection is cut before, or after
            the effect (a lost 201). ``hold-after``: after the effect nothing is said for ``hold_s``
            real seconds, then it is cut.
        when: Looks at the request's body; None matches all.
    """

    method: str
    path: str
    how: How = "answer"
    status: int = 500
    detail: str = "upstream failed"
    errors: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    hold_s: float = 30.0
    when: Callable[[Any], bool] | None = None

    def takes(self, method: str, path: str, body: object) -> bool:
        """Whether it strikes this request; if so it is used up by one."""
        fits = self.times > 0 and method == self.method and re.fullmatch(self.path, path) is not None
        if not fits or (self.when is not None and not self.when(body)):
            return False
        self.times -= 1
        return True

    @property
    def after(self) -> bool:
        """Whether the request takes effect all the same."""
        return self.how.endswith("-after")


_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}


class ProblemError(Exception):
    """An error answer: RFC 9457's title, status and detail, and the violations of a body."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        title = _TITLES.get(self.status, "Internal Server Error")
        whole: dict[str, Any] = {"title": title, "status": self.status, "detail": self.detail}
        return {**whole, "errors": list(self.errors)} if self.errors else whole
