"""The statuses that DART's open API answers with, and what each asks for.

Source: https://opendart.fss.or.kr/guide/detail.do?apiGrpCd=DS001&apiId=2019001 (메시지 설명).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from millhand.errors import MillhandError

# again: a while later it may work; item: this one thing cannot be had, others can; stop: nothing more can
Kind = Literal["done", "again", "item", "stop"]
OK, NO_DATA, NO_FILE, LIMIT, MAINTENANCE = "000", "013", "014", "020", "800"
_SITE = "https://opendart.fss.or.kr"


class Status(NamedTuple):
    """What a status means, and what a person does about it."""

    code: str
    kind: Kind
    meaning: str
    mend: str


_STATUSES = (
    Status(OK, "done", "done", ""),
    Status("010", "stop", "the key is not registered", f"Set DART_API_KEY in .env to a key of {_SITE}."),
    Status("011", "stop", "the key may not be used for now", f"See the key's state at {_SITE}."),
    Status(
        "012",
        "stop",
        "this IP address may not use the key",
        f"Add the address to the key at {_SITE}, or ask from another.",
    ),
    Status(NO_DATA, "item", "there is no such data", "Check the corporation, the years and the reports."),
    Status(NO_FILE, "item", "the filing has no file", "Read it at https://dart.fss.or.kr."),
    Status(
        LIMIT,
        "stop",
        "the key's limit of requests is used up",
        "What was fetched stays. Repeat the same command tomorrow: it goes on from there.",
    ),
    Status("021", "stop", "more than 100 corporations in one request", "Report it: Millhand asks for one."),
    Status("100", "item", "a field has a value that is not allowed", "Check the corporation and the years."),
    Status("101", "stop", "the request is not allowed", f"Check the key's rights at {_SITE}."),
    Status(
        MAINTENANCE, "again", "the API is closed for maintenance", "Repeat the same command in some hours."
    ),
    Status("900", "again", "an error that the API has no name for", "Repeat the same command later."),
    Status("901", "stop", "the account's personal data have expired", f"Renew the account at {_SITE}."),
)
_BY_CODE = {status.code: status for status in _STATUSES}


class DartError(MillhandError):
    """DART's API did not give what was asked for.

    ``status`` is its status, empty where there was no answer that has one.
    """

    def __init__(self, message: str, *, status: str = "", mend: str = "") -> None:
        super().__init__(message, mend=mend)
        self.status = status


class AskAgainError(DartError):
    """It may work a little later: no answer, one that was cut off, a 5xx, 800 or 900."""


class ItemError(DartError):
    """This one thing cannot be had; others can."""


def status_of(code: str) -> Status:
    """The status of a code; one that is not known stops."""
    unknown = Status(code, "stop", "a status that is not known", f"See {_SITE}/guide/main.do.")
    return _BY_CODE.get(code, unknown)


def refusal(code: str, said: str, asked: str) -> DartError:
    """The error of a status; ``said`` is the API's own message, ``asked`` what was asked for."""
    status = status_of(code)
    words = f' ("{said}")' if said else ""
    kinds: dict[Kind, type[DartError]] = {"again": AskAgainError, "item": ItemError}
    kind = kinds.get(status.kind, DartError)
    return kind(f"DART answered {code} to {asked}: {status.meaning}{words}.", status=code, mend=status.mend)
