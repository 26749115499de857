"""What a machine is and has, asked of a pod: the probe's answer with types.

Memory and disk are in GB of 10^9 bytes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from millhand.errors import MillhandError
from millhand.pods import probe
from millhand.pods.base import Pod, Result
from millhand.shell import Command

QUICK_S, FULL_S, DEEP_S = 60.0, 300.0, 600.0


class PythonFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter, and whether packages can be installed into it."""

    version: str
    executable: str = ""
    prefix: str = ""
    virtual: bool = False
    conda: bool = False
    externally_managed: bool = False
    pip: bool = True
    ensurepip: bool = True


class PlatformFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The operating system."""

    system: str = ""
    machine: str = ""
    text: str = ""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU, as nvidia-smi or torch describes it."""

    name: str
    memory_gb: float | None = None
    compute_capability: str | None = None
    bf16: bool | None = None


class TorchBuild(msgspec.Struct, frozen=True, kw_only=True):
    """What torch was built for, read without importing it: a CUDA version, or None for a CPU."""

    version: str | None = None
    cuda: str | None = None
    hip: str | None = None


class TorchFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What torch says when it is imported; ``error`` where it cannot be."""

    version: str = ""
    cuda: str | None = None
    hip: str | None = None
    cuda_available: bool = False
    cuda_error: str = ""
    cudnn: int | None = None
    gpus: tuple[Gpu, ...] = ()
    error: str = ""


class CliFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How ``llamafactory-cli version`` ended."""

    code: int
    tail: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One machine. ``torch``, ``imports`` and ``llamafactory_cli`` are None where nobody looked."""

    python: PythonFacts
    platform: PlatformFacts = PlatformFacts()
    cores: int = 1
    memory_gb: float | None = None
    disk_free_gb: float | None = None
    prefix_free_gb: float | None = None
    omp_num_threads: str | None = None
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    packages: dict[str, str] = {}  # copied by msgspec for each instance
    requires: dict[str, list[str]] = {}
    torchaudio_libraries: tuple[str, ...] = ()
    torch_build: TorchBuild | None = None
    torch: TorchFacts | None = None
    imports: dict[str, str] | None = None
    llamafactory_cli: CliFacts | None = None
    crash: str = ""

    @property
    def cuda(self) -> str | None:
        """The CUDA version that torch was built for; None without torch or for a CPU build."""
        return self.torch_build.cuda if self.torch_build else None

    @property
    def has_stack(self) -> bool:
        """Whether LLaMA-Factory is installed, so that runs can break here."""
        return "llamafactory" in self.packages

    @property
    def all_gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that torch can use, else those that the driver lists."""
        return (self.torch.gpus if self.torch else ()) or self.gpus

    def pip(self, *arguments: str) -> str:
        """A command of this interpreter's own pip, as it can be typed in any shell."""
        return " ".join(quoted(word) for word in (self.python.executable, "-m", "pip", *arguments))


def quoted(word: str) -> str:
    """A word of a command line, in the quotes that POSIX shells and Windows' both take."""
    return word if all(c.isalnum() or c in "-_./\\:=+" for c in word) else f'"{word}"'


def ask(pod: Pod, *, quick: bool = False, deep: bool = False) -> Facts:
    """Look at a pod; nothing is left there.

    Where the look ends in a crash (a native library of torch may end the whole process), the quick
    look is taken and ``crash`` says how the other one ended.

    Raises:
        MillhandError: Not even the quick look came back: no Python there, or one older than 3.8.
    """
    flags = ("--quick",) if quick else ("--deep",) if deep else ()
    result = _run_probe(pod, flags, QUICK_S if quick else DEEP_S if deep else FULL_S)
    facts = _decoded(result)
    if facts is not None:
        return facts
    if quick:
        raise MillhandError(
            f"{pod.python} could not be looked at: it ended with code {result.code}.\n{_tail(result)}",
            mend="It must be a Python >= 3.8 that runs; LLaMA-Factory needs >= 3.11.",
        )
    return msgspec.structs.replace(ask(pod, quick=True), crash=f"code {result.code}: {_tail(result)}")


def _run_probe(pod: Pod, flags: tuple[str, ...], timeout_s: float) -> Result:
    # Over standard input: nothing to copy first, nothing left behind, the same on every pod.
    source = Path(probe.__file__).read_bytes()
    return pod.run(Command((pod.python, "-", *flags)), stdin=source, timeout_s=timeout_s)


def _decoded(result: Result) -> Facts | None:
    if result.code != 0:
        return None
    try:
        return msgspec.json.decode(result.stdout, type=Facts)
    except msgspec.MsgspecError:
        return None


def _tail(result: Result) -> str:
    return "\n".join((result.stderr or result.stdout).splitlines()[-5:])
