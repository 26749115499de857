"""The cards of a model and of a dataset: README.md, rendered from facts. Pure."""

from __future__ import annotations

from millhand.hub.facts import DatasetFacts, ModelFacts


def model_card(facts: ModelFacts) -> str:
    """The text of a model's README.md, metadata first."""
    return f"---\nlibrary_name: {'peft' if facts.kind == 'adapter' else 'transformers'}\n---\n\n"


def dataset_card(facts: DatasetFacts) -> str:
    """The text of a dataset's README.md, metadata first."""
    return f"---\npretty_name: {facts.name}\n---\n\n"


def keep_personal_text(new: str, standing: str) -> str:
    """The new card with what a person wrote into the standing one; ``standing`` may be empty."""
    return standing or new
