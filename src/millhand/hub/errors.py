"""What the Hub's refusals mean, as findings: one fault, one finding, one thing to do about it.

The Hub's own words are given, less what must not be shown: the token, and what follows the ``?`` of an
address (the storage's addresses carry their right to write).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from millhand.errors import Finding, FindingsError, MillhandError, UsageError

if TYPE_CHECKING:
    from httpx import Response

TOKENS = "https://huggingface.co/settings/tokens"
_NO_SPACE = re.compile(r"storage|quota|limit reached|too large|payment|billing", re.IGNORECASE)
_SPACE_STATUS = (402, 413, 507)
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_WORDS = 300
_REFUSES = "The Hub refuses."
_NOT_ASKED = "The Hub was not asked."


class UnsureError(Exception):
    """A PUT to the storage was not answered as it should: it may have arrived or not; only the Hub knows.

    ``wait_s`` is what the storage asked for, else None.
    """

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s


def causes(error: BaseException) -> list[BaseException]:
    """An error and what it came from, outermost first."""
    found: list[BaseException] = []
    while error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__ or error
    return found


def response_of(error: BaseException) -> Response | None:
    """The Hub's answer that an error came of; None where there was none."""
    from huggingface_hub.errors import HfHubHTTPError

    return next((cause.response for cause in causes(error) if isinstance(cause, HfHubHTTPError)), None)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may well do in a moment: the line, an overloaded Hub, a limit of calls."""
    import httpx

    response = response_of(error)
    if response is not None:
        return response.status_code in _TRANSIENT
    lost = (UnsureError, httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
    return any(isinstance(cause, lost) for cause in causes(error))


def is_unsure(error: BaseException) -> bool:
    """Whether only a look can tell what has arrived."""
    return any(isinstance(cause, UnsureError) for cause in causes(error))


def asked_wait_s(error: BaseException) -> float | None:
    """The seconds that were asked for with Retry-After; None where none were."""
    unsure = next((cause for cause in causes(error) if isinstance(cause, UnsureError)), None)
    if unsure is not None:
        return unsure.wait_s
    response = response_of(error)
    return None if response is None else retry_after_s(response)


def retry_after_s(response: Response) -> float | None:
    """The header in seconds; a date, which the Hub does not use, counts as none."""
    text = response.headers.get("Retry-After", "").strip()
    return float(text) if text.isdigit() else None


def clean(text: str, token: str = "") -> str:
    """What may be shown of a text that came over the line: a line, no token, no right to write."""
    shown = text.replace(token, "…") if token else text
    shown = re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]*", r"\1", shown)
    shown = re.sub(r"hf_[A-Za-z0-9]{8,}", "hf_…", shown)
    return " ".join(shown.split())[:_WORDS]


def translate(error: BaseException, repository: str, endpoint: str, token: str = "") -> MillhandError:
    """The error that a person can act on."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes(error)):
        mend = "Take HF_HUB_OFFLINE (and TRANSFORMERS_OFFLINE) out of the environment for this command."
        return UsageError("The Hub is not asked: HF_HUB_OFFLINE is set.", mend=mend)
    response = response_of(error)
    if response is not None:
        return _refused(error, response, repository, endpoint, token)
    said = clean(str(causes(error)[-1]) or type(error).__name__, token)
    if not is_transient(error) and _NO_SPACE.search(said):  # a host that is lost may be named storage
        return _no_space(repository, said)
    mend = "Look at the line, then repeat the command: it goes on where it stopped."
    return MillhandError(f"{endpoint} was lost: {said}.", mend=mend)


def _refused(
    error: BaseException, response: Response, repository: str, endpoint: str, token: str
) -> MillhandError:
    status, said = response.status_code, clean(_words(error, response), token)
    code = response.headers.get("X-Error-Code", "")
    if status == 401 and code not in ("RepoNotFound", "GatedRepo"):
        return bad_token(said)
    if code == "GatedRepo":
        return _gated(repository, said)
    if code in ("RepoNotFound", "RevisionNotFound"):
        return _missing(repository, said, revision=code == "RevisionNotFound")
    if status in _SPACE_STATUS or (status == 403 and _NO_SPACE.search(said)):
        return _no_space(repository, said)
    if status == 403:
        return no_right(repository, said)
    if status == 429:
        mend = "Wait the minutes that it asks for, then repeat the command: it goes on where it stopped."
        return MillhandError(f"{endpoint} has had too many calls: {said}", mend=mend)
    if status >= 500:
        mend = (
            "Repeat the command later: it goes on where it stopped. https://status.huggingface.co says more."
        )
        return MillhandError(f"{endpoint} fails with {status}: {said}", mend=mend)
    finding = Finding(
        id="hub.refused",
        severity="error",
        file=repository,
        message=f"The Hub refuses with {status}: {said}",
        mend="Mend what it names, then repeat the command: nothing half was published.",
    )
    return FindingsError([finding], message=_REFUSES)


def _words(error: BaseException, response: Response) -> str:
    """What the Hub said, without the library's framing."""
    from huggingface_hub.errors import HfHubHTTPError

    http = next(cause for cause in causes(error) if isinstance(cause, HfHubHTTPError))
    return http.server_message or response.reason_phrase or str(http)


def no_token() -> FindingsError:
    """There is no HF_TOKEN."""
    mend = f"Make one that may write at {TOKENS}; put `HF_TOKEN=hf_…` into the workspace's .env."
    why = "The Hub takes files of signed-in people only."
    return _found("hub.no-token", "HF_TOKEN is not set.", why, mend, _NOT_ASKED)


def bad_token(said: str) -> FindingsError:
    """The Hub does not know the token."""
    mend = f"Make another at {TOKENS} and put it into .env; the environment's HF_TOKEN wins over it."
    return _found(
        "hub.bad-token", f"The Hub does not know HF_TOKEN: {said}", "It has expired or was revoked.", mend
    )


def malformed_token() -> FindingsError:
    """HF_TOKEN holds what no token does: a blank, or a sign that is not ASCII."""
    mend = f"Copy it anew from {TOKENS} into .env, alone after `HF_TOKEN=`; the environment's wins over it."
    message = "HF_TOKEN is no token: it holds a blank, or signs other than ASCII's."
    return _found("hub.bad-token", message, "It cannot even be sent.", mend, _NOT_ASKED)


def no_right(repository: str, said: str) -> FindingsError:
    """The token may not write there."""
    owner = repository.partition("/")[0]
    mend = f"Make a token at {TOKENS} with the right to write to {owner}, or push elsewhere."
    why = "A token reads, or writes to some names only."
    return _found("hub.no-right", f"HF_TOKEN may not write to {repository}: {said}", why, mend)


def _no_space(repository: str, said: str) -> FindingsError:
    mend = "Make room (https://huggingface.co/settings/billing), or push elsewhere; then repeat the command."
    why = "Private repositories have a limit of their own."
    return _found("hub.no-space", f"There is no room for {repository}: {said}", why, mend)


def _gated(repository: str, said: str) -> FindingsError:
    mend = f"Ask for access at https://huggingface.co/{repository}; HF_TOKEN must be of who was admitted."
    return _found("hub.gated", f"{repository} is gated: {said}", "Its owner admits people one by one.", mend)


def _missing(repository: str, said: str, *, revision: bool) -> FindingsError:
    what = "has no such revision" if revision else "is not there, or this token may not see it"
    mend = "Look at the name; for a private one, HF_TOKEN must be its owner's."
    return _found("hub.not-found", f"{repository} {what}: {said}", "", mend)


def _found(id: str, message: str, why: str, mend: str, end: str = _REFUSES) -> FindingsError:
    finding = Finding(id=id, severity="error", message=message, why=why, mend=mend)
    return FindingsError([finding], message=end)
