"""The training environment of a rented machine: a locked set on its mounted volume, made once.

It is made by a detached job, so that a client may vanish meanwhile, and it is found again by the hash of
its lock. The pod's side is :mod:`millhand.pods.environment_maker`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from millhand.errors import MillhandError, StoppedError, UsageError
from millhand.files import sha256_file
from millhand.pods import carried
from millhand.pods.base import Job, JobHandle, Pod
from millhand.shell import Command
from millhand.workspace import Workspace

MODULES = ("millhand.pods.environment_maker",)
ENTRY = "sys.exit(millhand.pods.environment_maker.main())"
INTERPRETER = ">=3.11,<3.13"
VERIFY = ("-m", "llamafactory.cli", "version")
_PROGRAM = "MILLHAND_MAKER"
_CHECK_S = 90.0
_POLL_S = 0.3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PodEnvironment:
    """One locked environment on one pod.

    Attributes:
        folder: The absolute folder on the pod's mounted volume that holds environments and caches.
        lock: The locked requirements file, relative to the workspace.
        sha256: The lock's hash.
        interpreter: What uv takes for ``--python``; one that the pod lacks is fetched.
        verify: Arguments of the new interpreter that must exit 0 before the environment counts as made.
    """

    folder: str
    lock: str
    sha256: str
    interpreter: str = INTERPRETER
    verify: tuple[str, ...] = VERIFY

    @property
    def name(self) -> str:
        """``requirements-cu128-3f2a…``: another lock is another environment."""
        return f"{Path(self.lock).stem}-{self.sha256[:12]}"

    @property
    def python(self) -> str:
        """The interpreter, once it is made."""
        return f"{self.folder}/{self.name}/bin/python"

    @property
    def job(self) -> str:
        """The job that makes it."""
        return f"environment-{self.sha256[:12]}"

    @property
    def variables(self) -> dict[str, str]:
        """What programs in it are to be started with: caches that outlive the container.

        A model is fetched once for all environments; what one release of datasets has cached, another may
        not read.
        """
        home = f"{self.folder}/huggingface"
        return {"HF_HOME": home, "HF_DATASETS_CACHE": f"{home}/datasets-{self.name}"}

    def spec(self) -> str:
        """What the pod is told, as JSON."""
        text = resources.files("millhand.runs").joinpath("requirements-uv.txt").read_text(encoding="utf-8")
        told = {"folder": self.folder, "name": self.name, "lock": self.lock, "uv": text}
        return msgspec.json.encode({**told, "interpreter": self.interpreter, "verify": self.verify}).decode(
            "utf-8"
        )


class Readiness(msgspec.Struct, frozen=True):
    """Whether an environment is made; ``why`` it is not."""

    ready: bool
    why: str
    python: str
    version: str


def read_environment(workspace: Workspace, requirements: Path, volume: str) -> PodEnvironment:
    """The environment that a pod file's lock describes.

    Args:
        workspace: Holds the lock.
        requirements: The lock, as the pod file names it.
        volume: The absolute folder on the pod that outlives its container.

    Raises:
        UsageError: There is no such file, or a requirement in it is not exact and hashed.
    """
    if not requirements.is_file():
        mend = "Name it under `environment:` of the pod file, as runpod/l4.yaml does."
        raise UsageError(f"There is no locked requirements file {requirements}.", mend=mend)
    text = requirements.read_text(encoding="utf-8")
    locked = re.findall(r"^(\S+?)==(\S+)((?:\s*\\\n\s*--hash=sha256:[0-9a-f]{64})+)\s*$", text, re.MULTILINE)
    wanted = [line for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    if not wanted or len(wanted) != len(locked) or re.search(r"(?m)^-", text):
        mend = "Make it with `uv pip compile --generate-hashes --no-annotate`."
        raise UsageError(
            f"{requirements} is no lock: not every line is NAME==VERSION with hashes.", mend=mend
        )
    return PodEnvironment(
        folder=f"{volume.rstrip('/')}/.millhand/environments",
        lock=workspace.relative(requirements),
        sha256=sha256_file(requirements),
    )


def check_command(environment: PodEnvironment, python: str = "python3") -> Command:
    """Ask whether the environment is made and runs."""
    return _command(environment, "check", python)


def make_job(environment: PodEnvironment, python: str = "python3") -> Job:
    """The job that makes the environment; its lock must lie in the pod's workspace."""
    return Job(environment.job, _command(environment, "make", python))


def _command(environment: PodEnvironment, word: str, python: str) -> Command:
    argv = (*carried.boot_argv(_PROGRAM, python), word, environment.spec())
    return Command(argv, {_PROGRAM: carried.packed(MODULES, ENTRY)})


def look(pod: Pod, environment: PodEnvironment, *, python: str = "python3") -> Readiness:
    """Whether the environment is made and runs; one command.

    Raises:
        CommandError: The pod has no Python to ask with.
    """
    done = pod.run(check_command(environment, python), timeout_s=_CHECK_S)
    done.check(mend="The image needs a `python3` (>= 3.8).")
    return msgspec.json.decode(done.stdout, type=Readiness)


def prepare(pod: Pod, environment: PodEnvironment, say: Say, *, python: str = "python3") -> Readiness:
    """Have the environment made, unless it is; every step is told as the pod takes it.

    A client that comes while it is being made follows the job that makes it. Ctrl-C ends the job; what it
    has fetched is kept.

    Raises:
        MillhandError: It could not be made.
        StoppedError: Ctrl-C.
    """
    seen = look(pod, environment, python=python)
    if seen.ready:
        return seen
    handle = pod.attach(environment.job)
    if handle.status().alive:
        say("The training environment is being made; following that.")
    else:
        say(f"The training environment: {seen.why}.")
        pod.put([environment.lock])
        handle = pod.start(make_job(environment, python))
    _follow(handle, say)
    made = look(pod, environment, python=python)
    if not made.ready:
        said = handle.log_tail(4000).decode("utf-8", errors="replace").strip()
        mend = _NO_ROOM if "No space left on device" in said else _MEND
        raise MillhandError(f"The training environment could not be made: {made.why}.\n{said}", mend=mend)
    handle.forget()
    return made


_MEND = "What was fetched is kept: the same command goes on from there."
_NO_ROOM = (
    "Its volume has no room left: remove there what is not needed (environments of old locks, checkpoints), "
    "or give the pod file a larger one. Then the same command goes on from there."
)


def _follow(handle: JobHandle, say: Say) -> None:
    offset, rest = 0, b""
    try:
        while True:
            alive = handle.status().alive
            new = handle.log(offset)
            offset += len(new)
            *lines, rest = (rest + new).split(b"\n")
            for line in lines:
                _tell(line.decode("utf-8", errors="replace").strip(), say)
            if not alive:
                return
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        handle.stop(5)
        raise StoppedError("Stopped; the training environment is not made.", mend=_MEND) from None


def _tell(line: str, say: Say) -> None:
    if line and not line.startswith(("+ ", "~ ", "- ")):  # uv names every package once more at the end
        say(line)
