"""The registry: the datasets of a workspace, ours and those that a person entered by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from millhand.datasets import definition as definitions
from millhand.datasets import info as infos
from millhand.datasets.built import FILE as BUILD
from millhand.datasets.built import FILES, dataset_name, read_built
from millhand.datasets.definition import Definition
from millhand.datasets.reading import read_records
from millhand.datasets.recipe import is_recipe
from millhand.datasets.records import Record, Turn
from millhand.errors import UsageError
from millhand.files import sha256_file, write_text
from millhand.text.normal import nearest, nfc


class NotLocalError(UsageError):
    """The dataset's rows lie on a hub: LLaMA-Factory can train on it, nothing here can read it."""


@dataclass(frozen=True)
class Dataset:
    """One dataset whose rows lie on this machine.

    ``definition`` is None for an entry made by hand; ``entry`` is what LLaMA-Factory reads.
    """

    name: str
    rows_path: Path
    entry: Mapping[str, Any]
    definition: Definition | None = None

    @property
    def ours(self) -> bool:
        """Whether Millhand made it, and may change or remove it."""
        return self.definition is not None

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file of rows: as dataset.yaml has it, else worked out once."""
        return self.definition.sha256 if self.definition else sha256_file(self.rows_path)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as they lie in the file, one after the other.

        Raises:
            FindingsError: The file is broken (one made by hand, or edited since).
        """
        from millhand.documents.tables import open_rows, whole_rows

        return whole_rows(open_rows(self.rows_path))

    def records(self) -> Iterator[Record]:
        """The rows as records, less those that LLaMA-Factory leaves out (none of a dataset of ours)."""
        return read_records(self.entry, self.rows())

    def turns(self) -> Iterator[Turn]:
        """The last exchange of each record: (system, history, question, answer)."""
        return (record.turn for record in self.records())

    def texts(self) -> Iterator[str]:
        """Every text that a tokenizer should see: systems, questions, answers, tools; none is empty."""
        return (text for record in self.records() for text in record.texts())


@dataclass(frozen=True, slots=True)
class Registry:
    """LLaMA-Factory's ``dataset_dir``: dataset_info.json and a folder a dataset."""

    folder: Path

    def entries(self) -> dict[str, dict[str, Any]]:
        """All entries by name: those made by hand in their order, then ours by name.

        An entry of ours is worked out anew from its dataset.yaml; what a person added to it is kept.

        Raises:
            FindingsError: dataset_info.json or a dataset.yaml is broken.
        """
        existing, own = infos.read_info(self.folder), self.definitions()
        by_hand = {
            name: entry
            for name, entry in existing.items()
            if not _is_ours(name, entry, own) and not self._is_left(name, entry)
        }
        ours = {name: _entry(made, existing.get(name, {})) for name, made in own.items()}
        return by_hand | {name: entry for name, entry in ours.items() if name not in by_hand}

    def definitions(self) -> dict[str, Definition]:
        """What Millhand made, by name in order; a folder is ours if it holds a dataset.yaml.

        A recipe stands for the datasets of its last build: none where it was never built.
        """
        found = sorted(self.folder.glob(f"[!.]*/{definitions.FILE}"), key=lambda path: nfc(path.parent.name))
        return {nfc(made.name): made for path in found for made in _made(path)}

    def names(self) -> list[str]:
        """The names of all datasets, in the order of dataset_info.json."""
        return list(self.entries())

    def dataset(self, name: str) -> Dataset:
        """The dataset called ``name``.

        Raises:
            NotLocalError: It lies on a hub.
            UsageError: There is none of that name, or its file is missing.
            FindingsError: dataset_info.json or its dataset.yaml is broken.
        """
        entries, name = self.entries(), nfc(name)
        if name not in entries:
            raise _unknown(name, list(entries))
        entry = entries[name]
        path = self._local_path(name, entry)
        made = self.definitions().get(name)
        ours = made is not None and path == self.folder / made.file_name
        return Dataset(name, path, entry, made if ours else None)

    def write(self, *, without: str | None = None) -> None:
        """Write dataset_info.json anew, less the entry of ``without``; untouched where nothing changed.

        Raises:
            FindingsError: The one that stands is broken; it is left as it is.
        """
        entries = {name: entry for name, entry in self.entries().items() if name != without}
        text = infos.dump_info(entries)
        path = self.folder / infos.FILE
        if not path.is_file() or path.read_bytes() != text:
            write_text(path, text.decode("utf-8"))

    def _is_left(self, name: str, entry: Mapping[str, Any]) -> bool:
        """Whether an entry is one that an earlier build of a recipe made, and the last one did not."""
        folder, _, file = str(entry.get("file_name")).partition("/")
        made = {dataset_name(folder, split): rows for split, rows in FILES.items()}
        return made.get(name) == file and is_recipe(self.folder / folder / definitions.FILE)

    def _local_path(self, name: str, entry: Mapping[str, Any]) -> Path:
        hub = next((key for key in infos.HUBS if key in entry), None)
        if hub or not isinstance(entry.get("file_name"), str):
            if hub:
                raise NotLocalError(
                    f"Dataset {name!r} lies elsewhere ({hub}: {entry[hub]}), not on this machine.",
                    mend="LLaMA-Factory can train on it. To read it here, `millhand data add` a copy.",
                )
            raise UsageError(
                f"Dataset {name!r} has no file_name: LLaMA-Factory ends with KeyError 'file_name'.",
                mend=f"Add `file_name` to its entry in {infos.FILE}.",
            )
        path = self.folder / str(entry["file_name"])
        if not path.is_file():
            raise UsageError(
                f"Dataset {name!r} names a file that is not in {self.folder.name}/: {entry['file_name']!r}.",
                mend=f"Put it there, or mend the file_name in {infos.FILE}.",
            )
        return path


def _made(path: Path) -> tuple[Definition, ...]:
    if not is_recipe(path):
        return (msgspec.structs.replace(definitions.read_definition(path), name=nfc(path.parent.name)),)
    built = read_built(path.parent / BUILD)
    return built.datasets if built else ()


def _is_ours(name: str, entry: Mapping[str, Any], own: Mapping[str, Definition]) -> bool:
    """Whether an entry stands for a dataset.yaml; one that a person pointed elsewhere does not."""
    return name in own and entry.get("file_name") == own[name].file_name


def _entry(made: Definition, existing: Mapping[str, Any]) -> dict[str, Any]:
    entry = infos.make_entry(made.file_name, made.format, made.columns, ranking=made.ranking)
    return infos.keep_additions(entry, existing)


def _unknown(name: str, known: list[str]) -> UsageError:
    near = nearest(name, known, count=3)
    there = f"Did you mean {', '.join(near)}?" if near else f"There are: {', '.join(known) or 'none yet'}."
    return UsageError(f"There is no dataset {name!r}. {there}", mend="Add one: `millhand data add FILE`.")
