"""Phrases that cards share. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from millhand.hub.facts import Override
from millhand.hub.markdown import code, paragraphs, plain
from millhand.hub.metadata import HUB, is_repository


def model_link(repository: str, name: str) -> str:
    """A link to a model on the Hub, or the name where it is not there."""
    return f"[{plain(repository)}]({HUB}/{repository})" if is_repository(repository) else code(name)


def dataset_link(repository: str, name: str) -> str:
    """A link to a dataset on the Hub, or the name where it is not there."""
    return f"[{plain(repository)}]({HUB}/datasets/{repository})" if is_repository(repository) else code(name)


def count(number: int | None) -> str:
    """``1,234``; empty where it is not known."""
    return "" if number is None else f"{number:,}"


def link(address: str) -> str:
    """An address that can be clicked, if it is a plain one of the web."""
    plain_web = address.startswith("https://") and not set(address) & set("<> \n")
    return f"<{address}>" if plain_web else plain(address)


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def duration(seconds: float | None) -> str:
    """``1 h 02 min``, ``3 min 20 s``, ``8 s``; empty where it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def overrides_text(opened: Sequence[Override]) -> str:
    """The gates that a person opened, and why."""
    lines = [f"- {plain(item.gate)}, {plain(item.subject)}: {plain(item.reason)}" for item in opened]
    said = "Published all the same, on the word of whoever published it:"
    return paragraphs(said, "\n".join(lines)) if lines else ""
