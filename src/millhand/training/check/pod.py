"""A config on the machine that it is meant for: its GPU, packages, cores and disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from millhand.errors import Finding
from millhand.training.check.disk import to_write
from millhand.training.check.machine import BF16_SINCE, FP8_SINCE, Gpu, Machine
from millhand.training.check.subject import Config, FaultyValueError

_SURE = 1.25  # an estimate this much over the disk is certain enough to stop for


def _loggers(config: Config) -> list[str]:
    return [name for name in config.names("report_to") if name not in ("none", "all")]


# Packages that a key asks for (hparams/parser.py: _check_extra_dependencies; transformers), and when.
_NEEDS: tuple[tuple[str, str, Callable[[Config], object]], ...] = (
    ("bitsandbytes", "quantization_bit",
     lambda c: c.quantization_bit is not None and c.quantization_method == "bnb"),
    ("hqq", "quantization_bit", lambda c: c.quantization_bit is not None and c.quantization_method == "hqq"),
    ("eetq", "quantization_bit",
     lambda c: c.quantization_bit is not None and c.quantization_method == "eetq"),
    ("unsloth", "use_unsloth", lambda c: c.use_unsloth),
    ("liger-kernel", "enable_liger_kernel", lambda c: c.enable_liger_kernel),
    ("deepspeed", "deepspeed", lambda c: c.purpose == "train" and c.deepspeed),
    ("galore-torch", "use_galore", lambda c: c.use_galore),
    ("apollo-torch", "use_apollo", lambda c: c.use_apollo),
    ("badam", "use_badam", lambda c: c.use_badam),
    ("adam-mini", "use_adam_mini", lambda c: c.use_adam_mini),
    ("mcore-adapter", "use_mca", lambda c: c.use_mca),
    ("hyper-parallel", "use_hyper_parallel", lambda c: c.use_hyper_parallel),
    ("kt-kernel", "use_kt", lambda c: c.use_kt),
    ("mixture-of-depth", "mixture_of_depths", lambda c: c.mixture_of_depths is not None),
    ("vllm", "infer_backend", lambda c: c.infer_backend == "vllm"),
    ("sglang", "infer_backend", lambda c: c.infer_backend == "sglang"),
    ("swanlab", "use_swanlab", lambda c: c.use_swanlab),
    ("jieba", "predict_with_generate", lambda c: c.purpose == "train" and c.predict_with_generate),
    ("optimum", "export_quantization_bit", lambda c: c.export_quantization_bit is not None),
    *((name, "report_to", lambda c, name=name: c.purpose == "train" and name in _loggers(c))
      for name in ("tensorboard", "wandb", "mlflow", "trackio", "swanlab")),
)  # fmt: skip


def check_pod(config: Config, machine: Machine, rows: int | None, export: Config | None) -> Iterator[Finding]:
    """Find what the machine says against a config.

    Args:
        config: Any of a project's files.
        machine: Where it is to run.
        rows: How many rows the datasets have; None where that is not known.
        export: The project's export.yaml, whose result lies on the same disk.
    """
    looks = [_packages]
    if config.purpose == "train":
        looks += [_gpu, _attention, _workers]
    for look in looks:
        try:
            yield from look(config, machine)
        except FaultyValueError:
            continue
    if config.purpose == "train":
        yield from _disk(config, machine, rows, export)


def _packages(config: Config, machine: Machine) -> Iterator[Finding]:
    for package, key, needed in _NEEDS:
        if not machine.has(package) and needed(config):
            yield config.finding(
                "pod.package", "error", key, f"{key} needs {package}, a package that {machine.name} lacks.",
                "LLaMA-Factory stops, some of it only after the model has been loaded.",
                _get(package, machine, key),
            )  # fmt: skip


def _get(package: str, machine: Machine, key: str) -> str:
    if machine.rented:
        return f"Add {package} to the locked requirements that the pod file names, or take {key} out."
    return f"Install it into the environment that trains (`pip install {package}`), or take {key} out."


def _gpu(config: Config, machine: Machine) -> Iterator[Finding]:
    if machine.gpus == () and not config.use_cpu:
        yield from _no_gpu(config, machine)
    old = machine.weaker_than(BF16_SINCE)
    if old and (config.bf16 or config.pure_bf16):
        yield config.finding(
            "pod.bf16", "warning", ("bf16", "pure_bf16"), f"{_named(old)} computes no bf16 of its own.",
            "GPUs before Ampere imitate it, several times slower.",
            "Write `fp16: true` instead, or take a newer GPU.",
        )  # fmt: skip
    old = machine.weaker_than(FP8_SINCE)
    if old and config.fp8:
        yield config.finding(
            "pod.fp8", "error", "fp8", f"{_named(old)} computes no fp8.",
            "fp8 needs Ada, Hopper or newer.", "Take fp8 out, or take an L4, RTX 4090 or H100.",
        )  # fmt: skip


def _no_gpu(config: Config, machine: Machine) -> Iterator[Finding]:
    for key in ("bf16", "pure_bf16", "fp16"):
        if getattr(config, key):
            yield config.finding(
                "pod.no-gpu", "error", key, f"{machine.name} has no GPU, and {key} asks for one.",
                "LLaMA-Factory stops: “Your setup doesn't support bf16/gpu”.",
                f"Take {key} out and write `use_cpu: true`, or choose a pod with a GPU.",
            )  # fmt: skip
            return
    yield config.finding(
        "pod.no-gpu", "warning", "model_name_or_path", f"{machine.name} has no GPU.",
        "LLaMA-Factory would train on the CPU, some hundred times slower.",
        "Write `use_cpu: true` if that is meant, or choose a pod with a GPU.",
    )  # fmt: skip


def _attention(config: Config, machine: Machine) -> Iterator[Finding]:
    if config.flash_attn != "fa2":
        return
    old = machine.weaker_than(BF16_SINCE)
    if old and machine.has("flash-attn"):
        yield config.finding(
            "pod.flash-attn", "error", "flash_attn", f"{_named(old)} is too old for FlashAttention-2.",
            "It stops in the first step: “FlashAttention only supports Ampere GPUs or newer”.",
            "Write `flash_attn: sdpa`.",
        )  # fmt: skip
    elif not machine.has("flash-attn"):
        yield config.finding(
            "pod.flash-attn", "warning", "flash_attn", f"{machine.name} has no package flash-attn.",
            "LLaMA-Factory says so in its log and takes another attention (model/model_utils/attention.py).",
            "Write `flash_attn: sdpa`, which torch has and which is about as fast.",
        )  # fmt: skip


def _workers(config: Config, machine: Machine) -> Iterator[Finding]:
    cores = machine.cores
    for key in ("preprocessing_num_workers", "dataloader_num_workers"):
        if cores is not None and (getattr(config, key) or 0) > cores:
            yield config.finding(
                "pod.workers", "warning", key, f"{key} is more than the {cores} cores of {machine.name}.",
                "Each worker takes memory; where that runs out, one is killed and training ends.",
                f"Write `{key}: {max(1, cores // 2)}`.",
            )  # fmt: skip


def _disk(config: Config, machine: Machine, rows: int | None, export: Config | None) -> Iterator[Finding]:
    try:
        writes = to_write(config, rows, machine.count, export, elsewhere=machine.rented)
    except FaultyValueError:
        return
    if writes is None or machine.disk_gb is None or writes.total_gb <= machine.disk_gb:
        return
    what = ", ".join(f"{name} {size_gb:.1f} GB" for name, size_gb in writes.parts if size_gb >= 0.05)
    sure = writes.total_gb > _SURE * machine.disk_gb
    yield config.finding(
        "pod.disk", "error" if sure else "warning", ("save_total_limit", "save_steps", "output_dir"),
        f"About {writes.total_gb:.0f} GB will be written, and {machine.name} has room for "
        f"{machine.disk_gb:.0f} GB: {what}.",
        "A full disk ends training in the middle of a checkpoint.", _less(config, machine),
    )  # fmt: skip


def _less(config: Config, machine: Machine) -> str:
    limit = "" if config.save_total_limit else "add `save_total_limit: 2`, "
    if machine.rented:
        return f"Give the pod file a larger disk, {limit}or write `save_only_model: true`."
    return f"Make room, {limit}or write `save_only_model: true` (no going on from a checkpoint then)."


def _named(gpus: tuple[Gpu, ...]) -> str:
    return ", ".join(dict.fromkeys(gpu.name for gpu in gpus))
