"""The shape of a model: its layers' sizes and the names of its linear modules, from its config.json.

Parameter counts that follow from a shape are exact: a test builds the same models on torch's meta device
with transformers and with peft and compares them to the last parameter. Names are those of transformers 5,
or of the remote code that a model brings (``exaone``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from millhand.errors import UsageError

Values = Mapping[str, Any]
Norm = Literal["rms", "layer"]
Mlp = Literal["gated", "plain"]

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


class Linear(msgspec.Struct, frozen=True):
    """A linear module that stands once in every layer: ``name`` as LLaMA-Factory's lora_target has it.

    ``reads`` names the tensor that it takes: modules that read the same tensor may share what is saved of it.
    """

    name: str
    inputs: int
    outputs: int
    bias: bool
    reads: str

    @property
    def weights(self) -> int:
        """The parameters of its weight, without the bias."""
        return self.inputs * self.outputs

    @property
    def parameters(self) -> int:
        """All its parameters."""
        return self.weights + (self.outputs if self.bias else 0)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A decoder-only transformer.

    ``queries`` and ``keys`` are the widths of the query and of the key (and value) states: heads times head
    dimension. ``norms`` counts the norms of the hidden width in a layer; ``head_norms`` says that queries and
    keys have one each, of the head's width. ``dtype`` is that of the checkpoint, in which LLaMA-Factory loads
    it (``model/loader.py``: ``torch_dtype="auto"``). ``inner_tensors`` counts the tensors of the inner width
    that an MLP keeps for its backward pass; ``dropouts`` those of the hidden width that are dropped from.
    ``linear_class`` is false where the modules are GPT-2's Conv1D, which neither ``lora_target: all`` nor
    bitsandbytes finds.
    """

    model_type: str
    source: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    positions: int
    tied: bool
    dtype: str
    linears: tuple[Linear, ...]
    norm: Norm = "rms"
    norms: int = 2
    norm_bias: bool = False
    head_norms: bool = False
    head_norm_width: int = 0
    mlp: Mlp = "gated"
    inner_tensors: int = 3
    dropouts: int = 0
    final_norm: bool = True
    learned_positions: bool = False
    embedding_names: tuple[str, str] = ("embed_tokens", "lm_head")
    linear_class: bool = True
    fused_qkv: bool = False
    eager_only: bool = False
    quantized: str = ""
    quantized_bits: int = 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of a parameter as it is loaded."""
        return _BYTES[self.dtype]

    @property
    def queries(self) -> int:
        """The width of the query states."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """The width of the key states, and of the value states."""
        return self.kv_heads * self.head_dim

    @property
    def layer_norms(self) -> int:
        """The parameters of a layer's norms."""
        per = self.hidden * (2 if self.norm_bias else 1)
        return self.norms * per + (2 * self.head_norm_width if self.head_norms else 0)

    @property
    def layer_linears(self) -> int:
        """The parameters of a layer's linear modules."""
        return sum(linear.parameters for linear in self.linears)

    @property
    def embedding(self) -> int:
        """The parameters of the input embedding."""
        return self.vocab * self.hidden

    @property
    def head(self) -> int:
        """The parameters of the output layer; 0 where it is the embedding itself."""
        return 0 if self.tied else self.embedding

    @property
    def other(self) -> int:
        """Position embeddings and the last norm."""
        last = self.hidden * (2 if self.norm_bias else 1) if self.final_norm else 0
        return last + (self.positions * self.hidden if self.learned_positions else 0)

    @property
    def parameters(self) -> int:
        """All parameters, tied ones once."""
        return self.layers * (self.layer_linears + self.layer_norms) + self.embedding + self.head + self.other

    def linear(self, name: str) -> Linear | None:
        """The linear module of that name."""
        return next((linear for linear in self.linears if linear.name == name), None)


def read_shape(config: Values, source: str) -> Shape:
    """The shape that a config.json describes.

    Raises:
        UsageError: It is of a kind that is not covered, or lacks a size.
    """
    if "text_config" in config:
        raise UsageError(
            f"{source} is a model of text and images; only models of text are estimated.",
            mend="Try it with a small batch on the GPU: the first steps show whether it fits.",
        )
    kind = str(config.get("model_type", ""))
    reader = _READERS.get(kind)
    if reader is None:
        raise UsageError(
            f"{source}: models of type {kind or '(none)'!r} are not estimated.",
            mend=f"Covered are {', '.join(_READERS)}.",
        )
    try:
        return reader(config, source)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{source} does not say the model's {error}.",
            mend="Take the config.json that came with the model.",
        ) from error


def _common(config: Values, source: str) -> dict[str, Any]:
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    head_dim = int(config.get("head_dim") or hidden // heads)
    layers = config.get("num_hidden_layers") or config["num_layers"]
    return {
        "model_type": str(config["model_type"]),
        "source": source,
        "layers": int(layers),
        "hidden": hidden,
        "intermediate": int(config["intermediate_size"]),
        "heads": heads,
        "kv_heads": int(config.get("num_key_value_heads") or heads),
        "head_dim": head_dim,
        "vocab": int(config["vocab_size"]),
        "positions": int(config.get("max_position_embeddings", 0)),
        "dtype": _dtype(config),
        **_quantized(config),
    }


def _dtype(config: Values) -> str:
    """The checkpoint's type: ``dtype`` in transformers 5, ``torch_dtype`` before it.

    Without either, ``torch_dtype="auto"`` looks at the first tensor; then the largest is taken.
    """
    named = str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")
    return named if named in _BYTES else "float32"


def _quantized(config: Values) -> dict[str, Any]:
    """How the checkpoint is quantized; mxfp4 and fp8 are unpacked on loading (``quantization.py``)."""
    given = config.get("quantization_config")
    if not isinstance(given, Mapping) or given.get("quant_method") in ("mxfp4", "fp8"):
        return {}
    method = str(given.get("quant_method", "unknown"))
    bits = 8 if given.get("load_in_8bit") else int(given.get("bits") or 4)
    return {"quantized": method, "quantized_bits": bits}


def _attention(
    common: Mapping[str, Any], names: tuple[str, str, str, str], *, bias: bool, out_bias: bool
) -> tuple[Linear, ...]:
    hidden, head = common["hidden"], common["head_dim"]
    queries, keys = common["heads"] * head, common["kv_heads"] * head
    query, key, value, out = names
    return (
        Linear(query, hidden, queries, bias, "attention"),
        Linear(key, hidden, keys, bias, "attention"),
        Linear(value, hidden, keys, bias, "attention"),
        Linear(out, queries, hidden, out_bias, "attended"),
    )


def _gated(common: Mapping[str, Any], names: tuple[str, str, str], *, bias: bool) -> tuple[Linear, ...]:
    hidden, inner = common["hidden"], common["intermediate"]
    gate, up, down = names
    return (
        Linear(gate, hidden, inner, bias, "mlp"),
        Linear(up, hidden, inner, bias, "mlp"),
        Linear(down, inner, hidden, bias, "inner"),
    )


_LLAMA_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_LLAMA_MLP = ("gate_proj", "up_proj", "down_proj")


def _llama(config: Values, source: str) -> Shape:
    """llama, mistral and qwen2: two RMS norms, a gated MLP (``models/llama/modeling_llama.py``)."""
    common = _common(config, source)
    qkv = common["model_type"] == "qwen2" or bool(config.get("attention_bias", False))
    out = bool(config.get("attention_bias", False)) and common["model_type"] == "llama"
    linears = _attention(common, _LLAMA_ATTENTION, bias=qkv, out_bias=out)
    linears += _gated(common, _LLAMA_MLP, bias=bool(config.get("mlp_bias", False)))
    return Shape(**common, linears=linears, tied=bool(config.get("tie_word_embeddings", False)))


def _qwen3(config: Values, source: str) -> Shape:
    """qwen3: as llama, with a norm of the head's width on queries and keys."""
    common = _common({"head_dim": 128, **config}, source)
    bias = bool(config.get("attention_bias", False))
    linears = _attention(common, _LLAMA_ATTENTION, bias=bias, out_bias=bias)
    linears += _gated(common, _LLAMA_MLP, bias=False)
    tied = bool(config.get("tie_word_embeddings", False))
    width = common["head_dim"]
    return Shape(**common, linears=linears, tied=tied, head_norms=True, head_norm_width=width)


def _exaone4(config: Values, source: str) -> Shape:
    """exaone4: as qwen3, the norms behind attention and MLP; the head's width may follow from the heads."""
    common = _common(config, source)
    linears = _attention(common, _LLAMA_ATTENTION, bias=False, out_bias=False)
    linears += _gated(common, _LLAMA_MLP, bias=False)
    tied = bool(config.get("tie_word_embeddings", False))
    width = common["head_dim"]
    return Shape(**common, linears=linears, tied=tied, head_norms=True, head_norm_width=width)


def _gemma(config: Values, source: str) -> Shape:
    """gemma, gemma2 (four norms) and gemma3_text (four, and norms on queries and keys); tied by default."""
    common = _common({"head_dim": 256, **config}, source)
    kind, bias = common["model_type"], bool(config.get("attention_bias", False))
    linears = _attention(common, _LLAMA_ATTENTION, bias=bias, out_bias=bias)
    linears += _gated(common, _LLAMA_MLP, bias=False)
    return Shape(
        **common,
        linears=linears,
        tied=bool(config.get("tie_word_embeddings", True)),
        norms=2 if kind == "gemma" else 4,
        head_norms=kind == "gemma3_text",
        head_norm_width=common["head_dim"],
        eager_only=kind == "gemma2",
    )


def _exaone(config: Values, source: str) -> Shape:
    """EXAONE (3.0, 3.5): llama's arithmetic under GPT-2's names (the model's own ``modeling_exaone.py``)."""
    common = _common(config, source)
    linears = _attention(common, ("q_proj", "k_proj", "v_proj", "out_proj"), bias=False, out_bias=False)
    linears += _gated(common, ("c_fc_0", "c_fc_1", "c_proj"), bias=False)
    tied = bool(config.get("tie_word_embeddings", True))
    return Shape(**common, linears=linears, tied=tied, embedding_names=("wte", "lm_head"))


def _gpt_neox(config: Values, source: str) -> Shape:
    """gpt_neox: one fused projection, two layer norms with biases, a plain MLP, an untied output layer."""
    common = _common(config, source)
    hidden, inner = common["hidden"], common["intermediate"]
    bias = bool(config.get("attention_bias", True))
    linears = (
        Linear("query_key_value", hidden, 3 * hidden, bias, "attention"),
        Linear("dense", hidden, hidden, bias, "attended"),
        Linear("dense_h_to_4h", hidden, inner, True, "mlp"),
        Linear("dense_4h_to_h", inner, hidden, True, "inner"),
    )
    return Shape(
        **common, linears=linears, tied=bool(config.get("tie_word_embeddings", False)), norm="layer",
        norm_bias=True, mlp="plain", inner_tensors=1, fused_qkv=True,
        embedding_names=("embed_in", "embed_out"),
    )  # fmt: skip


def _gpt2(config: Values, source: str) -> Shape:
    """gpt2: Conv1D modules, learned positions, tied by default; ``gelu_new`` is written out, step by step."""
    hidden = int(config["n_embd"])
    renamed = {
        **config, "hidden_size": hidden, "num_attention_heads": config["n_head"],
        "num_hidden_layers": config["n_layer"], "max_position_embeddings": config.get("n_positions", 1024),
        "intermediate_size": config.get("n_inner") or 4 * hidden,
    }  # fmt: skip
    common = _common(renamed, source)
    inner = common["intermediate"]
    linears = (
        Linear("c_attn", hidden, 3 * hidden, True, "attention"),
        Linear("c_proj", hidden, hidden, True, "attended"),
        Linear("c_fc", hidden, inner, True, "mlp"),
        Linear("c_proj", inner, hidden, True, "inner"),
    )
    return Shape(
        **common, linears=linears, tied=bool(config.get("tie_word_embeddings", True)), norm="layer",
        norm_bias=True, mlp="plain", inner_tensors=5, dropouts=2, learned_positions=True,
        embedding_names=("wte", "lm_head"), linear_class=False, fused_qkv=True,
    )  # fmt: skip


_READERS: dict[str, Callable[[Values, str], Shape]] = {
    "llama": _llama,
    "mistral": _llama,
    "qwen2": _llama,
    "qwen3": _qwen3,
    "gemma": _gemma,
    "gemma2": _gemma,
    "gemma3_text": _gemma,
    "exaone": _exaone,
    "exaone4": _exaone4,
    "gpt_neox": _gpt_neox,
    "gpt2": _gpt2,
}
