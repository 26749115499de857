"""The table of errors: what each status means and what is done about it.

====  ==========================  =================================================================
422   :class:`InvalidRequestError`     never asked again; the message names the field
400   :class:`CandidateRefusedError`   a rule is broken or nothing is free: the next candidate
402   :class:`NoBalanceError`          stop: no candidate will succeed
403   :class:`NotAllowedError`         skip the candidate
404   :class:`NotFoundError`           it is not there (any more)
409   :class:`NotLegalNowError`        read the state again; ending is then asked again
413   :class:`TooLargeError`           stop
429   :class:`RateLimitedError`        asked again when Retry-After has passed
5xx   :class:`OutcomeUnknownError`     nobody knows whether it happened: reading and ending are asked again,
      or no answer                a pod is looked for by its name first
====  ==========================  =================================================================
"""

from __future__ import annotations

import msgspec

from millhand.errors import MillhandError
from millhand.pods.runpod.models import Problem
from millhand.shell import MASK, Secret

CONSOLE = "https://console.runpod.io"


class ApiError(MillhandError):
    """RunPod refused, or did not answer. ``status`` is 0 where there was no answer."""

    mend_with = ""

    def __init__(self, message: str, *, status: int = 0, mend: str = "") -> None:
        super().__init__(message, mend=mend or self.mend_with)
        self.status = status


class InvalidRequestError(ApiError):
    """422: the body is wrong, and would be wrong again."""

    mend_with = (
        "Mend what the message names in the pod file. If it is no key of the pod file, the API has changed: "
        "report it with this message."
    )


class CandidateRefusedError(ApiError):
    """400: a rule is broken, or nothing is free there."""


class NoBalanceError(ApiError):
    """402: the account cannot pay an hour of it."""

    mend_with = (
        f"Renting needs an hour of credit. Add some at {CONSOLE}/user/billing, then repeat the command."
    )


class NotAllowedError(CandidateRefusedError):
    """403: the key may not do this here."""

    mend_with = f"Give the key read and write access to pods and network volumes: {CONSOLE}/user/settings."


class UnauthorizedError(ApiError):
    """401: the key is wrong."""

    mend_with = f"Set RUNPOD_API_KEY in .env to a key of {CONSOLE}/user/settings."


class NotFoundError(ApiError):
    """404: there is no such thing in this account."""


class NotLegalNowError(ApiError):
    """409: not in the state in which the pod is."""


class TooLargeError(ApiError):
    """413: the request is larger than 102,400 bytes."""


class RateLimitedError(ApiError):
    """429: too many requests. ``wait_s`` is how long the API wants to be left alone."""

    mend_with = "Other programs may use the same key. Repeat the command later."

    def __init__(self, message: str, *, wait_s: float, status: int = 429) -> None:
        super().__init__(message, status=status)
        self.wait_s = wait_s


class OutcomeUnknownError(ApiError):
    """5xx, or no answer: it may have happened or not."""

    mend_with = (
        "Repeat the command: what was begun is in the ledger and is found again. `millhand reap` looks too."
    )


class OutOfTimeError(ApiError):
    """Whoever asked has no more time to wait (:meth:`millhand.pods.runpod.client.RunPod.hurried`)."""


_ERRORS: dict[int, type[ApiError]] = {
    400: CandidateRefusedError,
    401: UnauthorizedError,
    402: NoBalanceError,
    403: NotAllowedError,
    404: NotFoundError,
    409: NotLegalNowError,
    413: TooLargeError,
    422: InvalidRequestError,
}


def refusal(status: int, body: bytes, asked: str, key: Secret, wait_s: float | None = None) -> ApiError:
    """The error of an answer; ``asked`` is the request as a person may read it. The key is masked."""
    message = masked(f"RunPod answered {status} to {asked}: {_told(body)}", key)
    if status == 429:
        return RateLimitedError(message, wait_s=5.0 if wait_s is None else wait_s)
    kind = _ERRORS.get(status, OutcomeUnknownError if status >= 500 else ApiError)
    return kind(message, status=status)


def masked(text: str, key: Secret) -> str:
    """``text`` without the key, should a server or a library have repeated it."""
    return text.replace(key.reveal(), MASK)


def _told(body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        return body[:300].decode("utf-8", "replace").strip() or "(nothing)"
    return "; ".join([problem.detail or problem.title or "(no reason)", *problem.errors])
