"""Randomly initialised weights of a current architecture, in two sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec

Architecture = Literal["qwen3", "llama"]
SizeName = Literal["tiny", "small"]


class Size(msgspec.Struct, frozen=True):
    """The shape of a model; widths in units, contexts in tokens.

    ``initializer_range`` is far above the usual 0.02: with LoRA the base stays as it was drawn, and at 0.02
    the signal that reaches the adapters is too weak to learn from (measured with LLaMA-Factory 0.9.5: the
    loss stalls at 5.4). It shrinks with the root of the width.
    """

    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    intermediate: int
    vocab: int
    context: int
    initializer_range: float


SIZES: Mapping[str, Size] = MappingProxyType({
    "tiny": Size(
        hidden=128, layers=4, heads=4, key_value_heads=2, intermediate=384,
        vocab=1024, context=1024, initializer_range=0.08,
    ),
    "small": Size(
        hidden=384, layers=8, heads=6, key_value_heads=2, intermediate=1024,
        vocab=8192, context=2048, initializer_range=0.046,
    ),
})  # fmt: skip


def save_weights(folder: Path, architecture: Architecture, size: Size, seed: int) -> int:
    """Draw weights for the tokenizer in ``folder``, save them there and return the number of parameters.

    The weights depend on ``seed``, the shape and torch's version only; torch's own random state is left
    as it was.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = _config(architecture, size, tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    with _no_bar():
        model.save_pretrained(folder)
    return int(sum(weights.numel() for weights in model.parameters()))


@contextmanager
def _no_bar() -> Iterator[None]:
    """Keep transformers' progress bar, for a file of a few megabytes, off the terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _config(architecture: Architecture, size: Size, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, Qwen3Config

    kind = Qwen3Config if architecture == "qwen3" else LlamaConfig
    return kind(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_value_heads,
        head_dim=size.hidden // size.heads,
        intermediate_size=size.intermediate,
        max_position_embeddings=size.context,
        initializer_range=size.initializer_range,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
