"""YAML front matter: facts between two ``---`` lines at the head of a Markdown file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BLOCK = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)

# Line ends that YAML folds into blanks unless they are written as escapes.
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


def with_front_matter(facts: Mapping[str, Any], body: str) -> str:
    """``body`` behind ``facts``; a fact whose value is None is left out."""
    known = {name: value for name, value in facts.items() if value is not None}
    head = _dump(known)
    return f"---\n{head}---\n\n{body}"


def split_front_matter(text: str) -> tuple[dict[str, Any], str, int]:
    """Facts, body, and how many lines stand before the body; no facts where there is no front matter.

    What is between the lines and no YAML mapping is text: a Markdown file may begin with a rule.
    """
    import yaml

    found = _BLOCK.match(text)
    if found is None:
        return {}, text, 0
    try:
        facts = yaml.safe_load(found[1])
    except yaml.YAMLError:
        return {}, text, 0
    if not isinstance(facts, dict):
        return {}, text, 0
    blank = re.compile(r"\r?\n?").match(text, found.end())
    start = blank.end() if blank else found.end()
    return facts, text[start:], text.count("\n", 0, start)


def _dump(facts: Mapping[str, Any]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes what is all digits: 00126380 is text to YAML 1.1, and a number to YAML 1.2."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = '"' if _LINE_ENDS.search(value) else "'" if value.isdigit() else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(dict(facts), Dumper=Dumper, allow_unicode=True, sort_keys=False, width=10**6)
