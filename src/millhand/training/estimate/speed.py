"""How long a training takes: operations over the part of a GPU's speed that is reached, as a range.

Nothing here is measured yet. The range of the reached part (MFU) is wide on purpose: 16-bit training with
transformers and checkpointing reaches some 20 to 50% of a data sheet's dense figure, less where batches are
small. What is not arithmetic is added: weights read from memory, and the launch of thousands of kernels.
"""

from __future__ import annotations

from typing import NamedTuple

from millhand.training.estimate.gpus import Gpu
from millhand.training.estimate.memory import quantized_bytes
from millhand.training.estimate.setup import Setup
from millhand.training.estimate.shapes import Shape
from millhand.training.estimate.steps import Work
from millhand.training.estimate.trainable import Trainable

MFU = (0.15, 0.50)
# Seconds that a layer's kernels take to start in one pass, forward or backward, fast and slow host.
_LAUNCH = (0.0004, 0.0015)
_LINK_GB_S = (2.0, 20.0)  # what several GPUs exchange gradients at: PCIe of a shared host to NVLink


class Range(NamedTuple):
    """A figure between two bounds."""

    low: float
    high: float


def passes(setup: Setup, trained: Trainable, shape: Shape) -> float:
    """Passes over the model a token, in forward ones: forward, again where recomputed, and backward.

    A backward pass costs one for the gradients of activations and, of trained weights, one more.
    """
    again = 1.0 if setup.checkpointing else 0.0
    return 2.0 + again + trained.own / shape.parameters


def flops_per_token(shape: Shape, length: float) -> float:
    """Operations of a forward pass a token: two a weight, and attention over half of the row."""
    linears = shape.layers * sum(linear.weights for linear in shape.linears)
    attention = 2 * 2 * shape.layers * shape.queries * length / 2
    return 2.0 * (linears + shape.embedding) + attention


def seconds(shape: Shape, setup: Setup, trained: Trainable, work: Work, gpu: Gpu, gpus: int) -> Range:
    """How long the training's steps and evaluations take on ``gpus`` GPUs of one kind."""
    if not work.steps:
        return Range(0.0, 0.0)
    micro = work.steps * setup.accumulation
    done = passes(setup, trained, shape)
    width = work.padded / max(1, work.sequences * _rounds(work, setup, gpus))
    arithmetic = work.padded * flops_per_token(shape, width) * done / (gpu.tflops * 1e12 * gpus)
    memory = micro * done * _traffic(shape, setup) / (gpu.bandwidth_gb_s * 1e9)
    launch = micro * shape.layers * done
    shared = work.steps * trained.parameters * 4.0 * 2 / 1e9 if gpus > 1 else 0.0
    evaluated = work.evaluated_padded / max(1, work.evaluated)
    evaluation = work.evaluations * work.evaluated_padded * flops_per_token(shape, evaluated)
    evaluation /= gpu.tflops * 1e12 * gpus
    fast = (arithmetic + evaluation) / MFU[1] + memory + launch * _LAUNCH[0] + shared / _LINK_GB_S[1]
    slow = (arithmetic + evaluation) / MFU[0] + 2 * memory + launch * _LAUNCH[1] + shared / _LINK_GB_S[0]
    return Range(fast, slow)


def _rounds(work: Work, setup: Setup, gpus: int) -> float:
    return work.steps * setup.accumulation * setup.batch * gpus / max(1, work.sequences)


def _traffic(shape: Shape, setup: Setup) -> float:
    """Bytes of weights that a pass moves: read once; unpacked to 16 bit and read again where quantized."""
    weights = shape.layers * sum(linear.weights for linear in shape.linears)
    return weights * (quantized_bytes(setup) + 4.0 if setup.bits else shape.weight_bytes)


def preparation(shape: Shape) -> Range:
    """What passes before the first step of a rented pod: environment, download, loading."""
    size = shape.parameters * shape.weight_bytes
    return Range(60 + size / 500e6, 900 + size / 50e6)
