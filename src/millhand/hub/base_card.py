"""What the README.md of a base model says of its licence: the Hub's metadata. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from millhand.hub.blocks import split_card
from millhand.hub.facts import Base

_GATES = ("extra_gated_prompt", "extra_gated_fields", "extra_gated_heading", "extra_gated_button_content")


def with_card(base: Base, readme: str) -> Base:
    """The base with what its README.md says; what that does not say stays as it was."""
    metadata, _ = split_card(readme)
    if not metadata:
        return base
    licence = _text(metadata.get("license"))
    return msgspec.structs.replace(
        base,
        licence=licence or base.licence,
        licence_name=_text(metadata.get("license_name")) or base.licence_name,
        licence_link=_text(metadata.get("license_link")) or base.licence_link,
        gated=True if any(key in metadata for key in _GATES) else base.gated,
    )


def _text(value: Any) -> str:
    """A text, or the first of several; anything else is none."""
    first = value[0] if isinstance(value, list) and value else value
    return first.strip() if isinstance(first, str) else ""
