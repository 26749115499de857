"""What pieces have in common, and the order that a seed puts them in.

A lot depends on the seed and the piece's name alone: neither the order of the input nor how the work is
shared out changes it, and a piece that comes new moves no other.
"""

from __future__ import annotations

from hashlib import blake2b

from millhand.datasets.pieces import Piece

_LENGTHS = (100, 300, 1000)


def lot(seed: int, name: str) -> int:
    """A number of 64 bits that ``seed`` draws for ``name``."""
    return digest(f"{seed}\0{name}")


def digest(text: str) -> int:
    """A number of 64 bits for a text: two of a million texts share one once in 37 million runs."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def document_of(piece: Piece) -> str:
    """Names the document by what is in it: a copy under another name is the same."""
    return piece.source.sha256 or piece.source.document


def kind_of(piece: Piece) -> str:
    """The sort of source: what its places are counted in (``page``, ``element``, ``line``, ``row``)."""
    return piece.source.place.split(" ")[0] or "row"


def headings_of(piece: Piece) -> tuple[str, ...]:
    """The headings that it stands under, outermost first."""
    if piece.source.section:
        return tuple(piece.source.section.split(" > "))
    return piece.passage.headings if piece.passage else ()


def section_of(piece: Piece, level: int) -> str:
    """Names the section that it stands in, by its document and its first ``level`` headings."""
    return "\0".join([document_of(piece), *headings_of(piece)[:level]])


def answer_of(piece: Piece) -> str:
    """A record's answer: the label, where answers are labels. A passage has none."""
    return piece.record.answer.strip() if piece.record else ""


def length_of(piece: Piece) -> str:
    """The range that the length of its answer, or of a passage's text, is in: ``100-299``."""
    length = len(answer_of(piece) if piece.record else piece.text)
    low = max((bound for bound in _LENGTHS if bound <= length), default=0)
    high = min((bound for bound in _LENGTHS if bound > length), default=0)
    return f"{low}-{high - 1}" if high else f"{low} and more"
