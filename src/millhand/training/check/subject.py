"""A config under examination: its values as LLaMA-Factory would have them, and the places of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from millhand.errors import Finding, Severity
from millhand.llamafactory.arguments import Argument
from millhand.llamafactory.knowledge import Knowledge
from millhand.llamafactory.yaml import YamlDocument

_ON = ("true", "y", "1")  # extras/misc.py, is_env_enabled


class FaultyValueError(Exception):
    """A rule asked for a value that has a fault of its own; what follows from it need not be said."""


@dataclass(frozen=True)
class Config:
    """One YAML file of a project.

    ``purpose`` is train, export or chat; ``root`` the folder that its paths start from; ``faulty`` the keys
    whose values are not what they should be.
    """

    purpose: str
    document: YamlDocument
    knowledge: Knowledge
    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)

    @property
    def command(self) -> str:
        """Whose dataclasses the file is parsed with: ``train``, or ``infer`` for all else."""
        return "train" if self.purpose == "train" else "infer"

    @property
    def arguments(self) -> Mapping[str, Argument]:
        """The keys that the file may have."""
        return self.knowledge.keys(self.command)

    @property
    def values(self) -> Mapping[str, Any]:
        """What stands in the file."""
        return self.document.values

    def __getattr__(self, key: str) -> Any:
        """The value of a key as LLaMA-Factory will have it: what stands in the file, else its default."""
        if key.startswith("_"):
            raise AttributeError(key)
        if key in self.faulty:
            raise FaultyValueError(key)
        if key in self.values:
            return self.values[key]
        argument = self.arguments.get(key)
        return argument.default if argument else None

    def names(self, key: str) -> list[str]:
        """The items of a key that takes a list or text with commas; as given, those that stand twice too."""
        value = getattr(self, key)
        items = value.split(",") if isinstance(value, str) else value
        return [str(item).strip() for item in items] if isinstance(items, list) else []

    @cached_property
    def deepspeed_file(self) -> Mapping[str, Any]:
        """DeepSpeed's own settings, from the YAML itself or the file it names; empty where unreadable."""
        value = self.values.get("deepspeed")
        if isinstance(value, str):
            try:
                value = orjson.loads((self.root / value).read_bytes())
            except (OSError, orjson.JSONDecodeError):
                return {}
        return value if isinstance(value, dict) else {}

    @property
    def zero3(self) -> bool:
        """Whether DeepSpeed ZeRO-3 is asked for."""
        stage = self.deepspeed_file.get("zero_optimization", {})
        return isinstance(stage, dict) and stage.get("stage") == 3

    @property
    def distributed(self) -> bool:
        """Whether the settings ask for several processes."""
        return self.switched_on("FORCE_TORCHRUN") or self.settings.get("NPROC_PER_NODE", "1") != "1"

    def switched_on(self, name: str) -> bool:
        """Whether LLaMA-Factory would take an environment variable for set."""
        return self.settings.get(name, "").lower() in _ON

    def finding(
        self, name: str, severity: Severity, keys: str | Iterable[str], message: str, why: str, mend: str
    ) -> Finding:
        """A finding at the first of ``keys`` that stands in the file, or at the file as a whole."""
        wanted = (keys,) if isinstance(keys, str) else keys
        key = next((key for key in wanted if key in self.values), None)
        line = self.document.line(key) if key else None
        column = self.document.columns.get((key,)) if key else None
        return Finding(
            id=name,
            severity=severity,
            message=message,
            file=self.document.file,
            line=line,
            column=str(column) if column else None,
            why=why,
            mend=mend,
        )
