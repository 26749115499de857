"""The sections of a dataset's card. Pure."""

from __future__ import annotations

import orjson

from millhand.hub.facts import DatasetFacts
from millhand.hub.markdown import code, facts_list, fenced, paragraphs, plain, table
from millhand.hub.phrases import count, listed

_PLACE = "USER/NAME"
# LLaMA-Factory's data/parser.py, in a reader's words
_MEANINGS = {
    "instruction": "what is asked",
    "input": "a text that the question is about; may be empty",
    "output": "the answer",
    "system": "the system prompt",
    "history": "the exchanges before, pairs of question and answer",
    "conversations": "the messages in order, each with `from` and `value`",
    "tools": "the tools that may be called, as JSON",
    "chosen": "the better of two answers",
    "rejected": "the worse of two answers",
    "kto_tag": "whether the answer is a good one",
    "source": "where the row came from",
}


def title(facts: DatasetFacts) -> str:
    """Its name and what it is."""
    name = (facts.repository or facts.name).rpartition("/")[2]
    return paragraphs(f"# {plain(name)}", plain(facts.description), _summary(facts))


def _summary(facts: DatasetFacts) -> str:
    return facts_list(
        [
            ("Rows", count(facts.rows)),
            ("Languages", listed([plain(language) for language in facts.languages])),
            ("Format", f"{plain(facts.format)}{', two answers to choose between' if facts.ranking else ''}"),
            ("SHA-256 of the rows", code(facts.sha256)),
            ("Made with Millhand", plain(facts.millhand)),
        ]
    )


def rows(facts: DatasetFacts) -> str:
    """What a row holds, and how many rows each part has."""
    columns = table(
        ("column", "what it is", "in the source"),
        ([code(name), _MEANINGS.get(name, ""), code(facts.mapping.get(name, ""))] for name in facts.columns),
    )
    splits = table(
        ("part", "file", "rows"), ([plain(s.name), code(s.path), count(s.rows)] for s in facts.splits)
    )
    return paragraphs(
        "## What is in it",
        columns if facts.columns else "",
        splits if facts.splits else "",
    )


def usage(facts: DatasetFacts) -> str:
    """How to use it with datasets and with LLaMA-Factory."""
    name = facts.repository or _PLACE
    script = f"from datasets import load_dataset\n\nrows = load_dataset({name!r})"
    return paragraphs(
        "## How to use it",
        fenced(script, "python"),
        "With LLaMA-Factory, as an entry of `dataset_info.json`:",
        fenced(hub_entry(facts), "json"),
    )


def hub_entry(facts: DatasetFacts) -> str:
    """The entry of dataset_info.json for whoever reads it from the Hub, as JSON."""
    kept = {
        key: value
        for key, value in facts.entry.items()
        if key in ("formatting", "ranking", "columns", "tags")
    }
    entry = {facts.name: {"hf_hub_url": facts.repository or _PLACE, **kept}}
    return orjson.dumps(entry, option=orjson.OPT_INDENT_2).decode("utf-8")
