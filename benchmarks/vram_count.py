"""Counts what a training step allocates, tensor by tensor, without a GPU and without the memory.

torch's fake tensors have sizes and no contents, so the real code of transformers and peft, set up by
LLaMA-Factory's own functions, runs through a step of an 8B model on a laptop. A dispatch mode sees every
tensor that is made and when its storage is let go; the largest sum is the peak that
``torch.cuda.max_memory_allocated`` would show, less what CUDA's own kernels work with. bitsandbytes cannot
be run this way; attention is torch's CPU kernel, which keeps what flash attention keeps.
"""

from __future__ import annotations

import importlib
import logging
import warnings
import weakref
from typing import Any

from benchmarks.vram_cells import Cell, Measured

_ROUND = 512  # bytes that CUDA's allocator rounds up to
# An optimiser's numbers are not counted but added: the first step has none, every later one has.
_ADAM = 8


def count(cell: Cell) -> Measured:
    """The peak of a cell's second micro-batch, when gradients and the optimiser's numbers are there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Measured(cell=cell, allocated=_peak(cell))


def _peak(cell: Cell) -> float:
    torch = importlib.import_module("torch")
    fake = importlib.import_module("torch._subclasses.fake_tensor")
    logging.getLogger("llamafactory").setLevel(logging.ERROR)
    mode = fake.FakeTensorMode(allow_non_fake_inputs=True)
    model = _faked(_model(torch, cell), mode, torch, fake)
    trained: int = sum(p.numel() for p in model.parameters() if p.requires_grad)
    counter = _Counter()
    with mode, counter.mode():
        for tensor in (*model.parameters(), *model.buffers()):
            counter.see(tensor)
        shape = (cell.batch, cell.length)
        batch = {name: torch.zeros(shape, dtype=torch.long) for name in ("input_ids", "labels")}
        batch["attention_mask"] = torch.ones(shape, dtype=torch.long)
        for _ in range(cell.settings["gradient_accumulation_steps"]):
            model(**batch)["loss"].backward()
    return float(counter.peak + _ADAM * trained)


def _model(torch: Any, cell: Cell) -> Any:
    """The model as LLaMA-Factory prepares it (``model/loader.py``), on torch's device without memory."""
    transformers = importlib.import_module("transformers")
    hparams = importlib.import_module("llamafactory.hparams")
    adapter = importlib.import_module("llamafactory.model.adapter")
    checkpointing = importlib.import_module("llamafactory.model.model_utils.checkpointing")
    settings = dict(cell.settings)
    config = transformers.AutoConfig.for_model(**cell.shape)
    config.use_cache = False
    config._attn_implementation = "eager" if settings.get("flash_attn") == "disabled" else "sdpa"
    of_model = {"disable_gradient_checkpointing": settings.get("disable_gradient_checkpointing", False)}
    of_method = {k: v for k, v in settings.items() if k.startswith(("lora_", "finetuning_type", "freeze_"))}
    model_args = hparams.ModelArguments(model_name_or_path=cell.model, **of_model)
    method_args = hparams.FinetuningArguments(**of_method)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=config.dtype)
        model.tie_weights()
        checkpointing.prepare_model_for_training(model, model_args)
        model = adapter.init_adapter(config, model, model_args, method_args, True)
    model.train()
    return model


def _faked(model: Any, mode: Any, torch: Any, fake: Any) -> Any:
    """The model with tensors that have a size and a device but no memory, under accelerate's autocast.

    ``accelerate/accelerator.py`` (prepare_model) wraps the forward pass in autocast and casts what comes out.
    """
    made: dict[int, Any] = {}

    def of(tensor: Any) -> Any:
        return fake.FakeTensor(mode, tensor.detach().to("meta"), torch.device("cpu"))

    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                if id(parameter) not in made:
                    made[id(parameter)] = torch.nn.Parameter(
                        of(parameter), requires_grad=parameter.requires_grad
                    )
                module._parameters[name] = made[id(parameter)]
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = of(buffer)
    accelerate = importlib.import_module("accelerate.utils")
    forward = torch.autocast("cpu", dtype=torch.bfloat16)(model.forward)
    model.forward = accelerate.convert_outputs_to_fp32(forward)
    return model


class _Counter:
    """Sums up the storages that live, each once; ``peak`` is the largest sum."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self.alive: set[int] = set()

    def see(self, tensor: Any) -> None:
        """Count a tensor's storage, if it is new, until it is let go."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.alive:
            size = -(-storage.nbytes() // _ROUND) * _ROUND
            self.alive.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size

    def mode(self) -> Any:
        """A dispatch mode that shows every tensor that an operation makes."""
        torch = importlib.import_module("torch")
        leaves = importlib.import_module("torch.utils._pytree").tree_leaves
        base = importlib.import_module("torch.utils._python_dispatch").TorchDispatchMode

        def dispatch(_: Any, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            for leaf in leaves(result):
                if isinstance(leaf, torch.Tensor):
                    self.see(leaf)
            return result

        return type("Mode", (base,), {"__torch_dispatch__": dispatch})()
