"""What a step keeps for its backward pass, and what it needs at its widest point. Bytes, per token or in all.

The terms follow the forward code of transformers 5 and of peft 0.18, tensor by tensor; ``benchmarks/vram.py``
counts the same tensors as torch allocates them and compares. Names: ``compute`` is the size of a number that
a linear module works with (2 under autocast), ``stream`` that of the hidden states between layers (the
embedding's: 2 where it is frozen in 16 bit, 4 where it was cast to be trained).
"""

from __future__ import annotations

import msgspec

from millhand.training.estimate.setup import LIGER, Setup
from millhand.training.estimate.shapes import Shape
from millhand.training.estimate.trainable import Trainable

_FLOAT = 4


class Precision(msgspec.Struct, frozen=True):
    """Bytes of a number in a linear module, between layers, of a trained parameter, of a frozen one."""

    compute: int
    stream: int
    trained: int
    frozen: int


def find_precision(shape: Shape, setup: Setup, trained: Trainable) -> Precision:
    """The sizes that follow from LLaMA-Factory's casts.

    ``model/adapter.py`` casts what is trained to float32, unless pure_bf16 or badam keeps it in 16 bit, or
    ZeRO-3 holds it in float32 anyway.
    """
    frozen = 2 if setup.bits else shape.weight_bytes
    small = setup.pure_bf16 or setup.badam
    own = frozen if small else _FLOAT
    if setup.sharding.engine == "deepspeed" and setup.mixed:
        own = 2  # the engine holds the module in 16 bit and a float32 master apart
    stream = own if trained.own else frozen
    if casts_weights(shape, setup):
        stream = _FLOAT  # bfloat16 and float16 add up to float32
    compute = 2 if setup.mixed else stream
    return Precision(compute, stream, own if trained.own or small else _FLOAT, frozen)


def casts_weights(shape: Shape, setup: Setup) -> bool:
    """Whether autocast has another type than the checkpoint: float16 weights under ``bf16: true``."""
    return bool(setup.mixed) and {"bf16": "bfloat16", "fp16": "float16"}[setup.mixed] != shape.dtype


def layer_saved(shape: Shape, setup: Setup, trained: Trainable, precision: Precision, length: int) -> float:
    """Bytes a token that one layer keeps for its backward pass where nothing is recomputed.

    ``length`` is that of the sequences: eager attention keeps scores of every pair of tokens.
    """
    whole = trained.own > 0
    saved = _norms(shape, setup, precision, whole=whole)
    saved += _inputs(shape, setup, trained, precision, whole=whole)
    saved += _attention(shape, setup, precision, length)
    inner = shape.inner_tensors - (1 if liger(shape, setup) and shape.mlp == "gated" else 0)
    saved += inner * precision.compute * shape.intermediate
    return saved + shape.dropouts * shape.hidden


def liger(shape: Shape, setup: Setup) -> bool:
    """Whether liger's kernels stand in: it is asked for, and knows the model (``liger_kernel.py``)."""
    return setup.liger and shape.model_type in LIGER


def _norms(shape: Shape, setup: Setup, precision: Precision, *, whole: bool) -> float:
    """A norm keeps its input in float32, and the normalised one where its weight is trained."""
    each = precision.stream if liger(shape, setup) else _FLOAT
    width = shape.norms * shape.hidden
    saved = (each + (precision.stream if whole and shape.norm == "rms" else 0)) * width
    if shape.head_norms:
        heads = shape.queries + shape.keys
        saved += (_FLOAT + (precision.compute if whole else 0)) * heads
    return saved


def _inputs(shape: Shape, setup: Setup, trained: Trainable, precision: Precision, *, whole: bool) -> float:
    """Inputs of linear modules that are kept: for a trained weight, and for an adapter a copy of its own."""
    if whole:
        cast = precision.stream != precision.compute
        seen: dict[str, int] = {}
        for linear in shape.linears:
            again = cast and linear.reads in ("attention", "mlp")
            seen[linear.name if again else linear.reads] = linear.inputs
        return precision.compute * sum(seen.values())
    own = precision.compute if setup.mixed else _FLOAT
    drop = (1 + _FLOAT if setup.dropout else 0) + (_FLOAT if setup.dora else 0)
    adapted = [linear for linear in shape.linears if linear.name in trained.adapted]
    return sum((own + drop) * linear.inputs + 2 * own * setup.rank for linear in adapted)


def _attention(shape: Shape, setup: Setup, precision: Precision, length: int) -> float:
    """Queries, keys, values and what came out; keys and values repeated for each head but in flash.

    ``integrations/sdpa_attention.py``: with a mask of its own (padded rows) sdpa is given repeated keys.
    """
    keys = shape.keys if setup.attention == "flash" else shape.queries
    fused = shape.queries if shape.fused_qkv else 0
    saved = precision.compute * (2 * shape.queries + 2 * keys + fused) + _FLOAT * shape.heads
    if eager(shape, setup):
        # softmax in float32 and its 16-bit copy; soft-capping (gemma2) keeps two more
        capped = 2 * precision.compute if shape.eager_only else 0
        saved += (_FLOAT + precision.compute + capped) * shape.heads * length
    return saved


def eager(shape: Shape, setup: Setup) -> bool:
    """Whether attention keeps a score for every pair of tokens: asked for, or all that the model can."""
    return setup.attention == "eager" or (shape.eager_only and setup.attention != "flash")


def layer_work(shape: Shape, setup: Setup, trained: Trainable, precision: Precision, length: int) -> float:
    """Bytes a token that the backward pass of one layer needs beside what the layer kept."""
    inner = (3 if shape.mlp == "gated" else 2) * precision.compute * shape.intermediate
    outer = (3 * _FLOAT if trained.adapted or trained.own else _FLOAT) * shape.hidden
    if eager(shape, setup):
        inner = max(inner, 2 * _FLOAT * shape.heads * length)
    return inner + outer


def checkpoint(shape: Shape, setup: Setup, precision: Precision) -> float:
    """Bytes a token and layer that checkpointing keeps: the layer's input, unless it goes to memory."""
    return 0.0 if setup.offloads_checkpoints else precision.stream * shape.hidden


class Logits(msgspec.Struct, frozen=True):
    """Bytes a token that the output layer and the loss need, in the forward and in the backward pass."""

    forward: float
    backward: float


def find_logits(shape: Shape, setup: Setup, trained: Trainable) -> Logits:
    """The logits and their copies.

    ``loss/loss_utils.py`` casts them to float32 (4), log_softmax keeps its result (4) while the 16-bit logits
    (2) are still held; accelerate casts those to float32 as well (``convert_outputs_to_fp32``). In the
    backward pass three float32 tensors meet: the result, the gradient of the loss, that of the logits (12).
    liger fuses output layer and loss for pt and sft, in chunks of about a hidden state's size.
    """
    if liger(shape, setup) and setup.stage in ("pt", "sft"):
        return Logits(3 * _FLOAT * shape.hidden, 3 * _FLOAT * shape.hidden)
    per = 2 + 2 * _FLOAT + (_FLOAT if setup.upcast_head else 0)
    per += 2 if shape.embedding_names[1] in trained.adapted else 0
    back = 3 * _FLOAT
    if shape.eager_only:  # gemma2 caps its logits: tanh keeps its result
        per, back = per + 4, back + 2
    if setup.stage in ("dpo", "kto"):
        per, back = per + _FLOAT, back + 2 * _FLOAT
    return Logits(per * shape.vocab, back * shape.vocab)
