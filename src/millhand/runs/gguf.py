"""`millhand gguf`: write a merged model as GGUF, for llama.cpp and Ollama on a CPU. Works on this machine.

The files lie in the merged model's folder, beside the safetensors, so that they are pushed with them. A
file takes its name when it is whole; one that is there already is left as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from millhand.errors import MillhandError, UsageError
from millhand.files import locked, write_text
from millhand.hub import gguf
from millhand.hub.gguf_header import GgufHeader, read_header
from millhand.hub.modelfile import bos_token, gguf_modelfile
from millhand.pods.base import Pod
from millhand.runs.finished import open_ledger
from millhand.runs.ledger import Ledger, Run
from millhand.runs.published import model_folder
from millhand.runs.published_data import system_of
from millhand.workspace import Workspace

STEP = "gguf:"
_WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
# What llama.cpp's converter says -> what it means for whoever called it.
_KNOWN_FAULTS = (
    (
        "pre-tokenizer was not recognized",
        "llama.cpp knows the tokenizers of published models only, and no BPE that was trained here: make the "
        "base with `millhand model init … --tokenizer sentencepiece`, or serve it with `millhand serve`.",
    ),
    ("is not supported", "llama.cpp does not know this architecture, or not yet: a newer llama.cpp may."),
    (
        "No module named",
        "The converter lacks a Python package: `pip install -r requirements.txt` in its folder.",
    ),
)


@dataclass(frozen=True, slots=True)
class Quantized:
    """A GGUF in the merged model's folder; ``again`` when it was there already."""

    kind: str
    path: Path
    modelfile: Path
    size: int
    again: bool


@dataclass(frozen=True, slots=True)
class Quantizing:
    """One call of `millhand gguf`. ``note`` is told what is done."""

    workspace: Workspace
    home: Pod
    run: Run
    note: Callable[[str], object]

    def write(self, types: Sequence[str]) -> list[Quantized]:
        """Write the types that are not there yet.

        Raises:
            UsageError: The run was not exported, or there is no room.
            MissingPackageError: llama.cpp's tools are not here.
            MillhandError: They wrote no whole file.
        """
        folder = model_folder(self.workspace, self.run, merged=True)
        with locked(self.workspace.state / "locks" / f"gguf-{self.run.name}"):
            ledger = open_ledger(self.workspace)
            missing = [kind for kind in types if not _is_there(ledger, self.run, folder, kind)]
            if missing:
                self._make(ledger, folder, missing)
        return [_quantized(folder, kind, again=kind not in missing) for kind in types]

    def _make(self, ledger: Ledger, folder: Path, types: Sequence[str]) -> None:
        tools = gguf.find_tools(self.workspace.settings(), types, python=self.home.python)
        _check_room(folder, types)
        whole = _partial(folder, gguf.WHOLE)
        try:
            for kind in sorted(types, key=lambda kind: kind != gguf.WHOLE):
                ledger.begin(self.run.name, STEP + _name(folder, kind))
                self._write(tools, folder, kind, whole)
                facts = {
                    "type": kind,
                    "folder": self.workspace.relative(folder),
                    "size": _path(folder, kind).stat().st_size,
                }
                ledger.finish(self.run.name, STEP + _name(folder, kind), facts)
        finally:
            for path in folder.glob(".*.gguf.partial"):
                path.unlink()

    def _write(self, tools: gguf.Tools, folder: Path, kind: str, whole: Path) -> None:
        out = _partial(folder, kind)
        if gguf.needs_quantizer([kind]):
            source = _path(folder, gguf.WHOLE) if _path(folder, gguf.WHOLE).is_file() else whole
            if not source.is_file():
                self.note("Writing the model as GGUF of 16 bits.")
                self._run(gguf.convert(tools, str(folder), str(whole), gguf.WHOLE), whole)
            self.note(f"Quantizing to {kind.upper()}.")
            header = self._run(gguf.quantize(tools, str(source), str(out), kind), out)
        else:
            self.note(f"Writing the model as GGUF, {kind.upper()}.")
            header = self._run(gguf.convert(tools, str(folder), str(out), kind), out)
        write_text(_modelfile(folder, kind), _modelfile_text(folder, kind, header, self._system()))
        out.replace(_path(folder, kind))

    def _system(self) -> str:
        """The system prompt that it was trained with."""
        return str(self.run.facts["config"].get("default_system") or system_of(self.workspace, self.run))

    def _run(self, command: Any, out: Path) -> GgufHeader:
        result = self.home.run(command)
        if result.code != 0 or not out.is_file():
            said = f"{result.stdout}\n{result.stderr}"
            mend = next((mend for word, mend in _KNOWN_FAULTS if word in said), "Its output stands above.")
            tail = "\n".join(said.strip().splitlines()[-8:])
            raise MillhandError(f"llama.cpp wrote no GGUF (exit code {result.code}):\n{tail}", mend=mend)
        return read_header(out)


def _name(folder: Path, kind: str) -> str:
    return gguf.file_name(folder.name, kind)


def _path(folder: Path, kind: str) -> Path:
    return folder / _name(folder, kind)


def _partial(folder: Path, kind: str) -> Path:
    return folder / f".{_name(folder, kind)}.partial"


def _modelfile(folder: Path, kind: str) -> Path:
    return folder / f"Modelfile.{kind.upper()}"


def _is_there(ledger: Ledger, run: Run, folder: Path, kind: str) -> bool:
    mark, path = ledger.done(run.name, STEP + _name(folder, kind)), _path(folder, kind)
    there = path.is_file() and _modelfile(folder, kind).is_file()
    return there and mark is not None and mark.facts.get("size") == path.stat().st_size


def _quantized(folder: Path, kind: str, *, again: bool) -> Quantized:
    path = _path(folder, kind)
    return Quantized(kind, path, _modelfile(folder, kind), path.stat().st_size, again)


def _check_room(folder: Path, types: Sequence[str]) -> None:
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    dtype = str(
        _json(folder / "config.json").get("dtype") or _json(folder / "config.json").get("torch_dtype")
    )
    needed, free = gguf.needed_bytes(weights, _WIDTHS.get(dtype, 2), types), shutil.disk_usage(folder).free
    if needed > free:
        raise UsageError(
            f"{folder.name} as GGUF takes {needed / 1e9:.1f} GB on the way, {free / 1e9:.1f} GB are free.",
            mend="Make room, or ask for q8_0: it needs no 16-bit file in between.",
        )


def _modelfile_text(folder: Path, kind: str, header: GgufHeader, system: str) -> str:
    standing = folder / "Modelfile"
    context = _json(folder / "config.json").get("max_position_embeddings")
    return gguf_modelfile(
        standing.read_text(encoding="utf-8") if standing.is_file() else "",
        _name(folder, kind),
        header,
        bos=bos_token(_json(folder / "tokenizer_config.json")),
        context=context if isinstance(context, int) else None,
        system=system,
    )


def _json(path: Path) -> dict[str, Any]:
    value = orjson.loads(path.read_bytes()) if path.is_file() else {}
    return value if isinstance(value, dict) else {}
