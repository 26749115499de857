"""What became of one request: an answer, or an error that says whether it may pass, and what it holds for."""

from __future__ import annotations

import ipaddress
import json
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from millhand.endpoint.client import Endpoint, EndpointError
from millhand.endpoint.order import Reply, Why, read_reply
from millhand.shell import MASK

if TYPE_CHECKING:
    import httpx

_BYTES = 8 * 2**20
_TOLD = 300
# Not now: a timeout at the server, a conflict, too early, too many; and whatever begins with 5.
_PASSING = (408, 409, 425, 429)
# A wrong key, no credit, no right, no such model or path, gone.
_FOR_ALL = (401, 402, 403, 404, 405, 410)
# 429 for good: OpenAI's word for an account without credit.
_SPENT = ("insufficient_quota", "billing_hard_limit_reached")


class PassingError(EndpointError):
    """May go well the next time, not before ``after_s``. ``may_be_paid``: it was sent, no answer came."""

    def __init__(self, message: str, why: Why, *, after_s: float = 0.0, may_be_paid: bool = False) -> None:
        super().__init__(message)
        self.why, self.after_s, self.may_be_paid = why, after_s, may_be_paid


class OneError(EndpointError):
    """This one request cannot be served; others can."""

    may_be_paid = False


class MoreThanOneError(EndpointError):
    """No request would be served."""

    may_be_paid = False

    def __init__(self, message: str, why: Why) -> None:
        super().__init__(message)
        self.why: Why = why


def is_local(url: str) -> bool:
    """Whether a URL names this machine itself: ``localhost`` or a loopback address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def passing(endpoint: Endpoint, error: Exception) -> PassingError:
    """What a broken connection means: before the request was sent nothing can have been paid."""
    import httpx

    told = f"{endpoint.url} gave no answer: {type(error).__name__}: {error or 'out of time'}"
    sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return PassingError(told, "lost" if sent else "busy", may_be_paid=sent)


async def read_limited(response: httpx.Response) -> bytes:
    """The body of a response, its first 8 MiB: no answer is longer."""
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _BYTES:
            break
    return bytes(body[:_BYTES])


def judged(endpoint: Endpoint, response: httpx.Response, body: bytes, *, patience_s: float) -> Reply:
    """The answer that a response holds.

    Raises:
        PassingError: It may go well later.
        OneError: The request itself is refused.
        MoreThanOneError: Every request would be.
    """
    status, said = response.status_code, _said(endpoint, body)
    told = f"{endpoint.url} answered {status}: {said}"
    if status == 403 and "moderation" in said.lower():
        raise OneError(told)
    if status in _FOR_ALL or any(word in said for word in _SPENT):
        raise MoreThanOneError(told, "absent" if status in (404, 405, 410) else "refused")
    if status in _PASSING or status >= 500:
        after_s = _retry_after_s(response.headers.get("Retry-After", ""))
        if after_s > patience_s:
            raise MoreThanOneError(f"{told} (and to come again in {after_s:.0f} s)", "busy")
        raise PassingError(told, "busy", after_s=after_s)
    if 300 <= status < 400:
        raise MoreThanOneError(f"{told}; it points to {response.headers.get('Location', '')}", "absent")
    if status != 200:
        raise OneError(told)
    try:
        return read_reply(body)
    except ValueError as error:
        message = f"{endpoint.url} answered with what cannot be read ({error}): {said}"
        raise PassingError(message, "unreadable", may_be_paid=True) from error


def _said(endpoint: Endpoint, body: bytes) -> str:
    """The beginning of what a server said; its own message where it is in OpenAI's form; without the key."""
    text = body.decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        text = f"{error['message']} ({error['code']})" if error.get("code") else str(error["message"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    key = endpoint.key.reveal()
    text = (text.replace(key, MASK) if key else text)[: 20 * _TOLD]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_TOLD]


def _retry_after_s(value: str) -> float:
    """Seconds, from ``Retry-After``: a number or a date (RFC 9110, 10.2.3); 0 where there is none."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, IndexError):
        return 0.0
