"""Bring the training stack into an interpreter of this machine, step by step.

Every step is looked at before it is taken, so a rerun goes on where the last one ended, and does
nothing in a finished environment: a stamp of the versions that were seen to work, written last, says
that it is one.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from millhand.errors import CommandError, FindingsError, MillhandError
from millhand.files import write_text
from millhand.pods.base import Pod
from millhand.runs.facts import Facts, ask
from millhand.runs.machine_checks import LITTLE_DISK_GB, fault, obstacles
from millhand.shell import Command
from millhand.training.install import (
    Build,
    Step,
    Wish,
    cli_version,
    pip_uninstall,
    stack_steps,
    torch_steps,
)

STAMP = ".millhand-install"
VERIFY_S = 300.0
_STDERR = 2
_UNLOADABLE = "Could not load this library"
_AGAIN = "What is installed stays; `millhand install` goes on from there."
Stream = Callable[[Command], int]
Say = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What was done; ``removed`` are native libraries and packages that broke the stack."""

    python: str
    build: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    seconds: float = 0.0


def stream_to_stderr(command: Command) -> int:
    """Run a command to its end, all that it prints on stderr as it comes; its exit code.

    Raises:
        CommandError: It cannot be started.
    """
    try:
        return subprocess.run(command.argv, stdin=subprocess.DEVNULL, stdout=_STDERR, check=False).returncode
    except OSError as error:
        raise CommandError(command.shown(), 127, str(error)) from error


def read_limits(paths: Sequence[Path]) -> tuple[str, ...]:
    """The lines of pip's constraint files, comments cut off.

    Raises:
        MillhandError: One cannot be read.
    """
    try:
        lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise MillhandError(f"A constraint file cannot be read: {error}") from error
    return tuple(bare for line in lines if (bare := line.partition("#")[0].strip()))


def planned_steps(facts: Facts, wish: Wish) -> list[Step]:
    """The commands that :func:`install` would run; those of both builds where torch is still to come."""
    first = torch_steps(wish, facts.packages)
    builds: tuple[Build, ...] = ("cpu", "cuda") if first else (_build(facts),)
    return [*first, *(step for build in builds for step in _stack_steps(build, facts, wish))]


def install(pod: Pod, wish: Wish, *, say: Say, stream: Stream = stream_to_stderr) -> Report:
    """Bring what is missing, take away what breaks, and see LLaMA-Factory start.

    Args:
        pod: Where to look; its interpreter is the wish's.
        wish: What the user asked for.
        say: Is told of each step.
        stream: Runs a step and shows what it prints.

    Raises:
        FindingsError: pip cannot install into this interpreter.
        CommandError: pip failed, or LLaMA-Factory does not start.
    """
    begun = time.monotonic()
    installation = _Installation(pod, wish, say, stream)
    installation.take(torch_steps(wish, installation.facts.packages))
    installation.take(_stack_steps(_build(installation.facts), installation.facts, wish))
    installation.finish()
    report, facts = installation.report, installation.facts
    report.build = f"CUDA {facts.cuda}" if facts.cuda else "CPU"
    report.packages = facts.packages
    report.seconds = round(time.monotonic() - begun, 1)
    return report


class _Installation:
    """The interpreter as it was last seen, and what was done to it."""

    def __init__(self, pod: Pod, wish: Wish, say: Say, stream: Stream) -> None:
        self.report = Report(wish.python)
        self.facts = ask(pod, quick=True)
        self._pod, self._wish, self._say, self._stream = pod, wish, say, stream

    def take(self, steps: Sequence[Step]) -> None:
        """Run the steps, then look again."""
        if not steps:
            return
        _guard(self.facts)
        for step in steps:
            self._say(f"{step.what}: {step.command.shown()}")
            code = self._stream(step.command)
            if code != 0:
                raise CommandError(step.command.shown(), code, "Its own words are above.", mend=_AGAIN)
            self.report.steps.append(step.what)
        self.facts = ask(self._pod, quick=True)

    def finish(self) -> None:
        """Mend what does not import and see LLaMA-Factory start, unless that was seen before."""
        if not self.report.steps and _is_stamped(self.facts):
            return
        self._mend(ask(self._pod))
        self._say("Starting LLaMA-Factory once, to see that it does")
        mend = "`millhand doctor --deep` says what is wrong."
        self._pod.run(cli_version(self._wish.python), timeout_s=VERIFY_S).check(mend=mend)
        _stamp(self.facts)

    def _mend(self, seen: Facts) -> None:
        imports = seen.imports or {}
        if imports.get("torchvision") and _build(seen) == "cpu":
            self._say("torchvision was built for another torch and is not needed for text: it is removed")
            self.take([Step("remove torchvision", pip_uninstall(self._wish, "torchvision"), "cpu")])
            self.report.removed.append("torchvision")
        if _UNLOADABLE in imports.get("torchaudio", ""):
            self._say(
                f"torchaudio's native libraries do not fit this torch and text models never use them: "
                f"{len(seen.torchaudio_libraries)} files are removed"
            )
            self.report.removed += remove_libraries(seen.torchaudio_libraries)


def remove_libraries(paths: Sequence[str]) -> list[str]:
    """Delete native libraries of torchaudio (those that pip's record names) and return their paths."""
    ours = [Path(path) for path in paths if Path(path).parts[-3:-1] == ("torchaudio", "lib")]
    for path in ours:
        path.unlink(missing_ok=True)
    return [str(path) for path in ours]


def _guard(facts: Facts) -> None:
    found = obstacles(facts)
    free = facts.prefix_free_gb
    if free is not None and free < LITTLE_DISK_GB:
        message = f"{free} GB are free below {facts.python.prefix}; the smallest set takes 2 GB."
        found.append(fault("disk.full", "error", message, "Free some, or make the environment elsewhere."))
    if found:
        raise FindingsError(found, message="Nothing was installed.")


def _build(facts: Facts) -> Build:
    return "cuda" if facts.cuda else "cpu"


def _stack_steps(build: Build, facts: Facts, wish: Wish) -> list[Step]:
    return stack_steps(build, wish, facts.packages, facts.requires.get("llamafactory", []))


def _fingerprint(facts: Facts) -> str:
    # The libraries too: reinstalling torchaudio brings them back at the same version.
    seen = [facts.python.version, facts.cuda, facts.packages, facts.torchaudio_libraries]
    return hashlib.sha256(orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _is_stamped(facts: Facts) -> bool:
    try:
        text = Path(facts.python.prefix, STAMP).read_text(encoding="utf-8")
    except OSError:
        return False
    return text.strip() == _fingerprint(facts)


def _stamp(facts: Facts) -> None:
    # Where the prefix is not ours to write in, the next `millhand install` looks again: that is all.
    with contextlib.suppress(OSError):
        write_text(Path(facts.python.prefix, STAMP), _fingerprint(facts) + "\n")
