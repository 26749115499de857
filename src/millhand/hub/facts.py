"""What a card tells: the facts of a model and of a dataset, as values.

:mod:`millhand.runs.published` gathers them from the ledger, the manifest and the registry; cards and gates
read nothing else. An empty text, an empty tuple and None mean: not known, so nothing is said of it.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["adapter", "model"]
Gate: TypeAlias = Literal["licence", "local-path", "not-looked-through", "personal-data", "secrets"]


class Override(msgspec.Struct, frozen=True):
    """A gate that a person opened for one subject (a dataset, a base, a file), and why: it is published."""

    gate: Gate
    subject: str
    reason: str


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A file that rows were made from; ``name`` is its last part, ``size`` counts bytes."""

    name: str
    sha256: str = ""
    rows: int | None = None
    size: int | None = None
    licence: str = ""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that a model was trained on.

    ``sha256`` is that of the rows as the run read them; ``changed`` says that they are others today, so the
    rest may describe the newer ones. ``repository`` is the Hub's name of it, where it has one. ``described``:
    it has a dataset.yaml.
    """

    name: str
    sha256: str = ""
    rows: int | None = None
    licence: str = ""
    description: str = ""
    repository: str = ""
    origins: tuple[Origin, ...] = ()
    changed: bool = False
    described: bool = True


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """The model that training started from.

    ``repository`` is empty where it lies on the maker's disk only. ``licence`` is the Hub's id of it, with
    the name and link that an ``other`` one carries; ``gated`` None where nobody has said. ``made_here``: it
    is no one else's, Millhand drew its weights.
    """

    name: str
    repository: str = ""
    revision: str = ""
    licence: str = ""
    licence_name: str = ""
    licence_link: str = ""
    gated: bool | None = None
    made_here: bool = False
    files: dict[str, str] = {}


class Loss(msgspec.Struct, frozen=True):
    """One step's losses."""

    step: int
    loss: float | None = None
    eval_loss: float | None = None


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure. ``metric`` is the Hub's id (``exact_match``), ``title`` what people call it.

    ``repository`` is the Hub's name of the dataset, where it has one; ``trained_on`` says that the model saw
    these rows in training; ``asked`` counts them.
    """

    dataset: str
    metric: str
    value: float
    title: str = ""
    repository: str = ""
    asked: int | None = None
    trained_on: bool = False


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the rented pods of a run cost; ``billed`` says that the dollars are the bill's."""

    gpus: tuple[str, ...] = ()
    hours: float = 0.0
    usd: float = 0.0
    billed: bool = False


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a model's card tells.

    ``repository`` is where it goes (``user/name``). ``config`` is what LLaMA-Factory was given to train,
    ``export`` to merge. ``curve`` and ``quantized`` name files of the repository. ``modelfile`` is the text
    of Ollama's, ``chat_template`` Jinja's. ``spoke``: the model was loaded and generated tokens.
    """

    name: str
    kind: Kind
    base: Base
    repository: str = ""
    data: tuple[Data, ...] = ()
    stage: str = "sft"
    method: str = "lora"
    template: str = ""
    config: dict[str, Any] = {}
    export: dict[str, Any] = {}
    seed: int | None = None
    millhand: str = ""
    versions: dict[str, str] = {}
    python: str = ""
    platform: str = ""
    gpus: tuple[str, ...] = ()
    training_s: float | None = None
    spent: Spent | None = None
    steps: int | None = None
    losses: tuple[Loss, ...] = ()
    curve: str = ""
    evaluations: tuple[Evaluation, ...] = ()
    cutoff_len: int | None = None
    system: str = ""
    modelfile: str = ""
    modelfile_name: str = "Modelfile"
    chat_template: str = ""
    parameters: int | None = None
    dtype: str = ""
    spoke: bool = False
    trust_remote_code: bool = False
    quantized: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()


class Split(msgspec.Struct, frozen=True):
    """A part of a dataset: ``train``, the path of its file in the repository, how many rows."""

    name: str
    path: str
    rows: int | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step that rows went through when they were made; ``dropped`` counts those left out, by reason."""

    name: str
    options: dict[str, Any] = {}
    came: int = 0
    went: int = 0
    changed: int = 0
    dropped: dict[str, int] = {}


class DatasetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a dataset's card tells. ``mapping`` goes from a record's field to the source's column."""

    name: str
    repository: str = ""
    description: str = ""
    licence: str = ""
    languages: tuple[str, ...] = ()
    rows: int | None = None
    sha256: str = ""
    format: str = "alpaca"
    columns: tuple[str, ...] = ()
    ranking: bool = False
    mapping: dict[str, str] = {}
    origins: tuple[Origin, ...] = ()
    rejected: int = 0
    steps: tuple[Step, ...] = ()
    splits: tuple[Split, ...] = ()
    entry: dict[str, Any] = {}
    millhand: str = ""
    overrides: tuple[Override, ...] = ()
