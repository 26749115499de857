"""Files from the Hub: of one commit, each compared with the Hub's listing, and then named all at once.

They are written to ``FOLDER.partial``, which takes its name when each has the size and the hash that the
listing gives; so a folder of that name is always whole. A fetch that broke goes on with the files that are
missing.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from millhand.errors import Finding, FindingsError, UsageError
from millhand.files import sha256_file
from millhand.hub.client import Hub
from millhand.hub.gates import PICKLED
from millhand.hub.listing import RemoteFile, git_blob_id, remote_files
from millhand.hub.names import CACHE, shown, unsafe_names
from millhand.hub.stopping import stoppable
from millhand.hub.target import MAIN, RepoType, check_repository

_NOT_OURS = (".gitattributes", ".gitignore")
_MARK = f"{CACHE}/millhand-pull"  # in a stage of ours; a repository cannot hold it
# Of a model: what holds or may hold pickles or code too (NumPy, Paddle, Keras, TorchServe, NeMo, archives).
_MODELS_TOO = (
    ".dill",
    ".h5",
    ".keras",
    ".mar",
    ".nemo",
    ".npy",
    ".npz",
    ".pdparams",
    ".tar",
    ".tar.gz",
    ".tgz",
)
_WORKERS = 4
_SPARE = 64 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A commit and what is fetched of it. ``left_out`` are pickles, which run code when they are loaded."""

    id: str
    kind: RepoType
    commit: str
    files: Mapping[str, RemoteFile]
    left_out: tuple[str, ...]

    @property
    def size(self) -> int:
        """All bytes of it."""
        return sum(file.size for file in self.files.values())


@dataclass(frozen=True, slots=True)
class Fetched:
    """A folder that holds what the Hub lists; ``again``: it did so before."""

    source: Source
    folder: Path
    again: bool


def find_source(hub: Hub, repository: str, kind: RepoType, revision: str = "") -> Source:
    """Look at a repository that is to be fetched; nothing is fetched yet.

    Raises:
        FindingsError: It is not there, is gated, holds no safe weights, or a name that leads out of a folder.
        MillhandError: The Hub does not answer.
    """
    check_repository(repository)
    wanted = revision or MAIN
    info = hub.ask(lambda: hub.api.repo_info(repository, repo_type=kind, revision=wanted), repository)
    listed = remote_files(hub, repository, kind, str(info.sha))
    findings = list(unsafe_names(repository, listed))
    if findings:
        raise FindingsError(findings, message="Nothing was fetched.")
    endings = (*PICKLED, *_MODELS_TOO) if kind == "model" else tuple(PICKLED)
    pickled = sorted(path for path in listed if path.lower().endswith(endings))
    files = {path: file for path, file in listed.items() if path not in (*pickled, *_NOT_OURS)}
    if kind == "model" and not any(path.endswith((".safetensors", ".gguf")) for path in files):
        raise _no_weights(repository, pickled)
    return Source(repository, kind, str(info.sha), files, tuple(pickled))


def fetch(hub: Hub, source: Source, folder: Path) -> Fetched:
    """Fetch a source to a folder that is not there yet, or holds it already.

    Raises:
        UsageError: The folder holds something else, the command runs in it, or FOLDER.partial is a person's.
        FindingsError: What came is not what the Hub lists, or there is no room.
        MillhandError: The line is lost; the same call goes on.
    """
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        if folder.is_dir() and not list(differences(source, folder)):
            return Fetched(source, folder, again=True)
        raise UsageError(
            f"{folder} is not empty, and not {source.id} at {source.commit[:7]}.",
            mend="Name another folder with `--to DIR`, or move that one away.",
        )
    place = _place(folder)
    stage = place.with_name(f"{place.name}.partial")
    _check_ours(stage)
    _check_room(source, stage)
    _mark(stage)
    with stoppable():
        hub.ask(partial(_download, hub, source, stage), source.id)
    _sweep(source, stage)
    findings = list(differences(source, stage))
    if findings:
        for finding in findings:  # the next fetch brings them anew
            (stage / finding.file).unlink(missing_ok=True)
        raise FindingsError(findings, message=f"{source.id} did not arrive as the Hub lists it.")
    if place.is_dir():
        place.rmdir()
    stage.rename(place)  # with its mark: a stage without one would be taken for a person's
    shutil.rmtree(place / CACHE, ignore_errors=True)
    return Fetched(source, folder, again=False)


def read_text(hub: Hub, repository: str, kind: RepoType, revision: str, path: str) -> str:
    """A small text file of a repository.

    Raises:
        FindingsError: It is not there.
        MillhandError: The Hub does not answer.
    """
    with tempfile.TemporaryDirectory() as scratch:
        get = partial(_get_file, hub, repository, kind, revision, path, scratch)
        return Path(hub.ask(get, repository)).read_text(encoding="utf-8", errors="replace")


def differences(source: Source, folder: Path) -> Iterator[Finding]:
    """Find which files of a folder are not what the Hub lists."""
    for path, listed in sorted(source.files.items()):
        fault = _fault(folder / path, listed)
        if fault:
            yield Finding(
                id="hub.different",
                severity="error",
                file=path,
                message=fault,
                why="What is used would not be what was published.",
                mend="Repeat the command: what is right already is not fetched again.",
            )


def _fault(path: Path, listed: RemoteFile) -> str:
    if not path.is_file():
        return "It is missing."
    if path.stat().st_size != listed.size:
        return f"It has {path.stat().st_size:,} bytes, not {listed.size:,}."
    same = (
        sha256_file(path) == listed.sha256
        if listed.sha256
        else git_blob_id(path.read_bytes()) == listed.blob_id
    )
    return "" if same else "It has the right size and other bytes."


def _download(hub: Hub, source: Source, stage: Path) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        hub.api.snapshot_download(
            source.id,
            repo_type=source.kind,
            revision=source.commit,  # a commit, else the library takes what lies there when the Hub fails
            local_dir=stage,
            ignore_patterns=_ignored(source),
            max_workers=_WORKERS,
        )
    except LocalEntryNotFoundError as error:  # its cause says what the Hub did
        raise RuntimeError("a file could not be fetched") from error


def _ignored(source: Source) -> list[str]:
    """Patterns of all that is not fetched: few, for the library tries each of them on every file."""
    endings = {path.rpartition(".")[2] for path in source.left_out}
    return [*_NOT_OURS, *sorted(f"*.{ending}" for ending in endings)]


def _get_file(hub: Hub, repository: str, kind: RepoType, revision: str, path: str, scratch: str) -> str:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return hub.api.hf_hub_download(repository, path, repo_type=kind, revision=revision, local_dir=scratch)
    except LocalEntryNotFoundError as error:
        raise RuntimeError(f"{path} could not be fetched") from error


def _place(folder: Path) -> Path:
    """Where a folder really lies; another one takes its place there, so nobody may stand in it.

    Raises:
        UsageError: The command runs in it, or it is the root of a disk.
    """
    place, here = folder.resolve(), Path.cwd().resolve()
    if place.name and place not in (here, *here.parents):
        return place
    raise UsageError(
        f"{place} is the folder that you are in, or one above it; what is fetched becomes a folder itself.",
        mend="Name one that is not there yet: `--to NAME`.",
    )


def _check_ours(stage: Path) -> None:
    """Refuse a stage that a person made: what is in it would be swept away."""
    what = _not_ours(stage)
    if what:
        raise UsageError(
            f"What is fetched would go to {stage} first, and that is {what}.",
            mend="Move it away, or name another folder with `--to DIR`.",
        )


def _not_ours(stage: Path) -> str:
    if stage.is_symlink():
        return "a link"
    if not stage.is_dir():
        return "a file" if stage.exists() else ""
    marked = (stage / _MARK).is_file() and not (stage / CACHE).is_symlink()
    return "" if marked or not any(stage.iterdir()) else "a folder that no pull made"


def _mark(stage: Path) -> None:
    (stage / _MARK).parent.mkdir(parents=True, exist_ok=True)
    (stage / _MARK).write_text(
        "`millhand pull` fetches to this folder, and may empty it.\n", encoding="utf-8"
    )


def _sweep(source: Source, stage: Path) -> None:
    """Take away what a fetch of another commit left there."""
    for path in [path for path in stage.rglob("*") if path.is_file()]:
        name = path.relative_to(stage).as_posix()
        if name not in source.files and not name.startswith(f"{CACHE}/"):
            path.unlink()


def _check_room(source: Source, stage: Path) -> None:
    home = next(folder for folder in (stage, *stage.parents) if folder.is_dir())
    there = sum(path.stat().st_size for path in stage.rglob("*") if path.is_file())
    free, needed = shutil.disk_usage(home).free, source.size - there + _SPARE
    if free >= needed:
        return
    finding = Finding(
        id="hub.no-room-here",
        severity="error",
        file=str(stage.parent),
        message=f"{source.id} needs {needed / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free.",
        why="It would break off when the disk is full.",
        mend="Make room, or name a folder on another disk with `--to DIR`.",
    )
    raise FindingsError([finding], message="Nothing was fetched.")


def _no_weights(repository: str, pickled: list[str]) -> FindingsError:
    has = (
        f"holds its weights as pickles only ({', '.join(map(shown, pickled[:3]))})"
        if pickled
        else "holds no weights"
    )
    finding = Finding(
        id="hub.no-weights",
        severity="error",
        file=repository,
        message=f"It {has}.",
        why="A pickle runs the code that is in it when it is loaded; only safetensors and GGUF are fetched.",
        mend="Look for a revision with safetensors, or convert it where that code can do no harm.",
    )
    return FindingsError([finding], message="Nothing was fetched.")
