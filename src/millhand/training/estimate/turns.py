"""What a template puts around each message, read from LLaMA-Factory's source or the snapshot that ships.

``data/template.py`` encodes every piece of text between special tokens apart, so a row's length is the sum
of the lengths of its pieces; :mod:`millhand.training.estimate.tokens` follows it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from millhand.llamafactory.source import Source, calls, plain

SNAPSHOT = Path(__file__).with_name("turns.json")
CONTENT = "{{content}}"
_TOKEN = 1

# A piece of text as it stands, or 1 for a single special token.
Piece = str | int
Pieces = tuple[Piece, ...]


class Turns(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pieces around a template's messages; ``prefix`` and ``system`` stand before the first of them."""

    user: Pieces = (CONTENT,)
    assistant: Pieces = (CONTENT,)
    observation: Pieces = ()
    system: Pieces = (CONTENT,)
    prefix: Pieces = ()


def read_turns(source: Source) -> dict[str, Turns]:
    """The pieces of all templates, by name in order.

    Raises:
        UsageError: The source is laid out otherwise than it was up to 0.9.5.
    """
    found = {
        plain(given["name"]): _turns(given)
        for given in calls(source.parse("data/template.py"), "register_template")
    }
    return dict(sorted(found.items()))


def _turns(given: dict[str, ast.expr]) -> Turns:
    efficient = "efficient_eos" in given and bool(plain(given["efficient_eos"]))
    user = _pieces(given.get("format_user")) or (CONTENT,)
    return Turns(
        user=user,
        assistant=_pieces(given.get("format_assistant")) or ((CONTENT,) if efficient else (CONTENT, _TOKEN)),
        observation=_pieces(given.get("format_observation")),
        system=_pieces(given.get("format_system")) or (CONTENT,),
        prefix=_pieces(given.get("format_prefix")),
    )


def _pieces(formatter: ast.expr | None) -> Pieces:
    if not isinstance(formatter, ast.Call):
        return ()
    slots: Any = next((plain(k.value) for k in formatter.keywords if k.arg == "slots"), [])
    return tuple(item if isinstance(item, str) else _TOKEN for item in slots)


@cache
def shipped_turns() -> dict[str, Turns]:
    """What the snapshot says."""
    return msgspec.json.decode(SNAPSHOT.read_bytes(), type=dict[str, Turns])
