"""The pictures, videos and sounds of a row: are they as many as the text says, and are the files there?

Follows ``data/converter.py`` (``_find_medias``) and ``data/mm_plugin.py`` (``_validate_input``,
``_validate_messages``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from millhand.datasets.info import columns_of
from millhand.training.check.lengths import Dialogue

# What stands in a text for each kind (extras/constants.py), by the member of `columns`.
PLACEHOLDERS = (
    ("images", "image", "<image>"),
    ("videos", "video", "<video>"),
    ("audios", "audio", "<audio>"),
)


@dataclass(frozen=True, slots=True)
class Media:
    """What decides whether a row's pictures are taken.

    ``kinds`` are what the template has a token for (image, video, audio), None where no template is known;
    ``folders`` where files are looked for, the first that has one.
    """

    kinds: tuple[str, ...] | None = None
    folders: tuple[Path, ...] = ()


class MediaJudge:
    """Judges the pictures of the rows of an entry."""

    def __init__(self, entry: Mapping[str, Any], media: Media) -> None:
        columns = columns_of(entry)
        self.media, self.columns = media, {member: columns[member] for member, _, _ in PLACEHOLDERS}
        mapped = any(self.columns.values())
        # A template for pictures counts their signs in every row, also where no column is mapped.
        self.needed = mapped or bool(media.kinds)

    def __call__(self, row: Mapping[str, Any], dialogue: Dialogue) -> str | None:
        """The fault of a row."""
        asked = "\n".join(text for _, text in dialogue.messages)
        # of a pair each answer is put to the question by itself
        texts = [asked + text for _, text in dialogue.answers] or [asked]
        for member, kind, sign in PLACEHOLDERS:
            column = self.columns[member]
            fault = self._of_kind(kind, _listed(row.get(column) if column else None), texts, sign)
            if fault:
                return fault
        return None

    def _of_kind(self, kind: str, items: list[Any], texts: list[str], sign: str) -> str | None:
        kinds = self.media.kinds
        if items and kinds is not None and kind not in kinds:
            return "data.media-unsupported"
        counts = kinds is None or bool(kinds)  # a template of text alone counts nothing
        if counts and any(text.count(sign) != len(items) for text in texts):
            return "data.media-count"
        return None if all(self._is_there(name) for name in _names(items)) else "data.media-missing"

    def _is_there(self, name: str) -> bool:
        return not self.media.folders or _exists(self.media.folders, name)


def _listed(value: Any) -> list[Any]:
    """A single item counts as a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _names(items: list[Any]) -> Iterator[str]:
    """The names of files; frames of a video are a list within the list, bytes have none."""
    for item in items:
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            yield from (frame for frame in item if isinstance(frame, str))


@lru_cache(maxsize=1 << 14)
def _exists(folders: tuple[Path, ...], name: str) -> bool:
    return any((folder / name).is_file() for folder in folders)
