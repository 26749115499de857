"""Presidio's recognisers of Korean numbers and of cards and bank accounts, as a second opinion.

They are asked one by one: no language model, no pipeline, and none that would ask the network (the one for
e-mail addresses looks domains up). What their check digits do not bear out does not count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from millhand.errors import MissingPackageError
from millhand.text.keyed import keyed
from millhand.text.pii import Hit
from millhand.text.pii_judges import PiiKind

# The score of a match that its check digit bears out is 1.0, that of one in the right form 0.5 at most.
_SURE = 0.6
_KINDS: dict[str, PiiKind] = {
    "KR_RRN": "resident",
    "KR_FRN": "foreigner",
    "KR_BRN": "business",
    "KR_PASSPORT": "passport",
    "KR_DRIVER_LICENSE": "driver",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "account",
}
# What each of them looks for has one of these in it.
_CANDIDATE = re.compile(
    r"[0-9]{6}-?[0-9]{7}|[0-9]{3}-?[0-9]{2}-?[0-9]{5}|[MSROD][0-9]{3}[A-Z0-9][0-9]{4}"
    r"|[0-9]{2}[- ]?[0-9]{2}[- ]?[0-9]{6}[- ]?[0-9]{2}|[0-9]{4}[- ]?[0-9]{4}[- ]?[0-9]{4}"
    r"|[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}",
    re.IGNORECASE,
)
# spaCy and Presidio import them where they are there, at 260 MB a process; nothing here needs them.
_HEAVY = ("torch", "transformers")


def ask_presidio(text: str, named: Sequence[Hit] = ()) -> list[Hit]:
    """What Presidio finds in ``text`` besides what is already ``named``; in no order.

    Raises:
        MissingPackageError: There is a number to be judged, and Presidio is not installed.
    """
    key = keyed(text)
    places = (key.span(*found.span()) for found in _CANDIDATE.finditer(key.text))
    if all(any(hit.start < end and start < hit.end for hit in named) for start, end in places):
        return []
    return [
        Hit(*key.span(found.start, found.end), _KINDS[found.entity_type])
        for recogniser in _recognisers()
        for found in recogniser.analyze(key.text, recogniser.supported_entities, None)
        if found.score > _SURE
    ]


@cache
def _recognisers() -> tuple[Any, ...]:
    try:
        with _without(_HEAVY):
            from presidio_analyzer import predefined_recognizers as known
    except ImportError as error:
        raise MissingPackageError(
            f"Presidio is needed to judge numbers in texts: {error}",
            mend="pip install 'millhand[clean]', or `presidio: false` among the options of pii.",
        ) from error
    names = ("KrRrn", "KrFrn", "KrBrn", "KrPassport", "KrDriverLicense", "CreditCard", "Iban")
    return tuple(getattr(known, f"{name}Recognizer")(supported_language="ko") for name in names)


@contextmanager
def _without(names: Sequence[str]) -> Iterator[None]:
    """Make packages that are not imported yet look as if they were not installed."""
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in names if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
