"""MinHash signatures of texts, and the pairs of texts that may be alike, without a look at every pair.

rensa makes the signatures (R-MinHash, MIT). Two texts agree in a slot as often as they share shingles. Bands
of four slots each are compared (locality-sensitive hashing: Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", 3.4): with 64 bands, a pair with Jaccard J is looked at with probability 1 - (1 - J^4)^64, which is
0.9998 at 0.6, 0.98 at 0.5 and 0.0004 at 0.05.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from millhand.errors import MissingPackageError
from millhand.text.shingles import WIDTH

BANDS, ROWS = 64, 4
SLOTS = BANDS * ROWS
_SEED = 42
# Texts in one bucket are compared with its first and with the eight before them, and of each text the 32
# likeliest pairs stay: thousands of rows of one template cost no more than that, and those that are alike
# meet in many other buckets.
_NEIGHBOURS, _PARTNERS = 8, 32
_CHUNK = 20_000  # pairs whose slots are compared at once: 20 MB
_MANY = 4_000_000  # pairs from which on those that are not likely are let go: 40 MB
# A signature's share of equal slots scatters by 0.03 about the Jaccard index: three of that are let pass.
_SLACK = 0.1

_HIGH, _LOW = 32, 0xFFFFFFFF
# An array of numpy: uint16, a row of 256 slots for each text.
Signatures: TypeAlias = Any


def signatures(texts: Sequence[str]) -> Signatures:
    """The signatures of ``texts``: each depends on its own text alone, so work may be shared out anyhow.

    A text shorter than a shingle has the signature of nothing: leave such texts out.

    Raises:
        MissingPackageError: rensa is not installed.
    """
    rensa, np = _packages()
    hashes, ends = _hashes(texts, np)
    digests = rensa.RMinHash.digest_matrix_from_flat_token_hashes(hashes, ends, SLOTS, _SEED)
    return np.asarray(digests.to_rows(), np.uint32).astype(np.uint16).reshape(-1, SLOTS)


def stacked(packed: Iterable[bytes]) -> Signatures:
    """The rows of which each comes as bytes."""
    _, np = _packages()
    return np.frombuffer(b"".join(packed), np.uint16).reshape(-1, SLOTS)


def _hashes(texts: Sequence[str], np: Any) -> tuple[Any, list[int]]:
    """A hash of each shingle of all texts, and where each text's begin and end.

    A polynomial over code points, modulo 2**64, then mixed by a multiplication.
    """
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    counts = np.array([max(0, len(text) - WIDTH + 1) for text in texts], np.int64)
    starts = np.cumsum([0, *(len(text) for text in texts)])[:-1]
    at = np.concatenate([np.arange(s, s + n) for s, n in zip(starts, counts, strict=True)] or [counts])
    hashed = np.zeros(len(at), np.uint64)
    for offset in range(WIDTH):
        hashed = hashed * np.uint64(0x100000001B3) + points[at + offset]
    mixed = (hashed ^ (hashed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(32)), [0, *np.cumsum(counts).tolist()]


def alike(found: Signatures, least: float) -> dict[int, list[int]]:
    """For each row the earlier ones that it may have a Jaccard index of ``least`` with, likeliest first."""
    _, np = _packages()
    pairs, equal = np.empty(0, np.uint64), np.empty(0, np.uint16)
    for band in range(BANDS):
        new = np.setdiff1d(_band_pairs(found, band, np), pairs, assume_unique=True)
        slots = _equal_slots(found, new, np)
        close = slots >= (least - _SLACK) * SLOTS
        pairs, equal = np.concatenate([pairs, new[close]]), np.concatenate([equal, slots[close]])
        if len(pairs) > _MANY:
            pairs, equal = _likeliest(pairs, equal, np)
    partners: dict[int, list[int]] = {}
    for pair in _likeliest(pairs, equal, np)[0].tolist():
        partners.setdefault(pair >> _HIGH, []).append(pair & _LOW)
    return partners


def _equal_slots(found: Signatures, pairs: Any, np: Any) -> Any:
    """In how many slots the two of each pair agree."""
    counts = [np.empty(0, np.uint16)]
    for at in range(0, len(pairs), _CHUNK):
        some = pairs[at : at + _CHUNK]
        counts.append((found[some & _LOW] == found[some >> _HIGH]).sum(axis=1, dtype=np.uint16))
    return np.concatenate(counts)


def _likeliest(pairs: Any, equal: Any, np: Any) -> tuple[Any, Any]:
    """Of the pairs of each later row those that agree in most slots, in the order of the later rows."""
    later = pairs >> _HIGH
    order = np.lexsort((pairs, -equal.astype(np.int32), later))
    later = later[order]
    starts = np.flatnonzero(np.concatenate([[True], later[1:] != later[:-1]])[: len(later)])
    rank = np.arange(len(later)) - np.repeat(starts, np.diff([*starts, len(later)]))
    kept = order[rank < _PARTNERS]
    return pairs[kept], equal[kept]


def _band_pairs(found: Signatures, band: int, np: Any) -> Any:
    """The pairs to look at in a band, as numbers: the later row in the upper 32 bits; sorted, each once."""
    keys = np.ascontiguousarray(found[:, band * ROWS : (band + 1) * ROWS]).view(np.uint64).ravel()
    order = np.argsort(keys, kind="stable").astype(np.uint64)
    ranked = keys[order]
    new = np.concatenate([[True], ranked[1:] != ranked[:-1]])[: len(ranked)]
    first = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
    pairs = [(order << _HIGH | first)[first != order]]
    for back in range(1, _NEIGHBOURS + 1):
        same = ranked[back:] == ranked[:-back]
        pairs.append((order[back:] << _HIGH | order[:-back])[same])
    return np.unique(np.concatenate(pairs))


def _packages() -> tuple[Any, Any]:
    try:
        import numpy
        import rensa
    except ImportError as error:
        raise MissingPackageError(
            f"Near duplicates are found with rensa and numpy: {error}",
            mend="pip install 'millhand[clean]', or `near: false` among the options of dedup.",
        ) from error
    return rensa, numpy
