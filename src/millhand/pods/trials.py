"""Computations that prove a training environment: one standard-library file that travels to a pod.

::

    python - < trials.py

Each trial prints two JSON lines, ``{"begin": NAME}`` and ``{"name", "state", "text", "seconds"}``, so that
one which ends the whole process is known by its begin. A state is ``ok``, ``failed``, ``untried`` (there is
no GPU that torch can use) or ``absent`` (the package is not installed).
"""

from __future__ import annotations

import sys

# First of all: a torch.py in the current folder is not the one meant.
if __name__ == "__main__" and not getattr(sys.flags, "safe_path", sys.flags.isolated):
    sys.path.pop(0)

import importlib
import importlib.util
import json
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

_SIZE = 4096
_ROUNDS = 20


class Untried(Exception):  # noqa: N818 - an outcome, not an error
    """It cannot be tried here."""


class Absent(Exception):  # noqa: N818 - an outcome, not an error
    """The package is not installed."""


def _need(package: str) -> Any:
    if importlib.util.find_spec(package) is None:
        raise Absent(f"{package} is not installed")
    return importlib.import_module(package)


def _gpu_torch() -> Any:
    torch = _need("torch")
    if not torch.cuda.is_available():
        raise Untried("there is no GPU that torch can use")
    return torch


def matmul() -> str:
    """Multiply in bf16 on every GPU, compare with 32 bits, and say how fast it was."""
    torch = _gpu_torch()
    return "; ".join(_matmul(torch, number) for number in range(torch.cuda.device_count()))


def _matmul(torch: Any, number: int) -> str:
    device = torch.device("cuda", number)
    a, b = (torch.randn(_SIZE, _SIZE, device=device, dtype=torch.bfloat16) for _ in range(2))
    _compare(a, b, a @ b)
    torch.cuda.synchronize(device)
    began = time.monotonic()
    for _ in range(_ROUNDS):
        a @ b
    torch.cuda.synchronize(device)
    rate = 2 * _SIZE**3 * _ROUNDS / (time.monotonic() - began) / 1e12
    return f"{torch.cuda.get_device_name(number)}: {rate:.0f} TFLOP/s"


def _compare(a: Any, b: Any, product: Any) -> None:
    exact = a[:64].float() @ b.float()
    error = (product[:64].float() - exact).norm() / exact.norm()
    if not error < 0.02:
        raise ArithmeticError(f"it computes wrongly: off by {float(error):.3f} of the result")


def linear4bit() -> str:
    """Run bitsandbytes' 4-bit linear layer, as QLoRA does, forwards and backwards."""
    torch, bnb = _need("torch"), _need("bitsandbytes")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    layer = bnb.nn.Linear4bit(256, 256, bias=False, quant_type="nf4", compute_dtype=torch.bfloat16)
    weight = layer.weight.data.float().clone()
    layer = layer.to(device)
    x = torch.randn(8, 256, device=device, dtype=torch.bfloat16, requires_grad=True)
    y = layer(x)
    y.float().sum().backward()
    error = (y.float().cpu() - x.detach().float().cpu() @ weight.T).norm() / y.float().cpu().norm()
    if not error < 0.3 or x.grad is None:  # nf4 itself is off by about a tenth
        raise ArithmeticError(f"it computes wrongly: off by {float(error):.2f} of the result")
    return "on the GPU" if device == "cuda" else "on the CPU"


def _attend(torch: Any, attention: Callable[[Any, Any, Any], Any], device: str = "cuda") -> str:
    """Compare with 32 bits; tensors are (batch, tokens, heads, width)."""
    qkv = [torch.randn(1, 64, 4, 64, device=device, dtype=torch.bfloat16) for _ in range(3)]
    exact = _attention(torch, *(tensor.float() for tensor in qkv))
    error = (attention(*qkv).float() - exact).norm() / exact.norm()
    if not error < 0.05:
        raise ArithmeticError(f"it computes wrongly: off by {float(error):.2f} of the result")
    return ""


def _attention(torch: Any, *qkv: Any) -> Any:
    heads_first = (tensor.transpose(1, 2) for tensor in qkv)
    return torch.nn.functional.scaled_dot_product_attention(*heads_first).transpose(1, 2)


def sdpa() -> str:
    """Run torch's own flash attention."""
    torch = _gpu_torch()
    kernel = importlib.import_module("torch.nn.attention")

    def attention(*qkv: Any) -> Any:
        with kernel.sdpa_kernel([kernel.SDPBackend.FLASH_ATTENTION]):
            return _attention(torch, *qkv)

    return _attend(torch, attention)


def xformers() -> str:
    """Run xformers' attention."""
    _need("xformers")
    return _attend(_gpu_torch(), importlib.import_module("xformers.ops").memory_efficient_attention)


def flash_attn() -> str:
    """Run flash-attn's attention."""
    package = _need("flash_attn")
    return _attend(_gpu_torch(), package.flash_attn_func)


def unsloth() -> str:
    """Import unsloth, which patches much of the rest; so it comes last."""
    if importlib.util.find_spec("unsloth") is None:
        raise Absent("unsloth is not installed")
    _gpu_torch()
    return str(_need("unsloth").__version__)


TRIALS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("bf16 matmul", matmul),
    ("4-bit linear", linear4bit),
    ("flash attention", sdpa),
    ("xformers attention", xformers),
    ("flash-attn", flash_attn),
    ("unsloth import", unsloth),
)


def outcome(trial: Callable[[], str]) -> tuple[str, str]:
    """Run one trial: its state and its text."""
    try:
        return "ok", trial()
    except Untried as reason:
        return "untried", str(reason)
    except Absent as reason:
        return "absent", str(reason)
    except Exception as error:  # noqa: BLE001 - whatever a native library raises is the answer
        return "failed", f"{type(error).__name__}: {error}"[:1000]


def main() -> int:
    """Run all trials; nothing else is on stdout, whatever the imports print."""
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    for name, trial in TRIALS:
        print(json.dumps({"begin": name}), file=out, flush=True)
        began = time.monotonic()
        state, text = outcome(trial)
        told = {"name": name, "state": state, "text": text, "seconds": round(time.monotonic() - began, 1)}
        print(json.dumps(told), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
