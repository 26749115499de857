"""Which model is asked: from the step's options, else from the workspace's settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from millhand.datasets.synthesize.options import Options
from millhand.endpoint import Endpoint
from millhand.endpoint.attempt import is_local
from millhand.errors import UsageError
from millhand.shell import Secret

URL, MODEL, KEY, SERVED_KEY = (
    "MILLHAND_ENDPOINT",
    "MILLHAND_MODEL",
    "MILLHAND_ENDPOINT_API_KEY",
    "MILLHAND_API_KEY",
)
_NAME = re.compile(r"MILLHAND_ENDPOINT\w*|[A-Z][A-Z0-9_]*_API_KEY", re.ASCII)
# A recipe may be a stranger's, and so may its url: these open something else than an endpoint.
_OTHERS = frozenset({"DART_API_KEY", "RUNPOD_API_KEY", "WANDB_API_KEY"})


def endpoint_of(
    options: Options, setting: Callable[[str], str], secret: Callable[[str], Secret | None]
) -> Endpoint:
    """The endpoint that a step's options and a workspace's settings name.

    Raises:
        UsageError: None is named, its URL cannot be one, it is not on this machine though it must be, or
            ``key`` names no setting that may be sent there.
    """
    url = (options.url or setting(URL)).rstrip("/")
    model = options.model or setting(MODEL)
    if not url or not model:
        lacks = " and ".join(name for name, value in (("url", url), ("model", model)) if not value)
        mend = f"Write them under `generate:`, or set {URL} and {MODEL}. `generator: outline` needs none."
        raise UsageError(f"The step generate asks a model, and nothing says its {lacks}.", mend=mend)
    _check_url(url)
    if options.local_only and not is_local(url):
        mend = "Serve a model here (`millhand serve CONFIG`) and name http://127.0.0.1:PORT/v1."
        raise UsageError(f"{url} is not on this machine, and local_only keeps the documents here.", mend=mend)
    return Endpoint(url, model, _key(url, options.key, secret), options.timeout_s)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        told = bool(parts.username or parts.password)
    except ValueError:
        sound, told = None, False
    if told:
        mend = "Put the key into .env and name its setting with `key:`."
        raise UsageError("The endpoint's url holds a user or a password.", mend=mend)
    if not sound:
        mend = "Write it up to and with /v1: https://api.example.com/v1, http://127.0.0.1:8000/v1."
        raise UsageError(f"{url!r} is no URL of an endpoint.", mend=mend)


def _key(url: str, name: str, secret: Callable[[str], Secret | None]) -> Secret:
    """The key to send. That of ``millhand serve`` goes to this machine only."""
    if name:
        _check_name(url, name)
    names = (name,) if name else (KEY, SERVED_KEY) if is_local(url) else (KEY,)
    found = next((value for value in map(secret, names) if value is not None), None)
    if name and found is None:
        raise UsageError(
            f"The setting {name} is not set.", mend=f"Write {name}=… into .env, or set it in the environment."
        )
    return found or Secret("")


def _check_name(url: str, name: str) -> None:
    """Refuse what is no name of an endpoint's key; it may be the key itself and is not repeated."""
    if (name == SERVED_KEY and is_local(url)) or (
        _NAME.fullmatch(name) and name not in (SERVED_KEY, *_OTHERS)
    ):
        return
    may = f"one that ends in _API_KEY or begins with {URL}; never {', '.join(sorted(_OTHERS))}"
    raise UsageError(
        "`key` under generate is no setting's name that may be sent to an endpoint.",
        mend=f"Put the key into .env as `OPENAI_API_KEY=…` and write `key: OPENAI_API_KEY`: {may}, "
        f"and {SERVED_KEY} to this machine only. The key itself must not stand there.",
    )
