"""HTML and SVG as values: whatever is not markup already is escaped."""

from __future__ import annotations

import re
from html import escape

# What HTML may not hold, not even escaped (WHATWG, 13.1.4); the eye gets a sign in its place.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")
_VOID = ("meta", "br", "line", "rect")


class Html(str):
    """Markup that may stand in a page as it is."""

    __slots__ = ()


def text(value: object) -> Html:
    """``value`` as text of a page; markup stays markup."""
    return value if isinstance(value, Html) else Html(escape(_FORBIDDEN.sub("\ufffd", str(value))))


def el(tag: str, *children: object, **attributes: object) -> Html:
    """An element. ``class_`` is the attribute class, ``_`` in other names a hyphen; None leaves one out."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Html(f"<{tag}{given}>" if tag in ("meta", "br") else f"<{tag}{given}/>")
    return Html(f"<{tag}{given}>{join(*children)}</{tag}>")


def join(*children: object) -> Html:
    """Elements and texts one after the other; None and empty text leave nothing."""
    return Html("".join(text(child) for child in children if child is not None))


def number(value: float) -> str:
    """``12,345``; fractions with one digit."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def share(part: float, whole: float) -> str:
    """``12.3%``; ``<0.1%`` for what is not nothing."""
    per_cent = 100 * part / whole if whole else 0.0
    return "<0.1%" if 0 < per_cent < 0.1 else f"{per_cent:.1f}%".replace(".0%", "%")


def table(head: tuple[str, ...], rows: list[list[object]], *, numbers: tuple[int, ...] = ()) -> Html:
    """A table; columns at ``numbers`` stand to the right."""
    kinds = ["n" if column in numbers else None for column in range(len(head))]
    top = el("tr", *(el("th", name, class_=kind) for name, kind in zip(head, kinds, strict=True)))
    body = (
        el("tr", *(el("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    )
    return el("div", el("table", el("thead", top), el("tbody", *body)), class_="scroll")
