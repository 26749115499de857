"""The client of DART's open API: three requests, paced, asked again where that helps.

The key is a parameter of the query, so it stands in every URL: no URL is shown, and what httpx logs of
one is masked. Source: https://opendart.fss.or.kr/guide/main.do?apiGrpCd=DS001.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from millhand.dart.answers import Corporation, Listed, read_corporations, read_list, read_zip
from millhand.dart.statuses import MAINTENANCE, AskAgainError, DartError
from millhand.errors import NoWorkspaceError, UsageError
from millhand.shell import MASK, Secret
from millhand.waits import Waits
from millhand.workspace import find_workspace

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

URL = "https://opendart.fss.or.kr/api"
KEY_NAME, URL_NAME = "DART_API_KEY", "DART_API_URL"
PACE_S = 0.2  # 1,000 requests a minute are said to block an address for a day
ATTEMPTS = 5
PAGE_FILINGS = 100  # the API's most
_KEY = re.compile(r"[0-9A-Za-z]{40}")
_KEY_IN_URL = re.compile(r"(crtfc_key=)[^&\s\"']*")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MOST_PAGES = 1000
T = TypeVar("T")


@dataclass(slots=True)
class OpenDart:
    """DART's open API. A context manager: it keeps one connection.

    Args:
        url: The API's base, with ``/api``.
        key: Of 40 characters; sent to ``url`` and nowhere else.
        waits: How it waits.
        tell: Is told why it waits.
    """

    url: str
    key: Secret
    waits: Waits = field(default_factory=Waits)
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)
    requests: int = 0
    _next: float = field(default=0.0, repr=False)
    _http: httpx.Client | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise UsageError(
                f"{URL_NAME} is not https: the key would travel in the clear.", mend=f"Use {URL}."
            )
        if not _KEY.fullmatch(self.key.reveal()):
            raise UsageError(f"{KEY_NAME} is not 40 letters and digits.", mend="Copy the key again.")

    def __enter__(self) -> OpenDart:
        self._http = self._opened()
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def corporations(self) -> tuple[Corporation, ...]:
        """The table of all corporations: about 120,000 rows, 3.6 MB on the line.

        Raises:
            DartError: It cannot be had.
        """
        return self._asked("corpCode.xml", {}, "corpCode.xml", lambda content, _: read_corporations(content))

    def filings(self, corp_code: str, begin: date, end: date, *, last_only: bool = True) -> list[Listed]:
        """The periodic reports that a corporation filed from ``begin`` to ``end``, all pages.

        ``last_only`` leaves out a report that a later one corrects.

        Raises:
            DartError: The list cannot be had.
        """
        query = {
            "corp_code": corp_code,
            "bgn_de": f"{begin:%Y%m%d}",
            "end_de": f"{end:%Y%m%d}",
            "last_reprt_at": "Y" if last_only else "N",
            "pblntf_ty": "A",
            "page_count": str(PAGE_FILINGS),
        }
        found: list[Listed] = []
        for number in range(1, _MOST_PAGES + 1):
            asked = f"list.json of {corp_code}, page {number}"
            page = self._asked("list.json", {**query, "page_no": str(number)}, asked, read_list)
            found += page.filings
            if number >= page.pages:
                break
        return found

    def document(self, rcept_no: str) -> bytes:
        """The ZIP of a filing, whole.

        Raises:
            ItemError: The filing has no file.
            DartError: Nothing more can be had for now.
        """
        return self._asked("document.xml", {"rcept_no": rcept_no}, f"document.xml of {rcept_no}", read_zip)

    # --- requests ----------------------------------------------------------------------------------------

    def _asked(self, path: str, query: Mapping[str, str], asked: str, read: Callable[[bytes, str], T]) -> T:
        """Ask, and read the answer; again where the answer or its reading says that this may help."""
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

        retrying = Retrying(
            retry=retry_if_exception_type(AskAgainError),
            wait=_wait_s,
            stop=stop_after_attempt(ATTEMPTS),
            sleep=self.waits.sleep,
            before_sleep=self._tell_wait,
            reraise=True,
        )
        return retrying(lambda: read(self._send(path, query, asked), asked))

    def _tell_wait(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, DartError):
            self.tell(f"{error.message} Asking again in {state.upcoming_sleep:.0f} s.")

    def _send(self, path: str, query: Mapping[str, str], asked: str) -> bytes:
        import httpx

        if self._http is None:
            raise DartError("the client is used outside of its `with` block")
        self._pace()
        self.requests += 1
        try:
            answer = self._http.get(path, params={"crtfc_key": self.key.reveal(), **query})
        except httpx.HTTPError as error:
            reason = self._masked(f"{type(error).__name__}: {error}")
            raise AskAgainError(
                f"DART did not answer {asked}: {reason}.", mend="Repeat the same command: it goes on."
            ) from None
        return self._checked(answer, asked)

    def _checked(self, answer: httpx.Response, asked: str) -> bytes:
        if answer.is_success:
            return answer.content
        said = self._masked(" ".join(answer.text[:200].split()))
        message = f"DART answered HTTP {answer.status_code} to {asked}: {said or '(nothing)'}"
        if answer.is_server_error:
            raise AskAgainError(message, mend="Repeat the same command later: it goes on.")
        raise DartError(message, mend=f"Check {URL_NAME}, and whether DART has blocked this address.")

    def _pace(self) -> None:
        left = self._next - self.waits.now()
        if left > 0:
            self.waits.sleep(left)
        self._next = self.waits.now() + PACE_S

    def _opened(self) -> httpx.Client:
        import httpx

        _mask_logs()
        # a proxy of the environment has no business with an API on this machine
        trust = urlsplit(self.url).hostname not in _LOOPBACK
        timeout = httpx.Timeout(120.0, connect=15.0)
        headers = {"User-Agent": "millhand"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=trust)

    def _masked(self, text: str) -> str:
        return text.replace(self.key.reveal(), MASK)


def open_dart(tell: Callable[[str], None] = lambda _: None) -> OpenDart:
    """The API with the key of the environment or of the workspace's ``.env``.

    Raises:
        UsageError: No key is set, or it is none.
    """
    settings = _settings()
    key = settings.get(KEY_NAME, "")
    if not key:
        mend = f"Write {KEY_NAME}=… into .env: a key from https://opendart.fss.or.kr (인증키 신청)."
        raise UsageError(f"{KEY_NAME} is not set.", mend=mend)
    return OpenDart((settings.get(URL_NAME) or URL).rstrip("/"), Secret(key), tell=tell)


def _settings() -> dict[str, str]:
    """Those of the workspace; where there is none, of the environment alone."""
    try:
        workspace = find_workspace()
    except NoWorkspaceError:
        import os

        return dict(os.environ)
    return workspace.settings()


def _wait_s(state: RetryCallState) -> float:
    """1, 2, 4 and 8 s; in maintenance 5 times as long."""
    error = state.outcome.exception() if state.outcome else None
    factor = 5.0 if isinstance(error, DartError) and error.status == MAINTENANCE else 1.0
    return factor * float(2 ** (state.attempt_number - 1))


class _KeyMask(logging.Filter):
    """Takes the key out of the URLs that httpx logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "crtfc_key=" in text:
            record.msg, record.args = _KEY_IN_URL.sub(rf"\1{MASK}", text), ()
        return True


_MASKED_LOGGERS = ("httpx", "httpcore", "httpcore.http11", "httpcore.connection", "httpcore.proxy")


def _mask_logs() -> None:
    for name in _MASKED_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _KeyMask) for known in logger.filters):
            logger.addFilter(_KeyMask())
