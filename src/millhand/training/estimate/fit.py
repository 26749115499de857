"""The smallest changes that make a training fit a GPU, each set of them proved by a new estimate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import combinations

import msgspec

from millhand.training.estimate.memory import Constants, Load, Peak, estimate
from millhand.training.estimate.setup import LIGER, Setup, Sharding
from millhand.training.estimate.shapes import Shape

_MOST = 4  # changes at once; more is another training
_BITS = "bitsandbytes"
_ABSENT = 20.0  # what a package costs that has to be brought first: more than any change of what is there

Settings = Mapping[str, object]


class Change(msgspec.Struct, frozen=True):
    """One change of a setting.

    ``settings`` is what to write into train.yaml; ``costs`` says what is lost; ``price`` orders changes, the
    least harmful first: those that leave what is learned as it is cost least. ``needs`` is a package beyond
    LLaMA-Factory's own.
    """

    settings: dict[str, object]
    costs: str
    price: float
    needs: str = ""


class Fitting(msgspec.Struct, frozen=True):
    """Changes that make it fit, and the estimate with them."""

    changes: tuple[Change, ...]
    peak: Peak


_Step = Callable[[Setup, Load], tuple[Setup, Load]]


class _Move(msgspec.Struct, frozen=True):
    change: Change
    apply: _Step


def find_fit(
    shape: Shape,
    setup: Setup,
    load: Load,
    memory: float,
    constants: Constants,
    *,
    taken: Callable[[Settings], bool] = lambda _: True,
    lacks: Collection[str] = (),
) -> Fitting | None:
    """The cheapest set of changes after which the estimate, with its margin, is below ``memory`` bytes.

    Args:
        taken: Whether LLaMA-Factory takes the config with these settings in it.
        lacks: Packages that are not there: what needs one is proposed last, and says so.
    """
    moves = [_priced(move, lacks) for move in _moves(shape, setup, load)]
    sets = [
        chosen for size in range(1, _MOST + 1) for chosen in combinations(moves, size) if _compatible(chosen)
    ]
    for chosen in sorted(sets, key=lambda moves: sum(move.change.price for move in moves)):
        changed, given = setup, load
        for move in chosen:
            changed, given = move.apply(changed, given)
        peak = estimate(shape, changed, given, constants)
        settings = {key: value for move in chosen for key, value in move.change.settings.items()}
        if peak.high <= memory and taken(settings):
            return Fitting(tuple(move.change for move in chosen), peak)
    return None


def _priced(move: _Move, lacks: Collection[str]) -> _Move:
    change = move.change
    if change.needs not in lacks:
        return move
    costs = f"{change.costs}; needs {change.needs}, which is not in the pod's environment"
    dearer = msgspec.structs.replace(change, costs=costs, price=change.price + _ABSENT)
    return msgspec.structs.replace(move, change=dearer)


def _compatible(chosen: Sequence[_Move]) -> bool:
    """Each setting is changed once."""
    keys = [key for move in chosen for key in move.change.settings]
    return len(keys) == len(set(keys))


def _moves(shape: Shape, setup: Setup, load: Load) -> Iterator[_Move]:
    yield from _batches(setup)
    yield from _kept_less(shape, setup)
    yield from _shorter(load)
    yield from _states(shape, setup, load)


def _batches(setup: Setup) -> Iterator[_Move]:
    if setup.eval_batch > 1:
        change = Change({"per_device_eval_batch_size": 1}, "nothing learned; evaluates more slowly", 0.5)
        yield _Move(change, _with(eval_batch=1))
    size = setup.batch // 2
    while size >= 1:
        more = setup.accumulation * -(-setup.batch // size)
        settings: dict[str, object] = {
            "per_device_train_batch_size": size,
            "gradient_accumulation_steps": more,
        }
        price = 1.0 + 0.05 * (setup.batch / size)
        yield _Move(Change(settings, "nothing learned; somewhat slower", price), _set_batch(size, more))
        size //= 2


def _set_batch(size: int, more: int) -> _Step:
    return lambda setup, load: (
        msgspec.structs.replace(setup, batch=size, accumulation=more),
        msgspec.structs.replace(load, batch=size),
    )


def _with(**changes: object) -> _Step:
    return lambda setup, load: (msgspec.structs.replace(setup, **changes), load)


def _kept_less(shape: Shape, setup: Setup) -> Iterator[_Move]:
    if not setup.checkpointing:
        change = Change({"disable_gradient_checkpointing": False}, "nothing learned; a third slower", 1.2)
        yield _Move(change, _with(checkpointing=True))
    fused = setup.stage in ("pt", "sft") and shape.model_type in LIGER
    if fused and not setup.liger and not setup.unsloth:
        change = Change({"enable_liger_kernel": True}, "nothing learned", 1.5, "liger-kernel")
        yield _Move(change, _with(liger=True))
    if not setup.mixed and not setup.pure_bf16:
        change = Change({"bf16": True}, "little; computes in 16 bit", 1.1)
        yield _Move(change, _with(mixed="bf16"))


def _shorter(load: Load) -> Iterator[_Move]:
    for part, price in ((0.75, 6.0), (0.5, 8.0), (0.25, 12.0)):
        length = int(load.length * part) // 8 * 8
        if length >= 256:
            change = Change({"cutoff_len": length}, "what stands behind it in longer rows", price)
            yield _Move(change, _set_length(length))


def _set_length(length: int) -> _Step:
    return lambda setup, load: (
        msgspec.structs.replace(setup, length=length),
        msgspec.structs.replace(load, length=length, evaluated=min(load.evaluated, length)),
    )


def _states(shape: Shape, setup: Setup, load: Load) -> Iterator[_Move]:
    quantizable = setup.method == "lora" and shape.linear_class and not shape.quantized
    for bits, price in ((8, 4.0), (4, 4.5)):
        if quantizable and not setup.bits and not setup.resize_vocab and not (setup.unsloth and bits == 8):
            settings: dict[str, object] = {"quantization_bit": bits, "quantization_method": "bnb"}
            costs = f"a little quality: the base is held in {bits} bit (QLoRA)"
            change = Change(settings, costs, price, _BITS)
            yield _Move(change, _with(bits=bits, quantizer="bnb", double_quantization=True))
    if setup.method in ("full", "freeze") and not setup.optimiser.endswith("8bit"):
        change = Change({"optim": "paged_adamw_8bit"}, "little; the optimiser keeps 8 bit", 3.0, _BITS)
        yield _Move(change, _with(optimiser="paged_adamw_8bit"))
    if setup.method == "full" and not setup.pure_bf16:
        change = Change({"pure_bf16": True}, "some precision: weights are trained in 16 bit", 5.0)
        yield _Move(change, _with(pure_bf16=True))
    if load.gpus > 1 and not setup.sharding.engine and not setup.bits:
        for stage, price in ((2, 3.5), (3, 3.8)):
            config = f"ds_z{stage}_config.json"
            costs = f"nothing learned; {config} comes from LLaMA-Factory's examples/deepspeed"
            change = Change({"deepspeed": config}, costs, price, "deepspeed")
            yield _Move(change, _with(sharding=Sharding(stage, engine="deepspeed")))
    if setup.method == "full" and shape.linear_class:
        settings = {"finetuning_type": "lora", "lora_target": "all"}
        settings |= {"pure_bf16": False, "bf16": True} if setup.pure_bf16 else {}
        mixed = "bf16" if setup.pure_bf16 else setup.mixed
        change = Change(settings, "trains an adapter in place of the model", 10.0)
        yield _Move(change, _with(method="lora", targets=("all",), pure_bf16=False, mixed=mixed))
