"""The base model as far as it lies on this machine: its folder, its config.json, its tokenizer's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from millhand.training.check.basics import could_be_on_the_hub, is_folder
from millhand.training.check.subject import Config, FaultyValueError


@dataclass(frozen=True)
class Base:
    """A model's folder: one of the workspace, or a snapshot in the cache of the Hub's client.

    ``whole`` says that what is not there is not part of the model; a snapshot holds what was asked for.
    """

    folder: Path
    whole: bool = True

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """config.json; empty where there is none to read."""
        return _json(self.folder / "config.json")

    @cached_property
    def tokenizer_config(self) -> Mapping[str, Any]:
        """tokenizer_config.json; empty where there is none to read."""
        return _json(self.folder / "tokenizer_config.json")

    @property
    def tokenizer_file(self) -> Path | None:
        """tokenizer.json, which the `tokenizers` library reads."""
        path = self.folder / "tokenizer.json"
        return path if path.is_file() else None

    @property
    def rows(self) -> int | None:
        """How many rows the embedding has; tokens beyond them fail."""
        for part in (self.config, self.config.get("text_config")):
            if isinstance(part, dict) and isinstance(part.get("vocab_size"), int):
                return int(part["vocab_size"])
        return None

    @property
    def quantization(self) -> str:
        """How the weights are quantized already (``quantization_config``); empty where they are not."""
        found = self.config.get("quantization_config")
        if not isinstance(found, dict) or not found:
            return ""
        bits = "bitsandbytes" if found.get("load_in_4bit") or found.get("load_in_8bit") else ""
        return str(found.get("quant_method") or bits or "quantized")

    @property
    def has_processor(self) -> bool:
        """Whether the model comes with what makes tokens of pictures or sound."""
        names = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
        return any((self.folder / name).is_file() for name in names)

    def token(self, name: str) -> str:
        """A special token by its role (``eos_token``); empty where the tokenizer has none."""
        found = self.tokenizer_config.get(name)
        return str(found.get("content", "")) if isinstance(found, dict) else str(found or "")

    @property
    def chat_template(self) -> str:
        """The tokenizer's own chat template; empty where it has none."""
        path = self.folder / "chat_template.jinja"
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
        return str(self.tokenizer_config.get("chat_template") or "")

    @cached_property
    def _tokenizer(self) -> bytes:
        return self.tokenizer_file.read_bytes() if self.tokenizer_file else b""

    def knows(self, token: str) -> bool:
        """Whether the tokenizer has a token of this text."""
        # tokenizer.json is written without escapes; parsing its megabytes costs a tenth of a second
        return orjson.dumps(token) in self._tokenizer or token in self._words

    @cached_property
    def _words(self) -> frozenset[str]:
        found = _loads(self._tokenizer)
        vocabulary = found.get("model", {}).get("vocab", {})
        # Unigram lists pairs of piece and score; all other models map pieces to numbers
        words = vocabulary if isinstance(vocabulary, dict) else (pair[0] for pair in vocabulary)
        return frozenset([*words, *(token["content"] for token in found.get("added_tokens", ()))])

    @property
    def tokens(self) -> int:
        """How many tokens the tokenizer knows."""
        return len(self._words)


def base_of(config: Config) -> Base | None:
    """The base of a config where its files are on this machine."""
    try:
        name = config.model_name_or_path
    except FaultyValueError:
        return None
    if not isinstance(name, str) or not name:
        return None
    folder = config.root / name
    if is_folder(folder):
        return Base(folder)
    return _cached(config, name) if could_be_on_the_hub(name) else None


def _cached(config: Config, name: str) -> Base | None:
    """The newest snapshot that the Hub's client keeps (huggingface_hub/constants.py, file_download.py)."""
    own = config.settings.get("HF_HUB_CACHE") or config.values.get("cache_dir")
    home = config.settings.get("HF_HOME") or str(Path("~/.cache/huggingface").expanduser())
    folder = Path(str(own) if own else f"{home}/hub") / f"models--{name.replace('/', '--')}"
    reference = folder / "refs" / str(config.values.get("model_revision", "main"))
    if not reference.is_file():
        return None
    found = folder / "snapshots" / reference.read_text(encoding="utf-8").strip()
    return Base(found, whole=False) if found.is_dir() else None


def _json(path: Path) -> dict[str, Any]:
    try:
        return _loads(path.read_bytes())
    except OSError:
        return {}


def _loads(content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
