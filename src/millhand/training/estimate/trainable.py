"""Which parameters a training changes and how many they are: full, freeze, LoRA and what goes with them.

Exact for models and adapters that are built without remote code: a test counts the same with peft.
"""

from __future__ import annotations

import msgspec

from millhand.errors import UsageError
from millhand.training.estimate.setup import Setup
from millhand.training.estimate.shapes import Linear, Shape


class Trainable(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters that are trained: ``adapter`` beside the model, ``own`` of the model itself.

    ``copies`` are full copies of modules that peft trains in place of the model's (``modules_to_save``).
    ``adapted`` names the linear modules that carry an adapter; ``layers`` is how many layers take part.
    """

    adapter: int = 0
    own: int = 0
    copies: int = 0
    adapted: frozenset[str] = frozenset()
    layers: int = 0
    head: bool = False

    @property
    def parameters(self) -> int:
        """All that is trained."""
        return self.adapter + self.own + self.copies


def find_trainable(shape: Shape, setup: Setup) -> Trainable:
    """What a training of these settings changes in a model of this shape.

    Raises:
        UsageError: The method is not covered, or the named modules are none of the model's.
    """
    if setup.method == "full":
        return Trainable(own=shape.parameters, layers=shape.layers, head=True)
    if setup.method == "freeze":
        return _freeze(shape, setup)
    if setup.method == "lora":
        return _lora(shape, setup)
    raise UsageError(
        f"finetuning_type: {setup.method} is not estimated.", mend="Estimated are lora, freeze and full."
    )


def _lora(shape: Shape, setup: Setup) -> Trainable:
    """LoRA: rank times (inputs + outputs) a module; DoRA adds one number an output (``peft.tuners.lora``)."""
    adapted = _adapted(shape, setup)
    layers = _expanded(shape, setup) if setup.llama_pro else shape.layers
    each = sum(_adapter(linear, setup) for linear in adapted)
    copies, head = _copies(shape, setup)
    extra, names = _adapted_ends(shape, setup)
    return Trainable(
        adapter=layers * each + extra,
        copies=copies,
        adapted=frozenset({linear.name for linear in adapted} | names),
        layers=layers,
        head=head,
    )


def _adapter(linear: Linear, setup: Setup) -> int:
    return setup.rank * (linear.inputs + linear.outputs) + (linear.outputs if setup.dora else 0)


def _adapted(shape: Shape, setup: Setup) -> list[Linear]:
    """The linear modules that lora_target names; ``all`` is every one (``misc.find_all_linear_modules``)."""
    if setup.targets == ("all",):
        found = list(shape.linears) if shape.linear_class else []
    else:
        found = [linear for linear in shape.linears if linear.name in setup.targets]
    if not found and not _adapted_ends(shape, setup)[0]:
        names = ",".join(dict.fromkeys(linear.name for linear in shape.linears))
        raise UsageError(
            f"lora_target: {','.join(setup.targets)} names no module of {shape.source}.",
            mend=f"Write lora_target: {names}",
        )
    return found


def _adapted_ends(shape: Shape, setup: Setup) -> tuple[int, frozenset[str]]:
    """Adapters on the embedding or the output layer: named, or found by ``all`` (GPT-NeoX's embed_out)."""
    wanted = frozenset(setup.targets)
    if setup.targets == ("all",):  # only an output layer called lm_head is left out
        wanted = frozenset(shape.embedding_names[1:]) - {"lm_head"}
    names = frozenset(shape.embedding_names) & wanted
    return len(names) * setup.rank * (shape.vocab + shape.hidden), names


def _copies(shape: Shape, setup: Setup) -> tuple[int, bool]:
    """Modules trained whole: additional_target, or both ends of the vocabulary once it was resized.

    ``model/adapter.py`` names the embedding and the output layer where resize_vocab is set; peft copies each
    (tied ones too: ``modules_to_save`` unties them).
    """
    if not setup.additional and not setup.resize_vocab:
        return 0, False
    wanted = setup.additional or shape.embedding_names
    found = [name for name in shape.embedding_names if name in wanted]
    norms = shape.layers * shape.layer_norms if any("norm" in name for name in wanted) else 0
    return len(found) * shape.embedding + norms, shape.embedding_names[1] in found


def _expanded(shape: Shape, setup: Setup) -> int:
    """Blocks that LLaMA Pro added, one in every stride (``misc.find_expanded_modules``)."""
    return min(shape.layers, abs(setup.freeze_layers) or shape.layers)


def _freeze(shape: Shape, setup: Setup) -> Trainable:
    """Freeze: the last (if negative, the first) layers, of them the named modules (``model/adapter.py``)."""
    layers = min(abs(setup.freeze_layers), shape.layers)
    per_layer = shape.layer_linears + shape.layer_norms
    if setup.freeze_modules != ("all",):
        per_layer = sum(_module(shape, name) for name in setup.freeze_modules)
    embedding, head = shape.embedding_names
    extra = shape.embedding if embedding in setup.freeze_extra else 0
    extra += shape.embedding if head in setup.freeze_extra and not shape.tied else 0
    return Trainable(own=layers * per_layer + extra, layers=layers, head=head in setup.freeze_extra)


def _module(shape: Shape, name: str) -> int:
    """A module of a layer by the name that freeze_trainable_modules has: ``mlp``, ``self_attn`` or a norm."""
    attention = ("attention", "attended")
    if name in ("self_attn", "attention", "attn"):
        heads = 2 * shape.head_norm_width if shape.head_norms else 0
        return heads + sum(linear.parameters for linear in shape.linears if linear.reads in attention)
    if name == "mlp":
        return sum(linear.parameters for linear in shape.linears if linear.reads not in attention)
    return shape.hidden * (2 if shape.norm_bias else 1)
