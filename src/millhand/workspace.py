"""The workspace: the folder that a team works in, found from any folder inside it.

What makes a folder a workspace is the pair ``dataset_registry/`` and ``llamafactory_configs/``: there
is no marker file, so a repository that only holds LLaMA-Factory's own files works too.
"""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millhand.errors import NoWorkspaceError, UsageError
from millhand.shell import Secret

REGISTRY = "dataset_registry"
CONFIGS = "llamafactory_configs"
PODS = "runpod"
OUTPUTS = "outputs"
MODELS = "models"
STATE = ".millhand"

_IGNORED_HEAD = "# Made by `millhand init`: what is generated, and what is secret, stays out of git."
_IGNORED = (".env", f"{STATE}/", f"{OUTPUTS}/", f"{MODELS}/", "/dart/")
_GITIGNORE = "\n".join((_IGNORED_HEAD, *_IGNORED, ""))
_ENV_HEAD = """\
# Secrets and settings of this workspace. Never commit this file; millhand reads it, the environment wins.
# The key that `millhand serve` asks of its callers:
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one workspace. ``root`` is absolute; all else is found below it."""

    root: Path

    @property
    def registry(self) -> Path:
        """LLaMA-Factory's ``dataset_dir``."""
        return self.root / REGISTRY

    @property
    def configs(self) -> Path:
        """A folder a project: train.yaml, export.yaml, chat.yaml."""
        return self.root / CONFIGS

    @property
    def outputs(self) -> Path:
        """What runs make: adapters, merged models."""
        return self.root / OUTPUTS

    @property
    def state(self) -> Path:
        """Millhand's own notes: the ledger and a folder a run. Nobody else needs it."""
        return self.root / STATE

    def relative(self, path: Path) -> str:
        """Give ``path`` below the root with forward slashes, or absolute where it lies outside."""
        absolute = path.absolute()
        if absolute.is_relative_to(self.root):
            return absolute.relative_to(self.root).as_posix()
        return str(absolute)

    def settings(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Settings from ``.env``, overlaid by the environment."""
        environ = os.environ if environ is None else environ
        return {**parse_env(_read_env(self.root / ".env")), **environ}

    def secret(self, name: str) -> Secret | None:
        """A secret by its name from the environment or ``.env``; None where it is not set."""
        value = self.settings().get(name, "")
        return Secret(value) if value else None


def find_workspace(start: Path | None = None) -> Workspace:
    """Find the workspace that ``start`` (the current folder) lies in.

    Raises:
        NoWorkspaceError: No folder from ``start`` upwards is one.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if is_workspace(folder):
            return Workspace(folder)
    raise NoWorkspaceError(
        f"{here} is in no workspace: neither it nor a folder above holds {REGISTRY}/ and {CONFIGS}/.",
        mend="Lay one down with `millhand init DIR`, then `cd DIR`.",
    )


def is_workspace(folder: Path) -> bool:
    """Say whether ``folder`` is the root of a workspace."""
    return (folder / REGISTRY).is_dir() and (folder / CONFIGS).is_dir()


def create_workspace(folder: Path) -> tuple[Workspace, list[str]]:
    """Lay an empty workspace down and say what was made; what is there already is left as it is.

    A .gitignore that is there is given the lines that it lacks.

    Raises:
        UsageError: ``folder`` is a file.
    """
    root = folder.absolute()
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file.", mend="Name a folder: `millhand init DIR`.")
    made = [name for name in (REGISTRY, CONFIGS, PODS) if _make_folder(root / name)]
    files = {
        f"{REGISTRY}/dataset_info.json": "{}\n",
        ".gitignore": _GITIGNORE,
        ".env": f"{_ENV_HEAD}MILLHAND_API_KEY={secrets.token_urlsafe(24)}\n",
    }
    made += [name for name, text in files.items() if _make_file(root / name, text)]
    if ".gitignore" not in made and _ignore_more(root / ".gitignore"):
        made.append(".gitignore")
    return Workspace(root), made


def made_files(workspace: Workspace) -> list[Path]:
    """The files of a workspace that are still as :func:`create_workspace` laid them down."""
    info, ignore, env = (
        workspace.registry / "dataset_info.json",
        workspace.root / ".gitignore",
        workspace.root / ".env",
    )
    unchanged = {
        info: _text(info).split() == ["{}"],
        ignore: _text(ignore) == _GITIGNORE,
        env: set(parse_env(_text(env))) == {"MILLHAND_API_KEY"},
    }
    return [path for path, same in unchanged.items() if same]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _make_folder(path: Path) -> bool:
    if path.is_dir():
        return False
    path.mkdir(parents=True)
    return True


def _make_file(path: Path, text: str) -> bool:
    mode = 0o600 if path.name == ".env" else 0o644
    try:
        # The mode is given at creation: a secret is never readable by others, not even for a moment.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return True


def _ignore_more(path: Path) -> bool:
    """Add what a .gitignore says nothing about, for or against; say whether there was something."""
    if not path.is_file():
        return False
    old = path.read_bytes()
    lines = old.decode("utf-8", "surrogateescape").splitlines()
    missing = [line for line in _IGNORED if not any(_speaks_of(known, line) for known in lines)]
    if not missing:
        return False
    end = b"\r\n" if b"\r\n" in old else b"\n"
    gap = [] if old.endswith(b"\n") or not old else [b""]
    added = [*gap, *(line.encode() for line in (_IGNORED_HEAD, *missing)), b""]
    with path.open("ab") as file:
        file.write(end.join(added))
    return True


def _speaks_of(line: str, wanted: str) -> bool:
    """Whether a line of a .gitignore is about a name or all in it; ``/outputs/*`` and ``!outputs`` are."""
    said = line.strip().removeprefix("!").removeprefix("**/").lstrip("/")
    return said.removesuffix("/**").removesuffix("/*").rstrip("/") == wanted.strip("/")


def _read_env(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig") if path.is_file() else ""
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}, byte {error.start + 1}: it is not UTF-8.", mend="Save it in UTF-8; notes in Hangul too."
        ) from error


def parse_env(text: str) -> dict[str, str]:
    """Read the lines ``NAME=value`` of a .env file; quotes around a value are taken off."""
    settings: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            settings[name.strip()] = _unquote(value.strip())
    return settings


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def check_name(name: str, what: str) -> str:
    """Return ``name`` in Unicode's composed form if it may name a dataset, project or run.

    LLaMA-Factory joins dataset names with commas and its launcher splits paths on blanks, so a name
    is letters (Hangul too), digits, ``_``, ``-`` and ``.``, and starts with a letter or digit.

    Raises:
        UsageError: It may not.
    """
    composed = unicodedata.normalize("NFC", name)
    if composed and composed[0].isalnum() and all(c.isalnum() or c in "_-." for c in composed):
        return composed
    suggestion = "-".join("".join(c if c.isalnum() or c in "_-." else " " for c in composed).split())
    raise UsageError(
        f"{name!r} cannot name a {what}: only letters, digits, '_', '-' and '.', "
        "starting with a letter or digit.",
        mend=f"Try {suggestion.strip('_-.') or what + '-1'!r}.",
    )
