"""GGUF for llama.cpp and Ollama: where llama.cpp's tools are, and their command lines as values.

llama.cpp's ``convert_hf_to_gguf.py`` writes 16 bits or Q8_0; ``llama-quantize`` makes the smaller types of
the 16 bits. Nothing here runs anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from millhand.errors import MissingPackageError
from millhand.shell import Command

SETTING = "LLAMA_CPP"
CONVERTER = "convert_hf_to_gguf.py"
QUANTIZER = "llama-quantize"
WHOLE = "f16"  # what the smaller types are made of
# Type -> the bits that a weight takes on average (llama.cpp, tools/quantize/README.md; of Llama 3.1 8B).
BITS: Mapping[str, float] = MappingProxyType(
    {"q8_0": 8.5, "q6_k": 6.56, "q5_k_m": 5.7, "q4_k_m": 4.89, WHOLE: 16.0}
)
_BY_CONVERTER = (WHOLE, "q8_0")
_ENV = MappingProxyType({"PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"})
INSTALL = f"""\
Get llama.cpp (MIT), then name its folder as {SETTING}=FOLDER in .env:
  git clone --depth 1 https://github.com/ggml-org/llama.cpp
  cmake -S llama.cpp -B llama.cpp/build -DLLAMA_CURL=OFF
  cmake --build llama.cpp/build --target {QUANTIZER} -j
or install it so that {CONVERTER} and {QUANTIZER} are on the PATH (macOS: brew install llama.cpp)."""


@dataclass(frozen=True, slots=True)
class Tools:
    """How to call llama.cpp's two tools; ``quantizer`` is empty where only 16 bits and Q8_0 are wanted."""

    converter: tuple[str, ...]
    quantizer: tuple[str, ...] = ()


def needs_quantizer(types: Sequence[str]) -> bool:
    """Whether one of the types is made by the second tool."""
    return any(kind not in _BY_CONVERTER for kind in types)


def find_tools(
    settings: Mapping[str, str],
    types: Sequence[str],
    *,
    python: str,
    which: Callable[[str], str | None] = shutil.which,
) -> Tools:
    """Find what the types need: in the folder that LLAMA_CPP names, else on the PATH.

    Args:
        python: What runs the converter of a folder; it needs torch and transformers. One that is on the
            PATH brings its own.

    Raises:
        MissingPackageError: One is missing; it says how to get it.
    """
    folder = Path(settings[SETTING]) if settings.get(SETTING) else None
    if folder is not None and (folder / CONVERTER).is_file():
        converter: tuple[str, ...] = (python, str(folder / CONVERTER))
    else:
        converter = _on_path(CONVERTER, which)
    if not needs_quantizer(types):
        return Tools(converter)
    built = [folder / place / name for place in _BUILT for name in _NAMES] if folder else []
    found = next((path for path in built if path.is_file()), None)
    return Tools(converter, (str(found),) if found else _on_path(QUANTIZER, which))


_BUILT = ("build/bin", "build/bin/Release", "bin", ".")  # CMake's, Visual Studio's, an unpacked release's
_NAMES = (QUANTIZER, f"{QUANTIZER}.exe")


def _on_path(name: str, which: Callable[[str], str | None]) -> tuple[str, ...]:
    found = which(name)
    if found is None:
        raise MissingPackageError(f"llama.cpp's {name} is not on this machine.", mend=INSTALL)
    return (found,)


def convert(tools: Tools, model: str, out: str, kind: str) -> Command:
    """Write a model's folder as one GGUF of 16 bits or Q8_0."""
    return Command((*tools.converter, model, "--outfile", out, "--outtype", kind), dict(_ENV))


def quantize(tools: Tools, whole: str, out: str, kind: str) -> Command:
    """Make a smaller type of a GGUF of 16 bits."""
    return Command((*tools.quantizer, whole, out, kind.upper()))


def file_name(model: str, kind: str) -> str:
    """``qa-merged-Q4_K_M.gguf``: how the Hub and Ollama tell the types of one repository apart."""
    return f"{model}-{kind.upper()}.gguf"


def needed_bytes(weights: int, width: int, types: Sequence[str]) -> int:
    """The room that the types take, with the 16 bits that are thrown away at the end.

    Args:
        weights: Bytes of the model's safetensors.
        width: Bytes of a weight in them.
    """
    count = weights / width
    whole = 2 * count if needs_quantizer(types) and WHOLE not in types else 0
    return round(whole + sum(count * BITS[kind] / 8 for kind in types))
