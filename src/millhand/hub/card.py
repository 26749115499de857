"""The cards of a model and of a dataset: README.md, rendered from facts. Pure.

Nothing in them names the machine that they were made on: facts are cleaned of paths and access keys first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millhand.hub import dataset_sections, model_sections, provenance
from millhand.hub.blocks import block, join_card, merge, wrote
from millhand.hub.facts import DatasetFacts, ModelFacts
from millhand.hub.markdown import paragraphs
from millhand.hub.metadata import dataset_metadata, model_metadata
from millhand.hub.redact import clean_facts
from millhand.hub.usage import usage

_HINT = "<!-- Write above, below or between the parts marked millhand: those are made anew at each push. -->"


def model_card(facts: ModelFacts) -> str:
    """The text of a model's README.md, metadata first."""
    facts = clean_facts(facts)
    sections = (
        ("about", model_sections.title(facts)),
        ("use", model_sections.use(facts)),
        ("how-to-use", usage(facts)),
        ("training", model_sections.training(facts)),
        ("results", model_sections.results(facts)),
        ("data", provenance.model_data(facts)),
        ("licence", provenance.model_licence(facts)),
    )
    return _card(model_metadata(facts), sections)


def dataset_card(facts: DatasetFacts) -> str:
    """The text of a dataset's README.md, metadata first."""
    facts = clean_facts(facts)
    sections = (
        ("about", dataset_sections.title(facts)),
        ("rows", dataset_sections.rows(facts)),
        ("how-to-use", dataset_sections.usage(facts)),
        ("origins", provenance.dataset_origins(facts)),
        ("licence", provenance.dataset_licence(facts)),
    )
    return _card(dataset_metadata(facts), sections)


def keep_personal_text(new: str, standing: str) -> str:
    """The new card with what a person wrote into the standing one; ``standing`` may be empty.

    Kept are all text outside of Millhand's blocks, and of the metadata what Millhand does not write.
    """
    return merge(new, standing)


def _card(metadata: Mapping[str, Any], sections: Sequence[tuple[str, str]]) -> str:
    (first, head), *others = sections
    top = block(first, paragraphs(_HINT, wrote(metadata), head))
    return join_card(metadata, "\n".join([top, *(block(name, text) for name, text in others if text)]))
