"""The metadata block of a card, for models and datasets, in the Hub's words. Pure.

Formats: https://github.com/huggingface/hub-docs/blob/main/modelcard.md and datasetcard.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from millhand.hub.blocks import SOURCE
from millhand.hub.facts import DatasetFacts, Evaluation, ModelFacts
from millhand.hub.licences import OTHER, hub_identifier, licence_of

HUB = "https://huggingface.co"
# What stages of LLaMA-Factory make: a reward model scores, all others write.
_PIPELINES = {"rm": "text-classification"}
# trl's names, which the Hub shows as a filter
_STAGE_TAGS = {
    "sft": "sft",
    "dpo": "dpo",
    "kto": "kto",
    "ppo": "ppo",
    "rm": "reward-trainer",
    "pt": "pretraining",
}
_REPOSITORY = re.compile(r"[\w.-]+(?:/[\w.-]+)?\Z", re.A)
# https://github.com/huggingface/hub-docs/blob/main/datasetcard.md, size_categories
_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)


def model_metadata(facts: ModelFacts) -> dict[str, Any]:
    """A model's metadata; what is not known is left out."""
    base, known = facts.base, is_repository(facts.base.repository)
    data = [item.repository for item in facts.data if is_repository(item.repository)]
    found = {
        "base_model": base.repository if known else None,
        "base_model_relation": ("adapter" if facts.kind == "adapter" else "finetune") if known else None,
        "datasets": list(dict.fromkeys(data)),
        "language": list(facts.languages),
        **licence_metadata(_licence(facts), base.licence_name, base.licence_link),
        "library_name": "peft" if facts.kind == "adapter" else "transformers",
        "tags": list(dict.fromkeys(_model_tags(facts))),
        "pipeline_tag": _PIPELINES.get(facts.stage, "text-generation"),
        "model-index": _model_index(facts),
    }
    return {key: value for key, value in found.items() if value not in (None, [], "")}


def _licence(facts: ModelFacts) -> str:
    """The base's; of a model that is all one's own the one that all of its data is under."""
    licences = {item.licence for item in facts.data}
    return licences.pop() if facts.base.made_here and len(licences) == 1 else facts.base.licence


def dataset_metadata(facts: DatasetFacts) -> dict[str, Any]:
    """A dataset's metadata; what is not known is left out."""
    files = [{"split": split.name, "path": split.path} for split in facts.splits]
    found = {
        **licence_metadata(facts.licence),
        "language": list(facts.languages),
        "size_categories": [size_category(facts.rows)] if facts.rows is not None else None,
        "task_categories": ["text-generation"],
        "pretty_name": facts.name,
        "tags": list(dict.fromkeys(_dataset_tags(facts))),
        "configs": [{"config_name": "default", "data_files": files}] if files else None,
    }
    return {key: value for key, value in found.items() if value not in (None, [], "")}


def licence_metadata(licence: str, name: str = "", link: str = "") -> dict[str, str]:
    """``license``, and for one that the Hub does not know ``license_name`` and ``license_link``."""
    known, identifier = licence_of(licence), hub_identifier(licence)
    if identifier != OTHER:
        return {"license": identifier}
    words = name or (known.id if known else re.sub(r"[^a-z0-9.]+", "-", licence.casefold()).strip("-"))
    source = link or (known.source if known else "")
    return {"license": OTHER, "license_name": words or "unnamed"} | (
        {"license_link": source} if source else {}
    )


def is_repository(name: str) -> bool:
    """Whether the Hub may have a repository of that name: ``name`` or ``owner/name``."""
    return bool(_REPOSITORY.match(name)) and not name.startswith((".", "-")) and ".." not in name


def size_category(rows: int) -> str:
    """The Hub's word for how many rows."""
    return next((word for below, word in _SIZES if rows < below), "n>10M")


def _model_tags(facts: ModelFacts) -> Iterable[str]:
    yield "llama-factory"
    yield "millhand"
    yield facts.method
    yield _STAGE_TAGS.get(facts.stage, facts.stage)
    if facts.quantized:
        yield "gguf"


def _dataset_tags(facts: DatasetFacts) -> Iterable[str]:
    yield "llama-factory"
    yield "millhand"
    yield facts.format
    if facts.ranking:
        yield "preference"
    if any(step.name == "generate" for step in facts.steps):
        yield "synthetic"


def _model_index(facts: ModelFacts) -> list[dict[str, Any]]:
    if not facts.evaluations:
        return []
    by_data: dict[str, list[Evaluation]] = {}
    for evaluation in facts.evaluations:
        by_data.setdefault(evaluation.repository or evaluation.dataset, []).append(evaluation)
    name = (facts.repository or facts.name).rpartition("/")[2]
    return [{"name": name, "results": [_result(facts, kind, found) for kind, found in by_data.items()]}]


def _result(facts: ModelFacts, kind: str, found: list[Evaluation]) -> dict[str, Any]:
    title = found[0].dataset + (" (trained on)" if found[0].trained_on else "")
    return {
        "task": {"type": _PIPELINES.get(facts.stage, "text-generation")},
        "dataset": {"type": kind, "name": title},
        "metrics": [
            {"type": item.metric, "value": round(item.value, 6), "name": item.title or item.metric}
            for item in found
        ],
        "source": {"name": SOURCE, "url": f"{HUB}/{facts.repository}".rstrip("/")},
    }
