"""Asks the Hub whether a model can be had with the token that there is. Only where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from millhand.errors import Finding
from millhand.shell import Secret
from millhand.training.check.base import base_of
from millhand.training.check.basics import could_be_on_the_hub
from millhand.training.check.subject import Config, FaultyValueError

HUB = "https://huggingface.co"
TIMEOUT_S = 10.0
# huggingface_hub/utils/_http.py: what the Hub says in this header beside 401, 403 and 404.
_SAYS = "x-error-code"


def check_hub(config: Config, token: Secret | None) -> Iterator[Finding]:
    """Find a base that cannot be downloaded: gated, private, misspelt."""
    try:
        name = config.model_name_or_path
    except FaultyValueError:
        return
    if not isinstance(name, str) or not could_be_on_the_hub(name) or base_of(config) is not None:
        return
    revision = str(config.values.get("model_revision", "main"))
    status, said = ask(config.settings.get("HF_ENDPOINT") or HUB, name, revision, token)
    yield from _judged(config, name, status, said, given=token is not None)


def ask(endpoint: str, name: str, revision: str, token: Secret | None) -> tuple[int, str]:
    """The Hub's status for a model's config.json and its word for what is wrong; 0: it was not reached."""
    import httpx

    headers = {"authorization": f"Bearer {token.reveal()}"} if token else {}
    url = f"{endpoint.rstrip('/')}/{name}/resolve/{revision}/config.json"
    try:
        # no redirect is followed: the token is for the Hub, not for where it keeps its files
        answer = httpx.head(url, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return 0, type(error).__name__
    return answer.status_code, answer.headers.get(_SAYS, "")


def _judged(config: Config, name: str, status: int, said: str, *, given: bool) -> Iterator[Finding]:
    key = "model_name_or_path"
    if status == 0 or status >= 500 or status == 429:
        yield config.finding(
            "model.not-asked", "note", key, f"The Hub could not be asked for {name} ({said or status}).",
            "Whether it can be downloaded is not known.", "Try again, or set HF_ENDPOINT in .env.",
        )  # fmt: skip
    elif said == "GatedRepo" or status == 403:
        yield config.finding(
            "model.gated", "error", key, f"{name} is gated, and {_who(given)}.",
            f"The download would end with {status}.",
            f"Accept its licence at {HUB}/{name}, then write HF_TOKEN=… into .env.",
        )  # fmt: skip
    elif said == "RevisionNotFound":
        yield config.finding(
            "model.not-there", "error", "model_revision", f"{name} has no revision of this name.",
            "The download would end with 404.", "Take model_revision out, or correct it.",
        )  # fmt: skip
    elif status in (401, 404) and said != "EntryNotFound":
        yield config.finding(
            "model.not-there", "error", key, f"The Hub has no model {name}, or it is private.",
            f"The download would end with {status}.",
            "Correct the name; for a private model write HF_TOKEN=… of its owner into .env.",
        )  # fmt: skip


def _who(given: bool) -> str:
    return "the account of HF_TOKEN has not accepted its licence" if given else "there is no HF_TOKEN"
