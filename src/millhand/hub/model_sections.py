"""The sections of a model's card. Each says what the facts say, and nothing where they say nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from millhand.hub.facts import Loss, ModelFacts, Spent
from millhand.hub.markdown import code, facts_list, fenced, folded, paragraphs, plain, table
from millhand.hub.metadata import is_repository
from millhand.hub.phrases import dataset_link, duration, listed, model_link
from millhand.hub.provenance import built_with
from millhand.llamafactory.yaml import dump_value

_SHOWN_LOSSES = 12
_PROCESSORS = frozenset({"x86_64", "AMD64", "aarch64", "arm64", "ARM64"})
_METHODS = {"lora": "LoRA", "full": "full fine-tuning", "freeze": "partial fine-tuning", "oft": "OFT"}


def title(facts: ModelFacts) -> str:
    """Its name, and in a sentence what it is."""
    name = (facts.repository or facts.name).rpartition("/")[2]
    what = "An adapter for" if facts.kind == "adapter" else "Made from"
    factory = f"LLaMA-Factory {plain(facts.versions.get('llamafactory', ''))}".strip()
    names = [dataset_link(item.repository, item.name) for item in facts.data]
    return paragraphs(
        f"# {plain(name)}",
        f"{what} {model_link(facts.base.repository, facts.base.name)}: {method(facts)} "
        f"({plain(facts.stage)}), trained with {factory}{f' on {listed(names)}' if names else ''}.",
        built_with(facts.base),
    )


def method(facts: ModelFacts) -> str:
    """The way of training, as people call it."""
    bits = facts.config.get("quantization_bit")
    name = _METHODS.get(facts.method, plain(facts.method))
    return f"Q{name} ({plain(bits)} bit)" if bits and name == "LoRA" else name


def training(facts: ModelFacts) -> str:
    """How it was made: machine, time, money, versions, seed, and the YAML that LLaMA-Factory was given."""
    named = [f"{plain(name)} {plain(version)}" for name, version in sorted(facts.versions.items())]
    versions = ", ".join([*named, *([f"Python {plain(facts.python)}"] if facts.python else [])])
    made = [
        ("Run", code(facts.name)),
        ("Base", _base(facts)),
        ("Size", _size(facts)),
        ("Machine", _machine(facts)),
        ("Training time", duration(facts.training_s)),
        ("Rent", _rent(facts.spent)),
        ("Steps", "" if facts.steps is None else f"{facts.steps:,}"),
        ("Seed", "" if facts.seed is None else plain(facts.seed)),
        ("Versions", versions),
        ("Millhand", plain(facts.millhand)),
    ]
    given = "".join(f"{key}: {dump_value(value)}\n" for key, value in facts.config.items())
    merged = "".join(f"{key}: {dump_value(value)}\n" for key, value in facts.export.items())
    return paragraphs(
        "## How it was made",
        facts_list(made),
        _yaml("What LLaMA-Factory was given (train.yaml)", given),
        _files(facts),
        _yaml("What it was merged with (export.yaml)", merged if facts.kind == "model" else ""),
    )


def _base(facts: ModelFacts) -> str:
    base = facts.base
    revision = f", revision {code(base.revision)}" if base.revision else ""
    made = ", drawn at random by Millhand" if base.made_here else ""
    return f"{model_link(base.repository, base.name)}{revision}{made}"


def _size(facts: ModelFacts) -> str:
    parts = [f"{facts.parameters:,} parameters"] if facts.parameters else []
    return ", ".join([*parts, *([plain(facts.dtype)] if facts.dtype else [])])


def _files(facts: ModelFacts) -> str:
    lines = [f"{sha256}  {name}" for name, sha256 in facts.base.files.items()]
    return folded("The base's files (SHA-256)", fenced("\n".join(lines))) if lines else ""


def _yaml(name: str, text: str) -> str:
    return folded(name, fenced(text, "yaml")) if text else ""


def _machine(facts: ModelFacts) -> str:
    gpus = [plain(gpu) for gpu in facts.gpus]
    counted = [f"{gpus.count(gpu)} × {gpu}" for gpu in dict.fromkeys(gpus)]
    if not facts.platform:  # nobody has told of the machine: it may have had GPUs
        return ", ".join(counted)
    return ", ".join([*(counted or ["CPU"]), _system(facts.platform)])


def _system(platform: str) -> str:
    """``Linux x86_64`` of ``Linux-6.1.0-lab7-x86_64-with-glibc2.36``: a kernel's name is its owner's."""
    parts = platform.split("-")
    return plain(" ".join([parts[0], *(part for part in parts[1:] if part in _PROCESSORS)]))


def _rent(spent: Spent | None) -> str:
    if spent is None:
        return ""
    said = "as billed" if spent.billed else "by Millhand's own watch"
    on = f" of {listed([plain(gpu) for gpu in dict.fromkeys(spent.gpus)])}" if spent.gpus else ""
    return f"{spent.hours:.2f} h{on}, ${spent.usd:.2f} ({said})"


def results(facts: ModelFacts) -> str:
    """The loss curve, and what was measured."""
    curve = f"![The loss by step]({facts.curve})" if is_repository(facts.curve) else ""
    losses = table(
        ("step", "loss", "loss on held-out rows"),
        ([f"{p.step:,}", _number(p.loss), _number(p.eval_loss)] for p in shown_losses(facts.losses)),
    )
    measured = table(
        ("dataset", "seen in training", "metric", "value", "questions"),
        (
            [
                dataset_link(item.repository, item.dataset),
                "yes" if item.trained_on else "no",
                plain(item.title or item.metric),
                f"{item.value:.4g}",
                "" if item.asked is None else f"{item.asked:,}",
            ]
            for item in facts.evaluations
        ),
    )
    return paragraphs(
        "## Results",
        measured if facts.evaluations else "No evaluation of its answers is recorded.",
        "### Loss" if facts.losses else "",
        curve,
        losses if facts.losses else "",
    )


def shown_losses(losses: tuple[Loss, ...]) -> list[Loss]:
    """The first, the last and as many between as a small table bears; of those with a held-out loss first."""
    held = [point for point in losses if point.eval_loss is not None]
    chosen = held if len(held) >= 3 else list(losses)  # fewer show no course
    if len(chosen) <= _SHOWN_LOSSES:
        return chosen
    step = (len(chosen) - 1) / (_SHOWN_LOSSES - 1)
    return [chosen[round(n * step)] for n in range(_SHOWN_LOSSES)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def use(facts: ModelFacts) -> str:
    """What it is meant for, and what is not known of it."""
    about = [f"{plain(item.name)}: {plain(item.description)}" for item in facts.data if item.description]
    return paragraphs(
        "## Intended use and limits",
        "It is meant to answer as the data that it was trained on does:" if about else "",
        "\n".join(f"- {line}" for line in about),
        "What is known of its limits:",
        "\n".join(f"- {line}" for line in _limits(facts)),
    )


def _rows(facts: ModelFacts) -> Iterator[str]:
    """How many rows it saw; nothing where some are not counted, or are others by now."""
    rows = [item.rows for item in facts.data if item.rows is not None and not item.changed]
    if not rows or len(rows) != len(facts.data):
        return
    most = facts.config.get("max_samples")  # LLaMA-Factory takes so many of each dataset
    kept = [min(count, most) for count in rows] if isinstance(most, int) and most else rows
    fewer = any(facts.config.get(key) for key in ("max_samples", "val_size")) or _stops_early(facts)
    yield f"It was fine-tuned on {'at most ' if fewer else ''}{sum(kept):,} rows."


def _stops_early(facts: ModelFacts) -> bool:
    """Whether training may end before each row was seen once."""
    steps = facts.config.get("max_steps")
    return isinstance(steps, int) and steps > 0


def _limits(facts: ModelFacts) -> Iterator[str]:
    yield from _rows(facts)
    held = [item for item in facts.evaluations if not item.trained_on]
    if not held:
        yield "No evaluation on questions that it was not trained on is recorded."
    if facts.cutoff_len:
        yield f"In training, texts were cut to {facts.cutoff_len:,} tokens; longer ones it has not seen."
    if facts.languages:
        yield f"The language of its training data: {listed([plain(code_) for code_ in facts.languages])}."
    yield "It can state what is false, as any language model can: numbers and references must be checked."
    if facts.trust_remote_code:
        yield "Loading it runs code of its repository (`trust_remote_code`): read that code first."
