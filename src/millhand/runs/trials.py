"""Whether an environment computes what it should, tried on the pod (:mod:`millhand.pods.trials`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from millhand.errors import Finding
from millhand.pods import trials
from millhand.pods.base import Pod
from millhand.runs.facts import Facts
from millhand.runs.machine_checks import fault
from millhand.shell import Command

_TIMEOUT_S = 600.0
_NEEDED = ("bf16 matmul", "4-bit linear")
_WHY = {
    "bf16 matmul": "Nothing can train here.",
    "4-bit linear": "`quantization_bit: 4` (QLoRA) needs it.",
    "flash attention": "Training falls back to slower attention, which needs more memory.",
    "xformers attention": "unsloth uses it.",
    "flash-attn": "`flash_attn: fa2` needs it.",
    "unsloth import": "`use_unsloth: true` needs it.",
}
_PACKAGE = {
    "4-bit linear": "bitsandbytes",
    "xformers attention": "xformers",
    "flash-attn": "flash-attn",
    "unsloth import": "unsloth",
}


class Trial(msgspec.Struct, frozen=True):
    """How one trial went; ``text`` says where, how fast, or why not."""

    name: str
    state: Literal["ok", "failed", "untried", "absent"]
    text: str = ""
    seconds: float = 0.0


def try_out(pod: Pod) -> tuple[Trial, ...]:
    """Have the trials run by the pod's training environment; nothing is left there."""
    source = Path(trials.__file__).read_bytes()
    done = pod.run(Command((pod.python, "-")), stdin=source, timeout_s=_TIMEOUT_S)
    told = [msgspec.json.decode(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return tuple(read_trials(told, done.code))


def read_trials(told: list[dict[str, Any]], code: int) -> Iterator[Trial]:
    """The trials of what was printed; one that began and never ended took the whole process with it."""
    ended = {line["name"]: msgspec.convert(line, Trial) for line in told if "name" in line}
    for line in told:
        if "begin" in line:
            name = line["begin"]
            yield ended.get(name) or Trial(name, "failed", f"it ended the whole process with code {code}")


def check_trials(tried: tuple[Trial, ...], facts: Facts) -> Iterator[Finding]:
    """What failed, and one note of what could not be tried."""
    for trial in tried:
        if trial.state == "failed":
            yield fault(
                f"{slug(trial)}.failed",
                "error" if trial.name in _NEEDED else "warning",
                f"The trial `{trial.name}` failed: {trial.text}.",
                _mend(trial, facts),
                _WHY.get(trial.name, ""),
            )
    untried = [trial.name for trial in tried if trial.state == "untried"]
    if untried:
        yield fault(
            "trials.untried",
            "note",
            f"Not tried, for want of a GPU that torch can use: {', '.join(untried)}.",
            "Nothing, where no GPU is meant to be; a rented one is tried by `millhand doctor --pod POD`.",
            "That the packages are installed does not prove that they compute.",
        )


def slug(trial: Trial) -> str:
    """The trial's name as a part of a finding's id: ``bf16-matmul``."""
    return trial.name.replace(" ", "-")


def _mend(trial: Trial, facts: Facts) -> str:
    package = _PACKAGE.get(trial.name, "torch")
    version = facts.packages.get(package, "").partition("+")[0]
    exact = f"{package}=={version}" if version else package
    return (
        f"Another host often helps; or install it again: {facts.pip('install', '--force-reinstall', exact)}"
    )
