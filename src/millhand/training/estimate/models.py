"""Finds a model's config.json and tokenizer.json: a folder, the cache, the shipped table, the Hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson

from millhand.errors import UsageError
from millhand.shell import Secret
from millhand.text.normal import did_you_mean

TABLE = Path(__file__).with_name("bases.json")
_HUB = "https://huggingface.co"
_TIMEOUT_S = 15.0


class Base(msgspec.Struct, frozen=True):
    """A model's config as its config.json has it, and where it comes from."""

    source: str
    config: dict[str, Any]


class Model(msgspec.Struct, frozen=True):
    """A model that was found: its config, where from, and its tokenizer.json where that is at hand."""

    name: str
    base: Base
    tokenizer: Path | None = None

    @property
    def bos(self) -> bool:
        """Whether its tokenizer marks the beginning of a text: so said beside it, else assumed."""
        path = self.tokenizer.with_name("tokenizer_config.json") if self.tokenizer else None
        return bool(_read(path).get("bos_token")) if path and path.is_file() else True


@cache
def table() -> dict[str, Base]:
    """The models whose shape ships with Millhand, each with its source."""
    return msgspec.json.decode(TABLE.read_bytes(), type=dict[str, Base])


class Finder:
    """Looks models up; the Hub is asked last, and only if it may be."""

    def __init__(
        self,
        root: Path,
        settings: Mapping[str, str],
        *,
        offline: bool = False,
        client: httpx.Client | None = None,
    ) -> None:
        self.root, self.settings, self.client = root, settings, client
        self.offline = offline or settings.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")

    def find(self, name: str) -> Model:
        """Find a model by the name that ``model_name_or_path`` has.

        Raises:
            UsageError: Its config.json is nowhere to be had.
        """
        folder = self._folder(name)
        tokenizer = folder / "tokenizer.json" if folder else None
        tokenizer = tokenizer if tokenizer and tokenizer.is_file() else None
        if folder is not None and (folder / "config.json").is_file():
            return Model(name, Base(f"{name}, its own config.json", _read(folder / "config.json")), tokenizer)
        known = table().get(name)
        return Model(name, known or self._ask(name), tokenizer)

    def _folder(self, name: str) -> Path | None:
        """A folder of the workspace, or the newest snapshot in Hugging Face's cache."""
        own = (self.root / name).expanduser()
        if own.is_dir():
            return own
        kept = self._cache() / f"models--{name.replace('/', '--')}" / "snapshots"
        snapshots = [path for path in kept.glob("*") if path.is_dir()] if kept.is_dir() else []
        return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)

    def _cache(self) -> Path:
        """``HF_HUB_CACHE``, else ``HF_HOME/hub``, else the home folder's (huggingface_hub: constants)."""
        if self.settings.get("HF_HUB_CACHE"):
            return Path(self.settings["HF_HUB_CACHE"])
        home = self.settings.get("HF_HOME") or os.path.join("~", ".cache", "huggingface")  # noqa: PTH118
        return Path(home).expanduser() / "hub"

    def _ask(self, name: str) -> Base:
        near = did_you_mean(name, table())
        if self.offline or name.count("/") != 1:
            raise UsageError(
                f"The shape of {name} does not ship, and there is no such folder. {near}".rstrip(),
                mend="Without --offline the Hub is asked for its config.json; or download the model.",
            )
        return Base(f"{name} on the Hub", self._download(name))

    def _download(self, name: str) -> dict[str, Any]:
        endpoint = (self.settings.get("HF_ENDPOINT") or _HUB).rstrip("/")
        token = Secret(self.settings["HF_TOKEN"]) if self.settings.get("HF_TOKEN") else None
        headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        client = self.client or httpx.Client(timeout=_TIMEOUT_S, follow_redirects=True)
        try:
            answer = client.get(f"{endpoint}/{name}/resolve/main/config.json", headers=headers)
        except httpx.HTTPError as error:
            raise UsageError(
                f"The shape of {name} does not ship; {endpoint} does not answer ({type(error).__name__}).",
                mend="Download the model's config.json into a folder and name that, or try again online.",
            ) from None
        finally:
            if self.client is None:
                client.close()
        return _answered(name, answer, endpoint)


def _answered(name: str, answer: httpx.Response, endpoint: str) -> dict[str, Any]:
    if answer.status_code in (401, 403):
        raise UsageError(
            f"{name} is gated: {endpoint} answers {answer.status_code}.",
            mend="Accept its licence there and set HF_TOKEN in .env.",
        )
    if answer.status_code != 200:
        raise UsageError(
            f"{endpoint} has no config.json of {name} ({answer.status_code}).", mend="Check the model's name."
        )
    return _object(answer.content, f"{name}'s config.json")


def _read(path: Path) -> dict[str, Any]:
    return _object(path.read_bytes(), str(path))


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{what} is no JSON: {error}.", mend="Download it again.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{what} holds no object.", mend="Download it again.")
    return found
