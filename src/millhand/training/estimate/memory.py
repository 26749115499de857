"""Peak memory of a training on one GPU, by part. Every figure in bytes; a GB is 10^9 of them.

The peak is the largest of four moments: the end of the forward pass, the start of the backward pass (both
hold the logits), the backward pass of a layer, and an evaluation, which has a batch size of its own. What is
fitted to measurements stands in :class:`Constants`; all else follows from the code of LLaMA-Factory,
transformers, peft and bitsandbytes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from millhand.errors import UsageError
from millhand.training.estimate.activations import (
    casts_weights,
    checkpoint,
    eager,
    find_logits,
    find_precision,
    layer_saved,
    layer_work,
    liger,
)
from millhand.training.estimate.setup import Setup
from millhand.training.estimate.shapes import Shape
from millhand.training.estimate.trainable import find_trainable

Phase = Literal["forward", "loss", "layer", "evaluation"]
_ALONE = ("orpo", "simpo")  # losses of preferences that need no reference
_EAGER_MASK_BYTES = 10  # two kinds of mask where layers slide, each with numbers of the scores' own size
_MASK_BYTES = 3  # a boolean mask of every pair of tokens, and the copy that the kernel adds to the scores

# Bytes a trained parameter that an optimiser keeps. Source of each: its own class in torch, transformers or
# bitsandbytes. adamw keeps two numbers of the parameter's own size; 8-bit states have blocks of 256 with a
# float32 each; adafactor keeps rows and columns only; a paged optimiser may spill into the machine's memory.
_EIGHT_BIT = 2 * (1 + 4 / 256)
_OPTIMISERS = {
    "adamw_torch": 8.0, "adamw_torch_fused": 8.0, "adamw_apex_fused": 8.0, "adamw_anyprecision": 8.0,
    "adamw_hf": 8.0, "paged_adamw_32bit": 8.0, "paged_adamw": 8.0, "adamw_bnb_8bit": _EIGHT_BIT,
    "adamw_8bit": _EIGHT_BIT, "paged_adamw_8bit": _EIGHT_BIT, "adamw_torch_8bit": _EIGHT_BIT,
    "adamw_torch_4bit": 1.1, "adafactor": 0.1, "sgd": 0.0, "lion_32bit": 4.0, "paged_lion_32bit": 4.0,
    "lion_8bit": _EIGHT_BIT / 2, "paged_lion_8bit": _EIGHT_BIT / 2, "adagrad": 4.0, "rmsprop": 4.0,
    "rmsprop_bnb": 4.0, "rmsprop_bnb_32bit": 4.0, "rmsprop_bnb_8bit": _EIGHT_BIT / 2, "ademamix": 12.0,
    "ademamix_8bit": 1.5 * _EIGHT_BIT, "paged_ademamix_32bit": 12.0, "paged_ademamix_8bit": 1.5 * _EIGHT_BIT,
}  # fmt: skip


class Constants(msgspec.Struct, frozen=True):
    """What no source says and a GPU must: fitted by ``benchmarks/vram.py``.

    ``context`` is what CUDA and its libraries take before a tensor exists, ``reserve`` the part of what is
    allocated that the allocator holds beside it (rounding, gaps), ``work`` a factor on activations, logits
    and buffers, ``margin`` the part of the whole by which an estimate may be too low.
    """

    context: float = 0.9e9
    reserve: float = 0.05
    work: float = 1.0
    margin: float = 0.10


class Moment(NamedTuple):
    """What is held at a moment of a step beside weights and optimiser, in bytes."""

    gradients: float
    activations: float
    logits: float
    buffers: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self)


class Casts(NamedTuple):
    """Copies of weights in autocast's type: when the forward pass ends, and kept for the backward one."""

    forward: float
    kept: float


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes at the peak, by what takes them."""

    weights: float
    adapters: float
    gradients: float
    optimiser: float
    activations: float
    logits: float
    buffers: float
    overhead: float

    @property
    def total(self) -> float:
        """All of them."""
        return float(sum(msgspec.structs.astuple(self)))


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate: its parts, the moment of the peak, and by how much it may be too low (``high``).

    ``allocated`` is what torch itself counts (``torch.cuda.max_memory_allocated``); ``notes`` says what is
    known only roughly and why.
    """

    parts: Parts
    phase: Phase
    trainable: int
    margin: float
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The estimate."""
        return self.parts.total

    @property
    def high(self) -> float:
        """The estimate with its margin: only what holds this is said to fit."""
        return self.total * (1 + self.margin)

    @property
    def allocated(self) -> float:
        """The estimate without what torch does not count."""
        return self.total - self.parts.overhead


class Load(msgspec.Struct, frozen=True):
    """What one GPU is given: sequences, the tokens of each, and how many GPUs take part.

    ``evaluated`` are the tokens of a row that is evaluated on; 0: as many as of one that is trained on.
    """

    batch: int
    length: int
    gpus: int = 1
    evaluated: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of a micro-batch on one GPU."""
        return self.batch * self.length


def estimate(shape: Shape, setup: Setup, load: Load, constants: Constants | None = None) -> Peak:
    """Estimate the peak on each GPU.

    Raises:
        UsageError: The stage or method is not covered.
    """
    if setup.stage == "ppo":
        raise UsageError(
            "stage: ppo is not estimated: it generates while it trains, with up to four models at once.",
            mend="Try it with a small batch on the GPU.",
        )
    return _Estimate(shape, setup, load, constants or Constants()).peak()


class _Estimate:
    def __init__(self, shape: Shape, setup: Setup, load: Load, constants: Constants) -> None:
        self.shape, self.setup, self.load, self.constants = shape, setup, load, constants
        self.trained = find_trainable(shape, setup)
        self.precision = find_precision(shape, setup, self.trained)
        # concatenated_forward of train/dpo/trainer.py puts chosen and rejected rows into one batch
        self.tokens = load.tokens * (2 if setup.stage in ("dpo", "rm") else 1)
        self.notes: list[str] = []

    def peak(self) -> Peak:
        """The largest moment, with its parts."""
        weights, adapters = self.weights(), self.trained.adapter * self.precision.trained
        optimiser, moments = self.optimiser(), self.moments()
        phase = max(moments, key=lambda name: moments[name].total)
        moment = moments[phase]
        work = self.constants.work
        held = weights + adapters + optimiser + moment.gradients + work * (moment.total - moment.gradients)
        overhead = self.constants.context + self.constants.reserve * held + self.communication()
        parts = Parts(
            weights=weights, adapters=adapters, gradients=moment.gradients, optimiser=optimiser,
            activations=work * moment.activations, logits=work * moment.logits,
            buffers=work * moment.buffers, overhead=overhead,
        )  # fmt: skip
        return Peak(
            parts=parts, phase=phase, trainable=self.trained.parameters, margin=self.margin(),
            notes=tuple(self.known()),
        )  # fmt: skip

    def weights(self) -> float:
        """The model as it lies on the GPU; a reference model beside it."""
        shape, each = self.shape, self.precision.frozen
        whole = shape.parameters + self.trained.copies
        model: float = (whole - self.trained.own) * each + self.trained.own * self.precision.trained
        model += self.trained.copies * (self.precision.trained - each)
        if self.setup.bits:
            model -= self._saved_by_quantizing()
        if self.setup.upcast_layernorm:
            model += shape.layers * shape.layer_norms * (4 - each)
        model += self._reference() if self._has_reference() else 0.0
        return self._sharded(model, 3, offloads=self.setup.sharding.offload_parameters)

    def _has_reference(self) -> bool:
        """Preference stages keep the untrained model beside one trained whole (``trainer_utils.py``).

        orpo and simpo compare with none (``finetuning_args.py``: use_ref_model).
        """
        setup = self.setup
        compares = setup.stage == "kto" or (setup.stage == "dpo" and setup.preference not in _ALONE)
        return compares and (setup.method != "lora" or bool(setup.reference_model))

    def _reference(self) -> float:
        """The weights of the reference model: taken for the base's size, which is what it mostly has."""
        given = msgspec.structs.replace(
            self.setup, bits=self.setup.reference_bits, double_quantization=self.setup.double_quantization
        )
        whole = self.shape.parameters * self.precision.frozen
        return whole - (self._saved_by_quantizing(given) if self.setup.reference_bits else 0.0)

    def _saved_by_quantizing(self, setup: Setup | None = None) -> float:
        """Linear weights but the output layer's take less; the rest 16 bit (``quantizers/base.py``)."""
        weights = self.shape.layers * sum(linear.weights for linear in self.shape.linears)
        if not self.shape.linear_class:
            return 0.0
        return weights * (self.precision.frozen - quantized_bytes(setup or self.setup))

    def optimiser(self) -> float:
        """The optimiser's numbers; under DeepSpeed or FSDP with the float32 master of what is trained."""
        count, per = self.trained.parameters, _OPTIMISERS.get(self.setup.optimiser, 8.0)
        size = count * per * (self.precision.trained / 4 if per >= 4 else 1)
        if self.setup.sharding.engine:
            size = count * (per + 4.0)
        return self._sharded(size, 1, offloads=self.setup.sharding.offload_optimizer)

    def gradients(self) -> float:
        """The gradients, all of them."""
        return self._sharded(self.trained.parameters * self.precision.trained, 2)

    def _sharded(self, size: float, stage: int, *, offloads: bool = False) -> float:
        """A state as one GPU holds it: dealt out from ZeRO's ``stage`` on, or in the machine's memory."""
        if offloads:
            return 0.0
        return size / self.load.gpus if self.setup.sharding.stage >= stage else size

    def moments(self) -> dict[Phase, Moment]:
        """What is held at each moment beside weights and optimiser.

        Gradients of the micro-batches before are held throughout; without accumulation they grow from
        nothing while what is kept shrinks, so that one of the two ends of the backward pass is the larger.
        """
        shape, setup, tokens = self.shape, self.setup, self.tokens
        layer = layer_saved(shape, setup, self.trained, self.precision, self.load.length)
        work = layer_work(shape, setup, self.trained, self.precision, self.load.length)
        each = checkpoint(shape, setup, self.precision) if setup.checkpointing else layer
        ends = (3 * self.precision.stream + 8) * shape.hidden + self._mask(self.load.length)
        kept = self._layers() * each + ends
        recomputed = layer if setup.checkpointing else 0.0
        logits = find_logits(shape, setup, self.trained)
        every, buffers, casts = self.gradients(), self._buffers(), self._casts()
        before = every if setup.accumulation > 1 else 0.0
        held = casts.kept
        forward = Moment(before, tokens * kept, tokens * logits.forward, buffers + casts.forward)
        head = self._head()
        loss = Moment(before, tokens * kept, tokens * logits.backward, buffers + held)
        last = Moment(before, tokens * kept, tokens * 2.0 * shape.vocab, buffers + held + head)
        first_layer = Moment(before, tokens * (kept + recomputed + work), 0.0, buffers + held + head)
        tail = buffers + held + self._embedding()
        last_layer = Moment(every, tokens * (ends + layer + work), 0.0, tail)
        largest = max(first_layer, last_layer, key=lambda moment: moment.total)
        return {
            "forward": forward,
            "loss": max(loss, last, key=lambda moment: moment.total),
            "layer": largest,
            "evaluation": self._evaluation(casts.forward + buffers),
        }

    def _evaluation(self, buffers: float) -> Moment:
        """A forward pass that keeps nothing but holds the logits: liger fuses them in training only."""
        if not self.setup.eval_batch:
            return Moment(0.0, 0.0, 0.0, 0.0)
        setup = msgspec.structs.replace(self.setup, liger=False)
        length = self.load.evaluated or self.load.length
        tokens = length * self.setup.eval_batch * (2 if setup.stage in ("dpo", "rm") else 1)
        ends = (3 * self.precision.stream + 8) * self.shape.hidden + self._mask(length)
        logits = find_logits(self.shape, setup, self.trained).forward
        return Moment(0.0, tokens * ends, tokens * logits, buffers)

    def _layers(self) -> int:
        """The layers that take part in the backward pass: those behind the first that is trained."""
        first = self.setup.method == "freeze" and self.setup.freeze_layers > 0
        return self.trained.layers if first and not self.setup.llama_pro else self.shape.layers

    def _mask(self, length: int) -> float:
        """Bytes a token of the mask of padded rows: one number for every token of the row."""
        if self.setup.attention == "flash":
            return 0.0
        return (_EAGER_MASK_BYTES if eager(self.shape, self.setup) else _MASK_BYTES) * length

    def _casts(self) -> Casts:
        """Copies of weights in autocast's own type.

        Of a trained float32 leaf the copy is kept until the forward pass ends
        (``aten/src/ATen/autocast_mode.cpp``); of a frozen weight of another type it is made anew for each
        use. Either is kept for the backward pass: of all layers, or of the one that is worked out anew; of
        the output layer, which is never worked out anew, always.
        """
        if not self.setup.mixed:
            return Casts(0.0, 0.0)
        shape, other = self.shape, casts_weights(self.shape, self.setup)
        trained = 0.0 if self.precision.trained == 2 else 2.0 * self.trained.parameters
        frozen = 2.0 * self._layers() * shape.layer_linears if other and not self.setup.bits else 0.0
        frozen = 0.0 if self.trained.own else frozen
        cached = self.trained.head and trained > 0
        head = 2.0 * shape.embedding if other or cached else 0.0
        if not self.setup.checkpointing:
            every = trained + frozen + (0.0 if cached else head)
            return Casts(every, every)
        return Casts(
            trained + frozen / shape.layers + (0.0 if cached else head),
            (trained + frozen) / shape.layers + head,
        )

    def _head(self) -> float:
        """The gradient of a trained output layer: in 16 bit as it is computed, then cast."""
        return 6.0 * self.shape.embedding if self.trained.head else 0.0

    def _embedding(self) -> float:
        """The gradient of a trained embedding as it is made, before it joins those that are there.

        Where input and output share it, autograd holds both shares and their sum at once.
        """
        if self.trained.own != self.shape.parameters:
            return 0.0
        more = 1 if self.setup.accumulation > 1 else 0
        return (more + (2 if self.shape.tied else 0)) * self.precision.trained * self.shape.embedding

    def _buffers(self) -> float:
        """Rotary tables, and the largest weight as it is when it is computed with."""
        largest = max(linear.weights for linear in self.shape.linears)
        dequantized = 2 * 2 * largest if self.setup.bits else 0
        live = 2.0 * largest * 2 if self.setup.sharding.stage == 3 else 0.0
        return dequantized + live + 8.0 * self.load.length * self.shape.head_dim

    def communication(self) -> float:
        """What several GPUs add: buckets of gradients, NCCL's own buffers.

        ``torch.nn.parallel.DistributedDataParallel`` keeps a copy of the gradients in buckets; DeepSpeed's
        stages use two of 5e8 numbers (``allgather_bucket_size``, ``reduce_bucket_size`` of its examples).
        """
        if self.load.gpus == 1 and not self.setup.sharding.engine:
            return 0.0
        nccl = 0.7e9
        if self.setup.sharding.engine:
            return nccl + 2 * 2 * min(5e8, float(self.trained.parameters))
        return nccl + self.trained.parameters * self.precision.trained

    def margin(self) -> float:
        """The margin: wider where states are dealt out or the method is known roughly."""
        rough = bool(self.setup.sharding.engine) or self.setup.stage in ("dpo", "kto", "rm")
        rough = rough or self.setup.optimiser not in _OPTIMISERS or self.setup.quantizer in ("hqq", "eetq")
        return self.constants.margin + (0.10 if rough else 0.0)

    def known(self) -> list[str]:
        """What is known only roughly, and why."""
        setup, notes = self.setup, []
        if setup.optimiser not in _OPTIMISERS:
            notes.append(f"The optimiser {setup.optimiser} is not known here: taken for AdamW, the larger.")
        if setup.unsloth:
            notes.append("unsloth: its own kernels save more than is counted here; checkpoints go to memory.")
        if setup.sharding.engine:
            notes.append(f"{setup.sharding.engine}: buckets and gathered parameters are estimated roughly.")
        if setup.stage in ("dpo", "kto", "rm"):
            notes.append(f"stage {setup.stage}: pairs and reference log-probabilities are estimated roughly.")
        if liger(self.shape, setup):
            notes.append("liger: the fused loss holds no logits; its chunks are estimated roughly.")
        return notes


def quantized_bytes(setup: Setup) -> float:
    """Bytes a weight under bitsandbytes, as LLaMA-Factory sets it up (``model_utils/quantization.py``).

    4 bit: half a byte, and for each block of 64 a float32 scale or, doubly quantized, one byte with a float32
    for 256 of them. 8 bit: one byte; a float32 a row is left out of account. hqq and eetq are taken alike.
    """
    if setup.bits == 4:
        return 0.5 + (1 / 64 + 4 / (64 * 256) if setup.double_quantization else 4 / 64)
    return setup.bits / 8
