"""The client of RunPod's API v2. Every answer is typed; every row of the table of errors is handled.

Reading and ending are asked again after a 5xx or no answer, for about a minute and a half; creating is not:
see :mod:`millhand.pods.runpod.rent`. Source: the OpenAPI document of API v2 (2026-08-20).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from millhand.errors import UsageError
from millhand.pods.runpod import models
from millhand.pods.runpod.errors import (
    ApiError,
    NotFoundError,
    NotLegalNowError,
    OutcomeUnknownError,
    OutOfTimeError,
    RateLimitedError,
    masked,
    refusal,
)
from millhand.shell import Secret
from millhand.waits import Waits
from millhand.workspace import Workspace

if TYPE_CHECKING:
    import ssl

    import httpx
    from tenacity import RetryCallState

URL = "https://api.runpod.io/v2"
KEY_NAME, URL_NAME = "RUNPOD_API_KEY", "RUNPOD_API_URL"
ATTEMPTS = 10
LONGEST_WAIT_S = 120.0
_MOST_PAGES = 1000
_NOT_NOW_S = (2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0, 15.0)
_KEY = re.compile(r"[!-~]+")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
T = TypeVar("T")


@dataclass(slots=True)
class _Heard:
    """What the API's last answer said of its quota and its clock."""

    rest_until: float = 0.0
    clock_offset_s: float | None = None


@dataclass(slots=True)
class RunPod:
    """An account at RunPod.

    Args:
        url: The API's base, with ``/v2``.
        key: Sent as a bearer token, to ``url`` and nowhere else.
        waits: How it waits.
        tell: Is told why it waits.
        timeout_s: How long a single answer may take.
    """

    url: str
    key: Secret
    waits: Waits = field(default_factory=Waits)
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)
    timeout_s: float = 60.0
    _heard: _Heard = field(default_factory=_Heard, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise UsageError(
                f"{self.url} is not https: the key would travel in the clear.", mend=f"Use {URL}."
            )
        if not _KEY.fullmatch(self.key.reveal()):
            raise UsageError(f"{KEY_NAME} holds a blank or a letter that no key has.", mend="Copy it again.")

    @property
    def key_mark(self) -> str:
        """What tells one key from another and does not give it away."""
        return hashlib.sha256(b"millhand " + self.key.reveal().encode("ascii")).hexdigest()[:8]

    def hurried(self, within_s: float) -> RunPod:
        """The same account for whoever has only so many seconds: it waits no longer, and says nothing.

        Its calls also raise :class:`OutOfTimeError`.
        """
        until_s = self.waits.now() + within_s

        def sleep(seconds: float) -> None:
            if self.waits.now() + seconds > until_s:
                raise OutOfTimeError(f"RunPod takes longer than {within_s:.0f} s.")
            self.waits.sleep(seconds)

        waits = Waits(sleep, self.waits.now)
        return replace(self, waits=waits, tell=lambda _: None, timeout_s=within_s / 2)

    # --- reading -----------------------------------------------------------------------------------------

    def pods(self) -> list[models.PodState]:
        """All pods of the account, also those that are not ours."""
        return self._list("/pods", "pods", models.PodState)

    def named(self, name: str) -> list[models.PodState]:
        """The pods that bear exactly this name. The API has no such filter."""
        return [pod for pod in self.pods() if pod.name == name]

    def pod(self, pod_id: str) -> models.PodState | None:
        """A pod, or None where it is gone."""
        try:
            return self._read(f"/pods/{quote(pod_id, safe='')}", models.PodState)
        except NotFoundError:
            return None

    def gpus(self, cloud: str, count: int, min_cuda: str | None = None) -> list[models.GpuType]:
        """The GPU types with price and stock in a cloud (SECURE, COMMUNITY), for ``count`` in one pod."""
        query = {"include": "AVAILABILITY", "product": "POD", "cloud": cloud, "count": str(count)}
        return self._list(
            "/catalog/gpus",
            "gpus",
            models.GpuType,
            {**query, **({"minCudaVersion": min_cuda} if min_cuda else {})},
        )

    def data_centers(self) -> list[models.DataCenter]:
        """The data centres."""
        return self._list("/catalog/datacenters", "dataCenters", models.DataCenter)

    def volumes(self) -> list[models.NetworkVolume]:
        """The account's network volumes."""
        return self._list("/network-volumes", "networkVolumes", models.NetworkVolume)

    def billing(self, query: Mapping[str, str]) -> list[models.BillingRecord]:
        """What pods cost: a record a pod and span of time."""
        return self._list("/billing/pods", "records", models.BillingRecord, query)

    def server_time_s(self) -> float:
        """Now by the API's clock, in seconds since the epoch, from the Date header of its last answer."""
        if self._heard.clock_offset_s is None:
            self.volumes()
        if self._heard.clock_offset_s is None:  # a proxy took the header out
            return time.time()
        return self.waits.now() + self._heard.clock_offset_s

    # --- changing ----------------------------------------------------------------------------------------

    def create_pod(self, body: Mapping[str, Any]) -> models.PodState:
        """Ask for a pod, once; only a 429, which changed nothing, is asked again.

        Raises:
            OutcomeUnknownError: Nobody knows whether there is one now.
            ApiError: It was refused.
        """
        answer = self._request("POST", "/pods", body=body, again=(RateLimitedError,))
        return self._decoded(answer, models.PodState, "POST /pods")

    def create_volume(self, name: str, size_gb: int, data_center: str) -> models.NetworkVolume:
        """Make a network volume; raises as :meth:`create_pod` does."""
        body = {"name": name, "size": size_gb, "dataCenter": data_center}
        answer = self._request("POST", "/network-volumes", body=body, again=(RateLimitedError,))
        return self._decoded(answer, models.NetworkVolume, "POST /network-volumes")

    def terminate(self, pod_id: str) -> None:
        """Delete a pod. One that is gone is no error: it may have been our own lost request.

        Raises:
            NotLegalNowError: It is refused in each state that the pod came to in a minute and a half.
        """
        for wait_s in (*_NOT_NOW_S, 0.0):
            try:
                self._request("DELETE", f"/pods/{quote(pod_id, safe='')}")
            except NotFoundError:
                return
            except NotLegalNowError as error:
                state = self.pod(pod_id)
                if state is not None and state.over:
                    return
                if not wait_s:
                    raise
                self.tell(f"{error.message} Asking again in {wait_s:.0f} s.")
                self.waits.sleep(wait_s)
            else:
                return

    def act(self, pod_id: str, action: str) -> None:
        """Start, stop or restart a pod.

        Raises:
            NotLegalNowError: Not in its state; read that again.
        """
        self._request("POST", f"/pods/{quote(pod_id, safe='')}/action", body={"action": action})

    @contextmanager
    def stream(self, path: str, query: Mapping[str, str], timeout_s: float) -> Iterator[httpx.Response]:
        """Open a stream of server-sent events; it raises httpx's errors when it breaks off."""
        with (
            self._http(timeout_s) as http,
            http.stream("GET", path.lstrip("/"), params=dict(query)) as answer,
        ):
            if not answer.is_success:
                answer.read()
                self._check(answer, f"GET {path}")
            yield answer

    # --- requests ----------------------------------------------------------------------------------------

    def _list(self, path: str, name: str, kind: type[T], query: Mapping[str, str] | None = None) -> list[T]:
        """All pages of a list."""
        items: list[T] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            asked = {**(query or {}), **({"cursor": cursor} if cursor else {})}
            page = self._read(path, dict[str, msgspec.Raw], asked)
            items += self._decoded_raw(page.get(name, msgspec.Raw(b"[]")), list[kind], path)  # type: ignore[valid-type]
            following = _next_cursor(page)
            if following is None or following == cursor:
                break
            cursor = following
        return items

    def _read(self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        answer = self._request("GET", path, query=query)
        return self._decoded(answer, kind, f"GET {path}")

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        again: tuple[type[ApiError], ...] = (RateLimitedError, OutcomeUnknownError),
    ) -> httpx.Response:
        """Send a request, again where ``again`` allows it."""
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

        retrying = Retrying(
            retry=retry_if_exception_type(again),
            wait=_wait_s,
            stop=stop_after_attempt(ATTEMPTS),
            sleep=self.waits.sleep,
            before_sleep=self._tell_wait,
            reraise=True,
        )
        return retrying(self._send, method, path, query, body)

    def _tell_wait(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ApiError):
            self.tell(f"{error.message} Asking again in {state.upcoming_sleep:.0f} s.")

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> httpx.Response:
        import httpx

        self._rest()
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if content else {}
        try:
            with self._http(self.timeout_s) as http:
                answer = http.request(
                    method, path.lstrip("/"), params=dict(query or {}), content=content, headers=headers
                )
        except httpx.HTTPError as error:
            reason = masked(f"{type(error).__name__}: {error}", self.key)
            raise OutcomeUnknownError(f"RunPod did not answer {method} {path}: {reason}") from None
        self._note(answer)
        return self._check(answer, f"{method} {path}")

    def _http(self, timeout_s: float) -> httpx.Client:
        import httpx

        # a proxy of the environment has no business with an API on this machine
        parts = urlsplit(self.url)
        trust = parts.hostname not in _LOOPBACK
        headers = {"Authorization": f"Bearer {self.key.reveal()}", "User-Agent": "millhand"}
        timeout = httpx.Timeout(timeout_s, connect=min(15.0, timeout_s))
        # plain http goes to this machine only, where there is nothing to verify
        verify = _certificates() if parts.scheme == "https" else False
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=trust, verify=verify
        )

    def _check(self, answer: httpx.Response, asked: str) -> httpx.Response:
        if answer.is_success:
            return answer
        wait_s = _number(answer.headers.get("Retry-After"))
        error = refusal(answer.status_code, answer.content, asked, self.key, wait_s)
        if isinstance(error, RateLimitedError) and error.wait_s > LONGEST_WAIT_S:
            # waiting an hour in silence is worse than saying so
            raise ApiError(f"{error.message} (for {error.wait_s:.0f} s)", status=429, mend=error.mend)
        raise error

    def _rest(self) -> None:
        """Wait where the quota of the window is used up, as the last answer's headers said."""
        left = self._heard.rest_until - self.waits.now()
        if left > 0:
            self.waits.sleep(left)

    def _note(self, answer: httpx.Response) -> None:
        if "Date" in answer.headers:
            self._heard.clock_offset_s = _epoch_s(answer.headers["Date"], self.waits.now())
        waits = [t for r, t in _quotas(answer.headers.get("RateLimit", "")) if r <= 0]
        if waits:
            self._heard.rest_until = self.waits.now() + min(max(waits), LONGEST_WAIT_S)

    def _decoded(self, answer: httpx.Response, kind: type[T], asked: str) -> T:
        return self._decoded_raw(answer.content, kind, asked)

    def _decoded_raw(self, raw: bytes | msgspec.Raw, kind: type[T], asked: str) -> T:
        try:
            return msgspec.json.decode(raw, type=kind)
        except msgspec.MsgspecError as error:
            # unreadable where a pod may have been made: as good as no answer
            raise OutcomeUnknownError(f"RunPod's answer to {asked} cannot be read: {error}") from None


def open_account(workspace: Workspace, tell: Callable[[str], None] = lambda _: None) -> RunPod:
    """The account whose key is set in the environment or ``.env``; ``tell`` is told why a request waits.

    Raises:
        UsageError: No key is set.
    """
    key = workspace.secret(KEY_NAME)
    if key is None:
        mend = f"Write {KEY_NAME}=… into .env: a key from https://console.runpod.io/user/settings."
        raise UsageError(f"{KEY_NAME} is not set.", mend=mend)
    return RunPod(workspace.settings().get(URL_NAME) or URL, key, tell=tell)


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities that are trusted: reading them takes longer than a request."""
    import httpx

    return httpx.create_ssl_context()


def _wait_s(state: RetryCallState) -> float:
    """As long as the API asks for; else 1, 2, 4 … 15 s: about a minute and a half in all."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RateLimitedError):
        return max(1.0, error.wait_s)
    return float(min(2 ** (state.attempt_number - 1), 15))


def _quotas(header: str) -> list[tuple[float, float]]:
    """Remaining requests and seconds to the reset of each window: ``"minute";r=0;t=12, …``."""
    found = []
    for member in header.split(","):
        fields = dict(part.strip().partition("=")[::2] for part in member.split(";")[1:])
        left, wait = _number(fields.get("r")), _number(fields.get("t"))
        if left is not None and wait is not None:
            found.append((left, wait))
    return found


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d+(\.\d+)?", text) else None


def _epoch_s(date: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return None


def _next_cursor(page: Mapping[str, msgspec.Raw]) -> str | None:
    try:
        pagination = msgspec.json.decode(page["pagination"], type=dict[str, Any])
    except (KeyError, msgspec.MsgspecError):
        return None
    cursor = pagination.get("nextCursor")
    return cursor if isinstance(cursor, str) and cursor else None
