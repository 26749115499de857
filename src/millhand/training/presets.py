"""Presets: settings that are known to work for a model and a machine, each a YAML file.

Those that ship lie in ``presets/`` beside this module; a workspace's own, in
``llamafactory_configs/presets/``, win over them. What hangs on the project, the dataset and their folders
is not a preset's business: :mod:`millhand.training.config` adds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from millhand.errors import Finding, FindingsError, UsageError
from millhand.llamafactory.yaml import KeyPath, YamlDocument, read_document
from millhand.text.normal import did_you_mean
from millhand.workspace import CONFIGS, Workspace

FOLDER = "presets"
# Worked out for each project; a preset that held one of them would break the next project made from it.
OWNED = ("dataset", "dataset_dir", "output_dir", "adapter_name_or_path", "export_dir")

Values = dict[str, Any]


class TrainSections(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sections of a train.yaml, in the order and with the names of LLaMA-Factory's own examples."""

    model: Values
    method: Values
    dataset: Values
    output: Values
    train: Values
    eval: Values = msgspec.field(default_factory=dict)

    def values(self) -> Values:
        """All settings of all sections."""
        return {
            key: value for section in msgspec.structs.asdict(self).values() for key, value in section.items()
        }


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One preset as its file holds it.

    ``gpu`` and ``gpu_memory_gb`` say what it was made for (0: none is needed); ``environment`` is what its
    commands are to be run with; ``notes`` says why a setting is as it is, by key or by section.
    """

    purpose: str
    needs: str
    gpu: str
    gpu_memory_gb: int
    train: TrainSections
    export: Values
    chat: Values
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    notes: dict[str, str] = msgspec.field(default_factory=dict)


def preset_paths(workspace: Workspace | None = None) -> dict[str, Path]:
    """Where each preset lies, by name in order; a workspace's own in place of the shipped one."""
    shipped = _in(Path(__file__).with_name(FOLDER))
    own = _in(workspace.configs / FOLDER) if workspace else {}
    return dict(sorted((shipped | own).items()))


def _in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*.yaml")}


def load_preset(name: str, workspace: Workspace | None = None) -> Preset:
    """Read the preset called ``name``.

    Raises:
        UsageError: There is none of that name; the nearest is given.
        FindingsError: Its file has faults.
    """
    paths = preset_paths(workspace)
    if name not in paths:
        near = did_you_mean(name, paths)
        raise UsageError(
            f"There is no preset {name!r}. {near}".rstrip(),
            mend=f"`millhand config presets` shows them; your own go in {CONFIGS}/{FOLDER}/NAME.yaml.",
        )
    return read_preset(paths[name])


def read_preset(path: Path) -> Preset:
    """Read and check a preset's file.

    Raises:
        FindingsError: All its faults.
    """
    document = read_document(path)
    findings = [*_unknown_keys(document), *_owned(document), *_twice(document)]
    preset = _convert(document, findings)
    findings += [] if preset is None else _loose_notes(document, preset)
    if findings or preset is None:
        raise FindingsError(findings)
    return preset


def _convert(document: YamlDocument, findings: list[Finding]) -> Preset | None:
    try:
        return msgspec.convert(document.values, Preset)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        path = tuple(where.strip("`$. ").split(".")) if where else ()
        if not findings:
            findings.append(_finding(document, path, "preset.schema", f"{what}.", "See a shipped preset."))
        return None


def _unknown_keys(document: YamlDocument) -> Iterator[Finding]:
    places: list[tuple[KeyPath, Any, tuple[str, ...]]] = [
        ((), document.values, Preset.__struct_fields__),
        (("train",), document.values.get("train"), TrainSections.__struct_fields__),
    ]
    for path, group, known in places:
        for key in group if isinstance(group, dict) else ():
            if key not in known:
                mend = did_you_mean(str(key), known) or f"Known are {', '.join(known)}."
                yield _finding(
                    document, (*path, key), "preset.unknown-key", f"{key!r} is not a preset's key.", mend
                )


def _settings(document: YamlDocument) -> Iterator[tuple[KeyPath, str]]:
    """Every setting for LLaMA-Factory, with its place."""
    train = document.values.get("train")
    groups: list[tuple[KeyPath, Any]] = [((file,), document.values.get(file)) for file in ("export", "chat")]
    groups += (
        [(("train", name), section) for name, section in train.items()] if isinstance(train, dict) else []
    )
    for path, group in groups:
        for key in group if isinstance(group, dict) else ():
            yield (*path, key), str(key)


def _owned(document: YamlDocument) -> Iterator[Finding]:
    for path, key in _settings(document):
        if key in OWNED:
            message = f"{key} is worked out for each project."
            yield _finding(document, path, "preset.owned-key", message, "Take the line out.")


def _twice(document: YamlDocument) -> Iterator[Finding]:
    seen: dict[str, KeyPath] = {}
    for path, key in _settings(document):
        if path[0] != "train":
            continue
        if key in seen:
            message = f"{key} stands in two sections, {seen[key][1]} and {path[1]}."
            yield _finding(document, path, "preset.twice", message, "Take one of the two out.")
        seen[key] = path


def _loose_notes(document: YamlDocument, preset: Preset) -> Iterator[Finding]:
    keys = {key for _, key in _settings(document)}
    known: Mapping[str, None] = dict.fromkeys([*TrainSections.__struct_fields__, *sorted(keys)])
    for key in preset.notes:
        if key not in known:
            mend = did_you_mean(key, known) or "Name a setting or a section."
            message = f"The note on {key!r} belongs to no setting of this preset."
            yield _finding(document, ("notes", key), "preset.loose-note", message, mend)


def _finding(document: YamlDocument, path: KeyPath, name: str, message: str, mend: str) -> Finding:
    line = document.line(*path)
    return Finding(id=name, severity="error", message=message, file=document.file, line=line, mend=mend)
