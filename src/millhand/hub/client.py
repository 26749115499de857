"""The line to the Hub: huggingface_hub with a token, with timeouts, with patience, and quiet about secrets.

The library does the transfer. What it lacks is added from outside: it waits for ever for a server that says
nothing, asks most questions once, logs addresses that carry the right to write, and after a lost answer sends
an object again that may have arrived. It reads its settings at its import, which is done in functions only.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from millhand import __version__
from millhand.errors import FindingsError, MissingPackageError
from millhand.hub.errors import (
    UnsureError,
    asked_wait_s,
    clean,
    is_transient,
    malformed_token,
    no_token,
    retry_after_s,
    translate,
)
from millhand.hub.stopping import StoppableStream, check_stopped
from millhand.shell import Secret

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")
Say = Callable[[str], None]

PUBLIC = "https://huggingface.co"
# A commit may take minutes; a write that moves nothing for a minute is a line that is gone.
TIMEOUT = httpx.Timeout(connect=20.0, read=300.0, write=60.0, pool=None)
TRIES = 6
LONGEST_WAIT_S = 300.0
_BLOCK = 1 << 18
# What the library raises where the line or the Hub is at fault: its own HTTP errors are httpx's, what an
# upload raised comes as a RuntimeError, what was refused of a batch as a ValueError, HF_HUB_OFFLINE as a
# ConnectionError. A full disk or a file that is gone is none of them.
MISHAPS = (httpx.HTTPError, UnsureError, RuntimeError, ValueError, ConnectionError)
_SETTINGS = ("HF_ENDPOINT", "HF_HUB_DISABLE_XET", "HF_HUB_OFFLINE", "HF_HOME", "HF_XET_HIGH_PERFORMANCE")
_AGAIN_STATUS = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Hub:
    """A line to one Hub. ``api`` is the library's, signed in where there is a token."""

    api: HfApi
    endpoint: str
    say: Say
    token: Secret | None

    def ask(
        self,
        call: Callable[[], T],
        repository: str = "",
        *,
        may_help: Callable[[BaseException], bool] = is_transient,
    ) -> T:
        """Make a call that may be made twice, again while that may help.

        Raises:
            FindingsError: The Hub refuses it.
            MillhandError: The Hub does not answer, or fails, to the last try.
        """
        for number in range(1, TRIES + 1):
            try:
                return call()
            except MISHAPS as error:
                if number == TRIES or not may_help(error):
                    raise self.told(error, repository) from None
                self.wait(error, number)
        raise AssertionError("the last try returns or raises")

    def wait(self, error: BaseException, number: int) -> None:
        """Say what went wrong and wait: as long as was asked for, else 1 s, then twice as long each time."""
        asked = asked_wait_s(error)
        seconds = min(2.0 ** (number - 1) if asked is None else asked + 1, LONGEST_WAIT_S)
        self.say(f"{self.shown(error)} Trying again in {seconds:.0f} s.")
        time.sleep(seconds)

    def told(self, error: BaseException, repository: str = "") -> Exception:
        """The error that a person is shown; the library's own may hold what must not be."""
        return translate(error, repository, self.endpoint, self._token)

    def shown(self, error: BaseException) -> str:
        """An error in a line."""
        told = translate(error, "", self.endpoint, self._token)
        return clean(
            told.findings[0].message if isinstance(told, FindingsError) else told.message, self._token
        )

    @property
    def _token(self) -> str:
        return self.token.reveal() if self.token else ""


def open_hub(settings: Mapping[str, str], say: Say, *, signed_in: bool = True, bars: bool = False) -> Hub:
    """Open the line that a workspace's settings describe; nothing is sent yet.

    Args:
        settings: HF_TOKEN, HF_ENDPOINT and the library's own switches.
        say: Is told of retries.
        signed_in: Whether it is of no use without a token.
        bars: Whether the library shows its bars on stderr, where that is a terminal.

    Raises:
        MissingPackageError: huggingface_hub is not installed.
        FindingsError: There is no token, or it is none.
    """
    token = _token_of(settings)
    if signed_in and token is None:
        raise no_token()
    _set_up(settings)
    try:
        from huggingface_hub import HfApi, set_client_factory
    except ImportError as error:
        raise MissingPackageError(
            "huggingface_hub is not installed.", mend="Bring it: `pip install 'millhand[hub]'`."
        ) from error
    set_client_factory(_new_client)
    _quieten(say, bars=bars)
    endpoint = (settings.get("HF_ENDPOINT") or PUBLIC).rstrip("/")
    # False, not None: no token of ours means none, not whichever the machine's user once signed in with.
    given = token.reveal() if token else False
    api = HfApi(endpoint=endpoint, token=given, library_name="millhand", library_version=__version__)
    return Hub(api, endpoint, say, token)


def _token_of(settings: Mapping[str, str]) -> Secret | None:
    text = settings.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", text):  # what no header can carry, the transport would show in its error
        raise malformed_token()
    return Secret(text) if text else None


def _set_up(settings: Mapping[str, str]) -> None:
    """Bring the workspace's settings to where the library reads them; the environment's own win."""
    for name in _SETTINGS:
        if settings.get(name):
            os.environ.setdefault(name, settings[name])
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")


def _new_client() -> httpx.Client:
    from huggingface_hub.utils._http import default_client_factory

    with default_client_factory() as plain:
        hooks = plain.event_hooks
    return _Client(event_hooks=hooks, follow_redirects=True, timeout=TIMEOUT)


class _Client(httpx.Client):
    """An object that was sent in one piece is not sent again before the Hub was asked whether it arrived.

    The library would repeat the PUT by itself. A part of an object is left to it: nobody can be asked about
    parts.
    """

    def send(self, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        """Send, and say of an object in one piece that its fate is not known where it is not."""
        check_stopped()
        if isinstance(request.stream, httpx.SyncByteStream):
            if hasattr(request.stream, "CHUNK_SIZE"):  # httpx reads 64 KiB of a file at a time
                request.stream.CHUNK_SIZE = _BLOCK
            request.stream = StoppableStream(request.stream)
        response = self._send(request, **kwargs)
        if isinstance(response.stream, httpx.SyncByteStream) and not response.is_closed:
            response.stream = StoppableStream(response.stream)
        return response

    def _send(self, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        whole = request.method == "PUT" and "authorization" not in request.headers
        if not whole or "partNumber" in request.url.params:
            return super().send(request, **kwargs)
        try:
            response = super().send(request, **kwargs)
        except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError) as error:
            raise UnsureError(f"sending to {request.url.host} broke off ({type(error).__name__})") from error
        if response.status_code in _AGAIN_STATUS:
            text = f"{request.url.host} answered {response.status_code} to an upload"
            raise UnsureError(text, retry_after_s(response))
        return response


class _Told(logging.Handler):
    """The library's warnings, as notes without secrets."""

    def __init__(self, say: Say) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a warning on."""
        with suppress(Exception):  # a broken message is no reason to break an upload off
            self._say(clean(record.getMessage()))


def _quieten(say: Say, *, bars: bool) -> None:
    from huggingface_hub.utils.tqdm import disable_progress_bars

    logger = logging.getLogger("huggingface_hub")
    logger.handlers[:] = [_Told(say)]
    logger.propagate = False
    if not bars:
        disable_progress_bars()
