"""What a machine is and has: one standard-library file that runs alone, under any Python >= 3.8.

::

    python - [--quick | --deep] < probe.py         (or: python probe.py ...)

It prints one JSON document and needs nothing of what it looks for: what is not there is null or
absent, what is there and broken is reported with its error's text.

    --quick   imports nothing (tens of milliseconds): versions come from the packages' metadata
    (none)    imports torch, and torchaudio and torchvision beside it (seconds)
    --deep    also runs `python -m llamafactory.cli version` in a process of its own

Memory and disk are in GB of 10^9 bytes.
"""

from __future__ import annotations

import sys

# First of all: a json.py or torch.py in the current folder, or beside this file, is not the one meant.
if __name__ == "__main__" and not getattr(sys.flags, "safe_path", sys.flags.isolated):
    sys.path.pop(0)

import importlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sysconfig
import warnings
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

GB = 1e9
SMI_TIMEOUT_S = 20
CLI_TIMEOUT_S = 300
BROKEN = (ImportError, OSError, RuntimeError, AttributeError, ValueError, TypeError, KeyError)
NATIVE = (".so", ".pyd", ".dll", ".dylib")
REQUIRES_OF = ("llamafactory", "unsloth", "unsloth-zoo")
_SMI_FIELDS = "name,memory.total,compute_cap,driver_version"


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _run(argv: list[str], timeout_s: float) -> tuple[int, str]:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace")


# --- the interpreter ---------------------------------------------------------------------------------


def python_facts() -> dict[str, Any]:
    """The interpreter, and whether packages can be installed into it."""
    stdlib = sysconfig.get_path("stdlib") or ""
    virtual = sys.prefix != sys.base_prefix
    return {
        "version": platform.python_version(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "virtual": virtual,
        "conda": Path(sys.prefix, "conda-meta").is_dir(),
        "externally_managed": not virtual and Path(stdlib, "EXTERNALLY-MANAGED").is_file(),
        "pip": importlib.util.find_spec("pip") is not None,
        "ensurepip": importlib.util.find_spec("ensurepip") is not None,
    }


# --- the machine -------------------------------------------------------------------------------------


def cgroup_folders(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> list[Path]:
    """The folders that may limit this process: its groups of cgroup v2 and v1, and their parents."""
    folders = [Path(root), Path(root, "cpu"), Path(root, "memory")]
    for line in _read(own).splitlines():
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        parts = group.strip("/").split("/") if group.strip("/") else []
        folders += [Path(root, controllers, *parts[:depth]) for depth in range(1, len(parts) + 1)]
    return folders


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split() if word.lstrip("-").isdigit()]


def _quota_cores(folder: Path) -> float | None:
    v2 = _numbers(_read(folder / "cpu.max"))  # "max 100000": no limit, one number
    v1 = _numbers(_read(folder / "cpu.cfs_quota_us") + " " + _read(folder / "cpu.cfs_period_us"))
    for numbers in (v2, v1):
        if len(numbers) == 2 and numbers[0] > 0 and numbers[1] > 0:
            return numbers[0] / numbers[1]
    return None


def core_count(folders: Iterable[Path] | None = None) -> int:
    """The cores that this process may use: its affinity, cut by the container's quota (rounded up)."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quotas = [_quota_cores(folder) for folder in (cgroup_folders() if folders is None else folders)]
    limits = [max(1, -int(-quota // 1)) for quota in quotas if quota is not None]
    return min([cores, *limits])


def memory_gb(folders: Iterable[Path] | None = None) -> float | None:
    """The memory that this process may use: the machine's, cut by the container's limit."""
    sizes = [_physical_memory()]
    for folder in cgroup_folders() if folders is None else folders:
        for name in ("memory.max", "memory.limit_in_bytes"):
            sizes += _numbers(_read(folder / name))
    known = [size for size in sizes if size]
    return round(min(known) / GB, 1) if known else None


def _physical_memory() -> int:
    if sys.platform == "win32":
        return _windows_memory()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _windows_memory() -> int:
    import ctypes

    # MEMORYSTATUSEX: two 32-bit words (its length first), then seven of 64 bits, total memory the first.
    status = (ctypes.c_ulonglong * 8)()
    ctypes.cast(status, ctypes.POINTER(ctypes.c_ulong))[0] = 64
    ctypes.windll.kernel32.GlobalMemoryStatusEx(status)  # type: ignore[attr-defined,unused-ignore]
    return int(status[1])


def _free_gb(folder: str) -> float | None:
    try:
        return round(shutil.disk_usage(folder).free / GB, 1)
    except OSError:
        return None


def machine_facts() -> dict[str, Any]:
    """The operating system, cores, memory and disks."""
    return {
        "platform": {"system": platform.system(), "machine": platform.machine(), "text": platform.platform()},
        "cores": core_count(),
        "memory_gb": memory_gb(),
        "disk_free_gb": _free_gb("."),
        "prefix_free_gb": _free_gb(sys.prefix),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
    }


# --- the GPU, without torch --------------------------------------------------------------------------


def parse_smi(text: str) -> tuple[list[dict[str, Any]], str | None]:
    """Read the lines of nvidia-smi's query: GPUs, and the driver's version."""
    gpus, driver = [], None
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 4 and re.match(r"\d+\.\d+", fields[3]):
            size = fields[1]
            memory = round(int(size) * 2**20 / GB, 1) if size.isdigit() else None
            gpus.append({"name": fields[0], "memory_gb": memory, "compute_capability": fields[2]})
            driver = fields[3]
    return gpus, driver


def gpu_facts() -> dict[str, Any]:
    """NVIDIA's GPUs and driver from nvidia-smi, or from the kernel module where that is all there is."""
    smi = shutil.which("nvidia-smi")
    query = [smi or "", f"--query-gpu={_SMI_FIELDS}", "--format=csv,noheader,nounits"]
    gpus, driver = parse_smi(_run(query, SMI_TIMEOUT_S)[1]) if smi else ([], None)
    if driver is None:
        found = re.search(r"Kernel Module\D*?(\d+\.\d+(?:\.\d+)?)", _read("/proc/driver/nvidia/version"))
        driver = found.group(1) if found else None
        cards = Path("/proc/driver/nvidia/gpus")
        names = [_read(card / "information") for card in cards.iterdir()] if cards.is_dir() else []
        gpus = [{"name": _model(name), "memory_gb": None, "compute_capability": None} for name in names]
    return {"gpus": gpus, "driver": driver}


def _model(information: str) -> str:
    found = re.search(r"Model:\s*(.+)", information)
    return found.group(1).strip() if found else "NVIDIA GPU"


# --- packages ----------------------------------------------------------------------------------------


def package_facts() -> dict[str, Any]:
    """Versions of all that is installed, by normalised name, and what some of it asks for."""
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # a half-removed package has none; of two on the path the first is the one imported
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution)
    return {
        "packages": {name: found[name].version for name in sorted(found)},
        "requires": {name: list(found[name].requires or []) for name in REQUIRES_OF if name in found},
        "torchaudio_libraries": _native_libraries(found.get("torchaudio")),
        "torch_build": _torch_build(),
    }


def _native_libraries(distribution: metadata.Distribution | None) -> list[str]:
    """The native libraries in torchaudio/lib that pip put there and that are still there."""
    files = (distribution.files or []) if distribution else []
    ours = [file for file in files if file.parts[:2] == ("torchaudio", "lib") and file.suffix in NATIVE]
    paths = [Path(str(file.locate())) for file in ours]
    return [str(path) for path in paths if path.is_file()]


def _torch_build() -> dict[str, Any] | None:
    """What torch was built for, read from torch/version.py without importing torch."""
    spec = importlib.util.find_spec("torch")
    folders = list(spec.submodule_search_locations or []) if spec else []
    text = "\n".join(_read(Path(folder, "version.py")) for folder in folders)
    if not text:
        return None
    found = dict(re.findall(r"^(\w+)(?:\s*:[^=]+)?\s*=\s*'([^']*)'", text, flags=re.MULTILINE))
    return {"version": found.get("__version__"), "cuda": found.get("cuda"), "hip": found.get("hip")}


# --- imports -----------------------------------------------------------------------------------------


def _error(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:2000]


def torch_facts() -> dict[str, Any]:
    """Import torch and ask it what it sees; a fault is text in ``error`` or ``cuda_error``."""
    try:
        torch = importlib.import_module("torch")
        facts = {
            "version": str(torch.__version__),
            "cuda": torch.version.cuda,
            "hip": getattr(torch.version, "hip", None),
        }
    except BROKEN as error:
        return {"error": _error(error)}
    return {**facts, **_cuda_facts(torch)}


def _cuda_facts(torch: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"cuda_available": False, "cuda_error": "", "cudnn": None, "gpus": []}
    try:
        facts["cuda_available"] = bool(torch.cuda.is_available())
        facts["cudnn"] = torch.backends.cudnn.version()
        if facts["cuda_available"]:
            facts["gpus"] = [_gpu(torch, number) for number in range(torch.cuda.device_count())]
        elif torch.version.cuda:
            torch.cuda.init()  # raises, and says why there is none
    except BROKEN as error:
        facts["cuda_error"] = _error(error)
    return facts


def _gpu(torch: Any, number: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(number)
    return {
        "name": properties.name,
        "memory_gb": round(properties.total_memory / GB, 1),
        "compute_capability": f"{properties.major}.{properties.minor}",
        "bf16": properties.major >= 8,
    }


def import_facts(names: Iterable[str]) -> dict[str, str]:
    """Import each package: the text of its error, empty where it works."""
    faults = {}
    for name in names:
        try:
            importlib.import_module(name)
            faults[name] = ""
        except BROKEN as error:
            faults[name] = _error(error)
    return faults


def cli_facts() -> dict[str, Any]:
    """Run LLaMA-Factory's own command line, which imports all that training needs."""
    code, output = _run([sys.executable, "-m", "llamafactory.cli", "version"], CLI_TIMEOUT_S)
    return {"code": code, "tail": "\n".join(output.splitlines()[-12:])[-4000:]}


def probe(flags: Iterable[str] = ()) -> dict[str, Any]:
    """Everything, as far as the flags allow."""
    facts = {"python": python_facts(), **machine_facts(), **gpu_facts(), **package_facts()}
    if "--quick" in flags or facts["torch_build"] is None:
        return facts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        facts["torch"] = torch_facts()
        beside = [name for name in ("torchaudio", "torchvision") if name in facts["packages"]]
        facts["imports"] = import_facts([] if "error" in facts["torch"] else beside)
    if "--deep" in flags and "llamafactory" in facts["packages"]:
        facts["llamafactory_cli"] = cli_facts()
    return facts


def main() -> int:
    """Print the facts as JSON, and nothing else on stdout whatever the imports print."""
    out = os.dup(1)
    os.dup2(2, 1)  # native libraries write to descriptor 1 as well
    document = json.dumps(probe(sys.argv[1:]))
    with os.fdopen(out, "w", encoding="ascii") as stdout:
        stdout.write(document + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
