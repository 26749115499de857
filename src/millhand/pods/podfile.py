"""Pod files: YAML that says where a run goes, what may be rented for it and what it may cost.

``kind: runpod`` rents, ``kind: ssh`` is a machine that is there, ``kind: local`` is this one. Nothing is
read from the network here; :func:`find_pod` turns what ``--pod`` was given into a :class:`PodFile`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

import msgspec

from millhand.errors import UsageError
from millhand.llamafactory.yaml import read_document
from millhand.pods.podfile_check import convert
from millhand.text.normal import did_you_mean
from millhand.workspace import PODS, Workspace

Cloud: TypeAlias = Literal["secure", "community"]
EndAction: TypeAlias = Literal["stop", "terminate"]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Folder = Annotated[str, msgspec.Meta(pattern=r"^/[^/\0]")]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
SHA256 = Annotated[str, msgspec.Meta(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]
LOCAL = "local"
_HOME_FOLDER = "millhand"


class Volume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network volume, found by its name or made. It lives in one data centre and outlives every pod."""

    name: Name
    size_gb: Annotated[int, msgspec.Meta(ge=10, le=4096)]
    path: Folder = "/workspace"


class Lease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a pod ends by itself: after ``hours``, at ``spend_usd``, or idle for ``idle_minutes``."""

    hours: Positive
    spend_usd: Positive
    idle_minutes: Positive


class RunPodSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be rented at RunPod: the earlier of ``gpus`` and ``clouds`` is preferred.

    ``max_usd_per_hour`` is for the whole pod. ``environment`` is the locked requirements file beside the
    pod file; where it is empty, the image's own ``python`` has to hold what trains. One of ``volume``,
    ``persistent_gb`` or ``allow_loss`` says what becomes of the data.
    """

    kind: Literal["runpod"]
    gpus: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]
    image: Annotated[str, msgspec.Meta(min_length=1)]
    max_usd_per_hour: Positive
    lease: Lease
    count: Count = 1
    clouds: Annotated[tuple[Cloud, ...], msgspec.Meta(min_length=1)] = ("secure",)
    data_centers: tuple[str, ...] = ()
    min_cuda: Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+$")] | None = None
    min_vcpus_per_gpu: Count | None = None
    min_ram_gb_per_gpu: Count | None = None
    disk_gb: Annotated[int, msgspec.Meta(ge=5)] = 40
    volume: Volume | None = None
    persistent_gb: Annotated[int, msgspec.Meta(ge=10)] | None = None
    allow_loss: bool = False
    environment: str = ""
    python: str = "python3"

    @property
    def folder(self) -> str:
        """The folder of the pod in which its workspace lies."""
        return self.volume.path if self.volume else "/workspace"

    @property
    def end_action(self) -> EndAction:
        """How the lease ends a pod: only a disk that would go with it keeps it, stopped and billed less."""
        return "stop" if self.persistent_gb else "terminate"


class SshSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A machine with an sshd. An empty ``user`` or ``key`` leaves it to the SSH configuration and agent.

    ``workspace`` is the folder there, relative to the home folder if it does not begin with ``/``.
    ``host_keys`` are fingerprints to hold it to; without them the first meeting is trusted and kept.
    """

    kind: Literal["ssh"]
    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 22
    user: str = ""
    key: str = ""
    workspace: Annotated[str, msgspec.Meta(min_length=1)] = _HOME_FOLDER
    python: str = "python3"
    environment: str = ""
    host_keys: tuple[SHA256, ...] = ()


class LocalSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This machine. ``python`` holds the training environment; empty: the one that runs millhand."""

    kind: Literal["local"]
    python: str = ""


Spec: TypeAlias = RunPodSpec | SshSpec | LocalSpec
_KINDS: dict[str, type[Spec]] = {"runpod": RunPodSpec, "ssh": SshSpec, "local": LocalSpec}


@dataclass(frozen=True, slots=True)
class PodFile:
    """A pod file that was read; ``path`` is None where ``--pod`` said it all.

    ``name`` is what ``--pod`` takes to mean it again, from any folder of the workspace: ``l4`` for
    runpod/l4.yaml, else the path without its ending, or the URL. The ledgers know it by that.
    """

    name: str
    spec: Spec
    path: Path | None = None

    @property
    def host(self) -> str:
        """Under what its host key is kept: a machine has one, whatever user and folder a URL names."""
        if isinstance(self.spec, SshSpec) and self.path is None:
            return f"{self.spec.host}-{self.spec.port}"
        return self.name

    @property
    def former(self) -> str:
        """What it was called before it had this name, if anything: ledgers and kept host keys may say so."""
        if self.path is not None:
            return "" if self.path.stem == self.name else self.path.stem
        return self.host if isinstance(self.spec, SshSpec) else ""

    @property
    def requirements(self) -> Path | None:
        """The locked requirements file that the pod file names, beside it."""
        environment = "" if isinstance(self.spec, LocalSpec) else self.spec.environment
        return self.path.parent / environment if self.path and environment else None


def find_pod(workspace: Workspace, text: str) -> PodFile:
    """The pod that ``--pod TEXT`` means: ``l4``, ``runpod/l4.yaml``, ``runpod/l4``, an ssh:// URL or local.

    Raises:
        UsageError: There is no such pod file, or the URL cannot be used.
        FindingsError: The file has faults, all of them listed.
    """
    if text.startswith("ssh://"):
        return parse_ssh_url(text)
    path = next((path for path in _candidates(workspace, text) if path.is_file()), None)
    if path is not None:
        return replace(read_pod_file(path), name=_name(workspace, path))
    if text == LOCAL:
        return PodFile(LOCAL, LocalSpec(kind="local"))
    raise _unknown(workspace, text)


def is_former(workspace: Workspace, text: str, pod_file: PodFile) -> bool:
    """Whether a ledger's word for a pod is the former name of this one, and no other pod's name."""
    if text in ("", LOCAL) or text != pod_file.former:
        return False
    return not any(path.is_file() for path in _candidates(workspace, text))


def pod_names(workspace: Workspace) -> list[str]:
    """The names of the workspace's pod files."""
    return sorted({LOCAL, *(path.stem for path in (workspace.root / PODS).glob("*.yaml"))})


def read_pod_file(path: Path) -> PodFile:
    """Read one pod file.

    Raises:
        FindingsError: It has faults, all of them listed.
    """
    return PodFile(path.stem, convert(read_document(path), _KINDS), path)


def parse_ssh_url(url: str) -> PodFile:
    """``ssh://user@host:port/folder`` as a pod; ``/~/folder`` lies below the home folder.

    Raises:
        UsageError: It names no host, or holds what it may not: a password, a query.
    """
    parts, port = _split(url)
    if parts.password is not None:
        # the URL itself is not shown: it holds the password
        raise UsageError("A URL may hold no password: it would lie in the shell's history.", mend=_SSH_MEND)
    if not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{url} is not ssh://user@host:port/folder.", mend=_SSH_MEND)
    folder = unquote(parts.path).rstrip("/")
    folder = "" if folder == "/~" else folder.removeprefix("/~/")
    spec = SshSpec(
        kind="ssh",
        host=parts.hostname,
        port=port or 22,
        user=unquote(parts.username or ""),
        workspace=folder or _HOME_FOLDER,
    )
    return PodFile(ssh_url(spec), spec)


def ssh_url(spec: SshSpec) -> str:
    """The one URL that :func:`parse_ssh_url` reads as this host, port, user and folder."""
    user = f"{quote(spec.user, safe='')}@" if spec.user else ""
    host = f"[{spec.host}]" if ":" in spec.host else spec.host
    folder = quote(spec.workspace if spec.workspace.startswith("/") else f"/~/{spec.workspace}")
    return f"ssh://{user}{host}:{spec.port}{'' if spec.workspace == _HOME_FOLDER else folder}"


_SSH_MEND = "Write ssh://user@host:port/folder and use a key: `ssh-copy-id`, or `key:` in a pod file."


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"This is not an ssh:// URL: {error}.", mend=_SSH_MEND) from None
    return parts, port


def _candidates(workspace: Workspace, text: str) -> list[Path]:
    name = text if text.endswith((".yaml", ".yml")) else f"{text}.yaml"
    if "/" in name.replace("\\", "/"):
        return [Path.cwd() / name, workspace.root / name]
    return [workspace.root / PODS / name]


def _name(workspace: Workspace, path: Path) -> str:
    """What ``--pod`` takes anywhere to mean this file: with a slash in it where it is not in runpod/."""
    root, folder = workspace.root.resolve(), path.parent.resolve()
    is_plain = path.suffix == ".yaml" and not path.stem.endswith((".yaml", ".yml"))
    name = path.stem if is_plain else path.name
    if is_plain and folder == (root / PODS).resolve():
        return name
    if folder == root:
        return f"./{name}"
    return (folder.relative_to(root) if folder.is_relative_to(root) else folder).joinpath(name).as_posix()


def _unknown(workspace: Workspace, text: str) -> UsageError:
    names = pod_names(workspace)
    near = did_you_mean(text, names)
    mend = f"{near} There are: {', '.join(names)}; or ssh://user@host:port/folder.".strip()
    host, _, port = text.rpartition("-")
    if (
        host and port.isdigit() and not near
    ):  # as runs were entered before: whatever user and folder the URL named
        mend += f" A machine is called by its URL: `--pod ssh://USER@{host}:{port}` goes on with its runs."
    return UsageError(f"There is no pod {text!r}.", mend=mend)
