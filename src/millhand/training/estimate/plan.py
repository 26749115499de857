"""A training's forecast: what it needs and how long it takes on each GPU that is offered. Pure but for files.

:class:`Planner` reads a train.yaml, its model's shape and its datasets once; :meth:`Planner.forecast` holds
them against offers. Where the offers come from is not its business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from millhand.datasets.registry import Dataset, Registry
from millhand.errors import FindingsError, UsageError
from millhand.llamafactory.knowledge import Knowledge
from millhand.llamafactory.templates import Template
from millhand.llamafactory.yaml import YamlDocument
from millhand.training.check.rule import apply
from millhand.training.check.rules import BY_PURPOSE
from millhand.training.check.subject import Config
from millhand.training.check.values import check_values
from millhand.training.estimate.calibration import Calibration, calibration
from millhand.training.estimate.disk import Disk, estimate_disk
from millhand.training.estimate.fit import Fitting, find_fit
from millhand.training.estimate.gpus import Gpu
from millhand.training.estimate.memory import Load, Peak, estimate
from millhand.training.estimate.models import Finder
from millhand.training.estimate.setup import Given, Setup, read_setup
from millhand.training.estimate.shapes import Shape, read_shape
from millhand.training.estimate.speed import Range, preparation, seconds
from millhand.training.estimate.steps import Work, plan_work
from millhand.training.estimate.tokens import Basis, Lengths, Speaker, load_count, measure
from millhand.training.estimate.trainable import Trainable, find_trainable

_DISTRIBUTED = {"FORCE_TORCHRUN": "1"}  # as Millhand starts it on several GPUs
_TO_BE_WRITTEN = {"deepspeed.file"}  # DeepSpeed's own settings: what proposes them says where they are from
Verdict = Literal["fits", "tight", "no"]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """GPUs of one kind that can be had together: where, how many, and their price an hour in all.

    ``lacks`` are packages that some settings need and its environment has not, as far as that is known.
    """

    pod: str
    gpu: Gpu
    count: int = 1
    usd_per_hour: Range | None = None
    price_source: str = ""
    rented: bool = True
    lacks: tuple[str, ...] = ()


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """A training on an offer. ``room`` is what is left of a GPU's memory at the estimate, in bytes."""

    offer: Offer
    verdict: Verdict
    peak: Peak
    room: float
    work: Work
    time_s: Range
    price_usd: Range | None
    fitting: Fitting | None


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a training needs, on each offer; ``sure`` says how sure the figures are."""

    project: str
    model: str
    source: str
    shape: Shape
    setup: Setup
    trained: Trainable
    basis: Basis
    truncated: float
    disk: Disk
    prospects: tuple[Prospect, ...]
    calibration: Calibration
    notes: tuple[str, ...]


class Planner:
    """One training, read once.

    Raises:
        UsageError: Its model's shape is not to be had, or its method is not covered.
        FindingsError: A dataset's file is broken.
    """

    def __init__(
        self, project: str, values: Mapping[str, Any], root: Path, knowledge: Knowledge, finder: Finder
    ) -> None:
        self.project, self.root, self.knowledge = project, root, knowledge
        self.given = Given(values, knowledge, root)
        self._before = self._faults(values)
        self.model = finder.find(str(self.given("model_name_or_path") or ""))
        self.shape = read_shape(self.model.base.config, self.model.name)
        self.setup = _loaded(read_setup(self.given), self.shape)
        self.trained = find_trainable(self.shape, self.setup)
        self.notes: list[str] = []
        self.lengths = self._lengths("dataset")
        self.held = self._lengths("eval_dataset")

    def forecast(self, offers: Iterable[Offer], known: Calibration | None = None) -> Forecast:
        """Hold the training against each offer."""
        known = known or calibration()
        prospects = tuple(self._prospect(offer, known) for offer in offers)
        found = [one for one in self.lengths.values() if one is not None]
        rows = sum(one.rows for one in found)
        work = prospects[0].work if prospects else self._work(1)
        return Forecast(
            project=self.project, model=self.model.name, source=self.model.base.source, shape=self.shape,
            setup=self.setup, trained=self.trained,
            basis="tokenizer" if all(one.basis == "tokenizer" for one in found) else "characters",
            truncated=sum(one.truncated * one.rows for one in found) / max(1, rows),
            disk=estimate_disk(self.shape, self.setup, self.trained, work, self.given),
            prospects=prospects, calibration=known, notes=tuple(self._said(prospects, work)),
        )  # fmt: skip

    def _prospect(self, offer: Offer, known: Calibration) -> Prospect:
        work, constants = self._work(offer.count), known.constants
        load = Load(self.setup.batch, work.longest, offer.count, work.longest_evaluated)
        peak = estimate(self.shape, self.setup, load, constants)
        memory = offer.gpu.memory
        verdict: Verdict = "fits" if peak.high <= memory else "tight" if peak.total <= memory else "no"
        fitting = None
        if verdict != "fits":
            fitting = find_fit(
                self.shape, self.setup, load, memory, constants, taken=self._is_taken, lacks=offer.lacks
            )
        time = seconds(self.shape, self.setup, self.trained, work, offer.gpu, offer.count)
        if offer.rented and work.steps:
            before = preparation(self.shape)
            time = Range(time.low + before.low, time.high + before.high)
        rate = offer.usd_per_hour
        price = (
            Range(time.low / 3600 * rate.low, time.high / 3600 * rate.high) if rate and work.steps else None
        )
        return Prospect(
            offer=offer, verdict=verdict, peak=peak, room=memory - peak.total, work=work, time_s=time,
            price_usd=price, fitting=fitting,
        )  # fmt: skip

    def _is_taken(self, settings: Mapping[str, object]) -> bool:
        """Whether nothing is found against the config with these settings that was not there before."""
        return self._faults({**self.given.values, **settings}) <= self._before

    def _faults(self, values: Mapping[str, Any]) -> set[str]:
        document = YamlDocument("train.yaml", dict(values), {})
        config = Config("train", document, self.knowledge, self.root, _DISTRIBUTED)
        found = [*check_values(config), *apply(BY_PURPOSE["train"], config)]
        return {finding.id for finding in found if finding.severity == "error"} - _TO_BE_WRITTEN

    def _work(self, gpus: int) -> Work:
        return plan_work(self.given, self.setup, self.lengths, gpus, self.held)

    def _lengths(self, key: str) -> dict[str, Lengths | None]:
        count, basis = load_count(self.model.tokenizer)
        speaker = Speaker(
            count,
            self._template(),
            limit=self._limit(), stage=self.setup.stage,
            mask_history=bool(self.given("mask_history")),
            default_system=self.given.values.get("default_system"), bos=self.model.bos,
        )  # fmt: skip
        return {name: self._measure(name, speaker, basis) for name in self.given.names(key)}

    def _measure(self, name: str, speaker: Speaker, basis: Basis) -> Lengths | None:
        given = str(self.given("dataset_dir") or "data")
        try:
            dataset = Registry(self.root / given).dataset(name)
            lengths = measure(dataset.records(), speaker, basis)
        except UsageError as error:
            self.notes.append(error.message)
            return None
        except FindingsError as error:
            raise FindingsError(error.findings, message=f"Dataset {name} cannot be read.") from error
        return _sampled(dataset, lengths)

    def _limit(self) -> int:
        return self.setup.length - 1 if self.setup.packing and self.setup.stage != "pt" else self.setup.length

    def _template(self) -> Template:
        name = str(self.given("template") or "")
        if name not in self.knowledge.templates:
            self.notes.append("No template is named: tokens are counted as chatml's.")
            name = "chatml"
        found = self.knowledge.templates[name]
        thinks = found.reasoning and self.given("enable_thinking") is not None
        return msgspec.structs.replace(found, reasoning=thinks)

    def _said(self, prospects: Sequence[Prospect], work: Work) -> list[str]:
        notes = [*self.notes, *work.notes]
        if not self.model.tokenizer and work.known:
            notes.append("The model's tokenizer.json is not at hand: tokens are estimated from characters.")
        notes += [note for prospect in prospects for note in prospect.peak.notes]
        return list(dict.fromkeys(notes))


def _loaded(setup: Setup, shape: Shape) -> Setup:
    """A quantized checkpoint stays as it is, whatever quantization_bit says (``quantization.py``)."""
    if not shape.quantized:
        return setup
    return msgspec.structs.replace(setup, bits=shape.quantized_bits, quantizer=shape.quantized)


def _sampled(dataset: Dataset, lengths: Lengths) -> Lengths:
    """``num_samples`` of an entry: exactly so many rows, drawn again where there are fewer."""
    number = dataset.entry.get("num_samples")
    return msgspec.structs.replace(lengths, rows=number) if isinstance(number, int) else lengths
